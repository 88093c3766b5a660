//! The command line of the clients of a live cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::cluster::{MASTER_HELP, MasterArgs, WORKER_HELP, WorkerArgs};

/// The commands of a live cluster.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LiveCommand {
    /// Run the master of a live cluster
    #[command(after_help = MASTER_HELP)]
    Master(Box<MasterArgs>),
    /// Run a worker of a live cluster
    #[command(after_help = WORKER_HELP)]
    Worker(Box<WorkerArgs>),
    /// Talk to the master of a live cluster
    #[command(after_help = CONSOLE_HELP)]
    Console(Connection),
    /// Submit, list, show, cancel tasks of a live cluster; wait for them, read their logs
    #[command(subcommand, after_help = TASK_EXAMPLES)]
    Task(TaskCommand),
    /// List, register, drain and forget workers of a live cluster
    #[command(after_help = WORKERS_EXAMPLES)]
    Workers(WorkersArgs),
    /// Say how a live cluster is
    #[command(after_help = "Examples:\n  cloudai status\n  cloudai status --master 10.0.0.1:50051 --json")]
    Status(Common),
    /// List how tasks of a live cluster ended
    #[command(
        after_help = "Examples:\n  cloudai results\n  cloudai results --status failed --limit 20 --json"
    )]
    Results(ResultsArgs),
    /// Say which strategy a live cluster uses, or switch to another
    #[command(after_help = "Examples:\n  cloudai strategy\n  cloudai strategy 'ai(window=64)'")]
    Strategy {
        /// The strategy to switch to, as in `cloudai strategies`
        spec: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// How to reach the master. Also from the environment, then from `.env`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Connection {
    /// The master's gRPC address [default: MASTER_ADDR, or localhost:50051]
    #[arg(long, value_name = "ADDR", help_heading = "Connection")]
    pub(crate) master: Option<String>,
    /// Certificates (PEM) that the master's is checked against; encrypts [default: TLS_CA_FILE, or TLS_CERT_FILE, if TLS_ENABLED]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) tls_ca_file: Option<String>,
    /// What the master wants to know; other users of this machine see it here, so better in the environment (CLOUDAI_TOKEN)
    #[arg(long, value_name = "TOKEN", help_heading = "Connection")]
    pub(crate) token: Option<String>,
}

/// Connection and form of the answer.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Common {
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

const TASK_EXAMPLES: &str = "Examples:
  cloudai task submit alpine --command 'echo hello' --wait
  cloudai task list --status running
  cloudai task logs -f task-7f3a";

/// `cloudai task`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Submit a task, or those of a file
    #[command(after_help = SUBMIT_HELP)]
    Submit(Box<SubmitArgs>),
    /// List tasks, newest first
    #[command(
        after_help = "Examples:\n  cloudai task list\n  cloudai task list --status failed --user ada --limit 20 --json"
    )]
    List(ListArgs),
    /// Show all that is known of a task
    #[command(after_help = "Example:\n  cloudai task show task-7f3a")]
    Show(OneTask),
    /// Print what a task has written
    #[command(after_help = "Examples:\n  cloudai task logs task-7f3a\n  cloudai task logs -f task-7f3a")]
    Logs {
        /// Go on until the task has ended
        #[arg(long, short, conflicts_with = "json")]
        follow: bool,
        /// Of this attempt [default: the last]
        #[arg(long, value_name = "N")]
        attempt: Option<u32>,
        #[command(flatten)]
        task: OneTask,
    },
    /// Cancel tasks
    #[command(after_help = "Example:\n  cloudai task cancel task-7f3a task-91c0")]
    Cancel(SeveralTasks),
    /// Wait until tasks have ended
    #[command(
        after_help = "Exit codes: 0 all completed, 1 some did not, or not in time, 2 wrong usage or unknown id, 130 interrupted\n\nExample:\n  cloudai task wait task-7f3a --timeout 10m"
    )]
    Wait {
        /// Wait no longer than this
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
        #[command(flatten)]
        tasks: SeveralTasks,
    },
    /// Say why a task waits
    #[command(after_help = "Example:\n  cloudai task why task-7f3a")]
    Why(OneTask),
}

/// One task.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneTask {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Some tasks.
#[derive(Clone, Debug, Args)]
pub(crate) struct SeveralTasks {
    /// Their ids
    #[arg(value_name = "ID", required = true)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `cloudai task list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Only pending, running, completed, failed or cancelled ones
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only this user's
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Only those on this worker
    #[arg(long, value_name = "ID")]
    pub(crate) worker: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

const SUBMIT_HELP: &str = "A file holds one object, or an array of them, with the fields docker_image;
command, a text that is split like a shell's words, or a list of words; user_id,
name, cpu_cores, memory_gb, storage_gb, gpu_cores, gpu_models, priority, deadline
in unix seconds, estimate_s, labels, env, on_disconnect, worker_id, emulated_s.
All tasks of a file are taken, or none. `-` is stdin.

Exit codes: 0 taken (with --wait: all completed), 1 failed, 2 wrong usage or
refused, 130 interrupted

Examples:
  cloudai task submit alpine --command 'echo hello' --wait
  cloudai task submit python:3.12 --memory 4 -- python -c 'print(6 * 7)'
  cloudai task submit train:v3 --gpu 1 --gpu-model A100 --estimate 2h
  cloudai task submit --file tasks.json --json";

/// `cloudai task submit`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SubmitArgs {
    /// The image
    #[arg(value_name = "IMAGE", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) image: Option<String>,
    /// The words of the command, as they are [default: the image's own command]
    #[arg(last = true, value_name = "ARGS", conflicts_with_all = ["command", "file"])]
    pub(crate) args: Vec<String>,
    /// The command as one text, split like a shell's words, without a shell
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// Submit the tasks of a JSON file: all or none
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Wait until all have ended
    #[arg(long)]
    pub(crate) wait: bool,
    /// A name for people
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) name: Option<String>,
    /// Who submits it [default: USER]
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Cores [default: 1]
    #[arg(long, value_name = "N", value_parser = amount, conflicts_with = "file", help_heading = "Resources")]
    pub(crate) cpu: Option<f64>,
    /// Memory [default: 0.5]
    #[arg(long, value_name = "GB", value_parser = amount, conflicts_with = "file", help_heading = "Resources")]
    pub(crate) memory: Option<f64>,
    /// Storage; accounted for, not enforced [default: 1]
    #[arg(long, value_name = "GB", value_parser = amount, conflicts_with = "file", help_heading = "Resources")]
    pub(crate) storage: Option<f64>,
    /// GPU devices: a fraction of one, or a whole number [default: 0]
    #[arg(long, value_name = "N", value_parser = amount, conflicts_with = "file", help_heading = "Resources")]
    pub(crate) gpu: Option<f64>,
    /// A GPU model that will do; may be given several times
    #[arg(long, value_name = "MODEL", conflicts_with = "file", help_heading = "Resources")]
    pub(crate) gpu_model: Vec<String>,
    /// Higher is more urgent [default: 0]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        conflicts_with = "file",
        help_heading = "Scheduling"
    )]
    pub(crate) priority: Option<i32>,
    /// When it should have ended: unix seconds, or from now, as in +30m
    #[arg(long, value_name = "WHEN", conflicts_with = "file", help_heading = "Scheduling")]
    pub(crate) deadline: Option<String>,
    /// How long it is expected to run
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "file", help_heading = "Scheduling")]
    pub(crate) estimate: Option<Duration>,
    /// A label that its worker must have; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "file", help_heading = "Scheduling")]
    pub(crate) label: Vec<(String, String)>,
    /// Run on this worker only
    #[arg(long, value_name = "ID", conflicts_with = "file", help_heading = "Scheduling")]
    pub(crate) worker: Option<String>,
    /// What becomes of it if its worker is cut off for the length of the lease: `stop` and start elsewhere, or `keep` running [default: stop]
    #[arg(long, value_name = "WHAT", value_parser = ["stop", "keep"], hide_possible_values = true, conflicts_with = "file", help_heading = "Scheduling")]
    pub(crate) on_disconnect: Option<String>,
    /// A variable of its environment; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, conflicts_with = "file")]
    pub(crate) env: Vec<(String, String)>,
    /// How long the emulated executor sleeps, in seconds
    #[arg(long, value_name = "S", value_parser = amount, conflicts_with = "file")]
    pub(crate) emulated_s: Option<f64>,
    #[command(flatten)]
    pub(crate) common: Common,
}

const WORKERS_EXAMPLES: &str = "Examples:
  cloudai workers
  cloudai workers register gpu-7 10.0.0.7:50052
  cloudai workers drain gpu-7
  cloudai workers drain gpu-7 --undo";

/// `cloudai workers`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkersArgs {
    #[command(subcommand)]
    pub(crate) command: Option<WorkersCommand>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What to do with workers.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// List them; the same as no command
    #[command(after_help = "Example:\n  cloudai workers list --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Make a worker known before its first contact, when it fills in what it has
    #[command(after_help = "Example:\n  cloudai workers register gpu-7 10.0.0.7:50052")]
    Register {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
        /// Its address: HOST or HOST:PORT
        #[arg(value_name = "ADDR")]
        address: String,
        #[command(flatten)]
        common: Common,
    },
    /// Give a worker no new tasks; what runs goes on
    #[command(after_help = "Examples:\n  cloudai workers drain gpu-7\n  cloudai workers drain gpu-7 --undo")]
    Drain {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
        /// Give it tasks again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Declare a worker gone for good: what it held is given up, and may be started elsewhere
    #[command(after_help = "Example:\n  cloudai workers forget gpu-7")]
    Forget {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// `cloudai results`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ResultsArgs {
    /// Only completed, failed or cancelled ones
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only those of this worker
    #[arg(long, value_name = "ID")]
    pub(crate) worker: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

const CONSOLE_HELP: &str = "`help` in the console lists its commands. Lines may also come from a pipe or a
file; the exit code is then 1 if one of them failed.

Examples:
  cloudai console
  cloudai console --master 10.0.0.1:50051
  echo 'task auto alpine -command \"echo hello\"' | cloudai console";

/// An amount: finite, not negative.
pub(crate) fn amount(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or("expected a number from 0, such as 0.5")
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE"),
    }
}

/// A duration.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    crate::commands::live::values::duration(text)
}
