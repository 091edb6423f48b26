//! The page of an endpoint: its state, what it gets, its attempts, and what one can do with it.

use super::app::{event_boxes, events_of};
use super::form::{
    Field, Form, Kind, copied, facts, field, folded, hidden, mono, plain, result, shown, table,
};
use super::message::attempts;
use super::{breaker, button, endpoint_state, more, pretty, time};
use crate::data::{flag, int, items, lines, link, next, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// What the page of an endpoint shows.
pub(crate) struct EndpointView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) endpoint: &'a Value,
    pub(crate) stats: &'a Value,
    pub(crate) headers: &'a Value,
    pub(crate) plugins: &'a Value,
    pub(crate) attempts: &'a Value,
    pub(crate) event_types: &'a Value,
    /// The plugins that could be attached.
    pub(crate) store: &'a Value,
    /// The event by which the provider that it sends as tests endpoints.
    pub(crate) test_event: Option<&'a str>,
    /// The status that attempts are limited to.
    pub(crate) status: Option<&'a str>,
    /// Until when the secret before this one signs, too, if it does.
    pub(crate) old_secret_until: Option<&'a str>,
    /// Whether these are the newest attempts, which change by themselves.
    pub(crate) newest: bool,
}

/// What a pace counts by.
const WINDOWS: [(&str, &str); 3] = [("second", "a second"), ("minute", "a minute"), ("hour", "an hour")];
/// In which order deliveries are made.
const ORDERS: [(&str, &str); 2] = [("", "as fast as it goes"), ("fifo", "one after the other, in order")];
/// What becomes of a delivery when a plugin fails.
const ON_ERROR: [(&str, &str); 3] =
    [("hold", "hold it, and try again"), ("deliver", "deliver it without the plugin"), ("drop", "drop it")];
/// How long the secret before goes on signing.
const GRACE: [(&str, &str); 4] =
    [("86400", "a day"), ("3600", "an hour"), ("604800", "a week"), ("0", "no longer")];
/// What can be sent again.
const AGAIN: [(&str, &str); 3] = [
    ("recover", "what failed"),
    ("replay-missing", "what was never tried"),
    ("bulk-replay", "what was tried, whatever came of it"),
];
/// How the newest attempt of what is sent again ended.
const ENDED: [(&str, &str); 4] = [("", "any"), ("0", "delivered"), ("2", "failed"), ("4", "filtered")];

/// An endpoint.
pub(crate) fn endpoint(view: &EndpointView<'_>) -> Markup {
    let EndpointView { session, endpoint, stats, .. } = view;
    let id = text(endpoint, "id");
    let here = link(&["app", view.app, "endpoint", id]);
    let to = |what: &str| format!("{here}/{what}");
    let proof = ("_proof", session.proof());
    let flip = |name: &str| if flag(endpoint, name) { "false" } else { "true" };
    let (disabled, paused) = (flag(endpoint, "disabled"), flag(endpoint, "paused"));
    let number = |name: &str| plain(&int(stats, name).to_string());
    html! {
        div id="live" hx-get=[view.newest.then_some(&here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#live")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            (facts(&[
                ("State", html! { (endpoint_state(endpoint)) " " (breaker(stats)) }),
                ("Delivered, 28 days", number("success")),
                ("Failed", number("fail")),
                ("Filtered", number("canceled")),
                ("Pending", number("pending")),
                ("Waiting for a retry", number("sending")),
                ("Old secret signs, too", html! { @if let Some(until) = view.old_secret_until { "until " (time(until)) } }),
                ("Events", events_of(endpoint)),
                ("Sends as", plain(text(endpoint, "preset"))),
                ("Id", copied(id)),
                ("Created", time(text(endpoint, "createdAt"))),
            ]))
        }
        @if !text(endpoint, "description").is_empty() { p { (text(endpoint, "description")) } }
        div.actions {
            (button(&to("toggle"), if disabled { "Enable" } else { "Disable" }, None, None, &[proof, ("disabled", flip("disabled"))]))
            (button(&to("pause"), if paused { "Go on" } else { "Pause" }, None, None, &[proof, ("paused", flip("paused"))]))
            (button(&to("secret"), "Show the secret", Some("#result"), None, &[]))
            (button(&to("delete"), "Delete", None, Some("Delete this endpoint for good, with what waits for it?"), &[proof]))
        }
        p.dim { "While it is paused, what is accepted waits for it; what is accepted while it is disabled passes by." }
        (result())
        @if session.app.is_none() { (test(view, to("test"))) }
        (folded("Send again", false, &Form { to: to("count"), proof: session.proof(), word: "Count", fields: vec![
            field("what", "What", Kind::Choice(&AGAIN)),
            field("since", "Accepted since", Kind::Text).hint("2026-11-22T00:00:00Z").required(),
            field("until", "Until (empty: now; at most 14 days)", Kind::Text).hint("2026-11-23T00:00:00Z"),
            field("eventTypes", "Only these event types", Kind::Text).hint("user.created, user.deleted"),
            field("channel", "Only with this channel", Kind::Text),
            field("tag", "Only with this tag", Kind::Text),
            field("status", "Only where the newest attempt was", Kind::Choice(&ENDED)),
        ], more: html! {
            p.dim { "The last four choose among what was tried." }
            p { a href={ (link(&["app", view.app, "messages"])) "?status=2&endpoint=" (id) } { "Or tick single messages" } }
        } }))
        (folded("Change it", false, &Form { to: to("edit"), proof: session.proof(), word: "Save", fields: edited(endpoint),
            more: event_boxes(view.event_types, &texts(endpoint, "eventTypes")) }))
        (folded("Rotate the secret", false, &Form { to: to("rotate"), proof: session.proof(), word: "Rotate", fields: vec![
            field("grace", "The old secret goes on signing, beside the new one, for", Kind::Choice(&GRACE)),
        ], more: html! {} }))
        (headers(view, &to("header")))
        (plugins(view, &here))
        h2 { "Attempts" }
        nav.tabs aria-label="Attempts by status" {
            @for (word, value) in [("all", None), ("success", Some("0")), ("failed", Some("2")), ("filtered", Some("4"))] {
                a href={ (here) @if let Some(value) = value { "?status=" (value) } } aria-current=[(view.status == value).then_some("page")] { (word) }
            }
        }
        (attempts(view.app, view.attempts, true))
        (more(next(view.attempts).map(|next| {
            format!("{here}?{}", crate::data::query(&[("status", view.status), ("iterator", Some(next))]))
        })))
    }
}

/// The fields of the form that changes an endpoint, besides its events.
fn edited(endpoint: &Value) -> Vec<Field<'static>> {
    let number = |of: Option<&Value>| of.and_then(Value::as_i64).map(|n| n.to_string()).unwrap_or_default();
    let within = |name: &str, part: &str| endpoint.get(name).and_then(|of| of.get(part));
    let scheme = endpoint.get("scheme").filter(|scheme| !scheme.is_null());
    vec![
        field("url", "URL", Kind::Url).value(text(endpoint, "url")).required(),
        field("description", "Description", Kind::Text).value(text(endpoint, "description")),
        field("throttleRate", "Requests a second at most (empty: no limit)", Kind::Text)
            .value(number(endpoint.get("throttleRate"))),
        field("paceLimit", "Or requests in a window at most", Kind::Text)
            .value(number(within("pace", "limit"))),
        field("paceWindow", "The window", Kind::Choice(&WINDOWS))
            .value(within("pace", "window").and_then(Value::as_str).unwrap_or_default()),
        field("order", "Order", Kind::Choice(&ORDERS)).value(text(endpoint, "order")),
        field("batchEvents", "Events in one request at most (empty: one)", Kind::Text)
            .value(number(within("batch", "maxEvents"))),
        field("batchWait", "How long the first may wait for others, in milliseconds", Kind::Text)
            .value(number(within("batch", "maxWaitMs"))),
        field("preset", "Send as this provider (a preset's name; empty: as this gateway)", Kind::Text)
            .value(text(endpoint, "preset"))
            .hint("loops"),
        field("presetParams", "What the preset leaves open, a line each", Kind::Area(2))
            .value(lines(endpoint.get("presetParams")))
            .hint("name: value"),
        field("scheme", "The scheme of the preset custom, as JSON", Kind::Area(3))
            .value(scheme.map(pretty).unwrap_or_default()),
    ]
}

fn test(view: &EndpointView<'_>, to: String) -> Markup {
    let chosen = view.test_event.or_else(|| texts(view.endpoint, "eventTypes").first().copied());
    let fields = vec![
        field("eventType", "Event type", Kind::Of("types")).value(chosen.unwrap_or_default()).required(),
        field("payload", "Payload (optional; else the event type's own example)", Kind::Area(4))
            .hint("{\"id\": 1}"),
    ];
    let more = html! { datalist id="types" { @for event in rows(view.event_types) { option value=(text(event, "name")) {} } } };
    folded("Send a test event", false, &Form { to, proof: view.session.proof(), word: "Send", fields, more })
}

fn headers(view: &EndpointView<'_>, to: &str) -> Markup {
    let shown = view.headers.get("headers").and_then(Value::as_object).into_iter().flatten();
    let shown = shown.map(|(name, value)| (name.as_str(), plain(value.as_str().unwrap_or_default())));
    let secret =
        texts(view.headers, "sensitive").into_iter().map(|name| (name, html! { span.dim { "hidden" } }));
    let table_rows: Vec<_> = shown
        .chain(secret)
        .map(|(name, value)| {
            vec![
                mono(name),
                value,
                button(to, "Remove", None, None, &[("_proof", view.session.proof()), ("name", name)]),
            ]
        })
        .collect();
    html! {
        h2 { "Headers" }
        (table(&["Name", "Value", "Actions"], &table_rows, "None besides the gateway's own."))
        (folded("Set a header", false, &Form { to: to.to_owned(), proof: view.session.proof(), word: "Set", fields: vec![
            field("name", "Name", Kind::Text).hint("x-team").required(),
            field("value", "Value", Kind::Text).required(),
        ], more: html! {} }))
    }
}

fn plugins(view: &EndpointView<'_>, here: &str) -> Markup {
    let attached = items(view.plugins, "plugins");
    let last = attached.len().saturating_sub(1);
    let proof = view.session.proof();
    let form = |name: Field<'static>, plugin: &Value, at: String, word| Form {
        to: format!("{here}/plugin"),
        proof,
        word,
        fields: vec![
            hidden("at", at),
            name,
            field("version", "Version (empty: the current one)", Kind::Text).value(text(plugin, "version")),
            field("onError", "When it fails", Kind::Choice(&ON_ERROR)).value(text(plugin, "onError")),
            field("config", "Configuration (JSON)", Kind::Area(3)).value(
                plugin.get("config").filter(|config| !config.is_null()).map(pretty).unwrap_or_default(),
            ),
        ],
        more: html! {},
    };
    html! {
        h2 { "Plugins" }
        p.dim { "Each delivery passes them in this order." }
        @if attached.is_empty() { p.dim { "None." } }
        ol { @for (at, plugin) in attached.iter().enumerate() {
            @let index = at.to_string();
            @let one = |what: &str, word: &str| button(&format!("{here}/plugin-{what}"), word, None, None, &[("_proof", proof), ("at", &index)]);
            li {
                b { (text(plugin, "name")) } " " code { (text(plugin, "runningVersion").get(..12).unwrap_or(text(plugin, "runningVersion"))) }
                @if text(plugin, "version").is_empty() { span.dim { ", follows the current version" } }
                span.dim { ", when it fails: " (text(plugin, "onError")) } " "
                @if at > 0 { (one("up", "Up")) " " }
                @if at < last { (one("down", "Down")) " " }
                (one("off", "Detach"))
                (folded("Change it", false, &form(hidden("name", text(plugin, "name")), plugin, index.clone(), "Save")))
            }
        } }
        (folded("Attach a plugin", false, &form(field("name", "Name", Kind::Text).hint("redact-pii").required(), &Value::Null, String::new(), "Attach")))
        @if !rows(view.store).is_empty() {
            p.dim { "There are: " @for plugin in rows(view.store) { code { (text(plugin, "name")) } " " } }
        }
    }
}

/// How much would be sent again (`words`: one, several), and the button that does it.
pub(crate) fn counted(
    session: &Session,
    to: String,
    count: &Value,
    words: [&str; 2],
    asked: Vec<Field<'_>>,
) -> Markup {
    let messages = int(count, "messages");
    let complete = flag(count, "complete");
    let [one, several] = words;
    html! {
        div.task role="status" {
            @if messages == 0 && complete { p { "There is nothing to send again." } } @else {
                p { @if !complete { "At least " } b { (messages) } " " (if messages == 1 { one } else { several }) " would be sent again."
                    @if !complete { " There is more than is counted at once: the whole period is gone through." } }
                (super::form::show(&Form { to, proof: session.proof(), word: "Send them again", fields: asked, more: html! {} }))
            }
        }
    }
}

/// The secret that signs, on demand.
pub(crate) fn secret(answer: &Value) -> Markup {
    secret_of(text(answer, "key"), "The secret that signs:")
}

/// What is to be kept secret, with what to do with it.
pub(crate) fn secret_of(key: &str, sentence: &str) -> Markup {
    html! { p role="status" { (sentence) } (shown(key)) }
}
