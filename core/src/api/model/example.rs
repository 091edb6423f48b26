//! Trying things out: examples of events, and whether a message would reach anyone.

use super::message::MAX_PAYLOAD;
use super::{check_channels, check_event_type};
use crate::api::body::{self, Faults};
use crate::error::{ApiError, Code};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The event type that has an example without anyone having made one.
const PING: &str = "svix.ping";

/// The body of send-example.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointSendExampleIn"))]
#[serde(rename_all = "camelCase")]
pub struct ExampleIn {
    /// The name of the event type.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::EventTypeName"))]
    pub event_type: String,
    /// Which example of the schema to send, counted from 0. The default is the first.
    #[serde(default)]
    pub example_index: Option<usize>,
    /// The payload to send instead of the schema's example.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    payload: Option<Box<RawValue>>,
}

impl ExampleIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let example: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        check_event_type(&mut faults, &["eventType"], &example.event_type);
        if let Some(payload) = &example.payload {
            faults.check(payload.get().starts_with('{'), &["payload"], "Send a JSON object.");
            let right = payload.get().len() <= MAX_PAYLOAD;
            faults.check(right, &["payload"], format!("The payload may have at most {MAX_PAYLOAD} bytes."));
        }
        faults.into_result()?;
        Ok(example)
    }

    /// What to send, where nobody has to be asked for it.
    pub fn payload(&self) -> Option<&str> {
        let own = self.payload.as_ref().map(|payload| payload.get());
        own.or((self.event_type == PING).then_some(r#"{"success":true}"#))
    }

    /// What to send, from the event type as [`super::event_type::EventTypeOut`] is written: the first example of
    /// the newest version of its schema that has one.
    pub fn from_event_type(&self, event_type: &[u8]) -> Result<String, ApiError> {
        /// Parts as they are written, so that an example keeps the order of its members.
        #[derive(Deserialize)]
        struct Stored<'a> {
            #[serde(borrow, default)]
            schemas: Option<BTreeMap<String, &'a RawValue>>,
        }
        #[derive(Deserialize)]
        struct Schema<'a> {
            #[serde(borrow, default)]
            examples: Option<&'a RawValue>,
            #[serde(borrow, default)]
            example: Option<&'a RawValue>,
        }
        let stored: Stored<'_> =
            serde_json::from_slice(event_type).map_err(|e| ApiError::Internal(e.to_string()))?;
        let mut versions: Vec<(String, &RawValue)> = stored.schemas.unwrap_or_default().into_iter().collect();
        // "10" comes after "9".
        versions.sort_by(|(a, _), (b, _)| (b.len(), b).cmp(&(a.len(), a)));
        let index = self.example_index.unwrap_or(0);
        let example = versions.into_iter().find_map(|(_, schema)| {
            let schema: Schema<'_> = serde_json::from_str(schema.get()).ok()?;
            let list =
                schema.examples.and_then(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok());
            let chosen = list.and_then(|list| list.get(index).or_else(|| list.first()).copied());
            chosen.or(schema.example).filter(|example| example.get().starts_with('{'))
        });
        example.map(|example| example.get().to_owned()).ok_or_else(|| {
            ApiError::new(
                Code::InvalidScheme,
                "The event type's schemas have no example that is an object. Add one, or send a payload.",
            )
        })
    }
}

/// The body of precheck.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MessagePrecheckIn"))]
#[serde(rename_all = "camelCase")]
pub struct PrecheckIn {
    /// The name of the event type.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::EventTypeName"))]
    pub event_type: String,
    /// The channels of the message.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<Vec<crate::api::doc::kind::Word>>"))]
    channels: Option<Vec<String>>,
}

impl PrecheckIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let precheck: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        check_event_type(&mut faults, &["eventType"], &precheck.event_type);
        if !precheck.channels().is_empty() {
            check_channels(&mut faults, &["channels"], precheck.channels());
        }
        faults.into_result()?;
        Ok(precheck)
    }

    /// The channels, if any.
    pub fn channels(&self) -> &[String] {
        self.channels.as_deref().unwrap_or_default()
    }
}

/// The answer of precheck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MessagePrecheckOut"))]
pub struct PrecheckOut {
    /// Whether such a message would be delivered to at least one endpoint.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(body: &str, schemas: &str) -> Result<String, ApiError> {
        let event_type = format!(r#"{{"name":"a.b","schemas":{schemas}}}"#);
        ExampleIn::parse(body.as_bytes()).expect("ok").from_event_type(event_type.as_bytes())
    }

    #[test]
    fn a_payload_that_comes_along_is_sent_as_it_is() {
        let read = |body: &str| ExampleIn::parse(body.as_bytes());
        let own = read(r#"{"eventType":"a.b","payload":{ "x" : 1.0 }}"#).expect("ok");
        assert_eq!(own.payload(), Some(r#"{ "x" : 1.0 }"#));
        assert_eq!(read(r#"{"eventType":"a.b"}"#).expect("ok").payload(), None);
        let ping = read(r#"{"eventType":"svix.ping"}"#).expect("ok");
        assert_eq!(ping.payload(), Some(r#"{"success":true}"#));
        for bad in [r#"{"eventType":"a b"}"#, r#"{"eventType":"a","payload":[1]}"#, "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_newest_schema_that_has_an_example_gives_it() {
        let body = r#"{"eventType":"a.b"}"#;
        let schemas = r#"{"9":{"examples":[{"v":9}]},"10":{"examples":[{"v":10},{"v":11}]},"11":{}}"#;
        assert_eq!(example(body, schemas).expect("one"), r#"{"v":10}"#);
        let ordered = r#"{"1":{"examples":[{"z":1,"a":2}]}}"#;
        assert_eq!(example(body, ordered).expect("one"), r#"{"z":1,"a":2}"#, "as it is written");
        let second = r#"{"eventType":"a.b","exampleIndex":1}"#;
        assert_eq!(example(second, schemas).expect("one"), r#"{"v":11}"#);
        assert_eq!(example(body, r#"{"1":{"example":{"v":1}}}"#).expect("one"), r#"{"v":1}"#);
        for none in ["null", "{}", r#"{"1":{"examples":[]}}"#, r#"{"1":{"example":5}}"#] {
            assert!(example(body, none).expect_err(none).body().contains("invalid_scheme"));
        }
    }

    #[test]
    fn a_precheck_may_have_an_empty_list_of_channels() {
        let read = |body: &str| PrecheckIn::parse(body.as_bytes());
        assert!(read(r#"{"eventType":"a","channels":[]}"#).expect("ok").channels().is_empty());
        assert!(read(r#"{"eventType":"a","channels":["a b"]}"#).is_err() && read("{}").is_err());
    }
}
