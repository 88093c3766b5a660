//! What a task has written, or writes.

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use cloudai_proto::v1;

use super::client::Client;
use super::output::json;
use super::output::tasks::{has_started, is_over};

/// Copies the log of a task: its stdout to `out`, its stderr to `err`.
pub(super) async fn copy(
    client: &Client,
    id: &str,
    attempt: u32,
    follow: bool,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> Result<()> {
    let mut stream = client.logs(id, attempt, follow).await?;
    while let Some(chunk) = stream.message().await.map_err(|status| client.error(&status))? {
        let to: &mut (dyn Write + Send) = if chunk.stream == "stderr" { err } else { out };
        to.write_all(&chunk.data).and_then(|()| to.flush()).context("cannot write the log")?;
    }
    Ok(())
}

/// Copies it to our own stdout and stderr.
pub(super) async fn print(client: &Client, id: &str, attempt: u32) -> Result<()> {
    copy(client, id, attempt, false, &mut io::stdout(), &mut io::stderr()).await
}

/// Copies the logs of all attempts from now on, the current one from its beginning, until the task has ended.
pub(super) async fn follow(client: &Client, id: &str) -> Result<()> {
    let mut shown = 0;
    loop {
        let task = next_attempt(client, id, shown).await?;
        if task.attempt > shown && has_started(&task) {
            copy(client, id, task.attempt, true, &mut io::stdout(), &mut io::stderr()).await?;
        }
        if is_over(&task) {
            return Ok(());
        }
        shown = task.attempt;
    }
}

/// The task once an attempt beyond `shown` runs or has run, or once it has ended.
async fn next_attempt(client: &Client, id: &str, shown: u32) -> Result<v1::TaskRecord> {
    let mut stream = client.watch(id).await?;
    while let Some(task) = stream.message().await.map_err(|status| client.error(&status))? {
        if is_over(&task) || (task.attempt > shown && task.status != "pending") {
            return Ok(task);
        }
    }
    // The stream ends with the task, or with the master.
    let task = client.task(id).await?;
    if is_over(&task) { Ok(task) } else { bail!("the master ended the watch of {id}") }
}

/// The log as a document.
pub(super) async fn document(client: &Client, id: &str, attempt: u32) -> Result<String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    copy(client, id, attempt, false, &mut out, &mut err).await?;
    json::logs(id, &out, &err)
}
