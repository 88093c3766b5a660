//! A tuning from beginning to end.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use cloudai_schedulers::{Registry, StrategySpec};
use cloudai_workloads::Problems;

use super::bench::{Bench, Measure};
use super::design::Tuning;
use super::files;
use super::outcome::{Against, Candidate, Reference, Tuned};
use super::search::{Limits, Tried, search};
use super::space::Point;
use crate::sweep::{Options, Plan, SweepError};

/// Tunes: searches on the training scenarios, judges on the held-out ones, and writes `preset.toml` and `trials.csv` into `dir`. The
/// runs are kept in `dir/training` and `dir/heldout`; those that are there already are not run again.
///
/// # Errors
/// [`SweepError`]: a scenario is not in order, training and held-out scenarios share a workload, the default parameters cannot be
/// measured, the folder holds something else, or it was interrupted.
pub fn tune(
    tuning: &Tuning,
    file: &Path,
    dir: &Path,
    registry: &Registry,
    options: &Options<'_>,
) -> Result<Tuned, SweepError> {
    let plan = |design| Plan::new(design, file, registry);
    let (training, heldout) = (plan(tuning.training.clone())?, plan(tuning.heldout.clone())?);
    let strategies = heldout.strategies.clone();
    let bench = |plan, name: &str| Bench::new(plan, dir.join(name), &tuning.objective, registry, *options);
    let (mut training, mut heldout) = (bench(training, "training"), bench(heldout, "heldout"));
    disjoint(&training, &heldout).map_err(|message| Problems::file(file, message))?;
    let (cases, held) = (all(&training), all(&heldout));
    if tuning.budget < 2 * cases.len() as u64 {
        let message = format!(
            "budget: {}: expected at least {}, twice the {} training runs of one strategy",
            tuning.budget,
            2 * cases.len(),
            cases.len()
        );
        return Err(Problems::file(file, message).into());
    }
    open(dir)?;

    let default = tuning.space.base.clone();
    let reference = training.run(std::slice::from_ref(&default), &cases)?.swap_remove(0);
    // Before the search, so that what is wrong with them shows now and not in an hour.
    let mut others = heldout.run(&strategies, &held)?;
    apart(&training, &reference, &heldout, &others[0]).map_err(|message| Problems::file(file, message))?;
    let failed = |message: String| SweepError::from(Problems::file(file, message));
    let (groups, known) = (training.groups.clone(), training.cases.clone());
    let reference = Reference::new(&tuning.objective, &groups, &known, reference).map_err(failed)?;
    let (held_groups, held_known) = (heldout.groups.clone(), heldout.cases.clone());
    let held_reference =
        Reference::new(&tuning.objective, &held_groups, &held_known, others[0].clone()).map_err(failed)?;

    let mut errors = HashMap::new();
    let tried = {
        let of_case: Vec<usize> = known.iter().map(|case| case.group).collect();
        let limits = Limits { budget: tuning.budget, seed: tuning.seed };
        let evaluate = |points: &[Point], cases: &[usize]| -> Result<Vec<Vec<f64>>, SweepError> {
            let specs: Vec<StrategySpec> = points.iter().map(|point| tuning.space.spec(point)).collect();
            let measures = training.run(&specs, cases)?;
            let mut scores = Vec::new();
            for (spec, measures) in specs.iter().zip(measures) {
                let mut score = |(&case, measure): (&usize, &Measure)| {
                    reference.score(case, measure).unwrap_or_else(|reason| {
                        let reason = format!("{}: {reason}", known[case].name);
                        errors.entry(spec.to_string()).or_insert(reason);
                        f64::INFINITY
                    })
                };
                scores.push(cases.iter().zip(&measures).map(&mut score).collect());
            }
            Ok(scores)
        };
        search(&tuning.space, &of_case, limits, reference.scores(), evaluate)?
    };

    let best = best(&tried);
    let spec_of = |number: usize| {
        if number == 0 { default.clone() } else { tuning.space.spec(&tried[number].point) }
    };
    let spec = spec_of(best);
    let in_training = training.run(std::slice::from_ref(&spec), &cases)?.swap_remove(0);
    let (in_heldout, against, shown) = if best == 0 {
        (others[0].clone(), Vec::new(), strategies)
    } else {
        let measures = heldout.run(std::slice::from_ref(&spec), &held)?.swap_remove(0);
        let against: Vec<Against> = strategies
            .iter()
            .zip(others.drain(..))
            .map(|(other, theirs)| held_reference.against(other, &measures, &theirs))
            .collect();
        let mut shown = strategies;
        shown.retain(|other| *other != spec);
        shown.insert(1, spec.clone());
        (measures, against, shown)
    };
    let unfinished = || Problems::file(dir, "runs have vanished meanwhile; expected to be alone there");
    let table = heldout.table(&shown)?.ok_or_else(unfinished)?;
    let scores = reference.scores();
    let candidate = |(number, tried): (usize, &Tried)| candidate(spec_of(number), tried, &scores, &errors);
    let tuned = Tuned {
        name: tuning.name.clone(),
        spec,
        default: default.clone(),
        space: tuning.space.clone(),
        objective: tuning.objective.clone(),
        seed: tuning.seed,
        budget: tuning.budget,
        spent: tried.iter().map(|tried| tried.scores.iter().flatten().count() as u64).sum(),
        candidates: tried.iter().enumerate().map(candidate).collect(),
        training: reference.side(&in_training),
        heldout: held_reference.side(&in_heldout),
        against,
        table,
    };
    files::write(&tuned, dir)?;
    Ok(tuned)
}

fn all(bench: &Bench<'_>) -> Vec<usize> {
    (0..bench.cases.len()).collect()
}

/// The best that ran on every case; the default, which is the first, wins ties.
fn best(tried: &[Tried]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (number, tried) in tried.iter().enumerate() {
        if let Some(score) = tried.complete().filter(|&score| score < best.1) {
            best = (number, score);
        }
    }
    best.0
}

fn candidate(
    spec: StrategySpec,
    tried: &Tried,
    default: &[f64],
    errors: &HashMap<String, String>,
) -> Candidate {
    let ran: Vec<(f64, f64)> =
        tried.scores.iter().zip(default).filter_map(|(score, &default)| Some(((*score)?, default))).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / ran.len().max(1) as f64;
    let score = mean(&mut ran.iter().map(|pair| pair.0));
    Candidate {
        error: errors.get(&spec.to_string()).cloned(),
        iteration: tried.iteration,
        runs: ran.len(),
        score: score.is_finite().then_some(score),
        default_score: mean(&mut ran.iter().map(|pair| pair.1)),
        is_complete: tried.complete().is_some(),
        spec,
    }
}

/// No workload may be on both sides, at whatever load.
fn disjoint(training: &Bench<'_>, heldout: &Bench<'_>) -> Result<(), String> {
    let known: BTreeMap<String, String> =
        training.draws().map(|(draw, case)| (draw, case.name.clone())).collect();
    for (draw, case) in heldout.draws() {
        if let Some(other) = known.get(&draw) {
            let held = &case.name;
            return Err(format!(
                "heldout: {held} has the tasks of the training run {other} ({draw}); expected workloads that the search never sees"
            ));
        }
    }
    Ok(())
}

/// The same by what the workloads turned out to be.
fn apart(
    training: &Bench<'_>,
    reference: &[Measure],
    heldout: &Bench<'_>,
    held: &[Measure],
) -> Result<(), String> {
    let known: HashMap<&str, &str> = reference
        .iter()
        .zip(&training.cases)
        .map(|(measure, case)| (measure.hash.as_str(), case.name.as_str()))
        .collect();
    for (measure, case) in held.iter().zip(&heldout.cases).filter(|(measure, _)| !measure.hash.is_empty()) {
        if let Some(other) = known.get(measure.hash.as_str()) {
            return Err(format!(
                "heldout: {} is the training run {other} under another name (hash {}); expected workloads that the search never sees",
                case.name, measure.hash
            ));
        }
    }
    Ok(())
}

/// The folder: new, empty, or that of a tuning.
fn open(dir: &Path) -> Result<(), SweepError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) if !dir.join("training").is_dir() => {
            let message = "is there already and holds no tuning; expected a new or an empty folder, or that of a tuning";
            Err(Problems::file(dir, message).into())
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(dir).map_err(|source| SweepError::io(dir, "create", source))
        }
        Err(_) if dir.is_file() => Err(SweepError::File { path: dir.to_path_buf() }),
        Err(source) => Err(SweepError::io(dir, "read", source)),
    }
}
