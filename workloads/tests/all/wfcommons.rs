//! Importing workflows of WfCommons: small ones by hand, in the shapes of several schemas.

use std::path::PathBuf;

use cloudai_workloads::wfcommons::{self, Options};
use cloudai_workloads::{Location, Problems, Scenario};
use tempfile::TempDir;

use crate::support::{folder, read};

fn import(json: &str, options: Options) -> (TempDir, PathBuf, Result<String, Problems>) {
    let keep = folder(&[("flow.json", json.as_bytes())]);
    let out = keep.path().join("out");
    let report =
        wfcommons::import(&keep.path().join("flow.json"), options, &out).map(|report| report.to_string());
    (keep, out, report)
}

/// The problems, without the path of the folder.
fn problems(json: &str) -> String {
    let (keep, out, report) = import(json, Options::default());
    assert!(!out.exists());
    report.unwrap_err().to_string().replace(&format!("{}/", keep.path().display()), "")
}

/// One line a task, one a worker, one an edge.
fn shown(out: PathBuf) -> (Scenario, Vec<String>) {
    let (scenario, tasks) = read(&Location::Folder(out)).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for task in &tasks {
        let request = task.spec.request;
        assert_eq!((request.storage_mib, task.spec.arrival.micros()), (0, 0));
        lines.push(format!("{} {} {} {}", task.name, task.duration, request.cpu_milli, request.memory_mib));
    }
    for worker in &scenario.workers {
        lines.push(format!("{} {} {}", worker.name, worker.capacity.cpu_milli, worker.capacity.memory_mib));
    }
    let name = |index: u32| &tasks[index as usize].name;
    lines.extend(scenario.edges.iter().map(|e| format!("{}>{} {}", name(e.from), name(e.to), e.transfer)));
    (scenario, lines)
}

const FLOW: &str = r##"{
  "name": "toy", "schemaVersion": "1.5",
  "workflow": {
    "specification": {
      "tasks": [
        {"name": "split", "id": "split#1", "parents": [], "children": ["work_1", "work_2"],
         "inputFiles": ["raw"], "outputFiles": ["a", "b", "log"]},
        {"name": "work", "id": "work_1", "parents": ["split#1"], "children": [], "inputFiles": ["a", "b"]},
        {"name": "work", "id": "work_2", "parents": [], "children": ["join"], "inputFiles": ["b"],
         "outputFiles": ["c", "unsized"]},
        {"name": "join", "id": "join", "parents": ["work_1"], "children": [],
         "inputFiles": ["c", "unsized", "log"]}
      ],
      "files": [{"id": "raw", "sizeInBytes": 9}, {"id": "a", "sizeInBytes": 100000000},
        {"id": "b", "sizeInBytes": 25000001}, {"id": "c", "sizeInBytes": 1}, {"id": "log", "sizeInBytes": 5}]
    },
    "execution": {
      "makespanInSeconds": 30, "executedAt": "2024-04-01T15:10:53-08:00",
      "tasks": [
        {"id": "join", "runtimeInSeconds": 1e1, "coreCount": 64},
        {"id": "split#1", "runtimeInSeconds": 4.6, "coreCount": 1.5, "memoryInBytes": 1048577},
        {"id": "work_1", "runtimeInSeconds": 0, "memoryInBytes": 9999999999999},
        {"id": "work_2", "runtimeInSeconds": 7.25, "avgCPU": 93.78, "machines": ["big"]},
        {"id": "gone", "runtimeInSeconds": 1}
      ],
      "machines": [
        {"nodeName": "big", "memoryInBytes": 68719476736, "cpu": {"coreCount": 48, "speedInMHz": 1200}},
        {"nodeName": "plain"}, {"nodeName": "big"}
      ]
    }
  }
}"##;

#[test]
fn a_workflow_of_schema_1_5_is_imported_by_the_rules() {
    let (_keep, out, report) = import(FLOW, Options::default());
    let expected = "read 4 tasks, wrote 4\n\
        dropped 1: execution of a task that the specification does not have\n\
        dropped 1: input whose writer is not a parent: it is not waited for\n\
        dropped 1: machine of the same name as another\n\
        changed 1: file without a size takes no time to move\n\
        changed 1: machine without a number of cores got that of the flag\n\
        changed 1: machine without memory got that of the flag\n\
        changed 1: more cores than any machine has became the most that one has\n\
        changed 1: more memory than such a machine has became the most that one has";
    assert_eq!(report.unwrap(), expected);
    let (scenario, lines) = shown(out);
    let expected = [
        "split#1 4.6 1500 2",
        "work_1 0 1000 65536",
        "work_2 7.25 1000 0",
        "join 10 48000 0",
        "big 48000 65536",
        "plain 16000 65536",
        "split#1>work_1 1.000001",
        "split#1>work_2 0.200001",
        "work_1>join 0",
        "work_2>join 0.000001",
    ];
    assert_eq!(lines, expected);
    assert!(scenario.settings.source.contains("workflow: toy"), "{}", scenario.settings.source);
}

#[test]
fn machines_and_bandwidth_can_be_given() {
    let options = Options { machines: Some(2), cores: 64, memory_gb: 1, bytes_per_s: 250_000_000 };
    let (_keep, out, _) = import(FLOW, options);
    let (_, lines) = shown(out);
    assert_eq!(lines[3..6], ["join 10 64000 0", "machine-1 64000 1024", "machine-2 64000 1024"]);
    assert_eq!(lines[6], "split#1>work_1 0.500001");
}

#[test]
fn a_workflow_of_an_older_schema_is_imported_too() {
    let flow = |version: &str, tasks: &str, run: &str, size: &str, memory: &str| {
        format!(
            r#"{{"schemaVersion": "{version}", "workflow": {{"{tasks}": [
            {{"name": "first_ID1", "id": "ID1", "{run}": 2.5, "cores": 2, "parents": [], "{memory}": 2048,
              "files": [{{"link": "output", "name": "f", "{size}": 125000000}}]}},
            {{"name": "second_ID2", "{run}": 3, "parents": ["first_ID1"],
              "files": [{{"link": "input", "name": "f", "{size}": 125000000}}]}}]}}}}"#
        )
    };
    let old = [
        (flow("1.2", "jobs", "runtime", "size", "memory"), "ID1 2.5 2000 2"),
        (flow("1.4", "tasks", "runtimeInSeconds", "sizeInBytes", "memoryInBytes"), "ID1 2.5 2000 1"),
    ];
    for (flow, first) in old {
        let (_keep, out, report) = import(&flow, Options::default());
        let report = report.unwrap();
        assert!(report.ends_with("changed 1: no machines, so that there are 4 equal ones"));
        let (_, lines) = shown(out);
        assert_eq!((lines[0].as_str(), lines.len()), (first, 7));
        assert_eq!(lines[1..3], ["second_ID2 3 1000 0", "machine-1 16000 65536"]);
        assert_eq!(lines[6], "ID1>second_ID2 1");
    }
}

#[test]
fn what_cannot_be_used_is_told_by_task_and_field() {
    let bad = FLOW
        .replace("4.6", "\"soon\"")
        .replace("7.25", "-1")
        .replace("\"runtimeInSeconds\": 0, ", "")
        .replace("[\"work_1\"], \"children\": []", "[\"work_9\"], \"children\": [\"join\"]")
        .replace("\"sizeInBytes\": 5", "\"sizeInBytes\": \"big\"");
    let expected = r#"flow.json: task split#1: runtimeInSeconds: "\"soon\"": is not a number; expected a number, 0 or more
flow.json: task work_1: runtimeInSeconds: is missing; expected the task's run time in seconds
flow.json: task work_2: runtimeInSeconds: "-1": is negative; expected a number, 0 or more
flow.json: task join: parents: "work_9": unknown task; expected the id of a task in this file
flow.json: task join: children: "join": is the task itself; expected another task
flow.json: file log: sizeInBytes: "\"big\"": is not a number; expected a number, 0 or more"#;
    assert_eq!(problems(&bad), expected);
    let twice = FLOW.replace("work_2", "work_1");
    assert!(problems(&twice).contains("task 2: id: \"work_1\": expected each task to have an id of its own"));
    let listed = FLOW.replace("split#1", "split;1");
    assert!(problems(&listed).contains("task 0: id: \"split;1\": has a ; or a control character"));
    let cycle = FLOW.replace(
        "\"parents\": [], \"children\": [\"work_1\"",
        "\"parents\": [\"join\"], \"children\": [\"work_1\"",
    );
    assert!(problems(&cycle).contains("waits for a cycle of tasks; expected no cycle"));
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let flow = |version: &str| {
        format!(
            "{{\"schemaVersion\": {version}, \"workflow\": {{\"tasks\": [{{\"name\": \"a\", \"runtime\": 5}}]}}}}"
        )
    };
    for known in ["\"1.0\"", "\"1.3\"", "1.4", "\"1.5\"", "\"1.5.1\""] {
        let (_keep, _, report) = import(&flow(known), Options::default());
        assert!(report.is_ok(), "{known}: {report:?}");
    }
    for unknown in ["\"2.0\"", "\"1.6\"", "\"1\"", "\"1.5.x\"", "\"\"", "[1, 5]"] {
        let told = problems(&flow(unknown));
        assert!(told.contains("is unknown; expected 1.0 to 1.5"), "{unknown}: {told}");
    }
}

#[test]
fn what_is_no_workflow_is_told_by_line() {
    let expected = "expected a workflow in WfFormat (JSON, schema 1.0 to 1.5)";
    assert_eq!(
        problems("{\n\"workflow\": 3}"),
        format!("flow.json:2: found the number \"3\", expected an object, the workflow; {expected}")
    );
    let wrong = FLOW.replace("[\"work_1\"], \"children\": []", "{}, \"children\": []");
    assert_ne!(wrong, FLOW);
    let told = problems(&wrong);
    assert!(told.contains("found an object, expected a list"), "{told}");
    assert!(problems("{\"workflow\": {\"tasks\": [{\"id\": 3}]}}").contains("expected a text"));
    assert!(problems("[]").contains("expected an object with a workflow"), "{}", problems("[]"));
    assert!(problems("").starts_with("flow.json:1: EOF while parsing a value; expected"));
    assert!(
        problems("{\"workflow\": {}}").contains("flow.json: has no tasks; expected workflow.specification")
    );
    let planned = FLOW.replace("\"execution\"", "\"plan\"");
    assert!(
        problems(&planned).contains("flow.json: has no workflow.execution; expected one with the run time")
    );
}
