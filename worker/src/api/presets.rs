//! Presets: what the Worker answers from its own data, and of what a provider publishes.

use crate::ingest;
use crate::js::now;
use wasm_bindgen::JsValue;
use weir_core::api::call::Reply;
use weir_core::api::model::preset;
use weir_core::api::route::{Op, Route};
use weir_core::error::ApiError;
use weir_core::rng::System;

pub(super) async fn answer(
    env: &JsValue,
    route: &Route,
    query: &str,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let name = route.params.first().map_or("", String::as_str);
    match route.op {
        Op::PresetList => preset::list(query),
        Op::PresetGet => preset::get(name),
        Op::PresetVerify => {
            let asked = preset::Verifying::read(name, body, now())?;
            let keys = match asked.key_url() {
                Some(url) => Some(ingest::published(env, &url).await),
                None => None,
            };
            Ok(asked.answer(keys))
        }
        _ => preset::sign(name, body, now(), &mut System),
    }
}
