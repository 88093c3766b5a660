//! Reports of sweeps.

use std::collections::BTreeMap;

use cloudai_reports::sweep::{FILES, Report, default_objectives, load, summary_table, write};
use cloudai_reports::{Options, ReportError, TableStyle};
use cloudai_sim::sweep::{Measured, Outcome, Row, Table};

use super::synthetic::sweep as made_up;
use super::{files, text, words};

fn rendered(report: &Report, plots: bool) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    write(report, &report.analyse(), dir.path(), &Options::default().with_plots(plots)).unwrap();
    files(dir.path())
}

/// The rows of a CSV file by column.
fn rows(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(files[name].as_slice());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn the_table_of_a_sweep_names_mean_interval_difference_and_groups() {
    insta::assert_snapshot!("sweep_table", summary_table(&made_up::loads().analyse(), TableStyle::default()));
    insta::assert_snapshot!(
        "sweep_table_one",
        summary_table(&made_up::one().analyse(), TableStyle::default())
    );
}

#[test]
fn the_table_of_a_sweep_fits_the_terminal() {
    for report in [made_up::loads(), made_up::shaken(), made_up::one()] {
        let analysis = report.analyse();
        for width in [40, 60, 80, 120] {
            let text = summary_table(&analysis, TableStyle::new(false, width));
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width, "{longest} > {width}:\n{text}");
            let coloured = summary_table(&analysis, TableStyle::new(true, width));
            let plain = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"]
                .into_iter()
                .fold(coloured, |text, code| text.replace(code, ""));
            assert_eq!(plain, text);
        }
    }
}

#[test]
fn the_page_of_a_sweep_in_words() {
    insta::assert_snapshot!("sweep_page", words(&text(&rendered(&made_up::loads(), true), "index.html")));
    let page = words(&text(&rendered(&made_up::shaken(), true), "index.html"));
    let shaking = page.split("\nShaking\n").nth(1).unwrap().split("\nBackground\n").next().unwrap();
    insta::assert_snapshot!("sweep_page_shaking", shaking);
}

#[test]
fn the_files_of_a_sweep() {
    let files = rendered(&made_up::shaken(), true);
    insta::assert_snapshot!("sweep_files", files.keys().cloned().collect::<Vec<_>>().join("\n"));
    let stored = FILES.iter().all(|name| files.contains_key(*name));
    assert!(
        stored
            && files.keys().all(|name| FILES.contains(&name.as_str())
                || name.contains("_s")
                || name.contains("_res")
                || name.contains("_mean"))
    );
}

#[test]
fn pictures_of_an_earlier_experiment_go_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let put = |report: &Report, plots: bool| {
        write(report, &report.analyse(), dir.path(), &Options::default().with_plots(plots)).unwrap();
    };
    put(&made_up::shaken(), true);
    assert!(files(dir.path()).contains_key("shaking_mean_wait_s.svg"));
    let foreign = ["shaking_hands.png", "differences_mean_wait_s.txt", "makespan.svg", "results.csv"];
    for name in foreign {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    std::fs::write(dir.path().join("gpu_allocation_openb.png"), "of a third experiment").unwrap();
    std::fs::create_dir(dir.path().join("shaking_gap_to_bound.svg")).unwrap();

    let beside = |plots: bool| {
        let mut all = rendered(&made_up::one(), plots);
        all.extend(foreign.map(|name| (name.to_owned(), b"mine".to_vec())));
        all
    };
    // One run a strategy: neither shaking nor loads are left.
    put(&made_up::one(), true);
    assert!(files(dir.path()) == beside(true));
    put(&made_up::one(), false);
    assert!(files(dir.path()) == beside(false));
    assert!(dir.path().join("shaking_gap_to_bound.svg").is_dir());
}

#[test]
fn summaries_and_differences_as_csv() {
    let files = rendered(&made_up::loads(), false);
    let summary = rows(&files, "summary.csv");
    let of = |rows: &[BTreeMap<String, String>], scope: &str, load: &str, strategy: &str| {
        let matches = |row: &&BTreeMap<String, String>| {
            row["metric"] == "mean_wait_s"
                && row["scope"] == scope
                && row["load"] == load
                && row["strategy"] == strategy
        };
        rows.iter().find(matches).cloned().unwrap()
    };
    let number = |row: &BTreeMap<String, String>, column: &str| row[column].parse::<f64>().unwrap();
    // The mean over all conditions is the mean of the three loads, each over twelve seeds.
    let overall = of(&summary, "all", "", "easy");
    let loads = ["0.7", "0.9", "1.1"].map(|load| of(&summary, "condition", load, "easy"));
    let mean = loads.iter().map(|row| number(row, "mean")).sum::<f64>() / 3.0;
    assert!((number(&overall, "mean") - mean).abs() < 1e-5, "{overall:?}");
    assert_eq!((overall["n"].as_str(), loads[0]["n"].as_str()), ("12", "12"));
    for row in loads.iter().chain([&overall]) {
        let bounds = ["min", "ci_low", "mean", "ci_high", "max"].map(|column| number(row, column));
        assert!(bounds.is_sorted(), "{row:?}");
    }
    // A count that never changes has no interval, and says why.
    let constant = summary.iter().find(|row| row["metric"] == "completed").unwrap();
    assert_eq!((constant["ci_low"].as_str(), constant["note"].as_str()), ("", "identical values"));

    let differences = rows(&files, "differences.csv");
    let easy = of(&differences, "all", "", "easy");
    let base = of(&summary, "all", "", "fcfs");
    assert!((number(&easy, "difference") - (mean - number(&base, "mean"))).abs() < 1e-5);
    assert!((number(&easy, "relative") - number(&easy, "difference") / number(&base, "mean")).abs() < 1e-5);
    assert_eq!(
        (easy["baseline"].as_str(), easy["lower"].as_str(), easy["higher"].as_str()),
        ("fcfs", "12", "0")
    );
    // Exactly 2 / 2^12; four strategies are compared, three of them so.
    assert_eq!((easy["p"].as_str(), number(&easy, "p_holm")), ("4.8828125e-4", 0.001_953));
    assert!(differences.iter().all(|row| row["strategy"] != "fcfs"));

    let ranking = rows(&files, "ranking.csv");
    let order: Vec<&str> = ranking[..5].iter().map(|row| row["strategy"].as_str()).collect();
    assert_eq!(order[0], "queue(order=sjf,backfill=easy)");
    assert_eq!(ranking[0]["letters"], "a");
}

#[test]
fn an_accident_of_one_trace_is_seen_as_such() {
    let shaking = rows(&rendered(&made_up::shaken(), false), "shaking.csv");
    let kept = |strategy: &str| -> u32 {
        let mine = shaking.iter().filter(|row| row["strategy"] == strategy && row["metric"] == "mean_wait_s");
        mine.map(|row| row["kept"].parse::<u32>().unwrap()).sum()
    };
    // Twenty copies of each of two traces at two loads. EASY is better by far, greedy by half a percent.
    assert_eq!(kept("easy"), 80);
    assert!((30..=65).contains(&kept("greedy")), "{}", kept("greedy"));
}

#[test]
fn a_sweep_that_is_loaded_renders_the_same_bytes() {
    for (name, report) in made_up::all().into_iter().filter(|(name, _)| *name != "sweep-many") {
        let dir = tempfile::tempdir().unwrap();
        report.table.write_csv(std::fs::File::create(dir.path().join("results.csv")).unwrap()).unwrap();
        write(&report, &report.analyse(), dir.path(), &Options::default()).unwrap();
        let loaded = load(dir.path()).unwrap();
        assert_eq!(loaded, report, "{name}");
        let mut first = files(dir.path());
        first.remove("results.csv");
        assert!(first == rendered(&loaded, true), "{name}");
    }
}

#[test]
fn what_cannot_be_loaded_is_told_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(load(dir.path()).unwrap_err(), ReportError::NoReport { .. }));
    std::fs::write(dir.path().join("results.csv"), "cell,scenario\n").unwrap();
    let message = load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("results.csv: not the results of a sweep of this version: line 1"), "{message}");
    let report = made_up::one();
    report.table.write_csv(std::fs::File::create(dir.path().join("results.csv")).unwrap()).unwrap();
    let bare = load(dir.path()).unwrap();
    assert_eq!((bare.table, bare.baseline), (report.table, None));
    std::fs::write(dir.path().join("report.json"), "{\"scenario\": 1}").unwrap();
    assert!(matches!(load(dir.path()).unwrap_err(), ReportError::Parse { .. }));
    let text = std::fs::read_to_string(dir.path().join("results.csv")).unwrap();
    std::fs::write(dir.path().join("results.csv"), text.replacen("mean_wait_s", "mean_wiat_s", 1)).unwrap();
    let message = load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("results.csv: "), "{message}");
    assert!(message.ends_with("line 1: mean_wiat_s: \"mean_wiat_s\": expected mean_wait_s"), "{message}");
}

#[test]
fn objectives_are_those_that_vary() {
    assert_eq!(
        default_objectives(&made_up::one().table),
        ["mean_wait_s", "mean_bounded_slowdown", "makespan_s", "resource_utilization"]
    );
    assert_eq!(default_objectives(&Table::new()), ["mean_wait_s"]);
}

#[test]
fn names_of_a_sweep_cannot_become_markup() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[31m";
    let mut report = made_up::shaken();
    report.name = evil.into();
    report.about = evil.into();
    report.experiment = evil.into();
    for factor in &mut report.table.factors {
        if factor.name == "scenario" || factor.name == "strategy" {
            factor.levels[0] = evil.into();
        }
    }
    report.table.rows[0].outcome = Outcome::Failed(evil.into());
    for (name, bytes) in rendered(&report, true) {
        if name.ends_with(".html") || name.ends_with(".svg") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.contains("<script") && !text.contains("<img") && !text.contains('\u{1b}'),
                "{name}"
            );
        }
    }
    assert!(!summary_table(&report.analyse(), TableStyle::default()).contains('\u{1b}'));
}

#[test]
fn odd_sweeps_are_reported_without_panic_and_without_nan() {
    let mut odd = vec![Report::new("", Table::new())];
    for value in [f64::NAN, f64::INFINITY, 1e300, -5.0, 0.0] {
        let mut report = made_up::one();
        for row in &mut report.table.rows {
            if let Outcome::Ran(Measured { metrics, .. }) = &mut row.outcome {
                metrics.fill(Some(value));
            }
        }
        odd.push(report);
    }
    // Nothing ran at all.
    let mut failed = made_up::loads();
    failed.table.rows.iter_mut().for_each(|row: &mut Row| row.outcome = Outcome::Skipped("gangs".into()));
    odd.push(failed);
    // No two strategies have a cell in common.
    let mut apart = made_up::loads();
    let strategies = 5;
    let alone =
        apart.table.rows.iter_mut().filter(|row| row.cell % strategies != row.cell / strategies % strategies);
    alone.for_each(|row| row.outcome = Outcome::Failed("gone".into()));
    odd.push(apart);
    for report in odd {
        let mut texts = vec![summary_table(&report.analyse(), TableStyle::default())];
        let files = rendered(&report, true);
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
