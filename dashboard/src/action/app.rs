//! Actions on applications.

use super::{Planned, chosen, go, make, show};
use crate::data::{base, is_source, link, path};
use crate::said::Said;
use crate::{Request, view};
use serde_json::json;

pub(super) fn edit<'a>(request: &Request, app: &str) -> Planned<'a> {
    let body = json!({ "name": request.field("name").unwrap_or_default(), "uid": request.field("uid") });
    go("PATCH", path(&["app", app]), Some(body), link(&["app", app]), Said::Saved)
}

/// A link that signs a customer in.
pub(super) fn portal<'a>(request: &Request, app: &str) -> Planned<'a> {
    let expiry: Option<i64> = request.field("expiry").and_then(|seconds| seconds.parse().ok());
    let body = json!({ "expiry": expiry, "readOnly": request.ticked("readOnly") });
    let to =
        if is_source(app) { base(app, &["dashboard"]) } else { path(&["auth", "app-portal-access", app]) };
    show("POST", to, Some(body), view::portal)
}

pub(super) fn new_endpoint<'a>(request: &Request, app: &str) -> Planned<'a> {
    let mut body = chosen(request, &["url", "description"]);
    let events = request.fields("event");
    if !events.is_empty() {
        body.insert("eventTypes".to_owned(), json!(events));
    }
    make(&base(app, &["endpoint"]), body, link(&["app", app, "endpoint"]), "id", Said::EndpointCreated)
}
