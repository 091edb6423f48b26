//! The message log: everything that an App object stores of messages, and all SQL on it.
//!
//! It guarantees:
//! - messages that are appended together are one row, a *segment*, or few; a row never takes more than the platform allows;
//! - the order of ids is the order of the log: a segment's key is the time and counter of its first message's id, and the
//!   segment that contains an id is the last one that begins at or before it;
//! - what has expired is not read, and goes with its period: segments are in tables by *period*, and an expired table is
//!   dropped, which costs nothing by the row;
//! - a payload that was expunged, or kept for less than its message, is read no more from that moment on.
//!
//! Only messages that use them pay for idempotency keys and event ids ([`rings`]), and for a time of their own
//! ([`scheduled`]).

mod expunge;
#[cfg(any(test, feature = "memory"))]
mod fixture;
#[cfg(test)]
mod model;
mod period;
mod rings;
mod scan;
mod scheduled;
mod segment;

pub(super) use expunge::Purged;
#[cfg(any(test, feature = "memory"))]
pub use fixture::{Inspected, backfill, inspect};
pub(super) use scan::Scan;
pub(super) use segment::New;

use crate::frame::Headers;
use crate::id;
use crate::idempotency::Idempotency;
use crate::sql::{Sql, SqlError, Value, numbered};
use period::Periods;
use rings::{IDEMPOTENCY_MS, Rings};
use segment::{Draft, Entry, Head, Part};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// How many heads are read in the first statement of a page, and in each of the later ones at most.
const HEADS: i64 = 8;
const HEADS_MAX: i64 = 64;

/// The log of one application.
#[derive(Debug, Default)]
pub(super) struct Log {
    periods: Periods,
    rings: Rings,
    retention_ms: i64,
    /// The time of the step under way: what has expired by then is not read.
    now: i64,
    /// Keys of messages whose payloads are expunged, and still stored.
    expunging: BTreeSet<i64>,
    /// There may be messages with a time of their own.
    any_scheduled: bool,
    /// The segment that was read last.
    recent: RefCell<Option<Rc<Segment>>>,
}

/// A segment that was read.
#[derive(Debug)]
struct Segment {
    table: u8,
    key: i64,
    head: Head,
    body: RefCell<Body>,
}

#[derive(Debug, Clone)]
enum Body {
    /// Nobody has asked for it.
    Unread,
    /// One message's content was read: whoever asks for another will ask for more.
    Asked,
    Whole(Rc<Vec<u8>>),
}

/// Where a message is stored.
#[derive(Debug, Clone)]
enum Home {
    Segment(Rc<Segment>),
    Scheduled,
}

/// A message of the log, without its content.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) id: String,
    /// When it was accepted.
    pub(super) at: i64,
    /// When it is to be delivered, where that is still to come.
    pub(super) waits_until: Option<i64>,
    /// Whether its payload is still there.
    pub(super) has_payload: bool,
    entry: Entry,
    home: Home,
    /// Where its content begins in the body.
    offset: usize,
}

impl Header {
    pub(super) fn event_type(&self) -> &str {
        &self.entry.event_type
    }

    pub(super) fn event_id(&self) -> Option<&str> {
        self.entry.event_id.as_deref()
    }

    /// The text of a JSON array.
    pub(super) fn channels_text(&self) -> Option<&String> {
        self.entry.channels.as_ref()
    }

    pub(super) fn channels(&self) -> Vec<String> {
        self.entry.channels()
    }

    pub(super) fn tags(&self) -> Vec<String> {
        self.entry.tags()
    }

    pub(super) fn has_channels(&self) -> bool {
        self.entry.channels.is_some()
    }

    pub(super) fn has_tags(&self) -> bool {
        self.entry.tags.is_some()
    }

    /// When it was to be delivered, where not at once.
    pub(super) fn deliver_at(&self) -> Option<i64> {
        self.entry.deliver_at
    }

    /// Whether it is for one endpoint alone.
    pub(super) fn is_for_one(&self) -> bool {
        self.entry.only_for.is_some()
    }

    /// The nonce of the request that brought it.
    pub(super) fn nonce(&self) -> Option<u64> {
        self.entry.nonce
    }
}

/// A part of the log: the ids between two others, in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) after: &'a str,
    pub(super) before: &'a str,
    pub(super) ascending: bool,
}

/// Messages in the order in which a span is read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) headers: Vec<Header>,
    /// Whether the span has no more.
    pub(super) end: bool,
}

impl Log {
    /// Reads what is known of the log.
    pub(super) fn open(sql: &impl Sql, now: i64, retention_ms: i64) -> Result<Self, SqlError> {
        let mut this = Self { retention_ms, now, ..Self::default() };
        this.periods = Periods::open(sql)?;
        this.rings = Rings::open(sql, retention_ms)?;
        this.any_scheduled = !sql.query("SELECT 1 FROM scheduled LIMIT 1", &[])?.is_empty();
        for row in sql.query("SELECT key FROM expunging", &[])? {
            this.expunging.insert(row.int(0)?);
        }
        Ok(this)
    }

    /// The tables of the log that every application has; others are made when they are needed.
    pub(super) const TABLES: &'static [&'static str] = &[
        period::DIRECTORY,
        scheduled::TABLE,
        scheduled::BY_DUE,
        scheduled::BY_OVER,
        scheduled::BY_EXPIRY,
        "CREATE TABLE expiry (
            due INTEGER NOT NULL,      -- the hour at which payloads are forgotten
            key INTEGER NOT NULL,      -- of their segment
            PRIMARY KEY (due, key)
        ) STRICT, WITHOUT ROWID",
        "CREATE TABLE expunging (key INTEGER PRIMARY KEY) STRICT",
    ];

    /// Tells what time it is.
    pub(super) fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// What was accepted before is not read.
    fn horizon(&self) -> i64 {
        self.now.saturating_sub(self.retention_ms)
    }

    /// The id of the newest message that endpoints are offered, and of the newest of all; empty where there is none.
    pub(super) fn newest(&self, sql: &impl Sql) -> Result<(String, String), SqlError> {
        let mut last = String::new();
        if let Some(table) = self.periods.open_table() {
            let newest = numbered("SELECT key, head FROM segment_# ORDER BY key DESC LIMIT 1", table);
            if let Some(mut row) = sql.query(newest, &[])?.into_iter().next() {
                let head = segment::read(&row.blob(1)?)?;
                last = head.entries.last().map(Entry::id).unwrap_or_default();
            }
        }
        let scheduled = scheduled::newest(sql)?.unwrap_or_default();
        let newest = last.clone().max(scheduled);
        Ok((last, newest))
    }

    /// When the oldest message that is stored was accepted, or before.
    pub(super) fn begins_at(&self) -> Option<i64> {
        self.periods.begins_at()
    }

    /// Of the oldest period that is closed, the id of the last message, and a time by which all of its messages had been
    /// accepted.
    pub(super) fn oldest_closed(&self, sql: &impl Sql) -> Result<Option<(String, i64)>, SqlError> {
        self.periods.oldest_closed(sql)
    }

    /// Drops the oldest period, whether it has expired or not.
    pub(super) fn drop_oldest(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        self.forget_recent();
        self.periods.drop_oldest(sql)
    }

    /// Stores messages, which have the newest ids: when something of the log has to be forgotten, at the earliest.
    pub(super) fn append(
        &mut self,
        sql: &impl Sql,
        now: i64,
        messages: &[New<'_>],
    ) -> Result<Option<i64>, SqlError> {
        self.now = now;
        let (mut draft, mut due) = (Draft::default(), None);
        for new in messages {
            if new.message.deliver_at.is_some() {
                let expires_at = self.store_scheduled(sql, now, new)?;
                due = due.into_iter().chain(expires_at).min();
                continue;
            }
            if !draft.has_room(now, new) {
                due = due.into_iter().chain(draft.due).min();
                self.write(sql, now, std::mem::take(&mut draft))?;
            }
            draft.push(now, new)?;
        }
        due = due.into_iter().chain(draft.due).min();
        self.write(sql, now, draft)?;
        self.rings.note(sql, now, messages)?;
        Ok(due.into_iter().chain(self.forgets_at()).min())
    }

    fn write(&mut self, sql: &impl Sql, now: i64, draft: Draft) -> Result<(), SqlError> {
        let Some(key) = draft.entries.first().map(Entry::key) else { return Ok(()) };
        let bytes = draft.body.len().saturating_add(draft.entries.len().saturating_mul(64));
        let (table, total) = self.periods.take(sql, key, bytes, self.retention_ms)?;
        let head = crate::frame::encode(&Head { at: now, total, entries: draft.entries });
        sql.exec(
            numbered("INSERT INTO segment_# (key, head, body) VALUES (?1, ?2, ?3)", table),
            &[Value::Int(key), Value::Blob(&head), Value::Blob(&draft.body)],
        )?;
        if let Some(due) = draft.due {
            sql.exec("INSERT INTO expiry (due, key) VALUES (?1, ?2)", &[Value::Int(due), Value::Int(key)])?;
        }
        Ok(())
    }

    /// The message with this id.
    pub(super) fn get(&self, sql: &impl Sql, msg_id: &str) -> Result<Option<Header>, SqlError> {
        let Some(key) = id::key(id::MESSAGE, msg_id) else { return Ok(None) };
        if let Some(segment) = self.containing(sql, key)?
            && let Some(header) = self.headers(&segment).find(|header| header.id == msg_id)
        {
            return Ok(Some(header).filter(|header| header.at >= self.horizon()));
        }
        self.get_scheduled(sql, key, msg_id)
    }

    /// The segment that would contain a key.
    fn containing(&self, sql: &impl Sql, key: i64) -> Result<Option<Rc<Segment>>, SqlError> {
        if let Some(recent) = &*self.recent.borrow()
            && recent.key <= key
            && recent.head.entries.last().is_some_and(|entry| key <= entry.key())
        {
            return Ok(Some(recent.clone()));
        }
        let Some(table) = self.periods.table_of(key) else { return Ok(None) };
        let select = "SELECT key, head FROM segment_# WHERE key <= ?1 ORDER BY key DESC LIMIT 1";
        let rows = sql.query(numbered(select, table), &[Value::Int(key)])?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let segment = self.segment(table, row.int(0)?, &row.blob(1)?)?;
        *self.recent.borrow_mut() = Some(segment.clone());
        Ok(Some(segment))
    }

    fn segment(&self, table: u8, key: i64, head: &[u8]) -> Result<Rc<Segment>, SqlError> {
        if let Some(recent) = &*self.recent.borrow()
            && (recent.table, recent.key) == (table, key)
        {
            return Ok(recent.clone());
        }
        Ok(Rc::new(Segment { table, key, head: segment::read(head)?, body: RefCell::new(Body::Unread) }))
    }

    fn headers<'a>(&'a self, segment: &'a Rc<Segment>) -> impl Iterator<Item = Header> + 'a {
        let mut offset: usize = 0;
        segment.head.entries.iter().map(move |entry| {
            let start = offset;
            offset = offset.saturating_add(entry.parts.bytes());
            self.header(entry, segment.head.at, Home::Segment(segment.clone()), start, None)
        })
    }

    fn header(&self, entry: &Entry, at: i64, home: Home, offset: usize, waits_until: Option<i64>) -> Header {
        let has_payload = entry.parts.payload.is_some()
            && entry.expires_at.is_none_or(|at| at > self.now)
            && !self.expunging.contains(&entry.key());
        Header { id: entry.id(), at, waits_until, has_payload, entry: entry.clone(), home, offset }
    }

    /// A message's payload, if it is still there.
    pub(super) fn payload(&self, sql: &impl Sql, header: &Header) -> Result<Option<Vec<u8>>, SqlError> {
        if header.has_payload { self.part(sql, header, Part::Payload) } else { Ok(None) }
    }

    /// The headers that are delivered with it.
    pub(super) fn delivered_headers(
        &self,
        sql: &impl Sql,
        header: &Header,
    ) -> Result<Option<Headers>, SqlError> {
        let text = if header.has_payload { self.part(sql, header, Part::Headers)? } else { None };
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// What is known of the request that it came with: the text of a JSON object.
    pub(super) fn origin(&self, sql: &impl Sql, header: &Header) -> Result<Option<String>, SqlError> {
        let text = self.part(sql, header, Part::Origin)?;
        Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// The bytes as they came, if they are still there.
    pub(super) fn raw(&self, sql: &impl Sql, header: &Header) -> Result<Option<Vec<u8>>, SqlError> {
        if !header.has_payload {
            return Ok(None);
        }
        match self.part(sql, header, Part::Raw)? {
            Some(raw) => Ok(Some(raw)),
            None => self.part(sql, header, Part::Payload),
        }
    }

    fn part(&self, sql: &impl Sql, header: &Header, part: Part) -> Result<Option<Vec<u8>>, SqlError> {
        let Some((start, length)) = header.entry.parts.range(part) else { return Ok(None) };
        let start = header.offset.saturating_add(start);
        if length == 0 {
            return Ok(Some(Vec::new()));
        }
        let Home::Segment(segment) = &header.home else {
            return scheduled::content(sql, header.entry.key(), start, length);
        };
        let body = segment.body.borrow().clone();
        let body = match body {
            Body::Whole(body) => body,
            Body::Unread if segment.head.entries.len() > 1 => {
                segment.body.replace(Body::Asked);
                let select = "SELECT substr(body, ?2, ?3) FROM segment_# WHERE key = ?1";
                let rows = sql.query(numbered(select, segment.table), &cut(segment.key, start, length))?;
                return rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_blob(0));
            }
            Body::Unread | Body::Asked => self.whole(sql, segment)?,
        };
        let end = start.saturating_add(length);
        Ok(body.get(start..end).map(<[u8]>::to_vec))
    }

    /// The whole body of a segment. It stays in memory while the segment is the one that was read last.
    fn whole(&self, sql: &impl Sql, segment: &Rc<Segment>) -> Result<Rc<Vec<u8>>, SqlError> {
        if let Body::Whole(body) = &*segment.body.borrow() {
            return Ok(body.clone());
        }
        let select = numbered("SELECT body FROM segment_# WHERE key = ?1", segment.table);
        let rows = sql.query(select, &[Value::Int(segment.key)])?;
        let body = rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_blob(0))?;
        let body = Rc::new(body.unwrap_or_default());
        segment.body.replace(Body::Whole(body.clone()));
        *self.recent.borrow_mut() = Some(segment.clone());
        Ok(body)
    }

    /// A message's payload and the headers that are delivered with it, for whoever will ask for its neighbors, too.
    pub(super) fn content(&self, sql: &impl Sql, header: &Header) -> Result<Option<Content>, SqlError> {
        if let Home::Segment(segment) = &header.home
            && header.has_payload
        {
            self.whole(sql, segment)?;
        }
        let Some(payload) = self.payload(sql, header)? else { return Ok(None) };
        Ok(Some((payload, self.delivered_headers(sql, header)?)))
    }

    /// What a span of the log has, from its beginning: at least so many messages, where there are as many.
    pub(super) fn page(&self, sql: &impl Sql, span: Span<'_>, least: usize) -> Result<Page, SqlError> {
        let page = self.offered(sql, span, least)?;
        if self.any_scheduled { self.with_scheduled(sql, span, page) } else { Ok(page) }
    }

    /// The same without messages that have a time of their own.
    pub(super) fn offered(&self, sql: &impl Sql, span: Span<'_>, least: usize) -> Result<Page, SqlError> {
        self.read(sql, span, least, self.horizon())
    }

    /// The same, of what was accepted from the horizon on.
    fn read(&self, sql: &impl Sql, span: Span<'_>, least: usize, horizon: i64) -> Result<Page, SqlError> {
        let low = bound(span.after).max(id::key_floor(horizon));
        let high = bound(span.before);
        let mut page = Page { headers: Vec::new(), end: true };
        let mut heads = HEADS;
        for (table, low, high) in self.periods.tables(sql, low, high, span.ascending)? {
            let (mut low, mut high) = (low, high);
            loop {
                if page.headers.len() >= least {
                    page.end = false;
                    return Ok(page);
                }
                let segments = self.segments(sql, table, (low, high), span.ascending, heads)?;
                let count = i64::try_from(segments.len()).unwrap_or(i64::MAX);
                if let Some(last) = segments.last() {
                    if span.ascending {
                        low = last.key.saturating_add(1);
                    } else {
                        high = last.key.saturating_sub(1);
                    }
                }
                for segment in &segments {
                    let fits = |header: &Header| {
                        header.at >= horizon && *header.id > *span.after && *header.id < *span.before
                    };
                    let from = page.headers.len();
                    page.headers.extend(self.headers(segment).filter(fits));
                    if !span.ascending {
                        page.headers.get_mut(from..).unwrap_or_default().reverse();
                    }
                }
                if count < heads {
                    break;
                }
                heads = heads.saturating_mul(2).min(HEADS_MAX);
            }
        }
        Ok(page)
    }

    /// Up to so many segments whose keys are in a range.
    fn segments(
        &self,
        sql: &impl Sql,
        table: u8,
        (low, high): (i64, i64),
        ascending: bool,
        most: i64,
    ) -> Result<Vec<Rc<Segment>>, SqlError> {
        let select = if ascending {
            "SELECT key, head FROM segment_# WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
        } else {
            "SELECT key, head FROM segment_# WHERE key >= ?1 AND key <= ?2 ORDER BY key DESC LIMIT ?3"
        };
        let range = [Value::Int(low), Value::Int(high), Value::Int(most)];
        let rows = sql.query(numbered(select, table), &range)?;
        rows.into_iter().map(|mut row| self.segment(table, row.int(0)?, &row.blob(1)?)).collect()
    }

    /// The newest message with this event id: its id, and when it was accepted.
    pub(super) fn by_event_id(
        &self,
        sql: &impl Sql,
        event_id: &str,
    ) -> Result<Option<(String, i64)>, SqlError> {
        let found = self.rings.by_event_id(sql, event_id)?;
        let Some((msg_id, at)) = found.filter(|(_, at)| *at >= self.horizon() || self.any_scheduled) else {
            return Ok(None);
        };
        // One that waits for its time outlives the retention.
        if at < self.horizon() && self.get(sql, &msg_id)?.is_none() {
            return Ok(None);
        }
        Ok(Some((msg_id, at)))
    }

    /// The message that was stored for this idempotency key, when, and with which body's hash.
    pub(super) fn by_idempotency_key(&self, sql: &impl Sql, key: &[u8]) -> Result<Option<Keyed>, SqlError> {
        let found = self.rings.by_key(sql, key)?;
        Ok(found.filter(|found| self.now.saturating_sub(found.at) < IDEMPOTENCY_MS))
    }

    /// Remembers the reply to a request with several messages by the request's idempotency key.
    pub(super) fn remember_reply(
        &mut self,
        sql: &impl Sql,
        now: i64,
        asked: &Idempotency,
        reply: &[u8],
    ) -> Result<(), SqlError> {
        self.rings.note_reply(sql, now, asked, reply)
    }

    /// Forgets everything at once.
    pub(super) fn erase(&mut self, sql: &impl Sql) -> Result<(), SqlError> {
        self.periods.erase(sql)?;
        self.rings.erase(sql)?;
        for statement in [
            "DROP TABLE IF EXISTS scheduled",
            "DROP TABLE IF EXISTS expiry",
            "DROP TABLE IF EXISTS expunging",
        ] {
            sql.exec(statement, &[])?;
        }
        *self = Self::default();
        Ok(())
    }

    fn forget_recent(&self) {
        *self.recent.borrow_mut() = None;
    }
}

/// A stored payload, and the headers that are delivered with it.
pub(super) type Content = (Vec<u8>, Option<Headers>);

/// What is remembered of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keyed {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) body_hash: Option<Vec<u8>>,
    /// The reply to a request with several messages.
    pub(super) reply: Option<Vec<u8>>,
}

/// A key, and a part of a body as SQL counts.
fn cut(key: i64, start: usize, length: usize) -> [Value<'static>; 3] {
    let int = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    [Value::Int(key), int(start.saturating_add(1)), int(length)]
}

/// The key at an end of a span, which may be an id or text below or above every id.
fn bound(end: &str) -> i64 {
    id::key(id::MESSAGE, end).unwrap_or(if end > id::MESSAGE { id::KEY_MAX } else { 0 })
}
