//! The pages of background tasks.

use super::{framed, get, listed};
use crate::data::path;
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};

pub(super) async fn tasks<A: Api>(api: &A, session: &Session, request: &Request) -> Result<Page, Page> {
    let page = listed(api, "background-task", request, &[]).await?;
    Ok(framed(session, "Tasks", Vec::new(), view::tasks(&page)))
}

pub(super) async fn task<A: Api>(api: &A, id: &str) -> Page {
    match get(api, path(&["background-task", id])).await {
        Ok(task) => Page::html(200, view::task(&task)),
        Err(page) => page,
    }
}
