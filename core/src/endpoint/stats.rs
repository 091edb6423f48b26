//! How many attempts succeeded and failed, by the hour, and how long they took.
//!
//! Counting must not cost a write for every attempt, so counts are kept in memory and written with the
//! alarm. `counted_to` is the last attempt that the written counts include; when the object starts, it
//! counts the attempts after it from the table. So the counts are exact whatever was lost.

use crate::frame::{self, StatsHour};
use crate::spread::Spread;
use crate::sql::{Sql, SqlError, Value};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    success: i64,
    fail: i64,
    exhausted: i64,
    filtered: i64,
    /// Milliseconds of all attempts together, and of the longest.
    took: i64,
    longest: i64,
    spread: Spread,
}

/// Counts that are not written yet, and how far the written ones go.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) counted_to: String,
    newest: String,
    fresh: BTreeMap<i64, Counts>,
}

/// Attempts within a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Attempts that succeeded.
    pub(super) success: i64,
    /// Attempts that failed.
    pub(super) fail: i64,
    /// Deliveries that failed for good.
    pub(super) exhausted: i64,
    /// Deliveries that plugins filtered out.
    pub(super) filtered: i64,
}

impl Stats {
    pub(super) fn success(&mut self, at: i64, took: i64, code: u16, attempt_id: String) {
        let hour = self.took(at, took, code, attempt_id);
        hour.success = hour.success.saturating_add(1);
    }

    pub(super) fn fail(&mut self, at: i64, took: i64, code: u16, attempt_id: String) {
        let hour = self.took(at, took, code, attempt_id);
        hour.fail = hour.fail.saturating_add(1);
    }

    fn took(&mut self, at: i64, took: i64, code: u16, attempt_id: String) -> &mut Counts {
        self.newest = attempt_id;
        let hour = self.hour(at);
        hour.took = hour.took.saturating_add(took);
        hour.longest = hour.longest.max(took);
        hour.spread.note(took, code);
        hour
    }

    pub(super) fn filtered(&mut self, at: i64, attempt_id: String) {
        self.hour(at).filtered = self.hour(at).filtered.saturating_add(1);
        self.newest = attempt_id;
    }

    pub(super) fn exhausted(&mut self, at: i64) {
        self.hour(at).exhausted = self.hour(at).exhausted.saturating_add(1);
    }

    fn hour(&mut self, at: i64) -> &mut Counts {
        self.fresh.entry(at.div_euclid(HOUR_MS)).or_default()
    }

    /// Counts what the table holds beyond the written counts.
    pub(super) fn catch_up(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        let rows = sql.query(
            "SELECT id, started_at, status, next_at, manual, duration, code FROM delivery
             WHERE slot = 0 AND id > ?1 ORDER BY id",
            &[Value::Text(&self.counted_to)],
        )?;
        for mut row in rows {
            let (at, attempt_id, took) = (row.int(1)?, row.text(0)?, row.opt_int(5)?.unwrap_or(0));
            let code = row.opt_int(6)?.and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
            match row.int(2)? {
                super::record::SUCCESS => self.success(at, took, code, attempt_id),
                super::record::FILTERED => self.filtered(at, attempt_id),
                _ => {
                    self.fail(at, took, code, attempt_id);
                    if row.opt_int(3)?.is_none() && !row.flag(4)? {
                        self.exhausted(at);
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the counts; called with the alarm.
    pub(super) fn flush(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        for (hour, counts) in &self.fresh {
            let mut spread = stored_spread(sql, *hour)?;
            spread.add(&counts.spread);
            let spread = frame::encode(&spread);
            sql.exec(
                "INSERT INTO stat (hour, success, fail, exhausted, filtered, took, longest, spread)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (hour) DO UPDATE SET success = success + excluded.success,
                    fail = fail + excluded.fail, exhausted = exhausted + excluded.exhausted,
                    filtered = filtered + excluded.filtered, took = took + excluded.took,
                    longest = max(longest, excluded.longest), spread = excluded.spread",
                &[
                    Value::Int(*hour),
                    Value::Int(counts.success),
                    Value::Int(counts.fail),
                    Value::Int(counts.exhausted),
                    Value::Int(counts.filtered),
                    Value::Int(counts.took),
                    Value::Int(counts.longest),
                    Value::Blob(&spread),
                ],
            )?;
        }
        sql.exec(
            "INSERT INTO meta (k, v) VALUES ('counted', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&self.newest))],
        )?;
        self.counted_to.clone_from(&self.newest);
        self.fresh.clear();
        Ok(())
    }

    /// Attempts started from `since` until before `until`, to the hour.
    pub(super) fn totals(&self, sql: &impl Sql, since: i64, until: i64) -> Result<Totals, SqlError> {
        let (from, to) = (since.div_euclid(HOUR_MS), until.div_euclid(HOUR_MS));
        let rows = sql.query(
            "SELECT coalesce(sum(success), 0), coalesce(sum(fail), 0), coalesce(sum(exhausted), 0),
                coalesce(sum(filtered), 0)
             FROM stat WHERE hour BETWEEN ?1 AND ?2",
            &[Value::Int(from), Value::Int(to)],
        )?;
        let mut totals = Totals::default();
        if let Some(row) = rows.first() {
            totals = Totals {
                success: row.int(0)?,
                fail: row.int(1)?,
                exhausted: row.int(2)?,
                filtered: row.int(3)?,
            };
        }
        for (_, counts) in self.fresh.range(from..=to) {
            totals.success = totals.success.saturating_add(counts.success);
            totals.fail = totals.fail.saturating_add(counts.fail);
            totals.exhausted = totals.exhausted.saturating_add(counts.exhausted);
            totals.filtered = totals.filtered.saturating_add(counts.filtered);
        }
        Ok(totals)
    }

    /// The hours from `since` until `until` in which there was an attempt.
    pub(super) fn hours(&self, sql: &impl Sql, since: i64, until: i64) -> Result<Vec<StatsHour>, SqlError> {
        let (from, to) = (since.div_euclid(HOUR_MS), until.div_euclid(HOUR_MS));
        let rows = sql.query(
            "SELECT hour, success, fail, filtered, took, longest, spread FROM stat WHERE hour BETWEEN ?1 AND ?2",
            &[Value::Int(from), Value::Int(to)],
        )?;
        let mut hours = BTreeMap::new();
        for mut row in rows {
            let (at, success, fail, filtered) = (row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?);
            let at = at.saturating_mul(HOUR_MS);
            let (took, longest) = (row.int(4)?, row.int(5)?);
            let spread = row.opt_blob(6)?.and_then(|bytes| frame::decode(&bytes).ok());
            hours.insert(at, StatsHour { at, success, fail, filtered, took, longest, spread });
        }
        for (at, fresh) in self.fresh.range(from..=to) {
            let at = at.saturating_mul(HOUR_MS);
            let Counts { success, fail, filtered, took, longest, spread, .. } = fresh.clone();
            let hour: &mut StatsHour = hours.entry(at).or_default();
            hour.add(&StatsHour { at, success, fail, filtered, took, longest, spread: Some(spread) });
        }
        Ok(hours.into_values().collect())
    }
}

/// What is written of an hour.
fn stored_spread(sql: &impl Sql, hour: i64) -> Result<Spread, SqlError> {
    let rows = sql.query("SELECT spread FROM stat WHERE hour = ?1", &[Value::Int(hour)])?;
    let blob = rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_blob(0))?;
    Ok(blob.and_then(|bytes| frame::decode(&bytes).ok()).unwrap_or_default())
}
