//! The live view's page and rows.

use super::app::sections;
use super::parts::{code, head, millis, pill, short_id, shown, status, time};
use crate::data::{int, is_source, link, next, rows, text, texts};
use crate::filters::{ENDPOINTS, Filters};
use crate::scope::{phrase, t};
use maud::{Markup, html};
use serde_json::Value;

/// The page without rows.
pub(crate) fn tail(app: &str, filters: &Filters, endpoints: &Value) -> Markup {
    let here = link(&["app", app, "live"]);
    let stream = format!("{here}/events?{}", filters.query());
    let chosen = |value: &Option<String>, one: &str| value.as_deref().unwrap_or_default() == one;
    let mut kinds = vec![("", "Everything"), ("messages", "Messages"), ("attempts", "Attempts")];
    if is_source(app) {
        kinds.push(("rejected", "Rejected requests"));
    }
    html! {
        (head(&t("Live").text(), html! {}, &[html! { span.row { span.dot id="tail-dot" {} span id="tail-state" role="status" { (t("Not connected: this page requires JavaScript.")) } } }], html! {
            button.btn.i-pause id="tail-pause" type="button" { (t("Pause")) }
        }))
        (sections(app, "Live"))
        form.filters method="get" action=(here) role="search" {
            label.field { span.lbl { (t("Show")) } select.in name="what" {
                @for (value, word) in kinds { option value=(value) selected[chosen(&filters.what, value)] { (t(word)) } }
            } }
            @for (word, name, value) in [("Event type", "event_types", &filters.event_types), ("Tag", "tag", &filters.tag), ("Channel", "channel", &filters.channel)] {
                label.field { span.lbl { (t(word)) } input.in name=(name) value=[value.as_deref()]; }
            }
            label.field { span.lbl { (t("Endpoint")) } select.in name="endpoint" {
                option value="" { (t("All")) @if next(endpoints).is_some() { " (" (phrase("attempts of the first {}", ENDPOINTS)) ")" } }
                @for endpoint in rows(endpoints) {
                    option value=(text(endpoint, "id")) selected[chosen(&filters.endpoint, text(endpoint, "id"))] { (text(endpoint, "url")) }
                }
            } }
            label.field { span.lbl { (t("Attempts")) } select.in name="status" {
                @for (value, word) in [("", "All"), ("0", "Delivered"), ("2", "Failed"), ("4", "Filtered")] {
                    option value=(value) selected[chosen(&filters.status, value)] { (t(word)) }
                }
            } }
            button.btn type="submit" { (t("Apply")) }
        }
        section.card {
            div.empty id="tail-empty" {
                span.ico.i-live {} h3 { (t("Nothing received yet")) } p { (t("New entries appear here immediately.")) }
                @if !is_source(app) { div.wide.left { (shown(&curl(app))) } }
            }
            table.t.dense.cards.rail id="tail" data-src=(stream) {
                thead hidden { tr { th scope="col" { (t("Status")) } th scope="col" { (t("Event")) } th scope="col" { (t("Where")) } th.num scope="col" { (t("Duration")) } th.num scope="col" { (t("When")) } } }
                tbody {}
            }
        }
    }
}

/// A row: a message, an attempt or a rejected request.
pub(crate) fn row(app: &str, one: &Value) -> Markup {
    let (id, message) = (text(one, "id"), text(one, "msgId"));
    let class = if one.get("reason").is_some() {
        "x-bad"
    } else {
        match text(one, "statusText") {
            "success" => "x-ok",
            "fail" => "x-bad",
            "canceled" => "x-alt",
            _ => "",
        }
    };
    html! {
        tr id={ "t-" (id) } class=(class) {
            @if let Some(reason) = one.get("reason") {
                td { (pill("bad", "bad", "Rejected")) }
                td.main-cell { a.r.clip href=(link(&["app", app, "rejected", id])) { (text(reason, "detail")) } }
                td { code { (text(reason, "code")) } }
                td.num {}
            } @else if message.is_empty() {
                td { (pill("", "send", "Accepted")) }
                td.main-cell { a.r.clip href=(link(&["app", app, "message", id])) { (text(one, "eventType")) } }
                td { span.id title=(id) { (short_id(id)) } @for tag in texts(one, "tags") { " " span.tag { (tag) } } }
                td.num {}
            } @else {
                td { (status(one)) " " (code(one)) }
                td.main-cell { a.r.clip href=(link(&["app", app, "message", message])) title=(message) { (short_id(message)) } }
                td.cap { a.clip.blk href=(link(&["app", app, "endpoint", text(one, "endpointId")])) { (text(one, "url")) } }
                td.num { (millis(int(one, "responseDurationMs"))) }
            }
            td.num.at { (time(text(one, "timestamp"))) }
        }
    }
}

/// The row that reports a gap, with a link to the missing messages.
pub(crate) fn gap(to: &str, since: &str) -> Markup {
    html! {
        tr.gap { td colspan="5" {
            (phrase("Entries since {} are missing: the live view was disconnected for too long, or there were too many entries.", time(since))) " "
            a href=(to) { (t("Messages of that period")) }
        } }
    }
}

/// A command that sends an event to an application.
pub(crate) fn curl(app: &str) -> String {
    format!(
        "curl -X POST \"$WEIR_URL/api/v1/app/{app}/msg\" -H \"authorization: Bearer $WEIR_TOKEN\" \\\n  \
         -H 'content-type: application/json' \\\n  -d '{{\"eventType\": \"user.created\", \"payload\": {{\"id\": 1}}}}'"
    )
}
