//! Strings with the escapes that they were written with.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// A JSON string: what stands between its quotes.
#[derive(Clone)]
pub struct Text<'a> {
    escaped: Cow<'a, str>,
}

impl<'a> Text<'a> {
    /// One that the parser has scanned.
    pub(super) fn scanned(escaped: &'a str) -> Self {
        Self { escaped: Cow::Borrowed(escaped) }
    }

    /// The text as it is written, with its escapes.
    pub fn as_written(&self) -> &str {
        &self.escaped
    }

    /// The text that is meant. Half a surrogate pair, which means none, becomes U+FFFD.
    pub fn to_str(&self) -> Cow<'_, str> {
        if self.escaped.contains('\\') {
            Cow::Owned(unescape(&self.escaped))
        } else {
            Cow::Borrowed(&self.escaped)
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('"');
        out.push_str(&self.escaped);
        out.push('"');
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        let escaped = if text.bytes().any(needs_escape) { escape(text).into() } else { text.into() };
        Self { escaped }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        let escaped = if text.bytes().any(needs_escape) { escape(&text) } else { text };
        Self { escaped: escaped.into() }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.escaped == other.escaped || self.to_str() == other.to_str()
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        *self.to_str() == *other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped)
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => {
                let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
                out.push_str("\\u00");
                out.push(digit(u32::from(char) >> 4));
                out.push(digit(u32::from(char) & 15));
            }
            _ => out.push(char),
        }
    }
    out
}

fn unescape(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (char, length) = unicode(after);
                out.push(char);
                rest = after.get(length..).unwrap_or_default();
                continue;
            }
            Some(char) => out.push(char),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character of `uXXXX` or `uXXXX\uXXXX`, and how long it is.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(1).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&first)
        && text.get(5..7) == Some("\\u")
        && let Some(second @ 0xdc00..0xe000) = unit(7)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}
