//! Templates. They show what they are given, and decide nothing.

mod app;
mod catalog;
mod endpoint;
mod form;
mod layout;
pub(crate) mod live;
mod message;
mod overview;
mod plugin;
mod settings;
mod source;
mod tenant;
mod timeline;

pub(crate) use form::hidden;

pub(crate) use app::{AppView, MessagesView, app, messages};
pub(crate) use catalog::{event_type, event_types};
pub(crate) use endpoint::{EndpointView, counted, endpoint, secret, secret_of};
pub(crate) use layout::{Place, login, page, refused};
pub(crate) use message::{MessageView, message};
pub(crate) use overview::period;
pub(crate) use plugin::{plugin, plugins, tested};
pub(crate) use settings::{portal, settings};
pub(crate) use source::{SourceView, new_source, rejected, source, sources};
pub(crate) use tenant::{OverviewView, overview, task, tasks};
pub(crate) use timeline::attempt;

use crate::data::{flag, int, text};
use maud::{Markup, html};
use serde_json::Value;

/// A time of the API, for people: to the second; a script adds how long ago it was.
pub(crate) fn time(at: &str) -> Markup {
    let short = at.get(..19).map_or_else(|| at.to_owned(), |head| head.replace('T', " "));
    html! { @if !at.is_empty() { time datetime=(at) title=(at) { (short) } } }
}

/// What became of an attempt or a delivery.
pub(crate) fn status(of: &Value) -> Markup {
    let word = text(of, "statusText");
    html! { span class={ "status " (word) } { (if word == "canceled" { "filtered" } else { word }) } }
}

/// An endpoint's state.
pub(crate) fn endpoint_state(endpoint: &Value) -> Markup {
    let (class, word) = match (flag(endpoint, "disabled"), flag(endpoint, "paused")) {
        (true, _) => ("fail", "disabled"),
        (_, true) => ("pending", "paused"),
        _ => ("success", "enabled"),
    };
    html! { span class={ "status " (class) } { (word) } }
}

/// An endpoint's breaker, by its statistics, where it is not closed.
pub(crate) fn breaker(of: &Value) -> Markup {
    let until = of.pointer("/breaker/until").and_then(Value::as_str);
    html! {
        @match of.pointer("/breaker/state").and_then(Value::as_str) {
            Some("open") => { span.status.fail { "breaker open" } " until " (time(until.unwrap_or_default())) }
            Some("halfOpen") => { span.status.pending { "breaker half-open" } }
            _ => {}
        }
    }
}

/// The HTTP status of an attempt.
pub(crate) fn code(attempt: &Value) -> Markup {
    let code = int(attempt, "responseStatusCode");
    html! { @if code == 0 { span.dim { "no answer" } } @else { code { (code) } } }
}

/// A button that does something by a form, and reports where `target` says (a selector) or on a new page.
pub(crate) fn button(
    to: &str,
    word: &str,
    target: Option<&str>,
    confirm: Option<&str>,
    fields: &[(&str, &str)],
) -> Markup {
    html! {
        form.inline method="post" action=(to) hx-post=[target.map(|_| to)] hx-target=[target] hx-swap=[target.map(|_| "innerHTML")]
            hx-confirm=[confirm.filter(|_| target.is_some())] data-confirm=[confirm.filter(|_| target.is_none())] {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            // By its id it keeps the focus where its list is fetched again.
            button id={ (to) @for (_, value) in fields.iter().filter(|(name, _)| *name != "_proof") { "#" (value) } } type="submit" { (word) }
        }
    }
}

/// The link to the next page of a list.
pub(crate) fn more(to: Option<String>) -> Markup {
    html! { @if let Some(to) = to { p { a.more href=(to) rel="next" { "Older →" } } } }
}

/// As much of a text from its beginning as makes so many bytes of HTML, and whether that is not all.
pub(crate) fn excerpt(text: &str, most: usize) -> (&str, bool) {
    let mut left = most;
    for (at, c) in text.char_indices() {
        // As they are escaped.
        let size = match c {
            '"' => 6,
            '&' => 5,
            '<' | '>' => 4,
            c => c.len_utf8(),
        };
        let Some(rest) = left.checked_sub(size) else { return (text.get(..at).unwrap_or_default(), true) };
        left = rest;
    }
    (text, false)
}

/// The first line of a JSON text, or the whole with indentation.
pub(crate) fn pretty(payload: &Value) -> String {
    serde_json::to_string_pretty(payload).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_cut_between_characters_and_by_what_it_becomes() {
        assert_eq!(excerpt("a\"b", 8), ("a\"b", false));
        assert_eq!(excerpt("a\"b", 7), ("a\"", true));
        assert_eq!(excerpt("é<", 5), ("é", true));
        let long = "\"<é&".repeat(99);
        let (head, _) = excerpt(&long, 500);
        assert!(html! { (head) }.into_string().len() <= 500);
    }
}
