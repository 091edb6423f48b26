//! Times as texts: RFC 3339 in UTC, written and read without a calendar library.

use weir_plugin::prelude::*;

const DAY: i64 = 86_400_000;

/// `2026-01-01T00:00:00.000Z` from milliseconds since 1970, with so many digits after the seconds' point.
pub fn format(timestamp: i64, digits: usize) -> String {
    let (year, month, day) = civil(timestamp.div_euclid(DAY));
    let of_day = timestamp.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if digits > 0 {
        // The part of a second, as many digits as are wanted.
        text.push('.');
        let fraction = format!("{:03}", of_day % 1000);
        text.extend(fraction.chars().chain(core::iter::repeat('0')).take(digits));
    }
    text.push('Z');
    text
}

/// Milliseconds since 1970 from `2026-01-01T01:00:00.5+01:00`; what is finer than milliseconds is left out.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        let value = |sum: i64, digit: &u8| sum * 10 + i64::from(digit - b'0');
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, value))
    };
    let at = |index: usize, wanted: &[u8]| bytes.get(index).is_some_and(|byte| wanted.contains(byte));
    if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let mut end = 19;
    let mut milliseconds = 0;
    if at(19, b".") {
        let digits = bytes.get(20..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        end = 20 + digits;
        milliseconds = number(20, end.min(23))? * [100, 10, 1].get(digits.min(3) - 1)?;
    }
    let offset = match bytes.get(end..)? {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let minutes = number(end + 1, end + 3)? * 60 + number(end + 4, end + 6)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let minutes = hour * 60 + minute - offset;
    Some(days * DAY + minutes * 60_000 + second * 1000 + milliseconds)
}

/// The day of a number of days since 1970, in the Gregorian calendar (eras of 400 years, years that begin in March).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The reverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(format(0, 3), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(1_700_696_472_126, 3), "2023-11-22T23:41:12.126Z");
        assert_eq!(format(1_700_696_472_126, 6), "2023-11-22T23:41:12.126000Z");
        assert_eq!(format(1_709_164_800_000, 0), "2024-02-29T00:00:00Z");
        assert_eq!(format(-1, 3), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_are_read_in_any_zone() {
        assert_eq!(parse("2023-11-22T23:41:12.126Z"), Some(1_700_696_472_126));
        assert_eq!(parse("2023-11-23T01:11:12.126999+01:30"), Some(1_700_696_472_126));
        assert_eq!(parse("2023-11-22 23:41:12.1z"), Some(1_700_696_472_100));
        assert_eq!(parse("2024-02-28T23:00:00-01:00"), Some(1_709_164_800_000));
        for text in ["", "2023-11-22", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-11-22T23:41:12"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_is_the_day_after_the_one_before() {
        let mut before = civil(-1_000_000);
        for number in -999_999..1_000_000 {
            let now = civil(number);
            assert_eq!(days(now.0, now.1, now.2), number);
            let next_day = (before.0, before.1, before.2 + 1);
            let next_month = (before.0, before.1 + 1, 1);
            assert!([next_day, next_month, (before.0 + 1, 1, 1)].contains(&now), "{before:?} {now:?}");
            before = now;
        }
    }
}
