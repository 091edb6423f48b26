//! The components of pages: pills, ids, cards, headings, dialogs. Each looks the same everywhere, and its text carries the
//! meaning; color and icon only repeat it.

use crate::data::{int, is_first, page_after, page_before, query, text};
use crate::scope::{phrase, t};
use maud::{Markup, html};
use serde_json::Value;

/// A status pill: an icon and one or two words. `class` is its color: `ok`, `bad`, `warn`, `alt`, or empty.
pub(crate) fn pill(class: &str, icon: &str, word: &str) -> Markup {
    html! { span class={ "pill " (class) " i-" (icon) } { (t(word)) } }
}

/// The color, icon and label of a status of the API.
pub(crate) fn of_status(word: &str) -> (&'static str, &'static str, &'static str) {
    match word {
        "success" => ("ok", "ok", "Delivered"),
        "fail" => ("bad", "bad", "Failed"),
        "sending" => ("warn", "retry", "Retrying"),
        "pending" => ("", "clock", "Waiting"),
        "canceled" => ("alt", "filter", "Filtered"),
        _ => ("", "clock", "Unknown"),
    }
}

/// The status of a delivery or an attempt.
pub(crate) fn status(of: &Value) -> Markup {
    let (class, icon, word) = of_status(text(of, "statusText"));
    html! { @if !text(of, "statusText").is_empty() { (pill(class, icon, word)) } }
}

/// The status code of a response, or that there was none.
pub(crate) fn code(attempt: &Value) -> Markup {
    let code = int(attempt, "responseStatusCode");
    let class = match code {
        200..=299 => "ok",
        429 => "warn",
        _ => "bad",
    };
    html! {
        @if code != 0 { span class={ "code-n " (class) } { (code) } }
        @else if text(attempt, "statusText") == "canceled" { span.code-n { (t("not sent")) } }
        @else { span.code-n.bad { (t("no response")) } }
    }
}

/// A timestamp. A script replaces it with a relative time; without scripts it is in UTC.
pub(crate) fn time(at: &str) -> Markup {
    let short = at.get(..19).map_or_else(|| at.to_owned(), |head| head.replace('T', " "));
    html! { @if !at.is_empty() { time datetime=(at) title={ (short) " UTC" } { (short) } } }
}

/// The time of a future event. Once it has passed, the script shows “now”.
pub(crate) fn next_time(at: &str) -> Markup {
    let short = at.get(..19).map_or_else(|| at.to_owned(), |head| head.replace('T', " "));
    html! { @if !at.is_empty() { time datetime=(at) title={ (short) " UTC" } data-next { (short) } } }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "−" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 message`, `2 messages`.
pub(crate) fn count(number: i64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), t(if number == 1 { one } else { several }).text())
}

/// A share in percent with significant digits. `None` if the whole is 0.
pub(crate) fn percent(part: i64, whole: i64) -> Option<String> {
    let share = part.saturating_mul(10_000).checked_div(whole)?;
    let (whole, rest) = (share.div_euclid(100), share.rem_euclid(100));
    Some(match (whole, rest) {
        (_, 0) => format!("{whole}"),
        // Less than 100 % is never rounded to 100 %.
        (99.., _) => format!("{whole}.{rest:02}"),
        _ => format!("{whole}.{}", rest.div_euclid(10)),
    })
}

/// A human-readable duration.
pub(crate) fn millis(ms: i64) -> String {
    match ms {
        ..10_000 => format!("{} ms", grouped(ms)),
        _ => format!("{}.{} s", ms.div_euclid(1_000), ms.rem_euclid(1_000).div_euclid(100)),
    }
}

/// A human-readable size.
pub(crate) fn bytes(size: i64) -> String {
    match size {
        ..10_000 => count(size, "byte", "bytes"),
        10_000..1_048_576 => format!("{} KiB", size.div_euclid(1_024)),
        _ => format!("{}.{} MiB", size.div_euclid(1_048_576), size.rem_euclid(1_048_576).div_euclid(104_858)),
    }
}

/// An abbreviated id with a button that copies the full id. (The button's own id keeps the focus when the page refreshes.)
pub(crate) fn id(id: &str) -> Markup {
    html! { span.row.nw title=(id) { span.id { (short_id(id)) } (copy_button(id)) } }
}

fn copy_button(what: &str) -> Markup {
    html! { button.copy.i-copy id={ "copy-" (what) } type="button" data-copy=(what) aria-label={ (t("Copy")) " " (what) } title=(t("Copy")) {} }
}

/// The prefix of an id, its first four characters, and its last four.
pub(crate) fn short_id(id: &str) -> String {
    let Some((prefix, rest)) = id.split_once('_') else { return id.to_owned() };
    match (rest.get(..4), rest.len().checked_sub(4).and_then(|at| rest.get(at..))) {
        (Some(first), Some(last)) if rest.len() > 12 => format!("{prefix}_{first}…{last}"),
        _ => id.to_owned(),
    }
}

/// A text with a button that copies it.
pub(crate) fn shown(text: &str) -> Markup {
    html! { div.take { pre.secret tabindex="0" { (text) } button.btn.sm.i-copy.copy-text type="button" data-copy="" { (t("Copy")) } } }
}

/// The heading of a page: its title, at most one pill, a line of facts, and actions.
pub(crate) fn head(title: &str, pill: Markup, facts: &[Markup], actions: Markup) -> Markup {
    html! {
        div.head {
            div.grow {
                div.row.wrap { h1 title=(title) { (title) } (pill) }
                @if facts.iter().any(|fact| !fact.0.is_empty()) {
                    div.sub { @for fact in facts { @if !fact.0.is_empty() { span { (fact) } } } }
                }
            }
            @if !actions.0.is_empty() { div.row.wrap.acts { (actions) } }
        }
    }
}

/// A card with a heading and content beside it.
pub(crate) fn card(title: &str, beside: Markup, content: Markup) -> Markup {
    html! { section.card { header { div.grow { h2 { (t(title)) } } (beside) } (content) } }
}

/// An empty state: why it is empty, and one next step.
pub(crate) fn empty(icon: &str, title: &str, why: Markup, way: Markup) -> Markup {
    html! { div.empty { span class={ "ico i-" (icon) } {} h3 { (t(title)) } p { (why) } (way) } }
}

/// A note below the heading: a problem and one action.
pub(crate) fn note(class: &str, icon: &str, text: Markup, act: Markup) -> Markup {
    html! { div class={ "note " (class) " i-" (icon) } { div.grow { (text) } (act) } }
}

/// A list of facts; empty ones are omitted.
pub(crate) fn facts(all: &[(&str, Markup)]) -> Markup {
    html! { dl.kv.facts { @for (word, value) in all { @if !value.0.is_empty() { div { dt { (t(word)) } dd { (value) } } } } } }
}

/// Tabs: label, path and count.
pub(crate) fn tabs(label: &str, current: &str, all: &[(&str, String, Option<i64>)]) -> Markup {
    html! {
        nav.tabs aria-label=(t(label)) {
            @for (word, to, many) in all {
                a href=(to) aria-current=[(*word == current).then_some("page")] { (t(word)) @if let Some(many) = many { span.n { (grouped(*many)) } } }
            }
        }
    }
}

/// A button that opens a dialog. It works without scripts.
pub(crate) fn opener(id: &str, class: &str, word: &str) -> Markup {
    html! { button class={ "btn " (class) } type="button" popovertarget=(id) { (t(word)) } }
}

/// A dialog. An element with `autofocus` receives the focus when it opens.
pub(crate) fn dialog(id: &str, title: &str, content: Markup) -> Markup {
    html! {
        div.dialog popover id=(id) role="dialog" aria-labelledby={ (id) "-title" } {
            div.dhead { h2 id={ (id) "-title" } { (t(title)) } button.btn.ghost.icon.sm.i-x type="button" popovertarget=(id) popovertargetaction="hide" aria-label=(t("Close")) {} }
            div.body { (content) }
        }
    }
}

/// A menu of further actions.
pub(crate) fn menu(label: &str, content: Markup) -> Markup {
    html! { details.menu { summary.btn.icon.i-dots aria-label=(t(label)) {} div { (content) } } }
}

/// A table. The first column is the main one. A heading with the prefix `#` marks a number column; an empty heading is
/// announced as “Actions”. On phones each row becomes a card in which numbers are labeled.
pub(crate) fn table(heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let name = |head: &str| head.strip_prefix('#').unwrap_or(head).to_owned();
    html! {
        table.t.cards {
            thead { tr { @for head in heads { th.num[head.starts_with('#')] scope="col" { @if name(head).is_empty() { span.sr { (t("Actions")) } } @else { (t(&name(head))) } } } } }
            tbody { @for row in rows { tr {
                @for (at, cell) in row.iter().enumerate() {
                    @let head = heads.get(at).copied().unwrap_or_default();
                    td.main-cell[at == 0] .num[head.starts_with('#')] data-l=[(at > 0 && head.starts_with('#')).then(|| t(&name(head)).text())] { (cell) }
                }
            } } }
        }
    }
}

/// The main cell of a row: a link and a second line.
pub(crate) fn row_link(to: &str, title: &str, below: &str) -> Markup {
    html! { a.r.clip href=(to) title=(title) { (title) } @if !below.is_empty() { span.sub.clip title=(below) { (below) } } }
}

/// How a list is sorted, which decides the words of its pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sorted {
    /// Newest first.
    ByTime,
    /// By name or id, ascending.
    ByName,
}

/// The footer of a list: links to its first page, the page before and the page after. `to` makes the path of the page with
/// an iterator.
pub(crate) fn pager(sorted: Sorted, page: &Value, to: impl Fn(Option<&str>) -> String) -> Markup {
    let (first, before, after) = match sorted {
        Sorted::ByTime => ("Newest", "Newer", "Older"),
        Sorted::ByName => ("First", "Previous", "Next"),
    };
    let moves = !is_first(page) || page_after(page).is_some();
    html! {
        @if moves {
            nav.pager aria-label=(t("Pages")) {
                span.grow { @if sorted == Sorted::ByTime { (t("Newest first")) } }
                @if !is_first(page) { a.btn.sm href=(to(None)) { (t(first)) } }
                @if let Some(iterator) = page_before(page) { a.btn.sm.less href=(to(Some(iterator))) rel="prev" { (t(before)) } }
                @if let Some(iterator) = page_after(page) { a.btn.sm.more href=(to(Some(iterator))) rel="next" { (t(after)) } }
            }
        }
    }
}

/// A note that something cannot be shown or edited here.
pub(crate) fn unreadable() -> Markup {
    note(
        "warn",
        "bad",
        html! { p { b { "Part of this cannot be shown. " } "It contains JSON that the dashboard cannot read without changing it. Use the API to view and edit it." } },
        html! {},
    )
}

/// The path of a page of a list that has no filters.
pub(crate) fn paged(here: &str, iterator: Option<&str>) -> String {
    iterator.map_or_else(
        || here.to_owned(),
        |iterator| format!("{here}?{}", query(&[("iterator", Some(iterator))])),
    )
}

/// The menu of a list's exports. `to` makes the path of the export in a format.
pub(crate) fn exports(class: &str, to: impl Fn(&str) -> String) -> Markup {
    let most = i64::try_from(crate::export::MOST_ROWS).unwrap_or(i64::MAX);
    html! {
        details.menu { summary class={ "btn i-download " (class) } { (t("Export")) } div {
            @for (format, word) in [("csv", "As CSV"), ("ndjson", "As NDJSON")] { a.btn href=(to(format)) download { (t(word)) } }
            span.who { (phrase("All rows that match the filters, up to {}. A file that is not complete says so in its last line.", grouped(most))) }
        } }
    }
}

/// The switch of a list that updates itself.
pub(crate) fn live_chip(on: bool, to: &str) -> Markup {
    html! { a class={ "chip i-" (if on { "live on" } else { "play" }) } href=(to) aria-current=[on.then_some("true")] title=(t(if on { "Updates every 3 seconds. Select to stop." } else { "Select to update every 3 seconds." })) { (t(if on { "Live updates" } else { "Updates paused" })) } }
}

/// The start of a text, up to this many bytes of HTML, and whether it is truncated.
pub(crate) fn excerpt(text: &str, most: usize) -> (&str, bool) {
    let mut left = most;
    for (at, c) in text.char_indices() {
        // The size after escaping.
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

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_284_112), grouped(-1_000)],
            ["0", "999", "1,284,112", "−1,000"]
        );
        assert_eq!(
            (count(1, "message", "messages"), count(1_200, "message", "messages")),
            ("1 message".into(), "1,200 messages".into())
        );
        let share = |part, whole| percent(part, whole).unwrap_or_default();
        assert_eq!(
            [share(1, 1), share(9_999, 10_000), share(1, 3), share(0, 5), share(0, 0)],
            ["100", "99.99", "33.3", "0", ""]
        );
        assert_eq!([millis(12), millis(9_999), millis(15_040)], ["12 ms", "9,999 ms", "15.0 s"]);
        assert_eq!(
            [bytes(1), bytes(318), bytes(31_856), bytes(1_200_009)],
            ["1 byte", "318 bytes", "31 KiB", "1.1 MiB"]
        );
    }

    #[test]
    fn an_id_is_shortened_and_copied_whole() {
        assert_eq!(short_id("msg_3Mnb4kzm9gfZG4KXtrjohf4ckCK"), "msg_3Mnb…ckCK");
        assert_eq!((short_id("customer"), short_id("app_1")), ("customer".into(), "app_1".into()));
        assert_eq!(short_id("x_ääääääääääää"), "x_ää…ää");
        assert!(
            id("msg_3Mnb4kzm9gfZG4KXtrjohf4ckCK")
                .into_string()
                .contains("data-copy=\"msg_3Mnb4kzm9gfZG4KXtrjohf4ckCK\"")
        );
    }
}
