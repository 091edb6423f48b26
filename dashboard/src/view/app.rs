//! The pages of an application: its endpoints, its messages.

use super::tenant::grouped;
use super::{endpoint_state, more, time};
use crate::data::{link, next, query, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What the page of an application shows.
pub(crate) struct AppView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) endpoints: &'a Value,
    pub(crate) event_types: &'a Value,
}

/// An application's endpoints.
pub(crate) fn app(view: &AppView<'_>) -> Markup {
    let AppView { session, app, endpoints, event_types } = view;
    html! {
        p.tabs { a href=(link(&["app", app, "messages"])) { "Messages" } a href=(link(&["app", app, "live"])) { "Live" } }
        h2 { "Endpoints" }
        @if rows(endpoints).is_empty() {
            p { "No endpoint yet: an endpoint is a URL that gets this application's messages. Create the first one here, then send an event:" }
            pre tabindex="0" { "curl -X POST …/api/v1/app/" (app) "/msg -H 'authorization: Bearer …' \\\n  -H 'content-type: application/json' \\\n  -d '{\"eventType\": \"user.created\", \"payload\": {\"id\": 1}}'" }
        } @else {
            table {
                thead { tr { th { "URL" } th { "Events" } th { "State" } th { "Created" } } }
                tbody { @for endpoint in rows(endpoints) {
                    tr {
                        td { a href=(link(&["app", app, "endpoint", text(endpoint, "id")])) { (text(endpoint, "url")) }
                            @if !text(endpoint, "description").is_empty() { br; span.dim { (text(endpoint, "description")) } } }
                        td { (events_of(endpoint)) }
                        td { (endpoint_state(endpoint)) }
                        td { (time(text(endpoint, "createdAt"))) }
                    }
                } }
            }
            (more(next(endpoints).map(|next| format!("{}?iterator={next}", link(&["app", app])))))
        }
        details open[rows(endpoints).is_empty()] {
            summary { "New endpoint" }
            form.stack method="post" action=(link(&["app", app, "new-endpoint"])) {
                input type="hidden" name="_proof" value=(session.proof());
                label { "URL" input name="url" type="url" required placeholder="https://example.com/webhooks"; }
                label { "Description (optional)" input name="description"; }
                (event_boxes(event_types, &[]))
                button type="submit" { "Create" }
            }
        }
    }
}

/// Which events an endpoint gets, in a word.
pub(super) fn events_of(endpoint: &Value) -> Markup {
    let types = texts(endpoint, "eventTypes");
    html! {
        @if types.is_empty() { "all" }
        @else { @for name in types.iter().take(3) { code { (name) } " " } @if types.len() > 3 { "and " (types.len().saturating_sub(3)) " more" } }
    }
}

/// A box for each event type, by group; none chosen is all.
pub(super) fn event_boxes(event_types: &Value, chosen: &[&str]) -> Markup {
    html! {
        @if !rows(event_types).is_empty() {
            fieldset {
                legend { "Events (none chosen: all)" }
                @for (group, members) in grouped(rows(event_types)) {
                    @if !group.is_empty() { p.group { (group) } }
                    @for event in members {
                        @let name = text(event, "name");
                        label.box { input type="checkbox" name="event" value=(name) checked[chosen.contains(&name)]; code { (name) } " " span.dim { (text(event, "description")) } }
                    }
                }
            }
        }
    }
}

/// What the page of messages shows.
pub(crate) struct MessagesView<'a> {
    pub(crate) app: &'a str,
    pub(crate) page: &'a Value,
    /// The filters by name, as the URL has them.
    pub(crate) filters: &'a [(&'static str, Option<String>)],
    /// Whether this is the newest page, which changes by itself.
    pub(crate) newest: bool,
}

/// An application's messages, newest first.
pub(crate) fn messages(view: &MessagesView<'_>) -> Markup {
    let here = link(&["app", view.app, "messages"]);
    let pairs: Vec<_> = view.filters.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    let kept = query(&pairs);
    let again = format!("{here}?{kept}");
    let value = |name: &str| pairs.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    html! {
        form.filters method="get" action=(here) role="search" {
            label { "Id or event id" input name="q" type="search"; }
            label { "Event type" input name="event_types" value=[value("event_types")]; }
            label { "Channel" input name="channel" value=[value("channel")]; }
            label { "Tag" input name="tag" value=[value("tag")]; }
            label { "After" input name="after" placeholder="2026-11-22T00:00:00Z" value=[value("after")]; }
            label { "Before" input name="before" placeholder="2026-11-23T00:00:00Z" value=[value("before")]; }
            button type="submit" { "Show" }
        }
        div id="list" hx-get=[view.newest.then_some(&again)] hx-trigger=[view.newest.then_some("every 2s")]
            hx-select=[view.newest.then_some("#list")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            @if rows(view.page).is_empty() {
                p { "No message here" @if kept.is_empty() { " yet. " } @else { " that fits these filters. " } "New ones show up by themselves." }
            } @else {
                table {
                    thead { tr { th { "Event type" } th { "Id" } th { "Event id" } th { "Tags" } th { "Accepted" } } }
                    tbody { @for message in rows(view.page) {
                        tr {
                            td { a href=(link(&["app", view.app, "message", text(message, "id")])) { (text(message, "eventType")) } }
                            td { code { (text(message, "id")) } }
                            td { (text(message, "eventId")) }
                            td { @for tag in texts(message, "tags") { span.tag { (tag) } " " } }
                            td { (time(text(message, "timestamp"))) }
                        }
                    } }
                }
                (more(next(view.page).map(|next| {
                    let mut pairs = pairs.clone();
                    pairs.push(("iterator", Some(next)));
                    format!("{here}?{}", query(&pairs))
                })))
            }
        }
    }
}
