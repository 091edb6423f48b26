//! The pages of sources: their URLs, rejected requests and the reasons.

use super::app::{AppView, endpoints, sections};
use super::form::{Field, Form, Kind, button, field, result};
use super::layout::{Question, ask};
use super::parts::{
    Sorted, bytes, card, dialog, empty, excerpt, head, id, menu, note, opener, paged, pager, pill, row_link,
    shown, table, time,
};
use super::pretty;
use crate::Request;
use crate::data::{flag, int, is_first, items, link, query, rows, text, texts};
use crate::session::Session;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::Value;

/// How much of a rejected body is shown, in bytes of HTML.
const BODY: usize = 16_000;

/// What happens to events with an invalid signature.
const UNVERIFIED: [(&str, &str); 2] = [
    ("reject", "Reject them and list them for inspection"),
    ("accept", "Deliver them, marked as unverified"),
];

/// How long the previous URL stays valid.
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
        (head("Sources", html! {}, &[html! { "URLs that receive webhooks from providers. Events are verified, stored and delivered to your endpoints." }], new()))
        section.card {
            @if table_rows.is_empty() { (empty("source", "There are no sources yet", html! { "A source is a URL that receives a provider's webhooks. They are verified, stored and delivered to its endpoints." }, new())) }
            @else { (table(&["Source", "Provider", "Id", "#Created"], &table_rows)) }
            (pager(Sorted::ByTime, page, |iterator| paged(&link(&["sources"]), iterator)))
        }
    }
}

/// The color, icon and label of a preset's confidence.
fn confidence(word: &str) -> (&'static str, &'static str, &'static str) {
    match word {
        "verified" => ("ok", "shield", "Verified"),
        "documented" => ("info", "book", "Documented"),
        _ => ("warn", "bad", "Unconfirmed"),
    }
}

/// The first step of a new source: the provider. `wanted` is the search text.
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
            @if found.is_empty() { section.card { (empty("search", "No matching provider", html! { "Many providers use the scheme of another one. Select a scheme below, or accept events without verification." }, html! { a.btn href=(here) { "Show all" } })) } }
            div.tiles id="providers" {
                @for preset in &found {
                    @let (class, icon, word) = confidence(text(preset, "confidence"));
                    a.tile href={ "?" (query(&[("type", Some(text(preset, "name")))])) } { b { (text(preset, "title")) } span class={ "ico " (class) " i-" (icon) } title=(word) {} }
                }
                @for (name, title, about) in OWN { a.tile href={ "?type=" (name) } title=(about) { b { (title) } } }
            }
            div.legend { @for word in ["verified", "documented", "unconfirmed"] { @let (class, icon, word) = confidence(word); (pill(class, icon, word)) } span { "against signatures of the provider, against its documentation, or not at all" } }
        }
    }
}

/// The second step: the secret and advanced settings.
fn secret_of(session: &Session, name: &str, title: &str, preset: Option<&Value>, here: &str) -> Markup {
    let (class, icon, word) = confidence(preset.map(|preset| text(preset, "confidence")).unwrap_or_default());
    let docs = preset.map(|preset| text(preset, "docs")).filter(|docs| docs.starts_with("https://"));
    let (basic, more) = settings(&Value::Null, "Secret", name == "custom");
    let mut fields =
        vec![super::form::hidden("type", name), field("name", "Name", Kind::Text).value(title).required()];
    fields.extend(basic);
    let mut advanced = vec![field("uid", "Uid", Kind::Text).hint("Your own id.")];
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

/// The settings of a source: basic and advanced.
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
        field("unverified", "Events with an invalid signature", Kind::Choice(&UNVERIFIED))
            .value(text(&options, "unverified")),
        field("params", "Account values that the provider signs", Kind::Area(2))
            .example("name: value")
            .hint("One per line. Few providers need this."),
        field("forwardHeaders", "Headers to forward", Kind::Text)
            .value(texts(&options, "forwardHeaders").join(", "))
            .example("x-request-id, x-topic"),
        field("eventType", "Event type", Kind::Text)
            .value(text(&options, "eventType"))
            .hint("For events without a type of their own."),
        field("dedupWindowSeconds", "Drop duplicates for", Kind::Number)
            .value(number("dedupWindowSeconds"))
            .unit("seconds"),
        field("url", "URL that the provider calls", Kind::Text)
            .value(text(&options, "url"))
            .hint("If it differs from the URL shown here, for example behind a proxy."),
    ];
    (basic, more)
}

/// The data of a source's page.
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
            says: html! { p { "Its URL stops working immediately. Its endpoints, messages and pending deliveries are deleted. This cannot be undone." } },
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
                @if signs(source) { (opener("test-source", "i-bolt", "Send test event")) }
                (opener("edit-source", "i-edit", "Edit source"))
                (button(&to("portal"), "i-external", "Link to this source alone", Some("#result"), &[]))
                (menu("More", html! { (opener("rotate", "i-key", "Replace URL…")) (delete) }))
            }
            @if !rows(view.app.endpoints).is_empty() { (opener("new-endpoint", "pri i-plus", "Add endpoint")) }
        }))
        (result())
        @if own {
            section.card { div.urlrow { div.grow { p.tiny.muted { "Give the provider this URL. Keep it secret: anyone who knows it can send events." } (shown(text(source, "ingestUrl"))) } } }
            @for warning in texts(source, "warnings") {
                (note("warn", "key", html! { p { b { (warning) } } }, opener("edit-source", "sm", "Set the secret")))
            }
        }
        (sections(source_id, "Source"))
        // An older page of rejected requests does not change.
        @let polls = is_first(view.rejected);
        div.grid id="live" hx-get=[polls.then_some(&here)] hx-trigger=[polls.then_some("every 5s")] hx-select="#live" hx-swap="outerHTML" hx-disinherit="*" {
            div.w6 { (messages(view, source_id)) }
            div.w6 { (rejections(view, source_id)) }
        }
        (endpoints(view.app))
        @if own {
            (dialog("rotate", "Replace the URL", super::form::show(&Form { id: "rotate-form", to: to("rotate-token"), proof: session.proof(), word: "Replace URL", fields: vec![
                field("grace", "The previous URL stays valid for", Kind::Choice(&GRACE)),
            ], more: html! {} })))
            @if signs(source) { (dialog("test-source", "Send a test event", test(session, to("test-source")))) }
            (dialog("edit-source", "Edit source", edit(session, source, to("edit-source"))))
            (deletes)
        }
    }
}

/// Whether the gateway can sign events of the source's provider.
fn signs(source: &Value) -> bool {
    !matches!(text(source, "type"), "" | "custom" | "generic-webhook")
}

/// The form that creates a signed test event.
fn test(session: &Session, to: String) -> Markup {
    super::form::show(&Form {
        id: "test-form",
        to,
        proof: session.proof(),
        word: "Create command",
        fields: vec![
            field("payload", "Payload", Kind::Area(4)).value("{\"test\": true}").required(),
            field("headers", "Headers", Kind::Area(2))
                .example("x-github-event: push")
                .hint("One per line: what the provider sends besides the signature."),
            field("secret", "Secret", Kind::Secret)
                .hint("The secret of this source. It signs this event and is not stored again."),
        ],
        more: html! {},
    })
}

fn edit(session: &Session, source: &Value, to: String) -> Markup {
    let (basic, more) = settings(source, "New secret", text(source, "type") == "custom");
    html! {
        p.small.muted { "Leave the secret empty to keep the current one." }
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
            @if table_rows.is_empty() { (empty("source", "No event yet", html! { "Verified events appear here automatically." }, html! {})) }
            @else { (table(&["Event", "Id", "#Accepted"], &table_rows)) }
        },
    )
}

fn rejections(view: &SourceView<'_>, source: &str) -> Markup {
    html! {
        section.card {
            header { div.grow { h2 { "Rejected requests" } } (causes(rows(view.rejected))) }
            @if rows(view.rejected).is_empty() { (empty("shield", "Nothing was rejected", html! { "Requests with an invalid signature are listed here, with the reason." }, html! {})) }
            @else {
                ul.list { @for one in rows(view.rejected) {
                    @let reason = one.get("reason").cloned().unwrap_or_default();
                    @let accepted = one.get("accepted").is_some_and(Value::is_array);
                    li {
                        span class={ "ico " (if accepted { "ok i-check" } else { "bad i-bad" }) } {}
                        div.grow { a.t1.clip.blk href=(link(&["app", source, "rejected", text(one, "id")])) title=(text(&reason, "detail")) { (text(&reason, "detail")) }
                            div.tiny.muted { code { (text(&reason, "code")) } ", " (bytes(int(one, "bodySize"))) @if accepted { ", accepted manually" } } }
                        span.small.muted.nw { (time(text(one, "timestamp"))) }
                    }
                } }
            }
            (pager(Sorted::ByTime, view.rejected, |iterator| paged(&link(&["app", source]), iterator)))
        }
    }
}

/// The number of rejected requests by cause.
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

/// The page of a rejected request.
pub(crate) fn rejected(session: &Session, about: &Value, one: &Value) -> Markup {
    let source = text(about, "id");
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
            says: html! { p { "Its signature is invalid. It is delivered as if the signature were valid." } },
            to,
            proof: session.proof(),
            word: "Accept request",
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
            @if session.app.is_none() && is_about_the_secret(text(&reason, "code")) && can && verifies(about) { p { a href="#check-form" { "Check another secret" } ", or ask the provider to resend the event after you have changed it." } }
            @else if session.app.is_none() { p { a href=(link(&["app", source])) { "Check the settings of the source" } ", then ask the provider to resend the event." } } }, html! {}))
        @if let Some(accepted) = accepted {
            (note("ok", "check", html! { p { @if accepted.as_array().is_some_and(Vec::is_empty) { "Accepted manually. Its events were already stored, so nothing new is delivered." } @else { "Accepted manually and delivered: " }
                @for message in accepted.as_array().into_iter().flatten().filter_map(Value::as_str) { a href=(link(&["app", source, "message", message])) { code { (message) } } " " } } }, html! {}))
        } @else if !flag(one, "bodyComplete") {
            (note("", "clock", html! { p { "Only the start of the body was stored, so the request cannot be accepted. Ask the provider to resend it." } }, html! {}))
        }
        (card("How it was checked", html! {}, html! { div.body { (steps(&reason, one, &headers)) } }))
        @if can && verifies(about) && is_about_the_secret(text(&reason, "code")) { (check(session, source, text(one, "id"))) }
        div.grid {
            div.w6 { (card("Headers", html! { span.small.muted { "Secrets are masked" } }, html! { div.body {
                dl.kv.headers { @for (name, value) in &headers { dt.mono { (name) } dd.mono { (value) } } }
            } })) }
            div.w6 { (card("Body", html! {}, html! {
                @match one.get("body").and_then(Value::as_str) {
                    Some(body) if serde_json::from_str::<&serde_json::value::RawValue>(body).is_ok() => pre.code.nonum tabindex="0" role="region" aria-label="Body" { span.ln.wrapl { (excerpt(body, BODY).0) } },
                    Some(body) => pre.code.plain tabindex="0" { (excerpt(body, BODY).0) },
                    None => { p.says { "Binary body, in base64:" } pre.code.plain tabindex="0" { (excerpt(text(one, "rawBody"), BODY).0) } },
                }
            })) }
        }
        @if can { (accepts) }
    }
}

/// Whether the source has a scheme that verifies requests.
fn verifies(source: &Value) -> bool {
    let own = source.pointer("/config/custom/scheme").is_some_and(|scheme| !scheme.is_null());
    own || !text(source, "preset").is_empty()
}

/// The form that checks a rejected request with another secret.
fn check(session: &Session, source: &str, id: &str) -> Markup {
    let params = field("params", "Account values that the provider signs", Kind::Area(2))
        .example("name: value")
        .hint("One per line. Few providers need this.");
    let form = Form {
        id: "check-form",
        to: format!("{}/check", link(&["app", source, "rejected", id])),
        proof: session.proof(),
        word: "Check",
        fields: vec![field("secret", "Secret", Kind::Secret).hint("As the provider shows it.").required()],
        more: html! { details.more-fields { summary { "More settings" } (params.show("check-form")) } },
    };
    card(
        "Check another secret",
        html! { span.small.muted { "Nothing is stored or delivered" } },
        html! { div.body.stack {
            p.small.muted { "Verifies this request with a secret, as if it had just arrived, and shows what was signed. If the secret is correct, you can save it and accept the request." }
            (super::form::show(&form))
        } },
    )
}

/// Whether another secret could make the request valid.
fn is_about_the_secret(code: &str) -> bool {
    matches!(code, "mismatch" | "no_secret" | "secret_unusable")
}

/// The subject of a check: a rejected request, its source, and the form with the secret.
pub(crate) struct Checked<'a> {
    pub(crate) source: &'a Value,
    pub(crate) kept: &'a Value,
    pub(crate) request: &'a Request,
}

/// Whether a request is valid.
pub(crate) fn is_good(verdict: &Value) -> bool {
    matches!(text(verdict, "verdict"), "verified" | "authenticated")
}

/// The button that saves the secret and accepts the request.
fn adopt(of: &Checked<'_>) -> Markup {
    let Checked { source, kept, request } = of;
    let to = link(&["app", text(source, "id"), "rejected", text(kept, "id"), "adopt"]);
    let given = ["secret", "params"].map(|name| (name, request.field(name).unwrap_or_default()));
    let given: Vec<_> = given.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let replaces = match int(source, "secrets") {
        0 => "The source has no secret yet.",
        1 => "It replaces the current secret of the source.",
        _ => "It replaces all current secrets of the source.",
    };
    html! {
        p.small { (replaces) " The request is then delivered." }
        div.row { (button(&to, "pri i-check", "Save this secret and accept", Some("#adopted"), &given)) }
        div.out id="adopted" aria-live="polite" {}
    }
}

/// The result of verifying a rejected request with a secret: what was signed, and where the signatures differ.
pub(crate) fn checked(verdict: &Value, of: &Checked<'_>) -> Markup {
    let reason = verdict.get("reason").cloned().unwrap_or_default();
    if is_good(verdict) {
        let good = html! { p role="status" { b { "The request is valid with this secret." } } (adopt(of)) };
        return note("ok", "check", good, html! {});
    }
    let masked = items(of.kept, "headers").iter().any(|pair| pair.get(1).is_some_and(|value| value == "***"));
    let compared = verdict.get("compared").filter(|compared| compared.is_object());
    let lines = |all: Vec<&str>| html! { @for one in all { span.ln.wrapl { (one) } } };
    html! {
        (note("bad", "bad", html! {
            p role="status" { b { (text(&reason, "detail")) } }
            @if masked && text(&reason, "code") != "mismatch" { p { "Headers with credentials are not stored, so they cannot be checked." } }
        }, html! {}))
        @if let Some(compared) = compared {
            @let content = STANDARD.decode(text(compared, "content")).unwrap_or_default();
            @let content = String::from_utf8(content).unwrap_or_else(|_| text(compared, "content").to_owned());
            h3 { "Signed content, " (bytes(int(compared, "contentSize"))) @if flag(compared, "hashed") { ", of which the SHA-256 is signed" } }
            pre.code.plain tabindex="0" role="region" aria-label="Signed content" { (excerpt(&content, BODY).0) }
            h3 { "Signature in the request" }
            div.code.box.nonum tabindex="0" role="region" aria-label="Signature in the request" { (lines(texts(compared, "received"))) }
            @if !texts(compared, "expected").is_empty() {
                h3 { "Signature with this secret" }
                div.code.box.nonum tabindex="0" role="region" aria-label="Signature with this secret" { (lines(texts(compared, "expected"))) }
            }
        }
    }
}

/// The checks in order, up to the one that failed. Checks that were not made are not listed.
fn steps(reason: &Value, one: &Value, headers: &[(&str, &str)]) -> Markup {
    let code = text(reason, "code");
    // These failed in a comparison; all others failed before it.
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
            @if !looked { (step(false, text(reason, "detail"), html! { p.small.muted { "Headers received: " (headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")) } })) }
            @else {
                @if !signatures.is_empty() { (step(true, "The signature headers are present", html! { div.code.box.nonum tabindex="0" role="region" aria-label="Headers of the signature" { @for (name, value) in signatures { span.ln.wrapl { span.k { (name) } ": " (value) } } } })) }
                // The note above the steps has the whole sentence.
                (step(false, if code == "mismatch" { "The signature does not match" } else { text(reason, "detail") }, html! { p.small.muted {
                    @if late { "The signed time is compared with the current time, so that a captured request cannot be replayed later." }
                    @else if code == "mismatch" { "The signature was computed with every secret of this source, over the content that the provider signs, with the " (bytes(int(one, "bodySize"))) " of the body as received." }
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
    fn a_check_shows_what_was_signed_and_both_signatures() {
        let reason = json!({ "code": "mismatch", "detail": "It does not match." });
        let compared = json!({ "content": STANDARD.encode("1.{}"), "contentSize": 4, "hashed": false, "received": ["aa"], "expected": ["bb"] });
        let (source, kept) = (
            json!({ "id": "src_1", "secrets": 1 }),
            json!({ "id": "rej_1", "headers": [["authorization", "***"]] }),
        );
        let form = vec![("secret".to_owned(), "<s3cret>".to_owned())];
        let request = Request { form, ..Request::default() };
        let of = Checked { source: &source, kept: &kept, request: &request };
        let shown = checked(&json!({ "verdict": "failed", "reason": reason, "compared": compared }), &of)
            .into_string();
        for part in ["It does not match.", ">1.{}<", ">aa<", ">bb<", "4 bytes"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let good = checked(&json!({ "verdict": "verified", "reason": null }), &of).into_string();
        for part in [
            "valid with this secret",
            "/app/src_1/rejected/rej_1/adopt",
            "value=\"&lt;s3cret&gt;\"",
            "replaces the current",
        ] {
            assert!(good.contains(part), "{part} in {good}");
        }
        let missing =
            json!({ "verdict": "failed", "reason": { "code": "header_missing", "detail": "No token." } });
        assert!(checked(&missing, &of).into_string().contains("not stored"));
        let nothing = checked(&json!({ "verdict": "unattempted", "reason": null }), &of).into_string();
        assert!(!nothing.contains("adopt"), "{nothing}");
    }

    #[test]
    fn sources_with_a_preset_or_a_scheme_of_their_own_verify_requests() {
        assert!(verifies(&json!({ "type": "open-ai", "preset": "openai" })));
        assert!(verifies(
            &json!({ "type": "custom", "preset": null, "config": { "custom": { "scheme": {} } } })
        ));
        assert!(!verifies(&json!({ "type": "generic-webhook", "preset": null })));
    }

    #[test]
    fn the_steps_end_where_it_failed() {
        let one = json!({ "method": "POST", "url": "/in/x", "bodySize": 9 });
        let of = |code: &str| {
            steps(&json!({ "code": code, "detail": "why" }), &one, &[("x-hub-signature-256", "sha256=1")])
                .into_string()
        };
        assert!(of("mismatch").contains("x-hub-signature-256") && of("mismatch").contains("9 bytes"));
        assert!(of("too_old").contains("current time"));
        assert!(!of("header_missing").contains("brings what"));
    }
}
