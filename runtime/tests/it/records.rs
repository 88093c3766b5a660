//! Records for tests, with a value in every field.

use std::collections::BTreeMap;

use cloudai_runtime::record::{
    Assignment, JournalEntry, OnDisconnect, ResultRecord, Status, TaskRecord, TaskRequest, WorkerRecord,
};
use cloudai_runtime::store::Write;
use serde_json::json;

pub(crate) fn task(index: u32) -> TaskRecord {
    TaskRecord {
        task_id: format!("task-{index:06}"),
        index,
        request: TaskRequest {
            user_id: "ann".to_owned(),
            name: format!("name {index}"),
            docker_image: "registry.example/image:1.0".to_owned(),
            command: vec!["sh".to_owned(), "-c".to_owned(), "echo 'a b'".to_owned()],
            cpu_cores: 1.5,
            memory_gb: 0.1 + 0.2,
            storage_gb: 1.0 / 3.0,
            gpu_cores: 0.25,
            gpu_models: vec!["H100".to_owned(), "A100".to_owned()],
            priority: -3,
            deadline_us: Some(1_700_000_100_000_001),
            estimate_s: Some(12.345_678_901_234_567),
            labels: map(&[("zone", "eu"), ("disk", "ssd")]),
            env: map(&[("A", "1"), ("B", "")]),
            on_disconnect: OnDisconnect::Keep,
            pinned_to: Some("w-1".to_owned()),
            emulated_s: 0.007,
        },
        status: Status::Running,
        attempt: 2,
        assignment: Some(Assignment {
            worker_id: "w-1".to_owned(),
            session: 7,
            gpu_devices: vec![0, 3],
            assigned_at_us: 1_700_000_000_500_003,
        }),
        assigned_worker: Some("w-1".to_owned()),
        failed_starts: 1,
        cancel_requested: true,
        created_at_us: 1_700_000_000_000_001 + i64::from(index),
        started_at_us: Some(1_700_000_001_000_002),
        completed_at_us: Some(1_700_000_002_000_003),
        exit_code: Some(-9),
        reason: Some("because".to_owned()),
    }
}

pub(crate) fn worker(index: u32) -> WorkerRecord {
    WorkerRecord {
        worker_id: format!("w-{index}"),
        index,
        worker_ip: "10.0.0.1:50052".to_owned(),
        total_cpu: 16.0,
        total_memory: 62.7,
        total_storage: 1000.25,
        total_gpu: 4.0,
        gpu_model: "H100".to_owned(),
        labels: map(&[("zone", "eu")]),
        executor: "docker".to_owned(),
        version: "0.1.0".to_owned(),
        identity: "secret word".to_owned(),
        registration: 5,
        is_active: true,
        draining: true,
        forgotten: true,
        last_heartbeat_us: Some(1_700_000_003_000_001),
        registered_at_us: 1_700_000_000_000_002,
        updated_at_us: 1_700_000_003_000_003,
    }
}

pub(crate) fn result(index: u32) -> ResultRecord {
    ResultRecord {
        task_id: format!("task-{index:06}"),
        worker_id: "w-1".to_owned(),
        status: Status::Failed,
        exit_code: 137,
        logs: "one\ntwo\n".to_owned(),
        execution_time: 1.000_001,
        completed_at_us: 1_700_000_002_000_003 + i64::from(index),
        attempt: 2,
        reason: Some("out of memory".to_owned()),
        cpu_s: 0.1 + 0.7,
        peak_memory_mib: 512.062_5,
    }
}

pub(crate) fn entry(seq: u64) -> JournalEntry {
    let data = json!({ "task": "task-1", "n": [1, -2, 0.1, 1.0 / 3.0, null], "$a.b": { "": true }, "big": u64::MAX });
    JournalEntry { seq, at_us: 1_700_000_000_000_009, kind: "assigned".to_owned(), data }
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(crate) fn put(task: &TaskRecord) -> Write {
    Write::Task(Box::new(task.clone()))
}

pub(crate) fn put_result(result: &ResultRecord) -> Write {
    Write::Result(Box::new(result.clone()))
}

pub(crate) fn put_worker(worker: &WorkerRecord) -> Write {
    Write::Worker(Box::new(worker.clone()))
}

pub(crate) fn set(key: &str, value: &str) -> Write {
    Write::Setting { key: key.to_owned(), value: value.to_owned() }
}

pub(crate) fn every_kind() -> Vec<Write> {
    vec![
        put_worker(&worker(1)),
        put(&task(0)),
        put_result(&result(0)),
        set("strategy", "ai"),
        Write::Journal(entry(0)),
    ]
}
