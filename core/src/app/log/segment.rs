//! What a row of the log holds: a segment, all messages that were committed together.
//!
//! The head describes the messages and is stored in a column before the body, so that whoever looks for messages reads no
//! payloads. The body is their contents, one after the other; the head says how long each is.

use crate::filter::parse_channels;
use crate::frame::{self, NewMessage};
use crate::id;
use crate::sql::SqlError;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

/// A segment ends before the message that would take it over so many bytes. A larger message has one of its own.
pub(super) const SEGMENT_BYTES: usize = 256 * 1024;
/// At most so many messages in a segment.
pub(super) const SEGMENT_MESSAGES: usize = 64;
/// A head takes no more, unless that of one message does.
const HEAD_BYTES: usize = 32 * 1024;
/// What a message takes in a head besides its texts, at most.
const ENTRY_BYTES: usize = 96;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A segment without its contents.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Head {
    /// When it was committed.
    #[n(0)]
    pub(super) at: i64,
    /// How many bytes its period has, up to and with this segment.
    #[n(1)]
    pub(super) total: u64,
    #[n(2)]
    pub(super) entries: Vec<Entry>,
}

/// A message without its contents.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Entry {
    #[n(0)]
    pub(super) id: ByteArray<20>,
    #[n(1)]
    pub(super) event_type: String,
    #[n(2)]
    pub(super) parts: Parts,
    /// The nonce of the request that brought it.
    #[n(3)]
    pub(super) nonce: Option<u64>,
    /// The text of a JSON array, as are the tags.
    #[n(4)]
    pub(super) channels: Option<String>,
    #[n(5)]
    pub(super) tags: Option<String>,
    #[n(6)]
    pub(super) event_id: Option<String>,
    #[n(7)]
    pub(super) expires_at: Option<i64>,
    #[n(8)]
    pub(super) deliver_at: Option<i64>,
    /// The endpoint that it is for, where it is for one alone.
    #[n(9)]
    pub(super) only_for: Option<String>,
}

/// How many bytes of the body each part of a message takes, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Parts {
    /// None where the payload was expunged or has expired.
    #[n(0)]
    pub(super) payload: Option<u32>,
    /// JSON: headers that are delivered with it.
    #[n(1)]
    pub(super) headers: Option<u32>,
    /// JSON: what is known of the request that it came with.
    #[n(2)]
    pub(super) origin: Option<u32>,
    /// The bytes as they came, where the payload is others.
    #[n(3)]
    pub(super) raw: Option<u32>,
}

/// One of the parts of a message's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Payload,
    Headers,
    Origin,
    Raw,
}

impl Parts {
    fn lengths(&self) -> [(Part, Option<u32>); 4] {
        [
            (Part::Payload, self.payload),
            (Part::Headers, self.headers),
            (Part::Origin, self.origin),
            (Part::Raw, self.raw),
        ]
    }

    pub(super) fn bytes(&self) -> usize {
        self.lengths().iter().fold(0, |sum, (_, part)| sum.saturating_add(part.map_or(0, size)))
    }

    /// Where a part begins among the message's bytes, and how long it is.
    pub(super) fn range(&self, wanted: Part) -> Option<(usize, usize)> {
        let mut start: usize = 0;
        for (part, length) in self.lengths() {
            if part == wanted {
                return length.map(|length| (start, size(length)));
            }
            start = start.saturating_add(length.map_or(0, size));
        }
        None
    }

    /// What stays when the payload is forgotten.
    pub(super) fn without_content(&self) -> Self {
        Self { origin: self.origin, ..Self::default() }
    }
}

fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl Entry {
    pub(super) fn key(&self) -> i64 {
        id::raw_key(&self.id)
    }

    pub(super) fn id(&self) -> String {
        id::text(id::MESSAGE, &self.id)
    }

    pub(super) fn channels(&self) -> Vec<String> {
        parse_channels(self.channels.as_deref())
    }

    pub(super) fn tags(&self) -> Vec<String> {
        parse_channels(self.tags.as_deref())
    }

    fn head_bytes(&self) -> usize {
        let texts = [&self.channels, &self.tags, &self.event_id, &self.only_for];
        let texts = texts.into_iter().flatten().map(String::len);
        texts.fold(ENTRY_BYTES.saturating_add(self.event_type.len()), usize::saturating_add)
    }
}

/// A message that is to be stored.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct New<'a> {
    pub(in super::super) id: &'a str,
    pub(in super::super) message: &'a NewMessage,
    /// The endpoint that it is for, where it is for one alone.
    pub(in super::super) only_for: Option<&'a str>,
}

/// A segment that is being made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<Entry>,
    pub(super) body: Vec<u8>,
    /// The hour at whose beginning its payloads have expired, where they do before their messages.
    pub(super) due: Option<i64>,
    head_bytes: usize,
}

impl Draft {
    /// The message's entry, and its content behind the others'.
    pub(super) fn push(&mut self, now: i64, new: &New<'_>) -> Result<(), SqlError> {
        let entry = self.write(now, new)?;
        self.head_bytes = self.head_bytes.saturating_add(entry.head_bytes());
        self.due = entry.expires_at.map(due_hour);
        self.entries.push(entry);
        Ok(())
    }

    fn write(&mut self, now: i64, new: &New<'_>) -> Result<Entry, SqlError> {
        let New { id, message, only_for } = *new;
        let raw_id = id::raw(id::MESSAGE, id).ok_or_else(|| SqlError(format!("{id} is no message's id")))?;
        let ingest = message.ingest.as_ref();
        let headers = message.headers.as_ref().and_then(|headers| serde_json::to_string(headers).ok());
        let mut add = |bytes: &[u8]| {
            self.body.extend_from_slice(bytes);
            length(bytes)
        };
        let parts = Parts {
            payload: Some(add(&message.payload)),
            headers: headers.as_ref().map(|text| add(text.as_bytes())),
            origin: ingest.map(|ingest| add(ingest.origin.as_bytes())),
            raw: ingest.and_then(|ingest| ingest.raw.as_ref()).map(|raw| add(raw)),
        };
        Ok(Entry {
            id: raw_id.into(),
            event_type: message.event_type.clone(),
            parts,
            nonce: message.nonce,
            channels: message.channels.clone(),
            tags: message.tags.clone(),
            event_id: message.event_id.clone(),
            expires_at: expiry(now, message),
            deliver_at: message.deliver_at,
            only_for: only_for.map(str::to_owned),
        })
    }

    /// Whether a message goes into the same segment as those that are in it already.
    pub(super) fn has_room(&self, now: i64, new: &New<'_>) -> bool {
        let bytes = self.body.len().saturating_add(content_bytes(new.message));
        self.entries.is_empty()
            || self.entries.len() < SEGMENT_MESSAGES
                && self.head_bytes < HEAD_BYTES
                && bytes.saturating_add(self.head_bytes) <= SEGMENT_BYTES
                && self.due == expiry(now, new.message).map(due_hour)
    }
}

/// What a message's content takes, nearly.
fn content_bytes(message: &NewMessage) -> usize {
    let ingest = message.ingest.as_ref();
    let raw = ingest.and_then(|ingest| ingest.raw.as_ref()).map_or(0, |raw| raw.len());
    let origin = ingest.map_or(0, |ingest| ingest.origin.len());
    let headers = message.headers.iter().flatten();
    let headers = headers.map(|(name, value)| name.len().saturating_add(value.len()));
    [message.payload.len(), raw, origin].into_iter().chain(headers).fold(0, usize::saturating_add)
}

/// When a message's payload goes, where the message says so.
fn expiry(now: i64, message: &NewMessage) -> Option<i64> {
    let hours = message.retention_hours.map(|hours| hours.saturating_mul(HOUR_MS));
    let kept_for = hours.or(message.retention_days.map(|days| days.saturating_mul(DAY_MS)));
    // What waits for its time is kept that long after it.
    kept_for.map(|ms| now.max(message.deliver_at.unwrap_or(now)).saturating_add(ms))
}

/// The hour that begins once a payload has expired: they are forgotten by the hour.
pub(super) fn due_hour(expires_at: i64) -> i64 {
    expires_at.saturating_add(HOUR_MS.saturating_sub(1)).div_euclid(HOUR_MS).saturating_mul(HOUR_MS)
}

pub(super) fn read(head: &[u8]) -> Result<Head, SqlError> {
    frame::decode(head).map_err(SqlError)
}
