//! Signing secrets of endpoints, in the texts that Svix and Standard Webhooks use.
//!
//! `whsec_` and base64 of 24 to 75 bytes is an HMAC-SHA256 key, shared with the receiver. `whsk_` and base64 of
//! 64 bytes (secret, then public) is an Ed25519 key pair, of which a receiver is only ever shown the public
//! half: `whpk_` and base64 of 32 bytes.
//!
//! A parsed [`Secret`] is ready to sign: the two hash states that HMAC derives from its key are computed once.
//! It never shows key material in `Debug` and has no `Display`.

use crate::pasted::{encoded, unversioned, visible};
use crate::rng::Entropy;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as BASE64};
use ed25519_dalek::ed25519::signature::{MultipartSigner, MultipartVerifier};
use ed25519_dalek::{Signature, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::RangeInclusive;

/// How many bytes an HMAC secret may have.
pub const HMAC_BYTES: RangeInclusive<usize> = 24..=75;

const HMAC_PREFIX: &str = "whsec_";
const PAIR_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// Secrets come from other systems, which leave the padding away at times.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a secret signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// HMAC-SHA256: signatures `v1,…`.
    Hmac256,
    /// Ed25519: signatures `v1a,…`.
    Ed25519,
}

/// One signing secret of an endpoint.
#[derive(Clone)]
pub struct Secret(Key);

#[derive(Clone)]
enum Key {
    Hmac { raw: Vec<u8>, ready: Box<Hmac<Sha256>> },
    Ed25519(Box<SigningKey>),
}

/// Why a text is not a signing secret; a sentence that says what is. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretError {
    /// It begins with none of the prefixes.
    Prefix,
    /// It is the public half of a key pair.
    Public,
    /// What follows the prefix is not base64: this character is not, or it was cut.
    Base64(Option<char>),
    /// There are several.
    Several,
    /// An HMAC secret of so many bytes, outside [`HMAC_BYTES`].
    HmacLength(usize),
    /// A key pair of so many bytes, not 64.
    PairLength(usize),
    /// The public half does not belong to the secret half.
    PairMismatch,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str(
                "A signing secret begins with 'whsec_' (a shared secret) or 'whsk_' (an Ed25519 key pair), \
                 followed by base64.",
            ),
            Self::Public => f.write_str(
                "'whpk_' is a public key, which cannot sign. Give the 'whsk_' key pair, or omit the secret to \
                 have one created.",
            ),
            Self::Base64(Some(c)) => write!(
                f,
                "The part after the secret's prefix contains '{}', which is not base64 (A-Z, a-z, 0-9, '+', '/'). Remove it, \
                 or copy the secret again.",
                c.escape_default()
            ),
            Self::Base64(None) => f.write_str(
                "The part after the secret's prefix is not complete base64. Copy the whole secret again.",
            ),
            Self::Several => f.write_str("These are several secrets. Send one."),
            Self::HmacLength(length) => write!(
                f,
                "A 'whsec_' secret must have {} to {} bytes; this one has {length}.",
                HMAC_BYTES.start(),
                HMAC_BYTES.end()
            ),
            Self::PairLength(length) => write!(
                f,
                "A 'whsk_' key pair must have 64 bytes, the secret key and then the public key; this one has \
                 {length}."
            ),
            Self::PairMismatch => {
                f.write_str("The public half of this 'whsk_' key pair does not belong to its secret half.")
            }
        }
    }
}

impl std::error::Error for SecretError {}

/// What follows the prefix, as bytes. The error has one character at most, and none of the alphabet.
fn decoded(encoded: &str) -> Result<Vec<u8>, SecretError> {
    let strange = |c: &char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '=');
    LENIENT.decode(encoded).map_err(|_| SecretError::Base64(encoded.chars().find(strange)))
}

impl Secret {
    /// Reads a secret as a caller gives it or as it was stored.
    ///
    /// What pasting puts around one is no part of it: spaces, line breaks, quotes, invisible characters, the name of a
    /// setting, and `v1,` before `whsec_`.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = visible(text);
        let text = unversioned(encoded(&text));
        if [HMAC_PREFIX, PAIR_PREFIX].iter().any(|prefix| text.matches(prefix).count() > 1) {
            return Err(SecretError::Several);
        }
        let text: String = text.split_whitespace().collect();
        let text = text.as_str();
        if let Some(encoded) = text.strip_prefix(HMAC_PREFIX) {
            let raw = decoded(encoded)?;
            if !HMAC_BYTES.contains(&raw.len()) {
                return Err(SecretError::HmacLength(raw.len()));
            }
            return Ok(Self::hmac(raw));
        }
        if let Some(encoded) = text.strip_prefix(PAIR_PREFIX) {
            let raw = decoded(encoded)?;
            let pair = raw.as_slice().try_into().map_err(|_| SecretError::PairLength(raw.len()))?;
            let key = SigningKey::from_keypair_bytes(pair).map_err(|_| SecretError::PairMismatch)?;
            return Ok(Self(Key::Ed25519(Box::new(key))));
        }
        Err(if text.starts_with(PUBLIC_PREFIX) { SecretError::Public } else { SecretError::Prefix })
    }

    /// A new secret.
    pub fn generate(kind: Kind, rng: &mut impl Entropy) -> Self {
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        match kind {
            Kind::Hmac256 => {
                let [raw @ .., _, _, _, _, _, _, _, _] = seed;
                let raw: [u8; 24] = raw;
                Self::hmac(raw.to_vec())
            }
            Kind::Ed25519 => Self(Key::Ed25519(Box::new(SigningKey::from_bytes(&seed)))),
        }
    }

    fn hmac(raw: Vec<u8>) -> Self {
        Self(Key::Hmac { ready: Box::new(hmac_key(&raw)), raw })
    }

    /// What it signs with.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Key::Hmac { .. } => Kind::Hmac256,
            Key::Ed25519(_) => Kind::Ed25519,
        }
    }

    /// The whole secret as text, to be stored (see [`Vault`](crate::vault::Vault)); [`parse`](Self::parse) reads it.
    pub fn storage_text(&self) -> String {
        match &self.0 {
            Key::Hmac { raw, .. } => format!("{HMAC_PREFIX}{}", BASE64.encode(raw)),
            Key::Ed25519(pair) => format!("{PAIR_PREFIX}{}", BASE64.encode(pair.to_keypair_bytes())),
        }
    }

    /// What a receiver needs to verify: the shared secret itself, or the public half of a key pair.
    pub fn public_text(&self) -> String {
        match &self.0 {
            Key::Hmac { .. } => self.storage_text(),
            Key::Ed25519(pair) => {
                format!("{PUBLIC_PREFIX}{}", BASE64.encode(pair.verifying_key().as_bytes()))
            }
        }
    }

    /// The signature of the parts one after the other, with its version: `v1,…` or `v1a,…`.
    pub fn sign(&self, content: &[&[u8]]) -> String {
        match &self.0 {
            Key::Hmac { ready, .. } => {
                format!("v1,{}", BASE64.encode(mac(ready, content).finalize().into_bytes()))
            }
            Key::Ed25519(pair) => format!("v1a,{}", BASE64.encode(pair.multipart_sign(content).to_bytes())),
        }
    }

    /// Whether `signature` (with its version) is one of these parts by this secret, as a receiver checks it.
    pub fn verify(&self, content: &[&[u8]], signature: &str) -> bool {
        let Some((version, encoded)) = signature.split_once(',') else { return false };
        let Ok(bytes) = BASE64.decode(encoded) else { return false };
        match (&self.0, version) {
            (Key::Hmac { ready, .. }, "v1") => mac(ready, content).verify_slice(&bytes).is_ok(),
            (Key::Ed25519(pair), "v1a") => Signature::from_slice(&bytes)
                .is_ok_and(|signature| pair.verifying_key().multipart_verify(content, &signature).is_ok()),
            _ => false,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            Kind::Hmac256 => "Secret(hmac)",
            Kind::Ed25519 => "Secret(ed25519)",
        })
    }
}

/// An HMAC whose key is set, to be cloned for each message.
///
/// The library's constructor for keys of any length says that it may fail, which for HMAC it cannot; so a
/// key is brought to the length of a block here, as RFC 2104 has it.
pub fn hmac_key(raw: &[u8]) -> Hmac<Sha256> {
    let mut block = [0u8; 64];
    if raw.len() > block.len() {
        let hashed = Sha256::digest(raw);
        block.iter_mut().zip(hashed).for_each(|(to, from)| *to = from);
    } else {
        block.iter_mut().zip(raw).for_each(|(to, from)| *to = *from);
    }
    Hmac::new(&block.into())
}

fn mac(ready: &Hmac<Sha256>, content: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = ready.clone();
    for part in content {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    // Bytes 0 to 31 as an Ed25519 seed, its public key, and what another implementation signs with it.
    const PAIR: &str =
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";
    const PUBLIC: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const SIGNED: &str =
        "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ==";
    const CONTENT: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";

    #[test]
    fn a_shared_secret_is_shown_as_it_is() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(secret.kind(), Kind::Hmac256);
        assert_eq!(secret.public_text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(secret.sign(&[CONTENT.as_bytes()]), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn of_a_key_pair_only_the_public_half_is_shown() {
        let secret = Secret::parse(PAIR).unwrap();
        assert_eq!(secret.kind(), Kind::Ed25519);
        assert_eq!(secret.storage_text(), PAIR);
        assert_eq!(secret.public_text(), PUBLIC);
        assert_eq!(secret.sign(&[CONTENT.as_bytes()]), SIGNED);
    }

    #[test]
    fn a_new_secret_has_24_bytes_or_is_a_pair() {
        let shared = Secret::generate(Kind::Hmac256, &mut Seeded(1)).storage_text();
        assert_eq!((shared.len(), &shared[..6]), (6 + 32, "whsec_"));
        let pair = Secret::generate(Kind::Ed25519, &mut Seeded(1)).storage_text();
        assert_eq!((pair.len(), &pair[..5]), (5 + 88, "whsk_"));
    }

    #[test]
    fn what_is_no_secret_is_refused_with_its_reason() {
        let shared = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        let mut mismatched = BASE64.decode(&PAIR[5..]).unwrap();
        mismatched[0] ^= 1;
        for (text, error) in [
            (String::new(), SecretError::Prefix),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), SecretError::Prefix),
            ("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), SecretError::Prefix),
            (PUBLIC.into(), SecretError::Public),
            ("whsec_not-base64-at-all!".into(), SecretError::Base64(Some('-'))),
            ("whsec_".into(), SecretError::HmacLength(0)),
            (shared(23), SecretError::HmacLength(23)),
            (shared(76), SecretError::HmacLength(76)),
            ("whsk_AAEC".into(), SecretError::PairLength(3)),
            (format!("whsk_{}", BASE64.encode(mismatched)), SecretError::PairMismatch),
        ] {
            assert_eq!(Secret::parse(&text).unwrap_err(), error, "{text}");
        }
        assert!(Secret::parse(&shared(24)).is_ok() && Secret::parse(&shared(75)).is_ok());
    }

    #[test]
    fn what_pasting_puts_around_a_secret_is_no_part_of_it() {
        let bare = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for text in [
            format!("v1,{bare}"),
            format!(" \"{bare}\"\n"),
            bare.replacen("GKY", "\n GKY", 1),
            format!("WEBHOOK_SECRET={bare}"),
            format!("export WEBHOOK_SECRET='{bare}';"),
            format!("Signing secret: {bare}"),
            format!("{bare},"),
            format!("<{bare}>"),
            format!("\u{feff}{}", bare.replacen("GKY", "\u{200b}GKY", 1)),
        ] {
            assert_eq!(Secret::parse(&text).unwrap().storage_text(), bare, "{text:?}");
        }
        for (text, what) in [
            (format!("{bare} {bare}"), "several secrets"),
            (format!("{bare}\n{bare}"), "several secrets"),
            ("whsec_****************".to_owned(), "'*'"),
            (bare.replacen("GKY", "…", 1), "'\\u{2026}'"),
            (bare.replacen("GKY", ";", 1), "';'"),
            (format!("{bare}A"), "copy the secret again"),
        ] {
            let error = Secret::parse(&text).expect_err("refused").to_string().to_lowercase();
            assert!(
                error.contains(&what.to_lowercase()) || error.contains("whole secret"),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn padding_may_be_missing() {
        let padded = format!("whsec_{}", BASE64.encode([7; 25]));
        let bare = padded.trim_end_matches('=');
        assert_ne!(bare, padded);
        assert_eq!(Secret::parse(bare).unwrap().storage_text(), padded);
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Secret::parse(PAIR)), "Ok(Secret(ed25519))");
        assert_eq!(format!("{:?}", Secret::generate(Kind::Hmac256, &mut Seeded(1))), "Secret(hmac)");
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Hmac256), Just(Kind::Ed25519)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_secret_survives_storage_and_verifies_what_it_signed(
            kind in kind(),
            seed: u64,
            body: Vec<u8>,
            cut: prop::sample::Index,
            flip: prop::sample::Index,
        ) {
            let secret = Secret::generate(kind, &mut Seeded(seed));
            let stored = Secret::parse(&secret.storage_text()).unwrap();
            let (head, tail) = body.split_at(cut.index(body.len() + 1));
            let signature = secret.sign(&[head, tail]);
            prop_assert_eq!(&signature, &stored.sign(&[&body]), "how the content is cut does not matter");
            prop_assert!(stored.verify(&[&body], &signature));

            let mut other = body.clone();
            other.push(0);
            prop_assert!(!stored.verify(&[&other], &signature));
            let mut raw = BASE64.decode(signature.split_once(',').unwrap().1).unwrap();
            let at = flip.index(raw.len());
            raw[at] ^= 1;
            let version = signature.split_once(',').unwrap().0;
            let forged = format!("{version},{}", BASE64.encode(raw));
            prop_assert!(!stored.verify(&[&body], &forged));
        }

        #[test]
        fn keys_of_any_length_sign_as_the_library_does(raw: Vec<u8>, long in prop::collection::vec(any::<u8>(), 60..200)) {
            for raw in [raw, long] {
                let mut theirs = Hmac::<Sha256>::new_from_slice(&raw).unwrap();
                theirs.update(b"content");
                prop_assert_eq!(
                    mac(&hmac_key(&raw), &[b"con", b"tent"]).finalize().into_bytes(),
                    theirs.finalize().into_bytes()
                );
            }
        }

        #[test]
        fn any_text_is_answered(s in ".*", t in "(whsec_|whsk_|whpk_)[A-Za-z0-9+/=]{0,120}", signature in "v1a?,.{0,90}") {
            for text in [s, t] {
                if let Ok(secret) = Secret::parse(&text) {
                    prop_assert!(!secret.verify(&[b"content"], &signature));
                }
            }
        }
    }
}
