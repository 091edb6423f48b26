//! Plugins in a delivery: which ones an endpoint has, in what order, and what their verdicts come to.
//!
//! Nothing here runs a plugin: [`Chain`] says which one is next and with what, an engine runs it and tells the
//! [`Ran`], and at the end there is one [`Decision`]. A failure is never silent: what each plugin did is in the
//! decision's trace, which the attempt's record keeps.

mod chain;
pub mod diff;
mod report;
#[cfg(test)]
mod tests;
mod tree;

pub use chain::{Chain, Decision, Fault, Outcome, Step, Subject};
pub use report::{config_fault, report};

use crate::rng::Entropy;
use crate::vault::{Place, Vault, VaultError};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What becomes of a delivery whose plugin fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum OnError {
    /// Hold the delivery and retry it by the schedule, as after a failed attempt.
    #[default]
    #[n(0)]
    Hold,
    /// Deliver the event as if the plugin were not attached.
    #[n(1)]
    Deliver,
    /// Filter the event out.
    #[n(2)]
    Drop,
}

/// A plugin attached to an endpoint, resolved to one version.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Attached {
    /// The plugin's name.
    #[n(0)]
    pub name: String,
    /// The version to run: the hash of its bytes.
    #[n(1)]
    pub version: String,
    /// Whether the endpoint keeps this version when another one becomes current.
    #[n(2)]
    pub pinned: bool,
    /// Its configuration, the text of a JSON value; as the vault sealed it where it is stored.
    #[n(3)]
    pub config: Option<String>,
    /// What becomes of a delivery when it fails.
    #[n(4)]
    pub on_error: OnError,
}

impl Attached {
    /// With its configuration sealed, to be stored.
    pub fn sealed(
        mut self,
        endpoint_id: &str,
        vault: &Vault,
        rng: &mut impl Entropy,
    ) -> Result<Self, VaultError> {
        if let Some(config) = &mut self.config {
            *config = vault.seal(Place::config(endpoint_id), config, rng)?;
        }
        Ok(self)
    }

    /// With its configuration opened, to be run.
    pub fn opened(&self, endpoint_id: &str, vault: &Vault) -> Result<Self, VaultError> {
        let config = self.config.as_ref().map(|config| vault.open(Place::config(endpoint_id), config));
        Ok(Self { config: config.transpose()?, ..self.clone() })
    }
}

/// The version of a plugin that is bundled with the Worker: whichever this deployment brings.
pub const BUNDLED: &str = "bundled";

/// Which engine ran a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// A module bundled with the Worker, on V8.
    V8,
    /// An isolate of its own, by the Worker Loader.
    Loader,
    /// The interpreter.
    Wasmi,
    /// The reference in tests and tools.
    Wasmtime,
}

/// A change of the headers, in order: a value sets, none removes.
pub type HeaderPatch = Vec<(String, Option<String>)>;

/// What one plugin said of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver it as it is.
    Unchanged,
    /// Deliver it changed; what is absent stays.
    Replace {
        /// The new body.
        body: Option<Vec<u8>>,
        /// What to do to the headers.
        headers: HeaderPatch,
        /// The new event type.
        event_type: Option<String>,
    },
    /// Do not deliver it.
    Drop {
        /// Why, in the plugin's words; may be empty.
        reason: String,
    },
    /// The plugin failed, or was stopped.
    Failed {
        /// A stable word: what kind of failure.
        code: String,
        /// What happened.
        text: String,
    },
}

/// What running one plugin came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it said.
    pub verdict: Verdict,
    /// Its log: level and text, oldest first.
    pub logs: Vec<(String, String)>,
    /// Fuel it used.
    pub fuel: u64,
    /// Pages of memory (64 KiB) it had in the end.
    pub pages: u32,
    /// Where it ran.
    pub engine: EngineName,
    /// Which module ran, where the attachment does not say: one that is bundled.
    pub version: Option<String>,
}
