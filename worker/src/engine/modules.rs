//! The modules that this isolate has at hand.

use super::v8::{self, Loadable};
use crate::directory;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::cache::Cache;
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

thread_local! {
    static WASMI: OnceCell<wasmi::Engine> = const { OnceCell::new() };
    /// Modules by version; the one that was not used for longest gives way.
    static KEPT: RefCell<Cache<String, Module>> = RefCell::new(Cache::new(MAX_BYTES));
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
    let (version, bytes) = (module.version.clone(), module.bytes.len());
    KEPT.with_borrow_mut(|kept| kept.insert_weighing(version, loaded.clone(), bytes));
    Ok(loaded)
}

/// Loads a metered module into the interpreter.
pub(super) fn interpreted(metered: &[u8]) -> Result<wasmi::Module, String> {
    WASMI.with(|engine| engine.get_or_init(wasmi::Engine::new).load(metered))
}

fn kept(version: &str) -> Option<Module> {
    KEPT.with_borrow_mut(|kept| kept.touch(version).cloned())
}
