//! Writing `tasks.csv` and `workers.csv`, a row at a time.

use std::fmt::Display;
use std::io::{self, Write};

use cloudai_schedulers::model::{Constraint, Duration, Request, Speed, Time, WorkerSpec};

use crate::columns::{tasks, workers};
use crate::decimal::{Gigabytes, Millionths, Thousandths};
use crate::task::DEFAULT_REQUEST;

/// A column of `tasks.csv` that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskColumn {
    /// `cpu_cores`
    CpuCores = tasks::CPU as isize,
    /// `memory_gb`
    MemoryGb = tasks::MEMORY as isize,
    /// `storage_gb`
    StorageGb = tasks::STORAGE as isize,
    /// `gpu_cores`
    GpuCores = tasks::GPU as isize,
    /// `estimate_s`
    EstimateS = tasks::ESTIMATE as isize,
    /// `user_id`
    UserId = tasks::USER as isize,
    /// `docker_image`
    DockerImage = tasks::IMAGE as isize,
    /// `command`
    Command = tasks::COMMAND as isize,
    /// `priority`
    Priority = tasks::PRIORITY as isize,
    /// `deadline_s`
    DeadlineS = tasks::DEADLINE as isize,
    /// `depends_on`
    DependsOn = tasks::DEPENDS_ON as isize,
    /// `replicas`
    Replicas = tasks::REPLICAS as isize,
    /// `gpu_model`
    GpuModel = tasks::GPU_MODEL as isize,
    /// `labels`
    Labels = tasks::LABELS as isize,
}

/// A row of `tasks.csv` to be written. The default is what a reader takes for empty cells.
#[derive(Clone, Copy, Debug)]
pub struct TaskRow<'a> {
    /// The id.
    pub task_id: &'a str,
    /// When it arrives.
    pub arrival: Time,
    /// The true run time at nominal speed.
    pub duration: Duration,
    /// Resources of the task, or of each replica.
    pub request: Request,
    /// The run time that its user states.
    pub estimate: Option<Duration>,
    /// Who submits it.
    pub user_id: &'a str,
    /// The container image.
    pub docker_image: &'a str,
    /// What runs in it.
    pub command: &'a str,
    /// Higher is more urgent.
    pub priority: i32,
    /// When it should have ended, absolute.
    pub deadline: Option<Time>,
    /// Ids of the tasks that come before it.
    pub depends_on: &'a [String],
    /// Number of replicas.
    pub replicas: u32,
    /// Which workers may run it; `None`: all.
    pub constraint: Option<&'a Constraint>,
}

impl Default for TaskRow<'_> {
    fn default() -> Self {
        Self {
            task_id: "",
            arrival: Time::ZERO,
            duration: Duration::ZERO,
            request: DEFAULT_REQUEST,
            estimate: None,
            user_id: "",
            docker_image: "",
            command: "",
            priority: 0,
            deadline: None,
            depends_on: &[],
            replicas: 1,
            constraint: None,
        }
    }
}

/// Writes `tasks.csv` as a stream: what it holds in memory does not grow with the rows.
///
/// Times are seconds with at most six decimals, amounts are minimal decimals; a reader gets back exactly the
/// units that were written.
#[derive(Debug)]
pub struct TaskWriter<W: Write> {
    writer: csv::Writer<W>,
    written: [bool; tasks::COLUMNS.len()],
    cell: Vec<u8>,
}

impl<W: Write> TaskWriter<W> {
    /// Writes the header: the three required columns and `columns`, in the order of the schema.
    ///
    /// # Errors
    ///
    /// Those of `output`.
    pub fn new(output: W, columns: &[TaskColumn]) -> io::Result<Self> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(1 << 16).from_writer(output);
        let mut written = [false; tasks::COLUMNS.len()];
        for (number, column) in tasks::COLUMNS.iter().enumerate() {
            written[number] = column.required || columns.iter().any(|&chosen| chosen as usize == number);
            if written[number] {
                writer.write_field(column.name)?;
            }
        }
        writer.write_record(None::<&[u8]>)?;
        Ok(Self { writer, written, cell: Vec::new() })
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// Those of the output, and [`io::ErrorKind::InvalidInput`] for a value other than the default in a
    /// column that is left out.
    pub fn write(&mut self, row: &TaskRow<'_>) -> io::Result<()> {
        for number in 0..tasks::COLUMNS.len() {
            if self.written[number] {
                self.cell.clear();
                write_cell(&mut self.cell, row, number)?;
                self.writer.write_field(&self.cell)?;
            } else if !is_default(row, number) {
                let (id, column) = (row.task_id, tasks::COLUMNS[number].name);
                let message = format!("task {id} has a value for {column}, a column that is not written");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn write_cell(cell: &mut Vec<u8>, row: &TaskRow<'_>, column: usize) -> io::Result<()> {
    let request = &row.request;
    match column {
        tasks::TASK_ID => write!(cell, "{}", row.task_id),
        tasks::ARRIVAL => write!(cell, "{}", row.arrival),
        tasks::DURATION => write!(cell, "{}", row.duration),
        tasks::CPU => write!(cell, "{}", Thousandths(request.cpu_milli)),
        tasks::MEMORY => write!(cell, "{}", Gigabytes(request.memory_mib)),
        tasks::STORAGE => write!(cell, "{}", Gigabytes(request.storage_mib)),
        tasks::GPU => write!(cell, "{}", Thousandths(u64::from(request.gpu.milli()))),
        tasks::ESTIMATE => write_some(cell, row.estimate),
        tasks::USER => write!(cell, "{}", row.user_id),
        tasks::IMAGE => write!(cell, "{}", row.docker_image),
        tasks::COMMAND => write!(cell, "{}", row.command),
        tasks::PRIORITY => write!(cell, "{}", row.priority),
        tasks::DEADLINE => write_some(cell, row.deadline),
        tasks::DEPENDS_ON => write_list(cell, row.depends_on.iter(), ";"),
        tasks::REPLICAS => write!(cell, "{}", row.replicas),
        tasks::GPU_MODEL => write_list(cell, row.constraint.iter().flat_map(|c| &c.gpu_models), "|"),
        _ => write_list(cell, row.constraint.iter().flat_map(|c| &c.labels).map(label), ";"),
    }
}

fn is_default(row: &TaskRow<'_>, column: usize) -> bool {
    match column {
        tasks::CPU => row.request.cpu_milli == DEFAULT_REQUEST.cpu_milli,
        tasks::MEMORY => row.request.memory_mib == DEFAULT_REQUEST.memory_mib,
        tasks::STORAGE => row.request.storage_mib == DEFAULT_REQUEST.storage_mib,
        tasks::GPU => row.request.gpu == DEFAULT_REQUEST.gpu,
        tasks::ESTIMATE => row.estimate.is_none(),
        tasks::USER => row.user_id.is_empty(),
        tasks::IMAGE => row.docker_image.is_empty(),
        tasks::COMMAND => row.command.is_empty(),
        tasks::PRIORITY => row.priority == 0,
        tasks::DEADLINE => row.deadline.is_none(),
        tasks::DEPENDS_ON => row.depends_on.is_empty(),
        tasks::REPLICAS => row.replicas == 1,
        tasks::GPU_MODEL => row.constraint.is_none_or(|constraint| constraint.gpu_models.is_empty()),
        tasks::LABELS => row.constraint.is_none_or(|constraint| constraint.labels.is_empty()),
        _ => false,
    }
}

fn write_some(cell: &mut Vec<u8>, value: Option<impl Display>) -> io::Result<()> {
    value.map_or(Ok(()), |value| write!(cell, "{value}"))
}

fn write_list(
    cell: &mut Vec<u8>,
    items: impl Iterator<Item = impl Display>,
    separator: &str,
) -> io::Result<()> {
    for (i, item) in items.enumerate() {
        write!(cell, "{}{item}", if i == 0 { "" } else { separator })?;
    }
    Ok(())
}

fn label((key, value): (&String, &String)) -> String {
    format!("{key}={value}")
}

/// Writes `workers.csv`: the required columns, and of the others those in which some worker has something.
///
/// # Errors
///
/// Those of `output`.
pub fn write_workers(output: impl Write, all: &[WorkerSpec]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    let mut written = workers::COLUMNS.map(|column| column.required);
    written[workers::GPU_MODEL] = all.iter().any(|worker| worker.gpu_model.is_some());
    written[workers::SPEED] = all.iter().any(|worker| worker.speed != Speed::NOMINAL);
    written[workers::LABELS] = all.iter().any(|worker| !worker.labels.is_empty());
    let chosen = || (0..written.len()).filter(|&column| written[column]);
    writer.write_record(chosen().map(|column| workers::COLUMNS[column].name))?;
    for worker in all {
        writer.write_record(chosen().map(|column| worker_cell(worker, column)))?;
    }
    writer.flush()
}

fn worker_cell(worker: &WorkerSpec, column: usize) -> String {
    let capacity = &worker.capacity;
    match column {
        workers::WORKER_ID => worker.name.clone(),
        workers::CPU => Thousandths(capacity.cpu_milli).to_string(),
        workers::MEMORY => Gigabytes(capacity.memory_mib).to_string(),
        workers::STORAGE => Gigabytes(capacity.storage_mib).to_string(),
        workers::GPU => capacity.gpus.to_string(),
        workers::GPU_MODEL => worker.gpu_model.clone().unwrap_or_default(),
        workers::SPEED => Millionths(u64::from(worker.speed.millionths())).to_string(),
        _ => worker.labels.iter().map(label).collect::<Vec<_>>().join(";"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chosen_columns_are_written_in_the_order_of_the_schema() {
        let mut out = Vec::new();
        let mut writer = TaskWriter::new(&mut out, &[TaskColumn::Priority, TaskColumn::CpuCores]).unwrap();
        let row =
            TaskRow { task_id: "a,b", duration: Duration::from_micros(1_500_000), ..TaskRow::default() };
        writer.write(&row).unwrap();
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "task_id,arrival_s,duration_s,cpu_cores,priority\n\"a,b\",0,1.5,1,0\n");
    }

    #[test]
    fn a_value_without_a_column_is_refused() {
        let mut writer = TaskWriter::new(Vec::new(), &[]).unwrap();
        let error = writer.write(&TaskRow { task_id: "a", replicas: 2, ..TaskRow::default() }).unwrap_err();
        assert_eq!(error.to_string(), "task a has a value for replicas, a column that is not written");
    }
}
