//! Hooks for tests, in a Worker that is built with the feature `test-hooks`. A release has none of them.

use crate::js::{self, Repeat};
use wasm_bindgen::JsValue;
use weir_core::api::call::Reply;
use weir_core::error::ApiError;

/// Below this path, a Worker under test panics on request: `worker` here, `app` in an App object.
const PANIC: &str = "/__test/panic/";

/// Answers a hook's request; `None` if it is not for a hook.
pub(crate) async fn answer(env: &JsValue, path: &str) -> Option<Result<Reply, ApiError>> {
    let place = path.strip_prefix(PANIC)?;
    if place == "worker" {
        panic();
    }
    let called = js::ask(env, "APP", "org_test/app_test", "panic", &[], Repeat::Never).await;
    Some(called.map(|_| Reply::empty(204)).map_err(ApiError::from))
}

/// Stops the instance.
pub(crate) fn panic() -> ! {
    #[allow(clippy::panic)] // its purpose
    {
        panic!("a panic that a test asked for");
    }
}
