//! `cloudai console`: the cluster, interactively.
//!
//! - [`mod@command`]: what a line means; [`catalogue`]: the commands, and `help`; [`completion`]: what tab offers. Pure.
//! - [`input`]: lines from an editor or a pipe; [`terminal`]: modes and keys; [`monitor`]: a task as it runs

mod catalogue;
mod command;
mod completion;
mod input;
mod monitor;
mod terminal;

use std::collections::VecDeque;
use std::io::IsTerminal as _;

use anyhow::{Result, bail};
use cloudai_proto::v1;
use tokio::signal::unix::{SignalKind, signal};

use super::client::Client;
use super::output::{Style, cluster, tasks};
use super::{Interrupted, client_of, logs};
use crate::cli::live::Connection;
use crate::commands::print;
use crate::failure::{is_broken_pipe, message, tell};
use command::{Command, parse};
use input::{Input, Read};
use terminal::Restore;

/// How many tasks and results are shown.
const SHOWN: u32 = 50;

/// `cloudai console`.
pub(super) async fn command(connection: &Connection) -> Result<()> {
    run(client_of(connection).await?).await
}

/// Reads and runs commands until somebody leaves. On a terminal a command that fails is told, and that is all; of a pipe the
/// answer is then an error at the end. The terminal is left as it was found on every way out.
pub(crate) async fn run(client: Client) -> Result<()> {
    let _restore = Restore::later();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        result = converse(&client) => result,
        _ = terminate.recv() => Err(Interrupted.into()),
        _ = hang_up.recv() => Err(Interrupted.into()),
    }
}

async fn converse(client: &Client) -> Result<()> {
    let (input, interactive) = Input::open(client, Style::of_stdout().color)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    if interactive {
        print(&format!(
            "CloudAI {}, master at {}. `help` lists the commands, ctrl-d leaves.\n",
            env!("CARGO_PKG_VERSION"),
            client.address()
        ))?;
    }
    let (mut commands, mut failed) = (0, 0);
    // What is pasted may be several lines.
    let mut lines = VecDeque::new();
    loop {
        let Some(line) = lines.pop_front() else {
            let read = tokio::select! {
                read = input.read() => read?,
                // The editor takes ctrl-c as a key; this is a signal from elsewhere, or to a script.
                _ = interrupt.recv() => return Err(Interrupted.into()),
            };
            match read {
                Read::Line(text) => lines.extend(text.lines().map(str::to_owned)),
                Read::Cleared => {}
                Read::End => break,
            }
            continue;
        };
        let command = match parse(&line) {
            Ok(Some(Command::Exit)) => break,
            Ok(Some(command)) => command,
            Ok(None) => continue,
            Err(wrong) => {
                commands += 1;
                failed += 1;
                complain(&wrong);
                continue;
            }
        };
        commands += 1;
        let result = tokio::select! {
            result = execute(client, command) => result,
            _ = interrupt.recv() => {
                if !interactive {
                    return Err(Interrupted.into());
                }
                lines.clear();
                Err(Interrupted.into())
            }
        };
        if let Err(error) = result {
            if is_broken_pipe(&error) {
                return Err(error);
            }
            failed += 1;
            complain(&message(&error));
        }
    }
    if failed > 0 && !interactive {
        bail!("{failed} of {commands} commands failed");
    }
    Ok(())
}

fn complain(text: &str) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stderr().is_terminal() && !no_color {
        tell(format_args!("\x1b[31merror:\x1b[0m {text}"));
    } else {
        tell(format_args!("error: {text}"));
    }
}

async fn execute(client: &Client, command: Command) -> Result<()> {
    let style = Style::of_stdout();
    match command {
        Command::Help(of) => print(&catalogue::help(of, style)),
        Command::Status => {
            let status = client.status().await?;
            print(&cluster::status(&status, &client.address().to_string(), style))
        }
        Command::Workers => print(&cluster::workers(&client.workers().await?, style)),
        Command::Register { worker_id, address } => {
            print(&cluster::worker(&client.register(&worker_id, &address).await?, style))
        }
        Command::Task(task) => {
            let mut task = *task;
            if task.user_id.is_empty() {
                task.user_id = std::env::var("USER").unwrap_or_default();
            }
            for task in client.submit(vec![task]).await? {
                print(&format!("{}\n", tasks::change(&task, style)))?;
            }
            Ok(())
        }
        Command::Monitor(id) => monitor::monitor(client, &id, style).await,
        Command::Cancel(ids) => cancel(client, &ids, style).await,
        Command::Tasks(status) => {
            let status = status.unwrap_or_default();
            let request = v1::ListTasksRequest { status, limit: SHOWN, ..Default::default() };
            print(&tasks::list(&client.tasks(request).await?, style))
        }
        Command::Results => {
            let request = v1::ListResultsRequest { limit: SHOWN, ..Default::default() };
            print(&cluster::results(&client.results(request).await?, style))
        }
        Command::Logs(id) => logs::print(client, &id, 0).await,
        Command::Why(id) => print(&tasks::why(&client.why(&id).await?, style)),
        Command::Strategy(spec) => print(&cluster::strategy(&client.strategy(spec.as_deref()).await?, style)),
        Command::Drain { worker_id, undo } => {
            print(&cluster::worker(&client.drain(&worker_id, undo).await?, style))
        }
        Command::Forget(id) => print(&cluster::worker(&client.forget(&id).await?, style)),
        Command::Exit => Ok(()),
    }
}

/// Cancels all that can be; the last that cannot is the answer, the others are told.
async fn cancel(client: &Client, ids: &[String], style: Style) -> Result<()> {
    let mut failed: Option<anyhow::Error> = None;
    for id in ids {
        match client.cancel(id).await {
            Ok(task) => print(&format!("{}\n", tasks::change(&task, style)))?,
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    complain(&message(&earlier));
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
