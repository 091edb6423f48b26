//! The event as a plugin sees it: a view of the frame that the host wrote, and nothing more.

use crate::frame::{self, key};
use crate::json::{self, Value};
use crate::{Error, Result};
use core::fmt;

/// One event on its way to one endpoint.
///
/// It is as cheap to copy as a reference, and reads only what it is asked for: a filter that looks at the event's type
/// never touches the body.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    frame: &'a [u8],
}

impl<'a> Event<'a> {
    /// The view of an input frame.
    #[doc(hidden)]
    pub fn of_frame(frame: &'a [u8]) -> Self {
        Self { frame }
    }

    fn text_of(&self, key: u32) -> &'a str {
        // The host promises UTF-8; an empty text is what is left of a broken promise.
        core::str::from_utf8(self.bytes_of(key)).unwrap_or_default()
    }

    fn bytes_of(&self, key: u32) -> &'a [u8] {
        frame::entry(self.frame, key).unwrap_or_default()
    }

    /// The message's id, `msg_…`: the same for every endpoint and every attempt.
    pub fn id(&self) -> &'a str {
        self.text_of(key::ID)
    }

    /// The event's type, such as `invoice.paid`.
    pub fn event_type(&self) -> &'a str {
        self.text_of(key::EVENT_TYPE)
    }

    /// When the event was accepted, in milliseconds since 1970.
    pub fn timestamp(&self) -> i64 {
        self.bytes_of(key::TIMESTAMP).try_into().map(i64::from_le_bytes).unwrap_or_default()
    }

    /// Which attempt at the delivery this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.bytes_of(key::ATTEMPT).try_into().map(u32::from_le_bytes).unwrap_or_default()
    }

    /// The application's id, `app_…`.
    pub fn app_id(&self) -> &'a str {
        self.text_of(key::APP_ID)
    }

    /// The endpoint's id, `ep_…`.
    pub fn endpoint_id(&self) -> &'a str {
        self.text_of(key::ENDPOINT_ID)
    }

    /// The headers that the delivery will have, in no particular order. Signatures are not among them: the gateway signs
    /// what the plugin leaves.
    pub fn headers(&self) -> Headers<'a> {
        Headers { list: frame::HeaderList::of(self.bytes_of(key::HEADERS)) }
    }

    /// The first value of a header; its name in any case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The configuration with which the plugin is attached to the endpoint, as text; empty if there is none.
    pub fn config_text(&self) -> &'a str {
        self.text_of(key::CONFIG)
    }

    /// The configuration as JSON; an empty object if there is none.
    pub fn config(&self) -> Result<Value<'a>> {
        let text = self.config_text();
        json::parse(if text.is_empty() { "{}" } else { text })
            .map_err(|error| Error::from(error).context("configuration"))
    }

    /// The body: the bytes to be delivered.
    pub fn body(&self) -> &'a [u8] {
        self.bytes_of(key::BODY)
    }

    /// The body as text.
    pub fn text(&self) -> Result<&'a str> {
        core::str::from_utf8(self.body()).map_err(|error| Error::from(error).context("body"))
    }

    /// The body as JSON. Numbers, escapes and the order of keys stay as they are written.
    pub fn json(&self) -> Result<Value<'a>> {
        json::parse(self.text()?).map_err(|error| Error::from(error).context("body"))
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id())
            .field("event_type", &self.event_type())
            .field("attempt", &self.attempt())
            .field("body", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// The headers of an event: name (in lower case) and value.
#[derive(Clone)]
pub struct Headers<'a> {
    list: frame::HeaderList<'a>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.list.next()?;
        Some((name, value.unwrap_or_default()))
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}
