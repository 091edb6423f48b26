//! The query of a request, read by name.
//!
//! It is parsed once, where the request comes in. Between objects it travels as its pairs.
//!
//! What a handler does not ask for is ignored. Where a name appears twice, the last one counts; lists may be
//! written `a,b`, repeated, as `name[]=a` or as `name[0]=a`. A value that cannot be read is a 422 at
//! `["query", name]`.

use crate::error::ApiError;
use crate::time::parse_printed;
use minicbor::{Decode, Encode};

/// The decoded pairs of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Query(#[n(0)] Vec<(String, String)>);

impl Query {
    /// Reads a raw query (without the question mark). Every text is a query.
    pub fn parse(raw: &str) -> Self {
        Self(
            url::form_urlencoded::parse(raw.as_bytes())
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// The same with one more pair. It counts instead of earlier ones of its name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The last value of `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A flag: `true`, `1` or `false`, `0`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "True" | "1") => Ok(Some(true)),
            Some("false" | "False" | "0") => Ok(Some(false)),
            Some(_) => {
                Err(ApiError::invalid_kind(&["query", name], "Send true or false.", "type_error.bool"))
            }
        }
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::invalid_kind(&["query", name], "Send a whole number.", "type_error.integer")
                })
            })
            .transpose()
    }

    /// A time in RFC 3339, in milliseconds since the Unix epoch.
    pub fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name)
            .map(|text| {
                parse_printed(text).ok_or_else(|| {
                    ApiError::invalid_kind(
                        &["query", name],
                        "Send a time in RFC 3339, such as 2026-01-31T12:00:00Z.",
                        "value_error.datetime",
                    )
                })
            })
            .transpose()
    }

    /// A list, in any of the ways that callers write lists. Empty items are left out.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, _)| is_item_of(key, name))
            .flat_map(|(_, value)| value.split(','))
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The pairs of an object, written `name[key]=value`.
    pub fn pairs<'a>(&'a self, name: &str) -> Vec<(&'a str, &'a str)> {
        let inner = |key: &'a str| key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']');
        self.0.iter().filter_map(|(key, value)| Some((inner(key)?, value.as_str()))).collect()
    }

    /// Whether the content (payloads, responses, schemas) is wanted: `with_content`.
    pub fn with_content(&self, default: bool) -> Result<bool, ApiError> {
        Ok(self.flag("with_content")?.unwrap_or(default))
    }
}

/// Whether `key` is `name`, `name[]` or `name[7]`.
fn is_item_of(key: &str, name: &str) -> bool {
    let Some(rest) = key.strip_prefix(name) else { return false };
    rest.is_empty()
        || rest
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|index| index.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_value_counts_and_unknown_names_are_nobodys_business() {
        let query = Query::parse("limit=1&limit=2&order=x%20y+z&junk&%ff=%zz");
        assert_eq!(query.text("limit"), Some("2"));
        assert_eq!(query.text("order"), Some("x y z"));
        assert_eq!(query.text("absent"), None);
        assert_eq!(query.int("limit").expect("a number"), Some(2));
    }

    #[test]
    fn a_pair_that_is_added_counts() {
        let query = Query::parse("limit=1&x=y").with("limit", "20").with("iterator", "a&b=c");
        assert_eq!((query.text("limit"), query.text("x")), (Some("20"), Some("y")));
        assert_eq!(query.text("iterator"), Some("a&b=c"));
    }

    #[test]
    fn times_are_read_as_clients_print_them() {
        let query =
            Query::parse("a=2026-11-29+23:06:34.783+%2b0000+UTC&b=2026-11-30T01:06:34.783+02:00&c=now");
        let right = crate::time::parse_rfc3339("2026-11-29T23:06:34.783Z");
        assert!(right.is_some());
        assert_eq!([query.time("a").expect("a time"), query.time("b").expect("a time")], [right, right]);
        assert!(query.time("c").is_err());
    }

    #[test]
    fn lists_are_read_in_every_way_that_callers_write_them() {
        for raw in [
            "event_types=a,b",
            "event_types=a&event_types=b",
            "event_types[]=a&event_types[]=b",
            "event_types%5B0%5D=a&event_types[1]=b",
            "event_types=a,,&event_types_not=x&event_types[x]=y&event_types=b",
        ] {
            assert_eq!(Query::parse(raw).list("event_types"), ["a", "b"], "{raw}");
        }
        assert!(Query::parse("").list("event_types").is_empty());
    }

    #[test]
    fn objects_are_read_by_their_keys() {
        let query =
            Query::parse("metadata[a]=1&metadata%5Bb.c%5D=x%20y&metadata=z&metadatas[d]=2&metadata[e=3");
        assert_eq!(query.pairs("metadata"), [("a", "1"), ("b.c", "x y")]);
    }

    #[test]
    fn what_cannot_be_read_is_a_422_that_names_the_parameter() {
        let query = Query::parse("limit=ten&with_content=maybe&before=yesterday");
        for (error, name) in [
            (query.int("limit").expect_err("no number"), "limit"),
            (query.with_content(true).expect_err("no flag"), "with_content"),
            (query.time("before").expect_err("no time"), "before"),
        ] {
            assert_eq!(error.http_status(), 422);
            assert!(error.body().contains(&format!(r#""loc":["query","{name}"]"#)), "{error}");
        }
        assert!(!Query::parse("with_content=false").with_content(true).expect("a flag"));
    }

    #[test]
    fn a_plus_sign_that_was_not_encoded_is_still_an_offset() {
        let read = |raw: &str| Query::parse(raw).time("after").expect(raw);
        assert_eq!(read("after=2026-01-31T12:00:00.5Z"), Some(1_769_860_800_500));
        assert_eq!(read("after=2026-01-31T13:00:00.5%2B01:00"), Some(1_769_860_800_500));
        assert_eq!(read("after=2026-01-31T13:00:00.5+01:00"), Some(1_769_860_800_500));
        assert_eq!(read("before=2026-01-31T13:00:00Z"), None);
    }

    proptest! {
        #[test]
        fn any_query_is_answered(raw in ".*", name in ".*") {
            let query = Query::parse(&raw);
            let _ = (query.int(&name), query.flag(&name), query.time(&name), query.list(&name));
        }
    }
}
