//! Full storage is loud, and nothing that anybody still needs goes for it.
//!
//! From [`HIGH_PERCENT`] of the limit on, the tenant is told once a day, and the oldest periods of the log are dropped early:
//! only what every endpoint has taken, what is older than any retry of it can be, and never what waits for its time. Where
//! that is not enough, the platform refuses to store more, and whoever sends is answered with 507.

use super::{App, Slot};
use crate::frame;
use crate::operational::{self, Event};
use crate::sql::{Sql, SqlError, Value};
use serde_json::json;

/// From so much of the limit on, storage counts as nearly full.
const HIGH_PERCENT: u64 = 80;
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
}

impl<S: Sql> App<S> {
    fn storage_limit(&self) -> u64 {
        u64::from(self.deployment.storage_limit_mb).saturating_mul(1_000_000)
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
        if !self.is_high()? {
            return Ok(());
        }
        for _ in 0..STEP {
            if !self.is_high()? || !self.drop_period(now)? {
                break;
            }
        }
        self.tell_high(now)?;
        self.note_purge(Some(now.saturating_add(AGAIN_MS)));
        Ok(())
    }

    fn is_high(&self) -> Result<bool, SqlError> {
        let limit = self.storage_limit();
        Ok(self.sql.size()?.saturating_mul(100) >= limit.saturating_mul(HIGH_PERCENT))
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
    use crate::frame::{Accepted, NewMessage};
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
