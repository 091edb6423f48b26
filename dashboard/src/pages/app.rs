//! The pages of applications and their messages.

use super::{above, all_event_types, framed, get, listed};
use crate::data::{link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::join;

pub(super) async fn apps<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = get(api, listed("app", request, &[("order", Some("descending"))])).await?;
    Ok(framed(session, "Applications", Vec::new(), view::apps(session, &page)))
}

pub(super) async fn app_page<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
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

pub(super) async fn messages<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
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

pub(super) async fn message<A: Api>(api: &A, session: &Session, key: &str, id: &str) -> Result<Page, Page> {
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
