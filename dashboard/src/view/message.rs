//! The page of a message: its payload, where it went, every attempt.

use super::{button, code, pretty, status, time};
use crate::data::{int, items, link, rows, text, texts};
use maud::{Markup, html};
use serde_json::Value;

/// What the page of a message shows.
pub(crate) struct MessageView<'a> {
    pub(crate) app: &'a str,
    pub(crate) message: &'a Value,
    pub(crate) destinations: &'a Value,
    pub(crate) attempts: &'a Value,
}

/// A message.
pub(crate) fn message(view: &MessageView<'_>) -> Markup {
    let id = text(view.message, "id");
    let here = link(&["app", view.app, "message", id]);
    html! {
        dl.facts {
            div { dt { "Id" } dd { code { (id) } } }
            @if !text(view.message, "eventId").is_empty() { div { dt { "Event id" } dd { code { (text(view.message, "eventId")) } } } }
            div { dt { "Accepted" } dd { (time(text(view.message, "timestamp"))) } }
            @for (word, name) in [("Channels", "channels"), ("Tags", "tags")] {
                @if !texts(view.message, name).is_empty() { div { dt { (word) } dd { @for one in texts(view.message, name) { span.tag { (one) } " " } } } }
            }
        }
        h2 { "Payload" }
        pre tabindex="0" { (view.message.get("payload").map(pretty).unwrap_or_default()) }
        div id="result" aria-live="polite" {}
        div id="live" hx-get=(here) hx-trigger="every 3s" hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            h2 { "Where it goes" }
            @if rows(view.destinations).is_empty() { p { "To no endpoint: none chose this event type, or there was none." } }
            @else {
                table {
                    thead { tr { th { "Endpoint" } th { "State" } th { "Next attempt" } th { span.hidden { "Actions" } } } }
                    tbody { @for endpoint in rows(view.destinations) {
                        @let endpoint_id = text(endpoint, "id");
                        tr {
                            td { a href=(link(&["app", view.app, "endpoint", endpoint_id])) { (text(endpoint, "url")) } }
                            td { (status(endpoint)) }
                            td { (time(text(endpoint, "nextAttempt"))) }
                            td { (button(&format!("{here}/resend"), "Send again", Some("#result"), None, &[("endpoint", endpoint_id)])) }
                        }
                    } }
                }
            }
            h2 { "Attempts" }
            (attempts(view.app, view.attempts, false))
        }
    }
}

/// A list of attempts, newest first; `of_endpoint` where they are one endpoint's, else one message's.
pub(crate) fn attempts(app: &str, page: &Value, of_endpoint: bool) -> Markup {
    html! {
        @if rows(page).is_empty() { p.dim { "No attempt yet." } }
        @for attempt in rows(page) {
            details.attempt {
                summary id=(text(attempt, "id")) {
                    (status(attempt)) " " (code(attempt)) " " (time(text(attempt, "timestamp"))) " "
                    span.dim { (int(attempt, "responseDurationMs")) " ms" @if int(attempt, "triggerType") == 1 { ", by hand" } }
                    " " @if of_endpoint { code { (text(attempt, "msgId")) } } @else { (text(attempt, "url")) }
                }
                p.dim { code { (text(attempt, "id")) } " to " (text(attempt, "url")) " · "
                    @if of_endpoint { a href=(link(&["app", app, "message", text(attempt, "msgId")])) { "the message" } }
                    @else { a href=(link(&["app", app, "endpoint", text(attempt, "endpointId")])) { "the endpoint" } }
                }
                p { (button(&link(&["app", app, "message", text(attempt, "msgId"), "resend"]), "Send it again", Some("#result"), None, &[("endpoint", text(attempt, "endpointId"))])) }
                @for plugin in items(attempt, "plugins") { p { "Plugin " (text(plugin, "name")) ": " (text(plugin, "verdict")) " " (text(plugin, "reason")) (text(plugin, "error")) } }
                @if !text(attempt, "response").is_empty() { pre tabindex="0" { (text(attempt, "response")) } } @else { p.dim { "The answer had no body." } }
            }
        }
    }
}
