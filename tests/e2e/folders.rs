//! Where results go, and where they do not.

use std::process::Command;

use crate::support::{Place, bundled, files, names};

fn simulate(place: &Place, out: &str) -> crate::support::Ran {
    place.run(&["simulate", &bundled("ml-60x4"), "--strategy", "fcfs", "--no-plots", "--out", out])
}

#[test]
fn an_earlier_report_is_replaced_whole() {
    let place = Place::new();
    let scenario = bundled("ml-60x4");
    let first = ["simulate", &scenario, "--strategy", "fcfs,greedy", "--out", "r"];
    assert_eq!(place.run(&first).code, Some(0));
    assert_eq!(simulate(&place, "r").code, Some(0));
    let left = files(&place.path("r"));
    assert!(
        !left.keys().any(|name| name.starts_with("greedy/") || name.ends_with(".svg")),
        "{:?}",
        left.keys()
    );
    assert_eq!(place.names(), ["r"]);
}

#[test]
fn what_is_not_of_a_report_is_never_replaced() {
    let place = Place::new();
    for (added, reason) in [
        ("notes.txt", "'notes.txt' is no part of it"),
        ("fcfs/notes.txt", "'fcfs/notes.txt' is no part of it"),
        ("mine/thesis.tex", "'mine' is no part of it"),
    ] {
        std::fs::remove_dir_all(place.path("r")).ok();
        assert_eq!(simulate(&place, "r").code, Some(0));
        place.write(&format!("r/{added}"), "years of work");
        let before = files(&place.path("r"));
        let ran = simulate(&place, "r");
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains(reason), "{}", ran.err);
        assert_eq!(files(&place.path("r")), before);
    }
    place.write("other/report.json", "{}");
    place.write("other/thesis.tex", "years of work");
    let ran = simulate(&place, "other");
    assert!(ran.code == Some(2) && ran.err.contains("no report.json of ours"), "{}", ran.err);
    assert_eq!(names(&place.path("other")), ["report.json", "thesis.tex"]);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let place = Place::new();
    std::fs::create_dir(place.path("there")).unwrap();
    std::os::unix::fs::symlink("there", place.path("link")).unwrap();
    assert_eq!(simulate(&place, "link").code, Some(0));
    assert!(place.path("link").is_symlink() && place.path("there/report.json").is_file());
    std::os::unix::fs::symlink("nowhere", place.path("dangling")).unwrap();
    let ran = simulate(&place, "dangling");
    assert!(ran.code == Some(2) && ran.err.contains("dangling: is a link that leads nowhere"), "{}", ran.err);
}

#[test]
fn an_empty_folder_is_used_and_any_other_refused_untouched() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    assert_eq!(simulate(&place, "empty").code, Some(0));
    place.write("thesis/chapter.txt", "years of work");
    let ran = simulate(&place, "thesis");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(
        ran.err.contains("thesis: holds more than an earlier report (no report.json of ours in it)"),
        "{}",
        ran.err
    );
    assert_eq!(names(&place.path("thesis")), ["chapter.txt"]);
    assert_eq!(place.names(), ["empty", "thesis"]);
}

#[test]
fn a_file_in_the_way_is_refused() {
    let place = Place::new();
    place.write("file", "not a folder");
    for out in ["file", "file/below"] {
        let ran = simulate(&place, out);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{}", ran.err);
        assert!(ran.err.contains(&format!("{out}: is not a folder")), "{}", ran.err);
    }
    assert_eq!(std::fs::read_to_string(place.path("file")).unwrap(), "not a folder");
}

#[test]
fn a_place_where_nothing_can_be_made_is_a_failure() {
    if !std::path::Path::new("/proc/self").exists() {
        eprintln!("skipped: there is no /proc here");
        return;
    }
    let place = Place::new();
    let ran = simulate(&place, "/proc/report");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: cannot create /proc/"), "{}", ran.err);
}

#[test]
fn a_full_disk_is_a_failure_that_leaves_nothing_half_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("tiny")).unwrap();
    let tiny = place.path("tiny");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&tiny).output();
    if !mounted.is_ok_and(|mount| mount.status.success()) {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    let ran = place.run(&["simulate", &bundled("mixed-100x5"), "--out", "tiny/r"]);
    let left = names(&tiny);
    assert!(Command::new("umount").arg(&tiny).status().unwrap().success());
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("No space left on device") && ran.err.contains("tiny/"), "{}", ran.err);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_earlier_report_survives_a_run_that_fails() {
    let place = Place::new();
    assert_eq!(simulate(&place, "r").code, Some(0));
    let before = files(&place.path("r"));
    place.write("s/workers.csv", "worker_id,total_cpu,total_memory,total_storage,total_gpu\nw0,4,8,10,0\n");
    place.write("s/tasks.csv", "task_id,arrival_s,duration_s\na,0,-5\n");
    assert_eq!(place.run(&["simulate", "s", "--out", "r"]).code, Some(2));
    assert!(files(&place.path("r")) == before);
}

#[test]
fn a_scenario_is_not_generated_over_something_else() {
    let place = Place::new();
    place.write("s/tasks.csv", "mine");
    let ran = place.run(&["generate", "uniform", "--tasks", "3", "--workers", "1", "--out", "s"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(place.path("s/tasks.csv")).unwrap(), "mine");
    assert_eq!(place.names(), ["s"]);
}
