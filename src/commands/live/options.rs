//! What `cloudai master` and `cloudai worker` are told, as plain values.

use std::fmt;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum as _;

use super::settings::Settings;
use super::values::{self, Address, LogLevel};
use crate::cli::cluster::{CommonArgs, Executor, MasterArgs, WorkerArgs};
use crate::failure::Usage;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Certificates of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificate chain of this side.
    pub(crate) cert_file: PathBuf,
    /// Its private key.
    pub(crate) key_file: PathBuf,
    /// What the other side's certificate is checked against.
    pub(crate) ca_file: PathBuf,
}

/// What both roles are told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommonOptions {
    pub(crate) log_level: LogLevel,
    pub(crate) data_dir: PathBuf,
    pub(crate) tls: Option<Tls>,
    pub(crate) token: Option<Secret>,
    pub(crate) insecure: bool,
}

impl CommonOptions {
    fn resolve(args: &CommonArgs, settings: &Settings) -> Result<Self> {
        Ok(Self {
            log_level: settings.get_or(
                "LOG_LEVEL",
                args.log_level.as_deref(),
                values::log_level,
                LogLevel::Info,
            )?,
            data_dir: settings
                .get_or("DATA_DIR", args.data_dir.as_deref(), values::text, "./cloudai-data".to_owned())?
                .into(),
            tls: tls(args, settings)?,
            token: settings.get("CLOUDAI_TOKEN", args.token.as_deref(), values::text)?.map(Secret),
            insecure: args.insecure,
        })
    }

    /// Refuses to listen where others can connect without TLS or without a token, unless told to.
    fn check_listener(&self, name: &str, address: &Address) -> Result<(), Usage> {
        if address.is_loopback() || self.insecure || (self.tls.is_some() && self.token.is_some()) {
            return Ok(());
        }
        let missing = match (&self.tls, &self.token) {
            (None, None) => "TLS_CERT_FILE and TLS_KEY_FILE, and CLOUDAI_TOKEN,",
            (None, Some(_)) => "TLS_CERT_FILE and TLS_KEY_FILE",
            (Some(_), _) => "CLOUDAI_TOKEN",
        };
        Err(Usage(format!(
            "{name}: {address} is open to other machines: expected {missing} to be set too, or --insecure, or an address of \
             this machine only, as in :{}",
            address.port
        )))
    }
}

fn tls(args: &CommonArgs, settings: &Settings) -> Result<Option<Tls>> {
    let file = |name, flag: &Option<String>| settings.get(name, flag.as_deref(), values::text);
    let cert = file("TLS_CERT_FILE", &args.tls_cert_file)?;
    let key = file("TLS_KEY_FILE", &args.tls_key_file)?;
    let ca = file("TLS_CA_FILE", &args.tls_ca_file)?;
    let enabled = settings.get("TLS_ENABLED", args.tls_enabled.as_deref(), values::switch)?;
    match (enabled, cert, key) {
        (Some(false), ..) | (None, None, None) => Ok(None),
        (_, Some(cert), Some(key)) => Ok(Some(Tls {
            ca_file: ca.unwrap_or_else(|| cert.clone()).into(),
            cert_file: cert.into(),
            key_file: key.into(),
        })),
        (_, cert, _) => {
            let missing = if cert.is_none() { "TLS_CERT_FILE" } else { "TLS_KEY_FILE" };
            Err(Usage(format!("TLS is wanted, and {missing} is not set: expected a PEM file")).into())
        }
    }
}

/// What a master is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MasterOptions {
    pub(crate) common: CommonOptions,
    pub(crate) grpc: Address,
    pub(crate) http: Address,
    pub(crate) http_read_timeout: Duration,
    pub(crate) http_write_timeout: Duration,
    pub(crate) http_idle_timeout: Duration,
    /// A spec; whether it names a strategy is for the registry to say.
    pub(crate) scheduler_strategy: String,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) inactive_after: Duration,
    pub(crate) lease: Duration,
    /// Cores.
    pub(crate) max_cpu_cores: f64,
    /// GB of 1024 MiB.
    pub(crate) max_memory_gb: f64,
    /// GB of 1024 MiB.
    pub(crate) max_storage_gb: f64,
    /// Devices.
    pub(crate) max_gpu_cores: f64,
    pub(crate) max_batch: u32,
    pub(crate) max_alive_tasks: u32,
    /// SQLite if there is none.
    pub(crate) mongo_uri: Option<Secret>,
    pub(crate) db_name: String,
    pub(crate) pool_size: u32,
    pub(crate) heartbeat_buffer: u32,
    /// Whether a console opens where stdin and stdout are a terminal.
    pub(crate) console: bool,
}

impl MasterOptions {
    /// Flags, environment and `.env` made one.
    pub(crate) fn resolve(args: &MasterArgs, settings: &Settings) -> Result<Self> {
        let duration = |name, flag: &Option<String>, default: u64| {
            settings.get_or(name, flag.as_deref(), values::duration, Duration::from_secs(default))
        };
        let local = |port| Address { host: "127.0.0.1".to_owned(), port };
        let options = Self {
            common: CommonOptions::resolve(&args.common, settings)?,
            grpc: settings.get_or("GRPC_PORT", args.grpc_port.as_deref(), values::listen, local(50_051))?,
            http: settings.get_or("HTTP_PORT", args.http_port.as_deref(), values::listen, local(8080))?,
            http_read_timeout: duration("HTTP_READ_TIMEOUT", &args.http_read_timeout, 15)?,
            http_write_timeout: duration("HTTP_WRITE_TIMEOUT", &args.http_write_timeout, 15)?,
            http_idle_timeout: duration("HTTP_IDLE_TIMEOUT", &args.http_idle_timeout, 60)?,
            scheduler_strategy: settings.get_or(
                "SCHEDULER_STRATEGY",
                args.scheduler_strategy.as_deref(),
                values::text,
                "ai".to_owned(),
            )?,
            heartbeat_interval: duration("HEARTBEAT_INTERVAL", &args.heartbeat_interval, 5)?,
            inactive_after: duration("INACTIVE_AFTER", &args.inactive_after, 30)?,
            lease: duration("LEASE", &args.lease, 300)?,
            max_cpu_cores: settings.get_or(
                "MAX_CPU_CORES",
                args.max_cpu_cores.as_deref(),
                values::amount,
                64.0,
            )?,
            max_memory_gb: settings.get_or(
                "MAX_MEMORY_GB",
                args.max_memory_gb.as_deref(),
                values::amount,
                512.0,
            )?,
            max_storage_gb: settings.get_or(
                "MAX_STORAGE_GB",
                args.max_storage_gb.as_deref(),
                values::amount,
                65_536.0,
            )?,
            max_gpu_cores: settings.get_or(
                "MAX_GPU_CORES",
                args.max_gpu_cores.as_deref(),
                values::amount,
                64.0,
            )?,
            max_batch: settings.get_or("MAX_BATCH", args.max_batch.as_deref(), values::count, 1000)?,
            max_alive_tasks: settings.get_or(
                "MAX_ALIVE_TASKS",
                args.max_alive_tasks.as_deref(),
                values::count,
                1_000_000,
            )?,
            mongo_uri: settings.get("MONGO_URI", args.mongo_uri.as_deref(), mongo_uri)?.map(Secret),
            db_name: settings.get_or(
                "DB_NAME",
                args.db_name.as_deref(),
                values::text,
                "cluster_db".to_owned(),
            )?,
            pool_size: settings.get_or("POOL_SIZE", args.pool_size.as_deref(), values::count, 100)?,
            heartbeat_buffer: settings.get_or(
                "HEARTBEAT_BUFFER",
                args.heartbeat_buffer.as_deref(),
                values::count,
                100,
            )?,
            console: !args.no_console,
        };
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<(), Usage> {
        self.common.check_listener("GRPC_PORT", &self.grpc)?;
        self.common.check_listener("HTTP_PORT", &self.http)?;
        if self.grpc == self.http && self.grpc.port != 0 {
            return Err(Usage(format!("GRPC_PORT and HTTP_PORT are both {}: expected two", self.grpc)));
        }
        if self.inactive_after <= self.heartbeat_interval {
            return Err(Usage(format!(
                "INACTIVE_AFTER is {:?}: expected more than HEARTBEAT_INTERVAL, which is {:?}",
                self.inactive_after, self.heartbeat_interval
            )));
        }
        if self.lease <= self.heartbeat_interval {
            return Err(Usage(format!(
                "LEASE is {:?}: expected more than HEARTBEAT_INTERVAL, which is {:?}",
                self.lease, self.heartbeat_interval
            )));
        }
        Ok(())
    }
}

fn mongo_uri(text: &str) -> Result<String, &'static str> {
    if !cfg!(feature = "mongo") {
        return Err("this build has no MongoDB: expected one with the feature `mongo`");
    }
    let text = text.trim();
    let known = text.starts_with("mongodb://") || text.starts_with("mongodb+srv://");
    if known { Ok(text.to_owned()) } else { Err("expected mongodb://HOST[:PORT] or mongodb+srv://HOST") }
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerOptions {
    pub(crate) common: CommonOptions,
    pub(crate) master: Address,
    pub(crate) worker_id: String,
    /// None: the address towards the master, see [`Self::advertised`].
    pub(crate) worker_ip: Option<String>,
    pub(crate) listen: Address,
    pub(crate) executor: Executor,
    pub(crate) log_retention: Duration,
    /// Cores; none: all.
    pub(crate) cpu: Option<f64>,
    /// GB; none: all.
    pub(crate) memory: Option<f64>,
    /// GB; none: what is free in the data folder.
    pub(crate) storage: Option<f64>,
    /// Devices; none: all.
    pub(crate) gpu: Option<u32>,
    pub(crate) gpu_model: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
}

impl WorkerOptions {
    /// Flags, environment and `.env` made one.
    pub(crate) fn resolve(args: &WorkerArgs, settings: &Settings) -> Result<Self> {
        let local = |host: &str, port| Address { host: host.to_owned(), port };
        let master = settings.get_or(
            "MASTER_ADDR",
            args.master_addr.as_deref(),
            |text| values::reach(text, 50_051),
            local("localhost", 50_051),
        )?;
        let worker_ip = settings.get(
            "WORKER_IP",
            args.worker_ip.as_deref().filter(|ip| !ip.eq_ignore_ascii_case("auto")),
            |text| {
                if text.trim().eq_ignore_ascii_case("auto") { Ok(None) } else { values::host(text).map(Some) }
            },
        )?;
        let near = master.is_loopback().then(|| "127.0.0.1".to_owned());
        let worker_id = settings.get("WORKER_ID", args.worker_id.as_deref(), values::text)?;
        let options = Self {
            common: CommonOptions::resolve(&args.common, settings)?,
            master,
            worker_id: worker_id.map_or_else(host_name, Ok)?,
            worker_ip: worker_ip.flatten().or(near),
            listen: settings.get_or(
                "WORKER_PORT",
                args.worker_port.as_deref(),
                values::listen,
                local("127.0.0.1", 50_052),
            )?,
            executor: settings.get_or("EXECUTOR", args.executor.as_deref(), executor, Executor::Docker)?,
            log_retention: settings.get_or(
                "LOG_RETENTION",
                args.log_retention.as_deref(),
                values::duration,
                Duration::from_secs(168 * 3600),
            )?,
            cpu: args.cpu,
            memory: args.memory,
            storage: args.storage,
            gpu: args.gpu,
            gpu_model: args.gpu_model.clone(),
            labels: args.label.clone(),
        };
        cloudai_runtime::master::submission::check_name("WORKER_ID", &options.worker_id)
            .map_err(|refused| Usage(refused.to_string()))?;
        options.common.check_listener("WORKER_PORT", &options.listen)?;
        options.check_reachable()?;
        Ok(options)
    }

    /// A worker that listens on this machine only is of no use to a master on another.
    fn check_reachable(&self) -> Result<(), Usage> {
        let advertised =
            self.worker_ip.as_ref().map(|host| Address { host: host.clone(), port: self.listen.port });
        let far = advertised.is_none_or(|address| !address.is_loopback());
        if far && self.listen.is_loopback() {
            return Err(Usage(format!(
                "WORKER_PORT: {} is reached from this machine only, and the master is at {}: expected HOST:PORT, as in \
                 0.0.0.0:{}",
                self.listen, self.master, self.listen.port
            )));
        }
        Ok(())
    }

    /// Where the master is told to reach this worker: WORKER_IP, or the address from which this machine would reach the master.
    pub(crate) fn advertised(&self) -> Result<String> {
        if let Some(ip) = &self.worker_ip {
            return Ok(ip.clone());
        }
        // Connecting a UDP socket sends nothing; it makes the system choose the address.
        let towards = || {
            let any = if self.master.host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect((self.master.host.as_str(), self.master.port))?;
            socket.local_addr()
        };
        let address = towards().with_context(|| {
            format!("cannot tell this machine's address towards {}: set WORKER_IP", self.master)
        })?;
        Ok(address.ip().to_string())
    }
}

fn executor(text: &str) -> Result<Executor, &'static str> {
    Executor::from_str(text.trim(), true).map_err(|_| "expected docker, process or emulated")
}

fn host_name() -> Result<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        return Err(Usage("this machine has no name: expected WORKER_ID to be set".to_owned()).into());
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
