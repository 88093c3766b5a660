//! Drawing the tasks of a recipe, one at a time.

use cloudai_schedulers::model::{Constraint, Duration, MAX_MICROS, Request, Time, WorkerSpec};

use super::recipe::{Arrivals, Recipe};
use crate::sample::Sampler;
use crate::write::TaskRow;

const USERS: u32 = 20;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// An endless stream of tasks in order of arrival.
#[derive(Debug)]
pub(crate) struct TaskSource<'a> {
    recipe: &'a Recipe,
    sampler: Sampler,
    /// Mean arrivals a second: of tasks, or of pipelines.
    rate: f64,
    /// For each GPU model, the constraint that asks for it, and a worker that has it.
    models: Vec<(Constraint, WorkerSpec)>,
    users: Vec<(String, f64)>,
    images: Vec<String>,
    pipeline: Pipeline,
    now_s: f64,
    number: u64,
    row: Drawn,
}

/// The stages of a pipeline that are still to come.
#[derive(Debug, Default)]
struct Pipeline {
    number: u64,
    stage: usize,
    stages: usize,
    width: usize,
    place: usize,
    /// Ids of the stage before, and of this one.
    before: Vec<String>,
    current: Vec<String>,
}

/// What a row borrows from.
#[derive(Debug, Default)]
struct Drawn {
    task_id: String,
    user: usize,
    kind: usize,
    constraint: Option<usize>,
}

impl<'a> TaskSource<'a> {
    pub(crate) fn new(recipe: &'a Recipe, workers: &[WorkerSpec], seed: u64, name: &str) -> Self {
        let mut models: Vec<(Constraint, WorkerSpec)> = Vec::new();
        for worker in workers {
            let Some(model) = &worker.gpu_model else { continue };
            if !models.iter().any(|(constraint, _)| constraint.gpu_models.contains(model)) {
                let gpu_models = std::iter::once(model.clone()).collect();
                models.push((Constraint { gpu_models, ..Constraint::default() }, worker.clone()));
            }
        }
        let tasks_an_arrival = match recipe.arrivals {
            Arrivals::Pipelines => Pipeline::MEAN_TASKS,
            Arrivals::Poisson | Arrivals::Daily { .. } => 1.0,
        };
        Self {
            recipe,
            sampler: Sampler::new(seed, name),
            rate: recipe.arrival_rate(workers) / tasks_an_arrival,
            models,
            users: (1..=USERS).map(|k| (format!("user-{k:02}"), 1.0 / f64::from(k))).collect(),
            images: recipe.kinds.iter().map(|kind| format!("example/{}", kind.name)).collect(),
            pipeline: Pipeline::default(),
            now_s: 0.0,
            number: 0,
            row: Drawn::default(),
        }
    }

    /// The next task.
    pub(crate) fn next_row(&mut self) -> TaskRow<'_> {
        self.number += 1;
        let pipelines = self.recipe.arrivals == Arrivals::Pipelines;
        if pipelines {
            self.next_of_pipeline();
        } else {
            self.arrive();
            self.row.user = self.draw_user();
        }
        let kind = self.draw_kind();
        let (request, duration) = self.draw_work(kind);
        self.row.kind = kind;
        self.row.constraint = self.draw_model(&request);
        if !pipelines {
            self.row.task_id = format!("{}-{:06}", self.recipe.kinds[kind].name, self.number);
        }
        let arrival = Time::from_micros(milliseconds(self.now_s).saturating_mul(1000).min(MAX_MICROS));
        let estimate = self.recipe.estimate_step_s.map(|step| self.draw_estimate(duration, step));
        let priority = self.draw_priority();
        let deadline = self.draw_deadline(arrival, duration);
        TaskRow {
            task_id: &self.row.task_id,
            arrival,
            duration,
            request,
            estimate,
            user_id: &self.users[self.row.user].0,
            docker_image: &self.images[self.row.kind],
            priority,
            deadline,
            depends_on: &self.pipeline.before,
            constraint: self.row.constraint.map(|model| &self.models[model].0),
            ..TaskRow::default()
        }
    }

    /// Moves the clock to the next arrival.
    fn arrive(&mut self) {
        if let Arrivals::Daily { swing } = self.recipe.arrivals {
            // Thinning (Lewis and Shedler 1979) of a process at the highest rate.
            loop {
                self.now_s += self.sampler.exponential(1.0 / (self.rate * (1.0 + swing)));
                let angle = 2.0 * std::f64::consts::PI * (self.now_s / SECONDS_PER_DAY);
                let share = (1.0 - swing * libm::cos(angle)) / (1.0 + swing);
                if self.sampler.uniform() < share {
                    return;
                }
            }
        }
        self.now_s += self.sampler.exponential(1.0 / self.rate);
    }

    fn draw_user(&mut self) -> usize {
        let numbers: [usize; USERS as usize] = std::array::from_fn(|k| k);
        let users = &self.users;
        self.sampler.choose(&numbers, |&k| users[k].1).copied().unwrap_or(0)
    }

    fn draw_kind(&mut self) -> usize {
        let kinds = &self.recipe.kinds;
        let chosen = self.sampler.choose(kinds, |kind| kind.weight);
        chosen.and_then(|chosen| kinds.iter().position(|kind| std::ptr::eq(kind, chosen))).unwrap_or(0)
    }

    fn draw_work(&mut self, kind: usize) -> (Request, Duration) {
        let kind = &self.recipe.kinds[kind];
        let request = self.sampler.choose(&kind.shapes, |shape| shape.weight).map(|shape| shape.request);
        let duration = milliseconds(kind.duration.sample(&mut self.sampler)).max(1);
        (request.unwrap_or_default(), Duration::from_micros((duration * 1000).min(MAX_MICROS)))
    }

    /// The model that a task insists on, by its number; never one that could not hold it.
    fn draw_model(&mut self, request: &Request) -> Option<usize> {
        if self.recipe.one_model <= 0.0 || request.gpu.is_none() || self.models.is_empty() {
            return None;
        }
        let insists = self.sampler.uniform() < self.recipe.one_model;
        let model = self.sampler.below(self.models.len());
        (insists && self.models[model].1.capacity.holds(request)).then_some(model)
    }

    fn draw_estimate(&mut self, duration: Duration, step_s: u32) -> Duration {
        let factor = 1.0 + self.sampler.exponential(1.0);
        let steps = whole(libm::ceil(duration.seconds() * factor / f64::from(step_s))).max(1);
        let seconds = steps.saturating_mul(u64::from(step_s)).min(MAX_MICROS / 1_000_000);
        Duration::from_secs(seconds)
    }

    fn draw_priority(&mut self) -> i32 {
        let priorities = &self.recipe.priorities;
        if priorities.is_empty() {
            return 0;
        }
        self.sampler.choose(priorities, |(_, weight)| *weight).map_or(0, |(priority, _)| *priority)
    }

    fn draw_deadline(&mut self, arrival: Time, duration: Duration) -> Option<Time> {
        if self.recipe.deadlines <= 0.0 {
            return None;
        }
        let has_one = self.sampler.uniform() < self.recipe.deadlines;
        let slack = 2.0 + self.sampler.exponential(2.0);
        let after = milliseconds(duration.seconds() * slack).saturating_mul(1000);
        has_one.then(|| Time::from_micros(arrival.micros().saturating_add(after).min(MAX_MICROS)))
    }

    /// Moves on to the next task of the pipeline, or to a new pipeline.
    fn next_of_pipeline(&mut self) {
        if self.pipeline.place == self.pipeline.width {
            if self.pipeline.stage == self.pipeline.stages {
                self.arrive();
                self.row.user = self.draw_user();
                self.pipeline.begin(&mut self.sampler);
            } else {
                self.pipeline.next_stage(&mut self.sampler);
            }
        }
        self.row.task_id = self.pipeline.next_id();
    }
}

impl Pipeline {
    /// 4.5 stages on average: one task in the first, 3 on average in each other.
    const MEAN_TASKS: f64 = 1.0 + 3.5 * 3.0;

    fn begin(&mut self, sampler: &mut Sampler) {
        self.number += 1;
        self.stages = 3 + sampler.below(4);
        (self.stage, self.width, self.place) = (1, 1, 0);
        self.before.clear();
        self.current.clear();
    }

    fn next_stage(&mut self, sampler: &mut Sampler) {
        self.stage += 1;
        self.width = 1 + sampler.below(5);
        self.place = 0;
        self.before = std::mem::take(&mut self.current);
    }

    fn next_id(&mut self) -> String {
        self.place += 1;
        let id = format!("p{:04}-s{}-t{}", self.number, self.stage, self.place);
        self.current.push(id.clone());
        id
    }
}

/// Seconds as milliseconds, rounded up: generated times have three decimals.
fn milliseconds(seconds: f64) -> u64 {
    whole(libm::ceil(seconds * 1000.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; not negative"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
