//! The JSON body of a request, read into a type.
//!
//! Whatever the bytes are, the answer is a value or a 422 that says where: `["body", "metadata", "k"]` for
//! a value of the wrong kind, `["body"]` for text that is no JSON. [`Faults`] gathers what is wrong with a
//! body that could be read, so that a caller hears of everything at once.

use crate::error::{ApiError, Fault};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;

/// Reads a JSON body, which is an object.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // serde would read `["a", 1]` as a struct's fields in order.
    let object = bytes.iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|&b| b == b'{');
    if !object {
        return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => ApiError::invalid_kind(&["body"], "Send a JSON object.", "type_error"),
            Err(error) => no_json(&error),
        });
    }
    // Keeping track of the path costs, and a body is almost always right: it is read again only to find
    // the place of an error.
    serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))
}

/// Reads a JSON body that may be left out.
pub fn parse_or_default<'a, T: Deserialize<'a> + Default>(bytes: &'a [u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) { Ok(T::default()) } else { parse(bytes) }
}

fn no_json(error: &serde_json::Error) -> ApiError {
    let msg = format!("The body is not valid JSON: {error}.");
    ApiError::invalid_kind(&["body"], msg, "value_error.jsondecode")
}

fn explain<'a, T: Deserialize<'a>>(bytes: &'a [u8], error: &serde_json::Error) -> ApiError {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return ApiError::invalid_kind(
            &["body"],
            "The body is empty. Send a JSON object.",
            "value_error.missing",
        );
    }
    if !error.is_data() {
        return no_json(error);
    }
    let mut loc = vec!["body".to_owned()];
    let mut msg = error.to_string();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    if let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) {
        loc.extend(error.path().iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { variant } => Some(variant.clone()),
            Segment::Unknown => None,
        }));
        msg = error.into_inner().to_string();
    }
    // "missing field `x` at line 1 column 2": the place is the field.
    let missing =
        msg.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()).map(str::to_owned);
    if let Some(field) = missing {
        loc.push(field);
        return ApiError::Invalid(vec![Fault {
            loc,
            msg: "This field is required.".to_owned(),
            kind: "value_error.missing".to_owned(),
        }]);
    }
    let msg = msg.split(" at line ").next().unwrap_or_default();
    // The name of a Rust type says nothing to a caller.
    let msg = msg.split(", expected struct ").next().map_or_else(String::new, |head| {
        if head.len() == msg.len() { msg.to_owned() } else { format!("{head}, expected an object") }
    });
    let mut sentence: String = msg.chars().take(300).collect();
    sentence.push('.');
    if let Some(first) = sentence.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    ApiError::Invalid(vec![Fault { loc, msg: sentence, kind: "type_error".to_owned() }])
}

/// A field of a PATCH: absent keeps the value, null unsets it, anything else sets it.
///
/// Use with `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field is not in the body.
    #[default]
    Absent,
    /// The field is null.
    Null,
    /// The field has a value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(from).map(|value| value.map_or(Patch::Null, Patch::Set))
    }
}

/// What is not there changes nothing.
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Patch::Absent, Patch::Set)
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Patch<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(of: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(of)
    }
}

impl<T> Patch<T> {
    /// Changes a value that may be unset.
    pub fn apply(self, to: &mut Option<T>) {
        match self {
            Patch::Absent => {}
            Patch::Null => *to = None,
            Patch::Set(value) => *to = Some(value),
        }
    }

    /// Changes a value that is always set; null sets its default.
    pub fn apply_or_default(self, to: &mut T)
    where
        T: Default,
    {
        match self {
            Patch::Absent => {}
            Patch::Null => *to = T::default(),
            Patch::Set(value) => *to = value,
        }
    }

    /// The same change of what is made of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Patch::Absent => Patch::Absent,
            Patch::Null => Patch::Null,
            Patch::Set(value) => Patch::Set(make(value)),
        }
    }

    /// The new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Patch::Set(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the field is in the body.
    pub fn is_present(&self) -> bool {
        !matches!(self, Patch::Absent)
    }
}

/// Gathers everything that is wrong with a body.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault at `["body", …loc]`.
    pub fn add(&mut self, loc: &[&str], msg: impl Into<String>) {
        self.add_kind(loc, msg, "value_error");
    }

    /// Notes a fault with its own type word.
    pub fn add_kind(&mut self, loc: &[&str], msg: impl Into<String>, kind: &str) {
        let loc = std::iter::once("body").chain(loc.iter().copied()).map(str::to_owned).collect();
        self.0.push(Fault { loc, msg: msg.into(), kind: kind.to_owned() });
    }

    /// Notes a fault at `["body", …loc]` unless `right` holds.
    pub fn check(&mut self, right: bool, loc: &[&str], msg: impl Into<String>) {
        if !right {
            self.add(loc, msg);
        }
    }

    /// Notes the faults of another 422; any other error is not a fault of the body.
    pub fn merge(&mut self, error: ApiError) -> Result<(), ApiError> {
        match error {
            ApiError::Invalid(faults) => {
                self.0.extend(faults);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Notes the faults of a part of the body, which is the field `name`.
    pub fn merge_within(&mut self, name: &str, inner: Faults) {
        for mut fault in inner.0 {
            fault.loc.insert(1, name.to_owned());
            self.0.push(fault);
        }
    }

    /// One 422 with all faults, or nothing.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, PartialEq, Default)]
    struct Thing {
        name: String,
        #[serde(default)]
        note: Patch<String>,
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    }

    fn fault(body: &str) -> Fault {
        match parse::<Thing>(body.as_bytes()) {
            Err(ApiError::Invalid(mut faults)) => faults.remove(0),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        let read = |body: &str| parse::<Thing>(body.as_bytes()).expect(body).note;
        assert_eq!(read(r#"{"name":"a"}"#), Patch::Absent);
        assert_eq!(read(r#"{"name":"a","note":null}"#), Patch::Null);
        assert_eq!(read(r#"{"name":"a","note":"n","unknown":[1]}"#), Patch::Set("n".into()));
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let missing = fault("{}");
        assert_eq!(
            (missing.loc, missing.kind.as_str()),
            (vec!["body".into(), "name".into()], "value_error.missing")
        );
        let wrong = fault(r#"{"name":"a","metadata":{"k":7}}"#);
        assert_eq!(wrong.loc, ["body", "metadata", "k"]);
        assert_eq!(wrong.msg, "Invalid type: integer `7`, expected a string.");
        let nested = match parse::<BTreeMap<String, Thing>>(br#"{"a":7}"#) {
            Err(error) => error.body(),
            Ok(things) => panic!("{things:?}"),
        };
        assert!(nested.contains("Invalid type: integer `7`, expected an object."), "{nested}");
        assert_eq!(fault("").loc, ["body"]);
        assert!(fault(" \n").msg.contains("empty"));
        assert!(fault("{").msg.contains("not valid JSON"));
        assert_eq!(fault("[\"a\"]").msg, "Send a JSON object.");
        assert!(fault("[1] 2").msg.contains("not valid JSON"));
    }

    #[test]
    fn an_optional_body_may_be_empty_but_not_wrong() {
        #[derive(Debug, Deserialize, Default, PartialEq)]
        struct Soft {
            #[serde(default)]
            n: u8,
        }
        assert_eq!(parse_or_default::<Soft>(b"").expect("nothing"), Soft { n: 0 });
        assert_eq!(parse_or_default::<Soft>(b"{\"n\":3}").expect("three"), Soft { n: 3 });
        assert!(parse_or_default::<Soft>(b"{\"n\":300}").is_err());
    }

    #[test]
    fn raw_values_keep_their_bytes_and_the_places_of_faults_beside_them() {
        #[derive(Debug, Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            payload: &'a RawValue,
            #[serde(default)]
            n: u8,
        }
        let raw = parse::<Raw>(br#"{"payload": { "b":1,  "a" : 1.10 } }"#).expect("raw");
        assert_eq!((raw.payload.get(), raw.n), (r#"{ "b":1,  "a" : 1.10 }"#, 0));
        match parse::<Raw>(br#"{"payload":{},"n":"x"}"#) {
            Err(ApiError::Invalid(faults)) => assert_eq!(faults[0].loc, ["body", "n"]),
            other => panic!("{other:?}"),
        }
    }
}
