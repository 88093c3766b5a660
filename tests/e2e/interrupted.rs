//! Signals: a run that is stopped leaves nothing half-written.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Place, files};

/// A scenario that takes minutes.
fn start(place: &Place, strategies: &str) -> Child {
    place.good(&["generate", "uniform", "--tasks", "300000", "--workers", "50", "--out", "big"]);
    let args = ["simulate", "big", "--out", "r", "--strategy", strategies];
    place.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the run has begun to write results.
fn wait_for_rows(place: &Place) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let begun = || {
        place.names().iter().any(|name| {
            name.starts_with(".r.partial")
                && files(&place.path(name)).keys().any(|f| f.ends_with("assignments.csv"))
        })
    };
    while !begun() {
        assert!(Instant::now() < deadline, "the run does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn an_interrupted_run_ends_with_130_and_leaves_nothing() {
    for name in ["-INT", "-TERM"] {
        let place = Place::new();
        let child = start(&place, "ai,ai_predictive");
        wait_for_rows(&place);
        let asked = Instant::now();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "error: interrupted\n");
        assert!(output.stdout.is_empty());
        assert_eq!(place.names(), ["big"], "neither the report nor a draft of it");
    }
}

#[test]
fn a_killed_run_leaves_nothing_under_the_final_name() {
    let place = Place::new();
    let mut child = start(&place, "ai");
    wait_for_rows(&place);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert!(!place.path("r").exists());
    // What it left beside is in nobody's way.
    let small = crate::support::bundled("ml-60x4");
    place.good(&["simulate", &small, "--out", "r", "--strategy", "fcfs", "--no-plots"]);
}
