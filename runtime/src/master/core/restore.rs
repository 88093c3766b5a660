//! How a master begins: from what the store has, which at first is nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use cloudai_schedulers::{
    Cluster, ClusterConfig, Decision, DeviceSet, Event, Placement, Registry, StrategySpec, TaskState, Time,
    strategy_seed,
};

use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng as _;

use super::workers::time_of;
use super::{CoreSettings, Ended, Interner, MasterCore, RestoreError, STRATEGY, Step, WorkerEntry};
use crate::record::{Assignment, TaskRecord};
use crate::store::Snapshot;

impl MasterCore {
    /// A core that goes on from where another one stopped, and what is to be done first. `spec` is the strategy, unless
    /// another one was chosen at run time.
    ///
    /// Every worker is given the whole lease again, as it may have been answered at the last moment; none gets new work before
    /// it is heard from.
    ///
    /// # Errors
    /// The strategy cannot be made, or records contradict each other.
    pub fn restore(
        settings: CoreSettings,
        registry: Registry,
        spec: StrategySpec,
        snapshot: Snapshot,
        now: Time,
    ) -> Result<(Self, Step), RestoreError> {
        let chosen =
            snapshot.settings.iter().find(|(key, _)| key == STRATEGY).map(|(_, value)| value.parse());
        let spec = chosen.transpose()?.unwrap_or(spec);
        let strategy = registry.build(&spec)?;
        let mut config = ClusterConfig::default();
        config.seed = strategy_seed(settings.seed, &spec.to_string());
        config.indexes = strategy.supports().indexes;
        // The core counts failed starts over restarts itself.
        config.max_failed_starts = u32::MAX;
        let ids = Pcg64::seed_from_u64(settings.ids);
        let mut core = Self {
            settings,
            registry,
            strategy,
            spec,
            cluster: Cluster::new(config, Vec::new())?,
            tasks: BTreeMap::new(),
            named: HashMap::new(),
            workers: Vec::new(),
            worker_named: HashMap::new(),
            worker_of: Vec::new(),
            users: Interner::default(),
            families: Interner::default(),
            recent: VecDeque::new(),
            timers: BTreeSet::new(),
            woken: false,
            next_index: snapshot.next_index,
            next_seq: snapshot.next_seq,
            ids,
            ended: Ended {
                completed: snapshot.completed,
                failed: snapshot.failed,
                cancelled: snapshot.cancelled,
            },
            out: Step::default(),
            effects: Vec::new(),
            notes: Vec::new(),
        };
        core.restore_workers(&snapshot, now);
        core.restore_tasks(snapshot.alive, now)?;
        // From here on what the cluster asks for is to be done.
        for place in 0..core.workers.len() {
            core.workers[place].record.is_active = false;
            core.set_state(place);
            core.watch(place);
        }
        core.strategy.attach(&core.cluster.view(), &core.profile());
        core.say_again();
        core.pass();
        core.cluster.end_instant();
        core.write_journal();
        let first = std::mem::take(&mut core.out);
        Ok((core, first))
    }

    fn restore_workers(&mut self, snapshot: &Snapshot, now: Time) {
        for record in &snapshot.workers {
            let place = self.workers.len();
            self.worker_named.insert(record.worker_id.clone(), place);
            let known = record.registration > 0 && !record.forgotten;
            self.workers.push(WorkerEntry {
                record: record.clone(),
                id: None,
                changed: None,
                contact: now,
                open: known,
                settled: known,
                looked_at: None,
                beat: None,
                tasks: BTreeSet::new(),
            });
            if known {
                self.join(place);
            }
        }
    }

    /// Makes every task that has not ended again, and every attempt under its number, in the order in which things happened.
    fn restore_tasks(&mut self, alive: Vec<TaskRecord>, now: Time) -> Result<(), RestoreError> {
        let mut happened: Vec<(Time, u8, u32)> = Vec::new();
        for record in alive {
            let index = record.index;
            if let Some(assignment) = &record.assignment {
                happened.push((time_of(assignment.assigned_at_us), 1, index));
                if let Some(started_at_us) = record.started_at_us {
                    happened.push((time_of(started_at_us), 2, index));
                }
            }
            self.admit(record);
            let entry = &self.tasks[&index];
            let (id, made) = (entry.id, entry.record.attempt);
            let held = u32::from(entry.record.assignment.is_some());
            self.cluster.continue_attempts(id, made.saturating_sub(held))?;
        }
        happened.sort_unstable();
        for (at, what, index) in happened {
            self.set_clock(at.min(now));
            if what == 1 { self.restore_assignment(index)? } else { self.restore_start(index)? }
        }
        self.set_clock(now);
        // The assignments made again are not news.
        self.cluster.take_effects(&mut self.effects);
        self.effects.clear();
        Ok(())
    }

    fn restore_assignment(&mut self, index: u32) -> Result<(), RestoreError> {
        let Some(entry) = self.tasks.get(&index) else { return Ok(()) };
        let Some(Assignment { worker_id, gpu_devices, .. }) = entry.record.assignment.clone() else {
            return Ok(());
        };
        let (task, task_id, attempt) = (entry.id, entry.record.task_id.clone(), entry.record.attempt);
        let place = self.worker_named.get(&worker_id).copied();
        let Some((place, worker)) = place.and_then(|place| Some((place, self.workers[place].id?))) else {
            return Err(RestoreError::NoWorker { task_id, worker_id });
        };
        let mut devices = DeviceSet::EMPTY;
        gpu_devices.into_iter().for_each(|device| devices.insert(device));
        let placement = Placement::single(worker, devices);
        self.cluster
            .decide(Decision::Assign { task, placement })
            .map_err(|refusal| RestoreError::Placement { task_id, attempt, worker_id, refusal })?;
        self.workers[place].tasks.insert(index);
        Ok(())
    }

    fn restore_start(&mut self, index: u32) -> Result<(), RestoreError> {
        let Some(entry) = self.tasks.get_mut(&index) else { return Ok(()) };
        entry.taken = true;
        let (task, attempt) = (entry.id, entry.record.attempt);
        self.cluster.apply(Event::Started { task, attempt })?;
        Ok(())
    }

    /// What the last master may not have said, or not heard the answer to, is said again.
    fn say_again(&mut self) {
        let alive: Vec<u32> = self.tasks.keys().copied().collect();
        for index in alive {
            let Some((task, state)) = self.state_of(index) else { continue };
            let Some(entry) = self.tasks.get(&index) else { continue };
            if entry.record.cancel_requested && state != TaskState::Stopping {
                Self::accepted(self.cluster.apply(Event::Cancelled { task }));
                self.carry_out();
            } else if state == TaskState::Assigned {
                self.say_assign(index);
            }
        }
    }
}
