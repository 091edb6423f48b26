//! How an endpoint does, in one word and one sentence: the same on every page.

use super::parts::{count, next_time, pill};
use crate::data::{flag, int, text};
use crate::scope::{phrase, t};
use maud::{Markup, html};
use serde_json::Value;

/// How an endpoint does; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Nothing is sent for a while: too much failed.
    Open,
    /// The breaker lets one request through, to see.
    HalfOpen,
    /// Attempts fail, and none succeeds.
    Failing,
    /// Nothing is sent, and new messages are skipped.
    Disabled,
    /// Something failed and is tried again.
    Retrying,
    /// Nothing is sent, and new messages are kept.
    Paused,
    /// Something waits for its first attempt.
    Waiting,
    /// It takes what it is sent.
    Healthy,
    /// It was sent nothing yet.
    Enabled,
}

impl State {
    /// Of an endpoint, and what it told (its statistics).
    pub(crate) fn of(endpoint: &Value, told: Option<&Value>) -> Self {
        let number = |name: &str| told.map_or(0, |told| int(told, name));
        let breaker = told.and_then(|told| told.pointer("/breaker/state")).and_then(Value::as_str);
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

    /// Whether somebody should look at it.
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

    /// As a pill; `portal` where a customer sees it, who knows no circuit breaker.
    pub(crate) fn pill(self, portal: bool) -> Markup {
        let (class, icon, word) =
            if portal && self == Self::Open { Self::Failing.parts() } else { self.parts() };
        pill(class, icon, word)
    }

    /// In a sentence for a customer.
    pub(crate) fn says_to_customer(self, told: Option<&Value>) -> Markup {
        let number = |name: &str| told.map_or(0, |told| int(told, name));
        let until = told.and_then(|told| told.pointer("/breaker/until")).and_then(Value::as_str);
        html! {
            @match self {
                Self::Open => { (t("Your server did not take the last requests")) @if let Some(until) = until { "; " (phrase("next try {}", next_time(until))) } }
                Self::HalfOpen => { (t("We are trying again with one request")) }
                Self::Failing => { (phrase("Your server did not take {}. We keep trying", count(number("fail"), "request", "requests"))) }
                Self::Disabled => { (t("Disabled: new events are skipped")) }
                Self::Retrying => { (phrase("Your server did not take {}. We keep trying", count(number("sending"), "event", "events"))) }
                Self::Paused => { (t("Paused: events are kept until you resume")) }
                Self::Waiting => { (count(number("pending"), "event waits", "events wait")) }
                Self::Healthy | Self::Enabled => {}
            }
        }
    }

    /// As an icon alone, where the words stand beside it.
    pub(crate) fn icon(self) -> Markup {
        let (class, icon, _) = self.parts();
        html! { span class={ "ico " (class) " i-" (icon) } {} }
    }

    /// In a sentence.
    pub(crate) fn says(self, told: Option<&Value>) -> Markup {
        let number = |name: &str| told.map_or(0, |told| int(told, name));
        let until = told.and_then(|told| told.pointer("/breaker/until")).and_then(Value::as_str);
        let attempts = number("success").saturating_add(number("fail"));
        html! {
            @match self {
                Self::Open => { "Circuit breaker open" @if let Some(until) = until { ": next try " (next_time(until)) } }
                Self::HalfOpen => { "Circuit breaker half-open: one request is let through to see" }
                Self::Failing => { (count(number("fail"), "attempt", "attempts")) " failed, none succeeded" }
                Self::Disabled => { "Disabled: new messages are skipped" }
                Self::Retrying => { (count(number("sending"), "delivery is", "deliveries are")) " retried; " (number("fail")) " of " (attempts) " attempts failed" }
                Self::Paused => { "Paused: new messages are kept and sent later" }
                Self::Waiting => { (count(number("pending"), "message waits", "messages wait")) }
                Self::Healthy | Self::Enabled => {}
            }
        }
    }
}

/// How much waits at an endpoint: what was not tried yet, and what is tried again.
pub(crate) fn waits(told: &Value) -> i64 {
    int(told, "pending").saturating_add(int(told, "sending"))
}

/// What an endpoint is called: its description, or where it is.
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
        let told = |success: i64, fail: i64, sending: i64, breaker: &str| json!({ "success": success, "fail": fail, "sending": sending, "pending": 0, "breaker": { "state": breaker, "until": "2026-01-01T00:00:00Z" } });
        let of = |endpoint: Value, told: Value| State::of(&endpoint, Some(&told));
        assert_eq!(of(json!({ "disabled": true }), told(1, 1, 1, "open")), State::Disabled);
        assert_eq!(of(json!({}), told(1, 1, 1, "open")), State::Open);
        assert_eq!(of(json!({ "paused": true }), told(1, 0, 0, "closed")), State::Paused);
        assert_eq!(of(json!({}), told(0, 3, 1, "closed")), State::Failing);
        assert_eq!(of(json!({}), told(2, 3, 1, "closed")), State::Retrying);
        assert_eq!(of(json!({}), told(2, 3, 0, "closed")), State::Healthy);
        assert_eq!(State::of(&json!({}), None), State::Enabled);
        assert!(State::Open.is_trouble() && State::Disabled.is_trouble() && !State::Paused.is_trouble());
        let customer = State::Open.says_to_customer(Some(&told(0, 3, 1, "open"))).into_string();
        assert!(customer.contains("Your server") && !customer.contains("breaker"), "{customer}");
        assert!(State::Open.pill(true).into_string().contains("Failing"));
        let says = State::Open.says(Some(&told(0, 3, 1, "open"))).into_string();
        assert!(says.contains("next try <time"), "{says}");
    }
}
