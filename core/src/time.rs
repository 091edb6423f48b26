//! Times as text: RFC 3339 out and in, and durations given in seconds.
//!
//! Everywhere else a time is an `i64` of milliseconds since the Unix epoch. What is written here is always
//! UTC, with a four-digit year; what is read may have any offset and any length of fraction. The calendar
//! is small enough to be written out (and tested against itself), so no date library is in the bundle.

mod printed;

pub use printed::parse_printed;

const DAY_MS: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z, the least time that RFC 3339 can write.
const LEAST: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the greatest.
const GREATEST: i64 = 253_402_300_799_999;

/// Whether a time can be written: it is in the years 0 to 9999.
pub fn is_writable(ms: i64) -> bool {
    (LEAST..=GREATEST).contains(&ms)
}

/// `2026-11-21T19:41:18.123Z`. A time outside the years 0 to 9999 is written as the nearest one inside.
pub fn rfc3339(ms: i64) -> String {
    let ms = ms.clamp(LEAST, GREATEST);
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads an RFC 3339 time; `None` where the text is no time that ever was or will be.
///
/// `T` and `Z` may be lower case, a space may stand for the `T`, and digits after the third of the fraction
/// are dropped. The second 60 is a leap second only at the end of a day of UTC, and reads as the second after.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    mark(&mut rest, b"-")?;
    let month = digits(&mut rest, 2)?;
    mark(&mut rest, b"-")?;
    let day = digits(&mut rest, 2)?;
    mark(&mut rest, b"Tt ")?;
    let hour = digits(&mut rest, 2)?;
    mark(&mut rest, b":")?;
    let minute = digits(&mut rest, 2)?;
    mark(&mut rest, b":")?;
    let second = digits(&mut rest, 2)?;
    let milli = fraction(&mut rest)?;
    let offset = offset_minutes(&mut rest)?;

    let real = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !real || !rest.is_empty() {
        return None;
    }
    let minutes = hour.saturating_mul(60).saturating_add(minute).saturating_sub(offset);
    let seconds = days(year, month, day)
        .saturating_mul(86_400)
        .saturating_add(minutes.saturating_mul(60))
        .saturating_add(second);
    if second == 60 && seconds.rem_euclid(86_400) != 0 {
        return None;
    }
    let ms = seconds.saturating_mul(1000).saturating_add(milli);
    is_writable(ms).then_some(ms)
}

/// Milliseconds from a decimal number of seconds: `5`, `0.5`, `300.25`. No sign, no exponent, at least one
/// digit before the point; digits after the third are dropped. A number too great reads as the greatest.
pub fn parse_seconds(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let is_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || part.is_some_and(|part| !is_digits(part)) {
        return None;
    }
    let seconds = whole.parse().unwrap_or(i64::MAX);
    Some(seconds.saturating_mul(1000).saturating_add(millis(part.unwrap_or("").as_bytes())))
}

/// A duration as [`parse_seconds`] reads it: `5`, `0.5`. Negative ones are written as 0.
pub fn seconds(ms: i64) -> String {
    let ms = ms.max(0);
    let (whole, milli) = (ms / 1000, ms % 1000);
    if milli == 0 {
        return whole.to_string();
    }
    format!("{whole}.{milli:03}").trim_end_matches('0').to_owned()
}

/// Takes `count` digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    head.iter().try_fold(0i64, |sum, &b| {
        b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(i64::from(b.wrapping_sub(b'0'))))
    })
}

/// Takes one byte that must be one of `allowed`.
fn mark(rest: &mut &[u8], allowed: &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    allowed.contains(&first).then_some(first)
}

/// Takes `.` and at least one digit, or nothing.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let Some((b'.', tail)) = rest.split_first() else { return Some(0) };
    let length = tail.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, tail) = tail.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
    *rest = tail;
    Some(millis(digits))
}

/// The first three digits of a fraction of a second, as milliseconds.
fn millis(fraction: &[u8]) -> i64 {
    fraction.iter().zip([100, 10, 1]).fold(0, |sum: i64, (&b, unit)| {
        sum.saturating_add(i64::from(b.wrapping_sub(b'0')).saturating_mul(unit))
    })
}

/// Takes `Z` or `±hh:mm`; the answer is how far the local clock is ahead of UTC.
fn offset_minutes(rest: &mut &[u8]) -> Option<i64> {
    let sign = match mark(rest, b"Zz+-")? {
        b'+' => 1,
        b'-' => -1,
        _ => return Some(0),
    };
    let hours = digits(rest, 2)?;
    mark(rest, b":")?;
    let minutes = digits(rest, 2)?;
    (hours <= 23 && minutes <= 59)
        .then(|| hours.saturating_mul(60).saturating_add(minutes).saturating_mul(sign))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// The two conversions count years from March, so that the leap day ends a year: then the days before a
// month follow one straight line, (153·m + 2) / 5. 719 468 is the number of days from 0000-03-01 to
// 1970-01-01, 146 097 the days of 400 years.

/// Days since 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let from_march = month.saturating_add(9) % 12;
    let of_year =
        (from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(day).saturating_sub(1);
    let of_era = year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100);
    era.saturating_mul(146_097).saturating_add(of_era).saturating_add(of_year).saturating_sub(719_468)
}

/// Year, month and day from the days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year =
        of_era.saturating_sub(of_era / 1460).saturating_add(of_era / 36_524).saturating_sub(of_era / 146_096)
            / 365;
    let before = year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100);
    let of_year = of_era.saturating_sub(before);
    let from_march = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month = from_march.saturating_add(2) % 12;
    let month = month.saturating_add(1);
    let year = era.saturating_mul(400).saturating_add(year).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("2024-02-29T00:00:00.000Z", 1_709_164_800_000),
            ("2026-11-21T19:41:18.123Z", 1_795_290_078_123),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
            ("0000-01-01T00:00:00.000Z", LEAST),
            ("9999-12-31T23:59:59.999Z", GREATEST),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(parse_rfc3339(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn times_that_cannot_be_written_are_written_as_the_nearest() {
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(i64::MIN), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn offsets_fractions_and_case_are_read() {
        let noon = parse_rfc3339("2026-11-21T12:00:00Z");
        assert!(noon.is_some());
        for same in [
            "2026-11-21t12:00:00z",
            "2026-11-21 12:00:00Z",
            "2026-11-21T13:00:00+01:00",
            "2026-11-21T06:30:00-05:30",
            "2026-11-22T11:59:00+23:59",
            "2026-11-21T12:00:00.0Z",
            "2026-11-21T12:00:00.0009999999999999999999999Z",
            "2026-11-21T12:00:00-00:00",
        ] {
            assert_eq!(parse_rfc3339(same), noon, "{same}");
        }
        assert_eq!(parse_rfc3339("2026-11-21T12:00:00.5Z"), noon.map(|ms| ms + 500));
        assert_eq!(parse_rfc3339("2016-12-31T23:59:60Z"), parse_rfc3339("2017-01-01T00:00:00Z"));
        assert_eq!(parse_rfc3339("2017-01-01T00:59:60+01:00"), parse_rfc3339("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "now",
            "1795290078",
            "2026-11-21",
            "2026-11-21T12:00:00",
            "2026-11-21T12:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-04-00T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T12:60:00Z",
            "2026-11-21T12:00:60Z",
            "2026-11-21T12:00:61Z",
            "2026-11-21T12:00:00.Z",
            "2026-11-21T12:00:00+24:00",
            "2026-11-21T12:00:00+0100",
            "2026-11-21T12:00:00ZZ",
            " 2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00Z ",
            "+026-11-21T12:00:00Z",
            "٢٠٢٦-11-21T12:00:00Z",
            "0000-01-01T00:00:00+00:01",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn seconds_are_plain_decimals() {
        for (text, ms) in
            [("5", 5000), ("0.5", 500), ("300.25", 300_250), ("0", 0), ("1.0019", 1001), ("007", 7000)]
        {
            assert_eq!(parse_seconds(text), Some(ms), "{text}");
        }
        assert_eq!(parse_seconds("99999999999999999999999"), Some(i64::MAX));
        for bad in ["", ".", ".5", "5.", "-1", "+1", "1e3", "inf", "NaN", " 5", "5s", "1.2.3", "٣"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(ms in LEAST..=GREATEST) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(ms)), Some(ms));
        }

        #[test]
        fn later_times_are_greater_texts(a in LEAST..=GREATEST, b in LEAST..=GREATEST) {
            prop_assert_eq!(a.cmp(&b), rfc3339(a).cmp(&rfc3339(b)));
        }

        #[test]
        fn each_day_follows_the_day_before(day in -719_528i64..2_932_896) {
            let (y, m, d) = civil(day);
            prop_assert_eq!(days(y, m, d), day);
            let next = if d < days_in_month(y, m) { (y, m, d + 1) } else if m < 12 { (y, m + 1, 1) } else { (y + 1, 1, 1) };
            prop_assert_eq!(civil(day + 1), next);
        }

        #[test]
        fn an_offset_moves_the_time(ms in 0i64..4_000_000_000_000, hours in 0i64..24, minutes in 0i64..60) {
            let local = rfc3339(ms + (hours * 60 + minutes) * 60_000).replace('Z', &format!("+{hours:02}:{minutes:02}"));
            prop_assert_eq!(parse_rfc3339(&local), Some(ms));
        }

        #[test]
        fn durations_survive_their_text(ms in 0i64..=1_000_000_000_000) {
            prop_assert_eq!(parse_seconds(&seconds(ms)), Some(ms));
        }

        #[test]
        fn any_text_is_answered(s in ".*", t in "[0-9TZ:+ .-]{0,40}") {
            let _ = (parse_rfc3339(&s), parse_rfc3339(&t), parse_seconds(&s), parse_seconds(&t));
        }
    }
}
