//! Expunging payloads: some at once, or all by a background task.

use super::App;
use super::handle::Handled;
use super::log::Span;
use super::tasks::TaskRecord;
use crate::api::call::{Call, Reply};
use crate::api::model::forget::{BulkExpungeIn, BulkExpungeOut, BulkExpungeStatus};
use crate::api::model::task::TaskKind;
use crate::api::route::AppOp;
use crate::error::ApiError;
use crate::id;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError};
use std::collections::BTreeMap;

/// When to continue, if there are too many payloads to expunge at once.
const NEXT_MS: i64 = 1_000;

impl<S: Sql> App<S> {
    /// Expunges the payloads of the messages with these ids or event ids.
    pub(super) fn bulk_expunge(&mut self, now: i64, call: &Call<AppOp>) -> Handled {
        let expunge = BulkExpungeIn::parse(&call.body)?;
        let (mut results, mut ids) = (BTreeMap::new(), Vec::new());
        for key in expunge.ids() {
            let status = match self.message_id(key) {
                Ok(msg_id) => {
                    ids.push(msg_id);
                    BulkExpungeStatus::Expunged
                }
                Err(error @ (ApiError::Internal(_) | ApiError::Unavailable(..))) => return Err(error),
                Err(_) => BulkExpungeStatus::NotFound,
            };
            results.insert(key.clone(), status);
        }
        self.expunge_all_of(now, &ids)?;
        self.changed(now, Reply::json(200, &BulkExpungeOut { results }))
    }

    /// Starts to expunge the payloads of all messages that exist now.
    pub(super) fn expunge_all(&mut self, now: i64, rng: &mut impl Entropy) -> Handled {
        let span = Span { after: "", before: "~", ascending: true };
        let page = self.log.page(&self.sql, span, 1)?;
        let first = page.headers.first().and_then(|first| id::millis(id::MESSAGE, &first.id));
        let since = first.into_iter().chain(self.log.begins_at()).min().unwrap_or(now);
        self.add_task(now, rng, TaskRecord::new(TaskKind::Purge, String::new(), (since, now), now))
    }

    /// Forgets the next payloads after `place`, up to what was accepted until then. How many, how far, and whether
    /// that is all.
    pub(super) fn forget_batch(&mut self, place: &str, until: i64) -> Result<(i64, String, bool), SqlError> {
        let forgotten = self.log.expunge_span(&self.sql, place, until)?;
        self.forget_tail();
        Ok(forgotten)
    }

    /// Expunges the payloads of these messages.
    pub(super) fn expunge_all_of(&mut self, now: i64, ids: &[String]) -> Result<(), SqlError> {
        self.log.expunge(&self.sql, ids)?;
        if self.log.is_expunging() {
            self.note_purge(Some(now.saturating_add(NEXT_MS)));
        }
        self.forget_tail();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::frame::{Accepted, Ingest, NewMessage};
    use serde_json::{Value, json};

    fn payload(world: &mut World, id: &str) -> Value {
        world.call(Op::MessageGet, &[id], "", &Value::Null).1["payload"].clone()
    }

    #[test]
    fn the_payloads_of_some_messages_are_forgotten_at_once() {
        let mut world = World::new(&[]);
        let (one, two) = (world.send("a.b"), world.send("a.b"));
        let body = json!({ "ids": [one, "nobody"] });
        let (status, out) = world.call(Op::BulkExpunge, &[], "", &body);
        assert_eq!((status, &out["results"]), (200, &json!({ &one: "expunged", "nobody": "not-found" })));
        assert_eq!(payload(&mut world, &one), json!({ "expired": true }));
        assert_ne!(payload(&mut world, &two), json!({ "expired": true }));
        let many = json!({ "ids": vec!["x"; 1001] });
        assert_eq!(world.call(Op::BulkExpunge, &[], "", &many).0, 422);
    }

    #[test]
    fn all_payloads_are_forgotten_but_those_that_come_later() {
        let mut world = World::new(&[]);
        let old: Vec<String> = (0..700).map(|_| world.send("a.b")).collect();
        world.pass(1_000);
        let (status, task) = world.call(Op::ExpungeAll, &[], "", &Value::Null);
        assert_eq!((status, &task["task"]), (202, &json!("application.purge_content")), "{task}");
        world.pass(1_000);
        let new = world.send("a.b");
        world.pass(60_000);
        let task_id = task["id"].as_str().expect("an id");
        let noted = world.noted(task_id).expect("the tenant is told");
        assert_eq!((noted.0.as_str(), &noted.1["messagesPurged"]), ("finished", &json!(700)));
        for id in [&old[0], &old[350], &old[699]] {
            assert_eq!(payload(&mut world, id), json!({ "expired": true }));
        }
        assert_ne!(payload(&mut world, &new), json!({ "expired": true }));
    }

    #[test]
    fn a_crash_on_the_way_forgets_the_rest_afterwards() {
        let mut world = World::new(&[]);
        let old: Vec<String> = (0..600).map(|_| world.send("a.b")).collect();
        let (_, task) = world.call(Op::ExpungeAll, &[], "", &Value::Null);
        world.crash();
        world.pass(60_000);
        assert_eq!(payload(&mut world, &old[599]), json!({ "expired": true }));
        let task_id = task["id"].as_str().expect("an id");
        assert_eq!(world.noted(task_id).expect("noted").1["messagesPurged"], 600);
    }

    #[test]
    fn the_bytes_of_a_request_are_forgotten_with_the_payload_that_was_made_of_them() {
        let mut world = World::new(&[]);
        let store = |world: &mut World| {
            let ingest =
                Ingest { origin: "{}".into(), raw: Some(b"a=1".to_vec().into()), dedup_ms: 0, rate: None };
            let message = NewMessage {
                event_type: "a.b".into(),
                payload: b"{}".to_vec().into(),
                ingest: Some(ingest),
                ..NewMessage::default()
            };
            match world.accept(message) {
                Accepted::Stored { id, .. } => id,
                other => panic!("{other:?}"),
            }
        };
        let ids = [store(&mut world), store(&mut world), store(&mut world)];
        let kept = |world: &World| world.stored().iter().filter(|message| message.has_content).count();
        world.call(Op::MessageExpunge, &[&ids[0]], "", &Value::Null);
        assert_eq!(kept(&world), 2);
        world.call(Op::BulkExpunge, &[], "", &json!({ "ids": [&ids[1]] }));
        assert_eq!(kept(&world), 1);
        world.pass(1_000);
        world.call(Op::ExpungeAll, &[], "", &Value::Null);
        world.pass(60_000);
        assert_eq!(kept(&world), 0);
    }
}
