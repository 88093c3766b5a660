//! What clients say: `ClientService`; and the same as methods, which HTTP uses too.

use std::pin::Pin;

use cloudai_proto::v1;
use cloudai_proto::v1::client_service_server::ClientService;
use cloudai_schedulers::StrategySpec;
use futures_util::{Stream, StreamExt as _, stream};
use thiserror::Error;
use tokio::sync::broadcast::error::RecvError;
use tonic::{Request, Response, Status};

use super::carrier::Carrier;
use super::core::{Answer, ClusterStatus, Input, Problem, Question, TaskView, Why, WorkerView};
use super::messages::{result_message, status_message, task_message, why_message, worker_message};
use super::shell::{Master, Stopped};
use super::submission::{Refused, Submission};
use crate::limits::Limits;
use crate::record::{ResultRecord, Status as TaskStatus, TaskRecord, TaskRequest};
use crate::store::{Filter, StoreError};

/// How many records a list has unless it is told otherwise, and at most.
pub(super) const LISTED: usize = 100;
pub(super) const LISTED_AT_MOST: usize = 10_000;

/// Why a client does not get what it asks for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A field of a submission; the first number is its place in the batch, from 0.
    #[error("{}{refused}", .place.map(|place| format!("task {place}: ")).unwrap_or_default())]
    Refused {
        /// Which task of a batch.
        place: Option<usize>,
        /// What is wrong.
        refused: Refused,
    },
    /// The request as a whole.
    #[error("{0}")]
    Invalid(String),
    /// What the core says.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master is being stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A worker does not give a task's output.
    #[error("the output is not to be had: {0}")]
    Logs(String),
    /// A bug.
    #[error("an answer to another question")]
    Unexpected,
}

impl From<ClientError> for Status {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Refused { .. }
            | ClientError::Invalid(_)
            | ClientError::Problem(Problem::Strategy(_)) => Self::invalid_argument(text),
            ClientError::Problem(Problem::UnknownTask(_) | Problem::UnknownWorker(_)) => {
                Self::not_found(text)
            }
            ClientError::Problem(Problem::Full(..)) => Self::resource_exhausted(text),
            ClientError::Problem(_) => Self::failed_precondition(text),
            ClientError::Store(_) | ClientError::Stopped(_) | ClientError::Logs(_) => Self::unavailable(text),
            ClientError::Unexpected => Self::internal(text),
        }
    }
}

type Outcome<T> = Result<T, ClientError>;

/// Turns an answer of the core into what was expected, or into its problem.
macro_rules! expect_answer {
    ($answer:expr, $pattern:pat => $value:expr) => {
        match $answer {
            $pattern => Ok($value),
            Answer::Problem(problem) => Err(ClientError::Problem(problem)),
            _ => Err(ClientError::Unexpected),
        }
    };
}

/// Checks the tasks of a submission.
///
/// # Errors
/// The first field that is wrong, with the place of its task if there are several.
pub fn check_all(submissions: Vec<Submission>, limits: &Limits) -> Outcome<Vec<TaskRequest>> {
    let count = submissions.len();
    if count == 0 || count > limits.batch {
        return Err(ClientError::Invalid(format!("{count} tasks: expected 1 to {}", limits.batch)));
    }
    let check = |(place, submission): (usize, Submission)| {
        let place = (count > 1).then_some(place);
        submission.check(limits).map_err(|refused| ClientError::Refused { place, refused })
    };
    submissions.into_iter().enumerate().map(check).collect()
}

impl Master {
    /// Takes tasks, all or none; they are in the store when this returns.
    ///
    /// # Errors
    /// Why they are not taken.
    pub async fn submit(&self, requests: Vec<TaskRequest>) -> Outcome<Vec<TaskRecord>> {
        let answer = self.ask(|ticket| Input::Submit(ticket, requests)).await?;
        expect_answer!(answer, Answer::Submitted(records) => records)
    }

    /// A task, ended or not.
    ///
    /// # Errors
    /// There is none of this id, or the store is away.
    pub async fn find(&self, task_id: &str) -> Outcome<TaskView> {
        match self.ask(|ticket| Input::Ask(ticket, Question::Task(task_id.to_owned()))).await? {
            Answer::Task(view) => Ok(*view),
            Answer::Problem(problem) => match self.shared.store.task(task_id).await? {
                Some(record) => Ok(TaskView { record, stopping: false }),
                None => Err(problem.into()),
            },
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Ends a task: at once if it waits, else once its worker has stopped it.
    ///
    /// # Errors
    /// There is none of this id, or it has ended.
    pub async fn cancel(&self, task_id: &str) -> Outcome<TaskView> {
        match self.ask(|ticket| Input::Cancel(ticket, task_id.to_owned())).await? {
            Answer::Task(view) => Ok(*view),
            Answer::Problem(Problem::UnknownTask(id)) => match self.shared.store.task(task_id).await? {
                Some(record) => Err(Problem::Over(id, record.status.name()).into()),
                None => Err(Problem::UnknownTask(id).into()),
            },
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Why a task waits.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn why(&self, task_id: &str) -> Outcome<Why> {
        match self.ask(|ticket| Input::Ask(ticket, Question::Why(task_id.to_owned()))).await? {
            Answer::Why(why) => Ok(why),
            Answer::Problem(problem) => match self.shared.store.task(task_id).await? {
                Some(record) => {
                    Ok(Why { summary: format!("it is {}", record.status.name()), workers: Vec::new() })
                }
                None => Err(problem.into()),
            },
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Every worker, by id.
    ///
    /// # Errors
    /// The master is being stopped.
    pub async fn workers(&self) -> Outcome<Vec<WorkerView>> {
        let answer = self.ask(|ticket| Input::Ask(ticket, Question::Workers)).await?;
        expect_answer!(answer, Answer::Workers(workers) => workers)
    }

    /// The cluster as a whole.
    ///
    /// # Errors
    /// The master is being stopped.
    pub async fn status(&self) -> Outcome<ClusterStatus> {
        let answer = self.ask(|ticket| Input::Ask(ticket, Question::Status)).await?;
        expect_answer!(answer, Answer::Status(status) => *status)
    }

    async fn worker(&self, input: impl FnOnce(u64) -> Input) -> Outcome<WorkerView> {
        let answer = self.ask(input).await?;
        expect_answer!(answer, Answer::Worker(worker) => *worker)
    }

    /// Tasks as the store has them, the newest first.
    ///
    /// # Errors
    /// The store is away.
    pub async fn tasks(&self, filter: &Filter) -> Outcome<Vec<TaskRecord>> {
        Ok(self.shared.store.tasks(filter).await?)
    }

    /// Results as the store has them, the newest first.
    ///
    /// # Errors
    /// The store is away.
    pub async fn results(&self, filter: &Filter) -> Outcome<Vec<ResultRecord>> {
        Ok(self.shared.store.results(filter).await?)
    }

    /// A task now, and again whenever it changes, until it has ended.
    ///
    /// # Errors
    /// There is none of this id.
    pub async fn watch(
        &self,
        task_id: &str,
    ) -> Outcome<impl Stream<Item = Outcome<TaskView>> + Send + use<>> {
        // Listening first: what changes between the two is seen twice rather than never.
        let changes = self.shared.changes.subscribe();
        let now = self.find(task_id).await?;
        let over = now.record.status.is_over();
        let rest = stream::unfold((self.clone(), changes, task_id.to_owned(), over), |state| async move {
            let (master, mut changes, task_id, over) = state;
            if over {
                return None;
            }
            loop {
                let view = match changes.recv().await {
                    Ok(view) if view.record.task_id == task_id => Ok((*view).clone()),
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => master.find(&task_id).await,
                    Err(RecvError::Closed) => return None,
                };
                let over = view.as_ref().map_or(true, |view| view.record.status.is_over());
                return Some((view, (master, changes, task_id, over)));
            }
        });
        Ok(stream::once(async { Ok(now) }).chain(rest))
    }

    /// The output of a task: from its worker, which keeps all of it for a while, else as far as its result has it.
    ///
    /// # Errors
    /// There is no such task, or it has never started.
    pub(super) async fn logs(&self, carrier: &Carrier, mut request: v1::LogRequest) -> Outcome<LogStream> {
        let record = self.find(&request.task_id).await?.record;
        if request.attempt == 0 {
            request.attempt = record.attempt;
        }
        let worker = record.assigned_worker.clone().filter(|_| request.attempt > 0);
        let workers = self.workers().await?;
        let worker = workers.iter().find(|known| Some(&known.record.worker_id) == worker.as_ref());
        let mut why = "the task has not started".to_owned();
        if let Some(worker) = worker.filter(|worker| worker.record.is_active) {
            match carrier.logs(&worker.record.worker_ip, request.clone()).await {
                Ok(chunks) => return Ok(Box::pin(chunks)),
                Err(status) => status.message().clone_into(&mut why),
            }
        } else if worker.is_some() {
            "its worker does not answer".clone_into(&mut why);
        }
        match self.shared.store.result(&request.task_id).await? {
            Some(result) if result.attempt == request.attempt => {
                let chunk = v1::LogChunk { data: result.logs.into_bytes(), stream: "stdout".to_owned() };
                Ok(Box::pin(stream::once(async { Ok(chunk) })))
            }
            _ => Err(ClientError::Logs(why)),
        }
    }
}

pub(super) type LogStream = Pin<Box<dyn Stream<Item = Result<v1::LogChunk, Status>> + Send>>;

/// Serves clients.
#[derive(Clone, Debug)]
pub(super) struct ForClients {
    pub(super) master: Master,
    pub(super) carrier: Carrier,
    pub(super) limits: Limits,
    /// Names of strategies.
    pub(super) strategies: Vec<String>,
}

fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A status by its name; none for the empty name.
pub(super) fn status_named(name: &str) -> Outcome<Option<TaskStatus>> {
    if name.is_empty() {
        return Ok(None);
    }
    let names = TaskStatus::ALL.map(TaskStatus::name).join(", ");
    let known = TaskStatus::from_name(name);
    known.map(Some).ok_or_else(|| ClientError::Invalid(format!("status '{name}': expected one of {names}")))
}

/// A limit as a client states it.
pub(super) fn limit_of(stated: u32) -> Outcome<usize> {
    match stated as usize {
        0 => Ok(LISTED),
        limit if limit <= LISTED_AT_MOST => Ok(limit),
        limit => Err(ClientError::Invalid(format!("limit {limit}: expected at most {LISTED_AT_MOST}"))),
    }
}

fn task_of(record: TaskRecord) -> v1::TaskRecord {
    task_message(&TaskView { record, stopping: false })
}

#[tonic::async_trait]
impl ClientService for ForClients {
    async fn submit_tasks(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitReply>, Status> {
        let (tasks, count) = (request.into_inner().tasks, 0..);
        let read = |(place, task): (usize, v1::Submission)| {
            Submission::try_from(task).map_err(|refused| ClientError::Refused { place: Some(place), refused })
        };
        let submissions = count.zip(tasks).map(read).collect::<Outcome<Vec<Submission>>>()?;
        let records = self.master.submit(check_all(submissions, &self.limits)?).await?;
        Ok(Response::new(v1::SubmitReply { tasks: records.into_iter().map(task_of).collect() }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksReply>, Status> {
        let request = request.into_inner();
        let filter = Filter {
            status: status_named(&request.status)?,
            user_id: optional(request.user_id),
            worker_id: optional(request.worker_id),
            limit: limit_of(request.limit)?,
        };
        let tasks = self.master.tasks(&filter).await?;
        Ok(Response::new(v1::ListTasksReply { tasks: tasks.into_iter().map(task_of).collect() }))
    }

    async fn get_task(&self, request: Request<v1::TaskId>) -> Result<Response<v1::TaskRecord>, Status> {
        let view = self.master.find(&request.into_inner().task_id).await?;
        Ok(Response::new(task_message(&view)))
    }

    type WatchTaskStream = Pin<Box<dyn Stream<Item = Result<v1::TaskRecord, Status>> + Send>>;

    async fn watch_task(
        &self,
        request: Request<v1::TaskId>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let views = self.master.watch(&request.into_inner().task_id).await?;
        let messages = views.map(|view| view.map(|view| task_message(&view)).map_err(Status::from));
        Ok(Response::new(Box::pin(messages)))
    }

    async fn cancel_task(&self, request: Request<v1::TaskId>) -> Result<Response<v1::TaskRecord>, Status> {
        let view = self.master.cancel(&request.into_inner().task_id).await?;
        Ok(Response::new(task_message(&view)))
    }

    type StreamLogsStream = LogStream;

    async fn stream_logs(
        &self,
        request: Request<v1::LogRequest>,
    ) -> Result<Response<Self::StreamLogsStream>, Status> {
        Ok(Response::new(self.master.logs(&self.carrier, request.into_inner()).await?))
    }

    async fn list_results(
        &self,
        request: Request<v1::ListResultsRequest>,
    ) -> Result<Response<v1::ListResultsReply>, Status> {
        let request = request.into_inner();
        let filter = Filter {
            status: status_named(&request.status)?,
            user_id: None,
            worker_id: optional(request.worker_id),
            limit: limit_of(request.limit)?,
        };
        let results = self.master.results(&filter).await?;
        Ok(Response::new(v1::ListResultsReply { results: results.into_iter().map(result_message).collect() }))
    }

    async fn why(&self, request: Request<v1::TaskId>) -> Result<Response<v1::WhyReply>, Status> {
        let why = self.master.why(&request.into_inner().task_id).await?;
        Ok(Response::new(why_message(why)))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersReply>, Status> {
        let workers = self.master.workers().await?;
        Ok(Response::new(v1::ListWorkersReply { workers: workers.iter().map(worker_message).collect() }))
    }

    async fn pre_register_worker(
        &self,
        request: Request<v1::PreRegistration>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let v1::PreRegistration { worker_id, worker_ip } = request.into_inner();
        let worker = self.master.worker(|ticket| Input::PreRegister(ticket, worker_id, worker_ip)).await?;
        Ok(Response::new(worker_message(&worker)))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let v1::DrainRequest { worker_id, undo } = request.into_inner();
        let worker = self.master.worker(|ticket| Input::Drain(ticket, worker_id, !undo)).await?;
        Ok(Response::new(worker_message(&worker)))
    }

    async fn forget_worker(
        &self,
        request: Request<v1::WorkerId>,
    ) -> Result<Response<v1::WorkerRecord>, Status> {
        let worker_id = request.into_inner().worker_id;
        let worker = self.master.worker(|ticket| Input::Forget(ticket, worker_id)).await?;
        Ok(Response::new(worker_message(&worker)))
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusReply>, Status> {
        let problem = self.master.store_problem();
        let status = v1::StatusReply {
            store: self.master.shared.store.name(),
            started_at: self.master.shared.started_at_us.div_euclid(1_000_000),
            store_ready: problem.is_none(),
            store_problem: problem.map(|(_, text)| text).unwrap_or_default(),
            ..status_message(self.master.status().await?)
        };
        Ok(Response::new(status))
    }

    async fn strategy(
        &self,
        request: Request<v1::StrategyRequest>,
    ) -> Result<Response<v1::StrategyReply>, Status> {
        let spec = request.into_inner().spec;
        let spec = if spec.is_empty() {
            self.master.status().await?.strategy
        } else {
            let spec: StrategySpec =
                spec.parse().map_err(|error| ClientError::Problem(Problem::Strategy(error)))?;
            let answer = self.master.ask(|ticket| Input::Switch(ticket, spec)).await?;
            expect_answer!(answer, Answer::Strategy(spec) => spec)?
        };
        Ok(Response::new(v1::StrategyReply { spec, known: self.strategies.clone() }))
    }
}
