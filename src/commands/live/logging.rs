//! What a master and a worker tell, on stderr or in a file.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tracing_subscriber::filter::LevelFilter;

use super::values::LogLevel;

/// Tells what happens from now on, at this level and above, on stderr.
pub(super) fn start(level: LogLevel) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter(level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color);
    // Somebody may have set one up before: then that one stays.
    let _ = subscriber.try_init();
}

/// Writes it behind what the file has already, for a master whose terminal is taken by its console.
pub(super) fn start_in(file: &Path, level: LogLevel) -> Result<()> {
    let open = || {
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        OpenOptions::new().create(true).append(true).open(file)
    };
    let file = open().with_context(|| format!("{}: cannot be written", file.display()))?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter(level))
        .with_writer(Mutex::new(file))
        .with_ansi(false);
    let _ = subscriber.try_init();
    Ok(())
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
