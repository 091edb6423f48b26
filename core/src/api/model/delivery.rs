//! Deliveries: the status of one message at one endpoint.

use super::attempt::Status;
use super::endpoint::EndpointOut;
use super::message::MessageQuery;
use crate::error::ApiError;
use crate::query::Query;
use crate::time::rfc3339;
use serde::Serialize;

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Pending before the first attempt, sending between attempts, else how the newest attempt ended.
    pub status: Status,
    /// When the next attempt is due (ms); `None` if none is scheduled, or if it is in flight.
    pub next_at: Option<i64>,
}

impl Standing {
    /// Waits to be offered to the endpoint.
    pub const WAITING: Self = Self { status: Status::Pending, next_at: None };
}

/// An endpoint that a message goes to, as it is answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageEndpointOut {
    #[serde(flatten)]
    endpoint: EndpointOut,
    /// The status of the delivery: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Status"))]
    status: i64,
    /// The status as a word.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::StatusText"))]
    status_text: &'static str,
    /// When the next attempt is due. `null` if none is scheduled.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    next_attempt: Option<String>,
}

impl MessageEndpointOut {
    /// Makes the answer.
    pub fn new(endpoint: EndpointOut, standing: Standing) -> Self {
        Self {
            endpoint,
            status: standing.status.number(),
            status_text: standing.status.text(),
            next_attempt: standing.next_at.map(rfc3339),
        }
    }

    /// The endpoint's id, from which the next page of a list starts.
    pub fn id(&self) -> &str {
        self.endpoint.id()
    }
}

/// What is written by hand below, for the API's description.
#[cfg(test)]
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // never made
pub(crate) struct EndpointMessageOut {
    #[serde(flatten)]
    message: super::message::MessageOut,
    /// The status of the delivery: 0 success, 1 pending, 2 fail, 3 sending, 4 canceled.
    #[schemars(with = "crate::api::doc::kind::Status")]
    status: i64,
    /// The status as a word.
    #[schemars(with = "crate::api::doc::kind::StatusText")]
    status_text: String,
    /// When the next attempt is due. `null` if none is scheduled.
    #[schemars(with = "Option<crate::api::doc::kind::Time>")]
    next_attempt: Option<String>,
}

/// Adds the status of a delivery to a message as [`super::message::message_out_json`] writes it.
pub fn endpoint_message_json(message: &str, standing: Standing) -> String {
    let next = standing.next_at.map_or_else(|| "null".to_owned(), |at| format!("\"{}\"", rfc3339(at)));
    format!(
        r#"{},"status":{},"statusText":"{}","nextAttempt":{next}}}"#,
        message.strip_suffix('}').unwrap_or(message),
        standing.status.number(),
        standing.status.text(),
    )
}

/// The query of the list of an endpoint's messages.
#[derive(Debug, Clone)]
pub struct AttemptedQuery {
    /// Which messages.
    pub messages: MessageQuery,
    /// Only with one of these statuses; empty for all.
    pub statuses: Vec<Status>,
}

impl AttemptedQuery {
    /// Reads a query. `expanded_statuses` is understood and changes nothing: the statuses are always the
    /// expanded ones, which every SDK reads.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        Ok(Self { messages: MessageQuery::parse(query)?, statuses: Status::all_from_query(query)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::model::endpoint::EndpointContent;

    const SENDING: Standing = Standing { status: Status::Sending, next_at: Some(0) };

    #[test]
    fn a_message_tells_how_its_delivery_stands() {
        let read = |standing| {
            let text = endpoint_message_json(r#"{"id":"msg_1","payload":{}}"#, standing);
            serde_json::from_str::<serde_json::Value>(&text).expect("json")
        };
        assert_eq!(
            read(SENDING),
            serde_json::json!({"id": "msg_1", "payload": {}, "status": 3, "statusText": "sending",
                "nextAttempt": rfc3339(0)})
        );
        assert_eq!(read(Standing::WAITING)["nextAttempt"], serde_json::Value::Null);
    }

    #[test]
    fn an_endpoint_tells_how_its_delivery_stands_among_its_own_fields() {
        let endpoint = EndpointOut::new("ep_1".into(), EndpointContent::default(), 0, 0);
        let out = MessageEndpointOut::new(endpoint, SENDING);
        assert_eq!(out.id(), "ep_1");
        let out = serde_json::to_value(out).expect("json");
        assert_eq!((&out["id"], &out["status"]), (&"ep_1".into(), &3.into()));
        assert_eq!((&out["statusText"], &out["nextAttempt"]), (&"sending".into(), &rfc3339(0).into()));
    }

    #[test]
    fn the_query_is_that_of_messages_with_a_status() {
        let query = AttemptedQuery::parse(&Query::parse("status=2&channel=a&expanded_statuses=true&limit=3"))
            .expect("ok");
        assert_eq!((query.statuses, query.messages.channel.as_deref()), (vec![Status::Fail], Some("a")));
        let query = AttemptedQuery::parse(&Query::parse("status=2,3")).expect("ok");
        assert_eq!(query.statuses, [Status::Fail, Status::Sending]);
        assert!(AttemptedQuery::parse(&Query::parse("")).expect("ok").statuses.is_empty());
        for bad in ["status=9", "status=2,x", "iterator=ep_1", "before=x"] {
            assert_eq!(AttemptedQuery::parse(&Query::parse(bad)).expect_err(bad).http_status(), 422);
        }
    }
}
