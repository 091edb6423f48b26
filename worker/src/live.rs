//! A live tail as a response that goes on: the browser's end of it is an `EventSource`.

use crate::dashboard::Own;
use crate::js::{self, now};
use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use weir_dashboard::live::{EVERY_MS, Tail};

/// A tail, and the API as its session's token sees it; nothing once it is over.
#[wasm_bindgen]
pub struct Live {
    tail: Rc<RefCell<Option<(Own, Tail)>>>,
}

impl Live {
    pub(crate) fn new(own: Own, tail: Tail) -> Self {
        Self { tail: Rc::new(RefCell::new(Some((own, tail)))) }
    }

    pub(crate) fn answer(self) -> web_sys::Response {
        let headers = [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ];
        js::answer_live(&headers, &self.into(), EVERY_MS)
    }
}

#[wasm_bindgen]
impl Live {
    /// A promise of the next events' text; of nothing after the last.
    pub fn next(&self) -> Promise {
        let tail = Rc::clone(&self.tail);
        future_to_promise(async move {
            // Nobody else has it while it looks: a stream asks for one piece at a time.
            let Some((own, mut this)) = tail.borrow_mut().take() else { return Ok(JsValue::UNDEFINED) };
            let text = this.look(&own, now()).await;
            if !this.is_over() {
                *tail.borrow_mut() = Some((own, this));
            }
            Ok(text.into())
        })
    }
}
