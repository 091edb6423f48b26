//! The API's description: the document that tests have made of the code (`docs/openapi.json`), and a page to read it on.
//!
//! The page asks nobody but this Worker for anything, and its policy allows no more than that.

use crate::js::{self, Parts};

/// `docs/openapi.json` without its spaces.
pub(super) const OPENAPI: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The answer, where the path is one of the page's.
pub(super) fn answer(parts: &Parts) -> Option<web_sys::Response> {
    if !matches!(parts.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let (content_type, text) = match super::split(&parts.url).0 {
        "/docs" | "/docs/" => ("text/html; charset=utf-8", include_str!("../../docs/page.html")),
        "/docs/page.js" => ("text/javascript; charset=utf-8", include_str!("../../docs/page.js")),
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
