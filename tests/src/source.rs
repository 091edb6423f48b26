//! A source of providers' webhooks for tests.

use crate::client::{Api, Reply, id_of, list, text};
use crate::receiver::{Receiver, unix_ms};
use serde_json::{Value, json};
use weir_core::preset;
use weir_core::scheme::{Outgoing, Params};

/// The path of all sources in the API.
pub const BASE: &str = "/ingest/api/v1/source";

/// A source with one endpoint, whose deliveries go to a path of the receiver.
pub struct Source {
    /// The API as its tenant.
    pub api: Api,
    /// `src_…`
    pub id: String,
    /// The whole URL.
    pub url: String,
    /// The endpoint's secret.
    pub secret: String,
    /// Where deliveries go.
    pub path: String,
}

impl Source {
    /// A source of this kind, with an endpoint at a path of its own.
    #[track_caller]
    pub fn new(api: &Api, receiver: &Receiver, kind: &str, config: &Value, options: &Value) -> Self {
        let body = json!({ "name": kind, "type": kind, "config": config, "options": options });
        let (status, made) = api.post(BASE, &body);
        assert_eq!(status, 201, "{kind}: {made}");
        let (id, url) = (text(&made, "id"), text(&made, "ingestUrl"));
        let path = format!("/{id}");
        let endpoints = format!("{BASE}/{id}/endpoint");
        let endpoint = id_of(api.post(&endpoints, &json!({ "url": receiver.url(&path) })), 201);
        let secret = text(&api.get(&format!("{endpoints}/{endpoint}/secret")).1, "key");
        Self { api: api.clone(), id, url, secret, path }
    }

    /// A request at its URL.
    #[track_caller]
    pub fn call(&self, method: &str, query: &str, body: &[u8], headers: &[(&str, &str)]) -> Reply {
        let path = self.url.strip_prefix(self.api.url()).expect("the URL is the gateway's");
        let body = Some(body).filter(|body| !body.is_empty());
        self.api.call(method, &format!("{path}{query}"), body, headers)
    }

    /// An event.
    #[track_caller]
    pub fn send(&self, body: &[u8], headers: &[(&str, &str)]) -> Reply {
        self.call("POST", "", body, headers)
    }

    /// What a provider has signed.
    #[track_caller]
    pub fn send_signed(&self, sent: &Sent) -> Reply {
        self.send(&sent.body, &sent.headers())
    }

    /// GET of something of the source.
    #[track_caller]
    pub fn get(&self, what: &str) -> Value {
        let (status, body) = self.api.get(&format!("{BASE}/{}/{what}", self.id));
        assert_eq!(status, 200, "{what}: {body}");
        body
    }

    /// What came in, newest first.
    #[track_caller]
    pub fn messages(&self) -> Vec<Value> {
        list(&self.get("msg?limit=250")).to_vec()
    }

    /// What was rejected, newest first.
    #[track_caller]
    pub fn rejected(&self) -> Vec<Value> {
        list(&self.get("rejected?limit=250")).to_vec()
    }
}

/// A request as a provider signs it.
pub struct Sent {
    headers: Vec<(String, String)>,
    /// The body, with the signature where it stands in the body.
    pub body: Vec<u8>,
}

impl Sent {
    /// The headers.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The same headers with another body.
    #[must_use]
    pub fn with_body(&self, body: impl Into<Vec<u8>>) -> Self {
        Self { headers: self.headers.clone(), body: body.into() }
    }
}

/// Signs as a provider does now, by its preset: for those that have no library that signs.
#[track_caller]
pub fn signed(kind: &str, secret: &str, body: &[u8], headers: &[(&str, &str)], params: &Params) -> Sent {
    let preset = preset::find(kind).expect("a preset");
    let given: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let outgoing = Outgoing { method: "POST", url: "", headers: &given, body, id: "m1" };
    let key = preset.scheme.signing(&[secret]).expect("a secret that signs");
    let signed = preset.sign(&key, params, &outgoing, "a.b", unix_ms()).expect("signed");
    let headers = given.into_iter().chain(signed.headers).collect();
    Sent { headers, body: signed.body.unwrap_or_else(|| body.to_vec()) }
}
