//! Tables that fit the width of a terminal.

use super::text::{cut, printable, width};
use super::{Paint, Style};

const GAP: &str = "  ";

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    /// It may be cut down to this; as wide as its cells if there is none.
    least: Option<usize>,
    /// Left out, the highest first, where the width is too small for all; 0: never.
    rank: u8,
}

impl Column {
    /// Text, to the left, never cut.
    pub(crate) const fn new(heading: &'static str) -> Self {
        Self { heading, right: false, least: None, rank: 0 }
    }

    /// A number, to the right.
    pub(crate) const fn number(heading: &'static str) -> Self {
        Self { right: true, ..Self::new(heading) }
    }

    /// May be cut down to so many columns.
    pub(crate) const fn least(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// May be left out, those of the highest rank first.
    pub(crate) const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// A cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A painted cell.
    pub(crate) fn painted(text: impl Into<String>, paint: Option<Paint>) -> Self {
        Self { text: printable(&text.into()), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text, None)
    }
}

/// Rows under headings. Columns without any text are left out.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell a column");
        self.rows.push(cells.into());
    }

    /// The table in a style. It ends with a line break.
    pub(crate) fn render(&self, style: Style) -> String {
        let natural: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().map(|row| width(&row[at].text)).max().unwrap_or(0);
                if cells == 0 { 0 } else { cells.max(width(self.columns[at].heading)) }
            })
            .collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).filter(|&at| natural[at] > 0).collect();
        let least = |at: usize| self.columns[at].least.map_or(natural[at], |least| least.min(natural[at]));
        let gaps = |shown: &[usize]| GAP.len() * shown.len().saturating_sub(1);
        while shown.iter().map(|&at| least(at)).sum::<usize>() + gaps(&shown) > style.width {
            let Some(&last) = shown
                .iter()
                .filter(|&&at| self.columns[at].rank > 0)
                .max_by_key(|&&at| self.columns[at].rank)
            else {
                break;
            };
            shown.retain(|&at| at != last);
        }
        let mut widths = natural.clone();
        let mut used = shown.iter().map(|&at| widths[at]).sum::<usize>() + gaps(&shown);
        while used > style.width {
            // The widest of those that may still be cut.
            let Some(&widest) =
                shown.iter().filter(|&&at| widths[at] > least(at)).max_by_key(|&&at| widths[at])
            else {
                break;
            };
            widths[widest] -= 1;
            used -= 1;
        }
        let mut out = String::new();
        let headings = shown.iter().map(|&at| (at, self.columns[at].heading, Some(Paint::Bold)));
        self.line(&mut out, style, &widths, headings);
        for row in &self.rows {
            self.line(
                &mut out,
                style,
                &widths,
                shown.iter().map(|&at| (at, row[at].text.as_str(), row[at].paint)),
            );
        }
        out
    }

    fn line<'a>(
        &self,
        out: &mut String,
        style: Style,
        widths: &[usize],
        cells: impl Iterator<Item = (usize, &'a str, Option<Paint>)>,
    ) {
        let mut pending = 0;
        for (place, (at, text, paint)) in cells.enumerate() {
            let text = cut(text, widths[at]);
            let padding = widths[at] - width(&text).min(widths[at]);
            pending += if place > 0 { GAP.len() } else { 0 };
            if self.columns[at].right {
                pending += padding;
            }
            if !text.is_empty() {
                out.push_str(&" ".repeat(pending));
                out.push_str(&style.paint(&text, paint));
                pending = 0;
            }
            if !self.columns[at].right || text.is_empty() {
                pending += if self.columns[at].right { 0 } else { padding };
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(width: usize) -> Style {
        Style { color: false, width, now_us: 0 }
    }

    fn table() -> Table {
        let mut table = Table::new(&[
            Column::new("NAME").least(4),
            Column::new("EMPTY"),
            Column::number("N"),
            Column::new("NOTE").least(4).rank(1),
        ]);
        table.row(["日本語の長い名前".into(), "".into(), "7".into(), "fine".into()]);
        table.row(["b\x1b[0m".into(), "".into(), "1000".into(), "".into()]);
        table
    }

    #[test]
    fn a_table_fits_and_says_nothing_of_empty_columns() {
        assert_eq!(
            table().render(style(80)),
            "NAME                 N  NOTE\n日本語の長い名前     7  fine\nb\u{fffd}[0m             1000\n"
        );
        assert_eq!(
            table().render(style(20)),
            "NAME         N  NOTE\n日本語…      7  fine\nb\u{fffd}[0m     1000\n"
        );
        assert_eq!(table().render(style(12)), "NAME       N\n日本…      7\nb\u{fffd}[0m   1000\n");
        assert!(table().render(style(20)).lines().all(|line| width(line) <= 20));
    }

    #[test]
    fn colours_do_not_count() {
        let mut table = Table::new(&[Column::new("A"), Column::new("B")]);
        table.row([Cell::painted("x", Some(Paint::Red)), "y".into()]);
        let colored = Style { color: true, ..style(80) };
        assert_eq!(table.render(colored), "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31mx\x1b[0m  y\n");
    }
}
