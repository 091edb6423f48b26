//! How many attempts succeeded and failed, by the hour, and how long they took.
//!
//! Counting must not cost a write for every attempt. Each segment of attempts has the counts of the latest hours with it
//! (its checkpoint), so they are exact whatever was lost; when these are several hours, they move to a row for each day.

use crate::frame::{self, StatsHour};
use crate::spread::Spread;
use crate::sql::{Sql, SqlError, Value};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const HOURS_A_DAY: i64 = 24;
/// No more hours than this are in a checkpoint.
const FRESH_MAX: usize = 8;

#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Counts {
    #[n(0)]
    success: i64,
    #[n(1)]
    fail: i64,
    #[n(2)]
    exhausted: i64,
    #[n(3)]
    filtered: i64,
    /// Milliseconds of all attempts together, and of the longest.
    #[n(4)]
    took: i64,
    #[n(5)]
    longest: i64,
    /// How they spread over times and status codes.
    #[n(6)]
    spread: Spread,
}

/// The counts of one hour since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct HourCounts {
    #[n(0)]
    hour: i64,
    #[n(1)]
    counts: Counts,
}

/// Counts that are in no row yet.
#[derive(Debug, Default)]
pub(super) struct Stats(BTreeMap<i64, Counts>);

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

impl Counts {
    fn add(&mut self, other: &Self) {
        self.success = self.success.saturating_add(other.success);
        self.fail = self.fail.saturating_add(other.fail);
        self.exhausted = self.exhausted.saturating_add(other.exhausted);
        self.filtered = self.filtered.saturating_add(other.filtered);
        self.took = self.took.saturating_add(other.took);
        self.longest = self.longest.max(other.longest);
        self.spread.add(&other.spread);
    }
}

impl Stats {
    /// The counts of a checkpoint.
    pub(super) fn restore(hours: &[HourCounts]) -> Self {
        Self(hours.iter().map(|it| (it.hour, it.counts.clone())).collect())
    }

    /// What the next checkpoint has.
    pub(super) fn fresh(&self) -> Vec<HourCounts> {
        self.0.iter().map(|(hour, counts)| HourCounts { hour: *hour, counts: counts.clone() }).collect()
    }

    pub(super) fn success(&mut self, at: i64, took: i64, code: u16) {
        let hour = self.took(at, took, code);
        hour.success = hour.success.saturating_add(1);
    }

    pub(super) fn fail(&mut self, at: i64, took: i64, code: u16) {
        let hour = self.took(at, took, code);
        hour.fail = hour.fail.saturating_add(1);
    }

    fn took(&mut self, at: i64, took: i64, code: u16) -> &mut Counts {
        let hour = self.hour(at);
        hour.took = hour.took.saturating_add(took);
        hour.longest = hour.longest.max(took);
        hour.spread.note(took, code);
        hour
    }

    pub(super) fn filtered(&mut self, at: i64) {
        self.hour(at).filtered = self.hour(at).filtered.saturating_add(1);
    }

    pub(super) fn exhausted(&mut self, at: i64) {
        self.hour(at).exhausted = self.hour(at).exhausted.saturating_add(1);
    }

    fn hour(&mut self, at: i64) -> &mut Counts {
        self.0.entry(at.div_euclid(HOUR_MS)).or_default()
    }

    /// Moves counts to rows where they are those of many hours: all but the latest. A checkpoint must follow in the same
    /// turn.
    pub(super) fn flush(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        if self.0.len() <= FRESH_MAX {
            return Ok(());
        }
        let Some(latest) = self.0.pop_last() else { return Ok(()) };
        let mut days: BTreeMap<i64, BTreeMap<i64, Counts>> = BTreeMap::new();
        for (hour, counts) in std::mem::take(&mut self.0) {
            days.entry(hour.div_euclid(HOURS_A_DAY)).or_default().insert(hour, counts);
        }
        for (day, hours) in days {
            let mut all = Self::stored(sql, day, day)?;
            for (hour, counts) in hours {
                all.entry(hour).or_default().add(&counts);
            }
            sql.exec(
                "INSERT INTO stat (day, hours) VALUES (?1, ?2) ON CONFLICT (day) DO UPDATE SET hours = excluded.hours",
                &[Value::Int(day), Value::Blob(&frame::encode(&Self(all).fresh()))],
            )?;
        }
        self.0.extend([latest]);
        Ok(())
    }

    /// Forgets what is older than so many hours.
    pub(super) fn forget(sql: &impl Sql, hour: i64) -> Result<(), SqlError> {
        sql.exec("DELETE FROM stat WHERE day < ?1", &[Value::Int(hour.div_euclid(HOURS_A_DAY))])
    }

    /// The hours of these days that are in rows.
    fn stored(sql: &impl Sql, from: i64, to: i64) -> Result<BTreeMap<i64, Counts>, SqlError> {
        let mut all = BTreeMap::new();
        let days = [Value::Int(from), Value::Int(to)];
        for mut row in sql.query("SELECT hours FROM stat WHERE day BETWEEN ?1 AND ?2", &days)? {
            let hours: Vec<HourCounts> = frame::decode(&row.blob(0)?).map_err(SqlError)?;
            all.extend(hours.into_iter().map(|it| (it.hour, it.counts)));
        }
        Ok(all)
    }

    fn between(&self, sql: &impl Sql, since: i64, until: i64) -> Result<BTreeMap<i64, Counts>, SqlError> {
        let (from, to) = (since.div_euclid(HOUR_MS), until.div_euclid(HOUR_MS));
        if from > to {
            return Ok(BTreeMap::new());
        }
        let mut all = Self::stored(sql, from.div_euclid(HOURS_A_DAY), to.div_euclid(HOURS_A_DAY))?;
        for (hour, counts) in self.0.range(from..=to) {
            all.entry(*hour).or_default().add(counts);
        }
        all.retain(|hour, _| (from..=to).contains(hour));
        Ok(all)
    }

    /// Attempts started from `since` until before `until`, to the hour.
    pub(super) fn totals(&self, sql: &impl Sql, since: i64, until: i64) -> Result<Totals, SqlError> {
        let mut sum = Counts::default();
        for counts in self.between(sql, since, until)?.values() {
            sum.add(counts);
        }
        let Counts { success, fail, exhausted, filtered, .. } = sum;
        Ok(Totals { success, fail, exhausted, filtered })
    }

    /// The hours from `since` until `until` in which there was an attempt.
    pub(super) fn hours(&self, sql: &impl Sql, since: i64, until: i64) -> Result<Vec<StatsHour>, SqlError> {
        let hour = |(hour, counts): (i64, Counts)| {
            let Counts { success, fail, filtered, took, longest, spread, .. } = counts;
            let at = hour.saturating_mul(HOUR_MS);
            StatsHour { at, success, fail, filtered, took, longest, spread: Some(spread) }
        };
        Ok(self.between(sql, since, until)?.into_iter().map(hour).collect())
    }
}
