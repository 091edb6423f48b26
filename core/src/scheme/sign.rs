//! Signing: the request that a provider would send.

use super::crypto::{Algorithm, sha256};
use super::form::Form;
use super::key::{KeyFault, KeyFormat, Purpose, public_half};
use super::model::{Scheme, Signature};
use super::place::{Memo, Place, View};
use super::verdict::Reason;
use super::verify::{Secrets, hashed};
use super::{Params, Request, verify};
use crate::header::{self, HeaderFault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;
use std::fmt;

/// A request to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// In upper case.
    pub method: &'a str,
    /// Where it goes.
    pub url: &'a str,
    /// The headers that it has already; the signature may cover some.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// The event's id, the same on every attempt.
    pub id: &'a str,
}

/// The changes that sign a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signed {
    /// Headers to set; one of the same name is replaced.
    pub headers: Vec<(String, String)>,
    /// The body, if the signature is part of it.
    pub body: Option<Vec<u8>>,
    /// The URL, if the signature or a hash is part of it.
    pub url: Option<String>,
}

/// Why a request cannot be signed; a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignFault {
    /// There is no secret.
    NoSecret,
    /// The secret at this place cannot sign.
    Secret(usize, KeyFault),
    /// The body is not what the provider sends.
    Body(&'static str),
    /// The signed content cannot be built.
    Content(Reason),
    /// The secret, or the scheme, makes a header that HTTP does not allow.
    Header(HeaderFault),
}

impl fmt::Display for SignFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret => f.write_str("There is no secret to sign with."),
            Self::Secret(at, fault) => write!(f, "Secret {} cannot sign: {fault}", at.saturating_add(1)),
            Self::Body(what) => write!(f, "The body must be {what}, because the signature is part of it."),
            Self::Content(reason) => write!(f, "It cannot be signed. {reason}"),
            Self::Header(fault) => write!(f, "It cannot be signed. {fault}"),
        }
    }
}

impl std::error::Error for SignFault {}

impl From<Reason> for SignFault {
    fn from(reason: Reason) -> Self {
        Self::Content(reason)
    }
}

/// A request that is being signed.
pub(super) struct Draft<'a> {
    pub(super) method: &'a str,
    pub(super) url: Cow<'a, str>,
    pub(super) body: Cow<'a, [u8]>,
    pub(super) id: &'a str,
    pub(super) now_ms: i64,
    given: &'a [(String, String)],
    set: Vec<(String, String)>,
}

impl<'a> Draft<'a> {
    fn new(outgoing: &Outgoing<'a>, now_ms: i64) -> Self {
        Self {
            method: outgoing.method,
            url: outgoing.url.into(),
            body: outgoing.body.into(),
            id: outgoing.id,
            now_ms,
            given: outgoing.headers,
            set: Vec::new(),
        }
    }

    /// Sets a header. Every header that a scheme sends comes by here, so none can end its line and begin another.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), SignFault> {
        header::check_sent(name, value).map_err(SignFault::Header)?;
        self.set.retain(|(set, _)| !set.eq_ignore_ascii_case(name));
        self.set.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Puts a text at a place of the request.
    pub(super) fn put(&mut self, place: &Place, text: &str) -> Result<(), SignFault> {
        match place {
            Place::Header(name) => self.set(name, text)?,
            Place::Json(path) => {
                let mut body = self.json()?;
                path.put(&mut body, text).ok_or(SignFault::Body("a JSON object of the provider's shape"))?;
                self.body = Cow::Owned(body.to_string().into_bytes());
            }
            Place::Form(name) => {
                let form = std::str::from_utf8(&self.body).map_err(|_| SignFault::Body("a form"))?;
                self.body = Cow::Owned(with_pair(form, name, text).into_bytes());
            }
            Place::Query(name) => {
                let (base, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
                self.url = Cow::Owned(format!("{base}?{}", with_pair(query, name, text)));
            }
            Place::Any(places) => {
                if let Some(place) = places.first() {
                    self.put(place, text)?;
                }
            }
            Place::Field(_) | Place::Claim(_) | Place::FormJson(..) | Place::Body => {}
        }
        Ok(())
    }

    /// As [`put`](Self::put); in JSON, a time is a number.
    fn put_time(&mut self, place: &Place, time: &str) -> Result<(), SignFault> {
        if let Place::Any(places) = place {
            return places.first().map_or(Ok(()), |place| self.put_time(place, time));
        }
        let Place::Json(path) = place else { return self.put(place, time) };
        let mut body = self.json()?;
        path.put_number(&mut body, time).ok_or(SignFault::Body("a JSON object of the provider's shape"))?;
        self.body = Cow::Owned(body.to_string().into_bytes());
        Ok(())
    }

    fn json(&self) -> Result<serde_json::Value, SignFault> {
        serde_json::from_slice(&self.body).map_err(|_| SignFault::Body("JSON"))
    }

    /// All headers that it has now.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let kept = self
            .given
            .iter()
            .filter(|(given, _)| !self.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(given)));
        kept.chain(&self.set).cloned().collect()
    }

    fn finish(self) -> Signed {
        let owned = |body: Cow<'_, [u8]>| match body {
            Cow::Owned(body) => Some(body),
            Cow::Borrowed(_) => None,
        };
        let url = match self.url {
            Cow::Owned(url) => Some(url),
            Cow::Borrowed(_) => None,
        };
        Signed { headers: self.set, body: owned(self.body), url }
    }
}

impl Scheme {
    /// Secrets (newest first) made ready to sign; the error is about the first that cannot.
    pub fn signing<S: AsRef<str>>(&self, secrets: &[S]) -> Result<Secrets, SignFault> {
        let ready = self.ready(secrets, Purpose::Sign);
        match ready.faults.first() {
            Some((at, fault)) => Err(SignFault::Secret(*at, *fault)),
            None => Ok(ready),
        }
    }

    /// What whoever verifies needs of a secret: all of it where both sides hold the same; the public half of an
    /// Ed25519 key; `None` of a private key in a document.
    pub fn public_half(&self, secret: &str) -> Option<String> {
        match self.key() {
            Some((KeyFormat::Key, _)) => None,
            Some((format, Some(Algorithm::Ed25519))) => public_half(format, secret),
            _ => Some(secret.to_owned()),
        }
    }

    /// Signs a request as the provider does, at `now_ms`.
    ///
    /// Every secret signs, newest first, where the form has room for several signatures; else only the newest.
    pub fn sign(
        &self,
        secrets: &Secrets,
        params: &Params,
        outgoing: &Outgoing<'_>,
        now_ms: i64,
    ) -> Result<Signed, SignFault> {
        let mut draft = Draft::new(outgoing, now_ms);
        let text = || match secrets.keys.first() {
            Some((_, verify::Ready::Text(text))) => Ok(text.as_str()),
            _ => Err(SignFault::NoSecret),
        };
        match self {
            Self::Signature(scheme) => scheme.sign(secrets, params, &mut draft)?,
            Self::Jwt(scheme) => scheme.sign(secrets, &mut draft)?,
            Self::Token(scheme) => {
                let chosen = params.get("header").filter(|_| scheme.named_by_receiver);
                let at =
                    chosen.map_or_else(|| scheme.at.clone(), |name| Place::Header(name.to_ascii_lowercase()));
                let value = format!("{}{}", scheme.prefix, text()?);
                match &scheme.each {
                    None => draft.put(&at, &value)?,
                    Some(path) => each(&mut draft, path, |_, _| Ok((at.clone(), value.clone())))?,
                }
            }
            Self::Basic(_) => {
                let value = format!("Basic {}", BASE64.encode(text()?));
                draft.set("authorization", &value)?;
            }
            Self::None => {}
        }
        Ok(draft.finish())
    }
}

/// A form or query with one more pair, in place of one of the same name. The others stay as they are written.
fn with_pair(raw: &str, name: &str, value: &str) -> String {
    let is_other = |pair: &&str| {
        !pair.is_empty() && url::form_urlencoded::parse(pair.as_bytes()).all(|(other, _)| other != name)
    };
    let added = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let pairs: Vec<&str> = raw.split('&').filter(is_other).chain([added.as_str()]).collect();
    pairs.join("&")
}

/// Puts a text into every item of an array of the JSON body.
fn each(
    draft: &mut Draft<'_>,
    path: &super::Path,
    mut make: impl FnMut(&Draft<'_>, &serde_json::Value) -> Result<(Place, String), SignFault>,
) -> Result<(), SignFault> {
    const LIST: SignFault = SignFault::Body("JSON with the provider's list of events");
    let mut body = draft.json()?;
    let pointer = format!("/{}", path.to_string().replace('.', "/"));
    let items = body.pointer_mut(&pointer).and_then(serde_json::Value::as_array_mut).ok_or(LIST)?;
    if items.is_empty() {
        return Err(LIST);
    }
    for item in items {
        let (place, text) = make(draft, item)?;
        if let Place::Json(path) = place {
            path.put(item, &text).ok_or(LIST)?;
        }
    }
    draft.body = Cow::Owned(body.to_string().into_bytes());
    Ok(())
}

impl Signature {
    fn sign(&self, secrets: &Secrets, params: &Params, draft: &mut Draft<'_>) -> Result<(), SignFault> {
        for (name, value) in &self.send {
            draft.set(name, value)?;
        }
        for (place, value) in &self.require {
            let request =
                Request { method: draft.method, url: &draft.url, headers: draft.given, body: &draft.body };
            let holds = View::of(&request, &Memo::default())
                .read(place)
                .is_ok_and(|found| found.as_deref() == Some(value));
            if !holds {
                draft.put(place, value)?;
            }
        }
        if let Some(id) = &self.id {
            let id_text = draft.id.to_owned();
            draft.put(id, &id_text)?;
        }
        let ts = self.time.as_ref().map(|time| time.unit.write(draft.now_ms));
        if let (Some(time), Some(ts)) = (&self.time, &ts) {
            draft.put_time(&time.at, ts)?;
        }
        if let Some(hash) = &self.body_hash {
            let text = format!("{}{}", hash.prefix, hash.encoding.encode(&sha256(&[&draft.body])));
            draft.put(&hash.at, &text)?;
        }
        if let Some(path) = &self.each {
            let place = self.places(params).into_iter().next().ok_or(SignFault::NoSecret)?;
            return each(draft, path, |draft, item| {
                let raw = serde_json::value::to_raw_value(item).map_err(|_| SignFault::Body("JSON"))?;
                let signatures = self.signatures(secrets, params, draft, ts.as_deref(), Some(&raw))?;
                let value = self.form.write(&signatures, &self.prefix, None, 1).into_iter().next();
                Ok((place.clone(), value.unwrap_or_default()))
            });
        }
        let signatures = self.signatures(secrets, params, draft, ts.as_deref(), None)?;
        let field = self.field(draft, ts.as_deref());
        let mut places = self.places(params);
        if let Some(first) = places.first().map(std::mem::discriminant) {
            // A signature may also be found elsewhere, in bodies of another kind.
            places.retain(|place| std::mem::discriminant(place) == first);
        }
        let form = self.form.with(params)?;
        let values = form.write(&signatures, &self.prefix, field, places.len());
        for (place, value) in places.iter().zip(values) {
            draft.put(place, &value)?;
        }
        Ok(())
    }

    /// The time, or the id, where it stands in the signature header.
    fn field<'a>(&'a self, draft: &'a Draft<'_>, ts: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        let time = self.time.as_ref().map(|time| &time.at).zip(ts);
        let id = self.id.as_ref().map(|id| (id, draft.id));
        time.into_iter().chain(id).find_map(|(place, text)| match place {
            Place::Field(name) => Some((name.as_str(), text)),
            _ => None,
        })
    }

    fn signatures(
        &self,
        secrets: &Secrets,
        params: &Params,
        draft: &Draft<'_>,
        ts: Option<&str>,
        item: Option<&serde_json::value::RawValue>,
    ) -> Result<Vec<String>, SignFault> {
        let headers = draft.headers();
        let request = Request { method: draft.method, url: &draft.url, headers: &headers, body: &draft.body };
        let mut fields: Vec<(&str, &str)> = match &self.form {
            Form::Fields(form) => form.send.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(),
            _ => Vec::new(),
        };
        fields.extend(self.field(draft, ts));
        let memo = Memo::default();
        let view = View { request: &request, fields: &fields, item, memo: &memo };
        let content = self.content.fill(&view, ts, params)?;
        let content = if self.hashed { vec![hashed(&content)] } else { content };
        let signatures: Option<Vec<String>> = secrets
            .with_keys()
            .map(|(_, key)| key.sign(&content).map(|signature| self.encoding.encode(&signature)))
            .collect();
        signatures.filter(|signatures| !signatures.is_empty()).ok_or(SignFault::NoSecret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_are_there_keep_their_writing() {
        assert_eq!(with_pair("", "s", "a b"), "s=a+b");
        assert_eq!(with_pair("a=%20b&s=old&c", "s", "x"), "a=%20b&c&s=x");
    }
}
