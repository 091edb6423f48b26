//! Several messages in one request, each with its own result.

use super::message::MessageIn;
use crate::api::body::{self, Faults};
use crate::error::ApiError;
use crate::time::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most messages of one request.
pub const MAX_MESSAGES: usize = 100;

/// The body of a batch.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MessageBatchIn"))]
pub struct MessageBatchIn<'a> {
    /// From 1 to 100 messages, stored in this order. None of them has an `application`.
    #[serde(borrow, deserialize_with = "body::at_most::<200, _, _>")]
    #[cfg_attr(test, schemars(with = "Vec<MessageIn<'static>>", length(min = 1, max = MAX_MESSAGES)))]
    messages: Vec<&'a RawValue>,
}

impl<'a> MessageBatchIn<'a> {
    /// Reads a body; what is wrong with one of its messages is found by [`MessageBatchIn::read`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ApiError> {
        let batch: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        let fits = (1..=MAX_MESSAGES).contains(&batch.messages.len());
        faults.check(fits, &["messages"], format!("Send from 1 to {MAX_MESSAGES} messages."));
        faults.into_result()?;
        Ok(batch)
    }

    /// Reads each message, or says what is wrong with it.
    pub fn read(&self, now: i64) -> impl Iterator<Item = Result<MessageIn<'a>, ApiError>> {
        self.messages.iter().map(move |message| {
            let message = MessageIn::parse(message.get().as_bytes())?;
            message.check_deliver_at(now)?;
            if message.application.is_some() {
                let text = "A message of a batch cannot contain `application`. Create the application first.";
                return Err(ApiError::invalid(&["body", "application"], text));
            }
            Ok(message)
        })
    }
}

/// The answer to a batch.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MessageBatchOut"))]
pub struct MessageBatchOut {
    /// One result for each message, in the order of the request.
    pub results: Vec<MessageResultOut>,
}

/// What became of one message of a batch.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MessageResultOut"))]
pub struct MessageResultOut {
    /// 202 if the message is stored, 409 if its event id is taken, 413 if it is too large, 422 if it is invalid.
    pub status: u16,
    /// The id of the message that is stored.
    pub id: Option<String>,
    /// When it was stored.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub timestamp: Option<String>,
    /// Why it is not stored: the body of the error that a request for this message alone would get.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    pub error: Option<Box<RawValue>>,
}

impl MessageResultOut {
    /// A message that is stored.
    pub fn stored(id: String, at: i64) -> Self {
        Self { status: 202, id: Some(id), timestamp: Some(rfc3339(at)), error: None }
    }

    /// A message that is not.
    pub fn refused(error: &ApiError) -> Self {
        let (status, error) = (error.http_status(), RawValue::from_string(error.body()).ok());
        Self { status, id: None, timestamp: None, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"eventType":"a.b","payload":{}}"#;

    fn read(messages: &[&str]) -> Result<Vec<u16>, u16> {
        let body = format!(r#"{{"messages":[{}]}}"#, messages.join(","));
        let batch = MessageBatchIn::parse(body.as_bytes()).map_err(|error| error.http_status())?;
        let status = |read: Result<_, ApiError>| read.map_or_else(|error| error.http_status(), |_| 202);
        Ok(batch.read(1_795_000_000_000).map(status).collect())
    }

    #[test]
    fn each_message_is_read_for_itself() {
        let large = format!(r#"{{"eventType":"a.b","payload":{{"x":"{}"}}}}"#, "x".repeat(1024 * 1024));
        let of_application = r#"{"eventType":"a.b","payload":{},"application":{"name":"a","uid":"b"}}"#;
        let past = r#"{"eventType":"a.b","payload":{},"deliverAt":"2020-01-01T00:00:00Z"}"#;
        let messages = [GOOD, r#"{"eventType":"a b","payload":{}}"#, "7", &large, GOOD, of_application, past];
        assert_eq!(read(&messages), Ok(vec![202, 422, 422, 413, 202, 422, 422]));
    }

    #[test]
    fn a_batch_has_from_one_to_a_hundred_messages() {
        assert_eq!(read(&[]), Err(422));
        assert_eq!(read(&[GOOD; MAX_MESSAGES]).map(|read| read.len()), Ok(MAX_MESSAGES));
        assert_eq!(read(&[GOOD; MAX_MESSAGES + 1]), Err(422));
        assert_eq!(read(&["1"; 1_000]), Err(422), "it is not read to its end");
        assert!(MessageBatchIn::parse(b"{}").is_err() && MessageBatchIn::parse(b"[]").is_err());
    }
}
