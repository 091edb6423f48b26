//! The live view's page.

use super::{LIMIT, above, all, framed, get, owner};
use crate::data::{base, text};
use crate::filters::Filters;
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};

pub(super) async fn live<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
) -> Result<Page, Page> {
    let endpoints = get(api, format!("{}?limit={LIMIT}", base(key, &["endpoint"])));
    let mut next = all(vec![owner(api, session, key), endpoints]).await?;
    let (app, endpoints) = (next(), next());
    let content = view::live::tail(text(&app, "id"), &Filters::of(request), &endpoints);
    Ok(framed(session, "Live", above(session, &app, false), content))
}
