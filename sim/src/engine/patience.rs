//! Runs that lead nowhere: how long the engine puts up with them, and what is left when it does no more.

use cloudai_schedulers::{Event, TaskId, TaskState, Time};

use super::Engine;
use crate::error::SimError;
use crate::observers::{AttemptEnd, Observer};

/// A strategy that passes more often than this at one instant never comes to rest.
pub(super) const MOST_PASSES_PER_INSTANT: u32 = 100_000;

/// So many preemptions that saved nothing, while no task arrived or ended, lead nowhere.
const MOST_FRUITLESS_STOPS: u32 = 1_000_000;

/// So many changes of workers, while tasks wait, nothing runs and nothing else is due, bring no task to run.
const MOST_IDLE_CHANGES: u32 = 100_000;

/// So many attempts that were lost and left nothing, while no task ended, lead nowhere.
const MOST_LOST_IN_VAIN: u64 = 1_000_000;

/// As many wake-ups in a row, with nothing else left to happen, are too many.
const MOST_IDLE_WAKES: u32 = 100_000;

/// What has happened in vain so far.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Preemptions that saved nothing since a task last arrived or ended.
    fruitless_stops: u32,
    /// Attempts that were lost without leaving anything, since a task last ended or saved progress.
    lost_in_vain: u64,
    /// Changes of workers in a row that changed nothing else.
    idle_changes: u32,
    /// Wake-ups in a row with nothing else left to happen.
    idle_wakes: u32,
}

impl Patience {
    /// What runs, or is still to arrive, is no idling.
    pub(super) fn something_goes_on(&mut self) {
        (self.idle_changes, self.idle_wakes) = (0, 0);
    }

    pub(super) fn task_arrived(&mut self) {
        self.fruitless_stops = 0;
    }

    pub(super) fn task_ended(&mut self) {
        (self.fruitless_stops, self.lost_in_vain) = (0, 0);
    }

    /// An attempt has ended whose task goes back to the queue; `saved`: it left some progress.
    pub(super) fn attempt_was_retried(&mut self, status: AttemptEnd, saved: bool) {
        match (status, saved) {
            (AttemptEnd::Preempted, true) => (self.fruitless_stops, self.lost_in_vain) = (0, 0),
            (AttemptEnd::Preempted, false) => self.fruitless_stops += 1,
            (_, true) => self.lost_in_vain = 0,
            (_, false) => self.lost_in_vain += 1,
        }
    }

    /// True if there is something to be [checked](Engine::check_patience).
    pub(super) fn is_tried(&self) -> bool {
        self.fruitless_stops > MOST_FRUITLESS_STOPS || self.lost_in_vain > MOST_LOST_IN_VAIN
    }
}

impl<O: Observer> Engine<'_, O> {
    /// Nothing runs and nothing arrives any more: what still happens must lead to something.
    #[inline(never)]
    pub(super) fn check_idle(&mut self) -> Result<(), SimError> {
        let changed = std::mem::take(&mut self.failures.changed);
        let only_waking =
            self.completions.is_empty() && self.agenda.values().all(|event| *event == Event::Woke);
        let patience = &mut self.patience;
        patience.idle_changes = if only_waking { patience.idle_changes + u32::from(changed) } else { 0 };
        // Who waits for a worker to return may well look at the clock.
        let alone = only_waking && self.failures.next_time() == Time::NEVER;
        patience.idle_wakes = if alone { patience.idle_wakes + 1 } else { 0 };
        if patience.idle_changes > MOST_IDLE_CHANGES {
            return self.check_all_ended();
        }
        if patience.idle_wakes > MOST_IDLE_WAKES {
            return Err(self.restless("it keeps asking to be woken while nothing happens"));
        }
        Ok(())
    }

    #[cold]
    pub(super) fn check_patience(&self) -> Result<(), SimError> {
        if self.patience.fruitless_stops > MOST_FRUITLESS_STOPS {
            return Err(self.restless("it keeps preempting tasks that lose their progress"));
        }
        if self.patience.lost_in_vain > MOST_LOST_IN_VAIN {
            return Err(self.hopeless());
        }
        Ok(())
    }

    pub(super) fn restless(&self, what: &'static str) -> SimError {
        SimError::Restless { strategy: self.spec.to_owned(), at: self.cluster.now(), what }
    }

    fn hopeless(&self) -> SimError {
        let (count, tasks) = self.left();
        SimError::Hopeless { count, tasks, at: self.cluster.now(), attempts: self.patience.lost_in_vain }
    }

    pub(super) fn check_all_ended(&self) -> Result<(), SimError> {
        let (count, tasks) = self.left();
        if count == 0 {
            return Ok(());
        }
        Err(SimError::Unscheduled { strategy: self.spec.to_owned(), count, tasks, at: self.cluster.now() })
    }

    /// How many tasks have not ended, and the first of them with the state that each is in.
    fn left(&self) -> (usize, Vec<String>) {
        let view = self.cluster.view();
        let mut left: Vec<TaskId> = view.tasks().collect();
        left.sort_unstable();
        let (count, shown) = (left.len(), &left[..left.len().min(10)]);
        let shown = shown.iter().zip(self.names(shown)).filter_map(|(&task, name)| {
            let state = view.task(task)?.state();
            Some(format!("{name} ({})", waiting_words(state)))
        });
        (count, shown.collect())
    }

    /// The names of tasks, for an error: those that are kept, or else from the workload; numbers if that can no longer be read.
    pub(super) fn names(&self, tasks: &[TaskId]) -> Vec<String> {
        if self.reads_names {
            return tasks.iter().map(|&task| self.tasks.name(task).to_owned()).collect();
        }
        let mut names: Vec<String> = tasks.iter().map(ToString::to_string).collect();
        let Ok(mut stream) = self.scenario.stream() else { return names };
        let mut left = tasks.len();
        while left > 0
            && stream.advance().is_ok_and(|next| next.is_some())
            && let Some(read) = stream.task()
        {
            if let Some(place) = tasks.iter().position(|task| task.index() == read.spec.index) {
                names[place].clone_from(&read.name);
                left -= 1;
            }
        }
        names
    }
}

fn waiting_words(state: TaskState) -> &'static str {
    match state {
        TaskState::Blocked => "waits for a predecessor",
        TaskState::Queued => "queued",
        TaskState::Bound => "bound to a worker",
        _ => "holds resources",
    }
}
