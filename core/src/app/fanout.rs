//! Messages out: from the log to every endpoint that they match.
//!
//! What is on its way is bounded ([`Open`]), and endpoints take turns. A push that is not answered soon stops counting,
//! so that objects that hang do not hold up the others.

use super::log::{Log, Span};
use super::{App, Effects, Entry, Pushing, Slot};
use crate::frame::{Outgoing, Pull, Push, PushAnswer};
use crate::sql::{Sql, SqlError};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Bound;

/// At most so many messages in one push.
const PUSH_MAX: usize = 64;
/// A push ends with the message that takes it over so many bytes.
const PUSH_MAX_BYTES: usize = 1024 * 1024;
/// How many messages of the log are looked at in one step, where memory does not hold them.
const PAGE: usize = 200;
/// Memory for messages that some endpoint was not offered yet; beyond it the log is read.
const TAIL_MAX_BYTES: usize = 8 * 1024 * 1024;
const TAIL_MAX: usize = 4096;

/// At most so many pushes wait for their answers at once,
const OPEN_MAX: usize = 32;
/// and none is added to so many bytes of payload in them.
const OPEN_MAX_BYTES: usize = 8 * 1024 * 1024;
/// A push that takes longer is one of those that hang: it does not count among the open ones any more.
const HANGS_MS: i64 = 1_000;
/// So many endpoints whose last push hung are pushed to at once.
const SLOW_MAX: usize = 8;
/// With so many bytes in pushes that hang, none is added: what the platform holds of them is memory.
const HUNG_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The pushes that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Open {
    pushes: HashMap<String, Pushed>,
    /// The endpoint that was pushed to last: the one after it has the next turn.
    last: String,
    /// Endpoints whose last push hung.
    slow: HashSet<String>,
}

#[derive(Debug)]
struct Pushed {
    at: i64,
    bytes: usize,
    slow: bool,
}

/// Who may be pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    All,
    /// All but those whose last push hung.
    Quick,
    None,
}

impl Open {
    fn room(&self, now: i64) -> Room {
        let (mut count, mut slow, mut bytes, mut hung) = (0usize, 0usize, 0usize, 0usize);
        for push in self.pushes.values() {
            slow = slow.saturating_add(usize::from(push.slow));
            if now.saturating_sub(push.at) >= HANGS_MS {
                hung = hung.saturating_add(push.bytes);
            } else {
                count = count.saturating_add(1);
                bytes = bytes.saturating_add(push.bytes);
            }
        }
        if count >= OPEN_MAX || bytes >= OPEN_MAX_BYTES || hung >= HUNG_MAX_BYTES {
            Room::None
        } else if slow >= SLOW_MAX {
            Room::Quick
        } else {
            Room::All
        }
    }

    /// When there is more room without any answer.
    pub(super) fn frees_at(&self, now: i64) -> Option<i64> {
        let at =
            self.pushes.values().map(|push| push.at.saturating_add(HANGS_MS)).filter(|at| *at > now).min();
        at.filter(|_| self.room(now) == Room::None)
    }

    /// Takes a place for a push, if there is one.
    pub(super) fn take(&mut self, now: i64, endpoint_id: &str, bytes: usize) -> bool {
        let slow = self.slow.contains(endpoint_id);
        let free = match self.room(now) {
            Room::All => true,
            Room::Quick => !slow,
            Room::None => false,
        };
        if free {
            self.pushes.insert(endpoint_id.to_owned(), Pushed { at: now, bytes, slow });
        }
        free
    }

    /// A push has its answer, or will have none.
    fn ended(&mut self, now: i64, endpoint_id: &str) {
        let Some(push) = self.pushes.remove(endpoint_id) else { return };
        if now.saturating_sub(push.at) >= HANGS_MS {
            self.slow.insert(endpoint_id.to_owned());
        } else {
            self.slow.remove(endpoint_id);
        }
    }
}

/// What a look along the log found.
struct Found {
    batch: Vec<Outgoing>,
    /// The last message looked at.
    upto: String,
    /// There may be more beyond `upto`.
    more: bool,
}

impl<S: Sql> App<S> {
    pub(super) fn fan_out(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        let Self { sql, log, slots, tail, tail_after, last, open, share, .. } = self;
        let turn = open.last.clone();
        let after = (Bound::Excluded(turn.as_str()), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Included(turn.as_str()));
        for range in [after, before] {
            for (endpoint_id, slot) in slots.range_mut::<str, _>(range) {
                while slot.can_be_pushed_to(now, last) {
                    match open.room(now) {
                        Room::None => {
                            share.more_calls();
                            return Ok(());
                        }
                        Room::Quick if open.slow.contains(endpoint_id) => break,
                        _ if !share.may_call() => return Ok(()),
                        _ => {}
                    }
                    let found = if slot.cursor >= *tail_after {
                        from_tail(slot, tail)
                    } else {
                        from_log(slot, log, sql)?
                    };
                    if found.batch.is_empty() {
                        let moved = slot.cursor != found.upto;
                        slot.cursor = found.upto;
                        if !found.more || !moved {
                            break;
                        }
                        continue;
                    }
                    slot.pulled = false;
                    slot.pushing = Some(Pushing {
                        upto: found.upto,
                        ids: found.batch.iter().map(|message| message.id.clone()).collect(),
                        overtaken: false,
                    });
                    let bytes = found.batch.iter().map(|message| message.payload.len());
                    open.take(now, endpoint_id, bytes.fold(0, usize::saturating_add));
                    open.last.clone_from(endpoint_id);
                    share.count_call();
                    let push = Push { config_version: slot.record.version, messages: found.batch };
                    effects.push.push((endpoint_id.clone(), push));
                }
            }
        }
        Ok(())
    }

    /// The answer to a push; `None` where there was none.
    pub fn pushed(
        &mut self,
        now: i64,
        endpoint_id: &str,
        answer: Option<PushAnswer>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        self.open.ended(now, endpoint_id);
        let jammed = self.is_jammed()?;
        if let Some(slot) = self.slots.get_mut(endpoint_id)
            && let Some(pushing) = slot.pushing.take()
        {
            match answer {
                None => slot.failed(now),
                Some(PushAnswer { stale: true, .. }) => {
                    // It lost its configuration, or has not seen the newest: that goes first.
                    slot.acknowledged = 0;
                    slot.heard_at = now;
                }
                Some(answer) => {
                    let count = usize::try_from(answer.accepted).unwrap_or(usize::MAX);
                    let enough = answer.enough && !std::mem::take(&mut slot.pulled);
                    let empty_handed = count == 0 && enough;
                    if count >= pushing.ids.len() {
                        slot.cursor = slot.cursor.clone().max(pushing.upto.clone());
                    } else if let Some(id) = count.checked_sub(1).and_then(|i| pushing.ids.get(i)) {
                        slot.cursor = slot.cursor.clone().max(id.clone());
                    }
                    slot.owes = answer.owes || pushing.overtaken;
                    if pushing.is_poke() && !jammed {
                        slot.save(&self.sql, endpoint_id)?;
                    }
                    slot.enough = enough;
                    if empty_handed {
                        // It will pull; in case that gets lost, it is asked again, ever more rarely.
                        slot.failed(now);
                        slot.heard_at = now;
                    } else {
                        slot.heard(now);
                    }
                }
            }
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// An endpoint has room again.
    pub fn pulled(&mut self, now: i64, pull: &Pull) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if let Some(slot) = self.slots.get_mut(&pull.endpoint_id) {
            slot.enough = false;
            slot.pulled = slot.pushing.is_some();
            slot.heard(now);
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// Forgets messages that every endpoint was offered, and more where there are too many.
    pub(super) fn trim_tail(&mut self) {
        let last = &self.last;
        let least = self
            .slots
            .values()
            .filter(|slot| slot.behind(last))
            .map(|slot| slot.cursor.as_str())
            .min()
            .unwrap_or(last)
            .to_owned();
        while let Some(front) = self.tail.front() {
            let crowded = self.tail_bytes > TAIL_MAX_BYTES || self.tail.len() > TAIL_MAX;
            if front.id > least && !crowded {
                break;
            }
            self.tail_bytes = self.tail_bytes.saturating_sub(front.payload.len());
            self.tail_after.clone_from(&front.id);
            self.tail.pop_front();
        }
    }
}

impl Slot {
    /// Whether it can be offered what it has not been offered of the log.
    fn can_be_pushed_to(&self, now: i64, last: &str) -> bool {
        self.behind(last)
            && self.pushing.is_none()
            && !self.enough
            && self.retry_at <= now
            && self.acknowledged >= self.record.version
    }

    pub(super) fn wants(&self, id: &str, event_type: &str, channels: &[String]) -> bool {
        !self.record.skips.iter().any(|(from, to)| id > from.as_str() && id <= to.as_str())
            && self.filter.matches(event_type, channels)
    }
}

fn from_tail(slot: &Slot, tail: &VecDeque<Entry>) -> Found {
    let start = tail.partition_point(|entry| entry.id <= slot.cursor);
    let mut found = Found { batch: Vec::new(), upto: slot.cursor.clone(), more: false };
    let mut bytes: usize = 0;
    for entry in tail.iter().skip(start) {
        if slot.wants(&entry.id, &entry.event_type, &entry.channels) {
            if found.batch.len() >= PUSH_MAX || bytes >= PUSH_MAX_BYTES {
                found.more = true;
                break;
            }
            bytes = bytes.saturating_add(entry.payload.len());
            found.batch.push(Outgoing {
                id: entry.id.clone(),
                event_type: entry.event_type.clone(),
                channels: entry.channels_text.clone(),
                payload: entry.payload.clone(),
                headers: entry.headers.clone(),
            });
        }
        found.upto.clone_from(&entry.id);
    }
    found
}

fn from_log(slot: &Slot, log: &Log, sql: &impl Sql) -> Result<Found, SqlError> {
    let span = Span { after: &slot.cursor, before: "~", ascending: true };
    let page = log.offered(sql, span, PAGE)?;
    let mut found = Found { batch: Vec::new(), upto: slot.cursor.clone(), more: !page.end };
    let mut bytes: usize = 0;
    for header in page.headers {
        // What is for one endpoint alone was brought there already.
        let is_offered = header.has_payload && !header.is_for_one();
        if is_offered && slot.wants(&header.id, header.event_type(), &header.channels()) {
            if found.batch.len() >= PUSH_MAX || bytes >= PUSH_MAX_BYTES {
                found.more = true;
                break;
            }
            if let Some((payload, headers)) = log.content(sql, &header)? {
                bytes = bytes.saturating_add(payload.len());
                found.batch.push(Outgoing {
                    id: header.id.clone(),
                    event_type: header.event_type().to_owned(),
                    channels: header.channels_text().cloned(),
                    payload: payload.into(),
                    headers,
                });
            }
        }
        found.upto = header.id;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use super::{TAIL_MAX, TAIL_MAX_BYTES};
    use crate::frame::{Accepted, NewMessage};
    use serde_json::json;

    /// An endpoint that takes nothing yet, so that the tail is kept for it.
    fn deaf() -> World {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        world.pushes = false;
        world
    }

    fn send(world: &mut World, count: usize, bytes: usize) -> Vec<String> {
        let payload = vec![b'1'; bytes];
        let message = NewMessage { event_type: "a".into(), payload: payload.into(), ..NewMessage::default() };
        let id = |answer| match answer {
            Accepted::Stored { id, .. } => id,
            other => panic!("{other:?}"),
        };
        world.accept_all(vec![message; count]).into_iter().map(id).collect()
    }

    fn tail(world: &World) -> (usize, usize) {
        let bytes = world.app.tail.iter().map(|entry| entry.payload.len()).sum();
        assert_eq!(world.app.tail_bytes, bytes);
        (world.app.tail.len(), bytes)
    }

    /// Everything is delivered once and in order, from the log what memory does not hold.
    fn arrives(mut world: World, sent: &[String]) {
        world.pushes = true;
        world.pass(600_000);
        let got: Vec<&String> = world.got.iter().map(|(id, _)| id).collect();
        assert!(got.iter().eq(&sent.iter().collect::<Vec<_>>()), "{} of {}", got.len(), sent.len());
        assert_eq!(tail(&world), (0, 0), "and nothing is kept for nobody");
    }

    #[test]
    fn the_tail_holds_so_many_messages_and_the_oldest_goes_for_one_more() {
        let mut world = deaf();
        let mut sent = Vec::new();
        for _ in 0..TAIL_MAX / 64 {
            sent.extend(send(&mut world, 64, 2));
        }
        assert_eq!(tail(&world).0, TAIL_MAX);
        sent.extend(send(&mut world, 1, 2));
        assert_eq!(tail(&world).0, TAIL_MAX);
        assert_eq!(world.app.tail_after, sent[0], "the log has the first");
        // However many come at once.
        for _ in 0..20 {
            sent.extend(send(&mut world, 500, 2));
        }
        assert_eq!(tail(&world).0, TAIL_MAX);
        arrives(world, &sent);
    }

    #[test]
    fn the_tail_holds_so_many_bytes_and_the_oldest_goes_for_one_more() {
        let mut world = deaf();
        let mut sent = Vec::new();
        for _ in 0..8 {
            sent.extend(send(&mut world, 1, TAIL_MAX_BYTES / 8));
        }
        assert_eq!(tail(&world), (8, TAIL_MAX_BYTES));
        sent.extend(send(&mut world, 1, 1));
        assert_eq!(tail(&world), (8, TAIL_MAX_BYTES / 8 * 7 + 1));
        sent.extend(send(&mut world, 20, 1_000_000));
        let (count, bytes) = tail(&world);
        assert_eq!((count, bytes), (8, 8_000_000), "a commit may be larger than the tail");
        arrives(world, &sent);
    }

    #[test]
    fn after_a_restart_the_tail_is_empty_and_the_log_is_read() {
        let mut world = deaf();
        let sent = send(&mut world, 200, 1_000);
        world.crash();
        assert_eq!(tail(&world), (0, 0));
        arrives(world, &sent);
    }
}
