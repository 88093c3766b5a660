//! The command line.

#[cfg(feature = "live")]
pub(crate) mod cluster;
#[cfg(feature = "live")]
pub(crate) mod live;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use cloudai_sim::oracle::Objective;
use cloudai_sim::sweep::Shard;
use cloudai_workloads::Estimates;

/// Compares scheduling strategies on a workload: simulates, measures, reports.
#[derive(Debug, Parser)]
#[command(name = "cloudai", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run strategies on a scenario and report how they compare
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Run an experiment of many cells: scenarios x strategies x seeds x whatever its file varies
    #[command(after_help = SWEEP_HELP)]
    Sweep(SweepArgs),
    /// Search the parameters of a strategy for an objective, and judge them on scenarios that the search never saw
    #[command(after_help = TUNE_HELP)]
    Tune(TuneArgs),
    /// Find the best schedule of a small scenario, and prove how good any can be
    #[command(after_help = ORACLE_EXAMPLES)]
    Oracle(OracleArgs),
    /// List the strategies, or describe one with its parameters
    #[command(after_help = "Examples:\n  cloudai strategies\n  cloudai strategies ai")]
    Strategies {
        /// A strategy to describe
        name: Option<String>,
    },
    /// Check a schedule, from any source, against its scenario and against what a policy promises
    #[command(after_help = VALIDATE_HELP)]
    Validate(ValidateArgs),
    /// Make a scenario from stated distributions and a seed
    #[command(after_help = crate::commands::preset_help())]
    Generate(GenerateArgs),
    /// Turn a published trace into a scenario
    #[command(subcommand, after_help = IMPORT_EXAMPLES)]
    Import(ImportCommand),
    /// Render a report again from its stored results
    #[command(after_help = "Example:\n  cloudai report out/mixed-100x5")]
    Report {
        /// A folder that `cloudai simulate` or `cloudai sweep` has written
        dir: PathBuf,
        /// Leave the plots out
        #[arg(long)]
        no_plots: bool,
    },
    // The commands of a live cluster.
    #[cfg(feature = "live")]
    #[command(flatten)]
    Live(live::LiveCommand),
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  cloudai completions bash > ~/.local/share/bash-completion/completions/cloudai\n  cloudai completions zsh > ~/.zfunc/_cloudai"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const SIMULATE_EXAMPLES: &str = "Examples:
  cloudai simulate workloads/mixed-100x5
  cloudai simulate workloads/ml-60x4 --strategy all --baseline fcfs
  cloudai simulate my-scenario --strategy 'ai(window=64),greedy' --set startup_latency_s=2
  cloudai simulate --tasks jobs.csv.gz --workers nodes.csv --estimates exact --out report
  cloudai simulate my-scenario --strategy easy --assignments none --no-plots";

/// `cloudai simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// A folder with tasks.csv and workers.csv, and perhaps scenario.toml, edges.csv, durations.csv,
    /// faults.csv
    #[arg(required_unless_present_all = ["tasks", "workers"], conflicts_with_all = ["tasks", "workers"])]
    pub(crate) scenario: Option<PathBuf>,
    /// The tasks, instead of a folder
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub(crate) tasks: Option<PathBuf>,
    /// The workers, instead of a folder
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) workers: Option<PathBuf>,
    /// Strategies to run: names, perhaps with (param=value,...), @FILE for a preset, or `all` [default: the seven and fcfs]
    #[arg(long, short, value_name = "SPEC[,SPEC...]")]
    pub(crate) strategy: Vec<String>,
    /// The strategy that the others are compared with [default: greedy, if it runs]
    #[arg(long, value_name = "SPEC")]
    pub(crate) baseline: Option<String>,
    /// Where the report goes [default: out/SCENARIO]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Seed of everything random [default: the scenario's, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// What strategies know of run times: column, exact, none or noisy(F) [default: the scenario's, or column]
    #[arg(long, value_name = "MODE")]
    pub(crate) estimates: Option<Estimates>,
    /// End every task at its own estimate
    #[arg(long)]
    pub(crate) kill_at_estimate: bool,
    /// Look for the shortest makespan, too, and say how far each strategy is from it (up to 2000 tasks)
    #[arg(long)]
    pub(crate) oracle: bool,
    /// Override a setting of the scenario
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Runs at a time [default: one a core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Write who ran where and when in this format, or not at all
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = AssignmentsArg::Csv)]
    pub(crate) assignments: AssignmentsArg,
    /// Leave the plots out
    #[arg(long)]
    pub(crate) no_plots: bool,
    /// Print the metrics as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

const SWEEP_HELP: &str = "Results go to DIR: a line a cell in a journal as cells end, and results.csv with a report when all have. Run again, it goes on where
it was stopped, whatever stopped it. docs/sweep.md describes the file and the results.

Exit codes: 0 every cell ran or was skipped, 1 some failed, 2 wrong usage or input, 130 interrupted

Examples:
  cloudai sweep workloads/experiments/loads.toml --dry-run
  cloudai sweep workloads/experiments/loads.toml --out out/loads
  cloudai sweep loads.toml --out /shared/loads --shard 3/16 --jobs 1
  cloudai sweep loads.toml --out /shared/loads --engine slurm --slurm-partition short --slurm-option=--time=60";

/// `cloudai sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The file that describes the experiment
    pub(crate) experiment: PathBuf,
    /// Where the results go, or are
    #[arg(long, short, value_name = "DIR", required_unless_present = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    /// Print the cells instead of running them
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Cells that run at the same time [default: one a core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Memory that workloads and runs may take together [default: the experiment's memory_mb, or 4096]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) memory_mb: Option<u64>,
    /// Run only shard I of N, counted from 0 (0/4 to 3/4): the cells whose number modulo N is I, into a
    /// journal of their own
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Where the cells run: `local`, here, or `slurm`, as a job array that is followed until it has ended
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Engine::Local, hide_possible_values = true)]
    pub(crate) engine: Engine,
    /// With slurm: the partition [default: the cluster's]
    #[arg(long, value_name = "NAME", help_heading = "Slurm")]
    pub(crate) slurm_partition: Option<String>,
    /// With slurm: array tasks of the job [default: as many as take about three minutes each, by what
    /// cells cost]
    #[arg(long, value_name = "N", help_heading = "Slurm", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slurm_array_size: Option<u32>,
    /// With slurm: an option of sbatch, such as --time=60; may be given several times
    #[arg(long, value_name = "TEXT", help_heading = "Slurm", allow_hyphen_values = true)]
    pub(crate) slurm_option: Vec<String>,
    /// What an array task runs: the cells that this list gives to a part, and no others
    #[arg(long, value_name = "FILE", help_heading = "Slurm", requires = "part", conflicts_with_all = ["shard", "dry_run", "retry_failed"])]
    pub(crate) cells: Option<PathBuf>,
    /// The part of the list
    #[arg(long, value_name = "I", help_heading = "Slurm", requires = "cells")]
    pub(crate) part: Option<u32>,
    /// Run cells that have failed once more
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Leave the plots out
    #[arg(long)]
    pub(crate) no_plots: bool,
}

/// How the assignments of a run are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AssignmentsArg {
    // `assignments.csv`.
    Csv,
    // `assignments.parquet`.
    #[cfg(feature = "parquet")]
    Parquet,
    // No such file.
    None,
}

/// Where the cells of a sweep run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    // Here.
    Local,
    // On the cluster that Slurm manages.
    Slurm,
}

const TUNE_HELP: &str =
    "DIR/preset.toml names the parameters found: cloudai simulate SCENARIO --strategy @DIR/preset.toml.
DIR/trials.csv has every candidate, DIR/heldout/index.html the report of the held-out runs.
Run again, it goes on where it was stopped. docs/tuning.md describes the file, the search and the
verdict.

Exit codes: 0 it ended, whatever the verdict, 1 it failed, 2 wrong usage or input, 130 interrupted

Examples:
  cloudai tune workloads/experiments/tune-ai.toml --out out/tune-ai
  cloudai tune mine.toml --out out/mine --budget 5000 --seed 7 --jobs 8";

/// `cloudai tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// The file that describes the tuning
    pub(crate) tuning: PathBuf,
    /// Where the results go, or are
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of the search [default: the file's, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Training runs that the search may take [default: the file's, or 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) budget: Option<u32>,
    /// Runs at a time [default: one a core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Memory that workloads and runs may take together [default: the file's memory_mb, or 4096]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) memory_mb: Option<u64>,
    /// Leave the plots of the held-out report out
    #[arg(long)]
    pub(crate) no_plots: bool,
}

const VALIDATE_HELP: &str = "Rules:
  fcfs             nobody starts before somebody who stands earlier in the queue
  easy             no task that overtakes the head of the queue delays the head's reservation
  conservative     no start delays the reservation of a task that stands earlier in the queue
  work_conserving  no task waits while it would fit (also: no_idle)
  priority         nobody starts while a task of higher priority waits
  no_preemption    no task is preempted

Exit codes: 0 the schedule holds, 1 it does not, 2 wrong usage or input

Examples:
  cloudai validate out/mixed-100x5/fcfs/assignments.csv --scenario workloads/mixed-100x5 --rules fcfs
  cloudai validate theirs.csv.gz --scenario kth --kill-at-estimate --rules easy,no_preemption --first 5
  cloudai validate theirs.csv --tasks jobs.csv --workers nodes.csv --json";

/// `cloudai validate`.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The schedule: an assignments.csv, or any CSV with task_id, start_s, end_s, and worker_id if there are several (also .gz, .zst)
    pub(crate) assignments: PathBuf,
    /// The scenario that it is of: a folder with tasks.csv and workers.csv
    #[arg(long, value_name = "DIR", required_unless_present_all = ["tasks", "workers"], conflicts_with_all = ["tasks", "workers"])]
    pub(crate) scenario: Option<PathBuf>,
    /// The tasks, instead of a folder
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub(crate) tasks: Option<PathBuf>,
    /// The workers, instead of a folder
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) workers: Option<PathBuf>,
    /// What the policy promises, besides what every schedule must keep [default: nothing]
    #[arg(long, value_name = "RULE[,RULE...]")]
    pub(crate) rules: Option<String>,
    /// How many violations to print, the earliest first; all are counted
    #[arg(long, value_name = "N", default_value_t = cloudai_sim::validate::SHOWN)]
    pub(crate) first: usize,
    /// Seed that was in force, for noisy estimates [default: the scenario's, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// What the strategy knew of run times: column, exact, none or noisy(F) [default: the scenario's, or column]
    #[arg(long, value_name = "MODE")]
    pub(crate) estimates: Option<Estimates>,
    /// Every task was to end at its own estimate
    #[arg(long)]
    pub(crate) kill_at_estimate: bool,
    /// Override a setting of the scenario
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const ORACLE_EXAMPLES: &str = "Examples:
  cloudai oracle workloads/mixed-100x5
  cloudai oracle workloads/dag-80x4 --objective mean_turnaround --out out/best
  cloudai oracle my-scenario --schedules 1000000 --seed 7 --json";

/// `cloudai oracle`.
#[derive(Debug, Args)]
pub(crate) struct OracleArgs {
    /// A folder with tasks.csv and workers.csv, and perhaps scenario.toml, edges.csv, durations.csv
    #[arg(required_unless_present_all = ["tasks", "workers"], conflicts_with_all = ["tasks", "workers"])]
    pub(crate) scenario: Option<PathBuf>,
    /// The tasks, instead of a folder
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub(crate) tasks: Option<PathBuf>,
    /// The workers, instead of a folder
    #[arg(long, value_name = "FILE", requires = "tasks")]
    pub(crate) workers: Option<PathBuf>,
    /// What to minimise: makespan, mean_wait or mean_turnaround
    #[arg(long, value_name = "NAME", default_value = "makespan")]
    pub(crate) objective: Objective,
    /// Schedules that the local search builds
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) schedules: u64,
    /// Nodes that branch and bound visits, of small cases and of parts of others
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub(crate) nodes: u64,
    /// End the search after this wall time; what is found then depends on the machine
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = time_limit)]
    pub(crate) time_limit: Option<Duration>,
    /// Seed of the local search [default: the scenario's, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// End every task at its own estimate
    #[arg(long)]
    pub(crate) kill_at_estimate: bool,
    /// Override a setting of the scenario
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Write a report with the schedule (oracle/assignments.csv) and oracle.json [default: none]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Leave the plots out
    #[arg(long)]
    pub(crate) no_plots: bool,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn time_limit(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (1e-3..=1e9).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("expected seconds, from 0.001 to 10^9")
}

/// `cloudai generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// One of the presets (`cloudai generate --help` lists them)
    pub(crate) preset: String,
    /// How many tasks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..i64::from(u32::MAX)))]
    pub(crate) tasks: u32,
    /// How many workers
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) workers: u32,
    /// Seed; the same seed makes the same files
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The folder to make
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

const IMPORT_EXAMPLES: &str = "Examples:
  cloudai import swf KTH-SP2-1996-2.1-cln.swf.gz --out kth
  cloudai import openb --nodes openb_node_list_gpu_node.csv --pods openb_pod_list_default.csv --out openb
  cloudai import wfcommons montage-chameleon-2mass-01d-001.json --machines 8 --out montage";

/// `cloudai import`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// A log in the Standard Workload Format (Parallel Workloads Archive)
    #[command(after_help = "Example:\n  cloudai import swf KTH-SP2-1996-2.1-cln.swf.gz --out kth")]
    Swf {
        /// The log
        log: PathBuf,
        /// Processors of the machine [default: MaxProcs of the log's header]
        #[arg(long, value_name = "P")]
        processors: Option<u64>,
        /// The folder to make
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
    },
    /// The Alibaba GPU cluster trace of 2023 (openb)
    #[command(
        after_help = "Example:\n  cloudai import openb --nodes openb_node_list_gpu_node.csv --pods openb_pod_list_default.csv --out openb"
    )]
    Openb {
        /// The list of nodes
        #[arg(long, value_name = "FILE")]
        nodes: PathBuf,
        /// The list of pods
        #[arg(long, value_name = "FILE")]
        pods: PathBuf,
        /// Arrivals as in the trace, or inflated: one a second until GPU demand reaches the target
        #[arg(long, value_enum, default_value_t = ArrivalsArg::Trace)]
        arrivals: ArrivalsArg,
        /// With inflate: GPU demand to reach, as a multiple of the capacity [default: 1.3]
        #[arg(long, value_name = "FACTOR")]
        target: Option<f64>,
        /// With inflate: seed of the shuffle and the draws [default: 1]
        #[arg(long, value_name = "S")]
        seed: Option<u64>,
        /// The folder to make
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
    },
    /// A workflow in the WfFormat of WfCommons (JSON, schema 1.5 and older)
    #[command(
        after_help = "Example:\n  cloudai import wfcommons montage-chameleon-2mass-01d-001.json --machines 8 --out montage"
    )]
    Wfcommons {
        /// The workflow
        file: PathBuf,
        /// So many equal machines instead of those of the file [default: the file's, or 4 if it has none]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        machines: Option<u32>,
        /// Cores of such a machine, and of one that the file says nothing of
        #[arg(long, value_name = "C", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        cores: u32,
        /// Its memory in GB
        #[arg(long, value_name = "GB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        memory_gb: u32,
        /// How fast files move between machines, in MB/s (10^6 bytes)
        #[arg(long, value_name = "MB/S", default_value_t = 125.0)]
        bandwidth: f64,
        /// The folder to make
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Where arrival times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ArrivalsArg {
    /// The trace's own.
    Trace,
    /// The inflation protocol of Weng et al. 2023.
    Inflate,
}
