//! An endpoint's configuration as the App object stores it.

use crate::api::model::endpoint::{DisabledReason, EndpointContent, EndpointOut, Headers};
use crate::error::ApiError;
use crate::filter::Filter;
use crate::frame::{Config, SecretFrame};
use crate::plugin::Attached;
use crate::redact;
use crate::rng::Entropy;
use crate::vault::{Place, Vault, VaultError};
use minicbor::{Decode, Encode};

/// A signing secret, sealed by the vault.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredSecret {
    /// As the vault sealed it.
    #[n(0)]
    pub sealed: String,
    /// When it ceases to sign, in milliseconds; none for the current one.
    #[n(1)]
    pub expires_at: Option<i64>,
}

/// All that is known of one endpoint. Stored as CBOR with numbered fields, so that another release reads it.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct EndpointRecord {
    /// What its owner set. Of a URL that holds credentials, what may be seen by whoever may look.
    #[n(0)]
    pub content: EndpointContent,
    /// Sent with every delivery; each value as the vault sealed it.
    #[n(1)]
    pub headers: Headers,
    /// Newest first.
    #[n(2)]
    pub secrets: Vec<StoredSecret>,
    /// In milliseconds.
    #[n(3)]
    pub created_at: i64,
    /// In milliseconds.
    #[n(4)]
    pub updated_at: i64,
    /// Rises with every change.
    #[n(5)]
    pub version: i64,
    /// Stretches of the log (after the first id, to the second) that passed while the endpoint was disabled
    /// and messages from before still waited.
    #[n(6)]
    pub skips: Vec<(String, String)>,
    /// The newest message when the endpoint was disabled.
    #[n(7)]
    pub disabled_from: Option<String>,
    /// The plugins that each delivery passes, in order; none for an empty chain.
    #[n(8)]
    pub plugins: Option<Vec<Attached>>,
    /// The whole URL as the vault sealed it, where the content's hides something.
    #[n(9)]
    pub url: Option<String>,
    /// When and why the endpoint was disabled; none while it is enabled.
    #[n(10)]
    pub disabled: Option<Disabled>,
}

/// When and why an endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Disabled {
    /// In milliseconds.
    #[n(0)]
    pub at: i64,
    /// Why.
    #[n(1)]
    pub reason: DisabledReason,
}

impl EndpointRecord {
    /// Which messages it is owed.
    pub fn filter(&self) -> Filter {
        Filter::new(self.content.event_types.as_deref(), self.content.channels.as_deref())
    }

    /// As the API shows it: the whole URL only to whoever may also change it.
    pub fn out(&self, id: &str, vault: &Vault, whole: bool) -> EndpointOut {
        let mut content = self.content.clone();
        if whole && let Ok(url) = self.open_url(id, vault) {
            content.url = url;
        }
        let out = EndpointOut::new(id.to_owned(), content, self.created_at, self.updated_at);
        let out = out.with_problem(self.lacks_key(vault).map(|error| error.to_string()));
        let out = out.with_disabled(self.disabled.map(|disabled| (disabled.at, disabled.reason)));
        out.with_old_secret(self.secrets.iter().filter_map(|secret| secret.expires_at).max())
    }

    /// What the Endpoint object gets to know.
    pub fn frame(&self, org: &str, app_id: &str, endpoint_id: &str, deleted: bool) -> Config {
        let content = &self.content;
        let throttle = content.throttle_rate.map(|limit| (u32::from(limit), 1_000));
        let pace = content.pace.map(|pace| (pace.limit, pace.window.millis()));
        Config {
            version: self.version,
            org: org.to_owned(),
            app_id: app_id.to_owned(),
            endpoint_id: endpoint_id.to_owned(),
            url: content.url.clone(),
            disabled: !content.sends(),
            deleted,
            secrets: self
                .secrets
                .iter()
                .map(|s| SecretFrame { sealed: s.sealed.clone(), expires_at: s.expires_at })
                .collect(),
            headers: self.headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            header_profile: content.header_profile.map(|profile| profile.word().to_owned()),
            schedule_ms: content
                .retry_schedule
                .as_ref()
                .map(|delays| delays.iter().map(|&seconds| millis(seconds)).collect()),
            timeout_ms: content.timeout_s.map(|s| i64::from(s).saturating_mul(1_000)),
            paces: throttle.into_iter().chain(pace).collect(),
            max_in_flight: content.max_in_flight.map(u32::from),
            plugins: self.plugins.clone(),
            send_as: content.send_as.clone(),
            batch: content.batch,
            order: content.order,
            sealed_url: self.url.clone(),
        }
    }

    /// Drops secrets whose time has passed.
    pub fn expire_secrets(&mut self, now: i64) {
        self.secrets.retain(|secret| secret.expires_at.is_none_or(|at| at > now));
    }

    /// The current secret, as text.
    pub fn secret(&self, endpoint_id: &str, vault: &Vault) -> Result<String, ApiError> {
        let current = self.secrets.first();
        let current = current.ok_or_else(|| ApiError::Internal("the endpoint has no secret".to_owned()))?;
        Ok(vault.open(Place::secret(endpoint_id), &current.sealed)?)
    }

    /// Takes a URL to be stored: sealed, where it holds credentials.
    pub fn put_url(
        &mut self,
        url: String,
        endpoint_id: &str,
        vault: &Vault,
        rng: &mut impl Entropy,
    ) -> Result<(), VaultError> {
        let shown = redact::url(&url);
        self.url = shown.as_ref().map(|_| vault.seal(Place::url(endpoint_id), &url, rng)).transpose()?;
        self.content.url = shown.unwrap_or(url);
        Ok(())
    }

    /// Puts the whole URL back where a change has the shown one, as whoever sends back what a list showed does. Gives whether
    /// it has to stay as it is stored, because it cannot be opened.
    pub fn whole_url(&self, content: &mut EndpointContent, endpoint_id: &str, vault: &Vault) -> bool {
        if self.url.is_none() || content.url != self.content.url {
            return false;
        }
        match self.open_url(endpoint_id, vault) {
            Ok(url) => {
                content.url = url;
                false
            }
            Err(_) => true,
        }
    }

    /// The whole URL.
    pub fn open_url(&self, endpoint_id: &str, vault: &Vault) -> Result<String, VaultError> {
        match &self.url {
            Some(sealed) => vault.open(Place::url(endpoint_id), sealed),
            None => Ok(self.content.url.clone()),
        }
    }

    /// Custom headers, to be stored: each value sealed.
    pub fn seal_headers(
        headers: Headers,
        endpoint_id: &str,
        vault: &Vault,
        rng: &mut impl Entropy,
    ) -> Result<Headers, ApiError> {
        let mut seal = |(name, value): (String, String)| {
            Ok((name, vault.seal(Place::header(endpoint_id), &value, rng)?))
        };
        headers.into_iter().map(&mut seal).collect()
    }

    /// The custom headers as they are sent.
    pub fn open_headers(&self, endpoint_id: &str, vault: &Vault) -> Result<Headers, ApiError> {
        let open = |(name, sealed): (&String, &String)| {
            Ok((name.clone(), vault.open(Place::header(endpoint_id), sealed)?))
        };
        self.headers.iter().map(open).collect()
    }

    /// The plugins with their configurations opened.
    pub fn open_plugins(&self, endpoint_id: &str, vault: &Vault) -> Result<Option<Vec<Attached>>, ApiError> {
        let Some(plugins) = &self.plugins else { return Ok(None) };
        let opened: Result<Vec<Attached>, VaultError> =
            plugins.iter().map(|plugin| plugin.opened(endpoint_id, vault)).collect();
        Ok(Some(opened?))
    }
}

pub(super) fn millis(seconds: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // checked to be at most a week when it was saved
    let ms = (seconds * 1_000.0).round() as i64;
    ms.max(0)
}
