//! Whatever module is valid: metered it is valid too, and if it is a plugin, it runs to an end within its limits.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::Event;
use weir_plugin_host::meter::meter;
use weir_plugin_host::run::Limits;
use weir_plugin_host::wasmi::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::new);

fuzz_target!(|wasm: &[u8]| {
    let Ok(metered) = meter(wasm, &ModuleLimits::default()) else { return };
    wasmparser::Validator::new().validate_all(&metered.bytes).expect("metered, it is not valid");
    if admit(wasm, &ModuleLimits::default()).is_err() {
        return;
    }
    let event = Event {
        id: "m",
        event_type: "t",
        timestamp_ms: 0,
        attempt: 1,
        app_id: "a",
        endpoint_id: "e",
        headers: &[],
        config: "",
        body: b"{}",
    };
    let limits = Limits { fuel: 20_000, ..Limits::default() };
    let outcome = ENGINE.load(&metered.bytes).expect("wasmi loads it").run(&event.encode(), &limits);
    assert!(outcome.result.as_ref().err().is_none_or(|error| error.code() != "host"), "{outcome:?}");
    assert!(outcome.fuel <= limits.fuel && outcome.memory_pages <= 256);
});
