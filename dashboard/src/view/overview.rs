//! The overview: numbers, then what needs attention, then how deliveries went.

use super::app::new_app;
use super::chart::{Series, legend, periods, word};
use super::form::result;
use super::parts::{card, count, dialog, empty, grouped, head, millis, opener, percent, row_link, time};
use super::state::{State, waits};
use crate::data::{int, items, link, next, rows, text};
use crate::scope::{phrase, t};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How many endpoints in trouble are listed.
pub(crate) const LISTED: usize = 10;
/// How many applications are listed.
const APPS: usize = 10;

/// What the overview shows.
pub(crate) struct OverviewView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) apps: &'a Value,
    /// What the first of them told.
    pub(crate) told: &'a [Value],
    pub(crate) hours: i64,
    /// The endpoints in trouble of the whole tenant.
    pub(crate) tenant: &'a Value,
    /// How the first of those do now.
    pub(crate) now: &'a [Value],
    /// How many sources there are, up to a page of them.
    pub(crate) sources: &'a Value,
}

/// The median and the 95th percentile of how long attempts took.
fn latency(series: &Series) -> Markup {
    html! {
        @match series.percentiles() {
            Some((half, most)) => {
                span.v { (grouped(half)) small { "ms" } }
                (series.line(false, |point| point.mean().unwrap_or(0)))
                span.d { "p50; p95 " (millis(most)) }
            },
            None => { span.v { "–" } span.d { (t("no attempt")) } }
        }
    }
}

/// The numbers of these overviews together: what was delivered, how much of it, how fast, and what waits. `of` is where the
/// lists behind them are: the endpoints, and the messages by status.
pub(super) fn stats(series: &Series, overviews: &[&Value], failing: (usize, usize), app: &str) -> Markup {
    let sum = series.sum();
    let endpoints = || overviews.iter().flat_map(|of| items(of, "endpoints"));
    let waiting = endpoints().map(waits).fold(0i64, i64::saturating_add);
    let oldest =
        endpoints().map(|endpoint| text(endpoint, "oldestPending")).filter(|at| !at.is_empty()).min();
    let (failing, all) = failing;
    let list = |status: &str| format!("{}?status={status}", link(&["app", app, "messages"]));
    html! {
        div.stats {
            a.stat href=(list("0")) { span.l { (t("Delivered")) } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (count(sum.fail, "failed attempt", "failed attempts")) } }
            a.stat href=(list("failing")) { span.l { (t("Attempts that succeeded")) } span.v { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) small { "%" } }, None => "–" } } (series.line(true, |point| point.fail)) span.d { (phrase("of {}", count(sum.attempts(), "attempt", "attempts"))) } }
            a.stat href="#endpoints" { span.l { (t("Endpoints in trouble")) } span class={ "v" @if failing > 0 { " c-bad" } } { (failing) small { "/ " (all) } } span.d { @if failing == 0 { (t("None fails")) } @else { (t("Listed below, worst first")) } } }
            a.stat href=(list("0")) { span.l { (t("Time to answer")) } (latency(series)) }
            a.stat href=(list("1")) { span.l { (t("Waiting")) } span.v { (grouped(waiting)) } span.d { @if let Some(oldest) = oldest { (phrase("Oldest {}", time(oldest))) } @else { (t("Nothing waits")) } } }
        }
    }
}

/// The numbers of the whole tenant, and those of the applications that were asked.
fn numbers(view: &OverviewView<'_>, series: &Series) -> Markup {
    let number = |name: &str| int(view.tenant, name);
    let failing = number("open").saturating_add(number("failing"));
    let (waiting, disabled) = (number("waiting"), number("disabled"));
    let to = |state: &str| format!("{}?state={state}", link(&["trouble"]));
    let sum = series.sum();
    let apps = link(&["apps"]);
    html! {
        div.stats {
            a.stat href=(to("failing")) { span.l { "Failing endpoints" } span class={ "v" @if failing > 0 { " c-bad" } } { (capped(failing)) } span.d { "of all applications; " (capped(disabled)) " disabled" } }
            a.stat href=(to("waiting")) { span.l { "Endpoints with a backlog" } span.v { (capped(waiting)) } span.d { @if waiting == 0 && failing == 0 { "No endpoint reports a backlog" } @else { "besides those that fail" } } }
            a.stat href=(apps) { span.l { "Delivered" } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (count(sum.fail, "failed attempt", "failed attempts")) } }
            a.stat href=(apps) { span.l { "Attempts that succeeded" } span.v { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) small { "%" } }, None => "–" } } (series.line(true, |point| point.fail)) span.d { "of " (count(sum.attempts(), "attempt", "attempts")) } }
            a.stat href=(apps) { span.l { "Time to answer" } (latency(series)) }
        }
    }
}

/// A count that stops at a thousand.
fn capped(number: i64) -> String {
    format!("{}{}", grouped(number), if number >= 1_000 { "+" } else { "" })
}

/// How the tenant does.
pub(crate) fn overview(view: &OverviewView<'_>) -> Markup {
    let OverviewView { session, apps, told, hours, tenant, sources, .. } = view;
    if rows(apps).is_empty() && rows(sources).is_empty() {
        return first_run(session);
    }
    let here = format!("{}?hours={hours}", crate::PREFIX);
    let overviews: Vec<&Value> = told.iter().collect();
    let series = Series::of(*hours, &overviews);
    let total: i64 = ["open", "failing", "disabled", "waiting"]
        .iter()
        .fold(0i64, |sum, name| sum.saturating_add(int(tenant, name)));
    let listed = items(tenant, "endpoints");
    let shown = i64::try_from(listed.len().min(LISTED)).unwrap_or(0);
    let part = next(apps).is_some() || told.len() < rows(apps).len();
    html! {
        (head("Overview", html! {}, &[
            html! { (capped(int(tenant, "applications"))) " applications" },
            html! { (rows(sources).len()) @if next(sources).is_some() { " or more" } " sources" },
        ], periods(crate::PREFIX, *hours)))
        (result())
        div.stack id="overview" hx-get=(here) hx-trigger="every 30s" hx-select="#overview" hx-swap="outerHTML" hx-disinherit="*" {
            (numbers(view, &series))
            section.card id="trouble" {
                header { div.grow { h2 { "Needs attention" } } @if total > 0 { a.btn.sm href=(link(&["trouble"])) { "All in trouble" } } }
                @if listed.is_empty() {
                    (empty("ok", "No endpoint reports trouble", html! { "Every endpoint of every application reports here when it fails, is disabled or has a backlog." }, html! {}))
                } @else {
                    (trouble(listed.get(..LISTED.min(listed.len())).unwrap_or_default(), view.now))
                    footer { span.grow { (shown) " of " (capped(total)) " in trouble, worst first; all applications report here." } }
                }
            }
            section.card {
                header { div.grow { h2 { "Deliveries, " (word(*hours)) } } (legend(&series.sum())) }
                div.body { (series.bars()) }
                @if part { footer { "Deliveries, attempts and times are of the " (count(i64::try_from(told.len()).unwrap_or(0), "newest application", "newest applications")) ", up to 20 endpoints of each." } }
            }
        }
        (card("Applications", html! { a.btn.sm href=(link(&["apps"])) { "All applications" } (opener("new-app", "sm pri i-plus", "New application")) }, html! {
            @if rows(apps).is_empty() { (empty("apps", "No application yet", html! { "An application is one consumer of your webhooks, usually a customer." }, html! {})) }
            @else {
                ul.list { @for (app, told) in rows(apps).iter().zip(told.iter().map(Some).chain(std::iter::repeat(None))).take(APPS) { (app_row(app, told)) } }
            }
        }))
        (dialog("new-app", "New application", new_app(session)))
    }
}

/// The state that an endpoint has reported.
fn reported(row: &Value) -> State {
    match text(row, "state") {
        "open" => State::Open,
        "failing" => State::Failing,
        "disabled" => State::Disabled,
        _ => State::Waiting,
    }
}

/// What is wrong, since when, and what comes next.
fn wrong(row: &Value, now: Option<&Value>) -> Markup {
    let until = now.and_then(|now| now.pointer("/breaker/until")).and_then(Value::as_str);
    html! {
        @match text(row, "state") {
            "open" => { "Nothing but failures; circuit breaker open" @if let Some(until) = until { ", next try " (super::parts::next_time(until)) } }
            "failing" => "Nothing but failures",
            "disabled" => "Disabled: new messages are skipped",
            _ => "Deliveries wait longer than a minute",
        }
    }
}

/// Endpoints in trouble; `now` is how the first of them do now, where they were asked.
fn trouble(all: &[Value], now: &[Value]) -> Markup {
    html! {
        table.t.cards {
            thead { tr { th scope="col" { "Endpoint" } th scope="col" { "What is wrong" } th.num scope="col" { "Since" } th.num scope="col" { "Waiting" } } }
            tbody { @for (row, now) in all.iter().zip(now.iter().map(Some).chain(std::iter::repeat(None))) {
                @let now = now.and_then(|overview| items(overview, "endpoints").first());
                @let to = link(&["app", text(row, "appId"), "endpoint", text(row, "endpointId")]);
                @let name = if text(row, "appName").is_empty() { text(row, "appId") } else { text(row, "appName") };
                @let url = now.map_or(text(row, "endpointId"), |now| text(now, "url"));
                tr {
                    td.main-cell { div.row { (reported(row).icon()) div.grow { (row_link(&to, name, url)) } } }
                    td.why { (reported(row).pill(false)) span.sub { (wrong(row, now)) } }
                    td.num data-l="Since" { (time(text(row, "since"))) }
                    td.num data-l="Waiting" { @if let Some(now) = now { (grouped(waits(now))) } }
                }
            } }
        }
    }
}

/// All endpoints in trouble, or those of one state.
pub(crate) fn troubles(tenant: &Value, state: Option<&str>, now: &[Value]) -> Markup {
    let here = link(&["trouble"]);
    let all = items(tenant, "endpoints");
    let number = |state: Option<&str>| match state {
        None => ["open", "failing", "disabled", "waiting"]
            .iter()
            .fold(0i64, |sum, name| sum.saturating_add(int(tenant, name))),
        Some(state) => int(tenant, state),
    };
    html! {
        (head("Endpoints in trouble", html! {}, &[html! { "Of all applications and sources, worst first. Endpoints report here by themselves." }], html! {}))
        (result())
        section.card {
            nav.tabs.padx aria-label="State" {
                @for (value, word) in [(None, "All"), (Some("open"), "Circuit open"), (Some("failing"), "Failing"), (Some("disabled"), "Disabled"), (Some("waiting"), "Backlog")] {
                    a href=(value.map_or_else(|| here.clone(), |value| format!("{here}?state={value}"))) aria-current=[(value == state).then_some("page")] { (word) span.n { (capped(number(value))) } }
                }
            }
            @if all.is_empty() { (empty("ok", "No endpoint reports this", html! { "Endpoints report when they fail, are disabled or have a backlog." }, html! {})) }
            @else { (trouble(all, now)) }
            @if i64::try_from(all.len()).unwrap_or(0) < number(state) { footer { "Shows the worst " (all.len()) "." } }
        }
    }
}

/// An application in a list: its name, and its worst endpoint's state.
fn app_row(app: &Value, told: Option<&Value>) -> Markup {
    let states = told
        .map(|told| items(told, "endpoints").iter().map(|one| State::of(one, Some(one))).collect::<Vec<_>>());
    let wrong = states.as_ref().map_or(0, |states| states.iter().filter(|state| state.is_trouble()).count());
    html! {
        li {
            div.grow { a.t1.clip.blk href=(link(&["app", text(app, "id")])) { (text(app, "name")) } div.tiny.faint.clip { (text(app, "uid")) } }
            @match states {
                None => {}
                Some(states) if states.is_empty() => span.small.faint { "No endpoints" },
                Some(_) if wrong > 0 => { (super::parts::pill("bad", "bad", &format!("{wrong} in trouble"))) }
                Some(states) => span.small.muted { (count(i64::try_from(states.len()).unwrap_or(0), "endpoint", "endpoints")) },
            }
        }
    }
}

/// What somebody sees who has nothing yet: two ways to begin.
fn first_run(session: &Session) -> Markup {
    html! {
        (head("Overview", html! {}, &[html! { "There are no applications yet. Choose where to begin; you can do both later." }], html! {}))
        (result())
        div.grid {
            section.card.choice.w6 {
                h2.big { "I send webhooks" }
                p { "Your customers add endpoints; you post each event once. It is signed, retried, rate limited, and every attempt is shown." }
                p { "An application is one consumer, usually a customer. Create the first:" }
                (new_app(session))
            }
            section.card.choice.w6 {
                h2.big { "I receive webhooks" }
                p { "Give a provider an address here. The signature is checked, the event is stored, and it is delivered when your service is up." }
                p { a.btn.pri.i-plus href=(link(&["sources", "new"])) { "Connect a provider" } }
            }
        }
        (card("Or from a terminal", html! {}, html! { div.body.stack {
            p.small.muted { "WEIR_URL is this gateway's address, WEIR_TOKEN a token of your organisation." }
            (super::parts::shown("curl -X POST \"$WEIR_URL/api/v1/app\" -H \"authorization: Bearer $WEIR_TOKEN\" \\\n  -H 'content-type: application/json' -d '{\"name\": \"Acme\", \"uid\": \"acme\"}'"))
            (super::parts::shown(&super::live::curl("acme")))
        } }))
    }
}
