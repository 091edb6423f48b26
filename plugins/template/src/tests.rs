use super::template;
use weir_plugin::prelude::*;
use weir_plugin::test;

const BODY: &str = r#"{"data": {"id": "or_1", "amount": 12.50, "big": 12345678901234567890123, "note": null, "e": "\u00e9"},
    "items": [{"sku": "a", "price": 1.0, "tags": ["x", "y"]}, {"sku": "b"}]}"#;

fn fill(template_text: &str) -> String {
    let outcome = run(&format!(r#"{{"template": {template_text}}}"#));
    assert_eq!(outcome.error(), None, "{template_text}");
    outcome.text().to_owned()
}

fn run(config: &str) -> test::Outcome {
    test::event("order.paid").id("msg_1").json(BODY).config(config).run(template)
}

#[test]
fn a_placeholder_alone_is_the_value_itself() {
    assert_eq!(
        fill(
            r#"{"a": "{{ body.data.amount }}", "b": "{{body.data.big}}", "e": "{{body.data.e}}", "i": "{{ body.items[0] }}"}"#
        ),
        r#"{"a":12.50,"b":12345678901234567890123,"e":"\u00e9","i":{"sku":"a","price":1.0,"tags":["x","y"]}}"#
    );
    assert_eq!(fill(r#"["{{ body.missing }}", "{{ body.data.note }}", "{{ attempt }}"]"#), "[null,null,1]");
}

#[test]
fn a_placeholder_in_a_text_is_text() {
    assert_eq!(
        fill(
            r#""{{ type }}: {{ body.data.id | upper }} costs {{body.data.amount}} {{body.missing}}{{ body.data.note | default \"?\" }}""#
        ),
        r#""order.paid: OR_1 costs 12.50 ?""#
    );
    assert_eq!(fill(r#""{{ body.items[0].tags | json }}!""#), r#""[\"x\",\"y\"]!""#);
}

#[test]
fn what_is_no_text_stays() {
    assert_eq!(
        fill(r#"{"z": 1.0, "a": [true, null, {"x": 1e3}]}"#),
        r#"{"z":1.0,"a":[true,null,{"x":1e3}]}"#
    );
}

#[test]
fn names_can_have_placeholders() {
    assert_eq!(fill(r#"{"{{ body.data.id }}": 1}"#), r#"{"or_1":1}"#);
}

#[test]
fn lists_are_made_from_lists() {
    assert_eq!(
        fill(
            r#"{"lines": {"$each": "body.items[*]", "$do": {"s": "{{ item.sku }}", "t": "{{ item.sku }}/{{ id }}", "p": "{{ item.price }}"}}}"#
        ),
        r#"{"lines":[{"s":"a","t":"a/msg_1","p":1.0},{"s":"b","t":"b/msg_1","p":null}]}"#
    );
    assert_eq!(
        fill(r#"{"$each": "body.items[*]", "$do": {"$each": "item.tags[*]", "$do": "{{ item | upper }}"}}"#),
        r#"[["X","Y"],[]]"#
    );
}

#[test]
fn what_is_not_there_can_be_left_out() {
    assert_eq!(
        fill(
            r#"{"a": {"$if": "body.data.note", "$then": 1}, "b": {"$if": "body.data.id", "$then": 2},
                "c": [{"$if": "body.x", "$then": 3}],
                "d": {"$each": "body.items[*]", "$do": {"p": {"$if": "item.price", "$then": "{{ item.price }}"}}}}"#
        ),
        r#"{"b":2,"c":[],"d":[{"p":1.0},{}]}"#
    );
}

#[test]
fn the_body_can_be_text_with_a_content_type() {
    let outcome = run(r#"{"template": "{{ type }}\n", "as": "text", "contentType": "text/plain"}"#);
    assert_eq!((outcome.text(), outcome.header("content-type")), ("order.paid\n", Some("text/plain")));
}

#[test]
fn what_is_wrong_is_told() {
    for (config, error) in [
        ("{}", "configuration: `template` is missing"),
        (r#"{"template": "{{ nothing }}"}"#, "configuration: `nothing` is not a part of an event"),
        (r#"{"template": {"$each": "body.items[*]"}}"#, "configuration: `$do` is missing"),
        (
            r#"{"template": {"$each": "type", "$do": 1}}"#,
            "configuration: `type`: `$each` and `$if` look into `body`",
        ),
        (r#"{"template": {"$if": 1, "$then": 1}}"#, "configuration: `$each` and `$if` must be texts"),
    ] {
        let outcome = run(config);
        let text = outcome.error().map(Error::text).unwrap_or_default();
        assert!(text.starts_with(error), "{config}: {text}");
    }
    let outcome = test::event("a").body(b"text").config(r#"{"template": "{{ body.a }}"}"#).run(template);
    assert!(outcome.error().is_some());
    let outcome = test::event("a").body(b"text").config(r#"{"template": "{{ text }}"}"#).run(template);
    assert_eq!(outcome.text(), "\"text\"");
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), template);
}
