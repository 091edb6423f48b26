//! The page of an endpoint.

use super::{above, all_event_types, framed, get, listed};
use crate::data::{path, text};
use crate::session::Session;
use crate::view;
use crate::{Api, Page, Request};
use futures_util::future::{join, join5};
use weir_core::time::rfc3339;

pub(super) async fn endpoint<A: Api>(
    api: &A,
    session: &Session,
    request: &Request,
    key: &str,
    id: &str,
) -> Result<Page, Page> {
    let base = path(&["app", key]);
    let of = |what: &str| get(api, format!("{base}/{}{what}", path(&["endpoint", id])));
    let status = request.param("status");
    let attempts = listed(
        &format!("{base}/{}", path(&["attempt", "endpoint", id])),
        request,
        &[("status", status.as_deref())],
    );
    let ((app, endpoint), (stats, headers, plugins, attempts, event_types)) = join(
        join(get(api, base.clone()), of("")),
        join5(of("/stats"), of("/headers"), of("/plugins"), get(api, attempts), get(api, all_event_types())),
    )
    .await;
    let (app, endpoint) = (app?, endpoint?);
    let content = view::endpoint(&view::EndpointView {
        session,
        app: text(&app, "id"),
        endpoint: &endpoint,
        stats: &stats?,
        headers: &headers?,
        plugins: &plugins?,
        attempts: &attempts?,
        event_types: &event_types?,
        status: status.as_deref(),
        // Times of the API are written alike, so they compare as texts.
        old_secret_until: Some(text(&endpoint, "oldSecretUntil")).filter(|at| **at > *rfc3339(request.at_ms)),
        newest: request.param("iterator").is_none() && status.is_none(),
    });
    Ok(framed(session, text(&endpoint, "url"), above(session, &app, false), content))
}
