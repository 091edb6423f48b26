//! The retry schedule of failed deliveries, its jitter, and `Retry-After`.
//!
//! A schedule is the list of delays between attempts, so a schedule of seven gives eight attempts, and an empty one
//! gives a single attempt. Every delay has random jitter, so that deliveries that failed together are not retried
//! together: 20 % in both directions, or the setting `RETRY_JITTER`. A provider's documented schedule is kept: a
//! retry is never early, and at most 2 % late.

use crate::time;
use std::fmt;
use std::str::FromStr;
use std::time::UNIX_EPOCH;

/// The most pauses a schedule may have.
pub const MAX_STEPS: usize = 50;
/// The longest pause: 30 days.
pub const MAX_DELAY_MS: i64 = 30 * 86_400_000;
/// The longest that a receiver's `Retry-After` is followed: a day.
pub const MAX_RETRY_AFTER_MS: i64 = 86_400_000;

/// A delivery counts as failing after this many failed attempts, and as recovered when it then succeeds.
pub const FAILING_AT: u32 = 4;

/// The pauses between the attempts of one delivery, in milliseconds.
///
/// As text it is seconds separated by commas (`5,300,0.5`); the empty text is the empty schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    delays: Vec<i64>,
    jitter: Jitter,
}

/// How pauses are moved at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    /// By up to so many percent, either way.
    Either(u32),
    /// Only to later times, by up to [`LATE`].
    Late,
}

/// By what part of itself a pause of a documented schedule may be longer. The object's alarm may add a little.
const LATE: f64 = 0.015;
/// By how many percent a pause is moved where nobody has said otherwise.
pub const JITTER_PERCENT: u32 = 20;

/// Why a text is not a schedule; a sentence that says what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleError {
    /// This entry is not a number of seconds.
    NotSeconds(String),
    /// This entry is longer than [`MAX_DELAY_MS`].
    TooLong(String),
    /// There are this many entries, more than [`MAX_STEPS`].
    TooMany(usize),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeconds(entry) => write!(
                f,
                "'{entry}' is not a number of seconds. Write seconds separated by commas, such as \
                 '5,300,1800' or '0.5,2'; an empty text means no retries."
            ),
            Self::TooLong(entry) => {
                write!(f, "{entry} seconds is too long: a delay may be at most 2592000 seconds (30 days).")
            }
            Self::TooMany(count) => {
                write!(f, "{count} delays are too many: a schedule may have at most {MAX_STEPS}.")
            }
        }
    }
}

impl std::error::Error for ScheduleError {}

impl Default for Schedule {
    /// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h: eight attempts over about 28 hours.
    fn default() -> Self {
        Self::from_ms(
            [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
                .map(|seconds: i64| seconds.saturating_mul(1000))
                .to_vec(),
        )
    }
}

impl Schedule {
    /// One attempt and no more.
    pub const NONE: Self = Self { delays: Vec::new(), jitter: Jitter::Either(JITTER_PERCENT) };

    /// A schedule of pauses that are checked already, in milliseconds.
    pub fn from_ms(delays: Vec<i64>) -> Self {
        Self { delays, jitter: Jitter::Either(JITTER_PERCENT) }
    }

    /// A schedule of pauses in whole seconds that a provider has documented: it is kept.
    pub fn documented(delays: &[u32]) -> Self {
        let delays = delays.iter().map(|&seconds| i64::from(seconds).saturating_mul(1000)).collect();
        Self { delays, jitter: Jitter::Late }
    }

    /// The same with pauses that are moved by up to so many percent, either way.
    #[must_use]
    pub fn with_jitter(self, percent: u32) -> Self {
        Self { jitter: Jitter::Either(percent.min(100)), ..self }
    }

    /// The pauses in milliseconds.
    pub fn delays(&self) -> &[i64] {
        &self.delays
    }

    /// How many attempts the schedule gives, with the first.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.delays.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The delay after `attempts_made` failed attempts; `None` if there is no further attempt.
    ///
    /// `unit_random` is uniform in `[0, 1)` and decides the jitter. Before the first attempt the wait is 0.
    pub fn next(&self, attempts_made: u32, unit_random: f64) -> Option<i64> {
        let Some(step) = attempts_made.checked_sub(1) else { return Some(0) };
        let delay = self.delays.get(usize::try_from(step).ok()?)?;
        Some(self.jitter.moved(*delay, unit_random))
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.trim().is_empty() {
            return Ok(Self::NONE);
        }
        let count = text.split(',').count();
        if count > MAX_STEPS {
            return Err(ScheduleError::TooMany(count));
        }
        let entries = text.split(',').map(str::trim).map(|entry| match time::parse_seconds(entry) {
            None => Err(ScheduleError::NotSeconds(entry.to_owned())),
            Some(ms) if ms > MAX_DELAY_MS => Err(ScheduleError::TooLong(entry.to_owned())),
            Some(ms) => Ok(ms),
        });
        entries.collect::<Result<_, _>>().map(Self::from_ms)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, delay) in self.delays.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}", time::seconds(*delay))?;
        }
        Ok(())
    }
}

impl Jitter {
    /// `delay` moved; `unit` in `[0, 1)` decides: 0 is the earliest.
    fn moved(self, delay: i64, unit: f64) -> i64 {
        let unit = if unit.is_finite() { unit.clamp(0.0, 1.0) } else { 0.5 };
        let (least, width) = match self {
            Self::Either(percent) => {
                let part = f64::from(percent) / 100.0;
                (1.0 - part, 2.0 * part)
            }
            Self::Late => (1.0, LATE),
        };
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        // pauses are far below 2^53, and the cast back saturates
        let moved = (delay.max(0) as f64 * (least + width * unit)).round() as i64;
        moved
    }
}

/// How long a `Retry-After` header asks to wait, in milliseconds from `now`: seconds (with a fraction, as
/// some receivers send them) or an HTTP date.
///
/// A time gone by is 0, more than a day is a day, and what cannot be read is `None`.
pub fn retry_after(header: &str, now: i64) -> Option<i64> {
    let header = header.trim();
    let asked = if let Some(past) = header.strip_prefix('-') {
        time::parse_seconds(past).map(|_| 0)
    } else {
        time::parse_seconds(header)
    };
    let asked = asked.or_else(|| {
        let date = httpdate::parse_http_date(header).ok()?;
        let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
        Some(i64::try_from(since_epoch.as_millis()).ok()?.saturating_sub(now))
    })?;
    Some(asked.clamp(0, MAX_RETRY_AFTER_MS))
}

/// The pause after so many failures in a row: `base_ms` after the first, then doubling up to `most_ms`.
pub fn doubled(base_ms: i64, failures: u32, most_ms: i64) -> i64 {
    let factor = 1i64.checked_shl(failures.saturating_sub(1).min(32)).unwrap_or(1);
    base_ms.saturating_mul(factor).min(most_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_290_078_123; // 2026-11-21T19:41:18.123Z, a Saturday

    #[test]
    fn a_pause_doubles_up_to_the_most() {
        let pauses: Vec<i64> = [0, 1, 2, 3, 7, 8, 40, u32::MAX].map(|n| doubled(500, n, 60_000)).into();
        assert_eq!(pauses, [500, 500, 1_000, 2_000, 32_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn the_default_gives_eight_attempts_over_about_28_hours() {
        let schedule = Schedule::default();
        assert_eq!(schedule.attempts(), 8);
        assert_eq!(schedule.to_string(), "5,300,1800,7200,18000,36000,36000");
        let middle: Vec<_> = (0..=9).map(|made| schedule.next(made, 0.5)).collect();
        let expected = [0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000];
        assert_eq!(middle[..8], expected.map(Some));
        assert_eq!(middle[8..], [None, None]);
    }

    #[test]
    fn a_schedule_is_read_from_seconds() {
        let parse = |text: &str| text.parse::<Schedule>().map(|s| s.delays().to_vec());
        assert_eq!(parse("5,300,0.5"), Ok(vec![5000, 300_000, 500]));
        assert_eq!(parse(" 1 , 2 "), Ok(vec![1000, 2000]));
        assert_eq!(parse("0"), Ok(vec![0]));
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse("  "), Ok(vec![]));
        assert_eq!(Schedule::NONE.next(1, 0.0), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_sentence() {
        for (bad, says) in [
            ("5,,300", "'' is not a number of seconds"),
            ("5,300,", "'' is not a number of seconds"),
            ("5s", "'5s' is not a number of seconds"),
            ("-5", "'-5' is not a number of seconds"),
            ("1e3", "'1e3' is not"),
            ("NaN", "'NaN' is not"),
            ("2592001", "at most 2592000 seconds"),
            (&"1,".repeat(50), "51 delays are too many"),
        ] {
            let error = bad.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn jitter_is_a_fifth_either_way_unless_something_else_is_said() {
        let moved = |jitter: Jitter, unit| jitter.moved(5000, unit);
        let fifth = Jitter::Either(JITTER_PERCENT);
        assert_eq!([0.0, 0.5, 1.0, f64::NAN].map(|unit| moved(fifth, unit)), [4000, 5000, 6000, 5000]);
        assert_eq!(fifth.moved(-1, 0.3), 0);
        assert_eq!([0.0, 1.0].map(|unit| moved(Jitter::Either(0), unit)), [5000, 5000]);
    }

    #[test]
    fn a_documented_schedule_is_never_early_and_at_most_two_percent_late() {
        let schedule = Schedule::documented(&[10_000]);
        for unit in [0.0, 0.3, 0.999] {
            let delay = schedule.next(1, unit).expect("a retry");
            assert!((10_000_000..10_200_000).contains(&delay), "{delay}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (header, delay) in [
            ("120", 120_000),
            (" 1.5 ", 1500),
            ("0", 0),
            ("-30", 0),
            ("90000", MAX_RETRY_AFTER_MS),
            ("99999999999999999999999999", MAX_RETRY_AFTER_MS),
            ("Sat, 21 Nov 2026 19:42:18 GMT", 59_877),
            ("Saturday, 21-Nov-26 19:42:18 GMT", 59_877),
            ("Sat Nov 21 19:42:18 2026", 59_877),
            ("Sat, 21 Nov 2020 19:42:18 GMT", 0),
            ("Tue, 21 Nov 2028 19:42:18 GMT", MAX_RETRY_AFTER_MS),
        ] {
            assert_eq!(retry_after(header, NOW), Some(delay), "{header}");
        }
        for bad in ["", "soon", "1m", "1,5", "--5", "2026-11-21T19:42:18Z", "Sat, 21 Nov 2026 25:42:18 GMT"] {
            assert_eq!(retry_after(bad, NOW), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_bounds(delay in 0..=MAX_DELAY_MS, unit in 0.0f64..1.0) {
            let moved = Jitter::Either(JITTER_PERCENT).moved(delay, unit);
            prop_assert!(moved * 10 >= delay * 8 - 5 && moved * 10 <= delay * 12 + 5);
        }

        #[test]
        fn a_schedule_survives_its_text(delays in prop::collection::vec(0..=MAX_DELAY_MS, 0..=MAX_STEPS)) {
            let schedule = Schedule::from_ms(delays);
            prop_assert_eq!(schedule.to_string().parse::<Schedule>(), Ok(schedule));
        }

        #[test]
        fn any_text_is_answered(s in ".*", now: i64) {
            let _ = s.parse::<Schedule>();
            let delay = retry_after(&s, now);
            prop_assert!(delay.is_none_or(|ms| (0..=MAX_RETRY_AFTER_MS).contains(&ms)));
        }
    }
}
