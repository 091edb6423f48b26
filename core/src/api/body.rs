//! The JSON body of a request, read into a type.
//!
//! Whatever the bytes are, the answer is a value or a 422 that says where: `["body", "metadata", "k"]` for
//! a value of the wrong kind, `["body"]` for text that is no JSON. [`Faults`] gathers what is wrong with a
//! body that could be read, so that a caller hears of everything at once.

use super::model::shown;
use crate::error::{ApiError, Fault, MAX_FAULTS};
use crate::send_as::near;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

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
    let known = fields_of::<T>();
    let unknown = unknown_of(bytes, known)?;
    // Keeping track of the path costs, and a body is almost always right: it is read again only to find
    // the place of an error.
    let value = serde_json::from_slice(bytes).map_err(|error| explain::<T>(bytes, &error))?;
    note_unknown(&unknown, known);
    Ok(value)
}

/// Reads a JSON body that may be left out, or be null.
pub fn parse_or_default<'a, T: Deserialize<'a> + Default>(bytes: &'a [u8]) -> Result<T, ApiError> {
    match bytes.trim_ascii() {
        b"" | b"null" => Ok(T::default()),
        _ => parse(bytes),
    }
}

/// Reads a JSON body in which an unknown field is an error: where a misspelled field leaves a default that allows more than
/// was meant.
pub fn parse_exact<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let before = take_unknown();
    let read = parse(bytes);
    let unknown = take_unknown();
    put_unknown(before);
    match unknown.into_iter().next() {
        Some(sentence) if read.is_ok() => {
            Err(ApiError::invalid(&["body"], sentence.replace(" and was ignored", "")))
        }
        _ => read,
    }
}

/// The same of a body that may be left out, or be null.
pub fn parse_exact_or_default<'a, T: Deserialize<'a> + Default>(bytes: &'a [u8]) -> Result<T, ApiError> {
    match bytes.trim_ascii() {
        b"" | b"null" => Ok(T::default()),
        _ => parse_exact(bytes),
    }
}

/// Reads a part of a JSON body whose other fields somebody else reads: [`note_unknown_of`] then says which nobody does.
pub fn parse_part<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    let before = take_unknown();
    let read = parse(bytes);
    put_unknown(before);
    read
}

/// Notes which members of a body are in none of these lists of fields.
pub fn note_unknown_of(bytes: &[u8], known: &[&'static [&'static str]]) {
    let known = known.concat();
    note_unknown(&unknown_of(bytes, &known).unwrap_or_default(), &known);
}

/// The most unknown fields of a body that are reported.
const MAX_UNKNOWN: usize = 10;
/// The most unknown fields that a body may have. Clients of other releases send a few; a million of them would only cost time.
pub const MAX_UNKNOWN_FIELDS: usize = 100;

thread_local! {
    /// What the bodies that were read since the last look had that nobody knows. One call is handled at a time; whoever
    /// handles it looks.
    static UNKNOWN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Forgets what other bodies had.
pub fn forget_unknown() {
    UNKNOWN.with_borrow_mut(Vec::clear);
}

/// Sentences about fields of the bodies read since that nobody knows, and which were probably meant. Clients send fields of
/// other releases on purpose, so they are no error.
pub fn take_unknown() -> Vec<String> {
    UNKNOWN.with_borrow_mut(std::mem::take)
}

/// Adds a sentence about the body that was read: the caller gets it as a warning.
pub(super) fn note(sentence: &str) {
    UNKNOWN.with_borrow_mut(|all| {
        if all.len() < MAX_UNKNOWN {
            all.push(sentence.to_owned());
        }
    });
}

/// Puts back what was taken.
pub(super) fn put_unknown(sentences: Vec<String>) {
    UNKNOWN.with_borrow_mut(|all| *all = sentences);
}

/// The first members of a body that are none of these fields. An error where there are too many; a body that is no object has
/// none.
fn unknown_of(bytes: &[u8], known: &[&'static str]) -> Result<Vec<String>, ApiError> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let too_many = Cell::new(false);
    let reader = Known { known, too_many: &too_many };
    let read = reader.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    if too_many.get() {
        return Err(ApiError::invalid(
            &["body"],
            format!(
                "A body may have at most {MAX_UNKNOWN_FIELDS} unknown fields. Remove the fields that the API does not define."
            ),
        ));
    }
    Ok(read.unwrap_or_default())
}

fn note_unknown(unknown: &[String], known: &[&'static str]) {
    UNKNOWN.with_borrow_mut(|all| {
        let room = MAX_UNKNOWN.saturating_sub(all.len());
        all.extend(unknown.iter().map(|name| unknown_field(name, known)).take(room));
    });
}

/// What to say of a field that nobody knows.
pub fn unknown_field(name: &str, known: &[&str]) -> String {
    let near = near(name, known.iter().copied());
    let name = shown(name);
    match near.first() {
        Some(near) => format!("The field {name} is unknown and was ignored. Did you mean {near}?"),
        None => format!("The field {name} is unknown and was ignored."),
    }
}

/// Reads the members of an object that are none of these.
struct Known<'k> {
    known: &'k [&'static str],
    too_many: &'k Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Known<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<String>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Known<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        let (mut unknown, mut count) = (Vec::new(), 0usize);
        while let Some(name) = map.next_key_seed(Name(self.known))? {
            map.next_value::<IgnoredAny>()?;
            count = count.saturating_add(usize::from(name.is_some()));
            if count > MAX_UNKNOWN_FIELDS {
                self.too_many.set(true);
                return Err(de::Error::custom("too many unknown fields"));
            }
            if unknown.len() < MAX_UNKNOWN {
                unknown.extend(name);
            }
        }
        Ok(unknown)
    }
}

/// A member's name, where it is none of these.
struct Name<'k>(&'k [&'static str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<String>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<String>, E> {
        Ok((!self.0.contains(&name)).then(|| name.chars().take(200).collect()))
    }
}

/// The names of a type's fields, as it tells them to whoever reads one; none of what is no struct.
pub fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let found = Cell::new(&[] as &'static [&'static str]);
    let _ = T::deserialize(Asking(&found));
    found.get()
}

/// A deserializer that has nothing to read: it hears which fields are asked for.
struct Asking<'f>(&'f Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Asking<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.set(fields);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
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
        let msg = "This field is required.".to_owned();
        return ApiError::Invalid(vec![Fault::new(loc, msg, "value_error.missing")]);
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
    ApiError::Invalid(vec![Fault::new(loc, sentence, "type_error")])
}

/// Reads a list of at most `N` items: the item after that is an error, and the rest of the list is never read. For lists
/// in bodies that may be large for another reason; `N` leaves room for the sentence that a check says later.
pub fn at_most<'de, const N: usize, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Few::<N, T>::deserialize(from).map(|few| few.0)
}

/// As [`at_most`], where null stands for none.
pub fn at_most_or_none<'de, const N: usize, T, D>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Few<N, T>>::deserialize(from)?.map(|few| few.0))
}

/// The same for an object of at most `N` members.
pub fn members_or_none<'de, const N: usize, D>(from: D) -> Result<Option<BTreeMap<String, String>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<FewMembers<N, String>>::deserialize(from)?.map(|few| few.0))
}

/// A list of at most `N` items.
pub struct Few<const N: usize, T>(pub Vec<T>);

/// An object of at most `N` members.
pub struct FewMembers<const N: usize, T>(pub BTreeMap<String, T>);

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for Few<N, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const N: usize, T>(PhantomData<T>);
        impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for Reader<N, T> {
            type Value = Few<N, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() >= N {
                        return Err(de::Error::custom(format_args!("Send at most {N} items")));
                    }
                    items.push(item);
                }
                Ok(Few(items))
            }
        }
        from.deserialize_seq(Reader(PhantomData))
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for FewMembers<N, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<const N: usize, T>(PhantomData<T>);
        impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for Reader<N, T> {
            type Value = FewMembers<N, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {N} members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.len() >= N {
                        return Err(de::Error::custom(format_args!("Send at most {N} members")));
                    }
                    members.insert(name, value);
                }
                Ok(FewMembers(members))
            }
        }
        from.deserialize_map(Reader(PhantomData))
    }
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

/// Gathers what is wrong with a body: the first [`MAX_FAULTS`] of it.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault at `["body", …loc]`.
    pub fn add(&mut self, loc: &[&str], msg: impl Into<String>) {
        self.add_kind(loc, msg, "value_error");
    }

    /// Notes a fault with its own type word.
    pub fn add_kind(&mut self, loc: &[&str], msg: impl Into<String>, kind: &str) {
        if self.0.len() < MAX_FAULTS {
            let loc = std::iter::once("body").chain(loc.iter().copied()).map(str::to_owned);
            self.0.push(Fault::new(loc, msg.into(), kind));
        }
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
                let room = MAX_FAULTS.saturating_sub(self.0.len());
                self.0.extend(faults.into_iter().take(room));
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Notes the faults of a part of the body, which is the field `name`.
    pub fn merge_within(&mut self, name: &str, inner: Faults) {
        let room = MAX_FAULTS.saturating_sub(self.0.len());
        for mut fault in inner.0.into_iter().take(room) {
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
    fn a_body_with_a_great_many_unknown_fields_is_refused_before_they_are_read() {
        #[derive(Debug, Deserialize)]
        struct Small {
            #[allow(dead_code)]
            a: u8,
        }
        let body = |count: usize| {
            let more = (0..count).fold(String::new(), |more, n| more + &format!(",\"x{n}\":1"));
            format!("{{\"a\":1{more}}}")
        };
        forget_unknown();
        assert!(parse::<Small>(body(MAX_UNKNOWN_FIELDS).as_bytes()).is_ok());
        assert_eq!(take_unknown().len(), MAX_UNKNOWN);
        let refused = parse::<Small>(body(MAX_UNKNOWN_FIELDS + 1).as_bytes()).expect_err("too many");
        assert!(format!("{refused:?}").contains("100 unknown fields"), "{refused:?}");
        assert!(take_unknown().is_empty());
        // A thousand times the same is no better.
        let same = format!("{{\"a\":1{}}}", ",\"\":1".repeat(1_000));
        assert!(parse::<Small>(same.as_bytes()).is_err());
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
    fn fields_that_nobody_knows_are_told_with_those_that_were_probably_meant() {
        assert_eq!(fields_of::<Thing>(), ["name", "note", "metadata"]);
        forget_unknown();
        parse::<Thing>(br#"{"name":"a","metdata":{"x":1},"other":[{"name":1}]}"#).expect("read");
        assert_eq!(
            take_unknown(),
            [
                "The field metdata is unknown and was ignored. Did you mean metadata?",
                "The field other is unknown and was ignored."
            ]
        );
        parse::<Thing>(br#"{"name":"a","note":null}"#).expect("read");
        parse::<BTreeMap<String, u8>>(br#"{"any":1}"#).expect("read");
        assert!(take_unknown().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_within_bounds() {
        let mut faults = Faults::default();
        for at in 0..100_000 {
            faults.add(&["list", &at.to_string()], "x".repeat(10_000));
        }
        let body = faults.into_result().expect_err("faults").body();
        assert!(body.len() < 32 * 1024, "{}", body.len());
        assert!(
            parse::<Thing>(
                format!(r#"{{"name":"a","metadata":{{"{}":7}}}}"#, "k".repeat(100_000)).as_bytes()
            )
            .expect_err("a number")
            .body()
            .len()
                < 2_000
        );
    }

    #[test]
    fn a_list_that_is_too_long_is_not_read_to_its_end() {
        #[derive(Debug, Deserialize)]
        struct Lists {
            #[serde(deserialize_with = "at_most::<2, _, _>")]
            list: Vec<u8>,
            #[serde(default, deserialize_with = "members_or_none::<1, _>")]
            map: Option<BTreeMap<String, String>>,
        }
        let read = parse::<Lists>(br#"{"list":[1,2],"map":{"a":"b"}}"#).expect("as many as may be");
        assert_eq!((read.list.len(), read.map.map(|map| map.len())), (2, Some(1)));
        let fault = |body: &str| match parse::<Lists>(body.as_bytes()) {
            Err(ApiError::Invalid(mut faults)) => faults.remove(0),
            other => panic!("{other:?}"),
        };
        assert_eq!(fault(r#"{"list":[1,2,3]}"#).msg, "Send at most 2 items.");
        assert_eq!(fault(r#"{"list":[],"map":{"a":"b","c":"d"}}"#).msg, "Send at most 1 members.");
    }

    #[test]
    fn an_optional_body_may_be_empty_but_not_wrong() {
        #[derive(Debug, Deserialize, Default, PartialEq)]
        struct Soft {
            #[serde(default)]
            n: u8,
        }
        assert_eq!(parse_or_default::<Soft>(b"").expect("nothing"), Soft { n: 0 });
        assert_eq!(parse_or_default::<Soft>(b" null\n").expect("null"), Soft { n: 0 });
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
