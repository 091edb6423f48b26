//! Usage: how much applications were sent, and what they listen to. Counted by background tasks.

use super::task::TaskOut;
use crate::api::body::{self, Faults};
use crate::error::ApiError;
use crate::frame::UsageAnswer;
use crate::time::parse_rfc3339;
use serde::{Deserialize, Serialize};

/// The most applications that a count may be limited to.
pub const MAX_APPS: usize = 1_000;

/// The body of the count of attempts.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "AppUsageStatsIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageIn {
    /// The start of the period.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    since: String,
    /// The end of the period.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    until: String,
    /// Only count these applications, by id or uid. If omitted, all are counted.
    app_ids: Option<Vec<String>>,
}

/// What to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// In milliseconds.
    pub since: i64,
    /// In milliseconds.
    pub until: i64,
    /// Only these applications, by id or uid.
    pub apps: Option<Vec<String>>,
}

impl Usage {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let fields: UsageIn = body::parse(bytes)?;
        let mut faults = Faults::default();
        let mut read = |name: &str, text: &str| {
            let time = parse_rfc3339(text);
            if time.is_none() {
                let msg = "Send a time in RFC 3339, such as 2026-01-31T12:00:00Z.";
                faults.add_kind(&[name], msg, "value_error.datetime");
            }
            time.unwrap_or(0)
        };
        let (since, until) = (read("since", &fields.since), read("until", &fields.until));
        faults.check(since <= until, &["since"], "Send a time before until.");
        faults.check(
            fields.app_ids.as_ref().is_none_or(|apps| apps.len() <= MAX_APPS),
            &["appIds"],
            format!("Send up to {MAX_APPS} applications, or omit the field for all."),
        );
        faults.into_result()?;
        Ok(Self { since, until, apps: fields.app_ids.map(super::unique) })
    }
}

/// The answer to who starts a count of attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "AppUsageStatsOut"))]
#[serde(rename_all = "camelCase")]
pub struct UsageOut {
    /// The task.
    #[serde(flatten)]
    pub task: TaskOut,
    /// The requested applications that do not exist.
    pub unresolved_app_ids: Vec<String>,
}

/// One application in the result of a count of attempts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStats<'a> {
    message_destinations: i64,
    app_id: &'a str,
    app_uid: Option<&'a str>,
}

/// One application in the result of a count of event types.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppEventTypes<'a> {
    app_id: &'a str,
    explicitly_subscribed_event_types: &'a [String],
    has_catch_all_endpoint: bool,
    /// There are more types than are listed. Not shown where there are not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl<'a> AppStats<'a> {
    /// Makes it of what the application says.
    pub fn new(app_id: &'a str, app_uid: Option<&'a str>, usage: &UsageAnswer) -> Self {
        Self { message_destinations: usage.attempts, app_id, app_uid }
    }
}

impl<'a> AppEventTypes<'a> {
    /// Makes it of what the application says.
    pub fn new(app_id: &'a str, usage: &'a UsageAnswer) -> Self {
        Self {
            app_id,
            explicitly_subscribed_event_types: &usage.event_types,
            has_catch_all_endpoint: usage.catches_all,
            truncated: usage.truncated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_count_has_a_period_and_perhaps_applications() {
        let read = |body: serde_json::Value| Usage::parse(body.to_string().as_bytes());
        let (since, until) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let all = read(json!({ "since": since, "until": until })).expect("ok");
        assert_eq!((all.until - all.since, all.apps), (31 * 86_400_000, None));
        let some = read(json!({ "since": since, "until": until, "appIds": ["a", "b", "a"] })).expect("ok");
        assert_eq!(some.apps.expect("some"), ["a", "b"]);
        for body in [
            json!({ "since": since }),
            json!({ "since": until, "until": since }),
            json!({ "since": "yesterday", "until": until }),
            json!({ "since": since, "until": until, "appIds": vec!["a"; MAX_APPS + 1] }),
        ] {
            assert_eq!(read(body).expect_err("refused").http_status(), 422);
        }
    }
}
