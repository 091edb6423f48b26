//! Hooks for tests, in a Worker that is built with the feature `test-hooks`. A release has none of them.

use crate::js::{self, Repeat};
use wasm_bindgen::JsValue;
use weir_core::api::call::Reply;
use weir_core::error::ApiError;
use weir_core::wire::Operation;
use weir_core::wire::name::AppName;

/// Below this path, a Worker under test panics on request: `worker` here, `app` in an App object.
const PATH: &str = "/__test/panic/";

/// The operation by which an App object panics.
pub(crate) const PANIC: &str = "panic";

enum Panic {}

impl Operation for Panic {
    type Object = AppName;
    type Request = ();
    type Response = ();
    const NAME: &'static str = PANIC;
}

/// Answers a hook's request; `None` if it is not for a hook.
pub(crate) async fn answer(env: &JsValue, path: &str) -> Option<Result<Reply, ApiError>> {
    let place = path.strip_prefix(PATH)?;
    if place == "worker" {
        panic();
    }
    let called = js::ask::<Panic>(env, &AppName::new("org_test", "app_test"), &(), Repeat::Never).await;
    Some(called.map(|()| Reply::empty(204)).map_err(ApiError::from))
}

/// Stops the instance.
pub(crate) fn panic() -> ! {
    #[allow(clippy::panic)] // its purpose
    {
        panic!("a panic that a test asked for");
    }
}
