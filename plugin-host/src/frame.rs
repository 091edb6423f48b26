//! The frames of ABI v1 as the host sees them: it writes an event, and reads a patch.
//!
//! The layout is in `abi-v1.md`. The input is untrusted: every offset is checked, nothing is copied before its length
//! is known to lie inside the frame, and a decoded [`Patch`] holds only what the layout allows.

use std::fmt;

/// The version in a frame's first word.
pub const VERSION: u32 = 1;
/// The `value_len` that removes a header.
pub const REMOVE: u32 = u32::MAX;
/// The longest event type a patch may set, in bytes.
pub const MAX_EVENT_TYPE: usize = 256;
/// The longest header name in a patch, in bytes.
pub const MAX_HEADER_NAME: usize = 256;
/// The longest header value in a patch, in bytes.
pub const MAX_HEADER_VALUE: usize = 16 * 1024;
/// The most changes of headers in a patch.
pub const MAX_HEADER_CHANGES: u32 = 256;

const WORD: usize = 4;
const ENTRY: usize = 12;
const HEAD: usize = 8;
const ALIGN: usize = 8;

/// The keys of a frame's table.
pub mod key {
    /// The event's id, text.
    pub const EVENT_ID: u32 = 1;
    /// The event's type, text.
    pub const EVENT_TYPE: u32 = 2;
    /// When the event was accepted: signed 64 bit, milliseconds since 1970.
    pub const TIMESTAMP: u32 = 3;
    /// The number of the delivery attempt, from 1.
    pub const ATTEMPT: u32 = 4;
    /// The application's id, text.
    pub const APP_ID: u32 = 5;
    /// The endpoint's id, text.
    pub const ENDPOINT_ID: u32 = 6;
    /// Headers (input) or changes of headers (output).
    pub const HEADERS: u32 = 7;
    /// The attachment's configuration, JSON; empty if there is none.
    pub const CONFIG: u32 = 8;
    /// The body.
    pub const BODY: u32 = 9;
}

/// The input of a plugin: one event for one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The message's id.
    pub id: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// When the message was accepted, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The number of the delivery attempt, from 1.
    pub attempt: u32,
    /// The application's id.
    pub app_id: &'a str,
    /// The endpoint's id.
    pub endpoint_id: &'a str,
    /// The delivery's headers so far, names in lower case; none that signs.
    pub headers: &'a [(String, String)],
    /// The attachment's configuration as JSON text, or nothing.
    pub config: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Event<'_> {
    /// The input frame: all keys in ascending order, each entry at a multiple of 8.
    ///
    /// Lengths are 32 bits; the driver refuses frames long before that ([`crate::run::Limits::input_bytes`]).
    pub fn encode(&self) -> Vec<u8> {
        let headers = encode_headers(self.headers);
        let timestamp = self.timestamp_ms.to_le_bytes();
        let attempt = self.attempt.to_le_bytes();
        let entries: [(u32, &[u8]); 9] = [
            (key::EVENT_ID, self.id.as_bytes()),
            (key::EVENT_TYPE, self.event_type.as_bytes()),
            (key::TIMESTAMP, &timestamp),
            (key::ATTEMPT, &attempt),
            (key::APP_ID, self.app_id.as_bytes()),
            (key::ENDPOINT_ID, self.endpoint_id.as_bytes()),
            (key::HEADERS, &headers),
            (key::CONFIG, self.config.as_bytes()),
            (key::BODY, self.body),
        ];
        encode_table(&entries)
    }
}

fn encode_table(entries: &[(u32, &[u8])]) -> Vec<u8> {
    let table = HEAD.saturating_add(entries.len().saturating_mul(ENTRY));
    let bytes: usize = entries.iter().map(|(_, bytes)| bytes.len().saturating_add(ALIGN)).sum();
    let mut frame = Vec::with_capacity(table.saturating_add(bytes));
    push_word(&mut frame, VERSION);
    push_word(&mut frame, word(entries.len()));
    let mut at = table.next_multiple_of(ALIGN);
    for (key, bytes) in entries {
        push_word(&mut frame, *key);
        push_word(&mut frame, word(at));
        push_word(&mut frame, word(bytes.len()));
        at = at.saturating_add(bytes.len()).next_multiple_of(ALIGN);
    }
    for (_, bytes) in entries {
        frame.resize(frame.len().next_multiple_of(ALIGN), 0);
        frame.extend_from_slice(bytes);
    }
    frame
}

fn encode_headers(headers: &[(String, String)]) -> Vec<u8> {
    let mut list = Vec::new();
    push_word(&mut list, word(headers.len()));
    for (name, value) in headers {
        push_word(&mut list, word(name.len()));
        push_word(&mut list, word(value.len()));
        list.extend_from_slice(name.as_bytes());
        list.extend_from_slice(value.as_bytes());
    }
    list
}

fn word(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn push_word(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// One change of the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderChange {
    /// The header's name, in lower case.
    pub name: String,
    /// The new value; nothing removes the header.
    pub value: Option<String>,
}

/// The changes that a plugin makes. Absent parts do not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// The new event type.
    pub event_type: Option<String>,
    /// Changes of headers, in order.
    pub headers: Vec<HeaderChange>,
    /// The new body.
    pub body: Option<Vec<u8>>,
}

impl Patch {
    /// Reads an output frame.
    pub fn decode(frame: &[u8]) -> Result<Self, BadFrame> {
        let version = read_word(frame, 0).ok_or(BadFrame::Short)?;
        if version != VERSION {
            return Err(BadFrame::Version(version));
        }
        let count = read_word(frame, WORD).ok_or(BadFrame::Short)?;
        let mut patch = Self::default();
        let mut seen = 0u32;
        // A key may appear once and three are known: whatever `count` says, this ends after the fourth entry.
        for i in 0..count {
            let at = to_usize(i).saturating_mul(ENTRY).saturating_add(HEAD);
            let field = |n: usize| read_word(frame, at.saturating_add(n)).ok_or(BadFrame::Table { count });
            let (key, offset, length) = (field(0)?, field(WORD)?, field(2 * WORD)?);
            let outside = BadFrame::Entry { key, offset, length };
            let start = to_usize(offset);
            let end = start.checked_add(to_usize(length)).ok_or_else(|| outside.clone())?;
            let bytes = frame.get(start..end).ok_or(outside)?;
            if !matches!(key, key::EVENT_TYPE | key::HEADERS | key::BODY) {
                return Err(BadFrame::Key(key));
            }
            let bit = 1u32.checked_shl(key).unwrap_or(0);
            if seen & bit != 0 {
                return Err(BadFrame::Twice(key));
            }
            seen |= bit;
            match key {
                key::EVENT_TYPE => patch.event_type = Some(event_type(bytes)?),
                key::HEADERS => patch.headers = header_changes(bytes)?,
                _ => patch.body = Some(bytes.to_vec()),
            }
        }
        Ok(patch)
    }

    /// Applies the header changes, in order: setting replaces every earlier value of the name.
    pub fn apply_headers(&self, headers: &mut Vec<(String, String)>) {
        for change in &self.headers {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&change.name));
            if let Some(value) = &change.value {
                headers.push((change.name.clone(), value.clone()));
            }
        }
    }
}

fn event_type(bytes: &[u8]) -> Result<String, BadFrame> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.len() <= MAX_EVENT_TYPE => Ok(text.to_owned()),
        _ => Err(BadFrame::EventType),
    }
}

fn header_changes(list: &[u8]) -> Result<Vec<HeaderChange>, BadFrame> {
    let mut rest = list;
    let count = take_word(&mut rest).ok_or(BadFrame::Headers { at: 0 })?;
    if count > MAX_HEADER_CHANGES {
        return Err(BadFrame::TooManyHeaders(count));
    }
    let mut changes = Vec::with_capacity(to_usize(count));
    for at in 0..count {
        let short = BadFrame::Headers { at };
        let (Some(name_len), Some(value_len)) = (take_word(&mut rest), take_word(&mut rest)) else {
            return Err(short);
        };
        let name = take(&mut rest, to_usize(name_len)).ok_or_else(|| short.clone())?;
        let value = match value_len {
            REMOVE => None,
            length => Some(take(&mut rest, to_usize(length)).ok_or(short)?),
        };
        changes.push(HeaderChange {
            name: header_name(name).ok_or(BadFrame::HeaderName { at })?,
            value: match value {
                None => None,
                Some(value) => Some(header_value(value).ok_or(BadFrame::HeaderValue { at })?),
            },
        });
    }
    if rest.is_empty() { Ok(changes) } else { Err(BadFrame::Headers { at: count }) }
}

fn header_name(bytes: &[u8]) -> Option<String> {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let fits = !bytes.is_empty() && bytes.len() <= MAX_HEADER_NAME && bytes.iter().all(token);
    if fits { Some(str::from_utf8(bytes).ok()?.to_ascii_lowercase()) } else { None }
}

fn header_value(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    let fits = text.len() <= MAX_HEADER_VALUE && !text.chars().any(|c| c.is_control() && c != '\t');
    fits.then(|| text.to_owned())
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn read_word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(WORD)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    Some(head)
}

fn take_word(rest: &mut &[u8]) -> Option<u32> {
    read_word(take(rest, WORD)?, 0)
}

/// Why an output frame is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadFrame {
    /// Shorter than its first two words.
    Short,
    /// Another version.
    Version(u32),
    /// The table does not fit in the frame.
    Table {
        /// How many entries it claims.
        count: u32,
    },
    /// An entry leaves the frame.
    Entry {
        /// Its key.
        key: u32,
        /// Where it claims to begin.
        offset: u32,
        /// How long it claims to be.
        length: u32,
    },
    /// A key that a patch may not have.
    Key(u32),
    /// A key for the second time.
    Twice(u32),
    /// The event type is empty, too long or not UTF-8.
    EventType,
    /// More changes of headers than allowed.
    TooManyHeaders(u32),
    /// The header list ends early, or late.
    Headers {
        /// The header at which this was seen, from 0.
        at: u32,
    },
    /// A header's name is not one.
    HeaderName {
        /// Which header, from 0.
        at: u32,
    },
    /// A header's value has control characters, is too long or not UTF-8.
    HeaderValue {
        /// Which header, from 0.
        at: u32,
    },
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => {
                write!(f, "it is shorter than 8 bytes; set out_ptr and out_len before returning 1")
            }
            Self::Version(found) => write!(f, "its first word is {found}, not the version {VERSION}"),
            Self::Table { count } => write!(f, "a table of {count} entries does not fit in it"),
            Self::Entry { key, offset, length } => write!(
                f,
                "the entry of key {key} ({length} bytes at {offset}) leaves it; offsets count from the frame's start"
            ),
            Self::Key(key) => {
                write!(f, "key {key} cannot be changed; a patch has event type (2), headers (7) and body (9)")
            }
            Self::Twice(key) => write!(f, "key {key} appears more than once"),
            Self::EventType => {
                write!(f, "the event type must be 1 to {MAX_EVENT_TYPE} bytes of UTF-8")
            }
            Self::TooManyHeaders(count) => {
                write!(f, "{count} changes of headers are more than {MAX_HEADER_CHANGES}")
            }
            Self::Headers { at } => {
                write!(f, "the header list does not end where its lengths say (header {at})")
            }
            Self::HeaderName { at } => write!(f, "the name of header {at} is not an HTTP field name"),
            Self::HeaderValue { at } => write!(
                f,
                "the value of header {at} must be UTF-8 without control characters, at most {MAX_HEADER_VALUE} bytes"
            ),
        }
    }
}

impl std::error::Error for BadFrame {}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(headers: &'a [(String, String)], body: &'a [u8]) -> Event<'a> {
        Event {
            id: "msg_1",
            event_type: "invoice.paid",
            timestamp_ms: -2,
            attempt: 3,
            app_id: "app_1",
            endpoint_id: "ep_1",
            headers,
            config: "{}",
            body,
        }
    }

    /// The read of a guest that trusts the promise: the entry of key k is at 8 + 12 (k - 1).
    fn entry(frame: &[u8], key: u32) -> &[u8] {
        let at = 12 * key as usize;
        assert_eq!(read_word(frame, at - 4), Some(key));
        let (offset, length) =
            (read_word(frame, at).unwrap() as usize, read_word(frame, at + 4).unwrap() as usize);
        assert_eq!(offset % 8, 0);
        &frame[offset..offset + length]
    }

    #[test]
    fn an_input_frame_keeps_what_the_layout_promises() {
        let headers =
            [("content-type".to_owned(), "application/json".to_owned()), ("x-a".into(), String::new())];
        let frame = event(&headers, b"{\"a\":1}").encode();
        assert_eq!(read_word(&frame, 0), Some(1));
        assert_eq!(read_word(&frame, 4), Some(9));
        assert_eq!(entry(&frame, key::EVENT_ID), b"msg_1");
        assert_eq!(entry(&frame, key::EVENT_TYPE), b"invoice.paid");
        assert_eq!(entry(&frame, key::TIMESTAMP), (-2i64).to_le_bytes());
        assert_eq!(entry(&frame, key::ATTEMPT), 3u32.to_le_bytes());
        assert_eq!(entry(&frame, key::APP_ID), b"app_1");
        assert_eq!(entry(&frame, key::ENDPOINT_ID), b"ep_1");
        assert_eq!(entry(&frame, key::CONFIG), b"{}");
        assert_eq!(entry(&frame, key::BODY), b"{\"a\":1}");
        let list = entry(&frame, key::HEADERS);
        assert_eq!(list, b"\x02\0\0\0\x0c\0\0\0\x10\0\0\0content-typeapplication/json\x03\0\0\0\0\0\0\0x-a");
    }

    fn patch(entries: &[(u32, &[u8])]) -> Result<Patch, BadFrame> {
        Patch::decode(&encode_table(entries))
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        assert_eq!(patch(&[]), Ok(Patch::default()));
        let headers = b"\x02\0\0\0\x03\0\0\0\x01\0\0\0X-Ay\x03\0\0\0\xff\xff\xff\xffx-b";
        let read = patch(&[(9, b"new"), (7, headers), (2, b"a.b")]).unwrap();
        assert_eq!(read.event_type.as_deref(), Some("a.b"));
        assert_eq!(read.body.as_deref(), Some(&b"new"[..]));
        let mut list =
            vec![("x-b".to_owned(), "1".to_owned()), ("x-a".into(), "2".into()), ("x-c".into(), "3".into())];
        read.apply_headers(&mut list);
        assert_eq!(list, [("x-c".to_owned(), "3".to_owned()), ("x-a".into(), "y".into())]);
        assert_eq!(patch(&[(9, b"")]).unwrap().body.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_frame_that_lies_is_refused() {
        assert_eq!(Patch::decode(b""), Err(BadFrame::Short));
        assert_eq!(Patch::decode(b"\x01\0\0\0"), Err(BadFrame::Short));
        assert_eq!(Patch::decode(b"\x02\0\0\0\0\0\0\0"), Err(BadFrame::Version(2)));
        assert_eq!(Patch::decode(b"\x01\0\0\0\xff\xff\xff\xff"), Err(BadFrame::Table { count: u32::MAX }));
        assert_eq!(patch(&[(8, b"{}")]), Err(BadFrame::Key(8)));
        assert_eq!(patch(&[(40, b"")]), Err(BadFrame::Key(40)));
        assert_eq!(patch(&[(9, b"a"), (9, b"b")]), Err(BadFrame::Twice(9)));
        assert_eq!(patch(&[(2, b"")]), Err(BadFrame::EventType));
        assert_eq!(patch(&[(2, b"\xff")]), Err(BadFrame::EventType));
        for (offset, length) in [(20u32, 1u32), (0, 21), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            let mut frame = b"\x01\0\0\0\x01\0\0\0\x09\0\0\0".to_vec();
            push_word(&mut frame, offset);
            push_word(&mut frame, length);
            assert_eq!(Patch::decode(&frame), Err(BadFrame::Entry { key: 9, offset, length }));
        }
    }

    #[test]
    fn header_changes_are_ones_that_http_can_carry() {
        let one = |name: &[u8], value: &[u8]| {
            let mut list = Vec::new();
            push_word(&mut list, 1);
            push_word(&mut list, word(name.len()));
            push_word(&mut list, word(value.len()));
            list.extend_from_slice(name);
            list.extend_from_slice(value);
            patch(&[(7, &list)])
        };
        assert!(one(b"x", "gr\u{fc}n\t".as_bytes()).is_ok());
        assert_eq!(one(b"", b"v"), Err(BadFrame::HeaderName { at: 0 }));
        assert_eq!(one(b"a b", b"v"), Err(BadFrame::HeaderName { at: 0 }));
        assert_eq!(one(b"a", b"v\r\nx: y"), Err(BadFrame::HeaderValue { at: 0 }));
        assert_eq!(one(b"a", b"\xff"), Err(BadFrame::HeaderValue { at: 0 }));
        assert_eq!(one(b"a", &vec![b'v'; MAX_HEADER_VALUE + 1]), Err(BadFrame::HeaderValue { at: 0 }));
        assert_eq!(patch(&[(7, b"")]), Err(BadFrame::Headers { at: 0 }));
        assert_eq!(patch(&[(7, b"\x01\0\0\0\x01\0\0\0\x02\0\0\0ab")]), Err(BadFrame::Headers { at: 0 }));
        assert_eq!(patch(&[(7, b"\0\0\0\0more")]), Err(BadFrame::Headers { at: 0 }));
        assert_eq!(patch(&[(7, b"\x01\x01\0\0")]), Err(BadFrame::TooManyHeaders(257)));
    }
}
