//! The overview, and the pages of applications.

use super::{above, all, all_event_types, framed, get, listed};
use crate::data::{base, items, next, query, rows, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::{join_all, join3};
use serde_json::{Value, json};

/// How many applications are asked for the overview, and how many endpoints of each.
const ASKED: usize = 10;
const ASKED_ENDPOINTS: usize = 20;
/// How many pages of applications a search reads, and how many results it returns at most.
const SEARCHED: usize = 4;
const FOUND: usize = 50;

/// The current state of the endpoints of these rows. It is null for an endpoint that no longer exists.
async fn now<A: Api>(api: &A, rows: &[Value]) -> Vec<Value> {
    let asks = rows.iter().take(view::LISTED).map(|row| {
        let only = query(&[("endpoint", Some(text(row, "endpointId")))]);
        get(api, format!("{}?{only}", base(text(row, "appId"), &["overview"])))
    });
    join_all(asks).await.into_iter().map(Result::unwrap_or_default).collect()
}

/// What needs attention in the whole tenant, and the statistics of its newest applications.
pub(super) async fn overview<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let hours = view::period(request.param("hours").as_deref());
    let mut next = all(vec![
        listed(api, "app", request, &[("order", Some("descending"))]),
        get(api, "ingest/source?limit=50&order=descending".to_owned()),
        get(api, format!("overview?limit={}", view::LISTED)),
    ])
    .await?;
    let (apps, sources, tenant) = (next(), next(), next());
    let ask = |id: &str| {
        let previous = if view::is_compared(hours) { "&previous=true" } else { "" };
        let path = format!("{}?hours={hours}&limit={ASKED_ENDPOINTS}{previous}", base(id, &["overview"]));
        get(api, path)
    };
    let asks = join_all(rows(&apps).iter().take(ASKED).map(|app| ask(text(app, "id"))));
    let (overviews, now, rejected) =
        join3(asks, now(api, items(&tenant, "endpoints")), rejections(api, &sources)).await;
    // An application that was deleted in the meantime must not fail the page.
    let overviews: Vec<Value> = overviews.into_iter().map(Result::unwrap_or_default).collect();
    let content = view::overview(&view::OverviewView {
        session,
        apps: &apps,
        overviews: &overviews,
        hours,
        tenant: &tenant,
        now: &now,
        sources: &sources,
        rejected: &rejected,
    });
    Ok(framed(session, "Overview", Vec::new(), content))
}

/// How many sources are asked for rejected requests, and for how many each.
const SOURCES: usize = 5;
const REJECTED: &str = "3";

/// The newest rejected requests of the first sources, newest first, each with its source.
async fn rejections<A: Api>(api: &A, sources: &Value) -> Vec<(Value, Value)> {
    let asks = rows(sources).iter().take(SOURCES).map(|source| {
        let path = base(text(source, "id"), &["rejected"]);
        get(api, format!("{path}?{}", query(&[("limit", Some(REJECTED))])))
    });
    // A source that was deleted in the meantime has none.
    let pages = join_all(asks).await.into_iter().map(Result::unwrap_or_default);
    let of = |(source, page): (&Value, Value)| {
        rows(&page).iter().map(|one| (source.clone(), one.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = rows(sources).iter().zip(pages).flat_map(of).collect();
    all.sort_by(|(_, a), (_, b)| text(b, "timestamp").cmp(text(a, "timestamp")));
    all.truncate(SOURCES);
    all
}

/// Every endpoint in trouble.
pub(super) async fn troubles<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let state = request.param("state");
    let tenant =
        get(api, format!("overview?{}", query(&[("limit", Some("250")), ("state", state.as_deref())])))
            .await?;
    let now = now(api, items(&tenant, "endpoints")).await;
    let content = view::troubles(&tenant, state.as_deref(), &now);
    Ok(framed(session, "Endpoints in trouble", vec![("Overview", crate::PREFIX.to_owned())], content))
}

/// All applications, or those that match a search.
pub(super) async fn apps<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let wanted = request.param("q");
    let (page, complete) = match wanted.as_deref() {
        None => (listed(api, "app", request, &[("order", Some("descending"))]).await?, true),
        Some(wanted) => {
            let (found, complete) = search(api, wanted, FOUND).await?;
            (json!({ "data": found, "done": true }), complete)
        }
    };
    let content = view::apps(session, &page, wanted.as_deref(), complete);
    Ok(framed(session, "Applications", Vec::new(), content))
}

/// The applications whose name, uid or id contains a text, newest first; and whether all were searched.
pub(super) async fn search<A: Api>(api: &A, wanted: &str, most: usize) -> Result<(Vec<Value>, bool), Page> {
    let wanted = wanted.to_lowercase();
    let fits = |app: &&Value| {
        ["name", "uid", "id"].iter().any(|field| text(app, field).to_lowercase().contains(&wanted))
    };
    let mut found: Vec<Value> = Vec::new();
    let mut iterator: Option<String> = None;
    for _ in 0..SEARCHED {
        let pairs =
            [("limit", Some("250")), ("order", Some("descending")), ("iterator", iterator.as_deref())];
        let page = get(api, format!("app?{}", query(&pairs))).await?;
        found.extend(rows(&page).iter().filter(fits).cloned());
        iterator = next(&page).map(str::to_owned);
        if iterator.is_none() || found.len() >= most {
            break;
        }
    }
    let complete = iterator.is_none() && found.len() <= most;
    found.truncate(most);
    Ok((found, complete))
}

pub(super) async fn app_page<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    let hours = view::period(request.param("hours").as_deref());
    let previous = if view::is_compared(hours) { "&previous=true" } else { "" };
    let compared = format!("{}?hours={hours}{previous}", base(key, &["overview"]));
    let mut next = all(vec![
        get(api, base(key, &[])),
        listed(api, &base(key, &["endpoint"]), request, &[]),
        get(api, all_event_types()),
        get(api, compared),
    ])
    .await?;
    let (app, endpoints, event_types, overview) = (next(), next(), next(), next());
    let content = view::app(&view::AppView {
        session,
        app: text(&app, "id"),
        about: &app,
        endpoints: &endpoints,
        event_types: &event_types,
        overview: &overview,
        hours,
    });
    Ok(framed(session, text(&app, "name"), above(session, &app, true), content))
}
