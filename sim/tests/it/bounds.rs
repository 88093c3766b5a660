//! Bounds computed by hand.

use cloudai_sim::bounds::Bounds;
use cloudai_workloads::{Location, Settings};

use crate::support::{Case, S, close, table};

fn workers(rows: &[&str]) -> String {
    let header = "total_cpu total_memory total_storage total_gpu speed";
    table("worker_id", &[&[header], rows].concat())
}

#[test]
fn the_area_counts_from_the_releases_on_the_sum_of_capacity_times_speed() {
    // 2 x 1 + 1 x 2 = 4 nominal cores. 8 core seconds at 0 take 2 s; 12 at 10 take 3 s: 13 from the first arrival.
    let workers = workers(&["w0 2 64 100 0 1", "w1 1 64 100 0 2"]);
    let case = Case::new(&workers, &["arrival_s duration_s cpu_cores", "a 0 4 2", "b 10 3 2", "c 10 3 2"]);
    let outcome = case.run("fcfs");
    assert_eq!(outcome.bounds.makespan.micros(), 13 * S);
    // Squashed: a takes 2 s; b and c take 1.5 s each, one after the other; but a core each cannot be beaten by much:
    // fastest runs are 4, 3 and 3 s, since two cores are only on the slow worker.
    assert!(
        close(outcome.bounds.mean_turnaround_s, 10.0 / 3.0, 1e-12),
        "{}",
        outcome.bounds.mean_turnaround_s
    );
}

#[test]
fn the_mean_turnaround_is_bounded_by_shortest_remaining_time_on_the_squashed_area() {
    // One core. a (10 s) is set aside at 1 for b (2 s): b ends at 3, a at 12; c (1 s) at 12 ends at 13.
    let workers = workers(&["w0 1 64 100 0 1"]);
    let case = Case::new(&workers, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 1 2 1", "c 12 1 1"]);
    let bounds = case.run("fcfs").bounds;
    assert!(close(bounds.mean_turnaround_s, (12.0 + 2.0 + 1.0) / 3.0, 1e-12), "{}", bounds.mean_turnaround_s);
    assert_eq!(bounds.makespan.micros(), 13 * S);
}

#[test]
fn each_dimension_is_bounded_and_the_largest_bound_wins() {
    let one = "w0 4 4 4 1 1";
    let bound = |tasks: &[&str]| Case::new(&workers(&[one]), tasks).run("fcfs").bounds.makespan.micros() / S;
    let header = "arrival_s duration_s cpu_cores memory_gb storage_gb gpu_cores";
    assert_eq!(bound(&[header, "a 0 10 3 1 1 0", "b 0 10 3 1 1 0"]), 15, "cpu");
    assert_eq!(bound(&[header, "a 0 10 1 3 1 0", "b 0 10 1 3 1 0"]), 15, "memory");
    assert_eq!(bound(&[header, "a 0 10 1 1 3 0", "b 0 10 1 1 3 0"]), 15, "storage");
    assert_eq!(bound(&[header, "a 0 10 1 1 1 0.75", "b 0 10 1 1 1 0.75"]), 15, "gpu");
    assert_eq!(
        bound(&[header, "a 3 10 1 1 1 0", "b 5 10 1 1 1 0"]),
        12,
        "the longest task after its arrival"
    );
}

#[test]
fn paths_and_runs_take_the_fastest_worker_that_can_hold_the_task() {
    let workers = workers(&["small 1 64 100 0 4", "large 8 64 100 0 2"]);
    let case = Case::new(
        &workers,
        &[
            "arrival_s duration_s cpu_cores depends_on",
            "a 0 8 1 -",
            "b 1 8 2 a",
            "c 3 2 1 a;b",
            "d 100 8 1 -",
        ],
    )
    .set("startup_latency_s", "1");
    // a 2+1 on the small one, b 4+1 on the large one, c 0.5+1; d at 100, 2+1.
    let bounds = case.run("fcfs").bounds;
    assert_eq!(bounds.makespan.micros(), 103 * S);
    assert!(close(bounds.mean_turnaround_s, (3.0 + 5.0 + 1.5 + 3.0) / 4.0, 1e-12));
    let case = Case::new(
        &workers,
        &["arrival_s duration_s cpu_cores depends_on", "a 0 8 1 -", "b 1 8 2 a", "c 3 2 1 a;b"],
    );
    assert_eq!(case.run("fcfs").bounds.makespan.micros(), 6_500_000);
}

#[test]
fn a_path_begins_when_its_tasks_arrive() {
    let workers = workers(&["w0 4 64 100 0 1"]);
    let tasks =
        ["arrival_s duration_s cpu_cores depends_on", "x 0 1 1 -", "a 50 8 1 -", "b 0 8 1 a", "c 70 3 1 b"];
    // a from 50 to 58, b to 66, c from 70 to 73.
    assert_eq!(Case::new(&workers, &tasks).run("fcfs").bounds.makespan.micros(), 73 * S);
    assert_eq!(Case::new(&workers, &tasks[..4]).run("fcfs").bounds.makespan.micros(), 66 * S);
}

#[test]
fn killed_tasks_count_to_their_limit_and_gangs_count_whole() {
    let workers = workers(&["w0 2 64 100 0 1"]);
    let header = "arrival_s duration_s cpu_cores estimate_s replicas";
    let case = Case::new(&workers, &[header, "a 0 10 1 4 2", "b 0 6 1 8 1"]);
    assert_eq!(case.run("fcfs").bounds.makespan.micros(), 13 * S);
    let case = case.set("kill_at_estimate", "true");
    assert_eq!(case.run("fcfs").bounds.makespan.micros(), 7 * S);
}

#[test]
fn stated_durations_count_at_their_least_and_capacity_unscaled() {
    let tasks = table("task_id", &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 0 10 1", "c 0 10 1"]);
    let case = Case::of(&[
        ("workers.csv", &workers(&["w0 1 64 100 0 1", "w1 1 64 100 0 2"])),
        ("tasks.csv", &tasks),
        ("durations.csv", "task_id,worker_id,duration_s\na,w0,3\na,w1,9\nb,w0,40\n"),
    ]);
    // a 3 on w0; b and c 5 on w1 (10 / 2): 13 core seconds on two cores.
    assert_eq!(case.run("fcfs").bounds.makespan.micros(), 6_500_000);
}

#[test]
fn bounds_computed_while_checking_are_those_of_a_reading_of_their_own() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed,labels\n\
                   a,4,64,100,0,1,zone=a\nb,2,16,100,0,3,zone=b\n";
    let header = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,estimate_s,labels\n";
    let rows = "t1,0,5,1,2,4,zone=a\nt2,1,7.5,2,1,9,\nt3,1,30,2,16,3,zone=b\nt4,2,1,1,1,1,\n";
    let settings = |own: &Settings| {
        let mut settings = own.clone();
        settings.kill_at_estimate = true;
        Some(settings)
    };
    let sorted = Location::text(format!("{header}{rows}"), workers);
    let (scenario, bounds) = Bounds::while_checking(&sorted, &mut |own| settings(own)).unwrap();
    let in_force = settings(&scenario.settings).unwrap();
    assert_eq!(bounds, Some(Bounds::of(&scenario, &in_force).unwrap()));
    assert_ne!(bounds, Some(Bounds::of(&scenario, &scenario.settings).unwrap()), "limits are in force");
    assert_eq!(Bounds::while_checking(&sorted, &mut |_| None).unwrap().1, None);

    let unsorted = Location::text(format!("{header}t0,3,1,1,1,1,\n{rows}"), workers);
    assert_eq!(Bounds::while_checking(&unsorted, &mut |own| settings(own)).unwrap().1, None);
}
