//! Credentials in URLs: which parts of a URL grant access, and the URL without them.
//!
//! Receivers put credentials into their URLs: `?token=…`, a signed query (`sig=…`), a random path segment. Such a URL
//! is stored encrypted; attempts, lists and read-only callers get the redacted URL ([`url()`]).
//!
//! What is hidden: a user and password; the value of a query, fragment or path parameter whose name says that it grants
//! access; and any value or path segment that looks like one (long and random). It hides too much rather than too little.

use crate::id;
use percent_encoding::percent_decode_str;

/// What stands for a part that is hidden. It is legal in every part of a URL.
pub const HIDDEN: &str = "***";

/// The length from which letters and digits in a row look like a credential: in a query, and in a path, where ids are usual.
const RANDOM_VALUE: usize = 16;
const RANDOM_SEGMENT: usize = 20;

/// What the name of a parameter contains that grants access, once it is in lower case and without punctuation.
const WORDS: [&str; 14] = [
    "accesskey",
    "apikey",
    "bearer",
    "credential",
    "hmac",
    "jwt",
    "passphrase",
    "passw",
    "password",
    "privatekey",
    "secret",
    "session",
    "signature",
    "token",
];

/// Names that grant access as a whole.
const NAMES: [&str; 20] = [
    "auth",
    "authentication",
    "authorization",
    "code",
    "hash",
    "key",
    "oauth",
    "otp",
    "pass",
    "passcode",
    "passwd",
    "pin",
    "psk",
    "pw",
    "pwd",
    "sas",
    "sid",
    "sig",
    "sign",
    "ticket",
];

/// The URL with its credentials hidden; `None` where it holds none.
pub fn url(url: &str) -> Option<String> {
    let (rest, fragment) = url.split_once('#').map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (scheme, rest) = rest.split_once("://").map_or(("", rest), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let mut shown = String::with_capacity(url.len());
    if !scheme.is_empty() {
        shown.push_str(scheme);
        shown.push_str("://");
    }
    match authority.rsplit_once('@') {
        Some((_, host)) => {
            shown.push_str(HIDDEN);
            shown.push('@');
            shown.push_str(host);
        }
        None => shown.push_str(authority),
    }
    show_path(path, &mut shown);
    for (mark, pairs) in [('?', query), ('#', fragment)] {
        if let Some(pairs) = pairs {
            shown.push(mark);
            show_pairs(pairs, &mut shown);
        }
    }
    (shown != url).then_some(shown)
}

/// Each segment, with its parameters (`;name=value`). One that follows a segment such as `token` is a credential.
fn show_path(path: &str, shown: &mut String) {
    let mut names_next = false;
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            shown.push('/');
        }
        let mut parts = segment.split(';');
        let name = parts.next().unwrap_or_default();
        let own = id::looks_like_id(name) || id::is(id::SOURCE, name);
        let random = !own && looks_random(name, RANDOM_SEGMENT, true);
        let hides = !name.is_empty() && (names_next || random);
        match name.split_once('=') {
            Some(_) => show_pair(name, shown),
            None => shown.push_str(if hides { HIDDEN } else { name }),
        }
        for part in parts {
            shown.push(';');
            show_pair(part, shown);
        }
        names_next = names_next_segment(name);
    }
}

/// Whether the next segment is the value of this one: `/token/…`. Other names are usual words of paths.
fn names_next_segment(name: &str) -> bool {
    matches!(
        plain(name).as_str(),
        "token" | "secret" | "apikey" | "accesstoken" | "password" | "sig" | "signature"
    )
}

fn show_pairs(pairs: &str, shown: &mut String) {
    for (at, pair) in pairs.split('&').enumerate() {
        if at > 0 {
            shown.push('&');
        }
        // Some servers take a semicolon as well.
        for (at, pair) in pair.split(';').enumerate() {
            if at > 0 {
                shown.push(';');
            }
            show_pair(pair, shown);
        }
    }
}

fn show_pair(pair: &str, shown: &mut String) {
    match pair.split_once('=') {
        Some((name, value)) => {
            shown.push_str(name);
            shown.push('=');
            let hides = !value.is_empty() && (grants(name) || looks_random(value, RANDOM_VALUE, false));
            shown.push_str(if hides { HIDDEN } else { value });
        }
        None => shown.push_str(if looks_random(pair, RANDOM_VALUE, false) { HIDDEN } else { pair }),
    }
}

/// A name in lower case, decoded, of its letters and digits only.
fn plain(name: &str) -> String {
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    decoded.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a parameter of this name grants access.
fn grants(name: &str) -> bool {
    let name = plain(name);
    NAMES.contains(&name.as_str())
        || WORDS.iter().any(|word| name.contains(word))
        || name.ends_with("key")
        || name.ends_with("sig")
        || name.ends_with("auth")
        || name.starts_with("auth") && !name.starts_with("author")
}

/// Whether a text holds so many letters and digits in a row, both of them, as no word has. In a path (`strict`) they also
/// have to be of both cases, or hex: ids in lower case are usual there.
fn looks_random(text: &str, length: usize, strict: bool) -> bool {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    let runs = decoded.split(|c: char| !c.is_ascii_alphanumeric());
    let random = |run: &str| {
        let has = |of: fn(&u8) -> bool| run.bytes().any(|byte| of(&byte));
        let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        let hex = run.len() >= 32 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        run.len() >= length
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_alphabetic)
            && (!strict || mixed || hex)
    };
    runs.clone().any(random) || {
        // Base64 has other characters in between.
        let joined: String = decoded.chars().filter(|c| !matches!(c, '-' | '_' | '+' | '=')).collect();
        let separate = |c: char| !c.is_ascii_alphanumeric();
        let of_both_cases = |run: &str| {
            let has = |of: fn(&u8) -> bool| run.bytes().any(|byte| of(&byte));
            has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
        };
        joined.split(separate).any(|run| run.len() >= length.saturating_add(4) && of_both_cases(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_grants_access_is_hidden_and_the_rest_is_as_it_was() {
        for (given, shown) in [
            ("https://user:pass@example.com/a", "https://***@example.com/a"),
            ("https://example.com/a?token=abc&n=1", "https://example.com/a?token=***&n=1"),
            ("https://example.com/?n=1;api-key=abc", "https://example.com/?n=1;api-key=***"),
            ("https://example.com/?Access%54oken=x", "https://example.com/?Access%54oken=***"),
            ("https://example.com/?sig=a%2Fb&sv=1", "https://example.com/?sig=***&sv=1"),
            ("https://example.com/?X-Amz-Signature=ab", "https://example.com/?X-Amz-Signature=***"),
            ("https://example.com/f?code=ab%3D%3D", "https://example.com/f?code=***"),
            ("https://example.com/?x=0123456789abcdef0", "https://example.com/?x=***"),
            ("https://example.com/?0123456789abcdef0", "https://example.com/?***"),
            ("https://example.com/#access_token=ab", "https://example.com/#access_token=***"),
            ("https://example.com/a;jsessionid=1/b", "https://example.com/a;jsessionid=***/b"),
            ("https://example.com/token/abc/x", "https://example.com/token/***/x"),
            (
                "https://hooks.example.com/services/T00000000/B00000000/aB3dEfGh1jKlMn0pQrStUvWx",
                "https://hooks.example.com/services/T00000000/B00000000/***",
            ),
            (
                "https://example.com/api/webhooks/123456789012345678/ab-CD_ef01ghIJ-klMN_opQR23stUV",
                "https://example.com/api/webhooks/123456789012345678/***",
            ),
        ] {
            assert_eq!(url(given).as_deref(), Some(shown), "{given}");
            assert_eq!(url(shown), None, "what is shown hides nothing more: {shown}");
        }
    }

    #[test]
    fn ordinary_urls_are_shown_whole() {
        for given in [
            "https://example.com/",
            "https://example.com/webhooks/orders?n=1&author=me&page=2",
            "https://example.com/hooks/550e8400-e29b-41d4-a716-446655440000",
            "https://example.com/my-very-long-endpoint-name-2026/v1",
            "https://example.com/?since=2026-11-29T23:06:34Z&keyword=abc",
            "https://example.com:8443/a?b#c",
            "http://127.0.0.1:9999/@x?y=@z",
            "https://example.com/?token=",
        ] {
            assert_eq!(url(given), None, "{given}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_what_is_hidden_stays_hidden(text in ".{0,60}") {
            if let Some(shown) = url(&text) {
                prop_assert!(shown.contains(HIDDEN));
                prop_assert_eq!(url(&shown), None);
            }
        }

        #[test]
        fn a_secret_in_a_query_is_never_shown(secret in "[a-z]{9,12}", name in "(token|api_key|sig|secret|x-auth-token)") {
            let shown = url(&format!("https://example.com/a?b=c&{name}={secret}&d"));
            prop_assert!(shown.is_some_and(|shown| !shown.contains(&secret)));
        }
    }
}
