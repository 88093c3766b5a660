//! Placement rules that take the workers in an order: where tasks go that arrive one after the other and stay.

use cloudai_schedulers::WorkerSpec;
use cloudai_schedulers::strategies::queue::place::PlacementRule;
use cloudai_schedulers::strategies::queue::place::fit::{BestFit, NextFit, Random, Spread, WorstFit};

use crate::scores::{jobs, nothing, places};
use crate::support::worker;

/// Workers of so many cores and so much memory.
fn workers(all: &[(u64, u64)]) -> Vec<WorkerSpec> {
    let one = |&(cores, memory_mib): &(u64, u64)| {
        let mut worker = worker(cores, 0);
        worker.capacity.memory_mib = memory_mib;
        worker
    };
    all.iter().map(one).collect()
}

/// Where tasks of so many cores go.
fn go(rule: impl PlacementRule + 'static, all: &[(u64, u64)], cores: &[u64]) -> String {
    let shapes: Vec<(u64, u64)> = cores.iter().map(|cores| (cores * 1000, 0)).collect();
    places(rule, workers(all), &nothing(), &jobs(&shapes)).replace(':', "")
}

#[test]
fn best_fit_goes_by_least_cpu_then_memory_then_index() {
    assert_eq!(go(BestFit, &[(8, 9), (4, 9), (4, 5)], &[2, 2, 2, 3]), "2 2 1 0");
    assert_eq!(go(BestFit, &[(4, 9), (4, 9)], &[1]), "0");
}

#[test]
fn worst_fit_goes_by_most_cpu_then_memory_then_index() {
    assert_eq!(go(WorstFit, &[(4, 5), (4, 7), (2, 9)], &[2, 2, 2, 2]), "1 0 2 1");
    assert_eq!(go(WorstFit, &[(4, 9), (4, 9), (4, 9)], &[1, 1, 1, 1]), "0 1 2 0");
}

#[test]
fn next_fit_goes_round_behind_the_last_one() {
    assert_eq!(go(NextFit::default(), &[(4, 9); 3], &[1; 5]), "0 1 2 0 1");
    assert_eq!(go(NextFit::default(), &[(1, 9), (4, 9), (1, 9)], &[1; 6]), "0 1 2 1 1 1");
}

#[test]
fn spread_goes_by_fewest_tasks_then_load_then_index() {
    // Loads after the first three: 2/4, 2/4, 2/8.
    assert_eq!(go(Spread, &[(4, 9), (4, 9), (8, 9)], &[2, 2, 2, 1, 1, 1]), "0 1 2 2 0 1");
}

#[test]
fn random_goes_anywhere() {
    let placed = go(Random, &[(64, 9); 4], &[1; 60]);
    let on = |worker: &str| placed.split(' ').filter(|placed| *placed == worker).count();
    assert!(["0", "1", "2", "3"].into_iter().all(|worker| on(worker) > 3), "{placed}");
}
