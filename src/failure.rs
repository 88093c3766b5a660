//! Exit codes: 1 it failed, 2 wrong usage or input, 130 interrupted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use cloudai_reports::ReportError;
use cloudai_schedulers::RegistryError;
use cloudai_sim::SimError;
use cloudai_sim::sweep::SweepError;
use cloudai_sim::validate::{UnknownRule, ValidateError};
use cloudai_workloads::{Problems, SettingError};

/// Wrong usage or input, in words.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A schedule that breaks rules: the check has run, and its answer is no.
#[derive(Debug)]
pub(crate) struct Violated {
    pub(crate) count: u64,
}

impl std::fmt::Display for Violated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "the schedule does not hold: {} violation{plural}", self.count)
    }
}

impl std::error::Error for Violated {}

/// The exit code for an error that ended the program.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<SimError>() {
        Some(SimError::Interrupted) => return ExitCode::from(130),
        Some(
            SimError::Input(_)
            | SimError::Strategy(_)
            | SimError::BeyondHorizon { .. }
            | SimError::Oracle { .. },
        ) => {
            return ExitCode::from(2);
        }
        _ => {}
    }
    match error.downcast_ref::<SweepError>() {
        Some(SweepError::Run(SimError::Interrupted)) => return ExitCode::from(130),
        Some(
            SweepError::Input(_)
            | SweepError::Foreign { .. }
            | SweepError::File { .. }
            | SweepError::List { .. },
        ) => {
            return ExitCode::from(2);
        }
        Some(SweepError::Slurm(error)) if error.is_usage() => return ExitCode::from(2),
        _ => {}
    }
    // A folder that holds no report is wrong input; one that cannot be read or written is a failure.
    if let Some(
        ReportError::NoReport { .. }
        | ReportError::Parse { .. }
        | ReportError::Table { .. }
        | ReportError::Folder { .. },
    ) = error.downcast_ref::<ReportError>()
    {
        return ExitCode::from(2);
    }
    if error.downcast_ref::<Problems>().is_some_and(Problems::output_failed) {
        return ExitCode::from(1);
    }
    if error.is::<ValidateError>() || error.is::<UnknownRule>() {
        return ExitCode::from(2);
    }
    #[cfg(feature = "live")]
    {
        use crate::commands::live::{Interrupted, RpcError};
        if error.is::<Interrupted>() {
            return ExitCode::from(130);
        }
        if error.downcast_ref::<RpcError>().is_some_and(RpcError::is_refusal) {
            return ExitCode::from(2);
        }
    }
    let input = error.is::<Usage>() || error.is::<Problems>() || error.is::<RegistryError>();
    if input || error.is::<SettingError>() { ExitCode::from(2) } else { ExitCode::from(1) }
}

/// Tells people something, on stderr. That nobody can hear it changes nothing of what the program has done, where
/// `eprintln!` would panic.
pub(crate) fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The error and its causes on one line; causes that the line says already are left out.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            let _ = write!(text, "{separator}{cause}");
        }
    }
    text
}

/// True if whoever read our output has gone: no reason to complain.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}
