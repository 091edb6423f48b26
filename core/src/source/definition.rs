//! What becomes of a request at a source's URL.
//!
//! The order is fixed: a handshake is answered; the method has to be one that the provider uses; the raw bytes are
//! verified; and only then is anything parsed, to find out which events there are.
//!
//! A body with a `Content-Encoding` is decompressed first, up to the source's limit. Either form may be the one that was
//! signed. Events are taken from the decompressed body, and the bytes as they came are kept beside the event.

use super::kind::Kind;
use super::rejected::{self, DUPLICATE, Rejected};
use super::{Batch, DedupBy, Form, HOPS, MAX_BODY, MAX_HOPS, SourceRecord, SourceRow, Unverified, form};
use crate::encoding::{self, Unreadable};
use crate::error::{ApiError, Code};
use crate::frame::{Ingest, NewMessage};
use crate::pace::Pace;
use crate::preset::{Confidence, EventId, EventPlaces, Preset, Responses};
use crate::scheme::handshake::{Answer, Handshake};
use crate::scheme::{Params, Proof, Reader, Reason, Request, Scheme, Secrets, Verdict, parameter};
use crate::text::{MAX_NAME, is_dots, is_name, without_mark};
use crate::time::rfc3339;
use crate::vault::{Place as VaultPlace, Vault};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most events of one request. A body with more is delivered whole, as one event: refused, it would be lost.
pub const MAX_EVENTS: usize = 10_000;
/// The most events that are stored at once.
pub const MAX_STORED_AT_ONCE: usize = 1_000;
/// The most bytes that a message takes in its row: a form is kept as it came and as JSON.
const MAX_STORED: usize = 1_900_000;

/// A user's own scheme, as the API takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Custom {
    /// How requests prove where they come from.
    pub scheme: Scheme,
    /// Where an event says what it is.
    #[serde(default)]
    pub event: EventPlaces,
    /// The methods that events come with.
    #[serde(default = "any_method")]
    pub methods: Vec<String>,
    /// What the sender asks before it sends events.
    #[serde(default)]
    pub handshakes: Vec<Handshake>,
}

/// The most handshakes of a scheme of one's own.
const MAX_HANDSHAKES: usize = 8;

fn any_method() -> Vec<String> {
    ["POST", "PUT", "PATCH", "GET"].map(str::to_owned).to_vec()
}

impl Default for Custom {
    fn default() -> Self {
        Self {
            scheme: Scheme::None,
            event: EventPlaces::default(),
            methods: any_method(),
            handshakes: vec![Handshake::cloud_events()],
        }
    }
}

impl Custom {
    /// As a preset, which has what a user does not say.
    #[allow(clippy::unnecessary_wraps)] // as the other kinds, of which there may be none
    pub(super) fn preset(self, title: &str) -> Option<Preset> {
        Some(Preset {
            title: title.to_owned(),
            confidence: Confidence::Documented,
            event: self.event,
            methods: self.methods,
            handshakes: if self.handshakes.is_empty() {
                vec![Handshake::cloud_events()]
            } else {
                self.handshakes
            },
            ..Preset::custom(self.scheme)
        })
    }

    /// What in the data cannot work, or could be used to forge an event; each as a sentence.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> =
            self.scheme.faults().into_iter().map(|fault| format!("scheme.{fault}")).collect();
        faults.extend(self.scheme.replay_fault().map(|fault| format!("scheme.{fault}")));
        if self.handshakes.len() > MAX_HANDSHAKES {
            faults.push(format!("handshakes: at most {MAX_HANDSHAKES} are allowed"));
        }
        let own = |handshake: &Handshake| handshake.faults(&self.scheme, true);
        faults.extend(self.handshakes.iter().take(MAX_HANDSHAKES).flat_map(own));
        faults
    }
}

/// A source, made ready for requests.
#[derive(Debug)]
pub struct Definition {
    /// `src_…`
    pub id: String,
    /// As it is stored.
    pub record: SourceRecord,
    preset: Preset,
    secrets: Secrets,
    texts: Vec<String>,
    params: Params,
    dedup_ms: i64,
    /// Why nothing can be verified, through no fault of the sender.
    locked: Option<String>,
}

/// What a request comes to.
#[derive(Debug)]
pub enum Receipt {
    /// It was a handshake: this is the answer, and nothing is stored. (The text to adopt as the secret is.)
    Handshake(Answer),
    /// Its signature is not right: it is refused with this, and may be kept for a look.
    Rejected(Refusal, Reason),
    /// It is refused for what it is, signed or not, and may be kept for a look.
    Unusable(Refusal),
    /// These events are to be stored; the answer is [`Definition::answer`].
    Events(Vec<NewMessage>),
}

/// Why a request is refused, as its sender may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// A stable word: an error code, or why the signature was refused ([`Reason::code`]).
    pub code: &'static str,
    /// A sentence.
    pub detail: String,
    /// A header that goes with it.
    pub header: Option<(&'static str, String)>,
    /// Whether it is answered without a body.
    pub bare: bool,
}

impl Refusal {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::unverified(code.status(), code.name(), detail)
    }

    fn unverified(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), header: None, bare: false }
    }

    /// The URL is no source's, or not any more.
    pub fn unknown() -> Self {
        Self::new(Code::NotFound, "No source has this URL. Its owner may have rotated it.")
    }

    /// More bytes than the source takes.
    pub fn too_large(limit: u32) -> Self {
        Self::new(Code::PayloadTooLarge, format!("The limit of this source is {limit} bytes per request."))
    }

    /// More requests than the source takes.
    pub fn too_many(wait_ms: i64) -> Self {
        let seconds = wait_ms.max(0).saturating_add(999).div_euclid(1_000).max(1);
        let detail = format!("Rate limit exceeded for this source. Try again in {seconds} s.");
        let header = Some(("retry-after", seconds.to_string()));
        Self { header, ..Self::new(Code::RateLimitExceeded, detail) }
    }

    /// A handshake that is not what it should be. Its sender is told no more than the status.
    fn handshake(status: u16) -> Self {
        let detail = match status {
            401 => {
                "This is the provider's handshake, but its signature is not valid. Check the signing secret."
            }
            403 => {
                "This is the provider's handshake, but it has another token or secret than the source. A source that \
                 has adopted a secret accepts no other: create another source for a second subscription, or \
                 clear the secret."
            }
            _ => "This is the provider's handshake, but its challenge does not have the expected form.",
        };
        Self { bare: true, ..Self::unverified(status, "handshake", detail) }
    }

    /// Nothing was stored, through no fault of the sender.
    pub fn unavailable() -> Self {
        let header = Some(("retry-after", "5".to_owned()));
        Self { header, ..Self::new(Code::NotReady, "The request was not stored. Send it again.") }
    }

    /// As the body of the answer.
    pub fn body(&self) -> String {
        if self.bare {
            return String::new();
        }
        serde_json::json!({ "code": self.code, "detail": self.detail }).to_string()
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        ApiError::new(Code::from_name(refusal.code).unwrap_or(Code::GenericError), refusal.detail)
    }
}

/// What is stored of an event besides itself, as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin<'a> {
    verdict: &'static str,
    reason: Option<&'a str>,
    /// Which of the source's secrets signed it.
    secret_index: Option<usize>,
    /// How old the request was by its own time.
    age_ms: Option<i64>,
    /// The event's type as the provider writes it, where event types are not written so.
    #[serde(skip_serializing_if = "Option::is_none")]
    original_type: Option<&'a str>,
    /// When it happened, where it says so.
    event_time: Option<String>,
    method: &'a str,
    content_type: Option<&'a str>,
    /// Its place in the body, where that held several.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    accepted_by_hand: bool,
}

/// What is known of who sent a request.
struct Standing<'a> {
    verdict: &'static str,
    reason: Option<&'a str>,
    proof: Option<Proof>,
    accepted_by_hand: bool,
}

impl Standing<'_> {
    fn of(verdict: &Verdict) -> Self {
        let proof = match verdict {
            Verdict::Verified(proof) | Verdict::Authenticated(proof) => Some(*proof),
            Verdict::Failed(_) | Verdict::Unattempted => None,
        };
        let reason = verdict.reason().map(Reason::code);
        Self { verdict: verdict.word(), reason, proof, accepted_by_hand: false }
    }
}

impl Definition {
    /// Opens the source's secrets and reads its preset. Where that fails, the source answers every request with 503 until
    /// the deployment is repaired ([`locked`](Self::locked)), so that providers send their events again.
    pub fn new(row: SourceRow, vault: &Vault, default_dedup_ms: i64) -> Self {
        let dedup_ms = row.record.options.dedup_window_seconds;
        let dedup_ms = dedup_ms.map_or(default_dedup_ms, |s| i64::from(s).saturating_mul(1_000));
        Self::opened(&row, vault, dedup_ms).unwrap_or_else(|why| Self {
            preset: Preset::custom(Scheme::None),
            secrets: Secrets::default(),
            texts: Vec::new(),
            params: Params::new(),
            dedup_ms,
            locked: Some(why),
            id: row.id,
            record: row.record,
        })
    }

    fn opened(row: &SourceRow, vault: &Vault, dedup_ms: i64) -> Result<Self, String> {
        let (id, record) = (row.id.clone(), row.record.clone());
        let preset = Kind::of(&record.kind).preset(record.custom.as_deref());
        let preset = preset.ok_or_else(|| {
            format!(
                "This version of the gateway does not have the source type '{}'. Deploy the newer version \
                 again.",
                record.kind
            )
        })?;
        let open =
            |at: VaultPlace<'_>, sealed: &String| vault.open(at, sealed).map_err(|error| error.to_string());
        let secret = |sealed| open(VaultPlace::secret(&id), sealed);
        let texts = record.secrets.iter().map(secret).collect::<Result<Vec<_>, _>>()?;
        let params = match &record.params {
            Some(sealed) => serde_json::from_str(&open(VaultPlace::params(&id), sealed)?)
                .map_err(|error| error.to_string())?,
            None => Params::new(),
        };
        let secrets = preset.scheme.verifying(&texts);
        Ok(Self { id, record, preset, secrets, texts, params, dedup_ms, locked: None })
    }

    /// Why the source cannot verify anything, if its secrets cannot be decrypted or this release does not know its type.
    pub fn locked(&self) -> Option<&str> {
        self.locked.as_deref()
    }

    /// The most bytes of a request.
    pub fn max_body(&self) -> u32 {
        self.record.options.max_body_bytes.unwrap_or(MAX_BODY)
    }

    /// The most requests.
    pub fn rate(&self) -> Option<Pace> {
        let rate = self.record.options.rate_limit?;
        Some(Pace { limit: rate.limit, window_ms: rate.window.millis() })
    }

    /// Whether there is a secret already.
    pub fn has_secret(&self) -> bool {
        !self.texts.is_empty()
    }

    /// What the provider expects to be answered to an event: status, content type, body.
    pub fn answer(&self) -> (u16, &'static str, &str) {
        let Responses { accepted, body, .. } = &self.preset.responses;
        let json = serde_json::from_str::<&RawValue>(body).is_ok();
        (*accepted, if json { "application/json" } else { "text/plain; charset=utf-8" }, body)
    }

    /// The URL that the provider was given, with the query of this request.
    pub fn url(&self, requested: &str) -> String {
        let Some(registered) = &self.record.options.url else { return requested.to_owned() };
        match requested.split_once('?') {
            Some((_, query)) if !registered.contains('?') => format!("{registered}?{query}"),
            _ => registered.clone(),
        }
    }

    /// The URL of the provider's public keys that this request has to be verified with; the reason where it names none
    /// that may be asked. `None` where the source has a secret of its own, the provider publishes no keys, or the request
    /// is none that would be verified.
    pub fn key_url(&self, request: &Request<'_>) -> Option<Result<String, Reason>> {
        let needed = self.texts.is_empty() && self.locked.is_none() && self.takes(request.method);
        let keys = self.preset.keys.as_ref().filter(|_| needed)?;
        Some(keys.locate(request, &self.params))
    }

    /// A refusal as this provider wants to be answered.
    pub fn shaped(&self, refusal: Refusal) -> Refusal {
        Refusal { bare: refusal.bare || self.preset.responses.bare, ..refusal }
    }

    fn takes(&self, method: &str) -> bool {
        self.preset.methods.iter().any(|taken| taken == method)
    }

    /// What a request comes to. `request.url` is [`Definition::url`].
    pub fn receive(&self, request: &Request<'_>, now: i64) -> Receipt {
        self.receive_with(request, None, now)
    }

    /// The same with the keys that [`key_url`](Self::key_url) asks for: their text, or why there are none.
    pub fn receive_with(
        &self,
        request: &Request<'_>,
        keys: Option<Result<String, Reason>>,
        now: i64,
    ) -> Receipt {
        match self.look_at(request, keys, now) {
            Receipt::Rejected(refusal, reason) => Receipt::Rejected(self.shaped(refusal), reason),
            Receipt::Unusable(refusal) => Receipt::Unusable(self.shaped(refusal)),
            receipt => receipt,
        }
    }

    fn look_at(&self, request: &Request<'_>, keys: Option<Result<String, Reason>>, now: i64) -> Receipt {
        if let Some(why) = &self.locked {
            let reason = Reason::Locked(why.clone());
            return Receipt::Rejected(self.refusal(&reason), reason);
        }
        let published;
        let (secrets, lacking) = match keys {
            None => (&self.secrets, None),
            Some(Ok(text)) => {
                published = self.preset.scheme.verifying(&[text]);
                // A page that asks to sign in to the network is no key, and says nothing of the request.
                let fault = published.faults().first().map(|(_, fault)| fault.to_string());
                (
                    &published,
                    fault.map(|fault| Reason::KeysUnavailable(format!("the response is not a key: {fault}"))),
                )
            }
            Some(Err(reason)) => (&self.secrets, Some(reason)),
        };
        let unpacked = self.unpacked(request);
        let plain = decompressed(request, unpacked.as_ref().ok().and_then(Option::as_deref));
        // Without its keys, nothing is known of who sends it.
        if lacking.is_none()
            && let Some(answer) = self.preset.handshake(secrets, &self.params, &plain, now)
        {
            return if answer.status < 400 {
                Receipt::Handshake(answer)
            } else {
                Receipt::Unusable(Refusal::handshake(answer.status))
            };
        }
        // A look whether anything is there. It says no more than the 405 that follows from any other method.
        if request.method == "HEAD" {
            return Receipt::Handshake(Answer::empty());
        }
        if !self.takes(request.method) {
            let allowed = self.preset.methods.join(", ");
            let detail = format!("Send events with {allowed}.");
            let header = Some(("allow", allowed));
            return Receipt::Unusable(Refusal { header, ..Refusal::new(Code::MethodNotAllowed, detail) });
        }
        if hops(request) >= MAX_HOPS {
            let detail = format!(
                "This event has passed through {MAX_HOPS} sources, so an endpoint probably sends it back to its own source."
            );
            return Receipt::Unusable(Refusal::new(Code::LoopDetected, detail));
        }
        let verdict = if let Some(reason) = lacking {
            Verdict::Failed(reason)
        } else {
            let verify = |request| self.preset.scheme.verify(secrets, &self.params, request, now);
            match verify(request) {
                // What compresses after signing leaves a signature of the body before.
                Verdict::Failed(reason) if matches!(unpacked, Ok(Some(_))) => match verify(&plain) {
                    Verdict::Failed(_) => Verdict::Failed(reason),
                    verdict => verdict,
                },
                verdict => verdict,
            }
        };
        if let Verdict::Failed(reason) = &verdict
            && self.record.options.unverified == Unverified::Reject
        {
            return Receipt::Rejected(self.refusal(reason), reason.clone());
        }
        let events = match &unpacked {
            Ok(_) => self.events(&plain, request.body, &Standing::of(&verdict)),
            Err(refusal) => Err(refusal.clone()),
        };
        match events {
            Ok(events) => Receipt::Events(events),
            Err(refusal) => Receipt::Unusable(refusal),
        }
    }

    /// The body of a compressed request, `None` where it is not compressed.
    fn unpacked(&self, request: &Request<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let mut names =
            request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        let encoding = names.next().map_or("", |(_, value)| value.as_str());
        let most = self.max_body();
        let body = match names.next() {
            Some(_) => Err(Unreadable::Encoding),
            None => encoding::whole(encoding, request.body, usize::try_from(most).unwrap_or(usize::MAX)),
        };
        body.map_err(|fault| match fault {
            Unreadable::TooLarge => {
                let detail = format!("The limit of this source is {most} bytes per request, decompressed.");
                Refusal::new(Code::PayloadTooLarge, detail)
            }
            Unreadable::Encoding => Refusal {
                header: Some(("accept-encoding", "gzip, deflate, identity".to_owned())),
                ..Refusal::new(
                    Code::UnsupportedMediaType,
                    "Send the body uncompressed, or with the Content-Encoding gzip or deflate.",
                )
            },
            Unreadable::Broken => Refusal::new(
                Code::UnsupportedMediaType,
                "The body does not match its Content-Encoding, or it is incomplete. Send it uncompressed, or as a single \
                 gzip or deflate stream.",
            ),
        })
    }

    /// The events of a request that was rejected, for whoever accepts it by hand.
    pub fn accept(&self, kept: &Rejected) -> Result<Vec<NewMessage>, Refusal> {
        if let Some(why) = &self.locked {
            return Err(Refusal::new(Code::InvalidSetting, why));
        }
        let request = Request {
            method: &kept.method,
            url: &kept.url,
            headers: &kept.headers,
            body: kept.body.as_slice(),
        };
        let standing = Standing {
            verdict: kept.verdict(),
            reason: Some(&kept.code),
            proof: None,
            accepted_by_hand: true,
        };
        let unpacked = self.unpacked(&request)?;
        let mut events =
            self.events(&decompressed(&request, unpacked.as_deref()), request.body, &standing)?;
        if let Some(repeats) = &kept.repeats {
            // Of these it is known that they came before, and still somebody wants them.
            let mut at = 0u32..;
            events.retain(|_| at.next().is_some_and(|at| repeats.contains(&at)));
            for event in &mut events {
                event.event_id = None;
            }
        }
        for headers in events.iter_mut().filter_map(|event| event.headers.as_mut()) {
            headers.retain(|(_, value)| value != rejected::MASK);
        }
        Ok(events)
    }

    /// What is kept of a request that was rejected; `skipped` others were not kept before it.
    pub fn rejected(&self, request: &Request<'_>, reason: &Reason, skipped: u32, now: i64) -> Rejected {
        // Looked at once more, for a guess at why.
        let secrets: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let explained = match &self.preset.keys {
            _ if self.locked.is_some() => None,
            // By keys that are not at hand any more.
            Some(_) if secrets.is_empty() => None,
            _ => Some(self.preset.scheme.explain(&secrets, &self.params, request, now)),
        };
        let reason = explained.as_ref().and_then(Verdict::reason).unwrap_or(reason);
        self.keep(request, reason.code(), reason.to_string(), skipped, now)
    }

    /// What is kept of a request with events that came before, for the list: `repeats` are their places in the request and
    /// the messages that they are repeats of, `origin` what was noted of the request.
    pub fn repeated(
        &self,
        request: &Request<'_>,
        origin: &str,
        repeats: &[(u32, String)],
        skipped: u32,
        now: i64,
    ) -> Rejected {
        const SHOWN: usize = 5;
        #[derive(Deserialize)]
        struct Noted {
            verdict: String,
        }
        let ids: Vec<&str> = repeats.iter().take(SHOWN).map(|(_, id)| id.as_str()).collect();
        let more = if repeats.len() > SHOWN { ", …" } else { "" };
        let detail = format!(
            "This is a duplicate of {}{more}, so it is not delivered again. If it is another event, accept \
             it, and report the preset.",
            ids.join(", ")
        );
        let noted = serde_json::from_str::<Noted>(origin).ok();
        Rejected {
            verdict: noted.map(|noted| noted.verdict),
            repeats: Some(repeats.iter().map(|(at, _)| *at).collect()),
            ..self.keep(request, DUPLICATE, detail, skipped, now)
        }
    }

    /// What is kept of a request that was refused before anything was verified.
    pub fn turned_away(&self, request: &Request<'_>, refusal: &Refusal, skipped: u32, now: i64) -> Rejected {
        self.keep(request, refusal.code, refusal.detail.clone(), skipped, now)
    }

    fn keep(&self, request: &Request<'_>, code: &str, detail: String, skipped: u32, now: i64) -> Rejected {
        let place = match &self.preset.scheme {
            Scheme::Token(token) => Some(&token.at),
            _ => None,
        };
        let named = self.params.get("header").map(String::as_str);
        rejected::keep(request, (code, detail), place, named, skipped, now)
    }

    fn refusal(&self, reason: &Reason) -> Refusal {
        if let Reason::KeysUnavailable(_) = reason {
            // It may well be right: the provider is to send it again.
            let header = Some(("retry-after", "10".to_owned()));
            let text = "The provider's public keys could not be fetched. Send the request again.";
            return Refusal { header, ..Refusal::unverified(503, reason.code(), text) };
        }
        if let Reason::Locked(_) = reason {
            // Repairing the deployment takes its operator longer than a restart.
            let header = Some(("retry-after", "60".to_owned()));
            let text = "The source cannot verify requests at the moment. Send the request again.";
            return Refusal { header, ..Refusal::unverified(503, "not_configured", text) };
        }
        // What is missing or old is no secret; what is wrong with the source's own settings is nobody else's business.
        let code = match reason {
            Reason::NoSecret | Reason::SecretUnusable(..) | Reason::Parameter(_) => "not_configured",
            Reason::Item(_, inner) => inner.code(),
            reason => reason.code(),
        };
        Refusal::unverified(
            self.preset.responses.refused,
            code,
            "Signature verification failed. The owner of the source can see the reason under rejected requests.",
        )
    }

    /// The events of a request that is not compressed any more; `came` is its body as it came.
    fn events(
        &self,
        request: &Request<'_>,
        came: &[u8],
        standing: &Standing<'_>,
    ) -> Result<Vec<NewMessage>, Refusal> {
        let batch = &self.preset.event.batch;
        let split = self.record.options.batch == Batch::Split;
        // Large bodies are gone through as few times as can be.
        let reader = self.preset.reader(request);
        let alone = || Ok(vec![self.event(request, &reader, came, standing, None)?]);
        match batch.count(&reader, MAX_EVENTS).filter(|_| split) {
            None => return alone(),
            Some(count) if count > MAX_EVENTS => return alone(),
            Some(_) => {}
        }
        let Some(items) = batch.split(request.body) else { return alone() };
        let several = items.len() > 1;
        items
            .iter()
            .enumerate()
            .map(|(n, item)| {
                let reader = self.preset.reader(&Request { body: item, ..*request });
                self.event(request, &reader, came, standing, several.then_some(n))
            })
            .collect()
    }

    /// One event: `reader` reads the request, or one item of its body; `came` is the request's before it was decompressed.
    fn event(
        &self,
        request: &Request<'_>,
        reader: &Reader<'_>,
        came: &[u8],
        standing: &Standing<'_>,
        index: Option<usize>,
    ) -> Result<NewMessage, Refusal> {
        let options = &self.record.options;
        let (said, body) = (self.preset.event_of(reader), reader.request().body);
        let event_type = self.event_type(said.kind.as_deref());
        let original_type = said.kind.as_deref().filter(|kind| *kind != event_type);
        // A header or the URL has one id for all events of a body.
        let shared = !self.preset.event.id.as_ref().is_some_and(EventId::is_of_the_item);
        let said_id = match options.dedup_by {
            DedupBy::Id => said.id,
            DedupBy::Body => Some(crate::preset::body_id(body)),
        };
        let shared = shared && options.dedup_by == DedupBy::Id;
        let event_id = said_id.map(|id| match index {
            Some(n) if shared => crate::preset::shortened(format!("{id}.{n}")),
            _ => id,
        });
        let content_type = header(request, "content-type");
        let item = body.len() < request.body.len();
        // One that no request can have again would keep the event from every endpoint for ever.
        let sent_type = content_type.filter(|kind| crate::header::check_sent("content-type", kind).is_ok());
        let (payload, kind, raw) = self.payload(request, reader, sent_type, item);
        let raw = if item || came == request.body { raw } else { Some(came.to_vec()) };
        let mut headers: Vec<(String, String)> =
            kind.map(|kind| ("content-type".to_owned(), kind.into_owned())).into_iter().collect();
        headers.extend(options.forward_headers.iter().filter_map(|name| {
            let value = header(request, name).filter(|value| crate::header::check(name, value).is_ok())?;
            Some((name.clone(), value.to_owned()))
        }));
        let hops = hops(request);
        if hops > 0 {
            headers.push((HOPS.to_owned(), hops.saturating_add(1).to_string()));
        }
        if payload.len().saturating_add(raw.as_ref().map_or(0, Vec::len)) > MAX_STORED {
            let detail = if came == request.body {
                "The form is too large as JSON. Set the source's option 'form' to 'raw'.".to_owned()
            } else {
                format!(
                    "The body and its compressed bytes together have more than {MAX_STORED} bytes. Send it \
                     uncompressed."
                )
            };
            return Err(Refusal::new(Code::PayloadTooLarge, detail));
        }
        let origin = Origin {
            verdict: standing.verdict,
            reason: standing.reason,
            secret_index: standing.proof.map(|proof| proof.secret),
            age_ms: standing.proof.and_then(|proof| proof.age_ms),
            original_type,
            event_time: said.at_ms.map(rfc3339),
            method: request.method,
            content_type,
            index,
            accepted_by_hand: standing.accepted_by_hand,
        };
        let origin = serde_json::to_string(&origin).unwrap_or_default();
        Ok(NewMessage {
            event_type,
            payload: payload.into(),
            event_id,
            headers: Some(headers).filter(|headers| !headers.is_empty()),
            ingest: Some(Ingest {
                origin,
                raw: raw.map(Into::into),
                dedup_ms: self.dedup_ms,
                rate: self.rate().map(|pace| (pace.limit, pace.window_ms)),
            }),
            ..NewMessage::default()
        })
    }

    /// What is delivered, the content type that it needs where that is not JSON, and the bytes as they came where they
    /// are others.
    fn payload<'a>(
        &self,
        request: &Request<'_>,
        reader: &Reader<'_>,
        content_type: Option<&'a str>,
        item: bool,
    ) -> (Vec<u8>, Option<Cow<'a, str>>, Option<Vec<u8>>) {
        let body = reader.request().body;
        let essence = content_type.map_or("", essence);
        let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let query = request.url.split_once('?').map_or("", |(_, query)| query);
        if request.body.is_empty() && request.method == "GET" {
            let json = form::to_json(query.as_bytes(), None).unwrap_or_else(|| "{}".to_owned());
            return (json.into_bytes(), None, Some(query.as_bytes().to_vec()));
        }
        if is_form
            && self.record.options.form == Form::Json
            && let Some(json) = form::to_json(without_mark(body), content_type.and_then(charset))
        {
            return (json.into_bytes(), None, Some(body.to_vec()));
        }
        // JSON has no byte order mark: those who read JSON refuse it. The bytes as they came are kept beside it.
        let bare = without_mark(body);
        if item || (!is_form && reader.is_json()) {
            let raw = (bare.len() != body.len()).then(|| body.to_vec());
            return (bare.to_vec(), content_type.and_then(|kind| own_json(kind, item)), raw);
        }
        (body.to_vec(), Some(content_type.unwrap_or("application/octet-stream").into()), None)
    }

    /// The event's type, as event types are written here: other characters become underscores.
    fn event_type(&self, said: Option<&str>) -> String {
        let default = || match &self.record.options.event_type {
            Some(chosen) => chosen.clone(),
            None => format!("{}.event", self.record.kind),
        };
        let Some(said) = said.filter(|said| !said.is_empty()) else { return default() };
        if is_name(said) && !said.starts_with('-') {
            return said.to_owned();
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain: String = said.chars().take(MAX_NAME).map(|c| if allowed(c) { c } else { '_' }).collect();
        match plain.strip_prefix('-') {
            Some(_) => format!("_{}", plain.trim_start_matches('-')),
            // As part of a path, clients would resolve it.
            None if is_dots(&plain) => format!("_{plain}"),
            None => plain,
        }
    }
}

/// A request with its decompressed body, where it was compressed.
fn decompressed<'a>(request: &Request<'a>, body: Option<&'a [u8]>) -> Request<'a> {
    body.map_or(*request, |body| Request { body, ..*request })
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The charset that a content type names.
fn charset(content_type: &str) -> Option<&str> {
    parameter(content_type.split_once(';')?.1, "charset")
}

/// A content type that says more than JSON (`application/cloudevents+json`): it is delivered with the event. That of a
/// batch is not that of its items.
fn own_json(content_type: &str, item: bool) -> Option<Cow<'_, str>> {
    let named = essence(content_type).len() > "+json".len()
        && essence(content_type).to_ascii_lowercase().ends_with("+json");
    match content_type.to_ascii_lowercase().find("-batch+json") {
        _ if !named => None,
        Some(at) if item => {
            let (head, tail) = content_type.split_at_checked(at)?;
            Some(format!("{head}{}", tail.get("-batch".len()..)?).into())
        }
        _ => Some(content_type.into()),
    }
}

/// How many sources it has come through.
fn hops(request: &Request<'_>) -> u32 {
    let said = header(request, HOPS);
    said.map_or(0, |said| said.trim().parse().unwrap_or(MAX_HOPS))
}

fn header<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    let mut found = request.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.as_str())
}
