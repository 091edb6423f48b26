//! Attempts: a list whose entries load on demand, and the page of one with its request and response.

use super::form::button;
use super::json::highlighted;
use super::parts::{bytes, code, empty, excerpt, head, id, millis, short_id, status, time};
use crate::data::{int, items, link, query, rows, text};
use crate::scope::{phrase, portal, t};
use maud::{Markup, html};
use serde_json::Value;

/// How much of a body is shown, in bytes of HTML.
const BODY: usize = 16_000;
/// How much of a plugin's log is shown, in bytes of HTML.
const LOG: usize = 4_000;
/// The longest payload that is included in a curl command.
const PASTED: usize = 8_000;

/// A list of attempts, newest first, of an endpoint (`of_endpoint`) or a message. The details of an attempt are loaded when
/// it is opened, so that a page stays small. Attempts do not change, so an open one is kept when the list is refreshed.
pub(crate) fn attempts(app: &str, page: &Value, of_endpoint: bool) -> Markup {
    html! {
        @if rows(page).is_empty() { (empty("clock", "No attempt yet", html! { (t("Attempts are listed here as they are made.")) }, html! {})) }
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
                div.in-attempt data-part hx-get=(to) hx-trigger="toggle from:closest details once" { a href=(to) { (t("Request and response")) } }
            }
        } }
    }
}

/// A one-line summary of an attempt: its event or its endpoint, and why it failed.
fn what(attempt: &Value, of_endpoint: bool) -> Markup {
    let message = attempt.get("msg");
    let event_type = message.map(|message| text(message, "eventType")).unwrap_or_default();
    let answer = text(attempt, "response");
    let failed = text(attempt, "statusText") != "success" && answer != "{}";
    let reason = shown_plugins(attempt)
        .iter()
        .rev()
        .map(|plugin| text(plugin, "reason"))
        .find(|reason| !reason.is_empty());
    html! {
        @if of_endpoint { @if event_type.is_empty() { span.id { (short_id(text(attempt, "msgId"))) } } @else { b { (event_type) } } } @else { b { (text(attempt, "url")) } }
        @if int(attempt, "triggerType") == 1 { span.muted { " " (t("manual")) } }
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

/// An attempt: request, response and plugins.
pub(crate) fn attempt(app: &str, attempt: &Value, payload: Option<&str>) -> Markup {
    let plugins = shown_plugins(attempt);
    let answer = text(attempt, "response");
    let canceled = text(attempt, "statusText") == "canceled";
    let again = format!("again-{}", text(attempt, "id"));
    let changed = plugins.iter().any(|plugin| text(plugin, "verdict") == "replaced");
    html! {
        div.row.wrap {
            (button(&link(&["app", app, "message", text(attempt, "msgId"), "resend"]), "sm i-retry", "Resend", Some(&format!("#{again}")), &[("endpoint", text(attempt, "endpointId"))]))
            @if let Some(payload) = payload.filter(|_| !canceled) { button.btn.sm.i-copy.copy-text type="button" data-copy=(curl_of(attempt, payload)) { (t("Copy as curl")) } }
            span.small.muted { @if int(attempt, "triggerType") == 1 { (t("Sent manually.")) " " } @if changed { (t("A plugin changed this request. The payload below is the original.")) } }
        }
        div.out id=(again) aria-live="polite" {}
        @if !plugins.is_empty() {
            section.card.flat { header { div.grow { h3 { (t("Plugins")) } } } ol.list { @for plugin in plugins { (ran(app, attempt, plugin)) } } }
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
                @if answer.is_empty() { p.says { (t("The response has no body.")) } } @else { (body(answer, "Response body")) }
            }
        }
    }
}

/// A body: formatted if it is JSON, otherwise as text.
fn body(text: &str, label: &str) -> Markup {
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    html! {
        @if is_json {
            @let (lines, cut) = highlighted(text, BODY);
            pre.code tabindex="0" role="region" aria-label=(t(label)) { (lines) }
            @if cut { p.says { (t("Truncated. The API returns the full text.")) } }
        } @else {
            @let (shown, cut) = excerpt(text, BODY);
            pre.code.plain tabindex="0" role="region" aria-label=(t(label)) { (shown) }
            @if cut { p.says { (t("Truncated. The API returns the full text.")) } }
        }
    }
}

/// A command that makes the same request, except for hidden headers.
fn curl_of(attempt: &Value, payload: &str) -> String {
    let kept = attempt.get("requestHeaders").and_then(Value::as_object).into_iter().flatten();
    let headers = kept.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    curl(text(attempt, "url"), headers, payload)
}

/// A command that makes a request.
pub(crate) fn curl<'a>(
    url: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    payload: &str,
) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut out = format!("curl -X POST {}", quoted(url));
    for (name, value) in headers {
        out.push_str(" \\\n  -H ");
        out.push_str(&quoted(&format!("{name}: {value}")));
    }
    out.push_str(" \\\n  --data-binary ");
    if payload.len() <= PASTED {
        out.push_str(&quoted(payload));
    } else {
        out.push_str("@payload.json");
    }
    out
}

/// The result of a plugin.
fn ran(app: &str, attempt: &Value, plugin: &Value) -> Markup {
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
            a.btn.sm href={ (link(&["plugin", text(plugin, "name")])) "?" (query(&[("app", Some(app)), ("message", Some(text(attempt, "msgId"))), ("endpoint", Some(text(attempt, "endpointId"))), ("version", Some(version))])) } { (t("See what it changes")) }
        }
    }
}

/// The results of plugins, unless this is the portal.
pub(super) fn shown_plugins(attempt: &Value) -> &[Value] {
    if portal() { &[] } else { items(attempt, "plugins") }
}

/// Headers, as stored.
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
            curl_of(&attempt, "{\"a\":\"'\"}"),
            "curl -X POST 'https://example.com/it'\\''s' \\\n  -H 'x-a: b'\\''c' \\\n  --data-binary '{\"a\":\"'\\''\"}'"
        );
        assert!(curl_of(&attempt, &"x".repeat(10_000)).ends_with("@payload.json"));
    }

    #[test]
    fn an_answer_that_is_json_is_shown_as_such_and_any_other_as_it_is() {
        assert!(body("{\"a\":1}", "x").into_string().contains("class=\"k\""));
        assert!(body("{oops", "x").into_string().contains("{oops"));
        assert!(body("<b>", "x").into_string().contains("&lt;b&gt;"));
    }
}
