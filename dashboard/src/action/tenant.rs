//! What is done with what a tenant has once: event types, tokens, operational webhooks.

use super::{Done, ask, chosen, json_field, said, then};
use crate::data::{flag, items, link, path, text, words};
use crate::view;
use crate::{Api, Page, Request};
use serde_json::{Map, Value, json};

/// What the form of an event type says.
fn content(request: &Request) -> Result<Map<String, Value>, Page> {
    let mut body = Map::new();
    body.insert("description".to_owned(), json!(request.field("description").unwrap_or_default()));
    body.insert("groupName".to_owned(), json!(request.field("groupName")));
    body.insert("schemas".to_owned(), json_field(request, "schemas")?.unwrap_or_default());
    body.insert("deprecated".to_owned(), json!(request.ticked("deprecated")));
    Ok(body)
}

pub(super) async fn new_event_type<A: Api>(api: &A, request: &Request) -> Done {
    let mut body = content(request)?;
    body.extend(chosen(request, &["name"]));
    let call = ("POST", "event-type", Some(Value::Object(body)));
    then(api, request, call, |event| link(&["event-type", text(event, "name")])).await
}

/// Makes the event types of a provider.
pub(super) async fn import<A: Api>(api: &A, request: &Request) -> Done {
    let preset = request.field("preset").unwrap_or_default();
    let to = path(&["preset", preset, "event-types"]);
    then(api, request, ("POST", &to, None), |_| link(&["event-types"])).await
}

pub(super) async fn on_event_type<A: Api>(api: &A, request: &Request, name: &str, what: &str) -> Done {
    let own = path(&["event-type", name]);
    let all = |_: &Value| link(&["event-types"]);
    match what {
        "edit" => {
            let body = Value::Object(content(request)?);
            then(api, request, ("PATCH", &own, Some(body)), |_| link(&["event-type", name])).await
        }
        "archive" => {
            let body = json!({ "archived": request.field("archived") == Some("true") });
            then(api, request, ("PATCH", &own, Some(body)), |_| link(&["event-type", name])).await
        }
        "delete" => then(api, request, ("DELETE", &format!("{own}?expunge=true"), None), all).await,
        _ => Err(Page::refused(404, "There is no such action.")),
    }
}

/// Takes all tokens of an application back.
pub(super) async fn expire<A: Api>(api: &A, request: &Request) -> Done {
    let app = request.field("app").unwrap_or_default();
    ask(api, "POST", &format!("{}/expire-all", path(&["auth", "app", app])), Some(json!({ "expiry": 0 })))
        .await?;
    Ok(said("All tokens of this application are void. Elsewhere they may be believed for some seconds more."))
}

pub(super) async fn new_operational<A: Api>(api: &A, request: &Request) -> Done {
    let mut body = chosen(request, &["url"]);
    let types = words(request.field("eventTypes").unwrap_or_default());
    if !types.is_empty() {
        body.insert("eventTypes".to_owned(), json!(types));
    }
    let call = ("POST", "operational-webhook/endpoint", Some(Value::Object(body)));
    then(api, request, call, |_| link(&["settings"])).await
}

pub(super) async fn on_operational<A: Api>(api: &A, request: &Request, id: &str, what: &str) -> Done {
    let own = path(&["operational-webhook", "endpoint", id]);
    let here = |_: &Value| link(&["settings"]);
    match what {
        "secret" => {
            let secret = ask(api, "GET", &format!("{own}/secret"), None).await?;
            Ok(Page::html(200, view::secret(text(&secret, "key"), "The secret that signs:")))
        }
        "delete" => then(api, request, ("DELETE", &own, None), here).await,
        "toggle" => {
            let before = ask(api, "GET", &own, None).await?;
            let types = items(&before, "eventTypes");
            let body = json!({
                "url": text(&before, "url"),
                "description": text(&before, "description"),
                "uid": before.get("uid"),
                "metadata": before.get("metadata"),
                "throttleRate": before.get("throttleRate"),
                "eventTypes": if types.is_empty() { Value::Null } else { json!(types) },
                "disabled": !flag(&before, "disabled"),
            });
            then(api, request, ("PUT", &own, Some(body)), here).await
        }
        _ => Err(Page::refused(404, "There is no such action.")),
    }
}
