//! The messages of one request: stored in one transaction, each accepted or refused for itself.

use super::{App, Effects};
use crate::frame::{self, Accepted, BatchAnswer, BatchAsk};
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};

impl<S: Sql> App<S> {
    /// Accepts a batch. A request that is repeated with its idempotency key is answered as it was the first time.
    pub fn accept_batch(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        ask: BatchAsk,
    ) -> Result<(BatchAnswer, Effects), SqlError> {
        if !self.exists(ask.app_uid.as_deref()) {
            return Ok((BatchAnswer::default(), Effects::default()));
        }
        self.log.set_now(now);
        if let Some(asked) = &ask.idempotency
            && let Some(known) = self.log.by_idempotency_key(&self.sql, &asked.key)?
        {
            let answer = match known.reply {
                Some(reply) if known.body_hash.as_deref() == Some(asked.body.as_slice()) => {
                    frame::decode(&reply).map_err(SqlError)?
                }
                _ => BatchAnswer { known: true, key_reused: true, answers: Vec::new() },
            };
            return Ok((answer, Effects::default()));
        }
        let (answers, effects) = self.accept(now, rng, ask.messages)?;
        // A reply that the same request may not get later is not remembered.
        let is_final =
            !answers.iter().any(|answer| *answer == Accepted::Unknown || answer.trouble().is_some());
        let answer = BatchAnswer { known: true, key_reused: false, answers };
        if let Some(asked) = ask.idempotency.as_ref().filter(|_| is_final) {
            self.log.remember_reply(&self.sql, now, asked, &frame::encode(&answer))?;
        }
        Ok((answer, effects))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::frame::{Accepted, BatchAnswer, BatchAsk, NewMessage};
    use crate::idempotency::Idempotency;
    use serde_json::json;

    fn ask(event_ids: &[Option<&str>], key: Option<&str>, body: &[u8]) -> BatchAsk {
        let message = |(n, event_id): (usize, Option<&str>)| NewMessage {
            event_type: "a.b".into(),
            payload: format!("{{\"n\":{n}}}").into_bytes().into(),
            event_id: event_id.map(str::to_owned),
            ..NewMessage::default()
        };
        let idempotency = key.map(|key| Idempotency::new("org_1", "message.create-batch", key, &[], body));
        BatchAsk {
            messages: event_ids.iter().copied().enumerate().map(message).collect(),
            app_uid: None,
            idempotency,
        }
    }

    fn ids(answer: &BatchAnswer) -> Vec<Option<String>> {
        let id = |answer: &Accepted| -> Option<String> {
            match answer {
                Accepted::Stored { id, .. } => Some(id.clone()),
                Accepted::EventIdTaken => None,
                other => panic!("{other:?}"),
            }
        };
        answer.answers.iter().map(id).collect()
    }

    #[test]
    fn a_batch_is_one_row_and_each_message_is_accepted_for_itself() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        world.batch(ask(&[None], None, b"")); // makes the period
        let before = (world.changes(), world.got.len());
        let answer = world.batch(ask(&[None; 60], None, b""));
        assert_eq!(ids(&answer).iter().flatten().count(), 60);
        assert_eq!(world.changes() - before.0, 1, "what follows of it (cursors) is written later");
        world.pass(60_000);
        assert_eq!(world.got.len() - before.1, 60);
        let answer = world.batch(ask(&[Some("x"), None, Some("x"), Some("y")], None, b""));
        assert_eq!(ids(&answer).iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true]);
        world.pass(60_000);
        let got: Vec<_> = world.got.iter().map(|(id, _)| id.clone()).collect();
        let stored: Vec<_> = world.stored().into_iter().map(|message| message.id).collect();
        assert_eq!(got, stored, "in the order of the request");
    }

    #[test]
    fn a_batch_that_is_repeated_with_its_key_is_answered_as_before() {
        let mut world = World::new(&[]);
        world.add_endpoint(&json!({}));
        let batch = ask(&[Some("x"), Some("x"), None], Some("key"), b"body");
        let first = world.batch(batch.clone());
        world.crash();
        assert_eq!(world.batch(batch), first);
        assert_eq!((world.stored().len(), world.got.len()), (2, 2));
        let other = world.batch(ask(&[None], Some("key"), b"another"));
        assert_eq!((other.key_reused, other.answers), (true, Vec::new()));
        let unknown = world.batch(BatchAsk { app_uid: Some("another".into()), ..ask(&[None], None, b"") });
        assert_eq!(unknown, BatchAnswer::default());
        assert_eq!(world.stored().len(), 2);
    }
}
