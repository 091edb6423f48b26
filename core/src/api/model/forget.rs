//! Forgetting the payloads of several messages.

use crate::api::body::{self, Faults};
use crate::error::ApiError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most messages of one call.
pub const MAX_IDS: usize = 1_000;

/// The body of bulk-expunge.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "BulkExpungeContentsIn"))]
pub struct BulkExpungeIn {
    /// The messages, by id or event id. At most 1000.
    ids: Option<Vec<String>>,
}

impl BulkExpungeIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let expunge: Self = body::parse_exact(bytes)?;
        let mut faults = Faults::default();
        let msg = format!("Send up to {MAX_IDS} messages.");
        faults.check(expunge.ids().len() <= MAX_IDS, &["ids"], msg);
        faults.into_result()?;
        Ok(expunge)
    }

    /// Messages, by id or event id.
    pub fn ids(&self) -> &[String] {
        self.ids.as_deref().unwrap_or_default()
    }
}

/// The answer of bulk-expunge.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "BulkExpungeContentsOut"))]
pub struct BulkExpungeOut {
    /// The result for each message, by the id in the request.
    pub results: BTreeMap<String, BulkExpungeStatus>,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BulkExpungeStatus {
    /// The payload was deleted.
    Expunged,
    /// The message does not exist.
    NotFound,
}
