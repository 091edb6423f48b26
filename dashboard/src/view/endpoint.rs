//! The page of an endpoint: its health, attempts and settings.

use super::app::{event_boxes, events_of};
use super::attempt::attempts;
use super::chart::{Series, legend, periods, word};
use super::form::{Field, Form, Kind, button, field, hidden, mono, plain, result};
use super::layout::{Question, ask};
use super::parts::{
    Sorted, card, count, dialog, empty, exports, facts, grouped, id, menu, millis, note, opener, pager,
    percent, table, tabs, time, unreadable,
};
use super::pretty;
use super::state::{State, name_of, waits};
use crate::data::{flag, int, items, lines, link, query, rows, text, texts};
use crate::list::LIVE;
use crate::lossless::is_changed;
use crate::scope::{phrase, t};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// A section of an endpoint's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    /// Statistics and attempts.
    Activity,
    /// Settings.
    Settings,
    /// Attached plugins.
    Plugins,
    /// Custom headers.
    Headers,
}

impl Tab {
    /// The section with this name in the URL.
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

/// The data of an endpoint's page. Values that the section does not need are null.
pub(crate) struct EndpointView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) tab: Tab,
    pub(crate) endpoint: &'a Value,
    /// The statistics of the period.
    pub(crate) overview: &'a Value,
    pub(crate) hours: i64,
    pub(crate) headers: &'a Value,
    pub(crate) plugins: &'a Value,
    pub(crate) attempts: &'a Value,
    pub(crate) event_types: &'a Value,
    /// The plugins that can be attached.
    pub(crate) store: &'a Value,
    /// The plugin to attach.
    pub(crate) attach: Option<&'a str>,
    /// The test event of the provider in whose format it sends.
    pub(crate) test_event: Option<&'a str>,
    /// The filters of the attempts, by the names in the URL.
    pub(crate) filters: &'a [(&'static str, Option<String>)],
    /// Until when the previous secret also signs, if it does.
    pub(crate) old_secret_until: Option<&'a str>,
    /// Whether the page updates itself. `None` if it never does.
    pub(crate) live: Option<bool>,
}

/// The windows of a rate limit.
const WINDOWS: [(&str, &str); 3] = [("second", "a second"), ("minute", "a minute"), ("hour", "an hour")];
/// The delivery orders.
const ORDERS: [(&str, &str); 2] = [("", "As fast as possible"), ("fifo", "One at a time, in order")];
/// The sets of signature headers.
const PROFILES: [(&str, &str); 4] =
    [("", "The deployment's own"), ("svix", "svix-*"), ("standard", "webhook-*"), ("both", "Both")];
/// What happens to a delivery when a plugin fails.
const ON_ERROR: [(&str, &str); 3] = [
    ("hold", "Hold the delivery and try again"),
    ("deliver", "Deliver without the plugin"),
    ("drop", "Drop the delivery"),
];
/// How long the previous secret stays valid.
const GRACE: [(&str, &str); 4] =
    [("86400", "a day"), ("3600", "an hour"), ("604800", "a week"), ("0", "not at all")];
/// The sets of messages to resend.
const AGAIN: [(&str, &str); 3] = [
    ("recover", "Failed messages"),
    ("replay-missing", "Missed messages: never attempted, for example while the endpoint was disabled"),
    ("bulk-replay", "All attempted messages in a time range"),
];
/// The outcomes of the latest attempt.
const ENDED: [(&str, &str); 4] = [("", "Any"), ("0", "Delivered"), ("2", "Failed"), ("4", "Filtered")];

/// An endpoint.
pub(crate) fn endpoint(view: &EndpointView<'_>) -> Markup {
    let EndpointView { session, endpoint, app, .. } = view;
    let stats = items(view.overview, "endpoints").first();
    let state = State::of(endpoint, stats);
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
            says: html! { p { (t("Its pending deliveries and attempts are deleted. This cannot be undone.")) } },
            to: to("delete"),
            proof: session.proof(),
            word: "Delete endpoint",
            typed: None,
            fields: Vec::new(),
        },
    );
    let name = name_of(endpoint);
    let again = view.again(&here);
    let section = |tab: Tab, many: Option<i64>| {
        (tab.word(), if tab == Tab::Activity { here.clone() } else { to(&tab.word().to_lowercase()) }, many)
    };
    html! {
        div id="live" hx-get=[again.as_ref()] hx-trigger=[again.as_ref().map(|_| "every 3s")]
            hx-select=[again.as_ref().map(|_| "#live")] hx-swap=[again.as_ref().map(|_| "outerHTML")] hx-disinherit="*" {
            div.head {
                div.grow {
                    div.row.wrap { h1 title=(name) { (name) } (state.pill(session.app.is_some())) }
                    div.sub {
                        @if name != text(endpoint, "url") { span.mono.tiny.clip { (text(endpoint, "url")) } }
                        (id(text(endpoint, "id")))
                        (events_of(endpoint))
                        @if !text(endpoint, "preset").is_empty() { span { (phrase("Sends as {}", text(endpoint, "preset"))) } }
                        @if let Some(until) = view.old_secret_until { span.old-secret { (phrase("The previous secret also signs until {}", time(until))) } }
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
        (trouble(view, state, stats, &toggle("sm"), &pause("sm")))
        (tabs("Sections", view.tab.word(), &[section(Tab::Activity, None), section(Tab::Settings, None), section(Tab::Headers, None)].into_iter().chain(session.app.is_none().then(|| section(Tab::Plugins, None))).collect::<Vec<_>>()))
        @match view.tab {
            Tab::Activity => (activity(view, &here, stats)),
            Tab::Settings => (settings(view, &here)),
            Tab::Plugins => (plugins(view, &here)),
            Tab::Headers => (headers(view, &to("header"))),
        }
        (dialog("test", "Send a test event", test(view, to("test"))))
        (dialog("again", "Resend messages", resend(view, to("count"))))
        (dialog("rotate", "Rotate the secret", super::form::show(&Form { id: "rotate-form", to: to("rotate"), proof: session.proof(), word: "Rotate", fields: vec![
            field("grace", "The previous secret stays valid for", Kind::Choice(&GRACE)).hint("Update the receiver before the previous secret expires."),
        ], more: html! {} })))
        @if text(endpoint, "preset").is_empty() { (dialog("verify", "Verify signatures", super::verify::verify())) }
        (deletes)
    }
}

/// The current problem and how to resolve it.
fn trouble(
    view: &EndpointView<'_>,
    state: State,
    stats: Option<&Value>,
    toggle: &Markup,
    pause: &Markup,
) -> Markup {
    let waiting = stats.map_or(0, waits);
    let oldest = stats.map(|stats| text(stats, "oldestPending")).unwrap_or_default();
    let many = html! { (count(waiting, "message is pending", "messages are pending")) };
    let kept = html! { @if waiting > 0 { (t("Nothing is lost:")) " " (many) @if !oldest.is_empty() { ", " (phrase("oldest {}", time(oldest))) } "." } };
    let newest = rows(view.attempts).first().filter(|attempt| text(attempt, "statusText") == "fail");
    let answer = newest
        .map(|attempt| text(attempt, "response").lines().next().unwrap_or_default())
        .filter(|line| !line.is_empty() && *line != "{}");
    let answer = html! { @if let Some(line) = answer { p { (t("Last response:")) " " code { (super::parts::excerpt(line, 200).0) } } } };
    match state {
        State::Open | State::HalfOpen | State::Failing => note(
            "bad",
            "breaker",
            html! { p { b { @if view.session.app.is_some() { (state.sentence_for_customer(stats)) } @else { (state.sentence(stats)) } "." } " " (kept) } (answer) },
            html! {},
        ),
        State::Disabled => note(
            "warn",
            "off",
            html! { p { b { (t("Disabled: new messages are skipped.")) } " " (disabled(view.endpoint)) } (answer) },
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

/// Why an endpoint is disabled, and since when.
fn disabled(endpoint: &Value) -> Markup {
    let since = text(endpoint, "disabledAt");
    let sentence = match text(endpoint, "disabledReason") {
        "gone" => "The receiver answered 410 Gone {}, which disables an endpoint.",
        "failing" => "It was disabled {} because every attempt failed for days.",
        _ => "It was disabled manually {}.",
    };
    html! { @if !since.is_empty() { (phrase(sentence, time(since))) } }
}

impl EndpointView<'_> {
    fn filter(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref())
    }

    /// The path to request again while the page updates itself.
    fn again(&self, here: &str) -> Option<String> {
        let hours = self.hours.to_string();
        let mut pairs: Vec<_> = self.filters.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        pairs.push(("hours", Some(hours.as_str())));
        (self.live == Some(true)).then(|| format!("{here}?{}", query(&pairs)))
    }

    /// The path of this page with some filters changed. It is relative, because there are many such links.
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

fn activity(view: &EndpointView<'_>, here: &str, stats: Option<&Value>) -> Markup {
    let series = Series::of(view.hours, &[view.overview]);
    let sum = series.sum();
    let number = |name: &str| stats.map_or(0, |stats| int(stats, name));
    let filter = |value: Option<&str>| view.with(&[("status", value), ("code", None)]);
    let waiting =
        format!("{}?status=1,3&endpoint={}", link(&["app", view.app, "messages"]), text(view.endpoint, "id"));
    let code = |code: u16| {
        let class = code.saturating_sub(code.checked_rem(100).unwrap_or(0)).to_string();
        view.with(&[("code", Some(class.as_str())), ("status", None)])
    };
    let again = view.again(here);
    let times = html! {
        @if let Some((half, most)) = series.percentiles() {
            span.v { (grouped(half)) small { "ms" } }
            (series.line(false, |point| point.mean().unwrap_or(0)))
            span.d { "p50; p95 " (millis(most)) }
        } @else { span.v { "–" } span.d { (t("no attempts")) } }
    };
    html! {
        div.stack id="numbers" hx-get=[again.as_ref()] hx-trigger=[again.as_ref().map(|_| "every 3s")]
            hx-select=[again.as_ref().map(|_| "#numbers")] hx-swap=[again.as_ref().map(|_| "outerHTML")] hx-disinherit="*" {
            div.stats.facts {
                a.stat href=(filter(Some("0"))) { span.l { (t("Delivered")) } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (t(word(view.hours))) } }
                a.stat href=(filter(Some("2"))) { span.l { (t("Failed attempts")) } span.v { (grouped(sum.fail)) } (series.line(true, |point| point.fail)) span.d { @match percent(sum.success, sum.attempts()) { Some(share) => { (phrase("{} % of attempts succeeded", share)) }, None => { (t("no attempts")) } } } }
                a.stat href=(filter(Some("4"))) { span.l { (t("Filtered")) } span.v { (grouped(sum.filtered)) } span.d { @if session_portal(view) { (t("not sent")) } @else { (t("by plugins")) } } }
                a.stat href=(filter(None)) { span.l { (t("Response time")) } (times) }
                a.stat href=(waiting) { span.l { (t("Waiting")) } span.v { (grouped(number("pending").saturating_add(number("sending")))) } span.d { (phrase("{} not attempted yet", grouped(number("pending")))) ", " (phrase("{} retried", grouped(number("sending")))) } }
            }
        }
        section.card { header { div.grow { h2 { (phrase("Deliveries, {}", t(word(view.hours)))) } } (legend(&sum)) (periods(here, view.hours)) } div.body { (series.bars()) } }
        div.grid {
            div.w6 { (card("Response time", html! { @if let Some((half, most)) = series.percentiles() { span.small.muted { "p50 " (millis(half)) ", p95 " (millis(most)) ", " (phrase("longest {}", millis(sum.longest))) } } }, html! { div.body { (series.latency()) } })) }
            div.w6 { (card("Status codes", html! {}, html! { div.body { (series.codes(code)) } })) }
        }
        section.card id="attempts" hx-get=[again.as_ref()] hx-trigger=[again.as_ref().map(|_| "every 3s")]
            hx-select=[again.as_ref().map(|_| "#attempts")] hx-swap=[again.as_ref().map(|_| "outerHTML")] hx-disinherit="*" {
            header {
                div.grow { h2 { (t("Attempts")) } }
                nav.seg aria-label=(t("Attempts by outcome")) {
                    @for (word, value) in [("All", None), ("Delivered", Some("0")), ("Failed", Some("2")), ("Filtered", Some("4"))] {
                        a href=(filter(value)) aria-current=[(view.filter("status") == value).then_some("page")] { (t(word)) }
                    }
                }
                (exports("sm", |format| view.with(&[("export", Some(format))]).replace("#attempts", "")))
            }
            (attempt_filters(view, here))
            (attempts(view.app, view.attempts, true))
            (pager(Sorted::ByTime, view.attempts, |iterator| view.with(&[("iterator", iterator)])))
        }
    }
}

/// The filters of the attempts: period, status code and event type.
fn attempt_filters(view: &EndpointView<'_>, here: &str) -> Markup {
    html! {
        div.chips.padg {
            @for (value, word) in super::messages::PERIODS {
                @let value = Some(value).filter(|value| !value.is_empty());
                @let chosen = view.filter("period") == value;
                a.chip.on[chosen] href=(view.with(&[("period", value)])) aria-current=[chosen.then_some("true")] { (t(word)) }
            }
            @for (value, word) in [("200", "2xx"), ("300", "3xx"), ("400", "4xx"), ("500", "5xx"), ("0", "no response")] {
                @let chosen = view.filter("code") == Some(value);
                a.chip.on[chosen] href=(view.with(&[("code", (!chosen).then_some(value))])) aria-current=[chosen.then_some("true")] { (t(word)) }
            }
            @for (name, word) in [("event_types", "Event type"), ("tag", "Tag")] {
                @if let Some(value) = view.filter(name) { a.chip.on.i-x href=(view.with(&[(name, None)])) title=(t("Remove this filter")) { (t(word)) " " b.clip { (value) } } }
            }
            @if let Some(on) = view.live { (super::parts::live_chip(on, &view.with(&[(LIVE, on.then_some("off"))]))) }
            form.row method="get" action=(here) {
                @for (name, value) in view.filters.iter().filter(|(name, value)| *name != "event_types" && value.is_some()) { input type="hidden" name=(name) value=[value.as_deref()]; }
                input.in type="search" name="event_types" value=[view.filter("event_types")] placeholder=(t("Event type")) aria-label=(t("Filter by event type")) maxlength="256";
            }
        }
    }
}

/// The form that resends messages, starting with a count.
fn resend(view: &EndpointView<'_>, to: String) -> Markup {
    html! {
        p.small.muted { (t("You see the number of messages before anything is sent.")) }
        (super::form::show(&Form { id: "again-form", to, proof: view.session.proof(), word: "Preview", fields: vec![
            field("what", "Messages to resend", Kind::Choice(&AGAIN)),
            field("since", "Accepted since", Kind::Moment).hint("In UTC.").required(),
            field("until", "Until", Kind::Moment).hint("In UTC. If empty, until now. Up to 14 days."),
        ], more: html! {
            details.more-fields { summary { (t("Filter the attempted messages")) }
                @for field in [
                    field("eventTypes", "Event types", Kind::Text).example("user.created, user.deleted"),
                    field("channel", "Channel", Kind::Text),
                    field("tag", "Tag", Kind::Text),
                    field("status", "Latest attempt", Kind::Choice(&ENDED)),
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
            ("Created", time(text(view.endpoint, "createdAt"))),
            ("Changed", time(text(view.endpoint, "updatedAt"))),
        ])) } }))
    }
}

/// The fields of an endpoint's settings, except its event types.
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
        field("uid", "Uid", Kind::Text).value(text(endpoint, "uid")).hint("Your own id."),
        field("channels", "Channels", Kind::Text)
            .value(texts(endpoint, "channels").join(", "))
            .hint("Only messages with one of these channels. If empty, all messages."),
        field("throttleRate", "Rate limit", Kind::Number)
            .value(number(endpoint.get("throttleRate")))
            .unit("a second")
            .hint("Requests above the limit wait in the queue."),
        field("paceLimit", "Rate limit with another window", Kind::Number)
            .value(number(within("throttle", "limit")))
            .unit("requests"),
        field("paceWindow", "Window", Kind::Choice(&WINDOWS))
            .value(within("throttle", "window").and_then(Value::as_str).unwrap_or_default()),
        field("maxInFlight", "Requests in flight", Kind::Number)
            .value(number(endpoint.get("maxInFlight")))
            .hint("The maximum number of requests waiting for a response, up to 100."),
        field("timeoutSeconds", "Timeout", Kind::Number)
            .value(number(endpoint.get("timeoutSeconds")))
            .unit("seconds")
            .hint("How long a response may take, up to 30 seconds."),
        field("retrySchedule", "Retry schedule", Kind::Text)
            .value(schedule.unwrap_or_default())
            .example("5, 300, 1800, 7200")
            .hint(
                "Seconds to wait before each retry. If empty, the default schedule applies. Enter “none” for no retries.",
            ),
        field("order", "Order", Kind::Choice(&ORDERS)).value(text(endpoint, "order")),
        field("batchEvents", "Events in one request", Kind::Number)
            .value(number(within("batch", "maxEvents")))
            .hint("The maximum number, sent as an array. If empty, each request has one event."),
        field("batchWait", "Maximum wait for more events", Kind::Number)
            .value(number(within("batch", "maxWaitMs")))
            .unit("ms"),
        field("headerProfile", "Signature headers", Kind::Choice(&PROFILES))
            .value(text(endpoint, "headerProfile")),
        field("metadata", "Metadata", Kind::Area(2))
            .value(lines(endpoint.get("metadata")))
            .example("name: value")
            .hint("One per line."),
        field("preset", "Send as this provider", Kind::Text)
            .value(text(endpoint, "preset"))
            .example("loops")
            .hint("The name of a preset. If empty, the default format is used."),
        field("presetParams", "Preset parameters", Kind::Area(2))
            .value(lines(endpoint.get("presetParams")))
            .example("name: value")
            .hint("One per line."),
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
            @if table_rows.is_empty() { (empty("send", "No custom headers", html! { (t("These headers are sent with every request, in addition to the standard headers.")) }, html! {})) }
            @else { (table(&["Name", "Value", "#"], &table_rows)) }
            (dialog("header", "Set a header", super::form::show(&Form { id: "header-form", to: to.to_owned(), proof: view.session.proof(), word: "Set", fields: vec![
                field("name", "Name", Kind::Text).example("x-team").required(),
                field("value", "Value", Kind::Text).required(),
            ], more: html! {} })))
        },
    )
}

/// The configuration schema of a plugin.
fn schema_of<'a>(store: &'a Value, name: &str) -> Option<&'a Value> {
    let found = rows(store).iter().find(|plugin| text(plugin, "name") == name)?;
    found.pointer("/manifest/configSchema")
}

/// The form of an attached plugin, or of a plugin to attach.
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
                .hint("If empty, the current version is used."),
            field("onError", "On failure", Kind::Choice(&ON_ERROR)).value(text(plugin, "onError")),
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
        @if is_changed(view.plugins) { (unreadable()) }
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

/// The number of messages that would be resent (`words`: singular and plural), and the button to do so.
pub(crate) fn counted(
    session: &Session,
    to: String,
    stats: &Value,
    words: [&str; 2],
    asked: Vec<Field<'_>>,
) -> Markup {
    let messages = int(stats, "messages");
    let complete = flag(stats, "complete");
    let [one, several] = words;
    html! {
        div.task.note.info role="status" { div.grow {
            @if messages == 0 && complete { p { (t("There is nothing to resend.")) } } @else {
                p { @if !complete { (t("At least ")) } b { (messages) } " " (t(if messages == 1 { one } else { several })) (t(" would be resent."))
                    @if !complete { " " (t("The count stops at a limit. The whole time range is resent.")) } }
                (super::form::show(&Form { id: "counted", to, proof: session.proof(), word: "Resend them", fields: asked, more: html! {} }))
            }
        } }
    }
}

/// The signing secret.
pub(crate) fn secret(answer: &Value) -> Markup {
    secret_of(text(answer, "key"), "Signing secret:")
}

/// A secret with an explanation.
pub(crate) fn secret_of(key: &str, sentence: &str) -> Markup {
    html! { div.note.info role="status" { div.grow { p { (t(sentence)) } (super::parts::shown(key)) } } }
}
