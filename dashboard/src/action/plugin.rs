//! What is done with plugins: uploads, versions, test runs.

use super::{Done, ask, fault, json_field, lines_field, then, wrong};
use crate::data::{link, path};
use crate::view;
use crate::{Api, Page, Request};
use serde_json::{Value, json};

pub(super) async fn on_plugin<A: Api>(api: &A, request: &Request, name: &str, what: &str) -> Done {
    let own = path(&["plugin", name]);
    let here = link(&["plugin", name]);
    let version = request.field("version").unwrap_or_default();
    match what {
        "upload" => {
            let module = request.file("wasm").ok_or_else(|| wrong(422, "Choose a .wasm file."))?;
            let answer = api.send("PUT", &own, module.to_vec()).await;
            if answer.is_ok() { Ok(Page::go_or_load(&here, request.partial)) } else { Err(fault(&answer)) }
        }
        "current" => {
            let body = json!({ "version": version });
            then(api, request, ("POST", &format!("{own}/current"), Some(body)), |_| here).await
        }
        "delete-version" => {
            let version = path(&["plugin", name, "version", version]);
            then(api, request, ("DELETE", &version, None), |_| here).await
        }
        "delete" => {
            let force = if request.ticked("force") { "?force=true" } else { "" };
            then(api, request, ("DELETE", &format!("{own}{force}"), None), |_| link(&["plugins"])).await
        }
        "test" => test(api, request, &own).await,
        _ => Err(Page::refused(404, "There is no such action.")),
    }
}

async fn test<A: Api>(api: &A, request: &Request, own: &str) -> Done {
    let mut body = json!({
        "version": request.field("version"),
        "config": json_field(request, "config")?,
    });
    let made = if let Some(message) = request.field("messageId") {
        json!({ "messageId": message, "appId": request.field("appId") })
    } else {
        let payload = json_field(request, "payload")?
            .ok_or_else(|| wrong(422, "Name a message, or give an event type and a payload."))?;
        let headers = lines_field(request, "headers")?;
        let event_type = request.field("eventType").unwrap_or_default();
        json!({ "event": { "eventType": event_type, "payload": payload, "headers": headers } })
    };
    if let (Some(body), Value::Object(made)) = (body.as_object_mut(), made) {
        body.extend(made);
    }
    let report = ask(api, "POST", &format!("{own}/test"), Some(body)).await?;
    Ok(Page::html(200, view::tested(&report)))
}
