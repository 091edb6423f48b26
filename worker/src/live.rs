//! A live tail as a response that goes on: the browser's end of it is an `EventSource`.
//!
//! It lasts for minutes, so it asks again and again whether its session does.

use crate::api::Caller;
use crate::dashboard::Own;
use crate::js::{self, now};
use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use weir_dashboard::live::{EVERY_MS, Tail};
use weir_dashboard::session::Session;

/// A tail, for whom it is, and the API as they see it.
pub(crate) struct Followed {
    pub(crate) own: Own,
    pub(crate) caller: Caller,
    pub(crate) session: Session,
    pub(crate) tail: Tail,
}

impl Followed {
    async fn look(&mut self) -> String {
        // The answer is remembered for some seconds. Where there is none, the lists will say so.
        let over = now() >= self.session.ends_at
            || matches!(self.caller.is_session_over(&self.session.key()).await, Ok(true));
        if over {
            return self.tail.end("You are signed out: sign in again.");
        }
        self.tail.look(&self.own, now()).await
    }
}

/// A tail; nothing once it is over.
#[wasm_bindgen]
pub struct Live {
    followed: Rc<RefCell<Option<Followed>>>,
}

impl Live {
    pub(crate) fn new(followed: Followed) -> Self {
        Self { followed: Rc::new(RefCell::new(Some(followed))) }
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
        let followed = Rc::clone(&self.followed);
        future_to_promise(async move {
            // Nobody else has it while it looks: a stream asks for one piece at a time.
            let Some(mut this) = followed.borrow_mut().take() else { return Ok(JsValue::UNDEFINED) };
            let text = this.look().await;
            if !this.tail.is_over() {
                *followed.borrow_mut() = Some(this);
            }
            Ok(text.into())
        })
    }
}
