//! Parses secrets as providers print them, into keys that sign or verify.
//!
//! The same text is a different key with another provider: Stripe uses the whole text `whsec_…`, Svix decodes the
//! base64 after the prefix. So each scheme has a [`KeyFormat`]. `Debug` never shows a key.

use super::crypto::{Algorithm, Encoding, feed};
use super::ecdsa::{P256, P521};
use super::template::Piece;
use crate::unicode;
use ed25519_dalek::ed25519::signature::{MultipartSigner, MultipartVerifier};
use hmac::{Hmac, KeyInit, Mac};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::borrow::Cow;
use std::fmt;
use subtle::ConstantTimeEq;

/// The longest text of a secret that is looked at.
pub(crate) const MAX_SECRET: usize = 8 * 1024;
/// The same of certificates and sets of keys.
pub(crate) const MAX_KEYS: usize = 16 * 1024;
/// The most keys of a set.
const MAX_SET: usize = 20;
/// The most bits of an RSA key, and bytes of a private one in DER: the arithmetic grows with their cube.
pub(crate) const MAX_RSA_BITS: u32 = 4096;
const MAX_RSA_DER: usize = 2_600;

/// How the text of a secret becomes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFormat {
    /// The text's bytes.
    #[default]
    Utf8,
    /// Base64.
    Base64,
    /// Hex.
    Hex,
    /// Base64, after `whsec_` if it is there.
    Whsec,
    /// Base64 of an Ed25519 key, after `whpk_` or `whsk_` if it is there.
    Whpk,
    /// The SHA-1 of the text.
    Sha1,
    /// The text's bytes after Unicode normalization NFKD.
    Nfkd,
    /// A public key, a certificate or a private key: PEM, the same base64 without its frame, or a JWK or JWK set.
    Key,
}

impl KeyFormat {
    /// The description of the format, for users.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Nfkd => "text, used as it is",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Whsec => "`whsec_` and base64",
            Self::Whpk => "`whpk_` and base64 (to send: `whsk_`)",
            Self::Sha1 => "text, whose SHA-1 is the key",
            Self::Key => "public key, certificate or JWK (to send: PKCS#8 private key)",
        }
    }
}

/// Why a text is not a valid secret of a scheme. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// It is empty.
    Empty,
    /// It is too long to be one.
    Long,
    /// It is not in this encoding.
    Encoding(&'static str),
    /// It is not a key of this kind.
    Kind(&'static str),
    /// It is a public key, which cannot sign.
    Public,
    /// It has fewer bytes than a secret has.
    Short {
        /// How many it has.
        bytes: usize,
        /// How many it needs.
        least: usize,
    },
    /// It is an API key; which kind of one.
    ApiKey(&'static str),
    /// It has a line break, or another control character, in it.
    LineBreak,
    /// It is in quotes.
    Quoted,
    /// It is a line of settings: a name, and the secret.
    Labeled,
    /// Something stands around it.
    Around(&'static str),
    /// It is how a page shows a secret that it hides.
    Masked,
    /// It is the placeholder from an example.
    Placeholder,
    /// It is not a user name, a colon and a password.
    NoPassword,
    /// It is more than one secret.
    Several,
    /// It begins with what the provider puts before it.
    Prefixed,
    /// It does not begin as this provider's secrets do.
    OtherPrefix,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty. Anyone could sign with an empty secret."),
            Self::Long => f.write_str("it is too long to be a secret."),
            Self::Encoding(encoding) => write!(f, "it is not {encoding}, as this provider's secrets are."),
            Self::Kind(kind) => write!(f, "it is not {kind}."),
            Self::Short { bytes, least } => write!(
                f,
                "it has {bytes} bytes, which can be guessed. A secret must have at least {least}. Let the \
                 provider create one."
            ),
            Self::ApiKey(what) => {
                write!(
                    f,
                    "it is {what}, not the secret that signs webhooks. Copy the secret that the provider \
                     shows with the webhook."
                )
            }
            Self::LineBreak => f.write_str("it contains a line break or control character. Remove it."),
            Self::Quoted => f.write_str("it is in quotes. Remove them."),
            Self::Labeled => f.write_str(
                "it is a whole setting. Remove everything before the equals sign or colon, and the sign \
                 itself.",
            ),
            Self::Around(what) => write!(f, "it has {what}. Remove that."),
            Self::Masked => f.write_str(
                "it is hidden or shortened. Reveal the secret on the provider's page, then copy it.",
            ),
            Self::Placeholder => f.write_str("it is the text from an example. Copy the secret itself."),
            Self::NoPassword => f.write_str("it has no colon. Give it as user:password."),
            Self::Several => f.write_str(
                "it contains several secrets. Give each one separately, as an entry of 'secrets'.",
            ),
            Self::Prefixed => {
                f.write_str("it begins with 'Bearer ' or another prefix of the header. Remove the prefix.")
            }
            Self::OtherPrefix => f.write_str(
                "this provider's secrets begin with another prefix. Copy the secret of the webhook.",
            ),
            Self::Public => {
                f.write_str("it is a public key, which verifies but cannot sign. Give the private key.")
            }
        }
    }
}

impl std::error::Error for KeyFault {}

/// The purpose of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Verify,
    Sign,
}

/// A key that is ready for use.
#[derive(Clone)]
pub(super) enum Key {
    HmacSha1(Box<Hmac<Sha1>>),
    HmacSha256(Box<Hmac<Sha256>>),
    HmacSha512(Box<Hmac<Sha512>>),
    Hash(Vec<u8>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>, Option<Box<ed25519_dalek::SigningKey>>),
    P256(Algorithm, Box<P256>),
    P521(Box<P521>),
    Rsa(Algorithm, Box<rsa::RsaPublicKey>, Option<Box<rsa::RsaPrivateKey>>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The keys of a secret: one, but for a JWK set.
    pub(super) fn read(
        algorithm: Algorithm,
        format: KeyFormat,
        text: &str,
        purpose: Purpose,
    ) -> Result<Vec<Self>, KeyFault> {
        let most = if format == KeyFormat::Key && purpose == Purpose::Verify { MAX_KEYS } else { MAX_SECRET };
        if text.len() > most {
            return Err(KeyFault::Long);
        }
        let keys = match (algorithm, format) {
            (Algorithm::Ed25519, KeyFormat::Key) => documents(text)?
                .iter()
                .map(|document| ed25519_document(document, purpose))
                .collect::<Result<Vec<_>, _>>()?,
            (Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP256Sha1, _) => {
                let keys = documents(text)?;
                let keys = keys.iter().filter_map(P256::read);
                keys.map(|key| Self::P256(algorithm, Box::new(key))).collect()
            }
            (Algorithm::EcdsaP521Sha512, _) => {
                let keys = documents(text)?;
                keys.iter().filter_map(P521::read).map(|key| Self::P521(Box::new(key))).collect()
            }
            (Algorithm::RsaSha1 | Algorithm::RsaSha256 | Algorithm::RsaSha512, _) => {
                documents(text)?.iter().filter_map(|document| rsa(algorithm, document)).collect()
            }
            (Algorithm::Ed25519, _) => vec![ed25519(&decode(format, text)?, purpose)?],
            _ => {
                let raw = decode(format, text)?;
                if raw.is_empty() {
                    return Err(KeyFault::Empty);
                }
                vec![symmetric(algorithm, raw)?]
            }
        };
        match keys.first() {
            None if text.trim().is_empty() => Err(KeyFault::Empty),
            None => Err(KeyFault::Kind(match algorithm {
                Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP256Sha1 => {
                    "a key on the curve P-256 (PEM, base64 DER, or JWK)"
                }
                Algorithm::EcdsaP521Sha512 => "a key on the curve P-521 (PEM, base64 DER, or JWK)",
                _ => "an RSA key of 1024 to 4096 bits (PEM, base64 DER, or JWK)",
            })),
            Some(first) if purpose == Purpose::Sign && !first.can_sign() => Err(KeyFault::Public),
            Some(_) => Ok(keys),
        }
    }

    fn can_sign(&self) -> bool {
        match self {
            Self::HmacSha1(_) | Self::HmacSha256(_) | Self::HmacSha512(_) | Self::Hash(_) => true,
            Self::Ed25519(_, private) => private.is_some(),
            Self::P256(_, key) => key.can_sign(),
            Self::P521(key) => key.can_sign(),
            Self::Rsa(_, _, private) => private.is_some(),
        }
    }

    /// The signature of the content; `None` where the key only verifies.
    pub(super) fn sign(&self, content: &[Piece<'_>]) -> Option<Vec<u8>> {
        if let Some(digest) = self.digest(content) {
            return Some(digest);
        }
        match self {
            Self::Ed25519(_, private) => {
                Some(private.as_ref()?.multipart_sign(&slices(content)).to_bytes().to_vec())
            }
            Self::P256(..) | Self::P521(_) => self.sign_ecdsa(content, false),
            Self::Rsa(algorithm, _, private) => {
                private.as_ref()?.sign(padding(*algorithm), &hash(*algorithm, content)).ok()
            }
            _ => None,
        }
    }

    /// The expected signature, if the verifier can compute it.
    pub(super) fn digest(&self, content: &[Piece<'_>]) -> Option<Vec<u8>> {
        Some(match self {
            Self::HmacSha1(ready) => mac(ready.as_ref(), content),
            Self::HmacSha256(ready) => mac(ready.as_ref(), content),
            Self::HmacSha512(ready) => mac(ready.as_ref(), content),
            Self::Hash(secret) => {
                let mut hash = Sha256::new();
                feed(content, secret, |bytes| hash.update(bytes));
                hash.finalize().to_vec()
            }
            _ => return None,
        })
    }

    /// Which of the signatures is one of the content, if any.
    pub(super) fn verify(&self, content: &[Piece<'_>], signatures: &[Vec<u8>]) -> bool {
        if let Some(right) = self.digest(content) {
            return signatures.iter().any(|signature| right.ct_eq(signature).into());
        }
        match self {
            Self::Ed25519(public, _) => {
                let content = slices(content);
                signatures.iter().any(|signature| {
                    ed25519_dalek::Signature::from_slice(signature)
                        .is_ok_and(|signature| public.multipart_verify(&content, &signature).is_ok())
                })
            }
            Self::P256(..) | Self::P521(_) => {
                signatures.iter().any(|signature| self.verify_ecdsa(content, signature, false))
            }
            Self::Rsa(algorithm, public, _) => {
                let hash = hash(*algorithm, content);
                signatures
                    .iter()
                    .any(|signature| public.verify(padding(*algorithm), &hash, signature).is_ok())
            }
            _ => false,
        }
    }

    fn sign_ecdsa(&self, content: &[Piece<'_>], fixed: bool) -> Option<Vec<u8>> {
        match self {
            Self::P256(algorithm, key) => key.sign(&hash(*algorithm, content), fixed),
            Self::P521(key) => key.sign(&hash(Algorithm::EcdsaP521Sha512, content), fixed),
            _ => None,
        }
    }

    fn verify_ecdsa(&self, content: &[Piece<'_>], signature: &[u8], fixed: bool) -> bool {
        match self {
            Self::P256(algorithm, key) => key.verify(&hash(*algorithm, content), signature, fixed),
            Self::P521(key) => key.verify(&hash(Algorithm::EcdsaP521Sha512, content), signature, fixed),
            _ => false,
        }
    }

    /// A signature as JWT writes it: of ECDSA, both numbers side by side, instead of DER.
    pub(super) fn sign_fixed(&self, content: &[Piece<'_>]) -> Option<Vec<u8>> {
        match self {
            Self::P256(..) | Self::P521(_) => self.sign_ecdsa(content, true),
            _ => self.sign(content),
        }
    }

    /// Verifies what [`sign_fixed`](Self::sign_fixed) makes.
    pub(super) fn verify_fixed(&self, content: &[Piece<'_>], signature: &[u8]) -> bool {
        match self {
            Self::P256(..) | Self::P521(_) => self.verify_ecdsa(content, signature, true),
            _ => self.verify(content, &[signature.to_vec()]),
        }
    }
}

/// Bytes of a secret that is not a document.
pub(super) fn decode(format: KeyFormat, text: &str) -> Result<Vec<u8>, KeyFault> {
    if text.is_empty() {
        return Err(KeyFault::Empty);
    }
    let from = |encoding: Encoding, text: &str| {
        encoding.decode(text.trim()).ok_or(KeyFault::Encoding(encoding.word()))
    };
    let text = &*format.clean_encoded(text);
    let raw = match format {
        KeyFormat::Utf8 | KeyFormat::Key => text.as_bytes().to_vec(),
        KeyFormat::Base64 => from(Encoding::Base64, text)?,
        KeyFormat::Hex => from(Encoding::Hex, text)?,
        KeyFormat::Whsec => from(Encoding::Base64, text.strip_prefix("whsec_").unwrap_or(text))?,
        KeyFormat::Whpk => {
            let bare = text.strip_prefix("whpk_").or_else(|| text.strip_prefix("whsk_"));
            from(Encoding::Base64, bare.unwrap_or(text))?
        }
        KeyFormat::Sha1 => Sha1::digest(text.as_bytes()).to_vec(),
        KeyFormat::Nfkd => unicode::nfkd(text).ok_or(KeyFault::Encoding("NFKD"))?.into_bytes(),
    };
    if raw.is_empty() { Err(KeyFault::Empty) } else { Ok(raw) }
}

fn symmetric(algorithm: Algorithm, raw: Vec<u8>) -> Result<Key, KeyFault> {
    // HMAC takes a key of any length; the library's type says otherwise.
    let never = KeyFault::Kind("a key for HMAC");
    Ok(match algorithm {
        Algorithm::HmacSha1 => Key::HmacSha1(Box::new(Hmac::new_from_slice(&raw).map_err(|_| never)?)),
        Algorithm::HmacSha512 => Key::HmacSha512(Box::new(Hmac::new_from_slice(&raw).map_err(|_| never)?)),
        Algorithm::Sha256 => Key::Hash(raw),
        _ => Key::HmacSha256(Box::new(crate::secret::hmac_key(&raw))),
    })
}

const ED25519: &str = "an Ed25519 key of 32 bytes (or a pair of 64)";

/// 64 bytes are a pair; 32 are the public half to verify with, and the secret half to sign with.
fn ed25519(raw: &[u8], purpose: Purpose) -> Result<Key, KeyFault> {
    if let Ok(pair) = raw.try_into() {
        let pair =
            ed25519_dalek::SigningKey::from_keypair_bytes(pair).map_err(|_| KeyFault::Kind(ED25519))?;
        return Ok(Key::Ed25519(Box::new(pair.verifying_key()), Some(Box::new(pair))));
    }
    let half: [u8; 32] = raw.try_into().map_err(|_| KeyFault::Kind(ED25519))?;
    if purpose == Purpose::Sign {
        let pair = ed25519_dalek::SigningKey::from_bytes(&half);
        return Ok(Key::Ed25519(Box::new(pair.verifying_key()), Some(Box::new(pair))));
    }
    let public = ed25519_dalek::VerifyingKey::from_bytes(&half).map_err(|_| KeyFault::Kind(ED25519))?;
    Ok(Key::Ed25519(Box::new(public), None))
}

/// The public half of an Ed25519 key that is written so, written the same way.
pub(super) fn public_half(format: KeyFormat, text: &str) -> Option<String> {
    let Key::Ed25519(public, _) = ed25519(&decode(format, text).ok()?, Purpose::Sign).ok()? else {
        return None;
    };
    match format {
        KeyFormat::Hex => Some(Encoding::Hex.encode(public.as_bytes())),
        KeyFormat::Base64 => Some(Encoding::Base64.encode(public.as_bytes())),
        KeyFormat::Whpk => Some(format!("whpk_{}", Encoding::Base64.encode(public.as_bytes()))),
        _ => None,
    }
}

/// In DER, the key itself is the last 32 bytes of both the public and the private form of RFC 8410.
fn ed25519_document(document: &Document<'_>, purpose: Purpose) -> Result<Key, KeyFault> {
    let raw = match document {
        Document::Der(der) => der.get(der.len().saturating_sub(32)..).unwrap_or_default().to_vec(),
        Document::Jwk(jwk) => jwk.bytes(if purpose == Purpose::Sign { "d" } else { "x" }).unwrap_or_default(),
    };
    ed25519(&raw, purpose)
}

fn rsa(algorithm: Algorithm, document: &Document<'_>) -> Option<Key> {
    let (public, private) = match document {
        Document::Der(der) if der.len() > MAX_RSA_DER => return None,
        Document::Der(der) => {
            let private =
                rsa::RsaPrivateKey::from_pkcs8_der(der).or_else(|_| rsa::RsaPrivateKey::from_pkcs1_der(der));
            if let Ok(private) = private {
                (private.to_public_key(), Some(Box::new(private)))
            } else {
                let public = rsa::RsaPublicKey::from_public_key_der(der);
                (public.or_else(|_| rsa::RsaPublicKey::from_pkcs1_der(der)).ok()?, None)
            }
        }
        Document::Jwk(jwk) => {
            let number = |name: &str| {
                let bytes = jwk.bytes(name).filter(|bytes| bytes.len() <= MAX_RSA_BITS as usize / 8)?;
                Some(rsa::BoxedUint::from_be_slice_vartime(&bytes))
            };
            (rsa::RsaPublicKey::new(number("n")?, number("e")?).ok()?, None)
        }
    };
    let fits = public.n().bits_vartime() <= MAX_RSA_BITS;
    fits.then(|| Key::Rsa(algorithm, Box::new(public), private))
}

fn padding(algorithm: Algorithm) -> rsa::Pkcs1v15Sign {
    match algorithm {
        Algorithm::RsaSha1 => rsa::Pkcs1v15Sign::new::<Sha1>(),
        Algorithm::RsaSha512 => rsa::Pkcs1v15Sign::new::<Sha512>(),
        _ => rsa::Pkcs1v15Sign::new::<Sha256>(),
    }
}

fn hash(algorithm: Algorithm, content: &[Piece<'_>]) -> Vec<u8> {
    fn of<D: Digest>(content: &[Piece<'_>]) -> Vec<u8> {
        let mut hash = D::new();
        feed(content, b"", |bytes| hash.update(bytes));
        hash.finalize().to_vec()
    }
    match algorithm {
        Algorithm::RsaSha1 | Algorithm::EcdsaP256Sha1 => of::<Sha1>(content),
        Algorithm::RsaSha512 | Algorithm::EcdsaP521Sha512 => of::<Sha512>(content),
        _ => of::<Sha256>(content),
    }
}

fn mac<M: Mac + Clone>(ready: &M, content: &[Piece<'_>]) -> Vec<u8> {
    let mut mac = ready.clone();
    feed(content, b"", |bytes| mac.update(bytes));
    mac.finalize().into_bytes().to_vec()
}

fn slices<'a>(content: &'a [Piece<'_>]) -> Vec<&'a [u8]> {
    content
        .iter()
        .map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.as_ref(),
            Piece::Secret => &[],
        })
        .collect()
}

/// One key as a provider publishes it.
pub(super) enum Document<'a> {
    Der(Cow<'a, [u8]>),
    Jwk(Jwk),
}

#[derive(Deserialize)]
pub(super) struct Jwk(serde_json::Map<String, serde_json::Value>);

impl Jwk {
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Encoding::Base64url.decode(self.0.get(name)?.as_str()?)
    }
}

/// The keys of a PEM file, of base64 without a frame, of a JWK or of a JWK set.
fn documents(text: &str) -> Result<Vec<Document<'_>>, KeyFault> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Jwk>,
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyFault::Empty);
    }
    if text.starts_with('{') {
        if let Ok(set) = serde_json::from_str::<Set>(text) {
            return Ok(set.keys.into_iter().take(MAX_SET).map(Document::Jwk).collect());
        }
        let jwk = serde_json::from_str(text).map_err(|_| KeyFault::Kind("a JWK or a JWK set"))?;
        return Ok(vec![Document::Jwk(jwk)]);
    }
    let encoded: String = match text.split_once("-----BEGIN ") {
        Some((_, framed)) => framed
            .split_once("-----")
            .and_then(|(_, rest)| rest.split_once("-----END"))
            .map(|(inner, _)| inner)
            .ok_or(KeyFault::Kind("PEM: it begins, and does not end"))?,
        None => text,
    }
    .split_ascii_whitespace()
    .collect();
    let der = Encoding::Base64.decode(&encoded).ok_or(KeyFault::Encoding("PEM or base64"))?;
    let inner = certificate_key(&der).map(<[u8]>::to_vec);
    Ok(vec![Document::Der(Cow::Owned(inner.unwrap_or(der)))])
}

/// The public key (SubjectPublicKeyInfo) of an X.509 certificate. Nothing else of it is looked at: whether to
/// believe it is decided by where it was fetched from.
fn certificate_key(der: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    let (certificate, _) = element(der).filter(|(element, _)| element.tag == SEQUENCE)?;
    let (tbs, _) = element(certificate.content).filter(|(element, _)| element.tag == SEQUENCE)?;
    let mut rest = tbs.content;
    // An optional version; then serial number, algorithm, issuer, validity, subject.
    let (first, tail) = element(rest)?;
    if first.tag == 0xa0 {
        rest = tail;
    }
    for tag in [0x02, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        let (field, tail) = element(rest).filter(|(element, _)| element.tag == tag)?;
        let _ = field;
        rest = tail;
    }
    element(rest).filter(|(element, _)| element.tag == SEQUENCE).map(|(key, _)| key.whole)
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The first element of DER, and what comes after it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 3)?;
        (length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    let whole = der.get(..der.len().saturating_sub(rest.len()))?;
    Some((Element { tag, content, whole }, rest))
}
