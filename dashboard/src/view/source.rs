//! The pages of sources: where providers' events come in, what was rejected and why.

use super::form::{Field, Form, Kind, copied, facts, field, folded, mono, plain, result, shown, table};
use super::{button, more, pretty, time};
use crate::data::{flag, int, items, link, next, query, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What becomes of events whose signature is not right.
const UNVERIFIED: [(&str, &str); 2] = [
    ("reject", "refuse them, and keep them for inspection"),
    ("accept", "deliver them, marked as unverified"),
];

/// How long the URL before stays valid.
const GRACE: [(&str, &str); 3] = [("172800", "two days"), ("3600", "an hour"), ("0", "no longer")];

/// All sources.
pub(crate) fn sources(page: &Value) -> Markup {
    let table_rows: Vec<_> = rows(page)
        .iter()
        .map(|source| {
            vec![
                html! { a href=(link(&["app", text(source, "id")])) { (text(source, "name")) } },
                plain(text(source, "type")),
                mono(text(source, "id")),
                plain(text(source, "uid")),
                time(text(source, "createdAt")),
            ]
        })
        .collect();
    let none = "There are no sources yet. A source is a URL at which a provider's webhooks come in: they are verified, kept, and delivered to its endpoints.";
    html! {
        p { a href=(link(&["sources", "new"])) { "New source" } }
        (table(&["Name", "Provider", "Id", "Your id", "Created"], &table_rows, none))
        (more(next(page).map(|next| format!("{}?{}", link(&["sources"]), query(&[("iterator", Some(next))])))))
    }
}

/// The form of a new source.
pub(crate) fn new_source(session: &Session, presets: &Value) -> Markup {
    let titles: Vec<String> = rows(presets)
        .iter()
        .map(|preset| match text(preset, "confidence") {
            "unconfirmed" => format!("{} (unconfirmed)", text(preset, "title")),
            _ => text(preset, "title").to_owned(),
        })
        .collect();
    let mut kinds = vec![("", "choose…")];
    let named = rows(presets).iter().zip(&titles);
    kinds.extend(named.map(|(preset, title)| (text(preset, "name"), title.as_str())));
    kinds.extend([("generic-webhook", "Another: verify nothing"), ("custom", "Another: a scheme of my own")]);
    let mut fields = vec![
        field("name", "Name", Kind::Text).required(),
        field("type", "Provider", Kind::Choice(&kinds)).required(),
        field("uid", "Your own id for it (optional)", Kind::Text),
    ];
    fields.extend(settings(&Value::Null, "The provider's secret, as it shows it"));
    let form =
        Form { to: link(&["new-source"]), proof: session.proof(), word: "Create", fields, more: html! {} };
    html! { (result()) (super::form::show(&form)) }
}

/// What can be set of a source besides its kind.
fn settings<'a>(source: &Value, secret: &'a str) -> Vec<Field<'a>> {
    let options = source.get("options").cloned().unwrap_or_default();
    let number =
        |name: &str| options.get(name).and_then(Value::as_i64).map(|n| n.to_string()).unwrap_or_default();
    let custom =
        source.get("config").and_then(|config| config.get("custom")).filter(|custom| !custom.is_null());
    vec![
        field("secret", secret, Kind::Secret),
        field(
            "params",
            "Values of your account that the provider signs, a line each (few need this)",
            Kind::Area(2),
        )
        .hint("name: value"),
        field("custom", "The scheme of your own, as JSON (only where that is the provider)", Kind::Area(3))
            .value(custom.map(pretty).unwrap_or_default())
            .hint("{\"scheme\": {…}}"),
        field("unverified", "Events whose signature is not right", Kind::Choice(&UNVERIFIED))
            .value(text(&options, "unverified")),
        field("forwardHeaders", "Headers that are delivered with the event", Kind::Text)
            .value(texts(&options, "forwardHeaders").join(", "))
            .hint("x-request-id, x-topic"),
        field("eventType", "Event type of events that do not say theirs", Kind::Text)
            .value(text(&options, "eventType")),
        field(
            "dedupWindowSeconds",
            "Seconds in which an event that comes again is not delivered again",
            Kind::Text,
        )
        .value(number("dedupWindowSeconds")),
        field("url", "The URL that the provider calls, where that is not this one", Kind::Text)
            .value(text(&options, "url")),
    ]
}

/// What the page of a source shows.
pub(crate) struct SourceView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) source: &'a Value,
    pub(crate) rejected: &'a Value,
    pub(crate) messages: &'a Value,
}

/// A source, above its endpoints.
pub(crate) fn source(view: &SourceView<'_>) -> Markup {
    let SourceView { session, source, .. } = view;
    let id = text(source, "id");
    let to = |what: &str| link(&["app", id, what]);
    let own = session.app.is_none();
    html! {
        (result())
        @if own {
            p { "Give the provider this URL. Whoever knows it can send, so it is a secret, too:" }
            (shown(text(source, "ingestUrl")))
            @for warning in source.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                p { b { (warning.as_str().unwrap_or_default()) } }
            }
            (facts(&[
                ("Provider", plain(text(source, "type"))),
                ("Secrets", plain(&int(source, "secrets").to_string())),
                ("Id", copied(id)),
                ("Your id", mono(text(source, "uid"))),
                ("Created", time(text(source, "createdAt"))),
            ]))
            div.actions {
                (button(&to("portal"), "Link to this source alone", Some("#result"), None, &[]))
                (button(&to("delete-source"), "Delete", Some("#result"), Some("Delete this source for good, with its endpoints and messages?"), &[]))
            }
            (folded("New URL", false, &Form { to: to("rotate-token"), proof: session.proof(), word: "Make a new URL", fields: vec![
                field("grace", "The URL of now stays valid, beside the new one, for", Kind::Choice(&GRACE)),
            ], more: html! {} }))
            (folded("Change it", false, &Form {
                to: to("edit-source"),
                proof: session.proof(),
                word: "Save",
                fields: std::iter::once(field("name", "Name", Kind::Text).value(text(source, "name")).required())
                    .chain(settings(source, "A new secret (empty: it stays)")).collect(),
                more: html! {},
            }))
        }
        div id="live" hx-get=(link(&["app", id])) hx-trigger="every 5s" hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            h2 { "Verified requests" }
            (table(&["Event type", "Id", "Event id", "Accepted"], &rows(view.messages).iter().map(|message| vec![
                html! { a href=(link(&["app", id, "message", text(message, "id")])) { (text(message, "eventType")) } },
                mono(text(message, "id")),
                plain(text(message, "eventId")),
                time(text(message, "timestamp")),
            ]).collect::<Vec<_>>(), "No event yet. What the provider sends shows here by itself."))
            @if !rows(view.messages).is_empty() { p { a href=(link(&["app", id, "messages"])) { "All messages" } } }
            h2 { "Rejected requests" }
            (table(&["Why", "When", "Bytes", "Accepted by hand"], &rows(view.rejected).iter().map(|one| {
                let reason = one.get("reason").cloned().unwrap_or_default();
                vec![
                    html! { a href=(link(&["app", id, "rejected", text(one, "id")])) { (text(&reason, "detail")) } " " code.dim { (text(&reason, "code")) } },
                    time(text(one, "timestamp")),
                    plain(&int(one, "bodySize").to_string()),
                    plain(if one.get("accepted").is_some_and(Value::is_array) { "yes" } else { "" }),
                ]
            }).collect::<Vec<_>>(), "None."))
            (more(next(view.rejected).map(|next| format!("{}?{}", link(&["app", id]), query(&[("iterator", Some(next))])))))
        }
    }
}

/// A request that was rejected.
pub(crate) fn rejected(session: &Session, source: &str, one: &Value) -> Markup {
    let reason = one.get("reason").cloned().unwrap_or_default();
    let accepted = one.get("accepted").filter(|accepted| accepted.is_array());
    let to = format!("{}/accept", link(&["app", source, "rejected", text(one, "id")]));
    let headers: Vec<_> = items(one, "headers")
        .iter()
        .map(|pair| {
            let part = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
            vec![mono(part(0)), plain(part(1))]
        })
        .collect();
    html! {
        (result())
        p.fault { (text(&reason, "detail")) " " code { (text(&reason, "code")) } }
        (facts(&[
            ("Received", time(text(one, "timestamp"))),
            ("Request", html! { code { (text(one, "method")) " " (text(one, "url")) } }),
            ("Body", plain(&format!("{} bytes", int(one, "bodySize")))),
            ("Id", mono(text(one, "id"))),
        ]))
        @if let Some(accepted) = accepted {
            p { "Accepted by hand: "
                @for message in accepted.as_array().into_iter().flatten().filter_map(Value::as_str) { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } }
        } @else if !flag(one, "bodyComplete") {
            p.dim { "Only the beginning of the body was kept: it cannot be accepted. Have the provider send it again." }
        } @else if session.app.is_none() {
            (button(&to, "Accept by hand", Some("#result"), Some("Its signature was not right. Deliver it all the same?"), &[]))
        }
        h2 { "Headers" }
        p.dim { "Secrets are masked." }
        (table(&["Name", "Value"], &headers, "None."))
        h2 { "Body" }
        @match one.get("body").and_then(Value::as_str) {
            Some(body) => pre tabindex="0" { (body) },
            None => { p.dim { "It is no text. In base64:" } pre tabindex="0" { (text(one, "rawBody")) } },
        }
    }
}
