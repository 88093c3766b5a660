//! Snapshots of what people read.

use insta::assert_snapshot;

use crate::support::{Place, bundled};

/// The commands of a live cluster.
#[cfg(feature = "live")]
const LIVE: &[&str] = &[
    "master",
    "worker",
    "console",
    "task",
    "task submit",
    "task list",
    "task show",
    "task logs",
    "task cancel",
    "task wait",
    "task why",
    "workers",
    "workers list",
    "workers register",
    "workers drain",
    "workers forget",
    "status",
    "results",
    "strategy",
];
#[cfg(not(feature = "live"))]
const LIVE: &[&str] = &[];

#[test]
fn help() {
    let place = Place::new();
    for command in [
        "",
        "simulate",
        "sweep",
        "tune",
        "validate",
        "strategies",
        "generate",
        "import",
        "import swf",
        "import openb",
        "import wfcommons",
        "report",
        "completions",
    ]
    .iter()
    .chain(LIVE)
    {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ran = place.command(&args).env("COLUMNS", "100").output().unwrap();
        let name = if command.is_empty() { "cloudai".to_owned() } else { command.replace(' ', "-") };
        assert_snapshot!(format!("help-{name}"), String::from_utf8(ran.stdout).unwrap());
    }
}

#[test]
fn parquet_is_offered_where_it_is_built_in() {
    let ran = Place::new().good(&["simulate", "--help"]);
    assert_eq!(ran.out.contains("parquet"), cfg!(feature = "parquet"), "{}", ran.out);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let place = Place::new();
    for command in [
        "simulate",
        "sweep",
        "tune",
        "validate",
        "strategies",
        "generate",
        "import swf",
        "import openb",
        "import wfcommons",
        "report",
        "completions",
    ]
    .iter()
    .chain(LIVE)
    {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = place.good(&args).out;
        assert!(help.contains(&format!("  cloudai {command}")), "{help}");
    }
}

#[test]
fn strategies() {
    let place = Place::new();
    assert_snapshot!("strategies", place.good(&["strategies"]).out);
    assert_snapshot!("strategies-ai", place.good(&["strategies", "ai"]).out);
}

#[test]
fn table() {
    let place = Place::new();
    let seven = "greedy,round_robin,balanced,ai,ai_aggressive,ai_predictive,ai_load_balanced,fcfs";
    let args = ["simulate", &bundled("mixed-100x5"), "--no-plots", "--strategy", seven];
    assert_snapshot!("table-mixed-100x5", place.good(&args).out);
}

#[test]
fn completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.good(&["completions", shell]).out;
        assert!(script.contains("cloudai") && script.contains("simulate"), "{shell}");
    }
}
