//! `monitor`: states and output of a task, as they happen.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use cloudai_proto::v1;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::client::Client;
use super::super::output::tasks::{change, has_started, is_over};
use super::super::output::{Paint, Style};
use super::terminal::Keys;

/// How long the rest of the output may take to come after the task has ended.
const REST: Duration = Duration::from_secs(5);

/// Prints what happens until the task has ended or a key is pressed.
pub(super) async fn monitor(client: &Client, id: &str, style: Style) -> Result<()> {
    let mut stream = client.watch(id).await?;
    let mut keys = Keys::listen();
    let mut screen = Screen { at_start: true };
    if keys.is_some() {
        screen.line(&style.paint("any key leaves; the task goes on", Some(Paint::Dim)))?;
    }
    let (send, mut chunks) = mpsc::channel(64);
    // They end with this function, however it is left.
    let mut copies = JoinSet::new();
    let mut logged = 0;
    let mut last = String::new();
    loop {
        tokio::select! {
            biased;
            () = pressed(&mut keys) => {
                screen.line(&style.paint("left", Some(Paint::Dim)))?;
                return Ok(());
            }
            Some(chunk) = chunks.recv() => screen.chunk(&chunk)?,
            task = stream.message() => {
                let Some(task) = task.map_err(|status| client.error(&status))? else {
                    screen.line("the master ended the watch")?;
                    return Ok(());
                };
                // An attempt that runs, or has, may write; one that is to start has no log yet.
                if task.status != "pending" && has_started(&task) && task.attempt > logged {
                    logged = task.attempt;
                    copies.spawn(copy(client.clone(), id.to_owned(), task.attempt, send.clone()));
                }
                let over = is_over(&task);
                if over {
                    rest(&mut copies, &mut chunks, &mut keys, &mut screen).await?;
                }
                let now = change(&task, style);
                if now != last {
                    screen.line(&now)?;
                    last = now;
                }
                if over {
                    return Ok(());
                }
            }
        }
    }
}

async fn pressed(keys: &mut Option<Keys>) {
    match keys {
        Some(keys) => keys.pressed().await,
        None => std::future::pending().await,
    }
}

/// Copies the log of an attempt. One that cannot be read says so in the log's place.
async fn copy(client: Client, id: String, attempt: u32, to: mpsc::Sender<v1::LogChunk>) {
    let problem = |error: anyhow::Error| v1::LogChunk {
        data: format!("(no more output: {})\n", crate::failure::message(&error)).into_bytes(),
        stream: "note".to_owned(),
    };
    let mut stream = match client.logs(&id, attempt, true).await {
        Ok(stream) => stream,
        Err(error) => return drop(to.send(problem(error)).await),
    };
    loop {
        let sent = match stream.message().await {
            Ok(Some(chunk)) => to.send(chunk).await,
            Ok(None) => return,
            Err(status) => return drop(to.send(problem(client.error(&status))).await),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Prints what is still to come of the output, for a while.
async fn rest(
    copies: &mut JoinSet<()>,
    chunks: &mut mpsc::Receiver<v1::LogChunk>,
    keys: &mut Option<Keys>,
    screen: &mut Screen,
) -> Result<()> {
    let end = tokio::time::Instant::now() + REST;
    loop {
        tokio::select! {
            biased;
            () = pressed(keys) => break,
            Some(chunk) = chunks.recv() => screen.chunk(&chunk)?,
            copied = copies.join_next() => if copied.is_none() { break },
            () = tokio::time::sleep_until(end) => break,
        }
    }
    while let Ok(chunk) = chunks.try_recv() {
        screen.chunk(&chunk)?;
    }
    Ok(())
}

/// Stdout, where a note begins on a line of its own.
struct Screen {
    at_start: bool,
}

impl Screen {
    fn chunk(&mut self, chunk: &v1::LogChunk) -> Result<()> {
        let Some(&last) = chunk.data.last() else { return Ok(()) };
        let mut out = std::io::stdout().lock();
        out.write_all(&chunk.data).and_then(|()| out.flush()).context("cannot write to stdout")?;
        self.at_start = last == b'\n';
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<()> {
        let start = if self.at_start { "" } else { "\n" };
        self.at_start = true;
        crate::commands::print(&format!("{start}{text}\n"))
    }
}
