//! A row of `tasks.csv`.

use cloudai_schedulers::model::{
    Constraint, ConstraintId, Duration, FamilyId, GpuRequest, MAX_GPUS_PER_WORKER, MILLI_PER_GPU, Request,
    TaskSpec, Time, UserId,
};

use crate::columns::tasks as column;
use crate::decimal::Rounding;
use crate::names::{ImageId, Numbering};
use crate::table::{MAX_AMOUNT, Row};

/// The most replicas that a gang can have.
const MAX_REPLICAS: u64 = 1_000_000;

/// What a task asks for where its row says nothing: 1 core, 0.5 GB of memory, 1 GB of storage, no GPU.
pub const DEFAULT_REQUEST: Request =
    Request { cpu_milli: 1000, memory_mib: 512, storage_mib: 1024, gpu: GpuRequest::NONE };

/// One row of `tasks.csv`, as the simulator needs it.
///
/// A reader fills the same `Task` again and again: reading a row allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// What a strategy may know. `index` is the number of the data row, from 0; `estimate` is the file's
    /// `estimate_s`, whatever the experiment lets strategies see.
    pub spec: TaskSpec,
    /// The file's `task_id`.
    pub name: String,
    /// The TRUE run time at nominal speed.
    pub duration: Duration,
}

impl Task {
    /// Takes over the content of `other`, reusing this task's memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.spec.clone_from(&other.spec);
        self.name.clone_from(&other.name);
        self.duration = other.duration;
    }

    /// Moves the arrival, and the deadline along with it.
    pub(crate) fn arrive_at(&mut self, arrival: Time) {
        let spec = &mut self.spec;
        let (before, after) = (spec.arrival.micros(), arrival.micros());
        spec.deadline = spec.deadline.map(|deadline| {
            Time::from_micros(deadline.micros().saturating_add(after).saturating_sub(before))
        });
        spec.arrival = arrival;
    }
}

/// Parses rows; keeps the memory that it needs for it, and the numbers of names that are likely to come again.
#[derive(Debug, Default)]
pub(crate) struct TaskParser {
    constraint_text: Vec<u8>,
    /// The image that was read last.
    image: (Vec<u8>, ImageId),
    /// By user: the image and the family of its last task.
    families: Vec<Option<(ImageId, FamilyId)>>,
}

impl TaskParser {
    /// Reads `row` into `task`. Problems are noted in the row; then what `task` holds means nothing.
    #[inline]
    pub(crate) fn read(
        &mut self,
        row: &mut Row<'_>,
        index: u32,
        names: &mut impl Numbering,
        task: &mut Task,
    ) {
        task.name.clear();
        task.name.push_str(row.text(column::TASK_ID));
        task.duration = Duration::from_micros(row.micros(column::DURATION).unwrap_or(0));

        let spec = &mut task.spec;
        spec.index = index;
        spec.arrival = Time::from_micros(row.micros(column::ARRIVAL).unwrap_or(0));
        spec.estimate = row.micros(column::ESTIMATE).map(Duration::from_micros);
        spec.deadline = row.micros(column::DEADLINE).map(Time::from_micros);
        spec.priority = row.signed(column::PRIORITY).unwrap_or(0);
        spec.request = request(row);
        spec.replicas = replicas(row);

        let user = match row.cell(column::USER) {
            Some(name) => names.user(name, || row.text(column::USER)),
            None => Some(UserId::default()),
        };
        let family = user.and_then(|user| self.family(row, user, names));
        let constraint = self.constraint(row, names);
        if let (Some(user), Some(family), Some(constraint)) = (user, family, constraint) {
            (spec.user, spec.family, spec.constraint) = (user, family, constraint);
        } else {
            let name = task.name.clone();
            row.problem(column::TASK_ID, name.as_bytes(), "has a user, image or constraint that was not there when the file was checked; expected a file that does not change");
        }
    }

    #[inline]
    fn family(&mut self, row: &mut Row<'_>, user: UserId, names: &mut impl Numbering) -> Option<FamilyId> {
        let image = match (row.cell(column::IMAGE), &self.image) {
            (None, _) => ImageId::default(),
            (Some(text), (last, image)) if last == text => *image,
            (Some(text), _) => {
                let image = names.image(text, || row.text(column::IMAGE))?;
                self.image.0.clear();
                self.image.0.extend_from_slice(text);
                self.image.1 = image;
                image
            }
        };
        let at = user.0 as usize;
        match self.families.get(at) {
            Some(&Some((last, family))) if last == image => Some(family),
            _ => {
                let family = names.family(user, image)?;
                if self.families.len() <= at {
                    self.families.resize(at + 1, None);
                }
                self.families[at] = Some((image, family));
                Some(family)
            }
        }
    }

    #[inline]
    fn constraint(&mut self, row: &mut Row<'_>, names: &mut impl Numbering) -> Option<ConstraintId> {
        let models = row.cell(column::GPU_MODEL);
        let labels = row.cell(column::LABELS);
        if models.is_none() && labels.is_none() {
            return Some(ConstraintId::ANY);
        }
        self.constraint_text.clear();
        self.constraint_text.extend_from_slice(models.unwrap_or_default());
        self.constraint_text.push(b'\n');
        self.constraint_text.extend_from_slice(labels.unwrap_or_default());
        names.constraint(&self.constraint_text, || {
            let models = row.text(column::GPU_MODEL).split('|').map(str::trim);
            let gpu_models = models.filter(|model| !model.is_empty()).map(str::to_owned).collect();
            Constraint { gpu_models, labels: row.labels(column::LABELS) }
        })
    }
}

#[inline]
fn request(row: &mut Row<'_>) -> Request {
    let default = DEFAULT_REQUEST;
    let mut amount =
        |column, unit, default| row.number(column, unit, Rounding::Up, MAX_AMOUNT).unwrap_or(default);
    Request {
        cpu_milli: amount(column::CPU, 1000, default.cpu_milli),
        memory_mib: amount(column::MEMORY, 1024, default.memory_mib),
        storage_mib: amount(column::STORAGE, 1024, default.storage_mib),
        gpu: gpu(row),
    }
}

#[inline]
fn gpu(row: &mut Row<'_>) -> GpuRequest {
    let most = u64::from(MAX_GPUS_PER_WORKER * MILLI_PER_GPU);
    let Some(milli) = row.number(column::GPU, MILLI_PER_GPU, Rounding::Up, most) else {
        return GpuRequest::NONE;
    };
    GpuRequest::from_milli(milli).unwrap_or_else(|| {
        let cell = row.cell(column::GPU).unwrap_or_default();
        row.problem(column::GPU, cell, "expected 0, a fraction of one GPU, or a whole number");
        GpuRequest::NONE
    })
}

#[inline]
fn replicas(row: &mut Row<'_>) -> u32 {
    match row.number(column::REPLICAS, 1, Rounding::Exact, MAX_REPLICAS) {
        None => 1,
        Some(0) => {
            row.problem(column::REPLICAS, b"0", "expected a whole number from 1 to 1000000");
            1
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_REPLICAS")]
        Some(replicas) => replicas as u32,
    }
}
