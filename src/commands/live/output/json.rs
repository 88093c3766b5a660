//! Records as JSON documents, with the field names of the protocol. Times are unix seconds, or microseconds in fields that
//! end in `_us`; 0: not yet.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use cloudai_proto::v1;
use serde::{Serialize, Serializer};

/// A record as a document, with these of its fields in this order.
macro_rules! document {
    ($document:ident of $record:ty { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? }) => {
        #[derive(Debug, Serialize)]
        struct $document<'a> { $($(#[$meta])* $field: &'a $type),* }

        impl<'a> From<&'a $record> for $document<'a> {
            fn from(record: &'a $record) -> Self {
                Self { $($field: &record.$field),* }
            }
        }
    };
}

document!(Task of v1::TaskRecord {
    task_id: String, name: String, user_id: String, docker_image: String, command: Vec<String>,
    cpu_cores: f64, memory_gb: f64, storage_gb: f64, gpu_cores: f64,
    status: String, stopping: bool, reason: String, exit_code: Option<i32>, assigned_worker: String, attempt: u32,
    priority: i32,
    #[serde(serialize_with = "sorted")] labels: HashMap<String, String>,
    created_at: i64, started_at: i64, completed_at: i64,
    created_at_us: i64, started_at_us: i64, completed_at_us: i64,
});

document!(Worker of v1::WorkerRecord {
    worker_id: String, worker_ip: String, state: String, executor: String,
    total_cpu: f64, total_memory: f64, total_storage: f64, total_gpu: f64,
    used_cpu: f64, used_memory: f64, used_storage: f64, used_gpu: f64,
    cpu_usage: f64, memory_usage: f64, gpu_usage: f64,
    gpu_model: String, running_tasks: u32, last_heartbeat: i64,
    #[serde(serialize_with = "sorted")] labels: HashMap<String, String>,
    version: String,
});

document!(TaskResult of v1::ResultRecord {
    task_id: String, worker_id: String, status: String, exit_code: i32, reason: String, attempt: u32,
    execution_time: f64, completed_at: i64, logs: String,
});

document!(Status of v1::StatusReply {
    workers: u32, active_workers: u32,
    pending_tasks: u64, running_tasks: u64, completed_tasks: u64, failed_tasks: u64, cancelled_tasks: u64,
    total_cpu: f64, used_cpu: f64, total_memory: f64, used_memory: f64, total_gpu: f64, used_gpu: f64,
    strategy: String, store: String, store_ready: bool, store_problem: String, started_at: i64, version: String,
});

document!(Strategy of v1::StrategyReply { spec: String, known: Vec<String> });

document!(Refusal of v1::WorkerRefusal { worker_id: String, reason: String });

fn sorted<S: Serializer>(map: &&HashMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    map.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
}

fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    Ok(text + "\n")
}

fn list<'a, R, D>(key: &'static str, records: &'a [R]) -> Result<String>
where
    D: From<&'a R> + Serialize,
{
    pretty(&BTreeMap::from([(key, records.iter().map(D::from).collect::<Vec<_>>())]))
}

/// One task.
pub(crate) fn task(task: &v1::TaskRecord) -> Result<String> {
    pretty(&Task::from(task))
}

/// `{"tasks": [...]}`.
pub(crate) fn tasks(tasks: &[v1::TaskRecord]) -> Result<String> {
    list::<_, Task<'_>>("tasks", tasks)
}

/// One worker.
pub(crate) fn worker(worker: &v1::WorkerRecord) -> Result<String> {
    pretty(&Worker::from(worker))
}

/// `{"workers": [...]}`.
pub(crate) fn workers(workers: &[v1::WorkerRecord]) -> Result<String> {
    list::<_, Worker<'_>>("workers", workers)
}

/// `{"results": [...]}`.
pub(crate) fn results(results: &[v1::ResultRecord]) -> Result<String> {
    list::<_, TaskResult<'_>>("results", results)
}

/// The status.
pub(crate) fn status(status: &v1::StatusReply) -> Result<String> {
    pretty(&Status::from(status))
}

/// The strategy in force and those known.
pub(crate) fn strategy(strategy: &v1::StrategyReply) -> Result<String> {
    pretty(&Strategy::from(strategy))
}

/// Why a task waits.
pub(crate) fn why(task_id: &str, why: &v1::WhyReply) -> Result<String> {
    #[derive(Serialize)]
    struct Why<'a> {
        task_id: &'a str,
        summary: &'a str,
        workers: Vec<Refusal<'a>>,
    }
    pretty(&Why { task_id, summary: &why.summary, workers: why.workers.iter().map(Refusal::from).collect() })
}

/// What a task has written.
pub(crate) fn logs(task_id: &str, stdout: &[u8], stderr: &[u8]) -> Result<String> {
    #[derive(Serialize)]
    struct Logs<'a> {
        task_id: &'a str,
        stdout: std::borrow::Cow<'a, str>,
        stderr: std::borrow::Cow<'a, str>,
    }
    let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    pretty(&Logs { task_id, stdout, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_names_of_the_protocol_in_a_stated_order() {
        let mut record =
            v1::TaskRecord { task_id: "task-1".into(), exit_code: Some(3), ..Default::default() };
        record.labels = (0..20).map(|n| (format!("k{n:02}"), "v".to_owned())).collect();
        let text = task(&record).unwrap();
        assert!(text.starts_with("{\n  \"task_id\": \"task-1\",\n  \"name\": \"\",\n"), "{text}");
        assert!(text.find("k03").unwrap() < text.find("k04").unwrap());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["exit_code"], &value["created_at_us"]), (&3.into(), &0.into()));
        assert_eq!(tasks(&[]).unwrap(), "{\n  \"tasks\": []\n}\n");
        let value: serde_json::Value = serde_json::from_str(&logs("t", b"a\xff", b"").unwrap()).unwrap();
        assert_eq!(value["stdout"], "a\u{fffd}");
    }
}
