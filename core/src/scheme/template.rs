//! What a signature is over, as a template: `{ts}.{body}`.
//!
//! Text stands for itself; `{…}` is a part of the request, listed at [`Part`]; `{header?:x}` may be absent (and is
//! then empty); `[…]` is dropped as a whole when a part that may be absent is; `|lower` makes a part lower case; `|line`
//! refuses a part with a line break, where lines are what keeps parts apart.
//! A template is read once, and filling it copies neither the body nor the headers.

use super::place::{Path, Place, View, host_and_target, query_of};
use super::verdict::Reason;
use super::{Params, Request, crypto};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The longest template.
const MAX_TEXT: usize = 4 * 1024;
/// The most parts of a template, of them those that read the body, and of those the ones that are all of it: each costs a
/// pass over a body that may be large.
const MAX_PARTS: usize = 64;
const MAX_BODY_PARTS: usize = 16;
const MAX_WHOLE_BODY: usize = 2;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    optional: bool,
    parts: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    part: Part,
    absent_ok: bool,
    lower: bool,
    line: bool,
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text that stands for itself.
    Text(String),
    /// `{body}`: the body's bytes.
    Body,
    /// `{ts}`: the timestamp as it is written in the request.
    Ts,
    /// `{secret}`: the secret's bytes, for plain hashes.
    Secret,
    /// `{method}`.
    Method,
    /// `{url}`: the URL as the provider has it.
    Url,
    /// `{url-unescaped}`: the same with `: / ? @ ! $ ' ( ) * , ;` not percent-encoded (HubSpot).
    UrlUnescaped,
    /// `{path}`: path and query.
    Target,
    /// `{path-alone}`: the path without the query.
    Path,
    /// `{path-escaped}`: path and query, escaped as Contentful's library does it: the query twice.
    TargetEscaped,
    /// `{host}`.
    Host,
    /// `{header:x}`, `{json:x}`, `{form:x}`, `{query:x}`, `{field:x}`.
    At(Place),
    /// `{param:x}`: a value of the receiver's account with the provider.
    Param(String),
    /// `{crc32}`: of the body, as a decimal number.
    Crc32,
    /// `{sha256}`: of the body, in hex.
    Sha256,
    /// `{form-sorted}`: names and values of the form, sorted by name.
    FormSorted,
    /// `{form-sorted-unique}`: the same, with the values of a name sorted and each once (Twilio).
    FormSortedUnique,
    /// `{header-pairs:x}`: `name:value` of the headers that header `x` lists with commas, joined by `;` (Contentful).
    HeaderPairs(String),
    /// `{header-values:x}`: the values of the headers that the field `x` of the signature lists with spaces, joined by
    /// `.` (Hook0).
    HeaderValues(String),
    /// `{header-lines:x}`: a line `Name: value` for each of the headers that the field `x` lists with commas, named as
    /// they are listed (TrueLayer).
    HeaderLines(String),
    /// `{plivo-url}`: the URL, its sorted query and the sorted form, as Plivo glues them.
    PlivoUrl,
}

impl Part {
    /// Whether it costs a pass over the body.
    pub(super) fn reads_body(&self) -> bool {
        self.is_whole_body() || matches!(self, Self::At(Place::Json(_) | Place::Form(_)))
    }

    fn is_whole_body(&self) -> bool {
        matches!(
            self,
            Self::Body
                | Self::Crc32
                | Self::Sha256
                | Self::FormSorted
                | Self::FormSortedUnique
                | Self::PlivoUrl
                | Self::At(Place::Body | Place::Claim(_))
        )
    }

    /// Whether it differs from one group of signatures in a header to the next.
    fn is_of_group(&self) -> bool {
        matches!(self, Self::At(Place::Field(_)) | Self::HeaderValues(_) | Self::HeaderLines(_))
    }
}

/// A stretch of the signed bytes.
pub(super) enum Piece<'a> {
    Bytes(Cow<'a, [u8]>),
    Secret,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("the template may have at most {MAX_TEXT} bytes"));
        }
        let template = Self::read(text)?;
        let count = |counted: fn(&Part) -> bool| {
            template.segments.iter().flat_map(|s| &s.parts).filter(|item| counted(&item.part)).count()
        };
        if count(|_| true) > MAX_PARTS
            || count(Part::reads_body) > MAX_BODY_PARTS
            || count(Part::is_whole_body) > MAX_WHOLE_BODY
        {
            return Err(format!(
                "the template may have at most {MAX_PARTS} parts, {MAX_BODY_PARTS} of them from the body, and {MAX_WHOLE_BODY} of \
                 those the whole body"
            ));
        }
        Ok(template)
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, optional, tail) = if let Some(inner) = rest.strip_prefix('[') {
                let (piece, tail) =
                    inner.split_once(']').ok_or_else(|| format!("'{text}': a '[' has no closing ']'"))?;
                (piece, true, tail)
            } else {
                let (piece, tail) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
                (piece, false, tail)
            };
            let parts = items(piece).map_err(|error| format!("'{text}': {error}"))?;
            if optional && !parts.iter().any(|item| item.absent_ok) {
                return Err(format!("'{text}': '[{piece}]' has no optional part, such as {{header?:x}}"));
            }
            segments.push(Segment { optional, parts });
            rest = tail;
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn has(&self, mut wanted: impl FnMut(&Part) -> bool) -> bool {
        self.segments.iter().flat_map(|segment| &segment.parts).any(|item| wanted(&item.part))
    }

    /// How many of its parts cost a pass over the body.
    pub(super) fn passes(&self) -> usize {
        let parts = self.segments.iter().flat_map(|segment| &segment.parts);
        parts.filter(|item| item.part.reads_body()).count()
    }

    /// Whether what is signed is the same whatever stands in the signature header.
    pub(super) fn is_steady(&self) -> bool {
        !self.has(Part::is_of_group)
    }

    /// Whether the URL is part of what is signed.
    pub(super) fn covers_url(&self) -> bool {
        self.has(|part| {
            matches!(
                part,
                Part::Url
                    | Part::UrlUnescaped
                    | Part::PlivoUrl
                    | Part::Target
                    | Part::TargetEscaped
                    | Part::Path
                    | Part::Host
            )
        })
    }

    /// Whether the query of the URL is part of what is signed.
    pub(super) fn covers_query(&self) -> bool {
        self.has(|part| {
            matches!(
                part,
                Part::Url | Part::UrlUnescaped | Part::PlivoUrl | Part::Target | Part::TargetEscaped
            )
        })
    }

    /// The places that it reads.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.segments.iter().flat_map(|segment| &segment.parts).filter_map(|item| match &item.part {
            Part::At(place) => Some(place),
            _ => None,
        })
    }

    /// The field that lists the headers whose lines are signed.
    pub(super) fn header_list(&self) -> Option<&str> {
        self.segments.iter().flat_map(|segment| &segment.parts).find_map(|item| match &item.part {
            Part::HeaderLines(field) => Some(field.as_str()),
            _ => None,
        })
    }

    /// Whether any change of the body changes what is signed. A check sum is no such thing: another body with the same is
    /// easy to make. Nor are single members of the body: the others can be changed.
    pub(super) fn covers_body(&self) -> bool {
        self.has(|part| {
            matches!(
                part,
                Part::Body | Part::Sha256 | Part::FormSorted | Part::FormSortedUnique | Part::PlivoUrl
            )
        })
    }

    /// Whether members of the body are signed, and not the body.
    pub(super) fn reads_members(&self) -> bool {
        !self.covers_body() && self.has(|part| matches!(part, Part::At(place) if place.is_member()))
    }

    /// The signed bytes of a request.
    pub(super) fn fill<'a>(
        &'a self,
        view: &View<'a>,
        ts: Option<&'a str>,
        params: &'a Params,
    ) -> Result<Vec<Piece<'a>>, Reason> {
        let mut pieces = Vec::with_capacity(6);
        for segment in &self.segments {
            let before = pieces.len();
            for item in &segment.parts {
                match item.fill(view, ts, params)? {
                    Some(piece) => pieces.push(piece),
                    None if segment.optional => {
                        pieces.truncate(before);
                        break;
                    }
                    None => {}
                }
            }
        }
        Ok(pieces)
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let (name, tail) = inner.split_once('}').ok_or("a '{' has no closing '}'")?;
            items.push(item(name)?);
            rest = tail;
        } else {
            let (literal, tail) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            if literal.contains(['}', ']']) {
                return Err("a '}' or ']' has no opening bracket".to_owned());
            }
            items.push(Item {
                part: Part::Text(literal.to_owned()),
                absent_ok: false,
                lower: false,
                line: false,
            });
            rest = tail;
        }
    }
    Ok(items)
}

fn item(name: &str) -> Result<Item, String> {
    let (name, lower) = name.strip_suffix("|lower").map_or((name, false), |name| (name, true));
    let (name, line) = name.strip_suffix("|line").map_or((name, false), |name| (name, true));
    let (kind, argument) = name.split_once(':').map_or((name, ""), |(kind, argument)| (kind, argument));
    let (kind, absent_ok) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
    let plain = match kind {
        "body" => Some(Part::Body),
        "ts" => Some(Part::Ts),
        "secret" => Some(Part::Secret),
        "method" => Some(Part::Method),
        "url" => Some(Part::Url),
        "url-unescaped" => Some(Part::UrlUnescaped),
        "path" => Some(Part::Target),
        "path-alone" => Some(Part::Path),
        "path-escaped" => Some(Part::TargetEscaped),
        "host" => Some(Part::Host),
        "crc32" => Some(Part::Crc32),
        "sha256" => Some(Part::Sha256),
        "form-sorted" => Some(Part::FormSorted),
        "form-sorted-unique" => Some(Part::FormSortedUnique),
        "plivo-url" => Some(Part::PlivoUrl),
        _ => None,
    };
    let part = match (plain, argument.is_empty()) {
        (Some(part), true) => part,
        (None, false) => match kind {
            "param" => Part::Param(argument.to_owned()),
            "header-pairs" => Part::HeaderPairs(argument.to_owned()),
            "header-lines" => Part::HeaderLines(argument.to_owned()),
            "header-values" => Part::HeaderValues(argument.to_owned()),
            "json" => Part::At(Place::Json(Path::parse(argument)?)),
            "header" | "form" | "query" | "field" => Part::At(Place::parse(&format!("{kind}:{argument}"))?),
            _ => return Err(format!("'{{{name}}}' is not a part of a request")),
        },
        _ => return Err(format!("'{{{name}}}' is not a part of a request")),
    };
    if absent_ok && !matches!(part, Part::At(_)) {
        return Err(format!("'{{{name}}}' cannot be optional; only a header, json, form or query part can"));
    }
    Ok(Item { part, absent_ok, lower, line })
}

impl Item {
    fn fill<'a>(
        &'a self,
        view: &View<'a>,
        ts: Option<&'a str>,
        params: &'a Params,
    ) -> Result<Option<Piece<'a>>, Reason> {
        let request = view.request;
        let text: Cow<'a, str> = match &self.part {
            Part::Text(text) => text.into(),
            Part::Body => return Ok(Some(Piece::Bytes(request.body.into()))),
            Part::Secret => return Ok(Some(Piece::Secret)),
            Part::Ts => ts.unwrap_or_default().into(),
            Part::Method => request.method.into(),
            Part::Url => request.url.into(),
            Part::UrlUnescaped => unescape(request.url).into(),
            Part::Target => host_and_target(request.url).1.into(),
            Part::Path => host_and_target(request.url).1.split('?').next().unwrap_or_default().into(),
            Part::TargetEscaped => escaped(host_and_target(request.url).1).into(),
            Part::Host => host_and_target(request.url).0.into(),
            Part::At(place) => match view.read(place) {
                Ok(Some(value)) => value,
                // A body of another kind has nothing there.
                Ok(None) | Err(Reason::Body(_)) if self.absent_ok => return Ok(None),
                Ok(None) => return Err(Reason::missing(place)),
                Err(reason) => return Err(reason),
            },
            Part::Param(name) => {
                params.get(name).map(String::as_str).ok_or_else(|| Reason::Parameter(name.clone()))?.into()
            }
            Part::Crc32 => crypto::crc32(request.body).to_string().into(),
            Part::Sha256 => crypto::hex(&crypto::sha256(&[request.body])).into(),
            Part::FormSorted => form(request, false)?.into(),
            Part::FormSortedUnique => form(request, true)?.into(),
            Part::HeaderPairs(list) => {
                let names = view.need(&Place::Header(list.clone()))?;
                let mut pairs = Vec::new();
                for name in names.split(',').map(str::trim) {
                    let value = request
                        .header(name)?
                        .ok_or_else(|| Reason::HeaderMissing(name.to_ascii_lowercase()))?;
                    pairs.push(format!("{}:{value}", name.to_ascii_lowercase()));
                }
                pairs.join(";").into()
            }
            Part::HeaderValues(field) => {
                let names = view.need(&Place::Field(field.clone()))?;
                let mut values = Vec::new();
                for name in names.split_ascii_whitespace() {
                    let value = request.header(name)?;
                    values.push(value.ok_or_else(|| Reason::HeaderMissing(name.to_ascii_lowercase()))?);
                }
                values.join(".").into()
            }
            Part::HeaderLines(field) => {
                let names = view.need(&Place::Field(field.clone()))?;
                let mut lines = String::new();
                for name in names.split(',').filter(|name| !name.is_empty()) {
                    let value = request
                        .header(name)?
                        .ok_or_else(|| Reason::HeaderMissing(name.to_ascii_lowercase()))?;
                    lines.extend([name, ": ", value, "\n"]);
                }
                lines.into()
            }
            Part::PlivoUrl => {
                request.check_form()?;
                plivo_url(request.url, request.body).into()
            }
        };
        if self.line && text.contains('\n') {
            return Err(Reason::Body("a message whose fields are lines"));
        }
        let text = if self.lower { text.to_lowercase().into() } else { text };
        Ok(Some(Piece::Bytes(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })))
    }
}

/// The names and values of a form, one after the other, sorted by name.
fn form(request: &Request<'_>, unique: bool) -> Result<String, Reason> {
    request.check_form()?;
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(request.body).collect();
    if unique {
        pairs.sort();
        pairs.dedup();
    } else {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(pairs.iter().fold(String::new(), |text, (name, value)| text + name + value))
}

fn plivo_url(url: &str, body: &[u8]) -> String {
    let sorted = |raw: &[u8]| {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(raw) {
            names.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        for values in names.values_mut() {
            values.sort();
        }
        names
    };
    let (query, form) = (sorted(query_of(url).as_bytes()), sorted(body));
    let mut text = url.split(['?', '#']).next().unwrap_or(url).to_owned();
    if !query.is_empty() || !form.is_empty() {
        text.push('?');
    }
    let pairs: Vec<String> =
        query.iter().flat_map(|(n, values)| values.iter().map(move |v| format!("{n}={v}"))).collect();
    text.push_str(&pairs.join("&"));
    if !query.is_empty() && !form.is_empty() {
        text.push('.');
    }
    for (name, values) in &form {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

fn escaped(target: &str) -> String {
    // What JavaScript's `querystring.escape` leaves, and what `encodeURI` leaves.
    const LEFT: AsciiSet = without(NON_ALPHANUMERIC, b"-._~!'()*");
    const LEFT_IN_URI: AsciiSet = without(&LEFT, b";,/?:@&=+$#");
    let mut parts = target.split('?');
    let path = utf8_percent_encode(parts.next().unwrap_or_default(), &LEFT_IN_URI).to_string();
    match parts.next().filter(|query| !query.is_empty()) {
        None => path,
        Some(query) => {
            let once = utf8_percent_encode(query, &LEFT).to_string();
            format!("{path}?{}", utf8_percent_encode(&once, &LEFT_IN_URI))
        }
    }
}

const fn without(set: &AsciiSet, mut left: &[u8]) -> AsciiSet {
    let mut set = set.remove(b'~');
    while let [byte, rest @ ..] = left {
        set = set.remove(*byte);
        left = rest;
    }
    set
}

fn unescape(url: &str) -> String {
    const PAIRS: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    PAIRS.iter().fold(url.to_owned(), |url, (code, plain)| {
        url.replace(code, plain).replace(&code.to_ascii_lowercase(), plain)
    })
}

#[cfg(test)]
mod tests {
    use super::super::place::Memo;
    use super::*;
    use crate::scheme::Request;
    use proptest::prelude::*;

    fn fill(template: &str, request: &Request<'_>) -> Result<String, Reason> {
        let template = Template::parse(template).expect(template);
        let params = Params::from([("id".to_owned(), "P".to_owned())]);
        let memo = Memo::default();
        let view = View { fields: &[("h", "x-b X-A"), ("l", "x-B,X-A")], ..View::of(request, &memo) };
        let pieces = template.fill(&view, Some("17"), &params)?;
        let bytes: Vec<u8> = pieces
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.into_owned(),
                Piece::Secret => b"SECRET".to_vec(),
            })
            .collect();
        Ok(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn parts_stand_for_what_they_name() {
        let headers =
            [("X-A".into(), "va".into()), ("x-b".into(), "vb".into()), ("list".into(), "x-b,X-A".into())];
        let request = Request {
            method: "POST",
            url: "https://h.example/p?q=V%3A",
            headers: &headers,
            body: b"b=2&a=1&b=1&b=2",
        };
        for (template, expected) in [
            ("v0:{ts}:{body}", "v0:17:b=2&a=1&b=1&b=2"),
            ("{secret}{method}{url}", "SECRETPOSThttps://h.example/p?q=V%3A"),
            ("{url-unescaped}", "https://h.example/p?q=V:"),
            ("{host}{path}", "h.example/p?q=V%3A"),
            ("{path-escaped}", "/p?q%253DV%25253A"),
            ("{header:x-a}{field:h}{param:id}", "vax-b X-AP"),
            ("{form-sorted}", "a1b2b1b2"),
            ("{form-sorted-unique}", "a1b1b2"),
            ("{header-pairs:list}", "x-b:vb;x-a:va"),
            ("{header-values:h}", "vb.va"),
            ("{header-lines:l}{path-alone}", "x-B: vb\nX-A: va\n/p"),
            ("{query:q|lower}{method|lower}", "v:post"),
            ("[a{header?:none}b]c{header?:none}[d{header?:x-a}e]", "cdvae"),
            ("{plivo-url}", "https://h.example/p?q=V:.a1b1b2b2"),
        ] {
            assert_eq!(fill(template, &request).as_deref(), Ok(expected), "{template}");
        }
        let lines = Request { body: br#"{"a":"one","b":"one\ntwo"}"#, ..request };
        assert_eq!(fill("{json:a|line}", &lines).as_deref(), Ok("one"));
        assert_eq!(fill("{json:b|line}", &lines).map_err(|reason| reason.code()), Err("body_unreadable"));
        assert_eq!(fill("{header:none}", &request), Err(Reason::HeaderMissing("none".into())));
        assert_eq!(fill("{param:x}", &request), Err(Reason::Parameter("x".into())));
        let twice = [("x-a".into(), "1".into()), ("X-A".into(), "2".into())];
        let request = Request { headers: &twice, ..request };
        assert_eq!(fill("{header:x-a}", &request), Err(Reason::HeaderRepeated("x-a".into())));
    }

    #[test]
    fn what_is_no_template_is_explained() {
        for (text, hint) in [
            ("{body", "no closing"),
            ("[x{header?:a}", "no closing"),
            ("a}b", "has no opening bracket"),
            ("{nope}", "not a part"),
            ("{body:x}", "not a part"),
            ("{header}", "not a part"),
            ("[{body}]", "no optional part"),
            ("{body?}", "cannot be optional"),
        ] {
            let error = Template::parse(text).expect_err(text);
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_explained(text in ".{0,40}", close in "[\\[\\]{}a?:|]{0,16}") {
            for text in [text, close] {
                if let Ok(template) = Template::parse(&text) {
                    prop_assert_eq!(template.as_str(), text.as_str());
                }
            }
        }
    }
}
