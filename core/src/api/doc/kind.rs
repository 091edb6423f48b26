//! What fields hold, where a Rust type says less than the API asks for: the schemas of names, times, limits.
//!
//! The limits themselves are the constants that the handlers check against.

use crate::api::model::auth::DEFAULT_EXPIRY_S;
use crate::api::model::endpoint::{
    MAX_EVENT_TYPES, MAX_GRACE_S, MAX_IN_FLIGHT, MAX_RETRIES, MAX_RETRY_S, MAX_TIMEOUT_S, MAX_URL,
};
use crate::api::model::event_type::MAX_FLAGS;
use crate::api::model::message::MAX_RETENTION_DAYS;
use crate::api::model::{MAX_CHANNELS, MAX_TEXT};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A type that is nothing but its schema, written where it is used.
macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident $schema:tt )+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn inline_schema() -> bool {
                    true
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )+
    };
}

/// What a uid, an event id or a flag is written in.
pub(super) const NAME: &str = r"^[a-zA-Z0-9\-_.]{1,256}$";
pub(super) const EVENT_TYPE: &str = r"^[a-zA-Z0-9_.][a-zA-Z0-9\-_.]{0,255}$";
const WORD: &str = r"^[a-zA-Z0-9\-_.:+]{1,128}$";
pub(super) const PLUGIN: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";
pub(super) const VERSION: &str = "^([0-9a-f]{64}|bundled)$";

kinds! {
    /// A text for people that says something.
    Name { "type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S" }
    /// A text for people.
    Text { "type": "string", "maxLength": MAX_TEXT }
    /// The caller's own name for something.
    Uid { "type": "string", "pattern": NAME }
    /// The name of an event type.
    EventTypeName { "type": "string", "pattern": EVENT_TYPE }
    /// The names of event types.
    EventTypeNames {
        "type": "array", "items": { "type": "string", "pattern": EVENT_TYPE }, "maxItems": MAX_EVENT_TYPES
    }
    /// The caller's own name for an event.
    EventId { "type": "string", "pattern": r"^(?!msg_)[a-zA-Z0-9\-_.]{1,256}$" }
    /// A channel, or a tag.
    Word { "type": "string", "pattern": WORD }
    /// Channels, or tags.
    Words {
        "type": "array", "items": { "type": "string", "pattern": WORD }, "minItems": 1, "maxItems": MAX_CHANNELS
    }
    /// Feature flags.
    Flags { "type": "array", "items": { "type": "string", "pattern": NAME }, "maxItems": MAX_FLAGS }
    /// A time.
    Time { "type": "string", "format": "date-time" }
    /// Any JSON object.
    Object { "type": "object" }
    /// Any JSON.
    Any {}
    /// JSON schemas by version.
    Schemas { "type": "object" }
    /// An address.
    Url { "type": "string", "format": "uri", "minLength": 1, "maxLength": MAX_URL }
    /// So many a second.
    Rate { "type": "integer", "minimum": 1, "maximum": u16::MAX }
    /// So many in a window.
    Limit { "type": "integer", "minimum": 1, "maximum": u32::MAX }
    /// Days that a payload is kept.
    Days { "type": "integer", "minimum": 1, "maximum": MAX_RETENTION_DAYS }
    /// Hours that a payload is kept.
    Hours { "type": "integer", "minimum": 1, "maximum": MAX_RETENTION_DAYS * 24 }
    /// Seconds that a rotated secret stays valid.
    Grace { "type": "integer", "minimum": 0, "maximum": MAX_GRACE_S }
    /// Seconds that a token is valid.
    Expiry { "type": "integer", "minimum": 1, "maximum": DEFAULT_EXPIRY_S }
    /// Seconds that tokens stay valid.
    ExpiryFrom0 { "type": "integer", "minimum": 0, "maximum": DEFAULT_EXPIRY_S }
    /// Seconds before each retry.
    Schedule {
        "type": "array", "items": { "type": "number", "minimum": 0, "maximum": MAX_RETRY_S }, "maxItems": MAX_RETRIES
    }
    /// Requests in flight.
    InFlight { "type": "integer", "minimum": 1, "maximum": MAX_IN_FLIGHT }
    /// Seconds that an answer may take.
    Timeout { "type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_S }
    /// The number of a status.
    Status {
        "type": "integer", "enum": [0, 1, 2, 3, 4],
        "description": "0 success, 1 pending, 2 fail, 3 sending, 4 canceled"
    }
    /// The word of a status.
    StatusText { "type": "string", "enum": ["success", "pending", "fail", "sending", "canceled"] }
    /// Why an attempt was made.
    Trigger { "type": "integer", "enum": [0, 1], "description": "0 by the schedule, 1 by hand" }
    /// A hundred of HTTP statuses.
    CodeClass { "type": "integer", "enum": [0, 100, 200, 300, 400, 500] }
    /// What a token may do.
    Capability {
        "type": "string", "enum": [
            "ViewBase", "ViewEndpointSecret", "ManageEndpointSecret", "ManageTransformations", "CreateAttempts",
            "ManageEndpoint"
        ]
    }
    /// Bytes.
    Base64 { "type": "string", "contentEncoding": "base64" }
    /// The name of a plugin.
    PluginName { "type": "string", "pattern": PLUGIN }
    /// A version of a plugin: the hash of its module, or `bundled`.
    Version { "type": "string", "pattern": VERSION }
}
