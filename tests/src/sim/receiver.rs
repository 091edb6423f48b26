//! The receivers of endpoints.

use super::dice::Dice;
use weir_core::endpoint::{AttemptOutcome, Failure};
use weir_core::rng::Seeded;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Slow,
    /// Connections are refused.
    Down,
    /// Nothing is ever answered.
    Hangs,
    Broken,
    /// Overloaded, with this answer and perhaps this `Retry-After`.
    Busy(u16, Option<i64>),
    Gone,
    /// It takes the request, and its answer gets lost.
    Mute,
    Moody,
}

impl Mood {
    pub(super) fn any(rng: &mut Seeded) -> Self {
        match rng.below(24) {
            0..=7 => Self::Well,
            8..=9 => Self::Slow,
            10..=11 => Self::Down,
            12..=13 => Self::Hangs,
            14..=15 => Self::Broken,
            16..=18 => {
                let after = rng.chance(0.5).then(|| *rng.pick(&[0, 1, 20, 300]));
                Self::Busy(*rng.pick(&[429, 502, 504]), after)
            }
            19 => Self::Gone,
            20..=21 => Self::Mute,
            _ => Self::Moody,
        }
    }

    /// How a request ends, after how long, and whether the receiver took it.
    pub(super) fn answer(self, rng: &mut Seeded, timeout_ms: i64) -> (AttemptOutcome, i64, bool) {
        let answer = |code| AttemptOutcome::Answer { code, retry_after: None, body: b"{}".to_vec() };
        let quick = rng.between(1, 60);
        match self {
            Self::Well => (answer(200), quick, true),
            Self::Slow => {
                let took = rng.between(50, 10_000);
                if took >= timeout_ms {
                    (AttemptOutcome::Failed(Failure::Timeout), timeout_ms, true)
                } else {
                    (answer(204), took, true)
                }
            }
            Self::Down => (AttemptOutcome::Failed(Failure::Network("refused".to_owned())), quick, false),
            Self::Hangs => (AttemptOutcome::Failed(Failure::Timeout), timeout_ms, false),
            Self::Broken => (answer(*rng.pick(&[500, 400, 301])), quick, false),
            Self::Busy(code, after) => {
                let retry_after = after.map(|seconds| seconds.to_string());
                (AttemptOutcome::Answer { code, retry_after, body: Vec::new() }, quick, false)
            }
            Self::Gone => (answer(410), quick, false),
            Self::Mute => (AttemptOutcome::Failed(Failure::Network("reset".to_owned())), quick, true),
            Self::Moody => {
                let other = *rng.pick(&[Self::Well, Self::Broken, Self::Mute, Self::Slow]);
                other.answer(rng, timeout_ms)
            }
        }
    }
}
