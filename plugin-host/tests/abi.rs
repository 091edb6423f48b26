//! The ABI as one commented file of text, held to what it says.

#![cfg(feature = "wasmi")]

mod support;

use support::Engines;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::{HeaderChange, Patch};
use weir_plugin_host::meter::DEPTH_BUDGET;
use weir_plugin_host::run::{Call, Instance as _, Level, Limits, LogLine, Outcome, RunError, Verdict};

struct Plugin {
    engines: Engines,
    metered: Vec<u8>,
}

impl Plugin {
    fn by_hand() -> Self {
        Self::of(include_str!("../abi-v1.wat"), Some("stamp"))
    }

    fn of(text: &str, name: Option<&str>) -> Self {
        let wasm = wat::parse_str(text).unwrap();
        let admitted = admit(&wasm, &ModuleLimits::default()).unwrap();
        assert_eq!(admitted.manifest.as_ref().map(|manifest| manifest.name.as_str()), name);
        Self { engines: Engines::start(), metered: admitted.meter().unwrap().bytes }
    }

    /// The outcome, which is the same on every engine.
    fn run(&mut self, body: &[u8], limits: &Limits) -> Outcome {
        let input = support::input("invoice.paid", body);
        let mut outcomes = self.engines.run(&self.metered, &input, limits);
        assert!(outcomes.iter().all(|(_, outcome)| *outcome == outcomes[0].1), "{outcomes:?}");
        outcomes.swap_remove(0).1
    }
}

#[test]
fn the_plugin_written_by_hand_does_what_it_says() {
    let mut plugin = Plugin::by_hand();
    let limits = Limits::default();

    let outcome = plugin.run(b"twelve bytes", &limits);
    let header = HeaderChange { name: "x-stamped-by".into(), value: Some("msg_1".into()) };
    assert_eq!(outcome.result, Ok(Verdict::Replace(Patch { headers: vec![header], ..Patch::default() })));
    assert_eq!(outcome.logs.lines, [LogLine { level: Level::Info, text: "stamped".into() }]);
    assert_eq!(outcome.memory_pages, 2);

    assert_eq!(plugin.run(b"", &limits).result, Ok(Verdict::Drop { reason: "an empty body".into() }));
    let large = vec![b'x'; 200_000];
    assert_eq!(plugin.run(&large, &limits).memory_pages, 5, "it makes room");
    let too_large = vec![b'x'; 15 << 20];
    let outcome = plugin.run(&too_large, &Limits { input_bytes: 16 << 20, ..limits });
    assert!(matches!(outcome.result, Err(RunError::InputRefused { bytes: 15_728_640.. })), "{outcome:?}");
}

#[test]
fn the_limits_of_a_run_are_limits() {
    let mut plugin = Plugin::by_hand();
    let enough = plugin.run(b"body", &Limits::default()).fuel;
    let run = |plugin: &mut Plugin, limits| plugin.run(b"body", &limits).result;

    let limits = Limits { fuel: enough, ..Limits::default() };
    assert!(run(&mut plugin, limits).is_ok());
    let limits = Limits { fuel: enough - 1, ..Limits::default() };
    assert_eq!(run(&mut plugin, limits), Err(RunError::OutOfFuel { limit: enough - 1 }));
    let limits = Limits { fuel: 0, ..Limits::default() };
    assert_eq!(run(&mut plugin, limits), Err(RunError::OutOfFuel { limit: 0 }));
    let limits = Limits { output_bytes: 48, ..Limits::default() };
    assert_eq!(run(&mut plugin, limits), Err(RunError::TooMuchOutput { bytes: 49, limit: 48 }));
    let limits = Limits { input_bytes: 100, ..Limits::default() };
    assert!(matches!(run(&mut plugin, limits), Err(RunError::TooMuchInput { limit: 100, .. })));
    let limits = Limits { log_bytes: 5, ..Limits::default() };
    let outcome = plugin.run(b"body", &limits);
    assert!(outcome.logs.truncated);
    assert_eq!(outcome.logs.lines, [LogLine { level: Level::Info, text: "mped".into() }]);
}

/// A host that forgets to set the fuel runs nothing, instead of everything.
#[test]
fn a_metered_module_starts_without_fuel() {
    let mut plugin = Plugin::by_hand();
    let outcome = plugin.run(b"body", &Limits { fuel: 0, ..Limits::default() });
    assert_eq!(outcome.fuel, 0);
    assert_eq!(outcome.logs.lines, []);
}

/// Checks are sparse: behind the last of them a run may spend what it no longer has, and return. The host sees it.
#[test]
fn a_run_that_returns_with_less_than_no_fuel_is_out_of_fuel() {
    let work = "(i32.store (i32.const 2048) (i32.const 1))".repeat(20);
    let text = format!(
        r#"(module
            (memory (export "memory") 2)
            (data (i32.const 1024) "\20\00\00\00")
            (func (export "weir_abi_v1") (result i32) (i32.const 1024))
            (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
            (func (export "weir_transform") (param i32) (result i32)
                (if (local.get 0) (then {work}))
                (i32.const 0)))"#
    );
    let mut plugin = Plugin::of(&text, None);
    let outcome = plugin.run(b"", &Limits::default());
    assert_eq!(outcome.result, Ok(Verdict::Unchanged));
    let limits = Limits { fuel: outcome.fuel - 1, ..Limits::default() };
    let short = plugin.run(b"", &limits);
    assert_eq!(short.result, Err(RunError::OutOfFuel { limit: limits.fuel }));
    assert_eq!(short.fuel, limits.fuel, "no more than there was");

    // It did return: the engine alone has nothing to say against it.
    plugin.engines.v8().instantiate(&plugin.metered).unwrap();
    let v8 = plugin.engines.v8();
    v8.set_fuel(i64::try_from(limits.fuel).unwrap());
    v8.set_depth(DEPTH_BUDGET);
    assert_eq!((v8.call(Call::Abi), v8.call(Call::Input(1))), (Ok(1024), Ok(65536)));
    assert_eq!((v8.call(Call::Transform(1)), v8.fuel()), (Ok(0), -1));
}
