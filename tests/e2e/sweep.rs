//! `cloudai sweep`: kills, resumes, shards, and what is refused.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use insta::assert_snapshot;

use crate::support::{Place, Ran, bundled, files, names};

/// 72 cells: two scenarios, one of them drawn anew for each seed, the other shaken, with a strategy that one does not support.
const EXPERIMENT: &str = "
seeds = '0..3'
loads = [0.9, 1.1]
strategies = ['fcfs', 'gpu_random', { name = 'queue', params.order = ['sjf', 'wfp3'] }]

[[scenarios]]
preset = 'mixed'
tasks = 150
workers = [4, 5]

[[scenarios]]
folder = 'small'
seeds = [0, 1]
shake = 2
settings.startup_latency_s = [0, 1.5]
loads = 1
";

fn place() -> Place {
    let place = Place::new();
    place.good(&["generate", "diurnal", "--tasks", "60", "--workers", "3", "--out", "small"]);
    place.write("e.toml", EXPERIMENT);
    place
}

fn sweep(place: &Place, out: &str, more: &[&str]) -> Ran {
    place.run(&[&["sweep", "e.toml", "--no-plots", "--out", out], more].concat())
}

fn results(place: &Place, out: &str) -> String {
    std::fs::read_to_string(place.path(out).join("results.csv")).unwrap()
}

#[test]
fn five_kills_change_nothing() {
    let place = place();
    let calm = sweep(&place, "calm", &["--jobs", "1"]);
    assert_eq!(calm.code, Some(0), "{}", calm.err);
    let cells = results(&place, "calm").lines().count() - 1;
    assert_eq!(cells, 2 * 2 * 3 * 4 + 3 * 2 * 2 * 4);

    // Whenever so many further bytes are in the journal the process is killed, wherever it is then; the delays differ from
    // machine to machine, and the result must not.
    let journal = place.path("killed").join("journal.jsonl");
    let length = || std::fs::metadata(&journal).map_or(0, |file| file.len());
    let (mut kills, mut misses) = (0, 0);
    while kills < 5 {
        let further = [1_u64, 4_000, 9_000, 2_500, 14_000][kills];
        let before = length();
        let jobs = if kills % 2 == 0 { "2" } else { "1" };
        let args = ["sweep", "e.toml", "--no-plots", "--out", "killed", "--jobs", jobs];
        let mut command = place.command(&args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while length() < before + further && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap(); // SIGKILL
        if child.wait().unwrap().success() {
            // It was over before this process got to run: back to what an earlier kill might have left.
            misses += 1;
            assert!(misses < 100, "the sweep is over before it can be killed");
            std::fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(length() / 2).unwrap();
        } else {
            kills += 1;
        }
    }
    // A torn line, as of a machine that lost power in the midst of it.
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, [&whole[..], b"0123456789abcdef {\"key\":\"77"].concat()).unwrap();

    let rest = sweep(&place, "killed", &["--jobs", "2"]);
    assert_eq!(rest.code, Some(0), "{}", rest.err);
    assert!(
        rest.err.contains("note: lines of the journals that are torn or of another version: 1;"),
        "{}",
        rest.err
    );
    assert_eq!(results(&place, "killed"), results(&place, "calm"));
    let lines = std::fs::read_to_string(&journal).unwrap().lines().count();
    assert_eq!(lines, cells, "no cell was lost, and none ran twice");

    let again = sweep(&place, "killed", &[]);
    assert!(
        again.err.starts_with(&format!("cells: {cells}; 0 skipped, {cells} there already, 0 to run\n")),
        "{}",
        again.err
    );
}

#[test]
fn shards_come_to_the_same_table() {
    let place = place();
    assert_eq!(sweep(&place, "whole", &[]).code, Some(0));
    for shard in ["2/3", "0/3"] {
        let ran = sweep(&place, "parts", &["--shard", shard]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains("the other shards have cells left"), "{}", ran.err);
    }
    assert!(!place.path("parts").join("results.csv").exists());
    // Whoever comes last puts the table together; a shard that runs again finds nothing to do.
    sweep(&place, "parts", &["--shard", "1/3"]);
    assert_eq!(results(&place, "parts"), results(&place, "whole"));
    let again = sweep(&place, "parts", &["--shard", "2/3"]);
    assert!(again.err.contains("0 to run in shard 2/3"), "{}", again.err);
    // Without shards: only merges.
    std::fs::remove_file(place.path("parts").join("results.csv")).unwrap();
    let merged = sweep(&place, "parts", &[]);
    assert!(merged.err.contains("0 to run"), "{}", merged.err);
    assert_eq!(results(&place, "parts"), results(&place, "whole"));
    assert_eq!(
        names(&place.path("parts"))
            .into_iter()
            .filter(|name| name.starts_with("journal"))
            .collect::<Vec<_>>(),
        ["journal-0-of-3.jsonl", "journal-1-of-3.jsonl", "journal-2-of-3.jsonl"]
    );
}

#[test]
fn a_changed_experiment_keeps_the_cells_that_it_still_has() {
    let place = place();
    sweep(&place, "out", &[]);
    let before = results(&place, "out");
    place.write("e.toml", &EXPERIMENT.replace("'0..3'", "[2, 3]").replace("'fcfs', ", ""));
    let ran = sweep(&place, "out", &[]);
    assert!(ran.err.starts_with("cells: 60; 0 skipped, 48 there already, 12 to run\n"), "{}", ran.err);
    assert!(
        ran.err.contains("note: 48 results are of cells that the experiment does not have"),
        "{}",
        ran.err
    );
    let after = results(&place, "out");
    // A cell that was kept has the same row, but for its number.
    let rows =
        |text: &str| text.lines().map(|row| row.split_once(',').unwrap().1.to_owned()).collect::<Vec<_>>();
    let (before, after) = (rows(&before), rows(&after));
    assert_eq!(after.iter().filter(|row| before.contains(row)).count(), 48 + 1);
}

#[test]
fn a_cell_is_what_simulate_says() {
    let place = place();
    sweep(&place, "out", &[]);
    let args = [
        "simulate",
        "small",
        "--strategy",
        "fcfs",
        "--seed",
        "1",
        "--set",
        "startup_latency_s=1.5",
        "--json",
        "--no-plots",
    ];
    let simulated: serde_json::Value = serde_json::from_str(&place.good(&args).out).unwrap();
    let text = results(&place, "out");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let value = |row: &csv::StringRecord, name: &str| {
        row[header.iter().position(|column| column == name).unwrap()].to_owned()
    };
    let wanted = [
        ("scenario", "small"),
        ("shake", "0"),
        ("seed", "1"),
        ("strategy", "fcfs"),
        ("setting.startup_latency_s", "1.5"),
    ];
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut found = rows.iter().filter(|row| wanted.iter().all(|(name, text)| value(row, name) == *text));
    let row = found.next().unwrap();
    assert!(found.next().is_none());
    let object = simulated[0].as_object().unwrap();
    for (key, simulated) in object.iter().filter(|(key, _)| *key != "strategy") {
        let cell = value(row, key);
        match simulated {
            serde_json::Value::Null => assert_eq!(cell, "", "{key}"),
            serde_json::Value::String(text) => assert_eq!(&cell, text, "{key}"),
            number => assert_eq!(cell.parse::<f64>().unwrap(), number.as_f64().unwrap(), "{key}"),
        }
    }
}

#[test]
fn two_at_once_are_refused() {
    let place = place();
    sweep(&place, "out", &[]);
    let lock = std::fs::File::open(place.path("out").join("lock")).unwrap();
    lock.lock().unwrap();
    let ran = sweep(&place, "out", &[]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.err,
        "error: out/lock: another process works on this sweep, or on this shard of it; expected to be alone there\n"
    );
    drop(lock);
    assert_eq!(sweep(&place, "out", &[]).code, Some(0));
    place.write("other/thesis.tex", "");
    let ran = sweep(&place, "other", &[]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("other: is there already and holds no sweep"), "{}", ran.err);
}

#[test]
fn a_dry_run_lists_the_cells_and_says_what_is_skipped() {
    let place = Place::new();
    place.write(
        "gangs/workers.csv",
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\na,4,8,100,0\nb,4,8,100,0\n",
    );
    place.write("gangs/tasks.csv", "task_id,arrival_s,duration_s,replicas\nx,0,10,2\ny,1,10,1\n");
    place.write(
        "e.toml",
        "strategies = ['fcfs', 'greedy']\nseeds = [1, 2]\n[[scenarios]]\nfolder = 'gangs'\n",
    );
    let ran = place.good(&["sweep", "e.toml", "--dry-run"]);
    assert_snapshot!("sweep-dry-run", ran.out);
    assert_eq!(ran.err, "cells: 4; 2 skipped\n");
    assert!(!place.path("out").exists());
    place.good(&["sweep", "e.toml", "--out", "out"]);
    let rows: Vec<String> = results(&place, "out")
        .lines()
        .map(|row| row.split(',').take(8).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(
        rows,
        [
            "cell,scenario,workers,load,shake,seed,strategy,status",
            "0,gangs,2,1,0,1,fcfs,ran",
            "1,gangs,2,1,0,1,greedy,skipped",
            "2,gangs,2,1,0,2,fcfs,ran",
            "3,gangs,2,1,0,2,greedy,skipped",
        ]
    );
}

#[test]
fn cells_that_fail_are_rows_and_make_the_exit_code_1() {
    let place = Place::new();
    place.write(
        "s/workers.csv",
        "worker_id,total_cpu,total_memory,total_storage,total_gpu\na,4,8,100,0\nb,8,8,100,0\n",
    );
    place.write("s/tasks.csv", "task_id,arrival_s,duration_s,cpu_cores\nx,0,10,6\ny,1,10,1\n");
    place.write("e.toml", "strategies = ['fcfs']\n[[scenarios]]\nfolder = 's'\nworkers = [1, 2]\n");
    let ran = sweep(&place, "out", &[]);
    assert_eq!(ran.code, Some(1));
    let error = ran.err.lines().last().unwrap();
    assert!(error.starts_with("error: 1 cell failed, first cell 0: "), "{error}");
    assert!(error.contains("with the first worker alone, \"x\" fits nowhere"), "{error}");
    let text = results(&place, "out");
    assert!(text.contains("0,s,1,1,0,0,fcfs,failed,") && text.contains("\n1,s,2,1,0,0,fcfs,ran,,"), "{text}");
    // They are not run again unless that is asked for.
    assert!(sweep(&place, "out", &[]).err.contains("0 to run"));
    assert!(sweep(&place, "out", &["--retry-failed"]).err.contains("1 to run"));
}

#[test]
fn faults_of_the_file_are_told_together_with_their_lines() {
    let place = Place::new();
    place.write(
        "e.toml",
        "seed = 3\nloads = [0, 1.0000001, 'x']\nseeds = '3..3'\nmemory_mb = 0\nshake = -1\nworkers = { from = 1, to = 3 }\n\
         settings.mtbf_s = [1, -1]\nsettings.seed = 4\nsettings.speed = 2\n\
         strategies = ['fcfs', 'fcfs', 'nope', { name = 'ai', parms.x = 1 }, 7]\n\
         [[scenarios]]\nfolder = 'a'\ntask = 3\n[[scenarios]]\npreset = 'mixd'\n[[scenarios]]\npreset = 'mixed'\ntasks = 0\n\
         [[scenarios]]\nopenb = { nodes = 'n.csv' }\n",
    );
    let ran = place.run(&["sweep", "e.toml", "--out", "out"]);
    assert_eq!(ran.code, Some(2));
    assert_snapshot!("sweep-faults", ran.err);
    assert!(!place.path("out").exists());

    for (text, message) in [
        ("", "error: e.toml:1: scenarios: is missing; expected at least one [[scenarios]]\n"),
        ("strategies = [", "error: e.toml:1: is not TOML: "),
        (
            "strategies = ['fcfs']\n[[scenarios]]\nfolder = 'a'\npreset = 'mixed'\n",
            "error: e.toml:2: scenarios: has folder and preset; expected exactly one of folder, preset, openb\n",
        ),
        (
            "strategies = ['fcfs']\n[[scenarios]]\npreset = 'mixed'\ntasks = 5\n",
            "error: e.toml:2: scenarios: a preset needs workers = N, or a list of numbers\n",
        ),
        (
            "baseline = 'easy'\nstrategies = ['fcfs']\n[[scenarios]]\nfolder = 'a'\n",
            "error: e.toml:1: baseline: \"easy\": is not among the strategies; expected one of fcfs\n",
        ),
        (
            "strategies = ['fcfs']\n[[scenarios]]\nfolder = 'a'\n",
            "error: e.toml:3: folder: \"a\": is not a folder; expected a scenario: a folder with tasks.csv and workers.csv\n",
        ),
        (
            "strategies = ['fcfs']\nseeds = '0..999999'\nshake = 1\n[[scenarios]]\npreset = 'mixed'\ntasks = 5\nworkers = 3\n",
            "error: e.toml: has 1999998 cells; expected at most 1000000\n",
        ),
    ] {
        place.write("e.toml", text);
        let ran = place.run(&["sweep", "e.toml", "--out", "out"]);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(ran.err.starts_with(message), "{text}: {}", ran.err);
    }
    let missing = place.run(&["sweep", "none.toml", "--out", "out"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.starts_with("error: none.toml: cannot be read"), "{}", missing.err);
    let shard = place.run(&["sweep", "e.toml", "--out", "out", "--shard", "4/4"]);
    assert_eq!(shard.code, Some(2));
    assert!(shard.err.contains("expected I/N with I from 0 to N - 1"), "{}", shard.err);
}

#[test]
fn a_report_is_rendered_again_to_the_byte() {
    let place = place();
    let swept = place.good(&["sweep", "e.toml", "--out", "out"]);
    let before = files(&place.path("out"));
    assert!(before.contains_key("index.html") && before.contains_key("differences_mean_wait_s.svg"));
    let again = place.good(&["report", "out"]);
    assert_eq!(again.out, swept.out);
    assert!(files(&place.path("out")) == before, "the files differ");
}

/// The evaluation of Weng et al. 2023, over one seed: curves by strategy, and a report that reads them back.
#[test]
fn the_inflation_experiment_runs_from_its_file() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("CLOUDAI_DATA_DIR").map_or_else(beside, Into::into).join("openb");
    if !data.is_dir() {
        eprintln!("skipped: {} is missing", data.display());
        return;
    }
    let place = Place::new();
    for list in ["openb_node_list_gpu_node.csv", "openb_pod_list_default.csv"] {
        place.write(&format!("openb/{list}"), &std::fs::read_to_string(data.join(list)).unwrap());
    }
    let text = std::fs::read_to_string(Path::new(&bundled("experiments")).join("inflation.toml")).unwrap();
    let (fewer, all) = ("strategies = [\"gpu_random\", \"fgd(quantize=true)\"]\n", "strategies = [");
    let (before, after) = text.split_once(all).unwrap();
    let after = after.split_once("]\n").unwrap().1;
    place.write("e.toml", &format!("{before}{fewer}{after}").replace("1..=10", "1..=1"));
    place.good(&["sweep", "e.toml", "--out", "out"]);
    let curves = std::fs::read_to_string(place.path("out").join("curves.csv")).unwrap();
    let end = |cell: &str| -> f64 {
        let rows: Vec<Vec<&str>> = curves.lines().map(|row| row.split(',').collect()).collect();
        rows.iter().find(|row| row[0] == cell && row[1] == "130").unwrap()[2].parse().unwrap()
    };
    assert!(end("1") > end("0") + 5.0, "fgd allocates more than random placement: {} {}", end("1"), end("0"));
    let before = files(&place.path("out"));
    assert!(before.contains_key("gpu_allocation.svg") && before.contains_key("gpu_fragmentation.png"));
    place.good(&["report", "out"]);
    assert!(files(&place.path("out")) == before, "the files differ");
}

/// The experiments that come with the project are in order.
#[test]
fn bundled_experiments_run() {
    let place = Place::new();
    let loads = Path::new(&bundled("experiments")).join("loads.toml");
    let ran = place.good(&["sweep", loads.to_str().unwrap(), "--out", "out"]);
    assert!(ran.err.contains("0 skipped"), "{}", ran.err);
    assert!(results(&place, "out").lines().skip(1).all(|row| row.contains(",ran,")));
}
