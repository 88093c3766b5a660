//! `cloudai sweep`.

use std::io::BufWriter;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use cloudai_reports::Options as ReportOptions;
use cloudai_reports::sweep::{Report, summary_table};
use cloudai_schedulers::Registry;
use cloudai_sim::sweep::{
    Array, Event, Options, Outcome, Part, Plan, Request, Status, Sweep, Table, Waiting,
};

use super::{print, table_style};
use crate::cli::{Engine, SweepArgs};
use crate::failure::{Usage, tell};
use crate::interrupt;
use crate::progress::Progress;

pub(super) fn run(args: &SweepArgs, registry: &Registry) -> Result<()> {
    let plan = Plan::read(&args.experiment, registry)?;
    let Some(dir) = args.out.as_ref().filter(|_| !args.dry_run) else { return list(&plan, args) };
    // Up to here nothing was written: whoever is asked to stop simply ends.
    let stop = interrupt::flag()?;
    let slurm =
        args.slurm_partition.is_some() || args.slurm_array_size.is_some() || !args.slurm_option.is_empty();
    if slurm && args.engine != Engine::Slurm {
        return Err(Usage("options that begin with --slurm need --engine slurm".to_owned()).into());
    }
    if args.engine == Engine::Slurm {
        if args.shard.is_some() || args.cells.is_some() {
            let message =
                "--engine slurm cuts the cells into parts itself; expected neither --shard nor --cells";
            return Err(Usage(message.to_owned()).into());
        }
        return on_slurm(args, dir, &plan, registry, stop);
    }
    let part = args.cells.as_ref().zip(args.part).map(|(file, index)| Part::read(file, index)).transpose()?;
    let mut sweep = match &part {
        Some(part) => Sweep::open_part(&plan, dir, part)?,
        None => Sweep::open(&plan, dir, args.shard, args.retry_failed)?,
    };
    let status = sweep.status();
    match &part {
        Some(part) => tell(format_args!("cells of this part: {}; {} to run", part.cells(), status.left)),
        None => say(&status, args),
    }
    let progress = Progress::start(status.left as u64, "cells");
    let mut options = Options::default();
    options.jobs = args.jobs.map_or_else(cores, usize::from);
    options.memory_mib = args.memory_mb;
    options.stop = Some(stop);
    options.ended = Some(progress.count());
    let ran = sweep.run(registry, &options);
    drop(progress);
    if let Err(error) = ran {
        tell(format_args!(
            "what has ended is kept in {}: run the same command again to go on",
            dir.display()
        ));
        return Err(error.into());
    }
    if part.is_some() {
        // Whoever has handed the parts out puts the table together.
        return Ok(());
    }
    end(&plan, sweep.finish()?, dir, args)
}

fn end(plan: &Plan, table: Option<Table>, dir: &Path, args: &SweepArgs) -> Result<()> {
    match table {
        Some(table) => conclude(plan, table, dir, args),
        None => {
            tell(
                "the other shards have cells left: results.csv comes with the last of them, or with a run without --shard",
            );
            Ok(())
        }
    }
}

/// Hands the cells to Slurm and waits for them.
fn on_slurm(args: &SweepArgs, dir: &Path, plan: &Plan, registry: &Registry, stop: &AtomicBool) -> Result<()> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let mut request = Request::new(program);
    request.partition.clone_from(&args.slurm_partition);
    request.tasks = args.slurm_array_size;
    request.options.clone_from(&args.slurm_option);
    request.jobs = args.jobs.unwrap_or(1);
    request.memory_mib = args.memory_mb;
    let mut array = Array::open(plan, dir, args.retry_failed, request)?;
    let status = array.status();
    say(&status, args);
    let progress = Progress::start(status.left as u64, "cells");
    let mut options = Options::default();
    options.memory_mib = args.memory_mb;
    options.stop = Some(stop);
    options.ended = Some(progress.count());
    let ran = array.run(registry, &options, &mut |event| progress.tell(line(&event)));
    drop(progress);
    if let Err(error) = ran {
        let jobs = array.jobs();
        if !jobs.is_empty() {
            let jobs = jobs.join(" ");
            tell(format_args!(
                "left to Slurm: {jobs}; run the same command again to go on following, `scancel {jobs}` ends what is left there"
            ));
        }
        return Err(error.into());
    }
    end(plan, array.finish()?, dir, args)
}

/// What happens on the cluster, in a line.
fn line(event: &Event) -> String {
    match event {
        Event::Measuring { cells } => {
            format!("running {} here to learn what a cell costs", counted(*cells, "cell"))
        }
        Event::Submitted { job, tasks, cells, task_s, script, .. } => {
            let (cells, tasks) = (counted(*cells, "cell"), counted(*tasks as usize, "array task"));
            let each = task_s.map_or_else(String::new, |seconds| format!(" of about {seconds:.0} s"));
            format!("job {job}: submitted {cells} in {tasks}{each} ({})", script.display())
        }
        Event::Found { job, cells, .. } => {
            format!("job {job}: was submitted before; {} to come", counted(*cells, "cell"))
        }
        Event::Waiting(Waiting { job, running, waiting, reasons, .. }) => {
            let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
            format!("job {job}: {} running, {waiting} waiting{why}", counted(*running, "array task"))
        }
        Event::Unreachable { why, .. } => format!("note: {why}; asking again"),
        Event::Missing { cells, .. } => {
            format!("the job has ended without {}, which are submitted again", counted(*cells, "cell"))
        }
        event => format!("{event:?}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What there is to do, and what has been done before.
fn say(status: &Status, args: &SweepArgs) {
    let Status { cells, skipped, kept, left, foreign, dropped, .. } = *status;
    let shard = args.shard.map_or_else(String::new, |shard| format!(" in shard {shard}"));
    tell(format_args!("cells: {cells}; {skipped} skipped, {kept} there already, {left} to run{shard}"));
    if foreign > 0 {
        tell(format_args!(
            "note: {foreign} results are of cells that the experiment does not have (any more)"
        ));
    }
    if dropped > 0 {
        tell(format_args!(
            "note: lines of the journals that are torn or of another version: {dropped}; their cells run again"
        ));
    }
}

/// Reports the table, and says if cells have failed.
fn conclude(plan: &Plan, table: Table, dir: &Path, args: &SweepArgs) -> Result<()> {
    let mut report = Report::new(&plan.name, table);
    report.about.clone_from(&plan.about);
    report.objectives.clone_from(&plan.objectives);
    report.baseline = plan.baseline.as_ref().map(ToString::to_string);
    report.experiment = std::fs::read_to_string(&args.experiment).unwrap_or_default();
    render(&report, dir, !args.no_plots)?;
    let table = &report.table;
    let failed: Vec<(usize, &String)> = table
        .rows
        .iter()
        .filter_map(
            |row| if let Outcome::Failed(error) = &row.outcome { Some((row.cell, error)) } else { None },
        )
        .collect();
    if let Some((cell, error)) = failed.first() {
        let (count, plural) = (failed.len(), if failed.len() == 1 { "" } else { "s" });
        anyhow::bail!("{count} cell{plural} failed, first cell {cell}: {error}");
    }
    Ok(())
}

/// Writes the report of a sweep beside its results, and prints the summary.
pub(super) fn render(report: &Report, dir: &Path, plots: bool) -> Result<()> {
    let analysis = report.analyse();
    let options = ReportOptions::default().with_plots(plots);
    cloudai_reports::sweep::write(report, &analysis, dir, &options)?;
    print(&summary_table(&analysis, table_style()))?;
    tell(format_args!("results: {}", dir.join("results.csv").display()));
    tell(format_args!("report: {}", dir.join("index.html").display()));
    Ok(())
}

/// Prints the cells: number, key, coordinates, and why a cell is skipped.
fn list(plan: &Plan, args: &SweepArgs) -> Result<()> {
    let mut out = csv::Writer::from_writer(BufWriter::new(std::io::stdout().lock()));
    let mut put = || -> Result<u64, csv::Error> {
        let table = plan.table();
        let factors = table.factors.iter().map(|factor| factor.name.as_str());
        out.write_record(["cell", "key"].into_iter().chain(factors).chain(["skipped"]))?;
        let mut listed = 0;
        for (number, cell) in plan.cells.iter().enumerate() {
            if args.shard.is_some_and(|shard| !shard.has(number)) {
                continue;
            }
            listed += 1;
            out.write_field(number.to_string())?;
            out.write_field(cell.key.to_string())?;
            for value in plan.coordinates(cell) {
                out.write_field(value.unwrap_or_default())?;
            }
            out.write_field(plan.skipped(cell).unwrap_or_default())?;
            out.write_record(None::<&[u8]>)?;
        }
        out.flush()?;
        Ok(listed)
    };
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    };
    let listed = put().map_err(failed).context("cannot write to stdout")?;
    let skipped = plan.cells.iter().filter(|cell| plan.skipped(cell).is_some()).count();
    let cells = plan.cells.len();
    let shown =
        if listed == cells as u64 { String::new() } else { format!(", {listed} of them in this shard") };
    tell(format_args!("cells: {cells}{shown}; {skipped} skipped"));
    Ok(())
}
