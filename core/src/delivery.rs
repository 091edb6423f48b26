//! How an endpoint wants its deliveries: in which order, and how many events in one request.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Several events in one request, as a JSON array of their payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointBatch"))]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The maximum number of events in one request.
    #[n(0)]
    pub max_events: u16,
    /// How long the first event waits for others, in milliseconds.
    #[n(1)]
    pub max_wait_ms: u32,
}

/// The guaranteed order of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Order {
    /// One request at a time, in the order in which messages were accepted.
    #[n(0)]
    Fifo,
}
