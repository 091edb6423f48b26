//! Resending selected messages: first the number of deliveries, then each of them.
//!
//! A selection is `message/endpoint`; without an endpoint it means every endpoint of the message. To resend more than a page
//! of messages, resend a time range of an endpoint.

use super::{Done, fault, nothing, wrong};
use crate::data::{base, flag, link, rows, text};
use crate::scope::phrase;
use crate::session::Session;
use crate::view::{self, hidden};
use crate::{Answer, Api, Page, Request};
use futures_util::future::{LocalBoxFuture, join_all};
use maud::html;
use serde_json::json;

/// The most deliveries that are resent at once.
const MOST: usize = 100;

/// The selection: message and endpoint of each row.
fn ticked(request: &Request) -> Result<Vec<(&str, &str)>, Page> {
    let all: Vec<_> =
        request.fields("one").into_iter().map(|one| one.split_once('/').unwrap_or((one, ""))).collect();
    if all.is_empty() { Err(wrong(422, "Select messages to resend.")) } else { bounded(all) }
}

fn bounded<T>(all: Vec<T>) -> Result<Vec<T>, Page> {
    if all.len() <= MOST {
        return Ok(all);
    }
    let sentence = format!(
        "You selected {} deliveries. At most {MOST} can be resent at once. Select fewer, or resend messages on an \
         endpoint's page.",
        all.len()
    );
    Err(wrong(422, &sentence))
}

fn sent<'a, A: Api>(api: &'a A, method: &'static str, path: String) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async move { api.send(method, &path, Vec::new()).await })
}

/// Counts the deliveries that would be resent, to endpoints that are not disabled.
pub(super) async fn count<A: Api>(api: &A, session: &Session, request: &Request, app: &str) -> Done {
    let ticked = ticked(request)?;
    let open = ticked.iter().filter(|(_, endpoint)| endpoint.is_empty());
    let asks = open.map(|(message, _)| {
        sent(api, "GET", format!("{}?limit=250", base(app, &["msg", message, "endpoint"])))
    });
    let mut responses = join_all(asks).await.into_iter();
    let mut all = Vec::new();
    for (message, endpoint) in ticked {
        let mut one = |endpoint: &str| all.push(hidden("one", format!("{message}/{endpoint}")));
        if !endpoint.is_empty() {
            one(endpoint);
            continue;
        }
        let to = responses.next().ok_or_else(nothing)?;
        if !to.is_ok() {
            return Err(fault(&to));
        }
        rows(&to.body).iter().filter(|to| !flag(to, "disabled")).for_each(|to| one(text(to, "id")));
    }
    let all = bounded(all)?;
    let count = json!({ "messages": all.len(), "complete": true });
    let to = link(&["app", app, "messages", "replay"]);
    Ok(Page::piece(view::counted(session, to, &count, ["delivery", "deliveries"], all)))
}

/// Resends the deliveries and reports how many.
pub(super) async fn replay<A: Api>(api: &A, request: &Request, app: &str) -> Done {
    let all = ticked(request)?;
    let sends = all.iter().map(|(message, endpoint)| {
        sent(api, "POST", base(app, &["msg", message, "endpoint", endpoint, "resend"]))
    });
    let answers = join_all(sends).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.is_ok());
    if let Some(first) = refused.first()
        && done.is_empty()
    {
        return Err(fault(first));
    }
    Ok(Page::piece(html! {
        div.task.note.ok.i-check role="status" data-toast[refused.is_empty()] { div.grow {
            p { b { (done.len()) } " " (phrase("of {} are resent.", answers.len())) }
            @if let Some(first) = refused.first() { p.fault { (phrase("{} are not:", refused.len())) " " (first.sentence()) } }
        } }
    }))
}
