//! Settings, access links and operational webhooks.

use super::form::{Field, Form, Kind, button, field, mono, plain, result};
use super::layout::{Question, ask};
use super::parts::{card, dialog, empty, facts, head, note, opener, shown, table, time};
use super::state::State;
use crate::data::{flag, link, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// The lifetimes of a portal link.
const EXPIRY: [(&str, &str); 3] = [("3600", "an hour"), ("86400", "a day"), ("604800", "a week")];

/// The settings page.
pub(crate) fn settings(session: &Session, whoami: &Value, settings: &Value, operational: &Value) -> Markup {
    let all = || settings.as_array().into_iter().flatten();
    let values: Vec<_> = all()
        .map(|setting| vec![mono(text(setting, "name")), html! { @if text(setting, "value").is_empty() { span.faint { "not set" } } @else { code { (text(setting, "value")) } } }])
        .collect();
    let in_clear = all().any(|setting| {
        text(setting, "name") == "MASTER_KEY" && matches!(text(setting, "value"), "" | "(not set)")
    });
    let endpoints: Vec<_> = rows(operational)
        .iter()
        .enumerate()
        .map(|(at, endpoint)| {
            let dialog = format!("delete-{at}");
            let (delete, question) = ask("Delete", "sm danger", Question {
                id: &dialog,
                title: "Delete this operational webhook?",
                says: html! { p { code { (text(endpoint, "url")) } " no longer receives events." } },
                to: link(&["operational", text(endpoint, "id"), "delete"]),
                proof: session.proof(),
                word: "Delete",
                typed: None,
                fields: Vec::new(),
            });
            let to = |what: &str| link(&["operational", text(endpoint, "id"), what]);
            let types = texts(endpoint, "eventTypes");
            let events = if types.is_empty() { "All events".to_owned() } else { types.join(", ") };
            vec![
                html! { span.r.clip { (text(endpoint, "url")) } span.sub.clip { (events) } },
                State::of(endpoint, None).pill(false),
                time(text(endpoint, "createdAt")),
                html! {
                    (button(&to("toggle"), "sm", if flag(endpoint, "disabled") { "Enable" } else { "Disable" }, Some("#result"), &[])) " "
                    (button(&to("secret"), "sm", "Show secret", Some("#result"), &[])) " "
                    (delete) (question)
                },
            ]
        })
        .collect();
    let proof = session.proof();
    let app = || field("app", "Application", Kind::Text).hint("Its id or uid.").required();
    let links = html! {
                (card("Link for a customer", opener("expire", "sm danger", "Revoke access links…"), html! { div.body.stack {
                    p.small.muted { "Opens these pages limited to one application. Anyone with the link is signed in." }
                    (super::form::show(&Form { id: "portal", to: link(&["portal"]), proof, word: "Create link", fields: std::iter::once(app()).chain(portal_fields()).collect(), more: html! {} }))
                } }))
    };
    html! {
        (head("Settings", html! {}, &[], html! {}))
        (result())
        @if in_clear { (note("warn", "shield", html! { p { b { "Secrets are stored unencrypted. " } "Set MASTER_KEY so that they are encrypted: npx wrangler secret put MASTER_KEY" } }, html! {})) }
        div.grid {
            div.w6 {
                (card("Who you are", html! {}, html! { div.body { (facts(&[
                    ("Organization", mono(text(whoami, "envId"))),
                    ("Access", plain("Full: you signed in with a token of the organization")),
                    ("This session ends", time(&weir_core::time::rfc3339(session.ends_at))),
                ])) } }))
            }
            div.w6 { (links) }
        }
        (card("Operational webhooks", opener("operational", "sm i-plus", "New operational webhook"), html! {
                    @if endpoints.is_empty() { (empty("send", "No operational webhook yet", html! { "Notify your own systems of events in this gateway, such as a disabled endpoint or a message that failed for good." }, html! {})) }
                    @else { (table(&["URL", "State", "#Created", "#"], &endpoints)) }
                }))
        (card("Settings of this deployment", html! {}, html! { (table(&["Name", "Value"], &values)) footer { "These are variables of the Worker. A deployment changes them." } }))
        (dialog("expire", "Revoke access links", html! {
            p.small.muted { "All tokens and links of the application are revoked, and their sessions end." }
            (super::form::danger(&Form { id: "expire-form", to: link(&["expire"]), proof, word: "Revoke access links", fields: vec![app()], more: html! {} }))
        }))
        (dialog("operational", "New operational webhook", super::form::show(&Form { id: "operational-form", to: link(&["new-operational"]), proof, word: "Create", fields: vec![
            field("url", "URL", Kind::Text).example("https://example.com/weir").required(),
            field("eventTypes", "Events", Kind::Text).example("endpoint.disabled, message.attempt.exhausted").hint("If empty, all events."),
        ], more: html! {} })))
    }
}

/// The fields of a portal link.
pub(super) fn portal_fields() -> Vec<Field<'static>> {
    vec![
        field("expiry", "Valid for", Kind::Choice(&EXPIRY)).value("86400"),
        field("readOnly", "Read-only", Kind::Box),
    ]
}

/// A portal link that was created.
pub(crate) fn portal(access: &Value) -> Markup {
    html! {
        div.note.info role="status" { div.grow { p { "Anyone who opens this link is signed in. The link is shown only once:" } (shown(text(access, "url"))) } }
    }
}
