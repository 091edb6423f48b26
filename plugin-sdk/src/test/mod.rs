//! Tests of a plugin without wasm: events go in, answers come out.
//!
//! ```
//! use weir_plugin::prelude::*;
//!
//! #[plugin]
//! fn large_only(event: Event) -> Result<bool> {
//!     let least = event.config()?.get("least").and_then(Value::as_i64).unwrap_or(100);
//!     Ok(event.json()?.get("amount").and_then(Value::as_i64) >= Some(least))
//! }
//!
//! # fn main() {
//! use weir_plugin::test;
//! let event = test::event("invoice.paid").json(r#"{"amount": 120}"#);
//! assert!(event.run(large_only).is_delivered());
//! assert!(event.config(r#"{"least": 500}"#).run(large_only).is_dropped());
//! # }
//! ```
//!
//! An event is written as the frame that the gateway writes, and a patch is read as the gateway reads it.

mod cases;

pub use cases::cases;

use crate::frame::{self, key};
use crate::level::{Level, Lines};
use crate::{Error, Event, FromEvent, IntoVerdict, Verdict};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

std::thread_local! {
    static LINES: RefCell<Lines> = const { RefCell::new(Lines::new()) };
}

pub(crate) fn log(level: Level, text: fmt::Arguments<'_>) {
    LINES.with_borrow_mut(|lines| lines.write(level, text));
}

/// An event of this type, with a body of `{}`, the header `content-type: application/json` and no configuration.
pub fn event(event_type: &str) -> Input {
    Input {
        id: "msg_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into(),
        event_type: event_type.into(),
        timestamp: 1_767_225_600_000,
        attempt: 1,
        app_id: "app_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into(),
        endpoint_id: "ep_2hYFcGjrCJRmdKQUsTfcvbbzPgT".into(),
        headers: alloc::vec![("content-type".into(), "application/json".into())],
        config: String::new(),
        body: b"{}".to_vec(),
    }
}

/// An event for a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    id: String,
    event_type: String,
    timestamp: i64,
    attempt: u32,
    app_id: String,
    endpoint_id: String,
    headers: Vec<(String, String)>,
    config: String,
    body: Vec<u8>,
}

impl Input {
    /// The body, as text that is JSON.
    #[must_use]
    pub fn json(self, text: &str) -> Self {
        self.body(text.as_bytes())
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = text.into();
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The message's id.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.into();
        self
    }

    /// When the event was accepted, in milliseconds since 1970.
    #[must_use]
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Which attempt it is.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The ids of the application and the endpoint.
    #[must_use]
    pub fn to(mut self, app_id: &str, endpoint_id: &str) -> Self {
        self.app_id = app_id.into();
        self.endpoint_id = endpoint_id.into();
        self
    }

    /// The frame that a host would write.
    #[doc(hidden)]
    pub fn to_frame(&self) -> Vec<u8> {
        let headers = frame::write_headers(
            self.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))),
        );
        frame::write(&[
            (key::ID, self.id.as_bytes()),
            (key::EVENT_TYPE, self.event_type.as_bytes()),
            (key::TIMESTAMP, &self.timestamp.to_le_bytes()),
            (key::ATTEMPT, &self.attempt.to_le_bytes()),
            (key::APP_ID, self.app_id.as_bytes()),
            (key::ENDPOINT_ID, self.endpoint_id.as_bytes()),
            (key::HEADERS, &headers),
            (key::CONFIG, self.config.as_bytes()),
            (key::BODY, &self.body),
        ])
    }

    /// Runs a plugin's function on it.
    ///
    /// # Panics
    ///
    /// Where the function does, or where its patch is one that the gateway would refuse.
    pub fn run<Parameters>(&self, plugin: impl Plugin<Parameters>) -> Outcome {
        self.run_with(&plugin)
    }

    /// How long a plugin's function takes on it natively, in microseconds: the median of rounds of runs, which are short, so
    /// that most are not interrupted on a busy machine. Fuel is what counts in a gateway; this is for comparing.
    pub fn micros<Parameters>(&self, plugin: impl Plugin<Parameters>) -> f64 {
        const ROUNDS: usize = 501;
        const RUNS: u32 = 8;
        let frame: &'static [u8] = self.to_frame().leak();
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let began = std::time::Instant::now();
                for _ in 0..RUNS {
                    LINES.take();
                    let verdict = plugin.call(Event::of_frame(frame));
                    if let Verdict::Replace(patch) = &core::hint::black_box(verdict) {
                        core::hint::black_box(patch.to_frame());
                    }
                }
                began.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[ROUNDS / 2]
    }

    fn run_with<Parameters>(&self, plugin: &impl Plugin<Parameters>) -> Outcome {
        // Never given back: so a parameter may borrow from it without a word about lifetimes, and a test ends soon.
        let frame: &'static [u8] = self.to_frame().leak();
        LINES.take();
        let verdict = plugin.call(Event::of_frame(frame));
        let logs = lines(LINES.take().bytes());
        let mut outcome = Outcome {
            verdict,
            logs,
            event_type: self.event_type.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        };
        if let Verdict::Replace(patch) = &outcome.verdict {
            let patch = patch.to_frame();
            outcome.apply(&patch);
        }
        outcome
    }
}

fn lines(bytes: &[u8]) -> Vec<(Level, String)> {
    let mut lines = Vec::<(Level, String)>::new();
    for line in String::from_utf8_lossy(bytes).trim_end_matches('\n').split('\n') {
        let level = match line.bytes().next() {
            Some(1) => Level::Error,
            Some(2) => Level::Warn,
            Some(3) => Level::Info,
            Some(4) => Level::Debug,
            Some(5) => Level::Trace,
            _ => {
                if let Some((_, text)) = lines.last_mut() {
                    text.push('\n');
                    text.push_str(line);
                }
                continue;
            }
        };
        lines.push((level, line.get(1..).unwrap_or_default().to_string()));
    }
    lines
}

/// What a plugin made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    verdict: Verdict,
    logs: Vec<(Level, String)>,
    event_type: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Outcome {
    /// Reads a patch as the gateway does.
    fn apply(&mut self, patch: &[u8]) {
        for (key, bytes) in frame::entries(patch) {
            match key {
                key::EVENT_TYPE => {
                    let name = String::from_utf8_lossy(bytes).into_owned();
                    assert!((1..=256).contains(&name.len()), "an event type has 1 to 256 bytes: {name:?}");
                    self.event_type = name;
                }
                key::HEADERS => {
                    for (name, value) in frame::HeaderList::of(bytes) {
                        assert!(is_name(name), "a header's name is a token of 1 to 256 bytes: {name:?}");
                        let name = name.to_ascii_lowercase();
                        self.headers.retain(|(have, _)| *have != name);
                        if let Some(value) = value {
                            assert!(is_value(value), "a header's value has no control characters: {value:?}");
                            self.headers.push((name, value.into()));
                        }
                    }
                }
                _ => self.body = bytes.to_vec(),
            }
        }
    }

    /// The plugin's answer itself.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether the event is delivered, changed or not.
    pub fn is_delivered(&self) -> bool {
        matches!(self.verdict, Verdict::Deliver | Verdict::Replace(_))
    }

    /// Whether the event is delivered as it came.
    pub fn is_unchanged(&self) -> bool {
        self.verdict == Verdict::Deliver
    }

    /// Whether the event is dropped.
    pub fn is_dropped(&self) -> bool {
        matches!(self.verdict, Verdict::Drop(_))
    }

    /// Why the event is dropped, if it is.
    pub fn reason(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Drop(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why the plugin failed, if it did.
    pub fn error(&self) -> Option<&Error> {
        match &self.verdict {
            Verdict::Fail(error) => Some(error),
            _ => None,
        }
    }

    /// The event's type as delivered.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The body as delivered.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as delivered, as text.
    ///
    /// # Panics
    ///
    /// Where the body is no UTF-8.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("the body is no text: {error}"))
    }

    /// The first value of a header as delivered.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The log.
    pub fn logs(&self) -> &[(Level, String)] {
        &self.logs
    }
}

fn is_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=256).contains(&name.len()) && name.bytes().all(token)
}

fn is_value(value: &str) -> bool {
    value.len() <= 16 * 1024 && value.chars().all(|char| char == '\t' || !char.is_control())
}

/// A function that the attribute `#[plugin]` could stand on.
pub trait Plugin<Parameters> {
    /// Makes the parameters from the event and calls the function.
    fn call(&self, event: Event<'static>) -> Verdict;
}

macro_rules! plugin {
    ($($parameter:ident)*) => {
        impl<F, R, $($parameter),*> Plugin<($($parameter,)*)> for F
        where
            F: Fn($($parameter),*) -> R,
            R: IntoVerdict,
            $($parameter: FromEvent<'static>,)*
        {
            fn call(&self, event: Event<'static>) -> Verdict {
                let answer = || Ok::<_, Error>(self($($parameter::from_event(event)?),*));
                answer().into_verdict()
            }
        }
    };
}

plugin!(A);
plugin!(A B);
plugin!(A B C);
plugin!(A B C D);
