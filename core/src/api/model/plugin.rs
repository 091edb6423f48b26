//! Plugins: what the store answers, and what attaches them to endpoints.

use crate::api::body::{self, Faults};
use crate::error::{ApiError, Code, Fault};
use crate::header;
use crate::plugin::{Attached, OnError, Subject};
use crate::time::rfc3339;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use weir_plugin_schema::{Schema, SchemaFault};

/// The longest name of a plugin.
pub const MAX_NAME: usize = 64;
/// The most plugins of one endpoint.
pub const MAX_CHAIN: usize = 8;
/// The most bytes of a configuration, as JSON.
pub const MAX_CONFIG: usize = 16 * 1024;
/// The most bytes of an uploaded module.
pub const MAX_MODULE: usize = 1024 * 1024;

/// Whether `text` may name a plugin: 1 to 64 of `a-z 0-9 - _`, a letter or digit first. (A manifest's name follows
/// the same rule.)
pub fn is_plugin_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        && !text.starts_with(['-', '_'])
}

/// Whether `text` may be a version: the SHA-256 of a module, in hexadecimal digits.
pub fn is_version(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// 413 for a module that is too large.
pub fn module_too_large() -> ApiError {
    let detail = format!("The module is too large. A plugin may have at most {MAX_MODULE} bytes.");
    ApiError::new(Code::PayloadTooLarge, detail)
}

/// A plugin, as it is answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginOut {
    /// The plugin's name. Endpoints refer to it.
    pub name: String,
    /// The id of the current version. Endpoints run it unless they pin another version.
    pub current: String,
    /// Whether the plugin is bundled with the deployment instead of uploaded by the tenant.
    pub bundled: bool,
    /// The manifest of the current version. `null` if the module has none.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    pub manifest: Option<Box<RawValue>>,
    /// The number of stored versions.
    pub versions: i64,
    /// When it was created. `null` for a bundled plugin.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub created_at: Option<String>,
    /// When it was last changed. `null` for a bundled plugin.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub updated_at: Option<String>,
    /// Up to 100 of the endpoints that it is attached to, when a single plugin is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_to: Option<Vec<PlaceOut>>,
}

/// An endpoint that a plugin is attached to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PluginPlaceOut"))]
#[serde(rename_all = "camelCase")]
pub struct PlaceOut {
    /// The application's or source's id.
    pub app_id: String,
    /// The endpoint's id.
    pub endpoint_id: String,
    /// The version that the endpoint is pinned to. `null` if it runs the current one.
    pub version: Option<String>,
}

/// A version of a plugin, as it is answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PluginVersionOut"))]
#[serde(rename_all = "camelCase")]
pub struct VersionOut {
    /// The version's id: the SHA-256 of the uploaded module, or `bundled`.
    pub id: String,
    /// The plugin's name.
    pub plugin: String,
    /// Whether this is the current version.
    pub current: bool,
    /// Whether this version is bundled with the deployment.
    pub bundled: bool,
    /// The size of the uploaded module, in bytes.
    pub size: i64,
    /// The version of the metering pass that rewrote the module.
    pub fuel_pass: i64,
    /// The module's manifest. `null` if the module has none.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    pub manifest: Option<Box<RawValue>>,
    /// When it was uploaded. `null` for a bundled version.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Time>"))]
    pub created_at: Option<String>,
    /// Where it stands in the list of versions.
    #[serde(skip)]
    pub place: String,
}

/// The schema of the configuration in a manifest, if it has one. The error is a 422 of the upload.
pub fn config_schema(manifest: Option<&str>) -> Result<Option<Schema>, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        #[serde(default)]
        config_schema: Option<Value>,
    }
    let Some(manifest) = manifest else { return Ok(None) };
    let manifest: Manifest = serde_json::from_str(manifest).map_err(|e| ApiError::Internal(e.to_string()))?;
    let schema = manifest.config_schema.map(Schema::new).transpose();
    schema.map_err(|SchemaFault { path, msg }| {
        let loc = ["body", "manifest", "configSchema"].map(str::to_owned).into_iter().chain(path).collect();
        ApiError::Invalid(vec![Fault { loc, msg, kind: "config_schema".to_owned() }])
    })
}

/// Notes what is wrong with a configuration. None at all is checked as an empty object, since it stands for it.
pub fn check_config(faults: &mut Faults, loc: &[&str], schema: Option<&Schema>, config: Option<&str>) {
    let Some(schema) = schema else { return };
    let Ok(value) = serde_json::from_str::<Value>(config.unwrap_or("{}")) else { return };
    for SchemaFault { path, msg } in schema.check(&value) {
        let loc: Vec<&str> = loc.iter().copied().chain(path.iter().map(String::as_str)).collect();
        faults.add(&loc, msg);
    }
}

/// The body that sets the current version.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PluginCurrentIn"))]
pub struct CurrentIn {
    /// The id of a stored version, or `bundled`.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Version"))]
    pub version: String,
}

impl CurrentIn {
    /// Reads a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        body::parse(bytes)
    }
}

/// One plugin of an endpoint, as it is asked for.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointPluginIn"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachmentIn {
    /// The plugin's name.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::PluginName"))]
    pub name: String,
    /// The version to pin: its id, or `bundled`. `null` follows the current version.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Version>"))]
    pub version: Option<String>,
    /// The plugin's configuration: any JSON that its schema allows.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Any>"))]
    pub config: Option<Box<RawValue>>,
    /// What to do with a delivery when the plugin fails.
    #[serde(default)]
    pub on_error: Option<OnError>,
    /// Ignored: it is in the response, which may be sent again as it is.
    #[serde(default)]
    #[cfg_attr(test, schemars(skip))]
    #[allow(dead_code)] // so that it is not an unknown field
    running_version: IgnoredAny,
}

impl AttachmentIn {
    /// The configuration as text; null stands for none.
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref().map(RawValue::get).filter(|text| *text != "null")
    }
}

/// An endpoint's plugins, as they are asked for.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointPluginsIn"))]
pub struct AttachmentsIn {
    /// The plugins, in the order in which they run.
    #[serde(deserialize_with = "body::at_most::<50, _, _>")]
    pub plugins: Vec<AttachmentIn>,
}

impl AttachmentsIn {
    /// Reads a body, and checks what can be checked without the store.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let attachments: Self = body::parse_exact(bytes)?;
        let mut faults = Faults::default();
        faults.check(
            attachments.plugins.len() <= MAX_CHAIN,
            &["plugins"],
            format!("An endpoint may have at most {MAX_CHAIN} plugins."),
        );
        for (at, attachment) in attachments.plugins.iter().enumerate() {
            faults.check(
                attachment.config().is_none_or(|config| config.len() <= MAX_CONFIG),
                &["plugins", &at.to_string(), "config"],
                format!("A configuration may have at most {MAX_CONFIG} bytes."),
            );
        }
        faults.into_result()?;
        Ok(attachments)
    }
}

/// One plugin of an endpoint, as it is answered. What is answered may be sent again as it is.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointPluginOut"))]
#[serde(rename_all = "camelCase")]
pub struct AttachmentOut {
    /// The plugin's name.
    pub name: String,
    /// The pinned version. `null` if the endpoint follows the current version.
    pub version: Option<String>,
    /// The id of the version that runs.
    pub running_version: String,
    /// The plugin's configuration.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Any"))]
    pub config: Option<Box<RawValue>>,
    /// What to do with a delivery when the plugin fails.
    pub on_error: OnError,
    /// Whether there is a configuration that this token may not see: it needs the capability `ManageTransformations`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub config_hidden: bool,
}

/// An endpoint's plugins, as they are answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EndpointPluginsOut"))]
pub struct AttachmentsOut {
    /// The plugins, in the order in which they run.
    pub plugins: Vec<AttachmentOut>,
}

impl AttachmentsOut {
    /// Makes the answer of what is stored. Configurations can hold credentials: they are left out where the token does not
    /// extend to plugins.
    pub fn new(plugins: Option<&[Attached]>, with_config: bool) -> Self {
        let out = |plugin: &Attached| AttachmentOut {
            name: plugin.name.clone(),
            version: plugin.pinned.then(|| plugin.version.clone()),
            running_version: plugin.version.clone(),
            config: plugin
                .config
                .clone()
                .filter(|_| with_config)
                .and_then(|config| RawValue::from_string(config).ok()),
            on_error: plugin.on_error,
            config_hidden: !with_config && plugin.config.is_some(),
        };
        Self { plugins: plugins.unwrap_or_default().iter().map(out).collect() }
    }
}

/// The body of a test run.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PluginTestIn"))]
#[serde(rename_all = "camelCase")]
pub struct TestIn {
    /// The version to run. `null` runs the current version.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Version>"))]
    pub version: Option<String>,
    /// The plugin's configuration: any JSON that its schema allows.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Any>"))]
    pub config: Option<Box<RawValue>>,
    /// A stored message to run the plugin on, by id or event id. Requires `appId`.
    #[serde(default)]
    pub message_id: Option<String>,
    /// The application of the message, by id or uid.
    #[serde(default)]
    pub app_id: Option<String>,
    /// An event to run the plugin on, instead of a stored message.
    #[serde(default)]
    pub event: Option<TestEvent>,
}

/// An event to test a plugin with.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PluginTestEvent"))]
#[serde(rename_all = "camelCase")]
pub struct TestEvent {
    /// The name of the event type.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::EventTypeName"))]
    pub event_type: String,
    /// The payload. The plugin receives exactly these bytes.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Any"))]
    pub payload: Box<RawValue>,
    /// The headers that the endpoint would add.
    #[serde(default, deserialize_with = "body::members_or_none::<256, _>")]
    pub headers: Option<BTreeMap<String, String>>,
}

impl TestIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let test: Self = body::parse_exact(bytes)?;
        let mut faults = Faults::default();
        match (&test.message_id, &test.event) {
            (Some(_), None) => faults.check(
                test.app_id.is_some(),
                &["appId"],
                "Send the id or uid of the message's application.",
            ),
            (None, Some(event)) => {
                super::check_event_type(&mut faults, &["event", "eventType"], &event.event_type);
                for (name, value) in event.headers.iter().flatten() {
                    if let Err(fault) = header::check(name, value) {
                        faults.add(&["event", "headers", name], fault.to_string());
                    }
                }
            }
            _ => faults.add(&["event"], "Send an event, or a messageId with its appId."),
        }
        faults.check(
            test.config().is_none_or(|config| config.len() <= MAX_CONFIG),
            &["config"],
            format!("A configuration may have at most {MAX_CONFIG} bytes."),
        );
        faults.into_result()?;
        Ok(test)
    }

    /// The configuration as text; null stands for none.
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref().map(RawValue::get).filter(|text| *text != "null")
    }

    /// Refuses a configuration that the plugin's manifest does not allow.
    pub fn check_config(&self, manifest: Option<&str>) -> Result<(), ApiError> {
        let mut faults = Faults::default();
        check_config(&mut faults, &["config"], config_schema(manifest)?.as_ref(), self.config());
        faults.into_result()
    }
}

impl TestEvent {
    /// What the plugin gets to work on.
    pub fn subject(&self) -> Subject {
        let own =
            self.headers.iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(own);
        Subject { event_type: self.event_type.clone(), headers, body: self.payload.get().as_bytes().to_vec() }
    }
}

/// A time as it is answered, with the place among versions that it gives.
pub(crate) fn version_times(created_ms: i64, id: &str) -> (String, String) {
    (rfc3339(created_ms), version_place(created_ms, id))
}

/// Versions are listed by this, so that a page's end is a place even where that version is deleted meanwhile.
pub(crate) fn version_place(created_ms: i64, id: &str) -> String {
    format!("{created_ms:014}-{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_versions_are_told_from_other_texts() {
        for good in ["a", "redact-pii_2", "0", &"a".repeat(64)] {
            assert!(is_plugin_name(good), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "a b", "é", &"a".repeat(65)] {
            assert!(!is_plugin_name(bad), "{bad}");
        }
        assert!(is_version(&"0f".repeat(32)));
        for bad in ["", "latest", &"0F".repeat(32), &"0".repeat(63)] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn places_of_versions_are_in_the_order_of_time() {
        let (old, new) = (version_place(999, "ff"), version_place(1_795_000_000_000, "00"));
        assert!(old < new && crate::api::model::is_name(&new));
    }

    #[test]
    fn a_chain_is_read_and_its_faults_are_placed() {
        let read = AttachmentsIn::parse(
            br#"{"plugins":[{"name":"a"},{"name":"b","version":null,"config":{ "x": 1.0 },"onError":"drop"}]}"#,
        );
        let plugins = read.expect("a chain").plugins;
        assert_eq!((plugins[0].config(), plugins[0].on_error), (None, None));
        assert_eq!(
            (plugins[1].config(), plugins[1].on_error),
            (Some(r#"{ "x": 1.0 }"#), Some(OnError::Drop))
        );
        let fault = |body: &Value| match AttachmentsIn::parse(body.to_string().as_bytes()) {
            Err(ApiError::Invalid(mut faults)) => faults.remove(0).loc.join("."),
            other => panic!("{other:?}"),
        };
        assert_eq!(fault(&json!({})), "body.plugins");
        assert_eq!(fault(&json!({ "plugins": [{ "version": "x" }] })), "body.plugins.0.name");
        assert_eq!(
            fault(&json!({ "plugins": [{ "name": "a", "onError": "retry" }] })),
            "body.plugins.0.onError"
        );
        for misspelled in ["onEror", "verson", "config_"] {
            assert_eq!(
                fault(&json!({ "plugins": [{ "name": "a", misspelled: null }] })),
                format!("body.plugins.0.{misspelled}")
            );
        }
        assert_eq!(fault(&json!({ "plugins": [], "Plugins": [] })), "body");
        let many = vec![json!({ "name": "a" }); MAX_CHAIN + 1];
        assert_eq!(fault(&json!({ "plugins": many })), "body.plugins");
        let long = json!({ "plugins": [{ "name": "a", "config": "x".repeat(MAX_CONFIG) }] });
        assert_eq!(fault(&long), "body.plugins.0.config");
    }

    #[test]
    fn what_is_answered_may_be_sent_again() {
        let plugin = |pinned| Attached {
            name: "a".to_owned(),
            version: "v".to_owned(),
            pinned,
            config: Some(r#"{ "x": 1.0 }"#.to_owned()),
            on_error: OnError::Deliver,
        };
        let out = serde_json::to_string(&AttachmentsOut::new(Some(&[plugin(false), plugin(true)]), true))
            .expect("json");
        let again = AttachmentsIn::parse(out.as_bytes()).expect("a chain").plugins;
        assert_eq!((again[0].version.as_deref(), again[1].version.as_deref()), (None, Some("v")));
        assert_eq!((again[0].config(), again[0].on_error), (Some(r#"{ "x": 1.0 }"#), Some(OnError::Deliver)));
        assert_eq!(
            serde_json::to_value(AttachmentsOut::new(None, true)).expect("json"),
            json!({ "plugins": [] })
        );
        let hidden = serde_json::to_value(AttachmentsOut::new(Some(&[plugin(true)]), false)).expect("json");
        assert_eq!(
            (&hidden["plugins"][0]["config"], &hidden["plugins"][0]["configHidden"]),
            (&json!(null), &json!(true)),
            "a configuration can hold credentials"
        );
    }

    #[test]
    fn a_test_is_of_a_message_or_of_an_event() {
        let places = |body: &str| match TestIn::parse(body.as_bytes()) {
            Ok(_) => String::new(),
            Err(ApiError::Invalid(faults)) => {
                faults.iter().map(|fault| fault.loc.join(".")).collect::<Vec<_>>().join(" ")
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(places(r#"{"event":{"eventType":"a.b","payload":{}}}"#), "");
        assert_eq!(places(r#"{"messageId":"msg_1","appId":"mine"}"#), "");
        assert_eq!(places("{}"), "body.event");
        assert_eq!(
            places(r#"{"messageId":"m","appId":"a","event":{"eventType":"a","payload":1}}"#),
            "body.event"
        );
        assert_eq!(places(r#"{"messageId":"msg_1"}"#), "body.appId");
        assert_eq!(places(r#"{"event":{"eventType":"a b","payload":1}}"#), "body.event.eventType");
        assert_eq!(places(r#"{"event":{"eventType":"a"}}"#), "body.event.payload");
        let headers = r#"{"event":{"eventType":"a","payload":1,"headers":{"x-a":"1","host":"h"}}}"#;
        assert_eq!(places(headers), "body.event.headers.host");
    }

    #[test]
    fn an_event_reaches_the_plugin_byte_for_byte() {
        let test = TestIn::parse(
            br#"{"event":{"eventType":"a","payload":{ "x": 1.0 },"headers":{"X-A":"1"}},"config":null}"#,
        );
        let test = test.expect("a test");
        let subject = test.event.as_ref().expect("an event").subject();
        assert_eq!((subject.body.as_slice(), test.config()), (&br#"{ "x": 1.0 }"#[..], None));
        let names: Vec<&str> = subject.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-a"]);
    }

    #[test]
    fn a_configuration_is_checked_by_the_manifests_schema() {
        let manifest = r#"{"name":"a","configSchema":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}"#;
        let schema = config_schema(Some(manifest)).expect("understood");
        let faults = |config: Option<&str>| {
            let mut faults = Faults::default();
            check_config(&mut faults, &["config"], schema.as_ref(), config);
            match faults.into_result() {
                Ok(()) => String::new(),
                Err(error) => error.body(),
            }
        };
        assert_eq!(faults(Some(r#"{"n":1}"#)), "");
        assert!(faults(Some(r#"{"n":"1"}"#)).contains(r#""loc":["body","config","n"]"#));
        assert!(faults(None).contains("required"));
        assert!(config_schema(None).expect("none").is_none());
        let error = config_schema(Some(r#"{"configSchema":{"properties":{"a":{"pattern":"x"}}}}"#))
            .expect_err("a pattern");
        assert!(
            error.body().contains(r#""loc":["body","manifest","configSchema","properties","a","pattern"]"#),
            "{error}"
        );
    }
}
