//! What objects say to each other: compact CBOR with numbered fields.
//!
//! During a gradual deployment an object of one release talks to an object of the next, so a frame must be
//! readable by the release before and the release after. The rules that give this: a field keeps its number
//! for ever, a new field is optional, a removed field's number is not used again. `core/tests/frames.rs`
//! holds the frames of earlier releases and reads them.

use crate::delivery::{Batch, Order};
use crate::error::Trouble;
use crate::idempotency::Idempotency;
use crate::plugin::Attached;
use crate::query::Query;
use crate::send_as::SendAs;
use crate::spread::Spread;
use minicbor::bytes::{ByteSlice, ByteVec};
use minicbor::{Decode, Encode};
use std::ops::Deref;
use std::rc::Rc;

/// Encodes a frame.
pub fn encode<T: Encode<()>>(frame: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector cannot fail: its error type is uninhabited.
    let _ = minicbor::encode(frame, &mut out);
    out
}

/// Decodes a frame; the error is a text for the log.
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, String> {
    minicbor::decode(bytes).map_err(|e| format!("unreadable frame: {e}"))
}

/// Names and values of headers, in their order.
pub type Headers = Vec<(String, String)>;

/// A payload that several frames share: however many endpoints a message goes to, its bytes are in memory once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Rc<[u8]>);

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        payload.to_vec()
    }
}

impl<C> Encode<C> for Payload {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Payload {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes: &ByteSlice = d.decode()?;
        Ok(Self(Rc::from(&**bytes)))
    }
}

/// Worker → App: one message to accept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewMessage {
    /// The event's type.
    #[n(0)]
    pub event_type: String,
    /// The payload, byte for byte as it will be delivered.
    #[n(1)]
    pub payload: ByteVec,
    /// The sender's own id, unique within the application.
    #[n(2)]
    pub event_id: Option<String>,
    /// Channels, as the text of a JSON array.
    #[n(3)]
    pub channels: Option<String>,
    /// SHA-256 of the caller's token and its `idempotency-key`.
    #[n(4)]
    pub idempotency_key: Option<ByteVec>,
    /// SHA-256 of the request's body, compared when a key is used again.
    #[n(5)]
    pub body_hash: Option<ByteVec>,
    /// How long the payload is kept, in days.
    #[n(6)]
    pub retention_days: Option<i64>,
    /// The uid by which the caller named the application, if it did; the App answers
    /// [`Accepted::Unknown`] where it is not (any more) its own.
    #[n(7)]
    pub app_uid: Option<String>,
    /// Tags, as the text of a JSON array.
    #[n(8)]
    pub tags: Option<String>,
    /// How long the payload is kept, in hours; goes before the days.
    #[n(9)]
    pub retention_hours: Option<i64>,
    /// When it is to be delivered, in milliseconds; none for at once.
    #[n(10)]
    pub deliver_at: Option<i64>,
    /// Where it came in at a source.
    #[n(11)]
    pub ingest: Option<Ingest>,
    /// Headers that are delivered with it.
    #[n(12)]
    pub headers: Option<Headers>,
    /// Random, and the same where the same request is sent again: within minutes it is stored once.
    #[n(13)]
    pub nonce: Option<u64>,
}

/// What a message has that came in at a source.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ingest {
    /// What is known of the request: the text of a JSON object, for people.
    #[n(0)]
    pub origin: String,
    /// The bytes as they came, where the payload is others.
    #[n(1)]
    pub raw: Option<ByteVec>,
    /// For how long its event id is remembered, in milliseconds: within that time it is stored once.
    #[n(2)]
    pub dedup_ms: i64,
    /// At most so many requests in any window of so many milliseconds.
    #[n(3)]
    pub rate: Option<(u32, i64)>,
}

/// Worker → App: the events of one request at a source. All are stored, or none. Answered by [`Ingested`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct IngestAsk {
    /// The events.
    #[n(0)]
    pub messages: Vec<NewMessage>,
    /// The rejected request that is accepted by hand with them.
    #[n(1)]
    pub rejected: Option<String>,
}

/// App → Worker: what became of the events of an [`IngestAsk`], in their order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ingested {
    /// One for each.
    #[n(0)]
    pub answers: Vec<Accepted>,
}

/// Worker → App: the messages of one request of the API. Each is stored or refused for itself. Answered by [`BatchAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BatchAsk {
    /// The messages, without idempotency keys of their own.
    #[n(0)]
    pub messages: Vec<NewMessage>,
    /// The uid by which the caller named the application, if it did.
    #[n(1)]
    pub app_uid: Option<String>,
    /// The idempotency key of the request.
    #[n(2)]
    pub idempotency: Option<Idempotency>,
}

/// App → Worker: what became of the messages of a [`BatchAsk`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct BatchAnswer {
    /// This object is the application that was meant; else nothing was stored.
    #[n(0)]
    pub known: bool,
    /// The idempotency key was used with another body; nothing was stored.
    #[n(1)]
    pub key_reused: bool,
    /// One for each message, in their order.
    #[n(2)]
    pub answers: Vec<Accepted>,
}

impl Default for NewMessage {
    fn default() -> Self {
        Self {
            event_type: String::new(),
            payload: Vec::new().into(),
            event_id: None,
            channels: None,
            idempotency_key: None,
            body_hash: None,
            retention_days: None,
            app_uid: None,
            tags: None,
            retention_hours: None,
            deliver_at: None,
            ingest: None,
            headers: None,
            nonce: None,
        }
    }
}

/// App → Worker: what became of a [`NewMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Accepted {
    /// Stored under this id at this time; `replayed` where an earlier request with the same idempotency key
    /// had stored it.
    #[n(0)]
    Stored {
        /// The message's id.
        #[n(0)]
        id: String,
        /// When it was accepted, in milliseconds.
        #[n(1)]
        at: i64,
        /// Whether this answers a repeated request.
        #[n(2)]
        replayed: bool,
    },
    /// The event id is taken.
    #[n(1)]
    EventIdTaken,
    /// The idempotency key was used with another body.
    #[n(2)]
    KeyReused,
    /// This object is not (or no longer) the application that was meant.
    #[n(3)]
    Unknown,
    /// The storage failed; nothing was stored.
    #[n(4)]
    Failed,
    /// The source has had its share of requests; nothing was stored.
    #[n(5)]
    Limited {
        /// How long to wait, in milliseconds.
        #[n(0)]
        wait_ms: i64,
    },
    /// The object's storage is full; nothing was stored.
    #[n(6)]
    Full,
    /// The object has more to store than it can; nothing was stored.
    #[n(7)]
    Overloaded,
}

impl Accepted {
    /// What a message comes to whose step failed.
    pub fn failed(error: &str) -> Self {
        if crate::sql::is_full(error) { Self::Full } else { Self::Failed }
    }

    /// Why nothing was stored, where that is nothing about the message.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Failed | Self::Limited { .. } => Some(Trouble::Failed),
            Self::Full => Some(Trouble::Full),
            Self::Overloaded => Some(Trouble::Overloaded),
            Self::Stored { .. } | Self::EventIdTaken | Self::KeyReused | Self::Unknown => None,
        }
    }
}

/// A message on its way to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Outgoing {
    /// The message's id.
    #[n(0)]
    pub id: String,
    /// The event's type.
    #[n(1)]
    pub event_type: String,
    /// Channels, as the text of a JSON array.
    #[n(2)]
    pub channels: Option<String>,
    /// The payload.
    #[n(3)]
    pub payload: Payload,
    /// Headers that are delivered with it, where it brought any.
    #[n(4)]
    pub headers: Option<Vec<(String, String)>>,
}

/// App → Endpoint: messages after a place in the App's log. Without messages it is a poke: "are you awake?".
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Push {
    /// The version of the endpoint's configuration that the App holds.
    #[n(0)]
    pub config_version: i64,
    /// Matching messages in the order of the log.
    #[n(1)]
    pub messages: Vec<Outgoing>,
}

/// Endpoint → App: answer to a [`Push`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PushAnswer {
    /// How many of the messages, from the first, are stored (now or before).
    #[n(0)]
    pub accepted: u32,
    /// The endpoint has enough for now and will pull.
    #[n(1)]
    pub enough: bool,
    /// The endpoint's configuration is older than the App's; nothing was accepted.
    #[n(2)]
    pub stale: bool,
    /// Whether deliveries are waiting or under way here.
    #[n(3)]
    pub owes: bool,
}

/// A signing secret on its way to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SecretFrame {
    /// The secret as the vault sealed it.
    #[n(0)]
    pub sealed: String,
    /// When it ceases to sign (milliseconds); none for the current one.
    #[n(1)]
    pub expires_at: Option<i64>,
}

/// App → Endpoint: the endpoint's configuration. A newer version replaces an older one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Config {
    /// Rises with every change.
    #[n(0)]
    pub version: i64,
    /// The tenant.
    #[n(1)]
    pub org: String,
    /// The application's id.
    #[n(2)]
    pub app_id: String,
    /// The endpoint's id.
    #[n(3)]
    pub endpoint_id: String,
    /// Where deliveries go, with credentials hidden.
    #[n(4)]
    pub url: String,
    /// Deliveries wait.
    #[n(5)]
    pub disabled: bool,
    /// The endpoint is gone for good: what waits is dropped.
    #[n(6)]
    pub deleted: bool,
    /// Newest first.
    #[n(7)]
    pub secrets: Vec<SecretFrame>,
    /// Custom headers.
    #[n(8)]
    pub headers: Vec<(String, String)>,
    /// `svix`, `standard` or `both`; none for the deployment's own.
    #[n(9)]
    pub header_profile: Option<String>,
    /// Retry delays in milliseconds; none for the deployment's own.
    #[n(10)]
    pub schedule_ms: Option<Vec<i64>>,
    /// Milliseconds for one attempt; none for the deployment's own.
    #[n(11)]
    pub timeout_ms: Option<i64>,
    /// Each: at most so many requests started in any window of so many milliseconds.
    #[n(12)]
    pub paces: Vec<(u32, i64)>,
    /// At most so many requests under way.
    #[n(13)]
    pub max_in_flight: Option<u32>,
    /// The plugins that each delivery passes, in order; none for an empty chain.
    #[n(14)]
    pub plugins: Option<Vec<Attached>>,
    /// As which provider it sends; none for the deployment's own way.
    #[n(15)]
    pub send_as: Option<SendAs>,
    /// How many deliveries go in one request; none for the preset's, or one.
    #[n(16)]
    pub batch: Option<Batch>,
    /// In which order deliveries are made; none for no promise.
    #[n(17)]
    pub order: Option<Order>,
    /// The whole URL as the vault sealed it, where `url` hides something.
    #[n(18)]
    pub sealed_url: Option<String>,
}

/// Endpoint → App: answer to a [`Config`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ConfigAnswer {
    /// The version that the endpoint holds now.
    #[n(0)]
    pub version: i64,
}

/// Endpoint → App: payloads of messages that are due again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PayloadsAsk {
    /// Ids of messages.
    #[n(0)]
    pub ids: Vec<String>,
}

/// App → Endpoint: the payloads that the App still has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Payloads {
    /// Id and payload. An id that is in neither list did not fit this answer: ask again.
    #[n(0)]
    pub found: Vec<(String, ByteVec)>,
    /// Ids whose payload is not stored any more.
    #[n(1)]
    pub gone: Vec<String>,
    /// Headers that are delivered with a payload, by the message's id, where it brought any.
    #[n(2)]
    pub headers: Option<Vec<(String, Headers)>>,
}

/// Endpoint → App: the endpoint has room again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pull {
    /// The endpoint's id.
    #[n(0)]
    pub endpoint_id: String,
}

/// App → Endpoint: deliver one message once more, by hand.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resend {
    /// The version of the endpoint's configuration that the App holds.
    #[n(0)]
    pub config_version: i64,
    /// The message.
    #[n(1)]
    pub message: Outgoing,
}

/// Endpoint → App: something that the App has to know; sent until acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// The endpoint's id.
    #[n(0)]
    pub endpoint_id: String,
    /// What happened.
    #[n(1)]
    pub kind: ReportKind,
    /// When, in milliseconds.
    #[n(2)]
    pub at: i64,
    /// The configuration version under which it happened: a later one overrules the report.
    #[n(3)]
    pub config_version: i64,
}

impl Report {
    /// Names what is reported, so that a report that arrives twice tells of it once.
    pub fn event_id(&self) -> String {
        match &self.kind {
            ReportKind::Gone | ReportKind::FailingSince { .. } => {
                format!("{}.disabled.{}", self.endpoint_id, self.config_version)
            }
            ReportKind::Exhausted { attempt_id, .. } => {
                format!("{}.exhausted.{attempt_id}", self.endpoint_id)
            }
            // A message fails and recovers at an endpoint once.
            ReportKind::Failing { msg_id, .. } => format!("{}.failing.{msg_id}", self.endpoint_id),
            ReportKind::Recovered { msg_id, .. } => format!("{}.recovered.{msg_id}", self.endpoint_id),
            ReportKind::PluginFailing { name, .. } => {
                format!("{}.plugin.{name}.{}", self.endpoint_id, self.at)
            }
            ReportKind::Stands { .. } => format!("{}.stands.{}", self.endpoint_id, self.at),
        }
    }
}

/// What an endpoint reports.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ReportKind {
    /// The receiver answered 410: disable the endpoint.
    #[n(0)]
    Gone,
    /// Nothing but failures since this time, for as long as the deployment bears: disable the endpoint.
    #[n(1)]
    FailingSince {
        /// The first failure after the last success, in milliseconds.
        #[n(0)]
        since: i64,
    },
    /// The last attempt of a delivery failed.
    #[n(2)]
    Exhausted {
        /// The message's id.
        #[n(0)]
        msg_id: String,
        /// The last attempt's id.
        #[n(1)]
        attempt_id: String,
        /// The last attempt's status code, 0 where there was no answer.
        #[n(2)]
        code: u16,
    },
    /// A delivery has failed several times, and goes on.
    #[n(3)]
    Failing {
        /// The message's id.
        #[n(0)]
        msg_id: String,
        /// The attempt's id.
        #[n(1)]
        attempt_id: String,
        /// The attempt's status code, 0 where there was no answer.
        #[n(2)]
        code: u16,
    },
    /// A delivery that was failing has got through.
    #[n(4)]
    Recovered {
        /// The message's id.
        #[n(0)]
        msg_id: String,
        /// The attempt's id.
        #[n(1)]
        attempt_id: String,
        /// The attempt's status code.
        #[n(2)]
        code: u16,
    },
    /// A plugin has failed several times in a row, and rests for a while.
    #[n(5)]
    PluginFailing {
        /// The plugin's name.
        #[n(0)]
        name: String,
        /// The version that the attachment says.
        #[n(1)]
        version: String,
        /// Why it failed last.
        #[n(2)]
        error: String,
    },
    /// How the endpoint stands has changed.
    #[n(6)]
    Stands {
        /// How it stands.
        #[n(0)]
        standing: Standing,
        /// Since when, in milliseconds.
        #[n(1)]
        since: i64,
    },
}

/// How an endpoint stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// It takes what it is sent, as far as is known.
    #[default]
    #[n(0)]
    Well,
    /// Deliveries that are due have been waiting for a while.
    #[n(1)]
    Waiting,
    /// Nothing but failures for a while.
    #[n(2)]
    Failing,
    /// The same, and the circuit breaker is not closed.
    #[n(3)]
    Open,
}

/// App → Directory: what has changed about an endpoint, as far as a tenant's overview shows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StandingNote {
    /// The application's id, or the source's.
    #[n(0)]
    pub app_id: String,
    /// The endpoint's id.
    #[n(1)]
    pub endpoint_id: String,
    /// What has changed.
    #[n(2)]
    pub change: StandingChange,
}

/// What has changed about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum StandingChange {
    /// How it stands.
    #[n(0)]
    Stands {
        /// How it stands.
        #[n(0)]
        standing: Standing,
        /// Since when, in milliseconds.
        #[n(1)]
        since: i64,
        /// When that was reported, in milliseconds: an older report does not replace a newer one.
        #[n(2)]
        at: i64,
    },
    /// Whether it is disabled.
    #[n(1)]
    Disabled {
        /// Whether it is.
        #[n(0)]
        disabled: bool,
        /// The version of its configuration: an older one does not replace a newer one.
        #[n(1)]
        version: i64,
    },
    /// It was deleted.
    #[n(2)]
    Deleted,
}

/// Directory → App: this application exists, with this uid.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AppInit {
    /// The tenant.
    #[n(0)]
    pub org: String,
    /// The application's id.
    #[n(1)]
    pub app_id: String,
    /// The application's uid.
    #[n(2)]
    pub uid: Option<String>,
    /// Rises with every change; an older one is ignored.
    #[n(3)]
    pub version: i64,
    /// The application was deleted.
    #[n(4)]
    pub deleted: bool,
    /// How many requests a second may go to all of its endpoints together; none for no limit.
    #[n(5)]
    pub rate: Option<u16>,
    /// As which provider its new endpoints send.
    #[n(6)]
    pub send_as: Option<SendAs>,
}

/// App → Endpoint: attempts, as the API lists them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AttemptsAsk {
    /// The query of the request.
    #[n(0)]
    pub query: Query,
    /// Only of this message.
    #[n(1)]
    pub msg_id: Option<String>,
    /// Only this attempt.
    #[n(2)]
    pub attempt_id: Option<String>,
    /// The answer ends with the attempt that takes it over so many bytes.
    #[n(3)]
    pub bytes: Option<u32>,
}

/// Endpoint → App: attempts in the order in which they were read, one more than asked for where there are more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Attempts {
    /// The attempts.
    #[n(0)]
    pub rows: Vec<AttemptRow>,
    /// Where the search ended, when enough was looked at before the page was full.
    #[n(1)]
    pub stopped_at: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AttemptRow {
    /// The attempt's id.
    #[n(0)]
    pub id: String,
    /// The message's id.
    #[n(1)]
    pub msg_id: String,
    /// The endpoint's id.
    #[n(2)]
    pub endpoint_id: String,
    /// Where it went.
    #[n(3)]
    pub url: String,
    /// The answer's body, or why there was none.
    #[n(4)]
    pub response: String,
    /// HTTP status, 0 without an answer.
    #[n(5)]
    pub code: u16,
    /// Milliseconds.
    #[n(6)]
    pub duration_ms: i64,
    /// With the API's numbers.
    #[n(7)]
    pub status: i64,
    /// Asked for by hand.
    #[n(8)]
    pub manual: bool,
    /// When it was started.
    #[n(9)]
    pub started_at: i64,
    /// What plugins did on its way: the text of a JSON array.
    #[n(10)]
    pub plugins: Option<String>,
    /// What is kept of the headers, where one attempt was asked for: the text of a JSON array, the request's and the
    /// answer's.
    #[n(11)]
    pub headers: Option<String>,
}

/// App → Endpoint: the endpoint's statistics in a period.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StatsAsk {
    /// From, in milliseconds.
    #[n(0)]
    pub since: i64,
    /// Until, in milliseconds.
    #[n(1)]
    pub until: i64,
    /// Whether each hour is wanted.
    #[n(2)]
    pub hours: Option<bool>,
}

/// Endpoint → App: attempts in a period, and deliveries waiting now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct StatsAnswer {
    /// Attempts that succeeded.
    #[n(0)]
    pub success: i64,
    /// Attempts that failed.
    #[n(1)]
    pub fail: i64,
    /// Deliveries that failed for good.
    #[n(2)]
    pub exhausted: i64,
    /// Deliveries waiting for their first attempt.
    #[n(3)]
    pub pending: i64,
    /// Deliveries that failed so far and wait for the next attempt.
    #[n(4)]
    pub sending: i64,
    /// Deliveries that plugins filtered out.
    #[n(5)]
    pub filtered: i64,
    /// When the oldest message was accepted that waits, in milliseconds.
    #[n(6)]
    pub oldest: Option<i64>,
    /// By the hour, where that was asked for; hours without an attempt are left out.
    #[n(7)]
    pub hours: Option<Vec<StatsHour>>,
    /// Where the endpoint's breaker is not closed: until when it is open, in milliseconds; 0 where it is half-open.
    #[n(8)]
    pub open_until: Option<i64>,
}

/// The attempts of one hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct StatsHour {
    /// When it begins, in milliseconds.
    #[n(0)]
    pub at: i64,
    /// Attempts that succeeded.
    #[n(1)]
    pub success: i64,
    /// Attempts that failed.
    #[n(2)]
    pub fail: i64,
    /// Deliveries that plugins filtered out.
    #[n(3)]
    pub filtered: i64,
    /// Milliseconds that the attempts took together.
    #[n(4)]
    pub took: i64,
    /// Milliseconds of the longest.
    #[n(5)]
    pub longest: i64,
    /// How they spread over times and status codes.
    #[n(6)]
    pub spread: Option<Spread>,
}

impl StatsHour {
    /// Adds what others counted in the same hour.
    pub fn add(&mut self, other: &Self) {
        self.at = other.at;
        self.success = self.success.saturating_add(other.success);
        self.fail = self.fail.saturating_add(other.fail);
        self.filtered = self.filtered.saturating_add(other.filtered);
        self.took = self.took.saturating_add(other.took);
        self.longest = self.longest.max(other.longest);
        if let Some(other) = &other.spread {
            self.spread.get_or_insert_default().add(other);
        }
    }
}

/// Directory → App: what it was sent in a period, or what it listens to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UsageAsk {
    /// From when on, in milliseconds.
    #[n(0)]
    pub since: i64,
    /// Until when, in milliseconds.
    #[n(1)]
    pub until: i64,
    /// Whether attempts are counted; else event types are gathered.
    #[n(2)]
    pub counts: bool,
}

/// App → Directory: what it was sent, or what it listens to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct UsageAnswer {
    /// How many attempts there were.
    #[n(0)]
    pub attempts: i64,
    /// The event types that its endpoints name, in order, each once.
    #[n(1)]
    pub event_types: Vec<String>,
    /// Whether an endpoint names none, and so gets all.
    #[n(2)]
    pub catches_all: bool,
    /// Whether its endpoints name more event types than are listed.
    #[n(3)]
    pub truncated: bool,
}

/// App → Endpoint: how the deliveries of these messages stand.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeliveriesAsk {
    /// Ids of messages.
    #[n(0)]
    pub ids: Vec<String>,
}

/// Endpoint → App: how deliveries stand; those messages are left out that the endpoint knows nothing of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Deliveries {
    /// One for each message.
    #[n(0)]
    pub rows: Vec<DeliveryRow>,
}

/// How one delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeliveryRow {
    /// The message's id.
    #[n(0)]
    pub msg_id: String,
    /// With the API's numbers.
    #[n(1)]
    pub status: i64,
    /// When the next attempt is due, in milliseconds.
    #[n(2)]
    pub next_at: Option<i64>,
}

/// App → Endpoint: forget what the receiver answered to one attempt. Answered by a [`Done`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExpungeAsk {
    /// The message's id.
    #[n(0)]
    pub msg_id: String,
    /// The attempt's id.
    #[n(1)]
    pub attempt_id: String,
}

/// Endpoint → App: whether there was something to do. App → Directory: whether what an [`AppInit`] asks for is done.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Done {
    /// Whether it was there, and is done.
    #[n(0)]
    pub done: bool,
}

/// App → Endpoint: one batch of a recovery. Answered by a [`TaskAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecoverAsk {
    /// Messages accepted from this time on, in milliseconds.
    #[n(0)]
    pub since: i64,
    /// Messages accepted up to this time, in milliseconds.
    #[n(1)]
    pub until: i64,
    /// Attempts up to here were looked at in earlier batches; empty before the first.
    #[n(2)]
    pub after: String,
    /// The last attempt to look at, as the answer to the very first ask said; none in that ask.
    #[n(3)]
    pub upto: Option<String>,
    /// Whether this only counts.
    #[n(4)]
    pub dry: Option<bool>,
}

/// App → Endpoint: one batch of a replay: messages to deliver unless they are known. Answered by a
/// [`TaskAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReplayAsk {
    /// The messages; their payloads are asked for when their turn comes.
    #[n(0)]
    pub messages: Vec<Owed>,
    /// Whether this only counts.
    #[n(1)]
    pub dry: Option<bool>,
    /// Whether their time has come (`deliverAt`): an attempt by hand that failed before does not take its place.
    #[n(2)]
    pub on_time: Option<bool>,
}

/// App → Endpoint: one batch of a bulk replay: messages to deliver once more, by hand, unless they are on their way.
/// Answered by a [`TaskAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BulkAsk {
    /// The messages; their payloads are asked for when their turn comes.
    #[n(0)]
    pub messages: Vec<Owed>,
    /// The last attempt before the replay, as the answer to the very first ask said; none in that ask.
    #[n(1)]
    pub upto: Option<String>,
    /// Only those whose newest attempt has this status, with the API's numbers.
    #[n(2)]
    pub status: Option<i64>,
    /// Only those whose newest attempt was answered with this hundred.
    #[n(3)]
    pub code_class: Option<u16>,
    /// Whether this only counts.
    #[n(4)]
    pub dry: Option<bool>,
}

/// A message without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Owed {
    /// The message's id.
    #[n(0)]
    pub id: String,
    /// The event's type.
    #[n(1)]
    pub event_type: String,
    /// Channels, as the text of a JSON array.
    #[n(2)]
    pub channels: Option<String>,
}

/// Endpoint → App: what came of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct TaskAnswer {
    /// The endpoint has no configuration yet: nothing was done.
    #[n(0)]
    pub not_ready: bool,
    /// How many deliveries the batch made due.
    #[n(1)]
    pub count: u32,
    /// Recovery: where the next batch goes on.
    #[n(2)]
    pub after: String,
    /// Recovery: the last attempt to look at.
    #[n(3)]
    pub upto: Option<String>,
    /// Recovery: there is nothing more.
    #[n(4)]
    pub end: bool,
}

/// App → Directory: how a background task stands, for the tenant's list of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TaskNote {
    /// The task's id.
    #[n(0)]
    pub id: String,
    /// The application's id.
    #[n(1)]
    pub app_id: String,
    /// What it does, in the API's word.
    #[n(2)]
    pub task: String,
    /// How far it is, in the API's word.
    #[n(3)]
    pub status: String,
    /// Whose it is, and how far: JSON.
    #[n(4)]
    pub data: String,
    /// In milliseconds.
    #[n(5)]
    pub updated_at: i64,
    /// Rises with every change; an older one is ignored.
    #[n(6)]
    pub version: i64,
}

/// Worker → Directory: take applications' tokens back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Revocation {
    /// Each: a token's hash, an application's id, or a session of one.
    #[n(0)]
    pub keys: Vec<String>,
    /// Only tokens issued up to this time, in milliseconds; none for all.
    #[n(1)]
    pub issued_until: Option<i64>,
    /// For how many milliseconds they stay valid.
    #[n(2)]
    pub grace_ms: i64,
    /// When the tokens have expired anyway, if that is known.
    #[n(3)]
    pub forget_at: Option<i64>,
}

/// Worker → Directory: was a token taken back?
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RevokedAsk {
    /// The names under which it may be noted, as in [`Revocation`].
    #[n(0)]
    pub keys: Vec<String>,
    /// When it was issued, in milliseconds; 0 where it does not say.
    #[n(1)]
    pub issued_at: i64,
}

/// Directory → Worker → App: the plugins of one endpoint, resolved. The App takes it unless it has handled a
/// [`PluginNotice`] of this number or a later one: then it may be out of date, and is to be resolved again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ResolvedPlugins {
    /// The number of the Directory's change by which the uses were noted.
    #[n(0)]
    pub seq: i64,
    /// In the order in which a delivery passes them.
    #[n(1)]
    pub plugins: Vec<Attached>,
}

/// Directory → App: how a plugin stands now. Sent until answered with [`PluginUses`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PluginNotice {
    /// The plugin's name.
    #[n(0)]
    pub plugin: String,
    /// The number of the Directory's change that this tells of.
    #[n(1)]
    pub seq: i64,
    /// The current version, which every attachment runs that has not pinned another; none where the plugin is gone,
    /// and its attachments with it.
    #[n(2)]
    pub current: Option<String>,
    /// Attachments to take away: the endpoint's id, and the version that is pinned, if one is.
    #[n(3)]
    pub remove: Vec<(String, Option<String>)>,
}

/// App → Directory: where the plugin of a [`PluginNotice`] is attached, now that it was acted upon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct PluginUses {
    /// The endpoint's id, and the version that is pinned, if one is.
    #[n(0)]
    pub uses: Vec<(String, Option<String>)>,
}

/// Worker → Directory: a module that becomes a version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PluginUpload {
    /// The plugin.
    #[n(0)]
    pub name: String,
    /// The module as it was uploaded.
    #[n(1)]
    pub module: ByteVec,
}

/// Endpoint or Worker → Directory: a plugin's module. Answered with a [`PluginModule`], or with 404.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PluginModuleAsk {
    /// The plugin's name.
    #[n(0)]
    pub name: String,
    /// The version; none for the current one.
    #[n(1)]
    pub version: Option<String>,
}

/// Directory → Worker: endpoints that follow a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PluginFollowers {
    /// Applications and their endpoints, the first of them where they are many.
    #[n(0)]
    pub endpoints: Vec<(String, String)>,
}

/// Directory → Endpoint or Worker: a module as engines run it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PluginModule {
    /// The version.
    #[n(0)]
    pub version: String,
    /// The version of the pass that rewrote it.
    #[n(1)]
    pub pass: i64,
    /// What it says about itself, as the text of a JSON object.
    #[n(2)]
    pub manifest: Option<String>,
    /// The rewritten module.
    #[n(3)]
    pub bytes: ByteVec,
}
