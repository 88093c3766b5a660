//! The plots of a sweep.
//!
//! A strategy has one stroke, its place in the table, in all of them.

mod forest;
mod sensitivity;
mod shaking;
mod value_axis;

use std::path::Path;

use cloudai_sim::analysis::{Analysis, Findings};
use cloudai_sim::sweep::Table;
use rayon::prelude::*;

use super::curves;
use crate::ReportError;
use crate::plots::scene::Scene;
use crate::plots::{Plot, fonts, gpu_curve, store};

/// At most so many scenarios have sensitivity plots of their own.
const MOST_SCENARIOS: usize = 6;

/// The plots, as the page embeds them.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// By objective: differences and sensitivity.
    pub(super) objectives: Vec<Plots>,
    /// By objective: shaking, if there is any.
    pub(super) shaking: Vec<Option<Plot>>,
    /// By scenario: its name, and its GPU curves.
    pub(super) gpu: Vec<(String, [Plot; 2])>,
}

impl Drawn {
    /// The names of the pictures' files, without extension.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let of_objectives = self.objectives.iter().flat_map(|plots| plots.shown.iter().chain(&plots.folded));
        let of_gpu = self.gpu.iter().flat_map(|(_, plots)| plots);
        of_objectives.chain(self.shaking.iter().flatten()).chain(of_gpu).map(|plot| plot.name.as_str())
    }
}

/// The plots of one objective.
#[derive(Debug, Default)]
pub(super) struct Plots {
    /// Differences, and sensitivity in the first scenario.
    pub(super) shown: Vec<Plot>,
    /// Sensitivity in the others.
    pub(super) folded: Vec<Plot>,
}

/// A plot to draw; they are drawn in parallel.
enum Job<'a> {
    Forest(&'a Findings),
    Sensitivity(&'a Findings, usize),
    Shaking(&'a Findings),
}

/// Draws every plot into its files in `dir`.
pub(super) fn write(table: &Table, analysis: &Analysis, dir: &Path) -> Result<Drawn, ReportError> {
    let fonts = fonts(dir)?;
    let draw = |job: &Job<'_>| {
        let scene: Scene = match job {
            Job::Forest(findings) => forest::draw(analysis, findings, &fonts),
            Job::Sensitivity(findings, index) => {
                sensitivity::draw(analysis, findings, &findings.sensitivity[*index], &fonts)
            }
            Job::Shaking(findings) => shaking::draw(analysis, findings, &fonts),
        };
        store(scene, dir, &job.name(), &fonts)
    };
    let mut drawn = Drawn::default();
    for findings in &analysis.findings {
        let mut jobs = Vec::new();
        if analysis.baseline.is_some() && findings.ranked.len() > 1 {
            jobs.push(Job::Forest(findings));
        }
        let mut scenarios: Vec<&str> = findings.sensitivity.iter().map(|s| s.scenario.as_str()).collect();
        scenarios.dedup();
        scenarios.truncate(MOST_SCENARIOS);
        let shown = |index: &usize| scenarios.contains(&findings.sensitivity[*index].scenario.as_str());
        jobs.extend((0..findings.sensitivity.len()).filter(shown).map(|i| Job::Sensitivity(findings, i)));
        let first = |job: &&Job<'_>| match job {
            Job::Sensitivity(findings, index) => {
                scenarios.first() == Some(&findings.sensitivity[*index].scenario.as_str())
            }
            Job::Forest(_) | Job::Shaking(_) => true,
        };
        let shown = jobs.iter().take_while(first).count();
        let plots: Result<Vec<Plot>, ReportError> = jobs.par_iter().map(draw).collect();
        let mut plots = plots?;
        let folded = plots.split_off(shown);
        drawn.objectives.push(Plots { shown: plots, folded });
        let shaken = (!findings.shaking.is_empty()).then(|| draw(&Job::Shaking(findings)));
        drawn.shaking.push(shaken.transpose()?);
    }
    let curves = curves::by_scenario(table, analysis);
    for comparison in curves.iter().take(MOST_SCENARIOS) {
        let scenario =
            if curves.len() == 1 { String::new() } else { format!("_{}", safe(&comparison.scenario)) };
        let allocation = gpu_curve::allocation(comparison, &fonts);
        let fragmentation = gpu_curve::fragmentation(comparison, &fonts);
        let plots = [
            store(allocation, dir, &format!("gpu_allocation{scenario}"), &fonts)?,
            store(fragmentation, dir, &format!("gpu_fragmentation{scenario}"), &fonts)?,
        ];
        drawn.gpu.push((comparison.scenario.clone(), plots));
    }
    Ok(drawn)
}

impl Job<'_> {
    fn name(&self) -> String {
        match self {
            Self::Forest(findings) => format!("differences_{}", safe(&findings.objective.metric)),
            Self::Sensitivity(findings, index) => {
                let sensitivity = &findings.sensitivity[*index];
                let only = findings.sensitivity.iter().all(|other| other.scenario == sensitivity.scenario);
                let scenario = if only { String::new() } else { format!("_{}", safe(&sensitivity.scenario)) };
                let factor = safe(&sensitivity.factor);
                format!("sensitivity_{}_{factor}{scenario}", safe(&findings.objective.metric))
            }
            Self::Shaking(findings) => format!("shaking_{}", safe(&findings.objective.metric)),
        }
    }
}

/// A name as part of a file's name.
fn safe(name: &str) -> String {
    name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect()
}

/// Whether a name of a file keeps this character.
pub(super) fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}
