//! The oracle against an enumeration of all schedules that shares no code with it, and against the engine.

use std::fmt::Write as _;

use cloudai_schedulers::Registry;
use cloudai_sim::oracle::{Objective, Options, Proof, Solution, replay, solve};
use cloudai_sim::{Experiment, SimError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{Case, FOUR, S, TWO};

fn solved(case: &Case, objective: Objective, schedules: u64, nodes: u64) -> Solution {
    let mut options = Options::default();
    (options.objective, options.schedules, options.nodes) = (objective, schedules, nodes);
    let solution = solve(&case.scenario, &case.settings, &options).unwrap();
    // Whatever is found is a schedule of the engine, with the value that was planned.
    let registry = Registry::builtin();
    replay(&Experiment::new(&case.scenario, &case.settings, &registry, &[]), &solution).unwrap();
    solution
}

fn refused(case: &Case) -> String {
    match solve(&case.scenario, &case.settings, &Options::default()) {
        Err(error @ SimError::Oracle { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A task of the enumeration; times in half seconds. A fast worker needs half as long: durations are those there.
#[derive(Clone, Debug)]
struct Job {
    arrival: u64,
    duration: u64,
    cpu: u64,
    /// In halves of a device.
    gpu: u64,
    /// Predecessor, counted back, and its transfer.
    after: Option<(usize, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Machine {
    cpu: u64,
    gpus: usize,
    fast: bool,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    job: usize,
    worker: usize,
    devices: u64,
    at: u64,
    end: u64,
}

struct Enumeration<'a> {
    jobs: &'a [Job],
    workers: &'a [Machine],
    objective: Objective,
    best: Option<u64>,
}

impl Enumeration<'_> {
    /// Places the jobs in every order, on every worker and set of devices, each at the earliest time that is left.
    fn all(&mut self, placed: &mut Vec<Placed>) {
        if placed.len() == self.jobs.len() {
            let cost = self.cost(placed);
            self.best = Some(self.best.map_or(cost, |best| best.min(cost)));
            return;
        }
        for job in 0..self.jobs.len() {
            let find = |job: usize| placed.iter().find(|other| other.job == job).copied();
            let before = self.jobs[job].after.map(|(back, transfer)| (find(job - back), transfer));
            if find(job).is_some() || before.is_some_and(|(before, _)| before.is_none()) {
                continue;
            }
            for worker in 0..self.workers.len() {
                let mut ready = self.jobs[job].arrival;
                if let Some((Some(before), transfer)) = before {
                    ready = ready.max(before.end + if before.worker == worker { 0 } else { transfer });
                }
                for devices in 0..1u64 << self.workers[worker].gpus {
                    let Some(next) = self.earliest(placed, job, worker, devices, ready) else { continue };
                    placed.push(next);
                    self.all(placed);
                    placed.pop();
                }
            }
        }
    }

    fn earliest(
        &self,
        placed: &[Placed],
        job: usize,
        worker: usize,
        devices: u64,
        ready: u64,
    ) -> Option<Placed> {
        let (spec, machine) = (&self.jobs[job], self.workers[worker]);
        let wanted = if spec.gpu == 1 { 1 } else { spec.gpu / 2 };
        if u64::from(devices.count_ones()) != wanted || spec.cpu > machine.cpu {
            return None;
        }
        let length = if machine.fast { spec.duration } else { 2 * spec.duration };
        let mut times: Vec<u64> = placed.iter().map(|other| other.end).filter(|&end| end > ready).collect();
        times.push(ready);
        times.sort_unstable();
        let fits = |at: u64| {
            // What is held changes only where something starts or ends.
            let instants = placed.iter().map(|other| other.at).filter(|&t| t > at && t < at + length);
            instants.chain([at]).all(|t| {
                let here = placed.iter().filter(|o| o.worker == worker && o.at <= t && t < o.end);
                let (mut cpu, mut halves) = (spec.cpu, [0; 4]);
                for other in here {
                    cpu += self.jobs[other.job].cpu;
                    for (device, half) in
                        halves.iter_mut().enumerate().filter(|(d, _)| other.devices >> d & 1 == 1)
                    {
                        let _ = device;
                        *half += self.jobs[other.job].gpu.min(2);
                    }
                }
                let room =
                    |device: usize| devices >> device & 1 == 0 || halves[device] + spec.gpu.min(2) <= 2;
                cpu <= machine.cpu && (0..machine.gpus).all(room)
            })
        };
        let at = times.into_iter().find(|&at| fits(at))?;
        Some(Placed { job, worker, devices, at, end: at + length })
    }

    fn cost(&self, placed: &[Placed]) -> u64 {
        let first = self.jobs.iter().map(|job| job.arrival).min().unwrap();
        match self.objective {
            Objective::Makespan => placed.iter().map(|placed| placed.end).max().unwrap() - first,
            Objective::MeanWait => placed.iter().map(|p| p.at - self.jobs[p.job].arrival).sum(),
            _ => placed.iter().map(|p| p.end - self.jobs[p.job].arrival).sum(),
        }
    }
}

fn case(jobs: &[Job], workers: &[Machine]) -> Case {
    let mut tasks = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,gpu_cores\n".to_owned();
    let mut edges = "from_task,to_task,transfer_s\n".to_owned();
    let halves = |halves: u64| format!("{}.{}", halves / 2, if halves % 2 == 1 { 5 } else { 0 });
    for (at, job) in jobs.iter().enumerate() {
        let (arrival, duration) = (halves(job.arrival), halves(2 * job.duration));
        writeln!(tasks, "t{at},{arrival},{duration},{},0,{}", job.cpu, halves(job.gpu)).unwrap();
        if let Some((back, transfer)) = job.after {
            writeln!(edges, "t{},t{at},{}", at - back, halves(transfer)).unwrap();
        }
    }
    let mut rows = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n".to_owned();
    for (at, worker) in workers.iter().enumerate() {
        let speed = if worker.fast { 2 } else { 1 };
        writeln!(rows, "w{at},{},8,1000,{},{speed}", worker.cpu, worker.gpus).unwrap();
    }
    Case::of(&[("tasks.csv", &tasks), ("workers.csv", &rows), ("edges.csv", &edges)])
}

fn job(index: usize) -> impl Strategy<Value = Job> {
    let after = if index == 0 {
        Just(None).boxed()
    } else {
        prop::option::weighted(0.3, (1..=index, 0u64..4)).boxed()
    };
    let times = (select(vec![0u64, 0, 2, 4, 5]), select(vec![1u64, 2, 2, 4, 6, 10]));
    (times, select(vec![0u64, 1, 2, 3, 4]), select(vec![0u64, 0, 1, 2, 4]), after)
        .prop_map(|((arrival, duration), cpu, gpu, after)| Job { arrival, duration, cpu, gpu, after })
}

fn machine() -> impl Strategy<Value = Machine> {
    (3u64..=4, 0usize..=2, any::<bool>()).prop_map(|(cpu, gpus, fast)| Machine { cpu, gpus, fast })
}

/// Four or five jobs on a worker that can hold every one of them, and perhaps another one.
fn cases() -> impl Strategy<Value = (Vec<Job>, Vec<Machine>)> {
    let jobs = (job(0), job(1), job(2), job(3), prop::option::of(job(4)));
    let jobs = jobs.prop_map(|(a, b, c, d, e)| [a, b, c, d].into_iter().chain(e).collect::<Vec<_>>());
    let workers = vec(machine(), 0..=1).prop_map(|mut workers| {
        workers.push(Machine { cpu: 4, gpus: 2, fast: false });
        workers
    });
    (jobs, workers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_best_of_all_schedules_is_found_and_no_bound_is_above_it((jobs, workers) in cases(), which in 0usize..3) {
        let objective = Objective::ALL[which];
        let depends = jobs.iter().any(|job| job.after.is_some());
        // Waits count from the ends of predecessors: with them the enumeration does not hold the best.
        prop_assume!(objective != Objective::MeanWait || !depends);
        let mut all = Enumeration { jobs: &jobs, workers: &workers, objective, best: None };
        all.all(&mut Vec::new());
        let best = u128::from(all.best.unwrap()) * u128::from(S) / 2;
        let case = case(&jobs, &workers);
        let exact = solved(&case, objective, 40, 1 << 20);
        prop_assert_eq!(exact.best, best);
        prop_assert!(exact.is_optimal());
        let quick = solved(&case, objective, 400, 0);
        prop_assert!(quick.bound <= best && best <= quick.best, "{} {best} {}", quick.bound, quick.best);
    }
}

#[test]
fn tasks_that_exclude_each_other_are_bounded_by_pairs() {
    // Three tasks of 3 cores on two workers of 4: two of them share a worker.
    let workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,64,1000,0\nw1,4,64,1000,0\n";
    let case = Case::new(workers, &["arrival_s duration_s cpu_cores", "a 0 10 3", "b 0 10 3", "c 0 10 3"]);
    let solution = solved(&case, Objective::Makespan, 100, 0);
    assert_eq!((solution.best, solution.bound), (20 * u128::from(S), 20 * u128::from(S)));
    assert_eq!(solution.proof, Proof::Exclusion);
}

#[test]
fn tasks_that_fit_on_few_workers_are_bounded_there() {
    // Two workers, but all work needs the memory of the larger one.
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,64,1000,0\nw1,4,8,1000,0\n";
    let tasks = [
        "arrival_s duration_s cpu_cores memory_gb",
        "a 0 10 2 16",
        "b 0 10 2 16",
        "c 0 10 2 16",
        "d 0 10 2 16",
    ];
    let solution = solved(&Case::new(workers, &tasks), Objective::Makespan, 100, 0);
    assert!(solution.is_optimal());
    assert_eq!(solution.best, 20 * u128::from(S));
}

#[test]
fn the_same_seed_gives_the_same_schedule_on_any_number_of_threads() {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads/mixed-100x5");
    let location = cloudai_workloads::Location::Folder(bundled.into());
    let scenario = cloudai_workloads::Scenario::check(&location).unwrap();
    let mut options = Options::default();
    options.schedules = 2000;
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve(&scenario, &scenario.settings, &options)).unwrap()
    };
    let (one, many) = (run(1), run(4));
    assert_eq!(one.plan, many.plan);
    assert_eq!((one.bound, one.proof, one.schedules), (many.bound, many.proof, many.schedules));
}

#[test]
fn startup_and_limits_are_in_the_schedule() {
    let tasks = ["arrival_s duration_s cpu_cores estimate_s", "a 0 10 1 4", "b 0 6 1 8"];
    let case = Case::new(TWO, &tasks).set("startup_latency_s", "1").set("kill_at_estimate", "true");
    assert_eq!(solved(&case, Objective::Makespan, 10, 100).best, 7 * u128::from(S));
    assert_eq!(solved(&case, Objective::MeanWait, 10, 100).best, 2 * u128::from(S));
    let summed = solved(&case, Objective::MeanTurnaround, 10, 100);
    assert_eq!((summed.best, summed.best_s()), (12 * u128::from(S), 6.0));
}

#[test]
fn what_it_cannot_schedule_it_refuses_before_it_begins() {
    let gang = Case::new(FOUR, &["arrival_s duration_s cpu_cores replicas", "a 0 10 1 2"]);
    assert!(refused(&gang).contains("gangs"), "{}", refused(&gang));
    let full = Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 10 1"]).set("on_full", "reject");
    assert!(refused(&full).contains("on_full"), "{}", refused(&full));
    let failing = Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 10 1"]).set("mtbf_s", "100");
    assert!(refused(&failing).contains("workers fail"), "{}", refused(&failing));
    let saving = Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 10 1"]);
    let saving = saving.set("checkpoint", "true").set("checkpoint_overhead_s", "1");
    assert!(refused(&saving).contains("checkpoints"), "{}", refused(&saving));
    let nothing = Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 0 1"]);
    assert!(refused(&nothing).contains("task 'a' takes no time"), "{}", refused(&nothing));
    let killed = Case::new(
        FOUR,
        &["arrival_s duration_s cpu_cores estimate_s depends_on", "a 0 10 1 4 -", "b 0 10 1 40 a"],
    )
    .set("kill_at_estimate", "true");
    assert!(refused(&killed).contains("task 'a'"), "{}", refused(&killed));
}
