//! The pages of sources.

use super::{above, all, framed, get, listed};
use crate::data::{base, items, link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use serde_json::{Value, json};

pub(super) async fn sources<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = listed(api, "ingest/source", request, &[("order", Some("descending"))]).await?;
    Ok(framed(session, "Sources", Vec::new(), view::sources(&page)))
}

pub(super) async fn new_source<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let presets = get(api, "preset?limit=250".to_owned()).await?;
    let (chosen, wanted) = (request.param("type"), request.param("q"));
    Ok(framed(
        session,
        "New source",
        vec![("Sources", link(&["sources"]))],
        view::new_source(session, &presets, chosen.as_deref(), wanted.as_deref()),
    ))
}

/// A source with its endpoints, below its own details.
pub(super) async fn source_page<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    let mut next = all(vec![
        super::owner(api, session, key),
        get(api, format!("{}?limit=250", base(key, &["endpoint"]))),
        listed(api, &base(key, &["rejected"]), request, &[]),
        get(api, format!("{}?limit=10&with_content=false", base(key, &["msg"]))),
        get(api, format!("{}?hours=24", base(key, &["overview"]))),
    ])
    .await?;
    let (source, endpoints, rejected, messages, overview) = (next(), next(), next(), next(), next());
    let event_types = event_types_of(api, text(&source, "preset")).await;
    let own = view::AppView {
        session,
        app: key,
        about: &source,
        endpoints: &endpoints,
        event_types: &event_types,
        overview: &overview,
        hours: 24,
    };
    let content = view::source(&view::SourceView {
        session,
        source: &source,
        rejected: &rejected,
        messages: &messages,
        app: &own,
    });
    let content = view::with_problem(&source, &content);
    let above = if session.app.is_some() { Vec::new() } else { vec![("Sources", link(&["sources"]))] };
    Ok(framed(session, text(&source, "name"), above, content))
}

/// The events of a preset in the form of a list of event types. Empty if there is no such preset.
pub(super) async fn event_types_of<A: Api>(api: &A, preset: &str) -> Value {
    let mut all = Vec::new();
    if !preset.is_empty()
        && let Ok(preset) = get(api, path(&["preset", preset])).await
    {
        let named = |event: &Value, group: &str| json!({ "name": text(event, "name"), "description": text(event, "description"), "groupName": group });
        all.extend(preset.get("testEvent").filter(|event| !event.is_null()).map(|event| named(event, "")));
        for group in items(&preset, "catalog") {
            all.extend(items(group, "events").iter().map(|event| named(event, text(group, "group"))));
        }
    }
    json!({ "data": all })
}

pub(super) async fn rejected<A: Api>(api: &A, session: &Session, key: &str, id: &str) -> Result<Page, Page> {
    let mut next = all(vec![super::owner(api, session, key), get(api, base(key, &["rejected", id]))]).await?;
    let (source, one) = (next(), next());
    let content = view::rejected(session, &source, &one);
    Ok(framed(session, "Rejected request", above(session, &source, false), content))
}
