//! The API's front: finds the operation, checks the token, and asks the object that answers.

mod auth;
mod batch;
mod docs;
mod example;
mod followers;
mod operational;
mod plugin;
mod presets;
mod source;

pub(crate) use auth::origin;

use crate::js::{self, CallError, Parts, Repeat, now};
use crate::{dashboard, directory, settings};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::api::body;
use weir_core::api::call::{Call, Reply};
use weir_core::api::model::endpoint::unknown_event_types;
use weir_core::api::model::event_type::RefusedTypes;
use weir_core::api::model::message::{MAX_PAYLOAD, MessageAnswer, MessageIn, message_out_json};
use weir_core::api::model::plugin::module_too_large;
use weir_core::api::model::setting;
use weir_core::api::query::Query;
use weir_core::api::route::{self, Home, Op, Route, Scope};
use weir_core::cache::Cache;
use weir_core::deployment::Deployment;
use weir_core::error::{ApiError, Code, Trouble};
use weir_core::frame::{Accepted, NewMessage};
use weir_core::id;
use weir_core::idempotency::{self, Idempotency};
use weir_core::operational::APP_ID;
use weir_core::pace::Pace;
use weir_core::rng::{Entropy, System};
use weir_core::source::Gate;
use weir_core::token::{self, Claims};
use weir_core::wire::name::AppName;
use weir_core::wire::{self, Operation};
use worker::console_error;

/// How long the Worker believes what the Directory said of a uid. The App object itself knows whether it (still) has that
/// uid, and is told it with every call, so a stale belief is found out by the first call that it leads astray.
const BELIEF_MS: i64 = 3_600_000;
/// The most headers that warn.
const MAX_WARNINGS: usize = 3;
/// How many tokens and uids are remembered.
const REMEMBERED: usize = 4096;

thread_local! {
    /// Tokens that were verified: verifying is repeated work, and callers send the same few.
    static TOKENS: RefCell<Cache<String, Rc<Claims>>> = RefCell::new(Cache::new(REMEMBERED));
    /// How many requests came with a token.
    static GATES: RefCell<Cache<String, Gate>> = RefCell::new(Cache::new(REMEMBERED));
    /// Applications by tenant and uid.
    static UIDS: RefCell<Cache<(String, String), String>> = RefCell::new(Cache::new(REMEMBERED));
}

/// One request of the API, and who sent it.
pub(crate) struct Caller {
    pub(crate) env: JsValue,
    pub(crate) claims: Rc<Claims>,
    /// The token as it came.
    pub(crate) token: String,
    /// What the request has to be known by if it is sent again.
    pub(crate) idempotency_key: String,
}

/// Answers a request. Every answer is JSON, or empty with 204.
pub(crate) async fn answer(parts: Parts, body: Option<Vec<u8>>, env: JsValue) -> web_sys::Response {
    let (path, query) = split(&parts.url);
    if dashboard::is_here(path) {
        return dashboard::answer(&parts, path, query, body, env).await;
    }
    if let Some(page) = docs::answer(&parts) {
        return page;
    }
    respond(&reply(&parts, body, env).await)
}

/// The answer to a request whose App object did not answer.
/// The response where an App object has more to store than it can: it is not asked again.
pub(crate) fn overloaded() -> web_sys::Response {
    respond(&not_stored(Trouble::Overloaded).into())
}

pub(crate) fn failed(error: CallError) -> web_sys::Response {
    console_error!("POST msg: {error}");
    respond(&ApiError::from(error).into())
}

fn respond(reply: &Reply) -> web_sys::Response {
    if let Some(content_type) = &reply.content_type {
        return js::answer_bytes(content_type, &reply.body);
    }
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    // A header, too, for whoever gets no object back; and when to come again.
    let seconds = reply.retry_after.or((reply.status == 429).then_some(1)).map(|seconds| seconds.to_string());
    let retry = seconds.as_deref().map(|seconds| ("retry-after", seconds));
    let warnings = reply.warnings.iter().flatten().map(|warning| ("weir-warning", warning.as_str()));
    let further: Vec<(&str, &str)> = warnings.take(MAX_WARNINGS).chain(retry).collect();
    if further.is_empty() {
        js::answer(reply.status, text)
    } else {
        let headers = [("content-type", "application/json"), ("x-content-type-options", "nosniff")];
        let headers: Vec<(&str, &str)> = headers.into_iter().chain(further).collect();
        js::answer_with(reply.status, &headers, text)
    }
}

/// How many bytes of a request's body are read, at most: 0 where nothing that it could say would be listened to. Why, is
/// said when it is answered.
pub(crate) fn admitted(parts: &Parts, env: &JsValue) -> usize {
    let (path, _) = split(&parts.url);
    if dashboard::is_here(path) {
        return dashboard::admitted(parts, path, env);
    }
    let Ok(route) = route::find(&parts.method, path) else { return 0 };
    if route.scope == Scope::Public {
        return 0;
    }
    let Ok(deployment) = settings::of(env) else { return 0 };
    let Ok((claims, token)) = authenticate(&parts.authorization, &deployment) else { return 0 };
    let caller = Caller { env: env.clone(), claims, token, idempotency_key: String::new() };
    if caller.check_scope(&route).is_ok() { route.op.max_body() } else { 0 }
}

/// What the API says to a request; what went wrong inside is logged.
pub(crate) async fn reply(parts: &Parts, body: Option<Vec<u8>>, env: JsValue) -> Reply {
    let reply: Reply = handle(parts, body, env).await.into();
    if let Some(log) = &reply.log {
        // Without the query: it is the caller's own.
        console_error!("{} {}: {log}", parts.method, split(&parts.url).0);
    }
    reply
}

async fn handle(parts: &Parts, body: Option<Vec<u8>>, env: JsValue) -> Result<Reply, ApiError> {
    let (path, query) = split(&parts.url);
    #[cfg(feature = "test-hooks")]
    if let Some(reply) = crate::test_hooks::answer(&env, path).await {
        return reply;
    }
    let route = route::find(&parts.method, path)?;
    if route.scope == Scope::Public {
        return Ok(public(&route));
    }
    // Events are taken in whatever is wrong with a setting; nobody looks away from it for long, since all else stops.
    let is_event = matches!(route.op, Op::MessageCreate | Op::MessageBatch);
    let deployment = if is_event { settings::of(&env) } else { settings::right(&env) };
    let deployment = deployment.map_err(|sentence| ApiError::new(Code::InvalidSetting, sentence))?;
    let (claims, token) = authenticate(&parts.authorization, &deployment)?;
    let caller = Caller { env, claims, token, idempotency_key: parts.idempotency_key.clone() };
    caller.check_scope(&route)?;
    enter(&caller, &deployment)?;
    caller.check_token(route.op, &parts.method).await?;
    let body = body.filter(|body| body.len() <= route.op.max_body()).ok_or_else(|| too_large(route.op))?;
    caller.serve(parts, route, query, body).await
}

/// Lets a request of a token in, or says that there were too many in this second. Each isolate counts by itself: the limit is
/// there to stop what runs wild, and is not exact.
fn enter(caller: &Caller, deployment: &Deployment) -> Result<(), ApiError> {
    let limit = deployment.api_rate_limit;
    if limit == 0 {
        return Ok(());
    }
    let pace = Pace { limit, window_ms: 1_000 };
    let waits = GATES.with_borrow_mut(|gates| {
        gates.touch_or_insert(caller.token.clone(), || Gate::new(pace)).enter(now()).err()
    });
    match waits {
        None => Ok(()),
        Some(_) => Err(ApiError::new(
            Code::RateLimitExceeded,
            format!(
                "The rate limit of this token is {limit} requests per second. Send the request again in a second."
            ),
        )),
    }
}

/// A message that can be handed to its App object at once.
pub(crate) struct Hot {
    /// The App object's name.
    pub(crate) object: AppName,
    /// The message, for the object.
    pub(crate) frame: Vec<u8>,
    /// The answer to the caller, but for what the object will say.
    pub(crate) answer: MessageAnswer,
}

/// The usual request, answered without a future of Rust's: a message for an application that needs no looking up.
/// `None` for every other request, also for one that is wrong: [`answer`] deals with it from the start.
pub(crate) fn hot(parts: &Parts, body: &[u8], env: &JsValue) -> Option<Hot> {
    let (path, query) = split(&parts.url);
    if parts.method != "POST" || !path.trim_end_matches('/').ends_with("/msg") {
        return None;
    }
    let route = route::find(&parts.method, path).ok().filter(|route| route.op == Op::MessageCreate)?;
    let deployment = settings::of(env).ok()?;
    let (claims, token) = authenticate(&parts.authorization, &deployment).ok()?;
    let caller = Caller { env: env.clone(), claims, token, idempotency_key: String::new() };
    caller.check_scope(&route).ok()?;
    if !caller.is_trusted() {
        return None;
    }
    let key = route.app().filter(|key| *key != APP_ID && !id::is(id::SOURCE, key))?;
    let (app_id, uid) = caller.believed(key)?;
    let with_content = if query.is_empty() { true } else { Query::parse(query).with_content(true).ok()? };
    let usual = |message: &MessageIn<'_>| message.application.is_none() && message.deliver_at().is_none();
    body::forget_unknown();
    let message = MessageIn::parse(body).ok().filter(usual)?;
    if !body::take_unknown().is_empty() || enter(&caller, &deployment).is_err() {
        return None;
    }
    let mut new = caller.new_message(&parts.idempotency_key, &message, body);
    new.app_uid = uid;
    Some(Hot {
        object: AppName::new(&caller.claims.org, &app_id),
        frame: wire::request::<wire::app::Accept>(&new),
        answer: MessageAnswer::new(&message.fields(), with_content),
    })
}

/// Path and query of a URL.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    let path = path.split('#').next().unwrap_or(path);
    path.split_once('?').unwrap_or((path, ""))
}

fn public(route: &Route) -> Reply {
    match route.op {
        Op::Health => Reply::raw_json(
            200,
            r#"{"database":{"status":"ok"},"queue":{"status":"ok"},"cache":{"status":"ok"}}"#.to_owned(),
        ),
        Op::Openapi => Reply::raw_json(200, docs::OPENAPI.to_owned()),
        _ => Reply::empty(204),
    }
}

/// Whose token an `authorization` header holds.
pub(crate) fn authenticate(header: &str, deployment: &Deployment) -> Result<(Rc<Claims>, String), ApiError> {
    let refused = |detail: &str| ApiError::new(Code::AuthenticationFailed, detail);
    let token = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| refused("Send the header 'Authorization: Bearer <token>'."))?;
    let now = now();
    if let Some(claims) = TOKENS.with_borrow(|known| known.fresh(token, now).cloned()) {
        return Ok((claims, token.to_owned()));
    }
    if deployment.jwt_secret.is_none() {
        return Err(ApiError::new(
            Code::InvalidSetting,
            "The deployment has no JWT_SECRET, so no token is valid. Set one: npx wrangler secret put JWT_SECRET",
        ));
    }
    let claims = token::verify_by(deployment.jwt_secrets(), token, now);
    let claims = Rc::new(claims.map_err(|e| refused(&e.to_string()))?);
    let until = claims.expires_at.unwrap_or(i64::MAX);
    TOKENS.with_borrow_mut(|known| known.insert_until(token.to_owned(), claims.clone(), until));
    Ok((claims, token.to_owned()))
}

/// Whether it is the id of an application, or of a source, which has one of its own.
fn is_app_id(key: &str) -> bool {
    id::is(id::APP, key) || id::is(id::SOURCE, key)
}

/// A body that was not even read.
fn too_large(op: Op) -> ApiError {
    if op == Op::PluginUpload {
        return module_too_large();
    }
    let limit = op.max_body();
    let detail = match op {
        Op::MessageCreate => {
            format!("The body is too large: the payload of a message is limited to {MAX_PAYLOAD} bytes.")
        }
        _ => format!("The body is too large: the limit is {limit} bytes."),
    };
    ApiError::new(Code::PayloadTooLarge, detail)
}

fn internal(text: String) -> ApiError {
    ApiError::Internal(text)
}

fn no_app() -> ApiError {
    ApiError::not_found("Application")
}

impl Caller {
    /// An application's token reaches its own application only, and what its scope allows there.
    fn check_scope(&self, route: &Route) -> Result<(), ApiError> {
        if self.claims.app.is_some() && route.scope == Scope::Org {
            return Err(ApiError::new(
                Code::InsufficientAccess,
                "This operation requires an organization token; you sent an application token.",
            ));
        }
        Ok(())
    }

    async fn serve(
        &self,
        parts: &Parts,
        route: Route,
        query: &str,
        body: Vec<u8>,
    ) -> Result<Reply, ApiError> {
        let mut app_key = route.app().map(str::to_owned);
        // These are reached by their own routes only.
        let named = route.params.first().filter(|_| !matches!(route.home, Home::Source | Home::Operational));
        let is_own = |key: &str| key == APP_ID || (id::is(id::SOURCE, key) && app_key.is_some());
        if named.is_some_and(|key| is_own(key)) {
            return Err(no_app());
        }
        if route.home == Home::Source {
            let key = route.params.first().map_or("", String::as_str);
            // An id is taken at its word, as an application's is.
            let by_id = id::is(id::SOURCE, key);
            app_key = Some(if by_id { key.to_owned() } else { self.read_source(key).await?.id });
        }
        if let (Some(own), Some(key)) = (&self.claims.app, &app_key)
            && own != key
            && self.resolve(key, false).await?.0.as_ref() != Some(own)
        {
            return Err(no_app());
        }
        match (route.home, route.op) {
            (_, Op::MessageCreate) => {
                self.create_message(parts, &app_key.unwrap_or_default(), query, &body).await
            }
            (_, Op::MessageBatch) => self.create_batch(&app_key.unwrap_or_default(), &body).await,
            (Home::Worker, Op::PresetList | Op::PresetGet | Op::PresetVerify | Op::PresetSign) => {
                presets::answer(&self.env, &route, query, &body).await
            }
            (Home::Operational, _) => self.operational(route, query, body).await,
            (
                Home::Worker,
                Op::SourceList
                | Op::SourceCreate
                | Op::SourceGet
                | Op::SourceUpdate
                | Op::SourceDelete
                | Op::SourceRotate
                | Op::SourcePortal
                | Op::RejectedAccept,
            ) => self.source(&parts.url, &route, query, &body).await,
            (Home::Worker, Op::TenantErase) => self.erase_tenant(route, query).await,
            (Home::Worker, Op::SettingsGet) => {
                let deployment = settings::of(&self.env).map_err(internal)?;
                Ok(Reply::json(200, &setting::settings(&deployment)))
            }
            (_, Op::TaskGet) => Ok(self.find_task(route).await?.0),
            (Home::Worker, Op::TaskCancel) => self.cancel_task(route).await,
            (_, Op::PluginTest) => self.test_plugin(&route, &body).await,
            (_, Op::PluginsPut) => self.put_plugins(&app_key.unwrap_or_default(), route, &body).await,
            (_, Op::PluginDelete | Op::VersionDelete) => self.delete_plugin(route, query).await,
            (_, op @ (Op::PluginUpload | Op::PluginCurrent)) => {
                self.change_version(op, route, query, body).await
            }
            (Home::Worker, _) => self.auth(&parts.url, &route, query, &body).await,
            (Home::App | Home::Source, op) => {
                // A source's events have the types that the provider gives them.
                let barred_types = match route.home {
                    Home::App => self.check_event_types(op, &body).await?,
                    _ => None,
                };
                let body = match op {
                    Op::SendExample => match self.with_example(body).await? {
                        Ok(body) => body,
                        Err(reply) => return Ok(reply),
                    },
                    _ => body,
                };
                let call = Call { barred_types, ..self.call(op, route, query, body) };
                self.ask_app(&app_key.unwrap_or_default(), &call).await
            }
            (_, op) => {
                let call = self.call(op, route, query, body);
                let reply = directory::ask(&self.env, &self.claims.org, &call).await?;
                if op == Op::AppDelete {
                    auth::forget_tokens();
                }
                Ok(reply)
            }
        }
    }

    /// A task, and the application whose it is. An application's token sees its own only.
    async fn find_task(&self, route: Route) -> Result<(Reply, Option<String>), ApiError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Task {
            data: Data,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            #[serde(default)]
            app_id: Option<String>,
        }
        let find = self.call(Op::TaskGet, route, "", Vec::new());
        let found = directory::ask(&self.env, &self.claims.org, &find).await.map_err(ApiError::from)?;
        if found.status != 200 {
            return Ok((found, None));
        }
        let task: Task = serde_json::from_slice(&found.body).map_err(|e| internal(e.to_string()))?;
        if self.claims.app.is_some() && task.data.app_id != self.claims.app {
            return Err(ApiError::not_found("Task"));
        }
        Ok((found, task.data.app_id))
    }

    /// Stops a task: the Directory knows whose it is.
    async fn cancel_task(&self, route: Route) -> Result<Reply, ApiError> {
        let params = route.params.clone();
        let (found, app_id) = self.find_task(route).await?;
        if found.status != 200 {
            return Ok(found);
        }
        if let Some(app_id) = &app_id {
            let stop = Call { op: Op::TaskStop.name().to_owned(), params, ..Call::default() };
            return self.ask_app(app_id, &stop).await;
        }
        let stop = Call { op: Op::UsageStop.name().to_owned(), params, ..Call::default() };
        directory::ask(&self.env, &self.claims.org, &stop).await.map_err(ApiError::from)
    }

    /// Erases all that the tenant has: it has to say who it is, so that nobody does it by mistake.
    async fn erase_tenant(&self, route: Route, query: &str) -> Result<Reply, ApiError> {
        if Query::parse(query).text("confirm") != Some(self.claims.org.as_str()) {
            let detail = format!(
                "This deletes all data of the tenant. Confirm it with ?confirm={}, the id of the organization.",
                self.claims.org
            );
            return Err(ApiError::new(Code::ConfirmationRequired, detail));
        }
        let call = self.call(Op::TenantErase, route, "", Vec::new());
        directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)
    }

    /// The request as its object gets it.
    fn call(&self, op: Op, route: Route, query: &str, body: Vec<u8>) -> Call {
        // Without the name of an application, which may be its id in one try and its uid in the next: its object remembers.
        let params = route.into_call_params();
        let idempotency = self.idempotency(op, &params, &body);
        Call {
            op: op.name().to_owned(),
            params,
            query: query.to_owned(),
            body,
            app_scope: self.claims.app.is_some(),
            feature_flags: self.claims.feature_flags.clone(),
            app_uid: None,
            idempotency,
            reads_only: !self.claims.can(Op::EndpointUpdate),
            without_plugins: !self.claims.can(Op::PluginsPut),
            barred_types: None,
        }
    }

    /// By which a request that creates something is known again, if its sender wants that.
    fn idempotency(&self, op: Op, params: &[String], body: &[u8]) -> Option<Idempotency> {
        let key = Some(&self.idempotency_key).filter(|key| !key.is_empty() && op.creates())?;
        Some(Idempotency::new(&self.claims.org, op.name(), key, params, body))
    }

    /// What is known of the application that a path names without asking: its id, and its uid where it was named by
    /// that.
    fn believed(&self, key: &str) -> Option<(String, Option<String>)> {
        if is_app_id(key) {
            return Some((key.to_owned(), None));
        }
        let place = (self.claims.org.clone(), key.to_owned());
        let app_id = UIDS.with_borrow(|known| known.fresh(&place, now()).cloned())?;
        Some((app_id, Some(key.to_owned())))
    }

    /// The id of the application that a path names, and its uid where it was named by that. An id is taken at its
    /// word: the App object knows whether it exists. `fresh` asks the Directory in any case, which also tells an
    /// App object that has not heard of itself yet.
    async fn resolve(&self, key: &str, fresh: bool) -> Result<(Option<String>, Option<String>), ApiError> {
        if !fresh && let Some((app_id, uid)) = self.believed(key) {
            return Ok((Some(app_id), uid));
        }
        let by_id = is_app_id(key);
        let uid = (!by_id).then(|| key.to_owned());
        let place = (self.claims.org.clone(), key.to_owned());
        let now = now();
        let found = directory::resolve(&self.env, &self.claims.org, key).await.map_err(ApiError::from)?;
        UIDS.with_borrow_mut(|known| match &found {
            Some(app_id) if !by_id => {
                known.insert_until(place, app_id.clone(), now.saturating_add(BELIEF_MS));
            }
            _ => known.remove(&place),
        });
        Ok((found, uid))
    }

    /// The same, for a call of the application: an application's token reaches its own only, also where a uid has passed
    /// to another.
    async fn reach(&self, key: &str, fresh: bool) -> Result<(Option<String>, Option<String>), ApiError> {
        let (app_id, uid) = self.resolve(key, fresh).await?;
        match (&self.claims.app, &app_id) {
            (Some(own), Some(app_id)) if own != app_id => Err(no_app()),
            _ => Ok((app_id, uid)),
        }
    }

    /// Calls an App of the caller's organization.
    async fn call_app<O: Operation<Object = AppName>>(
        &self,
        app_id: &str,
        request: &O::Request,
        repeat: Repeat,
    ) -> Result<O::Response, ApiError> {
        let name = AppName::new(&self.claims.org, app_id);
        js::ask::<O>(&self.env, &name, request, repeat).await.map_err(ApiError::from)
    }

    /// Asks the App object; where it does not know itself, the Directory has the last word.
    async fn ask_app(&self, key: &str, call: &Call) -> Result<Reply, ApiError> {
        let repeat = Op::from_name(&call.op).is_some_and(Op::may_repeat).into();
        let mut call = call.clone();
        for fresh in [false, true] {
            let (app_id, uid) = self.reach(key, fresh).await?;
            let Some(app_id) = app_id else { return Err(no_app()) };
            call.app_uid = uid;
            let reply = self.call_app::<wire::app::Api>(&app_id, &call, repeat).await?;
            if reply.status != 0 {
                return Ok(reply);
            }
        }
        Err(no_app())
    }

    /// Endpoints may name only event types that exist: the Directory knows them. Gives those that do not, or that the token
    /// may not see: an endpoint may only keep them.
    async fn check_event_types(&self, op: Op, body: &[u8]) -> Result<Option<Vec<String>>, ApiError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            #[serde(default)]
            event_types: Option<Vec<String>>,
            #[serde(default)]
            filter_types: Option<Vec<String>>,
        }
        if !matches!(op, Op::EndpointCreate | Op::EndpointUpdate | Op::EndpointPatch) {
            return Ok(None);
        }
        // A body that cannot be read is explained by the App object.
        let Ok(named) = serde_json::from_slice::<Named>(body) else { return Ok(None) };
        let names = named.event_types.or(named.filter_types).unwrap_or_default();
        if names.is_empty() {
            return Ok(None);
        }
        let call = Call {
            op: Op::CheckEventTypes.name().to_owned(),
            params: names,
            app_scope: self.claims.app.is_some(),
            feature_flags: self.claims.feature_flags.clone(),
            ..Call::default()
        };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        let refused: RefusedTypes =
            serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
        if op == Op::EndpointCreate && !refused.unknown.is_empty() {
            return Err(unknown_event_types(&refused.unknown));
        }
        let barred = [refused.unknown, refused.hidden].concat();
        Ok(Some(barred).filter(|barred| !barred.is_empty()))
    }

    /// The message as the App object gets it.
    fn new_message(&self, idempotency_key: &str, message: &MessageIn<'_>, body: &[u8]) -> NewMessage {
        let fields = message.fields();
        let list = |items: Option<&[String]>| items.and_then(|items| serde_json::to_string(items).ok());
        let key = Some(idempotency_key).filter(|key| !key.is_empty());
        NewMessage {
            event_type: message.event_type.to_string(),
            payload: message.body().as_bytes().to_vec().into(),
            event_id: message.event_id.as_ref().map(ToString::to_string),
            channels: list(fields.channels),
            idempotency_key: key.map(|key| {
                let mut hash = Sha256::new();
                // The tenant's, not the token's: that may be another when the request is sent again.
                hash.update(self.claims.org.as_bytes());
                hash.update([0]);
                hash.update(key.as_bytes());
                hash.finalize().to_vec().into()
            }),
            body_hash: key.map(|_| Sha256::digest(body).to_vec().into()),
            retention_days: message.retention_days().map(i64::from),
            retention_hours: message.retention_hours(),
            deliver_at: message.deliver_at(),
            tags: list(fields.tags),
            headers: message.headers(),
            nonce: Some(System.number()),
            ..NewMessage::default()
        }
    }

    async fn create_message(
        &self,
        parts: &Parts,
        key: &str,
        query: &str,
        body: &[u8],
    ) -> Result<Reply, ApiError> {
        let with_content = if query.is_empty() { true } else { Query::parse(query).with_content(true)? };
        body::forget_unknown();
        let message = MessageIn::parse(body)?;
        let warnings = body::take_unknown();
        message.check_application(key)?;
        message.check_deliver_at(now())?;
        let mut new = self.new_message(&parts.idempotency_key, &message, body);
        let fields = message.fields();
        for fresh in [false, true] {
            let (app_id, uid) = self.reach(key, fresh).await?;
            let app_id = match app_id {
                Some(app_id) => app_id,
                None if message.application.is_some() => self.create_application(body).await?,
                None => return Err(no_app()),
            };
            new.app_uid = uid;
            match self.call_app::<wire::app::Accept>(&app_id, &new, Repeat::Safe).await? {
                Accepted::Stored { id, at, .. } => {
                    let answer = message_out_json(&id, at, &fields, with_content);
                    return Ok(Reply::raw_json(202, answer).warned(warnings));
                }
                Accepted::EventIdTaken => {
                    return Err(ApiError::conflict("A message with this eventId already exists."));
                }
                Accepted::KeyReused => return Err(idempotency::reused()),
                other => {
                    if let Some(trouble) = other.trouble() {
                        return Err(not_stored(trouble));
                    }
                }
            }
        }
        Err(no_app())
    }

    /// Makes the application that a message brings along, unless it exists by now.
    async fn create_application(&self, body: &[u8]) -> Result<String, ApiError> {
        #[derive(serde::Deserialize)]
        struct Brought<'a> {
            #[serde(borrow)]
            application: &'a RawValue,
        }
        #[derive(serde::Deserialize)]
        struct Created {
            id: String,
        }
        let brought: Brought<'_> = serde_json::from_slice(body).map_err(|e| internal(e.to_string()))?;
        let call = Call {
            op: Op::AppCreate.name().to_owned(),
            query: "get_if_exists=true".to_owned(),
            body: brought.application.get().as_bytes().to_vec(),
            ..Call::default()
        };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        let created: Created = serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
        Ok(created.id)
    }
}

fn not_stored(trouble: Trouble) -> ApiError {
    ApiError::Unavailable(trouble, "the message was not stored".to_owned())
}
