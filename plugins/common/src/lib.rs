//! What several plugins share: names for the parts of an event, texts with placeholders, times.
//!
//! A **reference** names a part of an event:
//!
//! | reference | is |
//! |---|---|
//! | `id`, `type`, `app`, `endpoint` | texts of the event |
//! | `attempt`, `timestamp` | numbers (`timestamp`: milliseconds since 1970) |
//! | `time` | the timestamp as text, `2026-01-01T00:00:00.000Z` |
//! | `header.x-name` | a header's first value |
//! | `body`, `body.data.id`, `body["a.b"]`, `body.items[*].price` | the body as JSON, or what a [`json::Path`] finds in it |
//! | `text` | the body as text |
//!
//! The body is parsed when the first reference needs it, and once.
#![no_std]

pub mod text;
pub mod time;

use core::cell::OnceCell;
use weir_plugin::json::Path;
use weir_plugin::prelude::*;

/// An event, with its body parsed at most once.
pub struct Source<'a> {
    event: Event<'a>,
    body: OnceCell<Value<'a>>,
}

impl<'a> Source<'a> {
    /// Nothing is parsed yet.
    pub fn new(event: Event<'a>) -> Self {
        Self { event, body: OnceCell::new() }
    }

    /// The event.
    pub fn event(&self) -> Event<'a> {
        self.event
    }

    /// The body as JSON.
    pub fn body(&self) -> Result<&Value<'a>> {
        if let Some(body) = self.body.get() {
            return Ok(body);
        }
        let body = self.event.json()?;
        Ok(self.body.get_or_init(|| body))
    }
}

/// The name of a part of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `id`
    Id,
    /// `type`
    Type,
    /// `app`
    App,
    /// `endpoint`
    Endpoint,
    /// `attempt`
    Attempt,
    /// `timestamp`
    Timestamp,
    /// `time`
    Time,
    /// `text`
    Text,
    /// `header.…`
    Header(String),
    /// `body…`
    Body(Path),
    /// `item…`: of several things that something is done for; see [`Self::parse_with_item`].
    Item(Path),
}

impl Reference {
    /// Reads a reference, which may also be `item` or `item.PATH`.
    pub fn parse_with_item(text: &str) -> Result<Self> {
        match text.strip_prefix("item") {
            Some(path) if path.is_empty() || path.starts_with(['.', '[']) => {
                Ok(Self::Item(self::path(path.strip_prefix('.').unwrap_or(path))?))
            }
            _ => Self::parse(text),
        }
    }

    /// Reads a reference. It stands in a configuration, so an error says that: attaching the plugin then fails, and not every
    /// delivery.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "id" => Self::Id,
            "type" => Self::Type,
            "app" => Self::App,
            "endpoint" => Self::Endpoint,
            "attempt" => Self::Attempt,
            "timestamp" => Self::Timestamp,
            "time" => Self::Time,
            "text" => Self::Text,
            _ => {
                if let Some(name) = text.strip_prefix("header.").filter(|name| !name.is_empty()) {
                    return Ok(Self::Header(name.to_ascii_lowercase()));
                }
                let path =
                    text.strip_prefix("body").filter(|path| path.is_empty() || path.starts_with(['.', '[']));
                let Some(path) = path else {
                    return Err(Error::new(format!(
                        "configuration: `{text}` is not a part of an event; the parts are id, type, app, endpoint, attempt, timestamp, \
                         time, text, header.NAME, body and body.PATH"
                    )));
                };
                Self::Body(self::path(path.strip_prefix('.').unwrap_or(path))?)
            }
        })
    }

    /// What it stands for: one value, none, or several where a path has stars.
    pub fn all<'s, 'a>(&self, source: &'s Source<'a>) -> Result<Vec<Cow<'s, Value<'a>>>> {
        match self {
            Self::Body(path) => Ok(path.all(source.body()?).into_iter().map(Cow::Borrowed).collect()),
            _ => Ok(self.first(source)?.into_iter().collect()),
        }
    }

    /// What it stands for: the first value, if there is one.
    pub fn first<'s, 'a>(&self, source: &'s Source<'a>) -> Result<Option<Cow<'s, Value<'a>>>> {
        let event = source.event;
        let value = match self {
            Self::Id => event.id().into(),
            Self::Type => event.event_type().into(),
            Self::App => event.app_id().into(),
            Self::Endpoint => event.endpoint_id().into(),
            Self::Attempt => event.attempt().into(),
            Self::Timestamp => event.timestamp().into(),
            Self::Time => time::format(event.timestamp(), 3).into(),
            Self::Text => event.text()?.into(),
            Self::Header(name) => match event.header(name) {
                Some(value) => value.into(),
                None => return Ok(None),
            },
            Self::Body(path) => return Ok(path.first(source.body()?).map(Cow::Borrowed)),
            // Where there is no item.
            Self::Item(_) => return Ok(None),
        };
        Ok(Some(Cow::Owned(value)))
    }
}

/// A path that stands in a configuration.
pub fn path(text: &str) -> Result<Path> {
    Path::parse(text).map_err(|error| error.context("configuration"))
}

/// A value as part of a text: a string without its quotes, everything else as JSON.
pub fn as_text(value: &Value<'_>) -> String {
    value.as_str().map_or_else(|| value.to_json(), Cow::into_owned)
}

/// A member of the configuration that must be there.
pub fn required<'c, 'a>(config: &'c Value<'a>, name: &str) -> Result<&'c Value<'a>> {
    config.get(name).ok_or_else(|| Error::new(format!("configuration: `{name}` is missing")))
}

/// A member of the configuration that is a text.
pub fn text_of<'c>(config: &'c Value<'_>, name: &str) -> Result<Option<Cow<'c, str>>> {
    match config.get(name) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(Error::new(format!("configuration: `{name}` must be a text, not {}", value.kind()))),
        },
    }
}
