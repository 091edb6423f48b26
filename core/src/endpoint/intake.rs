//! What comes in: configuration, messages, payloads, resends.

use super::due::{Due, Member};
use super::{
    Active, Delivery, Effects, Endpoint, FETCH_RETRY_MAX_MS, FETCH_RETRY_MS, MIGRATIONS, QUEUE_MAX,
    QUEUE_MAX_BYTES, Queued,
};
use crate::frame::{self, Config, ConfigAnswer, Headers, Outgoing, Payloads, Push, PushAnswer, Resend};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, migrate};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

impl<S: Sql> Endpoint<S> {
    /// Takes a configuration. An older one than held is ignored: the answer says which version is held.
    pub fn configure(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        config: Config,
    ) -> Result<(ConfigAnswer, Effects), SqlError> {
        if config.version <= self.config_version() {
            return Ok((ConfigAnswer { version: self.config_version() }, self.settled(now, rng)?));
        }
        migrate(&self.sql, MIGRATIONS, now)?;
        let version = config.version;
        let could_send = self.can_send();
        // The one before may have credentials that must not stay in a freed part of the file.
        self.sql.exec("UPDATE meta SET v = zeroblob(length(v)) WHERE k = 'config'", &[])?;
        self.set_meta("config", &frame::encode(&config))?;
        if config.deleted {
            self.due.clear(&self.sql)?;
            self.forget_queue();
            self.in_flight.clear();
            self.answered = 0;
            self.earliest = None;
        }
        let plugins = self.active.as_ref().map(|active| Rc::clone(&active.plugins)).unwrap_or_default();
        let was_fifo = self.is_fifo();
        let before = self.active.as_ref().map(|active| active.sender.url.clone());
        self.activate(config, now)?;
        let moves = |active: &Active| before.is_some_and(|before| active.sender.url != before);
        if self.active.as_ref().is_some_and(moves) {
            self.reset_breaker()?; // nothing is known of the new receiver
        }
        if self.is_fifo() != was_fifo {
            self.earliest = self.query_earliest()?;
        }
        if self.active.as_ref().is_some_and(|active| active.plugins != plugins) {
            self.release_held(now)?;
        }
        if could_send && !self.can_send() {
            self.release_queue(now)?;
        } else if !could_send && self.can_send() {
            // Whoever enables an endpoint says that it is well again.
            self.failing_since = None;
            self.reset_breaker()?;
            self.earliest = self.query_earliest()?;
        }
        Ok((ConfigAnswer { version }, self.settled(now, rng)?))
    }

    /// Gives the leases of what waits in memory back: it is due as soon as sending goes on.
    pub(super) fn release_queue(&mut self, now: i64) -> Result<(), SqlError> {
        let waiting: Vec<Delivery> = (self.queue.drain(..).map(|q| q.delivery))
            .chain(self.ready.drain(..).map(|ready| ready.delivery))
            .chain(self.loading.drain(..))
            .collect();
        self.queue_bytes = 0;
        for delivery in waiting {
            self.move_row(delivery.slot, &delivery.key, now, false)?;
            self.note_due(now);
        }
        Ok(())
    }

    fn forget_queue(&mut self) {
        self.queue.clear();
        self.queue_bytes = 0;
        self.loading.clear();
        self.passing.clear();
        self.ready.clear();
    }

    /// Takes messages from the App's log, in its order. What is already here is accepted again without
    /// effect, so a push may be repeated freely.
    pub fn push(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        push: Push,
    ) -> Result<(PushAnswer, Effects), SqlError> {
        if self.config_version() < push.config_version {
            let answer = PushAnswer { accepted: 0, enough: false, stale: true, owes: self.owes() };
            return Ok((answer, self.settled(now, rng)?));
        }
        if push.messages.is_empty() && self.active.is_some() {
            self.purge(now, true)?; // it was called because something may have to be forgotten
            // The App wants to know what is owed, and memory notes what was added, not what was done.
            self.earliest = self.query_earliest()?;
        }
        let deleted = self.active.as_ref().is_some_and(|a| a.config.deleted);
        let known = if deleted { HashSet::new() } else { self.known(&push.messages)? };
        let room = self.room_for_queue(now);
        let mut accepted: u32 = 0;
        let mut enough = false;
        let ready = self.ready.iter().map(|ready| ready.subject.body.len());
        let (mut taken, mut bytes) = (Vec::new(), ready.fold(self.queue_bytes, usize::saturating_add));
        let mut free =
            self.max_in_flight().saturating_sub(self.under_way().saturating_add(self.loading.len()));
        if self.gate(now) > now {
            free = 0;
        }
        for message in push.messages {
            if !deleted && !known.contains(&message.id) {
                let in_batch = if self.batch().is_some() { self.ready.len() } else { 0 };
                let waiting = self.queue.len().saturating_add(taken.len()).saturating_add(in_batch);
                if waiting >= room.saturating_add(free) || bytes >= QUEUE_MAX_BYTES {
                    enough = true;
                    break;
                }
                bytes = bytes.saturating_add(message.payload.len());
                taken.push(message);
            } else {
                self.note_newest(&message.id);
            }
            accepted = accepted.saturating_add(1);
        }
        self.store(now, taken)?;
        self.told_enough |= enough;
        let effects = self.settled(now, rng)?;
        Ok((PushAnswer { accepted, enough, stale: false, owes: self.owes() }, effects))
    }

    /// Stores messages, leased: they go to memory and from there to the receiver without another write.
    fn store(&mut self, now: i64, messages: Vec<Outgoing>) -> Result<(), SqlError> {
        if messages.is_empty() {
            return Ok(());
        }
        let leased = self.can_send();
        let slot = if leased { self.lease(now).saturating_add(self.slack()) } else { now };
        if leased {
            let member = |message: &Outgoing| Member {
                id: message.id.clone(),
                event_type: message.event_type.clone(),
                channels: message.channels.clone(),
            };
            let members = messages.iter().map(member).collect();
            self.due.store_group(&self.sql, slot, self.history.newest(), members)?;
            self.note_due(slot);
        }
        for message in messages {
            let Outgoing { id, event_type, channels, payload, headers } = message;
            let due = Due { leased, ..Due::of_member(Member { id, event_type, channels }, slot) };
            self.note_newest(&due.msg_id);
            if leased {
                self.enqueue(now, Delivery::of(due, slot), payload.into(), headers);
            } else {
                self.insert(&due)?;
            }
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, due: &Due) -> Result<(), SqlError> {
        self.due.insert(&self.sql, due)?;
        self.note_due(due.slot);
        Ok(())
    }

    fn enqueue(&mut self, now: i64, delivery: Delivery, payload: Vec<u8>, headers: Option<Headers>) {
        self.queue_bytes = self.queue_bytes.saturating_add(payload.len());
        self.queue.push_back(Queued { delivery, payload, headers, since: now });
    }

    fn enqueue_first(&mut self, now: i64, delivery: Delivery, payload: Vec<u8>, headers: Option<Headers>) {
        self.enqueue(now, delivery, payload, headers);
        self.queue.rotate_right(1);
    }

    pub(super) fn note_newest(&mut self, msg_id: &str) {
        if self.newest.as_deref().is_none_or(|newest| newest < msg_id) {
            self.newest = Some(msg_id.to_owned());
        }
    }

    /// Which of a push's messages are here already. Pushes come in the log's order, so only a repeated push has to search.
    fn known(&mut self, messages: &[Outgoing]) -> Result<HashSet<String>, SqlError> {
        let Some(first) = messages.first() else { return Ok(HashSet::new()) };
        if self.newest.is_none() {
            // The first push after a start may be an old one, come late: what the tables hold beyond it counts.
            let tried = self.history.newest_message().map(str::to_owned);
            self.newest = self.due.last_scheduled(&self.sql)?.into_iter().chain(tried).max();
        }
        if self.newest.as_ref().is_none_or(|newest| *newest < first.id) {
            return Ok(HashSet::new());
        }
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let due = self.due.of_messages(&self.sql, &ids)?.into_iter().filter(|due| !due.manual);
        let tried = self.history.of_messages(&self.sql, &ids)?.into_iter();
        let tried = tried.filter(|attempt| !attempt.of.manual).map(|attempt| attempt.of.msg_id);
        Ok(due.map(|due| due.msg_id).chain(tried).collect())
    }

    /// Delivers one message once more. Answers `false` where the endpoint does not deliver at all or holds an
    /// older configuration than the App (which then sends that first).
    pub fn resend(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        resend: Resend,
    ) -> Result<(bool, Effects), SqlError> {
        if self.config_version() < resend.config_version || !self.can_send() {
            return Ok((false, self.settled(now, rng)?));
        }
        let Outgoing { id: msg_id, event_type, channels, payload, headers } = resend.message;
        self.manual_count = self.manual_count.wrapping_add(1);
        let key = format!("{msg_id}#{now}-{}", self.manual_count);
        let slot = self.lease(now).saturating_add(self.slack());
        let due = Due { slot, key, msg_id, event_type, channels, manual: true, made: 0, leased: true };
        self.insert(&due)?;
        let delivery = Delivery::of(due, slot);
        if self.breaker.asked_by_hand(now) {
            self.enqueue_first(now, delivery, payload.into(), headers);
        } else {
            self.enqueue(now, delivery, payload.into(), headers);
        }
        Ok((true, self.settled(now, rng)?))
    }

    /// The App's answer to [`Effects::fetch_payloads`]; `None` where the App could not be reached: the
    /// deliveries become due again soon.
    pub fn payloads(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        asked: &[String],
        answer: Option<Payloads>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        let (answered, rest): (Vec<_>, Vec<_>) =
            self.loading.drain(..).partition(|delivery| asked.contains(&delivery.msg_id));
        self.loading = rest;
        if let Some(answer) = answer {
            self.fetch_failures = 0;
            // What does not fit was leased and is given back, which costs rows: next time, so much is not asked for.
            let all = answer.found.len().saturating_add(answer.gone.len()) >= asked.len();
            self.fetch_fits = if all {
                self.fetch_fits.saturating_mul(2).min(QUEUE_MAX)
            } else {
                answer.found.len().max(1)
            };
            let found: HashMap<String, Vec<u8>> =
                answer.found.into_iter().map(|(msg_id, payload)| (msg_id, payload.into())).collect();
            let headers: HashMap<_, _> = answer.headers.into_iter().flatten().collect();
            for delivery in answered {
                if let Some(payload) = found.get(&delivery.msg_id) {
                    let headers = headers.get(&delivery.msg_id).cloned();
                    self.enqueue(now, delivery, payload.clone(), headers);
                } else if answer.gone.contains(&delivery.msg_id) {
                    self.give_up(now, rng, delivery, &mut effects)?;
                } else {
                    self.move_row(delivery.slot, &delivery.key, now, false)?;
                    self.note_due(now);
                }
            }
        } else {
            self.fetch_failures = self.fetch_failures.saturating_add(1);
            let at = now.saturating_add(doubled(FETCH_RETRY_MS, self.fetch_failures, FETCH_RETRY_MAX_MS));
            for delivery in answered {
                self.move_row(delivery.slot, &delivery.key, at, false)?;
                self.note_due(at);
            }
        }
        self.settle(now, rng, &mut effects)?;
        Ok(effects)
    }
}
