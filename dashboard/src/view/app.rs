//! The pages of an application: its endpoints, its messages.

use super::catalog::grouped;
use super::form::{Form, Kind, copied, field, folded, mono, plain, result, shown, table};
use super::overview::{chart, of_endpoint};
use super::settings::portal_fields;
use super::{breaker, endpoint_state, more, status, time};
use crate::data::{int, is_source, link, next, query, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What the page of an application shows.
pub(crate) struct AppView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    /// The application, or the source.
    pub(crate) about: &'a Value,
    pub(crate) endpoints: &'a Value,
    pub(crate) event_types: &'a Value,
    pub(crate) overview: &'a Value,
    pub(crate) hours: i64,
}

/// An application's endpoints, and how it does.
pub(crate) fn app(view: &AppView<'_>) -> Markup {
    let AppView { session, app, about, endpoints, event_types, overview, hours } = view;
    let here = link(&["app", app]);
    let table_rows: Vec<_> = rows(endpoints)
        .iter()
        .map(|endpoint| {
            let id = text(endpoint, "id");
            let told = of_endpoint(overview, id);
            let number = |name: &str| plain(&told.map(|told| int(told, name).to_string()).unwrap_or_default());
            vec![
                html! { a href=(link(&["app", app, "endpoint", id])) { (text(endpoint, "url")) }
                    @if !text(endpoint, "description").is_empty() { br; span.dim { (text(endpoint, "description")) } } },
                events_of(endpoint),
                html! { (endpoint_state(endpoint)) " " @if let Some(told) = told { (breaker(told)) } },
                number("success"),
                number("fail"),
                number("pending"),
                time(told.map(|told| text(told, "oldestPending")).unwrap_or_default()),
                time(text(endpoint, "createdAt")),
            ]
        })
        .collect();
    let heads = ["URL", "Events", "State", "Delivered", "Failed", "Pending", "Oldest", "Created"];
    let asked = overview.get("endpoints").and_then(Value::as_array).map_or(0, Vec::len);
    html! {
        @if !is_source(app) { (result()) p.dim { (copied(app)) } }
        p.tabs { a href=(link(&["app", app, "messages"])) { "Messages" } a href=(link(&["app", app, "live"])) { "Live" } }
        h2 { "Endpoints" }
        @if rows(endpoints).is_empty() {
            @if is_source(app) {
                p { "No endpoint yet: an endpoint is a URL that gets what this source takes in." }
            } @else {
                p { "No endpoint yet: an endpoint is a URL that gets this application's messages. Create the first one here, then send an event:" }
                (shown(&super::live::curl(app)))
            }
        } @else {
            (table(&heads, &table_rows, ""))
            @if asked < usize::try_from(int(overview, "endpointCount")).unwrap_or(0) { p.dim { "Numbers are of the newest " (asked) " endpoints." } }
            (more(next(endpoints).map(|next| format!("{here}?iterator={next}"))))
        }
        (folded("New endpoint", rows(endpoints).is_empty(), &Form {
            to: format!("{here}/new-endpoint"),
            proof: session.proof(),
            word: "Create",
            fields: vec![
                field("url", "URL", Kind::Url).hint("https://example.com/webhooks").required(),
                field("description", "Description (optional)", Kind::Text),
            ],
            more: event_boxes(event_types, &[]),
        }))
        @if !rows(endpoints).is_empty() { h2 { "Attempts" } (chart(&here, *hours, &[overview])) }
        @if session.app.is_none() && !is_source(app) { (tools(session, &here, about)) }
    }
}

/// What the owner does with an application itself.
fn tools(session: &Session, here: &str, about: &Value) -> Markup {
    let form = |what: &str, word, fields| Form {
        to: format!("{here}/{what}"),
        proof: session.proof(),
        word,
        fields,
        more: html! {},
    };
    html! {
        h2 { "The application" }
        (folded("A link for the customer", false, &form("portal", "Make a link", portal_fields())))
        (folded("Change it", false, &form("edit-app", "Save", vec![
            field("name", "Name", Kind::Text).value(text(about, "name")).required(),
            field("uid", "Your own id for it", Kind::Text).value(text(about, "uid")),
        ])))
        (folded("Delete it", false, &form("delete-app", "Delete for good, with its endpoints and messages", Vec::new())))
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
                    @if !group.is_empty() { label.group { input type="checkbox" data-group=(group); (group) } }
                    @for event in members {
                        @let name = text(event, "name");
                        label.box { input type="checkbox" name="event" value=(name) data-of=(group) checked[chosen.contains(&name)]; code { (name) } " " span.dim { (text(event, "description")) } }
                    }
                }
            }
        }
    }
}

/// What the page of messages shows.
pub(crate) struct MessagesView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) page: &'a Value,
    /// The filters by name, as the URL has them.
    pub(crate) filters: &'a [(&'static str, Option<String>)],
    /// Whether this is the newest page, which changes by itself.
    pub(crate) newest: bool,
    pub(crate) endpoints: &'a Value,
    /// How many endpoints are asked for a status where none is named.
    pub(crate) asked: usize,
}

/// How a delivery may stand.
const STATUSES: [(&str, &str); 6] = [
    ("", "any"),
    ("0", "delivered"),
    ("1", "pending"),
    ("2", "failed"),
    ("3", "waiting for a retry"),
    ("4", "filtered"),
];

/// An application's messages, newest first.
pub(crate) fn messages(view: &MessagesView<'_>) -> Markup {
    let here = link(&["app", view.app, "messages"]);
    let pairs: Vec<_> = view.filters.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    let kept = query(&pairs);
    let again = format!("{here}?{kept}");
    let value = |name: &str| pairs.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    let heads = ["Tick", "Event type", "Id", "Event id", "Tags", "Accepted"];
    let table_rows: Vec<_> = rows(view.page)
        .iter()
        .map(|message| {
            let (id, endpoint) = (text(message, "id"), text(message, "endpoint"));
            vec![
                html! { input type="checkbox" name="one" value={ (id) "/" (endpoint) } data-of="" aria-label={ "Tick " (id) }; },
                html! { a href=(link(&["app", view.app, "message", id])) { (text(message, "eventType")) } " " (status(message)) },
                mono(id),
                plain(text(message, "eventId")),
                html! { @for tag in texts(message, "tags") { span.tag { (tag) } " " } },
                time(text(message, "timestamp")),
            ]
        })
        .collect();
    html! {
        form.filters method="get" action=(here) role="search" {
            label { "Id or event id" input name="q" type="search"; }
            label { "Event type" input name="event_types" value=[value("event_types")]; }
            label { "Channel" input name="channel" value=[value("channel")]; }
            label { "Tag" input name="tag" value=[value("tag")]; }
            label { "After" input name="after" placeholder="2026-11-22T00:00:00Z" value=[value("after")]; }
            label { "Before" input name="before" placeholder="2026-11-23T00:00:00Z" value=[value("before")]; }
            label { "Status" select name="status" {
                @for (number, word) in STATUSES { option value=(number) selected[value("status") == Some(number)] { (word) } }
            } }
            label { "Endpoint" select name="endpoint" {
                option value="" { "any" }
                @for endpoint in rows(view.endpoints) { option value=(text(endpoint, "id")) selected[value("endpoint") == Some(text(endpoint, "id"))] { (text(endpoint, "url")) } }
            } }
            button type="submit" { "Show" }
        }
        @if value("status").is_some() && value("endpoint").is_none() && rows(view.endpoints).len() > view.asked {
            p.dim { "These are of the newest " (view.asked) " endpoints. Choose one to see another's." }
        }
        (result())
        div id="list" hx-get=[view.newest.then_some(&again)] hx-trigger=[view.newest.then_some("every 2s")]
            hx-select=[view.newest.then_some("#list")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            @if rows(view.page).is_empty() {
                p { "No message here" @if kept.is_empty() { " yet. " } @else { " that fits these filters. " } "New ones show up by themselves." }
            } @else {
                (super::form::show(&Form {
                    to: format!("{here}/count"),
                    proof: view.session.proof(),
                    word: "Send the ticked again",
                    fields: Vec::new(),
                    more: html! { label.group { input type="checkbox" data-group=""; "Tick all of these" } (table(&heads, &table_rows, "")) },
                }))
                (more(next(view.page).map(|next| {
                    let mut pairs = pairs.clone();
                    pairs.push(("iterator", Some(next)));
                    format!("{here}?{}", query(&pairs))
                })))
            }
        }
    }
}
