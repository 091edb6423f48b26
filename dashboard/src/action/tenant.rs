//! Actions on a tenant's event types, tokens and operational webhooks.

use super::{Planned, Shows, Step, call, chosen, go, json_field, make, nothing, notice, show};
use crate::data::{flag, link, path, words};
use crate::said::Said;
use crate::{Page, Request, view};
use serde_json::{Map, Value, json};

/// The contents of an event type's form.
fn content(request: &Request) -> Result<Map<String, Value>, Page> {
    let mut body = Map::new();
    body.insert("description".to_owned(), json!(request.field("description").unwrap_or_default()));
    body.insert("groupName".to_owned(), json!(request.field("groupName")));
    // A form without the field leaves the schemas as they are.
    if request.form.iter().any(|(name, _)| name == "schemas") {
        body.insert("schemas".to_owned(), json_field(request, "schemas")?.unwrap_or_default());
    }
    body.insert("deprecated".to_owned(), json!(request.ticked("deprecated")));
    Ok(body)
}

pub(super) fn new_event_type<'a>(request: &Request) -> Planned<'a> {
    let mut body = content(request)?;
    body.extend(chosen(request, &["name"]));
    make("event-type", body, link(&["event-type"]), "name", Said::TypeCreated)
}

/// Creates the event types of a provider.
pub(super) fn import<'a>(request: &Request) -> Planned<'a> {
    let preset = request.field("preset").unwrap_or_default();
    go("POST", path(&["preset", preset, "event-types"]), None, link(&["event-types"]), Said::TypesImported)
}

pub(super) fn on_event_type<'a>(request: &Request, name: &str, what: &str) -> Planned<'a> {
    let own = path(&["event-type", name]);
    let here = link(&["event-type", name]);
    match what {
        "edit" => go("PATCH", own, Some(Value::Object(content(request)?)), here, Said::Saved),
        "archive" => {
            let body = json!({ "archived": request.field("archived") == Some("true") });
            go("PATCH", own, Some(body), here, Said::Saved)
        }
        "delete" => {
            go("DELETE", format!("{own}?expunge=true"), None, link(&["event-types"]), Said::TypeDeleted)
        }
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
    go(
        "POST",
        "operational-webhook/endpoint".to_owned(),
        Some(Value::Object(body)),
        link(&["settings"]),
        Said::WebhookCreated,
    )
}

/// The members of an endpoint that the API returns and does not accept, and other names of the same settings.
const OUTPUT_ONLY: [&str; 10] = [
    "id",
    "version",
    "createdAt",
    "updatedAt",
    "oldSecretUntil",
    "disabledAt",
    "disabledReason",
    "problem",
    "filterTypes",
    "rateLimit",
];

pub(super) fn on_operational<'a>(id: &str, what: &str) -> Planned<'a> {
    let own = path(&["operational-webhook", "endpoint", id]);
    let here = link(&["settings"]);
    match what {
        "secret" => show("GET", format!("{own}/secret"), None, view::secret),
        "delete" => go("DELETE", own, None, here, Said::WebhookDeleted),
        "toggle" => {
            let path = own.clone();
            let toggled = |before: &Value| {
                let mut body = before.as_object().cloned().unwrap_or_default();
                body.retain(|name, _| !OUTPUT_ONLY.contains(&name.as_str()));
                body.insert("disabled".to_owned(), json!(!flag(before, "disabled")));
                let body = Value::Object(body);
                Ok(call("PUT", path, Some(body), Shows::Page(here, Said::Saved)))
            };
            Ok(Step::After(own, Box::new(toggled)))
        }
        _ => Err(nothing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_an_operational_endpoint_keeps_all_of_its_settings() {
        let before = json!({ "id": "ep_1", "url": "https://x", "version": 1, "createdAt": "t", "disabled": false,
            "retrySchedule": [1.0, 2.0], "timeoutSeconds": 9, "filterTypes": null, "rateLimit": null, "throttleRate": 5 });
        let Ok(Step::After(_, toggle)) = on_operational("ep_1", "toggle") else { panic!("a read first") };
        let call = toggle(&before).expect("a call");
        let body: Value = serde_json::from_slice(&call.body).expect("json");
        assert_eq!(
            body,
            json!({ "url": "https://x", "disabled": true, "retrySchedule": [1.0, 2.0], "timeoutSeconds": 9, "throttleRate": 5 })
        );
    }

    #[test]
    fn every_setting_of_an_endpoint_is_accepted_or_only_returned() {
        let api: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).expect("json");
        let of = |name: &str| {
            let path = format!("/components/schemas/{name}/properties");
            let all = api.pointer(&path).and_then(Value::as_object).expect("a schema");
            all.keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        let accepted = of("EndpointIn");
        for name in of("EndpointOut") {
            assert!(accepted.contains(&name) || OUTPUT_ONLY.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_form_without_schemas_leaves_them() {
        let form = |fields: &[(&str, &str)]| Request {
            form: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Request::default()
        };
        assert!(content(&form(&[("description", "x")])).expect("a body").get("schemas").is_none());
        let emptied = content(&form(&[("description", "x"), ("schemas", "")])).expect("a body");
        assert_eq!(emptied.get("schemas"), Some(&Value::Null));
    }
}
