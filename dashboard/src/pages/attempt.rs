//! The page of a message, of one of its attempts, and its payload as it was sent.

use super::{above, all, framed, get, owner};
use crate::data::{base, link, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use serde_json::Value;

pub(super) async fn attempt<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    (message, id): (&str, &str),
) -> Result<Page, Page> {
    let asked = get(api, base(key, &["msg", message, "attempt", id]));
    if request.partial {
        // The piece that a list of attempts opens.
        return Ok(Page::html(200, view::attempt(key, &asked.await?)));
    }
    let mut next = all(vec![owner(api, session, key), asked]).await?;
    let (app, attempt) = (next(), next());
    let mut above = above(session, &app, false);
    let of = |rest: &[&str]| link(&[&["app", text(&app, "id")], rest].concat());
    above.push(("Messages", of(&["messages"])));
    above.push(("Message", of(&["message", message])));
    Ok(framed(session, "Attempt", above, view::attempt(text(&app, "id"), &attempt)))
}

/// The whole payload, for those that are too long for the page.
pub(super) async fn payload<A: Api>(api: &A, key: &str, message: &str) -> Result<Page, Page> {
    let message = get(api, base(key, &["msg", message])).await?;
    Ok(Page::text(&message.get("payload").map(Value::to_string).unwrap_or_default()))
}
