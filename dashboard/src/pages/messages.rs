//! The pages of messages: the list with its filters, and one of them.

use super::{above, all, first_page, framed, get, owner, payload_of};
use crate::data::{base, int, is_before_first, items, link, query, rows, text};
use crate::list::{self, List};
use crate::scope::t;
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::{join_all, join4};
use serde_json::Value;

pub(super) async fn messages<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    if let Some(wanted) = request.param("q") {
        return Ok(Page::go(&found(api, request, key, &wanted).await));
    }
    let endpoints = get(api, format!("{}?limit=250", base(key, &["endpoint"])));
    let mut answer = all(vec![owner(api, session, key), endpoints]).await?;
    let (app, endpoints) = (answer(), answer());
    let iterator = request.param("iterator");
    let list = List::messages(request, key, &endpoints);
    let page = if list.searches_repeatedly() {
        Err(Page::refused(422, &t("Select an endpoint to search the payloads of one status.").text()))
    } else {
        list.page(api, iterator.as_deref(), list::LIMIT).await
    };
    if page.as_ref().is_ok_and(is_before_first) {
        return Ok(Page::go(&first_page(request)));
    }
    // An invalid filter is reported on the page, where it can be corrected.
    let (page, status, fault) = match page {
        Ok(page) => (page, 200, None),
        Err(Page { status: 422, sentence: Some(sentence), .. }) => (Value::Null, 422, Some(sentence)),
        Err(page) => return Err(page),
    };
    let content = view::messages(&view::MessagesView {
        session,
        app: text(&app, "id"),
        page: &page,
        filters: &list::MESSAGE_FILTERS.map(|name| (name, request.param(name))),
        live: list::live(request).filter(|_| fault.is_none()),
        endpoints: &endpoints,
        fault: fault.as_deref(),
    });
    let page = framed(session, "Messages", above(session, &app, false), content);
    Ok(Page { status, ..page })
}

/// Where a search leads: to the message with this id or event id, or to the messages whose payload contains the text.
async fn found<A: Api>(api: &A, request: &Request, key: &str, wanted: &str) -> String {
    let path = format!("{}?with_content=false", base(key, &["msg", wanted]));
    let known = get(api, path).await;
    if let Ok(message) = &known {
        return link(&["app", key, "message", text(message, "id")]);
    }
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(request.query.as_bytes())
        .into_owned()
        .filter(|(name, value)| !value.is_empty() && list::MESSAGE_FILTERS.contains(&name.as_str()))
        .filter(|(name, _)| name != list::TEXT)
        .collect();
    pairs.insert(0, (list::TEXT.to_owned(), wanted.to_owned()));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
    format!("{}?{}", link(&["app", key, "messages"]), query(&pairs))
}

pub(super) async fn message<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    id: &str,
) -> Result<Page, Page> {
    let path = format!("{}?with_content=false", base(key, &["msg", id]));
    let of = |below: &[&str]| get(api, base(key, below));
    let endpoints = get(api, format!("{}?limit=100", base(key, &["endpoint"])));
    let (app, message, endpoints, payload) =
        join4(owner(api, session, key), get(api, path), endpoints, payload_of(api, key, id)).await;
    let (app, message, endpoints) = (app?, message?, endpoints?);
    let id = text(&message, "id");
    let mut answer = all(vec![of(&["msg", id, "endpoint"]), of(&["attempt", "msg", id])]).await?;
    let (destinations, attempts) = (answer(), answer());
    let now = held(api, key, &destinations).await;
    let content = view::message(&view::MessageView {
        app: text(&app, "id"),
        message: &message,
        payload: payload.as_deref(),
        destinations: &destinations,
        held: &now,
        attempts: &attempts,
        endpoints: &endpoints,
        now: request.at_ms,
    });
    let mut above = above(session, &app, false);
    above.push(("Messages", link(&["app", text(&app, "id"), "messages"])));
    Ok(framed(session, text(&message, "eventType"), above, content))
}

/// How many endpoints are asked why they hold a delivery.
const HELD: usize = 5;

/// The current state of the endpoints that hold a delivery of a message back: their circuit breakers and backlogs.
async fn held<A: Api>(api: &A, key: &str, destinations: &Value) -> Vec<Value> {
    // 1 is pending, 3 is sending.
    let waits = rows(destinations).iter().filter(|one| matches!(int(one, "status"), 1 | 3));
    let asks = waits.take(HELD).map(|one| {
        let query = query(&[("hours", Some("1")), ("endpoint", Some(text(one, "id")))]);
        get(api, format!("{}?{query}", base(key, &["overview"])))
    });
    let response = join_all(asks).await.into_iter().filter_map(Result::ok);
    response.filter_map(|overview| items(&overview, "endpoints").first().cloned()).collect()
}
