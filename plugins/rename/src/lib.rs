//! Renames event types.
//!
//! Configuration: `{"types": {"invoice.paid": "billing.invoice.settled", "order.*": "shop.order.*"}}`. An exact name goes before a
//! pattern, a longer pattern before a shorter one; the star stands for the rest of the name and is put where the new name has
//! its own. `"field": "type"` writes the new name into the body, too, where that path already holds a text. `"others": "drop"`
//! drops the types that are not named.
#![no_std]

use weir_plugin::json::Path;
use weir_plugin::prelude::*;

/// The plugin.
#[plugin(config = "config.schema.json")]
fn rename(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let types = config.get("types").and_then(Value::as_object);
    let types = types.ok_or_else(|| Error::new("configuration: `types` must be an object of names"))?;
    types.iter().try_for_each(|(old, new)| check(&old.to_str(), new))?;
    let field = match config.get("field").and_then(Value::as_str) {
        Some(field) => Some(Path::parse(&field).map_err(|error| error.context("configuration"))?),
        None => None,
    };
    let old = event.event_type();
    let Some(new) = renamed(old, types)? else {
        return Ok(match config.get("others").and_then(Value::as_str).as_deref() {
            Some("drop") => Verdict::drop(format!("the type {old} is not in `types`")),
            _ => Verdict::Deliver,
        });
    };
    let mut patch = Patch::new();
    if new != old {
        patch = patch.event_type(&*new);
    }
    if let Some(field) = field {
        let mut body = event.json()?;
        let mut changed = false;
        field.each_mut(&mut body, &mut |value| {
            if value.as_str().is_some_and(|have| *have != *new) {
                *value = new.clone().into();
                changed = true;
            }
        });
        if changed {
            patch = patch.json(&body);
        }
    }
    Ok(patch.into_verdict())
}

/// Checks one entry of `types`, so that a name that can never be sent is refused where the plugin is attached. A star stands
/// for the rest of the old name: the new name has one only if the old one does, which ends in it.
fn check(old: &str, new: &Value<'_>) -> Result<()> {
    let name = new.as_str().ok_or_else(no_text)?;
    let ends_in_star = old.ends_with('*');
    let (in_old, in_new) = (old.matches('*').count(), name.matches('*').count());
    if in_old > usize::from(ends_in_star) {
        return Err(Error::new(format!("configuration: the star of `{old}` in `types` must be at its end")));
    }
    if in_new > in_old {
        let wanted = if in_old == 0 { "no star, because the old name has none" } else { "at most one star" };
        return Err(Error::new(format!(
            "configuration: the new name `{name}` of `{old}` must have {wanted}"
        )));
    }
    // With a star, what comes out depends on the event.
    if !is_event_type(&name.replacen('*', "x", 1)) {
        return Err(Error::new(format!(
            "configuration: the new name `{name}` must have 1 to 256 of the characters a-z, A-Z, 0-9, -, _ and ."
        )));
    }
    Ok(())
}

fn no_text() -> Error {
    Error::new("configuration: a new name in `types` must be a text")
}

/// Whether an event type may be called this: as part of a path, `.` and `..` would lead elsewhere.
fn is_event_type(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=256).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.starts_with('-')
        && name.bytes().all(allowed)
}

/// The new name of a type, if it has one.
fn renamed(old: &str, types: &[(json::Text<'_>, Value<'_>)]) -> Result<Option<String>> {
    let mut best: Option<(usize, &str, &Value<'_>)> = None;
    for (pattern, new) in types {
        let pattern = pattern.to_str();
        let (length, rest) = match pattern.strip_suffix('*') {
            Some(start) => match old.strip_prefix(start) {
                Some(rest) => (start.len(), rest),
                None => continue,
            },
            None if *pattern == *old => (usize::MAX, ""),
            None => continue,
        };
        if best.is_none_or(|(longest, ..)| length > longest) {
            best = Some((length, rest, new));
        }
    }
    let Some((_, rest, new)) = best else { return Ok(None) };
    let new = new.as_str().ok_or_else(no_text)?.replacen('*', rest, 1);
    if !is_event_type(&new) {
        return Err(Error::new(format!(
            "the new name of {old} would be `{new}`, which is not a valid event type"
        )));
    }
    Ok(Some(new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::test;

    const TYPES: &str =
        r#""types": {"order.*": "shop.*.v2", "order.item.*": "item", "order.paid": "paid", "*": "all.*"}"#;

    fn run(event_type: &str, config: &str) -> test::Outcome {
        test::event(event_type).json(r#"{"type": "a.b", "n": 1.0}"#).config(config).run(rename)
    }

    #[test]
    fn the_most_exact_name_counts() {
        let config = format!("{{{TYPES}}}");
        for (old, new) in [
            ("order.paid", "paid"),
            ("order.created", "shop.created.v2"),
            ("order.item.added", "item"),
            ("x", "all.x"),
        ] {
            let outcome = run(old, &config);
            assert_eq!(outcome.event_type(), new);
            assert_eq!(outcome.text(), r#"{"type": "a.b", "n": 1.0}"#);
        }
    }

    #[test]
    fn what_is_not_named_passes_or_is_dropped() {
        assert!(run("x", r#"{"types": {"y": "z"}}"#).is_unchanged());
        assert!(run("y", r#"{"types": {"y": "y"}}"#).is_unchanged());
        let outcome = run("x", r#"{"types": {"y": "z"}, "others": "drop"}"#);
        assert_eq!(outcome.reason(), Some("the type x is not in `types`"));
    }

    #[test]
    fn the_body_can_follow() {
        let outcome = run("a.b", r#"{"types": {"a.*": "c.*"}, "field": "type"}"#);
        assert_eq!((outcome.event_type(), outcome.text()), ("c.b", r#"{"type":"c.b","n":1.0}"#));
        let outcome = run("a.b", r#"{"types": {"a.*": "c.*"}, "field": "n"}"#);
        assert_eq!((outcome.event_type(), outcome.text()), ("c.b", r#"{"type": "a.b", "n": 1.0}"#));
    }

    #[test]
    fn a_name_that_cannot_be_is_refused() {
        assert!(run("a", r#"{"types": {"a": ""}}"#).error().is_some());
        assert!(run("a", r#"{"types": {"a": 1}}"#).error().is_some());
        assert!(run("a", "{}").error().is_some());
    }

    #[test]
    fn a_new_name_is_an_event_type_whatever_the_old_one_is() {
        for types in [
            r#"{"a": "*"}"#,
            r#"{"a": "b.*"}"#,
            r#"{"a.*": "*.*"}"#,
            r#"{"*": "**"}"#,
            r#"{"*.a": "b"}"#,
            r#"{"*.*": "b.*"}"#,
            r#"{"z": "."}"#,
            r#"{"z": ".."}"#,
            r#"{"z": "-b"}"#,
            r#"{"z": "-*"}"#,
            r#"{"z": "b c"}"#,
        ] {
            let outcome = run("x", &format!("{{\"types\": {types}}}"));
            assert!(outcome.error().is_some(), "{types}: refused whatever the event is");
        }
        for (old, types) in [
            ("a.", r#"{"a.*": ".*"}"#),
            ("a..", r#"{"a.*": ".*"}"#),
            ("a.", r#"{"a.*": "*"}"#),
            ("a.-b", r#"{"a.*": "*"}"#),
            ("a.b*", r#"{"a.*": "*"}"#),
            ("a.b\n", r#"{"a.*": "*"}"#),
        ] {
            let outcome = run(old, &format!("{{\"types\": {types}}}"));
            assert!(outcome.error().is_some(), "{old} by {types}");
        }
        assert_eq!(run("a.", r#"{"types": {"a.*": "b*"}}"#).event_type(), "b");
        assert_eq!(run("a.b", r#"{"types": {"a.*": "*"}}"#).event_type(), "b");
    }

    #[test]
    fn the_cases_become_what_they_say() {
        test::cases(include_str!("../cases.json"), rename);
    }
}
