//! A message of Slack's incoming webhooks: blocks in an attachment (which has the color), and a text for notifications.

use crate::{Message, cut};
use weir_plugin::prelude::*;

/// What a section's text, a field's and a notification may have.
const SECTION: usize = 3000;
const FIELD: usize = 2000;
const FIELDS: usize = 10;
const NOTIFICATION: usize = 4000;

/// Slack's three control characters; without them there is no mention and no link. What would be bold, italic, struck or code is kept
/// apart from its sign by a zero-width space.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '*' | '_' | '~' | '`' => {
                out.push('\u{200b}');
                out.push(char);
            }
            _ => out.push(char),
        }
    }
    out
}

fn markdown(text: String) -> Value<'static> {
    // Names of channels and people in an event stay text.
    Value::object().with("type", "mrkdwn").with("text", text).with("verbatim", true)
}

pub(crate) fn write(message: &Message) -> Value<'static> {
    let title = match &message.link {
        Some(link) => format!("*<{}|{}>*", link.replace('&', "&amp;"), cut(&message.title, 300)),
        None => format!("*{}*", cut(&message.title, 300)),
    };
    let text = if message.text.is_empty() { title } else { format!("{title}\n{}", message.text) };
    let mut section = Value::object().with("type", "section").with("text", markdown(cut(&text, SECTION)));
    let fields: Vec<_> = message.fields.iter().take(FIELDS).collect();
    if !fields.is_empty() {
        let field =
            |(name, value): &(String, String)| markdown(cut(&format!("*{}*\n{value}", escape(name)), FIELD));
        section.set("fields", Value::Array(fields.into_iter().map(field).collect()));
    }
    let mut attachment = Value::object();
    if let Some(color) = message.color {
        attachment.set("color", format!("#{color:06x}"));
    }
    attachment.set("blocks", Value::Array(vec![section]));
    Value::object()
        .with("text", cut(&message.title, NOTIFICATION))
        .with("attachments", Value::Array(vec![attachment]))
}
