//! Where output goes: colours, closed pipes, full devices.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::{Place, bundled};

#[test]
fn nothing_is_coloured_unless_for_a_terminal() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    for variable in ["", "1"] {
        let mut command = place.command(&["simulate", &scenario, "--no-plots", "--strategy", "fcfs,ai"]);
        let output = command.env("NO_COLOR", variable).output().unwrap();
        assert!(output.status.success());
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
    }
    let help = place.command(&["simulate", "--help"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!help.stdout.contains(&0x1b));
}

#[test]
fn a_narrow_terminal_gets_a_narrow_table() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    let widest = |columns: &str| {
        let mut command = place.command(&["simulate", &scenario, "--no-plots", "--strategy", "fcfs,ai"]);
        let output = command.env("COLUMNS", columns).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.chars().count()).max().unwrap()
    };
    assert!(widest("50") <= 50);
    assert!((81..=200).contains(&widest("200")));
    assert!(widest("wide") <= 80);
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    for args in [
        &["simulate", &scenario, "--no-plots", "--strategy", "fcfs"][..],
        &["strategies"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let mut child = place.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked") && !err.contains("error"), "{args:?}: {err}");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {:?}", output.status);
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_lost_notes_are_not() {
    let full = || OpenOptions::new().write(true).open("/dev/full");
    if full().is_err() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    let place = Place::new();
    let scenario = bundled("dag-80x4");
    let args = ["simulate", &scenario, "--no-plots", "--strategy", "fcfs"];
    let output = place.command(&args).stdout(full().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("error: cannot write to stdout: No space left on device"), "{err}");
    // The note, the report's place and the error have nowhere to go; the run is what it is.
    let output = place.command(&args).stderr(full().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = place.command(&["simulate", "nowhere"]).stderr(full().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
