//! Event types, imported from an OpenAPI document: its `webhooks`, or `x-webhooks` before OpenAPI 3.1.

use super::event_type::{EventTypeContent, MAX_SCHEMAS};
use super::{check_event_type, none_if_empty};
use crate::api::body::{self, Faults};
use crate::api::tree::Tree;
use crate::api::yaml;
use crate::error::ApiError;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt::Write;

/// The most event types of one import.
pub const MAX_IMPORTED: usize = 1_000;
/// The most bytes of a document.
pub const MAX_SPEC: usize = 1024 * 1024;
/// How deep references are followed.
const MAX_DEPTH: usize = 40;
/// How deep what is written may be nested: references, and a document within them.
const MAX_NESTED: usize = 256;
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
pub(crate) struct Fields<'a> {
    /// Only report what the import would change.
    #[serde(default, deserialize_with = "super::null_is_default")]
    dry_run: bool,
    /// Also archive all event types that the document does not define.
    #[serde(default, deserialize_with = "super::null_is_default")]
    replace_all: bool,
    /// The OpenAPI document as JSON. Send this or `specRaw`.
    #[serde(default, borrow)]
    #[cfg_attr(test, schemars(with = "Option<crate::api::doc::kind::Object>"))]
    spec: Option<Tree<'a>>,
    /// The OpenAPI document as text, in JSON or YAML.
    #[serde(default)]
    spec_raw: Option<String>,
}

impl ImportIn {
    /// Reads and checks a body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let fields: Fields<'_> = body::parse(bytes)?;
        let (field, spec) = match (fields.spec, fields.spec_raw.as_deref()) {
            (Some(spec), None) => ("spec", spec),
            (None, Some(text)) if text.len() > MAX_SPEC => {
                let msg = format!("The document may have at most {MAX_SPEC} bytes.");
                return Err(ApiError::invalid(&["body", "specRaw"], msg));
            }
            (None, Some(text)) => {
                let read = serde_json::from_str(text).or_else(|_| yaml::to_json(text));
                ("specRaw", read.map_err(|error| ApiError::invalid(&["body", "specRaw"], error))?)
            }
            _ => {
                let msg = "Send either spec (an object) or specRaw (a text of JSON or YAML).";
                return Err(ApiError::invalid(&["body", "spec"], msg));
            }
        };
        let mut faults = Faults::default();
        let mut found = Vec::new();
        let webhooks = spec.get("webhooks").or_else(|| spec.get("x-webhooks")).and_then(Tree::as_object);
        match webhooks {
            None => faults.add(&[field], "The document has neither webhooks nor x-webhooks."),
            Some(webhooks) if webhooks.len() > MAX_IMPORTED => {
                faults.add(&[field], format!("The document may have at most {MAX_IMPORTED} webhooks."));
            }
            Some(webhooks) => {
                let mut writer = Writer::new(&spec);
                for (name, item) in webhooks.iter() {
                    let mut inner = Faults::default();
                    check_event_type(&mut inner, &[field, "webhooks", name], name);
                    if let Some(content) = content(&mut inner, item, &mut writer) {
                        found.push((name.to_owned(), content));
                    }
                    for dead in std::mem::take(&mut writer.dead) {
                        inner.add(
                            &[field, "webhooks", name],
                            format!("The reference {dead} does not exist in this document."),
                        );
                    }
                    for outside in std::mem::take(&mut writer.outside) {
                        body::note(&format!(
                            "{name}: the reference {outside} was not followed, because it must point into the \
                             document, as `#/components/…` does."
                        ));
                    }
                    // What was left out at the end of the room makes no schema; that says nothing of the document.
                    if writer.is_used_up() {
                        faults.add(
                            &[field],
                            format!(
                                "With its references expanded, the document has more than {MAX_WRITTEN} bytes or {MAX_VALUES} \
                                 values of schemas. Import it in parts."
                            ),
                        );
                        break;
                    }
                    if let Err(error) = inner.into_result() {
                        faults.merge(error)?;
                    }
                }
            }
        }
        faults.into_result()?;
        Ok(Self { found, dry_run: fields.dry_run, replace_all: fields.replace_all })
    }
}

/// What a webhook says of its event type.
fn content<'a, 't>(
    faults: &mut Faults,
    item: &'a Tree<'t>,
    writer: &mut Writer<'a, 't>,
) -> Option<EventTypeContent> {
    let item = writer.target(item)?;
    // A webhook has one operation, usually a POST.
    let operation = ["post", "put", "patch", "get", "delete"].iter().find_map(|method| item.get(method))?;
    let text = |field: &str| operation.get(field).or_else(|| item.get(field)).and_then(Tree::as_str);
    let body = operation.get("requestBody").and_then(|body| writer.target(body));
    let media = body.and_then(|body| {
        let content = body.get("content")?.as_object()?;
        content.get("application/json").or_else(|| content.values().next())
    });
    let schema = media.and_then(|media| Some(schemas(media.get("schema")?, media.get("example"), writer)));
    let flags = operation.get("x-svix-feature-flags").and_then(Tree::as_array);
    let flags = flags.map(|flags| flags.iter().filter_map(Tree::as_str).map(str::to_owned).collect());
    let flag = operation.get("x-svix-feature-flag").and_then(Tree::as_str).map(|flag| vec![flag.to_owned()]);
    let content = EventTypeContent {
        description: text("description").or_else(|| text("summary")).unwrap_or_default().to_owned(),
        archived: false,
        deprecated: operation.get("deprecated").and_then(Tree::as_bool).unwrap_or(false),
        schemas: schema.and_then(|schema| RawValue::from_string(schema).ok()),
        feature_flags: none_if_empty(flags.or(flag)),
        group_name: text("x-svix-group-name").map(str::to_owned),
    };
    content.check(faults);
    if !writer.is_used_up() {
        content.check_schemas(faults);
    }
    Some(content)
}

/// The schemas of an event type: one, as version 1.
fn schemas<'a, 't>(schema: &'a Tree<'t>, example: Option<&Tree<'_>>, writer: &mut Writer<'a, 't>) -> String {
    writer.root = None;
    let found = writer.resolve(schema).ok().unwrap_or(schema);
    writer.root = Some(found);
    // An example beside the schema is one of the schema's.
    let example = example.filter(|_| found.as_object().is_some() && found.get("examples").is_none());
    let mut text = String::from("{\"1\":");
    writer.write(schema, Holds::Schema, 0, &mut text);
    if let (Some(example), true) = (example, text.ends_with('}')) {
        text.pop();
        let comma = if text.ends_with('{') { "" } else { "," };
        let _ = write!(text, "{comma}\"examples\":[{example}]}}");
    }
    text.push('}');
    text
}

/// Why a reference is not followed.
enum Unresolved {
    /// It names another document, or an anchor.
    Outside,
    /// It names a part of its own schema, which is the whole document once it is stored.
    Own,
    /// What it names is not there, or only refers to itself.
    Dead,
}

/// What a value is, as far as references go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// A schema, or a list of schemas.
    Schema,
    /// An object whose members are schemas, whatever they are called.
    Members,
    /// Data: what looks like a reference is none.
    Data,
}

impl Holds {
    /// What a member of a schema holds.
    fn of(name: &str) -> Self {
        match name {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                Self::Members
            }
            "example" | "examples" | "default" | "const" | "enum" => Self::Data,
            _ if name.starts_with("x-") => Self::Data,
            _ => Self::Schema,
        }
    }
}

/// The most references of each kind that are told.
const MAX_TOLD: usize = 5;

/// Writes schemas with their references written out, and notes the references that could not be followed.
struct Writer<'a, 't> {
    spec: &'a Tree<'t>,
    /// The schema that is written.
    root: Option<&'a Tree<'t>>,
    /// What may still be written.
    values: usize,
    bytes: usize,
    dead: Vec<String>,
    outside: Vec<String>,
}

impl<'a, 't> Writer<'a, 't> {
    fn new(spec: &'a Tree<'t>) -> Self {
        let (dead, outside) = (Vec::new(), Vec::new());
        Self { spec, root: None, values: MAX_VALUES, bytes: MAX_WRITTEN, dead, outside }
    }

    fn is_used_up(&self) -> bool {
        self.values == 0 || self.bytes == 0
    }

    fn take(&mut self, bytes: usize) -> bool {
        self.values = self.values.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_used_up()
    }

    /// What a reference stands for; anything else is itself.
    fn resolve(&self, value: &'a Tree<'t>) -> Result<&'a Tree<'t>, Unresolved> {
        let mut value = value;
        for _ in 0..MAX_DEPTH {
            let Some(reference) = reference(value) else { return Ok(value) };
            let pointer = reference.strip_prefix('#').ok_or(Unresolved::Outside)?;
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(Unresolved::Outside);
            }
            // A fragment of a URL is percent-encoded.
            let pointer = percent_decode_str(pointer).decode_utf8().map_err(|_| Unresolved::Dead)?;
            let own = || self.root.is_some_and(|root| root.pointer(&pointer).is_some());
            value = match self.spec.pointer(&pointer) {
                Some(found) => found,
                None if own() => return Err(Unresolved::Own),
                None => return Err(Unresolved::Dead),
            };
        }
        Err(Unresolved::Dead)
    }

    /// The same; a reference that cannot be followed is noted.
    fn target(&mut self, value: &'a Tree<'t>) -> Option<&'a Tree<'t>> {
        let list = match self.resolve(value) {
            Ok(found) => return Some(found),
            Err(Unresolved::Own) => return None,
            Err(Unresolved::Outside) => &mut self.outside,
            Err(Unresolved::Dead) => &mut self.dead,
        };
        let shown: String = reference(value).unwrap_or_default().chars().take(200).collect();
        if list.len() < MAX_TOLD && !list.contains(&shown) {
            list.push(shown);
        }
        None
    }

    /// Writes a value. A reference that leads outside of the document stays; one that leads in a circle ends somewhere. Where
    /// there is no more room, the rest is empty.
    fn write(&mut self, value: &'a Tree<'t>, holds: Holds, depth: usize, to: &mut String) {
        // What is too large for one event type is refused, however much larger it is.
        if depth > MAX_NESTED || self.is_used_up() || to.len() > MAX_SCHEMAS {
            to.push_str("{}");
            return;
        }
        let deeper = depth.saturating_add(1);
        match value {
            // Where it is too deep to go on, any value is right.
            Tree::Object(_) if holds == Holds::Schema && reference(value).is_some() && depth > MAX_DEPTH => {
                to.push_str("{}");
            }
            Tree::Object(_) if holds == Holds::Schema && reference(value).is_some() => {
                match self.target(value) {
                    Some(found) => self.write(found, holds, deeper, to),
                    None => self.plain(value, to),
                }
            }
            Tree::Object(entries) => {
                self.take(2);
                to.push('{');
                for (at, (name, inner)) in entries.iter().enumerate() {
                    if at > 0 {
                        to.push(',');
                    }
                    self.bytes = self.bytes.saturating_sub(name.len());
                    push_text(to, name);
                    to.push(':');
                    let inner_holds = match holds {
                        Holds::Schema => Holds::of(name),
                        Holds::Members => Holds::Schema,
                        Holds::Data => Holds::Data,
                    };
                    self.write(inner, inner_holds, deeper, to);
                }
                to.push('}');
            }
            Tree::List(items) => {
                self.take(2);
                to.push('[');
                for (at, inner) in items.iter().enumerate() {
                    if at > 0 {
                        to.push(',');
                    }
                    self.write(inner, holds, deeper, to);
                }
                to.push(']');
            }
            other => self.plain(other, to),
        }
    }

    fn plain(&mut self, value: &Tree<'_>, to: &mut String) {
        let length = value.as_str().map_or(8, str::len);
        match value {
            _ if !self.take(length) => to.push_str("{}"),
            Tree::Text(text) => push_text(to, text),
            other => {
                let _ = write!(to, "{other}");
            }
        }
    }
}

/// Writes a JSON string. Most have nothing to escape, and there are a hundred thousand of them.
fn push_text(to: &mut String, text: &str) {
    if text.bytes().any(|b| b < b' ' || matches!(b, b'"' | b'\\')) {
        let _ = write!(to, "{}", Tree::Text(text.into()));
        return;
    }
    to.push('"');
    to.push_str(text);
    to.push('"');
}

/// The reference that a value is.
fn reference<'a>(value: &'a Tree<'_>) -> Option<&'a str> {
    value.get("$ref").and_then(Tree::as_str)
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
    use serde_json::{Value, json};

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
        assert_eq!(import(&json!({ "spec": spec })).expect("ok").found.len(), 2);
        spec["components"]["pathItems"]["Plain"] = json!({ "$ref": "#/components/pathItems/Plain" });
        let error = import(&json!({ "spec": spec })).expect_err("a path item that is only itself is nothing");
        assert!(error.to_string().contains("#/components/pathItems/Plain"), "{error}");
    }

    /// A document with one webhook whose body has this schema.
    fn of_schema(schema: &Value) -> Value {
        let body = json!({ "content": { "application/json": { "schema": schema } } });
        json!({ "openapi": "3.1.0", "webhooks": { "a": { "post": { "requestBody": body } } }, "components": { "schemas": {
            "a/b c": { "title": "found" },
            "chain": { "$ref": "#/components/schemas/No" },
        } } })
    }

    fn schema_of(schema: &Value) -> Result<Value, ApiError> {
        let found = import(&json!({ "spec": of_schema(schema) }))?.found;
        let schemas = found[0].1.schemas.as_ref().expect("a schema");
        Ok(serde_json::from_str::<Value>(schemas.get()).expect("JSON")["1"].take())
    }

    #[test]
    fn what_is_no_schema_is_refused_as_it_is_where_an_event_type_is_created() {
        for schema in
            [json!({ "type": 5 }), json!({ "readOnly": 15 }), json!({ "properties": { "a": [] } }), json!(7)]
        {
            let error = schema_of(&schema).expect_err("refused");
            assert_eq!(error.http_status(), 422, "{schema}: {error}");
        }
        assert_eq!(schema_of(&json!(true)).expect("a schema"), json!(true));
    }

    #[test]
    fn a_reference_that_leads_to_nothing_is_named_and_nothing_is_imported() {
        let dead = json!({ "$ref": "#/components/schemas/No" });
        for schema in [
            dead.clone(),
            json!({ "properties": { "a": dead } }),
            json!({ "anyOf": [dead] }),
            json!({ "$ref": "#/components/schemas/chain" }),
            json!({ "$ref": "#/%ff" }),
        ] {
            let error = schema_of(&schema).expect_err("refused");
            assert_eq!(error.http_status(), 422, "{schema}: {error}");
            assert!(error.to_string().contains('#'), "{schema}: {error}");
        }
        let mut spec = of_schema(&json!({}));
        spec["webhooks"]["a"]["post"]["requestBody"] = json!({ "$ref": "#/components/requestBodies/No" });
        assert!(import(&json!({ "spec": spec })).is_err());
    }

    #[test]
    fn a_reference_is_percent_decoded_and_one_that_leads_elsewhere_stays_with_a_warning() {
        let found = schema_of(&json!({ "$ref": "#/components/schemas/a~1b%20c" })).expect("found");
        assert_eq!(found, json!({ "title": "found" }));
        let own =
            json!({ "$defs": { "x": { "type": "string" } }, "properties": { "a": { "$ref": "#/$defs/x" } } });
        assert_eq!(schema_of(&own).expect("it stays"), own, "in the schema itself");
        let anchored = json!({ "$ref": "#here", "$defs": { "x": { "$anchor": "here" } } });
        assert_eq!(schema_of(&anchored).expect("it stays"), anchored);
        assert!(schema_of(&json!({ "$ref": "#anchor" })).is_err(), "what is stored has no such anchor");
        for elsewhere in ["https://x.example/y.json#/a", "./x.yaml"] {
            body::forget_unknown();
            let schema = json!({ "$ref": elsewhere });
            assert_eq!(schema_of(&schema).expect("it stays"), schema);
            let warnings = body::take_unknown();
            assert!(warnings.len() == 1 && warnings[0].contains(elsewhere), "{warnings:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_reference_is_kept() {
        let schema = json!({
            "properties": {
                "$ref": { "type": "string" },
                "default": { "$ref": "#/components/schemas/a~1b%20c" },
                "enum": { "type": "string" },
            },
            "default": { "$ref": "#/nowhere" },
            "enum": [{ "$ref": "#/nowhere" }],
            "examples": [{ "a": { "$ref": "#/nowhere" } }],
        });
        let mut expected = schema.clone();
        expected["properties"]["default"] = json!({ "title": "found" });
        assert_eq!(schema_of(&schema).expect("a schema"), expected);
    }

    #[test]
    fn a_document_that_is_too_large_with_its_references_is_told_so_and_nothing_else() {
        let big: Vec<Value> = (0..400).map(|n| json!({ "type": "string", "maxLength": n })).collect();
        let hook = json!({ "post": { "requestBody": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Big" } } } } } });
        let hooks: serde_json::Map<String, Value> =
            (0..1_000).map(|n| (format!("a{n}"), hook.clone())).collect();
        let spec = json!({ "webhooks": hooks, "components": { "schemas": { "Big": { "anyOf": big } } } });
        let error = import(&json!({ "spec": spec })).expect_err("too large").to_string();
        assert!(error.contains("Import it in parts"), "{error}");
        assert!(!error.contains("not a JSON Schema"), "{error}");
        // One event type of it, however large its schema would be, takes no more than it may have.
        let refs = vec![json!({ "$ref": "#/components/schemas/Big" }); 80];
        let mut spec = of_schema(&json!({ "anyOf": refs }));
        spec["components"]["schemas"]["Big"] = json!({ "enum": ["x".repeat(10_000)] });
        let error = import(&json!({ "spec": spec })).expect_err("too large").to_string();
        assert!(error.contains("at most 524288 bytes"), "{error}");
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
