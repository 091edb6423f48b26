//! Rejected requests: requests that were not delivered because their signature was wrong, there were too many, or
//! they were duplicates. They are stored with the reason, and can be accepted manually.
//!
//! Headers with credentials are masked. A body is stored completely up to [`MAX_KEPT`]. Of a longer one only the
//! beginning is stored, so that it cannot be accepted.

use crate::header::is_sensitive;
use crate::scheme::{Place, Request};
use crate::time::rfc3339;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::Serialize;

/// The most rejected requests that a source keeps: the newest.
pub const MAX_LIST: i64 = 1_000;
/// The longest body that is kept whole.
pub const MAX_KEPT: usize = 64 * 1024;
/// What is kept of a longer one.
const MAX_EXCERPT: usize = 4 * 1024;
/// What is shown of a body in a list.
const MAX_SHOWN: usize = 1_024;
/// The most headers that are kept, and the most bytes of each.
const MAX_HEADERS: usize = 64;
const MAX_HEADER: usize = 2_048;
/// What stands in place of a value that is not kept.
pub const MASK: &str = "***";

/// A request that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rejected {
    /// When, in milliseconds.
    #[n(0)]
    pub at: i64,
    /// Why: [`crate::scheme::Reason::code`].
    #[n(1)]
    pub code: String,
    /// Why, in a sentence for the source's owner.
    #[n(2)]
    pub detail: String,
    /// The method.
    #[n(3)]
    pub method: String,
    /// The URL, as the provider was given it, with the query.
    #[n(4)]
    pub url: String,
    /// The headers; secrets are masked.
    #[n(5)]
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    #[n(6)]
    pub body: ByteVec,
    /// How many bytes the body had.
    #[n(7)]
    pub size: u64,
    /// How many requests were rejected before it, since the last one that was kept, without being kept.
    #[n(8)]
    pub skipped: u32,
    /// What was found of its signature, where it was looked at and right.
    #[n(9)]
    #[cbor(default)]
    pub verdict: Option<String>,
    /// Which of its events came before, where that is why it was not delivered.
    #[n(10)]
    #[cbor(default)]
    pub repeats: Option<Vec<u32>>,
}

/// The code of a request that repeats events.
pub const DUPLICATE: &str = "duplicate";

impl Rejected {
    /// Whether the whole body is there, so that it can be accepted by hand.
    pub fn is_whole(&self) -> bool {
        u64::try_from(self.body.len()).is_ok_and(|kept| kept == self.size)
    }

    /// The verdict of a message that it becomes when it is accepted by hand.
    pub(super) fn verdict(&self) -> &'static str {
        let known = ["verified", "authenticated", "unattempted"];
        let found = known.into_iter().find(|word| self.verdict.as_deref() == Some(word));
        found.unwrap_or("failed")
    }
}

/// What is kept of a request. `token` is where a scheme has its secret in the open; `named` the header that the receiver
/// chose for it.
pub(super) fn keep(
    request: &Request<'_>,
    (code, detail): (&str, String),
    token: Option<&Place>,
    named: Option<&str>,
    skipped: u32,
    now: i64,
) -> Rejected {
    let is_token = |name: &str| {
        matches!(token, Some(Place::Header(header)) if header.eq_ignore_ascii_case(name))
            || named.is_some_and(|named| token.is_some() && named.eq_ignore_ascii_case(name))
    };
    let headers = request.headers.iter().take(MAX_HEADERS).map(|(name, value)| {
        let hidden = is_sensitive(name) || is_token(name);
        (name.clone(), if hidden { MASK.to_owned() } else { cut(value, MAX_HEADER).to_owned() })
    });
    let whole = request.body.len() <= MAX_KEPT;
    let kept = request.body.get(..if whole { request.body.len() } else { MAX_EXCERPT }).unwrap_or_default();
    Rejected {
        at: now,
        code: code.to_owned(),
        detail,
        method: request.method.to_owned(),
        url: masked_url(request.url, token),
        headers: headers.collect(),
        body: kept.to_vec().into(),
        size: u64::try_from(request.body.len()).unwrap_or(u64::MAX),
        skipped,
        verdict: None,
        repeats: None,
    }
}

/// The URL without the value of a token in its query.
fn masked_url(url: &str, token: Option<&Place>) -> String {
    let (Some(Place::Query(name)), Some((path, query))) = (token, url.split_once('?')) else {
        return cut(url, MAX_HEADER).to_owned();
    };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if key == name => format!("{key}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    cut(&format!("{path}?{}", pairs.join("&")), MAX_HEADER).to_owned()
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// Why a request was rejected.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "RejectedReasonOut"))]
struct ReasonOut {
    /// A stable word for programs, listed in the reference of errors.
    code: String,
    /// A sentence that says what is wrong and what to do.
    detail: String,
}

/// A rejected request, as it is answered.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RejectedOut {
    /// The rejected request's id, `rej_…`.
    id: String,
    /// When the request arrived.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    timestamp: String,
    /// Why the request was rejected.
    reason: ReasonOut,
    /// The HTTP method of the request.
    method: String,
    /// The URL of the request, with its query.
    url: String,
    /// The names and values of the headers. Credentials are redacted.
    headers: Vec<(String, String)>,
    /// The start of the body, or all of it when a single request is requested. `null` if it is not text.
    body: Option<String>,
    /// All stored bytes of the body in base64, when a single request is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_body: Option<String>,
    /// The size of the body, in bytes.
    body_size: u64,
    /// Whether the whole body is stored. Otherwise the request cannot be accepted.
    body_complete: bool,
    /// The number of rejected requests that were not stored since the previous stored one.
    skipped_before: u32,
    /// The ids of the messages that were stored when the request was accepted manually.
    accepted: Option<Vec<String>>,
}

impl RejectedOut {
    /// Makes the answer of what is kept; `whole` shows all of the body.
    pub fn new(id: String, kept: Rejected, accepted: Option<Vec<String>>, whole: bool) -> Self {
        let complete = kept.is_whole();
        let shown = if whole { kept.body.len() } else { kept.body.len().min(MAX_SHOWN) };
        let excerpt = kept.body.get(..shown).unwrap_or_default();
        let body = match std::str::from_utf8(excerpt) {
            Ok(text) => Some(text),
            // An excerpt may end within a character.
            Err(error) if error.error_len().is_none() => {
                excerpt.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok())
            }
            Err(_) => None,
        };
        Self {
            timestamp: rfc3339(kept.at),
            reason: ReasonOut { code: kept.code, detail: kept.detail },
            method: kept.method,
            url: kept.url,
            headers: kept.headers,
            body: body.map(str::to_owned),
            raw_body: whole.then(|| BASE64.encode(kept.body.as_slice())),
            body_size: kept.size,
            body_complete: complete,
            skipped_before: kept.skipped,
            accepted,
            id,
        }
    }

    /// The id, from which the next page of a list starts.
    pub fn id(&self) -> &str {
        &self.id
    }
}
