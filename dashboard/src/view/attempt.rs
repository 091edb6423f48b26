//! Attempts: a list of them, each opened on demand, and one as a whole: what was sent beside what came back.

use super::form::button;
use super::json::highlighted;
use super::parts::{bytes, code, empty, excerpt, head, id, millis, short_id, status, time};
use crate::data::{int, items, link, rows, text};
use crate::scope::{phrase, portal, t};
use maud::{Markup, html};
use serde_json::Value;

/// How much of an answer, or of what was sent, is shown, in bytes of HTML.
const BODY: usize = 16_000;
/// How much a plugin's log may take, in bytes of HTML.
const LOG: usize = 4_000;
/// The longest payload that is part of a command to paste.
const PASTED: usize = 8_000;

/// A list of attempts, newest first; `of_endpoint` where they are one endpoint's, else one message's. What an attempt
/// holds is fetched when it is opened: a page of attempts stays small whatever receivers answer. Attempts do not change, so
/// an opened one stays as it is when the list is fetched again.
pub(crate) fn attempts(app: &str, page: &Value, of_endpoint: bool) -> Markup {
    html! {
        @if rows(page).is_empty() { (empty("clock", "No attempt yet", html! { (t("Each request that is made shows here at once.")) }, html! {})) }
        div.attempts { @for attempt in rows(page) {
            @let (id, message) = (text(attempt, "id"), text(attempt, "msgId"));
            @let to = link(&["app", app, "message", message, "attempt", id]);
            details.attempt id=(id) hx-preserve {
                summary {
                    span.st { (status(attempt)) } span.an { (code(attempt)) }
                    span.grow.clip { (what(attempt, of_endpoint)) }
                    span.num.muted.hide-s { (millis(int(attempt, "responseDurationMs"))) }
                    span.num.at.muted { (time(text(attempt, "timestamp"))) }
                }
                div.in-attempt hx-get=(to) hx-trigger="toggle from:closest details once" { a href=(to) { (t("What was sent, and what came back")) } }
            }
        } }
    }
}

/// What an attempt is of, in a line: at an endpoint its event, at a message its endpoint; and why it failed.
fn what(attempt: &Value, of_endpoint: bool) -> Markup {
    let message = attempt.get("msg");
    let event_type = message.map(|message| text(message, "eventType")).unwrap_or_default();
    let answer = text(attempt, "response");
    let failed = text(attempt, "statusText") != "success" && answer != "{}";
    let reason = told_plugins(attempt)
        .iter()
        .rev()
        .map(|plugin| text(plugin, "reason"))
        .find(|reason| !reason.is_empty());
    html! {
        @if of_endpoint { @if event_type.is_empty() { span.id { (short_id(text(attempt, "msgId"))) } } @else { b { (event_type) } } } @else { b { (text(attempt, "url")) } }
        @if int(attempt, "triggerType") == 1 { span.muted { " " (t("by hand")) } }
        @if let Some(reason) = reason { span.muted { " " (excerpt(reason, 160).0) } }
        @else if failed && !answer.is_empty() { span.muted { " " (excerpt(answer.lines().next().unwrap_or_default(), 160).0) } }
    }
}

/// The page of an attempt.
pub(crate) fn attempt_page(app: &str, one: &Value, payload: Option<&str>) -> Markup {
    html! {
        (head(&t("Attempt").text(), status(one), &[
            html! { (phrase("Began {}", time(text(one, "timestamp")))) },
            id(text(one, "id")),
            html! { a href=(link(&["app", app, "message", text(one, "msgId")])) { (t("Message")) " " span.id { (short_id(text(one, "msgId"))) } } },
            html! { a href=(link(&["app", app, "endpoint", text(one, "endpointId")])) { (t("Endpoint")) } },
        ], html! {}))
        (attempt(app, one, payload))
    }
}

/// An attempt: both sides, and what plugins did.
pub(crate) fn attempt(app: &str, attempt: &Value, payload: Option<&str>) -> Markup {
    let plugins = told_plugins(attempt);
    let answer = text(attempt, "response");
    let canceled = text(attempt, "statusText") == "canceled";
    let again = format!("again-{}", text(attempt, "id"));
    let changed = plugins.iter().any(|plugin| text(plugin, "verdict") == "replaced");
    html! {
        div.row.wrap {
            (button(&link(&["app", app, "message", text(attempt, "msgId"), "resend"]), "sm i-retry", "Resend", Some(&format!("#{again}")), &[("endpoint", text(attempt, "endpointId"))]))
            @if let Some(payload) = payload.filter(|_| !canceled) { button.btn.sm.i-copy.copy-text type="button" data-copy=(curl(attempt, payload)) { (t("Copy as curl")) } }
            span.small.muted { @if int(attempt, "triggerType") == 1 { (t("Sent by hand.")) " " } @if changed { (t("A plugin changed what was sent: the payload below is what it was before.")) } }
        }
        div.out id=(again) aria-live="polite" {}
        @if !plugins.is_empty() {
            section.card.flat { header { div.grow { h3 { (t("Plugins")) } } } ol.list { @for plugin in plugins { (ran(plugin)) } } }
        }
        div.grid {
            section.card.flat.w6 {
                header { div.grow { h3 { (t("Request")) } } @if let Some(payload) = payload { span.tiny.faint { (bytes(i64::try_from(payload.len()).unwrap_or(i64::MAX))) } } }
                div.padc.mono.tiny.wrapw { b { "POST" } " " (text(attempt, "url")) }
                (headers(attempt.get("requestHeaders")))
                @if let Some(payload) = payload { (body(payload, "Payload")) }
            }
            section.card.flat.w6 {
                header { div.grow.row { h3 { (t("Response")) } (code(attempt)) } span.small { (millis(int(attempt, "responseDurationMs"))) } }
                (headers(attempt.get("responseHeaders")))
                @if answer.is_empty() { p.says { (t("The answer had no body.")) } } @else { (body(answer, "Response body")) }
            }
        }
    }
}

/// A body: as JSON where it is JSON, else as it is.
fn body(text: &str, label: &str) -> Markup {
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    html! {
        @if is_json {
            @let (lines, cut) = highlighted(text, BODY);
            pre.code tabindex="0" role="region" aria-label=(t(label)) { (lines) }
            @if cut { p.says { (t("This is its beginning; the API gives all that is kept.")) } }
        } @else {
            @let (shown, cut) = excerpt(text, BODY);
            pre.code.plain tabindex="0" role="region" aria-label=(t(label)) { (shown) }
            @if cut { p.says { (t("This is its beginning; the API gives all that is kept.")) } }
        }
    }
}

/// A command that makes the same request, but for what is hidden.
fn curl(attempt: &Value, payload: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut out = format!("curl -X POST {}", quoted(text(attempt, "url")));
    let kept = attempt.get("requestHeaders").and_then(Value::as_object);
    for (name, value) in kept.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            out.push_str(" \\\n  -H ");
            out.push_str(&quoted(&format!("{name}: {value}")));
        }
    }
    out.push_str(" \\\n  --data-binary ");
    if payload.len() <= PASTED {
        out.push_str(&quoted(payload));
    } else {
        out.push_str("@payload.json");
    }
    out
}

/// What a plugin did.
fn ran(plugin: &Value) -> Markup {
    let version = text(plugin, "version");
    let said = |line: &Value| format!("{}: {}", text(line, "level"), text(line, "message"));
    let log = items(plugin, "logs").iter().map(said).collect::<Vec<_>>().join("\n");
    html! {
        li.mob {
            span.ico.i-plugin {}
            div.grow {
                b { (text(plugin, "name")) } " " span.id { (version.get(..12).unwrap_or(version)) } " " (t(text(plugin, "verdict"))) " " (text(plugin, "reason"))
                @if let Some(error) = plugin.get("error") { " " span.fault { (text(error, "message")) } }
                div.tiny.muted { (phrase("{} fuel", int(plugin, "fuel"))) ", " (text(plugin, "engine")) }
                @if !log.is_empty() { pre.code.plain tabindex="0" { (excerpt(&log, LOG).0) } }
            }
        }
    }
}

/// What plugins did, where that is to be seen.
pub(super) fn told_plugins(attempt: &Value) -> &[Value] {
    if portal() { &[] } else { items(attempt, "plugins") }
}

/// One side's headers, as they were kept.
fn headers(kept: Option<&Value>) -> Markup {
    let kept = kept.and_then(Value::as_object).filter(|kept| !kept.is_empty());
    html! {
        @if let Some(kept) = kept {
            dl.kv.headers { @for (name, value) in kept { dt.mono { (name) } dd.mono { (value.as_str().unwrap_or_default()) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_command_to_paste_is_quoted_for_a_shell() {
        let attempt = json!({ "url": "https://example.com/it's", "requestHeaders": { "x-a": "b'c" } });
        assert_eq!(
            curl(&attempt, "{\"a\":\"'\"}"),
            "curl -X POST 'https://example.com/it'\\''s' \\\n  -H 'x-a: b'\\''c' \\\n  --data-binary '{\"a\":\"'\\''\"}'"
        );
        assert!(curl(&attempt, &"x".repeat(10_000)).ends_with("@payload.json"));
    }

    #[test]
    fn an_answer_that_is_json_is_shown_as_such_and_any_other_as_it_is() {
        assert!(body("{\"a\":1}", "x").into_string().contains("class=\"k\""));
        assert!(body("{oops", "x").into_string().contains("{oops"));
        assert!(body("<b>", "x").into_string().contains("&lt;b&gt;"));
    }
}
