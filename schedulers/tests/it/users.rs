//! Orders that go by what a user has, where that is not of cores alone. On one pool of cores: `reference_policies` of the simulator.

use cloudai_schedulers::{
    Cluster, Decision, DeviceSet, Event, Part, Placement, Registry, Scheduler, TaskState, WorkerId,
    WorkloadProfile,
};

use crate::support::{Job, config, job, worker};

fn of_user(mut job: Job, user: u32) -> Job {
    job.spec.user.0 = user;
    job
}

/// One worker of 10 cores, 1000 MiB and 4 GPUs.
fn cluster() -> Cluster {
    let mut pool = worker(10, 4);
    pool.capacity.memory_mib = 1000;
    Cluster::new(config(|_| ()), vec![pool]).unwrap()
}

fn drf() -> Box<dyn Scheduler> {
    Registry::builtin().build(&"queue(order=drf)".parse().unwrap()).unwrap()
}

/// Whose task starts while each of two users holds something and has one task waiting, of which only one fits.
fn next(held: [(Job, DeviceSet); 2], cores: u64) -> u32 {
    let mut cluster = cluster();
    for (user, (job, devices)) in (0u32..).zip(held) {
        let replicas = job.spec.replicas;
        let task = cluster.submit(of_user(job, user).spec);
        let placement = Placement::gang(&[Part { worker: WorkerId(0), replicas, devices }]);
        cluster.decide(Decision::Assign { task, placement }).unwrap();
    }
    let mut strategy = drf();
    strategy.attach(&cluster.view(), &WorkloadProfile::default());
    let waiting = [0, 1].map(|user| cluster.submit(of_user(job(10 + user, 0, 5, cores), user).spec));
    cluster.notify(strategy.as_mut());
    cluster.pass(strategy.as_mut());
    let state = |task| cluster.view().task(task).unwrap().state();
    let started = waiting.map(|task| state(task) != TaskState::Queued);
    assert_ne!(started[0], started[1], "one of them fits");
    u32::from(started[1])
}

#[test]
fn the_dominant_share_is_the_largest_of_all_resources_and_replicas() {
    let none = DeviceSet::EMPTY;
    let other = || (job(1, 0, 5, 3), none);
    let mut memory = job(0, 0, 5, 1);
    memory.spec.request.memory_mib = 500;
    assert_eq!(next([(memory, none), other()], 4), 1, "half of the memory against 3 of 10 cores");
    assert_eq!(next([(job(0, 0, 5, 1).gpu(2000), DeviceSet(0b11)), other()], 4), 1, "half of the GPUs");
    assert_eq!(next([(job(0, 0, 5, 1).replicas(4), none), other()], 3), 1, "4 replicas of a core");
    assert_eq!(next([(job(0, 0, 5, 2), none), other()], 4), 0);
    assert_eq!(next([(job(0, 0, 5, 3), none), other()], 4), 0, "the lower user of two that are even");
}

#[test]
fn what_was_stopped_is_held_no_longer() {
    let mut cluster = cluster();
    let mut strategy = drf();
    strategy.attach(&cluster.view(), &WorkloadProfile::default());
    let first = cluster.submit(of_user(job(0, 0, 5, 5), 0).spec);
    cluster.submit(of_user(job(1, 0, 5, 3), 1).spec);
    let waits = cluster.submit(of_user(job(2, 0, 5, 5), 1).spec);
    let mut pass = |cluster: &mut Cluster| {
        cluster.notify(strategy.as_mut());
        cluster.pass(strategy.as_mut());
    };
    pass(&mut cluster);
    cluster.decide(Decision::Preempt { task: first, attempt: 1 }).unwrap();
    cluster.apply(Event::Stopped { task: first, attempt: 1 }).unwrap();
    // 7 cores are free, and its user holds none.
    pass(&mut cluster);
    let state = |task| cluster.view().task(task).unwrap().state();
    assert_eq!((state(first), state(waits)), (TaskState::Assigned, TaskState::Queued));
}
