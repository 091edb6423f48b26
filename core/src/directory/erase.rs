//! Erasure: deletions are followed until nothing is left, and reported as background tasks.
//!
//! A tombstone in `app` stays until its App object says that it, and every Endpoint object below it, is erased; the alarm
//! asks again until then. With the tombstone, the task that reports the erasure is finished.
//!
//! A tenant that is erased loses all at once what is here, and its applications one after the other. Where nothing has been
//! made meanwhile, the Directory's own storage is then emptied as well, but for what must not be forgotten: which tokens
//! were revoked, and that all was erased.

use super::{ALARM_BATCH, Answer, Directory, Effect, LEASE_MS, schema};
use crate::api::call::Reply;
use crate::api::model::task::{TaskKind, TaskOut, TaskStatus};
use crate::error::ApiError;
use crate::id;
use crate::operational::APP_ID;
use crate::rng::Entropy;
use crate::sql::{self, Row, Sql, SqlError, Value};
use serde_json::{Value as Json, json};

/// What stays of a Directory whose storage is emptied.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    revoked: Vec<Row>,
    tasks: Vec<Row>,
    counters: Vec<Row>,
}

impl<S: Sql> Directory<S> {
    /// Begins to report an erasure: the id of its task.
    fn begin_erasure(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        kind: TaskKind,
        data: &Json,
    ) -> Result<String, SqlError> {
        let task_id = id::new(id::TASK, now, rng);
        self.forget_old_tasks(now)?;
        self.sql.exec(
            "INSERT INTO task (id, app_id, task, status, data, updated_at, version) VALUES (?1, '', ?2, ?3, ?4, ?5, 1)",
            &[
                Value::Text(&task_id),
                Value::Text(kind.text()),
                Value::Text(TaskStatus::Running.text()),
                Value::Text(&data.to_string()),
                Value::Int(now),
            ],
        )?;
        Ok(task_id)
    }

    fn end_erasure(&self, now: i64, task_id: &str) -> Result<(), SqlError> {
        self.sql.exec(
            "UPDATE task SET status = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1",
            &[Value::Text(task_id), Value::Text(TaskStatus::Finished.text()), Value::Int(now)],
        )
    }

    /// Leaves a tombstone in an application's place, or a source's, begins to erase it, and revokes its tokens: what they
    /// read of the tenant, they could read for as long as they are valid.
    pub(super) fn bury_app(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        app_id: &str,
    ) -> Result<Vec<Effect>, SqlError> {
        let (kind, data) = if id::is(id::SOURCE, app_id) {
            (TaskKind::SourceErase, json!({ "sourceId": app_id }))
        } else {
            (TaskKind::AppErase, json!({ "appId": app_id }))
        };
        let task_id = self.begin_erasure(now, rng, kind, &data)?;
        self.sql.exec(
            "UPDATE app SET state = 2, uid = NULL, name = '', rate = NULL, send_as = NULL, metadata = '{}', updated_at = ?2,
                due_at = ?3, tries = 0, erase_task = ?4 WHERE id = ?1",
            &[
                Value::Text(app_id),
                Value::Int(now),
                Value::Int(now.saturating_add(LEASE_MS)),
                Value::Text(&task_id),
            ],
        )?;
        self.revoke_app(now, app_id)?;
        self.forget_app(app_id)?;
        self.fail_tasks(now, app_id)?;
        self.refresh_due()?;
        Ok(vec![Effect::DeleteApp { app_id: app_id.to_owned() }])
    }

    /// An App object is erased: so is its tombstone, and what reports it is over.
    pub(super) fn unbury_app(&mut self, now: i64, app_id: &str) -> Result<(), SqlError> {
        let gone =
            self.sql.query("DELETE FROM app WHERE id = ?1 RETURNING erase_task", &[Value::Text(app_id)])?;
        if let Some(mut row) = gone.into_iter().next()
            && let Some(task_id) = row.opt_text(0)?
        {
            self.end_erasure(now, &task_id)?;
        }
        let left = self.sql.query("SELECT 1 FROM app WHERE state >= 2 LIMIT 1", &[])?;
        if left.is_empty()
            && let Some(task_id) = self.tenant_erasure()?
        {
            self.end_erasure(now, &task_id)?;
            self.wipe = self.is_empty()?;
        }
        Ok(())
    }

    /// The task of an erasure of the tenant that is under way.
    fn tenant_erasure(&self) -> Result<Option<String>, SqlError> {
        let rows = self.sql.query(
            "SELECT id FROM task WHERE task = ?1 AND status = ?2 ORDER BY id DESC LIMIT 1",
            &[Value::Text(TaskKind::TenantErase.text()), Value::Text(TaskStatus::Running.text())],
        )?;
        rows.into_iter().next().map(|mut row| row.text(0)).transpose()
    }

    fn is_empty(&self) -> Result<bool, SqlError> {
        let rows = self.sql.query(
            "SELECT EXISTS (SELECT 1 FROM app) OR EXISTS (SELECT 1 FROM source)
                OR EXISTS (SELECT 1 FROM event_type) OR EXISTS (SELECT 1 FROM plugin)",
            &[],
        )?;
        Ok(!rows.first().map_or(Ok(false), |row| row.flag(0))?)
    }

    /// Erases all that the tenant has.
    pub(super) fn erase_tenant(&mut self, now: i64, rng: &mut impl Entropy) -> Result<Answer, ApiError> {
        self.prepare(now)?;
        let started = |task_id: &str| {
            Reply::json(202, &TaskOut::new(task_id, TaskKind::TenantErase, TaskStatus::Running, now))
        };
        if let Some(task_id) = self.tenant_erasure()? {
            return Ok(started(&task_id).into());
        }
        for statement in [
            "DELETE FROM task",
            "DELETE FROM source",
            "DELETE FROM tenant",
            "DELETE FROM event_type",
            "DELETE FROM plugin",
            "DELETE FROM plugin_version",
            "DELETE FROM plugin_module",
            "DELETE FROM plugin_use",
            "DELETE FROM plugin_notice",
            "DELETE FROM trouble",
            "DELETE FROM usage_task",
            "DELETE FROM usage_part",
        ] {
            self.sql.exec(statement, &[])?;
        }
        let task_id = self.begin_erasure(now, rng, TaskKind::TenantErase, &json!({}))?;
        // The operational application is an object that the Directory has no row of.
        self.sql.exec(
            "INSERT INTO app (id, name, metadata, created_at, updated_at, state, version, due_at, tries)
             VALUES (?1, '', '{}', ?2, ?2, 2, 0, ?2, 0) ON CONFLICT (id) DO NOTHING",
            &[Value::Text(APP_ID), Value::Int(now)],
        )?;
        self.sql.exec(
            "UPDATE app SET state = 2, uid = NULL, name = '', rate = NULL, send_as = NULL, metadata = '{}', updated_at = ?1,
                due_at = ?1, tries = 0, erase_task = NULL WHERE state < 2",
            &[Value::Int(now)],
        )?;
        // The first of them are told before the answer, the others by the alarm.
        let rows = self.sql.query(
            "UPDATE app SET due_at = ?1 WHERE id IN (SELECT id FROM app WHERE state >= 2 ORDER BY id LIMIT ?2)
             RETURNING id",
            &[Value::Int(now.saturating_add(LEASE_MS)), Value::Int(ALARM_BATCH)],
        )?;
        let told = |mut row: Row| Ok(Effect::DeleteApp { app_id: row.text(0)? });
        let effects = rows.into_iter().map(told).collect::<Result<Vec<_>, SqlError>>()?;
        self.refresh_due()?;
        Ok(Answer { reply: started(&task_id), effects })
    }

    /// What is to stay, where the storage is to be emptied now. The platform empties it and calls [`restore`] in the same
    /// turn, before anything else can happen, and opens the Directory again.
    pub fn to_wipe(&mut self) -> Result<Option<Kept>, SqlError> {
        if !std::mem::take(&mut self.wipe) || !self.is_empty()? {
            return Ok(None);
        }
        Ok(Some(Kept {
            revoked: self.sql.query("SELECT key, issued_until, void_from, forget_at FROM revoked", &[])?,
            tasks: self
                .sql
                .query("SELECT id, app_id, task, status, data, updated_at, version FROM task", &[])?,
            counters: self.sql.query("SELECT name, value FROM counter", &[])?,
        }))
    }
}

/// Puts back what stays.
pub fn restore<S: Sql>(sql: &S, now: i64, kept: Kept) -> Result<(), SqlError> {
    sql::migrate(sql, schema::MIGRATIONS, now)?;
    for mut row in kept.revoked {
        sql.exec(
            "INSERT INTO revoked (key, issued_until, void_from, forget_at) VALUES (?1, ?2, ?3, ?4)",
            &[
                Value::Text(&row.text(0)?),
                Value::Int(row.int(1)?),
                Value::Int(row.int(2)?),
                Value::opt_int(row.opt_int(3)?),
            ],
        )?;
    }
    for mut row in kept.tasks {
        let texts = [row.text(0)?, row.text(1)?, row.text(2)?, row.text(3)?, row.text(4)?];
        let mut values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        values.extend([Value::Int(row.int(5)?), Value::Int(row.int(6)?)]);
        sql.exec(
            "INSERT INTO task (id, app_id, task, status, data, updated_at, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &values,
        )?;
    }
    for mut row in kept.counters {
        let (name, value) = (row.text(0)?, row.int(1)?);
        sql.exec(
            "INSERT INTO counter (name, value) VALUES (?1, ?2)",
            &[Value::Text(&name), Value::Int(value)],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::call::Call;
    use crate::api::route::Op;
    use crate::directory::Outcome;
    use crate::frame::{self, Revocation, RevokedAsk};
    use crate::rng::Seeded;
    use crate::source::SourceRecord;
    use crate::sql::memory::Memory;

    const NOW: i64 = 1_795_000_000_000;

    struct Tenant(Directory<Memory>, Seeded, Memory);

    impl Tenant {
        fn new() -> Self {
            let sql = Memory::new();
            Self(Directory::open(sql.clone(), NOW).expect("opens"), Seeded(1), sql)
        }

        fn call(&mut self, op: Op, params: &[&str], body: Vec<u8>) -> Outcome {
            self.0.handle(NOW, &mut self.1, &Call::of(op, params, "", body))
        }

        fn app(&mut self, uid: &str) -> String {
            let body = json!({ "name": "s3cret", "uid": uid }).to_string().into_bytes();
            let reply = self.call(Op::AppCreate, &[], body).reply;
            let made: Json = serde_json::from_slice(&reply.body).expect("json");
            made["id"].as_str().expect("an id").to_owned()
        }

        fn tasks(&mut self) -> Vec<(String, String, Json)> {
            let reply = self.call(Op::TaskList, &[], Vec::new()).reply;
            let page: Json = serde_json::from_slice(&reply.body).expect("json");
            let of = |task: &Json| {
                let text = |field: &str| task[field].as_str().expect("a text").to_owned();
                (text("task"), text("status"), task["data"].clone())
            };
            page["data"].as_array().expect("a list").iter().map(of).collect()
        }
    }

    #[test]
    fn a_deletion_is_a_task_until_the_object_has_erased_itself() {
        let mut tenant = Tenant::new();
        let app = tenant.app("one");
        let outcome = tenant.call(Op::AppDelete, &[&app], Vec::new());
        assert_eq!(outcome.reply.status, 204);
        let effect = Effect::DeleteApp { app_id: app.clone() };
        assert_eq!(outcome.before_reply, std::slice::from_ref(&effect));
        let task =
            |status: &str| vec![("application.erase".to_owned(), status.to_owned(), json!({ "appId": app }))];
        assert_eq!(tenant.tasks(), task("running"));
        tenant.0.done(NOW, &effect, false).expect("not yet");
        assert_eq!(tenant.tasks(), task("running"));
        let wake = tenant.0.alarm(NOW + 2_000).expect("an alarm");
        assert_eq!(wake.effects, std::slice::from_ref(&effect), "it is asked again");
        tenant.0.done(NOW, &effect, true).expect("done");
        assert_eq!(tenant.tasks(), task("finished"));
        assert_eq!(tenant.0.to_wipe(), Ok(None), "the tenant lives");
    }

    #[test]
    fn a_tenant_is_erased_with_all_that_it_has_but_for_what_was_revoked() {
        let mut tenant = Tenant::new();
        let apps: Vec<String> = (0..60).map(|n| tenant.app(&format!("uid-{n}"))).collect();
        let record = SourceRecord { name: "s3cret".into(), ..SourceRecord::default() };
        assert_eq!(tenant.call(Op::SourceCreate, &[], frame::encode(&record)).reply.status, 201);
        let body = json!({ "name": "s3cret.type", "description": "d" }).to_string().into_bytes();
        assert_eq!(tenant.call(Op::EventTypeCreate, &[], body).reply.status, 201);
        let revocation =
            Revocation { keys: vec!["hash".into()], issued_until: None, grace_ms: 0, forget_at: None };
        assert_eq!(tenant.call(Op::Revoke, &[], frame::encode(&revocation)).reply.status, 204);

        let outcome = tenant.call(Op::TenantErase, &[], Vec::new());
        assert_eq!(outcome.reply.status, 202);
        assert_eq!(outcome.before_reply.len(), usize::try_from(ALARM_BATCH).expect("small"));
        let again = tenant.call(Op::TenantErase, &[], Vec::new());
        assert_eq!((again.reply, again.before_reply.len()), (outcome.reply.clone(), 0), "it is under way");
        let dump = tenant.2.dump();
        assert!(!dump.contains("s3cret") && !dump.contains("uid-"), "{dump}");

        let mut effects = outcome.before_reply;
        let mut told = Vec::new();
        while !effects.is_empty() {
            for effect in &effects {
                told.push(effect.app_id().to_owned());
                tenant.0.done(NOW, effect, true).expect("done");
            }
            effects = tenant.0.alarm(NOW).expect("an alarm").effects;
        }
        assert_eq!(told.len(), 60 + 2, "the applications, the source, and the operational one");
        assert!(apps.iter().all(|app| told.contains(app)) && told.contains(&APP_ID.to_owned()));
        assert_eq!(tenant.tasks(), [("tenant.erase".to_owned(), "finished".to_owned(), json!({}))]);

        let kept = tenant.0.to_wipe().expect("kept").expect("it is empty");
        let sql = Memory::new();
        restore(&sql, NOW, kept).expect("restored");
        tenant.0 = Directory::open(sql, NOW).expect("opens");
        assert_eq!(tenant.tasks(), [("tenant.erase".to_owned(), "finished".to_owned(), json!({}))]);
        let ask = RevokedAsk { keys: vec!["hash".into()], issued_at: 0 };
        let reply = tenant.call(Op::IsRevoked, &[], frame::encode(&ask)).reply;
        assert_eq!(reply.body, b"true");
        tenant.app("uid-0");
    }

    #[test]
    fn what_is_made_while_a_tenant_is_erased_stays() {
        let mut tenant = Tenant::new();
        tenant.app("one");
        let outcome = tenant.call(Op::TenantErase, &[], Vec::new());
        tenant.app("one");
        for effect in &outcome.before_reply {
            tenant.0.done(NOW, effect, true).expect("done");
        }
        assert_eq!(tenant.tasks()[0].1, "finished");
        assert_eq!(tenant.0.to_wipe(), Ok(None));
        assert_eq!(tenant.call(Op::AppGet, &["one"], Vec::new()).reply.status, 200);
    }
}
