//! Card numbers in a text.

use weir_plugin::prelude::*;

/// Numbers of cards have so many digits (ISO/IEC 7812).
const DIGITS: core::ops::RangeInclusive<usize> = 13..=19;

/// Whether all of a text is one number of a card, without groups.
pub(crate) fn is_card(text: &str) -> bool {
    DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && luhn(text.bytes())
}

/// Whether the check digit is right: every second digit from the right doubled, the digits summed.
fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let mut sum = 0;
    let mut different = false;
    let mut first = None;
    for (nth, byte) in digits.rev().enumerate() {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        let doubled = if nth % 2 == 1 { digit * 2 } else { digit };
        sum += doubled / 10 + doubled % 10;
        different |= *first.get_or_insert(byte) != byte;
    }
    // All digits the same, as `0000 0000 0000 0000`, is nobody's number.
    sum % 10 == 0 && different
}

/// Adds where card numbers begin and end: groups of digits with one space or hyphen between them. Of several that begin in one
/// place the longest counts, and a group is never split.
pub(crate) fn find(text: &str, found: &mut Vec<(usize, usize)>) {
    let groups = groups(text);
    let mut nth = 0;
    while let Some(&(start, _)) = groups.get(nth) {
        let mut best = None;
        let mut digits = 0;
        for (last, &(from, to)) in groups.iter().enumerate().skip(nth) {
            let apart = last > nth && !groups.get(last - 1).is_some_and(|&(_, end)| joined(text, end, from));
            digits += to - from;
            if apart || digits > *DIGITS.end() {
                break;
            }
            let number = text.get(start..to).unwrap_or_default();
            if digits >= *DIGITS.start() && luhn(number.bytes().filter(u8::is_ascii_digit)) {
                best = Some((last, to));
            }
        }
        if let Some((last, end)) = best {
            found.push((start, end));
            nth = last;
        }
        nth += 1;
    }
}

/// The runs of digits.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let mut groups = Vec::<(usize, usize)>::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => groups.push((at, at + 1)),
        }
    }
    groups
}

/// Whether one space or hyphen is all that stands between.
fn joined(text: &str, end: usize, start: usize) -> bool {
    matches!(text.get(end..start), Some(" " | "-"))
}
