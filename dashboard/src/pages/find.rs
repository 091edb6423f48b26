//! Search by name or id, within a bounded number of reads.
//!
//! The prefix of an id tells its kind. Resources of an application are searched in the current application, otherwise in the
//! newest ones. The page states what the search covered.

use super::app::search;
use super::{framed, get};
use crate::data::{base, link, path, rows, text};
use crate::session::Session;
use crate::view::{self, Hit};
use crate::{Api, Page, Request};
use futures_util::future::join_all;
use serde_json::Value;
use weir_core::id;

/// How many applications are searched for a resource of an application.
const APPS: usize = 20;
/// The most results shown.
const SHOWN: usize = 12;
/// The longest search text.
const LONGEST: usize = 256;

pub(super) async fn find<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let wanted = request.param("q").unwrap_or_default();
    let wanted: String = wanted.chars().take(LONGEST).collect();
    let app = session.app.clone().or_else(|| request.param("app"));
    let (found, says) = if wanted.is_empty() {
        (Vec::new(), String::new())
    } else {
        searched(api, session, app.as_deref(), &wanted).await?
    };
    if request.partial {
        return Ok(Page::html(200, view::hits(&found, &says)));
    }
    match found.as_slice() {
        // A pasted id leads directly to its page.
        [only] if id_like(&wanted) => Ok(Page::go(&only.to)),
        _ => Ok(framed(session, "Search", Vec::new(), view::found(app.as_deref(), &wanted, &found, &says))),
    }
}

fn id_like(wanted: &str) -> bool {
    [id::MESSAGE, id::ENDPOINT, id::SOURCE, "app"]
        .iter()
        .any(|prefix| wanted.starts_with(&format!("{prefix}_")))
}

/// The results, and what the search covered.
async fn searched<A: Api>(
    api: &A,
    session: &Session,
    app: Option<&str>,
    wanted: &str,
) -> Result<(Vec<Hit>, String), Page> {
    if let Some(app) = app {
        let found = within(api, app, wanted).await;
        if !found.is_empty() || session.app.is_some() {
            return Ok((found, "Searched for a message or an endpoint by id, uid or event id.".to_owned()));
        }
    }
    let of = |prefix: &str| wanted.starts_with(&format!("{prefix}_"));
    if of(id::SOURCE) {
        let source = get(api, base(wanted, &[])).await.ok();
        return Ok((source.iter().map(source_hit).collect(), "Searched for a source by id.".to_owned()));
    }
    if !of(id::MESSAGE) && !of(id::ENDPOINT) {
        let mut found = named(api, wanted).await?;
        if !found.0.is_empty() {
            found.0.truncate(SHOWN);
            return Ok(found);
        }
    }
    let newest = get(api, format!("app?limit={APPS}&order=descending")).await?;
    let asks = rows(&newest).iter().map(|app| within(api, text(app, "id"), wanted));
    let found: Vec<Hit> = join_all(asks).await.into_iter().flatten().take(SHOWN).collect();
    let says = format!(
        "Names and uids were searched everywhere, ids and event ids in the {} newest applications. Open an application to search in it.",
        rows(&newest).len()
    );
    Ok((found, says))
}

/// The applications, sources, event types and plugins with this name.
async fn named<A: Api>(api: &A, wanted: &str) -> Result<(Vec<Hit>, String), Page> {
    let mut found: Vec<Hit> = Vec::new();
    // A full uid or id finds an application, however many there are.
    if let Ok(app) = get(api, path(&["app", wanted])).await {
        found.push(app_hit(&app));
    }
    let (apps, complete) = search(api, wanted, SHOWN).await?;
    found.extend(
        apps.iter()
            .map(app_hit)
            .filter(|hit| found.iter().all(|known| known.to != hit.to))
            .collect::<Vec<_>>(),
    );
    let sources = get(api, "ingest/source?limit=250".to_owned()).await?;
    let lower = wanted.to_lowercase();
    let fits = |source: &&Value| {
        ["name", "uid"].iter().any(|field| text(source, field).to_lowercase().contains(&lower))
    };
    found.extend(rows(&sources).iter().filter(fits).map(source_hit));
    let event_type = get(api, path(&["event-type", wanted])).await.ok();
    found.extend(event_type.iter().map(|event| Hit {
        icon: "types",
        name: text(event, "name").to_owned(),
        about: "Event type".to_owned(),
        to: link(&["event-type", text(event, "name")]),
    }));
    let says = if complete {
        "All applications were searched.".to_owned()
    } else {
        "The newest applications were searched.".to_owned()
    };
    Ok((found, says))
}

/// The resources of an application with this id, uid or event id.
async fn within<A: Api>(api: &A, app: &str, wanted: &str) -> Vec<Hit> {
    let of = |prefix: &str| wanted.starts_with(&format!("{prefix}_"));
    let mut found = Vec::new();
    if !of(id::ENDPOINT)
        && let Ok(message) = get(api, format!("{}?with_content=false", base(app, &["msg", wanted]))).await
    {
        found.push(Hit {
            icon: "send",
            name: text(&message, "eventType").to_owned(),
            about: text(&message, "id").to_owned(),
            to: link(&["app", app, "message", text(&message, "id")]),
        });
    }
    if !of(id::MESSAGE)
        && let Ok(endpoint) = get(api, base(app, &["endpoint", wanted])).await
    {
        found.push(Hit {
            icon: "external",
            name: text(&endpoint, "url").to_owned(),
            about: text(&endpoint, "id").to_owned(),
            to: link(&["app", app, "endpoint", text(&endpoint, "id")]),
        });
    }
    found
}

fn app_hit(app: &Value) -> Hit {
    let uid = text(app, "uid");
    Hit {
        icon: "apps",
        name: text(app, "name").to_owned(),
        about: if uid.is_empty() { text(app, "id").to_owned() } else { uid.to_owned() },
        to: link(&["app", text(app, "id")]),
    }
}

fn source_hit(source: &Value) -> Hit {
    Hit {
        icon: "source",
        name: text(source, "name").to_owned(),
        about: text(source, "type").to_owned(),
        to: link(&["app", text(source, "id")]),
    }
}
