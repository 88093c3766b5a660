//! The terminal's modes, and keys while something else is on the screen.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

/// Puts the terminal of stdin back to what it was, however its scope is left.
#[derive(Debug)]
pub(super) struct Restore(Termios);

impl Restore {
    /// What it is now. None if stdin is no terminal.
    pub(super) fn later() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Keys, each at once and not shown, until this is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    pressed: Option<oneshot::Receiver<()>>,
    // Last, so that it is dropped when nobody reads any more.
    _restore: Restore,
}

impl Keys {
    /// None if stdin is no terminal.
    pub(super) fn listen() -> Option<Self> {
        let restore = Restore::later()?;
        let mut modes = restore.0.clone();
        // Output stays as it is: what is monitored prints lines.
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &modes).ok()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (press, pressed) = oneshot::channel();
        let stopped = Arc::clone(&stop);
        let reader = std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            if wait_for_key(&stopped) {
                let _ = press.send(());
            }
        });
        Some(Self { stop, reader: reader.ok(), pressed: Some(pressed), _restore: restore })
    }

    /// Returns when a key was pressed, or the terminal has gone.
    pub(super) async fn pressed(&mut self) {
        match &mut self.pressed {
            Some(pressed) => {
                let _ = pressed.await;
                self.pressed = None;
            }
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// True if there was a key; false if told to stop.
fn wait_for_key(stop: &AtomicBool) -> bool {
    let stdin = io::stdin();
    let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    while !stop.load(Ordering::Relaxed) {
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut watched, Some(&tick)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                // All bytes of a key such as an arrow, so that none of them is left for the next prompt.
                let mut bytes = [0; 64];
                let _ = rustix::io::read(&stdin, &mut bytes);
                return true;
            }
            Err(_) => return true,
        }
    }
    false
}
