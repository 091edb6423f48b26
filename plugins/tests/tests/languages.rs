//! Plugins in other languages: the ABI needs no Rust.

use std::fs;
use std::path::PathBuf;
use weir_core::api::model::plugin::config_schema;
use weir_plugin_host::frame::{Event, HeaderChange, Patch};
use weir_plugin_host::run::{Level, LogLine, RunError, Verdict};
use weir_plugins_tests::{Plugin, event};

fn load(module: Result<PathBuf, String>) -> Plugin {
    let path = module.unwrap_or_else(|error| panic!("{error}"));
    Plugin::load(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn header(name: &str, value: &str) -> HeaderChange {
    HeaderChange { name: name.into(), value: Some(value.into()) }
}

fn info(text: &str) -> [LogLine; 1] {
    [LogLine { level: Level::Info, text: text.into() }]
}

/// Whether there is what installs the compiler for C and Zig; in CI there has to be.
fn has_compiler() -> bool {
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    let has = xtask::languages::has_python() || in_ci;
    if !has {
        eprintln!("left out: the compiler comes by Python 3 with its venv module, which is not there");
    }
    has
}

/// A program that stands in a text, written to a file.
fn program(text: &str, language: &str, file: &str) -> PathBuf {
    let (_, program) = text.split_once(&format!("```{language}\n")).expect("a program");
    let (program, _) = program.split_once("```").expect("its end");
    let path = xtask::plugins::target().join("plugins").join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    fs::write(&path, program).expect("written");
    path
}

/// The one that the ABI's own document prints.
#[test]
fn the_smallest_plugin_in_c() {
    if !has_compiler() {
        return;
    }
    let source = program(include_str!("../../../plugin-host/abi-v1.md"), "c", "smallest.c");
    let plugin = load(xtask::languages::c(&source));
    assert!(plugin.manifest.is_none());
    let patch = Patch { headers: vec![header("x-size", "big!")], ..Patch::default() };
    assert_eq!(plugin.run(&event()).result, Ok(Verdict::Replace(patch)));
    assert_dropped_without_a_body(&plugin);
}

/// The one that the guide prints.
#[test]
fn the_smallest_plugin_in_zig() {
    if !has_compiler() {
        return;
    }
    let source = program(include_str!("../../other-languages/README.md"), "zig", "smallest-zig.zig");
    let plugin = load(xtask::languages::zig(&source));
    assert_eq!(plugin.run(&event()).result, Ok(Verdict::Unchanged));
    assert_dropped_without_a_body(&plugin);
}

#[track_caller]
fn assert_dropped_without_a_body(plugin: &Plugin) {
    let outcome = plugin.run(&Event { body: b"", ..event() });
    assert_eq!(outcome.result, Ok(Verdict::Drop { reason: "an empty body".into() }));
    let large = vec![b'x'; 70_000];
    let outcome = plugin.run(&Event { body: &large, ..event() });
    assert_eq!(outcome.result.err().map(|error| error.code()), Some("input_refused"));
}

#[test]
fn c() {
    if !has_compiler() {
        return;
    }
    let plugin = load(xtask::languages::c(&xtask::root().join("plugins/other-languages/c/region.c")));
    let manifest = plugin.manifest.clone().unwrap_or_else(|| panic!("there is no manifest"));
    assert_eq!(manifest.name, "region");
    // The gateway understands its schema.
    let written = serde_json::to_string(&manifest).unwrap_or_else(|error| panic!("{error}"));
    assert!(config_schema(Some(&written)).is_ok_and(|schema| schema.is_some()));

    let config = r#"{"region": "eu"}"#;
    let outcome = plugin.run(&Event { event_type: "order.created.eu", config, ..event() });
    let patch = Patch { headers: vec![header("x-region", "eu")], ..Patch::default() };
    assert_eq!(
        (outcome.result, &outcome.logs.lines[..]),
        (Ok(Verdict::Replace(patch)), &info("of this region")[..])
    );
    let outcome = plugin.run(&Event { event_type: "order.created.us", config, ..event() });
    assert_eq!(outcome.result, Ok(Verdict::Drop { reason: "another region".into() }));
    let outcome = plugin.run(&event());
    let message = "configuration: `region` is missing".into();
    assert_eq!(outcome.result, Ok(Verdict::Error { retryable: false, message }));
    let body = vec![b'x'; 2 << 20];
    let outcome = plugin.run(&Event { body: &body, ..event() });
    assert_eq!(outcome.result.err().map(|error| error.code()), Some("input_refused"));
}

#[test]
fn assemblyscript() {
    let plugin = load(xtask::languages::assemblyscript());
    let outcome = plugin.run(&Event { body: "Jörg".as_bytes(), config: r#""Guten Tag""#, ..event() });
    let patch = Patch {
        headers: vec![header("x-greeting", "Guten Tag")],
        body: Some("Guten Tag, Jörg!".into()),
        ..Patch::default()
    };
    assert_eq!(
        (outcome.result, &outcome.logs.lines[..]),
        (Ok(Verdict::Replace(patch)), &info("greeting Jörg")[..])
    );
    let outcome = plugin.run(&Event { body: b"", ..event() });
    assert_eq!(outcome.result, Ok(Verdict::Drop { reason: "nobody to greet".into() }));
    let outcome = plugin.run(&Event { body: &[b'x'; 200], ..event() });
    let Err(RunError::Panic { message }) = outcome.result else { panic!("{:?}", outcome.result) };
    assert!(message.starts_with("a name of 200 characters, greeting.ts:"), "{message}");
}
