//! The WfFormat, in the shape of schema 1.5 and in the older ones, brought to one form.
//!
//! | | 1.5 | 1.4 | 1.3 and older |
//! |---|---|---|---|
//! | tasks | `specification.tasks` with `execution.tasks` | `tasks` | `tasks`, before 1.3 `jobs` |
//! | files | `specification.files`, named by tasks | in each task | in each task |
//! | run time | `runtimeInSeconds` | `runtimeInSeconds` | `runtime` |
//! | memory | `memoryInBytes` | `memoryInBytes` | `memory`, in kB |
//!
//! Numbers stay text here, so that they are read without floating point and can be shown in a message.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A value as it stands in the file, and the field that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) field: &'static str,
    pub(super) text: Box<RawValue>,
    /// What one of its unit is in bytes or seconds.
    pub(super) unit: u32,
}

/// A task of any shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: String,
    /// Another name that the old shapes call it by.
    pub(super) alias: Option<String>,
    /// What program it runs, as far as the file groups its tasks.
    pub(super) program: String,
    pub(super) parents: Vec<String>,
    pub(super) children: Vec<String>,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) runtime: Option<Stated>,
    pub(super) cores: Option<Stated>,
    pub(super) memory: Option<Stated>,
}

/// A machine of any shape.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) cores: Option<Stated>,
    pub(super) memory: Option<Stated>,
}

/// A file of any shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) tasks: Vec<Entry>,
    pub(super) machines: Vec<Machine>,
    /// Sizes of files by name.
    pub(super) sizes: BTreeMap<String, Stated>,
    /// Executions of tasks that the specification does not have.
    pub(super) strays: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with a workflow")]
struct Document {
    #[serde(default)]
    name: String,
    schema_version: Option<Box<RawValue>>,
    workflow: Workflow,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object, the workflow")]
struct Workflow {
    specification: Option<Specification>,
    execution: Option<Execution>,
    #[serde(alias = "jobs")]
    tasks: Option<Vec<OldTask>>,
    #[serde(default)]
    machines: Vec<MachineText>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with tasks and files")]
struct Specification {
    tasks: Vec<TaskText>,
    #[serde(default)]
    files: Vec<FileText>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a task")]
struct TaskText {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    output_files: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a file")]
struct FileText {
    id: String,
    size_in_bytes: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with tasks and machines")]
struct Execution {
    #[serde(default)]
    tasks: Vec<Executed>,
    #[serde(default)]
    machines: Vec<MachineText>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a task that ran")]
struct Executed {
    id: String,
    runtime_in_seconds: Option<Box<RawValue>>,
    core_count: Option<Box<RawValue>>,
    memory_in_bytes: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a task")]
struct OldTask {
    name: String,
    id: Option<String>,
    #[serde(default)]
    category: String,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    #[serde(default)]
    files: Vec<OldFile>,
    runtime: Option<Box<RawValue>>,
    runtime_in_seconds: Option<Box<RawValue>>,
    cores: Option<Box<RawValue>>,
    memory: Option<Box<RawValue>>,
    memory_in_bytes: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a file")]
struct OldFile {
    name: String,
    link: String,
    size: Option<Box<RawValue>>,
    size_in_bytes: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a machine")]
struct MachineText {
    node_name: String,
    cpu: Option<CpuText>,
    memory: Option<Box<RawValue>>,
    memory_in_bytes: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, a machine's processors")]
struct CpuText {
    core_count: Option<Box<RawValue>>,
    count: Option<Box<RawValue>>,
}

fn stated(field: &'static str, unit: u32, text: Option<Box<RawValue>>) -> Option<Stated> {
    text.map(|text| Stated { field, text, unit })
}

fn machine(text: MachineText) -> Machine {
    let cpu = text.cpu;
    let cores =
        cpu.and_then(|cpu| stated("coreCount", 1, cpu.core_count).or_else(|| stated("count", 1, cpu.count)));
    let memory = stated("memoryInBytes", 1, text.memory_in_bytes);
    let memory = memory.or_else(|| stated("memory", 1000, text.memory));
    Machine { name: text.node_name, cores, memory }
}

/// Reads a file of any shape.
///
/// # Errors
/// The line that cannot be read, 0 for the file as a whole, and what is wrong.
pub(super) fn read(json: &[u8]) -> Result<Instance, (u64, String)> {
    let document: Document = serde_json::from_slice(json).map_err(|error| {
        let text = error.to_string();
        let what = plain(text.split(" at line ").next().unwrap_or(&text));
        (error.line() as u64, format!("{what}; expected a workflow in WfFormat (JSON, schema 1.0 to 1.5)"))
    })?;
    if let Some(version) = document.schema_version.as_ref().map(|text| text.get().trim_matches('"'))
        && !is_known(version)
    {
        return Err((0, format!("schemaVersion: {version:?}: is unknown; expected 1.0 to 1.5")));
    }
    let workflow = document.workflow;
    let instance = Instance { name: document.name, ..Instance::default() };
    match (workflow.specification, workflow.tasks) {
        (Some(specification), _) => {
            let execution = workflow.execution.ok_or_else(|| {
                (0, "has no workflow.execution; expected one with the run time of each task".to_owned())
            })?;
            Ok(of_specification(instance, specification, execution))
        }
        (None, Some(tasks)) => {
            let machines = workflow.machines.into_iter().map(machine).collect();
            Ok(of_old_tasks(Instance { machines, ..instance }, tasks))
        }
        (None, None) => {
            let message =
                "has no tasks; expected workflow.specification (schema 1.5) or workflow.tasks (older)";
            Err((0, message.to_owned()))
        }
    }
}

/// True for 1.0 to 1.5, with or without a third number.
fn is_known(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (first, second, third, more) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    matches!((first, second), (Some(Ok(1)), Some(Ok(0..=5))))
        && !matches!(third, Some(Err(_)))
        && more.is_none()
}

/// What the JSON parser says, in the words of JSON instead of Rust.
fn plain(what: &str) -> String {
    let words = [
        ("invalid type: ", "found "),
        ("found map", "found an object"),
        ("found sequence", "found a list"),
        ("found string", "found the text"),
        ("found integer", "found the number"),
        ("found floating point", "found the number"),
        ("found boolean", "found the value"),
        ("found unit", "found null"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected an object"),
        ("expected a string", "expected a text"),
        ("expected a borrowed string", "expected a text"),
    ];
    words.iter().fold(what.replace('`', "\""), |text, (from, to)| text.replace(from, to))
}

fn of_specification(mut instance: Instance, specification: Specification, execution: Execution) -> Instance {
    let mut executed: BTreeMap<String, Executed> =
        execution.tasks.into_iter().map(|task| (task.id.clone(), task)).collect();
    for task in specification.tasks {
        let run = executed.remove(&task.id);
        let (mut entry, id) = (Entry::default(), task.id);
        if let Some(run) = run {
            entry.runtime = stated("runtimeInSeconds", 1, run.runtime_in_seconds);
            entry.cores = stated("coreCount", 1, run.core_count);
            entry.memory = stated("memoryInBytes", 1, run.memory_in_bytes);
        }
        let (parents, children) = (task.parents, task.children);
        let (inputs, outputs) = (task.input_files, task.output_files);
        instance.tasks.push(Entry { id, program: task.name, parents, children, inputs, outputs, ..entry });
    }
    instance.strays = executed.len() as u64;
    instance.machines = execution.machines.into_iter().map(machine).collect();
    for file in specification.files {
        if let Some(size) = stated("sizeInBytes", 1, file.size_in_bytes) {
            instance.sizes.entry(file.id).or_insert(size);
        }
    }
    instance
}

fn of_old_tasks(mut instance: Instance, tasks: Vec<OldTask>) -> Instance {
    for task in tasks {
        let mut entry = Entry {
            alias: task.id.is_some().then(|| task.name.clone()),
            id: task.id.unwrap_or(task.name),
            program: task.category,
            parents: task.parents,
            children: task.children,
            ..Entry::default()
        };
        let seconds = stated("runtimeInSeconds", 1, task.runtime_in_seconds);
        entry.runtime = seconds.or_else(|| stated("runtime", 1, task.runtime));
        entry.cores = stated("cores", 1, task.cores);
        let bytes = stated("memoryInBytes", 1, task.memory_in_bytes);
        entry.memory = bytes.or_else(|| stated("memory", 1000, task.memory));
        for file in task.files {
            let size = stated("sizeInBytes", 1, file.size_in_bytes);
            if let Some(size) = size.or_else(|| stated("size", 1, file.size)) {
                instance.sizes.entry(file.name.clone()).or_insert(size);
            }
            let is_input = file.link.eq_ignore_ascii_case("input");
            let list = if is_input { &mut entry.inputs } else { &mut entry.outputs };
            list.push(file.name);
        }
        instance.tasks.push(entry);
    }
    instance
}
