//! Sessions: a token in a signed cookie that scripts cannot read.
//!
//! The cookie contains the token, the session's id (by which it is revoked) and its expiry time, with an HMAC-SHA256 under a
//! key derived from `JWT_SECRET`. The proof that forms send is another HMAC of the session's id. Other sites cannot read this
//! origin's pages, so they cannot know it.

use crate::brand::{Brand, Look};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::Mac;
use std::rc::Rc;
use subtle::ConstantTimeEq;
use weir_core::secret::hmac_key;
use weir_core::token::Claims;

/// The lifetime of a session, unless its token expires earlier: 12 hours.
pub const LIFETIME_MS: i64 = 12 * 3_600_000;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: String,
    /// The token.
    pub token: String,
    /// When it expires, in milliseconds.
    pub ends_at: i64,
    /// The tenant.
    pub org: String,
    /// The application to which it is limited.
    pub app: Option<String>,
    /// The brand of its pages.
    pub brand: Rc<Brand>,
    /// What the embedding page changed of the brand.
    look: Look,
    proof: String,
}

/// Creates and verifies sessions.
pub struct Keeper {
    /// Newest first.
    keys: Vec<Vec<u8>>,
    brand: Rc<Brand>,
}

impl Keeper {
    /// Creates a keeper with the secret that signs tokens.
    pub fn new(jwt_secret: &str) -> Self {
        Self::with_secrets(std::iter::once(jwt_secret))
    }

    /// Creates a keeper with all secrets that verify tokens, newest first, so that sessions survive a rotation.
    pub fn with_secrets<'s>(jwt_secrets: impl Iterator<Item = &'s str>) -> Self {
        let key = |secret: &str| mac(secret.as_bytes(), &["weir dashboard session"]);
        Self { keys: jwt_secrets.map(key).collect(), brand: Rc::default() }
    }

    fn newest(&self) -> &[u8] {
        self.keys.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Sets the brand of its sessions.
    #[must_use]
    pub fn with_brand(self, brand: &Rc<Brand>) -> Self {
        Self { brand: Rc::clone(brand), ..self }
    }

    /// Starts a session.
    pub fn begin(&self, id: &str, token: &str, claims: &Claims, now_ms: i64) -> Session {
        let ends_at = now_ms.saturating_add(LIFETIME_MS);
        let ends_at = claims.expires_at.map_or(ends_at, |at| at.min(ends_at));
        self.session(self.newest(), id, token, claims, ends_at)
    }

    fn session(&self, key: &[u8], id: &str, token: &str, claims: &Claims, ends_at: i64) -> Session {
        Session {
            id: id.to_owned(),
            token: token.to_owned(),
            ends_at,
            org: claims.org.clone(),
            app: claims.app.clone(),
            brand: Rc::clone(&self.brand),
            look: Look::default(),
            proof: BASE64URL.encode(mac(key, &["proof", id])),
        }
    }

    /// The value of the cookie.
    pub fn seal(&self, session: &Session) -> String {
        let ends_at = session.ends_at.to_string();
        let look = BASE64URL.encode(session.look.query());
        let text = format!("{}.{ends_at}.{}.{look}", session.id, BASE64URL.encode(&session.token));
        format!("{text}.{}", BASE64URL.encode(mac(self.newest(), &["cookie", &text])))
    }

    /// The session of a cookie, if its signature is valid and it has not expired. `verify` returns the claims of a valid
    /// token.
    pub fn open(
        &self,
        cookie: &str,
        now_ms: i64,
        verify: impl FnOnce(&str) -> Option<Claims>,
    ) -> Option<Session> {
        let (text, sent) = cookie.rsplit_once('.')?;
        let sent = BASE64URL.decode(sent).ok()?;
        let made = |key: &&Vec<u8>| bool::from(mac(key, &["cookie", text]).ct_eq(&sent));
        let key = self.keys.iter().find(made)?;
        let mut parts = text.split('.');
        let (id, ends_at, token) = (parts.next()?, parts.next()?, parts.next()?);
        let ends_at: i64 = ends_at.parse().ok()?;
        let token = String::from_utf8(BASE64URL.decode(token).ok()?).ok()?;
        let claims = verify(&token).filter(|_| now_ms < ends_at)?;
        let look = BASE64URL.decode(parts.next().unwrap_or_default()).ok()?;
        let look = Look::of_query(&String::from_utf8(look).ok()?);
        Some(self.session(key, id, &token, &claims, ends_at).dressed(look))
    }
}

impl Session {
    /// The same with the look that the embedding page asks for. Only a portal that may be embedded has one.
    #[must_use]
    pub fn dressed(self, look: Look) -> Self {
        if look.is_empty() || self.app.is_none() || self.brand.origins.is_empty() {
            return self;
        }
        Self { brand: Rc::new(self.brand.dressed(&look)), look, ..self }
    }

    /// The proof that forms and scripts of this session's pages send.
    pub fn proof(&self) -> &str {
        &self.proof
    }

    pub(crate) fn proves(&self, sent: &str) -> bool {
        bool::from(self.proof.as_bytes().ct_eq(sent.as_bytes()))
    }

    /// The key under which the Directory lists it as revoked.
    pub fn key(&self) -> String {
        format!("dashboard:{}", self.id)
    }
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = hmac_key(key);
    for part in parts {
        mac.update(part.as_bytes());
        mac.update(&[0]);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The cookie with this name in a `cookie` header.
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims { org: "org_1".into(), app: Some("app_1".into()), ..Claims::default() }
    }

    fn open(keeper: &Keeper, cookie: &str, now: i64) -> Option<Session> {
        keeper.open(cookie, now, |token| (token == "a.b.c").then(claims))
    }

    #[test]
    fn a_session_is_what_it_was_until_it_ends() {
        let keeper = Keeper::new("secret of the tests");
        let session = keeper.begin("ses_1", "a.b.c", &claims(), 1_000);
        let sealed = keeper.seal(&session);
        assert_eq!(open(&keeper, &sealed, 2_000), Some(session.clone()));
        assert_eq!(open(&keeper, &sealed, session.ends_at), None);
        assert_eq!(session.app.as_deref(), Some("app_1"));
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let keeper = Keeper::new("secret of the tests");
        let short = Claims { expires_at: Some(5_000), ..claims() };
        assert_eq!(keeper.begin("ses_1", "a.b.c", &short, 1_000).ends_at, 5_000);
    }

    #[test]
    fn a_cookie_that_was_changed_or_made_elsewhere_is_none() {
        let keeper = Keeper::new("secret of the tests");
        let sealed = keeper.seal(&keeper.begin("ses_1", "a.b.c", &claims(), 0));
        for (at, _) in sealed.char_indices() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open(&keeper, &changed, 1), None, "{at}");
        }
        assert_eq!(open(&Keeper::new("another secret, as long"), &sealed, 1), None);
        for bad in ["", ".", "...", "ses_1.9999999999999.YS5iLmM."] {
            assert_eq!(open(&keeper, bad, 1), None, "{bad}");
        }
        let refused = keeper.seal(&keeper.begin("ses_1", "x.y.z", &claims(), 0));
        assert_eq!(open(&keeper, &refused, 1), None, "its token is not good (any more)");
    }

    #[test]
    fn each_session_has_a_proof_of_its_own() {
        let keeper = Keeper::new("secret of the tests");
        let one = keeper.begin("ses_1", "a.b.c", &claims(), 0);
        let two = keeper.begin("ses_2", "a.b.c", &claims(), 0);
        assert!(one.proves(one.proof()) && !one.proves(two.proof()) && !one.proves(""));
        assert_ne!(one.key(), two.key());
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(cookie("a=1; weir_session=x.y; b=2", "weir_session"), Some("x.y"));
        assert_eq!(cookie("weir_sessions=1", "weir_session"), None);
        assert_eq!(cookie("", "weir_session"), None);
    }
}
