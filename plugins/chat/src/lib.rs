//! Formats events as messages for Slack and Discord: an endpoint whose URL is an incoming webhook of theirs shows the events in a
//! channel.
//!
//! ```json
//! {
//!   "service": "slack",
//!   "title": "Invoice {{ body.number }} is paid",
//!   "link": "https://example.com/invoices/{{ body.id }}",
//!   "text": "{{ body.customer.name | default \"Someone\" }} paid {{ body.amount }} {{ body.currency }}.",
//!   "fields": { "Customer": "{{ body.customer.id }}", "Amount": "{{ body.amount }}" },
//!   "color": "#36a64f"
//! }
//! ```
//!
//! All but `service` may be missing; without a title it is the event's type. Values have placeholders (see
//! `weir_plugins_common::text`).
//!
//! What comes from an event is text and nothing else: it cannot mention anybody (`@everyone`, `<!channel>`), make links or break the
//! formatting. What is longer than the service takes is cut, with an ellipsis, so a message is never refused for its length; of more
//! fields than it takes (Slack 10, Discord 25) the first are shown.
#![no_std]

mod discord;
mod slack;

use weir_plugin::prelude::*;
use weir_plugins_common::text::{Text, plain};
use weir_plugins_common::{Source, text_of};

/// A message before it has a service's form.
struct Message {
    title: String,
    text: String,
    link: Option<String>,
    fields: Vec<(String, String)>,
    /// `0xRRGGBB`
    color: Option<u32>,
}

/// What the services differ in.
struct Service {
    escape: fn(&str) -> String,
    write: fn(&Message) -> Value<'static>,
}

const SLACK: Service = Service { escape: slack::escape, write: slack::write };
const DISCORD: Service = Service { escape: discord::escape, write: discord::write };

/// The plugin.
#[plugin(config = "config.schema.json")]
fn chat(event: Event<'_>) -> Result<Patch> {
    let config = event.config()?;
    let source = Source::new(event);
    let service = match text_of(&config, "service")?.as_deref() {
        Some("slack") => SLACK,
        Some("discord") => DISCORD,
        _ => return Err(Error::new("configuration: `service` must be slack or discord")),
    };
    let escape = service.escape;
    let render = |name, escape| match text_of(&config, name)? {
        Some(text) => Text::parse(&text)?.render(&source, escape).map(Some),
        None => Ok::<_, Error>(None),
    };
    let mut fields = Vec::new();
    for (name, value) in config.get("fields").and_then(Value::as_object).unwrap_or_default() {
        let wrong = || Error::new("configuration: a field's value must be a text");
        let value = Text::parse(&value.as_str().ok_or_else(wrong)?)?.render(&source, escape)?;
        fields.push((name.to_str().into_owned(), value));
    }
    let message = Message {
        title: render("title", escape)?.unwrap_or_else(|| escape(event.event_type())),
        text: render("text", escape)?.unwrap_or_default(),
        link: render("link", plain)?.filter(|link| is_link(link)),
        fields,
        color: text_of(&config, "color")?.as_deref().map(color).transpose()?,
    };
    Ok(Patch::new().json(&(service.write)(&message)).header("content-type", "application/json"))
}

/// Nothing but a plain address is made a link: an event's text cannot break out of it.
fn is_link(link: &str) -> bool {
    let rest = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && link.len() <= 2000
        && link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>|\"\\`".contains(&byte))
}

fn color(text: &str) -> Result<u32> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
    let color = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    color.ok_or_else(|| Error::new("configuration: `color` must be like #36a64f"))
}

/// At most so many characters, an ellipsis in the place of the last where there were more.
fn cut(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests;
