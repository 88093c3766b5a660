//! `cloudai workers`.

use anyhow::Result;
use cloudai_proto::v1;

use super::output::{Style, cluster, json};
use super::{connected, values};
use crate::cli::live::{Common, WorkersArgs, WorkersCommand};
use crate::commands::print;
use crate::failure::Usage;

pub(super) async fn run(args: WorkersArgs) -> Result<()> {
    match args.command {
        None => list(&args.common).await,
        Some(WorkersCommand::List { common }) => list(&common).await,
        Some(WorkersCommand::Register { id, address, common }) => {
            let address = values::reach(&address, 50_052)
                .map_err(|expected| Usage(format!("\"{}\": {expected}", address.escape_debug())))?;
            let worker = connected(&common).await?.register(&id, &address.to_string()).await?;
            say(&worker, &common)
        }
        Some(WorkersCommand::Drain { id, undo, common }) => {
            let worker = connected(&common).await?.drain(&id, undo).await?;
            say(&worker, &common)
        }
        Some(WorkersCommand::Forget { id, common }) => {
            let worker = connected(&common).await?.forget(&id).await?;
            say(&worker, &common)
        }
    }
}

async fn list(common: &Common) -> Result<()> {
    let workers = connected(common).await?.workers().await?;
    print(&if common.json {
        json::workers(&workers)?
    } else {
        cluster::workers(&workers, Style::of_stdout())
    })
}

fn say(worker: &v1::WorkerRecord, common: &Common) -> Result<()> {
    print(&if common.json { json::worker(worker)? } else { cluster::worker(worker, Style::of_stdout()) })
}
