//! What is refused: exit code 2, a message that names file, line, column, value and what was expected, nothing on
//! stdout, nothing written.

use crate::support::{Place, bundled};

const WORKERS: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,8,10,1\n";
const TASKS: &str = "task_id,arrival_s,duration_s\na,0,5\n";

/// Simulates these files over a good scenario and returns the message.
fn refused(files: &[(&str, &str)]) -> String {
    let place = Place::new();
    place.write("s/workers.csv", WORKERS);
    place.write("s/tasks.csv", TASKS);
    files.iter().for_each(|(name, text)| place.write(&format!("s/{name}"), text));
    refusal(&place, &["simulate", "s"])
}

/// Runs and expects a refusal that leaves nothing.
fn refusal(place: &Place, args: &[&str]) -> String {
    let before = place.names();
    let ran = place.run(args);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}: {}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    assert_eq!(place.names(), before, "{args:?}: nothing is written");
    ran.err
}

fn tasks(header: &str, rows: &str) -> String {
    refused(&[("tasks.csv", &format!("task_id,arrival_s,duration_s{header}\n{rows}\n"))])
}

/// The message has each of these parts.
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn a_bad_cell_is_named_with_line_column_value_and_expectation() {
    for (header, row, column, value) in [
        ("", "b,0,-5", "duration_s", "-5"),
        ("", "b,inf,5", "arrival_s", "inf"),
        ("", "b,0,NaN", "duration_s", "NaN"),
        ("", "b,0,five", "duration_s", "five"),
        ("", "b,1e400,5", "arrival_s", "1e400"),
        (",cpu_cores", "b,0,5,two", "cpu_cores", "two"),
        (",memory_gb", "b,0,5,-1", "memory_gb", "-1"),
        (",storage_gb", "b,0,5,x", "storage_gb", "x"),
        (",gpu_cores", "b,0,5,1.5", "gpu_cores", "1.5"),
        (",estimate_s", "b,0,5,soon", "estimate_s", "soon"),
        (",priority", "b,0,5,high", "priority", "high"),
        (",deadline_s", "b,0,5,-3", "deadline_s", "-3"),
        (",replicas", "b,0,5,0", "replicas", "0"),
        (",replicas", "b,0,5,1.5", "replicas", "1.5"),
        (",labels", "b,0,5,zone", "labels", "zone"),
    ] {
        let message = tasks(header, row);
        says(&message, &["s/tasks.csv:2: ", &format!("{column}: "), &format!("{value:?}"), "expected"]);
    }
}

#[test]
fn a_missing_cell_is_named() {
    says(&tasks("", "b,,5"), &["s/tasks.csv:2: ", "arrival_s: ", "missing", "expected"]);
    says(&tasks("", ",0,5"), &["s/tasks.csv:2: ", "task_id: ", "missing", "expected"]);
    says(&tasks("", "b,0"), &["s/tasks.csv:2: "]);
}

#[test]
fn columns_are_checked() {
    says(&tasks(",colour", "b,0,5,red"), &["s/tasks.csv:1: ", "colour", "unknown", "expected"]);
    says(&tasks(",arrival_s", "b,0,5,1"), &["s/tasks.csv:1: ", "arrival_s"]);
    says(
        &refused(&[("tasks.csv", "task_id,arrival_s\na,0\n")]),
        &["s/tasks.csv:1: ", "duration_s", "missing"],
    );
    says(&refused(&[("tasks.csv", "")]), &["s/tasks.csv: "]);
    says(&refused(&[("tasks.csv", "task_id,arrival_s,duration_s\n")]), &["s/tasks.csv: ", "no tasks"]);
}

#[test]
fn ids_are_told_apart() {
    says(
        &tasks("", "b,0,5\nc,0,5\nb,1,5"),
        &["s/tasks.csv:4: ", "task_id: ", "\"b\"", "duplicate", "line 2"],
    );
    let twice = format!("{WORKERS}w0,1,1,1,0\n");
    says(&refused(&[("workers.csv", &twice)]), &["s/workers.csv:3: ", "worker_id: ", "\"w0\"", "duplicate"]);
}

#[test]
fn dependencies_are_checked() {
    says(&tasks(",depends_on", "b,0,5,zz"), &["s/tasks.csv:2: ", "depends_on: ", "\"zz\"", "expected"]);
    says(&tasks(",depends_on", "b,0,5,c\nc,0,5,b"), &["s/tasks.csv:", "cycle", "b", "c"]);
    says(&tasks(",depends_on", "b,0,5,b"), &["s/tasks.csv:2: ", "depends_on: ", "itself"]);
    let edges = |text| refused(&[("edges.csv", text)]);
    says(
        &edges("from_task,to_task,transfer_s\na,zz,1\n"),
        &["s/edges.csv:2: ", "to_task: ", "\"zz\"", "expected"],
    );
    says(&edges("from_task,to_task,transfer_s\na,a,-1\n"), &["s/edges.csv:2: ", "transfer_s: ", "\"-1\""]);
}

#[test]
fn a_task_that_fits_nowhere_is_named() {
    says(&tasks(",cpu_cores", "b,0,5,5"), &["s/tasks.csv:2: ", "\"b\"", "expected"]);
    says(&tasks(",gpu_cores,gpu_model", "b,0,5,1,H100"), &["s/tasks.csv:2: ", "\"b\""]);
    says(&tasks(",replicas", "b,0,5,5"), &["s/tasks.csv:2: ", "\"b\""]);
    says(&tasks(",labels", "b,0,5,zone=a"), &["s/tasks.csv:2: ", "\"b\""]);
}

#[test]
fn workers_and_durations_are_checked() {
    let header = "worker_id,total_cpu,total_memory,total_storage,total_gpu,speed\n";
    let worker = |row: &str| refused(&[("workers.csv", &format!("{header}{row}\n"))]);
    says(&worker("w0,x,8,10,0,1"), &["s/workers.csv:2: ", "total_cpu: ", "\"x\"", "expected"]);
    says(&worker("w0,4,8,10,0.5,1"), &["s/workers.csv:2: ", "total_gpu: ", "\"0.5\"", "expected"]);
    says(&worker("w0,4,8,10,65,1"), &["s/workers.csv:2: ", "total_gpu: ", "\"65\"", "expected"]);
    says(&worker("w0,4,8,10,0,0"), &["s/workers.csv:2: ", "speed: ", "\"0\"", "expected"]);
    let durations = |text: &str| refused(&[("durations.csv", text)]);
    let header = "task_id,worker_id,duration_s\n";
    says(
        &durations(&format!("{header}a,w9,3\n")),
        &["s/durations.csv:2: ", "worker_id: ", "\"w9\"", "expected"],
    );
    says(
        &durations(&format!("{header}z,w0,3\n")),
        &["s/durations.csv:2: ", "task_id: ", "\"z\"", "expected"],
    );
    says(&durations(&format!("{header}a,w0,3\na,w0,4\n")), &["s/durations.csv:3: ", "line 2"]);
}

#[test]
fn settings_are_checked() {
    let toml = |text| refused(&[("scenario.toml", text)]);
    says(&toml("colour = 'red'\n"), &["s/scenario.toml:1: ", "colour: ", "unknown", "expected"]);
    says(
        &toml("\nstartup_latency_s = -1\n"),
        &["s/scenario.toml:2: ", "startup_latency_s: ", "\"-1\"", "expected"],
    );
    says(&toml("name = \n"), &["s/scenario.toml:1: ", "not TOML"]);
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    let set = |setting: &str| refusal(&place, &["simulate", &scenario, "--set", setting]);
    says(&set("colour=red"), &["unknown setting colour", "startup_latency_s"]);
    says(&set("on_full=never"), &["on_full", "\"never\"", "expected wait or reject"]);
    says(&set("seed"), &["--set seed", "expected KEY=VALUE"]);
}

#[test]
fn problems_are_told_together_up_to_twenty_a_file() {
    let rows: Vec<String> = (0..50).map(|at| format!("t{at},0,x{at}")).collect();
    let message = refused(&[
        ("tasks.csv", &format!("task_id,arrival_s,duration_s\n{}\n", rows.join("\n"))),
        ("workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,y,8,10,1\n"),
    ]);
    says(&message, &["s/workers.csv:2: ", "\"x0\"", "\"x19\"", "s/tasks.csv: and 30 more problems"]);
    assert!(!message.contains("\"x20\""), "{message}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let place = Place::new();
    says(&refusal(&place, &["simulate", "nowhere"]), &["nowhere: is not a folder; expected a scenario"]);
    place.write("s/workers.csv", WORKERS);
    says(&refusal(&place, &["simulate", "s"]), &["s/tasks.csv: cannot be read"]);
    let missing = ["simulate", "--tasks", "t.csv", "--workers", "w.csv"];
    says(&refusal(&place, &missing), &["t.csv: cannot be read", "w.csv: cannot be read"]);
}

#[test]
fn strategies_are_checked_before_a_file_is_read() {
    let place = Place::new();
    let with = |spec: &str| refusal(&place, &["simulate", "nowhere", "--strategy", spec]);
    says(&with("clever"), &["unknown strategy 'clever'", "expected one of", "fcfs"]);
    says(&with("ai(colour=red)"), &["strategy 'ai'", "no parameter 'colour'", "expected one of"]);
    says(&with("ai(window=many)"), &["strategy 'ai'", "window=many", "expected a whole number"]);
    says(&with("ai(window=8"), &["'ai(window=8'", "expected a closing ')'"]);
    says(&with("fcfs,,greedy"), &["expected a name"]);
    says(&with("fcfs(x=1)"), &["no parameter 'x'"]);
    says(&refusal(&place, &["simulate", "nowhere", "--baseline", "clever"]), &["unknown strategy 'clever'"]);
    says(&refusal(&place, &["strategies", "clever"]), &["unknown strategy 'clever'"]);
}

#[test]
fn the_command_line_is_checked() {
    let place = Place::new();
    let scenario = bundled("mixed-100x5");
    for args in [
        &["simulate"][..],
        &["simulate", "--tasks", "t.csv"],
        &["simulate", &scenario, "--tasks", "t.csv", "--workers", "w.csv"],
        &["simulate", &scenario, "--estimates", "perfect"],
        &["simulate", &scenario, "--seed", "-1"],
        &["simulate", &scenario, "--jobs", "0"],
        &["simulate", &scenario, "--colour"],
        &["generate", "uniform", "--tasks", "0", "--workers", "1", "--out", "x"],
        &["generate", "unicorn", "--tasks", "3", "--workers", "1", "--out", "x"],
        &["completions", "abacus"],
        &["dance"],
    ] {
        refusal(&place, args);
    }
    let estimates = refusal(&place, &["simulate", &scenario, "--estimates", "perfect"]);
    says(&estimates, &["perfect", "expected column, exact, none or noisy(F)"]);
    let preset = refusal(&place, &["generate", "unicorn", "--tasks", "3", "--workers", "1", "--out", "x"]);
    says(&preset, &["unicorn", "uniform", "mixed"]);
}
