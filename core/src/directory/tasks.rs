//! The tenant's background tasks, as reported by the App objects that run them.

use super::{Directory, param};
use crate::api::call::{Call, Reply};
use crate::api::model::task::{BackgroundTaskOut, TaskOut, TaskQuery, TaskStatus};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame::{self, TaskNote};
use crate::id;
use crate::operational::APP_ID;
use crate::sql::{Row, Sql, SqlError, Value};
use crate::time::rfc3339;

/// How long tasks are listed.
const KEEP_MS: i64 = 90 * 86_400_000;

const ASCENDING: &str =
    "SELECT id, task, status, updated_at, data FROM task WHERE id > ?1 ORDER BY id LIMIT ?2";
const DESCENDING: &str =
    "SELECT id, task, status, updated_at, data FROM task WHERE id < ?1 ORDER BY id DESC LIMIT ?2";

impl<S: Sql> Directory<S> {
    /// Takes a report of an App object about a task; reports older than the newest are ignored. A task of a deleted
    /// application has ended, whatever a late report says.
    pub(super) fn note_task(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let mut note: TaskNote = frame::decode(&call.body).map_err(ApiError::Internal)?;
        self.prepare(now)?;
        // The Directory has no row of the operational application.
        let runs = note.status == TaskStatus::Running.text();
        if runs && note.app_id != APP_ID && self.find_app(&note.app_id)?.is_none() {
            TaskStatus::Failed.text().clone_into(&mut note.status);
        }
        self.forget_old_tasks(now)?;
        self.sql.exec(
            "INSERT INTO task (id, app_id, task, status, data, updated_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, data = excluded.data,
                updated_at = excluded.updated_at, version = excluded.version
                WHERE excluded.version > version",
            &[
                Value::Text(&note.id),
                Value::Text(&note.app_id),
                Value::Text(&note.task),
                Value::Text(&note.status),
                Value::Text(&note.data),
                Value::Int(note.updated_at),
                Value::Int(note.version),
            ],
        )?;
        Ok(Reply::empty(204))
    }

    /// Ends the tasks of an application that is deleted: its object drops them with everything else.
    pub(super) fn fail_tasks(&self, now: i64, app_id: &str) -> Result<(), SqlError> {
        self.sql.exec(
            "UPDATE task SET status = ?2, updated_at = ?3 WHERE app_id = ?1 AND status = ?4",
            &[
                Value::Text(app_id),
                Value::Text(TaskStatus::Failed.text()),
                Value::Int(now),
                Value::Text(TaskStatus::Running.text()),
            ],
        )
    }

    pub(super) fn forget_old_tasks(&self, now: i64) -> Result<(), SqlError> {
        let oldest = id::floor(id::TASK, now.saturating_sub(KEEP_MS));
        self.sql.exec("DELETE FROM task WHERE id < ?1", &[Value::Text(&oldest)])?;
        self.sql.exec("DELETE FROM usage_part WHERE task_id < ?1", &[Value::Text(&oldest)])
    }

    pub(super) fn list_tasks(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let query = TaskQuery::parse(&call.query)?;
        let page = &query.page;
        let sql = if page.reads_ascending() { ASCENDING } else { DESCENDING };
        let rows = |from: &str, count: i64| {
            if !self.ready {
                return Ok(Vec::new());
            }
            let rows = self.sql.query(sql, &[Value::Text(from), Value::Int(count)])?;
            rows.into_iter().map(read).collect::<Result<Vec<_>, SqlError>>()
        };
        let is_wanted = |found: &BackgroundTaskOut| {
            query.status.as_ref().is_none_or(|status| *status == found.task.status)
                && query.task.as_ref().is_none_or(|task| *task == found.task.task)
        };
        page.answer(page.gather(rows, |found| &found.task.id, is_wanted)?, |found| &found.task.id)
    }

    pub(super) fn get_task(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let unknown = || ApiError::not_found("Task");
        if !self.ready {
            return Err(unknown());
        }
        let rows = self.sql.query(
            "SELECT id, task, status, updated_at, data FROM task WHERE id = ?1",
            &[Value::Text(param(call)?)],
        )?;
        let task = read(rows.into_iter().next().ok_or_else(unknown)?)?;
        Ok(Reply::json(200, &self.with_usage(task)?))
    }
}

fn read(mut row: Row) -> Result<BackgroundTaskOut, SqlError> {
    let data = row.text(4)?;
    Ok(BackgroundTaskOut {
        task: TaskOut {
            id: row.text(0)?,
            task: row.text(1)?,
            status: row.text(2)?,
            updated_at: rfc3339(row.int(3)?),
        },
        data: serde_json::from_str(&data)
            .map_err(|error| SqlError(format!("the data of a task: {error}")))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Op;
    use crate::rng::Seeded;
    use crate::sql::memory::Memory;
    use serde_json::{Value as Json, json};

    const NOW: i64 = 1_795_000_000_000;

    /// A Directory, and the application whose tasks it is told of.
    struct World(Directory<Memory>, String);

    impl World {
        fn new() -> Self {
            let mut world = Self(Directory::open(Memory::new(), NOW).expect("opens"), String::new());
            let (status, app) =
                world.ask(Op::AppCreate, &[], "", json!({ "name": "a" }).to_string().into_bytes());
            assert_eq!(status, 201, "{app}");
            world.1 = app["id"].as_str().expect("an id").to_owned();
            world
        }

        fn ask(&mut self, op: Op, params: &[&str], query: &str, body: Vec<u8>) -> (u16, Json) {
            let call = Call::of(op, params, query, body);
            let reply = self.0.handle(NOW, &mut Seeded(1), &call).reply;
            (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Json::Null))
        }

        fn note(&mut self, id: &str, status: &str, messages: u32, version: i64) {
            let note = TaskNote {
                id: id.to_owned(),
                app_id: self.1.clone(),
                task: "endpoint.recover".to_owned(),
                status: status.to_owned(),
                data: json!({ "messages": messages }).to_string(),
                updated_at: NOW,
                version,
            };
            assert_eq!(self.ask(Op::TaskNote, &[], "", frame::encode(&note)).0, 204);
        }
    }

    #[test]
    fn the_newest_news_of_a_task_count() {
        let mut world = World::new();
        assert_eq!(world.ask(Op::TaskList, &[], "", vec![]).1["data"], json!([]));
        let task = id::new(id::TASK, NOW, &mut Seeded(2));
        assert_eq!(world.ask(Op::TaskGet, &[&task], "", vec![]).0, 404);
        world.note(&task, "running", 0, 1);
        world.note(&task, "finished", 9, 3);
        world.note(&task, "running", 5, 2);
        let (status, shown) = world.ask(Op::TaskGet, &[&task], "", vec![]);
        assert_eq!(
            (status, &shown),
            (
                200,
                &json!({"id": task, "task": "endpoint.recover", "status": "finished",
                    "updatedAt": rfc3339(NOW), "data": {"messages": 9}})
            )
        );
        assert_eq!(world.ask(Op::TaskList, &[], "", vec![]).1["data"][0], shown);
    }

    #[test]
    fn the_tasks_of_a_deleted_application_have_failed_whatever_is_reported_late() {
        let mut world = World::new();
        let [known, late, over] = [2, 3, 4].map(|seed| id::new(id::TASK, NOW, &mut Seeded(seed)));
        world.note(&known, "running", 1, 1);
        world.note(&over, "finished", 1, 2);
        let app = world.1.clone();
        assert_eq!(world.ask(Op::AppDelete, &[&app], "", vec![]).0, 204);
        world.note(&known, "running", 2, 2);
        world.note(&late, "running", 0, 1);
        for (task, status) in [(&known, "failed"), (&late, "failed"), (&over, "finished")] {
            assert_eq!(world.ask(Op::TaskGet, &[task], "", vec![]).1["status"], status);
        }
        // The operational application is in no list, and its tasks go on.
        APP_ID.clone_into(&mut world.1);
        world.note(&late, "running", 1, 2);
        assert_eq!(world.ask(Op::TaskGet, &[&late], "", vec![]).1["status"], "running");
    }

    #[test]
    fn tasks_are_listed_newest_first_filtered_and_not_for_ever() {
        let mut world = World::new();
        let old = id::new(id::TASK, NOW - KEEP_MS - 1000, &mut Seeded(2));
        let [a, b] = [NOW - 1000, NOW].map(|at| id::new(id::TASK, at, &mut Seeded(3)));
        world.note(&old, "finished", 1, 1);
        world.note(&a, "finished", 1, 1);
        world.note(&b, "running", 1, 1);
        let mut ids = |query: &str| -> Vec<String> {
            let list = world.ask(Op::TaskList, &[], query, vec![]).1;
            let ids = list["data"].as_array().expect("a list").iter();
            ids.map(|task| task["id"].as_str().expect("an id").to_owned()).collect()
        };
        assert_eq!(ids(""), [b.clone(), a.clone()]);
        assert_eq!(ids("order=ascending&limit=1"), [a.as_str()]);
        assert_eq!(ids("status=running"), [b]);
        assert_eq!(ids("status=finished&task=endpoint.recover"), [a]);
        assert!(ids("task=endpoint.replay").is_empty());
    }
}
