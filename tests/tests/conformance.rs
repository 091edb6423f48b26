//! Every method of Svix's SDKs, called for real.
//!
//! Which methods there are is read from the SDKs themselves: from the client object in JavaScript and Python, from the
//! crate's source in Rust. What each is called with, and which error it has to end in when it is called wrongly, is in
//! `tests/sdk/calls.json` (and below for Rust). A method that nobody called fails the test; so does one that has no
//! route here and does not end in an error of the API. The table is printed at the end:
//! `cargo test -p weir-tests --test conformance -- --nocapture`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use weir_tests::client::Api;
use weir_tests::gateway::shared;
use weir_tests::receiver::Receiver;
use weir_tests::sdk::{self, Run};

/// What came of a method: how it stands in the table, and why it failed if it did.
type Outcomes = BTreeMap<String, (&'static str, Option<String>)>;

fn outcomes(run: &Run) -> Outcomes {
    assert!(run.ok, "the script itself failed: {}", run.noise);
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let read = |line: &Value| {
        let word = match (line["ok"] == true, line["kind"].as_str()) {
            (false, _) => "FAILED",
            (true, Some("none")) => "404",
            (true, _) => "ok",
        };
        let why = (word == "FAILED").then(|| text(line, "why"));
        (text(line, "method"), (word, why))
    };
    run.lines.iter().map(read).collect()
}

/// Prints what came of every method in every SDK; fails where something did.
fn conclude(columns: &[(String, Outcomes)]) {
    let methods: BTreeSet<&String> = columns.iter().flat_map(|(_, column)| column.keys()).collect();
    let mut table = format!("{:<45}", "method");
    for (name, _) in columns {
        table += &format!("{name:>16}");
    }
    for method in methods {
        table += &format!("\n{method:<45}");
        for (_, column) in columns {
            table += &format!("{:>16}", column.get(method).map_or("-", |(word, _)| word));
        }
    }
    table += &format!("\n{:<45}", "called with a route, answered as documented");
    for (_, column) in columns {
        let called = column.values().filter(|(word, _)| *word == "ok").count();
        table += &format!("{called:>16}");
    }
    println!("{table}");
    let failed: Vec<String> = columns
        .iter()
        .flat_map(|(name, column)| {
            column
                .iter()
                .filter_map(move |(method, (_, why))| Some(format!("{name} {method}: {}", why.as_ref()?)))
        })
        .collect();
    assert!(failed.is_empty(), "{} calls failed:\n{}", failed.len(), failed.join("\n"));
}

/// Runs a script as a tenant of its own.
fn called(name: &str, run: impl FnOnce(&Api, &[(&str, &str)]) -> Option<Run>) -> Option<(String, Outcomes)> {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let url = receiver.url("/");
    let label = name.replace([' ', '.'], "-");
    let env = [
        ("WEIR_URL", api.url()),
        ("WEIR_TOKEN", api.token.as_str()),
        ("RECEIVER_URL", &url),
        ("NAME", &label),
    ];
    let run = run(&api, &env)?;
    Some((name.to_owned(), outcomes(&run)))
}

fn javascript(package: &str) -> (String, Outcomes) {
    let text = std::fs::read_to_string(sdk::npm_package(package).join("package.json")).unwrap();
    let version = serde_json::from_str::<Value>(&text).unwrap()["version"].as_str().unwrap().to_owned();
    let script = |_: &Api, env: &[(&str, &str)]| {
        let env: Vec<_> = env.iter().copied().chain([("SVIX_PACKAGE", package)]).collect();
        Some(sdk::node("conformance.mjs", &env))
    };
    called(&format!("js {version}"), script).unwrap()
}

fn python(version: &str) -> Option<(String, Outcomes)> {
    let package = format!("svix=={version}");
    called(&format!("py {version}"), |_, env| sdk::python(&package, "conformance.py", env))
}

#[test]
fn every_method_of_every_sdk_is_answered() {
    let mut columns = vec![javascript("svix-1"), javascript("svix")];
    for version in ["1.99.1", "2.9.1"] {
        match python(version) {
            Some(column) => columns.push(column),
            None => eprintln!("skipped: there is no Python 3 with venv on this machine"),
        }
    }
    conclude(&columns);
}
