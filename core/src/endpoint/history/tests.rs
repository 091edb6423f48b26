//! The store of attempts against a plain list.

use super::segment::{How, Of, Request};
use super::*;
use crate::endpoint::MIGRATIONS;
use crate::id::Generator;
use crate::rng::Seeded;
use crate::sql::memory::Memory;
use crate::sql::migrate;
use proptest::prelude::*;

const NOW: i64 = 1_795_000_000_000;
const DAY: i64 = 86_400_000;
const RETENTION: i64 = 30 * DAY;

/// The store, and what it should say.
struct Both {
    sql: Memory,
    store: History,
    model: Vec<(Recorded, Detail)>,
    messages: Vec<String>,
    message_ids: Generator,
    attempt_ids: Generator,
    rng: Seeded,
    now: i64,
}

#[derive(Debug, Clone)]
enum Op {
    Wait(i64),
    /// So many attempts are recorded together; of messages that are new, or were accepted before.
    Record(usize, bool),
    Expunge(usize),
    Reopen,
    Purge,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => prop_oneof![0..10i64, 0..20_000i64, 0..DAY, 0..(9 * DAY)].prop_map(Op::Wait),
        8 => (prop_oneof![5 => 1..4usize, 1 => 1..300usize], any::<bool>()).prop_map(|(n, old)| Op::Record(n, old)),
        2 => (0..1000usize).prop_map(Op::Expunge),
        2 => Just(Op::Reopen),
        1 => Just(Op::Purge),
    ]
}

impl Both {
    fn new() -> Self {
        let sql = Memory::new();
        migrate(&sql, MIGRATIONS, NOW).unwrap();
        Self {
            store: History::open(&sql).unwrap().0,
            sql,
            model: Vec::new(),
            messages: Vec::new(),
            message_ids: Generator::new(id::MESSAGE, None),
            attempt_ids: Generator::new(id::ATTEMPT, None),
            rng: Seeded(3),
            now: NOW,
        }
    }

    fn record(&mut self, count: usize, old: bool) {
        let mut response: std::rc::Rc<str> = "".into();
        for n in 0..count {
            let dice = usize::try_from(self.rng.next_u64() % 1000).unwrap();
            let msg_id = if old && !self.messages.is_empty() {
                self.messages[dice % self.messages.len()].clone()
            } else {
                let id = self.message_ids.next(self.now, &mut self.rng);
                self.messages.push(id.clone());
                id
            };
            let shares = n > 0 && dice.is_multiple_of(3);
            if !shares {
                response =
                    format!("{n}{}", "x".repeat(if dice.is_multiple_of(50) { 16_000 } else { dice % 40 }))
                        .into();
            }
            let at = id::millis(id::MESSAGE, &msg_id).unwrap() + id::RESOLUTION_MS;
            let id = self.attempt_ids.next(self.now.max(at), &mut self.rng);
            let code = if dice.is_multiple_of(4) { 500 } else { 200 };
            let recorded = Recorded {
                id,
                of: Of {
                    msg_id,
                    event_type: format!("t{}", dice % 3),
                    channels: None,
                    manual: dice.is_multiple_of(7),
                },
                number: 1,
                how: How {
                    status: if code == 200 { 0 } else { 2 },
                    code,
                    started_at: self.now - 200,
                    duration_ms: 200,
                    next_at: None,
                    request: if shares { Request::Shared } else { Request::Own },
                },
                url: "https://receiver.example.com/".into(),
            };
            let headers = Some(format!("[{{\"n\":\"{n}\"}},{{}}]"));
            let detail = Detail { response: response.clone(), headers, plugins: None };
            self.store.add(recorded.clone(), detail.clone());
            self.model.push((recorded, detail));
        }
        self.store.commit(&self.sql, RETENTION, Checkpoint::default()).unwrap();
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Wait(ms) => self.now += ms,
            Op::Record(count, old) => self.record(*count, *old),
            Op::Expunge(at) if !self.model.is_empty() => {
                let at = at % self.model.len();
                let (attempt, detail) = self.model[at].clone();
                let key = self.store.segment_of(&self.sql, number(&attempt.id)).unwrap();
                let which = (attempt.id.as_str(), attempt.of.msg_id.as_str());
                assert!(!self.store.expunge(&self.sql, (which.0, "msg_other"), "GONE").unwrap());
                assert!(self.store.expunge(&self.sql, which, "GONE").unwrap());
                for (other, of_other) in &mut self.model {
                    let together = std::rc::Rc::ptr_eq(&of_other.response, &detail.response)
                        && self.store.segment_of(&self.sql, number(&other.id)).unwrap() == key;
                    if together || other.id == attempt.id {
                        (of_other.response, of_other.headers) = ("GONE".into(), None);
                    }
                }
            }
            Op::Expunge(_) => {}
            Op::Reopen => {
                let (store, last, checkpoint) = History::open(&self.sql).unwrap();
                assert_eq!(store.newest, self.store.newest);
                assert_eq!(store.bytes, self.store.bytes);
                assert_eq!(store.newest_message, self.store.newest_message);
                assert_eq!(checkpoint.newest, self.store.newest_message);
                let newest = self.model.last().map(|(attempt, _)| attempt.id.clone());
                assert!(last == newest || newest.is_none());
                self.store = store;
            }
            Op::Purge => {
                let before = floor(self.now - RETENTION);
                self.store.save(&self.sql, Checkpoint::default()).unwrap();
                while self.store.purge(&self.sql, before).unwrap() {}
                let oldest = self.store.everything(&self.sql).unwrap().first().map_or(i64::MAX, |it| it.0);
                // A tenth of the retention longer at most, and nothing that is younger is gone.
                self.model.retain(|(attempt, _)| {
                    let at = number(&attempt.id);
                    assert!(at < before || at >= oldest, "{} is gone too early", attempt.id);
                    assert!(
                        at < oldest || time_of(at) >= self.now - RETENTION * 11 / 10 - 1_000,
                        "{} is still there",
                        attempt.id
                    );
                    at >= oldest
                });
            }
        }
    }

    fn check(&self, dice: usize) {
        let read = self.store.everything(&self.sql).unwrap().into_iter().flat_map(|(_, all)| all);
        assert_eq!(read.collect::<Vec<_>>(), self.model);
        if self.model.is_empty() {
            return;
        }
        let (attempt, detail) = &self.model[dice % self.model.len()];
        assert_eq!(
            self.store.one(&self.sql, &attempt.id).unwrap().unwrap(),
            (attempt.clone(), detail.clone())
        );
        assert!(self.store.one(&self.sql, "atmpt_other").unwrap().is_none());
        let (some, other) = (&attempt.of.msg_id, &self.model[dice / 7 % self.model.len()].0.of.msg_id);
        let mut found = self.store.of_messages(&self.sql, &[some, other]).unwrap();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let of_both = self.model.iter().map(|(attempt, _)| attempt);
        let of_both = of_both.filter(|attempt| [some, other].contains(&&attempt.of.msg_id));
        assert_eq!(found, of_both.cloned().collect::<Vec<_>>());
        self.check_pages(dice);
        self.check_since(dice);
    }

    /// Pages in both directions, with a filter, put together.
    fn check_pages(&self, dice: usize) {
        let passes = |attempt: &Recorded| dice.is_multiple_of(2) || attempt.how.code == 500;
        for ascending in [true, false] {
            let bound = |n: usize| self.model[n % self.model.len()].0.id.clone();
            let (after, before) = if dice.is_multiple_of(3) {
                (String::new(), END.to_owned())
            } else {
                (bound(dice / 3), bound(dice / 5))
            };
            let mut range = Range { after: after.clone(), before: before.clone(), ascending };
            let mut found = Vec::new();
            loop {
                let page = self.store.page(&self.sql, &range, 1 + dice % 60, passes).unwrap();
                let last = page.attempts.last().map(|(attempt, _)| attempt.id.clone());
                found.extend(page.attempts);
                let Some(place) = page.stopped_at.or(last) else { break };
                *(if ascending { &mut range.after } else { &mut range.before }) = place;
            }
            let within = |attempt: &Recorded| attempt.id > after && attempt.id < before && passes(attempt);
            let mut wanted: Vec<_> =
                self.model.iter().filter(|(attempt, _)| within(attempt)).cloned().collect();
            if !ascending {
                wanted.reverse();
            }
            assert_eq!(found, wanted);
        }
    }

    fn check_since(&self, dice: usize) {
        let at = number(&self.model[dice % self.model.len()].0.id);
        let mut wanted = HashMap::new();
        for (attempt, _) in &self.model {
            if number(&attempt.id) > at && !attempt.of.manual {
                wanted.insert(attempt.of.msg_id.clone(), number(&attempt.id));
            }
        }
        assert_eq!(self.store.tried_since(&self.sql, at).unwrap(), wanted);
        let since = time_of(at);
        let starts = self.model.iter().map(|(attempt, _)| &attempt.how);
        let starts = starts.filter(|how| how.request == Request::Own && how.started_at >= since);
        assert_eq!(
            self.store.starts_since(&self.sql, since).unwrap(),
            starts.map(|how| how.started_at).collect::<Vec<_>>()
        );
        let newest = self.model.iter().rfind(|(attempt, _)| attempt.how.request == Request::Own);
        assert_eq!(
            self.store.newest_start(&self.sql).unwrap(),
            newest.map(|(attempt, _)| attempt.how.started_at)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_says_what_a_plain_list_says(ops in prop::collection::vec((any_op(), 0usize..100_000), 1..30)) {
        let mut both = Both::new();
        for (op, dice) in &ops {
            both.apply(op);
            both.check(*dice);
        }
    }
}

/// Attempts that come alone, so that each is a row of its own.
fn alone(count: usize) -> Both {
    let mut both = Both::new();
    for _ in 0..count {
        both.now += 10_000;
        both.record(1, false);
    }
    both
}

#[test]
fn a_search_looks_at_a_bounded_number_of_attempts_and_goes_on_where_it_ended() {
    let both = alone(LOOK_MAX + 500);
    let range = |before: String| Range { after: String::new(), before, ascending: false };
    let none = both.store.page(&both.sql, &range(END.to_owned()), 50, |_| false).unwrap();
    assert_eq!(none.stopped_at.as_ref(), Some(&both.model[500].0.id));
    let rest = both.store.page(&both.sql, &range(none.stopped_at.unwrap()), 50, |_| false).unwrap();
    assert_eq!(rest.stopped_at, None);
    let before = both.sql.steps();
    let odd = both.store.page(&both.sql, &range("atmpt_0".to_owned()), 50, |_| true).unwrap();
    assert!(
        odd.attempts.is_empty() && both.sql.steps() - before < 500,
        "what is no id is searched for nowhere"
    );
}

#[test]
fn a_page_reads_a_bounded_number_of_bytes() {
    let mut both = Both::new();
    for _ in 0..40 {
        both.now += 1_000;
        let first = both.model.len();
        both.record(100, false);
        for (_, detail) in &mut both.model[first..] {
            detail.response = "x".repeat(2_500).into();
        }
        let rows: Vec<_> = both.model[first..].to_vec();
        let key = both.store.segment_of(&both.sql, number(&rows[0].0.id)).unwrap().unwrap();
        both.store.replace(&both.sql, key, &rows).unwrap();
    }
    let range = Range { after: String::new(), before: END.to_owned(), ascending: false };
    let rare = |attempt: &Recorded| attempt.of.event_type == "t1";
    let page = both.store.page(&both.sql, &range, 4_000, rare).unwrap();
    let read = page.attempts.len() * 3 * 2_500;
    assert!(page.stopped_at.is_some() && read < 2 * usize::try_from(BODIES_MAX).unwrap(), "{read}");
}

#[test]
fn what_is_dropped_with_a_period_is_not_billed_and_its_table_is_used_again() {
    let mut both = Both::new();
    for _ in 0..40 {
        both.record(50, false);
        both.record(50, true);
        both.now += 4 * DAY;
        let rows = both.sql.changes();
        both.apply(&Op::Purge);
        assert!(both.sql.changes() - rows <= 3, "its row, and the checkpoint's");
        both.check(5);
    }
    let tables = both.sql.query("SELECT name FROM sqlite_master WHERE name LIKE 'attempts%'", &[]).unwrap();
    assert!((7..=9).contains(&tables.len()), "{tables:?}");
}

/// Attempts with these responses that are recorded in one go: how many each segment has, and the bytes of its row.
fn segments(responses: &[String], url: &str) -> Vec<(usize, usize)> {
    let mut both = Both::new();
    for response in responses {
        let msg_id = both.message_ids.next(both.now, &mut both.rng);
        let id = both.attempt_ids.next(both.now + id::RESOLUTION_MS, &mut both.rng);
        let of = Of { msg_id, event_type: "t".into(), channels: None, manual: false };
        let request = Request::Own;
        let (started_at, duration_ms) = (both.now, 200);
        let how = How { status: 0, code: 200, started_at, duration_ms, next_at: None, request };
        let recorded = Recorded { id, of, number: 1, how, url: url.into() };
        let detail = Detail { response: response.as_str().into(), headers: None, plugins: None };
        both.store.add(recorded, detail);
    }
    both.store.commit(&both.sql, RETENTION, Checkpoint::default()).unwrap();
    let select = "SELECT head, length(head) + length(state) + length(body) FROM attempts_0 ORDER BY key";
    let rows = both.sql.query(select, &[]).unwrap();
    let read = |mut row: crate::sql::Row| {
        let count = segment::recorded(&row.blob(0).unwrap()).unwrap().len();
        (count, usize::try_from(row.int(1).unwrap()).unwrap())
    };
    rows.into_iter().map(read).collect()
}

#[test]
fn a_row_of_attempts_ends_with_the_one_that_fills_256_kib() {
    // The row counts 80 bytes for an attempt, and texts that are the same once: here the URL and the event's type.
    let full = |count: usize, url: usize| 256 * 1024 - count * 80 - url - 1;
    let texts = |count: usize, bytes: usize| {
        let each = bytes / count;
        let texts = (0..count).map(|n| format!("{n:06}") + &"x".repeat(each - 6));
        texts.collect::<Vec<_>>()
    };
    let url = "https://receiver.example.com/";
    let fills = texts(16, full(16, url.len()) / 16 * 16);
    let spare = full(16, url.len()) % 16;
    let mut exactly = fills.clone();
    exactly[0].push_str(&"y".repeat(spare));
    exactly.push("one more".into());
    let counts = |responses: &[String]| segments(responses, url).iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(counts(&exactly[..16]), [16]);
    assert_eq!(counts(&exactly), [16, 1], "it is full");
    exactly[0].pop();
    assert_eq!(counts(&exactly), [17], "a byte is left, and the one that takes it may be larger");
    exactly.push("one more".into());
    assert_eq!(counts(&exactly), [17, 1]);
    assert_eq!(counts(&texts(300, 3_000)), [128, 128, 44], "and it has so many attempts at most");
    // The largest response at the end, all of it characters that take two bytes in JSON.
    let mut largest = exactly[..16].to_vec();
    largest.push("\u{1}".repeat(16 * 1024));
    let rows = segments(&largest, url);
    assert!(rows.iter().all(|(_, bytes)| *bytes < 300_000), "{rows:?}");
}
