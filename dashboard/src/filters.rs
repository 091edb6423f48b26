//! The filters of the live view, as they are in its URL.

use crate::Request;
use crate::data::query;

/// How many endpoints' attempts are followed. Every event id contains the position of each.
pub(crate) const ENDPOINTS: usize = 50;

/// The filters in the URL.
pub(crate) struct Filters {
    /// `messages`, `attempts`, or `rejected` for a source; otherwise all.
    pub(crate) what: Option<String>,
    pub(crate) event_types: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) tag: Option<String>,
    /// Only attempts at this endpoint.
    pub(crate) endpoint: Option<String>,
    /// Only attempts with this status.
    pub(crate) status: Option<String>,
}

impl Filters {
    pub(crate) fn of(request: &Request) -> Self {
        let param = |name| request.param(name);
        Self {
            what: param("what"),
            event_types: param("event_types"),
            channel: param("channel"),
            tag: param("tag"),
            endpoint: param("endpoint"),
            status: param("status"),
        }
    }

    /// The query string.
    pub(crate) fn query(&self) -> String {
        query(&[
            ("what", self.what.as_deref()),
            ("event_types", self.event_types.as_deref()),
            ("channel", self.channel.as_deref()),
            ("tag", self.tag.as_deref()),
            ("endpoint", self.endpoint.as_deref()),
            ("status", self.status.as_deref()),
        ])
    }

    /// The parameters of both kinds of lists.
    pub(crate) fn pairs(&self) -> [(&str, Option<&str>); 4] {
        [
            ("event_types", self.event_types.as_deref()),
            ("channel", self.channel.as_deref()),
            ("tag", self.tag.as_deref()),
            ("with_content", Some("false")),
        ]
    }

    pub(crate) fn follows(&self, kind: &str) -> bool {
        self.what.as_deref().is_none_or(|what| what == kind)
    }

    /// Whether events are filtered. A rejected request has no event to filter by.
    pub(crate) fn chooses_events(&self) -> bool {
        self.event_types.is_some() || self.channel.is_some() || self.tag.is_some() || self.endpoint.is_some()
    }
}
