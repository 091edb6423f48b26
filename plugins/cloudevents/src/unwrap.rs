//! A CloudEvent becomes a plain event again.

use crate::{CONTENT_TYPE, VERSION, base64};
use weir_plugin::prelude::*;

/// Unwraps both modes: a body in the JSON format, or `ce-…` headers.
pub(crate) fn unwrap(event: Event<'_>, prefix: &str) -> Result<Patch> {
    let content_type = event.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(CONTENT_TYPE) {
        return structured(event, prefix);
    }
    if event.header("ce-specversion").is_some() {
        return binary(event, prefix);
    }
    // Some senders have the format, but not its content type.
    match event.json() {
        Ok(body) if body.get("specversion").is_some() => structured(event, prefix),
        _ => Err(Error::new(
            "the event is not a CloudEvent: neither its body nor its headers have a `specversion`",
        )),
    }
}

/// The event's type, where the version is one that is known.
fn event_type(version: Option<&str>, kind: Option<&str>, prefix: &str) -> Result<String> {
    if version != Some(VERSION) {
        let version = version.unwrap_or("none");
        return Err(Error::new(format!("the CloudEvent's version is {version}; {VERSION} is supported")));
    }
    let kind =
        kind.filter(|kind| !kind.is_empty()).ok_or_else(|| Error::new("the CloudEvent has no `type`"))?;
    Ok(kind.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(kind).to_owned())
}

fn structured(event: Event<'_>, prefix: &str) -> Result<Patch> {
    let wrapped = event.json()?;
    let text = |name| wrapped.get(name).and_then(Value::as_str);
    let patch =
        Patch::new().event_type(event_type(text("specversion").as_deref(), text("type").as_deref(), prefix)?);
    let content_type = text("datacontenttype").unwrap_or("application/json".into()).into_owned();
    let subtype = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = subtype.ends_with("/json") || subtype.ends_with("+json");
    let patch = patch.header("content-type", content_type.as_str());
    if let Some(encoded) = text("data_base64") {
        let bytes = base64::decode(&encoded)
            .ok_or_else(|| Error::new("the CloudEvent's `data_base64` is not valid base64"))?;
        return Ok(patch.body(bytes));
    }
    Ok(match wrapped.get("data") {
        None => patch.body(Vec::new()),
        Some(Value::String(text)) if !is_json => patch.body(text.to_str().into_owned()),
        Some(data) => patch.json(data),
    })
}

fn binary(event: Event<'_>, prefix: &str) -> Result<Patch> {
    let kind = event.header("ce-type").map(decoded);
    let mut patch =
        Patch::new().event_type(event_type(event.header("ce-specversion"), kind.as_deref(), prefix)?);
    for (name, _) in event.headers().filter(|(name, _)| name.starts_with("ce-")) {
        patch = patch.remove_header(name);
    }
    Ok(patch)
}

/// A header's value without its percent-encoding.
fn decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = value.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if *byte == b'%' => {
                decoded.push(code);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| value.to_owned())
}
