//! `cloudai status`, `cloudai results` and `cloudai strategy`.

use anyhow::Result;
use cloudai_proto::v1;

use super::connected;
use super::output::{self, Style, json};
use super::task::task_status;
use crate::cli::live::{Common, ResultsArgs};
use crate::commands::print;

pub(super) async fn status(common: Common) -> Result<()> {
    let client = connected(&common).await?;
    let status = client.status().await?;
    let address = client.address().to_string();
    print(&if common.json {
        json::status(&status)?
    } else {
        output::cluster::status(&status, &address, Style::of_stdout())
    })
}

pub(super) async fn results(args: ResultsArgs) -> Result<()> {
    let request = v1::ListResultsRequest {
        status: args.status.map(|status| task_status(&status)).transpose()?.unwrap_or_default(),
        worker_id: args.worker.unwrap_or_default(),
        limit: args.limit,
    };
    let results = connected(&args.common).await?.results(request).await?;
    print(&if args.common.json {
        json::results(&results)?
    } else {
        output::cluster::results(&results, Style::of_stdout())
    })
}

pub(super) async fn strategy(spec: Option<&str>, common: Common) -> Result<()> {
    let strategy = connected(&common).await?.strategy(spec).await?;
    print(&if common.json {
        json::strategy(&strategy)?
    } else {
        output::cluster::strategy(&strategy, Style::of_stdout())
    })
}
