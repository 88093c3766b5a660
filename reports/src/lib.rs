//! Reports (guide to follow).

mod analysis;
pub mod catalogue;
mod columns;
mod comparison_csv;
mod error;
mod escape;
mod files;
mod format;
mod html;
mod options;
mod performance;
mod plots;
mod table;

pub use error::ReportError;
pub use files::{load, write};
pub use options::{Options, TableStyle};
pub use table::table;
