extern crate std;

use super::{card, email, redact};
use weir_plugin::prelude::*;
use weir_plugin::test;

fn run(config: &str, body: &str) -> test::Outcome {
    test::event("user.created").json(body).config(config).run(redact)
}

fn emails(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    email::find(text, &mut found);
    found.into_iter().map(|(start, end)| &text[start..end]).collect()
}

fn cards(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    card::find(text, &mut found);
    found.into_iter().map(|(start, end)| &text[start..end]).collect()
}

#[test]
fn fields_are_masked_and_removed_by_path() {
    let config =
        r#"{"mask": ["data.card", "**.password"], "remove": ["data.internal", "data.items[*].cost"]}"#;
    let body = r#"{"big": 123456789012345678901234567890, "data": {"card": {"no": 1}, "internal": [1], "z": 1.0,
        "items": [{"sku": "a", "cost": 1e3}, {"cost": 2}], "user": {"password": "x", "e": "\u00e9"}}}"#;
    assert_eq!(
        run(config, body).text(),
        r#"{"big":123456789012345678901234567890,"data":{"card":"[redacted]","z":1.0,"#.to_owned()
            + r#""items":[{"sku":"a"},{}],"user":{"password":"[redacted]","e":"\u00e9"}}}"#
    );
}

#[test]
fn what_has_nothing_to_hide_is_delivered_byte_for_byte() {
    let body = "{ \"a\" : 1.0,\n \"b\": \"x\" }";
    let outcome = run(r#"{"mask": ["c"], "remove": ["a.b"], "emails": true, "cards": true}"#, body);
    assert!(outcome.is_unchanged());
    assert_eq!(outcome.text(), body);
}

#[test]
fn addresses_are_found_in_sentences() {
    for (text, found) in [
        ("ann@example.com", vec!["ann@example.com"]),
        ("From: Ann <ann+tag@mail.example.co.uk>.", vec!["ann+tag@mail.example.co.uk"]),
        ("mail ann@example.com, bob@example.org.", vec!["ann@example.com", "bob@example.org"]),
        ("'ann@example.com'", vec!["ann@example.com"]),
        ("mailto:ann@example.com?subject=x", vec!["ann@example.com"]),
        ("a@b.de;c@d.fr", vec!["a@b.de", "c@d.fr"]),
        ("jörg@münchen.example", vec!["jörg@münchen.example"]),
        ("x@xn--mnchen-3ya.xn--p1ai", vec!["x@xn--mnchen-3ya.xn--p1ai"]),
        ("@ann", vec![]),
        ("ann@localhost", vec![]),
        ("1.0@2.0", vec![]),
        ("a@.com a@-x.com a@x..com @@", vec![]),
        ("a@b@c.com", vec!["b@c.com"]),
    ] {
        assert_eq!(emails(text), found, "{text}");
    }
}

#[test]
fn card_numbers_are_known_by_their_check_digit() {
    for (text, found) in [
        ("4111111111111111", vec!["4111111111111111"]),
        ("4111-1111-1111-1111, 5500 0055 5555 5559", vec!["4111-1111-1111-1111", "5500 0055 5555 5559"]),
        ("amex 3782 822463 10005.", vec!["3782 822463 10005"]),
        ("order 12 4111 1111 1111 1111", vec!["4111 1111 1111 1111"]),
        ("4222222222222", vec!["4222222222222"]),
        ("4111111111111112", vec![]),
        ("41111111111111111111111", vec![]),
        ("4111  1111 1111 1111", vec![]),
        ("0000 0000 0000 0000", vec![]),
        ("2026-01-01 12:00:00", vec![]),
        ("x4111111111111111y", vec!["4111111111111111"]),
    ] {
        assert_eq!(cards(text), found, "{text}");
    }
}

#[test]
fn patterns_are_masked_in_texts_and_numbers() {
    let body =
        r#"{"note": "pay 4111 1111 1111 1111 or ask ann@example.com\n", "card": 4111111111111111, "n": 42}"#;
    assert_eq!(
        run(r#"{"emails": true, "cards": true}"#, body).text(),
        r#"{"note":"pay [redacted] or ask [redacted]\n","card":"[redacted]","n":42}"#
    );
    assert_eq!(
        run(r#"{"emails": true, "with": "***"}"#, body).text(),
        r#"{"note":"pay 4111 1111 1111 1111 or ask ***\n","card":4111111111111111,"n":42}"#
    );
    assert_eq!(
        run(r#"{"emails": true, "cards": true}"#, r#"["4111111111111111@example.com"]"#).text(),
        r#"["[redacted]"]"#
    );
}

#[test]
fn an_address_behind_escapes_is_found() {
    assert_eq!(run(r#"{"emails": true}"#, r#"["ann\u0040example.com"]"#).text(), r#"["[redacted]"]"#);
}

#[test]
fn what_cannot_be_read_is_not_let_through() {
    assert!(run(r#"{"emails": true}"#, "ann@example.com").error().is_some());
    let outcome = run(r#"{"mask": "data"}"#, "{}");
    assert_eq!(outcome.error().map(Error::text), Some("configuration: `mask` must be a list of paths"));
    let outcome = run(r#"{"mask": ["a..b"]}"#, "{}");
    assert_eq!(
        outcome.error().map(Error::text),
        Some("configuration: `a..b` is not a path: a name is missing")
    );
}

#[test]
fn the_cases_become_what_they_say() {
    test::cases(include_str!("../cases.json"), redact);
}

/// For `cargo xtask bench plugins`, which names an event's files.
#[test]
#[ignore = "it measures, and judges nothing"]
fn how_long_it_takes_natively() {
    let read = |name: &str| std::fs::read_to_string(std::env::var(name).unwrap()).unwrap();
    let event = test::event("invoice.paid").json(&read("WEIR_BENCH_BODY")).config(&read("WEIR_BENCH_CONFIG"));
    std::println!("native us: {:.3}", event.micros(redact));
}
