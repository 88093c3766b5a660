//! Waiting until tasks have ended.

use std::time::Duration;

use anyhow::{Result, anyhow};
use cloudai_proto::v1;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Client, RpcError};
use super::output::tasks::is_over;
use crate::failure::tell;

/// Tasks that are watched at the same time; each is a stream of the one connection.
const STREAMS: usize = 64;
/// How long a master may be away, as in a restart, before waiting ends.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two tries to watch again.
const PAUSE: Duration = Duration::from_secs(1);

/// The tasks when all have ended, in the order asked for. `changed` hears of each change.
pub(super) async fn until_over(
    client: &Client,
    ids: &[String],
    mut changed: impl FnMut(&v1::TaskRecord),
) -> Result<Vec<v1::TaskRecord>> {
    let mut ended: Vec<Option<v1::TaskRecord>> = vec![None; ids.len()];
    let mut to_watch = ids.iter().cloned().enumerate();
    let mut watched = JoinSet::new();
    let (tell_change, mut changes) = tokio::sync::mpsc::channel(STREAMS);
    loop {
        while watched.len() < STREAMS {
            let Some((at, id)) = to_watch.next() else { break };
            let (client, tell_change) = (client.clone(), tell_change.clone());
            watched.spawn(async move { (at, watch(&client, &id, &tell_change).await) });
        }
        tokio::select! {
            biased;
            Some(change) = changes.recv() => changed(&change),
            done = watched.join_next() => match done {
                Some(done) => {
                    let (at, task) = done.map_err(|error| anyhow!("cannot watch a task: {error}"))?;
                    ended[at] = Some(task?);
                }
                None => break,
            },
        }
    }
    while let Ok(change) = changes.try_recv() {
        changed(&change);
    }
    Ok(ended.into_iter().flatten().collect())
}

/// Follows one task until it has ended, also over a restart of the master.
async fn watch(
    client: &Client,
    id: &str,
    changed: &tokio::sync::mpsc::Sender<v1::TaskRecord>,
) -> Result<v1::TaskRecord> {
    let mut away_since: Option<Instant> = None;
    let mut last: Option<v1::TaskRecord> = None;
    loop {
        let error = match client.watch(id).await {
            Ok(mut stream) => loop {
                match stream.message().await {
                    Ok(Some(task)) => {
                        away_since = None;
                        if is_over(&task) {
                            return Ok(task);
                        }
                        if last.as_ref() != Some(&task) {
                            // Nobody listens any more: then nobody waits either.
                            let _ = changed.send(task.clone()).await;
                        }
                        last = Some(task);
                    }
                    Ok(None) => {
                        // A stream that ends before the task has: a master that goes down in order.
                        let task = client.task(id).await;
                        match task {
                            Ok(task) if is_over(&task) => return Ok(task),
                            Ok(_) => break anyhow!("the master ended the watch of {id}"),
                            Err(error) => break error,
                        }
                    }
                    Err(status) => break client.error(&status),
                }
            },
            Err(error) => error,
        };
        if error.downcast_ref::<RpcError>().is_some_and(|error| !error.is_absence()) {
            return Err(error);
        }
        match away_since {
            Some(since) if since.elapsed() > PATIENCE => return Err(error),
            Some(_) => {}
            None => {
                away_since = Some(Instant::now());
                tell(format_args!("{error}; trying again"));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
