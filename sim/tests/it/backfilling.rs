//! Backfilling on several workers and for gangs: what the originals leave open. On one pool: `reference_policies`.

use crate::support::{Case, TWO, table};

const THREE_OF_TWO: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\n\
                            w0,2,64,1000,0\nw1,2,64,1000,0\nw2,2,64,1000,0\n";

/// Start and worker of each task, by task.
fn starts(case: &Case, spec: &str) -> Vec<String> {
    let outcome = case.run(spec);
    let mut shown: Vec<String> = outcome
        .attempts
        .iter()
        .map(|attempt| {
            let parts = attempt.placement.parts().iter();
            let parts: Vec<String> =
                parts.map(|part| format!("{}xw{}", part.replicas, part.worker.index())).collect();
            format!("{} {} {}", attempt.task, attempt.start.unwrap() / crate::support::S, parts.join("+"))
        })
        .collect();
    shown.sort();
    shown
}

#[test]
fn easy_reserves_the_worker_that_is_free_first_and_leaves_the_others_open() {
    let case = Case::new(
        TWO,
        &[
            "arrival_s duration_s estimate_s",
            "a 0 30 30",
            "b 0 10 10",
            // The head: reserved on w1 from 10 on.
            "c 1 10 10",
        ],
    );
    assert_eq!(starts(&case, "easy"), ["a 0 1xw0", "b 0 1xw1", "c 10 1xw1"]);
    let case = Case::new(
        THREE_OF_TWO,
        &[
            "arrival_s duration_s cpu_cores estimate_s",
            "a 0 30 1 30",
            "b 0 20 2 20",
            "c 0 10 1 10",
            "c2 0 40 1 40",
            // The head wants a whole worker: w1 is free first, at 20.
            "head 1 5 2 5",
            // Not a matter of the head, which waits for w1.
            "e 1 50 1 50",
        ],
    );
    assert_eq!(
        starts(&case, "easy"),
        ["a 0 1xw0", "b 0 1xw1", "c 0 1xw0", "c2 0 1xw2", "e 1 1xw2", "head 20 1xw1"]
    );
}

#[test]
fn easy_keeps_the_reserved_worker_for_the_head_of_a_gang_too() {
    let case = Case::new(
        THREE_OF_TWO,
        &[
            "arrival_s duration_s cpu_cores estimate_s replicas",
            "a 0 10 2 10 1",
            "b 0 20 1 20 1",
            "c 0 40 1 40 1",
            // Two whole workers: at 10 w0 is free, and w2 is already. They are reserved.
            "gang 1 10 2 10 2",
            // Would still be on w2 at 10.
            "long 2 100 1 100 1",
            // Ends on w2 in time.
            "short 2 8 1 8 1",
        ],
    );
    let expected = ["a 0 1xw0", "b 0 1xw1", "c 0 1xw1", "gang 10 1xw0+1xw2", "long 20 1xw0", "short 2 1xw2"];
    assert_eq!(starts(&case, "easy"), expected);
    // Without reservations the long one is let in, and keeps the gang waiting until b and c, or it, are over.
    assert_eq!(starts(&case, "first_fit")[3], "gang 40 1xw0+1xw1");
    // With conservative backfilling as well.
    assert_eq!(starts(&case, "conservative"), expected);
}

#[test]
fn a_gang_overtakes_only_if_all_its_parts_may() {
    let rows = |gang: &'static str| {
        [
            "arrival_s duration_s cpu_cores estimate_s replicas",
            "a 0 10 2 10 1",
            "b 0 10 1 10 1",
            "c 0 10 1 10 1",
            // Wants three whole workers, from 10 on.
            "head 1 5 2 5 3",
            gang,
        ]
    };
    // Two cores are free, both on w2.
    for (gang, expected) in [
        ("gang 1 9 1 9 2", "gang 1 2xw2"),
        ("gang 1 10 1 10 2", "gang 15 2xw0"),
        ("gang 1 9 1 9 3", "gang 15 2xw0+1xw1"),
    ] {
        let case = Case::new(THREE_OF_TWO, &rows(gang));
        for spec in ["easy", "conservative"] {
            assert!(starts(&case, spec).contains(&expected.to_owned()), "{spec}: {:?}", starts(&case, spec));
            assert!(starts(&case, spec).contains(&"head 10 1xw0+1xw1+1xw2".to_owned()), "{spec} {gang}");
        }
    }
}

#[test]
fn a_gang_that_would_overtake_lasts_as_long_as_its_slowest_part() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n\
                   w0,2,64,1000,0,1\nw1,2,64,1000,0,0.5\n";
    let case = Case::new(
        workers,
        &[
            "arrival_s duration_s cpu_cores estimate_s replicas",
            "a 0 10 1 10 1",
            "b 0 1 1 1 1",
            "c 0 100 1 100 1",
            // Wants all of w0, from 10 on.
            "head 1 10 2 10 1",
            // Its part on w0 alone would be over by then, the one on w1 is not, and both end together.
            "gang 2 7 1 7 2",
        ],
    );
    let expected = ["a 0 1xw0", "b 0 1xw0", "c 0 1xw1", "gang 20 2xw0", "head 10 1xw0"];
    for spec in ["easy", "conservative"] {
        assert_eq!(starts(&case, spec), expected, "{spec}");
    }
}

#[test]
fn a_gang_is_reserved_for_when_its_data_is_there() {
    let tasks = table(
        "task_id",
        &[
            "arrival_s duration_s cpu_cores estimate_s replicas",
            "a 0 10 2 10 1",
            // Two whole workers: its data is on w0 at 10, elsewhere at 30.
            "gang 0 10 2 10 2",
            // Over by 30: it may take w0, as far as the gang is concerned.
            "b 11 19 2 19 1",
        ],
    );
    let edges = "from_task,to_task,transfer_s\na,gang,20\n";
    let files = [("workers.csv", THREE_OF_TWO), ("tasks.csv", &tasks), ("edges.csv", edges)];
    let case = Case::of(&files);
    for spec in ["easy", "conservative"] {
        assert_eq!(starts(&case, spec), ["a 0 1xw0", "b 11 1xw0", "gang 30 1xw0+1xw1"], "{spec}");
    }
}

#[test]
fn the_reservation_is_for_the_first_that_does_not_fit() {
    let case = Case::new(
        THREE_OF_TWO,
        &[
            "arrival_s duration_s cpu_cores estimate_s replicas",
            "a 0 10 2 10 1",
            "b 0 20 1 20 1",
            "c 0 50 1 50 1",
            "head 1 10 2 10 1",
            // w2 is free: the head starts, and the next one is reserved on w0 for 10.
            "next 1 10 2 10 1",
            "long 1 100 1 100 1",
        ],
    );
    // b and c are on w1; long fits nowhere until something ends.
    let all = ["a 0 1xw0", "b 0 1xw1", "c 0 1xw1", "head 1 1xw2", "long 11 1xw2", "next 10 1xw0"];
    assert_eq!(starts(&case, "easy"), all);
}

#[test]
fn predictions_let_in_what_estimates_keep_out() {
    let pool = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,4,64,1000,0\n";
    let rows = [
        "arrival_s duration_s cpu_cores estimate_s user_id",
        // User u asks for ten times what it needs, as its first two runs show.
        "h1 0 10 1 100 u",
        "h2 0 10 1 100 u",
        "v1 0 10 1 10 v",
        "v2 0 10 1 10 v",
        "a 50 40 2 40 v",
        "head 51 10 4 10 v",
        // By its estimate it would run until 151, and delay the head from 90 on; it is predicted to end at 61.
        "u3 51 10 2 100 u",
    ];
    let case = Case::new(pool, &rows);
    assert!(starts(&case, "easy").contains(&"u3 100 1xw0".to_owned()));
    let predicted = starts(&case, "queue(backfill=easy_predicted)");
    assert!(predicted.contains(&"u3 51 1xw0".to_owned()), "{predicted:?}");
    assert!(predicted.contains(&"head 90 1xw0".to_owned()), "{predicted:?}");
}

#[test]
fn an_outlived_prediction_is_put_right_by_a_minute_then_five() {
    let pool = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,2,64,1000,0\n";
    let rows = |arrival: u64, run: u64| {
        [
            "arrival_s duration_s cpu_cores estimate_s user_id".to_owned(),
            "h1 0 10 1 1000 u".to_owned(),
            "h2 0 10 1 1000 u".to_owned(),
            // User w knows what it asks for.
            "w1 20 10 1 10 w".to_owned(),
            "w2 20 10 1 10 w".to_owned(),
            // Predicted to end at 60, runs until 1050 in truth; the head needs all.
            "u3 50 1000 1 1000 u".to_owned(),
            "head 55 10 2 10 v".to_owned(),
            format!("fill {arrival} {run} 1 {run} w"),
        ]
    };
    let start = |arrival, run| {
        let rows = rows(arrival, run);
        let case = Case::new(pool, &rows.iter().map(String::as_str).collect::<Vec<_>>());
        starts(&case, "queue(backfill=easy_predicted)")
            .iter()
            .any(|row| row == &format!("fill {arrival} 1xw0"))
    };
    // Until 60 the prediction holds.
    assert!(start(56, 4) && !start(56, 5));
    // At 60 it is outlived: 120 is expected.
    assert!(start(61, 59) && !start(61, 60));
    // At 120 by five minutes more: 420.
    assert!(start(121, 299) && !start(121, 300));
}

#[test]
fn an_outlived_prediction_is_put_right_at_once_and_no_further_than_the_estimate() {
    let pool = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,2,64,1000,0\n";
    let start = |arrival: u64, run: u64| {
        let fill = format!("fill {arrival} {run} 1 {run} w");
        let rows = [
            "arrival_s duration_s cpu_cores estimate_s user_id",
            "h1 0 10 1 40 u",
            "h2 0 10 1 40 u",
            "w1 20 10 1 10 w",
            "w2 20 10 1 10 w",
            // Predicted to end at 60; its limit is 90.
            "u3 50 40 1 40 u",
            "head 55 10 2 10 v",
            &fill,
        ];
        let rows = starts(&Case::new(pool, &rows), "queue(backfill=easy_predicted)");
        rows.contains(&format!("fill {arrival} 1xw0"))
    };
    // At 60 sharp it has outlived its prediction; a minute more would be 120.
    assert!(start(60, 30) && !start(60, 31));
    assert!(start(61, 29) && !start(61, 30));
}

#[test]
fn who_ends_when_the_head_starts_overtakes_to_the_microsecond() {
    // Lengths of whole units of 1024 microseconds, in which indexes of the queue count.
    let pool = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,4,64,1000,0\n";
    let rows = |last: &'static str| {
        let first = ["arrival_s duration_s cpu_cores", "a 0 1.024 1", "head 0 1 4", "b 0 0.512 1"];
        [first[0], first[1], first[2], first[3], last]
    };
    for spec in ["easy", "conservative"] {
        let start = |last| Case::new(pool, &rows(last)).set("estimates", "exact").run(spec).last("c").start;
        assert_eq!(start("c 0 1.024 1"), Some(0), "{spec}");
        assert_eq!(start("c 0 1.024001 1"), Some(2_024_000), "{spec}");
    }
}

#[test]
fn conservative_reserves_where_a_task_has_started() {
    let workers =
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,2,64,1000,0\nw1,4,64,1000,0\n";
    let tasks = ["arrival_s duration_s cpu_cores estimate_s", "a 0 10 2 10", "b 0 10 2 10"];
    // a is on the emptier w1; now both workers have as much left.
    let spec = "queue(backfill=conservative,placement=worst_fit)";
    assert_eq!(starts(&Case::new(workers, &tasks), spec), ["a 0 1xw1", "b 0 1xw0"]);
}

#[test]
fn conservative_lets_a_task_in_before_one_that_waits_for_its_data() {
    let rows = [
        "arrival_s duration_s estimate_s",
        "p 0 5 5",
        "q 0 10 10",
        "l 5 95 95",
        // Ready on w0 at 5, which l has taken, and on w1 at 25.
        "x 0 15 15",
        // The same, without data: over on w1 by then.
        "y 6 15 15",
    ];
    let files = [
        ("workers.csv", TWO),
        ("tasks.csv", &table("task_id", &rows)),
        ("edges.csv", "from_task,to_task,transfer_s\np,x,20\n"),
    ];
    let expected = ["l 5 1xw0", "p 0 1xw0", "q 0 1xw1", "x 25 1xw1", "y 10 1xw1"];
    assert_eq!(starts(&Case::of(&files), "conservative"), expected);
}

/// One pool of 30 cores, of which a share has no end in decimals.
const THIRTY: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,30,64,1000,0\n";

#[test]
fn equal_areas_tie_however_many_cores_there_are() {
    // 90 core seconds each: the first in the queue goes first under either order.
    let run = |rows: [&str; 2], order: &str| {
        let case = Case::new(THIRTY, &["arrival_s duration_s cpu_cores", rows[0], rows[1]]);
        starts(&case.set("estimates", "exact"), &format!("queue(order={order})"))
    };
    assert_eq!(run(["wide 0 3 30", "narrow 0 90 1"], "smallest_area"), ["narrow 3 1xw0", "wide 0 1xw0"]);
    assert_eq!(run(["narrow 0 90 1", "wide 0 3 30"], "largest_area"), ["narrow 0 1xw0", "wide 90 1xw0"]);
}

#[test]
fn priorities_that_have_aged_alike_tie() {
    // A point of priority is worth a minute. `a` is even with `b`, which came a minute before it; 0.1 points an hour
    // say the same of ten hours.
    for (aging, earlier, later) in [("60", 8, 68), ("0.1", 17, 36_017)] {
        let rows = [
            "arrival_s duration_s cpu_cores priority",
            "first 0 100000 2 0",
            &format!("b {earlier} 5 2 0"),
            &format!("a {later} 5 2 1"),
        ];
        let case = Case::new(POOL, &rows);
        let spec = format!("queue(order=priority,aging={aging})");
        assert_eq!(starts(&case, &spec), ["a 100005 1xw0", "b 100000 1xw0", "first 0 1xw0"], "{spec}");
    }
}

/// One pool of two cores.
const POOL: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,2,64,1000,0\n";
