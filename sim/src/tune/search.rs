//! The search: iterated racing by successive halving.
//!
//! As in irace (López-Ibáñez et al. 2016, "The irace package", section 2): each iteration draws new candidates around the best so
//! far, more closely each time, and races them. The race is successive halving (Jamieson, Talwalkar 2016, "Non-stochastic best arm
//! identification", section 3) instead of a test: all run on a few cases, the better half on twice as many, and so on. It proposes
//! whole batches before it hears of any result, and so is the same on any number of threads.

use std::collections::HashSet;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::space::{Point, Space};

/// Halvings of a race, at most.
const HALVINGS: u32 = 3;

/// How often a candidate that has been there already is drawn anew.
const RETRIES: usize = 100;

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Runs, those of the default included.
    pub(super) budget: u64,
    pub(super) seed: u64,
}

/// A candidate that was tried.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tried {
    pub(super) point: Point,
    /// 0: the default.
    pub(super) iteration: u32,
    /// By case; `None` where it did not run. Lower is better, infinity is a failure.
    pub(super) scores: Vec<Option<f64>>,
}

impl Tried {
    /// The mean score over all cases; `None` unless it ran on each, and failed on none.
    pub(super) fn complete(&self) -> Option<f64> {
        let scores: Option<Vec<f64>> = self.scores.iter().copied().collect();
        let scores = scores.filter(|scores| scores.iter().all(|score| score.is_finite()))?;
        Some(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    fn mean(&self, cases: &[usize]) -> f64 {
        let sum: f64 = cases.iter().map(|&case| self.scores[case].unwrap_or(f64::INFINITY)).sum();
        sum / cases.len() as f64
    }
}

/// A search under way.
#[derive(Debug)]
struct Search<'a> {
    space: &'a Space,
    /// The group that each case belongs to: a prefix of a race has cases of all groups alike.
    groups: &'a [usize],
    random: Pcg64,
    tried: Vec<Tried>,
    seen: HashSet<String>,
    /// How far from their parents candidates are drawn, as a share of the range.
    spread: f64,
}

/// Everything that was tried, the default first.
///
/// `evaluate` gets points and cases (ascending), and returns for each point the scores by case.
pub(super) fn search<E>(
    space: &Space,
    groups: &[usize],
    limits: Limits,
    default: Vec<f64>,
    mut evaluate: impl FnMut(&[Point], &[usize]) -> Result<Vec<Vec<f64>>, E>,
) -> Result<Vec<Tried>, E> {
    let cases = groups.len();
    let point = space.default_point();
    let tried = Tried { point, iteration: 0, scores: default.into_iter().map(Some).collect() };
    let mut search = Search {
        space,
        groups,
        random: Pcg64::seed_from_u64(limits.seed),
        // A default outside of the ranges leaves the nearest point to be tried.
        seen: space
            .is_default(&tried.point)
            .then(|| space.spec(&tried.point).to_string())
            .into_iter()
            .collect(),
        tried: vec![tried],
        spread: 0.5,
    };
    let dimensions = space.dimensions.len();
    let iterations = 2 + dimensions.ilog2();
    let sizes = sizes(cases, groups.iter().max().map_or(1, |last| last + 1));
    let mut left = limits.budget.saturating_sub(cases as u64);
    for iteration in 1..=iterations {
        let share = left / u64::from(iterations - iteration + 1);
        let Some(count) = affordable(share, &sizes).or_else(|| affordable(left, &sizes).map(|_| 1)) else {
            break;
        };
        let order = search.order();
        let mut racing = search.draw(iteration, iterations, count);
        if racing.is_empty() {
            break; // every point has been tried
        }
        let drawn = racing.len();
        let mut done = 0;
        for (rung, &size) in sizes.iter().enumerate() {
            let mut cases: Vec<usize> = order[done..size].to_vec();
            cases.sort_unstable();
            let points: Vec<Point> =
                racing.iter().map(|&number| search.tried[number].point.clone()).collect();
            let scores = evaluate(&points, &cases)?;
            left = left.saturating_sub((points.len() * cases.len()) as u64);
            for (&number, scores) in racing.iter().zip(&scores) {
                for (&case, &score) in cases.iter().zip(scores) {
                    search.tried[number].scores[case] = Some(score);
                }
            }
            done = size;
            let mean = |number: usize| search.tried[number].mean(&order[..size]);
            racing.retain(|&number| mean(number).is_finite());
            // Numbers are unique: the order is total.
            racing.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)).then(a.cmp(&b)));
            racing.truncate(survivors(drawn as u64, rung + 1) as usize);
        }
        search.spread *= libm::pow(1.0 / drawn as f64, 1.0 / dimensions as f64);
    }
    Ok(search.tried)
}

/// How many cases the candidates of a race have run on after each rung; the last is all of them.
fn sizes(cases: usize, groups: usize) -> Vec<usize> {
    let mut sizes = vec![cases];
    let least = groups.max(2);
    while sizes.len() <= HALVINGS as usize && sizes[0].div_ceil(2) >= least && sizes[0] > 1 {
        sizes.insert(0, sizes[0].div_ceil(2));
    }
    sizes
}

/// Candidates that are still there at a rung.
fn survivors(count: u64, rung: usize) -> u64 {
    count.div_ceil(1 << rung)
}

/// Runs of a race of so many candidates.
fn cost(count: u64, sizes: &[usize]) -> u64 {
    let before = std::iter::once(0).chain(sizes.iter().copied());
    let runs = sizes.iter().zip(before).enumerate();
    runs.map(|(rung, (&size, before))| survivors(count, rung) * (size - before) as u64).sum()
}

/// The most candidates that a race within `budget` can have; `None` if not even one.
fn affordable(budget: u64, sizes: &[usize]) -> Option<u64> {
    let (mut low, mut high) = (0, budget + 1); // a candidate has at least one run
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if cost(middle, sizes) <= budget { low = middle } else { high = middle }
    }
    (low > 0).then_some(low)
}

impl Search<'_> {
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle)
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    /// The cases in the order of a race: shuffled, group after group in turn.
    fn order(&mut self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.groups.len()).collect();
        self.shuffle(&mut all);
        let mut met = std::collections::HashMap::new();
        let mut turn = |case: usize| {
            let count = met.entry(self.groups[case]).or_insert(0_usize);
            *count += 1;
            *count
        };
        let mut turns: Vec<(usize, usize)> = all.into_iter().map(|case| (turn(case), case)).collect();
        turns.sort_by_key(|&(turn, _)| turn); // stable
        turns.into_iter().map(|(_, case)| case).collect()
    }

    /// Draws candidates; returns their numbers. Fewer if there are no more.
    fn draw(&mut self, iteration: u32, iterations: u32, count: u64) -> Vec<usize> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let elites = self.elites();
        let mut strata: Vec<Vec<usize>> = Vec::new();
        if iteration == 1 {
            for _ in 0..self.space.dimensions.len() {
                let mut places: Vec<usize> = (0..count).collect();
                self.shuffle(&mut places);
                strata.push(places);
            }
        }
        let mut numbers = Vec::new();
        for place in 0..count {
            for retry in 0..RETRIES {
                let point = if iteration == 1 {
                    let strata = strata.iter().map(|places| (retry == 0).then(|| (places[place], count)));
                    self.anywhere(&strata.collect::<Vec<_>>())
                } else {
                    self.around(&elites, f64::from(iteration - 1) / f64::from(iterations))
                };
                if self.seen.insert(self.space.spec(&point).to_string()) {
                    numbers.push(self.tried.len());
                    let scores = vec![None; self.groups.len()];
                    self.tried.push(Tried { point, iteration, scores });
                    break;
                }
            }
        }
        numbers
    }

    /// The best complete candidates, best first: as many as irace keeps.
    fn elites(&self) -> Vec<usize> {
        let mut complete: Vec<(f64, usize)> =
            (0..).zip(&self.tried).filter_map(|(number, tried)| Some((tried.complete()?, number))).collect();
        complete.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        complete.truncate(2 + self.space.dimensions.len().ilog2() as usize);
        complete.into_iter().map(|(_, number)| number).collect()
    }

    /// A point anywhere; where a stratum (which, of how many) is given, in it (McKay, Beckman, Conover 1979: Latin hypercubes).
    fn anywhere(&mut self, strata: &[Option<(usize, usize)>]) -> Point {
        let space = self.space;
        let place = |(dimension, stratum): (&super::space::Dimension, &Option<(usize, usize)>)| {
            let at = self.uniform();
            let at = stratum.map_or(at, |(which, of)| (which as f64 + at) / of as f64);
            dimension.domain.choices().map_or(at, |count| libm::floor(at * count as f64))
        };
        space.dimensions.iter().zip(strata).map(place).collect()
    }

    /// A point around one of the elites, the better the likelier; choices are kept with this chance.
    fn around(&mut self, elites: &[usize], keep: f64) -> Point {
        let all = elites.len() * (elites.len() + 1) / 2;
        let mut ticket = self.below(all);
        let mut rank = 0;
        while rank + 1 < elites.len() && ticket >= elites.len() - rank {
            ticket -= elites.len() - rank;
            rank += 1;
        }
        let parent = self.tried[elites[rank]].point.clone();
        let space = self.space;
        let place = |(dimension, &at): (&super::space::Dimension, &f64)| {
            if let Some(count) = dimension.domain.choices() {
                return if self.uniform() < keep { at } else { self.below(count) as f64 };
            }
            let moved = (0..RETRIES).map(|_| at + self.spread * self.normal());
            let inside = moved.into_iter().find(|at| (0.0..=1.0).contains(at));
            inside.unwrap_or(at)
        };
        space.dimensions.iter().zip(&parent).map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::space::{Dimension, Domain, Scale};

    fn space() -> Space {
        let float = |name: &str| Dimension {
            name: name.to_owned(),
            domain: Domain::Float { from: 0.0, to: 1.0, scale: Scale::Linear },
            default: "0.5".to_owned(),
        };
        let rule = Domain::Choice(["a", "b", "c"].map(str::to_owned).to_vec());
        let rule = Dimension { name: "rule".to_owned(), domain: rule, default: "a".to_owned() };
        let dimensions = vec![float("x"), float("y"), rule];
        Space { base: "made_up".parse().unwrap(), dimensions }
    }

    /// Lowest at x = 0.2, y = 0.9, rule = c; cases differ by an offset and some noise.
    fn score(point: &[f64], case: usize) -> f64 {
        let away = (point[0] - 0.2).powi(2) + (point[1] - 0.9).powi(2);
        let noise = ((point[0] * 1e4 + point[1] * 1e3) as usize * 31 + case * 17) % 100;
        away + if point[2] == 2.0 { 0.0 } else { 0.5 } + case as f64 + noise as f64 * 1e-5
    }

    fn run(budget: u64, seed: u64) -> (Vec<Tried>, u64) {
        let (space, groups) = (space(), [0, 0, 0, 0, 1, 1, 1, 1]);
        let default = (0..8).map(|case| score(&space.default_point(), case)).collect();
        let mut spent = 8;
        let evaluate = |points: &[Point], cases: &[usize]| {
            spent += (points.len() * cases.len()) as u64;
            let of = |point: &Point| cases.iter().map(|&case| score(point, case)).collect();
            Ok::<_, std::convert::Infallible>(points.iter().map(of).collect::<Vec<Vec<f64>>>())
        };
        let Ok(tried) = search(&space, &groups, Limits { budget, seed }, default, evaluate);
        (tried, spent)
    }

    #[test]
    fn a_known_optimum_is_found_within_the_budget() {
        for seed in 0..5 {
            let (tried, spent) = run(600, seed);
            assert!(spent <= 600 && spent > 500, "{spent}");
            let best = tried.iter().min_by(|a, b| {
                let score = |tried: &Tried| tried.complete().unwrap_or(f64::INFINITY);
                score(a).total_cmp(&score(b))
            });
            let point = &best.unwrap().point;
            assert!((point[0] - 0.2).abs() < 0.12 && (point[1] - 0.9).abs() < 0.12, "{seed}: {point:?}");
            assert_eq!(point[2], 2.0);
        }
        assert_eq!(run(200, 1), run(200, 1));
        assert_ne!(run(200, 1).0[1].point, run(200, 2).0[1].point);
    }

    #[test]
    fn races_cost_what_they_are_said_to() {
        assert_eq!(sizes(16, 2), [2, 4, 8, 16]);
        assert_eq!((sizes(1, 1), sizes(3, 1), sizes(5, 4)), (vec![1], vec![2, 3], vec![5]));
        // 8 on 2, 4 on 2 more, 2 on 4 more, 1 on 8 more.
        assert_eq!(cost(8, &[2, 4, 8, 16]), 16 + 8 + 8 + 8);
        for budget in 0..200 {
            let count = affordable(budget, &[2, 4, 8]).unwrap_or(0);
            assert!(cost(count, &[2, 4, 8]) <= budget && cost(count + 1, &[2, 4, 8]) > budget);
        }
    }

    #[test]
    fn what_fails_is_dropped_and_what_is_few_is_exhausted() {
        let rule = Domain::Choice(["a", "b"].map(str::to_owned).to_vec());
        let dimensions = vec![Dimension { name: "rule".to_owned(), domain: rule, default: "a".to_owned() }];
        let space = Space { base: "made_up".parse().unwrap(), dimensions };
        let evaluate = |points: &[Point], cases: &[usize]| {
            Ok::<_, ()>(vec![vec![f64::INFINITY; cases.len()]; points.len()])
        };
        let tried =
            search(&space, &[0; 4], Limits { budget: 1_000, seed: 0 }, vec![1.0; 4], evaluate).unwrap();
        assert_eq!(tried.len(), 2);
        assert_eq!((tried[0].complete(), tried[1].complete()), (Some(1.0), None));
        assert_eq!(tried[1].scores.iter().flatten().count(), 2, "no second rung");
    }
}
