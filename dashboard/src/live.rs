//! The live view: what an application or a source receives and sends, as server-sent events.
//!
//! It polls the public lists, each from its last position, so it adds nothing to the path of an event and costs nothing while
//! nobody watches. It guarantees:
//! - rows are in the order in which they became known, and a position in the stream (an event's id) encodes the position in
//!   every list, so that an interrupted stream resumes there;
//! - if it cannot resume without a gap (it was interrupted for too long, or there were too many rows), it reports the gap and
//!   links to the rows;
//! - it ends after some minutes or calls, and the browser reconnects.
//!
//! Attempts come from several objects, each with its own clock, so each has its own position. One poll calls each of them;
//! with many endpoints they take turns.

use crate::data::{base, flag, is_source, link, path, query, rows, text};
use crate::filters::{ENDPOINTS, Filters};
use crate::scope::{self, Scope};
use crate::view::live as view;
use crate::{Answer, Api, Page, Request, done};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use std::fmt::Write;
use weir_core::id;
use weir_core::time::rfc3339;

/// The time between two polls.
pub const EVERY_MS: i64 = 1_500;
/// How many lists besides the messages are read per poll.
const AT_ONCE: usize = 8;
/// The most calls of one request, after which the browser reconnects: the platform limits them.
const MOST_CALLS: u32 = 700;
/// The longest duration of one request.
const MOST_MS: i64 = 5 * 60_000;
/// How many rows are read at once, and how many times in succession.
const STEP: usize = 50;
const STEPS: usize = 4;
/// How many earlier rows are shown at the start.
const BEFORE: usize = 20;
/// The most by which clocks differ: a list counts as read up to this long ago.
const MARGIN_MS: i64 = 10_000;
/// After a longer interruption a gap is reported.
const AWAY_MS: i64 = 15 * 60_000;
/// The name of rejected requests in the URL, and the path of their list.
const REJECTED: &str = "rejected";

/// Whether a request is for the stream rather than for a page.
pub fn is_stream(request: &Request) -> bool {
    matches!(request.parts().as_slice(), ["app", _, "live", "events"])
}

/// A list that is followed, and the position in it.
struct Place {
    path: String,
    prefix: &'static str,
    /// The last item read; `None` before the first poll.
    at: Option<String>,
    status: Option<String>,
}

/// The result of reading a list.
#[derive(Default)]
struct Found {
    /// Newest first.
    items: Vec<Value>,
    /// The start of a gap, if there were too many rows.
    gap: Option<i64>,
    /// The status and message of an API error.
    refused: Option<(u16, String)>,
    calls: u32,
}

impl Place {
    /// `from` is the time of the interruption, `at` the position in this list at that time, if it was followed; empty if its
    /// turn had not come yet.
    fn new(
        path: String,
        prefix: &'static str,
        status: Option<String>,
        from: Option<i64>,
        at: Option<&str>,
    ) -> Self {
        let from = from.filter(|_| at != Some(""));
        let at = at.filter(|at| id::is(prefix, at)).map(str::to_owned);
        Self { path, prefix, at: from.map(|from| at.unwrap_or_else(|| id::floor(prefix, from))), status }
    }

    /// Reads on, to the end or for a limited number of steps.
    async fn look<A: Api>(&mut self, api: &A, filters: &Filters, now: i64) -> Found {
        let mut found = Found::default();
        for _ in 0..STEPS {
            let before = self.at.as_ref().map(|at| format!("-{at}"));
            let limit = if before.is_some() { STEP } else { BEFORE }.to_string();
            let mut pairs = vec![
                ("limit", Some(limit.as_str())),
                ("iterator", before.as_deref()),
                ("status", self.status.as_deref()),
            ];
            pairs.extend(filters.pairs());
            let answer = api.call("GET", &format!("{}?{}", self.path, query(&pairs)), None).await;
            found.calls = found.calls.saturating_add(1);
            if !answer.is_ok() {
                found.refused = Some((answer.status, answer.sentence()));
                return found;
            }
            let newest = answer.body.get("prevIterator").and_then(Value::as_str);
            let newest = newest.and_then(|at| at.strip_prefix('-')).map(str::to_owned);
            let first = self.at.is_none();
            found.items.splice(0..0, rows(&answer.body).iter().cloned());
            self.at = newest.or(self.at.take());
            if first || flag(&answer.body, "done") {
                // Everything up to now has been read; rows that the filters exclude are not read again.
                let seen = id::floor(self.prefix, now.saturating_sub(MARGIN_MS));
                self.at = Some(self.at.take().map_or_else(|| seen.clone(), |at| at.max(seen.clone())));
                return found;
            }
        }
        found.gap = Some(self.at.as_deref().and_then(|at| id::millis(self.prefix, at)).unwrap_or(now));
        self.at = Some(id::floor(self.prefix, now));
        found
    }
}

/// A live stream.
pub struct Tail {
    app: String,
    filters: Filters,
    messages: Option<Place>,
    /// The attempts of each endpoint, and a source's rejected requests. Those whose turn it is come first.
    others: Vec<(String, Place)>,
    began: i64,
    calls: u32,
    /// The time of the interruption, if that is too long ago.
    missed: Option<i64>,
    over: bool,
    /// The context in which its rows are rendered.
    scope: Scope,
}

impl Tail {
    /// Starts a stream, or resumes one at the position in `from`.
    ///
    /// # Errors
    /// An error page.
    pub async fn open<A: Api>(api: &A, request: &Request, now: i64) -> Result<Self, Page> {
        let parts = request.parts();
        let key = parts.get(1).copied().unwrap_or_default();
        let filters = Filters::of(request);
        let from = request.param("from").unwrap_or_default();
        let mut from = from.split('-');
        let cut_at: Option<i64> = from.next().and_then(|at| at.parse().ok());
        let at: Vec<&str> = from.collect();
        // After a long interruption a stream starts over.
        let missed = cut_at.filter(|at| now.saturating_sub(*at) > AWAY_MS);
        let resumed = cut_at.filter(|_| missed.is_none());
        let base = base(key, &[]);
        let (app, endpoints) = join(
            named(api, key, &base),
            followed(api, &base, filters.endpoint.as_deref().filter(|_| filters.follows("attempts"))),
        )
        .await;
        let app = done(app)?;
        let endpoints = if filters.follows("attempts") { endpoints? } else { Vec::new() };
        let messages = || Place::new(format!("{base}/msg"), id::MESSAGE, None, resumed, at.first().copied());
        let messages = filters.follows("messages").then(messages);
        let place = |name: &str, below: &str, prefix, status| {
            let at = at.iter().find_map(|at| at.strip_prefix(name)?.strip_prefix('.'));
            (name.to_owned(), Place::new(format!("{base}/{below}"), prefix, status, resumed, at))
        };
        let attempts = |endpoint: &String| {
            let below = path(&["attempt", "endpoint", endpoint]);
            place(endpoint, &below, id::ATTEMPT, filters.status.clone())
        };
        let mut others: Vec<_> = endpoints.iter().map(attempts).collect();
        if is_source(key) && filters.follows(REJECTED) && !filters.chooses_events() {
            others.insert(0, place(REJECTED, REJECTED, id::REJECTED, None));
        }
        let app = text(&app, "id").to_owned();
        let scope = Scope { lang: request.lang, ..Scope::default() };
        Ok(Self { app, messages, others, filters, began: now, calls: 0, missed, over: false, scope })
    }

    /// Ends the stream with a message.
    pub fn end(&mut self, sentence: &str) -> String {
        self.over = true;
        event("over", "", sentence)
    }

    /// Whether the stream has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Polls the lists and returns the text of one or more events.
    pub async fn look<A: Api>(&mut self, api: &A, now: i64) -> String {
        let filters = &self.filters;
        let turn = self.others.iter_mut().take(AT_ONCE);
        let others = join_all(turn.map(|(_, place)| place.look(api, filters, now)));
        let messages = async {
            match &mut self.messages {
                Some(place) => place.look(api, filters, now).await,
                None => Found::default(),
            }
        };
        let (messages, mut found) = join(messages, others).await;
        if self.others.len() > AT_ONCE {
            self.others.rotate_left(AT_ONCE);
        }
        found.push(messages);
        let mut shown: Vec<(String, String)> = Vec::new();
        let mut gap = self.missed.take();
        for found in &found {
            if let Some((401 | 403 | 404, sentence)) = &found.refused {
                return self.end(sentence);
            }
            gap = gap.into_iter().chain(found.gap).min();
            self.calls = self.calls.saturating_add(found.calls);
            let show = |item: &Value| {
                (
                    text(item, "timestamp").to_owned(),
                    scope::within(&self.scope, || view::row(&self.app, item).into_string()),
                )
            };
            shown.extend(found.items.iter().map(show));
        }
        // Oldest first, because the page inserts each row at the top.
        shown.sort();
        if let Some(since) = gap {
            let (after, before) = (rfc3339(since), rfc3339(now));
            let span = query(&[("after", Some(after.as_str())), ("before", Some(before.as_str()))]);
            let to = format!("{}?{span}", link(&["app", &self.app, "messages"]));
            shown.push((before, scope::within(&self.scope, || view::gap(&to, &after).into_string())));
        }
        let place = self.place(now);
        let html: String = shown.into_iter().map(|(_, html)| html).collect();
        let mut out = event(if html.is_empty() { "tick" } else { "rows" }, &place, &html);
        if self.calls >= MOST_CALLS || now.saturating_sub(self.began) >= MOST_MS {
            self.over = true;
            out.push_str(&event("again", &place, ""));
        }
        out
    }
}

impl Tail {
    /// The position: the time, and the position in each list.
    fn place(&self, now: i64) -> String {
        let at = |place: &Place| place.at.clone().unwrap_or_default();
        let mut out = format!("{now}-{}", self.messages.as_ref().map(at).unwrap_or_default());
        for (name, place) in &self.others {
            let _ = write!(out, "-{name}.{}", at(place));
        }
        out
    }
}

/// The application that is followed. Only its owner may read a source, and its only key is its id.
async fn named<A: Api>(api: &A, key: &str, base: &str) -> Answer {
    if is_source(key) {
        return Answer { status: 200, body: json!({ "id": key }), payload: None };
    }
    api.call("GET", base, None).await
}

/// The endpoints whose attempts are followed: the selected one, or the first few.
async fn followed<A: Api>(api: &A, base: &str, chosen: Option<&str>) -> Result<Vec<String>, Page> {
    if let Some(chosen) = chosen {
        return Ok(vec![chosen.to_owned()]);
    }
    let list = api.call("GET", &format!("{base}/endpoint?limit={ENDPOINTS}"), None).await;
    let list = done(list)?;
    Ok(rows(&list).iter().map(|endpoint| text(endpoint, "id").to_owned()).collect())
}

/// A server-sent event. Browsers ignore events without data.
fn event(kind: &str, place: &str, data: &str) -> String {
    let mut out = format!("event: {kind}\n");
    if !place.is_empty() {
        let _ = writeln!(out, "id: {place}");
    }
    let line = if data.is_empty() { "-".to_owned() } else { data.replace(['\r', '\n'], " ") };
    let _ = write!(out, "data: {line}\n\n");
    out
}

#[cfg(test)]
mod tests;
