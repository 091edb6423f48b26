//! What the entry calls for every request.
//!
//! The usual request (a message for a known application) is dealt with in two plain calls, before and after the App
//! object's answer, so that it costs no future of Rust's: the promise in between is the platform's own. Everything
//! else is answered by [`crate::api::answer`].

use crate::js::{self, CallError, Incoming, Parts, Repeat};
use crate::object::failed;
use crate::{api, ingest};
use js_sys::Array;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use weir_core::api::model::message::MessageAnswer;
use weir_core::frame::{self, Accepted};
use weir_core::wire::app::Accept;

/// The Worker's front. One serves all requests of an instance.
#[wasm_bindgen]
pub struct Front {
    env: JsValue,
    waiting: RefCell<HashMap<u32, Waiting>>,
    tickets: Cell<u32>,
}

/// A message whose App object was called.
struct Waiting {
    parts: Parts,
    body: Vec<u8>,
    answer: MessageAnswer,
}

/// A number of bytes, as JavaScript has numbers.
#[allow(clippy::cast_precision_loss)] // far below 2^53
fn bytes(count: usize) -> f64 {
    count as f64
}

#[wasm_bindgen]
impl Front {
    /// Made once, with the deployment's bindings.
    #[wasm_bindgen(constructor)]
    pub fn new(env: JsValue) -> Front {
        Front { env, waiting: RefCell::new(HashMap::new()), tickets: Cell::new(0) }
    }

    /// How many bytes of a request's body are read, at most; 0 where it is refused whatever is in it: without a token or
    /// session that is known, nobody's body is read.
    pub fn admit(&self, parts: &str) -> f64 {
        bytes(api::admitted(&Parts::read(parts), &self.env))
    }

    /// The same at a source's URL: a number, or a promise of one.
    #[wasm_bindgen(js_name = admitIngest)]
    pub fn admit_ingest(&self, incoming: &str) -> JsValue {
        let incoming = Incoming::read(incoming);
        if let Some(limit) = ingest::admitted(&incoming) {
            return bytes(limit).into();
        }
        let env = self.env.clone();
        future_to_promise(async move { Ok(bytes(ingest::admit(&incoming, &env).await?).into()) }).into()
    }

    /// Begins a request. `parts` is what `partsOf` in `request.mjs` says of it; without `body`, it was too large to read.
    /// Gives a promise of the response, or an array: the promise of an object's answer, and the ticket to
    /// [`Front::finish`] with.
    pub fn begin(&self, parts: &str, body: Option<Vec<u8>>) -> JsValue {
        let parts = Parts::read(parts);
        if let Some(body) = &body
            && let Some(hot) = api::hot(&parts, body, &self.env)
            && let Ok(called) = js::begin_call::<Accept>(&self.env, &hot.object, &hot.frame, Repeat::Safe)
        {
            let ticket = self.tickets.replace(self.tickets.get().wrapping_add(1));
            let waiting = Waiting { parts, body: body.clone(), answer: hot.answer };
            self.waiting.borrow_mut().insert(ticket, waiting);
            return Array::of2(&called, &JsValue::from_f64(f64::from(ticket))).into();
        }
        self.answer(parts, body)
    }

    /// Answers a request at a source's URL. `incoming` is what `headersOf` in `request.mjs` says of it; without `body`, it was
    /// too large to read.
    pub fn ingest(&self, incoming: &str, body: Option<Vec<u8>>) -> JsValue {
        let (incoming, env) = (Incoming::read(incoming), self.env.clone());
        future_to_promise(async move { Ok(ingest::answer(incoming, body, env).await.into()) }).into()
    }

    /// Ends a request with the object's answer: gives the response, or a promise of it.
    pub fn finish(&self, ticket: u32, answer: &[u8]) -> Result<JsValue, JsValue> {
        let waiting = self.waiting.borrow_mut().remove(&ticket);
        let waiting = waiting.ok_or_else(|| failed("the request began in an instance that has stopped"))?;
        match frame::decode(answer) {
            Ok(Accepted::Stored { id, at, .. }) => Ok(js::answer(202, &waiting.answer.fill(&id, at)).into()),
            Ok(Accepted::Overloaded) => Ok(api::overloaded().into()),
            // Nothing was stored: said again from the start, it gets its sentence, or works.
            _ => Ok(self.answer(waiting.parts, Some(waiting.body))),
        }
    }

    /// Ends a request whose object did not answer: gives the response.
    pub fn failed(&self, ticket: u32, error: &JsValue) -> web_sys::Response {
        self.waiting.borrow_mut().remove(&ticket);
        api::failed(CallError::of(error))
    }

    fn answer(&self, parts: Parts, body: Option<Vec<u8>>) -> JsValue {
        let env = self.env.clone();
        future_to_promise(async move { Ok(api::answer(parts, body, env).await.into()) }).into()
    }
}
