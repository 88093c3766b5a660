//! `cloudai sweep --engine slurm` on a real Slurm: the same table as here, whatever becomes of jobs and nodes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::cluster::Cluster;
use crate::support::{Place, Ran, names};

/// 48 cells, quick ones.
const QUICK: &str = "
seeds = '0..8'
loads = [0.8, 1.1]
strategies = ['fcfs', 'gpu_random', 'best_fit']

[[scenarios]]
preset = 'mixed'
tasks = 60
workers = 4
";

/// 1,000 cells that together take so long that array tasks can be killed in the midst of them.
const MANY: &str = "
seeds = '0..500'
strategies = ['ai', 'ai_predictive']

[[scenarios]]
preset = 'uniform'
tasks = 600
workers = 6
";

fn start(cluster: &Cluster, place: &Place, out: &str, more: &[&str]) -> Child {
    let args = [&["sweep", "e.toml", "--engine", "slurm", "--out", out], more].concat();
    let mut command = cluster.on(place.command(&args));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn sweep(cluster: &Cluster, place: &Place, out: &str, more: &[&str]) -> Ran {
    start(cluster, place, out, more).wait_with_output().unwrap().into()
}

fn good(cluster: &Cluster, place: &Place, out: &str, more: &[&str]) -> Ran {
    let ran = sweep(cluster, place, out, more);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran
}

fn ended(child: Child) -> Ran {
    let output: Output = child.wait_with_output().unwrap();
    output.into()
}

fn results(place: &Place, out: &str) -> String {
    fs::read_to_string(place.path(out).join("results.csv")).unwrap()
}

/// The table as it comes out here, and what is printed.
fn local(place: &Place) -> (String, String) {
    let ran = place.good(&["sweep", "e.toml", "--out", "local"]);
    (results(place, "local"), ran.out)
}

/// Lines in the journals of array tasks.
fn recorded(out: &Path) -> usize {
    let journals = names(out).into_iter().filter(|name| name.starts_with("journal-job-"));
    journals.map(|name| fs::read_to_string(out.join(name)).unwrap().lines().count()).sum()
}

/// Number of jobs that were submitted.
fn jobs(out: &Path) -> usize {
    names(&out.join("slurm")).iter().filter(|name| name.ends_with(".json")).count()
}

#[test]
fn the_table_is_the_same_and_only_what_is_missing_is_submitted() {
    let Some(cluster) = Cluster::start() else { return };
    let place = Place::new();
    place.write("e.toml", QUICK);
    let here = local(&place);

    // Whatever the folder is called.
    let name = "it's 100% \"mine\"";
    let ran = good(&cluster, &place, name, &["--slurm-array-size", "6", "--slurm-option=--time=10"]);
    assert!(ran.err.contains("submitted 48 cells in 6 array tasks"), "{}", ran.err);
    assert_eq!((results(&place, name), ran.out), here);
    let out = place.path(name);
    assert_eq!((recorded(&out), jobs(&out)), (48, 1), "each cell once");
    let log = fs::read_to_string(out.join("slurm/job-1-0.log")).unwrap();
    assert_eq!(log, "cells of this part: 8; 8 to run\n");

    let again = good(&cluster, &place, name, &[]);
    assert!(again.err.starts_with("cells: 48; 0 skipped, 48 there already, 0 to run\n"), "{}", again.err);
    assert_eq!(jobs(&out), 1, "nothing is submitted");

    // More cells: only these run, some of them here, to learn what they cost.
    place.write("e.toml", &QUICK.replace("'0..8'", "'0..12'").replace("'best_fit'", "'best_fit', 'easy'"));
    let more = good(&cluster, &place, name, &[]);
    assert!(more.err.contains("running 1 cell here to learn what a cell costs"), "{}", more.err);
    assert!(more.err.contains("submitted 47 cells in 1 array task of about"), "{}", more.err);
    fs::remove_dir_all(place.path("local")).unwrap();
    assert_eq!((results(&place, name), more.out), local(&place));
    assert_eq!(recorded(&out), 48 + 47);

    let many = sweep(&cluster, &place, "many", &["--slurm-array-size", "66"]);
    assert_eq!(many.code, Some(2), "{}", many.err);
    assert!(many.err.contains("66 array tasks are asked for; expected at most 65"), "{}", many.err);
    let refused = sweep(&cluster, &place, "refused", &["--slurm-partition", "nowhere"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("sbatch: ") && refused.err.contains("nvalid partition"), "{}", refused.err);
}

#[test]
fn killed_nodes_lose_no_cell() {
    let Some(mut cluster) = Cluster::start() else { return };
    let place = Place::new();
    place.write("e.toml", MANY);
    let out = place.path("out");
    let size = ["--slurm-array-size", "6"];
    let follower = start(&cluster, &place, "out", &size);
    cluster.wait_for("array tasks", || {
        out.exists() && recorded(&out) >= 80 && cluster.is_busy(0) && cluster.is_busy(1)
    });

    // A node is lost for good, another one is to come back, and an array task that waits is cancelled.
    cluster.kill_node(0);
    cluster.kill_node(1);
    let job = cluster.ask("squeue", &["--noheader", "--format=%F"]);
    let job = job.lines().next().unwrap().trim();
    cluster.ask("scancel", &[&format!("{job}_5")]);

    // Whoever stops following leaves the job where it is.
    let id = follower.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let stopped = ended(follower);
    assert_eq!(stopped.code, Some(130), "{}", stopped.err);
    assert!(stopped.err.contains("run the same command again to go on following"), "{}", stopped.err);

    let follower = start(&cluster, &place, "out", &size);
    cluster.start_node(1);
    let ran = ended(follower);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("was submitted before; "), "{}", ran.err);
    assert_eq!((results(&place, "out"), ran.out), local(&place));

    // The lost array tasks have started twice, and gone on where they were.
    let starts = |name: &str| fs::read_to_string(out.join("slurm").join(name)).unwrap().lines().count();
    let logs = (0..5).map(|part| starts(&format!("job-1-{part}.log")));
    assert!(logs.filter(|&starts| starts > 1).count() >= 2);
    assert_eq!(
        (recorded(&out), jobs(&out)),
        (1_000, 2),
        "each cell once, and what was cancelled in a second job"
    );
}

#[test]
fn without_slurm_it_says_what_is_missing() {
    let place = Place::new();
    place.write("e.toml", QUICK);
    let mut command = place.command(&["sweep", "e.toml", "--out", "out", "--engine", "slurm"]);
    let ran: Ran = command.env("PATH", "").output().unwrap().into();
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(
        ran.err,
        "error: scontrol: no such program here; expected Slurm's client programs (sbatch, squeue, scontrol) in PATH\n"
    );
    assert!(!place.path("out").exists());
    let mixed = place.run(&["sweep", "e.toml", "--out", "out", "--engine", "slurm", "--shard", "0/2"]);
    assert_eq!(mixed.code, Some(2), "{}", mixed.err);
    let local = place.run(&["sweep", "e.toml", "--out", "out", "--slurm-partition", "x"]);
    assert_eq!((local.code, local.err.contains("need --engine slurm")), (Some(2), true), "{}", local.err);
}
