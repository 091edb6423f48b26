//! Handshakes: the requests with which a provider checks a URL before it sends events there, and the responses.
//!
//! Anyone can send a handshake. So a response contains at most the challenge (as plain text that no browser
//! interprets). If it is signed, the challenge has a form that nothing else signed by the same secret can have: the
//! scheme refuses content of that form ([`Signature::reserved`](super::Signature::reserved)). A handshake stores no
//! event.
//!
//! One provider expects a request to a URL of its own instead of a response ([`Handshake::visit`]). The request is
//! made only if the handshake is signed, the URL is on the provider's hosts, and the source names the account whose
//! events it accepts.

use super::crypto::{Encoding, sha256};
use super::model::{Charset, Scheme};
use super::place::{Memo, Place, View};
use super::published;
use super::template::Piece;
use super::verify::Secrets;
use super::{Params, Request, verdict::Verdict};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq;

/// One handshake of a provider.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handshake {
    /// The method of the request, in upper case.
    pub method: String,
    /// What has to be at these places for the request to be this handshake.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<Place, String>,
    /// These places must have the value of the parameter with that name; otherwise the request is not a handshake.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<Place, String>,
    /// What must not be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<Place>,
    /// Whether the body (JSON, or a form) holds one member or field and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// Where the challenge is; without it at its place, the request is no handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Place>,
    /// Whether the request has to be signed as an event is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// Where the token is that has to be the parameter `verify_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Place>,
    /// The challenge, signed with the provider's secret: `{mac}` in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The SHA-256 in hex of challenge, `verify_token` and URL: `{digest}` in the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// Whether the challenge becomes the secret, if the source has none yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// The hosts on which the challenge is a URL that is visited before the answer is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visit: Vec<String>,
    /// The answer.
    pub answer: AnswerForm,
}

/// Headers of an answer that no scheme of one's own sets.
const ANSWERED: [&str; 10] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "location",
    "referrer-policy",
    "set-cookie",
    "transfer-encoding",
    "x-content-type-options",
];

/// A signed challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mac {
    /// How the signature is written.
    pub encoding: Encoding,
    /// The form that a challenge may have.
    pub allow: Charset,
}

/// The response; `{challenge}`, `{mac}` and `{digest}` are replaced by their values, `{param:x}` by a value of the
/// account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerForm {
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// A body of plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A body of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<(String, String)>,
    /// Further headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

impl AnswerForm {
    /// Every text in which something may be filled in.
    fn texts(&self) -> Vec<&str> {
        fn within<'j>(json: &'j Value, texts: &mut Vec<&'j str>) {
            match json {
                Value::String(text) => texts.push(text),
                Value::Object(members) => members.values().for_each(|value| within(value, texts)),
                _ => {}
            }
        }
        let headers = self.header.iter().chain(&self.headers).map(|(_, value)| value.as_str());
        let mut texts: Vec<&str> = headers.chain(self.text.as_deref()).collect();
        if let Some(json) = &self.json {
            within(json, &mut texts);
        }
        texts
    }
}

fn ok() -> u16 {
    200
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status: 2xx, or the reason of the refusal (400 a challenge of another form, 401 an invalid signature, 403
    /// a wrong token).
    pub status: u16,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The text that is the source's secret from now on.
    pub adopt: Option<String>,
    /// The URL that has to be visited first: where that fails, nothing of this is answered.
    pub visit: Option<String>,
}

impl Answer {
    /// An answer that says nothing but that all is well.
    pub fn empty() -> Self {
        Self::refuse(200)
    }

    fn refuse(status: u16) -> Self {
        Self::new(status, Vec::new(), "text/plain; charset=utf-8", String::new())
    }

    fn new(status: u16, more: Vec<(String, String)>, kind: &str, body: String) -> Self {
        let fixed = [
            ("content-type", kind),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = fixed.into_iter().chain(more).collect();
        Self { status, headers, body, adopt: None, visit: None }
    }
}

/// The response to a request that is one of the handshakes; `None` if it is an event.
pub fn answer(
    handshakes: &[Handshake],
    scheme: &Scheme,
    secrets: &Secrets,
    params: &Params,
    request: &Request<'_>,
    now_ms: i64,
) -> Option<Answer> {
    let fits = |handshake: &&Handshake| handshake.method == request.method;
    let memo = Memo::expecting(handshakes.iter().filter(fits).flat_map(Handshake::looks_at));
    let view = View::of(request, &memo);
    handshakes
        .iter()
        .filter(fits)
        .find_map(|handshake| handshake.answer(scheme, secrets, params, view, now_ms))
}

impl Handshake {
    /// The validation request of a CloudEvents sender (the HTTP binding's abuse protection).
    pub fn cloud_events() -> Self {
        let origin = Place::Header("webhook-request-origin".to_owned());
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            method: "OPTIONS".to_owned(),
            challenge: Some(origin),
            answer: AnswerForm {
                status: 200,
                text: None,
                json: None,
                header: None,
                headers: vec![
                    header("webhook-allowed-origin", "{challenge}"),
                    header("webhook-allowed-rate", "*"),
                    header("allow", "POST, OPTIONS"),
                ],
            },
            ..Self::default()
        }
    }

    /// What in it cannot work, or would let strangers have something signed, fetched or set; each as a sentence. A user's
    /// `own` neither visits URLs nor sets headers that are the gateway's.
    pub fn faults(&self, scheme: &Scheme, own: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |right: bool, text: &str| {
            if !right {
                faults.push(format!("handshakes: {text}"));
            }
        };
        let reserved = match scheme {
            Scheme::Signature(scheme) => scheme.reserved,
            _ => None,
        };
        check(
            self.signs().is_none() || self.signs() == reserved,
            "a signed challenge requires 'scheme.reserved' to equal its 'mac.allow'; otherwise anyone could \
             get an event signed",
        );
        check(
            self.visit.is_empty() || self.verified && !self.params.is_empty() && self.challenge.is_some(),
            "'visit' requires 'verified', and 'params' that name the account; otherwise anyone could make the \
             gateway request URLs",
        );
        check(
            self.challenge.is_some() || !(self.adopt || self.mac.is_some() || self.digest),
            "a response with the challenge requires 'challenge', which says where it is",
        );
        check((200..=299).contains(&self.answer.status), "'answer.status' must be from 200 to 299");
        if own {
            check(
                ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS"].contains(&self.method.as_str()),
                "'method' must be GET, HEAD, POST, PUT, PATCH or OPTIONS",
            );
            let texts = self.answer.texts();
            if let Some(unknown) = texts.iter().find_map(|text| self.unknown_placeholder(text)) {
                check(
                    false,
                    &format!(
                        "the response has the unknown placeholder {{{unknown}}}. There are {{challenge}} \
                         (with 'challenge'), {{mac}} (with 'mac'), {{digest}} (with 'digest') and \
                         {{param:NAME}}"
                    ),
                );
            }
            check(self.visit.is_empty(), "a custom scheme cannot use 'visit'");
            check(
                self.challenge.is_some() || !self.when.is_empty() || self.method != "POST",
                "'challenge' or 'when' must distinguish it from an event",
            );
            let headers = self.answer.header.iter().chain(&self.answer.headers);
            for (name, value) in headers {
                check(
                    !ANSWERED.contains(&name.to_ascii_lowercase().as_str())
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                        && !name.is_empty()
                        && value.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
                    "'answer.headers' has a name or value that cannot be set",
                );
            }
        }
        faults
    }

    /// Every place that it looks at.
    fn looks_at(&self) -> impl Iterator<Item = &Place> {
        let single = self.challenge.iter().chain(&self.token);
        self.when.keys().chain(self.params.keys()).chain(&self.lacks).chain(single)
    }

    /// What is written as a placeholder in a text of the answer, and is none that is filled in.
    fn unknown_placeholder<'t>(&self, text: &'t str) -> Option<&'t str> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
        let names = text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        names.filter(|name| !name.is_empty() && name.chars().all(word)).find(|name| match *name {
            "challenge" => self.challenge.is_none() || text != "{challenge}",
            "mac" => self.mac.is_none(),
            "digest" => !self.digest,
            name => !name.starts_with("param:"),
        })
    }

    /// Whether its answer is made with the provider's secret.
    pub fn signs(&self) -> Option<Charset> {
        self.mac.as_ref().map(|mac| mac.allow)
    }

    fn answer(
        &self,
        scheme: &Scheme,
        secrets: &Secrets,
        params: &Params,
        view: View<'_>,
        now_ms: i64,
    ) -> Option<Answer> {
        let request = view.request;
        let read = |place: &Place| view.read(place).ok().flatten();
        let fits = self
            .when
            .iter()
            .all(|(place, value)| read(place).is_some_and(|found| found == value.as_str()))
            && self.params.iter().all(|(place, name)| {
                params.get(name).is_some_and(|value| read(place).is_some_and(|found| found == value.as_str()))
            })
            && self.lacks.iter().all(|place| !is_there(place, view))
            && (!self.alone || is_alone(request));
        let challenge = self.challenge.as_ref().map(read);
        if !fits || challenge == Some(None) {
            return None;
        }
        let challenge = challenge.flatten().unwrap_or_default();
        let allowed = self.mac.as_ref().map_or(Charset::Visible, |mac| mac.allow);
        if self.challenge.is_some() && !allowed.allows(challenge.as_bytes()) {
            return Some(Answer::refuse(400));
        }
        if self.verified {
            let verdict = scheme.verify(secrets, params, request, now_ms);
            if !matches!(verdict, Verdict::Verified(_) | Verdict::Authenticated(_)) {
                return Some(Answer::refuse(401));
            }
        }
        let visit = published::allowed(&challenge, &self.visit);
        if !self.visit.is_empty() && visit.is_none() {
            return Some(Answer::refuse(400));
        }
        let token = params.get("verify_token").filter(|token| !token.is_empty());
        if let Some(place) = &self.token {
            let given = read(place).unwrap_or_default();
            if !token.is_some_and(|token| bool::from(token.as_bytes().ct_eq(given.as_bytes()))) {
                return Some(Answer::refuse(403));
            }
        }
        // Adopted once. The same secret again gets the same response; another one would take over the source.
        let known = self.adopt && !secrets.keys.is_empty();
        if known && !secrets.are_read_from(scheme, &challenge) {
            return Some(Answer::refuse(403));
        }
        // A guessable text is not a secret, whoever sends it first.
        if self.adopt && !known && scheme.accept_secret(&challenge, &[], true).is_err() {
            return Some(Answer::refuse(400));
        }
        let mac = match &self.mac {
            None => String::new(),
            Some(mac) => {
                let content = [Piece::Bytes(Cow::Borrowed(challenge.as_bytes()))];
                match secrets.with_keys().next().and_then(|(_, key)| key.digest(&content)) {
                    Some(digest) => mac.encoding.encode(&digest),
                    None => return Some(Answer::refuse(403)),
                }
            }
        };
        let digest = match (self.digest, token) {
            (false, _) => String::new(),
            (true, None) => return Some(Answer::refuse(403)),
            (true, Some(token)) => {
                let url = request.url.split(['?', '#']).next().unwrap_or(request.url);
                let parts = [challenge.as_bytes(), token.as_bytes(), url.as_bytes()];
                Encoding::Hex.encode(&sha256(&parts))
            }
        };
        let fill = |text: &str| {
            if text == "{challenge}" {
                return challenge.clone().into_owned();
            }
            // Nothing that was filled in is looked through again.
            let text = text.replace("{mac}", &mac).replace("{digest}", &digest);
            params
                .iter()
                .filter(|_| text.contains("{param:"))
                .fold(text.clone(), |text, (name, value)| text.replace(&format!("{{param:{name}}}"), value))
        };
        let headers = self.answer.header.iter().chain(&self.answer.headers);
        let headers = headers.map(|(name, value)| (name.clone(), fill(value))).collect();
        let mut answer = match (&self.answer.json, &self.answer.text) {
            (Some(json), _) => Answer::new(
                self.answer.status,
                headers,
                "application/json",
                fill_json(json, &fill).to_string(),
            ),
            (None, text) => {
                let body = text.as_deref().map(fill).unwrap_or_default();
                Answer::new(self.answer.status, headers, "text/plain; charset=utf-8", body)
            }
        };
        answer.adopt = (self.adopt && !known).then(|| challenge.into_owned());
        answer.visit = visit.map(Into::into);
        Some(answer)
    }
}

/// Whether anything is at a place, also an object.
fn is_there(place: &Place, view: View<'_>) -> bool {
    match place {
        Place::Json(path) => view.memo.has(view.request, path),
        place => view.read(place).ok().flatten().is_some(),
    }
}

fn is_alone(request: &Request<'_>) -> bool {
    match request.json() {
        // Counted, not kept: a body may be large.
        Ok(json) => serde_json::from_str::<Members>(json.get()).is_ok_and(|members| members.0 == 1),
        Err(_) => url::form_urlencoded::parse(request.body).take(2).count() == 1,
    }
}

/// How many members an object has.
struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0usize;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count = count.saturating_add(1);
                }
                Ok(Members(count))
            }
        }
        from.deserialize_map(Count)
    }
}

fn fill_json(json: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match json {
        Value::String(text) => fill(text).into(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), fill_json(value, fill))).collect()
        }
        other => other.clone(),
    }
}
