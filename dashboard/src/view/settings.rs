//! Settings, tokens, and the endpoints that operational events go to.

use super::form::{Form, Kind, facts, field, folded, mono, plain, result, shown, table};
use super::{button, endpoint_state, time};
use crate::data::{flag, link, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How long a link to the portal may be valid.
const EXPIRY: [(&str, &str); 3] = [("3600", "an hour"), ("86400", "a day"), ("604800", "a week")];

/// The page of settings.
pub(crate) fn settings(session: &Session, whoami: &Value, settings: &Value, operational: &Value) -> Markup {
    let values: Vec<_> = settings
        .as_array()
        .into_iter()
        .flatten()
        .map(|setting| vec![mono(text(setting, "name")), mono(text(setting, "value"))])
        .collect();
    let endpoints: Vec<_> = rows(operational)
        .iter()
        .map(|endpoint| {
            let to = |what: &str| link(&["operational", text(endpoint, "id"), what]);
            let types = texts(endpoint, "eventTypes");
            vec![
                plain(text(endpoint, "url")),
                plain(&if types.is_empty() { "all".to_owned() } else { types.join(", ") }),
                endpoint_state(endpoint),
                time(text(endpoint, "createdAt")),
                html! {
                    (button(&to("toggle"), if flag(endpoint, "disabled") { "Enable" } else { "Disable" }, Some("#result"), None, &[])) " "
                    (button(&to("secret"), "Show the secret", Some("#result"), None, &[])) " "
                    (button(&to("delete"), "Delete", Some("#result"), Some("Delete this endpoint for good?"), &[]))
                },
            ]
        })
        .collect();
    let proof = session.proof();
    html! {
        (result())
        h2 { "Who you are" }
        (facts(&[
            ("Organisation", mono(text(whoami, "envId"))),
            ("Permission", plain(text(whoami, "permissionSource"))),
            ("This session ends", time(&weir_core::time::rfc3339(session.ends_at))),
        ]))
        p.dim { "A token of the organisation shows and changes everything. It is made outside, from " code { "JWT_SECRET" } "; whoever has one needs no page to make another." }
        h2 { "A link for a customer" }
        p.dim { "It leads to these pages, limited to one application. Whoever has it is signed in." }
        (super::form::show(&Form { to: link(&["portal"]), proof, word: "Make a link", fields: std::iter::once(
            field("app", "Application, by id or your own id", Kind::Text).required()).chain(portal_fields()).collect(), more: html! {} }))
        (folded("Take tokens back", false, &Form { to: link(&["expire"]), proof, word: "Expire all tokens", fields: vec![
            field("app", "Application, by id or your own id", Kind::Text).required(),
        ], more: html! {} }))
        h2 { "Operational webhooks" }
        p.dim { "They tell your own systems what happens here: an endpoint that was disabled, a message that failed for good." }
        (table(&["URL", "Events", "State", "Created", "Actions"], &endpoints, "None yet."))
        (folded("New operational webhook", false, &Form { to: link(&["new-operational"]), proof, word: "Create", fields: vec![
            field("url", "URL", Kind::Text).hint("https://example.com/weir").required(),
            field("eventTypes", "Events (empty: all)", Kind::Text).hint("endpoint.disabled, message.attempt.exhausted"),
        ], more: html! {} }))
        h2 { "Settings of this deployment" }
        p.dim { "They are variables of the Worker; a deployment changes them." }
        (table(&["Name", "Value"], &values, ""))
    }
}

/// What a link for a customer says.
pub(super) fn portal_fields() -> Vec<super::form::Field<'static>> {
    vec![
        field("expiry", "Valid for", Kind::Choice(&EXPIRY)).value("86400"),
        field("readOnly", "To look at only", Kind::Box),
    ]
}

/// A link that was made.
pub(crate) fn portal(access: &Value) -> Markup {
    html! {
        p role="status" { "Whoever opens this link is signed in. It is shown once:" }
        (shown(text(access, "url")))
    }
}
