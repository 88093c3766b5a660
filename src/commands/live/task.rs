//! `cloudai task`.

use std::fmt;
use std::io;
use std::time::Duration;

use anyhow::{Result, anyhow};
use cloudai_proto::v1;

use super::client::{Client, RpcError};
use super::output::{Style, json, tasks};
use super::{connected, logs, submission, wait};
use crate::cli::live::{ListArgs, SeveralTasks, SubmitArgs, TaskCommand};
use crate::commands::print;
use crate::failure::{Usage, message, tell};

/// Tasks that did not complete.
#[derive(Debug)]
struct NotCompleted {
    count: usize,
    of: usize,
}

impl fmt::Display for NotCompleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.of) {
            (1, 1) => f.write_str("the task did not complete"),
            (count, of) => write!(f, "{count} of {of} tasks did not complete"),
        }
    }
}

impl std::error::Error for NotCompleted {}

pub(super) async fn run(command: TaskCommand) -> Result<()> {
    match command {
        TaskCommand::Submit(args) => submit(&args).await,
        TaskCommand::List(args) => list(args).await,
        TaskCommand::Show(one) => {
            let task = connected(&one.common).await?.task(&one.id).await?;
            let style = Style::of_stdout();
            print(&if one.common.json { json::task(&task)? } else { tasks::details(&task, style) })
        }
        TaskCommand::Logs { follow, attempt, task } => {
            let client = connected(&task.common).await?;
            let attempt = attempt.unwrap_or_default();
            if task.common.json {
                return print(&logs::document(&client, &task.id, attempt).await?);
            }
            match (follow, attempt) {
                (true, 0) => logs::follow(&client, &task.id).await,
                (true, attempt) => {
                    logs::copy(&client, &task.id, attempt, true, &mut io::stdout(), &mut io::stderr()).await
                }
                (false, attempt) => logs::print(&client, &task.id, attempt).await,
            }
        }
        TaskCommand::Cancel(several) => cancel(&several).await,
        TaskCommand::Wait { timeout, tasks } => {
            let client = connected(&tasks.common).await?;
            wait_for(&client, &tasks.ids, timeout, tasks.common.json).await
        }
        TaskCommand::Why(one) => {
            let why = connected(&one.common).await?.why(&one.id).await?;
            let style = Style::of_stdout();
            print(&if one.common.json { json::why(&one.id, &why)? } else { tasks::why(&why, style) })
        }
    }
}

async fn submit(args: &SubmitArgs) -> Result<()> {
    // What is wrong here is said without a master.
    let submissions = submission::from_args(args)?;
    let client = connected(&args.common).await?;
    let taken = client.submit(submissions).await?;
    if !args.wait {
        let ids = || taken.iter().map(|task| format!("{}\n", task.task_id)).collect::<String>();
        return print(&if args.common.json { json::tasks(&taken)? } else { ids() });
    }
    let ids: Vec<String> = taken.into_iter().map(|task| task.task_id).collect();
    if !args.common.json {
        for id in &ids {
            tell(format_args!("{id}  submitted"));
        }
    }
    wait_for(&client, &ids, None, args.common.json).await
}

async fn list(args: ListArgs) -> Result<()> {
    let request = v1::ListTasksRequest {
        status: args.status.map(|status| task_status(&status)).transpose()?.unwrap_or_default(),
        user_id: args.user.unwrap_or_default(),
        worker_id: args.worker.unwrap_or_default(),
        limit: args.limit,
    };
    let found = connected(&args.common).await?.tasks(request).await?;
    if args.common.json {
        return print(&json::tasks(&found)?);
    }
    print(&tasks::list(&found, Style::of_stdout()))?;
    if found.len() == args.limit as usize {
        tell(format_args!("the newest {}; --limit shows more", args.limit));
    }
    Ok(())
}

/// A status that a task can have, in any case.
pub(super) fn task_status(text: &str) -> Result<String, Usage> {
    let status = text.trim().to_ascii_lowercase();
    if cloudai_runtime::record::Status::from_name(&status).is_some() {
        return Ok(status);
    }
    let text = text.escape_debug();
    Err(Usage(format!("\"{text}\" is no status: expected pending, running, completed, failed or cancelled")))
}

/// Cancels all that can be, and fails if one could not.
async fn cancel(several: &SeveralTasks) -> Result<()> {
    let client = connected(&several.common).await?;
    let style = Style::of_stdout();
    let (mut cancelled, mut first) = (Vec::new(), None);
    for id in &several.ids {
        match client.cancel(id).await {
            Ok(task) => {
                if !several.common.json {
                    print(&format!("{}\n", tasks::change(&task, style)))?;
                }
                cancelled.push(task);
            }
            Err(error)
                if several.ids.len() == 1 || error.downcast_ref().is_some_and(RpcError::is_absence) =>
            {
                return Err(error);
            }
            Err(error) => {
                tell(format_args!("error: {id}: {}", message(&error)));
                first.get_or_insert(error);
            }
        }
    }
    if several.common.json {
        print(&json::tasks(&cancelled)?)?;
    }
    let failed = several.ids.len() - cancelled.len();
    match first {
        Some(error) => {
            Err(error.context(format!("{failed} of {} tasks could not be cancelled", several.ids.len())))
        }
        None => Ok(()),
    }
}

/// Waits, prints what became of the tasks, and fails unless all completed.
async fn wait_for(client: &Client, ids: &[String], timeout: Option<Duration>, as_json: bool) -> Result<()> {
    let style = Style::of_stdout();
    let told = wait::until_over(client, ids, |task| {
        if !as_json {
            tell(tasks::change(task, Style { color: false, ..style }));
        }
    });
    let ended = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, told)
            .await
            .map_err(|_| anyhow!("not all tasks have ended within {timeout:?}; they go on"))??,
        None => told.await?,
    };
    if as_json {
        print(&json::tasks(&ended)?)?;
    } else {
        let lines: String = ended.iter().map(|task| format!("{}\n", tasks::change(task, style))).collect();
        print(&lines)?;
    }
    let count = ended.iter().filter(|task| task.status != "completed").count();
    if count > 0 { Err(NotCompleted { count, of: ended.len() }.into()) } else { Ok(()) }
}
