//! What a plugin's function may take and answer, tested as a plugin's author tests: natively.

use weir_plugin::log::Level;
use weir_plugin::prelude::*;
use weir_plugin::test;

const BODY: &str = r#"{ "amount": 1.50, "currency": "EUR" }"#;

fn sent() -> test::Input {
    test::event("invoice.paid").json(BODY)
}

#[test]
fn a_filter_delivers_unchanged_or_drops() {
    let outcome = sent().run(|event: Event<'_>| event.event_type().starts_with("invoice."));
    assert!(outcome.is_unchanged());
    assert_eq!(outcome.text(), BODY);
    let outcome = sent().run(|event: Event<'_>| event.event_type().starts_with("order."));
    assert_eq!(outcome.reason(), Some(""));
}

#[test]
fn everything_of_the_event_is_in_view() {
    let input = sent()
        .id("msg_1")
        .timestamp(-1)
        .attempt(7)
        .to("app_1", "ep_1")
        .header("X-Trace", "abc")
        .config(r#"{"least": 2}"#);
    let outcome = input.run(|event: Event<'_>| {
        assert_eq!((event.id(), event.event_type()), ("msg_1", "invoice.paid"));
        assert_eq!((event.timestamp(), event.attempt()), (-1, 7));
        assert_eq!((event.app_id(), event.endpoint_id()), ("app_1", "ep_1"));
        assert_eq!(event.header("x-TRACE"), Some("abc"));
        assert_eq!(event.headers().count(), 2);
        assert_eq!(event.config_text(), r#"{"least": 2}"#);
        assert_eq!(event.body(), BODY.as_bytes());
    });
    assert!(outcome.is_unchanged());
}

#[test]
fn headers_and_type_change_without_the_body() {
    let outcome = sent().header("x-old", "1").header("x-keep", "2").run(|_: Event<'_>| {
        Patch::new()
            .header("X-New", "a")
            .header("x-keep", "b")
            .remove_header("X-Old")
            .event_type("invoice.settled")
    });
    assert!(outcome.is_delivered() && !outcome.is_unchanged());
    assert_eq!(outcome.text(), BODY);
    assert_eq!(outcome.event_type(), "invoice.settled");
    let values = ["x-new", "x-keep", "x-old", "content-type"].map(|name| outcome.header(name));
    assert_eq!(values, [Some("a"), Some("b"), None, Some("application/json")]);
}

#[test]
fn a_patch_without_changes_is_no_change() {
    assert!(sent().run(|_: Event<'_>| Patch::new()).is_unchanged());
}

#[test]
fn bodies_are_taken_and_answered_in_many_forms() {
    fn renamed(mut body: Value<'_>) -> Value<'_> {
        body.set("currency", "USD");
        body
    }

    assert_eq!(sent().run(|body: &str| body.len().to_string()).text(), "37");
    assert_eq!(sent().run(|body: &[u8]| body.to_vec()).text(), BODY);
    assert_eq!(sent().run(renamed).text(), r#"{"amount":1.50,"currency":"USD"}"#);
    assert_eq!(sent().run(|_: Event<'_>| None::<String>).reason(), Some(""));
    assert_eq!(sent().run(|_: Event<'_>| Verdict::drop("too small")).reason(), Some("too small"));
}

#[test]
fn any_error_passes_through_the_question_mark() {
    let parse = |event: Event<'_>| -> Result<bool> {
        let number: u32 = event.text()?.parse()?;
        Ok(number > 3)
    };
    let outcome = sent().run(parse);
    let error = outcome.error().unwrap();
    assert_eq!((error.text(), error.is_retryable()), ("invalid digit found in string", false));
    assert!(sent().body(b"4").run(parse).is_delivered());
    let outcome = sent().body(b"{").run(|_: Value<'_>| true);
    assert_eq!(outcome.error().map(Error::text), Some("body: no key at byte 1"));
    let outcome = sent().body(b"\xff").run(|_: &str| true);
    assert_eq!(
        outcome.error().map(Error::text),
        Some("body: invalid utf-8 sequence of 1 bytes from index 0")
    );
    let later = sent().run(|_: Event<'_>| Err::<(), _>(Error::retry("not yet")));
    assert!(later.error().unwrap().is_retryable());
}

#[test]
fn the_log_has_levels_and_lines() {
    let outcome = sent().run(|event: Event<'_>| {
        info!("type {}", event.event_type());
        error!("two\nlines");
        warn!("w");
        debug!("d");
        trace!("t");
    });
    let logs: Vec<_> = outcome.logs().iter().map(|(level, text)| (*level, text.as_str())).collect();
    assert_eq!(
        logs,
        [
            (Level::Info, "type invoice.paid"),
            (Level::Error, "two\nlines"),
            (Level::Warn, "w"),
            (Level::Debug, "d"),
            (Level::Trace, "t")
        ]
    );
    assert!(sent().run(|_: Event<'_>| true).logs().is_empty(), "a run has its own log");
}

#[test]
#[should_panic(expected = "a header's value has no control characters")]
fn a_patch_that_the_gateway_would_refuse_fails_the_test() {
    sent().run(|_: Event<'_>| Patch::new().header("x-a", "line\nfeed"));
}

#[test]
fn a_configuration_that_is_not_there_is_an_empty_object() {
    let name = |event: Event<'_>| -> Result<String> { Ok(event.config()?.to_json()) };
    assert_eq!(sent().run(name).text(), "{}");
    assert_eq!(sent().config("[1]").run(name).text(), "[1]");
    let outcome = sent().config("{").run(name);
    assert_eq!(outcome.error().map(Error::text), Some("configuration: no key at byte 1"));
}
