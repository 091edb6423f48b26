//! The event type catalog: by group, with schemas and examples, and the forms that edit it.

use super::form::{Field, Form, Kind, button, field, result};
use super::json::highlighted;
use super::layout::{Question, ask};
use super::parts::{Sorted, dialog, empty, head, opener, pager, pill, time, unreadable};
use super::pretty;
use crate::data::{flag, link, query, rows, text};
use crate::lossless::is_changed;
use crate::scope::{phrase, t};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How much of an example or a schema is shown, in bytes of HTML.
const SHOWN: usize = 6_000;

/// The group of an event type. Without one it is the part of the name before the first dot.
fn group_of(event: &Value) -> &str {
    let named = text(event, "groupName");
    let prefix = || text(event, "name").split_once('.').map_or("", |(prefix, _)| prefix);
    if named.is_empty() { prefix() } else { named }
}

/// Event types in groups, in the order of their first members.
pub(super) fn grouped(events: &[Value]) -> Vec<(&str, Vec<&Value>)> {
    let mut groups: Vec<(&str, Vec<&Value>)> = Vec::new();
    for event in events {
        let name = group_of(event);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, members)) => members.push(event),
            None => groups.push((name, vec![event])),
        }
    }
    groups
}

/// The example of an event type: the first one of the newest version of its schema.
pub(crate) fn example(event: &Value) -> Option<&Value> {
    let mut versions: Vec<_> = event.get("schemas")?.as_object()?.iter().collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse((version.len(), *version)));
    versions.into_iter().find_map(|(_, schema)| {
        let listed = schema.get("examples").and_then(|examples| examples.get(0));
        listed.or_else(|| schema.get("example"))
    })
}

fn fields(event: &Value) -> Vec<Field<'static>> {
    let schemas = event.get("schemas").filter(|schemas| !schemas.is_null());
    let mut fields = vec![
        field("description", "Description", Kind::Text).value(text(event, "description")).required(),
        field("groupName", "Group", Kind::Text).value(text(event, "groupName")),
        field("deprecated", "Deprecated: still sent, but not recommended for new integrations", Kind::Box)
            .value(if flag(event, "deprecated") { "true" } else { "" }),
    ];
    // Schemas that a form would change are left to the API.
    if !is_changed(event) {
        fields.push(
            field("schemas", "Schemas", Kind::Area(6))
                .value(schemas.map(pretty).unwrap_or_default())
                .hint("JSON Schema by version, with examples.")
                .example("{\"1\": {\"type\": \"object\", \"examples\": [{\"id\": 1}]}}"),
        );
    }
    fields
}

/// The catalog, by group.
pub(crate) fn event_types(session: &Session, page: &Value, archived: bool) -> Markup {
    let here = link(&["event-types"]);
    let own = session.app.is_none();
    let name = field("name", "Name", Kind::Text)
        .example("user.created")
        .hint("Letters, digits, - _ and ., for example order.paid.")
        .required();
    let new = Form {
        id: "new-form",
        to: link(&["new-event-type"]),
        proof: session.proof(),
        word: "Create",
        fields: std::iter::once(name).chain(fields(&Value::Null)).collect(),
        more: html! {},
    };
    let import = Form {
        id: "import-form",
        to: link(&["import"]),
        proof: session.proof(),
        word: "Import",
        fields: vec![
            field("preset", "Provider", Kind::Text)
                .example("loops")
                .hint("The name of a preset with a catalog of event types.")
                .required(),
        ],
        more: html! {},
    };
    html! {
        (head(&t("Event types").text(), html! {}, &[html! { (t("Event types name what happened, such as user.created. Endpoints subscribe to them.")) }], html! {
            @if own { (opener("import", "i-download", "Import")) (opener("new", "pri i-plus", "New event type")) }
        }))
        (result())
        @if own { nav.seg aria-label="Which" { a href=(here) aria-current=[(!archived).then_some("true")] { "Current" } a href={ (here) "?archived=true" } aria-current=[archived.then_some("true")] { "With archived" } } }
        @if rows(page).is_empty() {
            section.card { (empty("types", "There are no event types yet", html! { (t("An event type names what happened, such as user.created. Endpoints subscribe to event types.")) }, html! { @if own { (opener("new", "pri i-plus", "New event type")) } })) }
        }
        @for (group, members) in grouped(rows(page)) {
            section.card {
                @if !group.is_empty() { header { h2 { (group) } } }
                @for event in members { (one(event, own)) }
            }
        }
        (pager(Sorted::ByName, page, |iterator| {
            format!("{here}?{}", query(&[("iterator", iterator), ("archived", archived.then_some("true"))]))
        }))
        @if own { (dialog("new", "New event type", super::form::show(&new))) (dialog("import", "Import a provider's event types", super::form::show(&import))) }
    }
}

fn one(event: &Value, own: bool) -> Markup {
    html! {
        details.fold {
            summary { b.mono.small { (text(event, "name")) } " " span.muted.small.grow { (text(event, "description")) }
                @if flag(event, "deprecated") { (pill("warn", "clock", "Deprecated")) }
                @if flag(event, "archived") { (pill("", "off", "Archived")) } }
            div.in-fold {
                @if let Some(example) = example(event) { p.lbl { (t("Example")) } (code_of(example)) }
                @if let Some(schemas) = event.get("schemas").filter(|schemas| !schemas.is_null()) {
                    p.lbl { (t("Schemas")) } (code_of(schemas))
                } @else { p.hint { (t("No schema.")) } }
                @if own { p { a.btn.sm.i-edit href=(link(&["event-type", text(event, "name")])) { "Edit" } } }
            }
        }
    }
}

fn code_of(value: &Value) -> Markup {
    let (lines, cut) = highlighted(&value.to_string(), SHOWN);
    html! { pre.code.box tabindex="0" role="region" aria-label="JSON" { (lines) } @if cut { p.hint { (t("Truncated.")) } } }
}

/// The page of an event type.
pub(crate) fn event_type(session: &Session, event: &Value) -> Markup {
    let name = text(event, "name");
    let to = |what: &str| link(&["event-type", name, what]);
    let archived = flag(event, "archived");
    let archive = button(
        &to("archive"),
        "",
        if archived { "Restore" } else { "Archive" },
        None,
        &[("_proof", session.proof()), ("archived", if archived { "false" } else { "true" })],
    );
    let (delete, deletes) = ask(
        "Delete…",
        "i-trash c-bad",
        Question {
            id: "delete",
            title: "Delete this event type?",
            says: html! { p { "Endpoints that subscribe to it no longer receive these events. To keep it for them, archive it instead." } },
            to: to("delete"),
            proof: session.proof(),
            word: "Delete event type",
            typed: None,
            fields: Vec::new(),
        },
    );
    html! {
        (head(name, html! { @if archived { (pill("", "off", "Archived")) } }, &[
            html! { (phrase("Created {}", time(text(event, "createdAt")))) }, html! { (phrase("Changed {}", time(text(event, "updatedAt")))) },
        ], html! { @if session.app.is_none() { (archive) (delete) } }))
        (result())
        @if session.app.is_none() {
            @if is_changed(event) { (unreadable()) }
            section.card.wide-form { div.body { (super::form::show(&Form { id: "edit", to: to("edit"), proof: session.proof(), word: "Save", fields: fields(event), more: html! {} })) } }
            (deletes)
        } @else { section.card { (one(event, false)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn event_types_are_grouped_by_their_group_or_else_by_what_stands_before_the_dot() {
        let events = ["user.created", "ping", "user.deleted", "b.c"].map(|name| json!({ "name": name }));
        let mut events = events.to_vec();
        events.push(json!({ "name": "x.y", "groupName": "user" }));
        let groups = grouped(&events);
        let shown: Vec<_> = groups.iter().map(|(name, members)| (*name, members.len())).collect();
        assert_eq!(shown, [("user", 3), ("", 1), ("b", 1)]);
    }

    #[test]
    fn the_example_is_of_the_newest_version_that_has_one() {
        let event = json!({ "schemas": { "9": { "example": 9 }, "10": { "examples": [10, 11] }, "11": {} } });
        assert_eq!(example(&event), Some(&json!(10)));
        assert_eq!(example(&json!({ "schemas": null })), None);
    }
}
