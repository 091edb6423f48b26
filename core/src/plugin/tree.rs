//! JSON as a tree that keeps how each value is written.
//!
//! Two trees are the same if they mean the same, whatever the order of members and the spelling of numbers and texts. A number is
//! compared by all of its digits.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How deep a document may be nested, as plugins read it.
const MAX_DEPTH: usize = 256;

/// A value, and how it is written.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    raw: &'a str,
    kind: Kind<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    /// `null`, `true` or `false`.
    Word(&'a str),
    /// Whether it is negative, its digits without zeros around them, and the power of ten that they are multiplied by.
    Number(bool, String, i64),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    /// Of a name that is there twice, the last value.
    Object(BTreeMap<Cow<'a, str>, Tree<'a>>),
}

impl PartialEq for Tree<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Tree<'_> {}

impl<'a> Tree<'a> {
    /// Reads a document; none where it is no JSON, or nested too deep.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        // After this, only its depth can be wrong.
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        Reader { rest: text }.value(0)
    }

    /// As it is written.
    pub(super) fn raw(&self) -> Option<Box<RawValue>> {
        RawValue::from_string(self.raw.to_owned()).ok()
    }

    pub(super) fn members(&self) -> Option<&BTreeMap<Cow<'a, str>, Tree<'a>>> {
        if let Kind::Object(members) = &self.kind { Some(members) } else { None }
    }

    pub(super) fn items(&self) -> Option<&[Tree<'a>]> {
        if let Kind::List(items) = &self.kind { Some(items) } else { None }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Takes a mark and the blanks around it; whether it was there.
    fn mark(&mut self, mark: char) -> bool {
        self.blank();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        self.blank();
        rest.is_some()
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, depth: usize) -> Option<Tree<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let deeper = depth.saturating_add(1);
        self.blank();
        let start = self.rest;
        let kind = match start.as_bytes().first()? {
            b'{' => {
                self.take(1)?;
                let mut members = BTreeMap::new();
                while !self.mark('}') {
                    self.mark(',');
                    let name = text(self.string()?);
                    self.mark(':');
                    members.insert(name, self.value(deeper)?);
                }
                Kind::Object(members)
            }
            b'[' => {
                self.take(1)?;
                let mut items = Vec::new();
                while !self.mark(']') {
                    self.mark(',');
                    items.push(self.value(deeper)?);
                }
                Kind::List(items)
            }
            b'"' => Kind::Text(text(self.string()?)),
            b'-' | b'0'..=b'9' => {
                let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
                number(self.take(start.find(|c| !is_part(c)).unwrap_or(start.len()))?)
            }
            _ => Kind::Word(self.take(start.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(start.len()))?),
        };
        // Blanks after a list or an object were taken with its mark.
        let raw =
            start.get(..start.len().checked_sub(self.rest.len())?)?.trim_end_matches([' ', '\t', '\r', '\n']);
        Some(Tree { raw, kind })
    }

    /// Takes a text with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        self.take(end.checked_add(2)?)
    }
}

/// What a text in quotes says; as it is written, where that cannot be said in Unicode.
fn text(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    match serde_json::from_str::<String>(quoted) {
        Ok(said) if said != inner => Cow::Owned(said),
        _ => Cow::Borrowed(inner),
    }
}

fn number<'a>(written: &str) -> Kind<'a> {
    let (negative, unsigned) = written.strip_prefix('-').map_or((false, written), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_end_matches('0');
    let zeros = all.len().saturating_sub(digits.len());
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Kind::Number(false, String::new(), 0);
    }
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // One that is so large is no number of anything: it is cut off.
    let exponent =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let exponent = exponent.saturating_sub(signed(fraction.len())).saturating_add(signed(zeros));
    Kind::Number(negative, digits.to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(a: &str, b: &str) -> bool {
        Tree::read(a.as_bytes()).expect("JSON") == Tree::read(b.as_bytes()).expect("JSON")
    }

    #[test]
    fn trees_are_the_same_if_they_mean_the_same() {
        for (a, b) in [
            ("1", "1.0"),
            ("1e+2", "100"),
            ("-0", "0"),
            ("0e5", "0"),
            (r#""a\nb""#, r#""a\u000ab""#),
            (r#"{"a":1,"b":[ ]}"#, "{ \"b\" : [], \"a\" : 1e0 }"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("null", " null "),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in
            [("1", "-1"), ("1", "10"), ("0.1", "0.01"), ("true", "false"), (r#""1""#, "1"), ("[]", "{}")]
        {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_value_keeps_how_it_is_written() {
        let text = r#" { "a" : [ 1.50 , "\ud800\"]" ] , "b":{ } } "#;
        let tree = Tree::read(text.as_bytes()).expect("JSON");
        let raw = |tree: &Tree<'_>| tree.raw().expect("JSON").get().to_owned();
        let members = tree.members().expect("an object");
        assert_eq!(raw(&tree), text.trim());
        assert_eq!(raw(&members["a"]), r#"[ 1.50 , "\ud800\"]" ]"#);
        assert_eq!(raw(&members["b"]), "{ }");
        assert_eq!(
            members["a"].items().expect("a list").iter().map(raw).collect::<Vec<_>>(),
            ["1.50", r#""\ud800\"]""#]
        );
        for none in ["", "{", "[1,]", "01", "\u{feff}1", "nul"] {
            assert!(Tree::read(none.as_bytes()).is_none(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn every_document_is_read_and_kept(text in r#"[\[\]{},:"a1 .e\\-]{0,24}"#) {
            if serde_json::from_str::<IgnoredAny>(&text).is_ok() {
                let tree = Tree::read(text.as_bytes()).expect("JSON");
                let raw = tree.raw().expect("JSON");
                prop_assert_eq!(raw.get(), text.trim());
            } else {
                prop_assert!(Tree::read(text.as_bytes()).is_none());
            }
        }
    }
}
