//! Presets: the conventions of providers, as data.
//!
//! Each is one file in `presets/` at the top of the repository. They are put into the program as one text, a preset a
//! line; [`find`] reads only the one that is asked for, so that they cost nothing at the start.

use crate::scheme::handshake::{self, Answer, Handshake};
use crate::scheme::{
    KeyFault, Outgoing, Params, Place, PublishedKeys, Reader, Request, Scheme, Secrets, SignFault, Signed,
    Unit,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod event;

use event::first_item;
pub use event::{EventId, Several, batch_items};
pub(crate) use event::{body_id, shortened};

/// All presets, `name` TAB JSON a line, in order of their names; made by the build script.
const ALL: &str = include_str!(concat!(env!("OUT_DIR"), "/presets.tsv"));

/// The conventions of a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preset {
    /// The name in the API: the file's name.
    #[serde(default)]
    pub name: String,
    /// The provider's name for people.
    pub title: String,
    /// Where the provider documents it.
    pub docs: String,
    /// How sure this is.
    pub confidence: Confidence,
    /// How requests prove where they come from.
    pub scheme: Scheme,
    /// How its secrets begin, where that is known; any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_prefixes: Vec<String>,
    /// Whether it signs with an API key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret_is_api_key: bool,
    /// Where an event says what it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub event: EventPlaces,
    /// The methods that events come with.
    #[serde(default = "post", skip_serializing_if = "is_post")]
    pub methods: Vec<String>,
    /// The content type that events have.
    #[serde(default = "json", skip_serializing_if = "is_json")]
    pub content_type: String,
    /// The requests with which it checks a URL before it sends events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handshakes: Vec<Handshake>,
    /// The responses that it expects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub responses: Responses,
    /// Where its public keys are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PublishedKeys>,
    /// How it delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Its events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalog: Vec<Group>,
    /// The event that it sends for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_event: Option<EventDoc>,
    /// What else to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How sure a preset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Verified with a signature that the provider made or published.
    Verified,
    /// Taken from the provider's documentation or library.
    Documented,
    /// Taken from third-party lists of providers.
    Unconfirmed,
}

/// What stops a request that somebody recorded and sends again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReplayGuard {
    /// The age is signed: an old request is refused.
    Age,
    /// The id is signed: a replay is a duplicate while ids are remembered.
    Id,
    /// Nothing prevents a replay.
    Nothing,
}

/// Where an event says what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventPlaces {
    /// Its type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Place>,
    /// What identifies one event: the same on every attempt at it, and another for any other event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    /// Why there is no such id, so that duplicates are delivered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_id: Option<String>,
    /// Further headers with the id; sent, but not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_also: Vec<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<EventTime>,
    /// Whether a body holds several events. Each of them has the places above.
    #[serde(default, skip_serializing_if = "is_default")]
    pub batch: Several,
}

/// When an event happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventTime {
    /// Where it says so.
    pub at: Place,
    /// How.
    pub unit: Unit,
}

/// The responses that a provider expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Responses {
    /// The status of an accepted event.
    #[serde(default = "status_200")]
    pub accepted: u16,
    /// The body with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The status of a refused event.
    #[serde(default = "status_401")]
    pub refused: u16,
    /// Whether no answer may have a body.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
}

impl Default for Responses {
    fn default() -> Self {
        Self { accepted: 200, body: String::new(), refused: 401, bare: false }
    }
}

/// How a provider delivers, for endpoints that send as it does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// The seconds between a failed attempt and the next.
    #[serde(rename = "schedule")]
    pub schedule_s: Vec<u32>,
    /// Whether the provider's page gives this schedule, or only its shape.
    pub schedule_documented: bool,
    /// How long the receiver has, in seconds, where the page says.
    #[serde(default, rename = "timeout", skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// The statuses that are a success, both included.
    pub success: (u16, u16),
    /// How many requests a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Whether several events come in one request, as an array.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batch: bool,
    /// How many days the history is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// What happens after the last attempt.
    pub exhausted: Exhausted,
    /// The addresses that it sends from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Whether an endpoint is disabled by a 410 or by days of failures. Where the provider's page says that any failure is
    /// retried, it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gives_up: bool,
    /// Whether only HTTPS is called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub https_only: bool,
    /// Whether any event can be sent again by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replay: bool,
    /// Whether the order of events is kept.
    pub ordered: bool,
    /// Whether endpoints choose the events that they get.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub choose_events: bool,
}

/// What happens after the last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// The documentation does not say.
    #[default]
    Unsaid,
    /// The event is dropped.
    Discarded,
    /// It stays in the log as failed.
    Logged,
    /// It is marked as failed, and an event of this type is sent.
    Event(String),
}

/// Events that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// What they are about.
    pub group: String,
    /// The events.
    pub events: Vec<EventDoc>,
}

/// One type of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventDoc {
    /// Its type.
    pub name: String,
    /// When it is sent.
    pub description: String,
    /// A body.
    pub example: Example,
}

/// JSON as it is written, so that members keep their order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Example(Box<RawValue>);

impl Example {
    /// A text that is JSON.
    pub fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Example {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

fn post() -> Vec<String> {
    vec!["POST".to_owned()]
}

#[allow(clippy::ptr_arg)] // serde's signature
fn is_post(methods: &Vec<String>) -> bool {
    methods.len() == 1 && methods.iter().all(|method| method == "POST")
}

fn json() -> String {
    "application/json".to_owned()
}

fn is_json(kind: &str) -> bool {
    kind == "application/json"
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn status_200() -> u16 {
    200
}

fn status_401() -> u16 {
    401
}

/// What a request says of its event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its type.
    pub kind: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// When it happened, in milliseconds.
    pub at_ms: Option<i64>,
}

/// The names of all presets, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    lines().map(|(name, _)| name)
}

/// The preset of this name.
pub fn find(name: &str) -> Option<Preset> {
    let (name, json) = lines().find(|(known, _)| *known == name)?;
    let mut preset: Preset = serde_json::from_str(json).ok()?;
    name.clone_into(&mut preset.name);
    Some(preset)
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.lines().filter_map(|line| line.split_once('\t'))
}

impl Preset {
    /// A preset that is nothing but a scheme.
    pub fn custom(scheme: Scheme) -> Self {
        Self {
            name: String::new(),
            title: "This scheme".to_owned(),
            docs: String::new(),
            confidence: Confidence::Unconfirmed,
            scheme,
            secret_prefixes: Vec::new(),
            secret_is_api_key: true,
            event: EventPlaces::default(),
            methods: post(),
            content_type: json(),
            handshakes: Vec::new(),
            responses: Responses::default(),
            keys: None,
            delivery: None,
            catalog: Vec::new(),
            test_event: None,
            notes: Vec::new(),
        }
    }

    /// What stops a request that somebody recorded and sends again.
    pub fn replay_guard(&self) -> ReplayGuard {
        let expires = matches!(&self.scheme, Scheme::Jwt(jwt) if !jwt.detached);
        if self.scheme.tolerance_s().is_some() || expires {
            return ReplayGuard::Age;
        }
        let signed =
            self.scheme.binds_body() && self.event.id.as_ref().is_some_and(EventId::is_all_in_the_body);
        if signed { ReplayGuard::Id } else { ReplayGuard::Nothing }
    }

    /// A new secret as it is stored, or a sentence that says why it is invalid and what to do.
    pub fn accept_secret(&self, text: &str) -> Result<String, KeyFault> {
        self.scheme.accept_secret(text, &self.secret_prefixes, self.secret_is_api_key)
    }

    /// What a source without a secret lacks, as a sentence.
    pub fn lacks_secret(&self) -> Option<&'static str> {
        match &self.scheme {
            Scheme::None => None,
            _ if self.keys.is_some() => None,
            _ if self.handshakes.iter().any(|handshake| handshake.adopt) => {
                Some("There is no secret yet: it will be adopted from the provider's first request.")
            }
            _ => Some(
                "There is no secret, so every request will be refused: set the provider's secret as \
                 config.secret.",
            ),
        }
    }

    /// Every event that it sends, with the group that it belongs to: those of the catalog, and the test event.
    pub fn events(&self) -> impl Iterator<Item = (Option<&str>, &EventDoc)> {
        let listed = self
            .catalog
            .iter()
            .flat_map(|group| group.events.iter().map(|event| (Some(&*group.group), event)));
        listed.chain(self.test_event.iter().map(|event| (Some("Testing"), event)))
    }

    /// The body of an example, as one event is sent.
    pub fn example<'a>(&self, event: &'a EventDoc) -> &'a str {
        let whole = event.example.as_str();
        let items = if self.event.batch == Several::Body { batch_items(whole.as_bytes()) } else { None };
        items.and_then(|items| items.first().map(|item| item.get())).unwrap_or(whole)
    }

    /// The same with the time of now, where it has one.
    pub fn example_now(&self, event: &EventDoc, now_ms: i64) -> String {
        let text = self.example(event);
        let place = self.event.time.as_ref().and_then(|time| match &time.at {
            Place::Json(path) => Some((path.find(serde_json::from_str(text).ok()?)?.get(), time.unit)),
            _ => None,
        });
        let spliced = place.and_then(|(old, unit)| {
            let start = old.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
            let (head, rest) = text.split_at_checked(start)?;
            let now = unit.write(now_ms);
            let quote = if old.starts_with('"') { "\"" } else { "" };
            Some(format!("{head}{quote}{now}{quote}{}", rest.get(old.len()..)?))
        });
        spliced.unwrap_or_else(|| text.to_owned())
    }

    /// The headers that say an event's type, id and time.
    pub fn event_headers(&self) -> impl Iterator<Item = &str> {
        let places = self.event.kind.iter().chain(self.event.time.as_ref().map(|time| &time.at));
        let named = places.filter_map(|place| match place {
            Place::Header(name) => Some(name.as_str()),
            _ => None,
        });
        let id = self.event.id.iter().flat_map(EventId::headers);
        named.chain(id).chain(self.event.id_also.iter().map(String::as_str))
    }

    /// What a request says of its event, once it is verified. `body` is the request's, or that of one of its events.
    pub fn event(&self, request: &Request<'_>) -> Event {
        self.event_of(&self.reader(request))
    }

    /// Reads the parts of a request that say something of its event, all of them at once.
    pub fn reader<'a>(&self, request: &Request<'a>) -> Reader<'a> {
        let (kind, time) = (self.event.kind.iter(), self.event.time.iter().map(|time| &time.at));
        let id = self.event.id.iter().flat_map(EventId::places);
        Reader::new(*request, kind.chain(time).chain(id), self.event.batch.path())
    }

    /// [`Preset::event`] by a [`Preset::reader`] of the request.
    pub fn event_of(&self, reader: &Reader<'_>) -> Event {
        // Several events that stay together are not the first of them: its id is not theirs.
        let whole = self.event.batch.count(reader, 1).is_some_and(|events| events > 1);
        let request = reader.request();
        let first = if self.event.batch == Several::Body { first_item(request.body) } else { None };
        let of_first = first.map(|item| self.reader(&Request { body: item.get().as_bytes(), ..*request }));
        let place = of_first.as_ref().unwrap_or(reader);
        let time = self.event.time.as_ref();
        let id = self.event.id.as_ref().and_then(|id| id.read_of(place, whole.then_some(request.body)));
        Event {
            kind: self.event.kind.as_ref().and_then(|kind| place.read(kind)),
            id,
            at_ms: time.and_then(|time| time.unit.read_any(&place.read(&time.at)?)),
        }
    }

    /// The response to a handshake; `None` if the request is an event.
    pub fn handshake(
        &self,
        secrets: &Secrets,
        params: &Params,
        request: &Request<'_>,
        now_ms: i64,
    ) -> Option<Answer> {
        handshake::answer(&self.handshakes, &self.scheme, secrets, params, request, now_ms)
    }

    /// A request as this provider would send it: signed, and with the headers that say the event's type and id.
    pub fn sign(
        &self,
        secrets: &Secrets,
        params: &Params,
        outgoing: &Outgoing<'_>,
        event_type: &str,
        now_ms: i64,
    ) -> Result<Signed, SignFault> {
        let mut headers = outgoing.headers.to_vec();
        let mut said = Vec::new();
        let mut say = |name: &str, value: &str| {
            if !headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value.to_owned()));
                said.push((name.to_owned(), value.to_owned()));
            }
        };
        if let Some(Place::Header(name)) = &self.event.kind {
            say(name, event_type);
        }
        if let Some(name) = self.event.id.as_ref().and_then(EventId::header) {
            say(name, outgoing.id);
        }
        for name in &self.event.id_also {
            say(name, outgoing.id);
        }
        if let Some(EventTime { at: Place::Header(name), unit }) = &self.event.time {
            say(name, &unit.write(now_ms));
        }
        let outgoing = Outgoing { headers: &headers, ..*outgoing };
        let mut signed = self.scheme.sign(secrets, params, &outgoing, now_ms)?;
        said.retain(|(name, _)| !signed.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name)));
        signed.headers.splice(0..0, said);
        Ok(signed)
    }

    /// What cannot be right in the data, each as a sentence; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> =
            self.scheme.faults().into_iter().map(|fault| format!("scheme.{fault}")).collect();
        faults.extend(self.keys.iter().flat_map(PublishedKeys::faults));
        let mut check = |right: bool, text: String| {
            if !right {
                faults.push(text);
            }
        };
        check(!self.title.is_empty(), "title: the provider's name".to_owned());
        check(self.docs.starts_with("https://"), "docs: a link to the provider's documentation".to_owned());
        check(
            self.event.id.is_some() != self.event.no_id.is_some(),
            "event: either 'id' says what identifies one event, or 'noId' why nothing does".to_owned(),
        );
        for fault in self.handshakes.iter().flat_map(|handshake| handshake.faults(&self.scheme, false)) {
            check(false, fault);
        }
        for (_, event) in self.events() {
            let body = self.example(event);
            let request = Request { method: "POST", url: "", headers: &[], body: body.as_bytes() };
            if let Some(Place::Json(_)) = &self.event.kind {
                check(
                    self.event(&request).kind.as_deref() == Some(&event.name),
                    format!("catalog: the example of '{}' does not say that type", event.name),
                );
            }
        }
        if let Some(delivery) = &self.delivery {
            check(
                delivery.success.0 <= delivery.success.1,
                "delivery.success: from the lower to the higher".to_owned(),
            );
        }
        faults
    }
}
