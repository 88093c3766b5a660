//! Tasks over HTTP.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State as Extracted};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cloudai_proto::v1;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::clients::{ClientError, check_all, limit_of, status_named};
use super::super::core::{Problem, TaskView};
use super::super::submission::Submission;
use super::{Failure, Id, State};
use crate::record::{ResultRecord, TaskRecord, UnixMicros};
use crate::store::Filter;

fn seconds(micros: Option<UnixMicros>) -> Option<i64> {
    micros.map(|micros| micros.div_euclid(1_000_000))
}

/// The TASKS document.
fn document(view: &TaskView) -> Value {
    let (record, request) = (&view.record, &view.record.request);
    json!({
        "task_id": record.task_id,
        "user_id": request.user_id,
        "name": request.name,
        "docker_image": request.docker_image,
        "command": request.command,
        "cpu_cores": request.cpu_cores,
        "memory_gb": request.memory_gb,
        "storage_gb": request.storage_gb,
        "gpu_cores": request.gpu_cores,
        "gpu_models": request.gpu_models,
        "priority": request.priority,
        "deadline": seconds(request.deadline_us),
        "estimate_s": request.estimate_s,
        "labels": request.labels,
        "env": request.env,
        "on_disconnect": request.on_disconnect,
        "worker_id": request.pinned_to,
        "emulated_s": request.emulated_s,
        "status": record.status,
        "stopping": view.stopping,
        "assigned_worker": record.assigned_worker,
        "attempt": record.attempt,
        "created_at": seconds(Some(record.created_at_us)),
        "started_at": seconds(record.started_at_us),
        "completed_at": seconds(record.completed_at_us),
        "exit_code": record.exit_code,
        "reason": record.reason,
    })
}

fn result_document(result: &ResultRecord) -> Value {
    json!({
        "task_id": result.task_id,
        "worker_id": result.worker_id,
        "status": result.status,
        "exit_code": result.exit_code,
        "logs": result.logs,
        "execution_time": result.execution_time,
        "completed_at": seconds(Some(result.completed_at_us)),
        "attempt": result.attempt,
        "reason": result.reason,
        "cpu_s": result.cpu_s,
        "peak_memory_mib": result.peak_memory_mib,
    })
}

fn bad(text: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, text.into())
}

/// One task, or an array of them: all are taken, or none.
pub(super) async fn submit(
    Extracted(state): Extracted<State>,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, Failure> {
    let body = body.map_err(|rejection| Failure(rejection.status(), rejection.body_text()))?;
    let batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let submissions: Vec<Submission> = if batch {
        serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}")))?
    } else {
        vec![serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}")))?]
    };
    let records = state.master.submit(check_all(submissions, &state.limits)?).await?;
    let short = |record: &TaskRecord| json!({ "task_id": record.task_id, "status": record.status });
    let answer = match records.as_slice() {
        [record] if !batch => short(record),
        records => records.iter().map(short).collect(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    status: String,
    user_id: Option<String>,
    worker_id: Option<String>,
    limit: u32,
}

pub(super) async fn list(
    Extracted(state): Extracted<State>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let Query(query) = query.map_err(|rejection| bad(rejection.body_text()))?;
    let filter = Filter {
        status: status_named(&query.status)?,
        user_id: query.user_id,
        worker_id: query.worker_id,
        limit: limit_of(query.limit)?,
    };
    let records = state.master.tasks(&filter).await?;
    let tasks = records.into_iter().map(|record| document(&TaskView { record, stopping: false }));
    Ok(Json(tasks.collect()))
}

pub(super) async fn show(
    Extracted(state): Extracted<State>,
    Id(task_id): Id,
) -> Result<Json<Value>, Failure> {
    Ok(Json(document(&state.master.find(&task_id).await?)))
}

pub(super) async fn cancel(
    Extracted(state): Extracted<State>,
    Id(task_id): Id,
) -> Result<Json<Value>, Failure> {
    Ok(Json(document(&state.master.cancel(&task_id).await?)))
}

pub(super) async fn result(
    Extracted(state): Extracted<State>,
    Id(task_id): Id,
) -> Result<Json<Value>, Failure> {
    match state.master.shared.store.result(&task_id).await.map_err(ClientError::from)? {
        Some(result) => Ok(Json(result_document(&result))),
        None => {
            let view = state.master.find(&task_id).await?;
            let text = format!("task '{task_id}' is {}: it has no result yet", view.record.status);
            Err(Failure(StatusCode::NOT_FOUND, text))
        }
    }
}

pub(super) async fn why(Extracted(state): Extracted<State>, Id(task_id): Id) -> Result<Json<Value>, Failure> {
    let why = state.master.why(&task_id).await?;
    let refusal = |worker: &super::super::core::WorkerRefusal| json!({ "worker_id": worker.worker_id, "reason": worker.reason });
    let workers: Value = why.workers.iter().map(refusal).collect();
    Ok(Json(json!({ "task_id": task_id, "summary": why.summary, "workers": workers })))
}

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogsQuery {
    attempt: u32,
    follow: bool,
    /// stdout or stderr; both if empty.
    stream: String,
}

pub(super) async fn logs(
    Extracted(state): Extracted<State>,
    Id(task_id): Id,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Failure> {
    let Query(query) = query.map_err(|rejection| bad(rejection.body_text()))?;
    if !matches!(query.stream.as_str(), "" | "stdout" | "stderr") {
        return Err(bad(format!("stream '{}': expected stdout or stderr", query.stream)));
    }
    let request = v1::LogRequest { task_id: task_id.clone(), attempt: query.attempt, follow: query.follow };
    let chunks = match state.master.logs(&state.carrier, request).await {
        // A task that has not started has no output, and may yet have some.
        Err(ClientError::Logs(why)) => {
            return Err(Failure(StatusCode::CONFLICT, format!("task '{task_id}': {why}")));
        }
        Err(ClientError::Problem(Problem::UnknownTask(id))) => {
            return Err(ClientError::Problem(Problem::UnknownTask(id)).into());
        }
        other => other?,
    };
    let wanted = query.stream;
    let chunks = chunks.try_filter_map(move |chunk| {
        let wanted = wanted.is_empty() || wanted == chunk.stream;
        async move { Ok(wanted.then(|| Bytes::from(chunk.data))) }
    });
    let body = Body::from_stream(chunks.map_err(std::io::Error::other));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body))
}
