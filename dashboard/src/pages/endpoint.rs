//! The page of an endpoint.

use super::source::event_types_of;
use super::{Ask, above, all, all_event_types, framed, get, known, listed, owner};
use crate::data::{base, is_source, query, rows, text};
use crate::session::Session;
use crate::view::{self, Tab};
use crate::{Api, Page, Request};
use serde_json::{Value, json};
use weir_core::time::rfc3339;

pub(super) async fn endpoint<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    (id, tab): (&str, &str),
) -> Result<Page, Page> {
    let tab = Tab::of(tab).ok_or_else(|| Page::refused(404, "There is no such page."))?;
    let when = |is: bool, path: String| if is { get(api, path) } else { known(Value::Null) };
    let of = |what: &str| format!("{}{what}", base(key, &["endpoint", id]));
    let hours = view::period(request.param("hours").as_deref());
    let status = request.param("status");
    let list = base(key, &["attempt", "endpoint", id]);
    let attempts = listed(&list, request, &[("status", status.as_deref()), ("with_msg", Some("true"))]);
    // A source's events have the types that its provider gives them.
    let of_source = is_source(key);
    let overview = query(&[("hours", Some(hours.to_string().as_str())), ("endpoint", Some(id))]);
    let mut next = all(vec![
        owner(api, session, key),
        get(api, of("")),
        get(api, format!("{}?{overview}", base(key, &["overview"]))),
        when(tab == Tab::Headers, of("/headers")),
        when(tab == Tab::Plugins, of("/plugins")),
        when(tab == Tab::Activity, attempts),
        when(!of_source, all_event_types()),
        if tab == Tab::Plugins { store(api, session) } else { known(Value::Null) },
    ])
    .await?;
    let (app, endpoint, overview, headers) = (next(), next(), next(), next());
    let (plugins, attempts, event_types, store) = (next(), next(), next(), next());
    // What it can be tested with: the tenant's events, and those of the provider as which it sends.
    let own = event_types_of(api, text(&endpoint, "preset")).await;
    let from = if of_source { event_types_of(api, text(&app, "preset")).await } else { event_types };
    let known = |name: &str| rows(&from).iter().any(|event| text(event, "name") == name);
    let provider = rows(&own).iter().filter(|event| !known(text(event, "name")));
    let all: Vec<Value> = rows(&from).iter().chain(provider).cloned().collect();
    let content = view::endpoint(&view::EndpointView {
        session,
        app: text(&app, "id"),
        tab,
        endpoint: &endpoint,
        overview: &overview,
        hours,
        headers: &headers,
        plugins: &plugins,
        attempts: &attempts,
        event_types: &json!({ "data": all }),
        store: &store,
        test_event: rows(&own).first().map(|event| text(event, "name")),
        status: status.as_deref(),
        // Times of the API are written alike, so they compare as texts.
        old_secret_until: Some(text(&endpoint, "oldSecretUntil")).filter(|at| **at > *rfc3339(request.at_ms)),
        newest: tab == Tab::Activity
            && request.param("iterator").is_none()
            && status.is_none()
            && request.param("hours").is_none(),
    });
    Ok(framed(session, view::name_of(&endpoint), above(session, &app, false), content))
}

/// The plugins that could be attached. An application's token sees none of the store.
fn store<'a, A: Api>(api: &'a A, session: &Session) -> Ask<'a> {
    if session.app.is_some() { known(Value::Null) } else { get(api, "plugin?limit=250".to_owned()) }
}
