//! How an application does: its attempts by the hour, and what waits at which endpoint.

use super::endpoint::Breaker;
use crate::frame::{StatsAnswer, StatsHour};
use crate::spread::{EDGES_MS, Spread};
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
    /// The period before, of the same length. Only with `previous=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousOut>,
    /// The durations of the attempts.
    pub latency: LatencyOut,
    /// The number of attempts by status code; 0 is no response.
    pub codes: Vec<CodeOut>,
    /// The endpoints, the one with the longest backlog first.
    pub endpoints: Vec<OverviewEndpointOut>,
    /// The number of endpoints of the application. It may exceed the number in `endpoints`.
    pub endpoint_count: usize,
}

/// The totals of the period before.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PreviousOut {
    /// The number of attempts that succeeded.
    pub success: i64,
    /// The number of attempts that failed.
    pub fail: i64,
    /// The number of deliveries that plugins filtered out.
    pub canceled: i64,
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
    /// The median duration of an attempt, in milliseconds.
    pub p50_ms: Option<i64>,
    /// The 95th percentile of the duration, in milliseconds.
    pub p95_ms: Option<i64>,
}

/// How long attempts took. Percentiles are exact to the bucket, and interpolated within it.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LatencyOut {
    /// The median duration of an attempt, in milliseconds.
    pub p50_ms: Option<i64>,
    /// The 95th percentile of the duration, in milliseconds.
    pub p95_ms: Option<i64>,
    /// The number of attempts by duration.
    pub buckets: Vec<BucketOut>,
}

/// The attempts that took so long.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BucketOut {
    /// The upper edge of the bucket, in milliseconds; `null` is any longer time.
    pub up_to_ms: Option<i64>,
    /// The number of attempts.
    pub count: i64,
}

/// The attempts that ended with a status code.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CodeOut {
    /// The status code; 0 is no response.
    pub code: u16,
    /// The number of attempts.
    pub count: i64,
}

impl LatencyOut {
    /// Of what was counted; `longest` is the longest attempt.
    pub fn new(spread: &Spread, longest: i64) -> Self {
        let edges = EDGES_MS.iter().copied().map(Some).chain(std::iter::once(None));
        let buckets = edges.zip(&spread.took).map(|(up_to_ms, count)| BucketOut { up_to_ms, count: *count });
        Self {
            p50_ms: spread.percentile(50, longest),
            p95_ms: spread.percentile(95, longest),
            buckets: buckets.collect(),
        }
    }
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverviewEndpointOut {
    /// The id of the endpoint.
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

/// The endpoints in trouble of all applications and sources.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TenantOverviewOut {
    /// The number of applications. Here and below, 1000 stands for 1000 or more.
    pub applications: i64,
    /// The number of endpoints whose circuit breaker is open or half-open.
    pub open: i64,
    /// The number of endpoints that fail and have a closed circuit breaker.
    pub failing: i64,
    /// The number of disabled endpoints.
    pub disabled: i64,
    /// The number of endpoints that have a backlog and do not fail.
    pub waiting: i64,
    /// The endpoints, the worst first, then the ones that lasted longest.
    pub endpoints: Vec<TroubleOut>,
}

/// An endpoint in trouble.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TroubleOut {
    /// The id of the application or the source.
    pub app_id: String,
    /// The name of the application; empty for a source.
    pub app_name: String,
    /// The id of the endpoint.
    pub endpoint_id: String,
    /// The state: `open`, `failing`, `disabled` or `waiting`.
    pub state: &'static str,
    /// When this state began.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub since: String,
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
            p50_ms: hour.spread.as_ref().and_then(|spread| spread.percentile(50, hour.longest)),
            p95_ms: hour.spread.as_ref().and_then(|spread| spread.percentile(95, hour.longest)),
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
