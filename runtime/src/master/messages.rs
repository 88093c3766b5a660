//! Between the messages of the protocol and what the core and the records have.

use cloudai_proto::v1;

use super::core::{AttemptName, Beat, ClusterStatus, Held, Registration, Report, TaskView, Why, WorkerView};
use crate::record::{OnDisconnect, ResultRecord, Status, TaskRecord, UnixMicros, WorkerRecord};

/// Microseconds as whole seconds; 0 for what has not happened.
const fn seconds(micros: Option<UnixMicros>) -> i64 {
    match micros {
        Some(micros) => micros.div_euclid(1_000_000),
        None => 0,
    }
}

fn attempt_name(id: &str, attempt: u32) -> AttemptName {
    AttemptName { task_id: id.to_owned(), attempt }
}

/// What a worker is sent to start an attempt.
pub(super) fn assignment_of(record: &TaskRecord) -> v1::Task {
    let request = &record.request;
    let (session, gpu_devices) = record
        .assignment
        .as_ref()
        .map(|assignment| (assignment.session, assignment.gpu_devices.clone()))
        .unwrap_or_default();
    v1::Task {
        task_id: record.task_id.clone(),
        user_id: request.user_id.clone(),
        docker_image: request.docker_image.clone(),
        cpu_cores: request.cpu_cores,
        memory_gb: request.memory_gb,
        storage_gb: request.storage_gb,
        gpu_cores: request.gpu_cores,
        created_at: seconds(Some(record.created_at_us)),
        attempt: record.attempt,
        command: request.command.clone(),
        name: request.name.clone(),
        gpu_devices,
        on_disconnect: match request.on_disconnect {
            OnDisconnect::Stop => "stop".to_owned(),
            OnDisconnect::Keep => "keep".to_owned(),
        },
        session,
        env: request.env.clone().into_iter().collect(),
        priority: request.priority,
        estimate_s: request.estimate_s.unwrap_or_default(),
        labels: request.labels.clone().into_iter().collect(),
        deadline: seconds(request.deadline_us),
        emulated_s: request.emulated_s,
        gpu_models: request.gpu_models.clone(),
    }
}

/// A worker's registration. `peer` is the host that it called from.
pub(super) fn registration_of(info: v1::WorkerInfo, peer: &str) -> Registration {
    let host = if info.worker_ip.is_empty() { peer } else { &info.worker_ip };
    // An IPv6 address has colons of its own, and stands in brackets beside a port.
    let has_port = host.rsplit_once(':').is_some_and(|(before, port)| {
        port.parse::<u16>().is_ok() && (!before.contains(':') || before.ends_with(']'))
    });
    let worker_ip = if has_port {
        host.to_owned()
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{}", info.port)
    } else {
        format!("{host}:{}", info.port)
    };
    Registration {
        held: info.held.iter().map(held_of).collect(),
        worker: WorkerRecord {
            worker_id: info.worker_id,
            worker_ip,
            total_cpu: info.total_cpu,
            total_memory: info.total_memory,
            total_storage: info.total_storage,
            total_gpu: info.total_gpu,
            gpu_model: info.gpu_model,
            labels: info.labels.into_iter().collect(),
            executor: info.executor,
            version: info.version,
            identity: info.identity,
            registration: info.registration,
            ..WorkerRecord::default()
        },
    }
}

fn held_of(info: &v1::TaskInfo) -> Held {
    Held {
        name: attempt_name(&info.task_id, info.attempt),
        started_at_us: (info.started_at_us > 0).then_some(info.started_at_us),
        ended: info.status == "ended",
    }
}

/// What is no number is none.
fn percent(usage: f64) -> f64 {
    if usage.is_nan() { 0.0 } else { usage.clamp(0.0, 100.0) }
}

/// What an executor has measured, if it is a number.
fn measured(amount: f64) -> f64 {
    if amount.is_finite() { amount.max(0.0) } else { 0.0 }
}

pub(super) fn beat_of(beat: v1::Heartbeat) -> Beat {
    Beat {
        held: beat.running_tasks.iter().map(held_of).collect(),
        worker_id: beat.worker_id,
        identity: beat.identity,
        session: beat.session,
        cpu_usage: percent(beat.cpu_usage),
        memory_usage: percent(beat.memory_usage),
        gpu_usage: percent(beat.gpu_usage),
    }
}

/// A worker's report; `None` if its status is none of the three.
pub(super) fn report_of(result: v1::TaskResult) -> Option<Report> {
    let status = Status::from_name(&result.status).filter(|status| status.is_over())?;
    let completed_at_us = if result.completed_at_us > 0 {
        result.completed_at_us
    } else {
        result.completed_at.saturating_mul(1_000_000)
    };
    let started_at_us = (result.started_at_us > 0).then_some(result.started_at_us);
    let ran_us = started_at_us.map_or(0, |started| completed_at_us.saturating_sub(started).max(0));
    let usage = result.usage.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let execution_time = ran_us as f64 / 1e6;
    Some(Report {
        started_at_us,
        result: ResultRecord {
            task_id: result.task_id,
            worker_id: result.worker_id,
            status,
            exit_code: result.exit_code,
            logs: result.logs,
            execution_time,
            completed_at_us,
            attempt: result.attempt,
            reason: (!result.reason.is_empty()).then(|| result.reason.chars().take(1000).collect()),
            cpu_s: measured(usage.cpu_s),
            peak_memory_mib: measured(usage.peak_memory),
        },
    })
}

pub(super) fn stop_list(names: Vec<AttemptName>) -> Vec<v1::TaskId> {
    let message = |name: AttemptName| v1::TaskId {
        task_id: name.task_id,
        attempt: name.attempt,
        reason: "it is over as far as the master knows".to_owned(),
    };
    names.into_iter().map(message).collect()
}

/// A task as clients see it.
pub(super) fn task_message(view: &TaskView) -> v1::TaskRecord {
    let (record, request) = (&view.record, &view.record.request);
    v1::TaskRecord {
        task_id: record.task_id.clone(),
        user_id: request.user_id.clone(),
        docker_image: request.docker_image.clone(),
        command: request.command.clone(),
        cpu_cores: request.cpu_cores,
        memory_gb: request.memory_gb,
        storage_gb: request.storage_gb,
        gpu_cores: request.gpu_cores,
        status: record.status.name().to_owned(),
        assigned_worker: record.assigned_worker.clone().unwrap_or_default(),
        created_at: seconds(Some(record.created_at_us)),
        started_at: seconds(record.started_at_us),
        completed_at: seconds(record.completed_at_us),
        attempt: record.attempt,
        name: request.name.clone(),
        reason: record.reason.clone().unwrap_or_default(),
        exit_code: record.exit_code,
        created_at_us: record.created_at_us,
        started_at_us: record.started_at_us.unwrap_or_default(),
        completed_at_us: record.completed_at_us.unwrap_or_default(),
        stopping: view.stopping,
        labels: request.labels.clone().into_iter().collect(),
        priority: request.priority,
    }
}

pub(super) fn result_message(record: ResultRecord) -> v1::ResultRecord {
    v1::ResultRecord {
        status: record.status.name().to_owned(),
        completed_at: seconds(Some(record.completed_at_us)),
        task_id: record.task_id,
        worker_id: record.worker_id,
        exit_code: record.exit_code,
        logs: record.logs,
        execution_time: record.execution_time,
        attempt: record.attempt,
        reason: record.reason.unwrap_or_default(),
    }
}

pub(super) fn worker_message(view: &WorkerView) -> v1::WorkerRecord {
    let record = &view.record;
    let usage = view.beat.as_ref().map(|beat| (beat.cpu_usage, beat.memory_usage, beat.gpu_usage));
    let (cpu_usage, memory_usage, gpu_usage) = usage.unwrap_or_default();
    v1::WorkerRecord {
        worker_id: record.worker_id.clone(),
        worker_ip: record.worker_ip.clone(),
        total_cpu: record.total_cpu,
        total_memory: record.total_memory,
        total_storage: record.total_storage,
        total_gpu: record.total_gpu,
        state: view.state.to_owned(),
        executor: record.executor.clone(),
        used_cpu: view.used_cpu,
        used_memory: view.used_memory,
        used_storage: view.used_storage,
        used_gpu: view.used_gpu,
        running_tasks: u32::try_from(view.running_tasks).unwrap_or(u32::MAX),
        last_heartbeat: seconds(view.last_heartbeat_us),
        gpu_model: record.gpu_model.clone(),
        labels: record.labels.clone().into_iter().collect(),
        version: record.version.clone(),
        cpu_usage,
        memory_usage,
        gpu_usage,
    }
}

pub(super) fn why_message(why: Why) -> v1::WhyReply {
    let refusal = |refusal: super::core::WorkerRefusal| v1::WorkerRefusal {
        worker_id: refusal.worker_id,
        reason: refusal.reason,
    };
    v1::WhyReply { summary: why.summary, workers: why.workers.into_iter().map(refusal).collect() }
}

pub(super) fn status_message(status: ClusterStatus) -> v1::StatusReply {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    v1::StatusReply {
        workers: count(status.workers),
        active_workers: count(status.active_workers),
        pending_tasks: status.pending,
        running_tasks: status.running,
        completed_tasks: status.completed,
        failed_tasks: status.failed,
        cancelled_tasks: status.cancelled,
        strategy: status.strategy,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        total_cpu: status.cpu.0,
        used_cpu: status.cpu.1,
        total_memory: status.memory.0,
        used_memory: status.memory.1,
        total_gpu: status.gpu.0,
        used_gpu: status.gpu.1,
        ..v1::StatusReply::default()
    }
}
