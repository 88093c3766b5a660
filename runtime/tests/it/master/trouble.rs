//! Whatever happens: no task runs twice at a time, none that was acknowledged is lost, each ends once.

use cloudai_runtime::master::core::Input;
use cloudai_runtime::record::{OnDisconnect, TaskRequest};
use proptest::prelude::*;

use super::world::{Trouble, World};

fn request(world: &mut World, trouble: Trouble) -> TaskRequest {
    let kept = world.dice().happens(trouble.kept);
    let cpu = [0.5, 1.0, 2.0][usize::try_from(world.dice().below(3)).unwrap()];
    TaskRequest {
        docker_image: "image".to_owned(),
        cpu_cores: cpu,
        memory_gb: 0.5,
        on_disconnect: if kept { OnDisconnect::Keep } else { OnDisconnect::Stop },
        ..TaskRequest::default()
    }
}

fn live_through(seed: u64, machines: usize, trouble: Trouble, spec: &str) {
    let mut world = World::new(seed, machines, trouble, spec);
    for _ in 0..40 {
        let count = world.dice().below(4);
        let requests: Vec<TaskRequest> = (0..count).map(|_| request(&mut world, trouble)).collect();
        if !requests.is_empty() {
            world.submit(requests);
        }
        let pause = world.dice().below(40);
        world.run(pause);
        if world.dice().happens(trouble.cancelled) && !world.acknowledged.is_empty() {
            let known = world.acknowledged.len() as u64;
            let chosen = world.dice().below(known);
            let task = world.acknowledged[usize::try_from(chosen).unwrap()].clone();
            world.give_without_answer(|ticket| Input::Cancel(ticket, task));
        }
    }
    world.calm_down();
    world.run(4000);
    for task_id in &world.acknowledged {
        let task = world.task(task_id);
        assert!(task.status.is_over(), "{task:?}");
        assert!(world.kept.results.contains_key(task_id), "{task:?}");
        assert_eq!(task.assignment, None);
    }
    for place in 0..machines {
        assert_eq!(world.held(place), 0, "a worker keeps what the master has stored");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_lost_repeated_and_late(
        seed: u64, lost in 0u64..30, twice in 0u64..30, late in 0u64..20, failing in 0u64..20, cancelled in 0u64..60,
    ) {
        let trouble = Trouble { lost, twice, late, failing, cancelled, kept: 0, deaths: 0 };
        live_through(seed, 3, trouble, "first_fit");
    }

    #[test]
    fn masters_and_workers_die_and_are_cut_off(seed: u64, deaths in 5u64..60, kept in 0u64..50, cancelled in 0u64..40) {
        let trouble = Trouble { lost: 2, twice: 2, late: 2, deaths, kept, cancelled, ..Trouble::NONE };
        live_through(seed, 3, trouble, "ai");
    }

    #[test]
    fn everything_goes_wrong_at_once(seed: u64, deaths in 5u64..80, lost in 0u64..40, late in 0u64..30) {
        let trouble = Trouble { lost, twice: 20, late, deaths, failing: 10, cancelled: 30, kept: 20 };
        live_through(seed, 4, trouble, "greedy");
    }
}
