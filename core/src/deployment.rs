//! The deployment as every object sees it: its settings, and values that are derived from them once.

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
    /// The errors in the settings, one sentence each: these settings count as not set.
    pub problems: Vec<String>,
}

impl Deployment {
    /// Makes the settings ready for use.
    pub fn new(settings: Settings) -> Self {
        Self {
            vault: Vault::with_keys(settings.master_keys()),
            policy: settings.target_policy(),
            problems: Vec::new(),
            settings,
        }
    }
}

impl Deref for Deployment {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// An alarm that is so late will not come any more: the platform drops one after six failures, and an object
/// that stays awake would not notice.
const OVERDUE_MS: i64 = 60_000;

/// Whether an alarm that was set to `alarm` has to be taken for lost.
pub fn is_overdue(alarm: i64, now: i64) -> bool {
    alarm < now.saturating_sub(OVERDUE_MS)
}
