//! Writes a new body from a template.
//!
//! Configuration: `{"template": …}`, where the template is the new body, with
//!
//! - placeholders in its texts: `"Order {{ body.data.id }}"`. A text that is nothing but a placeholder becomes the value itself, not
//!   its text: `"{{ body.data.amount }}"` may become `12.50`, an object or a list. What is not there becomes `null`.
//!   What may stand between the braces is said in `weir_plugins_common::text`.
//! - lists made from lists: `{"$each": "body.items[*]", "$do": …}` becomes a list with one `$do` for each match; in it `item` names
//!   the match: `{{ item }}`, `{{ item.price }}`.
//! - members that may be missing: `{"$if": "body.note", "$then": …}` becomes `$then`, or nothing where the reference finds nothing or
//!   `null`: the member or element is left out.
//!
//! Numbers keep their text: `1.0` stays `1.0`. `"contentType"` sets the header of that name, and `"as": "text"` makes the body the
//! text that the template is, instead of JSON.
#![no_std]

use weir_plugin::json::Text as Name;
use weir_plugin::prelude::*;
use weir_plugins_common::text::{Text, plain};
use weir_plugins_common::{Reference, Source, as_text, required, text_of};

/// The plugin.
#[plugin(config = "config.schema.json")]
fn template(event: Event<'_>) -> Result<Patch> {
    let config = event.config()?;
    let source = Source::new(event);
    let filled = fill(required(&config, "template")?, &source, None)?.unwrap_or(Value::Null);
    let mut patch = match text_of(&config, "as")?.as_deref() {
        Some("text") => Patch::new().body(as_text(&filled)),
        _ => Patch::new().json(&filled),
    };
    if let Some(content_type) = text_of(&config, "contentType")? {
        if content_type.is_empty() || !content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::new("configuration: `contentType` must be a media type"));
        }
        patch = patch.header("content-type", content_type);
    }
    Ok(patch)
}

/// A part of the template with the event's values; `None` where it is to be left out.
fn fill<'a>(part: &Value<'a>, source: &Source<'a>, item: Option<&Value<'a>>) -> Result<Option<Value<'a>>> {
    Ok(Some(match part {
        Value::String(text) => placeholders(&text.to_str(), source, item)?,
        Value::Array(parts) => {
            let mut values = Vec::with_capacity(parts.len());
            for part in parts {
                values.extend(fill(part, source, item)?);
            }
            Value::Array(values)
        }
        Value::Object(members) => {
            if let Some(each) = part.get("$each") {
                return list(each, required(part, "$do")?, source, item).map(Some);
            }
            if let Some(condition) = part.get("$if") {
                let there = lookup(condition, source, item)?.iter().any(|value| !value.is_null());
                let then = required(part, "$then")?;
                if there {
                    return fill(then, source, item);
                }
                check(then)?;
                return Ok(None);
            }
            let mut filled = Vec::with_capacity(members.len());
            for (name, part) in members {
                if let Some(value) = fill(part, source, item)? {
                    let name = name.to_str();
                    // A name may have placeholders, too.
                    let name = if name.contains("{{") {
                        as_text(&placeholders(&name, source, item)?)
                    } else {
                        name.into_owned()
                    };
                    filled.push((Name::from(name), value));
                }
            }
            Value::Object(filled)
        }
        other => other.clone(),
    }))
}

fn list<'a>(
    each: &Value<'a>,
    part: &Value<'a>,
    source: &Source<'a>,
    item: Option<&Value<'a>>,
) -> Result<Value<'a>> {
    let found = lookup(each, source, item)?;
    if found.is_empty() {
        check(part)?;
    }
    let mut values = Vec::new();
    for found in found {
        values.extend(fill(part, source, Some(found))?);
    }
    Ok(Value::Array(values))
}

/// Reads a part of the template that this event does not need, so that a mistake in it is found when the plugin is attached.
fn check(part: &Value<'_>) -> Result<()> {
    match part {
        Value::String(text) => Text::parse_with_item(&text.to_str()).map(drop),
        Value::Array(parts) => parts.iter().try_for_each(check),
        Value::Object(members) => {
            for (name, keyword) in [("$each", "$do"), ("$if", "$then")] {
                if let Some(reference) = part.get(name) {
                    let text = reference.as_str().ok_or_else(wrong_reference)?;
                    Reference::parse_with_item(&text)?;
                    return check(required(part, keyword)?);
                }
            }
            members.iter().try_for_each(|(name, part)| {
                Text::parse_with_item(&name.to_str())?;
                check(part)
            })
        }
        _ => Ok(()),
    }
}

fn wrong_reference() -> Error {
    Error::new("configuration: `$each` and `$if` must be texts")
}

/// What `$each` and `$if` name: places in the body or in the item.
fn lookup<'s, 'a>(
    reference: &Value<'_>,
    source: &'s Source<'a>,
    item: Option<&'s Value<'a>>,
) -> Result<Vec<&'s Value<'a>>> {
    let text = reference.as_str().ok_or_else(wrong_reference)?;
    match (Reference::parse_with_item(&text)?, item) {
        (Reference::Item(path), Some(item)) => Ok(path.all(item)),
        (Reference::Body(path), _) => Ok(path.all(source.body()?)),
        _ => Err(Error::new(format!(
            "configuration: `{text}`: `$each` and `$if` look into `body` or, within a list, `item`"
        ))),
    }
}

/// A text with its placeholders filled in.
fn placeholders<'a>(text: &str, source: &Source<'a>, item: Option<&Value<'a>>) -> Result<Value<'a>> {
    if !text.contains("{{") {
        return Ok(String::from(text).into());
    }
    let text = Text::parse_with_item(text)?;
    match text.as_placeholder() {
        Some(placeholder) => Ok(placeholder.value(source, item)?.map_or(Value::Null, Cow::into_owned)),
        None => Ok(text.render_item(source, item, plain)?.into()),
    }
}

#[cfg(test)]
mod tests;
