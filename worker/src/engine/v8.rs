//! Plugins on V8: in this isolate, or in one of their own.
//!
//! Both make a transcript of the run, which the one driver judges. V8 has no fuel of its own; metered modules bring theirs.

use crate::js::text_of;
use js_sys::{Array, Promise, Reflect, Uint8Array};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use weir_core::directory::Bundled;
use weir_plugin_host::run::{Limits, Outcome};
use weir_plugin_host::{transcript, wasmi};

#[wasm_bindgen(module = "/runtime/plugin.mjs")]
extern "C" {
    fn catalog() -> String;
    #[wasm_bindgen(js_name = runBundled, catch)]
    fn run_bundled(name: &str, input: &[u8], numbers: &[f64]) -> Result<Option<Vec<u8>>, JsValue>;
    #[wasm_bindgen(js_name = runLoaded)]
    fn run_loaded(
        loader: &JsValue,
        most: f64,
        id: &str,
        modules: &Array,
        index: u32,
        input: &[u8],
        numbers: &[f64],
    ) -> Promise;
}

thread_local! {
    static BUNDLED: Rc<[Bundled]> = Bundled::read(&catalog()).unwrap_or_else(|error| {
        worker::console_error!("the bundled plugins: {error}");
        Rc::from([])
    });
}

/// The plugins that are bundled with this Worker.
pub(crate) fn bundled() -> Rc<[Bundled]> {
    BUNDLED.with(Rc::clone)
}

/// Runs a bundled plugin in this isolate, in an instance of its own; `None` where there is none of that name.
pub(super) fn run_in_place(name: &str, input: &[u8], limits: &Limits) -> Option<Outcome> {
    match run_bundled(name, input, &transcript::numbers(limits)) {
        Ok(made) => Some(transcript::outcome(&made?, input, limits)),
        Err(error) => Some(Outcome::host_failure(text_of(&error))),
    }
}

/// A module that an isolate can be loaded with.
pub(super) struct Loadable {
    bytes: Uint8Array,
    hash: [u8; 32],
    /// The module in the interpreter, once there are too many isolates.
    interpreted: OnceCell<Result<wasmi::Module, String>>,
}

impl Loadable {
    /// Takes a metered module.
    pub(super) fn new(metered: &[u8]) -> Rc<Self> {
        let (bytes, hash) = (Uint8Array::from(metered), Sha256::digest(metered).into());
        Rc::new(Self { bytes, hash, interpreted: OnceCell::new() })
    }

    /// The module for the interpreter.
    pub(super) fn interpreted(&self) -> Result<wasmi::Module, String> {
        self.interpreted.get_or_init(|| super::modules::interpreted(&self.bytes.to_vec())).clone()
    }
}

/// The binding that loads isolates, where the deployment has one.
pub(super) fn loader(env: &JsValue) -> Option<JsValue> {
    let loader = Reflect::get(env, &JsValue::from_str("LOADER")).ok()?;
    loader.is_object().then_some(loader)
}

/// How many isolates may be loaded: any number on Cloudflare, which frees them.
fn most(env: &JsValue) -> f64 {
    let text =
        Reflect::get(env, &JsValue::from_str("LOADER_ISOLATES")).ok().and_then(|most| most.as_string());
    text.and_then(|text| text.parse().ok()).unwrap_or(f64::INFINITY)
}

/// Runs one of `modules` in the isolate that has them all, in an instance of its own; `None` where that would be an
/// isolate too many.
pub(super) async fn run_apart(
    env: &JsValue,
    loader: &JsValue,
    modules: &[Rc<Loadable>],
    index: usize,
    input: &[u8],
    limits: &Limits,
) -> Option<Outcome> {
    let mut all = Sha256::new();
    for module in modules {
        all.update(module.hash);
    }
    let id = all.finalize().iter().fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    });
    let bytes: Array = modules.iter().map(|module| JsValue::from(&module.bytes)).collect();
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    let made = run_loaded(loader, most(env), &id, &bytes, index, input, &transcript::numbers(limits));
    match JsFuture::from(made).await {
        Ok(made) if made.is_undefined() => None,
        Ok(made) => Some(transcript::outcome(&Uint8Array::new(&made).to_vec(), input, limits)),
        Err(error) => Some(Outcome::host_failure(text_of(&error))),
    }
}
