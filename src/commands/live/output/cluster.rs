//! Workers, results and the whole, as people read them.

use cloudai_proto::v1;

use super::table::{Cell, Column, Table};
use super::tasks::fields;
use super::text::{ago, amount, clock, printable, span};
use super::{Paint, Style, state_paint};

fn share(used: f64, total: f64) -> String {
    // Of much, a fraction says little.
    let short = |value: f64| amount(if value >= 100.0 { value.round() } else { value });
    if total > 0.0 { format!("{}/{}", short(used), short(total)) } else { String::new() }
}

/// A machine's memory is no round number of GB.
fn tenths(amount: f64) -> f64 {
    (amount * 10.0).round() / 10.0
}

/// Seconds as microseconds.
fn micros(seconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000)
}

/// A list of workers.
pub(crate) fn workers(workers: &[v1::WorkerRecord], style: Style) -> String {
    if workers.is_empty() {
        return "No workers. `cloudai worker` starts one.\n".to_owned();
    }
    let mut table = Table::new(&[
        Column::new("WORKER").least(8),
        Column::new("STATE"),
        Column::new("ADDRESS").least(12).rank(4),
        Column::number("CPU"),
        Column::number("MEM GB").rank(1),
        Column::number("GPU").rank(2),
        Column::number("TASKS"),
        Column::new("RUNS"),
        Column::number("HEARTBEAT"),
    ]);
    for worker in workers {
        // Tasks that do not run in containers are to be seen.
        let executor = match worker.executor.as_str() {
            name @ ("process" | "emulated") => Cell::painted(name.to_uppercase(), Some(Paint::Yellow)),
            name => name.into(),
        };
        let heartbeat = match worker.last_heartbeat {
            0 => "never".to_owned(),
            seconds => ago(micros(seconds), style.now_us),
        };
        table.row([
            worker.worker_id.as_str().into(),
            Cell::painted(worker.state.as_str(), state_paint(&worker.state)),
            worker.worker_ip.as_str().into(),
            share(worker.used_cpu, worker.total_cpu).into(),
            share(tenths(worker.used_memory), tenths(worker.total_memory)).into(),
            share(worker.used_gpu, worker.total_gpu).into(),
            worker.running_tasks.to_string().into(),
            executor,
            heartbeat.into(),
        ]);
    }
    table.render(style)
}

/// What has become of a worker, on a line.
pub(crate) fn worker(worker: &v1::WorkerRecord, style: Style) -> String {
    let state = style.paint(&printable(&worker.state), state_paint(&worker.state));
    let tasks = match worker.running_tasks {
        0 => String::new(),
        1 => ", 1 task runs there".to_owned(),
        n => format!(", {n} tasks run there"),
    };
    format!("{}  {state} at {}{tasks}\n", printable(&worker.worker_id), printable(&worker.worker_ip))
}

/// A list of results.
pub(crate) fn results(results: &[v1::ResultRecord], style: Style) -> String {
    if results.is_empty() {
        return "No results.\n".to_owned();
    }
    let mut table = Table::new(&[
        Column::new("TASK").least(21),
        Column::new("STATUS"),
        Column::number("EXIT"),
        Column::new("WORKER").least(6).rank(1),
        Column::number("RAN"),
        Column::number("ENDED"),
        Column::new("REASON").least(10).rank(2),
    ]);
    for result in results {
        #[expect(clippy::cast_possible_truncation, reason = "microseconds of a run")]
        let ran = (result.execution_time * 1e6) as i64;
        table.row([
            result.task_id.as_str().into(),
            Cell::painted(result.status.as_str(), state_paint(&result.status)),
            result.exit_code.to_string().into(),
            result.worker_id.as_str().into(),
            span(ran).into(),
            ago(micros(result.completed_at), style.now_us).into(),
            result.reason.as_str().into(),
        ]);
    }
    table.render(style)
}

/// The state of the whole.
pub(crate) fn status(status: &v1::StatusReply, address: &str, style: Style) -> String {
    let started = micros(status.started_at);
    let up = style.now_us.saturating_sub(started);
    let mut uptime = format!("{address}, version {}", status.version);
    if started != 0 {
        uptime.push_str(&format!(", up {} since {}", span(up), clock(started)));
    }
    let mut store = status.store.clone();
    if !status.store_ready {
        store = format!("{store}: takes no writes: {}", status.store_problem);
    }
    let rows = [
        ("master", uptime),
        ("strategy", status.strategy.clone()),
        ("store", store),
        ("workers", format!("{} total, {} active", status.workers, status.active_workers)),
        (
            "tasks",
            format!(
                "{} running, {} pending, {} completed, {} failed, {} cancelled",
                status.running_tasks,
                status.pending_tasks,
                status.completed_tasks,
                status.failed_tasks,
                status.cancelled_tasks
            ),
        ),
        ("cores", in_use(status.used_cpu, status.total_cpu, "")),
        ("memory", in_use(status.used_memory, status.total_memory, " GB")),
        (
            "GPUs",
            if status.total_gpu > 0.0 {
                in_use(status.used_gpu, status.total_gpu, "")
            } else {
                String::new()
            },
        ),
    ];
    fields(&rows, style)
}

fn in_use(used: f64, total: f64, unit: &str) -> String {
    let percent = if total > 0.0 { format!(" ({:.0}%)", 100.0 * used / total) } else { String::new() };
    format!("{} of {}{unit} in use{percent}", amount(used), amount(total))
}

/// The strategy in force, and those known.
pub(crate) fn strategy(strategy: &v1::StrategyReply, style: Style) -> String {
    let known = strategy.known.join(", ");
    fields(&[("strategy", strategy.spec.clone()), ("known", known)], style)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000_000;

    fn style() -> Style {
        Style { color: false, width: 80, now_us: NOW }
    }

    #[test]
    fn workers_fit_eighty_columns_and_say_what_runs_their_tasks() {
        let plain = v1::WorkerRecord {
            worker_id: "w1".into(),
            worker_ip: "127.0.0.1:50052".into(),
            state: "active".into(),
            executor: "docker".into(),
            total_cpu: 4.0,
            used_cpu: 1.5,
            total_memory: 16.0,
            used_memory: 2.0,
            last_heartbeat: NOW / 1_000_000 - 3,
            running_tasks: 2,
            ..Default::default()
        };
        let long = v1::WorkerRecord {
            worker_id: "machine-17.rack-4.row-2.building-9.example.com".into(),
            worker_ip: "[2001:db8:1234:5678:9abc:def0:1234:5678]:50052".into(),
            state: "unreachable".into(),
            executor: "process".into(),
            total_cpu: 128.0,
            used_cpu: 127.25,
            total_memory: 1024.0,
            used_memory: 1023.75,
            total_gpu: 8.0,
            used_gpu: 7.25,
            last_heartbeat: 0,
            ..Default::default()
        };
        let text = workers(&[plain.clone(), long], style());
        assert!(text.lines().all(|line| super::super::text::width(line) <= 80), "{text}");
        assert!(text.contains("PROCESS") && text.contains("3 s ago") && text.contains("never"), "{text}");
        assert!(text.contains("1.5/4") && text.contains("2/16") && text.contains("7.25/8"), "{text}");
        assert_eq!(worker(&plain, style()), "w1  active at 127.0.0.1:50052, 2 tasks run there\n");
    }

    #[test]
    fn results_and_status() {
        let result = v1::ResultRecord {
            task_id: "task-1".into(),
            worker_id: "w1".into(),
            status: "failed".into(),
            exit_code: 137,
            execution_time: 2.5,
            completed_at: NOW / 1_000_000 - 60,
            reason: "out of memory: the container asked for more than its limit of 0.5 GB, and was killed"
                .into(),
            ..Default::default()
        };
        let text = results(&[result], style());
        assert!(text.lines().all(|line| super::super::text::width(line) <= 80), "{text}");
        assert!(text.contains("137") && text.contains("2.5 s") && text.contains("60 s ago"), "{text}");

        let reply = v1::StatusReply {
            workers: 3,
            active_workers: 2,
            running_tasks: 4,
            strategy: "ai".into(),
            store: "sqlite ./cloudai-data/cluster.db".into(),
            store_ready: false,
            store_problem: "no space left".into(),
            started_at: NOW / 1_000_000 - 300,
            version: "0.1.0".into(),
            total_cpu: 8.0,
            used_cpu: 2.0,
            ..Default::default()
        };
        let text = status(&reply, "localhost:50051", style());
        assert!(
            text.contains("workers   3 total, 2 active\n") && text.contains("2 of 8 in use (25%)"),
            "{text}"
        );
        assert!(text.contains("takes no writes: no space left") && text.contains("up 5 min since"), "{text}");
        assert!(!text.contains("GPUs"), "{text}");
    }
}
