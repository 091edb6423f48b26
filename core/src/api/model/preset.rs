//! Presets in the API: reading them, and finding out why a signature fails.
//!
//! Nothing here is stored, and nothing is asked of an object: `verify` and `sign` work on what comes with the call.
//! The preset `custom` takes its scheme from the call, too.

use super::endpoint::MAX_URL;
use super::message::MAX_PAYLOAD;
use crate::api::body::{self, Faults, Few, FewMembers};
use crate::api::call::Reply;
use crate::api::page::{Keys, Order, Page};
use crate::error::ApiError;
use crate::id;
use crate::preset::{self, Confidence, EventId, Preset, ReplayGuard};
use crate::query::Query;
use crate::rng::Entropy;
use crate::scheme::{Compared, Outgoing, Params, Reason, Request, Scheme, Secrets, Verdict};
use crate::send_as::read_scheme;
use crate::source::MAX_EVENTS;
use crate::time::{parse_rfc3339, rfc3339};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The preset that takes its scheme from the call.
const CUSTOM: &str = "custom";
/// The most secrets of one call.
const MAX_SECRETS: usize = 10;
/// The most headers of a request.
pub(crate) const MAX_HEADERS: usize = 256;
/// The most bytes of the body of verify and sign: a request's body in base64, and what else there is of it.
pub const MAX_REQUEST: usize = MAX_PAYLOAD / 3 * 4 + 256 * 1024;

fn params<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Params, D::Error> {
    body::members_or_none::<32, _>(from).map(Option::unwrap_or_default)
}

/// A preset in the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PresetOut {
    /// The preset's name, used as the type of a source and as `preset` of an endpoint.
    name: String,
    /// The provider's name.
    title: String,
    /// A link to the provider's documentation of its webhooks.
    docs: String,
    /// How well the preset is confirmed.
    confidence: Confidence,
    /// How the provider authenticates requests: `signature`, `jwt`, `token`, `basic` or `none`.
    scheme: &'static str,
    /// Whether a valid signature proves that the body was not changed.
    binds_body: bool,
    /// What prevents a recorded request from being replayed: `age`, `id` (while ids are remembered) or `nothing`.
    replay_guard: ReplayGuard,
    /// The parts of the request that identify an event. Requests with the same parts are duplicates.
    event_id: Option<Vec<String>>,
    /// Whether the URL is signed, so that it has to be exactly the one registered with the provider.
    binds_url: bool,
    /// The format of the secret.
    secret: Option<&'static str>,
    /// The number of event types in the preset's catalog.
    event_types: usize,
}

impl PresetOut {
    fn new(preset: &Preset) -> Self {
        Self {
            name: preset.name.clone(),
            title: preset.title.clone(),
            docs: preset.docs.clone(),
            confidence: preset.confidence,
            scheme: word(&preset.scheme),
            binds_body: preset.scheme.binds_body(),
            replay_guard: preset.replay_guard(),
            event_id: preset.event.id.as_ref().map(EventId::parts),
            binds_url: preset.scheme.binds_url(),
            secret: preset.scheme.key().map(|(format, _)| format.describe()),
            event_types: preset.catalog.iter().map(|group| group.events.len()).sum(),
        }
    }
}

fn word(scheme: &Scheme) -> &'static str {
    match scheme {
        Scheme::Signature(_) => "signature",
        Scheme::Jwt(_) => "jwt",
        Scheme::Token(_) => "token",
        Scheme::Basic(_) => "basic",
        Scheme::None => "none",
    }
}

/// Answers `preset.list`.
pub fn list(query: &Query) -> Result<Reply, ApiError> {
    let page = Page::from_query(query, Keys::Name, Order::Ascending)?;
    let probe = page.limit().saturating_add(1);
    let mut names: Vec<&str> = preset::names().collect();
    if page.reads_ascending() {
        names.retain(|name| *name > page.from());
    } else {
        names.retain(|name| *name < page.from());
        names.reverse();
    }
    let presets = names.into_iter().take(probe).filter_map(preset::find).collect();
    Ok(Reply::json(
        200,
        &page.finish(presets, |preset: &Preset| &preset.name).map(|preset| PresetOut::new(&preset)),
    ))
}

/// Answers `preset.get`: the preset's whole data.
pub fn get(name: &str) -> Result<Reply, ApiError> {
    Ok(Reply::json(200, &find(name)?))
}

fn find(name: &str) -> Result<Preset, ApiError> {
    preset::find(name).ok_or_else(|| ApiError::not_found("Preset"))
}

/// A request, with what is needed to look at its signature.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetRequestIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestIn {
    /// The request's headers.
    #[serde(default)]
    headers: HeadersIn,
    /// The request's body in base64, at most 1 MiB of it.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Base64"))]
    body: String,
    /// The signing secret.
    #[serde(default)]
    secret: Option<String>,
    /// Several signing secrets, newest first.
    #[serde(default, deserialize_with = "body::at_most::<20, _, _>")]
    secrets: Vec<String>,
    /// The request's method. The default is POST.
    #[serde(default)]
    method: Option<String>,
    /// The URL at which the request arrived. Some providers sign it.
    #[serde(default)]
    url: Option<String>,
    /// The time at which to verify or sign. The default is the current time.
    #[serde(default)]
    now: Option<When>,
    /// Further values that the scheme needs, by name.
    #[serde(default, deserialize_with = "params")]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Object"))]
    params: Params,
    /// The signature scheme. Only with the preset `custom`.
    #[serde(default)]
    #[cfg_attr(
        test,
        schemars(
            description = "Only for the preset `custom`: its scheme.",
            with = "Option<crate::api::doc::kind::Object>"
        )
    )]
    scheme: Option<Box<RawValue>>,
    /// The event's id. Used only for signing.
    // Only to sign.
    #[serde(default)]
    id: Option<String>,
    /// The event type. Used only for signing.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeName>"))]
    event_type: Option<String>,
}

/// Headers as an object (with a list where one is there twice), or as a list of pairs.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetHeadersIn"))]
#[serde(untagged)]
pub(crate) enum HeadersIn {
    #[cfg_attr(test, schemars(with = "BTreeMap<String, OneOrMany>"))]
    Object(FewMembers<MAX_HEADERS, OneOrMany>),
    #[cfg_attr(test, schemars(with = "Vec<(String, String)>"))]
    Pairs(Few<MAX_HEADERS, (String, String)>),
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// RFC 3339, or seconds since 1970.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetTime"))]
#[serde(untagged)]
pub(crate) enum When {
    Seconds(i64),
    Text(String),
}

impl Default for HeadersIn {
    fn default() -> Self {
        Self::Pairs(Few(Vec::new()))
    }
}

impl HeadersIn {
    fn pairs(self) -> Vec<(String, String)> {
        match self {
            Self::Pairs(pairs) => pairs.0,
            Self::Object(object) => object
                .0
                .into_iter()
                .flat_map(|(name, values)| {
                    let values = match values {
                        OneOrMany::One(value) => vec![value],
                        OneOrMany::Many(values) => values,
                    };
                    values.into_iter().take(MAX_HEADERS).map(move |value| (name.clone(), value))
                })
                .take(MAX_HEADERS)
                .collect(),
        }
    }
}

/// A call that was read and makes sense.
struct Asked {
    preset: Option<Preset>,
    scheme: Scheme,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    secrets: Vec<String>,
    method: String,
    url: String,
    now: i64,
    params: Params,
    id: Option<String>,
    event_type: String,
}

impl Asked {
    fn read(name: &str, bytes: &[u8], now: i64) -> Result<Self, ApiError> {
        let preset = if name == CUSTOM { None } else { Some(find(name)?) };
        let given: RequestIn = body::parse_exact(bytes)?;
        let mut faults = Faults::default();
        let body = BASE64.decode(&given.body);
        faults.check(body.is_ok(), &["body"], "Send the request's body in base64.");
        let large = body.as_ref().is_ok_and(|body| body.len() > MAX_PAYLOAD);
        faults.check(!large, &["body"], format!("The body may have at most {MAX_PAYLOAD} bytes."));
        faults.check(
            given.url.as_ref().is_none_or(|url| url.len() <= MAX_URL),
            &["url"],
            format!("The URL may have at most {MAX_URL} bytes."),
        );
        faults.check(
            given.secrets.len() <= MAX_SECRETS,
            &["secrets"],
            format!("Send up to {MAX_SECRETS} secrets, newest first."),
        );
        let at = match &given.now {
            None => Some(now),
            Some(When::Seconds(seconds)) => seconds.checked_mul(1000),
            Some(When::Text(text)) => parse_rfc3339(text),
        };
        faults.check(at.is_some(), &["now"], "Send a time in RFC 3339, or seconds since 1970.");
        let scheme = match (&preset, given.scheme) {
            (Some(preset), None) => Some(preset.scheme.clone()),
            (None, Some(scheme)) => match read_scheme(scheme.get()) {
                Ok(scheme) => {
                    for fault in scheme.faults() {
                        faults.add(&["scheme"], fault);
                    }
                    Some(scheme)
                }
                Err(sentence) => {
                    faults.add(&["scheme"], sentence);
                    None
                }
            },
            (Some(_), Some(_)) => {
                faults.add(&["scheme"], "Only the preset 'custom' takes a scheme.");
                None
            }
            (None, None) => {
                faults.add(&["scheme"], "The preset 'custom' needs a scheme.");
                None
            }
        };
        faults.into_result()?;
        let wrong = || ApiError::Internal("a body that was checked".to_owned());
        Ok(Self {
            preset,
            scheme: scheme.ok_or_else(wrong)?,
            headers: given.headers.pairs(),
            body: body.map_err(|_| wrong())?,
            secrets: given.secret.into_iter().chain(given.secrets).collect(),
            method: given.method.unwrap_or_else(|| "POST".to_owned()).to_ascii_uppercase(),
            url: given.url.unwrap_or_default(),
            now: at.unwrap_or(now),
            params: given.params,
            id: given.id,
            event_type: given.event_type.unwrap_or_else(|| "test.event".to_owned()),
        })
    }

    /// Where the provider's public keys are that it has to be verified with, if any are.
    fn key_url(&self) -> Option<Result<String, Reason>> {
        let keys = self.preset.as_ref().and_then(|preset| preset.keys.as_ref());
        let keys = keys.filter(|_| self.secrets.is_empty())?;
        Some(keys.locate(&self.request(), &self.params))
    }

    fn request(&self) -> Request<'_> {
        Request { method: &self.method, url: &self.url, headers: &self.headers, body: &self.body }
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetVerdictOut"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerdictOut {
    /// The result: `verified`, `authenticated`, `failed` or `unattempted`.
    verdict: &'static str,
    /// Why verification failed. `null` if it did not.
    reason: Option<ReasonOut>,
    /// Which of the secrets matched, counted from 0.
    secret_index: Option<usize>,
    /// The age of the request at the time of verification, in milliseconds.
    age_ms: Option<i64>,
    /// The maximum age, in seconds.
    tolerance: Option<u32>,
    /// The response to the request, if it is a handshake.
    handshake: Option<HandshakeOut>,
    /// The event in the request, if verification succeeded.
    event: Option<EventOut>,
    /// What the signature was compared with, if it did not match. Omitted if the size of the body times the number of secrets
    /// exceeds 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<ComparedOut>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetComparedOut"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComparedOut {
    /// The signed content in base64, without a secret that is part of it: up to 32 KiB.
    content: String,
    /// The size of the signed content, in bytes.
    content_size: usize,
    /// Whether the SHA-256 of the content is signed instead of the content.
    hashed: bool,
    /// The signatures in the request.
    received: Vec<String>,
    /// What the signature would be with each of the secrets. Empty for signatures that need a private key.
    expected: Vec<String>,
}

/// The most bytes of the signed content in a response.
const MAX_COMPARED: usize = 32 * 1024;

impl From<Compared> for ComparedOut {
    fn from(of: Compared) -> Self {
        let shown = of.content.get(..MAX_COMPARED).unwrap_or(&of.content);
        Self {
            content: BASE64.encode(shown),
            content_size: of.content.len(),
            hashed: of.hashed,
            received: of.received,
            expected: of.expected,
        }
    }
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetReasonOut"))]
pub(crate) struct ReasonOut {
    /// A stable word for programs, listed in the reference of errors.
    code: &'static str,
    /// What is wrong and what to do, as a sentence.
    detail: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetHandshakeOut"))]
pub(crate) struct HandshakeOut {
    /// The HTTP status of the response.
    status: u16,
    /// The headers of the response.
    headers: BTreeMap<String, String>,
    /// The body of the response.
    body: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetEventOut"))]
pub(crate) struct EventOut {
    /// The event type as the provider sends it.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The event's id as the provider sends it.
    id: Option<String>,
    /// The time of the event as the provider sends it.
    timestamp: Option<String>,
}

/// A call of `preset.verify` that was read. It is read once: its body may be large.
pub struct Verifying(Asked);

impl Verifying {
    /// Reads a call.
    pub fn read(name: &str, bytes: &[u8], now: i64) -> Result<Self, ApiError> {
        Asked::read(name, bytes, now).map(Self)
    }

    /// The URL of the public keys that it needs: where it gives no secret, and the provider publishes its keys.
    pub fn key_url(&self) -> Option<String> {
        self.0.key_url().and_then(Result::ok)
    }

    /// The answer; with what is at [`key_url`](Self::key_url), or why there is nothing.
    pub fn answer(self, keys: Option<Result<String, String>>) -> Reply {
        verified(self.0, keys)
    }
}

fn verified(mut asked: Asked, keys: Option<Result<String, String>>) -> Reply {
    let lacking = match (asked.key_url(), keys) {
        (Some(Ok(_)), Some(Ok(keys))) => {
            asked.secrets.push(keys);
            None
        }
        (Some(Ok(_)), Some(Err(why))) => Some(Reason::KeysUnavailable(why)),
        (Some(Err(reason)), _) => Some(reason),
        _ => None,
    };
    let secrets: Vec<&str> = asked.secrets.iter().map(String::as_str).collect();
    let request = asked.request();
    let verdict = match lacking {
        Some(reason) => Verdict::Failed(reason),
        None => asked.scheme.explain(&secrets, &asked.params, &request, asked.now),
    };
    let proof = match &verdict {
        Verdict::Verified(proof) | Verdict::Authenticated(proof) => Some(proof),
        Verdict::Failed(_) | Verdict::Unattempted => None,
    };
    let compared = match &verdict {
        Verdict::Failed(Reason::Mismatch(_)) => asked.scheme.compared(&secrets, &asked.params, &request),
        _ => None,
    };
    let preset = asked.preset.as_ref();
    let handshake = preset.and_then(|preset| {
        let ready: Secrets = asked.scheme.verifying(&secrets);
        preset.handshake(&ready, &asked.params, &request, asked.now)
    });
    let event = preset.filter(|_| verdict.is_good()).map(|preset| {
        let batch = &preset.event.batch;
        let whole = preset.reader(&request);
        let few = batch.count(&whole, MAX_EVENTS).is_some_and(|count| count <= MAX_EVENTS);
        let items = if few { batch.split(&asked.body) } else { None };
        let event = match items.as_ref().and_then(|items| items.first()) {
            Some(first) => preset.event(&Request { body: first, ..request }),
            None => preset.event_of(&whole),
        };
        EventOut { kind: event.kind, id: event.id, timestamp: event.at_ms.map(rfc3339) }
    });
    Reply::json(
        200,
        &VerdictOut {
            verdict: verdict.word(),
            reason: verdict
                .reason()
                .map(|reason| ReasonOut { code: reason.code(), detail: reason.to_string() }),
            secret_index: proof.map(|proof| proof.secret),
            age_ms: proof.and_then(|proof| proof.age_ms),
            tolerance: asked.scheme.tolerance_s(),
            handshake: handshake.map(|answer| HandshakeOut {
                status: answer.status,
                headers: answer.headers.into_iter().collect(),
                body: answer.body,
            }),
            event,
            compared: compared.map(ComparedOut::from),
        },
    )
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PresetSignedOut"))]
pub(crate) struct SignedOut {
    /// The headers to send.
    headers: BTreeMap<String, String>,
    /// The body to send in base64, if the signature is part of it.
    body: Option<String>,
    /// The URL to send to, if the signature or a hash is part of it.
    url: Option<String>,
}

/// Answers `preset.sign`.
pub fn sign(name: &str, bytes: &[u8], now: i64, rng: &mut impl Entropy) -> Result<Reply, ApiError> {
    let asked = Asked::read(name, bytes, now)?;
    let id = asked.id.clone().unwrap_or_else(|| id::new(id::MESSAGE, now, rng));
    let refused = |fault: crate::scheme::SignFault| {
        let field = match fault {
            crate::scheme::SignFault::Body(_) => "body",
            crate::scheme::SignFault::Content(_) => "headers",
            _ => "secret",
        };
        ApiError::invalid(&["body", field], fault.to_string())
    };
    let secrets = asked.scheme.signing(&asked.secrets).map_err(refused)?;
    let outgoing = Outgoing {
        method: &asked.method,
        url: &asked.url,
        headers: &asked.headers,
        body: &asked.body,
        id: &id,
    };
    let signed = match &asked.preset {
        Some(preset) => preset.sign(&secrets, &asked.params, &outgoing, &asked.event_type, asked.now),
        None => asked.scheme.sign(&secrets, &asked.params, &outgoing, asked.now),
    };
    let signed = signed.map_err(refused)?;
    Ok(Reply::json(
        200,
        &SignedOut {
            headers: signed.headers.into_iter().collect(),
            body: signed.body.map(|body| BASE64.encode(body)),
            url: signed.url,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use serde_json::{Value, json};

    const NOW: i64 = 1_795_000_000_000;

    fn answer(reply: Result<Reply, ApiError>) -> (u16, Value) {
        let reply = Reply::from(reply);
        (reply.status, serde_json::from_slice(&reply.body).expect("JSON"))
    }

    fn verify(
        name: &str,
        bytes: &[u8],
        now: i64,
        keys: Option<Result<String, String>>,
    ) -> Result<Reply, ApiError> {
        Ok(Verifying::read(name, bytes, now)?.answer(keys))
    }

    fn key_url(name: &str, bytes: &[u8], now: i64) -> Result<Option<String>, ApiError> {
        Ok(Verifying::read(name, bytes, now)?.key_url())
    }

    fn call(name: &str, body: &Value) -> (u16, Value) {
        answer(verify(name, body.to_string().as_bytes(), NOW, None))
    }

    #[test]
    fn the_list_goes_through_all_presets_in_pages() {
        let (mut names, mut query) = (Vec::new(), "limit=50".to_owned());
        loop {
            let (status, page) = answer(list(&Query::parse(&query)));
            assert_eq!(status, 200);
            for item in page["data"].as_array().expect("items") {
                names.push(item["name"].as_str().expect("a name").to_owned());
                assert!(item["docs"].as_str().is_some_and(|docs| docs.starts_with("https://")), "{item}");
            }
            if page["done"] == true {
                break;
            }
            query = format!("limit=50&iterator={}", page["iterator"].as_str().expect("an iterator"));
        }
        assert!(names.iter().map(String::as_str).eq(preset::names()));
        let (_, last) = answer(list(&Query::parse("limit=1&order=descending")));
        assert_eq!(last["data"][0]["name"].as_str(), preset::names().last());
    }

    #[test]
    fn what_sign_gives_verify_takes() {
        for name in ["stripe", "svix", "mailabl", "twilio-json", "mailgun"] {
            let secret = if name == "svix" { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } else { "s" };
            let mut body = json!({ "secret": secret, "body": BASE64.encode("{\"type\":\"a\"}"), "url": "https://a.example/b" });
            let (status, signed) = answer(sign(name, body.to_string().as_bytes(), NOW, &mut Seeded(1)));
            assert_eq!(status, 200, "{name}: {signed}");
            for field in ["headers", "body", "url"] {
                if !signed[field].is_null() {
                    body[field] = signed[field].clone();
                }
            }
            let (_, verdict) = call(name, &body);
            let right = if name == "mailgun" { "authenticated" } else { "verified" };
            assert_eq!(verdict["verdict"], right, "{name}: {verdict}");
        }
    }

    #[test]
    fn usual_mistakes_are_named() {
        let hmac = |key: &[u8], content: &str| {
            let scheme = preset::find("github").expect("github").scheme;
            let keys = scheme.signing(&[String::from_utf8_lossy(key)]).expect("a key");
            let outgoing =
                Outgoing { method: "POST", url: "", headers: &[], body: content.as_bytes(), id: "i" };
            scheme.sign(&keys, &Params::new(), &outgoing, NOW).expect("signed").headers[0].1.clone()
        };
        let ask = |secret: &str, body: &str, signature: String| {
            let headers = json!({ "X-Hub-Signature-256": signature });
            let (_, verdict) =
                call("github", &json!({ "secret": secret, "body": BASE64.encode(body), "headers": headers }));
            assert_eq!(verdict["verdict"], "failed", "{verdict}");
            verdict["reason"]["detail"].as_str().unwrap_or_default().to_owned()
        };
        for (secret, body, signature, hint) in [
            (" s\n", "x", hmac(b"s", "x"), "spaces or line break"),
            ("c2VjcmV0", "x", hmac(b"secret", "x"), "decoded as base64"),
            ("s", "{\"a\": 1}", hmac(b"s", "{\"a\":1}"), "written without spaces"),
            ("s", "x", hmac(b"s", "x\n"), "line break at the end"),
            ("s", "a\nb", hmac(b"s", "a\r\nb"), "line breaks in the body"),
            ("s", "x", hmac(b"t", "x"), "another secret"),
        ] {
            let detail = ask(secret, body, signature);
            assert!(detail.contains(hint), "{detail}");
        }
    }

    #[test]
    fn a_mismatch_shows_what_was_signed_received_and_expected() {
        let sign_with = |name: &str, secret: &str, id: &str| {
            let body = json!({ "secret": secret, "body": BASE64.encode("{}"), "id": id });
            answer(sign(name, body.to_string().as_bytes(), NOW, &mut Seeded(1))).1["headers"].clone()
        };
        let ask = |name: &str, secret: &str, headers: &Value| {
            call(name, &json!({ "secret": secret, "body": BASE64.encode("{}"), "headers": headers })).1
        };
        let headers = sign_with("github", "theirs", "d-1");
        let verdict = ask("github", "ours", &headers);
        let compared = &verdict["compared"];
        assert_eq!(compared["content"], json!(BASE64.encode("{}")), "{verdict}");
        assert_eq!((&compared["contentSize"], &compared["hashed"]), (&json!(2), &json!(false)));
        let of = |headers: &Value| {
            let mut values = headers.as_object().expect("headers").values().filter_map(Value::as_str);
            values.find_map(|value| value.strip_prefix("sha256=")).expect("a signature").to_owned()
        };
        assert_eq!(compared["received"], json!([of(&headers)]));
        assert_eq!(compared["expected"], json!([of(&sign_with("github", "ours", "d-1"))]));
        assert!(ask("github", "theirs", &headers)["compared"].is_null(), "it matches");
        // What is signed is more than the body.
        let headers = sign_with("stripe", "whsec_theirs", "evt_1");
        let verdict = ask("stripe", "whsec_ours", &headers);
        let content = BASE64.decode(verdict["compared"]["content"].as_str().expect("content"));
        assert_eq!(content.expect("base64"), format!("{}.{{}}", NOW / 1000).into_bytes(), "{verdict}");
    }

    #[test]
    fn published_keys_are_asked_for_where_no_secret_is_given() {
        let at = |url: &str| {
            let event = json!({ "SigningCertURL": url, "SignatureVersion": "2", "Signature": "AA==", "Message": "m",
                "MessageId": "1", "Timestamp": "t", "TopicArn": "a", "Type": "Notification" });
            json!({ "body": BASE64.encode(event.to_string()) }).to_string().into_bytes()
        };
        let good = at("https://sns.us-east-1.amazonaws.com/a.pem");
        let url = key_url("aws-sns-v2", &good, NOW).expect("a URL");
        assert_eq!(url.as_deref(), Some("https://sns.us-east-1.amazonaws.com/a.pem"));
        let code = |body: &[u8], keys: Option<Result<&str, &str>>| {
            let keys = keys.map(|keys| keys.map(str::to_owned).map_err(str::to_owned));
            answer(verify("aws-sns-v2", body, NOW, keys)).1["reason"]["code"].as_str().map(str::to_owned)
        };
        let cert = include_str!("../../../tests/scheme/keys/rsa.cert.pem");
        assert_eq!(code(&good, Some(Ok(cert))).as_deref(), Some("mismatch"));
        assert_eq!(code(&good, Some(Err("it answered 500"))).as_deref(), Some("keys_unavailable"));
        let foreign = at("https://evil.example/a.pem");
        assert_eq!(key_url("aws-sns-v2", &foreign, NOW).expect("read"), None);
        assert_eq!(code(&foreign, None).as_deref(), Some("key_url"));
        assert_eq!(key_url("stripe", b"{}", NOW).expect("read"), None);
    }

    #[test]
    fn a_scheme_of_ones_own_is_checked() {
        let scheme = |content: &str| json!({ "kind": "signature", "at": ["header:x-s"], "algorithm": "hmac-sha256", "encoding": "hex", "content": content });
        let (status, verdict) = call("custom", &json!({ "secret": "s", "scheme": scheme("{body}") }));
        assert_eq!((status, verdict["reason"]["code"].as_str()), (200, Some("header_missing")), "{verdict}");
        for (body, hint) in [
            (json!({ "scheme": scheme("{ts}") }), "where the timestamp is"),
            (json!({ "scheme": scheme("{nope}") }), "is not a part"),
            (json!({}), "needs a scheme"),
        ] {
            let (status, error) = call("custom", &body);
            assert!(status == 422 && error.to_string().contains(hint), "{error}");
        }
        let (status, _) = call("stripe", &json!({ "scheme": scheme("{body}") }));
        assert_eq!(status, 422);
        assert_eq!(call("nobody", &json!({})).0, 404);
        assert_eq!(call("stripe", &json!({ "body": "***" })).0, 422);
        assert_eq!(call("stripe", &json!({ "now": "yesterday" })).0, 422);
    }
}
