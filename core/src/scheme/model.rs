//! The data of a scheme.
//!
//! A field that is unknown, or a combination that cannot work, is an error with a sentence: [`Scheme::faults`] is what
//! checks the presets when they are tested, and a user's own scheme when it comes in.

use super::Params;
use super::crypto::{Algorithm, Encoding};
use super::form::Form;
use super::key::KeyFormat;
use super::place::{Path, Place};
use super::template::{Part, Template};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How requests of a provider prove where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scheme {
    /// A signature over parts of the request.
    Signature(Box<Signature>),
    /// A JSON Web Token, usually with a hash of the body.
    Jwt(Box<Jwt>),
    /// A secret that is sent along.
    Token(Token),
    /// HTTP's basic authentication.
    Basic(Basic),
    /// The provider signs nothing.
    None,
}

/// A signature over parts of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// Where signatures are; `header:x-{1..9}` stands for numbered headers. Any of them will do.
    pub at: Vec<Place>,
    /// What signs.
    pub algorithm: Algorithm,
    /// How a signature is written.
    pub encoding: Encoding,
    /// How signatures stand there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub form: Form,
    /// What stands before each signature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// What is signed.
    pub content: Template,
    /// How the secret is read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: KeyFormat,
    /// When it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Where the id of the event (or a nonce) is, that is signed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Place>,
    /// What has to be at these places, before anything else is looked at; sent as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<Place, String>,
    /// What has to be at these places is the parameter of that name, where there is one: whose events these are, of a
    /// provider that signs everyone's with the same key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pin: BTreeMap<Place, String>,
    /// Headers that are sent with fixed values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub send: BTreeMap<String, String>,
    /// Where a hash of the body is, where that is what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<BodyHash>,
    /// Whether the signature is over the SHA-256 of the content instead of the content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hashed: bool,
    /// The array of the JSON body each of whose items has its own signature; `json:` places are then within an item.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "option_path")]
    pub each: Option<Path>,
    /// Said where the template does not tell whether the body is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binds_body: Option<bool>,
    /// Whether the receiver may choose the header (the parameter `header`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_by_receiver: bool,
    /// Content that has this form is refused: the provider's handshake signs it for anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Charset>,
}

/// The most members of the body that signing a request writes.
const MAX_WRITTEN: usize = 4;

/// The longest time that a request may be old: some providers repeat one with its first time for days.
const MAX_TOLERANCE_S: u32 = 7 * 86_400;

/// When a request was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Time {
    /// Where it says so.
    pub at: Place,
    /// How.
    pub unit: Unit,
    /// How many seconds off it may be; `null` where the provider names no limit.
    #[serde(default)]
    pub tolerance: Option<u32>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds since 1970.
    S,
    /// Milliseconds since 1970.
    Ms,
    /// Seconds or milliseconds, by the number of digits.
    Auto,
    /// RFC 3339.
    Iso,
    /// As HTTP's `Date`.
    HttpDate,
}

impl Unit {
    /// The time of a signature in milliseconds: exactly as it is signed.
    pub fn read(self, text: &str) -> Option<i64> {
        let is_number = text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::S | Self::Ms | Self::Auto if !is_number => None,
            _ => self.read_event(text),
        }
    }

    /// The time of an event in milliseconds, as providers write it: also with a fraction of a second.
    pub fn read_event(self, text: &str) -> Option<i64> {
        match self {
            Self::Ms => decimal(text, 0),
            // A fraction of seconds does not make milliseconds of it.
            Self::Auto if text.split('.').next().unwrap_or_default().len() > 11 => decimal(text, 0),
            Self::S | Self::Auto => decimal(text, 3),
            Self::Iso => crate::time::parse_rfc3339(text),
            Self::HttpDate => {
                let at = httpdate::parse_http_date(text).ok()?;
                let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
                i64::try_from(since.as_millis()).ok()
            }
        }
    }

    /// The time of an event in milliseconds, in any form in which programs print one: nothing depends on it but what is shown.
    pub fn read_any(self, text: &str) -> Option<i64> {
        let text = text.trim();
        let number = match self {
            Self::S | Self::Auto => sized(text),
            // What is so small was meant as it is documented.
            Self::Ms => decimal(text, 0).filter(|ms| *ms < 100_000_000_000).or_else(|| sized(text)),
            Self::Iso | Self::HttpDate => None,
        };
        let dated =
            || self.read_event(text).or_else(|| crate::time::parse_printed(text)).or_else(|| sized(text));
        number.or_else(dated).filter(|ms| crate::time::is_writable(*ms))
    }

    /// A time in milliseconds, written.
    pub fn write(self, ms: i64) -> String {
        match self {
            Self::S | Self::Auto => ms.div_euclid(1000).to_string(),
            Self::Ms => ms.to_string(),
            Self::Iso => crate::time::rfc3339(ms),
            Self::HttpDate => {
                let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
                httpdate::fmt_http_date(
                    std::time::UNIX_EPOCH.checked_add(since).unwrap_or(std::time::UNIX_EPOCH),
                )
            }
        }
    }

    /// What it is, for a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::S => "a number of seconds",
            Self::Ms => "a number of milliseconds",
            Self::Auto => "a number of seconds or milliseconds",
            Self::Iso => "an ISO 8601 time",
            Self::HttpDate => "an HTTP date",
        }
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by their size: each is read for the years 1973 to 5138.
fn sized(text: &str) -> Option<i64> {
    Some(match decimal(text, 0)? {
        ..100_000_000_000 => decimal(text, 3)?,
        ms @ ..100_000_000_000_000 => ms,
        us @ ..100_000_000_000_000_000 => us.div_euclid(1_000),
        ns => ns.div_euclid(1_000_000),
    })
}

/// A number as providers write times (`1700000000`, `1700000000.5`, `1.7e9`), with its point moved to the right; what
/// remains behind the point is cut off.
fn decimal(text: &str, places: i32) -> Option<i64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => {
            (number, exponent.parse::<i32>().ok().filter(|e| (-15..=15).contains(e))?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 19 {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(places);
    let all = [whole, fraction].concat();
    // What has more digits than any number of 64 bits is none.
    let wanted = usize::try_from(point).unwrap_or(0).min(40);
    let shifted: String = all.chars().chain(std::iter::repeat('0')).take(wanted).collect();
    let shifted = shifted.trim_start_matches('0');
    match shifted {
        "" => Some(0),
        shifted => shifted.parse().ok(),
    }
}

/// Where a hash of the body is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodyHash {
    /// Where.
    pub at: Place,
    /// How the SHA-256 is written.
    pub encoding: Encoding,
    /// What stands before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// The form of a challenge that a handshake signs, and that nothing else may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// 1 to 256 of `A-Z a-z 0-9 _ -`.
    Urlsafe,
    /// 20 to 40 of `a-f 0-9`.
    ShortHex,
    /// 1 to 2048 visible characters of ASCII; for what is only said back.
    Visible,
}

impl Charset {
    /// Whether a text has this form.
    pub fn allows(self, text: &[u8]) -> bool {
        let (lengths, allowed): (_, fn(u8) -> bool) = match self {
            Self::Urlsafe => (1..=256, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')),
            Self::ShortHex => (20..=40, |b| matches!(b, b'a'..=b'f' | b'0'..=b'9')),
            Self::Visible => (1..=2048, |b| b.is_ascii_graphic() || b == b' '),
        };
        lengths.contains(&text.len()) && text.iter().all(|b| allowed(*b))
    }
}

/// A JSON Web Token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    /// Where it is.
    pub at: Place,
    /// What stands before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The one algorithm that is taken, whatever the token says.
    pub algorithm: JwtAlgorithm,
    /// How the secret is read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: KeyFormat,
    /// Claims that have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// Claims that have to be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The claim that holds a hash of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<JwtHash>,
    /// The claim that holds a hash of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_hash: Option<JwtHash>,
    /// The claim that is the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_claim: Option<String>,
    /// The claim that is the hash of method, path and query, as Atlassian has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_hash: Option<String>,
    /// How many seconds ago it may have been made, by `iat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// How many seconds the two clocks may differ.
    #[serde(default = "minute")]
    pub leeway: u32,
    /// How many seconds it is valid when we make it.
    #[serde(default = "five_minutes")]
    pub lifetime: u32,
    /// Whether the payload is not in the token, but is the body as it is (RFC 7797).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
    /// What a detached payload is, where it is more than the body; `{field:x}` is a member of the token's header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Template>,
    /// Members of the token's header that have these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// The header with the time, which has to be among those that `{header-lines:x}` covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

fn minute() -> u32 {
    60
}

fn five_minutes() -> u32 {
    300
}

/// The algorithm of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JwtAlgorithm {
    /// HMAC-SHA256.
    Hs256,
    /// HMAC-SHA512.
    Hs512,
    /// RSA with SHA-256.
    Rs256,
    /// RSA with SHA-512.
    Rs512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-521.
    Es512,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    Eddsa,
}

impl JwtAlgorithm {
    /// As tokens name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es512 => "ES512",
            Self::Eddsa => "EdDSA",
        }
    }

    /// What signs.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HmacSha256,
            Self::Hs512 => Algorithm::HmacSha512,
            Self::Rs256 => Algorithm::RsaSha256,
            Self::Rs512 => Algorithm::RsaSha512,
            Self::Es256 => Algorithm::EcdsaP256Sha256,
            Self::Es512 => Algorithm::EcdsaP521Sha512,
            Self::Eddsa => Algorithm::Ed25519,
        }
    }
}

/// A claim with a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtHash {
    /// The claim's name.
    pub claim: String,
    /// How the SHA-256 is written; `null` where the claim is the text itself.
    pub encoding: Option<Encoding>,
}

/// A secret that is sent along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// Where it is.
    pub at: Place,
    /// What stands before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The array of the JSON body each of whose items has to hold it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "option_path")]
    pub each: Option<Path>,
    /// Whether the receiver chooses the header (the parameter `header`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_by_receiver: bool,
}

/// HTTP's basic authentication; the secret is `user:password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Basic {}

/// The most entries of each list of a scheme.
const MAX_LIST: usize = 16;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

mod option_path {
    use super::Path;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option)] // serde's signature
    pub(super) fn serialize<S: Serializer>(path: &Option<Path>, to: S) -> Result<S::Ok, S::Error> {
        path.as_ref().map(ToString::to_string).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Path>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| Path::parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

impl Scheme {
    /// What in the data cannot work, each as a sentence; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Signature(signature) => signature.faults(),
            Self::Jwt(jwt) => jwt.faults(),
            Self::Token(token) if token.named_by_receiver && !matches!(token.at, Place::Header(_)) => {
                vec!["named_by_receiver: the receiver can only choose the name of a header".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// What lets a request be repeated although its time is checked: the end of a sentence.
    ///
    /// Some providers sign so, and their presets say it; whoever describes a scheme of their own can do better.
    pub fn replay_fault(&self) -> Option<String> {
        let Self::Signature(scheme) = self else { return None };
        let time = scheme.time.as_ref().filter(|time| time.tolerance.is_some())?;
        (!scheme.signs_time(&time.at)).then(|| {
            "time: the timestamp is not signed, so an attacker could replay a request with a new timestamp. Add {ts} to 'content', or \
             remove 'time' if the provider does not sign it"
                .to_owned()
        })
    }

    /// The headers that whoever sends by it sets, as far as the scheme says what is in them.
    pub fn sent_headers(&self) -> Vec<(String, &str)> {
        let mut sent = Vec::new();
        let mut add = |place: &Place, value| {
            if let Place::Header(name) = place {
                sent.extend(numbered(name).into_iter().map(|name| (name, value)));
            }
        };
        match self {
            Self::Signature(scheme) => {
                for at in &scheme.at {
                    add(at, scheme.prefix.as_str());
                    scheme.form.texts().for_each(|text| add(at, text));
                }
                scheme.id.iter().for_each(|id| add(id, ""));
                scheme.time.iter().for_each(|time| add(&time.at, ""));
                scheme.body_hash.iter().for_each(|hash| add(&hash.at, hash.prefix.as_str()));
                scheme.require.iter().for_each(|(place, value)| add(place, value));
                scheme.pin.keys().for_each(|place| add(place, ""));
                for (name, value) in &scheme.send {
                    add(&Place::Header(name.clone()), value.as_str());
                }
            }
            Self::Jwt(scheme) => {
                add(&scheme.at, scheme.prefix.as_str());
                scheme.time.iter().for_each(|time| add(&time.at, ""));
            }
            Self::Token(scheme) => add(&scheme.at, scheme.prefix.as_str()),
            Self::Basic(_) | Self::None => {}
        }
        sent
    }

    /// How the secret is read, and what signs; `None` where nothing is signed.
    pub fn key(&self) -> Option<(KeyFormat, Option<Algorithm>)> {
        match self {
            Self::Signature(scheme) => Some((scheme.key, Some(scheme.algorithm))),
            Self::Jwt(scheme) => Some((scheme.key, Some(scheme.algorithm.algorithm()))),
            Self::Token(_) | Self::Basic(_) => Some((KeyFormat::Utf8, None)),
            Self::None => None,
        }
    }

    /// Whether the secret itself is sent in a header.
    pub fn sends_secret(&self) -> bool {
        matches!(self, Self::Token(Token { at: Place::Header(_), .. }))
    }

    /// Whether a good request's body is known to be the sender's.
    pub fn binds_body(&self) -> bool {
        match self {
            Self::Signature(scheme) => scheme.binds_body(),
            Self::Jwt(scheme) => scheme.binds_body(),
            Self::Token(_) | Self::Basic(_) | Self::None => false,
        }
    }

    /// Whether the URL is part of what is signed, so that it has to be exactly as the provider has it.
    pub fn binds_url(&self) -> bool {
        match self {
            Self::Signature(scheme) => scheme.content.covers_url(),
            Self::Jwt(jwt) => {
                jwt.url_hash.is_some()
                    || jwt.url_claim.is_some()
                    || jwt.query_hash.is_some()
                    || jwt.content.as_ref().is_some_and(Template::covers_url)
            }
            _ => false,
        }
    }

    /// The seconds that a request may be old, where there is a limit.
    pub fn tolerance_s(&self) -> Option<u32> {
        match self {
            Self::Signature(scheme) => scheme.time.as_ref()?.tolerance,
            Self::Jwt(scheme) => scheme.max_age.or_else(|| scheme.time.as_ref()?.tolerance),
            _ => None,
        }
    }

    /// Whether the receiver may choose the header (the parameter `header`).
    pub fn header_is_chosen(&self) -> bool {
        match self {
            Self::Signature(scheme) => scheme.named_by_receiver,
            Self::Token(scheme) => scheme.named_by_receiver,
            Self::Jwt(_) | Self::Basic(_) | Self::None => false,
        }
    }

    /// The parameters that have to be given.
    pub fn params(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Self::Signature(scheme) = self {
            scheme.content.has(|part| {
                if let Part::Param(name) = part {
                    names.push(name.clone());
                }
                false
            });
            names.extend(scheme.form.param().map(str::to_owned));
        }
        names
    }
}

impl Signature {
    pub(super) fn binds_body(&self) -> bool {
        self.binds_body.unwrap_or_else(|| self.content.covers_body() || self.body_hash.is_some())
    }

    /// Whether nobody can change what is at the place of the time, but for whoever signs.
    fn signs_time(&self, at: &Place) -> bool {
        let listed =
            |part: &Part| matches!(part, Part::HeaderValues(_) | Part::HeaderLines(_) | Part::HeaderPairs(_));
        let within = match at {
            Place::Json(_) | Place::Form(_) | Place::FormJson(..) | Place::Claim(_) | Place::Body => {
                self.content.covers_body()
                    || self.body_hash.as_ref().is_some_and(|hash| self.signs_place(&hash.at))
            }
            Place::Query(_) => self.content.covers_query(),
            Place::Header(_) => self.content.has(listed),
            Place::Any(places) => return places.iter().all(|place| self.signs_time(place)),
            Place::Field(_) => false,
        };
        within || self.signs_place(at) || self.content.has(|part| *part == Part::Ts)
    }

    fn signs_place(&self, at: &Place) -> bool {
        self.content.places().any(|place| place == at)
    }

    /// Every place that verifying may look at.
    pub(super) fn looks_at(&self) -> impl Iterator<Item = &Place> {
        let single = self.time.iter().map(|time| &time.at).chain(&self.id);
        let single = single.chain(self.body_hash.iter().map(|hash| &hash.at));
        self.at
            .iter()
            .chain(self.require.keys())
            .chain(self.pin.keys())
            .chain(single)
            .chain(self.content.places())
    }

    /// The places with numbers written out, or the one that the receiver has chosen.
    pub(super) fn places(&self, params: &Params) -> Vec<Place> {
        if let Some(name) = params.get("header").filter(|_| self.named_by_receiver) {
            return vec![Place::Header(name.to_ascii_lowercase())];
        }
        let written_out = |place: &Place| match place {
            Place::Header(name) => numbered(name).into_iter().map(Place::Header).collect(),
            other => vec![other.clone()],
        };
        self.at.iter().flat_map(written_out).collect()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |right: bool, text: &str| {
            if !right {
                faults.push(text.to_owned());
            }
        };
        check(!self.at.is_empty(), "at: needs at least one place");
        let lists = [self.at.len(), self.require.len(), self.pin.len(), self.send.len()];
        check(
            lists.iter().all(|length| *length <= MAX_LIST),
            "at, require, pin and send: at most 16 entries each",
        );
        // Each of them is written into the body when a request is signed: that reads it and writes it once more.
        let written = self.time.iter().map(|time| &time.at).chain(&self.id);
        let written = written.chain(self.body_hash.iter().map(|hash| &hash.at));
        let written = written.chain(&self.at).chain(self.require.keys());
        check(
            written.filter(|place| place.is_member()).count() <= MAX_WRITTEN,
            "at, require, time, id and bodyHash: at most 4 members of the body in total",
        );
        check(
            self.at
                .iter()
                .all(|at| matches!(at, Place::Header(_) | Place::Json(_) | Place::Form(_) | Place::Query(_))),
            "at: a signature must be in a header, in the JSON or form body, or in the query",
        );
        let has_secret = self.content.has(|part| *part == Part::Secret);
        check(
            has_secret == (self.algorithm == Algorithm::Sha256),
            "content: must include {secret} if the algorithm is the plain hash sha256, and must not otherwise",
        );
        check(
            self.time.is_some() || !self.content.has(|part| *part == Part::Ts),
            "content: includes {ts}, so 'time' must define where the timestamp is",
        );
        let in_header = |place: &Place| matches!(place, Place::Field(_));
        let with_fields = matches!(self.form, Form::Fields(_) | Form::Positional(_));
        check(
            with_fields || !self.time.as_ref().is_some_and(|time| in_header(&time.at)),
            "time: 'field:' refers to a field of the signature header, so 'form' must be 'fields' or 'positional'",
        );
        check(
            !matches!(self.form, Form::Positional(_))
                || self.time.as_ref().is_some_and(|time| in_header(&time.at)),
            "form: 'positional' begins with the timestamp, so 'time.at' must be 'field:ts'",
        );
        check(
            with_fields
                || !self
                    .content
                    .has(|part| matches!(part, Part::HeaderValues(_) | Part::At(Place::Field(_)))),
            "content: {field:…} refers to a field of the signature header, so 'form' must be 'fields'",
        );
        let right_key = match self.algorithm {
            Algorithm::Ed25519 => {
                matches!(self.key, KeyFormat::Hex | KeyFormat::Base64 | KeyFormat::Whpk | KeyFormat::Key)
            }
            algorithm if algorithm.is_asymmetric() => self.key == KeyFormat::Key,
            _ => !matches!(self.key, KeyFormat::Key | KeyFormat::Whpk),
        };
        check(right_key, "key: this algorithm does not support this key format");
        check(
            with_fields || !self.id.as_ref().is_some_and(in_header),
            "id: 'field:' refers to a field of the signature header, so 'form' must be 'fields'",
        );
        check(!self.content.as_str().is_empty(), "content: must not be empty");
        if let Some(time) = &self.time {
            check(
                time.tolerance.is_none_or(|tolerance| (1..=MAX_TOLERANCE_S).contains(&tolerance)),
                "time.tolerance: must be from 1 second to a week, or null",
            );
        }
        faults
    }
}

/// `x-{1..3}` written out; any other name as it is.
fn numbered(name: &str) -> Vec<String> {
    let range = || {
        let (head, rest) = name.split_once('{')?;
        let (range, tail) = rest.split_once('}')?;
        let (from, to) = range.split_once("..")?;
        let (from, to): (u8, u8) = (from.parse().ok()?, to.parse().ok()?);
        Some((from..=to.min(100)).map(|number| format!("{head}{number}{tail}")).collect())
    };
    range().unwrap_or_else(|| vec![name.to_owned()])
}

impl Jwt {
    pub(super) fn binds_body(&self) -> bool {
        self.body_hash.is_some()
            || self.at == Place::Body
            || self.detached && self.content.as_ref().is_none_or(Template::covers_body)
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let algorithm = self.algorithm.algorithm();
        if algorithm.is_asymmetric() != (self.key == KeyFormat::Key) {
            faults.push(
                "key: must be 'key' for RS256, RS512, ES256, ES512 and EdDSA, and another format for HS256 and HS512"
                    .to_owned(),
            );
        }
        if self.detached && self.at == Place::Body {
            faults.push("detached: the token of a detached payload cannot be the body".to_owned());
        }
        if self.content.is_some() && !self.detached {
            faults.push("content: only a detached token has one, so 'detached' must be true".to_owned());
        }
        let listed = self.content.as_ref().is_some_and(|content| content.header_list().is_some());
        let time_is_listed = |time: &Time| listed && matches!(time.at, Place::Header(_));
        if !self.time.as_ref().is_none_or(time_is_listed) {
            faults.push("time: must be a header that 'content' covers with {header-lines:x}".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_providers_write_them() {
        for (unit, text, ms) in [
            (Unit::S, "1529006854", Some(1_529_006_854_000)),
            (Unit::S, "1529006854.329574", Some(1_529_006_854_329)),
            (Unit::S, "1529006854.5", Some(1_529_006_854_500)),
            (Unit::S, "1.529006854329574E9", Some(1_529_006_854_329)),
            (Unit::S, "1.7e9", Some(1_700_000_000_000)),
            (Unit::Ms, "1529006854329.9", Some(1_529_006_854_329)),
            (Unit::Auto, "1529006854.329", Some(1_529_006_854_329)),
            (Unit::Auto, "1529006854329", Some(1_529_006_854_329)),
            (Unit::S, "0", Some(0)),
            (Unit::S, "12e-1", Some(1_200)),
            (Unit::S, "", None),
            (Unit::S, ".5", None),
            (Unit::S, "5.", None),
            (Unit::S, "-5", None),
            (Unit::S, "1e99", None),
            (Unit::S, "9999999999999999999", None),
        ] {
            assert_eq!(unit.read_event(text), ms, "{text}");
            assert!(ms.is_none() || unit.read_any(text).is_some(), "{text}");
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            assert_eq!(unit.read(text), ms.filter(|_| plain), "{text}");
        }
    }

    #[test]
    fn the_time_of_an_event_is_read_though_it_is_written_in_another_way_than_documented() {
        let right = Some(1_529_006_854_000);
        for unit in [Unit::S, Unit::Ms, Unit::Auto, Unit::Iso, Unit::HttpDate] {
            for text in [
                "1529006854000",
                "1529006854000000",
                "1529006854000000000",
                "2018-06-14 20:07:34",
                "2018-06-14T22:07:34+0200",
                "20180614T200734Z",
                "Thu, 14 Jun 2018 20:07:34 GMT",
                "Thu, 14 Jun 2018 13:07:34 -0700",
                "Jun 14, 2018 8:07:34 PM UTC",
            ] {
                assert_eq!(unit.read_any(text), right, "{unit:?} {text}");
            }
            for text in ["", "soon", "9e18", "99999999999999999999", "12345-01-01T00:00:00Z", "01/02/2024"] {
                assert_eq!(unit.read_any(text), None, "{unit:?} {text}");
            }
        }
        assert_eq!(Unit::Iso.read_any(" 1529006854 "), right);
        assert_eq!(Unit::Ms.read_any("5000"), Some(5_000));
        // A signature's time is read exactly.
        assert_eq!(Unit::Iso.read("2018-06-14 20:07:34"), None);
        assert_eq!(Unit::S.read(" 1529006854"), None);
    }

    #[test]
    fn a_time_that_is_checked_has_to_be_signed() {
        let fault = |at: &str, content: &str, more: &str| {
            let text = format!(
                r#"{{"kind":"signature","at":["header:x-s"],"algorithm":"hmac-sha256","encoding":"hex","content":"{content}",
                    "time":{{"at":"{at}","unit":"s","tolerance":300}}{more}}}"#
            );
            serde_json::from_str::<Scheme>(&text)
                .unwrap_or_else(|error| panic!("{text}: {error}"))
                .replay_fault()
        };
        for (at, content) in [
            ("header:t", "{ts}.{body}"),
            ("header:t", "{header:t}{body}"),
            ("json:at", "{body}"),
            ("json:at", "{json:at}{json:id}"),
            ("form:t", "{form-sorted}"),
            ("query:t", "{url}{body}"),
            ("query:t", "{query:t}{body}"),
        ] {
            assert_eq!(fault(at, content, ""), None, "{at} {content}");
        }
        for (at, content) in [
            ("header:t", "{body}"),
            ("header:t", "{header:x}{body}"),
            ("json:at", "{json:id}"),
            ("query:t", "{path-alone}{body}"),
            ("query:t", "{host}{body}"),
        ] {
            assert!(fault(at, content, "").is_some(), "{at} {content}");
        }
        let hashed = r#","bodyHash":{"at":"header:h","encoding":"hex"}"#;
        assert_eq!(fault("json:at", "{header:h}", hashed), None);
        assert!(fault("json:at", "{header:x}", hashed).is_some(), "the hash is not signed");
    }

    #[test]
    fn the_time_of_an_event_is_read_as_programs_print_it() {
        let at = crate::time::parse_rfc3339("2024-01-02T03:04:05Z");
        for (unit, text) in [
            (Unit::Iso, "2024-01-02 03:04:05"),
            (Unit::Iso, "2024-01-02T05:04:05+0200"),
            (Unit::Iso, "2024-01-02T03:04:05"),
            (Unit::Iso, "2024-01-02 03:04:05 UTC"),
            (Unit::Iso, "Tue, 02 Jan 2024 03:04:05 +0000"),
            (Unit::HttpDate, "Tue, 02 Jan 2024 03:04:05 GMT"),
            (Unit::S, "1704164645"),
            (Unit::S, "1704164645000"),
            (Unit::S, " 1704164645 "),
            (Unit::Auto, "2024-01-02T03:04:05Z"),
            (Unit::Ms, "1704164645000"),
        ] {
            assert_eq!(unit.read_any(text), at, "{text:?}");
        }
        for none in ["", "soon", "2024-13-01", "-1", "Tue, 02 Foo 2024 03:04:05 +0000"] {
            assert_eq!(Unit::Iso.read_any(none), None, "{none:?}");
        }
    }
}
