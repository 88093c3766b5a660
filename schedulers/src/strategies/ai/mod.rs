//! The `ai` family: batch-mode strategies that score tasks and workers.
//!
//! All four look at a window of the queue, rank tasks by what is expected of them, and choose workers by a score. They
//! differ in what they rank by and in the score:
//!
//! - [`multi_objective`] (`ai`): a weighted score over feasible (task, worker) pairs
//! - [`aggressive`]: three passes: large tasks, gaps, the rest
//! - [`predictive`]: long paths and near deadlines first, where they end earliest
//! - [`load_balanced`]: where the load stays most even
//!
//! - `rank.rs`: upward ranks over dependencies; `score.rs`: how well a task suits a worker

pub mod aggressive;
pub mod load_balanced;
pub mod multi_objective;
pub mod predictive;
mod rank;
mod score;

use crate::{ParamInfo, ParamKind, QueueCursor, SchedulingContext, TaskId};

/// How many tasks from the head of the queue are ranked.
const WINDOW: ParamInfo = ParamInfo {
    name: "window",
    about: "tasks from the head of the queue that are ranked in a pass",
    kind: ParamKind::Int { default: 256, min: 1, max: 1_000_000 },
};

/// How many workers are scored for a task.
const CANDIDATES: ParamInfo = ParamInfo {
    name: "candidates",
    about: "feasible workers that are scored for a task",
    kind: ParamKind::Int { default: 32, min: 1, max: 1_000_000 },
};

/// The first `window` tasks of the queue that may find room at all, in queue order; and where the walk ended.
fn window(cx: &SchedulingContext<'_>, window: usize) -> (Vec<TaskId>, QueueCursor) {
    let mut cursor = QueueCursor::default();
    let mut tasks = Vec::new();
    let mut seen = 0;
    while seen < window {
        let Some(task) = cx.next_queued(&mut cursor) else { break };
        seen += 1;
        if !cx.view().surely_full_for(task) {
            tasks.push(task);
        }
    }
    (tasks, cursor)
}
