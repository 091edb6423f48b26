//! The page of an endpoint: its state, what it gets, its attempts, and what one can do with it.

use super::app::{event_boxes, events_of};
use super::message::attempts;
use super::{button, endpoint_state, more, time};
use crate::data::{flag, int, items, link, next, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What the page of an endpoint shows.
pub(crate) struct EndpointView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) endpoint: &'a Value,
    pub(crate) stats: &'a Value,
    pub(crate) headers: &'a Value,
    pub(crate) plugins: &'a Value,
    pub(crate) attempts: &'a Value,
    pub(crate) event_types: &'a Value,
    /// The status that attempts are limited to.
    pub(crate) status: Option<&'a str>,
    /// Until when the secret before this one signs, too, if it does.
    pub(crate) old_secret_until: Option<&'a str>,
    /// Whether these are the newest attempts, which change by themselves.
    pub(crate) newest: bool,
}

/// An endpoint.
pub(crate) fn endpoint(view: &EndpointView<'_>) -> Markup {
    let id = text(view.endpoint, "id");
    let here = link(&["app", view.app, "endpoint", id]);
    let to = |what: &str| format!("{here}/{what}");
    let disabled = flag(view.endpoint, "disabled");
    html! {
        div id="live" hx-get=[view.newest.then_some(&here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#live")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            dl.facts {
                div { dt { "State" } dd { (endpoint_state(view.endpoint)) } }
                div { dt { "Delivered, 28 days" } dd { (int(view.stats, "success")) } }
                div { dt { "Failed" } dd { (int(view.stats, "fail")) } }
                div { dt { "Pending" } dd { (int(view.stats, "pending")) } }
                div { dt { "Waiting for a retry" } dd { (int(view.stats, "sending")) } }
                @if let Some(until) = view.old_secret_until { div { dt { "Old secret signs, too" } dd { "until " (time(until)) } } }
                div { dt { "Events" } dd { (events_of(view.endpoint)) } }
                div { dt { "Id" } dd { code { (id) } } }
                div { dt { "Created" } dd { (time(text(view.endpoint, "createdAt"))) } }
            }
        }
        @if !text(view.endpoint, "description").is_empty() { p { (text(view.endpoint, "description")) } }
        div.actions {
            (button(&to("toggle"), if disabled { "Enable" } else { "Disable" }, None, None, &[("_proof", view.session.proof()), ("disabled", if disabled { "false" } else { "true" })]))
            (button(&to("secret"), "Show the secret", Some("#result"), None, &[]))
            (button(&to("rotate"), "Rotate the secret", Some("#result"), Some("The old secret goes on signing for a day beside the new one. Rotate?"), &[]))
            (button(&to("delete"), "Delete", None, Some("Delete this endpoint for good, with what waits for it?"), &[("_proof", view.session.proof())]))
        }
        div id="result" aria-live="polite" {}
        details {
            summary { "Send a test event" }
            form.stack hx-post=(to("test")) hx-target="#result" {
                label { "Event type" input name="eventType" list="types" required value=[texts(view.endpoint, "eventTypes").first()]; }
                datalist id="types" { @for event in items(view.event_types, "data") { option value=(text(event, "name")) {} } }
                label { "Payload (optional; else the event type's own example)" textarea name="payload" rows="4" placeholder="{\"id\": 1}" {} }
                button type="submit" { "Send" }
            }
        }
        details {
            summary { "Send again" }
            form.stack hx-post=(to("replay")) hx-target="#result" {
                label { "Since" input name="since" required placeholder="2026-11-22T00:00:00Z"; }
                label { "What" select name="what" {
                    option value="recover" { "what failed" }
                    option value="replay-missing" { "what was never tried" }
                    option value="bulk-replay" { "what was tried, whatever came of it" }
                } }
                button type="submit" { "Start" }
            }
        }
        details {
            summary { "Change it" }
            form.stack method="post" action=(to("edit")) {
                input type="hidden" name="_proof" value=(view.session.proof());
                label { "URL" input name="url" type="url" required value=(text(view.endpoint, "url")); }
                label { "Description" input name="description" value=(text(view.endpoint, "description")); }
                label { "Requests a second at most (empty: no limit)" input name="throttleRate" inputmode="numeric" pattern="[0-9]*" value=(view.endpoint.get("throttleRate").and_then(Value::as_i64).map(|rate| rate.to_string()).unwrap_or_default()); }
                (event_boxes(view.event_types, &texts(view.endpoint, "eventTypes")))
                button type="submit" { "Save" }
            }
        }
        (settings(view))
        h2 { "Attempts" }
        nav.tabs aria-label="Attempts by status" {
            @for (word, value) in [("all", None), ("success", Some("0")), ("failed", Some("2")), ("filtered", Some("4"))] {
                a href={ (here) @if let Some(value) = value { "?status=" (value) } } aria-current=[(view.status == value).then_some("page")] { (word) }
            }
        }
        (attempts(view.app, view.attempts, true))
        (more(next(view.attempts).map(|next| {
            format!("{here}?{}", crate::data::query(&[("status", view.status), ("iterator", Some(next))]))
        })))
    }
}

fn settings(view: &EndpointView<'_>) -> Markup {
    let headers = view.headers.get("headers").and_then(Value::as_object);
    let plugins = items(view.plugins, "plugins");
    html! {
        @if headers.is_some_and(|headers| !headers.is_empty()) || !items(view.headers, "sensitive").is_empty() {
            h2 { "Headers" }
            table { tbody {
                @for (name, value) in headers.into_iter().flatten() { tr { td { code { (name) } } td { (value.as_str().unwrap_or_default()) } } }
                @for name in texts(view.headers, "sensitive") { tr { td { code { (name) } } td.dim { "hidden" } } }
            } }
        }
        @if !plugins.is_empty() {
            h2 { "Plugins" }
            ol { @for plugin in plugins { li { (text(plugin, "name")) " " span.dim { "when it fails: " (text(plugin, "onError")) } } } }
        }
    }
}

/// A secret, on demand.
pub(crate) fn secret(key: &str, sentence: &str) -> Markup {
    html! { p role="status" { (sentence) } pre.secret tabindex="0" { (key) } }
}
