//! Names and short texts: what may name something, and how a caller's text appears in a sentence.

use std::collections::BTreeMap;

/// The longest uid, event id or name of an event type.
pub const MAX_NAME: usize = 256;

/// Strings by name, as users attach them to applications, endpoints and sources.
pub type Metadata = BTreeMap<String, String>;

/// Whether `text` may name something: 1 to 256 of `a-z A-Z 0-9 - _ .`, and neither `.` nor `..`: a name becomes a segment of
/// a path, and clients resolve those two before they send, so that the request reaches something else.
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && !is_dots(text)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a segment of a path is one that clients resolve instead of sending.
pub(crate) fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// The caller's own text in a sentence: short, in one line.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// JSON text without a byte order mark, which JSON does not have.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}
