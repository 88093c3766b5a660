//! Capacity: at no instant is more held than a worker has.

use cloudai_schedulers::{Capacity, DeviceSet, Duration, MILLI_PER_GPU, Request, Time};
use cloudai_workloads::AttemptStatus;

use super::attempts::Attempts;
use super::plan::Plan;
use super::room::{Room, amount};
use super::verdict::{At, Findings};

const CAPACITY: &str = "capacity";

/// What one replica holds.
struct Holding<'a> {
    devices: DeviceSet,
    request: &'a Request,
    at: At,
}

/// What happens to a holding; in the order in which it happens at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    End,
    /// Held for no time at all: it has to fit between the ends and the starts of its instant.
    Moment,
    Start,
}

/// Sweeps over time, worker by worker, and blames each start that leaves a worker with less than nothing.
pub(super) fn check(plan: &Plan<'_>, attempts: &Attempts, findings: &mut Findings) {
    let (mut holdings, mut changes) = (Vec::new(), Vec::new());
    let mut unknown = 0u64;
    for attempt in &attempts.all {
        let (Some(from), Some(to)) = (attempt.assigned, attempt.end) else {
            unknown += u64::from(!attempts.parts(attempt).is_empty());
            continue;
        };
        let request = &plan.task(attempt.task).spec.request;
        for part in attempts.parts(attempt) {
            let Some(worker) = part.worker else { continue };
            // With a lost worker goes what it held, even if other parts of a gang take time to stop.
            let is_lost = attempt.status == Some(AttemptStatus::Lost);
            let to = match plan.lost(worker, from).filter(|_| is_lost) {
                Some(lost) => lost.min(to),
                // Which worker of a gang a drawn failure took is not in the schedule: only that the others stopped then.
                None if is_lost
                    && plan.settings.mtbf > Duration::ZERO
                    && attempts.parts(attempt).len() > 1 =>
                {
                    from.max(Time::from_micros(to.micros().saturating_sub(plan.stop_length().micros())))
                }
                None => to,
            };
            if from >= to {
                changes.push((worker, from, Change::Moment, holdings.len()));
            } else {
                changes.push((worker, from, Change::Start, holdings.len()));
                changes.push((worker, to, Change::End, holdings.len()));
            }
            holdings.push(Holding { devices: part.devices, request, at: attempt.at() });
        }
    }
    changes.sort_unstable();
    for of_worker in changes.chunk_by(|a, b| a.0 == b.0) {
        sweep(plan, attempts.has_devices, of_worker, &holdings, findings);
    }
    findings.checked(CAPACITY, "holdings", holdings.len() as u64);
    if unknown > 0 {
        findings.note(format!(
            "capacity: {unknown} attempts without a start, as they were stopped during start-up; since when they held \
             resources is not in the schedule"
        ));
    }
}

fn sweep(
    plan: &Plan<'_>,
    has_devices: bool,
    changes: &[(u32, Time, Change, usize)],
    holdings: &[Holding<'_>],
    findings: &mut Findings,
) {
    let Some(worker) = changes.first().map(|change| &plan.workers()[change.0 as usize]) else { return };
    let mut room = Room::of(&worker.capacity);
    // Without devices GPU is one sum; with them the sum follows.
    let mut gpu = i128::from(worker.capacity.gpu_milli());
    for &(_, time, change, which) in changes {
        let holding = &holdings[which];
        let milli = i128::from(holding.request.gpu.milli());
        if change == Change::End {
            room.give(holding.request, holding.devices);
            gpu += milli;
            continue;
        }
        room.take(holding.request, holding.devices);
        gpu -= milli;
        let over = over(&room, if has_devices { 0 } else { gpu }, holding, &worker.capacity);
        if !over.is_empty() {
            findings.found(CAPACITY, holding.at, || {
                format!("takes '{}' beyond its capacity from {time} s on: {}", worker.name, over.join(", "))
            });
        }
        if change == Change::Moment {
            room.give(holding.request, holding.devices);
            gpu += milli;
        }
    }
}

/// The dimensions that the holding asks for and of which more is held than there is.
fn over(room: &Room, gpu: i128, holding: &Holding<'_>, capacity: &Capacity) -> Vec<String> {
    let request = holding.request;
    let mut over = Vec::new();
    let amounts = [
        ("cpu", request.cpu_milli, room.cpu_milli, capacity.cpu_milli, 1000, "cores"),
        ("memory", request.memory_mib, room.memory_mib, capacity.memory_mib, 1, "MiB"),
        ("storage", request.storage_mib, room.storage_mib, capacity.storage_mib, 1, "MiB"),
        ("GPU", request.gpu.milli().into(), gpu, capacity.gpu_milli(), 1000, "devices"),
    ];
    for (name, asked, free, has, unit, called) in amounts {
        if asked > 0 && free < 0 {
            let held = amount(i128::from(has) - free, unit);
            over.push(format!("{name} {held} of {} {called}", amount(has.into(), unit)));
        }
    }
    for device in holding.devices.iter() {
        let Some(&free) = room.devices.get(device as usize) else { continue };
        if free < 0 {
            let held = amount(i128::from(i64::from(MILLI_PER_GPU) - free), 1000);
            over.push(format!("GPU device {device} {held} of 1"));
        }
    }
    over
}
