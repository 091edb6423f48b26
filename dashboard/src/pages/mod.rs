//! Which page a path names, what it asks of the API, and what becomes of the answers.

mod app;
mod attempt;
mod endpoint;
mod find;
mod live;
mod messages;
mod settings;
mod source;
mod task;

use crate::data::{base, is_source, link, next, query, rows, text};
use crate::export;
use crate::session::Session;
use crate::view::{self, Place};
use crate::{Api, PREFIX, Page, Request, done};
use app::{app_page, apps, overview, troubles};
use attempt::{attempt, payload};
use endpoint::endpoint;
use find::find;
use futures_util::future::{LocalBoxFuture, join_all};
use live::live;
use maud::Markup;
use messages::{message, messages};
use serde_json::{Value, json};
use settings::{event_type, event_types, plugin, plugins};
use source::{new_source, rejected, source_page, sources};
use task::{task, tasks};

/// How many rows a list has.
const LIMIT: &str = "50";

/// Shows the page that the request names.
pub(crate) async fn show<A: Api>(api: &A, session: &Session, request: &Request) -> Page {
    let shown = match (request.parts().as_slice(), session.app.as_deref()) {
        ([] | ["login"], Some(app)) => return Page::go(&link(&["app", app])),
        (["login"], None) => return Page::go(PREFIX),
        ([], None) => overview(api, session, request).await,
        (["apps"], None) => apps(api, session, request).await,
        (["trouble"], None) => troubles(api, session, request).await,
        (["find"], _) => find(api, session, request).await,
        (["app", app], _) if is_source(app) => source_page(api, session, request, app).await,
        (["app", app], _) => app_page(api, session, request, app).await,
        (["app", app, "messages"], _) => messages(api, session, request, app).await,
        (["app", app, "live"], _) => live(api, session, request, app).await,
        (["app", app, "message", id, "payload"], _) => payload(api, app, id).await,
        (["app", app, "message", id, "attempt", one], _) => {
            attempt(api, session, request, app, (id, one)).await
        }
        (["app", app, "message", id], _) => message(api, session, request, app, id).await,
        (["app", app, "endpoint", id], _) => endpoint(api, session, request, app, (id, "")).await,
        (["app", app, "endpoint", id, tab], _) => endpoint(api, session, request, app, (id, tab)).await,
        (["app", app, "rejected", id], _) => rejected(api, session, app, id).await,
        (["sources"], _) => sources(api, session, request).await,
        (["sources", "new"], None) => new_source(api, session, request).await,
        (["event-types"], _) => event_types(api, session, request).await,
        (["event-type", name], _) => event_type(api, session, name).await,
        (["plugins"], _) => plugins(api, session).await,
        (["plugin", name], _) => plugin(api, session, request, name).await,
        (["tasks"], _) => tasks(api, session, request).await,
        (["task", id], _) => return task(api, id).await,
        (["settings"], None) => settings::settings(api, session).await,
        _ => Err(Page::refused(404, "There is no such page.")),
    };
    match shown {
        Ok(page) => page,
        // Whoever has a session keeps the navigation.
        Err(page) => page.framed(session, request.partial),
    }
}

/// What is asked of the API: a successful answer's JSON, or the page that says why not. (Of one type, so that what waits for
/// several is built once.)
type Ask<'a> = LocalBoxFuture<'a, Result<Value, Page>>;

fn get<A: Api>(api: &A, path: String) -> Ask<'_> {
    Box::pin(async move { done(api.call("GET", &path, None).await) })
}

/// How many rows a file has at most, about how many bytes, and how many rows are asked for at once.
const EXPORTED: usize = 2_000;
const EXPORTED_BYTES: usize = 4 * 1024 * 1024;
const EXPORTED_AT_ONCE: &str = "100";

/// A list as a file: from its newest row on, as many as fit. The file says so where there is more.
async fn exported<A: Api>(
    api: &A,
    list: &str,
    filters: &[(&str, Option<&str>)],
    what: export::Columns,
    format: &str,
) -> Result<Page, Page> {
    let mut all: Vec<Value> = Vec::new();
    let mut iterator: Option<String> = None;
    let mut bytes = 0usize;
    loop {
        let mut pairs = vec![("limit", Some(EXPORTED_AT_ONCE)), ("iterator", iterator.as_deref())];
        pairs.extend_from_slice(filters);
        let page = get(api, format!("{list}?{}", query(&pairs))).await?;
        bytes = rows(&page).iter().fold(bytes, |sum, row| sum.saturating_add(row.to_string().len()));
        all.extend(rows(&page).iter().cloned());
        iterator = next(&page).map(str::to_owned);
        if iterator.is_none() || all.len() >= EXPORTED || bytes >= EXPORTED_BYTES {
            break;
        }
    }
    export::file(&what, &all, format, iterator.is_none())
}

/// What need not be asked.
fn known<'a>(value: Value) -> Ask<'a> {
    Box::pin(async move { Ok(value) })
}

/// Asks all of these at once, and gives one answer after the other.
async fn all(asks: Vec<Ask<'_>>) -> Result<impl FnMut() -> Value, Page> {
    let mut answers = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    Ok(move || answers.next().unwrap_or_default())
}

/// The application, or the source, that a path names.
fn owner<'a, A: Api>(api: &'a A, session: &Session, key: &str) -> Ask<'a> {
    // Whoever is limited to a source may not read what it is, only what it has.
    if is_source(key) && session.app.is_some() {
        return known(json!({ "id": key, "name": "Source" }));
    }
    get(api, base(key, &[]))
}

fn framed(session: &Session, title: &str, above: Vec<(&str, String)>, content: Markup) -> Page {
    Page::html(200, view::page(session, &Place { title, above }, content))
}

/// A list's path with its page.
fn listed(path: &str, request: &Request, more: &[(&str, Option<&str>)]) -> String {
    let iterator = request.param("iterator");
    let mut pairs = vec![("limit", Some(LIMIT)), ("iterator", iterator.as_deref())];
    pairs.extend_from_slice(more);
    format!("{path}?{}", query(&pairs))
}

/// What is above an application's pages.
fn above<'a>(session: &Session, app: &'a Value, own: bool) -> Vec<(&'a str, String)> {
    let mut above = Vec::new();
    if session.app.is_none() && is_source(text(app, "id")) {
        above.push(("Sources", link(&["sources"])));
    } else if session.app.is_none() {
        above.push(("Applications", link(&["apps"])));
    }
    if !own {
        above.push((text(app, "name"), link(&["app", text(app, "id")])));
    }
    above
}

fn all_event_types() -> String {
    "event-type?limit=250".to_owned()
}
