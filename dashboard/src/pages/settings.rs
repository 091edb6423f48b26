//! The pages of settings, event types and plugins.

use super::{all, framed, get, listed};
use crate::data::{base, items, link, path, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::{join_all, join3};
use serde_json::Value;

pub(super) async fn settings<A: Api>(api: &A, session: &Session) -> Result<Page, Page> {
    let of = |path: &str| get(api, path.to_owned());
    let asks =
        ["auth/whoami", "settings", "operational-webhook/endpoint?limit=50", "auth/token/revoked"].map(of);
    let mut next = all(asks.into()).await?;
    let content = view::settings(session, &next(), &next(), &next());
    let content = view::with_revoked(&content, &next());
    Ok(framed(session, "Settings", Vec::new(), content))
}

pub(super) async fn event_types<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let archived = request.param("archived").is_some();
    let more = [("with_content", Some("true")), ("include_archived", archived.then_some("true"))];
    let page = listed(api, "event-type", request, &more).await?;
    Ok(framed(session, "Event types", Vec::new(), view::event_types(session, &page, archived)))
}

pub(super) async fn event_type<A: Api>(api: &A, session: &Session, name: &str) -> Result<Page, Page> {
    let event = get(api, path(&["event-type", name])).await?;
    let above = vec![("Event types", link(&["event-types"]))];
    Ok(framed(session, text(&event, "name"), above, view::event_type(session, &event)))
}

pub(super) async fn plugins<A: Api>(api: &A, session: &Session) -> Result<Page, Page> {
    let page = get(api, "plugin?limit=250".to_owned()).await?;
    Ok(framed(session, "Plugins", Vec::new(), view::plugins(session, &page)))
}

/// How many messages are offered for a test run.
const PICKED: usize = 20;
/// How many endpoints of a plugin are shown with their names.
const NAMED: usize = 10;

pub(super) async fn plugin<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    name: &str,
) -> Result<Page, Page> {
    let own = path(&["plugin", name]);
    let versions = get(api, format!("{own}/version?limit=250"));
    let (app, picked, of) = (request.param("app"), request.param("message"), request.param("endpoint"));
    let messages = async {
        match &app {
            Some(app) => get(api, format!("{}?limit={PICKED}&with_content=false", base(app, &["msg"]))).await,
            None => Ok(Value::Null),
        }
    };
    // The configuration with which it is attached to an endpoint.
    let attached = async {
        let (Some(app), Some(endpoint)) = (&app, &of) else { return Value::Null };
        let attached = get(api, base(app, &["endpoint", endpoint, "plugins"])).await.unwrap_or_default();
        let own = items(&attached, "plugins").iter().find(|plugin| text(plugin, "name") == name);
        own.and_then(|plugin| plugin.get("config")).cloned().unwrap_or_default()
    };
    let (mut next, messages, config) =
        match join3(all(vec![get(api, own), versions]), messages, attached).await {
            (Ok(next), messages, config) => (next, messages, config),
            (Err(page), ..) => return Err(page),
        };
    let (plugin, versions) = (next(), next());
    let places = items(&plugin, "attachedTo").iter().take(NAMED);
    let endpoints = join_all(
        places.map(|place| get(api, base(text(place, "appId"), &["endpoint", text(place, "endpointId")]))),
    );
    let endpoints: Vec<Value> = endpoints.await.into_iter().map(Result::unwrap_or_default).collect();
    let (messages, fault) = match messages {
        Ok(messages) => (messages, None),
        Err(page) => (Value::Null, Some(page.sentence.unwrap_or_default())),
    };
    let content = view::plugin(&view::PluginView {
        session,
        plugin: &plugin,
        versions: &versions,
        endpoints: &endpoints,
        app: app.as_deref(),
        messages: &messages,
        picked: picked.as_deref(),
        version: request.param("version").as_deref(),
        config: &config,
        fault: fault.as_deref(),
    });
    Ok(framed(session, text(&plugin, "name"), vec![("Plugins", link(&["plugins"]))], content))
}
