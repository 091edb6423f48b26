//! The pages of messages: the list with its filters, and one of them.

use super::{above, all, framed, get, listed, owner};
use crate::data::{base, link, moment, next, rows, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::{join_all, join3};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use weir_core::time::rfc3339;

/// How many endpoints are asked for messages of a status, where none is named.
const ASKED: usize = 10;
/// How many messages a list has.
const LIMIT: usize = 50;
/// What a list is limited to, by the names in its URL.
const FILTERS: [&str; 8] =
    ["event_types", "channel", "tag", "after", "before", "status", "endpoint", "period"];
/// The periods that are offered, by the name in the URL: milliseconds.
const PERIODS: [(&str, i64); 3] = [("1h", 3_600_000), ("24h", 86_400_000), ("7d", 7 * 86_400_000)];

/// When a period began.
pub(super) fn after(period: Option<&str>, now: i64) -> Option<String> {
    let (_, length) = PERIODS.iter().find(|(name, _)| Some(*name) == period)?;
    Some(rfc3339(now.saturating_sub(*length)))
}

pub(super) async fn messages<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    if let Some(wanted) = request.param("q") {
        return Ok(Page::go(&link(&["app", key, "message", &wanted])));
    }
    let filters = FILTERS.map(|name| (name, request.param(name)));
    let of =
        |name: &str| filters.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref());
    let endpoint = of("endpoint");
    // What waits for a retry fails, too, as far as anybody wants to know.
    let status = of("status").map(|status| if status == "failing" { "2,3" } else { status });
    let after = of("after").map(moment).or_else(|| after(of("period"), request.at_ms));
    let before = of("before").map(moment);
    let mut pairs: Vec<_> = ["event_types", "channel", "tag"].iter().map(|name| (*name, of(name))).collect();
    pairs.extend([
        ("after", after.as_deref()),
        ("before", before.as_deref()),
        ("with_content", Some("false")),
    ]);
    let endpoints = get(api, format!("{}?limit=250", base(key, &["endpoint"])));
    let mut answer = all(vec![owner(api, session, key), endpoints]).await?;
    let (app, endpoints) = (answer(), answer());
    let page = if status.is_some() || endpoint.is_some() {
        pairs.push(("status", status));
        let ids = rows(&endpoints).iter().map(|endpoint| text(endpoint, "id"));
        let asked: Vec<&str> = endpoint.map_or_else(|| ids.take(ASKED).collect(), |one| vec![one]);
        let asks =
            asked.iter().map(|id| get(api, listed(&base(key, &["endpoint", id, "msg"]), request, &pairs)));
        let lists = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>();
        lists.map(|lists| merged(&asked, &lists))
    } else {
        pairs.push(("with_deliveries", Some("true")));
        let list = base(key, &["msg"]);
        if let Some(format) = request.param("export") {
            return super::exported(api, &list, &pairs, crate::export::MESSAGES, &format).await;
        }
        get(api, listed(&list, request, &pairs)).await
    };
    if let (Some(format), Ok(page)) = (request.param("export"), &page) {
        let complete = next(page).is_none();
        return crate::export::file(&crate::export::MESSAGES, rows(page), &format, complete);
    }
    // What is wrong with a filter is said where it can be put right.
    let (page, status, fault) = match page {
        Ok(page) => (page, 200, None),
        Err(Page { status: 422, sentence: Some(sentence), .. }) => (Value::Null, 422, Some(sentence)),
        Err(page) => return Err(page),
    };
    let iterator = request.param("iterator");
    let newest = iterator.is_none() && before.is_none() && fault.is_none();
    let content = view::messages(&view::MessagesView {
        session,
        app: text(&app, "id"),
        page: &page,
        filters: &filters,
        newest,
        endpoints: &endpoints,
        asked: ASKED,
        fault: fault.as_deref(),
    });
    let page = framed(session, "Messages", above(session, &app, false), content);
    Ok(Page { status, ..page })
}

/// Lists of several endpoints as one, newest first. Each list was read down to a place of its own: what is older than the
/// highest of these is left to the next page.
fn merged(asked: &[&str], lists: &[Value]) -> Value {
    let read_to = lists.iter().filter_map(next).max().unwrap_or_default();
    let mut all: Vec<Value> = Vec::new();
    for (endpoint, list) in asked.iter().zip(lists) {
        for row in rows(list).iter().filter(|row| text(row, "id") >= read_to) {
            let mut row = row.clone();
            if let Some(map) = row.as_object_mut() {
                map.insert("endpoint".to_owned(), json!(endpoint));
            }
            all.push(row);
        }
    }
    all.sort_by(|a, b| text(b, "id").cmp(text(a, "id")));
    let mut more = (!read_to.is_empty()).then(|| read_to.to_owned());
    if let Some(row) = all.get(LIMIT) {
        // Rows of one message stay together.
        let cut = text(row, "id").to_owned();
        all.retain(|row| text(row, "id") > cut.as_str());
        more = all.last().map(|row| text(row, "id").to_owned());
    }
    json!({ "data": all, "done": more.is_none(), "iterator": more })
}

pub(super) async fn message<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    id: &str,
) -> Result<Page, Page> {
    let path = base(key, &["msg", id]);
    let of = |below: &[&str]| get(api, base(key, below));
    let endpoints = get(api, format!("{}?limit=100", base(key, &["endpoint"])));
    let (app, told, endpoints) =
        join3(owner(api, session, key), api.call("GET", &path, None), endpoints).await;
    let (app, endpoints) = (app?, endpoints?);
    let payload = told.payload.clone();
    let message = crate::done(told)?;
    let id = text(&message, "id");
    let mut answer = all(vec![of(&["msg", id, "endpoint"]), of(&["attempt", "msg", id])]).await?;
    let content = view::message(&view::MessageView {
        app: text(&app, "id"),
        message: &message,
        payload: payload.as_deref().map(RawValue::get),
        destinations: &answer(),
        attempts: &answer(),
        endpoints: &endpoints,
        now: request.at_ms,
    });
    let mut above = above(session, &app, false);
    above.push(("Messages", link(&["app", text(&app, "id"), "messages"])));
    Ok(framed(session, text(&message, "eventType"), above, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[&str], iterator: Option<&str>) -> Value {
        let rows: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        json!({ "data": rows, "iterator": iterator, "done": iterator.is_none() })
    }

    #[test]
    fn lists_are_one_list_down_to_where_each_was_read() {
        let (one, two) = (list(&["9", "7", "5"], Some("5")), list(&["8", "2"], None));
        let page = merged(&["a", "b"], &[one, two]);
        let shown: Vec<_> = rows(&page).iter().map(|row| (text(row, "id"), text(row, "endpoint"))).collect();
        assert_eq!(shown, [("9", "a"), ("8", "b"), ("7", "a"), ("5", "a")], "2 is left to the next page");
        assert_eq!(next(&page), Some("5"));
        assert_eq!(next(&merged(&["a"], &[list(&["3"], None)])), None);
    }

    #[test]
    fn a_page_that_is_full_ends_with_the_whole_of_a_message() {
        let ids: Vec<String> = (100..151).rev().map(|n| n.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let page = merged(&["a", "b"], &[list(&ids, None), list(&ids, None)]);
        assert_eq!((rows(&page).len(), next(&page)), (50, Some("126")));
    }
}
