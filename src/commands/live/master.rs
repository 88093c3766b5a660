//! `cloudai master`.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context, Result, anyhow};
use cloudai_runtime::master::{self, MasterSettings};
use cloudai_runtime::security::Security;
use cloudai_runtime::store::{self, StoreSettings};
use cloudai_schedulers::{Duration, Registry, StrategySpec};

use super::client::Client;
use super::options::{CommonOptions, MasterOptions};
use super::settings::Settings;
use super::values::Address;
use super::{console, logging};
use crate::cli::cluster::MasterArgs;
use crate::failure::{Usage, tell};

pub(super) async fn run(args: &MasterArgs, registry: Registry) -> Result<()> {
    let options = MasterOptions::resolve(args, &Settings::load()?)?;
    // A strategy that is none is found before anything has started.
    let spec: StrategySpec = options.scheduler_strategy.parse()?;
    registry.build(&spec).map_err(|error| Usage(format!("SCHEDULER_STRATEGY: {error}")))?;
    let interactive = options.console && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let (level, log) = (options.common.log_level, options.common.data_dir.join("master.log"));
    if interactive {
        logging::start_in(&log, level)?;
        tell(format_args!("log: {}", log.display()));
    } else {
        logging::start(level);
    }
    start(options, spec, registry, interactive).await
}

/// Runs a master until a signal asks it to end, or somebody leaves its console.
async fn start(
    options: MasterOptions,
    spec: StrategySpec,
    registry: Registry,
    interactive: bool,
) -> Result<()> {
    let store = store::open(&store_settings(&options)).await?;
    let store_name = store.name();
    let running = master::start(master_settings(&options, spec)?, registry, store).await?;
    tell(format_args!(
        "master {}: gRPC on {}, HTTP and WebSocket on {}, records in {store_name}",
        env!("CARGO_PKG_VERSION"),
        running.grpc,
        running.http,
    ));
    let work = async {
        if interactive {
            console::run(Client::local(running.grpc, &options.common).await?).await
        } else {
            std::future::pending().await
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = super::asked_to_end() => Ok(()),
        () = running.taken_over() => Err(anyhow!("another master has taken {store_name} over")),
    };
    running.stop().await;
    result
}

fn store_settings(options: &MasterOptions) -> StoreSettings {
    let mut settings = StoreSettings::default();
    settings.mongo_uri = options.mongo_uri.as_ref().map(|secret| secret.0.clone());
    settings.db_name.clone_from(&options.db_name);
    settings.pool_size = options.pool_size;
    settings.data_dir.clone_from(&options.common.data_dir);
    settings
}

fn master_settings(options: &MasterOptions, spec: StrategySpec) -> Result<MasterSettings> {
    let mut settings = MasterSettings::default();
    settings.grpc = resolve(&options.grpc)?;
    settings.http = resolve(&options.http)?;
    settings.strategy = spec;
    settings.core.lease = length(options.lease);
    settings.core.inactive_after = length(options.inactive_after);
    settings.core.heartbeat_interval = length(options.heartbeat_interval);
    settings.core.limits.cpu_cores = options.max_cpu_cores;
    settings.core.limits.memory_gb = options.max_memory_gb;
    settings.core.limits.storage_gb = options.max_storage_gb;
    settings.core.limits.gpu_cores = options.max_gpu_cores;
    settings.core.limits.batch = options.max_batch as usize;
    settings.core.limits.alive = options.max_alive_tasks as usize;
    settings.heartbeat_buffer = options.heartbeat_buffer as usize;
    settings.timeouts.read_timeout = options.http_read_timeout;
    settings.timeouts.write_timeout = options.http_write_timeout;
    settings.timeouts.idle_timeout = options.http_idle_timeout;
    settings.security = security(&options.common);
    Ok(settings)
}

fn length(length: std::time::Duration) -> Duration {
    Duration::from_micros(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
}

/// Tokens and certificates of one side.
pub(super) fn security(common: &CommonOptions) -> Security {
    let mut security = Security::default();
    security.token = common.token.as_ref().map(|token| token.0.clone());
    security.tls = common.tls.as_ref().map(|tls| (tls.cert_file.clone(), tls.key_file.clone()));
    security.tls_ca = common.tls.as_ref().map(|tls| tls.ca_file.clone());
    security.insecure = common.insecure;
    security
}

/// An address to listen on.
pub(super) fn resolve(address: &Address) -> Result<SocketAddr> {
    let mut found = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {address}"))?;
    found.next().with_context(|| format!("{address}: expected an address of this machine"))
}
