//! Forgetting: messages whose time is over go, and payloads that were to be kept for less.
//!
//! Driven by the alarm, in bounded steps. A message is kept for the deployment's retention and up to a day longer, so
//! that an object that has little to forget wakes for it once a day at most; where there is much, steps grow until they keep up. Endpoint
//! objects forget their attempts by themselves; a quiet one has no alarm of its own for that, and is woken once a day.

use super::{App, Effects, Pushing};
use crate::frame::{self, Push};
use crate::id;
use crate::sql::{Row, Sql, SqlError, Value};

pub(super) const DAY_MS: i64 = 86_400_000;
/// At most so many messages in the first step, and twice as many in each that follows at once, up to [`BATCH_MAX`]: what
/// comes in can always be forgotten as fast.
const BATCH: usize = 512;
const BATCH_MAX: usize = 8192;
/// A step ends with the message that takes it over so many bytes: their pages are freed one by one.
const BATCH_BYTES: i64 = 64 * 1024 * 1024;
/// At most so many payloads that expire before their messages, in one step.
const EXPIRED_MAX: usize = 1024;
/// The next step, where there is more to forget.
const STEP_MS: i64 = 1_000;
/// When to look again, where the oldest message has to stay.
const LATER_MS: i64 = 6 * 3_600_000;

/// How purging goes on.
#[derive(Debug, Default)]
pub(super) struct Purging {
    /// How many steps followed each other at once, each as large as it could be.
    steps: u32,
}

impl Purging {
    fn batch(&self) -> usize {
        BATCH.checked_shl(self.steps.min(16)).unwrap_or(BATCH_MAX).min(BATCH_MAX)
    }
}

impl<S: Sql> App<S> {
    fn retention_ms(&self) -> i64 {
        i64::from(self.deployment.retention_days).saturating_mul(DAY_MS)
    }

    /// When what is from then is forgotten.
    pub(super) fn over(&self, at: i64) -> i64 {
        at.saturating_add(self.retention_ms()).saturating_add(DAY_MS)
    }

    /// Finds out when something has to be forgotten next.
    pub(super) fn load_purge(&mut self) -> Result<(), SqlError> {
        let millis = |prefix, rows: Vec<Row>| match rows.into_iter().next() {
            Some(mut row) => Ok::<_, SqlError>(id::millis(prefix, &row.text(0)?)),
            None => Ok(None),
        };
        let message = self.sql.query("SELECT id FROM message ORDER BY id LIMIT 1", &[])?;
        let rejected = self.sql.query("SELECT id FROM rejected ORDER BY id LIMIT 1", &[])?;
        let oldest =
            [millis(id::MESSAGE, message)?, millis(id::REJECTED, rejected)?].into_iter().flatten().min();
        let expiry =
            self.sql.query("SELECT min(expires_at) FROM message WHERE expires_at IS NOT NULL", &[])?;
        let expiry = expiry.first().map_or(Ok(None), |row| row.opt_int(0))?;
        let over = oldest.map(|at| self.over(at));
        self.purge_at = over.into_iter().chain(expiry).chain(self.next_erasure()).min();
        Ok(())
    }

    /// Notes that a message was stored, which is to be kept so long.
    pub(super) fn note_retention(&mut self, now: i64, expires_at: Option<i64>) {
        let over = self.over(now);
        let at = expires_at.map_or(over, |at| at.min(over));
        self.purge_at = Some(self.purge_at.map_or(at, |before| before.min(at)));
    }

    /// One step, if it is time.
    pub(super) fn purge(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.purge_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let before = now.saturating_sub(self.retention_ms());
        let (is_full, any) = self.purge_messages(before)?;
        let expired = self.sql.query(
            "UPDATE message SET payload = NULL, raw = NULL, expires_at = NULL WHERE id IN (
                SELECT id FROM message WHERE expires_at <= ?1 LIMIT ?2
             ) RETURNING 1",
            &[Value::Int(now), Value::Int(i64::try_from(EXPIRED_MAX).unwrap_or(i64::MAX))],
        )?;
        if !expired.is_empty() {
            self.forget_tail();
        }
        let floor = id::floor(id::REJECTED, before);
        self.sql.exec("DELETE FROM rejected WHERE id < ?1", &[Value::Text(&floor)])?;
        self.erase_endpoints(now, effects);
        self.load_purge()?;
        self.purging.steps = if is_full { self.purging.steps.saturating_add(1) } else { 0 };
        if is_full || expired.len() >= EXPIRED_MAX {
            self.purge_at = Some(now.saturating_add(STEP_MS));
        } else if self.purge_at.is_some_and(|at| at <= now) {
            self.purge_at = Some(now.saturating_add(LATER_MS));
        }
        if any {
            self.wake_endpoints(now, effects)?;
        }
        Ok(())
    }

    /// Forgets messages from before that time: whether there may be more, and whether there were any.
    fn purge_messages(&mut self, before: i64) -> Result<(bool, bool), SqlError> {
        let batch = self.purging.batch();
        // What waits for its time stays until it has been delivered, and its payload with it.
        let rows = self.sql.query(
            "SELECT id, coalesce(length(payload), 0) + coalesce(length(raw), 0) FROM message
             WHERE id < ?1 AND (deliver_at IS NULL OR deliver_at < ?2) ORDER BY id LIMIT ?3",
            &[
                Value::Text(&id::floor(id::MESSAGE, before)),
                Value::Int(before),
                Value::Int(i64::try_from(batch).unwrap_or(i64::MAX)),
            ],
        )?;
        let mut is_full = rows.len() >= batch;
        let (mut last, mut bytes) = (None, 0i64);
        for mut row in rows {
            if bytes >= BATCH_BYTES {
                is_full = true;
                break;
            }
            bytes = bytes.saturating_add(row.int(1)?);
            last = Some(row.text(0)?);
        }
        let Some(last) = last else { return Ok((false, false)) };
        self.sql.exec(
            "DELETE FROM message WHERE id <= ?1 AND (deliver_at IS NULL OR deliver_at < ?2)",
            &[Value::Text(&last), Value::Int(before)],
        )?;
        Ok((is_full, true))
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
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
    use crate::id::{self, Generator};
    use crate::rng::Seeded;
    use crate::sql::{Sql, SqlError, Value};
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
        days(&mut world, 4);
        assert_eq!(listed(&mut world, &endpoint), (4, 4), "not before");
        world.crash();
        days(&mut world, 2);
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
        let mut ids = Generator::new(id::MESSAGE, None);
        app.transaction(|| {
            for n in 0..i64::try_from(count).expect("small") {
                let at = world.now - age + n / 2;
                app.exec(
                    "INSERT INTO message (id, created_at, event_type, payload) VALUES (?1, ?2, 'a', ?3)",
                    &[Value::Text(&ids.next(at, &mut Seeded(3))), Value::Int(at), Value::Blob(b"{}")],
                )?;
            }
            Ok::<_, SqlError>(())
        })
        .expect("filled");
    }

    #[test]
    fn purging_keeps_up_with_two_thousand_messages_a_second_and_wakes_nobody_for_it() {
        let mut world = World::new(&[("RETENTION_DAYS", "1"), ("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.call(Op::EndpointDelete, &[&endpoint], "", &Json::Null);
        fill(&world, &endpoint, 60_000, 3 * 24 * HOUR);
        world.crash();
        let live = world.add_endpoint(&json!({}));
        let count = |world: &World| world.count("SELECT count(*) FROM message");
        let mut left = vec![count(&world)];
        while left.last() != Some(&0) {
            world.pass(1_000);
            left.push(count(&world));
            assert!(left.len() < 60, "{left:?}");
        }
        assert!(left.windows(2).all(|pair| pair[0] - pair[1] <= 8192), "a step is bounded: {left:?}");
        assert!(left.len() <= 15, "60,000 in {} seconds", left.len());
        assert_eq!(world.pokes, 1, "a quiet endpoint is woken once a day, a deleted one never");
        world.pass(60_000);
        fill(&world, &live, 1_000, 3 * 24 * HOUR);
        world.crash();
        world.pass(30_000);
        assert_eq!((count(&world), world.pokes), (0, 1));
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
