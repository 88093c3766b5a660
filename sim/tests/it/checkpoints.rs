//! Checkpoints: what is saved, what it costs, and what of the limit is left.

use crate::strategies::{play, queue, start_all, stop, task};
use crate::support::{Case, ONE, S, close, table};
use cloudai_schedulers::{SchedulingContext, Time};

const LONG: &[&str] = &["arrival_s duration_s cpu_cores", "a 0 10 1"];

/// One worker that is down for a second at each of these times, and checkpoints.
fn failing(tasks: &[&str], at: &[&str]) -> Case {
    let mut rows = vec!["time_s worker_id event".to_owned()];
    for second in at {
        let back = second.parse::<f64>().unwrap() + 1.0;
        rows.extend([format!("{second} w0 down"), format!("{back} w0 up")]);
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let case = Case::of(&[
        ("workers.csv", ONE),
        ("tasks.csv", &table("task_id", tasks)),
        ("faults.csv", &table("", &rows)),
    ]);
    case.set("checkpoint", "true")
}

/// Preempts task 0 once at this second, and starts whatever is queued.
fn preempting(second: u64) -> impl FnMut(&mut SchedulingContext<'_>) + Send {
    let mut done = false;
    move |cx| {
        let now = cx.view().now();
        if now == Time::ZERO {
            cx.wake_at(Time::from_micros(second * S)).unwrap();
        }
        let runs = task(&cx.view(), 0).is_some() && !queue(cx).contains(&0);
        if now == Time::from_micros(second * S) && runs && !done {
            done = true;
            stop(cx, 0);
        } else {
            start_all(cx);
        }
    }
}

#[test]
fn a_lost_task_goes_on_from_its_last_checkpoint() {
    // Saved at 3 and 6; 4 of 10 s are left, from 8 on.
    let outcome = failing(LONG, &["7"]).set("checkpoint_interval_s", "3").run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-7 lost", "a.2 w0 8-12 completed"]);
    assert_eq!((outcome.metrics.work_lost_s, outcome.metrics.overhead_s), (1.0, 0.0));
}

#[test]
fn saving_and_restarting_take_their_time() {
    // 3 s of work, 0.5 s to save: saved at 3.5, then 3.5 s more, of which 3 are work, unsaved.
    let case = failing(LONG, &["6.9"]).set("checkpoint_interval_s", "3");
    let case = case.set("checkpoint_overhead_s", "0.5").set("restart_overhead_s", "2");
    let outcome = case.run("fcfs");
    // 2 to restart, 7 s of work with two pauses.
    assert_eq!(outcome.shown(), ["a.1 w0 0-6.9 lost", "a.2 w0 7.9-17.9 completed"]);
    assert_eq!(outcome.metrics.work_lost_s, 3.0);
    assert!(close(outcome.metrics.overhead_s, 0.5 + 0.4 + 2.0 + 1.0, 1e-12));
    // Without a loss: three pauses.
    let alone = Case::new(ONE, LONG).set("checkpoint", "true").set("checkpoint_interval_s", "3");
    let alone = alone.set("checkpoint_overhead_s", "0.5").set("restart_overhead_s", "2").run("fcfs");
    assert_eq!(alone.shown(), ["a.1 w0 0-11.5 completed"]);
}

#[test]
fn without_an_interval_a_loss_loses_everything_and_a_stop_nothing() {
    let outcome = failing(LONG, &["7"]).run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0 0-7 lost", "a.2 w0 8-18 completed"]);
    assert_eq!(outcome.metrics.work_lost_s, 7.0);

    let case = Case::new(ONE, LONG).set("checkpoint", "true").set("checkpoint_overhead_s", "2");
    let case = case.set("restart_overhead_s", "1").set("stop_latency_s", "1");
    // It works until 5, saves until 7, and goes on at 8.
    let outcome = case.play(&mut play(preempting(4)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-7 preempted", "a.2 w0 7-13 completed"]);
    assert_eq!((outcome.metrics.work_lost_s, outcome.metrics.overhead_s), (0.0, 3.0));
    // Told to stop at 9, it would complete at 10, before it begins to save.
    let outcome = case.play(&mut play(preempting(9)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-10 completed"]);
    // While it saves it does not get to its end: told at 8, it saves from 9 to 11.
    let outcome = case.play(&mut play(preempting(8)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-11 preempted", "a.2 w0 11-13 completed"]);
}

#[test]
fn a_task_that_is_lost_while_it_saves_loses_what_it_had_done_until_then() {
    let case = failing(LONG, &["7"]).set("checkpoint_overhead_s", "5").set("stop_latency_s", "1");
    // Told to stop at 4, it works until 5 and would save until 10.
    let outcome = case.play(&mut play(preempting(4)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-7 lost", "a.2 w0 8-18 completed"]);
    assert_eq!((outcome.metrics.work_lost_s, outcome.metrics.overhead_s), (5.0, 2.0));
    // One that starts only while it would save gets nothing done, and does not complete.
    let tasks = &["arrival_s duration_s cpu_cores", "a 0 1 1"];
    let case = Case::new(ONE, tasks).set("checkpoint", "true").set("checkpoint_overhead_s", "5");
    let outcome = case.set("startup_latency_s", "3").play(&mut play(preempting(2)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 3-7 preempted", "a.2 w0 10-11 completed"]);
}

#[test]
fn with_an_interval_a_stop_keeps_what_was_saved_by_then() {
    let case = Case::new(ONE, LONG).set("checkpoint", "true").set("checkpoint_interval_s", "3");
    let outcome = case.play(&mut play(preempting(8)).always());
    assert_eq!(outcome.shown(), ["a.1 w0 0-8 preempted", "a.2 w0 8-12 completed"]);
    assert_eq!((outcome.metrics.preemptions, outcome.metrics.work_lost_s), (1, 2.0));
}

#[test]
fn the_limit_counts_work_that_is_kept_and_not_attempts() {
    let tasks = &["arrival_s duration_s cpu_cores estimate_s", "a 0 10 1 8"];
    let run = |case: Case| case.set("kill_at_estimate", "true").run("fcfs").shown();
    // 6 of 8 s are kept; a second attempt is killed after 2 more.
    let kept = failing(tasks, &["7"]).set("checkpoint_interval_s", "3");
    assert_eq!(run(kept), ["a.1 w0 0-7 lost", "a.2 w0 8-10 timed_out"]);
    // To restart and to save does not count.
    let costly = failing(tasks, &["7"]).set("checkpoint_interval_s", "3").set("restart_overhead_s", "5");
    assert_eq!(run(costly), ["a.1 w0 0-7 lost", "a.2 w0 8-15 timed_out"]);
    // What is lost does not count either: the limit begins anew.
    let lost = failing(tasks, &["7"]).set("checkpoint", "false");
    assert_eq!(run(lost), ["a.1 w0 0-7 lost", "a.2 w0 8-16 timed_out"]);
}

#[test]
fn a_gang_that_loses_a_worker_keeps_what_was_saved_by_then() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   fast,1,64,1000,0,1\nslow,1,64,1000,0,0.5\n";
    let case = Case::of(&[
        ("workers.csv", workers),
        ("tasks.csv", "task_id,arrival_s,duration_s,cpu_cores,replicas\na,0,10,1,2\n"),
        ("faults.csv", "time_s,worker_id,event\n13,fast,down\n14,fast,up\n"),
    ]);
    let case = case.set("checkpoint", "true").set("checkpoint_interval_s", "4").set("stop_latency_s", "5");
    // 20 s, as long as the slow part takes; saved at 4, 8, 12. The slow part is stopped at 18 and saves nothing more.
    let outcome = case.run("first_fit");
    assert_eq!(outcome.shown(), ["a.1 fast;slow 0-18 lost", "a.2 fast;slow 18-26 completed"]);
    assert_eq!(outcome.metrics.work_lost_s, 1.0);
}

#[test]
fn strategies_expect_what_is_left() {
    // A long task that is lost at 95 has 10 s left; EASY lets b, of 9 s, start beside it only if it ends in time.
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,2,64,1000,0\n";
    let case = Case::of(&[
        ("workers.csv", workers),
        (
            "tasks.csv",
            "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
             a,0,100,1,100\nhead,96,10,2,10\nshort,96,9,1,9\nlonger,96,12,1,12\n",
        ),
        ("faults.csv", "time_s,worker_id,event\n95,w0,down\n97,w0,up\n"),
    ]);
    let case = case.set("checkpoint", "true").set("checkpoint_interval_s", "10");
    let outcome = case.run("easy");
    assert_eq!(
        outcome.shown(),
        [
            "a.1 w0 0-95 lost",
            "short.1 w0 97-106 completed",
            "a.2 w0 97-107 completed",
            "head.1 w0 107-117 completed",
            "longer.1 w0 117-129 completed",
        ]
    );
}
