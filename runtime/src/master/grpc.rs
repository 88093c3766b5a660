//! What workers say: `MasterService`.

use cloudai_proto::v1;
use cloudai_proto::v1::master_service_server::MasterService;
use tonic::{Request, Response, Status};

use super::core::{Answer, Input, Problem};
use super::messages::{beat_of, registration_of, report_of, stop_list};
use super::shell::{Master, Stopped, add};

/// Serves workers.
#[derive(Clone, Debug)]
pub(super) struct ForWorkers {
    pub(super) master: Master,
    /// In seconds: how often workers are to say that they live, and how long a lease lasts.
    pub(super) heartbeat_interval_s: f64,
    pub(super) lease_s: f64,
}

impl From<Stopped> for Status {
    fn from(stopped: Stopped) -> Self {
        Self::unavailable(stopped.to_string())
    }
}

/// The core has answered with something else than was asked: a bug.
pub(super) fn unexpected(answer: &Answer) -> Status {
    tracing::error!(?answer, "an answer to another question");
    Status::internal("an answer to another question")
}

#[tonic::async_trait]
impl MasterService for ForWorkers {
    async fn register_worker(
        &self,
        request: Request<v1::WorkerInfo>,
    ) -> Result<Response<v1::RegisterAck>, Status> {
        let peer = request.remote_addr().map(|address| address.ip().to_string()).unwrap_or_default();
        let registration = Box::new(registration_of(request.into_inner(), &peer));
        let ack = match self.master.ask(|ticket| Input::Register(ticket, registration)).await? {
            Answer::Registered(stop) => v1::RegisterAck {
                accepted: true,
                reason: String::new(),
                heartbeat_interval_s: self.heartbeat_interval_s,
                lease_s: self.lease_s,
                stop: stop_list(stop),
                taken: false,
            },
            Answer::Problem(problem) => v1::RegisterAck {
                taken: matches!(problem, Problem::WorkerTaken(_)),
                reason: problem.to_string(),
                ..v1::RegisterAck::default()
            },
            other => return Err(unexpected(&other)),
        };
        Ok(Response::new(ack))
    }

    async fn send_heartbeat(
        &self,
        request: Request<v1::Heartbeat>,
    ) -> Result<Response<v1::HeartbeatAck>, Status> {
        add(&self.master.shared.counters.heartbeats, 1);
        let beat = beat_of(request.into_inner());
        let ack = match self.master.ask(|ticket| Input::Heartbeat(ticket, beat)).await? {
            Answer::Alive(stop) => {
                v1::HeartbeatAck { accepted: true, register: false, stop: stop_list(stop) }
            }
            Answer::RegisterFirst => v1::HeartbeatAck { register: true, ..v1::HeartbeatAck::default() },
            other => return Err(unexpected(&other)),
        };
        Ok(Response::new(ack))
    }

    async fn report_task_completion(
        &self,
        request: Request<v1::TaskResult>,
    ) -> Result<Response<v1::ResultAck>, Status> {
        let result = request.into_inner();
        let status = result.status.clone();
        let report = report_of(result).ok_or_else(|| {
            Status::invalid_argument(format!("status '{status}': expected completed, failed or cancelled"))
        })?;
        match self.master.ask(|ticket| Input::Report(ticket, Box::new(report))).await? {
            Answer::Stored => Ok(Response::new(v1::ResultAck { stored: true })),
            other => Err(unexpected(&other)),
        }
    }
}
