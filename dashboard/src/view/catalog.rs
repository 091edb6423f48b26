//! The catalog of event types: by group, with schemas and examples, and the forms that change it.

use super::form::{Field, Form, Kind, field, folded, result};
use super::{more, pretty, time};
use crate::data::{flag, link, next, query, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What groups event types that name no group: what stands before the first dot of their names.
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
    vec![
        field("description", "What it says", Kind::Text).value(text(event, "description")).required(),
        field("groupName", "Group (optional)", Kind::Text).value(text(event, "groupName")),
        field("schemas", "Schemas: JSON Schema by version, with examples (optional)", Kind::Area(6))
            .value(schemas.map(pretty).unwrap_or_default())
            .hint("{\"1\": {\"type\": \"object\", \"examples\": [{\"id\": 1}]}}"),
        field("deprecated", "Deprecated: still sent, but not to be built upon", Kind::Box)
            .value(if flag(event, "deprecated") { "true" } else { "" }),
    ]
}

/// The catalog, by group.
pub(crate) fn event_types(session: &Session, page: &Value, archived: bool) -> Markup {
    let here = link(&["event-types"]);
    let own = session.app.is_none();
    let new = |fields| Form {
        to: link(&["new-event-type"]),
        proof: session.proof(),
        word: "Create",
        fields,
        more: html! {},
    };
    html! {
        (result())
        @if own {
            @let name = field("name", "Name", Kind::Text).hint("user.created").required();
            (folded("New event type", rows(page).is_empty(), &new(std::iter::once(name).chain(fields(&Value::Null)).collect())))
            (folded("Import a provider's event types", false, &Form {
                to: link(&["import"]),
                proof: session.proof(),
                word: "Import",
                fields: vec![field("preset", "The preset's name", Kind::Text).hint("loops").required()],
                more: html! {},
            }))
            p { @if archived { a href=(here) { "Without archived ones" } } @else { a href={ (here) "?archived=true" } { "With archived ones" } } }
        }
        @if rows(page).is_empty() {
            p { "There are no event types yet. An event type says what happened, such as " code { "user.created" } ": endpoints choose by it." }
        }
        @for (group, members) in grouped(rows(page)) {
            @if !group.is_empty() { h2 { (group) } }
            @for event in members {
                details {
                    summary { code { (text(event, "name")) } " " (text(event, "description"))
                        @if flag(event, "deprecated") { " " span.status.pending { "deprecated" } }
                        @if flag(event, "archived") { " " span.status.fail { "archived" } } }
                    @if let Some(example) = example(event) { p.dim { "Example" } pre tabindex="0" { (pretty(example)) } }
                    @if let Some(schemas) = event.get("schemas").filter(|schemas| !schemas.is_null()) {
                        p.dim { "Schemas" } pre tabindex="0" { (pretty(schemas)) }
                    } @else { p.dim { "It has no schema." } }
                    @if own { p { a href=(link(&["event-type", text(event, "name")])) { "Change it" } } }
                }
            }
        }
        (more(next(page).map(|next| {
            format!("{here}?{}", query(&[("iterator", Some(next)), ("archived", archived.then_some("true"))]))
        })))
    }
}

/// One event type, to change it.
pub(crate) fn event_type(session: &Session, event: &Value) -> Markup {
    let name = text(event, "name");
    let to = |what: &str| link(&["event-type", name, what]);
    let archived = flag(event, "archived");
    let form = |what: &str, word, fields| Form {
        to: to(what),
        proof: session.proof(),
        word,
        fields,
        more: html! {},
    };
    html! {
        (result())
        p.dim { "Created " (time(text(event, "createdAt"))) ", changed " (time(text(event, "updatedAt"))) @if archived { ", archived" } "." }
        (super::form::show(&form("edit", "Save", fields(event))))
        (folded(if archived { "Bring it back" } else { "Archive it" }, archived, &form("archive", if archived { "Bring it back" } else { "Archive" }, vec![
            super::form::hidden("archived", if archived { "false" } else { "true" }),
        ])))
        (folded("Delete it", false, &form("delete", "Delete for good", Vec::new())))
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
