//! Queue orders where several resources or dependencies matter. On one pool of cores: `reference_policies`.

use crate::support::{Case, ONE};

/// One pool of two cores.
const POOL: &str = "worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,2,64,1000,0\n";

#[test]
fn a_task_ages_and_queues_from_when_it_is_eligible() {
    // a arrives first and is eligible last, when p ends.
    let rows = [
        "arrival_s duration_s cpu_cores estimate_s depends_on",
        "p 0 100 2 100 -",
        "a 0 5 2 5 p",
        "b 50 5 2 5 -",
    ];
    let case = Case::new(POOL, &rows);
    for order in ["fcfs", "sjf", "ljf", "smallest_area", "priority,aging=60", "edf", "wfp3", "unicef", "drf"]
    {
        let shown = case.run(&format!("queue(order={order})")).shown();
        assert_eq!(shown[1..], ["b.1 pool 100-105 completed", "a.1 pool 105-110 completed"], "{order}");
    }
}

#[test]
fn scores_that_tie_leave_the_order_of_the_queue() {
    // Of one processor, who has waited comes first, however long it was; c is before b in the file.
    let rows = ["arrival_s duration_s cpu_cores estimate_s", "a 0 10 1 10", "c 5 3 1 3", "b 3 3 1 3"];
    let shown = Case::new(ONE, &rows).run("queue(order=unicef)").shown();
    assert_eq!(shown[1..], ["b.1 w0 10-13 completed", "c.1 w0 13-16 completed"]);
}

#[test]
fn users_who_are_even_stay_so_whenever_their_shares_are_summed_up() {
    // z asks for nothing, so that its end makes no difference to its user but an instant at which past use is summed up.
    for end in ["1.3", "2.7", "3.3", "4.9", "7.1"] {
        for user in ["u", "v"] {
            let z = format!("z 0 {end} 0 0 {user}");
            let rows = [
                "arrival_s duration_s cpu_cores memory_gb user_id",
                "a 0 10 1 1 u",
                "b 0 10 1 1 v",
                &z,
                "d 12 5 2 1 v",
                "c 12 5 2 1 u",
            ];
            let outcome = Case::new(POOL, &rows).run("queue(order=fair_share)");
            assert_eq!(outcome.last("c").wait, Some(0), "{z}: of two that are even the first user");
        }
    }
}
