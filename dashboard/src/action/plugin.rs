//! Actions on plugins: uploads, versions, test runs.

use super::{Call, Planned, Shows, Step, call, go, json_field, lines_field, nothing, wrong};
use crate::data::{link, path, text};
use crate::said::Said;
use crate::{Answer, Page, Request, view};
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(super) fn planned<'a>(request: &Request, name: &str, what: &str) -> Planned<'a> {
    let own = path(&["plugin", name]);
    let here = link(&["plugin", name]);
    let version = request.field("version").unwrap_or_default();
    match what {
        "upload" => {
            let module = request.file("wasm").ok_or_else(|| wrong(422, "Choose a .wasm file."))?;
            let shows = Shows::Page(here, Said::PluginUploaded);
            Ok(Step::Call(Call { method: "PUT", path: own, body: module.to_vec(), shows }))
        }
        "current" => go(
            "POST",
            format!("{own}/current"),
            Some(json!({ "version": version })),
            here,
            Said::VersionPromoted,
        ),
        "delete-version" => {
            go("DELETE", path(&["plugin", name, "version", version]), None, here, Said::PluginDeleted)
        }
        "delete" => {
            let force = if request.ticked("force") { "?force=true" } else { "" };
            go("DELETE", format!("{own}{force}"), None, link(&["plugins"]), Said::PluginDeleted)
        }
        "test" => {
            let body = test(request)?;
            // A run is shown with the fuel limit, which is a setting.
            let run = move |settings: &Value| {
                let limit = settings
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|setting| text(setting, "name") == "MAX_PLUGIN_FUEL")
                    .and_then(|setting| text(setting, "value").parse().ok());
                let shows = Shows::Exact(Box::new(move |report: &Answer| {
                    view::tested(&report.body, report.payload.as_deref().map(RawValue::get), limit)
                }));
                Ok(call("POST", format!("{own}/test"), Some(body), shows))
            };
            Ok(Step::After("settings".to_owned(), Box::new(run)))
        }
        _ => Err(nothing()),
    }
}

fn test(request: &Request) -> Result<Value, Page> {
    let mut body = json!({
        "version": request.field("version"),
        "config": view::config::read(request).map_err(|why| wrong(422, &why))?,
    });
    let made = if let Some(message) = request.field("messageId") {
        json!({ "messageId": message, "appId": request.field("appId") })
    } else {
        let payload = json_field(request, "payload")?
            .ok_or_else(|| wrong(422, "Select a message, or enter an event type and a payload."))?;
        let headers = lines_field(request, "headers")?;
        let event_type = request.field("eventType").unwrap_or_default();
        json!({ "event": { "eventType": event_type, "payload": payload, "headers": headers } })
    };
    if let (Some(body), Value::Object(made)) = (body.as_object_mut(), made) {
        body.extend(made);
    }
    Ok(body)
}
