//! Workers and their heartbeats over HTTP and WebSocket.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Extracted;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::super::clients::ClientError;
use super::super::core::{Problem, WorkerView};
use super::super::shell::Master;
use super::{Failure, Id, State};

/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

fn last_update(view: &WorkerView) -> Option<i64> {
    view.last_heartbeat_us.map(|micros| micros.div_euclid(1_000_000))
}

/// What a worker's last heartbeat said. Usage in percent, memory in MiB.
fn telemetry(view: &WorkerView) -> Value {
    let beat = view.beat.as_ref();
    let held: Value = view
        .held
        .iter()
        .map(|task| {
            json!({
                "task_id": task.task_id,
                "cpu_allocated": task.cpu_allocated,
                "memory_allocated": task.memory_allocated,
                "gpu_allocated": task.gpu_allocated,
                "status": task.status,
            })
        })
        .collect();
    json!({
        "worker_id": view.record.worker_id,
        "cpu_usage": beat.map_or(0.0, |beat| beat.cpu_usage),
        "memory_usage": beat.map_or(0.0, |beat| beat.memory_usage),
        "gpu_usage": beat.map_or(0.0, |beat| beat.gpu_usage),
        "running_tasks": held,
        "last_update": last_update(view),
        "is_active": view.record.is_active,
    })
}

fn by_id(views: &[WorkerView], show: impl Fn(&WorkerView) -> Value) -> Json<Value> {
    let object: Map<String, Value> =
        views.iter().map(|view| (view.record.worker_id.clone(), show(view))).collect();
    Json(Value::Object(object))
}

pub(super) async fn health(Extracted(state): Extracted<State>) -> Result<Json<Value>, Failure> {
    let status = state.master.status().await?;
    let problem = state.master.store_problem();
    let mut health = json!({
        "status": if problem.is_none() { "healthy" } else { "degraded" },
        "time": state.master.shared.clock.unix_us().div_euclid(1_000_000),
        "active_clients": state.master.shared.clients.load(Ordering::Relaxed),
        "workers": status.workers,
        "active_workers": status.active_workers,
    });
    if let Some((since, problem)) = problem {
        health["store_problem"] = json!(problem);
        health["store_away_since"] = json!(since.div_euclid(1_000_000));
    }
    Ok(Json(health))
}

pub(super) async fn workers(Extracted(state): Extracted<State>) -> Result<Json<Value>, Failure> {
    let show = |view: &WorkerView| {
        json!({
            "worker_id": view.record.worker_id,
            "is_active": view.record.is_active,
            "running_tasks_count": view.running_tasks,
            "last_update": last_update(view),
            "state": view.state,
            "executor": view.record.executor,
            "address": view.record.worker_ip,
            "total_cpu": view.record.total_cpu,
            "total_memory": view.record.total_memory,
            "total_storage": view.record.total_storage,
            "total_gpu": view.record.total_gpu,
            "used_cpu": view.used_cpu,
            "used_memory": view.used_memory,
            "used_storage": view.used_storage,
            "used_gpu": view.used_gpu,
        })
    };
    Ok(by_id(&state.master.workers().await?, show))
}

pub(super) async fn all(Extracted(state): Extracted<State>) -> Result<Json<Value>, Failure> {
    Ok(by_id(&state.master.workers().await?, telemetry))
}

async fn find(master: &Master, worker_id: &str) -> Result<WorkerView, ClientError> {
    let views = master.workers().await?;
    let found = views.into_iter().find(|view| view.record.worker_id == worker_id);
    found.ok_or_else(|| Problem::UnknownWorker(worker_id.to_owned()).into())
}

pub(super) async fn one(
    Extracted(state): Extracted<State>,
    Id(worker_id): Id,
) -> Result<Json<Value>, Failure> {
    Ok(Json(telemetry(&find(&state.master, &worker_id).await?)))
}

type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

fn upgrade(upgrade: Upgrade) -> Result<WebSocketUpgrade, Failure> {
    // Telemetry flows one way: what clients send is small.
    let upgrade = upgrade.map(|upgrade| upgrade.max_message_size(64 << 10));
    upgrade.map_err(|rejection| Failure(StatusCode::BAD_REQUEST, rejection.body_text()))
}

pub(super) async fn watch_all(
    Extracted(state): Extracted<State>,
    requested: Upgrade,
) -> Result<Response, Failure> {
    Ok(upgrade(requested)?.on_upgrade(move |socket| watch(socket, state.master, None)))
}

pub(super) async fn watch_one(
    Extracted(state): Extracted<State>,
    Id(worker_id): Id,
    requested: Upgrade,
) -> Result<Response, Failure> {
    let requested = upgrade(requested)?;
    find(&state.master, &worker_id).await?;
    Ok(requested.on_upgrade(move |socket| watch(socket, state.master, Some(worker_id))))
}

/// Counts a client for as long as it lives.
struct Counted(Master);

impl Counted {
    fn new(master: Master) -> Self {
        master.shared.clients.fetch_add(1, Ordering::Relaxed);
        Self(master)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.shared.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One message for each heartbeat, and for each change of a worker's state. A client that does not keep up misses some; the
/// master does not wait for it.
async fn watch(mut socket: WebSocket, master: Master, only: Option<String>) {
    let mut heard = master.shared.telemetry.subscribe();
    let counted = Counted::new(master);
    let mut ping = tokio::time::interval(PING);
    loop {
        let message = tokio::select! {
            view = heard.recv() => match view {
                Ok(view) if only.as_ref().is_none_or(|only| *only == view.record.worker_id) => {
                    Message::text(telemetry(&view).to_string())
                }
                Ok(_) => continue,
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "a WebSocket client does not keep up");
                    continue;
                }
                Err(RecvError::Closed) => break,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                // What a client says is no business of ours; pings are answered by the library.
                Some(Ok(_)) => continue,
            },
            _ = ping.tick() => Message::Ping(axum::body::Bytes::new()),
        };
        if socket.send(message).await.is_err() {
            break;
        }
    }
    drop(counted);
}
