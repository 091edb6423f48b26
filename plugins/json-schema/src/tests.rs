use super::json_schema;
use weir_plugin::prelude::*;
use weir_plugin::test;

fn run(schema: &str, body: &str) -> test::Outcome {
    let config = format!(r#"{{"schema": {schema}}}"#);
    test::event("a").json(body).config(&config).run(json_schema)
}

/// What does not fit, if anything.
fn misfit(schema: &str, body: &str) -> Option<String> {
    let outcome = run(schema, body);
    assert_eq!(outcome.error(), None, "{schema} {body}");
    assert!(outcome.is_unchanged() || outcome.is_dropped());
    outcome.reason().map(str::to_owned)
}

#[test]
fn each_keyword_accepts_and_refuses() {
    for (schema, good, bad, why) in [
        ("true", "1", "", ""),
        (r#"{"type": "string"}"#, r#""a""#, "1", r#"body: must be of type "string", not number"#),
        (r#"{"type": "integer"}"#, "1.0", "1.5", r#"body: must be of type "integer", not number"#),
        (
            r#"{"type": ["null", "boolean"]}"#,
            "null",
            "{}",
            r#"body: must be of type ["null","boolean"], not object"#,
        ),
        (
            r#"{"enum": [1, "a", {"x": 1, "y": 2}]}"#,
            r#"{"y": 2, "x": 1.0}"#,
            "2",
            r#"body: must be one of [1,"a",{"x":1,"y":2}]"#,
        ),
        (r#"{"const": [1]}"#, "[1.0]", "[2]", "body: must be [1]"),
        (r#"{"minimum": 1.5}"#, "1.50", "1.49", "body: must be at least 1.5"),
        (
            r#"{"maximum": 9007199254740993}"#,
            "9007199254740993",
            "9007199254740994",
            "body: must be at most 9007199254740993",
        ),
        (r#"{"exclusiveMinimum": 0}"#, "1e-400", "0.0", "body: must be more than 0"),
        (r#"{"exclusiveMaximum": 3}"#, "2.999", "3", "body: must be less than 3"),
        (r#"{"multipleOf": 0.01}"#, "19.99", "19.999", "body: must be a multiple of 0.01"),
        (r#"{"minLength": 2}"#, r#""äö""#, r#""😀""#, "body: has 1 characters, at least 2 are wanted"),
        (
            r#"{"maxLength": 1}"#,
            r#""\ud83d\ude00""#,
            r#""ab""#,
            "body: has 2 characters, at most 1 are allowed",
        ),
        (r#"{"minItems": 1}"#, "[1]", "[]", "body: has 0 elements, at least 1 are wanted"),
        (r#"{"maxItems": 1}"#, "[1]", "[1, 2]", "body: has 2 elements, at most 1 are allowed"),
        (
            r#"{"items": {"type": "number"}}"#,
            "[1]",
            r#"[1, "a"]"#,
            r#"body[1]: must be of type "number", not string"#,
        ),
        (r#"{"prefixItems": [{"const": 1}], "items": false}"#, "[1]", "[1, 2]", "body[1]: is not allowed"),
        (r#"{"uniqueItems": true}"#, "[1, 2]", "[1, 2, 1.0]", "body[2]: is a duplicate"),
        (r#"{"contains": {"const": 1}}"#, "[2, 1]", "[2]", "body: has 0 elements that match `contains`"),
        (
            r#"{"contains": {"const": 1}, "maxContains": 1}"#,
            "[1]",
            "[1, 1]",
            "body: has 2 elements that match `contains`",
        ),
        (r#"{"contains": {"const": 1}, "minContains": 0}"#, "[]", "", ""),
        (r#"{"required": ["a"]}"#, r#"{"a": 1}"#, "{}", "body: `a` is missing"),
        (
            r#"{"properties": {"a": {"type": "null"}}}"#,
            r#"{"a": null, "b": 1}"#,
            r#"{"a": 1}"#,
            r#"body.a: must be of type "null", not number"#,
        ),
        (
            r#"{"properties": {"a": true}, "additionalProperties": false}"#,
            r#"{"a": 1}"#,
            r#"{"b": 1}"#,
            "body.b: is not allowed",
        ),
        (
            r#"{"propertyNames": {"maxLength": 1}}"#,
            r#"{"a": 1}"#,
            r#"{"ab": 1}"#,
            "body.ab: has 2 characters, at most 1 are allowed",
        ),
        (r#"{"minProperties": 1}"#, r#"{"a": 1}"#, "{}", "body: has 0 members, at least 1 are wanted"),
        (r#"{"maxProperties": 0}"#, "{}", r#"{"a": 1}"#, "body: has 1 members, at most 0 are allowed"),
        (
            r#"{"dependentRequired": {"a": ["b"]}}"#,
            r#"{"b": 1}"#,
            r#"{"a": 1}"#,
            "body: `b` is missing beside `a`",
        ),
        (r#"{"dependentSchemas": {"a": {"required": ["b"]}}}"#, "{}", r#"{"a": 1}"#, "body: `b` is missing"),
        (r#"{"allOf": [{"minimum": 1}, {"maximum": 2}]}"#, "2", "3", "body: must be at most 2"),
        (r#"{"anyOf": [{"const": 1}, {"const": 2}]}"#, "2", "3", "body: matches none of `anyOf`"),
        (r#"{"oneOf": [{"minimum": 1}, {"minimum": 5}]}"#, "2", "7", "body: fits 2 of `oneOf`, not one"),
        (r#"{"not": {"const": 1}}"#, "2", "1", "body: matches what `not` forbids"),
        (r#"{"if": {"const": 1}, "then": true, "else": {"const": 2}}"#, "1", "3", "body: must be 2"),
        (r##"{"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}"##, "1", "2", "body: must be 1"),
        (r#"{"pattern": "^[a-z]+\\d?$"}"#, r#""abc1""#, r#""abc12""#, r"body: does not match `^[a-z]+\d?$`"),
        (r#"{"pattern": "b.d"}"#, r#""abäde""#, r#""bd""#, "body: does not match `b.d`"),
        (
            r#"{"patternProperties": {"^x-": {"type": "number"}}, "additionalProperties": false}"#,
            r#"{"x-a": 1}"#,
            r#"{"y": 1}"#,
            "body.y: is not allowed",
        ),
        (
            r#"{"properties": {"x-a": true}, "patternProperties": {"^x-": {"type": "number"}, "a$": {"minimum": 2}}}"#,
            r#"{"x-a": 2}"#,
            r#"{"x-a": 1}"#,
            "body.x-a: must be at least 2",
        ),
        (r#"{"format": "email", "title": "x", "properties": {"pattern": true}}"#, r#""no""#, "", ""),
    ] {
        assert_eq!(misfit(schema, good), None, "{schema} {good}");
        if !bad.is_empty() {
            assert_eq!(misfit(schema, bad).as_deref(), Some(why), "{schema} {bad}");
        }
    }
}

#[test]
fn a_schema_can_refer_to_itself() {
    let tree =
        r##"{"type": "object", "properties": {"children": {"items": {"$ref": "#"}}}, "required": ["id"]}"##;
    assert_eq!(misfit(tree, r#"{"id": 1, "children": [{"id": 2, "children": []}]}"#), None);
    assert_eq!(
        misfit(tree, r#"{"id": 1, "children": [{"id": 2, "children": [{}]}]}"#).as_deref(),
        Some("body.children[0].children[0]: `id` is missing")
    );
    let outcome = run(r##"{"$ref": "#"}"##, "1");
    assert_eq!(outcome.error().map(Error::text), Some("the schema or its references are nested too deep"));
}

#[test]
fn what_is_not_understood_is_never_passed_over() {
    for (schema, error) in [
        (
            r#"{"unevaluatedProperties": false}"#,
            "configuration: the schema has `unevaluatedProperties`, which is not supported",
        ),
        (r#"{"items": [{}]}"#, "configuration: the schema has `items`, which is not supported"),
        (
            r#"{"$ref": "https://example.com/x"}"#,
            "configuration: the schema refers to `https://example.com/x`; references within it begin with `#`",
        ),
        (
            r##"{"$ref": "#/$defs/x"}"##,
            "configuration: the schema refers to `#/$defs/x`, which does not exist",
        ),
        (r#"{"allOf": [1]}"#, "configuration: a schema is an object or a boolean, not number"),
        ("null", "configuration: a schema is an object or a boolean, not null"),
    ] {
        assert_eq!(run(schema, "{}").error().map(Error::text), Some(error), "{schema}");
    }
}

#[test]
fn a_pattern_that_cannot_be_used_is_an_error() {
    for pattern in ["(?=a)", "(a)\\\\1", "a{1,100000}"] {
        let outcome = run(&format!(r#"{{"pattern": "{pattern}"}}"#), r#""a""#);
        let error = outcome.error().map(|error| error.text().to_owned()).unwrap_or_default();
        assert!(error.starts_with("configuration: the schema's pattern `"), "{pattern}: {error}");
    }
}

#[test]
fn a_schema_that_is_written_wrongly_is_refused_whatever_the_event_is() {
    for schema in [
        r#"{"type": "integr"}"#,
        r#"{"type": []}"#,
        r#"{"type": ["string", 1]}"#,
        r#"{"properties": {"a": {"type": "strng"}}}"#,
        r#"{"properties": []}"#,
        r#"{"properties": {"a": {"pattern": "("}}}"#,
        r#"{"patternProperties": {"(": true}}"#,
        r#"{"items": {"minLength": "3"}}"#,
        r#"{"maxItems": -1}"#,
        r#"{"maxItems": 1.5}"#,
        r#"{"minimum": "1"}"#,
        r#"{"multipleOf": 0}"#,
        r#"{"multipleOf": -0.0e5}"#,
        r#"{"multipleOf": 0e-99999999999}"#,
        r#"{"properties": {"a": {"multipleOf": -1}}}"#,
        r#"{"required": "id"}"#,
        r#"{"required": [1]}"#,
        r#"{"enum": "a"}"#,
        r#"{"anyOf": {}}"#,
        r#"{"uniqueItems": 1}"#,
        r##"{"anyOf": [{"$ref": "#/$defs/missing"}]}"##,
        r#"{"dependentRequired": {"a": "b"}}"#,
    ] {
        let outcome = run(schema, "{}");
        let error = outcome.error().map(|error| error.text().to_owned()).unwrap_or_default();
        assert!(error.starts_with("configuration: the schema"), "{schema}: {error:?}");
    }
}

#[test]
fn a_body_that_is_no_json_fits_no_schema() {
    assert_eq!(misfit("true", "{").as_deref(), Some("body: no key at byte 1"));
}

#[test]
fn a_misfit_can_be_an_error() {
    let event = test::event("a").config(r#"{"schema": {"required": ["id"]}, "onInvalid": "fail"}"#);
    assert_eq!(event.run(json_schema).error().map(Error::text), Some("body: `id` is missing"));
}

#[test]
fn multiples_are_told_exactly() {
    for (number, step, is) in [
        ("0", "7", true),
        ("-21", "7", true),
        ("4.5", "1.5", true),
        ("1e3", "1e2", true),
        ("1e2", "1e3", false),
        ("0.3", "0.1", true),
        ("3", "2", false),
        ("1e30", "3", false),
        ("3e30", "3", true),
    ] {
        let schema = format!(r#"{{"multipleOf": {step}}}"#);
        assert_eq!(misfit(&schema, number).is_none(), is, "{number} {step}");
    }
}

#[test]
fn a_count_may_be_written_with_an_exponent() {
    for (schema, fits) in [
        (r#"{"minItems": 1e1}"#, false),
        (r#"{"minItems": 20e-1}"#, true),
        (r#"{"minItems": 3.0}"#, true),
        (r#"{"maxItems": 0.2E1}"#, false),
        (r#"{"maxItems": 1e40}"#, true),
        (r#"{"maxItems": 1e99999999999}"#, true),
        (r#"{"minItems": 1e99}"#, false),
        (r#"{"minItems": 0e99999999999}"#, true),
        (r#"{"maxItems": 0e5}"#, false),
    ] {
        assert_eq!(misfit(schema, "[1, 2, 3]").is_none(), fits, "{schema}");
    }
}

#[test]
fn numbers_of_any_size_are_told_apart_without_a_trap() {
    for step in ["1e-400", "1e400", "0.1e-99999999999", "123456789012345678901234567890123456789012"] {
        for number in ["1e400", "-1e-400", "7", "340282366920938463463374607431768211456", "1e99999999999"] {
            // Whatever the verdict is, there is one.
            misfit(&format!(r#"{{"multipleOf": {step}, "minimum": {step}}}"#), number);
        }
    }
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), json_schema);
}
