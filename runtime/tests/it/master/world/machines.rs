//! What a worker does, as far as the master can tell, whether its program runs or not.

use cloudai_runtime::master::core::{Answer, AttemptName, Beat, Delivery, Held, Registration, Report};
use cloudai_runtime::record::{OnDisconnect, ResultRecord, Status, TaskRecord, WorkerRecord};

use super::{Event, ForWorker, FromWorker, LEASE, Machine, SECOND, State, World};

impl World {
    pub(super) fn held_of(machine: &Machine) -> Vec<Held> {
        let held = machine.held.iter().map(|(name, (state, _))| Held {
            name: name.clone(),
            started_at_us: match state {
                State::Running(since) => Some(*since),
                State::Ended(_) => None,
            },
            ended: matches!(state, State::Ended(_)),
        });
        held.collect()
    }

    pub(super) fn ask_master(&mut self, machine: usize, request: FromWorker) {
        let boot = self.machines[machine].boot;
        self.send(machine, &Event::ToMaster(machine, boot, request));
    }

    pub(super) fn worker_second(&mut self, place: usize) {
        let now = self.now;
        let machine = &mut self.machines[place];
        // The lease is seen to even if the worker's program has died.
        if now >= machine.lease_end {
            machine.session = 0;
            let cut: Vec<AttemptName> = machine
                .held
                .iter()
                .filter(|(_, (state, keep))| {
                    matches!(state, State::Running(_)) && *keep == OnDisconnect::Stop
                })
                .map(|(name, _)| name.clone())
                .collect();
            for name in cut {
                self.end(place, &name, Status::Cancelled);
            }
        }
        let machine = &mut self.machines[place];
        if !machine.up {
            return;
        }
        if machine.session == 0 && now >= machine.register_again_at {
            machine.registration += 1;
            machine.register_again_at = now + 3 * SECOND;
            let worker = WorkerRecord {
                worker_id: machine.id.clone(),
                worker_ip: format!("{}:1", machine.id),
                total_cpu: 2.0,
                total_memory: 8.0,
                total_storage: 100.0,
                identity: machine.identity.clone(),
                registration: machine.registration,
                executor: "model".to_owned(),
                ..WorkerRecord::default()
            };
            let registration = Registration { worker, held: Self::held_of(machine) };
            self.ask_master(place, FromWorker::Register(registration));
        } else if machine.session > 0 && (now / SECOND).is_multiple_of(5) {
            let beat = Beat {
                worker_id: machine.id.clone(),
                identity: machine.identity.clone(),
                session: machine.session,
                cpu_usage: 0.0,
                memory_usage: 0.0,
                gpu_usage: 0.0,
                held: Self::held_of(machine),
            };
            self.ask_master(place, FromWorker::Beat(beat));
        }
        if (now / SECOND).is_multiple_of(2) {
            self.report_all(place);
        }
    }

    pub(super) fn report_all(&mut self, place: usize) {
        let ended = self.machines[place].held.values().filter_map(|(state, _)| match state {
            State::Ended(report) => Some((**report).clone()),
            State::Running(_) => None,
        });
        for report in ended.collect::<Vec<_>>() {
            self.ask_master(place, FromWorker::Report(report));
        }
    }

    /// An attempt ends on a machine; its result is kept there.
    pub(super) fn end(&mut self, place: usize, name: &AttemptName, status: Status) {
        let now = i64::try_from(self.now).unwrap();
        let machine = &mut self.machines[place];
        let Some((state, _)) = machine.held.get_mut(name) else { return };
        let State::Running(since) = *state else { return };
        let result = ResultRecord {
            task_id: name.task_id.clone(),
            worker_id: machine.id.clone(),
            status,
            completed_at_us: now,
            attempt: name.attempt,
            ..ResultRecord::default()
        };
        *state = State::Ended(Box::new(Report { result, started_at_us: Some(since) }));
    }

    pub(super) fn assign(&mut self, place: usize, task: &TaskRecord) -> Option<Delivery> {
        let now = i64::try_from(self.now).unwrap();
        let name = AttemptName { task_id: task.task_id.clone(), attempt: task.attempt };
        let session = task.assignment.as_ref().unwrap().session;
        let failing = !self.calm && self.dice.happens(self.trouble.failing);
        let length = self.dice.below(90 * SECOND);
        let status = if self.dice.happens(20) { Status::Failed } else { Status::Completed };
        let machine = &mut self.machines[place];
        if !machine.up {
            return None;
        }
        if machine.held.contains_key(&name) {
            return Some(Delivery::Taken);
        }
        if machine.over.contains(&name) {
            return Some(Delivery::Refused("stopped".to_owned()));
        }
        if session != machine.session || machine.session == 0 {
            return Some(Delivery::Stale);
        }
        let keep = task.request.on_disconnect;
        if failing {
            let result = ResultRecord {
                task_id: name.task_id.clone(),
                worker_id: machine.id.clone(),
                status: Status::Failed,
                completed_at_us: now,
                attempt: name.attempt,
                ..ResultRecord::default()
            };
            let report = Report { result, started_at_us: None };
            machine.held.insert(name, (State::Ended(Box::new(report)), keep));
        } else {
            machine.held.insert(name.clone(), (State::Running(now), keep));
            self.at(length, Event::End(place, name, status));
        }
        Some(Delivery::Taken)
    }

    pub(super) fn stop(&mut self, place: usize, name: &AttemptName) -> Option<bool> {
        if !self.machines[place].up {
            return None;
        }
        if self.machines[place].held.contains_key(name) {
            self.end(place, name, Status::Cancelled);
            return Some(true);
        }
        self.machines[place].over.insert(name.clone());
        Some(false)
    }

    pub(super) fn hear(&mut self, place: usize, answer: ForWorker) {
        let machine = &mut self.machines[place];
        let stop = match answer {
            // Only of the last registration, and if it came in time.
            ForWorker::Registered(number, sent, Some(stop)) => {
                if number == machine.registration && machine.session == 0 && sent + LEASE > self.now {
                    machine.session = number;
                    machine.lease_end = sent + LEASE;
                }
                stop
            }
            ForWorker::Alive(session, sent, Answer::Alive(stop)) if session == machine.session => {
                machine.lease_end = machine.lease_end.max(sent + LEASE);
                stop
            }
            ForWorker::Alive(session, _, Answer::RegisterFirst) if session == machine.session => {
                machine.session = 0;
                Vec::new()
            }
            ForWorker::Registered(..) | ForWorker::Alive(..) => Vec::new(),
            ForWorker::Stored(name) => {
                if matches!(machine.held.get(&name), Some((State::Ended(_), _))) {
                    machine.held.remove(&name);
                    machine.over.insert(name);
                }
                Vec::new()
            }
        };
        for name in stop {
            self.stop(place, &name);
        }
    }
}
