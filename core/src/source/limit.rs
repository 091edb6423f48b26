//! The state of a source in one isolate, so that floods cost no calls to an object.
//!
//! The App object enforces the rate limit. An isolate refuses requests when it alone has seen too many, or when the
//! object has said so. A few refused requests are stored; the rest is counted.

use crate::pace::{Pace, Window};

/// How many requests of a source may come.
#[derive(Debug)]
pub struct Gate {
    window: Window,
    /// Until when the object refuses requests.
    closed_until: i64,
}

impl Gate {
    /// A gate that nothing has passed yet.
    pub fn new(pace: Pace) -> Self {
        Self { window: Window::new(pace), closed_until: 0 }
    }

    /// Changes how many may come.
    pub fn set_pace(&mut self, pace: Pace) {
        self.window.set_pace(pace);
    }

    /// Accepts a request, or returns how many milliseconds it would have to wait.
    pub fn enter(&mut self, now: i64) -> Result<(), i64> {
        let ready = self.window.ready_at(now).max(self.closed_until);
        if ready > now {
            return Err(ready.saturating_sub(now));
        }
        self.window.start(now);
        Ok(())
    }

    /// The object says that the limit is reached for this long.
    pub fn close(&mut self, now: i64, wait_ms: i64) {
        self.closed_until = self.closed_until.max(now.saturating_add(wait_ms));
    }
}

/// How many refused requests are recorded at once.
const BURST: u32 = 10;
/// How long it takes until one more may be, in milliseconds.
const REFILL_MS: i64 = 6_000;

/// Which refused requests of a source are stored: a burst of ten, then ten a minute, by each isolate.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Where a bucket that is empty would have been full again.
    full_at: i64,
    skipped: u32,
}

impl Sampler {
    /// Whether to record a request that was refused now, and how many before it were not.
    pub fn take(&mut self, now: i64) -> Option<u32> {
        let most = REFILL_MS.saturating_mul(i64::from(BURST));
        let full_at = self.full_at.max(now).saturating_add(REFILL_MS);
        if full_at.saturating_sub(now) > most {
            self.skipped = self.skipped.saturating_add(1);
            return None;
        }
        self.full_at = full_at;
        Some(std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_gate_says_how_long_to_wait_and_believes_the_object() {
        let mut gate = Gate::new(Pace { limit: 2, window_ms: 1_000 });
        assert_eq!((gate.enter(0), gate.enter(10)), (Ok(()), Ok(())));
        assert_eq!(gate.enter(20), Err(981));
        assert_eq!(gate.enter(1_001), Ok(()));
        gate.close(2_500, 700);
        assert_eq!(gate.enter(2_600), Err(600));
        assert_eq!(gate.enter(3_200), Ok(()));
    }

    #[test]
    fn a_flood_is_recorded_in_samples_and_all_of_it_is_counted() {
        let mut sampler = Sampler::default();
        let (mut recorded, mut counted) = (0, 0);
        for now in 0..60_000 {
            if let Some(skipped) = sampler.take(now) {
                recorded += 1;
                counted += 1 + skipped;
            }
        }
        assert!((19..=20).contains(&recorded), "{recorded}");
        let rest = sampler.take(1_000_000).expect("a place is free again");
        assert_eq!(counted + rest, 60_000);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_at_once(steps in proptest::collection::vec(0i64..10_000, 1..300)) {
            let (mut sampler, mut now, mut taken) = (Sampler::default(), 0, Vec::new());
            for step in steps {
                now += step;
                if sampler.take(now).is_some() {
                    taken.push(now);
                }
            }
            for window in taken.windows(BURST as usize + 1) {
                prop_assert!(window[BURST as usize] - window[0] >= REFILL_MS);
            }
        }
    }
}
