//! Sets and removes headers; the body stays as it is.
//!
//! Configuration: `{"set": {"x-tenant": "{{ app }}"}, "default": {"x-source": "weir"}, "remove": ["x-debug"]}`. A value is a text
//! with placeholders (see `weir_plugins_common::text`); `default` sets a header that is not there yet. Control characters in
//! a value become spaces, so that no payload can break a header.
#![no_std]

use weir_plugin::prelude::*;
use weir_plugins_common::Source;
use weir_plugins_common::text::{Text, plain};

/// The plugin.
#[plugin(config = "config.schema.json")]
fn headers(event: Event<'_>) -> Result<Patch> {
    let config = event.config()?;
    let source = Source::new(event);
    let mut patch = Patch::new();
    for name in config.get("remove").and_then(Value::as_array).unwrap_or_default() {
        let name =
            name.as_str().ok_or_else(|| Error::new("configuration: `remove` must be a list of names"))?;
        if event.header(&name).is_some() {
            patch = patch.remove_header(name);
        }
    }
    for (option, replaces) in [("default", false), ("set", true)] {
        for (name, value) in config.get(option).and_then(Value::as_object).unwrap_or_default() {
            let name = name.to_str();
            let value = value
                .as_str()
                .ok_or_else(|| Error::new(format!("configuration: the header `{name}` must be a text")))?;
            if name.is_empty() || name.len() > 256 || !name.bytes().all(is_token) {
                return Err(Error::new(format!("configuration: `{name}` is not the name of a header")));
            }
            let text = Text::parse(&value)?;
            if replaces || event.header(&name).is_none() {
                let value = text.render(&source, plain)?;
                patch = patch.header(name, value.replace(|char| char != '\t' && char::is_control(char), " "));
            }
        }
    }
    Ok(patch)
}

/// A character of a header's name (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::test;

    fn run(config: &str) -> test::Outcome {
        let event = test::event("invoice.paid").to("app_1", "ep_1").header("x-old", "1");
        event.json(r#"{"id": 7, "note": "a\nb", "name": "Ann"}"#).config(config).run(headers)
    }

    #[test]
    fn headers_are_set_from_the_event_and_the_body_stays() {
        let outcome = run(
            r#"{"set": {"X-Tenant": "{{app}}", "x-id": "no. {{ body.id }}", "x-old": "{{ type | upper }}", "x-none": "{{body.x}}"}}"#,
        );
        let values = ["x-tenant", "x-id", "x-old", "x-none"].map(|name| outcome.header(name));
        assert_eq!(values, [Some("app_1"), Some("no. 7"), Some("INVOICE.PAID"), Some("")]);
        assert_eq!(outcome.text(), r#"{"id": 7, "note": "a\nb", "name": "Ann"}"#);
    }

    #[test]
    fn a_default_does_not_replace_and_set_does() {
        let outcome = run(r#"{"default": {"X-Old": "2", "x-new": "3"}}"#);
        assert_eq!((outcome.header("x-old"), outcome.header("x-new")), (Some("1"), Some("3")));
    }

    #[test]
    fn headers_are_removed() {
        assert_eq!(run(r#"{"remove": ["X-Old", "x-unknown"]}"#).header("x-old"), None);
        assert!(run(r#"{"remove": ["x-unknown"]}"#).is_unchanged());
        assert!(run("{}").is_unchanged());
    }

    #[test]
    fn a_payload_cannot_break_a_header() {
        assert_eq!(run(r#"{"set": {"x-note": "{{body.note}}"}}"#).header("x-note"), Some("a b"));
    }

    #[test]
    fn what_is_wrong_in_the_configuration_is_told() {
        for (config, error) in [
            (r#"{"set": {"x-a": 1}}"#, "configuration: the header `x-a` must be a text"),
            (r#"{"remove": [1]}"#, "configuration: `remove` must be a list of names"),
            (r#"{"set": {"x-a": "{{id"}}"#, "configuration: `{{id` has no closing braces"),
            (r#"{"default": {"x-old": "{{id"}}"#, "configuration: `{{id` has no closing braces"),
            (r#"{"set": {"x a": "1"}}"#, "configuration: `x a` is not the name of a header"),
            (r#"{"set": {"": "1"}}"#, "configuration: `` is not the name of a header"),
            (r#"{"set": {"x-é": "1"}}"#, "configuration: `x-é` is not the name of a header"),
            (
                r#"{"set": {"x-a": "{{id | shout}}"}}"#,
                "configuration: after `|` use one of: default \"text\", upper, lower, json",
            ),
        ] {
            assert_eq!(run(config).error().map(Error::text), Some(error), "{config}");
        }
    }

    #[test]
    fn the_cases_become_what_they_say() {
        test::cases(include_str!("../cases.json"), headers);
    }
}
