//! The pages of applications: all of them, and one with its endpoints.

use super::catalog::grouped as by_group;
use super::chart::{Series, legend, periods, word};
use super::form::{Form, Kind, field, result};
use super::layout::{Question, ask};
use super::parts::{
    Sorted, dialog, empty, grouped, head, id, menu, opener, paged, pager, percent, row_link, shown, table,
    tabs, time,
};
use super::settings::portal_fields;
use super::state::{State, name_of, waits};
use crate::data::{int, is_source, items, link, rows, text, texts};
use crate::scope::{phrase, t};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// The data of an application's page.
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

/// The form of a new application.
pub(super) fn new_app(session: &Session) -> Markup {
    super::form::show(&Form {
        id: "new-app-form",
        to: link(&["new-app"]),
        proof: session.proof(),
        word: "Create",
        fields: vec![
            field("name", "Name", Kind::Text).example("Acme Corporation").required(),
            field("uid", "Uid", Kind::Text)
                .example("customer-42")
                .hint("Your own id. The API accepts it wherever it accepts an application id."),
        ],
        more: html! {},
    })
}

/// The list of applications. `wanted` is the search text, `all` whether every application was searched.
pub(crate) fn apps(session: &Session, page: &Value, wanted: Option<&str>, all: bool) -> Markup {
    let here = link(&["apps"]);
    let table_rows: Vec<_> = rows(page)
        .iter()
        .map(|app| {
            vec![
                row_link(&link(&["app", text(app, "id")]), text(app, "name"), text(app, "uid")),
                id(text(app, "id")),
                time(text(app, "createdAt")),
            ]
        })
        .collect();
    html! {
        (head("Applications", html! {}, &[html! { "One for each consumer of your webhooks, usually a customer." }], opener("new-app", "pri i-plus", "New application")))
        (result())
        form.filters method="get" action=(here) role="search" {
            input.in type="search" name="q" value=[wanted] placeholder="Filter by name, uid or id" aria-label="Filter by name, uid or id" maxlength="256";
            button.btn type="submit" { "Filter" }
            @if wanted.is_some() { a.btn.ghost href=(here) { "Clear" } }
        }
        section.card {
            @if table_rows.is_empty() {
                @if wanted.is_some() { (empty("search", "No matching application", html! { "The search covers names, uids and ids." }, html! { a.btn href=(here) { "Show all" } })) }
                @else { (empty("apps", "No application yet", html! { "An application is one consumer of your webhooks, usually a customer. It has endpoints and receives messages." }, opener("new-app", "pri i-plus", "New application"))) }
            } @else { (table(&["Application", "Id", "#Created"], &table_rows)) }
            @if !all { footer { "The search covers the newest 1,000 applications. Search for the full uid or id to find an older one." } }
            @if wanted.is_none() { (pager(Sorted::ByTime, page, |iterator| paged(&here, iterator))) }
        }
        (dialog("new-app", "New application", new_app(session)))
    }
}

/// The sections of an application, or of a source.
pub(super) fn sections(app: &str, current: &str) -> Markup {
    let first = if is_source(app) { "Source" } else { "Endpoints" };
    tabs(
        "Sections",
        current,
        &[
            (first, link(&["app", app]), None),
            ("Messages", link(&["app", app, "messages"]), None),
            ("Live", link(&["app", app, "live"]), None),
        ],
    )
}

/// An application: its statistics and endpoints.
pub(crate) fn app(view: &AppView<'_>) -> Markup {
    let AppView { session, app, about, overview, hours, .. } = view;
    let here = link(&["app", app]);
    let series = Series::of(*hours, &[overview]);
    let own = session.app.is_none();
    let (edit, edited) = (opener("edit-app", "i-edit", "Edit application"), edit(session, &here, about));
    let delete = text(about, "uid");
    let delete = if delete.is_empty() { text(about, "name") } else { delete };
    let (delete, deletes) = ask(
        "Delete application…",
        "i-trash c-bad",
        Question {
            id: "delete-app",
            title: "Delete this application?",
            says: html! { p { "Its " (int(overview, "endpointCount")) " endpoints, its messages and pending deliveries are deleted. This cannot be undone." } },
            to: format!("{here}/delete-app"),
            proof: session.proof(),
            word: "Delete application",
            typed: Some(delete),
            fields: Vec::new(),
        },
    );
    html! {
        (head(text(about, "name"), html! {}, &[
            html! { @if !text(about, "uid").is_empty() { "uid " code.id { (text(about, "uid")) } } },
            id(app),
            html! { @if !text(about, "createdAt").is_empty() { (phrase("Created {}", time(text(about, "createdAt")))) } },
        ], html! {
            @if own { (opener("portal", "i-external", "Portal link")) }
            @if own { (menu("More", html! { (edit) (delete) })) }
            (opener("new-endpoint", "pri i-plus", "Add endpoint"))
        }))
        (result())
        (sections(app, "Endpoints"))
        (endpoints(view))
        @if !rows(view.endpoints).is_empty() {
            section.card { header { div.grow { h2 { (phrase("Deliveries, {}", t(word(*hours)))) } } (legend(&series.sum())) (periods(&here, *hours)) } div.body { (series.bars()) } }
        }
        @if own {
            (dialog("portal", "Link to the customer portal", html! {
                p.small.muted { "Anyone with this link is signed in to this application only." }
                (super::form::show(&Form { id: "portal-form", to: format!("{here}/portal"), proof: session.proof(), word: "Create link", fields: portal_fields(), more: html! {} }))
            }))
            (edited) (deletes)
        }
    }
}

fn edit(session: &Session, here: &str, about: &Value) -> Markup {
    dialog(
        "edit-app",
        "Edit application",
        super::form::show(&Form {
            id: "edit-app-form",
            to: format!("{here}/edit-app"),
            proof: session.proof(),
            word: "Save",
            fields: vec![
                field("name", "Name", Kind::Text).value(text(about, "name")).required(),
                field("uid", "Uid", Kind::Text).value(text(about, "uid")).hint("Your own id."),
            ],
            more: html! {},
        }),
    )
}

/// An endpoint's statistics in an overview.
fn of_endpoint<'a>(overview: &'a Value, id: &str) -> Option<&'a Value> {
    items(overview, "endpoints").iter().find(|endpoint| text(endpoint, "id") == id)
}

/// The statistics and endpoints of an application or a source, worst first.
pub(super) fn endpoints(view: &AppView<'_>) -> Markup {
    let AppView { session, app, endpoints, event_types, overview, hours, .. } = view;
    let here = link(&["app", app]);
    let series = Series::of(*hours, &[overview]);
    let mut all: Vec<(State, &Value, Option<&Value>)> = rows(endpoints)
        .iter()
        .map(|endpoint| {
            let stats = of_endpoint(overview, text(endpoint, "id"));
            (State::of(endpoint, stats), endpoint, stats)
        })
        .collect();
    all.sort_by_key(|(state, _, stats)| (*state, std::cmp::Reverse(stats.map_or(0, waits))));
    let failing = all.iter().filter(|(state, ..)| state.is_trouble()).count();
    let asked = items(overview, "endpoints").len();
    let many = usize::try_from(int(overview, "endpointCount")).unwrap_or(0);
    let form = Form {
        id: "new-endpoint-form",
        to: format!("{here}/new-endpoint"),
        proof: session.proof(),
        word: "Create",
        fields: vec![
            field("url", "URL", Kind::Url).example("https://example.com/webhooks").required(),
            field("description", "Description", Kind::Text).hint("Shown in lists instead of the URL."),
        ],
        more: event_boxes("new-endpoint", event_types, &[]),
    };
    html! {
        @if all.is_empty() {
            div.grid {
                section.card.w6 { header { div.grow { h2 { (t("Add the first endpoint")) } } } div.body.stack {
                    @if is_source(app) { p.small.muted { (t("No endpoint yet. An endpoint is a URL that receives the events of this source.")) } }
                    @else { p.small.muted { (t("No endpoint yet. An endpoint is a URL that receives this application's messages.")) } }
                    (super::form::show(&form))
                } }
                @if !is_source(app) && session.app.is_none() {
                    section.card.w6 { header { div.grow { h2 { (t("Then send an event")) } } } div.body.stack { (shown(&super::live::curl(app))) } }
                }
            }
        } @else {
            (super::overview::stats(&series, &[overview], (failing, all.len()), app))
            section.card id="endpoints" {
                header { div.grow { h2 { (t("Endpoints")) } } span.small.muted { (t("Worst first")) } }
                table.t.cards {
                    thead { tr { th scope="col" { (t("Endpoint")) } th scope="col" { (t("State")) } th.hide-m scope="col" { (t("Events")) } th.num scope="col" { (t("Succeeded")) } th.num scope="col" { (t("Failed")) } th.num scope="col" { (t("Waiting")) } th.num scope="col" { (t("Oldest")) } } }
                    tbody { @for (state, endpoint, stats) in &all { (row(app, *state, endpoint, *stats, session.app.is_some())) } }
                }
                @if asked < many { footer { (t("Statistics cover the newest endpoints:")) " " (asked) " / " (many) } }
                @if !is_source(app) { (pager(Sorted::ByTime, endpoints, |iterator| paged(&here, iterator))) }
            }
        }
        @if !all.is_empty() { (dialog("new-endpoint", "Add endpoint", super::form::show(&form))) }
    }
}

fn row(app: &str, state: State, endpoint: &Value, stats: Option<&Value>, portal: bool) -> Markup {
    let name = name_of(endpoint);
    let below = if name == text(endpoint, "url") { "" } else { text(endpoint, "url") };
    let number = |name: &str| stats.map_or(0, |stats| int(stats, name));
    let attempts = number("success").saturating_add(number("fail"));
    html! {
        tr {
            td.main-cell { (row_link(&link(&["app", app, "endpoint", text(endpoint, "id")]), name, below)) }
            td.why.st2 { (state.pill(portal)) span.sub { @if portal { (state.sentence_for_customer(stats)) } @else { (state.sentence(stats)) } } }
            td.hide-m { (events_of(endpoint)) }
            td.num data-l=(t("Succeeded")) { (percent(number("success"), attempts).map(|share| format!("{share} %")).unwrap_or_default()) }
            td.num data-l=(t("Failed")) { @if stats.is_some() { (grouped(number("fail"))) } }
            td.num data-l=(t("Waiting")) { (stats.map(|stats| grouped(waits(stats))).unwrap_or_default()) }
            td.num data-l=(t("Oldest")) { (time(stats.map(|stats| text(stats, "oldestPending")).unwrap_or_default())) }
        }
    }
}

/// The event types of an endpoint, abbreviated.
pub(super) fn events_of(endpoint: &Value) -> Markup {
    let types = texts(endpoint, "eventTypes");
    html! {
        @if types.is_empty() { span.muted { (t("All events")) } }
        @else { span.nw title=(types.join(", ")) { span.tag { (types.first().copied().unwrap_or_default()) } @if types.len() > 1 { span.faint { " +" (types.len().saturating_sub(1)) } } } }
    }
}

/// A checkbox for each event type, by group. None selected means all. What is chosen and not in the catalog (any more, or not
/// for this reader) has one as well: without it, saving the form would drop it, and perhaps leave none.
pub(super) fn event_boxes(form: &str, event_types: &Value, chosen: &[&str]) -> Markup {
    let is_listed = |name: &&&str| rows(event_types).iter().any(|event| text(event, "name") == **name);
    let others: Vec<&str> = chosen.iter().filter(|name| !is_listed(name)).copied().collect();
    html! {
        @if !rows(event_types).is_empty() || !others.is_empty() {
            fieldset.field.boxes {
                legend { (t("Events")) }
                p.hint { (t("If none is selected, the endpoint receives all events, including new event types.")) }
                div.scroll tabindex="0" role="group" aria-label=(t("Event types")) {
                    @for name in &others {
                        label.check { input type="checkbox" name="event" value=(name) checked; span { code { (name) } } }
                    }
                    @for (group, members) in by_group(rows(event_types)) {
                        @if !group.is_empty() { label.check.all { input type="checkbox" data-group=(group); span { (group) } } }
                        @for event in members {
                            @let name = text(event, "name");
                            label.check { input type="checkbox" name="event" value=(name) data-of=(group) checked[chosen.contains(&name)]; span { code { (name) } " " span.muted { (text(event, "description")) } } }
                        }
                    }
                }
                p.hint.picked data-picked=(form) {}
            }
        }
    }
}

/// The word for a status filter.
pub(super) fn status_word(value: &str) -> &'static str {
    match value {
        "failing" => "Failing",
        "0" => "Delivered",
        "1" => "Waiting",
        "2" => "Failed",
        "3" => "Retrying",
        "4" => "Filtered",
        _ => "Any status",
    }
}
