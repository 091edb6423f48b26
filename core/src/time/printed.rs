//! Times as programs print them where nobody tells them how.
//!
//! A text that could be two times is none. Without an offset, a time is UTC.

use super::{DAY_MS, parse_rfc3339};

/// The longest text that is looked at.
const MAX: usize = 64;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Names of zones that mail and providers' messages have, with their offset.
const ZONES: [(&str, &str); 13] = [
    ("z", "+00:00"),
    ("ut", "+00:00"),
    ("utc", "+00:00"),
    ("gmt", "+00:00"),
    ("", "+00:00"),
    ("est", "-05:00"),
    ("edt", "-04:00"),
    ("cst", "-06:00"),
    ("cdt", "-05:00"),
    ("mst", "-07:00"),
    ("mdt", "-06:00"),
    ("pst", "-08:00"),
    ("pdt", "-07:00"),
];

/// Reads RFC 3339, ISO 8601 in its extended and basic form, RFC 2822, and what languages print:
/// `2026-11-29 23:06:34.783 UTC`, `2026-11-29T23:06:34+0200`, `2026/11/29`, `20261129T230634Z`,
/// `Sun, 29 Nov 2026 23:06:34 +0000`, `Nov 29, 2026 11:06:34 PM PST`. The plus sign of an offset may have become a space, as
/// it does in a query that was not percent-encoded.
pub fn parse_printed(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > MAX || !text.is_ascii() {
        return None;
    }
    parse_rfc3339(text).or_else(|| iso(text)).or_else(|| named(text))
}

/// ISO 8601 with what languages make of it.
fn iso(text: &str) -> Option<i64> {
    let basic = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()) == 8;
    let (date, rest) = text.split_at_checked(if basic { 8 } else { 10 })?;
    let date = if basic {
        format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..)?)
    } else {
        date.replace('/', "-")
    };
    let rest = rest.strip_prefix(['T', 't', ' ']).or_else(|| rest.is_empty().then_some(rest))?;
    let end =
        rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ','))).unwrap_or(rest.len());
    let (time, rest) = rest.split_at_checked(end)?;
    let mut rest = rest.trim();
    // Go prints both: `+0000 UTC`.
    for zone in ["UTC", "GMT"] {
        rest = rest.strip_suffix(zone).unwrap_or(rest).trim_end();
    }
    let (time, later) = time_of_day(time)?;
    parse_rfc3339(&format!("{date}T{time}{}", offset(rest)?))?.checked_add(later)
}

/// A time of day as RFC 3339 has it, and how many milliseconds more it is: `24:00` is the next day.
fn time_of_day(text: &str) -> Option<(String, i64)> {
    let text = text.replace(',', ".");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = match (whole.len(), whole.contains(':')) {
        (0, _) => "00:00:00".to_owned(),
        (6, false) => format!("{}:{}:{}", whole.get(..2)?, whole.get(2..4)?, whole.get(4..)?),
        (4, false) => format!("{}:{}:00", whole.get(..2)?, whole.get(2..)?),
        (5, true) => format!("{whole}:00"),
        _ => whole.to_owned(),
    };
    if whole == "24:00:00" && fraction.bytes().all(|byte| matches!(byte, b'.' | b'0')) {
        return Some(("00:00:00".to_owned(), DAY_MS));
    }
    Some((format!("{whole}{fraction}"), 0))
}

/// An offset as RFC 3339 has it.
fn offset(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, offset)) = ZONES.iter().find(|(name, _)| *name == lower) {
        return Some((*offset).to_owned());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', text.strip_prefix('+').unwrap_or(text)),
    };
    match (digits.replace(':', ""), digits.len()) {
        (hours, 2) => Some(format!("{sign}{hours}:00")),
        (digits, 4 | 5) => Some(format!("{sign}{}:{}", digits.get(..2)?, digits.get(2..)?)),
        _ => None,
    }
}

/// A date with the name of its month, its parts in any order: mail's, HTTP's, and what is written for people.
fn named(text: &str) -> Option<i64> {
    let (mut day, mut month, mut year) = (None, None, None);
    let (mut time, mut half, mut zone) = (None, None, None);
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let slot = if digits && word.len() <= 2 {
            &mut day
        } else if digits && word.len() == 4 {
            &mut year
        } else if word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit()) {
            &mut time
        } else if WEEKDAYS.iter().any(|name| is_name(&lower, name)) {
            continue;
        } else if MONTHS.iter().any(|name| is_name(&lower, name)) {
            &mut month
        } else if matches!(lower.as_str(), "am" | "pm") {
            &mut half
        } else if matches!((lower.as_str(), zone.as_deref()), ("utc" | "gmt", Some(_))) {
            // Both, as in ISO 8601 above.
            continue;
        } else {
            &mut zone
        };
        if slot.replace(lower).is_some() {
            return None;
        }
    }
    let month = MONTHS.iter().position(|name| month.as_deref().is_some_and(|word| is_name(word, name)))?;
    let (year, month, day): (i64, usize, i64) =
        (year?.parse().ok()?, month.checked_add(1)?, day?.parse().ok()?);
    let (hour, rest) =
        time.as_deref().unwrap_or("0:00").split_once(':').map(|(hour, rest)| (hour, rest.to_owned()))?;
    let hour: u8 = hour.parse().ok()?;
    let hour = match half.as_deref() {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("pm") => (hour % 12).checked_add(12)?,
        Some(_) => hour % 12,
    };
    let (time, later) = time_of_day(&format!("{hour:02}:{rest}"))?;
    let zone = offset(zone.as_deref().unwrap_or_default())?;
    parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{time}{zone}"))?.checked_add(later)
}

/// Whether a word is a name, or its first three letters.
fn is_name(word: &str, name: &str) -> bool {
    word == name || name.get(..3) == Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_programs_print_them() {
        let right = parse_rfc3339("2026-11-29T23:06:34.783Z");
        for text in [
            "2026-11-29 23:06:34.783 UTC",
            "2026-11-29 23:06:34.783",
            "2026-11-29T23:06:34.783",
            "2026-11-29T23:06:34,783Z",
            "2026-11-29 23:06:34.783 +0000",
            "2026-11-29 23:06:34.783 +0000 UTC",
            "2026-11-29 23:06:34.783  0000",
            "2026-11-30 01:06:34.783+02",
            "2026-11-30T01:06:34.783+02:00",
            "2026-11-30T01:06:34.783+0200",
            "2026-11-30T01:06:34.783 02:00",
            "2026-11-29 21:06:34.783 -0200",
            "2026-11-29T23:06:34.783 Z",
            " 2026-11-29 23:06:34.783 GMT ",
            "2026/11/29 23:06:34.783",
            "20261129T230634.783Z",
        ] {
            assert_eq!(parse_printed(text), right, "{text}");
        }
        let second = parse_rfc3339("2026-11-29T23:06:34Z");
        for text in [
            "Sun, 29 Nov 2026 23:06:34 GMT",
            "Sun, 29 Nov 2026 23:06:34 +0000",
            "Mon, 30 Nov 2026 01:06:34 +0200",
            "29 Nov 2026 15:06:34 PST",
            "15:06:34 Nov 29, 2026 PST",
            "Sun Nov 29 23:06:34 2026",
            "Sunday, November 29, 2026 11:06:34 PM",
            "Nov 29, 2026 11:06:34 PM UTC",
            "Sun Nov 29 23:06:34 UTC 2026",
            "20261129T230634",
        ] {
            assert_eq!(parse_printed(text), second, "{text}");
        }
        let day = parse_rfc3339("2026-11-29T00:00:00Z");
        for text in ["2026-11-29", "20261129", "2026/11/29", "29 Nov 2026", "2026-11-28T24:00:00Z"] {
            assert_eq!(parse_printed(text), day, "{text}");
        }
        assert_eq!(parse_printed("Nov 29, 2026 12:30 AM"), parse_rfc3339("2026-11-29T00:30:00Z"));
        assert_eq!(parse_printed("2026-11-29 23:06"), parse_rfc3339("2026-11-29T23:06:00Z"));
    }

    #[test]
    fn what_is_no_time_or_could_be_two_is_not_read() {
        for text in [
            "",
            "now",
            "2026-11-29X",
            "2026-11-29 UTC 5",
            "2026-13-01",
            "2026-11-29 23:06:34 +1",
            "2026112",
            "1795290078",
            "01/02/2024",
            "2024-01-02T25:00:00Z",
            "2024-01-02T24:00:01Z",
            "29 Nov 2026 13:00:00 PM",
            "29 Nov 2026 29 Nov 2026",
            "29 Nov 2026 23:06:34 XYZ",
            "29 Nov",
            "2026-11-29 ÷",
        ] {
            assert_eq!(parse_printed(text), None, "{text}");
        }
        assert_eq!(parse_printed(&format!("2026-11-29 {}", " ".repeat(100_000) + "UTC")), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9A-Za-z:+,./ -]{0,70}") {
            let _ = parse_printed(&text);
        }
    }
}
