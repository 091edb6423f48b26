//! The JSON Schema of a plugin's configuration: the part of it that a configuration needs.
//!
//! What is understood is checked exactly; a schema with anything else is refused when the plugin is uploaded, and by the
//! authors' command before, so that no rule is silently passed over. Understood (draft 2020-12, and its spelling in draft 7):
//!
//! - `type`, `enum`, `const`
//! - `properties`, `required`, `additionalProperties`, `minProperties`, `maxProperties`
//! - `items`, `minItems`, `maxItems`, `uniqueItems`
//! - `minLength`, `maxLength` (in characters), `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`
//! - `allOf`, `anyOf`, `oneOf`, `not`, and `$ref` to the schema itself or into its `$defs` or `definitions`
//! - what only describes: `title`, `description`, `default`, `examples`, `format` and the like
//!
//! Own code and not a crate: those that read all of JSON Schema bring regular expressions and more than half a
//! megabyte of wasm with them.

use serde_json::{Map, Value};

/// How deep a schema or a value may be nested, `$ref`s followed.
const MAX_DEPTH: usize = 48;
/// How many (schema, value) pairs one check may look at: `anyOf` within `anyOf` multiplies.
const MAX_STEPS: u32 = 20_000;
/// How many faults are told at once.
const MAX_FAULTS: usize = 20;

/// Keywords that do not check anything.
const DESCRIBES: [&str; 13] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
];

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFault {
    /// The way to the place: names of members and places in lists.
    pub path: Vec<String>,
    /// A sentence that says what to do.
    pub msg: String,
}

/// A schema that is understood as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

impl Schema {
    /// Takes a schema, or says what in it is not understood.
    pub fn new(schema: Value) -> Result<Self, SchemaFault> {
        understand(&schema, &schema, &mut Vec::new())?;
        Ok(Self(schema))
    }

    /// What is wrong with a value; nothing where it fits.
    pub fn check(&self, value: &Value) -> Vec<SchemaFault> {
        let mut check = Check { root: &self.0, steps: MAX_STEPS, faults: Vec::new() };
        check.apply(&self.0, value, &mut Vec::new(), 0);
        check.faults
    }
}

fn fault(path: &[String], msg: impl Into<String>) -> SchemaFault {
    SchemaFault { path: path.to_vec(), msg: msg.into() }
}

/// Whether every keyword of a schema is one of ours, with a value of the right kind.
fn understand(root: &Value, schema: &Value, path: &mut Vec<String>) -> Result<(), SchemaFault> {
    if path.len() > MAX_DEPTH {
        return Err(fault(path, format!("A schema may be nested {MAX_DEPTH} deep.")));
    }
    let map = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(map) => map,
        _ => return Err(fault(path, "Write a schema: an object, true or false.")),
    };
    for (keyword, value) in map {
        path.push(keyword.clone());
        let wrong = |what: &str| Err(fault(path, format!("Write {what}.")));
        match keyword.as_str() {
            "type" => {
                let known = |t: &Value| t.as_str().is_some_and(|t| TYPES.contains(&t));
                let right = match value {
                    Value::Array(list) => !list.is_empty() && list.iter().all(known),
                    one => known(one),
                };
                if !right {
                    return wrong(&format!("one of {}, or a list of them", TYPES.join(", ")));
                }
            }
            "enum" if !value.is_array() => return wrong("a list of values"),
            "required" => {
                if !value.as_array().is_some_and(|list| list.iter().all(Value::is_string)) {
                    return wrong("a list of names");
                }
            }
            "minProperties" | "maxProperties" | "minItems" | "maxItems" | "minLength" | "maxLength" => {
                if value.as_u64().is_none() {
                    return wrong("a whole number from 0");
                }
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                if !value.is_number() {
                    return wrong("a number");
                }
            }
            "uniqueItems" if !value.is_boolean() => return wrong("true or false"),
            "enum" | "const" | "uniqueItems" => {}
            "$ref" => {
                if value.as_str().and_then(|to| resolve(root, to)).is_none() {
                    return wrong("a reference within the schema, such as #/$defs/name");
                }
            }
            "properties" | "$defs" | "definitions" => {
                let Some(members) = value.as_object() else { return wrong("an object of schemas") };
                for (name, member) in members {
                    path.push(name.clone());
                    understand(root, member, path)?;
                    path.pop();
                }
            }
            "additionalProperties" | "items" | "not" => understand(root, value, path)?,
            "allOf" | "anyOf" | "oneOf" => {
                let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
                    return wrong("a list of schemas");
                };
                for (at, member) in list.iter().enumerate() {
                    path.push(at.to_string());
                    understand(root, member, path)?;
                    path.pop();
                }
            }
            known if DESCRIBES.contains(&known) => {}
            _ => {
                let msg = format!(
                    "The keyword {keyword} is not supported here. Leave it out, or check it in the plugin."
                );
                return Err(fault(path, msg));
            }
        }
        path.pop();
    }
    Ok(())
}

/// The part of the schema that a reference names.
fn resolve<'s>(root: &'s Value, to: &str) -> Option<&'s Value> {
    let pointer = to.strip_prefix('#')?;
    let inside = pointer.is_empty()
        || pointer
            .strip_prefix("/$defs/")
            .or_else(|| pointer.strip_prefix("/definitions/"))
            .is_some_and(|name| !name.contains('/'));
    inside.then(|| root.pointer(pointer))?
}

struct Check<'s> {
    root: &'s Value,
    steps: u32,
    faults: Vec<SchemaFault>,
}

impl<'s> Check<'s> {
    fn add(&mut self, path: &[String], msg: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault(path, msg));
        }
    }

    /// Takes so many steps, a twentieth of the entries of a list that is gone through; `false` where there are none left.
    fn charge(&mut self, entries: usize, path: &[String]) -> bool {
        let cost = u32::try_from(entries.div_ceil(20)).unwrap_or(u32::MAX);
        if let Some(steps) = self.steps.checked_sub(cost) {
            self.steps = steps;
            return true;
        }
        self.steps = 0;
        self.add(path, "This is nested too deeply, or has too many parts, to be checked.");
        false
    }

    /// Whether a value fits a schema; what is wrong with it is not told.
    fn fits(&mut self, schema: &'s Value, value: &Value, path: &mut Vec<String>, depth: usize) -> bool {
        let before = std::mem::take(&mut self.faults);
        self.apply(schema, value, path, depth);
        let fits = self.faults.is_empty();
        self.faults = before;
        fits
    }

    fn apply(&mut self, schema: &'s Value, value: &Value, path: &mut Vec<String>, depth: usize) {
        let Some(steps) = self.steps.checked_sub(1).filter(|_| depth <= MAX_DEPTH) else {
            self.add(path, "This is nested too deeply, or has too many parts, to be checked.");
            return;
        };
        self.steps = steps;
        let depth = depth.saturating_add(1);
        let map = match schema {
            Value::Object(map) => map,
            Value::Bool(false) => return self.add(path, "Leave this out: it is not allowed here."),
            _ => return,
        };
        if let Some(to) = map.get("$ref").and_then(Value::as_str).and_then(|to| resolve(self.root, to)) {
            self.apply(to, value, path, depth);
        }
        if let Some(types) = map.get("type")
            && !has_type(types, value)
        {
            let expected = match types {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
                one => one.as_str().unwrap_or_default().to_owned(),
            };
            // What else does not fit follows from this.
            return self.add(path, format!("Send {expected}; this is {}.", type_of(value)));
        }
        let listed = |keyword: &str| map.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
        if !self.charge(listed("required").saturating_add(listed("enum")), path) {
            return;
        }
        if let Some(allowed) = map.get("enum").and_then(Value::as_array)
            && !allowed.iter().any(|one| equal(one, value))
        {
            let list = allowed.iter().take(20).map(Value::to_string).collect::<Vec<_>>().join(", ");
            self.add(path, format!("Send one of {list}."));
        }
        if let Some(only) = map.get("const")
            && !equal(only, value)
        {
            self.add(path, format!("Send {only}."));
        }
        match value {
            Value::Object(members) => self.object(map, members, path, depth),
            Value::Array(items) => self.array(map, items, path, depth),
            Value::String(text) => self.bounds(map, path, text.chars().count(), "Length", "characters"),
            Value::Number(number) => self.number(map, number.as_f64().unwrap_or(f64::NAN), path),
            _ => {}
        }
        self.combined(map, value, path, depth);
    }

    fn object(
        &mut self,
        schema: &'s Map<String, Value>,
        members: &Map<String, Value>,
        path: &mut Vec<String>,
        depth: usize,
    ) {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str()
                && !members.contains_key(name)
            {
                path.push(name.to_owned());
                self.add(path, "This field is required.");
                path.pop();
            }
        }
        self.bounds(schema, path, members.len(), "Properties", "members");
        let known = schema.get("properties").and_then(Value::as_object);
        for (name, value) in members {
            let member = known.and_then(|known| known.get(name));
            if let Some(member) = member.or_else(|| schema.get("additionalProperties")) {
                path.push(name.clone());
                self.apply(member, value, path, depth);
                path.pop();
            }
        }
    }

    fn array(
        &mut self,
        schema: &'s Map<String, Value>,
        items: &[Value],
        path: &mut Vec<String>,
        depth: usize,
    ) {
        self.bounds(schema, path, items.len(), "Items", "items");
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (at, item) in items.iter().enumerate() {
                let cost = u32::try_from(at).unwrap_or(u32::MAX);
                let Some(steps) = self.steps.checked_sub(cost) else {
                    self.steps = 0;
                    return self.add(path, "This has too many items to be checked.");
                };
                self.steps = steps;
                if items.iter().take(at).any(|before| equal(before, item)) {
                    path.push(at.to_string());
                    self.add(path, "Each item may be there once.");
                    path.pop();
                }
            }
        }
        if let Some(each) = schema.get("items") {
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                self.apply(each, item, path, depth);
                path.pop();
            }
        }
    }

    /// Checks `minX` and `maxX`.
    fn bounds(&mut self, schema: &Map<String, Value>, path: &[String], count: usize, x: &str, of: &str) {
        let bound = |side: &str| {
            schema
                .get(&format!("{side}{x}"))
                .and_then(Value::as_u64)
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
        };
        if let Some(least) = bound("min").filter(|least| count < *least) {
            self.add(path, format!("Send at least {least} {of}."));
        }
        if let Some(most) = bound("max").filter(|most| count > *most) {
            self.add(path, format!("Send at most {most} {of}."));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, number: f64, path: &[String]) {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.add(path, format!("Send a number from {least}."));
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            self.add(path, format!("Send a number up to {most}."));
        }
        if let Some(least) = bound("exclusiveMinimum").filter(|least| number <= *least) {
            self.add(path, format!("Send a number above {least}."));
        }
        if let Some(most) = bound("exclusiveMaximum").filter(|most| number >= *most) {
            self.add(path, format!("Send a number below {most}."));
        }
    }

    fn combined(
        &mut self,
        schema: &'s Map<String, Value>,
        value: &Value,
        path: &mut Vec<String>,
        depth: usize,
    ) {
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        for each in list("allOf").into_iter().flatten() {
            self.apply(each, value, path, depth);
        }
        if let Some(forms) = list("anyOf")
            && !forms.iter().any(|form| self.fits(form, value, path, depth))
        {
            self.add(path, "This has none of the forms that are allowed here.");
        }
        if let Some(forms) = list("oneOf") {
            let fitting = forms.iter().filter(|form| self.fits(form, value, path, depth)).count();
            if fitting != 1 {
                self.add(
                    path,
                    format!(
                        "This must have exactly one of the forms that are allowed here; it has {fitting}."
                    ),
                );
            }
        }
        if let Some(form) = schema.get("not")
            && self.fits(form, value, path, depth)
        {
            self.add(path, "This has a form that is not allowed here.");
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn has_type(types: &Value, value: &Value) -> bool {
    let has = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match types {
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(has),
        one => one.as_str().is_some_and(has),
    }
}

/// Equal as JSON Schema says: `1` and `1.0` are the same number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| equal(x, y)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn faults(schema: &Value, value: &Value) -> Vec<String> {
        let schema = Schema::new(schema.clone()).expect("understood");
        schema.check(value).iter().map(|f| format!("/{}: {}", f.path.join("/"), f.msg)).collect()
    }

    fn fits(schema: &Value, value: &Value) -> bool {
        faults(schema, value).is_empty()
    }

    #[test]
    fn each_keyword_lets_pass_and_refuses() {
        for (schema, good, bad) in [
            (json!({ "type": "string" }), json!("a"), json!(1)),
            (json!({ "type": "integer" }), json!(2.0), json!(2.5)),
            (json!({ "type": "number" }), json!(2.5), json!("2.5")),
            (json!({ "type": ["null", "boolean"] }), json!(null), json!([])),
            (json!({ "type": "array" }), json!([]), json!({})),
            (json!({ "type": "object" }), json!({}), json!([])),
            (json!({ "enum": [1, "a", { "b": [1] }] }), json!({ "b": [1.0] }), json!("b")),
            (json!({ "const": [1] }), json!([1]), json!([1, 1])),
            (json!({ "required": ["a"] }), json!({ "a": null }), json!({ "b": 1 })),
            (
                json!({ "properties": { "a": { "type": "string" } } }),
                json!({ "a": "x", "b": 1 }),
                json!({ "a": 1 }),
            ),
            (
                json!({ "properties": { "a": {} }, "additionalProperties": false }),
                json!({ "a": 1 }),
                json!({ "b": 1 }),
            ),
            (json!({ "additionalProperties": { "type": "null" } }), json!({ "a": null }), json!({ "a": 1 })),
            (json!({ "minProperties": 1, "maxProperties": 1 }), json!({ "a": 1 }), json!({})),
            (json!({ "maxProperties": 1 }), json!({ "a": 1 }), json!({ "a": 1, "b": 1 })),
            (json!({ "items": { "type": "string" } }), json!(["a"]), json!(["a", 1])),
            (json!({ "minItems": 1, "maxItems": 2 }), json!([1, 2]), json!([1, 2, 3])),
            (json!({ "uniqueItems": true }), json!([1, 2]), json!([1, 1.0])),
            (json!({ "minLength": 2, "maxLength": 2 }), json!("éé"), json!("é")),
            (json!({ "minimum": 1, "maximum": 2 }), json!(1), json!(2.1)),
            (json!({ "exclusiveMinimum": 1, "exclusiveMaximum": 2 }), json!(1.5), json!(1)),
            (json!({ "allOf": [{ "minimum": 1 }, { "maximum": 2 }] }), json!(1), json!(3)),
            (json!({ "anyOf": [{ "type": "string" }, { "minimum": 5 }] }), json!(5), json!(4)),
            (json!({ "oneOf": [{ "minimum": 1 }, { "maximum": 5 }] }), json!(9), json!(3)),
            (json!({ "not": { "type": "string" } }), json!(1), json!("a")),
            (json!(true), json!(1), Value::Null),
            (json!({ "$defs": { "n": { "minimum": 1 } }, "$ref": "#/$defs/n" }), json!(1), json!(0)),
        ] {
            assert!(fits(&schema, &good), "{schema} lets pass {good}");
            assert!(schema == json!(true) || !fits(&schema, &bad), "{schema} refuses {bad}");
        }
        assert!(!fits(&json!(false), &json!(1)));
    }

    #[test]
    fn faults_say_where_and_all_are_told() {
        let schema = json!({
            "type": "object",
            "required": ["paths"],
            "properties": {
                "paths": { "type": "array", "items": { "$ref": "#/$defs/path" } },
                "mode": { "enum": ["mask", "remove"] },
            },
            "$defs": { "path": { "type": "string", "minLength": 1 } },
        });
        assert_eq!(
            faults(&schema, &json!({ "paths": ["a", "", 7], "mode": "x" })),
            [
                "/mode: Send one of \"mask\", \"remove\".",
                "/paths/1: Send at least 1 characters.",
                "/paths/2: Send string; this is a number.",
            ]
        );
        assert_eq!(faults(&schema, &json!({})), ["/paths: This field is required."]);
    }

    #[test]
    fn a_schema_that_is_not_understood_is_refused_with_its_place() {
        for (schema, path, msg) in [
            (
                json!({ "properties": { "a": { "pattern": "x" } } }),
                "properties/a/pattern",
                "pattern is not supported",
            ),
            (json!({ "if": {} }), "if", "not supported"),
            (json!({ "type": "text" }), "type", "Write one of null"),
            (json!({ "$ref": "https://example.com/s" }), "$ref", "within the schema"),
            (json!({ "$ref": "#/$defs/none" }), "$ref", "within the schema"),
            (json!({ "items": [{}] }), "items", "Write a schema"),
            (json!({ "required": "a" }), "required", "a list of names"),
            (json!({ "minLength": -1 }), "minLength", "a whole number"),
            (json!({ "anyOf": [] }), "anyOf", "a list of schemas"),
            (json!([]), "", "Write a schema"),
        ] {
            let fault = Schema::new(schema).expect_err(path);
            assert_eq!(fault.path.join("/"), path);
            assert!(fault.msg.contains(msg), "{fault:?}");
        }
    }

    #[test]
    fn what_only_describes_is_passed_over() {
        let schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T",
            "type": "integer", "format": "uint32", "minimum": 0, "default": 1, "examples": [2] });
        assert!(fits(&schema, &json!(7)));
    }

    #[test]
    fn a_schema_that_never_ends_and_one_that_multiplies_are_cut_short() {
        let endless = json!({ "$ref": "#" });
        assert!(!fits(&endless, &json!(1)));
        let form = |n: usize| json!({ "$ref": format!("#/$defs/{n}") });
        let mut wide = json!({ "$ref": "#/$defs/0", "$defs": { "20": { "type": "string" } } });
        for n in 0..20 {
            wide["$defs"][n.to_string()] = json!({ "anyOf": [form(n + 1), form(n + 1), form(n + 1)] });
        }
        // Three to the power of twenty forms; and it ends.
        assert!(!fits(&wide, &json!(1)));
        let tree = json!({ "properties": { "next": { "$ref": "#" } }, "additionalProperties": false });
        assert!(fits(&tree, &json!({ "next": { "next": {} } })));
        assert!(!fits(&tree, &json!({ "next": { "last": {} } })));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let keyword = prop_oneof![
            Just("type".to_owned()),
            Just("items".to_owned()),
            Just("anyOf".to_owned()),
            Just("$ref".to_owned()),
            Just("properties".to_owned()),
            Just("minimum".to_owned()),
            "[a-c]",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            Just(json!("string")),
            Just(json!("#")),
            "[a-c]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(keyword.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_schema_and_any_value_are_answered(schema in any_json(), value in any_json()) {
            if let Ok(schema) = Schema::new(schema) {
                let _ = schema.check(&value);
            }
        }
    }
}
