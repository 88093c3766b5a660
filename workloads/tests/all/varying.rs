//! Scenarios, varied: load, shaken arrivals, number of workers; and scenarios made in memory.

use cloudai_schedulers::model::{Duration, Time};
use cloudai_workloads::generate::{Preset, generate};
use cloudai_workloads::{Load, LoadedBecause, Location, Scenario, Shake, Task, Variation};
use proptest::prelude::*;

use crate::support::{folder, read};

const WORKERS: &str =
    "worker_id,total_cpu,total_memory,total_storage,total_gpu\nbig,8,16,100,0\nsmall,2,16,100,0\n";

fn location(tasks: &str) -> Location {
    Location::text(tasks, WORKERS)
}

fn tasks(scenario: &Scenario) -> Vec<Task> {
    let (mut stream, mut task, mut all) = (scenario.stream().unwrap(), Task::default(), Vec::new());
    while stream.next_into(&mut task).unwrap() {
        all.push(task.clone());
    }
    all
}

/// (index, arrival, deadline) in microseconds, in the order of the stream.
fn times(scenario: &Scenario) -> Vec<(u32, u64, Option<u64>)> {
    let of =
        |task: &Task| (task.spec.index, task.spec.arrival.micros(), task.spec.deadline.map(Time::micros));
    tasks(scenario).iter().map(of).collect()
}

fn load(text: &str) -> Variation {
    let mut variation = Variation::default();
    variation.load = text.parse().unwrap();
    variation
}

fn shaken(width_s: u64, seed: u64, copy: u32) -> Variation {
    let mut variation = Variation::default();
    variation.shake = Some(Shake { width: Duration::from_secs(width_s), seed, copy });
    variation
}

fn workers(count: u32) -> Variation {
    let mut variation = Variation::default();
    variation.workers = Some(count);
    variation
}

#[test]
fn a_load_divides_the_times_between_arrivals() {
    let text = "task_id,arrival_s,duration_s,deadline_s\na,10,5,\nb,12,5,20\nc,13.000001,5,\n";
    let scenario = Scenario::check(&location(text)).unwrap();
    let faster = scenario.vary(&load("2")).unwrap();
    // Half a microsecond is rounded up; the deadline keeps its distance of 8 s.
    let expected = [(0, 10_000_000, None), (1, 11_000_000, Some(19_000_000)), (2, 11_500_001, None)];
    assert_eq!(times(&faster), expected);
    assert_eq!((faster.first_arrival.micros(), faster.last_arrival.micros()), (10_000_000, 11_500_001));
    assert!(faster.is_loaded().is_none(), "still a stream");
    assert_eq!(faster.hash, scenario.hash);
    let slower = scenario.vary(&load("0.5")).unwrap();
    assert_eq!(times(&slower)[1], (1, 14_000_000, Some(22_000_000)));
    // Held or streamed, loaded before or after: the same.
    let mut held = scenario.vary(&load("2")).unwrap();
    held.hold().unwrap();
    assert_eq!(times(&held), expected);
    let mut loaded = Scenario::check(&location(text)).unwrap();
    loaded.hold().unwrap();
    assert_eq!(times(&loaded.vary(&load("2")).unwrap()), expected);
    assert_eq!(times(&scenario.vary(&Variation::default()).unwrap()), times(&scenario));
}

#[test]
fn a_load_that_is_none_is_refused() {
    for bad in ["0", "-1", "1.0000001", "x", "", "5000"] {
        assert!(bad.parse::<Load>().is_err(), "{bad}");
    }
    assert_eq!("0.70".parse::<Load>().unwrap().to_string(), "0.7");
    let scenario = Scenario::check(&location("task_id,arrival_s,duration_s\na,0,1\nb,1000000,1\n")).unwrap();
    let error = scenario.vary(&load("0.000001")).unwrap_err().to_string();
    assert_eq!(
        error,
        "tasks.csv: arrivals end after 10^11 s under a load of 0.000001; expected a higher load"
    );
}

#[test]
fn shaking_moves_arrivals_within_the_width_and_keeps_the_tasks() {
    let rows: String = (0..2000).map(|i| format!("t{i},{i},5,{}\n", i + 50)).collect();
    let scenario =
        Scenario::check(&location(&format!("task_id,arrival_s,duration_s,deadline_s\n{rows}"))).unwrap();
    let copy = scenario.vary(&shaken(60, 7, 1)).unwrap();
    assert_eq!(copy.is_loaded(), Some(LoadedBecause::Shaken));
    let after = times(&copy);
    assert!(after.is_sorted_by_key(|&(index, arrival, _)| (arrival, index)));
    let mut moved: Vec<u64> = Vec::new();
    for &(index, arrival, deadline) in &after {
        let noise = arrival - u64::from(index) * 1_000_000;
        assert_eq!(deadline, Some(arrival + 50_000_000));
        moved.push(noise);
    }
    assert!(moved.iter().all(|&noise| noise <= 60_000_000));
    let mean = moved.iter().sum::<u64>() / 2000;
    assert!((28_500_000..31_500_000).contains(&mean), "uniform: {mean}");
    assert!(*moved.iter().max().unwrap() > 59_000_000 && *moved.iter().min().unwrap() < 1_000_000);
    assert_eq!(copy.first_arrival.micros(), after[0].1);
    // By seed and copy, and nothing else.
    assert_eq!(times(&scenario.vary(&shaken(60, 7, 1)).unwrap()), after);
    assert_ne!(times(&scenario.vary(&shaken(60, 7, 2)).unwrap()), after);
    assert_ne!(times(&scenario.vary(&shaken(60, 8, 1)).unwrap()), after);
    assert_eq!(times(&scenario.vary(&shaken(0, 7, 1)).unwrap()), times(&scenario));
}

#[test]
fn fewer_workers_are_the_first_and_more_come_round_again() {
    let names = |scenario: &Scenario| -> Vec<String> {
        scenario.workers.iter().map(|worker| worker.name.clone()).collect()
    };
    let scenario = Scenario::check(&location("task_id,arrival_s,duration_s,cpu_cores\na,0,1,4\n")).unwrap();
    assert_eq!(names(&scenario.vary(&workers(1)).unwrap()), ["big"]);
    let five = scenario.vary(&workers(5)).unwrap();
    assert_eq!(names(&five), ["big", "small", "big~2", "small~2", "big~3"]);
    assert_eq!(five.workers[4].capacity, scenario.workers[0].capacity);
    assert_eq!(
        scenario.vary(&workers(0)).unwrap_err().to_string(),
        "workers.csv: 0 workers; expected at least one"
    );

    let swapped =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nsmall,2,16,100,0\nbig,8,16,100,0\n";
    let scenario =
        Scenario::check(&Location::text("task_id,arrival_s,duration_s,cpu_cores\na,0,1,4\n", swapped))
            .unwrap();
    let error = scenario.vary(&workers(1)).unwrap_err().to_string();
    assert!(
        error.starts_with("tasks.csv: with the first worker alone, \"a\" fits nowhere: asks for cpu 4"),
        "{error}"
    );
    let three = swapped.replace("big,", "little,2,16,100,0\nbig,");
    let scenario =
        Scenario::check(&Location::text("task_id,arrival_s,duration_s,cpu_cores\na,0,1,4\n", &three))
            .unwrap();
    let error = scenario.vary(&workers(2)).unwrap_err().to_string();
    assert!(error.starts_with("tasks.csv: with the first 2 workers alone, \"a\" fits nowhere"), "{error}");
}

#[test]
fn durations_follow_the_workers_and_faults_forbid_copies() {
    let files: [(&str, &[u8]); 3] = [
        ("tasks.csv", b"task_id,arrival_s,duration_s\na,0,1\nb,0,1\n"),
        ("workers.csv", WORKERS.as_bytes()),
        ("durations.csv", b"task_id,worker_id,duration_s\na,big,3\na,small,4\nb,small,5\n"),
    ];
    let place = folder(&files);
    let scenario = Scenario::check(&Location::Folder(place.path().to_owned())).unwrap();
    let stated = |scenario: &Scenario, task| -> Vec<(u32, u64)> {
        let rows = scenario.durations.as_ref().unwrap().of_task(task);
        rows.iter().map(|&(worker, time)| (worker, time.micros() / 1_000_000)).collect()
    };
    let five = scenario.vary(&workers(5)).unwrap();
    assert_eq!(stated(&five, 0), [(0, 3), (1, 4), (2, 3), (3, 4), (4, 3)]);
    assert_eq!(stated(&five, 1), [(1, 5), (3, 5)]);
    let one = scenario.vary(&workers(1)).unwrap();
    assert_eq!((stated(&one, 0), stated(&one, 1)), (vec![(0, 3)], vec![]));

    let mut with_faults = files[..2].to_vec();
    with_faults.push(("faults.csv", b"time_s,worker_id,event\n1,small,down\n2,small,up\n"));
    let place = folder(&with_faults);
    let scenario = Scenario::check(&Location::Folder(place.path().to_owned())).unwrap();
    assert!(scenario.vary(&workers(1)).unwrap().faults.is_empty());
    let error = scenario.vary(&workers(3)).unwrap_err().to_string();
    assert!(error.ends_with("workers.csv: 3 workers: the scenario has faults.csv, which tells what happens to each of its 2; expected at most 2"), "{error}");
}

#[test]
fn in_memory_a_preset_is_what_it_is_on_disk() {
    let place = tempfile::tempdir().unwrap();
    for &preset in Preset::list() {
        let generated = generate(preset, 40, 5, 3).unwrap();
        let on_disk = place.path().join(preset.name());
        generated.write(&on_disk).unwrap();
        let (a, a_tasks) = read(&Location::Folder(on_disk)).unwrap();
        let (b, b_tasks) = read(&generated.location(preset.name())).unwrap();
        assert_eq!((a.hash, a.settings, a_tasks), (b.hash, b.settings, b_tasks));
    }
}

proptest! {
    /// A load keeps order and number of arrivals, and multiplies the rate to within the rounding.
    #[test]
    fn loads_keep_the_order(gaps in prop::collection::vec(0u64..10_000_000, 1..40), millionths in 1_000u32..10_000_000) {
        let mut arrival = 0;
        let rows: String = gaps.iter().enumerate().map(|(i, gap)| {
            arrival += gap;
            format!("t{i},{}.{:06},1\n", arrival / 1_000_000, arrival % 1_000_000)
        }).collect();
        let scenario = Scenario::check(&location(&format!("task_id,arrival_s,duration_s\n{rows}"))).unwrap();
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        let (before, after) = (times(&scenario), times(&scenario.vary(&load(&text)).unwrap()));
        prop_assert!(after.is_sorted_by_key(|&(index, arrival, _)| (arrival, index)));
        for (before, after) in before.iter().zip(&after) {
            let exact = (before.1 - scenario.first_arrival.micros()) as f64 / (f64::from(millionths) / 1e6);
            let found = (after.1 - scenario.first_arrival.micros()) as f64;
            prop_assert!((found - exact).abs() <= 0.5 + exact * 1e-12, "{exact} {found}");
        }
    }
}
