//! Actions on the page of an endpoint.

use super::{Planned, Shows, Step, call, chosen, go, json_field, lines_field, nothing, number, show, wrong};
use crate::data::{base, items, link, moment, text, words};
use crate::said::Said;
use crate::scope::t;
use crate::session::Session;
use crate::view::{self, hidden};
use crate::{PREFIX, Page, Request};
use maud::html;
use serde_json::{Map, Value, json};

/// The operations that resend messages.
const AGAIN: [&str; 3] = ["recover", "replay-missing", "bulk-replay"];

pub(super) fn planned<'a>(
    session: &'a Session,
    request: &'a Request,
    app: &'a str,
    id: &str,
    what: &'a str,
) -> Planned<'a> {
    let own = base(app, &["endpoint", id]);
    let here = link(&["app", app, "endpoint", id]);
    match what {
        "toggle" | "pause" => {
            let set = |name: &str| Some((name.to_owned(), json!(request.field(name)? == "true")));
            let body: Map<String, Value> = ["disabled", "paused"].into_iter().filter_map(set).collect();
            let is = |name: &str| body.get(name).and_then(Value::as_bool);
            let said = match (is("disabled"), is("paused")) {
                (Some(true), _) => Said::EndpointDisabled,
                (Some(false), _) => Said::EndpointEnabled,
                (None, Some(true)) => Said::EndpointPaused,
                (None, _) => Said::EndpointResumed,
            };
            go("PATCH", own, Some(Value::Object(body)), here, said)
        }
        "edit" => go("PATCH", own, Some(edited(request)?), format!("{here}/settings"), Said::Saved),
        "delete" => {
            let to = if session.app.is_some() { PREFIX.to_owned() } else { link(&["app", app]) };
            go("DELETE", own, None, to, Said::EndpointDeleted)
        }
        "secret" => show("GET", format!("{own}/secret"), None, view::secret),
        "rotate" => {
            let body = json!({ "gracePeriodSeconds": number(request, "grace") });
            show("POST", format!("{own}/secret/rotate"), Some(body), |secret| {
                view::secret_of(
                    text(secret, "key"),
                    "The new secret. Update the receiver before the previous secret expires.",
                )
            })
        }
        "header" => {
            let name = request.field("name").unwrap_or_default();
            let body = json!({ "headers": { name: request.field("value") } });
            go("PATCH", format!("{own}/headers"), Some(body), format!("{here}/headers"), Said::Saved)
        }
        "plugin" | "plugin-up" | "plugin-down" | "plugin-off" => {
            let path = format!("{own}/plugins");
            Ok(Step::After(
                path.clone(),
                Box::new(move |attached| {
                    let body = rearranged(request, what, items(attached, "plugins").to_vec())?;
                    Ok(call("PUT", path, Some(body), Shows::Page(format!("{here}/plugins"), Said::Saved)))
                }),
            ))
        }
        "test" => {
            let mut body = chosen(request, &["eventType"]);
            body.extend(json_field(request, "payload")?.map(|payload| ("payload".to_owned(), payload)));
            show("POST", format!("{own}/send-example"), Some(Value::Object(body)), move |sent| {
                let message = link(&["app", app, "message", text(sent, "id")]);
                html! { div.note.ok.i-check role="status" { div.grow { p { (t("Sent.")) " " a href=(message) { (t("View the message")) } } } } }
            })
        }
        // How many messages would be resent.
        "count" => {
            let Again { kind, body, fields } = again(request)?;
            show("POST", format!("{own}/{kind}?dry_run=true"), Some(body), move |count| {
                let asked = fields.into_iter().map(|(name, value)| hidden(name, value)).collect();
                view::counted(session, format!("{here}/replay"), count, ["message", "messages"], asked)
            })
        }
        "replay" => {
            let Again { kind, body, .. } = again(request)?;
            show("POST", format!("{own}/{kind}"), Some(body), view::task)
        }
        _ => Err(nothing()),
    }
}

/// A request of the form that resends messages.
struct Again<'a> {
    /// The operation.
    kind: &'a str,
    body: Value,
    /// The form's fields.
    fields: Vec<(&'static str, &'a str)>,
}

fn again(request: &Request) -> Result<Again<'_>, Page> {
    let kind = request.field("what").filter(|kind| AGAIN.contains(kind));
    let kind = kind.ok_or_else(|| wrong(422, "Select what to resend."))?;
    let mut body = chosen(request, &["since", "until"]);
    for (_, value) in &mut body {
        *value = json!(moment(value.as_str().unwrap_or_default()));
    }
    if kind == "bulk-replay" {
        body.extend(chosen(request, &["channel", "tag"]));
        let types = words(request.field("eventTypes").unwrap_or_default());
        body.insert("eventTypes".to_owned(), json!(types));
        body.insert("status".to_owned(), number(request, "status"));
    }
    let names = ["what", "since", "until", "eventTypes", "channel", "tag", "status"];
    let fields = names.into_iter().filter_map(|name| Some((name, request.field(name)?))).collect();
    Ok(Again { kind, body: Value::Object(body), fields })
}

/// The body that sets an endpoint's plugins after one was attached, changed, moved or detached.
fn rearranged(request: &Request, what: &str, mut plugins: Vec<Value>) -> Result<Value, Page> {
    let at = request.field("at").map(|at| at.parse::<usize>().unwrap_or(usize::MAX));
    if at.is_some_and(|at| at >= plugins.len()) {
        return Err(wrong(409, "The plugins were changed in the meantime. Reload the page."));
    }
    match (what, at) {
        ("plugin-up", Some(at)) if at > 0 => plugins.swap(at, at.saturating_sub(1)),
        ("plugin-down", Some(at)) if at.saturating_add(1) < plugins.len() => {
            plugins.swap(at, at.saturating_add(1));
        }
        ("plugin-off", Some(at)) => drop(plugins.remove(at)),
        ("plugin", at) => {
            let mut one = chosen(request, &["name", "version", "onError"]);
            let config = view::config::read(request).map_err(|why| wrong(422, &why))?;
            one.extend(config.map(|config| ("config".to_owned(), config)));
            match at.and_then(|at| plugins.get_mut(at)) {
                Some(place) => *place = Value::Object(one),
                None => plugins.push(Value::Object(one)),
            }
        }
        _ => {}
    }
    // The response has a field that the request does not accept.
    let kept = plugins.into_iter().map(|mut plugin| {
        if let Some(map) = plugin.as_object_mut() {
            map.remove("runningVersion");
        }
        plugin
    });
    Ok(json!({ "plugins": kept.collect::<Vec<_>>() }))
}

/// A retry schedule: seconds, `none`, or the gateway's own. The API rejects invalid numbers.
fn schedule(given: Option<&str>) -> Value {
    let Some(given) = given else { return Value::Null };
    if given.eq_ignore_ascii_case("none") {
        return json!([]);
    }
    let seconds = |word: &str| word.parse::<f64>().map_or_else(|_| json!(word), |seconds| json!(seconds));
    words(given).into_iter().map(seconds).collect()
}

/// The changes that the form of an endpoint asks for: all fields that it has.
fn edited(request: &Request) -> Result<Value, Page> {
    let events = request.fields("event");
    let pace = request
        .field("paceLimit")
        .map(|_| json!({ "limit": number(request, "paceLimit"), "window": request.field("paceWindow").unwrap_or("second") }));
    let batch = request.field("batchEvents").map(|_| {
        let wait = match number(request, "batchWait") {
            Value::Null => json!(0),
            wait => wait,
        };
        json!({ "maxEvents": number(request, "batchEvents"), "maxWaitMs": wait })
    });
    let channels = words(request.field("channels").unwrap_or_default());
    let all = [
        ("channels", if channels.is_empty() { Value::Null } else { json!(channels) }),
        ("retrySchedule", schedule(request.field("retrySchedule"))),
        ("timeoutSeconds", number(request, "timeoutSeconds")),
        ("maxInFlight", number(request, "maxInFlight")),
        ("url", json!(request.field("url").unwrap_or_default())),
        ("description", json!(request.field("description").unwrap_or_default())),
        ("throttleRate", number(request, "throttleRate")),
        ("eventTypes", if events.is_empty() { Value::Null } else { json!(events) }),
        ("throttle", json!(pace)),
        ("order", json!(request.field("order"))),
        ("batch", json!(batch)),
        ("preset", json!(request.field("preset"))),
        ("uid", json!(request.field("uid"))),
        ("headerProfile", json!(request.field("headerProfile"))),
        ("metadata", Value::Object(lines_field(request, "metadata")?)),
    ];
    let mut body: Map<String, Value> =
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if request.field("preset").is_some() {
        body.insert("presetParams".to_owned(), Value::Object(lines_field(request, "presetParams")?));
        body.insert("scheme".to_owned(), json_field(request, "scheme")?.unwrap_or_default());
    }
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request {
        let form = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request { form, ..Request::default() }
    }

    fn names(what: &str, fields: &[(&str, &str)]) -> Vec<String> {
        let plugins = ["a", "b", "c"].map(|name| json!({ "name": name, "runningVersion": "v" }));
        let put = rearranged(&request(fields), what, plugins.to_vec()).unwrap();
        assert!(!put.to_string().contains("runningVersion"), "{put}");
        items(&put, "plugins").iter().map(|plugin| text(plugin, "name").to_owned()).collect()
    }

    #[test]
    fn plugins_are_moved_detached_changed_and_attached() {
        assert_eq!(names("plugin-up", &[("at", "1")]), ["b", "a", "c"]);
        assert_eq!(names("plugin-up", &[("at", "0")]), ["a", "b", "c"]);
        assert_eq!(names("plugin-down", &[("at", "1")]), ["a", "c", "b"]);
        assert_eq!(names("plugin-down", &[("at", "2")]), ["a", "b", "c"]);
        assert_eq!(names("plugin-off", &[("at", "1")]), ["a", "c"]);
        assert_eq!(names("plugin", &[("at", "1"), ("name", "x")]), ["a", "x", "c"]);
        assert_eq!(names("plugin", &[("name", "x")]), ["a", "b", "c", "x"]);
        let gone = rearranged(&request(&[("at", "1")]), "plugin-off", vec![json!({})]);
        assert_eq!(gone.unwrap_err().status, 409);
    }

    #[test]
    fn every_field_of_the_api_can_be_set_on_the_pages() {
        let api: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        let fields =
            api.pointer("/components/schemas/EndpointPatch/properties").and_then(Value::as_object).unwrap();
        let body =
            edited(&request(&[("url", "u"), ("preset", "x"), ("paceLimit", "1"), ("metadata", "a: b")]))
                .unwrap();
        // Buttons and sections of their own, and other names of the same field.
        let elsewhere = ["disabled", "paused", "secret", "filterTypes", "rateLimit", "version"];
        let missing: Vec<_> = fields
            .keys()
            .filter(|name| body.get(name.as_str()).is_none() && !elsewhere.contains(&name.as_str()))
            .collect();
        assert_eq!(missing, Vec::<&String>::new());
        assert_eq!(body["metadata"], json!({ "a": "b" }));
    }

    #[test]
    fn a_retry_schedule_is_seconds_none_or_the_gateways_own() {
        assert_eq!(schedule(None), Value::Null);
        assert_eq!(schedule(Some("None")), json!([]));
        assert_eq!(schedule(Some("5, 0.5 300")), json!([5.0, 0.5, 300.0]));
        assert_eq!(schedule(Some("soon")), json!(["soon"]));
    }

    #[test]
    fn a_form_without_a_preset_takes_it_back_and_leaves_what_belonged_to_it() {
        let body = edited(&request(&[("url", "u"), ("paceLimit", "5"), ("paceWindow", "hour")])).unwrap();
        assert_eq!((&body["preset"], body.get("presetParams")), (&Value::Null, None));
        assert_eq!(body["throttle"], json!({ "limit": 5, "window": "hour" }));
        assert_eq!((&body["batch"], &body["eventTypes"]), (&Value::Null, &Value::Null));
        let body =
            edited(&request(&[("preset", "x"), ("presetParams", "header: x-a"), ("batchEvents", "3")]))
                .unwrap();
        assert_eq!(
            (&body["presetParams"], &body["batch"]["maxWaitMs"]),
            (&json!({ "header": "x-a" }), &json!(0))
        );
    }
}
