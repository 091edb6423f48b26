//! Bodies and configurations as types of the plugin's own, and the attribute on functions that use them.

use weir_plugin::prelude::*;
use weir_plugin::test;

#[derive(Deserialize)]
#[serde(crate = "weir_plugin::prelude::serde", default)]
struct Settings {
    currency: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { currency: "EUR".into() }
    }
}

#[derive(Deserialize)]
struct Order<'a> {
    id: &'a str,
    total: u64,
}

#[derive(Serialize)]
struct Line {
    text: String,
}

/// With everything that the attribute takes.
#[plugin(
    name = "order-line",
    version = "1.2.0",
    description = "An order as one line of text.",
    config = r#"{"type": "object", "properties": {"currency": {"type": "string"}}}"#,
    events = ["order.created", "invoice.*"]
)]
fn line(order: Json<Order<'_>>, settings: Config<Settings>) -> Option<Json<Line>> {
    (order.total > 0)
        .then(|| Json(Line { text: format!("{}: {} {}", order.id, order.total, settings.currency) }))
}

#[test]
fn a_body_becomes_another_by_the_configuration() {
    let order = test::event("order.created").json(r#"{"id": "or_1", "total": 12}"#);
    assert_eq!(order.run(line).text(), r#"{"text":"or_1: 12 EUR"}"#);
    assert_eq!(order.clone().config(r#"{"currency": "USD"}"#).run(line).text(), r#"{"text":"or_1: 12 USD"}"#);
    assert!(order.json(r#"{"id": "or_1", "total": 0}"#).run(line).is_dropped());
}

#[test]
fn what_does_not_fit_the_types_is_told_with_its_place() {
    let order = test::event("order.created").json(r#"{"id": "or_1"}"#);
    let outcome = order.run(line);
    assert_eq!(outcome.error().map(Error::text), Some("body: missing field `total` at line 1 column 14"));
    let outcome = order.json(r#"{"id": "or_1", "total": 1}"#).config(r#"{"currency": 5}"#).run(line);
    assert_eq!(
        outcome.error().map(Error::text),
        Some("configuration: invalid type: integer `5`, expected a string at line 1 column 14")
    );
}

/// Functions that the attribute can stand on; that they compile is the test.
mod forms {
    use super::*;
    use std::num::ParseIntError;

    mod nothing {
        use super::*;

        #[plugin]
        fn takes_nothing_answers_nothing() {}
    }

    mod lifetimes {
        use super::*;

        #[plugin]
        fn same<'a>(event: Event<'a>, text: &'a str, _: Json<Vec<&'a str>>) -> Value<'a> {
            if event.id().is_empty() { text.into() } else { Value::Null }
        }
    }

    mod errors {
        use super::*;

        #[plugin()]
        pub(crate) fn own_error(text: &str) -> core::result::Result<Option<Patch>, ParseIntError> {
            Ok((text.parse::<u8>()? > 1).then(Patch::new))
        }
    }

    #[test]
    fn an_error_of_any_type_fails_the_plugin() {
        assert!(test::event("a").body(b"2").run(errors::own_error).is_unchanged());
        assert!(test::event("a").body(b"1").run(errors::own_error).is_dropped());
        assert!(test::event("a").body(b"x").run(errors::own_error).error().is_some());
    }
}
