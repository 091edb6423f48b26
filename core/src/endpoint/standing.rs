//! Reports how the endpoint stands when that changes, so that a tenant's overview knows every endpoint in trouble without
//! asking any of them.
//!
//! It guarantees: a healthy endpoint never reports. Trouble is reported once it lasts, at most once per [`PAUSE_MS`]; its
//! end is reported at once, and only if the trouble was.
//!
//! The report itself is not stored, since it follows from what is: the checkpoint (see `history/mod.rs`) holds the standing
//! that was reported last, and whether the App is known to have it. It is written with every report, usually along with the
//! attempt that caused it. After a crash, a report that may not have arrived is sent again, which changes nothing.

use super::{Effects, Endpoint, REPORT_RETRY_MS};
use crate::frame::{ReportKind, Standing};
use crate::sql::{Sql, SqlError};
use minicbor::{Decode, Encode};

/// How long after a single failure the endpoint counts as failing; it does at once after two in a row.
const FAILING_MS: i64 = 3_000;
/// How long a delivery that is due may wait before it counts as a backlog.
const BACKLOG_MS: i64 = 60_000;
/// The shortest time between two reports of trouble.
const PAUSE_MS: i64 = 60_000;

/// The number of the report of the standing, of which there is one at a time.
pub(super) const STANDING: i64 = 0;

/// What was reported last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Reported {
    #[n(0)]
    standing: Standing,
    /// When trouble was reported last, in milliseconds.
    #[n(1)]
    at: i64,
    /// A report was sent that nobody acknowledged: the App may have it or not.
    #[n(2)]
    #[cbor(default)]
    unsure: bool,
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
        let Reported { standing: known, at, unsure } = self.reported;
        let rests = if unsure {
            self.reports_at.is_some_and(|at| at > now)
        } else {
            standing == known || standing != Standing::Well && (0..PAUSE_MS).contains(&now.saturating_sub(at))
        };
        if self.reporting.is_some() || rests {
            return Ok(());
        }
        let Some(report) = self.report_of(now, ReportKind::Stands { standing, since }) else { return Ok(()) };
        let at = if standing == Standing::Well { at } else { now };
        self.reporting = Some(Reported { standing, at, unsure: false });
        self.reported.unsure = true;
        if !self.history.is_pending() {
            self.save_checkpoint()?;
        }
        if self.earliest.is_none() {
            // Nothing else would wake this object, should it be lost before the answer.
            self.retry_reports(now);
        }
        self.share.count_call(); // it does not wait
        effects.reports.push((STANDING, report));
        Ok(())
    }

    /// The report of the standing was acknowledged, or could not be delivered.
    pub(super) fn standing_reported(
        &mut self,
        now: i64,
        acknowledged: bool,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        let Some(reporting) = self.reporting.take() else { return Ok(()) };
        if !acknowledged {
            self.retry_reports(now);
            return Ok(());
        }
        self.reported = reporting;
        // Where another attempt follows, the checkpoint goes with it.
        if self.earliest.is_none() {
            self.save_checkpoint()?;
        }
        self.report_standing(now, effects) // it may have changed meanwhile
    }

    /// Reports are sent again in a moment, unless they are sooner.
    fn retry_reports(&mut self, now: i64) {
        let at = now.saturating_add(REPORT_RETRY_MS);
        self.reports_at = Some(self.reports_at.map_or(at, |sooner| sooner.min(at)));
    }

    /// After a start: where a report may be missing, the alarm sends it.
    pub(super) fn expect_report(&mut self, now: i64) {
        if self.reported.unsure || self.stands(now).0 != self.reported.standing {
            self.reports_at = Some(now);
        }
    }
}
