//! Importing logs: small ones by hand, and the real ones where they are.

use std::path::{Path, PathBuf};

use cloudai_schedulers::model::Duration;
use cloudai_workloads::openb::{self, Arrivals};
use cloudai_workloads::{Location, OnFull, Problems, Scenario, Task, swf};
use tempfile::TempDir;

use crate::support::{folder, read, shared_data};

const LOG: &str = "; Computer: Test machine\n; MaxProcs: 10\n;\n\
    1 100 5 60 4 -1 -1 4 120 -1 1 7 1 -1 -1 -1 -1 -1\n\
    2  90 5  0 4 -1 -1 -1 -1 -1 1 -1 1 -1 -1 -1 -1 -1\n\
    3 110 5 -1 4 -1 -1 4 120 -1 1 7 1 -1 -1 -1 -1 -1\n\
    4 110 5 10 11 -1 -1 11 120 -1 1 7 1 -1 -1 -1 -1 -1\n\
    5 110 5 10 -1 -1 -1 0 120 -1 1 7 1 -1 -1 -1 -1 -1\n\
    6 100 5 30.5 10 -1 -1 2 20 -1 1 8 1 -1 -1 -1 -1 -1\n";

fn import_swf(log: &str, processors: Option<u64>) -> (TempDir, PathBuf, Result<String, Problems>) {
    let keep = folder(&[("log.swf", log.as_bytes())]);
    let out = keep.path().join("out");
    let report = swf::import(&keep.path().join("log.swf"), processors, &out).map(|report| report.to_string());
    (keep, out, report)
}

fn rows(tasks: &[Task]) -> Vec<String> {
    let row = |task: &Task| {
        let (spec, estimate) = (&task.spec, task.spec.estimate.unwrap_or_default());
        format!(
            "{} {} {} {} {} {}",
            task.name, spec.arrival, task.duration, spec.request.cpu_milli, estimate, spec.user.0
        )
    };
    tasks.iter().map(row).collect()
}

#[test]
fn an_swf_log_is_imported_by_the_rules() {
    let (_keep, out, report) = import_swf(LOG, None);
    let expected = "read 6 tasks, wrote 3\ndropped 1: more processors than the machine has\n\
        dropped 1: negative run time\ndropped 1: no processors\n\
        changed 1: no requested time, so that the estimate is the run time\nchanged 1: run time 0 became 1 s";
    assert_eq!(report.unwrap(), expected);
    let (scenario, tasks) = read(&Location::Folder(out)).unwrap();
    assert_eq!(rows(&tasks), ["1 0 1 4000 1 0", "2 10 60 4000 120 1", "3 10 30.5 2000 20 2"]);
    assert_eq!(scenario.users, ["", "7", "8"]);
    assert_eq!((scenario.workers.len(), scenario.workers[0].capacity.cpu_milli), (1, 10_000));
    assert_eq!(scenario.workers[0].name, "pool");
    assert!(scenario.settings.source.contains("Test machine"));
    assert!(
        !scenario.settings.kill_at_estimate && !scenario.needs.asks_memory && !scenario.needs.asks_storage
    );
}

#[test]
fn the_size_of_the_machine_can_be_given_and_must_be_known() {
    let (_keep, _, report) = import_swf(LOG, Some(11));
    assert!(report.unwrap().starts_with("read 6 tasks, wrote 4"));
    let (_keep, out, report) = import_swf("1 100 5 60 4 -1 -1 4 120 -1 1 7 1 -1 -1 -1 -1 -1\n", None);
    assert!(report.unwrap_err().to_string().contains("expected a line \"; MaxProcs: N\", or --processors"));
    assert!(!out.exists());
}

#[test]
fn what_is_no_swf_is_told_by_line() {
    let (_keep, _, report) =
        import_swf("; MaxProcs: 4\n1 2 3\n\n1 x 5 60 4 -1 -1 4 120 -1 1 7 1 -1 -1 -1 -1 -1\n", None);
    let error = report.unwrap_err().to_string();
    assert!(error.contains("log.swf:2: has 3 fields; expected the 18 of a job"), "{error}");
    assert!(
        error.contains("log.swf:4: submit time: \"x\": is not a number; expected a number, or -1"),
        "{error}"
    );
}

#[test]
fn the_log_of_kth_has_28489_jobs() {
    let Some(log) = shared_data("swf/kth-sp2.swf") else { return };
    let keep = folder(&[]);
    let out = keep.path().join("kth-sp2");
    let report = swf::import(&log, None, &out).unwrap();
    assert_eq!(report.kept, 28_489);
    let scenario = Scenario::check(&Location::Folder(out)).unwrap();
    assert_eq!((scenario.tasks, scenario.is_loaded()), (28_489, None));
    assert!(scenario.needs.estimates);
}

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,32000,131071,0,\n";
const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
    a,12000,16385,1,1000,,LS,Running,100,400,150\n\
    b,6000,12288,1,460,P100|V100,LS,Running,130,130,\n\
    c,1000,1,0,0,,BE,Failed,120,400,\n\
    d,1000,1,2,1000,,BE,Running,140,500,200\n\
    e,1000,1,3,1000,,BE,Running,140,500,200\n\
    f,1000,1,0,0,,BE,Running,150,,200\n";

fn import_openb(arrivals: Arrivals) -> (TempDir, Result<(String, PathBuf), Problems>) {
    let keep = folder(&[("nodes.csv", NODES.as_bytes()), ("pods.csv", PODS.as_bytes())]);
    let (at, out) = (keep.path(), keep.path().join("out"));
    let report = openb::import(&at.join("nodes.csv"), &at.join("pods.csv"), arrivals, &out);
    (keep, report.map(|report| (report.to_string(), out)))
}

#[test]
fn the_openb_trace_is_imported_by_the_rules() {
    let (_keep, result) = import_openb(Arrivals::Trace);
    let (report, out) = result.unwrap();
    assert_eq!(
        report,
        "read 6 tasks, wrote 4\ndropped 1: fits no node\ndropped 1: no deletion time\nchanged 1: duration 0 became 1 s"
    );
    let (scenario, tasks) = read(&Location::Folder(out)).unwrap();
    let times: Vec<String> =
        tasks.iter().map(|task| format!("{} {} {}", task.name, task.spec.arrival, task.duration)).collect();
    assert_eq!(times, ["a 0 250", "c 20 280", "b 30 1", "d 40 300"]);
    let gpus: Vec<u32> = tasks.iter().map(|task| task.spec.request.gpu.milli()).collect();
    assert_eq!(gpus, [1000, 0, 460, 2000]);
    assert_eq!(tasks[0].spec.request.memory_mib, 16_385, "MiB survive exactly");
    assert_eq!(scenario.workers[1].capacity.memory_mib, 131_071);
    assert_eq!(scenario.workers[0].gpu_model.as_deref(), Some("P100"));
    let models = &scenario.constraints[tasks[2].spec.constraint.0 as usize].gpu_models;
    assert_eq!(models.iter().map(String::as_str).collect::<Vec<_>>(), ["P100", "V100"]);
    assert_eq!(scenario.settings.on_full, OnFull::Wait);
}

#[test]
fn inflation_draws_until_the_target_and_one_arrives_each_second() {
    let (_keep, result) = import_openb(Arrivals::Inflate { target: 10.0, seed: 4 });
    let (scenario, tasks) = read(&Location::Folder(result.unwrap().1)).unwrap();
    assert_eq!(scenario.settings.on_full, OnFull::Reject);
    let gpus: Vec<u64> = tasks.iter().map(|task| u64::from(task.spec.request.gpu.milli())).collect();
    let (demand, last) = (gpus.iter().sum::<u64>(), gpus[gpus.len() - 1]);
    assert!(demand >= 20_000 && demand - last < 20_000, "{demand}");
    let mut first: Vec<&str> = tasks[..5].iter().map(|task| task.name.as_str()).collect();
    first.sort_unstable();
    assert_eq!(first, ["a", "b", "c", "d", "f"], "the pods themselves come first, in any order");
    for (second, task) in (0..).zip(&tasks) {
        assert_eq!(task.spec.arrival.micros(), second * 1_000_000);
        assert_eq!(task.duration, Duration::from_secs(10_000_000));
    }
    let (_keep, error) = import_openb(Arrivals::Inflate { target: f64::NAN, seed: 4 });
    assert!(error.unwrap_err().to_string().contains("a target of NaN: expected a number above 0"));
}

#[test]
fn the_openb_lists_are_read_whole() {
    let Some(nodes) = shared_data("openb/openb_node_list_gpu_node.csv") else { return };
    let Some(pods) = shared_data("openb/openb_pod_list_default.csv") else { return };
    let keep = folder(&[]);
    let import = |arrivals, name: &str| -> (Scenario, Vec<Task>) {
        let out = keep.path().join(name);
        openb::import(Path::new(&nodes), Path::new(&pods), arrivals, &out).unwrap();
        read(&Location::Folder(out)).unwrap()
    };
    let (scenario, tasks) = import(Arrivals::Trace, "trace");
    assert_eq!((tasks.len(), scenario.workers.len()), (8152, 1213));
    let capacity: u64 = scenario.workers.iter().map(|worker| u64::from(worker.capacity.gpus)).sum();
    assert_eq!(capacity, 6212);
    let (inflated, tasks) = import(Arrivals::Inflate { target: 1.3, seed: 1 }, "inflate");
    let names = |scenario: &Scenario| -> Vec<String> {
        scenario.workers.iter().map(|worker| worker.name.clone()).collect()
    };
    let mut shuffled = names(&inflated);
    assert_ne!(shuffled, names(&scenario), "nodes are shuffled, too");
    shuffled.sort_unstable();
    assert_eq!(shuffled, names(&scenario));
    let demand: u64 = tasks.iter().map(|task| u64::from(task.spec.request.gpu.milli())).sum();
    assert!((8_075_600..8_083_600).contains(&demand), "{demand}");
}
