//! Actions on sources.

use super::{
    Done, Planned, Shows, Step, call, chosen, fault, go, json_field, lines_field, make, number, show, wrong,
};
use crate::data::{base, items, link, path, query, text, words};
use crate::said::Said;
use crate::{Api, Page, Request, view};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    make("ingest/source", body, link(&["app"]), "id", Said::SourceCreated)
}

#[allow(clippy::unnecessary_wraps)] // other plans fail
pub(super) fn edit<'a>(request: &'a Request, source: &'a str) -> Planned<'a> {
    let own = base(source, &[]);
    let changed = move |before: &Value| {
        let mut body = settings(request, before)?;
        for name in ["uid", "metadata", "type"] {
            body.insert(name.to_owned(), before.get(name).cloned().unwrap_or_default());
        }
        Ok(call(
            "PUT",
            base(source, &[]),
            Some(Value::Object(body)),
            Shows::Page(link(&["app", source]), Said::Saved),
        ))
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

/// A source and one of its rejected requests.
async fn rejected<A: Api>(api: &A, source: &str, id: &str) -> Result<(Value, Value), Page> {
    let (about, kept) = (base(source, &[]), base(source, &["rejected", id]));
    let (about, kept) =
        futures_util::future::join(api.call("GET", &about, None), api.call("GET", &kept, None)).await;
    match (about.is_ok(), kept.is_ok()) {
        (false, _) => Err(fault(&about)),
        (_, false) => Err(fault(&kept)),
        _ => Ok((about.body, kept.body)),
    }
}

/// Verifies a rejected request with the secret of the form, at the time when it arrived: with the preset of the source, or
/// with its own scheme.
async fn verified<A: Api>(api: &A, request: &Request, source: &Value, kept: &Value) -> Result<Value, Page> {
    let given = items(kept, "headers").iter().filter(|pair| pair.get(1).is_none_or(|value| value != MASK));
    let mut body = chosen(request, &["secret"]);
    body.insert("headers".to_owned(), given.cloned().collect());
    body.insert("body".to_owned(), json!(text(kept, "rawBody")));
    for (to, from) in [("method", "method"), ("url", "url"), ("now", "timestamp")] {
        body.insert(to.to_owned(), json!(text(kept, from)));
    }
    let params = lines_field(request, "params")?;
    if !params.is_empty() {
        body.insert("params".to_owned(), Value::Object(params));
    }
    let preset = match source.pointer("/config/custom/scheme") {
        Some(scheme) => {
            body.insert("scheme".to_owned(), scheme.clone());
            "custom"
        }
        None => text(source, "preset"),
    };
    let answer = api.call("POST", &path(&["preset", preset, "verify"]), Some(Value::Object(body))).await;
    if answer.is_ok() { Ok(answer.body) } else { Err(fault(&answer)) }
}

/// Shows whether a rejected request is valid with the secret of the form.
pub(super) async fn check<A: Api>(api: &A, request: &Request, source: &str, id: &str) -> Done {
    let (about, kept) = rejected(api, source, id).await?;
    let verdict = verified(api, request, &about, &kept).await?;
    Ok(Page::piece(view::checked(&verdict, &view::Checked { source: &about, kept: &kept, request })))
}

/// Makes the secret of the form the source's secret, and accepts the rejected request that is valid with it.
pub(super) async fn adopt<A: Api>(api: &A, request: &Request, source: &str, id: &str) -> Done {
    let (about, kept) = rejected(api, source, id).await?;
    if crate::lossless::is_changed(&about) {
        return Err(wrong(
            422,
            "The source contains JSON that the dashboard cannot edit. Use the API to set its secret.",
        ));
    }
    let verdict = verified(api, request, &about, &kept).await?;
    if !view::is_good(&verdict) {
        let checked = view::checked(&verdict, &view::Checked { source: &about, kept: &kept, request });
        return Ok(Page::piece(checked));
    }
    let mut config = chosen(request, &["secret"]);
    let params = lines_field(request, "params")?;
    if !params.is_empty() {
        config.insert("params".to_owned(), Value::Object(params));
    }
    let custom = about.pointer("/config/custom").filter(|custom| !custom.is_null());
    config.extend(custom.map(|custom| ("custom".to_owned(), custom.clone())));
    let mut body = Map::new();
    for name in ["name", "uid", "metadata", "type", "options"] {
        body.insert(name.to_owned(), about.get(name).cloned().unwrap_or_default());
    }
    body.insert("config".to_owned(), Value::Object(config));
    let saved = api.call("PUT", &base(source, &[]), Some(Value::Object(body))).await;
    if !saved.is_ok() {
        return Err(fault(&saved));
    }
    let accepted = api.call("POST", &base(source, &["rejected", id, "accept"]), None).await;
    if !accepted.is_ok() {
        let why = accepted.sentence();
        return Err(wrong(
            accepted.status,
            &format!("The secret is saved, but the request was not accepted: {why}"),
        ));
    }
    Ok(Page::go_or_load(&link(&["app", source, "rejected", id]), request.partial).saying(Said::SecretSaved))
}

/// Accepts a rejected request as if its signature were valid. Its page shows the messages.
pub(super) fn accept<'a>(source: &str, id: &str) -> Planned<'a> {
    let here = link(&["app", source, "rejected", id]);
    go("POST", base(source, &["rejected", id, "accept"]), None, here, Said::Accepted)
}
