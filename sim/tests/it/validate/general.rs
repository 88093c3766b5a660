//! What holds for every schedule.

use super::{HEADER, found, holds, pool};
use crate::support::Case;

const TWO_TASKS: &str =
    "task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb\na,0,10,3,0,0\nb,2,5,3,0,0\n";

#[test]
fn every_task_is_there_once() {
    let case = pool(TWO_TASKS);
    holds(&case, "", "task_id,start_s,end_s\nb,10,15\na,0,10\n");
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s\na,0,10\n"),
        ["tasks: task 'b' is missing: it has no row"]
    );
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s\na,0,10\nb,10,15\nc,0,1\n"),
        ["line 4, tasks: the scenario has no task 'c'"]
    );
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s\na,0,10\nb,10,15\nb,20,25\n"),
        ["at 20 s, line 4, tasks: task 'b' has attempt 1 twice, first on line 3; expected one row"]
    );
}

#[test]
fn attempts_follow_each_other_and_the_last_one_ends_the_task() {
    let case = pool("task_id,arrival_s,duration_s,cpu_cores\na,0,10,1\n");
    let rows = |rows: &str| format!("task_id,attempt,start_s,end_s,status\n{rows}");
    holds(&case, "", &rows("a,1,0,4,preempted\na,2,4,14,completed\n"));
    holds(&case, "", "task_id,start_s,end_s,status\na,0,4,preempted\na,4,14,completed\n");
    assert_eq!(
        found(&case, "", &rows("a,1,0,4,preempted\na,2,3,13,completed\n")),
        ["at 3 s, line 3, attempts: task 'a' has attempt 2 from 3 s, while attempt 1 lasts until 4 s"]
    );
    assert_eq!(
        found(&case, "", &rows("a,2,0,4,preempted\na,1,4,14,completed\n")),
        [
            "at 0 s, line 2, tasks: task 'a' never ends: its last attempt, 2, was preempted",
            "at 0 s, line 2, tasks: task 'a' has attempt 2 after attempt 1, which was completed",
            "at 0 s, line 2, attempts: task 'a' has attempt 2 from 0 s, while attempt 1 lasts until 14 s",
        ],
        "their numbers grow"
    );
    assert_eq!(
        found(&case, "", &rows("a,1,0,10,completed\na,2,10,20,completed\n")),
        ["at 10 s, line 3, tasks: task 'a' has attempt 2 after attempt 1, which was completed"]
    );
    assert_eq!(
        found(&case, "", &rows("a,1,0,,completed\n")),
        ["at 0 s, line 2, attempts: task 'a' has a start and no end"]
    );
    assert_eq!(found(&case, "", &rows("a,1,,,completed\n")), ["line 2, attempts: task 'a' has no start"]);
    let lost_too_often =
        pool("task_id,arrival_s,duration_s,cpu_cores\na,0,10,1\n").set("max_retries", "0").set("mtbf_s", "9");
    holds(&lost_too_often, "", &rows("a,1,0,4,lost\n"));
}

#[test]
fn nothing_starts_before_it_arrives() {
    let case = pool(TWO_TASKS);
    let schedule = "task_id,start_s,end_s\na,8,18\nb,2,7\n";
    holds(&case, "", schedule);
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s\na,7,17\nb,1.999999,6.999999\n"),
        ["at 1.999999 s, line 3, arrival: task 'b' starts at 1.999999 s, and arrives at 2 s"]
    );
    let latency = pool(TWO_TASKS).set("startup_latency_s", "1");
    assert_eq!(
        found(&latency, "", schedule),
        [
            "at 1 s, line 3, arrival: task 'b' starts at 2 s, and arrives at 2 s, with a start-up latency of 1 s"
        ]
    );
    holds(&latency, "", "task_id,start_s,end_s\na,9,19\nb,3,8\n");
}

#[test]
fn what_the_file_says_of_the_task_is_so() {
    let case = pool(TWO_TASKS);
    let rows = |rows: &str| format!("task_id,submit,start_s,end_s,wait_s,procs\na,0,0,10,0,3\n{rows}");
    holds(&case, "", &rows("b,2,10,15,8,3\n"));
    assert_eq!(
        found(&case, "", &rows("b,3,10,15,7,2\n")),
        [
            "at 10 s, line 3, arrival: task 'b' has an arrival of 3 s in the schedule, and of 2 s in the scenario",
            "at 10 s, line 3, arrival: task 'b' has a wait of 7 s in the schedule; from eligible to start it is 8 s",
            "at 10 s, line 3, placement: task 'b' has 2 cores in the schedule, and 3 in the scenario",
        ]
    );
    // Who starts too early has a wait below 0, and may say so.
    let early = "task_id,start_s,end_s,wait_s\na,6.5,16.5,6.5\nb,1.5,6.5,-0.5\n";
    assert_eq!(
        found(&case, "", early),
        ["at 1.5 s, line 3, arrival: task 'b' starts at 1.5 s, and arrives at 2 s"]
    );
    assert_eq!(
        found(&case, "", &rows("b,2,10,15,-8,3\n")),
        [
            "at 10 s, line 3, arrival: task 'b' has a wait of -8 s in the schedule; from eligible to start it is 8 s"
        ]
    );
}

#[test]
fn attempts_last_as_long_as_they_must() {
    let workers = format!("{HEADER},speed\nslow,4,8,10,0,0.5\nknown,4,8,10,0,1\n");
    let tasks = "task_id,arrival_s,duration_s,estimate_s\na,0,10,4\n";
    let times = "task_id,worker_id,duration_s\na,known,7\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks), ("durations.csv", times)]);
    holds(&case, "", "task_id,worker_id,start_s,end_s\na,slow,0,20\n");
    holds(&case, "", "task_id,worker_id,start_s,end_s\na,known,0,7\n");
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,slow,0,19.999999\n"),
        [
            "at 0 s, line 2, length: task 'a' runs for 19.999999 s, from 0 to 19.999999 s; expected its run time of 20 s"
        ]
    );
    let killed = case.set("kill_at_estimate", "true");
    holds(&killed, "", "task_id,worker_id,start_s,end_s\na,slow,0,8\n");
    holds(&killed, "", "task_id,worker_id,start_s,end_s,status\na,slow,0,8,timed_out\n");
    assert_eq!(
        found(&killed, "", "task_id,worker_id,start_s,end_s\na,known,0,7\n"),
        ["at 0 s, line 2, length: task 'a' runs for 7 s, from 0 to 7 s; expected its limit of 4 s"]
    );
    assert_eq!(
        found(&killed, "", "task_id,worker_id,start_s,end_s,status\na,slow,0,8,completed\n"),
        ["at 0 s, line 2, length: task 'a' completed after 8 s; expected timed_out at its limit of 8 s"]
    );
}

#[test]
fn who_is_stopped_does_not_run_on() {
    let case = pool("task_id,arrival_s,duration_s\na,0,10\n").set("stop_latency_s", "1");
    let rows =
        |end| format!("task_id,attempt,start_s,end_s,status\na,1,0,{end},preempted\na,2,20,30,completed\n");
    holds(&case, "", &rows("11"));
    assert_eq!(
        found(&case, "", &rows("11.5")),
        [
            "at 0 s, line 2, length: task 'a' lasts 11.5 s, from 0 to 11.5 s; expected at most 11 s, when it would have ended \
          by itself"
        ]
    );
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s,status\na,0,10,timed_out\n"),
        [
            "at 0 s, line 2, length: task 'a' timed out after 10 s; expected completed after 10 s, as no limit ends it before"
        ]
    );
}

#[test]
fn checkpoints_cost_time_and_save_work() {
    let case = pool("task_id,arrival_s,duration_s\na,0,25\n").set("checkpoint", "true");
    let case = case
        .set("checkpoint_interval_s", "10")
        .set("checkpoint_overhead_s", "1")
        .set("restart_overhead_s", "2");
    holds(&case, "", "task_id,start_s,end_s\na,0,27\n");
    assert_eq!(found(&case, "", "task_id,start_s,end_s\na,0,25\n").len(), 1);
    let rows =
        |end| format!("task_id,attempt,start_s,end_s,status\na,1,0,18,preempted\na,2,20,{end},completed\n");
    holds(&case, "", &rows(38));
    holds(&case, "", &rows(49));
    assert_eq!(found(&case, "", &rows(50)).len(), 1, "longer than a whole run");
}

#[test]
fn workers_exist_and_may_run_the_task() {
    let workers = format!("{HEADER},gpu_model,labels\nplain,4,8,10,0,,\nbig,4,8,10,1,A,zone=x\n");
    let tasks = "task_id,arrival_s,duration_s,gpu_model,labels\na,0,1,A|B,\nb,0,1,,zone=x\n";
    let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", tasks)]);
    holds(&case, "", "task_id,worker_id,start_s,end_s\na,big,0,1\nb,big,0,1\n");
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,plain,0,1\nb,plain,0,1\n"),
        [
            "at 0 s, line 2, placement: task 'a' runs on 'plain' (GPU model none), which is not what it asks for: A|B",
            "at 0 s, line 3, placement: task 'b' runs on 'plain' (GPU model none), which is not what it asks for: zone=x",
        ]
    );
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,small,0,1\nb,big,0,1\n"),
        ["line 2, placement: task 'a' runs on 'small', which is no worker of the scenario"]
    );
}

#[test]
fn devices_are_as_many_as_asked_for_and_exist() {
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw,4,8,10,2\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s,gpu_cores\na,0,1,2\nb,1,1,0.5\nc,0,1,0\n"),
    ]);
    let rows = |a, b| format!("task_id,gpu_devices,start_s,end_s\na,{a},0,1\nb,{b},1,2\nc,,0,1\n");
    holds(&case, "", &rows("0|1", "1"));
    assert_eq!(
        found(&case, "", &rows("1", "2")),
        [
            "at 0 s, line 2, placement: task 'a' has 1 GPU devices on 'w'; expected 2",
            "at 1 s, line 3, placement: task 'b' runs on GPU device 2 of 'w', which has 2 of them",
        ]
    );
}

#[test]
fn no_worker_holds_more_than_it_has() {
    let workers = format!("{HEADER}\nw,4,8,10,1\n");
    let header = "task_id,arrival_s,duration_s,cpu_cores,memory_gb,storage_gb,gpu_cores";
    let schedule = "task_id,start_s,end_s\na,0,5\nb,4.999999,9.999999\n";
    for (needs, over) in [
        ("2.5,0,0,0", "cpu 5 of 4 cores"),
        ("0,4.5,0,0", "memory 9216 of 8192 MiB"),
        ("0,0,5.5,0", "storage 11264 of 10240 MiB"),
        ("0,0,0,0.6", "GPU 1.2 of 1 devices"),
    ] {
        let tasks = format!("{header}\na,0,5,{needs}\nb,0,5,{needs}\n");
        let case = Case::of(&[("workers.csv", &workers), ("tasks.csv", &tasks)]);
        assert_eq!(
            found(&case, "", schedule),
            [format!(
                "at 4.999999 s, line 3, capacity: task 'b' takes 'w' beyond its capacity from 4.999999 s on: {over}"
            )]
        );
        holds(&case, "", "task_id,start_s,end_s\na,0,5\nb,5,10\n");
    }
}

#[test]
fn devices_are_not_shared_beyond_what_they_have() {
    let tasks = "task_id,arrival_s,duration_s,gpu_cores\na,0,5,0.6\nb,0,5,0.5\nc,0,5,0.4\n";
    let case = Case::of(&[("workers.csv", &format!("{HEADER}\nw,4,8,10,2\n")), ("tasks.csv", tasks)]);
    let rows = |a, b, c| format!("task_id,gpu_devices,start_s,end_s\na,{a},0,5\nb,{b},0,5\nc,{c},0,5\n");
    holds(&case, "", &rows(0, 1, 0));
    assert_eq!(
        found(&case, "", &rows(0, 0, 1)),
        [
            "at 0 s, line 3, capacity: task 'b' takes 'w' beyond its capacity from 0 s on: GPU device 0 1.1 of 1"
        ]
    );
    holds(&case, "", "task_id,start_s,end_s\na,0,5\nb,0,5\nc,0,5\n");
}

#[test]
fn what_is_held_begins_with_the_start_up() {
    let case = pool(TWO_TASKS).set("startup_latency_s", "2");
    holds(&case, "", "task_id,start_s,end_s\na,2,12\nb,14,19\n");
    assert_eq!(
        found(&case, "", "task_id,start_s,end_s\na,2,12\nb,13,18\n"),
        [
            "at 11 s, line 3, capacity: task 'b' takes 'pool' beyond its capacity from 11 s on: cpu 6 of 4 cores"
        ]
    );
}

#[test]
fn who_takes_no_time_fits_between_ends_and_starts() {
    let tasks = "task_id,arrival_s,duration_s,cpu_cores\na,0,5,4\nb,0,5,4\nx,0,0,4\ny,0,0,4\n";
    let case = pool(tasks);
    holds(&case, "", "task_id,start_s,end_s\na,0,5\nb,5,10\nx,5,5\ny,5,5\n");
    assert_eq!(found(&case, "", "task_id,start_s,end_s\na,0,5\nb,5,10\nx,6,6\ny,5,5\n").len(), 1);
}

#[test]
fn gangs_run_whole_and_at_once() {
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,2,8,10,0\nw1,2,8,10,0\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s,cpu_cores,replicas\na,0,5,1,3\n"),
    ]);
    holds(&case, "", "task_id,worker_id,start_s,end_s\na,w0;w1;w0,0,5\n");
    holds(&case, "", "task_id,worker_id,start_s,end_s\na,w0,0,5\na,w1,0,5\na,w0,0,5\n");
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,w0;w1,0,5\n"),
        ["at 0 s, line 2, gangs: task 'a' runs in 2 parts; expected 3, one a replica"]
    );
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,w0,0,5\n"),
        ["at 0 s, line 2, capacity: task 'a' takes 'w0' beyond its capacity from 0 s on: cpu 3 of 2 cores"],
        "a single worker holds them all"
    );
    assert_eq!(
        found(&case, "", "task_id,worker_id,start_s,end_s\na,w0;w0,0,5\na,w1,1,6\n"),
        [
            "at 1 s, line 3, gangs: task 'a' is split: a part runs from 1 to 6 s, and that on line 2 from 0 to 5 s"
        ]
    );
    let plain = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,2,8,10,0\nw1,2,8,10,0\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s\na,0,5\n"),
    ]);
    assert_eq!(
        found(&plain, "", "task_id,worker_id,start_s,end_s\na,w0;w1,0,5\n"),
        ["at 0 s, line 2, gangs: task 'a' runs in 2 parts; expected 1, one a replica"]
    );
}

#[test]
fn predecessors_complete_first_and_data_takes_its_time() {
    let case = Case::of(&[
        ("workers.csv", &format!("{HEADER}\nw0,4,8,10,0\nw1,4,8,10,0\n")),
        ("tasks.csv", "task_id,arrival_s,duration_s\na,0,5\nb,0,5\n"),
        ("edges.csv", "from_task,to_task,transfer_s\na,b,3\n"),
    ]);
    let rows = |worker, start| {
        format!("task_id,worker_id,start_s,end_s\na,w0,0,5\nb,{worker},{start},{}\n", start + 5)
    };
    holds(&case, "", &rows("w0", 5));
    holds(&case, "", &rows("w1", 8));
    assert_eq!(
        found(&case, "", &rows("w0", 4)),
        [
            "at 4 s, line 3, dependencies: task 'b' takes its resources at 4 s; its predecessor 'a' ends at 5 s"
        ]
    );
    assert_eq!(
        found(&case, "", &rows("w1", 7)),
        [
            "at 7 s, line 3, dependencies: task 'b' takes its resources at 7 s; its predecessor 'a' ends at 5 s, and its data is \
          on 'w1' 3 s later, at 8 s"
        ]
    );
    let ended =
        |a: &str, b: &str| format!("task_id,worker_id,attempt,start_s,end_s,status\na,w0,1,0,5,{a}\nb,{b}\n");
    holds(&case, "", &ended("failed", ",0,,,cancelled"));
    assert_eq!(
        found(&case, "", &ended("failed", "w0,1,5,10,completed")),
        ["at 5 s, line 3, dependencies: task 'b' starts, and its predecessor 'a' did not complete"]
    );
    assert_eq!(
        found(&case, "", &ended("completed", ",0,,,cancelled")),
        ["line 3, dependencies: task 'b' was cancelled while it waited, and every predecessor completed"]
    );
}

#[test]
fn work_runs_on_workers_that_are_up() {
    let case = |faults: &str| {
        Case::of(&[
            ("workers.csv", &format!("{HEADER}\nw0,4,8,10,0\n")),
            ("tasks.csv", "task_id,arrival_s,duration_s\na,0,10\n"),
            ("faults.csv", &format!("time_s,worker_id,event\n{faults}")),
        ])
    };
    let rows = |rows: &str| format!("task_id,attempt,start_s,end_s,status\n{rows}");
    let fails = case("4,w0,down\n6,w0,up\n");
    holds(&fails, "", &rows("a,1,0,4,lost\na,2,6,16,completed\n"));
    holds(&fails, "", &rows("a,1,6,16,completed\n"));
    assert_eq!(
        found(&fails, "", &rows("a,1,0,10,completed\n")),
        [
            "at 0 s, line 2, availability: task 'a' runs on 'w0' until 10 s, which goes down at 4 s; expected it to be lost then"
        ]
    );
    assert_eq!(
        found(&fails, "", &rows("a,1,0,4,lost\na,2,5,15,completed\n")),
        ["at 5 s, line 3, availability: task 'a' starts on 'w0' at 5 s, which is down"]
    );
    assert_eq!(
        found(&fails, "", &rows("a,1,0,3,lost\na,2,6,16,completed\n")),
        ["at 0 s, line 2, availability: task 'a' is lost at 3 s, and no worker of it went down since 0 s"]
    );
    let drains = case("2,w0,drain\n");
    holds(&drains, "", &rows("a,1,1,11,completed\n"));
    assert_eq!(
        found(&drains, "", &rows("a,1,2,12,completed\n")),
        ["at 2 s, line 2, availability: task 'a' starts on 'w0' at 2 s, which drains"]
    );
    let joins = case("2,w0,join\n");
    holds(&joins, "", &rows("a,1,2,12,completed\n"));
    assert_eq!(
        found(&joins, "", &rows("a,1,1,11,completed\n")),
        ["at 1 s, line 2, availability: task 'a' starts on 'w0' at 1 s, which has not joined yet"]
    );
}
