//! The command line of `cloudai master` and `cloudai worker`.
//!
//! Every value is text here: it may as well come from the environment or from `.env`, and is read, and complained about,
//! in one place, [`Settings`](crate::commands::live::settings::Settings).

use clap::{Args, ValueEnum};

pub(crate) const MASTER_HELP: &str =
    "Settings come from flags, then from the environment, then from the file .env
in the working directory: --grpc-port is GRPC_PORT there, and so on. An address
:PORT, or just PORT, means 127.0.0.1:PORT. Durations are like 500ms, 15s, 2m, 1h.

Exit codes: 0 it was told to stop, 1 it failed, 2 wrong usage or settings

Examples:
  cloudai master
  cloudai master --data-dir /var/lib/cloudai --scheduler-strategy easy
  MONGO_URI=mongodb://localhost:27017 cloudai master --no-console
  cloudai master --grpc-port 0.0.0.0:50051 --insecure";

pub(crate) const WORKER_HELP: &str =
    "Settings come from flags, then from the environment, then from the file .env
in the working directory: --worker-id is WORKER_ID there, and so on. An address
:PORT, or just PORT, means 127.0.0.1:PORT. Durations are like 500ms, 15s, 2m, 1h.

Exit codes: 0 it was told to stop, 1 it failed, 2 wrong usage or settings

Examples:
  cloudai worker
  cloudai worker --master 10.0.0.1 --worker-port 0.0.0.0:50052 --insecure
  cloudai worker --executor process --label rack=b --label disk=ssd
  cloudai worker --worker-id w2 --worker-port 50062 --data-dir ./w2";

/// What master and worker share.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CommonArgs {
    /// What is told on stderr: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Where identity, records and logs are kept [default: ./cloudai-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<String>,
    /// Whether connections are encrypted [default: true if a certificate is given]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Security")]
    pub(crate) tls_enabled: Option<String>,
    /// Certificate chain (PEM) of this side
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub(crate) tls_cert_file: Option<String>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub(crate) tls_key_file: Option<String>,
    /// Certificates (PEM) that the other side's is checked against [default: TLS_CERT_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Security")]
    pub(crate) tls_ca_file: Option<String>,
    /// What all sides must know; other users of this machine see it here, so better in the environment (CLOUDAI_TOKEN)
    #[arg(long, value_name = "TOKEN", help_heading = "Security")]
    pub(crate) token: Option<String>,
    /// Listen beyond this machine without TLS or without a token
    #[arg(long, help_heading = "Security")]
    pub(crate) insecure: bool,
}

/// `cloudai master`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MasterArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Where gRPC listens [default: :50051]
    #[arg(long, value_name = "ADDR", help_heading = "Listeners")]
    pub(crate) grpc_port: Option<String>,
    /// Where HTTP and WebSocket listen [default: :8080]
    #[arg(long, value_name = "ADDR", help_heading = "Listeners")]
    pub(crate) http_port: Option<String>,
    /// Time to read a request [default: 15s]
    #[arg(long, value_name = "DURATION", help_heading = "Listeners")]
    pub(crate) http_read_timeout: Option<String>,
    /// Time to write an answer [default: 15s]
    #[arg(long, value_name = "DURATION", help_heading = "Listeners")]
    pub(crate) http_write_timeout: Option<String>,
    /// How long an idle connection is kept [default: 60s]
    #[arg(long, value_name = "DURATION", help_heading = "Listeners")]
    pub(crate) http_idle_timeout: Option<String>,
    /// The strategy to start with, as in `cloudai strategies` [default: ai]
    #[arg(long, value_name = "SPEC", help_heading = "Scheduling")]
    pub(crate) scheduler_strategy: Option<String>,
    /// How often workers report [default: 5s]
    #[arg(long, value_name = "DURATION", help_heading = "Scheduling")]
    pub(crate) heartbeat_interval: Option<String>,
    /// Without a heartbeat for so long a worker gets no work [default: 30s]
    #[arg(long, value_name = "DURATION", help_heading = "Scheduling")]
    pub(crate) inactive_after: Option<String>,
    /// A worker that is cut off for so long stops its tasks [default: 300s]
    #[arg(long, value_name = "DURATION", help_heading = "Scheduling")]
    pub(crate) lease: Option<String>,
    /// Most cores that a task may ask for [default: 64]
    #[arg(long, value_name = "N", help_heading = "Scheduling")]
    pub(crate) max_cpu_cores: Option<String>,
    /// Most memory that a task may ask for, in GB [default: 512]
    #[arg(long, value_name = "GB", help_heading = "Scheduling")]
    pub(crate) max_memory_gb: Option<String>,
    /// Most storage that a task may ask for, in GB [default: 65536]
    #[arg(long, value_name = "GB", help_heading = "Scheduling")]
    pub(crate) max_storage_gb: Option<String>,
    /// Most GPU devices that a task may ask for [default: 64]
    #[arg(long, value_name = "N", help_heading = "Scheduling")]
    pub(crate) max_gpu_cores: Option<String>,
    /// Most tasks in one submission [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Scheduling")]
    pub(crate) max_batch: Option<String>,
    /// Most tasks that have not ended [default: 1000000]
    #[arg(long, value_name = "N", help_heading = "Scheduling")]
    pub(crate) max_alive_tasks: Option<String>,
    /// A MongoDB for the records [default: a SQLite file in the data folder]
    #[arg(long, value_name = "URI", help_heading = "Records")]
    pub(crate) mongo_uri: Option<String>,
    /// Its database [default: cluster_db]
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    pub(crate) db_name: Option<String>,
    /// Most connections to it [default: 100]
    #[arg(long, value_name = "N", help_heading = "Records")]
    pub(crate) pool_size: Option<String>,
    /// Heartbeats that a WebSocket client may lag behind [default: 100]
    #[arg(long, value_name = "N", help_heading = "Records")]
    pub(crate) heartbeat_buffer: Option<String>,
    /// No console, even on a terminal
    #[arg(long)]
    pub(crate) no_console: bool,
}

/// What runs the tasks of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Executor {
    // Containers.
    #[default]
    Docker,
    // The command itself, without a container.
    Process,
    // Sleeps for as long as the task says.
    Emulated,
}

/// `cloudai worker`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The master's gRPC address [default: localhost:50051]
    #[arg(long, visible_alias = "master", value_name = "ADDR")]
    pub(crate) master_addr: Option<String>,
    /// The name of this worker, unique in the cluster [default: this machine's]
    #[arg(long, value_name = "ID")]
    pub(crate) worker_id: Option<String>,
    /// Where the master reaches this worker [default: the address towards the master; 127.0.0.1 if that is on this machine]
    #[arg(long, value_name = "HOST")]
    pub(crate) worker_ip: Option<String>,
    /// Where gRPC listens [default: :50052]
    #[arg(long, value_name = "ADDR")]
    pub(crate) worker_port: Option<String>,
    /// What runs tasks: docker, process (no container) or emulated (sleeps) [default: docker]
    #[arg(long, value_name = "NAME", help_heading = "Tasks")]
    pub(crate) executor: Option<String>,
    /// How long the whole log of an ended task is kept [default: 168h]
    #[arg(long, value_name = "DURATION", help_heading = "Tasks")]
    pub(crate) log_retention: Option<String>,
    /// Cores to offer [default: all]
    #[arg(long, value_name = "N", value_parser = super::live::amount, help_heading = "Capacity")]
    pub(crate) cpu: Option<f64>,
    /// Memory to offer [default: all]
    #[arg(long, value_name = "GB", value_parser = super::live::amount, help_heading = "Capacity")]
    pub(crate) memory: Option<f64>,
    /// Storage to offer [default: the size of the file system that holds the data folder]
    #[arg(long, value_name = "GB", value_parser = super::live::amount, help_heading = "Capacity")]
    pub(crate) storage: Option<f64>,
    /// GPU devices to offer [default: all]
    #[arg(long, value_name = "N", help_heading = "Capacity")]
    pub(crate) gpu: Option<u32>,
    /// Their model [default: as they say]
    #[arg(long, value_name = "MODEL", help_heading = "Capacity")]
    pub(crate) gpu_model: Option<String>,
    /// A label that tasks may ask for; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::live::pair, help_heading = "Capacity")]
    pub(crate) label: Vec<(String, String)>,
}
