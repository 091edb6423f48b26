//! Responses that are produced while they are sent: live views and exports.
//!
//! They take long, so each part first checks that the session has not ended.

use crate::api::Caller;
use crate::dashboard::Own;
use crate::js::{self, now};
use js_sys::Promise;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use weir_dashboard::export::Export;
use weir_dashboard::live::{EVERY_MS, Tail};
use weir_dashboard::session::Session;

/// What a streamed response consists of.
pub(crate) enum Content {
    /// Server-sent events; the browser's end is an `EventSource`.
    Tail(Tail),
    /// A file.
    Export(Export),
}

/// A streamed response: its session, and the API as that session sees it.
pub(crate) struct Streamed {
    pub(crate) own: Own,
    pub(crate) caller: Caller,
    pub(crate) session: Session,
    pub(crate) content: Content,
}

impl Streamed {
    /// The next part. `None` after the last one.
    async fn next(&mut self) -> Option<String> {
        // The answer is cached for some seconds. If there is none, the API refuses the calls that follow.
        let over = now() >= self.session.ends_at
            || matches!(self.caller.is_session_over(&self.session.key()).await, Ok(true));
        let sentence = "You are signed out: sign in again.";
        match &mut self.content {
            Content::Tail(tail) if tail.is_over() => None,
            Content::Tail(tail) if over => Some(tail.end(sentence)),
            Content::Tail(tail) => Some(tail.look(&self.own, now()).await),
            Content::Export(export) if over => export.stop(sentence),
            Content::Export(export) => export.next(&self.own).await,
        }
    }
}

/// A streamed response; nothing once it is over.
#[wasm_bindgen]
pub struct Live {
    streamed: Rc<RefCell<Option<Streamed>>>,
}

impl Live {
    pub(crate) fn new(streamed: Streamed) -> Self {
        Self { streamed: Rc::new(RefCell::new(Some(streamed))) }
    }

    pub(crate) fn answer(self) -> web_sys::Response {
        let exported = self.streamed.borrow().as_ref().and_then(|streamed| match &streamed.content {
            Content::Export(export) => Some(export.headers()),
            Content::Tail(_) => None,
        });
        if let Some(headers) = exported {
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            return js::answer_live(&headers, &self.into(), 0);
        }
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
    /// A promise of the next part's text; of nothing after the last.
    pub fn next(&self) -> Promise {
        let streamed = Rc::clone(&self.streamed);
        future_to_promise(async move {
            // A stream asks for one part at a time, so the content is never taken twice.
            let Some(mut this) = streamed.borrow_mut().take() else { return Ok(JsValue::UNDEFINED) };
            let Some(text) = this.next().await else { return Ok(JsValue::UNDEFINED) };
            *streamed.borrow_mut() = Some(this);
            Ok(text.into())
        })
    }
}
