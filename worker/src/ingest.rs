//! `/in/…`: what providers send to a source.
//!
//! The usual request costs one call of the source's App object, and one durable write there: the source is known from the
//! last seconds, the signature is verified here. What is refused costs no call, but for the few that are kept for a look.
//!
//! Where a provider publishes its public keys, they are fetched from the URL that the core has allowed, and remembered.

use crate::js::{self, CallError, Incoming, Repeat, now};
use crate::{directory, settings};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::api::call::Call;
use weir_core::api::route::DirectoryOp;
use weir_core::cache::Cache;
use weir_core::deployment::Deployment;
use weir_core::frame::{self, Accepted, IngestAsk, NewMessage};
use weir_core::pace::Pace;
use weir_core::rng::{Entropy, System};
use weir_core::scheme::{Reason, Request};
use weir_core::source::keyring::{self, KeyRing, Known as KnownKeys};
use weir_core::source::rejected::Rejected;
use weir_core::source::url::{PREFIX, Signer, Token};
use weir_core::source::{Definition, Gate, MAX_STORED_AT_ONCE, Receipt, Refusal, Sampler, SourceRow};
use weir_core::vault::Place as VaultPlace;
use weir_core::wire::Operation;
use weir_core::wire::app::{Accept, Ingest, KeepRejected};
use weir_core::wire::name::AppName;
use worker::console_error;

/// How long the Worker believes what the Directory said of a source. A change that goes through this isolate is known at
/// once.
const BELIEF_MS: i64 = 10_000;
/// How many sources are remembered.
const REMEMBERED: usize = 1024;
/// How long a provider has to answer with its keys, or to a visit.
const FETCH_TIMEOUT_MS: i64 = 5_000;
/// The most bytes of a certificate or key set, and of the answer to a visit.
const MAX_FETCHED: usize = 16 * 1024;
/// How many tokens that were made with other keys than the deployment's are looked at.
const DOUBTED_RATE: Pace = Pace { limit: 20, window_ms: 1_000 };

thread_local! {
    /// Sources by tenant and id. One that has expired is used if the Directory does not answer.
    static SOURCES: RefCell<Cache<(String, String), Known>> = RefCell::new(Cache::new(REMEMBERED));
    /// How many tokens of unknown keys are looked at.
    static DOUBTED: RefCell<Option<Gate>> = const { RefCell::new(None) };
    /// Providers' public keys, by URL.
    static KEYS: RefCell<KeyRing> = RefCell::new(KeyRing::default());
}

/// What is known of a source, and what this isolate has seen of it.
#[derive(Clone)]
struct Known {
    /// `None` where there is none (any more).
    definition: Option<Rc<Definition>>,
    seen: Rc<RefCell<Seen>>,
}

#[derive(Default)]
struct Seen {
    gate: Option<Gate>,
    sampler: Sampler,
    /// The same of requests that repeat events.
    repeats: Sampler,
    /// What is fetched for it.
    fetches: Option<Gate>,
}

/// An answer to a provider.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = Self::of(refusal.status, "application/json", refusal.body());
        answer.headers.extend(refusal.header.map(|(name, value)| (name.to_owned(), value)));
        answer
    }
}

impl Answer {
    fn of(status: u16, content_type: &str, body: String) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![header("content-type", content_type), header("x-content-type-options", "nosniff")];
        Self { status, headers, body }
    }
}

/// Forgets what is believed of a source: it was changed.
pub(crate) fn forget(org: &str, source: &str) {
    SOURCES.with_borrow_mut(|known| known.expire(&(org.to_owned(), source.to_owned())));
}

/// The source of this id or uid with its row, as the Directory has it now.
pub(crate) async fn read(env: &JsValue, org: &str, key: &str) -> Result<Option<SourceRow>, CallError> {
    let call = Call { params: vec![key.to_owned()], ..Call::new(DirectoryOp::SourceGet) };
    let reply = directory::ask(env, org, &call).await?;
    match reply.status {
        200 => frame::decode(&reply.body).map(Some).map_err(CallError::from),
        404 => Ok(None),
        status => Err(format!("the Directory answered {status}").into()),
    }
}

/// Answers a request at a source's URL. Without `body`, it was too large to read.
pub(crate) async fn answer(incoming: Incoming, body: Option<Vec<u8>>, env: JsValue) -> web_sys::Response {
    let answer = match receive(&incoming, body, &env).await {
        Ok(answer) => answer,
        Err(error) => {
            console_error!("{} /in/: {error}", incoming.method);
            Refusal::unavailable().into()
        }
    };
    js::answer_with(answer.status, &answer.headers, &answer.body)
}

/// How many bytes of a request's body are read, at most; 0 where its URL is no source's. `None` where the Directory has to
/// be asked.
pub(crate) fn admitted(incoming: &Incoming) -> Option<usize> {
    let Some(token) = token_of(incoming) else { return Some(0) };
    let known = remembered(&(token.org.clone(), token.source.clone()))?;
    Some(known.limit(&token))
}

/// The same, where the Directory has to be asked.
pub(crate) async fn admit(incoming: &Incoming, env: &JsValue) -> Result<usize, String> {
    let deployment = settings::of(env)?;
    let Some(token) = token_of(incoming) else { return Ok(0) };
    Ok(find(env, &deployment, &token).await?.limit(&token))
}

async fn receive(incoming: &Incoming, body: Option<Vec<u8>>, env: &JsValue) -> Result<Answer, String> {
    let deployment = settings::of(env)?;
    let Some(token) = token_of(incoming) else { return Ok(Refusal::unknown().into()) };
    let known = find(env, &deployment, &token).await?;
    let valid = |definition: &&Rc<Definition>| definition.record.accepts(&token, now());
    let Some(definition) = known.definition.as_ref().filter(valid) else {
        return Ok(Refusal::unknown().into());
    };
    let most = definition.max_body();
    let url = definition.url(&incoming.url);
    let at = Place::new(env, &token.org, &token.source);
    let read = body.as_deref().unwrap_or_default();
    let request = Request { method: &incoming.method, url: &url, headers: &incoming.headers, body: read };
    let fits = body.is_some() && u32::try_from(read.len()).is_ok_and(|length| length <= most);
    let entered =
        if fits { known.enter(definition).map_err(Refusal::too_many) } else { Err(Refusal::too_large(most)) };
    if let Err(refusal) = entered {
        let sampled = known.seen.borrow_mut().sampler.take(now());
        if let Some(skipped) = sampled {
            let mut kept = definition.turned_away(&request, &refusal, skipped, now());
            if body.is_none() {
                // How large it was is not known, only that it was more than this.
                kept.size = u64::from(most).saturating_add(1);
            }
            at.note(&kept).await;
        }
        return Ok(definition.shaped(refusal).into());
    }
    match known.look_at(definition, &request, &deployment).await {
        Receipt::Handshake(answer) => {
            if let Some(url) = &answer.visit
                && let Err(why) = fetch(&deployment, url).await
            {
                console_error!("{}: the subscription was not confirmed: {why}", token.source);
                return Ok(Refusal::unavailable().into());
            }
            if let Some(secret) = &answer.adopt
                && !at.adopt(&deployment, secret).await?
            {
                return Ok(Answer::of(403, "text/plain; charset=utf-8", String::new()));
            }
            Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
        }
        Receipt::Rejected(refusal, reason) => {
            let sampled = known.seen.borrow_mut().sampler.take(now());
            if let Some(skipped) = sampled {
                at.note(&definition.rejected(&request, &reason, skipped, now())).await;
            }
            Ok(refusal.into())
        }
        Receipt::Unusable(refusal) => {
            let sampled = known.seen.borrow_mut().sampler.take(now());
            if let Some(skipped) = sampled {
                at.note(&definition.turned_away(&request, &refusal, skipped, now())).await;
            }
            Ok(refusal.into())
        }
        Receipt::Events(events) => {
            let ingest = events.first().and_then(|event| event.ingest.as_ref());
            let origin = ingest.map(|ingest| ingest.origin.clone()).unwrap_or_default();
            let mut repeats: Vec<(u32, String)> = Vec::new();
            for (place, answer) in (0u32..).zip(at.store(events, None).await?) {
                match answer {
                    Accepted::Stored { replayed: false, .. } => {}
                    Accepted::Stored { id, .. } => repeats.push((place, id)),
                    Accepted::Limited { wait_ms } => {
                        known.seen.borrow_mut().gate.iter_mut().for_each(|gate| gate.close(now(), wait_ms));
                        return Ok(definition.shaped(Refusal::too_many(wait_ms)).into());
                    }
                    other => return Err(format!("{}: not stored: {other:?}", token.source)),
                }
            }
            if !repeats.is_empty() {
                let sampled = known.seen.borrow_mut().repeats.take(now());
                if let Some(skipped) = sampled {
                    at.note(&definition.repeated(&request, &origin, &repeats, skipped, now())).await;
                }
            }
            let (status, content_type, body) = definition.answer();
            Ok(Answer::of(status, content_type, body.to_owned()))
        }
    }
}

fn token_of(incoming: &Incoming) -> Option<Token> {
    let (path, _) = crate::api::split(&incoming.url);
    Token::read(path.strip_prefix(PREFIX)?.trim_end_matches('/'))
}

/// Whether the Directory may be asked about a token. One that none of the deployment's keys has made may be right all the
/// same, if it was made before the keys were changed; it may as well be made up, so only a few are looked at.
fn may_ask(deployment: &Deployment, token: &Token) -> bool {
    let Some(signer) = Signer::new(deployment) else { return false };
    signer.knows(token)
        || DOUBTED
            .with_borrow_mut(|gate| gate.get_or_insert_with(|| Gate::new(DOUBTED_RATE)).enter(now()).is_ok())
}

/// What is known of a source, and not too old to be believed.
fn remembered(place: &(String, String)) -> Option<Known> {
    SOURCES.with_borrow(|known| known.fresh(place, now()).cloned())
}

/// What is known of the source of a token; asks the Directory where that is too long ago.
async fn find(env: &JsValue, deployment: &Deployment, token: &Token) -> Result<Known, String> {
    let place = (token.org.clone(), token.source.clone());
    if let Some(known) = remembered(&place) {
        return Ok(known);
    }
    let before = SOURCES.with_borrow(|known| known.get(&place).cloned());
    // What has been a source shortly ago is none of those.
    if before.as_ref().is_none_or(|known| known.definition.is_none()) && !may_ask(deployment, token) {
        return Err("too many URLs that were made with other keys were called".to_owned());
    }
    let row = match (read(env, &token.org, &token.source).await, before.clone()) {
        (Ok(row), _) => row,
        // What was known is better than to lose an event.
        (Err(error), Some(known)) => {
            console_error!("{}: believed a little longer: {error}", token.source);
            return Ok(known);
        }
        (Err(error), None) => return Err(error.into()),
    };
    let definition = row.map(|row| {
        let definition = Definition::new(row, &deployment.vault, deployment.dedup_window_ms);
        if let Some(why) = definition.locked() {
            console_error!("{}: {why}", definition.id);
        }
        Rc::new(definition)
    });
    let seen = before.map(|known| known.seen).unwrap_or_default();
    let known = Known { definition, seen };
    let until = now().saturating_add(BELIEF_MS);
    SOURCES.with_borrow_mut(|all| all.insert_until(place, known.clone(), until));
    Ok(known)
}

async fn fetch(deployment: &Deployment, url: &str) -> Result<String, String> {
    js::fetch_text(&deployment.asked_at(url), FETCH_TIMEOUT_MS, MAX_FETCHED).await
}

/// The keys at a URL that the core has allowed; `may` is asked before any are fetched.
async fn keys_at(deployment: &Deployment, url: &str, may: impl FnOnce() -> bool) -> Result<String, String> {
    match KEYS.with_borrow(|ring| ring.look(url, now())) {
        KnownKeys::Keys(keys) => return Ok(keys),
        KnownKeys::Failed(why) => return Err(why),
        KnownKeys::Nothing if !may() => return Err("too many URLs were asked for".to_owned()),
        KnownKeys::Nothing => {}
    }
    let found = fetch(deployment, url).await;
    KEYS.with_borrow_mut(|ring| ring.learn(url, found.clone(), now()));
    found
}

/// The same for whoever has a token of the API.
pub(crate) async fn published(env: &JsValue, url: &str) -> Result<String, String> {
    let deployment = settings::of(env)?;
    keys_at(&deployment, url, || true).await
}

impl Known {
    /// The most bytes of a body; 0 where there is no source, or the token is not valid any more.
    fn limit(&self, token: &Token) -> usize {
        let valid = |definition: &&Rc<Definition>| definition.record.accepts(token, now());
        let most = self.definition.as_ref().filter(valid).map_or(0, |definition| definition.max_body());
        usize::try_from(most).unwrap_or_default()
    }

    /// What a request comes to, verified with the provider's published keys where it is to be.
    async fn look_at(
        &self,
        definition: &Definition,
        request: &Request<'_>,
        deployment: &Deployment,
    ) -> Receipt {
        let url = match definition.key_url(request) {
            None => return definition.receive(request, now()),
            Some(Err(reason)) => return definition.receive_with(request, Some(Err(reason)), now()),
            Some(Ok(url)) => url,
        };
        let keys = self.keys(&url, deployment).await;
        let receipt = definition.receive_with(request, Some(keys), now());
        let doubted = matches!(receipt, Receipt::Rejected(_, Reason::Mismatch(_)))
            && KEYS.with_borrow_mut(|ring| ring.doubt(&url, now()));
        if !doubted {
            return receipt;
        }
        let keys = self.keys(&url, deployment).await;
        definition.receive_with(request, Some(keys), now())
    }

    /// The keys at a URL that the core has allowed.
    async fn keys(&self, url: &str, deployment: &Deployment) -> Result<String, Reason> {
        let may = || self.seen.borrow_mut().fetches.get_or_insert_with(keyring::fetches).enter(now()).is_ok();
        keys_at(deployment, url, may).await.map_err(Reason::KeysUnavailable)
    }

    /// Lets a request in, or says how long it would have to wait.
    fn enter(&self, definition: &Definition) -> Result<(), i64> {
        let mut seen = self.seen.borrow_mut();
        let Some(pace) = definition.rate() else {
            seen.gate = None;
            return Ok(());
        };
        let gate = seen.gate.get_or_insert_with(|| Gate::new(pace));
        gate.set_pace(pace);
        gate.enter(now())
    }
}

/// A source's App object.
pub(crate) struct Place<'a> {
    env: &'a JsValue,
    name: AppName,
}

impl<'a> Place<'a> {
    pub(crate) fn new(env: &'a JsValue, org: &str, source: &str) -> Self {
        Self { env, name: AppName::new(org, source) }
    }

    pub(crate) async fn call<O: Operation<Object = AppName>>(
        &self,
        request: &O::Request,
        repeat: Repeat,
    ) -> Result<O::Response, CallError> {
        js::ask::<O>(self.env, &self.name, request, repeat).await
    }

    /// Puts a request into the list of those that were not delivered. That it is not in there loses no event.
    async fn note(&self, kept: &Rejected) {
        if let Err(error) = self.call::<KeepRejected>(kept, Repeat::Never).await {
            console_error!("{}: a rejected request was not kept: {error}", self.name);
        }
    }

    /// Stores the events of one request: all, or none of each [`MAX_STORED_AT_ONCE`]. Where the request counts against a rate
    /// limit, it counts once.
    pub(crate) async fn store(
        &self,
        mut events: Vec<NewMessage>,
        rejected: Option<String>,
    ) -> Result<Vec<Accepted>, CallError> {
        let mut answers = Vec::with_capacity(events.len());
        while events.len() > MAX_STORED_AT_ONCE {
            let mut later = events.split_off(MAX_STORED_AT_ONCE);
            later.iter_mut().filter_map(|event| event.ingest.as_mut()).for_each(|ingest| ingest.rate = None);
            let stored = self.store_some(events, None).await?;
            let limited = stored.iter().any(|answer| matches!(answer, Accepted::Limited { .. }));
            answers.extend(stored);
            if limited {
                return Ok(answers);
            }
            events = later;
        }
        answers.extend(self.store_some(events, rejected).await?);
        Ok(answers)
    }

    /// Stores events: all, or none. By their nonces they are stored once, whatever has to be repeated.
    async fn store_some(
        &self,
        mut events: Vec<NewMessage>,
        rejected: Option<String>,
    ) -> Result<Vec<Accepted>, CallError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        for event in &mut events {
            event.nonce = Some(System.number());
        }
        let one = if events.len() == 1 && rejected.is_none() { events.pop() } else { None };
        let all = IngestAsk { messages: events, rejected };
        for fresh in [false, true] {
            if fresh {
                // The object has not heard of itself yet: the Directory tells it whenever it is asked.
                read(self.env, &self.name.org, &self.name.app_id).await?;
            }
            let answers = match &one {
                Some(event) => vec![self.call::<Accept>(event, Repeat::Safe).await?],
                None => self.call::<Ingest>(&all, Repeat::Safe).await?.answers,
            };
            if !answers.contains(&Accepted::Unknown) {
                return Ok(answers);
            }
        }
        Err(format!("{} does not know that it exists", self.name).into())
    }

    /// Makes a text that the provider sent the source's secret, unless it has one by now.
    async fn adopt(&self, deployment: &Deployment, secret: &str) -> Result<bool, String> {
        let Some(SourceRow { id, mut record }) = read(self.env, &self.name.org, &self.name.app_id).await?
        else {
            return Ok(false);
        };
        if !record.secrets.is_empty() {
            return Ok(false);
        }
        let sealed = deployment.vault.seal(VaultPlace::secret(&id), secret, &mut System);
        record.secrets = vec![sealed.map_err(|e| e.to_string())?];
        let call =
            Call { params: vec![id], body: frame::encode(&record), ..Call::new(DirectoryOp::SourceUpdate) };
        // Where two of them come at once, the Directory takes the first.
        let reply = directory::ask(self.env, &self.name.org, &call).await?;
        forget(&self.name.org, &self.name.app_id);
        Ok(reply.status == 200)
    }
}
