//! Forgetting: messages whose time is over go, and payloads that were to be kept for less.
//!
//! Driven by the alarm, in bounded steps; the log knows what is over ([`super::log`]). Endpoint objects forget their
//! attempts by themselves; a quiet one has no alarm of its own for that, and is woken once a day.

use super::log::Purged;
use super::{App, Effects, Pushing};
use crate::frame::{self, Push};
use crate::id;
use crate::sql::{Sql, SqlError, Value};

pub(super) const DAY_MS: i64 = 86_400_000;
/// The next step, where there is more to forget.
const STEP_MS: i64 = 1_000;
/// When to look again, where something that is over has to stay.
const LATER_MS: i64 = 6 * 3_600_000;

impl<S: Sql> App<S> {
    pub(super) fn retention_ms(&self) -> i64 {
        i64::from(self.deployment.retention_days).saturating_mul(DAY_MS)
    }

    /// When what is from then is forgotten.
    pub(super) fn over(&self, at: i64) -> i64 {
        at.saturating_add(self.retention_ms()).saturating_add(DAY_MS)
    }

    /// Finds out when something has to be forgotten next.
    pub(super) fn load_purge(&mut self) -> Result<(), SqlError> {
        let rejected = self.sql.query("SELECT id FROM rejected ORDER BY id LIMIT 1", &[])?;
        let rejected = rejected.into_iter().next().map(|mut row| row.text(0)).transpose()?;
        let rejected = rejected.and_then(|id| id::millis(id::REJECTED, &id)).map(|at| self.over(at));
        let log = self.log.purge_at(&self.sql)?;
        self.purge_at = log.into_iter().chain(rejected).chain(self.next_erasure()).min();
        Ok(())
    }

    /// Notes that something has to be forgotten at that time.
    pub(super) fn note_purge(&mut self, at: Option<i64>) {
        self.purge_at = self.purge_at.into_iter().chain(at).min();
    }

    /// One step, if it is time.
    pub(super) fn purge(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.purge_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let Purged { any, payloads, more } = self.log.drop_expired(&self.sql, now)?;
        let Purged { any, payloads, more } = if self.is_jammed()? {
            Purged { any, payloads, more }
        } else {
            let rest = self.log.purge(&self.sql, now)?;
            Purged { any, payloads: payloads || rest.payloads, more: more || rest.more }
        };
        if any || payloads {
            self.forget_tail();
        }
        let floor = id::floor(id::REJECTED, now.saturating_sub(self.retention_ms()));
        self.sql.exec("DELETE FROM rejected WHERE id < ?1", &[Value::Text(&floor)])?;
        self.erase_endpoints(now, effects);
        self.load_purge()?;
        if more {
            self.purge_at = Some(now.saturating_add(STEP_MS));
        } else if self.purge_at.is_some_and(|at| at <= now) {
            self.purge_at = Some(now.saturating_add(LATER_MS));
        }
        if any && !self.is_jammed()? {
            self.wake_endpoints(now, effects)?;
        }
        Ok(())
    }

    /// Calls every Endpoint object, once a day at most: those that were quiet since have attempts to forget, and no alarm
    /// for it.
    fn wake_endpoints(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        let woken = self.sql.query("SELECT v FROM meta WHERE k = 'woken'", &[])?;
        if let Some(mut row) = woken.into_iter().next() {
            let at: i64 = frame::decode(&row.blob(0)?).map_err(SqlError)?;
            if now.saturating_sub(at) < DAY_MS {
                return Ok(());
            }
        }
        self.sql.exec(
            "INSERT INTO meta (k, v) VALUES ('woken', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&now))],
        )?;
        for (endpoint_id, slot) in &mut self.slots {
            if slot.pushing.is_none() && !slot.deleted {
                slot.pushing = Some(Pushing { upto: slot.cursor.clone(), ids: Vec::new(), overtaken: false });
                let poke = Push { config_version: slot.record.version, messages: Vec::new() };
                effects.push.push((endpoint_id.clone(), poke));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::backfill;
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
    use crate::sql::Sql;
    use serde_json::{Value as Json, json};

    const HOUR: i64 = 3_600_000;

    /// The alarms of so many days, an hour apart.
    fn days(world: &mut World, days: i64) {
        for _ in 0..days * 24 {
            world.now += HOUR;
            world.pass(1);
        }
    }

    fn listed(world: &mut World, endpoint: &str) -> (usize, usize) {
        let count = |page: &Json| page["data"].as_array().expect("a list").len();
        let (_, messages) = world.call(Op::MessageList, &[], "limit=250", &Json::Null);
        let (_, attempts) = world.call(Op::AttemptsByEndpoint, &[endpoint], "limit=250", &Json::Null);
        (count(&messages), count(&attempts))
    }

    #[test]
    fn messages_and_attempts_are_forgotten_after_their_time_though_nothing_else_happens() {
        let mut world = World::new(&[("RETENTION_DAYS", "7"), ("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        (0..3).for_each(|_| drop(world.send("a.b")));
        days(&mut world, 3);
        world.send("a.b");
        days(&mut world, 3);
        assert_eq!(listed(&mut world, &endpoint), (4, 4), "not before");
        world.crash();
        days(&mut world, 3);
        assert_eq!(listed(&mut world, &endpoint), (1, 1));
        days(&mut world, 4);
        assert_eq!(listed(&mut world, &endpoint), (0, 0));
        let next = world.send("a.b");
        assert_eq!(world.got.last().map(|(id, _)| id), Some(&next), "and all goes on");
        assert_eq!(listed(&mut world, &endpoint), (1, 1));
    }

    /// So many messages of the application, as old as that.
    fn fill(world: &World, endpoint: &str, count: usize, age: i64) {
        let (app, _) = world.tables(endpoint);
        let at = |n: usize| world.now - age + 4 * i64::try_from(n).expect("small");
        app.transaction(|| backfill(&app, (0..count).map(|n| (at(n), None)))).expect("filled");
    }

    #[test]
    fn any_number_of_messages_is_forgotten_at_once_and_nobody_is_woken_for_it() {
        let mut world = World::new(&[("RETENTION_DAYS", "1"), ("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.call(Op::EndpointDelete, &[&endpoint], "", &Json::Null);
        fill(&world, &endpoint, 60_000, 3 * 24 * HOUR);
        world.crash();
        let live = world.add_endpoint(&json!({}));
        let changes = world.changes();
        world.pass(2_000);
        assert_eq!(world.stored(), []);
        assert!(world.changes() - changes < 10, "a table is dropped, whatever it has");
        assert_eq!(world.pokes, 1, "a quiet endpoint is woken once a day, a deleted one never");
        world.pass(60_000);
        fill(&world, &live, 1_000, 3 * 24 * HOUR);
        world.crash();
        world.pass(30_000);
        assert_eq!((world.stored().len(), world.pokes), (0, 1));
    }

    /// What comes in a second, at 2,000 messages.
    const RATE: usize = 2_000;

    /// Traffic at [`RATE`] for so many seconds, in commits of so many messages, while alarms go off.
    fn traffic(world: &mut World, seconds: usize, commit: usize, message: &NewMessage) {
        for _ in 0..seconds {
            for _ in 0..RATE / commit {
                let answers = world.accept_all(vec![message.clone(); commit]);
                assert!(answers.iter().all(|answer| matches!(answer, Accepted::Stored { .. })));
            }
            world.pass(1_000);
        }
    }

    fn small() -> NewMessage {
        NewMessage { event_type: "a".into(), payload: b"{}".to_vec().into(), ..NewMessage::default() }
    }

    #[test]
    fn purging_keeps_up_with_two_thousand_messages_a_second_and_wakes_nobody() {
        let mut world = World::new(&[("RETENTION_DAYS", "1")]);
        for _ in 0..20 {
            let endpoint = world.add_endpoint(&json!({}));
            world.disable(&endpoint, true);
        }
        let begun = world.now;
        for _ in 0..3 {
            traffic(&mut world, 5, 50, &small());
            world.now += 3 * HOUR;
        }
        let tables = |world: &World| {
            world.count("SELECT count(*) FROM sqlite_master WHERE name LIKE 'segment\\_%' ESCAPE '\\'")
        };
        assert_eq!(tables(&world), 3, "each of these times has a period");
        // Their time is over while as many come in as before.
        world.now = begun + 4 * 24 * HOUR;
        let (changes, pokes) = (world.changes(), world.pokes);
        traffic(&mut world, 5, 50, &small());
        let commits = u64::try_from(5 * RATE / 50).expect("small");
        assert_eq!(tables(&world), 1, "what came in 15 seconds went in fewer");
        assert!(world.changes() - changes <= commits + 40, "tables are dropped, not emptied");
        assert!(world.pokes - pokes <= 20, "each endpoint is woken once a day at most");
        let pokes = world.pokes;
        traffic(&mut world, 2, 50, &small());
        assert_eq!(world.pokes, pokes);
    }

    #[test]
    fn payloads_that_are_kept_for_less_are_purged_faster_than_they_come() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        world.disable(&endpoint, true);
        world.now = world.now.div_euclid(HOUR) * HOUR; // all of them expire with the same hour
        let message = NewMessage { retention_hours: Some(1), ..small() };
        traffic(&mut world, 10, 20, &message);
        let left = |world: &World| world.count("SELECT count(*) FROM expiry");
        assert_eq!(left(&world), 10 * 100, "each commit is a segment");
        world.now += 2 * HOUR - 15_000;
        world.pass(4_000);
        let pokes = world.pokes;
        world.pass(6_000);
        assert_eq!((left(&world), world.pokes), (0, pokes));
        assert!(world.stored().iter().all(|message| !message.has_content));
    }

    #[test]
    fn messages_with_a_time_of_their_own_are_purged_faster_than_they_come() {
        let mut world = World::new(&[("RETENTION_DAYS", "1")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.disable(&endpoint, true);
        let message = NewMessage { deliver_at: Some(world.now + 24 * HOUR), ..small() };
        traffic(&mut world, 5, 50, &message);
        let (app, _) = world.tables(&endpoint);
        // Some of them are large, and a step is bounded by bytes, too.
        let large =
            "UPDATE scheduled SET body = zeroblob(1000000) WHERE key IN (SELECT key FROM scheduled LIMIT 40)";
        app.exec(large, &[]).expect("changed");
        app.exec("UPDATE scheduled SET due_at = NULL, over_at = 1", &[]).expect("delivered");
        world.crash();
        world.pass(1_000);
        let left = world.count("SELECT count(*) FROM scheduled");
        assert!((9_980..10_000).contains(&left), "{left} after the first step");
        let pokes = world.pokes;
        world.pass(9_000);
        assert_eq!((world.count("SELECT count(*) FROM scheduled"), world.pokes), (0, pokes));
    }

    #[test]
    fn a_payload_may_be_kept_for_less_and_its_message_stays() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let message = NewMessage {
            event_type: "a".into(),
            payload: br#"{"n":1}"#.to_vec().into(),
            retention_hours: Some(2),
            ..NewMessage::default()
        };
        let Accepted::Stored { id, .. } = world.accept(message) else { panic!("stored") };
        let payload =
            |world: &mut World| world.call(Op::MessageGet, &[&id], "", &Json::Null).1["payload"].clone();
        world.now += 2 * HOUR - 60_000;
        world.pass(1_000);
        assert_eq!(payload(&mut world), json!({ "n": 1 }));
        world.crash();
        world.pass(120_000);
        assert_eq!(payload(&mut world), json!({ "expired": true }));
        assert_eq!(listed(&mut world, &endpoint), (1, 1));
    }

    #[test]
    fn a_message_before_a_quiet_time_is_forgotten_after_its_own_retention() {
        let mut world = World::new(&[("RETENTION_DAYS", "10")]);
        world.add_endpoint(&json!({}));
        let old = world.send("a.b");
        days(&mut world, 9);
        world.send("a.b");
        let kept = |world: &World| world.stored().iter().any(|message| message.id == old);
        world.crash();
        assert!(kept(&world));
        days(&mut world, 3);
        assert!(!kept(&world), "though its period was followed by another only nine days later");
    }

    #[test]
    fn what_waits_for_its_time_longer_than_the_retention_is_delivered_all_the_same() {
        let mut world = World::new(&[("RETENTION_DAYS", "1")]);
        let endpoint = world.add_endpoint(&json!({}));
        let message = NewMessage {
            event_type: "a".into(),
            payload: b"{}".to_vec().into(),
            retention_days: Some(1),
            deliver_at: Some(world.now + 10 * 24 * HOUR),
            ..NewMessage::default()
        };
        world.accept(message);
        days(&mut world, 11);
        assert_eq!(world.got.len(), 1);
        days(&mut world, 4);
        assert_eq!(listed(&mut world, &endpoint), (0, 0));
    }
}
