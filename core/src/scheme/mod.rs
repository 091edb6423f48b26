//! Signature schemes as data, and the one engine that verifies and signs by them.
//!
//! A [`Scheme`] says where a provider puts its signature, what is signed and with what, how its secrets are read, and
//! how old a request may be. Reading one from its data compiles it: templates and places are parsed once. Secrets are
//! made ready once, too ([`Scheme::verifying`], [`Scheme::signing`]), so that neither a request nor a delivery costs
//! more than its hash.
//!
//! What holds for every scheme:
//! - the signed bytes are the raw ones, before anything parses them;
//! - signatures and tokens are compared in constant time;
//! - any signature that counts will do, by any live secret; what has another tag or version is skipped, and never
//!   stands in for the right one;
//! - a request's age is reported, and refused beyond the tolerance, in both directions;
//! - a header that is there twice is refused, and so is an empty secret;
//! - where nothing binds the body, the verdict is [`Verdict::Authenticated`], never [`Verdict::Verified`].

mod crypto;
mod ecdsa;
mod explain;
mod fields;
mod form;
pub mod handshake;
mod jwt;
mod key;
mod model;
mod paste;
mod place;
mod published;
mod sign;
mod template;
mod verdict;
mod verify;

pub use crypto::{Algorithm, Encoding};
pub use explain::Compared;
pub(crate) use fields::parameter;
pub use form::{Fields, Form, Tagged};
pub use key::{KeyFault, KeyFormat};
#[cfg(test)]
pub(crate) use key::{MAX_KEYS, MAX_RSA_BITS, MAX_SECRET};
pub use model::{Basic, BodyHash, Charset, Jwt, JwtAlgorithm, JwtHash, Scheme, Signature, Time, Token, Unit};
pub use place::{Path, Place, Reader, read};
pub use published::PublishedKeys;
pub use sign::{Outgoing, SignFault, Signed};
pub use template::Template;
pub use verdict::{Proof, Reason, Verdict};
pub use verify::Secrets;

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The most fields of a form.
const MAX_FORM_FIELDS: usize = 10_000;

/// Values of the receiver's account with a provider that its signature covers, by name (PayPal's `webhook_id`), and
/// `header` where the receiver chose the header of a token.
pub type Params = BTreeMap<String, String>;

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The URL as the provider was given it, with the query of this request.
    pub url: &'a str,
    /// Names in any case, in order, with duplicates.
    pub headers: &'a [(String, String)],
    /// The raw bytes.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// The value of a header that may be there once.
    fn header(&self, name: &str) -> Result<Option<&'a str>, Reason> {
        let mut found = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        if found.next().is_some() {
            return Err(Reason::HeaderRepeated(name.to_ascii_lowercase()));
        }
        Ok(value)
    }

    fn json(&self) -> Result<&'a RawValue, Reason> {
        serde_json::from_slice(crate::text::without_mark(self.body)).map_err(|_| Reason::Body("JSON"))
    }

    /// The fields of a form.
    fn form_fields(&self) -> Result<fields::Pairs<'a>, Reason> {
        let kind = self.header("content-type")?;
        self.check_form()?;
        Ok(fields::fields(kind, self.body))
    }

    /// Refuses a form of more fields than anybody sends: a field costs more memory than its two bytes.
    fn check_form(&self) -> Result<(), Reason> {
        let fields = self.body.iter().filter(|byte| **byte == b'&').take(MAX_FORM_FIELDS).count();
        if fields >= MAX_FORM_FIELDS { Err(Reason::Body("a form of at most 10000 fields")) } else { Ok(()) }
    }
}
