//! Numbers as texts: kept as they are written, compared exactly.

use alloc::borrow::Cow;
use alloc::string::ToString;
use core::cmp::Ordering;

/// A number as JSON writes it.
///
/// Two are equal where their values are: `1.0`, `1` and `10e-1`.
#[derive(Debug, Clone)]
pub struct Number<'a>(Cow<'a, str>);

impl<'a> Number<'a> {
    /// A number from its text, if it is one.
    pub fn parse(text: &'a str) -> Option<Self> {
        (scan(text.as_bytes()) == Some(text.len())).then_some(Self(Cow::Borrowed(text)))
    }

    /// One that the parser has scanned.
    pub(super) fn scanned(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The text.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The value, if it is written as an integer (no point, no exponent) and fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }

    /// Whether the value is a whole number, however it is written.
    pub fn is_whole(&self) -> bool {
        let decimal = Decimal::of(&self.0);
        decimal.digits().filter(|digit| *digit != b'0').count() == 0 || decimal.last_place() >= 0
    }
}

impl From<i64> for Number<'_> {
    fn from(value: i64) -> Self {
        Self(Cow::Owned(value.to_string()))
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number<'_> {}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (Decimal::of(&self.0), Decimal::of(&other.0));
        match (a.sign(), b.sign()) {
            (1, 1) => a.cmp_magnitude(&b),
            (-1, -1) => b.cmp_magnitude(&a),
            (a, b) => a.cmp(&b),
        }
    }
}

/// How many bytes of a number are at the beginning: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
pub(super) fn scan(bytes: &[u8]) -> Option<usize> {
    let digits = |mut at: usize| {
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let start = usize::from(bytes.first() == Some(&b'-'));
    let mut at = if bytes.get(start) == Some(&b'0') { start + 1 } else { digits(start)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    Some(at)
}

/// The parts of a number's text.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let negative = whole.starts_with('-');
        // An exponent that does not fit 64 bits is as good as the largest that does.
        let limit = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
        let exponent = exponent.parse().unwrap_or(limit).clamp(i64::MIN / 2, i64::MAX / 2);
        Self { negative, whole: whole.trim_start_matches(['-', '0']), fraction, exponent }
    }

    /// All digits but leading zeros.
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.bytes().chain(self.fraction.bytes()).skip_while(|digit| *digit == b'0')
    }

    fn sign(&self) -> i32 {
        match (self.digits().next(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    /// The power of ten of the first digit, plus one.
    fn first_place(&self) -> i64 {
        if self.whole.is_empty() {
            let zeros = self.fraction.len() - self.fraction.trim_start_matches('0').len();
            self.exponent - i64::try_from(zeros).unwrap_or(i64::MAX / 2)
        } else {
            self.exponent + i64::try_from(self.whole.len()).unwrap_or(i64::MAX / 2)
        }
    }

    /// The power of ten of the last digit that is not zero.
    fn last_place(&self) -> i64 {
        let fraction = self.fraction.trim_end_matches('0');
        if fraction.is_empty() {
            let zeros = self.whole.len() - self.whole.trim_end_matches('0').len();
            self.exponent + i64::try_from(zeros).unwrap_or(0)
        } else {
            self.exponent - i64::try_from(fraction.len()).unwrap_or(0)
        }
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        self.first_place().cmp(&other.first_place()).then_with(|| {
            let (mut a, mut b) = (self.digits(), other.digits());
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (x, y) => match x.unwrap_or(b'0').cmp(&y.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        })
    }
}
