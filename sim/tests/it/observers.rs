//! Observers agree with each other.

use cloudai_schedulers::Registry;
use cloudai_sim::observers::gantt::MOST_BARS;
use cloudai_sim::observers::gpu_curve::GpuCurve;
use cloudai_sim::result::GpuPoint;
use cloudai_sim::{Hooks, run};

use crate::strategies::{play, start_all};
use crate::support::{Case, FOUR, Outcome, close};

fn bundled(name: &str) -> Case {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads").join(name);
    let location = cloudai_workloads::Location::Folder(folder);
    Case::at(cloudai_workloads::Scenario::check(&location).unwrap(), tempfile::tempdir().unwrap())
}

/// The integral of a series of averages over equal bins; the last one ends with the run.
#[expect(clippy::cast_precision_loss, reason = "few bins")]
fn integral(series: &[f64], bin_s: f64, length_s: f64) -> f64 {
    let bin = |(at, value): (usize, &f64)| value * bin_s.min(length_s - at as f64 * bin_s);
    series.iter().enumerate().map(bin).sum()
}

/// Averages of the timeline against the metrics.
fn check_timeline(outcome: &Outcome, what: &str) {
    let (timeline, metrics) = (&outcome.timeline, &outcome.metrics);
    let length = metrics.makespan_s.unwrap();
    let average = |series: &[f64]| integral(series, timeline.bin_s, length) / length;
    let shares = [
        (&timeline.cpu, metrics.cpu_utilization),
        (&timeline.memory, metrics.memory_utilization),
        (&timeline.gpu, metrics.gpu_utilization),
    ];
    for (series, utilization) in shares {
        let utilization = utilization.unwrap_or(0.0);
        assert!(close(average(series), utilization, 1e-9), "{what}: {} {utilization}", average(series));
    }
    let bins = timeline.cpu.len();
    assert!(timeline.queue.len() == bins && timeline.load.iter().all(|row| row.load.len() == bins));
    let in_range = |series: &[f64]| series.iter().all(|value| (0.0..=1.0 + 1e-9).contains(value));
    assert!(in_range(&timeline.cpu) && in_range(&timeline.memory) && in_range(&timeline.gpu), "{what}");
    assert!(timeline.load.iter().all(|row| in_range(&row.load)), "{what}");
}

#[test]
fn the_timeline_averages_to_the_utilizations() {
    for name in ["mixed-100x5", "ml-60x4", "dag-80x4"] {
        for spec in ["fcfs", "greedy", "ai"] {
            check_timeline(&bundled(name).run(spec), name);
        }
    }
    check_timeline(&bundled("mixed-100x5").set("startup_latency_s", "3").run("fcfs"), "latency");
}

#[test]
fn the_queue_of_the_timeline_holds_everybodys_wait() {
    for spec in ["fcfs", "greedy"] {
        let outcome = bundled("mixed-100x5").run(spec);
        let waited: f64 = outcome.metrics.mean_wait_s.unwrap() * 100.0;
        let timeline = &outcome.timeline;
        let area = integral(&timeline.queue, timeline.bin_s, outcome.metrics.makespan_s.unwrap());
        assert!(close(area, waited, 1e-9), "{spec}: {area} {waited}");
    }
}

#[test]
fn the_load_of_one_worker_is_its_dominant_share() {
    let case = Case::new(FOUR, &["arrival_s duration_s cpu_cores memory_gb", "a 0 8 1 32", "b 4 4 3 32"]);
    let outcome = case.run("fcfs");
    // 1/4 cpu and 1/2 memory for 4 s, then everything for 4 s.
    let timeline = &outcome.timeline;
    assert!(close(integral(&timeline.load[0].load, timeline.bin_s, 8.0), 6.0, 1e-9));
    assert!(close(integral(&timeline.cpu, timeline.bin_s, 8.0), 5.0, 1e-9));
    assert_eq!(outcome.metrics.load_variance, Some(0.0), "one worker does not differ from itself");
}

#[test]
fn a_long_run_fits_the_bins() {
    let case =
        Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 0.001 4", "b 3 86400 1", "c 9000000 5 4"]);
    let outcome = case.run("fcfs");
    check_timeline(&outcome, "long");
    assert!((256..=512).contains(&outcome.timeline.cpu.len()), "{}", outcome.timeline.cpu.len());
    assert_eq!(outcome.timeline.start_s, 0.0);
}

#[test]
fn many_workers_share_rows_of_the_heat_map() {
    let mut workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\n".to_owned();
    (0..300).for_each(|at| workers.push_str(&format!("w{at},1,1,1,0\n")));
    let rows: Vec<String> = (0..400).map(|at| format!("t{at} {} 7 1", at % 13)).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let outcome = Case::new(&workers, &table).run("round_robin");
    check_timeline(&outcome, "many workers");
    let load = &outcome.timeline.load;
    assert_eq!(
        (load.len(), load[0].label.as_str(), load[99].label.as_str()),
        (100, "w0 … w2", "w297 … w299")
    );
    let whole = outcome.metrics.makespan_s.unwrap();
    let all: f64 = load.iter().map(|row| integral(&row.load, outcome.timeline.bin_s, whole)).sum();
    assert!(close(all / 100.0 / whole, outcome.metrics.cpu_utilization.unwrap(), 1e-9));
}

#[test]
fn the_distribution_of_waits_rises_to_one() {
    let outcome = bundled("mixed-100x5").run("fcfs");
    let cdf = &outcome.cdf;
    assert!(cdf.windows(2).all(|pair| pair[0].wait_s < pair[1].wait_s && pair[0].share < pair[1].share));
    assert_eq!(cdf.last().unwrap().share, 1.0);
    let longest = outcome.rows.iter().filter_map(|row| row.wait).max().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a second opinion")]
    let longest = longest as f64 / 1e6;
    assert!(close(cdf.last().unwrap().wait_s, longest, 0.002));
    let p95 = outcome.metrics.p95_wait_s.unwrap();
    let at_p95 = cdf.iter().find(|point| point.share >= 0.95).unwrap();
    assert!(close(at_p95.wait_s, p95, 1e-12), "{} {p95}", at_p95.wait_s);
}

#[test]
fn a_run_in_which_nothing_starts_has_no_distribution_and_no_makespan() {
    let case =
        Case::new(FOUR, &["arrival_s duration_s cpu_cores", "a 0 10 1", "b 1 1 1"]).set("on_full", "reject");
    let outcome = case.play(&mut play(|_: &mut cloudai_schedulers::SchedulingContext<'_>| {}));
    assert_eq!(outcome.metrics.rejected, 2);
    assert!(outcome.cdf.is_empty() && outcome.gantt.is_empty());
    let metrics = &outcome.metrics;
    let none = [
        metrics.makespan_s,
        metrics.mean_wait_s,
        metrics.p99_wait_s,
        metrics.mean_turnaround_s,
        metrics.mean_bounded_slowdown,
        metrics.p99_bounded_slowdown,
        metrics.throughput_per_min,
        metrics.jain_fairness,
        metrics.load_variance,
    ];
    assert_eq!(none, [None; 9]);
}

#[test]
fn bars_are_the_attempts_that_ran_and_none_if_there_are_too_many() {
    let of = |tasks: usize| {
        let rows: Vec<String> = (0..tasks).map(|at| format!("t{at} 0 1 4")).collect();
        let mut table = vec!["arrival_s duration_s cpu_cores"];
        table.extend(rows.iter().map(String::as_str));
        Case::new(FOUR, &table).play(&mut play(start_all))
    };
    let outcome = of(MOST_BARS);
    assert_eq!(outcome.gantt.len(), MOST_BARS);
    let bar = &outcome.gantt[1];
    assert_eq!((bar.worker, bar.task.as_str(), bar.start_s, bar.end_s), (0, "t1", 1.0, 2.0));
    assert_eq!((bar.cpu_cores, bar.status.as_str()), (4.0, "completed"));
    assert!(of(MOST_BARS + 1).gantt.is_empty());
}

#[test]
fn a_gang_has_a_bar_on_each_of_its_workers() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,2,8,10,0\nw1,2,8,10,0\n";
    let case = Case::new(workers, &["arrival_s duration_s cpu_cores replicas", "a 0 5 1 3"]);
    let outcome = case.run("fcfs");
    assert_eq!(outcome.shown(), ["a.1 w0;w0;w1 0-5 completed"]);
    let bars: Vec<(u32, f64)> = outcome.gantt.iter().map(|bar| (bar.worker, bar.cpu_cores)).collect();
    assert_eq!(bars, [(0, 2.0), (1, 1.0)]);
}

#[test]
fn gpu_devices_are_in_the_file() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,8,10,3\n";
    let case = Case::new(
        workers,
        &[
            "arrival_s duration_s cpu_cores gpu_cores",
            "a 0 5 1 0.6",
            "b 0 5 1 0.6",
            "c 0 5 1 0.4",
            "d 0 5 1 1",
        ],
    );
    let outcome = case.run("fcfs");
    let devices: Vec<&str> = outcome.rows.iter().map(|row| row.devices.as_str()).collect();
    assert_eq!(devices, ["0", "1", "0", "2"]);
    let metrics = &outcome.metrics;
    assert!(close(metrics.gpu_allocation.unwrap(), 2.6 / 3.0, 1e-12));
    // 0.4 of one device is left. Of the four kinds the two of 0.6 (half of all tasks) and the whole one cannot use it.
    assert!(close(metrics.gpu_fragmentation.unwrap(), 0.75, 1e-12), "{:?}", metrics.gpu_fragmentation);
}

#[test]
fn the_gpu_curve_follows_what_arrives() {
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,8,10,2\n";
    let tasks = [
        "arrival_s duration_s cpu_cores gpu_cores",
        "a 0 100 1 1",
        "b 1 100 1 0.6",
        "c 2 100 1 0.6",
        "d 3 100 1 0",
        "e 4 100 1 0.4",
    ];
    let curve = |case: &Case| {
        let mut curve = GpuCurve::of(&case.scenario, &case.settings)?;
        let mut strategy = Registry::builtin().build(&"first_fit".parse().unwrap()).unwrap();
        let hooks = Hooks::default();
        run(&case.scenario, &case.settings, "first_fit", strategy.as_mut(), &mut curve, hooks).unwrap();
        let round = |share: f64| (share * 1e6).round() / 1e6;
        let row = |point: GpuPoint| {
            [point.arrived, point.allocated, point.fragmented, point.fragmentation].map(round)
        };
        Some(curve.into_points().into_iter().map(row).collect::<Vec<_>>())
    };
    let case = Case::new(workers, &tasks);
    assert_eq!(curve(&case), None, "tasks that wait arrive at a cluster that is fuller by then");
    // After b, 0.4 of the two devices is left. All of the five typical tasks but one cannot use it: two of 0.6, one of 1, one
    // that needs no GPU. c is rejected, d adds nothing to what has arrived.
    let expected = [[0.5, 0.5, 0.1, 0.2], [0.8, 0.8, 0.16, 0.8], [1.1, 0.8, 0.16, 0.8], [1.3, 1.0, 0.0, 0.0]];
    assert_eq!(curve(&case.set("on_full", "reject")).unwrap(), expected);
    let without = Case::new(workers, &["arrival_s duration_s", "a 0 1"]).set("on_full", "reject");
    assert_eq!(curve(&without), None);
}

#[test]
fn the_gpu_curve_is_thinned_out_to_the_first_row_of_each_step() {
    // Each task is 0.05% of the capacity and ends at once: 3,000% arrive.
    let workers = "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,8,8,10,2\n";
    let rows: Vec<String> = (0..60_000).map(|at| format!("t{at} {at} 0.5 0.001 0.001")).collect();
    let mut table = vec!["arrival_s duration_s cpu_cores gpu_cores"];
    table.extend(rows.iter().map(String::as_str));
    let case = Case::new(workers, &table).set("on_full", "reject");
    let mut curve = GpuCurve::of(&case.scenario, &case.settings).unwrap();
    let mut strategy = Registry::builtin().build(&"first_fit".parse().unwrap()).unwrap();
    run(&case.scenario, &case.settings, "first_fit", strategy.as_mut(), &mut curve, Hooks::default())
        .unwrap();
    let arrived: Vec<f64> = curve.into_points().into_iter().map(|point| point.arrived).collect();
    // 30,000 steps of 0.1% become 1,875 of 1.6%.
    assert_eq!(arrived.len(), 1_875);
    assert!(arrived.iter().zip(1..).all(|(&arrived, step)| close(arrived, 0.016 * f64::from(step), 1e-9)));
}
