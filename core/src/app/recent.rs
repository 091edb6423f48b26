//! Messages of the last minutes, by the nonce of the request that brought them: a request that is sent again, because its
//! answer was lost with this object's memory or with the connection, is answered with the message that it made.
//!
//! A nonce is stored with its message in the log, so remembering it costs no row: it is read again where this object opens.

use super::App;
use super::log::Span;
use crate::frame::Accepted;
use crate::id;
use crate::sql::{Sql, SqlError};
use std::collections::{HashMap, VecDeque};

/// For how long a nonce is remembered. Whoever repeats a request does so within seconds.
const WINDOW_MS: i64 = 2 * 60_000;
/// At most so many are remembered.
const MOST: usize = 16_384;

/// The nonces of the newest messages.
#[derive(Default)]
pub(super) struct Recent {
    by_nonce: HashMap<u64, (String, i64)>,
    /// The oldest first.
    order: VecDeque<(i64, u64)>,
}

impl Recent {
    /// Notes a message.
    pub(super) fn note(&mut self, now: i64, nonce: u64, id: &str) {
        let is_old = |at: i64| now.saturating_sub(at) > WINDOW_MS;
        while self.order.front().is_some_and(|(at, _)| is_old(*at)) || self.order.len() >= MOST {
            let Some((at, oldest)) = self.order.pop_front() else { break };
            // It may have been noted once more since.
            if self.by_nonce.get(&oldest).is_some_and(|(_, noted)| *noted == at) {
                self.by_nonce.remove(&oldest);
            }
        }
        self.order.push_back((now, nonce));
        self.by_nonce.insert(nonce, (id.to_owned(), now));
    }

    /// The answer for a request that was answered before: the same as then. It is no repeat of the sender's.
    pub(super) fn answered(&self, nonce: Option<u64>) -> Option<Accepted> {
        let (id, at) = self.by_nonce.get(&nonce?)?;
        Some(Accepted::Stored { id: id.clone(), at: *at, replayed: false })
    }
}

impl<S: Sql> App<S> {
    /// Reads the nonces of the newest messages.
    pub(super) fn load_recent(&mut self, now: i64) -> Result<(), SqlError> {
        let from = id::floor(id::MESSAGE, now.saturating_sub(WINDOW_MS));
        let span = Span { after: &from, before: "~", ascending: false };
        let page = self.log.page(&self.sql, span, MOST)?;
        for header in page.headers.iter().take(MOST).rev() {
            if let Some(nonce) = header.nonce() {
                self.recent.note(header.at, nonce, &header.id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::world::World;
    use crate::frame::{Ingest, IngestAsk, NewMessage};
    use crate::rng::Seeded;
    use serde_json::json;

    fn message(nonce: u64) -> NewMessage {
        NewMessage {
            event_type: "a.b".into(),
            payload: b"{}".to_vec().into(),
            nonce: Some(nonce),
            ..NewMessage::default()
        }
    }

    fn id_of(answer: &Accepted) -> (String, bool) {
        match answer {
            Accepted::Stored { id, replayed, .. } => (id.clone(), *replayed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_that_is_sent_again_makes_one_message_also_across_a_crash() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        let (first, _) = id_of(&world.accept(message(7)));
        assert_eq!(id_of(&world.accept(message(7))), (first.clone(), false));
        world.now += WINDOW_MS / 2;
        world.crash();
        assert_eq!(id_of(&world.accept(message(7))), (first.clone(), false));
        assert!(!id_of(&world.accept(message(8))).1, "another request is another message");
        world.pass(1_000);
        assert_eq!(world.got.len(), 2);
        assert_eq!(world.stored().len(), 2);
    }

    #[test]
    fn what_is_unique_otherwise_is_not_refused_when_it_is_sent_again() {
        let mut world = World::new(&[]);
        let unique = |nonce| NewMessage { event_id: Some("e".into()), ..message(nonce) };
        let (first, _) = id_of(&world.accept(unique(1)));
        assert_eq!(id_of(&world.accept(unique(1))), (first, false));
        assert_eq!(world.accept(unique(2)), Accepted::EventIdTaken);
        let keyed = |nonce| NewMessage {
            idempotency_key: Some(vec![1].into()),
            body_hash: Some(vec![2].into()),
            ..message(nonce)
        };
        let (first, _) = id_of(&world.accept(keyed(3)));
        assert_eq!(id_of(&world.accept(keyed(3))), (first.clone(), false));
        assert_eq!(id_of(&world.accept(keyed(4))), (first, true));
    }

    #[test]
    fn a_source_counts_a_request_once_however_often_it_is_sent_again() {
        let mut world = World::as_app(&[], "src_0000000000000000000000000ab");
        let event = |nonce| NewMessage {
            ingest: Some(Ingest { origin: "{}".into(), raw: None, dedup_ms: 0, rate: Some((1, 1_000)) }),
            ..message(nonce)
        };
        let mut ingest = |messages: Vec<NewMessage>| {
            let ask = IngestAsk { messages, rejected: None };
            world.app.ingest(world.now, &mut Seeded(1), ask).expect("stored").0.answers
        };
        let first = ingest(vec![event(1), event(2)]);
        let ids: Vec<String> = first.iter().map(|answer| id_of(answer).0).collect();
        let again = ingest(vec![event(1), event(2)]);
        assert_eq!(
            again.iter().map(id_of).collect::<Vec<_>>(),
            ids.into_iter().map(|id| (id, false)).collect::<Vec<_>>()
        );
        assert!(matches!(ingest(vec![event(3)])[..], [Accepted::Limited { .. }]));
    }

    #[test]
    fn what_is_remembered_is_bounded_in_time_and_number() {
        let mut recent = Recent::default();
        for n in 0..2 * MOST as u64 {
            recent.note(0, n, "msg");
            assert!(recent.by_nonce.len() <= MOST && recent.order.len() <= MOST);
        }
        assert!(recent.answered(Some(0)).is_none());
        assert!(recent.answered(Some(MOST as u64 + 1)).is_some());
        recent.note(WINDOW_MS + 1, 3, "msg");
        assert_eq!((recent.by_nonce.len(), recent.order.len()), (1, 1));
        assert!(recent.answered(None).is_none());
    }
}
