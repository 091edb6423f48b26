//! Bindings to the platform that the `worker` crate does not have, or that are too costly through it for what
//! happens with every message.

use crate::settings;
use js_sys::{Array, JsString, Promise, Reflect, Uint8Array};
use std::cell::{OnceCell, RefCell};
use std::fmt;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use weir_core::encoding;
use weir_core::endpoint::{AttemptOutcome, Failure};
use weir_core::error::{ApiError, Trouble};
use weir_core::header::Fields;
use weir_core::platform;
use weir_core::settings::Location;
use weir_core::wire::name::ObjectName;
use weir_core::wire::{self, Operation};

#[wasm_bindgen(module = "/runtime/call.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = callObject)]
    fn call_object(
        namespace: &JsValue,
        kind: &str,
        name: &str,
        op: &str,
        frame: &[u8],
        depth: u32,
        again: u32,
    ) -> Promise;
    #[wasm_bindgen(js_name = locate)]
    fn locate_js(jurisdiction: Option<String>, hint: Option<String>);
}

#[wasm_bindgen(module = "/runtime/answer.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = answer)]
    fn answer_js(status: u16, body: &str) -> web_sys::Response;
    #[wasm_bindgen(js_name = answerBytes)]
    fn answer_bytes_js(content_type: &str, body: &[u8]) -> web_sys::Response;
    #[wasm_bindgen(js_name = answerWith)]
    fn answer_with_js(status: u16, headers: &str, body: &str) -> web_sys::Response;
    #[wasm_bindgen(js_name = answerLive)]
    fn answer_live_js(headers: &str, live: &JsValue, every: f64) -> web_sys::Response;
}

#[wasm_bindgen(module = "/runtime/fetch.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = fetchBody)]
    fn fetch_body_js(url: &str, timeout: f64, cap: f64) -> Promise;
}

#[wasm_bindgen(module = "/runtime/timer.mjs")]
extern "C" {
    fn later(ms: f64, work: &JsValue) -> JsValue;
    fn stop(timer: &JsValue);
}

#[wasm_bindgen(module = "/runtime/send.mjs")]
extern "C" {
    /// The requests of one object.
    pub(crate) type Sender;
    #[wasm_bindgen(constructor)]
    fn new(done: &Done) -> Sender;
    #[wasm_bindgen(method)]
    fn post(this: &Sender, token: u32, url: &str, headers: &str, body: &[u8], timeout: f64, cap: f64);
}

/// What the modules above import. wasm-bindgen copies a module only if Rust names something in it.
#[allow(dead_code)]
mod imported {
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen(module = "/runtime/cache.mjs")]
    extern "C" {
        type Cache;
        #[wasm_bindgen(constructor)]
        fn new(most: u32) -> Cache;
    }
    #[wasm_bindgen(module = "/runtime/deadline.mjs")]
    extern "C" {
        type Deadline;
        #[wasm_bindgen(constructor)]
        fn new(timeout: f64, now: f64, slack: f64) -> Deadline;
    }
    #[wasm_bindgen(module = "/runtime/gather.mjs")]
    extern "C" {
        type Gather;
        #[wasm_bindgen(constructor)]
        fn new() -> Gather;
    }
    #[wasm_bindgen(module = "/runtime/lines.mjs")]
    extern "C" {
        #[wasm_bindgen(js_name = fieldsOf)]
        fn fields_of(text: &str) -> JsValue;
    }
    #[wasm_bindgen(module = "/runtime/read.mjs")]
    extern "C" {
        #[wasm_bindgen(js_name = readUpTo)]
        fn read_up_to(response: &JsValue, cap: f64) -> JsValue;
    }
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
    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    pub(crate) fn delete_all(this: &Storage) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method)]
    pub(crate) fn sync(this: &Storage) -> Promise;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(this: &Storage, at: f64) -> Result<Promise, JsValue>;

    #[derive(Clone)]
    pub(crate) type SqlStorage;
    #[wasm_bindgen(method, catch, variadic)]
    pub(crate) fn exec(this: &SqlStorage, sql: &JsString, params: &Array) -> Result<Cursor, JsValue>;
    #[wasm_bindgen(method, getter, js_name = databaseSize)]
    pub(crate) fn database_size(this: &SqlStorage) -> f64;

    pub(crate) type Cursor;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn raw(this: &Cursor) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Array, js_name = from, catch)]
    pub(crate) fn array_from(iterable: &JsValue) -> Result<Array, JsValue>;
}

/// The platform's time, in milliseconds.
pub(crate) fn now() -> i64 {
    #[allow(clippy::cast_possible_truncation)] // far below 2^53
    let ms = js_sys::Date::now() as i64;
    ms
}

/// The depth of the Worker's calls of objects: see [`weir_core::budget`].
const WORKER_DEPTH: u32 = 1;

/// Whether a call may be made again where the platform says that its object was restarted or moved meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It may have been done, and must not be done twice.
    Never,
    /// Twice comes to the same as once.
    Safe,
}

impl From<bool> for Repeat {
    fn from(safe: bool) -> Self {
        if safe { Self::Safe } else { Self::Never }
    }
}

/// How often a call is made again that may be.
const AGAIN: u32 = 2;

/// A call of an object that was not answered, or with an error.
#[derive(Debug)]
pub(crate) struct CallError {
    trouble: Trouble,
    text: String,
}

impl CallError {
    /// What the platform says of it.
    pub(crate) fn of(error: &JsValue) -> Self {
        let says =
            |name: &str| Reflect::get(error, &JsValue::from_str(name)).is_ok_and(|value| value.is_truthy());
        let text = text_of(error);
        Self { trouble: if says("overloaded") { Trouble::Overloaded } else { Trouble::of(&text) }, text }
    }
}

impl From<String> for CallError {
    fn from(text: String) -> Self {
        Self { trouble: Trouble::Failed, text }
    }
}

impl From<CallError> for String {
    fn from(error: CallError) -> Self {
        error.text
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        ApiError::Unavailable(error.trouble, error.text)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Calls an object for the Worker: again where that is safe and the platform says that it may help.
pub(crate) async fn ask<O: Operation>(
    env: &JsValue,
    name: &O::Object,
    request: &O::Request,
    repeat: Repeat,
) -> Result<O::Response, CallError> {
    let frame = wire::request::<O>(request);
    let mut spare = repeat == Repeat::Safe;
    loop {
        let called = begin_call::<O>(env, name, &frame, repeat)?;
        match JsFuture::from(called).await {
            Ok(answer) => return Ok(wire::response::<O>(&Uint8Array::new(&answer).to_vec())?),
            // The object had just been given an event from deep down, or that asked for much: this call is another.
            Err(error) if spare && platform::is_used_up(&text_of(&error)) => spare = false,
            Err(error) => return Err(CallError::of(&error)),
        }
    }
}

/// Sets where all objects are that are called from now on.
pub(crate) fn locate(location: &Location) {
    locate_js(location.jurisdiction.map(str::to_owned), location.hint.map(str::to_owned));
}

/// Starts a call of an object from the Worker without waiting: a promise of the response's frame. `frame` is the request's.
pub(crate) fn begin_call<O: Operation>(
    env: &JsValue,
    name: &O::Object,
    frame: &[u8],
    repeat: Repeat,
) -> Result<Promise, String> {
    begin_call_at::<O>(WORKER_DEPTH, env, name, frame, repeat)
}

/// As [`begin_call`], at this depth: for calls from objects.
pub(crate) fn begin_call_at<O: Operation>(
    depth: u32,
    env: &JsValue,
    name: &O::Object,
    frame: &[u8],
    repeat: Repeat,
) -> Result<Promise, String> {
    settings::of(env)?; // sets where the objects are
    let binding = O::Object::BINDING;
    let namespace = Reflect::get(env, &JsValue::from_str(binding)).map_err(|e| text_of(&e))?;
    let again = if repeat == Repeat::Safe { AGAIN } else { 0 };
    Ok(call_object(&namespace, binding, &name.to_string(), O::NAME, frame, depth, again))
}

/// The response to a call that was begun.
pub(crate) async fn response_to<O: Operation>(called: Promise) -> Result<O::Response, String> {
    let answer = JsFuture::from(called).await.map_err(|e| text_of(&e))?;
    wire::response::<O>(&Uint8Array::new(&answer).to_vec())
}

/// The text at a URL that was checked; the error says why there is none.
pub(crate) async fn fetch_text(url: &str, timeout_ms: i64, cap: usize) -> Result<String, String> {
    #[allow(clippy::cast_precision_loss)] // both far below 2^53
    let fetched = fetch_body_js(url, timeout_ms as f64, cap as f64);
    let response =
        JsFuture::from(fetched).await.map_err(|e| match AttemptOutcome::of_error(url, &text_of(&e)) {
            AttemptOutcome::Failed(Failure::Internal(why)) => why,
            _ => text_of(&e),
        })?;
    let response = Array::from(&response);
    let encoding = response.get(0).as_string().unwrap_or_default();
    let body =
        encoding::decoded(&encoding, Uint8Array::new(&response.get(1)).to_vec(), cap.saturating_add(1));
    let body = body.map_err(|why| format!("it answered {why}"))?;
    if body.len() > cap {
        return Err(format!("it answered more than {cap} bytes"));
    }
    String::from_utf8(body).map_err(|_| "it is no text".to_owned())
}

/// What is called when a request has ended: its token, status, text, encoding, headers and bytes; see
/// `worker/runtime/send.mjs`.
type Done = Closure<dyn FnMut(u32, u16, Option<String>, Option<String>, String, JsValue)>;

/// What came of a request to a receiver.
pub(crate) enum Posted {
    /// The body may have ended early, or taken too long: it holds what came.
    Response {
        code: u16,
        retry_after: Option<String>,
        encoding: Option<String>,
        headers: String,
        body: Vec<u8>,
    },
    Timeout,
    /// The platform's words.
    Error(String),
}

/// Sends one object's requests to receivers.
pub(crate) struct Posts {
    sender: Sender,
    _done: Done,
}

impl Posts {
    /// `ended` is called with a request's token and what came of it.
    pub(crate) fn new(ended: impl Fn(u32, Posted) + 'static) -> Self {
        let done: Done = Closure::new(
            move |token,
                  code,
                  text: Option<String>,
                  encoding: Option<String>,
                  headers: String,
                  bytes: JsValue| {
                let posted = match (code, text) {
                    (0, Some(text)) if text == "timeout" => Posted::Timeout,
                    (0, text) => Posted::Error(text.unwrap_or_default()),
                    (code, retry_after) => {
                        let body = Uint8Array::new(&bytes).to_vec();
                        Posted::Response { code, retry_after, encoding, headers, body }
                    }
                };
                ended(token, posted);
            },
        );
        Self { sender: Sender::new(&done), _done: done }
    }

    /// Sends one webhook, and keeps up to `cap` bytes of the answer.
    pub(crate) fn send(
        &self,
        token: u32,
        url: &str,
        headers: &Fields,
        body: &[u8],
        timeout_ms: i64,
        cap: usize,
    ) {
        // One text crosses to JavaScript more cheaply than many.
        let mut fields = headers.lines();
        // A receiver that compresses all the same is understood, but nothing is gained by it.
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding")) {
            fields.push_str(if fields.is_empty() { "" } else { "\n" });
            fields.push_str("accept-encoding:identity");
        }
        #[allow(clippy::cast_precision_loss)] // both far below 2^53
        self.sender.post(token, url, &fields, body, timeout_ms as f64, cap as f64);
    }
}

/// What the API needs to know of a request, before its body.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) authorization: String,
    pub(crate) idempotency_key: String,
    /// Of requests for the dashboard only, as are those that follow.
    pub(crate) cookie: String,
    pub(crate) proof: String,
    /// `true` where a page's script asks.
    pub(crate) partial: String,
    /// Where a browser says that it comes from (`sec-fetch-site`).
    pub(crate) from_site: String,
    /// The languages that the browser prefers.
    pub(crate) languages: String,
    /// The page that a form is on: its scheme and host.
    pub(crate) origin: String,
}

impl Parts {
    /// Reads what `partsOf` in `worker/runtime/request.mjs` wrote: a line each, and none of them can hold a line break.
    pub(crate) fn read(text: &str) -> Self {
        let mut lines = text.split('\n').map(str::to_owned);
        let mut line = || lines.next().unwrap_or_default();
        Self {
            method: line(),
            url: line(),
            authorization: line(),
            idempotency_key: line(),
            cookie: line(),
            proof: line(),
            partial: line(),
            from_site: line(),
            languages: line(),
            origin: line(),
        }
    }
}

/// A URL as V8 spells it: in ASCII, whatever script its host is written in.
pub(crate) fn spelled(url: &str) -> Option<String> {
    web_sys::Url::new(url).ok().map(|url| url.href())
}

/// A text's compatibility decomposition, as V8 knows it.
pub(crate) fn nfkd(text: &str) -> String {
    JsString::from(text).normalize("NFKD").into()
}

/// An answer of the API with a JSON body (none for 204).
pub(crate) fn answer(status: u16, body: &str) -> web_sys::Response {
    answer_js(status, body)
}

/// An answer of the API that is no JSON.
pub(crate) fn answer_bytes(content_type: &str, body: &[u8]) -> web_sys::Response {
    answer_bytes_js(content_type, body)
}

/// An answer with these headers. No line break gets into them.
pub(crate) fn answer_with<N: AsRef<str>, V: AsRef<str>>(
    status: u16,
    headers: &[(N, V)],
    body: &str,
) -> web_sys::Response {
    answer_with_js(status, &Fields::cleaned(headers.iter().map(|(name, value)| (name, value))).lines(), body)
}

/// An answer that goes on: `live` has a method `next`, a promise of the next piece; it is asked every so many milliseconds.
pub(crate) fn answer_live(headers: &[(&str, &str)], live: &JsValue, every_ms: i64) -> web_sys::Response {
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    answer_live_js(&Fields::cleaned(headers.iter().copied()).lines(), live, every_ms as f64)
}

/// A request at a source's URL, without its body.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) url: String,
    /// In the order in which the platform gives them; it has joined those that came several times.
    pub(crate) headers: Vec<(String, String)>,
}

impl Incoming {
    /// Reads what `headersOf` in `worker/runtime/request.mjs` wrote: method, URL and each header on a line, name, colon, value.
    pub(crate) fn read(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (method, url) = (line(), line());
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { method, url, headers: lines.filter_map(header).collect() }
    }
}

/// Waits so many milliseconds.
pub(crate) async fn pause(ms: i64) {
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let waited = Promise::new(&mut |resolve, _| drop(later(ms.max(0) as f64, &resolve)));
    // The promise of a timer is never rejected.
    let _ = JsFuture::from(waited).await;
}

/// The one timer of an object. It is stopped once it has nothing to wait for: an object with a timer stays in memory.
#[derive(Default)]
pub(crate) struct Timer {
    work: OnceCell<Closure<dyn FnMut()>>,
    set: RefCell<Option<JsValue>>,
}

impl Timer {
    /// Says what it runs; said once.
    pub(crate) fn runs(&self, work: impl FnMut() + 'static) {
        let _ = self.work.set(Closure::new(work));
    }

    /// Sets it to go off after `ms` milliseconds, instead of when it would have.
    pub(crate) fn set(&self, ms: i64) {
        self.stop();
        let Some(work) = self.work.get() else { return };
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let timer = later(ms.max(0) as f64, work.as_ref());
        *self.set.borrow_mut() = Some(timer);
    }

    /// It does not go off any more.
    pub(crate) fn stop(&self) {
        if let Some(timer) = self.set.borrow_mut().take() {
            stop(&timer);
        }
    }
}

/// A JavaScript error as text.
pub(crate) fn text_of(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|e| String::from(e.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| format!("{error:?}"))
}
