//! The timeline of a message or an endpoint: its attempts, each opened on demand; and an attempt as a whole.

use super::form::{facts, mono};
use super::{button, code, excerpt, status, time};
use crate::data::{int, items, link, rows, text};
use maud::{Markup, html};
use serde_json::Value;

/// How much of an answer is shown, in bytes of HTML.
const ANSWER: usize = 24_000;
/// How much a plugin's log may take, in bytes of HTML.
const LOG: usize = 4_000;

/// A list of attempts, newest first; `of_endpoint` where they are one endpoint's, else one message's. What an attempt
/// holds is fetched when it is opened: a page of attempts stays small whatever receivers answer. Attempts do not change, so
/// an opened one stays as it is when the list is fetched again.
pub(crate) fn attempts(app: &str, page: &Value, of_endpoint: bool) -> Markup {
    html! {
        @if rows(page).is_empty() { p.dim { "No attempt yet." } }
        @for attempt in rows(page) {
            @let (id, message) = (text(attempt, "id"), text(attempt, "msgId"));
            @let to = link(&["app", app, "message", message, "attempt", id]);
            details.attempt id=(id) hx-preserve {
                summary {
                    (status(attempt)) " " (code(attempt)) " " (time(text(attempt, "timestamp"))) " "
                    span.dim { (int(attempt, "responseDurationMs")) " ms" @if int(attempt, "triggerType") == 1 { ", by hand" } }
                    " " @if of_endpoint { code { (message) } } @else { (text(attempt, "url")) }
                }
                div hx-get=(to) hx-trigger="toggle from:closest details once" { a href=(to) { "What was sent, and what came back" } }
            }
        }
    }
}

/// An attempt: both sides, and what plugins did.
pub(crate) fn attempt(app: &str, attempt: &Value) -> Markup {
    let (answer, cut) = excerpt(text(attempt, "response"), ANSWER);
    let plugins = items(attempt, "plugins");
    html! {
        (facts(&[
            ("Outcome", html! { (status(attempt)) " " (code(attempt)) }),
            ("Began", time(text(attempt, "timestamp"))),
            ("Took", html! { (int(attempt, "responseDurationMs")) " ms" }),
            ("Message", html! { a href=(link(&["app", app, "message", text(attempt, "msgId")])) { (mono(text(attempt, "msgId"))) } }),
            ("Endpoint", html! { a href=(link(&["app", app, "endpoint", text(attempt, "endpointId")])) { (text(attempt, "url")) } }),
            ("Attempt", mono(text(attempt, "id"))),
        ]))
        @let again = format!("again-{}", text(attempt, "id"));
        (button(&link(&["app", app, "message", text(attempt, "msgId"), "resend"]), "Send it again", Some(&format!("#{again}")), None, &[("endpoint", text(attempt, "endpointId"))]))
        div id=(again) aria-live="polite" {}
        @if !plugins.is_empty() {
            h3 { "Plugins" }
            ol { @for plugin in plugins { (ran(plugin)) } }
        }
        (headers("Sent", attempt.get("requestHeaders")))
        (headers("Answered", attempt.get("responseHeaders")))
        @if answer.is_empty() { p.dim { "The answer had no body." } }
        @else { pre tabindex="0" { (answer) } @if cut { p.dim { "There is more: the API gives all that is kept." } } }
    }
}

/// What a plugin did.
fn ran(plugin: &Value) -> Markup {
    let version = text(plugin, "version");
    let said = |line: &Value| format!("{}: {}", text(line, "level"), text(line, "message"));
    let log = items(plugin, "logs").iter().map(said).collect::<Vec<_>>().join("\n");
    html! {
        li {
            (text(plugin, "name")) " " span.dim { code { (version.get(..12).unwrap_or(version)) } } ": "
            (text(plugin, "verdict")) " " (text(plugin, "reason"))
            @if let Some(error) = plugin.get("error") { span.fault { (text(error, "message")) } }
            " " span.dim { (int(plugin, "fuel")) " fuel, on " (text(plugin, "engine")) }
            @if !log.is_empty() { pre tabindex="0" { (excerpt(&log, LOG).0) } }
        }
    }
}

/// One side's headers, as they were kept.
fn headers(title: &str, kept: Option<&Value>) -> Markup {
    let kept = kept.and_then(Value::as_object).filter(|kept| !kept.is_empty());
    html! {
        @if let Some(kept) = kept {
            h3 { (title) }
            dl.headers { @for (name, value) in kept { div { dt { (name) } dd { (value.as_str().unwrap_or_default()) } } } }
        }
    }
}
