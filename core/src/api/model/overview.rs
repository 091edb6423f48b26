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
    /// From when on.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub since: String,
    /// Until when.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub until: String,
    /// Of the endpoints that were asked: each hour in which there was an attempt.
    pub hours: Vec<HourOut>,
    /// The endpoints that were asked, whoever waits longest first.
    pub endpoints: Vec<OverviewEndpointOut>,
    /// How many there are: more than were asked, perhaps.
    pub endpoint_count: usize,
}

/// One hour.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "OverviewHourOut"))]
#[serde(rename_all = "camelCase")]
pub struct HourOut {
    /// When it began.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub at: String,
    /// Attempts that succeeded.
    pub success: i64,
    /// Attempts that failed.
    pub fail: i64,
    /// Deliveries that plugins filtered out.
    pub canceled: i64,
    /// How long an attempt took on average, in milliseconds.
    pub mean_ms: i64,
    /// How long the longest took, in milliseconds.
    pub longest_ms: i64,
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverviewEndpointOut {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Attempts that succeeded.
    pub success: i64,
    /// Attempts that failed.
    pub fail: i64,
    /// Deliveries that wait for their first attempt.
    pub pending: i64,
    /// Deliveries that failed so far and wait for the next attempt.
    pub sending: i64,
    /// When the oldest message was accepted that waits.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub oldest_pending: Option<String>,
    /// Whether requests may start.
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
