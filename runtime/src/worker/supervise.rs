//! The small process that stands beside each command of the process executor, and outlives the worker.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::process::{Pid, Signal, kill_process_group};

use super::clock::unix_now_us;
use super::executor::process::{EndedNote, Spec, StartedNote, read_note, ticks_of, write_note};

/// Runs the command that the folder describes, and writes there how it ended. The worker runs this in a process of its own
/// (see [`WorkerSettings::supervisor`](super::WorkerSettings::supervisor)): a program that starts workers calls it, before
/// anything else, when its first argument is `__supervise`, with the second as the folder.
///
/// It says `started` or `failed REASON` on its standard output once it knows.
#[must_use]
pub fn supervise(folder: &Path) -> ExitCode {
    match run(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&format!("failed {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// The worker may be gone, and its end of the pipe with it.
fn say(line: &str) {
    let mut output = io::stdout();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

fn run(folder: &Path) -> Result<(), String> {
    // Out of the worker's session: what is sent to its terminal must not come here.
    let _ = rustix::process::setsid();
    let problem = |error: io::Error| format!("{}: {error}", folder.display());
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(problem)?;
    lock.try_lock().map_err(|error| problem(error.into()))?;
    if folder.join("abandoned").exists() || folder.join("started").exists() {
        return Err("it was given up before it could start".to_owned());
    }
    let spec: Spec = read_note(folder, "spec.json").ok_or("spec.json cannot be read".to_owned())?;
    let mut child = command(&spec, folder)?;
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let note = StartedNote { pid, ticks: ticks_of(pid).unwrap_or(0), started_at_us: unix_now_us() };
    if let Err(error) = write_note(folder, "started", &note) {
        // Nobody could stop it.
        let _ = child.kill();
        let _ = child.wait();
        return Err(problem(error));
    }
    say("started");
    let status = child.wait().map_err(problem)?;
    let ended_at_us = unix_now_us();
    // What the command has left behind goes with it, as in a container.
    if let Some(group) = Pid::from_raw(pid) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let (cpu_s, peak_memory) = match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) => {
            let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            (cpu as f64 / 1e6, usage.max_rss() as f64 / 1024.0)
        }
        Err(_) => (0.0, 0.0),
    };
    let exit_code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    write_note(folder, "ended", &EndedNote { exit_code, ended_at_us, cpu_s, peak_memory }).map_err(problem)
}

fn command(spec: &Spec, folder: &Path) -> Result<std::process::Child, String> {
    let (program, arguments) = spec.command.split_first().ok_or("no command".to_owned())?;
    let output = |path: &Path| {
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut command = Command::new(program);
    // The worker's own environment may hold secrets.
    command.env_clear();
    for name in ["PATH", "HOME", "LANG", "TZ", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .args(arguments)
        .envs(&spec.env)
        .current_dir(folder.join("work"))
        .stdin(Stdio::null())
        .stdout(output(&spec.stdout)?)
        .stderr(output(&spec.stderr)?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))
}
