//! One progress bar, for work that takes more than a second, when stderr is a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that follows a counter from a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    count: Arc<AtomicU64>,
    /// Says lines above the bar; the bar ends when this goes.
    watcher: Option<(mpsc::Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts a bar over `total` things called `what`; draws nothing unless stderr is a terminal and a second has passed.
    pub(crate) fn start(total: u64, what: &'static str) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let watcher = std::io::stderr().is_terminal().then(|| {
            let (lines, to_say) = mpsc::channel();
            let watched = Arc::clone(&count);
            (lines, std::thread::spawn(move || watch(total, what, &watched, &to_say)))
        });
        Self { count, watcher }
    }

    /// Tells people something without getting into the bar's way.
    pub(crate) fn tell(&self, text: impl std::fmt::Display) {
        match &self.watcher {
            // The watcher listens for as long as this lives.
            Some((lines, _)) => drop(lines.send(text.to_string())),
            None => crate::failure::tell(text),
        }
    }

    /// The counter that the bar follows.
    pub(crate) fn count(&self) -> &AtomicU64 {
        &self.count
    }
}

fn watch(total: u64, what: &str, count: &AtomicU64, lines: &mpsc::Receiver<String>) {
    let begun = Instant::now();
    let mut bar: Option<ProgressBar> = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => match &bar {
                Some(bar) => bar.println(line),
                None => crate::failure::tell(line),
            },
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) if begun.elapsed() >= Duration::from_secs(1) => {
                bar.get_or_insert_with(|| draw(total, what)).set_position(count.load(Ordering::Relaxed));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn draw(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = format!("{{bar:30}} {{human_pos}}/{{human_len}} {what}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((lines, watcher)) = self.watcher.take() {
            drop(lines);
            let _ = watcher.join();
        }
    }
}
