//! Bindings to the platform that the `worker` crate does not have, or that are too costly through it for what
//! happens with every message.

use js_sys::{Array, JsString, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use weir_core::rng::Entropy;

#[wasm_bindgen(module = "/src/glue.js")]
extern "C" {
    #[wasm_bindgen(js_name = callObject)]
    fn call_object(namespace: &JsValue, kind: &str, name: &str, op: &str, frame: &[u8]) -> Promise;
    #[wasm_bindgen(js_name = post)]
    fn post_js(
        deadlines: &Deadlines,
        url: &str,
        headers: &str,
        body: &[u8],
        timeout: f64,
        cap: f64,
    ) -> Promise;
    #[wasm_bindgen(js_name = answer)]
    fn answer_js(status: u16, body: &str) -> web_sys::Response;
    fn later(ms: f64, work: &JsValue);
    #[wasm_bindgen(js_name = partsOf)]
    fn parts_of_js(request: &web_sys::Request) -> String;

    /// The timers of one object's requests; see `glue.js`.
    pub(crate) type Deadlines;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Deadlines;
}

#[wasm_bindgen]
extern "C" {
    /// A Durable Object's `ctx`.
    pub(crate) type Context;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn storage(this: &Context) -> Storage;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn id(this: &Context) -> ObjectId;

    pub(crate) type ObjectId;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn name(this: &ObjectId) -> Option<String>;

    /// A Durable Object's storage.
    #[derive(Clone)]
    pub(crate) type Storage;
    #[wasm_bindgen(method, getter)]
    pub(crate) fn sql(this: &Storage) -> SqlStorage;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub(crate) fn transaction_sync(
        this: &Storage,
        work: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, js_name = getAlarm)]
    pub(crate) fn get_alarm(this: &Storage) -> Promise;
    #[wasm_bindgen(method)]
    pub(crate) fn sync(this: &Storage) -> Promise;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(this: &Storage, at: f64) -> Result<Promise, JsValue>;

    #[derive(Clone)]
    pub(crate) type SqlStorage;
    #[wasm_bindgen(method, catch, variadic)]
    pub(crate) fn exec(this: &SqlStorage, sql: &JsString, params: &Array) -> Result<Cursor, JsValue>;

    pub(crate) type Cursor;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn raw(this: &Cursor) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    pub(crate) fn rows_written(this: &Cursor) -> f64;

    #[wasm_bindgen(js_namespace = Array, js_name = from, catch)]
    pub(crate) fn array_from(iterable: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);
}

/// The platform's time, in milliseconds.
pub(crate) fn now() -> i64 {
    #[allow(clippy::cast_possible_truncation)] // far below 2^53
    let ms = js_sys::Date::now() as i64;
    ms
}

/// The platform's random numbers.
pub(crate) struct Random;

impl Entropy for Random {
    fn fill(&mut self, buf: &mut [u8]) {
        get_random_values(buf);
    }
}

/// Calls the object `name` of the class that is bound as `binding`; the error is a text for the log.
pub(crate) async fn call(
    env: &JsValue,
    binding: &str,
    name: &str,
    op: &str,
    frame: &[u8],
) -> Result<Vec<u8>, String> {
    let namespace = Reflect::get(env, &JsValue::from_str(binding)).map_err(|e| text_of(&e))?;
    let called = call_object(&namespace, binding, name, op, frame);
    let answer = JsFuture::from(called).await.map_err(|e| text_of(&e))?;
    Ok(Uint8Array::new(&answer).to_vec())
}

/// What came of a request to a receiver.
pub(crate) enum Posted {
    Answer { code: u16, retry_after: Option<String>, body: Vec<u8> },
    Timeout,
    Network(String),
}

/// Sends one webhook; see `post` in `glue.js`.
pub(crate) async fn post(
    deadlines: &Deadlines,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
    timeout_ms: i64,
    cap: usize,
) -> Posted {
    // One text crosses to JavaScript more cheaply than many. No value has a line break: the core refuses it.
    let mut fields = String::new();
    for (name, value) in headers {
        if !fields.is_empty() {
            fields.push('\n');
        }
        fields.push_str(name);
        fields.push(':');
        fields.push_str(value);
    }
    #[allow(clippy::cast_precision_loss)] // both far below 2^53
    let sent = post_js(deadlines, url, &fields, body, timeout_ms as f64, cap as f64);
    match JsFuture::from(sent).await {
        Ok(answer) => {
            let answer = Array::from(&answer);
            let second = answer.get(1).as_string();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an HTTP status
            let code = answer.get(0).as_f64().unwrap_or(0.0) as u16;
            if code == 0 {
                return match second.as_deref() {
                    Some("timeout") => Posted::Timeout,
                    _ => Posted::Network(answer.get(2).as_string().unwrap_or_default()),
                };
            }
            let body = Uint8Array::new(&answer.get(2)).to_vec();
            Posted::Answer { code, retry_after: second, body }
        }
        Err(error) => Posted::Network(text_of(&error)),
    }
}

/// What the API needs to know of a request, before its body.
pub(crate) struct Parts {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) content_length: String,
    pub(crate) authorization: String,
    pub(crate) idempotency_key: String,
}

/// Reads a request's parts in one crossing.
pub(crate) fn parts_of(request: &web_sys::Request) -> Parts {
    let text = parts_of_js(request);
    // None of them can hold a line break.
    let mut lines = text.splitn(5, '\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    Parts {
        method: line(),
        url: line(),
        content_length: line(),
        authorization: line(),
        idempotency_key: line(),
    }
}

/// An answer of the API with a JSON body (none for 204).
pub(crate) fn answer(status: u16, body: &str) -> web_sys::Response {
    answer_js(status, body)
}

/// Runs `work` after `ms` milliseconds, if this object is still in memory then.
pub(crate) fn after(ms: i64, work: impl FnOnce() + 'static) {
    let work = Closure::once_into_js(work);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    later(ms.max(0) as f64, &work);
}

/// A JavaScript error as text.
pub(crate) fn text_of(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|e| String::from(e.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}
