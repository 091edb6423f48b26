//! The plugins of endpoints: attached by the API, and kept up to date by notices of the Directory.
//!
//! A resolution from before a change of the store must not be stored after the notice of that change, and a late
//! notice must not undo a later one: `core/src/directory/attach.rs` explains why.

use super::handle::{Handled, Outcome};
use super::{App, Effects};
use crate::api::call::{Call, Reply};
use crate::api::model::plugin::AttachmentsOut;
use crate::api::route::AppOp;
use crate::error::{ApiError, Code};
use crate::frame::{self, PluginNotice, PluginUses, ResolvedPlugins};
use crate::plugin::Attached;
use crate::rng::Entropy;
use crate::sql::{Sql, SqlError, Value};
use crate::vault::VaultError;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// Up to which of the Directory's changes this object knows the plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Known {
    /// The highest number that it was told of.
    #[n(0)]
    told: i64,
    /// The highest number for each plugin that is attached: told of, or resolved under.
    #[n(1)]
    of: BTreeMap<String, i64>,
}

impl<S: Sql> App<S> {
    pub(super) fn load_known_plugins(&mut self) -> Result<(), SqlError> {
        let rows = self.sql.query("SELECT v FROM meta WHERE k = 'plugins'", &[])?;
        if let Some(mut row) = rows.into_iter().next() {
            self.known_plugins = frame::decode(&row.blob(0)?).map_err(SqlError)?;
        }
        Ok(())
    }

    /// Writes what is known; of plugins that are attached nowhere there is nothing to know.
    fn save_known_plugins(&mut self) -> Result<(), SqlError> {
        let slots = &self.slots;
        self.known_plugins.of.retain(|name, _| {
            slots
                .values()
                .flat_map(|slot| slot.record.plugins.iter().flatten())
                .any(|plugin| plugin.name == *name)
        });
        self.sql.exec(
            "INSERT INTO meta (k, v) VALUES ('plugins', ?1) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            &[Value::Blob(&frame::encode(&self.known_plugins))],
        )
    }

    pub(super) fn get_plugins(&self, key: &str, call: &Call<AppOp>) -> Handled {
        let (endpoint_id, slot) = self.endpoint(key)?;
        let plugins = slot.record.open_plugins(endpoint_id, &self.deployment.vault)?;
        Ok(Outcome::Reply(Reply::json(200, &AttachmentsOut::new(plugins.as_deref(), !call.without_plugins))))
    }

    /// Stores an endpoint's plugins as the Directory has resolved them ([`ResolvedPlugins`]).
    pub(super) fn put_plugins(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        key: &str,
        call: &Call<AppOp>,
    ) -> Handled {
        let resolved: ResolvedPlugins = frame::decode(&call.body).map_err(ApiError::Internal)?;
        if resolved.seq <= self.known_plugins.told {
            let detail = "Plugins were changed at the same time. Send the request again.";
            return Err(ApiError::new(Code::ConcurrentUpdate, detail));
        }
        let (endpoint_id, slot) = self.endpoint(key)?;
        let (endpoint_id, mut record) = (endpoint_id.to_owned(), slot.record.clone());
        for plugin in &resolved.plugins {
            let known = self.known_plugins.of.entry(plugin.name.clone()).or_default();
            *known = resolved.seq.max(*known);
        }
        let reply = Reply::json(200, &AttachmentsOut::new(Some(&resolved.plugins), true));
        let sealed: Result<Vec<Attached>, VaultError> = resolved
            .plugins
            .into_iter()
            .map(|plugin| plugin.sealed(&endpoint_id, &self.deployment.vault, rng))
            .collect();
        record.plugins = Some(sealed?).filter(|plugins| !plugins.is_empty());
        self.change_endpoint(now, &endpoint_id, record)?;
        self.save_known_plugins()?;
        self.changed(now, reply)
    }

    /// Takes a notice of the Directory about a plugin: endpoints that follow it get its current version, and detached
    /// plugins are removed. An older notice than the latest changes nothing. Returns where the plugin is attached
    /// now.
    pub fn plugin_notice(
        &mut self,
        now: i64,
        notice: &PluginNotice,
    ) -> Result<(PluginUses, Effects), SqlError> {
        let mut effects = Effects::default();
        if !self.exists(None) {
            return Ok((PluginUses::default(), effects));
        }
        if self.known_plugins.of.get(&notice.plugin).is_none_or(|known| *known <= notice.seq) {
            for (endpoint_id, plugins) in self.changes_by(notice) {
                let Some(slot) = self.slots.get(&endpoint_id) else { continue };
                let mut record = slot.record.clone();
                record.plugins = Some(plugins).filter(|plugins| !plugins.is_empty());
                self.change_endpoint(now, &endpoint_id, record)?;
            }
            self.known_plugins.of.insert(notice.plugin.clone(), notice.seq);
        }
        self.known_plugins.told = self.known_plugins.told.max(notice.seq);
        self.save_known_plugins()?;
        self.settle(now, &mut effects)?;
        Ok((self.uses_of(&notice.plugin), effects))
    }

    /// The endpoints that a notice changes, with their plugins as they are to be.
    fn changes_by(&self, notice: &PluginNotice) -> Vec<(String, Vec<Attached>)> {
        let mut changes = Vec::new();
        for (endpoint_id, slot) in self.slots.iter().filter(|(_, slot)| !slot.deleted) {
            let Some(before) = &slot.record.plugins else { continue };
            let mut plugins = before.clone();
            plugins.retain(|plugin| {
                let place = |(endpoint, pinned): &(String, Option<String>)| {
                    endpoint == endpoint_id && pinned.as_deref() == pinned_version(plugin)
                };
                plugin.name != notice.plugin || notice.current.is_some() && !notice.remove.iter().any(place)
            });
            for plugin in plugins.iter_mut().filter(|plugin| plugin.name == notice.plugin && !plugin.pinned) {
                plugin.version = notice.current.clone().unwrap_or_default();
            }
            if plugins != *before {
                changes.push((endpoint_id.clone(), plugins));
            }
        }
        changes
    }

    fn uses_of(&self, plugin: &str) -> PluginUses {
        let mut uses = Vec::new();
        for (endpoint_id, slot) in self.slots.iter().filter(|(_, slot)| !slot.deleted) {
            for attached in slot.record.plugins.iter().flatten().filter(|attached| attached.name == plugin) {
                uses.push((endpoint_id.clone(), pinned_version(attached).map(str::to_owned)));
            }
        }
        PluginUses { uses }
    }
}

fn pinned_version(plugin: &Attached) -> Option<&str> {
    plugin.pinned.then_some(plugin.version.as_str())
}
