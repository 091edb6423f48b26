//! Reports how the endpoint stands when that changes, so that a tenant's overview knows every endpoint in trouble without
//! asking any of them.
//!
//! It guarantees: a healthy endpoint never reports. Trouble is reported once it lasts, at most once per [`PAUSE_MS`]; its
//! end is reported at once, and only if the trouble was. What was reported last is part of the checkpoint (see
//! `history/mod.rs`) and written with the report, so a crash repeats nothing and forgets nothing.

use super::{Effects, Endpoint};
use crate::frame::{ReportKind, Standing};
use crate::sql::{Sql, SqlError};
use minicbor::{Decode, Encode};

/// How long after a single failure the endpoint counts as failing; it does at once after two in a row.
const FAILING_MS: i64 = 3_000;
/// How long a delivery that is due may wait before it counts as a backlog.
const BACKLOG_MS: i64 = 60_000;
/// The shortest time between two reports of trouble.
const PAUSE_MS: i64 = 60_000;

/// What was reported last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Reported {
    #[n(0)]
    standing: Standing,
    /// When trouble was reported last, in milliseconds.
    #[n(1)]
    at: i64,
}

impl<S: Sql> Endpoint<S> {
    /// How the endpoint stands, and since when, in milliseconds.
    fn stands(&self, now: i64) -> (Standing, i64) {
        let lasts = |since: i64| now.saturating_sub(since) >= FAILING_MS || self.breaker.failed_twice();
        let failing = self.failing_since.filter(|since| lasts(*since));
        if let Some(since) = failing {
            let standing = if self.breaker.is_closed() { Standing::Failing } else { Standing::Open };
            return (standing, since);
        }
        let queued = self.queue.front().map(|queued| queued.since);
        let waits = self.earliest.into_iter().chain(queued).min();
        match waits.filter(|since| now.saturating_sub(*since) >= BACKLOG_MS && self.can_send()) {
            Some(since) => (Standing::Waiting, since),
            None => (Standing::Well, now),
        }
    }

    /// Reports how the endpoint stands, if that has changed.
    pub(super) fn report_standing(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        let Some(active) = &self.active else { return Ok(()) };
        // Of a disabled endpoint the App knows more.
        if active.config.deleted || active.config.disabled {
            return Ok(());
        }
        let (mut standing, mut since) = self.stands(now);
        if standing == Standing::Waiting {
            // Memory notes what was added, not what was done.
            self.earliest = self.query_earliest()?;
            (standing, since) = self.stands(now);
        }
        let rests = (0..PAUSE_MS).contains(&now.saturating_sub(self.reported.at));
        if standing == self.reported.standing || (standing != Standing::Well && rests) {
            return Ok(());
        }
        let at = if standing == Standing::Well { self.reported.at } else { now };
        self.reported = Reported { standing, at };
        if !self.history.is_pending() {
            self.save_checkpoint()?;
        }
        self.report(now, ReportKind::Stands { standing, since }, effects)
    }
}
