//! Forgetting payloads before their messages. A segment is rewritten once for all of its messages that are to forget; of
//! what comes with a message, only what is known of its request stays.
//!
//! A step rewrites a bounded number of bytes. What is beyond is noted, is read no more from then on, and follows later.

use super::segment::{self, Head};
use super::{Header, Home, Log, Span};
use crate::frame;
use crate::id;
use crate::sql::{Sql, SqlError, Value, numbered};
use std::collections::{BTreeMap, BTreeSet};

/// A step ends with the segment that takes it over so many bytes,
pub(super) const STEP_BYTES: i64 = 8_000_000;
/// and has at most so many.
const STEP_SEGMENTS: usize = 64;
/// So many segments lose their expired payloads in one step. A commit is one segment at least and takes a few milliseconds at
/// least, so that no more than this come in a second.
const EXPIRED_SEGMENTS: i64 = 512;
/// At most so many periods are dropped in one step.
const STEP_PERIODS: usize = 4;
/// At most so many messages with a time of their own forget in one step of [`Log::expunge_span`].
const STEP_SCHEDULED: i64 = 256;

/// A segment's columns after some of its messages have forgotten.
pub(super) struct Forgotten {
    pub(super) head: Vec<u8>,
    pub(super) body: Option<Vec<u8>>,
    count: i64,
}

/// A segment without the payloads of these messages; `None` where none of them has any.
pub(super) fn without(
    mut head: Head,
    body: &[u8],
    forgets: impl Fn(&segment::Entry) -> bool,
) -> Option<Forgotten> {
    let (mut kept, mut start, mut count) = (Vec::new(), 0usize, 0i64);
    for entry in &mut head.entries {
        let before = entry.parts;
        let end = start.saturating_add(before.bytes());
        if before.payload.is_some() && forgets(entry) {
            count = count.saturating_add(1);
            entry.parts = before.without_content();
            let origin = before.range(segment::Part::Origin).and_then(|(at, length)| {
                let at = start.saturating_add(at);
                body.get(at..at.saturating_add(length))
            });
            kept.extend_from_slice(origin.unwrap_or_default());
        } else {
            kept.extend_from_slice(body.get(start..end).unwrap_or_default());
        }
        start = end;
    }
    let body = Some(kept).filter(|kept| !kept.is_empty());
    (count > 0).then(|| Forgotten { head: frame::encode(&head), body, count })
}

impl Log {
    /// Forgets the payloads of messages. Those that would take too much at once are forgotten for whoever reads, and
    /// [`Log::purge`] goes on with them.
    pub(in super::super) fn expunge(&mut self, sql: &impl Sql, ids: &[String]) -> Result<(), SqlError> {
        let mut keys: BTreeMap<(u8, i64), BTreeSet<i64>> = BTreeMap::new();
        for msg_id in ids {
            // A payload that has expired is not read any more, but is stored until the end of its hour: it goes now, too.
            let is_stored = |header: &Header| header.entry.parts.payload.is_some();
            let Some(header) = self.get(sql, msg_id)?.filter(is_stored) else { continue };
            match &header.home {
                Home::Scheduled => {
                    self.expunge_scheduled(sql, header.entry.key())?;
                }
                Home::Segment(segment) => {
                    let of_segment = keys.entry((segment.table, segment.key)).or_default();
                    of_segment.insert(header.entry.key());
                }
            }
        }
        let mut bytes: i64 = 0;
        for ((table, key), messages) in keys {
            if bytes < STEP_BYTES {
                let (_, rewritten) =
                    self.rewrite(sql, table, key, |entry| messages.contains(&entry.key()))?;
                bytes = bytes.saturating_add(rewritten);
                continue;
            }
            for key in messages {
                sql.exec("INSERT OR IGNORE INTO expunging (key) VALUES (?1)", &[Value::Int(key)])?;
                self.expunging.insert(key);
            }
        }
        Ok(())
    }

    /// Forgets in one segment: how many payloads, and how many bytes it had.
    fn rewrite(
        &mut self,
        sql: &impl Sql,
        table: u8,
        key: i64,
        forgets: impl Fn(&segment::Entry) -> bool,
    ) -> Result<(i64, i64), SqlError> {
        let select = numbered("SELECT head, body FROM segment_# WHERE key = ?1", table);
        let Some(mut row) = sql.query(select, &[Value::Int(key)])?.into_iter().next() else {
            return Ok((0, 0));
        };
        let (head, body) = (segment::read(&row.blob(0)?)?, row.opt_blob(1)?.unwrap_or_default());
        let bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
        let Some(forgotten) = without(head, &body, forgets) else { return Ok((0, bytes)) };
        sql.exec(
            numbered("UPDATE segment_# SET head = ?2, body = ?3 WHERE key = ?1", table),
            &[Value::Int(key), Value::Blob(&forgotten.head), Value::opt_blob(forgotten.body.as_ref())],
        )?;
        self.forget_recent();
        Ok((forgotten.count, bytes))
    }

    /// Forgets the next payloads after `place` of messages that were accepted until then. How many, how far, and whether
    /// that is all.
    pub(in super::super) fn expunge_span(
        &mut self,
        sql: &impl Sql,
        place: &str,
        until: i64,
    ) -> Result<(i64, String, bool), SqlError> {
        let before = id::floor(id::MESSAGE, until.saturating_add(id::RESOLUTION_MS));
        let (mut count, mut bytes, mut at) = (0i64, 0i64, place.to_owned());
        for _ in 0..STEP_SEGMENTS {
            if bytes >= STEP_BYTES {
                return Ok((count, at, false));
            }
            let span = Span { after: &at, before: &before, ascending: true };
            // An id tells the time to a few milliseconds.
            let page = self.read(sql, span, 1, 0)?;
            let Some(first) = page.headers.first().filter(|first| first.at <= until).cloned() else {
                return self.expunge_scheduled_span(sql, count, at, &before, until);
            };
            let Home::Segment(segment) = &first.home else { return Ok((count, at, true)) };
            let (table, key, from) = (segment.table, segment.key, at.clone());
            at = segment.head.entries.last().map_or(first.id.clone(), segment::Entry::id);
            drop(page);
            let (forgotten, rewritten) = self.rewrite(sql, table, key, |entry| entry.id() > from)?;
            count = count.saturating_add(forgotten);
            bytes = bytes.saturating_add(rewritten);
        }
        Ok((count, at, false))
    }

    /// The last steps of the same, for messages with a time of their own.
    fn expunge_scheduled_span(
        &mut self,
        sql: &impl Sql,
        mut count: i64,
        at: String,
        before: &str,
        until: i64,
    ) -> Result<(i64, String, bool), SqlError> {
        let high = id::key(id::MESSAGE, before).unwrap_or(id::KEY_MAX);
        let rows = sql.query(
            "SELECT key, head FROM scheduled WHERE key <= ?1 AND body IS NOT NULL ORDER BY key LIMIT ?2",
            &[Value::Int(high), Value::Int(STEP_SCHEDULED)],
        )?;
        let is_end = i64::try_from(rows.len()).is_ok_and(|count| count < STEP_SCHEDULED);
        for mut row in rows {
            if segment::read(&row.blob(1)?)?.at > until {
                return Ok((count, at, true));
            }
            count = count.saturating_add(i64::from(self.expunge_scheduled(sql, row.int(0)?)?));
        }
        Ok((count, at, is_end))
    }

    /// Drops periods that have expired, a bounded number, and what is remembered of them. It stores nothing.
    pub(in super::super) fn drop_expired(&mut self, sql: &impl Sql, now: i64) -> Result<Purged, SqlError> {
        self.now = now;
        self.forget_recent();
        let (any, more) = self.periods.purge(sql, now, self.retention_ms, STEP_PERIODS)?;
        self.rings.purge(sql, now, self.retention_ms)?;
        Ok(Purged { any, payloads: false, more })
    }

    /// One bounded step of forgetting what goes without its period.
    pub(in super::super) fn purge(&mut self, sql: &impl Sql, now: i64) -> Result<Purged, SqlError> {
        self.now = now;
        self.forget_recent();
        let expired = self.purge_expired(sql, now)?;
        let noted = self.purge_noted(sql)?;
        let scheduled = self.purge_scheduled(sql, now)?;
        Ok(Purged { any: false, payloads: expired.0, more: expired.1 || noted || scheduled })
    }

    /// Forgets payloads that are kept for less than their messages; whether there were any, and whether there may be more.
    fn purge_expired(&mut self, sql: &impl Sql, now: i64) -> Result<(bool, bool), SqlError> {
        let most = EXPIRED_SEGMENTS;
        let rows = sql.query(
            "SELECT due, key FROM expiry WHERE due <= ?1 ORDER BY due, key LIMIT ?2",
            &[Value::Int(now), Value::Int(most)],
        )?;
        let (is_full, any) = (i64::try_from(rows.len()).is_ok_and(|count| count >= most), !rows.is_empty());
        let mut bytes: i64 = 0;
        for row in rows {
            let (due, key) = (row.int(0)?, row.int(1)?);
            if bytes >= STEP_BYTES {
                return Ok((true, true));
            }
            if let Some(table) = self.periods.table_of(key) {
                let (_, rewritten) = self.rewrite(sql, table, key, |_| true)?;
                bytes = bytes.saturating_add(rewritten);
            }
            sql.exec("DELETE FROM expiry WHERE due = ?1 AND key = ?2", &[Value::Int(due), Value::Int(key)])?;
        }
        Ok((any, is_full))
    }

    /// Goes on with what was to be expunged and took too much; whether there is more.
    fn purge_noted(&mut self, sql: &impl Sql) -> Result<bool, SqlError> {
        let mut bytes: i64 = 0;
        while let Some(first) = self.expunging.first().copied() {
            if bytes >= STEP_BYTES {
                return Ok(true);
            }
            let mut done = vec![first];
            if let Some(segment) = self.containing(sql, first)? {
                let keys = segment.head.entries.iter().map(segment::Entry::key);
                done.extend(keys.filter(|key| self.expunging.contains(key)));
                let (table, key, noted) = (segment.table, segment.key, self.expunging.clone());
                drop(segment);
                let (_, rewritten) = self.rewrite(sql, table, key, |entry| noted.contains(&entry.key()))?;
                bytes = bytes.saturating_add(rewritten);
            }
            for key in done {
                sql.exec("DELETE FROM expunging WHERE key = ?1", &[Value::Int(key)])?;
                self.expunging.remove(&key);
            }
        }
        Ok(false)
    }

    /// When something has to be forgotten next.
    pub(in super::super) fn purge_at(&self, sql: &impl Sql) -> Result<Option<i64>, SqlError> {
        let expiry = sql.query("SELECT min(due) FROM expiry", &[])?;
        let expiry = expiry.first().map_or(Ok(None), |row| row.opt_int(0))?;
        let noted = (!self.expunging.is_empty()).then_some(self.now);
        let scheduled = self.scheduled_over(sql)?;
        Ok(self.forgets_at().into_iter().chain(expiry).chain(noted).chain(scheduled).min())
    }

    /// When the oldest messages, or their keys, have expired.
    pub(in super::super) fn forgets_at(&self) -> Option<i64> {
        let periods = self.periods.expires_at(self.retention_ms);
        periods.into_iter().chain(self.rings.expires_at(self.retention_ms)).min()
    }

    /// Whether payloads that were expunged are still stored.
    pub(in super::super) fn is_expunging(&self) -> bool {
        !self.expunging.is_empty()
    }
}

/// What a step of forgetting has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Purged {
    /// Messages are gone.
    pub(in super::super) any: bool,
    /// Payloads are gone, and their messages are not.
    pub(in super::super) payloads: bool,
    /// There is more to do at once.
    pub(in super::super) more: bool,
}
