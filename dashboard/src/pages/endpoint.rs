//! The page of an endpoint.

use super::source::event_types_of;
use super::{Ask, above, all, all_event_types, framed, get, known, listed, owner};
use crate::data::{base, is_source, query, rows, text};
use crate::session::Session;
use crate::view::{self, Tab};
use crate::{Api, Page, Request};
use serde_json::{Value, json};
use weir_core::time::rfc3339;

/// What its attempts are limited to, by the names in the URL.
const FILTERS: [&str; 5] = ["status", "code", "event_types", "tag", "period"];

pub(super) async fn endpoint<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    (id, tab): (&str, &str),
) -> Result<Page, Page> {
    // What plugins do is the sender's own business.
    let tab = Tab::of(tab).filter(|tab| *tab != Tab::Plugins || session.app.is_none());
    let tab = tab.ok_or_else(|| Page::refused(404, "There is no such page."))?;
    let when = |is: bool, path: String| if is { get(api, path) } else { known(Value::Null) };
    let of = |what: &str| format!("{}{what}", base(key, &["endpoint", id]));
    let hours = view::period(request.param("hours").as_deref());
    let filters = FILTERS.map(|name| (name, request.param(name)));
    let filter =
        |name: &str| filters.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref());
    let after = super::messages::after(filter("period"), request.at_ms);
    let pairs = [
        ("status", filter("status")),
        ("status_code_class", filter("code")),
        ("event_types", filter("event_types")),
        ("tag", filter("tag")),
        ("after", after.as_deref()),
        ("with_msg", Some("true")),
    ];
    let list = base(key, &["attempt", "endpoint", id]);
    if let Some(format) = request.param("export") {
        return super::exported(api, &list, &pairs, crate::export::ATTEMPTS, &format).await;
    }
    let attempts = listed(&list, request, &pairs);
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
    let attach = request.param("attach");
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
        attach: attach.as_deref(),
        test_event: rows(&own).first().map(|event| text(event, "name")),
        filters: &filters,
        paged: request.param("iterator").is_some(),
        // Times of the API are written alike, so they compare as texts.
        old_secret_until: Some(text(&endpoint, "oldSecretUntil")).filter(|at| **at > *rfc3339(request.at_ms)),
        newest: tab == Tab::Activity
            && request.param("iterator").is_none()
            && filters.iter().all(|(_, value)| value.is_none())
            && request.param("hours").is_none(),
    });
    let content = view::with_problem(&endpoint, &content);
    Ok(framed(session, view::name_of(&endpoint), above(session, &app, false), content))
}

/// The plugins that could be attached. An application's token sees none of the store.
fn store<'a, A: Api>(api: &'a A, session: &Session) -> Ask<'a> {
    if session.app.is_some() { known(Value::Null) } else { get(api, "plugin?limit=250".to_owned()) }
}
