//! A master that the test plays. What a task does is said by its image.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudai_proto::v1;
use cloudai_proto::v1::client_service_server::{ClientService, ClientServiceServer};
use tokio::runtime::Runtime;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};

/// A running one; it ends with this.
#[derive(Debug)]
pub(super) struct FakeMaster {
    pub(super) address: String,
    pub(super) state: Arc<Mutex<State>>,
    runtime: Runtime,
}

/// What it knows, and what it was told.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tasks: BTreeMap<String, v1::TaskRecord>,
    pub(super) submitted: Vec<v1::Submission>,
    pub(super) workers: BTreeMap<String, v1::WorkerRecord>,
    strategy: String,
    token: Option<String>,
}

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl FakeMaster {
    pub(super) fn start() -> Self {
        Self::with_token(None)
    }

    /// One that wants a token.
    pub(super) fn with_token(token: Option<&str>) -> Self {
        let worker = v1::WorkerRecord {
            worker_id: "w1".to_owned(),
            worker_ip: "127.0.0.1:50052".to_owned(),
            state: "active".to_owned(),
            executor: "emulated".to_owned(),
            total_cpu: 4.0,
            total_memory: 16.0,
            last_heartbeat: now() / 1_000_000,
            ..Default::default()
        };
        let state = Arc::new(Mutex::new(State {
            strategy: "ai".to_owned(),
            token: token.map(str::to_owned),
            workers: [("w1".to_owned(), worker)].into(),
            ..State::default()
        }));
        Self::serve("127.0.0.1:0", state)
    }

    /// Stops it, and starts it again after a pause with what it knew.
    pub(super) fn restart(self, pause: Duration) -> Self {
        let Self { address, state, runtime } = self;
        drop(runtime);
        std::thread::sleep(pause);
        Self::serve(&address, state)
    }

    /// One that encrypts: certificate and key as PEM.
    pub(super) fn with_tls(certificate: &str, key: &str) -> Self {
        let identity = tonic::transport::Identity::from_pem(certificate, key);
        let tls = tonic::transport::ServerTlsConfig::new().identity(identity);
        let server = tonic::transport::Server::builder().tls_config(tls).unwrap();
        Self::serve_with(server, "127.0.0.1:0", Arc::default())
    }

    fn serve(address: &str, state: Arc<Mutex<State>>) -> Self {
        Self::serve_with(tonic::transport::Server::builder(), address, state)
    }

    fn serve_with(mut server: tonic::transport::Server, address: &str, state: Arc<Mutex<State>>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = ClientServiceServer::new(Service(Arc::clone(&state)));
        runtime.spawn(server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, state, runtime }
    }
}

struct Service(Arc<Mutex<State>>);

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

impl Service {
    #[allow(clippy::result_large_err, reason = "what tonic wants")]
    fn state<T>(&self, request: &Request<T>) -> Result<std::sync::MutexGuard<'_, State>, Status> {
        let state = self.0.lock().unwrap();
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        match &state.token {
            Some(token) if shown != Some(format!("Bearer {token}").as_str()) => {
                Err(Status::unauthenticated("wrong token"))
            }
            _ => Ok(state),
        }
    }
}

#[allow(clippy::result_large_err, reason = "what tonic wants")]
fn find<'a, T>(map: &'a mut BTreeMap<String, T>, id: &str, what: &str) -> Result<&'a mut T, Status> {
    map.get_mut(id).ok_or_else(|| Status::not_found(format!("no {what} is called \"{id}\"")))
}

/// The images: `ok`, `fails`, `slow` (half a second), `stuck` (pending).
async fn play(state: Arc<Mutex<State>>, id: String, image: String) {
    let pause = if image == "slow" { 250 } else { 10 };
    for status in ["running", if image == "fails" { "failed" } else { "completed" }] {
        if image == "stuck" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut state = state.lock().unwrap();
        let task = state.tasks.get_mut(&id).unwrap();
        if task.status == "cancelled" {
            return;
        }
        task.status = status.to_owned();
        task.assigned_worker = "w1".to_owned();
        task.attempt = 1;
        if status == "running" {
            task.started_at_us = now();
            task.started_at = now() / 1_000_000;
        } else {
            task.exit_code = Some(if status == "failed" { 3 } else { 0 });
            task.completed_at_us = now();
            task.completed_at = now() / 1_000_000;
        }
    }
}

#[tonic::async_trait]
impl ClientService for Service {
    type WatchTaskStream = Events<v1::TaskRecord>;
    type StreamLogsStream = Events<v1::LogChunk>;

    async fn submit_tasks(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        let mut state = self.state(&request)?;
        let tasks = request.into_inner().tasks;
        if let Some(cpu) = tasks.iter().filter_map(|task| task.cpu_cores).find(|&cpu| cpu > 64.0) {
            return Err(Status::invalid_argument(format!("cpu_cores is {cpu}: expected 0 to 64")));
        }
        let mut taken = Vec::new();
        for task in tasks {
            let record = v1::TaskRecord {
                task_id: format!("task-{}", state.tasks.len() + 1),
                user_id: task.user_id.clone(),
                name: task.name.clone(),
                docker_image: task.docker_image.clone(),
                command: task.args.clone(),
                cpu_cores: task.cpu_cores.unwrap_or(1.0),
                memory_gb: task.memory_gb.unwrap_or(0.5),
                storage_gb: task.storage_gb.unwrap_or(1.0),
                gpu_cores: task.gpu_cores.unwrap_or(0.0),
                status: "pending".to_owned(),
                created_at: now() / 1_000_000,
                created_at_us: now(),
                ..Default::default()
            };
            state.tasks.insert(record.task_id.clone(), record.clone());
            tokio::spawn(play(Arc::clone(&self.0), record.task_id.clone(), task.docker_image.clone()));
            state.submitted.push(task);
            taken.push(record);
        }
        Ok(Response::new(v1::SubmitReply { tasks: taken }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksReply>, Status> {
        let state = self.state(&request)?;
        let wanted = request.into_inner();
        let fits = |task: &&v1::TaskRecord| wanted.status.is_empty() || task.status == wanted.status;
        let tasks = state.tasks.values().rev().filter(fits).take(wanted.limit as usize).cloned().collect();
        Ok(Response::new(v1::ListTasksReply { tasks }))
    }

    async fn get_task(&self, request: Request<v1::TaskId>) -> Result<Response<v1::TaskRecord>, Status> {
        let mut state = self.state(&request)?;
        find(&mut state.tasks, &request.get_ref().task_id, "task").map(|task| Response::new(task.clone()))
    }

    async fn watch_task(
        &self,
        request: Request<v1::TaskId>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let id = request.get_ref().task_id.clone();
        find(&mut self.state(&request)?.tasks, &id, "task")?;
        let (send, events) = tokio::sync::mpsc::channel(8);
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut last = v1::TaskRecord::default();
            while !matches!(last.status.as_str(), "completed" | "failed" | "cancelled") {
                let task = state.lock().unwrap().tasks[&id].clone();
                if task != last && send.send(Ok(task.clone())).await.is_err() {
                    return;
                }
                last = task;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }

    async fn cancel_task(&self, request: Request<v1::TaskId>) -> Result<Response<v1::TaskRecord>, Status> {
        let mut state = self.state(&request)?;
        let task = find(&mut state.tasks, &request.get_ref().task_id, "task")?;
        task.status = "cancelled".to_owned();
        Ok(Response::new(task.clone()))
    }

    async fn stream_logs(
        &self,
        request: Request<v1::LogRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        let wanted = request.get_ref().clone();
        find(&mut self.state(&request)?.tasks, &wanted.task_id, "task")?;
        let (send, events) = tokio::sync::mpsc::channel(8);
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            for (stream, text) in [("stdout", "one\n"), ("stderr", "careful\n"), ("stdout", "two")] {
                let chunk = v1::LogChunk { data: text.into(), stream: stream.to_owned() };
                if send.send(Ok(chunk)).await.is_err() {
                    return;
                }
            }
            let over = |state: &State| {
                matches!(state.tasks[&wanted.task_id].status.as_str(), "completed" | "failed" | "cancelled")
            };
            while wanted.follow && !over(&state.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }

    async fn list_results(
        &self,
        request: Request<v1::ListResultsRequest>,
    ) -> Result<Response<v1::ListResultsReply>, Status> {
        let state = self.state(&request)?;
        let ended = state.tasks.values().filter(|task| task.completed_at != 0);
        let results = ended.map(|task| v1::ResultRecord {
            task_id: task.task_id.clone(),
            worker_id: task.assigned_worker.clone(),
            status: task.status.clone(),
            exit_code: task.exit_code.unwrap_or_default(),
            execution_time: 1.5,
            completed_at: task.completed_at,
            ..Default::default()
        });
        Ok(Response::new(v1::ListResultsReply { results: results.collect() }))
    }

    async fn why(&self, request: Request<v1::TaskId>) -> Result<Response<v1::WhyReply>, Status> {
        find(&mut self.state(&request)?.tasks, &request.get_ref().task_id, "task")?;
        let refusal =
            v1::WorkerRefusal { worker_id: "w1".to_owned(), reason: "1 of 4 cores free".to_owned() };
        let summary = "It waits: no worker has room now.".to_owned();
        Ok(Response::new(v1::WhyReply { summary, workers: vec![refusal] }))
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersReply>, Status> {
        let workers = self.state(&request)?.workers.values().cloned().collect();
        Ok(Response::new(v1::ListWorkersReply { workers }))
    }

    async fn pre_register_worker(
        &self,
        request: Request<v1::PreRegistration>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let mut state = self.state(&request)?;
        let v1::PreRegistration { worker_id, worker_ip } = request.into_inner();
        let state_word = "registered".to_owned();
        let worker = v1::WorkerRecord { worker_id, worker_ip, state: state_word, ..Default::default() };
        state.workers.insert(worker.worker_id.clone(), worker.clone());
        Ok(Response::new(worker))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let mut state = self.state(&request)?;
        let worker = find(&mut state.workers, &request.get_ref().worker_id, "worker")?;
        worker.state = if request.get_ref().undo { "active" } else { "draining" }.to_owned();
        Ok(Response::new(worker.clone()))
    }

    async fn forget_worker(
        &self,
        request: Request<v1::WorkerId>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let mut state = self.state(&request)?;
        let worker = find(&mut state.workers, &request.get_ref().worker_id, "worker")?;
        worker.state = "lost".to_owned();
        Ok(Response::new(worker.clone()))
    }

    async fn get_status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusReply>, Status> {
        let state = self.state(&request)?;
        let count = |status: &str| state.tasks.values().filter(|task| task.status == status).count() as u64;
        Ok(Response::new(v1::StatusReply {
            workers: 1,
            active_workers: 1,
            running_tasks: count("running"),
            completed_tasks: count("completed"),
            strategy: state.strategy.clone(),
            store: "memory".to_owned(),
            store_ready: true,
            started_at: now() / 1_000_000,
            version: "0.1.0".to_owned(),
            ..Default::default()
        }))
    }

    async fn strategy(
        &self,
        request: Request<v1::StrategyRequest>,
    ) -> Result<Response<v1::StrategyReply>, Status> {
        let mut state = self.state(&request)?;
        let spec = request.into_inner().spec;
        if spec == "nonsense" {
            return Err(Status::invalid_argument("no strategy is called \"nonsense\""));
        }
        if !spec.is_empty() {
            state.strategy = spec;
        }
        let known = ["ai", "easy", "fcfs"].map(str::to_owned).to_vec();
        Ok(Response::new(v1::StrategyReply { spec: state.strategy.clone(), known }))
    }
}
