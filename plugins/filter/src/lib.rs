//! Delivers the events for which an expression holds, and drops the others.
//!
//! Configuration: `{"when": "type == \"invoice.paid\" && body.data.amount >= 100"}`, and perhaps a `reason` to be shown beside
//! dropped deliveries. The body is parsed only if the expression names it.
//!
//! # The language
//!
//! ```text
//! expression = and { "||" and }
//! and        = not { "&&" not }
//! not        = "!" not | comparison
//! comparison = operand [ operator operand ]
//! operator   = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "contains" | "startsWith" | "endsWith" | "matches"
//! operand    = "(" expression ")" | literal | list | function "(" operand ")" | reference
//! literal    = JSON string, JSON number, true, false, null
//! list       = "[" [ operand { "," operand } ] "]"
//! function   = "exists" | "length" | "lower"
//! reference  = id type app endpoint attempt timestamp time text header.NAME body body.PATH
//! ```
//!
//! - Numbers are compared as decimal numbers, exactly, however long they are: `1.0 == 1`, and no integer is rounded.
//! - Texts are ordered by their bytes (as UTF-8). `<`, `<=`, `>`, `>=` between other kinds, or different ones, do not hold.
//! - `==` between different kinds does not hold, `!=` does. What is not there equals `null`; `exists(x)` tells them apart.
//! - `a in b` and `b contains a`: an element of a list or array, a part of a text, a key of an object.
//! - `matches` compares a text with a pattern in which `*` stands for any characters, none included: `type matches "invoice.*"`.
//! - A path with stars stands for all its matches; a comparison holds if it holds for one of them:
//!   `body.items[*].price > 100`.
//! - `length` is a text's number of characters, an array's of elements, an object's of members; of anything else, 0.
//! - Only `true` is true. `!x` holds where `x` does not.
#![no_std]

mod eval;
mod syntax;

use weir_plugin::prelude::*;
use weir_plugins_common::{Source, required, text_of};

/// The plugin.
#[plugin(config = "config.schema.json")]
fn filter(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let when = required(&config, "when")?;
    let when = when.as_str().ok_or_else(|| Error::new("configuration: `when` must be a text"))?;
    let expression =
        syntax::parse(&when).map_err(|error| match error.text().strip_prefix("configuration: ") {
            Some(why) => Error::new(why.to_owned()).context("configuration: `when`"),
            None => error.context("configuration: `when`"),
        })?;
    let source = Source::new(event);
    if eval::holds(&expression, &source)? {
        return Ok(Verdict::Deliver);
    }
    let why = eval::why(&expression, &source)?.map(|why| format!(" ({why})")).unwrap_or_default();
    let reason = text_of(&config, "reason")?;
    Ok(Verdict::drop(reason.map_or_else(|| format!("not: {when}{why}"), Cow::into_owned)))
}

#[cfg(test)]
mod tests;
