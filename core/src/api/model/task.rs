//! Background tasks: work on many messages that continues after the response.

use super::attempt::Status;
use super::{check_event_type, none_if_empty};
use crate::api::body::{self, Faults};
use crate::api::page::{Keys, Order, Page};
use crate::error::ApiError;
use crate::id;
use crate::query::Query;
use crate::time::{parse_rfc3339, rfc3339};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The longest period of a task: two weeks, and five minutes for whoever computes "two weeks ago" first
/// and sends it later.
pub const MAX_PERIOD_MS: i64 = 14 * 86_400_000 + 5 * 60_000;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum TaskKind {
    /// Sends again what failed.
    #[n(0)]
    Recover,
    /// Sends messages that were never attempted.
    #[n(1)]
    Replay,
    /// Resends messages that were attempted, whatever the result.
    #[n(2)]
    BulkReplay,
    /// Forgets payloads.
    #[n(3)]
    Purge,
    /// Counts the attempts of applications.
    #[n(4)]
    AppStats,
    /// Gathers what event types applications listen to.
    #[n(5)]
    EventTypes,
    /// Erases an application that was deleted.
    #[n(6)]
    AppErase,
    /// Erases a source that was deleted.
    #[n(7)]
    SourceErase,
    /// Erases all that a tenant has.
    #[n(8)]
    TenantErase,
}

impl TaskKind {
    /// The word on the wire.
    pub fn text(self) -> &'static str {
        match self {
            TaskKind::Recover => "endpoint.recover",
            TaskKind::Replay => "endpoint.replay",
            TaskKind::BulkReplay => "endpoint.bulk-replay",
            TaskKind::Purge => "application.purge_content",
            TaskKind::AppStats => "application.stats",
            TaskKind::EventTypes => "event-type.aggregate",
            TaskKind::AppErase => "application.erase",
            TaskKind::SourceErase => "ingest.source.erase",
            TaskKind::TenantErase => "tenant.erase",
        }
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum TaskStatus {
    /// Running.
    #[n(0)]
    Running,
    /// Done.
    #[n(1)]
    Finished,
    /// Ended early.
    #[n(2)]
    Failed,
}

impl TaskStatus {
    /// The word on the wire.
    pub fn text(self) -> &'static str {
        match self {
            TaskStatus::Running => "running",
            TaskStatus::Finished => "finished",
            TaskStatus::Failed => "failed",
        }
    }
}

/// The body of recover and replay-missing.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PeriodIn {
    /// Only messages accepted at or after this time.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    since: String,
    /// Only messages accepted before this time. The default is now. At most 14 days after `since`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    until: Option<String>,
}

/// Messages accepted from `since` to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// In milliseconds.
    pub since: i64,
    /// In milliseconds.
    pub until: i64,
}

impl Period {
    /// Reads and checks a body; without `until` the period ends `now`.
    pub fn parse(bytes: &[u8], now: i64) -> Result<Self, ApiError> {
        let fields: PeriodIn = body::parse_part(bytes)?;
        let mut faults = Faults::default();
        let mut read = |name: &str, text: &str| {
            let time = parse_rfc3339(text);
            let kind = "value_error.datetime";
            if time.is_none() {
                faults.add_kind(&[name], "Send a time in RFC 3339, such as 2026-01-31T12:00:00Z.", kind);
            }
            time
        };
        let since = read("since", &fields.since);
        let until = fields.until.as_deref().map_or(Some(now), |text| read("until", text));
        if let (Some(since), Some(until)) = (since, until) {
            faults.check(since <= until, &["since"], "Send a time before until.");
            faults.check(
                until.saturating_sub(since) <= MAX_PERIOD_MS,
                &["since"],
                "Send a period of at most 14 days.",
            );
        }
        faults.into_result()?;
        // Both are there, or there was a fault.
        Ok(Self { since: since.unwrap_or(now), until: until.unwrap_or(now) })
    }
}

/// Which messages of its period a bulk replay sends; fields that are not set do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct BulkFilter {
    /// Only messages of these event types.
    #[n(0)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeNames>"))]
    pub event_types: Option<Vec<String>>,
    /// Only messages with this channel.
    #[n(1)]
    pub channel: Option<String>,
    /// Only messages with this tag.
    #[n(2)]
    pub tag: Option<String>,
    /// Only messages whose newest attempt has this status: 0 success, 2 fail, 3 sending, 4 canceled.
    #[n(3)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Status>"))]
    pub status: Option<i64>,
    /// Only messages whose newest attempt was answered with this class of HTTP status, for example 500 for 500 to
    /// 599. 0 for no response.
    #[n(4)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::CodeClass>"))]
    pub status_code_class: Option<u16>,
}

/// The body of bulk-replay: read as its two parts.
#[cfg(test)]
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct BulkReplayIn {
    #[serde(flatten)]
    _period: PeriodIn,
    #[serde(flatten)]
    _filter: BulkFilter,
}

impl BulkFilter {
    /// Reads and checks the filter in the body of bulk-replay.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let mut filter: Self = body::parse_part(bytes)?;
        filter.event_types = none_if_empty(filter.event_types);
        let mut faults = Faults::default();
        for (index, name) in filter.event_types.iter().flatten().enumerate() {
            check_event_type(&mut faults, &["eventTypes", &index.to_string()], name);
        }
        faults.check(
            filter.status.is_none_or(|number| Status::from_number(number).is_some()),
            &["status"],
            "Send 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled).",
        );
        faults.check(
            filter.status_code_class.is_none_or(|class| class <= 500 && class.is_multiple_of(100)),
            &["statusCodeClass"],
            "Send 0 (no response), 100, 200, 300, 400 or 500.",
        );
        faults.into_result()?;
        Ok(filter)
    }

    /// Notes which fields of a task's body nobody reads: a filter is only in that of a bulk replay.
    pub fn note_unknown(bytes: &[u8], filtered: bool) {
        let period = body::fields_of::<PeriodIn>();
        let filter = body::fields_of::<Self>();
        body::note_unknown_of(bytes, &[period, if filtered { filter } else { &[] }]);
    }

    /// Whether a message passes, as far as the log tells.
    pub fn matches(&self, event_type: &str, channels: &[String], tags: &[String]) -> bool {
        self.event_types.as_ref().is_none_or(|types| types.iter().any(|name| name == event_type))
            && self.channel.as_ref().is_none_or(|channel| channels.contains(channel))
            && self.tag.as_ref().is_none_or(|tag| tags.contains(tag))
    }
}

/// A task, as it is answered to who starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskOut {
    /// The task's id, `qtask_…`.
    pub id: String,
    /// The status of the task: `running`, `finished` or `failed`.
    pub status: String,
    /// The kind of task, for example `endpoint.recover`.
    pub task: String,
    /// When it was last changed.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub updated_at: String,
}

impl TaskOut {
    /// Makes the answer.
    pub fn new(id: &str, kind: TaskKind, status: TaskStatus, updated_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            status: status.text().to_owned(),
            task: kind.text().to_owned(),
            updated_at: rfc3339(updated_ms),
        }
    }
}

/// How many messages a task would touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CountOut {
    /// The number of messages. If `complete` is false, there are at least this many.
    pub messages: i64,
    /// Whether the whole period was counted.
    pub complete: bool,
}

/// A task, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackgroundTaskOut {
    /// The task.
    #[serde(flatten)]
    pub task: TaskOut,
    /// The application, the endpoint, the progress and, when finished, the result of the task.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Object"))]
    pub data: serde_json::Value,
}

/// The query of the list of tasks.
#[derive(Debug, Clone)]
pub struct TaskQuery {
    /// Which page.
    pub page: Page,
    /// Only with this status.
    pub status: Option<String>,
    /// Only of this kind.
    pub task: Option<String>,
}

impl TaskQuery {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, ApiError> {
        let status = query.text("status");
        if status.is_some_and(|word| !["running", "finished", "failed"].contains(&word)) {
            return Err(ApiError::invalid(&["query", "status"], "Send running, finished or failed."));
        }
        Ok(Self {
            page: Page::from_query(query, Keys::Id(id::TASK), Order::Descending)?,
            status: status.map(str::to_owned),
            task: query.text("task").map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn period(since: i64, until: Option<i64>) -> Result<Period, ApiError> {
        let body = serde_json::json!({ "since": rfc3339(since), "until": until.map(rfc3339) });
        Period::parse(body.to_string().as_bytes(), NOW)
    }

    #[test]
    fn a_period_ends_now_unless_it_says_otherwise() {
        let hour = 3_600_000;
        assert_eq!(period(NOW - hour, None).expect("ok"), Period { since: NOW - hour, until: NOW });
        assert_eq!(period(NOW - hour, Some(NOW - 1)).expect("ok").until, NOW - 1);
    }

    #[test]
    fn a_period_has_at_most_two_weeks_and_goes_forwards() {
        assert!(period(NOW - MAX_PERIOD_MS, None).is_ok());
        for (since, until) in [(NOW - MAX_PERIOD_MS - 1, None), (NOW + 1, None), (NOW, Some(NOW - 1))] {
            assert_eq!(period(since, until).expect_err("refused").http_status(), 422);
        }
        for body in ["{}", "", r#"{"since":"yesterday"}"#, r#"{"since":5}"#] {
            assert_eq!(Period::parse(body.as_bytes(), NOW).expect_err(body).http_status(), 422);
        }
    }

    #[test]
    fn only_what_nobody_reads_is_unknown() {
        let unknown = |text: &str, filtered: bool| {
            body::forget_unknown();
            let _ = Period::parse(text.as_bytes(), 0);
            let _ = BulkFilter::parse(text.as_bytes());
            BulkFilter::note_unknown(text.as_bytes(), filtered);
            body::take_unknown().join(" ")
        };
        let bulk = r#"{"since":"2026-01-01T00:00:00Z","eventTypes":["a"],"tag":"t"}"#;
        assert_eq!(unknown(bulk, true), "");
        assert!(unknown(bulk, false).contains("eventTypes"), "recover has no filter");
        let misspelled = unknown(r#"{"since":"2026-01-01T00:00:00Z","eventType":["a"]}"#, true);
        assert!(misspelled.contains("Did you mean eventTypes?"), "{misspelled}");
    }

    #[test]
    fn a_bulk_replay_says_which_messages_it_means() {
        let filter =
            BulkFilter::parse(br#"{"since":"x","eventTypes":["a.b"],"tag":"t","status":2}"#).expect("ok");
        let tags = ["t".to_owned()];
        assert!(filter.matches("a.b", &[], &tags));
        assert!(!filter.matches("a", &[], &tags) && !filter.matches("a.b", &[], &[]));
        let all = BulkFilter::parse(br#"{"eventTypes":[],"status":null}"#).expect("ok");
        assert!(all.matches("a", &[], &[]));
        for body in
            [r#"{"status":7}"#, r#"{"statusCodeClass":404}"#, r#"{"eventTypes":["a b"]}"#, r#"{"tag":1}"#]
        {
            assert_eq!(BulkFilter::parse(body.as_bytes()).expect_err(body).http_status(), 422);
        }
    }

    #[test]
    fn tasks_are_listed_by_status_and_kind() {
        let query = TaskQuery::parse(&Query::parse("status=running&task=endpoint.recover")).expect("ok");
        assert_eq!(query.status.as_deref(), Some("running"));
        assert!(
            TaskQuery::parse(&Query::parse("status=asleep")).is_err()
                && TaskQuery::parse(&Query::parse("iterator=app_1")).is_err()
        );
    }
}
