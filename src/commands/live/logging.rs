//! What a master and a worker tell on stderr.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

use super::values::LogLevel;

/// Tells what happens from now on, at this level and above.
pub(super) fn start(level: LogLevel) {
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color);
    // Somebody may have set one up before: then that one stays.
    let _ = subscriber.try_init();
}
