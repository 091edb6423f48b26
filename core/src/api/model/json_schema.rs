//! Whether a document is a JSON Schema: whether what its keywords hold is of the kind that they take.
//!
//! That is what is asked of the schemas of event types. They describe what is sent and check nothing here, so unknown keywords
//! (of another draft, or of OpenAPI) are let through.

use serde_json::Value;

/// How deep a schema may be nested.
const MAX_DEPTH: usize = 64;

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// What a keyword holds.
enum Holds {
    Schema,
    SchemaOrList,
    Schemas,
    Members,
    Text,
    Flag,
    Number,
    NumberOrFlag,
    Count,
    List,
    Names,
    Types,
}

fn keyword(name: &str) -> Option<Holds> {
    Some(match name {
        "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "propertyNames"
        | "additionalProperties"
        | "additionalItems"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::Schema,
        "items" => Holds::SchemaOrList,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Schemas,
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => Holds::Members,
        "$schema" | "$id" | "$ref" | "$comment" | "$anchor" | "$dynamicRef" | "title" | "description"
        | "format" | "pattern" | "contentEncoding" | "contentMediaType" => Holds::Text,
        "readOnly" | "writeOnly" | "deprecated" | "uniqueItems" | "nullable" => Holds::Flag,
        "multipleOf" | "minimum" | "maximum" => Holds::Number,
        // A flag in draft 4, and in OpenAPI 3.0.
        "exclusiveMinimum" | "exclusiveMaximum" => Holds::NumberOrFlag,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => Holds::Count,
        "enum" | "examples" => Holds::List,
        "required" => Holds::Names,
        "type" => Holds::Types,
        _ => return None,
    })
}

/// What is wrong with a schema, and where; `None` where it is one.
pub(super) fn fault(schema: &Value) -> Option<(Vec<String>, String)> {
    let mut path = Vec::new();
    let why = check(schema, &mut path)?;
    Some((path, why))
}

fn check(schema: &Value, path: &mut Vec<String>) -> Option<String> {
    if path.len() > MAX_DEPTH {
        return Some(format!("A schema may be nested at most {MAX_DEPTH} levels deep."));
    }
    let map = match schema {
        Value::Bool(_) => return None,
        Value::Object(map) => map,
        _ => return Some("This is not a JSON Schema: send an object, true or false.".to_owned()),
    };
    for (name, value) in map {
        let Some(holds) = keyword(name) else { continue };
        path.push(name.clone());
        if let Some(why) = check_keyword(&holds, value, path) {
            return Some(why);
        }
        path.pop();
    }
    None
}

fn check_keyword(holds: &Holds, value: &Value, path: &mut Vec<String>) -> Option<String> {
    let wrong = |what: &str| {
        Some(format!("This is not a JSON Schema: {} must be {what}.", path.last().map_or("", |p| p)))
    };
    let texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    match holds {
        Holds::Schema => return check(value, path),
        Holds::SchemaOrList if !value.is_array() => return check(value, path),
        Holds::Schemas | Holds::SchemaOrList => {
            let Some(list) = value.as_array() else { return wrong("a list of schemas") };
            for (at, schema) in list.iter().enumerate() {
                path.push(at.to_string());
                let why = check(schema, path);
                if why.is_some() {
                    return why;
                }
                path.pop();
            }
        }
        Holds::Members => {
            let Some(members) = value.as_object() else { return wrong("an object of schemas") };
            for (name, schema) in members {
                path.push(name.clone());
                let why = check(schema, path);
                if why.is_some() {
                    return why;
                }
                path.pop();
            }
        }
        Holds::Text if !value.is_string() => return wrong("a text"),
        Holds::Flag if !value.is_boolean() => return wrong("true or false"),
        Holds::Number if !value.is_number() => return wrong("a number"),
        Holds::NumberOrFlag if !value.is_number() && !value.is_boolean() => return wrong("a number"),
        Holds::Count if value.as_f64().is_none_or(|n| n < 0.0 || n.fract() != 0.0) => {
            return wrong("a whole number from 0");
        }
        Holds::List if !value.is_array() => return wrong("a list"),
        Holds::Names if !value.as_array().is_some_and(texts) => return wrong("a list of names"),
        Holds::Types => {
            let several = |list: &Vec<Value>| !list.is_empty() && list.iter().all(is_type);
            if !is_type(value) && !value.as_array().is_some_and(several) {
                return wrong(&format!("one of {}, or a list of them", TYPES.join(", ")));
            }
        }
        _ => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_schema_is_found_with_its_place() {
        for (schema, place) in [
            (json!({ "readOnly": 15 }), "readOnly"),
            (json!({ "type": "text" }), "type"),
            (json!({ "type": [] }), "type"),
            (json!({ "properties": { "a": 5 } }), "properties/a"),
            (json!({ "properties": { "a": { "required": "a" } } }), "properties/a/required"),
            (json!({ "items": [{ "minLength": -1 }] }), "items/0/minLength"),
            (json!({ "anyOf": {} }), "anyOf"),
            (json!({ "$defs": { "x": { "title": 1 } } }), "$defs/x/title"),
            (json!(5), ""),
        ] {
            assert_eq!(fault(&schema).map(|(path, _)| path.join("/")).as_deref(), Some(place), "{schema}");
        }
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        assert!(fault(&deep).is_some());
    }

    #[test]
    fn what_is_one_is_let_through() {
        for schema in [
            json!(true),
            json!({}),
            json!({ "type": ["string", "null"], "x-own": 5, "nullable": true, "exclusiveMinimum": true }),
            json!({ "type": "object", "properties": { "a": { "type": "string", "examples": ["x"] } }, "required": ["a"],
                "additionalProperties": false, "items": { "type": "integer" }, "minimum": 0.5, "maxItems": 3 }),
        ] {
            assert_eq!(fault(&schema), None, "{schema}");
        }
    }
}
