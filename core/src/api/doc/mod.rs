//! The description of the API in OpenAPI 3.1: `docs/openapi.json`, which the Worker serves.
//!
//! It is generated from the routes ([`crate::api::route`]), from what [`operations`] says of each, and from the schemas of
//! the types that the handlers read and write. It exists in tests only: they generate the file, and fail if the file in
//! the repository differs. To write it: `WEIR_WRITE_DOCS=1 cargo test -p weir-core openapi`. The tests in [`quality`] hold
//! every description to a full sentence, and every example to the type that the handler reads.

pub(crate) mod kind;
mod operations;
mod quality;

use crate::api::route::{Op, PREFIX, Scope, patterns};
use crate::error::{Code, Fault};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
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
    /// Errors that do not follow from the route.
    errors: Vec<Code>,
}

struct Body {
    schema: Option<Make>,
    media: &'static str,
    required: bool,
    /// A body that the handler accepts.
    example: Value,
    /// Why the example cannot be read as the handler reads it, if it cannot.
    check: fn(&'static [u8]) -> Result<(), String>,
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

fn readable<T: Deserialize<'static>>(bytes: &'static [u8]) -> Result<(), String> {
    serde_json::from_slice::<T>(bytes).map(drop).map_err(|error| error.to_string())
}

impl Doc {
    fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    fn body<T: JsonSchema + Deserialize<'static>>(self, example: Value) -> Self {
        self.body_read_as::<T, T>(example)
    }

    /// A body whose schema is that of `T`, and which the handler reads as `R`.
    fn body_read_as<T: JsonSchema, R: Deserialize<'static>>(self, example: Value) -> Self {
        let (schema, check) = (Some(schema_of::<T> as Make), readable::<R> as fn(&'static [u8]) -> _);
        Self { body: Some(Body { schema, media: JSON, required: true, example, check }), ..self }
    }

    /// A body that may be left out.
    fn optional_body<T: JsonSchema + Deserialize<'static>>(self, example: Value) -> Self {
        let doc = self.body::<T>(example);
        let body = doc.body.map(|body| Body { required: false, ..body });
        Self { body, ..doc }
    }

    fn module(self) -> Self {
        let (example, check) = (Value::Null, readable::<Value> as fn(&'static [u8]) -> _);
        Self { body: Some(Body { schema: None, media: WASM, required: true, example, check }), ..self }
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
        self.answers.push(Answer {
            status: 200,
            about: "The WebAssembly module.",
            schema: None,
            media: WASM,
        });
        self
    }

    fn answers_nothing(mut self) -> Self {
        self.answers.push(Answer {
            status: 204,
            about: "Done. The response has no body.",
            schema: None,
            media: "",
        });
        self
    }

    fn error(mut self, code: Code) -> Self {
        self.errors.push(code);
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
    // The operation describes what a type is for; the first line of a type is written for readers of the code.
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        schema.remove("description");
    }
    schemas.insert(
        "HttpError".to_owned(),
        json!({
            "type": "object", "required": ["code", "detail"],
            "properties": {
                "code": { "type": "string", "description": "The error code: a stable word for programs." },
                "detail": { "type": "string", "description": "What is wrong and what to do, as a sentence." },
            },
        }),
    );
    schemas.insert(
        "HttpValidationError".to_owned(),
        json!({
            "type": "object", "required": ["detail"],
            "properties": { "detail": {
                "type": "array", "items": validation, "description": "Everything that is wrong with the input."
            } },
        }),
    );
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A webhook gateway: it stores events and delivers them to every matching endpoint, signed, rate \
                limited and retried. The API is compatible with Svix, whose SDKs work unchanged.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "tags": tags.into_iter().map(|name| json!({ "name": name, "description": tag(name) })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "An organization token, or an application token.",
            } },
            "responses": responses(),
            "x-errors": error_codes(),
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
    let codes = error_codes_of(doc, method, scope, !parameters.is_empty());
    let mut errors: BTreeSet<u16> = codes.iter().map(|code| code.status()).collect();
    if takes_input {
        errors.insert(422);
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
        Scope::Org => format!("{} Requires an organization token.", doc.about),
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
        let mut content = json!({ "schema": schema });
        if !body.example.is_null() {
            content["example"] = body.example.clone();
        }
        out["requestBody"] = json!({ "content": { body.media: content }, "required": body.required });
    }
    out["x-errors"] = json!(codes);
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

/// The errors that an operation may return, besides 422.
fn error_codes_of(doc: &Doc, method: &str, scope: Scope, has_parameters: bool) -> BTreeSet<Code> {
    let mut codes: BTreeSet<Code> = doc.errors.iter().copied().collect();
    if scope != Scope::Public {
        codes.extend([
            Code::AuthenticationFailed,
            Code::InsufficientAccess,
            Code::RateLimitExceeded,
            Code::ServerError,
            Code::InvalidSetting,
            Code::Unavailable,
            Code::Overloaded,
        ]);
    }
    if scope != Scope::Public && !matches!(method, "GET" | "HEAD") {
        codes.insert(Code::StorageFull);
    }
    if has_parameters {
        codes.insert(Code::NotFound);
    }
    if doc.body.is_some() {
        codes.extend([Code::IncompleteBody, Code::RequestTimeout, Code::PayloadTooLarge]);
    }
    codes
}

/// Fails the test whose operation returned an error that its description does not list.
pub(crate) fn check_error(op: Op, status: u16, body: &Value) {
    let Some(doc) = operations::describe(op).filter(|_| status >= 400 && status != 422) else { return };
    let name = body["code"].as_str().unwrap_or_default();
    let code = Code::from_name(name)
        .unwrap_or_else(|| panic!("{status} {body} has no code of core/src/error/code.rs"));
    let listed = patterns().filter(|(.., of, _)| *of == op).any(|(method, path, _, scope)| {
        error_codes_of(&doc, method, scope, path.contains('{')).contains(&code)
    });
    assert!(listed, "{} returns {name}: add it to the operation in core/src/api/doc/operations/", op.name());
    assert_eq!(status, code.status(), "{body}");
}

/// What a group of operations is about.
fn tag(name: &str) -> &'static str {
    match name {
        "Health" => "Health of the gateway, its settings, and the tenant as a whole.",
        "Application" => "Applications: the consumers of your webhooks, usually one for each customer.",
        "Endpoint" => "Endpoints: the URLs to which an application's messages are delivered.",
        "Event Type" => "Event types: the names and schemas of the events that you send.",
        "Message" => "Messages: the events that you send.",
        "Message Attempt" => "Attempts: the requests that deliver messages, and their results.",
        "Authentication" => "Tokens: portal access for customers, revocation, and stored secrets.",
        "Background Tasks" => "Background tasks: recoveries, replays, deletions and counts.",
        "Statistics" => "Statistics over all applications, computed by background tasks.",
        "Webhook Endpoint" => "Operational endpoints: they receive events about Weir itself.",
        "Preset" => "Presets: the webhook conventions of providers, as data.",
        "Plugin" => "Plugins: WebAssembly modules that filter and transform events.",
        "Source" => "Sources: URLs that receive providers' webhooks.",
        other => panic!("describe the tag {other} in core/src/api/doc/mod.rs"),
    }
}

fn path_parameter(name: &str) -> Value {
    let text = || json!({ "type": "string", "minLength": 1 });
    let of = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let (about, schema, example) = match name {
        "app_id" => ("The application, by id or uid.", text(), "acme"),
        "endpoint_id" => ("The endpoint, by id or uid.", text(), "main"),
        "msg_id" => ("The message, by id or event id.", text(), "in_1001"),
        "attempt_id" => ("The attempt's id.", text(), "atmpt_3FbRPw5pRIXhbIJRhAlCVvoVPtv"),
        "task_id" => ("The task's id.", text(), "qtask_3FbRPw5pRIXhbIJRhAlCVvoVPtv"),
        "event_type_name" => ("The name of the event type.", of(kind::EVENT_TYPE), "invoice.paid"),
        "token_id" => ("The token's id: its claim `jti`.", text(), "3FbRPw5pRIXhbIJRhAlCVvoVPtv"),
        "plugin_name" => ("The plugin's name.", of(kind::PLUGIN), "filter"),
        "version" => ("The version's id, or `bundled`.", of(kind::VERSION), "bundled"),
        "source_id" => ("The source, by id or uid.", text(), "github"),
        "rejected_id" => ("The rejected request's id.", text(), "rej_3FbRPw5pRIXhbIJRhAlCVvoVPtv"),
        "preset_name" => ("The preset's name.", of(kind::NAME), "github"),
        other => panic!("describe the path parameter {other} in core/src/api/doc/mod.rs"),
    };
    json!({
        "name": name, "in": "path", "required": true, "description": about, "schema": schema, "example": example,
    })
}

/// The error responses, one for each status.
fn responses() -> Value {
    let mut all: Map<String, Value> = Map::new();
    let mut add = |status: u16, schema: &str, about: String| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let response = json!({ "description": about, "content": { JSON: { "schema": schema } } });
        all.insert(status.to_string(), response);
    };
    for status in Code::ALL.iter().map(|code| code.status()).collect::<BTreeSet<_>>() {
        let codes = Code::ALL.iter().filter(|code| code.status() == status);
        let about: Vec<String> = codes.map(|code| format!("`{}`: {}", code.name(), code.when())).collect();
        add(status, "HttpError", about.join(" "));
    }
    add(422, "HttpValidationError", "The input is invalid. Every error has its place.".to_owned());
    Value::Object(all)
}

/// What each error code means.
fn error_codes() -> Value {
    let one = |code: &Code| {
        let about = json!({ "status": code.status(), "when": code.when(), "action": code.action() });
        (code.name().to_owned(), about)
    };
    Value::Object(Code::ALL.iter().map(one).collect())
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
            // Doc comments are wrapped for readers of the code.
            if let Some(Value::String(about)) = map.get_mut("description") {
                *about = about.replace('\n', " ");
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
    assert!(missing.is_empty(), "describe these in core/src/api/doc/operations/: {missing:?}");
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
