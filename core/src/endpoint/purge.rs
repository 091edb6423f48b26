//! Forgetting attempts whose time is over.
//!
//! A step goes with every alarm. An object that is quiet when its attempts' time is over has no alarm then, since one
//! for that alone would cost every lone delivery a row: the App, whose messages are older, calls it, and only then it
//! sets an alarm for what remains. Where the endpoint sends as a provider that keeps its history for a shorter time, an
//! alarm is set for that: nobody else would come.

use super::Endpoint;
use crate::id;
use crate::sql::{Sql, SqlError, Value};

const DAY_MS: i64 = 86_400_000;
/// At most so many attempts in one step: more than an endpoint can make in a second.
const BATCH: usize = 4096;
/// The next step, where there is more to forget.
const STEP_MS: i64 = 1_000;
/// An alarm is set for what is to be forgotten within this time.
const SOON_MS: i64 = 3 * DAY_MS;
/// Statistics are kept for so many hours.
const STATS_HOURS: i64 = 90 * 24;

impl<S: Sql> Endpoint<S> {
    /// One step, and when the next is.
    pub(super) fn purge(&mut self, now: i64) -> Result<(), SqlError> {
        let days = self.deployment.retention_days;
        let own =
            self.active.as_ref().and_then(|active| active.sender.retention_days).filter(|own| *own < days);
        let retention = i64::from(own.unwrap_or(days)).saturating_mul(DAY_MS);
        let soon = |at: &i64| own.is_some() || *at <= now.saturating_add(SOON_MS);
        let over = |at: i64| at.saturating_add(retention).saturating_add(DAY_MS);
        let Some(oldest) = self.oldest_attempt()? else {
            self.purge_at = None;
            return Ok(());
        };
        if over(oldest) > now {
            self.purge_at = Some(over(oldest)).filter(soon);
            return Ok(());
        }
        let before = id::floor(id::ATTEMPT, now.saturating_sub(retention));
        let gone = self.sql.query(
            "DELETE FROM delivery WHERE slot = 0 AND id IN (
                SELECT id FROM delivery WHERE slot = 0 AND id < ?1 ORDER BY id LIMIT ?2
             ) RETURNING 1",
            &[Value::Text(&before), Value::Int(i64::try_from(BATCH).unwrap_or(i64::MAX))],
        )?;
        let hour = now.div_euclid(3_600_000).saturating_sub(STATS_HOURS);
        self.sql.exec("DELETE FROM stat WHERE hour < ?1", &[Value::Int(hour)])?;
        self.purge_at = if gone.len() >= BATCH {
            Some(now.saturating_add(STEP_MS))
        } else {
            self.oldest_attempt()?.map(over).filter(soon)
        };
        Ok(())
    }

    fn oldest_attempt(&self) -> Result<Option<i64>, SqlError> {
        let rows = self.sql.query("SELECT id FROM delivery WHERE slot = 0 ORDER BY id LIMIT 1", &[])?;
        match rows.into_iter().next() {
            Some(mut row) => Ok(id::millis(id::ATTEMPT, &row.text(0)?)),
            None => Ok(None),
        }
    }
}
