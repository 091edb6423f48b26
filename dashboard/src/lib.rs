//! The dashboard and the customer portal: pages on top of Weir's own API.
//!
//! A page calls the API with the token of the session, through [`Api`], and renders the responses as HTML. It can therefore
//! show and do what the token allows, and nothing else. This crate is pure: no I/O, no clock. Templates escape all values.
//!
//! It guarantees:
//! - no page without a session, and no change without the session's proof ([`session::Session::proof`]), which other sites
//!   cannot know;
//! - no third-party resources: scripts, styles and connections are limited to this origin (the policy in [`Page`]);
//! - a session of an application sees only that application.

mod action;
mod brand;
mod data;
pub mod export;
mod filters;
mod lang;
mod list;
pub mod live;
mod lossless;
mod multipart;
mod pages;
mod request;
mod said;
mod scope;
pub mod session;
mod view;

pub use brand::{Brand, Look};
pub use lang::{Lang, marked, words};
pub use request::{Page, Request, is_from_elsewhere};
pub use said::Said;

use futures_util::future::LocalBoxFuture;
use scope::{Scope, Scoped};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use session::Session;
use std::collections::BTreeMap;
use std::future::Future;

/// The dashboard's path.
pub const PREFIX: &str = "/dashboard";

/// The gateway's API, called with the token of the session.
pub trait Api {
    /// Makes a call: method, path and query below `/api/v1/`, and body. Returns the status and the body, which need not be
    /// JSON.
    fn fetch(&self, method: &str, path: &str, body: Vec<u8>) -> impl Future<Output = (u16, Vec<u8>)>;

    /// Makes a call whose response is JSON.
    fn send(&self, method: &str, path: &str, body: Vec<u8>) -> impl Future<Output = Answer> {
        let response = self.fetch(method, path, body);
        async move {
            let (status, body) = response.await;
            Answer::read(status, &body)
        }
    }

    /// Makes a call with a JSON body.
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> impl Future<Output = Answer> {
        self.send(method, path, body.map(|body| body.to_string().into_bytes()).unwrap_or_default())
    }
}

/// An API response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; null if there is none.
    pub body: Value,
    /// The member `payload` of the body, byte for byte: people compare it with what they signed, so it is never parsed and
    /// serialized again.
    pub payload: Option<Box<RawValue>>,
}

impl Answer {
    /// Reads a response. A payload can contain numbers that no Rust type holds; it is kept as text and is null in `body`.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let Ok(members) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) else {
            return Self { status, body: lossless::read(text).0, payload: None };
        };
        let mut payload = None;
        let mut read = Map::new();
        let mut changed = false;
        for (name, value) in members {
            if name == "payload" {
                payload = Some(value);
                continue;
            }
            let (value, exact) = lossless::read(value.get());
            changed |= !exact;
            read.insert(name, value);
        }
        if changed {
            read.insert(lossless::CHANGED.to_owned(), Value::Bool(true));
        }
        Self { status, body: Value::Object(read), payload }
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The error message of a call that failed.
    pub fn sentence(&self) -> String {
        match self.body.get("detail") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(faults)) => faults.iter().filter_map(fault_text).collect::<Vec<_>>().join(" "),
            _ => format!("The gateway answered with {}.", self.status),
        }
    }
}

/// The body of a successful response, or an error page.
fn done(answer: Answer) -> Result<Value, Page> {
    if answer.is_ok() { Ok(answer.body) } else { Err(Page::refused(answer.status, &answer.sentence())) }
}

/// One validation error: its location and message.
fn fault_text(fault: &Value) -> Option<String> {
    let sentence = fault.get("msg").and_then(Value::as_str)?;
    let place = fault.get("loc").and_then(Value::as_array).into_iter().flatten();
    let place: Vec<String> = place
        .filter_map(|part| {
            part.as_str().map(str::to_owned).or_else(|| part.as_i64().map(|nth| nth.to_string()))
        })
        .skip_while(|part| part == "body" || part == "query")
        .collect();
    Some(if place.is_empty() { sentence.to_owned() } else { format!("{}: {sentence}", place.join(".")) })
}

/// The API behind a trait object. Pages are compiled once for this type, in this crate, which is optimized for size.
struct Calls<'a>(&'a dyn Boxed);

trait Boxed {
    fn boxed<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        body: Vec<u8>,
    ) -> LocalBoxFuture<'a, (u16, Vec<u8>)>;
}

impl<A: Api> Boxed for A {
    fn boxed<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        body: Vec<u8>,
    ) -> LocalBoxFuture<'a, (u16, Vec<u8>)> {
        Box::pin(self.fetch(method, path, body))
    }
}

impl Api for Calls<'_> {
    async fn fetch(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        self.0.boxed(method, path, body).await
    }
}

/// Handles a request of a session. The Worker signs users in and out, because it has the keys.
pub fn answer<'a, A: Api>(
    api: &'a A,
    session: &'a Session,
    request: &'a Request,
) -> LocalBoxFuture<'a, Page> {
    answer_with(api, session, request)
}

fn answer_with<'a>(
    api: &'a dyn Boxed,
    session: &'a Session,
    request: &'a Request,
) -> LocalBoxFuture<'a, Page> {
    // The tenant's pages are in English only.
    let lang = if session.app.is_some() { request.lang } else { Lang::En };
    let portal = session.app.is_some();
    let policy = Some(session.brand.policy(portal).into());
    let said = request.said.filter(|_| !request.partial);
    let scope = Scope { lang, proof: session.proof().to_owned(), portal, policy, said };
    let future = Box::pin(async move {
        let api = &Calls(api);
        match request.method.as_str() {
            "GET" | "HEAD" => pages::show(api, session, request).await,
            "POST" if !request.is_proved(session) => Page::refused(
                403,
                "This form is from another session, or from another site. Reload the page and try again.",
            ),
            "POST" => action::act(api, session, request).await,
            _ => Page::refused(405, "Use GET or POST."),
        }
    });
    Box::pin(Scoped { scope, future })
}

/// The sign-in page, with the error of the last try.
pub fn login(fault: Option<&str>, brand: &Brand, lang: Lang) -> Page {
    // Signing in with a portal link must work within a frame.
    let scope = Scope { lang, policy: Some(brand.policy(true).into()), ..Scope::default() };
    scope::within(&scope, || Page::html(if fault.is_some() { 401 } else { 200 }, view::login(fault, brand)))
}

/// The sign-in page for a browser that has a session. A link with a token starts another one; without a token the script goes
/// on to the dashboard.
pub fn login_again(brand: &Brand, lang: Lang) -> Page {
    let scope = Scope { lang, policy: Some(brand.policy(true).into()), ..Scope::default() };
    scope::within(&scope, || Page::html(200, view::login_again(brand)))
}

/// The name of the session cookie.
pub const COOKIE: &str = "weir_session";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_kept_byte_for_byte_whatever_it_holds() {
        let payload = r#"{"zeta": 1.0, "alpha": {"y": 1e400, "b": [1.50]}, "big": 123456789012345678901234567890, "s":"\ud800"}"#;
        let answer = Answer::read(200, format!(r#"{{"id":"msg_1","payload":{payload}}}"#).as_bytes());
        assert_eq!(answer.payload.as_deref().map(RawValue::get), Some(payload));
        assert_eq!(answer.body["id"], "msg_1");
        assert!(Answer::read(200, b"[1]").body.is_array());
        assert!(Answer::read(204, b"").body.is_null());
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let body = br#"{"detail":[{"loc":["body","config","wen"],"msg":"Leave this out."},{"loc":["query"],"msg":"No."}]}"#;
        assert_eq!(Answer::read(422, body).sentence(), "config.wen: Leave this out. No.");
    }
}
