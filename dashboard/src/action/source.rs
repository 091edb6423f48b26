//! Actions on sources.

use super::{Planned, Shows, Step, call, chosen, json_field, lines_field, make, notice, number, show};
use crate::data::{base, items, link, path, query, text, texts, words};
use crate::{Page, Request, view};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::html;
use serde_json::{Map, Value, json};

/// The value of headers that are not stored.
const MASK: &str = "***";

/// The settings in a source's form, as the API expects them.
fn settings(request: &Request, before: &Value) -> Result<Map<String, Value>, Page> {
    let mut config = chosen(request, &["secret"]);
    let params = lines_field(request, "params")?;
    if !params.is_empty() {
        config.insert("params".to_owned(), Value::Object(params));
    }
    config.extend(json_field(request, "custom")?.map(|custom| ("custom".to_owned(), custom)));
    // Options without a field are unchanged.
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
        let sentence = "The new URL. Update the provider before the previous URL expires.";
        view::secret_of(text(rotated, "ingestUrl"), sentence)
    })
}

/// Creates a command that sends a signed test event to a source, as its provider would.
#[allow(clippy::unnecessary_wraps)] // other plans fail
pub(super) fn test<'a>(request: &'a Request, source: &str) -> Planned<'a> {
    let headers = lines_field(request, "headers")?;
    let payload = request.field("payload").unwrap_or_default();
    let sign = move |source: &Value| {
        let url = text(source, "ingestUrl").to_owned();
        let mut body = chosen(request, &["secret"]);
        body.insert("body".to_owned(), json!(STANDARD.encode(payload)));
        body.insert("url".to_owned(), json!(url));
        body.insert("headers".to_owned(), Value::Object(headers.clone()));
        let command = move |signed: &Value| {
            let own = signed.get("headers").and_then(Value::as_object).into_iter().flatten();
            let all: Vec<(String, Value)> =
                headers.into_iter().chain(own.map(|(name, value)| (name.clone(), value.clone()))).collect();
            let body = signed.get("body").and_then(Value::as_str).and_then(|body| STANDARD.decode(body).ok());
            let body =
                body.and_then(|body| String::from_utf8(body).ok()).unwrap_or_else(|| payload.to_owned());
            let url = signed.get("url").and_then(Value::as_str).unwrap_or(&url);
            view::secret_of(
                &view::curl(
                    url,
                    all.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())),
                    &body,
                ),
                "Run this command in a terminal. The event shows on this page within seconds.",
            )
        };
        Ok(call(
            "POST",
            path(&["preset", text(source, "type"), "sign"]),
            Some(Value::Object(body)),
            Shows::Piece(Box::new(command)),
        ))
    };
    Ok(Step::After(base(source, &[]), Box::new(sign)))
}

/// Verifies a rejected request with a secret, at the time when it arrived.
#[allow(clippy::unnecessary_wraps)] // other plans fail
pub(super) fn check<'a>(request: &'a Request, source: &'a str, id: &str) -> Planned<'a> {
    let preset = request.field("type").unwrap_or_default();
    let verify = move |kept: &Value| {
        let given =
            items(kept, "headers").iter().filter(|pair| pair.get(1).is_none_or(|value| value != MASK));
        let mut body = chosen(request, &["secret"]);
        body.insert("headers".to_owned(), given.cloned().collect());
        body.insert("body".to_owned(), json!(text(kept, "rawBody")));
        for (to, from) in [("method", "method"), ("url", "url"), ("now", "timestamp")] {
            body.insert(to.to_owned(), json!(text(kept, from)));
        }
        let piece = move |verdict: &Value| view::checked(verdict, source);
        let verify = path(&["preset", preset, "verify"]);
        Ok(call("POST", verify, Some(Value::Object(body)), Shows::Piece(Box::new(piece))))
    };
    Ok(Step::After(base(source, &["rejected", id]), Box::new(verify)))
}

/// Accepts a rejected request as if its signature were valid.
pub(super) fn accept<'a>(source: &'a str, id: &str) -> Planned<'a> {
    show("POST", base(source, &["rejected", id, "accept"]), None, move |taken| {
        let messages = texts(taken, "messages");
        if messages.is_empty() {
            return notice("Accepted. These events were already stored, so nothing new is delivered.");
        }
        html! { div.note.ok.i-check role="status" { div.grow { p { "Accepted and delivered: " @for message in messages { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } } } } }
    })
}
