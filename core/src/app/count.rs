//! How many messages a task would touch, before anybody starts it.
//!
//! The same batches are asked of the Endpoint object as the task would ask, with the word that they only count. So what
//! is counted is what the task would do if it were started now. It ends early where there is much to look at, and then
//! says that there may be more.

use super::App;
use super::destinations::{AskPlan, Then};
use super::handle::{Handled, Outcome};
use super::tasks::{Batch, TaskRecord};
use crate::api::call::Reply;
use crate::api::model::task::CountOut;
use crate::error::{ApiError, Code};
use crate::frame::TaskAnswer;
use crate::sql::Sql;
use crate::wire::Ask;

/// At most so many batches are counted.
const ROUNDS: u32 = 20;

/// A count under way.
#[derive(Debug)]
pub(super) struct Count {
    now: i64,
    record: TaskRecord,
    batch: (String, bool),
    rounds: u32,
}

impl<S: Sql> App<S> {
    /// Counts what this task would touch.
    pub(super) fn count_task(&self, now: i64, record: TaskRecord) -> Handled {
        self.count_on(Count { now, record, batch: Default::default(), rounds: 0 })
    }

    fn count_on(&self, mut count: Count) -> Handled {
        let slot =
            self.slots.get(&count.record.endpoint_id).ok_or_else(|| ApiError::not_found("Endpoint"))?;
        while count.rounds < ROUNDS {
            count.rounds = count.rounds.saturating_add(1);
            let batch = self.batch(count.now, slot, &count.record, Some(true))?.unwrap_or_default();
            let Batch { ask, upto, end } = batch;
            if let Some(ask) = ask {
                let endpoints = vec![count.record.endpoint_id.clone()];
                count.batch = (upto, end);
                return Ok(
                    AskPlan { endpoints, ask: Ask::Task(ask), then: Then::Count(Box::new(count)) }.into()
                );
            }
            if end {
                return Ok(counted(&count, true));
            }
            count.record.place = upto;
        }
        Ok(counted(&count, false))
    }

    pub(super) fn told_count(&self, mut count: Count, told: Option<TaskAnswer>) -> Handled {
        let told = told.filter(|answer| !answer.not_ready).ok_or_else(|| {
            let text = "The endpoint is not ready. Send the request again in a moment.";
            ApiError::new(Code::NotReady, text)
        })?;
        let batch = std::mem::take(&mut count.batch);
        if count.record.told(told, batch) {
            return Ok(counted(&count, true));
        }
        self.count_on(count)
    }
}

fn counted(count: &Count, complete: bool) -> Outcome {
    Outcome::Reply(Reply::json(200, &CountOut { messages: count.record.count, complete }))
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use crate::api::route::Op;
    use crate::time::rfc3339;
    use serde_json::{Value, json};

    fn counted(world: &mut World, op: Op, endpoint: &str, more: Value) -> Value {
        let mut body = json!({ "since": rfc3339(world.now - 3_600_000) });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let (status, count) = world.call(op, &[endpoint], "dry_run=true", &body);
        assert_eq!(status, 200, "{count}");
        count
    }

    #[test]
    fn a_count_says_what_the_task_then_does_and_does_nothing_itself() {
        let mut world = World::new(&[("RETRY_SCHEDULE", ""), ("BREAKER_FAILURES", "0")]);
        let endpoint = world.add_endpoint(&json!({}));
        let other = world.add_endpoint(&json!({ "eventTypes": ["none"] }));
        world.send("a.b");
        world.code = 500;
        (0..130).for_each(|_| drop(world.send("c.d")));
        world.code = 200;
        world.got.clear();
        let all = |messages: i64| json!({ "messages": messages, "complete": true });
        let body = json!({ "status": 2, "eventTypes": ["c.d"] });
        assert_eq!(counted(&mut world, Op::Recover, &endpoint, json!({})), all(130));
        assert_eq!(counted(&mut world, Op::BulkReplay, &endpoint, json!({})), all(131));
        assert_eq!(counted(&mut world, Op::BulkReplay, &endpoint, body), all(130));
        assert_eq!(counted(&mut world, Op::ReplayMissing, &endpoint, json!({})), all(0));
        assert_eq!(
            world.call(Op::EndpointPatch, &[&other], "", &json!({ "eventTypes": null })).0,
            200,
            "what it did not want was never tried"
        );
        assert_eq!(counted(&mut world, Op::ReplayMissing, &other, json!({})), all(131));
        world.pass(5_000);
        assert!(world.got.is_empty() && world.notes.is_empty(), "counting sends nothing and starts nothing");

        let body = json!({ "since": rfc3339(world.now - 3_600_000) });
        let (status, task) = world.call(Op::Recover, &[&endpoint], "", &body);
        assert_eq!(status, 202, "{task}");
        world.pass(5_000);
        assert_eq!(world.got.len(), 130);
        assert_eq!(counted(&mut world, Op::Recover, &endpoint, json!({})), all(0));
    }

    #[test]
    fn a_count_of_very_much_ends_early_and_says_so() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        (0..2_100).for_each(|_| drop(world.send("a.b")));
        let count = counted(&mut world, Op::BulkReplay, &endpoint, json!({}));
        assert_eq!(count["complete"], false);
        assert!((1_800..2_100).contains(&count["messages"].as_i64().expect("a number")), "{count}");
    }

    #[test]
    fn a_disabled_endpoint_and_a_wrong_flag_are_refused_as_when_it_is_started() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let body = json!({ "since": rfc3339(world.now) });
        assert_eq!(world.call(Op::Recover, &[&endpoint], "dry_run=perhaps", &body).0, 422);
        world.disable(&endpoint, true);
        let refused = world.call(Op::Recover, &[&endpoint], "dry_run=true", &body);
        assert_eq!((refused.0, &refused.1["code"]), (400, &json!("endpoint_disabled")));
    }
}
