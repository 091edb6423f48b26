//! Full storage is loud, and nothing that anybody still needs goes for it.
//!
//! From [`HIGH_PERCENT`] of the limit on, the tenant is notified once a day, and the oldest periods of the log are dropped
//! early: only what every endpoint has taken, what is older than any retry of it can be, and never what waits for its time.
//! From [`FULL_PERCENT`] on, messages are refused with 507. What is left is for everything that goes on: cursors, tasks,
//! scheduled messages, changes of endpoints.
//!
//! Where the platform allows less than the setting says, its refusal is the limit from then on. Until there is room again, the
//! object stores nothing: deliveries go on from memory, and after a restart endpoints recognize what they are offered again.

use super::{App, Slot};
use crate::frame;
use crate::operational::{self, Event};
use crate::sql::{Sql, SqlError, Value};
use serde_json::json;

/// From so much of the limit on, storage counts as nearly full.
const HIGH_PERCENT: u64 = 80;
/// From so much on, no message is accepted.
const FULL_PERCENT: u64 = 95;
/// How many bytes of payloads are stored between two looks, at most, in parts of the limit.
const LOOKS: u64 = 1_000;
/// At most so many periods are dropped at once.
const STEP: usize = 4;
/// While storage is nearly full, it is looked at this often.
const AGAIN_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// For so long an endpoint may fail and keep its deliveries, where no setting says how long.
const FAILING_MS: i64 = 5 * DAY_MS;

/// What is known of the storage.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that were stored since the last look.
    unseen: u64,
    /// Messages are refused.
    refuses: bool,
}

impl<S: Sql> App<S> {
    fn storage_limit(&self) -> u64 {
        let limit = u64::from(self.deployment.storage_limit_mb).saturating_mul(1_000_000);
        self.sql.full_at().map_or(limit, |bytes| bytes.min(limit))
    }

    /// Looks how full the storage is.
    pub(super) fn load_room(&mut self) -> Result<(), SqlError> {
        self.room.refuses = self.uses(FULL_PERCENT)?;
        Ok(())
    }

    /// Whether the storage is so full that messages are refused, by the last look.
    pub(super) fn refuses_messages(&self) -> bool {
        self.room.refuses
    }

    /// Where messages are refused, or the platform has refused to store something, looks whether there is room again.
    pub(super) fn look_for_room(&mut self, now: i64) -> Result<(), SqlError> {
        if self.room.refuses || self.sql.full_at().is_some() { self.watch_storage(now) } else { Ok(()) }
    }

    /// Whether the platform refuses to store anything.
    pub(super) fn is_jammed(&self) -> Result<bool, SqlError> {
        let Some(full_at) = self.sql.full_at() else { return Ok(false) };
        Ok(self.sql.size()? >= full_at)
    }

    /// Notes that so many bytes were stored; looks at the storage now and then.
    pub(super) fn note_bytes(&mut self, now: i64, bytes: usize) -> Result<(), SqlError> {
        self.room.unseen = self.room.unseen.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let step = self.storage_limit().checked_div(LOOKS).unwrap_or(0);
        if self.room.unseen < step { Ok(()) } else { self.watch_storage(now) }
    }

    /// Where storage is nearly full, tells of it and makes room.
    pub(super) fn watch_storage(&mut self, now: i64) -> Result<(), SqlError> {
        self.room.unseen = 0;
        self.room.refuses = false;
        if !self.uses(HIGH_PERCENT)? {
            return Ok(());
        }
        for _ in 0..STEP {
            if !self.uses(HIGH_PERCENT)? || !self.drop_period(now)? {
                break;
            }
        }
        self.room.refuses = self.uses(FULL_PERCENT)?;
        self.note_purge(Some(now.saturating_add(AGAIN_MS)));
        if self.is_jammed()? { Ok(()) } else { self.tell_high(now) }
    }

    /// Whether that much of the limit is used.
    fn uses(&self, percent: u64) -> Result<bool, SqlError> {
        let limit = self.storage_limit();
        Ok(self.sql.size()?.saturating_mul(100) >= limit.saturating_mul(percent))
    }

    /// Drops the oldest period, if nobody needs it any more.
    fn drop_period(&mut self, now: i64) -> Result<bool, SqlError> {
        let Some((last, until)) = self.log.oldest_closed(&self.sql)? else { return Ok(false) };
        let is_old = until.saturating_add(self.longest_retry_ms()) < now;
        let has = |slot: &Slot| slot.deleted || slot.has_taken(&last);
        if !is_old || !self.slots.values().all(has) {
            return Ok(false);
        }
        self.log.drop_oldest(&self.sql)?;
        self.forget_tail();
        self.load_purge()?;
        Ok(true)
    }

    /// How long after its acceptance a message may be delivered at the latest, where its endpoint is not paused.
    fn longest_retry_ms(&self) -> i64 {
        let usual = self.deployment.retry_schedule.delays().iter().copied().fold(0, i64::saturating_add);
        let own = self.slots.values().filter_map(|slot| {
            let delays = slot.record.content.retry_schedule.as_ref()?.iter();
            Some(delays.map(|delay| super::record::millis(*delay)).fold(0, i64::saturating_add))
        });
        // Jitter adds a fifth; a breaker that is open may hold a delivery up until the endpoint is disabled.
        let longest = own.max().unwrap_or(0).max(usual);
        let failing = self.deployment.endpoint_disable_after_ms.unwrap_or(FAILING_MS).max(FAILING_MS);
        longest.saturating_add(longest.checked_div(5).unwrap_or(0)).saturating_add(failing)
    }

    /// Tells the tenant, once a day.
    fn tell_high(&mut self, now: i64) -> Result<(), SqlError> {
        let day = now.div_euclid(DAY_MS);
        let told = self.sql.query("SELECT v FROM meta WHERE k = 'storage high'", &[])?;
        if let Some(mut row) = told.into_iter().next()
            && frame::decode::<i64>(&row.blob(0)?).is_ok_and(|told| told >= day)
        {
            return Ok(());
        }
        self.sql.exec(
            "INSERT INTO meta (k, v) VALUES ('storage high', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&day))],
        )?;
        let (bytes, limit) = (self.sql.size()?, self.storage_limit());
        let info = self.info.as_ref();
        let app_id = info.map(|info| info.app_id.clone()).unwrap_or_default();
        let data = json!({
            "appId": app_id,
            "appUid": info.and_then(|info| info.uid.as_ref()),
            "bytes": bytes,
            "limit": limit,
        });
        self.tell(now, &Event::new(format!("{app_id}.storage.{day}"), operational::STORAGE_HIGH, &data))
    }
}

impl Slot {
    /// Whether the endpoint has taken everything up to this message, and does not hold any of it back while it is paused.
    fn has_taken(&self, last: &str) -> bool {
        let content = &self.record.content;
        let skips = self.record.disabled_from.as_ref().is_some_and(|from| self.cursor >= *from);
        let has_all = self.cursor.as_str() >= last || content.disabled && skips;
        has_all && (content.sends() || !self.owes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, BatchAsk, NewMessage};
    use crate::idempotency::Idempotency;
    use serde_json::{Value as Json, json};

    const HOUR: i64 = 3_600_000;

    fn send(world: &mut World, bytes: usize) -> String {
        let payload = json!({ "x": "x".repeat(bytes) }).to_string().into_bytes().into();
        match world.accept(NewMessage { event_type: "a".into(), payload, ..NewMessage::default() }) {
            Accepted::Stored { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    fn days(world: &mut World, days: i64) {
        for _ in 0..days * 24 {
            world.now += HOUR;
            world.pass(1);
        }
    }

    fn told(world: &World) -> usize {
        world.events.iter().filter(|event| event.event_type == "application.storage.high").count()
    }

    /// A world with old messages and a closed period, whose storage is nearly full from then on.
    fn nearly_full(world: &mut World) -> Vec<String> {
        let old = (0..6).map(|_| send(world, 250_000)).collect();
        days(world, 4);
        send(world, 10); // another period
        assert_eq!(told(world), 0);
        old
    }

    fn is_there(world: &mut World, id: &str) -> bool {
        world.call(Op::MessageGet, &[id], "", &Json::Null).0 == 200
    }

    #[test]
    fn the_tenant_is_told_and_what_nobody_needs_makes_room() {
        let mut world = World::new(&[("STORAGE_LIMIT_MB", "2")]);
        world.add_endpoint(&json!({}));
        let old = nearly_full(&mut world);
        let new = send(&mut world, 200_000);
        assert_eq!(told(&world), 1, "at once");
        days(&mut world, 2);
        assert!(is_there(&mut world, &old[0]), "it may still be retried");
        assert!((2..=4).contains(&told(&world)), "once a day");
        days(&mut world, 5);
        assert!(!old.iter().any(|id| is_there(&mut world, id)), "they made room");
        assert!(is_there(&mut world, &new), "no more than was needed goes");
        let before = told(&world);
        days(&mut world, 2);
        assert_eq!(told(&world), before, "and all is well again");
    }

    #[test]
    fn what_an_endpoint_has_not_taken_stays_however_full_it_is() {
        let mut world = World::new(&[("STORAGE_LIMIT_MB", "2"), ("ENDPOINT_DISABLE_AFTER", "0")]);
        world.add_endpoint(&json!({}));
        world.pushes = false;
        let old = nearly_full(&mut world);
        send(&mut world, 200_000);
        days(&mut world, 20);
        assert!(is_there(&mut world, &old[0]) && told(&world) > 10);
        assert!(world.got.is_empty());
        world.pushes = true;
        world.pass(600_000);
        days(&mut world, 1);
        assert_eq!(world.got.len(), 8, "everything is delivered");
        assert!(!is_there(&mut world, &old[0]), "and then makes room");
    }

    #[test]
    fn messages_are_refused_before_it_is_full_and_everything_else_goes_on() {
        let mut world = World::new(&[("STORAGE_LIMIT_MB", "2")]);
        world.add_endpoint(&json!({}));
        let payload = || json!({ "x": "x".repeat(50_000) }).to_string().into_bytes().into();
        let message = || NewMessage { event_type: "a".into(), payload: payload(), ..NewMessage::default() };
        let mut stored = Vec::new();
        while let Accepted::Stored { id, .. } = world.accept(message()) {
            stored.push(id);
        }
        assert!((36..=39).contains(&stored.len()), "95 % of 2 MB: {}", stored.len());
        world.crash();
        assert_eq!(world.accept(message()), Accepted::Full, "after a restart, too");
        let key = Idempotency::new("org_1", "message.create-batch", "key", &[], b"");
        let batch = BatchAsk { messages: vec![message()], app_uid: None, idempotency: Some(key) };
        assert_eq!(world.batch(batch.clone()).answers, [Accepted::Full]);
        world.pass(60_000);
        assert_eq!(world.got.iter().map(|(id, _)| id).collect::<Vec<_>>(), stored.iter().collect::<Vec<_>>());
        world.add_endpoint(&json!({}));
        let ids = json!({ "ids": stored.iter().take(10).collect::<Vec<_>>() });
        assert_eq!(world.call(Op::BulkExpunge, &[], "", &ids).0, 200);
        assert!(matches!(world.accept(message()), Accepted::Stored { .. }), "freed space is used again");
        let answers = world.batch(batch).answers;
        assert!(
            matches!(answers.as_slice(), [Accepted::Stored { .. }]),
            "the refusal is not remembered: {answers:?}"
        );
    }

    #[test]
    fn what_waits_for_its_time_stays_and_is_delivered() {
        let mut world = World::new(&[("STORAGE_LIMIT_MB", "2")]);
        world.add_endpoint(&json!({}));
        let later = NewMessage {
            event_type: "a".into(),
            payload: b"{}".to_vec().into(),
            deliver_at: Some(world.now + 25 * 24 * HOUR),
            ..NewMessage::default()
        };
        let Accepted::Stored { id: later, .. } = world.accept(later) else { panic!("stored") };
        let old = nearly_full(&mut world);
        send(&mut world, 200_000);
        days(&mut world, 22);
        assert!(!is_there(&mut world, &old[0]) && is_there(&mut world, &later));
        assert!(world.got.iter().any(|(id, _)| *id == later), "{:?}", world.got);
    }
}
