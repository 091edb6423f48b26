//! The stored headers of a request and its response, as an attempt shows them.
//!
//! Each side is a JSON object, bounded. Credentials are not stored: headers whose name says that they carry some, and
//! values that contain one of the endpoint's secrets (a provider's plain token). A signature is not a secret.

use crate::header::{is_harmless, is_sensitive};
use std::borrow::Cow;

/// The most bytes of names and values that are kept of one side.
pub const MAX: usize = 2_048;
/// Replaces a value that is not stored.
pub const HIDDEN: &str = "(hidden)";
/// The name of the entry that says that not all headers are stored.
const MORE: &str = "...";

/// Headers as they are kept: the text of a JSON object.
///
/// Of the endpoint's and the message's own headers (`own`), only those are stored that never carry credentials.
pub(super) fn kept<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    secrets: &[String],
    own: &[String],
) -> String {
    let mut kept: Vec<(Cow<'a, str>, &str)> = Vec::new();
    let mut size = 0usize;
    for (name, value) in headers {
        let upper = name.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if upper { name.to_ascii_lowercase().into() } else { Cow::Borrowed(name) };
        let hidden = is_sensitive(&name)
            || (own.iter().any(|own| own.eq_ignore_ascii_case(&name)) && !is_harmless(&name))
            || name == "set-cookie"
            || secrets.iter().any(|secret| !secret.is_empty() && value.contains(secret.as_str()));
        let value = if hidden { HIDDEN } else { value };
        size = size.saturating_add(name.len()).saturating_add(value.len());
        if size > MAX {
            kept.push((MORE.into(), "there were more"));
            break;
        }
        // The last of a name stands for all.
        match kept.iter_mut().find(|(other, _)| *other == name) {
            Some(other) => other.1 = value,
            None => kept.push((name, value)),
        }
    }
    kept.sort_unstable();
    let mut text = Vec::with_capacity(size.saturating_add(kept.len().saturating_mul(6)).saturating_add(2));
    let mut before = b"{".as_slice();
    for (name, value) in &kept {
        text.extend_from_slice(before);
        // Writing to a vector cannot fail, and neither can writing texts.
        let _ = serde_json::to_writer(&mut text, name);
        text.push(b':');
        let _ = serde_json::to_writer(&mut text, value);
        before = b",";
    }
    if kept.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    String::from_utf8(text).unwrap_or_default()
}

/// The same of an answer's headers, which come as lines: name, colon, value.
pub(super) fn kept_lines(lines: &str) -> String {
    kept(lines.lines().filter_map(|line| line.split_once(':')), &[], &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    #[test]
    fn what_lets_somebody_in_is_not_kept() {
        let headers = [
            ("Content-Type", "application/json"),
            ("authorization", "Bearer hush"),
            ("X-Api-Key", "hush"),
            ("x-shop-hash", "plain-hush"),
            ("svix-signature", "v1,abc"),
        ];
        assert_eq!(
            kept(headers.into_iter(), &["plain-hush".to_owned(), String::new()], &[]),
            r#"{"authorization":"(hidden)","content-type":"application/json","svix-signature":"v1,abc","x-api-key":"(hidden)","x-shop-hash":"(hidden)"}"#
        );
        let own = ["x-door".to_owned(), "content-type".to_owned()];
        let headers = [("X-Door", "sesame"), ("content-type", "a/b"), ("x-sign", "1")];
        assert_eq!(
            kept(headers.into_iter(), &[], &own),
            r#"{"content-type":"a/b","x-door":"(hidden)","x-sign":"1"}"#
        );
        assert_eq!(kept_lines("set-cookie:a=b\nx:1:2\nno header"), r#"{"set-cookie":"(hidden)","x":"1:2"}"#);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_bounded_and_json(headers in proptest::collection::vec((".{0,40}", ".{0,900}"), 0..12)) {
            let text = kept(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())), &[], &[]);
            let read: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
            let size: usize = read.iter().filter(|(name, _)| *name != MORE).map(|(n, v)| n.len() + v.as_str().map_or(0, str::len)).sum();
            prop_assert!(size <= MAX);
        }
    }
}
