//! The result of verifying a request, and the reason if it was refused.

use super::key::KeyFault;
use super::place::Place;
use std::fmt;

/// What verification has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A signature over the body, by one of the secrets.
    Verified(Proof),
    /// The sender knows a secret, but nothing binds the body: a plain token, basic authentication, or a signature
    /// over other parts of the request.
    Authenticated(Proof),
    /// It was refused, for this reason.
    Failed(Reason),
    /// The provider signs nothing, so nothing was verified.
    Unattempted,
}

/// Which secret it was, and how old the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The place of the secret among those that were given.
    pub secret: usize,
    /// The age of the request in milliseconds (negative: its time is in the future), if it has a time.
    pub age_ms: Option<i64>,
}

impl Verdict {
    /// The word for it in the API: `verified`, `authenticated`, `failed` or `unattempted`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Authenticated(_) => "authenticated",
            Self::Failed(_) => "failed",
            Self::Unattempted => "unattempted",
        }
    }

    /// Whether it came from whoever holds a secret.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Verified(_) | Self::Authenticated(_))
    }

    /// Why it was refused.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Why a request was refused. [`Reason::code`] is for programs, its text for the person who has to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There is no secret to verify with.
    NoSecret,
    /// No secret can be used; the place of the first, and why.
    SecretUnusable(usize, KeyFault),
    /// The scheme needs a parameter that was not given.
    Parameter(String),
    /// A header is not there.
    HeaderMissing(String),
    /// A header occurs more than once.
    HeaderRepeated(String),
    /// A field of the signature header occurs more than once.
    FieldRepeated(String),
    /// Something else that the scheme reads is not there.
    Missing(Place),
    /// The body cannot be read as what the provider sends.
    Body(&'static str),
    /// A place has to hold one value and holds another.
    Requirement {
        /// Where.
        place: Place,
        /// What has to be there.
        expected: String,
    },
    /// Nowhere is a signature of the scheme; what one begins with.
    NoSignature(String),
    /// More signatures than anyone needs.
    TooManySignatures,
    /// The signature is not in the encoding of the scheme.
    Encoding(&'static str),
    /// The timestamp is not one; how it is written.
    Timestamp(&'static str),
    /// The request is too old.
    TooOld {
        /// Its age in seconds.
        age_s: i64,
        /// How old it may be.
        tolerance_s: i64,
    },
    /// The request comes from the future.
    TooNew {
        /// How far ahead it is, in seconds.
        ahead_s: i64,
        /// How far it may be.
        tolerance_s: i64,
    },
    /// The signature differs: the secret is wrong, or the signed content was changed. It may have a hint.
    Mismatch(Option<&'static str>),
    /// The signature is valid, but the hash that it covers is not the body's.
    BodyHash(String),
    /// The token or password is another one.
    WrongToken,
    /// It is not a JSON Web Token of the right form.
    Jwt(&'static str),
    /// The token is signed in another way than the provider signs.
    JwtAlgorithm(String),
    /// The token was valid until so many seconds ago.
    Expired(i64),
    /// The token is valid in so many seconds.
    NotYetValid(i64),
    /// A claim of the token is missing or another one.
    Claim(String),
    /// What is signed has the form of the provider's handshake, whose answer anyone can ask for.
    Handshake,
    /// The request names a URL for the provider's public key that is not the provider's.
    KeyUrl,
    /// The provider's public keys could not be fetched; why.
    KeysUnavailable(String),
    /// The deployment cannot read the source's secrets; why.
    Locked(String),
    /// One of the events in the body was refused: which, and why.
    Item(usize, Box<Reason>),
}

impl Reason {
    pub(super) fn missing(place: &Place) -> Self {
        match place {
            Place::Header(name) => Self::HeaderMissing(name.clone()),
            other => Self::Missing(other.clone()),
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSecret => "no_secret",
            Self::SecretUnusable(..) => "secret_unusable",
            Self::Parameter(_) => "parameter_missing",
            Self::HeaderMissing(_) => "header_missing",
            Self::HeaderRepeated(_) => "header_repeated",
            Self::FieldRepeated(_) => "field_repeated",
            Self::Missing(_) => "missing",
            Self::Body(_) => "body_unreadable",
            Self::Requirement { .. } => "requirement",
            Self::NoSignature(_) => "no_signature",
            Self::TooManySignatures => "too_many_signatures",
            Self::Encoding(_) => "signature_malformed",
            Self::Timestamp(_) => "timestamp_malformed",
            Self::TooOld { .. } => "too_old",
            Self::TooNew { .. } => "too_new",
            Self::Mismatch(_) => "mismatch",
            Self::BodyHash(_) => "body_changed",
            Self::WrongToken => "wrong_token",
            Self::Jwt(_) => "jwt_malformed",
            Self::JwtAlgorithm(_) => "jwt_algorithm",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::Claim(_) => "claim",
            Self::Handshake => "handshake",
            Self::KeyUrl => "key_url",
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::Locked(_) => "secrets_locked",
            Self::Item(_, inner) => inner.code(),
        }
    }

    /// How far a refused request had come: of several signatures in one request, the one that came furthest explains
    /// it.
    pub(super) fn progress(&self) -> u8 {
        match self {
            Self::TooOld { .. }
            | Self::TooNew { .. }
            | Self::BodyHash(_)
            | Self::Claim(_)
            | Self::Handshake
            | Self::Expired(_)
            | Self::NotYetValid(_) => 4,
            Self::Mismatch(_) | Self::WrongToken => 3,
            Self::Encoding(_) | Self::Timestamp(_) | Self::Jwt(_) | Self::JwtAlgorithm(_) => 2,
            Self::NoSignature(_) => 1,
            _ => 0,
        }
    }
}

/// No clock is so far ahead: it is another unit.
const CENTURIES_S: i64 = 10_000_000_000;
/// No clock is so far behind, but that of a machine that has just begun.
const DECADES_S: i64 = 1_500_000_000;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret => f.write_str("There is no secret to verify with. Give the provider's signing secret."),
            Self::SecretUnusable(at, fault) => write!(f, "Secret {} cannot be used: {fault}", at.saturating_add(1)),
            Self::Parameter(name) => write!(f, "The provider signs a value of your account: give it as '{name}'."),
            Self::HeaderMissing(name) => write!(
                f,
                "The header '{name}' is missing. Either the request is not from this provider, or something on the \
                 way removed it."
            ),
            Self::HeaderRepeated(name) => {
                write!(f, "The header '{name}' occurs more than once, so its value is ambiguous.")
            }
            Self::FieldRepeated(name) => {
                write!(f, "The field '{name}' occurs more than once in the signature header.")
            }
            Self::Missing(place) => write!(f, "The request has no value at {place}, which the signature requires."),
            Self::Body(what) => write!(f, "The body is not {what}, as this provider sends it."),
            Self::Requirement { place, expected } => {
                write!(f, "This provider always sends '{expected}' at {place}, and this request has another \
                     value.")
            }
            Self::NoSignature(expected) => write!(
                f,
                "The request has no accepted signature, which would begin with '{expected}'. Older and \
                 unknown versions are not accepted."
            ),
            Self::TooManySignatures => f.write_str("The request has too many signatures."),
            Self::Encoding(encoding) => write!(f, "The signature is not {encoding}."),
            Self::Timestamp(unit) => write!(f, "The timestamp is not {unit}."),
            Self::TooNew { ahead_s, .. } if *ahead_s > CENTURIES_S => f.write_str(
                "The signature is valid, but the request's time is in milliseconds instead of seconds: sign \
                 with the time divided by 1000.",
            ),
            Self::TooOld { age_s, .. } if *age_s > DECADES_S => f.write_str(
                "The signature is valid, but the request's time is in seconds instead of milliseconds: sign \
                 with the time multiplied by 1000.",
            ),
            Self::TooOld { age_s, tolerance_s } => write!(
                f,
                "The signature is valid, but the request is {age_s} s old, and the limit is {tolerance_s} s: \
                 it was replayed or delayed, or a clock is wrong."
            ),
            Self::TooNew { ahead_s, tolerance_s } => write!(
                f,
                "The signature is valid, but the request's time is {ahead_s} s in the future, and the limit \
                 is {tolerance_s} s: a clock is wrong."
            ),
            Self::Mismatch(None) => f.write_str(
                "The signature was made with another secret, or the signed content was changed on the way. \
                 Compare the secret with the provider's page, and check that the body has exactly the bytes \
                 that were sent.",
            ),
            Self::Mismatch(Some(hint)) => write!(f, "The signature does not match. {hint}"),
            Self::BodyHash(place) => write!(
                f,
                "The signature is valid, but {place} is the hash of another body: the body was changed on the \
                 way."
            ),
            Self::WrongToken => f.write_str("The token or password does not match the secret."),
            Self::Jwt(what) => write!(f, "The token does not have the form of this provider's JSON Web \
                 Tokens: {what}."),
            Self::JwtAlgorithm(found) => {
                write!(f, "The token is signed with '{found}', which this provider does not use.")
            }
            Self::Expired(by) => write!(f, "The token's signature is valid, but the token expired {by} s ago."),
            Self::NotYetValid(by) => {
                write!(f, "The token's signature is valid, but the token becomes valid in {by} s: a clock is \
                     wrong.")
            }
            Self::Claim(name) => write!(
                f,
                "The token's signature is valid, but its claim '{name}' is missing or has another value: it \
                 was made for another request or receiver."
            ),
            Self::Handshake => f.write_str(
                "The signed content looks like a challenge of the provider's handshake. Anyone can get such a signature, \
                 so it proves nothing.",
            ),
            Self::KeyUrl => f.write_str(
                "The request names a URL for the public key that is not this provider's, so the key is not \
                 fetched. The request is not from this provider.",
            ),
            Self::Locked(why) => f.write_str(why),
            Self::KeysUnavailable(why) => write!(
                f,
                "The provider's public keys could not be fetched ({why}), so the signature could not be \
                 verified. The provider was asked to send the request again."
            ),
            Self::Item(at, inner) => write!(f, "Event {} of the body: {inner}", at.saturating_add(1)),
        }
    }
}

impl std::error::Error for Reason {}
