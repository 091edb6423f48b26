//! The ABI as one commented file of text, held to what it says.

#![cfg(feature = "wasmi")]

mod support;

use support::Engines;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::{Event, HeaderChange, Patch};
use weir_plugin_host::run::{Level, Limits, LogLine, Outcome, RunError, Verdict};

struct Plugin {
    engines: Engines,
    metered: Vec<u8>,
}

impl Plugin {
    fn by_hand() -> Self {
        let wasm = wat::parse_str(include_str!("../abi-v1.wat")).unwrap();
        let admitted = admit(&wasm, &ModuleLimits::default()).unwrap();
        assert_eq!(admitted.manifest.as_ref().unwrap().name, "stamp");
        Self { engines: Engines::start(), metered: admitted.meter().unwrap().bytes }
    }

    /// The outcome, which is the same on every engine.
    fn run(&mut self, body: &[u8], limits: &Limits) -> Outcome {
        let input = Event {
            id: "msg_1",
            event_type: "invoice.paid",
            timestamp_ms: 0,
            attempt: 1,
            app_id: "app_1",
            endpoint_id: "ep_1",
            headers: &[],
            config: "",
            body,
        }
        .encode();
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
