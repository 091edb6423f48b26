//! Whether a document is a JSON Schema: whether its keywords hold what the metaschema says, its patterns can be compiled, and its
//! references within the document lead somewhere.
//!
//! That is what is asked of the schemas of event types. They describe what is sent and check nothing here, so unknown keywords
//! (of another draft, or of OpenAPI) are let through. Each schema and each reference is looked at once.

use super::pattern;
use crate::api::tree::Tree;
use percent_encoding::percent_decode_str;
use std::collections::BTreeSet;

/// How deep a schema may be nested.
const MAX_DEPTH: usize = 64;

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// What a keyword holds.
#[derive(Clone, Copy)]
enum Holds {
    Schema,
    SchemaOrList,
    Schemas,
    Members,
    Patterns,
    /// A schema, or a list of names, for each member.
    Dependencies,
    NamesByMember,
    Text,
    Pattern,
    Anchor,
    Reference,
    Flag,
    Flags,
    Number,
    Positive,
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
        | "contentSchema"
        | "propertyNames"
        | "additionalProperties"
        | "additionalItems"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::Schema,
        "items" => Holds::SchemaOrList,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Schemas,
        "properties" | "$defs" | "definitions" | "dependentSchemas" => Holds::Members,
        "patternProperties" => Holds::Patterns,
        "dependencies" => Holds::Dependencies,
        "dependentRequired" => Holds::NamesByMember,
        "$schema" | "$id" | "$dynamicRef" | "$recursiveRef" | "$comment" | "title" | "description"
        | "format" | "contentEncoding" | "contentMediaType" => Holds::Text,
        "$ref" => Holds::Reference,
        "$anchor" | "$dynamicAnchor" => Holds::Anchor,
        "pattern" => Holds::Pattern,
        "readOnly" | "writeOnly" | "deprecated" | "uniqueItems" | "nullable" | "$recursiveAnchor" => {
            Holds::Flag
        }
        "$vocabulary" => Holds::Flags,
        "minimum" | "maximum" => Holds::Number,
        "multipleOf" => Holds::Positive,
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
pub(super) fn fault(schema: &Tree<'_>) -> Option<(Vec<String>, String)> {
    let mut anchors = BTreeSet::new();
    gather(schema, 0, &mut anchors);
    let mut checker = Checker { root: schema, anchors, path: Vec::new() };
    let why = checker.schema(schema, schema)?;
    Some((checker.path, why))
}

/// The names that references may use instead of a path.
fn gather<'a>(value: &'a Tree<'_>, depth: usize, anchors: &mut BTreeSet<&'a str>) {
    if depth > MAX_DEPTH {
        return;
    }
    let deeper = depth.saturating_add(1);
    match value {
        Tree::Object(members) => {
            for (name, value) in members.iter() {
                let named = value.as_str().and_then(|text| match name {
                    "$anchor" | "$dynamicAnchor" => Some(text),
                    // As drafts before 2019 write it.
                    "$id" | "id" => text.strip_prefix('#'),
                    _ => None,
                });
                anchors.extend(named);
                gather(value, deeper, anchors);
            }
        }
        Tree::List(items) => items.iter().for_each(|item| gather(item, deeper, anchors)),
        _ => {}
    }
}

struct Checker<'a, 't> {
    root: &'a Tree<'t>,
    anchors: BTreeSet<&'a str>,
    /// Where the schema that is looked at is.
    path: Vec<String>,
}

impl<'a, 't> Checker<'a, 't> {
    /// What is wrong with a schema, whose references are relative to `base`.
    fn schema(&mut self, schema: &'a Tree<'t>, base: &'a Tree<'t>) -> Option<String> {
        if self.path.len() > MAX_DEPTH {
            return Some(format!("A schema may be nested at most {MAX_DEPTH} levels deep."));
        }
        let map = match schema {
            Tree::Bool(_) => return None,
            Tree::Object(map) => map,
            _ => return Some("This is not a JSON Schema: send an object, true or false.".to_owned()),
        };
        let is_document = ["$id", "id"].iter().any(|name| {
            map.get(name).and_then(Tree::as_str).is_some_and(|id| !id.is_empty() && !id.starts_with('#'))
        });
        let base = if is_document { schema } else { base };
        for (name, value) in map.iter() {
            let Some(holds) = keyword(name) else { continue };
            self.path.push(name.to_owned());
            let why = self.keyword(holds, value, base).or_else(|| {
                wrong(holds, value).map(|what| format!("This is not a JSON Schema: {name} must be {what}."))
            });
            if why.is_some() {
                return why;
            }
            self.path.pop();
        }
        None
    }

    /// What is wrong within the value of a keyword.
    fn keyword(&mut self, holds: Holds, value: &'a Tree<'t>, base: &'a Tree<'t>) -> Option<String> {
        match (holds, value) {
            (Holds::Schemas | Holds::SchemaOrList, Tree::List(list)) => {
                let items = list.iter().enumerate();
                self.each(items.map(|(at, schema)| (at.to_string(), schema)), base)
            }
            (Holds::Schema | Holds::SchemaOrList, _) => self.schema(value, base),
            (Holds::Patterns, Tree::Object(members)) => {
                let faulty = members.keys().find_map(|name| Some((name, pattern::fault(name)?)));
                if let Some((name, why)) = faulty {
                    self.path.push(name.to_owned());
                    return Some(no_pattern(&why));
                }
                self.each(members.iter().map(|(name, schema)| (name.to_owned(), schema)), base)
            }
            (Holds::Members, Tree::Object(members)) => {
                self.each(members.iter().map(|(name, schema)| (name.to_owned(), schema)), base)
            }
            (Holds::Dependencies, Tree::Object(members)) => {
                let schemas = members.iter().filter(|(_, value)| value.as_array().is_none());
                self.each(schemas.map(|(name, schema)| (name.to_owned(), schema)), base)
            }
            (Holds::Pattern, Tree::Text(text)) => pattern::fault(text).map(|why| no_pattern(&why)),
            (Holds::Reference, Tree::Text(text)) if !self.leads_somewhere(text, base) => {
                let shown: String = text.chars().take(200).collect();
                Some(format!("This reference does not resolve to a schema: {shown}"))
            }
            _ => None,
        }
    }

    fn each(
        &mut self,
        schemas: impl Iterator<Item = (String, &'a Tree<'t>)>,
        base: &'a Tree<'t>,
    ) -> Option<String> {
        for (name, schema) in schemas {
            self.path.push(name);
            let why = self.schema(schema, base);
            if why.is_some() {
                return why;
            }
            self.path.pop();
        }
        None
    }

    /// Whether a reference within the document names a schema. What is in other documents is not known here.
    fn leads_somewhere(&self, reference: &str, base: &Tree<'_>) -> bool {
        let Some(fragment) = reference.strip_prefix('#') else { return true };
        // A fragment of a URL is percent-encoded.
        let Ok(fragment) = percent_decode_str(fragment).decode_utf8() else { return false };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.contains(&*fragment);
        }
        let is_schema = |found: Option<&Tree<'_>>| {
            found.is_some_and(|found| matches!(found, Tree::Object(_) | Tree::Bool(_)))
        };
        is_schema(base.pointer(&fragment)) || is_schema(self.root.pointer(&fragment))
    }
}

fn no_pattern(why: &str) -> String {
    format!("This is not a valid regular expression: {why}.")
}

/// What a keyword takes, where that is something else.
fn wrong(holds: Holds, value: &Tree<'_>) -> Option<String> {
    let is_type = |value: &Tree<'_>| value.as_str().is_some_and(|name| TYPES.contains(&name));
    let types = |list: &[Tree<'_>]| !list.is_empty() && list.iter().all(is_type) && differ(list);
    let anchor = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let (right, what) = match holds {
        // Looked at above.
        Holds::Schema => (true, ""),
        Holds::SchemaOrList => {
            (value.as_array().is_none_or(|list| !list.is_empty()), "a schema or a non-empty list of schemas")
        }
        Holds::Schemas => {
            (value.as_array().is_some_and(|list| !list.is_empty()), "a non-empty list of schemas")
        }
        Holds::Members | Holds::Patterns => (value.as_object().is_some(), "an object of schemas"),
        Holds::Dependencies => {
            let members = value.as_object();
            let right = |value: &Tree<'_>| value.as_array().is_none() || is_names(value);
            (
                members.is_some_and(|members| members.values().all(right)),
                "an object of schemas or lists of unique names",
            )
        }
        Holds::NamesByMember => {
            let members = value.as_object();
            (
                members.is_some_and(|members| members.values().all(is_names)),
                "an object of lists of unique names",
            )
        }
        Holds::Text | Holds::Pattern | Holds::Reference => (value.as_str().is_some(), "a text"),
        Holds::Anchor => (value.as_str().is_some_and(anchor), "a name of letters, digits, -, _ and ."),
        Holds::Flag => (value.as_bool().is_some(), "true or false"),
        Holds::Flags => (
            value.as_object().is_some_and(|flags| flags.values().all(|flag| flag.as_bool().is_some())),
            "an object of flags",
        ),
        Holds::Number => (value.as_f64().is_some(), "a number"),
        Holds::Positive => (value.as_f64().is_some_and(|number| number > 0.0), "a number greater than 0"),
        Holds::NumberOrFlag => (value.as_f64().is_some() || value.as_bool().is_some(), "a number"),
        Holds::Count => {
            (value.as_f64().is_some_and(|n| n >= 0.0 && n.fract() == 0.0), "a whole number from 0")
        }
        Holds::List => (value.as_array().is_some(), "a list"),
        Holds::Names => (is_names(value), "a list of unique names"),
        Holds::Types if is_type(value) || value.as_array().is_some_and(types) => (true, ""),
        Holds::Types => return Some(format!("one of {}, or a list of unique ones", TYPES.join(", "))),
    };
    (!right).then(|| what.to_owned())
}

fn is_names(value: &Tree<'_>) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(|item| item.as_str().is_some()) && differ(list))
}

/// Whether no text is in a list twice.
fn differ(list: &[Tree<'_>]) -> bool {
    let texts: BTreeSet<&str> = list.iter().filter_map(Tree::as_str).collect();
    texts.len() == list.len()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn fault(schema: &Value) -> Option<(Vec<String>, String)> {
        super::fault(&serde_json::from_str(&schema.to_string()).expect("JSON"))
    }

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
            (json!({ "multipleOf": 0 }), "multipleOf"),
            (json!({ "multipleOf": -1 }), "multipleOf"),
            (json!({ "dependencies": { "x": 5 } }), "dependencies/x"),
            (json!({ "dependencies": { "x": ["a", "a"] } }), "dependencies"),
            (json!({ "dependentRequired": { "a": "b" } }), "dependentRequired"),
            (json!({ "pattern": "(" }), "pattern"),
            (json!({ "patternProperties": { "(": {} } }), "patternProperties/("),
            (json!({ "patternProperties": { "a": { "type": "x" } } }), "patternProperties/a/type"),
            (json!({ "allOf": [] }), "allOf"),
            (json!({ "items": [] }), "items"),
            (json!({ "required": ["a", "a"] }), "required"),
            (json!({ "required": [5] }), "required"),
            (json!({ "type": ["string", "string"] }), "type"),
            (json!({ "contentSchema": 5 }), "contentSchema"),
            (json!({ "$anchor": "1 bad" }), "$anchor"),
            (json!({ "$vocabulary": { "a": 1 } }), "$vocabulary"),
            (json!({ "$ref": 5 }), "$ref"),
            (json!({ "$ref": "#/nope" }), "$ref"),
            (json!({ "$ref": "#nope" }), "$ref"),
            (json!({ "$ref": "#/title", "title": "a" }), "$ref"),
            (json!({ "$ref": "#/%ff" }), "$ref"),
            (
                json!({ "properties": { "a": { "$ref": "#/$defs/b" } }, "$defs": { "a": {} } }),
                "properties/a/$ref",
            ),
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
            json!({ "properties": { "a": { "$ref": "#/$defs/x~1y" }, "b": { "$ref": "#" }, "c": { "$ref": "#/%24defs/a%20b" } },
                "$defs": { "x/y": {}, "a b": true } }),
            json!({ "properties": { "a": { "$ref": "#named" }, "b": { "$ref": "#older" } },
                "$defs": { "x": { "$anchor": "named" }, "y": { "$id": "#older" } } }),
            json!({ "properties": { "a": { "$id": "https://example.com/a", "$ref": "#/$defs/x", "$defs": { "x": {} } } } }),
            json!({ "$ref": "https://example.com/schema.json#/$defs/a", "allOf": [{ "$ref": "other.json" }] }),
            json!({ "dependencies": { "a": ["b"], "c": { "type": "object" } }, "dependentRequired": { "a": [] } }),
            json!({ "pattern": "^(?!x)[a-z]{1,3}$", "patternProperties": { "^x-": {} }, "multipleOf": 0.01, "required": [] }),
            // Names of properties are no keywords.
            json!({ "properties": { "pattern": { "type": "string" }, "required": { "type": "boolean" }, "id": {} } }),
            json!({ "default": { "$ref": "#/nowhere" }, "const": { "pattern": "(" }, "enum": [{ "$ref": "#/nowhere" }] }),
        ] {
            assert_eq!(fault(&schema), None, "{schema}");
        }
    }
}
