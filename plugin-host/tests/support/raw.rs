//! Engines that call any export of any module, for comparing what comes out.

use weir_plugin_host::meter::{DENIED, DEPTH, DEPTH_BUDGET, FUEL};
use weir_plugin_host::run::{Stop, TrapKind};

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// A call of an export. Arguments are bits.
#[derive(Debug, Clone)]
pub struct RawCall {
    pub name: String,
    pub arguments: Vec<(Type, u64)>,
    pub results: Vec<Type>,
}

/// The bits of an argument of about this size: `kind` 0 small, 1 as an address, else any.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // random bits are meant to be cut
pub fn argument(ty: Type, kind: u64, bits: u64) -> u64 {
    let n = match kind {
        0 => bits % 8,
        1 => bits % 200_000,
        _ => bits,
    };
    match ty {
        Type::I32 => u64::from(n as u32),
        Type::I64 => n,
        // Numbers, no NaN.
        Type::F32 => u64::from((n as f32).to_bits()),
        Type::F64 => (n as f64).to_bits(),
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Results as texts of their bits, any NaN as `nan`.
    Values(Vec<String>),
    Stopped(Stop),
}

/// A call's end and what it left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutcome {
    pub end: End,
    /// Fuel, depth and denied; of a module that is not metered, zeros.
    pub meters: [i64; 3],
    /// Exported globals but the meters, by name.
    pub globals: Vec<(String, String)>,
    /// Size and FNV-1a of the exported memory.
    pub memory: (u64, u32),
}

impl RawOutcome {
    pub fn out_of_fuel(&self) -> bool {
        self.meters[0] < 0
    }

    pub fn out_of_depth(&self) -> bool {
        self.meters[1] < 0
    }

    /// Whether the module of the other outcome did the same, whatever it cost.
    pub fn did_the_same(&self, other: &Self) -> bool {
        self.end == other.end && self.globals == other.globals && self.memory == other.memory
    }
}

/// An engine. Each call has a fresh instance.
pub trait Raw {
    fn call(&mut self, wasm: &[u8], call: &RawCall, fuel: Option<i64>) -> RawOutcome;
}

fn bits(ty: Type, bits: u64) -> String {
    let nan = match ty {
        Type::F32 => f32::from_bits(u32::try_from(bits).unwrap()).is_nan(),
        Type::F64 => f64::from_bits(bits).is_nan(),
        _ => false,
    };
    if nan { "nan".to_owned() } else { bits.to_string() }
}

fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

pub fn is_meter(name: &str) -> bool {
    [FUEL, DEPTH, DENIED].contains(&name)
}

/// wasmi, with one module in mind.
pub struct RawWasmi {
    engine: wasmi::Engine,
    module: Option<(Vec<u8>, wasmi::Module)>,
}

impl RawWasmi {
    pub fn new() -> Self {
        let mut config = wasmi::Config::default();
        config.set_max_recursion_depth(65_536).set_max_stack_height(16 << 20);
        Self { engine: wasmi::Engine::new(&config), module: None }
    }

    /// The exported functions, by name.
    pub fn functions(&mut self, wasm: &[u8]) -> Vec<(String, Vec<Type>, Vec<Type>)> {
        let ty = |ty: &wasmi::ValType| match ty {
            wasmi::ValType::I32 => Type::I32,
            wasmi::ValType::I64 => Type::I64,
            wasmi::ValType::F32 => Type::F32,
            wasmi::ValType::F64 => Type::F64,
            other => panic!("{other:?}"),
        };
        let types = |list: &[wasmi::ValType]| list.iter().map(ty).collect();
        let mut functions: Vec<_> = self
            .module(wasm)
            .exports()
            .filter_map(|export| {
                let function = export.ty().func()?;
                Some((export.name().to_owned(), types(function.params()), types(function.results())))
            })
            .collect();
        functions.sort_by(|a, b| a.0.cmp(&b.0));
        functions
    }

    fn module(&mut self, wasm: &[u8]) -> &wasmi::Module {
        if self.module.as_ref().is_none_or(|(known, _)| known != wasm) {
            self.module = Some((wasm.to_vec(), wasmi::Module::new(&self.engine, wasm).unwrap()));
        }
        &self.module.as_ref().unwrap().1
    }
}

impl Raw for RawWasmi {
    fn call(&mut self, wasm: &[u8], call: &RawCall, fuel: Option<i64>) -> RawOutcome {
        use wasmi::{F32, F64, Val};
        let engine = self.engine.clone();
        let mut store = wasmi::Store::new(&engine, ());
        let instance =
            wasmi::Linker::new(&engine).instantiate_and_start(&mut store, self.module(wasm)).unwrap();
        if let Some(fuel) = fuel {
            instance.get_global(&store, FUEL).unwrap().set(&mut store, Val::I64(fuel)).unwrap();
            instance.get_global(&store, DEPTH).unwrap().set(&mut store, Val::I32(DEPTH_BUDGET)).unwrap();
        }
        let arguments: Vec<Val> = call
            .arguments
            .iter()
            .map(|(ty, bits)| match ty {
                Type::I32 => Val::I32(u32::try_from(*bits).unwrap().cast_signed()),
                Type::I64 => Val::I64(bits.cast_signed()),
                Type::F32 => Val::F32(F32::from_bits(u32::try_from(*bits).unwrap())),
                Type::F64 => Val::F64(F64::from_bits(*bits)),
            })
            .collect();
        let value = |value: &Val| match value {
            Val::I32(n) => bits(Type::I32, n.cast_unsigned().into()),
            Val::I64(n) => bits(Type::I64, n.cast_unsigned()),
            Val::F32(n) => bits(Type::F32, n.to_bits().into()),
            Val::F64(n) => bits(Type::F64, n.to_bits()),
            other => panic!("{other:?}"),
        };
        let mut results = vec![Val::I32(0); call.results.len()];
        let function = instance.get_func(&store, &call.name).unwrap();
        let end = match function.call(&mut store, &arguments, &mut results) {
            Ok(()) => End::Values(results.iter().map(value).collect()),
            Err(error) => End::Stopped(wasmi_stop(&error)),
        };
        let mut outcome = RawOutcome { end, meters: [0; 3], globals: Vec::new(), memory: (0, 0) };
        for export in instance.exports(&store) {
            let name = export.name().to_owned();
            if let Some(memory) = export.clone().into_memory() {
                let data = memory.data(&store);
                outcome.memory = (data.len() as u64, fnv(data));
            } else if let Some(global) = export.into_global() {
                match (name.as_str(), global.get(&store)) {
                    (FUEL, Val::I64(n)) => outcome.meters[0] = n,
                    (DEPTH, Val::I32(n)) => outcome.meters[1] = n.into(),
                    (DENIED, Val::I32(n)) => outcome.meters[2] = n.into(),
                    (_, n) => outcome.globals.push((name, value(&n))),
                }
            }
        }
        outcome.globals.sort();
        outcome
    }
}

fn wasmi_stop(error: &wasmi::Error) -> Stop {
    use wasmi::TrapCode as T;
    let Some(code) = error.as_trap_code() else { return Stop::Host(error.to_string()) };
    Stop::Trap(match code {
        T::StackOverflow => return Stop::StackOverflow,
        T::UnreachableCodeReached => TrapKind::Unreachable,
        T::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        T::TableOutOfBounds => TrapKind::TableOutOfBounds,
        T::IndirectCallToNull | T::BadSignature => TrapKind::IndirectCall,
        T::IntegerDivisionByZero => TrapKind::DivisionByZero,
        T::IntegerOverflow | T::BadConversionToInteger => TrapKind::Unrepresentable,
        _ => TrapKind::Other,
    })
}

/// wasmtime, with one module in mind; on demand, so that any module fits.
#[cfg(feature = "wasmtime")]
pub struct RawWasmtime {
    engine: wasmtime::Engine,
    module: Option<(Vec<u8>, wasmtime::Module)>,
}

#[cfg(feature = "wasmtime")]
impl RawWasmtime {
    pub fn new() -> Self {
        let mut config = wasmtime::Config::new();
        config.max_wasm_stack(1 << 20).cranelift_nan_canonicalization(true);
        Self { engine: wasmtime::Engine::new(&config).unwrap(), module: None }
    }

    fn module(&mut self, wasm: &[u8]) -> wasmtime::Module {
        if self.module.as_ref().is_none_or(|(known, _)| known != wasm) {
            self.module = Some((wasm.to_vec(), wasmtime::Module::new(&self.engine, wasm).unwrap()));
        }
        self.module.as_ref().unwrap().1.clone()
    }
}

#[cfg(feature = "wasmtime")]
impl Raw for RawWasmtime {
    fn call(&mut self, wasm: &[u8], call: &RawCall, fuel: Option<i64>) -> RawOutcome {
        use wasmtime::{Extern, Val};
        let module = self.module(wasm);
        let mut store = wasmtime::Store::new(&self.engine, ());
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        if let Some(fuel) = fuel {
            instance.get_global(&mut store, FUEL).unwrap().set(&mut store, Val::I64(fuel)).unwrap();
            instance.get_global(&mut store, DEPTH).unwrap().set(&mut store, Val::I32(DEPTH_BUDGET)).unwrap();
        }
        let arguments: Vec<Val> = call
            .arguments
            .iter()
            .map(|(ty, bits)| match ty {
                Type::I32 => Val::I32(u32::try_from(*bits).unwrap().cast_signed()),
                Type::I64 => Val::I64(bits.cast_signed()),
                Type::F32 => Val::F32(u32::try_from(*bits).unwrap()),
                Type::F64 => Val::F64(*bits),
            })
            .collect();
        let value = |value: &Val| match value {
            Val::I32(n) => bits(Type::I32, n.cast_unsigned().into()),
            Val::I64(n) => bits(Type::I64, n.cast_unsigned()),
            Val::F32(n) => bits(Type::F32, (*n).into()),
            Val::F64(n) => bits(Type::F64, *n),
            other => panic!("{other:?}"),
        };
        let mut results = vec![Val::I32(0); call.results.len()];
        let function = instance.get_func(&mut store, &call.name).unwrap();
        let end = match function.call(&mut store, &arguments, &mut results) {
            Ok(()) => End::Values(results.iter().map(value).collect()),
            Err(error) => End::Stopped(wasmtime_stop(&error)),
        };
        let mut outcome = RawOutcome { end, meters: [0; 3], globals: Vec::new(), memory: (0, 0) };
        let exports: Vec<(String, Extern)> = instance
            .exports(&mut store)
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, export) in exports {
            match export {
                Extern::Memory(memory) => {
                    let data = memory.data(&store);
                    outcome.memory = (data.len() as u64, fnv(data));
                }
                Extern::Global(global) => match (name.as_str(), global.get(&mut store)) {
                    (FUEL, Val::I64(n)) => outcome.meters[0] = n,
                    (DEPTH, Val::I32(n)) => outcome.meters[1] = n.into(),
                    (DENIED, Val::I32(n)) => outcome.meters[2] = n.into(),
                    (_, n) => outcome.globals.push((name, value(&n))),
                },
                _ => {}
            }
        }
        outcome.globals.sort();
        outcome
    }
}

#[cfg(feature = "wasmtime")]
fn wasmtime_stop(error: &wasmtime::Error) -> Stop {
    use wasmtime::Trap as T;
    let Some(trap) = error.downcast_ref::<T>() else { return Stop::Host(format!("{error:#}")) };
    Stop::Trap(match trap {
        T::StackOverflow => return Stop::StackOverflow,
        T::UnreachableCodeReached => TrapKind::Unreachable,
        T::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        T::TableOutOfBounds => TrapKind::TableOutOfBounds,
        T::IndirectCallToNull | T::BadSignature => TrapKind::IndirectCall,
        T::IntegerDivisionByZero => TrapKind::DivisionByZero,
        T::IntegerOverflow | T::BadConversionToInteger => TrapKind::Unrepresentable,
        _ => TrapKind::Other,
    })
}
