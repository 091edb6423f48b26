//! The URL of a source: `/in/` and a token.
//!
//! The token says whose source it is and which of its tokens it is, so that no index of all sources is needed; and a MAC
//! over that, by a key that only the deployment has, so that it cannot be guessed and garbage costs no call of an object.
//! It is not secret what it says, only that it is right. Whether it is still valid is for the source's record to say.

use crate::id;
use crate::secret::hmac_key;
use crate::settings::Settings;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::Mac;

/// What the path of every source begins with.
pub const PREFIX: &str = "/in/";
/// The longest token that is looked at.
const MAX_LENGTH: usize = 256;
/// How many bytes of the MAC a token has.
const MAC_BYTES: usize = 16;
const PURPOSE: &[u8] = b"weir source url 1";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The tenant.
    pub org: String,
    /// The source.
    pub source: String,
    /// Which of its tokens.
    pub generation: u32,
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Signer([u8; 32]);

impl Signer {
    /// By the deployment's `MASTER_KEY`, or its `JWT_SECRET` where there is none; `None` where there is neither, and no
    /// API that could make a source.
    pub fn new(settings: &Settings) -> Option<Self> {
        let secret = match (&settings.master_key, &settings.jwt_secret) {
            (Some(key), _) => key.as_slice(),
            (None, Some(secret)) => secret.as_bytes(),
            (None, None) => return None,
        };
        let mut mac = hmac_key(secret);
        mac.update(PURPOSE);
        Some(Self(mac.finalize().into_bytes().into()))
    }

    /// The token.
    pub fn write(&self, token: &Token) -> String {
        let mut bytes = format!("{}/{}/{}", token.org, token.source, token.generation).into_bytes();
        let mac = self.mac(&bytes);
        bytes.extend(mac.finalize().into_bytes().iter().take(MAC_BYTES));
        BASE64URL.encode(bytes)
    }

    /// What a token says; `None` where it is none of this deployment's.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let bytes = BASE64URL.decode(text).ok()?;
        let (said, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        self.mac(said).verify_truncated_left(mac).ok()?;
        let mut parts = std::str::from_utf8(said).ok()?.split('/');
        let (org, source) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let generation = parts.next()?.parse().ok()?;
        id::is(id::SOURCE, &source).then_some(Token { org, source, generation })
    }

    fn mac(&self, said: &[u8]) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = hmac_key(&self.0);
        mac.update(said);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    fn signer(master_key: Option<[u8; 32]>, jwt_secret: &str) -> Signer {
        let settings = Settings { master_key, jwt_secret: Some(jwt_secret.into()), ..Settings::default() };
        Signer::new(&settings).expect("a key")
    }

    fn token(generation: u32) -> Token {
        Token {
            org: "org_a.b-c_1".into(),
            source: id::new(id::SOURCE, 1_795_000_000_000, &mut Seeded(1)),
            generation,
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_of() {
        let signer = signer(None, "0123456789abcdef");
        for generation in [0, 1, u32::MAX] {
            let text = signer.write(&token(generation));
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
            assert_eq!(signer.read(&text), Some(token(generation)));
        }
    }

    #[test]
    fn another_deployments_token_is_none_and_without_a_secret_there_are_none() {
        let text = signer(None, "0123456789abcdef").write(&token(0));
        assert_eq!(signer(None, "another secret..").read(&text), None);
        let with_key = signer(Some([7; 32]), "0123456789abcdef");
        assert_eq!(with_key.read(&text), None);
        // The key that encrypts goes before the one that signs tokens of the API: that one may be changed.
        assert_eq!(
            signer(Some([7; 32]), "another secret..").read(&with_key.write(&token(3))),
            Some(token(3))
        );
        assert!(Signer::new(&Settings::default()).is_none());
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(at in 0usize..200, flip in 1u8..=255, text in "[A-Za-z0-9_-]{0,300}") {
            let signer = signer(None, "0123456789abcdef");
            prop_assert_eq!(signer.read(&text), None);
            let mut bytes = BASE64URL.decode(signer.write(&token(1))).expect("base64");
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_eq!(signer.read(&BASE64URL.encode(bytes)), None);
        }
    }
}
