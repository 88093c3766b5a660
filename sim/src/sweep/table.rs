//! The tidy table of a sweep: one row a cell, one column a coordinate or a metric.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::sync::LazyLock;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;

use crate::result::{GpuPoint, Metrics};

/// What the coordinates of a factor say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FactorKind {
    /// Name of the scenario: column `scenario`.
    Scenario,
    /// Workers in the cluster: column `workers`.
    Workers,
    /// Factor on the rate of arrivals: column `load`.
    Load,
    /// Number of the shaken copy, 0 for the workload as it is: column `shake`.
    Shake,
    /// Seed: column `seed`.
    Seed,
    /// A setting of the scenario: column `setting.KEY`.
    Setting,
    /// The strategy's spec, with its parameters: column `strategy`.
    Strategy,
    /// A parameter of strategies: column `param.NAME`.
    Parameter,
}

impl FactorKind {
    const SETTING: &'static str = "setting.";
    const PARAMETER: &'static str = "param.";

    /// The kind of factor that a column of this name holds.
    fn of_column(name: &str) -> Option<Self> {
        Some(match name {
            "scenario" => Self::Scenario,
            "workers" => Self::Workers,
            "load" => Self::Load,
            "shake" => Self::Shake,
            "seed" => Self::Seed,
            "strategy" => Self::Strategy,
            _ if name.starts_with(Self::SETTING) => Self::Setting,
            _ if name.starts_with(Self::PARAMETER) => Self::Parameter,
            _ => return None,
        })
    }
}

/// A coordinate of cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// What it says.
    pub kind: FactorKind,
    /// The name of its column: `strategy`, `param.weight`, `setting.mtbf_s`, ...
    pub name: String,
    /// The values that occur, each once, in the order of the cells that have them first.
    pub levels: Vec<String>,
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It ran.
    Ran(Measured),
    /// The strategy does not support the scenario; why.
    Skipped(String),
    /// The run ended with this error.
    Failed(String),
}

/// What a cell that ran was measured as.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// One value for each of [`Table::metrics`]; `None` where it does not apply.
    pub metrics: Vec<Option<f64>>,
    /// One text for each of [`Table::TEXTS`].
    pub texts: Vec<String>,
    /// The GPU curve at each percent of the GPU capacity that had arrived: the first point at or after 1%, 2%, ...;
    /// `arrived` is that percentage as a share. Empty for runs that have none.
    pub curve: Vec<GpuPoint>,
}

/// A cell of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of the cell, from 0.
    pub cell: usize,
    /// For each of [`Table::factors`], which of its levels; `None` where it does not apply, such as a parameter of another
    /// strategy.
    pub levels: Vec<Option<usize>>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Row {
    /// What was measured; `None` if the cell did not run.
    #[must_use]
    pub fn measured(&self) -> Option<&Measured> {
        match &self.outcome {
            Outcome::Ran(measured) => Some(measured),
            Outcome::Skipped(_) | Outcome::Failed(_) => None,
        }
    }
}

/// The results of a sweep: one row a cell, in the order of the cells.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// The coordinates: scenario, workers, load, shake, seed, settings, strategy, parameters, in this order. Those that an
    /// experiment does not vary are there with one level; settings and parameters only as far as it names them.
    pub factors: Vec<Factor>,
    /// Keys of the metrics, in the order of `metrics.json`; its `seed` and `strategy` are coordinates here.
    pub metrics: Vec<String>,
    /// The cells.
    pub rows: Vec<Row>,
}

/// Why a table could not be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The CSV itself is broken.
    #[error(transparent)]
    Csv(csv::Error),
    /// A row does not have as many values as there are columns.
    #[error("line {line}: {values} values; expected {columns}, as many as columns")]
    Length {
        /// The line in the file.
        line: u64,
        /// How many there are.
        values: u64,
        /// How many there should be.
        columns: u64,
    },
    /// The last row is not whole.
    #[error(
        "line {line}: ends without a line break, as a file does that was cut off; expected the whole table"
    )]
    CutOff {
        /// The line in the file.
        line: usize,
    },
    /// A column or cell is not what was expected.
    #[error("line {line}: {column}: {value:?}: expected {expected}")]
    Cell {
        /// The line in the file.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl From<csv::Error> for TableError {
    fn from(error: csv::Error) -> Self {
        match *error.kind() {
            csv::ErrorKind::UnequalLengths { ref pos, expected_len, len } => {
                let line = pos.as_ref().map_or(0, csv::Position::line);
                Self::Length { line, values: len, columns: expected_len }
            }
            _ => Self::Csv(error),
        }
    }
}

impl Table {
    /// The texts of `metrics.json` that are not coordinates.
    pub const TEXTS: [&'static str; 3] = ["estimates", "version", "scenario_hash"];

    /// A table without rows.
    #[must_use]
    pub fn new() -> Self {
        Self { metrics: metric_keys(), ..Self::default() }
    }

    /// Where a metric stands in [`Measured::metrics`]; `None` if there is none of this key.
    #[must_use]
    pub fn metric(&self, key: &str) -> Option<usize> {
        self.metrics.iter().position(|metric| metric == key)
    }

    /// Where a factor stands in [`Row::levels`], by the name of its column.
    #[must_use]
    pub fn factor(&self, name: &str) -> Option<usize> {
        self.factors.iter().position(|factor| factor.name == name)
    }

    /// Appends a row with these coordinates, one for each factor; new values become new levels.
    pub fn push(&mut self, coordinates: &[Option<String>], outcome: Outcome) {
        let level = |(factor, value): (&mut Factor, &Option<String>)| {
            let value = value.as_ref()?;
            let known = factor.levels.iter().position(|level| level == value);
            Some(known.unwrap_or_else(|| {
                factor.levels.push(value.clone());
                factor.levels.len() - 1
            }))
        };
        let levels = self.factors.iter_mut().zip(coordinates).map(level).collect();
        self.rows.push(Row { cell: self.rows.len(), levels, outcome });
    }

    /// The value of a factor in a row; `None` where it does not apply.
    #[must_use]
    pub fn level(&self, row: &Row, factor: usize) -> Option<&str> {
        let level = row.levels.get(factor).copied().flatten()?;
        self.factors.get(factor)?.levels.get(level).map(String::as_str)
    }

    /// Writes the table as CSV: `cell`, the factors, `status` (`ran`, `skipped` or `failed`), `error` (why), the metrics,
    /// [`Table::TEXTS`]. What does not apply is empty. Numbers are the shortest decimals that read back as the same number.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write_csv(&self, output: impl Write) -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_field("cell")?;
        self.factors.iter().try_for_each(|factor| writer.write_field(&factor.name))?;
        writer.write_record(
            ["status", "error"].into_iter().chain(self.metrics.iter().map(String::as_str)).chain(Self::TEXTS),
        )?;
        let nothing = Measured::default();
        for row in &self.rows {
            writer.write_field(row.cell.to_string())?;
            for factor in 0..self.factors.len() {
                writer.write_field(self.level(row, factor).unwrap_or_default())?;
            }
            let (status, error, measured) = match &row.outcome {
                Outcome::Ran(measured) => ("ran", "", measured),
                Outcome::Skipped(reason) => ("skipped", reason.as_str(), &nothing),
                Outcome::Failed(error) => ("failed", error.as_str(), &nothing),
            };
            writer.write_field(status)?;
            writer.write_field(error)?;
            for metric in 0..self.metrics.len() {
                let value = measured.metrics.get(metric).copied().flatten();
                writer.write_field(value.map(|value| value.to_string()).unwrap_or_default())?;
            }
            for text in 0..Self::TEXTS.len() {
                writer.write_field(measured.texts.get(text).map_or("", String::as_str))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.flush().map_err(Into::into)
    }

    /// Writes the GPU curves as CSV: `cell`, and the columns of `gpu_curve.csv`, in percent with at most four decimals. Cells without a curve have no rows.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write_curves(&self, output: impl Write) -> Result<(), csv::Error> {
        let mut writer = csv::Writer::from_writer(output);
        let shares = ["arrived_percent", "allocated_percent", "fragmented_percent", "fragmentation_percent"];
        writer.write_record(["cell"].into_iter().chain(shares))?;
        for row in &self.rows {
            let curve = row.measured().map_or(&[][..], |measured| &measured.curve);
            for point in curve {
                let shares = [point.arrived, point.allocated, point.fragmented, point.fragmentation];
                writer.write_field(row.cell.to_string())?;
                shares.iter().try_for_each(|&share| writer.write_field(percent(share)))?;
                writer.write_record(None::<&[u8]>)?;
            }
        }
        writer.flush().map_err(Into::into)
    }

    /// Reads what [`Table::write_curves`] has written into the rows of this table.
    ///
    /// # Errors
    /// [`TableError`], with the line and the column.
    pub fn read_curves(&mut self, input: impl Read) -> Result<(), TableError> {
        let mut reader = csv::Reader::from_reader(input);
        let header = reader.headers()?.clone();
        for record in reader.records() {
            let record = record?;
            let wrong = |column: usize, expected| TableError::Cell {
                line: record.position().map_or(0, csv::Position::line),
                column: header.get(column).unwrap_or_default().to_owned(),
                value: record.get(column).unwrap_or_default().to_owned(),
                expected,
            };
            // In percent with four decimals, and so exactly what was written as a share.
            let share = |column: usize| {
                let percent = record.get(column).and_then(|text| text.parse::<f64>().ok());
                percent.map(|percent| (percent * 1e4).round() / 1e6).ok_or_else(|| wrong(column, "percent"))
            };
            let point = GpuPoint {
                arrived: share(1)?,
                allocated: share(2)?,
                fragmented: share(3)?,
                fragmentation: share(4)?,
            };
            let cell = record.get(0).and_then(|text| text.parse::<usize>().ok());
            match cell.and_then(|cell| self.rows.get_mut(cell)).map(|row| &mut row.outcome) {
                Some(Outcome::Ran(measured)) => measured.curve.push(point),
                _ => return Err(wrong(0, "a cell of results.csv that ran")),
            }
        }
        Ok(())
    }

    /// Reads what [`Table::write_csv`] has written; curves are not in it.
    ///
    /// # Errors
    /// [`TableError`], with the line and the column.
    pub fn read_csv(mut input: impl Read) -> Result<Self, TableError> {
        let mut text = Vec::new();
        input.read_to_end(&mut text).map_err(csv::Error::from)?;
        if text.last().is_some_and(|&last| last != b'\n') {
            return Err(TableError::CutOff { line: text.split(|&byte| byte == b'\n').count() });
        }
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let header = reader.headers()?.clone();
        let wrong = |line, column: &str, value: &str, expected| TableError::Cell {
            line,
            column: column.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let status = header.iter().position(|name| name == "status");
        let status = status.ok_or_else(|| wrong(1, "status", "", "a column of this name"))?;
        let texts = header.len().saturating_sub(Self::TEXTS.len());
        if header.get(0) != Some("cell") || header.iter().skip(texts).ne(Self::TEXTS) || status + 2 > texts {
            return Err(wrong(1, "header", header.get(0).unwrap_or_default(), "the columns of results.csv"));
        }
        let mut table = Self::default();
        for name in header.iter().take(status).skip(1) {
            let kind =
                FactorKind::of_column(name).ok_or_else(|| wrong(1, name, name, "a coordinate of cells"))?;
            table.factors.push(Factor { kind, name: name.to_owned(), levels: Vec::new() });
        }
        table.metrics = header.iter().take(texts).skip(status + 2).map(str::to_owned).collect();
        let known = metric_keys();
        if let Some(name) = table.metrics.iter().find(|name| !known.contains(name)) {
            // Likely it is the first one that is missing.
            let missing = KEYS.iter().find(|key| known.contains(key) && !table.metrics.contains(key));
            return Err(wrong(1, name, name, missing.map_or("no such column", String::as_str)));
        }
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |at: usize| record.get(at).unwrap_or_default();
            if cell(0).parse() != Ok(table.rows.len()) {
                return Err(wrong(line, "cell", cell(0), "the cells in order, from 0"));
            }
            let filled = |at| Some(cell(at)).filter(|text| !text.is_empty()).map(str::to_owned);
            let coordinates: Vec<Option<String>> = (1..status).map(filled).collect();
            let metric = |at: usize| {
                let text = Some(cell(at)).filter(|text| !text.is_empty());
                let number = text
                    .map(|text| text.parse::<f64>().map_err(|_| wrong(line, &header[at], text, "a number")));
                number.transpose()
            };
            let outcome = match cell(status) {
                "ran" => Outcome::Ran(Measured {
                    metrics: (status + 2..texts).map(metric).collect::<Result<_, _>>()?,
                    texts: (texts..header.len()).map(|at| cell(at).to_owned()).collect(),
                    curve: Vec::new(),
                }),
                "skipped" => Outcome::Skipped(cell(status + 1).to_owned()),
                "failed" => Outcome::Failed(cell(status + 1).to_owned()),
                other => return Err(wrong(line, "status", other, "ran, skipped or failed")),
            };
            table.push(&coordinates, outcome);
        }
        Ok(table)
    }
}

impl Measured {
    /// The numbers and texts of a run's metrics.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        Self::collect(entries(metrics))
    }

    /// The same from the text of a `metrics.json`; `None` unless it has exactly the keys of this version, in its order.
    pub(super) fn parse(json: &str, curve: Vec<GpuPoint>) -> Option<Self> {
        let found = entries_of(json).ok()?;
        let known = found.iter().map(|(key, _)| key);
        known.eq(KEYS.iter()).then(|| Self { curve, ..Self::collect(found) })
    }

    fn collect(entries: Vec<(String, Value)>) -> Self {
        let mut measured = Self::default();
        for (key, value) in entries {
            match value {
                _ if is_coordinate(&key) => {}
                Value::String(text) => measured.texts.push(text),
                value => measured.metrics.push(value.as_f64()),
            }
        }
        measured
    }
}

/// A share in percent, with at most four decimals.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Coordinates of a cell that `metrics.json` repeats.
fn is_coordinate(key: &str) -> bool {
    key == "seed" || key == "strategy"
}

/// Keys of the numbers in `metrics.json`, in its order.
fn metric_keys() -> Vec<String> {
    let number = |(key, value): (String, Value)| (!value.is_string() && !is_coordinate(&key)).then_some(key);
    entries(&Metrics::default()).into_iter().filter_map(number).collect()
}

/// Keys and values of `metrics.json`, in its order, which `serde_json::Map` does not keep.
fn entries(metrics: &Metrics) -> Vec<(String, Value)> {
    // A struct of numbers and texts is always an object.
    let text = serde_json::to_string(metrics).unwrap_or_default();
    entries_of(&text).unwrap_or_default()
}

/// Every key of `metrics.json`, in its order.
static KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| entries(&Metrics::default()).into_iter().map(|(key, _)| key).collect());

/// Keys and values of an object, in the order of the text.
fn entries_of(json: &str) -> Result<Vec<(String, Value)>, serde_json::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, Value)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Entries)
}

/// Looks up rows by coordinates, some left out: groups of rows that agree on the factors that are kept.
///
/// Groups come in the order of their first rows. A row that lacks a level of a kept factor groups with its like.
#[must_use]
pub fn group_by(table: &Table, kept: &[usize]) -> Vec<(Vec<Option<usize>>, Vec<usize>)> {
    let mut numbers: HashMap<Vec<Option<usize>>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<Option<usize>>, Vec<usize>)> = Vec::new();
    for (at, row) in table.rows.iter().enumerate() {
        let key: Vec<Option<usize>> =
            kept.iter().map(|&factor| row.levels.get(factor).copied().flatten()).collect();
        let number = *numbers.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.1.push(at),
            None => groups.push((key, vec![at])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let factor = |kind, name: &str| Factor { kind, name: name.to_owned(), levels: Vec::new() };
        let mut table = Table::new();
        table.factors = vec![
            factor(FactorKind::Scenario, "scenario"),
            factor(FactorKind::Strategy, "strategy"),
            factor(FactorKind::Parameter, "param.window"),
        ];
        let some = |text: &str| Some(text.to_owned());
        let metrics = Metrics {
            makespan_s: Some(0.1 + 0.2),
            completed: 7,
            version: "1".to_owned(),
            ..Metrics::default()
        };
        let mut ran = Measured::of(&metrics);
        ran.texts[0] = "noisy(0.5), \"so\"".to_owned();
        table.push(&[some("a, b"), some("fcfs"), None], Outcome::Ran(ran));
        table.push(
            &[some("a, b"), some("ai(window=3)"), some("3")],
            Outcome::Skipped("has\ngangs".to_owned()),
        );
        table.push(&[some("c"), some("fcfs"), None], Outcome::Failed("left tasks".to_owned()));
        table
    }

    #[test]
    fn keys_are_those_of_metrics_json_in_its_order() {
        let table = Table::new();
        assert_eq!(table.metrics[..2], ["makespan_s", "mean_wait_s"]);
        let text = serde_json::to_string(&Metrics::default()).unwrap();
        let mut from = 0;
        for key in &table.metrics {
            from += text[from..].find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key}"));
        }
        let all = entries(&Metrics::default()).len();
        assert_eq!(
            table.metrics.len() + Table::TEXTS.len() + 2,
            all,
            "every key is a metric, a text or a coordinate"
        );
        let texts =
            entries(&Metrics::default()).into_iter().filter(|(key, v)| v.is_string() && !is_coordinate(key));
        assert!(texts.map(|(key, _)| key).eq(Table::TEXTS));
    }

    #[test]
    fn csv_reads_back_as_the_same_table() {
        let mut written = Vec::new();
        table().write_csv(&mut written).unwrap();
        assert_eq!(Table::read_csv(&written[..]).unwrap(), table());
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("0.30000000000000004"), "the shortest decimals that say it: {text}");
        assert!(text.starts_with("cell,scenario,strategy,param.window,status,error,makespan_s,"), "{text}");
    }

    #[test]
    fn what_is_no_table_is_told_with_line_and_column() {
        let mut written = Vec::new();
        table().write_csv(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        let error = |text: &str| Table::read_csv(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("cell,scenario\n"), "line 1: status: \"\": expected a column of this name");
        assert_eq!(
            error(&text.replace(",ran,", ",run,")),
            "line 2: status: \"run\": expected ran, skipped or failed"
        );
        assert_eq!(
            error(&text.replace("0.30000000000000004", "x")),
            "line 2: makespan_s: \"x\": expected a number"
        );
        assert_eq!(
            error(&text.replacen("mean_wait_s", "mean_wiat_s", 1)),
            "line 1: mean_wiat_s: \"mean_wiat_s\": expected mean_wait_s"
        );
        assert_eq!(
            error(&text.replacen(",estimates,", ",speed,estimates,", 1)),
            "line 1: speed: \"speed\": expected no such column"
        );
        assert_eq!(
            error(&text.replace("\n0,", "\n1,")),
            "line 2: cell: \"1\": expected the cells in order, from 0"
        );
        assert_eq!(
            error(&text.replacen("\n0,", "\n0,0,", 1)),
            format!("line 2: {} values; expected {}, as many as columns", 1 + columns(&text), columns(&text))
        );
        let lines = text.lines().count();
        for cut in 1..=3 {
            let error = error(&text[..text.len() - cut]);
            assert!(error.starts_with(&format!("line {lines}: ends without a line break")), "{error}");
        }
    }

    fn columns(text: &str) -> usize {
        text.lines().next().unwrap().split(',').count()
    }

    #[test]
    fn groups_keep_the_order_of_their_first_rows() {
        let groups = group_by(&table(), &[1]);
        assert_eq!(groups, [(vec![Some(0)], vec![0, 2]), (vec![Some(1)], vec![1])]);
        assert_eq!(group_by(&table(), &[]), [(Vec::new(), vec![0, 1, 2])]);
    }
}
