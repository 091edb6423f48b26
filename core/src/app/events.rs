//! Operational events that this application causes: stored with their cause, sent until acknowledged.
//!
//! What an Endpoint object reports of attempts is not stored here: the report itself is kept there until the
//! event that follows from it has been accepted.

use super::{App, Effects, RETRY_BASE_MS, RETRY_MAX_MS};
use crate::frame;
use crate::id;
use crate::operational::{self, Event};
use crate::retry::doubled;
use crate::sql::{Sql, SqlError, Value};
use crate::time::rfc3339;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// The maximum number of events in flight.
const BATCH: i64 = 16;

/// The state of the events in the table.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Whether there are any.
    pub(super) waiting: bool,
    /// The numbers of those in flight.
    sending: BTreeSet<i64>,
    pub(super) retry_at: i64,
    failures: u32,
}

impl<S: Sql> App<S> {
    pub(super) fn load_events(&mut self) -> Result<(), SqlError> {
        self.outbox.waiting = !self.sql.query("SELECT 1 FROM event LIMIT 1", &[])?.is_empty();
        Ok(())
    }

    /// Whether this is the tenant's operational application.
    pub(super) fn is_operational(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.app_id == operational::APP_ID)
    }

    /// Whether an endpoint would be sent an event of this type: of the operational application's messages, only
    /// those are stored.
    pub(super) fn is_wanted(&self, event_type: &str) -> bool {
        self.slots.values().any(|slot| {
            !slot.deleted && !slot.record.content.disabled && slot.filter.matches(event_type, &[])
        })
    }

    /// An event of this application: a source's events have their own names.
    pub(super) fn as_own(&self, event: Event) -> Event {
        let of_source = self.info.as_ref().is_some_and(|info| id::is(id::SOURCE, &info.app_id));
        if of_source { event.of_source() } else { event }
    }

    /// Stores an event with its cause.
    pub(super) fn tell(&mut self, now: i64, event: &Event) -> Result<(), SqlError> {
        if self.is_operational() {
            return Ok(());
        }
        let event = self.as_own(event.clone());
        // A number is not used again: a late acknowledgement must not take another event with it.
        self.sql.exec(
            "INSERT INTO event (seq, frame) SELECT max(?1, coalesce(max(seq), 0) + 1), ?2 FROM event",
            &[Value::Int(now), Value::Blob(&frame::encode(&event))],
        )?;
        self.outbox.waiting = true;
        Ok(())
    }

    /// The fields of every event about an endpoint.
    pub(super) fn event_data(&self, endpoint_id: &str) -> Json {
        let info = self.info.as_ref();
        let uid = self.slots.get(endpoint_id).and_then(|slot| slot.record.content.uid.clone());
        json!({
            "appId": info.map(|info| &info.app_id),
            "appUid": info.and_then(|info| info.uid.as_ref()),
            "endpointId": endpoint_id,
            "endpointUid": uid,
        })
    }

    /// Records that an endpoint was created.
    pub(super) fn tell_created(&mut self, now: i64, endpoint_id: &str) -> Result<(), SqlError> {
        let data = self.event_data(endpoint_id);
        self.tell(now, &Event::new(format!("{endpoint_id}.created"), operational::ENDPOINT_CREATED, &data))
    }

    /// Records that an endpoint was deleted; `data` is its state before.
    pub(super) fn tell_deleted(&mut self, now: i64, endpoint_id: &str, data: &Json) -> Result<(), SqlError> {
        self.tell(now, &Event::new(format!("{endpoint_id}.deleted"), operational::ENDPOINT_DELETED, data))
    }

    /// Records that an endpoint was updated, and whether that disabled or enabled it.
    pub(super) fn tell_updated(
        &mut self,
        now: i64,
        endpoint_id: &str,
        was_disabled: bool,
    ) -> Result<(), SqlError> {
        let Some(slot) = self.slots.get(endpoint_id) else { return Ok(()) };
        let (version, disabled) = (slot.record.version, slot.record.content.disabled);
        let mut data = self.event_data(endpoint_id);
        let id = format!("{endpoint_id}.updated.{version}");
        self.tell(now, &Event::new(id, operational::ENDPOINT_UPDATED, &data))?;
        match (was_disabled, disabled) {
            (true, false) => {
                let id = format!("{endpoint_id}.enabled.{version}");
                self.tell(now, &Event::new(id, operational::ENDPOINT_ENABLED, &data))
            }
            (false, true) => {
                set(&mut data, "failSince", Json::Null);
                set(&mut data, "trigger", json!("manual"));
                let id = format!("{endpoint_id}.disabled.{version}");
                self.tell(now, &Event::new(id, operational::ENDPOINT_DISABLED, &data))
            }
            _ => Ok(()),
        }
    }

    /// Records that an endpoint was disabled automatically because it failed since then; `reason` says why.
    pub(super) fn tell_gave_up(
        &mut self,
        now: i64,
        id: String,
        endpoint_id: &str,
        since: i64,
        reason: &str,
    ) -> Result<(), SqlError> {
        let mut data = self.event_data(endpoint_id);
        set(&mut data, "failSince", json!(rfc3339(since)));
        set(&mut data, "trigger", json!("automatic"));
        set(&mut data, "reason", json!(reason));
        self.tell(now, &Event::new(id, operational::ENDPOINT_DISABLED, &data))
    }

    /// Sends what waits, a few at a time.
    pub(super) fn drive_events(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if !self.outbox.waiting
            || !self.outbox.sending.is_empty()
            || self.outbox.retry_at > now
            || !self.share.may_call()
        {
            return Ok(());
        }
        let rows =
            self.sql.query("SELECT seq, frame FROM event ORDER BY seq LIMIT ?1", &[Value::Int(BATCH)])?;
        self.outbox.waiting = !rows.is_empty();
        for mut row in rows {
            let (seq, event) = (row.int(0)?, frame::decode(&row.blob(1)?).map_err(SqlError)?);
            self.outbox.sending.insert(seq);
            self.share.count_call();
            effects.events.push((seq, event));
        }
        Ok(())
    }

    /// An event of earlier effects was accepted by the operational application (or nobody wants it there), or
    /// could not be sent.
    pub fn event_sent(&mut self, now: i64, seq: i64, accepted: bool) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if self.outbox.sending.remove(&seq) {
            if accepted {
                self.sql.exec("DELETE FROM event WHERE seq = ?1", &[Value::Int(seq)])?;
                self.outbox.failures = 0;
            } else {
                self.outbox.failures = self.outbox.failures.saturating_add(1);
                let pause = doubled(RETRY_BASE_MS, self.outbox.failures, RETRY_MAX_MS);
                self.outbox.retry_at = now.saturating_add(pause);
            }
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }
}

/// Sets a field of a JSON object.
pub(super) fn set(data: &mut Json, key: &str, value: Json) {
    if let Some(object) = data.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, NewMessage};
    use crate::operational::{APP_ID, EVENT_TYPES};
    use serde_json::{Value as Json, json};

    fn told(world: &World) -> Vec<(String, Json)> {
        let read = |payload: &str| serde_json::from_str::<Json>(payload).expect("json");
        world
            .events
            .iter()
            .map(|event| (event.event_type.clone(), read(&event.payload)["data"].clone()))
            .collect()
    }

    fn types(world: &World) -> Vec<String> {
        told(world).into_iter().map(|(event_type, _)| event_type).collect()
    }

    #[test]
    fn what_is_done_to_an_endpoint_is_told() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({ "uid": "mine" }));
        world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "description": "new" }));
        world.call(Op::SecretRotate, &[&endpoint], "", &json!({}));
        world.call(Op::HeadersPut, &[&endpoint], "", &json!({ "headers": { "x-a": "b" } }));
        world.disable(&endpoint, true);
        world.disable(&endpoint, false);
        world.call(Op::EndpointDelete, &[&endpoint], "", &Json::Null);
        let updated = "endpoint.updated";
        assert_eq!(
            types(&world),
            [
                "endpoint.created",
                updated,
                updated,
                updated,
                updated,
                "endpoint.disabled",
                updated,
                "endpoint.enabled",
                "endpoint.deleted"
            ]
        );
        for (_, data) in told(&world) {
            assert_eq!(
                (&data["endpointId"], &data["endpointUid"]),
                (&json!(endpoint), &json!("mine")),
                "{data}"
            );
            assert_eq!(data["appId"], "app_1");
        }
        assert_eq!(told(&world)[5].1["trigger"], "manual");
        let ids: std::collections::BTreeSet<_> = world.events.iter().map(|event| &event.id).collect();
        assert_eq!(ids.len(), world.events.len(), "each cause has its name");
    }

    #[test]
    fn an_event_is_sent_until_it_is_accepted_across_crashes() {
        let mut world = World::new(&[]);
        world.refuses_events = true;
        let endpoint = world.add_endpoint(&json!({}));
        for _ in 0..40 {
            world.disable(&endpoint, true);
            world.disable(&endpoint, false);
        }
        world.pass(20_000);
        assert!(world.events.is_empty());
        world.crash();
        world.pass(20_000);
        world.refuses_events = false;
        world.pass(400_000);
        assert_eq!(world.events.len(), 1 + 40 * 4);
        world.crash();
        world.pass(400_000);
        assert_eq!(world.events.len(), 1 + 40 * 4, "and then no more");
    }

    #[test]
    fn the_operational_application_tells_nothing_of_itself_and_stores_what_is_wanted() {
        let mut world = World::as_app(&[], APP_ID);
        let send = |world: &mut World, event_type: &str| {
            let message = NewMessage {
                event_type: event_type.to_owned(),
                payload: b"{}".to_vec().into(),
                event_id: Some(format!("{event_type}.{}", world.now)),
                ..NewMessage::default()
            };
            world.accept(message)
        };
        assert_eq!(send(&mut world, "endpoint.created"), Accepted::Unknown);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["endpoint.created"] }));
        assert!(matches!(send(&mut world, "endpoint.created"), Accepted::Stored { .. }));
        assert_eq!(send(&mut world, "endpoint.created"), Accepted::EventIdTaken);
        assert_eq!(send(&mut world, "endpoint.deleted"), Accepted::Unknown);
        assert_eq!(world.got.len(), 1);
        world.disable(&endpoint, true);
        world.now += 1;
        assert_eq!(send(&mut world, "endpoint.created"), Accepted::Unknown);
        assert!(world.events.is_empty());
    }

    #[test]
    fn an_operational_endpoint_names_operational_events_only() {
        let mut world = World::as_app(&[], APP_ID);
        let url = "https://example.com/";
        let body = json!({ "url": url, "eventTypes": EVENT_TYPES, "channels": ["x"] });
        let (status, created) = world.call(Op::EndpointCreate, &[], "", &body);
        assert_eq!((status, &created["channels"]), (201, &Json::Null), "{created}");
        let body = json!({ "url": url, "eventTypes": ["invoice.paid"] });
        let (status, refused) = world.call(Op::EndpointCreate, &[], "", &body);
        assert_eq!(status, 422);
        assert!(refused.to_string().contains("invoice.paid"), "{refused}");
    }

    #[test]
    fn a_task_that_is_over_is_told_once() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let since = crate::time::rfc3339(world.now - 1_000);
        let (_, task) = world.call(Op::Recover, &[&endpoint], "", &json!({ "since": since }));
        world.crash();
        world.pass(60_000);
        let over: Vec<_> =
            told(&world).into_iter().filter(|(kind, _)| kind == "background_task.finished").collect();
        assert_eq!(over.len(), 1);
        assert_eq!((&over[0].1["taskId"], &over[0].1["status"]), (&task["id"], &json!("finished")));
    }
}
