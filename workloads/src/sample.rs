//! Random samples that are the same on every machine: PCG64, `libm`, and nothing else.

use std::fmt;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

use crate::hash::{splitmix64, unit_interval};

/// A seeded source of samples.
#[derive(Clone, Debug)]
pub(crate) struct Sampler(Pcg64);

impl Sampler {
    /// PCG64 (XSL-RR 128/64, O'Neill 2014) with state (splitmix64(seed), splitmix64(seed + 1)) as high and
    /// low half, on the stream numbered by the 64-bit FNV-1a hash of `name`. Changing this changes every
    /// generated workload.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let state = u128::from(splitmix64(seed)) << 64 | u128::from(splitmix64(seed.wrapping_add(1)));
        let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Pcg64::new(state, u128::from(stream)))
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        unit_interval(self.0.next_u64())
    }

    /// Uniform in 0..n, by the high half of a product (the bias is below n / 2^64); n is 1 or more.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.0.next_u64()) * n as u128;
        #[expect(clippy::cast_possible_truncation, reason = "less than n")]
        let index = (product >> 64) as usize;
        index
    }

    /// Exponential with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -libm::log(1.0 - self.uniform()) * mean
    }

    /// Standard normal (Box and Muller 1958, the cosine half).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// One of `items`, with chances in proportion to `weight`.
    pub(crate) fn choose<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> f64) -> Option<&'a T> {
        let total: f64 = items.iter().map(&weight).sum();
        let mut left = self.uniform() * total;
        for item in items {
            left -= weight(item);
            if left < 0.0 {
                return Some(item);
            }
        }
        items.last()
    }

    /// A random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// A distribution of a positive quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Law {
    /// Every value between the two is as likely.
    Uniform { low: f64, high: f64 },
    /// The logarithm is normal with deviation `sigma` about that of the median.
    Lognormal { median: f64, sigma: f64 },
    /// P(X > x) falls as x^-alpha, cut at both ends (Harchol-Balter 2013, section 20.5).
    BoundedPareto { alpha: f64, low: f64, high: f64 },
}

impl Law {
    pub(crate) fn sample(&self, sampler: &mut Sampler) -> f64 {
        match *self {
            Self::Uniform { low, high } => low + (high - low) * sampler.uniform(),
            Self::Lognormal { median, sigma } => median * libm::exp(sigma * sampler.normal()),
            Self::BoundedPareto { alpha, low, high } => {
                let tail = 1.0 - libm::pow(low / high, alpha);
                low / libm::pow(1.0 - sampler.uniform() * tail, 1.0 / alpha)
            }
        }
    }

    /// The expected value.
    pub(crate) fn mean(&self) -> f64 {
        match *self {
            Self::Uniform { low, high } => (low + high) / 2.0,
            Self::Lognormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
            Self::BoundedPareto { alpha, low, high } => {
                let tail = 1.0 - libm::pow(low / high, alpha);
                let range = 1.0 - libm::pow(low / high, alpha - 1.0);
                low * alpha / (alpha - 1.0) * range / tail
            }
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform { low, high } => write!(f, "uniform {low} to {high} s"),
            Self::Lognormal { median, sigma } => write!(f, "lognormal, median {median} s, sigma {sigma}"),
            Self::BoundedPareto { alpha, low, high } => {
                write!(f, "bounded Pareto, alpha {alpha}, {low} to {high} s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_fixed() {
        let mut sampler = Sampler::new(1, "mixed");
        let bits: Vec<u64> = (0..3).map(|_| sampler.0.next_u64()).collect();
        let again: Vec<u64> = (0..3).scan(Sampler::new(1, "mixed"), |s, _| Some(s.0.next_u64())).collect();
        assert_eq!(bits, again);
        assert_ne!(bits[0], Sampler::new(2, "mixed").0.next_u64());
        assert_ne!(bits[0], Sampler::new(1, "uniform").0.next_u64());
    }

    #[test]
    fn means_are_as_stated() {
        let laws = [
            Law::Uniform { low: 10.0, high: 100.0 },
            Law::Lognormal { median: 30.0, sigma: 0.6 },
            Law::BoundedPareto { alpha: 1.5, low: 1.0, high: 100.0 },
        ];
        for law in laws {
            let mut sampler = Sampler::new(7, "test");
            let mean = (0..200_000).map(|_| law.sample(&mut sampler)).sum::<f64>() / 200_000.0;
            assert!((mean / law.mean() - 1.0).abs() < 0.02, "{law}: {mean} is not {}", law.mean());
        }
        let mut sampler = Sampler::new(7, "test");
        let mean = (0..100_000).map(|_| sampler.exponential(3.0)).sum::<f64>() / 100_000.0;
        assert!((mean - 3.0).abs() < 0.05);
    }

    #[test]
    fn choices_follow_their_weights_and_a_shuffle_keeps_all() {
        let mut sampler = Sampler::new(7, "test");
        let items = [(0, 1.0), (1, 3.0)];
        let ones: i32 = (0..40_000).map(|_| sampler.choose(&items, |item| item.1).unwrap().0).sum();
        assert!((29_400..30_600).contains(&ones), "{ones}");
        let mut cards: Vec<u32> = (0..100).collect();
        sampler.shuffle(&mut cards);
        assert_ne!(cards[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        cards.sort_unstable();
        assert_eq!(cards, (0..100).collect::<Vec<_>>());
    }
}
