//! A strategy that says which GPU devices a task gets.

use cloudai_schedulers::{DeviceSet, Placement, QueueCursor, Refusal, Resource, SchedulingContext, WorkerId};

use crate::driver::Driver;
use crate::support::{FirstFit, Pass, job, worker};

/// Fractions go to the device with the most left (worst fit), whole devices are taken from the highest.
fn spread(cx: &mut SchedulingContext<'_>) {
    let mut cursor = QueueCursor::default();
    while let Some(task) = cx.next_queued(&mut cursor) {
        let Some(worker) = cx.view().first_fit(task) else { continue };
        let gpu = cx.view().task(task).unwrap().spec().request.gpu;
        let free = cx.view().worker(worker).unwrap().free_devices();
        let mut order: Vec<u32> = (0u32..).take(free.len()).collect();
        order.sort_by_key(|&device| std::cmp::Reverse((free[device as usize], device)));
        let mut devices = DeviceSet::EMPTY;
        order.into_iter().take(gpu.whole_devices().max(1) as usize).for_each(|device| devices.insert(device));
        cx.place(task, &Placement::single(worker, devices)).unwrap();
    }
}

fn jobs() -> Vec<crate::support::Job> {
    vec![
        job(0, 0, 100, 1).gpu(500),
        job(1, 1, 100, 1).gpu(300),
        job(2, 2, 100, 1).gpu(100),
        job(3, 3, 10, 1).gpu(2000),
    ]
}

#[test]
fn spreading_leaves_no_two_whole_devices_packing_does() {
    let run = |packs: bool| {
        let mut driver = Driver::new(vec![worker(8, 4)], &jobs());
        let mut free = Vec::new();
        let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
            if packs {
                FirstFit.schedule_on(cx);
            } else {
                spread(cx);
            }
            free.push(cx.view().workers().next().unwrap().free_devices().to_vec());
        });
        let last = driver.run(&mut strategy).unwrap().pop().unwrap();
        (free, last)
    };
    let (free, last) = run(false);
    assert_eq!(free[2], [1000, 900, 700, 500]);
    assert_eq!(last, "3.1 w0 100-110 completed", "only device 0 is whole until 100");
    let (free, last) = run(true);
    assert_eq!(free[2], [100, 1000, 1000, 1000]);
    assert_eq!(free[3], [100, 0, 0, 1000]);
    assert_eq!(last, "2.1 w0 2-102 completed");
}

#[test]
fn devices_that_do_not_match_are_refused() {
    let mut driver = Driver::new(vec![worker(8, 2)], &jobs()[..2]);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let Some(task) = cx.view().queue().next() else { return };
        let worker = WorkerId(0);
        let mut place = |devices| cx.place(task, &Placement::single(worker, DeviceSet(devices)));
        for devices in [0, 0b11, 0b100, 1 << 63] {
            assert_eq!(place(devices), Err(Refusal::WrongDevices { task, worker }), "{devices:b}");
        }
        if task.index() == 0 {
            place(0b10).unwrap();
        } else {
            place(0b10).unwrap();
            let free = cx.view().workers().next().unwrap().free_devices();
            assert_eq!(free, [1000, 200]);
        }
    });
    driver.run(&mut strategy).unwrap();
}

#[test]
fn a_full_device_is_named_with_what_is_free() {
    let jobs = [job(0, 0, 10, 1).gpu(700), job(1, 0, 10, 1).gpu(400), job(2, 0, 10, 1).gpu(1000)];
    let mut driver = Driver::new(vec![worker(8, 1)], &jobs);
    let mut strategy = Pass(|cx: &mut SchedulingContext<'_>| {
        let queue: Vec<_> = cx.view().queue().collect();
        if queue.len() < 3 {
            return FirstFit.schedule_on(cx);
        }
        let worker = WorkerId(0);
        cx.assign(queue[0], worker).unwrap();
        let full = |needed, free| Err(Refusal::DoesNotFit { worker, resource: Resource::Gpu, needed, free });
        assert_eq!(cx.place(queue[1], &Placement::single(worker, DeviceSet::single(0))), full(400, 300));
        assert_eq!(cx.assign(queue[1], worker), full(400, 300), "the shorthand says the same");
        assert_eq!(cx.assign(queue[2], worker), full(1000, 0), "no device is whole");
    });
    driver.run(&mut strategy).unwrap();
}
