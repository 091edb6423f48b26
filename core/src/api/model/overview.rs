//! How an application does: its attempts by the hour, and what waits at which endpoint.

use super::endpoint::Breaker;
use crate::frame::{StatsAnswer, StatsHour};
use crate::time::rfc3339;
use serde::Serialize;

/// The answer of overview.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverviewOut {
    /// The start of the period.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub since: String,
    /// The end of the period.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub until: String,
    /// Totals of these endpoints for each hour with at least one attempt.
    pub hours: Vec<HourOut>,
    /// The endpoints, the one with the longest backlog first.
    pub endpoints: Vec<OverviewEndpointOut>,
    /// The number of endpoints of the application. It may exceed the number in `endpoints`.
    pub endpoint_count: usize,
}

/// One hour.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "OverviewHourOut"))]
#[serde(rename_all = "camelCase")]
pub struct HourOut {
    /// The start of the hour.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub at: String,
    /// The number of attempts that succeeded.
    pub success: i64,
    /// The number of attempts that failed.
    pub fail: i64,
    /// The number of deliveries that plugins filtered out.
    pub canceled: i64,
    /// The mean duration of an attempt, in milliseconds.
    pub mean_ms: i64,
    /// The duration of the longest attempt, in milliseconds.
    pub longest_ms: i64,
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverviewEndpointOut {
    /// The endpoint's id.
    pub id: String,
    /// The URL that receives the webhooks.
    pub url: String,
    /// Whether the endpoint is disabled. A disabled endpoint receives nothing, and messages sent meanwhile are not
    /// delivered later.
    pub disabled: bool,
    /// The number of attempts that were answered with a status from 200 to 299.
    pub success: i64,
    /// The number of attempts that failed.
    pub fail: i64,
    /// The number of deliveries that have not been attempted yet.
    pub pending: i64,
    /// The number of deliveries that failed and will be retried.
    pub sending: i64,
    /// When the oldest message with a pending delivery was accepted.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub oldest_pending: Option<String>,
    /// The state of the circuit breaker.
    pub breaker: Breaker,
}

impl From<StatsHour> for HourOut {
    fn from(hour: StatsHour) -> Self {
        let attempts = hour.success.saturating_add(hour.fail);
        Self {
            at: rfc3339(hour.at),
            success: hour.success,
            fail: hour.fail,
            canceled: hour.filtered,
            mean_ms: hour.took.checked_div(attempts).unwrap_or(0),
            longest_ms: hour.longest,
        }
    }
}

impl OverviewEndpointOut {
    /// Makes the answer of what the endpoint says.
    pub fn new(id: &str, url: &str, disabled: bool, told: &StatsAnswer) -> Self {
        Self {
            id: id.to_owned(),
            url: url.to_owned(),
            disabled,
            success: told.success,
            fail: told.fail,
            pending: told.pending,
            sending: told.sending,
            oldest_pending: told.oldest.map(rfc3339),
            breaker: Breaker::new(told.open_until),
        }
    }
}
