//! Random scenarios: small, dense with ties, and with everything that a scenario can have.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::Case;

/// One task, in the words of the file.
#[derive(Clone, Debug)]
struct Job {
    arrival: &'static str,
    duration: &'static str,
    cpu: &'static str,
    memory: &'static str,
    gpu: &'static str,
    estimate: Option<&'static str>,
    user: u8,
    replicas: u8,
    deadline: Option<u32>,
    constraint: u8,
    /// Which of the tasks before it, counted back, it depends on; the transfer, or none for `depends_on`.
    after: Vec<(usize, Option<u8>)>,
}

/// A scenario, as its files.
#[derive(Clone, Debug)]
pub(crate) struct Files(Vec<(&'static str, String)>);

impl Files {
    pub(crate) fn case(&self) -> Case {
        let files: Vec<(&str, &str)> = self.0.iter().map(|(name, text)| (*name, text.as_str())).collect();
        Case::of(&files)
    }
}

/// Any scenario that is in order.
pub(crate) fn scenarios() -> impl Strategy<Value = Files> {
    (vec(job(), 1..24), vec(worker(), 0..4), features(), settings())
        .prop_map(|(jobs, workers, features, settings)| files(&jobs, &workers, features, &settings))
}

/// The same with workers that fail, return, drain and join, with stops that take time, and with checkpoints.
pub(crate) fn troubled() -> impl Strategy<Value = Files> {
    let changes = vec((any::<u8>(), 0u8..9, any::<u8>()), 0..14);
    let times = (
        select(vec!["0", "0", "0.5", "4"]),
        select(vec!["0", "0", "400", "1500"]),
        select(vec!["0", "0.25", "30"]),
        select(vec!["unlimited", "unlimited", "0", "1", "4"]),
    );
    let checkpoints = (
        any::<bool>(),
        select(vec!["0", "0.7", "3", "50"]),
        select(vec!["0", "0.3", "2"]),
        select(vec!["0", "1.5"]),
    );
    (vec(job(), 1..24), vec(worker(), 0..4), features(), settings(), (changes, times, checkpoints)).prop_map(
        |(jobs, workers, features, mut settings, (changes, times, checkpoints))| {
            let (stop, mtbf, mttr, retries) = times;
            let (checkpoint, interval, overhead, restart) = checkpoints;
            settings.extend([
                ("stop_latency_s", stop),
                ("mtbf_s", mtbf),
                ("mttr_s", mttr),
                ("max_retries", retries),
                ("checkpoint", if checkpoint { "true" } else { "false" }),
                ("checkpoint_interval_s", interval),
                ("checkpoint_overhead_s", overhead),
                ("restart_overhead_s", restart),
            ]);
            let mut files = files(&jobs, &workers, features, &settings);
            files.0.push(("faults.csv", faults(&changes, workers.len())));
            files
        },
    )
}

/// Changes of workers that can happen, from numbers; in the end all are up.
fn faults(changes: &[(u8, u8, u8)], machines: usize) -> String {
    let mut text = "time_s,worker_id,event\n".to_owned();
    let mut states: Vec<&str> = vec!["fresh"; machines + 1];
    let name = |worker: usize| if worker == 0 { "big".to_owned() } else { format!("w{}", worker - 1) };
    let mut now = 0;
    for &(worker, gap, which) in changes {
        let worker = usize::from(worker) % states.len();
        now += u32::from(gap);
        let events: &[&str] = match states[worker] {
            "fresh" => &["join", "down", "down", "drain"],
            "up" => &["down", "drain"],
            "drain" => &["up", "down"],
            _ => &["up"],
        };
        let event = events[usize::from(which) % events.len()];
        states[worker] = if event == "join" { "up" } else { event };
        let _ = writeln!(text, "{now},{},{event}", name(worker));
    }
    for worker in (0..states.len()).filter(|&worker| ["down", "drain"].contains(&states[worker])) {
        let _ = writeln!(text, "{now},{},up", name(worker));
    }
    text
}

/// What the scenario has at all; each without the others would be no fun, all at once hide each other.
#[derive(Clone, Copy, Debug)]
struct Features {
    dependencies: bool,
    gangs: bool,
    durations: Option<u32>,
    speeds: bool,
    constraints: bool,
}

fn features() -> impl Strategy<Value = Features> {
    (any::<bool>(), weighted(0.2, Just(())), weighted(0.3, any::<u32>()), any::<bool>(), any::<bool>())
        .prop_map(|(dependencies, gangs, durations, speeds, constraints)| Features {
            dependencies,
            gangs: gangs.is_some(),
            durations,
            speeds,
            constraints,
        })
}

fn job() -> impl Strategy<Value = Job> {
    let times = (
        select(vec!["0", "0.000001", "1", "1", "2", "2.5", "3", "5", "8", "13", "40"]),
        select(vec!["0", "0.000001", "0.5", "1", "1", "2", "3", "7", "20", "333.333333"]),
        weighted(0.6, select(vec!["0", "0.5", "1", "2", "10", "1000"])),
        weighted(0.2, 0u32..60),
    );
    let needs = (
        select(vec!["0", "0.25", "0.5", "1", "1", "2", "4"]),
        select(vec!["0", "0.5", "1", "4", "7.99"]),
        select(vec!["0", "0", "0", "0.25", "0.5", "0.7", "1"]),
    );
    let after = vec((1usize..6, weighted(0.6, 0u8..5)), 0..3);
    (times, needs, 0u8..4, select(vec![1u8, 1, 2]), 0u8..6, after).prop_map(
        |((arrival, duration, estimate, deadline), (cpu, memory, gpu), user, replicas, constraint, after)| {
            Job { arrival, duration, cpu, memory, gpu, estimate, user, replicas, deadline, constraint, after }
        },
    )
}

/// cpu, memory, GPUs, GPU model, speed, label.
type Machine = (u8, u8, u8, &'static str, &'static str, &'static str);

fn worker() -> impl Strategy<Value = Machine> {
    (
        0u8..9,
        0u8..17,
        0u8..4,
        select(vec!["A", "B"]),
        select(vec!["1", "1", "2", "0.5", "0.3", "1.7"]),
        select(vec!["", "zone=a", "zone=b"]),
    )
}

fn settings() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    (
        select(vec!["column", "column", "exact", "none", "noisy(0.5)"]),
        any::<bool>(),
        select(vec!["wait", "wait", "wait", "wait", "reject"]),
        select(vec!["0", "0", "0.5", "3"]),
        select(vec!["0", "1", "300"]),
        select(vec!["0", "7"]),
    )
        .prop_map(|(estimates, kill, on_full, startup, starvation, seed)| {
            vec![
                ("estimates", estimates),
                ("kill_at_estimate", if kill { "true" } else { "false" }),
                ("on_full", on_full),
                ("startup_latency_s", startup),
                ("starvation_threshold_s", starvation),
                ("seed", seed),
            ]
        })
}

fn files(jobs: &[Job], machines: &[Machine], has: Features, settings: &[(&str, &str)]) -> Files {
    let mut workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu,gpu_model,speed,labels\n".to_owned();
    // Every task fits here.
    workers.push_str("big,8,16,100,2,A,1,zone=a\n");
    for (at, (cpu, memory, gpus, model, speed, labels)) in machines.iter().enumerate() {
        let (speed, model) = (if has.speeds { speed } else { "1" }, if *gpus > 0 { model } else { "" });
        let _ = writeln!(workers, "w{at},{cpu},{memory},100,{gpus},{model},{speed},{labels}");
    }
    let mut tasks = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,gpu_cores,estimate_s,user_id,replicas,\
                     deadline_s,gpu_model,labels,priority,depends_on\n"
        .to_owned();
    let mut edges = "from_task,to_task,transfer_s\n".to_owned();
    for (at, job) in jobs.iter().enumerate() {
        let constrained = has.constraints && job.constraint > 3;
        let model = if constrained && job.constraint == 4 && job.gpu != "0" { "A|C" } else { "" };
        let labels = if constrained && job.constraint == 5 { "zone=a" } else { "" };
        let replicas = if has.gangs { job.replicas } else { 1 };
        let deadline = job.deadline.map(|deadline| deadline.to_string()).unwrap_or_default();
        let mut plain: Vec<String> = Vec::new();
        let mut seen = Vec::new();
        for &(back, transfer) in &job.after {
            if has.dependencies && back <= at && !seen.contains(&back) {
                seen.push(back);
                match transfer {
                    Some(transfer) => {
                        let _ = writeln!(edges, "t{},t{at},{transfer}", at - back);
                    }
                    None => plain.push(format!("t{}", at - back)),
                }
            }
        }
        let Job { arrival, duration, cpu, memory, gpu, estimate, user, .. } = job;
        let (estimate, plain) = (estimate.unwrap_or_default(), plain.join(";"));
        let _ = writeln!(
            tasks,
            "t{at},{arrival},{duration},{cpu},{memory},{gpu},{estimate},u{user},{replicas},{deadline},{model},{labels},{user},{plain}"
        );
    }
    let toml = settings.iter().map(|(key, value)| format!("{key} = '{value}'\n")).collect();
    let mut files =
        vec![("workers.csv", workers), ("tasks.csv", tasks), ("scenario.toml", toml), ("edges.csv", edges)];
    if let Some(seed) = has.durations {
        files.push(("durations.csv", durations(jobs.len(), machines.len(), seed)));
    }
    if !has.dependencies {
        files.retain(|(name, _)| *name != "edges.csv");
    }
    Files(files)
}

/// Some of the pairs, with durations that have nothing to do with each other.
fn durations(tasks: usize, machines: usize, seed: u32) -> String {
    let mut text = "task_id,worker_id,duration_s\n".to_owned();
    for task in 0..tasks {
        for worker in 0..=machines {
            let mixed = (task * 31 + worker * 17 + seed as usize) % 11;
            let name = if worker == 0 { "big".to_owned() } else { format!("w{}", worker - 1) };
            if mixed < 6 {
                let _ = writeln!(text, "t{task},{name},{}", mixed * mixed);
            }
        }
    }
    text
}
