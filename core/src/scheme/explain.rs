//! Why a signature fails, for whoever has to find out.
//!
//! Where the signature does not match, the usual mistakes are tried one by one: a secret read in another way or copied
//! with a space, a body that something on the way has rewritten, a URL that differs by a slash. The one that makes it
//! match is the answer. That is for a person who asks; a source never accepts a request so.

use super::key::KeyFormat;
use super::model::Scheme;
use super::verdict::{Reason, Verdict};
use super::{Params, Request};
use std::borrow::Cow;

/// The most bytes that one attempt may read for the attempts to be made.
const MAX_WORK: usize = 1024 * 1024;

/// What the signatures of a request were compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The signed content, without a secret that is part of it.
    pub content: Vec<u8>,
    /// Whether the SHA-256 of the content is signed instead of the content.
    pub hashed: bool,
    /// The signatures of the request.
    pub received: Vec<String>,
    /// What the signature would be with each secret. Empty if only the sender's private key can create it.
    pub expected: Vec<String>,
}

impl Scheme {
    /// What the first signature of a request was compared with. `None` if there is none, or if events are signed one by one.
    ///
    /// The expected signatures are for whoever gave the secrets, and for nobody else. A large body is not signed again with
    /// each of many secrets.
    pub fn compared(&self, secrets: &[&str], params: &Params, request: &Request<'_>) -> Option<Compared> {
        match self {
            Self::Signature(scheme) if self.is_cheap(secrets.len(), request.body.len()) => {
                scheme.compared(&self.verifying(secrets), params, request)
            }
            _ => None,
        }
    }

    /// As [`Scheme::verify`], with a guess at why where the signature does not match.
    pub fn explain(&self, secrets: &[&str], params: &Params, request: &Request<'_>, now_ms: i64) -> Verdict {
        let verdict = self.verify(&self.verifying(secrets), params, request, now_ms);
        match verdict {
            Verdict::Failed(Reason::Mismatch(None)) if self.is_cheap(secrets.len(), request.body.len()) => {
                Verdict::Failed(Reason::Mismatch(self.guess(secrets, params, request, now_ms)))
            }
            other => other,
        }
    }

    /// Whether so many secrets may be tried on a body of that size a dozen times over.
    fn is_cheap(&self, secrets: usize, body: usize) -> bool {
        let passes = match self {
            Self::Signature(scheme) => scheme.content.passes(),
            _ => 1,
        };
        body.saturating_mul(secrets.max(1)).saturating_mul(passes.max(1)) <= MAX_WORK
    }

    fn guess(
        &self,
        secrets: &[&str],
        params: &Params,
        request: &Request<'_>,
        now_ms: i64,
    ) -> Option<&'static str> {
        let matches = |scheme: &Scheme, secrets: &[&str], request: &Request<'_>| {
            let verdict = scheme.verify(&scheme.verifying(secrets), params, request, now_ms);
            verdict.is_good() || verdict.reason().is_some_and(|reason| reason.progress() > 3)
        };
        let trimmed: Vec<&str> = secrets.iter().map(|secret| secret.trim()).collect();
        if trimmed != secrets && matches(self, &trimmed, request) {
            return Some("It matches without the spaces or line break around the secret.");
        }
        for (format, hint) in [
            (
                KeyFormat::Utf8,
                "It matches if the secret's text is used as it is: the sender does not decode it.",
            ),
            (KeyFormat::Whsec, "It matches if the secret is decoded as base64: the sender decodes it."),
            (KeyFormat::Hex, "It matches if the secret is decoded as hex: the sender decodes it."),
        ] {
            if self.with_key(format).is_some_and(|scheme| matches(&scheme, secrets, request)) {
                return Some(hint);
            }
        }
        for (body, hint) in bodies(request.body) {
            if body != request.body && matches(self, secrets, &Request { body: &body, ..*request }) {
                return Some(hint);
            }
        }
        for (url, hint) in urls(request.url) {
            if url != request.url && matches(self, secrets, &Request { url: &url, ..*request }) {
                return Some(hint);
            }
        }
        None
    }

    /// The scheme with its secrets read in another way, where they are symmetric.
    fn with_key(&self, format: KeyFormat) -> Option<Self> {
        let mut other = self.clone();
        let key = match &mut other {
            Self::Signature(scheme) if !scheme.algorithm.is_asymmetric() => &mut scheme.key,
            Self::Jwt(scheme) if !scheme.algorithm.algorithm().is_asymmetric() => &mut scheme.key,
            _ => return None,
        };
        if *key == format {
            return None;
        }
        *key = format;
        Some(other)
    }
}

/// What something on the way may have made of the body, undone.
fn bodies(body: &[u8]) -> Vec<(Cow<'_, [u8]>, &'static str)> {
    const END: &str =
        "It matches with another line break at the end of the body: something trimmed or added one.";
    const LINES: &str = "It matches with other line breaks in the body: something converted them.";
    const JSON: &str = "It matches if the JSON is written without spaces: something parsed the body and encoded it again. Sign and \
         verify the raw bytes.";
    let mut crlf = Vec::with_capacity(body.len());
    let mut lf = Vec::with_capacity(body.len());
    for &byte in body {
        if byte == b'\n' && crlf.last() != Some(&b'\r') {
            crlf.push(b'\r');
        }
        crlf.push(byte);
        if byte == b'\n' && lf.last() == Some(&b'\r') {
            lf.pop();
        }
        lf.push(byte);
    }
    vec![
        (body.trim_ascii_end().into(), END),
        ([body, b"\n"].concat().into(), END),
        ([body, b"\r\n"].concat().into(), END),
        (crlf.into(), LINES),
        (lf.into(), LINES),
        (compact(body).into(), JSON),
    ]
}

/// JSON without the white space between its tokens.
fn compact(body: &[u8]) -> Vec<u8> {
    let (mut within, mut escaped) = (false, false);
    let keep = |byte: &u8| {
        let keep = within || !byte.is_ascii_whitespace();
        match byte {
            b'"' if !escaped => within = !within,
            _ => {}
        }
        escaped = within && *byte == b'\\' && !escaped;
        keep
    };
    body.iter()
        .copied()
        .filter({
            let mut keep = keep;
            move |byte| keep(byte)
        })
        .collect()
}

fn urls(url: &str) -> Vec<(String, &'static str)> {
    const SLASH: &str = "It matches with another slash at the end of the URL: give the URL exactly as the \
         provider has it.";
    const SCHEME: &str =
        "It matches with the other of http and https: give the URL exactly as the provider has it.";
    const QUERY: &str = "It matches without the URL's query: give the URL exactly as the provider has it.";
    let other = match url.split_once("://") {
        Some(("http", rest)) => format!("https://{rest}"),
        Some((_, rest)) => format!("http://{rest}"),
        None => url.to_owned(),
    };
    let slash = url.strip_suffix('/').map_or_else(|| format!("{url}/"), str::to_owned);
    vec![(slash, SLASH), (other, SCHEME), (url.split('?').next().unwrap_or(url).to_owned(), QUERY)]
}
