//! The overview, and the pages of applications.

use super::{above, all, all_event_types, framed, get, listed};
use crate::data::{base, rows, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::join_all;

/// How many applications are asked for the overview, and how many endpoints of each.
const ASKED: usize = 10;
const ASKED_ENDPOINTS: usize = 20;

/// All applications, and how those at the top of the list do.
pub(super) async fn overview<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let hours = view::period(request.param("hours").as_deref());
    let page = get(api, listed("app", request, &[("order", Some("descending"))])).await?;
    let ask = |id: &str| {
        let path = format!("{}?hours={hours}&limit={ASKED_ENDPOINTS}", base(id, &["overview"]));
        get(api, path)
    };
    let asks = rows(&page).iter().take(ASKED).map(|app| ask(text(app, "id")));
    let told = join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let content = view::overview(&view::OverviewView {
        session,
        apps: &page,
        told: &told,
        hours,
        endpoints: ASKED_ENDPOINTS,
    });
    Ok(framed(session, "Overview", Vec::new(), content))
}

pub(super) async fn app_page<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    let hours = view::period(request.param("hours").as_deref());
    let mut next = all(vec![
        get(api, base(key, &[])),
        get(api, listed(&base(key, &["endpoint"]), request, &[])),
        get(api, all_event_types()),
        get(api, format!("{}?hours={hours}", base(key, &["overview"]))),
    ])
    .await?;
    let (app, endpoints, event_types, overview) = (next(), next(), next(), next());
    let content = view::app(&view::AppView {
        session,
        app: text(&app, "id"),
        about: &app,
        endpoints: &endpoints,
        event_types: &event_types,
        overview: &overview,
        hours,
    });
    Ok(framed(session, text(&app, "name"), above(session, &app, true), content))
}
