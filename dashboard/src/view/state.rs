//! The health of an endpoint in a word and a sentence, the same on every page.

use super::parts::{count, next_time, pill};
use crate::data::{flag, int, text};
use crate::scope::{phrase, t};
use maud::{Markup, html};
use serde_json::Value;

/// The health of an endpoint, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// The circuit breaker is open: nothing is sent for a while.
    Open,
    /// The circuit breaker is half-open: one request tests the endpoint.
    HalfOpen,
    /// Every attempt fails.
    Failing,
    /// Disabled: new messages are skipped.
    Disabled,
    /// Deliveries failed and are retried.
    Retrying,
    /// Paused: new messages are kept.
    Paused,
    /// Deliveries are pending.
    Waiting,
    /// Deliveries succeed.
    Healthy,
    /// Nothing has been sent yet.
    Enabled,
}

impl State {
    /// The state of an endpoint with its statistics.
    pub(crate) fn of(endpoint: &Value, stats: Option<&Value>) -> Self {
        let number = |name: &str| stats.map_or(0, |stats| int(stats, name));
        let breaker = stats.and_then(|stats| stats.pointer("/breaker/state")).and_then(Value::as_str);
        match breaker {
            _ if flag(endpoint, "disabled") => Self::Disabled,
            _ if flag(endpoint, "paused") => Self::Paused,
            Some("open") => Self::Open,
            Some("halfOpen") => Self::HalfOpen,
            _ if number("fail") > 0 && number("success") == 0 => Self::Failing,
            _ if number("sending") > 0 => Self::Retrying,
            _ if number("pending") > 0 => Self::Waiting,
            _ if number("success") > 0 => Self::Healthy,
            _ => Self::Enabled,
        }
    }

    /// Whether it needs attention.
    pub(crate) fn is_trouble(self) -> bool {
        self <= Self::Retrying
    }

    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Open => ("bad", "breaker", "Circuit open"),
            Self::HalfOpen => ("warn", "breaker", "Trying again"),
            Self::Failing => ("bad", "bad", "Failing"),
            Self::Disabled => ("", "off", "Disabled"),
            Self::Retrying => ("warn", "retry", "Retrying"),
            Self::Paused => ("warn", "pause", "Paused"),
            Self::Waiting => ("", "clock", "Waiting"),
            Self::Healthy => ("ok", "ok", "Healthy"),
            Self::Enabled => ("", "check", "Enabled"),
        }
    }

    /// As a pill. The portal does not mention the circuit breaker.
    pub(crate) fn pill(self, portal: bool) -> Markup {
        let (class, icon, word) =
            if portal && self == Self::Open { Self::Failing.parts() } else { self.parts() };
        pill(class, icon, word)
    }

    /// A sentence for customers.
    pub(crate) fn sentence_for_customer(self, stats: Option<&Value>) -> Markup {
        let number = |name: &str| stats.map_or(0, |stats| int(stats, name));
        let until = stats.and_then(|stats| stats.pointer("/breaker/until")).and_then(Value::as_str);
        html! {
            @match self {
                Self::Open => { (t("Your server did not accept the last requests")) @if let Some(until) = until { "; " (phrase("next try {}", next_time(until))) } }
                Self::HalfOpen => { (t("We are trying again with one request")) }
                Self::Failing => { (phrase("Your server did not accept {}. We keep retrying", count(number("fail"), "request", "requests"))) }
                Self::Disabled => { (t("Disabled: new events are skipped")) }
                Self::Retrying => { (phrase("Your server did not accept {}. We keep retrying", count(number("sending"), "event", "events"))) }
                Self::Paused => { (t("Paused: events are kept until you resume")) }
                Self::Waiting => { (count(number("pending"), "event is pending", "events are pending")) }
                Self::Healthy | Self::Enabled => {}
            }
        }
    }

    /// As an icon, next to the words.
    pub(crate) fn icon(self) -> Markup {
        let (class, icon, _) = self.parts();
        html! { span class={ "ico " (class) " i-" (icon) } {} }
    }

    /// A sentence.
    pub(crate) fn sentence(self, stats: Option<&Value>) -> Markup {
        let number = |name: &str| stats.map_or(0, |stats| int(stats, name));
        let until = stats.and_then(|stats| stats.pointer("/breaker/until")).and_then(Value::as_str);
        let attempts = number("success").saturating_add(number("fail"));
        html! {
            @match self {
                Self::Open => { "Circuit breaker open" @if let Some(until) = until { ": next try " (next_time(until)) } }
                Self::HalfOpen => { "Circuit breaker half-open: testing with one request" }
                Self::Failing => { (count(number("fail"), "attempt", "attempts")) " failed, none succeeded" }
                Self::Disabled => { "Disabled: new messages are skipped" }
                Self::Retrying => { (count(number("sending"), "delivery is", "deliveries are")) " retried; " (number("fail")) " of " (attempts) " attempts failed" }
                Self::Paused => { "Paused: new messages are kept and sent later" }
                Self::Waiting => { (count(number("pending"), "message is pending", "messages are pending")) }
                Self::Healthy | Self::Enabled => {}
            }
        }
    }
}

/// The backlog of an endpoint: pending deliveries and retries.
pub(crate) fn waits(stats: &Value) -> i64 {
    int(stats, "pending").saturating_add(int(stats, "sending"))
}

/// The display name of an endpoint: its description, or its URL.
pub(crate) fn name_of(endpoint: &Value) -> &str {
    let description = text(endpoint, "description");
    if description.is_empty() { text(endpoint, "url") } else { description }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_is_the_worst_that_is_true_and_trouble_comes_first() {
        let stats = |success: i64, fail: i64, sending: i64, breaker: &str| json!({ "success": success, "fail": fail, "sending": sending, "pending": 0, "breaker": { "state": breaker, "until": "2026-01-01T00:00:00Z" } });
        let of = |endpoint: Value, stats: Value| State::of(&endpoint, Some(&stats));
        assert_eq!(of(json!({ "disabled": true }), stats(1, 1, 1, "open")), State::Disabled);
        assert_eq!(of(json!({}), stats(1, 1, 1, "open")), State::Open);
        assert_eq!(of(json!({ "paused": true }), stats(1, 0, 0, "closed")), State::Paused);
        assert_eq!(of(json!({}), stats(0, 3, 1, "closed")), State::Failing);
        assert_eq!(of(json!({}), stats(2, 3, 1, "closed")), State::Retrying);
        assert_eq!(of(json!({}), stats(2, 3, 0, "closed")), State::Healthy);
        assert_eq!(State::of(&json!({}), None), State::Enabled);
        assert!(State::Open.is_trouble() && State::Disabled.is_trouble() && !State::Paused.is_trouble());
        let customer = State::Open.sentence_for_customer(Some(&stats(0, 3, 1, "open"))).into_string();
        assert!(customer.contains("Your server") && !customer.contains("breaker"), "{customer}");
        assert!(State::Open.pill(true).into_string().contains("Failing"));
        let says = State::Open.sentence(Some(&stats(0, 3, 1, "open"))).into_string();
        assert!(says.contains("next try <time"), "{says}");
    }
}
