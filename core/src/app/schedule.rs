//! Messages that are to be delivered later: accepted and stored at once, fanned out at their time.
//!
//! The log keeps them apart from those that are offered at once, and says when each is due, until every endpoint that wants
//! the message has it. Which endpoints want it is decided at its time. Endpoints are
//! asked as by a replay, which recognizes a message that it has: so what a crash repeats is repeated without effect.

use super::App;
use super::Effects;
use crate::frame::{Owed, ReplayAsk, TaskAnswer};
use crate::sql::{Sql, SqlError};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many messages are handed to the endpoints at once.
const BATCH: i64 = 100;
/// So many endpoints are asked at once.
const ASKED_MAX: usize = 32;
/// A message that an endpoint could not be given is offered again after this time.
const RETRY_MS: i64 = 15_000;

/// What is known of the messages that wait for their time.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When the next one is due.
    next: Option<i64>,
    /// Messages that endpoints are being given.
    round: Option<Round>,
}

#[derive(Debug)]
struct Round {
    messages: Vec<String>,
    /// The endpoints that are to be asked, and what they are asked to take.
    asks: BTreeMap<String, Vec<Owed>>,
    /// The endpoints that have not answered, and what they were asked to take.
    waiting: BTreeMap<String, Vec<String>>,
    /// Messages that some endpoint could not be given.
    failed: BTreeSet<String>,
}

impl<S: Sql> App<S> {
    pub(super) fn load_schedule(&mut self) -> Result<(), SqlError> {
        self.schedule.next = self.log.next_due(&self.sql)?;
        Ok(())
    }

    /// When something has to be done for messages that wait, at the earliest. While endpoints are being asked, their
    /// answers lead on.
    pub(super) fn schedule_due(&self) -> Option<i64> {
        self.schedule.next
    }

    /// Notes that a message was stored which is to be delivered at that time.
    pub(super) fn note_scheduled(&mut self, deliver_at: i64) {
        self.schedule.next = Some(self.schedule.next.map_or(deliver_at, |next| next.min(deliver_at)));
    }

    /// Gives messages whose time has come to the endpoints that want them.
    pub(super) fn drive_schedule(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        loop {
            let Some(round) = &mut self.schedule.round else {
                if self.schedule.next.is_none_or(|at| at > now) {
                    return Ok(());
                }
                let round = self.next_round(now)?;
                self.schedule.round = Some(round);
                continue;
            };
            if round.waiting.is_empty() && round.asks.is_empty() {
                self.end_round(now)?;
                continue;
            }
            if round.waiting.len() >= ASKED_MAX || round.asks.is_empty() || !self.share.take_call() {
                return Ok(());
            }
            let Some((endpoint_id, messages)) = round.asks.pop_first() else { return Ok(()) };
            let ids = messages.iter().map(|message| message.id.clone()).collect();
            round.waiting.insert(endpoint_id.clone(), ids);
            self.note_debt(&endpoint_id)?;
            effects.scheduled.push((endpoint_id, ReplayAsk { messages, dry: None, on_time: Some(true) }));
        }
    }

    /// The messages whose time has come, and who is to be asked to take them.
    fn next_round(&self, now: i64) -> Result<Round, SqlError> {
        let mut round = Round {
            messages: Vec::new(),
            asks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            failed: BTreeSet::new(),
        };
        for header in self.log.due(&self.sql, now, BATCH)? {
            let id = header.id.clone();
            round.messages.push(id.clone());
            if !header.has_payload {
                continue; // expunged meanwhile
            }
            let (event_type, channels) = (header.event_type().to_owned(), header.channels_text().cloned());
            let listed = header.channels();
            for (endpoint_id, slot) in &self.slots {
                if slot.deleted || slot.record.content.disabled || !slot.filter.matches(&event_type, &listed)
                {
                    continue;
                }
                if slot.acknowledged < slot.record.version {
                    // Its configuration goes first.
                    round.failed.insert(id.clone());
                    continue;
                }
                let owed =
                    Owed { id: id.clone(), event_type: event_type.clone(), channels: channels.clone() };
                round.asks.entry(endpoint_id.clone()).or_default().push(owed);
            }
        }
        Ok(round)
    }

    /// The answer to a message of [`Effects::scheduled`]; `None` where there was none.
    pub fn scheduled_told(
        &mut self,
        now: i64,
        endpoint_id: &str,
        answer: Option<&TaskAnswer>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if let Some(round) = &mut self.schedule.round
            && let Some(ids) = round.waiting.remove(endpoint_id)
            && answer.is_none_or(|answer| answer.not_ready)
        {
            round.failed.extend(ids);
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    fn end_round(&mut self, now: i64) -> Result<(), SqlError> {
        let Some(round) = self.schedule.round.take() else { return Ok(()) };
        let mut forgets_at = None;
        for id in &round.messages {
            if round.failed.contains(id) {
                self.log.put_off(&self.sql, id, now.saturating_add(RETRY_MS))?;
            } else {
                forgets_at = Some(self.log.delivered(&self.sql, now, id)?);
            }
        }
        self.note_purge(forgets_at);
        self.load_schedule()
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
    use crate::time::rfc3339;
    use serde_json::{Value as Json, json};

    const MINUTE: i64 = 60_000;

    fn later(world: &mut World, event_type: &str, wait: i64) -> String {
        let message = NewMessage {
            event_type: event_type.to_owned(),
            payload: b"{}".to_vec().into(),
            deliver_at: Some(world.now + wait),
            ..NewMessage::default()
        };
        match world.accept(message) {
            Accepted::Stored { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    fn got(world: &World) -> Vec<String> {
        world.got.iter().map(|(id, _)| id.clone()).collect()
    }

    #[test]
    fn a_message_waits_for_its_time_and_holds_up_no_other() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let waits = later(&mut world, "a.b", 10 * MINUTE);
        let at_once = world.send("a.b");
        assert_eq!(got(&world), std::slice::from_ref(&at_once));
        let (_, shown) = world.call(Op::MessageGet, &[&waits], "", &Json::Null);
        assert_eq!(shown["deliverAt"], rfc3339(world.now - 1_000 + 10 * MINUTE), "{shown}");
        let (_, page) = world.call(Op::MessageList, &[], "", &Json::Null);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
        let (_, page) = world.call(Op::Destinations, &[&waits], "", &Json::Null);
        assert_eq!(
            (&page["data"][0]["id"], &page["data"][0]["status"]),
            (&json!(endpoint), &json!(1)),
            "{page}"
        );
        assert_eq!(page["data"][0]["nextAttempt"], shown["deliverAt"]);
        world.pass(9 * MINUTE);
        assert_eq!(world.got.len(), 1, "not before its time");
        world.pass(2 * MINUTE);
        assert_eq!(got(&world), [at_once, waits]);
        world.crash();
        world.pass(20 * MINUTE);
        assert_eq!(world.got.len(), 2);
    }

    #[test]
    fn the_endpoints_at_its_time_decide_who_gets_it() {
        let mut world = World::new(&[]);
        let gone = world.add_endpoint(&json!({}));
        let changed = world.add_endpoint(&json!({ "eventTypes": ["other"] }));
        let off = world.add_endpoint(&json!({}));
        let waits = later(&mut world, "a.b", MINUTE);
        world.call(Op::EndpointDelete, &[&gone], "", &Json::Null);
        world.call(Op::EndpointPatch, &[&changed], "", &json!({ "eventTypes": ["a.b"] }));
        world.disable(&off, true);
        world.add_endpoint(&json!({}));
        world.add_endpoint(&json!({ "eventTypes": ["other"] }));
        world.pass(2 * MINUTE);
        assert_eq!(got(&world), [waits.clone(), waits.clone()]);
        world.disable(&off, false);
        world.pass(2 * MINUTE);
        assert_eq!(world.got.len(), 2, "it passed while the endpoint was disabled");
        world.call(Op::ReplayMissing, &[&off], "", &json!({ "since": rfc3339(world.now - 60 * MINUTE) }));
        world.pass(2 * MINUTE);
        assert_eq!(world.got.len(), 3);
    }

    #[test]
    fn a_message_that_was_sent_by_hand_before_its_time_is_sent_then_unless_it_got_through() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let (failed, taken) = (later(&mut world, "a.b", MINUTE), later(&mut world, "a.b", MINUTE));
        world.code = 500;
        world.call(Op::Resend, &[&failed, &endpoint], "", &Json::Null);
        world.code = 200;
        world.call(Op::Resend, &[&taken, &endpoint], "", &Json::Null);
        world.pass(2 * MINUTE);
        assert_eq!(got(&world), [failed.clone(), taken, failed]);
    }

    #[test]
    fn crashes_and_lost_answers_repeat_nothing_and_lose_nothing() {
        let mut world = World::new(&[("MAX_IN_FLIGHT", "32")]);
        world.add_endpoint(&json!({}));
        let mut waiting: Vec<_> = (0..250).map(|n| later(&mut world, "a.b", MINUTE + n % 3)).collect();
        world.deaf = true;
        for _ in 0..4 {
            world.pass(MINUTE / 2);
            world.crash();
        }
        world.deaf = false;
        world.pass(10 * MINUTE);
        let mut got = got(&world);
        got.sort_unstable();
        waiting.sort_unstable();
        assert!(got == waiting, "{} of {}", got.len(), waiting.len());
    }

    #[test]
    fn a_replay_before_its_time_leaves_it_alone_and_an_expunged_one_is_never_sent() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let waits = later(&mut world, "a.b", 5 * MINUTE);
        let expunged = later(&mut world, "a.b", 5 * MINUTE);
        world.call(Op::MessageExpunge, &[&expunged], "", &Json::Null);
        world.call(Op::ReplayMissing, &[&endpoint], "", &json!({ "since": rfc3339(world.now - MINUTE) }));
        world.pass(2 * MINUTE);
        assert!(world.got.is_empty());
        world.pass(5 * MINUTE);
        assert_eq!(got(&world), [waits]);
    }

    #[test]
    fn it_is_delivered_although_nothing_else_ever_happens() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        world.pass(20 * MINUTE);
        let at = world.now + 30 * 24 * 60 * MINUTE;
        let message = NewMessage {
            event_type: "a".into(),
            payload: b"{}".to_vec().into(),
            deliver_at: Some(at),
            ..NewMessage::default()
        };
        let mut rng = crate::rng::Seeded(3);
        let (_, effects) = world.app.accept(world.now, &mut rng, vec![message]).expect("accepts");
        assert_eq!(effects.alarm, Some(at), "the alarm is set for it");
    }
}
