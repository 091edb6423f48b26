//! The manifest: metadata of a plugin in a custom section, readable without running the plugin.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The custom section's name.
pub const SECTION: &str = "weir:manifest";
/// The largest section, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

const MAX_NAME: usize = 64;
const MAX_VERSION: usize = 64;
const MAX_DESCRIPTION: usize = 1024;
const MAX_SDK: usize = 64;
const MAX_EVENT_TYPES: usize = 256;
const MAX_EVENT_TYPE: usize = 256;

/// The metadata of a plugin. The keys are those of the section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The ABI it was built for.
    pub abi: u32,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Map<String, Value>>,
    /// The event types it is made for, exact or ending in `.*`; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// What built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
}

impl Manifest {
    /// Reads a section; the error is the part of a sentence that says what is wrong.
    pub fn read(section: &[u8]) -> Result<Self, String> {
        if section.len() > MAX_BYTES {
            return Err(format!("it has {} bytes, {MAX_BYTES} are allowed", section.len()));
        }
        let manifest: Self = serde_json::from_slice(section).map_err(|e| e.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let name_starts = self.name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let name_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !name_starts || self.name.len() > MAX_NAME || !self.name.chars().all(name_char) {
            return Err(format!(
                "`name` must be 1 to {MAX_NAME} of a-z, 0-9, - and _, starting with a letter or digit"
            ));
        }
        let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if self.version.is_empty() || self.version.len() > MAX_VERSION || !printable(&self.version) {
            return Err(format!("`version` must be 1 to {MAX_VERSION} printable ASCII characters"));
        }
        if self.description.as_ref().is_some_and(|text| text.len() > MAX_DESCRIPTION) {
            return Err(format!("`description` has more than {MAX_DESCRIPTION} bytes"));
        }
        if self.sdk.as_ref().is_some_and(|text| text.len() > MAX_SDK) {
            return Err(format!("`sdk` has more than {MAX_SDK} bytes"));
        }
        if self.event_types.len() > MAX_EVENT_TYPES {
            return Err(format!("`eventTypes` has more than {MAX_EVENT_TYPES} items"));
        }
        for pattern in &self.event_types {
            let stem = pattern.strip_suffix(".*").unwrap_or(pattern);
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
            if stem.is_empty() || pattern.len() > MAX_EVENT_TYPE || !stem.bytes().all(fits) {
                return Err(format!(
                    "`eventTypes` has {pattern:?}: write an event type, or one ending in `.*`"
                ));
            }
        }
        Ok(())
    }

    /// Whether the plugin is made for this event type.
    pub fn is_for(&self, event_type: &str) -> bool {
        self.event_types.is_empty()
            || self.event_types.iter().any(|pattern| match pattern.strip_suffix(".*") {
                Some(stem) => event_type.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.')),
                None => pattern == event_type,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"name":"redact","version":"1.0.0","abi":1,"description":"Hides.","sdk":"x/1",
        "configSchema":{"type":"object"},"eventTypes":["a.b","user.*"],"later":true}"#;

    #[test]
    fn a_manifest_is_read_and_unknown_keys_are_left() {
        let manifest = Manifest::read(FULL.as_bytes()).unwrap();
        assert_eq!(manifest.name, "redact");
        assert_eq!(manifest.config_schema.as_ref().unwrap().get("type"), Some(&Value::from("object")));
        assert!(manifest.is_for("a.b") && manifest.is_for("user.created") && manifest.is_for("user.a.b"));
        assert!(!manifest.is_for("a.b.c") && !manifest.is_for("user") && !manifest.is_for("users.created"));
    }

    #[test]
    fn the_smallest_manifest_is_for_all_events() {
        let manifest = Manifest::read(br#"{"name":"a","version":"0","abi":1}"#).unwrap();
        assert!(manifest.is_for("anything"));
        assert_eq!(serde_json::to_string(&manifest).unwrap(), r#"{"abi":1,"name":"a","version":"0"}"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |json: &str| Manifest::read(json.as_bytes()).unwrap_err();
        assert!(wrong("{").contains("EOF"));
        assert!(wrong(r#"{"version":"1","abi":1}"#).contains("name"));
        assert!(wrong(r#"{"name":"A","version":"1","abi":1}"#).contains("`name`"));
        assert!(wrong(r#"{"name":"","version":"1","abi":1}"#).contains("`name`"));
        assert!(wrong(r#"{"name":"a","version":"","abi":1}"#).contains("`version`"));
        assert!(wrong(r#"{"name":"a","version":"1","abi":1,"eventTypes":[".*"]}"#).contains("`eventTypes`"));
        assert!(wrong(r#"{"name":"a","version":"1","abi":1,"configSchema":[]}"#).contains("map"));
        assert!(wrong(&" ".repeat(MAX_BYTES + 1)).contains("65536"));
    }
}
