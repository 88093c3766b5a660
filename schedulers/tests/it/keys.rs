//! Keys and scores of waiting tasks, worked out by hand.

use cloudai_schedulers::strategies::queue::order::by_score::{unicef, wfp3};
use cloudai_schedulers::strategies::queue::order::keys::{
    LEARNED, Score, Share, area, attained_queue, dominant_share, learned, processors,
};
use cloudai_schedulers::{Cluster, Decision, DeviceSet, Event, Part, Placement, TaskId, WorkerId};

use crate::support::{Job, at, config, job, worker};

/// One worker of 10 cores, 1000 MiB and 4 GPUs, at 100 s.
fn cluster(jobs: Vec<Job>) -> (Cluster, Vec<TaskId>) {
    let mut pool = worker(10, 4);
    pool.capacity.memory_mib = 1000;
    let mut cluster = Cluster::new(config(|_| ()), vec![pool]).unwrap();
    cluster.advance(at(100)).unwrap();
    let tasks = jobs.into_iter().map(|job| cluster.submit(job.spec)).collect();
    (cluster, tasks)
}

/// Three replicas of which each takes a fifth of the memory, one that takes a quarter of the GPUs, one of 4 cores.
fn three() -> Vec<Job> {
    let mut memory = job(0, 90, 5, 1).replicas(3);
    memory.spec.request.memory_mib = 200;
    vec![memory, job(1, 90, 5, 1).gpu(1000), job(2, 90, 5, 4)]
}

#[test]
fn a_task_is_as_large_as_its_largest_share() {
    let (cluster, tasks) = cluster(three());
    let view = cluster.view();
    let of = |task: &TaskId| {
        let task = view.task(*task).unwrap();
        (dominant_share(&view, task), processors(&view, task), area(&view, task))
    };
    let expected = [(Share::new(6, 10), 6.0), (Share::new(1, 4), 2.5), (Share::new(4, 10), 4.0)];
    for (task, (share, processors)) in tasks.iter().zip(expected) {
        assert_eq!(of(task), (share, processors, share.times(5_000_000)));
    }
}

#[test]
fn learned_functions_have_the_constants_of_the_paper() {
    // log10(100) = 2 and log10(1000) = 3.
    let values = LEARNED.map(|function| function(100.0, 4.0, 1000.0));
    let logs = [2.0 * 4.0 + 870.0 * 3.0, 10.0 * 4.0 + 25_600.0 * 3.0];
    let others = [100.0 * 4.0 + 6_860_000.0 * 3.0, 100.0 * 2.0 + 530_000.0 * 3.0];
    assert_eq!(values, [logs[0], logs[1], others[0], others[1]]);
    // Less than a second counts as one, of the run time and of the submission: the logarithm is 0.
    let mut short = job(0, 0, 0, 4);
    short.spec.estimate = Some(cloudai_schedulers::Duration::from_micros(250_000));
    let (cluster, tasks) = cluster(vec![short]);
    let view = cluster.view();
    let task = view.task(tasks[0]).unwrap();
    assert_eq!(LEARNED.map(|function| learned(&view, task, function)), [0.0, 4.0, 4.0, 2.0].map(Score));
}

#[test]
fn scores_that_change_with_time() {
    let mut half = job(4, 90, 5, 1);
    half.spec.request.cpu_milli = 500;
    let (cluster, tasks) = cluster([three(), vec![job(3, 100, 5, 4), half]].concat());
    let view = cluster.view();
    let of =
        |score: fn(&_, _) -> f64| tasks.iter().map(|&task| score(&view, view.task(task).unwrap())).collect();
    let (wfp3, unicef): (Vec<f64>, Vec<f64>) = (of(wfp3), of(unicef));
    // All have waited for twice their run time, but for one that has just come.
    assert_eq!(wfp3, [8.0 * 6.0, 8.0 * 2.5, 8.0 * 4.0, 0.0, 8.0 * 0.5]);
    let expected = [2.0 / 6f64.log2(), 2.0 / 2.5f64.log2(), 1.0, 0.0, f64::INFINITY];
    assert!(
        unicef
            .iter()
            .zip(expected)
            .all(|(found, expected)| found == &expected || (found - expected).abs() < 1e-12)
    );
}

#[test]
fn attained_service_counts_gpus_and_replicas() {
    // An hour each: half a GPU although it has 8 cores; two replicas of a core.
    let (mut cluster, tasks) = cluster(vec![job(0, 0, 9999, 8).gpu(500), job(1, 0, 9999, 1).replicas(2)]);
    for (&task, (replicas, devices)) in tasks.iter().zip([(1, DeviceSet::single(0)), (2, DeviceSet::EMPTY)]) {
        let placement = Placement::gang(&[Part { worker: WorkerId(0), replicas, devices }]);
        cluster.decide(Decision::Assign { task, placement }).unwrap();
        cluster.apply(Event::Started { task, attempt: 1 }).unwrap();
    }
    cluster.advance(at(3700)).unwrap();
    let view = cluster.view();
    let of = |task: usize, first| attained_queue(&view, view.task(tasks[task]).unwrap(), first);
    // A queue ends before the service that it is named for.
    assert_eq!([0.5000001, 0.5, 0.05, 0.005].map(|first| of(0, first)), [0, 1, 2, 3]);
    assert_eq!([2.0000001, 2.0, 0.2, 0.02].map(|first| of(1, first)), [0, 1, 2, 3]);
}
