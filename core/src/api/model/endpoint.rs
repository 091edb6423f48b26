//! Endpoints: the URLs of an application, and how each wants to be called.

use super::{
    Metadata, check_channels, check_event_type, check_metadata, check_rate, check_text, check_uid,
    null_is_default, unique,
};
use crate::api::body::{self, Faults, Patch};
use crate::delivery::{Batch, Order};
use crate::error::ApiError;
use crate::header::{self, HeaderFault, MAX_HEADERS};
use crate::preset::Example;
use crate::rate::RateLimit;
use crate::scheme::Params;
use crate::send_as::SendAs;
pub use crate::signature::HeaderProfile;
use crate::time::rfc3339;
use minicbor::{Decode, Encode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The longest URL.
pub const MAX_URL: usize = 4096;
/// The most event types that an endpoint lists.
pub const MAX_EVENT_TYPES: usize = 500;
/// The most retries of a schedule.
pub const MAX_RETRIES: usize = 50;
/// The longest wait between two attempts, in seconds: a week.
pub const MAX_RETRY_S: f64 = 604_800.0;
/// The longest time that an endpoint may take to answer, in seconds.
pub const MAX_TIMEOUT_S: u16 = 30;
/// The most events in one request.
pub const MAX_BATCH: u16 = 500;
/// The longest time that an event waits for others, in milliseconds: a minute.
pub const MAX_BATCH_WAIT_MS: u32 = 60_000;
/// The most requests in flight to one endpoint.
pub const MAX_IN_FLIGHT: u16 = 100;
/// The longest time that a rotated secret stays valid, in seconds: a week.
pub const MAX_GRACE_S: u32 = 604_800;
/// How long a rotated secret stays valid unless the caller says so, in seconds.
pub const DEFAULT_GRACE_S: u32 = 86_400;

/// Custom headers by name.
pub type Headers = BTreeMap<String, String>;

/// What can be set of an endpoint, besides its secret and its custom headers.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct EndpointContent {
    /// The URL that receives the webhooks.
    #[n(0)]
    pub url: String,
    /// A human-readable description.
    #[n(1)]
    pub description: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    #[n(2)]
    pub uid: Option<String>,
    /// Whether the endpoint is disabled. A disabled endpoint receives nothing, and messages sent meanwhile are not
    /// delivered later.
    #[n(3)]
    pub disabled: bool,
    /// The event types to deliver. `null` delivers all.
    #[n(4)]
    pub event_types: Option<Vec<String>>,
    /// Deliver only messages with at least one of these channels. `null` delivers all.
    #[n(5)]
    pub channels: Option<Vec<String>>,
    /// The maximum number of requests per second, in every window of one second. `null` means no limit.
    #[n(6)]
    pub throttle_rate: Option<u16>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    #[n(7)]
    pub metadata: Metadata,
    /// Requests in a window; beside the throttle rate, the stricter of the two holds.
    #[n(8)]
    pub pace: Option<RateLimit>,
    /// The maximum number of requests that wait for their response at the same time. `null` uses the deployment's
    /// `MAX_IN_FLIGHT`.
    #[n(9)]
    pub max_in_flight: Option<u16>,
    /// The delay before each retry, in seconds. `null` uses the deployment's schedule; an empty list disables
    /// retries.
    #[n(10)]
    pub retry_schedule: Option<Vec<f64>>,
    /// The names of the signature headers: `svix-*`, `webhook-*` or both. `null` uses the deployment's
    /// `HEADER_PROFILE`.
    #[n(11)]
    pub header_profile: Option<HeaderProfile>,
    /// How long a response may take, in seconds. `null` uses the deployment's `REQUEST_TIMEOUT`.
    #[n(12)]
    pub timeout_s: Option<u16>,
    /// As which provider it sends; none for the gateway's own way.
    #[n(13)]
    pub send_as: Option<SendAs>,
    /// Send several events in one request, as a JSON array. `null` sends one event per request, unless the preset
    /// sends batches.
    #[n(14)]
    pub batch: Option<Batch>,
    /// The delivery order. `fifo` sends one request at a time, in the order of acceptance. `null` does not
    /// guarantee an order.
    #[n(15)]
    pub order: Option<Order>,
    /// Whether deliveries are paused. Messages sent meanwhile are delivered when the endpoint resumes.
    #[n(16)]
    pub paused: Option<bool>,
}

impl EndpointContent {
    fn check(&self, faults: &mut Faults) {
        faults.check(!self.url.is_empty(), &["url"], "Give the endpoint a URL.");
        faults.check(
            self.url.len() <= MAX_URL,
            &["url"],
            format!("The URL may have at most {MAX_URL} bytes."),
        );
        check_text(faults, "description", &self.description);
        if let Some(uid) = &self.uid {
            check_uid(faults, &["uid"], uid);
        }
        if let Some(types) = &self.event_types {
            faults.check(
                types.len() <= MAX_EVENT_TYPES,
                &["eventTypes"],
                format!(
                    "An endpoint may list at most {MAX_EVENT_TYPES} event types. Omit the field for all."
                ),
            );
            for (index, name) in types.iter().enumerate() {
                check_event_type(faults, &["eventTypes", &index.to_string()], name);
            }
        }
        if let Some(channels) = self.channels.as_ref().filter(|channels| !channels.is_empty()) {
            check_channels(faults, &["channels"], channels);
        }
        // Whoever deselects everything does not want everything.
        for (field, list) in [("filterTypes", &self.event_types), ("channels", &self.channels)] {
            let empty = list.as_ref().is_some_and(Vec::is_empty);
            faults.check(!empty, &[field], "Send at least one item, or null (or omit the field) for all.");
        }
        check_rate(faults, self.throttle_rate);
        check_metadata(faults, &self.metadata);
        faults.check(
            self.pace.is_none_or(|pace| pace.limit > 0),
            &["throttle", "limit"],
            "Send a limit of at least 1, or null for no limit.",
        );
        faults.check(
            self.max_in_flight.is_none_or(|n| (1..=MAX_IN_FLIGHT).contains(&n)),
            &["maxInFlight"],
            format!("Send a number from 1 to {MAX_IN_FLIGHT}."),
        );
        if let Some(schedule) = &self.retry_schedule {
            faults.check(
                schedule.len() <= MAX_RETRIES,
                &["retrySchedule"],
                format!("A schedule may have at most {MAX_RETRIES} retries."),
            );
            for (index, seconds) in schedule.iter().enumerate() {
                faults.check(
                    (0.0..=MAX_RETRY_S).contains(seconds),
                    &["retrySchedule", &index.to_string()],
                    format!("Send seconds from 0 to {MAX_RETRY_S}."),
                );
            }
        }
        faults.check(
            self.timeout_s.is_none_or(|s| (1..=MAX_TIMEOUT_S).contains(&s)),
            &["timeoutSeconds"],
            format!("Send seconds from 1 to {MAX_TIMEOUT_S}."),
        );
        if let Some(batch) = self.batch {
            faults.check(
                (1..=MAX_BATCH).contains(&batch.max_events),
                &["batch", "maxEvents"],
                format!("Send a number from 1 to {MAX_BATCH}."),
            );
            faults.check(
                batch.max_wait_ms <= MAX_BATCH_WAIT_MS,
                &["batch", "maxWaitMs"],
                format!("Send milliseconds from 0 to {MAX_BATCH_WAIT_MS}."),
            );
        }
    }

    /// Changes what the patch names; a 422 where the result would not hold.
    pub fn apply(&mut self, patch: EndpointPatch) {
        let rate = if patch.throttle_rate.is_present() { patch.throttle_rate } else { patch.rate_limit };
        let types = if patch.event_types.is_present() { patch.event_types } else { patch.filter_types };
        patch.url.apply_or_default(&mut self.url);
        patch.description.apply_or_default(&mut self.description);
        patch.uid.apply(&mut self.uid);
        patch.disabled.apply_or_default(&mut self.disabled);
        types.apply(&mut self.event_types);
        patch.channels.apply(&mut self.channels);
        rate.apply(&mut self.throttle_rate);
        patch.metadata.apply_or_default(&mut self.metadata);
        patch.throttle.apply(&mut self.pace);
        patch.max_in_flight.apply(&mut self.max_in_flight);
        patch.retry_schedule.apply(&mut self.retry_schedule);
        patch.header_profile.apply(&mut self.header_profile);
        patch.timeout_seconds.apply(&mut self.timeout_s);
        self.apply_preset(patch.preset, patch.preset_params, patch.scheme);
        patch.batch.apply(&mut self.batch);
        patch.order.apply(&mut self.order);
        patch.paused.apply(&mut self.paused);
        self.settle();
    }

    /// Parameters and scheme belong to the preset: another one begins without.
    fn apply_preset(&mut self, preset: Patch<String>, params: Patch<Params>, scheme: Patch<Example>) {
        match preset {
            Patch::Null => self.send_as = None,
            Patch::Set(preset) if self.send_as.as_ref().is_none_or(|before| before.preset != preset) => {
                self.send_as = Some(SendAs { preset, ..SendAs::default() });
            }
            _ => {}
        }
        // Responses have no parameters as `{}`, and are accepted as they are.
        if params.value().is_some_and(|params| !params.is_empty()) || scheme.value().is_some() {
            self.send_as.get_or_insert_default();
        }
        if let Some(send_as) = &mut self.send_as {
            params.apply_or_default(&mut send_as.params);
            scheme.map(|scheme| scheme.as_str().to_owned()).apply(&mut send_as.scheme);
        }
    }

    /// An item counts once.
    fn settle(&mut self) {
        self.event_types = self.event_types.take().map(unique);
        self.channels = self.channels.take().map(unique);
        self.paused = self.paused.filter(|paused| *paused);
    }

    /// Whether something may be sent: it is neither disabled nor paused.
    pub fn sends(&self) -> bool {
        !self.disabled && self.paused.is_none()
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields {
    /// The URL that receives the webhooks.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Url"))]
    url: String,
    /// A human-readable description.
    #[serde(default, deserialize_with = "null_is_default")]
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Text"))]
    description: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    uid: Option<String>,
    /// Whether the endpoint is disabled. A disabled endpoint receives nothing, and messages sent meanwhile are not
    /// delivered later.
    #[serde(default, deserialize_with = "null_is_default")]
    disabled: bool,
    /// The event types to deliver. `null` delivers all.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeNames>"))]
    event_types: Option<Vec<String>>,
    /// An alias of `eventTypes`, for SDKs before 2.0.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeNames>"))]
    filter_types: Option<Vec<String>>,
    /// Deliver only messages with at least one of these channels. `null` delivers all.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Words>"))]
    channels: Option<Vec<String>>,
    /// The maximum number of requests per second, in every window of one second. `null` means no limit.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    throttle_rate: Option<u16>,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    rate_limit: Option<u16>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    #[serde(default, deserialize_with = "null_is_default")]
    metadata: Metadata,
    /// A rate limit with a window of your choice. If `throttleRate` is set too, both apply.
    #[serde(default)]
    throttle: Option<RateLimit>,
    /// The maximum number of requests that wait for their response at the same time. `null` uses the deployment's
    /// `MAX_IN_FLIGHT`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::InFlight>"))]
    max_in_flight: Option<u16>,
    /// The delay before each retry, in seconds. `null` uses the deployment's schedule; an empty list disables
    /// retries.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schedule>"))]
    retry_schedule: Option<Vec<f64>>,
    /// The names of the signature headers: `svix-*`, `webhook-*` or both. `null` uses the deployment's
    /// `HEADER_PROFILE`.
    #[serde(default)]
    header_profile: Option<HeaderProfile>,
    /// How long a response may take, in seconds. `null` uses the deployment's `REQUEST_TIMEOUT`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Timeout>"))]
    timeout_seconds: Option<u16>,
    /// The provider whose webhook format this endpoint sends. `null` sends Weir's own format.
    #[serde(default)]
    preset: Option<String>,
    /// Values that the preset leaves to you, by name.
    #[serde(default)]
    preset_params: Option<Params>,
    /// The signature scheme. Only with the preset `custom`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    scheme: Option<Example>,
    /// Send several events in one request, as a JSON array. `null` sends one event per request, unless the preset
    /// sends batches.
    #[serde(default)]
    batch: Option<Batch>,
    /// The delivery order. `fifo` sends one request at a time, in the order of acceptance. `null` does not
    /// guarantee an order.
    #[serde(default)]
    order: Option<Order>,
    /// Whether deliveries are paused. Messages sent meanwhile are delivered when the endpoint resumes.
    #[serde(default)]
    paused: Option<bool>,
    /// The signing secret. If omitted, Weir generates one. Used only when the endpoint is created.
    // Only create reads the last two.
    #[serde(default)]
    secret: Option<String>,
    /// Custom headers that every request carries. Used only when the endpoint is created.
    #[serde(default)]
    headers: Option<Headers>,
    /// Svix's SDKs of 1.x always send it, and nothing reads it.
    #[serde(default)]
    #[cfg_attr(test, schemars(skip))]
    #[allow(dead_code)] // so that it is not an unknown field
    version: IgnoredAny,
}

impl Fields {
    fn split(self) -> (EndpointContent, Option<String>, Headers) {
        let mut content = EndpointContent {
            url: self.url,
            description: self.description,
            uid: self.uid,
            disabled: self.disabled,
            event_types: self.event_types.or(self.filter_types),
            channels: self.channels,
            throttle_rate: self.throttle_rate.or(self.rate_limit),
            metadata: self.metadata,
            pace: self.throttle,
            max_in_flight: self.max_in_flight,
            retry_schedule: self.retry_schedule,
            header_profile: self.header_profile,
            timeout_s: self.timeout_seconds,
            send_as: None,
            batch: self.batch,
            order: self.order,
            paused: self.paused,
        };
        content.apply_preset(self.preset.into(), self.preset_params.into(), self.scheme.into());
        content.settle();
        (content, self.secret, self.headers.unwrap_or_default())
    }
}

/// The body of create.
///
/// Left to the object that stores it: whether the URL may be called ([`crate::target`]), whether the secret
/// is one ([`crate::secret`]), whether the event types exist.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointIn {
    /// What can be set.
    pub content: EndpointContent,
    /// The caller's own secret; made where there is none.
    pub secret: Option<String>,
    /// Custom headers.
    pub headers: Headers,
}

impl EndpointIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let (content, secret, headers) = body::parse::<Fields>(bytes)?.split();
        let mut faults = Faults::default();
        content.check(&mut faults);
        check_headers(&mut faults, &["headers"], &headers, header::check);
        faults.into_result()?;
        Ok(Self { content, secret, headers })
    }
}

/// The body of PUT: neither the secret nor the custom headers are set by it. What only Weir's endpoints have stays where the
/// body does not name it: Svix's SDKs cannot send it, and would otherwise take it away.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointUpdate {
    /// What can be set.
    pub content: EndpointContent,
    named: Named,
}

/// Which of Weir's own fields a body names.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    throttle: Present,
    max_in_flight: Present,
    retry_schedule: Present,
    header_profile: Present,
    timeout_seconds: Present,
    preset: Present,
    preset_params: Present,
    scheme: Present,
    batch: Present,
    order: Present,
    paused: Present,
}

/// Whether a field is there, be it null.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self(true))
    }
}

impl EndpointUpdate {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let fields = body::parse::<Fields>(bytes)?;
        if fields.secret.is_some() {
            body::note(
                "The field secret was ignored: use endpoint/{id}/secret/rotate, or PATCH, to change the secret.",
            );
        }
        if fields.headers.is_some() {
            body::note("The field headers was ignored: use endpoint/{id}/headers to change custom headers.");
        }
        let named = serde_json::from_slice(bytes).unwrap_or_default();
        let (content, ..) = fields.split();
        let mut faults = Faults::default();
        content.check(&mut faults);
        faults.into_result()?;
        Ok(Self { content, named })
    }

    /// Takes from the endpoint as it is what the body does not name and Svix's endpoints do not have.
    pub fn keep(&mut self, known: &EndpointContent) {
        let (new, named) = (&mut self.content, &self.named);
        if !named.throttle.0 {
            new.pace = known.pace;
        }
        if !named.max_in_flight.0 {
            new.max_in_flight = known.max_in_flight;
        }
        if !named.retry_schedule.0 {
            new.retry_schedule.clone_from(&known.retry_schedule);
        }
        if !named.header_profile.0 {
            new.header_profile = known.header_profile;
        }
        if !named.timeout_seconds.0 {
            new.timeout_s = known.timeout_s;
        }
        if !(named.preset.0 || named.preset_params.0 || named.scheme.0) {
            new.send_as.clone_from(&known.send_as);
        }
        if !named.batch.0 {
            new.batch.clone_from(&known.batch);
        }
        if !named.order.0 {
            new.order = known.order;
        }
        if !named.paused.0 {
            new.paused = known.paused;
        }
    }
}

/// The body of PATCH.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPatch {
    /// The URL that receives the webhooks.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Url"))]
    pub url: Patch<String>,
    /// A human-readable description.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Text>"))]
    pub description: Patch<String>,
    /// Your own id for it. `null` removes it.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    pub uid: Patch<String>,
    /// Whether the endpoint is disabled. A disabled endpoint receives nothing, and messages sent meanwhile are not
    /// delivered later.
    pub disabled: Patch<bool>,
    /// The event types to deliver. `null` delivers all.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeNames>"))]
    event_types: Patch<Vec<String>>,
    /// An alias of `eventTypes`, for SDKs before 2.0.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::EventTypeNames>"))]
    filter_types: Patch<Vec<String>>,
    /// Deliver only messages with at least one of these channels. `null` delivers all.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Words>"))]
    pub channels: Patch<Vec<String>>,
    /// The maximum number of requests per second, in every window of one second. `null` means no limit.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    throttle_rate: Patch<u16>,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Rate>"))]
    rate_limit: Patch<u16>,
    /// Arbitrary key-value pairs. They replace the existing ones as a whole.
    pub metadata: Patch<Metadata>,
    /// A rate limit with a window of your choice. If `throttleRate` is set too, both apply.
    pub throttle: Patch<RateLimit>,
    /// The maximum number of requests that wait for their response at the same time. `null` uses the deployment's
    /// `MAX_IN_FLIGHT`.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::InFlight>"))]
    pub max_in_flight: Patch<u16>,
    /// The delay before each retry, in seconds. `null` uses the deployment's schedule; an empty list disables
    /// retries.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schedule>"))]
    pub retry_schedule: Patch<Vec<f64>>,
    /// The names of the signature headers: `svix-*`, `webhook-*` or both. `null` uses the deployment's
    /// `HEADER_PROFILE`.
    pub header_profile: Patch<HeaderProfile>,
    /// How long a response may take, in seconds. `null` uses the deployment's `REQUEST_TIMEOUT`.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Timeout>"))]
    pub timeout_seconds: Patch<u16>,
    /// The provider whose webhook format this endpoint sends. `null` sends Weir's own format.
    pub preset: Patch<String>,
    /// Values that the preset leaves to you, by name.
    pub preset_params: Patch<Params>,
    /// The signature scheme. Only with the preset `custom`.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    pub scheme: Patch<Example>,
    /// Send several events in one request, as a JSON array. `null` sends one event per request, unless the preset
    /// sends batches.
    pub batch: Patch<Batch>,
    /// The delivery order. `fifo` sends one request at a time, in the order of acceptance. `null` does not
    /// guarantee an order.
    pub order: Patch<Order>,
    /// Whether deliveries are paused. Messages sent meanwhile are delivered when the endpoint resumes.
    pub paused: Patch<bool>,
    /// A new signing secret. It replaces the current one at once, without an overlap. For SDKs before 2.0.
    pub secret: Patch<String>,
}

impl EndpointPatch {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let patch: Self = body::parse(bytes)?;
        // What the patch names is checked on an endpoint that is right in everything else.
        let mut probe = EndpointContent { url: "-".to_owned(), ..EndpointContent::default() };
        probe.apply(patch.clone());
        let mut faults = Faults::default();
        probe.check(&mut faults);
        faults.into_result()?;
        Ok(patch)
    }
}

/// The 422 about event types that an endpoint cannot subscribe to.
pub fn unknown_event_types(names: &[String]) -> ApiError {
    ApiError::invalid(
        &["body", "eventTypes"],
        format!("The following event types don't exist: {}. Create them first.", names.join(", ")),
    )
}

/// Why an endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointDisabledReason"))]
#[serde(rename_all = "camelCase")]
pub enum DisabledReason {
    /// A request to the API or a person disabled it.
    #[n(0)]
    Manual,
    /// The receiver answered 410 Gone.
    #[n(1)]
    Gone,
    /// Every attempt failed for longer than `ENDPOINT_DISABLE_AFTER`.
    #[n(2)]
    Failing,
}

/// An endpoint, as it is answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointOut {
    /// The endpoint's id, `ep_…`. Weir assigns it.
    id: String,
    /// Your own id for it. Every route accepts it in place of Weir's id.
    uid: Option<String>,
    /// The URL that receives the webhooks.
    url: String,
    /// Always 1. SDKs before 2.0 require it.
    version: u32,
    /// A human-readable description.
    description: String,
    /// Whether the endpoint is disabled. A disabled endpoint receives nothing, and messages sent meanwhile are not
    /// delivered later.
    disabled: bool,
    /// The event types to deliver. `null` delivers all.
    event_types: Option<Vec<String>>,
    /// An alias of `eventTypes`, for SDKs before 2.0.
    filter_types: Option<Vec<String>>,
    /// Deliver only messages with at least one of these channels. `null` delivers all.
    channels: Option<Vec<String>>,
    /// The maximum number of requests per second, in every window of one second. `null` means no limit.
    throttle_rate: Option<u16>,
    /// An alias of `throttleRate`, for SDKs before 2.0.
    rate_limit: Option<u16>,
    /// Arbitrary key-value pairs for your own use. Lists can be filtered by them.
    metadata: Metadata,
    /// A rate limit with a window of your choice. If `throttleRate` is set too, both apply.
    throttle: Option<RateLimit>,
    /// The maximum number of requests that wait for their response at the same time. `null` uses the deployment's
    /// `MAX_IN_FLIGHT`.
    max_in_flight: Option<u16>,
    /// The delay before each retry, in seconds. `null` uses the deployment's schedule; an empty list disables
    /// retries.
    retry_schedule: Option<Vec<f64>>,
    /// The names of the signature headers: `svix-*`, `webhook-*` or both. `null` uses the deployment's
    /// `HEADER_PROFILE`.
    header_profile: Option<HeaderProfile>,
    /// How long a response may take, in seconds. `null` uses the deployment's `REQUEST_TIMEOUT`.
    timeout_seconds: Option<u16>,
    /// The provider whose webhook format this endpoint sends. `null` sends Weir's own format.
    preset: Option<String>,
    /// Values that the preset leaves to you, by name.
    preset_params: Params,
    /// The signature scheme. Only with the preset `custom`.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    scheme: Option<Example>,
    /// Send several events in one request, as a JSON array. `null` sends one event per request, unless the preset
    /// sends batches.
    batch: Option<Batch>,
    /// The delivery order. `fifo` sends one request at a time, in the order of acceptance. `null` does not
    /// guarantee an order.
    order: Option<Order>,
    /// When the endpoint was disabled. Absent while it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    disabled_at: Option<String>,
    /// Why the endpoint was disabled. Absent while it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<DisabledReason>,
    /// Until when the previous secret also signs. Absent if no secret was rotated recently.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    old_secret_until: Option<String>,
    /// Whether deliveries are paused. Messages sent meanwhile are delivered when the endpoint resumes.
    paused: bool,
    /// Why nothing can be sent, and what the operator has to do. Absent if there is no problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// When it was created.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    created_at: String,
    /// When it was last changed.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    updated_at: String,
}

impl EndpointOut {
    /// Makes the answer of what is stored.
    pub fn new(id: String, content: EndpointContent, created_ms: i64, updated_ms: i64) -> Self {
        let send_as = content.send_as.unwrap_or_default();
        Self {
            id,
            uid: content.uid,
            url: content.url,
            version: 1,
            description: content.description,
            disabled: content.disabled,
            filter_types: content.event_types.clone(),
            event_types: content.event_types,
            channels: content.channels,
            throttle_rate: content.throttle_rate,
            rate_limit: content.throttle_rate,
            metadata: content.metadata,
            throttle: content.pace,
            max_in_flight: content.max_in_flight,
            retry_schedule: content.retry_schedule,
            header_profile: content.header_profile,
            timeout_seconds: content.timeout_s,
            preset: Some(send_as.preset).filter(|name| !name.is_empty()),
            preset_params: send_as.params,
            scheme: send_as.scheme.and_then(Example::parse),
            batch: content.batch,
            order: content.order,
            disabled_at: None,
            disabled_reason: None,
            old_secret_until: None,
            paused: content.paused == Some(true),
            problem: None,
            created_at: rfc3339(created_ms),
            updated_at: rfc3339(updated_ms),
        }
    }

    /// The same where secrets were rotated out, and sign until then.
    #[must_use]
    pub fn with_old_secret(self, until_ms: Option<i64>) -> Self {
        Self { old_secret_until: until_ms.map(rfc3339), ..self }
    }

    /// The same for an endpoint that was disabled then, in milliseconds, and why.
    #[must_use]
    pub fn with_disabled(self, disabled: Option<(i64, DisabledReason)>) -> Self {
        let (at, reason) = disabled.unzip();
        Self { disabled_at: at.map(rfc3339), disabled_reason: reason, ..self }
    }

    /// The same where nothing can be sent.
    #[must_use]
    pub fn with_problem(self, problem: Option<String>) -> Self {
        Self { problem, ..self }
    }

    /// The id, by which lists go on.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The secret of an endpoint, or the public half of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointSecretOut {
    /// The signing secret, `whsec_…`, or the public key `whpk_…` of an asymmetric one.
    pub key: String,
}

/// The body of rotate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSecretRotateIn {
    /// The new secret. If omitted, Weir generates one.
    pub key: Option<String>,
    /// How long the previous secret stays valid, in seconds. The default is one day.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Grace>"))]
    grace_period_seconds: Option<u32>,
}

impl EndpointSecretRotateIn {
    /// Reads and checks a body, which may be empty.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let rotate: Self = body::parse_or_default(bytes)?;
        let mut faults = Faults::default();
        faults.check(
            rotate.grace_seconds() <= MAX_GRACE_S,
            &["gracePeriodSeconds"],
            format!("Send seconds from 0 to {MAX_GRACE_S}."),
        );
        faults.into_result()?;
        Ok(rotate)
    }

    /// How long the old secret stays valid.
    pub fn grace_seconds(&self) -> u32 {
        self.grace_period_seconds.unwrap_or(DEFAULT_GRACE_S)
    }
}

/// The body of PUT headers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointHeadersIn {
    /// The custom headers. They replace the existing ones as a whole.
    pub headers: Headers,
}

impl EndpointHeadersIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let new: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        check_headers(&mut faults, &["headers"], &new.headers, header::check);
        faults.into_result()?;
        Ok(new)
    }
}

/// The body of PATCH headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointHeadersPatchIn"))]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointHeadersPatch {
    /// The headers to set. A header whose value is `null` is deleted.
    headers: BTreeMap<String, Option<String>>,
    /// The names of headers to delete.
    #[serde(deserialize_with = "null_is_default")]
    delete_headers: Vec<String>,
}

impl EndpointHeadersPatch {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let patch: Self = body::parse(bytes)?;
        let set =
            patch.headers.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        let mut faults = Faults::default();
        check_headers(&mut faults, &["headers"], &set, header::check);
        faults.into_result()?;
        Ok(patch)
    }

    /// The same patch with its values changed, as where they are sealed.
    pub fn try_map<E>(mut self, work: impl FnOnce(Headers) -> Result<Headers, E>) -> Result<Self, E> {
        let (set, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.headers).into_iter().partition(|(_, value)| value.is_some());
        let set = set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.headers = work(set)?.into_iter().map(|(name, value)| (name, Some(value))).collect();
        self.headers.extend(gone);
        Ok(self)
    }

    /// Sets, replaces and deletes (a header whose value is null, or that is in `deleteHeaders`). Names are
    /// the same whatever their case. A 422 where there would be too many.
    pub fn apply(self, to: &mut Headers) -> Result<(), ApiError> {
        for name in self.headers.keys().chain(&self.delete_headers) {
            to.retain(|old, _| !old.eq_ignore_ascii_case(name));
        }
        to.extend(self.headers.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let mut faults = Faults::default();
        check_header_count(&mut faults, &["headers"], to);
        faults.into_result()
    }
}

/// The custom headers, as they are answered: sensitive ones by name only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointHeadersOut {
    /// The custom headers and their values.
    headers: Headers,
    /// The names of headers whose values are not shown.
    sensitive: Vec<String>,
}

impl EndpointHeadersOut {
    /// Makes the answer of what is stored. Who only reads sees the values of those that are known to be harmless.
    pub fn new(stored: Headers, reads_only: bool) -> Self {
        let hides = |name: &str| header::is_sensitive(name) || (reads_only && !header::is_harmless(name));
        let (hidden, headers): (Headers, Headers) = stored.into_iter().partition(|(name, _)| hides(name));
        Self { headers, sensitive: hidden.into_keys().collect() }
    }
}

/// Checks headers that stand at this place of the body: how many, each by `one`, and that none is given twice.
pub(super) fn check_headers(
    faults: &mut Faults,
    loc: &[&str],
    headers: &Headers,
    one: impl Fn(&str, &str) -> Result<(), HeaderFault>,
) {
    check_header_count(faults, loc, headers);
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let fault = one(name, value).err().or_else(|| {
            let twice = !seen.insert(name.to_ascii_lowercase());
            twice.then(|| HeaderFault::Twice(name.clone()))
        });
        if let Some(fault) = fault {
            faults.add(&[loc, &[name]].concat(), fault.to_string());
        }
    }
}

fn check_header_count(faults: &mut Faults, loc: &[&str], headers: &Headers) {
    faults.check(headers.len() <= MAX_HEADERS, loc, HeaderFault::TooMany(headers.len()).to_string());
}

/// How many attempts there were, by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointGetAttemptStatsOut"))]
pub struct EndpointAttemptStats {
    /// The number of attempts that were answered with a status from 200 to 299.
    pub success: i64,
    /// The number of attempts that failed.
    pub fail: i64,
    /// The number of deliveries that plugins filtered out.
    pub canceled: i64,
}

/// Whether an endpoint's breaker lets requests start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum BreakerState {
    /// Requests are sent.
    #[default]
    Closed,
    /// Deliveries are held back: the receiver reported overload, or most of the latest attempts failed.
    Open,
    /// One request at a time is sent as a probe.
    HalfOpen,
}

/// An endpoint's breaker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointBreakerOut"))]
pub struct Breaker {
    /// Whether requests are sent (`closed`), held back (`open`), or sent one at a time as probes (`halfOpen`).
    pub state: BreakerState,
    /// When the next probe is sent, if the breaker is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub until: Option<String>,
}

impl Breaker {
    /// Of what the endpoint tells; see [`crate::frame::StatsAnswer::open_until`].
    pub fn new(open_until: Option<i64>) -> Self {
        let state = match open_until {
            None => BreakerState::Closed,
            Some(0) => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        };
        Self { state, until: open_until.filter(|until| *until > 0).map(rfc3339) }
    }
}

/// How many attempts there were, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointStats {
    /// The number of attempts that were answered with a status from 200 to 299.
    pub success: i64,
    /// The number of deliveries that have not been attempted yet.
    pub pending: i64,
    /// The number of deliveries that failed and will be retried.
    pub sending: i64,
    /// The number of attempts that failed.
    pub fail: i64,
    /// The number of deliveries that plugins filtered out.
    pub canceled: i64,
    /// The state of the circuit breaker.
    pub breaker: Breaker,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Window;

    fn places<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<String> {
        match result {
            Err(ApiError::Invalid(faults)) => faults.iter().map(|f| f.loc.join(".")).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_words_of_both_generations_of_sdks_are_read_and_written() {
        let old = EndpointIn::parse(br#"{"url":"https://a","filterTypes":["x"],"rateLimit":5,"version":1}"#);
        let new = EndpointIn::parse(br#"{"url":"https://a","eventTypes":["x"],"throttleRate":5}"#);
        assert_eq!(old, new);
        let out = EndpointOut::new("ep_1".into(), new.expect("ok").content, 0, 0);
        let out = serde_json::to_value(out).expect("json");
        for (a, b) in [("eventTypes", "filterTypes"), ("throttleRate", "rateLimit")] {
            assert_eq!(out[a], out[b]);
            assert!(!out[a].is_null());
        }
        assert_eq!((&out["version"], &out["disabled"]), (&serde_json::json!(1), &serde_json::json!(false)));
    }

    #[test]
    fn null_means_all_event_types_and_an_empty_list_is_refused() {
        let read = |body: &[u8]| EndpointIn::parse(body).expect("ok").content.event_types;
        for (list, place) in
            [("filterTypes", "filterTypes"), ("eventTypes", "filterTypes"), ("channels", "channels")]
        {
            let body = format!(r#"{{"url":"u","{list}":[]}}"#);
            assert_eq!(places(EndpointIn::parse(body.as_bytes())), [format!("body.{place}")]);
            let patch = format!(r#"{{"{list}":[]}}"#);
            assert_eq!(places(EndpointPatch::parse(patch.as_bytes())), [format!("body.{place}")]);
        }
        assert_eq!(read(br#"{"url":"u","eventTypes":null}"#), None);
        assert_eq!(read(br#"{"url":"u","eventTypes":["a","a"]}"#), Some(vec!["a".into()]));
    }

    #[test]
    fn weirs_own_fields_are_checked_and_kept() {
        let body = br#"{"url":"u","throttle":{"limit":10,"window":"minute"},"maxInFlight":3,
            "retrySchedule":[0.5,60],"headerProfile":"both","timeoutSeconds":10}"#;
        let content = EndpointIn::parse(body).expect("ok").content;
        assert_eq!(content.pace, Some(RateLimit { limit: 10, window: Window::Minute }));
        let out = serde_json::to_value(EndpointOut::new("ep_1".into(), content.clone(), 0, 0)).expect("json");
        assert_eq!(out["throttle"], serde_json::json!({"limit": 10, "window": "minute"}));
        assert_eq!(out["headerProfile"], "both");
        let stored = minicbor::to_vec(&content).expect("encodes");
        assert_eq!(minicbor::decode::<EndpointContent>(&stored).expect("decodes"), content);
        assert_eq!(
            places(EndpointIn::parse(
                br#"{"url":"","uid":"","throttleRate":0,"throttle":{"limit":0,"window":"hour"},"maxInFlight":101,
                "retrySchedule":[-1,604801],"timeoutSeconds":0,"headers":{"svix-id":"x"}}"#
            )),
            [
                "body.url",
                "body.uid",
                "body.throttleRate",
                "body.throttle.limit",
                "body.maxInFlight",
                "body.retrySchedule.0",
                "body.retrySchedule.1",
                "body.timeoutSeconds",
                "body.headers.svix-id"
            ]
        );
        let none = br#"{"url":"u","preset":null,"presetParams":{},"scheme":null}"#;
        assert_eq!(EndpointIn::parse(none).expect("as responses have it").content.send_as, None);
        assert_eq!(places(EndpointIn::parse(br#"{"url":"u","headerProfile":"x"}"#)), ["body.headerProfile"]);
        assert_eq!(
            places(EndpointIn::parse(br#"{"url":"u","throttle":{"limit":1,"window":"day"}}"#)),
            ["body.throttle.window"]
        );
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut content = EndpointIn::parse(
            br#"{"url":"https://a","uid":"u","eventTypes":["x"],"disabled":true,"retrySchedule":[1]}"#,
        )
        .expect("ok")
        .content;
        let before = content.clone();
        content.apply(EndpointPatch::parse(b"{}").expect("ok"));
        assert_eq!(content, before);
        let patch = br#"{"uid":null,"filterTypes":null,"disabled":false,"rateLimit":3,"retrySchedule":null}"#;
        content.apply(EndpointPatch::parse(patch).expect("ok"));
        let after = EndpointContent {
            uid: None,
            event_types: None,
            disabled: false,
            throttle_rate: Some(3),
            retry_schedule: None,
            ..before
        };
        assert_eq!(content, after);
        assert_eq!(
            places(EndpointPatch::parse(br#"{"url":null,"throttleRate":0}"#)),
            ["body.url", "body.throttleRate"]
        );
    }

    #[test]
    fn custom_headers_may_not_pass_for_the_gateways_own() {
        let check = |name: &str, value: &str| {
            let body = serde_json::json!({"headers": {name: value}}).to_string();
            EndpointHeadersIn::parse(body.as_bytes()).is_ok()
        };
        assert!(check("Authorization", "Bearer x") && check("X-Custom", ""));
        for name in ["Content-Type", "webhook-signature", "X-Amz-Date", "a b", "", "host"] {
            assert!(!check(name, "v"), "{name}");
        }
        assert!(!check("x", "a\r\nb: c") && !check("x", &"v".repeat(4097)));
        let twice = br#"{"headers":{"X-A":"1","x-a":"2"}}"#;
        assert_eq!(places(EndpointHeadersIn::parse(twice)), ["body.headers.x-a"]);
    }

    #[test]
    fn sensitive_headers_are_shown_by_name_only() {
        let body = br#"{"headers":{"Authorization":"s","X-Api-Key":"s","x-plain":"v"}}"#;
        let out = EndpointHeadersOut::new(EndpointHeadersIn::parse(body).expect("ok").headers, false);
        assert_eq!(out.headers, Headers::from([("x-plain".into(), "v".into())]));
        assert_eq!(out.sensitive, ["Authorization", "X-Api-Key"]);
        let out = EndpointHeadersOut::new(EndpointHeadersIn::parse(body).expect("ok").headers, true);
        assert_eq!((out.headers.len(), out.sensitive.len()), (0, 3), "who only reads sees none of them");
    }

    #[test]
    fn a_patch_of_headers_sets_replaces_and_deletes() {
        let mut headers = Headers::from(["X-A", "X-B", "X-C", "X-D"].map(|n| (n.into(), "old".into())));
        let patch = br#"{"headers":{"x-a":"new","X-B":null},"deleteHeaders":["x-c"]}"#;
        EndpointHeadersPatch::parse(patch).expect("ok").apply(&mut headers).expect("few enough");
        assert_eq!(headers, Headers::from([("X-D".into(), "old".into()), ("x-a".into(), "new".into())]));
        let many: BTreeMap<_, _> = (0..MAX_HEADERS).map(|n| (format!("x-{n}"), "v")).collect();
        let body = serde_json::json!({ "headers": many }).to_string();
        assert!(EndpointHeadersPatch::parse(body.as_bytes()).expect("ok").apply(&mut headers).is_err());
    }

    #[test]
    fn a_rotation_may_have_no_body() {
        assert_eq!(EndpointSecretRotateIn::parse(b"").expect("ok").grace_seconds(), 86_400);
        let none = EndpointSecretRotateIn::parse(br#"{"gracePeriodSeconds":0,"key":null}"#).expect("ok");
        assert_eq!((none.grace_seconds(), none.key), (0, None));
        assert_eq!(
            places(EndpointSecretRotateIn::parse(br#"{"gracePeriodSeconds":604801}"#)),
            ["body.gracePeriodSeconds"]
        );
    }
}
