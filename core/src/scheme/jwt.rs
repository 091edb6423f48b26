//! JSON Web Tokens as signatures: checked by the one algorithm of the scheme, bound to the body by a hash in a claim.

use super::crypto::{Encoding, sha256};
use super::model::{Jwt, JwtHash, Time};
use super::place::{Memo, Place, View, host_and_target, query_of};
use super::sign::{Draft, SignFault};
use super::template::Piece;
use super::verdict::{Proof, Reason};
use super::verify::{Secrets, check_age, joined};
use super::{Params, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// The longest token in a header that is looked at.
const MAX_LENGTH: usize = 64 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<Vec<String>>,
    #[serde(default)]
    b64: Option<bool>,
    #[serde(default)]
    ts: Option<f64>,
}

impl Jwt {
    pub(super) fn verify(
        &self,
        secrets: &Secrets,
        request: &Request<'_>,
        now_ms: i64,
    ) -> Result<Proof, Reason> {
        let memo = Memo::default();
        let value = View::of(request, &memo).need(&self.at)?;
        let value = value.trim();
        let token = value
            .strip_prefix(self.prefix.as_str())
            .ok_or_else(|| Reason::NoSignature(self.prefix.clone()))?;
        if self.at != Place::Body && token.len() > MAX_LENGTH {
            return Err(Reason::Jwt("it is too long"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [head, payload, signature] = parts.as_slice() else {
            return Err(Reason::Jwt("it does not have three parts separated by dots"));
        };
        let decode =
            |part: &str| Encoding::Base64url.decode(part).ok_or(Reason::Jwt("a part is not base64url"));
        let head_json = decode(head)?;
        let header: Header = serde_json::from_slice(&head_json)
            .map_err(|_| Reason::Jwt("its header is not JSON with 'alg'"))?;
        if header.alg != self.algorithm.word() {
            return Err(Reason::JwtAlgorithm(header.alg.chars().take(20).collect()));
        }
        let raw_payload = self.detached && header.b64 == Some(false);
        if header.crit.is_some_and(|crit| !raw_payload || crit.iter().any(|name| name != "b64")) {
            return Err(Reason::Jwt("it requires an extension ('crit')"));
        }
        if self.detached != payload.is_empty() {
            return Err(Reason::Jwt(if self.detached {
                "its payload should be the body, but it has its own payload"
            } else {
                "its payload is empty"
            }));
        }
        let fields = self.fields(&head_json)?;
        let detached = self.detached_payload(request, &fields)?;
        let encoded;
        let signed_payload: &[u8] = match (self.detached, raw_payload) {
            (true, true) => &detached,
            (true, false) => {
                encoded = Encoding::Base64url.encode(&detached);
                encoded.as_bytes()
            }
            (false, _) => payload.as_bytes(),
        };
        let content = content(head, signed_payload);
        let signature = decode(signature)?;
        let secret = secrets
            .with_keys()
            .find(|(_, key)| key.verify_fixed(&content, &signature))
            .map(|(at, _)| at)
            .ok_or(Reason::Mismatch(None))?;

        if self.detached {
            if let Some(time) = &self.time {
                let age_ms = self.age_of_header(time, request, &fields, now_ms)?;
                return Ok(Proof { secret, age_ms });
            }
            let age_ms = header.ts.map(|ts| age(ts, now_ms));
            check_age(age_ms, self.max_age)?;
            return Ok(Proof { secret, age_ms });
        }
        let payload = decode(payload)?;
        let claims: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&payload).map_err(|_| Reason::Jwt("its payload is not a JSON object"))?;
        let age_ms = self.check(&claims, request, now_ms)?;
        Ok(Proof { secret, age_ms })
    }

    /// The members of a token's header that are texts, where the scheme looks at them.
    fn fields(&self, head: &[u8]) -> Result<BTreeMap<String, String>, Reason> {
        if self.content.is_none() && self.header.is_empty() {
            return Ok(BTreeMap::new());
        }
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_slice(head).map_err(|_| Reason::Jwt("its header is not JSON with 'alg'"))?;
        let text = |raw: &RawValue| serde_json::from_str(raw.get()).ok();
        let fields: BTreeMap<String, String> =
            members.into_iter().filter_map(|(name, raw)| Some((name, text(raw)?))).collect();
        match self.header.iter().find(|(name, expected)| fields.get(*name) != Some(expected)) {
            Some((name, _)) => Err(Reason::Claim(name.clone())),
            None => Ok(fields),
        }
    }

    /// What a detached token leaves out: the body, or what the scheme says.
    fn detached_payload<'a>(
        &self,
        request: &Request<'a>,
        fields: &BTreeMap<String, String>,
    ) -> Result<Cow<'a, [u8]>, Reason> {
        let Some(content) = &self.content else { return Ok(Cow::Borrowed(request.body)) };
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let memo = Memo::default();
        let view = View { fields: &fields, ..View::of(request, &memo) };
        let params = Params::new();
        Ok(Cow::Owned(joined(&content.fill(&view, None, &params)?)))
    }

    /// The age by a header that the token covers; one that it does not cover is anyone's.
    fn age_of_header(
        &self,
        time: &Time,
        request: &Request<'_>,
        fields: &BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<Option<i64>, Reason> {
        let list = self.content.as_ref().and_then(|content| content.header_list()).unwrap_or_default();
        let Place::Header(name) = &time.at else { return Err(Reason::missing(&time.at)) };
        let covered =
            fields.get(list).is_some_and(|names| names.split(',').any(|n| n.eq_ignore_ascii_case(name)));
        if !covered {
            return Err(Reason::Claim(list.to_owned()));
        }
        let at = time.unit.read(&View::of(request, &Memo::default()).need(&time.at)?);
        let age_ms = now_ms.saturating_sub(at.ok_or(Reason::Timestamp(time.unit.word()))?);
        check_age(Some(age_ms), time.tolerance)?;
        Ok(Some(age_ms))
    }

    fn check(
        &self,
        claims: &BTreeMap<String, &RawValue>,
        request: &Request<'_>,
        now_ms: i64,
    ) -> Result<Option<i64>, Reason> {
        let wrong = |name: &str| Reason::Claim(name.to_owned());
        let text =
            |name: &str| claims.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(raw) => {
                raw.get().parse::<f64>().ok().filter(|n| n.is_finite()).map(Some).ok_or_else(|| wrong(name))
            }
        };
        for name in &self.needs {
            if !claims.contains_key(name) {
                return Err(wrong(name));
            }
        }
        for (name, expected) in &self.claims {
            if text(name).as_ref() != Some(expected) {
                return Err(wrong(name));
            }
        }
        for (hash, bytes) in [(&self.body_hash, request.body), (&self.url_hash, request.url.as_bytes())] {
            let Some(hash) = hash else { continue };
            let found = text(&hash.claim).ok_or_else(|| wrong(&hash.claim))?;
            if !hash.matches(&found, bytes) {
                return Err(Reason::BodyHash(format!("the claim '{}'", hash.claim)));
            }
        }
        if let Some(name) = &self.url_claim
            && text(name).as_deref() != Some(request.url)
        {
            return Err(wrong(name));
        }
        if let Some(name) = &self.query_hash {
            let right = query_hash(request.method, request.url);
            if !text(name).is_some_and(|found| bool::from(found.as_bytes().ct_eq(right.as_bytes()))) {
                return Err(wrong(name));
            }
        }
        let leeway = i64::from(self.leeway).saturating_mul(1000);
        if let Some(exp) = time("exp")? {
            let over = age(exp, now_ms);
            if over >= leeway.saturating_add(1000) {
                return Err(Reason::Expired(over.div_euclid(1000)));
            }
        }
        if let Some(nbf) = time("nbf")? {
            let ahead = age(nbf, now_ms).saturating_neg();
            if ahead > leeway {
                return Err(Reason::NotYetValid(ahead.saturating_add(999).div_euclid(1000)));
            }
        }
        let age_ms = time("iat")?.map(|iat| age(iat, now_ms));
        if self.max_age.is_some() && age_ms.is_none() {
            return Err(wrong("iat"));
        }
        check_age(age_ms, self.max_age)?;
        Ok(age_ms)
    }

    pub(super) fn sign(&self, secrets: &Secrets, draft: &mut Draft<'_>) -> Result<(), SignFault> {
        let (_, key) = secrets.with_keys().next().ok_or(SignFault::NoSecret)?;
        let mut header = serde_json::json!({ "alg": self.algorithm.word(), "typ": "JWT" });
        if self.detached {
            header = serde_json::json!({
                "alg": self.algorithm.word(), "b64": false, "crit": ["b64"],
                "ts": draft.now_ms.div_euclid(1000),
            });
        }
        let mut left_out = None;
        if let Some(content) = &self.content {
            let mut fields = self.header.clone();
            if let Some(Time { at: Place::Header(name), unit, .. }) = &self.time {
                draft.set(name, &unit.write(draft.now_ms))?;
                fields.extend(content.header_list().map(|list| (list.to_owned(), name.clone())));
            }
            header = serde_json::json!({ "alg": self.algorithm.word() });
            if let Some(members) = header.as_object_mut() {
                members.extend(fields.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
            }
            let headers = draft.headers();
            let request =
                Request { method: draft.method, url: &draft.url, headers: &headers, body: &draft.body };
            let payload = self.detached_payload(&request, &fields)?;
            left_out = Some(Encoding::Base64url.encode(&payload));
        }
        let head = Encoding::Base64url.encode(header.to_string().as_bytes());
        let payload =
            if self.detached { Vec::new() } else { self.claims_for(draft)?.to_string().into_bytes() };
        let encoded = Encoding::Base64url.encode(&payload);
        let signed = match &left_out {
            Some(left_out) => left_out.as_bytes(),
            None if self.detached => draft.body.as_ref(),
            None => encoded.as_bytes(),
        };
        let signature = key.sign_fixed(&content(&head, signed)).ok_or(SignFault::NoSecret)?;
        let token = format!("{}{head}.{encoded}.{}", self.prefix, Encoding::Base64url.encode(&signature));
        if self.at == Place::Body {
            draft.body = Cow::Owned(token.into_bytes());
            draft.set("content-type", "application/jwt")?;
            return Ok(());
        }
        draft.put(&self.at, &token)
    }

    fn claims_for(&self, draft: &Draft<'_>) -> Result<serde_json::Value, SignFault> {
        let mut claims = serde_json::Map::new();
        if self.at == Place::Body {
            let body: serde_json::Value = serde_json::from_slice(&draft.body).unwrap_or_default();
            claims = body.as_object().cloned().ok_or(SignFault::Body("a JSON object"))?;
        }
        let now = draft.now_ms.div_euclid(1000);
        let mut set = |name: &str, value: serde_json::Value| {
            claims.insert(name.to_owned(), value);
        };
        set("iat", now.into());
        set("nbf", now.into());
        set("exp", now.saturating_add(i64::from(self.lifetime)).into());
        set("jti", draft.id.into());
        for (name, value) in &self.claims {
            set(name, value.as_str().into());
        }
        for (hash, bytes) in [(&self.body_hash, draft.body.as_ref()), (&self.url_hash, draft.url.as_bytes())]
        {
            if let Some(hash) = hash {
                set(&hash.claim, hash.write(bytes).into());
            }
        }
        if let Some(name) = &self.url_claim {
            set(name, draft.url.as_ref().into());
        }
        if let Some(name) = &self.query_hash {
            set(name, query_hash(draft.method, &draft.url).into());
        }
        for name in &self.needs {
            claims.entry(name.as_str()).or_insert_with(|| "weir".into());
        }
        Ok(claims.into())
    }
}

impl JwtHash {
    fn matches(&self, found: &str, bytes: &[u8]) -> bool {
        match self.encoding {
            None => found.as_bytes() == bytes,
            Some(encoding) => {
                encoding.decode(found).is_some_and(|found| sha256(&[bytes]).as_slice().ct_eq(&found).into())
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> String {
        match self.encoding {
            None => String::from_utf8_lossy(bytes).into_owned(),
            Some(encoding) => encoding.encode(&sha256(&[bytes])),
        }
    }
}

fn content<'a>(head: &'a str, payload: &'a [u8]) -> Vec<Piece<'a>> {
    [head.as_bytes(), b".", payload].map(|bytes| Piece::Bytes(Cow::Borrowed(bytes))).into()
}

fn age(seconds: f64, now_ms: i64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // a cast saturates, which is right for absurd times
    let at = (seconds * 1000.0) as i64;
    now_ms.saturating_sub(at)
}

/// Atlassian's hash of method, path and sorted query (without `jwt`).
fn query_hash(method: &str, url: &str) -> String {
    let (_, target) = host_and_target(url);
    let path = target.split('?').next().unwrap_or(target);
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, &UNRESERVED).to_string();
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query_of(url).as_bytes()) {
        if name != "jwt" {
            names.entry(encode(&name)).or_default().push(encode(&value));
        }
    }
    let pairs: Vec<String> = names
        .into_iter()
        .map(|(name, mut values)| {
            values.sort();
            format!("{name}={}", values.join(","))
        })
        .collect();
    let canonical =
        format!("{}&{}&{}", method.to_ascii_uppercase(), path.replace('&', "%26"), pairs.join("&"));
    Encoding::Hex.encode(&sha256(&[canonical.as_bytes()]))
}

const UNRESERVED: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_hash_is_atlassians() {
        // The vector of Atlassian's documentation.
        assert_eq!(
            query_hash("get", "https://jira.example/test?param=value&jwt=x"),
            "be16910858a41fd19ea5c1b4e9decca9a784d1024cb00b2158defe2f29dc86dd"
        );
    }
}
