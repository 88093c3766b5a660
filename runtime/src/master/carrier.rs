//! Messages of the master to its workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloudai_proto::v1;
use cloudai_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::core::{AttemptName, Delivery, Input};
use super::messages::assignment_of;
use crate::record::TaskRecord;
use crate::security::{DialError, Dialer};

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections to workers, by address.
#[derive(Clone, Debug)]
pub(super) struct Carrier {
    dialer: Dialer,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
}

impl Carrier {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { dialer, channels: Arc::default() }
    }

    /// A connection that is made when it is needed, and again when it has broken.
    pub(super) fn channel(&self, address: &str) -> Result<Channel, DialError> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = self.dialer.dial(address)?;
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    fn client(&self, address: &str) -> Result<Client, DialError> {
        Ok(WorkerServiceClient::with_interceptor(self.channel(address)?, self.dialer.token()))
    }

    /// Tells a worker to start an attempt, and the core what it answers.
    pub(super) fn assign(&self, address: String, task: TaskRecord, inbox: mpsc::UnboundedSender<Input>) {
        let carrier = self.clone();
        tokio::spawn(async move {
            let name = AttemptName { task_id: task.task_id.clone(), attempt: task.attempt };
            let asking = async { carrier.client(&address)?.assign_task(assignment_of(&task)).await };
            let delivery = match answer(asking, &address).await {
                Some(v1::TaskAck { accepted: true, .. }) => Delivery::Taken,
                Some(v1::TaskAck { stale: true, .. }) => Delivery::Stale,
                Some(refused) => Delivery::Refused(refused.reason),
                None => Delivery::Unanswered,
            };
            // The master may be stopping.
            let _ = inbox.send(Input::Assigned(name, delivery));
        });
    }

    /// Tells a worker to stop an attempt, and the core what it answers.
    pub(super) fn stop(&self, address: String, name: AttemptName, inbox: mpsc::UnboundedSender<Input>) {
        let carrier = self.clone();
        tokio::spawn(async move {
            let message = v1::TaskId {
                task_id: name.task_id.clone(),
                attempt: name.attempt,
                reason: "stop".to_owned(),
            };
            let asking = async { carrier.client(&address)?.cancel_task(message).await };
            let held = answer(asking, &address).await.map(|ack| ack.held);
            let _ = inbox.send(Input::Stopping(name, held));
        });
    }

    /// The output of an attempt, from its worker.
    pub(super) async fn logs(
        &self,
        address: &str,
        request: v1::LogRequest,
    ) -> Result<tonic::Streaming<v1::LogChunk>, tonic::Status> {
        Ok(self.client(address)?.stream_logs(request).await?.into_inner())
    }
}

type Client =
    WorkerServiceClient<tonic::service::interceptor::InterceptedService<Channel, crate::security::Token>>;

async fn answer(
    asking: impl Future<Output = Result<tonic::Response<v1::TaskAck>, tonic::Status>>,
    address: &str,
) -> Option<v1::TaskAck> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(ack)) => Some(ack.into_inner()),
        Ok(Err(status)) => {
            tracing::debug!(address, code = ?status.code(), message = status.message(), "a worker does not answer");
            None
        }
        Err(_) => {
            tracing::debug!(address, "a worker does not answer in time");
            None
        }
    }
}
