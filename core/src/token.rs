//! Bearer tokens: JSON Web Tokens signed with HMAC-SHA256, and nothing else.
//!
//! A token is a tenant's (`sub` is `org_…`) or one application's (`sub` is `app_…`, `org` the tenant). Only the
//! algorithm `HS256` is taken, whatever the token says of itself; the signature is checked, in constant time,
//! before any claim is read. Claims that are not known are ignored. A tenant needs no creation: it is
//! whatever a token with a good signature says.

use crate::secret::hmac_key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::Mac;
use serde::Deserialize;
use std::fmt;
use subtle::ConstantTimeEq;

/// The longest token that is accepted.
pub const MAX_LENGTH: usize = 8192;
/// By how much the issuer's clock may be ahead of ours (`nbf`).
const SKEW_MS: i64 = 60_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The claims of a valid token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The tenant, `org_…`.
    pub org: String,
    /// The application to which the token is limited, `app_…`.
    pub app: Option<String>,
    /// When it expires, in milliseconds; `None` means never.
    pub expires_at: Option<i64>,
    /// Before when it is not valid yet, in milliseconds.
    pub not_before: Option<i64>,
    /// When it was made, in milliseconds.
    pub issued_at: Option<i64>,
    /// The session of the application that it belongs to.
    pub session: Option<String>,
    /// What it may do with its application ([`crate::api::model::auth::may`]); `None` is everything.
    pub capabilities: Option<Vec<String>>,
    /// Which event types behind feature flags it sees.
    pub feature_flags: Option<Vec<String>>,
    /// Its own id (`jti`), by which it is revoked.
    pub id: Option<String>,
}

/// Why a token is refused; a sentence for its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// It is not three parts of base64url, or what they hold is not JSON as JWT has it.
    Malformed,
    /// It is not signed with HS256.
    Algorithm,
    /// Its header demands an extension (`crit`).
    Critical,
    /// It was signed with another secret, or changed.
    Signature,
    /// It is the signing secret itself.
    SecretAsToken,
    /// It has expired.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// `sub` is neither a tenant nor an application, or the application's `org` is not a tenant.
    Subject,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "The token is not a JSON Web Token (three parts of base64url, separated by dots).",
            Self::Algorithm => "The token is not signed with HS256, the only algorithm that is accepted.",
            Self::Critical => "The token demands an extension of JWT ('crit') that is not supported.",
            Self::Signature => {
                "The token's signature is wrong: the token was signed with another secret than JWT_SECRET, or \
                 was changed."
            }
            Self::SecretAsToken => {
                "This is the signing secret itself, not a token. Create a token that is signed with it, and keep the secret private."
            }
            Self::Expired => "The token has expired. Create a new one.",
            Self::NotYetValid => "The token is not valid yet: its 'nbf' is in the future.",
            Self::Subject => {
                "The token's 'sub' must be 'org_…' (a tenant), or 'app_…' (an application) with the tenant in \
                 'org'; after the prefix come 1 to 64 letters, digits, '_', '-' or '.'."
            }
        })
    }
}

impl std::error::Error for TokenError {}

/// A token for a tenant, valid from `now_ms` for `ttl_ms` (rounded up to a second).
pub fn sign_org(secret: &[u8], org_id: &str, now_ms: i64, ttl_ms: i64) -> Result<String, TokenError> {
    if !is_id("org_", org_id) {
        return Err(TokenError::Subject);
    }
    Ok(sign(secret, serde_json::json!({ "sub": org_id }), now_ms, ttl_ms))
}

/// The same with an id, by which it can be revoked.
pub fn sign_org_with_id(
    secret: &[u8],
    org_id: &str,
    id: &str,
    now_ms: i64,
    ttl_ms: i64,
) -> Result<String, TokenError> {
    if !is_id("org_", org_id) {
        return Err(TokenError::Subject);
    }
    Ok(sign(secret, serde_json::json!({ "sub": org_id, "jti": id }), now_ms, ttl_ms))
}

/// A token for one application of a tenant, valid from `now_ms` for `ttl_ms` (rounded up to a second).
pub fn sign_app(
    secret: &[u8],
    org_id: &str,
    app_id: &str,
    now_ms: i64,
    ttl_ms: i64,
) -> Result<String, TokenError> {
    if !is_id("org_", org_id) || !is_id("app_", app_id) {
        return Err(TokenError::Subject);
    }
    Ok(sign(secret, serde_json::json!({ "sub": app_id, "org": org_id }), now_ms, ttl_ms))
}

/// What distinguishes one token for an application from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Makes tokens differ that are made in the same moment.
    pub id: String,
    /// See [`Claims::session`].
    pub session: Option<String>,
    /// See [`Claims::capabilities`].
    pub capabilities: Option<Vec<String>>,
    /// See [`Claims::feature_flags`].
    pub feature_flags: Option<Vec<String>>,
}

/// A token for one application, as [`sign_app`], which says exactly when it was made (so that "all made
/// before" can be taken back) and what it may do.
pub fn sign_portal(
    secret: &[u8],
    org_id: &str,
    app_id: &str,
    now_ms: i64,
    ttl_ms: i64,
    limits: &Limits,
) -> Result<String, TokenError> {
    if !is_id("org_", org_id) || !is_app(app_id) {
        return Err(TokenError::Subject);
    }
    let mut claims = serde_json::json!({
        "sub": app_id, "org": org_id, "jti": limits.id, "weir_iat_ms": now_ms,
    });
    if let Some(claims) = claims.as_object_mut() {
        let session = limits.session.as_ref().map(|session| ("sid", session.as_str().into()));
        let capabilities = limits.capabilities.as_ref().map(|list| ("weir_cap", list.as_slice().into()));
        let flags = limits.feature_flags.as_ref().map(|list| ("feature_flags", list.as_slice().into()));
        let further = session.into_iter().chain(capabilities).chain(flags);
        claims.extend(further.map(|(name, value): (_, serde_json::Value)| (name.to_owned(), value)));
    }
    Ok(sign(secret, claims, now_ms, ttl_ms))
}

/// Verifies a token with any of these secrets, newest first, and returns its claims.
pub fn verify_by<'s>(
    secrets: impl Iterator<Item = &'s str>,
    token: &str,
    now_ms: i64,
) -> Result<Claims, TokenError> {
    let mut outcome = Err(TokenError::Signature);
    for secret in secrets {
        outcome = verify(secret.as_bytes(), token, now_ms);
        if outcome != Err(TokenError::Signature) {
            break;
        }
    }
    outcome
}

/// Verifies a token and returns its claims.
pub fn verify(secret: &[u8], token: &str, now_ms: i64) -> Result<Claims, TokenError> {
    if bool::from(token.as_bytes().ct_eq(secret)) {
        return Err(TokenError::SecretAsToken);
    }
    if token.len() > MAX_LENGTH {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    if claims.contains('.') {
        return Err(TokenError::Malformed);
    }

    let header: Header = decode(header)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    let signature = BASE64URL.decode(signature).map_err(|_| TokenError::Malformed)?;
    let mut mac = hmac_key(secret);
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).map_err(|_| TokenError::Signature)?;

    let claims: RawClaims = decode(claims)?;
    let (expires_at, not_before) = (claims.exp.map(millis), claims.nbf.map(millis));
    if expires_at.is_some_and(|at| at <= now_ms) {
        return Err(TokenError::Expired);
    }
    if not_before.is_some_and(|at| at > now_ms.saturating_add(SKEW_MS)) {
        return Err(TokenError::NotYetValid);
    }
    let issued_at = claims.weir_iat_ms.or(claims.iat.map(millis));
    let (session, capabilities, feature_flags) = (claims.sid, claims.weir_cap, claims.feature_flags);
    let (org, app) = if is_app(&claims.sub) {
        let org = claims.org.and_then(|org| org.as_str().map(str::to_owned));
        (org.ok_or(TokenError::Subject)?, Some(claims.sub))
    } else {
        (claims.sub, None)
    };
    if !is_id("org_", &org) {
        return Err(TokenError::Subject);
    }
    let id = claims.jti.filter(|id| (1..=128).contains(&id.len()));
    Ok(Claims { org, app, expires_at, not_before, issued_at, session, capabilities, feature_flags, id })
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawClaims {
    sub: String,
    /// Only read for applications: elsewhere another issuer may mean anything by it.
    org: Option<serde_json::Value>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "if_number")]
    iat: Option<f64>,
    #[serde(default, deserialize_with = "if_text")]
    sid: Option<String>,
    #[serde(default, deserialize_with = "if_text")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    feature_flags: Option<Vec<String>>,
    // Weir's own.
    weir_iat_ms: Option<i64>,
    weir_cap: Option<Vec<String>>,
}

/// Other issuers may mean anything by these claims: what is not of the kind wanted is as good as absent.
fn if_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    serde_json::Value::deserialize(from).map(|value| value.as_f64())
}

fn texts<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let texts = |items: &Vec<serde_json::Value>| {
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    Ok(value.as_array().map(texts))
}

fn if_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    serde_json::Value::deserialize(from).map(|value| value.as_str().map(str::to_owned))
}

fn sign(secret: &[u8], mut claims: serde_json::Value, now_ms: i64, ttl_ms: i64) -> String {
    let now = now_ms.div_euclid(1000);
    let end = now_ms.saturating_add(ttl_ms).saturating_add(999).div_euclid(1000);
    if let Some(claims) = claims.as_object_mut() {
        claims.extend(
            [("iat", now), ("nbf", now), ("exp", end)].map(|(name, at)| (name.to_owned(), at.into())),
        );
    }
    let signed = format!("{}.{}", BASE64URL.encode(HEADER), BASE64URL.encode(claims.to_string()));
    let mut mac = hmac_key(secret);
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(mac.finalize().into_bytes()))
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = BASE64URL.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// A NumericDate, which may have a fraction, in milliseconds.
fn millis(seconds: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // saturates
    let ms = (seconds * 1000.0) as i64;
    ms
}

/// Whether it names an application, or a source, which has one of its own.
fn is_app(text: &str) -> bool {
    is_id("app_", text) || is_id("src_", text)
}

fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=64).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_795_290_078_123;
    const ORG: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
    const APP: &str = "app_2srOrx2ZWZBpBUvZwXKQmoEYga2";
    const HOUR: i64 = 3_600_000;

    /// A token with any header and claims, signed well.
    fn token(header: &serde_json::Value, claims: &serde_json::Value) -> String {
        let signed =
            format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let mut mac = hmac_key(SECRET);
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64URL.encode(mac.finalize().into_bytes()))
    }

    fn claims(claims: &serde_json::Value) -> Result<Claims, TokenError> {
        verify(SECRET, &token(&json!({ "alg": "HS256" }), claims), NOW)
    }

    #[test]
    fn a_tenants_token_says_its_tenant() {
        let token = sign_org(SECRET, ORG, NOW, HOUR).unwrap();
        let claims = verify(SECRET, &token, NOW).unwrap();
        assert_eq!((claims.org.as_str(), claims.app), (ORG, None));
        assert_eq!(claims.expires_at, Some(1_795_293_679_000), "rounded up to a second");
        assert_eq!(claims.not_before, Some(1_795_290_078_000));
    }

    #[test]
    fn an_applications_token_says_both() {
        let token = sign_app(SECRET, ORG, APP, NOW, HOUR).unwrap();
        let claims = verify(SECRET, &token, NOW).unwrap();
        assert_eq!((claims.org.as_str(), claims.app.as_deref()), (ORG, Some(APP)));
    }

    #[test]
    fn a_portals_token_says_when_it_was_made_and_what_it_may_do() {
        let sign = |id: &str| {
            let limits = Limits {
                id: id.to_owned(),
                session: Some("s".into()),
                capabilities: Some(vec!["ViewBase".into()]),
                feature_flags: Some(vec!["beta".into()]),
            };
            sign_portal(SECRET, ORG, APP, NOW, HOUR, &limits).unwrap()
        };
        assert_ne!(sign("1"), sign("2"));
        let claims = verify(SECRET, &sign("1"), NOW).unwrap();
        assert_eq!((claims.app.as_deref(), claims.issued_at), (Some(APP), Some(NOW)));
        assert_eq!(claims.session.as_deref(), Some("s"));
        assert_eq!(claims.capabilities, Some(vec!["ViewBase".into()]));
        assert_eq!(claims.feature_flags, Some(vec!["beta".into()]));
        let plain = sign_portal(SECRET, ORG, APP, NOW, HOUR, &Limits::default()).unwrap();
        assert_eq!(verify(SECRET, &plain, NOW).unwrap().capabilities, None);
        assert!(sign_portal(SECRET, ORG, "x", NOW, HOUR, &Limits::default()).is_err());
    }

    #[test]
    fn tokens_of_other_makers_are_read() {
        // Made with another implementation, with claims of its own (iss, iat).
        let other = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3OTUwMDAwMDAsImV4cCI6MjExMDM2MDAwMCwibmJmIjoxNzk1\
                     MDAwMDAwLCJpc3MiOiJzdml4LXNlcnZlciIsInN1YiI6Im9yZ18yM3JiOFlkR3FNVDBxSXpwZ0d3ZFhmSGlyTXUifQ.\
                     YicEcihmq-xK_JELFdL2ElR9Fwu7IAudJ1SkWtCLHTU";
        assert_eq!(verify(SECRET, other, NOW).unwrap().org, ORG);
        let bare = claims(&json!({ "sub": "org_a", "org": 5, "scope": ["x"] })).unwrap();
        assert_eq!(bare, Claims { org: "org_a".into(), ..Claims::default() });
    }

    #[test]
    fn only_hs256_is_taken() {
        for alg in ["none", "None", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
            let token = token(&json!({ "alg": alg }), &json!({ "sub": ORG }));
            assert_eq!(verify(SECRET, &token, NOW), Err(TokenError::Algorithm), "{alg}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(verify(SECRET, &unsigned, NOW), Err(TokenError::Algorithm), "{alg}");
        }
        let critical =
            token(&json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), &json!({ "sub": ORG }));
        assert_eq!(verify(SECRET, &critical, NOW), Err(TokenError::Critical));
    }

    #[test]
    fn another_secret_a_changed_claim_or_no_signature_is_refused() {
        let good = sign_org(SECRET, ORG, NOW, HOUR).unwrap();
        assert_eq!(verify(b"another secret of some length", &good, NOW), Err(TokenError::Signature));
        let [header, _, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let claims = BASE64URL.encode(json!({ "sub": "org_victim" }).to_string());
        assert_eq!(
            verify(SECRET, &format!("{header}.{claims}.{signature}"), NOW),
            Err(TokenError::Signature)
        );
        assert_eq!(verify(SECRET, &format!("{header}.{claims}."), NOW), Err(TokenError::Signature));
        let cut = &good[..good.len() - 3]; // still base64url, of 30 bytes
        assert_eq!(verify(SECRET, cut, NOW), Err(TokenError::Signature));
    }

    #[test]
    fn the_secret_as_a_token_is_told_so() {
        let error = verify(SECRET, std::str::from_utf8(SECRET).unwrap(), NOW).unwrap_err();
        assert_eq!(error, TokenError::SecretAsToken);
        assert!(error.to_string().contains("the signing secret itself"));
    }

    #[test]
    fn a_token_is_good_from_nbf_until_just_before_exp() {
        let at = NOW / 1000;
        assert_eq!(claims(&json!({ "sub": ORG, "exp": at })), Err(TokenError::Expired));
        assert!(claims(&json!({ "sub": ORG, "exp": at + 1 })).is_ok());
        assert!(claims(&json!({ "sub": ORG, "nbf": at + 60 })).is_ok(), "clocks may differ by a minute");
        assert_eq!(claims(&json!({ "sub": ORG, "nbf": at + 61 })), Err(TokenError::NotYetValid));
        assert_eq!(claims(&json!({ "sub": ORG, "exp": 1e300 })).unwrap().expires_at, Some(i64::MAX));
        assert_eq!(claims(&json!({ "sub": ORG, "exp": -1e300 })), Err(TokenError::Expired));
        let fraction = claims(&json!({ "sub": ORG, "exp": 1_795_290_079.5 })).unwrap();
        assert_eq!(fraction.expires_at, Some(1_795_290_079_500));
    }

    #[test]
    fn subjects_are_tenants_or_applications_of_one() {
        for sub in [
            "",
            "org",
            "org_",
            "ORG_a",
            "usr_a",
            "org_a b",
            "org_a/b",
            "org_é",
            "app_",
            &format!("org_{}", "a".repeat(65)),
        ] {
            assert_eq!(claims(&json!({ "sub": sub, "org": ORG })), Err(TokenError::Subject), "{sub}");
            assert_eq!(sign_org(SECRET, sub, NOW, HOUR), Err(TokenError::Subject), "{sub}");
        }
        assert!(claims(&json!({ "sub": format!("org_{}", "a".repeat(64)) })).is_ok());
        assert!(claims(&json!({ "sub": "org_A-z_0.9" })).is_ok());
        for org in [json!(null), json!(5), json!(""), json!("app_x"), json!(["org_a"])] {
            assert_eq!(claims(&json!({ "sub": APP, "org": org })), Err(TokenError::Subject), "{org}");
        }
        assert_eq!(claims(&json!({ "sub": APP })), Err(TokenError::Subject));
        assert_eq!(sign_app(SECRET, ORG, ORG, NOW, HOUR), Err(TokenError::Subject));
        assert_eq!(sign_app(SECRET, APP, APP, NOW, HOUR), Err(TokenError::Subject));
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let good = sign_org(SECRET, ORG, NOW, HOUR).unwrap();
        for bad in [
            String::new(),
            "abc".into(),
            "..".into(),
            "a.b".into(),
            format!("{good}="),
            format!("{good}.us"),
            format!(" {good}"),
            good.replacen('.', "..", 1),
            "e30.e30.e30".into(), // {} has no alg
            "a".repeat(MAX_LENGTH + 1),
        ] {
            assert_eq!(verify(SECRET, &bad, NOW), Err(TokenError::Malformed), "{bad}");
        }
        for bad in
            [json!({}), json!([]), json!("org_a"), json!({ "sub": 5 }), json!({ "sub": ORG, "exp": "1" })]
        {
            assert_eq!(claims(&bad), Err(TokenError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_signed_is_verified_and_only_with_its_secret(
            secret in prop::collection::vec(any::<u8>(), 16..100),
            org in "org_[A-Za-z0-9_.-]{1,64}",
            ttl in 1i64..1_000_000_000_000,
        ) {
            let token = sign_org(&secret, &org, NOW, ttl).unwrap();
            prop_assert_eq!(verify(&secret, &token, NOW).unwrap().org, org);
            let mut other = secret.clone();
            other[0] ^= 1;
            prop_assert_eq!(verify(&other, &token, NOW), Err(TokenError::Signature));
            prop_assert_eq!(verify(&secret, &token, NOW + ttl + 1000), Err(TokenError::Expired));
        }

        #[test]
        fn no_single_change_goes_unseen(at: prop::sample::Index, to in "[A-Za-z0-9_.=-]") {
            let good = sign_org(SECRET, ORG, NOW, HOUR).unwrap();
            let at = at.index(good.len());
            let mut bad = good.clone();
            bad.replace_range(at..=at, &to);
            prop_assume!(bad != good);
            prop_assert!(verify(SECRET, &bad, NOW).is_err());
        }

        #[test]
        fn any_text_is_answered(s in ".*", header in ".{0,20}", body in ".{0,40}", now: i64) {
            let _ = verify(SECRET, &s, now);
            let encoded = format!("{}.{}.{}", BASE64URL.encode(header), BASE64URL.encode(&body), s);
            let _ = verify(SECRET, &encoded, now);
            let _ = verify(SECRET, &token(&json!({ "alg": "HS256" }), &json!(body)), now);
        }
    }
}
