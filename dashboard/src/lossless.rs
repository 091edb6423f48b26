//! Reads JSON that others wrote, and notices what a [`Value`] cannot hold.
//!
//! JSON can contain numbers without a Rust type, lone surrogates, deep nesting, and more. Such a value is never taken for an
//! empty one: everything around it is read, and the object that contains it is marked. What is marked is shown with a note,
//! and never written back.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The member that marks an object of which something was lost in reading. The API has no such member.
pub(crate) const CHANGED: &str = "$changed";
/// How deep values are read one by one if they cannot be read as a whole.
const DEPTH: usize = 6;

/// Whether something of this object was lost in reading.
pub(crate) fn is_changed(value: &Value) -> bool {
    value.get(CHANGED).is_some()
}

/// Reads a JSON text, and whether nothing was lost.
pub(crate) fn read(text: &str) -> (Value, bool) {
    within(text, 0)
}

fn within(text: &str, depth: usize) -> (Value, bool) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let exact = survives(text);
        return (value, exact);
    }
    if depth >= DEPTH {
        return (Value::Null, false);
    }
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) {
        let mut read: Map<String, Value> = Map::new();
        for (name, member) in members {
            read.insert(name, within(member.get(), depth.saturating_add(1)).0);
        }
        read.insert(CHANGED.to_owned(), Value::Bool(true));
        return (Value::Object(read), false);
    }
    let items = serde_json::from_str::<Vec<Box<RawValue>>>(text).unwrap_or_default();
    let read = items.iter().map(|item| within(item.get(), depth.saturating_add(1)).0);
    let read: Vec<Value> = read.collect();
    if read.is_empty() { (Value::Null, false) } else { (Value::Array(read), false) }
}

/// Whether every number of a JSON text keeps its value as a [`Value`], and no name has a meaning of its own there.
fn survives(text: &str) -> bool {
    if text.contains("$serde_json::private") {
        return false;
    }
    let bytes = text.as_bytes();
    let (mut at, mut in_string) = (0usize, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at = at.saturating_add(1),
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let rest = text.get(at..).unwrap_or_default();
                let end = rest.find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
                let number = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if !keeps(number) {
                    return false;
                }
                at = at.saturating_add(number.len()).saturating_sub(1);
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    true
}

/// Whether a number has the same value after it was read and written.
fn keeps(number: &str) -> bool {
    let written = match serde_json::from_str::<serde_json::Number>(number) {
        Ok(read) => read.to_string(),
        Err(_) => return false,
    };
    written == number || decimal(&written) == decimal(number)
}

/// A decimal number as its significant digits and the power of ten of the last one.
fn decimal(number: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.trim_start_matches('+').parse().ok()?;
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let short = digits.trim_end_matches('0');
    if short.is_empty() {
        return Some((false, String::new(), 0));
    }
    let dropped = i64::try_from(digits.len().saturating_sub(short.len())).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    Some((negative, short.to_owned(), exponent.saturating_sub(places).saturating_add(dropped)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_that_keep_their_value_are_exact_and_others_are_noticed() {
        for exact in
            ["1", "-7", "1.50", "1e3", "1.0", "0.1", "-0", "18446744073709551615", "1.5E-3", "100.00"]
        {
            assert!(read(&format!("{{\"a\":{exact}}}")).1, "{exact}");
        }
        for lost in ["1e400", "1e-400", "123456789012345678901234567890", "0.1000000000000000000000001"] {
            assert!(!read(&format!("{{\"a\":[{lost}]}}")).1, "{lost}");
        }
        assert!(read("{\"a\":\"1e400, \\\" 1e400\"}").1, "text is not a number");
        assert!(!read("{\"$serde_json::private::RawValue\":\"1\"}").1);
    }

    #[test]
    fn a_value_that_cannot_be_read_takes_nothing_else_with_it() {
        let text = r#"{"plugins":[{"name":"redact","config":{"mask":["card"]}},{"name":"json-schema","config":{"maximum":1e400}}]}"#;
        let (value, exact) = read(text);
        assert!(!exact && is_changed(&value), "{value}");
        assert_eq!(value["plugins"][0], json!({ "name": "redact", "config": { "mask": ["card"] } }));
        assert_eq!(value["plugins"][1]["name"], "json-schema");
        for bad in [
            r#"{"with":"\ud800","name":"x"}"#.to_owned(),
            format!("{{\"name\":\"x\",\"deep\":{}1{}}}", "[".repeat(150), "]".repeat(150)),
        ] {
            let (value, exact) = read(&bad);
            assert!(!exact && value["name"] == "x", "{bad}");
        }
        assert_eq!(read("nonsense"), (Value::Null, false));
    }
}
