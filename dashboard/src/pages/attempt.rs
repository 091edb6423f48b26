//! The page of an attempt, and a message's payload as it was sent.

use super::{above, framed, get, owner};
use crate::data::{base, link, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::join3;
use serde_json::value::RawValue;

pub(super) async fn attempt<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    (message, id): (&str, &str),
) -> Result<Page, Page> {
    let asked = get(api, base(key, &["msg", message, "attempt", id]));
    let path = base(key, &["msg", message]);
    // The message may have expired before the attempt.
    let content = api.call("GET", &path, None);
    if request.partial {
        // The fragment that a list of attempts loads.
        let (attempt, content) = futures_util::future::join(asked, content).await;
        let payload = content.payload.as_deref().map(RawValue::get);
        return Ok(Page::html(200, view::attempt(key, &attempt?, payload)));
    }
    let (app, attempt, content) = join3(owner(api, session, key), asked, content).await;
    let (app, attempt) = (app?, attempt?);
    let payload = content.payload.as_deref().map(RawValue::get);
    let mut above = above(session, &app, false);
    let of = |rest: &[&str]| link(&[&["app", text(&app, "id")], rest].concat());
    above.push(("Messages", of(&["messages"])));
    above.push(("Message", of(&["message", message])));
    Ok(framed(session, "Attempt", above, view::attempt_page(text(&app, "id"), &attempt, payload)))
}

/// The whole payload, byte for byte.
pub(super) async fn payload<A: Api>(api: &A, key: &str, message: &str) -> Result<Page, Page> {
    let answer = api.call("GET", &base(key, &["msg", message]), None).await;
    let payload = answer.payload.as_deref().map(RawValue::get).unwrap_or_default().to_owned();
    crate::done(answer)?;
    Ok(Page::text(&payload))
}
