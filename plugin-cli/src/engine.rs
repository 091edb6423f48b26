//! Which engine runs a plugin here: the interpreter that a gateway has, or the compiler that is the reference of the tests.
//!
//! Verdict, log, fuel and memory are the same by either; a compiler takes a second to begin with and is then twenty times
//! as fast. It is a feature of this crate, since it takes minutes to build.

use weir_plugin_host::run::{Limits, Outcome};
use weir_plugin_host::wasmi;
#[cfg(feature = "wasmtime")]
use weir_plugin_host::{admission::ModuleLimits, wasmtime};

/// A metered module, ready to run.
pub(crate) enum Module {
    /// Interpreted.
    Wasmi(wasmi::Module),
    /// Compiled.
    #[cfg(feature = "wasmtime")]
    Wasmtime(wasmtime::Module),
}

impl Module {
    /// Loads a module into the engine of this name.
    pub(crate) fn load(engine: &str, metered: &[u8]) -> Result<Self, String> {
        match engine {
            "wasmi" => Ok(Self::Wasmi(wasmi::Engine::new().load(metered)?)),
            #[cfg(feature = "wasmtime")]
            "wasmtime" => {
                let engine = wasmtime::Engine::new(ModuleLimits::default().memory_pages)?;
                Ok(Self::Wasmtime(engine.load(metered)?))
            }
            #[cfg(not(feature = "wasmtime"))]
            "wasmtime" => Err("This weir-plugin was built without wasmtime: install it with \
                               `cargo install --path plugin-cli --features wasmtime`."
                .into()),
            other => Err(format!("There is no engine `{other}`. Use wasmi or wasmtime.")),
        }
    }

    /// Runs a fresh instance on an input frame.
    pub(crate) fn run(&self, input: &[u8], limits: &Limits) -> Outcome {
        match self {
            Self::Wasmi(module) => module.run(input, limits),
            #[cfg(feature = "wasmtime")]
            Self::Wasmtime(module) => module.run(input, limits),
        }
    }
}
