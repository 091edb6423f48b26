//! The order of an endpoint's plugins, and what follows from each verdict.

use super::{Attached, OnError, Ran, Verdict};
use crate::header::{self, HeaderFault};
use crate::text::{MAX_NAME, is_dots};
use serde_json::{Value, json};
use std::rc::Rc;

/// An attempt's record keeps at most so many bytes of each plugin's log.
const LOG_MAX: usize = 2048;
/// What is said of a plugin that is left out.
const RESTING: &str = "has failed too often in a row and is skipped for now.";

/// What plugins work on: one delivery, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The event's type, as the plugins before left it.
    pub event_type: String,
    /// The headers that the delivery adds; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Subject {
    /// A stored message as an endpoint without a preset or headers of its own would send it.
    pub fn of_message(event_type: String, brought: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let mut headers: Vec<(String, String)> =
            brought.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
        }
        Self { event_type, headers, body }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Run this plugin on this subject, and tell [`Chain::ran`].
    Run(&'a Attached, &'a Subject),
    /// It is decided.
    Decided,
}

/// What the plugins' verdicts come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Deliver this.
    Deliver(Subject),
    /// It is filtered out, for this reason.
    Filtered(String),
    /// A plugin failed, and its attachment says hold: why.
    Held(String),
}

/// One delivery on its way through an endpoint's plugins.
#[derive(Debug)]
pub struct Chain {
    plugins: Rc<[Attached]>,
    next: usize,
    subject: Subject,
    end: Option<Decision>,
    trace: Vec<Value>,
    resting: Vec<bool>,
    ran: Vec<(usize, Option<Fault>)>,
}

/// How a plugin failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// It works, and says that this event is an error to it; else it does not work.
    pub own: bool,
    /// Code and text.
    pub why: String,
}

/// What became of a delivery on its way.
#[derive(Debug)]
pub struct Outcome {
    /// What was decided.
    pub decision: Decision,
    /// What each plugin did: the text of a JSON array.
    pub trace: String,
    /// Which plugins ran, by their place in the endpoint's list, and how each failed that did.
    pub ran: Vec<(usize, Option<Fault>)>,
    /// That list.
    pub plugins: Rc<[Attached]>,
}

impl Chain {
    /// The way of `subject` through `plugins`.
    pub fn new(plugins: Rc<[Attached]>, subject: Subject) -> Self {
        let (resting, trace, ran) = (Vec::new(), Vec::new(), Vec::new());
        Self { plugins, next: 0, subject, end: None, trace, resting, ran }
    }

    /// Leaves out the plugins that rest, by their place in the list: each counts as failed without having run.
    #[must_use]
    pub fn without(mut self, resting: Vec<bool>) -> Self {
        self.resting = resting;
        self.skip();
        self
    }

    /// All plugins that it passes.
    pub fn plugins(&self) -> Rc<[Attached]> {
        self.plugins.clone()
    }

    /// What is to be done next.
    pub fn step(&self) -> Step<'_> {
        match (&self.end, self.plugins.get(self.next)) {
            (None, Some(plugin)) => Step::Run(plugin, &self.subject),
            _ => Step::Decided,
        }
    }

    /// The plugin that [`Chain::step`] named was run.
    pub fn ran(&mut self, ran: Ran) {
        let plugins = self.plugins();
        let Some(plugin) = plugins.get(self.next) else { return };
        let place = self.next;
        self.next = self.next.saturating_add(1);
        let Ran { mut verdict, logs, fuel, pages, engine, version } = ran;
        if let Verdict::Replace { headers, .. } = &verdict
            && let Some(fault) = headers.iter().find_map(refused)
        {
            verdict = Verdict::Failed { code: "header".to_owned(), text: fault.to_string() };
        }
        if let Verdict::Replace { event_type: Some(event_type), .. } = &verdict
            && !may_be_sent(event_type)
        {
            let text = "The plugin set an invalid event type: it must be one line of 1 to 256 bytes without `*`, must not \
                 begin or end with a space, and must not be `.` or `..`.";
            verdict = Verdict::Failed { code: "event_type".to_owned(), text: text.to_owned() };
        }
        let mut entry = json!({
            "name": plugin.name,
            "version": version.as_ref().unwrap_or(&plugin.version),
            "engine": engine,
            "fuel": fuel,
            "memoryPages": pages,
        });
        let mut put = |key: &str, value: Value| {
            if let Value::Object(map) = &mut entry {
                map.insert(key.to_owned(), value);
            }
        };
        if !logs.is_empty() {
            put("logs", shown_logs(&logs));
        }
        let mut fault = None;
        match verdict {
            Verdict::Unchanged => put("verdict", json!("unchanged")),
            Verdict::Replace { body, headers, event_type } => {
                put("verdict", json!("replaced"));
                if let Some(event_type) = event_type {
                    put("eventType", json!(event_type));
                    self.subject.event_type = event_type;
                }
                if let Some(body) = body {
                    self.subject.body = body;
                }
                apply(&mut self.subject.headers, headers);
            }
            Verdict::Drop { reason } => {
                put("verdict", json!("dropped"));
                put("reason", json!(reason));
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                self.end =
                    Some(Decision::Filtered(format!("Filtered out by the plugin {}{why}", plugin.name)));
            }
            Verdict::Failed { code, text } => {
                put("verdict", json!("failed"));
                put("error", json!({ "code": code, "message": text }));
                put("onError", json!(plugin.on_error));
                let why = format!("({code}): {text}");
                self.failed(plugin, &format!("failed {why}"));
                fault = Some(Fault { own: matches!(code.as_str(), "error" | "permanent"), why });
            }
        }
        self.trace.push(entry);
        self.ran.push((place, fault));
        self.skip();
    }

    /// Passes over the plugins that rest.
    fn skip(&mut self) {
        let plugins = self.plugins();
        while self.end.is_none() && self.resting.get(self.next) == Some(&true) {
            let Some(plugin) = plugins.get(self.next) else { return };
            self.next = self.next.saturating_add(1);
            self.failed(plugin, RESTING);
            self.trace.push(json!({
                "name": plugin.name,
                "version": plugin.version,
                "verdict": "skipped",
                "reason": RESTING,
                "onError": plugin.on_error,
            }));
        }
    }

    /// What follows where a plugin has not done its work.
    fn failed(&mut self, plugin: &Attached, what: &str) {
        let why = format!("The plugin {} {what}", plugin.name);
        self.end = match plugin.on_error {
            OnError::Hold => Some(Decision::Held(why)),
            OnError::Drop => Some(Decision::Filtered(why)),
            OnError::Deliver => None,
        };
    }

    /// What was decided, and how it came to that.
    pub fn outcome(self) -> Outcome {
        let decision = self.end.unwrap_or(Decision::Deliver(self.subject));
        Outcome {
            decision,
            trace: Value::Array(self.trace).to_string(),
            ran: self.ran,
            plugins: self.plugins,
        }
    }
}

/// Whether a delivery may have this type. Providers send it in a header and allow more characters than the API does; `*` is
/// how they, and patterns, write "all events", and clients resolve `.` and `..` in paths.
fn may_be_sent(event_type: &str) -> bool {
    (1..=MAX_NAME).contains(&event_type.len())
        && !event_type.chars().any(|c| c.is_control() || c == '*')
        && event_type.trim() == event_type
        && !is_dots(event_type)
}

/// What is wrong with a change of a header: as for an endpoint's own headers, but a plugin that changes the body may
/// say what the body is.
fn refused((name, value): &(String, Option<String>)) -> Option<HeaderFault> {
    let value = value.as_deref().unwrap_or_default();
    let name = if name.eq_ignore_ascii_case("content-type") { "x-content-type" } else { name };
    header::check(name, value).err()
}

/// Sets and removes headers, in order.
fn apply(headers: &mut Vec<(String, String)>, patch: super::HeaderPatch) {
    for (name, value) in patch {
        let name = name.to_ascii_lowercase();
        headers.retain(|(have, _)| *have != name);
        if let Some(value) = value {
            headers.push((name, value));
        }
    }
}

/// The last lines of a log that fit.
fn shown_logs(logs: &[(String, String)]) -> Value {
    let mut bytes: usize = 0;
    let fit = logs.iter().rev().take_while(|(_, text)| {
        bytes = bytes.saturating_add(text.len());
        bytes <= LOG_MAX
    });
    let mut lines: Vec<Value> = fit.map(|(level, text)| json!({ "level": level, "message": text })).collect();
    lines.reverse();
    Value::Array(lines)
}
