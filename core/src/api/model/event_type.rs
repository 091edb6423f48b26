//! Event types: the catalog of what an organization sends.

use super::{check_event_type, check_text, json_schema, null_is_default};
use crate::api::body::{self, Faults, Patch};
use crate::api::tree::Tree;
use crate::error::ApiError;
use crate::time::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most bytes of an event type's schemas.
pub const MAX_SCHEMAS: usize = 512 * 1024;
/// The most feature flags of an event type.
pub const MAX_FLAGS: usize = 50;

/// What can be set of an event type.
#[derive(Debug, Clone, Default)]
pub struct EventTypeContent {
    /// A human-readable description.
    pub description: String,
    /// Whether it is archived. Endpoints cannot subscribe to an archived event type.
    pub archived: bool,
    /// Whether it is deprecated. It is still sent, but new consumers should not use it.
    pub deprecated: bool,
    /// JSON Schemas of the payload, by version.
    pub schemas: Option<Box<RawValue>>,
    /// Only applications whose token has one of these feature flags see it. `null` shows it to all.
    pub feature_flags: Option<Vec<String>>,
    /// The group under which the catalog lists it.
    pub group_name: Option<String>,
}

impl EventTypeContent {
    /// Notes what is wrong with it.
    pub fn check(&self, faults: &mut Faults) {
        check_text(faults, "description", &self.description);
        if let Some(schemas) = &self.schemas {
            faults.check(
                schemas.get().starts_with('{'),
                &["schemas"],
                "Send an object with a JSON Schema for each version.",
            );
            faults.check(
                schemas.get().len() <= MAX_SCHEMAS,
                &["schemas"],
                format!("The schemas may have at most {MAX_SCHEMAS} bytes."),
            );
        }
        if let Some(group) = &self.group_name {
            check_text(faults, "groupName", group);
        }
        if let Some(flags) = &self.feature_flags {
            faults.check(
                flags.len() <= MAX_FLAGS && flags.iter().all(|flag| super::is_name(flag)),
                &["featureFlags"],
                "Send at most 50 names with the characters a-z, A-Z, 0-9, -, _ and .",
            );
        }
    }

    /// Notes schemas that are none.
    pub(super) fn check_schemas(&self, faults: &mut Faults) {
        let Some(schemas) = self.schemas.as_ref().filter(|schemas| schemas.get().len() <= MAX_SCHEMAS) else {
            return;
        };
        let Ok(Tree::Object(versions)) = serde_json::from_str::<Tree<'_>>(schemas.get()) else { return };
        for (version, schema) in versions.iter() {
            if let Some((path, why)) = json_schema::fault(schema) {
                let path = path.iter().map(String::as_str);
                let loc: Vec<&str> = ["schemas", version].into_iter().chain(path).collect();
                faults.add(&loc, why);
            }
        }
    }

    /// Changes what the patch names.
    pub fn apply(&mut self, patch: EventTypePatch) {
        let (one, many) = (patch.feature_flag, patch.feature_flags);
        patch.description.apply_or_default(&mut self.description);
        patch.archived.apply_or_default(&mut self.archived);
        patch.deprecated.apply_or_default(&mut self.deprecated);
        patch.schemas.apply(&mut self.schemas);
        patch.group_name.apply(&mut self.group_name);
        match one {
            Patch::Absent => {}
            Patch::Null => self.feature_flags = None,
            Patch::Set(flag) => self.feature_flags = Some(vec![flag]),
        }
        many.apply(&mut self.feature_flags);
        self.feature_flags = super::none_if_empty(self.feature_flags.take());
    }
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventTypeIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields {
    /// The name of the event type, for example `invoice.paid`. Messages and endpoints refer to it.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::EventTypeName"))]
    name: Option<String>,
    /// A human-readable description.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Text"))]
    description: String,
    /// Whether it is archived. Endpoints cannot subscribe to an archived event type.
    #[serde(default, deserialize_with = "null_is_default")]
    archived: bool,
    /// Whether it is deprecated. It is still sent, but new consumers should not use it.
    #[serde(default, deserialize_with = "null_is_default")]
    deprecated: bool,
    /// JSON Schemas of the payload, by version.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schemas>"))]
    schemas: Option<Box<RawValue>>,
    /// The only feature flag, for SDKs before 2.0.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    feature_flag: Option<String>,
    /// Only applications whose token has one of these feature flags see it. `null` shows it to all.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Flags>"))]
    #[serde(deserialize_with = "body::at_most_or_none::<100, _, _>")]
    feature_flags: Option<Vec<String>>,
    /// The group under which the catalog lists it.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Text>"))]
    group_name: Option<String>,
}

/// The body of PUT, for the API's description: the name is in the path.
#[cfg(test)]
pub(crate) struct UpdateIn;

#[cfg(test)]
impl schemars::JsonSchema for UpdateIn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventTypeUpdate".into()
    }

    fn json_schema(of: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = Fields::json_schema(of);
        schema.get_mut("properties").and_then(|all| all.as_object_mut()).expect("properties").remove("name");
        let required = schema.get_mut("required").and_then(|all| all.as_array_mut()).expect("required");
        required.retain(|field| field != "name");
        schema
    }
}

impl Fields {
    fn content(self) -> EventTypeContent {
        let flags = self.feature_flags.or_else(|| self.feature_flag.map(|flag| vec![flag]));
        EventTypeContent {
            description: self.description,
            archived: self.archived,
            deprecated: self.deprecated,
            schemas: self.schemas,
            feature_flags: super::none_if_empty(flags.map(super::unique)),
            group_name: self.group_name,
        }
    }
}

/// The body of create.
#[derive(Debug, Clone)]
pub struct EventTypeIn {
    /// What messages name it by.
    pub name: String,
    /// The rest.
    pub content: EventTypeContent,
}

impl EventTypeIn {
    /// Reads and checks the body of create.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let mut fields: Fields = body::parse(bytes)?;
        let mut faults = Faults::default();
        let name = fields.name.take();
        match &name {
            Some(name) => check_event_type(&mut faults, &["name"], name),
            None => faults.add_kind(&["name"], "This field is required.", "value_error.missing"),
        }
        let content = fields.content();
        content.check(&mut faults);
        content.check_schemas(&mut faults);
        faults.into_result()?;
        Ok(Self { name: name.unwrap_or_default(), content })
    }

    /// Reads and checks the body of PUT; the name is in the path.
    pub fn parse_update(name: &str, bytes: &[u8]) -> Result<Self, ApiError> {
        let fields: Fields = body::parse(bytes)?;
        let mut faults = Faults::default();
        let content = fields.content();
        content.check(&mut faults);
        content.check_schemas(&mut faults);
        faults.into_result()?;
        let mut path = Faults::default();
        check_event_type(&mut path, &[], name);
        path.into_result().map_err(|_| {
            ApiError::invalid(
                &["path", "event_type_name"],
                "Use 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and .",
            )
        })?;
        Ok(Self { name: name.to_owned(), content })
    }
}

/// The body of PATCH.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct EventTypePatch {
    /// A human-readable description.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Text>"))]
    description: Patch<String>,
    /// Whether it is archived. Endpoints cannot subscribe to an archived event type.
    archived: Patch<bool>,
    /// Whether it is deprecated. It is still sent, but new consumers should not use it.
    deprecated: Patch<bool>,
    /// JSON Schemas of the payload, by version.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schemas>"))]
    schemas: Patch<Box<RawValue>>,
    /// The only feature flag, for SDKs before 2.0.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Uid>"))]
    feature_flag: Patch<String>,
    /// Only applications whose token has one of these feature flags see it. `null` shows it to all.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Flags>"))]
    feature_flags: Patch<Vec<String>>,
    /// The group under which the catalog lists it.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Text>"))]
    group_name: Patch<String>,
}

impl EventTypePatch {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let patch: Self = body::parse(bytes)?;
        let mut faults = Faults::default();
        let mut content = EventTypeContent::default();
        content.apply(patch.clone());
        content.check(&mut faults);
        content.check_schemas(&mut faults);
        faults.into_result()?;
        Ok(patch)
    }
}

/// An event type, as it is answered.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventTypeOut {
    /// The name of the event type, for example `invoice.paid`. Messages and endpoints refer to it.
    pub name: String,
    /// A human-readable description.
    pub description: String,
    /// Whether it is archived. Endpoints cannot subscribe to an archived event type.
    pub archived: bool,
    /// Whether it is deprecated. It is still sent, but new consumers should not use it.
    pub deprecated: bool,
    /// JSON Schemas of the payload, by version. `null` in lists unless `with_content` is set.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schemas>"))]
    pub schemas: Option<Box<RawValue>>,
    /// The only feature flag, for SDKs before 2.0.
    pub feature_flag: Option<String>,
    /// Only applications whose token has one of these feature flags see it. `null` shows it to all.
    pub feature_flags: Option<Vec<String>>,
    /// The group under which the catalog lists it.
    pub group_name: Option<String>,
    /// When it was created.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub created_at: String,
    /// When it was last changed.
    #[cfg_attr(test, schemars(with = "crate::api::doc::kind::Time"))]
    pub updated_at: String,
}

impl EventTypeOut {
    /// Makes the answer of what is stored.
    pub fn new(name: String, content: EventTypeContent, created_ms: i64, updated_ms: i64) -> Self {
        Self {
            name,
            description: content.description,
            archived: content.archived,
            deprecated: content.deprecated,
            schemas: content.schemas,
            feature_flag: content.feature_flags.as_ref().and_then(|flags| flags.first().cloned()),
            feature_flags: content.feature_flags,
            group_name: content.group_name,
            created_at: rfc3339(created_ms),
            updated_at: rfc3339(updated_ms),
        }
    }
}

/// The event types of an endpoint's filter that the caller cannot subscribe to. An endpoint that has one already keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedTypes {
    /// Those that do not exist, or are archived.
    pub unknown: Vec<String>,
    /// Those whose feature flags the caller's token lacks.
    pub hidden: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_keep_their_bytes_and_both_names_of_the_flag_are_read() {
        let new =
            EventTypeIn::parse(br#"{"name":"a.b","description":"","schemas":{"1": {}},"featureFlag":"f"}"#)
                .expect("ok");
        let out = EventTypeOut::new(new.name, new.content, 0, 0);
        assert_eq!(out.schemas.as_ref().map(|s| s.get()), Some(r#"{"1": {}}"#));
        assert_eq!(out.feature_flags.as_deref(), Some(&["f".to_owned()][..]));
        assert_eq!(out.feature_flag.as_deref(), Some("f"));
    }

    #[test]
    fn faults_name_their_fields() {
        let error =
            EventTypeIn::parse(br#"{"name":"-a","description":"","schemas":[],"featureFlags":["a b"]}"#)
                .expect_err("three faults");
        let ApiError::Invalid(faults) = error else { panic!("{error}") };
        let places: Vec<_> = faults.iter().map(|f| f.loc.join(".")).collect();
        assert_eq!(places, ["body.name", "body.schemas", "body.featureFlags"]);
        let error = EventTypeIn::parse(br#"{"description":""}"#).expect_err("no name");
        assert!(error.body().contains("value_error.missing"));
        assert!(EventTypeIn::parse_update("a b", br#"{"description":""}"#).is_err());
        assert_eq!(EventTypeIn::parse_update("a", br#"{"description":""}"#).expect("ok").name, "a");
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut content = EventTypeIn::parse(
            br#"{"name":"a","description":"d","groupName":"g","schemas":{},"featureFlags":["x","y","x"]}"#,
        )
        .expect("ok")
        .content;
        assert_eq!(content.feature_flags.as_ref().map(Vec::len), Some(2));
        let patch =
            EventTypePatch::parse(br#"{"groupName":null,"archived":true,"schemas":null}"#).expect("ok");
        content.apply(patch);
        assert_eq!((content.description.as_str(), content.archived), ("d", true));
        assert!(content.group_name.is_none() && content.schemas.is_none());
        content.apply(EventTypePatch::parse(br#"{"featureFlag":null}"#).expect("ok"));
        assert!(content.feature_flags.is_none());
    }
}
