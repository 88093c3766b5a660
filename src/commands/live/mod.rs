//! The live cluster: its two roles, and its clients.
//!
//! - [`settings`], [`env_file`], [`values`]: flags, environment and `.env`; [`options`]: what a master and a worker are told
//! - [`master`], [`worker`]: the roles; [`logging`]: what they tell
//! - [`client`]: the master as a client sees it; [`output`]: what clients print
//! - [`task`], [`submission`], [`wait`], [`logs`]: tasks; [`workers`], [`cluster`]: the rest
//! - [`console`]: the same, interactively

mod client;
mod cluster;
mod console;
mod env_file;
mod logging;
mod logs;
mod master;
mod options;
mod output;
pub(crate) mod settings;
mod submission;
mod task;
pub(crate) mod values;
mod wait;
mod worker;
mod workers;

use std::fmt;

use anyhow::{Context, Result};
use cloudai_schedulers::Registry;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::live::{Common, Connection, LiveCommand};
use client::{Client, Target};

pub(crate) use client::RpcError;

/// Somebody pressed ctrl-c, or a signal ended the program.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Does what a worker has started this program for, if it has: `cloudai __supervise FOLDER`, `cloudai __guard FOLDER`.
pub(crate) fn beside_a_worker() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let work = match arguments.next()?.to_str()? {
        "__supervise" => cloudai_runtime::worker::supervise,
        "__guard" => cloudai_runtime::worker::guard,
        _ => return None,
    };
    Some(work(std::path::Path::new(&arguments.next()?)))
}

/// Runs a command.
pub(super) fn run(command: LiveCommand, registry: Registry) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that wait for the network")?;
    let result = runtime.block_on(async {
        match command {
            // The roles end in order when they are told to: their own matter.
            LiveCommand::Master(args) => master::run(&args, registry).await,
            LiveCommand::Worker(args) => worker::run(&args).await,
            LiveCommand::Console(connection) => console::command(&connection).await,
            LiveCommand::Task(command) => interruptible(task::run(command)).await,
            LiveCommand::Workers(args) => interruptible(workers::run(args)).await,
            LiveCommand::Status(common) => interruptible(cluster::status(common)).await,
            LiveCommand::Results(args) => interruptible(cluster::results(args)).await,
            LiveCommand::Strategy { spec, common } => {
                interruptible(cluster::strategy(spec.as_deref(), common)).await
            }
        }
    });
    // A thread may still be in a read of stdin, which nothing ends.
    runtime.shutdown_background();
    result
}

/// The work, or [`Interrupted`] when a signal asks the program to end.
async fn interruptible(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        result = work => result,
        () = asked_to_end() => Err(Interrupted.into()),
    }
}

/// Returns when a signal asks the program to end.
async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Then signals end the program as they always do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// A connection to the master.
async fn connected(common: &Common) -> Result<Client> {
    client_of(&common.connection).await
}

/// A connection to the master that flags, environment or `.env` name.
async fn client_of(connection: &Connection) -> Result<Client> {
    Client::connect(Target::resolve(connection, &settings::Settings::load()?)?).await
}
