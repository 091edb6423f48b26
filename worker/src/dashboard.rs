//! The dashboard's front: sessions in cookies, and pages that ask the API as any client does.

use crate::api::{self, Caller};
use crate::js::{self, Parts, now};
use crate::live::{Content, Live, Streamed};
use crate::settings;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::api::call::Reply;
use weir_core::error::ApiError;
use weir_core::id;
use weir_core::rng::System;
use weir_dashboard::export::{self, Export};
use weir_dashboard::live::{self, Tail};
use weir_dashboard::session::{Keeper, Session, cookie};
use weir_dashboard::{Answer, Api, Brand, COOKIE, Lang, Look, PREFIX, Page, Request, Said};

/// What a session's id begins with.
const SESSION: &str = "ses";
/// The most bytes of the form to sign in: a token, and what it is sent with.
const MAX_LOGIN: usize = 16 * 1024;

/// Whether a path is the dashboard's.
pub(crate) fn is_here(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a browser. Every answer is HTML, or sends it on.
pub(crate) async fn answer(
    parts: &Parts,
    path: &str,
    query: &str,
    body: Option<Vec<u8>>,
    env: JsValue,
) -> web_sys::Response {
    match respond(parts, path, query, body.as_deref(), env).await {
        Shown::Page(page) if !page.bytes.is_empty() => {
            js::answer_bytes("application/octet-stream", &page.bytes)
        }
        Shown::Page(page) => js::answer_with(page.status, &page.headers, &page.body),
        Shown::Live(live) => live.answer(),
    }
}

/// How many bytes of a request's body are read, at most: a form's of a session, and a token to sign in with.
pub(crate) fn admitted(parts: &Parts, path: &str, env: &JsValue) -> usize {
    if parts.method != "POST" || is_from_elsewhere(parts) {
        return 0;
    }
    let Ok(deployment) = settings::of(env) else { return 0 };
    if deployment.jwt_secret.is_none() {
        return 0;
    }
    let request = Request::new(&parts.method, path, "", &[]);
    if request.path == ["login"] {
        return MAX_LOGIN;
    }
    let bearer = |token: &str| api::authenticate(&format!("Bearer {token}"), &deployment);
    let sealed = cookie(&parts.cookie, COOKIE).unwrap_or_default();
    let keeper = Keeper::with_secrets(deployment.jwt_secrets());
    let opened = keeper.open(sealed, now(), |token| bearer(token).ok().map(|(claims, _)| (*claims).clone()));
    if opened.is_some() { request.max_body() } else { 0 }
}

fn is_from_elsewhere(parts: &Parts) -> bool {
    weir_dashboard::is_from_elsewhere(&parts.from_site, &parts.origin, &parts.url)
}

/// What a browser is shown.
enum Shown {
    Page(Page),
    Live(Live),
}

impl From<Page> for Shown {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

async fn respond(parts: &Parts, path: &str, query: &str, body: Option<&[u8]>, env: JsValue) -> Shown {
    let mut request = Request::new(&parts.method, path, query, body.unwrap_or_default());
    request.at_ms = now();
    request.partial = parts.partial == "true";
    request.proof = Some(parts.proof.clone()).filter(|proof| !proof.is_empty());
    if request.method == "POST" && is_from_elsewhere(parts) {
        return Page::refused(403, "This form was sent from another site.").into();
    }
    let deployment = match settings::right(&env) {
        Ok(deployment) => deployment,
        Err(sentence) => return Page::refused(500, &sentence).into(),
    };
    if deployment.jwt_secret.is_none() {
        return Page::refused(500, "JWT_SECRET is not set, so nobody can sign in. The start page of this gateway shows how to create it.")
            .into();
    }
    let brand = Brand::new(deployment.portal_name.as_deref(), deployment.portal_color);
    let brand = Rc::new(brand.with(deployment.portal_logo.as_deref(), &deployment.portal_origins));
    // A link may say in which language it is read; a form may change that.
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Lang::of);
    let asked = asked.or_else(|| request.field("lang").and_then(Lang::of));
    let kept = cookie(&parts.cookie, LANG).and_then(Lang::of);
    request.lang = asked.or(kept).unwrap_or_else(|| Lang::choose(None, &parts.languages));
    if request.path == ["brand.css"] {
        return Page::styles(brand.dressed(&Look::of_query(query)).css()).into();
    }
    request.said = cookie(&parts.cookie, SAID).and_then(Said::of);
    let keeper = Keeper::with_secrets(deployment.jwt_secrets()).with_brand(&brand);
    let bearer = |token: &str| api::authenticate(&format!("Bearer {token}"), &deployment);
    let login = request.path == ["login"];
    let too_large = || Page::refused(413, "The form is too large.");
    if login && request.method == "POST" && body.is_none() {
        return too_large().into();
    }
    if login && request.method == "POST" {
        let token = request.field("token").unwrap_or_default();
        return match bearer(token) {
            Err(error) => weir_dashboard::login(Some(&sentence(&error)), &brand, request.lang).into(),
            Ok((claims, token)) => {
                let caller = Caller { env: env.clone(), claims, token, idempotency_key: String::new() };
                if let Err(error) = caller.check_revoked().await {
                    return weir_dashboard::login(Some(&sentence(&error)), &brand, request.lang).into();
                }
                let Caller { claims, token, .. } = caller;
                let session = keeper.begin(&id::new(SESSION, now(), &mut System), &token, &claims, now());
                let session = session.dressed(Look::read(|name| request.field(name).map(str::to_owned)));
                let cookies = Cookies::of(parts, &session);
                Page::go(PREFIX)
                    .with("set-cookie", cookies.session(&keeper.seal(&session), session.ends_at))
                    .with("set-cookie", cookies.marker("1", session.ends_at))
                    .into()
            }
        };
    }
    let sealed = cookie(&parts.cookie, COOKIE).unwrap_or_default();
    let opened = keeper.open(sealed, now(), |token| bearer(token).ok().map(|(claims, _)| (*claims).clone()));
    let Some(session) = opened else {
        let page = signed_out(login, &request, &brand);
        let stranger = Cookies { secure: is_secure(parts), embedded: !brand.origins.is_empty() };
        return match asked {
            Some(lang) if login => page.with("set-cookie", stranger.language(lang)).into(),
            _ => page.into(),
        };
    };
    let Ok((claims, token)) = bearer(&session.token) else {
        return signed_out(login, &request, &brand).into();
    };
    let caller = Caller { env: env.clone(), claims, token, idempotency_key: String::new() };
    match caller.is_session_over(&session.key()).await {
        Ok(false) => {}
        Ok(true) => {
            let over = Cookies::of(parts, &session).session("", 0);
            return signed_out(login, &request, &brand).with("set-cookie", over).into();
        }
        Err(error) => return Page::refused(error.http_status(), &sentence(&error)).into(),
    }
    if body.is_none() {
        return too_large().into();
    }
    if login {
        // The link may start another session: its token is where only the page sees it.
        return weir_dashboard::login_again(&brand, request.lang).into();
    }
    if request.path == ["logout"] && request.method == "POST" {
        return sign_out(parts, &caller, &session, &request).await.into();
    }
    if request.path == ["language"] && request.method == "POST" {
        return if request.is_proved(&session) {
            let cookies = Cookies::of(parts, &session);
            Page::go(PREFIX).with("set-cookie", cookies.language(request.lang)).into()
        } else {
            Page::refused(403, "This form is from another session. Reload the page and try again.").into()
        };
    }
    if session.app.is_none() {
        request.lang = Lang::En; // the tenant's own pages are in English
    }
    let own = Own { env, token: session.token.clone(), origin: api::origin(&parts.url).to_owned() };
    let content = if live::is_stream(&request) {
        Some(Tail::open(&own, &request, now()).await.map(Content::Tail))
    } else if export::is_export(&request) {
        Some(Export::open(&own, &request).await.map(Content::Export))
    } else {
        None
    };
    match content {
        Some(Ok(content)) => return Shown::Live(Live::new(Streamed { own, caller, session, content })),
        Some(Err(page)) => return page.framed(&session, false).into(),
        None => {}
    }
    let page = weir_dashboard::answer(&own, &session, &request).await;
    let cookies = Cookies::of(parts, &session);
    match (page.said, request.said) {
        (Some(said), _) => page.with("set-cookie", cookies.said(said.name())).into(),
        (None, Some(_)) if !request.partial && page.is_whole() => {
            page.with("set-cookie", cookies.said("")).into()
        }
        _ => page.into(),
    }
}

/// Where a browser without a session goes.
fn signed_out(login: bool, request: &Request, brand: &Brand) -> Page {
    if login || request.method == "POST" {
        weir_dashboard::login(None, brand, request.lang)
    } else {
        Page::go(&format!("{PREFIX}/login"))
    }
}

async fn sign_out(parts: &Parts, caller: &Caller, session: &Session, request: &Request) -> Page {
    if !request.is_proved(session) {
        return Page::refused(403, "This form is from another session. Reload the page and try again.");
    }
    let cookies = Cookies::of(parts, session);
    match caller.end_session(&session.key(), session.ends_at).await {
        Ok(()) => Page::go(&format!("{PREFIX}/login"))
            .with("set-cookie", cookies.session("", 0))
            .with("set-cookie", cookies.marker("", 0)),
        Err(error) => Page::refused(error.http_status(), &sentence(&error)),
    }
}

fn sentence(error: &ApiError) -> String {
    Answer::read(error.http_status(), error.body().as_bytes()).sentence()
}

/// How long the choice of a language is kept: a year.
const LANG_MS: i64 = 365 * 86_400_000;
/// The cookie that holds it.
const LANG: &str = "weir_lang";

/// The cookie that tells the next page what an action did, and how long it waits for that page.
const SAID: &str = "weir_said";
const SAID_MS: i64 = 30_000;

fn is_secure(parts: &Parts) -> bool {
    parts.url.starts_with("https://")
}

/// The cookies of a session, as they are set.
struct Cookies {
    secure: bool,
    /// Whether the pages may be embedded by pages of another site.
    embedded: bool,
}

impl Cookies {
    fn of(parts: &Parts, session: &Session) -> Self {
        let embedded = session.app.is_some() && !session.brand.origins.is_empty();
        Self { secure: is_secure(parts), embedded }
    }

    /// The session itself.
    fn session(&self, value: &str, ends_at: i64) -> String {
        format!("{COOKIE}={value}; Path={PREFIX}{}", self.attributes(ends_at))
    }

    /// By this cookie, which holds no secret, `worker/runtime/welcome.mjs` knows at `/` that the browser is signed in.
    fn marker(&self, value: &str, ends_at: i64) -> String {
        format!("weir_here={value}; Path=/{}", self.attributes(ends_at))
    }

    fn language(&self, lang: Lang) -> String {
        let until = now().saturating_add(LANG_MS);
        format!("{LANG}={}; Path={PREFIX}{}", lang.code(), self.attributes(until))
    }

    /// What an action did; empty once that was reported.
    fn said(&self, name: &str) -> String {
        let until = if name.is_empty() { 0 } else { now().saturating_add(SAID_MS) };
        format!("{SAID}={name}; Path={PREFIX}{}", self.attributes(until))
    }

    /// A page of another site embeds the portal only where the operator named its origin; a cookie that its frame gets is
    /// kept apart for that site. Changes need the session's proof in any case.
    fn attributes(&self, ends_at: i64) -> String {
        let seconds = ends_at.saturating_sub(now()).max(0).checked_div(1_000).unwrap_or_default();
        let site = match (self.embedded, self.secure) {
            (true, _) => "; SameSite=None; Partitioned; Secure",
            (false, true) => "; SameSite=Lax; Secure",
            (false, false) => "; SameSite=Lax",
        };
        format!("; HttpOnly; Max-Age={seconds}{site}")
    }
}

/// The API, as the session's token sees it.
pub(crate) struct Own {
    env: JsValue,
    token: String,
    origin: String,
}

impl Api for Own {
    async fn fetch(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let parts = Parts {
            method: method.to_owned(),
            url: format!("{}/api/v1/{path}", self.origin),
            authorization: format!("Bearer {}", self.token),
            ..Parts::default()
        };
        let reply: Reply = api::reply(&parts, Some(body), self.env.clone()).await;
        (reply.status, reply.body)
    }
}
