//! Encryption of stored credentials: signing secrets, custom headers, URLs with credentials, plugins' configurations,
//! parameters of sources, and stored responses that contain one of those.
//!
//! With a key, a text is stored as `v2:`, the id of the key, and the base64 of nonce and XChaCha20-Poly1305
//! ciphertext; its 24-byte nonces are long enough to be random. A sealed text is bound to its place ([`Place`]):
//! moved elsewhere, it cannot be decrypted. Without a key, texts are stored as `plain:` and the text.
//!
//! Keys can be rotated: the newest one encrypts, and all configured keys decrypt. Texts that were stored before there
//! was a key stay readable. A missing key is an error that names it.

use crate::rng::Entropy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};

const PLAIN: &str = "plain:";
const SEALED: &str = "v2:";
const NONCE_BYTES: usize = 24;

/// The place of a sealed text: the resource that it belongs to, and which of its texts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The id of an endpoint or a source.
    pub of: &'a str,
    /// Such as `secret`.
    pub what: &'a str,
}

impl<'a> Place<'a> {
    /// A signing secret.
    pub fn secret(of: &'a str) -> Self {
        Self { of, what: "secret" }
    }

    /// A source's parameters.
    pub fn params(of: &'a str) -> Self {
        Self { of, what: "params" }
    }

    /// A custom header's value.
    pub fn header(of: &'a str) -> Self {
        Self { of, what: "header" }
    }

    /// A plugin's configuration.
    pub fn config(of: &'a str) -> Self {
        Self { of, what: "config" }
    }

    /// An endpoint's URL, where it holds credentials.
    pub fn url(of: &'a str) -> Self {
        Self { of, what: "url" }
    }

    /// The kept answer to a request with an idempotency key, which it belongs to.
    pub fn reply(of: &'a str) -> Self {
        Self { of, what: "reply" }
    }

    fn bytes(self, key: &str) -> Vec<u8> {
        // No id and no word has a space.
        format!("{SEALED}{key} {} {}", self.of, self.what).into_bytes()
    }
}

#[derive(Clone)]
struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Seals texts to be stored and opens them again.
#[derive(Clone, Default)]
pub struct Vault(Vec<Key>);

/// Why a stored text cannot be opened; a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultError {
    /// It is encrypted, but there is no key.
    NoKey,
    /// It was encrypted with a key, of this id, that is not given.
    OtherKey(String),
    /// It was changed, or was stored elsewhere.
    Changed,
    /// It does not have a format that a vault stores.
    Unreadable,
    /// The text is too long to be encrypted.
    TooLong,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str(
                "A stored secret is encrypted, but MASTER_KEY is not set. Set it to the key with which the \
                 secret was encrypted.",
            ),
            Self::OtherKey(id) => write!(
                f,
                "A stored secret was encrypted with another MASTER_KEY (its id is {id}). Add that key to MASTER_KEY, after \
                 the new one and a comma."
            ),
            Self::Changed => f.write_str(
                "A stored secret was modified after it was encrypted, or copied from elsewhere. Set the \
                 secret again.",
            ),
            Self::Unreadable => {
                f.write_str("A stored secret has a format that this version does not support.")
            }
            Self::TooLong => f.write_str("The text is too long to be encrypted."),
        }
    }
}

impl std::error::Error for VaultError {}

impl VaultError {
    /// Whether the operator has to give a key for it to open.
    pub fn is_about_keys(&self) -> bool {
        matches!(self, Self::NoKey | Self::OtherKey(_))
    }
}

/// The id of a key: nothing of the key can be told from it.
fn key_id(key: &[u8; 32]) -> String {
    let hash = Sha256::new().chain_update(b"weir master key").chain_update(key).finalize();
    hash.iter().take(4).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

impl Vault {
    /// A vault with this key, or one that stores texts as they are.
    pub fn new(key: Option<[u8; 32]>) -> Self {
        Self::with_keys(key.iter())
    }

    /// A vault with these keys, newest first.
    pub fn with_keys<'k>(keys: impl Iterator<Item = &'k [u8; 32]>) -> Self {
        Self(
            keys.map(|key| Key { id: key_id(key), cipher: XChaCha20Poly1305::new(&(*key).into()) }).collect(),
        )
    }

    /// Whether the vault encrypts.
    pub fn has_key(&self) -> bool {
        !self.0.is_empty()
    }

    /// The text as it is to be stored at this place.
    pub fn seal(&self, at: Place<'_>, plain: &str, rng: &mut impl Entropy) -> Result<String, VaultError> {
        let Some(Key { id, cipher }) = self.0.first() else { return Ok(format!("{PLAIN}{plain}")) };
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce);
        let aad = at.bytes(id);
        let payload = Payload { msg: plain.as_bytes(), aad: &aad };
        let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::TooLong)?;
        Ok(format!("{SEALED}{id}:{}", BASE64.encode([&nonce[..], &ciphertext].concat())))
    }

    /// The text that was sealed for this place.
    pub fn open(&self, at: Place<'_>, stored: &str) -> Result<String, VaultError> {
        if let Some(plain) = stored.strip_prefix(PLAIN) {
            return Ok(plain.to_owned());
        }
        let (id, encoded) = stored
            .strip_prefix(SEALED)
            .and_then(|rest| rest.split_once(':'))
            .ok_or(VaultError::Unreadable)?;
        if self.0.is_empty() {
            return Err(VaultError::NoKey);
        }
        let key = self.0.iter().find(|key| key.id == id);
        let Key { cipher, .. } = key.ok_or_else(|| VaultError::OtherKey(shown(id)))?;
        let bytes = BASE64.decode(encoded).map_err(|_| VaultError::Unreadable)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Unreadable)?;
        let aad = at.bytes(id);
        let payload = Payload { msg: ciphertext, aad: &aad };
        let plain = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::Changed)?;
        String::from_utf8(plain).map_err(|_| VaultError::Unreadable)
    }

    /// Whether a stored text is as this vault would store it now: sealed with the newest key, or plain where there is none.
    pub fn is_current(&self, stored: &str) -> bool {
        match self.0.first() {
            None => stored.starts_with(PLAIN),
            Some(key) => {
                let sealed = stored.strip_prefix(SEALED).and_then(|rest| rest.strip_prefix(key.id.as_str()));
                sealed.is_some_and(|rest| rest.starts_with(':'))
            }
        }
    }

    /// Why a stored text could not be opened for want of its key; `None` where the key is there. Costs no decryption.
    pub fn lacks_key(&self, stored: &str) -> Option<VaultError> {
        let (id, _) = stored.strip_prefix(SEALED)?.split_once(':')?;
        match self.0.iter().any(|key| key.id == id) {
            true => None,
            false if self.0.is_empty() => Some(VaultError::NoKey),
            false => Some(VaultError::OtherKey(shown(id))),
        }
    }

    /// The text sealed anew, where it is not as it would be stored now; `None` where there is nothing to do.
    pub fn reseal(
        &self,
        at: Place<'_>,
        stored: &str,
        rng: &mut impl Entropy,
    ) -> Result<Option<String>, VaultError> {
        if self.is_current(stored) {
            return Ok(None);
        }
        let plain = self.open(at, stored)?;
        self.seal(at, &plain, rng).map(Some)
    }
}

fn shown(id: &str) -> String {
    id.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];
    const OTHER: [u8; 32] = [8; 32];
    const AT: Place<'_> = Place { of: "ep_1", what: "secret" };

    #[test]
    fn with_a_key_the_text_is_not_to_be_seen() {
        let (vault, mut rng) = (Vault::new(Some(KEY)), Seeded(1));
        let sealed = vault.seal(AT, "whsec_secret", &mut rng).unwrap();
        assert!(sealed.starts_with("v2:") && !sealed.contains("secret"));
        assert_eq!(vault.open(AT, &sealed).as_deref(), Ok("whsec_secret"));
        assert_ne!(vault.seal(AT, "whsec_secret", &mut rng).unwrap(), sealed, "each time with another nonce");
    }

    #[test]
    fn what_was_moved_elsewhere_does_not_open() {
        let vault = Vault::new(Some(KEY));
        let sealed = vault.seal(AT, "x", &mut Seeded(1)).unwrap();
        for at in [Place { of: "ep_2", ..AT }, Place { what: "header", ..AT }, Place { of: "", what: "" }] {
            assert_eq!(vault.open(at, &sealed), Err(VaultError::Changed));
        }
    }

    #[test]
    fn without_a_key_the_text_is_stored_as_it_is_and_a_later_key_changes_nothing() {
        let stored = Vault::new(None).seal(AT, "whsec_secret", &mut Seeded(1)).unwrap();
        assert_eq!(stored, "plain:whsec_secret");
        for vault in [Vault::new(None), Vault::new(Some(KEY))] {
            assert_eq!(vault.open(AT, &stored).as_deref(), Ok("whsec_secret"));
        }
    }

    #[test]
    fn an_old_key_still_opens_and_what_it_sealed_is_sealed_anew() {
        let mut rng = Seeded(1);
        let (old, both) = (Vault::new(Some(OTHER)), Vault::with_keys([KEY, OTHER].iter()));
        for stored in [old.seal(AT, "x", &mut rng).unwrap(), "plain:x".to_owned()] {
            assert_eq!(both.open(AT, &stored).as_deref(), Ok("x"));
            let anew = both.reseal(AT, &stored, &mut rng).unwrap().expect("not current");
            assert_eq!(Vault::new(Some(KEY)).open(AT, &anew).as_deref(), Ok("x"));
            assert_eq!(both.reseal(AT, &anew, &mut rng), Ok(None));
        }
    }

    #[test]
    fn a_lost_or_wrong_key_is_told() {
        let sealed = Vault::new(Some(KEY)).seal(AT, "x", &mut Seeded(1)).unwrap();
        assert_eq!(Vault::new(None).open(AT, &sealed), Err(VaultError::NoKey));
        let other = Vault::new(Some(OTHER)).open(AT, &sealed).unwrap_err();
        assert!(other.is_about_keys() && other.to_string().contains(&key_id(&KEY)), "{other}");
        for bad in ["", "whsec_x", "v1:AAAA", "v2:", "v2:AAAA", "V2:a:AAAA", "plain"] {
            assert_eq!(Vault::new(Some(KEY)).open(AT, bad), Err(VaultError::Unreadable), "{bad}");
        }
        let id = key_id(&KEY);
        for bad in [format!("v2:{id}:AAAA"), format!("v2:{id}:not base64")] {
            assert_eq!(Vault::new(Some(KEY)).open(AT, &bad), Err(VaultError::Unreadable), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Vault::new(Some(KEY))), "Vault(1 keys)");
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
            let sealed = vault.seal(AT, &plain, &mut Seeded(seed)).unwrap();
            prop_assert!(vault.is_current(&sealed));
            prop_assert_eq!(vault.open(AT, &sealed), Ok(plain));
            if let Some((head, encoded)) = sealed.strip_prefix(SEALED).and_then(|rest| rest.split_once(':')) {
                let mut bytes = BASE64.decode(encoded).unwrap();
                let at = at.index(bytes.len());
                bytes[at] ^= 1;
                let changed = format!("{SEALED}{head}:{}", BASE64.encode(bytes));
                prop_assert_eq!(vault.open(AT, &changed), Err(VaultError::Changed));
            }
        }

        #[test]
        fn any_text_is_answered(s in "(v2:|plain:)?.*", key: Option<[u8; 32]>) {
            let _ = Vault::new(key).open(AT, &s);
        }
    }
}
