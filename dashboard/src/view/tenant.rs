//! The pages of a tenant: applications, event types, plugins, tasks.

use super::{button, more, pretty, time};
use crate::data::{flag, int, items, link, next, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// All applications.
pub(crate) fn apps(session: &Session, page: &Value) -> Markup {
    html! {
        details open[rows(page).is_empty()] {
            summary { "New application" }
            form.stack method="post" action=(link(&["new-app"])) {
                input type="hidden" name="_proof" value=(session.proof());
                label { "Name" input name="name" required placeholder="One of your customers"; }
                label { "Your own id for it (optional)" input name="uid" pattern="[a-zA-Z0-9._\\-]+" placeholder="customer-42"; }
                button type="submit" { "Create" }
            }
        }
        @if rows(page).is_empty() {
            p { "There are no applications yet. An application is one consumer of your webhooks, usually a customer: it has endpoints, and gets messages." }
        } @else {
            table {
                thead { tr { th { "Name" } th { "Id" } th { "Your id" } th { "Created" } } }
                tbody { @for app in rows(page) {
                    tr {
                        td { a href=(link(&["app", text(app, "id")])) { (text(app, "name")) } }
                        td { code { (text(app, "id")) } }
                        td { (text(app, "uid")) }
                        td { (time(text(app, "createdAt"))) }
                    }
                } }
            }
            (more(next(page).map(|next| format!("{}?iterator={next}", crate::PREFIX))))
        }
    }
}

/// The catalog of event types, by group.
pub(crate) fn event_types(page: &Value) -> Markup {
    html! {
        @if rows(page).is_empty() {
            p { "There are no event types yet. Create them by the API (" code { "POST /api/v1/event-type" } "), or import them from an OpenAPI document." }
        }
        @for (group, members) in grouped(rows(page)) {
            @if !group.is_empty() { h2 { (group) } }
            @for event in members {
                details {
                    summary { code { (text(event, "name")) } " " (text(event, "description"))
                        @if flag(event, "deprecated") { " " span.status.pending { "deprecated" } } }
                    @if let Some(schemas) = event.get("schemas").filter(|schemas| !schemas.is_null()) {
                        pre tabindex="0" { (pretty(schemas)) }
                    } @else { p.dim { "It has no schema." } }
                }
            }
        }
        (more(next(page).map(|next| format!("{}?iterator={next}", link(&["event-types"])))))
    }
}

/// Event types in groups, in the order of their first members.
pub(super) fn grouped(events: &[Value]) -> Vec<(&str, Vec<&Value>)> {
    let mut groups: Vec<(&str, Vec<&Value>)> = Vec::new();
    for event in events {
        let name = text(event, "groupName");
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, members)) => members.push(event),
            None => groups.push((name, vec![event])),
        }
    }
    groups
}

/// The plugins of a tenant.
pub(crate) fn plugins(page: &Value) -> Markup {
    html! {
        @if rows(page).is_empty() {
            p { "There are no plugins yet. " code { "cargo xtask plugin new" } " begins one; " code { "PUT /api/v1/plugin/{name}" } " uploads it." }
        } @else {
            table {
                thead { tr { th { "Name" } th { "What it does" } th { "Versions" } th { "Current" } th { "Changed" } } }
                tbody { @for plugin in rows(page) {
                    tr {
                        td { (text(plugin, "name")) }
                        td { (plugin.get("manifest").map(|about| text(about, "description")).unwrap_or_default()) }
                        td { (int(plugin, "versions")) }
                        td { code { (text(plugin, "current").get(..12).unwrap_or_default()) } }
                        td { (time(text(plugin, "updatedAt"))) }
                    }
                } }
            }
        }
    }
}

/// Background tasks.
pub(crate) fn tasks(page: &Value) -> Markup {
    html! {
        @if rows(page).is_empty() { p { "Nothing has been replayed or recovered yet." } }
        @for entry in rows(page) { (task(entry)) }
    }
}

/// One background task; asks for itself again while it runs.
pub(crate) fn task(task: &Value) -> Markup {
    let id = text(task, "id");
    let running = text(task, "status") == "running";
    let here = link(&["task", id]);
    let element = format!("task-{id}");
    html! {
        div.task id=(element) role="status" hx-get=[running.then_some(&here)] hx-trigger=[running.then_some("every 1s")] hx-swap="outerHTML" {
            span class={ "status " (if running { "pending" } else if text(task, "status") == "failed" { "fail" } else { "success" }) } { (text(task, "status")) }
            " " code { (text(task, "task")) } " "
            @if let Some(data) = task.get("data").and_then(Value::as_object) {
                @for (name, value) in data.iter().filter(|(_, value)| value.is_number()) { span.dim { (name) ": " (value) " " } }
            }
            @if running { (button(&link(&["task", id, "cancel"]), "Cancel", Some(&format!("#{element}")), None, &[])) }
            @for fault in items(task, "errors") { p.fault { (fault) } }
        }
    }
}
