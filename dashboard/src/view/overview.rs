//! The overview: key numbers, then what needs attention, then deliveries.

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

/// The data of the overview.
pub(crate) struct OverviewView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) apps: &'a Value,
    /// The overviews of the first of them.
    pub(crate) overviews: &'a [Value],
    pub(crate) hours: i64,
    /// The endpoints in trouble of the whole tenant.
    pub(crate) tenant: &'a Value,
    /// The current state of the first of those.
    pub(crate) now: &'a [Value],
    /// The newest sources, up to one page.
    pub(crate) sources: &'a Value,
    /// The newest rejected requests, each with its source.
    pub(crate) rejected: &'a [(Value, Value)],
}

/// The median and the 95th percentile of the response time.
fn latency(series: &Series) -> Markup {
    html! {
        @match series.percentiles() {
            Some((half, most)) => {
                span.v { (grouped(half)) small { "ms" } }
                (series.line(false, |point| point.mean().unwrap_or(0)))
                span.d { "p50; p95 " (millis(most)) }
            },
            None => { span.v { "–" } span.d { (t("no attempts")) } }
        }
    }
}

/// The change of delivered messages against the previous period.
fn change(series: &Series) -> Markup {
    html! { @if let Some(more) = series.delivered_change() { span.delta title=(t("Compared with the period before")) { (if more < 0 { "−" } else { "+" }) (grouped(more.saturating_abs())) " %" } ", " } }
}

/// The change of the success rate against the previous period, in percentage points.
fn success_change(series: &Series) -> Markup {
    html! { @if let Some(tenths) = series.success_change() {
        @let size = tenths.saturating_abs();
        span.delta.c-bad[tenths < 0] title=(t("Compared with the period before")) { (if tenths < 0 { "−" } else { "+" }) (size.div_euclid(10)) "." (size.rem_euclid(10)) " pp" } ", "
    } }
}

/// The key numbers of an application: deliveries, success rate, failing endpoints, response time and backlog, each linked to
/// the list behind it.
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
            a.stat href=(list("0")) { span.l { (t("Delivered")) } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (change(series)) (count(sum.fail, "failed attempt", "failed attempts")) } }
            a.stat href=(list("failing")) { span.l { (t("Attempts that succeeded")) } span.v { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) small { "%" } }, None => "–" } } (series.line(true, |point| point.fail)) span.d { (success_change(series)) (phrase("of {}", count(sum.attempts(), "attempt", "attempts"))) } }
            a.stat href="#endpoints" { span.l { (t("Endpoints in trouble")) } span class={ "v" @if failing > 0 { " c-bad" } } { (failing) small { "/ " (all) } } span.d { @if failing == 0 { (t("None failing")) } @else { (t("Listed below, worst first")) } } }
            a.stat href=(list("0")) { span.l { (t("Response time")) } (latency(series)) }
            a.stat href=(list("1")) { span.l { (t("Waiting")) } span.v { (grouped(waiting)) } span.d { @if let Some(oldest) = oldest { (phrase("Oldest {}", time(oldest))) } @else { (t("No backlog")) } } }
        }
    }
}

/// The key numbers of the whole tenant, and of the applications whose overviews were read.
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
            a.stat href=(to("waiting")) { span.l { "Endpoints with a backlog" } span.v { (capped(waiting)) } span.d { @if waiting == 0 && failing == 0 { "No endpoint has a backlog" } @else { "in addition to failing endpoints" } } }
            a.stat href=(apps) { span.l { "Delivered" } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (change(series)) (count(sum.fail, "failed attempt", "failed attempts")) } }
            a.stat href=(apps) { span.l { "Attempts that succeeded" } span.v { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) small { "%" } }, None => "–" } } (series.line(true, |point| point.fail)) span.d { (success_change(series)) "of " (count(sum.attempts(), "attempt", "attempts")) } }
            a.stat href=(apps) { span.l { "Response time" } (latency(series)) }
        }
    }
}

/// A count that is capped at 1,000.
fn capped(number: i64) -> String {
    format!("{}{}", grouped(number), if number >= 1_000 { "+" } else { "" })
}

/// The overview of a tenant.
pub(crate) fn overview(view: &OverviewView<'_>) -> Markup {
    let OverviewView { session, apps, overviews, hours, tenant, sources, .. } = view;
    if rows(apps).is_empty() && rows(sources).is_empty() {
        return first_run(session);
    }
    let here = format!("{}?hours={hours}", crate::PREFIX);
    let series = Series::of(*hours, &overviews.iter().collect::<Vec<_>>());
    let total: i64 = ["open", "failing", "disabled", "waiting"]
        .iter()
        .fold(0i64, |sum, name| sum.saturating_add(int(tenant, name)));
    let listed = items(tenant, "endpoints");
    let shown = i64::try_from(listed.len().min(LISTED)).unwrap_or(0);
    let part = next(apps).is_some() || overviews.len() < rows(apps).len();
    html! {
        (head("Overview", html! {}, &[
            html! { (capped(int(tenant, "applications"))) @if int(tenant, "applications") == 1 { " application" } @else { " applications" } },
            html! { @if next(sources).is_some() { (rows(sources).len()) " or more sources" } @else { (count(i64::try_from(rows(sources).len()).unwrap_or(0), "source", "sources")) } },
        ], periods(crate::PREFIX, *hours)))
        (result())
        div.stack id="overview" hx-get=(here) hx-trigger="every 30s" hx-select="#overview" hx-swap="outerHTML" hx-disinherit="*" {
            (numbers(view, &series))
            p.small.muted { (covers(view, part)) }
            section.card id="trouble" {
                header { div.grow { h2 { "Needs attention" } } @if total > 0 { a.btn.sm href=(link(&["trouble"])) { "View all" } } }
                @if listed.is_empty() {
                    (empty("ok", "No endpoint in trouble", html! { "Every endpoint of every application reports here when it fails, is disabled or has a backlog." }, html! {}))
                } @else {
                    (trouble(listed.get(..LISTED.min(listed.len())).unwrap_or_default(), view.now))
                    footer { span.grow { (shown) " of " (capped(total)) " in trouble, worst first, from all applications." } }
                }
            }
            section.card {
                header { div.grow { h2 { "Deliveries, " (word(*hours)) } } (legend(&series.sum())) }
                div.body { (series.bars()) }
            }
            (recent_rejections(view))
        }
        (card("Applications", html! { a.btn.sm href=(link(&["apps"])) { "All applications" } (opener("new-app", "sm pri i-plus", "New application")) }, html! {
            @if rows(apps).is_empty() { (empty("apps", "No application yet", html! { "An application is one consumer of your webhooks, usually a customer." }, html! {})) }
            @else {
                ul.list { @for (app, overview) in rows(apps).iter().zip(overviews.iter().map(Some).chain(std::iter::repeat(None))).take(APPS) { (app_row(app, overview)) } }
            }
        }))
        (dialog("new-app", "New application", new_app(session)))
    }
}

/// Which applications the numbers cover.
fn covers(view: &OverviewView<'_>, part: bool) -> Markup {
    let asked = i64::try_from(view.overviews.len()).unwrap_or(0);
    html! {
        "Failing and disabled endpoints and backlogs: all applications. "
        @if part { "Deliveries, success rate and response time: the " (count(asked, "newest application", "newest applications")) @if asked > 1 { " of " (capped(int(view.tenant, "applications"))) } ", up to 20 endpoints each." }
        @else { "Deliveries, success rate and response time: all applications, up to 20 endpoints each." }
    }
}

/// The newest rejected requests of the newest sources.
fn recent_rejections(view: &OverviewView<'_>) -> Markup {
    if rows(view.sources).is_empty() {
        return html! {};
    }
    let all = rows(view.sources).len();
    card(
        "Recent rejected requests",
        html! { a.btn.sm href=(link(&["sources"])) { "All sources" } },
        html! {
            @if view.rejected.is_empty() { (empty("shield", "No rejected request", html! { "Requests with an invalid signature are listed here, with the reason." }, html! {})) }
            @else {
                ul.list { @for (source, one) in view.rejected {
                    @let detail = one.pointer("/reason/detail").and_then(Value::as_str).unwrap_or_default();
                    li {
                        span.ico.bad.i-bad {}
                        div.grow { a.t1.clip.blk href=(link(&["app", text(source, "id"), "rejected", text(one, "id")])) title=(detail) { (detail) }
                            div.tiny.muted.clip { (text(source, "name")) ", " code { (one.pointer("/reason/code").and_then(Value::as_str).unwrap_or_default()) } } }
                        span.small.muted.nw { (time(text(one, "timestamp"))) }
                    }
                } }
            }
            @if all > 5 || next(view.sources).is_some() { footer { "Covers the 5 newest sources." } }
        },
    )
}

/// The state that an endpoint reported.
fn reported(row: &Value) -> State {
    match text(row, "state") {
        "open" => State::Open,
        "failing" => State::Failing,
        "disabled" => State::Disabled,
        _ => State::Waiting,
    }
}

/// The state of an endpoint: what it reported, or a circuit breaker that has opened since. (An endpoint reports at most once
/// a minute.)
fn current(row: &Value, now: Option<&Value>) -> State {
    let breaker = now.and_then(|now| now.pointer("/breaker/state")).and_then(Value::as_str);
    match (reported(row), breaker) {
        (State::Failing | State::Waiting, Some("open")) => State::Open,
        (State::Failing | State::Open, Some("halfOpen")) => State::HalfOpen,
        (state, _) => state,
    }
}

/// What is wrong, and what happens next.
fn wrong(state: State, now: Option<&Value>) -> Markup {
    let until = now.and_then(|now| now.pointer("/breaker/until")).and_then(Value::as_str);
    html! {
        @match state {
            State::Open => { "Every attempt fails; circuit breaker open" @if let Some(until) = until { ", next try " (super::parts::next_time(until)) } }
            State::HalfOpen => "Every attempt failed; testing with one request",
            State::Failing => "Every attempt fails",
            State::Disabled => "Disabled: new messages are skipped",
            _ => "Deliveries pending for more than a minute",
        }
    }
}

/// Endpoints in trouble. `now` is the current state of the first of them.
fn trouble(all: &[Value], now: &[Value]) -> Markup {
    html! {
        table.t.cards {
            thead { tr { th scope="col" { "Endpoint" } th scope="col" { "What is wrong" } th.num scope="col" { "Since" } th.num scope="col" { "Waiting" } } }
            tbody { @for (row, now) in all.iter().zip(now.iter().map(Some).chain(std::iter::repeat(None))) {
                @let now = now.and_then(|overview| items(overview, "endpoints").first());
                @let state = current(row, now);
                @let to = link(&["app", text(row, "appId"), "endpoint", text(row, "endpointId")]);
                @let name = if text(row, "appName").is_empty() { text(row, "appId") } else { text(row, "appName") };
                @let url = now.map_or(text(row, "endpointId"), |now| text(now, "url"));
                tr {
                    td.main-cell { div.row { (state.icon()) div.grow { (row_link(&to, name, url)) } } }
                    td.why { (state.pill(false)) span.sub { (wrong(state, now)) } }
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
        (head("Endpoints in trouble", html! {}, &[html! { "From all applications and sources, worst first. Endpoints report changes themselves." }], html! {}))
        (result())
        section.card {
            nav.tabs.padx aria-label="State" {
                @for (value, word) in [(None, "All"), (Some("open"), "Circuit open"), (Some("failing"), "Failing"), (Some("disabled"), "Disabled"), (Some("waiting"), "Backlog")] {
                    a href=(value.map_or_else(|| here.clone(), |value| format!("{here}?state={value}"))) aria-current=[(value == state).then_some("page")] { (word) span.n { (capped(number(value))) } }
                }
            }
            @if all.is_empty() { (empty("ok", "No endpoint in this state", html! { "Endpoints report when they fail, are disabled or have a backlog." }, html! {})) }
            @else { (trouble(all, now)) }
            @if i64::try_from(all.len()).unwrap_or(0) < number(state) { footer { "Shows the worst " (all.len()) "." } }
        }
    }
}

/// An application in a list: its name, and its worst endpoint's state.
fn app_row(app: &Value, overview: Option<&Value>) -> Markup {
    let states = overview.map(|overview| {
        items(overview, "endpoints").iter().map(|one| State::of(one, Some(one))).collect::<Vec<_>>()
    });
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

/// The overview of an empty tenant: two ways to start.
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
            p.small.muted { "WEIR_URL is this gateway's address, WEIR_TOKEN a token of your organization." }
            (super::parts::shown("curl -X POST \"$WEIR_URL/api/v1/app\" -H \"authorization: Bearer $WEIR_TOKEN\" \\\n  -H 'content-type: application/json' -d '{\"name\": \"Acme\", \"uid\": \"acme\"}'"))
            (super::parts::shown(&super::live::curl("acme")))
        } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_circuit_breaker_that_opened_after_the_report_is_shown_at_once() {
        let row = |state: &str| json!({ "appId": "app_1", "endpointId": "ep_1", "state": state });
        let now = |breaker: &str| json!({ "endpoints": [{ "breaker": { "state": breaker, "until": "2026-01-01T00:00:00Z" } }] });
        let shown = |state: &str, breaker: &str| trouble(&[row(state)], &[now(breaker)]).into_string();
        assert!(shown("failing", "open").contains("Circuit open"));
        assert!(shown("failing", "halfOpen").contains("Trying again"));
        assert!(shown("failing", "closed").contains("Failing"));
        assert!(shown("disabled", "open").contains("Disabled"));
        assert!(trouble(&[row("open")], &[]).into_string().contains("Circuit open"));
    }
}
