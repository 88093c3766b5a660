//! The shapes of a workload: how often each occurs, and whether it fits anywhere.

use cloudai_schedulers::model::{
    Capacity, Constraint, ConstraintId, Request, ShapeCount, TaskSpec, WorkerSpec, WorkloadProfile,
};

use crate::decimal::{Gigabytes, Thousandths};
use crate::hash::FixedMap;

/// Counts shapes, and checks each new one against the workers.
#[derive(Debug)]
pub(crate) struct Shapes {
    numbers: FixedMap<(Request, ConstraintId, u32), u32>,
    counts: Vec<ShapeCount>,
    fits: Vec<bool>,
    tasks: u64,
    classes: Vec<WorkerClass>,
    workers: u64,
}

/// Workers that hold the same tasks.
#[derive(Debug)]
struct WorkerClass {
    example: WorkerSpec,
    count: u64,
}

impl Shapes {
    pub(crate) fn new(workers: &[WorkerSpec]) -> Self {
        let mut numbers: FixedMap<_, usize> = FixedMap::default();
        let mut classes: Vec<WorkerClass> = Vec::new();
        for worker in workers {
            let class = (worker.capacity, worker.gpu_model.as_ref(), &worker.labels);
            let number = *numbers.entry(class).or_insert(classes.len());
            match classes.get_mut(number) {
                Some(class) => class.count += 1,
                None => classes.push(WorkerClass { example: worker.clone(), count: 1 }),
            }
        }
        Self {
            numbers: FixedMap::default(),
            counts: Vec::new(),
            fits: Vec::new(),
            tasks: 0,
            classes,
            workers: workers.len() as u64,
        }
    }

    /// Counts a task; false if it fits no worker, a gang no set of workers.
    ///
    /// Shapes beyond [`WorkloadProfile::MAX_SHAPES`] are checked but not told apart.
    #[inline]
    pub(crate) fn count(&mut self, task: &TaskSpec, constraint: &Constraint) -> bool {
        self.tasks += 1;
        let key = (task.request, task.constraint, task.replicas);
        if let Some(&number) = self.numbers.get(&key) {
            self.counts[number as usize].count += 1;
            return self.fits[number as usize];
        }
        let fits = self.fits_somewhere(task, constraint);
        if self.counts.len() < WorkloadProfile::MAX_SHAPES {
            #[expect(clippy::cast_possible_truncation, reason = "below MAX_SHAPES")]
            self.numbers.insert(key, self.counts.len() as u32);
            let (request, constraint, replicas) = key;
            self.counts.push(ShapeCount { request, constraint, replicas, count: 1 });
            self.fits.push(fits);
        }
        fits
    }

    /// True if an empty cluster can hold the task.
    pub(crate) fn fits_somewhere(&self, task: &TaskSpec, constraint: &Constraint) -> bool {
        let wanted = u64::from(task.replicas);
        let mut held = 0u64;
        for class in &self.classes {
            if constraint.allows(&class.example) {
                let each = class.example.capacity.replicas_held(&task.request);
                held = held.saturating_add(each.saturating_mul(class.count));
                if held >= wanted {
                    return true;
                }
            }
        }
        false
    }

    /// Why a task fits nowhere, and what would.
    #[cold]
    pub(crate) fn explain(&self, task: &TaskSpec, constraint: &Constraint) -> String {
        let Request { cpu_milli, memory_mib, storage_mib, gpu } = task.request;
        let each =
            if task.replicas > 1 { format!("{} replicas, each of ", task.replicas) } else { String::new() };
        let mut asked = format!("{each}cpu {}", Thousandths(cpu_milli));
        asked += &format!(", memory {} GB, storage {} GB", Gigabytes(memory_mib), Gigabytes(storage_mib));
        if !gpu.is_none() {
            asked += &format!(", gpu {}", Thousandths(u64::from(gpu.milli())));
        }
        if !constraint.gpu_models.is_empty() {
            let models: Vec<&str> = constraint.gpu_models.iter().map(String::as_str).collect();
            asked += &format!(", gpu_model {}", models.join("|"));
        }
        for (key, value) in &constraint.labels {
            asked += &format!(", label {key}={value}");
        }
        let (allowed, workers) = (self.allowed(constraint), self.workers);
        if allowed.is_empty() {
            return format!(
                "fits nowhere: asks for {asked}; expected what some of the {workers} workers has"
            );
        }
        let most = |of: fn(&Capacity) -> u64| allowed.iter().map(|class| of(&class.example.capacity)).max();
        let most = |of| most(of).unwrap_or(0);
        let count: u64 = allowed.iter().map(|class| class.count).sum();
        format!(
            "fits nowhere: asks for {asked}; expected what fits {} (of {count} allowed workers, the most in each: \
             cpu {}, memory {} GB, storage {} GB, gpu {})",
            if task.replicas > 1 { "the workers together" } else { "one worker" },
            Thousandths(most(|capacity| capacity.cpu_milli)),
            Gigabytes(most(|capacity| capacity.memory_mib)),
            Gigabytes(most(|capacity| capacity.storage_mib)),
            most(|capacity| u64::from(capacity.gpus)),
        )
    }

    fn allowed(&self, constraint: &Constraint) -> Vec<&WorkerClass> {
        self.classes.iter().filter(|class| constraint.allows(&class.example)).collect()
    }

    /// The shapes, most frequent first, ties in order of first appearance.
    pub(crate) fn into_profile(self) -> WorkloadProfile {
        let mut shapes = self.counts;
        shapes.sort_by_key(|shape| std::cmp::Reverse(shape.count));
        WorkloadProfile { shapes, tasks: self.tasks }
    }
}
