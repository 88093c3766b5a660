//! Every queue order under every backfilling rule on one pool, against a plain simulator that works each pass out anew
//! from the definitions. It shares no code with the strategies.

use cloudai_schedulers::strategies::queue::spec::ORDERS;
use proptest::prelude::*;

use crate::support::{Case, S};

/// A job, in whole seconds.
#[derive(Clone, Debug)]
struct Job {
    arrival: u64,
    run: u64,
    estimate: u64,
    cores: u64,
    user: u64,
    priority: i64,
    deadline: Option<u64>,
}

impl Job {
    /// How long it runs where jobs are killed at their estimates, or where they are not.
    fn length(&self, kill: bool) -> u64 {
        if kill { self.run.min(self.estimate) } else { self.run }
    }
}

/// Where a job ran: start and end in microseconds.
type Ran = Option<(u64, u64)>;

struct Plain<'a> {
    jobs: &'a [Job],
    cores: u64,
    kill: bool,
    order: &'a str,
    backfill: &'a str,
    ran: Vec<Ran>,
    now: u64,
}

impl Plain<'_> {
    /// The starts, by job.
    fn run(mut self) -> Vec<u64> {
        while let Some(next) = self.next_instant() {
            self.now = next;
            self.pass();
        }
        self.ran.iter().map(|ran| ran.unwrap().0).collect()
    }

    fn next_instant(&self) -> Option<u64> {
        let arrivals = self.jobs.iter().map(|job| job.arrival * S);
        let ends = self.ran.iter().flatten().map(|&(_, end)| end);
        arrivals.chain(ends).filter(|&time| time > self.now).min()
    }

    fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.jobs.len())
            .filter(|&at| self.ran[at].is_some_and(|(start, end)| start <= self.now && end > self.now))
    }

    fn free(&self) -> u64 {
        self.cores - self.running().map(|at| self.jobs[at].cores).sum::<u64>()
    }

    /// When a running job is expected to end.
    fn expected_end(&self, at: usize) -> u64 {
        (self.ran[at].unwrap().0 + self.jobs[at].estimate * S).max(self.now + 1)
    }

    fn start(&mut self, at: usize) {
        self.ran[at] = Some((self.now, self.now + self.jobs[at].length(self.kill) * S));
    }

    /// The first waiting job that was not considered yet.
    fn next(&self, considered: &[usize]) -> Option<usize> {
        let waits = |at: &usize| {
            self.jobs[*at].arrival * S <= self.now && self.ran[*at].is_none() && !considered.contains(at)
        };
        let key = |at: &usize| (self.key(*at), self.jobs[*at].arrival, *at);
        (0..self.jobs.len()).filter(waits).min_by(|a, b| {
            let ((a, a_time, a_at), (b, b_time, b_at)) = (key(a), key(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then((a_time, a_at).cmp(&(b_time, b_at)))
        })
    }

    /// Lowest first.
    fn key(&self, at: usize) -> (f64, f64) {
        let job = &self.jobs[at];
        let (r, n, s) = (job.estimate as f64, job.cores as f64, (job.arrival as f64).max(1.0));
        let wait = (self.now - job.arrival * S) as f64 / 1e6;
        let user = job.user as f64;
        match self.order {
            // Nothing is preempted, so nobody who waits has attained any service.
            "fcfs" | "las" => (0.0, 0.0),
            "sjf" => (r, 0.0),
            "ljf" => (-r, 0.0),
            "smallest_area" => (r * n, 0.0),
            "largest_area" => (-r * n, 0.0),
            // One point an hour.
            "priority" => (-(job.priority as f64 - job.arrival as f64 / 3600.0), 0.0),
            "wfp3" => (-((wait / r) * (wait / r) * (wait / r) * n), 0.0),
            "unicef" if wait == 0.0 => (-0.0, 0.0),
            "unicef" => (-(wait / (libm::log2(n) * r)), 0.0),
            "f1" => (libm::log10(r) * n + 870.0 * libm::log10(s), 0.0),
            "f2" => (libm::sqrt(r) * n + 25_600.0 * libm::log10(s), 0.0),
            "f3" => (r * n + 6_860_000.0 * libm::log10(s), 0.0),
            "f4" => (r * libm::sqrt(n) + 530_000.0 * libm::log10(s), 0.0),
            "edf" => (job.deadline.map_or(f64::MAX, |deadline| deadline as f64), 0.0),
            "drf" => (
                self.running()
                    .filter(|&at| self.jobs[at].user == job.user)
                    .map(|at| self.jobs[at].cores)
                    .sum::<u64>() as f64,
                user,
            ),
            "fair_share" => (self.used(job.user), user),
            other => panic!("no definition of {other}"),
        }
    }

    /// Core seconds that a user's jobs have held, halved every 7.2 seconds, to the millionth of a cluster second.
    fn used(&self, user: u64) -> f64 {
        let jobs = (0..self.jobs.len()).filter(|&at| self.jobs[at].user == user);
        let half_life = 7.2;
        let area = |age: f64| half_life / std::f64::consts::LN_2 * libm::exp2(-age / half_life);
        let used: f64 = jobs
            .filter_map(|at| self.ran[at].map(|(start, end)| (at, start, end.min(self.now))))
            .map(|(at, start, end)| {
                let age = |time: u64| (self.now - time) as f64 / 1e6;
                self.jobs[at].cores as f64 * (area(age(end)) - area(age(start)))
            })
            .sum();
        (used / self.cores as f64 * 1e6).round() + 0.0 // a sum of nothing is -0
    }

    fn pass(&mut self) {
        let mut considered = Vec::new();
        match self.backfill {
            "none" | "skip" => {
                while let Some(at) = self.next(&considered) {
                    if self.jobs[at].cores <= self.free() {
                        self.start(at);
                    } else if self.backfill == "none" {
                        break;
                    }
                    considered.push(at);
                }
            }
            "easy" => self.easy(considered),
            _ => self.conservative(considered),
        }
    }

    fn easy(&mut self, mut considered: Vec<usize>) {
        let head = loop {
            let Some(at) = self.next(&considered) else { return };
            considered.push(at);
            if self.jobs[at].cores > self.free() {
                break at;
            }
            self.start(at);
        };
        let need = self.jobs[head].cores;
        let free_at = |plain: &Self, time: u64| {
            plain.free()
                + plain
                    .running()
                    .filter(|&at| plain.expected_end(at) <= time)
                    .map(|at| plain.jobs[at].cores)
                    .sum::<u64>()
        };
        let shadow = self
            .running()
            .map(|at| self.expected_end(at))
            .filter(|&end| free_at(self, end) >= need)
            .min()
            .unwrap();
        let mut extra = free_at(self, shadow) - need;
        while let Some(at) = self.next(&considered) {
            considered.push(at);
            let job = &self.jobs[at];
            if job.cores > self.free() {
                continue;
            }
            if self.now + job.estimate * S <= shadow {
                self.start(at);
            } else if job.cores <= extra {
                extra -= job.cores;
                self.start(at);
            }
        }
    }

    fn conservative(&mut self, mut considered: Vec<usize>) {
        let mut held: Vec<(u64, u64, u64)> =
            self.running().map(|at| (self.now, self.expected_end(at), self.jobs[at].cores)).collect();
        while let Some(at) = self.next(&considered) {
            considered.push(at);
            let (need, length) = (self.jobs[at].cores, self.jobs[at].estimate * S);
            let used = |time: u64| {
                held.iter()
                    .filter(|&&(from, to, _)| from <= time && time < to)
                    .map(|&(.., cores)| cores)
                    .sum::<u64>()
            };
            let fits = |start: u64| {
                let changes =
                    held.iter().map(|&(from, ..)| from).filter(|&from| from > start && from < start + length);
                changes.chain([start]).all(|time| used(time) + need <= self.cores)
            };
            let start = held
                .iter()
                .map(|&(_, to, _)| to)
                .chain([self.now])
                .filter(|&start| fits(start))
                .min()
                .unwrap();
            held.push((start, start + length, need));
            if start == self.now {
                self.start(at);
            }
        }
    }
}

/// Of 7 and of 30 cores a share has no end in decimals, nor in binary.
const POOLS: [u64; 3] = [8, 7, 30];

fn job(most_cores: u64) -> impl Strategy<Value = Job> {
    let times = (1u64..30, 1u64..12, 1u64..12);
    (times, 1u64..=most_cores, 0u64..3, -1i64..3, proptest::option::of(1u64..60)).prop_map(
        |((arrival, run, estimate), cores, user, priority, deadline)| Job {
            arrival,
            run,
            estimate,
            cores,
            user,
            priority,
            deadline,
        },
    )
}

fn case_of(jobs: &[Job], cores: u64, kill: bool) -> Case {
    let row = |(at, job): (usize, &Job)| {
        let deadline = job.deadline.map_or("-".to_owned(), |deadline| deadline.to_string());
        let Job { arrival, run, estimate, cores, user, priority, .. } = job;
        format!("j{at} {arrival} {run} {cores} {estimate} u{user} {priority} {deadline}")
    };
    let header = "arrival_s duration_s cpu_cores estimate_s user_id priority deadline_s".to_owned();
    let rows: Vec<String> = std::iter::once(header).chain(jobs.iter().enumerate().map(row)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let pool =
        format!("worker_id,total_cpu,total_memory,total_storage,total_gpu\npool,{cores},1000000,1000000,0\n");
    Case::new(&pool, &rows).set("kill_at_estimate", &kill.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_composition_is_what_its_definition_says(
        (cores, mut jobs) in prop::sample::select(&POOLS[..])
            .prop_flat_map(|cores| (Just(cores), prop::collection::vec(job(cores), 1..28))),
        kill in any::<bool>(),
    ) {
        jobs.sort_by_key(|job| job.arrival);
        // Users are numbered by their first appearance, in the plain simulator as well.
        let mut users: Vec<u64> = Vec::new();
        for job in &mut jobs {
            let known = users.iter().position(|&user| user == job.user);
            let number = known.unwrap_or_else(|| { users.push(job.user); users.len() - 1 });
            job.user = number as u64;
        }
        let case = case_of(&jobs, cores, kill);
        for &order in ORDERS {
            for backfill in ["none", "skip", "easy", "conservative"] {
                let plain = Plain {
                    jobs: &jobs, cores, kill, order, backfill, ran: vec![None; jobs.len()], now: 0,
                };
                let half_life = if order == "fair_share" { ",half_life_h=0.002" } else { "" };
                let spec = format!("queue(order={order},backfill={backfill}{half_life})");
                let mut starts = vec![0; jobs.len()];
                for row in case.rows(&spec) {
                    starts[row.task[1..].parse::<usize>().unwrap()] = row.start.unwrap();
                }
                prop_assert_eq!(starts, plain.run(), "{}", spec);
            }
        }
    }
}
