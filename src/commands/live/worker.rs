//! `cloudai worker`.

use anyhow::Result;
use cloudai_runtime::worker::{self, ExecutorKind, WorkerSettings};

use super::logging;
use super::master::resolve;
use super::options::WorkerOptions;
use super::settings::Settings;
use crate::cli::cluster::{Executor, WorkerArgs};
use crate::failure::tell;

pub(super) async fn run(args: &WorkerArgs) -> Result<()> {
    let options = WorkerOptions::resolve(args, &Settings::load()?)?;
    let advertised = options.advertised()?;
    logging::start(options.common.log_level);
    start(options, advertised).await
}

/// Runs a worker until a signal asks it to end; what it runs goes on.
async fn start(options: WorkerOptions, advertised: String) -> Result<()> {
    let settings = worker_settings(&options, advertised)?;
    let (worker_id, executor) = (settings.worker_id.clone(), settings.executor);
    let mut running = worker::start(settings).await?;
    tell(format_args!(
        "worker {worker_id}: gRPC on {}, master at {}, executor {}",
        running.address(),
        options.master,
        executor.name(),
    ));
    tokio::select! {
        () = super::asked_to_end() => {}
        // It gave up: what it says is why.
        result = running.ended() => return Ok(result?),
    }
    Ok(running.stop().await?)
}

fn worker_settings(options: &WorkerOptions, advertised: String) -> Result<WorkerSettings> {
    let mut settings = WorkerSettings::default();
    settings.worker_id.clone_from(&options.worker_id);
    settings.worker_ip = Some(advertised);
    settings.listen = resolve(&options.listen)?;
    settings.master = options.master.to_string();
    settings.executor = match options.executor {
        Executor::Docker => ExecutorKind::Docker,
        Executor::Process => ExecutorKind::Process,
        Executor::Emulated => ExecutorKind::Emulated,
    };
    settings.data_dir.clone_from(&options.common.data_dir);
    settings.labels = options.labels.iter().cloned().collect();
    settings.total_cpu = options.cpu;
    settings.total_memory = options.memory;
    settings.total_storage = options.storage;
    settings.total_gpu = options.gpu.map(f64::from);
    settings.gpu_model.clone_from(&options.gpu_model);
    settings.logs_kept = options.log_retention;
    settings.security = super::master::security(&options.common);
    Ok(settings)
}
