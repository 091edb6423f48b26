//! Identifiers: a prefix, an underscore and 27 characters that sort by time.
//!
//! The 27 characters are a KSUID with milliseconds, as in Svix's ids: 4 bytes of seconds since
//! 2014-05-13T16:53:20Z, one byte of the second's 250ths (4 ms each), 15 more bytes; the 20 bytes in
//! base 62, whose digits sort as ASCII does. So comparing two ids of one kind as text compares their times,
//! and a time bounds the ids made after it ([`floor`]).
//!
//! Of the 15 bytes, a [`Generator`] uses the first 13 bits as a counter; the others are random. Time and counter
//! together are the id's [`key`]: an integer that no two ids of one generator share.

use crate::rng::Entropy;

/// Ids of applications.
pub const APP: &str = "app";
/// Ids of endpoints.
pub const ENDPOINT: &str = "ep";
/// Ids of messages.
pub const MESSAGE: &str = "msg";
/// Ids of attempts.
pub const ATTEMPT: &str = "atmpt";
/// Ids of event types.
pub const EVENT_TYPE: &str = "evtype";
/// Ids of background tasks.
pub const TASK: &str = "qtask";
/// Ids of sources.
pub const SOURCE: &str = "src";
/// Ids of rejected requests.
pub const REJECTED: &str = "rej";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 27;
/// How many bits of an id count the ids of one tick: with the 40 bits of the time, a key is below 2^53.
const COUNTER_BITS: u32 = 13;
/// The bytes of an id that hold its key,
const KEY_BYTES: usize = 7;
/// and how many bits of the last of them are random.
const SPARE_BITS: u32 = 3;
/// The highest key.
pub(crate) const KEY_MAX: i64 = (1 << 53) - 1;
/// The KSUID epoch in seconds since 1970.
const EPOCH_S: i64 = 1_400_000_000;
/// The resolution of the time in an id, in milliseconds.
pub const RESOLUTION_MS: i64 = 4;

/// The bytes of an id.
pub(crate) type Raw = [u8; 20];

/// Makes ids that rise strictly, even if the clock stands still or steps back.
///
/// One object makes the ids of one kind, so "after this id" means "made later" within it.
#[derive(Debug, Clone)]
pub struct Generator {
    prefix: &'static str,
    last: Raw,
}

impl Generator {
    /// A generator for `prefix` whose ids all follow `last`, the newest id stored (if any).
    pub fn new(prefix: &'static str, last: Option<&str>) -> Self {
        let last = last.and_then(|id| raw(prefix, id)).unwrap_or([0; 20]);
        Self { prefix, last }
    }

    /// The next id: at `now` if that follows the last one, else right after the last one.
    pub fn next(&mut self, now: i64, rng: &mut impl Entropy) -> String {
        let mut fresh = stamp(now);
        let mut key = raw_key(&fresh);
        let last = raw_key(&self.last);
        if self.last != [0; 20] && key <= last {
            key = last.saturating_add(1).min(KEY_MAX); // where the counter is used up, it carries into the time
        }
        rng.fill(&mut fresh[5..]);
        set_key(&mut fresh, key);
        self.last = fresh;
        text(self.prefix, &fresh)
    }

    /// The last id made (or the one it was told to follow).
    pub fn last(&self) -> String {
        text(self.prefix, &self.last)
    }
}

/// A single id made at `now` (milliseconds).
pub fn new(prefix: &str, now: i64, rng: &mut impl Entropy) -> String {
    let mut bytes = stamp(now);
    rng.fill(&mut bytes[5..]);
    text(prefix, &bytes)
}

/// The least id of its kind that can be made at `at` (milliseconds, rounded down to 4 ms).
pub fn floor(prefix: &str, at: i64) -> String {
    text(prefix, &stamp(at))
}

/// When an id was made, in milliseconds (to 4 ms); `None` where it is not an id of this kind.
pub fn millis(prefix: &str, id: &str) -> Option<i64> {
    let [a, b, c, d, ticks, ..] = raw(prefix, id)?;
    let seconds = i64::from(u32::from_be_bytes([a, b, c, d])).saturating_add(EPOCH_S);
    Some(seconds.saturating_mul(1000).saturating_add(i64::from(ticks).saturating_mul(RESOLUTION_MS)))
}

/// The time and counter of an id, as an integer below 2^53 that rises with the ids of one [`Generator`]; `None` where it is
/// not an id of this kind.
pub fn key(prefix: &str, id: &str) -> Option<i64> {
    raw(prefix, id).map(|raw| raw_key(&raw))
}

/// The least key of the ids that can be made at `at` (milliseconds, rounded down to 4 ms).
pub fn key_floor(at: i64) -> i64 {
    raw_key(&stamp(at))
}

/// When the ids with this key were made, in milliseconds (to 4 ms).
pub fn key_millis(key: i64) -> i64 {
    let ticks = key.max(0) >> COUNTER_BITS;
    let seconds = (ticks >> 8).saturating_add(EPOCH_S);
    seconds.saturating_mul(1000).saturating_add((ticks & 0xff).saturating_mul(RESOLUTION_MS))
}

pub(crate) fn raw_key(raw: &Raw) -> i64 {
    let bytes = raw.iter().take(KEY_BYTES);
    bytes.fold(0, |key: i64, byte| (key << 8) | i64::from(*byte)) >> SPARE_BITS
}

fn set_key(raw: &mut Raw, key: i64) {
    let spare = i64::from(raw[6]) & ((1 << SPARE_BITS) - 1);
    let [_, bytes @ ..] = ((key << SPARE_BITS) | spare).to_be_bytes();
    for (to, from) in raw.iter_mut().zip(bytes) {
        *to = from;
    }
}

/// A [`key`] that bounds those of the ids before or after a text, which may be no id: at least that of every id before it
/// (`up`), or at most that of every id after it.
pub fn bound(prefix: &str, text: &str, up: bool) -> i64 {
    let head = format!("{prefix}_");
    let Some(digits) = text.strip_prefix(&head) else {
        return if text > head.as_str() { KEY_MAX } else { 0 };
    };
    let digits: String = digits.chars().take_while(char::is_ascii_alphanumeric).take(LENGTH).collect();
    let pad = if up { 'z' } else { '0' };
    let padded: String = digits.chars().chain(std::iter::repeat(pad)).take(LENGTH).collect();
    key(prefix, &format!("{prefix}_{padded}")).unwrap_or(KEY_MAX)
}

/// Whether `id` is a well-formed id of this kind.
pub fn is(prefix: &str, id: &str) -> bool {
    raw(prefix, id).is_some()
}

/// Whether `text` looks like an id of any kind that appears in paths, and so may not be a uid.
pub fn looks_like_id(text: &str) -> bool {
    [APP, ENDPOINT, MESSAGE].iter().any(|prefix| is(prefix, text))
}

fn stamp(now: i64) -> Raw {
    let ms = now.saturating_sub(EPOCH_S.saturating_mul(1000)).max(0);
    let seconds = u32::try_from(ms.div_euclid(1000)).unwrap_or(u32::MAX).to_be_bytes();
    let ticks = u8::try_from(ms.rem_euclid(1000).div_euclid(RESOLUTION_MS)).unwrap_or(u8::MAX);
    let mut out = [0; 20];
    let [a, b, c, d] = seconds;
    for (to, from) in out.iter_mut().zip([a, b, c, d, ticks]) {
        *to = from;
    }
    out
}

pub(crate) fn text(prefix: &str, bytes: &Raw) -> String {
    let mut digits = [0u8; LENGTH];
    // Long division of the 160-bit number by 62, in 32-bit words, most significant first.
    let mut words = [0u32; 5];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        if let &[a, b, c, d] = chunk {
            *word = u32::from_be_bytes([a, b, c, d]);
        }
    }
    for digit in digits.iter_mut().rev() {
        let mut rest: u64 = 0;
        for word in &mut words {
            let value = (rest << 32) | u64::from(*word);
            *word = u32::try_from(value / 62).unwrap_or(u32::MAX);
            rest = value % 62;
        }
        *digit = usize::try_from(rest).ok().and_then(|i| DIGITS.get(i)).copied().unwrap_or(b'0');
    }
    let mut out = String::with_capacity(prefix.len().saturating_add(1).saturating_add(LENGTH));
    out.push_str(prefix);
    out.push('_');
    out.extend(digits.iter().map(|&d| char::from(d)));
    out
}

pub(crate) fn raw(prefix: &str, id: &str) -> Option<Raw> {
    let digits = id.strip_prefix(prefix)?.strip_prefix('_')?.as_bytes();
    if digits.len() != LENGTH {
        return None;
    }
    let mut words = [0u32; 5];
    for &digit in digits {
        let mut carry = u64::from(match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'A'..=b'Z' => digit.wrapping_sub(b'A').wrapping_add(10),
            b'a'..=b'z' => digit.wrapping_sub(b'a').wrapping_add(36),
            _ => return None,
        });
        for word in words.iter_mut().rev() {
            let value = u64::from(*word).wrapping_mul(62).wrapping_add(carry);
            *word = (value & 0xffff_ffff) as u32;
            carry = value >> 32;
        }
        if carry != 0 {
            return None; // 27 digits can spell numbers above 160 bits
        }
    }
    let mut out = [0; 20];
    for (to, word) in out.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_000_000_123;

    #[test]
    fn an_id_is_its_prefix_and_27_characters_and_tells_its_time() {
        let id = new(MESSAGE, NOW, &mut Seeded(1));
        assert_eq!(id.len(), "msg_".len() + 27);
        assert_eq!(millis(MESSAGE, &id), Some(NOW / 4 * 4));
        assert!(is(MESSAGE, &id));
        assert!(!is(APP, &id));
    }

    #[test]
    fn ids_rise_even_when_the_clock_steps_back() {
        let mut rng = Seeded(2);
        let mut ids = Generator::new(MESSAGE, None);
        let mut last = ids.next(NOW, &mut rng);
        for now in [NOW, NOW, NOW - 60_000, NOW + 1, NOW + 5, 0] {
            let next = ids.next(now, &mut rng);
            assert!(next > last, "{next} must follow {last}");
            last = next;
        }
        let mut resumed = Generator::new(MESSAGE, Some(&last));
        assert!(resumed.next(0, &mut rng) > last);
    }

    #[test]
    fn keys_rise_with_the_ids_of_a_generator_and_carry_into_the_time() {
        let mut rng = Seeded(4);
        let mut ids = Generator::new(MESSAGE, None);
        let mut last = key(MESSAGE, &ids.next(NOW, &mut rng)).expect("a key");
        assert_eq!((last, key_millis(last)), (key_floor(NOW), NOW / 4 * 4));
        for n in 0..20_000 {
            let now = if n % 7 == 0 { NOW - 60_000 } else { NOW };
            let id = ids.next(now, &mut rng);
            let next = key(MESSAGE, &id).expect("a key");
            assert_eq!(next, last + 1, "no key is used twice, and none is passed over");
            assert!(millis(MESSAGE, &id).expect("a time") >= NOW / 4 * 4);
            last = next;
        }
        assert!(millis(MESSAGE, &ids.last()).expect("a time") > NOW, "the counter is used up twice");
        assert!(key_floor(i64::MAX) <= KEY_MAX && key_floor(i64::MIN) == 0);
        assert_eq!(key(APP, &ids.last()), None);
    }

    #[test]
    fn malformed_ids_are_refused() {
        let good = new(MESSAGE, NOW, &mut Seeded(3));
        for bad in
            ["", "msg_", "msg_bad", "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz", &good[..30], &format!("{good}0")]
        {
            assert_eq!(millis(MESSAGE, bad), None, "{bad}");
        }
        assert_eq!(millis(MESSAGE, &good.replace("msg_", "ep_")), None);
    }

    proptest! {
        #[test]
        fn text_order_is_byte_order_and_decoding_undoes_encoding(a: Raw, b: Raw) {
            let (x, y) = (text(APP, &a), text(APP, &b));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(raw(APP, &x), Some(a));
        }

        #[test]
        fn a_floor_bounds_every_id_made_from_then_on(at in 1_400_000_000_000i64..5_000_000_000_000, seed: u64) {
            prop_assert!(floor(MESSAGE, at) <= new(MESSAGE, at, &mut Seeded(seed)));
            prop_assert!(floor(MESSAGE, at + 4) > new(MESSAGE, at, &mut Seeded(seed)));
            prop_assert!(key(MESSAGE, &floor(MESSAGE, at)) == Some(key_floor(at)));
            prop_assert!(floor(MESSAGE, at) <= Generator::new(MESSAGE, None).next(at, &mut Seeded(seed)));
        }

        #[test]
        fn a_bound_leaves_out_no_id(at in 1_400_000_000_000i64..5_000_000_000_000, seed: u64, cut in 0usize..34, tail in ".{0,3}") {
            let id = new(ATTEMPT, at, &mut Seeded(seed));
            let text = format!("{}{tail}", id.get(..cut).unwrap_or(&id));
            let known = key(ATTEMPT, &id).unwrap();
            if id < text {
                prop_assert!(bound(ATTEMPT, &text, true) >= known, "{text} {id}");
            } else {
                prop_assert!(bound(ATTEMPT, &text, false) <= known, "{text} {id}");
            }
            prop_assert_eq!(bound(ATTEMPT, &id, true), known);
            prop_assert_eq!(bound(ATTEMPT, &id, false), known);
        }

        #[test]
        fn any_text_is_answered(s in ".*") {
            let _ = millis(MESSAGE, &s);
            let _ = raw(MESSAGE, &format!("msg_{s}"));
        }
    }
}
