//! `cloudai tune`: what it prints and leaves, its presets, and what is refused.

use insta::assert_snapshot;

use crate::support::{Place, names};

const TUNING: &str = "
name = 'small'
strategy = 'ai(window=32)'
objective = 'mean_wait_s'
budget = 80

[parameters]
utilization = { from = 0, to = 1 }
starvation = { from = 0, to = 1 }

[[training]]
preset = 'mixed'
tasks = 60
workers = 4
seeds = '0..4'

[[heldout]]
preset = 'mixed'
tasks = 60
workers = 4
seeds = '10..18'
";

#[test]
fn a_preset_runs_as_the_spec_that_it_names() {
    let place = Place::new();
    place.write("t.toml", TUNING);
    let ran = place.good(&["tune", "t.toml", "--out", "out", "--no-plots"]);
    assert_snapshot!("tune-summary", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert!(ran.err.contains("preset: out/preset.toml\n"), "{}", ran.err);
    assert_eq!(names(&place.path("out")), ["heldout", "preset.toml", "training", "trials.csv"]);
    assert!(place.path("out/heldout/index.html").is_file());

    let preset = std::fs::read_to_string(place.path("out/preset.toml")).unwrap();
    assert_snapshot!("tune-preset", preset);
    let spec = preset.lines().find_map(|line| line.strip_prefix("spec = \"")).unwrap().trim_end_matches('"');
    place.good(&["generate", "mixed", "--tasks", "60", "--workers", "4", "--seed", "99", "--out", "s"]);
    let of =
        |strategy: &str| place.good(&["simulate", "s", "--strategy", strategy, "--json", "--no-plots"]).out;
    assert_eq!(of("@out/preset.toml"), of(spec));
    assert_eq!(of("fcfs,@out/preset.toml,greedy"), of(&format!("fcfs,{spec},greedy")));
    let base = place.good(&["simulate", "s", "-s", "fcfs", "--baseline", "@out/preset.toml", "--no-plots"]);
    assert!(base.out.contains("ai(window=32,"), "{}", base.out);

    let again = place.good(&["tune", "t.toml", "--out", "out", "--no-plots", "--jobs", "1"]);
    assert_eq!(again.out, ran.out);
}

#[test]
fn faults_are_told_with_line_key_value_and_what_was_expected() {
    let place = Place::new();
    place.write(
        "t.toml",
        "speed = 3
strategy = 'queue(order=sjf)'
objective = { mean_wait_s = 0, resource_utilization = 1 }
budget = 0
baselines = ['nope']
[parameters]
order = ['fcfs']
backfill = ['easy', 'hard']
aging = { from = 5, to = 2 }
half_life_h = { from = 0, to = 2, scale = 'cubic', step = 1 }
placement = { from = 0, to = 1 }
window = 'full'
[[training]]
preset = 'mixed'
",
    );
    let ran = place.run(&["tune", "t.toml", "--out", "out"]);
    assert_eq!(ran.code, Some(2));
    assert_snapshot!("tune-faults", ran.err);
    assert_eq!(place.names(), ["t.toml"]);
}

#[test]
fn what_is_no_preset_is_refused() {
    let place = Place::new();
    place.good(&["generate", "mixed", "--tasks", "10", "--workers", "2", "--out", "s"]);
    place.write("no-spec.toml", "name = 'x'\n");
    place.write("no-strategy.toml", "\nspec = 'aj(window=3)'\n");
    place.write("no-toml.toml", "spec = \n");
    let mut told = String::new();
    for preset in ["missing.toml", "no-spec.toml", "no-strategy.toml", "no-toml.toml"] {
        let ran = place.run(&["simulate", "s", "--strategy", &format!("@{preset}")]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        told += &ran.err;
    }
    assert_snapshot!("tune-presets", told);
}
