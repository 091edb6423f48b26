//! Admission: the one judge of whether a module may be a plugin, for uploads, builds and the command line.
//!
//! What is admitted keeps these promises on every engine: instantiating it runs no code and cannot trap; it has the
//! exports of ABI v1 with their signatures; it imports nothing; and after [`Admitted::meter`] its time, memory and
//! stack are bounded by numbers of ours.

use wasmparser::{ExternalKind, FuncType, ValType};

pub use crate::limits::ModuleLimits;
use crate::manifest::Manifest;
use crate::meter::{self, Metered};
use crate::module::Module;
use crate::refusal::Refusal;

/// The version of the ABI that this host speaks.
pub const ABI: u32 = 1;

/// A module that may be a plugin.
#[derive(Debug)]
pub struct Admitted<'a> {
    module: Module<'a>,
    /// Its manifest, if it has one.
    pub manifest: Option<Manifest>,
    limits: ModuleLimits,
}

impl Admitted<'_> {
    /// The metered module: the bytes that engines run.
    pub fn meter(self) -> Result<Metered, Refusal> {
        meter::rewrite(self.module, &self.limits)
    }
}

/// Judges a module.
pub fn admit<'a>(bytes: &'a [u8], limits: &ModuleLimits) -> Result<Admitted<'a>, Refusal> {
    let module = Module::read(bytes, limits)?;
    exports(&module)?;
    let manifest = match module.manifest {
        Some(section) => Some(Manifest::read(section).map_err(|why| Refusal::Manifest { why })?),
        None => None,
    };
    if let Some(found) = manifest.as_ref().map(|manifest| manifest.abi).filter(|abi| *abi != ABI) {
        let why = format!("it says ABI {found}, but the module exports weir_abi_v{ABI}");
        return Err(Refusal::Manifest { why });
    }
    Ok(Admitted { module, manifest, limits: *limits })
}

/// The functions of ABI v1: name, parameters, whether it has a result, how that is written, whether it may be absent.
const FUNCTIONS: [(&str, usize, usize, &str, bool); 4] = [
    ("weir_abi_v1", 0, 1, "() -> i32", false),
    ("weir_input", 1, 1, "(i32) -> i32", false),
    ("weir_transform", 1, 1, "(i32) -> i32", false),
    ("_initialize", 0, 0, "() -> ()", true),
];

fn exports(module: &Module<'_>) -> Result<(), Refusal> {
    let find = |name: &str| module.exports.iter().find(|export| export.name == name);
    // A plugin for another version is not a plugin without exports.
    if find("weir_abi_v1").is_none()
        && let Some(found) = module.exports.iter().find_map(|export| abi_version(export.name))
    {
        return Err(Refusal::Abi { found, supported: ABI });
    }
    match find("memory") {
        None => return Err(Refusal::Export { name: "memory", found: None }),
        Some(export) if export.kind != ExternalKind::Memory => {
            return Err(Refusal::Export { name: "memory", found: Some(kind(export.kind)) });
        }
        Some(_) => {}
    }
    for (name, parameters, results, expected, optional) in FUNCTIONS {
        let Some(export) = find(name) else {
            if optional {
                continue;
            }
            return Err(Refusal::Export { name, found: None });
        };
        if export.kind != ExternalKind::Func {
            return Err(Refusal::Export { name, found: Some(kind(export.kind)) });
        }
        let Some(signature) = module.signature(export.index) else {
            return Err(Refusal::Export { name, found: None });
        };
        let all_i32 =
            |types: &[ValType], count| types.len() == count && types.iter().all(|ty| *ty == ValType::I32);
        if !all_i32(signature.params(), parameters) || !all_i32(signature.results(), results) {
            return Err(Refusal::Signature { name, found: written(signature), expected });
        }
    }
    Ok(())
}

fn abi_version(export: &str) -> Option<u32> {
    export.strip_prefix("weir_abi_v")?.parse().ok()
}

fn kind(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        _ => "something else",
    }
}

fn written(signature: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match signature.results() {
        [one] => format!("({}) -> {one}", list(signature.params())),
        many => format!("({}) -> ({})", list(signature.params()), list(many)),
    }
}
