//! Bars for the Gantt chart.

use cloudai_schedulers::Request;

use super::{Attempt, Observer};
use crate::error::SimError;
use crate::result::GanttBar;

/// A chart of more bars than this is not readable; none are kept then.
pub const MOST_BARS: usize = 3_000;

/// Keeps every attempt that ran as a bar, one for each worker that it ran on, in order of end; none at all once there
/// are more than [`MOST_BARS`].
#[derive(Clone, Debug, Default)]
pub struct Gantt {
    bars: Vec<GanttBar>,
    overflowed: bool,
}

impl Gantt {
    /// The bars.
    #[must_use]
    pub fn into_bars(self) -> Vec<GanttBar> {
        self.bars
    }
}

impl Observer for Gantt {
    fn attempt_ended(&mut self, attempt: &Attempt<'_>) -> Result<(), SimError> {
        let Some(start) = attempt.start.filter(|_| !self.overflowed) else { return Ok(()) };
        for part in attempt.placement.parts() {
            self.bars.push(GanttBar {
                worker: part.worker.0,
                task: attempt.name.to_owned(),
                start_s: start.seconds(),
                end_s: attempt.end.seconds(),
                cpu_cores: cores(&attempt.spec.request) * f64::from(part.replicas),
                status: attempt.status.as_str().to_owned(),
            });
        }
        if self.bars.len() > MOST_BARS {
            self.overflowed = true;
            self.bars = Vec::new();
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a picture")]
fn cores(request: &Request) -> f64 {
    request.cpu_milli as f64 / 1000.0
}
