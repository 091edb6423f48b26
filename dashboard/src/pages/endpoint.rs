//! The page of an endpoint.

use super::source::event_types_of;
use super::{Ask, above, all, all_event_types, first_page, framed, get, known, owner};
use crate::data::{base, is_before_first, is_source, query, rows, text};
use crate::list::{self, List};
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
    // Customers do not see plugins.
    let tab = Tab::of(tab).filter(|tab| *tab != Tab::Plugins || session.app.is_none());
    let tab = tab.ok_or_else(|| Page::refused(404, "There is no such page."))?;
    let when = |is: bool, path: String| if is { get(api, path) } else { known(Value::Null) };
    let of = |what: &str| format!("{}{what}", base(key, &["endpoint", id]));
    let hours = view::period(request.param("hours").as_deref());
    let iterator = request.param("iterator");
    let list = List::attempts(request, key, id);
    let attempts: Ask<'_> = if tab == Tab::Activity {
        Box::pin(list.page(api, iterator.as_deref(), list::LIMIT))
    } else {
        known(Value::Null)
    };
    // A source's event types are its provider's.
    let of_source = is_source(key);
    let overview = query(&[("hours", Some(hours.to_string().as_str())), ("endpoint", Some(id))]);
    let mut next = all(vec![
        owner(api, session, key),
        get(api, of("")),
        get(api, format!("{}?{overview}", base(key, &["overview"]))),
        when(tab == Tab::Headers, of("/headers")),
        when(tab == Tab::Plugins, of("/plugins")),
        attempts,
        when(!of_source, all_event_types()),
        if tab == Tab::Plugins { store(api, session) } else { known(Value::Null) },
    ])
    .await?;
    let (app, endpoint, overview, headers) = (next(), next(), next(), next());
    let (plugins, attempts, event_types, store) = (next(), next(), next(), next());
    if is_before_first(&attempts) {
        return Ok(Page::go(&first_page(request)));
    }
    let attach = request.param("attach");
    // Test events: the tenant's, and those of the provider in whose format it sends.
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
        filters: &list::ATTEMPT_FILTERS.map(|name| (name, request.param(name))),
        live: (tab == Tab::Activity).then(|| list::live(request)).flatten(),
        // Timestamps of the API have one format, so they compare as text.
        old_secret_until: Some(text(&endpoint, "oldSecretUntil")).filter(|at| **at > *rfc3339(request.at_ms)),
    });
    let content = view::with_problem(&endpoint, &content);
    Ok(framed(session, view::name_of(&endpoint), above(session, &app, false), content))
}

/// The plugins that can be attached. An application token cannot list plugins.
fn store<'a, A: Api>(api: &'a A, session: &Session) -> Ask<'a> {
    if session.app.is_some() { known(Value::Null) } else { get(api, "plugin?limit=250".to_owned()) }
}
