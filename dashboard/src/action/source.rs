//! What is done with sources.

use super::{Planned, Shows, Step, call, chosen, json_field, lines_field, make, number, said, show};
use crate::data::{base, link, query, text, texts, words};
use crate::{Page, Request, view};
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

pub(super) fn new<'a>(request: &Request) -> Planned<'a> {
    let mut body = settings(request, &Value::Null)?;
    body.extend(chosen(request, &["type", "uid"]));
    make("ingest/source", body, link(&["app"]), "id")
}

#[allow(clippy::unnecessary_wraps)] // other plans fail
pub(super) fn edit<'a>(request: &'a Request, source: &'a str) -> Planned<'a> {
    let own = base(source, &[]);
    let changed = move |before: &Value| {
        let mut body = settings(request, before)?;
        for name in ["uid", "metadata", "type"] {
            body.insert(name.to_owned(), before.get(name).cloned().unwrap_or_default());
        }
        Ok(call("PUT", base(source, &[]), Some(Value::Object(body)), Shows::Page(link(&["app", source]))))
    };
    Ok(Step::After(own, Box::new(changed)))
}

pub(super) fn rotate_token<'a>(request: &Request, source: &str) -> Planned<'a> {
    let grace = query(&[("grace_period_seconds", request.field("grace"))]);
    show("POST", format!("{}?{grace}", base(source, &["token", "rotate"])), None, |rotated| {
        let sentence = "The new URL. Give it to the provider while the one of before is valid, too.";
        view::secret_of(text(rotated, "ingestUrl"), sentence)
    })
}

/// Takes a rejected request as if its signature had been right.
pub(super) fn accept<'a>(source: &'a str, id: &str) -> Planned<'a> {
    show("POST", base(source, &["rejected", id, "accept"]), None, move |taken| {
        let messages = texts(taken, "messages");
        if messages.is_empty() {
            return said("It is accepted. Nothing new came of it: these events were here already.");
        }
        html! { div.note.ok.i-check role="status" { div.grow { p { "It is accepted, and delivered: " @for message in messages { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } } } } }
    })
}
