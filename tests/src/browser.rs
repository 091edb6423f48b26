//! A browser without a screen: it does not follow redirects, keeps a cookie, and fills in forms.

use crate::client::{Api, Reply};
use crate::receiver::Receiver;

/// A browser at one gateway.
#[derive(Debug, Clone)]
pub struct Browser {
    api: Api,
    /// The session's cookie, as it is sent.
    pub cookie: String,
}

impl Browser {
    /// One that has not signed in.
    pub fn new(api: &Api) -> Self {
        Self { api: api.clone(), cookie: String::new() }
    }

    /// One that has signed in with this token.
    #[track_caller]
    pub fn signed_in(api: &Api, token: &str) -> Self {
        let mut browser = Self::new(api);
        let reply = browser.sign_in(token);
        assert_eq!((reply.status, reply.header("location")), (303, Some("/dashboard")), "{}", reply.text);
        browser
    }

    /// One that has signed in as the tenant.
    #[track_caller]
    pub fn of(api: &Api) -> Self {
        Self::signed_in(api, &api.token)
    }

    /// Sends the form of the page where one signs in, and keeps the cookie that it is given.
    #[track_caller]
    pub fn sign_in(&mut self, token: &str) -> Reply {
        let reply = self.send("/dashboard/login", &[("token", token)], &[]);
        if let Some(cookie) = reply.header("set-cookie") {
            cookie.split(';').next().unwrap_or_default().clone_into(&mut self.cookie);
        }
        reply
    }

    /// A page.
    #[track_caller]
    pub fn page(&self, path: &str) -> Reply {
        self.api.call("GET", path, None, &[("authorization", ""), ("cookie", &self.cookie)])
    }

    /// A page that is there.
    #[track_caller]
    pub fn see(&self, path: &str) -> String {
        let reply = self.page(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.text
    }

    /// Sends a form as it is.
    #[track_caller]
    pub fn send(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let mut all = vec![("authorization", ""), ("cookie", self.cookie.as_str()), kind];
        all.extend_from_slice(headers);
        self.api.call("POST", path, Some(body.join("&").as_bytes()), &all)
    }

    /// Sends a form with the proof of the page at `from`, as that page's script does.
    #[track_caller]
    pub fn act(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let proof = proof(&self.see(from));
        self.send(path, fields, &[("x-weir-proof", &proof), ("hx-request", "true")])
    }

    /// Sends a form with the proof of the page at `from`, as a browser without scripts does.
    #[track_caller]
    pub fn submit(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let proof = proof(&self.see(from));
        let mut all = vec![("_proof", proof.as_str())];
        all.extend_from_slice(fields);
        self.send(path, &all, &[])
    }
}

/// The proof that a page holds.
#[track_caller]
pub fn proof(page: &str) -> String {
    let at = page.split_once("data-proof=\"").and_then(|(_, rest)| rest.split_once('"'));
    at.unwrap_or_else(|| panic!("a page of a session: {page}")).0.to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// A new application with an endpoint at the receiver's root, and the endpoint's page.
#[track_caller]
pub fn endpoint(api: &Api, receiver: &Receiver) -> (String, String, String) {
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let page = format!("/dashboard/app/{app}/endpoint/{endpoint}");
    (app, endpoint, page)
}
