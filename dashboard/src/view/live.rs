//! The page of the live tail, and the rows that come into it.

use super::{code, status, time};
use crate::data::{int, link, rows, text, texts};
use crate::live::{ENDPOINTS, Filters};
use maud::{Markup, html};
use serde_json::Value;

/// The page, before anything has come.
pub(crate) fn tail(app: &str, filters: &Filters, endpoints: &Value) -> Markup {
    let here = link(&["app", app, "live"]);
    let stream = format!("{here}/events?{}", filters.query());
    let chosen = |value: &Option<String>, one: &str| value.as_deref().unwrap_or_default() == one;
    html! {
        form.filters method="get" action=(here) role="search" {
            label { "Show" select name="what" {
                @for (value, word) in [("", "messages and attempts"), ("messages", "messages"), ("attempts", "attempts")] {
                    option value=(value) selected[chosen(&filters.what, value)] { (word) }
                }
            } }
            @for (word, name, value) in [("Event type", "event_types", &filters.event_types), ("Tag", "tag", &filters.tag), ("Channel", "channel", &filters.channel)] {
                label { (word) input name=(name) value=[value.as_deref()]; }
            }
            label { "Endpoint" select name="endpoint" {
                option value="" { "all" @if rows(endpoints).len() > ENDPOINTS { " (attempts of the first " (ENDPOINTS) ")" } }
                @for endpoint in rows(endpoints) {
                    option value=(text(endpoint, "id")) selected[chosen(&filters.endpoint, text(endpoint, "id"))] { (text(endpoint, "url")) }
                }
            } }
            label { "Attempts that" select name="status" {
                @for (value, word) in [("", "were made"), ("0", "succeeded"), ("2", "failed"), ("4", "were filtered")] {
                    option value=(value) selected[chosen(&filters.status, value)] { (word) }
                }
            } }
            button type="submit" { "Show" }
        }
        div.actions {
            button id="tail-pause" type="button" aria-pressed="false" { "Pause" }
            span id="tail-state" role="status" { "Not connected: this page needs scripts." }
        }
        div id="tail-empty" {
            p { "Nothing has come yet. What is sent to this application shows up here at once:" }
            pre tabindex="0" { (curl(app)) }
        }
        table id="tail" data-src=(stream) {
            thead { tr { th { "When" } th { "What" } th { "Which" } th { "Where" } } }
            tbody {}
        }
    }
}

/// A message that came.
pub(crate) fn message(app: &str, message: &Value) -> Markup {
    let id = text(message, "id");
    html! {
        tr id={ "t-" (id) } {
            td { (time(text(message, "timestamp"))) }
            td { "message" }
            td { a href=(link(&["app", app, "message", id])) { (text(message, "eventType")) } " " code { (id) } }
            td { @for tag in texts(message, "tags") { span.tag { (tag) } " " } }
        }
    }
}

/// An attempt that was made.
pub(crate) fn attempt(app: &str, attempt: &Value) -> Markup {
    let (id, message) = (text(attempt, "id"), text(attempt, "msgId"));
    html! {
        tr id={ "t-" (id) } {
            td { (time(text(attempt, "timestamp"))) }
            td { (status(attempt)) " " (code(attempt)) " " span.dim { (int(attempt, "responseDurationMs")) " ms" } }
            td { a href=(link(&["app", app, "message", message])) { code { (message) } } }
            td { a href=(link(&["app", app, "endpoint", text(attempt, "endpointId")])) { (text(attempt, "url")) } }
        }
    }
}

/// That something was missed, and where it is.
pub(crate) fn gap(to: &str, since: &str) -> Markup {
    html! {
        tr.gap { td colspan="4" {
            "Something was missed here, since " (time(since)) ": more came than a tail shows, or it was away for too long. "
            a href=(to) { "The messages of that time" }
        } }
    }
}

/// A line that sends an event to an application.
pub(crate) fn curl(app: &str) -> String {
    format!(
        "curl -X POST \"$WEIR_URL/api/v1/app/{app}/msg\" -H \"authorization: Bearer $WEIR_TOKEN\" \\\n  \
         -H 'content-type: application/json' \\\n  -d '{{\"eventType\": \"user.created\", \"payload\": {{\"id\": 1}}}}'"
    )
}
