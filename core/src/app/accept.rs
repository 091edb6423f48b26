//! Messages in: stored in groups, once.

use super::log::{Content, New};
use super::{App, Effects, Entry};
use crate::filter::parse_channels;
use crate::frame::{Accepted, NewMessage, Payloads, PayloadsAsk};
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use minicbor::bytes::ByteVec;

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

impl<S: Sql> App<S> {
    /// Stores messages that arrived together; their writes commit together. The answers are in the order of
    /// the messages, and may be given once the writes are durable.
    pub fn accept(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        messages: Vec<NewMessage>,
    ) -> Result<(Vec<Accepted>, Effects), SqlError> {
        self.log.set_now(now);
        self.look_for_room(now)?;
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
        self.log.set_now(now);
        self.look_for_room(now)?;
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
            if let Some(answer) = self.answered_before(key, hash)? {
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
        if self.refuses_messages() {
            return Ok(Accepted::Full);
        }
        let id = self.message_ids.next(now, rng);
        if let Some(nonce) = message.nonce {
            self.recent.note(now, nonce, &id);
        }
        let stored = Accepted::Stored { id: id.clone(), at: now, replayed: false };
        group.stored.push((id, message));
        Ok(stored)
    }

    /// Stores the group, in as few rows as can be.
    fn insert(&mut self, now: i64, stored: Vec<(String, NewMessage)>) -> Result<(), SqlError> {
        let new = stored.iter().map(|(id, message)| New { id, message, only_for: None });
        let new: Vec<_> = new.collect();
        let forgets_at = self.log.append(&self.sql, now, &new)?;
        self.note_purge(forgets_at);
        let bytes = stored.iter().map(|(_, message)| message.payload.len());
        self.note_bytes(now, bytes.fold(0, usize::saturating_add))?;
        for (id, message) in stored {
            if let Some(deliver_at) = message.deliver_at {
                self.note_scheduled(deliver_at);
                continue; // it is not offered with the log
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

    fn answered_before(&self, key: &[u8], body_hash: Option<&ByteVec>) -> Result<Option<Accepted>, SqlError> {
        let Some(known) = self.log.by_idempotency_key(&self.sql, key)? else { return Ok(None) };
        if known.body_hash.as_deref() != body_hash.map(|hash| hash.as_slice()) {
            return Ok(Some(Accepted::KeyReused));
        }
        Ok(Some(Accepted::Stored { id: known.id, at: known.at, replayed: true }))
    }

    /// The id of the message with this event id.
    pub(super) fn find_by_event_id(&self, event_id: &str) -> Result<Option<String>, SqlError> {
        Ok(self.log.by_event_id(&self.sql, event_id)?.map(|(msg_id, _)| msg_id))
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
    pub(super) fn payload_of(&self, msg_id: &str) -> Result<Option<Content>, SqlError> {
        let Some(header) = self.log.get(&self.sql, msg_id)? else { return Ok(None) };
        let Some(payload) = self.log.payload(&self.sql, &header)? else { return Ok(None) };
        Ok(Some((payload, self.log.delivered_headers(&self.sql, &header)?)))
    }
}
