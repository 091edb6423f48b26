//! Wraps events as CloudEvents 1.0, and unwraps them.
//!
//! | configuration | does |
//! |---|---|
//! | `"mode": "structured"` (the default) | the body becomes `{"specversion": "1.0", "id": …, "data": …}`, `application/cloudevents+json` |
//! | `"mode": "binary"` | the body stays byte for byte, the attributes become `ce-…` headers |
//! | `"mode": "unwrap"` | the reverse of both: what was `data` becomes the body, the event's type that of the CloudEvent |
//! | `"source": "https://example.com/billing"` | where events come from; a URI reference that is not empty (`/weir/APP` unless given) |
//! | `"typePrefix": "com.example."` | stands before the event's type, and is taken away again by `unwrap` |
//! | `"subject": "body.data.id"` | the part of the event that is the subject |
//! | `"dataschema": "https://…"` | what the data conforms to |
//!
//! `id` is the message's, so a receiver that has seen it need not handle it again; `time` is when the event was accepted. A body that
//! is no JSON becomes `data` as a text, or `data_base64` where it is no text, as the JSON format says.
#![no_std]

mod base64;
mod unwrap;

use weir_plugin::prelude::*;
use weir_plugins_common::{Reference, Source, as_text, text_of, time};

/// The version of the specification.
const VERSION: &str = "1.0";
/// The content type of the JSON format.
const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The plugin.
#[plugin(config = "config.schema.json")]
fn cloudevents(event: Event<'_>) -> Result<Patch> {
    let config = event.config()?;
    let mode = text_of(&config, "mode")?;
    let prefix = text_of(&config, "typePrefix")?.unwrap_or_default();
    let subject = text_of(&config, "subject")?.map(|subject| Reference::parse(&subject)).transpose()?;
    let attributes = match mode.as_deref() {
        Some("unwrap") => return unwrap::unwrap(event, &prefix),
        None | Some("structured" | "binary") => attributes(event, &config, &prefix, subject)?,
        Some(other) => {
            return Err(Error::new(format!(
                "configuration: `mode` is structured, binary or unwrap, not `{other}`"
            )));
        }
    };
    if mode.as_deref() == Some("binary") {
        let patch = |patch: Patch, (name, value): (&str, String)| {
            patch.header(format!("ce-{name}"), header_value(&value))
        };
        return Ok(attributes.into_iter().fold(Patch::new(), patch));
    }
    Ok(Patch::new().header("content-type", CONTENT_TYPE).body(structured(event, attributes)))
}

/// The attributes in the order of the specification.
fn attributes(
    event: Event<'_>,
    config: &Value<'_>,
    prefix: &str,
    subject: Option<Reference>,
) -> Result<Vec<(&'static str, String)>> {
    let source =
        text_of(config, "source")?.map_or_else(|| format!("/weir/{}", event.app_id()), Cow::into_owned);
    let mut attributes = vec![
        ("specversion", VERSION.to_owned()),
        ("id", event.id().to_owned()),
        ("source", source),
        ("type", format!("{prefix}{}", event.event_type())),
        ("time", time::format(event.timestamp(), 3)),
    ];
    if let Some(subject) = subject {
        let found = Source::new(event);
        // An attribute that is there is not empty.
        let subject = subject.first(&found)?.map(|value| as_text(&value));
        attributes.extend(subject.filter(|subject| !subject.is_empty()).map(|subject| ("subject", subject)));
    }
    if let Some(schema) = text_of(config, "dataschema")? {
        attributes.push(("dataschema", schema.into_owned()));
    }
    Ok(attributes)
}

/// The JSON format. Data that is JSON is put in as it is written.
fn structured(event: Event<'_>, attributes: Vec<(&str, String)>) -> String {
    let mut wrapped = Value::object();
    for (name, value) in attributes {
        wrapped.set(name, value);
    }
    if let Some(content_type) = event.header("content-type") {
        wrapped.set("datacontenttype", content_type);
    }
    let (name, data) = match event.text() {
        Ok(text) if json::parse(text).is_ok() => ("data", Cow::Borrowed(text)),
        Ok(text) => ("data", Value::from(text).to_json().into()),
        Err(_) => ("data_base64", Value::from(base64::encode(event.body())).to_json().into()),
    };
    let mut text = wrapped.to_json();
    text.pop();
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":");
    text.push_str(&data);
    text.push('}');
    text
}

/// A value as a header has it: what is not printable ASCII, and `"` and `%`, is percent-encoded.
fn header_value(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if (0x21..0x7f).contains(&byte) && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let digit =
                |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
