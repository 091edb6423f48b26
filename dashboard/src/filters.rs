//! What the live view follows: the filters in its URL.

use crate::Request;
use crate::data::query;

/// How many endpoints' attempts are followed. The place of each is in the id of every event.
pub(crate) const ENDPOINTS: usize = 50;

/// What is followed, as the URL has it.
pub(crate) struct Filters {
    /// `messages`, `attempts`, of a source `rejected`; or all.
    pub(crate) what: Option<String>,
    pub(crate) event_types: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) tag: Option<String>,
    /// Of attempts: to this endpoint.
    pub(crate) endpoint: Option<String>,
    /// Of attempts: with this status.
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

    /// As they stand in a URL.
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

    /// What both kinds of lists are asked.
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

    /// A request that was rejected is no event yet: it has nothing to choose by.
    pub(crate) fn chooses_events(&self) -> bool {
        self.event_types.is_some() || self.channel.is_some() || self.tag.is_some() || self.endpoint.is_some()
    }
}
