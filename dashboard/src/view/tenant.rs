//! The pages of a tenant: how its applications do, and its background tasks.

use super::form::{Form, Kind, field, folded, mono, plain, table};
use super::overview::{chart, numbers, waiting};
use super::{button, more, time};
use crate::data::{flag, items, link, next, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What the overview shows.
pub(crate) struct OverviewView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) apps: &'a Value,
    /// What the first of them told.
    pub(crate) told: &'a [Value],
    pub(crate) hours: i64,
    /// How many endpoints of each were asked.
    pub(crate) endpoints: usize,
}

/// All applications, and how they do.
pub(crate) fn overview(view: &OverviewView<'_>) -> Markup {
    let OverviewView { session, apps, told, hours, endpoints } = view;
    let table_rows: Vec<_> = rows(apps)
        .iter()
        .enumerate()
        .map(|(at, app)| {
            let mut cells = vec![
                html! { a href=(link(&["app", text(app, "id")])) { (text(app, "name")) } },
                mono(text(app, "id")),
                plain(text(app, "uid")),
            ];
            cells.extend(numbers(told.get(at)));
            cells.push(time(text(app, "createdAt")));
            cells
        })
        .collect();
    let heads = ["Name", "Id", "Your id", "Delivered", "Failed", "Pending", "Created"];
    let named: Vec<(&str, &Value)> = rows(apps).iter().map(|app| text(app, "id")).zip(*told).collect();
    let all: Vec<&Value> = told.iter().collect();
    html! {
        (super::form::result())
        @if !rows(apps).is_empty() {
            div id="overview" hx-get={ (crate::PREFIX) "?hours=" (hours) } hx-trigger="every 30s" hx-select="#overview" hx-swap="outerHTML" hx-disinherit="*" {
                (chart(crate::PREFIX, *hours, &all))
                (waiting(&named))
                p.dim { "Numbers are of the " (told.len()) " applications at the top of the list below, and of the newest " (endpoints) " endpoints of each." }
            }
        }
        h2 { "Applications" }
        (folded("New application", rows(apps).is_empty(), &Form { to: link(&["new-app"]), proof: session.proof(), word: "Create", fields: vec![
            field("name", "Name", Kind::Text).hint("One of your customers").required(),
            field("uid", "Your own id for it (optional)", Kind::Text).hint("customer-42"),
        ], more: html! {} }))
        (table(&heads, &table_rows, "There are no applications yet. An application is one consumer of your webhooks, usually a customer: it has endpoints, and gets messages."))
        (more(next(apps).map(|next| format!("{}?iterator={next}", crate::PREFIX))))
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
    let word = text(task, "status");
    let running = word == "running";
    // Where it was stopped, the API says that it failed.
    let stopped = task.get("data").is_some_and(|data| flag(data, "canceled"));
    let word = if stopped { "canceled" } else { word };
    let here = link(&["task", id]);
    let element = format!("task-{id}");
    html! {
        div.task id=(element) role="status" hx-get=[running.then_some(&here)] hx-trigger=[running.then_some("every 1s")] hx-swap="outerHTML" {
            span class={ "status " (match word { "running" => "pending", "finished" => "success", _ => "fail" }) } { (word) }
            " " code { (text(task, "task")) } " "
            @if let Some(data) = task.get("data").and_then(Value::as_object) {
                @for (name, value) in data.iter().filter(|(_, value)| value.is_number()) { span.dim { (name) ": " (value) " " } }
            }
            @let progress = task.get("data").and_then(|data| data.get("progress"));
            @if running || progress.is_some() { progress max="100" value=[progress] aria-label="How far it is" {} " " }
            @if running { (button(&link(&["task", id, "cancel"]), "Cancel", Some(&format!("#{element}")), None, &[])) }
            @for fault in items(task, "errors") { p.fault { (fault) } }
        }
    }
}
