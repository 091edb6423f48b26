//! Event types: the API's operations on them, and the check of endpoints' subscriptions.

use super::{Directory, param};
use crate::api::call::{Call, Reply};
use crate::api::model::event_type::{
    EventTypeContent, EventTypeIn, EventTypeOut, EventTypePatch, RefusedTypes,
};
use crate::api::model::openapi::{ImportIn, ImportOut, ImportOutData, Imported};
use crate::api::page::{Keys, Order, Page, raw};
use crate::api::route::DirectoryOp;
use crate::error::{ApiError, Code};
use crate::preset;
use crate::sql::{Row, Sql, SqlError, Value};
use serde_json::value::RawValue;

const BY_NAME: &str = "SELECT name, description, archived, deprecated, schemas, feature_flags, group_name,
    created_at, updated_at FROM event_type WHERE name = ?1";
// Without their schemas.
const ASCENDING: &str = "SELECT name, description, archived, deprecated, NULL, feature_flags,
    group_name, created_at, updated_at FROM event_type WHERE name > ?1 ORDER BY name LIMIT ?2";
const DESCENDING: &str = "SELECT name, description, archived, deprecated, NULL, feature_flags,
    group_name, created_at, updated_at FROM event_type WHERE name < ?1 ORDER BY name DESC LIMIT ?2";

#[derive(Clone)]
struct EventType {
    name: String,
    content: EventTypeContent,
    created_at: i64,
    updated_at: i64,
}

impl EventType {
    fn read(mut row: Row) -> Result<Self, SqlError> {
        let broken = |error: serde_json::Error| SqlError(format!("an event type: {error}"));
        let schemas = row.opt_text(4)?.map(RawValue::from_string).transpose().map_err(broken)?;
        let flags = flags_of(row.opt_text(5)?)?;
        Ok(Self {
            name: row.text(0)?,
            content: EventTypeContent {
                description: row.text(1)?,
                archived: row.flag(2)?,
                deprecated: row.flag(3)?,
                schemas,
                feature_flags: flags,
                group_name: row.opt_text(6)?,
            },
            created_at: row.int(7)?,
            updated_at: row.int(8)?,
        })
    }

    fn is_visible_to(&self, call: &Call<DirectoryOp>) -> bool {
        call.sees_any_of(self.content.feature_flags.as_deref())
    }

    fn out(self) -> EventTypeOut {
        EventTypeOut::new(self.name, self.content, self.created_at, self.updated_at)
    }
}

impl<S: Sql> Directory<S> {
    fn find_event_type(&self, name: &str) -> Result<Option<EventType>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        let rows = self.sql.query(BY_NAME, &[Value::Text(name)])?;
        rows.into_iter().next().map(EventType::read).transpose()
    }

    fn event_type(&self, name: &str) -> Result<EventType, ApiError> {
        self.find_event_type(name)?.ok_or_else(|| ApiError::not_found("Event type"))
    }

    fn store_event_type(&mut self, now: i64, event_type: &EventType) -> Result<(), ApiError> {
        self.prepare(now)?;
        let content = &event_type.content;
        let flags = content
            .feature_flags
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        self.sql.exec(
            "INSERT INTO event_type (name, description, archived, deprecated, schemas, feature_flags,
                group_name, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                ON CONFLICT (name) DO UPDATE SET description = ?2, archived = ?3, deprecated = ?4,
                schemas = ?5, feature_flags = ?6, group_name = ?7, updated_at = ?9",
            &[
                Value::Text(&event_type.name),
                Value::Text(&content.description),
                Value::flag(content.archived),
                Value::flag(content.deprecated),
                Value::opt_text(content.schemas.as_deref().map(RawValue::get)),
                Value::opt_text(flags.as_deref()),
                Value::opt_text(content.group_name.as_deref()),
                Value::Int(event_type.created_at),
                Value::Int(event_type.updated_at),
            ],
        )?;
        Ok(())
    }

    /// Applications see event types behind feature flags only with a token that has one of them.
    pub(super) fn list_event_types(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let query = &call.query;
        let page = Page::from_query(query, Keys::Name, Order::Ascending)?;
        let include_archived = query.flag("include_archived")?.unwrap_or(false);
        let with_content = query.with_content(false)?;
        let sql = if page.reads_ascending() { ASCENDING } else { DESCENDING };
        let read = |from: &str, count: i64| {
            if !self.ready {
                return Ok(Vec::new());
            }
            let bounds = [Value::Text(from), Value::Int(count)];
            self.sql
                .query(sql, &bounds)?
                .into_iter()
                .map(EventType::read)
                .collect::<Result<Vec<_>, SqlError>>()
        };
        let is_shown = |event_type: &EventType| {
            (include_archived || !event_type.content.archived) && event_type.is_visible_to(call)
        };
        let found = page.gather(read, |event_type| &event_type.name, is_shown)?;
        // Schemas are read one after the other: each may be large.
        let write = |event_type: &EventType| {
            let whole = if with_content { self.find_event_type(&event_type.name)? } else { None };
            raw(&whole.unwrap_or_else(|| event_type.clone()).out()).map(Some)
        };
        page.answer_with(found, |event_type| &event_type.name, write)
    }

    /// 201 for a new one, and for an archived one that this brings back.
    pub(super) fn create_event_type(
        &mut self,
        now: i64,
        call: &Call<DirectoryOp>,
    ) -> Result<Reply, ApiError> {
        let EventTypeIn { name, content } = EventTypeIn::parse(&call.body)?;
        let created_at = match self.find_event_type(&name)? {
            Some(old) if !old.content.archived => {
                return Err(ApiError::new(
                    Code::EventTypeExists,
                    format!("An event type with the name {name} exists. Update it with PUT or PATCH."),
                ));
            }
            Some(old) => old.created_at,
            None => now,
        };
        let event_type = EventType { name, content, created_at, updated_at: now };
        self.store_event_type(now, &event_type)?;
        Ok(Reply::json(201, &event_type.out()))
    }

    pub(super) fn get_event_type(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let event_type = self.event_type(param(call)?)?;
        if !event_type.is_visible_to(call) {
            return Err(ApiError::not_found("Event type"));
        }
        Ok(Reply::json(200, &event_type.out()))
    }

    pub(super) fn update_event_type(
        &mut self,
        now: i64,
        call: &Call<DirectoryOp>,
    ) -> Result<Reply, ApiError> {
        let EventTypeIn { name, content } = EventTypeIn::parse_update(param(call)?, &call.body)?;
        let old = self.find_event_type(&name)?;
        let status = if old.is_some() { 200 } else { 201 };
        let created_at = old.map_or(now, |old| old.created_at);
        let event_type = EventType { name, content, created_at, updated_at: now };
        self.store_event_type(now, &event_type)?;
        Ok(Reply::json(status, &event_type.out()))
    }

    pub(super) fn patch_event_type(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let patch = EventTypePatch::parse(&call.body)?;
        let mut event_type = self.event_type(param(call)?)?;
        event_type.content.apply(patch);
        event_type.updated_at = now;
        self.store_event_type(now, &event_type)?;
        Ok(Reply::json(200, &event_type.out()))
    }

    pub(super) fn delete_event_type(
        &mut self,
        now: i64,
        call: &Call<DirectoryOp>,
    ) -> Result<Reply, ApiError> {
        let expunge = call.query.flag("expunge")?.unwrap_or(false);
        let mut event_type = self.event_type(param(call)?)?;
        if expunge {
            self.sql.exec("DELETE FROM event_type WHERE name = ?1", &[Value::Text(&event_type.name)])?;
        } else {
            event_type.content.archived = true;
            event_type.updated_at = now;
            self.store_event_type(now, &event_type)?;
        }
        Ok(Reply::empty(204))
    }

    /// Creates or updates all event types of an OpenAPI document; archived ones are restored.
    pub(super) fn import_event_types(
        &mut self,
        now: i64,
        call: &Call<DirectoryOp>,
    ) -> Result<Reply, ApiError> {
        let import = ImportIn::parse(&call.body)?;
        let modified: Vec<String> = import.found.iter().map(|(name, _)| name.clone()).collect();
        if import.dry_run {
            let to_modify =
                import.found.into_iter().map(|(name, content)| Imported::new(name, content)).collect();
            let data = ImportOutData { modified, to_modify: Some(to_modify) };
            return Ok(Reply::json(200, &ImportOut { data }));
        }
        self.prepare(now)?;
        if import.replace_all {
            let kept =
                serde_json::to_string(&modified).map_err(|error| ApiError::Internal(error.to_string()))?;
            self.sql.exec(
                "UPDATE event_type SET archived = 1, updated_at = ?2
                 WHERE archived = 0 AND name NOT IN (SELECT value FROM json_each(?1))",
                &[Value::Text(&kept), Value::Int(now)],
            )?;
        }
        for (name, content) in import.found {
            let created_at = self.find_event_type(&name)?.map_or(now, |old| old.created_at);
            self.store_event_type(now, &EventType { name, content, created_at, updated_at: now })?;
        }
        Ok(Reply::json(200, &ImportOut { data: ImportOutData { modified, to_modify: None } }))
    }

    /// Creates or updates all event types of a preset's catalog, with their examples; archived ones are restored.
    pub(super) fn make_event_types(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let preset = preset::find(param(call)?).ok_or_else(|| ApiError::not_found("Preset"))?;
        let mut modified = Vec::new();
        for (group, event) in preset.events() {
            let schemas = format!(r#"{{"1":{{"examples":[{}]}}}}"#, preset.example(event));
            let schemas =
                RawValue::from_string(schemas).map_err(|error| ApiError::Internal(error.to_string()))?;
            let content = EventTypeContent {
                description: event.description.clone(),
                schemas: Some(schemas),
                group_name: group.map(str::to_owned),
                ..EventTypeContent::default()
            };
            let created_at = self.find_event_type(&event.name)?.map_or(now, |old| old.created_at);
            let name = event.name.clone();
            self.store_event_type(now, &EventType { name, content, created_at, updated_at: now })?;
            modified.push(event.name.clone());
        }
        Ok(Reply::json(200, &ImportOut { data: ImportOutData { modified, to_modify: None } }))
    }

    /// Which of the names (the call's parameters) cannot be subscribed to.
    pub(super) fn check_event_types(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let mut refused = RefusedTypes::default();
        if !self.ready {
            refused.unknown.clone_from(&call.params);
            return Ok(Reply::json(200, &refused));
        }
        let names =
            serde_json::to_string(&call.params).map_err(|error| ApiError::Internal(error.to_string()))?;
        let rows = self.sql.query(
            "SELECT value, name IS NULL, feature_flags FROM json_each(?1)
                LEFT JOIN event_type ON name = value AND archived = 0
                WHERE name IS NULL OR feature_flags IS NOT NULL ORDER BY key",
            &[Value::Text(&names)],
        )?;
        for mut row in rows {
            let name = row.text(0)?;
            if row.flag(1)? {
                refused.unknown.push(name);
            } else if !call.sees_any_of(flags_of(row.opt_text(2)?)?.as_deref()) {
                refused.hidden.push(name);
            }
        }
        Ok(Reply::json(200, &refused))
    }
}

fn flags_of(stored: Option<String>) -> Result<Option<Vec<String>>, SqlError> {
    let read = stored.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|error| SqlError(format!("an event type: {error}")))
}
