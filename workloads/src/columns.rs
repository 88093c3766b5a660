//! The columns of the CSV files: one list for reader and writer.

/// A column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// What else a header may call it.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) required: bool,
    /// What a cell holds, for messages: "expected ...".
    pub(crate) expected: &'static str,
}

const fn required(name: &'static str, expected: &'static str) -> Column {
    Column { name, aliases: &[], required: true, expected }
}

const fn optional(name: &'static str, expected: &'static str) -> Column {
    Column { name, aliases: &[], required: false, expected }
}

impl Column {
    /// The same column with further names for it.
    const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The name by which a header's cell calls this column, if it does.
    pub(crate) fn called(&self, cell: &[u8]) -> Option<&'static str> {
        std::iter::once(&self.name).chain(self.aliases).copied().find(|name| name.as_bytes() == cell)
    }
}

/// `tasks.csv`.
pub(crate) mod tasks {
    use super::{Column, optional, required};

    pub(crate) const TASK_ID: usize = 0;
    pub(crate) const ARRIVAL: usize = 1;
    pub(crate) const DURATION: usize = 2;
    pub(crate) const CPU: usize = 3;
    pub(crate) const MEMORY: usize = 4;
    pub(crate) const STORAGE: usize = 5;
    pub(crate) const GPU: usize = 6;
    pub(crate) const ESTIMATE: usize = 7;
    pub(crate) const USER: usize = 8;
    pub(crate) const IMAGE: usize = 9;
    pub(crate) const COMMAND: usize = 10;
    pub(crate) const PRIORITY: usize = 11;
    pub(crate) const DEADLINE: usize = 12;
    pub(crate) const DEPENDS_ON: usize = 13;
    pub(crate) const REPLICAS: usize = 14;
    pub(crate) const GPU_MODEL: usize = 15;
    pub(crate) const LABELS: usize = 16;

    pub(crate) const COLUMNS: [Column; 17] = [
        required("task_id", "a text that names the task"),
        required("arrival_s", "seconds, 0 to 10^11"),
        required("duration_s", "seconds, 0 to 10^11"),
        optional("cpu_cores", "a number of cores, 0 or more"),
        optional("memory_gb", "a number of GB, 0 or more"),
        optional("storage_gb", "a number of GB, 0 or more"),
        optional("gpu_cores", "0, a fraction of one GPU, or a whole number of GPUs up to 64"),
        optional("estimate_s", "seconds, 0 to 10^11, or nothing"),
        optional("user_id", "a text"),
        optional("docker_image", "a text"),
        optional("command", "a text"),
        optional("priority", "a whole number from -2147483648 to 2147483647"),
        optional("deadline_s", "seconds, 0 to 10^11, or nothing"),
        optional("depends_on", "task ids with ; between them"),
        optional("replicas", "a whole number from 1 to 1000000"),
        optional("gpu_model", "GPU models with | between them"),
        optional("labels", "k=v pairs with ; between them, each key once"),
    ];
}

/// `workers.csv`.
pub(crate) mod workers {
    use super::{Column, optional, required};

    pub(crate) const WORKER_ID: usize = 0;
    pub(crate) const CPU: usize = 1;
    pub(crate) const MEMORY: usize = 2;
    pub(crate) const STORAGE: usize = 3;
    pub(crate) const GPU: usize = 4;
    pub(crate) const GPU_MODEL: usize = 5;
    pub(crate) const SPEED: usize = 6;
    pub(crate) const LABELS: usize = 7;

    pub(crate) const COLUMNS: [Column; 8] = [
        required("worker_id", "a text that names the worker"),
        required("total_cpu", "a number of cores, 0 or more"),
        required("total_memory", "a number of GB, 0 or more"),
        required("total_storage", "a number of GB, 0 or more"),
        required("total_gpu", "a whole number of GPUs from 0 to 64"),
        optional("gpu_model", "the name of one GPU model"),
        optional("speed", "a number above 0 and at most 4294.967295"),
        optional("labels", "k=v pairs with ; between them, each key once"),
    ];
}

/// `durations.csv`.
pub(crate) mod durations {
    use super::{Column, required};

    pub(crate) const TASK_ID: usize = 0;
    pub(crate) const WORKER_ID: usize = 1;
    pub(crate) const DURATION: usize = 2;

    pub(crate) const COLUMNS: [Column; 3] = [
        required("task_id", "the id of a task"),
        required("worker_id", "the id of a worker"),
        required("duration_s", "seconds, 0 to 10^11"),
    ];
}

/// `edges.csv`.
pub(crate) mod edges {
    use super::{Column, required};

    pub(crate) const FROM: usize = 0;
    pub(crate) const TO: usize = 1;
    pub(crate) const TRANSFER: usize = 2;

    pub(crate) const COLUMNS: [Column; 3] = [
        required("from_task", "the id of a task"),
        required("to_task", "the id of a task"),
        required("transfer_s", "seconds, 0 to 10^11"),
    ];
}

/// `faults.csv`.
pub(crate) mod faults {
    use super::{Column, required};

    pub(crate) const TIME: usize = 0;
    pub(crate) const WORKER_ID: usize = 1;
    pub(crate) const EVENT: usize = 2;

    pub(crate) const COLUMNS: [Column; 3] = [
        required("time_s", "seconds, 0 to 10^11"),
        required("worker_id", "the id of a worker"),
        required("event", "down, up, drain or join"),
    ];
}

/// A schedule: `assignments.csv`, or what another program calls the same.
pub(crate) mod schedule {
    use super::{Column, optional, required};

    pub(crate) const TASK_ID: usize = 0;
    pub(crate) const WORKER_ID: usize = 1;
    pub(crate) const DEVICES: usize = 2;
    pub(crate) const ATTEMPT: usize = 3;
    pub(crate) const ARRIVAL: usize = 4;
    pub(crate) const START: usize = 5;
    pub(crate) const END: usize = 6;
    pub(crate) const WAIT: usize = 7;
    pub(crate) const STATUS: usize = 8;
    pub(crate) const CPU: usize = 9;

    pub(crate) const COLUMNS: [Column; 10] = [
        required("task_id", "the id of a task").or(&["job_id", "job", "id"]),
        optional("worker_id", "ids of workers with ; between them").or(&["worker", "node", "machine"]),
        optional(
            "gpu_devices",
            "numbers of devices from 0 to 63 with | between them, and ; between replicas",
        ),
        optional("attempt", "a whole number from 0 to 4294967295"),
        optional("arrival_s", "seconds, 0 to 10^11").or(&[
            "arrival",
            "submit",
            "submit_s",
            "submit_time",
            "submission_time",
        ]),
        required("start_s", "seconds, 0 to 10^11").or(&["start", "start_time", "starting_time"]),
        required("end_s", "seconds, 0 to 10^11").or(&[
            "end",
            "end_time",
            "finish",
            "finish_s",
            "finish_time",
        ]),
        optional("wait_s", "seconds, 0 to 10^11").or(&["wait", "wait_time", "waiting_time"]),
        optional("status", "completed, timed_out, preempted, cancelled, lost, rejected or failed"),
        optional("cpu_cores", "a number of cores, 0 or more").or(&["procs", "processors", "cores"]),
    ];
}

/// The node list of the openb trace.
pub(crate) mod nodes {
    use super::{Column, optional, required};

    pub(crate) const NAME: usize = 0;
    pub(crate) const CPU: usize = 1;
    pub(crate) const MEMORY: usize = 2;
    pub(crate) const GPU: usize = 3;
    pub(crate) const MODEL: usize = 4;

    pub(crate) const COLUMNS: [Column; 5] = [
        required("sn", "a text that names the node"),
        required("cpu_milli", "a whole number of milli-cores"),
        required("memory_mib", "a whole number of MiB"),
        required("gpu", "a whole number of GPUs from 0 to 64"),
        optional("model", "the name of a GPU model"),
    ];
}

/// The pod list of the openb trace.
pub(crate) mod pods {
    use super::{Column, optional, required};

    pub(crate) const NAME: usize = 0;
    pub(crate) const CPU: usize = 1;
    pub(crate) const MEMORY: usize = 2;
    pub(crate) const GPUS: usize = 3;
    pub(crate) const GPU_MILLI: usize = 4;
    pub(crate) const MODELS: usize = 5;
    pub(crate) const CREATION: usize = 8;
    pub(crate) const DELETION: usize = 9;
    pub(crate) const SCHEDULED: usize = 10;

    pub(crate) const COLUMNS: [Column; 11] = [
        required("name", "a text that names the pod"),
        required("cpu_milli", "a whole number of milli-cores"),
        required("memory_mib", "a whole number of MiB"),
        required("num_gpu", "a whole number of GPUs from 0 to 64"),
        required("gpu_milli", "a whole number of milli-GPU from 0 to 1000"),
        optional("gpu_spec", "GPU models with | between them"),
        optional("qos", "a text"),
        optional("pod_phase", "a text"),
        required("creation_time", "seconds, 0 to 10^11"),
        optional("deletion_time", "seconds, 0 to 10^11, or nothing"),
        optional("scheduled_time", "seconds, 0 to 10^11, or nothing"),
    ];
}
