//! Strategy specs: `name` or `name(param=value,...)`.

use std::fmt;
use std::str::FromStr;

use super::RegistryError;

/// A strategy as a user names it, parsed but not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StrategySpec {
    /// The strategy's name.
    pub name: String,
    /// Parameters that were given, in the order given.
    pub params: Vec<(String, String)>,
}

impl StrategySpec {
    /// Splits a list of specs at the commas outside parentheses.
    ///
    /// # Errors
    /// [`RegistryError::Syntax`] if a spec of the list cannot be read.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, RegistryError> {
        let mut depth = 0usize;
        let pieces = list.split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        pieces.map(str::parse).collect()
    }

    /// The name of the folder that a report keeps this strategy's files in: every character outside
    /// `[a-z0-9_.=-]` becomes `_`.
    #[must_use]
    pub fn folder(&self) -> String {
        let keep = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.=-".contains(c);
        self.to_string().chars().map(|c| if keep(c) { c } else { '_' }).collect()
    }
}

impl FromStr for StrategySpec {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let syntax = |expected| RegistryError::Syntax { spec: text.to_owned(), expected };
        let text = text.trim();
        let (name, rest) = text.split_once('(').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(syntax("a name of letters, digits and '_', then perhaps (param=value,...)"));
        }
        let mut params: Vec<(String, String)> = Vec::new();
        if let Some(rest) = rest {
            let inside = rest.strip_suffix(')').ok_or_else(|| syntax("a closing ')' at the end"))?;
            for pair in inside.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (key, value) =
                    pair.split_once('=').ok_or_else(|| syntax("param=value between the parentheses"))?;
                if params.iter().any(|(known, _)| known == key.trim()) {
                    return Err(syntax("each parameter at most once"));
                }
                params.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Ok(Self { name: name.to_owned(), params })
    }
}

impl fmt::Display for StrategySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.params.is_empty() {
            return Ok(());
        }
        let params: Vec<String> = self.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(f, "({})", params.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_outside_parentheses() {
        let list = StrategySpec::parse_list("fcfs, ai(window=8, balance=0.5),greedy").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["fcfs", "ai(window=8,balance=0.5)", "greedy"]);
        assert_eq!(list[1].folder(), "ai_window=8_balance=0.5_");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in ["", "a b", "ai(window)", "ai(window=1", "ai(a=1,a=2)", "ai)x(", "fcfs,,greedy"] {
            assert!(StrategySpec::parse_list(bad).is_err(), "{bad:?}");
        }
    }
}
