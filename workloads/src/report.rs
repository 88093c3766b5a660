//! What an importer did.

use std::fmt;

/// How many tasks an importer kept, and what it dropped or changed on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// Tasks in the log.
    pub read: u64,
    /// Tasks written.
    pub kept: u64,
    /// Tasks left out: reason and number, in a fixed order, without reasons that did not occur.
    pub dropped: Vec<(&'static str, u64)>,
    /// Tasks written with another value than the log's: what was changed and how often, as `dropped`.
    pub changed: Vec<(&'static str, u64)>,
}

impl ImportReport {
    /// Adds one to a reason.
    pub(crate) fn count(list: &mut Vec<(&'static str, u64)>, reason: &'static str) {
        match list.iter_mut().find(|(listed, _)| *listed == reason) {
            Some((_, count)) => *count += 1,
            None => {
                list.push((reason, 1));
                list.sort_unstable();
            }
        }
    }

    pub(crate) fn drop_task(&mut self, reason: &'static str) {
        Self::count(&mut self.dropped, reason);
    }

    pub(crate) fn change_task(&mut self, change: &'static str) {
        Self::count(&mut self.changed, change);
    }
}

/// A line with the numbers, then one for each reason.
impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {} tasks, wrote {}", self.read, self.kept)?;
        for (reason, count) in &self.dropped {
            write!(f, "\ndropped {count}: {reason}")?;
        }
        for (change, count) in &self.changed {
            write!(f, "\nchanged {count}: {change}")?;
        }
        Ok(())
    }
}
