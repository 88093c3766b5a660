//! Answers to questions: tasks, workers, the cluster, and why a task waits.

use cloudai_schedulers::{Decision, Placement, Refusal, Resource, TaskState, WorkerState};

use super::{Answer, Beat, MasterCore, Problem, Question, Ticket};
use crate::record::{TaskRecord, TaskRequest, WorkerRecord};

/// A task as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// What is kept of it.
    pub record: TaskRecord,
    /// It is being stopped.
    pub stopping: bool,
}

/// A worker as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    /// What is kept of it.
    pub record: WorkerRecord,
    /// registered, active, draining, unreachable, lost or forgotten.
    pub state: &'static str,
    /// Cores held by tasks.
    pub used_cpu: f64,
    /// GB held by tasks.
    pub used_memory: f64,
    /// GB held by tasks.
    pub used_storage: f64,
    /// Devices held by tasks.
    pub used_gpu: f64,
    /// How many tasks hold resources there.
    pub running_tasks: usize,
    /// When it was last heard from by this master, or by an earlier one.
    pub last_heartbeat_us: Option<i64>,
    /// What it said last.
    pub beat: Option<Beat>,
    /// The tasks that it says it holds, with what they were given: `(task_id, cpu, memory MiB, gpu, status)`.
    pub held: Vec<HeldTask>,
}

/// A task on a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldTask {
    /// The task.
    pub task_id: String,
    /// Cores.
    pub cpu_allocated: f64,
    /// MiB.
    pub memory_allocated: f64,
    /// Devices.
    pub gpu_allocated: f64,
    /// Its status.
    pub status: &'static str,
}

/// The cluster as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterStatus {
    /// Workers that are not forgotten.
    pub workers: usize,
    /// Of them, those heard from lately.
    pub active_workers: usize,
    /// Tasks that wait, or whose start is not confirmed.
    pub pending: u64,
    /// Tasks that run or are being stopped.
    pub running: u64,
    /// Tasks that have ended well, ever.
    pub completed: u64,
    /// Tasks that have ended badly, ever.
    pub failed: u64,
    /// Tasks that were cancelled, ever.
    pub cancelled: u64,
    /// The strategy's spec.
    pub strategy: String,
    /// Cores of active workers, and how many of them are held.
    pub cpu: (f64, f64),
    /// GB, likewise.
    pub memory: (f64, f64),
    /// Devices, likewise.
    pub gpu: (f64, f64),
}

/// Why a task waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// One sentence.
    pub summary: String,
    /// What stands against each worker.
    pub workers: Vec<WorkerRefusal>,
}

/// What stands against a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRefusal {
    /// The worker.
    pub worker_id: String,
    /// In words.
    pub reason: String,
}

impl MasterCore {
    pub(super) fn answer(&mut self, ticket: Ticket, question: &Question) {
        match question {
            // One that has ended meanwhile is in the store by the time of the answer.
            Question::Task(task_id) => {
                let view = self.named.get(task_id).and_then(|&index| self.task_view(index));
                match view {
                    Some(view) => self.reply(ticket, Answer::Task(Box::new(view))),
                    None => self.refuse(ticket, Problem::UnknownTask(task_id.clone())),
                }
            }
            Question::Why(task_id) => match self.named.get(task_id) {
                Some(&index) => {
                    let why = self.why(index);
                    self.reply_at_once(ticket, Answer::Why(why));
                }
                None => self.refuse(ticket, Problem::UnknownTask(task_id.clone())),
            },
            Question::Workers => {
                let known = (0..self.workers.len()).filter(|&place| !self.workers[place].record.forgotten);
                let mut views: Vec<WorkerView> = known.map(|place| self.worker_view(place)).collect();
                views.sort_by(|a, b| a.record.worker_id.cmp(&b.record.worker_id));
                self.reply_at_once(ticket, Answer::Workers(views));
            }
            Question::Status => {
                let status = self.status();
                self.reply_at_once(ticket, Answer::Status(Box::new(status)));
            }
        }
    }

    pub(super) fn task_view(&self, index: u32) -> Option<TaskView> {
        let entry = self.tasks.get(&index)?;
        let stopping = self.state_of(index).is_some_and(|(_, state)| state == TaskState::Stopping);
        Some(TaskView { record: entry.record.clone(), stopping })
    }

    pub(super) fn worker_view(&self, place: usize) -> WorkerView {
        let entry = &self.workers[place];
        let record = entry.record.clone();
        let state = if record.forgotten {
            "forgotten"
        } else if record.registration == 0 {
            "registered"
        } else if !record.is_active {
            if entry.open { "unreachable" } else { "lost" }
        } else if record.draining {
            "draining"
        } else {
            "active"
        };
        let room = entry.id.and_then(|id| self.cluster.view().worker(id));
        let used = |total: f64, free: u64, unit: f64| ((total * unit).floor() - as_f64(free)).max(0.0) / unit;
        let (used_cpu, used_memory, used_storage, used_gpu) = room.map_or((0.0, 0.0, 0.0, 0.0), |room| {
            (
                used(record.total_cpu, room.free_cpu_milli(), 1000.0),
                used(record.total_memory, room.free_memory_mib(), 1024.0),
                used(record.total_storage, room.free_storage_mib(), 1024.0),
                used(record.total_gpu, room.free_gpu_milli(), 1000.0),
            )
        });
        let heard = i64::try_from(entry.contact.micros()).ok().filter(|_| entry.beat.is_some());
        WorkerView {
            state,
            used_cpu,
            used_memory,
            used_storage,
            used_gpu,
            running_tasks: entry.tasks.len(),
            last_heartbeat_us: heard.or(record.last_heartbeat_us),
            held: entry.beat.as_ref().map(|beat| self.held_tasks(beat)).unwrap_or_default(),
            beat: entry.beat.clone(),
            record,
        }
    }

    fn held_tasks(&self, beat: &Beat) -> Vec<HeldTask> {
        let known = |held: &super::Held| {
            let entry = self.tasks.get(self.named.get(&held.name.task_id)?)?;
            let request = &entry.record.request;
            Some(HeldTask {
                task_id: held.name.task_id.clone(),
                cpu_allocated: request.cpu_cores,
                memory_allocated: request.memory_gb * 1024.0,
                gpu_allocated: request.gpu_cores,
                status: entry.record.status.name(),
            })
        };
        beat.held.iter().filter_map(known).collect()
    }

    fn status(&self) -> ClusterStatus {
        let known = || (0..self.workers.len()).filter(|&place| !self.workers[place].record.forgotten);
        let active = || known().filter(|&place| self.workers[place].record.is_active);
        let mut status = ClusterStatus {
            workers: known().count(),
            active_workers: active().count(),
            completed: self.ended.completed,
            failed: self.ended.failed,
            cancelled: self.ended.cancelled,
            strategy: self.strategy(),
            ..ClusterStatus::default()
        };
        for entry in self.tasks.values() {
            match entry.record.status {
                crate::record::Status::Running => status.running += 1,
                _ => status.pending += 1,
            }
        }
        for view in active().map(|place| self.worker_view(place)) {
            let add = |sum: &mut (f64, f64), total: f64, used: f64| *sum = (sum.0 + total, sum.1 + used);
            add(&mut status.cpu, view.record.total_cpu, view.used_cpu);
            add(&mut status.memory, view.record.total_memory, view.used_memory);
            add(&mut status.gpu, view.record.total_gpu, view.used_gpu);
        }
        status
    }

    /// Why a task waits: the cluster's own check, asked of a copy of it for each worker.
    fn why(&self, index: u32) -> Why {
        let sentence = |summary: String| Why { summary, workers: Vec::new() };
        let Some((task, state)) = self.state_of(index) else { return Why::default() };
        let Some(entry) = self.tasks.get(&index) else { return Why::default() };
        let worker = entry.record.assigned_worker.as_deref().unwrap_or_default();
        match state {
            TaskState::Queued | TaskState::Bound => {}
            TaskState::Assigned if entry.start_failed => {
                let reason = entry.record.reason.as_deref().unwrap_or_default();
                return sentence(format!("its start has failed ({reason}) and is about to be tried again"));
            }
            TaskState::Assigned => {
                return sentence(format!(
                    "it is assigned to {worker}, which has not confirmed the start yet"
                ));
            }
            TaskState::Running => return sentence(format!("it runs on {worker}")),
            TaskState::Stopping => return sentence(format!("it is being stopped on {worker}")),
            _ => return Why::default(),
        }
        let pinned_to = entry.record.request.pinned_to.clone();
        let elsewhere = |worker: &super::WorkerEntry| {
            pinned_to.as_ref().is_some_and(|pinned| *pinned != worker.record.worker_id)
        };
        let mut copy = self.cluster.clone();
        let (mut workers, mut fits, mut could) = (Vec::new(), 0, 0);
        for worker in &self.workers {
            if worker.record.forgotten {
                continue;
            }
            let reason = match worker.id {
                None => "it has not been heard from yet".to_owned(),
                Some(id) => {
                    could += usize::from(self.cluster.view().can_ever_hold(task, id));
                    let placement = self.cluster.view().placement_on(task, id);
                    let placement = placement
                        .unwrap_or_else(|| Placement::single(id, cloudai_schedulers::DeviceSet::EMPTY));
                    match copy.decide(Decision::Assign { task, placement }) {
                        Err(Refusal::NotAllowed { .. }) if elsewhere(worker) => {
                            format!("the task is pinned to {}", pinned_to.as_deref().unwrap_or_default())
                        }
                        Err(Refusal::NotAllowed { .. }) => lacks(&entry.record.request, &worker.record),
                        Err(refusal) => in_words(&refusal),
                        Ok(()) => {
                            fits += 1;
                            copy = self.cluster.clone();
                            "it has room".to_owned()
                        }
                    }
                }
            };
            workers.push(WorkerRefusal { worker_id: worker.record.worker_id.clone(), reason });
        }
        let ahead = self.cluster.view().queue().take_while(|&other| other != task).count();
        let summary = if let Some(lane) = self.cluster.view().task(task).and_then(|task| task.lane()) {
            let name = &self.workers[self.worker_of[lane.index()]].record.worker_id;
            format!("the strategy {} has bound it to {name}, where it waits for its turn", self.strategy())
        } else if workers.is_empty() {
            "there are no workers".to_owned()
        } else if fits > 0 {
            format!(
                "{fits} of {} workers have room, but the strategy {} has not placed it; {ahead} tasks are ahead of it in \
                 the queue",
                workers.len(),
                self.strategy()
            )
        } else if could > 0 {
            format!(
                "no worker has room now; {could} could hold it once others end; {ahead} tasks are ahead of it"
            )
        } else {
            "no worker that takes work now could ever hold it".to_owned()
        };
        Why { summary, workers }
    }
}

/// What a worker lacks that a task asks for by name.
fn lacks(request: &TaskRequest, worker: &WorkerRecord) -> String {
    let models = &request.gpu_models;
    if !models.is_empty() && !models.contains(&worker.gpu_model) {
        let has = if worker.gpu_model.is_empty() { "none" } else { &worker.gpu_model };
        return format!("GPU model: {} wanted, it has {has}", models.join(" or "));
    }
    let missing = request.labels.iter().find(|(key, value)| worker.labels.get(*key) != Some(value));
    match missing {
        Some((key, value)) => format!("label {key}={value} wanted, it has not got it"),
        None => "it is not the task's".to_owned(),
    }
}

fn in_words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::WorkerNotActive { state, .. } => match state {
            WorkerState::Draining => "it is draining".to_owned(),
            WorkerState::Unreachable => "it has not been heard from lately".to_owned(),
            _ => "it is lost".to_owned(),
        },
        Refusal::NotAllowed { .. } => "its GPU model or labels are not what the task asks for".to_owned(),
        Refusal::Avoided { .. } => "a start of the task has failed there".to_owned(),
        Refusal::DoesNotFit { resource, needed, free, .. } => {
            let (name, unit, scale) = match resource {
                Resource::Cpu => ("cpu", "cores", 1000.0),
                Resource::Memory => ("memory", "GB", 1024.0),
                Resource::Storage => ("storage", "GB", 1024.0),
                Resource::Gpu => ("gpu", "devices", 1000.0),
            };
            let (needed, free) = (as_f64(*needed) / scale, as_f64(*free) / scale);
            format!("{name}: {free} {unit} free, {needed} needed")
        }
        Refusal::WrongDevices { .. } => "not enough of its GPU devices are free".to_owned(),
        Refusal::NeverFits { .. } => "it is too small, even when empty".to_owned(),
        other => other.to_string(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
const fn as_f64(amount: u64) -> f64 {
    amount as f64
}
