//! Runs plugins as wasm on all engines, and fails if the engines disagree.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::frame::Event;
use weir_plugin_host::manifest::Manifest;
use weir_plugin_host::run::{Limits, Outcome};
use weir_plugin_host::{wasmi, wasmtime};

/// The plugin that does what a test asks for.
pub const FIXTURE: &str = "weir-plugin-fixture";

/// The directory with the plugins, built once for all tests of a process.
///
/// # Panics
///
/// Where they cannot be built.
pub fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            // Apart: what one of them asks of the SDK must not change the bytes of the others.
            let built = xtask::plugins::ensure_built();
            let fixture = xtask::plugins::build(&[FIXTURE.to_owned()]);
            built.and(fixture).unwrap_or_else(|error| panic!("{error}"))
        })
        .clone()
}

/// The bytes of a plugin.
///
/// # Panics
///
/// Where there is none.
pub fn bytes_of(name: &str) -> Vec<u8> {
    let path = built().join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A plugin, loaded by all engines.
pub struct Plugin {
    /// What it says of itself.
    pub manifest: Option<Manifest>,
    wasmi: wasmi::Module,
    wasmtime: wasmtime::Module,
}

/// [`FIXTURE`], loaded once for all tests of a process.
pub fn fixture() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| Plugin::load(&bytes_of(FIXTURE)))
}

/// The same event for every test; a test changes what it is about.
pub fn event() -> Event<'static> {
    Event {
        id: "msg_2hYFcGjrCJRmdKQUsTfcvbbzPgT",
        event_type: "a.b",
        timestamp_ms: 1_767_225_600_000,
        attempt: 1,
        app_id: "app_2hYFcGjrCJRmdKQUsTfcvbbzPgT",
        endpoint_id: "ep_2hYFcGjrCJRmdKQUsTfcvbbzPgT",
        headers: &[],
        config: "",
        body: b"{}",
    }
}

impl Plugin {
    /// Admits, meters and loads a plugin.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub fn load(bytes: &[u8]) -> Self {
        static ENGINES: OnceLock<(wasmi::Engine, wasmtime::Engine)> = OnceLock::new();
        let limits = ModuleLimits::default();
        let (wasmi, wasmtime) = ENGINES.get_or_init(|| {
            let wasmtime =
                wasmtime::Engine::new(limits.memory_pages).unwrap_or_else(|error| panic!("{error}"));
            (wasmi::Engine::new(), wasmtime)
        });
        let admitted =
            admit(bytes, &limits).unwrap_or_else(|refusal| panic!("{}: {refusal}", refusal.code()));
        let manifest = admitted.manifest.clone();
        let metered = admitted.meter().unwrap_or_else(|refusal| panic!("{}: {refusal}", refusal.code()));
        Self {
            manifest,
            wasmi: wasmi.load(&metered.bytes).unwrap_or_else(|error| panic!("{error}")),
            wasmtime: wasmtime.load(&metered.bytes).unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// Runs it on all engines.
    ///
    /// # Panics
    ///
    /// Where they do not agree on verdict, output, log, fuel and memory.
    pub fn run(&self, event: &Event<'_>) -> Outcome {
        let input = event.encode();
        let limits = Limits::default();
        let outcome = self.wasmi.run(&input, &limits);
        assert_eq!(outcome, self.wasmtime.run(&input, &limits), "wasmi and wasmtime");
        outcome
    }
}
