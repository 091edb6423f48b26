//! Sources: URLs at which providers' webhooks come in.
//!
//! A source is a kind (a preset of a provider, or a user's own scheme), its secrets, and options. It has its own App
//! object, named by its id, so its endpoints, messages, attempts and replays are those of an application, which is
//! not in any list. This module decides which URL belongs to a source ([`url`]), what to do with a request
//! ([`Definition`]), and what is stored of a rejected one ([`rejected`]).
//!
//! What holds for every source:
//! - the raw bytes are verified before anything parses them;
//! - a handshake is answered and stores nothing, and its answer is never a signature that an event could have;
//! - requests that were not verified are not delivered, unless the source accepts them;
//! - a provider's public key is fetched from the provider's own URLs only, and only by https;
//! - an event that the provider sends twice is delivered once, within the source's window;
//! - a refusal says which rule applied, and nothing that helps an attacker to satisfy it.

mod definition;
mod form;
pub mod keyring;
mod kind;
mod limit;
pub mod rejected;
pub mod url;

pub use definition::{Custom, Definition, MAX_EVENTS, MAX_STORED_AT_ONCE, Receipt, Refusal};
#[cfg(test)]
pub(crate) use form::MAX_FIELDS;
pub use kind::{Kind, similar, unsupported};
pub use limit::{Gate, Sampler};

pub use crate::header::HOPS;
use crate::rate::RateLimit;
use crate::rng::Entropy;
use crate::text::Metadata;
use crate::vault::{Place, Vault, VaultError};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// An event that has passed through this many sources is refused.
pub const MAX_HOPS: u32 = 3;

/// How long a URL stays valid after its token was rotated, unless the caller says so, in milliseconds: two days.
pub const OVERLAP_MS: i64 = 48 * 3_600_000;
/// How many URLs may be valid beside the current one.
pub const MAX_OLD_TOKENS: usize = 3;
/// The most bytes of a request.
pub const MAX_BODY: u32 = 1024 * 1024;
/// The longest window in which an event's id is remembered, in seconds: 30 days.
pub const MAX_DEDUP_S: u32 = 30 * 86_400;

/// One source. Stored as CBOR with numbered fields, so that another release reads it.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct SourceRecord {
    /// For people.
    #[n(0)]
    pub name: String,
    /// The caller's own name.
    #[n(1)]
    pub uid: Option<String>,
    /// For the caller.
    #[n(2)]
    pub metadata: Metadata,
    /// What sends: see [`Kind`].
    #[n(3)]
    pub kind: String,
    /// The provider's secrets, newest first, each as the vault sealed it.
    #[n(4)]
    pub secrets: Vec<String>,
    /// Values of the account that signatures cover, as a JSON object that the vault sealed.
    #[n(5)]
    pub params: Option<String>,
    /// A user's own scheme: the JSON of a [`Custom`].
    #[n(6)]
    pub custom: Option<String>,
    /// What the user chose.
    #[n(7)]
    pub options: Options,
    /// Which token its URL has.
    #[n(8)]
    pub generation: u32,
    /// Previous tokens, and until when they are valid.
    #[n(9)]
    pub old: Vec<OldToken>,
    /// In milliseconds.
    #[n(10)]
    pub created_at: i64,
    /// In milliseconds.
    #[n(11)]
    pub updated_at: i64,
    /// Rises with every change: a change of an older version is refused.
    #[n(12)]
    pub version: u32,
    /// What its token has to say besides: see [`url`].
    #[cbor(n(13), default)]
    pub tag: url::Tag,
}

/// A token that was rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct OldToken {
    /// Which.
    #[n(0)]
    pub generation: u32,
    /// Until when it is valid, in milliseconds.
    #[n(1)]
    pub until: i64,
    /// As of the current one.
    #[cbor(n(2), default)]
    pub tag: url::Tag,
}

/// What a user chooses of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SourceOptions"))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Options {
    /// What to do with requests that fail verification.
    #[cbor(n(0), default)]
    pub unverified: Unverified,
    /// What to do with a body that holds several events.
    #[cbor(n(1), default)]
    pub batch: Batch,
    /// How to deliver a form-encoded body.
    #[cbor(n(2), default)]
    pub form: Form,
    /// The names of request headers that are delivered with the event.
    #[cbor(n(3), default)]
    pub forward_headers: Vec<String>,
    /// How long event ids are remembered, in seconds. `null` uses the deployment's `DEDUP_WINDOW`; 0 disables
    /// deduplication.
    #[n(4)]
    #[cfg_attr(test, schemars(range(max = 2_592_000)))]
    pub dedup_window_seconds: Option<u32>,
    /// The maximum size of a request's body, in bytes. Larger requests are refused with 413.
    #[n(5)]
    #[cfg_attr(test, schemars(range(min = 1, max = 1_048_576)))]
    pub max_body_bytes: Option<u32>,
    /// The rate limit of this source. Requests beyond it are refused with 429. `null` means no limit.
    #[n(6)]
    pub rate_limit: Option<RateLimit>,
    /// The event type of events that do not carry one.
    #[n(7)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeName>"))]
    pub event_type: Option<String>,
    /// The URL that the provider signs, if it differs from the source's own URL.
    #[n(8)]
    pub url: Option<String>,
    /// How to recognize a duplicate.
    #[cbor(n(9), default)]
    pub dedup_by: DedupBy,
}

/// How a duplicate is recognized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum DedupBy {
    /// By the event's id. An event without an id is never a duplicate.
    #[default]
    #[n(0)]
    Id,
    /// By the body: equal bytes are a duplicate.
    #[n(1)]
    Body,
}

/// What to do with events whose signature is invalid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Unverified {
    /// Refuse them, and keep them in the list of rejected requests.
    #[default]
    #[n(0)]
    Reject,
    /// Deliver them, with the verdict in the message's `ingest`.
    #[n(1)]
    Accept,
}

/// What happens to a body that holds several events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "SourceBatch"))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Batch {
    /// Store each event as a message, byte for byte.
    #[default]
    #[n(0)]
    Split,
    /// Store the whole body as one message.
    #[n(1)]
    Keep,
}

/// In which form a body that is a form is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Form {
    /// Convert it to a JSON object, and keep the original bytes.
    #[default]
    #[n(0)]
    Json,
    /// Deliver the original bytes.
    #[n(1)]
    Raw,
}

/// A source with its id, between the Directory and the Worker.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct SourceRow {
    /// `src_…`
    #[n(0)]
    pub id: String,
    /// The rest.
    #[n(1)]
    pub record: SourceRecord,
}

impl SourceRecord {
    /// Whether a URL with this token is the source's at that time.
    pub fn accepts(&self, token: &url::Token, now: i64) -> bool {
        let is = |generation: u32, tag: &url::Tag| generation == token.generation && tag.is(&token.tag);
        is(self.generation, &self.tag)
            || self.old.iter().any(|old| is(old.generation, &old.tag) && now < old.until)
    }

    /// Seals anew what is sealed with an older key, or with none; how many texts that were.
    pub fn reseal(&mut self, id: &str, vault: &Vault, rng: &mut impl Entropy) -> Result<usize, VaultError> {
        let secrets = self.secrets.iter_mut().map(|sealed| (Place::secret(id), sealed));
        let mut count = 0usize;
        for (place, sealed) in secrets.chain(self.params.iter_mut().map(|sealed| (Place::params(id), sealed)))
        {
            if let Some(anew) = vault.reseal(place, sealed, rng)? {
                *sealed = anew;
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    /// Why something of it cannot be opened; `None` where all keys are there.
    pub fn lacks_key(&self, vault: &Vault) -> Option<VaultError> {
        self.secrets.iter().chain(&self.params).find_map(|sealed| vault.lacks_key(sealed))
    }

    /// Gives the source a new token; the one of now stays valid for a while. `false` where too many are valid already.
    pub fn rotate(&mut self, now: i64, overlap_ms: i64, tag: impl FnOnce(u32) -> url::Tag) -> bool {
        self.old.retain(|old| now < old.until);
        if overlap_ms > 0 {
            if self.old.len() >= MAX_OLD_TOKENS {
                return false;
            }
            let until = now.saturating_add(overlap_ms);
            self.old.push(OldToken { generation: self.generation, until, tag: self.tag });
        } else {
            // Without an overlap, all previous URLs become invalid.
            self.old.clear();
        }
        self.generation = self.generation.wrapping_add(1);
        self.tag = tag(self.generation);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rotated_token_dies_after_its_overlap_and_at_once_without_one() {
        let mut source = SourceRecord { tag: tag(0), ..SourceRecord::default() };
        let accepts = |source: &SourceRecord, generation, now| source.accepts(&token(generation), now);
        assert!(accepts(&source, 0, 0) && !accepts(&source, 1, 0));
        assert!(source.rotate(1_000, OVERLAP_MS, tag));
        assert!(accepts(&source, 1, 1_000));
        assert!(accepts(&source, 0, 1_000 + OVERLAP_MS - 1) && !accepts(&source, 0, 1_000 + OVERLAP_MS));
        assert!(source.rotate(2_000, 0, tag));
        assert!(!accepts(&source, 0, 2_000) && !accepts(&source, 1, 2_000) && accepts(&source, 2, 2_000));
    }

    #[test]
    fn a_token_that_says_the_right_generation_and_no_more_is_none() {
        let mut source = SourceRecord { tag: tag(0), ..SourceRecord::default() };
        assert!(source.rotate(1_000, OVERLAP_MS, tag));
        let other = url::Token { tag: tag(0), ..token(1) };
        assert!(source.accepts(&token(1), 1_000) && !source.accepts(&other, 1_000));
        let unset = SourceRecord::default();
        assert!(!unset.accepts(&url::Token { tag: url::Tag::default(), ..token(0) }, 0));
    }

    fn tag(generation: u32) -> url::Tag {
        url::Tag::from([u8::try_from(generation % 251).unwrap() + 1; url::TAG_BYTES])
    }

    fn token(generation: u32) -> url::Token {
        url::Token { org: "org_1".into(), source: "src_1".into(), generation, tag: tag(generation) }
    }

    #[test]
    fn three_rotations_are_the_most_within_the_overlap() {
        let mut source = SourceRecord::default();
        assert!((0..3).all(|now| source.rotate(now, OVERLAP_MS, tag)));
        assert!(!source.rotate(3, OVERLAP_MS, tag), "a fourth would make five URLs valid");
        assert_eq!(source.generation, 3);
        assert!(source.rotate(OVERLAP_MS, OVERLAP_MS, tag), "the first has died");
    }

    proptest! {
        #[test]
        fn a_dead_token_never_comes_back(steps in proptest::collection::vec((0i64..100, 0i64..200), 1..40)) {
            let source = SourceRecord { tag: tag(0), ..SourceRecord::default() };
            let (mut source, mut now, mut dead) = (source, 0, std::collections::BTreeSet::new());
            for (wait, overlap) in steps {
                now += wait;
                source.rotate(now, overlap, tag);
                for generation in 0..=source.generation {
                    if !source.accepts(&token(generation), now) {
                        dead.insert(generation);
                    }
                    prop_assert!(!(dead.contains(&generation) && source.accepts(&token(generation), now)));
                }
                prop_assert!(source.accepts(&token(source.generation), now));
                prop_assert!(source.old.len() <= MAX_OLD_TOKENS);
            }
        }
    }
}
