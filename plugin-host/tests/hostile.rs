//! Modules that mean harm, or are only broken: each is refused, or ends with the same outcome on every engine.
//!
//! A file of `tests/hostile/` says in its first lines what it is about, what is expected of it (`refused` and the
//! code of the refusal, the code of a run's error, or a verdict) and sometimes a part of the sentence a user reads.

#![cfg(feature = "wasmi")]

mod support;

use std::fmt::Write as _;
use std::path::PathBuf;

use support::Engines;
use weir_plugin_host::admission::{Admitted, ModuleLimits, admit};
use weir_plugin_host::frame::Event;
use weir_plugin_host::run::{Limits, Outcome, Verdict};

struct Case {
    name: String,
    expect: String,
    says: Option<String>,
    wasm: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut cases: Vec<Case> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let note = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(";; ")?.strip_prefix(key));
                line.map(|line| line.trim().to_owned())
            };
            let expect = note("expect:").unwrap_or_else(|| panic!("{name} expects nothing"));
            let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            Case { expect, says: note("says:"), wasm, name }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn input() -> Vec<u8> {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    Event {
        id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        event_type: "invoice.paid",
        timestamp_ms: 1_790_000_000_000,
        attempt: 1,
        app_id: "app_1",
        endpoint_id: "ep_1",
        headers: &headers,
        config: "",
        body: br#"{"id":7}"#,
    }
    .encode()
}

/// The outcome in the words of a case, and the sentence a user reads.
fn told(outcome: &Outcome) -> (&'static str, String) {
    match &outcome.result {
        Ok(Verdict::Unchanged) => ("unchanged", String::new()),
        Ok(Verdict::Replace(_)) => ("replace", String::new()),
        Ok(Verdict::Drop { reason }) => ("drop", reason.clone()),
        Ok(Verdict::Error { message, .. }) => ("error", message.clone()),
        Err(error) => (error.code(), error.to_string()),
    }
}

/// A plugin that does nothing wrong, to run after each that does.
const NEIGHBOR: &str = r#"(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "\20\00\00\00")
  (func (export "weir_abi_v1") (result i32) (i32.const 1024))
  (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
  (func (export "weir_transform") (param i32) (result i32) (i32.const 0)))"#;

#[test]
fn every_hostile_module_is_refused_or_ends_the_same_everywhere_and_harms_no_one() {
    let mut engines = Engines::start();
    let (input, limits) = (input(), Limits::default());
    let neighbor =
        admit(&wat::parse_str(NEIGHBOR).unwrap(), &ModuleLimits::default()).unwrap().meter().unwrap();
    let expected_neighbor = engines.run(&neighbor.bytes, &input, &limits);
    let mut wrong = Vec::new();
    let mut costs = String::new();
    let (mut refused, mut ran) = (0, 0);
    for case in cases() {
        let metered = match admit(&case.wasm, &ModuleLimits::default()).and_then(Admitted::meter) {
            Ok(metered) => metered,
            Err(refusal) => {
                refused += 1;
                let (got, says) = (format!("refused {}", refusal.code()), refusal.to_string());
                if got != case.expect || case.says.as_ref().is_some_and(|part| !says.contains(part)) {
                    wrong.push(format!(
                        "{}: {got} ({says}), expected {} {:?}",
                        case.name, case.expect, case.says
                    ));
                }
                continue;
            }
        };
        ran += 1;
        let outcomes = engines.run(&metered.bytes, &input, &limits);
        writeln!(costs, "{} {} fuel {} pages", case.name, outcomes[0].1.fuel, outcomes[0].1.memory_pages)
            .unwrap();
        for (engine, outcome) in &outcomes {
            let (got, says) = told(outcome);
            if got != case.expect || case.says.as_ref().is_some_and(|part| !says.contains(part)) {
                wrong.push(format!(
                    "{} on {engine}: {got} ({says}), expected {} {:?}",
                    case.name, case.expect, case.says
                ));
            }
            // The whole outcome: result, trap kind, logs, fuel and memory.
            if outcome != &outcomes[0].1 {
                wrong.push(format!("{} differs:\n  {:?}\n  {engine} {outcome:?}", case.name, outcomes[0]));
            }
            if outcome.fuel > limits.fuel {
                wrong.push(format!("{} on {engine} used {} fuel", case.name, outcome.fuel));
            }
        }
        // Depth that was not given back, memory that was written: nothing of it is there for the next event.
        if engines.run(&metered.bytes, &input, &limits) != outcomes {
            wrong.push(format!("{} has another outcome the second time", case.name));
        }
        if engines.run(&neighbor.bytes, &input, &limits) != expected_neighbor {
            wrong.push(format!("{} harmed its neighbor", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/hostile.txt");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(golden, &costs).unwrap();
    }
    assert_eq!(
        costs,
        std::fs::read_to_string(golden).unwrap(),
        "other fuel numbers need another PASS_VERSION; then run the test with WEIR_BLESS=1"
    );
    assert!(refused > 30 && ran > 60, "{refused} refused, {ran} ran");
}

#[test]
fn a_sentence_says_what_to_do_for_every_refusal() {
    for case in cases().iter().filter(|case| case.expect.starts_with("refused")) {
        let Err(refusal) = admit(&case.wasm, &ModuleLimits::default()).and_then(Admitted::meter) else {
            panic!("{} was admitted", case.name);
        };
        let sentence = refusal.to_string();
        assert!(sentence.len() > 30 && !sentence.contains("  "), "{}: {sentence}", case.name);
    }
}
