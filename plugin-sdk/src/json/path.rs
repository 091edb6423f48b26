//! Where something is in a JSON value.

use super::Value;
use crate::{Error, Result};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{borrow::ToOwned, format};

/// A path into a JSON value, which may match several places.
///
/// | part | matches |
/// |---|---|
/// | `name` | the member of an object |
/// | `["name"]` | the same, for names with dots, brackets or stars |
/// | `[0]`, `[-1]` | an element of an array, from its beginning or its end |
/// | `*`, `[*]` | every member or element |
/// | `**` | the value itself and everything in it, at any depth |
///
/// Parts are joined by dots, which a bracket does not need: `data.items[*].price`, `**.password`. A leading `$` stands for the
/// whole value, as does the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Name(String),
    Index(usize),
    FromEnd(usize),
    Each,
    Deep,
}

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::new(format!("`{text}` is not a path: {what}"));
        let mut parts = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        // After `$` a dot is as good as none.
        rest = rest.strip_prefix('.').filter(|_| text.starts_with('$')).unwrap_or(rest);
        let mut first = true;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (part, after) = bracket(inner).ok_or_else(|| {
                    wrong("brackets hold a number, `*` or a name in double quotes, such as `[0]`, `[*]`, `[\"a.b\"]`")
                })?;
                parts.push(part);
                rest = after;
            } else {
                if !first {
                    rest = rest.strip_prefix('.').ok_or_else(|| wrong("a `.` is missing after a bracket"))?;
                }
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                parts.push(match name {
                    "" => return Err(wrong("a name is missing")),
                    "*" => Part::Each,
                    "**" => Part::Deep,
                    name if name.contains(['*', ']', '"']) => {
                        return Err(wrong("a name with `*`, `]` or `\"` is written as `[\"…\"]`"));
                    }
                    name => Part::Name(name.to_owned()),
                });
                rest = after;
            }
            first = false;
        }
        Ok(Self { parts })
    }

    /// Whether it stands for the whole value.
    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// The first match, in the value's order.
    pub fn first<'v, 'a>(&self, value: &'v Value<'a>) -> Option<&'v Value<'a>> {
        find(value, &self.parts)
    }

    /// All matches, in the value's order.
    pub fn all<'v, 'a>(&self, value: &'v Value<'a>) -> Vec<&'v Value<'a>> {
        let mut found = Vec::new();
        collect(value, &self.parts, &mut found);
        found
    }

    /// Calls `f` with every match, to change it.
    pub fn each_mut<'a>(&self, value: &mut Value<'a>, f: &mut dyn FnMut(&mut Value<'a>)) {
        retain(value, &self.parts, &mut |value| {
            f(value);
            true
        });
    }

    /// Removes every match from the object or array that it is in; the whole value becomes `null`.
    pub fn remove(&self, value: &mut Value<'_>) {
        if !retain(value, &self.parts, &mut |_| false) {
            *value = Value::Null;
        }
    }
}

/// What is in a bracket, and what comes after it.
fn bracket(inner: &str) -> Option<(Part, &str)> {
    if let Some(name) = inner.strip_prefix('"') {
        // The name is a JSON string, so its quotes are escaped.
        let mut escaped = false;
        let end = name.find(|char| {
            let ends = char == '"' && !escaped;
            escaped = char == '\\' && !escaped;
            ends
        })?;
        let quoted = inner.get(..end + 2)?;
        let after = inner.get(end + 2..)?.strip_prefix(']')?;
        let name = super::parse(quoted).ok()?.as_str()?.into_owned();
        return Some((Part::Name(name), after));
    }
    let (text, after) = inner.split_once(']')?;
    let part = match text.strip_prefix('-') {
        Some(number) => Part::FromEnd(number.parse().ok()?),
        None if text == "*" => Part::Each,
        None => Part::Index(text.parse().ok()?),
    };
    Some((part, after))
}

fn position(part: &Part, length: usize) -> Option<usize> {
    match part {
        Part::Index(index) => Some(*index),
        Part::FromEnd(index) => length.checked_sub(*index),
        _ => None,
    }
}

fn find<'v, 'a>(value: &'v Value<'a>, parts: &[Part]) -> Option<&'v Value<'a>> {
    let Some((part, rest)) = parts.split_first() else { return Some(value) };
    let rest = match part {
        Part::Name(name) => return find(value.get(name)?, rest),
        Part::Index(_) | Part::FromEnd(_) => {
            let values = value.as_array()?;
            return find(values.get(position(part, values.len())?)?, rest);
        }
        Part::Each => rest,
        Part::Deep => {
            if let Some(found) = find(value, rest) {
                return Some(found);
            }
            parts
        }
    };
    match value {
        Value::Array(values) => values.iter().find_map(|value| find(value, rest)),
        Value::Object(members) => members.iter().find_map(|(_, value)| find(value, rest)),
        _ => None,
    }
}

fn collect<'v, 'a>(value: &'v Value<'a>, parts: &[Part], found: &mut Vec<&'v Value<'a>>) {
    let Some((part, rest)) = parts.split_first() else { return found.push(value) };
    let rest = match part {
        Part::Each => rest,
        Part::Deep => {
            collect(value, rest, found);
            parts
        }
        // One place at most.
        one => {
            if let Some(value) = find(value, core::slice::from_ref(one)) {
                collect(value, rest, found);
            }
            return;
        }
    };
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, rest, found)),
        Value::Object(members) => members.iter().for_each(|(_, value)| collect(value, rest, found)),
        _ => {}
    }
}

/// Calls `keep` with every match; whether `value` itself is kept.
fn retain<'a>(value: &mut Value<'a>, parts: &[Part], keep: &mut dyn FnMut(&mut Value<'a>) -> bool) -> bool {
    let Some((part, rest)) = parts.split_first() else { return keep(value) };
    match part {
        Part::Name(name) => {
            if let Value::Object(members) = value {
                members.retain_mut(|(have, value)| have != name.as_str() || retain(value, rest, keep));
            }
        }
        Part::Index(_) | Part::FromEnd(_) => {
            if let Value::Array(values) = value
                && let Some(at) = position(part, values.len())
                && let Some(element) = values.get_mut(at)
                && !retain(element, rest, keep)
            {
                values.remove(at);
            }
        }
        Part::Each => retain_children(value, rest, keep),
        Part::Deep => {
            if !retain(value, rest, keep) {
                return false;
            }
            retain_children(value, parts, keep);
        }
    }
    true
}

fn retain_children<'a>(value: &mut Value<'a>, parts: &[Part], keep: &mut dyn FnMut(&mut Value<'a>) -> bool) {
    match value {
        Value::Array(values) => values.retain_mut(|value| retain(value, parts, keep)),
        Value::Object(members) => members.retain_mut(|(_, value)| retain(value, parts, keep)),
        _ => {}
    }
}
