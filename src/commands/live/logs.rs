//! What a task has written, or writes.

use std::io::{self, Write};

use anyhow::{Context, Result};

use super::client::Client;
use super::output::json;

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
pub(super) async fn print(client: &Client, id: &str, attempt: u32, follow: bool) -> Result<()> {
    copy(client, id, attempt, follow, &mut io::stdout(), &mut io::stderr()).await
}

/// The log as a document.
pub(super) async fn document(client: &Client, id: &str, attempt: u32) -> Result<String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    copy(client, id, attempt, false, &mut out, &mut err).await?;
    json::logs(id, &out, &err)
}
