//! Counting over all applications: background tasks of the Directory itself.
//!
//! A task goes through the applications in the order of their ids, a batch with every alarm: their App objects are
//! asked, and what they say is stored as a part of the result together with the place to go on from. So a crash repeats
//! a batch, and nothing is counted twice.

use super::{Answer, Directory, Effect, LEASE_MS, param};
use crate::api::call::{Call, Reply};
use crate::api::model::task::{BackgroundTaskOut, TaskKind, TaskOut, TaskStatus};
use crate::api::model::usage::{AppEventTypes, AppStats, Usage, UsageOut};
use crate::api::route::DirectoryOp;
use crate::error::{ApiError, Code};
use crate::frame::{UsageAnswer, UsageAsk};
use crate::id;
use crate::rng::Entropy;
use crate::sql::{Row, Sql, SqlError, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// How many applications are asked at once.
const BATCH: i64 = 50;
/// The number of failures of a batch that end the task.
const MAX_TRIES: i64 = 10;
/// How many counts may be under way.
const OPEN_MAX: i64 = 5;

/// A row has parts of a result of so many bytes, or the part of one application.
const PART_BYTES: usize = 512 * 1024;
/// So many bytes of a result are shown. If it has more, it says `truncated`.
pub const RESULT_MAX_BYTES: usize = 8 * 1024 * 1024;

/// An application that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageApp {
    /// `app_…`.
    pub id: String,
    /// The caller's own name.
    pub uid: Option<String>,
}

/// A batch of a count: whom to ask, and what. Reported with [`Directory::told_usage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageBatch {
    task_id: String,
    kind: TaskKind,
    /// Whom.
    pub apps: Vec<UsageApp>,
    /// What.
    pub ask: UsageAsk,
}

/// The field of a result that its parts make up.
fn field_of(kind: TaskKind) -> &'static str {
    if kind == TaskKind::AppStats { "appStats" } else { "event_types" }
}

impl<S: Sql> Directory<S> {
    /// Starts to count the attempts of applications in a period.
    pub(super) fn count_attempts(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let usage = Usage::parse(&call.body)?;
        let (mut ids, mut unresolved) = (BTreeSet::new(), Vec::new());
        for key in usage.apps.iter().flatten() {
            match self.app_id(key)? {
                Some(app_id) => {
                    ids.insert(app_id);
                }
                None => unresolved.push(key.clone()),
            }
        }
        if usage.apps.is_some() && ids.is_empty() {
            return Err(ApiError::invalid(&["body", "appIds"], "None of these applications exists."));
        }
        let only = usage.apps.map(|_| json!(ids).to_string());
        let task =
            self.start_usage(now, rng, TaskKind::AppStats, (usage.since, usage.until), only.as_deref())?;
        let out = UsageOut { task, unresolved_app_ids: unresolved };
        Ok(Reply::json(202, &out).into())
    }

    /// Starts to collect the event types to which endpoints subscribe.
    pub(super) fn gather_event_types(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
    ) -> Result<Answer, ApiError> {
        let task = self.start_usage(now, rng, TaskKind::EventTypes, (0, now), None)?;
        Ok(Reply::json(202, &task).into())
    }

    fn start_usage(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        kind: TaskKind,
        (since, until): (i64, i64),
        only: Option<&str>,
    ) -> Result<TaskOut, ApiError> {
        self.prepare(now)?;
        let open = self.sql.query("SELECT count(*) FROM usage_task", &[])?;
        if open.first().map_or(Ok(0), |row| row.int(0))? >= OPEN_MAX {
            let detail =
                format!("The limit of {OPEN_MAX} running counts is reached. Wait for one to finish.");
            return Err(ApiError::new(Code::LimitReached, detail));
        }
        let task_id = id::new(id::TASK, now, rng);
        self.forget_old_tasks(now)?;
        self.sql.exec(
            "INSERT INTO usage_task (id, kind, since, until, only, place, due_at, tries)
             VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 0)",
            &[
                Value::Text(&task_id),
                Value::Text(kind.text()),
                Value::Int(since),
                Value::Int(until),
                Value::opt_text(only),
                Value::Int(now),
            ],
        )?;
        self.sql.exec(
            "INSERT INTO task (id, app_id, task, status, data, updated_at, version)
             VALUES (?1, '', ?2, ?3, '{}', ?4, 1)",
            &[
                Value::Text(&task_id),
                Value::Text(kind.text()),
                Value::Text(TaskStatus::Running.text()),
                Value::Int(now),
            ],
        )?;
        self.refresh_due()?;
        Ok(TaskOut::new(&task_id, kind, TaskStatus::Running, now))
    }

    /// The next batch of a count that is due. One that has come to its end is over.
    pub(super) fn due_usage(&mut self, now: i64) -> Result<Option<Effect>, SqlError> {
        let rows = self.sql.query(
            "SELECT id, kind, since, until, only, place FROM usage_task WHERE due_at <= ?1 ORDER BY due_at LIMIT 1",
            &[Value::Int(now)],
        )?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        let (task_id, kind) = (row.text(0)?, row.text(1)?);
        let kind = if kind == TaskKind::AppStats.text() { TaskKind::AppStats } else { TaskKind::EventTypes };
        let (since, until, only, place) = (row.int(2)?, row.int(3)?, row.opt_text(4)?, row.text(5)?);
        let apps = self.usage_apps(&place, only.as_deref())?;
        if apps.is_empty() {
            self.end_usage(now, &task_id, TaskStatus::Finished)?;
            return Ok(None);
        }
        self.sql.exec(
            "UPDATE usage_task SET due_at = ?2 WHERE id = ?1",
            &[Value::Text(&task_id), Value::Int(now.saturating_add(LEASE_MS))],
        )?;
        let ask = UsageAsk { since, until, counts: kind == TaskKind::AppStats };
        Ok(Some(Effect::AskUsage(UsageBatch { task_id, kind, apps, ask })))
    }

    fn usage_apps(&self, place: &str, only: Option<&str>) -> Result<Vec<UsageApp>, SqlError> {
        let bounds = [Value::Text(place), Value::Int(BATCH), Value::opt_text(only)];
        let rows = if only.is_some() {
            self.sql.query(
                "SELECT app.id, app.uid FROM json_each(?3) AS wanted JOIN app ON app.id = wanted.value
                 WHERE app.id > ?1 AND state < 2 ORDER BY app.id LIMIT ?2",
                &bounds,
            )?
        } else {
            self.sql.query(
                "SELECT id, uid FROM app WHERE id > ?1 AND state < 2 AND ?3 IS NULL ORDER BY id LIMIT ?2",
                &bounds,
            )?
        };
        rows.into_iter().map(|mut row| Ok(UsageApp { id: row.text(0)?, uid: row.opt_text(1)? })).collect()
    }

    /// Goes on with what the App objects said, in the order in which they were asked; `None` where one could not be
    /// asked. Answers with when [`Directory::alarm`] must run at the latest.
    pub fn told_usage(
        &mut self,
        now: i64,
        batch: &UsageBatch,
        told: Option<&[UsageAnswer]>,
    ) -> Result<Option<i64>, SqlError> {
        let id = Value::Text(&batch.task_id);
        let rows = self.sql.query("SELECT place, tries FROM usage_task WHERE id = ?1", &[id])?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(self.next_due) }; // it was stopped
        let (place, tries) = (row.text(0)?, row.int(1)?);
        let last = batch.apps.last().map(|app| app.id.as_str()).unwrap_or_default();
        match told {
            // A repeated result of a batch counts once.
            Some(told) if place.as_str() < last => {
                for (place, part) in parts(batch, told).map_err(|error| SqlError(error.to_string()))? {
                    self.sql.exec(
                        "INSERT INTO usage_part (task_id, place, data) VALUES (?1, ?2, ?3)",
                        &[id, Value::Text(place), Value::Text(&part)],
                    )?;
                }
                self.sql.exec(
                    "UPDATE usage_task SET place = ?2, due_at = ?3, tries = 0 WHERE id = ?1",
                    &[id, Value::Text(last), Value::Int(now)],
                )?;
            }
            Some(_) => {}
            None if tries >= MAX_TRIES => self.end_usage(now, &batch.task_id, TaskStatus::Failed)?,
            None => {
                let at = now.saturating_add(super::apps::wait_after(tries));
                self.sql.exec(
                    "UPDATE usage_task SET due_at = ?2, tries = tries + 1 WHERE id = ?1",
                    &[id, Value::Int(at)],
                )?;
            }
        }
        self.refresh_due()?;
        Ok(self.next_due)
    }

    fn end_usage(&mut self, now: i64, task_id: &str, status: TaskStatus) -> Result<(), SqlError> {
        self.sql.exec("DELETE FROM usage_task WHERE id = ?1", &[Value::Text(task_id)])?;
        self.sql.exec(
            "UPDATE task SET status = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1",
            &[Value::Text(task_id), Value::Text(status.text()), Value::Int(now)],
        )
    }

    /// Stops a count before its end.
    pub(super) fn stop_usage(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let task_id = param(call)?;
        let open = self.sql.query("SELECT 1 FROM usage_task WHERE id = ?1", &[Value::Text(task_id)])?;
        if open.is_empty() {
            return Err(ApiError::conflict("The task has already finished."));
        }
        self.end_usage(now, task_id, TaskStatus::Failed)?;
        self.refresh_due()?;
        self.get_task(call)
    }

    /// Puts the result of a count into a task that is shown alone.
    pub(super) fn with_usage(&self, mut task: BackgroundTaskOut) -> Result<BackgroundTaskOut, ApiError> {
        let kind = match task.task.task.as_str() {
            kind if kind == TaskKind::AppStats.text() => TaskKind::AppStats,
            kind if kind == TaskKind::EventTypes.text() => TaskKind::EventTypes,
            _ => return Ok(task),
        };
        if task.task.status != TaskStatus::Finished.text() {
            return Ok(task);
        }
        let (mut items, mut bytes, mut place) = (Vec::new(), 0usize, String::new());
        loop {
            let rows = self.sql.query(
                "SELECT place, data FROM usage_part WHERE task_id = ?1 AND place > ?2 ORDER BY place LIMIT 1",
                &[Value::Text(&task.task.id), Value::Text(&place)],
            )?;
            let Some(mut row) = rows.into_iter().next() else { break };
            let data = row.text(1)?;
            bytes = bytes.saturating_add(data.len());
            if bytes > RESULT_MAX_BYTES {
                task.data = json!({ field_of(kind): items, "truncated": true });
                return Ok(task);
            }
            let part: Vec<Json> =
                serde_json::from_str(&data).map_err(|error| ApiError::Internal(error.to_string()))?;
            items.extend(part);
            place = row.text(0)?;
        }
        task.data = json!({ field_of(kind): items });
        Ok(task)
    }

    /// The id of the application with this id or uid.
    fn app_id(&self, key: &str) -> Result<Option<String>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        let sql = if id::is(id::APP, key) {
            "SELECT id FROM app WHERE id = ?1 AND state < 2"
        } else {
            "SELECT id FROM app WHERE uid = ?1 AND state < 2"
        };
        let rows = self.sql.query(sql, &[Value::Text(key)])?;
        rows.into_iter().next().map(|mut row: Row| row.text(0)).transpose()
    }
}

/// What a batch adds to the result, as texts of JSON arrays, each with its last application. The last one ends the batch.
fn parts<'a>(
    batch: &'a UsageBatch,
    told: &[UsageAnswer],
) -> Result<Vec<(&'a str, String)>, serde_json::Error> {
    let (mut parts, mut open): (Vec<(&str, String)>, String) = (Vec::new(), String::new());
    let mut last = "";
    for (app, usage) in batch.apps.iter().zip(told) {
        let item = if batch.kind == TaskKind::AppStats {
            serde_json::to_string(&AppStats::new(&app.id, app.uid.as_deref(), usage))?
        } else {
            serde_json::to_string(&AppEventTypes::new(&app.id, usage))?
        };
        if !open.is_empty() && open.len().saturating_add(item.len()) > PART_BYTES {
            parts.push((last, format!("[{}]", std::mem::take(&mut open))));
        }
        if !open.is_empty() {
            open.push(',');
        }
        open.push_str(&item);
        last = &app.id;
    }
    parts.push((last, format!("[{open}]")));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Op;
    use crate::rng::Seeded;
    use crate::sql::memory::Memory;
    use crate::time::rfc3339;

    const NOW: i64 = 1_795_000_000_000;

    struct World {
        sql: Memory,
        directory: Directory<Memory>,
        rng: Seeded,
        now: i64,
        /// Whom the alarms have asked.
        asked: Vec<String>,
    }

    impl World {
        fn new(apps: usize) -> Self {
            let sql = Memory::new();
            let directory = Directory::open(sql.clone(), NOW).expect("opens");
            let mut world = Self { sql, directory, rng: Seeded(1), now: NOW, asked: Vec::new() };
            for n in 0..apps {
                let uid = format!("app-{n}");
                let (status, app) = world.ask(Op::AppCreate, "", &json!({ "name": uid, "uid": uid }));
                assert_eq!(status, 201, "{app}");
            }
            world
        }

        fn ask(&mut self, op: Op, param: &str, body: &Json) -> (u16, Json) {
            self.now += 10;
            let params: &[&str] = if param.is_empty() { &[] } else { &[param] };
            let call = Call::of(op, params, "", body.to_string().into_bytes());
            let outcome = self.directory.handle(self.now, &mut self.rng, &call);
            for effect in outcome.before_reply {
                self.directory.done(self.now, &effect, true).expect("done");
            }
            (outcome.reply.status, serde_json::from_slice(&outcome.reply.body).unwrap_or(Json::Null))
        }

        /// Alarms go off until none is set; App objects answer with `answer`, or not at all.
        fn run(&mut self, alarms: usize, answer: Option<&UsageAnswer>) {
            for _ in 0..alarms {
                let Some(at) = self.directory.next_alarm() else { return };
                self.now = self.now.max(at);
                for effect in self.directory.alarm(self.now).expect("wakes").effects {
                    let Effect::AskUsage(batch) = effect else { panic!("{effect:?}") };
                    self.asked.extend(batch.apps.iter().map(|app| app.id.clone()));
                    let told = answer.map(|answer| vec![answer.clone(); batch.apps.len()]);
                    self.directory.told_usage(self.now, &batch, told.as_deref()).expect("told");
                    // An answer that comes twice changes nothing.
                    self.directory.told_usage(self.now, &batch, told.as_deref()).expect("told");
                }
            }
        }

        fn start(&mut self, apps: &Json) -> (u16, Json) {
            let body = json!({ "since": rfc3339(NOW - 1_000), "until": rfc3339(NOW), "appIds": apps });
            self.ask(Op::UsageApps, "", &body)
        }

        fn task(&mut self, started: &Json) -> Json {
            self.ask(Op::TaskGet, started["id"].as_str().expect("an id"), &Json::Null).1
        }
    }

    fn answer(attempts: i64) -> UsageAnswer {
        UsageAnswer { attempts, event_types: vec!["a.b".into()], catches_all: true, truncated: false }
    }

    #[test]
    fn attempts_are_counted_over_all_applications_in_batches() {
        let mut world = World::new(120);
        let (status, started) = world.start(&Json::Null);
        assert_eq!((status, &started["task"]), (202, &json!("application.stats")), "{started}");
        assert_eq!((&started["status"], &started["unresolvedAppIds"]), (&json!("running"), &json!([])));
        assert_eq!(world.task(&started)["data"], json!({}));
        world.run(2, Some(&answer(2)));
        world.directory = Directory::open(world.sql.clone(), world.now).expect("opens again");
        world.run(100, Some(&answer(2)));
        assert_eq!(world.asked.len(), 120, "each once");
        let task = world.task(&started);
        let stats = task["data"]["appStats"].as_array().expect("a result");
        assert_eq!((&task["status"], stats.len()), (&json!("finished"), 120));
        assert_eq!((&stats[7]["messageDestinations"], &stats[7]["appUid"]), (&json!(2), &json!("app-7")));
        assert_eq!(world.directory.next_alarm(), None);
    }

    #[test]
    fn event_types_are_gathered() {
        let mut world = World::new(1);
        let (status, started) = world.ask(Op::UsageEventTypes, "", &Json::Null);
        assert_eq!((status, &started["task"]), (202, &json!("event-type.aggregate")), "{started}");
        world.run(10, Some(&answer(0)));
        let task = world.task(&started);
        let types = &task["data"]["event_types"][0];
        assert_eq!(types["explicitlySubscribedEventTypes"], json!(["a.b"]), "{task}");
        assert_eq!(types["hasCatchAllEndpoint"], true);
    }

    #[test]
    fn a_result_is_stored_in_rows_of_a_bounded_size_and_shown_up_to_so_many_bytes() {
        let mut world = World::new(70);
        let large = |bytes: usize| UsageAnswer { event_types: vec!["t".repeat(bytes)], ..answer(0) };
        for (bytes, whole) in [(20_000, true), (250_000, false)] {
            let (_, started) = world.ask(Op::UsageEventTypes, "", &Json::Null);
            world.run(10, Some(&large(bytes)));
            let task = world.task(&started);
            let shown = task["data"]["event_types"].as_array().expect("a result").len();
            assert_eq!(task["status"], "finished");
            assert_eq!((shown == 70, task["data"]["truncated"] == true), (whole, !whole), "{shown}");
            assert!(shown * bytes > RESULT_MAX_BYTES / 2 || whole);
            assert!(task.to_string().len() < RESULT_MAX_BYTES + 1_000);
        }
        let rows = world.sql.query("SELECT max(length(data)) FROM usage_part", &[]).expect("rows");
        assert!(rows[0].int(0).expect("a number") < 600_000);
        // Each application is in one part, though answers come twice.
        let rows = world.sql.query("SELECT count(*) FROM usage_part", &[]).expect("rows");
        assert!((35..=80).contains(&rows[0].int(0).expect("a number")), "{rows:?}");
    }

    #[test]
    fn a_count_of_some_names_those_that_do_not_exist() {
        let mut world = World::new(3);
        let (status, started) = world.start(&json!(["app-1", "nobody", "app-1"]));
        assert_eq!((status, &started["unresolvedAppIds"]), (202, &json!(["nobody"])), "{started}");
        world.run(10, Some(&answer(5)));
        let task = world.task(&started);
        assert_eq!(task["data"]["appStats"].as_array().map(Vec::len), Some(1), "{task}");
        assert_eq!(world.start(&json!(["nobody"])).0, 422);
    }

    #[test]
    fn applications_that_cannot_be_asked_are_asked_again_and_not_for_ever() {
        let mut world = World::new(1);
        let (_, started) = world.start(&Json::Null);
        world.run(3, None);
        world.run(10, Some(&answer(1)));
        assert_eq!(world.task(&started)["status"], "finished");
        let (_, started) = world.start(&Json::Null);
        world.run(100, None);
        assert_eq!(
            (world.task(&started)["status"].as_str(), world.directory.next_alarm()),
            (Some("failed"), None)
        );
    }

    #[test]
    fn a_count_can_be_stopped_and_not_too_many_are_under_way() {
        let mut world = World::new(1);
        let (_, first) = world.start(&Json::Null);
        for _ in 1..OPEN_MAX {
            assert_eq!(world.start(&Json::Null).0, 202);
        }
        assert_eq!(world.start(&Json::Null).1["code"], "limit_reached");
        let id = first["id"].as_str().expect("an id");
        let (status, stopped) = world.ask(Op::UsageStop, id, &Json::Null);
        assert_eq!((status, &stopped["status"]), (200, &json!("failed")), "{stopped}");
        assert_eq!(world.ask(Op::UsageStop, id, &Json::Null).0, 409);
        assert_eq!(world.start(&Json::Null).0, 202);
    }
}
