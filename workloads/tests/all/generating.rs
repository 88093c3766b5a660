//! Generated scenarios: deterministic, readable, loaded as stated; and the bundled ones.

use std::path::{Path, PathBuf};

use cloudai_workloads::generate::{Preset, generate};
use cloudai_workloads::{Location, Scenario, Task};

use crate::support::read;

fn written(preset: Preset, tasks: u64, workers: u64, seed: u64, name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join(name);
    generate(preset, tasks, workers, seed).unwrap().write(&out).unwrap();
    (folder, out)
}

/// The files of a folder with their content, by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_preset_gives_a_valid_scenario_of_any_size() {
    for &preset in Preset::list() {
        for (tasks, workers) in [(1, 1), (7, 1), (200, 3), (1000, 12)] {
            let (_keep, out) = written(preset, tasks, workers, 3, "s");
            let (scenario, read_tasks) =
                read(&Location::Folder(out)).unwrap_or_else(|error| panic!("{preset}: {error}"));
            assert_eq!((scenario.tasks, scenario.workers.len() as u64), (tasks, workers), "{preset}");
            assert!(read_tasks.is_sorted_by_key(|task| task.spec.arrival), "{preset}");
            assert_eq!(scenario.needs.estimates, preset != Preset::Uniform);
            assert!(
                scenario.settings.source.starts_with(&format!("cloudai generate {preset} --tasks {tasks}"))
            );
        }
    }
}

#[test]
fn the_seed_decides_every_byte() {
    for &preset in Preset::list() {
        let (_a, first) = written(preset, 50, 4, 1, "s");
        let (_b, again) = written(preset, 50, 4, 1, "s");
        let (_c, other) = written(preset, 50, 4, 2, "s");
        assert_eq!(files(&first), files(&again), "{preset}");
        assert_ne!(files(&first), files(&other), "{preset}");
    }
}

/// Work over capacity in the time of arrivals, for the scarcest resource.
fn load(scenario: &Scenario, tasks: &[Task]) -> f64 {
    let span = scenario.last_arrival.since(scenario.first_arrival).seconds();
    let share = |demand: &dyn Fn(&Task) -> u64, capacity: &dyn Fn(usize) -> u64| {
        let work: f64 = tasks.iter().map(|task| demand(task) as f64 * task.duration.seconds()).sum();
        let speed = |w: usize| f64::from(scenario.workers[w].speed.millionths()) / 1e6;
        let total: f64 = (0..scenario.workers.len()).map(|w| capacity(w) as f64 * speed(w)).sum();
        if total > 0.0 { work / total / span } else { 0.0 }
    };
    let cpu = share(&|task| task.spec.request.cpu_milli, &|w| scenario.workers[w].capacity.cpu_milli);
    let memory = share(&|task| task.spec.request.memory_mib, &|w| scenario.workers[w].capacity.memory_mib);
    let gpu = share(&|task| u64::from(task.spec.request.gpu.milli()), &|w| {
        scenario.workers[w].capacity.gpu_milli()
    });
    cpu.max(memory).max(gpu)
}

#[test]
fn the_offered_load_is_as_stated() {
    let stated = [
        (Preset::Uniform, 0.8, 0.05),
        (Preset::HeavyTailed, 0.8, 0.25),
        (Preset::MlTraining, 0.8, 0.1),
        (Preset::DagPipelines, 0.8, 0.05),
        (Preset::Mixed, 1.5, 0.05),
    ];
    for (preset, expected, tolerance) in stated {
        let (_keep, out) = written(preset, 20_000, 10, 5, "s");
        let (scenario, tasks) = read(&Location::Folder(out)).unwrap();
        let load = load(&scenario, &tasks);
        assert!((load / expected - 1.0).abs() < tolerance, "{preset}: load {load}, stated {expected}");
    }
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let generated = generate(Preset::Uniform, 3, 1, 1).unwrap();
    generated.write(&out).unwrap();
    let error = generated.write(&out).unwrap_err().to_string();
    assert!(
        error.ends_with("out: is there already and not empty; expected a new or an empty folder"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_bundled_scenarios_are_what_the_code_generates() {
    let bundled = [
        (Preset::Mixed, 100, 5, "mixed-100x5"),
        (Preset::MlTraining, 60, 4, "ml-60x4"),
        (Preset::DagPipelines, 80, 4, "dag-80x4"),
    ];
    for (preset, tasks, workers, name) in bundled {
        let (_keep, out) = written(preset, tasks, workers, 1, name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        assert_eq!(
            files(&out),
            files(&folder),
            "{name}: generate it again with the command in its scenario.toml"
        );
        read(&Location::Folder(folder)).unwrap();
    }
}
