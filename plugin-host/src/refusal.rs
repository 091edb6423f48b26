//! Why a module is not admitted: a stable code for programs, a sentence that says what to do for people.

use crate::origin;
use std::fmt;

/// Why a module is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The file is too large, as it came or once metered.
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
        /// Whether this is the size after metering.
        metered: bool,
    },
    /// Not a WebAssembly module, or not a valid one.
    Malformed {
        /// What the validator says.
        why: String,
    },
    /// Something else than a WebAssembly module.
    NotWasm {
        /// What it is, and what to do.
        what: &'static str,
    },
    /// Valid WebAssembly, of a kind that plugins may not use.
    Feature {
        /// What the validator says.
        why: String,
    },
    /// An import.
    Import {
        /// The module it names.
        module: String,
        /// The field it names.
        name: String,
    },
    /// A start function.
    Start,
    /// No memory, or one that is too large.
    Memory {
        /// What is wrong with it.
        why: String,
    },
    /// An export is missing, or is something else.
    Export {
        /// Its name.
        name: &'static str,
        /// What it is instead, if it is there.
        found: Option<&'static str>,
    },
    /// An export has another signature.
    Signature {
        /// The export's name.
        name: &'static str,
        /// Its signature.
        found: String,
        /// The signature it must have.
        expected: &'static str,
    },
    /// Built for another version of the ABI.
    Abi {
        /// The version the module speaks.
        found: u32,
        /// The version this host speaks.
        supported: u32,
    },
    /// The manifest cannot be read.
    Manifest {
        /// What is wrong with it.
        why: String,
    },
    /// The table is too large.
    Table {
        /// How many elements it starts with.
        elements: u64,
        /// The limit.
        limit: u64,
    },
    /// A function has too many locals, or too many values on its stack.
    Locals {
        /// The function's index.
        function: u32,
        /// How many.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Too many of something.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A data or element segment lies outside of the memory or the table.
    Segment {
        /// `data` or `element`.
        what: &'static str,
        /// Which one, from 0.
        index: u32,
    },
    /// An export has a name that belongs to the host.
    Reserved {
        /// The name.
        name: String,
    },
    /// The module has been metered before.
    AlreadyMetered,
    /// Too much code runs between two checks of the fuel.
    CostBound {
        /// How much fuel such a stretch costs.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Calls that do not recurse need too deep a stack.
    StackBound {
        /// How deep, in slots of 8 bytes.
        found: u64,
        /// The limit.
        limit: u64,
    },
}

impl Refusal {
    /// The stable code, for the API and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } | Self::NotWasm { .. } => "malformed",
            Self::Feature { .. } => "feature",
            Self::Import { .. } => "import",
            Self::Start => "start",
            Self::Memory { .. } => "memory",
            Self::Export { .. } => "export",
            Self::Signature { .. } => "signature",
            Self::Abi { .. } => "abi",
            Self::Manifest { .. } => "manifest",
            Self::Table { .. } => "table",
            Self::Locals { .. } => "locals",
            Self::TooMany { .. } => "too_many",
            Self::Segment { .. } => "segment",
            Self::Reserved { .. } => "reserved",
            Self::AlreadyMetered => "already_metered",
            Self::CostBound { .. } => "cost_bound",
            Self::StackBound { .. } => "stack_bound",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit, metered: false } => write!(
                f,
                "the module has {bytes} bytes, {limit} are allowed; in Cargo.toml, [profile.release] opt-level = \"s\", lto = true, \
                 strip = true, panic = \"abort\", then wasm-opt -Os"
            ),
            Self::TooLarge { bytes, limit, metered: true } => write!(
                f,
                "with metering the module has {bytes} bytes, {limit} are allowed; make its code smaller"
            ),
            Self::NotWasm { what } => write!(f, "this is not a WebAssembly module: {what}"),
            Self::Malformed { why } => write!(f, "this is not a valid WebAssembly module: {why}"),
            Self::Feature { why } => write!(
                f,
                "the module uses a WebAssembly feature that plugins may not use: {why}; build for \
                 wasm32-unknown-unknown without SIMD, threads, tail calls, exceptions, GC, reference types as \
                 values, memory64 or components"
            ),
            Self::Import { module, name } => {
                let (_, advice) = origin::toolchain(module, name);
                let (module, name) = (origin::shown(module), origin::shown(name));
                write!(f, "the module imports `{name}` from `{module}`; a plugin imports nothing. {advice}")
            }
            Self::Start => f.write_str(
                "the module has a start function; export what has to run first as `_initialize` instead",
            ),
            Self::Memory { why } => write!(f, "the memory is not one a plugin may have: {why}"),
            Self::Export { name, found: None } => write!(
                f,
                "the module does not export `{name}`; ABI v1 needs memory, weir_abi_v1, weir_input and weir_transform"
            ),
            Self::Export { name, found: Some(found) } => {
                write!(
                    f,
                    "the export `{name}` is a {found}; ABI v1 wants memory as a memory and the rest as functions"
                )
            }
            Self::Signature { name, found, expected } => {
                write!(f, "the export `{name}` has the signature {found}, it must be {expected}")
            }
            Self::Abi { found, supported } => write!(
                f,
                "this plugin speaks ABI v{found}, this host speaks v{supported}; {}",
                if found > supported {
                    "update the host, or build with an older SDK"
                } else {
                    "build it with a newer SDK"
                }
            ),
            Self::Manifest { why } => {
                write!(f, "the manifest (custom section `weir:manifest`) cannot be used: {why}")
            }
            Self::Table { elements, limit } => {
                write!(f, "the table starts with {elements} elements, {limit} are allowed")
            }
            Self::Locals { function, found, limit } => write!(
                f,
                "function {function} holds {found} locals and values, {limit} are allowed; build with optimization, or \
                 split it"
            ),
            Self::TooMany { what, found, limit } => {
                write!(f, "the module has {found} {what}, {limit} are allowed")
            }
            Self::Segment { what, index } => {
                write!(
                    f,
                    "the {what} segment {index} does not fit; was the module linked with too small an initial size?"
                )
            }
            Self::Reserved { name } => {
                write!(
                    f,
                    "the export `{name}` has a name that belongs to the host; names starting with `weir:` are reserved"
                )
            }
            Self::AlreadyMetered => {
                f.write_str("this module has been metered already; give the module as your compiler wrote it")
            }
            Self::CostBound { found, limit } => write!(
                f,
                "{found} fuel of straight code run between two checks, {limit} are allowed; write generated code as a loop"
            ),
            Self::StackBound { found, limit } => write!(
                f,
                "calls nest {found} slots deep without recursion, {limit} are allowed; make large functions smaller"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
