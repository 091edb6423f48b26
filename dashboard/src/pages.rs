//! Which page a path names, what it asks of the API, and what becomes of the answers.

use crate::data::{link, path, query, text};
use crate::live::Filters;
use crate::session::Session;
use crate::view::{self, Place};
use crate::{Answer, Api, PREFIX, Page, Request};
use futures_util::future::{join, join5};
use maud::Markup;
use serde_json::Value;

/// How many rows a list has.
const LIMIT: &str = "50";

/// Shows the page that the request names.
pub(crate) async fn show<A: Api>(api: &A, session: &Session, request: &Request) -> Page {
    let shown = match (request.parts().as_slice(), session.app.as_deref()) {
        ([] | ["login"], Some(app)) => return Page::go(&link(&["app", app])),
        (["login"], None) => return Page::go(PREFIX),
        ([], None) => apps(api, session, request).await,
        (["app", app], _) => app_page(api, session, request, app).await,
        (["app", app, "messages"], _) => messages(api, session, request, app).await,
        (["app", app, "live"], _) => live(api, session, request, app).await,
        (["app", app, "message", id], _) => message(api, session, app, id).await,
        (["app", app, "endpoint", id], _) => endpoint(api, session, request, app, id).await,
        (["event-types"], _) => event_types(api, session, request).await,
        (["plugins"], _) => plugins(api, session).await,
        (["tasks"], _) => tasks(api, session, request).await,
        (["task", id], _) => return task(api, id).await,
        _ => return Page::refused(404, "There is no such page."),
    };
    shown.unwrap_or_else(|refusal| refusal)
}

/// A successful answer's JSON, or the page that says why not.
async fn get<A: Api>(api: &A, path: String) -> Result<Value, Page> {
    done(api.call("GET", &path, None).await)
}

/// The same of an answer that is there.
pub(crate) fn done(answer: Answer) -> Result<Value, Page> {
    if answer.is_ok() { Ok(answer.body) } else { Err(Page::refused(answer.status, &answer.sentence())) }
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

async fn apps<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = get(api, listed("app", request, &[("order", Some("descending"))])).await?;
    Ok(framed(session, "Applications", Vec::new(), view::apps(session, &page)))
}

/// What is above an application's pages.
fn above<'a>(session: &Session, app: &'a Value, own: bool) -> Vec<(&'a str, String)> {
    let mut above = Vec::new();
    if session.app.is_none() {
        above.push(("Applications", PREFIX.to_owned()));
    }
    if !own {
        above.push((text(app, "name"), link(&["app", text(app, "id")])));
    }
    above
}

fn all_event_types() -> String {
    "event-type?limit=250".to_owned()
}

async fn app_page<A: Api>(api: &A, session: &Session, request: &Request, key: &str) -> Result<Page, Page> {
    let base = path(&["app", key]);
    let (app, (endpoints, event_types)) = join(
        get(api, base.clone()),
        join(get(api, listed(&format!("{base}/endpoint"), request, &[])), get(api, all_event_types())),
    )
    .await;
    let (app, endpoints, event_types) = (app?, endpoints?, event_types?);
    let content = view::app(&view::AppView {
        session,
        app: text(&app, "id"),
        endpoints: &endpoints,
        event_types: &event_types,
    });
    Ok(framed(session, text(&app, "name"), above(session, &app, true), content))
}

async fn messages<A: Api>(api: &A, session: &Session, request: &Request, key: &str) -> Result<Page, Page> {
    let base = path(&["app", key]);
    if let Some(wanted) = request.param("q") {
        return Ok(Page::go(&link(&["app", key, "message", &wanted])));
    }
    let filters =
        ["event_types", "channel", "tag", "after", "before"].map(|name| (name, request.param(name)));
    let mut pairs: Vec<_> = filters.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    pairs.push(("with_content", Some("false")));
    let (app, page) =
        join(get(api, base.clone()), get(api, listed(&format!("{base}/msg"), request, &pairs))).await;
    let (app, page) = (app?, page?);
    let newest = request.param("iterator").is_none() && request.param("before").is_none();
    let content =
        view::messages(&view::MessagesView { app: text(&app, "id"), page: &page, filters: &filters, newest });
    Ok(framed(session, "Messages", above(session, &app, false), content))
}

async fn live<A: Api>(api: &A, session: &Session, request: &Request, key: &str) -> Result<Page, Page> {
    let base = path(&["app", key]);
    let (app, endpoints) =
        join(get(api, base.clone()), get(api, format!("{base}/endpoint?limit={LIMIT}"))).await;
    let (app, endpoints) = (app?, endpoints?);
    let content = view::live::tail(text(&app, "id"), &Filters::of(request), &endpoints);
    Ok(framed(session, "Live", above(session, &app, false), content))
}

async fn message<A: Api>(api: &A, session: &Session, key: &str, id: &str) -> Result<Page, Page> {
    let base = path(&["app", key]);
    let of = |rest: &[&str]| get(api, format!("{base}/{}", path(rest)));
    let (app, message) = join(get(api, base.clone()), of(&["msg", id])).await;
    let (app, message) = (app?, message?);
    let id = text(&message, "id");
    let (destinations, attempts) = join(of(&["msg", id, "endpoint"]), of(&["attempt", "msg", id])).await;
    let content = view::message(&view::MessageView {
        app: text(&app, "id"),
        message: &message,
        destinations: &destinations?,
        attempts: &attempts?,
    });
    let mut above = above(session, &app, false);
    above.push(("Messages", link(&["app", text(&app, "id"), "messages"])));
    Ok(framed(session, text(&message, "eventType"), above, content))
}

async fn endpoint<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    id: &str,
) -> Result<Page, Page> {
    let base = path(&["app", key]);
    let of = |what: &str| get(api, format!("{base}/{}{what}", path(&["endpoint", id])));
    let status = request.param("status");
    let attempts = listed(
        &format!("{base}/{}", path(&["attempt", "endpoint", id])),
        request,
        &[("status", status.as_deref())],
    );
    let ((app, endpoint), (stats, headers, plugins, attempts, event_types)) = join(
        join(get(api, base.clone()), of("")),
        join5(of("/stats"), of("/headers"), of("/plugins"), get(api, attempts), get(api, all_event_types())),
    )
    .await;
    let (app, endpoint) = (app?, endpoint?);
    let content = view::endpoint(&view::EndpointView {
        session,
        app: text(&app, "id"),
        endpoint: &endpoint,
        stats: &stats?,
        headers: &headers?,
        plugins: &plugins?,
        attempts: &attempts?,
        event_types: &event_types?,
        status: status.as_deref(),
        newest: request.param("iterator").is_none() && status.is_none(),
    });
    Ok(framed(session, text(&endpoint, "url"), above(session, &app, false), content))
}

async fn event_types<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = get(api, listed("event-type", request, &[("with_content", Some("true"))])).await?;
    Ok(framed(session, "Event types", Vec::new(), view::event_types(&page)))
}

async fn plugins<A: Api>(api: &A, session: &Session) -> Result<Page, Page> {
    let page = get(api, "plugin?limit=250".to_owned()).await?;
    Ok(framed(session, "Plugins", Vec::new(), view::plugins(&page)))
}

async fn tasks<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = get(api, listed("background-task", request, &[])).await?;
    Ok(framed(session, "Tasks", Vec::new(), view::tasks(&page)))
}

async fn task<A: Api>(api: &A, id: &str) -> Page {
    match get(api, path(&["background-task", id])).await {
        Ok(task) => Page::html(200, view::task(&task)),
        Err(page) => page,
    }
}
