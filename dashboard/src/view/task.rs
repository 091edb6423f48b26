//! Background tasks.

use super::form::button;
use super::parts::{Sorted, card, count, empty, head, id, paged, pager, pill, time};
use crate::data::{flag, int, items, link, rows, text};
use crate::scope::{phrase, t};
use maud::{Markup, html};
use serde_json::Value;

/// Background tasks, newest first.
pub(crate) fn tasks(page: &Value) -> Markup {
    html! {
        (head("Tasks", html! {}, &[html! { "Resending, recovering and deleting content run in the background." }], html! {}))
        (card("Background tasks", html! {}, html! {
            @if rows(page).is_empty() { (empty("tasks", "Nothing has been resent or recovered yet", html! { "Resend messages on an endpoint's page." }, html! {})) }
            div.tasks { @for entry in rows(page) { (task(entry)) } }
            (pager(Sorted::ByTime, page, |iterator| paged(&link(&["tasks"]), iterator)))
        }))
    }
}

fn what(task: &str) -> &str {
    match task {
        "endpoint.recover" => "Resend what failed",
        "endpoint.replay" => "Send what was missed",
        "endpoint.bulk-replay" => "Resend a period",
        "application.purge_content" => "Delete content",
        "application.stats" => "Count attempts",
        "event-type.aggregate" => "Gather event types",
        other => other,
    }
}

/// One background task. It refreshes itself while it runs.
pub(crate) fn task(task: &Value) -> Markup {
    let task_id = text(task, "id");
    let word = text(task, "status");
    let running = word == "running";
    let data = task.get("data").cloned().unwrap_or_default();
    // The API reports a canceled task as failed.
    let (class, icon, word) = match word {
        _ if flag(&data, "canceled") => ("", "off", "Canceled"),
        "running" => ("warn", "retry", "Running"),
        "finished" => ("ok", "ok", "Finished"),
        _ => ("bad", "bad", "Failed"),
    };
    let here = link(&["task", task_id]);
    let element = format!("task-{task_id}");
    let (app, endpoint) = (text(&data, "appId"), text(&data, "endpointId"));
    let progress = data.get("progress");
    html! {
        div.task id=(element) role="status" hx-get=[running.then_some(&here)] hx-trigger=[running.then_some("every 1s")] hx-swap="outerHTML" {
            span.st { (pill(class, icon, word)) }
            div.grow {
                b { (t(what(text(task, "task")))) } " " code.tiny.faint { (text(task, "task")) }
                div.small.muted {
                    @if data.get("messages").is_some() { (phrase("{} checked", count(int(&data, "messages"), "message", "messages"))) }
                    @if data.get("messagesSent").is_some() { ", " (phrase("{} resent", count(int(&data, "messagesSent"), "message", "messages"))) }
                    @if !app.is_empty() && !endpoint.is_empty() { ", " a href=(link(&["app", app, "endpoint", endpoint])) { (t("this endpoint")) } }
                    @if !text(&data, "since").is_empty() { ", " (phrase("accepted since {}", time(text(&data, "since")))) }
                }
                @for fault in items(task, "errors") { p.fault { (fault) } }
            }
            @if running || progress.is_some() { progress max="100" value=[progress] aria-label=(t("Progress")) {} }
            (id(task_id))
            @if running { (button(&link(&["task", task_id, "cancel"]), "sm", "Cancel", Some(&format!("#{element}")), &[])) }
        }
    }
}
