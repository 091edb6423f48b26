//! Forgetting: messages whose time is over go, and payloads that were to be kept for less.
//!
//! Driven by the alarm, in bounded steps. A message is kept for the deployment's retention and up to a day longer, so
//! that an object that has little to forget wakes for it once a day at most. Endpoint objects forget their attempts by
//! themselves; a quiet one is woken for it, as it has no alarm of its own for that.

use super::{App, Effects, Pushing};
use crate::frame::Push;
use crate::id;
use crate::sql::{Row, Sql, SqlError, Value};

const DAY_MS: i64 = 86_400_000;
/// At most so many messages in one step.
const BATCH: usize = 200;
/// The next step, where there is more to forget.
const STEP_MS: i64 = 1_000;
/// When to look again, where the oldest message has to stay.
const LATER_MS: i64 = 6 * 3_600_000;

impl<S: Sql> App<S> {
    fn retention_ms(&self) -> i64 {
        i64::from(self.deployment.retention_days).saturating_mul(DAY_MS)
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
        let over = oldest.map(|at| at.saturating_add(self.retention_ms()).saturating_add(DAY_MS));
        self.purge_at = over.into_iter().chain(expiry).min();
        Ok(())
    }

    /// Notes that a message was stored, which is to be kept so long.
    pub(super) fn note_retention(&mut self, now: i64, expires_at: Option<i64>) {
        let over = now.saturating_add(self.retention_ms()).saturating_add(DAY_MS);
        let at = expires_at.map_or(over, |at| at.min(over));
        self.purge_at = Some(self.purge_at.map_or(at, |before| before.min(at)));
    }

    /// One step, if it is time.
    pub(super) fn purge(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.purge_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        let limit = Value::Int(i64::try_from(BATCH).unwrap_or(i64::MAX));
        let before = now.saturating_sub(self.retention_ms());
        // What waits for its time stays until it has been delivered, and its payload with it.
        let gone = self.sql.query(
            "DELETE FROM message WHERE id IN (
                SELECT id FROM message WHERE id < ?1 AND (deliver_at IS NULL OR deliver_at < ?2)
                ORDER BY id LIMIT ?3
             ) RETURNING 1",
            &[Value::Text(&id::floor(id::MESSAGE, before)), Value::Int(before), limit],
        )?;
        let expired = self.sql.query(
            "UPDATE message SET payload = NULL, raw = NULL, expires_at = NULL WHERE id IN (
                SELECT id FROM message WHERE expires_at <= ?1 LIMIT ?2
             ) RETURNING 1",
            &[Value::Int(now), limit],
        )?;
        if !expired.is_empty() {
            self.forget_tail();
        }
        let floor = id::floor(id::REJECTED, before);
        self.sql.exec("DELETE FROM rejected WHERE id < ?1", &[Value::Text(&floor)])?;
        self.load_purge()?;
        if gone.len() >= BATCH || expired.len() >= BATCH {
            self.purge_at = Some(now.saturating_add(STEP_MS));
        } else if self.purge_at.is_some_and(|at| at <= now) {
            self.purge_at = Some(now.saturating_add(LATER_MS));
        }
        if !gone.is_empty() {
            self.wake_endpoints(effects);
        }
        Ok(())
    }

    /// Calls every Endpoint object, also those of endpoints that were deleted.
    fn wake_endpoints(&mut self, effects: &mut Effects) {
        for (endpoint_id, slot) in &mut self.slots {
            if slot.pushing.is_none() {
                slot.pushing = Some(Pushing { upto: slot.cursor.clone(), ids: Vec::new(), overtaken: false });
                let poke = Push { config_version: slot.record.version, messages: Vec::new() };
                effects.push.push((endpoint_id.clone(), poke));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
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

    #[test]
    fn much_is_forgotten_in_steps() {
        let mut world = World::new(&[("RETENTION_DAYS", "1"), ("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        (0..900).for_each(|_| drop(world.send("a.b")));
        world.now += 3 * 24 * HOUR;
        let count = |world: &World| world.count("SELECT count(*) FROM message");
        let mut left = vec![count(&world)];
        for _ in 0..12 {
            world.pass(1_100);
            left.push(count(&world));
        }
        assert!(left.windows(2).all(|pair| pair[0] - pair[1] <= 200), "{left:?}");
        assert_eq!(left.last(), Some(&0), "{left:?}");
        assert_eq!(listed(&mut world, &endpoint), (0, 0));
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
