//! Fragmentation gradient descent.

use super::choices;
use super::fragmentation::TypicalTasks;
use crate::strategies::queue::place::scored::Score;
use crate::{ClusterView, DeviceSet, Request, WorkerView, WorkloadProfile};

/// Fragmentation gradient descent (Weng et al. 2023, "Beware of Fragmentation", section 4): where the GPU that typical
/// tasks cannot use ([`TypicalTasks::unusable`]) grows least.
///
/// The score is sigmoid(F before - F after), F in devices; every device that suffices is tried for a fraction, ties to
/// the lowest. Quantized, it is int(100 x sigmoid), as in the paper's artifact: many workers then tie, and the lowest
/// index wins, which packs. F is summed in integers, so that equal ones are equal.
#[derive(Clone, Debug, Default)]
pub struct Fgd {
    quantize: bool,
    typical: TypicalTasks,
    /// The last value of F of each worker, and of what state: most scores of a worker find it unchanged.
    before: Vec<Before>,
}

#[derive(Clone, Debug, Default)]
struct Before {
    cpu_milli: u64,
    devices: super::Devices,
    unusable: u64,
}

impl Fgd {
    /// With scores as they are, or quantized to hundredths.
    #[must_use]
    pub fn new(quantize: bool) -> Self {
        Self { quantize, ..Self::default() }
    }

    fn before(&mut self, view: &ClusterView<'_>, worker: &WorkerView<'_>) -> u64 {
        let at = worker.id().index();
        if at >= self.before.len() {
            self.before.resize_with(at + 1, Before::default);
        }
        let known = &mut self.before[at];
        if known.devices.as_slice() != worker.free_devices() || known.cpu_milli != worker.free_cpu_milli() {
            *known = Before {
                cpu_milli: worker.free_cpu_milli(),
                devices: worker.free_devices().into(),
                unusable: self.typical.unusable_on(view, worker),
            };
        }
        known.unusable
    }

    /// The score of a change of F, in milli-GPU x typical tasks.
    #[expect(clippy::cast_precision_loss, reason = "a score")]
    fn sigmoid(&self, before: u64, after: u64) -> f64 {
        let gain = before as f64 - after as f64;
        let devices = gain / (self.typical.tasks().max(1) as f64 * 1000.0);
        let score = 1.0 / (1.0 + libm::exp(-devices));
        if self.quantize { (score * 100.0).trunc() } else { score }
    }
}

impl Score for Fgd {
    fn uses_profile(&self) -> bool {
        true
    }

    fn attach(&mut self, _: &ClusterView<'_>, profile: &WorkloadProfile) {
        self.typical = TypicalTasks::of(profile);
        self.before.clear();
    }

    fn score(
        &mut self,
        view: &ClusterView<'_>,
        worker: &WorkerView<'_>,
        request: &Request,
        free: &[u32],
    ) -> Option<(f64, DeviceSet)> {
        let before = self.before(view, worker);
        let allows = |constraint| view.allows(constraint, worker.id());
        let cpu_left = worker.free_cpu_milli() - request.cpu_milli;
        let mut best: Option<(f64, DeviceSet)> = None;
        for (devices, left) in choices(worker.free_devices(), free, request.gpu) {
            let score = self.sigmoid(before, self.typical.unusable(allows, cpu_left, &left));
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, devices));
            }
        }
        best
    }
}
