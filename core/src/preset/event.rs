//! The event of a request: its id, built from the parts that identify it, and the events of a body that holds
//! several.
//!
//! An id that is too wide silently loses events: the second event looks like a duplicate of the first. So an id is a
//! list of parts that two different events never share ([`EventId`]). If a part is missing, the event has no id. A
//! body with several events that is delivered whole is identified by its bytes, too.

use crate::scheme::{Path, Place, Reader};
use crate::text::{MAX_NAME, without_mark};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The most parts of an id.
const MAX_PARTS: usize = 8;
/// The longest part that is shown as it is.
const MAX_SHOWN: usize = 160;
/// The most bytes that the events of a body may take together once each has the rest of the body around it.
const MAX_SPLIT: usize = 4 * 1024 * 1024;

/// What identifies an event: parts of the request that are the same whenever the provider repeats it, and that no two
/// events share. Written as one place, or as a list of places; `json?:a` is a part that may be missing, and `body` stands
/// for the SHA-256 of the body (of the event's own part, where a body holds several).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct EventId(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    place: Place,
    optional: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Parts {
    One(String),
    Many(Vec<String>),
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        let optional = text.split_once(':').is_some_and(|(kind, _)| kind.ends_with('?'));
        let place = if optional { Place::parse(&text.replacen("?:", ":", 1)) } else { Place::parse(text) }?;
        if matches!(place, Place::Field(_)) {
            return Err(format!("'{text}': an id is not in a field of the signature; name the header"));
        }
        Ok(Self { place, optional })
    }

    fn text(&self) -> String {
        let text = self.place.to_string();
        if self.optional { text.replacen(':', "?:", 1) } else { text }
    }

    fn read(&self, reader: &Reader<'_>) -> Option<String> {
        if self.place == Place::Body {
            return Some(hex(&Sha256::digest(reader.request().body)));
        }
        // An empty text is what providers send where there is no id.
        reader.read(&self.place).filter(|text| !text.is_empty())
    }
}

impl TryFrom<Parts> for EventId {
    type Error = String;

    fn try_from(parts: Parts) -> Result<Self, String> {
        let texts = match parts {
            Parts::One(text) => vec![text],
            Parts::Many(texts) => texts,
        };
        if texts.is_empty() || texts.len() > MAX_PARTS {
            return Err(format!("an id has one to {MAX_PARTS} parts"));
        }
        texts.iter().map(|text| Part::parse(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl From<EventId> for Parts {
    fn from(id: EventId) -> Self {
        let mut texts: Vec<String> = id.0.iter().map(Part::text).collect();
        match texts.pop() {
            Some(only) if texts.is_empty() => Self::One(only),
            last => {
                texts.extend(last);
                Self::Many(texts)
            }
        }
    }
}

impl EventId {
    /// The id of the event that a request is about; `None` where a part is missing, or all that may be missing are. With
    /// `whole`, these bytes are part of it, whatever the list says.
    ///
    /// One part is the id as it is. Several are the first, a full stop, and a hash of all.
    pub fn read_of(&self, reader: &Reader<'_>, whole: Option<&[u8]>) -> Option<String> {
        let mut parts = Vec::with_capacity(self.0.len().saturating_add(1));
        for part in &self.0 {
            match part.read(reader) {
                None if part.optional => parts.push(None),
                None => return None,
                found => parts.push(found),
            }
        }
        let only_body = self.0.iter().all(|part| part.place == Place::Body);
        let named =
            || self.0.iter().zip(&parts).find(|(part, text)| part.place != Place::Body && text.is_some());
        let shown = match named() {
            Some((_, text)) => text.clone()?,
            None if only_body => String::new(),
            None => return None,
        };
        if let ([_], false) = (self.0.as_slice(), only_body || whole.is_some()) {
            return Some(shortened(shown));
        }
        parts.extend(whole.map(|bytes| Some(hex(&Sha256::digest(bytes)))));
        let mut hash = Sha256::new();
        for part in &parts {
            // With its length, so that no text can move from one part to the next.
            let text = part.as_deref().unwrap_or_default();
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update([u8::from(part.is_some())]);
            hash.update(text);
        }
        let all = hex(hash.finalize().get(..16).unwrap_or_default());
        Some(match shown.as_str() {
            "" => format!("sha256-{all}"),
            shown if shown.len() <= MAX_SHOWN => format!("{shown}.{all}"),
            _ => format!("sha256-{all}"),
        })
    }

    /// Where its parts are.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().map(|part| &part.place)
    }

    /// Whether it is another one for each event of a body: one that is only in a header or the URL is not.
    pub fn is_of_the_item(&self) -> bool {
        self.0.iter().any(|part| in_body(&part.place))
    }

    /// Whether nothing of it stands outside of the body.
    pub fn is_all_in_the_body(&self) -> bool {
        self.0.iter().all(|part| match &part.place {
            Place::Any(places) => places.iter().all(in_body),
            place => in_body(place),
        })
    }

    /// The header that holds it, where its first part is one: what is sent there is the id.
    pub fn header(&self) -> Option<&str> {
        match self.0.first().map(|part| &part.place) {
            Some(Place::Header(name)) => Some(name),
            _ => None,
        }
    }

    /// The headers among its parts.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match &part.place {
            Place::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether the body's hash is part of it.
    pub fn has_body(&self) -> bool {
        self.0.iter().any(|part| part.place == Place::Body)
    }

    /// Its parts as they are written.
    pub fn parts(&self) -> Vec<String> {
        self.0.iter().map(Part::text).collect()
    }
}

fn in_body(place: &Place) -> bool {
    match place {
        Place::Header(_) | Place::Query(_) | Place::Field(_) => false,
        Place::Json(_) | Place::Form(_) | Place::FormJson(..) | Place::Claim(_) | Place::Body => true,
        Place::Any(places) => places.iter().any(in_body),
    }
}

/// The id of whatever has these bytes.
pub(crate) fn body_id(body: &[u8]) -> String {
    format!("sha256-{}", hex(&Sha256::digest(body)))
}

/// An id as it is, or its hash where it is longer than ids are.
pub(crate) fn shortened(id: String) -> String {
    if id.len() <= MAX_NAME {
        return id;
    }
    format!("sha256-{}", hex(&Sha256::digest(id.as_bytes())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whether a body holds several events, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Several {
    /// It is one event.
    #[default]
    No,
    /// The body is an array of them; each is delivered alone. Written `true`.
    Body,
    /// The array at this path holds them. Each is delivered with the rest of the body around it, as if it had come alone,
    /// so that whatever reads the provider's bodies can read it. Written as the path.
    At(Path),
}

impl Serialize for Several {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::No => to.serialize_bool(false),
            Self::Body => to.serialize_bool(true),
            Self::At(path) => to.serialize_str(&path.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Flag(bool),
            Path(String),
        }
        Ok(match Written::deserialize(from)? {
            Written::Flag(false) => Self::No,
            Written::Flag(true) => Self::Body,
            Written::Path(path) => Self::At(Path::parse(&path).map_err(serde::de::Error::custom)?),
        })
    }
}

impl Several {
    /// How many events a body holds; `None` where it is not such a body. Counting ends after `most` and one more.
    pub fn count(&self, reader: &Reader<'_>, most: usize) -> Option<usize> {
        match self {
            Self::No => None,
            Self::Body => count_items(without_mark(reader.request().body), most),
            Self::At(path) => count_items(reader.find(path)?, most),
        }
    }

    /// The path of the list that holds them.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::At(path) => Some(path),
            Self::No | Self::Body => None,
        }
    }

    /// The bodies of the events that a body holds, of which there are [`count`](Self::count); `None` where it is one event, or
    /// where the parts together would take too much.
    pub fn split<'a>(&self, body: &'a [u8]) -> Option<Vec<Cow<'a, [u8]>>> {
        match self {
            Self::No => None,
            Self::Body => {
                Some(batch_items(body)?.into_iter().map(|item| item.get().as_bytes().into()).collect())
            }
            Self::At(path) => {
                let body = without_mark(body);
                let (list, items) = at(path, body)?;
                let start = list.get().as_ptr().addr().checked_sub(body.as_ptr().addr())?;
                let (head, rest) = body.split_at_checked(start)?;
                let tail = rest.get(list.get().len()..)?;
                let around = head.len().saturating_add(tail.len()).saturating_add(2);
                let whole = around.saturating_mul(items.len()).saturating_add(list.get().len());
                if items.len() < 2 || whole > MAX_SPLIT {
                    return None;
                }
                let alone = |item: &&RawValue| -> Cow<'a, [u8]> {
                    [head, b"[", item.get().as_bytes(), b"]", tail].concat().into()
                };
                Some(items.iter().map(alone).collect())
            }
        }
    }
}

fn at<'a>(path: &Path, body: &'a [u8]) -> Option<(&'a RawValue, Vec<&'a RawValue>)> {
    let list = path.find(serde_json::from_slice(without_mark(body)).ok()?)?;
    Some((list, serde_json::from_str(list.get()).ok()?))
}

/// How many items an array has, up to `most` and one more; `None` where it is no array. It keeps none of them, and does not read
/// on once there are too many.
fn count_items(array: &[u8], most: usize) -> Option<usize> {
    struct Counter<'c>(&'c mut usize, usize);
    impl<'de> Visitor<'de> for Counter<'_> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {
                *self.0 = self.0.saturating_add(1);
                if *self.0 > self.1 {
                    return Err(serde::de::Error::custom("too many items"));
                }
            }
            Ok(())
        }
    }
    let mut count = 0;
    let mut json = serde_json::Deserializer::from_slice(array);
    let read = json.deserialize_seq(Counter(&mut count, most)).and_then(|()| json.end());
    (read.is_ok() || count > most).then_some(count)
}

/// The first item of a body that is an array. It does not read on.
pub(super) fn first_item(body: &[u8]) -> Option<&RawValue> {
    let rest = without_mark(body).trim_ascii_start().strip_prefix(b"[")?;
    serde_json::Deserializer::from_slice(rest).into_iter::<&RawValue>().next()?.ok()
}

/// The items of a body that is an array.
pub fn batch_items(body: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice(without_mark(body)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Request;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn id(parts: &Value) -> EventId {
        serde_json::from_value(parts.clone()).expect("an id")
    }

    fn of(parts: &Value, body: &str) -> Option<String> {
        let headers = [("x-id".to_owned(), "h".to_owned())];
        let request = Request { method: "POST", url: "", headers: &headers, body: body.as_bytes() };
        id(parts).read_of(&Reader::new(request, std::iter::empty(), None), None)
    }

    fn count(several: &Several, body: &[u8], most: usize) -> Option<usize> {
        let request = Request { method: "POST", url: "", headers: &[], body };
        several.count(&Reader::new(request, std::iter::empty(), several.path()), most)
    }

    #[test]
    fn one_part_is_the_id_and_several_are_the_first_with_a_hash_of_all() {
        assert_eq!(of(&json!("json:id"), r#"{"id":7}"#).as_deref(), Some("7"));
        let both = json!(["json:id", "body"]);
        let first = of(&both, r#"{"id":7,"status":"paid"}"#).expect("an id");
        let second = of(&both, r#"{"id":7,"status":"refunded"}"#).expect("an id");
        assert!(first.starts_with("7.") && first.len() == 34 && first != second, "{first} {second}");
        assert_eq!(of(&both, r#"{"id":7,"status":"paid"}"#), Some(first), "a repeat is the same");
        assert!(of(&json!("body"), "a").expect("an id").starts_with("sha256-"));
        let long = of(&json!(["json:id", "body"]), &json!({ "id": "x".repeat(161) }).to_string());
        assert!(long.expect("an id").starts_with("sha256-"));
    }

    #[test]
    fn what_is_missing_or_empty_is_no_id() {
        for body in ["{}", r#"{"id":""}"#, r#"{"id":null}"#, "no JSON"] {
            assert_eq!(of(&json!("json:id"), body), None, "{body}");
            assert_eq!(
                of(&json!(["json:id", "body"]), body),
                None,
                "the bytes alone may be two events: {body}"
            );
            assert_eq!(of(&json!(["json?:id", "json?:other", "body"]), body), None, "{body}");
        }
        let either = json!(["json?:id", "json?:other"]);
        let ids =
            [r#"{"id":"a"}"#, r#"{"other":"a"}"#, r#"{"id":"a","other":"b"}"#].map(|body| of(&either, body));
        assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1] && ids[0] != ids[2], "{ids:?}");
    }

    #[test]
    fn parts_are_written_as_they_were_read_and_wrong_ones_are_explained() {
        for parts in [json!("json:id"), json!(["json?:a.b", "header:x-id", "body"])] {
            assert_eq!(serde_json::to_value(id(&parts)).expect("JSON"), parts);
        }
        for (parts, says) in [
            (json!([]), "one to 8 parts"),
            (json!(vec!["body"; 9]), "one to 8 parts"),
            (json!("nothing"), "not a place"),
            (json!("field:t"), "name the header"),
        ] {
            let error = serde_json::from_value::<EventId>(parts).expect_err("wrong").to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_event_of_several_has_the_rest_of_the_body_around_it() {
        let several: Several = serde_json::from_value(json!("a.events")).expect("a path");
        let body = "\u{feff}{ \"to\": \"U\", \"a\": {\"events\" : [ {\"n\":1}, {\"n\":2} ]}, \"z\": 1 }";
        let parts = several.split(body.as_bytes()).expect("two events");
        let texts: Vec<&str> = parts.iter().map(|part| std::str::from_utf8(part).expect("text")).collect();
        assert_eq!(
            texts,
            [
                r#"{ "to": "U", "a": {"events" : [{"n":1}]}, "z": 1 }"#,
                r#"{ "to": "U", "a": {"events" : [{"n":2}]}, "z": 1 }"#
            ]
        );
        for one in [r#"{"a":{"events":[{"n":1}]}}"#, r#"{"a":{"events":[]}}"#, r#"{"a":1}"#, "[]", "no JSON"]
        {
            assert_eq!(several.split(one.as_bytes()), None, "{one}");
        }
        // A thousand events with 10 KB around each are left together.
        let events = vec!["{}"; 1000].join(",");
        let large = format!(r#"{{"pad":"{}","a":{{"events":[{events}]}}}}"#, "x".repeat(10_000));
        assert_eq!(
            (several.split(large.as_bytes()), count(&several, large.as_bytes(), 1000)),
            (None, Some(1000))
        );
    }

    #[test]
    fn items_are_counted_no_further_than_asked_for() {
        let at = Several::At(Path::parse("a").expect("a path"));
        for (items, counted) in [(0, 0), (1, 1), (3, 3), (4, 4), (5, 4), (100_000, 4)] {
            let list = format!("\u{feff} [{}]", vec!["{\"n\":[1,2]}"; items].join(" , "));
            assert_eq!(count(&Several::Body, list.as_bytes(), 3), Some(counted), "{items}");
            let inside = format!("{{\"a\":{}}}", list.trim_start_matches('\u{feff}'));
            assert_eq!(count(&at, inside.as_bytes(), 3), Some(counted), "{items}");
            let first = first_item(list.as_bytes()).map(RawValue::get);
            assert_eq!(first, (items > 0).then_some("{\"n\":[1,2]}"), "{items}");
        }
        for none in ["{}", "[1,", "[1] 2", "1", "", "no JSON"] {
            assert_eq!(count(&Several::Body, none.as_bytes(), 3), None, "{none}");
        }
        assert!(first_item(b"{}").is_none());
    }

    proptest! {
        #[test]
        fn no_text_moves_from_one_part_to_the_next(a in "[a-c]{0,4}", b in "[a-c]{0,4}", c in "[a-c]{0,4}", d in "[a-c]{0,4}") {
            let parts = json!(["json?:a", "json?:b", "header:x-id"]);
            let body = |a: &str, b: &str| json!({ "a": a, "b": b }).to_string();
            let same = of(&parts, &body(&a, &b)) == of(&parts, &body(&c, &d));
            prop_assert_eq!(same, (a, b) == (c, d));
        }

        #[test]
        fn any_body_is_split_or_left(body: Vec<u8>, json in "[\\[\\]{}\",:a1 ]{0,40}") {
            for several in [Several::Body, Several::At(Path::parse("a").expect("a path"))] {
                for body in [body.as_slice(), json.as_bytes()] {
                    let _ = (several.split(body), count(&several, body, 3), first_item(body));
                }
            }
        }
    }
}
