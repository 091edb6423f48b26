//! Plugins in other languages: the ABI needs no Rust.

use std::fs;
use weir_plugin_host::frame::{Event, HeaderChange, Patch};
use weir_plugin_host::run::{Level, LogLine, RunError, Verdict};
use weir_plugins_tests::{Plugin, event};

fn load(module: Result<std::path::PathBuf, String>) -> Plugin {
    let path = module.unwrap_or_else(|error| panic!("{error}"));
    Plugin::load(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn header(name: &str, value: &str) -> HeaderChange {
    HeaderChange { name: name.into(), value: Some(value.into()) }
}

fn info(text: &str) -> [LogLine; 1] {
    [LogLine { level: Level::Info, text: text.into() }]
}

#[test]
fn c() {
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    if !xtask::languages::has_python() && !in_ci {
        eprintln!("left out: the compiler for C comes by Python 3 with its venv module, which is not there");
        return;
    }
    let plugin = load(xtask::languages::c("region"));
    let manifest = plugin.manifest.clone().unwrap_or_else(|| panic!("there is no manifest"));
    assert_eq!((manifest.name.as_str(), manifest.config_schema.is_some()), ("region", true));

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
    let plugin = load(xtask::languages::assemblyscript("greeting"));
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
