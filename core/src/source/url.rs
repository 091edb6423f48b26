//! The URL of a source: `/in/` and a token.
//!
//! The token names the tenant, the source and the number of the token, so that no index of all sources is needed. It
//! also has a tag that cannot be guessed and that the source's record contains. Only the tag is secret.
//!
//! The tag is a MAC with a key of the deployment, so that an invalid URL costs no call to an object. It is computed
//! once and stored, so that a URL stays valid when the deployment's secrets change: a token whose MAC matches none of
//! the keys is looked up, a few per second ([`Signer::knows`]).

use crate::id;
use crate::secret::hmac_key;
use crate::settings::Settings;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::Mac;
use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;

/// What the path of every source begins with.
pub const PREFIX: &str = "/in/";
/// The longest token that is accepted.
const MAX_LENGTH: usize = 256;
/// How many bytes a tag has.
pub const TAG_BYTES: usize = 16;
const PURPOSE: &[u8] = b"weir source url 1";

/// The tag that makes a token unguessable. The default is not the tag of any token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Tag(#[n(0)] [u8; TAG_BYTES]);

impl Tag {
    /// Whether it is this one, in constant time.
    pub fn is(&self, other: &Self) -> bool {
        *self != Self::default() && bool::from(self.0.ct_eq(&other.0))
    }
}

impl From<[u8; TAG_BYTES]> for Tag {
    fn from(bytes: [u8; TAG_BYTES]) -> Self {
        Self(bytes)
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The tenant.
    pub org: String,
    /// The source.
    pub source: String,
    /// Which of its tokens.
    pub generation: u32,
    /// What only the right one says.
    pub tag: Tag,
}

impl Token {
    /// As it stands in the URL.
    pub fn write(&self) -> String {
        let mut bytes = said(&self.org, &self.source, self.generation);
        bytes.extend(self.tag.0);
        BASE64URL.encode(bytes)
    }

    /// Parses a token; `None` if it is not one. The tag is not checked.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let bytes = BASE64URL.decode(text).ok()?;
        let (said, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        let mut parts = std::str::from_utf8(said).ok()?.split('/');
        let (org, source) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let generation = parts.next()?.parse().ok()?;
        let whole = parts.next().is_none() && org.starts_with("org_") && id::is(id::SOURCE, &source);
        whole.then_some(Token { org, source, generation, tag: Tag(*tag) })
    }
}

fn said(org: &str, source: &str, generation: u32) -> Vec<u8> {
    format!("{org}/{source}/{generation}").into_bytes()
}

/// Makes tags, and knows those that it has made.
#[derive(Clone)]
pub struct Signer(Vec<[u8; 32]>);

impl Signer {
    /// By the deployment's `MASTER_KEY`, or its `JWT_SECRET` where there is none; it knows what all values of both have
    /// made. `None` where there is neither, and no API that could make a source.
    pub fn new(settings: &Settings) -> Option<Self> {
        let keys = settings.master_keys().map(<[u8; 32]>::as_slice);
        let keys = keys.chain(settings.jwt_secrets().map(str::as_bytes));
        let keys: Vec<[u8; 32]> = keys
            .map(|secret| {
                let mut mac = hmac_key(secret);
                mac.update(PURPOSE);
                mac.finalize().into_bytes().into()
            })
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The tag of a new token.
    pub fn tag(&self, org: &str, source: &str, generation: u32) -> Tag {
        let mut tag = [0; TAG_BYTES];
        if let Some(key) = self.0.first() {
            let mac = mac(key, &said(org, source, generation)).finalize().into_bytes();
            tag.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        }
        Tag(tag)
    }

    /// Whether one of the keys made the tag. If not, it can still be valid, made with a key that is no longer
    /// configured.
    pub fn knows(&self, token: &Token) -> bool {
        let said = said(&token.org, &token.source, token.generation);
        self.0.iter().any(|key| mac(key, &said).verify_truncated_left(&token.tag.0).is_ok())
    }
}

fn mac(key: &[u8; 32], said: &[u8]) -> hmac::Hmac<sha2::Sha256> {
    let mut mac = hmac_key(key);
    mac.update(said);
    mac
}

/// Whether a path is the URL of a source of this very deployment.
pub fn is_own(path: &str, settings: &Settings) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let token = path.strip_prefix(PREFIX).and_then(|token| Token::read(token.trim_end_matches('/')));
    token.is_some_and(|token| Signer::new(settings).is_some_and(|signer| signer.knows(&token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    fn settings(vars: &[(&str, &str)]) -> Settings {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::from_vars(var).expect("settings")
    }

    fn token(settings: &Settings, generation: u32) -> Token {
        let (org, source) =
            ("org_a.b-c_1".to_owned(), id::new(id::SOURCE, 1_795_000_000_000, &mut Seeded(1)));
        let tag = Signer::new(settings).expect("a key").tag(&org, &source, generation);
        Token { org, source, generation, tag }
    }

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let settings = settings(&[("JWT_SECRET", SECRET)]);
        for generation in [0, 1, u32::MAX] {
            let token = token(&settings, generation);
            let text = token.write();
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
            assert_eq!(Token::read(&text), Some(token.clone()));
            assert!(Signer::new(&settings).expect("a key").knows(&token));
        }
    }

    #[test]
    fn a_token_outlives_the_keys_it_was_made_with_and_is_known_while_they_are_given() {
        let (old, new) = ("07".repeat(32), "08".repeat(32));
        let made = token(&settings(&[("JWT_SECRET", SECRET)]), 0);
        for (vars, known) in [
            (vec![("JWT_SECRET", SECRET.to_owned()), ("MASTER_KEY", old.clone())], true),
            (vec![("JWT_SECRET", format!("another secret..,{SECRET}"))], true),
            (vec![("JWT_SECRET", "another secret..".to_owned()), ("MASTER_KEY", old.clone())], false),
        ] {
            let vars: Vec<(&str, &str)> = vars.iter().map(|(n, v)| (*n, v.as_str())).collect();
            assert_eq!(Signer::new(&settings(&vars)).expect("a key").knows(&made), known, "{vars:?}");
        }
        let by_master = token(&settings(&[("JWT_SECRET", SECRET), ("MASTER_KEY", &old)]), 0);
        let both = settings(&[("JWT_SECRET", "another secret.."), ("MASTER_KEY", &format!("{new},{old}"))]);
        assert!(Signer::new(&both).expect("a key").knows(&by_master));
        assert!(Signer::new(&Settings::default()).is_none());
    }

    #[test]
    fn its_own_urls_are_recognized() {
        let settings = settings(&[("JWT_SECRET", SECRET)]);
        let token = token(&settings, 3).write();
        assert!(is_own(&format!("{PREFIX}{token}"), &settings));
        assert!(is_own(&format!("{PREFIX}{token}/?a=b"), &settings));
        for other in ["/in/x", "/", "/webhook/", &format!("/hook/{token}")] {
            assert!(!is_own(other, &settings), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token_that_is_known(at in 0usize..200, flip in 1u8..=255, text in "[A-Za-z0-9_-]{0,300}") {
            let settings = settings(&[("JWT_SECRET", SECRET)]);
            let signer = Signer::new(&settings).expect("a key");
            prop_assert_eq!(Token::read(&text), None);
            let mut bytes = BASE64URL.decode(token(&settings, 1).write()).expect("base64");
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let changed = Token::read(&BASE64URL.encode(bytes));
            prop_assert!(!changed.is_some_and(|token| signer.knows(&token)));
        }
    }
}
