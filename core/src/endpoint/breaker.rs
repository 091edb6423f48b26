//! The endpoint's breaker: whether requests may start, by how the receiver answered the latest ones.
//!
//! - *Closed*: they start as the pace and the places let them.
//! - *Open*: none starts until a time. What is due waits, and uses up no attempt of its schedule.
//! - *Half-open*: that time has come, and one request at a time probes. A success closes the breaker; a failure opens it
//!   again, for twice as long.
//!
//! It opens at once when the receiver says that it is overloaded (429, 502, 504), for as long as `Retry-After` asks; and
//! when so many of the latest [`LATEST`] attempts failed, whatever with, as `BREAKER_FAILURES` says. Requests that were under way when it
//! opened speak of the same moment: they neither close it nor open it further.
//!
//! All of this is stored with the attempts: see `history/mod.rs`.

use super::Endpoint;
use crate::retry::doubled;
use crate::sql::{Sql, SqlError};
use minicbor::{Decode, Encode};

/// So many attempts are looked at.
const LATEST: u32 = 20;
/// The first pause; it doubles up to [`PAUSE_MAX_MS`].
const PAUSE_MS: i64 = 1_000;
const PAUSE_MAX_MS: i64 = 60_000;

/// See the module's description.
#[derive(Debug, Default, Clone, Encode, Decode)]
pub(super) struct Breaker {
    /// No request is started before this time.
    #[n(0)]
    until: i64,
    /// How often in a row it opened; 0 while it is closed.
    #[n(1)]
    opened: u32,
    /// When it opened last.
    #[n(2)]
    at: Option<i64>,
    /// Until when the receiver wants its rest. An attempt by hand may come before that; where it fails, the rest goes on.
    #[n(3)]
    rest: Option<i64>,
    /// A bit for each of the latest attempts, the newest first; set where it failed.
    #[n(4)]
    latest: u32,
}

impl Breaker {
    pub(super) fn is_closed(&self) -> bool {
        self.opened == 0
    }

    /// No request is started before this time.
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    /// Whether no request is started now, or only one that probes.
    pub(super) fn holds_back(&self, now: i64) -> bool {
        !self.is_closed() || self.until > now
    }

    /// Where it is not closed: until when it is open; 0 where it is half-open.
    pub(super) fn open_until(&self, now: i64) -> Option<i64> {
        (!self.is_closed()).then_some(if self.until > now { self.until } else { 0 })
    }

    /// Whether the two latest attempts failed.
    pub(super) fn failed_twice(&self) -> bool {
        self.latest & 0b11 == 0b11
    }

    fn note(&mut self, failed: bool) {
        self.latest = (self.latest.wrapping_shl(1) | u32::from(failed)) & (1u32 << LATEST).wrapping_sub(1);
    }

    /// A request that was started then got through.
    pub(super) fn succeeded(&mut self, started_at: i64) {
        self.note(false);
        if !self.is_closed() && started_at >= self.until {
            *self = Self { until: self.until, ..Self::default() };
        }
    }

    /// A request that was started then failed; `asked` is how long the receiver asked to wait, and `most` how many of the
    /// latest attempts may fail.
    pub(super) fn failed(&mut self, now: i64, most: u32, started_at: i64, code: u16, asked: Option<i64>) {
        self.note(true);
        let overloaded = matches!(code, 429 | 502 | 504);
        let asked = asked.filter(|_| overloaded).map(|pause| now.saturating_add(pause));
        if started_at < self.until {
            let longer = asked.filter(|until| *until > self.until);
            self.until = longer.unwrap_or(self.until);
            self.rest = longer.or(self.rest);
            return;
        }
        let often = most > 0 && self.latest.count_ones() >= most;
        if self.is_closed() && !overloaded && !often {
            return;
        }
        self.opened = self.opened.saturating_add(1);
        self.until =
            asked.unwrap_or_else(|| now.saturating_add(doubled(PAUSE_MS, self.opened, PAUSE_MAX_MS)));
        self.rest = asked.or(self.rest);
        self.until = self.until.max(self.rest.unwrap_or(self.until));
        self.at = Some(now);
    }

    /// Someone asks for an attempt by hand: the best probe there is, also where the receiver wants its rest, since whoever
    /// asks may know that it is well again. At most one
    /// in [`PAUSE_MS`] is let through so.
    pub(super) fn asked_by_hand(&mut self, now: i64) -> bool {
        let rested = self.at.is_some_and(|at| now.saturating_sub(at) >= PAUSE_MS);
        let probes = !self.is_closed() && rested;
        if probes {
            self.until = self.until.min(now);
        }
        probes
    }
}

impl<S: Sql> Endpoint<S> {
    /// Closes it: whoever changed the endpoint says that it is well, or it is another receiver.
    pub(super) fn reset_breaker(&mut self) -> Result<(), SqlError> {
        self.breaker = Breaker::default();
        self.save_checkpoint()
    }
}
