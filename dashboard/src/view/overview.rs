//! The overview: numbers, then what needs attention, then how deliveries went.

use super::app::new_app;
use super::chart::{Series, legend, periods, word};
use super::form::result;
use super::parts::{card, count, dialog, empty, grouped, head, millis, opener, percent, row_link, time};
use super::state::{State, waits};
use crate::data::{int, items, link, next, rows, text};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// How many endpoints in trouble are listed.
const LISTED: usize = 10;
/// How many applications are listed.
const APPS: usize = 10;

/// What the overview shows.
pub(crate) struct OverviewView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) apps: &'a Value,
    /// What the first of them told.
    pub(crate) told: &'a [Value],
    pub(crate) hours: i64,
    /// How many endpoints of each were asked.
    pub(crate) endpoints: usize,
    /// How many sources there are, up to a page of them.
    pub(crate) sources: &'a Value,
}

/// An endpoint of an overview, with its application.
struct Row<'a> {
    app: &'a Value,
    told: &'a Value,
    state: State,
}

/// The numbers of these overviews together: what was delivered, how much of it, how fast, and what waits.
pub(super) fn stats(series: &Series, overviews: &[&Value], failing: (usize, usize), to: &str) -> Markup {
    let sum = series.sum();
    let endpoints = || overviews.iter().flat_map(|of| items(of, "endpoints"));
    let waiting = endpoints().map(waits).fold(0i64, i64::saturating_add);
    let oldest =
        endpoints().map(|endpoint| text(endpoint, "oldestPending")).filter(|at| !at.is_empty()).min();
    let (failing, all) = failing;
    html! {
        div.stats {
            a.stat href=(to) { span.l { "Delivered" } span.v { (grouped(sum.success)) } (series.line(false, |point| point.success)) span.d { (count(sum.fail, "failed attempt", "failed attempts")) } }
            a.stat href=(to) { span.l { "Attempts that succeeded" } span.v { @match percent(sum.success, sum.attempts()) { Some(share) => { (share) small { "%" } }, None => "–" } } (series.line(true, |point| point.fail)) span.d { "of " (count(sum.attempts(), "attempt", "attempts")) } }
            a.stat href=(to) { span.l { "Endpoints in trouble" } span class={ "v" @if failing > 0 { " c-bad" } } { (failing) small { "of " (all) } } span.d { @if failing == 0 { "None fails" } @else { "Listed below, worst first" } } }
            a.stat href=(to) { span.l { "Time to answer" } span.v { @match sum.mean() { Some(mean) => { (grouped(mean)) small { "ms" } }, None => "–" } } (series.line(false, |point| point.mean().unwrap_or(0))) span.d { "On average; longest " (millis(sum.longest)) } }
            a.stat href=(to) { span.l { "Waiting" } span.v { (grouped(waiting)) } span.d { @if let Some(oldest) = oldest { "Oldest " (time(oldest)) } @else { "Nothing waits" } } }
        }
    }
}

/// How the tenant does.
pub(crate) fn overview(view: &OverviewView<'_>) -> Markup {
    let OverviewView { session, apps, told, hours, endpoints, sources } = view;
    if rows(apps).is_empty() && rows(sources).is_empty() {
        return first_run(session);
    }
    let here = format!("{}?hours={hours}", crate::PREFIX);
    let overviews: Vec<&Value> = told.iter().collect();
    let series = Series::of(*hours, &overviews);
    let mut all: Vec<Row<'_>> = rows(apps)
        .iter()
        .zip(*told)
        .flat_map(|(app, overview)| {
            items(overview, "endpoints").iter().map(move |told| Row {
                app,
                told,
                state: State::of(told, Some(told)),
            })
        })
        .collect();
    let total = all.len();
    all.retain(|row| row.state.is_trouble());
    all.sort_by_key(|row| (row.state, std::cmp::Reverse(waits(row.told))));
    let asked_all = next(apps).is_none()
        && told.len() == rows(apps).len()
        && told
            .iter()
            .all(|of| items(of, "endpoints").len() >= usize::try_from(int(of, "endpointCount")).unwrap_or(0));
    let asked = count(i64::try_from(told.len()).unwrap_or(0), "newest application", "newest applications");
    html! {
        (head("Overview", html! {}, &[
            html! { (rows(apps).len()) @if next(apps).is_some() { " or more" } " applications" },
            html! { (rows(sources).len()) @if next(sources).is_some() { " or more" } " sources" },
        ], periods(crate::PREFIX, *hours)))
        (result())
        div.stack id="overview" hx-get=(here) hx-trigger="every 30s" hx-select="#overview" hx-swap="outerHTML" hx-disinherit="*" {
            @if !asked_all {
                div.note.info.i-bad { div.grow { p { "Numbers are of the " (asked) " and the newest " (endpoints) " endpoints of each. "
                    a href=(link(&["apps"])) { "All applications" } } } }
            }
            (stats(&series, &overviews, (all.len(), total), "#trouble"))
            section.card id="trouble" {
                header { div.grow { h2 { "Needs attention" } } }
                @if all.is_empty() {
                    (empty("ok", if asked_all { "Every endpoint does well" } else { "No trouble among those that were asked" },
                        html! { @if asked_all { "Nothing fails, and nothing is disabled." } @else { "Asked: the " (asked) "." } }, html! {}))
                } @else {
                    (trouble(&all))
                    footer { span.grow { (all.len().min(LISTED)) " of " (all.len()) " in trouble, worst first; " (total) " endpoints were asked." } }
                }
            }
            section.card { header { div.grow { h2 { "Deliveries, " (word(*hours)) } } (legend(&series.sum())) } div.body { (series.bars()) } }
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

fn trouble(all: &[Row<'_>]) -> Markup {
    html! {
        table.t.cards {
            thead { tr { th scope="col" { "Endpoint" } th scope="col" { "What is wrong" } th.num scope="col" { "Waiting" } th.num scope="col" { "Oldest" } } }
            tbody { @for row in all.iter().take(LISTED) {
                @let to = link(&["app", text(row.app, "id"), "endpoint", text(row.told, "id")]);
                tr {
                    td.main-cell { div.row { (row.state.icon()) div.grow { (row_link(&to, text(row.app, "name"), text(row.told, "url"))) } } }
                    td.why { (row.state.says(Some(row.told))) }
                    td.num data-l="Waiting" { (grouped(waits(row.told))) }
                    td.num data-l="Oldest" { (time(text(row.told, "oldestPending"))) }
                }
            } }
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
