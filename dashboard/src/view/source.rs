//! The pages of sources: where providers' events come in, what was rejected and why.

use super::app::{AppView, endpoints, sections};
use super::form::{Field, Form, Kind, button, field, result};
use super::layout::{Question, ask};
use super::parts::{
    bytes, card, dialog, empty, excerpt, head, id, menu, note, opener, pager, pill, row_link, shown, table,
    time,
};
use super::pretty;
use crate::data::{flag, int, items, link, next, query, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How much of a rejected body is shown, in bytes of HTML.
const BODY: usize = 16_000;

/// What becomes of events whose signature is not right.
const UNVERIFIED: [(&str, &str); 2] = [
    ("reject", "Reject them, and keep them for inspection"),
    ("accept", "Deliver them, marked as unverified"),
];

/// How long the URL before stays valid.
const GRACE: [(&str, &str); 3] = [("172800", "two days"), ("3600", "an hour"), ("0", "not at all")];

/// All sources.
pub(crate) fn sources(page: &Value) -> Markup {
    let table_rows: Vec<_> = rows(page)
        .iter()
        .map(|source| {
            vec![
                row_link(&link(&["app", text(source, "id")]), text(source, "name"), text(source, "uid")),
                html! { span.tag { (text(source, "type")) } },
                id(text(source, "id")),
                time(text(source, "createdAt")),
            ]
        })
        .collect();
    let new = || html! { a.btn.pri.i-plus href=(link(&["sources", "new"])) { "New source" } };
    html! {
        (head("Sources", html! {}, &[html! { "Where providers' webhooks come in: verified, stored, then delivered to your endpoints." }], new()))
        section.card {
            @if table_rows.is_empty() { (empty("source", "There are no sources yet", html! { "A source is a URL at which a provider's webhooks come in. They are verified, kept, and delivered to its endpoints." }, new())) }
            @else { (table(&["Source", "Provider", "Id", "#Created"], &table_rows)) }
            (pager("", None, next(page).map(|next| format!("{}?{}", link(&["sources"]), query(&[("iterator", Some(next))])))))
        }
    }
}

/// How sure a preset is, for people.
fn confidence(word: &str) -> (&'static str, &'static str, &'static str) {
    match word {
        "verified" => ("ok", "shield", "Verified"),
        "documented" => ("info", "book", "Documented"),
        _ => ("warn", "bad", "Unconfirmed"),
    }
}

/// The first step to a new source: which provider. Searched by `wanted`.
pub(crate) fn new_source(
    session: &Session,
    presets: &Value,
    chosen: Option<&str>,
    wanted: Option<&str>,
) -> Markup {
    const OWN: [(&str, &str, &str); 2] = [
        ("generic-webhook", "Another provider", "Verifies nothing"),
        ("custom", "A scheme of your own", "Described as JSON"),
    ];
    let here = link(&["sources", "new"]);
    let known = |name: &str| rows(presets).iter().find(|preset| text(preset, "name") == name);
    let title = chosen.map(|name| {
        known(name).map_or_else(
            || OWN.iter().find(|(own, ..)| *own == name).map_or(name, |(_, title, _)| title),
            |preset| text(preset, "title"),
        )
    });
    let fits = |preset: &&Value| {
        wanted.is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            [text(preset, "name"), text(preset, "title")]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        })
    };
    let found: Vec<&Value> = rows(presets).iter().filter(fits).collect();
    html! {
        (head("New source", html! {}, &[html! { "Receive webhooks from a provider: verified, stored, then sent to your endpoints." }], html! {}))
        ol.wiz { @for (nth, word) in [(1, "Provider"), (2, "Secret"), (3, "URL and first event")] { li aria-current=[(nth == if chosen.is_some() { 2 } else { 1 }).then_some("step")] { i { (nth) } (word) } } }
        (result())
        @if let (Some(name), Some(title)) = (chosen, title) { (secret_of(session, name, title, known(name), &here)) }
        @else {
            form.filters method="get" action=(here) role="search" {
                input.in type="search" name="q" value=[wanted] placeholder={ "Search " (rows(presets).len()) " providers" } aria-label="Search providers" data-filter="#providers" maxlength="64" autofocus;
                button.btn type="submit" { "Search" }
            }
            @if found.is_empty() { section.card { (empty("search", "No provider fits", html! { "Many sign as another does: choose a scheme below, or take what they send without verifying it." }, html! { a.btn href=(here) { "Show all" } })) } }
            div.tiles id="providers" {
                @for preset in &found {
                    @let (class, icon, word) = confidence(text(preset, "confidence"));
                    a.tile href={ "?" (query(&[("type", Some(text(preset, "name")))])) } { b { (text(preset, "title")) } span class={ "ico " (class) " i-" (icon) } title=(word) {} }
                }
                @for (name, title, about) in OWN { a.tile href={ "?type=" (name) } title=(about) { b { (title) } } }
            }
            div.legend { @for word in ["verified", "documented", "unconfirmed"] { @let (class, icon, word) = confidence(word); (pill(class, icon, word)) } span { "by signatures of the provider, by its documentation, or by neither" } }
        }
    }
}

/// The second step: the secret, and what few need.
fn secret_of(session: &Session, name: &str, title: &str, preset: Option<&Value>, here: &str) -> Markup {
    let (class, icon, word) = confidence(preset.map(|preset| text(preset, "confidence")).unwrap_or_default());
    let docs = preset.map(|preset| text(preset, "docs")).filter(|docs| docs.starts_with("https://"));
    let (basic, more) = settings(&Value::Null, "Secret", name == "custom");
    let mut fields =
        vec![super::form::hidden("type", name), field("name", "Name", Kind::Text).value(title).required()];
    fields.extend(basic);
    let mut advanced = vec![field("uid", "Uid", Kind::Text).hint("Your own id for it.")];
    advanced.extend(more);
    html! {
        section.card.wide-form {
            header { div.grow.row { h2 { (title) } @if preset.is_some() { (pill(class, icon, word)) } } a.btn.sm href=(here) { "Another provider" } }
            div.body.stack {
                @if let Some(docs) = docs { p.small { a href=(docs) rel="noreferrer" { "How " (title) " signs its webhooks, and where it shows the secret" } } }
                (super::form::show(&Form { id: "new-source", to: link(&["new-source"]), proof: session.proof(), word: "Create source", fields,
                    more: html! { details.more-fields { summary { "More settings" } @for field in &advanced { (field.show("new-source")) } } } }))
            }
        }
    }
}

/// What can be set of a source besides its kind: what most need, and what few do.
fn settings<'a>(source: &Value, secret: &'a str, is_custom: bool) -> (Vec<Field<'a>>, Vec<Field<'a>>) {
    let options = source.get("options").cloned().unwrap_or_default();
    let number =
        |name: &str| options.get(name).and_then(Value::as_i64).map(|n| n.to_string()).unwrap_or_default();
    let custom =
        source.get("config").and_then(|config| config.get("custom")).filter(|custom| !custom.is_null());
    let mut basic = vec![field("secret", secret, Kind::Secret).hint("As the provider shows it.")];
    let scheme = field("custom", "Scheme", Kind::Area(4))
        .value(custom.map(pretty).unwrap_or_default())
        .hint("As JSON.")
        .example("{\"scheme\": {…}}");
    if is_custom {
        basic.push(scheme);
    }
    let more = vec![
        field("unverified", "Events whose signature is wrong", Kind::Choice(&UNVERIFIED))
            .value(text(&options, "unverified")),
        field("params", "Values of your account that the provider signs", Kind::Area(2))
            .example("name: value")
            .hint("One a line. Few providers need this."),
        field("forwardHeaders", "Headers that are delivered with the event", Kind::Text)
            .value(texts(&options, "forwardHeaders").join(", "))
            .example("x-request-id, x-topic"),
        field("eventType", "Event type", Kind::Text)
            .value(text(&options, "eventType"))
            .hint("Of events that do not say theirs."),
        field("dedupWindowSeconds", "Repeats are dropped for", Kind::Number)
            .value(number("dedupWindowSeconds"))
            .unit("seconds"),
        field("url", "URL that the provider calls", Kind::Text)
            .value(text(&options, "url"))
            .hint("Where that is not the one shown here, such as behind a proxy."),
    ];
    (basic, more)
}

/// What the page of a source shows.
pub(crate) struct SourceView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) source: &'a Value,
    pub(crate) rejected: &'a Value,
    pub(crate) messages: &'a Value,
    /// Its endpoints.
    pub(crate) app: &'a AppView<'a>,
}

/// A source, with its endpoints.
pub(crate) fn source(view: &SourceView<'_>) -> Markup {
    let SourceView { session, source, .. } = view;
    let source_id = text(source, "id");
    let here = link(&["app", source_id]);
    let to = |what: &str| link(&["app", source_id, what]);
    let own = session.app.is_none();
    let name = text(source, "name");
    let (delete, deletes) = ask(
        "Delete source…",
        "i-trash c-bad",
        Question {
            id: "delete",
            title: "Delete this source?",
            says: html! { p { "Its URL stops working at once. Its endpoints, its messages and what waits are deleted with it. This cannot be undone." } },
            to: to("delete-source"),
            proof: session.proof(),
            word: "Delete source",
            typed: Some(name),
            fields: Vec::new(),
        },
    );
    html! {
        (head(name, html! {}, &[
            html! { @if !text(source, "type").is_empty() { "Provider " span.tag { (text(source, "type")) } } },
            id(source_id),
            html! { @if !text(source, "uid").is_empty() { "uid " code.id { (text(source, "uid")) } } },
            html! { @if own { (int(source, "secrets")) @if int(source, "secrets") == 1 { " secret" } @else { " secrets" } } },
            html! { @if !text(source, "createdAt").is_empty() { "Created " (time(text(source, "createdAt"))) } },
        ], html! {
            @if own {
                (opener("edit-source", "i-edit", "Edit source"))
                (button(&to("portal"), "i-external", "Link to this source alone", Some("#result"), &[]))
                (menu("More", html! { (opener("rotate", "i-key", "Replace URL…")) (delete) }))
            }
            @if !rows(view.app.endpoints).is_empty() { (opener("new-endpoint", "pri i-plus", "Add endpoint")) }
        }))
        (result())
        @if own {
            section.card { div.urlrow { div.grow { p.tiny.muted { "Give the provider this URL. Whoever knows it can send, so it is a secret, too." } (shown(text(source, "ingestUrl"))) } } }
            @for warning in texts(source, "warnings") {
                (note("warn", "key", html! { p { b { (warning) } } }, opener("edit-source", "sm", "Set the secret")))
            }
        }
        (sections(source_id, "Source"))
        div.grid id="live" hx-get=(here) hx-trigger="every 5s" hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            div.w6 { (messages(view, source_id)) }
            div.w6 { (rejections(view, source_id)) }
        }
        (endpoints(view.app))
        @if own {
            (dialog("rotate", "Replace the URL", super::form::show(&Form { id: "rotate-form", to: to("rotate-token"), proof: session.proof(), word: "Replace URL", fields: vec![
                field("grace", "The old URL stays valid, beside the new one, for", Kind::Choice(&GRACE)),
            ], more: html! {} })))
            (dialog("edit-source", "Edit source", edit(session, source, to("edit-source"))))
            (deletes)
        }
    }
}

fn edit(session: &Session, source: &Value, to: String) -> Markup {
    let (basic, more) = settings(source, "New secret", text(source, "type") == "custom");
    html! {
        p.small.muted { "Leave the secret empty to keep the one it has." }
        (super::form::show(&Form { id: "edit-form", to, proof: session.proof(), word: "Save",
            fields: std::iter::once(field("name", "Name", Kind::Text).value(text(source, "name")).required()).chain(basic).chain(more).collect(), more: html! {} }))
    }
}

fn messages(view: &SourceView<'_>, source: &str) -> Markup {
    let table_rows: Vec<_> = rows(view.messages)
        .iter()
        .map(|message| {
            vec![
                row_link(
                    &link(&["app", source, "message", text(message, "id")]),
                    text(message, "eventType"),
                    text(message, "eventId"),
                ),
                id(text(message, "id")),
                time(text(message, "timestamp")),
            ]
        })
        .collect();
    card(
        "Verified requests",
        html! { @if !table_rows.is_empty() { a.btn.sm href=(link(&["app", source, "messages"])) { "All messages" } } },
        html! {
            @if table_rows.is_empty() { (empty("source", "No event yet", html! { "What the provider sends shows here by itself." }, html! {})) }
            @else { (table(&["Event", "Id", "#Accepted"], &table_rows)) }
        },
    )
}

fn rejections(view: &SourceView<'_>, source: &str) -> Markup {
    html! {
        section.card {
            header { div.grow { h2 { "Rejected requests" } } (causes(rows(view.rejected))) }
            @if rows(view.rejected).is_empty() { (empty("shield", "Nothing was rejected", html! { "Requests whose signature is wrong are kept here, with the reason." }, html! {})) }
            @else {
                ul.list { @for one in rows(view.rejected) {
                    @let reason = one.get("reason").cloned().unwrap_or_default();
                    @let accepted = one.get("accepted").is_some_and(Value::is_array);
                    li {
                        span class={ "ico " (if accepted { "ok i-check" } else { "bad i-bad" }) } {}
                        div.grow { a.t1.clip.blk href=(link(&["app", source, "rejected", text(one, "id")])) title=(text(&reason, "detail")) { (text(&reason, "detail")) }
                            div.tiny.muted { code { (text(&reason, "code")) } ", " (bytes(int(one, "bodySize"))) @if accepted { ", accepted by hand" } } }
                        span.small.muted.nw { (time(text(one, "timestamp"))) }
                    }
                } }
            }
            (pager("", None, next(view.rejected).map(|next| format!("{}?{}", link(&["app", source]), query(&[("iterator", Some(next))])))))
        }
    }
}

/// How often each cause is among these.
fn causes(all: &[Value]) -> Markup {
    let mut causes: Vec<(&str, usize)> = Vec::new();
    for one in all {
        let code = one.pointer("/reason/code").and_then(Value::as_str).unwrap_or_default();
        match causes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, times)) => *times = times.saturating_add(1),
            None => causes.push((code, 1)),
        }
    }
    html! { @for (code, times) in causes.iter().take(4) { span.tag { (times) " × " (code) } " " } }
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
            (part(0), part(1))
        })
        .collect();
    let (accept, accepts) = ask(
        "Accept this request…",
        "pri i-check",
        Question {
            id: "accept",
            title: "Accept this request?",
            says: html! { p { "Its signature was wrong. It is delivered all the same, as if the signature had been right." } },
            to,
            proof: session.proof(),
            word: "Accept by hand",
            typed: None,
            fields: Vec::new(),
        },
    );
    let can = accepted.is_none() && flag(one, "bodyComplete") && session.app.is_none();
    html! {
        (head("Rejected request", pill("bad", "bad", text(&reason, "code")), &[
            html! { "Received " (time(text(one, "timestamp"))) }, id(text(one, "id")), html! { (bytes(int(one, "bodySize"))) },
        ], html! { @if can { (accept) } }))
        (result())
        (note("bad", "key", html! { p.fault { b { (text(&reason, "detail")) } }
            @if session.app.is_none() { p { a href=(link(&["app", source])) { "Check the source's secret" } ", then have the provider send it again." } } }, html! {}))
        @if let Some(accepted) = accepted {
            (note("ok", "check", html! { p { "Accepted by hand: "
                @for message in accepted.as_array().into_iter().flatten().filter_map(Value::as_str) { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } } }, html! {}))
        } @else if !flag(one, "bodyComplete") {
            (note("", "clock", html! { p { "Only the beginning of the body was kept, so it cannot be accepted. Have the provider send it again." } }, html! {}))
        }
        (card("How it was checked", html! {}, html! { div.body { (steps(&reason, one, &headers)) } }))
        div.grid {
            div.w6 { (card("Headers", html! { span.small.muted { "Secrets are masked" } }, html! { div.body {
                dl.kv.headers { @for (name, value) in &headers { dt.mono { (name) } dd.mono { (value) } } }
            } })) }
            div.w6 { (card("Body", html! {}, html! {
                @match one.get("body").and_then(Value::as_str) {
                    Some(body) if serde_json::from_str::<&serde_json::value::RawValue>(body).is_ok() => pre.code.nonum tabindex="0" role="region" aria-label="Body" { span.ln.wrapl { (excerpt(body, BODY).0) } },
                    Some(body) => pre.code.plain tabindex="0" { (excerpt(body, BODY).0) },
                    None => { p.says { "It is no text. In base64:" } pre.code.plain tabindex="0" { (excerpt(text(one, "rawBody"), BODY).0) } },
                }
            })) }
        }
        @if can { (accepts) }
    }
}

/// What was looked at, in order, down to where it failed. Nothing is said of what was not looked at.
fn steps(reason: &Value, one: &Value, headers: &[(&str, &str)]) -> Markup {
    let code = text(reason, "code");
    // What was compared, where something was; else it ended before there was anything to compare.
    let looked = matches!(
        code,
        "mismatch"
            | "wrong_token"
            | "body_changed"
            | "too_old"
            | "too_new"
            | "expired"
            | "not_yet_valid"
            | "claim"
    );
    let late = matches!(code, "too_old" | "too_new" | "expired" | "not_yet_valid");
    let signatures: Vec<_> = headers
        .iter()
        .filter(|(name, _)| {
            let name = name.to_lowercase();
            ["signature", "hmac", "webhook-id", "timestamp"].iter().any(|word| name.contains(word))
        })
        .collect();
    let step = |good: bool, title: &str, more: Markup| html! { li { span class={ "ico " (if good { "ok i-check" } else { "bad i-x" }) } {} div.stack.s2 { h3 { (title) } (more) } } };
    html! {
        ol.steps {
            (step(true, "The request reached this source", html! { p.small.muted { code { (text(one, "method")) " " (text(one, "url")) } } }))
            @if !looked { (step(false, text(reason, "detail"), html! { p.small.muted { "Headers that came: " (headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")) } })) }
            @else {
                @if !signatures.is_empty() { (step(true, "It brings what signatures are made of", html! { div.code.box.nonum tabindex="0" role="region" aria-label="Headers of the signature" { @for (name, value) in signatures { span.ln.wrapl { span.k { (name) } ": " (value) } } } })) }
                (step(false, text(reason, "detail"), html! { p.small.muted {
                    @if late { "The time that was signed is compared with the clock here: a copied request cannot be sent again later." }
                    @else if code == "mismatch" { "The signature was computed with every secret of this source, over what the provider says that it signs, with the body's " (bytes(int(one, "bodySize"))) " as they came." }
                } }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn causes_are_counted() {
        let all = ["a", "b", "a"].map(|code| json!({ "reason": { "code": code } }));
        let shown = causes(&all).into_string();
        assert!(shown.contains("2 × a") && shown.contains("1 × b"), "{shown}");
    }

    #[test]
    fn the_steps_end_where_it_failed() {
        let one = json!({ "method": "POST", "url": "/in/x", "bodySize": 9 });
        let of = |code: &str| {
            steps(&json!({ "code": code, "detail": "why" }), &one, &[("x-hub-signature-256", "sha256=1")])
                .into_string()
        };
        assert!(of("mismatch").contains("x-hub-signature-256") && of("mismatch").contains("9 bytes"));
        assert!(of("too_old").contains("clock"));
        assert!(!of("header_missing").contains("brings what"));
    }
}
