//! Calls from the Worker to an object, and their responses.
//!
//! Both are CBOR arrays with numbered fields: a release may add a field (with a default) and still read what
//! the release before wrote.

use crate::error::ApiError;
use crate::frame;
use crate::idempotency::{self, Idempotency, Keeping};
use crate::query::Query;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use minicbor::{Decode, Encode};
use serde::Serialize;

/// One request of the API on its way to the object that answers it. `O` are the operations of that object:
/// [`DirectoryOp`](crate::api::route::DirectoryOp) or [`AppOp`](crate::api::route::AppOp).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Call<O> {
    /// The operation.
    #[n(0)]
    pub op: O,
    /// The parameters of the path: all of them for the Directory, those after the application for an App.
    #[n(1)]
    pub params: Vec<String>,
    /// The query.
    #[n(2)]
    pub query: Query,
    /// The body as it came.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// Whether the caller holds an application's token instead of the organization's.
    #[cbor(n(4), default)]
    pub app_scope: bool,
    /// The feature flags of an application's token.
    #[n(5)]
    pub feature_flags: Option<Vec<String>>,
    /// The uid by which the caller named the application, if it did: an App object answers with status 0 where it is not
    /// (any more) its own.
    #[n(6)]
    pub app_uid: Option<String>,
    /// Whether the caller's token only reads.
    #[cbor(n(7), default)]
    pub reads_only: bool,
    /// Whether the caller's token does not extend to plugins.
    #[cbor(n(8), default)]
    pub without_plugins: bool,
    /// The idempotency key of a request that creates something.
    #[n(9)]
    pub idempotency: Option<Idempotency>,
    /// Event types in the body that do not exist, or that the caller's token may not see: an endpoint may keep them, but not
    /// add them.
    #[n(10)]
    pub barred_types: Option<Vec<String>>,
}

impl<O> Call<O> {
    /// A call without parameters, query or body, as the organization makes it.
    pub fn new(op: O) -> Self {
        Self {
            op,
            params: Vec::new(),
            query: Query::default(),
            body: Vec::new(),
            app_scope: false,
            feature_flags: None,
            app_uid: None,
            reads_only: false,
            without_plugins: false,
            idempotency: None,
            barred_types: None,
        }
    }

    /// A test's call of an operation, which must be one of that object.
    #[cfg(test)]
    pub(crate) fn of(op: crate::api::route::Op, params: &[&str], query: &str, body: Vec<u8>) -> Self
    where
        O: TryFrom<crate::api::route::Op, Error: std::fmt::Debug>,
    {
        let params = params.iter().map(|&param| param.to_owned()).collect();
        let query = Query::parse(query);
        Self { params, query, body, ..Self::new(op.try_into().expect("an operation of the object")) }
    }

    /// Whether the caller sees what only these feature flags show: the organization's token sees everything.
    pub(crate) fn sees_any_of(&self, flags: Option<&[String]>) -> bool {
        let own = self.feature_flags.as_deref().unwrap_or_default();
        !self.app_scope || flags.is_none_or(|flags| flags.iter().any(|flag| own.contains(flag)))
    }

    /// The reply that the same call got before, if it has an idempotency key and the reply is kept.
    pub(crate) fn recall<S: Sql>(
        &self,
        sql: &S,
        now: i64,
        keeping: Keeping<'_>,
    ) -> Result<Option<Reply>, ApiError> {
        let Some(asked) = &self.idempotency else { return Ok(None) };
        idempotency::recall(sql, now, asked, keeping)?.map(|kept| from_bytes(&kept)).transpose()
    }

    /// Keeps the reply to a call that has changed something, if it has an idempotency key.
    pub(crate) fn remember<S: Sql>(
        &self,
        sql: &S,
        now: i64,
        rng: &mut impl Entropy,
        reply: &Reply,
        keeping: Keeping<'_>,
    ) -> Result<(), SqlError> {
        match &self.idempotency {
            Some(asked) if (200..300).contains(&reply.status) => {
                idempotency::remember(sql, now, rng, asked, &to_bytes(reply), keeping)
            }
            _ => Ok(()),
        }
    }
}

/// An object's answer to a [`Call`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Reply {
    /// The HTTP status.
    #[n(0)]
    pub status: u16,
    /// JSON, unless `content_type` says otherwise; empty for 204.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// For the log of the Worker, never for the caller: why a 500 came about.
    #[n(2)]
    pub log: Option<String>,
    /// The content type of the body, if it is not JSON.
    #[n(3)]
    pub content_type: Option<String>,
    /// How many seconds to wait before the request is sent again.
    #[n(4)]
    pub retry_after: Option<u32>,
    /// What the caller should know of a request that was carried out all the same.
    #[n(5)]
    pub warnings: Option<Vec<String>>,
}

impl Reply {
    /// A reply with a JSON body.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, body, ..Self::default() },
            Err(error) => ApiError::Internal(format!("a reply could not be written: {error}")).into(),
        }
    }

    /// A reply whose body is JSON text already.
    pub fn raw_json(status: u16, body: String) -> Self {
        Self { status, body: body.into_bytes(), ..Self::default() }
    }

    /// A reply whose body is a WebAssembly module.
    pub fn wasm(body: Vec<u8>) -> Self {
        Self { status: 200, body, content_type: Some("application/wasm".to_owned()), ..Self::default() }
    }

    /// A reply for another part of Weir, which is never a caller's.
    pub fn frame(status: u16, frame: &impl Encode<()>) -> Self {
        Self {
            status,
            body: to_bytes(frame),
            content_type: Some("application/cbor".to_owned()),
            ..Self::default()
        }
    }

    /// The error, if it is not the caller's.
    pub fn failure(&self) -> Option<&str> {
        self.log.as_deref().filter(|_| self.status >= 500)
    }

    /// The same with what the caller should know: as a member of the body, where that is a JSON object.
    #[must_use]
    pub fn warned(mut self, warnings: Vec<String>) -> Self {
        if warnings.is_empty() || !(200..300).contains(&self.status) {
            return self;
        }
        if self.content_type.is_none() && self.body.ends_with(b"}") && self.body.starts_with(b"{") {
            self.body.pop();
            let comma = if self.body.len() > 1 { "," } else { "" };
            let list = serde_json::to_string(&warnings).unwrap_or_else(|_| "[]".to_owned());
            self.body.extend_from_slice(format!("{comma}\"warnings\":{list}}}").as_bytes());
        }
        self.warnings = Some(warnings);
        self
    }

    /// A reply without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let (status, body) = (error.http_status(), error.body().into_bytes());
        let (log, retry_after) = match error {
            ApiError::Internal(text) => (Some(text), None),
            ApiError::Unavailable(trouble, text) => (Some(text), trouble.retry_after()),
            _ => (None, None),
        };
        Self { status, body, log, retry_after, ..Self::default() }
    }
}

impl<E: Into<ApiError>> From<Result<Reply, E>> for Reply {
    fn from(result: Result<Reply, E>) -> Self {
        result.unwrap_or_else(|error| error.into().into())
    }
}

/// Writes a message between the Worker and an object.
pub fn to_bytes<T: Encode<()>>(message: &T) -> Vec<u8> {
    frame::encode(message)
}

/// Reads a message between the Worker and an object.
pub fn from_bytes<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, ApiError> {
    frame::decode(bytes).map_err(ApiError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::{AppOp, DirectoryOp};

    #[test]
    fn a_call_and_a_reply_survive_the_journey() {
        let call = Call {
            op: DirectoryOp::AppGet,
            params: vec!["a".into()],
            query: Query::parse("x=1&y=%26"),
            body: vec![0, 255],
            app_scope: true,
            feature_flags: Some(vec!["beta".to_owned()]),
            app_uid: Some("u".to_owned()),
            reads_only: true,
            without_plugins: true,
            idempotency: Some(Idempotency::new("org_1", "op", "key", &[], b"{}")),
            barred_types: Some(vec!["a".to_owned()]),
        };
        assert_eq!(from_bytes::<Call<DirectoryOp>>(&to_bytes(&call)).expect("a call"), call);
        let reply = Reply::json(201, &serde_json::json!({"a": 1}));
        assert_eq!(from_bytes::<Reply>(&to_bytes(&reply)).expect("a reply"), reply);
        assert_eq!(reply.body, br#"{"a":1}"#);
    }

    #[test]
    fn a_message_with_more_fields_or_without_the_optional_ones_is_read() {
        let mut longer = Vec::new();
        minicbor::encode(
            (
                204u16,
                minicbor::bytes::ByteVec::from(vec![]),
                None::<String>,
                None::<String>,
                None::<u32>,
                None::<u32>,
                7u8,
            ),
            &mut longer,
        )
        .expect("encodes");
        assert_eq!(from_bytes::<Reply>(&longer).expect("a reply"), Reply::empty(204));
        let mut shorter = Vec::new();
        minicbor::encode((204u16, minicbor::bytes::ByteVec::from(vec![])), &mut shorter).expect("encodes");
        assert_eq!(from_bytes::<Reply>(&shorter).expect("a reply"), Reply::empty(204));
        let mut call = Vec::new();
        let body = minicbor::bytes::ByteVec::from(vec![]);
        minicbor::encode(("app.get", ["b"], [("x", "1")], body), &mut call).expect("encodes");
        let read = from_bytes::<Call<DirectoryOp>>(&call).expect("a call");
        assert_eq!((read.op, read.query.text("x"), read.app_scope), (DirectoryOp::AppGet, Some("1"), false));
        assert!(from_bytes::<Call<DirectoryOp>>(b"\xff").is_err());
    }

    #[test]
    fn a_call_of_an_operation_that_the_object_does_not_answer_is_refused_by_name() {
        let call = to_bytes(&Call::new(DirectoryOp::AppGet));
        let error = from_bytes::<Call<AppOp>>(&call).expect_err("another object's");
        assert!(matches!(&error, ApiError::Internal(text) if text.contains("`app.get`")), "{error:?}");
        let mut later = Vec::new();
        let body = minicbor::bytes::ByteVec::from(vec![]);
        minicbor::encode(("app.explode", ["b"], [("x", "1")], body), &mut later).expect("encodes");
        let error = from_bytes::<Call<DirectoryOp>>(&later).expect_err("a later release's");
        assert!(matches!(&error, ApiError::Internal(text) if text.contains("`app.explode`")), "{error:?}");
    }

    #[test]
    fn an_internal_error_keeps_its_reason_for_the_log() {
        let reply = Reply::from(ApiError::Internal("disk on fire".into()));
        assert_eq!(reply.status, 500);
        assert_eq!(reply.log.as_deref(), Some("disk on fire"));
        assert!(!String::from_utf8_lossy(&reply.body).contains("fire"));
        let reply = Reply::from(Err::<Reply, _>(ApiError::not_found("Endpoint")));
        assert_eq!((reply.status, reply.log), (404, None));
    }
}
