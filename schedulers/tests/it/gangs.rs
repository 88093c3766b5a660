//! Gangs: all replicas together or none, over several workers and devices.

use cloudai_schedulers::{DeviceSet, Part, Placement, Refusal, SchedulingContext, WorkerId};

use crate::driver::Driver;
use crate::support::{FirstFit, Pass, at, config, job, secs, worker};

fn part(worker: u32, replicas: u32, devices: u64) -> Part {
    Part { worker: WorkerId(worker), replicas, devices: DeviceSet(devices) }
}

#[test]
fn fractions_spread_over_devices_and_workers() {
    let jobs = [
        job(0, 0, 100, 1).gpu(300),
        // 0.4 fits once beside the 0.3 on device 0, twice on device 1, twice on worker 1.
        job(1, 1, 10, 1).gpu(400).replicas(5),
        // One more than is left.
        job(2, 2, 10, 1).gpu(400).replicas(2),
    ];
    let mut driver = Driver::new(vec![worker(8, 2), worker(8, 1)], &jobs);
    let mut placed = None;
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        FirstFit.schedule_on(cx);
        let view = cx.view();
        for (_, task) in view.running().into_iter().filter(|(_, task)| task.index() == 1) {
            placed = Some(view.task(task).unwrap().placement().clone());
        }
        if view.now() == at(1) {
            let free: Vec<_> = view.workers().map(|worker| worker.free_devices().to_vec()).collect();
            assert_eq!(free, [vec![300, 200], vec![200]]);
            assert_eq!(view.held().gpu_milli, 300 + 5 * 400);
            assert_eq!(view.running().len(), 2, "a gang is listed once");
        }
    });
    assert_eq!(
        driver.run(&mut strategy).unwrap(),
        ["1.1 w0 1-11 completed", "2.1 w0 11-21 completed", "0.1 w0 0-100 completed"]
    );
    assert_eq!(placed.unwrap().parts(), [part(0, 1, 0b01), part(0, 2, 0b10), part(1, 2, 0b1)]);
}

#[test]
fn whole_devices_of_a_gang_and_its_slowest_part() {
    let jobs = [job(0, 0, 10, 1).gpu(2000).replicas(3)];
    let mut slow = worker(8, 4);
    slow.speed = cloudai_schedulers::Speed::from_millionths(500_000).unwrap();
    let mut driver = Driver::new(vec![worker(8, 3), slow], &jobs);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        FirstFit.schedule_on(cx);
        for (end, task) in cx.view().running() {
            let placement = cx.view().task(task).unwrap().placement().clone();
            assert_eq!(placement.parts(), [part(0, 1, 0b011), part(1, 2, 0b1111)]);
            assert_eq!(end, at(20), "10 s at half speed");
        }
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w0 0-20 completed"]);
}

#[test]
fn the_expected_end_of_a_gang_counts_the_start_up_latency() {
    let config = config(|config| config.startup_latency = secs(3));
    let mut driver = Driver::with_config(config, vec![worker(1, 0); 2], &[job(0, 0, 10, 1).replicas(2)]);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        FirstFit.schedule_on(cx);
        assert!(cx.view().running().iter().all(|&(end, _)| end == at(13)));
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w0 3-13 completed"]);
}

#[test]
fn a_gang_is_refused_as_a_whole() {
    let jobs = [job(0, 0, 10, 3).replicas(3)];
    let mut driver = Driver::new(vec![worker(4, 0), worker(4, 0), worker(8, 0)], &jobs);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let Some(task) = cx.view().queue().next() else { return };
        let mut refused = |parts: &[Part]| {
            let before = format!("{:?}", cx.fork());
            let refusal = cx.place(task, &Placement::gang(parts)).unwrap_err();
            assert_eq!(format!("{:?}", cx.fork()), before, "{refusal}");
            refusal
        };
        // The third part does not fit, after the first two were held.
        let refusal = refused(&[part(0, 1, 0), part(2, 1, 0), part(0, 1, 0)]);
        assert!(matches!(refusal, Refusal::DoesNotFit { worker: WorkerId(0), needed: 3000, free: 1000, .. }));
        assert!(matches!(refused(&[part(2, 2, 0)]), Refusal::WrongReplicas { expected: 3, placed: 2, .. }));
        assert!(matches!(refused(&[part(2, 3, 0), part(0, 0, 0)]), Refusal::WrongReplicas { .. }));
        assert!(matches!(refused(&[part(2, 2, 0), part(9, 1, 0)]), Refusal::UnknownWorker(WorkerId(9))));
        assert!(matches!(refused(&[part(2, 2, 0), part(0, 1, 1)]), Refusal::WrongDevices { .. }));
        assert!(matches!(refused(&[part(2, u32::MAX, 0)]), Refusal::WrongReplicas { .. }));
        assert_eq!(cx.bind(task, WorkerId(2)), Err(Refusal::GangInLane(task)));
        assert!(matches!(cx.assign(task, WorkerId(2)), Err(Refusal::WrongReplicas { .. })));
        cx.place(task, &Placement::gang(&[part(2, 2, 0), part(0, 1, 0)])).unwrap();
    });
    assert_eq!(driver.run(&mut strategy).unwrap(), ["0.1 w2 0-10 completed"]);
}
