//! The capacity index: finds workers without looking at all of them.
//!
//! - [`room`]: a tree of maxima, for first fit and for every feasible worker in index order; always kept
//! - [`fullest`]: the workers in order of (free cpu, free memory, index), in levels by free cpu, for best fit; kept if a
//!   strategy declares [`Indexes::best_fit`]. Levels are short lists, sets of [`bits`] or sorted [`blocks`]
//! - [`least`]: a tournament tree of committed work; kept if it declares [`Indexes::committed_work`]
//! - what runs on each worker; kept if it declares [`Indexes::running_tasks`], and by expected end if it declares
//!   [`Indexes::expected_ends`]
//! - [`recent`]: the workers, latest change first; kept if it declares [`Indexes::recent_changes`]
//! - [`waiting`]: the waiting tasks by what they ask for ([`demand`]); kept of a deep queue if it declares
//!   [`Indexes::deep_queue`]
//!
//! A query that is not declared still gives the right answer, by looking at every worker.

mod amount;
mod bits;
mod blocks;
mod demand;
mod fullest;
mod least;
mod maxima;
mod recent;
mod room;
mod tree;
mod waiting;

pub use demand::Demand;
pub(crate) use fullest::{FullestFirst, Key as FullestKey};
pub(crate) use least::LeastTree;
pub(crate) use recent::RecentChanges;
pub(crate) use room::{Room, RoomTree};
use serde::{Deserialize, Serialize};
pub(crate) use waiting::Waiting;

/// Which indexes a strategy wants kept, beside the one for first fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Indexes {
    /// For [`ClusterView::best_fit`](crate::ClusterView::best_fit).
    pub best_fit: bool,
    /// For [`ClusterView::least_committed`](crate::ClusterView::least_committed).
    pub committed_work: bool,
    /// For [`WorkerView::running`](crate::WorkerView::running) and [`running_len`](crate::WorkerView::running_len), in order.
    pub expected_ends: bool,
    /// For the same, and [`ClusterView::running`](crate::ClusterView::running), at the price of a sort.
    #[serde(default)]
    pub running_tasks: bool,
    /// For [`ClusterView::changed_since`](crate::ClusterView::changed_since).
    pub recent_changes: bool,
    /// For [`ClusterView::next_within`](crate::ClusterView::next_within) and
    /// [`next_with_room`](crate::ClusterView::next_with_room) where the queue is deep.
    #[serde(default)]
    pub deep_queue: bool,
}

impl Indexes {
    /// What either asks for.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            best_fit: self.best_fit || other.best_fit,
            committed_work: self.committed_work || other.committed_work,
            expected_ends: self.expected_ends || other.expected_ends,
            running_tasks: self.running_tasks || other.running_tasks,
            recent_changes: self.recent_changes || other.recent_changes,
            deep_queue: self.deep_queue || other.deep_queue,
        }
    }
}
