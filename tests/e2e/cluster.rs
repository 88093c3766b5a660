//! A cluster of Slurm on this machine: munged, slurmctld and a slurmd for each of four nodes, in a temporary folder, on loopback.
//!
//! It needs neither systemd, cgroups nor a database, and runs as whoever runs the tests. Everything that it starts ends with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Nodes, each of one core.
pub(crate) const NODES: usize = 4;

/// The daemons, and what asks them.
const PROGRAMS: [&str; 6] = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"];

pub(crate) struct Cluster {
    folder: TempDir,
    munged: Option<Child>,
    controller: Option<Child>,
    nodes: [Option<Child>; NODES],
}

impl Cluster {
    /// Starts a cluster; `None` where Slurm is not installed, which is a failure if `CLOUDAI_TEST_REQUIRE` has `slurm`.
    pub(crate) fn start() -> Option<Self> {
        let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| program(name).is_none()).collect();
        if !missing.is_empty() {
            let required = std::env::var("CLOUDAI_TEST_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|name| name.trim() == "slurm"),
                "missing: {}",
                missing.join(", ")
            );
            eprintln!("skipped: no Slurm here (missing: {})", missing.join(", "));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { folder, munged: None, controller: None, nodes: Default::default() };
        cluster.configure();
        let key = cluster.path("munge.key");
        fs::write(&key, [7; 128]).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
        let file = |name: &str| cluster.path(name).to_str().unwrap().to_owned();
        let options = [
            // Whoever may write above a temporary folder is none of its business.
            "--force".to_owned(),
            "--foreground".to_owned(),
            format!("--key-file={}", file("munge.key")),
            format!("--socket={}", file("munge.socket")),
            format!("--pid-file={}", file("munged.pid")),
            format!("--seed-file={}", file("munged.seed")),
        ];
        cluster.munged = Some(cluster.daemon("munged", options));
        cluster.wait_for("munged", || cluster.path("munge.socket").exists());
        cluster.controller = Some(cluster.daemon("slurmctld", ["-D".to_owned()]));
        for node in 0..NODES {
            cluster.start_node(node);
        }
        cluster.wait_for("nodes", || {
            cluster.ask("sinfo", &["--noheader", "--format=%D %t"]).trim() == format!("{NODES} idle")
        });
        Some(cluster)
    }

    fn configure(&self) {
        for folder in ["state", "spool"] {
            fs::create_dir(self.path(folder)).unwrap();
        }
        for node in 1..=NODES {
            fs::create_dir(self.path(&format!("spool/n{node}"))).unwrap();
        }
        let host = output(Command::new("uname").arg("-n"));
        let host = host.trim().split('.').next().unwrap().to_owned();
        let user = output(Command::new("id").arg("-un"));
        let ports = free_ports(NODES + 1);
        let mut text = include_str!("slurm.conf")
            .replace("FOLDER", self.folder.path().to_str().unwrap())
            .replace("HOST", &host)
            .replace("USER", user.trim())
            .replace("CONTROLLER_PORT", &ports[0].to_string());
        for (node, port) in ports[1..].iter().enumerate() {
            let name = node_name(node);
            text += &format!(
                "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 State=UNKNOWN\n"
            );
        }
        fs::write(self.conf(), text).unwrap();
    }

    /// Starts the daemon of a node.
    pub(crate) fn start_node(&mut self, node: usize) {
        let options = ["-D".to_owned(), "-N".to_owned(), node_name(node)];
        self.nodes[node] = Some(self.daemon("slurmd", options));
    }

    /// Kills the daemon of a node and whatever runs there, as a loss of power would: nothing gets to say good-bye.
    pub(crate) fn kill_node(&mut self, node: usize) {
        let mut daemon = self.nodes[node].take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        // First the daemons of steps, so that they report nothing, then the steps.
        for step_daemon in [true, false] {
            for (pid, is_daemon) in self.processes(&node_name(node)) {
                if is_daemon == step_daemon {
                    kill(pid);
                }
            }
        }
    }

    /// True if an array task runs on a node.
    pub(crate) fn is_busy(&self, node: usize) -> bool {
        self.processes(&node_name(node)).iter().any(|&(_, is_daemon)| !is_daemon)
    }

    /// Processes of a node's steps, and whether each is a step's daemon. A step's process knows its node; its parent, if that one does
    /// not, is the daemon.
    fn processes(&self, node: &str) -> Vec<(u32, bool)> {
        let conf = format!("SLURM_CONF={}", self.conf().display());
        let name = format!("SLURMD_NODENAME={node}");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            let has = |variable: &str| environment.split(|&byte| byte == 0).any(|v| v == variable.as_bytes());
            if has(&conf) && has(&name) {
                found.push((pid, false));
                let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
                if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
                    let command = fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
                    if String::from_utf8_lossy(&command).contains("slurmstepd") {
                        found.push((parent, true));
                    }
                }
            }
        }
        found
    }

    /// The binary, or another program, with this cluster as the one to ask.
    pub(crate) fn on(&self, mut command: Command) -> Command {
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if ["SLURM", "SBATCH", "SQUEUE"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&variable);
            }
        }
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/sbin:/sbin");
        command.env("SLURM_CONF", self.conf()).env("PATH", path);
        command
    }

    /// What a program of Slurm prints.
    pub(crate) fn ask(&self, name: &str, args: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(args);
        let output = self.on(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until something holds; fails with the daemons' last words if it does not come to be.
    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            if Instant::now() >= deadline {
                for name in ["munged", "slurmctld", "slurmd-n1"] {
                    let said = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
                    let last: Vec<&str> = said.lines().rev().take(20).collect();
                    eprintln!("{name}:\n{}\n", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
                }
                panic!("{what}: not in time");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn daemon(&self, name: &str, options: impl IntoIterator<Item = String>) -> Child {
        let options: Vec<String> = options.into_iter().collect();
        let node =
            options.last().filter(|_| name == "slurmd").map_or(String::new(), |node| format!("-{node}"));
        let log = fs::File::options().append(true).create(true).open(self.path(&format!("{name}{node}.log")));
        let log = log.unwrap();
        let mut command = Command::new(program(name).unwrap());
        command.args(options).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.on(command).spawn().unwrap()
    }

    fn conf(&self) -> PathBuf {
        self.path("slurm.conf")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..NODES {
            if self.nodes[node].is_some() {
                self.kill_node(node);
            }
        }
        for mut daemon in [self.controller.take(), self.munged.take()].into_iter().flatten() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn node_name(node: usize) -> String {
    format!("n{}", node + 1)
}

fn kill(pid: u32) {
    // It may have ended by itself.
    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
}

fn output(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Where a program is; daemons often are where a user's PATH does not lead.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Ports that nobody listens on now.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
