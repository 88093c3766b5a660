//! A job that was submitted, or is about to be: its files in the folder `slurm` of the sweep.
//!
//! `job-N.csv` lists its cells by array task, `job-N.sh` is its script, `job-N.json` its name and id, and `job-N-I.log` what array task
//! I says. The name is nobody else's, and is written down before the job is submitted: should we be killed before its id is, the job is
//! found by its name.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::SweepError;
use super::super::part::{journals_of, write_list};
use super::super::place::{names, replace};
use super::super::plan::Plan;
use super::client::JobId;
use super::{Request, SlurmError};

/// The folder of the jobs' files in that of the sweep.
const FOLDER: &str = "slurm";

/// Memory that a process takes beside workloads and runs, in MiB, amply.
const OWN_MIB: u64 = 256;

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// Its number in this sweep; the file's name has it.
    #[serde(skip)]
    pub(super) number: u32,
    /// Its name, nobody else's.
    pub(super) name: String,
    /// As Slurm names it; `None` until it was submitted.
    pub(super) id: Option<JobId>,
    pub(super) tasks: u32,
    pub(super) cells: usize,
    /// It neither waits nor runs any more.
    pub(super) ended: bool,
}

impl Job {
    /// The jobs of a sweep, in the order in which they were submitted.
    pub(super) fn all(dir: &Path) -> Result<Vec<Self>, SweepError> {
        let folder = dir.join(FOLDER);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let number = |name: &String| name.strip_prefix("job-")?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u32> = names(&folder)?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        let read = |number: u32| {
            let path = path(dir, number, "json");
            let text = fs::read(&path).map_err(|source| SweepError::io(&path, "read", source))?;
            let job: Self = serde_json::from_slice(&text)
                .map_err(|error| SweepError::io(&path, "understand", io::Error::other(error)))?;
            Ok(Self { number, ..job })
        };
        numbers.into_iter().map(read).collect()
    }

    /// Writes the files of a new job, which is not submitted yet.
    pub(super) fn prepare(
        dir: &Path,
        number: u32,
        plan: &Plan,
        parts: &[Vec<usize>],
        request: &Request,
    ) -> Result<Self, SweepError> {
        let folder = dir.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|source| SweepError::io(&folder, "create", source))?;
        let job = Self {
            number,
            name: new_name(dir, plan),
            id: None,
            tasks: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            cells: parts.iter().map(Vec::len).sum(),
            ended: false,
        };
        let script = job.script(dir, plan, request)?;
        write_list(&job.list(dir), plan, parts)?;
        replace(&job.script_path(dir), |file| file.write_all(script.as_bytes()))?;
        job.save(dir)?;
        Ok(job)
    }

    /// Writes down what is known of it.
    pub(super) fn save(&self, dir: &Path) -> Result<(), SweepError> {
        replace(&path(dir, self.number, "json"), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }

    /// The list of its cells.
    pub(super) fn list(&self, dir: &Path) -> PathBuf {
        path(dir, self.number, "csv")
    }

    /// Its script.
    pub(super) fn script_path(&self, dir: &Path) -> PathBuf {
        path(dir, self.number, "sh")
    }

    /// What the names of the journals of its array tasks begin with.
    pub(super) fn journals(&self, dir: &Path) -> String {
        journals_of(&self.list(dir))
    }

    fn script(&self, dir: &Path, plan: &Plan, request: &Request) -> Result<String, SweepError> {
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(|source| SweepError::io(path, "find", source));
        let (dir, experiment) = (absolute(dir)?, absolute(&plan.file)?);
        let log = line(&dir.join(FOLDER))?.replace('%', "%%") + &format!("/job-{}-%a.log", self.number);
        let memory = request.memory_mib.or(plan.memory_mib);
        let mut options = vec![
            format!("--job-name={}", self.name),
            format!("--array=0-{}", self.tasks.saturating_sub(1)),
            format!("--output={}", argument(&log)),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", request.jobs),
        ];
        options.extend(memory.map(|mib| format!("--mem={}M", mib + OWN_MIB)));
        if let Some(partition) = &request.partition {
            options.push(format!("--partition={}", argument(text_line(partition)?)));
        }
        for option in &request.options {
            options.push(text_line(option)?.to_owned());
        }
        let mut script = format!(
            "#!/bin/sh\n# {} cells of a sweep in {} array tasks, written by cloudai {}.\n",
            self.cells,
            self.tasks,
            env!("CARGO_PKG_VERSION"),
        );
        for option in options {
            script += &format!("#SBATCH {option}\n");
        }
        script += &format!(
            "exec {} sweep {} \\\n    --out {} \\\n    --cells {} --part \"$SLURM_ARRAY_TASK_ID\" --jobs {}",
            quoted(line(&absolute(&request.program)?)?),
            quoted(line(&experiment)?),
            quoted(line(&dir)?),
            quoted(line(&self.list(&dir))?),
            request.jobs,
        );
        if let Some(mib) = request.memory_mib {
            script += &format!(" --memory-mb {mib}");
        }
        Ok(script + "\n")
    }
}

fn path(dir: &Path, number: u32, ending: &str) -> PathBuf {
    dir.join(FOLDER).join(format!("job-{number}.{ending}"))
}

/// A name that no other job has, with that of the experiment in it.
fn new_name(dir: &Path, plan: &Plan) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let seed = format!("{} {now} {}", dir.display(), std::process::id());
    let unique: String = Sha256::digest(seed)[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let plain: String =
        plan.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(24).collect();
    format!("cloudai-{plain}-{unique}")
}

fn line(path: &Path) -> Result<&str, SlurmError> {
    let unfit = || SlurmError::Unfit { text: path.display().to_string() };
    path.to_str().ok_or_else(unfit).and_then(text_line)
}

/// A text that can stand on one line of a script.
pub(super) fn text_line(text: &str) -> Result<&str, SlurmError> {
    let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err(SlurmError::Unfit { text: text.to_owned() }) }
}

/// For the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// For a line of sbatch's options, which knows double quotes, and backslashes between them.
fn argument(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=,:@%".contains(c)) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use cloudai_schedulers::Registry;

    use super::super::super::Design;
    use super::*;

    fn plan(name: &str) -> Plan {
        let text = format!(
            "name = '{name}'\nstrategies = ['fcfs']\nseeds = '0..3'\n[[scenarios]]\npreset = 'uniform'\ntasks = 5\nworkers = 2\n"
        );
        let (registry, file) = (Registry::builtin(), Path::new("/an experiment/it's.toml"));
        Plan::new(Design::parse(&text, file, &registry).unwrap(), file, &registry).unwrap()
    }

    #[test]
    fn scripts_say_what_is_to_be_run_whatever_the_paths_are() {
        let plan = plan("loads, again");
        let mut request = Request::new(PathBuf::from("/opt/cloud ai/cloudai"));
        request.partition = Some("long".to_owned());
        request.options = vec!["--time=01:00:00".to_owned(), "--account=ours --qos=low".to_owned()];
        (request.jobs, request.memory_mib) = (2, Some(1000));
        let job = Job { number: 3, name: "cloudai-x".to_owned(), id: None, tasks: 2, cells: 3, ended: false };
        let script = job.script(Path::new("/shared/100% \"mine\""), &plan, &request).unwrap();
        let expected = "\
#!/bin/sh
# 3 cells of a sweep in 2 array tasks, written by cloudai VERSION.
#SBATCH --job-name=cloudai-x
#SBATCH --array=0-1
#SBATCH --output=\"/shared/100%% \\\"mine\\\"/slurm/job-3-%a.log\"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=1256M
#SBATCH --partition=long
#SBATCH --time=01:00:00
#SBATCH --account=ours --qos=low
exec '/opt/cloud ai/cloudai' sweep '/an experiment/it'\\''s.toml' \\
    --out '/shared/100% \"mine\"' \\
    --cells '/shared/100% \"mine\"/slurm/job-3.csv' --part \"$SLURM_ARRAY_TASK_ID\" --jobs 2 --memory-mb 1000
";
        assert_eq!(script.replace(env!("CARGO_PKG_VERSION"), "VERSION"), expected);

        request.options = vec!["--time=1\nrm -r /".to_owned()];
        let error = job.script(Path::new("/shared"), &plan, &request).unwrap_err().to_string();
        assert_eq!(error, "\"--time=1\\nrm -r /\" cannot stand in a batch script; expected one line of text");
    }

    #[test]
    fn jobs_are_remembered_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, plan, request) = (folder.path(), plan("x"), Request::new(PathBuf::from("cloudai")));
        assert!(Job::all(dir).unwrap().is_empty());
        for number in [1, 2, 10] {
            let mut job = Job::prepare(dir, number, &plan, &[vec![0, 2], vec![1]], &request).unwrap();
            job.id = Some(JobId { number: u64::from(number) * 7, cluster: None });
            job.save(dir).unwrap();
        }
        let jobs = Job::all(dir).unwrap();
        assert_eq!(jobs.iter().map(|job| job.number).collect::<Vec<_>>(), [1, 2, 10]);
        assert_eq!((jobs[2].tasks, jobs[2].cells), (2, 3));
        assert_eq!(jobs[2].id.as_ref().unwrap().to_string(), "70");
        assert!(jobs[0].name.starts_with("cloudai-x-") && jobs[0].name != jobs[1].name);
    }
}
