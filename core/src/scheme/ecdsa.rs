//! ECDSA on the curves that providers sign with: the same steps for each, over types that share no trait.
//!
//! What is signed comes as its hash. A signature is in DER, or `fixed` as JWT has it: both numbers side by side.

use super::key::{Document, Jwk};

macro_rules! curve {
    ($name:ident, $library:ident, $size:literal) => {
        /// A key on this curve: the public half, and the private one where it signs.
        #[derive(Clone)]
        pub(super) struct $name {
            public: $library::ecdsa::VerifyingKey,
            private: Option<$library::ecdsa::SigningKey>,
        }

        impl $name {
            pub(super) fn read(document: &Document<'_>) -> Option<Self> {
                use $library::pkcs8::{DecodePrivateKey, DecodePublicKey};
                let (public, private) = match document {
                    Document::Der(der) => match $library::SecretKey::from_pkcs8_der(der) {
                        Ok(secret) => {
                            let private = $library::ecdsa::SigningKey::from(secret);
                            (*private.verifying_key(), Some(private))
                        }
                        Err(_) => ($library::PublicKey::from_public_key_der(der).ok()?.into(), None),
                    },
                    Document::Jwk(jwk) => {
                        let point = point(jwk, $size)?;
                        ($library::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?, None)
                    }
                };
                Some(Self { public, private })
            }

            pub(super) fn can_sign(&self) -> bool {
                self.private.is_some()
            }

            pub(super) fn sign(&self, hash: &[u8], fixed: bool) -> Option<Vec<u8>> {
                use $library::ecdsa::signature::hazmat::PrehashSigner;
                let signature: $library::ecdsa::Signature = self.private.as_ref()?.sign_prehash(hash).ok()?;
                Some(if fixed {
                    signature.to_bytes().to_vec()
                } else {
                    signature.to_der().as_bytes().to_vec()
                })
            }

            pub(super) fn verify(&self, hash: &[u8], signature: &[u8], fixed: bool) -> bool {
                use $library::ecdsa::signature::hazmat::PrehashVerifier;
                let signature = if fixed {
                    $library::ecdsa::Signature::from_slice(signature)
                } else {
                    $library::ecdsa::Signature::from_der(signature)
                };
                signature.is_ok_and(|signature| self.public.verify_prehash(hash, &signature).is_ok())
            }
        }
    };
}

curve!(P256, p256, 32);
curve!(P521, p521, 66);

/// The point of a JWK, uncompressed. Some providers write its numbers without the zeros in front, which RFC 7518 asks for.
fn point(jwk: &Jwk, size: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let number = jwk.bytes(name)?;
        point.extend(std::iter::repeat_n(0, size.checked_sub(number.len())?));
        point.extend(number);
    }
    Some(point)
}
