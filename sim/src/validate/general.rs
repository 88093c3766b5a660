//! Arrivals, workers and devices: what each attempt must keep by itself.

use cloudai_schedulers::{Duration, Request};
use cloudai_workloads::{Schedule, SchedulePart, ScheduleRow};

use super::attempts::{Attempt, Attempts};
use super::plan::Plan;
use super::verdict::{At, Findings};

const ARRIVAL: &str = "arrival";
const PLACEMENT: &str = "placement";

/// Checks every attempt by itself.
pub(super) fn check(plan: &Plan<'_>, schedule: &Schedule, attempts: &Attempts, findings: &mut Findings) {
    let started = attempts.all.iter().filter(|attempt| attempt.start.is_some());
    findings.checked(ARRIVAL, "starts", started.count() as u64);
    for attempt in &attempts.all {
        check_arrival(plan, attempts, attempt, &schedule.rows[attempt.row], findings);
    }
    let mut parts = 0;
    for unknown in &schedule.unknown {
        if let Some(task) = unknown.worker_of {
            let at = At { task: Some(task), line: Some(unknown.line), time: None };
            findings.found(PLACEMENT, at, || {
                format!("runs on '{}', which is no worker of the scenario", unknown.id)
            });
        }
    }
    for attempt in &attempts.all {
        for part in attempts.parts(attempt) {
            parts += 1;
            check_part(plan, attempts, attempt, *part, findings);
        }
    }
    findings.checked(PLACEMENT, "replicas", parts);
    if plan.scenario.needs.gpus && !attempts.has_devices {
        findings
            .note("devices: the schedule does not say which, so GPU is summed over each worker".to_owned());
    }
}

/// No start before the arrival; and what the file says of arrival, wait and demand is so.
fn check_arrival(
    plan: &Plan<'_>,
    attempts: &Attempts,
    attempt: &Attempt,
    row: &ScheduleRow,
    findings: &mut Findings,
) {
    let task = plan.task(attempt.task);
    let arrival = task.spec.arrival;
    let latency = plan.settings.startup_latency;
    if let Some(start) = attempt.start
        && start < arrival + latency
    {
        findings.found(ARRIVAL, attempt.at(), || {
            let with = if latency == Duration::ZERO {
                String::new()
            } else {
                format!(", with a start-up latency of {latency} s")
            };
            format!("starts at {start} s, and arrives at {arrival} s{with}")
        });
    }
    if let Some(stated) = row.arrival.filter(|&stated| stated != arrival) {
        findings.found(ARRIVAL, attempt.at(), || {
            format!("has an arrival of {stated} s in the schedule, and of {arrival} s in the scenario")
        });
    }
    if let (Some(stated), Some(start)) = (row.wait_micros, attempt.start) {
        let eligible = attempts.eligible[attempt.task as usize];
        let size = if start < eligible { eligible - start } else { start - eligible };
        if stated.unsigned_abs() != size.micros() || (stated < 0) != (start < eligible) {
            findings.found(ARRIVAL, attempt.at(), || {
                let stated = seconds(stated < 0, Duration::from_micros(stated.unsigned_abs()));
                let waited = seconds(start < eligible, size);
                format!("has a wait of {stated} s in the schedule; from eligible to start it is {waited} s")
            });
        }
    }
    let demand = task.spec.request.cpu_milli.saturating_mul(u64::from(task.spec.replicas));
    if let Some(stated) = row.cpu_milli.filter(|&stated| stated != demand) {
        findings.found(PLACEMENT, attempt.at(), || {
            format!("has {} cores in the schedule, and {} in the scenario", cores(stated), cores(demand))
        });
    }
}

/// The worker may run the task, and the devices are as many as it asks for, and there.
fn check_part(
    plan: &Plan<'_>,
    attempts: &Attempts,
    attempt: &Attempt,
    part: SchedulePart,
    findings: &mut Findings,
) {
    let Some(index) = part.worker else { return };
    let worker = &plan.workers()[index as usize];
    if !plan.allows(attempt.task, index) {
        findings.found(PLACEMENT, attempt.at(), || {
            let constraint = &plan.scenario.constraints[plan.task(attempt.task).spec.constraint.0 as usize];
            let models: Vec<&str> = constraint.gpu_models.iter().map(String::as_str).collect();
            let labels: Vec<String> =
                constraint.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let wants = [models.join("|"), labels.join(";")].join(" ");
            format!(
                "runs on '{}' (GPU model {}), which is not what it asks for: {}",
                worker.name,
                worker.gpu_model.as_deref().unwrap_or("none"),
                wants.trim()
            )
        });
    }
    if !attempts.has_devices {
        return;
    }
    let request: &Request = &plan.task(attempt.task).spec.request;
    let wanted = request.gpu.whole_devices() + u32::from(request.gpu.is_fraction());
    let there = worker.capacity.gpus;
    if part.devices.len() != wanted {
        findings.found(PLACEMENT, attempt.at(), || {
            format!("has {} GPU devices on '{}'; expected {wanted}", part.devices.len(), worker.name)
        });
    }
    if let Some(beyond) = part.devices.iter().find(|&device| device >= there) {
        findings.found(PLACEMENT, attempt.at(), || {
            format!("runs on GPU device {beyond} of '{}', which has {there} of them", worker.name)
        });
    }
}

/// Seconds that may be negative.
fn seconds(negative: bool, size: Duration) -> String {
    format!("{}{size}", if negative { "-" } else { "" })
}

/// Milli-cores as cores.
fn cores(milli: u64) -> String {
    format!("{}.{:03}", milli / 1000, milli % 1000).trim_end_matches('0').trim_end_matches('.').to_owned()
}
