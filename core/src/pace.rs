//! Exact rate limits: a maximum number of requests that start in any window of time.
//!
//! A token bucket allows twice its limit around the moment it refills, and a counter per calendar second does so
//! across the boundary of two seconds. Receivers count in their own windows, so both can break "at most 10 a second".
//! [`Window`] remembers the last starts instead (as many as the limit) and returns the earliest time at which one
//! more keeps **every** closed window `[t, t + window_ms]`, wherever it begins, within the limit.

use std::collections::VecDeque;

/// By how much longer than a receiver's window the window of starts is: a twentieth of it, and no more than this.
const MARGIN_MAX_MS: i64 = 250;

/// At most `limit` requests started in any window of `window_ms` milliseconds.
///
/// Excess waits and is never refused, so a limit of 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How many starts a window may hold.
    pub limit: u32,
    /// The length of the window; its two ends both belong to it.
    pub window_ms: i64,
}

impl Pace {
    /// A number of requests per second.
    pub const fn per_second(limit: u32) -> Self {
        Self { limit, window_ms: 1000 }
    }

    /// The pace that starts have to keep for *arrivals* to keep this one. Requests take unequal times to arrive, so starts that
    /// are a whole window apart may arrive within one. With a longer window of starts, arrivals keep the limit as long as
    /// those times differ by less than what it is longer.
    #[must_use]
    pub fn for_arrivals(self) -> Self {
        let margin = self.window().div_euclid(20).min(MARGIN_MAX_MS);
        Self { window_ms: self.window().saturating_add(margin), ..self }
    }

    fn limit(self) -> usize {
        usize::try_from(self.limit.max(1)).unwrap_or(usize::MAX)
    }

    fn window(self) -> i64 {
        self.window_ms.max(0)
    }
}

/// The starts that still matter, and the pace they must keep.
///
/// Its clock is the latest start it was told: a time before that counts as that time, so a clock that steps
/// back cannot open a window twice.
#[derive(Debug, Clone)]
pub struct Window {
    pace: Pace,
    /// Rising; after a change of pace it may hold more than the limit until they are out of the window.
    starts: VecDeque<i64>,
    /// The greatest limit so far: what bounds the memory even where a caller starts without asking.
    capacity: usize,
}

impl Window {
    /// A window in which nothing was started yet.
    pub fn new(pace: Pace) -> Self {
        Self { pace, starts: VecDeque::new(), capacity: pace.limit() }
    }

    /// The pace in force.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The starts that it remembers, in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.starts.iter().copied()
    }

    /// Adds starts from storage, in any order; only the newest ones are kept, as many as the limit.
    pub fn restore(&mut self, starts: impl Iterator<Item = i64>) {
        let mut all: Vec<i64> = starts.chain(self.starts.iter().copied()).collect();
        all.sort_unstable();
        self.starts = all.into();
        self.forget();
    }

    /// The earliest time, not before `now`, at which one more request may start.
    pub fn ready_at(&self, now: i64) -> i64 {
        let now = self.starts.back().map_or(now, |&last| now.max(last));
        // Starts only rise, so the windows that a new one could overfill all reach back to the start that
        // is `limit` before it: that one must be out of the closed window.
        let oldest = self.starts.len().checked_sub(self.pace.limit()).and_then(|i| self.starts.get(i));
        oldest.map_or(now, |&oldest| now.max(oldest.saturating_add(self.pace.window()).saturating_add(1)))
    }

    /// Records that a request starts at `now`. To keep the pace, only when `ready_at(now) <= now`; a start
    /// that must not wait (a manual one) is recorded all the same and delays those after it.
    pub fn start(&mut self, now: i64) {
        let now = self.starts.back().map_or(now, |&last| now.max(last));
        self.starts.push_back(now);
        self.forget();
    }

    /// Changes the limit; earlier starts count against the new one.
    ///
    /// Starts that the pace before had let it forget are not known any more: for a longer window,
    /// [`restore`](Self::restore) them from storage.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        self.capacity = self.capacity.max(pace.limit());
    }

    /// Drops what no later start can share a window with, and whatever exceeds the memory.
    fn forget(&mut self) {
        let Some(&last) = self.starts.back() else { return };
        let out = last.saturating_sub(self.pace.window());
        while self.starts.len() > self.pace.limit()
            && (self.starts.len() > self.capacity || self.starts.front().is_some_and(|&first| first < out))
        {
            self.starts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most starts that any closed window of this length holds, counted the slow way.
    fn fullest(starts: &[i64], window: i64) -> usize {
        starts
            .iter()
            .map(|t| starts.iter().filter(|s| (*t..=t + window).contains(s)).count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn the_first_burst_starts_at_once_and_the_next_waits_for_the_whole_window() {
        let mut window = Window::new(Pace { limit: 3, window_ms: 1000 });
        for at in [10, 20, 30] {
            assert_eq!(window.ready_at(at), at);
            window.start(at);
        }
        assert_eq!(window.ready_at(31), 1011, "at 1010 the window [10, 1010] would hold four");
        assert_eq!(window.ready_at(5000), 5000);
    }

    #[test]
    fn arrivals_keep_the_limit_while_latencies_differ_by_less_than_the_margin() {
        for (limit, window_ms, margin) in [(1, 1_000, 50), (10, 1_000, 50), (50, 1_000, 50), (5, 60_000, 250)]
        {
            let mut starts = Window::new(Pace { limit, window_ms }.for_arrivals());
            let (mut arrivals, mut now) = (Vec::new(), 0);
            for n in 0i64..2_000 {
                now = starts.ready_at(now);
                starts.start(now);
                // The first of a window is slow, and the last is fast.
                arrivals.push(now + 10 + (n * 7919).rem_euclid(margin));
            }
            assert!(fullest(&arrivals, window_ms) <= limit as usize, "{limit} in {window_ms} ms");
        }
    }

    #[test]
    fn a_limit_of_one_spaces_starts_by_more_than_the_window() {
        let mut window = Window::new(Pace::per_second(1));
        window.start(0);
        assert_eq!(window.ready_at(0), 1001);
        assert_eq!(Window::new(Pace { limit: 0, window_ms: -5 }).ready_at(7), 7);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_open_the_window_again() {
        let mut window = Window::new(Pace::per_second(2));
        window.start(10_000);
        window.start(3_000);
        assert_eq!(window.ready_at(3_000), 11_001);
    }

    #[test]
    fn what_was_started_before_a_change_counts_after_it() {
        let mut window = Window::new(Pace::per_second(10));
        for _ in 0..10 {
            window.start(0);
        }
        window.set_pace(Pace::per_second(2));
        assert_eq!(window.ready_at(0), 1001);
        window.start(1001);
        assert_eq!(window.ready_at(1001), 1001);
        window.set_pace(Pace { limit: 2, window_ms: 60_000 });
        assert_eq!(window.ready_at(1001), 60_001);
    }

    #[test]
    fn a_narrow_pace_in_between_forgets_nothing_that_a_wide_one_needs() {
        let mut window = Window::new(Pace::per_second(5));
        for _ in 0..5 {
            window.start(0);
        }
        window.set_pace(Pace::per_second(1));
        window.set_pace(Pace::per_second(5));
        assert_eq!(window.ready_at(0), 1001);
    }

    #[test]
    fn the_memory_is_bounded_even_where_nobody_asks() {
        let mut window = Window::new(Pace::per_second(4));
        for _ in 0..1000 {
            window.start(0);
        }
        assert_eq!(window.starts.len(), 4);
        window.restore((0..1000).rev());
        assert_eq!(window.starts, [996, 997, 998, 999]);
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_limit_and_none_waits_longer_than_it_must(
            limit in 1u32..8,
            window_ms in 0i64..50,
            asks in prop::collection::vec((0i64..40, 0i64..10), 1..80),
        ) {
            let mut window = Window::new(Pace { limit, window_ms });
            let (mut starts, mut now): (Vec<i64>, i64) = (Vec::new(), 0);
            for (gap, late) in asks {
                now += gap;
                let ready = window.ready_at(now);
                // The least feasible time, searched for by brute force.
                let mut least = now.max(starts.last().copied().unwrap_or(0));
                while fullest(&[&starts[..], &[least]].concat(), window_ms) > limit as usize {
                    least += 1;
                }
                prop_assert_eq!(ready, least);
                now = ready + late;
                window.start(now);
                starts.push(now);
                prop_assert!(window.starts.len() <= limit as usize);
            }
            prop_assert!(fullest(&starts, window_ms) <= limit as usize);
        }

        #[test]
        fn the_bound_holds_on_a_clock_that_jumps(
            limit in 1u32..6,
            window_ms in 0i64..50,
            clock in prop::collection::vec(-100i64..100, 1..80),
        ) {
            let mut window = Window::new(Pace { limit, window_ms });
            let mut starts = Vec::new();
            for now in clock {
                let at = window.ready_at(now);
                prop_assert!(at >= now);
                window.start(at);
                starts.push(at);
            }
            prop_assert!(starts.is_sorted());
            prop_assert!(fullest(&starts, window_ms) <= limit as usize);
        }

        #[test]
        fn a_restart_changes_nothing(
            limit in 1u32..6,
            window_ms in 0i64..50,
            gaps in prop::collection::vec(0i64..30, 1..60),
            seed: i64,
        ) {
            let mut window = Window::new(Pace { limit, window_ms });
            let (mut starts, mut now) = (Vec::new(), 0);
            for gap in gaps {
                now = window.ready_at(now + gap);
                window.start(now);
                starts.push(now);
            }
            let mut restored = Window::new(Pace { limit, window_ms });
            starts.sort_by_key(|s| s.wrapping_mul(seed | 1)); // storage gives them in any order
            restored.restore(starts.into_iter());
            prop_assert_eq!(restored.ready_at(now), window.ready_at(now));
            prop_assert_eq!(restored.starts, window.starts);
        }

        #[test]
        fn after_a_change_every_window_that_ends_later_keeps_the_new_pace(
            before in 1u32..8,
            after in 1u32..8,
            shorter in 0i64..30,
            gaps in prop::collection::vec(0i64..10, 1..30),
        ) {
            let (old, new) = (Pace { limit: before, window_ms: 30 }, Pace { limit: after, window_ms: shorter });
            let mut window = Window::new(old);
            let (mut starts, mut now) = (Vec::new(), 0);
            let half = gaps.len() / 2;
            for (i, gap) in gaps.into_iter().enumerate() {
                if i == half {
                    window.set_pace(new);
                }
                now = window.ready_at(now + gap);
                window.start(now);
                starts.push(now);
                if i >= half {
                    let within = starts.iter().filter(|s| **s >= now - shorter).count();
                    prop_assert!(within <= after as usize, "{within} in {starts:?}");
                }
            }
        }

        #[test]
        fn extreme_times_are_answered(limit: u32, window_ms: i64, times in prop::collection::vec(any::<i64>(), 0..8)) {
            let mut window = Window::new(Pace { limit, window_ms });
            for time in times {
                let _ = window.ready_at(time);
                window.start(time);
            }
        }
    }
}
