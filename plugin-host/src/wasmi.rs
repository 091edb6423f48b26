//! wasmi: an interpreter that runs everywhere, inside of a Worker too.
//!
//! Modules are translated when loaded; keep them by hash, since loading costs more than a run. Every run has a store
//! and an instance of its own.

use std::collections::BTreeMap;

use wasmi::errors::ErrorKind;
use wasmi::{CompilationMode, Config, Error, Global, Linker, Memory, Store, TrapCode, TypedFunc, Val};

use crate::meter::{DENIED, DEPTH, FUEL, SPENT};
use crate::run::{self, Call, Limits, Outcome, Stop, TrapKind};

/// Deeper than any metered module can get: what recurses needs at least 9 slots for each activation, and what does
/// not is bounded when it is admitted.
const MAX_RECURSION: usize = 65_536;
/// Likewise, in bytes.
const MAX_STACK: usize = 16 << 20;

/// The engine.
#[derive(Debug, Clone)]
pub struct Engine {
    engine: wasmi::Engine,
}

/// A metered module, ready to run.
#[derive(Debug, Clone)]
pub struct Module {
    engine: wasmi::Engine,
    module: wasmi::Module,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine.
    pub fn new() -> Self {
        Self { engine: wasmi::Engine::new(&config(CompilationMode::LazyTranslation)) }
    }

    /// Whether the engine takes a metered module, every function of it: what is only found out when a function is
    /// first called would be found out by an event. The error says why not.
    pub fn check(&self, metered: &[u8]) -> Result<(), String> {
        let eager = wasmi::Engine::new(&config(CompilationMode::Eager));
        wasmi::Module::new(&eager, metered).map(drop).map_err(|e| e.to_string())
    }

    /// Loads a metered module ([`crate::meter::Metered::bytes`]).
    pub fn load(&self, metered: &[u8]) -> Result<Module, String> {
        let module = wasmi::Module::new(&self.engine, metered).map_err(|e| e.to_string())?;
        Ok(Module { engine: self.engine.clone(), module })
    }
}

fn config(mode: CompilationMode) -> Config {
    let mut config = Config::default();
    config
        .compilation_mode(mode)
        .consume_fuel(false)
        .ignore_custom_sections(true)
        .allow_start_fn(false)
        .set_max_recursion_depth(MAX_RECURSION)
        .set_max_stack_height(MAX_STACK)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false);
    config
}

impl Module {
    /// Runs a fresh instance on an input frame.
    pub fn run(&self, input: &[u8], limits: &Limits) -> Outcome {
        match Instance::new(self) {
            Ok(mut instance) => run::run(&mut instance, input, limits),
            Err(why) => Outcome::host_failure(why),
        }
    }

    /// The same of a module that [`crate::meter::profile`] made, and what each function has spent, by index.
    pub fn run_profiled(&self, input: &[u8], limits: &Limits) -> (Outcome, BTreeMap<u32, u64>) {
        match Instance::new(self) {
            Ok(mut instance) => {
                let outcome = run::run(&mut instance, input, limits);
                (outcome, instance.spent())
            }
            Err(why) => (Outcome::host_failure(why), BTreeMap::new()),
        }
    }
}

/// An instance in its own store.
struct Instance {
    store: Store<()>,
    handle: wasmi::Instance,
    initialize: Option<TypedFunc<(), ()>>,
    abi: TypedFunc<(), i32>,
    input: TypedFunc<i32, i32>,
    transform: TypedFunc<i32, i32>,
    memory: Memory,
    fuel: Global,
    depth: Global,
    denied: Global,
}

impl Instance {
    fn new(module: &Module) -> Result<Self, String> {
        let mut store = Store::new(&module.engine, ());
        let linker = Linker::new(&module.engine);
        let instance = linker.instantiate_and_start(&mut store, &module.module).map_err(|e| e.to_string())?;
        let global = |name: &str| {
            instance.get_global(&store, name).ok_or_else(|| format!("the global {name} is missing"))
        };
        Ok(Self {
            initialize: instance.get_typed_func(&store, Call::Initialize.export()).ok(),
            abi: instance.get_typed_func(&store, Call::Abi.export()).map_err(|e| e.to_string())?,
            input: instance.get_typed_func(&store, Call::Input(0).export()).map_err(|e| e.to_string())?,
            transform: instance
                .get_typed_func(&store, Call::Transform(0).export())
                .map_err(|e| e.to_string())?,
            memory: instance.get_memory(&store, "memory").ok_or("the memory is missing")?,
            fuel: global(FUEL)?,
            depth: global(DEPTH)?,
            denied: global(DENIED)?,
            handle: instance,
            store,
        })
    }

    fn spent(&self) -> BTreeMap<u32, u64> {
        let exports = self.handle.exports(&self.store);
        let spent = exports.filter_map(|export| {
            let function = export.name().strip_prefix(SPENT)?.parse().ok()?;
            let count = export.into_global()?.get(&self.store).i64()?;
            Some((function, count.unsigned_abs()))
        });
        spent.filter(|(_, spent)| *spent > 0).collect()
    }

    fn global_i32(&self, global: Global) -> i32 {
        global.get(&self.store).i32().unwrap_or(0)
    }

    fn set(&mut self, global: Global, value: Val) {
        // The type is that of the global, which is mutable.
        let _ = global.set(&mut self.store, value);
    }
}

impl run::Instance for Instance {
    fn call(&mut self, call: Call) -> Result<u32, Stop> {
        let store = &mut self.store;
        let result = match call {
            Call::Initialize => match &self.initialize {
                Some(initialize) => initialize.call(store, ()).map(|()| 0),
                None => Ok(0),
            },
            Call::Abi => self.abi.call(store, ()),
            Call::Input(length) => self.input.call(store, length.cast_signed()),
            Call::Transform(length) => self.transform.call(store, length.cast_signed()),
        };
        result.map(i32::cast_unsigned).map_err(|error| stop(&error))
    }

    fn memory_bytes(&mut self) -> u64 {
        u64::try_from(self.memory.data(&self.store).len()).unwrap_or(u64::MAX)
    }

    fn read(&mut self, address: u32, length: u32) -> Option<Vec<u8>> {
        let start = usize::try_from(address).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        self.memory.data(&self.store).get(start..end).map(<[u8]>::to_vec)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> bool {
        usize::try_from(address).is_ok_and(|at| self.memory.write(&mut self.store, at, bytes).is_ok())
    }

    fn set_fuel(&mut self, fuel: i64) {
        self.set(self.fuel, Val::I64(fuel));
    }

    fn fuel(&mut self) -> i64 {
        self.fuel.get(&self.store).i64().unwrap_or(-1)
    }

    fn set_depth(&mut self, depth: i32) {
        self.set(self.depth, Val::I32(depth));
    }

    fn depth(&mut self) -> i32 {
        self.global_i32(self.depth)
    }

    fn denied(&mut self) -> i32 {
        self.global_i32(self.denied)
    }
}

fn stop(error: &Error) -> Stop {
    let ErrorKind::TrapCode(code) = error.kind() else { return Stop::Host(error.to_string()) };
    Stop::Trap(match code {
        TrapCode::StackOverflow => return Stop::StackOverflow,
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => TrapKind::TableOutOfBounds,
        TrapCode::IndirectCallToNull | TrapCode::BadSignature => TrapKind::IndirectCall,
        TrapCode::IntegerDivisionByZero => TrapKind::DivisionByZero,
        TrapCode::IntegerOverflow | TrapCode::BadConversionToInteger => TrapKind::Unrepresentable,
        _ => TrapKind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::ModuleLimits;
    use crate::meter::meter;

    #[test]
    fn what_the_engine_does_not_take_is_found_before_an_event_does() {
        let engine = Engine::new();
        let module = |body: &str| wat::parse_str(format!(r#"(module (func (export "f") {body}))"#)).unwrap();
        let metered = meter(&module("(loop $l br $l)"), &ModuleLimits::default()).unwrap();
        assert_eq!(engine.check(&metered.bytes), Ok(()));
        // Admission refuses these long before; the engine has the last word all the same.
        let refused = [b"\0asm".to_vec(), module("(drop (v128.const i64x2 0 0))")];
        for wasm in refused {
            assert!(!engine.check(&wasm).unwrap_err().is_empty());
        }
    }
}
