//! Attempts: one HTTP request each, with its result.

use super::message::with_raw;
use crate::api::page::{Keys, Order, Page};
use crate::error::ApiError;
use crate::id;
use crate::query::Query;
use crate::time::rfc3339;
use serde::Serialize;
use serde_json::value::RawValue;

/// What became of an attempt, or of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Answered with 200 to 299.
    Success,
    /// Not tried yet.
    Pending,
    /// Failed.
    Fail,
    /// Failed so far, and will be tried again.
    Sending,
    /// Canceled before it was sent: a plugin filtered it out.
    Canceled,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 5] =
        [Status::Success, Status::Pending, Status::Fail, Status::Sending, Status::Canceled];

    /// The number on the wire.
    pub fn number(self) -> i64 {
        match self {
            Status::Success => 0,
            Status::Pending => 1,
            Status::Fail => 2,
            Status::Sending => 3,
            Status::Canceled => 4,
        }
    }

    /// The status of this number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// Reads the parameter `status` of a query.
    pub(super) fn from_query(query: &Query) -> Result<Option<Self>, ApiError> {
        let refused = || {
            ApiError::invalid(
                &["query", "status"],
                "Send 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled).",
            )
        };
        query.int("status")?.map(|number| Self::from_number(number).ok_or_else(refused)).transpose()
    }

    /// The same where several may be named, with commas between them; none for all.
    pub(super) fn all_from_query(query: &Query) -> Result<Vec<Self>, ApiError> {
        let refused = || {
            ApiError::invalid(
                &["query", "status"],
                "Send 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled), or several with commas between.",
            )
        };
        let read = |word: String| word.parse().ok().and_then(Self::from_number).ok_or_else(refused);
        query.list("status").into_iter().map(read).collect()
    }

    /// The word beside the number.
    pub fn text(self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::Pending => "pending",
            Status::Fail => "fail",
            Status::Sending => "sending",
            Status::Canceled => "canceled",
        }
    }
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// By the schedule.
    Scheduled,
    /// Requested by a person or a program.
    Manual,
}

impl Trigger {
    /// The number on the wire.
    pub fn number(self) -> i64 {
        match self {
            Trigger::Scheduled => 0,
            Trigger::Manual => 1,
        }
    }

    /// The trigger of this number.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Trigger::Scheduled),
            1 => Some(Trigger::Manual),
            _ => None,
        }
    }
}

/// An attempt, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// `atmpt_…`.
    pub id: String,
    /// The message.
    pub msg_id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// Where it was sent.
    pub url: String,
    /// The body of the answer (or the reason why there was none), as text.
    pub response: String,
    /// The HTTP status; 0 where there was no answer.
    pub code: u16,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// What became of it.
    pub status: Status,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it began.
    pub at_ms: i64,
    /// What plugins did on its way: the text of a JSON array.
    pub plugins: Option<String>,
    /// What is kept of the headers: the text of a JSON array, the request's and the answer's.
    pub headers: Option<String>,
}

/// An attempt, as it is answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageAttemptOut {
    /// The attempt's id, `atmpt_…`.
    id: String,
    /// The id of the message.
    msg_id: String,
    /// The id of the endpoint.
    endpoint_id: String,
    /// The URL to which the request was sent.
    url: String,
    /// The body of the response, or the reason why there was none. `{}` without content.
    response: String,
    /// The HTTP status of the response. 0 if there was none.
    response_status_code: u16,
    /// The duration of the request, in milliseconds.
    response_duration_ms: i64,
    /// The result of the attempt: 0 success, 2 fail, 4 canceled.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Status"))]
    status: i64,
    /// The status as a word.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::StatusText"))]
    status_text: &'static str,
    /// What caused the attempt: 0 the retry schedule, 1 a manual resend.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Trigger"))]
    trigger_type: i64,
    /// When the attempt started.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    timestamp: String,
    /// The message, if `with_msg` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<super::message::MessageOut>"))]
    msg: Option<Box<RawValue>>,
    /// What each plugin did with the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<Vec<crate::api::doc::kind::Object>>"))]
    plugins: Option<Box<RawValue>>,
    /// The request's headers, when a single attempt is requested. Credentials are redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    request_headers: Option<Box<RawValue>>,
    /// The response's headers, when a single attempt is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    response_headers: Option<Box<RawValue>>,
}

impl MessageAttemptOut {
    /// Makes the answer; without content the response is `"{}"`, as SDKs expect. `msg` is the message as
    /// [`super::message::message_out_json`] writes it, where it was asked for (`with_msg`).
    pub fn new(attempt: Attempt, with_content: bool, msg: Option<String>) -> Self {
        let headers = attempt.headers.filter(|_| with_content);
        let headers = headers.and_then(|text| serde_json::from_str::<[Box<RawValue>; 2]>(&text).ok());
        let [request_headers, response_headers] = headers.map_or([None, None], |sides| sides.map(Some));
        Self {
            id: attempt.id,
            msg_id: attempt.msg_id,
            endpoint_id: attempt.endpoint_id,
            url: attempt.url,
            response: if with_content { attempt.response } else { "{}".to_owned() },
            response_status_code: attempt.code,
            response_duration_ms: attempt.duration_ms,
            status: attempt.status.number(),
            status_text: attempt.status.text(),
            trigger_type: attempt.trigger.number(),
            timestamp: rfc3339(attempt.at_ms),
            msg: msg.and_then(with_raw),
            plugins: attempt.plugins.and_then(with_raw),
            request_headers,
            response_headers,
        }
    }

    /// The id, from which the next page of a list starts.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The query of the lists of attempts.
#[derive(Debug, Clone)]
pub struct AttemptQuery {
    /// Which page; newest first.
    pub page: Page,
    /// Only with this status.
    pub status: Option<Status>,
    /// Only with an HTTP status of this hundred (0 for no answer, 100 … 500).
    pub status_code_class: Option<u16>,
    /// Only of messages with this channel.
    pub channel: Option<String>,
    /// Only of messages with this tag.
    pub tag: Option<String>,
    /// Only of messages of these types; empty for all.
    pub event_types: Vec<String>,
    /// Only to this endpoint (id or uid).
    pub endpoint_id: Option<String>,
    /// Only before this time (ms).
    pub before: Option<i64>,
    /// Only after this time (ms).
    pub after: Option<i64>,
    /// Whether responses are shown.
    pub with_content: bool,
    /// Whether each attempt shows its message.
    pub with_msg: bool,
}

impl AttemptQuery {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        let status = Status::from_query(query)?;
        let status_code_class = query
            .int("status_code_class")?
            .map(|class| {
                u16::try_from(class)
                    .ok()
                    .filter(|class| matches!(class, 0 | 100 | 200 | 300 | 400 | 500))
                    .ok_or_else(|| {
                        ApiError::invalid(
                            &["query", "status_code_class"],
                            "Send 0, 100, 200, 300, 400 or 500.",
                        )
                    })
            })
            .transpose()?;
        let (before, after) = (query.time("before")?, query.time("after")?);
        let page = Page::from_query_ordered(query, Keys::Id(id::ATTEMPT), Order::Descending)?;
        Ok(Self {
            page,
            status,
            status_code_class,
            channel: query.text("channel").map(str::to_owned),
            tag: query.text("tag").map(str::to_owned),
            event_types: query.list("event_types"),
            endpoint_id: query.text("endpoint_id").map(str::to_owned),
            before,
            after,
            with_content: query.with_content(true)?,
            with_msg: query.flag("with_msg")?.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            id: "atmpt_1".into(),
            msg_id: "msg_1".into(),
            endpoint_id: "ep_1".into(),
            url: "https://example.com".into(),
            response: "ok".into(),
            code: 200,
            duration_ms: 12,
            status: Status::Success,
            trigger: Trigger::Manual,
            at_ms: 0,
            plugins: None,
            headers: Some(r#"[{"a":"b"},{"c":"d"}]"#.into()),
        }
    }

    #[test]
    fn an_attempt_has_every_field_that_sdks_require() {
        let out =
            serde_json::to_value(MessageAttemptOut::new(attempt(), true, Some(r#"{"id":"msg_1"}"#.into())))
                .expect("json");
        assert_eq!(
            out,
            serde_json::json!({
                "id": "atmpt_1", "msgId": "msg_1", "endpointId": "ep_1", "url": "https://example.com",
                "response": "ok", "responseStatusCode": 200, "responseDurationMs": 12, "status": 0,
                "statusText": "success", "triggerType": 1, "timestamp": rfc3339(0),
                "msg": {"id": "msg_1"}, "requestHeaders": {"a": "b"}, "responseHeaders": {"c": "d"},
            })
        );
        let bare = serde_json::to_value(MessageAttemptOut::new(attempt(), false, None)).expect("json");
        assert_eq!((bare.get("response"), bare.get("msg")), (Some(&serde_json::json!("{}")), None));
        assert_eq!((bare.get("requestHeaders"), bare.get("responseHeaders")), (None, None));
    }

    #[test]
    fn a_query_is_read_or_refused_with_its_place() {
        let query = AttemptQuery::parse(&Query::parse(
            "status=2&status_code_class=500&event_types=a,b&with_content=false&expanded_statuses=true\
             &with_msg=true",
        ))
        .expect("a query");
        assert_eq!((query.status, query.status_code_class), (Some(Status::Fail), Some(500)));
        assert!(query.with_msg && !query.with_content);
        for bad in ["status=9", "status=x", "status_code_class=250", "iterator=msg_x", "before=now"] {
            assert_eq!(AttemptQuery::parse(&Query::parse(bad)).expect_err(bad).http_status(), 422);
        }
    }
}
