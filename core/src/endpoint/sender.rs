//! Builds an endpoint's requests: from the configuration, then the preset, then the deployment's defaults. Computed
//! once for each configuration.

use super::USER_AGENT;
use super::line::{Batch, Order, PRESET_BATCH};
use crate::deployment::Deployment;
use crate::frame::Config;
use crate::header::{Fields, HOPS};
use crate::id;
use crate::pace::Pace;
use crate::plugin::Attached;
use crate::preset::Preset;
use crate::retry::Schedule;
use crate::scheme::{Outgoing, Params, Secrets};
use crate::secret::Secret;
use crate::send_as::SendAs;
use crate::signature::{self, HeaderProfile};
use crate::target::normalized;
use crate::vault::{Place, Vault, VaultError};
use std::ops::RangeInclusive;
use std::rc::Rc;

const FORM: &str = "application/x-www-form-urlencoded";

/// The configuration, prepared for use.
pub(super) struct Sender {
    /// Where requests go: the whole URL. (The configuration has it with credentials hidden.)
    pub(super) url: String,
    pub(super) schedule: Schedule,
    pub(super) timeout_ms: i64,
    /// The statuses that are a success.
    pub(super) success: RangeInclusive<u16>,
    /// Rate limits: the maximum number of starts in any window (ms). They are slightly stricter than the configured
    /// ones, so that arrivals keep the configured ones.
    pub(super) paces: Vec<(u32, i64)>,
    /// The batch.
    pub(super) batch: Option<Batch>,
    /// How many days its attempts are kept, where the provider says so.
    pub(super) retention_days: Option<u32>,
    /// The order, if it is guaranteed.
    pub(super) order: Option<Order>,
    /// Whether 410 or a long time of failures disables the endpoint.
    pub(super) gives_up: bool,
    identity: Identity,
    /// What no record of a request may show: the secrets of a preset, which some of them send as they are.
    hidden: Vec<String>,
    /// When the oldest of the secrets ceases to sign.
    secrets_until: Option<i64>,
    /// Custom headers, opened.
    headers: Vec<(String, String)>,
    plugins: Rc<[Attached]>,
    /// Whether something could not be opened.
    locked: bool,
}

/// How it signs.
enum Identity {
    /// As Weir.
    Own { profile: HeaderProfile, secrets: Vec<Secret> },
    /// As a provider.
    Preset { preset: Box<Preset>, params: Params, secrets: Secrets, ready: bool },
    /// As a provider that this version does not have: nothing can be signed, so deliveries wait.
    Unknown,
}

/// A delivery's request, signed.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) headers: Fields,
    pub(super) body: Vec<u8>,
    /// The URL, if the signature is part of it.
    pub(super) signed_url: Option<String>,
    /// Why it cannot be sent; a sentence.
    pub(super) refused: Option<String>,
}

/// The parts of a delivery's request.
pub(super) struct Draft<'a> {
    pub(super) url: &'a str,
    /// Custom headers, as changed by plugins.
    pub(super) headers: Vec<(String, String)>,
    pub(super) id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) payload: Vec<u8>,
}

impl Sender {
    pub(super) fn new(config: &Config, deployment: &Deployment, now: i64) -> Self {
        let preset = config.send_as.as_ref().map(SendAs::resolve);
        let delivery = preset.iter().flatten().find_map(|preset| preset.delivery.clone());
        let delivery = delivery.as_ref();
        let schedule = match (&config.schedule_ms, delivery) {
            (Some(delays), _) => Schedule::from_ms(delays.clone()).with_jitter(deployment.retry_jitter),
            (None, Some(delivery)) => Schedule::documented(&delivery.schedule_s),
            (None, None) => deployment.retry_schedule.clone(),
        };
        let documented = delivery.and_then(|delivery| delivery.timeout_s);
        let timeout_ms = config.timeout_ms.or(documented.map(|s| i64::from(s).saturating_mul(1_000)));
        let paces = match delivery.and_then(|delivery| delivery.per_second) {
            Some(limit) if config.paces.is_empty() => vec![(limit, 1_000)],
            _ => config.paces.clone(),
        };
        let for_arrivals = |(limit, window_ms)| {
            let pace = Pace { limit, window_ms }.for_arrivals();
            (pace.limit, pace.window_ms)
        };
        let paces = paces.into_iter().map(for_arrivals).collect();
        let (first, last) = delivery.map_or((200, 299), |delivery| delivery.success);
        let batched = delivery.is_some_and(|delivery| delivery.batch);
        let identity = match preset {
            None => {
                let own = config.header_profile.as_deref().and_then(HeaderProfile::from_word);
                Identity::Own { profile: own.unwrap_or(deployment.header_profile), secrets: Vec::new() }
            }
            Some(None) => Identity::Unknown,
            Some(Some(preset)) => Identity::Preset {
                preset: Box::new(preset),
                params: config.send_as.as_ref().map(|send_as| send_as.params.clone()).unwrap_or_default(),
                secrets: Secrets::default(),
                ready: false,
            },
        };
        let mut this = Self {
            url: config.url.clone(),
            schedule,
            timeout_ms: timeout_ms.unwrap_or(deployment.request_timeout_ms),
            success: first..=last,
            paces,
            batch: config.batch.or(batched.then_some(PRESET_BATCH)).filter(|_| config.order.is_none()),
            retention_days: delivery.and_then(|delivery| delivery.retention_days),
            order: config.order,
            gives_up: delivery.is_none_or(|delivery| delivery.gives_up),
            identity,
            hidden: Vec::new(),
            secrets_until: None,
            headers: Vec::new(),
            plugins: Rc::from([]),
            locked: false,
        };
        this.open_texts(config, &deployment.vault);
        this.open_secrets(config, &deployment.vault, now);
        this
    }

    /// Removes expired secrets.
    pub(super) fn refresh(&mut self, config: &Config, vault: &Vault, now: i64) {
        if self.secrets_until.is_some_and(|until| until <= now) {
            self.open_secrets(config, vault, now);
        }
    }

    /// Decrypts the URL, the custom headers and the plugins' configurations. If a key is missing, nothing is sent.
    fn open_texts(&mut self, config: &Config, vault: &Vault) {
        let place = Place::header(&config.endpoint_id);
        let open = |(name, value): &(String, String)| Ok((name.clone(), vault.open(place, value)?));
        let headers: Result<Vec<_>, VaultError> = config.headers.iter().map(open).collect();
        let plugins = config.plugins.iter().flatten();
        let plugins: Result<Vec<_>, VaultError> =
            plugins.map(|plugin| plugin.opened(&config.endpoint_id, vault)).collect();
        let sealed = config.sealed_url.as_deref();
        let url = sealed.map(|sealed| vault.open(Place::url(&config.endpoint_id), sealed)).transpose();
        self.locked = headers.is_err() || plugins.is_err() || url.is_err();
        self.url = url.ok().flatten().unwrap_or_else(|| config.url.clone());
        self.headers = headers.unwrap_or_default();
        self.plugins = plugins.unwrap_or_default().into();
    }

    /// The endpoint's plugins, ready to run.
    pub(super) fn plugins(&self) -> Rc<[Attached]> {
        Rc::clone(&self.plugins)
    }

    fn open_secrets(&mut self, config: &Config, vault: &Vault, now: i64) {
        let live: Vec<_> = config.secrets.iter().filter(|s| s.expires_at.is_none_or(|at| at > now)).collect();
        self.secrets_until = live.iter().filter_map(|s| s.expires_at).min();
        // A secret that cannot be opened (its key was lost) cannot sign: the others still do.
        let place = Place::secret(&config.endpoint_id);
        let texts = live.iter().filter_map(|s| vault.open(place, &s.sealed).ok());
        match &mut self.identity {
            Identity::Own { secrets, .. } => {
                *secrets = texts.filter_map(|text| Secret::parse(&text).ok()).collect();
            }
            Identity::Preset { preset, secrets, ready, .. } => {
                let fit: Vec<String> =
                    texts.filter(|text| preset.scheme.signing(&[text.as_str()]).is_ok()).collect();
                *ready = !fit.is_empty();
                *secrets = preset.scheme.signing(&fit).unwrap_or_default();
                self.hidden = fit;
            }
            Identity::Unknown => {}
        }
    }

    /// Texts that must not appear in the record of a request.
    pub(super) fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// Whether requests can be signed. Where no secret can be opened (the master key was lost), they wait.
    pub(super) fn can_sign(&self, config: &Config) -> bool {
        match &self.identity {
            _ if self.locked => false,
            Identity::Own { secrets, .. } => !secrets.is_empty() || config.secrets.is_empty(),
            Identity::Preset { ready, .. } => *ready,
            Identity::Unknown => false,
        }
    }

    /// The headers that a delivery adds, before it is signed: those that the message brought, and the endpoint's own,
    /// which go before them.
    pub(super) fn own_headers(
        &self,
        config: &Config,
        mut brought: Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        let at = brought.iter().position(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let said = at.map(|at| brought.remove(at).1);
        let preset = match &self.identity {
            Identity::Preset { preset, .. } => Some(preset),
            _ => None,
        };
        let kind = match preset {
            Some(preset) => preset.content_type.clone(),
            None => said.unwrap_or_else(|| "application/json".to_owned()),
        };
        let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        // Headers that the provider's format defines cannot be set by the endpoint or the message.
        let taken =
            |name: &str| preset.is_some_and(|preset| preset.event_headers().any(|header| is(header, name)));
        // What comes in at a source says how often it has gone out before: see `header::HOPS`.
        let hops = id::is(id::SOURCE, &config.app_id) && !brought.iter().any(|(name, _)| name == HOPS);
        let hops = hops.then(|| (HOPS.to_owned(), "1".to_owned()));
        let own = self.headers.iter().filter(|(name, _)| !taken(name));
        let brought = brought
            .into_iter()
            .filter(|(name, _)| !taken(name) && !self.headers.iter().any(|(other, _)| is(other, name)));
        std::iter::once(("content-type".to_owned(), kind))
            .chain(brought)
            .chain(own.cloned())
            .chain(hops)
            .collect()
    }

    /// The signed request of a delivery.
    pub(super) fn make(&self, now: i64, draft: Draft<'_>) -> Made {
        let Draft { url: typed, mut headers, id, event_type, payload } = draft;
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        match &self.identity {
            Identity::Own { profile, secrets } => {
                let signed = signature::headers(*profile, secrets, id, now.div_euclid(1000), &payload);
                headers.extend(signed.into_iter().map(|(name, value)| (name.to_owned(), value)));
                Made { body: payload, ..Made::default() }.with(headers)
            }
            Identity::Preset { preset, params, secrets, .. } => {
                let body = if preset.content_type == FORM { form(&payload) } else { Ok(payload) };
                let body = match body {
                    Ok(body) => body,
                    Err(why) => return Made { refused: Some(why), ..Made::default() },
                };
                let url = requested(typed);
                let outgoing = Outgoing { method: "POST", url: &url, headers: &headers, body: &body, id };
                match preset.sign(secrets, params, &outgoing, event_type, now) {
                    Ok(signed) => {
                        let set =
                            |name: &str| signed.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
                        headers.retain(|(name, _)| !set(name));
                        headers.extend(signed.headers);
                        let signed_url = Some(signed.url.unwrap_or(url)).filter(|url| url != typed);
                        let body = signed.body.unwrap_or(body);
                        Made { body, signed_url, ..Made::default() }.with(headers)
                    }
                    Err(fault) => Made { refused: Some(fault.to_string()), ..Made::default() },
                }
            }
            Identity::Unknown => {
                let why = "This version of the gateway does not have the endpoint's preset.".to_owned();
                Made { refused: Some(why), ..Made::default() }
            }
        }
    }
}

impl Made {
    /// With these headers; refused where one would break its line.
    fn with(self, headers: Vec<(String, String)>) -> Self {
        match Fields::checked(headers) {
            Ok(headers) => Self { headers, ..self },
            Err(fault) => Self { refused: Some(fault.to_string()), ..Self::default() },
        }
    }
}

/// The URL that is requested, where this one was typed: what is signed has to be that one, to the letter. Whatever requests
/// it reads it by the same standard, and leaves the fragment out.
fn requested(typed: &str) -> String {
    let Ok(mut url) = url::Url::parse(typed).map(normalized) else { return typed.to_owned() };
    url.set_fragment(None);
    url.into()
}

/// The members of a JSON object as a form, for providers that send one: texts as they are, anything else as JSON.
fn form(payload: &[u8]) -> Result<Vec<u8>, String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(payload)
        .map_err(|_| "This provider sends forms: the payload must be a JSON object.".to_owned())?;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &object {
        match value {
            serde_json::Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    Ok(form.finish().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::requested;
    use proptest::prelude::*;

    #[test]
    fn what_is_signed_is_the_url_as_it_is_requested() {
        for (typed, sent) in [
            ("http://host", "http://host/"),
            ("https://HOST.example:443/A", "https://host.example/A"),
            ("https://host.example:8443", "https://host.example:8443/"),
            ("https://host.example/?n=O'Brien", "https://host.example/?n=O%27Brien"),
            ("https://host.example/a/../b", "https://host.example/b"),
            ("https://host.example/a/./b/", "https://host.example/a/b/"),
            ("https://host.example/%2e%2e/b", "https://host.example/b"),
            ("https://host.example/a b?c d", "https://host.example/a%20b?c%20d"),
            ("https://host.example/\u{fc}?q=\u{fc}", "https://host.example/%C3%BC?q=%C3%BC"),
            ("https://host.example/a\\b", "https://host.example/a/b"),
            ("https://host.example//a", "https://host.example//a"),
            ("https://host.example/a?", "https://host.example/a?"),
            ("https://host.example/a#b", "https://host.example/a"),
            ("https://host.example?a=1", "https://host.example/?a=1"),
            ("https://host.example/%7Ea?%41=%zz", "https://host.example/%7Ea?%41=%zz"),
            ("https://host.example/a^b?c^d", "https://host.example/a%5Eb?c^d"),
            ("https://host.example/?a=\"<>`{}|", "https://host.example/?a=%22%3C%3E`{}|"),
            ("  https://host.example/a\n/b ", "https://host.example/a/b"),
        ] {
            assert_eq!(requested(typed), sent, "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_made_ready_once_stays_so(path in ".{0,30}", query in "[a-z=&%'\"<>#? ]{0,20}") {
            let once = requested(&format!("https://host.example/{path}?{query}"));
            prop_assert_eq!(requested(&once), once.clone());
            prop_assert!(!once.contains('#'));
        }
    }
}
