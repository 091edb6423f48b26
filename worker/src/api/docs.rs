//! The API reference: the OpenAPI document that tests generate from the code (`docs/openapi.json`), and a page that renders
//! it, with code samples and a form that sends requests.
//!
//! The page makes requests to this Worker only, and its content security policy allows no others.

use crate::js::{self, Parts};

/// `docs/openapi.json` without its spaces.
pub(super) const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The response, if the path is one of the page's.
pub(super) fn answer(parts: &Parts) -> Option<web_sys::Response> {
    if !matches!(parts.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let (content_type, text) = match super::split(&parts.url).0 {
        "/docs" | "/docs/" => ("text/html; charset=utf-8", include_str!("../../docs/page.html")),
        "/docs/page.js" => ("text/javascript; charset=utf-8", include_str!("../../docs/page.js")),
        "/docs/schema.js" => ("text/javascript; charset=utf-8", include_str!("../../docs/schema.js")),
        "/docs/samples.js" => ("text/javascript; charset=utf-8", include_str!("../../docs/samples.js")),
        "/docs/page.css" => ("text/css; charset=utf-8", include_str!("../../docs/page.css")),
        _ => return None,
    };
    let headers = [
        ("content-type", content_type),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ];
    Some(js::answer_with(200, &headers, text))
}
