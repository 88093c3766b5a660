//! Settings: flags, then the environment, then `.env` in the working directory, then defaults.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::env_file::{EnvFile, is_secret};
use crate::failure::Usage;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Flag(String),
    Environment(&'static str),
    File { path: PathBuf, line: usize, name: &'static str },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line, name } => write!(f, "{}:{line}: {name}", path.display()),
        }
    }
}

type Environment = Box<dyn Fn(&str) -> Option<OsString>>;

/// Where settings are looked for. An empty value is as good as none.
pub(crate) struct Settings {
    environment: Environment,
    file: EnvFile,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("Settings").field("file", &self.file.path()).finish_non_exhaustive()
    }
}

impl Settings {
    /// Those of this process.
    pub(crate) fn load() -> Result<Self> {
        let file = EnvFile::read(Path::new(".env"))?;
        Ok(Self { environment: Box::new(|name| std::env::var_os(name)), file })
    }

    /// Those of these variables and of a `.env` with this text.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&'static str, &'static str)], file: &str) -> Self {
        let variables: std::collections::BTreeMap<_, _> = variables.iter().copied().collect();
        let environment = move |name: &str| variables.get(name).map(|value| OsString::from(*value));
        let file = EnvFile::parse(Path::new(".env"), file).unwrap();
        Self { environment: Box::new(environment), file }
    }

    /// The setting `name`, if anybody gives it: `--some-name` and `SOME_NAME`.
    pub(crate) fn get<T>(
        &self,
        name: &'static str,
        flag: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>> {
        let Some((source, value)) = self.find(name, flag)? else { return Ok(None) };
        match read(&value) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => {
                let value =
                    if is_secret(name) { "(not shown)".into() } else { value.escape_debug().to_string() };
                Err(Usage(format!("{source}: \"{value}\": {expected}")).into())
            }
        }
    }

    /// The same, or its default.
    pub(crate) fn get_or<T>(
        &self,
        name: &'static str,
        flag: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
        default: T,
    ) -> Result<T> {
        Ok(self.get(name, flag, read)?.unwrap_or(default))
    }

    fn find(&self, name: &'static str, flag: Option<&str>) -> Result<Option<(Source, String)>> {
        if let Some(value) = flag {
            // CLOUDAI_TOKEN is --token: only among the variables of others must it say whose it is.
            let name = name.strip_prefix("CLOUDAI_").unwrap_or(name);
            let flag = format!("--{}", name.to_ascii_lowercase().replace('_', "-"));
            return Ok(Some((Source::Flag(flag), value.to_owned())));
        }
        if let Some(value) = (self.environment)(name).filter(|value| !value.is_empty()) {
            let source = Source::Environment(name);
            return match value.into_string() {
                Ok(value) => Ok(Some((source, value))),
                Err(value) => Err(Usage(format!("{source}: \"{}\": expected UTF-8", value.display())).into()),
            };
        }
        let written = self.file.get(name).filter(|(value, _)| !value.is_empty());
        Ok(written.map(|(value, line)| {
            (Source::File { path: self.file.path().to_owned(), line, name }, value.to_owned())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::{amount, listen};
    use super::*;

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file() {
        let settings = Settings::of(&[("A", "2"), ("B", ""), ("D", "")], "A=3\nB=4\nD=");
        let get = |name, flag| settings.get_or(name, flag, amount, 9.0).unwrap();
        assert_eq!(get("A", Some("1")), 1.0);
        assert_eq!(get("A", None), 2.0);
        assert_eq!(get("B", None), 4.0);
        assert_eq!(get("C", None), 9.0);
        assert_eq!(get("D", None), 9.0, "empty is as good as none");
    }

    #[test]
    fn a_bad_value_names_its_source_the_value_and_what_was_expected() {
        let settings = Settings::of(&[("HTTP_PORT", "x\n")], "\n# c\nGRPC_PORT='y'");
        let error = |name, flag| settings.get(name, flag, listen).unwrap_err().to_string();
        let expected = "expected a port, as in :50051 or 50051, or HOST:PORT";
        assert_eq!(error("HTTP_PORT", None), format!("environment variable HTTP_PORT: \"x\\n\": {expected}"));
        assert_eq!(error("GRPC_PORT", None), format!(".env:3: GRPC_PORT: \"y\": {expected}"));
        assert_eq!(error("GRPC_PORT", Some("")), format!("--grpc-port: \"\": {expected}"));
        assert_eq!(error("CLOUDAI_TOKEN", Some("s")), format!("--token: \"(not shown)\": {expected}"));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let mut settings = Settings::of(&[], "");
        settings.environment = Box::new(|_| Some(OsString::from_vec(vec![b'a', 0xff])));
        let error = settings.get("DB_NAME", None, |text| Ok(text.to_owned())).unwrap_err();
        assert!(
            error.to_string().contains("environment variable DB_NAME: \"a\u{fffd}\": expected UTF-8"),
            "{error}"
        );
    }
}
