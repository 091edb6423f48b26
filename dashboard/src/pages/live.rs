//! The page of the live tail.

use super::{LIMIT, above, framed, get, owner};
use crate::data::{base, text};
use crate::live::Filters;
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::join;

pub(super) async fn live<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    let endpoints = get(api, format!("{}?limit={LIMIT}", base(key, &["endpoint"])));
    let (app, endpoints) = join(owner(api, session, key), endpoints).await;
    let (app, endpoints) = (app?, endpoints?);
    let content = view::live::tail(text(&app, "id"), &Filters::of(request), &endpoints);
    Ok(framed(session, "Live", above(session, &app, false), content))
}
