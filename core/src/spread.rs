//! Latencies and status codes of attempts, in a few numbers that can be added.
//!
//! It guarantees: a bounded size, whatever is added; sums of sums are sums of all; and a percentile that is off by no more
//! than its bucket is wide.

use minicbor::{Decode, Encode};

/// The buckets' upper edges, in milliseconds; there is one more bucket, without an edge.
pub const EDGES_MS: [i64; 11] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
/// The number of different status codes that are counted separately; further ones count as the first of their
/// hundred.
const CODES_MAX: usize = 24;

/// The attempts of some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Spread {
    /// How many attempts there were in each bucket; shorter where the last ones are empty.
    #[n(0)]
    pub took: Vec<i64>,
    /// How many attempts ended with each status code, 0 without an answer; by code.
    #[n(1)]
    pub codes: Vec<(u16, i64)>,
}

impl Spread {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.took.is_empty() && self.codes.is_empty()
    }

    /// Adds one attempt.
    pub fn note(&mut self, took: i64, code: u16) {
        let bucket = EDGES_MS.iter().position(|edge| took <= *edge).unwrap_or(EDGES_MS.len());
        self.add_to_bucket(bucket, 1);
        self.add_to_code(code, 1);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in other.took.iter().enumerate().take(EDGES_MS.len().saturating_add(1)) {
            self.add_to_bucket(bucket, *count);
        }
        for (code, count) in &other.codes {
            self.add_to_code(*code, *count);
        }
    }

    fn add_to_bucket(&mut self, bucket: usize, count: i64) {
        if count == 0 {
            return;
        }
        if self.took.len() <= bucket {
            self.took.resize(bucket.saturating_add(1), 0);
        }
        if let Some(sum) = self.took.get_mut(bucket) {
            *sum = sum.saturating_add(count);
        }
    }

    fn add_to_code(&mut self, code: u16, count: i64) {
        let full = self.codes.len() >= CODES_MAX && self.codes.iter().all(|(known, _)| *known != code);
        let code = if full { code.saturating_sub(code.checked_rem(100).unwrap_or(0)).min(900) } else { code };
        match self.codes.binary_search_by_key(&code, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, sum)) = self.codes.get_mut(at) {
                    *sum = sum.saturating_add(count);
                }
            }
            Err(at) => self.codes.insert(at, (code, count)),
        }
    }

    /// How long the fastest `percent` of the attempts took at most, in milliseconds: exact to the bucket, and within it as
    /// if its attempts were spread evenly. `longest` is the longest of all, where that is known.
    pub fn percentile(&self, percent: i64, longest: i64) -> Option<i64> {
        let all = self.took.iter().fold(0i64, |sum, count| sum.saturating_add(*count));
        if all == 0 {
            return None;
        }
        // The rank of the attempt that is looked for, from 1.
        let rank = all.saturating_mul(percent).saturating_add(99).checked_div(100).unwrap_or(all).max(1);
        let mut before = 0i64;
        for (bucket, count) in self.took.iter().enumerate() {
            if before.saturating_add(*count) >= rank {
                let from = bucket.checked_sub(1).and_then(|at| EDGES_MS.get(at)).copied().unwrap_or(0);
                let to = EDGES_MS.get(bucket).copied().unwrap_or(i64::MAX).min(longest.max(from));
                let share = rank.saturating_sub(before);
                let width = to.saturating_sub(from);
                return Some(
                    from.saturating_add(width.saturating_mul(share).checked_div(*count).unwrap_or(0)),
                );
            }
            before = before.saturating_add(*count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_percentile_lies_in_the_bucket_of_the_attempt_that_is_looked_for() {
        let mut spread = Spread::default();
        for took in [5, 7, 9, 12, 40, 45, 300, 800, 900, 12_000] {
            spread.note(took, 200);
        }
        assert_eq!(spread.percentile(50, 12_000), Some(37), "the fifth of ten lies between 25 and 50 ms");
        assert_eq!(spread.percentile(95, 12_000), Some(12_000), "and never beyond the longest");
        assert_eq!(Spread::default().percentile(50, 0), None);
        let mut one = Spread::default();
        one.note(31_000, 0);
        assert_eq!(one.percentile(50, 31_000), Some(31_000));
    }

    #[test]
    fn more_codes_than_are_told_apart_count_by_their_hundred() {
        let mut spread = Spread::default();
        for code in 400..460 {
            spread.note(1, code);
        }
        spread.note(1, 503);
        assert!(spread.codes.len() <= CODES_MAX + 10, "{:?}", spread.codes);
        assert_eq!(spread.codes.iter().map(|(_, count)| count).sum::<i64>(), 61);
        assert!(spread.codes.iter().any(|(code, _)| *code == 500));
    }

    proptest! {
        #[test]
        fn sums_of_sums_are_sums_of_all(all in prop::collection::vec((0i64..60_000, 0u16..600), 1..80), cut in 0usize..80) {
            let cut = cut.min(all.len());
            let of = |some: &[(i64, u16)]| {
                let mut spread = Spread::default();
                for (took, code) in some {
                    spread.note(*took, *code);
                }
                spread
            };
            let (mut one, two, both) = (of(&all[..cut]), of(&all[cut..]), of(&all));
            one.add(&two);
            prop_assert_eq!(&one.took, &both.took);
            let longest = all.iter().map(|(took, _)| *took).max().unwrap_or(0);
            let (half, most) = (both.percentile(50, longest), both.percentile(95, longest));
            prop_assert!(half <= most && most <= Some(longest));
        }
    }
}
