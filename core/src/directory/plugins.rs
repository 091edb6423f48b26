//! The store of plugins: their versions, which never change, and which of them is current.
//!
//! A version is named by what it is: the SHA-256 of the module as it was uploaded. Engines run the module as the
//! metering pass rewrote it; both are kept, so that a later pass can rewrite the first again.

use super::{Answer, Bundled, Directory, nth_param, param};
use crate::api::call::{Call, Reply};
use crate::api::model::plugin::{
    CurrentIn, MAX_MODULE, PluginOut, VersionOut, config_schema, is_plugin_name, module_too_large,
    version_times,
};
use crate::api::model::shown;
use crate::api::page::{Keys, Order, Page};
use crate::api::route::DirectoryOp;
use crate::error::{ApiError, Code};
use crate::frame::{self, PluginModule, PluginModuleAsk, PluginUpload};
use crate::settings::PluginLimits;
use crate::sql::{Row, Sql, SqlError, Value};
use crate::time::rfc3339;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The most bytes of a rewritten module: it is one row of the storage, and a row may have 2 MB.
pub const MAX_REWRITTEN: usize = 1_900_000;

const UPLOADED: i64 = 0;
const REWRITTEN: i64 = 1;

const PLUGIN: &str = "SELECT name, current, created_at, updated_at,
    (SELECT manifest FROM plugin_version v WHERE v.plugin = name AND v.id = current),
    (SELECT count(*) FROM plugin_version v WHERE v.plugin = name) FROM plugin WHERE name = ?1";
const PLUGINS_UP: &str = "SELECT name, current, created_at, updated_at,
    (SELECT manifest FROM plugin_version v WHERE v.plugin = name AND v.id = current),
    (SELECT count(*) FROM plugin_version v WHERE v.plugin = name)
    FROM plugin WHERE name > ?1 ORDER BY name LIMIT ?2";
const PLUGINS_DOWN: &str = "SELECT name, current, created_at, updated_at,
    (SELECT manifest FROM plugin_version v WHERE v.plugin = name AND v.id = current),
    (SELECT count(*) FROM plugin_version v WHERE v.plugin = name)
    FROM plugin WHERE name < ?1 ORDER BY name DESC LIMIT ?2";
const VERSIONS: &str = "SELECT id, plugin, size, pass, manifest, created_at FROM plugin_version
    WHERE plugin = ?1 ORDER BY created_at DESC, id DESC";
const VERSION: &str = "SELECT id, plugin, size, pass, manifest, created_at FROM plugin_version
    WHERE plugin = ?1 AND id = ?2";

/// A module that was judged fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The module as the metering pass rewrote it.
    pub rewritten: Vec<u8>,
    /// The version of the pass.
    pub pass: i64,
    /// What the plugin says about itself, as the text of a JSON object.
    pub manifest: Option<String>,
}

/// Why a module was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// A stable word.
    pub code: String,
    /// A sentence that says what to do.
    pub sentence: String,
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn raw(manifest: Option<String>) -> Result<Option<Box<RawValue>>, SqlError> {
    let broken = |error: serde_json::Error| SqlError(format!("a plugin's manifest: {error}"));
    manifest.map(RawValue::from_string).transpose().map_err(broken)
}

fn read_plugin(mut row: Row) -> Result<PluginOut, SqlError> {
    Ok(PluginOut {
        name: row.text(0)?,
        current: row.text(1)?,
        bundled: false,
        created_at: Some(rfc3339(row.int(2)?)),
        updated_at: Some(rfc3339(row.int(3)?)),
        manifest: raw(row.opt_text(4)?)?,
        versions: row.int(5)?,
        attached_to: None,
    })
}

fn read_version(mut row: Row, current: &str) -> Result<VersionOut, SqlError> {
    let id = row.text(0)?;
    let (created_at, place) = version_times(row.int(5)?, &id);
    Ok(VersionOut {
        current: id == current,
        bundled: false,
        id,
        plugin: row.text(1)?,
        size: row.int(2)?,
        fuel_pass: row.int(3)?,
        manifest: raw(row.opt_text(4)?)?,
        created_at: Some(created_at),
        place,
    })
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn limit_reached(detail: String) -> ApiError {
    ApiError::new(Code::LimitReached, detail)
}

/// A version that is kept: what pruning looks at.
struct Kept {
    id: String,
    stored: i64,
    pinned: bool,
}

impl<S: Sql> Directory<S> {
    pub(super) fn find_plugin(&self, name: &str) -> Result<Option<PluginOut>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        let rows = self.sql.query(PLUGIN, &[Value::Text(name)])?;
        rows.into_iter().next().map(read_plugin).transpose()
    }

    fn plugin(&self, name: &str) -> Result<PluginOut, ApiError> {
        let bundled = || self.find_bundled(name).map(Bundled::plugin);
        self.find_plugin(name)?.or_else(bundled).ok_or_else(|| ApiError::not_found("Plugin"))
    }

    pub(super) fn find_version(
        &self,
        plugin: &PluginOut,
        version: &str,
    ) -> Result<Option<VersionOut>, SqlError> {
        let rows = self.sql.query(VERSION, &[Value::Text(&plugin.name), Value::Text(version)])?;
        rows.into_iter().next().map(|row| read_version(row, &plugin.current)).transpose()
    }

    /// The plugin and the version that a path names; the tenant's own.
    fn version(&self, call: &Call<DirectoryOp>) -> Result<(PluginOut, VersionOut), ApiError> {
        let plugin = self.own_plugin(param(call)?)?;
        let version = self.find_version(&plugin, nth_param(call, 1)?)?;
        version.map(|version| (plugin, version)).ok_or_else(|| ApiError::not_found("Version"))
    }

    pub(super) fn list_plugins(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let page = Page::from_query(&call.query, Keys::Name, Order::Ascending)?;
        let sql = if page.reads_ascending() { PLUGINS_UP } else { PLUGINS_DOWN };
        let rows = if self.ready {
            self.sql.query(sql, &[Value::Text(page.from()), Value::Int(page.probe())])?
        } else {
            Vec::new()
        };
        let own = rows.into_iter().map(read_plugin).collect::<Result<Vec<_>, _>>()?;
        let mut plugins = self.among(own, page.from(), page.reads_ascending());
        plugins.truncate(page.limit().saturating_add(1));
        page.answer(plugins, |plugin| &plugin.name)
    }

    pub(super) fn get_plugin(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let plugin = self.plugin(param(call)?)?;
        let attached_to = Some(self.attached_to(&plugin.name)?);
        Ok(Reply::json(200, &PluginOut { attached_to, ..plugin }))
    }

    pub(super) fn list_versions(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let page = Page::from_query(&call.query, Keys::Name, Order::Descending)?;
        let name = param(call)?;
        let mut versions = if let Some(bundled) = self.only_bundled(name)? {
            vec![bundled.version()]
        } else {
            let plugin = self.own_plugin(name)?;
            // There are few, by the settings: the page is cut here.
            let rows = self.sql.query(VERSIONS, &[Value::Text(&plugin.name)])?;
            rows.into_iter().map(|row| read_version(row, &plugin.current)).collect::<Result<Vec<_>, _>>()?
        };
        if page.reads_ascending() {
            versions.reverse();
            versions.retain(|version| version.place.as_str() > page.from());
        } else {
            versions.retain(|version| version.place.as_str() < page.from());
        }
        versions.truncate(page.limit().saturating_add(1));
        page.answer(versions, |version| &version.place)
    }

    pub(super) fn get_version(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        if let Some(bundled) = self.only_bundled(param(call)?)? {
            let is_it = bundled.is_version(nth_param(call, 1)?);
            let version = is_it.then(|| bundled.version()).ok_or_else(|| ApiError::not_found("Version"))?;
            return Ok(Reply::json(200, &version));
        }
        Ok(Reply::json(200, &self.version(call)?.1))
    }

    fn module(&self, plugin: &str, version: &str, kind: i64) -> Result<Vec<u8>, ApiError> {
        let rows = self.sql.query(
            "SELECT bytes FROM plugin_module WHERE plugin = ?1 AND id = ?2 AND kind = ?3",
            &[Value::Text(plugin), Value::Text(version), Value::Int(kind)],
        )?;
        let mut row = rows
            .into_iter()
            .next()
            .ok_or_else(|| ApiError::Internal("a version without its module".to_owned()))?;
        Ok(row.blob(0)?)
    }

    /// The module as it was uploaded.
    pub(super) fn version_wasm(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let (plugin, version) = self.version(call)?;
        Ok(Reply::wasm(self.module(&plugin.name, &version.id, UPLOADED)?))
    }

    /// The module as engines run it.
    pub(super) fn plugin_module(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let ask: PluginModuleAsk = frame::decode(&call.body).map_err(ApiError::Internal)?;
        let plugin = self.find_plugin(&ask.name)?.ok_or_else(|| ApiError::not_found("Plugin"))?;
        let version = self.find_version(&plugin, ask.version.as_deref().unwrap_or(&plugin.current))?;
        let version = version.ok_or_else(|| ApiError::not_found("Version"))?;
        let bytes = self.module(&plugin.name, &version.id, REWRITTEN)?;
        let module = PluginModule {
            version: version.id,
            pass: version.fuel_pass,
            manifest: version.manifest.map(|manifest| manifest.get().to_owned()),
            bytes: bytes.into(),
        };
        Ok(Reply { status: 200, body: frame::encode(&module), ..Reply::default() })
    }

    /// Stores a module as a version of the plugin, which becomes the current one. The same bytes are the same
    /// version, however often they come.
    pub(super) fn store_module(
        &mut self,
        now: i64,
        limits: &PluginLimits,
        upload: &PluginUpload,
        admitted: Result<Admitted, Refused>,
    ) -> Result<Answer, ApiError> {
        let PluginUpload { name, module } = upload;
        if !is_plugin_name(name) {
            let msg = "Use 1 to 64 of the characters a-z, 0-9, - and _, a letter or a digit first.";
            return Err(ApiError::invalid(&["path", "plugin_name"], msg));
        }
        if module.len() > MAX_MODULE {
            return Err(module_too_large());
        }
        let admitted =
            admitted.map_err(|refused| ApiError::invalid_kind(&["body"], refused.sentence, &refused.code))?;
        if admitted.rewritten.len() > MAX_REWRITTEN {
            let msg = format!(
                "The module has more than {MAX_REWRITTEN} bytes once it is metered. Make it smaller."
            );
            return Err(ApiError::invalid_kind(&["body"], msg, "too_large"));
        }
        config_schema(admitted.manifest.as_deref())?;
        let id = hex(&Sha256::digest(&**module));
        let plugin = self.find_plugin(name)?;
        let known_before = plugin.is_some();
        let known = match &plugin {
            Some(plugin) => self.find_version(plugin, &id)?,
            None => None,
        };
        if known.is_none() {
            let pruned = self.make_room(limits, name, plugin.as_ref(), module, &admitted)?;
            for old in pruned {
                self.drop_version(name, &old)?;
            }
        }
        self.prepare(now)?;
        let status = if known.is_some() { 200 } else { 201 };
        self.write_version(now, name, &id, module, &admitted)?;
        let effects = self.make_current(now, name, &id, plugin.as_ref())?;
        let plugin = self.plugin(name)?;
        let version = self.find_version(&plugin, &id)?;
        let version =
            version.ok_or_else(|| ApiError::Internal("a version that was just stored".to_owned()))?;
        let warnings = self.upload_warnings(name, admitted.manifest.as_deref(), known_before);
        Ok(Answer { reply: Reply::json(status, &version).warned(warnings), effects })
    }

    /// What whoever uploads a version may not have meant.
    fn upload_warnings(&self, name: &str, manifest: Option<&str>, known_before: bool) -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Named {
            name: String,
        }
        let mut warnings = Vec::new();
        if !known_before && self.find_bundled(name).is_some() {
            warnings.push(format!(
                "The deployment bundles a plugin with the name {name}. Endpoints that follow it now run the \
                 uploaded one. If you delete it, they run the bundled one again."
            ));
        }
        let named: Option<Named> = manifest.and_then(|manifest| serde_json::from_str(manifest).ok());
        if let Some(said) = named.filter(|said| said.name != name) {
            warnings.push(format!(
                "The module's manifest has the name {}, but the plugin is stored as {name}. Endpoints use the \
                 stored name.",
                shown(&said.name)
            ));
        }
        warnings
    }

    /// Which versions give way to a new one; an error where the limits leave no room for it.
    fn make_room(
        &self,
        limits: &PluginLimits,
        name: &str,
        plugin: Option<&PluginOut>,
        uploaded: &[u8],
        admitted: &Admitted,
    ) -> Result<Vec<String>, ApiError> {
        if !self.ready {
            return if limits.plugins > 0 { Ok(Vec::new()) } else { Err(too_many(limits)) };
        }
        let counts =
            self.sql.query("SELECT count(*), (SELECT sum(stored) FROM plugin_version) FROM plugin", &[])?;
        let (plugins, stored) = match counts.first() {
            Some(row) => (row.int(0)?, row.opt_int(1)?.unwrap_or(0)),
            None => (0, 0),
        };
        if plugin.is_none() && plugins >= i64::from(limits.plugins) {
            return Err(too_many(limits));
        }
        let kept = self.kept_versions(name)?;
        let current = plugin.map(|plugin| plugin.current.as_str());
        let wanted = usize::try_from(limits.versions).unwrap_or(usize::MAX).saturating_sub(1);
        let excess = kept.len().saturating_sub(wanted);
        let pruned: Vec<&Kept> = kept
            .iter()
            .filter(|version| !version.pinned && Some(version.id.as_str()) != current)
            .take(excess)
            .collect();
        if pruned.len() < excess {
            return Err(limit_reached(format!(
                "The plugin has {} versions, all of them pinned by endpoints. Detach one, or raise \
                 MAX_PLUGIN_VERSIONS.",
                kept.len()
            )));
        }
        let freed: i64 = pruned.iter().map(|version| version.stored).fold(0, i64::saturating_add);
        let after = stored
            .saturating_sub(freed)
            .saturating_add(length(uploaded))
            .saturating_add(length(&admitted.rewritten));
        if after > i64::from(limits.bytes) {
            return Err(limit_reached(format!(
                "All plugins together would have {after} bytes; the limit is {}. Delete a plugin or a \
                 version, or raise MAX_PLUGIN_BYTES.",
                limits.bytes
            )));
        }
        Ok(pruned.into_iter().map(|version| version.id.clone()).collect())
    }

    /// Oldest first.
    fn kept_versions(&self, plugin: &str) -> Result<Vec<Kept>, SqlError> {
        let rows = self.sql.query(
            "SELECT id, stored, EXISTS (SELECT 1 FROM plugin_use u WHERE u.plugin = v.plugin AND u.pinned = v.id)
             FROM plugin_version v WHERE plugin = ?1 ORDER BY created_at, id",
            &[Value::Text(plugin)],
        )?;
        let kept = |mut row: Row| Ok(Kept { id: row.text(0)?, stored: row.int(1)?, pinned: row.flag(2)? });
        rows.into_iter().map(kept).collect()
    }

    /// Writes a version, or only its rewritten module where an older pass had rewritten it.
    fn write_version(
        &self,
        now: i64,
        name: &str,
        id: &str,
        uploaded: &[u8],
        admitted: &Admitted,
    ) -> Result<(), SqlError> {
        let (plugin, version) = (Value::Text(name), Value::Text(id));
        let rows = self.sql.query(
            "INSERT INTO plugin_version (plugin, id, size, stored, pass, manifest, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (plugin, id) DO UPDATE SET stored = excluded.stored, pass = excluded.pass
                WHERE pass <> excluded.pass RETURNING id",
            &[
                plugin,
                version,
                Value::Int(length(uploaded)),
                Value::Int(length(uploaded).saturating_add(length(&admitted.rewritten))),
                Value::Int(admitted.pass),
                Value::opt_text(admitted.manifest.as_deref()),
                Value::Int(now),
            ],
        )?;
        if rows.is_empty() {
            return Ok(());
        }
        for (kind, bytes) in [(UPLOADED, uploaded), (REWRITTEN, &admitted.rewritten)] {
            self.sql.exec(
                "INSERT INTO plugin_module (plugin, id, kind, bytes) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (plugin, id, kind) DO UPDATE SET bytes = excluded.bytes",
                &[plugin, version, Value::Int(kind), Value::Blob(bytes)],
            )?;
        }
        Ok(())
    }

    /// Takes a version's module as a newer pass rewrote it.
    pub fn rewritten(&mut self, plugin: &str, version: &str, admitted: &Admitted) -> Result<(), SqlError> {
        if !self.ready || admitted.rewritten.len() > MAX_REWRITTEN {
            return Ok(());
        }
        let key = [Value::Text(plugin), Value::Text(version)];
        let [plugin, version] = key;
        self.sql.exec(
            "UPDATE plugin_version SET pass = ?3, stored = size + ?4 WHERE plugin = ?1 AND id = ?2",
            &[plugin, version, Value::Int(admitted.pass), Value::Int(length(&admitted.rewritten))],
        )?;
        self.sql.exec(
            "UPDATE plugin_module SET bytes = ?4 WHERE plugin = ?1 AND id = ?2 AND kind = ?3",
            &[plugin, version, Value::Int(REWRITTEN), Value::Blob(&admitted.rewritten)],
        )
    }

    fn drop_version(&self, plugin: &str, version: &str) -> Result<(), SqlError> {
        let params = [Value::Text(plugin), Value::Text(version)];
        self.sql.exec("DELETE FROM plugin_version WHERE plugin = ?1 AND id = ?2", &params)?;
        self.sql.exec("DELETE FROM plugin_module WHERE plugin = ?1 AND id = ?2", &params)
    }

    /// Makes a version current; what the Apps are told of it.
    fn make_current(
        &mut self,
        now: i64,
        name: &str,
        version: &str,
        plugin: Option<&PluginOut>,
    ) -> Result<Vec<super::Effect>, SqlError> {
        if plugin.is_some_and(|plugin| plugin.current == version) {
            return Ok(Vec::new());
        }
        self.sql.exec(
            "INSERT INTO plugin (name, current, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT (name) DO UPDATE SET current = excluded.current, updated_at = excluded.updated_at",
            &[Value::Text(name), Value::Text(version), Value::Int(now)],
        )?;
        self.notify(now, name)
    }

    pub(super) fn choose_current(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let plugin = self.own_plugin(param(call)?)?;
        let chosen = CurrentIn::parse(&call.body)?.version;
        if self.find_version(&plugin, &chosen)?.is_none() {
            let msg = "The plugin does not have this version. List its versions to see which exist.";
            return Err(ApiError::invalid(&["body", "version"], msg));
        }
        let effects = self.make_current(now, &plugin.name, &chosen, Some(&plugin))?;
        Ok(Answer { reply: Reply::json(200, &self.plugin(&plugin.name)?), effects })
    }

    /// Deletes a plugin. While it is attached only by force, which detaches it everywhere.
    pub(super) fn delete_plugin(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let force = call.query.flag("force")?.unwrap_or(false);
        let plugin = self.own_plugin(param(call)?)?;
        let name = plugin.name.as_str();
        if !force {
            self.check_unused(name, None)?;
        }
        for statement in [
            "DELETE FROM plugin WHERE name = ?1",
            "DELETE FROM plugin_version WHERE plugin = ?1",
            "DELETE FROM plugin_module WHERE plugin = ?1",
            // Who follows it runs the bundled one of its name again, where there is one.
            if self.find_bundled(name).is_some() {
                "UPDATE plugin_use SET doomed = 1 WHERE plugin = ?1 AND pinned <> 'bundled' AND pinned <> ''"
            } else {
                "UPDATE plugin_use SET doomed = 1 WHERE plugin = ?1 AND pinned <> 'bundled'"
            },
        ] {
            self.sql.exec(statement, &[Value::Text(name)])?;
        }
        let effects = self.notify(now, name)?;
        Ok(Answer { reply: Reply::empty(204), effects })
    }

    /// Deletes a version, which must not be the current one. While it is pinned only by force, which detaches the
    /// plugin where it is.
    pub(super) fn delete_version(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let force = call.query.flag("force")?.unwrap_or(false);
        let (plugin, version) = self.version(call)?;
        let name = plugin.name.as_str();
        if version.current {
            return Err(ApiError::conflict(
                "This is the current version. Make another version current first, or delete the plugin.",
            ));
        }
        if !force {
            self.check_unused(name, Some(&version.id))?;
        }
        self.drop_version(name, &version.id)?;
        self.sql.exec(
            "UPDATE plugin_use SET doomed = 1 WHERE plugin = ?1 AND pinned = ?2",
            &[Value::Text(name), Value::Text(&version.id)],
        )?;
        let effects = if force { self.notify(now, name)? } else { Vec::new() };
        Ok(Answer { reply: Reply::empty(204), effects })
    }
}

fn too_many(limits: &PluginLimits) -> ApiError {
    limit_reached(format!(
        "The limit of {} plugins is reached. Delete one, or raise MAX_PLUGINS.",
        limits.plugins
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_in_lower_case() {
        assert_eq!(hex(&[0, 0xAB, 0x1F]), "00ab1f");
    }
}
