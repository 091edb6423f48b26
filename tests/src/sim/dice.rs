//! The random choices of a seed.

use weir_core::rng::{Entropy, Seeded};

pub(super) trait Dice {
    /// True with this probability.
    fn chance(&mut self, probability: f64) -> bool;
    /// Uniform from `low` to before `high`.
    fn between(&mut self, low: i64, high: i64) -> i64;
    /// An index below `n`.
    fn below(&mut self, n: usize) -> usize;
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T;
}

impl Dice for Seeded {
    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low).expect("low is below high").max(1);
        low + i64::try_from(self.next_u64() % span).expect("it is below the span")
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next_u64() % (n.max(1) as u64)).expect("it is below a usize")
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
