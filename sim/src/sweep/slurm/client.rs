//! Slurm's client programs, and what they print.
//!
//! Nothing of a user's own settings may change what is printed: variables that set squeue's output or filter are taken away, as are
//! those that would override what the batch script says of the array.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use super::SlurmError;

/// Indices of array tasks when `scontrol` does not say how many there can be: Slurm's own default.
const USUAL_ARRAY: u32 = 1001;

/// What the parts of a job are asked for with: its id, the index in the array, state, name, reason for waiting.
const FORMAT: &str = "%F|%K|%T|%j|%r";

/// Variables of sbatch that would override the script's lines on what makes the array ours.
const OVERRIDES: [&str; 8] = [
    "SBATCH_ARRAY_INX",
    "SBATCH_JOB_NAME",
    "SBATCH_OUTPUT",
    "SBATCH_ERROR",
    "SBATCH_OPEN_MODE",
    "SBATCH_REQUEUE",
    "SBATCH_NO_REQUEUE",
    "SBATCH_WAIT",
];

/// A job as sbatch names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct JobId {
    pub(super) number: u64,
    /// The cluster, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<String>,
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number)?;
        self.cluster.as_ref().map_or(Ok(()), |cluster| write!(f, " on {cluster}"))
    }
}

/// An array task that waits or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) job: u64,
    /// Its index; `None` if squeue does not tell tasks apart.
    pub(super) part: Option<u32>,
    pub(super) waits: bool,
    /// Why it waits, in Slurm's words.
    pub(super) reason: String,
}

/// How many array tasks a job can have.
pub(super) fn most_tasks() -> Result<u32, SlurmError> {
    let text = run("scontrol", Command::new("scontrol").args(["show", "config"]))?;
    let most = max_array_size(&text).unwrap_or(USUAL_ARRAY);
    if most == 0 { Err(SlurmError::NoArrays) } else { Ok(most) }
}

/// Submits a script.
pub(super) fn submit(script: &Path) -> Result<JobId, SlurmError> {
    let mut command = Command::new("sbatch");
    for variable in OVERRIDES {
        command.env_remove(variable);
    }
    let said = run("sbatch", command.arg("--parsable").arg(script))?;
    job_id(&said).ok_or(SlurmError::Unexpected { program: "sbatch", said, expected: "the id of a job" })
}

/// What of a job waits or runs; nothing if it has ended, or never was.
pub(super) fn queue(id: &JobId, name: &str) -> Result<Vec<Queued>, SlurmError> {
    let mut command = squeue(id.cluster.as_deref());
    match run("squeue", command.arg("--jobs").arg(id.number.to_string())) {
        Ok(said) => queued(&said, name),
        // It has ended so long ago that the controller has forgotten it.
        Err(SlurmError::Failed { said, .. }) if said.contains("Invalid job id") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The job of a name that nobody else uses, if it waits or runs.
pub(super) fn find(name: &str) -> Result<Option<JobId>, SlurmError> {
    let said = run("squeue", squeue(None).arg("--name").arg(name))?;
    Ok(queued(&said, name)?.first().map(|task| JobId { number: task.job, cluster: None }))
}

fn squeue(cluster: Option<&str>) -> Command {
    let mut command = Command::new("squeue");
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("SQUEUE_") {
            command.env_remove(variable);
        }
    }
    command.args(["--noheader", "--array", "--format", FORMAT]);
    if let Some(cluster) = cluster {
        command.arg("--clusters").arg(cluster);
    }
    command
}

/// Runs a program to its end; what it prints on stdout.
fn run(program: &'static str, command: &mut Command) -> Result<String, SlurmError> {
    own_group(command);
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C").output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => SlurmError::Missing { program },
        _ => SlurmError::Failed { program, said: error.to_string() },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let said = if said.is_empty() { output.status.to_string() } else { said };
    Err(SlurmError::Failed { program, said })
}

/// Ctrl-C at the terminal is for us: sbatch that dies of it may have submitted the job or not.
fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// `MaxArraySize` of `scontrol show config`.
fn max_array_size(config: &str) -> Option<u32> {
    config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "MaxArraySize").then(|| value.trim().parse().ok())?
    })
}

/// What `sbatch --parsable` prints: the id, with the cluster behind a semicolon where there are several. A site's plugins may have
/// printed lines before it.
fn job_id(said: &str) -> Option<JobId> {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let (number, cluster) = match line.split_once(';') {
        Some((number, cluster)) => (number, Some(cluster.trim().to_owned()).filter(|name| !name.is_empty())),
        None => (line, None),
    };
    Some(JobId { number: number.trim().parse().ok()?, cluster })
}

/// What squeue says of the job of this name. Ids come again after some time, so that another job may have that number now.
fn queued(said: &str, name: &str) -> Result<Vec<Queued>, SlurmError> {
    let mut tasks = Vec::new();
    for line in said.lines().map(str::trim) {
        // With a cluster named, squeue prints its name first.
        if line.is_empty() || line.starts_with("CLUSTER:") {
            continue;
        }
        let task = queued_task(line).ok_or_else(|| SlurmError::Unexpected {
            program: "squeue",
            said: line.to_owned(),
            expected: "id|index|state|name|reason",
        })?;
        if task.0 == name && !task.1 {
            tasks.push(task.2);
        }
    }
    Ok(tasks)
}

/// A task's name, whether it has ended, and the task.
fn queued_task(line: &str) -> Option<(&str, bool, Queued)> {
    let mut fields = line.splitn(5, '|').map(str::trim);
    let job = fields.next()?.parse().ok()?;
    let part = fields.next()?.parse().ok();
    let (state, name, reason) = (fields.next()?, fields.next()?, fields.next()?);
    let ended = matches!(
        state,
        "BOOT_FAIL"
            | "CANCELLED"
            | "COMPLETED"
            | "DEADLINE"
            | "FAILED"
            | "OUT_OF_MEMORY"
            | "REVOKED"
            | "TIMEOUT"
    );
    let waits = matches!(state, "PENDING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD" | "SPECIAL_EXIT");
    Some((name, ended, Queued { job, part, waits, reason: reason.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_what_sbatch_prints() {
        let id = |number, cluster: Option<&str>| Some(JobId { number, cluster: cluster.map(str::to_owned) });
        assert_eq!(job_id("17\n"), id(17, None));
        assert_eq!(job_id("17;east\n"), id(17, Some("east")));
        assert_eq!(job_id("17;\n"), id(17, None));
        assert_eq!(job_id("welcome to the cluster\n\n 4000000000 \n\n"), id(4_000_000_000, None));
        for bad in ["", "\n", "Submitted batch job 17", "-1", ";east"] {
            assert_eq!(job_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_queue_is_read_whatever_else_is_in_it() {
        let said = "CLUSTER: east\n\
            17|3|RUNNING|cloudai-x|None\n\
            17|4|PENDING|cloudai-x|(launch failed | requeued held)\n\
            17|5|COMPLETED|cloudai-x|None\n\
            17|6|COMPLETING|cloudai-x|None\n\
            17|0|RUNNING|somebody's|None\n\
            17|N/A|PENDING|cloudai-x|Resources\n";
        let tasks = queued(said, "cloudai-x").unwrap();
        let seen: Vec<_> = tasks.iter().map(|task| (task.part, task.waits, task.reason.as_str())).collect();
        let held = "(launch failed | requeued held)";
        assert_eq!(
            seen,
            [
                (Some(3), false, "None"),
                (Some(4), true, held),
                (Some(6), false, "None"),
                (None, true, "Resources")
            ]
        );
        assert_eq!(queued("", "x").unwrap(), []);
        let error = queued("squeue is on holiday", "x").unwrap_err().to_string();
        assert_eq!(error, "squeue printed \"squeue is on holiday\"; expected id|index|state|name|reason");
    }

    #[test]
    fn the_largest_array_is_found_in_the_configuration() {
        let text = "Configuration data as of 2026-11-24T03:00:00\n\
            MaxArraySize            = 5001\n\
            MaxJobCount             = 10000\n";
        assert_eq!(max_array_size(text), Some(5001));
        assert_eq!(max_array_size("MaxJobCount = 10000\n"), None);
        assert_eq!(max_array_size("MaxArraySize = many\n"), None);
    }
}
