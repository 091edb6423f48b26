//! The page of the live tail, and the rows that come into it.

use super::{code, status, time};
use crate::data::{int, is_source, link, next, rows, text, texts};
use crate::live::{ENDPOINTS, Filters};
use maud::{Markup, html};
use serde_json::Value;

/// The page, before anything has come.
pub(crate) fn tail(app: &str, filters: &Filters, endpoints: &Value) -> Markup {
    let here = link(&["app", app, "live"]);
    let stream = format!("{here}/events?{}", filters.query());
    let chosen = |value: &Option<String>, one: &str| value.as_deref().unwrap_or_default() == one;
    let mut kinds = vec![("", "everything"), ("messages", "messages"), ("attempts", "attempts")];
    if is_source(app) {
        kinds.push(("rejected", "rejected requests"));
    }
    html! {
        form.filters method="get" action=(here) role="search" {
            label { "Show" select name="what" {
                @for (value, word) in kinds {
                    option value=(value) selected[chosen(&filters.what, value)] { (word) }
                }
            } }
            @for (word, name, value) in [("Event type", "event_types", &filters.event_types), ("Tag", "tag", &filters.tag), ("Channel", "channel", &filters.channel)] {
                label { (word) input name=(name) value=[value.as_deref()]; }
            }
            label { "Endpoint" select name="endpoint" {
                option value="" { "all" @if next(endpoints).is_some() { " (attempts of the first " (ENDPOINTS) ")" } }
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
            p { "Nothing has come yet. What comes shows up here at once." }
            @if !is_source(app) { (super::form::shown(&curl(app))) }
        }
        table id="tail" data-src=(stream) {
            thead { tr { th { "When" } th { "What" } th { "Which" } th { "Where" } } }
            tbody {}
        }
    }
}

/// What came: a message, an attempt, or a request that was rejected.
pub(crate) fn row(app: &str, one: &Value) -> Markup {
    let (id, message) = (text(one, "id"), text(one, "msgId"));
    html! {
        tr id={ "t-" (id) } {
            td { (time(text(one, "timestamp"))) }
            @if let Some(reason) = one.get("reason") {
                td { span.status.fail { "rejected" } }
                td { a href=(link(&["app", app, "rejected", id])) { (text(reason, "detail")) } }
                td { code { (text(reason, "code")) } }
            } @else if message.is_empty() {
                td { "message" }
                td { a href=(link(&["app", app, "message", id])) { (text(one, "eventType")) } " " code { (id) } }
                td { @for tag in texts(one, "tags") { span.tag { (tag) } " " } }
            } @else {
                td { (status(one)) " " (code(one)) " " span.dim { (int(one, "responseDurationMs")) " ms" } }
                td { a href=(link(&["app", app, "message", message])) { code { (message) } } }
                td { a href=(link(&["app", app, "endpoint", text(one, "endpointId")])) { (text(one, "url")) } }
            }
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
