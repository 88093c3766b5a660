//! The tokio tasks around the core: it is stepped in one loop, and its actions are done here.

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cloudai_proto::v1;
use cloudai_proto::v1::master_service_client::MasterServiceClient;
use cloudai_proto::v1::worker_service_server::WorkerServiceServer;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::clock::{boot_now_us, now};
use super::core::{CoreSettings, Recovered, WorkerCore};
use super::events::{Action, AttemptKey, CallId, Entry, FoundState, Input};
use super::executor::docker::DockerExecutor;
use super::executor::emulated::EmulatedExecutor;
use super::executor::process::ProcessExecutor;
use super::executor::{Executor, Job, StartedSignal, StopSignal};
use super::folder::DataFolder;
use super::guard::{GuardNote, forget_cut_off, was_cut_off};
use super::journal::Journal;
use super::service::{Running, Service, result_logs};
use super::usage::Machine;
use super::{ExecutorKind, WorkerError, WorkerSettings};
use crate::security::{Dialer, Token, server};

/// Longest wait for the master, to connect and to answer.
const CALL: Duration = Duration::from_secs(10);
/// The clock of leases runs while the machine sleeps, tokio's does not: look at it this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Messages taken in one go; what they have to write shares one sync of the disk.
const BATCH: usize = 512;
const CLEAN_LOGS: Duration = Duration::from_secs(600);

/// What reaches the loop.
#[derive(Debug)]
pub(super) enum Message {
    Assign(Box<v1::Task>, oneshot::Sender<v1::TaskAck>),
    Cancel(v1::TaskId, oneshot::Sender<v1::TaskAck>),
    Core(Input),
}

/// A worker that runs in the background. Dropping this stops it, as [`stop`](Self::stop) does without waiting.
#[derive(Debug)]
pub struct RunningWorker {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl RunningWorker {
    /// Where its gRPC service listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the worker, quickly. What it runs goes on, except what is emulated; the next worker on the same data folder
    /// finds it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn stop(self) -> Result<(), WorkerError> {
        self.stop.cancel();
        self.wait().await
    }

    /// Returns when the worker has ended.
    ///
    /// # Errors
    ///
    /// As [`ended`](Self::ended).
    pub async fn wait(mut self) -> Result<(), WorkerError> {
        self.ended().await
    }

    /// The same, while it can still be stopped. Not to be asked again once it has answered.
    ///
    /// # Errors
    ///
    /// If it gave up by itself: the master has another worker of this id, or the journal cannot be written.
    pub async fn ended(&mut self) -> Result<(), WorkerError> {
        match (&mut self.ended).await {
            Ok(result) => result,
            Err(error) => Err(WorkerError::Died(error.to_string())),
        }
    }
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a worker. It listens when this returns, and registers with the master in the background, for as long as that takes.
///
/// # Errors
///
/// If its data folder, its port, the master's address or its executor cannot be used.
pub async fn start(settings: WorkerSettings) -> Result<RunningWorker, WorkerError> {
    let folder = DataFolder::open(&settings.data_dir)?;
    settings.security.check("gRPC", settings.listen)?;
    let dialer = Dialer::new(&settings.security)?;
    let channel = dialer.dial(&settings.master)?;
    let listen = |source| WorkerError::Listen { address: settings.listen, source };
    let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let executor = open_executor(&settings, &folder).await?;
    let journal = Journal::open(&folder.path().join("journal"))
        .map_err(|source| WorkerError::Folder { path: folder.path().to_owned(), source })?;
    let unusable = |reason| WorkerError::Executor { executor: executor.name(), reason };
    let mut found = executor.adopt().await.map_err(unusable)?;
    for found in &mut found {
        if let FoundState::Ended(outcome) = &mut found.state {
            outcome.logs = result_logs(&folder.logs().files(&found.key));
            outcome.cut_off = was_cut_off(folder.path(), &found.key);
        }
    }
    let mut machine = Machine::open();
    let info = describe(&settings, &folder, &mut machine, address);
    let core_settings =
        CoreSettings { info, heartbeat_interval_us: micros(settings.heartbeat_interval).max(1000) };
    let recovered =
        Recovered { journal: journal.state().clone(), found, lease_end_us: folder.lease_end_us() };
    let (core, first_actions) = WorkerCore::new(core_settings, now(), recovered);

    let (messages, inbox) = mpsc::unbounded_channel();
    let running = Running::default();
    let stop = CancellationToken::new();
    let service = Service { messages: messages.clone(), logs: folder.logs(), running: running.clone() };
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<WorkerServiceServer<Service>>().await;
    let token = dialer.token();
    let admit = move |request: tonic::Request<()>| token.admit(request);
    let server = server(&settings.security)
        .map_err(WorkerError::Tls)?
        .add_service(InterceptedService::new(WorkerServiceServer::new(service), admit))
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));

    let mut background = JoinSet::new();
    background.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the gRPC service has ended");
        }
    });
    if settings.executor != ExecutorKind::Emulated
        && let Some((program, arguments)) = settings.guard.split_first()
    {
        let note = GuardNote {
            word: rand::random(),
            docker: settings.executor == ExecutorKind::Docker,
            identity: folder.identity().to_owned(),
            grace_ms: u64::try_from(settings.stop_grace.as_millis()).unwrap_or(u64::MAX),
        };
        note.write(folder.path())
            .map_err(|source| WorkerError::Folder { path: folder.path().to_owned(), source })?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        background.spawn(keep_guard(command));
    }
    background.spawn(sample(machine, settings.heartbeat_interval, messages.clone()));
    background.spawn(clean_logs(folder.logs(), settings.logs_kept, running.clone()));
    let shell = Shell {
        core,
        folder,
        journal: Some(journal),
        executor,
        master: MasterServiceClient::with_interceptor(channel, dialer.token()),
        worker_id: settings.worker_id,
        messages,
        running,
        tasks: JoinSet::new(),
        calls: Vec::new(),
        _background: background,
    };
    let ended = tokio::spawn(shell.run(inbox, first_actions, stop.clone()));
    Ok(RunningWorker { address, stop, ended })
}

async fn open_executor(
    settings: &WorkerSettings,
    folder: &DataFolder,
) -> Result<Arc<dyn Executor>, WorkerError> {
    Ok(match settings.executor {
        ExecutorKind::Docker => Arc::new(DockerExecutor::connect(settings, folder).await?),
        ExecutorKind::Process => Arc::new(ProcessExecutor::new(
            folder.path().join("run"),
            settings.supervisor.clone(),
            settings.stop_grace,
        )),
        ExecutorKind::Emulated => Arc::new(EmulatedExecutor),
    })
}

fn describe(
    settings: &WorkerSettings,
    folder: &DataFolder,
    machine: &mut Machine,
    address: SocketAddr,
) -> v1::WorkerInfo {
    let capacity = machine.capacity(folder.path());
    let host = settings.worker_ip.clone().unwrap_or_else(|| own_address(&settings.master));
    // Bare IPv6 has colons, too.
    let has_port = host.parse::<std::net::IpAddr>().is_err() && host.contains(':');
    v1::WorkerInfo {
        worker_id: settings.worker_id.clone(),
        worker_ip: match host.parse::<std::net::IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, address.port()).to_string(),
            Err(_) if has_port => host,
            Err(_) => format!("{host}:{}", address.port()),
        },
        total_cpu: settings.total_cpu.unwrap_or(capacity.cpu),
        total_memory: settings.total_memory.unwrap_or(capacity.memory),
        total_storage: settings.total_storage.unwrap_or(capacity.storage),
        total_gpu: settings.total_gpu.unwrap_or(capacity.gpu),
        gpu_model: settings.gpu_model.clone().unwrap_or(capacity.gpu_model),
        labels: settings.labels.clone().into_iter().collect(),
        executor: settings.executor.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: folder.identity().to_owned(),
        port: u32::from(address.port()),
        ..v1::WorkerInfo::default()
    }
}

/// The address from which this machine reaches the master: nothing is sent to find it.
fn own_address(master: &str) -> String {
    let address = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect(master)?;
        socket.local_addr()
    });
    address.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

async fn sample(mut machine: Machine, interval: Duration, messages: mpsc::UnboundedSender<Message>) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        if messages.send(Message::Core(Input::Load(machine.load()))).is_err() {
            return;
        }
    }
}

/// Keeps a guard running for as long as the worker does; the last one stays.
async fn keep_guard(mut command: tokio::process::Command) {
    loop {
        match command.spawn() {
            Ok(mut guard) => {
                let _ = guard.wait().await;
                tracing::warn!("the guard has ended, and is started again");
            }
            Err(error) => tracing::warn!(%error, "cannot start the guard"),
        }
        tokio::time::sleep(CALL).await;
    }
}

async fn clean_logs(logs: super::folder::LogFolder, kept: Duration, running: Running) {
    let mut ticks = tokio::time::interval(CLEAN_LOGS.min(kept.max(Duration::from_secs(1))));
    loop {
        ticks.tick().await;
        let (logs, running) = (logs.clone(), running.clone());
        let clean = move || logs.clean(kept, |key| running.contains(key));
        let _ = tokio::task::spawn_blocking(clean).await;
    }
}

struct Shell {
    core: WorkerCore,
    folder: DataFolder,
    /// Away while it is written.
    journal: Option<Journal>,
    executor: Arc<dyn Executor>,
    master: MasterServiceClient<InterceptedService<Channel, Token>>,
    worker_id: String,
    messages: mpsc::UnboundedSender<Message>,
    running: Running,
    /// Attempts, and calls to the master.
    tasks: JoinSet<()>,
    /// Who waits for an answer of the current batch.
    calls: Vec<Option<oneshot::Sender<v1::TaskAck>>>,
    _background: JoinSet<()>,
}

impl Shell {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Message>,
        first_actions: Vec<Action>,
        stop: CancellationToken,
    ) -> Result<(), WorkerError> {
        self.perform(first_actions).await?;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let until = self.core.next_wake().map_or(LONGEST_SLEEP, |wake| {
                let left = u64::try_from(wake - boot_now_us()).unwrap_or(0);
                Duration::from_micros(left).min(LONGEST_SLEEP)
            });
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = inbox.recv_many(&mut batch, BATCH) => {}
                () = tokio::time::sleep(until) => batch.push(Message::Core(Input::Tick)),
            }
            while self.tasks.try_join_next().is_some() {}
            let mut actions = Vec::new();
            for message in batch.drain(..) {
                let input = match message {
                    Message::Core(input) => input,
                    Message::Assign(task, caller) => Input::Assign { call: self.call(caller), task },
                    Message::Cancel(id, caller) => Input::Cancel { call: self.call(caller), id },
                };
                actions.extend(self.core.step(now(), input));
            }
            self.perform(actions).await?;
            self.calls.clear();
        }
        // Nothing of this worker may act any more once it is said to have stopped.
        self.tasks.shutdown().await;
        self._background.shutdown().await;
        Ok(())
    }

    /// Every call is answered in the batch that it comes in: its number is a place in the list.
    fn call(&mut self, caller: oneshot::Sender<v1::TaskAck>) -> CallId {
        self.calls.push(Some(caller));
        self.calls.len() as CallId - 1
    }

    /// Writes down what the actions of a batch have to write, at once; then does the rest in order.
    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), WorkerError> {
        let mut entries = Vec::new();
        let mut others = Vec::with_capacity(actions.len());
        for action in actions {
            match action {
                Action::Journal(entry) => entries.push(entry),
                other => others.push(other),
            }
        }
        if !entries.is_empty() {
            self.write(entries).await?;
        }
        for action in others {
            self.act(action)?;
        }
        Ok(())
    }

    async fn write(&mut self, entries: Vec<Entry>) -> Result<(), WorkerError> {
        let Some(mut journal) = self.journal.take() else {
            return Err(WorkerError::Died("the journal is away".to_owned()));
        };
        let write = move || {
            let result = journal.append(&entries);
            (journal, result)
        };
        let (journal, result) =
            tokio::task::spawn_blocking(write).await.map_err(|error| WorkerError::Died(error.to_string()))?;
        self.journal = Some(journal);
        result.map_err(WorkerError::Journal)
    }

    fn act(&mut self, action: Action) -> Result<(), WorkerError> {
        match action {
            Action::Journal(_) => {}
            Action::Answer { call, ack } => {
                let place = usize::try_from(call).ok().and_then(|call| self.calls.get_mut(call));
                if let Some(caller) = place.and_then(Option::take) {
                    let _ = caller.send(ack);
                }
            }
            Action::Start { task, not_after_us } => self.run_attempt(*task, not_after_us, false),
            Action::Resume { task } => self.run_attempt(*task, None, true),
            Action::Stop { key } => self.running.stop(&key),
            Action::Remove { key } => {
                self.running.remove(&key);
                forget_cut_off(self.folder.path(), &key);
                self.tasks.spawn(self.executor.remove(key));
            }
            Action::Register(info) => {
                let (mut master, registration) = (self.master.clone(), info.registration);
                self.send(async move {
                    let answer = said(master.register_worker(*info)).await;
                    Input::RegisterAnswered { registration, answer }
                });
            }
            Action::Heartbeat { sent_us, beat } => {
                let (mut master, session) = (self.master.clone(), beat.session);
                self.send(async move {
                    let answer = said(master.send_heartbeat(beat)).await;
                    Input::HeartbeatAnswered { sent_us, session, answer }
                });
            }
            Action::Report(result) => {
                let mut master = self.master.clone();
                let key = AttemptKey { task_id: result.task_id.clone(), attempt: result.attempt };
                self.send(async move {
                    let answer = said(master.report_task_completion(*result)).await;
                    Input::ResultAnswered { key, answer }
                });
            }
            Action::Lease { until_us } => {
                if let Err(error) = self.folder.set_lease_end(until_us) {
                    // It then ends too early for the next worker of this folder, never too late.
                    tracing::warn!(%error, "cannot write the lease down");
                }
            }
            Action::Log(line) => tracing::info!(worker = self.worker_id, "{line}"),
            Action::Fatal(reason) => {
                return Err(WorkerError::Taken { worker_id: self.worker_id.clone(), reason });
            }
        }
        Ok(())
    }

    fn send(&mut self, call: impl Future<Output = Input> + Send + 'static) {
        let messages = self.messages.clone();
        self.tasks.spawn(async move {
            let input = call.await;
            let _ = messages.send(Message::Core(input));
        });
    }

    fn run_attempt(&mut self, task: v1::Task, not_after_us: Option<i64>, found: bool) {
        let key = AttemptKey::of(&task);
        let logs = self.folder.logs().files(&key);
        let folder = self.folder.path().to_owned();
        let (switch, stop) = StopSignal::new();
        self.running.insert(key.clone(), switch);
        let (messages, executor) = (self.messages.clone(), self.executor.clone());
        self.send(async move {
            if not_after_us.is_some_and(|end| boot_now_us() >= end) {
                let reason = "the lease has run out before it could start".to_owned();
                return Input::StartFailed { key, reason };
            }
            let started = key.clone();
            let started = StartedSignal::new(move |at_us| {
                let _ = messages.send(Message::Core(Input::Started { key: started, at_us }));
            });
            let job = Job { task, logs: logs.clone(), started, stop };
            let ended = if found { executor.resume(job).await } else { executor.run(job).await };
            match ended {
                Ok(mut outcome) => {
                    let cut_off = key.clone();
                    let read = tokio::task::spawn_blocking(move || {
                        (result_logs(&logs), was_cut_off(&folder, &cut_off))
                    });
                    (outcome.logs, outcome.cut_off) = read.await.unwrap_or_default();
                    Input::Ended { key, outcome }
                }
                Err(reason) => Input::StartFailed { key, reason },
            }
        });
    }
}

/// What the master answers, if it does so in time.
async fn said<T>(call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Result<T, String> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}
