//! Runs containers through the Docker Engine.
//!
//! A container is named and labelled after its attempt and carries this data folder's identity, so that a restarted worker
//! finds its own and no others. It gets the CPU and memory limits of its task, a limit of processes and no new privileges,
//! and sees the GPU devices that were assigned. Storage and fractions of a GPU are accounted for, not enforced.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, DeviceRequest, HostConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use cloudai_proto::v1;
use futures_util::StreamExt as _;

use super::credentials::credentials_for;
use super::docker_output::{Output, Usage, parse_time};
use super::{BoxFuture, Executor, Job, LogFiles, StopSignal};
use crate::worker::clock::unix_now_us;
use crate::worker::events::{AttemptKey, Found, FoundState, Outcome};
use crate::worker::folder::{DataFolder, LogFolder};
use crate::worker::{WorkerError, WorkerSettings};

const TASK: &str = "cloudai.task";
const ATTEMPT: &str = "cloudai.attempt";
const WORKER: &str = "cloudai.worker";
const IDENTITY: &str = "cloudai.identity";
const ON_DISCONNECT: &str = "cloudai.on_disconnect";

/// What the reason of a task begins with whose image does not exist: to try again is of no use.
pub const NO_SUCH_IMAGE: &str = "no such image";

/// Docker refuses less.
const LEAST_MEMORY: i64 = 6 << 20;
const LEAST_NANO_CPUS: i64 = 10_000_000;
/// Pause before the engine is asked again that did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Runs containers. See the [module](self).
#[derive(Clone, Debug)]
pub struct DockerExecutor {
    docker: Docker,
    worker_id: String,
    identity: String,
    logs: LogFolder,
    config: PathBuf,
    grace: Duration,
    pids_limit: i64,
}

impl DockerExecutor {
    /// Connects to the Docker Engine of this machine, or the one that DOCKER_HOST names.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn connect(settings: &WorkerSettings, folder: &DataFolder) -> Result<Self, WorkerError> {
        let unusable = |error: Error| WorkerError::Executor { executor: "docker", reason: said(&error) };
        let docker = Docker::connect_with_defaults().map_err(unusable)?;
        let docker = docker.negotiate_version().await.map_err(unusable)?;
        Ok(Self {
            docker,
            worker_id: settings.worker_id.clone(),
            identity: folder.identity().to_owned(),
            logs: folder.logs(),
            config: settings.docker_config.clone(),
            grace: settings.stop_grace,
            pids_limit: settings.pids_limit,
        })
    }

    fn container(&self, key: &AttemptKey) -> String {
        // Two workers of one machine, of two clusters, may know the same task.
        format!("cloudai-{key}-{}", self.identity.get(..8).unwrap_or(&self.identity))
    }

    /// Pulls the image if it is not here.
    async fn ensure_image(&self, image: &str) -> Result<(), String> {
        match self.docker.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(format!("cannot look for image {image}: {}", said(&error))),
        }
        let credentials = credentials_for(image, &self.config).await?;
        let mut options = CreateImageOptionsBuilder::default().from_image(image);
        let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
        if !name.contains([':', '@']) {
            // Without a tag the engine would pull all there are.
            options = options.tag("latest");
        }
        tracing::info!(image, "pulling");
        let mut progress = self.docker.create_image(Some(options.build()), None, credentials);
        while let Some(step) = progress.next().await {
            if let Err(error) = step {
                let text = said(&error);
                let absent = ["manifest unknown", "not found", "does not exist", "name unknown"];
                let absent = is_missing(&error) || absent.iter().any(|words| text.contains(words));
                return Err(if absent {
                    format!("{NO_SUCH_IMAGE}: {image}: {text}")
                } else {
                    format!("cannot pull image {image}: {text}")
                });
            }
        }
        Ok(())
    }

    fn description(&self, task: &v1::Task) -> ContainerCreateBody {
        let labels = [
            (TASK, task.task_id.clone()),
            (ATTEMPT, task.attempt.to_string()),
            (WORKER, self.worker_id.clone()),
            (IDENTITY, self.identity.clone()),
            (ON_DISCONNECT, task.on_disconnect.clone()),
        ];
        let mut env: Vec<String> = task.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        env.sort_unstable();
        // The last one of a name counts.
        env.push(format!("CLOUDAI_TASK_ID={}", task.task_id));
        env.push(format!("CLOUDAI_ATTEMPT={}", task.attempt));
        let memory = (task.memory_gb > 0.0).then(|| memory_limit(task));
        let gpus = DeviceRequest {
            device_ids: Some(task.gpu_devices.iter().map(u32::to_string).collect()),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        };
        ContainerCreateBody {
            image: Some(task.docker_image.clone()),
            cmd: Some(task.command.clone()).filter(|words| !words.is_empty()),
            env: Some(env),
            labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            host_config: Some(HostConfig {
                nano_cpus: (task.cpu_cores > 0.0)
                    .then(|| ((task.cpu_cores * 1e9) as i64).max(LEAST_NANO_CPUS)),
                memory,
                // Equal: no swap beyond it.
                memory_swap: memory,
                pids_limit: Some(self.pids_limit),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                device_requests: (!task.gpu_devices.is_empty()).then(|| vec![gpus]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    async fn start(&self, task: &v1::Task, stop: &mut StopSignal) -> Result<(), String> {
        let stopped = || "stopped before it started".to_owned();
        tokio::select! {
            biased;
            () = stop.wait() => return Err(stopped()),
            image = self.ensure_image(&task.docker_image) => image?,
        }
        let name = self.container(&AttemptKey::of(task));
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        self.docker.create_container(Some(options), self.description(task)).await.map_err(|error| {
            format!("cannot create a container of {}: {}", task.docker_image, said(&error))
        })?;
        if stop.is_on() {
            return Err(stopped());
        }
        self.docker
            .start_container(&name, None)
            .await
            .map_err(|error| format!("cannot start a container of {}: {}", task.docker_image, said(&error)))
    }

    /// Asks until the engine answers: while it is away, containers may go on. None: there is no such container.
    async fn inspect(&self, name: &str) -> Option<ContainerInspectResponse> {
        loop {
            match self.docker.inspect_container(name, None).await {
                Ok(container) => return Some(container),
                Err(error) if is_missing(&error) => return None,
                Err(error) => tracing::warn!(name, error = said(&error), "cannot look at a container"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Returns when a container does not run any more.
    async fn wait(&self, name: &str) {
        loop {
            let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
            // An exit code other than 0 is an error to this library; what was is asked below.
            let answer = self.docker.wait_container(name, Some(options)).next().await;
            let running =
                |c: &ContainerInspectResponse| c.state.as_ref().and_then(|s| s.running).unwrap_or(false);
            if !self.inspect(name).await.is_some_and(|container| running(&container)) {
                return;
            }
            if !matches!(answer, Some(Ok(_))) {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn kill(&self, name: &str, signal: &str) {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        if let Err(error) = self.docker.kill_container(name, Some(options)).await {
            tracing::debug!(name, error = said(&error), "cannot signal a container");
        }
    }

    /// Sees a container through that has started.
    async fn follow(&self, task: &v1::Task, logs: &LogFiles, stop: &mut StopSignal) -> Outcome {
        let name = self.container(&AttemptKey::of(task));
        let output = Output::follow(self.docker.clone(), name.clone(), logs.clone());
        let usage = Usage::watch(self.docker.clone(), name.clone());
        {
            let ended = self.wait(&name);
            tokio::pin!(ended);
            let asked = tokio::select! {
                () = &mut ended => false,
                () = stop.wait() => true,
            };
            if asked {
                self.kill(&name, "SIGTERM").await;
                if tokio::time::timeout(self.grace, &mut ended).await.is_err() {
                    // Until it is gone: the engine may not have heard.
                    loop {
                        self.kill(&name, "SIGKILL").await;
                        if tokio::time::timeout(5 * RETRY, &mut ended).await.is_ok() {
                            break;
                        }
                    }
                }
            }
        }
        output.finish().await;
        let container = self.inspect(&name).await;
        Outcome { usage: usage.last(), ..outcome(task.memory_gb, container.as_ref()) }
    }

    /// Removes a container; it is gone when this returns.
    async fn remove_now(&self, name: &str) {
        loop {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match self.docker.remove_container(name, Some(options)).await {
                Ok(()) => return,
                Err(error) if is_missing(&error) => return,
                Err(error) => tracing::warn!(name, error = said(&error), "cannot remove a container"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn find(&self) -> Result<Vec<Found>, String> {
        let label = format!("{IDENTITY}={}", self.identity);
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await.map_err(|error| said(&error))?;
        let mut found = Vec::new();
        for summary in listed {
            let labels = summary.labels.unwrap_or_default();
            let (Some(task_id), Some(attempt)) =
                (labels.get(TASK), labels.get(ATTEMPT).and_then(|n| n.parse().ok()))
            else {
                continue;
            };
            let key = AttemptKey { task_id: task_id.clone(), attempt };
            let name = self.container(&key);
            let Some(container) = self.inspect(&name).await else { continue };
            let state = container.state.clone().unwrap_or_default();
            let state = match state.status {
                Some(ContainerStateStatusEnum::CREATED) => FoundState::NeverStarted,
                Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
                    Output::collect(&self.docker, &name, &self.logs.files(&key)).await;
                    let memory = container.host_config.as_ref().and_then(|config| config.memory).unwrap_or(0);
                    FoundState::Ended(outcome(memory as f64 / f64::from(1 << 30), Some(&container)))
                }
                _ => FoundState::Running { started_at_us: time(state.started_at.as_deref()) },
            };
            found.push(Found { key, state });
        }
        Ok(found)
    }
}

impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn run(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        let this = self.clone();
        Box::pin(async move {
            let Job { task, logs, started, mut stop } = job;
            if let Err(problem) = this.start(&task, &mut stop).await {
                // The engine may have started what it did not confirm: nothing may run once this is said.
                this.remove_now(&this.container(&AttemptKey::of(&task))).await;
                return Err(problem);
            }
            started.send(unix_now_us());
            Ok(this.follow(&task, &logs, &mut stop).await)
        })
    }

    fn resume(&self, job: Job) -> BoxFuture<Result<Outcome, String>> {
        let this = self.clone();
        Box::pin(async move {
            let Job { task, logs, mut stop, .. } = job;
            Ok(this.follow(&task, &logs, &mut stop).await)
        })
    }

    fn adopt(&self) -> BoxFuture<Result<Vec<Found>, String>> {
        let this = self.clone();
        Box::pin(async move { this.find().await })
    }

    fn remove(&self, key: AttemptKey) -> BoxFuture<()> {
        let this = self.clone();
        Box::pin(async move { this.remove_now(&this.container(&key)).await })
    }
}

/// The containers of this identity that run and must not outlive the lease, and what stops each.
pub(in crate::worker) async fn stops(identity: &str, grace: Duration) -> Vec<(AttemptKey, BoxFuture<()>)> {
    let mut stops: Vec<(AttemptKey, BoxFuture<()>)> = Vec::new();
    // An engine that does not answer is asked again in the next round.
    for (docker, key, id) in bound_to_lease(identity).await.unwrap_or_default() {
        let seconds = i32::try_from(grace.as_secs_f64().ceil() as i64).unwrap_or(i32::MAX);
        stops.push((
            key,
            Box::pin(async move {
                // SIGTERM, and SIGKILL after that time.
                let options = StopContainerOptionsBuilder::default().signal("SIGTERM").t(seconds).build();
                let _ = docker.stop_container(&id, Some(options)).await;
            }),
        ));
    }
    stops
}

/// True if a container runs that [`stops`] would stop, or if nobody knows.
pub(in crate::worker) async fn are_any(identity: &str) -> bool {
    bound_to_lease(identity).await.is_none_or(|containers| !containers.is_empty())
}

async fn bound_to_lease(identity: &str) -> Option<Vec<(Docker, AttemptKey, String)>> {
    let docker = Docker::connect_with_defaults().ok()?.negotiate_version().await.ok()?;
    let label = format!("{IDENTITY}={identity}");
    let filters = HashMap::from([("label", vec![label.as_str()])]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    let running = docker.list_containers(Some(options)).await.ok()?;
    let bound = running.into_iter().filter_map(|container| {
        let labels = container.labels?;
        let attempt = labels.get(ATTEMPT)?.parse().ok()?;
        let key = AttemptKey { task_id: labels.get(TASK)?.clone(), attempt };
        let keeps = labels.get(ON_DISCONNECT).is_some_and(|choice| choice == "keep");
        (!keeps).then_some((docker.clone(), key, container.id?))
    });
    Some(bound.collect())
}

fn memory_limit(task: &v1::Task) -> i64 {
    ((task.memory_gb * f64::from(1 << 30)) as i64).max(LEAST_MEMORY)
}

fn outcome(memory_gb: f64, container: Option<&ContainerInspectResponse>) -> Outcome {
    let Some(state) = container.and_then(|container| container.state.clone()) else {
        let reason = "its container was removed by somebody else".to_owned();
        return Outcome { exit_code: 137, reason, ended_at_us: unix_now_us(), ..Outcome::default() };
    };
    let exit_code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
    let reason = match state.error.filter(|error| !error.is_empty()) {
        // Something in it was killed; it may have gone on, and ended well.
        _ if state.oom_killed == Some(true) && exit_code != 0 => {
            format!("out of memory: limit of {:.0} MB", memory_gb * 1024.0)
        }
        Some(error) => error,
        None => String::new(),
    };
    Outcome {
        exit_code,
        reason,
        started_at_us: time(state.started_at.as_deref()),
        ended_at_us: Some(time(state.finished_at.as_deref()))
            .filter(|at| *at > 0)
            .unwrap_or_else(unix_now_us),
        ..Outcome::default()
    }
}

fn time(text: Option<&str>) -> i64 {
    text.and_then(parse_time).unwrap_or(0)
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// What the engine says, without what the library says around it.
fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    }
}
