//! What is refused, and with which messages.

use super::*;

const SCENARIO: &str = "strategies = ['fcfs']\n[[scenarios]]\npreset = 'mixed'\ntasks = 9\nworkers = 2\n";

/// What is wrong with a file that begins with `text` and is in order otherwise.
fn refused(text: &str) -> String {
    refused_whole(&format!("{text}\n{SCENARIO}"))
}

fn refused_whole(text: &str) -> String {
    Design::parse(text, Path::new("e.toml"), &Registry::builtin()).unwrap_err().to_string()
}

#[test]
fn texts_are_escaped_once() {
    let expected = "expected a whole number of MiB, 1 or more";
    assert_eq!(refused(r#"memory_mb = "a\"b""#), format!(r#"e.toml:1: memory_mb: "a\"b": {expected}"#));
    let expected = "expected a table of settings";
    for text in [r#"settings = "a\"\\b""#, r#"settings = 'a"\b'"#] {
        assert_eq!(refused(text), format!(r#"e.toml:1: settings: "a\"\\b": {expected}"#));
    }
    let expected = r#"expected a range that is not empty, such as "0..10" (0 to 9) or "1..=10""#;
    assert_eq!(refused("seeds = '3..3'"), format!(r#"e.toml:1: seeds: "3..3": {expected}"#));
}

#[test]
fn a_value_that_stands_there_twice_is_told_once() {
    let twice = |key: &str, value: &str| {
        format!("e.toml:1: {key}: {value:?}: stands there twice; expected each value once")
    };
    assert_eq!(refused("loads = [0.8, 0.8]"), twice("loads", "0.8"));
    assert_eq!(refused("loads = [0.8, '0.80']"), twice("loads", "0.8"));
    assert_eq!(refused("seeds = [1, 2, 1, 1]"), twice("seeds", "1"));
    assert_eq!(refused("seeds = [1, 2, 2, 1]"), format!("{}\n{}", twice("seeds", "2"), twice("seeds", "1")));
}

#[test]
fn only_settings_that_can_vary_are_expected() {
    assert_eq!(
        refused("settings.speed = 2"),
        "e.toml:1: settings.speed: unknown; expected estimates, kill_at_estimate, on_full, startup_latency_s, \
         stop_latency_s, starvation_threshold_s, checkpoint, checkpoint_interval_s, checkpoint_overhead_s, \
         restart_overhead_s, mtbf_s, mttr_s, max_retries"
    );
}

#[test]
fn a_range_that_ends_nowhere_is_shown() {
    for range in ["{ from = 1, to = 3, step = 0 }", "{ from = 3, to = 1, step = 1 }"] {
        assert_eq!(
            refused(&format!("seeds = {range}")),
            format!(
                "e.toml:1: seeds: \"{range}\": expected a range with a step above 0, and from no larger than to"
            )
        );
    }
}

#[test]
fn origins_that_are_stated_are_named() {
    let refused = |origins: &str| refused_whole(&format!("strategies = ['fcfs']\n[[scenarios]]\n{origins}"));
    let told =
        |found| format!("e.toml:2: scenarios: has {found}; expected exactly one of folder, preset, openb");
    assert_eq!(refused("workers = 2\n"), told("none"));
    assert_eq!(refused("folder = '.'\npreset = 'mixed'\n"), told("folder and preset"));
    let openb = "openb = { nodes = 'n.csv', pods = 'p.csv' }\n";
    assert_eq!(refused(&format!("folder = '.'\n{openb}")), told("folder and openb"));
    assert_eq!(
        refused(&format!("folder = '.'\npreset = 'mixed'\n{openb}")),
        told("folder and preset and openb")
    );
}

#[test]
fn a_folder_that_is_missing_is_told_with_the_rest() {
    assert_eq!(
        refused_whole("seed = 1\nstrategies = ['fcfs']\n[[scenarios]]\nfolder = 'no/such'\ntask = 3\n")
            .lines()
            .map(|line| line.split(';').next().unwrap_or_default())
            .collect::<Vec<_>>(),
        [
            "e.toml:1: seed: unknown",
            "e.toml:4: folder: \"no/such\": is not a folder",
            "e.toml:5: task: unknown",
        ]
    );
}

#[test]
fn combinations_are_counted_before_they_are_made() {
    let text = "[[strategies]]\nname = 'ai'\nparams.window = '1..=1000000'\nparams.candidates = '1..=1000000'\n[[scenarios]]\n\
                preset = 'mixed'\ntasks = 9\nworkers = 2\n";
    assert_eq!(
        refused_whole(text),
        "e.toml:1: params.candidates: makes 1000000000000 combinations; expected at most 1000000"
    );
}
