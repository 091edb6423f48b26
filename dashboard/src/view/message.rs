//! The page of a message: its deliveries, its exact payload, and why it was not sent to other endpoints.

use super::attempt::{attempts, shown_plugins};
use super::form::{button, result};
use super::json::highlighted;
use super::parts::{bytes, card, empty, excerpt, head, id, next_time, pill, status, time};
use super::state::name_of;
use crate::data::{flag, int, link, next, rows, text, texts};
use crate::scope::{phrase, portal, t};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::Value;
use weir_core::time::parse_rfc3339;

/// How much of a payload is shown, in bytes of HTML.
const PAYLOAD: usize = 16_000;
/// How many endpoints are listed that a message was not sent to.
const ELSEWHERE: usize = 20;
/// How many attempts are drawn on one line.
const DRAWN: usize = 40;

/// The data of a message's page.
pub(crate) struct MessageView<'a> {
    pub(crate) app: &'a str,
    pub(crate) message: &'a Value,
    /// The payload, byte for byte.
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) destinations: &'a Value,
    /// The current state of the endpoints that hold a delivery back, as an overview has it.
    pub(crate) held: &'a [Value],
    pub(crate) attempts: &'a Value,
    /// The application's endpoints.
    pub(crate) endpoints: &'a Value,
    /// Now, in milliseconds.
    pub(crate) now: i64,
}

/// The combined status of its deliveries.
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
                        (empty("off", "Not sent to any endpoint", html! { (t("No endpoint matched when the message was accepted. The reasons are listed below. Add or edit an endpoint, then resend missed messages on its page.")) }, html! { a.btn href=(link(&["app", app])) { (t("Endpoints")) } }))
                    } @else { (deliveries(view, &here)) }
                    @if !text(message, "eventId").is_empty() { footer { (t("Another message with this event id is not accepted: it is a duplicate of this one.")) } }
                }
                (elsewhere(view))
            } }
            div.w5 { (payload(view.payload, &here)) }
        }
        section.card id="attempts" hx-get=(here) hx-trigger="every 3s" hx-select="#attempts" hx-swap="outerHTML" hx-disinherit="*" {
            header { div.grow { h2 { (t("Attempts")) } } }
            (attempts(app, view.attempts, false))
            @if next(view.attempts).is_some() { footer { (t("Shows the newest attempts. All attempts are listed on the endpoints' pages.")) } }
        }
    }
}

/// The payload: formatted if it is JSON, otherwise as text, or in base64 if it is binary.
fn payload(payload: Option<&[u8]>, here: &str) -> Markup {
    let Some(exact) = payload else {
        return card(
            "Payload",
            html! {},
            empty(
                "clock",
                "The payload is no longer stored",
                html! { (t("Its retention period has ended, or it was deleted on request.")) },
                html! {},
            ),
        );
    };
    let text = std::str::from_utf8(exact).ok();
    let json = text.filter(|text| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok());
    let encoded = if text.is_none() { STANDARD.encode(exact) } else { String::new() };
    let (lines, cut) = match (json, text) {
        (Some(json), _) => highlighted(json, PAYLOAD),
        (None, text) => {
            let (shown, cut) = excerpt(text.unwrap_or(&encoded), PAYLOAD);
            (html! { (shown) }, cut)
        }
    };
    let note = match (json, text) {
        (Some(_), _) => "Only line breaks and spaces are added.",
        (None, Some(_)) => "This payload is not JSON. It is shown unchanged.",
        (None, None) => "This payload is binary. It is shown in base64.",
    };
    html! {
        section.card {
            header { div.grow { h2 { (t("Payload")) } } span.tiny.faint id="payload-found" aria-live="polite" { (bytes(i64::try_from(exact.len()).unwrap_or(i64::MAX))) }
                @if json.is_some() { input.in.w120 type="search" data-find="#payload" placeholder=(t("Find")) aria-label=(t(if cut { "Find in the shown part" } else { "Find in the payload" })) maxlength="256"; }
                @if text.is_some() { button.btn.sm.i-copy.copy-text type="button" data-copy-from={ (here) "/payload" } { (t("Copy exact bytes")) } } }
            @if exact.is_empty() { p.says { (t("The payload is empty.")) } }
            @else { pre.code.plain[json.is_none()] id="payload" tabindex="0" role="region" aria-label=(t("Payload")) { (lines) } }
            footer { span.grow { @if cut { (t("Truncated.")) " " } (t(note)) } a href={ (here) "/payload" } { @if cut { (t("The whole payload")) } @else { (t("As it was sent")) } } }
        }
    }
}

/// A row for each endpoint on a shared logarithmic time axis: the first seconds matter as much as the following hours.
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
                div.ax { (axis.line(&of, endpoint, view.now)) div.row.tiny.wrap { (status(endpoint)) span.muted { (outcome(endpoint, &of, view.held)) } } }
                div.num { (button(&format!("{here}/resend"), "sm i-retry", "Resend", Some("#result"), &[("endpoint", endpoint_id)])) }
            }
        }
    }
}

/// Why an endpoint holds a delivery back: the first reason that applies. `None` if no reason is known.
fn hold(endpoint: &Value, held: &[Value]) -> Option<Markup> {
    let number = |of: Option<&Value>| of.and_then(Value::as_i64).filter(|number| *number > 0);
    let now = held.iter().find(|one| text(one, "id") == text(endpoint, "id"));
    let waiting = now.map_or(0, super::state::waits);
    let breaker = now.and_then(|now| now.pointer("/breaker/state")).and_then(Value::as_str);
    let until = now.and_then(|now| now.pointer("/breaker/until")).and_then(Value::as_str).unwrap_or_default();
    let window = endpoint.get("throttle").filter(|throttle| throttle.is_object());
    if flag(endpoint, "paused") {
        return Some(html! { (t("The endpoint is paused. The message is sent when it resumes")) });
    }
    if flag(endpoint, "disabled") {
        return Some(html! { (t("The endpoint is disabled")) });
    }
    if !text(endpoint, "problem").is_empty() {
        return Some(html! { (text(endpoint, "problem")) });
    }
    if breaker == Some("open") {
        return Some(html! {
            (t(if portal() { "Your server did not accept the last requests" } else { "Held by the circuit breaker, because recent attempts failed" }))
            @if !until.is_empty() { "; " (phrase("next try {}", next_time(until))) }
        });
    }
    if breaker == Some("halfOpen") {
        return Some(html! { (t("Waits for the result of a single request after recent attempts failed")) });
    }
    // A retry has its own time.
    if waiting < 2 || !text(endpoint, "nextAttempt").is_empty() {
        return None;
    }
    if text(endpoint, "order") == "fifo" {
        return Some(html! { (t("Sent in order: waits for the messages before it")) });
    }
    if let Some(rate) = number(endpoint.get("throttleRate")) {
        return Some(
            html! { (phrase("Rate limited to {} requests a second", rate)) ": " (phrase("{} waiting", waiting)) },
        );
    }
    let limit = number(window.and_then(|window| window.get("limit")))?;
    let sentence = match window.map(|window| text(window, "window")) {
        Some("minute") => "Rate limited to {} requests a minute",
        Some("hour") => "Rate limited to {} requests an hour",
        _ => "Rate limited to {} requests a second",
    };
    Some(html! { (phrase(sentence, limit)) ": " (phrase("{} waiting", waiting)) })
}

/// The result of a delivery so far, in a sentence.
fn outcome(endpoint: &Value, attempts: &[&Value], held: &[Value]) -> Markup {
    let hold = hold(endpoint, held);
    let failed = attempts.iter().filter(|attempt| text(attempt, "statusText") == "fail").count();
    let newest = attempts.first();
    let reason = newest.and_then(|attempt| {
        shown_plugins(attempt)
            .iter()
            .rev()
            .map(|plugin| text(plugin, "reason"))
            .find(|reason| !reason.is_empty())
    });
    html! {
        @match text(endpoint, "statusText") {
            "success" => { @if failed > 0 { (phrase("after {} failed", failed)) } @else if let Some(attempt) = newest { (phrase("in {}", super::parts::millis(int(attempt, "responseDurationMs")))) } }
            "sending" => { (phrase("{} failed", failed)) ", " @if let Some(hold) = hold { (hold) } @else if text(endpoint, "nextAttempt").is_empty() { (t("trying now")) } @else { (phrase("next try {}", html! { span.next { (next_time(text(endpoint, "nextAttempt"))) } })) } }
            "pending" => { @if let Some(hold) = hold { (hold) } @else { (t("not attempted yet")) } @if !text(endpoint, "nextAttempt").is_empty() { ", " (phrase("first attempt {}", next_time(text(endpoint, "nextAttempt")))) } }
            "fail" => { (phrase("{} failed", failed)) ", " (t("no more retries")) }
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
    /// The position of a time, in thousandths.
    fn at(&self, at: i64) -> i64 {
        let log = |ms: i64| {
            // The offset of one second spreads out the first seconds.
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
        // Keeps the dots within the image.
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

/// The endpoints that it was not sent to, and why.
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
            @if others.len() > ELSEWHERE || !all { footer { (phrase("Shows {} endpoints. There may be more.", others.len().min(ELSEWHERE))) } }
        },
    )
}

/// Why a message is not sent to an endpoint, judged by the endpoint's current settings.
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
            html! { (phrase("Receives only messages with the channel {}", html! { code { (list(&channels)) } })) },
        );
    }
    if text(endpoint, "createdAt") > text(message, "timestamp") {
        return ("clock", html! { (t("Was created after this message was accepted")) });
    }
    if flag(endpoint, "disabled") {
        return ("off", html! { (t("Is disabled: new messages are skipped")) });
    }
    (
        "off",
        html! { (t("Would be sent now. When the message was accepted, the endpoint was disabled or had different filters")) },
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
        assert!(why(json!({})).contains("Would be sent now"));
    }

    #[test]
    fn a_payload_is_shown_byte_for_byte_whatever_it_is() {
        let shown = |bytes: &[u8]| payload(Some(bytes), "/here").into_string();
        let json = shown(br#"{"a": 1.0}"#);
        assert!(json.contains("Only line breaks") && json.contains("10 bytes"), "{json}");
        for text in ["<a x=\"1\">hi</a>", "{} x", "a=1&b=2"] {
            let page = shown(text.as_bytes());
            assert!(page.contains(&html! { (text) }.into_string()), "{page}");
            assert!(page.contains("not JSON") && page.contains(&format!("{} bytes", text.len())), "{page}");
        }
        for json in ["[1, 2]", "\"x\"", "1e400"] {
            assert!(shown(json.as_bytes()).contains("Only line breaks"), "{json}");
        }
        let binary = shown(b"\x00\xff\xfe");
        assert!(
            binary.contains("AP/+") && binary.contains("binary") && !binary.contains("data-copy-from"),
            "{binary}"
        );
        assert!(shown(b"").contains("The payload is empty."));
        assert!(payload(None, "/here").into_string().contains("no longer stored"));
    }

    #[test]
    fn a_delivery_that_is_held_back_says_why() {
        let held = |state: &str, pending: i64| {
            vec![
                json!({ "id": "ep_1", "pending": pending, "sending": 0, "breaker": { "state": state, "until": "2026-01-01T00:00:00Z" } }),
            ]
        };
        let why = |more: Value, held: &[Value]| {
            let mut endpoint = json!({ "id": "ep_1", "statusText": "pending" });
            endpoint.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            outcome(&endpoint, &[], held).into_string()
        };
        let none: &[Value] = &[];
        assert!(why(json!({}), none).contains("not attempted yet"));
        assert!(why(json!({ "paused": true }), none).contains("is paused"));
        assert!(why(json!({ "disabled": true }), none).contains("is disabled"));
        assert!(why(json!({ "problem": "Set MASTER_KEY." }), none).contains("MASTER_KEY"));
        let open = why(json!({}), &held("open", 3));
        assert!(open.contains("circuit breaker") && open.contains("next try"), "{open}");
        assert!(why(json!({}), &held("halfOpen", 3)).contains("single request"));
        let rate = why(json!({ "throttleRate": 5 }), &held("closed", 9));
        assert!(rate.contains("5 requests a second") && rate.contains("9 waiting"), "{rate}");
        let window = json!({ "throttle": { "limit": 60, "window": "hour" } });
        assert!(why(window.clone(), &held("closed", 9)).contains("60 requests an hour"));
        assert!(!why(window, &held("closed", 1)).contains("Rate limited"), "nothing else waits there");
        assert!(why(json!({ "order": "fifo" }), &held("closed", 2)).contains("in order"));
        let retry =
            json!({ "statusText": "sending", "nextAttempt": "2026-01-01T00:00:00Z", "throttleRate": 5 });
        assert!(why(retry, &held("closed", 9)).contains("next try"), "a retry has its own time");
    }

    #[test]
    fn the_axis_begins_at_the_beginning_and_ends_at_the_end() {
        let axis = Axis { began: 1_000, length: 3_600_000 };
        assert_eq!((axis.at(1_000), axis.at(3_601_000), axis.at(0)), (0, 1_000, 0));
        assert!(axis.at(61_000) > 450 && axis.at(61_000) < 550, "a minute is in the middle of an hour");
    }
}
