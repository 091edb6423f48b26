//! Presets: what takes keys that a provider publishes.

use crate::ingest;
use crate::js::now;
use wasm_bindgen::JsValue;
use weir_core::api::call::Reply;
use weir_core::api::model::preset;
use weir_core::error::ApiError;

pub(super) async fn verify(env: &JsValue, name: &str, body: &[u8]) -> Result<Reply, ApiError> {
    let asked = preset::Verifying::read(name, body, now())?;
    let keys = match asked.key_url() {
        Some(url) => Some(ingest::published(env, &url).await),
        None => None,
    };
    Ok(asked.answer(keys))
}
