//! What is done with applications.

use super::{Done, ask, chosen, endpoint_page, then};
use crate::data::{base, is_source, link, path, text};
use crate::view;
use crate::{Api, PREFIX, Page, Request};
use serde_json::{Value, json};

pub(super) async fn new_app<A: Api>(api: &A, request: &Request) -> Done {
    let body = Value::Object(chosen(request, &["name", "uid"]));
    then(api, request, ("POST", "app", Some(body)), |app| link(&["app", text(app, "id")])).await
}

pub(super) async fn edit_app<A: Api>(api: &A, request: &Request, app: &str) -> Done {
    let body = json!({ "name": request.field("name").unwrap_or_default(), "uid": request.field("uid") });
    then(api, request, ("PATCH", &path(&["app", app]), Some(body)), |_| link(&["app", app])).await
}

pub(super) async fn delete_app<A: Api>(api: &A, request: &Request, app: &str) -> Done {
    then(api, request, ("DELETE", &path(&["app", app]), None), |_| PREFIX.to_owned()).await
}

/// A link that signs a customer in.
pub(super) async fn portal<A: Api>(api: &A, request: &Request, app: &str) -> Done {
    let expiry: Option<i64> = request.field("expiry").and_then(|seconds| seconds.parse().ok());
    let body = json!({ "expiry": expiry, "readOnly": request.ticked("readOnly") });
    let to =
        if is_source(app) { base(app, &["dashboard"]) } else { path(&["auth", "app-portal-access", app]) };
    Ok(Page::html(200, view::portal(&ask(api, "POST", &to, Some(body)).await?)))
}

pub(super) async fn new_endpoint<A: Api>(api: &A, request: &Request, app: &str) -> Done {
    let mut body = chosen(request, &["url", "description"]);
    let events = request.fields("event");
    if !events.is_empty() {
        body.insert("eventTypes".to_owned(), json!(events));
    }
    let call = ("POST", base(app, &["endpoint"]), Some(Value::Object(body)));
    then(api, request, (call.0, &call.1, call.2), |endpoint| endpoint_page(app, endpoint)).await
}
