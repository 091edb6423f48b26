//! Encryption of the secrets that are stored (signing secrets, headers that let somebody in).
//!
//! With a key, a text is stored as `v1:` and the base64 of nonce and XChaCha20-Poly1305 ciphertext; its 24-byte
//! nonces are long enough to be drawn at random for ever. Without a key it is stored as `plain:` and the text. A
//! vault that gets its key later still opens what was stored before; without its key again, it says so.

use crate::rng::Entropy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;

const PLAIN: &str = "plain:";
const SEALED: &str = "v1:";
const NONCE_BYTES: usize = 24;

/// Seals texts to be stored and opens them again.
#[derive(Clone)]
pub struct Vault(Option<XChaCha20Poly1305>);

/// Why a stored text cannot be opened; a sentence for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultError {
    /// It is encrypted, and there is no key.
    NoKey,
    /// It was encrypted with another key, or changed.
    WrongKey,
    /// It is not what a vault stores.
    Unreadable,
    /// The text is too long to be encrypted.
    TooLong,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => {
                "A stored secret is encrypted, and MASTER_KEY is not set. Set it to the key with which it was stored."
            }
            Self::WrongKey => {
                "A stored secret does not open with this MASTER_KEY. Set it to the key with which it was stored."
            }
            Self::Unreadable => "A stored secret is in a form that this release does not know.",
            Self::TooLong => "The text is too long to be encrypted.",
        })
    }
}

impl std::error::Error for VaultError {}

impl Vault {
    /// A vault with this key, or one that stores texts as they are.
    pub fn new(key: Option<[u8; 32]>) -> Self {
        Self(key.map(|key| XChaCha20Poly1305::new(&key.into())))
    }

    /// The text as it is to be stored.
    pub fn seal(&self, plain: &str, rng: &mut impl Entropy) -> Result<String, VaultError> {
        let Some(cipher) = &self.0 else { return Ok(format!("{PLAIN}{plain}")) };
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce);
        let payload = Payload { msg: plain.as_bytes(), aad: SEALED.as_bytes() };
        let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::TooLong)?;
        Ok(format!("{SEALED}{}", BASE64.encode([&nonce[..], &ciphertext].concat())))
    }

    /// The text that was sealed.
    pub fn open(&self, stored: &str) -> Result<String, VaultError> {
        if let Some(plain) = stored.strip_prefix(PLAIN) {
            return Ok(plain.to_owned());
        }
        let encoded = stored.strip_prefix(SEALED).ok_or(VaultError::Unreadable)?;
        let cipher = self.0.as_ref().ok_or(VaultError::NoKey)?;
        let bytes = BASE64.decode(encoded).map_err(|_| VaultError::Unreadable)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Unreadable)?;
        let payload = Payload { msg: ciphertext, aad: SEALED.as_bytes() };
        let plain = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::WrongKey)?;
        String::from_utf8(plain).map_err(|_| VaultError::Unreadable)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Vault(with a key)" } else { "Vault(without a key)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn with_a_key_the_text_is_not_to_be_seen() {
        let (vault, mut rng) = (Vault::new(Some(KEY)), Seeded(1));
        let sealed = vault.seal("whsec_secret", &mut rng).unwrap();
        assert!(sealed.starts_with("v1:") && !sealed.contains("secret"));
        assert_eq!(vault.open(&sealed).as_deref(), Ok("whsec_secret"));
        assert_ne!(vault.seal("whsec_secret", &mut rng).unwrap(), sealed, "each time with another nonce");
    }

    #[test]
    fn another_implementation_opens_it() {
        // Key of 32 sevens, nonce 0 to 23, made with libsodium's crypto_aead_xchacha20poly1305_ietf.
        let sealed = "v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX33/Y4JlDKMBGteQzzWpeWOepp8x/cMlRK4fglA==";
        assert_eq!(Vault::new(Some(KEY)).open(sealed).as_deref(), Ok("whsec_secret"));
    }

    #[test]
    fn without_a_key_the_text_is_stored_as_it_is_and_a_later_key_changes_nothing() {
        let stored = Vault::new(None).seal("whsec_secret", &mut Seeded(1)).unwrap();
        assert_eq!(stored, "plain:whsec_secret");
        for vault in [Vault::new(None), Vault::new(Some(KEY))] {
            assert_eq!(vault.open(&stored).as_deref(), Ok("whsec_secret"));
        }
    }

    #[test]
    fn a_lost_or_wrong_key_is_told() {
        let sealed = Vault::new(Some(KEY)).seal("x", &mut Seeded(1)).unwrap();
        assert_eq!(Vault::new(None).open(&sealed), Err(VaultError::NoKey));
        assert_eq!(Vault::new(Some([8; 32])).open(&sealed), Err(VaultError::WrongKey));
        for bad in ["", "whsec_x", "v2:AAAA", "v1:", "v1:AAAA", "v1:not base64", "V1:AAAA", "plain"] {
            assert_eq!(Vault::new(Some(KEY)).open(bad), Err(VaultError::Unreadable), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Vault::new(Some(KEY))), "Vault(with a key)");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_what_was_changed_does_not(
            key: Option<[u8; 32]>,
            plain in any::<String>(),
            seed: u64,
            at: prop::sample::Index,
        ) {
            let vault = Vault::new(key);
            let sealed = vault.seal(&plain, &mut Seeded(seed)).unwrap();
            prop_assert_eq!(vault.open(&sealed), Ok(plain));
            if let Some(encoded) = sealed.strip_prefix(SEALED) {
                let mut bytes = BASE64.decode(encoded).unwrap();
                let at = at.index(bytes.len());
                bytes[at] ^= 1;
                let changed = format!("{SEALED}{}", BASE64.encode(bytes));
                prop_assert_eq!(vault.open(&changed), Err(VaultError::WrongKey));
            }
        }

        #[test]
        fn any_text_is_answered(s in "(v1:|plain:)?.*", key: Option<[u8; 32]>) {
            let _ = Vault::new(key).open(&s);
        }
    }
}
