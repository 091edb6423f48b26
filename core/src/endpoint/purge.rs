//! Forgetting attempts whose time is over.
//!
//! Attempts are kept for a day longer than promised, as messages are. A step goes with every alarm: it drops the periods that
//! are over. An object that is quiet when its attempts' time is over
//! has no alarm then, since one for that alone would cost every lone delivery a row: the App, whose messages are older, calls
//! it, and only then it sets an alarm for what remains. Where the endpoint sends as a provider that keeps its history for a
//! shorter time, an alarm is set for that: nobody else would come.

use super::history::{self, History};
use super::stats::Stats;
use super::{Endpoint, HOUR_MS};
use crate::sql::{Sql, SqlError};

const DAY_MS: i64 = 86_400_000;
/// The next step, where there is more to forget.
const STEP_MS: i64 = 1_000;
/// An object without an attempt for this time is quiet.
const QUIET_MS: i64 = DAY_MS;
/// Statistics are kept for so many hours.
const STATS_HOURS: i64 = 90 * 24;

impl<S: Sql> Endpoint<S> {
    /// For how long attempts are kept.
    pub(super) fn retention_ms(&self) -> i64 {
        let days = self.own_retention_days().unwrap_or(self.deployment.retention_days);
        i64::from(days).saturating_mul(DAY_MS)
    }

    /// The days for which the provider keeps its history that the endpoint sends as, where they are fewer.
    fn own_retention_days(&self) -> Option<u32> {
        let days = self.active.as_ref().and_then(|active| active.sender.retention_days);
        days.filter(|own| *own < self.deployment.retention_days)
    }

    /// One step, and when the next is. `asked`: somebody called because something may have to be forgotten.
    pub(super) fn purge(&mut self, now: i64, asked: bool) -> Result<(), SqlError> {
        let kept = self.retention_ms().saturating_add(DAY_MS);
        let before = history::floor(now.saturating_sub(kept));
        if self.history.first_end(&self.sql)?.is_some_and(|end| end < before) {
            // What the attempts know beside themselves must outlive them.
            self.save_checkpoint()?;
            self.history.purge(&self.sql, before)?;
            let hour = now.div_euclid(HOUR_MS).saturating_sub(STATS_HOURS);
            Stats::forget(&self.sql, hour)?;
        }
        let quiet = history::time_of(self.history.newest()).saturating_add(QUIET_MS) <= now;
        let wanted = asked || quiet || self.purge_at.is_some() || self.own_retention_days().is_some();
        let over = |end: i64| history::time_of(end).saturating_add(kept);
        let next = self.history.first_end(&self.sql)?.map(over).filter(|_| wanted);
        self.purge_at = next.map(|at| at.max(now.saturating_add(STEP_MS)));
        Ok(())
    }

    /// Writes what otherwise is written with attempts.
    pub(super) fn save_checkpoint(&self) -> Result<(), SqlError> {
        self.history.save(&self.sql, self.checkpoint())
    }

    /// Writes the attempts that this turn recorded.
    pub(super) fn commit_attempts(&mut self) -> Result<(), SqlError> {
        if !self.history.is_pending() {
            return Ok(());
        }
        self.stats.flush(&self.sql)?;
        let checkpoint = self.checkpoint();
        let retention = self.retention_ms();
        self.history.commit(&self.sql, retention, checkpoint)
    }

    fn checkpoint(&self) -> history::Checkpoint {
        history::Checkpoint {
            hours: self.stats.fresh(),
            breaker: self.breaker.clone(),
            failing_since: self.failing_since,
            ended: self.due.ended(),
            reported: self.reported,
            ..history::Checkpoint::default()
        }
    }

    /// Attempts up to this id are older than they are kept, though they may still be stored.
    pub(super) fn hidden_up_to(&self, now: i64) -> String {
        History::floor_id(now.saturating_sub(self.retention_ms()).saturating_sub(DAY_MS))
    }
}
