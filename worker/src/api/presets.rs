//! Presets: what the Worker answers from its own data.

use crate::js::{Random, now};
use weir_core::api::call::Reply;
use weir_core::api::model::preset;
use weir_core::api::route::{Op, Route};
use weir_core::error::ApiError;

pub(super) fn answer(route: &Route, query: &str, body: &[u8]) -> Result<Reply, ApiError> {
    let name = route.params.first().map_or("", String::as_str);
    match route.op {
        Op::PresetList => preset::list(query),
        Op::PresetGet => preset::get(name),
        Op::PresetVerify => preset::verify(name, body, now()),
        _ => preset::sign(name, body, now(), &mut Random),
    }
}
