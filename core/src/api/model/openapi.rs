//! Event types, imported from an OpenAPI document: its `webhooks`, or `x-webhooks` before OpenAPI 3.1.

use super::event_type::EventTypeContent;
use super::{check_event_type, none_if_empty};
use crate::api::body::{self, Faults};
use crate::api::yaml;
use crate::error::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt::Write;

/// The most event types of one import.
pub const MAX_IMPORTED: usize = 1_000;
/// The most bytes of a document.
pub const MAX_SPEC: usize = 1024 * 1024;
/// How deep references are followed.
const MAX_DEPTH: usize = 40;
/// How many values the schemas of a document may have together once their references are written out, and how many bytes: a
/// reference of 30 bytes may stand for a hundred kilobytes, and be there a thousand times.
const MAX_VALUES: usize = 100_000;
pub(crate) const MAX_WRITTEN: usize = 4 * 1024 * 1024;

/// The body of an import.
#[derive(Debug)]
pub struct ImportIn {
    /// What the document has, by name.
    pub found: Vec<(String, EventTypeContent)>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Archive every other event type.
    pub replace_all: bool,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventTypeImportOpenApiIn"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fields {
    /// Only report what the import would change.
    #[serde(default, deserialize_with = "super::null_is_default")]
    dry_run: bool,
    /// Also archive all event types that the document does not define.
    #[serde(default, deserialize_with = "super::null_is_default")]
    replace_all: bool,
    /// The OpenAPI document as JSON. Send this or `specRaw`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    spec: Option<Value>,
    /// The OpenAPI document as text, in JSON or YAML.
    #[serde(default)]
    spec_raw: Option<String>,
}

impl ImportIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let fields: Fields = body::parse(bytes)?;
        let (field, spec) = match (fields.spec, fields.spec_raw) {
            (Some(spec), None) => ("spec", spec),
            (None, Some(text)) if text.len() > MAX_SPEC => {
                let msg = format!("A document may take {MAX_SPEC} bytes.");
                return Err(ApiError::invalid(&["body", "specRaw"], msg));
            }
            (None, Some(text)) => {
                let read = serde_json::from_str(&text).or_else(|_| yaml::to_json(&text));
                ("specRaw", read.map_err(|error| ApiError::invalid(&["body", "specRaw"], error))?)
            }
            _ => {
                let msg = "Send either spec (an object) or specRaw (a text of JSON or YAML).";
                return Err(ApiError::invalid(&["body", "spec"], msg));
            }
        };
        let mut faults = Faults::default();
        let mut found = Vec::new();
        let webhooks = spec.get("webhooks").or_else(|| spec.get("x-webhooks")).and_then(Value::as_object);
        match webhooks {
            None => faults.add(&[field], "The document has neither webhooks nor x-webhooks."),
            Some(webhooks) if webhooks.len() > MAX_IMPORTED => {
                faults.add(&[field], format!("A document may have {MAX_IMPORTED} webhooks."));
            }
            Some(webhooks) => {
                let mut room = Room { values: MAX_VALUES, bytes: MAX_WRITTEN };
                for (name, item) in webhooks {
                    let mut inner = Faults::default();
                    check_event_type(&mut inner, &[field, "webhooks", name], name);
                    if let Some(content) = content(&mut inner, &spec, item, &mut room) {
                        found.push((name.clone(), content));
                    }
                    if let Err(error) = inner.into_result() {
                        faults.merge(error)?;
                    }
                    if room.is_used_up() {
                        faults.add(
                            &[field],
                            format!(
                                "With its references written out, the document has more than {MAX_WRITTEN} bytes or {MAX_VALUES} \
                                 values of schemas. Import it in parts."
                            ),
                        );
                        break;
                    }
                }
            }
        }
        faults.into_result()?;
        Ok(Self { found, dry_run: fields.dry_run, replace_all: fields.replace_all })
    }
}

/// What a webhook says of its event type.
fn content(faults: &mut Faults, spec: &Value, item: &Value, room: &mut Room) -> Option<EventTypeContent> {
    let item = target(spec, item)?;
    // A webhook has one operation, usually a POST.
    let operation = ["post", "put", "patch", "get", "delete"].iter().find_map(|method| item.get(*method))?;
    let text = |field: &str| operation.get(field).or_else(|| item.get(field)).and_then(Value::as_str);
    let body = operation.get("requestBody").and_then(|body| target(spec, body));
    let media = body.and_then(|body| {
        let content = body.get("content")?.as_object()?;
        content.get("application/json").or_else(|| content.values().next())
    });
    let schema = media.and_then(|media| {
        let schema = target(spec, media.get("schema")?)?;
        // An example beside the schema is one of the schema's.
        let example = media.get("example").filter(|_| schema.get("examples").is_none());
        let mut text = String::from("{\"1\":");
        write(spec, schema, 0, room, &mut text);
        if let (Some(example), true) = (example, text.ends_with('}')) {
            text.pop();
            let comma = if text.ends_with('{') { "" } else { "," };
            let _ = write!(text, "{comma}\"examples\":[{example}]}}");
        }
        text.push('}');
        Some(text)
    });
    let flags = operation.get("x-svix-feature-flags").and_then(Value::as_array);
    let flags = flags.map(|flags| flags.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let flag = operation.get("x-svix-feature-flag").and_then(Value::as_str).map(|flag| vec![flag.to_owned()]);
    let content = EventTypeContent {
        description: text("description").or_else(|| text("summary")).unwrap_or_default().to_owned(),
        archived: false,
        deprecated: operation.get("deprecated").and_then(Value::as_bool).unwrap_or(false),
        schemas: schema.and_then(|schema| RawValue::from_string(schema).ok()),
        feature_flags: none_if_empty(flags.or(flag)),
        group_name: text("x-svix-group-name").map(str::to_owned),
    };
    content.check(faults);
    Some(content)
}

/// What a reference within the document stands for; anything else is itself.
fn target<'a>(spec: &'a Value, value: &'a Value) -> Option<&'a Value> {
    let mut value = value;
    for _ in 0..MAX_DEPTH {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Some(value) };
        value = spec.pointer(reference.strip_prefix('#')?)?;
    }
    None
}

/// What may still be written.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn is_used_up(&self) -> bool {
        self.values == 0 || self.bytes == 0
    }

    fn take(&mut self, bytes: usize) -> bool {
        self.values = self.values.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_used_up()
    }
}

/// Writes a schema with its references written out, as far as they can be: one that leads in a circle, or outside of the
/// document, stays. Where there is no more room, the rest is empty.
fn write(spec: &Value, value: &Value, depth: usize, room: &mut Room, to: &mut String) {
    if depth > MAX_DEPTH || room.is_used_up() {
        to.push_str("{}");
        return;
    }
    let deeper = depth.saturating_add(1);
    match value {
        Value::Object(entries) if entries.contains_key("$ref") => match target(spec, value) {
            Some(found) => write(spec, found, deeper, room, to),
            None => plain(value, room, to),
        },
        Value::Object(entries) => {
            room.take(2);
            to.push('{');
            for (at, (name, inner)) in entries.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                room.bytes = room.bytes.saturating_sub(name.len());
                let _ = write!(to, "{}:", Value::from(name.as_str()));
                write(spec, inner, deeper, room, to);
            }
            to.push('}');
        }
        Value::Array(items) => {
            room.take(2);
            to.push('[');
            for (at, inner) in items.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write(spec, inner, deeper, room, to);
            }
            to.push(']');
        }
        other => plain(other, room, to),
    }
}

fn plain(value: &Value, room: &mut Room, to: &mut String) {
    let length = value.as_str().map_or(8, str::len);
    if room.take(length) {
        let _ = write!(to, "{value}");
    } else {
        to.push_str("{}");
    }
}

/// The answer of an import.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventTypeImportOpenApiOut"))]
pub struct ImportOut {
    /// The result of the import.
    pub data: ImportOutData,
}

/// What an import did, or would do.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventTypeImportOpenApiOutData"))]
#[serde(rename_all = "camelCase")]
pub struct ImportOutData {
    /// The names of the event types that were created or updated.
    pub modified: Vec<String>,
    /// In a dry run, the event types as the import would write them.
    pub to_modify: Option<Vec<Imported>>,
}

/// An event type as the document has it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "EventTypeFromOpenApi"))]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The name of the event type.
    name: String,
    /// A human-readable description.
    description: String,
    /// JSON Schemas of the payload, by version.
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Schemas>"))]
    schemas: Option<Box<RawValue>>,
    /// Whether it is deprecated. It is still sent, but new consumers should not use it.
    deprecated: bool,
    /// The group under which the catalog lists it.
    group_name: Option<String>,
    /// Only applications whose token has one of these feature flags see it. `null` shows it to all.
    feature_flags: Option<Vec<String>>,
}

impl Imported {
    /// Makes the answer.
    pub fn new(name: String, content: EventTypeContent) -> Self {
        Self {
            name,
            description: content.description,
            schemas: content.schemas,
            deprecated: content.deprecated,
            group_name: content.group_name,
            feature_flags: content.feature_flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn spec() -> Value {
        json!({
            "openapi": "3.1.0",
            "webhooks": {
                "invoice.paid": { "post": {
                    "summary": "Paid", "description": "An invoice was paid", "deprecated": true,
                    "x-svix-group-name": "billing", "x-svix-feature-flags": ["beta"],
                    "requestBody": { "$ref": "#/components/requestBodies/Invoice" },
                } },
                "plain": { "$ref": "#/components/pathItems/Plain" },
                "no.operation": { "parameters": [] },
            },
            "components": {
                "pathItems": { "Plain": { "post": { "summary": "Only a summary" } } },
                "requestBodies": { "Invoice": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Invoice" }, "example": { "id": "inv_1" },
                } } } },
                "schemas": {
                    "Invoice": { "type": "object", "properties": {
                        "customer": { "$ref": "#/components/schemas/Customer" },
                        "parent": { "$ref": "https://elsewhere.example.com/schema" },
                    } },
                    "Customer": { "type": "object", "properties": { "id": { "type": "string" } } },
                },
            },
        })
    }

    fn import(body: &Value) -> Result<ImportIn, ApiError> {
        ImportIn::parse(body.to_string().as_bytes())
    }

    #[test]
    fn the_webhooks_of_a_document_are_event_types() {
        let found = import(&json!({ "spec": spec() })).expect("ok").found;
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["invoice.paid", "plain"]);
        let paid = &found[0].1;
        assert_eq!((paid.description.as_str(), paid.deprecated), ("An invoice was paid", true));
        assert_eq!(paid.group_name.as_deref(), Some("billing"));
        assert_eq!(paid.feature_flags.as_deref(), Some(&["beta".to_owned()][..]));
        let schemas: Value =
            serde_json::from_str(paid.schemas.as_ref().expect("a schema").get()).expect("json");
        assert_eq!(schemas["1"]["properties"]["customer"]["properties"]["id"]["type"], "string");
        assert_eq!(schemas["1"]["properties"]["parent"]["$ref"], "https://elsewhere.example.com/schema");
        assert_eq!(schemas["1"]["examples"], json!([{ "id": "inv_1" }]));
        assert_eq!((found[1].1.description.as_str(), found[1].1.schemas.is_none()), ("Only a summary", true));
    }

    #[test]
    fn a_text_of_json_or_yaml_is_read_too_and_so_is_the_older_name() {
        let yaml = "x-webhooks:\n  a.b:\n    post:\n      description: from YAML\n";
        for text in [yaml.to_owned(), json!({ "x-webhooks": { "a.b": { "post": {} } } }).to_string()] {
            let read = import(&json!({ "specRaw": text, "dryRun": true, "replaceAll": null })).expect("ok");
            assert_eq!((read.found[0].0.as_str(), read.dry_run, read.replace_all), ("a.b", true, false));
        }
    }

    #[test]
    fn a_schema_that_contains_itself_ends_somewhere() {
        let mut spec = spec();
        spec["components"]["schemas"]["Customer"] = json!({ "anyOf": [
            { "$ref": "#/components/schemas/Customer" }, { "$ref": "#/components/schemas/Invoice" },
        ] });
        spec["components"]["pathItems"]["Plain"] = json!({ "$ref": "#/components/pathItems/Plain" });
        let found = import(&json!({ "spec": spec })).expect("ok").found;
        assert_eq!(found.len(), 1, "a path item that is only itself is nothing");
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let long = "x".repeat(MAX_SPEC + 1);
        for body in [
            json!({}),
            json!({ "spec": {}, "specRaw": "{}" }),
            json!({ "spec": { "paths": {} } }),
            json!({ "spec": { "webhooks": { "not a name": { "post": {} } } } }),
            json!({ "specRaw": "no: [spec" }),
            json!({ "specRaw": long }),
            json!({ "spec": 5 }),
        ] {
            let error = import(&body).expect_err("refused");
            assert_eq!(error.http_status(), 422, "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_document_is_answered(text in "(?s).{0,200}", path in "[#/$a-z]{0,20}") {
            let schema = json!({ "$ref": path });
            let spec = json!({ "webhooks": { "a": { "post": {
                "requestBody": { "content": { "application/json": { "schema": schema } } } } } }, "a": schema });
            let _ = (import(&json!({ "specRaw": text })), import(&json!({ "spec": spec })));
        }
    }
}
