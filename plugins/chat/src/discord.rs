//! A message for Discord's webhooks: one embed without mentions.

use crate::{Message, cut};
use weir_plugin::prelude::*;

/// What an embed's title, description, and a field's name and value may have.
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const NAME: usize = 256;
const VALUE: usize = 1024;
const FIELDS: usize = 25;
/// All texts of an embed together.
const ALL: usize = 6000;

/// Markdown's signs, each with a backslash before it.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if "\\*_~`|>[]()#-".contains(char) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

pub(crate) fn write(message: &Message) -> Value<'static> {
    let mut left = ALL;
    let mut take = |text: &str, most: usize| {
        let text = cut(text, most.min(left));
        left -= text.chars().count().min(left);
        text
    };
    let mut embed = Value::object().with("title", take(&message.title, TITLE));
    if let Some(link) = &message.link {
        embed.set("url", link.clone());
    }
    if !message.text.is_empty() {
        embed.set("description", take(&message.text, DESCRIPTION));
    }
    if let Some(color) = message.color {
        embed.set("color", color);
    }
    let mut fields = Vec::new();
    for (name, value) in message.fields.iter().take(FIELDS) {
        let (name, value) = (take(name, NAME), take(value, VALUE));
        // Neither may be empty.
        let filled = |text: String| if text.is_empty() { "\u{200b}".to_owned() } else { text };
        fields.push(
            Value::object().with("name", filled(name)).with("value", filled(value)).with("inline", true),
        );
    }
    if !fields.is_empty() {
        embed.set("fields", Value::Array(fields));
    }
    let nobody = Value::object().with("parse", Value::Array(Vec::new()));
    Value::object().with("embeds", Value::Array(vec![embed])).with("allowed_mentions", nobody)
}
