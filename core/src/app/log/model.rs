//! The log against a plain map: random operations, and after each of them the log reads as the map says.

use super::{Header, Log, New, Span};
use crate::frame::{Ingest, NewMessage};
use crate::id::{self, Generator};
use crate::rng::{Entropy, Seeded};
use crate::sql::memory::Memory;
use crate::sql::{Sql, migrate};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const RETENTION: i64 = 3 * DAY;
const START: i64 = 1_795_000_000_000;

/// A message as the map has it.
#[derive(Debug, Clone)]
struct Known {
    message: NewMessage,
    at: i64,
    /// When it was delivered, of one with a time of its own.
    delivered: Option<i64>,
    expunged: bool,
}

#[derive(Debug, Clone)]
enum Step {
    /// Messages that are committed together: what each is like.
    Append(Vec<u8>),
    Expunge(Vec<usize>),
    ExpungeAll,
    Deliver(usize),
    PutOff(usize),
    Pass(i64),
    Purge,
    Reopen,
    Page(usize, usize, bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 1..100).prop_map(Step::Append),
        2 => proptest::collection::vec(any::<usize>(), 1..5).prop_map(Step::Expunge),
        1 => Just(Step::ExpungeAll),
        1 => any::<usize>().prop_map(Step::Deliver),
        1 => any::<usize>().prop_map(Step::PutOff),
        4 => prop_oneof![0..10i64, 0..HOUR, 0..DAY].prop_map(Step::Pass),
        3 => Just(Step::Purge),
        2 => Just(Step::Reopen),
        4 => (any::<usize>(), any::<usize>(), any::<bool>(), 1..300usize)
            .prop_map(|(a, b, up, least)| Step::Page(a, b, up, least)),
    ]
}

struct World {
    sql: Memory,
    log: Log,
    ids: Generator,
    rng: Seeded,
    now: i64,
    known: BTreeMap<String, Known>,
    /// The newest message for each event id and each key.
    events: BTreeMap<String, String>,
    keys: BTreeMap<Vec<u8>, String>,
}

impl World {
    fn new() -> Self {
        let sql = Memory::new();
        migrate(&sql, crate::app::MIGRATIONS, START).expect("tables");
        let log = Log::open(&sql, START, RETENTION).expect("a log");
        Self {
            sql,
            log,
            ids: Generator::new(id::MESSAGE, None),
            rng: Seeded(5),
            now: START,
            known: BTreeMap::new(),
            events: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    fn message(&mut self, like: u8) -> NewMessage {
        let mut size = usize::from(like) * 7;
        if like % 61 == 3 {
            size = 300_000; // a segment of its own
        }
        let mut payload = vec![0; size];
        self.rng.fill(&mut payload);
        let has = |bit: u8| like & (1 << bit) != 0;
        let ingest = || Ingest {
            origin: format!("{{\"n\":{like}}}"),
            raw: has(1).then(|| vec![like; 20].into()),
            dedup_ms: 0,
            rate: None,
        };
        NewMessage {
            event_type: format!("type.{}", like % 3),
            payload: payload.into(),
            event_id: has(5).then(|| format!("event-{}", like % 8)),
            channels: has(2).then(|| format!("[\"c{}\"]", like % 2)),
            tags: has(3).then(|| "[\"t\"]".to_owned()),
            idempotency_key: has(4).then(|| vec![like % 16; 32].into()),
            body_hash: has(4).then(|| vec![like; 32].into()),
            retention_hours: (like % 11 == 5).then_some(i64::from(like % 5) + 1),
            deliver_at: (like % 13 == 7).then(|| self.now + i64::from(like) * 60_000),
            ingest: (has(0) && like % 13 != 7).then(ingest),
            headers: has(6).then(|| vec![("x-a".to_owned(), like.to_string())]),
            nonce: has(7).then(|| u64::from(like)),
            ..NewMessage::default()
        }
    }

    fn append(&mut self, likes: &[u8]) {
        let new: Vec<_> =
            likes.iter().map(|like| (self.ids.next(self.now, &mut self.rng), self.message(*like))).collect();
        let refs: Vec<_> = new.iter().map(|(id, message)| New { id, message, only_for: None }).collect();
        self.log.set_now(self.now);
        let before = self.log.purge_at(&self.sql).expect("read");
        let forgets_at =
            self.sql.transaction(|| self.log.append(&self.sql, self.now, &refs)).expect("stored");
        // The App keeps the earlier of its alarm and this time. A message that waits for a time of its own, and has no
        // retention of its own, has none yet.
        let after = self.log.purge_at(&self.sql).expect("read");
        assert_eq!(before.into_iter().chain(forgets_at).min(), after, "nothing is forgotten too late");
        for (id, message) in new {
            if let Some(event_id) = &message.event_id {
                self.events.insert(event_id.clone(), id.clone());
            }
            if let Some(key) = &message.idempotency_key {
                self.keys.insert(key.to_vec(), id.clone());
            }
            let known = Known { message, at: self.now, delivered: None, expunged: false };
            self.known.insert(id, known);
        }
    }

    fn nth(&self, n: usize) -> Option<String> {
        let count = self.known.len();
        (count > 0).then(|| self.known.keys().nth(n % count).expect("it").clone())
    }

    /// Whether a message is still to be read.
    fn is_kept(&self, known: &Known) -> bool {
        match (known.message.deliver_at, known.delivered) {
            (None, _) => known.at >= self.now - RETENTION,
            (Some(_), None) => true,
            (Some(_), Some(at)) => at + RETENTION > self.now,
        }
    }

    fn payload(&self, known: &Known) -> Option<Vec<u8>> {
        let from = known.at.max(known.message.deliver_at.unwrap_or(known.at));
        let kept = known.message.retention_hours.is_none_or(|hours| from + hours * HOUR > self.now);
        (kept && !known.expunged).then(|| known.message.payload.to_vec())
    }

    fn check(&self, header: &Header) {
        let known = self.known.get(&header.id).unwrap_or_else(|| panic!("{} was never stored", header.id));
        assert_eq!((header.at, header.event_type()), (known.at, known.message.event_type.as_str()));
        assert_eq!(header.event_id(), known.message.event_id.as_deref());
        assert_eq!(header.channels_text(), known.message.channels.as_ref());
        assert_eq!(header.nonce(), known.message.nonce);
        assert_eq!(
            header.waits_until.is_some(),
            known.message.deliver_at.is_some() && known.delivered.is_none()
        );
        let payload = self.payload(known);
        assert_eq!(header.has_payload, payload.is_some(), "{}", header.id);
        assert!(
            self.log.payload(&self.sql, header).expect("read") == payload,
            "the payload of {}",
            header.id
        );
        let origin = known.message.ingest.as_ref().map(|ingest| ingest.origin.clone());
        assert_eq!(self.log.origin(&self.sql, header).expect("read"), origin);
        let raw = known.message.ingest.as_ref().and_then(|ingest| ingest.raw.as_ref());
        let raw = payload.clone().map(|payload| raw.map_or(payload, |raw| raw.to_vec()));
        assert!(self.log.raw(&self.sql, header).expect("read") == raw, "the bytes of {}", header.id);
        let headers = known.message.headers.clone().filter(|_| payload.is_some());
        assert_eq!(self.log.delivered_headers(&self.sql, header).expect("read"), headers);
    }

    fn page(&self, after: &str, before: &str, ascending: bool, least: usize) {
        let (low, high) = if after < before { (after, before) } else { (before, after) };
        let span = Span { after: low, before: high, ascending };
        let page = self.log.page(&self.sql, span, least).expect("a page");
        let inside = self
            .known
            .iter()
            .filter(|(id, known)| id.as_str() > low && id.as_str() < high && self.is_kept(known));
        let mut expected: Vec<&String> = inside.map(|(id, _)| id).collect();
        if !ascending {
            expected.reverse();
        }
        let found: Vec<&String> = page.headers.iter().map(|header| &header.id).collect();
        assert!(page.end || !found.is_empty(), "a page leads on");
        assert_eq!(found, expected[..found.len()], "{low} to {high}, ascending: {ascending}");
        if page.end {
            assert_eq!(found.len(), expected.len(), "what has ended has all");
        }
        page.headers.iter().step_by(7).for_each(|header| self.check(header));
    }

    fn check_all(&self) {
        self.page("", "~", true, usize::MAX);
        for (id, known) in self.known.iter().step_by(5) {
            let header = self.log.get(&self.sql, id).expect("read");
            assert_eq!(header.is_some(), self.is_kept(known), "{id}");
            if let Some(header) = &header {
                self.check(header);
            }
        }
        for (event_id, msg_id) in &self.events {
            let found = self.log.by_event_id(&self.sql, event_id).expect("read").map(|(id, _)| id);
            let kept = self.is_kept(&self.known[msg_id]);
            // A message with a time of its own may outlive what is remembered of its event id.
            if kept && self.known[msg_id].at >= self.now - RETENTION {
                assert_eq!(found.as_ref(), Some(msg_id), "{event_id}");
            } else if let Some(found) = &found {
                assert!(self.is_kept(&self.known[found]), "{event_id} leads to {found}, which has expired");
            }
        }
        for (key, msg_id) in &self.keys {
            let found = self.log.by_idempotency_key(&self.sql, key).expect("read");
            let known = &self.known[msg_id];
            let expected = (self.now - known.at < 12 * HOUR).then(|| msg_id.clone());
            assert_eq!(found.map(|found| found.id), expected);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(likes) => self.append(&likes),
            Step::Expunge(places) => {
                let ids: Vec<String> = places.into_iter().filter_map(|n| self.nth(n)).collect();
                for id in &ids {
                    if self.is_kept(&self.known[id]) {
                        self.known.get_mut(id).expect("it").expunged = true;
                    }
                }
                self.log.expunge(&self.sql, &ids).expect("expunged");
            }
            Step::ExpungeAll => {
                let (mut place, mut end) = (String::new(), false);
                while !end {
                    (_, place, end) = self.log.expunge_span(&self.sql, &place, self.now).expect("expunged");
                }
                self.known.values_mut().for_each(|known| known.expunged = true);
            }
            Step::Deliver(n) | Step::PutOff(n) => {
                let Some(header) = self
                    .log
                    .due(&self.sql, i64::from(u32::MAX) * 1_000, 100)
                    .expect("due")
                    .into_iter()
                    .cycle()
                    .take(100)
                    .nth(n % 100)
                else {
                    return;
                };
                if matches!(step, Step::Deliver(_)) {
                    self.log.delivered(&self.sql, self.now, &header.id).expect("noted");
                    self.known.get_mut(&header.id).expect("it").delivered = Some(self.now);
                } else {
                    self.log.put_off(&self.sql, &header.id, self.now + HOUR).expect("noted");
                    assert!(self.log.next_due(&self.sql).expect("read").is_some());
                }
            }
            Step::Pass(ms) => {
                self.now += ms;
                self.log.set_now(self.now);
            }
            Step::Purge => {
                while self.log.drop_expired(&self.sql, self.now).expect("dropped").more {}
                while self.log.purge(&self.sql, self.now).expect("purged").more {}
                let next = self.log.purge_at(&self.sql).expect("read");
                assert!(next.is_none_or(|at| at > self.now), "nothing is left that is over");
                // What is stored is not much more than what is kept.
                let stored = crate::app::inspect(&self.sql);
                for message in &stored {
                    let known = &self.known[&message.id];
                    let longest = RETENTION + RETENTION / 10 + 4;
                    assert!(known.message.deliver_at.is_some() || known.at + longest >= self.now);
                    let expired = known.message.retention_hours.is_some_and(|hours| {
                        known.at.max(known.message.deliver_at.unwrap_or(0)) + (hours + 1) * HOUR <= self.now
                    });
                    assert!(
                        !(message.has_content && (expired || known.expunged)),
                        "{message:?} keeps its payload"
                    );
                }
                let gone: Vec<String> = self
                    .known
                    .iter()
                    .filter(|(_, known)| !self.is_kept(known))
                    .map(|(id, _)| id.clone())
                    .collect();
                assert!(stored.len() + gone.len() >= self.known.len());
            }
            Step::Reopen => {
                self.log = Log::open(&self.sql, self.now, RETENTION).expect("a log");
                let (offered, newest) = self.log.newest(&self.sql).expect("read");
                assert!(offered <= newest && newest <= self.ids.last());
            }
            Step::Page(a, b, ascending, least) => {
                let end = |n: usize, other: &str| match n % 5 {
                    0 => other.to_owned(),
                    1 => {
                        id::floor(id::MESSAGE, self.now - i64::try_from(n % 500_000).expect("small") * 1_000)
                    }
                    _ => self.nth(n).unwrap_or_default(),
                };
                self.page(&end(a, ""), &end(b, "~"), ascending, least);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_log_reads_as_a_plain_map_does(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check_all();
        }
    }
}

/// What the alarm has to be set for is known when nothing but a scheduled message is stored, and when a period has expired
/// and is not dropped yet. Both are rare among random operations.
#[test]
fn what_an_append_returns_is_when_the_log_has_to_be_purged() {
    for first in [7, 39, 5, 0] {
        World::new().take(Step::Append(vec![first]));
    }
    let mut world = World::new();
    world.take(Step::Append(vec![0]));
    world.take(Step::Pass(RETENTION + DAY));
    world.take(Step::Append(vec![0, 7]));
    world.take(Step::Purge);
    world.check_all();
}

/// A payload with a retention of its own is dropped at the end of the hour in which it expires. Whoever expunges it before
/// that does not wait for it.
#[test]
fn a_payload_that_has_expired_and_is_still_stored_is_expunged_at_once() {
    let mut world = World::new();
    world.take(Step::Append(vec![225])); // kept for an hour
    world.take(Step::Pass(HOUR + 60_000));
    let stored = |world: &World| crate::app::inspect(&world.sql)[0].has_content;
    assert!(stored(&world));
    world.take(Step::Expunge(vec![0]));
    assert!(!stored(&world));
}

/// A group commit is one row, and one of a thousand messages few.
#[test]
fn messages_that_are_committed_together_are_one_row() {
    let mut world = World::new();
    world.append(&[0; 1]); // makes the period
    for (count, rows) in [(1, 1), (20, 1), (64, 1), (65, 2), (1_000, 16)] {
        let before = world.sql.changes();
        world.append(&vec![128; count]);
        assert_eq!(world.sql.changes() - before, rows, "{count} messages");
    }
}

/// Expunging many messages at once is bounded; those that have to wait are read no more all the same.
#[test]
fn what_is_too_much_to_expunge_at_once_is_read_no_more_at_once() {
    let mut world = World::new();
    (0..60).for_each(|_| world.append(&[3])); // 300 KB each
    let ids: Vec<String> = world.known.keys().cloned().collect();
    world.log.expunge(&world.sql, &ids).expect("expunged");
    world.known.values_mut().for_each(|known| known.expunged = true);
    world.check_all();
    assert!(world.log.is_expunging());
    let left =
        |world: &World| crate::app::inspect(&world.sql).iter().filter(|message| message.has_content).count();
    assert!(left(&world) > 0);
    world.take(Step::Reopen);
    world.check_all();
    let mut steps = 0;
    while world.log.purge(&world.sql, world.now).expect("purged").more {
        steps += 1;
    }
    assert!(left(&world) == 0 && (1..5).contains(&steps), "{steps} more steps");
}
