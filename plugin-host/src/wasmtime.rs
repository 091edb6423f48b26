//! wasmtime: the reference, for tests and the command line. Native only.
//!
//! Instances come from a pool. The fuel in the module is what stops a plugin; the engine's own epochs are a second
//! guard, against a mistake in the first: a thread advances them, and a run that lasts longer than
//! [`DEADLINE`] ends as [`Stop::Deadline`].

use std::time::Duration;

use wasmtime::{
    Config, Error, Global, InstancePre, Linker, Memory, PoolingAllocationConfig, Store, Trap, TypedFunc, Val,
};

use crate::meter::{DENIED, DEPTH, FUEL};
use crate::run::{self, Call, Limits, Outcome, Stop, TrapKind};

/// How long a run may last before the second guard stops it: far longer than any fuel lasts.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// How often the epoch advances.
const TICK: Duration = Duration::from_millis(100);
/// Deadline in ticks.
const TICKS: u64 = 200;
/// Stack for wasm, in bytes. What recurses and what does not need at most 49,152 slots of 8 bytes as the pass counts
/// them, and machine code keeps most of those in registers.
const MAX_STACK: usize = 1 << 20;
/// Instances at the same time.
const INSTANCES: u32 = 32;

/// The engine.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    /// Deadline of a run, in ticks.
    ticks: u64,
}

/// A metered module, compiled.
#[derive(Clone)]
pub struct Module {
    engine: wasmtime::Engine,
    ticks: u64,
    instance: InstancePre<()>,
}

impl Engine {
    /// An engine whose memories may have as many pages as [`crate::admission::ModuleLimits`] allows.
    pub fn new(memory_pages: u32) -> Result<Self, String> {
        let memory_bytes = usize::try_from(memory_pages).unwrap_or(usize::MAX).saturating_mul(1 << 16);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(INSTANCES)
            .total_memories(INSTANCES)
            .total_tables(INSTANCES)
            .max_memory_size(memory_bytes)
            .table_elements(10_000)
            .max_core_instance_size(16 << 20);
        let mut config = Config::new();
        config
            .allocation_strategy(pool)
            .max_wasm_stack(MAX_STACK)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true)
            .wasm_simd(false)
            .wasm_relaxed_simd(false)
            .wasm_multi_memory(false)
            .wasm_memory64(false)
            .wasm_extended_const(false);
        let engine = wasmtime::Engine::new(&config).map_err(|e| format!("{e:#}"))?;
        let weak = engine.weak();
        // Ends with the engine.
        std::thread::Builder::new()
            .name("weir-plugin-epochs".to_owned())
            .spawn(move || {
                loop {
                    std::thread::sleep(TICK);
                    let Some(engine) = weak.upgrade() else { return };
                    engine.increment_epoch();
                }
            })
            .map_err(|e| e.to_string())?;
        Ok(Self { engine, ticks: TICKS })
    }

    /// Compiles a metered module ([`crate::meter::Metered::bytes`]).
    pub fn load(&self, metered: &[u8]) -> Result<Module, String> {
        let module = wasmtime::Module::from_binary(&self.engine, metered).map_err(|e| format!("{e:#}"))?;
        let linker = Linker::new(&self.engine);
        let instance = linker.instantiate_pre(&module).map_err(|e| format!("{e:#}"))?;
        Ok(Module { engine: self.engine.clone(), ticks: self.ticks, instance })
    }
}

impl Module {
    /// Runs a fresh instance on an input frame.
    pub fn run(&self, input: &[u8], limits: &Limits) -> Outcome {
        match Instance::new(self) {
            Ok(mut instance) => run::run(&mut instance, input, limits),
            Err(error) => Outcome::host_failure(format!("{error:#}")),
        }
    }
}

/// An instance in its own store.
struct Instance {
    store: Store<()>,
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
    fn new(module: &Module) -> Result<Self, Error> {
        let mut store = Store::new(&module.engine, ());
        store.set_epoch_deadline(module.ticks);
        let instance = module.instance.instantiate(&mut store)?;
        let missing = |name: &str| Error::msg(format!("the export {name} is missing"));
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
        let mut global = |name: &str| instance.get_global(&mut store, name).ok_or_else(|| missing(name));
        let (fuel, depth, denied) = (global(FUEL)?, global(DEPTH)?, global(DENIED)?);
        Ok(Self {
            initialize: instance.get_typed_func(&mut store, Call::Initialize.export()).ok(),
            abi: instance.get_typed_func(&mut store, Call::Abi.export())?,
            input: instance.get_typed_func(&mut store, Call::Input(0).export())?,
            transform: instance.get_typed_func(&mut store, Call::Transform(0).export())?,
            memory,
            fuel,
            depth,
            denied,
            store,
        })
    }

    fn get(&mut self, global: Global) -> Val {
        global.get(&mut self.store)
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
        u64::try_from(self.memory.data_size(&self.store)).unwrap_or(u64::MAX)
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
        self.get(self.fuel).i64().unwrap_or(-1)
    }

    fn set_depth(&mut self, depth: i32) {
        self.set(self.depth, Val::I32(depth));
    }

    fn depth(&mut self) -> i32 {
        self.get(self.depth).i32().unwrap_or(0)
    }

    fn denied(&mut self) -> i32 {
        self.get(self.denied).i32().unwrap_or(0)
    }
}

fn stop(error: &Error) -> Stop {
    let Some(trap) = error.downcast_ref::<Trap>() else { return Stop::Host(format!("{error:#}")) };
    Stop::Trap(match trap {
        Trap::StackOverflow => return Stop::StackOverflow,
        Trap::Interrupt => return Stop::Deadline,
        Trap::UnreachableCodeReached => TrapKind::Unreachable,
        Trap::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        Trap::TableOutOfBounds => TrapKind::TableOutOfBounds,
        Trap::IndirectCallToNull | Trap::BadSignature => TrapKind::IndirectCall,
        Trap::IntegerDivisionByZero => TrapKind::DivisionByZero,
        Trap::IntegerOverflow | Trap::BadConversionToInteger => TrapKind::Unrepresentable,
        _ => TrapKind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{ModuleLimits, admit};
    use crate::run::{RunError, Verdict};

    fn plugin(transform: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                (memory (export "memory") 2)
                (data (i32.const 1024) "\20\00\00\00")
                (func (export "weir_abi_v1") (result i32) (i32.const 1024))
                (func (export "weir_input") (param i32) (result i32) (i32.const 65536))
                (func (export "weir_transform") (param i32) (result i32) {transform} (i32.const 0)))"#
        );
        admit(&wat::parse_str(text).unwrap(), &ModuleLimits::default()).unwrap().meter().unwrap().bytes
    }

    #[test]
    fn the_second_guard_stops_what_has_fuel_for_ever_and_the_pool_has_room_again() {
        let engine = Engine { ticks: 1, ..Engine::new(256).unwrap() };
        let endless = engine.load(&plugin("(loop $l (br $l))")).unwrap();
        let forever = Limits { fuel: u64::MAX, ..Limits::default() };
        assert_eq!(endless.run(b"", &forever).result, Err(RunError::Deadline));

        // More runs than the pool has places: each gives its own back, however it ended.
        let (trap, fine) = (engine.load(&plugin("unreachable")).unwrap(), engine.load(&plugin("")).unwrap());
        for _ in 0..=INSTANCES {
            assert_eq!(trap.run(b"", &Limits::default()).result, Err(RunError::Trap(TrapKind::Unreachable)));
        }
        assert_eq!(fine.run(b"", &Limits::default()).result, Ok(Verdict::Unchanged));
    }
}
