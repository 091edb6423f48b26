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
use weir_core::api::admission::{self, Admission, Target};
use weir_core::api::body;
use weir_core::api::call::{Call, Reply};
use weir_core::api::model::auth::WhoamiOut;
use weir_core::api::model::endpoint::unknown_event_types;
use weir_core::api::model::event_type::RefusedTypes;
use weir_core::api::model::message::{MessageAnswer, MessageIn, message_out_json};
use weir_core::api::model::{preset, setting};
use weir_core::api::route::{self, AppOp, DirectoryOp, Home, Op, PublicOp, Route, Scope, Served, WorkerOp};
use weir_core::cache::Cache;
use weir_core::deployment::Deployment;
use weir_core::error::{ApiError, Code, Trouble};
use weir_core::frame::{Accepted, NewMessage};
use weir_core::id;
use weir_core::idempotency::{self, Idempotency};
use weir_core::pace::Pace;
use weir_core::query::Query;
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

/// One request of the API that was let in.
struct Request<'a> {
    /// The URL by which the API was called.
    url: &'a str,
    route: Route,
    /// The id or uid of the application (or source) that it is for; empty where it is for none.
    app_key: String,
    query: Query,
    body: Vec<u8>,
}

impl Request<'_> {
    /// A parameter of the path.
    fn param(&self, nth: usize) -> &str {
        self.route.params.get(nth).map_or("", String::as_str)
    }
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

/// How many bytes of a request's body are read, at most: 0 where the request is refused whatever is in it. Why, is said
/// when it is answered.
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
    admit(parts, &route, &deployment, env).map_or(0, |(_, admission)| admission.max_body())
}

/// Who sends a request, and that the token allows it. Every way into the API begins here.
fn admit(
    parts: &Parts,
    route: &Route,
    deployment: &Deployment,
    env: &JsValue,
) -> Result<(Caller, Admission), ApiError> {
    let (claims, token) = authenticate(&parts.authorization, deployment)?;
    let admission = admission::admit(&parts.method, route, &claims)?;
    let idempotency_key = parts.idempotency_key.clone();
    Ok((Caller { env: env.clone(), claims, token, idempotency_key }, admission))
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
    if let Served::Public(op) = route.op.served() {
        return Ok(public(op));
    }
    // Events are taken in whatever is wrong with a setting; nobody looks away from it for long, since all else stops.
    let is_event = matches!(route.op, Op::MessageCreate | Op::MessageBatch);
    let deployment = if is_event { settings::of(&env) } else { settings::right(&env) };
    let deployment = deployment.map_err(|sentence| ApiError::new(Code::InvalidSetting, sentence))?;
    let (caller, admission) = admit(parts, &route, &deployment, &env)?;
    enter(&caller, &deployment)?;
    caller.check_revoked().await?;
    let body = admission.body(body)?;
    let query = Query::parse(query);
    caller.serve(Request { url: &parts.url, route, app_key: String::new(), query, body }).await
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
    let (caller, admission) = admit(parts, &route, &deployment, env).ok()?;
    if !caller.is_trusted() {
        return None;
    }
    let body = admission.body(Some(body)).ok()?;
    let Ok(Target::App(key)) = admission::target(&route, &caller.claims) else { return None };
    let (app_id, uid) = caller.believed(key)?;
    let with_content = Query::parse(query).with_content(true).ok()?;
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

fn public(op: PublicOp) -> Reply {
    match op {
        PublicOp::Health => Reply::raw_json(
            200,
            r#"{"database":{"status":"ok"},"queue":{"status":"ok"},"cache":{"status":"ok"}}"#.to_owned(),
        ),
        PublicOp::Openapi => Reply::raw_json(200, docs::OPENAPI.to_owned()),
        PublicOp::HealthPing => Reply::empty(204),
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
            "JWT_SECRET is not set, so no token is valid. The start page of this gateway shows how to create it.",
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

fn internal(text: String) -> ApiError {
    ApiError::Internal(text)
}

fn no_app() -> ApiError {
    ApiError::not_found("Application")
}

impl Caller {
    async fn serve(&self, mut request: Request<'_>) -> Result<Reply, ApiError> {
        self.find_app(&mut request).await?;
        match request.route.op.served() {
            Served::Public(op) => Ok(public(op)),
            Served::Worker(op) => self.answer(op, request).await,
            Served::Operational(op) => self.operational(op, request).await,
            Served::Directory(op) => self.pass_to_directory(op, request).await,
            Served::App(op) => self.pass_to_app(op, request).await,
        }
    }

    /// What the Worker answers itself, with what it asks of objects.
    #[deny(clippy::wildcard_enum_match_arm)] // an operation that is not listed must not compile
    async fn answer(&self, op: WorkerOp, request: Request<'_>) -> Result<Reply, ApiError> {
        match op {
            WorkerOp::MessageCreate => self.create_message(&request).await,
            WorkerOp::MessageBatch => self.create_batch(&request.app_key, &request.body).await,
            WorkerOp::EndpointCreate => self.save_endpoint(AppOp::EndpointCreate, request).await,
            WorkerOp::EndpointUpdate => self.save_endpoint(AppOp::EndpointUpdate, request).await,
            WorkerOp::EndpointPatch => self.save_endpoint(AppOp::EndpointPatch, request).await,
            WorkerOp::SendExample => self.send_example(request).await,
            WorkerOp::PluginsPut => self.put_plugins(request).await,
            WorkerOp::AppDelete => self.delete_app(request).await,
            WorkerOp::TaskGet => Ok(self.find_task(&request).await?.0),
            WorkerOp::TaskCancel => self.cancel_task(&request).await,
            WorkerOp::TenantErase => self.erase_tenant(request).await,
            WorkerOp::SettingsGet => self.settings(),
            WorkerOp::PortalAccess => self.portal_access(op, &request).await,
            WorkerOp::Logout => self.logout().await,
            WorkerOp::ExpireAll => self.expire_all(request.param(0), &request.body).await,
            WorkerOp::RevokeToken => self.revoke_token(request.param(0)).await,
            WorkerOp::ResealAll => self.reseal(&request.query).await,
            WorkerOp::Whoami => Ok(Reply::json(200, &WhoamiOut::new(&self.claims))),
            WorkerOp::PresetList => preset::list(&request.query),
            WorkerOp::PresetGet => preset::get(request.param(0)),
            WorkerOp::PresetVerify => presets::verify(&self.env, request.param(0), &request.body).await,
            WorkerOp::PresetSign => preset::sign(request.param(0), &request.body, now(), &mut System),
            WorkerOp::PluginUpload => self.upload_plugin(request).await,
            WorkerOp::PluginCurrent => self.set_current_version(request).await,
            WorkerOp::PluginDelete => self.delete_plugin(DirectoryOp::PluginDelete, request).await,
            WorkerOp::VersionDelete => self.delete_plugin(DirectoryOp::VersionDelete, request).await,
            WorkerOp::PluginTest => self.test_plugin(request.param(0), &request.body).await,
            WorkerOp::SourceList => self.list_sources(&request).await,
            WorkerOp::SourceCreate => self.make_source(&request).await,
            WorkerOp::SourceGet => self.get_source(&request).await,
            WorkerOp::SourceUpdate => self.update_source(&request).await,
            WorkerOp::SourceDelete => self.delete_source(&request).await,
            WorkerOp::SourceRotate => self.rotate_source(&request).await,
            WorkerOp::SourcePortal => self.source_portal(op, &request).await,
            WorkerOp::RejectedAccept => self.accept_rejected(&request).await,
        }
    }

    /// Finds the application (or source) whose object the request is for. An application's token reaches its own only.
    async fn find_app(&self, request: &mut Request<'_>) -> Result<(), ApiError> {
        let key = match admission::target(&request.route, &self.claims)? {
            Target::Tenant => return Ok(()),
            Target::App(key) => key.to_owned(),
            // An id is taken at its word, as an application's is.
            Target::Source(key) if id::is(id::SOURCE, key) => key.to_owned(),
            Target::Source(key) => self.read_source(key).await?.id,
        };
        if let Some(own) = &self.claims.app
            && *own != key
            && self.resolve(&key, false).await?.0.as_ref() != Some(own)
        {
            return Err(no_app());
        }
        request.app_key = key;
        Ok(())
    }

    async fn pass_to_directory(&self, op: DirectoryOp, request: Request<'_>) -> Result<Reply, ApiError> {
        let call = self.call(op, request);
        directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)
    }

    async fn pass_to_app(&self, op: AppOp, mut request: Request<'_>) -> Result<Reply, ApiError> {
        let app_key = std::mem::take(&mut request.app_key);
        let call = self.call(op, request);
        self.ask_app(&app_key, &call).await
    }

    async fn save_endpoint(&self, op: AppOp, mut request: Request<'_>) -> Result<Reply, ApiError> {
        // A source's events have the types that the provider gives them.
        let barred_types = match request.route.home {
            Home::App => self.check_event_types(op, &request.body).await?,
            _ => None,
        };
        let app_key = std::mem::take(&mut request.app_key);
        let call = Call { barred_types, ..self.call(op, request) };
        self.ask_app(&app_key, &call).await
    }

    async fn delete_app(&self, request: Request<'_>) -> Result<Reply, ApiError> {
        let reply = self.pass_to_directory(DirectoryOp::AppDelete, request).await?;
        auth::forget_tokens();
        Ok(reply)
    }

    fn settings(&self) -> Result<Reply, ApiError> {
        let deployment = settings::of(&self.env).map_err(internal)?;
        Ok(Reply::json(200, &setting::settings(&deployment)))
    }

    /// A task, and the application whose it is. An application's token sees its own only.
    async fn find_task(&self, request: &Request<'_>) -> Result<(Reply, Option<String>), ApiError> {
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
        let find = Call { params: request.route.params.clone(), ..Call::new(DirectoryOp::TaskGet) };
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
    async fn cancel_task(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let (found, app_id) = self.find_task(request).await?;
        if found.status != 200 {
            return Ok(found);
        }
        let params = request.route.params.clone();
        if let Some(app_id) = &app_id {
            return self.ask_app(app_id, &Call { params, ..Call::new(AppOp::TaskStop) }).await;
        }
        let stop = Call { params, ..Call::new(DirectoryOp::UsageStop) };
        directory::ask(&self.env, &self.claims.org, &stop).await.map_err(ApiError::from)
    }

    /// Erases all that the tenant has: it has to say who it is, so that nobody does it by mistake.
    async fn erase_tenant(&self, mut request: Request<'_>) -> Result<Reply, ApiError> {
        let query = std::mem::take(&mut request.query);
        if query.text("confirm") != Some(self.claims.org.as_str()) {
            let detail = format!(
                "This deletes all data of the tenant. Confirm it with ?confirm={}, the id of the organization.",
                self.claims.org
            );
            return Err(ApiError::new(Code::ConfirmationRequired, detail));
        }
        request.body.clear();
        self.pass_to_directory(DirectoryOp::TenantErase, request).await
    }

    /// The request as its object gets it.
    fn call<O: Into<Op> + Copy>(&self, op: O, request: Request<'_>) -> Call<O> {
        let Request { route, query, body, .. } = request;
        // Without the name of an application, which may be its id in one try and its uid in the next: its object remembers.
        let params = route.into_call_params();
        let idempotency = self.idempotency(op.into(), &params, &body);
        Call {
            op,
            params,
            query,
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
    async fn ask_app(&self, key: &str, call: &Call<AppOp>) -> Result<Reply, ApiError> {
        let repeat = call.op.op().may_repeat().into();
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
    async fn check_event_types(&self, op: AppOp, body: &[u8]) -> Result<Option<Vec<String>>, ApiError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            #[serde(default)]
            event_types: Option<Vec<String>>,
            #[serde(default)]
            filter_types: Option<Vec<String>>,
        }
        // A body that cannot be read is explained by the App object.
        let Ok(named) = serde_json::from_slice::<Named>(body) else { return Ok(None) };
        let names = named.event_types.or(named.filter_types).unwrap_or_default();
        if names.is_empty() {
            return Ok(None);
        }
        let call = Call {
            params: names,
            app_scope: self.claims.app.is_some(),
            feature_flags: self.claims.feature_flags.clone(),
            ..Call::new(DirectoryOp::CheckEventTypes)
        };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        let refused: RefusedTypes =
            serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
        if op == AppOp::EndpointCreate && !refused.unknown.is_empty() {
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

    async fn create_message(&self, request: &Request<'_>) -> Result<Reply, ApiError> {
        let (key, body) = (request.app_key.as_str(), request.body.as_slice());
        let with_content = request.query.with_content(true)?;
        body::forget_unknown();
        let message = MessageIn::parse(body)?;
        let warnings = body::take_unknown();
        message.check_application(key)?;
        message.check_deliver_at(now())?;
        let mut new = self.new_message(&self.idempotency_key, &message, body);
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
            query: Query::default().with("get_if_exists", "true"),
            body: brought.application.get().as_bytes().to_vec(),
            ..Call::new(DirectoryOp::AppCreate)
        };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        let created: Created = serde_json::from_slice(&reply.body).map_err(|e| internal(e.to_string()))?;
        Ok(created.id)
    }
}

fn not_stored(trouble: Trouble) -> ApiError {
    ApiError::Unavailable(trouble, "the message was not stored".to_owned())
}
