//! YAML, converted to JSON.
//!
//! One document, with YAML's core schema. Anchors may be set but not referred to: an alias would let a few lines
//! unfold to gigabytes. OpenAPI has `$ref` for that.

use crate::api::tree::{Members, Tree};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::borrow::Cow;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 100;
/// The most values, keys included: reading one costs a thousand times what a byte of a text does.
const MAX_VALUES: usize = 60_000;

/// What is open while a document is read.
enum Open {
    Sequence(Vec<Tree<'static>>),
    /// The entries, and the key that waits for its value.
    Mapping(Vec<(Cow<'static, str>, Tree<'static>)>, Option<String>),
}

/// Reads a document; the error is a sentence.
pub fn to_json(text: &str) -> Result<Tree<'static>, String> {
    let mut open: Vec<Open> = Vec::new();
    let (mut whole, mut count) = (None, 0usize);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("The YAML is not valid: {error}."))?;
        let at = || format!("(line {})", span.start.line());
        count = count.saturating_add(1);
        if count > MAX_VALUES {
            return Err(format!(
                "The YAML has more than {MAX_VALUES} values {}. Send it in parts, or as JSON.",
                at()
            ));
        }
        let done = match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                Some(if plain { scalar(&text) } else { Tree::Text(text.into_owned().into()) })
            }
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|closed| match closed {
                Open::Sequence(items) => Tree::List(items.into_boxed_slice()),
                Open::Mapping(entries, _) => Tree::Object(Members::new(entries)),
            }),
            Event::Alias(_) => {
                return Err(format!("The YAML uses an alias {}. Write its value instead.", at()));
            }
            Event::DocumentStart(_) if whole.is_some() => {
                return Err("The YAML contains several documents. Send one.".to_owned());
            }
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err(format!("The YAML is nested more than {MAX_DEPTH} deep {}.", at()));
        }
        let Some(value) = done else { continue };
        match open.last_mut() {
            None => whole = Some(value),
            Some(Open::Sequence(items)) => items.push(value),
            Some(Open::Mapping(entries, key)) => match key.take() {
                Some(key) => entries.push((key.into(), value)),
                None => {
                    *key = Some(
                        name(value).ok_or_else(|| format!("A key of the YAML is not a string {}.", at()))?,
                    );
                }
            },
        }
    }
    whole.ok_or_else(|| "The YAML is empty.".to_owned())
}

/// A key: texts as they are, other scalars as they are written in JSON (OpenAPI's `200:`).
fn name(value: Tree<'_>) -> Option<String> {
    match value {
        Tree::Text(text) => Some(text.into_owned()),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => Some(value.to_string()),
        Tree::List(_) | Tree::Object(_) => None,
    }
}

/// A plain scalar, by the core schema.
fn scalar(text: &str) -> Tree<'static> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Tree::Null,
        "true" | "True" | "TRUE" => return Tree::Bool(true),
        "false" | "False" | "FALSE" => return Tree::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))
    };
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Tree::Number(number.into());
    }
    if !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && let Ok(number) = text.parse::<i64>()
    {
        return Tree::Number(number.into());
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>().ok().filter(|_| is_number).and_then(serde_json::Number::from_f64) {
        Some(number) => Tree::Number(number),
        None => Tree::Text(text.to_owned().into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn to_json(text: &str) -> Result<Value, String> {
        super::to_json(text).map(|tree| serde_json::from_str(&tree.to_string()).expect("JSON"))
    }

    #[test]
    fn a_document_is_read_as_json() {
        let text = "
openapi: 3.1.0
info: {title: \"A\", version: '1.0'}
webhooks:
  invoice.paid:   # a comment
    post:
      deprecated: true
      description: |
        Two
        lines
      tags: [a, b]
      responses:
        200: {description: ok}
list:
- 1
- -2.5
- 1e3
- 0x1f
- ~
- 1.2.3
- 2026-01-31
";
        let read = to_json(text).expect("YAML");
        assert_eq!((&read["openapi"], &read["info"]["version"]), (&json!("3.1.0"), &json!("1.0")));
        let post = &read["webhooks"]["invoice.paid"]["post"];
        assert_eq!((&post["deprecated"], &post["description"]), (&json!(true), &json!("Two\nlines\n")));
        assert_eq!(post["responses"]["200"]["description"], "ok");
        assert_eq!(read["list"], json!([1, -2.5, 1000.0, 31, null, "1.2.3", "2026-01-31"]));
    }

    #[test]
    fn json_is_yaml_too() {
        let value = json!({ "a": [1, true, null, { "b": "c: d" }], "e": "" });
        assert_eq!(to_json(&value.to_string()), Ok(value));
    }

    #[test]
    fn what_would_unfold_or_nest_without_end_is_refused() {
        assert!(to_json("a: &x [1]\nb: *x").is_err_and(|error| error.contains("alias")));
        assert!(to_json(&"[".repeat(5_000)).is_err());
        assert!(
            to_json(&format!("{}{}", "[".repeat(150), "]".repeat(150))).is_err_and(|e| e.contains("nested"))
        );
        let many = |count: usize| format!("[{}]", "1,".repeat(count));
        assert!(to_json(&many(70_000)).is_err_and(|error| error.contains("60000 values")));
        assert!(to_json(&many(50_000)).is_ok());
        for bad in ["", "a: [", "a: 1\n---\nb: 2", "[a]: b"] {
            assert!(to_json(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).*", like in "[a-z0-9:{}\\[\\],\\-&*!|> \n\"'#%@?~.]{0,80}") {
            let _ = (to_json(&text), to_json(&like));
        }
    }
}
