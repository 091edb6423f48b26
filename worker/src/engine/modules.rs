//! The modules that this isolate has at hand.

use super::v8::{self, Loadable};
use crate::directory;
use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::frame::PluginModule;
use weir_plugin_host::wasmi;

/// Modules are kept until their bytes are more than this; the interpreter's form of them is a few times larger.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A module, ready to run.
#[derive(Clone)]
pub(super) enum Module {
    /// In the interpreter.
    Interpreted(wasmi::Module),
    /// In an isolate of its own, once that is loaded.
    Loadable(Rc<Loadable>),
}

struct Kept {
    version: String,
    bytes: usize,
    loaded: Module,
}

thread_local! {
    static WASMI: OnceCell<wasmi::Engine> = const { OnceCell::new() };
    /// The one used last comes last.
    static KEPT: RefCell<VecDeque<Kept>> = const { RefCell::new(VecDeque::new()) };
}

/// What there is of a version.
pub(super) enum Found {
    /// It can run.
    Ready(Module),
    /// The tenant has no such plugin or version.
    Missing,
    /// The engine does not take it: why.
    Broken(String),
}

/// The module of a plugin's version, by `org`. The error is for the log, and says nothing of the plugin.
pub(super) async fn find(env: &JsValue, org: &str, name: &str, version: &str) -> Result<Found, String> {
    // The name of a version is the hash of its bytes: whoever knows it gets the same module.
    if let Some(loaded) = kept(version) {
        return Ok(Found::Ready(loaded));
    }
    let Some(module) = directory::module(env, org, name, Some(version)).await? else {
        return Ok(Found::Missing);
    };
    Ok(load(env, &module).map_or_else(Found::Broken, Found::Ready))
}

/// Makes a module ready to run, unless it is.
pub(super) fn load(env: &JsValue, module: &PluginModule) -> Result<Module, String> {
    if let Some(loaded) = kept(&module.version) {
        return Ok(loaded);
    }
    let loaded = if v8::loader(env).is_some() {
        Module::Loadable(Loadable::new(&module.bytes))
    } else {
        Module::Interpreted(interpreted(&module.bytes)?)
    };
    keep(&module.version, module.bytes.len(), &loaded);
    Ok(loaded)
}

/// Loads a metered module into the interpreter.
pub(super) fn interpreted(metered: &[u8]) -> Result<wasmi::Module, String> {
    WASMI.with(|engine| engine.get_or_init(wasmi::Engine::new).load(metered))
}

fn kept(version: &str) -> Option<Module> {
    KEPT.with_borrow_mut(|kept| {
        let at = kept.iter().position(|module| module.version == version)?;
        let module = kept.remove(at)?;
        let loaded = module.loaded.clone();
        kept.push_back(module);
        Some(loaded)
    })
}

fn keep(version: &str, bytes: usize, loaded: &Module) {
    KEPT.with_borrow_mut(|kept| {
        kept.push_back(Kept { version: version.to_owned(), bytes, loaded: loaded.clone() });
        let mut all: usize = kept.iter().map(|module| module.bytes).sum();
        while all > MAX_BYTES && kept.len() > 1 {
            all = all.saturating_sub(kept.pop_front().map_or(0, |oldest| oldest.bytes));
        }
    });
}
