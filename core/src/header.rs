//! Custom headers of an endpoint: which may be set, and which are not shown again.
//!
//! Headers of the connection or of the delivery itself are refused (a custom one would break the request or forge its
//! signature), as well as headers that proxies and clouds trust, and everything that HTTP does not allow.
//! `authorization` and `cookie` are allowed: receivers use them to authenticate the sender, and a delivery has none
//! of its own.
//!
//! A preset may sign with header names of its own; that those are not overridden is for whoever builds the request.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// The header with the number of sources that an event has passed through: two gateways, or two endpoints of one gateway, can
/// form a loop.
pub const HOPS: &str = "weir-hops";

/// How many custom headers an endpoint may have.
pub const MAX_HEADERS: usize = 50;
/// The longest name, in bytes.
pub const MAX_NAME: usize = 256;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 4096;

/// Names that belong to the connection, to the delivery's body, to caches, or to the network it leaves by.
const FORBIDDEN: [&str; 33] = [
    "age",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ew-via",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "cf-worker",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "date",
    "expect",
    "expires",
    "host",
    "http2-settings",
    "keep-alive",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "warning",
];

/// Beginnings of names: of the signature headers, and of what clouds set and trust.
const FORBIDDEN_PREFIXES: [&str; 11] = [
    "svix-", "webhook-", "weir-", "x-amz-", "x-amzn-", "x-azure-", "x-fd-", "x-gfe", "x-goog-", "x-google",
    "x-svix-",
];

/// Why a header is refused; a sentence. It holds the name and never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderFault {
    /// The name is empty.
    NameEmpty,
    /// The name has so many bytes, more than [`MAX_NAME`].
    NameLength(usize),
    /// The name has a character that HTTP does not allow.
    NameCharacter(String, char),
    /// The name is one that may not be set.
    Forbidden(String),
    /// The name begins in a way that is reserved: the name, and its beginning.
    ForbiddenPrefix(String, &'static str),
    /// The value has so many bytes, more than [`MAX_VALUE`].
    ValueLength(String, usize),
    /// The value has a control character.
    ValueControl(String),
    /// The value has a character outside ASCII.
    ValueNotAscii(String),
    /// The name is given twice, in different case.
    Twice(String),
    /// There are so many headers, more than [`MAX_HEADERS`].
    TooMany(usize),
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameEmpty => f.write_str("A header needs a name."),
            Self::NameLength(length) => {
                write!(f, "The header's name has {length} bytes; at most {MAX_NAME} are allowed.")
            }
            Self::NameCharacter(name, c) => write!(
                f,
                "The header name '{}' contains '{}'. Allowed are letters, digits and !#$%&'*+-.^_`|~",
                name.escape_default(),
                c.escape_default()
            ),
            Self::Forbidden(name) => {
                write!(
                    f,
                    "The header '{name}' is set by the delivery itself or by the network and cannot be set here."
                )
            }
            Self::ForbiddenPrefix(name, prefix) => write!(
                f,
                "The header '{name}' cannot be set: names that begin with '{prefix}' are reserved for signatures or for cloud \
                 providers."
            ),
            Self::ValueLength(name, length) => {
                write!(f, "The value of '{name}' has {length} bytes; at most {MAX_VALUE} are allowed.")
            }
            Self::ValueControl(name) => write!(
                f,
                "The value of '{name}' contains a control character, such as a line break. Values are one line of text."
            ),
            Self::ValueNotAscii(name) => write!(
                f,
                "The value of '{name}' contains a character outside ASCII, which receivers read differently. Percent-encode \
                 it or use base64."
            ),
            Self::Twice(name) => write!(
                f,
                "The header '{name}' occurs twice: names are case-insensitive. Send it once, with the values \
                 separated by commas."
            ),
            Self::TooMany(count) => {
                write!(f, "{count} headers are too many; at most {MAX_HEADERS} are allowed.")
            }
        }
    }
}

impl std::error::Error for HeaderFault {}

/// Whether it is a header's name, whatever it may be used for.
pub fn is_name(name: &str) -> bool {
    check_name(name).is_ok()
}

fn check_name(name: &str) -> Result<(), HeaderFault> {
    if name.is_empty() {
        return Err(HeaderFault::NameEmpty);
    }
    if name.len() > MAX_NAME {
        return Err(HeaderFault::NameLength(name.len()));
    }
    match name.chars().find(|c| !is_token(*c)) {
        Some(c) => Err(HeaderFault::NameCharacter(name.to_owned(), c)),
        None => Ok(()),
    }
}

/// Checks a header that a scheme sets: its name may be any, and neither can break the line.
pub fn check_sent(name: &str, value: &str) -> Result<(), HeaderFault> {
    check_name(name)?;
    check_line(name, value)
}

/// Checks one custom header.
pub fn check(name: &str, value: &str) -> Result<(), HeaderFault> {
    check_name(name)?;
    let lower = name.to_ascii_lowercase();
    if FORBIDDEN.contains(&lower.as_str()) {
        return Err(HeaderFault::Forbidden(name.to_owned()));
    }
    if let Some(prefix) = FORBIDDEN_PREFIXES.iter().find(|prefix| lower.starts_with(**prefix)) {
        return Err(HeaderFault::ForbiddenPrefix(name.to_owned(), prefix));
    }
    check_value(name, value)
}

/// Checks a header that one message brings: it may also say of what kind the message's own body is.
pub fn check_brought(name: &str, value: &str) -> Result<(), HeaderFault> {
    if name.eq_ignore_ascii_case("content-type") { check_value(name, value) } else { check(name, value) }
}

/// Checks a header's value.
pub fn check_value(name: &str, value: &str) -> Result<(), HeaderFault> {
    if value.len() > MAX_VALUE {
        return Err(HeaderFault::ValueLength(name.to_owned(), value.len()));
    }
    check_line(name, value)
}

fn check_line(name: &str, value: &str) -> Result<(), HeaderFault> {
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(HeaderFault::ValueControl(name.to_owned()));
    }
    if !value.is_ascii() {
        return Err(HeaderFault::ValueNotAscii(name.to_owned()));
    }
    Ok(())
}

/// Headers of a request or a response. No name and no value can end its line and begin another: there is no other way to make
/// one, and nothing else is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Headers of a request; one that would break its line is refused.
    pub fn checked(headers: Vec<(String, String)>) -> Result<Self, HeaderFault> {
        for (name, value) in &headers {
            check_name(name)?;
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(HeaderFault::ValueControl(name.clone()));
            }
        }
        Ok(Self(headers))
    }

    /// Headers of a response, which is sent whatever is in them: what would break a line is left out of it.
    pub fn cleaned<N: AsRef<str>, V: AsRef<str>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        let clean = |text: &str| text.replace(|c: char| c.is_control() && c != '\t', " ");
        let headers = headers.into_iter().map(|(name, value)| (clean(name.as_ref()), clean(value.as_ref())));
        Self(headers.filter(|(name, _)| is_name(name)).collect())
    }

    /// As one text, a line each: name, colon, value.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(name);
            text.push(':');
            text.push_str(value);
        }
        text
    }
}

impl Deref for Fields {
    type Target = [(String, String)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Checks all custom headers of an endpoint together.
pub fn check_all(headers: &BTreeMap<String, String>) -> Result<(), HeaderFault> {
    if headers.len() > MAX_HEADERS {
        return Err(HeaderFault::TooMany(headers.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in headers {
        check(name, value)?;
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(HeaderFault::Twice(name.clone()));
        }
    }
    Ok(())
}

/// Parts of the names of headers that carry credentials.
const WORDS: [&str; 19] = [
    "accesskey",
    "access-key",
    "api-key",
    "api_key",
    "apikey",
    "bearer",
    "cookie",
    "credential",
    "functions-key",
    "jwt",
    "passwd",
    "password",
    "private-key",
    "privatekey",
    "secret",
    "session",
    "signing-key",
    "subscription-key",
    "token",
];

/// Headers that never carry credentials.
const HARMLESS: [&str; 21] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "content-length",
    "content-type",
    "date",
    "from",
    "idempotency-key",
    "origin",
    "prefer",
    "priority",
    "referer",
    "retry-after",
    "traceparent",
    "tracestate",
    "user-agent",
    "weir-hops",
    "x-correlation-id",
    "x-request-id",
    "x-source",
    "x-trace-id",
];

/// Whether a header's value may be shown to read-only callers. Other headers could carry credentials.
pub fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the API hides a header's value once it is set: headers whose name says that they carry credentials.
pub fn is_sensitive(name: &str) -> bool {
    // By bytes: this is asked for each header of each attempt.
    let name = name.as_bytes();
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    let holds = |word: &str| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    ["authorization", "cookie", "www-authenticate"].into_iter().any(is)
        || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"))
        || WORDS.into_iter().any(holds)
        || (holds("auth") && !holds("author") || holds("authoriz"))
        || ["x-key", "x-pass", "x-pwd", "x-sid"].into_iter().any(is)
}

/// The characters of a token in RFC 9110, of which a header's name is made.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(headers: &[(&str, &str)]) -> Result<(), HeaderFault> {
        check_all(&headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn ordinary_headers_are_taken() {
        for (name, value) in [
            ("Authorization", "Bearer abc"),
            ("x-api-key", "s3cr3t"),
            ("Cookie", "a=b; c=d"),
            ("CF-Access-Client-Id", "abc.access"),
            ("X-Empty", ""),
            ("X-Tab", "a\tb"),
            ("!#$%&'*+-.^_`|~09azAZ", "~ !"),
            ("hosts", "x"),
            ("x-webhook-signature", "x"),
            ("X-Long", &"v".repeat(MAX_VALUE)),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn no_header_breaks_its_line() {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (name, value) in
            [("x-a", "1\r\nx-b: 2"), ("x-a", "1\n"), ("x-a\nx-b", "1"), ("x-a", "\u{85}"), ("", "1")]
        {
            assert!(Fields::checked(pair(name, value)).is_err(), "{name:?}: {value:?}");
            assert!(
                !Fields::cleaned(pair(name, value)).lines().contains(['\r', '\n']),
                "{name:?}: {value:?}"
            );
        }
        let two =
            [("x-a", "1\t2"), ("x-b", "\u{fc}")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(Fields::checked(two.to_vec()).expect("right").lines(), "x-a:1\t2\nx-b:\u{fc}");
    }

    #[test]
    fn a_message_says_of_what_kind_its_body_is() {
        assert_eq!(check_brought("Content-Type", "text/plain; charset=utf-8"), Ok(()));
        let split = check_brought("content-type", "text/plain\r\nx: y");
        assert_eq!(split, Err(HeaderFault::ValueControl("content-type".to_owned())));
        assert_eq!(check_brought("Host", "x"), Err(HeaderFault::Forbidden("Host".to_owned())));
    }

    #[test]
    fn the_deliverys_own_headers_cannot_be_set() {
        for name in [
            "User-Agent",
            "content-type",
            "CONTENT-LENGTH",
            "Host",
            "connection",
            "Transfer-Encoding",
            "te",
            "CF-Connecting-IP",
        ] {
            assert_eq!(check(name, "x"), Err(HeaderFault::Forbidden(name.to_owned())), "{name}");
        }
        for (name, prefix) in [
            ("svix-id", "svix-"),
            ("Webhook-Signature", "webhook-"),
            ("WEIR-x", "weir-"),
            ("x-svix-a", "x-svix-"),
            ("X-Amz-Date", "x-amz-"),
            ("x-amzn-trace-id", "x-amzn-"),
            ("X-GoogleThing", "x-google"),
            ("x-goog-a", "x-goog-"),
            ("x-gfe1", "x-gfe"),
            ("x-azure-ref", "x-azure-"),
            ("x-fd-healthprobe", "x-fd-"),
        ] {
            assert_eq!(
                check(name, "x"),
                Err(HeaderFault::ForbiddenPrefix(name.to_owned(), prefix)),
                "{name}"
            );
        }
    }

    #[test]
    fn names_and_values_are_those_of_http() {
        assert_eq!(check("", "x"), Err(HeaderFault::NameEmpty));
        assert_eq!(check(&"n".repeat(257), "x"), Err(HeaderFault::NameLength(257)));
        for (name, c) in [
            ("a b", ' '),
            ("a:", ':'),
            ("a\r\nb", '\r'),
            ("ä", 'ä'),
            ("(a)", '('),
            ("a/b", '/'),
            ("a\0", '\0'),
        ] {
            assert_eq!(check(name, "x"), Err(HeaderFault::NameCharacter(name.to_owned(), c)), "{name:?}");
        }
        for value in ["a\r\nevil: yes", "a\n", "\r", "a\0b", "\u{7f}", "\u{1b}[0m"] {
            assert_eq!(check("x-a", value), Err(HeaderFault::ValueControl("x-a".into())), "{value:?}");
        }
        assert_eq!(check("x-a", "grün"), Err(HeaderFault::ValueNotAscii("x-a".into())));
        assert_eq!(check("x-a", &"v".repeat(4097)), Err(HeaderFault::ValueLength("x-a".into(), 4097)));
    }

    #[test]
    fn all_of_them_together() {
        assert_eq!(all(&[]), Ok(()));
        assert_eq!(all(&[("X-A", "1"), ("X-B", "2")]), Ok(()));
        assert_eq!(all(&[("X-A", "1"), ("x-a", "2")]), Err(HeaderFault::Twice("x-a".into())));
        assert_eq!(all(&[("X-A", "1"), ("host", "2")]), Err(HeaderFault::Forbidden("host".into())));
        let many: Vec<String> = (0..51).map(|i| format!("x-{i}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(all(&many), Err(HeaderFault::TooMany(51)));
        assert_eq!(all(&many[..50]), Ok(()));
    }

    #[test]
    fn what_lets_somebody_in_is_hidden() {
        for name in [
            "Authorization",
            "X-Auth-Token",
            "x-api-key",
            "WWW-Authenticate",
            "Proxy-Thing",
            "cookie",
            "CF-Access-Client-Secret",
            "X-ApiKey",
            "x-hook-password",
            "X-Auth",
            "X-Access-Key",
            "X-Functions-Key",
            "Ocp-Apim-Subscription-Key",
            "X-Signing-Key",
            "X-Credential",
            "X-Session",
            "X-Pass",
            "X-Passwd",
            "X-PrivateKey",
            "X-Bearer",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["x-custom", "accept", "cf-access-client-id", "x-key-id", "x-author"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    #[test]
    fn who_only_looks_sees_what_is_known_to_be_harmless() {
        for name in ["Content-Type", "x-request-id"] {
            assert!(is_harmless(name) && !is_sensitive(name), "{name}");
        }
        for name in ["x-custom", "x-a", "authorization", "x-shop-hash"] {
            assert!(!is_harmless(name), "{name}");
        }
        assert!(HARMLESS.iter().all(|name| !is_sensitive(name)));
    }

    #[test]
    fn the_lists_are_in_lower_case_and_in_order() {
        assert!(FORBIDDEN.is_sorted() && FORBIDDEN_PREFIXES.is_sorted());
        for name in FORBIDDEN.iter().chain(&FORBIDDEN_PREFIXES) {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_line_of_http(name in ".{0,12}", value in any::<String>()) {
            if check(&name, &value).is_ok() {
                prop_assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
                prop_assert!(value.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)));
            }
        }

        #[test]
        fn case_does_not_matter(name in "[a-zA-Z-]{1,12}|(?i)(host|svix-a|webhook-b|x-token)", value in "[ -~]{0,8}") {
            let (upper, lower) = (name.to_ascii_uppercase(), name.to_ascii_lowercase());
            prop_assert_eq!(check(&upper, &value).is_ok(), check(&lower, &value).is_ok());
            prop_assert_eq!(is_sensitive(&upper), is_sensitive(&lower));
        }
    }
}
