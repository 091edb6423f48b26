//! The presets and the signature engine of `weir-core` for JavaScript.
//!
//! Calls and answers are those of the API's `/preset/{name}/verify` and `…/sign`, as JSON; `npm/presets/api.js` gives
//! them their shape. Nothing is fetched and nothing is kept.

#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::*;
use weir_core::api::call::Reply;
use weir_core::api::model::preset::{self, Verifying};
use weir_core::error::ApiError;
use weir_core::rng::System;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn now() -> f64;
    type JsText;
    #[wasm_bindgen(method)]
    fn normalize(this: &JsText, form: &str) -> String;
}

fn now_ms() -> i64 {
    #[allow(clippy::cast_possible_truncation)] // far below 2^53
    let ms = now() as i64;
    ms
}

fn nfkd(text: &str) -> String {
    JsValue::from_str(text).unchecked_into::<JsText>().normalize("NFKD")
}

/// The body of an answer; an error's is thrown.
fn body(answer: Result<Reply, ApiError>) -> Result<String, JsValue> {
    let reply: Reply = answer.into();
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    if reply.status < 300 { Ok(text) } else { Err(JsValue::from_str(&text)) }
}

/// Called once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    weir_core::unicode::install(nfkd);
}

/// A page of the presets.
#[wasm_bindgen]
pub fn list(query: &str) -> Result<String, JsValue> {
    body(preset::list(&weir_core::query::Query::parse(query)))
}

/// A preset's data.
#[wasm_bindgen]
pub fn get(name: &str) -> Result<String, JsValue> {
    body(preset::get(name))
}

/// The URL of the public keys that a request is verified with, where the provider publishes them.
#[wasm_bindgen(js_name = keyUrl)]
pub fn key_url(name: &str, call: &str) -> Result<Option<String>, JsValue> {
    let call = Verifying::read(name, call.as_bytes(), now_ms());
    call.map(|call| call.key_url()).map_err(|error| JsValue::from_str(&error.body()))
}

/// Verifies a request. `keys` is what is at [`key_url`].
#[wasm_bindgen]
pub fn verify(name: &str, call: &str, keys: Option<String>) -> Result<String, JsValue> {
    let absent = "the keys were not fetched: pass them as 'keys', or call verifyRequest".to_owned();
    body(Verifying::read(name, call.as_bytes(), now_ms()).map(|call| call.answer(Some(keys.ok_or(absent)))))
}

/// Signs a request.
#[wasm_bindgen]
pub fn sign(name: &str, call: &str) -> Result<String, JsValue> {
    body(preset::sign(name, call.as_bytes(), now_ms(), &mut System))
}
