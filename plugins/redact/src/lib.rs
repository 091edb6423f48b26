//! Masks or removes sensitive data: fields by path, and email addresses and card numbers wherever they occur.
//!
//! | configuration | does |
//! |---|---|
//! | `"mask": ["data.card", "**.password"]` | puts the mask in the place of these fields |
//! | `"remove": ["data.internal"]` | removes these fields |
//! | `"emails": true` | masks e-mail addresses in all texts, the rest of the text stays |
//! | `"cards": true` | masks card numbers: 13 to 19 digits, perhaps in groups, whose check digit is right (Luhn); as numbers, too |
//! | `"with": "[redacted]"` | the mask |
//!
//! Paths are those of [`json::Path`]. The rest of the body keeps its text; an event with nothing to hide is delivered
//! byte for byte. The names of members are not checked. A body that is not JSON is an error, because it cannot be
//! checked.
#![no_std]

mod card;
mod email;

use weir_plugin::json::Path;
use weir_plugin::prelude::*;

const MASK: &str = "[redacted]";

struct Rules<'c> {
    emails: bool,
    cards: bool,
    with: Cow<'c, str>,
}

/// The plugin.
#[plugin(config = "config.schema.json")]
fn redact(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let flag = |name| config.get(name).and_then(Value::as_bool).unwrap_or(false);
    let rules = Rules {
        emails: flag("emails"),
        cards: flag("cards"),
        with: config.get("with").and_then(Value::as_str).unwrap_or(MASK.into()),
    };
    let (mask, remove) = (paths(&config, "mask")?, paths(&config, "remove")?);
    let mut body = event.json()?;
    let before = body.clone();
    for path in remove {
        path.remove(&mut body);
    }
    for path in mask {
        path.each_mut(&mut body, &mut |value| *value = String::from(&*rules.with).into());
    }
    if rules.emails || rules.cards {
        rules.apply(&mut body);
    }
    Ok(if body == before { Verdict::Deliver } else { body.into_verdict() })
}

fn paths(config: &Value<'_>, name: &str) -> Result<Vec<Path>> {
    let Some(paths) = config.get(name) else { return Ok(Vec::new()) };
    let wrong = || Error::new(format!("configuration: `{name}` must be a list of paths"));
    let paths = paths.as_array().ok_or_else(wrong)?;
    let read = |path: &Value<'_>| {
        Path::parse(&path.as_str().ok_or_else(wrong)?).map_err(|error| error.context("configuration"))
    };
    paths.iter().map(read).collect()
}

impl Rules<'_> {
    /// Masks patterns in a value and everything in it.
    fn apply(&self, value: &mut Value<'_>) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.apply(value)),
            Value::Object(members) => members.iter_mut().for_each(|(_, value)| self.apply(value)),
            Value::String(text) => {
                let text = text.to_str();
                if let Some(masked) = self.masked(&text) {
                    *value = masked.into();
                }
            }
            Value::Number(number) if self.cards && card::is_card(number.as_text()) => {
                *value = String::from(&*self.with).into();
            }
            _ => {}
        }
    }

    /// The text with masks in it, if it needs any.
    fn masked(&self, text: &str) -> Option<String> {
        let mut found = Vec::new();
        if self.emails {
            email::find(text, &mut found);
        }
        if self.cards {
            card::find(text, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in found {
            if start >= at {
                masked.push_str(text.get(at..start).unwrap_or_default());
                masked.push_str(&self.with);
            }
            // What overlaps is hidden by one mask.
            at = at.max(end);
        }
        masked.push_str(text.get(at..).unwrap_or_default());
        Some(masked)
    }
}

#[cfg(test)]
mod tests;
