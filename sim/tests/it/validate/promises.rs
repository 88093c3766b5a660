//! What a policy promises.

use super::{HEADER, found, holds, judge, pool};
use crate::support::Case;

/// `running` leaves one core until 10 s; `wide` is the head; `small` could overtake it.
const BACKFILL: &str = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
    running,0,10,3,10\nwide,1,10,4,10\nsmall,2,9,1,8\n";

fn theirs(rows: &str) -> String {
    format!("task_id,start_s,end_s\nrunning,0,10\n{rows}")
}

#[test]
fn fcfs_is_the_order_of_eligible_then_index() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores\na,0,5,2\nb,1,5,4\nc,1,5,1\n";
    let case = pool(tasks);
    let rows = |b: u32, c: u32| format!("task_id,start_s,end_s\na,0,5\nb,{b},{}\nc,{c},{}\n", b + 5, c + 5);
    holds(&case, "fcfs", &rows(5, 10));
    assert_eq!(
        found(&case, "fcfs", &rows(6, 1)),
        [
            "at 1 s, line 4, fcfs: task 'c' starts before task 'b', which is eligible since 1 s; itself since 1 s"
        ]
    );
    let same_instant = pool("task_id,arrival_s,duration_s,cpu_cores\na,0,5,2\nb,1,5,1\nc,1,5,1\n");
    holds(&same_instant, "fcfs", &rows(1, 1));
}

#[test]
fn who_is_released_later_stands_later() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,depends_on\na,0,5,1,\nb,0,5,1,a\nc,4,5,1,\n";
    let case = pool(tasks);
    holds(&case, "fcfs", "task_id,start_s,end_s\na,0,5\nb,6,11\nc,4,9\n");
    assert_eq!(
        found(&case, "fcfs", "task_id,start_s,end_s\na,0,5\nb,6,11\nc,7,12\n"),
        [
            "at 6 s, line 3, fcfs: task 'b' starts before task 'c', which is eligible since 4 s; itself since 5 s"
        ]
    );
}

#[test]
fn who_was_preempted_keeps_its_place() {
    let case = pool("task_id,arrival_s,duration_s,cpu_cores\na,0,5,1\nb,1,5,1\n");
    let rows = |again: u32, b: u32| {
        format!(
            "task_id,attempt,start_s,end_s,status\na,1,0,2,preempted\na,2,{again},{},completed\nb,1,{b},{},completed\n",
            again + 5,
            b + 5
        )
    };
    holds(&case, "fcfs", &rows(8, 1));
    holds(&case, "fcfs", &rows(8, 8));
    assert_eq!(
        found(&case, "fcfs", &rows(8, 3)),
        [
            "at 3 s, line 4, fcfs: task 'b' starts before task 'a', which is eligible since 0 s; itself since 1 s"
        ]
    );
}

#[test]
fn an_overtake_that_ends_by_the_shadow_time_is_easy() {
    let just = BACKFILL.replace("small,2,9,1,8", "small,2,8,1,8");
    holds(&pool(&just), "easy", &theirs("wide,10,20\nsmall,2,10\n"));
    let late = BACKFILL.replace("small,2,9,1,8", "small,2,8,1,8.000001");
    assert_eq!(
        found(&pool(&late), "easy", &theirs("wide,10,20\nsmall,2,10\n")),
        [
            "at 2 s, line 4, easy: task 'small' overtakes the head, task 'wide', and delays its reservation on 'pool' at 10 s: \
          it is expected to end at 10.000001 s, and does not fit beside the head (cpu: 1 of 0 cores)"
        ],
        "what was expected counts, not what became of it"
    );
    holds(&pool(BACKFILL), "easy", &theirs("wide,11,21\nsmall,2,11\n"));
}

#[test]
fn an_overtake_that_fits_beside_the_head_is_easy_once() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        running,0,10,2,10\nwide,1,10,3,10\nlong,2,100,1,100\nlonger,3,100,1,100\n";
    let case = pool(tasks);
    holds(&case, "easy", &theirs("wide,10,20\nlong,2,102\nlonger,20,120\n"));
    assert_eq!(
        found(&case, "easy", &theirs("wide,102,112\nlong,2,102\nlonger,3,103\n")),
        [
            "at 3 s, line 5, easy: task 'longer' overtakes the head, task 'wide', and delays its reservation on 'pool' at 10 s: \
          it is expected to end at 103 s, and does not fit beside the head (cpu: 1 of 0 cores)"
        ]
    );
    // In one pass the first one takes what the head leaves.
    let tasks = tasks.replace("longer,3", "longer,2");
    assert_eq!(found(&pool(&tasks), "easy", &theirs("wide,102,112\nlong,2,102\nlonger,2,102\n")).len(), 1);
}

#[test]
fn all_ends_tied_at_the_shadow_time_count() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        running,0,10,2,10\nsecond,0,10,1,10\nwide,1,10,2,10\nlong,2,100,1,100\n";
    let case = pool(tasks);
    // At 10 s two tasks end together: four cores, of which the head needs two.
    holds(&case, "easy", &theirs("second,0,10\nwide,10,20\nlong,2,102\n"));
}

#[test]
fn who_is_past_its_expected_end_ends_in_a_microsecond() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        running,0,10,3,1\nwide,1,10,4,10\nsmall,2,1,1,0.000001\n";
    holds(&pool(tasks), "easy", &theirs("wide,10,20\nsmall,2,3\n"));
    let tasks = tasks.replace("0.000001", "0.000002");
    assert_eq!(found(&pool(&tasks), "easy", &theirs("wide,10,20\nsmall,2,3\n")).len(), 1);
}

#[test]
fn the_head_reserves_one_worker_and_the_others_are_free() {
    let workers = format!("{HEADER}\nw0,4,8,10,0\nw1,4,8,10,0\n");
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        a,0,20,3,20\nb,0,10,3,10\nwide,1,10,4,10\nsmall,2,50,1,50\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks)]);
    let rows = |worker| {
        format!("task_id,worker_id,start_s,end_s\na,w0,0,20\nb,w1,0,10\nwide,w1,52,62\nsmall,{worker},2,52\n")
    };
    holds(&case, "easy", &rows("w0"));
    let late = found(&case, "easy", &rows("w1"));
    assert!(late[0].contains("delays its reservation on 'w1' at 10 s") && late.len() == 1, "{late:?}");
    // Ties go to the lowest index.
    let tied = tasks.replace("a,0,20,3,20", "a,0,20,3,10");
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", &tied)]);
    assert_eq!(found(&case, "easy", &rows("w0")).len(), 1);
    holds(&case, "easy", &rows("w1"));
}

#[test]
fn the_head_reserves_devices() {
    let workers = format!("{HEADER}\nw,8,8,10,2\n");
    let tasks = "task_id,arrival_s,duration_s,gpu_cores,estimate_s\n\
        a,0,10,1,10\nb,0,99,0.5,99\nhead,1,10,1,10\nsmall,2,50,0.5,50\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks)]);
    let rows = |small, head: u32| {
        format!(
            "task_id,gpu_devices,start_s,end_s\na,0,0,10\nb,1,0,99\nhead,0,{head},{}\nsmall,{small},2,52\n",
            head + 10
        )
    };
    holds(&case, "easy", &rows(1, 10));
    // A fraction on the device that the head waits for.
    let tasks = tasks.replace("a,0,10,1,10", "a,0,10,0.5,10");
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", &tasks)]);
    let late = found(&case, "easy", &rows(0, 52));
    assert!(late.len() == 1 && late[0].ends_with("(GPU device 0: 0.5 of 0)"), "{late:?}");
    holds(&case, "easy", &rows(1, 10));
}

#[test]
fn a_gang_reserves_the_lowest_workers_at_once() {
    let workers = format!("{HEADER}\nw0,2,8,10,0\nw1,2,8,10,0\nw2,2,8,10,0\n");
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,replicas,estimate_s\n\
        a,0,10,1,3,10\ngang,1,10,2,2,10\nsmall,2,50,1,1,50\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks)]);
    let rows = |worker, gang: u32| {
        format!(
            "task_id,worker_id,start_s,end_s\na,w0;w1;w2,0,10\ngang,w0;w1,{gang},{}\nsmall,{worker},2,52\n",
            gang + 10
        )
    };
    for rule in ["easy", "conservative"] {
        holds(&case, rule, &rows("w2", 10));
        let late = found(&case, rule, &rows("w1", 52));
        assert!(late.len() == 1 && late[0].contains("'w1'"), "{rule}: {late:?}");
    }
}

#[test]
fn a_gang_that_overtakes_is_judged_part_by_part() {
    let workers = format!("{HEADER}\nw0,4,8,10,0\nw1,2,8,10,0\n");
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,replicas,estimate_s\n\
        a,0,10,2,1,10\nwide,1,10,4,1,10\ngang,2,50,1,2,50\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks)]);
    let rows = |workers, wide: u32| {
        format!(
            "task_id,worker_id,start_s,end_s\na,w0,0,10\nwide,w0,{wide},{}\ngang,{workers},2,52\n",
            wide + 10
        )
    };
    for rule in ["easy", "conservative"] {
        holds(&case, rule, &rows("w1;w1", 10));
        assert_eq!(found(&case, rule, &rows("w1;w0", 52)).len(), 1, "{rule}");
    }
}

#[test]
fn conservative_protects_more_than_the_head() {
    // The second in the queue, `next`, has its reservation at 20 s on all four cores.
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        running,0,10,3,10\nhead,1,10,3,10\nnext,2,10,4,10\nlong,3,19,1,19\n";
    let schedule = theirs("head,10,20\nnext,22,32\nlong,3,22\n");
    holds(&pool(tasks), "easy", &schedule);
    assert_eq!(
        found(&pool(tasks), "conservative", &schedule),
        [
            "at 3 s, line 5, conservative: task 'long' delays a reservation of a task before it in the queue, on 'pool' from \
          20 s on: it is expected to end at 22 s, and does not fit beside those reservations (cpu: 1 of 0 cores)"
        ]
    );
    let tasks = tasks.replace("long,3,19,1,19", "long,3,17,1,17");
    holds(&pool(&tasks), "conservative", &theirs("head,10,20\nnext,20,30\nlong,3,20\n"));
}

#[test]
fn nobody_waits_who_would_fit() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores\na,0,10,3\nb,1,5,4\nc,2,5,1\n";
    let rows = |c: u32| format!("task_id,start_s,end_s\na,0,10\nb,10,15\nc,{c},{}\n", c + 5);
    holds(&pool(tasks), "work_conserving", &rows(2));
    assert_eq!(
        found(&pool(tasks), "no_idle", &rows(3)),
        ["at 2 s, work_conserving: task 'c' waits since 2 s, and would fit on 'pool' now"]
    );
    // It fits as soon as something ends.
    let tasks = tasks.replace("c,2,5,1", "c,2,5,2");
    let late = "task_id,start_s,end_s\na,0,10\nb,16,21\nc,11,16\n";
    assert_eq!(
        found(&pool(&tasks), "work_conserving", late),
        [
            "at 10 s, work_conserving: task 'b' waits since 1 s, and would fit on 'pool' now",
            "at 10 s, work_conserving: task 'c' waits since 2 s, and would fit on 'pool' now",
        ]
    );
}

#[test]
fn who_waits_for_data_or_another_model_does_not_wait_idly() {
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER},gpu_model\nw0,4,8,10,0,A\nw1,4,8,10,0,B\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s,cpu_cores,gpu_model\na,0,5,1,A\nb,0,5,1,B\n"),
        ("edges.csv", "from_task,to_task,transfer_s\na,b,3\n"),
    ]);
    let rows = |b: u32| format!("task_id,worker_id,start_s,end_s\na,w0,0,5\nb,w1,{b},{}\n", b + 5);
    holds(&case, "work_conserving", &rows(8));
    assert_eq!(
        found(&case, "work_conserving", &rows(9)),
        ["at 8 s, work_conserving: task 'b' waits since 5 s, and would fit on 'w1' now"]
    );
}

#[test]
fn a_worker_that_is_down_is_not_idle() {
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,4,8,10,0\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s,estimate_s\na,5,5,5\n"),
        ("faults.csv", "time_s,worker_id,event\n4,w0,down\n6,w0,up\n"),
    ]);
    holds(&case, "work_conserving", "task_id,start_s,end_s\na,6,11\n");
    assert_eq!(
        found(&case, "work_conserving", "task_id,start_s,end_s\na,7,12\n"),
        ["at 6 s, work_conserving: task 'a' waits since 5 s, and would fit on 'w0' now"]
    );
}

#[test]
fn what_happens_to_a_worker_at_one_instant_happens_in_the_order_of_the_file() {
    let again = "3,w0,drain\n3,w0,up\n".repeat(20);
    let twelve: String = (0..12).map(|task| format!("t{task},0,1\n")).collect();
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,4,8,12,0\n")),
        ("tasks.csv", &format!("task_id,arrival_s,duration_s\n{twelve}late,5,5\n")),
        ("faults.csv", &format!("time_s,worker_id,event\n{again}3,w0,drain\n6,w0,up\n")),
    ]);
    let rows: String = (0..12).map(|task| format!("t{task},{},{}\n", task / 4, task / 4 + 1)).collect();
    holds(&case, "work_conserving", &format!("task_id,start_s,end_s\n{rows}late,6,11\n"));
}

#[test]
fn the_more_urgent_start_first() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,priority\na,0,5,4,0\nb,1,5,4,0\nc,2,5,4,3\n";
    let rows = |b: u32, c: u32| format!("task_id,start_s,end_s\na,0,5\nb,{b},{}\nc,{c},{}\n", b + 5, c + 5);
    holds(&pool(tasks), "priority", &rows(10, 5));
    assert_eq!(
        found(&pool(tasks), "priority", &rows(5, 10)),
        [
            "at 5 s, line 3, priority: task 'b' starts with priority 0 while task 'c' with priority 3 waits, since 2 s"
        ]
    );
    // Among equals the promise says nothing.
    holds(&pool(&tasks.replace("c,2,5,4,3", "c,2,5,4,0")), "priority", &rows(10, 5));
}

#[test]
fn a_preemption_is_seen_and_a_loss_is_none() {
    let case = pool("task_id,arrival_s,duration_s\na,0,5\n").set("mtbf_s", "1000");
    let rows =
        |status| format!("task_id,attempt,start_s,end_s,status\na,1,0,3,{status}\na,2,4,9,completed\n");
    holds(&case, "no_preemption", &rows("lost"));
    assert_eq!(
        found(&case, "no_preemption", &rows("preempted")),
        ["at 3 s, line 2, no_preemption: task 'a' is preempted in attempt 1, which started at 0 s"]
    );
}

#[test]
fn instants_with_several_passes_are_judged_only_as_far_as_is_certain() {
    // x takes no time and may have started before or after b came to be eligible.
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s,depends_on\n\
        z,0,0,1,1,\nb,0,5,4,5,z\nc,0,5,1,5,\n";
    let verdict = judge(&pool(tasks), "fcfs,easy", "task_id,start_s,end_s\nz,0,0\nc,0,5\nb,5,10\n").unwrap();
    assert!(verdict.holds, "{verdict}");
    assert!(
        verdict.notes.iter().any(|note| note.contains("take no time or are stopped (1 of them)")),
        "{verdict}"
    );
    // Who waited before the instant was there in any case.
    let tasks = "task_id,arrival_s,duration_s,cpu_cores\na,0,5,4\nb,1,5,4\nz,5,0,1\n";
    assert_eq!(found(&pool(tasks), "fcfs", "task_id,start_s,end_s\na,0,5\nz,5,5\nb,6,11\n").len(), 1);
}

#[test]
fn who_ends_as_its_start_is_confirmed_may_have_been_there_in_the_pass() {
    // z is given up at 1 s, as it takes no time; the pass of that instant expected it to stay until 6 s, and let s pass.
    let tasks = "task_id,arrival_s,duration_s,cpu_cores,estimate_s\n\
        a,0,20,1,20\nz,0,0,2,5\nhead,0.5,5,3,5\ns,1,4,1,4\n";
    let case = pool(tasks).set("startup_latency_s", "1");
    let schedule = "task_id,start_s,end_s\na,1,21\nz,1,1\nhead,7,12\ns,2,6\n";
    holds(&case, "easy,conservative", schedule);
    assert_eq!(found(&case, "fcfs", schedule).len(), 1, "the head waited before that instant");
}

#[test]
fn who_was_stopped_during_start_up_waits_from_then_on() {
    let case =
        pool("task_id,arrival_s,duration_s,cpu_cores\na,0,5,1\nb,1,5,1\n").set("startup_latency_s", "3");
    let rows = |again: u32| {
        format!(
            "task_id,worker_id,attempt,start_s,end_s,status\na,pool,1,,2,preempted\na,pool,2,{again},{},completed\n\
             b,pool,1,4,9,completed\n",
            again + 5
        )
    };
    // b is assigned at 1 s, when a still held what it had been given.
    holds(&case, "fcfs", &rows(9));
    assert_eq!(
        judge(&case, "work_conserving", &rows(9)).unwrap_err().to_string(),
        "rule work_conserving cannot be checked: an attempt of task 'a' (line 2) was stopped during start-up, and since \
         when it held resources is not in the schedule"
    );
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let why = |case: &Case, rule, schedule| judge(case, rule, schedule).unwrap_err().to_string();
    let least = "task_id,start_s,end_s\na,0,5\n";
    let case = pool("task_id,arrival_s,duration_s\na,0,5\n");
    assert_eq!(
        why(&case, "easy", least),
        "rule easy cannot be checked: reservations are made with estimates, and task 'a' has none; expected estimate_s for \
         every task, or --estimates exact if the schedule was made with true run times"
    );
    holds(&case.set("estimates", "exact"), "easy", least);
    let gpu = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,4,8,10,1\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s,gpu_cores\na,0,5,0.5\n"),
    ]);
    assert!(why(&gpu, "work_conserving", least).ends_with("expected a column gpu_devices"));
    assert!(why(&gpu, "no_preemption", least).ends_with("expected a column status"));
    let fails = pool("task_id,arrival_s,duration_s,estimate_s\na,0,5,5\n").set("mtbf_s", "100");
    assert!(why(&fails, "conservative", least).contains("workers fail at random"));
}

#[test]
fn the_earliest_violations_are_told_and_all_are_counted() {
    use cloudai_sim::validate::{Validation, validate};
    let mut tasks = "task_id,arrival_s,duration_s,cpu_cores\n".to_owned();
    let mut schedule = "task_id,start_s,end_s\n".to_owned();
    for task in 0..50 {
        tasks.push_str(&format!("t{task},100,1,0\n"));
        schedule.push_str(&format!("t{task},{0},{1}\n", 90 - task, 91 - task));
    }
    let case = pool(&tasks);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.csv");
    std::fs::write(&file, schedule).unwrap();
    let mut validation = Validation::new(&case.scenario, &case.settings);
    validation.first = 3;
    let verdict = validate(&validation, &file).unwrap();
    let first: Vec<_> = verdict.violations.iter().filter_map(|violation| violation.task.as_deref()).collect();
    assert_eq!((verdict.violation_count, first), (50, vec!["t49", "t48", "t47"]));
}
