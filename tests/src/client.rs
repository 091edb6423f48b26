//! A client of the API: blocking, kept alive, strict about what it is answered.
//!
//! Every answer has to be JSON, or an empty 204: SDKs parse the body of every answer, errors too. So a call that
//! gets anything else panics here, whatever the test was about.

use crate::token;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::{Request, StatusCode};
use weir_core::id;
use weir_core::rng::System;

/// An answer: its status, its headers, its body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's text.
    pub text: String,
}

impl Reply {
    /// The first header of that name (in lower case), if any.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null for an empty 204.
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.status == StatusCode::NO_CONTENT {
            assert_eq!(self.text, "", "a 204 has no body");
            return Value::Null;
        }
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{} answered as {kind:?}: {}", self.status, self.text);
        match serde_json::from_str(&self.text) {
            Ok(value) => value,
            Err(error) => panic!("{} answered with no JSON ({error}): {:?}", self.status, self.text),
        }
    }
}

/// The API as one token sees it.
#[derive(Debug, Clone)]
pub struct Api {
    agent: ureq::Agent,
    url: String,
    /// The token that every call carries.
    pub token: String,
    /// The tenant.
    pub org: String,
}

impl Api {
    /// The API at `url` as a tenant that nobody used before.
    pub fn fresh(url: &str) -> Self {
        let org = fresh_org();
        Self { agent: agent(), url: url.to_owned(), token: token::for_org(&org), org }
    }

    /// The same API with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: token.into(), ..self.clone() }
    }

    /// The same API as one application of this tenant.
    #[must_use]
    pub fn as_app(&self, app: &str) -> Self {
        self.with_token(token::for_app(&self.org, app))
    }

    /// The same API as another, fresh tenant.
    #[must_use]
    pub fn as_stranger(&self) -> Self {
        Self::fresh(&self.url)
    }

    /// The same API at another address (after a restart).
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { agent: agent(), url: url.to_owned(), ..self.clone() }
    }

    /// Where the gateway is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call. The token goes along unless `headers` has an `authorization` of its own.
    ///
    /// # Errors
    /// Whatever kept the call from being answered.
    pub fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = match body {
            Some(body) => self.agent.run(request.body(body)?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let headers = answer
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
        Ok(Reply { status, headers, text })
    }

    /// GET of what is no JSON: its status, its type, its bytes.
    #[track_caller]
    pub fn download(&self, path: &str) -> (u16, String, Vec<u8>) {
        let request = Request::builder().uri(format!("{}{path}", self.url));
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(());
        let answer = request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request));
        let mut answer = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let bytes = answer.body_mut().read_to_vec().unwrap_or_else(|error| panic!("GET {path}: {error}"));
        (answer.status().as_u16(), kind, bytes)
    }

    /// Uploads a plugin's module.
    #[track_caller]
    pub fn upload(&self, name: &str, module: &[u8]) -> (u16, Value) {
        let kind = [("content-type", "application/wasm")];
        let reply = self.call("PUT", &format!("/api/v1/plugin/{name}"), Some(module), &kind);
        (reply.status, reply.json())
    }

    /// One call.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Reply {
        match self.try_call(method, path, body, headers) {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    #[track_caller]
    fn json(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let text = body.map(Value::to_string);
        let reply = self.call(method, path, text.as_deref().map(str::as_bytes), &[]);
        (reply.status, reply.json())
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, Value) {
        self.json("GET", path, None)
    }

    /// POST of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json("POST", path, Some(body))
    }

    /// POST of a text exactly as it is.
    #[track_caller]
    pub fn post_text(&self, path: &str, body: &str) -> (u16, Value) {
        self.post_with(path, body, &[])
    }

    /// POST of a text with further headers.
    #[track_caller]
    pub fn post_with(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let reply = self.call("POST", path, Some(body.as_bytes()), headers);
        (reply.status, reply.json())
    }

    /// PUT of JSON.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json("PUT", path, Some(body))
    }

    /// PATCH of JSON.
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json("PATCH", path, Some(body))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> (u16, Value) {
        self.json("DELETE", path, None)
    }

    /// A new application's id.
    #[track_caller]
    pub fn app(&self) -> String {
        let created = self.post("/api/v1/app", &json!({ "name": "a customer" }));
        id_of(created, 201)
    }

    /// A new endpoint's id.
    #[track_caller]
    pub fn endpoint(&self, app: &str, url: &str) -> String {
        self.endpoint_with(app, url, &json!({}))
    }

    /// A new endpoint's id, created with further fields.
    #[track_caller]
    pub fn endpoint_with(&self, app: &str, url: &str, extra: &Value) -> String {
        let mut body = json!({ "url": url });
        merge(&mut body, extra);
        id_of(self.post(&format!("/api/v1/app/{app}/endpoint"), &body), 201)
    }

    /// The secret of an endpoint.
    #[track_caller]
    pub fn secret(&self, app: &str, endpoint: &str) -> String {
        let (status, body) = self.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/secret"));
        assert_eq!(status, 200, "{body}");
        text(&body, "key")
    }

    /// Sends a message whose payload is that text; gives its id.
    #[track_caller]
    pub fn send(&self, app: &str, payload: &str) -> String {
        self.send_as(app, "test.event", payload)
    }

    /// Sends a message of that event type; gives its id.
    #[track_caller]
    pub fn send_as(&self, app: &str, event_type: &str, payload: &str) -> String {
        let body = crate::json::message(event_type, payload);
        // Without content: an echo of the payload need not be one that serde_json can read (numbers beyond a double).
        id_of(self.post_text(&format!("/api/v1/app/{app}/msg?with_content=false"), &body), 202)
    }

    /// Waits (by asking again) until what a GET of `path` answers satisfies `done`; gives that answer.
    ///
    /// What the API shows after a delivery is written a moment after the receiver has answered, and nothing
    /// announces it: this is the one place that has to ask again.
    #[track_caller]
    pub fn until(&self, path: &str, timeout: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + timeout;
        loop {
            let (status, body) = self.get(path);
            assert_eq!(status, 200, "GET {path}: {body}");
            if done(&body) {
                return body;
            }
            assert!(std::time::Instant::now() < end, "GET {path} still answers, after {timeout:?}: {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a message has `n` attempts on record; gives them oldest first.
    #[track_caller]
    pub fn attempts(&self, app: &str, message: &str, n: usize, timeout: Duration) -> Vec<Value> {
        let path = format!("/api/v1/app/{app}/attempt/msg/{message}?limit=250");
        let body = self.until(&path, timeout, |body| list(body).len() >= n);
        let mut attempts = list(&body).to_vec();
        assert_eq!(attempts.len(), n, "attempts of {message}: {body}");
        attempts.reverse();
        attempts
    }
}

/// A tenant's id that nobody used before.
pub fn fresh_org() -> String {
    id::new("org", crate::receiver::unix_ms(), &mut System)
}

/// The `id` of what was created.
#[track_caller]
pub fn id_of((status, body): (u16, Value), expected: u16) -> String {
    assert_eq!(status, expected, "{body}");
    text(&body, "id")
}

/// A field that has to be a text.
#[track_caller]
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is a text in {value}")).to_owned()
}

/// The items of a list's page.
#[track_caller]
pub fn list(page: &Value) -> &[Value] {
    page["data"].as_array().unwrap_or_else(|| panic!("a page has data: {page}"))
}

/// One field of every item of a page.
#[track_caller]
pub fn column(page: &Value, field: &str) -> Vec<String> {
    list(page).iter().map(|item| text(item, field)).collect()
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        for (name, value) in from {
            into.insert(name.clone(), value.clone());
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into()
}
