//! The settings of a worker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::security::Security;

/// What runs the tasks of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExecutorKind {
    /// Containers.
    #[default]
    Docker,
    /// Plain processes of this machine: enforces nothing.
    Process,
    /// Sleeps instead.
    Emulated,
}

impl ExecutorKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Docker, Self::Process, Self::Emulated];

    /// Its name on the command line and in the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
            Self::Emulated => "emulated",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How a worker is to be run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerSettings {
    /// Unique in the cluster. Default: the machine's host name.
    pub worker_id: String,
    /// Where the master reaches this worker: a host or an address, with a port if it is not the listener's own. Default:
    /// 127.0.0.1 if the master is on loopback, else the address from which this machine reaches the master.
    pub worker_ip: Option<String>,
    /// Where the gRPC service listens. Port 0: any. Default 127.0.0.1:50052.
    pub listen: SocketAddr,
    /// The master's gRPC service: host and port. Default localhost:50051.
    pub master: String,
    /// Time between heartbeats, unless the master asks for another. Default 5 s.
    pub heartbeat_interval: Duration,
    /// What runs the tasks. Default Docker.
    pub executor: ExecutorKind,
    /// The worker keeps its files in `worker/` below this. Default ./cloudai-data.
    pub data_dir: PathBuf,
    /// Labels that tasks may ask for. Default none.
    pub labels: BTreeMap<String, String>,
    /// Cores to offer. Default: what the machine has.
    pub total_cpu: Option<f64>,
    /// GB of memory to offer. Default: what the machine has.
    pub total_memory: Option<f64>,
    /// GB of storage to offer. Default: the size of the file system that holds the data folder.
    pub total_storage: Option<f64>,
    /// GPU devices to offer. Default: what NVML finds.
    pub total_gpu: Option<f64>,
    /// The model of the GPU devices. Default: what NVML says of the first.
    pub gpu_model: Option<String>,
    /// Time between asking an attempt to stop and killing it. Default 10 s.
    pub stop_grace: Duration,
    /// How long the output of an attempt is kept after its end. Default 168 h.
    pub logs_kept: Duration,
    /// Most processes in a container. Default 1024.
    pub pids_limit: i64,
    /// The folder of the Docker configuration, where `docker login` leaves its credentials. Default: what DOCKER_CONFIG names,
    /// else `.docker` in the home folder.
    pub docker_config: PathBuf,
    /// How the supervisor of a process is run; its folder follows as the last argument. Default: this program with
    /// `__supervise`. A program that starts workers must then call [`supervise`](super::supervise) when this is its first
    /// argument.
    pub supervisor: Vec<OsString>,
    /// How the guard is run that stops what must not outlive the lease when the worker cannot; the worker's folder follows as
    /// the last argument. Empty: no guard. Default: this program with `__guard`. A program that starts workers must then
    /// call [`guard`](super::guard) when this is its first argument.
    pub guard: Vec<OsString>,
    /// Tokens and TLS. Default: none, for a cluster on one machine.
    pub security: Security,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        let program =
            std::env::current_exe().map_or_else(|_| OsString::from("cloudai"), PathBuf::into_os_string);
        Self {
            worker_id: sysinfo::System::host_name().unwrap_or_else(|_| "worker".to_owned()),
            worker_ip: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 50052)),
            master: "localhost:50051".to_owned(),
            heartbeat_interval: Duration::from_secs(5),
            executor: ExecutorKind::default(),
            data_dir: PathBuf::from("./cloudai-data"),
            labels: BTreeMap::new(),
            total_cpu: None,
            total_memory: None,
            total_storage: None,
            total_gpu: None,
            gpu_model: None,
            stop_grace: Duration::from_secs(10),
            logs_kept: Duration::from_secs(7 * 24 * 3600),
            pids_limit: 1024,
            docker_config: std::env::var_os("DOCKER_CONFIG").map_or_else(
                || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker"),
                PathBuf::from,
            ),
            supervisor: vec![program.clone(), "__supervise".into()],
            guard: vec![program, "__guard".into()],
            security: Security::default(),
        }
    }
}
