//! The gRPC service of a worker, and the output of attempts that it serves.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloudai_proto::v1;
use cloudai_proto::v1::worker_service_server::WorkerService;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::events::AttemptKey;
use super::executor::LogFiles;
use super::folder::LogFolder;
use super::shell::Message;
use crate::record::{LOGS_KEPT, cut_logs};

const CHUNK: usize = 64 << 10;
/// How often the output of a running attempt is looked at.
const FOLLOW: Duration = Duration::from_millis(100);

/// The attempts that the executor has, and their stop switches.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<AttemptKey, watch::Sender<bool>>>>);

impl Running {
    fn map<T>(&self, act: impl FnOnce(&mut HashMap<AttemptKey, watch::Sender<bool>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn insert(&self, key: AttemptKey, stop: watch::Sender<bool>) {
        self.map(|map| map.insert(key, stop));
    }

    pub(super) fn remove(&self, key: &AttemptKey) {
        self.map(|map| map.remove(key));
    }

    pub(super) fn stop(&self, key: &AttemptKey) {
        self.map(|map| map.get(key).map(|stop| stop.send_replace(true)));
    }

    pub(super) fn contains(&self, key: &AttemptKey) -> bool {
        self.map(|map| map.contains_key(key))
    }

    fn last_attempt(&self, task_id: &str) -> Option<u32> {
        self.map(|map| map.keys().filter(|key| key.task_id == task_id).map(|key| key.attempt).max())
    }
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) messages: mpsc::UnboundedSender<Message>,
    pub(super) logs: LogFolder,
    pub(super) running: Running,
}

impl Service {
    async fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<v1::TaskAck>) -> Message,
    ) -> Result<v1::TaskAck, Status> {
        let gone = || Status::unavailable("the worker is stopping");
        let (answer, answered) = oneshot::channel();
        self.messages.send(message(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}

#[tonic::async_trait]
impl WorkerService for Service {
    async fn assign_task(&self, request: Request<v1::Task>) -> Result<Response<v1::TaskAck>, Status> {
        let task = request.into_inner();
        self.ask(|answer| Message::Assign(Box::new(task), answer)).await.map(Response::new)
    }

    async fn cancel_task(&self, request: Request<v1::TaskId>) -> Result<Response<v1::TaskAck>, Status> {
        let id = request.into_inner();
        self.ask(|answer| Message::Cancel(id, answer)).await.map(Response::new)
    }

    type StreamLogsStream = ReceiverStream<Result<v1::LogChunk, Status>>;

    async fn stream_logs(
        &self,
        request: Request<v1::LogRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        let request = request.into_inner();
        let task_id = request.task_id;
        let attempt = match request.attempt {
            0 => self.running.last_attempt(&task_id).or_else(|| self.logs.last_attempt(&task_id)),
            attempt => Some(attempt),
        };
        let key = attempt.map(|attempt| AttemptKey { task_id: task_id.clone(), attempt });
        // The id names a file: only what is known, or looks like an id.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let known = |key: &AttemptKey| {
            self.running.contains(key) || task_id.chars().all(plain) && self.logs.files(key).stdout.exists()
        };
        let Some(key) = key.filter(known) else {
            return Err(Status::not_found(format!("no output of task {task_id:?} is kept here")));
        };
        let files = self.logs.files(&key);
        let running = self.running.clone();
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut read = [0, 0];
            loop {
                // Before reading: what is written after this is read in the next round.
                let over = !request.follow || !running.contains(&key);
                if !send_new(&files, &mut read, &sender).await || over {
                    return;
                }
                tokio::time::sleep(FOLLOW).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Sends what the files hold beyond `read`. False if nobody wants it any more.
async fn send_new(
    files: &LogFiles,
    read: &mut [u64; 2],
    sender: &mpsc::Sender<Result<v1::LogChunk, Status>>,
) -> bool {
    for (stream, path, read) in [("stdout", &files.stdout, 0), ("stderr", &files.stderr, 1)]
        .map(|(stream, path, index)| (stream, path.clone(), index))
        .into_iter()
        .zip(read.iter_mut())
        .map(|((stream, path, _), read)| (stream, path, read))
    {
        loop {
            let (from, path) = (*read, path.clone());
            let chunk =
                tokio::task::spawn_blocking(move || read_chunk(&path, from)).await.unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            *read += chunk.len() as u64;
            let chunk = v1::LogChunk { data: chunk, stream: stream.to_owned() };
            if sender.send(Ok(chunk)).await.is_err() {
                return false;
            }
        }
    }
    !sender.is_closed()
}

fn read_chunk(path: &Path, from: u64) -> Vec<u8> {
    let read = || {
        let mut file = std::fs::File::open(path)?;
        file.seek(std::io::SeekFrom::Start(from))?;
        let mut chunk = Vec::new();
        file.take(CHUNK as u64).read_to_end(&mut chunk)?;
        std::io::Result::Ok(chunk)
    };
    read().unwrap_or_default()
}

/// The output of an attempt as its result holds it: standard output, then standard error, cut.
pub(super) fn result_logs(files: &LogFiles) -> String {
    // A character has at most four bytes.
    let most = 4 * (LOGS_KEPT as u64 + 1);
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        if let Ok(file) = std::fs::File::open(path) {
            let _ = file.take(most).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut logs = read(&files.stdout);
    let errors = read(&files.stderr);
    if !logs.is_empty() && !logs.ends_with('\n') && !errors.is_empty() {
        logs.push('\n');
    }
    logs.push_str(&errors);
    cut_logs(&logs)
}
