//! JSON that stays as it was written.
//!
//! A [`Value`] keeps the text of every number and string, the order of keys, and keys that come twice. What a plugin does not
//! touch is written as it was read, but for the white space between values: `1.0` stays `1.0`, `1e3` stays `1e3`, and an
//! integer of forty digits loses none. No float is made anywhere unless [`Number::to_f64`] is called, so nothing depends on
//! how an engine rounds.
//!
//! ```
//! use weir_plugin::json::{self, Value};
//!
//! let mut value = json::parse(r#"{"b": 1.0, "a": [1e3, "\u00e9"]}"#)?;
//! value.set("c", true);
//! assert_eq!(value.to_json(), r#"{"b":1.0,"a":[1e3,"\u00e9"],"c":true}"#);
//! assert_eq!(value.at("a[1]").and_then(Value::as_str).as_deref(), Some("é"));
//! # Ok::<(), json::ParseError>(())
//! ```

mod number;
mod parse;
mod path;
mod text;

pub use number::Number;
pub use parse::{MAX_DEPTH, ParseError, parse};
pub use path::Path;
pub use text::Text;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A JSON value that borrows from the text that it was read from.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as text.
    Number(Number<'a>),
    /// A string, with its escapes.
    String(Text<'a>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object: its members in their order.
    Object(Vec<(Text<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// An object without members.
    pub fn object() -> Self {
        Self::Object(Vec::new())
    }

    /// The same object with one more member; for writing an object down.
    #[must_use]
    pub fn with(mut self, name: impl Into<Text<'a>>, value: impl Into<Value<'a>>) -> Self {
        if let Self::Object(members) = &mut self {
            members.push((name.into(), value.into()));
        }
        self
    }

    /// A member of an object: the last of this name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Self::Object(members) = self else { return None };
        members.iter().rev().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    /// A member of an object, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        let Self::Object(members) = self else { return None };
        members.iter_mut().rev().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    /// Sets a member of an object where it is, or at the end. A value that is no object stays as it is.
    pub fn set(&mut self, name: &str, value: impl Into<Value<'a>>) {
        if let Some(have) = self.get_mut(name) {
            *have = value.into();
        } else if let Self::Object(members) = self {
            members.push((Text::from(String::from(name)), value.into()));
        }
    }

    /// Removes a member of an object, as often as it is there.
    pub fn remove(&mut self, name: &str) {
        if let Self::Object(members) = self {
            members.retain(|(have, _)| have != name);
        }
    }

    /// What is at a [`Path`]; `None` also where the path is not one.
    pub fn at(&self, path: &str) -> Option<&Value<'a>> {
        Path::parse(path).ok()?.first(self)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number<'a>> {
        match self {
            Self::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is written as an integer of 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.to_i64()
    }

    /// The string without its escapes, if it is one.
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(text) => Some(text.to_str()),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&[(Text<'a>, Value<'a>)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// What kind of value it is, as JSON Schema calls it (all numbers are `number`).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The JSON text, without white space.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number.as_text()),
            Self::String(text) => text.write(out),
            Self::Array(values) => {
                let mut before = '[';
                for value in values {
                    out.push(before);
                    value.write(out);
                    before = ',';
                }
                out.push_str(if values.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                let mut before = '{';
                for (name, value) in members {
                    out.push(before);
                    name.write(out);
                    out.push(':');
                    value.write(out);
                    before = ',';
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<Number<'a>> for Value<'a> {
    fn from(value: Number<'a>) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        i64::from(value).into()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl<'a> From<Text<'a>> for Value<'a> {
    fn from(value: Text<'a>) -> Self {
        Self::String(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Vec<T>> for Value<'a> {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests;
