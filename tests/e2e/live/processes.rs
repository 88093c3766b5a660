//! Masters and workers as processes of their own; they end with the test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Place, Ran};

/// A cluster on this machine, in a folder of its own.
pub(super) struct Cluster {
    pub(super) place: Place,
    pub(super) grpc: u16,
    pub(super) http: u16,
    master: Option<Child>,
    workers: Vec<(String, Child)>,
    settings: Vec<(&'static str, String)>,
}

/// A port that nobody listens on at the moment.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Cluster {
    /// A master, and these workers, whose tasks run without containers.
    pub(super) fn start(workers: &[&str]) -> Self {
        // Short, so that tests of failures are.
        Self::with(workers, &[("HEARTBEAT_INTERVAL", "200ms"), ("INACTIVE_AFTER", "2s"), ("LEASE", "3s")])
    }

    pub(super) fn with(workers: &[&str], settings: &[(&'static str, &'static str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self::with_settings(workers, settings.collect())
    }

    pub(super) fn with_settings(workers: &[&str], settings: Vec<(&'static str, String)>) -> Self {
        Self::in_place(Place::new(), workers, settings)
    }

    /// In a folder that holds something already, such as certificates. Settings are everybody's.
    pub(super) fn in_place(place: Place, workers: &[&str], settings: Vec<(&'static str, String)>) -> Self {
        let (grpc, http) = (free_port(), free_port());
        let mut cluster = Self { place, grpc, http, master: None, workers: Vec::new(), settings };
        cluster.start_master();
        for worker in workers {
            cluster.start_worker(worker, &["--executor", "process", "--cpu", "4", "--memory", "8"]);
        }
        cluster
    }

    pub(super) fn start_master(&mut self) {
        let (grpc, http) = (self.grpc.to_string(), self.http.to_string());
        let args =
            ["master", "--no-console", "--grpc-port", &grpc, "--http-port", &http, "--data-dir", "master"];
        let mut command = self.place.command(&args);
        command.envs(self.settings.iter().cloned());
        self.master = Some(spawn(command));
        until("the master answers", || self.run(&["status"]).code == Some(0));
    }

    pub(super) fn start_worker(&mut self, id: &str, flags: &[&str]) {
        let (master, port) = (self.address(), free_port().to_string());
        let args =
            ["worker", "--worker-id", id, "--master", &master, "--worker-port", &port, "--data-dir", id];
        let mut command = self.place.command(&[&args, flags].concat());
        command.envs(self.settings.iter().cloned());
        let child = spawn(command);
        self.workers.push((id.to_owned(), child));
        until("the worker is active", || self.worker(id)["state"] == "active");
    }

    /// Kills the master as if the power had gone.
    pub(super) fn kill_master(&mut self) {
        let mut master = self.master.take().unwrap();
        master.kill().unwrap();
        master.wait().unwrap();
    }

    /// Kills a worker, not its tasks.
    pub(super) fn kill_worker(&mut self, id: &str) {
        let at = self.workers.iter().position(|(worker, _)| worker == id).unwrap();
        let (_, mut worker) = self.workers.remove(at);
        worker.kill().unwrap();
        worker.wait().unwrap();
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        self.place
            .command(args)
            .envs(self.settings.iter().cloned())
            .env("MASTER_ADDR", self.address())
            .env("USER", "ada")
            .output()
            .unwrap()
            .into()
    }

    /// Runs, and expects success.
    pub(super) fn good(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {} {}", ran.out, ran.err);
        ran
    }

    pub(super) fn document(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[args, &["--json"]].concat()).out).unwrap()
    }

    /// What is known of a worker; null if nothing is.
    pub(super) fn worker(&self, id: &str) -> Value {
        let workers = self.document(&["workers"]);
        let found = workers["workers"].as_array().unwrap().iter().find(|worker| worker["worker_id"] == id);
        found.cloned().unwrap_or_default()
    }

    /// Submits a script of sh: the id.
    pub(super) fn submit(&self, flags: &[&str], script: &str) -> String {
        let args = [&["task", "submit", "busybox"], flags, &["--", "sh", "-c", script]].concat();
        self.good(&args).out.trim().to_owned()
    }

    pub(super) fn status_of(&self, id: &str) -> String {
        self.document(&["task", "show", id])["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn until_status(&self, id: &str, status: &str) {
        until(&format!("{id} is {status}"), || self.status_of(id) == status);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let children = self.workers.iter_mut().map(|(_, child)| child).chain(&mut self.master);
        for child in children {
            // In order, so that a worker ends what it runs.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let begun = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(15) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Waits until this holds.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "expected that {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
