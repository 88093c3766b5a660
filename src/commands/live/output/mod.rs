//! What people and programs read.
//!
//! - [`text`]: names that cannot steer a terminal, cut to a width; amounts and times in words
//! - [`table`]: tables that fit
//! - [`tasks`], [`cluster`]: what is said of tasks, and of workers, results and the whole
//! - [`json`]: the same as documents

pub(crate) mod cluster;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod tasks;
pub(crate) mod text;

use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

/// Colours and width of what goes to stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether to colour.
    pub(crate) color: bool,
    /// Columns.
    pub(crate) width: usize,
    /// Unix microseconds; relative times count from here.
    pub(crate) now_us: i64,
}

/// A colour, or the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Style {
    /// As stdout and the environment have it: `NO_COLOR`, `COLUMNS`, the terminal's size, else 80 columns.
    pub(crate) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let stated = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let measured = || {
            let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
            Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
        };
        let width = stated.or_else(measured).unwrap_or(80);
        Self { color: terminal && !no_color, width: width.max(40), now_us: now_us() }
    }

    /// `text` in a colour, if there are colours.
    pub(crate) fn paint(self, text: &str, paint: Option<Paint>) -> String {
        let code = match paint {
            Some(paint) if self.color => match paint {
                Paint::Bold => "1",
                Paint::Dim => "2",
                Paint::Red => "31",
                Paint::Green => "32",
                Paint::Yellow => "33",
                Paint::Cyan => "36",
            },
            _ => return text.to_owned(),
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Unix microseconds.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The colour of a task's or worker's state.
pub(crate) fn state_paint(state: &str) -> Option<Paint> {
    match state {
        "completed" | "active" => Some(Paint::Green),
        "failed" | "lost" => Some(Paint::Red),
        "running" => Some(Paint::Cyan),
        "pending" | "stopping" | "draining" | "unreachable" | "registered" => Some(Paint::Yellow),
        "cancelled" => Some(Paint::Dim),
        _ => None,
    }
}
