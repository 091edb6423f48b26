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
use crate::scope::{phrase, t};
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
    /// The one that is about to be.
    pub(crate) attach: Option<&'a str>,
    /// The event by which the provider that it sends as tests endpoints.
    pub(crate) test_event: Option<&'a str>,
    /// What attempts are limited to, by the names in the URL.
    pub(crate) filters: &'a [(&'static str, Option<String>)],
    /// Whether these attempts begin further down than at the newest.
    pub(crate) paged: bool,
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
            says: html! { p { (t("What waits for it is deleted with it, and its attempts. This cannot be undone.")) } },
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
                        @if !text(endpoint, "preset").is_empty() { span { (phrase("Sends as {}", text(endpoint, "preset"))) } }
                        @if let Some(until) = view.old_secret_until { span.old-secret { (phrase("Old secret signs too, until {}", time(until))) } }
                    }
                }
            }
        }
        div.row.wrap.acts {
            (opener("test", "i-bolt", "Send test event"))
            @if text(endpoint, "preset").is_empty() { (opener("verify", "i-shield", "Verify signatures")) }
            (opener("again", "i-retry", "Resend…"))
            (pause(if paused { "i-play" } else { "i-pause" }))
            (button(&to("secret"), "i-key", "Show secret", Some("#result"), &[]))
            (menu("More", html! { (opener("rotate", "i-key", "Rotate secret…")) (toggle("i-off")) (delete) }))
        }
        (result())
        (trouble(view, state, told, &toggle("sm"), &pause("sm")))
        (tabs("Sections", view.tab.word(), &[section(Tab::Activity, None), section(Tab::Settings, None), section(Tab::Headers, None)].into_iter().chain(session.app.is_none().then(|| section(Tab::Plugins, None))).collect::<Vec<_>>()))
        @match view.tab {
            Tab::Activity => (activity(view, &here, told)),
            Tab::Settings => (settings(view, &here)),
            Tab::Plugins => (plugins(view, &here)),
            Tab::Headers => (headers(view, &to("header"))),
        }
        (dialog("test", "Send a test event", test(view, to("test"))))
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
    let many = html! { (count(waiting, "message waits", "messages wait")) };
    let kept = html! { @if waiting > 0 { (t("Nothing is lost:")) " " (many) @if !oldest.is_empty() { ", " (phrase("the oldest since {}", time(oldest))) } "." } };
    let newest = rows(view.attempts).first().filter(|attempt| text(attempt, "statusText") == "fail");
    let answer = newest
        .map(|attempt| text(attempt, "response").lines().next().unwrap_or_default())
        .filter(|line| !line.is_empty() && *line != "{}");
    let answer = html! { @if let Some(line) = answer { p { (t("Its last answer:")) " " code { (super::parts::excerpt(line, 200).0) } } } };
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
            html! { p { b { (t("Disabled: new messages are skipped.")) } " " @if newest.is_some_and(|attempt| int(attempt, "responseStatusCode") == 410) { (t("Its last answer was 410 Gone, which disables an endpoint.")) } } (answer) },
            toggle.clone(),
        ),
        State::Paused => note(
            "warn",
            "pause",
            html! { p { b { (t("Paused: new messages are kept and sent later.")) } " " @if waiting > 0 { (many) "." } } },
            pause.clone(),
        ),
        _ => html! {},
    }
}

impl EndpointView<'_> {
    fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref())
    }

    /// Where the attempts of this page are with these filters changed; relative, since there are many such links.
    fn with(&self, changed: &[(&str, Option<&str>)]) -> String {
        let kept = self.filters.iter().map(|(name, value)| (*name, value.as_deref()));
        let mut pairs: Vec<_> =
            kept.filter(|(name, _)| changed.iter().all(|(other, _)| other != name)).collect();
        pairs.extend_from_slice(changed);
        let query = query(&pairs);
        format!("?{query}#attempts")
    }
}

fn session_portal(view: &EndpointView<'_>) -> bool {
    view.session.app.is_some()
}

fn activity(view: &EndpointView<'_>, here: &str, told: Option<&Value>) -> Markup {
    let series = Series::of(view.hours, &[view.overview]);
    let sum = series.sum();
    let number = |name: &str| told.map_or(0, |told| int(told, name));
    let filter = |value: Option<&str>| view.with(&[("status", value), ("code", None)]);
    let waiting =
        format!("{}?status=1,3&endpoint={}", link(&["app", view.app, "messages"]), text(view.endpoint, "id"));
    let code = |code: u16| {
        let class = code.saturating_sub(code.checked_rem(100).unwrap_or(0)).to_string();
        view.with(&[("code", Some(class.as_str())), ("status", None)])
    };
    let times = html! {
        @if let Some((half, most)) = series.percentiles() {
            span.v { (grouped(half)) small { "ms" } }
            (series.line(false, |point| point.mean().unwrap_or(0)))
            span.d { "p50; p95 " (millis(most)) }
        } @else { span.v { "–" } span.d { (t("no attempt")) } }
    };
    html! {
        div.stack id="numbers" hx-get=[view.newest.then_some(here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#numbers")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            div.stats.facts {
                a.stat href=(filter(Some("0"))) { span.l { (t("Delivered")) } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (t(word(view.hours))) } }
                a.stat href=(filter(Some("2"))) { span.l { (t("Failed attempts")) } span.v { (grouped(sum.fail)) } (series.line(true, |point| point.fail)) span.d { @match percent(sum.success, sum.attempts()) { Some(share) => { (phrase("{} % of attempts succeeded", share)) }, None => { (t("no attempt")) } } } }
                a.stat href=(filter(Some("4"))) { span.l { (t("Filtered")) } span.v { (grouped(sum.filtered)) } span.d { @if session_portal(view) { (t("not sent")) } @else { (t("by plugins")) } } }
                a.stat href=(filter(None)) { span.l { (t("Time to answer")) } (times) }
                a.stat href=(waiting) { span.l { (t("Waiting")) } span.v { (grouped(number("pending").saturating_add(number("sending")))) } span.d { (phrase("{} not tried yet", grouped(number("pending")))) ", " (phrase("{} retried", grouped(number("sending")))) } }
            }
        }
        section.card { header { div.grow { h2 { (phrase("Deliveries, {}", t(word(view.hours)))) } } (legend(&sum)) (periods(here, view.hours)) } div.body { (series.bars()) } }
        div.grid {
            div.w6 { (card("Time to answer", html! { @if let Some((half, most)) = series.percentiles() { span.small.muted { "p50 " (millis(half)) ", p95 " (millis(most)) ", " (phrase("longest {}", millis(sum.longest))) } } }, html! { div.body { (series.latency()) } })) }
            div.w6 { (card("Status codes", html! {}, html! { div.body { (series.codes(code)) } })) }
        }
        section.card id="attempts" hx-get=[view.newest.then_some(here)] hx-trigger=[view.newest.then_some("every 3s")]
            hx-select=[view.newest.then_some("#attempts")] hx-swap=[view.newest.then_some("outerHTML")] hx-disinherit="*" {
            header {
                div.grow { h2 { (t("Attempts")) } }
                nav.seg aria-label=(t("Attempts by outcome")) {
                    @for (word, value) in [("All", None), ("Delivered", Some("0")), ("Failed", Some("2")), ("Filtered", Some("4"))] {
                        a href=(filter(value)) aria-current=[(view.filter("status") == value).then_some("page")] { (t(word)) }
                    }
                }
                details.menu { summary.btn.sm.i-download { (t("Export")) } div { @for (format, word) in [("csv", "As CSV"), ("ndjson", "As NDJSON")] {
                    a.btn href=(view.with(&[("export", Some(format))]).replace("#attempts", "")) download { (t(word)) }
                } } }
            }
            (attempt_filters(view, here))
            (attempts(view.app, view.attempts, true))
            (pager("Newest first", view.paged.then(|| view.with(&[])).as_deref(), next(view.attempts).map(|next| {
                view.with(&[("iterator", Some(next))])
            })))
        }
    }
}

/// What the attempts are limited to: periods, codes and events, each in the URL.
fn attempt_filters(view: &EndpointView<'_>, here: &str) -> Markup {
    html! {
        div.chips.padg {
            @for (value, word) in super::messages::PERIODS {
                @let value = Some(value).filter(|value| !value.is_empty());
                @let chosen = view.filter("period") == value;
                a.chip.on[chosen] href=(view.with(&[("period", value)])) aria-current=[chosen.then_some("true")] { (t(word)) }
            }
            @for (value, word) in [("200", "2xx"), ("300", "3xx"), ("400", "4xx"), ("500", "5xx"), ("0", "no answer")] {
                @let chosen = view.filter("code") == Some(value);
                a.chip.on[chosen] href=(view.with(&[("code", (!chosen).then_some(value))])) aria-current=[chosen.then_some("true")] { (t(word)) }
            }
            @for (name, word) in [("event_types", "Event type"), ("tag", "Tag")] {
                @if let Some(value) = view.filter(name) { a.chip.on.i-x href=(view.with(&[(name, None)])) title=(t("Remove this filter")) { (t(word)) " " b.clip { (value) } } }
            }
            form.row method="get" action=(here) {
                @for (name, value) in view.filters.iter().filter(|(name, value)| *name != "event_types" && value.is_some()) { input type="hidden" name=(name) value=[value.as_deref()]; }
                input.in type="search" name="event_types" value=[view.filter("event_types")] placeholder=(t("Event type")) aria-label=(t("Filter by event type")) maxlength="256";
            }
        }
    }
}

/// The form that counts what would be resent.
fn again(view: &EndpointView<'_>, to: String) -> Markup {
    html! {
        p.small.muted { (t("First you see how many that are.")) }
        (super::form::show(&Form { id: "again-form", to, proof: view.session.proof(), word: "Preview", fields: vec![
            field("what", "What", Kind::Choice(&AGAIN)),
            field("since", "Accepted since", Kind::Moment).hint("In UTC.").required(),
            field("until", "Until", Kind::Moment).hint("In UTC; empty is now. At most 14 days."),
        ], more: html! {
            details.more-fields { summary { (t("Choose among everything that was tried")) }
                @for field in [
                    field("eventTypes", "Event types", Kind::Text).example("user.created, user.deleted"),
                    field("channel", "Channel", Kind::Text),
                    field("tag", "Tag", Kind::Text),
                    field("status", "Newest attempt", Kind::Choice(&ENDED)),
                ] { (field.show("again-form")) }
            }
            p.small { a href={ (link(&["app", view.app, "messages"])) "?status=failing&endpoint=" (text(view.endpoint, "id")) } { (t("Or select single messages")) } }
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
    let secret = texts(view.headers, "sensitive")
        .into_iter()
        .map(|name| (name, html! { span.muted { (t("hidden")) } }));
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
            @if table_rows.is_empty() { (empty("send", "No headers of its own", html! { (t("What you set here is sent with every request, besides the gateway's own headers.")) }, html! {})) }
            @else { (table(&["Name", "Value", "#"], &table_rows)) }
            (dialog("header", "Set a header", super::form::show(&Form { id: "header-form", to: to.to_owned(), proof: view.session.proof(), word: "Set", fields: vec![
                field("name", "Name", Kind::Text).example("x-team").required(),
                field("value", "Value", Kind::Text).required(),
            ], more: html! {} })))
        },
    )
}

/// What the manifest of a plugin of the store says that its configuration is.
fn schema_of<'a>(store: &'a Value, name: &str) -> Option<&'a Value> {
    let found = rows(store).iter().find(|plugin| text(plugin, "name") == name)?;
    found.pointer("/manifest/configSchema")
}

/// The form of a plugin that is attached, or is to be.
fn plugin_form(view: &EndpointView<'_>, id: &str, here: &str, plugin: &Value, at: &str) -> Markup {
    let name = text(plugin, "name");
    let null = Value::Null;
    let config = plugin.get("config").unwrap_or(&null);
    super::form::show(&Form {
        id,
        to: format!("{here}/plugin"),
        proof: view.session.proof(),
        word: if at.is_empty() { "Attach" } else { "Save" },
        fields: vec![
            hidden("at", at),
            hidden("name", name),
            field("version", "Version", Kind::Text)
                .value(text(plugin, "version"))
                .hint("Empty: always the current one."),
            field("onError", "When it fails", Kind::Choice(&ON_ERROR)).value(text(plugin, "onError")),
        ],
        more: super::config::fields(id, schema_of(view.store, name), config),
    })
}

fn plugins(view: &EndpointView<'_>, here: &str) -> Markup {
    let attached = items(view.plugins, "plugins");
    let last = attached.len().saturating_sub(1);
    let proof = view.session.proof();
    let known = rows(view.store);
    let new = view.attach.filter(|name| known.iter().any(|plugin| text(plugin, "name") == *name));
    html! {
        @if let Some(name) = new {
            section.card.wide-form id="attaching" { header { div.grow { h2 { "Attach " (name) } } a.btn.sm href={ (here) "/plugins" } { "Cancel" } }
                div.body { (plugin_form(view, "attach-form", here, &serde_json::json!({ "name": name }), "")) } }
        }
        (card(
            "Plugins",
            opener("attach", "sm i-plus", "Attach a plugin"),
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
                        (dialog(&edit, text(plugin, "name"), plugin_form(view, &format!("{edit}-form"), here, plugin, &index)))
                    }
                } }
                @if attached.len() > 1 { footer { "Each delivery passes them in this order." } }
                (dialog("attach", "Attach a plugin", html! {
                    ul.list { @for plugin in known { li { div.grow {
                        a.t1 href={ (here) "/plugins?attach=" (text(plugin, "name")) "#attaching" } { (text(plugin, "name")) }
                        div.tiny.muted { (plugin.pointer("/manifest/description").and_then(Value::as_str).unwrap_or_default()) }
                    } } } }
                    p.small { a href=(link(&["plugins"])) { "All plugins" } }
                }))
            },
        ))
    }
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
            @if messages == 0 && complete { p { (t("There is nothing to resend.")) } } @else {
                p { @if !complete { (t("At least ")) } b { (messages) } " " (t(if messages == 1 { one } else { several })) (t(" would be resent."))
                    @if !complete { " " (t("There is more than is counted at once: the whole period is gone through.")) } }
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
    html! { div.note.info role="status" { div.grow { p { (t(sentence)) } (super::parts::shown(key)) } } }
}
