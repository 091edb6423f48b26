//! The list of messages: status first, filters in the URL, and bulk actions.

use super::app::{sections, status_word};
use super::form::{Form, Kind, field, result};
use super::parts::{
    Sorted, bytes, dialog, empty, exports, grouped, head, id, live_chip, next_time, note, opener, pager,
    pill, status, time,
};
use crate::data::{int, is_first, link, next, page_after, query, rows, text, texts};
use crate::list::{ENDPOINTS, LIVE, TEXT};
use crate::scope::{phrase, t};
use crate::session::Session;
use maud::{Markup, html};
use serde_json::Value;

/// The data of the message list.
pub(crate) struct MessagesView<'a> {
    pub(crate) session: &'a Session,
    pub(crate) app: &'a str,
    pub(crate) page: &'a Value,
    /// The filters by name, as the URL has them.
    pub(crate) filters: &'a [(&'static str, Option<String>)],
    /// Whether the list updates itself. `None` if it never does: it is not the first page.
    pub(crate) live: Option<bool>,
    pub(crate) endpoints: &'a Value,
    /// The error that prevented the list from loading.
    pub(crate) fault: Option<&'a str>,
}

/// The status filters, as they are in the URL; see [`status_word`].
const STATUSES: [&str; 7] = ["", "failing", "3", "2", "1", "0", "4"];
/// The time ranges to choose from.
pub(super) const PERIODS: [(&str, &str); 4] =
    [("", "Any time"), ("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days")];

impl MessagesView<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.filters.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref())
    }

    /// This page with one filter changed.
    fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut pairs: Vec<(&str, Option<&str>)> = self
            .filters
            .iter()
            .map(|(known, old)| (*known, old.as_deref()))
            .filter(|(known, _)| *known != name)
            .collect();
        pairs.push((name, value));
        let (here, query) = (link(&["app", self.app, "messages"]), query(&pairs));
        if query.is_empty() { here } else { format!("{here}?{query}") }
    }

    /// The path of the list's export.
    fn export(&self, format: &str) -> String {
        let mut pairs: Vec<(&str, Option<&str>)> =
            self.filters.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        pairs.push(("export", Some(format)));
        format!("{}?{}", link(&["app", self.app, "messages"]), query(&pairs))
    }

    fn endpoint(&self, id: &str) -> String {
        let known = rows(self.endpoints).iter().find(|endpoint| text(endpoint, "id") == id);
        known.map_or_else(|| id.to_owned(), |endpoint| super::state::name_of(endpoint).to_owned())
    }
}

/// An application's messages, newest first.
pub(crate) fn messages(view: &MessagesView<'_>) -> Markup {
    let here = link(&["app", view.app, "messages"]);
    let again = view.with("", None);
    let all = view.value("status").is_none() && view.value("endpoint").is_none();
    let of_some = view.value("status").is_some()
        && view.value("endpoint").is_none()
        && rows(view.endpoints).len() > ENDPOINTS;
    let polls = view.live == Some(true);
    html! {
        (head(&t("Messages").text(), html! {}, &[], html! {
            (exports("", |format| view.export(format)))
            (opener("filter", "i-filter", "Filter"))
        }))
        (sections(view.app, "Messages"))
        div.stack.s2 {
            form.filters method="get" action=(here) role="search" {
                input.in type="search" name="q" value=[view.value(TEXT)] placeholder=(t("Search payloads, or paste an id")) aria-label=(t("Text in the payload, message id or event id")) maxlength="256";
                @for (name, value) in view.filters { @if let Some(value) = value.as_deref().filter(|_| *name != TEXT) { input type="hidden" name=(name) value=(value); } }
                button.btn type="submit" { (t("Search")) }
            }
            (chips(view))
        }
        @if let Some(fault) = view.fault { (note("bad", "bad", html! { p role="alert" { (fault) } }, opener("filter", "sm", "Change the filter"))) }
        (result())
        section.card {
            nav.tabs.padx aria-label=(t("Status")) {
                @for value in STATUSES {
                    a href=(view.with("status", Some(value).filter(|value| !value.is_empty()))) aria-current=[(view.value("status").unwrap_or_default() == value).then_some("page")] {
                        (t(if value.is_empty() { "All" } else { status_word(value) }))
                    }
                }
            }
            div id="list" hx-get=[polls.then_some(&again)] hx-trigger=[polls.then_some("every 3s")]
                hx-select=[polls.then_some("#list")] hx-swap=[polls.then_some("outerHTML")] hx-disinherit="*" {
                @if of_some { p.says { (phrase("Shows messages of the newest {} endpoints. Select an endpoint to see others.", ENDPOINTS)) } }
                @if rows(view.page).is_empty() { (nothing(view)) }
                @else {
                    (super::form::show(&Form { id: "ticked", to: format!("{here}/count"), proof: view.session.proof(), word: "Resend selected", fields: Vec::new(), more: html! {
                        table.t.cards.ruled {
                            thead { tr {
                                th scope="col" { label { span.sr { (t("Select all on this page")) } input type="checkbox" data-group=""; } }
                                th scope="col" { (t("Status")) } th scope="col" { (t("Event")) }
                                @if all { th.num scope="col" { (t("Delivered to")) } } @else { th.hide-m scope="col" { (t("Endpoint")) } }
                                th scope="col" { (t("Details")) } th.hide-m scope="col" { (t("Id")) } th.num scope="col" { (t("Accepted")) }
                            } }
                            tbody { @for message in rows(view.page) { (row(view, message, all)) } }
                        }
                    } }))
                }
                (searched(view))
                (pager(Sorted::ByTime, view.page, |iterator| view.with("iterator", iterator)))
            }
        }
        (dialog("filter", "Filter messages", filter(view, &here)))
    }
}

/// How far payloads were searched. Totals of the log are not known, so none is shown.
fn searched(view: &MessagesView<'_>) -> Markup {
    let Some(of) = view.page.get("searched").filter(|of| of.is_object()) else { return html! {} };
    let sentence = if is_first(view.page) {
        t("Searched the newest {} messages ({} of payloads).")
    } else {
        t("Searched {} further messages ({} of payloads).")
    };
    let sentence = sentence.text().replacen("{}", &grouped(int(of, "messages")), 1);
    let sentence = sentence.replacen("{}", &bytes(int(of, "bytes")), 1);
    html! {
        p.says.small role="status" {
            (sentence) " "
            @match page_after(view.page) {
                Some(iterator) => { (t("Older messages were not searched.")) " " a href=(view.with("iterator", Some(iterator))) { (t("Search older messages")) } }
                None => { (t("There are no older messages.")) }
            }
        }
    }
}

/// The active filters, each with a link that removes it.
fn chips(view: &MessagesView<'_>) -> Markup {
    let set: Vec<(&str, String, &str)> = view
        .filters
        .iter()
        .filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(match *name {
                TEXT => ("Payload contains", value.to_owned(), *name),
                "status" => ("Status", t(status_word(value)).text(), *name),
                "endpoint" => ("Endpoint", view.endpoint(value), *name),
                "event_types" => ("Event type", value.to_owned(), *name),
                "channel" => ("Channel", value.to_owned(), *name),
                "tag" => ("Tag", value.to_owned(), *name),
                "after" => ("After", value.to_owned(), *name),
                "before" => ("Before", value.to_owned(), *name),
                _ => return None,
            })
        })
        .collect();
    html! {
        div.chips {
            @for (value, word) in PERIODS {
                @let chosen = view.value("period").unwrap_or_default() == value;
                a.chip.on[chosen] href=(view.with("period", Some(value).filter(|value| !value.is_empty()))) aria-current=[chosen.then_some("true")] { (t(word)) }
            }
            @for (word, value, name) in &set {
                a.chip.on.i-x href=(view.with(name, None)) title=(t("Remove this filter")) { (t(word)) " " b.clip { (value) } }
            }
            @if let Some(on) = view.live { (live_chip(on, &view.with(LIVE, on.then_some("off")))) }
            @if !set.is_empty() { a.small href=(link(&["app", view.app, "messages"])) { (t("Clear")) } }
        }
    }
}

fn nothing(view: &MessagesView<'_>) -> Markup {
    let set = view.filters.iter().filter(|(name, value)| *name != LIVE && value.is_some()).count();
    html! {
        @if view.fault.is_some() {}
        @else if set == 0 { (empty("send", "No message yet", html! { (t("New messages appear here automatically.")) }, html! {})) }
        @else { (empty("search", "No message matches these filters", html! { (t("New messages appear automatically.")) @if next(view.page).is_some() && view.value(TEXT).is_none() { " " (t("Only part of the log was searched. Older messages may match.")) } },
            html! { a.btn href=(link(&["app", view.app, "messages"])) { (t("Clear the filters")) } })) }
    }
}

/// The filter form. Without scripts it is below the list.
fn filter(view: &MessagesView<'_>, here: &str) -> Markup {
    let value = |name: &str| view.value(name).unwrap_or_default().to_owned();
    // The browser's date field has no time zone.
    let moment = |name: &str| value(name).get(..16).map_or_else(|| value(name), str::to_owned);
    let mut endpoints = vec![(String::new(), "Any endpoint".to_owned())];
    endpoints.extend(
        rows(view.endpoints)
            .iter()
            .map(|endpoint| (text(endpoint, "id").to_owned(), text(endpoint, "url").to_owned())),
    );
    let endpoints: Vec<(&str, &str)> =
        endpoints.iter().map(|(id, url)| (id.as_str(), url.as_str())).collect();
    let statuses = STATUSES.map(|status| (status, status_word(status)));
    let fields = [
        field(TEXT, "Payload contains", Kind::Text)
            .value(value(TEXT))
            .hint("As it is written in the payload, in upper or lower case."),
        field("event_types", "Event types", Kind::Text)
            .value(value("event_types"))
            .example("order.paid, order.lost"),
        field("status", "Status", Kind::Choice(&statuses)).value(value("status")),
        field("endpoint", "Endpoint", Kind::Choice(&endpoints)).value(value("endpoint")),
        field("channel", "Channel", Kind::Text).value(value("channel")),
        field("tag", "Tag", Kind::Text).value(value("tag")),
        field("after", "After", Kind::Moment).value(moment("after")).hint("In UTC."),
        field("before", "Before", Kind::Moment).value(moment("before")).hint("In UTC."),
    ];
    html! {
        form.form method="get" action=(here) id="filter-form" {
            @for field in &fields { (field.clone().show("filter-form")) }
            div.row.end { a.btn href=(here) { (t("Clear")) } button.btn.pri type="submit" { (t("Show")) } }
        }
    }
}

/// The status of a message from its deliveries, the share of endpoints that received it, and details.
fn standing(message: &Value) -> (Markup, String, Markup) {
    let Some(of) = message.get("deliveries").filter(|of| of.is_object()) else {
        return (
            status(message),
            String::new(),
            why(text(message, "statusText"), text(message, "nextAttempt")),
        );
    };
    let number = |name: &str| int(of, name);
    let (done, failed, retried, waits, filtered) =
        (number("success"), number("fail"), number("sending"), number("pending"), number("canceled"));
    let all = [done, failed, retried, waits].iter().fold(0i64, |sum, n| sum.saturating_add(*n));
    let shown = match (failed, retried, waits, done, filtered) {
        (1.., ..) => pill("bad", "bad", "Failed"),
        (_, 1.., ..) => pill("warn", "retry", "Retrying"),
        (_, _, 1.., ..) => pill("", "clock", "Waiting"),
        (.., 1.., _) => pill("ok", "ok", "Delivered"),
        (.., 1..) => pill("alt", "filter", "Filtered"),
        _ => pill("", "off", "Not sent"),
    };
    let more = if of.get("complete").and_then(Value::as_bool) == Some(false) { "+" } else { "" };
    let share = t("{} of {}").text().replacen("{}", &done.to_string(), 1);
    let share = share.replacen("{}", &format!("{all}{more}"), 1);
    let details = html! {
        @if retried > 0 { (why("sending", text(of, "nextAttempt"))) }
        @else if failed > 0 { (t("no more retries")) }
        @else if all == 0 && filtered == 0 { (t("no subscribed endpoint")) }
        @else if filtered > 0 && all > 0 { (phrase("{} filtered", filtered)) }
    };
    (shown, if all == 0 { String::new() } else { share }, details)
}

fn why(status: &str, next: &str) -> Markup {
    html! {
        @match (status, next) {
            ("sending", "") => { (t("trying now")) },
            ("sending", next) => { (phrase("next try {}", next_time(next))) }
            ("fail", _) => { (t("no more retries")) },
            _ => {}
        }
    }
}

fn row(view: &MessagesView<'_>, message: &Value, all: bool) -> Markup {
    let (msg, endpoint) = (text(message, "id"), text(message, "endpoint"));
    let (shown, done, details) = standing(message);
    let event_type = text(message, "eventType");
    html! {
        tr {
            td { input type="checkbox" name="one" value={ (msg) "/" (endpoint) } data-of="" aria-label={ (t("Select")) " " (msg) }; }
            td { (shown) }
            td.main-cell {
                a.r.clip href=(link(&["app", view.app, "message", msg])) { (event_type) }
                @if !text(message, "eventId").is_empty() || !texts(message, "tags").is_empty() {
                    span.sub.clip { (text(message, "eventId")) @for tag in texts(message, "tags") { " " span.tag { (tag) } } }
                }
            }
            @if all { td.num data-l=(t("Delivered to")) { (done) } } @else { td.cap.hide-m { span.clip.blk.muted { @if !endpoint.is_empty() { (view.endpoint(endpoint)) } } } }
            td.cap2 { span.muted { (details) } }
            td.hide-m { (id(msg)) }
            td.num.at { (time(text(message, "timestamp"))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_search_states_how_far_it_looked_and_never_a_total() {
        let claims = weir_core::token::Claims { org: "org_1".into(), ..Default::default() };
        let session = crate::session::Keeper::new("secret").begin("ses_1", "token", &claims, 0);
        let of = |page: Value| {
            let filters = [(TEXT, Some("ada".to_owned()))];
            let view = MessagesView {
                session: &session,
                app: "app_1",
                page: &page,
                filters: &filters,
                live: None,
                endpoints: &Value::Null,
                fault: None,
            };
            searched(&view).into_string()
        };
        let looked = json!({ "messages": 1_000, "bytes": 4_194_304 });
        let shown = of(
            json!({ "data": [], "iterator": "msg_1", "prevIterator": null, "done": false, "searched": looked }),
        );
        assert!(
            shown.contains("1,000 messages (4.0 MiB of payloads). Older messages were not searched."),
            "{shown}"
        );
        assert!(shown.contains("contains=ada&amp;iterator=msg_1"), "{shown}");
        let shown = of(json!({ "data": [], "iterator": null, "done": true, "searched": looked }));
        assert!(shown.contains("There are no older messages."), "{shown}");
        assert_eq!(of(json!({ "data": [] })), "");
    }

    #[test]
    fn a_message_stands_as_its_worst_delivery_does() {
        let of = |deliveries: Value| {
            let (shown, done, details) = standing(&json!({ "deliveries": deliveries }));
            (shown.into_string(), done, details.into_string())
        };
        let (shown, done, details) =
            of(json!({ "success": 3, "sending": 1, "nextAttempt": "2026-01-01T00:00:00Z" }));
        assert!(
            shown.contains("Retrying") && done == "3 of 4" && details.contains("next try"),
            "{shown} {done} {details}"
        );
        let (shown, done, details) = of(json!({ "success": 1, "fail": 1, "complete": false }));
        assert!(
            shown.contains("Failed") && done == "1 of 2+" && details.contains("no more retries"),
            "{shown} {done} {details}"
        );
        assert!(of(json!({})).0.contains("Not sent"));
        assert!(of(json!({ "canceled": 1 })).0.contains("Filtered"));
        assert!(of(json!({ "success": 1, "canceled": 1 })).0.contains("Delivered"));
        let (shown, ..) = standing(&json!({ "statusText": "sending" }));
        assert!(shown.into_string().contains("Retrying"));
    }
}
