//! The plugins that this deployment bundles, beside those that the tenant has uploaded.
//!
//! A bundled plugin has one version, [`BUNDLED`], which is whatever the deployment brings: who follows it goes along
//! with the next deployment, and nothing has to be told. What a tenant uploads under the same name comes first; who
//! asked for the version `bundled` keeps to the bundled one all the same.

use super::Directory;
use crate::api::model::plugin::{PluginOut, VersionOut};
use crate::error::ApiError;
use crate::plugin::BUNDLED;
use crate::sql::{Sql, SqlError};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::rc::Rc;

/// A plugin that is bundled.
#[derive(Debug, Clone, Deserialize)]
pub struct Bundled {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the module as its compiler wrote it.
    pub version: String,
    /// Bytes of that module.
    pub size: i64,
    /// The version of the pass that made it count its fuel.
    pub pass: i64,
    /// What it says about itself; null where it says nothing.
    pub manifest: Option<Box<RawValue>>,
}

impl Bundled {
    /// Reads what the build wrote: a JSON array, by name.
    pub fn read(catalog: &str) -> Result<Rc<[Bundled]>, String> {
        serde_json::from_str::<Vec<Bundled>>(catalog).map(Rc::from).map_err(|e| e.to_string())
    }

    pub(super) fn plugin(&self) -> PluginOut {
        PluginOut {
            name: self.name.clone(),
            current: self.version.clone(),
            bundled: true,
            manifest: self.manifest.clone(),
            versions: 1,
            created_at: None,
            updated_at: None,
            attached_to: None,
        }
    }

    pub(super) fn version(&self) -> VersionOut {
        VersionOut {
            id: self.version.clone(),
            plugin: self.name.clone(),
            current: true,
            bundled: true,
            size: self.size,
            fuel_pass: self.pass,
            manifest: self.manifest.clone(),
            created_at: None,
            place: self.version.clone(),
        }
    }

    /// Whether this is what a path or a test means by a version.
    pub fn is_version(&self, version: &str) -> bool {
        version == BUNDLED || version == self.version
    }
}

impl<S: Sql> Directory<S> {
    /// Says which plugins this deployment bundles; none, unless said.
    pub fn bundle(&mut self, bundled: Rc<[Bundled]>) {
        self.bundled = bundled;
    }

    pub(super) fn find_bundled(&self, name: &str) -> Option<&Bundled> {
        self.bundled.iter().find(|plugin| plugin.name == name)
    }

    /// What the store says of a plugin of the tenant's own; 409 where it is a bundled one, which cannot be changed.
    pub(super) fn own_plugin(&self, name: &str) -> Result<PluginOut, ApiError> {
        match (self.find_plugin(name)?, self.find_bundled(name)) {
            (Some(plugin), _) => Ok(plugin),
            (None, Some(_)) => Err(ApiError::conflict(
                "This plugin is bundled with the deployment. Upload a module with its name to replace it.",
            )),
            (None, None) => Err(ApiError::not_found("Plugin")),
        }
    }

    /// The version that endpoints run which follow a plugin; none where there is no such plugin.
    pub(super) fn followed(&self, name: &str, own: Option<String>) -> Option<String> {
        own.or_else(|| self.find_bundled(name).map(|_| BUNDLED.to_owned()))
    }

    /// Puts the bundled plugins among a page of the tenant's own, which has all of these that lie in between.
    pub(super) fn among(&self, own: Vec<PluginOut>, from: &str, ascending: bool) -> Vec<PluginOut> {
        let mut all = own;
        for bundled in self.bundled.iter() {
            let beyond = if ascending { bundled.name.as_str() > from } else { bundled.name.as_str() < from };
            if beyond && all.iter().all(|plugin| plugin.name != bundled.name) {
                all.push(bundled.plugin());
            }
        }
        all.sort_by(|a, b| if ascending { a.name.cmp(&b.name) } else { b.name.cmp(&a.name) });
        all
    }

    /// The bundled plugin of this name, unless the tenant has one of its own.
    pub(super) fn only_bundled(&self, name: &str) -> Result<Option<&Bundled>, SqlError> {
        Ok(if self.find_plugin(name)?.is_some() { None } else { self.find_bundled(name) })
    }
}
