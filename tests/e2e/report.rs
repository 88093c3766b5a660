//! `cloudai report`.

use crate::support::{Place, bundled, files};

#[test]
fn a_report_is_rendered_again_to_the_byte() {
    let place = Place::new();
    place.good(&["simulate", &bundled("mixed-100x5"), "--out", "r", "--strategy", "fcfs,ai"]);
    let before = files(&place.path("r"));
    for file in ["index.html", "comparison.csv", "fcfs/metrics.json", "ai/gantt.svg", "makespan.png"] {
        std::fs::remove_file(place.path("r").join(file)).unwrap();
    }
    let ran = place.good(&["report", "r"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "report: r/index.html\n"));
    let after = files(&place.path("r"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
}

#[test]
fn what_is_no_report_is_wrong_input() {
    let place = Place::new();
    place.write("broken/report.json", "{\"scenario\": 3}");
    for (folder, why) in [
        ("nowhere", "nowhere holds no report: expected report.json in it"),
        ("broken", "broken/report.json:1:14: not a report of this version"),
    ] {
        let ran = place.run(&["report", folder]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}
