//! Arrivals, run times, workers and devices: what each attempt must keep by itself.

use cloudai_schedulers::{Duration, Request};
use cloudai_workloads::{AttemptStatus, Schedule, SchedulePart};

use super::attempts::{Attempt, Attempts};
use super::plan::Plan;
use super::verdict::{At, Findings};

const ARRIVAL: &str = "arrival";
const LENGTH: &str = "length";
const PLACEMENT: &str = "placement";

/// Checks every attempt by itself.
pub(super) fn check(plan: &Plan<'_>, schedule: &Schedule, attempts: &Attempts, findings: &mut Findings) {
    let started = attempts.all.iter().filter(|attempt| attempt.start.is_some());
    findings.checked(ARRIVAL, "starts", started.count() as u64);
    for attempt in &attempts.all {
        check_arrival(plan, attempts, attempt, findings);
    }
    findings.checked(LENGTH, "attempts", attempts.all.len() as u64);
    for task in (0u32..).take(plan.tasks.len()) {
        check_lengths(plan, attempts, task, findings);
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

fn at(attempt: &Attempt) -> At {
    At { time: attempt.assigned.or(attempt.end), task: Some(attempt.task), line: Some(attempt.line) }
}

/// No start before the arrival; and what the file says of arrival, wait and demand is so.
fn check_arrival(plan: &Plan<'_>, attempts: &Attempts, attempt: &Attempt, findings: &mut Findings) {
    let task = plan.task(attempt.task);
    let arrival = task.spec.arrival;
    let latency = plan.settings.startup_latency;
    if let Some(start) = attempt.start
        && start < arrival + latency
    {
        findings.found(ARRIVAL, at(attempt), || {
            let with = if latency == Duration::ZERO {
                String::new()
            } else {
                format!(", with a start-up latency of {latency} s")
            };
            format!("starts at {start} s, and arrives at {arrival} s{with}")
        });
    }
    if let Some(stated) = attempt.row.arrival.filter(|&stated| stated != arrival) {
        findings.found(ARRIVAL, at(attempt), || {
            format!("has an arrival of {stated} s in the schedule, and of {arrival} s in the scenario")
        });
    }
    let waited = attempt.start.map(|start| start - attempts.eligible[attempt.task as usize]);
    if let (Some(stated), Some(waited)) = (attempt.row.wait, waited)
        && stated != waited
    {
        findings.found(ARRIVAL, at(attempt), || {
            format!("has a wait of {stated} s in the schedule; from eligible to start it is {waited} s")
        });
    }
    let demand = task.spec.request.cpu_milli.saturating_mul(u64::from(task.spec.replicas));
    if let Some(stated) = attempt.row.cpu_milli.filter(|&stated| stated != demand) {
        findings.found(PLACEMENT, at(attempt), || {
            format!("has {} cores in the schedule, and {} in the scenario", cores(stated), cores(demand))
        });
    }
}

/// Each attempt lasts as long as it must; with checkpoints, less what earlier attempts have done.
fn check_lengths(plan: &Plan<'_>, attempts: &Attempts, task: u32, findings: &mut Findings) {
    let mut done = Duration::ZERO;
    for attempt in &attempts.all[attempts.of(task)] {
        let (Some(start), Some(end)) = (attempt.start, attempt.end) else { continue };
        if attempts.workers(attempt).next().is_none() {
            continue;
        }
        let longest =
            |time: &dyn Fn(u32) -> Option<Duration>| attempts.workers(attempt).filter_map(time).max();
        let run = longest(&|worker| Some(plan.run_time(task, worker, done))).unwrap_or_default();
        let limit = longest(&|worker| plan.limit(task, worker)).filter(|&limit| limit < run);
        let due = limit.unwrap_or(run);
        let ran = end - start;
        let word = if limit.is_some() { "its limit" } else { "its run time" };
        let by_itself = match attempt.status {
            None => true,
            Some(AttemptStatus::Completed) => {
                if limit.is_some() {
                    findings.found(LENGTH, at(attempt), || {
                        format!("completed after {ran} s; expected timed_out at its limit of {due} s")
                    });
                    continue;
                }
                true
            }
            Some(AttemptStatus::TimedOut) => {
                if limit.is_none() {
                    findings.found(LENGTH, at(attempt), || {
                        format!("timed out after {ran} s; expected completed after {run} s, as no limit ends it before")
                    });
                    continue;
                }
                true
            }
            Some(_) => false,
        };
        if by_itself && ran != due {
            findings.found(LENGTH, at(attempt), || {
                format!("runs for {ran} s, from {start} to {end} s; expected {word} of {due} s")
            });
        }
        if !by_itself && ran > due {
            findings.found(LENGTH, at(attempt), || {
                format!(
                    "was stopped after {ran} s, at {end} s; expected to end by itself after {word} of {due} s"
                )
            });
        }
        if plan.settings.checkpoint && attempt.status.is_some_and(AttemptStatus::is_retried) {
            let left = plan.task(task).duration.micros().saturating_sub(done.micros());
            let whole = u128::from(run.micros().max(1));
            let gained = u128::from(left) * u128::from(ran.micros()).min(whole) / whole;
            done = done.saturating_add(Duration::from_micros(u64::try_from(gained).unwrap_or(u64::MAX)));
        }
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
        findings.found(PLACEMENT, at(attempt), || {
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
        findings.found(PLACEMENT, at(attempt), || {
            format!("has {} GPU devices on '{}'; expected {wanted}", part.devices.len(), worker.name)
        });
    }
    if let Some(beyond) = part.devices.iter().find(|&device| device >= there) {
        findings.found(PLACEMENT, at(attempt), || {
            format!("runs on GPU device {beyond} of '{}', which has {there} of them", worker.name)
        });
    }
}

/// Milli-cores as cores.
fn cores(milli: u64) -> String {
    format!("{}.{:03}", milli / 1000, milli % 1000).trim_end_matches('0').trim_end_matches('.').to_owned()
}
