//! The deployment's settings, as its owner sees them. Of secrets, only whether they are set.

use crate::secret::Kind;
use crate::settings::{NAMES, Settings};
use crate::time::seconds;
use serde::Serialize;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingOut {
    /// The name of the setting: a variable or secret of the Worker.
    pub name: &'static str,
    /// The value in effect. For a secret, whether it is set.
    pub value: String,
}

/// All settings, as they hold.
pub fn settings(of: &Settings) -> Vec<SettingOut> {
    let secret = |set: bool| if set { "(set)" } else { "(not set)" }.to_owned();
    let networks: Vec<String> = of.allowed_networks.iter().map(ToString::to_string).collect();
    let color = |[r, g, b]: [u8; 3]| format!("#{r:02x}{g:02x}{b:02x}");
    let values: [String; NAMES.len()] = [
        secret(of.jwt_secret.is_some()),
        secret(of.master_key.is_some()),
        of.retry_schedule.to_string(),
        of.retry_jitter.to_string(),
        seconds(of.request_timeout_ms),
        seconds(of.endpoint_disable_after_ms.unwrap_or(0)),
        of.https_only.to_string(),
        networks.join(","),
        of.allow_ip_addresses.to_string(),
        of.location.jurisdiction.unwrap_or_default().to_owned(),
        of.location.hint.unwrap_or_default().to_owned(),
        of.header_profile.word().to_owned(),
        match of.default_signature {
            Kind::Hmac256 => "hmac256",
            Kind::Ed25519 => "ed25519",
        }
        .to_owned(),
        of.retention_days.to_string(),
        of.storage_limit_mb.to_string(),
        of.max_in_flight.to_string(),
        of.breaker_failures.to_string(),
        of.max_endpoints.to_string(),
        of.api_rate_limit.to_string(),
        of.plugins.plugins.to_string(),
        of.plugins.versions.to_string(),
        of.plugins.bytes.to_string(),
        of.plugin_fuel.to_string(),
        seconds(of.dedup_window_ms),
        of.key_server.clone().unwrap_or_default(),
        of.portal_name.clone().unwrap_or_default(),
        of.portal_color.map(color).unwrap_or_default(),
        of.security_contact.clone().unwrap_or_default(),
        of.portal_logo.clone().unwrap_or_default(),
        of.portal_origins.join(","),
    ];
    NAMES.into_iter().zip(values).map(|(name, value)| SettingOut { name, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_the_variables_would_say_and_no_secret() {
        let given = [
            ("JWT_SECRET", "a very secret text"),
            ("RETRY_SCHEDULE", "1,2.5"),
            ("RETRY_JITTER", "10"),
            ("REQUEST_TIMEOUT", "2.5"),
            ("ENDPOINT_DISABLE_AFTER", "0"),
            ("HTTPS_ONLY", "true"),
            ("ALLOWED_NETWORKS", "127.0.0.0/8,fd00::/8"),
            ("ALLOW_IP_ADDRESSES", "true"),
            ("JURISDICTION", "us"),
            ("LOCATION_HINT", "wnam"),
            ("HEADER_PROFILE", "both"),
            ("DEFAULT_SIGNATURE", "ed25519"),
            ("RETENTION_DAYS", "7"),
            ("STORAGE_LIMIT_MB", "1000"),
            ("MAX_IN_FLIGHT", "3"),
            ("BREAKER_FAILURES", "10"),
            ("MAX_ENDPOINTS", "9"),
            ("API_RATE_LIMIT", "5"),
            ("MAX_PLUGINS", "4"),
            ("MAX_PLUGIN_VERSIONS", "5"),
            ("MAX_PLUGIN_BYTES", "6"),
            ("MAX_PLUGIN_FUEL", "7000"),
            ("DEDUP_WINDOW", "60"),
            ("KEY_SERVER", "https://127.0.0.1:9100"),
            ("PORTAL_NAME", "Acme"),
            ("PORTAL_COLOR", "#0b5cad"),
            ("SECURITY_CONTACT", "https://example.com/security"),
            ("PORTAL_LOGO", "https://acme.example/logo.svg"),
            ("PORTAL_ORIGINS", "https://app.acme.example"),
        ];
        let var = |name: &str| given.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let shown = settings(&Settings::from_vars(var).expect("good"));
        assert_eq!(shown.len(), NAMES.len());
        for setting in &shown {
            let expected = match setting.name {
                "JWT_SECRET" => "(set)",
                "MASTER_KEY" => "(not set)",
                name => given.iter().find(|(n, _)| *n == name).expect(name).1,
            };
            assert_eq!(setting.value, expected, "{}", setting.name);
        }
    }
}
