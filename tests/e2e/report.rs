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
