//! The preempting strategies, on schedules computed by hand.

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_sim::{Experiment, compare};

use crate::support::{Case, FOUR, ONE, S, TWO};

const HEADER: &str = "arrival_s duration_s cpu_cores priority estimate_s replicas gpu_cores";

/// Tasks as `arrival duration cores priority`, with exact estimates unless a row says more.
fn case(workers: &str, rows: &[&str]) -> Case {
    let mut all = vec![HEADER.to_owned()];
    for (row, name) in rows.iter().zip('a'..) {
        let cells: Vec<&str> = row.split(' ').collect();
        let cell = |at: usize, default: &'static str| cells.get(at).copied().unwrap_or(default).to_owned();
        let (estimate, replicas, gpu) = (cell(4, "-"), cell(5, "1"), cell(6, "0"));
        all.push(format!("{name} {} {estimate} {replicas} {gpu}", cells[..4].join(" ")));
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Case::new(workers, &all)
}

#[test]
fn a_higher_priority_stops_a_lower_one_which_starts_over_behind_it() {
    let outcome = case(ONE, &["0 10 1 0", "4 3 1 5", "5 1 1 5"]).run("priority_preemption");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-4 preempted", "b.1 w0 4-7 completed", "c.1 w0 7-8 completed", "a.2 w0 8-18 completed"]
    );
    assert_eq!((outcome.metrics.preemptions, outcome.metrics.work_lost_s), (1, 4.0));
}

#[test]
fn nobody_is_stopped_where_that_would_not_help() {
    // d needs four cores, of which two are of equals: to stop b would leave it waiting all the same.
    let outcome = case(FOUR, &["0 10 2 5", "0 10 2 0", "1 5 4 5"]).run("priority_preemption");
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed", "b.1 w0 0-10 completed", "c.1 w0 10-15 completed"]);
}

#[test]
fn equals_do_not_stop_each_other() {
    let outcome = case(ONE, &["0 10 1 5", "4 3 1 5"]).run("priority_preemption");
    assert_eq!(outcome.metrics.preemptions, 0);
}

#[test]
fn those_who_can_stay_stay_the_more_deserving_first() {
    // Two of four cores are needed: of priorities 3, 2, 1 and 0 the two lowest go.
    let outcome =
        case(FOUR, &["0 50 1 1", "0 50 1 3", "0 50 1 0", "0 50 1 2", "9 1 2 9"]).run("priority_preemption");
    assert_eq!(outcome.shown()[..2], ["a.1 w0 0-9 preempted".to_owned(), "c.1 w0 0-9 preempted".to_owned()]);
    assert_eq!(outcome.metrics.preemptions, 2);
    // Of one priority those go that have run for the shortest time: b and c, not the long-running a.
    let outcome = case(FOUR, &["0 50 2 0", "5 50 1 0", "6 50 1 0", "9 1 1 9"]).run("priority_preemption");
    assert_eq!(outcome.shown()[0], "c.1 w0 6-9 preempted");
    assert_eq!(outcome.metrics.preemptions, 1);
}

#[test]
fn the_worker_is_chosen_where_the_least_deserving_and_the_fewest_go() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\n\
                   w0,2,64,1000,0\nw1,2,64,1000,0\nw2,2,64,1000,0\n";
    // w0 holds priorities 1 and 0, w1 two of priority 0, w2 one of priority 0.
    let rows = ["0 50 1 1", "0 50 1 0", "0 50 1 0", "0 50 1 0", "0 50 2 0", "9 1 2 9"];
    let outcome = case(workers, &rows).run("priority_preemption");
    assert_eq!(outcome.shown()[..2], ["e.1 w2 0-9 preempted", "f.1 w2 9-10 completed"]);
    assert_eq!(outcome.metrics.preemptions, 1);
}

#[test]
fn the_least_deserving_go_before_the_fewest_and_those_before_the_latest() {
    let workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,2,64,1000,0\nw1,2,64,1000,0\n";
    let stopped = |rows: &[&str]| {
        let outcome = case(workers, rows).run("priority_preemption");
        let rows = outcome.rows.into_iter().filter(|row| row.status == "preempted");
        rows.map(|row| row.task).collect::<String>()
    };
    // Two of priority 0 rather than one of priority 1.
    assert_eq!(stopped(&["0 50 2 1", "0 50 1 0", "0 50 1 0", "9 1 2 9"]), "bc");
    // One that has run for 9 s rather than two that have run for 7 s together.
    assert_eq!(stopped(&["0 50 2 0", "5 50 1 0", "6 50 1 0", "9 1 2 9"]), "a");
    // Of one each, the one that has run for less.
    assert_eq!(stopped(&["0 50 2 0", "5 50 2 0", "9 1 2 9"]), "b");
    // For a gang no more than it needs.
    assert_eq!(stopped(&["0 50 1 0", "1 50 1 0", "2 50 1 0", "3 50 1 0", "9 1 1 9 - 2"]), "cd");
}

#[test]
fn only_so_many_look_for_others_in_a_pass() {
    let case = case(TWO, &["0 50 1 0", "0 50 1 0", "5 1 1 9", "5 1 1 9"]).set("stop_latency_s", "3");
    let ends = |window: u32| {
        let shown = case.run(&format!("priority_preemption(window={window})")).shown();
        shown.into_iter().filter(|row| row.ends_with("preempted")).collect::<Vec<_>>()
    };
    assert_eq!(ends(2), ["a.1 w0 0-8 preempted", "b.1 w1 0-8 preempted"]);
    // d has its turn when c has started.
    assert_eq!(ends(1), ["a.1 w0 0-8 preempted", "b.1 w1 0-11 preempted"]);
}

#[test]
fn what_starts_in_a_pass_is_not_counted_on_later_in_it() {
    let workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,1,64,1000,0\nw1,5,64,1000,0\n";
    // b is on w1. c stops it; d takes the core that is free there; so e has to stop a, on w0.
    let rows = ["0 100 1 0", "0 100 4 0", "10 20 4 9", "10 20 1 5", "10 20 1 4"];
    let shown = case(workers, &rows).set("stop_latency_s", "5").run("priority_preemption").shown();
    assert_eq!(shown[..2], ["a.1 w0 0-15 preempted", "b.1 w1 0-15 preempted"]);
}

#[test]
fn what_becomes_free_is_kept_for_whom_it_was_freed_and_nobody_is_stopped_twice() {
    // At 10 all are stopped for c, which needs all four cores; that takes until 15. At 12, when e has ended before its stop
    // took effect, a core is free: d, f and g, which arrive meanwhile, do not get it.
    let rows = ["0 100 2 0", "0 100 1 0", "10 20 4 9", "11 5 1 1", "0 12 1 0", "12 5 1 0", "12.5 4 1 8"];
    let case = case(FOUR, &rows).set("stop_latency_s", "5");
    let outcome = case.run("priority_preemption");
    let shown = outcome.shown();
    assert_eq!(
        shown[..5],
        [
            "e.1 w0 0-12 completed",
            "a.1 w0 0-15 preempted",
            "b.1 w0 0-15 preempted",
            "c.1 w0 15-35 completed",
            "g.1 w0 35-39 completed",
        ]
    );
    assert_eq!(outcome.metrics.preemptions, 2);
}

#[test]
fn while_one_stop_is_under_way_there_is_no_second_for_the_same_task() {
    // At 10 a, on the lower worker, is stopped for c. At 11 and 12 there is a pass again; b runs on.
    let rows = ["0 100 1 0", "0 100 1 0", "10 5 1 9", "11 5 1 0", "12 5 1 0"];
    let outcome = case(TWO, &rows).set("stop_latency_s", "5").run("priority_preemption");
    assert_eq!(outcome.shown()[..2], ["a.1 w0 0-15 preempted", "c.1 w0 15-20 completed"]);
    assert_eq!(outcome.metrics.preemptions, 1);
}

#[test]
fn room_that_is_lost_before_it_is_free_is_made_elsewhere() {
    let tasks = &["arrival_s duration_s cpu_cores priority", "a 0 100 1 0", "b 0 100 1 0", "c 10 5 1 9"];
    let case = Case::of(&[
        ("workers.csv", TWO),
        ("tasks.csv", &crate::support::table("task_id", tasks)),
        ("faults.csv", "time_s,worker_id,event\n12,w0,down\n50,w0,up\n"),
    ]);
    let outcome = case.set("stop_latency_s", "5").run("priority_preemption");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-12 lost",
            "b.1 w1 0-17 preempted",
            "c.1 w1 17-22 completed",
            "a.2 w1 22-122 completed",
            "b.2 w0 50-150 completed",
        ]
    );
}

#[test]
fn what_fits_beside_the_promised_room_starts_at_once() {
    // b needs three of the four cores that the stop of a will leave: c, less urgent, gets the fourth now.
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,5,64,1000,0\n";
    let rows = ["0 100 4 0", "10 20 4 9", "11 30 1 1", "11 30 1 1"];
    let outcome = case(workers, &rows).set("stop_latency_s", "5").run("priority_preemption");
    assert_eq!(
        outcome.shown()[..3],
        ["a.1 w0 0-15 preempted", "b.1 w0 15-35 completed", "c.1 w0 11-41 completed"]
    );
    assert_eq!(outcome.last("d").start, Some(35 * S));
}

#[test]
fn a_more_urgent_task_takes_the_room_that_was_made_for_another() {
    let rows = ["0 100 1 0", "10 5 1 1", "11 5 1 2"];
    let outcome = case(ONE, &rows).set("stop_latency_s", "3").run("priority_preemption");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-13 preempted",
            "c.1 w0 13-18 completed",
            "b.1 w0 18-23 completed",
            "a.2 w0 23-123 completed"
        ]
    );
}

#[test]
fn a_gang_makes_room_on_several_workers_and_gives_way_as_a_whole() {
    // b needs both workers: a, on w0, goes; then c stops the gang for w0, which frees w1 too, where a goes on.
    let rows = ["0 100 1 0", "10 50 1 3 - 2", "20 5 1 9"];
    let outcome = case(TWO, &rows).run("priority_preemption");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-10 preempted",
            "b.1 w0;w1 10-20 preempted",
            "a.2 w1 20-25 preempted",
            "c.1 w0 20-25 completed",
            "b.2 w0;w1 25-75 completed",
            "a.3 w0 75-175 completed",
        ]
    );
    assert_eq!(outcome.metrics.work_lost_s, 10.0 + 10.0 + 5.0);
}

#[test]
fn gpu_devices_are_freed_one_by_one() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,64,1000,2\n";
    // a and b share one device, c has the other: two GPU halves make no whole, so c goes, not a.
    let rows = ["0 50 1 0 - 1 0.5", "0 50 1 0 - 1 0.4", "0 50 1 1 - 1 1", "5 10 1 9 - 1 1"];
    let outcome = case(workers, &rows).run("priority_preemption");
    // The least deserving: a and b of priority 0 rather than c of priority 1.
    assert_eq!(outcome.shown()[..2], ["a.1 w0 0-5 preempted", "b.1 w0 0-5 preempted"]);
    // c came first, by its priority, and has device 0.
    assert_eq!(outcome.last("d").devices, "1");
    let rows = ["0 50 1 0 - 1 0.5", "0 50 1 1 - 1 0.4", "0 50 1 0 - 1 1", "5 10 1 9 - 1 1"];
    let outcome = case(workers, &rows).run("priority_preemption");
    assert_eq!((outcome.shown()[0].as_str(), outcome.metrics.preemptions), ("c.1 w0 0-5 preempted", 1));
}

#[test]
fn predecessors_come_first_whatever_the_priority() {
    let tasks =
        &["arrival_s duration_s cpu_cores priority depends_on", "a 0 10 1 0 -", "b 0 5 1 9 a", "c 1 9 1 1 -"];
    let outcome = Case::new(ONE, tasks).run("priority_preemption");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-1 preempted", "c.1 w0 1-10 completed", "a.2 w0 10-20 completed", "b.1 w0 20-25 completed"]
    );
}

#[test]
fn srpt_stops_who_has_strictly_more_left() {
    // At 4 a has 6 left: b of 6 waits, c of 5 does not.
    let rows = ["0 10 1 0 10", "4 6 1 0 6", "4 5 1 0 5"];
    let outcome = case(ONE, &rows).run("srpt");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-4 preempted", "c.1 w0 4-9 completed", "b.1 w0 9-15 completed", "a.2 w0 15-25 completed"]
    );
    let outcome = case(ONE, &rows[..2]).run("srpt");
    assert_eq!(outcome.metrics.preemptions, 0);
}

#[test]
fn srpt_with_checkpoints_ranks_by_what_is_left() {
    // a is stopped at 4 with 6 left, and then goes before b of 7.
    let rows = ["0 10 1 0 10", "4 5 1 0 5", "5 7 1 0 7"];
    let outcome = case(ONE, &rows).set("checkpoint", "true").run("srpt");
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-4 preempted", "b.1 w0 4-9 completed", "a.2 w0 9-15 completed", "c.1 w0 15-22 completed"]
    );
    assert_eq!(outcome.metrics.work_lost_s, 0.0);
}

#[test]
fn srpt_leaves_a_task_that_outlives_its_estimate_alone_and_minds_its_margin() {
    // a was to end at 3; from then on it has a microsecond left.
    let outcome = case(ONE, &["0 20 1 0 3", "5 1 1 0 1"]).run("srpt");
    assert_eq!(outcome.metrics.preemptions, 0);
    // 5 and half of it are not less than the 7 that are left at 3, but less than the 8 that are at 2.
    let run = |arrival: u32, spec: &str| {
        let late = format!("{arrival} 5 1 0 5");
        case(ONE, &["0 10 1 0 10", &late]).run(spec).metrics.preemptions
    };
    assert_eq!([run(2, "srpt(margin=0.5)"), run(3, "srpt(margin=0.5)"), run(3, "srpt")], [1, 0, 1]);
    // 4 and half of it are as much as is left at 4, not less.
    let even = case(ONE, &["0 10 1 0 10", "4 4 1 0 4"]);
    assert_eq!(even.run("srpt(margin=0.5)").metrics.preemptions, 0);
}

#[test]
fn las_lets_a_task_run_until_it_has_had_its_share() {
    // A queue of 10 core seconds. a is demoted at 10 and gives way to b; b at 20, but then nobody stands before it.
    let first_queue = 10.0 / 3600.0;
    let spec = format!("las(first_queue_h={first_queue},promote=0)");
    let outcome = case(ONE, &["0 30 1 0", "2 15 1 0", "40 3 1 0"]).set("checkpoint", "true").run(&spec);
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-10 preempted",
            // Demoted itself at 20, and first come first served it is behind a; but nobody stops an equal.
            "b.1 w0 10-25 completed",
            "a.2 w0 25-40 preempted",
            "c.1 w0 40-43 completed",
            "a.3 w0 43-48 completed",
        ]
    );
}

#[test]
fn las_wakes_for_what_the_same_pass_has_started() {
    // Nothing else happens until a has had its share.
    let spec = format!("las(first_queue_h={},promote=0)", 10.0 / 3600.0);
    for (latency, expected) in [("0", "a.1 w0 0-10 preempted"), ("2", "a.1 w0 2-12 preempted")] {
        let case = case(ONE, &["0 30 1 0", "0 30 1 0"]).set("checkpoint", "true");
        assert_eq!(case.set("startup_latency_s", latency).run(&spec).shown()[0], expected);
    }
}

#[test]
fn las_counts_service_by_size() {
    // Four cores: a, of four, has had 40 core seconds at 10; b, of two, would have at 20.
    let spec = format!("las(first_queue_h={},promote=0)", 40.0 / 3600.0);
    let outcome = case(FOUR, &["0 30 4 0", "5 30 2 0"]).set("checkpoint", "true").run(&spec);
    assert_eq!(
        outcome.shown(),
        ["a.1 w0 0-10 preempted", "b.1 w0 10-40 completed", "a.2 w0 40-60 completed"]
    );
}

#[test]
fn las_promotes_who_has_waited_for_long() {
    // a runs for 10 and is demoted; newcomers of 9 each hold the worker. At 30 it has waited for twice its run time and is
    // promoted, as a newcomer with the earliest arrival: it starts at 37, when b to d have had their turn.
    let rows = ["0 12 1 0", "5 9 1 0", "6 9 1 0", "7 9 1 0", "8 9 1 0", "9 9 1 0"];
    let spec = |promote: u32| format!("las(first_queue_h={},promote={promote})", 10.0 / 3600.0);
    let run = |promote| case(ONE, &rows).set("checkpoint", "true").run(&spec(promote)).last("a").start;
    assert_eq!((run(2), run(0)), (Some(37 * S), Some(55 * S)));
}

#[test]
fn las_promotes_at_the_very_time() {
    // a waits from 10 on, after 10 s of run time; b, which leaves the first queue at 20, gives way at 30.
    let spec = format!("las(first_queue_h={},promote=2)", 10.0 / 3600.0);
    let outcome = case(ONE, &["0 15 1 0", "5 100 1 0"]).set("checkpoint", "true").run(&spec);
    let shown = outcome.shown();
    assert_eq!(shown[..3], ["a.1 w0 0-10 preempted", "b.1 w0 10-30 preempted", "a.2 w0 30-35 completed"]);
}

#[test]
fn las_counts_all_replicas_and_its_queues_widen() {
    let spec = format!("las(first_queue_h={},promote=0)", 40.0 / 3600.0);
    // Two replicas of two cores.
    let outcome = case(FOUR, &["0 30 2 0 - 2", "5 30 2 0"]).set("checkpoint", "true").run(&spec);
    assert_eq!(outcome.shown()[0], "a.1 w0;w0 0-10 preempted");
    // Queues end at 10 and at 30: b, served for 30 from 10 on, gives way to a, served for 10.
    let spec = format!("las(first_queue_h={},promote=0,queues=3,factor=3)", 10.0 / 3600.0);
    let outcome = case(ONE, &["0 100 1 0", "2 50 1 0"]).set("checkpoint", "true").run(&spec);
    assert_eq!(outcome.shown()[..2], ["a.1 w0 0-10 preempted", "b.1 w0 10-40 preempted"]);
}

#[test]
fn tasks_that_start_over_and_promote_each_other_get_to_their_ends() {
    let spec = format!("las(first_queue_h={},promote=0.5,queues=4,factor=2)", 1.0 / 3600.0);
    let rows = ["0 60 1 0", "0 70 1 0", "0 50 1 0", "3 90 1 0"];
    let outcome = case(ONE, &rows).set("stop_latency_s", "0.5").run(&spec);
    assert_eq!(outcome.metrics.completed, 4);
    assert!(outcome.metrics.preemptions > 3, "{}", outcome.text);
}

#[test]
fn a_cluster_that_rejects_at_once_leaves_no_time_to_make_room() {
    let case = case(ONE, &["0 10 1 0"]).set("on_full", "reject");
    let registry = Registry::builtin();
    let specs: Vec<StrategySpec> =
        ["fcfs", "priority_preemption", "srpt", "las"].iter().map(|spec| spec.parse().unwrap()).collect();
    let run = compare(&Experiment::new(&case.scenario, &case.settings, &registry, &specs)).unwrap();
    assert_eq!(run.comparison.strategies.len(), 1);
    assert_eq!(run.comparison.skipped.len(), 3);
    assert!(run.comparison.skipped[0].reason.contains("on_full"), "{:?}", run.comparison.skipped);
}
