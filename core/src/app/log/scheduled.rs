//! Messages that are to be delivered later. Each has a row of its own, from its acceptance until its retention is over,
//! which counts from when it was delivered. Endpoints are not offered it with the log.

use super::expunge::STEP_BYTES;
use super::segment::{self, Draft, Entry, Head, New};
use super::{Header, Home, Log, Page, Span, bound, cut};
use crate::id;
use crate::sql::{Row, Sql, SqlError, Value};

pub(super) const TABLE: &str = "CREATE TABLE scheduled (
    key INTEGER PRIMARY KEY,       -- time and counter of the message's id
    due_at INTEGER,                -- when it is to be delivered; NULL once it was
    over_at INTEGER,               -- when it is forgotten; NULL until it is delivered
    expires_at INTEGER,            -- when its payload is forgotten, where before
    head BLOB NOT NULL,            -- as in a segment, of this message alone
    body BLOB
) STRICT";
pub(super) const BY_DUE: &str =
    "CREATE INDEX scheduled_by_due ON scheduled (due_at) WHERE due_at IS NOT NULL";
pub(super) const BY_OVER: &str =
    "CREATE INDEX scheduled_by_over ON scheduled (over_at) WHERE over_at IS NOT NULL";
pub(super) const BY_EXPIRY: &str =
    "CREATE INDEX scheduled_by_expiry ON scheduled (expires_at) WHERE expires_at IS NOT NULL";

/// At most so many rows in one statement.
const ROWS: i64 = 256;
/// At most so many are forgotten in one step: more than come in a second.
const PURGE_ROWS: i64 = 4_096;

/// The id of the newest one.
pub(super) fn newest(sql: &impl Sql) -> Result<Option<String>, SqlError> {
    let rows = sql.query("SELECT head FROM scheduled ORDER BY key DESC LIMIT 1", &[])?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    Ok(segment::read(&row.blob(0)?)?.entries.first().map(Entry::id))
}

/// A part of a message's content.
pub(super) fn content(
    sql: &impl Sql,
    key: i64,
    start: usize,
    length: usize,
) -> Result<Option<Vec<u8>>, SqlError> {
    let select = "SELECT substr(body, ?2, ?3) FROM scheduled WHERE key = ?1";
    let rows = sql.query(select, &cut(key, start, length))?;
    rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_blob(0))
}

/// The keys of the rows (key, bytes) that one step forgets, and whether there may be more.
fn step_of(rows: &[Row]) -> Result<(Vec<i64>, bool), SqlError> {
    let (mut keys, mut bytes) = (Vec::with_capacity(rows.len()), 0i64);
    for row in rows {
        if bytes >= STEP_BYTES {
            return Ok((keys, true));
        }
        keys.push(row.int(0)?);
        bytes = bytes.saturating_add(row.int(1)?);
    }
    Ok((keys, i64::try_from(rows.len()).is_ok_and(|count| count >= PURGE_ROWS)))
}

impl Log {
    /// Stores a message; when its payload is to be forgotten, where before the message.
    pub(super) fn store_scheduled(
        &mut self,
        sql: &impl Sql,
        now: i64,
        new: &New<'_>,
    ) -> Result<Option<i64>, SqlError> {
        let mut draft = Draft::default();
        draft.push(now, new)?;
        let Some(entry) = draft.entries.first() else { return Ok(None) };
        let (key, due_at, expires_at) = (entry.key(), entry.deliver_at, entry.expires_at);
        let head = crate::frame::encode(&Head { at: now, total: 0, entries: draft.entries });
        self.any_scheduled = true;
        sql.exec(
            "INSERT INTO scheduled (key, due_at, expires_at, head, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[
                Value::Int(key),
                Value::opt_int(due_at),
                Value::opt_int(expires_at),
                Value::Blob(&head),
                Value::Blob(&draft.body),
            ],
        )?;
        Ok(expires_at)
    }

    /// The header of a row: `due_at`, `head`, `over_at`.
    fn scheduled(&self, mut row: Row) -> Result<Option<Header>, SqlError> {
        let (due_at, head, over_at) = (row.opt_int(0)?, segment::read(&row.blob(1)?)?, row.opt_int(2)?);
        let Some(entry) = head.entries.first() else { return Ok(None) };
        if over_at.is_some_and(|at| at <= self.now) {
            return Ok(None);
        }
        Ok(Some(self.header(entry, head.at, Home::Scheduled, 0, due_at)))
    }

    pub(super) fn get_scheduled(
        &self,
        sql: &impl Sql,
        key: i64,
        msg_id: &str,
    ) -> Result<Option<Header>, SqlError> {
        if !self.any_scheduled {
            return Ok(None);
        }
        let rows =
            sql.query("SELECT due_at, head, over_at FROM scheduled WHERE key = ?1", &[Value::Int(key)])?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        Ok(self.scheduled(row)?.filter(|header| header.id == msg_id))
    }

    /// Adds to a page what the span has of messages with a time of their own.
    pub(super) fn with_scheduled(
        &self,
        sql: &impl Sql,
        span: Span<'_>,
        page: Page,
    ) -> Result<Page, SqlError> {
        let select = if span.ascending {
            "SELECT due_at, head, over_at FROM scheduled WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
        } else {
            "SELECT due_at, head, over_at FROM scheduled WHERE key >= ?1 AND key <= ?2 ORDER BY key DESC LIMIT ?3"
        };
        let range = [Value::Int(bound(span.after)), Value::Int(bound(span.before)), Value::Int(ROWS)];
        let rows = sql.query(select, &range)?;
        let mut end = i64::try_from(rows.len()).is_ok_and(|count| count < ROWS);
        let mut headers = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in rows {
            if let Some(header) = self.scheduled(row)? {
                last = Some(header.id.clone());
                if *header.id > *span.after && *header.id < *span.before {
                    headers.push(header);
                }
            }
        }
        if end {
            last = None;
        }
        // Beyond the place where one of the two stopped, the other may have more than it has told.
        let stopped = if page.end { None } else { page.headers.last().map(|header| header.id.clone()) };
        let nearest = last.into_iter().chain(stopped);
        let nearest = if span.ascending { nearest.min() } else { nearest.max() };
        end &= page.end;
        headers.extend(page.headers);
        if let Some(nearest) = nearest {
            headers.retain(|header| if span.ascending { header.id <= nearest } else { header.id >= nearest });
        }
        headers.sort_unstable_by(|a, b| if span.ascending { a.id.cmp(&b.id) } else { b.id.cmp(&a.id) });
        Ok(Page { headers, end })
    }

    /// When the next message is due.
    pub(in super::super) fn next_due(&self, sql: &impl Sql) -> Result<Option<i64>, SqlError> {
        if !self.any_scheduled {
            return Ok(None);
        }
        let rows = sql.query("SELECT min(due_at) FROM scheduled WHERE due_at IS NOT NULL", &[])?;
        rows.first().map_or(Ok(None), |row| row.opt_int(0))
    }

    /// Up to so many messages that are due, in the order of their times.
    pub(in super::super) fn due(&self, sql: &impl Sql, now: i64, most: i64) -> Result<Vec<Header>, SqlError> {
        let rows = sql.query(
            "SELECT due_at, head, over_at FROM scheduled WHERE due_at <= ?1 ORDER BY due_at, key LIMIT ?2",
            &[Value::Int(now), Value::Int(most)],
        )?;
        let headers = rows.into_iter().map(|row| self.scheduled(row));
        headers.filter_map(Result::transpose).collect()
    }

    /// A message has been delivered: from now on it is kept as long as any other. Gives when it is over.
    pub(in super::super) fn delivered(
        &self,
        sql: &impl Sql,
        now: i64,
        msg_id: &str,
    ) -> Result<i64, SqlError> {
        let over_at = now.saturating_add(self.retention_ms);
        let Some(key) = id::key(id::MESSAGE, msg_id) else { return Ok(over_at) };
        sql.exec(
            "UPDATE scheduled SET due_at = NULL, over_at = ?2 WHERE key = ?1",
            &[Value::Int(key), Value::Int(over_at)],
        )?;
        Ok(over_at)
    }

    /// A message could not be delivered: it is due again at that time.
    pub(in super::super) fn put_off(&self, sql: &impl Sql, msg_id: &str, at: i64) -> Result<(), SqlError> {
        let Some(key) = id::key(id::MESSAGE, msg_id).filter(|_| self.any_scheduled) else { return Ok(()) };
        sql.exec("UPDATE scheduled SET due_at = ?2 WHERE key = ?1", &[Value::Int(key), Value::Int(at)])
    }

    /// When the next one, or its payload, is to be forgotten.
    pub(super) fn scheduled_over(&self, sql: &impl Sql) -> Result<Option<i64>, SqlError> {
        if !self.any_scheduled {
            return Ok(None);
        }
        let over = sql.query("SELECT min(over_at) FROM scheduled WHERE over_at IS NOT NULL", &[])?;
        let over = over.first().map_or(Ok(None), |row| row.opt_int(0))?;
        let expiry = sql.query("SELECT min(expires_at) FROM scheduled WHERE expires_at IS NOT NULL", &[])?;
        let expiry = expiry.first().map_or(Ok(None), |row| row.opt_int(0))?;
        Ok(over.into_iter().chain(expiry).min())
    }

    /// Forgets messages, and payloads, whose time is over, of a bounded size; whether there may be more.
    pub(super) fn purge_scheduled(&mut self, sql: &impl Sql, now: i64) -> Result<bool, SqlError> {
        if !self.any_scheduled {
            return Ok(false);
        }
        let over = sql.query(
            "SELECT key, ifnull(length(body), 0) FROM scheduled WHERE over_at <= ?1 ORDER BY over_at, key LIMIT ?2",
            &[Value::Int(now), Value::Int(PURGE_ROWS)],
        )?;
        let (keys, more) = step_of(&over)?;
        if !keys.is_empty() {
            sql.exec(
                "DELETE FROM scheduled WHERE key IN (
                    SELECT key FROM scheduled WHERE over_at <= ?1 ORDER BY over_at, key LIMIT ?2
                 )",
                &[Value::Int(now), Value::Int(i64::try_from(keys.len()).unwrap_or(i64::MAX))],
            )?;
        }
        let expired = sql.query(
            "SELECT key, ifnull(length(body), 0) FROM scheduled WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
            &[Value::Int(now), Value::Int(PURGE_ROWS)],
        )?;
        let (keys, more_payloads) = step_of(&expired)?;
        for key in keys {
            self.expunge_scheduled(sql, key)?;
        }
        Ok(more || more_payloads)
    }

    /// Forgets one's payload: whether there was any.
    pub(super) fn expunge_scheduled(&mut self, sql: &impl Sql, key: i64) -> Result<bool, SqlError> {
        if !self.any_scheduled {
            return Ok(false);
        }
        let rows = sql.query("SELECT head, body FROM scheduled WHERE key = ?1", &[Value::Int(key)])?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(false) };
        let (head, body) = (segment::read(&row.blob(0)?)?, row.opt_blob(1)?.unwrap_or_default());
        let Some(forgotten) = super::expunge::without(head, &body, |_| true) else { return Ok(false) };
        sql.exec(
            "UPDATE scheduled SET expires_at = NULL, head = ?2, body = ?3 WHERE key = ?1",
            &[Value::Int(key), Value::Blob(&forgotten.head), Value::opt_blob(forgotten.body.as_ref())],
        )?;
        Ok(true)
    }
}
