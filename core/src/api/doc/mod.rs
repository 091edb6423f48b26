//! The description of the API in OpenAPI 3.1: `docs/openapi.json`, which the Worker serves.
//!
//! It is made of the routes ([`crate::api::route`]), of what [`operations`] says of each, and of the schemas of the
//! types that the handlers read and write. It exists in tests only: they make the file, and fail where it is not what
//! the code says. To write it anew: `WEIR_WRITE_DOCS=1 cargo test -p weir-core openapi`.

pub(crate) mod kind;
mod operations;

use crate::api::route::{Op, PREFIX, Scope, patterns};
use crate::error::Fault;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

type Make = fn(&mut SchemaGenerator) -> Schema;

/// What is said of an operation, besides what its route says.
struct Doc {
    /// Its operationId: Svix's, where Svix has it.
    id: &'static str,
    /// The part of the API that it is of.
    tag: &'static str,
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Value>,
    body: Option<Body>,
    answers: Vec<Answer>,
    /// Statuses of errors that do not follow from the route.
    errors: Vec<u16>,
}

struct Body {
    schema: Option<Make>,
    media: &'static str,
    required: bool,
}

struct Answer {
    status: u16,
    about: &'static str,
    schema: Option<Make>,
    media: &'static str,
}

const JSON: &str = "application/json";
const WASM: &str = "application/wasm";

fn doc(id: &'static str, tag: &'static str, summary: &'static str) -> Doc {
    let (parameters, answers, errors) = (Vec::new(), Vec::new(), Vec::new());
    Doc { id, tag, summary, about: "", parameters, body: None, answers, errors }
}

fn schema_of<T: JsonSchema>(of: &mut SchemaGenerator) -> Schema {
    of.subschema_for::<T>()
}

impl Doc {
    fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(Body { schema: Some(schema_of::<T>), media: JSON, required: true }), ..self }
    }

    /// A body that may be left out.
    fn optional_body<T: JsonSchema>(self) -> Self {
        Self { body: Some(Body { schema: Some(schema_of::<T>), media: JSON, required: false }), ..self }
    }

    fn module(self) -> Self {
        Self { body: Some(Body { schema: None, media: WASM, required: true }), ..self }
    }

    fn answers<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, schema: Some(schema_of::<T>), media: JSON });
        self
    }

    /// Bytes of whatever kind.
    fn answers_bytes(mut self, about: &'static str) -> Self {
        self.answers.push(Answer { status: 200, about, schema: None, media: "*/*" });
        self
    }

    fn answers_module(mut self) -> Self {
        self.answers.push(Answer { status: 200, about: "The module.", schema: None, media: WASM });
        self
    }

    fn answers_nothing(mut self) -> Self {
        self.answers.push(Answer { status: 204, about: "Done.", schema: None, media: "" });
        self
    }

    fn error(mut self, status: u16) -> Self {
        self.errors.push(status);
        self
    }

    fn query(mut self, name: &str, about: &str, schema: Value) -> Self {
        self.parameters.push(json!({ "name": name, "in": "query", "description": about, "schema": schema }));
        self
    }

    fn flag(self, name: &str, default: bool, about: &str) -> Self {
        self.query(name, about, json!({ "type": "boolean", "default": default }))
    }

    fn time(self, name: &str, about: &str) -> Self {
        self.query(name, about, json!({ "type": "string", "format": "date-time" }))
    }

    fn text(self, name: &str, about: &str) -> Self {
        self.query(name, about, json!({ "type": "string" }))
    }
}

/// The whole document.
fn document() -> Value {
    let settings = |settings: SchemaSettings| {
        settings.with(|s| {
            s.definitions_path = "/components/schemas".into();
            s.meta_schema = None;
        })
    };
    let mut reads = settings(SchemaSettings::draft2020_12().for_deserialize()).into_generator();
    let mut writes = settings(SchemaSettings::draft2020_12().for_serialize()).into_generator();
    let mut paths: Map<String, Value> = Map::new();
    let mut seen = BTreeSet::new();
    let mut tags: Vec<&str> = Vec::new();
    for (method, path, op, scope) in patterns() {
        let Some(doc) = operations::describe(op) else { continue };
        if !tags.contains(&doc.tag) {
            tags.push(doc.tag);
        }
        let is_first = seen.insert(doc.id);
        let operation = operation(&doc, method, path, scope, is_first, &mut reads, &mut writes);
        let item = paths.entry(format!("{PREFIX}/{path}")).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = operation;
    }
    let validation = schema_of::<Fault>(&mut writes);
    let mut schemas = reads.take_definitions(true);
    for (name, schema) in writes.take_definitions(true) {
        let known = schemas.insert(name.clone(), schema.clone());
        assert!(known.is_none_or(|known| known == schema), "{name} is read and written differently");
    }
    // What a type is for, its operation says; the first line of a type speaks to readers of the code.
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        schema.remove("description");
    }
    schemas.insert(
        "HttpError".to_owned(),
        json!({
            "type": "object", "required": ["code", "detail"],
            "properties": {
                "code": { "type": "string", "description": "A stable word for programs." },
                "detail": { "type": "string", "description": "A sentence that says what to do." },
            },
        }),
    );
    schemas.insert(
        "HttpValidationError".to_owned(),
        json!({
            "type": "object", "required": ["detail"],
            "properties": { "detail": { "type": "array", "items": validation } },
        }),
    );
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A webhook gateway: what comes in is stored, and delivered to every endpoint that wants it: \
                signed, paced, retried and on record. The API is that of Svix, whose SDKs work unchanged.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "tags": tags.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "A tenant's token, or that of one of its applications.",
            } },
            "responses": responses(),
            "schemas": schemas,
        },
    });
    tidy(&mut document);
    document
}

fn operation(
    doc: &Doc,
    method: &str,
    path: &str,
    scope: Scope,
    is_first: bool,
    reads: &mut SchemaGenerator,
    writes: &mut SchemaGenerator,
) -> Value {
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path.map(path_parameter).collect();
    let takes_input = !parameters.is_empty() || !doc.parameters.is_empty() || doc.body.is_some();
    let mut errors: BTreeSet<u16> = doc.errors.iter().copied().collect();
    if scope != Scope::Public {
        errors.extend([401, 403]);
    }
    if !parameters.is_empty() {
        errors.insert(404);
    }
    if takes_input {
        errors.insert(422);
    }
    if doc.body.is_some() {
        errors.insert(413);
    }
    parameters.extend(doc.parameters.iter().cloned());
    let mut answers = Map::new();
    for answer in &doc.answers {
        let mut described = json!({ "description": answer.about });
        let is_head = method == "HEAD";
        if !answer.media.is_empty() && !is_head {
            // Bytes of any kind may be JSON, too.
            let bytes = || if answer.media == "*/*" { json!({}) } else { binary() };
            let schema = answer.schema.map_or_else(bytes, |make| make(writes).to_value());
            described["content"] = json!({ answer.media: { "schema": schema } });
        }
        answers.insert(answer.status.to_string(), described);
    }
    for status in errors {
        answers.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    // Where an operation has several routes, those after the first are for callers that know them already.
    let id = if is_first { doc.id.to_owned() } else { alias(doc.id, method, path) };
    let about = match scope {
        Scope::Org => format!("{} Needs the tenant's token.", doc.about),
        Scope::Any | Scope::Public => doc.about.to_owned(),
    };
    let mut out = json!({
        "operationId": id, "tags": [doc.tag], "summary": doc.summary, "responses": answers,
    });
    let about = about.trim();
    if !about.is_empty() {
        out["description"] = json!(about);
    }
    if !parameters.is_empty() {
        out["parameters"] = json!(parameters);
    }
    if let Some(body) = &doc.body {
        let schema = body.schema.map_or_else(binary, |make| make(reads).to_value());
        out["requestBody"] =
            json!({ "content": { body.media: { "schema": schema } }, "required": body.required });
    }
    if scope == Scope::Public {
        out["security"] = json!([]);
    }
    if !is_first && method != "HEAD" {
        out["deprecated"] = json!(true);
    }
    out
}

/// The operationId of a further route.
fn alias(id: &str, method: &str, path: &str) -> String {
    let words: Vec<&str> = path.split('/').filter(|part| !part.starts_with('{')).collect();
    format!("{id}.{}-{}", method.to_ascii_lowercase(), words.join("-"))
}

fn binary() -> Value {
    json!({ "type": "string", "format": "binary" })
}

fn path_parameter(name: &str) -> Value {
    let (about, schema) = match name {
        "app_id" => ("The application, by id or uid.", json!({ "type": "string", "minLength": 1 })),
        "endpoint_id" => ("The endpoint, by id or uid.", json!({ "type": "string", "minLength": 1 })),
        "msg_id" => ("The message, by id or event id.", json!({ "type": "string", "minLength": 1 })),
        "attempt_id" => ("The attempt's id.", json!({ "type": "string", "minLength": 1 })),
        "task_id" => ("The task's id.", json!({ "type": "string", "minLength": 1 })),
        "event_type_name" => {
            ("The name of the event type.", json!({ "type": "string", "pattern": kind::EVENT_TYPE }))
        }
        "token_id" => ("The token's id: its claim jti.", json!({ "type": "string", "minLength": 1 })),
        "plugin_name" => ("The plugin's name.", json!({ "type": "string", "pattern": kind::PLUGIN })),
        "version" => ("A version of the plugin.", json!({ "type": "string", "pattern": kind::VERSION })),
        "source_id" => ("The source, by id or uid.", json!({ "type": "string", "minLength": 1 })),
        "rejected_id" => ("The rejected request's id.", json!({ "type": "string", "minLength": 1 })),
        "preset_name" => ("The preset's name.", json!({ "type": "string", "pattern": kind::NAME })),
        other => panic!("nothing is said of the path's {other}"),
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

/// The errors, each once.
fn responses() -> Value {
    let all = [
        (400, "The request makes no sense as things stand; the code says why."),
        (401, "The token is missing, not valid, or was taken back."),
        (403, "The token does not allow this."),
        (404, "There is no such thing, or it is another's."),
        (409, "It is in the way of what is there."),
        (413, "The body is too large."),
        (422, "The input is wrong: every fault with its place."),
        (429, "Too much of it: wait, or do as the sentence says."),
        (503, "Not ready: send the request again in a moment."),
    ];
    let one = |(status, about): (u16, &str)| {
        let name = if status == 422 { "HttpValidationError" } else { "HttpError" };
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        (status.to_string(), json!({ "description": about, "content": { JSON: { "schema": schema } } }))
    };
    Value::Object(all.into_iter().map(one).collect())
}

/// Leaves out what says nothing to a reader of JSON: the widths of Rust's numbers, defaults that are nothing.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let rusty = |format: &Value| {
                format.as_str().is_some_and(|text| text.starts_with("uint") || text.starts_with("int"))
            };
            if map.get("format").is_some_and(rusty) {
                map.remove("format");
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Every operation of a document: path, method in capitals, the operation itself.
fn documented(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("a path item").clone();
        let path = path.clone();
        methods
            .into_iter()
            .map(move |(method, operation)| (path.clone(), method.to_ascii_uppercase(), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn every_route_is_described_in_openapi() {
    let missing: Vec<String> = patterns()
        .filter(|(.., op, _)| operations::describe(*op).is_none())
        .map(|(method, path, ..)| format!("{method} {path}"))
        .collect();
    assert!(missing.is_empty(), "say what these do in core/src/api/doc/operations.rs: {missing:?}");
}

#[test]
fn every_operation_of_the_openapi_document_has_its_route_and_a_name_of_its_own() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in documented(&document) {
        let concrete = path.replace(['{', '}'], "-");
        let found =
            crate::api::route::find(&method, &concrete).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let doc = operations::describe(found.op).unwrap_or_else(|| panic!("{method} {path}"));
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        assert!(id.starts_with(doc.id), "{method} {path} is {id}, and the route says {}", doc.id);
        assert!(ids.insert(id.clone()), "two operations are called {id}");
        assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 3), "{id} has no summary");
    }
    assert_eq!(ids.len(), patterns().count());
}

#[test]
fn what_no_route_asks_for_is_not_described_in_openapi() {
    for &op in Op::ALL {
        let has_route = patterns().any(|(.., routed, _)| routed == op);
        assert_eq!(operations::describe(op).is_some(), has_route, "{}", op.name());
    }
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(place)) = map.get("$ref") {
                    let pointer = place.strip_prefix('#').expect("a reference within the document");
                    assert!(document.pointer(pointer).is_some(), "{place} leads nowhere");
                }
                map.values().for_each(|inner| check(document, inner));
            }
            Value::Array(items) => items.iter().for_each(|inner| check(document, inner)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[test]
fn a_message_that_is_written_by_hand_is_what_the_openapi_document_says() {
    use crate::api::model::attempt::Status;
    use crate::api::model::delivery::{Standing, endpoint_message_json};
    use crate::api::model::message::{
        DeliveriesOut, MessageFields, Payload, message_out_json, with_deliveries_json,
    };
    let document = document();
    let words = |name: &str, text: &str| {
        let schema = &document["components"]["schemas"][name];
        let said: BTreeSet<&String> = schema["properties"].as_object().expect(name).keys().collect();
        let written: Value = serde_json::from_str(text).expect("json");
        let written = written.as_object().expect("an object");
        assert_eq!(written.keys().collect::<BTreeSet<_>>(), said, "{name}");
        for word in schema["required"].as_array().expect("required") {
            assert!(
                !["deliverAt", "ingest", "deliveries"].iter().any(|optional| word == optional),
                "{name}: {word}"
            );
        }
    };
    let payload = Payload::Object("{}");
    let fields = MessageFields {
        event_type: "a",
        event_id: None,
        channels: None,
        tags: None,
        deliver_at: Some(0),
        ingest: Some("{}"),
        payload,
    };
    let message = message_out_json("msg_1", 0, &fields, true);
    let message = with_deliveries_json(&message, &DeliveriesOut::default()).expect("json");
    let message = message.get();
    words("MessageOut", message);
    let standing = Standing { status: Status::Sending, next_at: Some(0) };
    words("EndpointMessageOut", &endpoint_message_json(message, standing));
}

#[test]
fn the_openapi_document_in_docs_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let mut text = serde_json::to_string_pretty(&document()).expect("json");
    text.push('\n');
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect(path);
    }
    let have = std::fs::read_to_string(path).unwrap_or_default();
    assert!(have == text, "docs/openapi.json is old: WEIR_WRITE_DOCS=1 cargo test -p weir-core openapi");
}
