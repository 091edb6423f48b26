//! Settings: what the operator decides, read once from variables and checked as a whole.
//!
//! Every setting has a default. A wrong value is an error that names the setting, what was given and what is
//! allowed, and it stops the start: a gateway that guesses would deliver by rules that nobody chose. An empty
//! value counts as none given, except for `RETRY_SCHEDULE`, where it means no retries.

use crate::retry::{JITTER_PERCENT, Schedule};
use crate::secret::Kind;
use crate::signature::HeaderProfile;
use crate::target::{self, Cidr, Policy};
use crate::time;
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use std::ops::RangeInclusive;

/// The names of all settings.
pub const NAMES: [&str; 30] = [
    "JWT_SECRET",
    "MASTER_KEY",
    "RETRY_SCHEDULE",
    "RETRY_JITTER",
    "REQUEST_TIMEOUT",
    "ENDPOINT_DISABLE_AFTER",
    "HTTPS_ONLY",
    "ALLOWED_NETWORKS",
    "ALLOW_IP_ADDRESSES",
    "JURISDICTION",
    "LOCATION_HINT",
    "HEADER_PROFILE",
    "DEFAULT_SIGNATURE",
    "RETENTION_DAYS",
    "STORAGE_LIMIT_MB",
    "MAX_IN_FLIGHT",
    "BREAKER_FAILURES",
    "MAX_ENDPOINTS",
    "API_RATE_LIMIT",
    "MAX_PLUGINS",
    "MAX_PLUGIN_VERSIONS",
    "MAX_PLUGIN_BYTES",
    "MAX_PLUGIN_FUEL",
    "DEDUP_WINDOW",
    "KEY_SERVER",
    "PORTAL_NAME",
    "PORTAL_COLOR",
    "SECURITY_CONTACT",
    "PORTAL_LOGO",
    "PORTAL_ORIGINS",
];

/// The least length of `JWT_SECRET`, in bytes.
pub const MIN_JWT_SECRET: usize = 16;

/// All settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `JWT_SECRET`: signs and verifies bearer tokens. Without it no token is valid.
    pub jwt_secret: Option<String>,
    /// Values of `JWT_SECRET` of before, newest first: they verify, and sign nothing any more.
    pub old_jwt_secrets: Vec<String>,
    /// `MASTER_KEY`: encrypts stored secrets.
    pub master_key: Option<[u8; 32]>,
    /// Values of `MASTER_KEY` of before, newest first: they open what they have encrypted.
    pub old_master_keys: Vec<[u8; 32]>,
    /// `RETRY_SCHEDULE`: the pauses between attempts.
    pub retry_schedule: Schedule,
    /// `RETRY_JITTER`: by how many percent a retry is moved at random, either way.
    pub retry_jitter: u32,
    /// `REQUEST_TIMEOUT`, in milliseconds: for the whole of one attempt.
    pub request_timeout_ms: i64,
    /// `ENDPOINT_DISABLE_AFTER`, in milliseconds: how long an endpoint may fail without a success before it is
    /// disabled; `None` is for ever.
    pub endpoint_disable_after_ms: Option<i64>,
    /// `HTTPS_ONLY`: whether endpoints must be https.
    pub https_only: bool,
    /// `ALLOWED_NETWORKS`: networks that endpoints may be in although they are private.
    pub allowed_networks: Vec<Cidr>,
    /// `ALLOW_IP_ADDRESSES`: whether an endpoint's URL may name a public IP address. No Worker on Cloudflare can send a
    /// request to one.
    pub allow_ip_addresses: bool,
    /// Where the Durable Objects are.
    pub location: Location,
    /// `HEADER_PROFILE`: the names of the signature headers.
    pub header_profile: HeaderProfile,
    /// `DEFAULT_SIGNATURE`: what kind of secret a new endpoint gets.
    pub default_signature: Kind,
    /// `RETENTION_DAYS`: how long payloads and attempts are kept.
    pub retention_days: u32,
    /// `STORAGE_LIMIT_MB`: how many megabytes one object may store.
    pub storage_limit_mb: u32,
    /// `MAX_IN_FLIGHT`: how many requests of one endpoint may wait for their response at once.
    pub max_in_flight: u32,
    /// `BREAKER_FAILURES`: how many of its latest 20 attempts have to fail for an endpoint's breaker to open; 0: never.
    pub breaker_failures: u32,
    /// `MAX_ENDPOINTS`: how many endpoints an application may have where its own tokens make them.
    pub max_endpoints: u32,
    /// `API_RATE_LIMIT`: how many requests a second one token may make; 0 is as many as it likes.
    pub api_rate_limit: u32,
    /// `MAX_PLUGINS`, `MAX_PLUGIN_VERSIONS`, `MAX_PLUGIN_BYTES`: what a tenant's store of plugins holds.
    pub plugins: PluginLimits,
    /// `MAX_PLUGIN_FUEL`: what one run of a plugin may cost.
    pub plugin_fuel: u32,
    /// `DEDUP_WINDOW`, in milliseconds: how long a source remembers the ids of events.
    pub dedup_window_ms: i64,
    /// `KEY_SERVER`: for local development, who is asked for providers' public keys in their stead.
    pub key_server: Option<String>,
    /// `PORTAL_NAME`: what the dashboard and the customers' portal call whoever sends.
    pub portal_name: Option<String>,
    /// `PORTAL_COLOR`: their color, red, green and blue.
    pub portal_color: Option<[u8; 3]>,
    /// `SECURITY_CONTACT`: where to report a vulnerability, in `/.well-known/security.txt`.
    pub security_contact: Option<String>,
    /// `PORTAL_LOGO`: the URL of their logo.
    pub portal_logo: Option<String>,
    /// `PORTAL_ORIGINS`: the origins of pages that may embed the portal, and call the API from a browser.
    pub portal_origins: Vec<String>,
}

/// Where the Durable Objects are: fixed from the first object on, since the jurisdiction is part of every object's id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Location {
    /// `JURISDICTION`: objects run and store data only there.
    pub jurisdiction: Option<&'static str>,
    /// `LOCATION_HINT`: the region that a new object is created near to.
    pub hint: Option<&'static str>,
}

/// The jurisdictions of Durable Objects.
const JURISDICTIONS: [&str; 3] = ["eu", "us", "fedramp"];
/// The location hints of Durable Objects.
const LOCATION_HINTS: [&str; 9] = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];

/// What a tenant's store of plugins holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// Plugins.
    pub plugins: u32,
    /// Versions of each; beyond, the oldest that nobody needs gives way.
    pub versions: u32,
    /// Bytes of all versions together, as uploaded and as rewritten.
    pub bytes: u32,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self { plugins: 100, versions: 20, bytes: 200 * 1024 * 1024 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            jwt_secret: None,
            old_jwt_secrets: Vec::new(),
            master_key: None,
            old_master_keys: Vec::new(),
            retry_schedule: Schedule::default(),
            retry_jitter: JITTER_PERCENT,
            request_timeout_ms: 15_000,
            endpoint_disable_after_ms: Some(432_000_000),
            https_only: false,
            allowed_networks: Vec::new(),
            allow_ip_addresses: false,
            location: Location::default(),
            header_profile: HeaderProfile::Svix,
            default_signature: Kind::Hmac256,
            retention_days: 30,
            storage_limit_mb: 10_000,
            max_in_flight: 6,
            breaker_failures: 14,
            max_endpoints: 50,
            api_rate_limit: 0,
            plugins: PluginLimits::default(),
            plugin_fuel: 10_000_000,
            dedup_window_ms: 7 * 86_400_000,
            key_server: None,
            portal_name: None,
            portal_color: None,
            security_contact: None,
            portal_logo: None,
            portal_origins: Vec::new(),
        }
    }
}

impl fmt::Debug for Settings {
    /// Everything but the two secrets, of which it only says whether they are set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("jwt_secret", &self.jwt_secret.as_ref().map(|_| "set"))
            .field("old_jwt_secrets", &self.old_jwt_secrets.len())
            .field("master_key", &self.master_key.map(|_| "set"))
            .field("old_master_keys", &self.old_master_keys.len())
            .field("retry_schedule", &self.retry_schedule)
            .field("retry_jitter", &self.retry_jitter)
            .field("request_timeout_ms", &self.request_timeout_ms)
            .field("endpoint_disable_after_ms", &self.endpoint_disable_after_ms)
            .field("https_only", &self.https_only)
            .field("allowed_networks", &self.allowed_networks)
            .field("allow_ip_addresses", &self.allow_ip_addresses)
            .field("location", &self.location)
            .field("header_profile", &self.header_profile)
            .field("default_signature", &self.default_signature)
            .field("retention_days", &self.retention_days)
            .field("storage_limit_mb", &self.storage_limit_mb)
            .field("max_in_flight", &self.max_in_flight)
            .field("breaker_failures", &self.breaker_failures)
            .field("max_endpoints", &self.max_endpoints)
            .field("api_rate_limit", &self.api_rate_limit)
            .field("plugins", &self.plugins)
            .field("plugin_fuel", &self.plugin_fuel)
            .field("dedup_window_ms", &self.dedup_window_ms)
            .field("key_server", &self.key_server)
            .field("portal_name", &self.portal_name)
            .field("portal_color", &self.portal_color)
            .field("security_contact", &self.security_contact)
            .field("portal_logo", &self.portal_logo)
            .field("portal_origins", &self.portal_origins)
            .finish()
    }
}

/// A setting with a wrong value; its `Display` is a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// The setting's name.
    pub setting: &'static str,
    /// What was given: the value, or of a secret only its length.
    pub given: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The setting {} is {}: {}", self.setting, self.given, self.allowed)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads all settings; `get` answers the variable of that name, if there is one.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let defaults = Self::default();
        let vars = Vars(get);
        let mut jwt_secrets = vars.secret("JWT_SECRET", jwt_secrets)?.unwrap_or_default().into_iter();
        let mut master_keys = vars.secret("MASTER_KEY", master_keys)?.unwrap_or_default().into_iter();
        let retry_jitter = vars.count("RETRY_JITTER", 0..=50)?.unwrap_or(defaults.retry_jitter);
        let retry_schedule = vars.retry_schedule("RETRY_SCHEDULE")?.unwrap_or(defaults.retry_schedule);
        let this = Self {
            jwt_secret: jwt_secrets.next(),
            old_jwt_secrets: jwt_secrets.collect(),
            master_key: master_keys.next(),
            old_master_keys: master_keys.collect(),
            retry_schedule: retry_schedule.with_jitter(retry_jitter),
            retry_jitter,
            request_timeout_ms: vars
                .public(
                    "REQUEST_TIMEOUT",
                    "it must be a number of seconds from 0.1 to 120, such as 15 or 2.5.",
                    |value| time::parse_seconds(value).filter(|ms| (100..=120_000).contains(ms)),
                )?
                .unwrap_or(defaults.request_timeout_ms),
            endpoint_disable_after_ms: vars
                .public(
                    "ENDPOINT_DISABLE_AFTER",
                    "it must be a number of seconds up to 31536000 (a year), such as 432000 (five days); 0 never disables.",
                    |value| time::parse_seconds(value).filter(|ms| *ms <= 31_536_000_000),
                )?
                .map_or(defaults.endpoint_disable_after_ms, |ms| (ms > 0).then_some(ms)),
            https_only: vars
                .public("HTTPS_ONLY", "it must be true or false (or 1, 0, yes, no, on, off).", flag)?
                .unwrap_or(defaults.https_only),
            allow_ip_addresses: vars
                .public(
                    "ALLOW_IP_ADDRESSES",
                    "it must be true or false (or 1, 0, yes, no, on, off).",
                    flag,
                )?
                .unwrap_or(defaults.allow_ip_addresses),
            location: Location {
                jurisdiction: vars.public("JURISDICTION", "it must be eu, us or fedramp, or not set.", |value| {
                    JURISDICTIONS.into_iter().find(|known| *known == value)
                })?,
                hint: vars.public(
                    "LOCATION_HINT",
                    "it must be wnam, enam, sam, weur, eeur, apac, oc, afr or me, or not set.",
                    |value| LOCATION_HINTS.into_iter().find(|known| *known == value),
                )?,
            },
            allowed_networks: vars
                .public(
                    "ALLOWED_NETWORKS",
                    "it must be networks separated by commas, each an address and a prefix length with no bits set \
                     after the prefix, such as 127.0.0.0/8,10.0.0.0/8,fd00::/8.",
                    |value| value.split(',').map(|cidr| cidr.trim().parse().ok()).collect(),
                )?
                .unwrap_or(defaults.allowed_networks),
            header_profile: vars
                .public("HEADER_PROFILE", "it must be svix, standard or both.", HeaderProfile::from_word)?
                .unwrap_or(defaults.header_profile),
            default_signature: vars
                .public("DEFAULT_SIGNATURE", "it must be hmac256 or ed25519.", |value| match value {
                    "hmac256" => Some(Kind::Hmac256),
                    "ed25519" => Some(Kind::Ed25519),
                    _ => None,
                })?
                .unwrap_or(defaults.default_signature),
            retention_days: vars
                .public("RETENTION_DAYS", "it must be a whole number of days from 1 to 3650.", |value| {
                    whole(value).filter(|days| (1..=3650).contains(days))
                })?
                .unwrap_or(defaults.retention_days),
            storage_limit_mb: vars
                .count("STORAGE_LIMIT_MB", 1..=1_000_000)?
                .unwrap_or(defaults.storage_limit_mb),
            max_in_flight: vars
                .public(
                    "MAX_IN_FLIGHT",
                    "it must be a whole number of requests from 1 to 1000 (Cloudflare runs six at once).",
                    |value| whole(value).filter(|count| (1..=1000).contains(count)),
                )?
                .unwrap_or(defaults.max_in_flight),
            breaker_failures: vars.count("BREAKER_FAILURES", 0..=20)?.unwrap_or(defaults.breaker_failures),
            max_endpoints: vars.count("MAX_ENDPOINTS", 1..=1_000)?.unwrap_or(defaults.max_endpoints),
            api_rate_limit: vars.count("API_RATE_LIMIT", 0..=1_000_000)?.unwrap_or(defaults.api_rate_limit),
            plugins: PluginLimits {
                plugins: vars.count("MAX_PLUGINS", 0..=10_000)?.unwrap_or(defaults.plugins.plugins),
                versions: vars.count("MAX_PLUGIN_VERSIONS", 2..=1_000)?.unwrap_or(defaults.plugins.versions),
                bytes: vars.count("MAX_PLUGIN_BYTES", 0..=1_000_000_000)?.unwrap_or(defaults.plugins.bytes),
            },
            plugin_fuel: vars
                .count("MAX_PLUGIN_FUEL", 1_000..=100_000_000)?
                .unwrap_or(defaults.plugin_fuel),
            dedup_window_ms: vars
                .public(
                    "DEDUP_WINDOW",
                    "it must be a number of seconds up to 2592000 (30 days), such as 604800 (seven); 0 delivers repeated events.",
                    |value| time::parse_seconds(value).filter(|ms| *ms <= 2_592_000_000),
                )?
                .unwrap_or(defaults.dedup_window_ms),
            portal_name: vars.public(
                "PORTAL_NAME",
                "it must be a name of at most 40 characters, in one line.",
                |value| {
                    let fits = value.chars().count() <= 40 && !value.chars().any(char::is_control);
                    fits.then(|| value.to_owned())
                },
            )?,
            portal_color: vars.public(
                "PORTAL_COLOR",
                "it must be a color of six hexadecimal digits, such as #0b5cad.",
                color,
            )?,
            // `worker/runtime/welcome.mjs` reads the variable itself, by the same rule.
            security_contact: vars.public(
                "SECURITY_CONTACT",
                "it must be a mailto: or https: address, such as mailto:security@example.com.",
                |value| {
                    let is_address = value.starts_with("mailto:") || value.starts_with("https://");
                    let fits = is_address && value.bytes().all(|byte| byte.is_ascii_graphic());
                    fits.then(|| value.to_owned())
                },
            )?,
            portal_logo: vars.public(
                "PORTAL_LOGO",
                "it must be the https URL of a picture, without a query, such as https://example.com/logo.svg.",
                |value| logo(value).then(|| value.to_owned()),
            )?,
            portal_origins: vars
                .public(
                    "PORTAL_ORIGINS",
                    "it must be up to 20 origins separated by commas, each a scheme and a host without a path, such as \
                     https://app.example.com.",
                    |value| {
                        let all: Vec<&str> = value.split(',').map(str::trim).collect();
                        let good = all.len() <= 20 && all.iter().all(|one| origin(one));
                        good.then(|| all.iter().map(|one| one.to_ascii_lowercase()).collect())
                    },
                )?
                .unwrap_or_default(),
            key_server: None,
        };
        // Whoever answers for all providers has to be in a network of the operator's own.
        let key_server = vars.public(
            "KEY_SERVER",
            "it must be the address of a server in one of the ALLOWED_NETWORKS, such as http://127.0.0.1:9100; it is for \
             local development only.",
            |value| {
                let own = target::check(value, &this.target_policy()).is_ok();
                (own && target::check(value, &Policy::public()).is_err())
                    .then(|| value.trim_end_matches('/').to_owned())
            },
        )?;
        Ok(Self { key_server, ..this })
    }

    /// As [`from_vars`](Self::from_vars), where a wrong setting counts as none given, and is told: what comes in must not be
    /// lost for a color that is none. `HTTPS_ONLY` is then the stricter of the two.
    pub fn from_vars_leniently(get: impl Fn(&str) -> Option<String>) -> (Self, Vec<SettingsError>) {
        let mut wrong: Vec<SettingsError> = Vec::new();
        for _ in 0..=NAMES.len() {
            let is_wrong = |name: &str| wrong.iter().any(|error| error.setting == name);
            match Self::from_vars(|name| if is_wrong(name) { None } else { get(name) }) {
                Ok(mut settings) => {
                    settings.https_only |= is_wrong("HTTPS_ONLY");
                    return (settings, wrong);
                }
                Err(error) => wrong.push(error),
            }
        }
        (Self::default(), wrong)
    }

    /// All that verify bearer tokens, newest first.
    pub fn jwt_secrets(&self) -> impl Iterator<Item = &str> {
        self.jwt_secret.iter().chain(&self.old_jwt_secrets).map(String::as_str)
    }

    /// All that open what is stored, newest first.
    pub fn master_keys(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.master_key.iter().chain(&self.old_master_keys)
    }

    /// Where a URL of a provider's is asked: there, but for local development.
    pub fn asked_at(&self, url: &str) -> String {
        match (&self.key_server, url.split_once("://")) {
            (Some(server), Some((_, rest))) => format!("{server}/{rest}"),
            _ => url.to_owned(),
        }
    }

    /// What the guard on endpoint URLs is to allow.
    pub fn target_policy(&self) -> Policy {
        Policy {
            https_only: self.https_only,
            allowed: self.allowed_networks.clone(),
            ip_addresses: self.allow_ip_addresses,
            spell: None,
        }
    }
}

/// Whether a text is a URL that a page's policy can name: https, a host, and a path of plain characters.
pub fn logo(value: &str) -> bool {
    let Some((host, path)) = value.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%@+".contains(c);
    value.len() <= 1_000 && origin(&format!("https://{host}")) && path.chars().all(plain)
}

/// Whether a text is an origin: `https`, or `http` on this machine; a host; and perhaps a port.
fn origin(value: &str) -> bool {
    let of = |host: &str| {
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        named && name.len() <= 253 && port.is_none_or(|port| port.parse::<u16>().is_ok())
    };
    let local = |host: &str| ["localhost", "127.0.0.1"].contains(&host.split(':').next().unwrap_or_default());
    match value.split_once("://") {
        Some(("https", host)) => of(host),
        Some(("http", host)) => of(host) && local(host),
        _ => false,
    }
}

struct Vars<G>(G);

impl<G: Fn(&str) -> Option<String>> Vars<G> {
    fn given(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A setting whose value may be shown in its error.
    fn public<T>(
        &self,
        setting: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(value) = self.given(setting) else { return Ok(None) };
        let error = || SettingsError { setting, given: quoted(&value), allowed: allowed.to_owned() };
        parse(&value).map(Some).ok_or_else(error)
    }

    /// A whole number.
    fn count(&self, setting: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>, SettingsError> {
        let allowed = format!("it must be a whole number from {} to {}.", range.start(), range.end());
        self.public(setting, &allowed, |value| whole(value).filter(|count| range.contains(count)))
    }

    /// A setting whose value may not be shown. White space around it is part of it: whoever else holds the
    /// secret would not know that it was cut.
    fn secret<T>(
        &self,
        setting: &'static str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(value) = (self.0)(setting).filter(|value| !value.is_empty()) else { return Ok(None) };
        let given = || format!("a text of {} bytes", value.len());
        let error = |allowed: &str| SettingsError { setting, given: given(), allowed: allowed.to_owned() };
        parse(&value).map(Some).map_err(error)
    }

    fn retry_schedule(&self, setting: &'static str) -> Result<Option<Schedule>, SettingsError> {
        let Some(value) = (self.0)(setting) else { return Ok(None) };
        let error = |error: crate::retry::ScheduleError| SettingsError {
            setting,
            given: quoted(&value),
            allowed: error.to_string(),
        };
        value.parse().map(Some).map_err(error)
    }
}

/// The value for an error: short, and in one line.
fn quoted(value: &str) -> String {
    const SHOWN: usize = 100;
    let shown: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if value.chars().count() > SHOWN { "…" } else { "" };
    format!("'{shown}{more}'")
}

fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn whole(value: &str) -> Option<u32> {
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok())?
}

/// `#rrggbb`.
pub fn color(value: &str) -> Option<[u8; 3]> {
    let digits = value.strip_prefix('#').unwrap_or(value);
    let right = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok().filter(|_| right)?.to_be_bytes();
    Some([r, g, b])
}

/// The most values of a secret.
const MAX_VALUES: usize = 8;

/// The values of a secret: one, or several separated by commas, newest first. White space around a value is not part of it,
/// and neither is a comma at the end: files and secret stores add both.
fn values(value: &str) -> Result<Vec<&str>, &'static str> {
    let values: Vec<&str> = value.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    match values.len() {
        1..=MAX_VALUES => Ok(values),
        0 => Err("it is empty."),
        _ => Err("it may have 8 values at most, separated by commas, newest first."),
    }
}

fn jwt_secrets(value: &str) -> Result<Vec<String>, &'static str> {
    let values = values(value)?;
    if values.iter().any(|value| value.len() < MIN_JWT_SECRET) {
        return Err(
            "each value must have at least 16 bytes, better 32 random ones (openssl rand -base64 32 makes them). Several are \
             separated by commas, newest first, so a value cannot contain a comma.",
        );
    }
    Ok(values.into_iter().map(str::to_owned).collect())
}

fn master_keys(value: &str) -> Result<Vec<[u8; 32]>, &'static str> {
    values(value)?.into_iter().map(master_key).collect()
}

/// 64 hexadecimal digits, or base64 of either alphabet, with or without padding.
fn master_key(value: &str) -> Result<[u8; 32], &'static str> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if value.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    hex(value).or_else(|| GeneralPurpose::new(alphabet, CONFIG).decode(value).ok()?.try_into().ok()).ok_or(
        "it must be 32 bytes, as base64 or as 64 hexadecimal digits (openssl rand -base64 32 makes them). Several are \
         separated by commas, newest first.",
    )
}

fn hex(value: &str) -> Option<[u8; 32]> {
    if value.len() != 64 || !value.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    let nibble = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (to, pair) in key.iter_mut().zip(value.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *to = (nibble(high)? << 4) | nibble(low)?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_vars(|name| {
            vars.iter().find(|(var, _)| *var == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const ALL: [&str; NAMES.len()] = NAMES;

    #[test]
    fn nothing_need_be_set() {
        assert_eq!(read(&[]), Ok(Settings::default()));
    }

    #[test]
    fn an_empty_value_is_none_but_for_the_schedule() {
        let settings = read(&ALL.map(|name| (name, ""))).unwrap();
        assert_eq!(settings, Settings { retry_schedule: Schedule::NONE, ..Settings::default() });
    }

    #[test]
    fn a_name_is_one_line() {
        assert!(read(&[("PORTAL_NAME", "two\nlines")]).is_err());
    }

    #[test]
    fn every_setting_is_read() {
        let settings = read(&[
            ("JWT_SECRET", "0123456789abcdef"),
            ("MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"),
            ("RETRY_SCHEDULE", "0.5,1"),
            ("RETRY_JITTER", "0"),
            ("REQUEST_TIMEOUT", "2.5"),
            ("ENDPOINT_DISABLE_AFTER", "3600"),
            ("HTTPS_ONLY", "True"),
            ("ALLOWED_NETWORKS", "127.0.0.0/8, ::1"),
            ("ALLOW_IP_ADDRESSES", "true"),
            ("JURISDICTION", "eu"),
            ("LOCATION_HINT", "weur"),
            ("HEADER_PROFILE", "both"),
            ("DEFAULT_SIGNATURE", "ed25519"),
            ("RETENTION_DAYS", "7"),
            ("STORAGE_LIMIT_MB", "1000"),
            ("MAX_IN_FLIGHT", "100"),
            ("BREAKER_FAILURES", "20"),
            ("MAX_ENDPOINTS", "7"),
            ("API_RATE_LIMIT", "8"),
            ("MAX_PLUGINS", "0"),
            ("MAX_PLUGIN_VERSIONS", "2"),
            ("MAX_PLUGIN_BYTES", "1000"),
            ("MAX_PLUGIN_FUEL", "2000"),
            ("DEDUP_WINDOW", "60"),
            ("KEY_SERVER", "https://127.0.0.1:9100/"),
            ("PORTAL_NAME", " Acme & Söhne "),
            ("PORTAL_COLOR", "#0B5cad"),
            ("SECURITY_CONTACT", "mailto:security@example.com"),
            ("PORTAL_LOGO", "https://acme.example/logo.svg"),
            ("PORTAL_ORIGINS", "https://App.acme.example, http://localhost:3000"),
        ])
        .unwrap();
        let expected = Settings {
            jwt_secret: Some("0123456789abcdef".into()),
            old_jwt_secrets: Vec::new(),
            old_master_keys: Vec::new(),
            master_key: Some(std::array::from_fn(|i| u8::try_from(i).unwrap())),
            retry_schedule: "0.5,1".parse::<Schedule>().unwrap().with_jitter(0),
            retry_jitter: 0,
            request_timeout_ms: 2500,
            endpoint_disable_after_ms: Some(3_600_000),
            https_only: true,
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            allow_ip_addresses: true,
            location: Location { jurisdiction: Some("eu"), hint: Some("weur") },
            header_profile: HeaderProfile::Both,
            default_signature: Kind::Ed25519,
            retention_days: 7,
            storage_limit_mb: 1000,
            max_in_flight: 100,
            breaker_failures: 20,
            max_endpoints: 7,
            api_rate_limit: 8,
            plugins: PluginLimits { plugins: 0, versions: 2, bytes: 1000 },
            plugin_fuel: 2000,
            dedup_window_ms: 60_000,
            key_server: Some("https://127.0.0.1:9100".into()),
            portal_name: Some("Acme & Söhne".into()),
            portal_color: Some([0x0b, 0x5c, 0xad]),
            security_contact: Some("mailto:security@example.com".into()),
            portal_logo: Some("https://acme.example/logo.svg".into()),
            portal_origins: vec!["https://app.acme.example".into(), "http://localhost:3000".into()],
        };
        assert_eq!(settings, expected);
        let policy = settings.target_policy();
        assert!(policy.https_only && policy.allowed.len() == 2);
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_all_three() {
        for (setting, bad, allowed) in [
            ("RETRY_SCHEDULE", "5,x", "'x' is not a number of seconds"),
            ("RETRY_JITTER", "51", "from 0 to 50"),
            ("REQUEST_TIMEOUT", "0.05", "from 0.1 to 120"),
            ("REQUEST_TIMEOUT", "120.5", "from 0.1 to 120"),
            ("REQUEST_TIMEOUT", "15s", "from 0.1 to 120"),
            ("ENDPOINT_DISABLE_AFTER", "-1", "0 never disables"),
            ("ENDPOINT_DISABLE_AFTER", "31536001", "0 never disables"),
            ("HTTPS_ONLY", "maybe", "true or false"),
            ("ALLOWED_NETWORKS", "10.0.0.1/8", "networks separated by commas"),
            ("ALLOWED_NETWORKS", "10.0.0.0/8,,", "networks separated by commas"),
            ("ALLOW_IP_ADDRESSES", "maybe", "true or false"),
            ("JURISDICTION", "EU", "eu, us or fedramp"),
            ("JURISDICTION", "de", "eu, us or fedramp"),
            ("LOCATION_HINT", "europe", "weur, eeur"),
            ("HEADER_PROFILE", "SVIX", "svix, standard or both"),
            ("DEFAULT_SIGNATURE", "rsa", "hmac256 or ed25519"),
            ("RETENTION_DAYS", "0", "from 1 to 3650"),
            ("RETENTION_DAYS", "3651", "from 1 to 3650"),
            ("RETENTION_DAYS", "1.5", "from 1 to 3650"),
            ("MAX_IN_FLIGHT", "0", "from 1 to 1000"),
            ("BREAKER_FAILURES", "21", "from 0 to 20"),
            ("MAX_IN_FLIGHT", "+5", "from 1 to 1000"),
            ("MAX_IN_FLIGHT", "99999999999", "from 1 to 1000"),
            ("MAX_PLUGINS", "10001", "from 0 to 10000"),
            ("MAX_PLUGIN_VERSIONS", "1", "from 2 to 1000"),
            ("MAX_PLUGIN_BYTES", "1e6", "from 0 to 1000000000"),
            ("MAX_PLUGIN_FUEL", "100000001", "from 1000 to 100000000"),
            ("DEDUP_WINDOW", "2592001", "up to 2592000"),
            ("KEY_SERVER", "http://127.0.0.1:9100", "in one of the ALLOWED_NETWORKS"),
            ("PORTAL_NAME", "a name that is longer than the forty characters", "at most 40"),
            ("PORTAL_COLOR", "blue", "#0b5cad"),
            ("PORTAL_COLOR", "#0b5ca", "#0b5cad"),
            ("PORTAL_COLOR", "+b5cad", "#0b5cad"),
            ("SECURITY_CONTACT", "security@example.com", "mailto: or https:"),
            ("SECURITY_CONTACT", "mailto:a b", "mailto: or https:"),
            ("PORTAL_LOGO", "http://acme.example/logo.svg", "https URL"),
            ("PORTAL_LOGO", "https://acme.example/logo.svg; script-src *", "https URL"),
            ("PORTAL_LOGO", "https://acme.example", "https URL"),
            ("PORTAL_ORIGINS", "*", "origins"),
            ("PORTAL_ORIGINS", "https://a.example https://b.example", "origins"),
            ("PORTAL_ORIGINS", "https://a.example/path", "origins"),
            ("PORTAL_ORIGINS", "http://a.example", "origins"),
            ("PORTAL_ORIGINS", "https://a.example; frame-src *", "origins"),
            ("PORTAL_ORIGINS", "https://*.example", "origins"),
        ] {
            let error = read(&[(setting, bad)]).unwrap_err().to_string();
            assert!(error.contains(&format!("setting {setting} is '{bad}'")), "{error}");
            assert!(error.contains(allowed), "{error}");
        }
    }

    #[test]
    fn a_wrong_secret_is_not_shown() {
        for (setting, bad, allowed) in [
            ("JWT_SECRET", "tooshort-secret", "at least 16 bytes"),
            ("MASTER_KEY", "c2VjcmV0", "32 bytes, as base64 or as 64 hexadecimal digits"),
            ("MASTER_KEY", "secret!", "32 bytes, as base64 or as 64 hexadecimal digits"),
        ] {
            let error = read(&[(setting, bad)]).unwrap_err().to_string();
            assert!(!error.contains(bad) && error.contains(allowed), "{error}");
            assert!(error.contains(&format!("a text of {} bytes", bad.len())), "{error}");
        }
        let settings = read(&[("JWT_SECRET", "0123456789abcdef"), ("MASTER_KEY", &"07".repeat(32))]).unwrap();
        let debug = format!("{settings:?}");
        assert!(!debug.contains("0123456789abcdef") && !debug.contains("7, 7"), "{debug}");
    }

    #[test]
    fn a_master_key_may_be_spelled_in_several_ways() {
        for spelled in [
            "__________________________________________8",
            "__________________________________________8=",
            "//////////////////////////////////////////8=",
            "//////////////////////////////////////////8",
            &"fF".repeat(32),
            &format!("{}\n", "ff".repeat(32)),
        ] {
            assert_eq!(read(&[("MASTER_KEY", spelled)]).unwrap().master_key, Some([0xff; 32]), "{spelled}");
        }
    }

    #[test]
    fn a_wrong_setting_counts_as_none_where_events_must_come_in() {
        let vars = [
            ("PORTAL_COLOR", "yellow"),
            ("HTTPS_ONLY", "perhaps"),
            ("RETENTION_DAYS", "7"),
            ("MAX_IN_FLIGHT", "0"),
        ];
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let (settings, wrong) = Settings::from_vars_leniently(var);
        assert_eq!((settings.retention_days, settings.https_only, settings.portal_color), (7, true, None));
        let mut names: Vec<&str> = wrong.iter().map(|error| error.setting).collect();
        names.sort_unstable();
        assert_eq!(names, ["HTTPS_ONLY", "MAX_IN_FLIGHT", "PORTAL_COLOR"]);
        assert_eq!(Settings::from_vars_leniently(|_| None), (Settings::default(), Vec::new()));
    }

    #[test]
    fn a_secret_may_have_several_values_newest_first() {
        let (new, old) = ("0123456789abcdef-new", "0123456789abcdef-old");
        let settings = read(&[("JWT_SECRET", &format!("{new}, {old}"))]).unwrap();
        assert_eq!(settings.jwt_secrets().collect::<Vec<_>>(), [new, old]);
        assert_eq!(settings.jwt_secret.as_deref(), Some(new));
        for spelled in
            [format!("{new}\n"), format!(" {new},"), format!("{new},, {old}\r\n"), format!(",{new}")]
        {
            let settings = read(&[("JWT_SECRET", &spelled)]).unwrap();
            assert_eq!(settings.jwt_secret.as_deref(), Some(new), "{spelled:?}");
        }
        for bad in [&format!("{new},short"), "a secret, with a comma", " , ,", &[new; 9].join(",")] {
            assert!(read(&[("JWT_SECRET", bad)]).is_err(), "{bad:?}");
        }
        let keys = format!("{},{}", "01".repeat(32), "02".repeat(32));
        let settings = read(&[("MASTER_KEY", &keys)]).unwrap();
        assert_eq!(settings.master_keys().collect::<Vec<_>>(), [&[1; 32], &[2; 32]]);
        for bad in [&format!("{},x", "01".repeat(32)), &[keys.as_str(); 5].join(",")] {
            assert!(read(&[("MASTER_KEY", bad)]).is_err());
        }
        assert!(read(&[("MASTER_KEY", &format!("{keys},\n"))]).is_ok());
    }

    #[test]
    fn a_key_server_is_in_a_network_of_the_operators_own_or_there_is_none() {
        let open = ("ALLOWED_NETWORKS", "127.0.0.0/8");
        for wrong in ["http://keys.example", "http://10.0.0.1", "127.0.0.1:9100", "ftp://127.0.0.1"] {
            assert_eq!(read(&[open, ("KEY_SERVER", wrong)]).unwrap_err().setting, "KEY_SERVER", "{wrong}");
        }
        let url = "https://sns.us-east-1.amazonaws.com/a.pem";
        assert_eq!(read(&[open]).unwrap().asked_at(url), url);
        let settings = read(&[open, ("KEY_SERVER", "http://127.0.0.1:9100/")]).unwrap();
        assert_eq!(settings.asked_at(url), "http://127.0.0.1:9100/sns.us-east-1.amazonaws.com/a.pem");
    }

    #[test]
    fn zero_never_disables() {
        assert_eq!(read(&[("ENDPOINT_DISABLE_AFTER", "0")]).unwrap().endpoint_disable_after_ms, None);
    }

    #[test]
    fn a_long_value_is_cut_in_its_error() {
        let error = read(&[("HEADER_PROFILE", &"x\n".repeat(1000))]).unwrap_err();
        assert!(error.given.len() < 250 && !error.given.contains('\n'), "{}", error.given);
    }

    proptest! {
        #[test]
        fn any_value_is_answered(values in prop::collection::vec("[0-9a-z./:, -]{0,20}|.*", 23)) {
            for (name, value) in ALL.iter().zip(&values) {
                if let Err(error) = read(&[(name, value)]) {
                    prop_assert_eq!(error.setting, *name);
                }
            }
            let vars: Vec<_> = ALL.into_iter().zip(values.iter().map(String::as_str)).collect();
            let _ = read(&vars);
        }
    }
}
