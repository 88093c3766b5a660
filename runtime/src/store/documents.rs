//! What MongoDB keeps: the same records, under the names that its users look for.
//!
//! A time is a date, of milliseconds, for people and their queries, and beside it under the same name with `_us` the exact
//! microseconds, which is what is read back. Maps with keys of users' choice (labels, environment) are arrays of `{name, value}`: a
//! key may have dots and dollars, which names of fields may not everywhere. Unsigned 64-bit numbers are stored as signed ones of the
//! same bits, as BSON has no others.

use std::collections::BTreeMap;

use mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};

use crate::record::{
    Assignment, JournalEntry, OnDisconnect, ResultRecord, Status, TaskRecord, TaskRequest, UnixMicros,
    WorkerRecord,
};

/// A document of TASKS.
#[derive(Serialize, Deserialize)]
pub(super) struct TaskDocument {
    task_id: String,
    user_id: String,
    docker_image: String,
    command: Option<Vec<String>>,
    cpu_cores: f64,
    memory_gb: f64,
    storage_gb: f64,
    gpu_cores: f64,
    status: Status,
    assigned_worker: Option<String>,
    created_at: DateTime,
    started_at: Option<DateTime>,
    completed_at: Option<DateTime>,
    created_at_us: UnixMicros,
    started_at_us: Option<UnixMicros>,
    completed_at_us: Option<UnixMicros>,
    index: u32,
    name: String,
    gpu_models: Vec<String>,
    priority: i32,
    deadline: Option<DateTime>,
    deadline_us: Option<UnixMicros>,
    estimate_s: Option<f64>,
    labels: Vec<Pair>,
    env: Vec<Pair>,
    on_disconnect: OnDisconnect,
    pinned_to: Option<String>,
    emulated_s: f64,
    attempt: u32,
    assignment: Option<AssignmentDocument>,
    failed_starts: u32,
    cancel_requested: bool,
    exit_code: Option<i32>,
    reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct AssignmentDocument {
    worker_id: String,
    session: i64,
    gpu_devices: Vec<u32>,
    assigned_at: DateTime,
    assigned_at_us: UnixMicros,
}

/// An entry of a map.
#[derive(Serialize, Deserialize)]
struct Pair {
    name: String,
    value: String,
}

/// A document of `WORKER_REGISTRY`.
#[derive(Serialize, Deserialize)]
pub(super) struct WorkerDocument {
    worker_id: String,
    worker_ip: String,
    total_cpu: f64,
    total_memory: f64,
    total_storage: f64,
    total_gpu: f64,
    is_active: bool,
    last_heartbeat: Option<DateTime>,
    registered_at: DateTime,
    updated_at: DateTime,
    last_heartbeat_us: Option<UnixMicros>,
    registered_at_us: UnixMicros,
    updated_at_us: UnixMicros,
    index: u32,
    gpu_model: String,
    labels: Vec<Pair>,
    executor: String,
    version: String,
    identity: String,
    registration: i64,
    draining: bool,
    forgotten: bool,
}

/// A document of RESULTS.
#[derive(Serialize, Deserialize)]
pub(super) struct ResultDocument {
    task_id: String,
    worker_id: String,
    status: Status,
    exit_code: i32,
    logs: String,
    execution_time: f64,
    completed_at: DateTime,
    completed_at_us: UnixMicros,
    attempt: u32,
    reason: Option<String>,
    cpu_s: f64,
    peak_memory_mib: f64,
}

/// A document of SETTINGS.
#[derive(Serialize, Deserialize)]
pub(super) struct SettingDocument {
    #[serde(rename = "_id")]
    pub(super) key: String,
    pub(super) value: String,
}

/// A document of JOURNAL. `data` is JSON as text: its fields are those of many kinds of entries, and what is exported must be what
/// was written.
#[derive(Serialize, Deserialize)]
pub(super) struct JournalDocument {
    #[serde(rename = "_id")]
    pub(super) seq: i64,
    at: DateTime,
    at_us: UnixMicros,
    kind: String,
    data: String,
}

/// The millisecond in which an instant lies.
fn date(micros: UnixMicros) -> DateTime {
    DateTime::from_millis(micros.div_euclid(1000))
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<Pair> {
    map.iter().map(|(name, value)| Pair { name: name.clone(), value: value.clone() }).collect()
}

fn map(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.name, pair.value)).collect()
}

impl From<&TaskRecord> for TaskDocument {
    fn from(task: &TaskRecord) -> Self {
        let request = task.request.clone();
        Self {
            task_id: task.task_id.clone(),
            user_id: request.user_id,
            docker_image: request.docker_image,
            command: Some(request.command).filter(|words| !words.is_empty()),
            cpu_cores: request.cpu_cores,
            memory_gb: request.memory_gb,
            storage_gb: request.storage_gb,
            gpu_cores: request.gpu_cores,
            status: task.status,
            assigned_worker: task.assigned_worker.clone(),
            created_at: date(task.created_at_us),
            started_at: task.started_at_us.map(date),
            completed_at: task.completed_at_us.map(date),
            created_at_us: task.created_at_us,
            started_at_us: task.started_at_us,
            completed_at_us: task.completed_at_us,
            index: task.index,
            name: request.name,
            gpu_models: request.gpu_models,
            priority: request.priority,
            deadline: request.deadline_us.map(date),
            deadline_us: request.deadline_us,
            estimate_s: request.estimate_s,
            labels: pairs(&request.labels),
            env: pairs(&request.env),
            on_disconnect: request.on_disconnect,
            pinned_to: request.pinned_to,
            emulated_s: request.emulated_s,
            attempt: task.attempt,
            assignment: task.assignment.as_ref().map(|assignment| AssignmentDocument {
                worker_id: assignment.worker_id.clone(),
                session: assignment.session.cast_signed(),
                gpu_devices: assignment.gpu_devices.clone(),
                assigned_at: date(assignment.assigned_at_us),
                assigned_at_us: assignment.assigned_at_us,
            }),
            failed_starts: task.failed_starts,
            cancel_requested: task.cancel_requested,
            exit_code: task.exit_code,
            reason: task.reason.clone(),
        }
    }
}

impl From<TaskDocument> for TaskRecord {
    fn from(document: TaskDocument) -> Self {
        Self {
            task_id: document.task_id,
            index: document.index,
            request: TaskRequest {
                user_id: document.user_id,
                name: document.name,
                docker_image: document.docker_image,
                command: document.command.unwrap_or_default(),
                cpu_cores: document.cpu_cores,
                memory_gb: document.memory_gb,
                storage_gb: document.storage_gb,
                gpu_cores: document.gpu_cores,
                gpu_models: document.gpu_models,
                priority: document.priority,
                deadline_us: document.deadline_us,
                estimate_s: document.estimate_s,
                labels: map(document.labels),
                env: map(document.env),
                on_disconnect: document.on_disconnect,
                pinned_to: document.pinned_to,
                emulated_s: document.emulated_s,
            },
            status: document.status,
            attempt: document.attempt,
            assignment: document.assignment.map(|assignment| Assignment {
                worker_id: assignment.worker_id,
                session: assignment.session.cast_unsigned(),
                gpu_devices: assignment.gpu_devices,
                assigned_at_us: assignment.assigned_at_us,
            }),
            assigned_worker: document.assigned_worker,
            failed_starts: document.failed_starts,
            cancel_requested: document.cancel_requested,
            created_at_us: document.created_at_us,
            started_at_us: document.started_at_us,
            completed_at_us: document.completed_at_us,
            exit_code: document.exit_code,
            reason: document.reason,
        }
    }
}

impl From<&WorkerRecord> for WorkerDocument {
    fn from(worker: &WorkerRecord) -> Self {
        Self {
            worker_id: worker.worker_id.clone(),
            worker_ip: worker.worker_ip.clone(),
            total_cpu: worker.total_cpu,
            total_memory: worker.total_memory,
            total_storage: worker.total_storage,
            total_gpu: worker.total_gpu,
            is_active: worker.is_active,
            last_heartbeat: worker.last_heartbeat_us.map(date),
            registered_at: date(worker.registered_at_us),
            updated_at: date(worker.updated_at_us),
            last_heartbeat_us: worker.last_heartbeat_us,
            registered_at_us: worker.registered_at_us,
            updated_at_us: worker.updated_at_us,
            index: worker.index,
            gpu_model: worker.gpu_model.clone(),
            labels: pairs(&worker.labels),
            executor: worker.executor.clone(),
            version: worker.version.clone(),
            identity: worker.identity.clone(),
            registration: worker.registration.cast_signed(),
            draining: worker.draining,
            forgotten: worker.forgotten,
        }
    }
}

impl From<WorkerDocument> for WorkerRecord {
    fn from(document: WorkerDocument) -> Self {
        Self {
            worker_id: document.worker_id,
            index: document.index,
            worker_ip: document.worker_ip,
            total_cpu: document.total_cpu,
            total_memory: document.total_memory,
            total_storage: document.total_storage,
            total_gpu: document.total_gpu,
            gpu_model: document.gpu_model,
            labels: map(document.labels),
            executor: document.executor,
            version: document.version,
            identity: document.identity,
            registration: document.registration.cast_unsigned(),
            is_active: document.is_active,
            draining: document.draining,
            forgotten: document.forgotten,
            last_heartbeat_us: document.last_heartbeat_us,
            registered_at_us: document.registered_at_us,
            updated_at_us: document.updated_at_us,
        }
    }
}

impl From<&ResultRecord> for ResultDocument {
    fn from(result: &ResultRecord) -> Self {
        Self {
            task_id: result.task_id.clone(),
            worker_id: result.worker_id.clone(),
            status: result.status,
            exit_code: result.exit_code,
            logs: result.logs.clone(),
            execution_time: result.execution_time,
            completed_at: date(result.completed_at_us),
            completed_at_us: result.completed_at_us,
            attempt: result.attempt,
            reason: result.reason.clone(),
            cpu_s: result.cpu_s,
            peak_memory_mib: result.peak_memory_mib,
        }
    }
}

impl From<ResultDocument> for ResultRecord {
    fn from(document: ResultDocument) -> Self {
        Self {
            task_id: document.task_id,
            worker_id: document.worker_id,
            status: document.status,
            exit_code: document.exit_code,
            logs: document.logs,
            execution_time: document.execution_time,
            completed_at_us: document.completed_at_us,
            attempt: document.attempt,
            reason: document.reason,
            cpu_s: document.cpu_s,
            peak_memory_mib: document.peak_memory_mib,
        }
    }
}

impl From<&JournalEntry> for JournalDocument {
    fn from(entry: &JournalEntry) -> Self {
        Self {
            // Numbers grow by one from 0: none is as high as 2^63.
            seq: entry.seq.cast_signed(),
            at: date(entry.at_us),
            at_us: entry.at_us,
            kind: entry.kind.clone(),
            data: entry.data.to_string(),
        }
    }
}

impl TryFrom<JournalDocument> for JournalEntry {
    type Error = serde_json::Error;

    fn try_from(document: JournalDocument) -> Result<Self, serde_json::Error> {
        let data = serde_json::from_str(&document.data)?;
        let seq = document.seq.cast_unsigned();
        Ok(Self { seq, at_us: document.at_us, kind: document.kind, data })
    }
}
