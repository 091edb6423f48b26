//! The page of an endpoint: how it does, what came of its attempts, and everything that can be set of it.

use super::app::{event_boxes, events_of};
use super::attempt::attempts;
use super::chart::{Series, legend, periods, word};
use super::form::{Field, Form, Kind, button, field, hidden, mono, plain, result};
use super::layout::{Question, ask};
use super::parts::{
    card, count, dialog, empty, facts, grouped, id, menu, millis, note, opener, pager, percent, table, tabs,
    time,
};
use super::pretty;
use super::state::{State, name_of, waits};
use crate::data::{flag, int, items, lines, link, next, query, rows, text, texts};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// A section of an endpoint's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    /// How it does, and its attempts.
    Activity,
    /// What it gets, how and how fast.
    Settings,
    /// What deliveries pass on their way.
    Plugins,
    /// What is sent along.
    Headers,
}

impl Tab {
    /// The section of this name in the URL.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Activity),
            "settings" => Some(Self::Settings),
            "plugins" => Some(Self::Plugins),
            "headers" => Some(Self::Headers),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Activity => "Activity",
            Self::Settings => "Settings",
            Self::Plugins => "Plugins",
            Self::Headers => "Headers",
        }
    }
}

/// What the page of an endpoint shows. What its section does not need is null.
pub(crate) struct EndpointView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) tab: Tab,
    pub(crate) endpoint: &'a Value,
    /// What it did in the last hours.
    pub(crate) overview: &'a Value,
    pub(crate) hours: i64,
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

/// What a rate limit counts by.
const WINDOWS: [(&str, &str); 3] = [("second", "a second"), ("minute", "a minute"), ("hour", "an hour")];
/// In which order deliveries are made.
const ORDERS: [(&str, &str); 2] = [("", "As fast as it goes"), ("fifo", "One after the other, in order")];
/// What becomes of a delivery when a plugin fails.
const ON_ERROR: [(&str, &str); 3] = [
    ("hold", "Hold the delivery and try again"),
    ("deliver", "Deliver without the plugin"),
    ("drop", "Drop the delivery"),
];
/// How long the secret before goes on signing.
const GRACE: [(&str, &str); 4] =
    [("86400", "a day"), ("3600", "an hour"), ("604800", "a week"), ("0", "not at all")];
/// What can be resent.
const AGAIN: [(&str, &str); 3] = [
    ("recover", "What failed"),
    ("replay-missing", "What was missed: never tried, such as while it was disabled"),
    ("bulk-replay", "Everything that was tried in a period"),
];
/// How the newest attempt of what is resent ended.
const ENDED: [(&str, &str); 4] = [("", "Any"), ("0", "Delivered"), ("2", "Failed"), ("4", "Filtered")];

/// An endpoint.
pub(crate) fn endpoint(view: &EndpointView<'_>) -> Markup {
    let EndpointView { session, endpoint, app, .. } = view;
    let told = items(view.overview, "endpoints").first();
    let state = State::of(endpoint, told);
    let here = link(&["app", app, "endpoint", text(endpoint, "id")]);
    let to = |what: &str| format!("{here}/{what}");
    let proof = ("_proof", session.proof());
    let flip = |name: &str| if flag(endpoint, name) { "false" } else { "true" };
    let (disabled, paused) = (flag(endpoint, "disabled"), flag(endpoint, "paused"));
    let pause = |class: &str| {
        button(
            &to("pause"),
            class,
            if paused { "Resume" } else { "Pause" },
            None,
            &[proof, ("paused", flip("paused"))],
        )
    };
    let toggle = |class: &str| {
        button(
            &to("toggle"),
            class,
            if disabled { "Enable" } else { "Disable" },
            None,
            &[proof, ("disabled", flip("disabled"))],
        )
    };
    let (delete, deletes) = ask(
        "Delete endpoint…",
        "i-trash c-bad",
        Question {
            id: "delete",
            title: "Delete this endpoint?",
            says: html! { p { "What waits for it is deleted with it, and its attempts. This cannot be undone." } },
            to: to("delete"),
            proof: session.proof(),
            word: "Delete endpoint",
            typed: None,
            fields: Vec::new(),
        },
    );
    let name = name_of(endpoint);
    let section = |tab: Tab, many: Option<i64>| {
        (tab.word(), if tab == Tab::Activity { here.clone() } else { to(&tab.word().to_lowercase()) }, many)
    };
    html! {
        div id="live" hx-get=[view.newest.then_some(&here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#live")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            div.head {
                div.grow {
                    div.row.wrap { h1 title=(name) { (name) } (state.pill(session.app.is_some())) }
                    div.sub {
                        @if name != text(endpoint, "url") { span.mono.tiny.clip { (text(endpoint, "url")) } }
                        (id(text(endpoint, "id")))
                        (events_of(endpoint))
                        @if !text(endpoint, "preset").is_empty() { span { "Sends as " (text(endpoint, "preset")) } }
                        @if let Some(until) = view.old_secret_until { span.old-secret { "Old secret signs too, until " (time(until)) } }
                    }
                }
            }
        }
        div.row.wrap.acts {
            @if session.app.is_none() { (opener("test", "i-bolt", "Send test event")) }
            @if text(endpoint, "preset").is_empty() { (opener("verify", "i-shield", "Verify signatures")) }
            (opener("again", "i-retry", "Resend…"))
            (pause(if paused { "i-play" } else { "i-pause" }))
            (button(&to("secret"), "i-key", "Show secret", Some("#result"), &[]))
            (menu("More", html! { (opener("rotate", "i-key", "Rotate secret…")) (toggle("i-off")) (delete) }))
        }
        (result())
        (trouble(view, state, told, &toggle("sm"), &pause("sm")))
        (tabs("Sections", view.tab.word(), &[section(Tab::Activity, None), section(Tab::Settings, None), section(Tab::Plugins, None), section(Tab::Headers, None)]))
        @match view.tab {
            Tab::Activity => (activity(view, &here, told)),
            Tab::Settings => (settings(view, &here)),
            Tab::Plugins => (plugins(view, &here)),
            Tab::Headers => (headers(view, &to("header"))),
        }
        @if session.app.is_none() { (dialog("test", "Send a test event", test(view, to("test")))) }
        (dialog("again", "Resend messages", again(view, to("count"))))
        (dialog("rotate", "Rotate the secret", super::form::show(&Form { id: "rotate-form", to: to("rotate"), proof: session.proof(), word: "Rotate", fields: vec![
            field("grace", "The old secret goes on signing, beside the new one, for", Kind::Choice(&GRACE)).hint("Give the receiver the new secret in this time."),
        ], more: html! {} })))
        @if text(endpoint, "preset").is_empty() { (dialog("verify", "Verify signatures", super::verify::verify())) }
        (deletes)
    }
}

/// What is the matter, and what to do.
fn trouble(
    view: &EndpointView<'_>,
    state: State,
    told: Option<&Value>,
    toggle: &Markup,
    pause: &Markup,
) -> Markup {
    let waiting = told.map_or(0, waits);
    let oldest = told.map(|told| text(told, "oldestPending")).unwrap_or_default();
    let kept = html! { @if waiting > 0 { "Nothing is lost: " (count(waiting, "message waits", "messages wait")) @if !oldest.is_empty() { ", the oldest since " (time(oldest)) } "." } };
    let newest = rows(view.attempts).first().filter(|attempt| text(attempt, "statusText") == "fail");
    let answer = newest
        .map(|attempt| text(attempt, "response").lines().next().unwrap_or_default())
        .filter(|line| !line.is_empty() && *line != "{}");
    let answer = html! { @if let Some(line) = answer { p { "Its last answer: " code { (super::parts::excerpt(line, 200).0) } } } };
    match state {
        State::Open | State::HalfOpen | State::Failing => note(
            "bad",
            "breaker",
            html! { p { b { @if view.session.app.is_some() { (state.says_to_customer(told)) } @else { (state.says(told)) } "." } " " (kept) } (answer) },
            html! {},
        ),
        State::Disabled => note(
            "warn",
            "off",
            html! { p { b { "Disabled: new messages are skipped." } " " @if newest.is_some_and(|attempt| int(attempt, "responseStatusCode") == 410) { "Its last answer was 410 Gone, which disables an endpoint." } } (answer) },
            toggle.clone(),
        ),
        State::Paused => note(
            "warn",
            "pause",
            html! { p { b { "Paused: new messages are kept and sent later." } " " @if waiting > 0 { (count(waiting, "message waits", "messages wait")) "." } } },
            pause.clone(),
        ),
        _ => html! {},
    }
}

fn activity(view: &EndpointView<'_>, here: &str, told: Option<&Value>) -> Markup {
    let series = Series::of(view.hours, &[view.overview]);
    let sum = series.sum();
    let number = |name: &str| told.map_or(0, |told| int(told, name));
    let filter = |value: Option<&str>| {
        let query = query(&[("status", value)]);
        if query.is_empty() { here.to_owned() } else { format!("{here}?{query}") }
    };
    html! {
        div.stack id="numbers" hx-get=[view.newest.then_some(here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#numbers")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            div.stats.facts {
                a.stat href=(filter(Some("0"))) { span.l { "Delivered" } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { "last " (word(view.hours)) } }
                a.stat href=(filter(Some("2"))) { span.l { "Failed attempts" } span.v { (grouped(sum.fail)) } (series.line(true, |point| point.fail)) span.d { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) " % of attempts succeeded" }, None => "no attempt" } } }
                a.stat href=(filter(Some("4"))) { span.l { "Filtered" } span.v { (grouped(sum.filtered)) } span.d { "by plugins" } }
                div.stat { span.l { "Time to answer" } span.v { @match sum.mean() { Some(mean) => { (grouped(mean)) small { "ms" } }, None => "–" } } (series.line(false, |point| point.mean().unwrap_or(0))) span.d { "on average; longest " (millis(sum.longest)) } }
                div.stat { span.l { "Waiting" } span.v { (grouped(number("pending").saturating_add(number("sending")))) } span.d { (grouped(number("pending"))) " not tried yet, " (grouped(number("sending"))) " retried" } }
            }
        }
        section.card { header { div.grow { h2 { "Deliveries, " (word(view.hours)) } } (legend(&sum)) (periods(here, view.hours)) } div.body { (series.bars()) } }
        section.card id="attempts" hx-get=[view.newest.then_some(here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#attempts")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            header {
                div.grow { h2 { "Attempts" } }
                nav.seg aria-label="Attempts by outcome" {
                    @for (word, value) in [("All", None), ("Delivered", Some("0")), ("Failed", Some("2")), ("Filtered", Some("4"))] {
                        a href=(filter(value)) aria-current=[(view.status == value).then_some("page")] { (word) }
                    }
                }
            }
            (attempts(view.app, view.attempts, true))
            (pager("Newest first", None, next(view.attempts).map(|next| {
                format!("{here}?{}", query(&[("status", view.status), ("iterator", Some(next))]))
            })))
        }
    }
}

/// The form that counts what would be resent.
fn again(view: &EndpointView<'_>, to: String) -> Markup {
    html! {
        p.small.muted { "First you see how many that are." }
        (super::form::show(&Form { id: "again-form", to, proof: view.session.proof(), word: "Preview", fields: vec![
            field("what", "What", Kind::Choice(&AGAIN)),
            field("since", "Accepted since", Kind::Moment).hint("In UTC.").required(),
            field("until", "Until", Kind::Moment).hint("In UTC; empty is now. At most 14 days."),
        ], more: html! {
            details.more-fields { summary { "Choose among everything that was tried" }
                @for field in [
                    field("eventTypes", "Event types", Kind::Text).example("user.created, user.deleted"),
                    field("channel", "Channel", Kind::Text),
                    field("tag", "Tag", Kind::Text),
                    field("status", "Newest attempt", Kind::Choice(&ENDED)),
                ] { (field.show("again-form")) }
            }
            p.small { a href={ (link(&["app", view.app, "messages"])) "?status=failing&endpoint=" (text(view.endpoint, "id")) } { "Or select single messages" } }
        } }))
    }
}

fn settings(view: &EndpointView<'_>, here: &str) -> Markup {
    html! {
        section.card.wide-form { div.body { (super::form::show(&Form { id: "edit", to: format!("{here}/edit"), proof: view.session.proof(), word: "Save", fields: edited(view.endpoint),
            more: event_boxes("edit", view.event_types, &texts(view.endpoint, "eventTypes")) })) } }
        (card("About this endpoint", html! {}, html! { div.body { (facts(&[
            ("Uid", mono(text(view.endpoint, "uid"))),
            ("Created", time(text(view.endpoint, "createdAt"))),
            ("Changed", time(text(view.endpoint, "updatedAt"))),
        ])) } }))
    }
}

/// The fields of the form that changes an endpoint, besides its events.
fn edited(endpoint: &Value) -> Vec<Field<'static>> {
    let number = |of: Option<&Value>| of.and_then(Value::as_i64).map(|n| n.to_string()).unwrap_or_default();
    let within = |name: &str, part: &str| endpoint.get(name).and_then(|of| of.get(part));
    let scheme = endpoint.get("scheme").filter(|scheme| !scheme.is_null());
    let schedule = endpoint.get("retrySchedule").and_then(Value::as_array);
    let schedule = schedule.map(|all| {
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
        }
    });
    vec![
        field("url", "URL", Kind::Url).value(text(endpoint, "url")).required(),
        field("description", "Description", Kind::Text)
            .value(text(endpoint, "description"))
            .hint("Shown in lists instead of the URL."),
        field("channels", "Channels", Kind::Text)
            .value(texts(endpoint, "channels").join(", "))
            .hint("Only messages with one of these. Empty: all messages."),
        field("throttleRate", "Rate limit", Kind::Number)
            .value(number(endpoint.get("throttleRate")))
            .unit("a second")
            .hint("More than this waits in the queue."),
        field("paceLimit", "Or a limit for a longer window", Kind::Number)
            .value(number(within("throttle", "limit")))
            .unit("requests"),
        field("paceWindow", "Window", Kind::Choice(&WINDOWS))
            .value(within("throttle", "window").and_then(Value::as_str).unwrap_or_default()),
        field("maxInFlight", "Requests in flight", Kind::Number)
            .value(number(endpoint.get("maxInFlight")))
            .hint("How many may wait for an answer at once, at most 100."),
        field("timeoutSeconds", "Timeout", Kind::Number)
            .value(number(endpoint.get("timeoutSeconds")))
            .unit("seconds")
            .hint("How long an answer may take, at most 30."),
        field("retrySchedule", "Retry schedule", Kind::Text)
            .value(schedule.unwrap_or_default())
            .example("5, 300, 1800, 7200")
            .hint(
                "Seconds to wait before each retry. Empty: the gateway's own schedule. “none”: no retries.",
            ),
        field("order", "Order", Kind::Choice(&ORDERS)).value(text(endpoint, "order")),
        field("batchEvents", "Events in one request", Kind::Number)
            .value(number(within("batch", "maxEvents")))
            .hint("At most so many, as an array. Empty: one."),
        field("batchWait", "How long the first may wait for others", Kind::Number)
            .value(number(within("batch", "maxWaitMs")))
            .unit("ms"),
        field("preset", "Send as this provider", Kind::Text)
            .value(text(endpoint, "preset"))
            .example("loops")
            .hint("The name of a preset. Empty: as this gateway."),
        field("presetParams", "What the preset leaves open", Kind::Area(2))
            .value(lines(endpoint.get("presetParams")))
            .example("name: value")
            .hint("One a line."),
        field("scheme", "Scheme of the preset “custom”", Kind::Area(3))
            .value(scheme.map(pretty).unwrap_or_default())
            .hint("As JSON."),
    ]
}

fn test(view: &EndpointView<'_>, to: String) -> Markup {
    let chosen = view.test_event.or_else(|| texts(view.endpoint, "eventTypes").first().copied());
    let fields = vec![
        field("eventType", "Event type", Kind::Of("types")).value(chosen.unwrap_or_default()).required(),
        field("payload", "Payload", Kind::Area(4))
            .example("{\"id\": 1}")
            .hint("As JSON. Empty: the event type's own example."),
    ];
    let more = html! { datalist id="types" { @for event in rows(view.event_types) { option value=(text(event, "name")) {} } } };
    super::form::show(&Form { id: "test-form", to, proof: view.session.proof(), word: "Send", fields, more })
}

fn headers(view: &EndpointView<'_>, to: &str) -> Markup {
    let shown = view.headers.get("headers").and_then(Value::as_object).into_iter().flatten();
    let shown = shown.map(|(name, value)| (name.as_str(), plain(value.as_str().unwrap_or_default())));
    let secret =
        texts(view.headers, "sensitive").into_iter().map(|name| (name, html! { span.muted { "hidden" } }));
    let table_rows: Vec<_> = shown
        .chain(secret)
        .map(|(name, value)| {
            vec![
                mono(name),
                value,
                button(to, "sm", "Remove", None, &[("_proof", view.session.proof()), ("name", name)]),
            ]
        })
        .collect();
    card(
        "Headers",
        opener("header", "sm i-plus", "Set a header"),
        html! {
            @if table_rows.is_empty() { (empty("send", "No headers of its own", html! { "What you set here is sent with every request, besides the gateway's own headers." }, html! {})) }
            @else { (table(&["Name", "Value", "#"], &table_rows)) }
            (dialog("header", "Set a header", super::form::show(&Form { id: "header-form", to: to.to_owned(), proof: view.session.proof(), word: "Set", fields: vec![
                field("name", "Name", Kind::Text).example("x-team").required(),
                field("value", "Value", Kind::Text).required(),
            ], more: html! {} })))
        },
    )
}

fn plugins(view: &EndpointView<'_>, here: &str) -> Markup {
    let attached = items(view.plugins, "plugins");
    let last = attached.len().saturating_sub(1);
    let proof = view.session.proof();
    let form = |id: &str, name: Field<'static>, plugin: &Value, at: String, word| {
        super::form::show(&Form {
            id,
            to: format!("{here}/plugin"),
            proof,
            word,
            fields: vec![
                hidden("at", at),
                name,
                field("version", "Version", Kind::Text)
                    .value(text(plugin, "version"))
                    .hint("Empty: always the current one."),
                field("onError", "When it fails", Kind::Choice(&ON_ERROR)).value(text(plugin, "onError")),
                field("config", "Configuration", Kind::Area(4))
                    .value(
                        plugin
                            .get("config")
                            .filter(|config| !config.is_null())
                            .map(pretty)
                            .unwrap_or_default(),
                    )
                    .hint("As JSON; the plugin's page says what it takes."),
            ],
            more: html! {},
        })
    };
    let known = rows(view.store);
    card(
        "Plugins",
        html! { @if view.session.app.is_none() { (opener("attach", "sm i-plus", "Attach a plugin")) } },
        html! {
            @if attached.is_empty() { (empty("plugin", "No plugin is attached", html! { "A plugin can change, redact or filter what is delivered here." }, html! {})) }
            ol.list { @for (at, plugin) in attached.iter().enumerate() {
                @let index = at.to_string();
                @let one = |what: &str, word: &str| button(&format!("{here}/plugin-{what}"), "sm", word, None, &[("_proof", proof), ("at", &index)]);
                @let edit = format!("plugin-{at}");
                li.mob {
                    span.ico.i-plugin {}
                    div.grow {
                        b { (text(plugin, "name")) } " " span.id { (text(plugin, "runningVersion").get(..12).unwrap_or(text(plugin, "runningVersion"))) }
                        div.tiny.muted { @if text(plugin, "version").is_empty() { "Follows the current version; " } "when it fails: " (text(plugin, "onError")) }
                    }
                    @if at > 0 { (one("up", "Up")) }
                    @if at < last { (one("down", "Down")) }
                    (opener(&edit, "sm", "Edit")) (one("off", "Detach"))
                    (dialog(&edit, text(plugin, "name"), form(&format!("{edit}-form"), hidden("name", text(plugin, "name")), plugin, index.clone(), "Save")))
                }
            } }
            @if attached.len() > 1 { footer { "Each delivery passes them in this order." } }
            @if view.session.app.is_none() {
        (dialog("attach", "Attach a plugin", html! {
                (form("attach-form", field("name", "Name", Kind::Of("plugin-names")).example("redact").required(), &Value::Null, String::new(), "Attach"))
                datalist id="plugin-names" { @for plugin in known { option value=(text(plugin, "name")) {} } }
            }))
            }
        @if !known.is_empty() {
                footer { span { "Available plugins: " @for plugin in known { a href=(link(&["plugin", text(plugin, "name")])) { code { (text(plugin, "name")) } } " " } } }
            }
        },
    )
}

/// How much would be resent (`words`: one, several), and the button that does it.
pub(crate) fn counted(
    session: &Session,
    to: String,
    told: &Value,
    words: [&str; 2],
    asked: Vec<Field<'_>>,
) -> Markup {
    let messages = int(told, "messages");
    let complete = flag(told, "complete");
    let [one, several] = words;
    html! {
        div.task.note.info role="status" { div.grow {
            @if messages == 0 && complete { p { "There is nothing to resend." } } @else {
                p { @if !complete { "At least " } b { (messages) } " " (if messages == 1 { one } else { several }) " would be resent."
                    @if !complete { " There is more than is counted at once: the whole period is gone through." } }
                (super::form::show(&Form { id: "counted", to, proof: session.proof(), word: "Resend them", fields: asked, more: html! {} }))
            }
        } }
    }
}

/// The secret that signs, on demand.
pub(crate) fn secret(answer: &Value) -> Markup {
    secret_of(text(answer, "key"), "The secret that signs:")
}

/// What is to be kept secret, with what to do with it.
pub(crate) fn secret_of(key: &str, sentence: &str) -> Markup {
    html! { div.note.info role="status" { div.grow { p { (sentence) } (super::parts::shown(key)) } } }
}
