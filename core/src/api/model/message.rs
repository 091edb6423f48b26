//! Messages: what comes in is checked without being rewritten, what goes out is written without being read.

use super::application::ApplicationIn;
use super::endpoint::check_headers;
use super::{check_channels, check_event_type, is_name};
use crate::api::body::{self, Faults};
use crate::api::page::{Keys, ListOut, Order, Page};
use crate::error::{ApiError, Code};
use crate::frame::Headers;
use crate::header;
use crate::id;
use crate::query::Query;
use crate::time::{parse_rfc3339, rfc3339};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most bytes of a payload.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// The most bytes of the body of create: a payload, perhaps escaped inside `rawPayload`, and the rest.
pub const MAX_BODY: usize = 2 * MAX_PAYLOAD + 64 * 1024;
/// The longest time that a payload is kept on request, in days.
pub const MAX_RETENTION_DAYS: u16 = 90;
/// How far ahead a message may be scheduled: 30 days, and five minutes for whoever computes "in 30 days" by a clock
/// of their own.
const MAX_DELAY_MS: i64 = 30 * 86_400_000 + 5 * 60_000;

/// The body of create. The payload's bytes stay where they are.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageIn<'a> {
    /// The name of the event type.
    #[serde(borrow)]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::EventTypeName"))]
    pub event_type: Cow<'a, str>,
    /// Your own id for the event, unique within the application. A second message with the same id is refused.
    #[serde(borrow, default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventId>"))]
    pub event_id: Option<Cow<'a, str>>,
    /// The payload, a JSON object. Endpoints receive exactly these bytes. `data` is an alias.
    #[serde(borrow, alias = "data")]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Object"))]
    payload: &'a RawValue,
    /// Deliver only to endpoints with at least one of these channels, and to endpoints without channels.
    #[serde(default, deserialize_with = "body::at_most_or_none::<100, _, _>")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Words>"))]
    pub channels: Option<Vec<String>>,
    /// Tags by which lists can be filtered.
    #[serde(default, deserialize_with = "body::at_most_or_none::<100, _, _>")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Words>"))]
    pub tags: Option<Vec<String>>,
    /// How long the payload is kept, in days.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Days>"))]
    payload_retention_period: Option<i64>,
    /// How long the payload is kept, in hours. Not together with `payloadRetentionPeriod`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Hours>"))]
    payload_retention_hours: Option<i64>,
    /// When to deliver the message, at most 30 days ahead. If omitted, it is delivered at once.
    #[serde(borrow, default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    deliver_at: Option<Cow<'a, str>>,
    #[serde(skip)]
    deliver_at_ms: Option<i64>,
    /// Creates the application with these fields if it does not exist.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
    /// A raw payload and headers for this message.
    #[serde(borrow, default)]
    transformations_params: Option<TransformationsParams<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct TransformationsParams<'a> {
    /// A text that is sent instead of the payload, unchanged.
    #[serde(borrow, default)]
    raw_payload: Option<Cow<'a, str>>,
    /// Headers that are sent with this message, at most 50. `content-type` is the type of the raw payload; the
    /// default is `application/json`. An endpoint's own header of the same name takes precedence.
    #[serde(default, deserialize_with = "body::members_or_none::<200, _>")]
    headers: Option<BTreeMap<String, String>>,
}

impl<'a> MessageIn<'a> {
    /// Reads and checks the body of create.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ApiError> {
        if bytes.len() > MAX_BODY {
            return Err(too_large());
        }
        let mut new: Self = body::parse(bytes)?;
        if new.body().len() > MAX_PAYLOAD {
            return Err(too_large());
        }
        let mut faults = Faults::default();
        check_event_type(&mut faults, &["eventType"], &new.event_type);
        if let Some(event_id) = &new.event_id {
            faults.check(is_name(event_id), &["eventId"], super::NAME_RULE);
            faults.check(!event_id.starts_with("msg_"), &["eventId"], "An eventId must not begin with msg_.");
        }
        faults.check(new.payload.get().starts_with('{'), &["payload"], "Send a JSON object.");
        if let Some(channels) = &new.channels {
            check_channels(&mut faults, &["channels"], channels);
        }
        if let Some(tags) = &new.tags {
            check_channels(&mut faults, &["tags"], tags);
        }
        faults.check(
            new.payload_retention_period
                .is_none_or(|days| (1..=i64::from(MAX_RETENTION_DAYS)).contains(&days)),
            &["payloadRetentionPeriod"],
            format!("Send a number of days from 1 to {MAX_RETENTION_DAYS}."),
        );
        let max_hours = i64::from(MAX_RETENTION_DAYS).saturating_mul(24);
        faults.check(
            new.payload_retention_hours.is_none_or(|hours| (1..=max_hours).contains(&hours)),
            &["payloadRetentionHours"],
            format!("Send a number of hours from 1 to {max_hours}."),
        );
        faults.check(
            new.payload_retention_hours.is_none() || new.payload_retention_period.is_none(),
            &["payloadRetentionHours"],
            "Send payloadRetentionPeriod or payloadRetentionHours, not both.",
        );
        if let Some(text) = &new.deliver_at {
            new.deliver_at_ms = parse_rfc3339(text);
            if new.deliver_at_ms.is_none() {
                let msg = "Send a time in RFC 3339, such as 2026-01-31T12:00:00Z.";
                faults.add_kind(&["deliverAt"], msg, "value_error.datetime");
            }
        }
        if let Some(brought) = new.brought_headers() {
            let loc = ["transformationsParams", "headers"];
            check_headers(&mut faults, &loc, brought, header::check_brought);
        }
        if let Some(application) = &new.application {
            let mut inner = Faults::default();
            application.check(&mut inner);
            if let Err(ApiError::Invalid(mut inner)) = inner.into_result() {
                for fault in &mut inner {
                    fault.loc.insert(1, "application".to_owned());
                }
                faults.merge(ApiError::Invalid(inner))?;
            }
        }
        faults.into_result()?;
        new.channels = new.channels.map(super::unique);
        new.tags = new.tags.map(super::unique);
        Ok(new)
    }

    /// The bytes that endpoints receive: the raw payload if there is one, else the payload as received.
    pub fn body(&self) -> &str {
        self.raw_payload().unwrap_or_else(|| self.payload.get())
    }

    /// The text that is sent instead of the payload, where the caller wants that.
    pub fn raw_payload(&self) -> Option<&str> {
        self.transformations_params.as_ref()?.raw_payload.as_deref()
    }

    fn brought_headers(&self) -> Option<&BTreeMap<String, String>> {
        self.transformations_params.as_ref()?.headers.as_ref()
    }

    /// The headers that are sent with it.
    pub fn headers(&self) -> Option<Headers> {
        let brought = self.brought_headers().filter(|brought| !brought.is_empty())?;
        Some(brought.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect())
    }

    /// For how many days the payload is kept, where the caller says so.
    pub fn retention_days(&self) -> Option<u16> {
        self.payload_retention_period.and_then(|days| u16::try_from(days).ok())
    }

    /// For how many hours the payload is kept, where the caller says so.
    pub fn retention_hours(&self) -> Option<i64> {
        self.payload_retention_hours
    }

    /// When it is to be delivered (ms), where that is not at once.
    pub fn deliver_at(&self) -> Option<i64> {
        self.deliver_at_ms
    }

    /// Checks that it is to be delivered neither in the past nor too late.
    pub fn check_deliver_at(&self, now: i64) -> Result<(), ApiError> {
        let Some(at) = self.deliver_at_ms else { return Ok(()) };
        let mut faults = Faults::default();
        faults.check(at >= now, &["deliverAt"], "Send a time in the future, or omit it to deliver now.");
        faults.check(
            at.saturating_sub(now) <= MAX_DELAY_MS,
            &["deliverAt"],
            "Send a time within the next 30 days.",
        );
        faults.into_result()
    }

    /// Checks that the application that the message brings along is the one in the path.
    pub fn check_application(&self, path_id: &str) -> Result<(), ApiError> {
        check_brought_application(self.application.as_ref(), path_id)
    }

    /// What [`message_out_json`] writes of it.
    pub fn fields(&self) -> MessageFields<'_> {
        MessageFields {
            event_type: &self.event_type,
            event_id: self.event_id.as_deref(),
            channels: self.channels.as_deref(),
            tags: self.tags.as_deref(),
            deliver_at: self.deliver_at_ms,
            ingest: None,
            // Only a raw payload has to be looked at: the other is an object, or it would not be here.
            payload: self.raw_payload().map_or(Payload::Object(self.payload.get()), Payload::of),
        }
    }
}

/// Checks that an application that a request brings along is the one in the path.
pub fn check_brought_application(brought: Option<&ApplicationIn>, path_id: &str) -> Result<(), ApiError> {
    let Some(application) = brought else { return Ok(()) };
    match application.uid.as_deref() {
        Some(uid) if uid == path_id => Ok(()),
        Some(_) => Err(ApiError::invalid_kind(
            &["body", "application", "uid"],
            "The uid must be the one in the path.",
            "application_uid_mismatch",
        )),
        None => Err(ApiError::invalid_kind(
            &["body", "application", "uid"],
            "Give the application a uid, the one in the path.",
            "application_uid_missing",
        )),
    }
}

fn too_large() -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("The payload is limited to {MAX_PAYLOAD} bytes."))
}

/// The payload of a message, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A JSON object, shown as it is.
    Object(&'a str),
    /// Any other text that is sent as it is; shown as `{"rawPayload": "…"}`, for SDKs require an object.
    Raw(&'a str),
    /// Kept no longer.
    Expired,
}

impl<'a> Payload<'a> {
    /// The payload of what endpoints are sent.
    pub fn of(body: &'a str) -> Self {
        let text = body.trim_matches([' ', '\t', '\r', '\n']);
        // Text that begins with a brace is a JSON object unless it was sent as a raw payload: look.
        if text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() {
            Payload::Object(text)
        } else {
            Payload::Raw(body)
        }
    }
}

/// The other fields of a message, besides its id and time.
#[derive(Debug, Clone, Copy)]
pub struct MessageFields<'a> {
    /// The name of the event type.
    pub event_type: &'a str,
    /// The caller's own name for the event.
    pub event_id: Option<&'a str>,
    /// The channels.
    pub channels: Option<&'a [String]>,
    /// The tags.
    pub tags: Option<&'a [String]>,
    /// When it is to be delivered (ms), where that is not at once.
    pub deliver_at: Option<i64>,
    /// What is known of the request that it came with at a source: the text of a JSON object.
    pub ingest: Option<&'a str>,
    /// The payload.
    pub payload: Payload<'a>,
}

/// What is written by hand below, for the API's description.
#[cfg(test)]
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // never made
pub(crate) struct MessageOut {
    /// The message's id, `msg_…`. Every delivery carries it as `svix-id` or `webhook-id`.
    id: String,
    /// Your own id for the event.
    event_id: Option<String>,
    /// The name of the event type.
    event_type: String,
    /// The channels of the message.
    channels: Option<Vec<String>>,
    /// The tags of the message.
    tags: Option<Vec<String>>,
    /// When the message is to be delivered. Absent if it is delivered at once.
    #[schemars(with = "Option<crate::api::doc::kind::Time>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<String>,
    /// How the request arrived at a source: verdict, reason, content type and position in a batch. Absent for
    /// messages sent by API.
    #[schemars(with = "Option<crate::api::doc::kind::Object>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ingest: Option<serde_json::Value>,
    /// The status of its deliveries, if `with_deliveries` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<DeliveriesOut>,
    /// When the message was accepted.
    #[schemars(with = "crate::api::doc::kind::Time")]
    timestamp: String,
    /// The payload. `{}` without content, `{"expired":true}` after it was deleted, and `{"rawPayload": "…"}` for a
    /// raw payload that is not a JSON object.
    #[schemars(with = "crate::api::doc::kind::Object")]
    payload: serde_json::Value,
}

/// Writes a message, as it is answered. The payload is copied, not read; without content it is `{}`.
pub fn message_out_json(id: &str, ts_ms: i64, message: &MessageFields<'_>, with_content: bool) -> String {
    MessageAnswer::new(message, with_content).fill(id, ts_ms)
}

/// The answer about a message whose id and time are not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAnswer {
    /// What stands between the id and the time.
    between: String,
    /// What follows the time.
    after: String,
}

impl MessageAnswer {
    /// Writes everything but the id and the time.
    pub fn new(message: &MessageFields<'_>, with_content: bool) -> Self {
        let payload = match message.payload {
            _ if !with_content => "{}",
            Payload::Object(text) | Payload::Raw(text) => text,
            Payload::Expired => r#"{"expired":true}"#,
        };
        let mut between = String::with_capacity(160);
        between.push_str(r#","eventId":"#);
        match message.event_id {
            Some(event_id) => quote(&mut between, event_id),
            None => between.push_str("null"),
        }
        between.push_str(r#","eventType":"#);
        quote(&mut between, message.event_type);
        between.push_str(r#","channels":"#);
        list(&mut between, message.channels);
        between.push_str(r#","tags":"#);
        list(&mut between, message.tags);
        if let Some(at) = message.deliver_at {
            between.push_str(r#","deliverAt":"#);
            quote(&mut between, &rfc3339(at));
        }
        if let Some(ingest) = message.ingest {
            between.push_str(r#","ingest":"#);
            between.push_str(ingest);
        }
        between.push_str(r#","timestamp":""#);
        let mut after = String::with_capacity(payload.len().saturating_add(40));
        after.push_str(r#"","payload":"#);
        if with_content && matches!(message.payload, Payload::Raw(_)) {
            after.push_str(r#"{"rawPayload":"#);
            quote(&mut after, payload);
            after.push('}');
        } else {
            after.push_str(payload);
        }
        after.push('}');
        Self { between, after }
    }

    /// The whole answer, with the message's id and its time.
    pub fn fill(&self, id: &str, ts_ms: i64) -> String {
        let time = rfc3339(ts_ms);
        let length = [id, &time, &self.between, &self.after].iter().map(|part| part.len()).sum::<usize>();
        let mut out = String::with_capacity(length.saturating_add(16));
        out.push_str(r#"{"id":"#);
        quote(&mut out, id);
        for part in [&self.between, &time, &self.after] {
            out.push_str(part);
        }
        out
    }
}

fn list(out: &mut String, items: Option<&[String]>) {
    let Some(items) = items else { return out.push_str("null") };
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quote(out, item);
    }
    out.push(']');
}

/// Writes a JSON string.
fn quote(out: &mut String, text: &str) {
    if text.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
        // A string can always be written.
        out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

/// A JSON text as a value; `None` if it is not JSON.
pub fn with_raw(json: String) -> Option<Box<RawValue>> {
    RawValue::from_string(json).ok()
}

/// The query of the list of messages.
#[derive(Debug, Clone)]
pub struct MessageQuery {
    /// Which page; newest first.
    pub page: Page,
    /// Only with this channel.
    pub channel: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only of these types; empty for all.
    pub event_types: Vec<String>,
    /// Only with this event id. (Only the list of an application's messages looks at it.)
    pub event_id: Option<String>,
    /// Only before this time (ms).
    pub before: Option<i64>,
    /// Only after this time (ms).
    pub after: Option<i64>,
    /// Only messages whose payload contains this text; ASCII letters in lower case.
    pub contains: Option<String>,
    /// Whether payloads are shown.
    pub with_content: bool,
}

/// The longest text that payloads are searched for, in bytes.
const MAX_CONTAINS: usize = 256;

/// How far the payloads of a log were searched for one page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SearchedOut"))]
pub struct SearchedOut {
    /// The number of payloads that were read.
    pub messages: usize,
    /// Their total size, in bytes.
    pub bytes: usize,
}

/// A page of messages.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ListResponse{T}"))]
#[serde(rename_all = "camelCase")]
pub struct MessagesOut<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Pass it as `iterator` to get the next page. `null` if this page is empty.
    pub iterator: Option<String>,
    /// Pass it as `iterator` to get the previous page. `null` if this page is empty.
    pub prev_iterator: Option<String>,
    /// Whether this is the last page in the direction of reading.
    pub done: bool,
    /// How far payloads were searched. Only present with `contains`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched: Option<SearchedOut>,
}

impl<T> MessagesOut<T> {
    /// A page, and how far payloads were searched for it.
    pub fn new(page: ListOut<T>, searched: Option<SearchedOut>) -> Self {
        let ListOut { data, iterator, prev_iterator, done } = page;
        Self { data, iterator, prev_iterator, done, searched }
    }
}

/// The status of a message at all of its endpoints together.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[cfg_attr(test, derive(serde::Deserialize, schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeliveriesOut {
    /// The number of endpoints that received the message.
    pub success: u32,
    /// The number of endpoints to which no attempt has been made yet.
    pub pending: u32,
    /// The number of endpoints for which the retry schedule ended without success.
    pub fail: u32,
    /// The number of endpoints for which an attempt failed and a retry is scheduled.
    pub sending: u32,
    /// The number of endpoints whose plugins filtered the message out.
    pub canceled: u32,
    /// When the next attempt to any endpoint is due.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub next_attempt: Option<String>,
    /// Whether all endpoints are counted. At most the 16 newest are.
    pub complete: bool,
}

/// Adds the status to a message as [`message_out_json`] writes it.
pub fn with_deliveries_json(
    message: &str,
    deliveries: &DeliveriesOut,
) -> Result<Box<RawValue>, serde_json::Error> {
    let deliveries = serde_json::to_string(deliveries)?;
    let message = message.strip_suffix('}').unwrap_or(message);
    RawValue::from_string(format!("{message},\"deliveries\":{deliveries}}}"))
}

impl MessageQuery {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        let (before, after) = (query.time("before")?, query.time("after")?);
        let page = Page::from_query_ordered(query, Keys::Id(id::MESSAGE), Order::Descending)?;
        let contains = query.text("contains").filter(|text| !text.is_empty());
        if contains.is_some_and(|text| text.len() > MAX_CONTAINS) {
            let sentence = format!("The text may have at most {MAX_CONTAINS} bytes.");
            return Err(ApiError::invalid(&["query", "contains"], sentence));
        }
        Ok(Self {
            page,
            channel: query.text("channel").map(str::to_owned),
            tag: query.text("tag").map(str::to_owned),
            event_types: query.list("event_types"),
            event_id: query.text("event_id").map(str::to_owned),
            before,
            after,
            contains: contains.map(str::to_ascii_lowercase),
            with_content: query.with_content(true)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places(body: &str) -> Vec<String> {
        match MessageIn::parse(body.as_bytes()) {
            Err(ApiError::Invalid(faults)) => faults.iter().map(|f| f.loc.join(".")).collect(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn the_payload_keeps_every_byte() {
        let body = r#"{"eventType":"a.b","data": { "z" : 1.0, "a":"\u00e9" } , "unknown":1}"#;
        let message = MessageIn::parse(body.as_bytes()).expect("a message");
        assert_eq!(message.body(), r#"{ "z" : 1.0, "a":"\u00e9" }"#);
        assert!(matches!(message.event_type, Cow::Borrowed("a.b")));
        let out = message_out_json("msg_1", 0, &message.fields(), true);
        assert!(out.contains(message.body()));
        let read: serde_json::Value = serde_json::from_str(&out).expect("json");
        assert_eq!(read["eventId"], serde_json::Value::Null);
        assert_eq!(read["timestamp"], rfc3339(0));
    }

    #[test]
    fn without_content_the_payload_is_an_empty_object() {
        let message =
            MessageIn::parse(br#"{"eventType":"a","eventId":"e","payload":{"a":1},"channels":["x","x"]}"#)
                .expect("a message");
        let read: serde_json::Value =
            serde_json::from_str(&message_out_json("msg_1", 0, &message.fields(), false)).expect("json");
        assert_eq!(read["payload"], serde_json::json!({}));
        assert_eq!(read["channels"], serde_json::json!(["x"]));
        assert_eq!(read["eventId"], "e");
    }

    #[test]
    fn all_faults_of_a_message_come_at_once() {
        let body = r#"{"eventType":"a b","eventId":"msg_1","payload":[1],"channels":[],"tags":["ü"],
            "payloadRetentionPeriod":91,"application":{"name":"","uid":"u"}}"#;
        assert_eq!(
            places(body),
            [
                "body.eventType",
                "body.eventId",
                "body.payload",
                "body.channels",
                "body.tags.0",
                "body.payloadRetentionPeriod",
                "body.application.name"
            ]
        );
        assert_eq!(places(r#"{"eventType":"a"}"#), ["body.payload"]);
        assert_eq!(places(r#"{"eventType":"a","payload":null}"#), ["body.payload"]);
        assert_eq!(places(r#"{"eventType":"a","payload":{},"channels":["a",7]}"#), ["body.channels.1"]);
    }

    #[test]
    fn a_raw_payload_is_sent_as_it_is_and_shown_as_an_object() {
        let body = br#"{"eventType":"a","payload":{},"transformationsParams":
            {"rawPayload":"a \"text\"","headers":{"content-type":"text/plain"}}}"#;
        let message = MessageIn::parse(body).expect("a message");
        assert_eq!(message.body(), r#"a "text""#);
        assert_eq!(message.headers(), Some(vec![("content-type".to_owned(), "text/plain".to_owned())]));
        let twice =
            br#"{"eventType":"a","payload":{},"transformationsParams":{"headers":{"X-A":"1","x-a":"2"}}}"#;
        assert!(MessageIn::parse(twice).is_err(), "one name, in upper and in lower case");
        let read: serde_json::Value =
            serde_json::from_str(&message_out_json("msg_1", 0, &message.fields(), true)).expect("json");
        assert_eq!(read["payload"]["rawPayload"], r#"a "text""#);
        assert_eq!(Payload::of(" {\"a\": 1}\n"), Payload::Object("{\"a\": 1}"));
        assert_eq!(Payload::of("{no"), Payload::Raw("{no"));
    }

    #[test]
    fn a_message_may_wait_for_its_time_but_not_too_long() {
        let now = 1_795_000_000_000;
        let check = |at: &str| {
            let body = format!(r#"{{"eventType":"a","payload":{{}},"deliverAt":{at}}}"#);
            let message = MessageIn::parse(body.as_bytes())?;
            message.check_deliver_at(now)?;
            Ok::<_, ApiError>(message.deliver_at())
        };
        let quoted = |ms: i64| format!("\"{}\"", rfc3339(ms));
        assert_eq!(check("null").expect("ok"), None);
        for wait in [0, 1_000, 30 * 86_400_000] {
            assert_eq!(check(&quoted(now + wait)).expect("ok"), Some(now + wait));
        }
        for bad in [quoted(now - 1), quoted(now + 31 * 86_400_000), "\"soon\"".to_owned(), "5".to_owned()] {
            assert_eq!(check(&bad).expect_err(&bad).http_status(), 422);
        }
        let body = format!(r#"{{"eventType":"a","payload":{{}},"deliverAt":{}}}"#, quoted(now));
        let message = MessageIn::parse(body.as_bytes()).expect("a message");
        let out: serde_json::Value =
            serde_json::from_str(&message_out_json("msg_1", 0, &message.fields(), true)).expect("json");
        assert_eq!(out["deliverAt"], rfc3339(now));
    }

    #[test]
    fn a_payload_is_kept_for_days_or_hours() {
        let with = |fields: &str| format!(r#"{{"eventType":"a","payload":{{}},{fields}}}"#);
        let body = with(r#""payloadRetentionHours":36"#);
        assert_eq!(MessageIn::parse(body.as_bytes()).expect("ok").retention_hours(), Some(36));
        for bad in [
            r#""payloadRetentionHours":0"#,
            r#""payloadRetentionHours":2161"#,
            r#""payloadRetentionHours":5,"payloadRetentionPeriod":5"#,
        ] {
            assert_eq!(places(&with(bad)), ["body.payloadRetentionHours"]);
        }
    }

    #[test]
    fn an_expired_payload_says_so() {
        let message = MessageIn::parse(br#"{"eventType":"a","payload":{}}"#).expect("a message");
        let fields = MessageFields { payload: Payload::Expired, ..message.fields() };
        assert!(message_out_json("msg_1", 0, &fields, true).contains(r#""payload":{"expired":true}"#));
    }

    #[test]
    fn a_payload_may_take_a_mebibyte() {
        let body = |n: usize| format!(r#"{{"eventType":"a","payload":{{"a":"{}"}}}}"#, "x".repeat(n - 8));
        assert!(MessageIn::parse(body(MAX_PAYLOAD).as_bytes()).is_ok());
        for n in [MAX_PAYLOAD + 1, MAX_BODY + 1] {
            let error = MessageIn::parse(body(n).as_bytes()).expect_err("too large");
            assert_eq!(error.http_status(), 413);
            assert!(error.body().contains("payload_too_large"));
        }
    }

    #[test]
    fn the_application_that_comes_along_is_the_one_in_the_path() {
        let parse = |app: &str| {
            let body = format!(r#"{{"eventType":"a","payload":{{}},"application":{app}}}"#);
            MessageIn::parse(body.as_bytes()).expect("a message").check_application("mine")
        };
        assert!(parse(r#"{"name":"n","uid":"mine"}"#).is_ok() && parse("null").is_ok());
        let body = |app| parse(app).expect_err("refused").body();
        assert!(body(r#"{"name":"n","uid":"other"}"#).contains("application_uid_mismatch"));
        assert!(body(r#"{"name":"n"}"#).contains("application_uid_missing"));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i32>().prop_map(|n| n.to_string()),
            "[a-z._ -]{0,4}".prop_map(|s| format!("\"{s}\"")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![
                Just("eventType"),
                Just("payload"),
                Just("data"),
                Just("channels"),
                Just("application"),
                Just("transformationsParams"),
                Just("rawPayload"),
                Just("name"),
                Just("uid"),
                Just("tags"),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
                proptest::collection::vec((key, inner), 0..5).prop_map(|v| {
                    let fields: Vec<_> = v.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    fn well_formed(error: &ApiError) {
        assert!(matches!(error.http_status(), 413 | 422), "{error}");
        let body: serde_json::Value = serde_json::from_str(&error.body()).expect("json");
        if let Some(faults) = body["detail"].as_array() {
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|f| f["loc"][0] == "body" && f["msg"] != "" && f["type"] != ""));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_a_well_formed_error(bytes: Vec<u8>, text in ".*", json in json()) {
            for body in [&bytes[..], text.as_bytes(), json.as_bytes()] {
                match MessageIn::parse(body) {
                    Ok(message) => {
                        let out = message_out_json("msg_1", 0, &message.fields(), true);
                        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
                    }
                    Err(error) => well_formed(&error),
                }
                if let Err(error) = ApplicationIn::parse(body) {
                    well_formed(&error);
                }
                if let Err(error) = super::super::endpoint::EndpointIn::parse(body) {
                    well_formed(&error);
                }
                if let Err(error) = super::super::event_type::EventTypeIn::parse(body) {
                    well_formed(&error);
                }
            }
        }

        #[test]
        fn what_is_written_is_json_whatever_is_stored(
            id in ".*",
            event_type in ".*",
            payload in ".*",
            tag in ".*",
        ) {
            let fields = MessageFields {
                event_type: &event_type,
                event_id: Some(&id),
                channels: Some(&[]),
                tags: Some(std::slice::from_ref(&tag)),
                deliver_at: None,
                ingest: None,
                payload: Payload::of(&payload),
            };
            let out = message_out_json(&id, 0, &fields, true);
            let read: serde_json::Value = serde_json::from_str(&out).expect("json");
            prop_assert_eq!(&read["tags"][0], &tag);
        }
    }
}
