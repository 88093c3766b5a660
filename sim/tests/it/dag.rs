//! List scheduling of task graphs: the papers' own examples, and what happens when a plan meets the world.

use std::fmt::Write as _;
use std::path::PathBuf;

use cloudai_workloads::{Location, Scenario};

use crate::support::{Case, Outcome, S};

/// A graph of the classical model: each worker runs one task at a time, `run[task][worker]` s; edges (from, to, transfer).
fn classical(run: &[[u32; 3]], edges: &[(u32, u32, u32)]) -> Case {
    let mut files = [
        ("workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\n".to_owned()),
        ("tasks.csv", "task_id,arrival_s,duration_s,memory_gb,storage_gb\n".to_owned()),
        ("durations.csv", "task_id,worker_id,duration_s\n".to_owned()),
        ("edges.csv", "from_task,to_task,transfer_s\n".to_owned()),
    ];
    (1..=3).for_each(|worker| writeln!(files[0].1, "p{worker},1,0,0,0").unwrap());
    for (task, times) in (1..).zip(run) {
        writeln!(files[1].1, "t{task},0,1,0,0").unwrap();
        for (worker, time) in (1..).zip(times) {
            writeln!(files[2].1, "t{task},p{worker},{time}").unwrap();
        }
    }
    edges.iter().for_each(|(from, to, transfer)| writeln!(files[3].1, "t{from},t{to},{transfer}").unwrap());
    Case::of(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).set("estimates", "exact")
}

/// The example of Topcuoglu, Hariri, Wu 2002 (IEEE TPDS 13(3), figure 2).
fn topcuoglu() -> Case {
    let run = [
        [14, 16, 9],
        [13, 19, 18],
        [11, 13, 19],
        [13, 8, 17],
        [12, 13, 10],
        [13, 16, 9],
        [7, 15, 11],
        [5, 11, 14],
        [18, 12, 20],
        [21, 7, 16],
    ];
    let edges = [
        (1, 2, 18),
        (1, 3, 12),
        (1, 4, 9),
        (1, 5, 11),
        (1, 6, 14),
        (2, 8, 19),
        (2, 9, 16),
        (3, 7, 23),
        (4, 8, 27),
        (4, 9, 23),
        (5, 9, 13),
        (6, 8, 15),
        (7, 10, 17),
        (8, 10, 11),
        (9, 10, 13),
    ];
    classical(&run, &edges)
}

/// The example of Arabnejad, Barbosa 2014 (IEEE TPDS 25(3), figure 1).
fn arabnejad() -> Case {
    let run = [
        [22, 21, 36],
        [22, 18, 18],
        [32, 27, 43],
        [7, 10, 4],
        [29, 27, 35],
        [26, 17, 24],
        [14, 25, 30],
        [29, 23, 36],
        [15, 21, 8],
        [13, 16, 33],
    ];
    let edges = [
        (1, 2, 17),
        (1, 3, 31),
        (1, 4, 29),
        (1, 5, 13),
        (1, 6, 7),
        (2, 8, 3),
        (2, 9, 30),
        (3, 7, 16),
        (4, 8, 11),
        (4, 9, 7),
        (5, 9, 57),
        (6, 8, 5),
        (7, 10, 9),
        (8, 10, 42),
        (9, 10, 7),
    ];
    classical(&run, &edges)
}

/// Each task's bar: `t1 p3 0-9`, by task.
fn schedule(outcome: &Outcome) -> Vec<String> {
    let mut rows: Vec<_> = outcome.rows.iter().collect();
    rows.sort_by_key(|row| row.task[1..].parse::<u32>().unwrap());
    let bar = |start: u64, end: u64| format!("{}-{}", start / S, end / S);
    rows.iter()
        .map(|r| format!("{} {} {}", r.task, r.worker, bar(r.start.unwrap(), r.end.unwrap())))
        .collect()
}

#[test]
fn heft_on_the_example_of_its_paper_is_the_papers_schedule() {
    let expected = [
        "t1 p3 0-9",
        "t2 p1 27-40",
        "t3 p3 9-28",
        "t4 p2 18-26",
        "t5 p3 28-38",
        "t6 p2 26-42",
        "t7 p3 38-49",
        "t8 p1 57-62",
        "t9 p2 56-68",
        "t10 p2 73-80",
    ];
    assert_eq!(schedule(&topcuoglu().run("heft")), expected);
}

#[test]
fn makespans_on_the_examples_are_those_of_the_papers() {
    let makespan = |case: &Case, strategy| case.run(strategy).metrics.makespan_s.unwrap();
    let case = topcuoglu();
    assert_eq!((makespan(&case, "heft"), makespan(&case, "cpop")), (80.0, 86.0));
    let case = arabnejad();
    assert_eq!((makespan(&case, "peft"), makespan(&case, "heft")), (122.0, 133.0));
}

#[test]
fn the_example_as_files_gives_the_same() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, PathBuf::from).join("heft-2002");
    if !folder.exists() {
        eprintln!("skipped: {} is not there (set CLOUDAI_DATA_DIR)", folder.display());
        return;
    }
    let scenario = Scenario::check(&Location::Folder(folder)).unwrap();
    let case = Case::at(scenario, tempfile::tempdir().unwrap()).set("estimates", "exact");
    for (strategy, makespan) in [("heft", 80.0), ("cpop", 86.0)] {
        assert_eq!(case.run(strategy).metrics.makespan_s, Some(makespan), "{strategy}");
    }
}
