//! Places in a request, and reading what is there.
//!
//! A place is written `header:x-signature`, `json:data.object.id` (a member of the JSON body; `[0]` picks an item of
//! an array), `form:payload` (a field of a form body), `query:hub.challenge`, `field:t` (a field inside the signature
//! header), `form-json:payload.id` (a member of the JSON in a form's field) or `claim:iat` (a claim of the token that
//! is the body). Of several places separated by ` | `, the first one with a value counts. Values are read as written:
//! a number of a JSON body is not parsed and encoded again. Null, an object or an array has no value.

use super::Request;
use super::verdict::Reason;
use crate::header;
use crate::text::without_mark;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::ops::Range;

/// The longest text of a place.
const MAX_PLACE: usize = 256;
/// The most steps of a path.
const MAX_STEPS: usize = 16;

/// One place in a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// A header, by its name in lower case.
    Header(String),
    /// A member of the JSON body.
    Json(Path),
    /// A field of the form body.
    Form(String),
    /// A parameter of the URL's query.
    Query(String),
    /// A field inside the signature header.
    Field(String),
    /// A claim of the JSON Web Token that is the body.
    Claim(String),
    /// A member of the JSON in a field of the form body.
    FormJson(String, Path),
    /// The whole body.
    Body,
    /// The first of these places that has anything.
    Any(Vec<Place>),
}

/// The most places of which the first counts.
const MAX_ANY: usize = 8;

/// A way into a JSON document: `a.b`, `items[0].id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Member(String),
    Item(usize),
}

impl Path {
    /// Parses a path; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PLACE {
            return Err(format!("A path may have at most {MAX_PLACE} bytes."));
        }
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, items) = part.find('[').map_or((part, ""), |at| part.split_at(at));
            if name.is_empty() && items.is_empty() {
                return Err(format!("'{text}' is not a path: write a name between dots, as in 'data.id'"));
            }
            if !name.is_empty() {
                steps.push(Step::Member(name.to_owned()));
            }
            for item in items.split_terminator(']') {
                let index = item.strip_prefix('[').and_then(|index| index.parse().ok());
                steps.push(Step::Item(index.ok_or_else(|| {
                    format!("'{text}' is not a path: write a number in brackets, as in 'items[0]'")
                })?));
            }
        }
        if steps.len() > MAX_STEPS {
            return Err(format!("'{text}' is too deep: a path may have at most {MAX_STEPS} steps"));
        }
        Ok(Self(steps))
    }

    /// The value that the path leads to. Of a member that is there twice, the last counts.
    ///
    /// What is on the way is skipped, not kept: it costs a pass over the text, and no memory.
    pub fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        match self.find_in(value.get()) {
            Some(found) => Some(found),
            None if self.0.is_empty() => Some(value),
            None => None,
        }
    }

    /// The same in the text of a value.
    fn find_in<'a>(&self, text: &'a str) -> Option<&'a RawValue> {
        let mut found = [None];
        find_all(text, &[(&self.0, 0)], &mut found, Extent::Wanted);
        found[0]
    }

    /// Puts a text at the path, making the objects on the way; `None` where the value has another shape.
    pub(crate) fn put(&self, into: &mut serde_json::Value, text: &str) -> Option<()> {
        self.put_value(into, text.into())
    }

    /// Puts a number at the path: as text where there was one.
    pub(super) fn put_number(&self, into: &mut serde_json::Value, number: &str) -> Option<()> {
        let pointer = format!("/{}", self.to_string().replace('.', "/"));
        let was_text = into.pointer(&pointer).is_some_and(serde_json::Value::is_string);
        match number.parse::<i64>() {
            Ok(number) if !was_text => self.put_value(into, number.into()),
            _ => self.put_value(into, number.into()),
        }
    }

    fn put_value(&self, into: &mut serde_json::Value, put: serde_json::Value) -> Option<()> {
        let mut value = into;
        for step in &self.0 {
            value = match step {
                Step::Member(name) => {
                    if value.is_null() {
                        *value = serde_json::Value::Object(serde_json::Map::new());
                    }
                    value.as_object_mut()?.entry(name.as_str()).or_insert(serde_json::Value::Null)
                }
                Step::Item(index) => value.as_array_mut()?.get_mut(*index)?,
            };
        }
        *value = put;
        Some(())
    }
}

/// How much of a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it, so that it is known to be JSON.
    Whole,
    /// What is wanted: of a list, nothing behind the last item that is. The text is known to be JSON.
    Wanted,
}

/// Follows several paths into a text at once, `found` by their numbers: whatever their number, each level of the text
/// is read once. Gives whether the text is an object or an array, as far as it was read.
fn find_all<'a>(
    text: &'a str,
    wanted: &[(&[Step], usize)],
    found: &mut [Option<&'a RawValue>],
    extent: Extent,
) -> bool {
    let mut next: Vec<(&Step, Option<&'a RawValue>)> = Vec::new();
    for step in wanted.iter().filter_map(|(path, _)| path.first()) {
        if !next.iter().any(|(known, _)| *known == step) {
            next.push((step, None));
        }
    }
    let list = text.trim_start().starts_with('[');
    let last =
        next.iter().filter_map(|(step, _)| if let Step::Item(at) = step { Some(*at) } else { None }).max();
    let enough = if extent == Extent::Whole { usize::MAX } else { last.map_or(0, |at| at.saturating_add(1)) };
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut stopped = false;
    let many = Many { list, next: &mut next, enough, stopped: &mut stopped };
    if many.deserialize(&mut reader).and_then(|()| reader.end()).is_err() && !stopped {
        return false;
    }
    for (step, value) in next {
        let Some(value) = value else { continue };
        let mut deeper = Vec::new();
        for (path, number) in wanted {
            match path.split_first() {
                Some((first, [])) if first == step => {
                    if let Some(slot) = found.get_mut(*number) {
                        *slot = Some(value);
                    }
                }
                Some((first, rest)) if first == step => deeper.push((rest, *number)),
                _ => {}
            }
        }
        if !deeper.is_empty() {
            find_all(value.get(), &deeper, found, Extent::Wanted);
        }
    }
    true
}

/// Reads one step of several ways.
struct Many<'s, 'p, 'a> {
    list: bool,
    next: &'s mut Vec<(&'p Step, Option<&'a RawValue>)>,
    /// How many items of a list are read.
    enough: usize,
    /// Whether the rest of the list was not read.
    stopped: &'s mut bool,
}

impl<'de> DeserializeSeed<'de> for Many<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.list { from.deserialize_seq(self) } else { from.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Many<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(at) = map.next_key_seed(OneOf(self.next))? {
            match at.and_then(|at| self.next.get_mut(at)) {
                Some((_, value)) => *value = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for at in 0..self.enough {
            let wanted =
                self.next.iter_mut().find(|(step, _)| matches!(step, Step::Item(index) if *index == at));
            let more = match wanted {
                Some((_, value)) => {
                    *value = list.next_element()?;
                    value.is_some()
                }
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(());
            }
        }
        // It is an error only for the reader, which would look for the list's end.
        *self.stopped = true;
        Err(A::Error::custom("enough"))
    }
}

/// Which of the steps a member's name is.
struct OneOf<'s, 'p, 'a>(&'s [(&'p Step, Option<&'a RawValue>)]);

impl<'de> DeserializeSeed<'de> for OneOf<'_, '_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for OneOf<'_, '_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|(step, _)| matches!(step, Step::Member(member) if member == name)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Place {
    /// Parses a place; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "body" {
            return Ok(Self::Body);
        }
        if text.len() > MAX_PLACE.saturating_mul(MAX_ANY) {
            return Err(format!("A place may have at most {MAX_PLACE} bytes."));
        }
        if text.contains(" | ") {
            let places = text.split(" | ").map(Self::parse).collect::<Result<Vec<_>, _>>()?;
            if places.len() > MAX_ANY {
                return Err(format!("'{text}': at most {MAX_ANY} places"));
            }
            return Ok(Self::Any(places));
        }
        let wrong = || {
            format!(
                "'{text}' is not a place: write header:name, json:path, form:name, query:name, field:name, claim:name \
                 or body"
            )
        };
        let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
        Ok(match kind {
            "header" if name.bytes().any(|b| b.is_ascii_uppercase() || b == b' ') => {
                return Err(format!("'{text}': write the header's name in lower case"));
            }
            // `x-{1..9}` stands for numbered names.
            "header" if !header::is_name(&name.replace(['{', '}'], "")) => {
                return Err(format!("'{}' is not a header's name", text.escape_debug()));
            }
            "header" => Self::Header(name.to_owned()),
            "json" => Self::Json(Path::parse(name)?),
            "form" => Self::Form(name.to_owned()),
            "query" => Self::Query(name.to_owned()),
            "field" => Self::Field(name.to_owned()),
            "claim" => Self::Claim(name.to_owned()),
            "form-json" => {
                let (field, path) =
                    name.split_once('.').filter(|(field, _)| !field.is_empty()).ok_or_else(|| {
                        format!("'{text}': write the form's field, a full stop, and the way into its JSON")
                    })?;
                Self::FormJson(field.to_owned(), Path::parse(path)?)
            }
            _ => return Err(wrong()),
        })
    }
}

impl Place {
    /// Whether it is one member of the body.
    pub(super) fn is_member(&self) -> bool {
        match self {
            Self::Json(_) | Self::Form(_) | Self::FormJson(..) => true,
            Self::Any(places) => places.iter().any(Self::is_member),
            Self::Header(_) | Self::Query(_) | Self::Field(_) | Self::Claim(_) | Self::Body => false,
        }
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(path) => write!(f, "json:{path}"),
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Field(name) => write!(f, "field:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::FormJson(field, path) => write!(f, "form-json:{field}.{path}"),
            Self::Any(places) => {
                for (at, place) in places.iter().enumerate() {
                    write!(f, "{}{place}", if at > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
            Self::Body => f.write_str("body"),
        }
    }
}

/// A request as places see it: with the fields of the signature header that is looked at, and with one item of a
/// body that holds several.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) item: Option<&'a RawValue>,
    pub(super) memo: &'a Memo,
}

/// The parsed body of a request: whether it is JSON is checked once, and all values of a scheme are read in one pass.
/// Values are kept as ranges of the body.
#[derive(Default)]
pub(super) struct Memo {
    json: OnceCell<Result<(), Reason>>,
    /// The paths that will be asked for.
    expected: RefCell<Vec<Path>>,
    found: RefCell<Vec<(Path, Option<Range<usize>>)>>,
    /// The fields of a form.
    fields: OnceCell<Result<Vec<(String, String)>, Reason>>,
}

impl Memo {
    /// Prepares to read these places.
    pub(super) fn expecting<'p>(places: impl Iterator<Item = &'p Place>) -> Self {
        let memo = Self::default();
        places.for_each(|place| memo.expect(place));
        memo
    }

    fn expect(&self, place: &Place) {
        match place {
            Place::Json(path) => self.expected.borrow_mut().push(path.clone()),
            Place::Any(places) => places.iter().for_each(|place| self.expect(place)),
            _ => {}
        }
    }

    /// Finds everything that is expected, in one go. Gives whether the body is an object or an array, and JSON.
    fn read_ahead(&self, body: &[u8]) -> bool {
        let expected = self.expected.take();
        let Ok(text) = std::str::from_utf8(without_mark(body)) else { return false };
        let wanted: Vec<(&[Step], usize)> =
            expected.iter().enumerate().map(|(number, path)| (path.0.as_slice(), number)).collect();
        let mut found = vec![None; wanted.len()];
        let is_json = !wanted.is_empty() && find_all(text, &wanted, &mut found, Extent::Whole);
        let at = found.into_iter().map(|found| found.map(|found| place_in(body, found)));
        self.found.borrow_mut().extend(expected.into_iter().zip(at));
        is_json
    }

    /// Whether the body is JSON.
    fn json(&self, request: &Request<'_>) -> Result<(), Reason> {
        let read = || if self.read_ahead(request.body) { Ok(()) } else { request.json().map(drop) };
        self.json.get_or_init(read).clone()
    }

    /// The first field of a form with this name.
    fn field(&self, request: &Request<'_>, name: &str) -> Result<Option<String>, Reason> {
        let fields = self.fields.get_or_init(|| {
            let fields = request.form_fields()?;
            Ok(fields.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
        });
        let fields = fields.as_ref().map_err(Clone::clone)?;
        Ok(fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    /// Whether anything is at a path of the body, also an object.
    pub(super) fn has(&self, request: &Request<'_>, path: &Path) -> bool {
        self.place_of(request, path).is_ok_and(|at| at.is_some())
    }

    /// The text of the scalar at a path of the body.
    fn find<'a>(&self, request: &Request<'a>, path: &Path) -> Result<Option<Cow<'a, str>>, Reason> {
        let body: &'a [u8] = request.body;
        let at = self.place_of(request, path)?;
        let text = at.and_then(|at| body.get(at)).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(text.and_then(scalar))
    }

    fn place_of(&self, request: &Request<'_>, path: &Path) -> Result<Option<Range<usize>>, Reason> {
        let body = request.body;
        self.json(request)?;
        let known = self.found.borrow().iter().find(|(known, _)| known == path).map(|(_, at)| at.clone());
        Ok(known.unwrap_or_else(|| {
            let text = std::str::from_utf8(without_mark(body)).ok();
            let at = text.and_then(|text| path.find_in(text)).map(|found| place_in(body, found));
            self.found.borrow_mut().push((path.clone(), at.clone()));
            at
        }))
    }
}

/// Where a value of the body is in it.
fn place_in(body: &[u8], found: &RawValue) -> Range<usize> {
    let start = found.get().as_ptr().addr().wrapping_sub(body.as_ptr().addr());
    start..start.saturating_add(found.get().len())
}

impl<'a> View<'a> {
    pub(super) fn of(request: &'a Request<'a>, memo: &'a Memo) -> Self {
        Self { request, fields: &[], item: None, memo }
    }

    /// The value at a place; `None` if there is none. A repeated header is refused, because programs differ in which
    /// of them counts.
    pub(super) fn read(&self, place: &Place) -> Result<Option<Cow<'a, str>>, Reason> {
        Ok(match place {
            Place::Header(name) => self.request.header(name)?.map(Cow::Borrowed),
            Place::Json(path) => match self.item {
                Some(item) => path.find(item).and_then(|found| scalar(found.get())),
                None => self.memo.find(self.request, path)?,
            },
            Place::Form(name) => self.memo.field(self.request, name)?.map(Cow::Owned),
            Place::FormJson(field, path) => {
                let text = self.memo.field(self.request, field)?.unwrap_or_default();
                let json: Option<&RawValue> = serde_json::from_str(&text).ok();
                json.and_then(|json| path.find(json))
                    .and_then(|found| scalar(found.get()))
                    .map(|found| found.into_owned().into())
            }
            Place::Any(places) => {
                for place in places {
                    match self.read(place) {
                        Ok(Some(found)) => return Ok(Some(found)),
                        // A body of another kind has nothing there.
                        Ok(None) | Err(Reason::Body(_)) => {}
                        Err(reason) => return Err(reason),
                    }
                }
                None
            }
            Place::Query(name) => {
                let pairs = || url::form_urlencoded::parse(query_of(self.request.url).as_bytes());
                // Some providers write the name of a parameter now so, now so.
                let near = || pairs().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
                find(pairs(), name).or_else(near)
            }
            Place::Field(name) => {
                let mut found =
                    self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| *value);
                let value = found.next();
                if found.next().is_some() {
                    return Err(Reason::FieldRepeated(name.clone()));
                }
                value.map(Cow::Borrowed)
            }
            Place::Claim(name) => claim(self.request.body, name).map(Cow::Owned),
            Place::Body => std::str::from_utf8(self.request.body).ok().map(Cow::Borrowed),
        })
    }

    /// The value at a required place.
    pub(super) fn need(&self, place: &Place) -> Result<Cow<'a, str>, Reason> {
        self.read(place)?.ok_or_else(|| Reason::missing(place))
    }
}

/// Reads several places of one request, whose body is gone through once.
pub struct Reader<'a> {
    request: Request<'a>,
    memo: Memo,
}

impl<'a> Reader<'a> {
    /// Prepares to read these places, and the list at this path of the body.
    pub fn new<'p>(
        request: Request<'a>,
        places: impl Iterator<Item = &'p Place>,
        list: Option<&Path>,
    ) -> Self {
        let memo = Memo::expecting(places);
        memo.expected.borrow_mut().extend(list.cloned());
        Self { request, memo }
    }

    /// The request.
    pub fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// What is at a place: for an event's type, id or time.
    pub fn read(&self, place: &Place) -> Option<String> {
        View::of(&self.request, &self.memo).read(place).ok().flatten().map(Cow::into_owned)
    }

    /// Whether the body is JSON.
    pub fn is_json(&self) -> bool {
        self.memo.json(&self.request).is_ok()
    }

    /// The text of the value at a path of the body.
    pub fn find(&self, path: &Path) -> Option<&'a [u8]> {
        let at = self.memo.place_of(&self.request, path).ok()??;
        self.request.body.get(at)
    }
}

/// Reads a place of a request.
pub fn read(place: &Place, request: &Request<'_>) -> Option<String> {
    View::of(request, &Memo::default()).read(place).ok().flatten().map(Cow::into_owned)
}

pub(super) fn find<'a>(
    mut pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    name: &str,
) -> Option<Cow<'a, str>> {
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The text of a string, or a number or flag as it is written.
fn scalar(text: &str) -> Option<Cow<'_, str>> {
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(text)),
    }
}

/// A claim of a token, without asking whether the token is any good.
fn claim(token: &[u8], name: &str) -> Option<String> {
    let token = std::str::from_utf8(token).ok()?;
    let payload = BASE64URL.decode(token.trim().split('.').nth(1)?).ok()?;
    let raw: &RawValue = serde_json::from_slice(&payload).ok()?;
    Path::parse(name).ok()?.find(raw).and_then(|found| scalar(found.get())).map(Cow::into_owned)
}

/// The query of a URL, without the question mark.
pub(super) fn query_of(url: &str) -> &str {
    let url = url.split('#').next().unwrap_or(url);
    url.split_once('?').map_or("", |(_, query)| query)
}

/// The host (with its port) and the path with the query of a URL.
pub(super) fn host_and_target(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or(rest);
    rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(body: &[u8]) -> Request<'_> {
        Request { method: "POST", url: "https://a.example/in?a=1&b=x%20y", headers: &[], body }
    }

    #[test]
    fn a_json_body_is_read_as_it_is_written() {
        let body =
            br#"{"a":{"b":[{"id":"x\n\u00fc"},{"id":1.50}]},"n":1e3,"t":true,"z":null,"o":{},"big":12345678901234567890123}"#;
        let at = |path: &str| read(&Place::parse(&format!("json:{path}")).unwrap(), &request(body));
        assert_eq!(at("a.b[0].id").as_deref(), Some("x\nü"));
        assert_eq!(at("a.b[1].id").as_deref(), Some("1.50"), "not written again");
        assert_eq!(at("n").as_deref(), Some("1e3"));
        assert_eq!(at("big").as_deref(), Some("12345678901234567890123"));
        assert_eq!(at("t").as_deref(), Some("true"));
        for nothing in ["z", "o", "a.b", "a.b[2].id", "a.c", "n.x"] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn forms_queries_and_claims_are_read() {
        let form = request(b"payload=%7B%7D&x=a+b");
        let at = |place: &str| read(&Place::parse(place).unwrap(), &form);
        assert_eq!(at("form:x").as_deref(), Some("a b"));
        assert_eq!(at("query:b").as_deref(), Some("x y"));
        let token = request(b"e30.eyJ0eXBlIjoiYSJ9.x");
        assert_eq!(read(&Place::parse("claim:type").unwrap(), &token).as_deref(), Some("a"));
    }

    #[test]
    fn what_is_expected_is_found_in_one_go_and_is_the_same() {
        let body = br#"{"a":{"b":[{"id":"x"},{"id":2}],"b2":3},"n":1,"n":4,"\u0061b":5,"l":[[1,2],[3]]}"#;
        let request = request(body);
        let paths = [
            "a.b[0].id",
            "a.b[1].id",
            "a.b2",
            "n",
            "ab",
            "l[1][0]",
            "l[0][1]",
            "l[2][0]",
            "a.c",
            "n.x",
            "z",
            "a",
        ];
        let places: Vec<Place> =
            paths.iter().map(|path| Place::parse(&format!("json:{path}")).unwrap()).collect();
        let memo = Memo::expecting(places.iter());
        for place in &places {
            let ahead = View::of(&request, &memo).read(place).unwrap();
            assert_eq!(ahead.map(Cow::into_owned), read(place, &request), "{place}");
        }
        assert_eq!(
            read(&places[3], &request).as_deref(),
            Some("4"),
            "of a name that is there twice, the last"
        );
        assert_eq!(
            read(&places[4], &request).as_deref(),
            Some("5"),
            "a name is what it says, however it is written"
        );
    }

    #[test]
    fn a_byte_order_mark_hides_no_member() {
        let body = b"\xef\xbb\xbf{\"a\":1}";
        assert_eq!(read(&Place::parse("json:a").unwrap(), &request(body)).as_deref(), Some("1"));
    }

    #[test]
    fn a_form_of_too_many_fields_is_refused() {
        let form = vec!["a=b"; 20_000].join("&");
        let place = Place::parse("form:a").unwrap();
        assert!(View::of(&request(form.as_bytes()), &Memo::default()).read(&place).is_err());
    }

    #[test]
    fn what_is_no_place_is_explained() {
        for (text, hint) in [
            ("x", "header:name"),
            ("header:", "header:name"),
            ("header:X-A", "lower case"),
            ("json:a..b", "between dots"),
            ("json:a[x]", "in brackets"),
            ("cookie:a", "header:name"),
        ] {
            assert!(Place::parse(text).unwrap_err().contains(hint), "{text}");
        }
    }

    #[test]
    fn a_url_falls_into_host_and_target() {
        assert_eq!(host_and_target("https://a.example:8443/b/c?d=e#f"), ("a.example:8443", "/b/c?d=e"));
        assert_eq!(host_and_target("https://a.example"), ("a.example", "/"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_place_or_explained_and_reads_back(text in ".{0,40}", path in "[a-c.\\[\\]0-9]{0,12}") {
            for text in [text, format!("json:{path}")] {
                if let Ok(place) = Place::parse(&text) {
                    let again = Place::parse(&place.to_string());
                    prop_assert_eq!(again.as_ref(), Ok(&place));
                    let _ = read(&place, &request(br#"{"a":[{"b":{"c":1}}]}"#));
                }
            }
        }

        #[test]
        fn any_body_is_read_without_harm(body: Vec<u8>) {
            for place in ["json:a.b[0]", "form:a", "claim:a", "body"] {
                let _ = read(&Place::parse(place).unwrap(), &request(&body));
            }
        }
    }
}
