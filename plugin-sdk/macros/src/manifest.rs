//! The manifest: what a plugin says of itself without being run. What admission would refuse is refused here already, at the
//! place where it is written.

use crate::options::{Options, is_inline};
use proc_macro2::Span;
use serde_json::{Map, Value};
use syn::{Error, LitStr, Result};

/// The bytes of the custom section.
pub(crate) fn text(options: &Options) -> Result<String> {
    let mut manifest = Map::new();
    manifest.insert("abi".into(), 1.into());
    let (name, span) = given(options.name.as_ref(), "CARGO_PKG_NAME");
    if !is_name(&name) {
        return Err(Error::new(
            span,
            format!(
                "a plugin's name must have 1 to 64 of `a-z 0-9 - _` and start with a letter or digit, not \
                 `{name}`: set `#[plugin(name = \"…\")]`"
            ),
        ));
    }
    manifest.insert("name".into(), name.into());
    let (version, span) = given(options.version.as_ref(), "CARGO_PKG_VERSION");
    if !(1..=64).contains(&version.len()) || !version.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(
            span,
            "a plugin's version must have 1 to 64 printable ASCII characters, such as `1.2.0`",
        ));
    }
    manifest.insert("version".into(), version.into());
    let (description, span) = given(options.description.as_ref(), "CARGO_PKG_DESCRIPTION");
    if description.len() > 1024 {
        return Err(Error::new(span, "a plugin's description may have at most 1024 bytes"));
    }
    if !description.is_empty() {
        manifest.insert("description".into(), description.into());
    }
    if let Some(config) = &options.config {
        manifest.insert("configSchema".into(), schema(options, config)?);
    }
    if !options.events.is_empty() {
        manifest.insert("eventTypes".into(), events(&options.events)?);
    }
    manifest.insert("sdk".into(), concat!("weir-plugin/", env!("CARGO_PKG_VERSION")).into());
    let text = Value::Object(manifest).to_string();
    if text.len() > 64 * 1024 {
        return Err(Error::new(
            Span::call_site(),
            format!(
                "the manifest has {} bytes, more than 64 KiB: make the configuration's schema smaller",
                text.len()
            ),
        ));
    }
    Ok(text)
}

/// What the attribute says, or else what the crate says of itself.
fn given(option: Option<&LitStr>, variable: &str) -> (String, Span) {
    match option {
        Some(text) => (text.value(), text.span()),
        None => (std::env::var(variable).unwrap_or_default(), Span::call_site()),
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| letter(byte) || byte == b'-' || byte == b'_')
        && name.bytes().next().is_some_and(letter)
}

fn schema(options: &Options, config: &LitStr) -> Result<Value> {
    let wrong = |what: String| Error::new(config.span(), what);
    let text = match options.config_file() {
        None => config.value(),
        Some(path) => std::fs::read_to_string(&path).map_err(|error| {
            wrong(format!(
                "the configuration's schema, `{}` in the crate's directory, cannot be read: {error}",
                config.value()
            ))
        })?,
    };
    let schema: Value = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("the configuration's schema is not JSON: {error}")))?;
    if !is_inline(&text) {
        return Err(wrong("the configuration's schema must be a JSON object".into()));
    }
    Ok(schema)
}

fn events(events: &[LitStr]) -> Result<Value> {
    let mut types = Vec::new();
    for event in events {
        let text = event.value();
        let exact = text.strip_suffix(".*").unwrap_or(&text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if exact.is_empty() || text.len() > 256 || !exact.bytes().all(plain) {
            return Err(Error::new(
                event.span(),
                "an event type may have letters, digits, `-`, `_` and `.`, and may end in `.*`: \
                 `invoice.paid`, `invoice.*`",
            ));
        }
        types.push(Value::from(text));
    }
    Ok(types.into())
}
