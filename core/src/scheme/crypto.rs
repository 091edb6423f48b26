//! Algorithms and encodings of signatures, and the small hashes beside them.

use super::template::Piece;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// A plain SHA-256 over a text that holds the secret.
    Sha256,
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    EcdsaP256Sha256,
    /// ECDSA on P-256 with SHA-1, the signature in DER.
    EcdsaP256Sha1,
    /// ECDSA on P-521 with SHA-512, the signature in DER.
    EcdsaP521Sha512,
    /// RSA PKCS#1 v1.5 with SHA-1.
    RsaSha1,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaSha256,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaSha512,
}

impl Algorithm {
    /// Whether the verifier has another key than the signer.
    pub fn is_asymmetric(self) -> bool {
        !matches!(self, Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha512 | Self::Sha256)
    }

    /// The word for it, as in the data.
    pub fn word(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::Sha256 => "SHA-256",
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Self::EcdsaP256Sha1 => "ECDSA P-256 with SHA-1",
            Self::EcdsaP521Sha512 => "ECDSA P-521 with SHA-512",
            Self::RsaSha1 => "RSA with SHA-1",
            Self::RsaSha256 => "RSA with SHA-256",
            Self::RsaSha512 => "RSA with SHA-512",
        }
    }
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Lower case; either is read.
    Hex,
    /// With padding; without is read, too.
    Base64,
    /// The alphabet of URLs, without padding; with is read, too.
    Base64url,
}

const fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}
const LENIENT: GeneralPurpose = lenient(&alphabet::STANDARD);
const LENIENT_URL: GeneralPurpose = lenient(&alphabet::URL_SAFE);

impl Encoding {
    /// Bytes as text.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// Text as bytes.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => unhex(text),
            Self::Base64 => LENIENT.decode(text).ok(),
            Self::Base64url => LENIENT_URL.decode(text).ok(),
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64url => "base64url",
        }
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

/// SHA-256 of the parts one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// CRC-32 as zip has it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// Feeds the signed bytes to a hash.
pub(super) fn feed(pieces: &[Piece<'_>], secret: &[u8], mut update: impl FnMut(&[u8])) {
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => update(bytes),
            Piece::Secret => update(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_sums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(hex(&sha256(&[b"a", b"bc"])).get(..8), Some("ba7816bf"));
    }

    #[test]
    fn what_is_not_in_the_encoding_is_not_read() {
        for (encoding, text) in [
            (Encoding::Hex, "abc"),
            (Encoding::Hex, "zz"),
            (Encoding::Hex, "+1"),
            (Encoding::Hex, "é"),
            (Encoding::Base64, "a"),
            (Encoding::Base64, "_-8="),
            (Encoding::Base64, "YQ == "),
            (Encoding::Base64url, "+/8="),
        ] {
            assert_eq!(encoding.decode(text), None, "{text}");
        }
        assert_eq!(Encoding::Hex.decode("AbcD"), Some(vec![0xab, 0xcd]));
        assert_eq!(Encoding::Base64.decode("YQ"), Encoding::Base64.decode("YQ=="));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>, text in ".{0,20}") {
            for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64url] {
                prop_assert_eq!(encoding.decode(&encoding.encode(&bytes)), Some(bytes.clone()));
                let _ = encoding.decode(&text);
            }
        }
    }
}
