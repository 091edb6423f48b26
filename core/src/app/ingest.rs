//! Events of a source: each is stored once within the source's window, within the source's rate limit.

use super::accept::Group;
use super::{App, Effects};
use crate::frame::{Accepted, IngestAsk, Ingested};
use crate::pace::Pace;
use crate::rng::Entropy;
use crate::source::Gate;
use crate::sql::{Sql, SqlError};

impl<S: Sql> App<S> {
    /// Stores the events of one request. If it is a rejected request that was accepted manually, records that.
    pub fn ingest(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: IngestAsk,
    ) -> Result<(Ingested, Effects), SqlError> {
        let IngestAsk { mut messages, rejected } = ask;
        if !self.exists(None) {
            let answers = messages.iter().map(|_| Accepted::Unknown).collect();
            return Ok((Ingested { answers }, Effects::default()));
        }
        // It is one request, however many events it has; and what somebody accepts by hand has come already.
        let first = messages.first().and_then(|message| message.ingest.as_ref());
        let is_repeated = messages.first().is_some_and(|first| self.recent.answered(first.nonce).is_some());
        let rate = first.and_then(|ingest| ingest.rate).filter(|_| rejected.is_none() && !is_repeated);
        if let Some(limited) = self.limit(now, rate) {
            let answers = messages.iter().map(|_| limited.clone()).collect();
            return Ok((Ingested { answers }, Effects::default()));
        }
        for ingest in messages.iter_mut().filter_map(|message| message.ingest.as_mut()) {
            ingest.rate = None;
        }
        let (answers, mut effects) = self.accept(now, rng, messages)?;
        if let Some(rejected) = &rejected {
            self.note_accepted(rejected, &answers)?;
        }
        self.arm(now, &mut effects);
        Ok((Ingested { answers }, effects))
    }

    /// Refuses a request beyond the rate limit.
    pub(super) fn limit(&mut self, now: i64, rate: Option<(u32, i64)>) -> Option<Accepted> {
        let (limit, window_ms) = rate?;
        let pace = Pace { limit, window_ms };
        let gate = self.gate.get_or_insert_with(|| Gate::new(pace));
        gate.set_pace(pace);
        gate.enter(now).err().map(|wait_ms| Accepted::Limited { wait_ms })
    }

    /// The response for an event that was stored before, if it is remembered.
    pub(super) fn came_before(
        &self,
        now: i64,
        event_id: &str,
        dedup_ms: i64,
        group: &Group,
    ) -> Result<Option<Accepted>, SqlError> {
        if dedup_ms <= 0 {
            return Ok(None);
        }
        let replayed = |id: String, at: i64| Accepted::Stored { id, at, replayed: true };
        if let Some(id) = group.id_of(event_id) {
            return Ok(Some(replayed(id.to_owned(), now)));
        }
        let Some((id, at)) = self.log.by_event_id(&self.sql, event_id)? else { return Ok(None) };
        let remembered = now.saturating_sub(at) < dedup_ms;
        Ok(remembered.then(|| replayed(id, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, Ingest, IngestAsk, NewMessage};
    use crate::id;
    use crate::rng::Seeded;
    use crate::source::rejected::{MAX_LIST, Rejected};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use std::collections::{BTreeMap, BTreeSet};

    const SOURCE: &str = "src_0000000000000000000000000ab";
    const HOUR: i64 = 3_600_000;

    fn event(id: &str, rate: Option<(u32, i64)>) -> NewMessage {
        let origin = r#"{"verdict":"verified","contentType":"text/xml"}"#.to_owned();
        let headers =
            vec![("content-type".to_owned(), "text/xml".to_owned()), ("x-a".to_owned(), "b".to_owned())];
        NewMessage {
            event_type: "a.b".into(),
            payload: b"<a/>".to_vec().into(),
            event_id: (!id.is_empty()).then(|| id.to_owned()),
            headers: Some(headers),
            ingest: Some(Ingest { origin, raw: None, dedup_ms: HOUR, rate }),
            ..NewMessage::default()
        }
    }

    #[track_caller]
    fn stored(answer: &Accepted) -> (&str, bool) {
        match answer {
            Accepted::Stored { id, replayed, .. } => (id, *replayed),
            other => panic!("{other:?}"),
        }
    }

    fn rejected(world: &mut World, at: i64) {
        let kept = Rejected {
            at,
            code: "mismatch".into(),
            detail: "d".into(),
            method: "POST".into(),
            url: "https://a.example/in/t".into(),
            headers: Vec::new(),
            body: b"{}".to_vec().into(),
            size: 2,
            skipped: 0,
            verdict: None,
            repeats: None,
        };
        world.app.keep_rejected(at, &mut Seeded(u64::try_from(at).expect("a time")), &kept).expect("kept");
    }

    fn rejected_ids(world: &mut World) -> Vec<String> {
        let (mut ids, mut query) = (Vec::new(), "limit=250".to_owned());
        loop {
            let (status, page) = world.call(Op::RejectedList, &[], &query, &Json::Null);
            assert_eq!(status, 200, "{page}");
            let data = page["data"].as_array().expect("a list");
            ids.extend(data.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
            if page["done"] == true {
                return ids;
            }
            query = format!("limit=250&iterator={}", page["iterator"].as_str().expect("an iterator"));
        }
    }

    #[test]
    fn an_event_id_is_remembered_for_the_window_and_across_crashes() {
        let mut world = World::as_app(&[], SOURCE);
        world.add_endpoint(&json!({}));
        let first = world.accept(event("e", None));
        let (first, replayed) = stored(&first);
        assert!(!replayed);
        world.now += HOUR - 1;
        world.crash();
        let again = world.accept(event("e", None));
        assert_eq!(stored(&again), (first, true));
        world.now += 1;
        let later = world.accept(event("e", None));
        assert!(!stored(&later).1, "the window is over");
        let none = [world.accept(event("", None)), world.accept(event("", None))];
        assert!(none.iter().all(|answer| !stored(answer).1), "what has no id is never the same");
        assert_eq!(world.got.len(), 4);
    }

    /// What happens to a source.
    #[derive(Debug, Clone)]
    enum Happening {
        /// The provider sends events of these ids in one request, and so often until it hears an answer.
        Send { ids: Vec<u8>, tries: usize },
        /// The object's memory is lost.
        Crash,
        /// Time passes.
        Pass { minutes: i64 },
        /// A request is rejected, and accepted by hand.
        Reject { id: u8 },
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (proptest::collection::vec(0u8..6, 1..4), 1usize..4)
                .prop_map(|(ids, tries)| Happening::Send { ids, tries }),
            2 => Just(Happening::Crash),
            2 => (1i64..50).prop_map(|minutes| Happening::Pass { minutes }),
            1 => (0u8..6).prop_map(|id| Happening::Reject { id }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever crashes and however often a provider repeats itself: an event is delivered once within the window, and
        /// what was accepted is delivered.
        #[test]
        fn an_event_is_delivered_once_within_its_window(happenings in proptest::collection::vec(happening(), 1..30)) {
            let mut world = World::as_app(&[], SOURCE);
            world.add_endpoint(&json!({}));
            // When each id was last stored, and how many messages there have to be.
            let (mut last, mut expected) = (BTreeMap::<u8, i64>::new(), 0usize);
            let mut seed = 1;
            for happening in happenings {
                let (ids, tries, rejected) = match happening {
                    Happening::Crash => {
                        world.crash();
                        continue;
                    }
                    Happening::Pass { minutes } => {
                        world.now += minutes * 60_000;
                        world.pass(1);
                        continue;
                    }
                    Happening::Send { ids, tries } => (ids, tries, None),
                    Happening::Reject { id } => {
                        world.now += 1;
                        let now = world.now;
                        rejected(&mut world, now);
                        world.crash();
                        (vec![id], 1, Some(rejected_ids(&mut world).remove(0)))
                    }
                };
                for id in &ids {
                    let fresh = last.get(id).is_none_or(|at| world.now - at >= HOUR);
                    if fresh {
                        last.insert(*id, world.now);
                        expected += 1;
                    }
                }
                let mut first: Option<Vec<String>> = None;
                for nth in 0..tries {
                    seed += 1;
                    let messages = ids.iter().map(|id| event(&format!("e{id}"), None)).collect();
                    let ask = IngestAsk { messages, rejected: rejected.clone() };
                    let now = world.now;
                    let (told, effects) = world.app.ingest(now, &mut Seeded(seed), ask).expect("stored");
                    let stored: Vec<String> = told.answers.iter().map(|answer| stored(answer).0.to_owned()).collect();
                    // The same answer each time, also where memory was lost in between.
                    let first = first.get_or_insert_with(|| stored.clone());
                    prop_assert_eq!(&*first, &stored);
                    if nth + 1 < tries {
                        // The answer gets lost, and with the memory everything that was to follow.
                        world.crash();
                    } else {
                        world.carry_out(effects);
                    }
                }
            }
            world.pass(5_000);
            let ids: BTreeSet<&String> = world.got.iter().map(|(id, _)| id).collect();
            prop_assert_eq!((world.got.len(), ids.len()), (expected, expected));
        }
    }

    #[test]
    fn events_of_one_request_are_stored_together_and_each_once() {
        let mut world = World::as_app(&[], SOURCE);
        world.add_endpoint(&json!({}));
        let ask = |ids: &[&str]| IngestAsk {
            messages: ids.iter().map(|id| event(id, Some((1, 1_000)))).collect(),
            rejected: None,
        };
        let now = world.now;
        let (told, _) = world.app.ingest(now, &mut Seeded(1), ask(&["a", "b", "a"])).expect("stored");
        let answers: Vec<_> = told.answers.iter().map(stored).collect();
        assert_eq!((answers[0].0, answers[2]), (answers[2].0, (answers[0].0, true)));
        assert!(!answers[1].1 && answers[1].0 > answers[0].0);
        // One request of three events is one request; the next one in the same second is too many.
        let (told, _) = world.app.ingest(now + 1, &mut Seeded(2), ask(&["c", "d"])).expect("answered");
        assert!(told.answers.iter().all(|answer| matches!(answer, Accepted::Limited { wait_ms: 1_000 })));
        assert_eq!(world.stored().len(), 2);
        assert_eq!(world.accept(event("e", Some((1, 1_000)))), Accepted::Limited { wait_ms: 1_001 });
    }

    #[test]
    fn headers_go_along_with_every_attempt_and_what_is_known_is_shown() {
        let mut world = World::as_app(&[("RETRY_SCHEDULE", "5")], SOURCE);
        world.code = 500;
        let endpoint = world.add_endpoint(&json!({ "headers": { "X-A": "own" } }));
        let answer = world.accept(event("e", None));
        let id = stored(&answer).0.to_owned();
        world.crash();
        world.pass(20_000);
        assert_eq!(world.got.len(), 2);
        world.code = 200;
        world.call(Op::Resend, &[&id, &endpoint], "", &Json::Null);
        assert_eq!(world.sent.len(), 3);
        for headers in &world.sent {
            let of = |name: &str| -> Vec<&str> {
                let found = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.as_str()).collect()
            };
            assert_eq!(
                (of("content-type"), of("x-a")),
                (vec!["text/xml"], vec!["own"]),
                "the endpoint's own go first"
            );
        }
        let (_, shown) = world.call(Op::MessageGet, &[&id], "", &Json::Null);
        assert_eq!(
            (&shown["ingest"]["verdict"], &shown["payload"]),
            (&json!("verified"), &json!({ "rawPayload": "<a/>" }))
        );
    }

    #[test]
    fn the_newest_thousand_of_the_rejected_are_kept_and_go_with_the_messages() {
        let mut world = World::as_app(&[("RETENTION_DAYS", "1")], SOURCE);
        let start = world.now;
        for _ in 0..5 {
            let before = rejected_ids(&mut world);
            rejected(&mut world, start);
            assert_eq!(rejected_ids(&mut world)[1..], before, "those of one moment, too, in their order");
        }
        for n in 0..MAX_LIST + 5 {
            rejected(&mut world, start + n * 10);
        }
        let ids = rejected_ids(&mut world);
        assert_eq!(i64::try_from(ids.len()), Ok(MAX_LIST));
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
        assert!(ids[ids.len() - 1] >= id::floor(id::REJECTED, start + 50), "the oldest gave way");
        world.crash();
        for _ in 0..3 * 24 {
            world.now += HOUR;
            world.pass(1);
        }
        assert!(rejected_ids(&mut world).is_empty());
    }

    #[test]
    fn what_is_accepted_by_hand_is_accepted_once() {
        let mut world = World::as_app(&[], SOURCE);
        let now = world.now;
        rejected(&mut world, now);
        let id = rejected_ids(&mut world).remove(0);
        let ask = IngestAsk { messages: vec![event("e", Some((1, 1)))], rejected: Some(id.clone()) };
        let (told, _) = world.app.ingest(now, &mut Seeded(1), ask).expect("stored");
        let (status, shown) = world.call(Op::RejectedGet, &[&id], "", &Json::Null);
        assert_eq!((status, &shown["accepted"]), (200, &json!([stored(&told.answers[0]).0])), "{shown}");
        assert_eq!(world.call(Op::RejectedTake, &[&id], "", &Json::Null).0, 409);
        assert_eq!(world.call(Op::RejectedTake, &["rej_none"], "", &Json::Null).0, 404);
    }
}
