//! Operational webhooks: events about a tenant's own applications, endpoints and tasks.
//!
//! They are messages like any other. Every tenant has one more application, the operational one, whose endpoints are the
//! tenant's own. It is in no list, and no path names it. An event's id names its cause, so an event that is sent twice is
//! stored once. The operational application causes no events itself: there would be no end to them.

#[cfg(test)]
mod page;

use crate::frame::NewMessage;
pub use crate::retry::FAILING_AT;
use minicbor::{Decode, Encode};
use serde_json::{Value, json};

/// The id of every tenant's operational application: the least there is, from before any other was made.
pub const APP_ID: &str = "app_000000000000000000000000000";

/// An endpoint was created.
pub const ENDPOINT_CREATED: &str = "endpoint.created";
/// An endpoint was changed, its secret and its headers included.
pub const ENDPOINT_UPDATED: &str = "endpoint.updated";
/// An endpoint was deleted.
pub const ENDPOINT_DELETED: &str = "endpoint.deleted";
/// An endpoint was disabled, by hand or because it failed.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
/// An endpoint was enabled.
pub const ENDPOINT_ENABLED: &str = "endpoint.enabled";
/// A delivery has failed [`FAILING_AT`] times and will be retried.
pub const ATTEMPT_FAILING: &str = "message.attempt.failing";
/// A delivery has failed for good.
pub const ATTEMPT_EXHAUSTED: &str = "message.attempt.exhausted";
/// A delivery that was failing has got through.
pub const ATTEMPT_RECOVERED: &str = "message.attempt.recovered";
/// A plugin has failed several times in a row at an endpoint, and its circuit breaker is open.
pub const PLUGIN_FAILING: &str = "endpoint.plugin.failing";
/// An application's storage is nearly full.
pub const STORAGE_HIGH: &str = "application.storage.high";
/// A background task ended.
pub const TASK_FINISHED: &str = "background_task.finished";

/// Before the types of what a source tells: of its endpoints, and of what came in at its URL.
const OF_SOURCE: &str = "ingest.";

/// Every type of operational event.
pub const EVENT_TYPES: [&str; 22] = [
    ENDPOINT_CREATED,
    ENDPOINT_UPDATED,
    ENDPOINT_DELETED,
    ENDPOINT_DISABLED,
    ENDPOINT_ENABLED,
    ATTEMPT_FAILING,
    ATTEMPT_EXHAUSTED,
    ATTEMPT_RECOVERED,
    TASK_FINISHED,
    PLUGIN_FAILING,
    STORAGE_HIGH,
    "ingest.endpoint.created",
    "ingest.endpoint.updated",
    "ingest.endpoint.deleted",
    "ingest.endpoint.disabled",
    "ingest.endpoint.enabled",
    "ingest.message.attempt.failing",
    "ingest.message.attempt.exhausted",
    "ingest.message.attempt.recovered",
    "ingest.background_task.finished",
    "ingest.endpoint.plugin.failing",
    "ingest.application.storage.high",
];

/// One event, as it is stored until it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// Names its cause.
    #[n(0)]
    pub id: String,
    /// One of [`EVENT_TYPES`].
    #[n(1)]
    pub event_type: String,
    /// What is delivered: JSON.
    #[n(2)]
    pub payload: String,
}

impl Event {
    /// An event of that type about `data`.
    pub fn new(id: String, event_type: &str, data: &Value) -> Self {
        #[cfg(test)]
        page::check(event_type, data);
        let payload = json!({ "type": event_type, "data": data }).to_string();
        Self { id, event_type: event_type.to_owned(), payload }
    }

    /// The same event as a source tells it: of another type, and with its id as `sourceId`.
    #[must_use]
    pub fn of_source(self) -> Self {
        let event_type = format!("{OF_SOURCE}{}", self.event_type);
        let mut data = serde_json::from_str::<Value>(&self.payload)
            .ok()
            .and_then(|mut payload| payload.get_mut("data").map(Value::take))
            .unwrap_or_default();
        if let Some(data) = data.as_object_mut() {
            data.remove("appUid");
            let source = data.remove("appId").unwrap_or_default();
            data.insert("sourceId".to_owned(), source);
        }
        Self::new(self.id, &event_type, &data)
    }

    /// As the operational application accepts it.
    pub fn into_message(self) -> NewMessage {
        NewMessage {
            event_type: self.event_type,
            payload: self.payload.into_bytes().into(),
            event_id: Some(self.id),
            ..NewMessage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id;

    #[test]
    fn no_application_that_is_made_has_the_operational_ones_id() {
        assert!(id::is(id::APP, APP_ID));
        assert_eq!(APP_ID, id::floor(id::APP, 0));
    }

    #[test]
    fn an_event_becomes_a_message_named_by_its_cause() {
        let event = Event::new("ep_1.created".into(), ENDPOINT_CREATED, &json!({ "endpointId": "ep_1" }));
        let message = event.into_message();
        assert_eq!(
            (message.event_type.as_str(), message.event_id.as_deref()),
            (ENDPOINT_CREATED, Some("ep_1.created"))
        );
        let payload: Value = serde_json::from_slice(&message.payload).expect("json");
        assert_eq!(payload, json!({ "type": "endpoint.created", "data": { "endpointId": "ep_1" } }));
    }
}
