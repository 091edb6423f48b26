//! The page of a message: where it went and how that stands, its payload as it was sent, and why it did not go elsewhere.

use super::attempt::{attempts, told_plugins};
use super::form::{button, result};
use super::json::highlighted;
use super::parts::{bytes, card, empty, head, id, next_time, pill, status, time};
use super::state::name_of;
use crate::data::{flag, int, link, next, rows, text, texts};
use crate::scope::{phrase, portal, t};
use maud::{Markup, html};
use serde_json::Value;
use weir_core::time::parse_rfc3339;

/// How much of a payload is shown, in bytes of HTML.
const PAYLOAD: usize = 16_000;
/// How many endpoints are named that a message did not go to.
const ELSEWHERE: usize = 20;
/// How many attempts are drawn on one line.
const DRAWN: usize = 40;

/// What the page of a message shows.
pub(crate) struct MessageView<'a> {
    pub(crate) app: &'a str,
    pub(crate) message: &'a Value,
    /// The payload, as it was sent.
    pub(crate) payload: Option<&'a str>,
    pub(crate) destinations: &'a Value,
    pub(crate) attempts: &'a Value,
    /// The application's endpoints.
    pub(crate) endpoints: &'a Value,
    /// Now, in milliseconds.
    pub(crate) now: i64,
}

/// How its deliveries stand together.
fn together(destinations: &[Value]) -> Markup {
    let many = |word: &str| destinations.iter().filter(|one| text(one, "statusText") == word).count();
    let (done, failed, retried, waits, filtered) =
        (many("success"), many("fail"), many("sending"), many("pending"), many("canceled"));
    let all = destinations.len().saturating_sub(filtered);
    let of = |sentence: &str, many: usize| t(sentence).text().replace("{}", &many.to_string());
    let share = |sentence: &str, many: usize| {
        t(sentence).text().replacen("{}", &many.to_string(), 1).replacen("{}", &all.to_string(), 1)
    };
    let word = match (failed, retried, waits) {
        (1.., ..) => share("{} of {} failed", failed),
        (_, 1.., _) => format!("{}, {}", share("{} of {} delivered", done), of("{} retrying", retried)),
        (.., 1..) => format!("{}, {}", share("{} of {} delivered", done), of("{} waiting", waits)),
        _ if all > 0 => share("{} of {} delivered", done),
        _ if filtered > 0 => t("Filtered").text(),
        _ => t("Not sent").text(),
    };
    match (failed, retried, waits, all) {
        (1.., ..) => pill("bad", "bad", &word),
        (_, 1.., ..) => pill("warn", "retry", &word),
        (_, _, 1.., _) => pill("", "clock", &word),
        (.., 1..) => pill("ok", "ok", &word),
        _ if filtered > 0 => pill("alt", "filter", &word),
        _ => pill("", "off", &word),
    }
}

/// A message.
pub(crate) fn message(view: &MessageView<'_>) -> Markup {
    let MessageView { app, message, destinations, .. } = view;
    let here = link(&["app", app, "message", text(message, "id")]);
    let tags = |name: &str| html! { @for one in texts(message, name) { " " span.tag { (one) } } };
    let of = |word: &str, value: Markup, there: bool| html! { @if there { (t(word)) " " (value) } };
    let payload = view.payload.unwrap_or_default();
    let (lines, cut) = highlighted(payload, PAYLOAD);
    html! {
        div id="live" hx-get=(here) hx-trigger="every 3s" hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            (head(text(message, "eventType"), together(rows(destinations)), &[
                html! { (phrase("Accepted {}", time(text(message, "timestamp")))) },
                id(text(message, "id")),
                of("Event id", html! { code.id { (text(message, "eventId")) } }, !text(message, "eventId").is_empty()),
                of("Tags", tags("tags"), !texts(message, "tags").is_empty()),
                of("Channels", tags("channels"), !texts(message, "channels").is_empty()),
            ], html! {}))
        }
        (result())
        div.grid {
            div.w7.stack { div.stack id="deliveries" hx-get=(here) hx-trigger="every 3s" hx-select="#deliveries" hx-swap="outerHTML" hx-disinherit="*" {
                section.card {
                    header { div.grow { h2 { (t("Deliveries")) } } div.legend.small { span { i.sw.ok.rd {} (t("Accepted")) } span { i.sw.bad.rd {} (t("Refused")) } span { i.sw.rg {} (t("Next try")) } } }
                    @if rows(destinations).is_empty() {
                        (empty("off", "It went to no endpoint", html! { (t("None had chosen this event type, or there was none. Create or change one, then resend what it missed on its page.")) }, html! { a.btn href=(link(&["app", app])) { (t("Endpoints")) } }))
                    } @else { (deliveries(view, &here)) }
                }
                (elsewhere(view))
            } }
            div.w5 {
                section.card {
                    header { div.grow { h2 { (t("Payload")) } } span.tiny.faint { (bytes(i64::try_from(payload.len()).unwrap_or(i64::MAX))) }
                        @if view.payload.is_some() { button.btn.sm.i-copy.copy-text type="button" data-copy-from={ (here) "/payload" } { (t("Copy exact bytes")) } } }
                    @if view.payload.is_none() { (empty("clock", "The payload is no longer kept", html! { (t("Payloads are kept for a while, or were expunged on request.")) }, html! {})) }
                    @else { pre.code tabindex="0" role="region" aria-label=(t("Payload")) { (lines) } }
                    footer { span.grow { @if cut { (t("This is its beginning.")) " " } (t("Only line breaks and spaces are added.")) } a href={ (here) "/payload" } { @if cut { (t("The whole payload")) } @else { (t("As it was sent")) } } }
                }
            }
        }
        section.card id="attempts" hx-get=(here) hx-trigger="every 3s" hx-select="#attempts" hx-swap="outerHTML" hx-disinherit="*" {
            header { div.grow { h2 { (t("Attempts")) } } }
            (attempts(app, view.attempts, false))
            @if next(view.attempts).is_some() { footer { (t("The newest attempts. The others are on the endpoints' pages.")) } }
        }
    }
}

/// A line for each endpoint, all on one axis that is logarithmic: the first seconds matter as much as the hours after.
fn deliveries(view: &MessageView<'_>, here: &str) -> Markup {
    let began = parse_rfc3339(text(view.message, "timestamp")).unwrap_or(view.now);
    let last = rows(view.destinations)
        .iter()
        .filter_map(|one| parse_rfc3339(text(one, "nextAttempt")))
        .max()
        .unwrap_or(view.now);
    let axis = Axis { began, length: last.max(view.now).saturating_sub(began).max(1_000) };
    html! {
        div.dl.axis { span {} (axis.marks(view.now)) span {} }
        @for endpoint in rows(view.destinations) {
            @let endpoint_id = text(endpoint, "id");
            @let of: Vec<&Value> = rows(view.attempts).iter().filter(|attempt| text(attempt, "endpointId") == endpoint_id).collect();
            div.dl {
                div { a.r.clip.blk href=(link(&["app", view.app, "endpoint", endpoint_id])) title=(text(endpoint, "url")) { (name_of(endpoint)) } div.tiny.faint.clip { (text(endpoint, "url")) } }
                div.ax { (axis.line(&of, endpoint, view.now)) div.row.tiny.wrap { (status(endpoint)) span.muted { (outcome(endpoint, &of)) } } }
                div.num { (button(&format!("{here}/resend"), "sm i-retry", "Resend", Some("#result"), &[("endpoint", endpoint_id)])) }
            }
        }
    }
}

/// What came of a delivery so far, in a sentence.
fn outcome(endpoint: &Value, attempts: &[&Value]) -> Markup {
    let failed = attempts.iter().filter(|attempt| text(attempt, "statusText") == "fail").count();
    let newest = attempts.first();
    let reason = newest.and_then(|attempt| {
        told_plugins(attempt)
            .iter()
            .rev()
            .map(|plugin| text(plugin, "reason"))
            .find(|reason| !reason.is_empty())
    });
    html! {
        @match text(endpoint, "statusText") {
            "success" => { @if failed > 0 { (phrase("after {} failed", failed)) } @else if let Some(attempt) = newest { (phrase("in {}", super::parts::millis(int(attempt, "responseDurationMs")))) } }
            "sending" => { (phrase("{} failed", failed)) ", " @if text(endpoint, "nextAttempt").is_empty() { (t("trying now, or held back")) } @else { (phrase("next try {}", html! { span.next { (next_time(text(endpoint, "nextAttempt"))) } })) } }
            "pending" if flag(endpoint, "paused") => { (t("The endpoint is paused: it is sent when it is resumed")) },
            "pending" if flag(endpoint, "disabled") => { (t("The endpoint is disabled")) },
            "pending" => { (t("not tried yet")) @if !text(endpoint, "nextAttempt").is_empty() { ", " (phrase("first try {}", next_time(text(endpoint, "nextAttempt")))) } }
            "fail" => { (phrase("{} failed", failed)) ", " (t("no more tries")) }
            "canceled" => { (t(if portal() { "Filtered" } else { "Filtered by a plugin" })) @if let Some(reason) = reason { ": " (reason) } }
            _ => {}
        }
    }
}

struct Axis {
    began: i64,
    length: i64,
}

impl Axis {
    /// Where a time is, in thousandths.
    fn at(&self, at: i64) -> i64 {
        let log = |ms: i64| {
            // A second is as far from 0 as it is from a few.
            #[allow(clippy::cast_precision_loss)] // of a few days
            let seconds = ms.max(0) as f64 / 1_000.0;
            (1.0 + seconds).ln()
        };
        let share = log(at.saturating_sub(self.began)) / log(self.length);
        #[allow(clippy::cast_possible_truncation)] // between 0 and 1000
        let thousandths = (share.clamp(0.0, 1.0) * 1_000.0).round() as i64;
        thousandths
    }

    fn percent(&self, at: i64) -> String {
        // The dots stay within the picture.
        let at = self.at(at).saturating_mul(94).div_euclid(100).saturating_add(30);
        format!("{}.{}%", at.div_euclid(10), at.rem_euclid(10))
    }

    fn marks(&self, now: i64) -> Markup {
        const MARKS: [(i64, &str); 6] = [
            (5_000, "5 s"),
            (60_000, "1 min"),
            (600_000, "10 min"),
            (3_600_000, "1 h"),
            (18_000_000, "5 h"),
            (86_400_000, "1 d"),
        ];
        let mut last = 0;
        let fits = MARKS.into_iter().filter(|(at, _)| {
            let here = self.at(self.began.saturating_add(*at));
            let fits = *at < self.length
                && here.saturating_sub(last) > 150
                && self.at(now).saturating_sub(here).abs() > 110;
            if fits {
                last = here;
            }
            fits
        });
        html! {
            svg.ch.ax height="16" width="100%" aria-hidden="true" {
                text x="3%" y="12" text-anchor="middle" { "0" }
                @for (at, word) in fits { text x=(self.percent(self.began.saturating_add(at))) y="12" text-anchor="middle" { (word) } }
                @if self.at(now) > 80 { text x=(self.percent(now)) y="12" text-anchor="middle" { (t("now")) } }
            }
        }
    }

    fn line(&self, attempts: &[&Value], endpoint: &Value, now: i64) -> Markup {
        let next = parse_rfc3339(text(endpoint, "nextAttempt"));
        let drawn = attempts.iter().take(DRAWN).filter_map(|attempt| {
            Some((parse_rfc3339(text(attempt, "timestamp"))?, text(attempt, "statusText")))
        });
        let said = super::parts::count(i64::try_from(attempts.len()).unwrap_or(0), "attempt", "attempts");
        html! {
            svg.ch height="22" width="100%" role="img" aria-label=(said) {
                line.track x1="3%" x2="97%" y1="11" y2="11" {}
                line.now x1=(self.percent(now)) x2=(self.percent(now)) y1="1" y2="21" {}
                @for (at, word) in drawn {
                    @let class = match word { "success" => "f-ok", "canceled" => "f-alt", _ => "f-bad" };
                    circle class=(class) cx=(self.percent(at)) cy="11" r="5" {}
                }
                @if let Some(next) = next { circle.ring cx=(self.percent(next)) cy="11" r="5" {} }
            }
        }
    }
}

/// The endpoints that it did not go to, and why.
fn elsewhere(view: &MessageView<'_>) -> Markup {
    let went = |id: &str| rows(view.destinations).iter().any(|endpoint| text(endpoint, "id") == id);
    let others: Vec<&Value> =
        rows(view.endpoints).iter().filter(|endpoint| !went(text(endpoint, "id"))).collect();
    if others.is_empty() {
        return html! {};
    }
    let all = next(view.endpoints).is_none() && next(view.destinations).is_none();
    card(
        "Why not delivered to…",
        html! {},
        html! {
            ul.list { @for endpoint in others.iter().take(ELSEWHERE) {
                @let (icon, why) = reason(view.message, endpoint);
                li.mob {
                    span class={ "ico i-" (icon) } {}
                    div.grow { a.t1 href=(link(&["app", view.app, "endpoint", text(endpoint, "id")])) { (name_of(endpoint)) } div.small.muted { (why) } }
                }
            } }
            @if others.len() > ELSEWHERE || !all { footer { (phrase("Shows {} endpoints that it did not go to; there may be more.", others.len().min(ELSEWHERE))) } }
        },
    )
}

/// Why a message does not go to an endpoint, as far as can be told from how the endpoint is now.
fn reason(message: &Value, endpoint: &Value) -> (&'static str, Markup) {
    let (types, channels) = (texts(endpoint, "eventTypes"), texts(endpoint, "channels"));
    let event_type = text(message, "eventType");
    let list = |all: &[&str]| {
        if all.len() > 3 {
            format!(
                "{} … (+{})",
                all.iter().take(3).copied().collect::<Vec<_>>().join(", "),
                all.len().saturating_sub(3)
            )
        } else {
            all.join(", ")
        }
    };
    if !types.is_empty() && !types.contains(&event_type) {
        return (
            "types",
            html! { (phrase("Listens to {}", html! { code { (list(&types)) } })) "; " (phrase("this event is {}", html! { code { (event_type) } })) },
        );
    }
    if !channels.is_empty() && !texts(message, "channels").iter().any(|channel| channels.contains(channel)) {
        return (
            "filter",
            html! { (phrase("Only gets messages with the channel {}", html! { code { (list(&channels)) } })) },
        );
    }
    if text(endpoint, "createdAt") > text(message, "timestamp") {
        return ("clock", html! { (t("Was created after this message was accepted")) });
    }
    if flag(endpoint, "disabled") {
        return ("off", html! { (t("Is disabled: messages that come meanwhile are skipped")) });
    }
    (
        "off",
        html! { (t("It would go there now: when it was accepted, the endpoint was disabled or had other filters")) },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_says_why_a_message_does_not_go_to_an_endpoint() {
        let message = json!({ "eventType": "a.b", "channels": ["x"], "timestamp": "2026-01-02T00:00:00Z" });
        let why = |endpoint: Value| reason(&message, &endpoint).1.into_string();
        assert!(why(json!({ "eventTypes": ["c.d", "e.f"] })).contains("Listens to <code>c.d, e.f</code>"));
        assert!(why(json!({ "channels": ["y"] })).contains("channel <code>y</code>"));
        assert!(why(json!({ "createdAt": "2026-01-03T00:00:00Z" })).contains("created after"));
        assert!(
            why(json!({ "disabled": true, "eventTypes": ["a.b"], "channels": ["x"] }))
                .contains("Is disabled")
        );
        assert!(why(json!({})).contains("would go there now"));
    }

    #[test]
    fn the_axis_begins_at_the_beginning_and_ends_at_the_end() {
        let axis = Axis { began: 1_000, length: 3_600_000 };
        assert_eq!((axis.at(1_000), axis.at(3_601_000), axis.at(0)), (0, 1_000, 0));
        assert!(axis.at(61_000) > 450 && axis.at(61_000) < 550, "a minute is in the middle of an hour");
    }
}
