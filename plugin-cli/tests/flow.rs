//! The command as an author uses it: a plugin is made, built, checked, and run on events.

use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn weir_plugin(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-plugin"));
    // The outer cargo's flags are not the plugin's.
    command.current_dir(dir).args(args).env("CARGO_TARGET_DIR", plugin_target());
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

/// What is built for one run is there for the next.
fn plugin_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-target")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A directory outside of this repository, where an author works; gone in the end.
struct Outside(PathBuf);

impl Outside {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("weir-plugin-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// That the guide shows what was printed. Sizes in bytes are left out: they depend on where the SDK's sources are.
#[track_caller]
fn assert_shown(guide: &str, command: &str, printed: &str) {
    let (_, shown) = guide.split_once(&format!("$ {command}\n")).unwrap_or_else(|| panic!("no {command}"));
    let (shown, _) = shown.split_once("```").unwrap();
    let words = |text: &str| -> Vec<String> {
        let has_size = text.starts_with("ok: ");
        let is_size = |word: &&str| has_size && word.trim_start_matches('(').parse::<u32>().is_ok();
        text.split(' ').filter(|word| !is_size(word)).map(str::to_owned).collect()
    };
    assert_eq!(words(printed), words(shown), "{command}");
}

#[test]
fn a_new_plugin_works_at_once_and_as_the_guide_says() {
    let outside = Outside::new();
    let dir = outside.0.clone();
    // With the command that the guide has installed, the SDK is where it was built from.
    let made = weir_plugin(&dir, &["new", "large-orders"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    // The versions that this repository has locked.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, dir.join("large-orders/Cargo.lock")).unwrap();

    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/README.md");
    let guide = fs::read_to_string(guide).unwrap();
    let source = fs::read_to_string(dir.join("large-orders/src/lib.rs")).unwrap();
    let (_, function) = source.split_once("#[plugin").unwrap();
    let (function, _) = function.split_once("\n}\n").unwrap();
    assert!(
        guide.contains(&format!("#[plugin{function}\n}}\n")),
        "the guide shows another function than {function}"
    );
    let within = dir.join("large-orders");
    let config = r#"{"least": 500}"#;
    for (command, args) in [
        ("weir-plugin run . events", &["run", ".", "events"][..]),
        (
            r#"weir-plugin run . events/large.json --config '{"least": 500}'"#,
            &["run", ".", "events/large.json", "--config", config],
        ),
        ("weir-plugin check .", &["check", "."]),
    ] {
        let ran = weir_plugin(&within, args);
        assert!(ran.status.success(), "{command}: {}", text(&ran.stderr));
        assert_shown(&guide, command, text(&ran.stdout));
    }
    let mut tests = Command::new("cargo");
    tests.current_dir(&within).arg("test").env("CARGO_TARGET_DIR", plugin_target());
    let tested = tests.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").output().unwrap();
    assert!(
        tested.status.success() && text(&tested.stdout).contains("2 passed"),
        "{}{}",
        text(&tested.stdout),
        text(&tested.stderr)
    );

    let ran = weir_plugin(&dir, &["run", "large-orders", "large-orders/events", "--json"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let lines: Vec<Value> =
        text(&ran.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["unchanged", "drop"]);
    assert_eq!(lines[1]["reason"], "too small");
    assert_eq!(lines[0]["logs"][0]["text"], "amount Some(120), at least 100");
    assert_eq!(lines[0]["memoryPages"], 2);

    let ran = weir_plugin(
        &dir,
        &[
            "run",
            "large-orders",
            "large-orders/events/large.json",
            "--config",
            "{\"least\": 500}",
            "--fuel",
            "100000",
        ],
    );
    let shown = text(&ran.stdout);
    assert!(
        shown.starts_with("large-orders/events/large.json: drop (too small)\n  info  amount Some(120)"),
        "{shown}"
    );
    assert!(shown.contains(" of 100000 ("), "{shown}");

    let out_of_fuel = weir_plugin(&dir, &["run", "large-orders", "large-orders/events", "--fuel", "10"]);
    assert_eq!(out_of_fuel.status.code(), Some(1));
    assert!(text(&out_of_fuel.stdout).contains("out_of_fuel"), "{}", text(&out_of_fuel.stdout));

    // Which functions used the fuel: by their names, and all of it.
    let profiled =
        weir_plugin(&dir, &["run", "large-orders", "large-orders/events/large.json", "--json", "--profile"]);
    let line: Value = serde_json::from_slice(&profiled.stdout).unwrap();
    assert_eq!(line["fuel"], lines[0]["fuel"], "names cost nothing");
    let profile = line["profile"].as_array().unwrap();
    let spent: Vec<u64> = profile.iter().map(|entry| entry["fuel"].as_u64().unwrap()).collect();
    assert_eq!(Some(spent.iter().sum()), line["fuel"].as_u64());
    assert!(spent.is_sorted_by(|a, b| a >= b) && spent.len() > 5, "{spent:?}");
    let named = |part: &str| profile.iter().any(|entry| entry["name"].as_str().unwrap().contains(part));
    assert!(named("weir_plugin::json") && !named("17h"), "{profile:?}");
    let shown = weir_plugin(&dir, &["run", "large-orders", "large-orders/events/large.json", "--profile"]);
    assert!(text(&shown.stdout).contains(" %  ") && text(&shown.stdout).contains("weir_plugin::json"));

    let checked = weir_plugin(&dir, &["check", "large-orders"]);
    assert!(
        checked.status.success() && text(&checked.stdout).starts_with("ok: "),
        "{}",
        text(&checked.stdout)
    );
    let inspected = weir_plugin(&dir, &["inspect", "large-orders"]);
    assert!(
        text(&inspected.stdout)
            .starts_with("large-orders 0.1.0\nDelivers events whose amount is large enough.\n")
    );

    let again = weir_plugin(&dir, &["new", "large-orders"]);
    assert_eq!(text(&again.stderr), "large-orders is there already: choose another name.\n");
}

#[test]
fn what_the_gateway_would_not_take_is_told_with_its_code() {
    let dir = scratch("refused");
    let module =
        wat::parse_str(r#"(module (import "env" "now" (func (result i64))) (memory (export "memory") 1))"#);
    fs::write(dir.join("a.wasm"), module.unwrap()).unwrap();
    let checked = weir_plugin(&dir, &["check", "a.wasm", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let facts: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(facts["refusal"]["code"], "import");
    let ran = weir_plugin(&dir, &["run", "a.wasm"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).starts_with("The gateway would refuse this plugin (import): "));
}

#[test]
fn a_configuration_that_the_gateway_would_not_take_is_told_before() {
    let dir = scratch("config");
    let plugin = |schema: &str| {
        let manifest = format!(r#"{{"abi":1,"name":"n","version":"1","configSchema":{schema}}}"#);
        let manifest = manifest.replace('"', "\\22");
        let module = wat::parse_str(format!(
            r#"(module (@custom "weir:manifest" "{manifest}") (memory (export "memory") 2 16)
                (data (i32.const 1024) "\20")
                (func (export "weir_abi_v1") (result i32) i32.const 1024)
                (func (export "weir_input") (param i32) (result i32) i32.const 65536)
                (func (export "weir_transform") (param i32) (result i32) i32.const 0))"#
        ));
        fs::write(dir.join("n.wasm"), module.unwrap()).unwrap();
    };
    fs::write(dir.join("event.json"), "{}").unwrap();
    plugin(r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}"#);
    let run = |config: &str| weir_plugin(&dir, &["run", "n.wasm", "event.json", "--config", config]);
    assert!(run(r#"{"n":1}"#).status.success());
    let refused = run(r#"{"n":"1"}"#);
    assert_eq!(refused.status.code(), Some(2));
    let begins = "event.json: The gateway would refuse this configuration. config.n: ";
    assert!(text(&refused.stderr).starts_with(begins), "{}", text(&refused.stderr));
    // Patterns are not among what the gateway checks.
    plugin(r#"{"properties":{"n":{"pattern":"^x"}}}"#);
    for args in [&["check", "n.wasm"][..], &["run", "n.wasm"], &["bundle", "out", "n.wasm"]] {
        let refused = weir_plugin(&dir, args);
        let said = format!("{}{}", text(&refused.stdout), text(&refused.stderr));
        assert!(!refused.status.success() && said.contains("config_schema"), "{said}");
        assert!(said.contains("configSchema.properties.n.pattern: "), "{said}");
    }
}

#[test]
fn an_event_comes_from_the_standard_input_and_what_has_changed_is_shown() {
    let dir = scratch("stdin");
    // It answers any event with the body `{"a":2}`.
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 2 16)
            (data (i32.const 1024) "\20\00\00\00\00\08\00\00\1b\00\00\00")
            (data (i32.const 2048) "\01\00\00\00\01\00\00\00\09\00\00\00\14\00\00\00\07\00\00\00{\22a\22:2}")
            (func (export "weir_abi_v1") (result i32) i32.const 1024)
            (func (export "weir_input") (param i32) (result i32) i32.const 65536)
            (func (export "weir_transform") (param i32) (result i32) i32.const 1))"#,
    );
    fs::write(dir.join("two.wasm"), module.unwrap()).unwrap();
    let run = |args: &[&str]| {
        let mut command = command(&dir, args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Whoever does not run does not read.
        let _ = child.stdin.take().unwrap().write_all(br#"{"a":1}"#);
        child.wait_with_output().unwrap()
    };
    let shown = run(&["run", "two.wasm"]);
    let lines: Vec<&str> = text(&shown.stdout).lines().map(str::trim).collect();
    assert_eq!(lines[0], "standard input: replace");
    assert!(lines.iter().any(|line| line.starts_with('-') && line.ends_with(r#""a": 1"#)), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with('+') && line.ends_with(r#""a": 2"#)), "{lines:?}");
    let line: Value = serde_json::from_slice(&run(&["run", "two.wasm", "-", "--json"]).stdout).unwrap();
    assert_eq!(line["engine"], "wasmi");
    let compiled = run(&["run", "two.wasm", "--json", "--engine", "wasmtime"]);
    if cfg!(feature = "wasmtime") {
        let mut compiled: Value = serde_json::from_slice(&compiled.stdout).unwrap();
        assert_eq!(compiled["engine"].take(), "wasmtime");
        compiled["engine"] = "wasmi".into();
        assert_eq!(compiled, line, "nothing else differs");
    } else {
        assert_eq!(compiled.status.code(), Some(2), "it is not built in, and says so");
    }
    assert_eq!((line["verdict"].as_str(), line["payload"].as_str()), (Some("replace"), Some(r#"{"a":2}"#)));
    assert!(line["diff"].as_array().is_some_and(|diff| diff.len() > 2), "{line}");
}

#[test]
fn what_is_bundled_is_ready_to_be_deployed() {
    let dir = scratch("bundle");
    let plugin = |name: &str, result: &str| {
        let module = wat::parse_str(format!(
            r#"(module (memory (export "memory") 1)
                (func (export "weir_abi_v1") (result i32) i32.const 16)
                (func (export "weir_input") (param i32) (result i32) i32.const 64)
                (func (export "weir_transform") (param i32) (result i32) {result}))"#
        ));
        fs::write(dir.join(name), module.unwrap()).unwrap();
    };
    plugin("first.wasm", "i32.const 0");
    plugin("second.wasm", "i32.const 2");
    let bundled = weir_plugin(&dir, &["bundle", "out", "second.wasm", "first.wasm"]);
    assert!(bundled.status.success(), "{}", text(&bundled.stderr));
    let catalog = fs::read_to_string(dir.join("out/plugins.mjs")).unwrap();
    let (first, second) = (catalog.find(r#""name":"first""#), catalog.find(r#""name":"second""#));
    assert!(first.is_some() && first < second, "by name: {catalog}");
    assert!(fs::read(dir.join("out/plugin-first.wasm")).unwrap().starts_with(b"\0asm"));
    assert!(dir.join("out/transcribe.mjs").is_file());

    // What an earlier build has left is not deployed.
    assert!(weir_plugin(&dir, &["bundle", "out", "second.wasm"]).status.success());
    assert!(!dir.join("out/plugin-first.wasm").exists());

    plugin("bad.wasm", "i64.const 0");
    fs::copy(dir.join("first.wasm"), dir.join("First.wasm")).unwrap();
    for (file, part) in [("bad.wasm", "refused (malformed)"), ("First.wasm", "is named by its file")] {
        let refused = weir_plugin(&dir, &["bundle", "out", file]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(part), "{}", text(&refused.stderr));
    }
}

#[test]
fn what_is_no_module_is_told() {
    let dir = scratch("no-module");
    fs::write(dir.join("a.wasm"), "text").unwrap();
    for (args, error) in [
        (
            ["check", "a.wasm"],
            "a.wasm is not WebAssembly: compile it first, or pass the directory of its crate.\n",
        ),
        (["check", "."], ". has no Cargo.toml: pass a .wasm file or the directory of a crate.\n"),
        (
            ["new", "Large"],
            "A plugin's name has 1 to 64 of `a-z 0-9 - _` and starts with a letter, `Large` does not.\n",
        ),
    ] {
        let output = weir_plugin(&dir, &args);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), error));
    }
}
