//! The plugins that ship, as wasm: what they make of their cases, natively and on every engine, and what that costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use weir_core::api::model::plugin::config_schema;
use weir_plugin_host::frame::Event;
use weir_plugin_host::run::Verdict;
use weir_plugins_tests::{Plugin, bytes_of, event};

/// A plugin may cost so much more or less fuel than is pinned before a test says so: 2 %.
const TOLERANCE: u64 = 50;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A case of a plugin's `cases.json`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    event_type: String,
    body: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// As it stands in the file: numbers keep their digits and members their order.
    config: Option<Box<serde_json::value::RawValue>>,
    expect: serde_json::Value,
}

fn cases(package: &str) -> Vec<Case> {
    let path = root().join(package).join("cases.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_body_of_200_levels_passes_every_plugin() {
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    for (package, config) in [
        ("filter", r#"{"when": "exists(body.a)"}"#),
        ("redact", r#"{"mask": ["**.card"], "emails": true, "cards": true}"#),
        ("template", r#"{"template": {"all": "{{ body }}", "text": "a {{ body.a | json }}"}}"#),
        ("json-schema", r#"{"schema": {"type": "object"}}"#),
        ("sample", r#"{"percent": 100, "by": "body.a"}"#),
        ("rename", r#"{"types": {"a.b": "c.d"}, "field": "a.type"}"#),
        ("headers", r#"{"set": {"x-a": "{{ body.b }}"}}"#),
        ("chat", r#"{"service": "slack", "text": "{{ body.a }}"}"#),
        ("cloudevents", r#"{"subject": "body.b"}"#),
    ] {
        let plugin = Plugin::load(&bytes_of(package));
        for body in [nested("{\"a\":", "}", 200), format!("{{\"a\":{}}}", nested("[", "]", 199))] {
            let outcome = plugin.run(&Event { config, body: body.as_bytes(), ..event() });
            let verdict =
                outcome.result.unwrap_or_else(|error| panic!("{package}: {}: {error}", error.code()));
            assert!(
                !matches!(verdict, Verdict::Error { .. } | Verdict::Drop { .. }),
                "{package}: {verdict:?}"
            );
        }
        // The deepest that is read, and a level more: refused, and nothing overflows.
        let deepest = plugin.run(&Event { config, body: nested("{\"a\":", "}", 256).as_bytes(), ..event() });
        assert!(
            !matches!(deepest.result, Ok(Verdict::Error { .. }) | Err(_)),
            "{package}: {:?}",
            deepest.result
        );
        for levels in [257, 100_000] {
            let outcome =
                plugin.run(&Event { config, body: nested("{\"a\":", "}", levels).as_bytes(), ..event() });
            assert!(
                !matches!(outcome.result, Ok(Verdict::Drop { .. }) | Err(_)),
                "{package}: {:?}",
                outcome.result
            );
        }
    }
}

/// What each plugin refuses as a configuration, whatever the event is.
#[test]
fn a_configuration_that_can_never_work_is_called_one() {
    for (package, configs) in [
        (
            "redact",
            &[
                r#"{"mask": ["a..b["]}"#,
                r#"{"mask": ["a["]}"#,
                r#"{"mask": ["a[x]"]}"#,
                r#"{"remove": ["."]}"#,
            ][..],
        ),
        (
            "headers",
            &[
                r#"{"set": {"x a": "1"}}"#,
                r#"{"default": {"x-a": "{{body."}}"#,
                r#"{"set": {"x-a": "{{nope.x}}"}}"#,
            ],
        ),
        (
            "template",
            &[
                r#"{"template": "{{"}"#,
                r#"{"template": {"a": "{{body..a}}"}}"#,
                r#"{"template": {"$if": "body.none", "$then": "{{unknown}}"}}"#,
                r#"{"template": {"$each": "body.none", "$do": {"a": ["{{ item"]}}}"#,
                r#"{"template": 1, "contentType": "text/plain\r\nx: 1"}"#,
            ],
        ),
        (
            "rename",
            &[
                r#"{"types": {}, "field": "x..y"}"#,
                r#"{"types": {"other": "c d"}}"#,
                r#"{"types": {"other": ".."}}"#,
            ],
        ),
        ("sample", &[r#"{"percent": 1, "by": "nope.x"}"#, r#"{"percent": 1, "by": "body..x"}"#]),
        ("chat", &[r#"{"service": "slack", "title": "{{"}"#]),
        ("cloudevents", &[r#"{"subject": "nope"}"#, r#"{"mode": "unwrap", "subject": "body..x"}"#]),
        ("filter", &[r#"{"when": "payload.a == 1"}"#, r#"{"when": "body.a >="}"#]),
    ] {
        let plugin = Plugin::load(&bytes_of(package));
        for config in configs {
            let outcome = plugin.run(&Event { config, ..event() });
            match outcome.result {
                Ok(Verdict::Error { message, .. }) => {
                    assert!(message.starts_with("configuration"), "{package} {config}: {message}");
                }
                other => panic!("{package} {config}: {other:?}"),
            }
        }
    }
}

/// Runs a case; the fuel that it took.
fn check(package: &str, plugin: &Plugin, case: &Case) -> u64 {
    let Case { event_type, body, expect, .. } = case;
    let name = format!("{package}: {}", case.name);
    let config = case.config.as_ref().map_or("", |config| config.get());
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(case.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    let event = Event { event_type, body: body.as_bytes(), headers: &headers, config, ..event() };
    let outcome = plugin.run(&event);
    let verdict = outcome.result.unwrap_or_else(|error| panic!("{name}: {}: {error}", error.code()));
    let (kind, reason) = match &verdict {
        Verdict::Unchanged => ("unchanged", None),
        Verdict::Replace(_) => ("replace", None),
        Verdict::Drop { reason } => ("drop", Some(reason.clone())),
        Verdict::Error { retryable: true, message } => ("retry", Some(message.clone())),
        Verdict::Error { retryable: false, message } => ("fail", Some(message.clone())),
    };
    assert_eq!(expect["verdict"], kind, "{name}: {reason:?}");
    if let Some(wanted) = expect.get("reason") {
        assert_eq!(wanted.as_str(), reason.as_deref(), "{name}");
    }
    let mut delivered = (event_type.clone(), body.as_bytes().to_vec());
    if let Verdict::Replace(patch) = verdict {
        patch.apply_headers(&mut headers);
        delivered = (patch.event_type.unwrap_or(delivered.0), patch.body.unwrap_or(delivered.1));
    }
    if let Some(wanted) = expect["eventType"].as_str() {
        assert_eq!(wanted, delivered.0, "{name}");
    }
    if let Some(wanted) = expect["body"].as_str() {
        assert_eq!(wanted, String::from_utf8_lossy(&delivered.1), "{name}");
    }
    for (header, wanted) in expect["headers"].as_object().into_iter().flatten() {
        let have = headers.iter().find(|(have, _)| have == header).map(|(_, value)| value.as_str());
        assert_eq!(wanted.as_str(), have, "{name}: {header}");
    }
    outcome.fuel
}

#[test]
fn every_case_becomes_what_it_says_on_every_engine_and_costs_what_is_pinned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuel.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let pinned: BTreeMap<_, u64> = text
        .lines()
        .filter_map(|line| line.rsplit_once(": ").and_then(|(name, fuel)| Some((name, fuel.parse().ok()?))))
        .collect();
    let (mut now, mut wrong) = (String::new(), Vec::new());
    for package in xtask::plugins::packages().unwrap_or_else(|error| panic!("{error}")) {
        let plugin = Plugin::load(&bytes_of(&package));
        for case in cases(&package) {
            let fuel = check(&package, &plugin, &case);
            let name = format!("{package}: {}", case.name);
            let before = pinned.get(name.as_str()).copied();
            if before.is_none_or(|before| fuel.abs_diff(before) > before / TOLERANCE) {
                wrong.push(format!("{name}: {fuel}, pinned: {before:?}"));
            }
            writeln!(now, "{name}: {fuel}").unwrap();
        }
    }
    if std::env::var_os("WEIR_PIN").is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    assert!(
        wrong.is_empty(),
        "the fuel has changed:\n{}\nIf that is meant, write the new numbers with WEIR_PIN=1.",
        wrong.join("\n")
    );
    assert_eq!(
        pinned.len(),
        now.lines().count(),
        "there are pins without a case: write them anew with WEIR_PIN=1"
    );
}

#[test]
fn every_plugin_says_what_it_is() {
    for package in xtask::plugins::packages().unwrap_or_else(|error| panic!("{error}")) {
        let manifest =
            Plugin::load(&bytes_of(&package)).manifest.unwrap_or_else(|| panic!("{package} has none"));
        // The gateway checks configurations by its schema, and takes none that it does not understand.
        let text = serde_json::to_string(&manifest).unwrap();
        let understood = config_schema(Some(&text)).unwrap_or_else(|error| panic!("{package}: {error}"));
        assert_eq!(manifest.name, package);
        assert!(manifest.description.is_some_and(|text| text.ends_with('.')), "{package}");
        let has_schema = root().join(&package).join("config.schema.json").is_file();
        assert_eq!(understood.is_some(), has_schema, "{package}");
    }
}

#[test]
fn the_smallest_plugin_has_four_lines_and_less_than_10_kb() {
    let source = fs::read_to_string(root().join("paid-only/src/lib.rs")).unwrap();
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let statements: Vec<_> =
        code.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
    // rustfmt gives the function's body a line of its own.
    assert_eq!(statements.len(), 6, "{statements:?}");
    assert!(bytes_of("paid-only").len() < 10_000);
}

#[test]
fn no_plugin_is_larger_than_it_has_to_be() {
    for package in xtask::plugins::packages().unwrap_or_else(|error| panic!("{error}")) {
        let bytes = bytes_of(&package);
        println!("{package}: {} bytes", bytes.len());
        // An engine for patterns, and the standard library that it wants.
        let most = if package == "json-schema" { 140_000 } else { 100_000 };
        assert!(bytes.len() < most, "{package}: {}", bytes.len());
        let home = std::env::var("HOME").unwrap_or_default();
        let path = home.as_bytes();
        let found = path.len() > 4 && bytes.windows(path.len()).any(|window| window == path);
        assert!(!found, "{package} has a path of this machine in it");
    }
}
