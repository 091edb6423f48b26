//! Background tasks: recovery, replay, bulk replay, expunging of all payloads; and their cancellation.
//!
//! What must hold: every task comes to its end, and the tenant's list says so; what it was to send is sent, and each
//! message by each task once at most; a task that was stopped asks for nothing more.

use super::Rule;
use super::dice::Dice;
use super::forget::Forgetting;
use super::world::{START, World};
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use weir_core::api::call::{self, Call};
use weir_core::api::route::AppOp;
use weir_core::endpoint::{Attempt, inspect};
use weir_core::sql::Sql;
use weir_core::time::rfc3339;

/// A task as its owner sees it.
pub(super) struct Task {
    app: usize,
    op: AppOp,
    endpoint: Option<usize>,
    /// In milliseconds since the start.
    started_at: i64,
    /// The first message that came after it.
    number: u64,
    /// Its owner was told that it is stopped.
    stopped: bool,
    /// Recovery and bulk replay: the messages that were there for it.
    due: Vec<String>,
}

impl World {
    /// Somebody starts a task, or stops one.
    pub(super) fn act_on_tasks(&mut self, a: usize) {
        let open: Vec<String> =
            self.tasks.iter().filter(|(_, task)| task.app == a).map(|(id, _)| id.clone()).collect();
        if !open.is_empty() && self.rng.chance(0.25) {
            let id = self.rng.pick(&open).clone();
            return self.api_later(a, AppOp::TaskStop, vec![id], &Json::Null);
        }
        let Some(endpoint_id) = self.some_endpoint(a) else { return };
        let op =
            *self.rng.pick(&[AppOp::Recover, AppOp::ReplayMissing, AppOp::ReplayMissing, AppOp::BulkReplay]);
        // Two weeks are the longest period, and no world has lasted longer by then.
        let body = json!({ "since": rfc3339(START - 3 * 3_600_000) });
        self.api_later(a, op, vec![endpoint_id], &body);
    }

    /// A call of the API was committed: what clients may rely on from now on.
    pub(super) fn note_call(&mut self, a: usize, call: &Call<AppOp>, status: u16, body: &[u8]) {
        let json = || serde_json::from_slice::<Json>(body).expect("JSON");
        match call.op {
            op @ (AppOp::Recover | AppOp::ReplayMissing | AppOp::BulkReplay | AppOp::ExpungeAll)
                if status == 202 =>
            {
                let id = json()["id"].as_str().expect("an id").to_owned();
                let endpoint = call.params.first().and_then(|id| self.by_id.get(id)).copied();
                let due = endpoint.map(|e| self.due_for(e, op)).unwrap_or_default();
                self.summary.tasks += 1;
                let (started_at, number) = (self.now, self.next);
                self.tasks.insert(id, Task { app: a, op, endpoint, started_at, number, stopped: false, due });
                if op == AppOp::ExpungeAll {
                    let all = self.messages.values_mut().filter(|message| message.app == a);
                    all.filter(|message| message.forgetting == Forgetting::Kept)
                        .for_each(|message| message.forgetting = Forgetting::Perhaps);
                }
            }
            AppOp::TaskStop if status == 200 => {
                if let Some(task) = call.params.first().and_then(|id| self.tasks.get_mut(id)) {
                    task.stopped = true;
                }
            }
            AppOp::MessageExpunge if status == 204 => {
                self.note_expunged(call.params.first().map(String::as_str).into_iter());
            }
            AppOp::BulkExpunge if status == 200 => {
                let results = json()["results"].as_object().expect("results").clone();
                let done = results.iter().filter(|(_, status)| *status == "expunged");
                self.note_expunged(done.map(|(id, _)| id.as_str()));
            }
            AppOp::EndpointDelete if status == 204 => {
                if let Some(&e) = call.params.first().and_then(|id| self.by_id.get(id)) {
                    self.endpoints[e].deleted_alone = true;
                }
            }
            _ => {}
        }
    }

    /// A broken world: the owner is told that the task is stopped, and it goes on.
    pub(super) fn pretend_to_stop(&mut self, call: &Call<AppOp>) -> call::Reply {
        if let Some(task) = call.params.first().and_then(|id| self.tasks.get_mut(id)) {
            task.stopped = true;
        }
        call::Reply::empty(200)
    }

    /// The messages that a task has to send again, from what is recorded now.
    fn due_for(&self, e: usize, op: AppOp) -> Vec<String> {
        if !matches!(op, AppOp::Recover | AppOp::BulkReplay) {
            return Vec::new();
        }
        let attempts = self.recorded_attempts(e);
        let waiting: HashSet<String> = self.waiting(e).into_iter().map(|due| due.msg_id).collect();
        let succeeded: HashSet<&String> =
            attempts.iter().filter(|it| it.status == 0).map(|attempt| &attempt.msg_id).collect();
        let is_due = |attempt: &&inspect::Seen| match op {
            // Failed for good, and nothing since.
            AppOp::Recover => {
                let for_good = attempt.status == 2 && attempt.next_at.is_none() && !attempt.manual;
                for_good && !succeeded.contains(&attempt.msg_id)
            }
            _ => true,
        };
        let due = attempts.iter().filter(is_due).map(|attempt| attempt.msg_id.clone());
        due.filter(|msg_id| !waiting.contains(msg_id)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// An App object asks for a task's next batch.
    pub(super) fn check_asks(&mut self, a: usize, task_id: &str) {
        if self.tasks.get(task_id).is_some_and(|task| task.stopped) {
            self.violate(Rule::Task, format!("app {a} goes on with {task_id}, which was stopped"));
        }
    }

    /// A request that was asked for by hand is started: no message goes out more often than it was asked for.
    pub(super) fn check_by_hand(&mut self, e: usize, attempt: &Attempt) {
        let by_hand = std::iter::once(&attempt.delivery).chain(&attempt.riders).filter(|it| it.manual);
        for delivery in by_hand {
            let tasks = self.tasks.values().filter(|task| {
                task.endpoint == Some(e) && matches!(task.op, AppOp::Recover | AppOp::BulkReplay)
            });
            let tasks = tasks.count();
            let endpoint = &mut self.endpoints[e];
            let asked = endpoint.resends.get(&delivery.msg_id).copied().unwrap_or(0) + tasks;
            let keys = endpoint.by_hand.entry(delivery.msg_id.clone()).or_default();
            keys.insert(delivery.key.clone());
            let count = keys.len();
            if count > asked {
                let text = format!(
                    "endpoint {e} sends {} for the {count}th time by hand, and was asked {asked} times",
                    delivery.msg_id
                );
                self.violate(Rule::Task, text);
                return;
            }
        }
    }

    /// Whether a replay may have an endpoint be sent a message.
    pub(super) fn may_be_replayed(&self, e: usize, msg_id: &str) -> bool {
        let Some(message) = self.messages.get(msg_id) else { return false };
        self.tasks.values().any(|task| {
            task.endpoint == Some(e)
                && task.op == AppOp::ReplayMissing
                && (message.accepted_at <= task.started_at + 50 || self.plan.jumps > 0)
                && self.endpoints[e]
                    .eras_since(task.started_at)
                    .any(|era| era.filter.matches(&message.event_type, &message.channels))
        })
    }

    /// Whether a replay that is over must have had an endpoint be sent a message.
    pub(super) fn must_be_replayed(&self, e: usize, msg_id: &str) -> bool {
        let Some(message) = self.messages.get(msg_id) else { return false };
        let endpoint = &self.endpoints[e];
        message.app == endpoint.app
            && !endpoint.deleted
            && !endpoint.resends.contains_key(msg_id) // what was sent by hand was tried
            && self.plan.jumps == 0
            && message.forgetting == Forgetting::Kept
            && self.tasks.values().any(|task| {
                task.endpoint == Some(e)
                    && task.op == AppOp::ReplayMissing
                    && !task.stopped
                    && message.number < task.number
                    && message.deliver_at.is_none_or(|at| self.when(message.app, at) < task.started_at)
                    && endpoint
                        .eras_since(task.started_at)
                        .all(|era| era.filter.matches(&message.event_type, &message.channels))
            })
    }

    /// In the end, every task is over, the tenant knows, and what it was to send was sent.
    pub(super) fn check_tasks(&mut self) {
        let listed: HashMap<String, (String, Json)> = if self.tasks.is_empty() {
            HashMap::new()
        } else {
            let rows = self.directory.node.on.db.query("SELECT id, status, data FROM task", &[]);
            rows.expect("tasks")
                .into_iter()
                .map(|mut row| {
                    let data = serde_json::from_str(&row.text(2).expect("data")).expect("JSON");
                    (row.text(0).expect("an id"), (row.text(1).expect("a status"), data))
                })
                .collect()
        };
        let wrong = self.tasks.iter().find_map(|(id, task)| {
            let endpoint = task.endpoint.map(|e| &self.endpoints[e]);
            let gone = endpoint.is_some_and(|endpoint| endpoint.deleted) || self.apps[task.app].deleted;
            let Some((status, data)) = listed.get(id) else {
                return (!gone).then(|| format!("the tenant was never told of {id}"));
            };
            let canceled = data["canceled"] == true;
            let fits = match status.as_str() {
                "finished" => !task.stopped,
                "failed" => (canceled && task.stopped) || gone,
                _ => false,
            };
            (!fits).then(|| format!("{id} is said to be {status} (stopped: {}): {data}", task.stopped))
        });
        if let Some(text) = wrong {
            self.violate(Rule::Task, text);
            return;
        }
        let open = (0..self.apps.len()).find_map(|a| {
            if !self.exists(a) {
                return None;
            }
            let open = self.apps[a].node.on.db.query("SELECT id FROM task WHERE open = 1 LIMIT 1", &[]);
            open.expect("tasks").into_iter().next().map(|mut row| row.text(0).expect("an id"))
        });
        if let Some(id) = open {
            self.violate(Rule::Task, format!("{id} is not over"));
        }
        let tasks: Vec<String> = self.tasks.keys().cloned().collect();
        for id in tasks {
            self.check_task(&id);
        }
    }

    fn check_task(&mut self, id: &str) {
        let task = &self.tasks[id];
        if task.stopped || self.plan.jumps > 0 || self.apps[task.app].deleted {
            return;
        }
        if task.op == AppOp::ExpungeAll {
            let (a, number) = (task.app, task.number);
            let due = self.messages.iter().filter(|(_, it)| it.app == a && it.number < number);
            let due: Vec<String> = due.map(|(id, _)| id.clone()).collect();
            self.note_expunged(due.iter().map(String::as_str));
            return;
        }
        let Some(e) = task.endpoint.filter(|&e| !self.endpoints[e].deleted) else { return };
        let since = self.endpoint_clock_at(e, task.started_at);
        let bulk = task.op == AppOp::BulkReplay;
        let forgotten = task.due.iter().find(|msg_id| {
            // Only what has a payload is replayed, and whose time has come.
            let there = self.messages.get(*msg_id).is_some_and(|it| {
                let came = it.deliver_at.is_none_or(|at| self.when(it.app, at) < task.started_at);
                it.forgetting == Forgetting::Kept && came
            });
            (there || !bulk) && !self.was_sent_by_hand(e, msg_id, since)
        });
        let forgotten = forgotten.cloned();
        if let Some(msg_id) = forgotten {
            let text = format!("{:?} {id} of endpoint {e} left out {msg_id}", self.tasks[id].op);
            self.violate(Rule::Task, text);
        }
    }

    /// What an Endpoint object's clock said then; where no clock jumps.
    fn endpoint_clock_at(&self, e: usize, at: i64) -> i64 {
        START + at + self.endpoints[e].node.on.skew
    }
}

impl World {
    /// Whether an attempt by hand was recorded since then, or waits to be; or could not be, since its payload is gone.
    fn was_sent_by_hand(&self, e: usize, msg_id: &str, since: i64) -> bool {
        let mut attempts = self.recorded_attempts(e).into_iter();
        attempts.any(|attempt| attempt.manual && attempt.msg_id == msg_id && attempt.ended_at >= since)
            || self.waiting(e).iter().any(|due| due.manual && due.msg_id == msg_id)
    }
}
