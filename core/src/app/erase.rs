//! Erasure: what a deletion leaves behind, and how it goes.
//!
//! An application that is deleted keeps nothing: its messages and all that it has learned go with the step that deletes it, of
//! its endpoints only the ids stay, until each Endpoint object has erased itself. Then this object is erased as well, and
//! whoever asks again is told that there is nothing. Each part may be repeated: the Directory asks until all is done.
//!
//! An endpoint that is deleted leaves its attempts to be read. When they have expired, its object is erased, and then its
//! row here.

use super::purge::DAY_MS;
use super::{App, Effects, EndpointRecord, Slot};
use crate::frame;
use crate::sql::{Sql, SqlError, Value};

/// At most so many Endpoint objects are asked to erase themselves at once.
const ROUND: usize = 64;

impl<S: Sql> App<S> {
    /// Whether the application is deleted, and this object is still to be erased.
    pub(super) fn is_deleted(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.deleted)
    }

    /// Forgets everything but the endpoints' ids. `DROP TABLE` costs nothing by the row, however many messages there are.
    pub(super) fn erase_content(&mut self) -> Result<(), SqlError> {
        self.log.erase(&self.sql)?;
        for statement in [
            "DROP TABLE IF EXISTS rejected",
            "DROP TABLE IF EXISTS task",
            "DROP TABLE IF EXISTS event",
            "DELETE FROM meta WHERE k <> 'info'",
        ] {
            self.sql.exec(statement, &[])?;
        }
        let nothing = frame::encode(&EndpointRecord::default());
        self.sql.exec("UPDATE endpoint SET deleted = 1, owes = 0, record = ?1", &[Value::Blob(&nothing)])?;
        for slot in self.slots.values_mut() {
            *slot = Slot { deleted: true, ..Slot::new(0, EndpointRecord::default(), String::new()) };
        }
        self.tail.clear();
        self.tail_bytes = 0;
        self.recent = super::recent::Recent::default();
        self.tasks.clear();
        self.outbox = super::events::Outbox::default();
        self.schedule = super::schedule::Schedule::default();
        self.known_plugins = super::plugins::Known::default();
        self.purge_at = None;
        Ok(())
    }

    /// Of a deleted application: the endpoints whose objects are to be erased next, told back by [`App::erased`]. None of
    /// them: this object itself is to be erased. `None` where the application is not deleted, or was erased.
    pub fn to_erase(&self) -> Option<Vec<String>> {
        self.is_deleted().then(|| self.slots.keys().take(ROUND).cloned().collect())
    }

    /// Endpoint objects have erased themselves.
    pub fn erased(&mut self, endpoints: &[String]) -> Result<(), SqlError> {
        for endpoint_id in endpoints {
            self.slots.remove(endpoint_id);
            self.sql.exec("DELETE FROM endpoint WHERE id = ?1", &[Value::Text(endpoint_id)])?;
        }
        Ok(())
    }

    /// When the next deleted endpoint has nothing left to read.
    pub(super) fn next_erasure(&self) -> Option<i64> {
        let deleted = self.slots.values().filter(|slot| slot.deleted && !slot.erasing);
        deleted.map(|slot| self.over(slot.record.updated_at)).min()
    }

    /// Has endpoints erased that were deleted so long ago that their attempts have expired. One that does not answer is
    /// asked again another day.
    pub(super) fn erase_endpoints(&mut self, now: i64, effects: &mut Effects) {
        let over = |at: i64| self.over(at) <= now;
        let quiet = |slot: &Slot| {
            slot.acknowledged >= slot.record.version && !slot.configuring && slot.pushing.is_none()
        };
        let due = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.deleted && !slot.erasing && quiet(slot) && over(slot.record.updated_at));
        let due: Vec<String> = due.take(ROUND).map(|(endpoint_id, _)| endpoint_id.clone()).collect();
        for endpoint_id in due {
            if let Some(slot) = self.slots.get_mut(&endpoint_id) {
                slot.erasing = true;
                effects.erase.push(endpoint_id);
            }
        }
    }

    /// Whether an Endpoint object of [`Effects::erase`] has erased itself.
    pub fn endpoint_erased(&mut self, now: i64, endpoint_id: &str, done: bool) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if done {
            self.erased(&[endpoint_id.to_owned()])?;
        } else if let Some(slot) = self.slots.get_mut(endpoint_id) {
            slot.erasing = false;
            self.purge_at = Some(self.purge_at.unwrap_or(i64::MAX).min(now.saturating_add(DAY_MS)));
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::AppInit;
    use serde_json::{Value as Json, json};

    const DAY: i64 = 86_400_000;

    fn delete(world: &mut World) {
        let init = AppInit {
            org: "org_1".into(),
            app_id: "app_1".into(),
            uid: None,
            version: i64::MAX,
            deleted: true,
            rate: None,
            send_as: None,
        };
        let effects = world.app.init(world.now, init).expect("deleted");
        assert!(effects.configure.is_empty() && effects.push.is_empty() && effects.alarm.is_none());
    }

    #[test]
    fn a_deleted_application_keeps_the_ids_of_its_endpoints_and_nothing_else_until_they_are_erased() {
        let mut world = World::new(&[]);
        let endpoints: Vec<String> = (0..70)
            .map(|_| {
                world.now += 1_000;
                world.add_endpoint(&json!({ "headers": { "x-secret": "s3cret" } }))
            })
            .collect();
        world.send("a.b");
        delete(&mut world);
        let (tables, _) = world.tables(&endpoints[0]);
        let dump = tables.dump();
        assert!(
            !dump.contains("s3cret") && !dump.contains("secret") && !dump.contains("example.com"),
            "{dump}"
        );
        assert!(dump.contains(&endpoints[69]));
        let first = world.app.to_erase().expect("deleted");
        assert_eq!(first.len(), 64);
        world.app.erased(&first).expect("erased");
        world.crash();
        let rest = world.app.to_erase().expect("deleted, across a crash");
        assert_eq!(rest, endpoints[64..]);
        assert!(world.app.alarm(world.now).expect("an alarm").push.is_empty());
        world.app.erased(&rest).expect("erased");
        assert_eq!(world.app.to_erase(), Some(Vec::new()), "now the object itself");
    }

    #[test]
    fn an_application_that_lives_or_never_was_is_not_erased() {
        let world = World::new(&[]);
        assert_eq!(world.app.to_erase(), None);
    }

    #[test]
    fn a_deleted_endpoint_gives_up_its_secrets_at_once_and_goes_when_its_attempts_have_expired() {
        let mut world = World::new(&[("RETENTION_DAYS", "7"), ("RETRY_SCHEDULE", "")]);
        let endpoint =
            world.add_endpoint(&json!({ "headers": { "x-token": "s3cret" }, "description": "mine" }));
        let other = world.add_endpoint(&json!({}));
        let message = world.send("a.b");
        let (_, page) = world.call(Op::AttemptsByMessage, &[&message], "", &Json::Null);
        assert_eq!(page["data"].as_array().expect("a list").len(), 2);
        assert_eq!(world.call(Op::EndpointDelete, &[&endpoint], "", &Json::Null).0, 204);
        let (app, its) = world.tables(&endpoint);
        for dump in [app.dump(), its.dump()] {
            assert!(!dump.contains("s3cret") && !dump.contains("mine"), "{dump}");
        }
        // Lists do not ask it any more.
        let (_, page) = world.call(Op::AttemptsByMessage, &[&message], "", &Json::Null);
        assert_eq!(page["data"].as_array().expect("a list").len(), 1);
        let days = |world: &mut World, days: i64| {
            for _ in 0..days * 4 {
                world.now += DAY / 4;
                world.pass(1);
            }
        };
        days(&mut world, 7);
        assert_eq!(world.count("SELECT count(*) FROM endpoint"), 2, "its attempts have not expired");
        world.crash();
        days(&mut world, 2);
        assert_eq!(world.count("SELECT count(*) FROM endpoint"), 1);
        assert_eq!(world.erased, [endpoint]);
        assert_eq!(world.call(Op::EndpointGet, &[&other], "", &Json::Null).0, 200);
        days(&mut world, 30);
        assert_eq!(world.erased.len(), 1);
    }
}
