//! `cloudai master`.

use anyhow::{Result, bail};
use cloudai_schedulers::{Registry, StrategySpec};

use super::logging;
use super::options::MasterOptions;
use super::settings::Settings;
use crate::cli::cluster::MasterArgs;
use crate::failure::Usage;

pub(super) async fn run(args: &MasterArgs, registry: Registry) -> Result<()> {
    let options = MasterOptions::resolve(args, &Settings::load()?)?;
    // A strategy that is none is found before anything has started.
    let spec: StrategySpec = options.scheduler_strategy.parse()?;
    registry.build(&spec).map_err(|error| Usage(format!("SCHEDULER_STRATEGY: {error}")))?;
    logging::start(options.common.log_level);
    start(options, registry).await
}

/// JOIN: the one place where `cloudai_runtime::master::start` is called. It runs until a signal asks it to end; where
/// `options.console` is set and stdin and stdout are a terminal it runs `super::console::run` over a client of its own.
#[expect(clippy::unused_async, reason = "it waits for the master once joined")]
async fn start(options: MasterOptions, registry: Registry) -> Result<()> {
    drop((options, registry));
    bail!("not joined yet: this build has no master")
}
