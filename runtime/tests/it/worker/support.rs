//! A master that is played, and workers to go with it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cloudai_proto::v1;
use cloudai_proto::v1::master_service_server::{MasterService, MasterServiceServer};
use cloudai_proto::v1::worker_service_client::WorkerServiceClient;
use cloudai_runtime::worker::{ExecutorKind, RunningWorker, WorkerSettings, guard, start, supervise};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// Not a test by itself: the process executor's supervisor, which is this program again. Its folder is in the environment.
#[test]
fn supervisor() {
    if let Some(folder) = std::env::var_os("CLOUDAI_TEST_SUPERVISE") {
        let _ = supervise(Path::new(&folder));
    }
}

/// Not a test by itself: the guard.
#[test]
fn guard_process() {
    if let Some(folder) = std::env::var_os("CLOUDAI_TEST_GUARD") {
        let _ = guard(Path::new(&folder));
    }
}

/// Not a test by itself: a worker in a process of its own, that can be killed.
#[tokio::test]
async fn worker_process() {
    if let (Some(folder), Ok(master)) =
        (std::env::var_os("CLOUDAI_TEST_WORKER"), std::env::var("CLOUDAI_TEST_MASTER"))
    {
        let mut settings = settings(master.parse().unwrap(), Path::new(&folder));
        if std::env::var("CLOUDAI_TEST_EXECUTOR").is_ok_and(|name| name == "docker") {
            settings.executor = ExecutorKind::Docker;
        }
        start(settings).await.unwrap().wait().await.unwrap();
    }
}

/// A command that runs one of the above, with its last argument in this variable.
fn this_program(variable: &str, test: &str) -> Vec<std::ffi::OsString> {
    let program = std::env::current_exe().unwrap();
    let script =
        format!("{variable}=\"$0\" exec '{}' --exact worker::support::{test} --nocapture", program.display());
    vec!["/bin/sh".into(), "-c".into(), script.into()]
}

/// Settings of a test's worker.
fn settings(master: SocketAddr, data_dir: &Path) -> WorkerSettings {
    let mut settings = WorkerSettings::default();
    settings.worker_id = "w1".to_owned();
    settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.master = master.to_string();
    settings.executor = ExecutorKind::Process;
    settings.data_dir = data_dir.to_owned();
    settings.heartbeat_interval = Duration::from_millis(200);
    settings.stop_grace = Duration::from_millis(500);
    settings.supervisor = this_program("CLOUDAI_TEST_SUPERVISE", "supervisor");
    settings.guard = this_program("CLOUDAI_TEST_GUARD", "guard_process");
    settings
}

/// What the played master has heard, and how it answers.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) registrations: Vec<v1::WorkerInfo>,
    pub(crate) beats: Vec<v1::Heartbeat>,
    pub(crate) results: Vec<v1::TaskResult>,
    /// Answers nobody.
    pub(crate) silent: bool,
    pub(crate) stores: bool,
    pub(crate) taken: bool,
    pub(crate) lease_s: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct PlayedMaster {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl PlayedMaster {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let heard = Heard {
            registrations: Vec::new(),
            beats: Vec::new(),
            results: Vec::new(),
            silent: false,
            stores: true,
            taken: false,
            lease_s: 300.0,
        };
        let master = Self { address: listener.local_addr().unwrap(), heard: Arc::new(Mutex::new(heard)) };
        let server = Server::builder().add_service(MasterServiceServer::new(master.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        master
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// Waits until what it has heard gives an answer.
    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&Heard) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = find(&self.heard()) {
                return found;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "waited for {what}: {:?}", self.heard());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn result(&self, task_id: &str) -> v1::TaskResult {
        self.until(task_id, |heard| heard.results.iter().find(|result| result.task_id == task_id).cloned())
            .await
    }

    pub(crate) async fn status(&self, task_id: &str, status: &str) {
        self.until(&format!("{task_id} to be {status}"), |heard| {
            let tasks = &heard.beats.last()?.running_tasks;
            tasks.iter().find(|task| task.task_id == task_id && task.status == status).cloned()
        })
        .await;
    }

    /// A worker of this master, registered.
    pub(crate) async fn worker(&self, data_dir: &Path, change: impl FnOnce(&mut WorkerSettings)) -> Worker {
        let mut settings = settings(self.address, data_dir);
        change(&mut settings);
        let before = self.heard().beats.len();
        let worker = start(settings).await.unwrap();
        let (session, client) = self.contact(before).await;
        Worker { worker, client, session }
    }

    /// The session and the service of the worker that has sent the heartbeats after so many.
    async fn contact(&self, before: usize) -> (u64, WorkerServiceClient<Channel>) {
        let session =
            self.until("a heartbeat", |heard| Some(heard.beats.get(before..)?.last()?.session)).await;
        let address = self.heard().registrations.last().unwrap().worker_ip.clone();
        // With thousands of calls at once, HTTP/2 gives the connection up.
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().concurrency_limit(128);
        (session, WorkerServiceClient::new(endpoint.connect().await.unwrap()))
    }

    /// A worker of this master in a process of its own, registered; its process, session and service.
    pub(crate) async fn worker_process(
        &self,
        data_dir: &Path,
        executor: &str,
    ) -> (std::process::Child, u64, WorkerServiceClient<Channel>) {
        let before = self.heard().beats.len();
        let process = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::support::worker_process", "--nocapture"])
            .env("CLOUDAI_TEST_WORKER", data_dir)
            .env("CLOUDAI_TEST_MASTER", self.address.to_string())
            .env("CLOUDAI_TEST_EXECUTOR", executor)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let (session, client) = self.contact(before).await;
        (process, session, client)
    }
}

#[tonic::async_trait]
impl MasterService for PlayedMaster {
    async fn register_worker(
        &self,
        request: Request<v1::WorkerInfo>,
    ) -> Result<Response<v1::RegisterAck>, Status> {
        let mut heard = self.heard();
        heard.registrations.push(request.into_inner());
        if heard.silent {
            return Err(Status::unavailable("silent"));
        }
        Ok(Response::new(v1::RegisterAck {
            accepted: !heard.taken,
            taken: heard.taken,
            reason: if heard.taken {
                "another worker with this id is alive".to_owned()
            } else {
                String::new()
            },
            lease_s: heard.lease_s,
            ..v1::RegisterAck::default()
        }))
    }

    async fn send_heartbeat(
        &self,
        request: Request<v1::Heartbeat>,
    ) -> Result<Response<v1::HeartbeatAck>, Status> {
        let mut heard = self.heard();
        if heard.silent {
            return Err(Status::unavailable("silent"));
        }
        heard.beats.push(request.into_inner());
        Ok(Response::new(v1::HeartbeatAck { accepted: true, ..v1::HeartbeatAck::default() }))
    }

    async fn report_task_completion(
        &self,
        request: Request<v1::TaskResult>,
    ) -> Result<Response<v1::ResultAck>, Status> {
        let mut heard = self.heard();
        if heard.silent {
            return Err(Status::unavailable("silent"));
        }
        heard.results.push(request.into_inner());
        Ok(Response::new(v1::ResultAck { stored: heard.stores }))
    }
}

/// A worker, and the played master's side of it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) worker: RunningWorker,
    pub(crate) client: WorkerServiceClient<Channel>,
    pub(crate) session: u64,
}

impl Worker {
    pub(crate) async fn assign(&mut self, task: v1::Task) -> v1::TaskAck {
        let task = v1::Task { session: self.session, attempt: task.attempt.max(1), ..task };
        self.client.assign_task(task).await.unwrap().into_inner()
    }

    /// Runs a shell script.
    pub(crate) async fn run(&mut self, task_id: &str, script: &str) {
        let ack = self.assign(task(task_id, &["/bin/sh", "-c", script])).await;
        assert!(ack.accepted, "{ack:?}");
    }

    pub(crate) async fn cancel(&mut self, task_id: &str) -> v1::TaskAck {
        let id = v1::TaskId { task_id: task_id.to_owned(), attempt: 1, reason: String::new() };
        self.client.cancel_task(id).await.unwrap().into_inner()
    }

    /// Its output: standard output and standard error.
    pub(crate) async fn logs(&mut self, task_id: &str, follow: bool) -> [String; 2] {
        let request = v1::LogRequest { task_id: task_id.to_owned(), attempt: 0, follow };
        let mut chunks = self.client.stream_logs(request).await.unwrap().into_inner();
        let mut logs = [String::new(), String::new()];
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            logs[usize::from(chunk.stream == "stderr")].push_str(std::str::from_utf8(&chunk.data).unwrap());
        }
        logs
    }
}

/// A task that runs this.
pub(crate) fn task(task_id: &str, command: &[&str]) -> v1::Task {
    v1::Task {
        task_id: task_id.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        attempt: 1,
        cpu_cores: 1.0,
        memory_gb: 0.125,
        ..v1::Task::default()
    }
}
