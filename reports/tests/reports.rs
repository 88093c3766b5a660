//! Reports of small comparisons, checked as a whole.
#![allow(clippy::unwrap_used)] // Helpers of tests panic as tests do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cloudai_reports::{Options, ReportError, TableStyle, load, table, write};
use cloudai_sim::result::{
    CdfPoint, Comparison, GanttBar, GpuPoint, LoadRow, Skipped, StrategyKind, StrategyResult, Timeline,
};

mod sweep;
mod synthetic;

/// Three strategies with round numbers.
fn small() -> Comparison {
    let result = |spec: &str, kind, makespan: f64, wait: f64| {
        let mut result =
            StrategyResult { spec: spec.into(), folder: spec.into(), kind, ..Default::default() };
        let metrics = &mut result.metrics;
        metrics.strategy = spec.into();
        metrics.makespan_s = Some(makespan);
        metrics.mean_wait_s = Some(wait);
        metrics.p95_wait_s = Some(wait * 3.0);
        metrics.mean_turnaround_s = Some(wait + 100.0);
        metrics.resource_utilization = Some(600.0 / makespan);
        metrics.load_variance = Some(0.125);
        metrics.completed = 10;
        metrics.lower_bound_s = Some(900.0);
        metrics.gap_to_bound = Some(makespan / 900.0);
        metrics.mean_turnaround_bound_s = Some(100.0);
        metrics.seed = 42;
        metrics.estimates = "column".into();
        metrics.version = "0.1.0".into();
        metrics.scenario_hash = "0123abcd".into();
        result.gantt = vec![GanttBar {
            worker: 0,
            task: "t1".into(),
            start_s: 0.0,
            end_s: makespan,
            cpu_cores: 2.0,
            status: "completed".into(),
        }];
        result.wait_cdf =
            vec![CdfPoint { wait_s: 0.0, share: 0.5 }, CdfPoint { wait_s: wait * 3.0, share: 1.0 }];
        result
    };
    let mut ai = result("ai", StrategyKind::Other, 960.0, 24.0);
    ai.metrics.load_variance = None;
    ai.metrics.failed = 1;
    ai.metrics.completed = 9;
    Comparison {
        scenario: "small".into(),
        source: Some("made up\nin two lines\n".into()),
        tasks: 10,
        workers: vec!["w1".into(), "w2".into()],
        settings: vec![("on_full".into(), "wait".into())],
        foreknowledge: "estimates of the file's column".into(),
        baseline: Some("greedy".into()),
        strategies: vec![
            result("greedy", StrategyKind::Immediate, 1200.0, 60.0),
            result("fcfs", StrategyKind::Queue, 1080.0, 90.0),
            ai,
        ],
        skipped: vec![Skipped { spec: "fgd".into(), reason: "needs GPUs".into() }],
    }
}

/// Every file below `dir` by its path.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn rendered(comparison: &Comparison, plots: bool) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    write(comparison, dir.path(), &Options::default().with_plots(plots)).unwrap();
    files(dir.path())
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

/// What a page says, without markup and pictures.
fn words(page: &str) -> String {
    let mut rest = page.to_owned();
    for element in ["style", "svg"] {
        while let Some(start) = rest.find(&format!("<{element}")) {
            let close = format!("</{element}>");
            let end = rest[start..].find(&close).unwrap() + start + close.len();
            rest.replace_range(start..end, "");
        }
    }
    let mut plain = String::new();
    let mut inside = false;
    for c in rest.replace("</td>", " | ").replace("</th>", " | ").chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_table_names_units_baseline_bounds_and_queue() {
    insta::assert_snapshot!("table", table(&small(), TableStyle::default()));
}

#[test]
fn where_tasks_are_rejected_the_best_queue_is_the_one_that_completed_most() {
    let mut comparison = small();
    for (at, result) in comparison.strategies.iter_mut().enumerate() {
        result.kind = if at < 2 { StrategyKind::Queue } else { StrategyKind::Other };
    }
    let (quick, slow) = (0, 1);
    comparison.strategies[quick].metrics.makespan_s = Some(1.0);
    comparison.strategies[quick].metrics.completed = 4;
    comparison.strategies[slow].metrics.completed = 9;
    comparison.strategies[slow].metrics.gpu_allocation = Some(0.9512);
    let (quick, slow) = (comparison.strategies[quick].spec.clone(), comparison.strategies[slow].spec.clone());
    let words = |comparison: &Comparison| table(comparison, TableStyle::new(false, 1000));
    assert!(words(&comparison).contains(&format!("Best batch-mode queue: {quick}, makespan")));
    comparison.settings = vec![("on_full".to_owned(), "reject".to_owned())];
    let told = words(&comparison);
    let expected = format!(
        "Best batch-mode queue, as tasks that do not start at once are rejected: {slow}, 9 tasks completed, \
         95.1% of the GPUs in use at the last arrival"
    );
    assert!(told.contains(&expected), "{told}");
    assert!(!told.contains("No schedule of all tasks"), "{told}");
}

#[test]
fn a_coloured_table_is_the_same_table() {
    let plain = table(&small(), TableStyle::default());
    let mut coloured = table(&small(), TableStyle::new(true, 80));
    assert!(coloured.contains("\x1b[32m"));
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn a_table_fits_the_terminal() {
    for comparison in [small(), synthetic::mixed()] {
        for width in [40, 60, 80, 100, 140] {
            let text = table(&comparison, TableStyle::new(false, width));
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest} > {width}:\n{text}");
        }
    }
}

#[test]
fn the_files_of_a_strategy_say_what_they_should() {
    let files = rendered(&small(), false);
    insta::assert_snapshot!("performance_metrics", text(&files, "ai/performance_metrics.txt"));
    insta::assert_snapshot!("metrics_json", text(&files, "ai/metrics.json"));
    assert!(text(&files, "greedy/performance_metrics.txt").contains("This strategy is the baseline."));
    let mut comparison = small();
    comparison.baseline = None;
    let files = rendered(&comparison, false);
    assert!(text(&files, "ai/performance_metrics.txt").contains("There is no baseline"));
}

#[test]
fn the_comparison_as_csv() {
    insta::assert_snapshot!("comparison_csv", text(&rendered(&small(), false), "comparison.csv"));
}

#[test]
fn the_page_in_words() {
    insta::assert_snapshot!("page", words(&text(&rendered(&small(), true), "index.html")));
}

#[test]
fn the_files_of_a_report() {
    let names: Vec<String> = rendered(&small(), true).into_keys().collect();
    insta::assert_snapshot!("files", names.join("\n"));
}

#[test]
fn a_gpu_curve_has_its_file_and_its_plots() {
    let mut comparison = small();
    let point = |arrived: f64, allocated: f64| GpuPoint {
        arrived,
        allocated,
        fragmented: (1.0 - allocated) / 2.0,
        fragmentation: 0.5,
    };
    comparison.strategies[0].gpu_curve = vec![point(0.5, 0.5), point(1.0, 0.925), point(1.3, 0.95)];
    let files = rendered(&comparison, true);
    let (with, without) = (&comparison.strategies[0].folder, &comparison.strategies[1].folder);
    let csv = text(&files, &format!("{with}/gpu_curve.csv"));
    assert_eq!(csv.lines().nth(2), Some("100,92.5,3.75,50"), "{csv}");
    assert!(!files.contains_key(&format!("{without}/gpu_curve.csv")));
    let page = text(&files, "index.html");
    assert_eq!(page.matches("gpu_curve.csv</a>").count(), 1);
    for plot in ["gpu_allocation", "gpu_fragmentation"] {
        assert!(page.contains(&format!("{plot}.svg")) && files.contains_key(&format!("{plot}.png")));
        let svg = text(&files, &format!("{plot}.svg"));
        assert!(svg.contains(if plot == "gpu_allocation" { "at the end 95%" } else { "at the end 2.5%" }));
    }
}

#[test]
fn assignments_are_linked_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("fcfs")).unwrap();
    fs::write(dir.path().join("fcfs/assignments.csv"), "").unwrap();
    write(&small(), dir.path(), &Options::default().with_plots(false)).unwrap();
    let page = text(&files(dir.path()), "index.html");
    assert!(page.contains("fcfs/assignments.csv"));
    assert!(!page.contains("greedy/assignments.csv"));
}

#[test]
fn the_same_comparison_gives_the_same_bytes_also_when_loaded() {
    for (name, comparison) in synthetic::all() {
        let dir = tempfile::tempdir().unwrap();
        write(&comparison, dir.path(), &Options::default()).unwrap();
        let loaded = load(dir.path()).unwrap();
        assert_eq!(loaded, comparison, "{name}");
        let first = files(dir.path());
        assert!(first == rendered(&loaded, true), "{name}");
    }
}

#[test]
fn pictures_are_whole_and_not_heavy() {
    for (name, bytes) in rendered(&synthetic::large(), true) {
        if name.ends_with(".png") {
            assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000 && bytes.len() < 400_000, "{name}");
        } else if name.ends_with(".svg") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                text.starts_with("<svg ") && text.ends_with("</svg>\n") && text.len() < 400_000,
                "{name}"
            );
        }
    }
}

#[test]
fn names_cannot_become_markup() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m";
    let mut comparison = synthetic::mixed();
    comparison.scenario = evil.into();
    comparison.source = Some(evil.into());
    comparison.workers[0] = evil.into();
    comparison.settings = vec![(evil.into(), evil.into())];
    comparison.foreknowledge = evil.into();
    comparison.skipped = vec![Skipped { spec: evil.into(), reason: evil.into() }];
    comparison.baseline = Some(evil.into());
    comparison.strategies.truncate(2);
    let result = &mut comparison.strategies[0];
    result.spec = evil.into();
    result.metrics.version = evil.into();
    result.metrics.estimates = evil.into();
    result.metrics.scenario_hash = evil.into();
    result.timeline.load[0].label = evil.into();
    for bar in &mut result.gantt {
        bar.task = evil.into();
        bar.status = evil.into();
    }
    for (name, bytes) in rendered(&comparison, true) {
        if name.ends_with(".html") || name.ends_with(".svg") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.contains("<script") && !text.contains("<img") && !text.contains('\u{1b}'),
                "{name}"
            );
        } else if name.ends_with(".txt") {
            assert!(!bytes.contains(&0x1b), "{name}");
        }
    }
    assert!(!table(&comparison, TableStyle::default()).contains('\u{1b}'));
}

#[test]
fn a_folder_cannot_lead_out_of_the_report() {
    for folder in ["", ".", "..", "../x", "a/b", "/x", "a\\b", "a/"] {
        let mut comparison = small();
        comparison.strategies[0].folder = folder.into();
        let dir = tempfile::tempdir().unwrap();
        let error = write(&comparison, dir.path(), &Options::default()).unwrap_err();
        assert!(matches!(error, ReportError::Folder { .. }), "{folder:?}: {error}");
        assert!(files(dir.path()).is_empty());
    }
    let mut comparison = small();
    comparison.strategies[1].folder = "greedy".into();
    let error = write(&comparison, tempfile::tempdir().unwrap().path(), &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "strategies `greedy` and `fcfs` share the folder `greedy`; expected one folder each"
    );
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(matches!(load(&missing).unwrap_err(), ReportError::NoReport { .. }));
    fs::write(dir.path().join("report.json"), "{\"scenario\": 1}").unwrap();
    let message = load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("report.json:1:14: not a report of this version: invalid type"), "{message}");
    fs::write(dir.path().join("file"), "").unwrap();
    let message = write(&small(), &dir.path().join("file"), &Options::default()).unwrap_err().to_string();
    assert!(message.starts_with("cannot write ") && message.contains("file"), "{message}");
}

/// Results that no simulator should produce, and some that it does.
fn degenerate() -> Vec<Comparison> {
    let bare = StrategyResult { spec: "bare".into(), folder: "bare".into(), ..Default::default() };
    let mut instant = bare.clone();
    instant.metrics.makespan_s = Some(0.0);
    instant.metrics.lower_bound_s = Some(0.0);
    instant.timeline = Timeline { cpu: vec![1.0], load: vec![LoadRow::default()], ..Default::default() };
    instant.wait_cdf = vec![CdfPoint { wait_s: 0.0, share: 1.0 }];
    instant.gantt = vec![GanttBar {
        worker: 7,
        task: String::new(),
        start_s: 0.0,
        end_s: 0.0,
        cpu_cores: 0.0,
        status: String::new(),
    }];
    let broken = |value: f64| {
        let mut result = instant.clone();
        let metrics = &mut result.metrics;
        metrics.makespan_s = Some(value);
        metrics.mean_wait_s = Some(value);
        metrics.mean_turnaround_s = Some(value);
        metrics.cpu_utilization = Some(value);
        metrics.load_variance = Some(value);
        metrics.gap_to_bound = Some(value);
        metrics.work_lost_s = value;
        metrics.completed = u64::MAX;
        let series = vec![value, 0.5, value];
        result.timeline = Timeline {
            start_s: value,
            bin_s: value,
            cpu: series.clone(),
            memory: series.clone(),
            gpu: series.clone(),
            queue: series.clone(),
            load: vec![
                LoadRow { label: "a".into(), load: series },
                LoadRow { label: "b".into(), load: vec![value] },
            ],
        };
        result.wait_cdf =
            vec![CdfPoint { wait_s: value, share: value }, CdfPoint { wait_s: 1.0, share: 1.0 }];
        for (field, task) in [(0, "a"), (1, "b"), (2, "c")] {
            result.gantt.push(GanttBar {
                worker: u32::MAX,
                task: task.into(),
                start_s: if field == 0 { value } else { 0.0 },
                end_s: if field == 1 { value } else { 1.0 },
                cpu_cores: if field == 2 { value } else { 1.0 },
                status: "completed".into(),
            });
        }
        result
    };
    let mut comparisons = vec![Comparison::default()];
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, -5.0, 1e-300, 0.0].map(broken);
    for (i, result) in [bare, instant].into_iter().chain(odd).enumerate() {
        let with = |baseline: Option<&str>| Comparison {
            tasks: 1,
            baseline: baseline.map(Into::into),
            strategies: vec![
                result.clone(),
                StrategyResult { spec: "b".into(), folder: "b".into(), ..result.clone() },
            ],
            ..Default::default()
        };
        comparisons.push(with(Some("bare")));
        if i < 3 {
            comparisons.extend([with(None), with(Some("gone"))]);
        }
    }
    comparisons
}

#[test]
fn odd_results_are_reported_without_panic_and_without_nan() {
    for comparison in degenerate() {
        let mut texts =
            vec![table(&comparison, TableStyle::default()), table(&comparison, TableStyle::new(true, 1))];
        let files = rendered(&comparison, true);
        texts.extend(
            files
                .into_iter()
                .filter(|(name, _)| !name.ends_with(".png"))
                .map(|(name, bytes)| format!("{name}\n{}", String::from_utf8(bytes).unwrap())),
        );
        for text in texts {
            let mut tokens = text.split(|c: char| !c.is_alphanumeric());
            assert!(!tokens.any(|token| token == "NaN" || token == "inf"), "{text}");
        }
    }
}
