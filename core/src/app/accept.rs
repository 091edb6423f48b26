//! Messages in: stored in groups, once.

use super::{App, Effects, Entry};
use crate::filter::parse_channels;
use crate::frame::{Accepted, Headers, NewMessage, Payloads, PayloadsAsk};
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use minicbor::bytes::ByteVec;

/// How long an idempotency key is remembered.
const IDEMPOTENCY_MS: i64 = 12 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// At most so many bytes of payload are answered at once.
const PAYLOADS_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Messages that are stored together.
#[derive(Default)]
pub(super) struct Group {
    at: i64,
    stored: Vec<(String, NewMessage)>,
}

impl Group {
    fn answered_before(&self, key: &ByteVec, body_hash: Option<&ByteVec>) -> Option<Accepted> {
        let (id, message) =
            self.stored.iter().find(|(_, message)| message.idempotency_key.as_ref() == Some(key))?;
        if message.body_hash.as_ref() != body_hash {
            return Some(Accepted::KeyReused);
        }
        Some(Accepted::Stored { id: id.clone(), at: self.at, replayed: true })
    }

    fn has_event_id(&self, event_id: &str) -> bool {
        self.id_of(event_id).is_some()
    }

    /// The message of the group with this event id.
    pub(super) fn id_of(&self, event_id: &str) -> Option<&str> {
        let mut stored = self.stored.iter();
        stored.find(|(_, message)| message.event_id.as_deref() == Some(event_id)).map(|(id, _)| id.as_str())
    }
}

macro_rules! insert {
    ($($row:literal),+) => {
        concat!(
            "INSERT INTO message (id, created_at, event_type, event_id, channels, tags, expires_at,
                idempotency_key, body_hash, payload, deliver_at) VALUES ",
            $($row),+
        )
    };
}

/// Statements for so many rows; eleven values each, and at most 100 a statement.
const INSERTS: [(usize, &str); 4] = [
    (
        8,
        insert!(
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?)"
        ),
    ),
    (
        4,
        insert!(
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?),",
            "(?,?,?,?,?,?,?,?,?,?,?)"
        ),
    ),
    (2, insert!("(?,?,?,?,?,?,?,?,?,?,?),", "(?,?,?,?,?,?,?,?,?,?,?)")),
    (1, insert!("(?,?,?,?,?,?,?,?,?,?,?)")),
];

/// When the payload goes, where the message says so.
fn expiry(now: i64, message: &NewMessage) -> Option<i64> {
    let hours = message.retention_hours.map(|hours| hours.saturating_mul(HOUR_MS));
    let kept_for = hours.or(message.retention_days.map(|days| days.saturating_mul(DAY_MS)));
    // What waits for its time is kept that long after it.
    kept_for.map(|ms| now.max(message.deliver_at.unwrap_or(now)).saturating_add(ms))
}

fn values<'a>(id: &'a str, now: i64, message: &'a NewMessage) -> [Value<'a>; 11] {
    let expires_at = expiry(now, message);
    [
        Value::Text(id),
        Value::Int(now),
        Value::Text(&message.event_type),
        Value::opt_text(message.event_id.as_deref()),
        Value::opt_text(message.channels.as_deref()),
        Value::opt_text(message.tags.as_deref()),
        Value::opt_int(expires_at),
        Value::opt_blob(message.idempotency_key.as_deref()),
        Value::opt_blob(message.body_hash.as_deref()),
        Value::Blob(&message.payload),
        Value::opt_int(message.deliver_at),
    ]
}

impl<S: Sql> App<S> {
    /// Stores messages that arrived together; their writes commit together. The answers are in the order of
    /// the messages, and may be given once the writes are durable.
    pub fn accept(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        messages: Vec<NewMessage>,
    ) -> Result<(Vec<Accepted>, Effects), SqlError> {
        let mut answers = Vec::with_capacity(messages.len());
        let mut group = Group { at: now, ..Group::default() };
        for message in messages {
            answers.push(self.accept_one(now, rng, message, &mut group)?);
        }
        self.insert(now, group.stored)?;
        let mut effects = Effects::default();
        self.settle(now, &mut effects)?;
        Ok((answers, effects))
    }

    /// Stores a message of this object's own making, as part of a step that goes on.
    pub(super) fn accept_alone(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        message: NewMessage,
    ) -> Result<(), SqlError> {
        let mut group = Group { at: now, ..Group::default() };
        self.accept_one(now, rng, message, &mut group)?;
        self.insert(now, group.stored)
    }

    fn accept_one(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        message: NewMessage,
        group: &mut Group,
    ) -> Result<Accepted, SqlError> {
        if !self.exists(message.app_uid.as_deref()) {
            return Ok(Accepted::Unknown);
        }
        if self.is_operational() && !self.is_wanted(&message.event_type) {
            return Ok(Accepted::Unknown);
        }
        if let Some(answer) = self.recent.answered(message.nonce) {
            return Ok(answer);
        }
        if let Some(key) = &message.idempotency_key {
            let hash = message.body_hash.as_ref();
            if let Some(answer) = group.answered_before(key, hash) {
                return Ok(answer);
            }
            if let Some(answer) = self.answered_before(now, key, hash)? {
                return Ok(answer);
            }
        }
        if let Some(ingest) = &message.ingest {
            if let Some(limited) = self.limit(now, ingest.rate) {
                return Ok(limited);
            }
            if let Some(event_id) = &message.event_id
                && let Some(answer) = self.came_before(now, event_id, ingest.dedup_ms, group)?
            {
                return Ok(answer);
            }
        } else if let Some(event_id) = &message.event_id
            && (group.has_event_id(event_id) || self.find_by_event_id(event_id)?.is_some())
        {
            return Ok(Accepted::EventIdTaken);
        }
        let id = match message.nonce {
            Some(nonce) => {
                let id = self.message_ids.next_with(now, rng, nonce);
                self.recent.note(now, nonce, &id);
                id
            }
            None => self.message_ids.next(now, rng),
        };
        let stored = Accepted::Stored { id: id.clone(), at: now, replayed: false };
        group.stored.push((id, message));
        Ok(stored)
    }

    /// Inserts the group in as few statements as can be: each costs a call of the platform.
    fn insert(&mut self, now: i64, stored: Vec<(String, NewMessage)>) -> Result<(), SqlError> {
        // Few messages come from a source or bring headers: those are a statement each.
        let usual = |message: &NewMessage| message.ingest.is_none() && message.headers.is_none();
        let (plain, others): (Vec<_>, Vec<_>) = stored.iter().partition(|(_, message)| usual(message));
        for (id, message) in others {
            self.insert_whole(id, now, message)?;
        }
        let mut rest = plain.as_slice();
        while let Some(&(count, statement)) = INSERTS.iter().find(|(count, _)| *count <= rest.len()) {
            let Some((rows, others)) = rest.split_at_checked(count) else { break };
            let values: Vec<Value<'_>> =
                rows.iter().flat_map(|(id, message)| values(id, now, message)).collect();
            self.sql.exec(statement, &values)?;
            rest = others;
        }
        for (id, message) in stored {
            self.note_retention(now, expiry(now, &message));
            if let Some(deliver_at) = message.deliver_at {
                self.schedule(&id, deliver_at)?;
                continue; // fan-out passes it over
            }
            self.last.clone_from(&id);
            self.tail_bytes = self.tail_bytes.saturating_add(message.payload.len());
            self.tail.push_back(Entry {
                id,
                event_type: message.event_type,
                channels: parse_channels(message.channels.as_deref()),
                channels_text: message.channels,
                payload: Vec::from(message.payload).into(),
                headers: message.headers,
            });
        }
        Ok(())
    }

    fn insert_whole(&self, id: &str, now: i64, message: &NewMessage) -> Result<(), SqlError> {
        let ingest = message.ingest.as_ref();
        let headers = message.headers.as_ref().and_then(|headers| serde_json::to_string(headers).ok());
        let mut all = values(id, now, message).to_vec();
        all.extend([
            Value::opt_text(ingest.map(|ingest| ingest.origin.as_str())),
            Value::opt_text(headers.as_deref()),
            Value::opt_blob(ingest.and_then(|ingest| ingest.raw.as_deref())),
        ]);
        self.sql.exec(
            "INSERT INTO message (id, created_at, event_type, event_id, channels, tags, expires_at,
                idempotency_key, body_hash, payload, deliver_at, origin, headers, raw)
             VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            &all,
        )
    }

    fn answered_before(
        &self,
        now: i64,
        key: &[u8],
        body_hash: Option<&ByteVec>,
    ) -> Result<Option<Accepted>, SqlError> {
        let rows = self.sql.query(
            "SELECT id, created_at, body_hash FROM message WHERE idempotency_key = ?1
             ORDER BY id DESC LIMIT 1",
            &[Value::Blob(key)],
        )?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let at = row.int(1)?;
        if now.saturating_sub(at) >= IDEMPOTENCY_MS {
            return Ok(None);
        }
        if row.opt_blob(2)?.as_deref() != body_hash.map(|hash| hash.as_slice()) {
            return Ok(Some(Accepted::KeyReused));
        }
        Ok(Some(Accepted::Stored { id: row.text(0)?, at, replayed: true }))
    }

    /// The id of the message with this event id.
    pub(super) fn find_by_event_id(&self, event_id: &str) -> Result<Option<String>, SqlError> {
        let rows = self.sql.query(
            "SELECT id FROM message WHERE event_id = ?1 ORDER BY id DESC LIMIT 1",
            &[Value::Text(event_id)],
        )?;
        rows.into_iter().next().map(|mut row| row.text(0)).transpose()
    }

    /// Payloads for deliveries that are due again.
    pub fn payloads(&self, ask: &PayloadsAsk) -> Result<Payloads, SqlError> {
        let mut answer = Payloads { found: Vec::new(), gone: Vec::new(), headers: None };
        if !self.exists(None) {
            answer.gone.clone_from(&ask.ids);
            return Ok(answer);
        }
        let mut bytes: usize = 0;
        for id in &ask.ids {
            if bytes >= PAYLOADS_MAX_BYTES {
                break;
            }
            match self.payload_of(id)? {
                Some((payload, headers)) => {
                    bytes = bytes.saturating_add(payload.len());
                    answer.found.push((id.clone(), payload.into()));
                    if let Some(headers) = headers {
                        answer.headers.get_or_insert_default().push((id.clone(), headers));
                    }
                }
                None => answer.gone.push(id.clone()),
            }
        }
        Ok(answer)
    }

    /// A message's payload, if it is still stored, and the headers that it brought.
    pub(super) fn payload_of(&self, msg_id: &str) -> Result<Option<Stored>, SqlError> {
        let rows =
            self.sql.query("SELECT payload, headers FROM message WHERE id = ?1", &[Value::Text(msg_id)])?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let Some(payload) = row.opt_blob(0)? else { return Ok(None) };
        Ok(Some((payload, read_headers(row.opt_text(1)?))))
    }
}

/// A stored payload, and the headers that are delivered with it.
pub(super) type Stored = (Vec<u8>, Option<Headers>);

/// Headers as they are stored.
pub(super) fn read_headers(text: Option<String>) -> Option<Headers> {
    serde_json::from_str(&text?).ok()
}
