//! One progress bar, for work that takes more than a second, when stderr is a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that follows a counter from a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    count: Arc<AtomicU64>,
    watcher: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts a bar over `total` tasks; draws nothing unless stderr is a terminal and a second has passed.
    pub(crate) fn start(total: u64) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let watcher = std::io::stderr().is_terminal().then(|| {
            let (done, until_done) = mpsc::channel();
            let watched = Arc::clone(&count);
            (done, std::thread::spawn(move || watch(total, &watched, &until_done)))
        });
        Self { count, watcher }
    }

    /// The counter that the bar follows.
    pub(crate) fn count(&self) -> &AtomicU64 {
        &self.count
    }
}

fn watch(total: u64, count: &AtomicU64, until_done: &mpsc::Receiver<()>) {
    let waits = |time| until_done.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout);
    if !waits(Duration::from_secs(1)) {
        return;
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} tasks, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    while waits(Duration::from_millis(100)) {
        bar.set_position(count.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((done, watcher)) = self.watcher.take() {
            drop(done);
            let _ = watcher.join();
        }
    }
}
