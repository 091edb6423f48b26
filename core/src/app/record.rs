//! An endpoint's configuration as the App object stores it.

use crate::filter::Filter;
use crate::frame::{Config, SecretFrame};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A signing secret, sealed by the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    /// As the vault sealed it.
    pub sealed: String,
    /// When it ceases to sign, in milliseconds; none for the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// How many requests may be started in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPace {
    /// At most so many…
    pub limit: u32,
    /// …in any window of so many milliseconds.
    pub window_ms: i64,
}

/// All that is configured of one endpoint. Stored as JSON: a field that a release does not know is ignored,
/// one that is missing has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointRecord {
    /// The owner's own name for it.
    pub uid: Option<String>,
    /// Where deliveries go.
    pub url: String,
    /// For people.
    pub description: String,
    /// Deliveries wait.
    pub disabled: bool,
    /// Only these event types; none for all.
    pub event_types: Option<Vec<String>>,
    /// Only messages in one of these channels; none for all.
    pub channels: Option<Vec<String>>,
    /// Svix's `throttleRate`: requests per second. `pace`, where set, says it more finely.
    pub throttle_rate: Option<u32>,
    /// At most so many requests in a window.
    pub pace: Option<StoredPace>,
    /// At most so many requests under way.
    pub max_in_flight: Option<u32>,
    /// The owner's own data.
    pub metadata: BTreeMap<String, String>,
    /// Sent with every delivery.
    pub headers: BTreeMap<String, String>,
    /// Newest first.
    pub secrets: Vec<StoredSecret>,
    /// `svix`, `standard` or `both`; none for the deployment's own.
    pub header_profile: Option<String>,
    /// Retry delays in milliseconds; none for the deployment's own.
    pub schedule_ms: Option<Vec<i64>>,
    /// Milliseconds for one attempt; none for the deployment's own.
    pub timeout_ms: Option<i64>,
    /// In milliseconds.
    pub created_at: i64,
    /// In milliseconds.
    pub updated_at: i64,
    /// Rises with every change.
    pub version: i64,
    /// Stretches of the log (after the first id, to the second) that passed while the endpoint was disabled
    /// and messages from before still waited.
    pub skips: Vec<(String, String)>,
    /// The newest message when the endpoint was disabled.
    pub disabled_from: Option<String>,
}

impl EndpointRecord {
    /// Which messages it is owed.
    pub fn filter(&self) -> Filter {
        Filter::new(self.event_types.as_deref(), self.channels.as_deref())
    }

    /// What the Endpoint object gets to know.
    pub fn frame(&self, org: &str, app_id: &str, endpoint_id: &str, deleted: bool) -> Config {
        let pace = self.pace.or(self.throttle_rate.map(|limit| StoredPace { limit, window_ms: 1_000 }));
        Config {
            version: self.version,
            org: org.to_owned(),
            app_id: app_id.to_owned(),
            endpoint_id: endpoint_id.to_owned(),
            url: self.url.clone(),
            disabled: self.disabled,
            deleted,
            secrets: self
                .secrets
                .iter()
                .map(|s| SecretFrame { sealed: s.sealed.clone(), expires_at: s.expires_at })
                .collect(),
            headers: self.headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            header_profile: self.header_profile.clone(),
            schedule_ms: self.schedule_ms.clone(),
            timeout_ms: self.timeout_ms,
            pace_limit: pace.map(|p| p.limit),
            pace_window_ms: pace.map(|p| p.window_ms),
            max_in_flight: self.max_in_flight,
        }
    }
}
