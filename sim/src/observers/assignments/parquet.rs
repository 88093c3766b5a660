//! Rows as Parquet, a group of rows at a time: what a notebook reads at once.

use std::fs::File;
use std::io;
use std::sync::Arc;

use cloudai_schedulers::{Duration, Time};
use parquet::basic::{Encoding, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::{COLUMNS, Row};

/// Rows that are collected before they are written: memory is some 10 MB for them.
const GROUP: usize = 1 << 17;

/// Columns of text, and of whole numbers; the others are seconds.
const TEXTS: [&str; 4] = ["task_id", "worker_id", "gpu_devices", "status"];
const WHOLE: &str = "attempt";

/// Columns that always have a value.
const REQUIRED: [&str; 4] = ["task_id", "attempt", "arrival_s", "status"];

/// Writes rows as Parquet. Seconds are doubles: the nearest to what the CSV file states.
pub(super) struct ParquetRows {
    file: SerializedFileWriter<File>,
    rows: usize,
    task_id: Texts,
    worker_id: Texts,
    gpu_devices: Texts,
    attempt: Vec<i64>,
    arrival: Numbers,
    start: Numbers,
    end: Numbers,
    wait: Numbers,
    status: Texts,
}

impl std::fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetRows").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A column of texts; in an optional one an empty text is null.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    levels: Vec<i16>,
}

impl Texts {
    #[inline]
    fn push(&mut self, text: &str) {
        // A required column has no empty text: a task has an id, and a row a status.
        self.levels.push(i16::from(!text.is_empty()));
        if !text.is_empty() {
            self.bytes.extend_from_slice(text.as_bytes());
            self.ends.push(self.bytes.len());
        }
    }

    /// Writes and forgets them, as slices of one block of memory.
    fn write(&mut self, group: &mut Group<'_>, is_optional: bool) -> Result<()> {
        let block = ByteArray::from(std::mem::take(&mut self.bytes));
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let values: Vec<ByteArray> =
            starts.zip(&self.ends).map(|(start, end)| block.slice(start, end - start)).collect();
        write_column::<ByteArrayType>(group, &values, is_optional.then_some(&self.levels))?;
        self.ends.clear();
        self.levels.clear();
        Ok(())
    }
}

/// A column of seconds.
#[derive(Debug, Default)]
struct Numbers {
    values: Vec<f64>,
    levels: Vec<i16>,
}

impl Numbers {
    #[inline]
    fn push(&mut self, seconds: Option<f64>) {
        self.levels.push(i16::from(seconds.is_some()));
        self.values.extend(seconds);
    }

    /// Writes and forgets them.
    fn write(&mut self, group: &mut Group<'_>, is_optional: bool) -> Result<()> {
        write_column::<DoubleType>(group, &self.values, is_optional.then_some(&self.levels))?;
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, File>;

/// Writes the next column of a group; `levels` says where an optional one has a value.
fn write_column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<&Vec<i16>>,
) -> Result<()> {
    let past_the_last = || ParquetError::General("there are more columns than in the schema".to_owned());
    let mut column = group.next_column()?.ok_or_else(past_the_last)?;
    column.typed::<T>().write_batch(values, levels.map(Vec::as_slice), None)?;
    column.close()
}

/// What the system said, where it was the system.
fn unpack(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => source.downcast().map_or_else(io::Error::other, |source| *source),
        other => io::Error::other(other),
    }
}

fn schema() -> Result<Type> {
    let column = |&name: &&str| {
        let physical = match name {
            _ if TEXTS.contains(&name) => Physical::BYTE_ARRAY,
            WHOLE => Physical::INT64,
            _ => Physical::DOUBLE,
        };
        let repetition = if REQUIRED.contains(&name) { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type((physical == Physical::BYTE_ARRAY).then_some(LogicalType::String))
            .build()
            .map(Arc::new)
    };
    let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>>>()?;
    Type::group_type_builder("assignments").with_fields(columns).build()
}

/// Dictionaries where values come again and again; ids and times, which do not, as they are.
fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder().set_dictionary_enabled(true);
    for name in COLUMNS.into_iter().filter(|name| *name == "task_id" || name.ends_with("_s")) {
        let path = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::PLAIN);
    }
    properties.build()
}

impl ParquetRows {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let begin = |file| SerializedFileWriter::new(file, Arc::new(schema()?), Arc::new(properties()));
        Ok(Self {
            file: begin(file).map_err(unpack)?,
            rows: 0,
            task_id: Texts::default(),
            worker_id: Texts::default(),
            gpu_devices: Texts::default(),
            attempt: Vec::new(),
            arrival: Numbers::default(),
            start: Numbers::default(),
            end: Numbers::default(),
            wait: Numbers::default(),
            status: Texts::default(),
        })
    }

    #[inline]
    pub(super) fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.task_id.push(row.task_id);
        self.worker_id.push(row.worker_id);
        self.gpu_devices.push(row.gpu_devices);
        self.attempt.push(i64::from(row.attempt));
        self.arrival.push(Some(row.arrival.seconds()));
        self.start.push(row.start.map(Time::seconds));
        self.end.push(row.end.map(Time::seconds));
        self.wait.push(row.wait.map(Duration::seconds));
        self.status.push(row.status);
        self.rows += 1;
        if self.rows >= GROUP { self.write_group().map_err(unpack) } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        self.task_id.write(&mut group, false)?;
        self.worker_id.write(&mut group, true)?;
        self.gpu_devices.write(&mut group, true)?;
        write_column::<Int64Type>(&mut group, &self.attempt, None)?;
        self.attempt.clear();
        self.arrival.write(&mut group, false)?;
        self.start.write(&mut group, true)?;
        self.end.write(&mut group, true)?;
        self.wait.write(&mut group, true)?;
        self.status.write(&mut group, false)?;
        self.rows = 0;
        group.close().map(|_| ())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.write_group().map_err(unpack)?;
        }
        self.file.finish().map(|_| ()).map_err(unpack)
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    #[test]
    fn rows_read_back_over_several_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let mut rows = ParquetRows::new(File::create(&path).unwrap()).unwrap();
        let count = GROUP as u64 + 3;
        for at in 0..count {
            let started = at % 5 > 0;
            rows.write(&Row {
                task_id: &format!("t{at}"),
                worker_id: if started { "w,0" } else { "" },
                gpu_devices: "",
                attempt: u32::from(started),
                arrival: Time::from_micros(at * 100_000),
                start: started.then_some(Time::from_micros(at * 100_001)),
                end: started.then_some(Time::from_micros(at * 100_002)),
                wait: started.then_some(Duration::from_micros(at)),
                status: if started { "completed" } else { "rejected" },
            })
            .unwrap();
        }
        rows.finish().unwrap();

        let file = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(file.metadata().num_row_groups(), 2);
        let mut read = 0;
        for row in file.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let [id, worker, devices, attempt, arrival, start, end, wait, status] =
                &row.get_column_iter().map(|(_, field)| field.clone()).collect::<Vec<_>>()[..]
            else {
                panic!("{row}")
            };
            let started = read % 5 > 0;
            let some = |micros: u64| {
                if started { Field::Double(Time::from_micros(micros).seconds()) } else { Field::Null }
            };
            let text = |text: &str| Field::Str(text.to_owned());
            assert_eq!((id, devices), (&text(&format!("t{read}")), &Field::Null));
            assert_eq!(worker, &if started { text("w,0") } else { Field::Null });
            assert_eq!(attempt, &Field::Long(i64::from(started)));
            assert_eq!(arrival, &Field::Double(Time::from_micros(read * 100_000).seconds()));
            assert_eq!((start, end, wait), (&some(read * 100_001), &some(read * 100_002), &some(read)));
            assert_eq!(status, &text(if started { "completed" } else { "rejected" }));
            read += 1;
        }
        assert_eq!(read, count);
    }
}
