//! Routes: the page of each path, the API calls it makes, and the template it renders.

mod app;
mod attempt;
mod endpoint;
mod find;
mod live;
mod messages;
mod settings;
mod source;
mod task;

use crate::data::{base, is_source, link, query, started_at, text};
use crate::session::Session;
use crate::view::{self, Place};
use crate::{Api, Page, Request, done};
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
        ([], Some(app)) => return Page::go(&link(&["app", app])),
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
        // Error pages of a session keep the navigation.
        Err(page) => page.framed(session, request.partial),
    }
}

/// An API call: the JSON of a successful response, or an error page. (One type, so that code that awaits several is
/// compiled once.)
type Ask<'a> = LocalBoxFuture<'a, Result<Value, Page>>;

fn get<A: Api>(api: &A, path: String) -> Ask<'_> {
    Box::pin(async move { done(api.call("GET", &path, None).await) })
}

/// The payload of a message, byte for byte. `None` if it is no longer stored.
async fn payload_of<A: Api>(api: &A, key: &str, message: &str) -> Option<Vec<u8>> {
    let (status, bytes) = api.fetch("GET", &base(key, &["msg", message, "raw"]), Vec::new()).await;
    (status == 200).then_some(bytes)
}

/// A value that needs no call.
fn known<'a>(value: Value) -> Ask<'a> {
    Box::pin(async move { Ok(value) })
}

/// Makes all calls concurrently, and returns their responses one after the other.
async fn all(asks: Vec<Ask<'_>>) -> Result<impl FnMut() -> Value, Page> {
    let mut answers = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    Ok(move || answers.next().unwrap_or_default())
}

/// The application or source of a path.
fn owner<'a, A: Api>(api: &'a A, session: &Session, key: &str) -> Ask<'a> {
    // A token limited to a source may read its contents but not the source itself.
    if is_source(key) && session.app.is_some() {
        return known(json!({ "id": key, "name": "Source" }));
    }
    get(api, base(key, &[]))
}

/// The path of the first page of a list, with the filters of this request.
fn first_page(request: &Request) -> String {
    let kept: Vec<(String, String)> = form_urlencoded::parse(request.query.as_bytes())
        .into_owned()
        .filter(|(name, _)| name != "iterator")
        .collect();
    let pairs: Vec<_> = kept.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
    let (path, query) = (link(&request.parts()), query(&pairs));
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn framed(session: &Session, title: &str, above: Vec<(&str, String)>, content: Markup) -> Page {
    Page::html(200, view::page(session, &Place { title, above }, content))
}

/// The page of a list that the request's `iterator` names.
fn listed<'a, A: Api>(api: &'a A, path: &str, request: &Request, more: &[(&str, Option<&str>)]) -> Ask<'a> {
    let iterator = request.param("iterator");
    let mut pairs = vec![("limit", Some(LIMIT)), ("iterator", iterator.as_deref())];
    pairs.extend_from_slice(more);
    let page = get(api, format!("{path}?{}", query(&pairs)));
    Box::pin(async move { Ok(started_at(page.await?, iterator.as_deref())) })
}

/// The breadcrumbs above an application's pages.
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
