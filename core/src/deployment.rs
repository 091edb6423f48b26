//! What every object knows of the deployment: its settings, and what is made of them once.

use crate::settings::Settings;
use crate::target::Policy;
use crate::vault::Vault;
use std::ops::Deref;

/// The settings of this deployment, made ready for use.
#[derive(Debug)]
pub struct Deployment {
    settings: Settings,
    /// Seals and opens stored secrets.
    pub vault: Vault,
    /// What the guard on endpoint URLs lets through.
    pub policy: Policy,
}

impl Deployment {
    /// Makes the settings ready for use.
    pub fn new(settings: Settings) -> Self {
        Self { vault: Vault::new(settings.master_key), policy: settings.target_policy(), settings }
    }
}

impl Deref for Deployment {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}
