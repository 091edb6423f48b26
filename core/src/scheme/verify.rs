//! Verifying.

use super::crypto::{Algorithm, feed, sha256};
use super::explain::Compared;
use super::key::{Key, KeyFault, Purpose};
use super::model::{Scheme, Signature, Token};
use super::place::{Memo, Place, View};
use super::template::Piece;
use super::verdict::{Proof, Reason, Verdict};
use super::{Params, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use subtle::ConstantTimeEq;

/// More signatures than this are not looked at: DocuSign may send a hundred.
const MAX_SIGNATURES: usize = 128;
/// The same where each costs the arithmetic of a public key.
const MAX_ASYMMETRIC: usize = 8;
/// The same where each group of signatures says itself what it signs, so that each costs a hash of the whole body.
const MAX_GROUPS: usize = 8;
/// The most events with signatures of their own in one body.
const MAX_ITEMS: usize = 1000;

/// The secrets of one source or endpoint, made ready for one scheme.
#[derive(Clone, Default)]
pub struct Secrets {
    pub(super) keys: Vec<(usize, Ready)>,
    pub(super) faults: Vec<(usize, KeyFault)>,
}

#[derive(Clone)]
pub(super) enum Ready {
    Key(Key),
    Text(String),
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} ready, {:?})", self.keys.len(), self.faults)
    }
}

impl Secrets {
    /// Which secrets cannot be used, and why.
    pub fn faults(&self) -> &[(usize, KeyFault)] {
        &self.faults
    }
}

impl Scheme {
    /// Secrets (newest first) made ready to verify. One that cannot be used is noted in [`Secrets::faults`].
    pub fn verifying<S: AsRef<str>>(&self, secrets: &[S]) -> Secrets {
        self.ready(secrets, Purpose::Verify)
    }

    pub(super) fn ready<S: AsRef<str>>(&self, secrets: &[S], purpose: Purpose) -> Secrets {
        let mut ready = Secrets::default();
        for (at, text) in secrets.iter().enumerate() {
            let text = text.as_ref();
            match self.key() {
                Some((format, Some(algorithm))) => match Key::read(algorithm, format, text, purpose) {
                    Ok(keys) => ready.keys.extend(keys.into_iter().map(|key| (at, Ready::Key(key)))),
                    Err(fault) => ready.faults.push((at, fault)),
                },
                _ if text.is_empty() => ready.faults.push((at, KeyFault::Empty)),
                _ => ready.keys.push((at, Ready::Text(text.to_owned()))),
            }
        }
        ready
    }

    /// Looks at a request; `now_ms` is in milliseconds since 1970.
    pub fn verify(&self, secrets: &Secrets, params: &Params, request: &Request<'_>, now_ms: i64) -> Verdict {
        if *self == Self::None {
            return Verdict::Unattempted;
        }
        if secrets.keys.is_empty() {
            let fault = secrets.faults.first();
            return Verdict::Failed(
                fault.map_or(Reason::NoSecret, |(at, fault)| Reason::SecretUnusable(*at, *fault)),
            );
        }
        let proof = match self {
            Self::Signature(scheme) => scheme.verify(secrets, params, request, now_ms),
            Self::Jwt(scheme) => scheme.verify(secrets, request, now_ms),
            Self::Token(scheme) => scheme.verify(secrets, params, request),
            Self::Basic(_) => basic(secrets, request),
            Self::None => return Verdict::Unattempted,
        };
        match proof {
            Ok(proof) if self.binds_body() => Verdict::Verified(proof),
            Ok(proof) => Verdict::Authenticated(proof),
            Err(reason) => Verdict::Failed(reason),
        }
    }
}

impl Secrets {
    /// Whether a text is one of these secrets, of a scheme whose secrets both sides hold.
    pub(super) fn are_read_from(&self, scheme: &Scheme, text: &str) -> bool {
        let other = scheme.verifying(&[text]);
        let mark = [Piece::Bytes(Cow::Borrowed(b"the same?"))];
        let mine: Vec<Vec<u8>> = self.with_keys().filter_map(|(_, key)| key.digest(&mark)).collect();
        let theirs: Vec<Vec<u8>> = other.with_keys().filter_map(|(_, key)| key.digest(&mark)).collect();
        theirs.iter().any(|their| mine.iter().any(|mine| bool::from(mine.ct_eq(their))))
    }

    pub(super) fn with_keys(&self) -> impl Iterator<Item = (usize, &Key)> {
        self.keys.iter().filter_map(|(at, ready)| match ready {
            Ready::Key(key) => Some((*at, key)),
            Ready::Text(_) => None,
        })
    }

    /// The secret that is this text; all are looked at.
    fn find_text(&self, text: &[u8]) -> Option<usize> {
        let mut found = None;
        for (at, ready) in &self.keys {
            if let Ready::Text(secret) = ready
                && bool::from(secret.as_bytes().ct_eq(text))
            {
                found = found.or(Some(*at));
            }
        }
        found
    }
}

/// Whether an object of the JSON body, or its form, has a name twice: programs differ in which of the two they read, so
/// that what is signed could be one and what is used the other.
fn repeats_a_name(request: &Request<'_>) -> bool {
    if let Ok(json) = request.json() {
        return serde_json::from_str::<NoRepeats>(json.get()).is_err();
    }
    let Ok(fields) = request.form_fields() else { return true };
    repeats(fields.iter().map(|(name, _)| hash_of(name)).collect())
}

/// Whether a number is there twice.
fn repeats(mut hashes: Vec<u64>) -> bool {
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Stands for a name: a body may have a hundred thousand of them, and two that have one hash cost a refusal at worst.
fn hash_of(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// The hash of a member's name.
struct NameHash(u64);

impl<'de> Deserialize<'de> for NameHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = NameHash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, name: &str) -> Result<NameHash, E> {
                Ok(NameHash(hash_of(name)))
            }
        }
        from.deserialize_str(Name)
    }
}

/// JSON whose objects have each name once.
struct NoRepeats;

impl<'de> Deserialize<'de> for NoRepeats {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = NoRepeats;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_bool<E>(self, _: bool) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_i64<E>(self, _: i64) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_u64<E>(self, _: u64) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_f64<E>(self, _: f64) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_str<E>(self, _: &str) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_unit<E>(self) -> Result<NoRepeats, E> {
                Ok(NoRepeats)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoRepeats, A::Error> {
                while items.next_element::<NoRepeats>()?.is_some() {}
                Ok(NoRepeats)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoRepeats, A::Error> {
                let mut seen = Vec::new();
                while let Some(NameHash(name)) = members.next_key()? {
                    seen.push(name);
                    members.next_value::<NoRepeats>()?;
                }
                if repeats(seen) {
                    Err(serde::de::Error::custom("a name is there twice"))
                } else {
                    Ok(NoRepeats)
                }
            }
        }
        from.deserialize_any(Any)
    }
}

/// The items of an array in the body.
fn items<'a>(request: &Request<'a>, path: &super::Path) -> Result<Vec<&'a RawValue>, Reason> {
    let list = path.find(request.json()?).ok_or(Reason::Body("a list of events"))?;
    let mut items = Vec::new();
    let read = serde_json::Deserializer::from_str(list.get()).deserialize_seq(Few(&mut items));
    if items.len() > MAX_ITEMS || (read.is_ok() && items.is_empty()) {
        return Err(Reason::Body("a list of one to a thousand events"));
    }
    read.map_err(|_| Reason::Body("a list of events"))?;
    Ok(items)
}

/// Reads the items of an array, and no further once there are too many.
struct Few<'i, 'a>(&'i mut Vec<&'a RawValue>);

impl<'de> Visitor<'de> for Few<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            self.0.push(item);
            if self.0.len() > MAX_ITEMS {
                return Err(serde::de::Error::custom("too many items"));
            }
        }
        Ok(())
    }
}

/// Verifies every item; the answer is the first one's.
fn every<'a>(
    items: Vec<&'a RawValue>,
    mut verify: impl FnMut(&'a RawValue) -> Result<Proof, Reason>,
) -> Result<Proof, Reason> {
    let mut first = None;
    for (at, item) in items.into_iter().enumerate() {
        let proof = verify(item).map_err(|reason| Reason::Item(at, Box::new(reason)))?;
        first = first.or(Some(proof));
    }
    first.ok_or(Reason::Body("a list of events"))
}

/// What one content's signatures would be by each secret (or why there is no content): it is made once, however many
/// signatures a request brings.
type Tried = Result<Digests, Reason>;
type Digests = Vec<(usize, Option<Vec<u8>>)>;

fn first_of(right: &Digests, signatures: &[Vec<u8>]) -> Option<usize> {
    let is = |digest: &Option<Vec<u8>>| {
        digest.as_ref().is_some_and(|digest| signatures.iter().any(|one| bool::from(digest.ct_eq(one))))
    };
    right.iter().find(|(_, digest)| is(digest)).map(|(at, _)| *at)
}

fn any_of(right: &Digests, signatures: &[Vec<u8>]) -> bool {
    first_of(right, signatures).is_some()
}

impl Signature {
    fn verify(
        &self,
        secrets: &Secrets,
        params: &Params,
        request: &Request<'_>,
        now_ms: i64,
    ) -> Result<Proof, Reason> {
        let memo = Memo::expecting(self.looks_at());
        let view = View::of(request, &memo);
        if self.algorithm == Algorithm::Sha256 && std::str::from_utf8(request.body).is_err() {
            // Whoever knows one such hash can compute that of the same text with more behind it: but what is put between
            // the two is no text.
            return Err(Reason::Body("text in UTF-8"));
        }
        let each = self.each.as_ref().map(|path| items(request, path)).transpose()?;
        if self.content.reads_members() && repeats_a_name(request) {
            return Err(Reason::Body("a body that names each of its members once"));
        }
        for (place, expected) in &self.require {
            if view.need(place)? != expected.as_str() {
                return Err(Reason::Requirement { place: place.clone(), expected: expected.clone() });
            }
        }
        for (place, name) in &self.pin {
            let Some(expected) = params.get(name).filter(|expected| !expected.is_empty()) else { continue };
            if view.need(place)? != expected.as_str() {
                return Err(Reason::Requirement { place: place.clone(), expected: expected.clone() });
            }
        }
        match each {
            None => self.verify_one(secrets, params, view, now_ms),
            Some(items) => every(items, |item| {
                self.verify_one(secrets, params, View { item: Some(item), ..view }, now_ms)
            }),
        }
    }

    fn verify_one(
        &self,
        secrets: &Secrets,
        params: &Params,
        view: View<'_>,
        now_ms: i64,
    ) -> Result<Proof, Reason> {
        let limit = if self.algorithm.is_asymmetric() { MAX_ASYMMETRIC } else { MAX_SIGNATURES };
        let (mut looked_at, mut groups) = (0usize, 0usize);
        let of_group = |time: &super::Time| matches!(time.at, Place::Field(_));
        let steady = self.content.is_steady() && !self.time.as_ref().is_some_and(of_group);
        let mut tried = None;
        let mut why: Option<Reason> = None;
        let places = self.places(params);
        for place in &places {
            let value = match view.read(place) {
                Ok(Some(value)) => value,
                Ok(None) => continue,
                // Where it may stand elsewhere, a body of another kind has nothing here.
                Err(reason @ Reason::Body(_)) if places.len() > 1 => {
                    why = why.or(Some(reason));
                    continue;
                }
                Err(reason) => return Err(reason),
            };
            for group in self.form.read(&value, &self.prefix) {
                looked_at = looked_at.saturating_add(group.signatures.len().max(1));
                groups = groups.saturating_add(1);
                if looked_at > limit || (!steady && groups > MAX_GROUPS) {
                    return Err(Reason::TooManySignatures);
                }
                let view = View { fields: &group.fields, ..view };
                let signatures = &group.signatures;
                let verified = self.verify_group(secrets, params, view, signatures, now_ms, &mut tried);
                if !steady {
                    tried = None;
                }
                match verified {
                    Ok(proof) => return Ok(proof),
                    Err(reason) => {
                        if why.as_ref().is_none_or(|why| reason.progress() > why.progress()) {
                            why = Some(reason);
                        }
                    }
                }
            }
        }
        Err(why.unwrap_or_else(|| places.first().map_or(Reason::NoSignature(String::new()), Reason::missing)))
    }

    fn verify_group(
        &self,
        secrets: &Secrets,
        params: &Params,
        view: View<'_>,
        signatures: &[Cow<'_, str>],
        now_ms: i64,
        tried: &mut Option<Tried>,
    ) -> Result<Proof, Reason> {
        if signatures.is_empty() {
            return Err(Reason::NoSignature(self.form.expected(&self.prefix)));
        }
        let decoded: Vec<Vec<u8>> =
            signatures.iter().filter_map(|signature| self.encoding.decode(signature)).collect();
        if decoded.iter().all(Vec::is_empty) {
            return Err(Reason::Encoding(self.encoding.word()));
        }
        let ts: Option<Cow<'_, str>> = match &self.time {
            Some(time) => Some(view.need(&time.at)?),
            None => None,
        };
        match tried {
            Some(Err(reason)) => return Err(reason.clone()),
            Some(Ok(right)) if !any_of(right, &decoded) => return Err(Reason::Mismatch(None)),
            _ => {}
        }
        let content = match self.content.fill(&view, ts.as_deref(), params) {
            Ok(content) if self.hashed => vec![hashed(&content)],
            Ok(content) => content,
            Err(reason) => {
                *tried = Some(Err(reason.clone()));
                return Err(reason);
            }
        };
        let secret = if self.algorithm.is_asymmetric() {
            secrets.with_keys().find(|(_, key)| key.verify(&content, &decoded)).map(|(at, _)| at)
        } else {
            let right = secrets.with_keys().map(|(at, key)| (at, key.digest(&content))).collect();
            let found = first_of(&right, &decoded);
            *tried = Some(Ok(right));
            found
        };
        let secret = secret.ok_or(Reason::Mismatch(None))?;
        if self.reserved.is_some_and(|charset| charset.allows(&joined(&content))) {
            return Err(Reason::Handshake);
        }
        if let Some(hash) = &self.body_hash {
            let found = view.need(&hash.at)?;
            let right = sha256(&[view.request.body]);
            let found =
                found.strip_prefix(hash.prefix.as_str()).and_then(|encoded| hash.encoding.decode(encoded));
            if !found.is_some_and(|found| bool::from(right.as_slice().ct_eq(&found))) {
                return Err(Reason::BodyHash(hash.at.to_string()));
            }
        }
        let mut age_ms = None;
        if let (Some(time), Some(ts)) = (&self.time, &ts) {
            let at = time.unit.read(ts);
            if at.is_none() && time.tolerance.is_some() {
                return Err(Reason::Timestamp(time.unit.word()));
            }
            age_ms = at.map(|at| now_ms.saturating_sub(at));
            check_age(age_ms, time.tolerance)?;
        }
        Ok(Proof { secret, age_ms })
    }
}

impl Signature {
    pub(super) fn compared(
        &self,
        secrets: &Secrets,
        params: &Params,
        request: &Request<'_>,
    ) -> Option<Compared> {
        let memo = Memo::expecting(self.looks_at());
        let view = View::of(request, &memo);
        let places = self.places(params);
        let values = places.iter().filter_map(|place| view.read(place).ok().flatten());
        for value in values.take_while(|_| self.each.is_none()) {
            let groups = self.form.read(&value, &self.prefix);
            let Some(group) = groups.iter().find(|group| !group.signatures.is_empty()) else { continue };
            let view = View { fields: &group.fields, ..view };
            let ts = self.time.as_ref().map(|time| view.need(&time.at)).transpose().ok()?;
            let content = self.content.fill(&view, ts.as_deref(), params).ok()?;
            let text = joined(&content);
            let signed = if self.hashed { vec![hashed(&content)] } else { content };
            let digests = secrets.with_keys().filter_map(|(_, key)| key.digest(&signed));
            return Some(Compared {
                content: text,
                hashed: self.hashed,
                received: group.signatures.iter().take(MAX_ASYMMETRIC).map(ToString::to_string).collect(),
                expected: digests.map(|digest| self.encoding.encode(&digest)).collect(),
            });
        }
        None
    }
}

/// Refuses what is older, or further ahead, than the tolerance.
pub(super) fn check_age(age_ms: Option<i64>, tolerance: Option<u32>) -> Result<(), Reason> {
    let (Some(age_ms), Some(tolerance)) = (age_ms, tolerance.map(i64::from)) else { return Ok(()) };
    let limit = tolerance.saturating_mul(1000);
    // A second counts as a whole one: a timestamp in seconds has lost up to 999 ms already.
    if age_ms >= limit.saturating_add(1000) {
        return Err(Reason::TooOld { age_s: age_ms.div_euclid(1000), tolerance_s: tolerance });
    }
    if age_ms < limit.saturating_neg() {
        let ahead_s = age_ms.saturating_neg().saturating_add(999).div_euclid(1000);
        return Err(Reason::TooNew { ahead_s, tolerance_s: tolerance });
    }
    Ok(())
}

pub(super) fn hashed<'a>(content: &[Piece<'_>]) -> Piece<'a> {
    let mut hash = Sha256::new();
    feed(content, b"", |bytes| hash.update(bytes));
    Piece::Bytes(Cow::Owned(hash.finalize().to_vec()))
}

pub(super) fn joined(content: &[Piece<'_>]) -> Vec<u8> {
    let mut joined = Vec::new();
    feed(content, b"", |bytes| joined.extend_from_slice(bytes));
    joined
}

impl Token {
    fn verify(&self, secrets: &Secrets, params: &Params, request: &Request<'_>) -> Result<Proof, Reason> {
        let chosen = params.get("header").filter(|_| self.named_by_receiver);
        let at = chosen.map(|name| Place::Header(name.to_ascii_lowercase()));
        let at = at.as_ref().unwrap_or(&self.at);
        let one = |view: View<'_>| {
            let value = view.need(at)?;
            let token = value.strip_prefix(self.prefix.as_str()).ok_or(Reason::WrongToken)?;
            let secret = secrets.find_text(token.as_bytes()).ok_or(Reason::WrongToken)?;
            Ok(Proof { secret, age_ms: None })
        };
        let memo = Memo::default();
        let view = View::of(request, &memo);
        match &self.each {
            None => one(view),
            Some(path) => every(items(request, path)?, |item| one(View { item: Some(item), ..view })),
        }
    }
}

fn basic(secrets: &Secrets, request: &Request<'_>) -> Result<Proof, Reason> {
    let value =
        request.header("authorization")?.ok_or_else(|| Reason::HeaderMissing("authorization".to_owned()))?;
    let given = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| BASE64.decode(encoded.trim()).ok())
        .ok_or_else(|| Reason::NoSignature("Basic ".to_owned()))?;
    let secret = secrets.find_text(&given).ok_or(Reason::WrongToken)?;
    Ok(Proof { secret, age_ms: None })
}
