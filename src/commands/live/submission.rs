//! Tasks to be submitted: from flags, from a file, and from words of the console.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use cloudai_proto::v1;
use serde::Deserialize;

use super::output::now_us;
use super::values;
use crate::cli::live::{SubmitArgs, amount, pair};
use crate::failure::Usage;

/// What flags, or the file that they name, ask for.
pub(super) fn from_args(args: &SubmitArgs) -> Result<Vec<v1::Submission>> {
    let mut tasks = match &args.file {
        Some(file) => from_file(file)?,
        None => vec![from_flags(args)?],
    };
    let user = args.user.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_default();
    for task in &mut tasks {
        // What the file says of a task goes before the environment, and a flag before what the file says.
        if args.user.is_some() || task.user_id.is_empty() {
            task.user_id.clone_from(&user);
        }
    }
    Ok(tasks)
}

fn from_flags(args: &SubmitArgs) -> Result<v1::Submission> {
    let deadline = match &args.deadline {
        Some(text) => values::deadline(text, now_us() / 1_000_000)
            .map_err(|expected| Usage(format!("--deadline: \"{}\": {expected}", text.escape_debug())))?,
        None => 0,
    };
    Ok(v1::Submission {
        docker_image: args.image.clone().unwrap_or_default(),
        command: args.command.clone().unwrap_or_default(),
        args: args.args.clone(),
        name: args.name.clone().unwrap_or_default(),
        cpu_cores: args.cpu,
        memory_gb: args.memory,
        storage_gb: args.storage,
        gpu_cores: args.gpu,
        gpu_models: args.gpu_model.clone(),
        priority: args.priority.unwrap_or_default(),
        deadline,
        estimate_s: args.estimate.map(|estimate| estimate.as_secs_f64()),
        labels: args.label.iter().cloned().collect(),
        env: args.env.iter().cloned().collect(),
        on_disconnect: args.on_disconnect.clone().unwrap_or_default(),
        worker_id: args.worker.clone().unwrap_or_default(),
        emulated_s: args.emulated_s,
        ..v1::Submission::default()
    })
}

/// A command: a text to be split, or its words.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of words")]
enum CommandField {
    Text(String),
    Words(Vec<String>),
}

/// A task of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    docker_image: String,
    command: Option<CommandField>,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    name: String,
    cpu_cores: Option<f64>,
    memory_gb: Option<f64>,
    storage_gb: Option<f64>,
    gpu_cores: Option<f64>,
    #[serde(default)]
    gpu_models: Vec<String>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    deadline: i64,
    estimate_s: Option<f64>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    on_disconnect: String,
    #[serde(default)]
    worker_id: String,
    emulated_s: Option<f64>,
}

impl From<TaskFile> for v1::Submission {
    fn from(task: TaskFile) -> Self {
        let (command, args) = match task.command {
            Some(CommandField::Text(text)) => (text, Vec::new()),
            Some(CommandField::Words(words)) => (String::new(), words),
            None => Default::default(),
        };
        Self {
            docker_image: task.docker_image,
            command,
            args,
            user_id: task.user_id,
            name: task.name,
            cpu_cores: task.cpu_cores,
            memory_gb: task.memory_gb,
            storage_gb: task.storage_gb,
            gpu_cores: task.gpu_cores,
            gpu_models: task.gpu_models,
            priority: task.priority,
            deadline: task.deadline,
            estimate_s: task.estimate_s,
            labels: HashMap::from_iter(task.labels),
            env: HashMap::from_iter(task.env),
            on_disconnect: task.on_disconnect,
            worker_id: task.worker_id,
            emulated_s: task.emulated_s,
        }
    }
}

fn from_file(path: &Path) -> Result<Vec<v1::Submission>> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        ("stdin".to_owned(), text)
    } else {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
        (name, text)
    };
    Ok(parse_file(&name, &text)?)
}

/// The tasks of a file; `name` is for messages, which name line and column.
fn parse_file(name: &str, text: &str) -> Result<Vec<v1::Submission>, Usage> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tasks = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<TaskFile>>(text)
    } else {
        serde_json::from_str::<TaskFile>(text).map(|task| vec![task])
    };
    let tasks = tasks.map_err(|error| {
        // serde_json ends its messages in "at line L column C"; here the place stands in front, as everywhere.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = error.to_string();
        Usage(format!(
            "{name}:{}:{}: {}",
            error.line(),
            error.column(),
            text.strip_suffix(&place).unwrap_or(&text)
        ))
    })?;
    if tasks.is_empty() {
        return Err(Usage(format!("{name}: no tasks: expected an object, or an array of them")));
    }
    Ok(tasks.into_iter().map(Into::into).collect())
}

/// An option of the console's `task`: its names, the first of them as shown, and what it takes.
pub(super) struct TaskOption {
    pub(super) names: &'static [&'static str],
    pub(super) takes: &'static str,
    set: fn(&mut v1::Submission, &str) -> Result<(), &'static str>,
}

/// What `task` takes in the console.
pub(super) const TASK_OPTIONS: &[TaskOption] = &[
    TaskOption {
        names: &["cpu_cores", "cpu"],
        takes: "N",
        set: |task, text| into(&mut task.cpu_cores, amount(text)),
    },
    TaskOption {
        names: &["mem", "memory", "memory_gb"],
        takes: "GB",
        set: |task, text| into(&mut task.memory_gb, amount(text)),
    },
    TaskOption {
        names: &["storage", "storage_gb"],
        takes: "GB",
        set: |task, text| into(&mut task.storage_gb, amount(text)),
    },
    TaskOption {
        names: &["gpu_cores", "gpu"],
        takes: "N",
        set: |task, text| into(&mut task.gpu_cores, amount(text)),
    },
    TaskOption {
        names: &["gpu_model"],
        takes: "MODEL",
        set: |task, text| {
            task.gpu_models.push(text.to_owned());
            Ok(())
        },
    },
    TaskOption { names: &["name"], takes: "TEXT", set: |task, text| put(&mut task.name, text) },
    TaskOption { names: &["command", "cmd"], takes: "TEXT", set: |task, text| put(&mut task.command, text) },
    TaskOption {
        names: &["priority"],
        takes: "N",
        set: |task, text| {
            task.priority = text.parse().map_err(|_| "expected a whole number")?;
            Ok(())
        },
    },
    TaskOption {
        names: &["estimate", "estimate_s"],
        takes: "DURATION",
        set: |task, text| {
            into(&mut task.estimate_s, values::duration(text).map(|estimate| estimate.as_secs_f64()))
        },
    },
    TaskOption {
        names: &["deadline"],
        takes: "WHEN",
        set: |task, text| {
            task.deadline = values::deadline(text, now_us() / 1_000_000)?;
            Ok(())
        },
    },
    TaskOption { names: &["user", "user_id"], takes: "USER", set: |task, text| put(&mut task.user_id, text) },
    TaskOption {
        names: &["label"],
        takes: "KEY=VALUE",
        set: |task, text| pair(text).map(|(key, value)| drop(task.labels.insert(key, value))),
    },
    TaskOption {
        names: &["env", "e"],
        takes: "KEY=VALUE",
        set: |task, text| pair(text).map(|(key, value)| drop(task.env.insert(key, value))),
    },
    TaskOption {
        names: &["on_disconnect"],
        takes: "stop|keep",
        set: |task, text| match text {
            "stop" | "keep" => put(&mut task.on_disconnect, text),
            _ => Err("expected stop or keep"),
        },
    },
    TaskOption {
        names: &["emulated_s"],
        takes: "S",
        set: |task, text| into(&mut task.emulated_s, amount(text)),
    },
];

impl TaskOption {
    /// The option of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let name = name.to_ascii_lowercase().replace('-', "_");
        TASK_OPTIONS.iter().find(|option| option.names.contains(&name.as_str()))
    }

    /// Sets it.
    pub(super) fn set(&self, task: &mut v1::Submission, text: &str) -> Result<(), &'static str> {
        (self.set)(task, text)
    }
}

fn into(field: &mut Option<f64>, value: Result<f64, &'static str>) -> Result<(), &'static str> {
    *field = Some(value?);
    Ok(())
}

fn put(field: &mut String, text: &str) -> Result<(), &'static str> {
    text.clone_into(field);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_an_object_or_an_array() {
        let one =
            parse_file("t", r#"{"docker_image": "a", "command": "echo 'x y'", "cpu_cores": 2}"#).unwrap();
        assert_eq!((one.len(), one[0].command.as_str(), one[0].cpu_cores), (1, "echo 'x y'", Some(2.0)));
        let two = parse_file(
            "t",
            "\u{feff} [{\"docker_image\": \"a\", \"command\": [\"x y\"], \"labels\": {\"k\": \"v\"}}, {\"docker_image\": \"b\"}]",
        )
        .unwrap();
        assert_eq!((two.len(), &two[0].args[..], two[1].memory_gb), (2, &["x y".to_owned()][..], None));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_place() {
        for (text, message) in [
            (
                "[\n {\"docker_image\": \"a\"},\n {\"image\": \"a\"}\n]",
                "t.json:3:9: unknown field `image`, expected one of `docker_image`",
            ),
            ("{\"command\": \"x\"}", "t.json:1:16: missing field `docker_image`"),
            ("{\"docker_image\": 1}", "t.json:1:18: invalid type: integer `1`, expected a string"),
            ("{\"docker_image\": \"a\", \"command\": 1}", "expected a text, or a list of words"),
            ("", "t.json:1:0: EOF"),
            ("[]", "t.json: no tasks"),
            ("{\"docker_image\": \"a\"} x", "t.json:1:23: trailing characters"),
        ] {
            let error = parse_file("t.json", text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn options_of_the_console() {
        let mut task = v1::Submission::default();
        let mut set = |name: &str, value: &str| TaskOption::named(name).unwrap().set(&mut task, value);
        for (name, value) in [
            ("cpu", "2"),
            ("MEM", "0.5"),
            ("gpu-cores", "1"),
            ("name", "n"),
            ("env", "A=b=c"),
            ("priority", "-3"),
            ("estimate", "2m"),
        ] {
            set(name, value).unwrap();
        }
        assert_eq!(set("cpu_cores", "x"), Err("expected a number from 0, such as 0.5"));
        assert_eq!(set("on_disconnect", "wait"), Err("expected stop or keep"));
        assert!(set("label", "x").is_err() && set("deadline", "soon").is_err());
        assert_eq!((task.cpu_cores, task.memory_gb, task.gpu_cores), (Some(2.0), Some(0.5), Some(1.0)));
        assert_eq!((task.priority, task.estimate_s, task.env["A"].as_str()), (-3, Some(120.0), "b=c"));
        assert!(TaskOption::named("colour").is_none());
    }
}
