//! CPU time of this thread.

/// Seconds of CPU time that `work` takes on this thread.
#[cfg(unix)]
pub(crate) fn cpu_seconds(work: impl FnOnce()) -> f64 {
    use rustix::time::{ClockId, clock_gettime};

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let now = || {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
    };
    let before = now();
    work();
    now() - before
}

/// Seconds that `work` takes by the wall clock, where CPU time is not at hand.
#[cfg(not(unix))]
pub(crate) fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let before = std::time::Instant::now();
    work();
    before.elapsed().as_secs_f64()
}
