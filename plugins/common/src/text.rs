//! Texts with placeholders: `Invoice {{ body.number }} of {{ body.customer.name | default "someone" }}`.
//!
//! Between the braces stands a [`Reference`], then any of these, each after a `|`:
//!
//! | | does |
//! |---|---|
//! | `default "text"` | stands in where there is no value, or `null` |
//! | `upper`, `lower` | changes the case of ASCII letters |
//! | `json` | writes the value as JSON, a text with its quotes |
//!
//! What is not there and has no default is an empty text. A default has neither `|` nor `}}` in it.

use crate::{Reference, Source, as_text};
use weir_plugin::prelude::*;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(Placeholder),
}

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    reference: Reference,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Default(String),
    Upper,
    Lower,
    Json,
}

impl Text {
    /// Reads a text with placeholders.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text, Reference::parse)
    }

    /// The same where `item` and `item.PATH` name one of several things that the text is written for.
    pub fn parse_with_item(text: &str) -> Result<Self> {
        Self::read(text, Reference::parse_with_item)
    }

    fn read(text: &str, reference: fn(&str) -> Result<Reference>) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            let (inner, after) = after
                .split_once("}}")
                .ok_or_else(|| Error::new(format!("configuration: `{{{{{after}` has no closing braces")))?;
            parts.push(Part::Placeholder(Placeholder::parse(inner, reference)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The placeholder, where there is nothing else.
    pub fn as_placeholder(&self) -> Option<&Placeholder> {
        match self.parts.as_slice() {
            [Part::Placeholder(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// The text with the event's values in it. `escape` sees every value, and nothing of the text around.
    pub fn render(&self, source: &Source<'_>, escape: fn(&str) -> String) -> Result<String> {
        self.render_item(source, None, escape)
    }

    /// The same for one of several things.
    pub fn render_item<'a>(
        &self,
        source: &Source<'a>,
        item: Option<&Value<'a>>,
        escape: fn(&str) -> String,
    ) -> Result<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Placeholder(placeholder) => {
                    if let Some(value) = placeholder.value(source, item)? {
                        out.push_str(&escape(&as_text(&value)));
                    }
                }
            }
        }
        Ok(out)
    }
}

impl Placeholder {
    fn parse(inner: &str, reference: fn(&str) -> Result<Reference>) -> Result<Self> {
        let mut steps = inner.split('|').map(str::trim);
        let reference = reference(steps.next().unwrap_or_default())?;
        let steps = steps.map(Step::parse).collect::<Result<_>>()?;
        Ok(Self { reference, steps })
    }

    /// The value that it stands for.
    pub fn value<'s, 'a>(
        &self,
        source: &'s Source<'a>,
        item: Option<&'s Value<'a>>,
    ) -> Result<Option<Cow<'s, Value<'a>>>> {
        let mut value = match (&self.reference, item) {
            (Reference::Item(path), Some(item)) => path.first(item).map(Cow::Borrowed),
            (reference, _) => reference.first(source)?,
        };
        for step in &self.steps {
            value = step.apply(value);
        }
        Ok(value)
    }
}

impl Step {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "upper" => Self::Upper,
            "lower" => Self::Lower,
            "json" => Self::Json,
            _ => {
                let text =
                    text.strip_prefix("default").map(str::trim_start).and_then(|text| json::parse(text).ok());
                let Some(text) = text.as_ref().and_then(Value::as_str) else {
                    return Err(Error::new(
                        "configuration: after `|` use one of: default \"text\", upper, lower, json",
                    ));
                };
                Self::Default(text.into_owned())
            }
        })
    }

    fn apply<'s, 'a>(&self, value: Option<Cow<'s, Value<'a>>>) -> Option<Cow<'s, Value<'a>>> {
        let change = |value: Cow<'s, Value<'a>>, f: fn(&str) -> String| {
            let changed = value.as_str().map(|text| f(&text));
            changed.map_or(value, |text| Cow::Owned(text.into()))
        };
        match self {
            Self::Default(text) => Some(match value {
                Some(value) if !value.is_null() => value,
                _ => Cow::Owned(text.clone().into()),
            }),
            Self::Upper => value.map(|value| change(value, str::to_ascii_uppercase)),
            Self::Lower => value.map(|value| change(value, str::to_ascii_lowercase)),
            Self::Json => value.map(|value| Cow::Owned(value.to_json().into())),
        }
    }
}

/// For texts that need no escaping.
pub fn plain(text: &str) -> String {
    text.to_owned()
}
