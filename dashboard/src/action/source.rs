//! What is done with sources.

use super::{Done, ask, chosen, json_field, lines_field, number, said, then};
use crate::data::{base, items, link, path, text, words};
use crate::view;
use crate::{Api, Page, Request};
use maud::html;
use serde_json::{Map, Value, json};

/// What the forms of a source say, as the API wants it.
fn settings(request: &Request, before: &Value) -> Result<Map<String, Value>, Page> {
    let mut config = chosen(request, &["secret"]);
    let params = lines_field(request, "params")?;
    if !params.is_empty() {
        config.insert("params".to_owned(), Value::Object(params));
    }
    config.extend(json_field(request, "custom")?.map(|custom| ("custom".to_owned(), custom)));
    // What the form does not have stays as it was.
    let mut options = before.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    let headers = words(request.field("forwardHeaders").unwrap_or_default());
    options.extend([
        ("unverified".to_owned(), json!(request.field("unverified").unwrap_or("reject"))),
        ("forwardHeaders".to_owned(), json!(headers)),
        ("eventType".to_owned(), json!(request.field("eventType"))),
        ("dedupWindowSeconds".to_owned(), number(request, "dedupWindowSeconds")),
        ("url".to_owned(), json!(request.field("url"))),
    ]);
    let mut body = chosen(request, &["name"]);
    body.insert("config".to_owned(), Value::Object(config));
    body.insert("options".to_owned(), Value::Object(options));
    Ok(body)
}

pub(super) async fn new_source<A: Api>(api: &A, request: &Request) -> Done {
    let mut body = settings(request, &Value::Null)?;
    body.extend(chosen(request, &["type", "uid"]));
    let call = ("POST", "ingest/source", Some(Value::Object(body)));
    then(api, request, call, |source| link(&["app", text(source, "id")])).await
}

pub(super) async fn edit_source<A: Api>(api: &A, request: &Request, source: &str) -> Done {
    let own = base(source, &[]);
    let before = ask(api, "GET", &own, None).await?;
    let mut body = settings(request, &before)?;
    for name in ["uid", "metadata", "type"] {
        body.insert(name.to_owned(), before.get(name).cloned().unwrap_or_default());
    }
    then(api, request, ("PUT", &own, Some(Value::Object(body))), |_| link(&["app", source])).await
}

pub(super) async fn rotate_token<A: Api>(api: &A, source: &str) -> Done {
    let rotated = ask(api, "POST", &base(source, &["token", "rotate"]), None).await?;
    let sentence =
        "The new URL. The one of before stays valid for two days: give the provider the new one by then.";
    Ok(Page::html(200, view::secret(text(&rotated, "ingestUrl"), sentence)))
}

pub(super) async fn delete_source<A: Api>(api: &A, request: &Request, source: &str) -> Done {
    then(api, request, ("DELETE", &base(source, &[]), None), |_| link(&["sources"])).await
}

/// Takes a rejected request as if its signature had been right.
pub(super) async fn accept<A: Api>(api: &A, source: &str, id: &str) -> Done {
    let taken =
        ask(api, "POST", &path(&["ingest", "source", source, "rejected", id, "accept"]), None).await?;
    let messages: Vec<&str> = items(&taken, "messages").iter().filter_map(Value::as_str).collect();
    if messages.is_empty() {
        return Ok(said("It is accepted. Nothing new came of it: these events were here already."));
    }
    Ok(Page::html(
        200,
        html! { p role="status" { "It is accepted, and delivered: " @for message in messages { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } } },
    ))
}
