//! The API reference is complete: every operation, parameter and field is described in a full sentence, every example is
//! accepted by the type that the handler reads, and every error is listed.

use super::{document, documented, operations};
use crate::api::route::Op;
use serde_json::Value;
use std::fmt::Write as _;

/// Words that house style does not use for people's reading: private terms, and sentences without a subject.
const NOT_PLAIN: [&str; 12] = [
    "For people",
    "For the caller",
    "Where to",
    "taken back",
    "so many",
    "So many",
    "as it is said",
    "made where there is none",
    "where it is left out",
    "What becomes of",
    "came of it",
    "hears",
];

fn fault(text: &str) -> Option<&'static str> {
    if text.split_whitespace().count() < 3 {
        return Some("is shorter than a sentence");
    }
    if !text.starts_with(|c: char| c.is_uppercase() || c == '`' || c.is_ascii_digit()) {
        return Some("does not begin like a sentence");
    }
    if !text.ends_with('.') {
        return Some("does not end with a full stop");
    }
    NOT_PLAIN.iter().any(|words| text.contains(words)).then_some("is not in plain words")
}

/// Every description that a reader of the reference sees, with its place.
fn descriptions(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value["description"].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for (path, method, operation) in documented(document) {
        let place = format!("{method} {path}");
        found.push((place.clone(), text(&operation)));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            found.push((format!("{place}: parameter {}", parameter["name"]), text(parameter)));
        }
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            if response["$ref"].is_null() {
                found.push((format!("{place}: response {status}"), text(response)));
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        for (field, about) in schema["properties"].as_object().into_iter().flatten() {
            found.push((format!("{name}.{field}"), text(about)));
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            found.push((format!("{name}: {}", choice["const"]), text(choice)));
        }
    }
    for tag in document["tags"].as_array().into_iter().flatten() {
        found.push((format!("tag {}", tag["name"]), text(tag)));
    }
    found
}

#[test]
fn every_operation_parameter_and_field_of_openapi_is_described_in_a_sentence() {
    let mut faults = String::new();
    for (place, text) in descriptions(&document()) {
        if let Some(why) = fault(&text) {
            let _ = writeln!(faults, "{place} {why}: {text:?}");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_body_of_openapi_has_an_example_that_the_handler_reads() {
    let mut faults = String::new();
    for op in Op::ALL {
        let Some(doc) = operations::describe(*op) else { continue };
        let Some(body) = doc.body.filter(|body| body.schema.is_some()) else { continue };
        if body.example.as_object().is_none_or(serde_json::Map::is_empty) {
            let _ = writeln!(faults, "{}: no example", doc.id);
        }
        if let Err(why) = (body.check)(body.example.to_string().into_bytes().leak()) {
            let _ = writeln!(faults, "{}: {why}", doc.id);
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_field_of_an_example_in_openapi_is_in_its_schema() {
    let document = document();
    let mut faults = String::new();
    for (path, method, operation) in documented(&document) {
        let content = &operation["requestBody"]["content"]["application/json"];
        let reference = content["schema"]["$ref"].as_str().unwrap_or_default();
        let Some(schema) = reference.strip_prefix('#').and_then(|at| document.pointer(at)) else { continue };
        for field in content["example"].as_object().into_iter().flatten().map(|(field, _)| field) {
            if schema["properties"].get(field).is_none() {
                let _ = writeln!(faults, "{method} {path}: {field}");
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_setting_of_a_resource_can_be_created_updated_and_read() {
    let document = document();
    let fields = |name: &str| -> std::collections::BTreeSet<String> {
        let properties = document["components"]["schemas"][name]["properties"].as_object();
        properties.unwrap_or_else(|| panic!("no schema {name}")).keys().cloned().collect()
    };
    // What is only sent: secrets and headers have operations of their own.
    let hidden = ["secret", "headers"];
    for resource in ["Endpoint", "Application", "EventType"] {
        let [create, update, read] = ["In", "Patch", "Out"].map(|kind| fields(&format!("{resource}{kind}")));
        for field in &create {
            let is_hidden = hidden.contains(&field.as_str());
            let is_name = resource == "EventType" && field == "name";
            assert!(is_hidden || is_name || update.contains(field), "{resource}Patch lacks {field}");
            assert!(is_hidden || read.contains(field), "{resource}Out lacks {field}");
        }
        for field in &update {
            assert!(create.contains(field), "{resource}In lacks {field}");
        }
    }
}
