//! Where plugins are attached, and what the applications have to know of them.
//!
//! The App object has the truth of its endpoints' plugins; here is the list of places that may have one, which
//! never has too few. It promises: whatever happens to the plugin, every endpoint that follows it learns of it.
//!
//! One number, which rises with every change, orders it all. Attaching takes three steps: the places are noted here
//! under a new number, which goes along with the resolved plugins ([`ResolvedPlugins`]); the App stores them; and the
//! App is told how the plugins stand ([`PluginNotice`]) and answers where they really are, which drops the places
//! that are none. The last step is due some time after the first in any case, so a crash anywhere leaves only places
//! too many, for a while. What could go wrong is that the App is told of a change (and says that it has no such
//! plugin) before it stores what was resolved before that change. So the App remembers the highest number it was told
//! of, and refuses what was resolved under that number or a lower one: it is resolved again.

use super::apps::wait_after;
use super::{ALARM_BATCH, Answer, Directory, Effect, LEASE_MS, nth_param, param};
use crate::api::body::Faults;
use crate::api::call::{Call, Reply};
use crate::api::model::plugin::{AttachmentsIn, PlaceOut, check_config, config_schema};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame::{self, PluginFollowers, PluginNotice, PluginUses, ResolvedPlugins};
use crate::plugin::{Attached, BUNDLED};
use crate::sql::{Row, Sql, SqlError, Value};
use serde_json::value::RawValue;

/// A version and its manifest; or a field, and what is wrong with it.
type Chosen = Result<(String, Option<Box<RawValue>>), (&'static str, &'static str)>;

/// How many Apps are told before a caller is answered; the alarm tells the others at once.
const PROMPT: i64 = 20;
/// How many endpoints a new version is tried on.
const FOLLOWERS: i64 = 100;
/// How many places a refusal names.
const NAMED: usize = 10;

impl<S: Sql> Directory<S> {
    fn next_seq(&self) -> Result<i64, SqlError> {
        let rows = self.sql.query(
            "INSERT INTO counter (name, value) VALUES ('plugins', 1)
             ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            &[],
        )?;
        rows.first().ok_or_else(|| SqlError("a counter without a value".to_owned()))?.int(0)
    }

    /// Resolves the plugins that an endpoint shall have, and notes that it may have them. Parameters: the
    /// application's and the endpoint's id.
    pub(super) fn attach_plugins(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let (app_id, endpoint_id) = (param(call)?, nth_param(call, 1)?);
        let wanted = AttachmentsIn::parse(&call.body)?;
        let mut faults = Faults::default();
        let mut plugins = Vec::new();
        for (at, attachment) in wanted.plugins.iter().enumerate() {
            let at = at.to_string();
            let (version, manifest) = match self.choose(&attachment.name, attachment.version.as_deref())? {
                Ok(chosen) => chosen,
                Err((field, msg)) => {
                    faults.add(&["plugins", &at, field], msg);
                    continue;
                }
            };
            let schema = config_schema(manifest.as_deref().map(RawValue::get))?;
            check_config(&mut faults, &["plugins", &at, "config"], schema.as_ref(), attachment.config());
            plugins.push(Attached {
                name: attachment.name.clone(),
                version,
                pinned: attachment.version.is_some(),
                config: attachment.config().map(str::to_owned),
                on_error: attachment.on_error.unwrap_or_default(),
            });
        }
        faults.into_result()?;
        self.prepare(now)?;
        let seq = self.next_seq()?;
        for plugin in &plugins {
            self.sql.exec(
                "INSERT INTO plugin_use (plugin, app_id, endpoint_id, pinned, seq, doomed)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0)
                 ON CONFLICT (plugin, app_id, endpoint_id, pinned) DO UPDATE SET seq = excluded.seq, doomed = 0",
                &[
                    Value::Text(&plugin.name),
                    Value::Text(app_id),
                    Value::Text(endpoint_id),
                    Value::Text(if plugin.pinned { &plugin.version } else { "" }),
                    Value::Int(seq),
                ],
            )?;
        }
        // Those that the endpoint has had so far are in this list, too: they may be there no more.
        self.sql.exec(
            "INSERT INTO plugin_notice (app_id, plugin, seq, due_at, tries)
             SELECT DISTINCT ?1, plugin, ?3, ?4, 0 FROM plugin_use WHERE app_id = ?1 AND endpoint_id = ?2
             ON CONFLICT (app_id, plugin) DO UPDATE SET seq = excluded.seq,
                due_at = min(due_at, excluded.due_at), tries = 0",
            &[
                Value::Text(app_id),
                Value::Text(endpoint_id),
                Value::Int(seq),
                Value::Int(now.saturating_add(LEASE_MS)),
            ],
        )?;
        self.refresh_due()?;
        let resolved = ResolvedPlugins { seq, plugins };
        Ok(Reply { status: 200, body: frame::encode(&resolved), ..Reply::default() })
    }

    /// The version of a plugin that an attachment means, and its manifest; else the field that is at fault, and why.
    fn choose(&self, name: &str, version: Option<&str>) -> Result<Chosen, SqlError> {
        let (own, bundled) = (self.find_plugin(name)?, self.find_bundled(name));
        Ok(match (own, bundled, version) {
            (_, Some(bundled), Some(BUNDLED)) | (None, Some(bundled), None) => {
                Ok((BUNDLED.to_owned(), bundled.manifest.clone()))
            }
            (None, Some(_), Some(_)) => Err((
                "version",
                "A bundled plugin has the version of the deployment: omit the version. To pin a version, \
                 upload the plugin.",
            )),
            (None, None, _) => {
                Err(("name", "No plugin has this name. Upload it first, or bundle it with the deployment."))
            }
            (Some(plugin), _, version) => {
                match self.find_version(&plugin, version.unwrap_or(&plugin.current))? {
                    Some(version) => Ok((version.id, version.manifest)),
                    None => Err((
                        "version",
                        "The plugin does not have this version. List its versions to see which exist.",
                    )),
                }
            }
        })
    }

    /// The App has stored what was resolved under a number, or has not and never will: it is told, which shows what
    /// it has. Where something came under a later number, that is settled with it. Parameters: the application's id,
    /// the number.
    pub(super) fn settle_plugins(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let app_id = param(call)?;
        let seq: i64 = nth_param(call, 1)?.parse().map_err(|_| ApiError::Internal("no number".to_owned()))?;
        self.prepare(now)?;
        self.sql.exec(
            "UPDATE plugin_notice SET due_at = ?3 WHERE app_id = ?1 AND seq = ?2",
            &[Value::Text(app_id), Value::Int(seq), Value::Int(now)],
        )?;
        Ok(Answer { reply: Reply::empty(204), effects: self.prompt_notices(now)? })
    }

    /// Where a plugin is followed: [`PluginFollowers`], the first of them where they are many.
    pub(super) fn plugin_followers(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let mut endpoints = Vec::new();
        if self.ready {
            let rows = self.sql.query(
                "SELECT app_id, endpoint_id FROM plugin_use WHERE plugin = ?1 AND pinned = '' AND doomed = 0 LIMIT ?2",
                &[Value::Text(param(call)?), Value::Int(FOLLOWERS)],
            )?;
            for mut row in rows {
                endpoints.push((row.text(0)?, row.text(1)?));
            }
        }
        Ok(Reply::frame(200, &PluginFollowers { endpoints }))
    }

    /// The first endpoints that a plugin is attached to. One from which it was just detached may still be among them.
    pub(super) fn attached_to(&self, plugin: &str) -> Result<Vec<PlaceOut>, SqlError> {
        if !self.ready {
            return Ok(Vec::new());
        }
        let rows = self.sql.query(
            "SELECT app_id, endpoint_id, pinned FROM plugin_use WHERE plugin = ?1 AND doomed = 0
             ORDER BY app_id, endpoint_id, pinned LIMIT ?2",
            &[Value::Text(plugin), Value::Int(FOLLOWERS)],
        )?;
        let place = |mut row: Row| {
            let pinned = row.text(2)?;
            let version = Some(pinned).filter(|version| !version.is_empty());
            Ok(PlaceOut { app_id: row.text(0)?, endpoint_id: row.text(1)?, version })
        };
        rows.into_iter().map(place).collect()
    }

    /// Asks Apps where a plugin is attached, so that places that are none do not keep it from being deleted.
    pub(super) fn verify_plugin(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let name = param(call)?;
        let effects = if self.find_plugin(name)?.is_some() {
            let seq = self.next_seq()?;
            self.sql.exec(
                "INSERT INTO plugin_notice (app_id, plugin, seq, due_at, tries)
                 SELECT DISTINCT app_id, ?1, ?2, ?3, 0 FROM plugin_use WHERE plugin = ?1 LIMIT ?4
                 ON CONFLICT (app_id, plugin) DO UPDATE SET seq = excluded.seq, due_at = excluded.due_at",
                &[Value::Text(name), Value::Int(seq), Value::Int(now), Value::Int(PROMPT)],
            )?;
            self.prompt_notices(now)?
        } else {
            Vec::new()
        };
        Ok(Answer { reply: Reply::empty(204), effects })
    }

    /// A 409 that names places, where a plugin, or a version of it, is attached.
    pub(super) fn check_unused(&self, plugin: &str, version: Option<&str>) -> Result<(), ApiError> {
        let rows = self.sql.query(
            "SELECT DISTINCT app_id, endpoint_id FROM plugin_use
             WHERE plugin = ?1 AND doomed = 0 AND (pinned = ?2 OR ?2 IS NULL AND pinned <> 'bundled')",
            &[Value::Text(plugin), Value::opt_text(version)],
        )?;
        let count = rows.len();
        if count == 0 {
            return Ok(());
        }
        let mut places = Vec::new();
        for mut row in rows.into_iter().take(NAMED) {
            places.push(format!("{} of {}", row.text(1)?, row.text(0)?));
        }
        let more = if count > NAMED { ", …" } else { "" };
        let what = if version.is_some() { "This version is pinned by" } else { "The plugin is attached to" };
        Err(ApiError::conflict(format!(
            "{what} {count} endpoint{}: {}{more}. Detach it there first, or send ?force=true, which detaches it.",
            if count == 1 { "" } else { "s" },
            places.join(", "),
        )))
    }

    /// Every App that may have the plugin has to be told how it stands: written down here, and the first told before
    /// the caller is answered.
    pub(super) fn notify(&mut self, now: i64, plugin: &str) -> Result<Vec<Effect>, SqlError> {
        let seq = self.next_seq()?;
        self.sql.exec(
            "INSERT INTO plugin_notice (app_id, plugin, seq, due_at, tries)
             SELECT DISTINCT app_id, ?1, ?2, ?3, 0 FROM plugin_use WHERE plugin = ?1
             ON CONFLICT (app_id, plugin) DO UPDATE SET seq = excluded.seq, due_at = excluded.due_at, tries = 0",
            &[Value::Text(plugin), Value::Int(seq), Value::Int(now)],
        )?;
        self.prompt_notices(now)
    }

    fn prompt_notices(&mut self, now: i64) -> Result<Vec<Effect>, SqlError> {
        let effects = self.due_notices(now, PROMPT)?;
        self.refresh_due()?;
        Ok(effects)
    }

    /// What Apps have to be told by now. They are told again after a while unless they have answered.
    pub(super) fn due_notices(&self, now: i64, most: i64) -> Result<Vec<Effect>, SqlError> {
        let rows = self.sql.query(
            "SELECT app_id, plugin, seq, (SELECT current FROM plugin WHERE name = plugin_notice.plugin) FROM plugin_notice
             WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
            &[Value::Int(now), Value::Int(most.min(ALARM_BATCH))],
        )?;
        let mut effects = Vec::new();
        for mut row in rows {
            let (app_id, plugin) = (row.text(0)?, row.text(1)?);
            let (seq, current) = (row.int(2)?, self.followed(&plugin, row.opt_text(3)?));
            let key = [Value::Text(&app_id), Value::Text(&plugin)];
            let doomed = self.sql.query(
                "SELECT endpoint_id, pinned FROM plugin_use WHERE app_id = ?1 AND plugin = ?2 AND doomed = 1",
                &key,
            )?;
            let mut remove = Vec::new();
            for mut row in doomed {
                let pinned = row.text(1)?;
                remove.push((row.text(0)?, (!pinned.is_empty()).then_some(pinned)));
            }
            let [app, name] = key;
            self.sql.exec(
                "UPDATE plugin_notice SET due_at = ?3 WHERE app_id = ?1 AND plugin = ?2",
                &[app, name, Value::Int(now.saturating_add(LEASE_MS))],
            )?;
            effects
                .push(Effect::TellOfPlugin { app_id, notice: PluginNotice { plugin, seq, current, remove } });
        }
        Ok(effects)
    }

    /// An App was told how a plugin stands, and answered where it has it; `None` where it did not. When
    /// [`Directory::alarm`] must run at the latest.
    pub fn told_of_plugin(
        &mut self,
        now: i64,
        app_id: &str,
        notice: &PluginNotice,
        answer: Option<&PluginUses>,
    ) -> Result<Option<i64>, SqlError> {
        self.prepare(now)?;
        let key = [Value::Text(app_id), Value::Text(&notice.plugin), Value::Int(notice.seq)];
        let [app, plugin, seq] = key;
        if let Some(answer) = answer {
            let place = |(endpoint_id, pinned): &(String, Option<String>)| {
                format!("{endpoint_id}/{}", pinned.as_deref().unwrap_or_default())
            };
            let places: Vec<String> = answer.uses.iter().map(place).collect();
            let places = serde_json::to_string(&places).map_err(|e| SqlError(e.to_string()))?;
            // What was noted under a later number the App may not know yet.
            self.sql.exec(
                "DELETE FROM plugin_use WHERE app_id = ?1 AND plugin = ?2 AND seq <= ?3
                    AND endpoint_id || '/' || pinned NOT IN (SELECT value FROM json_each(?4))",
                &[app, plugin, seq, Value::Text(&places)],
            )?;
            self.sql
                .exec("DELETE FROM plugin_notice WHERE app_id = ?1 AND plugin = ?2 AND seq = ?3", &key)?;
        } else {
            let rows = self.sql.query(
                "UPDATE plugin_notice SET tries = tries + 1 WHERE app_id = ?1 AND plugin = ?2 AND seq = ?3
                 RETURNING tries",
                &key,
            )?;
            if let Some(row) = rows.first() {
                let due_at = now.saturating_add(wait_after(row.int(0)?.saturating_sub(1)));
                self.sql.exec(
                    "UPDATE plugin_notice SET due_at = ?3 WHERE app_id = ?1 AND plugin = ?2",
                    &[app, plugin, Value::Int(due_at)],
                )?;
            }
        }
        self.refresh_due()?;
        Ok(self.next_due)
    }

    /// An application that is deleted has no endpoints.
    pub(super) fn forget_app(&self, app_id: &str) -> Result<(), SqlError> {
        for statement in [
            "DELETE FROM plugin_use WHERE app_id = ?1",
            "DELETE FROM plugin_notice WHERE app_id = ?1",
            "DELETE FROM trouble WHERE app_id = ?1",
        ] {
            self.sql.exec(statement, &[Value::Text(app_id)])?;
        }
        Ok(())
    }
}
