//! What the master answers.

use cloudai_proto::v1;

use super::super::events::{Action, AttemptKey, BootMicros, Entry, Now};
use super::{Link, Phase, REGISTER_PAUSE, REPORT_PAUSE, Tombstone, WorkerCore, micros};

impl WorkerCore {
    pub(super) fn result_answered(
        &mut self,
        key: AttemptKey,
        answer: &Result<v1::ResultAck, String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        self.reports_in_flight = self.reports_in_flight.saturating_sub(1);
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        let Phase::Ended(_, pause) = &mut attempt.phase else { return };
        if answer.as_ref().is_ok_and(|ack| ack.stored) {
            self.attempts.remove(&key);
            self.bury(key.clone(), Tombstone::Ended, now);
            actions.push(Action::Journal(Entry::Forgotten(key)));
        } else {
            let due = now.boot_us + *pause;
            *pause = (*pause * 2).min(REPORT_PAUSE.1);
            self.reports_due.insert((due, key));
        }
    }

    pub(super) fn register_answered(
        &mut self,
        registration: u64,
        answer: Result<v1::RegisterAck, String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let Link::Registering { sent_us } = self.link else { return };
        if registration != self.registration {
            return;
        }
        let ack = match answer {
            Ok(ack) if ack.accepted => ack,
            other => {
                let reason = match other {
                    Ok(ack) => {
                        if ack.taken && !self.ever_registered {
                            actions.push(Action::Fatal(ack.reason.clone()));
                        }
                        format!("the master refuses this worker: {}", ack.reason)
                    }
                    Err(problem) => format!("cannot register: {problem}"),
                };
                actions.push(Action::Log(reason));
                self.link = Link::Out { not_before_us: now.boot_us + self.register_pause };
                self.register_pause = (self.register_pause * 2).min(REGISTER_PAUSE.1);
                return;
            }
        };
        self.link = Link::In;
        self.ever_registered = true;
        self.register_pause = REGISTER_PAUSE.0;
        self.lease_us = micros(ack.lease_s).max(1);
        let asked = micros(ack.heartbeat_interval_s);
        self.heartbeat_interval_us = match asked {
            ..=0 => self.settings.heartbeat_interval_us,
            asked => asked,
        };
        self.heartbeat_due_us = now.boot_us;
        self.heartbeat_in_flight = false;
        actions.push(Action::Log(format!("registered: session {registration}")));
        // Also if it is shorter than what an earlier registration has given: the master counts with this one.
        self.lease_end_us = None;
        self.renew(sent_us, actions);
        for id in &ack.stop {
            self.cancel(id, now, actions);
        }
    }

    pub(super) fn heartbeat_answered(
        &mut self,
        sent_us: BootMicros,
        session: u64,
        answer: Result<v1::HeartbeatAck, String>,
        now: Now,
        actions: &mut Vec<Action>,
    ) {
        let current = session != 0 && session == self.session();
        if current && sent_us == self.last_heartbeat_us {
            self.heartbeat_in_flight = false;
        }
        let ack = match answer {
            Ok(ack) => ack,
            Err(problem) => {
                actions.push(Action::Log(format!("a heartbeat is not answered: {problem}")));
                return;
            }
        };
        if current && ack.accepted {
            self.renew(sent_us, actions);
        }
        // An attempt number is never used twice, so this holds whichever session it was said in.
        for id in &ack.stop {
            self.cancel(id, now, actions);
        }
        if current && ack.register {
            self.link = Link::Out { not_before_us: now.boot_us };
        }
    }

    fn renew(&mut self, sent_us: BootMicros, actions: &mut Vec<Action>) {
        let end = sent_us + self.lease_us;
        // An answer that was overtaken by a later one must not shorten the lease.
        if self.lease_end_us.is_none_or(|current| current < end) {
            self.lease_end_us = Some(end);
            actions.push(Action::Lease { until_us: end });
        }
    }
}
