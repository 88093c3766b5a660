//! `cloudai worker`.

use anyhow::{Result, bail};

use super::logging;
use super::options::WorkerOptions;
use super::settings::Settings;
use crate::cli::cluster::WorkerArgs;

pub(super) async fn run(args: &WorkerArgs) -> Result<()> {
    let options = WorkerOptions::resolve(args, &Settings::load()?)?;
    let advertised = options.advertised()?;
    logging::start(options.common.log_level);
    start(options, advertised).await
}

/// JOIN: the one place where `cloudai_runtime::worker::start` is called. It runs until a signal asks it to end.
#[expect(clippy::unused_async, reason = "it waits for the worker once joined")]
async fn start(options: WorkerOptions, advertised: String) -> Result<()> {
    drop((options, advertised));
    bail!("not joined yet: this build has no worker")
}
