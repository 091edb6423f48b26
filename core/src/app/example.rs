//! Trying an endpoint out: a message for it alone, delivered once, now.

use super::handle::{Handled, Outcome, ResendPlan};
use super::log::New;
use super::secrets::preset_of;
use super::{App, Effects};
use crate::api::call::{Call, Reply};
use crate::api::model::example::{ExampleIn, PrecheckIn, PrecheckOut};
use crate::api::model::message::{MessageFields, Payload, message_out_json};
use crate::api::route::AppOp;
use crate::error::ApiError;
use crate::frame::{NewMessage, Outgoing, Resend};
use crate::rng::Entropy;
use crate::sql::Sql;

impl<S: Sql> App<S> {
    /// Puts an example into the log for one endpoint, and delivers it there as a resend does. Fan-out passes it
    /// over; replay and recovery never see it elsewhere. The Worker has put the payload into the body, where the tenant
    /// has such an event type; else it is the event of the provider as which the endpoint sends.
    pub(super) fn send_example(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        key: &str,
        call: &Call<AppOp>,
    ) -> Handled {
        let example = ExampleIn::parse(&call.body)?;
        let (endpoint_id, slot) = self.sending_endpoint(key)?;
        let (endpoint_id, config_version) = (endpoint_id.to_owned(), slot.record.version);
        let preset = preset_of(&slot.record.content);
        let of_preset = preset.as_ref().and_then(|preset| {
            let (_, event) = preset.events().find(|(_, event)| event.name == example.event_type)?;
            Some((preset.example(event), preset.example_now(event, now)))
        });
        // The tenant's event type may have the provider's example, too: it gets the time of now as well.
        let own = example.payload().filter(|own| of_preset.as_ref().is_none_or(|(listed, _)| listed != own));
        let payload = own.or(of_preset.as_ref().map(|(_, now)| now.as_str()));
        let payload = payload.ok_or_else(|| ApiError::not_found("Event type"))?;
        let id = self.message_ids.next(now, rng);
        let stored = NewMessage {
            event_type: example.event_type.clone(),
            payload: payload.as_bytes().to_vec().into(),
            ..NewMessage::default()
        };
        let new = New { id: &id, message: &stored, only_for: Some(&endpoint_id) };
        let forgets_at = self.log.append(&self.sql, now, &[new])?;
        self.note_purge(forgets_at);
        let fields = MessageFields {
            event_type: &example.event_type,
            event_id: None,
            channels: None,
            tags: None,
            deliver_at: None,
            ingest: None,
            payload: Payload::of(payload),
        };
        let reply = Reply::raw_json(200, message_out_json(&id, now, &fields, true));
        let payload = payload.as_bytes().to_vec().into();
        let message = Outgoing { id, event_type: example.event_type, channels: None, payload, headers: None };
        let resend = Resend { config_version, message };
        let effects = Effects::default();
        Ok(Outcome::Resend(Box::new(ResendPlan {
            endpoint_id,
            resend,
            reply: Some(reply),
            effects,
            call: None,
        })))
    }

    /// Whether such a message would be delivered to anyone.
    pub(super) fn precheck(&self, call: &Call<AppOp>) -> Handled {
        let precheck = PrecheckIn::parse(&call.body)?;
        let active = self.slots.values().any(|slot| {
            !slot.deleted
                && !slot.record.content.disabled
                && slot.filter.matches(&precheck.event_type, precheck.channels())
        });
        Ok(Outcome::Reply(Reply::json(200, &PrecheckOut { active })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use serde_json::{Value, json};

    #[test]
    fn a_resend_or_an_example_to_a_paused_endpoint_is_refused_until_it_is_resumed() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let message = world.send("a.b");
        let body = json!({ "eventType": "a.b", "payload": {} });
        for (paused, answer) in [(true, [400, 400]), (false, [202, 200])] {
            assert_eq!(world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "paused": paused })).0, 200);
            world.pass(1_000);
            let (resent, why) = world.call(Op::Resend, &[&message, &endpoint], "", &json!({}));
            let (sent, _) = world.call(Op::SendExample, &[&endpoint], "", &body);
            assert_eq!([resent, sent], answer, "{why}");
            if paused {
                assert!(why["detail"].as_str().is_some_and(|detail| detail.contains("paused")), "{why}");
            }
        }
    }

    #[test]
    fn an_example_goes_to_its_endpoint_only_and_once() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "10")]);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["other"] }));
        let all = world.add_endpoint(&json!({}));
        let body = json!({ "eventType": "a.b", "payload": { "n": 1 } });
        let (status, message) = world.call(Op::SendExample, &[&endpoint], "", &body);
        assert_eq!((status, &message["payload"]), (200, &json!({ "n": 1 })), "{message}");
        let id = message["id"].as_str().expect("an id").to_owned();
        assert_eq!(world.got, [(id.clone(), true)]);
        let next = world.send("a.b");
        world.crash();
        world.pass(60_000);
        assert_eq!(world.got, [(id.clone(), true), (next, false)]);
        let (_, page) = world.call(Op::Destinations, &[&id], "", &Value::Null);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{page}");
        let since = crate::time::rfc3339(world.now - 3_600_000);
        world.call(Op::ReplayMissing, &[&all], "", &json!({ "since": since }));
        world.pass(20_000);
        assert_eq!(world.got.len(), 2, "a replay to another endpoint passes it over");
        assert_eq!(world.call(Op::MessageGet, &[&id], "", &Value::Null).0, 200);
    }

    #[test]
    fn a_resend_or_an_example_with_an_idempotency_key_goes_out_once() {
        use crate::api::call::Call;
        use crate::idempotency::Idempotency;
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let message = world.send("a.b");
        let keyed = |op: Op, params: &[&str], body: &Value| Call {
            idempotency: Some(Idempotency::new("org_1", op.name(), "k", &[], body.to_string().as_bytes())),
            ..Call::of(op, params, "", body.to_string().into_bytes())
        };
        let resend = keyed(Op::Resend, &[&message, &endpoint], &Value::Null);
        let first = world.make(&resend);
        assert_eq!((first.0, world.got.len()), (202, 2));
        assert_eq!(world.make(&resend), first);
        assert_eq!(world.got.len(), 2, "the repeat sends nothing");
        let body = json!({ "eventType": "a.b", "payload": { "n": 1 } });
        let example = keyed(Op::SendExample, &[&endpoint], &body);
        let first = world.make(&example);
        assert_eq!((first.0, world.got.len()), (200, 3));
        assert_eq!(world.make(&example), first, "the same message");
        assert_eq!(world.got.len(), 3);
    }

    #[test]
    fn an_endpoint_that_sends_as_a_provider_gets_that_providers_test_event() {
        let mut world = World::new(&[]);
        let loops = world.add_endpoint(&json!({ "preset": "loops" }));
        let body = json!({ "eventType": "testing.testEvent" });
        let (status, message) = world.call(Op::SendExample, &[&loops], "", &body);
        assert_eq!(
            (status, &message["payload"]["webhookSchemaVersion"]),
            (200, &json!("1.0.0")),
            "{message}"
        );
        let now = world.now.div_euclid(1_000);
        assert_eq!(
            message["payload"]["eventTime"], now,
            "an event of now, also for whoever refuses old ones"
        );
        let mailabl = world.add_endpoint(&json!({ "preset": "mailabl" }));
        let (_, message) =
            world.call(Op::SendExample, &[&mailabl], "", &json!({ "eventType": "task.updated" }));
        assert_eq!(message["payload"]["type"], "task.updated", "one event, which is sent as an array");
        let own = world.add_endpoint(&json!({}));
        assert_eq!(world.call(Op::SendExample, &[&own], "", &body).0, 404);
    }

    #[test]
    fn an_example_as_the_last_message_leaves_nothing_to_offer_after_a_restart() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let body = json!({ "eventType": "a.b", "payload": {} });
        world.call(Op::SendExample, &[&endpoint], "", &body);
        world.crash();
        world.pass(30_000);
        world.send("a.b");
        assert_eq!(world.got.len(), 2);
    }

    #[test]
    fn a_precheck_tells_whether_anyone_would_get_it() {
        let mut world = World::new(&[]);
        let active = |world: &mut World, body: Value| {
            world.call(Op::Precheck, &[], "", &body).1["active"].as_bool().expect("a flag")
        };
        assert!(!active(&mut world, json!({ "eventType": "a.b" })));
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["a.b"], "channels": ["x"] }));
        assert!(!active(&mut world, json!({ "eventType": "a.b" })));
        assert!(active(&mut world, json!({ "eventType": "a.b", "channels": ["x", "y"] })));
        world.disable(&endpoint, true);
        assert!(!active(&mut world, json!({ "eventType": "a.b", "channels": ["x"] })));
    }

    #[test]
    fn attempt_statistics_count_attempts() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.send("a.b");
        world.code = 500;
        world.send("a.b");
        let (status, stats) = world.call(Op::AttemptStats, &[&endpoint], "", &Value::Null);
        assert_eq!((status, stats), (200, json!({ "success": 1, "fail": 1, "canceled": 0 })));
    }
}
