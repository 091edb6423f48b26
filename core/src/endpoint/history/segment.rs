//! One row of attempts that were recorded together.
//!
//! A segment is two frames. The *head* has what lists filter by, an entry for each attempt; the *body* has what only a
//! page that shows the attempt needs: responses, headers, what plugins did. Texts that repeat are stored once: a response
//! once for each request, URLs and event types once for each segment, and of headers only what differs from those of the
//! attempt before.

use crate::id;
use crate::sql::SqlError;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use std::rc::Rc;

/// No more is added to a segment that has so many bytes.
const BYTES_MAX: usize = 256 * 1024;
/// No more than so many attempts are in one segment.
pub(super) const ATTEMPTS_MAX: usize = 128;

/// An attempt, but for what its receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint) struct Recorded {
    /// The attempt's id.
    pub id: String,
    pub of: Of,
    /// Its number for the delivery, from 1.
    pub number: u32,
    pub how: How,
    pub url: String,
}

/// What was attempted to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint) struct Of {
    pub msg_id: String,
    pub event_type: String,
    /// The text of a JSON array.
    pub channels: Option<String>,
    /// Asked for by hand.
    pub manual: bool,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint) struct How {
    /// With Svix's numbers; see `record.rs`.
    pub status: i64,
    /// HTTP status, 0 without an answer.
    pub code: u16,
    pub started_at: i64,
    pub duration_ms: i64,
    /// When the delivery's next attempt is due.
    pub next_at: Option<i64>,
    pub request: Request,
}

/// Which request an attempt made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::endpoint) enum Request {
    /// One of its own.
    Own,
    /// None: plugins kept it, or it could not be sent.
    None,
    /// That of another delivery, whose batch it was in.
    Shared,
}

/// What only a page that shows an attempt needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint) struct Detail {
    /// The answer's body, or why there is none. Attempts of one request share it.
    pub response: Rc<str>,
    /// The text of a JSON array: the request's headers, the answer's.
    pub headers: Option<String>,
    /// What plugins did: the text of a JSON array.
    pub plugins: Option<String>,
}

#[derive(Debug, Default, Encode, Decode)]
struct Head {
    #[n(0)]
    texts: Vec<String>,
    #[n(1)]
    entries: Vec<Entry>,
}

#[derive(Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    id: ByteArray<20>,
    /// Places in `texts`: the event's type, the URL.
    #[n(1)]
    event_type: u32,
    #[n(2)]
    url: u32,
    #[n(3)]
    number: u32,
    /// Bit 0: by hand; bits 1 and 2: the request.
    #[n(4)]
    flags: u8,
    #[n(5)]
    how: Numbers,
    #[n(6)]
    msg: Option<ByteArray<20>>,
    #[n(7)]
    channels: Option<u32>,
    /// The message's id, where it is not of the usual form.
    #[n(8)]
    msg_id: Option<String>,
}

#[derive(Debug, Encode, Decode)]
struct Numbers {
    #[n(0)]
    status: i64,
    #[n(1)]
    code: u16,
    /// Milliseconds from the start until the attempt's own time.
    #[n(2)]
    before: i64,
    #[n(3)]
    duration_ms: i64,
    /// Milliseconds from the start until the next attempt.
    #[n(4)]
    next_after: Option<i64>,
}

#[derive(Debug, Default, Encode, Decode)]
struct Body {
    #[n(0)]
    responses: Vec<String>,
    #[n(1)]
    entries: Vec<BodyEntry>,
}

#[derive(Debug, Encode, Decode)]
struct BodyEntry {
    #[n(0)]
    response: u32,
    #[n(1)]
    headers: Option<Difference>,
    #[n(2)]
    plugins: Option<Difference>,
}

/// A text by what differs from another: so many bytes of its beginning and of its end are the same.
#[derive(Debug, Encode, Decode)]
struct Difference {
    #[n(0)]
    prefix: u32,
    #[n(1)]
    suffix: u32,
    #[n(2)]
    middle: ByteVec,
}

impl Difference {
    fn of(text: &str, before: &str) -> Self {
        let (text, before) = (text.as_bytes(), before.as_bytes());
        let same = text.iter().zip(before).take_while(|(a, b)| a == b).count();
        let room = text.len().min(before.len()).saturating_sub(same);
        let ends = text.iter().rev().zip(before.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
        let end = text.len().saturating_sub(ends);
        Self {
            prefix: u32::try_from(same).unwrap_or(0),
            suffix: u32::try_from(ends).unwrap_or(0),
            middle: text.get(same..end).unwrap_or_default().to_vec().into(),
        }
    }

    fn undone(&self, before: &str) -> String {
        let before = before.as_bytes();
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let prefix = before.get(..size(self.prefix)).unwrap_or_default();
        let suffix = before.get(before.len().saturating_sub(size(self.suffix))..).unwrap_or_default();
        let whole = [prefix, &self.middle, suffix].concat();
        String::from_utf8(whole).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
    }
}

/// Gathers attempts for one row.
#[derive(Default)]
pub(super) struct Builder {
    head: Head,
    body: Body,
    /// The texts of `body.responses`, by whom they came from.
    shared: Vec<Rc<str>>,
    /// What the last entry's texts were.
    headers: String,
    plugins: String,
    bytes: usize,
}

impl Builder {
    /// Adds an attempt; it must be later than those before it.
    pub(super) fn add(&mut self, recorded: &Recorded, detail: &Detail) {
        let Recorded { id, of, number, how, url } = recorded;
        let at = id::millis(id::ATTEMPT, id).unwrap_or(0);
        let msg = id::raw(id::MESSAGE, &of.msg_id);
        let request = match how.request {
            Request::Own => 0u8,
            Request::None => 1,
            Request::Shared => 2,
        };
        let entry = Entry {
            id: id::raw(id::ATTEMPT, id).unwrap_or_default().into(),
            event_type: self.text(&of.event_type),
            url: self.text(url),
            number: *number,
            flags: u8::from(of.manual) | (request << 1),
            how: Numbers {
                status: how.status,
                code: how.code,
                before: at.saturating_sub(how.started_at),
                duration_ms: how.duration_ms,
                next_after: how.next_at.map(|next| next.saturating_sub(how.started_at)),
            },
            msg: msg.map(ByteArray::from),
            channels: of.channels.as_ref().map(|channels| self.text(channels)),
            msg_id: msg.is_none().then(|| of.msg_id.clone()),
        };
        self.head.entries.push(entry);
        self.add_detail(detail);
        self.bytes = self.bytes.saturating_add(80);
    }

    fn add_detail(&mut self, detail: &Detail) {
        let known = self.shared.iter().position(|other| Rc::ptr_eq(other, &detail.response));
        let response = known.unwrap_or_else(|| {
            self.bytes = self.bytes.saturating_add(detail.response.len());
            self.shared.push(Rc::clone(&detail.response));
            self.body.responses.push(detail.response.as_ref().to_owned());
            self.shared.len().saturating_sub(1)
        });
        let mut differs = |text: &Option<String>, before: &mut String| {
            let difference = text.as_ref().map(|text| Difference::of(text, before));
            if let Some(text) = text {
                before.clone_from(text);
            }
            let bytes = difference.as_ref().map_or(0, |difference| difference.middle.len());
            self.bytes = self.bytes.saturating_add(bytes);
            difference
        };
        let headers = differs(&detail.headers, &mut self.headers);
        let plugins = differs(&detail.plugins, &mut self.plugins);
        let response = u32::try_from(response).unwrap_or(u32::MAX);
        self.body.entries.push(BodyEntry { response, headers, plugins });
    }

    fn text(&mut self, text: &str) -> u32 {
        let known = self.head.texts.iter().position(|other| other == text);
        let at = known.unwrap_or_else(|| {
            self.bytes = self.bytes.saturating_add(text.len());
            self.head.texts.push(text.to_owned());
            self.head.texts.len().saturating_sub(1)
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Whether nothing more is to be added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX || self.head.entries.len() >= ATTEMPTS_MAX
    }

    /// Head and body.
    pub(super) fn frames(&self) -> (Vec<u8>, Vec<u8>) {
        (crate::frame::encode(&self.head), crate::frame::encode(&self.body))
    }
}

/// The attempts of a head.
pub(super) fn recorded(head: &[u8]) -> Result<Vec<Recorded>, SqlError> {
    let Head { texts, entries } = crate::frame::decode(head).map_err(SqlError)?;
    let text = |at: u32| usize::try_from(at).ok().and_then(|at| texts.get(at)).cloned().unwrap_or_default();
    let read = |entry: Entry| {
        let id = id::text(id::ATTEMPT, &entry.id);
        let msg = entry.msg.map(|msg| id::text(id::MESSAGE, &msg));
        let started_at = id::millis(id::ATTEMPT, &id).unwrap_or(0).saturating_sub(entry.how.before);
        Recorded {
            id,
            of: Of {
                msg_id: msg.or(entry.msg_id).unwrap_or_default(),
                event_type: text(entry.event_type),
                channels: entry.channels.map(text),
                manual: entry.flags & 1 == 1,
            },
            number: entry.number,
            how: How {
                status: entry.how.status,
                code: entry.how.code,
                started_at,
                duration_ms: entry.how.duration_ms,
                next_at: entry.how.next_after.map(|after| started_at.saturating_add(after)),
                request: match entry.flags >> 1 {
                    1 => Request::None,
                    2 => Request::Shared,
                    _ => Request::Own,
                },
            },
            url: text(entry.url),
        }
    };
    Ok(entries.into_iter().map(read).collect())
}

/// The details of a body, in the order of the head's attempts.
pub(super) fn details(body: &[u8]) -> Result<Vec<Detail>, SqlError> {
    let Body { responses, entries } = crate::frame::decode(body).map_err(SqlError)?;
    let responses: Vec<Rc<str>> = responses.into_iter().map(Rc::from).collect();
    let (mut headers, mut plugins) = (String::new(), String::new());
    let undo = |difference: Option<Difference>, before: &mut String| {
        difference.map(|difference| {
            *before = difference.undone(before);
            before.clone()
        })
    };
    let read = |entry: BodyEntry| Detail {
        response: usize::try_from(entry.response)
            .ok()
            .and_then(|at| responses.get(at))
            .map_or_else(|| Rc::from(""), Rc::clone),
        headers: undo(entry.headers, &mut headers),
        plugins: undo(entry.plugins, &mut plugins),
    };
    Ok(entries.into_iter().map(read).collect())
}

/// The two frames of these attempts, however many they are.
pub(super) fn rebuilt(recorded: &[Recorded], details: &[Detail]) -> (Vec<u8>, Vec<u8>) {
    let mut builder = Builder::default();
    for (recorded, detail) in recorded.iter().zip(details) {
        builder.add(recorded, detail);
    }
    builder.frames()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;

    fn any_detail() -> impl Strategy<Value = (String, Option<String>, Option<String>, bool)> {
        (".{0,40}", proptest::option::of(".{0,60}"), proptest::option::of("[a-ü]{0,20}"), any::<bool>())
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_recorded(
            rows in prop::collection::vec((any_detail(), 0u8..3, any::<bool>(), 0i64..4, -9_000i64..9_000), 1..20),
            seed: u64,
        ) {
            let (mut rng, now) = (Seeded(seed), 1_795_000_000_000);
            let mut ids = id::Generator::new(id::ATTEMPT, None);
            let (mut all, mut of_all): (Vec<Recorded>, Vec<Detail>) = (Vec::new(), Vec::new());
            for ((text, headers, plugins, shares), request, manual, status, ago) in rows {
                let msg_id = if ago % 5 == 0 { "odd".to_owned() } else { id::new(id::MESSAGE, now, &mut rng) };
                let started_at = now - ago;
                all.push(Recorded {
                    id: ids.next(now, &mut rng),
                    of: Of { msg_id, event_type: format!("t{status}"), channels: manual.then(|| text.clone()), manual },
                    number: 3,
                    how: How {
                        status,
                        code: 503,
                        started_at,
                        duration_ms: 17,
                        next_at: (request == 1).then_some(started_at + 5_000),
                        request: [Request::Own, Request::None, Request::Shared][usize::from(request)],
                    },
                    url: format!("https://x/{request}"),
                });
                let response = match of_all.last() {
                    Some(last) if shares => Rc::clone(&last.response),
                    _ => Rc::from(text),
                };
                of_all.push(Detail { response, headers, plugins });
            }
            let (head, body) = rebuilt(&all, &of_all);
            prop_assert_eq!(recorded(&head).unwrap(), all);
            let read = details(&body).unwrap();
            for pair in read.windows(2).zip(of_all.windows(2)) {
                let (read, wrote) = pair;
                prop_assert!(!Rc::ptr_eq(&wrote[0].response, &wrote[1].response) || Rc::ptr_eq(&read[0].response, &read[1].response));
            }
            prop_assert_eq!(read, of_all);
        }

        #[test]
        fn a_difference_gives_the_text_back(one in ".{0,30}", other in ".{0,30}", both in ".{0,9}") {
            let (text, before) = (format!("{both}{one}{both}"), format!("{both}{other}{both}"));
            prop_assert_eq!(Difference::of(&text, &before).undone(&before), text);
        }
    }

    #[test]
    fn attempts_of_one_request_and_headers_that_repeat_take_little_room() {
        let response: Rc<str> = Rc::from("x".repeat(16 * 1024));
        let mut ids = id::Generator::new(id::ATTEMPT, None);
        let mut rng = Seeded(1);
        let mut builder = Builder::default();
        let headers =
            r#"[{"content-type":"application/json","user-agent":"Weir-Webhooks/0.2.0"},{"server":"x"}]"#;
        for _ in 0..100 {
            let id = ids.next(1_795_000_000_000, &mut rng);
            let msg_id = id::new(id::MESSAGE, 1_795_000_000_000, &mut rng);
            let of = Of { msg_id, event_type: "a.b".into(), channels: None, manual: false };
            let how = How {
                status: 0,
                code: 200,
                started_at: 1_795_000_000_000,
                duration_ms: 200,
                next_at: None,
                request: Request::Shared,
            };
            let recorded = Recorded { id, of, number: 1, how, url: "https://receiver.example.com/".into() };
            let (headers, response) = (Some(headers.to_owned()), Rc::clone(&response));
            builder.add(&recorded, &Detail { response, headers, plugins: None });
        }
        let (head, body) = builder.frames();
        assert!(head.len() < 100 * 64 + 64, "{} bytes", head.len());
        assert!(body.len() < 16 * 1024 + 100 * 12 + 200, "{} bytes", body.len());
    }
}
