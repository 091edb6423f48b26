//! Plugins, run: what a module says of an event.
//!
//! Uploaded modules run in the interpreter, which needs no permission to compile. A module is loaded once in an
//! isolate and kept by its version, which is the hash of its bytes; nothing of one run is left for the next, because
//! every event gets an instance of its own.

mod modules;

pub(crate) use modules::{Found, find, load};

use std::cell::OnceCell;
use weir_core::plugin::{EngineName, Ran, Subject, Verdict};
use weir_plugin_host::frame::Event;
use weir_plugin_host::run::{self, Limits, Outcome};
use weir_plugin_host::wasmi;

thread_local! {
    static WASMI: OnceCell<wasmi::Engine> = const { OnceCell::new() };
}

/// Of which delivery an event is.
pub(crate) struct Place<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) endpoint_id: &'a str,
    pub(crate) msg_id: &'a str,
    /// When the event was accepted, in milliseconds.
    pub(crate) accepted_at: i64,
    /// The number of this attempt, from 1.
    pub(crate) attempt: u32,
}

/// Runs a plugin on an event.
pub(crate) fn run(module: &wasmi::Module, subject: &Subject, config: Option<&str>, place: &Place<'_>) -> Ran {
    let event = Event {
        id: place.msg_id,
        event_type: &subject.event_type,
        timestamp_ms: place.accepted_at,
        attempt: place.attempt,
        app_id: place.app_id,
        endpoint_id: place.endpoint_id,
        headers: &subject.headers,
        config: config.unwrap_or_default(),
        body: &subject.body,
    };
    ran(module.run(&event.encode(), &Limits::default()), EngineName::Wasmi)
}

/// What is said of a plugin that is not there (any more).
pub(crate) fn missing() -> Ran {
    let text = "There is no such version of this plugin any more. Attach another one.".to_owned();
    failed("missing", text)
}

/// What is said of a plugin that the engine does not take.
pub(crate) fn broken(why: String) -> Ran {
    failed("host", why)
}

fn failed(code: &str, text: String) -> Ran {
    let verdict = Verdict::Failed { code: code.to_owned(), text };
    Ran { verdict, logs: Vec::new(), fuel: 0, pages: 0, engine: EngineName::Wasmi }
}

/// Makes a module of uploaded bytes, as they were rewritten.
fn interpreted(metered: &[u8]) -> Result<wasmi::Module, String> {
    WASMI.with(|engine| engine.get_or_init(wasmi::Engine::new).load(metered))
}

/// What an engine says, in the words of a delivery.
fn ran(outcome: Outcome, engine: EngineName) -> Ran {
    let verdict = match outcome.result {
        Ok(run::Verdict::Unchanged) => Verdict::Unchanged,
        Ok(run::Verdict::Replace(patch)) => Verdict::Replace {
            body: patch.body,
            headers: patch.headers.into_iter().map(|change| (change.name, change.value)).collect(),
            event_type: patch.event_type,
        },
        Ok(run::Verdict::Drop { reason }) => Verdict::Drop { reason },
        Ok(run::Verdict::Error { retryable, message }) => {
            let code = if retryable { "error" } else { "permanent" };
            Verdict::Failed { code: code.to_owned(), text: message }
        }
        Err(error) => Verdict::Failed { code: error.code().to_owned(), text: error.to_string() },
    };
    let logs = outcome.logs.lines.into_iter().map(|line| (line.level.name().to_owned(), line.text)).collect();
    Ran { verdict, logs, fuel: outcome.fuel, pages: outcome.memory_pages, engine }
}
