//! The parts that pages are made of: pills, ids, cards, heads, dialogs. Each looks the same wherever it is used, and
//! carries its meaning in words: colour and icon only repeat them.

use crate::data::{int, text};
use crate::scope::t;
use maud::{Markup, html};
use serde_json::Value;

/// A state: an icon and a word or two. `class` is its colour: `ok`, `bad`, `warn`, `alt`, or empty.
pub(crate) fn pill(class: &str, icon: &str, word: &str) -> Markup {
    html! { span class={ "pill " (class) " i-" (icon) } { (t(word)) } }
}

/// A pill of a status of the API: colour, icon, word.
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

/// How a delivery or an attempt stands.
pub(crate) fn status(of: &Value) -> Markup {
    let (class, icon, word) = of_status(text(of, "statusText"));
    html! { @if !text(of, "statusText").is_empty() { (pill(class, icon, word)) } }
}

/// The receiver's answer: its HTTP status, or that there was none.
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
        @else { span.code-n.bad { (t("no answer")) } }
    }
}

/// A time of the API. A script adds how long ago that is; without one it is the time in UTC.
pub(crate) fn time(at: &str) -> Markup {
    let short = at.get(..19).map_or_else(|| at.to_owned(), |head| head.replace('T', " "));
    html! { @if !at.is_empty() { time datetime=(at) title={ (short) " UTC" } { (short) } } }
}

/// The time of what comes next: once it is over, a script says that it is now.
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

/// A number of things: `1 message`, `2 messages`.
pub(crate) fn count(number: i64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), t(if number == 1 { one } else { several }).text())
}

/// A share in per cent, with as many digits as say something; none of nothing.
pub(crate) fn percent(part: i64, whole: i64) -> Option<String> {
    let share = part.saturating_mul(10_000).checked_div(whole)?;
    let (whole, rest) = (share.div_euclid(100), share.rem_euclid(100));
    Some(match (whole, rest) {
        (_, 0) => format!("{whole}"),
        // What is not quite everything is never shown as everything.
        (99.., _) => format!("{whole}.{rest:02}"),
        _ => format!("{whole}.{}", rest.div_euclid(10)),
    })
}

/// Milliseconds, for people.
pub(crate) fn millis(ms: i64) -> String {
    match ms {
        ..10_000 => format!("{} ms", grouped(ms)),
        _ => format!("{}.{} s", ms.div_euclid(1_000), ms.rem_euclid(1_000).div_euclid(100)),
    }
}

/// Bytes, for people.
pub(crate) fn bytes(size: i64) -> String {
    match size {
        ..10_000 => count(size, "byte", "bytes"),
        10_000..1_048_576 => format!("{} KiB", size.div_euclid(1_024)),
        _ => format!("{}.{} MiB", size.div_euclid(1_048_576), size.rem_euclid(1_048_576).div_euclid(104_858)),
    }
}

/// An id, shortened, with a button that copies the whole. (By its id the button keeps the focus where its place is fetched
/// again.)
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

/// A text that is to be taken elsewhere: as a whole, with a button that copies it.
pub(crate) fn shown(text: &str) -> Markup {
    html! { div.take { pre.secret tabindex="0" { (text) } button.btn.sm.i-copy.copy-text type="button" data-copy="" { (t("Copy")) } } }
}

/// The head of a page: its title, at most one pill, a line of facts, and what one does there.
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

/// A card with a heading and what stands beside it.
pub(crate) fn card(title: &str, beside: Markup, content: Markup) -> Markup {
    html! { section.card { header { div.grow { h2 { (t(title)) } } (beside) } (content) } }
}

/// A sentence where there is nothing, why, and one way on.
pub(crate) fn empty(icon: &str, title: &str, why: Markup, way: Markup) -> Markup {
    html! { div.empty { span class={ "ico i-" (icon) } {} h3 { (t(title)) } p { (why) } (way) } }
}

/// A note below the head: what is the matter, and one thing to do.
pub(crate) fn note(class: &str, icon: &str, text: Markup, act: Markup) -> Markup {
    html! { div class={ "note " (class) " i-" (icon) } { div.grow { (text) } (act) } }
}

/// A list of facts; those that are empty are left out.
pub(crate) fn facts(all: &[(&str, Markup)]) -> Markup {
    html! { dl.kv.facts { @for (word, value) in all { @if !value.0.is_empty() { div { dt { (t(word)) } dd { (value) } } } } } }
}

/// The sections of a thing, one of which is shown: name, where, how many there are.
pub(crate) fn tabs(label: &str, current: &str, all: &[(&str, String, Option<i64>)]) -> Markup {
    html! {
        nav.tabs aria-label=(t(label)) {
            @for (word, to, many) in all {
                a href=(to) aria-current=[(*word == current).then_some("page")] { (t(word)) @if let Some(many) = many { span.n { (grouped(*many)) } } }
            }
        }
    }
}

/// A button that opens a dialog. It works without a script.
pub(crate) fn opener(id: &str, class: &str, word: &str) -> Markup {
    html! { button class={ "btn " (class) } type="button" popovertarget=(id) { (t(word)) } }
}

/// A dialog. What has the attribute `autofocus` in it has the focus when it opens.
pub(crate) fn dialog(id: &str, title: &str, content: Markup) -> Markup {
    html! {
        div.dialog popover id=(id) role="dialog" aria-labelledby={ (id) "-title" } {
            div.dhead { h2 id={ (id) "-title" } { (t(title)) } button.btn.ghost.icon.sm.i-x type="button" popovertarget=(id) popovertargetaction="hide" aria-label=(t("Close")) {} }
            div.body { (content) }
        }
    }
}

/// What else can be done: a menu of buttons.
pub(crate) fn menu(label: &str, content: Markup) -> Markup {
    html! { details.menu { summary.btn.icon.i-dots aria-label=(t(label)) {} div { (content) } } }
}

/// A table. The first head is the main one; a head that begins with `#` is a number's, one that is empty says nothing.
/// On phones each row becomes a card, in which numbers have their head before them.
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

/// The main cell of a row: its link, and a second line that says more.
pub(crate) fn row_link(to: &str, title: &str, below: &str) -> Markup {
    html! { a.r.clip href=(to) title=(title) { (title) } @if !below.is_empty() { span.sub.clip title=(below) { (below) } } }
}

/// The foot of a list: what it shows, and where it goes on.
pub(crate) fn pager(says: &str, newest: Option<&str>, next: Option<String>) -> Markup {
    html! {
        @if next.is_some() || newest.is_some() || !says.is_empty() {
            nav.pager aria-label=(t("Pages")) {
                span.grow { (t(says)) }
                @if let Some(newest) = newest { a.btn.sm href=(newest) { (t("Newest")) } }
                @if let Some(next) = next { a.btn.sm.more href=(next) rel="next" { (t("Older")) } }
            }
        }
    }
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
