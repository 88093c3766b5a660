//! Typed, documented parameters.

use std::collections::BTreeMap;
use std::fmt;

use super::{RegistryError, StrategySpec};

/// A parameter of a strategy: its name, what it does, its type, range and default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamInfo {
    /// The name, as in a spec.
    pub name: &'static str,
    /// What it does, in one line. A beginning such as `order=priority: ` says with what choice alone it has an effect;
    /// to give it beside another is an error then.
    pub about: &'static str,
    /// Type, range and default.
    pub kind: ParamKind,
}

impl ParamInfo {
    /// The parameter of the same strategy, and the choice for it, without which this one has no effect.
    #[must_use]
    pub fn only_with(&self) -> Option<(&'static str, &'static str)> {
        let (param, value) = self.about.split_once(": ")?.0.split_once('=')?;
        let is_word =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
        (is_word(param) && is_word(value)).then_some((param, value))
    }
}

/// Type, range and default of a parameter. Ranges are inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are default, min and max throughout")]
pub enum ParamKind {
    /// A number.
    Float { default: f64, min: f64, max: f64 },
    /// A whole number.
    Int { default: u64, min: u64, max: u64 },
    /// `true` or `false`.
    Bool { default: bool },
    /// One of a list of words.
    Choice { default: &'static str, options: &'static [&'static str] },
}

impl ParamKind {
    /// The default as it would be written in a spec.
    #[must_use]
    pub fn default_text(&self) -> String {
        match self {
            Self::Float { default, .. } => default.to_string(),
            Self::Int { default, .. } => default.to_string(),
            Self::Bool { default } => default.to_string(),
            Self::Choice { default, .. } => (*default).to_owned(),
        }
    }

    /// Whether a text is a value that the parameter may have.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        self.parse(text).is_some()
    }

    fn parse(&self, text: &str) -> Option<Value> {
        match *self {
            Self::Float { min, max, .. } => {
                text.parse().ok().filter(|value| (min..=max).contains(value)).map(Value::Float)
            }
            Self::Int { min, max, .. } => {
                text.parse().ok().filter(|value| (min..=max).contains(value)).map(Value::Int)
            }
            Self::Bool { .. } => text.parse().ok().map(Value::Bool),
            Self::Choice { options, .. } => {
                options.iter().find(|&&option| option == text).map(|&o| Value::Choice(o))
            }
        }
    }

    fn default_value(&self) -> Value {
        match *self {
            Self::Float { default, .. } => Value::Float(default),
            Self::Int { default, .. } => Value::Int(default),
            Self::Bool { default } => Value::Bool(default),
            Self::Choice { default, .. } => Value::Choice(default),
        }
    }
}

/// What a value may be, in words: `a number from 0 to 1`.
impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float { min, max, .. } => write!(f, "a number from {min} to {max}"),
            Self::Int { min, max, .. } => write!(f, "a whole number from {min} to {max}"),
            Self::Bool { .. } => f.write_str("true or false"),
            Self::Choice { options, .. } => write!(f, "one of {}", options.join(", ")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Float(f64),
    Int(u64),
    Bool(bool),
    Choice(&'static str),
}

/// The parameters of one strategy, each with a value: given in the spec, or its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(BTreeMap<&'static str, Value>);

impl Params {
    pub(super) fn resolve(spec: &StrategySpec, infos: &[ParamInfo]) -> Result<Self, RegistryError> {
        let mut values: BTreeMap<&'static str, Value> =
            infos.iter().map(|info| (info.name, info.kind.default_value())).collect();
        for (name, text) in &spec.params {
            let info =
                infos.iter().find(|info| info.name == name).ok_or_else(|| RegistryError::UnknownParam {
                    strategy: spec.name.clone(),
                    param: name.clone(),
                    known: infos.iter().map(|info| info.name).collect::<Vec<_>>().join(", "),
                })?;
            let value = info.kind.parse(text).ok_or_else(|| RegistryError::BadValue {
                strategy: spec.name.clone(),
                param: name.clone(),
                value: text.clone(),
                expected: info.kind.to_string(),
            })?;
            values.insert(info.name, value);
        }
        for info in infos.iter().filter(|info| spec.params.iter().any(|(name, _)| name == info.name)) {
            let Some((param, wanted)) = info.only_with() else { continue };
            let found = values.get(param);
            if found != Some(&Value::Choice(wanted)) {
                return Err(RegistryError::NoEffect {
                    strategy: spec.name.clone(),
                    param: info.name,
                    other: param,
                    found: if let Some(Value::Choice(found)) = found { found } else { "" },
                    wanted,
                });
            }
        }
        Ok(Self(values))
    }

    /// The value of a [`ParamKind::Float`] that the strategy declares. Of anything else: 0.
    #[must_use]
    pub fn float(&self, name: &str) -> f64 {
        if let Some(Value::Float(value)) = self.0.get(name) { *value } else { undeclared(name, 0.0) }
    }

    /// The value of a [`ParamKind::Int`] that the strategy declares. Of anything else: 0.
    #[must_use]
    pub fn int(&self, name: &str) -> u64 {
        if let Some(Value::Int(value)) = self.0.get(name) { *value } else { undeclared(name, 0) }
    }

    /// The value of a [`ParamKind::Int`] that the strategy declares, as a number of things. Of anything else: 0.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or(usize::MAX)
    }

    /// The value of a [`ParamKind::Bool`] that the strategy declares. Of anything else: false.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        if let Some(Value::Bool(value)) = self.0.get(name) { *value } else { undeclared(name, false) }
    }

    /// The value of a [`ParamKind::Choice`] that the strategy declares. Of anything else: "".
    #[must_use]
    pub fn choice(&self, name: &str) -> &'static str {
        if let Some(Value::Choice(value)) = self.0.get(name) { value } else { undeclared(name, "") }
    }
}

/// A strategy asks for a parameter that it does not declare: a mistake in the strategy, loud in tests.
fn undeclared<T>(name: &str, fallback: T) -> T {
    debug_assert!(false, "parameter '{name}' is not declared with this type");
    fallback
}
