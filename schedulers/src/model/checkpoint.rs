//! Checkpoints: what an attempt that does not get to its end leaves to the next one, and what that costs.

use super::{Duration, Time};

/// How tasks save their progress. All times are wall-clock times of an attempt, whatever the speed of its worker.
///
/// The model is that of periodic checkpoints (Young, "A First Order Approximation to the Optimum Checkpoint Interval",
/// CACM 1974): work for `interval`, then a pause of `overhead` in which everything up to there is saved, and so on;
/// after the last bit of work nothing is saved any more. Without an interval progress is saved only when the attempt is
/// stopped, and then its worker is held for `overhead` longer. An attempt that goes on from saved progress begins with
/// `restart`, in which it does no work.
///
/// ```
/// use cloudai_schedulers::{Checkpoints, Duration};
///
/// let seconds = Duration::from_secs;
/// let every_ten = Checkpoints { interval: seconds(10), overhead: seconds(1), restart: seconds(2) };
/// // 10 + 1 + 10 + 1 + 5
/// assert_eq!(every_ten.length(seconds(25), false), seconds(27));
/// assert_eq!(every_ten.length(seconds(25), true), seconds(29));
/// let progress = every_ten.progress(seconds(18), false, false);
/// assert_eq!((progress.work, progress.saved), (seconds(17), seconds(10)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// Work between two checkpoints; zero if progress is saved only when the attempt is stopped.
    pub interval: Duration,
    /// How long it takes to save.
    pub overhead: Duration,
    /// How long it takes to go on from what was saved.
    pub restart: Duration,
}

/// What an attempt had done when it was over, in wall-clock time of its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Time spent on work: restart and checkpoints left out.
    pub work: Duration,
    /// How much of that work need not be done again.
    pub saved: Duration,
}

impl Checkpoints {
    /// How long an attempt runs that has this much work to do; `resumed` if it goes on from saved progress.
    #[must_use]
    pub fn length(self, work: Duration, resumed: bool) -> Duration {
        let restart = if resumed { self.restart } else { Duration::ZERO };
        let pauses = match self.interval.micros() {
            0 => 0,
            interval => work.micros().saturating_sub(1) / interval,
        };
        let paused = Duration::from_micros(self.overhead.micros().saturating_mul(pauses));
        restart.saturating_add(work).saturating_add(paused)
    }

    /// What an attempt has done that is over after `ran`; `stopped` if it was told to stop, and could save.
    #[must_use]
    pub fn progress(self, ran: Duration, resumed: bool, stopped: bool) -> Progress {
        let ran = if resumed { ran.saturating_sub(self.restart) } else { ran };
        if self.interval == Duration::ZERO {
            let work = if stopped { ran.saturating_sub(self.overhead) } else { ran };
            return Progress { work, saved: if stopped { work } else { Duration::ZERO } };
        }
        let (interval, cycle) =
            (self.interval.micros(), self.interval.saturating_add(self.overhead).micros());
        let (cycles, rest) = (ran.micros() / cycle, ran.micros() % cycle);
        let saved = Duration::from_micros(cycles * interval);
        Progress { work: saved.saturating_add(Duration::from_micros(rest.min(interval))), saved }
    }

    /// How long a stop takes beyond what it takes anyway.
    #[must_use]
    pub fn stop_overhead(self) -> Duration {
        if self.interval == Duration::ZERO { self.overhead } else { Duration::ZERO }
    }
}

/// What is left of `whole` once `saved` of it is saved: at least a microsecond if anything was saved, since the task
/// has not ended.
#[must_use]
pub(crate) fn left_of(whole: Duration, saved: Duration) -> Duration {
    if saved == Duration::ZERO { whole } else { whole.saturating_sub(saved).max(Time::TICK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(interval: u64, overhead: u64, restart: u64) -> Checkpoints {
        let micros = Duration::from_micros;
        Checkpoints { interval: micros(interval), overhead: micros(overhead), restart: micros(restart) }
    }

    #[test]
    fn an_attempt_pauses_between_intervals_and_not_after_the_last() {
        let length = |work| at(10, 3, 100).length(Duration::from_micros(work), false).micros();
        assert_eq!([0, 1, 10, 11, 20, 21].map(length), [0, 1, 10, 14, 23, 27]);
        assert_eq!(at(0, 3, 100).length(Duration::from_micros(50), true).micros(), 150);
    }

    #[test]
    fn progress_is_saved_when_the_pause_is_over() {
        let progress = |ran| {
            let progress = at(10, 3, 4).progress(Duration::from_micros(ran), true, false);
            (progress.work.micros(), progress.saved.micros())
        };
        assert_eq!(
            [0, 3, 5, 14, 16, 17, 18, 29, 30].map(progress),
            [(0, 0), (0, 0), (1, 0), (10, 0), (10, 0), (10, 10), (11, 10), (20, 10), (20, 20)]
        );
    }

    #[test]
    fn without_an_interval_a_stop_saves_and_a_loss_does_not() {
        let progress = |ran, stopped| {
            let progress = at(0, 3, 4).progress(Duration::from_micros(ran), true, stopped);
            (progress.work.micros(), progress.saved.micros())
        };
        assert_eq!((progress(20, true), progress(20, false)), ((13, 13), (16, 0)));
        assert_eq!(
            (progress(5, true), progress(2, false)),
            ((0, 0), (0, 0)),
            "stopped before it got to work"
        );
        assert_eq!((at(0, 3, 0).stop_overhead().micros(), at(1, 3, 0).stop_overhead().micros()), (3, 0));
    }
}
