//! Actions on a tenant's event types, tokens and operational webhooks.

use super::{Planned, Shows, Step, call, chosen, go, json_field, make, nothing, notice, show};
use crate::data::{flag, items, link, path, text, words};
use crate::{Page, Request, view};
use serde_json::{Map, Value, json};

/// The contents of an event type's form.
fn content(request: &Request) -> Result<Map<String, Value>, Page> {
    let mut body = Map::new();
    body.insert("description".to_owned(), json!(request.field("description").unwrap_or_default()));
    body.insert("groupName".to_owned(), json!(request.field("groupName")));
    body.insert("schemas".to_owned(), json_field(request, "schemas")?.unwrap_or_default());
    body.insert("deprecated".to_owned(), json!(request.ticked("deprecated")));
    Ok(body)
}

pub(super) fn new_event_type<'a>(request: &Request) -> Planned<'a> {
    let mut body = content(request)?;
    body.extend(chosen(request, &["name"]));
    make("event-type", body, link(&["event-type"]), "name")
}

/// Creates the event types of a provider.
pub(super) fn import<'a>(request: &Request) -> Planned<'a> {
    let preset = request.field("preset").unwrap_or_default();
    go("POST", path(&["preset", preset, "event-types"]), None, link(&["event-types"]))
}

pub(super) fn on_event_type<'a>(request: &Request, name: &str, what: &str) -> Planned<'a> {
    let own = path(&["event-type", name]);
    let here = link(&["event-type", name]);
    match what {
        "edit" => go("PATCH", own, Some(Value::Object(content(request)?)), here),
        "archive" => {
            let body = json!({ "archived": request.field("archived") == Some("true") });
            go("PATCH", own, Some(body), here)
        }
        "delete" => go("DELETE", format!("{own}?expunge=true"), None, link(&["event-types"])),
        _ => Err(nothing()),
    }
}

/// Revokes all tokens of an application.
pub(super) fn expire<'a>(request: &Request) -> Planned<'a> {
    let app = request.field("app").unwrap_or_default();
    show("POST", path(&["auth", "app", app, "expire-all"]), Some(json!({ "expiry": 0 })), |_| {
        notice(
            "All tokens and links of this application are revoked. Other locations may accept them for a few more seconds.",
        )
    })
}

pub(super) fn new_operational<'a>(request: &Request) -> Planned<'a> {
    let mut body = chosen(request, &["url"]);
    let types = words(request.field("eventTypes").unwrap_or_default());
    if !types.is_empty() {
        body.insert("eventTypes".to_owned(), json!(types));
    }
    go("POST", "operational-webhook/endpoint".to_owned(), Some(Value::Object(body)), link(&["settings"]))
}

pub(super) fn on_operational<'a>(id: &str, what: &str) -> Planned<'a> {
    let own = path(&["operational-webhook", "endpoint", id]);
    let here = link(&["settings"]);
    match what {
        "secret" => show("GET", format!("{own}/secret"), None, view::secret),
        "delete" => go("DELETE", own, None, here),
        "toggle" => {
            let path = own.clone();
            let toggled = |before: &Value| {
                let types = items(before, "eventTypes");
                let body = json!({
                    "url": text(before, "url"),
                    "description": text(before, "description"),
                    "uid": before.get("uid"),
                    "metadata": before.get("metadata"),
                    "throttleRate": before.get("throttleRate"),
                    "eventTypes": if types.is_empty() { Value::Null } else { json!(types) },
                    "disabled": !flag(before, "disabled"),
                });
                Ok(call("PUT", path, Some(body), Shows::Page(here)))
            };
            Ok(Step::After(own, Box::new(toggled)))
        }
        _ => Err(nothing()),
    }
}
