use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn plan(text: &str) -> Plan {
    let (registry, file) = (Registry::builtin(), Path::new("e.toml"));
    Plan::new(Design::parse(text, file, &registry).unwrap(), file, &registry).unwrap()
}

fn experiment(loads: &[u32], seeds: &[u64], shake: u32, latencies: &[u32], strategies: &[&str]) -> String {
    let loads: Vec<String> = loads.iter().map(|load| format!("{load}.5")).collect();
    format!(
        "loads = [{}]\nseeds = {seeds:?}\nshake = {shake}\nsettings.stop_latency_s = {latencies:?}\nstrategies = {strategies:?}\n\
         [[scenarios]]\npreset = 'mixed'\ntasks = 9\nworkers = [2, 3]\n\
         [[scenarios]]\nname = 'fixed'\npreset = 'mixed'\ntasks = 9\nworkers = 3\nseed = 2\n",
        loads.join(", ")
    )
}

const STRATEGIES: [&str; 4] = ["fcfs", "easy", "ai(window=2)", "ai(window=3)"];

fn keys(plan: &Plan) -> HashSet<CellKey> {
    plan.cells.iter().map(|cell| cell.key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Cells with other coordinates have other keys, and a key depends on its own cell alone: with fewer values, in another
    /// order, the cells that are left have the keys that they had.
    #[test]
    fn keys_are_unique_and_stable(
        loads in prop::sample::subsequence(vec![0, 1, 2, 3], 1..4).prop_shuffle(),
        seeds in prop::sample::subsequence(vec![0, 1, 7, u64::MAX], 1..4).prop_shuffle(),
        shake in 0u32..3,
        latencies in prop::sample::subsequence(vec![0, 1, 60], 1..3).prop_shuffle(),
        strategies in prop::sample::subsequence(STRATEGIES.to_vec(), 1..4).prop_shuffle(),
    ) {
        let all = plan(&experiment(&[0, 1, 2, 3], &[0, 1, 7, u64::MAX], 2, &[0, 1, 60], &STRATEGIES));
        prop_assert_eq!(keys(&all).len(), all.cells.len());
        let some = plan(&experiment(&loads, &seeds, shake, &latencies, &strategies));
        prop_assert_eq!(keys(&some).len(), some.cells.len());
        prop_assert!(keys(&some).is_subset(&keys(&all)));
        // The same key, the same coordinates.
        let of_all: std::collections::HashMap<CellKey, Vec<Option<String>>> =
            all.cells.iter().map(|cell| (cell.key, all.coordinates(cell))).collect();
        for cell in &some.cells {
            let (here, there) = (some.coordinates(cell), &of_all[&cell.key]);
            prop_assert_eq!(&here[..7], &there[..7]);
        }
    }
}

#[test]
fn cells_are_ordered_and_share_workloads() {
    let plan = plan(&experiment(&[1], &[4, 5], 1, &[0], &["fcfs", "easy"]));
    let rows: Vec<String> = plan
        .cells
        .iter()
        .take(9)
        .map(|cell| {
            let coordinates: Vec<String> = plan.coordinates(cell).into_iter().flatten().collect();
            format!("{} {}", cell.workload, coordinates.join(" "))
        })
        .collect();
    assert_eq!(
        rows,
        [
            "0 mixed-9 2 1.5 0 4 0 fcfs",
            "0 mixed-9 2 1.5 0 4 0 easy",
            "1 mixed-9 2 1.5 0 5 0 fcfs",
            "1 mixed-9 2 1.5 0 5 0 easy",
            "2 mixed-9 2 1.5 1 4 0 fcfs",
            "2 mixed-9 2 1.5 1 4 0 easy",
            "3 mixed-9 2 1.5 1 5 0 fcfs",
            "3 mixed-9 2 1.5 1 5 0 easy",
            "4 mixed-9 3 1.5 0 4 0 fcfs",
        ]
    );
    // A generator with a seed of its own has one workload for all seeds, until it is shaken.
    let fixed: Vec<usize> = plan.cells[16..].iter().map(|cell| cell.workload).collect();
    assert_eq!(fixed, [8, 8, 8, 8, 9, 9, 10, 10]);
}

#[test]
fn values_that_mean_the_same_are_refused() {
    let (registry, file) = (Registry::builtin(), Path::new("e.toml"));
    let refused = |text: &str| {
        let design = Design::parse(text, file, &registry).map_err(|problems| problems.to_string());
        design
            .and_then(|design| Plan::new(design, file, &registry).map_err(|problems| problems.to_string()))
            .unwrap_err()
    };
    let scenario = "strategies = ['fcfs']\n[[scenarios]]\npreset = 'mixed'\ntasks = 9\nworkers = 2\n";
    assert_eq!(
        refused(&format!("settings.mtbf_s = [5, '5.0']\n{scenario}")),
        "e.toml: settings 5.0: another combination means the same; expected each value once"
    );
    assert_eq!(
        refused(&format!("loads = [0.7, '0.70']\n{scenario}")),
        "e.toml:1: loads: \"0.7\": stands there twice; expected each value once"
    );
}
