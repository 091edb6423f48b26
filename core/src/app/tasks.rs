//! Background tasks: recovering what failed, replaying what was never tried.
//!
//! A task is a row with a place to go on from. It moves on by batches: one ask to the Endpoint object, whose
//! answer moves the place; the place is stored before the next ask. The Endpoint object recognizes a batch
//! that is repeated, so a crash at any point repeats a batch without effect. As long as a task is open the
//! object's alarm is set: a task outlives the memory that drives it.
//!
//! One task for each endpoint is under way at a time, the oldest first. The Directory keeps the tenant's list:
//! it is told when a task begins and ends, before the one who started it is answered, and until it has
//! acknowledged; in between it hears of progress now and then.

use super::handle::Handled;
use super::log::Span;
use super::{App, Effects, Slot};
use crate::api::call::{Call, Reply};
use crate::api::model::task::{BackgroundTaskOut, BulkFilter, Period, TaskKind, TaskOut, TaskStatus};
use crate::api::route::{AppOp, DirectoryOp};
use crate::error::{ApiError, Code};
use crate::frame::{self, BulkAsk, Owed, RecoverAsk, ReplayAsk, TaskAnswer, TaskNote};
use crate::id;
use crate::operational::{self, Event};
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use crate::time::rfc3339;
use crate::wire::TaskAsk;
use minicbor::{Decode, Encode};
use serde_json::json;
use std::collections::BTreeSet;

/// At most so many tasks of one application are open.
const OPEN_MAX: usize = 20;
/// At most so many messages in one batch of a replay.
const BATCH_MAX: usize = 100;
/// How many messages of the log are read at once.
const PAGE: usize = 256;
/// At most so many messages of the log are looked at in one turn.
const LOOK_MAX: usize = 4096;
/// The Directory hears of progress this often.
const NOTE_MS: i64 = 10_000;
/// How long tasks that are over are kept.
const KEEP_MS: i64 = 90 * 86_400_000;
/// An ask that failed is repeated after this time, doubling up to [`RETRY_MAX_MS`].
const RETRY_BASE_MS: i64 = 500;
const RETRY_MAX_MS: i64 = 5 * 60_000;

/// What a task needs of other objects.
#[derive(Debug)]
pub enum TaskEffect {
    /// Ask an Endpoint object; answered by [`App::task_told`].
    Ask {
        /// The task.
        task_id: String,
        /// Whom.
        endpoint_id: String,
        /// What.
        ask: TaskAsk,
    },
    /// Tell the Directory; answered by [`App::task_noted`].
    Note {
        /// The task.
        task_id: String,
        /// Which version of it is told.
        version: i64,
        /// The request.
        call: Box<Call<DirectoryOp>>,
    },
}

/// A task as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct TaskRecord {
    #[n(0)]
    kind: TaskKind,
    #[n(1)]
    pub(super) endpoint_id: String,
    #[n(2)]
    since: i64,
    #[n(3)]
    until: i64,
    #[n(4)]
    status: TaskStatus,
    /// Where the next batch goes on: an attempt (recovery) or a message (replay).
    #[n(5)]
    pub(super) place: String,
    /// Recovery: the last attempt to look at, once known.
    #[n(6)]
    upto: Option<String>,
    /// How many deliveries were made due.
    #[n(7)]
    pub(super) count: i64,
    #[n(8)]
    updated_at: i64,
    #[n(9)]
    version: i64,
    /// The version that the Directory knows.
    #[n(10)]
    noted: i64,
    /// Bulk replay: which messages.
    #[n(11)]
    filter: Option<BulkFilter>,
    /// It was stopped before its end.
    #[cbor(n(12), default)]
    canceled: bool,
}

impl TaskRecord {
    /// A task on what was accepted in a period.
    pub(super) fn new(kind: TaskKind, endpoint_id: String, (since, until): (i64, i64), now: i64) -> Self {
        Self {
            kind,
            endpoint_id,
            since,
            until,
            status: TaskStatus::Running,
            place: match kind {
                TaskKind::Recover => String::new(),
                _ => id::floor(id::MESSAGE, since),
            },
            upto: None,
            count: 0,
            updated_at: now,
            version: 1,
            noted: 0,
            filter: None,
            canceled: false,
        }
    }

    /// Takes the answer to a batch, which ends at this place of the log, or with it. Gives whether that was all.
    pub(super) fn told(&mut self, answer: TaskAnswer, (place, end): (String, bool)) -> bool {
        self.count = self.count.saturating_add(i64::from(answer.count));
        match self.kind {
            TaskKind::Recover | TaskKind::BulkReplay if self.upto.is_none() => {
                self.upto = answer.upto;
                answer.end
            }
            TaskKind::Recover => {
                self.place = answer.after;
                answer.end
            }
            _ => {
                self.place = place;
                end
            }
        }
    }
}

/// A batch of a task: what to ask the endpoint, if anything, where in the log it ends, and whether the log does.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) ask: Option<TaskAsk>,
    pub(super) upto: String,
    pub(super) end: bool,
}

/// A task that is open: running, or over without the Directory knowing.
#[derive(Debug)]
pub(super) struct Task {
    record: TaskRecord,
    asking: bool,
    noting: bool,
    noted_at: i64,
    /// Replay: where the batch under way ends, and whether the log does.
    batch: (String, bool),
    retry_at: i64,
    failures: u32,
}

impl Task {
    fn new(record: TaskRecord) -> Self {
        Self {
            record,
            asking: false,
            noting: false,
            noted_at: 0,
            batch: (String::new(), false),
            retry_at: 0,
            failures: 0,
        }
    }

    fn failed(&mut self, now: i64) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(doubled(RETRY_BASE_MS, self.failures, RETRY_MAX_MS));
    }

    fn is_over(&self) -> bool {
        self.record.status != TaskStatus::Running
    }

    /// How much of its period it has gone through, in percent.
    fn progress(&self) -> i64 {
        let record = &self.record;
        if record.status == TaskStatus::Finished {
            return 100;
        }
        let prefix = if record.kind == TaskKind::Recover { id::ATTEMPT } else { id::MESSAGE };
        // The attempts of a recovery go on after its messages' period, until it began.
        let end = record.upto.as_ref().and_then(|upto| id::millis(id::ATTEMPT, upto)).unwrap_or(record.until);
        let end = if record.kind == TaskKind::Recover { end } else { record.until };
        let at = id::millis(prefix, &record.place).unwrap_or(record.since);
        let (done, all) = (at.saturating_sub(record.since), end.saturating_sub(record.since));
        done.saturating_mul(100).checked_div(all).unwrap_or(0).clamp(0, 99)
    }

    /// When it has to be looked at again, if nothing happens before.
    pub(super) fn due(&self, now: i64) -> i64 {
        now.max(self.retry_at)
    }

    /// When it wants to go on, where it is waiting for its time.
    pub(super) fn waits_until(&self, now: i64) -> Option<i64> {
        (self.retry_at > now).then_some(self.retry_at)
    }

    /// Whose it is, and how far.
    fn data(&self, app_id: &str) -> serde_json::Value {
        let record = &self.record;
        if record.kind == TaskKind::Purge {
            return json!({
                "appId": app_id,
                "messagesPurged": record.count,
                "progress": self.progress(),
                "canceled": record.canceled,
            });
        }
        json!({
            "appId": app_id,
            "endpointId": record.endpoint_id,
            "since": rfc3339(record.since),
            "until": rfc3339(record.until),
            "messages": record.count,
            "messagesSent": record.count,
            "progress": self.progress(),
            "canceled": record.canceled,
        })
    }

    fn note(&self, task_id: &str, app_id: &str) -> TaskNote {
        let record = &self.record;
        let data = self.data(app_id);
        TaskNote {
            id: task_id.to_owned(),
            app_id: app_id.to_owned(),
            task: record.kind.text().to_owned(),
            status: record.status.text().to_owned(),
            data: data.to_string(),
            updated_at: record.updated_at,
            version: record.version,
        }
    }
}

impl<S: Sql> App<S> {
    pub(super) fn load_tasks(&mut self) -> Result<(), SqlError> {
        for mut row in self.sql.query("SELECT id, record FROM task WHERE open = 1", &[])? {
            let record = frame::decode(&row.blob(1)?).map_err(SqlError)?;
            self.tasks.insert(row.text(0)?, Task::new(record));
        }
        Ok(())
    }

    /// Starts a task of an endpoint.
    pub(super) fn start_task(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        kind: TaskKind,
        key: &str,
        call: &Call<AppOp>,
    ) -> Handled {
        let endpoint_id = self.enabled_endpoint(key)?.0.to_owned();
        let dry = call.query.flag("dry_run")?.unwrap_or(false);
        let period = Period::parse(&call.body, now)?;
        let filter = match kind {
            TaskKind::BulkReplay => Some(BulkFilter::parse(&call.body)?),
            _ => None,
        };
        BulkFilter::note_unknown(&call.body, filter.is_some());
        let period = (period.since, period.until);
        let record = TaskRecord { filter, ..TaskRecord::new(kind, endpoint_id, period, now) };
        if dry { self.count_task(now, record) } else { self.add_task(now, rng, record) }
    }

    /// Starts a task.
    pub(super) fn add_task(&mut self, now: i64, rng: &mut impl Entropy, record: TaskRecord) -> Handled {
        if self.tasks.len() >= OPEN_MAX {
            let detail = format!("The limit of {OPEN_MAX} running tasks is reached. Wait for one to finish.");
            return Err(ApiError::new(Code::LimitReached, detail));
        }
        self.sql.exec(
            "DELETE FROM task WHERE open = 0 AND id < ?1",
            &[Value::Text(&id::floor(id::TASK, now.saturating_sub(KEEP_MS)))],
        )?;
        let task_id = id::new(id::TASK, now, rng);
        self.sql.exec(
            "INSERT INTO task (id, open, record) VALUES (?1, 1, ?2)",
            &[Value::Text(&task_id), Value::Blob(&frame::encode(&record))],
        )?;
        let reply = Reply::json(202, &TaskOut::new(&task_id, record.kind, TaskStatus::Running, now));
        self.tasks.insert(task_id, Task::new(record));
        self.changed(now, reply)
    }

    /// Stops a task before its end. What it has made due stays so.
    pub(super) fn stop_task(&mut self, now: i64, task_id: &str) -> Handled {
        let app_id = self.info.as_ref().map(|info| info.app_id.clone()).unwrap_or_default();
        let Some(mut task) = self.tasks.remove(task_id) else {
            return Err(ApiError::conflict("The task has already finished."));
        };
        if task.is_over() {
            self.tasks.insert(task_id.to_owned(), task);
            return Err(ApiError::conflict("The task has already finished."));
        }
        task.record.canceled = true;
        self.end_task(now, task_id, &mut task, TaskStatus::Failed)?;
        // It waits for no answer any more, and the Directory hears of it at once.
        task.retry_at = 0;
        let shown = BackgroundTaskOut {
            task: TaskOut::new(task_id, task.record.kind, task.record.status, task.record.updated_at),
            data: task.data(&app_id),
        };
        self.tasks.insert(task_id.to_owned(), task);
        self.changed(now, Reply::json(200, &shown))
    }

    /// Moves every task on that can move.
    pub(super) fn drive_tasks(&mut self, now: i64, effects: &mut Effects) -> Result<(), SqlError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let Some(app_id) = self.info.as_ref().map(|info| info.app_id.clone()) else { return Ok(()) };
        let mut busy = BTreeSet::new();
        for (task_id, mut task) in std::mem::take(&mut self.tasks) {
            // The oldest task of each endpoint goes first: ids sort by time.
            let its_turn = task.is_over() || busy.insert(task.record.endpoint_id.clone());
            if its_turn
                && !task.is_over()
                && !task.asking
                && task.retry_at <= now
                && (task.record.kind == TaskKind::Purge || self.share.may_call())
            {
                self.next_batch(now, &task_id, &mut task, effects)?;
                if task.asking {
                    self.share.count_call();
                    self.note_debt(&task.record.endpoint_id)?;
                }
            }
            let news = task.record.noted < task.record.version
                && (task.record.noted == 0 || task.is_over() || now >= task.noted_at.saturating_add(NOTE_MS));
            if news && !task.noting && task.retry_at <= now && self.share.take_call() {
                task.noting = true;
                let note = task.note(&task_id, &app_id);
                let call = Call { body: frame::encode(&note), ..Call::new(DirectoryOp::TaskNote) };
                effects.tasks.push(TaskEffect::Note {
                    task_id: task_id.clone(),
                    version: note.version,
                    call: Box::new(call),
                });
            }
            self.tasks.insert(task_id, task);
        }
        Ok(())
    }

    fn next_batch(
        &mut self,
        now: i64,
        task_id: &str,
        task: &mut Task,
        effects: &mut Effects,
    ) -> Result<(), SqlError> {
        if task.record.kind == TaskKind::Purge {
            let (count, place, is_end) = self.forget_batch(&task.record.place, task.record.until)?;
            task.record.count = task.record.count.saturating_add(count);
            return self.pass_over(now, task_id, task, place, is_end);
        }
        let Some(slot) = self.slots.get(&task.record.endpoint_id).filter(|slot| !slot.deleted) else {
            return self.end_task(now, task_id, task, TaskStatus::Failed);
        };
        if slot.acknowledged < slot.record.version {
            // Its configuration goes first: what is made due must not be sent to an old URL.
            return Ok(());
        }
        let Some(Batch { ask, upto, end }) = self.batch(now, slot, &task.record, None)? else {
            return Ok(());
        };
        let Some(ask) = ask else { return self.pass_over(now, task_id, task, upto, end) };
        task.batch = (upto, end);
        task.asking = true;
        effects.tasks.push(TaskEffect::Ask {
            task_id: task_id.to_owned(),
            endpoint_id: task.record.endpoint_id.clone(),
            ask,
        });
        Ok(())
    }

    /// The next batch of a task that asks an endpoint; none for other tasks. `dry` has it only count.
    pub(super) fn batch(
        &self,
        now: i64,
        slot: &Slot,
        record: &TaskRecord,
        dry: Option<bool>,
    ) -> Result<Option<Batch>, SqlError> {
        let waits_for_upto = record.kind == TaskKind::BulkReplay && record.upto.is_none();
        let (messages, upto, end) = match record.kind {
            // It asks nobody; the others are the Directory's.
            TaskKind::Purge
            | TaskKind::AppStats
            | TaskKind::EventTypes
            | TaskKind::AppErase
            | TaskKind::SourceErase
            | TaskKind::TenantErase => return Ok(None),
            TaskKind::Recover => {
                let (since, until, after) = (record.since, record.until, record.place.clone());
                let ask = RecoverAsk { since, until, after, upto: record.upto.clone(), dry };
                return Ok(Some(Batch { ask: Some(TaskAsk::Recover(ask)), ..Batch::default() }));
            }
            _ if waits_for_upto => Default::default(),
            _ => self.untold(now, slot, record)?,
        };
        if messages.is_empty() && !waits_for_upto {
            return Ok(Some(Batch { upto, end, ..Batch::default() }));
        }
        let ask = if record.kind == TaskKind::Replay {
            TaskAsk::Replay(ReplayAsk { messages, dry, on_time: None })
        } else {
            let filter = record.filter.clone().unwrap_or_default();
            let (status, code_class) = (filter.status, filter.status_code_class);
            TaskAsk::BulkReplay(BulkAsk { messages, upto: record.upto.clone(), status, code_class, dry })
        };
        Ok(Some(Batch { ask: Some(ask), upto, end }))
    }

    /// Goes on from there: what was looked at holds nothing for the endpoint.
    fn pass_over(
        &mut self,
        now: i64,
        task_id: &str,
        task: &mut Task,
        upto: String,
        end: bool,
    ) -> Result<(), SqlError> {
        task.record.place = upto;
        if end {
            return self.end_task(now, task_id, task, TaskStatus::Finished);
        }
        task.retry_at = now.saturating_add(1); // other work first
        self.store_task(now, task_id, task)
    }

    /// The next messages of a replay: those that its filter lets through, or else the endpoint's, and that the
    /// endpoint will not be offered anyway; how far the log was looked at; whether that is all.
    fn untold(
        &self,
        now: i64,
        slot: &Slot,
        record: &TaskRecord,
    ) -> Result<(Vec<Owed>, String, bool), SqlError> {
        let highest = id::floor(id::MESSAGE, record.until.saturating_add(id::RESOLUTION_MS));
        let mut place = record.place.clone();
        let mut found = Vec::new();
        let mut looked: usize = 0;
        while found.is_empty() && looked < LOOK_MAX {
            let span = Span { after: &place, before: &highest, ascending: true };
            let page = self.log.page(&self.sql, span, PAGE)?;
            for header in page.headers {
                if found.len() >= BATCH_MAX || looked >= LOOK_MAX {
                    return Ok((found, place, false));
                }
                looked = looked.saturating_add(1);
                place.clone_from(&header.id);
                let (event_type, listed) = (header.event_type(), header.channels());
                let coming = match header.deliver_at() {
                    Some(deliver_at) => deliver_at > now,
                    // After a crash the cursor lies before what the endpoint has had already: a bulk replay is about that,
                    // and the endpoint passes over what it has not.
                    None => {
                        record.kind == TaskKind::Replay
                            && place > slot.cursor
                            && slot.wants(&place, event_type, &listed)
                    }
                };
                let meant = match &record.filter {
                    Some(filter) => filter.matches(event_type, &listed, &header.tags()),
                    None => slot.filter.matches(event_type, &listed),
                };
                if header.has_payload && !header.is_for_one() && meant && !coming {
                    let (event_type, channels) = (event_type.to_owned(), header.channels_text().cloned());
                    found.push(Owed { id: place.clone(), event_type, channels });
                }
            }
            if page.end {
                return Ok((found, place, true));
            }
        }
        Ok((found, place, false))
    }

    fn store_task(&mut self, now: i64, task_id: &str, task: &mut Task) -> Result<(), SqlError> {
        task.record.updated_at = now;
        task.record.version = task.record.version.saturating_add(1);
        self.write_task(task_id, task)
    }

    /// The task is over, and the tenant hears of it.
    fn end_task(
        &mut self,
        now: i64,
        task_id: &str,
        task: &mut Task,
        status: TaskStatus,
    ) -> Result<(), SqlError> {
        task.record.status = status;
        {
            let app_id = self.info.as_ref().map(|info| info.app_id.clone()).unwrap_or_default();
            let data = json!({
                "taskId": task_id,
                "task": task.record.kind.text(),
                "status": task.record.status.text(),
                "data": task.data(&app_id),
            });
            self.tell(now, &Event::new(format!("{task_id}.finished"), operational::TASK_FINISHED, &data))?;
        }
        self.store_task(now, task_id, task)
    }

    fn write_task(&self, task_id: &str, task: &Task) -> Result<(), SqlError> {
        let open = !task.is_over() || task.record.noted < task.record.version;
        self.sql.exec(
            "UPDATE task SET open = ?2, record = ?3 WHERE id = ?1",
            &[Value::Text(task_id), Value::flag(open), Value::Blob(&frame::encode(&task.record))],
        )
    }

    /// The answer to a [`TaskEffect::Ask`]; `None` where there was none.
    pub fn task_told(
        &mut self,
        now: i64,
        task_id: &str,
        answer: Option<TaskAnswer>,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if let Some(mut task) = self.tasks.remove(task_id) {
            task.asking = false;
            match answer.filter(|answer| !answer.not_ready) {
                None => task.failed(now),
                Some(answer) => {
                    task.failures = 0;
                    task.retry_at = 0;
                    let batch = std::mem::take(&mut task.batch);
                    let end = task.record.told(answer, batch);
                    if end && !task.is_over() {
                        self.end_task(now, task_id, &mut task, TaskStatus::Finished)?;
                    } else {
                        self.store_task(now, task_id, &mut task)?;
                    }
                }
            }
            self.tasks.insert(task_id.to_owned(), task);
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }

    /// The Directory has heard of a task, or could not be reached.
    pub fn task_noted(
        &mut self,
        now: i64,
        task_id: &str,
        version: i64,
        acknowledged: bool,
    ) -> Result<Effects, SqlError> {
        let mut effects = Effects::default();
        if let Some(mut task) = self.tasks.remove(task_id) {
            task.noting = false;
            if acknowledged {
                task.noted_at = now;
                task.record.noted = task.record.noted.max(version);
                self.write_task(task_id, &task)?;
            } else {
                task.failed(now);
            }
            if !task.is_over() || task.record.noted < task.record.version {
                self.tasks.insert(task_id.to_owned(), task);
            }
        }
        self.settle(now, &mut effects)?;
        Ok(effects)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::World;
    use super::*;
    use crate::api::route::Op;
    use serde_json::Value as Json;

    fn start(world: &mut World, op: Op, endpoint_id: &str) -> String {
        let body = json!({ "since": rfc3339(world.now - 3_600_000) });
        let (status, task) = world.call(op, &[endpoint_id], "", &body);
        assert_eq!((status, &task["status"]), (202, &json!("running")), "{task}");
        task["id"].as_str().expect("an id").to_owned()
    }

    fn ids(got: &[(String, bool)]) -> Vec<String> {
        got.iter().map(|(id, _)| id.clone()).collect()
    }

    fn last_note(world: &World, task: &str) -> (String, i64) {
        let note = world.notes.iter().rev().find(|note| note.id == task).expect("a note");
        let data: Json = serde_json::from_str(&note.data).expect("json");
        (note.status.clone(), data["messages"].as_i64().expect("a count"))
    }

    #[test]
    fn recovery_sends_once_what_failed_for_good() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.code = 500;
        let failed: Vec<_> = (0..3).map(|_| world.send("a.b")).collect();
        world.code = 200;
        world.send("a.b");
        world.got.clear();
        let task = start(&mut world, Op::Recover, &endpoint);
        world.pass(2_000);
        assert_eq!(ids(&world.got), failed);
        assert!(world.got.iter().all(|(_, manual)| *manual));
        assert_eq!(last_note(&world, &task), ("finished".into(), 3));
        start(&mut world, Op::Recover, &endpoint);
        world.pass(60_000);
        assert_eq!(world.got.len(), 3, "nothing is left to recover");
    }

    #[test]
    fn a_task_waits_until_its_endpoint_has_its_configuration() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.code = 500;
        let failed = world.send("a.b");
        world.code = 200;
        world.got.clear();
        let slot = world.app.slots.get_mut(&endpoint).expect("an endpoint");
        slot.record.version += 1;
        slot.configuring = true;
        start(&mut world, Op::Recover, &endpoint);
        world.pass(2_000);
        assert_eq!(world.got, []);
        world.app.slots.get_mut(&endpoint).expect("an endpoint").configuring = false;
        world.pass(60_000);
        assert_eq!(ids(&world.got), [failed]);
    }

    #[test]
    fn recovery_makes_the_next_attempt_of_a_schedule_now_and_the_schedule_goes_on() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "3600,7200")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.code = 500;
        let message = world.send("a.b");
        start(&mut world, Op::Recover, &endpoint);
        world.pass(2_000);
        assert_eq!(world.got, [(message.clone(), false), (message.clone(), false)]);
        world.code = 200;
        world.pass(3_600_000);
        assert_eq!(world.got.len(), 2, "the second wait of the schedule has begun");
        world.pass(6_000_000);
        assert_eq!(world.got.len(), 3);
    }

    #[test]
    fn recovery_keeps_to_its_period() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.code = 500;
        let [early, meant, late] = [0, 1, 2].map(|_| {
            world.now += 60_000;
            world.send("a.b")
        });
        let at = |id: &str| id::millis(id::MESSAGE, id).expect("a time");
        world.got.clear();
        let body = json!({ "since": rfc3339(at(&early) + 1_000), "until": rfc3339(at(&late) - 1_000) });
        assert_eq!(world.call(Op::Recover, &[&endpoint], "", &body).0, 202);
        world.pass(2_000);
        assert_eq!(ids(&world.got), [meant]);
    }

    #[test]
    fn a_recovery_of_many_goes_on_after_crashes_and_lost_answers_and_repeats_nothing() {
        let mut world =
            World::new(&[("RETRY_SCHEDULE", ""), ("MAX_IN_FLIGHT", "32"), ("BREAKER_FAILURES", "0")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.code = 500;
        let failed: Vec<_> = (0..350).map(|_| world.send("a.b")).collect();
        world.got.clear();
        world.deaf = true;
        let task = start(&mut world, Op::Recover, &endpoint);
        for _ in 0..3 {
            world.pass(1_000);
            world.crash();
        }
        world.deaf = false;
        world.pass(3_000);
        world.crash();
        world.pass(120_000);
        let mut got = ids(&world.got);
        got.sort_unstable();
        assert!(got == failed, "{} of {}: each once, though they failed again", got.len(), failed.len());
        assert_eq!(last_note(&world, &task).0, "finished");
    }

    #[test]
    fn replay_sends_what_was_never_tried_with_the_whole_schedule() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "60"), ("BREAKER_FAILURES", "0")]);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        world.send("a.b");
        world.disable(&endpoint, true);
        let missed: Vec<_> = (0..250).map(|_| world.send("a.b")).collect();
        world.send("c.d");
        let expunged = world.send("a.b");
        world.call(Op::MessageExpunge, &[&expunged], "", &Json::Null);
        world.disable(&endpoint, false);
        world.got.clear();
        world.code = 500;
        let task = start(&mut world, Op::ReplayMissing, &endpoint);
        for _ in 0..3 {
            world.pass(1_000);
            world.crash();
        }
        world.pass(20_000);
        let mut got = ids(&world.got);
        got.sort_unstable();
        assert!(got == missed, "{} of {}", got.len(), missed.len());
        assert!(world.got.iter().all(|(_, manual)| !manual));
        world.code = 200;
        world.pass(600_000);
        assert_eq!(world.got.len(), 500, "each was retried");
        assert_eq!(last_note(&world, &task).0, "finished");
        start(&mut world, Op::ReplayMissing, &endpoint);
        world.pass(20_000);
        assert_eq!(world.got.len(), 500, "nothing is missing any more");
    }

    #[test]
    fn a_bulk_replay_sends_again_what_was_tried_and_passes_its_filter() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        let good: Vec<_> = (0..150).map(|_| world.send("a.b")).collect();
        world.send("c.d");
        world.code = 404;
        let bad = world.send("a.b");
        world.code = 200;
        world.disable(&endpoint, true);
        world.send("a.b"); // was never tried
        world.disable(&endpoint, false);
        let bulk = |world: &mut World, extra: &Json| {
            world.got.clear();
            let mut body = json!({ "since": rfc3339(world.now - 3_600_000) });
            for (name, value) in extra.as_object().expect("an object") {
                body[name] = value.clone();
            }
            let (status, task) = world.call(Op::BulkReplay, &[&endpoint], "", &body);
            assert_eq!((status, &task["task"]), (202, &json!("endpoint.bulk-replay")), "{task}");
            for _ in 0..3 {
                world.pass(1_000);
                world.crash();
            }
            world.pass(60_000);
            assert_eq!(last_note(world, task["id"].as_str().expect("an id")).0, "finished");
            assert!(world.got.iter().all(|(_, manual)| *manual));
            let mut got = ids(&world.got);
            got.sort_unstable();
            got
        };
        let failed = json!({ "status": 2, "statusCodeClass": 400 });
        assert_eq!(bulk(&mut world, &failed), std::slice::from_ref(&bad));
        assert!(bulk(&mut world, &failed).is_empty(), "it got through");
        let mut all = good;
        all.push(bad);
        assert_eq!(bulk(&mut world, &json!({ "eventTypes": ["a.b"] })), all);
        assert!(bulk(&mut world, &json!({ "channel": "none" })).is_empty());
        assert_eq!(bulk(&mut world, &json!({})).len(), 152);
    }

    #[test]
    fn a_task_that_is_stopped_goes_no_further() {
        let mut world = World::new(&[("RETRY_SCHEDULE", "")]);
        let endpoint = world.add_endpoint(&json!({}));
        world.send("a.b");
        world.deaf = true;
        let task = start(&mut world, Op::BulkReplay, &endpoint);
        world.got.clear();
        let (status, stopped) = world.call(Op::TaskStop, &[&task], "", &Json::Null);
        assert_eq!((status, &stopped["status"]), (200, &json!("failed")), "{stopped}");
        assert_eq!(stopped["data"]["canceled"], true);
        world.deaf = false;
        world.pass(60_000);
        world.crash();
        world.pass(60_000);
        assert!(world.got.is_empty());
        assert_eq!(last_note(&world, &task).0, "failed");
        assert_eq!(world.call(Op::TaskStop, &[&task], "", &Json::Null).0, 409);
        let told = world.events.iter().filter(|event| event.event_type == "background_task.finished");
        assert_eq!(told.count(), 1);
    }

    #[test]
    fn a_task_tells_how_far_it_is() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        world.disable(&endpoint, true);
        (0..2_000).for_each(|_| drop(world.send("a.b")));
        world.disable(&endpoint, false);
        let task = start(&mut world, Op::ReplayMissing, &endpoint);
        world.pass(120_000);
        let progress: Vec<i64> = (world.notes.iter().filter(|note| note.id == task))
            .map(|note| {
                serde_json::from_str::<Json>(&note.data).expect("json")["progress"]
                    .as_i64()
                    .expect("a number")
            })
            .collect();
        assert!(progress.is_sorted() && progress.last() == Some(&100), "{progress:?}");
    }

    #[test]
    fn a_bulk_replay_just_after_a_crash_leaves_nothing_out() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        let sent: Vec<_> = (0..3).map(|_| world.send("a.b")).collect();
        // Its cursor was not written yet: it offers again what the endpoint has had.
        world.crash();
        world.pushes = false;
        world.got.clear();
        start(&mut world, Op::BulkReplay, &endpoint);
        world.pass(60_000);
        assert_eq!(ids(&world.got), sent);
    }

    #[test]
    fn a_replay_just_after_a_start_does_not_hide_newer_messages_from_a_repeated_push() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({ "eventTypes": ["a.b"] }));
        let older = world.send("other");
        world.pass(60_000);
        let newer = world.send("a.b");
        world.crash();
        world.crash_endpoint(&endpoint);
        world.pushes = false;
        world.call(Op::EndpointPatch, &[&endpoint], "", &json!({ "eventTypes": null }));
        start(&mut world, Op::ReplayMissing, &endpoint);
        world.pass(2_000);
        assert_eq!(ids(&world.got), [newer.clone(), older.clone()]);
        world.pushes = true;
        world.pass(60_000);
        assert_eq!(ids(&world.got), [newer, older], "what is pushed again is known");
    }

    #[test]
    fn replay_leaves_to_fan_out_what_is_still_to_come() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        world.pushes = false;
        let waiting = world.send("a.b");
        start(&mut world, Op::ReplayMissing, &endpoint);
        assert!(world.got.is_empty());
        world.pushes = true;
        world.pass(60_000);
        assert_eq!(ids(&world.got), [waiting]);
    }

    #[test]
    fn a_new_endpoint_can_be_given_the_past() {
        let mut world = World::new(&[]);
        let past = world.send("a.b");
        let endpoint = world.add_endpoint(&json!({}));
        start(&mut world, Op::ReplayMissing, &endpoint);
        world.pass(2_000);
        assert_eq!(ids(&world.got), [past]);
    }

    #[test]
    fn a_task_of_a_deleted_endpoint_fails_and_one_of_a_disabled_endpoint_does_not_begin() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        world.deaf = true;
        let task = start(&mut world, Op::Recover, &endpoint);
        assert_eq!(world.call(Op::EndpointDelete, &[&endpoint], "", &Json::Null).0, 204);
        world.pass(60_000);
        assert_eq!(last_note(&world, &task).0, "failed");
        let disabled = world.add_endpoint(&json!({ "disabled": true }));
        let body = json!({ "since": rfc3339(world.now) });
        let (status, refused) = world.call(Op::Recover, &[&disabled], "", &body);
        assert_eq!((status, &refused["code"]), (400, &json!("endpoint_disabled")));
        assert_eq!(world.call(Op::Recover, &["nobody"], "", &body).0, 404);
    }

    #[test]
    fn tasks_are_limited_and_wait_their_turn() {
        let mut world = World::new(&[]);
        let endpoint = world.add_endpoint(&json!({}));
        world.deaf = true;
        for _ in 0..OPEN_MAX {
            world.now += 10;
            start(&mut world, Op::Recover, &endpoint);
        }
        let body = json!({ "since": rfc3339(world.now) });
        assert_eq!(world.call(Op::Recover, &[&endpoint], "", &body).1["code"], "limit_reached");
        world.deaf = false;
        world.pass(60_000);
        let finished = world.notes.iter().filter(|note| note.status == "finished").count();
        assert_eq!(finished, OPEN_MAX);
        start(&mut world, Op::Recover, &endpoint);
    }
}
