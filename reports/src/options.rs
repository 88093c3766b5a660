//! What a caller may choose about a report.

/// What a report contains.
///
/// ```
/// use cloudai_reports::Options;
///
/// assert!(Options::default().plots);
/// assert!(!Options::default().with_plots(false).plots);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whether plots are drawn, as files and in `index.html`. Default: true.
    pub plots: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { plots: true }
    }
}

impl Options {
    /// The same options, with or without plots.
    #[must_use]
    pub const fn with_plots(mut self, plots: bool) -> Self {
        self.plots = plots;
        self
    }
}

/// How the comparison table is laid out for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStyle {
    /// Whether ANSI colours mark the best values and what is better or worse than the baseline. Default: false.
    pub color: bool,
    /// Columns of the terminal; the least important columns of the table are left out where it is narrow.
    /// Default: 80.
    pub width: usize,
}

impl Default for TableStyle {
    fn default() -> Self {
        Self { color: false, width: 80 }
    }
}

impl TableStyle {
    /// A style with the given use of colour and width.
    #[must_use]
    pub const fn new(color: bool, width: usize) -> Self {
        Self { color, width }
    }
}
