//! The order in which a worker takes the tasks that are planned for it.

use std::collections::BTreeMap;

use crate::{TaskId, Time};

/// A turn: the planned start, and the number of the task in the order of planning.
pub(super) type Turn = (Time, u64);

/// The tasks planned for one worker, by turn: those that could start as far as their data goes, and the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    ready: BTreeMap<Turn, TaskId>,
    waiting: BTreeMap<Turn, TaskId>,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It starts this task as soon as it fits.
    Start(TaskId),
    /// It keeps its room for a task that is planned for this time.
    Keep(Time),
    /// It has nothing to start.
    Nothing,
}

impl Turns {
    pub(super) fn insert(&mut self, turn: Turn, task: TaskId, is_ready: bool) {
        let list = if is_ready { &mut self.ready } else { &mut self.waiting };
        list.insert(turn, task);
    }

    pub(super) fn remove(&mut self, turn: Turn) {
        self.ready.remove(&turn);
        self.waiting.remove(&turn);
    }

    pub(super) fn make_ready(&mut self, turn: Turn) {
        if let Some(task) = self.waiting.remove(&turn) {
            self.ready.insert(turn, task);
        }
    }

    /// All tasks, in no stated order; none is left.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = TaskId> + use<> {
        let Self { ready, waiting } = std::mem::take(self);
        ready.into_values().chain(waiting.into_values())
    }

    /// The first ready task has its turn unless one that is planned before it waits for data and is not late.
    pub(super) fn next(&self, now: Time) -> Next {
        let Some((&turn, &task)) = self.ready.first_key_value() else { return Next::Nothing };
        if turn < (now, 0) {
            return Next::Start(task);
        }
        let ahead = self.waiting.range((now, 0)..turn).next();
        ahead.map_or(Next::Start(task), |(&(start, _), _)| Next::Keep(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, ClusterConfig, TaskSpec};

    #[test]
    fn a_task_that_waits_for_data_keeps_its_turn_until_it_is_late() {
        let mut cluster = Cluster::new(ClusterConfig::default(), Vec::new()).unwrap();
        let mut task = |index| cluster.submit(TaskSpec { index, ..TaskSpec::default() });
        let (first, second) = (task(0), task(1));
        let at = Time::from_micros;
        let mut turns = Turns::default();
        assert_eq!(turns.next(at(0)), Next::Nothing);
        turns.insert((at(5), 0), first, false);
        turns.insert((at(8), 1), second, true);
        assert_eq!(turns.next(at(5)), Next::Keep(at(5)));
        assert_eq!(turns.next(at(6)), Next::Start(second));
        turns.make_ready((at(5), 0));
        assert_eq!(turns.next(at(6)), Next::Start(first));
        turns.remove((at(5), 0));
        assert_eq!(turns.next(at(0)), Next::Start(second));
        assert_eq!((turns.drain().collect::<Vec<_>>(), turns.next(at(0))), (vec![second], Next::Nothing));
    }
}
