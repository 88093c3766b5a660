//! When attempts end: a queue of keys in time, of which none is ever earlier than what was taken out last.
//!
//! Few keys stand in a binary heap. What is taken out of it leaves a gap at the top, which the next key fills that comes, as
//! nearly always one does before another is taken out: one walk through the heap in place of two. Of many that would read and write at as many far places as it has levels; they stand in
//! a radix heap, which the order of time makes possible (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster Algorithms for the Shortest Path Problem",
//! Journal of the ACM 37, 1990): a key lies in the bucket of the highest bit in which its time differs from the latest one
//! taken out. Only the lowest bucket is looked into; when its first key is due, the rest of it moves to lower buckets. A
//! key moves a few times in all, always from one end of a list to that of another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cloudai_schedulers::{TaskId, Time};

/// So many keys are few: they lie in a near cache.
const FEW: usize = 2_000;

/// Behind all keys: at [`Time::NEVER`].
const NONE: u128 = u128::MAX;

/// Keys of expected completions: (time, index, slot) in one number, so that they sort as the design orders them.
#[derive(Debug)]
pub(super) struct Completions {
    /// The first of all keys; [`NONE`] without any.
    first: u128,
    /// All keys while there were never many.
    few: BinaryHeap<Reverse<u128>>,
    /// The top of `few` has been taken out, and stands there only to be replaced.
    gap: bool,
    /// There were many at some time: nothing is in `few`, everything below.
    many: bool,
    /// The time of the keys that were due last. No key is earlier.
    last: u64,
    /// What is due at `last`, latest first.
    due: Vec<u128>,
    /// By the highest bit of time that differs from `last`.
    buckets: [Vec<u128>; 64],
    /// A bit for each bucket that holds something.
    filled: u64,
    /// The first key in the buckets.
    next: u128,
    /// The bucket that is being emptied.
    emptied: Vec<u128>,
}

impl Default for Completions {
    fn default() -> Self {
        Self {
            first: NONE,
            few: BinaryHeap::new(),
            gap: false,
            many: false,
            last: 0,
            due: Vec::new(),
            buckets: [const { Vec::new() }; 64],
            filled: 0,
            next: NONE,
            emptied: Vec::new(),
        }
    }
}

impl Completions {
    /// Adds a key, of a time that is not earlier than that of any key taken out.
    #[inline(always)]
    pub(super) fn push(&mut self, key: u128) {
        self.first = self.first.min(key);
        if self.many {
            self.push_to_many(key);
        } else if self.gap
            && let Some(mut top) = self.few.peek_mut()
        {
            *top = Reverse(key);
            self.gap = false;
        } else {
            self.few.push(Reverse(key));
            if self.few.len() > FEW {
                self.become_many();
            }
        }
    }

    /// The first of few keys.
    #[inline(always)]
    fn first_of_few(&self) -> u128 {
        if !self.gap {
            return self.few.peek().map_or(NONE, |&Reverse(key)| key);
        }
        // The heap's order makes it one of those below the top.
        match *self.few.as_slice() {
            [_, Reverse(left), Reverse(right), ..] => left.min(right),
            [_, Reverse(left)] => left,
            _ => NONE,
        }
    }

    #[inline(always)]
    fn first_of_many(&self) -> u128 {
        self.due.last().copied().unwrap_or(self.next)
    }

    #[inline(always)]
    fn close_gap(&mut self) {
        if self.gap {
            self.few.pop();
            self.gap = false;
        }
    }

    #[cold]
    fn become_many(&mut self) {
        self.many = true;
        self.close_gap();
        for Reverse(key) in std::mem::take(&mut self.few) {
            self.push_to_many(key);
        }
    }

    #[inline(never)]
    fn push_to_many(&mut self, key: u128) {
        let time = time_of(key).micros();
        if time == self.last {
            self.push_due(key);
            return;
        }
        self.next = self.next.min(key);
        self.put(key, time);
    }

    #[cold]
    fn push_due(&mut self, key: u128) {
        let at = self.due.partition_point(|&other| other > key);
        self.due.insert(at, key);
    }

    #[inline(always)]
    fn put(&mut self, key: u128, time: u64) {
        let bucket = 63 - (time ^ self.last).leading_zeros();
        self.buckets[bucket as usize].push(key);
        self.filled |= 1 << bucket;
    }

    /// The time of the first key; `NEVER` if there is none.
    #[inline(always)]
    pub(super) fn next_time(&self) -> Time {
        time_of(self.first)
    }

    /// Takes the first key out, if its time is `now`.
    #[inline(always)]
    pub(super) fn pop_at(&mut self, now: Time) -> Option<u128> {
        let key = self.first;
        if time_of(key) != now {
            return None;
        }
        if self.many {
            self.pop_of_many(now);
        } else {
            self.close_gap();
            self.gap = true;
            self.first = self.first_of_few();
        }
        Some(key)
    }

    #[inline(never)]
    fn pop_of_many(&mut self, now: Time) {
        if time_of(self.next) == now {
            self.advance();
        }
        self.due.pop();
        self.first = self.first_of_many();
    }

    /// The earliest keys of the buckets are due.
    #[inline(always)]
    fn advance(&mut self) {
        self.last = time_of(self.next).micros();
        let lowest = self.filled.trailing_zeros();
        self.filled &= self.filled - 1;
        let bucket = &mut self.buckets[lowest as usize];
        if let [only] = bucket.as_slice() {
            self.due.push(*only);
            bucket.clear();
        } else {
            std::mem::swap(bucket, &mut self.emptied);
            self.spread();
        }
        self.find_next();
    }

    /// Moves what was in the lowest bucket to where it belongs now.
    #[inline(never)]
    fn spread(&mut self) {
        let mut emptied = std::mem::take(&mut self.emptied);
        for &key in &emptied {
            let time = time_of(key).micros();
            if time == self.last { self.due.push(key) } else { self.put(key, time) }
        }
        emptied.clear();
        self.emptied = emptied;
        if self.due.len() > 1 {
            self.due.sort_unstable_by(|one, other| other.cmp(one));
        }
    }

    #[inline(always)]
    fn find_next(&mut self) {
        self.next = self.lowest().iter().copied().min().unwrap_or(NONE);
    }

    /// Of many keys the first that is not due yet, and a few of those that are near.
    #[inline(always)]
    pub(super) fn soon(&self) -> impl Iterator<Item = u128> {
        let near = self.lowest();
        near.iter().take(2).copied().chain((!near.is_empty()).then_some(self.next))
    }

    #[inline(always)]
    fn lowest(&self) -> &[u128] {
        self.buckets.get(self.filled.trailing_zeros() as usize).map_or(&[], Vec::as_slice)
    }

    /// True if there is no key.
    pub(super) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Sees to it that `is_over` does not hold of the first key: drops it, and others. Returns how many it were.
    #[inline(never)]
    pub(super) fn drop_over(&mut self, is_over: impl Fn(u128) -> bool) -> u64 {
        let mut dropped = 0;
        self.close_gap();
        while self.few.peek().is_some_and(|&Reverse(key)| is_over(key)) {
            self.few.pop();
            dropped += 1;
        }
        if !self.many {
            self.first = self.first_of_few();
            return dropped;
        }
        if self.first == NONE || !is_over(self.first) {
            return dropped;
        }
        let mut keep = |key: &u128| {
            let over = is_over(*key);
            dropped += u64::from(over);
            !over
        };
        self.due.retain(&mut keep);
        while self.due.is_empty() && self.filled != 0 {
            let lowest = self.filled.trailing_zeros() as usize;
            self.buckets[lowest].retain(&mut keep);
            if !self.buckets[lowest].is_empty() {
                break;
            }
            self.filled &= self.filled - 1;
        }
        self.find_next();
        self.first = self.first_of_many();
        dropped
    }
}

pub(super) fn key_of(time: Time, task: TaskId) -> u128 {
    let slot = u32::try_from(task.slot()).unwrap_or(u32::MAX);
    (u128::from(time.micros()) << 64) | (u128::from(task.index()) << 32) | u128::from(slot)
}

pub(super) const fn time_of(key: u128) -> Time {
    Time::from_micros((key >> 64) as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "the fields of the key")]
pub(super) const fn index_of(key: u128) -> u32 {
    (key >> 32) as u32
}

pub(super) const fn slot_of(key: u128) -> usize {
    key as u32 as usize
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pushes lie at or behind the clock; each round takes out what is due next, in half of the cases without what is over.
        #[test]
        fn takes_out_what_a_binary_heap_takes_out(
            rounds in prop::collection::vec(prop::collection::vec((0u32..40, 0u64..50, 0u128..16), 0..6), 1..60),
            drops in any::<bool>(),
            many in any::<bool>(),
        ) {
            let (mut keys, mut heap) = (Completions::default(), BinaryHeap::new());
            keys.many = many;
            let over = |key: u128| drops && key.is_multiple_of(3);
            let mut now = 0;
            for pushed in rounds {
                for (bits, low, index) in pushed {
                    let key = (u128::from(now + (low >> 2 << bits)) << 64) | index;
                    keys.push(key);
                    heap.push(Reverse(key));
                }
                keys.drop_over(over);
                while heap.peek().is_some_and(|&Reverse(key)| over(key)) {
                    heap.pop();
                }
                let first = heap.peek().map_or(Time::NEVER, |&Reverse(key)| time_of(key));
                prop_assert_eq!(keys.next_time(), first);
                prop_assert_eq!(keys.is_empty(), heap.is_empty());
                if heap.is_empty() {
                    continue;
                }
                if now < first.micros() {
                    prop_assert_eq!(keys.pop_at(Time::from_micros(now)), None);
                }
                now = first.micros();
                while let Some(&Reverse(key)) = heap.peek().filter(|&&Reverse(key)| time_of(key) == first) {
                    heap.pop();
                    // What is over may have been dropped before its time.
                    if !over(key) {
                        let taken = std::iter::from_fn(|| keys.pop_at(first)).find(|&key| !over(key));
                        prop_assert_eq!(taken, Some(key));
                    }
                }
                while keys.pop_at(first).is_some() {}
            }
        }
    }
}
