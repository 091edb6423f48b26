//! The tables in which attempts are: one for each period, so that what expires goes with `DROP TABLE`, which is not billed.
//!
//! A period begins with the first attempt recorded after the one before was closed: after a tenth of the retention, or when
//! its table is large. Tables have numbers, and those of dropped ones are used again.

use crate::sql::{Sql, SqlError, Value, numbered};

/// A period is closed when its table has about so many bytes: dropping a larger one takes long.
const BYTES_MAX: u64 = 100 * 1024 * 1024;
/// And after this time, or a tenth of the retention if that is shorter.
const LONGEST_MS: i64 = 7 * 86_400_000;
/// What the tables of a new period look like.
const VERSION: i64 = 1;

/// A period, by the number of its first attempt's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) start: i64,
    /// When it began, in milliseconds.
    pub(super) began_at: i64,
    /// The number of its tables.
    pub(super) table: u8,
    /// Whether it has a table of late attempts.
    pub(super) late: bool,
}

/// All periods, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Periods(Vec<Period>);

impl Periods {
    pub(super) fn load(sql: &impl Sql) -> Result<Self, SqlError> {
        let rows = sql.query("SELECT start, began_at, tables, late FROM period ORDER BY start", &[])?;
        let read = |row: &crate::sql::Row| {
            let table = u8::try_from(row.int(2)?).map_err(|error| SqlError(error.to_string()))?;
            Ok(Period { start: row.int(0)?, began_at: row.int(1)?, table, late: row.flag(3)? })
        };
        Ok(Self(rows.iter().map(read).collect::<Result<_, SqlError>>()?))
    }

    pub(super) fn all(&self) -> &[Period] {
        &self.0
    }

    pub(super) fn newest(&self) -> Option<&Period> {
        self.0.last()
    }

    /// The period that an attempt with this number is in.
    pub(super) fn of(&self, number: i64) -> Option<&Period> {
        self.0.iter().rfind(|period| period.start <= number)
    }

    /// Those that may have attempts with these numbers.
    pub(super) fn between(&self, low: i64, high: i64) -> impl DoubleEndedIterator<Item = &Period> {
        let ends = self.0.iter().skip(1).map(|next| next.start).chain([i64::MAX]);
        let all: Vec<_> = self.0.iter().zip(ends).collect();
        all.into_iter()
            .filter(move |(period, end)| period.start <= high && low < *end)
            .map(|(period, _)| period)
    }

    /// The table for a segment that starts with this number, and whether a period begins with it. `bytes`: what the newest
    /// period has.
    pub(super) fn for_new(
        &mut self,
        sql: &impl Sql,
        (number, at): (i64, i64),
        bytes: u64,
        retention_ms: i64,
    ) -> Result<(u8, bool), SqlError> {
        let length = retention_ms.checked_div(10).unwrap_or(0).clamp(1, LONGEST_MS);
        if let Some(newest) = self.newest() {
            let open = bytes < BYTES_MAX && at < newest.began_at.saturating_add(length);
            if open {
                return Ok((newest.table, false));
            }
        }
        let free = (0..=u8::MAX).find(|n| self.0.iter().all(|period| period.table != *n));
        let Some(table) = free else {
            // More are not to be had: the newest goes on.
            return Ok((self.newest().map_or(0, |newest| newest.table), false));
        };
        sql.exec(
            "INSERT INTO period (start, began_at, tables, late, version) VALUES (?1, ?2, ?3, 0, ?4)",
            &[Value::Int(number), Value::Int(at), Value::Int(i64::from(table)), Value::Int(VERSION)],
        )?;
        sql.exec(
            numbered(
                "CREATE TABLE attempts_# (
                    key INTEGER PRIMARY KEY,   -- the number of the first attempt's id
                    head BLOB NOT NULL,        -- what lists filter by
                    state BLOB NOT NULL,       -- of the last segment recorded in one go: the checkpoint
                    body BLOB NOT NULL,        -- responses, headers
                    CHECK (length(head) + length(state) + length(body) < 2000000)
                 ) STRICT",
                table,
            ),
            &[],
        )?;
        self.0.push(Period { start: number, began_at: at, table, late: false });
        Ok((table, true))
    }

    /// Notes that the newest segment has attempts of messages that were accepted well before: a JSON array of pairs, each the
    /// numbers of the first and the last message of a run.
    pub(super) fn note_late(&mut self, sql: &impl Sql, key: i64, runs: &str) -> Result<(), SqlError> {
        let Some(period) = self.0.last_mut() else { return Ok(()) };
        if !period.late {
            sql.exec(
                numbered(
                    "CREATE TABLE late_# (
                        first INTEGER NOT NULL,  -- the number of the first message of a run,
                        last INTEGER NOT NULL,   -- and of the last
                        key INTEGER NOT NULL,    -- a segment that has attempts of messages of the run
                        PRIMARY KEY (first, key)
                     ) STRICT, WITHOUT ROWID",
                    period.table,
                ),
                &[],
            )?;
            sql.exec("UPDATE period SET late = 1 WHERE start = ?1", &[Value::Int(period.start)])?;
            period.late = true;
        }
        sql.exec(
            numbered(
                "INSERT INTO late_# (first, last, key) SELECT value ->> 0, value ->> 1, ?1 FROM json_each(?2)",
                period.table,
            ),
            &[Value::Int(key), Value::Text(runs)],
        )
    }

    /// Drops the oldest period.
    pub(super) fn drop_oldest(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let period = self.0.remove(0);
        sql.exec("DELETE FROM period WHERE start = ?1", &[Value::Int(period.start)])?;
        sql.exec(numbered("DROP TABLE attempts_#", period.table), &[])?;
        if period.late {
            sql.exec(numbered("DROP TABLE late_#", period.table), &[])?;
        }
        Ok(())
    }
}
