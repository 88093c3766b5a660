//! Figures for Prometheus, in its text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State as Extracted;
use axum::http::header;
use axum::response::IntoResponse;

use super::{Failure, State};

/// One figure.
fn figure(text: &mut String, name: &str, kind: &str, help: &str, value: f64) {
    // Writing to a string cannot fail.
    let _ =
        write!(text, "# HELP cloudai_{name} {help}\n# TYPE cloudai_{name} {kind}\ncloudai_{name} {value}\n");
}

#[expect(clippy::cast_precision_loss, reason = "what Prometheus counts in")]
fn count(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

#[expect(clippy::cast_precision_loss, reason = "what Prometheus counts in")]
pub(super) async fn metrics(Extracted(state): Extracted<State>) -> Result<impl IntoResponse, Failure> {
    let status = state.master.status().await?;
    let counters = &state.master.shared.counters;
    let mut text = String::new();
    let states = [
        ("pending", status.pending),
        ("running", status.running),
        ("completed", status.completed),
        ("failed", status.failed),
        ("cancelled", status.cancelled),
    ];
    text.push_str("# HELP cloudai_tasks Tasks by status.\n# TYPE cloudai_tasks gauge\n");
    for (name, tasks) in states {
        let _ = writeln!(text, "cloudai_tasks{{status=\"{name}\"}} {tasks}");
    }
    let mut gauge = |name, help, value| figure(&mut text, name, "gauge", help, value);
    gauge("workers", "Workers that are known.", status.workers as f64);
    gauge("active_workers", "Workers heard from lately.", status.active_workers as f64);
    gauge("cpu_cores", "Cores of active workers.", status.cpu.0);
    gauge("cpu_cores_held", "Cores held by tasks on active workers.", status.cpu.1);
    gauge("memory_gb", "Memory of active workers in GB.", status.memory.0);
    gauge("memory_gb_held", "Memory held by tasks on active workers in GB.", status.memory.1);
    gauge("gpus", "GPU devices of active workers.", status.gpu.0);
    gauge("gpus_held", "GPU devices held by tasks on active workers.", status.gpu.1);
    let clients = state.master.shared.clients.load(Ordering::Relaxed) as f64;
    gauge("websocket_clients", "WebSocket clients that are connected.", clients);
    let ready = f64::from(u8::from(state.master.store_problem().is_none()));
    gauge("store_ready", "1 if the store takes writes.", ready);
    let mut counter = |name, help, value| figure(&mut text, name, "counter", help, value);
    counter("heartbeats_total", "Heartbeats received.", count(&counters.heartbeats));
    counter("assignments_total", "Assignments sent to workers.", count(&counters.assignments));
    counter("steps_total", "Steps of the core.", count(&counters.steps));
    counter("step_seconds_total", "Time spent in steps of the core.", count(&counters.step_us) / 1e6);
    counter("commits_total", "Groups of writes that the store has taken.", count(&counters.commits));
    counter("writes_total", "Writes that the store has taken.", count(&counters.writes));
    counter("commit_seconds_total", "Time spent waiting for the store.", count(&counters.commit_us) / 1e6);
    counter(
        "store_failures_total",
        "Groups of writes that the store has not taken.",
        count(&counters.store_failures),
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
