//! The plugins that ship: metered they do what they did before, and every engine says the same, at the same price.

#![cfg(all(feature = "wasmi", feature = "wasmtime"))]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Engines, V8};
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::Event;
use weir_plugin_host::meter::DEPTH_BUDGET;
use weir_plugin_host::run::{self, Call, Instance, Limits, Stop};

/// An instance of a module as its compiler made it: it has no meters, so it never uses up anything.
struct Bare<'a>(&'a mut V8);

impl Instance for Bare<'_> {
    fn call(&mut self, call: Call) -> Result<u32, Stop> {
        self.0.call(call)
    }
    fn memory_bytes(&mut self) -> u64 {
        self.0.memory_bytes()
    }
    fn read(&mut self, address: u32, length: u32) -> Option<Vec<u8>> {
        self.0.read(address, length)
    }
    fn write(&mut self, address: u32, bytes: &[u8]) -> bool {
        self.0.write(address, bytes)
    }
    fn set_fuel(&mut self, _: i64) {}
    fn fuel(&mut self) -> i64 {
        1
    }
    fn set_depth(&mut self, _: i32) {}
    fn depth(&mut self) -> i32 {
        DEPTH_BUDGET
    }
    fn denied(&mut self) -> i32 {
        0
    }
}

/// The events of a plugin's `cases.json`, as input frames.
fn inputs(package: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(package).join("cases.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let input = |case: &Value| {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        for (name, value) in case["headers"].as_object().into_iter().flatten() {
            headers.push((name.to_ascii_lowercase(), value.as_str().unwrap().to_owned()));
        }
        let config = case.get("config").map(Value::to_string).unwrap_or_default();
        let event = Event {
            id: "msg_2hYFcGjrCJRmdKQUsTfcvbbzPgT",
            event_type: case["eventType"].as_str().unwrap(),
            timestamp_ms: 1_767_225_600_000,
            attempt: 1,
            app_id: "app_1",
            endpoint_id: "ep_1",
            headers: &headers,
            config: &config,
            body: case["body"].as_str().unwrap().as_bytes(),
        };
        (format!("{package}: {}", case["name"].as_str().unwrap()), event.encode())
    };
    cases.iter().map(input).collect()
}

#[test]
fn shipped_plugins_do_the_same_bare_and_metered_on_every_engine() {
    let built = xtask::plugins::ensure_built().unwrap_or_else(|error| panic!("{error}"));
    let (mut engines, mut bare, limits) = (Engines::start(), V8::start(), Limits::default());
    let mut compared = 0;
    for package in xtask::plugins::packages().unwrap_or_else(|error| panic!("{error}")) {
        let wasm = std::fs::read(built.join(format!("{package}.wasm"))).unwrap();
        let metered = admit(&wasm, &ModuleLimits::default()).unwrap().meter().unwrap();
        for (name, input) in inputs(&package) {
            let outcomes = engines.run(&metered.bytes, &input, &limits);
            let (_, first) = &outcomes[0];
            assert!(first.fuel > 0, "{name}: {first:?}");
            for (engine, outcome) in &outcomes {
                assert_eq!(outcome, first, "{name} on {engine}");
            }
            bare.instantiate(&wasm).unwrap_or_else(|why| panic!("{name}: {why}"));
            let plain = run::run(&mut Bare(&mut bare), &input, &limits);
            assert_eq!(
                (&plain.result, &plain.logs, plain.memory_pages),
                (&first.result, &first.logs, first.memory_pages),
                "{name}: metering changed it"
            );
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}
