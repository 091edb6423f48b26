extern crate std;

use super::filter;
use weir_plugin::prelude::*;
use weir_plugin::test;

const BODY: &str = r#"{
    "id": 9007199254740993, "amount": 120.50, "one": 1.0, "paid": true, "note": null,
    "customer": {"email": "Ann@Example.com", "tags": ["vip", "eu"]},
    "items": [{"sku": "a-1", "price": 5}, {"sku": "b-2", "price": 500}], "a.b": "dotted"
}"#;

fn run(when: &str) -> test::Outcome {
    let config = Value::object().with("when", when).to_json();
    let event = test::event("invoice.paid").json(BODY).header("X-Tenant", "acme").attempt(2).id("msg_1");
    event.to("app_1", "ep_1").config(&config).run(filter)
}

fn holds(when: &str) -> bool {
    let outcome = run(when);
    assert_eq!(outcome.error(), None, "{when}");
    assert!(outcome.is_unchanged() || outcome.is_dropped());
    outcome.is_unchanged()
}

#[test]
fn these_hold() {
    for when in [
        r#"type == "invoice.paid""#,
        r#"type matches "invoice.*" && body.amount >= 100"#,
        r#"type matches "*""#,
        r#"type matches "i*v*i*e.*d""#,
        r#"id == "msg_1" && app == "app_1" && endpoint == "ep_1" && attempt == 2"#,
        r#"time startsWith "2026-01-01T00:00:00""#,
        "timestamp == 1767225600000",
        r#"header.x-tenant == "acme" && header.X-TENANT != "other""#,
        "body.one == 1 && body.one == 1e0 && body.amount == 120.5",
        "body.id == 9007199254740993 && body.id != 9007199254740992 && body.id > 9007199254740992.5",
        "body.amount > -1 && body.amount < 1e99",
        "body.paid",
        "!body.missing && !body.note && !body.amount",
        "body.note == null && body.missing == null && exists(body.note) && !exists(body.missing)",
        r#"body.customer.email endsWith "@Example.com" && lower(body.customer.email) == "ann@example.com""#,
        r#"body.customer.email contains "@" && "@" in body.customer.email"#,
        r#""vip" in body.customer.tags && body.customer.tags contains "eu""#,
        r#""email" in body.customer && !("phone" in body.customer)"#,
        r#"type in ["order.created", "invoice.paid"]"#,
        "body.items[*].price > 100 && body.items[0].price < 100 && body.items[-1].price == 500",
        r#"body["a.b"] == "dotted" && body.customer["tags"][0] == "vip""#,
        r#"body.**.sku == "b-2""#,
        "length(body.items) == 2 && length(type) == 12 && length(body.customer) == 2 && length(body.missing) == 0",
        "false || (true && !false) || body.x",
        r#"body.amount != "120.5""#,
        r#""a" < "b" && "Z" < "a""#,
        r#"text contains "dotted""#,
        "[] == [] && [1, 2.0] == [1.0, 2]",
        "(body.amount > 100) == true",
        "  true  ",
    ] {
        assert!(holds(when), "{when}");
    }
}

#[test]
fn these_do_not() {
    for when in [
        r#"type == "invoice.paid" && false"#,
        r#"type matches "invoice""#,
        r#"type matches "*.created""#,
        r#"type matches "invoice.paid*paid""#,
        "body.amount < 100",
        r#"body.amount > "100""#,
        r#"body.amount == "120.5""#,
        "body.customer > 1 || body.note < 1 || body.note >= 0",
        "1",
        r#""true""#,
        "null",
        r#"header.x-other == """#,
        "!true || !!false",
        r#"1 in "123""#,
        "exists(body.items[2])",
        "body.items[*].price > 500",
    ] {
        assert!(!holds(when), "{when}");
    }
}

#[test]
fn and_binds_stronger_than_or() {
    assert!(holds("true || false && false"));
    assert!(!holds("(true || false) && false"));
}

#[test]
fn a_drop_tells_the_expression_or_the_reason() {
    assert_eq!(run("body.amount > 1000").reason(), Some("not: body.amount > 1000"));
    assert_eq!(
        run("body.absent > 3").reason(),
        Some("not: body.absent > 3 (a value is missing in the event)")
    );
    assert_eq!(
        run("type > 3").reason(),
        Some("not: type > 3 (the two sides have different types, such as a text and a number)")
    );
    let event = test::event("a").config(r#"{"when": "false", "reason": "never"}"#);
    assert_eq!(event.run(filter).reason(), Some("never"));
}

#[test]
fn a_body_that_is_no_json_matters_only_to_who_looks_at_it() {
    let event = test::event("a.b").body(b"<xml/>");
    assert!(event.clone().config(r#"{"when": "type == \"a.b\""}"#).run(filter).is_unchanged());
    assert!(event.clone().config(r#"{"when": "text contains \"xml\""}"#).run(filter).is_unchanged());
    let outcome = event.config(r#"{"when": "type == \"a.b\" && body.a == 1"}"#).run(filter);
    assert_eq!(outcome.error().map(Error::text), Some("body: no JSON value at byte 0"));
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    for (when, error) in [
        ("", "at byte 0: expected a value"),
        ("body.a ==", "at byte 9: expected a value"),
        ("body.a = 1", "at byte 7: expected an operator or the end"),
        ("(true", "at byte 5: expected `)`"),
        ("[1 2]", "at byte 3: expected `,` or `]`"),
        ("\"abc", "at byte 0: expected a closing `\"`"),
        ("\"\\x\"", "at byte 0: expected a JSON string"),
        ("1.x", "at byte 0: expected a JSON number"),
        ("exists body", "at byte 7: expected `(`"),
        ("true true", "at byte 5: expected an operator or the end"),
        ("1 == 1 == 1", "at byte 7: expected an operator or the end"),
    ] {
        let outcome = run(when);
        let expected = format!("configuration: `when`: {error}");
        assert_eq!(outcome.error().map(Error::text), Some(&*expected), "{when}");
    }
    let outcome = run("payload.a == 1");
    let error = outcome.error().map(Error::text).unwrap_or_default();
    assert!(error.contains("`payload.a` is not a part of an event"), "{error}");
    let deep = format!("{}true{}", "(".repeat(100), ")".repeat(100));
    assert!(run(&deep).error().is_some_and(|error| error.text().contains("less nesting")));
    assert!(run(&"!".repeat(100)).error().is_some());
}

#[test]
fn the_configuration_has_to_have_an_expression() {
    let outcome = test::event("a").run(filter);
    assert_eq!(outcome.error().map(Error::text), Some("configuration: `when` is missing"));
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), filter);
}

/// For `cargo xtask bench plugins`, which names an event's files.
#[test]
#[ignore = "it measures, and judges nothing"]
fn how_long_it_takes_natively() {
    let read = |name: &str| std::fs::read_to_string(std::env::var(name).unwrap()).unwrap();
    let event = test::event("invoice.paid").json(&read("WEIR_BENCH_BODY")).config(&read("WEIR_BENCH_CONFIG"));
    std::println!("native us: {:.3}", event.micros(filter));
}
