//! Applications: the API's operations on them, and the calls that inform their App objects.

use super::{ALARM_BATCH, Answer, Directory, Effect, LEASE_MS, MAX_WAIT_MS, Resolved, Wake, param};
use crate::api::call::{Call, Reply};
use crate::api::model::application::{ApplicationContent, ApplicationIn, ApplicationOut, ApplicationPatch};
use crate::api::model::is_name;
use crate::api::page::{Keys, Order, Page, raw};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame;
use crate::id;
use crate::retry::doubled;
use crate::rng::Entropy;
use crate::send_as::SendAs;
use crate::sql::{Row, Sql, SqlError, Value};

const LIVE: i64 = 1;
const DELETING: i64 = 2;
/// A tombstone whose object was told of its existence while it was told of its deletion: it must be told of
/// the deletion once more.
const DELETING_TWICE: i64 = 3;

const BY_ID: &str = "SELECT id, uid, name, rate, metadata, created_at, updated_at, version, due_at, send_as
    FROM app WHERE id = ?1 AND state < 2";
const BY_UID: &str = "SELECT id, uid, name, rate, metadata, created_at, updated_at, version, due_at, send_as
    FROM app WHERE uid = ?1 AND state < 2";
const ASCENDING: &str =
    "SELECT id, uid, name, rate, metadata, created_at, updated_at, version, due_at, send_as, state
    FROM app WHERE id > ?1 AND id < 'app_~' ORDER BY id LIMIT ?2";
const DESCENDING: &str =
    "SELECT id, uid, name, rate, metadata, created_at, updated_at, version, due_at, send_as, state
    FROM app WHERE id < ?1 AND id < 'app_~' ORDER BY id DESC LIMIT ?2";

/// How long to wait before a notice is sent again, after this many failures.
pub(super) fn wait_after(tries: i64) -> i64 {
    doubled(1_000, u32::try_from(tries.saturating_add(1)).unwrap_or(0), MAX_WAIT_MS)
}

#[derive(Clone)]
pub(super) struct App {
    id: String,
    content: ApplicationContent,
    created_at: i64,
    updated_at: i64,
    version: i64,
    /// Whether the App object knows this version.
    acknowledged: bool,
}

impl App {
    fn read(mut row: Row) -> Result<Self, SqlError> {
        let metadata = row.text(4)?;
        Ok(Self {
            id: row.text(0)?,
            content: ApplicationContent {
                uid: row.opt_text(1)?,
                name: row.text(2)?,
                rate: row.opt_int(3)?.and_then(|rate| u16::try_from(rate).ok()),
                metadata: serde_json::from_str(&metadata)
                    .map_err(|error| SqlError(format!("the metadata of an application: {error}")))?,
                send_as: read_send_as(row.opt_blob(9)?)?,
            },
            created_at: row.int(5)?,
            updated_at: row.int(6)?,
            version: row.int(7)?,
            acknowledged: row.opt_int(8)?.is_none(),
        })
    }

    fn out(self) -> ApplicationOut {
        ApplicationOut::new(self.id, self.content, self.created_at, self.updated_at)
    }

    /// What its object has not acknowledged.
    pub(super) fn unacknowledged(&self) -> Vec<Effect> {
        let (app_id, uid, version) = (self.id.clone(), self.content.uid.clone(), self.version);
        let (rate, send_as) = (self.content.rate, self.content.send_as.clone());
        if self.acknowledged {
            Vec::new()
        } else {
            vec![Effect::InitApp { app_id, uid, version, rate, send_as }]
        }
    }
}

fn read_send_as(stored: Option<Vec<u8>>) -> Result<Option<SendAs>, SqlError> {
    stored.map(|bytes| frame::decode(&bytes).map_err(SqlError)).transpose()
}

fn metadata_json(content: &ApplicationContent) -> Result<String, ApiError> {
    serde_json::to_string(&content.metadata).map_err(|error| ApiError::Internal(error.to_string()))
}

impl<S: Sql> Directory<S> {
    pub(super) fn newest_app(&self) -> Result<Option<String>, SqlError> {
        let rows = self.sql.query("SELECT max(id) FROM app WHERE id < 'app_~'", &[])?;
        rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_text(0))
    }

    pub(super) fn refresh_due(&mut self) -> Result<(), SqlError> {
        let rows = self.sql.query(
            "SELECT (SELECT min(due_at) FROM app WHERE due_at IS NOT NULL),
                (SELECT min(due_at) FROM plugin_notice), (SELECT min(due_at) FROM usage_task)",
            &[],
        )?;
        let Some(row) = rows.first() else { return Ok(()) };
        self.next_due = row.opt_int(0)?.into_iter().chain(row.opt_int(1)?).chain(row.opt_int(2)?).min();
        Ok(())
    }

    /// The application of this id or uid, or a source's of the source's id. A uid never looks like an id, so there is no
    /// doubt which it is.
    pub(super) fn find_app(&self, name: &str) -> Result<Option<App>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        let by_id = id::is(id::APP, name) || id::is(id::SOURCE, name);
        let sql = if by_id { BY_ID } else { BY_UID };
        let rows = self.sql.query(sql, &[Value::Text(name)])?;
        rows.into_iter().next().map(App::read).transpose()
    }

    fn app(&self, name: &str) -> Result<App, ApiError> {
        self.find_app(name)?.ok_or_else(|| ApiError::not_found("Application"))
    }

    /// Refuses the uid of another application.
    fn check_uid_is_free(&self, uid: Option<&str>, but_for: Option<&str>) -> Result<(), ApiError> {
        let Some(uid) = uid else { return Ok(()) };
        match self.find_app(uid)? {
            Some(other) if Some(other.id.as_str()) != but_for => {
                Err(ApiError::conflict(format!("Another application has the uid {uid}. Choose another uid.")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn list_apps(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let page = Page::from_query(&call.query, Keys::Id(id::APP), Order::Ascending)?;
        let sql = if page.reads_ascending() { ASCENDING } else { DESCENDING };
        let read = |from: &str, count: i64| -> Result<Vec<(bool, App)>, SqlError> {
            if !self.ready {
                return Ok(Vec::new());
            }
            let rows = self.sql.query(sql, &[Value::Text(from), Value::Int(count)])?;
            rows.into_iter().map(|row| Ok((row.int(10)? < DELETING, App::read(row)?))).collect()
        };
        // A tombstone is passed over.
        let apps = page.gather(read, |(_, app)| &app.id, |(is_live, _)| *is_live)?;
        page.answer_with(apps, |(_, app)| &app.id, |(_, app)| raw(&app.clone().out()).map(Some))
    }

    pub(super) fn get_app(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        Ok(Reply::json(200, &self.app(param(call)?)?.out()))
    }

    /// Which application is meant ([`Resolved`]); tells its object again of its existence if that is not known to have
    /// arrived.
    pub(super) fn resolve(&self, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let app = self.app(param(call)?)?;
        let effects = app.unacknowledged();
        let reply = Reply::json(200, &Resolved { id: app.id, uid: app.content.uid });
        Ok(Answer { reply, effects })
    }

    pub(super) fn create_app(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let get_if_exists = call.query.flag("get_if_exists")?.unwrap_or(false);
        let new = ApplicationIn::parse(&call.body)?;
        if let (true, Some(uid)) = (get_if_exists, &new.uid)
            && let Some(app) = self.find_app(uid)?
        {
            let effects = app.unacknowledged();
            return Ok(Answer { reply: Reply::json(200, &app.out()), effects });
        }
        self.check_uid_is_free(new.uid.as_deref(), None)?;
        self.insert_app(now, rng, new.into())
    }

    fn insert_app(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        mut content: ApplicationContent,
    ) -> Result<Answer, ApiError> {
        self.prepare(now)?;
        if content.send_as.is_none() {
            content.send_as = self.default_send_as()?;
        }
        let app = App {
            id: self.app_ids.next(now, rng),
            content,
            created_at: now,
            updated_at: now,
            version: 1,
            acknowledged: false,
        };
        self.insert(now, &app)?;
        let effects = app.unacknowledged();
        Ok(Answer { reply: Reply::json(201, &app.out()), effects })
    }

    /// An application that no list has, under that id.
    pub(super) fn insert_hidden_app(&mut self, now: i64, id: &str) -> Result<Vec<Effect>, ApiError> {
        let app = App {
            id: id.to_owned(),
            content: ApplicationContent::default(),
            created_at: now,
            updated_at: now,
            version: 1,
            acknowledged: false,
        };
        self.insert(now, &app)?;
        Ok(app.unacknowledged())
    }

    fn insert(&mut self, now: i64, app: &App) -> Result<(), ApiError> {
        let send_as = app.content.send_as.as_ref().map(frame::encode);
        self.sql.exec(
            "INSERT INTO app (id, uid, name, rate, metadata, created_at, updated_at, state, version, due_at,
                tries, send_as) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, ?7, ?8, 0, ?9)",
            &[
                Value::Text(&app.id),
                Value::opt_text(app.content.uid.as_deref()),
                Value::Text(&app.content.name),
                Value::opt_int(app.content.rate.map(i64::from)),
                Value::Text(&metadata_json(&app.content)?),
                Value::Int(now),
                Value::Int(app.version),
                Value::Int(now.saturating_add(LEASE_MS)),
                Value::opt_blob(send_as.as_ref()),
            ],
        )?;
        self.refresh_due()?;
        Ok(())
    }

    /// Stores changed content; a changed uid, rate or preset is something that the App object must be told.
    fn store_app(&mut self, now: i64, app: App, content: ApplicationContent) -> Result<Answer, ApiError> {
        self.check_uid_is_free(content.uid.as_deref(), Some(&app.id))?;
        let renamed = content.uid != app.content.uid
            || content.rate != app.content.rate
            || content.send_as != app.content.send_as;
        let send_as = content.send_as.as_ref().map(frame::encode);
        let version = app.version.saturating_add(i64::from(renamed));
        let due_at = renamed.then(|| now.saturating_add(LEASE_MS));
        let app =
            App { content, updated_at: now, version, acknowledged: app.acknowledged && !renamed, ..app };
        self.sql.exec(
            "UPDATE app SET uid = ?2, name = ?3, rate = ?4, metadata = ?5, updated_at = ?6, version = ?7,
                due_at = coalesce(?8, due_at), tries = CASE WHEN ?8 IS NULL THEN tries ELSE 0 END, send_as = ?9
                WHERE id = ?1",
            &[
                Value::Text(&app.id),
                Value::opt_text(app.content.uid.as_deref()),
                Value::Text(&app.content.name),
                Value::opt_int(app.content.rate.map(i64::from)),
                Value::Text(&metadata_json(&app.content)?),
                Value::Int(now),
                Value::Int(version),
                Value::opt_int(due_at),
                Value::opt_blob(send_as.as_ref()),
            ],
        )?;
        self.refresh_due()?;
        let effects = app.unacknowledged();
        Ok(Answer { reply: Reply::json(200, &app.out()), effects })
    }

    /// PUT: changes the application, or creates it where the path names one by a uid that is free.
    ///
    /// Whoever names an application by uid means it to keep that uid, unless the body gives it another: so
    /// the same PUT twice finds what it made.
    pub(super) fn update_app(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let name = param(call)?;
        let mut content: ApplicationContent = ApplicationIn::parse(&call.body)?.into();
        let by_id = id::is(id::APP, name);
        if !by_id && content.uid.is_none() {
            content.uid = Some(name.to_owned());
        }
        match self.find_app(name)? {
            Some(app) => self.store_app(now, app, content),
            None if by_id => Err(ApiError::not_found("Application")),
            None if !is_name(name) || id::looks_like_id(name) => Err(ApiError::invalid(
                &["path", "app_id"],
                "Use a uid of 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and .",
            )),
            None => {
                self.check_uid_is_free(content.uid.as_deref(), None)?;
                self.insert_app(now, rng, content)
            }
        }
    }

    pub(super) fn patch_app(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let patch = ApplicationPatch::parse(&call.body)?;
        let app = self.app(param(call)?)?;
        let mut content = app.content.clone();
        content.apply(patch)?;
        self.store_app(now, app, content)
    }

    /// Leaves a tombstone until the App object is erased; the uid can be used again at once.
    pub(super) fn delete_app(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let app = self.app(param(call)?)?;
        let effects = self.bury_app(now, rng, &app.id)?;
        Ok(Answer { reply: Reply::empty(204), effects })
    }

    /// Records the result of an effect. Returns when [`Directory::alarm`] must run at the latest.
    pub fn done(&mut self, now: i64, effect: &Effect, ok: bool) -> Result<Option<i64>, SqlError> {
        self.prepare(now)?;
        let id = Value::Text(effect.app_id());
        let rows = self.sql.query("SELECT state, version, tries FROM app WHERE id = ?1", &[id])?;
        let known = match rows.first() {
            None => None,
            Some(row) => Some((row.int(0)?, row.int(1)?, row.int(2)?)),
        };
        match (effect, known) {
            (Effect::InitApp { .. }, None) => {
                // The deletion overtook it and is long acknowledged, so the object may exist again.
                self.sql.exec(
                    "INSERT INTO app (id, name, metadata, created_at, updated_at, state, version, due_at,
                        tries) VALUES (?1, '', '{}', ?2, ?2, 2, 0, ?2, 0)",
                    &[id, Value::Int(now)],
                )?;
            }
            // Which of the two arrived last is not known.
            (Effect::InitApp { .. }, Some((DELETING | DELETING_TWICE, ..))) => {
                self.sql
                    .exec("UPDATE app SET state = ?2 WHERE id = ?1", &[id, Value::Int(DELETING_TWICE)])?;
            }
            (Effect::InitApp { version, .. }, Some((_, current, tries))) => {
                if *version != current {
                    // A newer one is under way.
                } else if ok {
                    self.sql.exec(
                        "UPDATE app SET state = ?2, due_at = NULL, tries = 0 WHERE id = ?1",
                        &[id, Value::Int(LIVE)],
                    )?;
                } else {
                    self.try_again(now, id, tries)?;
                }
            }
            (Effect::DeleteApp { .. }, Some((DELETING, ..))) if ok => {
                self.unbury_app(now, effect.app_id())?;
            }
            (Effect::DeleteApp { .. }, Some((DELETING_TWICE, ..))) if ok => {
                self.sql.exec(
                    "UPDATE app SET state = ?2, due_at = ?3, tries = 0 WHERE id = ?1",
                    &[id, Value::Int(DELETING), Value::Int(now)],
                )?;
            }
            (Effect::DeleteApp { .. }, Some((DELETING | DELETING_TWICE, _, tries))) => {
                self.try_again(now, id, tries)?;
            }
            (Effect::DeleteApp { .. } | Effect::TellOfPlugin { .. } | Effect::AskUsage(_), _) => {}
        }
        self.refresh_due()?;
        Ok(self.next_due)
    }

    /// After a failure: in 1 s, 2 s, 4 s … at most five minutes. Only what is still unacknowledged.
    fn try_again(&self, now: i64, id: Value<'_>, tries: i64) -> Result<(), SqlError> {
        let wait = wait_after(tries);
        self.sql.exec(
            "UPDATE app SET due_at = ?2, tries = tries + 1 WHERE id = ?1 AND due_at IS NOT NULL",
            &[id, Value::Int(now.saturating_add(wait))],
        )
    }

    /// The notices to App objects that are due again.
    pub fn alarm(&mut self, now: i64) -> Result<Wake, SqlError> {
        let mut effects = Vec::new();
        if self.ready {
            let rows = self.sql.query(
                "SELECT id, uid, version, state, rate, send_as FROM app WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
                &[Value::Int(now), Value::Int(ALARM_BATCH)],
            )?;
            for mut row in rows {
                let app_id = row.text(0)?;
                self.sql.exec(
                    "UPDATE app SET due_at = ?2 WHERE id = ?1",
                    &[Value::Text(&app_id), Value::Int(now.saturating_add(LEASE_MS))],
                )?;
                effects.push(if row.int(3)? >= DELETING {
                    Effect::DeleteApp { app_id }
                } else {
                    let rate = row.opt_int(4)?.and_then(|rate| u16::try_from(rate).ok());
                    let send_as = read_send_as(row.opt_blob(5)?)?;
                    Effect::InitApp { app_id, uid: row.opt_text(1)?, version: row.int(2)?, rate, send_as }
                });
            }
            effects.extend(self.due_notices(now, ALARM_BATCH)?);
            effects.extend(self.due_usage(now)?);
            self.refresh_due()?;
        }
        Ok(Wake { effects, alarm: self.next_due })
    }
}
