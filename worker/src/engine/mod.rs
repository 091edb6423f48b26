//! Runs plugins on events.
//!
//! A bundled plugin runs on V8 in the same isolate. An uploaded one runs in a separate isolate if the deployment has
//! the binding `LOADER` (all plugins of an endpoint in one), otherwise in the interpreter. Runs do not affect each
//! other, because every event gets its own instance. Fuel, verdict and logs are the same on all engines.

mod modules;
mod v8;

pub(crate) use v8::bundled;

use modules::{Found, Module};
use std::rc::Rc;
use v8::Loadable;
use wasm_bindgen::JsValue;
use weir_core::frame::PluginModule;
use weir_core::plugin::{Attached, BUNDLED, EngineName, Ran, Subject, Verdict};
use weir_plugin_host::frame::Event;
use weir_plugin_host::run::{self, Limits, Outcome};
use weir_plugin_host::wasmi;

/// Of which delivery an event is.
pub(crate) struct Place<'a> {
    pub(crate) org: &'a str,
    pub(crate) app_id: &'a str,
    pub(crate) endpoint_id: &'a str,
    pub(crate) msg_id: &'a str,
    /// When the event was accepted, in milliseconds.
    pub(crate) accepted_at: i64,
    /// The number of this attempt, from 1.
    pub(crate) attempt: u32,
}

/// Runs a plugin of an endpoint, which has all of `chain`, on an event. The error is for the log, and says nothing of
/// the plugin: its module cannot be asked for now.
pub(crate) async fn run(
    env: &JsValue,
    place: &Place<'_>,
    chain: &[Attached],
    plugin: &Attached,
    subject: &Subject,
) -> Result<Ran, String> {
    let event = Event {
        id: place.msg_id,
        event_type: &subject.event_type,
        timestamp_ms: place.accepted_at,
        attempt: place.attempt,
        app_id: place.app_id,
        endpoint_id: place.endpoint_id,
        headers: &subject.headers,
        config: plugin.config.as_deref().unwrap_or_default(),
        body: &subject.body,
    };
    let fuel = crate::settings::of(env)?.plugin_fuel.into();
    let (input, limits) = (event.encode(), Limits { fuel, ..Limits::default() });
    if plugin.version == BUNDLED {
        let outcome = v8::run_in_place(&plugin.name, &input, &limits);
        let version = bundled().iter().find(|it| it.name == plugin.name).map(|it| it.version.clone());
        return Ok(outcome.map_or_else(missing, |outcome| Ran { version, ..ran(outcome, EngineName::V8) }));
    }
    Ok(match modules::find(env, place.org, &plugin.name, &plugin.version).await? {
        Found::Ready(Module::Interpreted(module)) => ran(module.run(&input, &limits), EngineName::Wasmi),
        Found::Ready(Module::Loadable(module)) => {
            let Some(loader) = v8::loader(env) else { return Err("the loader is gone".to_owned()) };
            let modules = loadable(env, place.org, chain).await?;
            let index = modules.iter().position(|other| Rc::ptr_eq(other, &module));
            let (modules, index) =
                index.map_or_else(|| (vec![Rc::clone(&module)], 0), |index| (modules, index));
            match v8::run_apart(env, &loader, &modules, index, &input, &limits).await {
                Some(outcome) => ran(outcome, EngineName::Loader),
                None => match module.interpreted() {
                    Ok(module) => ran(module.run(&input, &limits), EngineName::Wasmi),
                    Err(why) => failed("host", why),
                },
            }
        }
        Found::Missing => missing(),
        Found::Broken(why) => failed("host", why),
    })
}

/// The modules of a chain that run in one isolate, each once.
async fn loadable(env: &JsValue, org: &str, chain: &[Attached]) -> Result<Vec<Rc<Loadable>>, String> {
    let mut modules: Vec<Rc<Loadable>> = Vec::new();
    for plugin in chain.iter().filter(|plugin| plugin.version != BUNDLED) {
        let found = modules::find(env, org, &plugin.name, &plugin.version).await?;
        if let Found::Ready(Module::Loadable(module)) = found
            && !modules.iter().any(|other| Rc::ptr_eq(other, &module))
        {
            modules.push(module);
        }
    }
    Ok(modules)
}

/// Keeps a module at hand for a run that follows.
pub(crate) fn keep(env: &JsValue, module: &PluginModule) {
    // Where the engine does not take it, the run will say so.
    let _ = modules::load(env, module);
}

/// Whether the engines take a metered module; if not, why.
pub(crate) fn check(metered: &[u8]) -> Result<(), String> {
    wasmi::Engine::new().check(metered)
}

/// What is said of a plugin that is not there (any more).
fn missing() -> Ran {
    let text = "This version of the plugin no longer exists. Attach another version.".to_owned();
    failed("missing", text)
}

fn failed(code: &str, text: String) -> Ran {
    let verdict = Verdict::Failed { code: code.to_owned(), text };
    Ran { verdict, logs: Vec::new(), fuel: 0, pages: 0, engine: EngineName::Wasmi, version: None }
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
    Ran { verdict, logs, fuel: outcome.fuel, pages: outcome.memory_pages, engine, version: None }
}
