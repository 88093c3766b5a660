//! What a client may ask for, checked before it reaches the core.

use std::collections::BTreeMap;

use cloudai_proto::v1;
use cloudai_schedulers::{Constraint, Duration, GpuRequest, Request};
use serde::Deserialize;
use thiserror::Error;

use crate::limits::Limits;
use crate::record::{OnDisconnect, TaskRequest};

/// The label that every worker has implicitly, with its id: a pinned task asks for it.
pub const WORKER_LABEL: &str = "cloudai.worker";

/// The longest time that may be stated, in seconds: what the core can count.
const MAX_SECONDS: f64 = 1e11;

/// A task as it is submitted over HTTP or from a file; the field names and defaults of TASKS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Required.
    pub docker_image: String,
    /// Split like a shell's words, without one; or the words themselves.
    #[serde(default)]
    pub command: Command,
    /// See [`TaskRequest::user_id`].
    #[serde(default)]
    pub user_id: String,
    /// See [`TaskRequest::name`].
    #[serde(default)]
    pub name: String,
    /// Cores, default 1.
    #[serde(default = "one")]
    pub cpu_cores: f64,
    /// GB, default 0.5.
    #[serde(default = "half")]
    pub memory_gb: f64,
    /// GB, default 1.
    #[serde(default = "one")]
    pub storage_gb: f64,
    /// Devices, default 0.
    #[serde(default)]
    pub gpu_cores: f64,
    /// See [`TaskRequest::gpu_models`].
    #[serde(default)]
    pub gpu_models: Vec<String>,
    /// See [`TaskRequest::priority`].
    #[serde(default)]
    pub priority: i32,
    /// Unix seconds.
    #[serde(default)]
    pub deadline: Option<i64>,
    /// See [`TaskRequest::estimate_s`].
    #[serde(default)]
    pub estimate_s: Option<f64>,
    /// See [`TaskRequest::labels`].
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// See [`TaskRequest::env`].
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// See [`TaskRequest::on_disconnect`].
    #[serde(default)]
    pub on_disconnect: OnDisconnect,
    /// Run on this worker only.
    #[serde(default)]
    pub worker_id: Option<String>,
    /// See [`TaskRequest::emulated_s`].
    #[serde(default)]
    pub emulated_s: f64,
}

/// A command as text or as words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "command: expected text, or an array of words")]
pub enum Command {
    /// To be split.
    Text(String),
    /// Taken as they are.
    Words(Vec<String>),
}

impl Default for Command {
    fn default() -> Self {
        Self::Words(Vec::new())
    }
}

const fn one() -> f64 {
    1.0
}

const fn half() -> f64 {
    0.5
}

/// Why a submission was refused: which field, its value, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {value}: expected {expected}")]
pub struct Refused {
    /// The field.
    pub field: &'static str,
    /// Its value, shortened if it is long.
    pub value: String,
    /// What was expected.
    pub expected: String,
}

fn refused(field: &'static str, value: &str, expected: impl Into<String>) -> Refused {
    let mut shown: String = value.chars().take(60).collect();
    if shown.len() < value.len() {
        shown.push_str("...");
    }
    Refused { field, value: format!("'{shown}'"), expected: expected.into() }
}

impl TryFrom<v1::Submission> for Submission {
    type Error = Refused;

    fn try_from(message: v1::Submission) -> Result<Self, Refused> {
        let on_disconnect = match message.on_disconnect.as_str() {
            "" | "stop" => OnDisconnect::Stop,
            "keep" => OnDisconnect::Keep,
            other => return Err(refused("on_disconnect", other, "'stop' or 'keep'")),
        };
        let command = if message.args.is_empty() {
            Command::Text(message.command)
        } else if message.command.is_empty() {
            Command::Words(message.args)
        } else {
            return Err(refused("command", &message.command, "none beside args"));
        };
        Ok(Self {
            docker_image: message.docker_image,
            command,
            user_id: message.user_id,
            name: message.name,
            cpu_cores: message.cpu_cores.unwrap_or(one()),
            memory_gb: message.memory_gb.unwrap_or(half()),
            storage_gb: message.storage_gb.unwrap_or(one()),
            gpu_cores: message.gpu_cores.unwrap_or_default(),
            gpu_models: message.gpu_models,
            priority: message.priority,
            deadline: (message.deadline != 0).then_some(message.deadline),
            estimate_s: message.estimate_s,
            labels: message.labels.into_iter().collect(),
            env: message.env.into_iter().collect(),
            on_disconnect,
            worker_id: (!message.worker_id.is_empty()).then_some(message.worker_id),
            emulated_s: message.emulated_s.unwrap_or_default(),
        })
    }
}

impl Submission {
    /// Checks every field against `limits`.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(self, limits: &Limits) -> Result<TaskRequest, Refused> {
        check_image(&self.docker_image)?;
        self.check_size()?;
        let command = match self.command {
            Command::Words(words) => words,
            Command::Text(text) => shlex::split(&text)
                .ok_or_else(|| refused("command", &text, "words with their quotes closed"))?,
        };
        if let Some(word) = command.iter().find(|word| word.contains('\0')) {
            return Err(refused("command", word, "words without a NUL character"));
        }
        amount("cpu_cores", self.cpu_cores, limits.cpu_cores, "cores")?;
        amount("memory_gb", self.memory_gb, limits.memory_gb, "GB")?;
        amount("storage_gb", self.storage_gb, limits.storage_gb, "GB")?;
        amount("gpu_cores", self.gpu_cores, limits.gpu_cores, "devices")?;
        if GpuRequest::from_milli(milli(self.gpu_cores)).is_none() {
            let value = self.gpu_cores.to_string();
            return Err(refused(
                "gpu_cores",
                &value,
                "a fraction of one device, or a whole number of devices",
            ));
        }
        let estimate_s = self.estimate_s.map(|seconds| amount("estimate_s", seconds, MAX_SECONDS, "seconds"));
        let estimate_s = estimate_s.transpose()?;
        amount("emulated_s", self.emulated_s, MAX_SECONDS, "seconds")?;
        if let Some(deadline) = self.deadline.filter(|deadline| !(0..=100_000_000_000).contains(deadline)) {
            return Err(refused("deadline", &deadline.to_string(), "unix seconds from 0 to 100000000000"));
        }
        for (field, text) in [("user_id", &self.user_id), ("name", &self.name)] {
            check_text(field, text)?;
        }
        check_environment(&self.env)?;
        for (key, value) in &self.labels {
            if key.is_empty() {
                return Err(refused("labels", value, "a key before the value"));
            }
            check_text("labels", key).and_then(|()| check_text("labels", value))?;
        }
        if let Some(worker) = &self.worker_id {
            check_name("worker_id", worker)?;
        }
        Ok(TaskRequest {
            user_id: self.user_id,
            name: self.name,
            docker_image: self.docker_image,
            command,
            cpu_cores: self.cpu_cores,
            memory_gb: self.memory_gb,
            storage_gb: self.storage_gb,
            gpu_cores: self.gpu_cores,
            gpu_models: self.gpu_models,
            priority: self.priority,
            deadline_us: self.deadline.map(|seconds| seconds * 1_000_000),
            estimate_s,
            labels: self.labels,
            env: self.env,
            on_disconnect: self.on_disconnect,
            pinned_to: self.worker_id,
            emulated_s: self.emulated_s,
        })
    }
}

/// What a task's texts may take in all, each counted with what storing it costs: stores and messages have limits of their own.
const TEXT_BYTES: usize = 256 << 10;

impl Submission {
    fn check_size(&self) -> Result<(), Refused> {
        let cost = |text: &String| text.len() + 16;
        let pairs =
            |map: &BTreeMap<String, String>| map.iter().map(|(key, value)| cost(key) + cost(value)).sum();
        let command: usize = match &self.command {
            // Each of its words is stored for itself.
            Command::Text(text) => text.len() + 8 * text.split_whitespace().count(),
            Command::Words(words) => words.iter().map(cost).sum(),
        };
        let env: usize = pairs(&self.env);
        let labels: usize = pairs(&self.labels);
        let models: usize = self.gpu_models.iter().map(cost).sum();
        for (field, bytes) in [("command", command), ("env", env), ("labels", labels), ("gpu_models", models)]
        {
            if bytes > TEXT_BYTES {
                let expected = format!("at most {TEXT_BYTES} bytes, 16 for each text included");
                return Err(refused(field, &format!("{bytes} bytes"), expected));
            }
        }
        Ok(())
    }
}

fn amount(field: &'static str, value: f64, most: f64, unit: &str) -> Result<f64, Refused> {
    // NaN is in no range.
    if (0.0..=most).contains(&value) {
        return Ok(value);
    }
    Err(refused(field, &value.to_string(), format!("from 0 to {most} {unit}")))
}

/// At most 256 characters, none of them a control character.
fn check_text(field: &'static str, text: &str) -> Result<(), Refused> {
    if text.chars().any(char::is_control) || text.chars().count() > 256 {
        return Err(refused(
            field,
            &text.escape_debug().to_string(),
            "at most 256 characters, none a control character",
        ));
    }
    Ok(())
}

fn check_environment(env: &BTreeMap<String, String>) -> Result<(), Refused> {
    for (key, value) in env {
        if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
            return Err(refused("env", key, "a name without '=', and a value without a NUL character"));
        }
        if matches!(key.as_str(), "CLOUDAI_TASK_ID" | "CLOUDAI_ATTEMPT") {
            return Err(refused("env", key, "another name: the worker sets this one"));
        }
    }
    Ok(())
}

/// Checks the id of a worker: 1 to 128 letters, digits, `.`, `-` and `_`.
///
/// # Errors
/// Says what was expected.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Refused> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (1..=128).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(refused(field, name, "1 to 128 letters, digits, '.', '-' or '_'"))
}

/// The grammar of image references: `[host[:port]/]path[:tag][@digest]`.
fn check_image(image: &str) -> Result<(), Refused> {
    let wrong = |expected: &str| Err(refused("docker_image", image, expected));
    if image.is_empty() {
        return wrong("the name of an image, such as alpine:3.20");
    }
    if image.len() > 4096 {
        return wrong("at most 4096 characters");
    }
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            return wrong("a digest as sha256: and 64 hexadecimal digits");
        }
    }
    // A colon behind the last slash begins a tag; one before it, a port.
    let (path, tag) = match name.rfind(':').filter(|&at| at > name.rfind('/').unwrap_or(0)) {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    };
    if let Some(tag) = tag {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(word) {
            return wrong("a tag of 1 to 128 letters, digits, '_', '.' or '-'");
        }
    }
    let mut parts = path.split('/').peekable();
    let host = parts.next_if(|first| first.contains(['.', ':']) || *first == "localhost");
    if let Some(first) = host {
        let (host, port) = first.split_once(':').map_or((first, None), |(host, port)| (host, Some(port)));
        let label =
            |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let fits = host.split('.').all(label);
        // `name.with.dots` alone is an image, not a host.
        let alone = parts.peek().is_none();
        if !alone && (!fits || port.is_some_and(|port| port.parse::<u16>().is_err())) {
            return wrong("a registry as HOST or HOST:PORT before the first '/'");
        }
        if alone && !is_component(first) {
            return wrong(COMPONENTS);
        }
    }
    if parts.all(is_component) { Ok(()) } else { wrong(COMPONENTS) }
}

const COMPONENTS: &str =
    "lower-case letters and digits, joined by '.', '_', '__' or '-', in parts separated by '/'";

fn is_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joined = |part: &str| {
        let rest = part.replace("__", "_");
        let dashes = rest.split('-').filter(|piece| !piece.is_empty());
        let pieces: Vec<&str> = dashes.flat_map(|piece| piece.split(['.', '_'])).collect();
        !pieces.is_empty() && pieces.iter().all(|piece| !piece.is_empty() && piece.chars().all(word))
    };
    part.starts_with(word) && part.ends_with(word) && joined(part)
}

/// Thousandths of an amount, rounded up; what is off by less than a millionth is taken for exact.
fn milli(amount: f64) -> u64 {
    round_up(amount * 1000.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be from 0 to 10^17")]
fn round_up(amount: f64) -> u64 {
    ((amount * 1e6).round() / 1e6).ceil() as u64
}

/// The same as integers of the core. Requests round up to the unit.
#[must_use]
pub fn request_of(request: &TaskRequest) -> Request {
    Request {
        cpu_milli: milli(request.cpu_cores),
        memory_mib: round_up(request.memory_gb * 1024.0),
        storage_mib: round_up(request.storage_gb * 1024.0),
        gpu: GpuRequest::from_milli(milli(request.gpu_cores)).unwrap_or_default(),
    }
}

/// A time in seconds, of 0 to 10^11, in microseconds, rounded up.
#[must_use]
pub fn duration_of(seconds: f64) -> Duration {
    Duration::from_micros(round_up(seconds * 1e6))
}

/// Which workers may run it.
#[must_use]
pub fn constraint_of(request: &TaskRequest) -> Constraint {
    let mut labels = request.labels.clone();
    if let Some(worker) = &request.pinned_to {
        labels.insert(WORKER_LABEL.to_owned(), worker.clone());
    }
    Constraint { gpu_models: request.gpu_models.iter().cloned().collect(), labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<TaskRequest, String> {
        let submission: Submission = serde_json::from_str(json).map_err(|error| error.to_string())?;
        submission.check(&Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let request = check(r#"{"docker_image": "alpine"}"#).unwrap();
        let amounts = (request.cpu_cores, request.memory_gb, request.storage_gb, request.gpu_cores);
        assert_eq!(amounts, (1.0, 0.5, 1.0, 0.0));
        assert_eq!((request.command, request.priority), (vec![], 0));
    }

    #[test]
    fn a_command_is_split_like_the_words_of_a_shell() {
        let words = |json: &str| check(json).map(|request| request.command);
        let split = words(r#"{"docker_image": "a", "command": "sh -c 'echo \"a b\"' $HOME"}"#);
        assert_eq!(split.unwrap(), ["sh", "-c", "echo \"a b\"", "$HOME"]);
        assert_eq!(words(r#"{"docker_image": "a", "command": ["x y", ""]}"#).unwrap(), ["x y", ""]);
        let open = words(r#"{"docker_image": "a", "command": "echo 'x"}"#);
        assert_eq!(open.unwrap_err(), "command: 'echo 'x': expected words with their quotes closed");
    }

    #[test]
    fn every_refusal_names_field_value_and_bound() {
        for (json, expected) in [
            (r#"{"docker_image": "a", "cpu_cores": 65}"#, "cpu_cores: '65': expected from 0 to 64 cores"),
            (r#"{"docker_image": "a", "cpu_cores": -1}"#, "cpu_cores: '-1': expected from 0 to 64 cores"),
            (r#"{"docker_image": "a", "memory_gb": 513}"#, "memory_gb: '513': expected from 0 to 512 GB"),
            (r#"{"docker_image": "a", "deadline": -5}"#, "deadline: '-5': expected unix seconds from 0 to"),
            (r#"{"docker_image": "a", "worker_id": "a b"}"#, "worker_id: 'a b': expected 1 to 128 letters"),
            (r#"{"docker_image": "a", "env": {"A=B": ""}}"#, "env: 'A=B': expected a name without '='"),
            (r#"{"docker_image": "a", "cpu": 1}"#, "unknown field `cpu`, expected one of `docker_image`"),
            (r#"{"cpu_cores": 1}"#, "missing field `docker_image`"),
            (
                r#"{"docker_image": "a", "gpu_cores": 1.5}"#,
                "gpu_cores: '1.5': expected a fraction of one device, or a whole number of devices",
            ),
        ] {
            let error = check(json).unwrap_err();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
    }

    #[test]
    fn a_task_has_a_size() {
        let long = "x".repeat(300_000);
        let error = check(&format!(r#"{{"docker_image": "a", "env": {{"A": "{long}"}}}}"#)).unwrap_err();
        assert!(error.starts_with("env: '300033 bytes': expected at most 262144 bytes"), "{error}");
        let words = vec!["a"; 20_000];
        let error =
            check(&serde_json::json!({ "docker_image": "a", "command": words }).to_string()).unwrap_err();
        assert!(error.starts_with("command: '340000 bytes'"), "{error}");
        assert!(
            check(&serde_json::json!({ "docker_image": "a", "command": words.join(" ") }).to_string())
                .is_ok()
        );
    }

    #[test]
    fn images_are_references() {
        let digest = format!("app@sha256:{}", "0a".repeat(32));
        for image in [
            "alpine",
            "alpine:3.20",
            "library/alpine",
            "localhost/x",
            "localhost:5000/team/app_1:v1.0-rc_2",
            "a.b/c",
            "ghcr.io/a/b/c:latest",
            "a--b",
            "a__b",
            "my.image",
            &digest,
        ] {
            assert_eq!(check_image(image), Ok(()), "{image}");
        }
        for image in [
            "",
            "Alpine",
            "a b",
            "a:",
            "a:-x",
            "/a",
            "a/",
            "a//b",
            "-a",
            "a_",
            "a...b/c",
            "host:99999/a",
            "a@sha256:12",
            "a;rm -rf",
            "ä",
            "a:b:c",
            "--privileged",
            "a@",
            "a\n",
        ] {
            assert!(check_image(image).is_err(), "{image}");
        }
    }

    #[test]
    fn amounts_round_up_to_the_unit_and_no_further() {
        let request =
            TaskRequest { cpu_cores: 0.1, memory_gb: 0.0001, gpu_cores: 0.3, ..TaskRequest::default() };
        let request = request_of(&request);
        assert_eq!((request.cpu_milli, request.memory_mib, request.gpu.milli()), (100, 1, 300));
        assert_eq!(duration_of(0.1).micros(), 100_000);
    }
}
