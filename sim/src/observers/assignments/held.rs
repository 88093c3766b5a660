//! Rows of an instant, held until all of them are there.

use std::ops::Range;

use cloudai_schedulers::{Duration, Time};

use super::{Key, Row};

/// Holds rows and gives them out in order.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: Vec<HeldRow>,
    /// Their texts.
    text: String,
}

/// A row whose texts are places in [`Held::text`].
#[derive(Clone, Debug)]
struct HeldRow {
    key: Key,
    task_id: Range<usize>,
    worker_id: Range<usize>,
    gpu_devices: Range<usize>,
    arrival: Time,
    start: Option<Time>,
    end: Option<Time>,
    wait: Option<Duration>,
    status: &'static str,
}

impl Held {
    pub(super) fn add(&mut self, key: Key, row: &Row<'_>) {
        let mut append = |text: &str| {
            let first = self.text.len();
            self.text.push_str(text);
            first..self.text.len()
        };
        self.rows.push(HeldRow {
            key,
            task_id: append(row.task_id),
            worker_id: append(row.worker_id),
            gpu_devices: append(row.gpu_devices),
            arrival: row.arrival,
            start: row.start,
            end: row.end,
            wait: row.wait,
            status: row.status,
        });
    }

    /// Gives out all rows by their keys, up to the first error.
    pub(super) fn give<E>(&mut self, mut take: impl FnMut(&Row<'_>) -> Result<(), E>) -> Result<(), E> {
        self.rows.sort_unstable_by_key(|row| row.key);
        for row in &self.rows {
            let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
            take(&Row {
                task_id: text(&row.task_id),
                worker_id: text(&row.worker_id),
                gpu_devices: text(&row.gpu_devices),
                attempt: row.key.1,
                arrival: row.arrival,
                start: row.start,
                end: row.end,
                wait: row.wait,
                status: row.status,
            })?;
        }
        self.rows.clear();
        self.text.clear();
        Ok(())
    }
}
