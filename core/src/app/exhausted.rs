//! The event that some providers send when a delivery is exhausted: a message like any other, for the endpoints that
//! subscribe to its type.

use super::App;
use crate::frame::NewMessage;
use crate::preset::{Exhausted, Preset};
use crate::rng::Entropy;
use crate::scheme::Place;
use crate::send_as::SendAs;
use crate::sql::{Sql, SqlError};
use serde_json::{Value as Json, json};

impl<S: Sql> App<S> {
    /// Accepts the event, where the endpoint sends as a provider that has one. `id` names the cause: a report that
    /// comes twice makes one event. Of such an event that fails itself nothing is said: that would have no end.
    pub(super) fn say_exhausted(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        endpoint_id: &str,
        msg_id: &str,
        id: String,
        data: &Json,
    ) -> Result<(), SqlError> {
        let send_as = self.slots.get(endpoint_id).and_then(|slot| slot.record.content.send_as.as_ref());
        let Some((preset, event_type)) = send_as.and_then(SendAs::resolve).and_then(exhausted_type) else {
            return Ok(());
        };
        if self.event_type_of(msg_id)?.is_none_or(|failed| failed == event_type) {
            return Ok(());
        }
        let message = NewMessage {
            payload: body(&preset, &event_type, now, data).into_bytes().into(),
            event_type,
            event_id: Some(id),
            ..NewMessage::default()
        };
        self.accept_alone(now, rng, message)
    }
}

fn exhausted_type(preset: Preset) -> Option<(Preset, String)> {
    match preset.delivery.as_ref()?.exhausted.clone() {
        Exhausted::Event(event_type) => Some((preset, event_type)),
        _ => None,
    }
}

/// The event, with its type and time where the provider's events have them.
fn body(preset: &Preset, event_type: &str, now: i64, data: &Json) -> String {
    let mut body = json!({ "data": data });
    if let Some(Place::Json(path)) = &preset.event.kind {
        let _ = path.put(&mut body, event_type); // an object has room for it
    }
    if let Some(time) = &preset.event.time
        && let Place::Json(path) = &time.at
    {
        let _ = path.put(&mut body, &time.unit.write(now));
    }
    body.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use serde_json::{Value, json};

    #[test]
    fn what_failed_for_good_at_an_endpoint_of_resends_kind_is_said_in_an_event_once() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({ "preset": "resend", "retrySchedule": [1] }));
        world.add_endpoint(&json!({ "eventTypes": ["message.attempt.exhausted"] }));
        world.code = 500;
        let failed = world.send("email.sent");
        world.code = 201; // "respond with an HTTP 200 OK"
        world.pass(10_000);
        let (_, page) = world.call(Op::MessageList, &[], "", &Value::Null);
        let messages = page["data"].as_array().expect("a list");
        assert_eq!(messages.len(), 2, "the event's own failure is not said: {page}");
        let said = &messages[0];
        assert_eq!(said["eventType"], "message.attempt.exhausted");
        assert_eq!(said["payload"]["type"], "message.attempt.exhausted");
        assert!(said["payload"]["created_at"].is_string(), "{said}");
        let data = &said["payload"]["data"];
        assert_eq!((&data["msgId"], &data["endpointId"]), (&json!(failed), &json!(endpoint)));
        assert_eq!(data["lastAttempt"]["responseStatusCode"], 201);
        let to: Vec<_> =
            world.got.iter().filter(|(id, _)| Some(id.as_str()) == said["id"].as_str()).collect();
        assert_eq!(to.len(), 3, "both endpoints, and Resend’s again: {:?}", world.got);
    }

    #[test]
    fn an_endpoint_that_sends_as_nobody_says_nothing_to_its_receivers() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        world.add_endpoint(&json!({}));
        world.code = 500;
        world.send("email.sent");
        world.pass(10_000);
        let (_, page) = world.call(Op::MessageList, &[], "", &Value::Null);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
    }
}
