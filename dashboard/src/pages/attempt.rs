//! The page of an attempt, and a message's payload as it was sent.

use super::{above, framed, get, owner, payload_of};
use crate::data::{base, link, text};
use crate::session::Session;
use crate::view;
use crate::{Answer, Api, Page, Request};
use futures_util::future::join3;

/// A payload as text. Binary payloads are shown on the message's page only.
fn text_of(payload: Option<&[u8]>) -> Option<&str> {
    payload.and_then(|bytes| std::str::from_utf8(bytes).ok())
}

pub(super) async fn attempt<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    (message, id): (&str, &str),
) -> Result<Page, Page> {
    let asked = get(api, base(key, &["msg", message, "attempt", id]));
    // The message may have expired before the attempt.
    let payload = payload_of(api, key, message);
    if request.partial {
        // The fragment that a list of attempts loads.
        let (attempt, payload) = futures_util::future::join(asked, payload).await;
        return Ok(Page::html(200, view::attempt(key, &attempt?, text_of(payload.as_deref()))));
    }
    let (app, attempt, payload) = join3(owner(api, session, key), asked, payload).await;
    let (app, attempt) = (app?, attempt?);
    let mut above = above(session, &app, false);
    let of = |rest: &[&str]| link(&[&["app", text(&app, "id")], rest].concat());
    above.push(("Messages", of(&["messages"])));
    above.push(("Message", of(&["message", message])));
    Ok(framed(
        session,
        "Attempt",
        above,
        view::attempt_page(text(&app, "id"), &attempt, text_of(payload.as_deref())),
    ))
}

/// The whole payload, byte for byte.
pub(super) async fn payload<A: Api>(api: &A, key: &str, message: &str) -> Result<Page, Page> {
    let (status, bytes) = api.fetch("GET", &base(key, &["msg", message, "raw"]), Vec::new()).await;
    if status != 200 {
        crate::done(Answer::read(status, &bytes))?;
    }
    Ok(Page::exact(bytes))
}
