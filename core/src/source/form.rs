//! Forms as JSON: an object with a member for each field, in the order of the first of its name; a name that is there
//! several times has the list of its values.
//!
//! Text is UTF-8 or, where the content type says so or the bytes are not UTF-8, Latin-1 (as browsers read it: Windows-1252), so
//! that no character is lost. A form in any other charset is not converted: reading it as Latin-1 would change its text. The
//! bytes as they came are kept beside the JSON in any case.

use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::collections::HashMap;

/// The most fields: a form with more is delivered as it came.
pub(crate) const MAX_FIELDS: usize = 1_000;

/// Whether text of this charset is read as Windows-1252, by the names that browsers know for it; `None` where the charset is
/// not one that is read here.
fn is_latin(charset: &str) -> Option<bool> {
    const UTF_8: [&str; 2] = ["utf-8", "utf8"];
    const LATIN: [&str; 12] = [
        "windows-1252",
        "cp1252",
        "x-cp1252",
        "iso-8859-1",
        "iso8859-1",
        "iso_8859-1",
        "iso88591",
        "latin1",
        "latin-1",
        "l1",
        "us-ascii",
        "ascii",
    ];
    let is = |name: &&str| charset.trim().eq_ignore_ascii_case(name);
    if UTF_8.iter().any(is) { Some(false) } else { LATIN.iter().any(is).then_some(true) }
}

/// The fields of a form (or of a query) as a JSON object; `None` where it has too many, or its charset is unknown.
pub(super) fn to_json(form: &[u8], charset: Option<&str>) -> Option<String> {
    let latin = charset.map_or(Some(false), is_latin)?;
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    if pairs.clone().take(MAX_FIELDS.saturating_add(1)).count() > MAX_FIELDS {
        return None;
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for pair in pairs {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = text(halves.next().unwrap_or_default(), latin);
        let value = text(halves.next().unwrap_or_default(), latin);
        if let Some((_, values)) = names.get(&name).and_then(|at| fields.get_mut(*at)) {
            values.push(value);
        } else {
            names.insert(name.clone(), fields.len());
            fields.push((name, vec![value]));
        }
    }
    let members: Vec<String> = fields
        .iter()
        .map(|(name, values)| match values.as_slice() {
            [value] => format!("{}:{}", quoted(name), quoted(value)),
            values => {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                format!("{}:[{}]", quoted(name), values.join(","))
            }
        })
        .collect();
    Some(format!("{{{}}}", members.join(",")))
}

/// A name or value of a form.
fn text(encoded: &[u8], latin: bool) -> String {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Cow<'_, [u8]> = percent_decode(&spaced).into();
    match std::str::from_utf8(&bytes) {
        Ok(text) if !latin => text.to_owned(),
        _ => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
    }
}

/// A character of Windows-1252, which is Latin-1 with characters in place of the second control codes.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
        '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}',
        '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}',
        '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    let high = byte.checked_sub(0x80).and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or_else(|| char::from(byte))
}

/// A JSON string: it can always be written.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn fields_keep_their_order_and_a_repeated_one_is_a_list() {
        assert_eq!(
            to_json(b"To=%2B1555&Body=a+%22b%22&To=%C3%BC&Empty=&x", None).as_deref(),
            Some(r#"{"To":["+1555","ü"],"Body":"a \"b\"","Empty":"","x":""}"#)
        );
        assert_eq!(to_json(b"", None).as_deref(), Some("{}"));
    }

    #[test]
    fn no_character_is_lost_whatever_the_charset() {
        let read = |form: &[u8], charset| to_json(form, charset).expect("few fields");
        assert_eq!(read(b"a=%FC", None), r#"{"a":"ü"}"#);
        assert_eq!(read(b"a=\xfc&b=%C3%BC", None), r#"{"a":"ü","b":"ü"}"#);
        assert_eq!(read(b"a=%FC%80", Some("ISO-8859-1")), r#"{"a":"ü€"}"#);
        assert_eq!(read(b"a=%C3%BC", Some("windows-1252")), r#"{"a":"Ã¼"}"#);
        assert_eq!(read(b"a=%C3%BC", Some("utf-8")), r#"{"a":"ü"}"#);
        assert_eq!(read(b"a=%C3%BC", Some("UTF8")), r#"{"a":"ü"}"#);
        assert_eq!(read(b"a=%FC", Some("cp1252")), r#"{"a":"ü"}"#);
    }

    #[test]
    fn a_form_of_another_charset_is_left_as_it_is() {
        for charset in ["Shift_JIS", "utf-16", "gb2312", "euc-kr", "koi8-r", "iso-8859-2", "nonsense", ""] {
            assert_eq!(to_json(b"a=%83e%83X%83g", Some(charset)), None, "{charset}");
        }
    }

    #[test]
    fn a_form_with_too_many_fields_is_left_as_it_is() {
        let form = |fields: usize| to_json("a=1&".repeat(fields).as_bytes(), None);
        assert!(form(1_000).is_some() && form(1_001).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_become_an_object(form: Vec<u8>, pairs in proptest::collection::vec((".{1,8}", ".{0,8}"), 0..8)) {
            prop_assert!(serde_json::from_str::<Value>(&to_json(&form, None).expect("few")).expect("JSON").is_object());
            let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let json: Value = serde_json::from_str(&to_json(form.as_bytes(), None).expect("few")).expect("JSON");
            for (name, value) in &pairs {
                let found = &json[name];
                let listed = found.as_array().is_some_and(|all| all.iter().any(|one| one == value));
                prop_assert!(found == value || listed, "{name} in {json}");
            }
        }
    }
}
