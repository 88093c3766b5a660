//! Tasks as people read them.

use std::fmt::Write as _;

use cloudai_proto::v1;

use super::table::{Cell, Column, Table};
use super::text::{ago, amount, clock, printable, span, width, wrapped};
use super::{Style, state_paint};

/// True once nothing more can happen to a task.
pub(crate) fn is_over(task: &v1::TaskRecord) -> bool {
    matches!(task.status.as_str(), "completed" | "failed" | "cancelled")
}

/// True if it, or an attempt before, has ever started.
pub(crate) fn has_started(task: &v1::TaskRecord) -> bool {
    task.started_at != 0 || task.started_at_us != 0
}

/// The state in a word or two: `running`, `stopping`, `failed (137)`.
pub(crate) fn state(task: &v1::TaskRecord) -> String {
    match task.exit_code {
        _ if task.stopping && !is_over(task) => "stopping".to_owned(),
        Some(code) if code != 0 && is_over(task) => format!("{} ({code})", task.status),
        _ => task.status.clone(),
    }
}

fn state_cell(task: &v1::TaskRecord) -> Cell {
    let plain = if task.stopping && !is_over(task) { "stopping" } else { &task.status };
    Cell::painted(state(task), state_paint(plain))
}

/// The time of the last change of state, in microseconds.
fn changed_us(task: &v1::TaskRecord) -> i64 {
    let micros =
        |exact: i64, seconds: i64| if exact == 0 { seconds.saturating_mul(1_000_000) } else { exact };
    let completed = micros(task.completed_at_us, task.completed_at);
    let started = micros(task.started_at_us, task.started_at);
    let created = micros(task.created_at_us, task.created_at);
    [completed, started, created].into_iter().find(|&time| time != 0).unwrap_or(0)
}

/// A list of tasks.
pub(crate) fn list(tasks: &[v1::TaskRecord], style: Style) -> String {
    if tasks.is_empty() {
        return "No tasks.\n".to_owned();
    }
    let mut table = Table::new(&[
        // Its id is what every other command asks for: one that the master has made is not cut.
        Column::new("TASK").least(21),
        Column::new("NAME").least(8).rank(2),
        Column::new("STATUS"),
        Column::new("IMAGE").least(8).rank(3),
        Column::number("CPU").rank(4),
        Column::number("GB").rank(5),
        Column::number("GPU").rank(6),
        Column::new("WORKER").least(6).rank(1),
        Column::number("SINCE"),
    ]);
    for task in tasks {
        let gpu = if task.gpu_cores > 0.0 { amount(task.gpu_cores) } else { String::new() };
        table.row([
            task.task_id.as_str().into(),
            task.name.as_str().into(),
            state_cell(task),
            task.docker_image.as_str().into(),
            amount(task.cpu_cores).into(),
            amount(task.memory_gb).into(),
            gpu.into(),
            task.assigned_worker.as_str().into(),
            ago(changed_us(task), style.now_us).into(),
        ]);
    }
    table.render(style)
}

/// Lines of `name  value`; those without a value are left out.
pub(crate) fn fields(fields: &[(&str, String)], style: Style) -> String {
    let names =
        fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let padding = " ".repeat(names - width(name) + 2);
        let columns = style.width.saturating_sub(names + 2).max(20);
        let value = wrapped_hard(value, columns, names + 2);
        let _ = writeln!(out, "{}{padding}{value}", style.paint(name, Some(super::Paint::Dim)));
    }
    out
}

/// Wrapped between words, without a change where it fits.
fn wrapped_hard(value: &str, columns: usize, indent: usize) -> String {
    let value = printable(value);
    if width(&value) <= columns { value } else { wrapped(&value, columns + indent, indent) }
}

/// All that is known of a task.
pub(crate) fn details(task: &v1::TaskRecord, style: Style) -> String {
    let micros =
        |exact: i64, seconds: i64| if exact == 0 { seconds.saturating_mul(1_000_000) } else { exact };
    let (created, started, completed) = (
        micros(task.created_at_us, task.created_at),
        micros(task.started_at_us, task.started_at),
        micros(task.completed_at_us, task.completed_at),
    );
    let time =
        |at: i64| if at == 0 { String::new() } else { format!("{} ({})", clock(at), ago(at, style.now_us)) };
    let plain = if task.stopping && !is_over(task) { "stopping" } else { &task.status };
    let mut status = style.paint(&printable(&state(task)), state_paint(plain));
    if task.attempt > 1 {
        let _ = write!(status, ", attempt {}", task.attempt);
    }
    let cores = if amount(task.cpu_cores) == "1" { "core" } else { "cores" };
    let mut asks = format!("{} {cores}, {} GB memory", amount(task.cpu_cores), amount(task.memory_gb));
    let _ = write!(asks, ", {} GB storage", amount(task.storage_gb));
    if task.gpu_cores > 0.0 {
        let _ = write!(asks, ", {} GPU", amount(task.gpu_cores));
    }
    let end = if completed == 0 { style.now_us } else { completed };
    let ran = if started == 0 { String::new() } else { span(end.saturating_sub(started)) };
    let begun = if started == 0 { end } else { started };
    let mut labels: Vec<String> = task.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    let head = format!("{}  {status}\n", style.paint(&printable(&task.task_id), Some(super::Paint::Bold)));
    let body = fields(
        &[
            ("name", task.name.clone()),
            ("user", task.user_id.clone()),
            ("image", task.docker_image.clone()),
            ("command", command(&task.command)),
            ("asks for", asks),
            ("labels", labels.join(" ")),
            ("priority", if task.priority == 0 { String::new() } else { task.priority.to_string() }),
            ("worker", task.assigned_worker.clone()),
            ("reason", task.reason.clone()),
            ("created", time(created)),
            ("started", time(started)),
            ("completed", time(completed)),
            ("waited", if created == 0 { String::new() } else { span(begun.saturating_sub(created)) }),
            ("ran", ran),
        ],
        style,
    );
    head + &body
}

/// Words as a shell would have them.
pub(crate) fn command(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// What has become of a task, on a line.
pub(crate) fn change(task: &v1::TaskRecord, style: Style) -> String {
    let plain = if task.stopping && !is_over(task) { "stopping" } else { &task.status };
    let mut line = format!("{}  {}", printable(&task.task_id), style.paint(&state(task), state_paint(plain)));
    if !task.assigned_worker.is_empty() {
        let _ = write!(line, " on {}", printable(&task.assigned_worker));
    }
    if task.attempt > 1 {
        let _ = write!(line, ", attempt {}", task.attempt);
    }
    if !task.reason.is_empty() {
        let _ = write!(line, ": {}", printable(&task.reason));
    }
    line
}

/// Why a task waits.
pub(crate) fn why(why: &v1::WhyReply, style: Style) -> String {
    let mut out = wrapped(&printable(&why.summary), style.width, 0) + "\n";
    let names =
        why.workers.iter().map(|refusal| width(&printable(&refusal.worker_id))).max().unwrap_or(0).min(24);
    for refusal in &why.workers {
        let name = super::text::cut(&printable(&refusal.worker_id), names);
        let padding = " ".repeat(names - width(&name));
        let reason = wrapped_hard(&refusal.reason, style.width.saturating_sub(names + 4).max(20), names + 4);
        let _ = writeln!(out, "  {}{padding}  {reason}", style.paint(&name, Some(super::Paint::Bold)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;

    fn style() -> Style {
        Style { color: false, width: 80, now_us: NOW }
    }

    fn task(id: &str) -> v1::TaskRecord {
        v1::TaskRecord {
            task_id: id.to_owned(),
            docker_image: "alpine".to_owned(),
            status: "pending".to_owned(),
            cpu_cores: 1.0,
            memory_gb: 0.5,
            storage_gb: 1.0,
            created_at_us: NOW - 12_000_000,
            ..Default::default()
        }
    }

    #[test]
    fn a_list_fits_eighty_columns_whatever_the_names() {
        let long = v1::TaskRecord {
            name: "Überlanger Name 日本語の名前 mit \x1b[31m Farbe".into(),
            docker_image: "registry.example.com/team/project/image@sha256:0123456789abcdef".into(),
            status: "failed".into(),
            exit_code: Some(137),
            assigned_worker: "worker-with-a-very-long-name.example.com".into(),
            gpu_cores: 0.25,
            completed_at: NOW / 1_000_000 - 7200,
            ..task(&format!("task-{}", "0123456789abcdef".repeat(4)))
        };
        let text = list(&[task("task-1"), long], style());
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        assert!(
            text.contains("failed (137)") && text.contains("12 s ago") && text.contains("2 h ago"),
            "{text}"
        );
        assert!(text.contains("task-0123456789") && text.contains('…') && !text.contains('\x1b'), "{text}");
        assert_eq!(list(&[], style()), "No tasks.\n");
    }

    #[test]
    fn details_name_what_is_set() {
        let running = v1::TaskRecord {
            status: "running".into(),
            stopping: true,
            attempt: 2,
            command: vec!["echo".into(), "a b".into()],
            assigned_worker: "w1".into(),
            started_at_us: NOW - 2_000_000,
            labels: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
            ..task("task-1")
        };
        assert_eq!(
            details(&running, style()),
            "task-1  stopping, attempt 2\nimage     alpine\ncommand   echo 'a b'\n\
             asks for  1 core, 0.5 GB memory, 1 GB storage\nlabels    a=1 b=2\nworker    w1\n\
             created   2027-01-15T07:59:48Z (12 s ago)\nstarted   2027-01-15T07:59:58Z (2 s ago)\n\
             waited    10 s\nran       2.0 s\n"
        );
        assert_eq!(change(&running, style()), "task-1  stopping on w1, attempt 2");
    }

    #[test]
    fn why_names_the_workers() {
        let refusal =
            |id: &str, reason: &str| v1::WorkerRefusal { worker_id: id.into(), reason: reason.into() };
        let reply = v1::WhyReply {
            summary: "It fits no worker that is active.".into(),
            workers: vec![refusal("w1", "1 of 4 cores free, 2 asked for"), refusal("gpu-7", "draining")],
        };
        assert_eq!(
            why(&reply, style()),
            "It fits no worker that is active.\n  w1     1 of 4 cores free, 2 asked for\n  gpu-7  draining\n"
        );
    }
}
