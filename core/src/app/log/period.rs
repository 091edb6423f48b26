//! Periods: which tables the segments are in, and when a table is dropped.

use crate::id;
use crate::sql::{Sql, SqlError, Value, numbered};

pub(super) const DIRECTORY: &str = "CREATE TABLE log_table (
    kind TEXT NOT NULL,            -- 'segment', or what a ring remembers
    number INTEGER NOT NULL,
    start INTEGER NOT NULL,        -- of a segment table its first key, of a ring's table a time
    version INTEGER NOT NULL,      -- of the table's schema
    PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID";

pub(super) const CREATE: &str = "CREATE TABLE segment_# (
    key INTEGER PRIMARY KEY,       -- time and counter of the first message's id
    head BLOB NOT NULL,            -- the messages, without their contents
    body BLOB                      -- their contents
) STRICT";
/// The version of [`CREATE`].
const VERSION: i64 = 1;

const DAY_MS: i64 = 86_400_000;
/// A period ends when it has so many bytes,
const PERIOD_BYTES: u64 = 100_000_000;
/// or, once it has so many, after a day.
const BUSY_BYTES: u64 = 1_000_000;
/// Where messages are kept for longer than a hundred days, after one part of so many: there are 256 tables at most.
const BUSY_PARTS: i64 = 100;
/// Any other is at most one part of so many of the retention.
const PARTS: i64 = 10;

/// The tables, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Periods {
    list: Vec<Period>,
    /// How many bytes the last one has, and the key of its last segment.
    total: u64,
    last: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    table: u8,
    start: i64,
    /// Once it is closed, the key of its last segment; of those that are not the oldest, perhaps a later one.
    end: i64,
}

/// A table and the keys that are wanted of it.
type Range = (u8, i64, i64);

impl Periods {
    pub(super) fn open(sql: &impl Sql) -> Result<Self, SqlError> {
        let rows =
            sql.query("SELECT number, start FROM log_table WHERE kind = 'segment' ORDER BY start", &[])?;
        let mut list: Vec<Period> = Vec::with_capacity(rows.len());
        for row in rows {
            let table = u8::try_from(row.int(0)?).map_err(|_| SqlError("no such period".to_owned()))?;
            let start = row.int(1)?;
            if let Some(before) = list.last_mut() {
                before.end = start;
            }
            list.push(Period { table, start, end: start });
        }
        let mut this = Self { list, total: 0, last: 0 };
        if let Some(table) = this.open_table() {
            let newest = numbered("SELECT key, head FROM segment_# ORDER BY key DESC LIMIT 1", table);
            if let Some(mut row) = sql.query(newest, &[])?.into_iter().next() {
                this.last = row.int(0)?;
                this.total = super::segment::read(&row.blob(1)?)?.total;
            }
        }
        this.learn_end(sql)?;
        Ok(this)
    }

    /// Finds out where the oldest period ends, if it is closed. After a quiet time that is long before the next one begins.
    fn learn_end(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        if self.list.len() > 1
            && let Some(first) = self.list.first_mut()
        {
            let rows = sql.query(numbered("SELECT max(key) FROM segment_#", first.table), &[])?;
            first.end = rows.first().map_or(Ok(None), |row| row.opt_int(0))?.unwrap_or(first.start);
        }
        Ok(())
    }

    /// When the oldest period begins.
    pub(super) fn begins_at(&self) -> Option<i64> {
        self.list.first().map(|period| id::key_millis(period.start))
    }

    /// The table that segments are written to.
    pub(super) fn open_table(&self) -> Option<u8> {
        self.list.last().map(|period| period.table)
    }

    /// The table for a segment of so many bytes, and how many it has with it. A period that is over is closed.
    pub(super) fn take(
        &mut self,
        sql: &impl Sql,
        key: i64,
        bytes: usize,
        retention_ms: i64,
    ) -> Result<(u8, u64), SqlError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(last) = self.list.last().copied()
            && !self.is_over(last, key, retention_ms)
        {
            self.total = self.total.saturating_add(bytes);
            self.last = key;
            return Ok((last.table, self.total));
        }
        let free = (0..=u8::MAX).find(|table| self.list.iter().all(|period| period.table != *table));
        let Some(table) = free.or(self.open_table()) else {
            return Err(SqlError("there is no period".to_owned()));
        };
        if let Some(before) = self.list.last_mut().filter(|_| free.is_some()) {
            before.end = self.last;
        }
        self.last = key;
        self.total = if free.is_some() { bytes } else { self.total.saturating_add(bytes) };
        if free.is_some() {
            sql.exec(numbered(CREATE, table), &[])?;
            sql.exec(
                "INSERT INTO log_table (kind, number, start, version) VALUES ('segment', ?1, ?2, ?3)",
                &[Value::Int(i64::from(table)), Value::Int(key), Value::Int(VERSION)],
            )?;
            self.list.push(Period { table, start: key, end: key });
        }
        Ok((table, self.total))
    }

    fn is_over(&self, period: Period, key: i64, retention_ms: i64) -> bool {
        let age = id::key_millis(key).saturating_sub(id::key_millis(period.start));
        let longest = longest_ms(retention_ms);
        let busy = retention_ms.checked_div(BUSY_PARTS).unwrap_or(0).max(DAY_MS);
        let longest = if self.total >= BUSY_BYTES { longest.min(busy) } else { longest };
        self.total >= PERIOD_BYTES || age >= longest
    }

    /// The table of the segment that contains a key.
    pub(super) fn table_of(&self, key: i64) -> Option<u8> {
        let after = self.list.partition_point(|period| period.start <= key);
        self.list.get(after.checked_sub(1)?).map(|period| period.table)
    }

    /// The tables with segments that may contain keys of a range, in the order of reading, each with the keys of those
    /// segments.
    pub(super) fn tables(
        &self,
        sql: &impl Sql,
        low: i64,
        high: i64,
        ascending: bool,
    ) -> Result<Vec<Range>, SqlError> {
        let first = self.list.partition_point(|period| period.start <= low).saturating_sub(1);
        let mut out = Vec::new();
        for (n, period) in self.list.iter().enumerate().skip(first) {
            if period.start > high {
                break;
            }
            let mut from = period.start;
            if n == first && from < low {
                // The segment that contains the lowest key begins before it.
                let select = numbered("SELECT max(key) FROM segment_# WHERE key <= ?1", period.table);
                let rows = sql.query(select, &[Value::Int(low)])?;
                from = rows.first().map_or(Ok(None), |row| row.opt_int(0))?.unwrap_or(low);
            }
            out.push((period.table, from, high));
        }
        if !ascending {
            out.reverse();
        }
        Ok(out)
    }

    /// When the oldest period has expired, at the latest.
    pub(super) fn expires_at(&self, retention_ms: i64) -> Option<i64> {
        let first = self.list.first()?;
        let end = if self.list.len() > 1 {
            id::key_millis(first.end)
        } else {
            // It may have more by then; and once the retention was longer.
            let longest = id::key_millis(first.start).saturating_add(longest_ms(retention_ms));
            longest.max(id::key_millis(self.last))
        };
        // A segment's time may lie so much after its key's.
        Some(end.saturating_add(retention_ms).saturating_add(id::RESOLUTION_MS))
    }

    /// Drops up to so many periods that have expired; whether any was, and whether there are more.
    pub(super) fn purge(
        &mut self,
        sql: &impl Sql,
        now: i64,
        retention_ms: i64,
        most: usize,
    ) -> Result<(bool, bool), SqlError> {
        for dropped in 0..most {
            if self.expires_at(retention_ms).is_none_or(|at| at > now) {
                return Ok((dropped > 0, false));
            }
            self.drop_oldest(sql)?;
        }
        Ok((most > 0, self.expires_at(retention_ms).is_some_and(|at| at <= now)))
    }

    /// See [`super::Log::oldest_closed`].
    pub(super) fn oldest_closed(&self, sql: &impl Sql) -> Result<Option<(String, i64)>, SqlError> {
        let Some(first) = self.list.first().filter(|_| self.list.len() > 1) else { return Ok(None) };
        let newest = numbered("SELECT head FROM segment_# ORDER BY key DESC LIMIT 1", first.table);
        let Some(mut row) = sql.query(newest, &[])?.into_iter().next() else { return Ok(None) };
        let last = super::segment::read(&row.blob(0)?)?.entries.last().map(super::Entry::id);
        Ok(last.map(|last| (last, id::key_millis(first.end).saturating_add(id::RESOLUTION_MS))))
    }

    /// Drops the oldest period.
    pub(super) fn drop_oldest(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        if self.list.is_empty() {
            return Ok(());
        }
        let Period { table, .. } = self.list.remove(0);
        if self.list.is_empty() {
            self.total = 0;
        }
        sql.exec(numbered("DROP TABLE segment_#", table), &[])?;
        let number = Value::Int(i64::from(table));
        sql.exec("DELETE FROM log_table WHERE kind = 'segment' AND number = ?1", &[number])?;
        self.learn_end(sql)
    }

    /// Drops all of them.
    pub(super) fn erase(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        for Period { table, .. } in self.list.drain(..) {
            sql.exec(numbered("DROP TABLE IF EXISTS segment_#", table), &[])?;
        }
        sql.exec("DROP TABLE IF EXISTS log_table", &[])
    }
}

/// How long a period lasts at most.
fn longest_ms(retention_ms: i64) -> i64 {
    retention_ms.checked_div(PARTS).unwrap_or(0).max(1)
}
