//! Fixed hashes: the same on every machine and in every run.

use std::hash::{BuildHasherDefault, Hasher};

/// A step of splitmix64 (Steele, Lea and Flood 2014): a bijection of 64 bits that mixes well.
pub(crate) const fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A uniform number in [0, 1) with 53 bits from 64 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
pub(crate) fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The product of 128 bits folded onto 64.
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = product as u64;
    low ^ (product >> 64) as u64
}

/// A 64-bit hash of `bytes`: eight at a time through a folded multiplication.
#[inline]
pub(crate) fn hash64(bytes: &[u8]) -> u64 {
    let mut hasher = FixedHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// A hasher without a random seed: the same in every run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixedHasher(u64);

impl FixedHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word ^ 0x2d35_8dcc_aa6c_78a5, 0x8bb8_4b93_962e_acc9);
    }
}

impl Hasher for FixedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        // The length keeps apart what differs by zeros at the end.
        let last = rest.iter().rfold(0, |last, &byte| last << 8 | u64::from(byte));
        self.mix(last ^ (bytes.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    #[inline]
    fn finish(&self) -> u64 {
        splitmix64(self.0)
    }
}

/// A map with the fixed hash; nothing may depend on the order of its entries all the same.
pub(crate) type FixedMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<FixedHasher>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_fixed_and_differ() {
        assert_eq!(splitmix64(0), 0xe220_a839_7b1d_cdaf, "first output of the reference for seed 0");
        let mut seen: Vec<u64> = (0..100_000u32).map(|i| hash64(format!("task-{i}").as_bytes())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100_000);
        assert_ne!(hash64(b"a"), hash64(b"a\0"));
        assert_ne!(hash64(b""), hash64(b"\0"));
    }

    #[test]
    fn the_unit_interval_is_half_open() {
        assert!(unit_interval(u64::MAX) < 1.0);
        assert!(unit_interval(0).abs() < f64::EPSILON);
    }
}
