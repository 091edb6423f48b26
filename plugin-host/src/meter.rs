//! Metering by rewriting: the module counts its own fuel, so that every engine stops it at the same instruction.
//!
//! Three globals and up to two functions are **appended**, so no index of the module changes and its code is copied
//! byte for byte but for what is put between:
//!
//! - where a stretch of code starts, its charge ([`crate::flow`] decides which stretches pay for which);
//! - at function entries and where loops come round, a check that traps when the fuel is below zero;
//! - before bulk operations, a call that charges for their size; instead of `memory.grow`, one that charges for the
//!   pages and notes a refusal;
//! - in functions that recurse, their depth on entry, given back on the one way out: the body is wrapped in a block,
//!   so a branch to the function's label lands on the wrapper with its number unchanged.
//!
//! The host sets [`FUEL`] and [`DEPTH`] before the first call. Both start at 0: a host that forgets traps at once.
//! Fuel below zero after whatever outcome means out of fuel, since checks are sparse.
//!
//! The memory gets a declared maximum, so that `memory.grow` fails at the same size everywhere.

use wasmparser::{FuncType, ValType};

use crate::admission::ModuleLimits;
use crate::cost;
use crate::flow::{Action, Ahead, Charges, ENTRY};
use crate::module::{Body, Memory, Module};
use crate::refusal::Refusal;

/// The version of the pass and its cost table. It belongs to what is stored with a plugin: another version
/// gives other fuel numbers.
pub const PASS_VERSION: u32 = 1;
/// The exported global, a mutable i64: fuel left.
pub const FUEL: &str = "weir:fuel";
/// The exported global, a mutable i32: slots of stack left for functions that recurse.
pub const DEPTH: &str = "weir:depth";
/// The exported global, a mutable i32: 1 once the memory could not grow.
pub const DENIED: &str = "weir:denied";
/// What [`DEPTH`] is set to before a run: 128 KiB in slots of 8 bytes.
pub const DEPTH_BUDGET: i32 = 16_384;
/// The custom section of a metered module: [`PASS_VERSION`] and the memory's maximum in pages, little-endian u32s.
pub const SECTION: &str = "weir:metered";
/// The beginning of names that belong to the host.
pub(crate) const PREFIX: &str = "weir:";

/// A metered module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// The bytes that engines run.
    pub bytes: Vec<u8>,
    /// The pass that wrote them.
    pub pass: u32,
    /// Functions of the plugin.
    pub functions: usize,
    /// How many of them can recurse.
    pub recursive: usize,
    /// The memory's maximum, in pages of 64 KiB.
    pub memory_pages: u32,
    /// The most fuel that a run may go below zero.
    pub overrun: u64,
    /// The deepest stack without recursion, in slots of 8 bytes.
    pub stack_slots: u64,
}

/// The pass version of a metered module, or nothing if the bytes are not one.
///
/// For bytes of one's own, e.g. from a store: it says what a module claims, not that the claim is true.
pub fn pass_of(bytes: &[u8]) -> Option<u32> {
    let mut pass = None;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        if let wasmparser::Payload::CustomSection(section) = payload.ok()?
            && section.name() == SECTION
        {
            pass = Some(u32::from_le_bytes(section.data().get(..4)?.try_into().ok()?));
        }
    }
    pass
}

/// The ids of sections, in the order in which a module has them (12 before 10).
const TYPE: u8 = 1;
const FUNCTION: u8 = 3;
const MEMORY: u8 = 5;
const GLOBAL: u8 = 6;
const EXPORT: u8 = 7;
const CODE: u8 = 10;
const ORDER: [u8; 12] = [TYPE, 2, FUNCTION, 4, MEMORY, GLOBAL, EXPORT, 8, 9, 12, CODE, 11];

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;

/// Meters a module that need not be a plugin: every rule of admission holds but for the exports of the ABI.
///
/// For tools and tests; a plugin comes through [`crate::admission::admit`].
pub fn meter(bytes: &[u8], limits: &ModuleLimits) -> Result<Metered, Refusal> {
    rewrite(Module::read(bytes, limits)?, limits)
}

pub(crate) fn rewrite(module: Module<'_>, limits: &ModuleLimits) -> Result<Metered, Refusal> {
    rewrite_with(module, limits, Ahead::Shortest)
}

fn rewrite_with(mut module: Module<'_>, limits: &ModuleLimits, ahead: Ahead) -> Result<Metered, Refusal> {
    let graph = module.graph();
    let components = graph.components();
    let functions = module.functions.len();
    let mut recursive = vec![false; functions];
    for node in
        components.iter().filter(|component| component.recursive).flat_map(|component| &component.members)
    {
        if let Some(slot) = recursive.get_mut(to_usize(*node)) {
            *slot = true;
        }
    }

    let bodies = std::mem::take(&mut module.bodies);
    let slots: Vec<u64> = bodies.iter().map(|body| body.slots).collect();
    let stack_slots = graph.heaviest(&components, |component| match component.members.as_slice() {
        [one] if !component.recursive => slots.get(to_usize(*one)).copied().unwrap_or(0),
        _ => 0,
    });
    if stack_slots > limits.stack_slots {
        return Err(Refusal::StackBound { found: stack_slots, limit: limits.stack_slots });
    }

    let bodies: Vec<Planned> = bodies.into_iter().map(|body| Planned::new(body, ahead)).collect();
    let overrun = graph.heaviest(&components, |component| {
        let members = component.members.iter().filter_map(|node| bodies.get(to_usize(*node)));
        members.map(|body| body.charges.overrun).max().unwrap_or(0)
    });
    if overrun > limits.overrun {
        return Err(Refusal::CostBound { found: overrun, limit: limits.overrun });
    }

    let mut plan = Plan::new(&module, &bodies);
    let code = plan.code(&module, &bodies, &recursive);
    let bytes = plan.module(&module, &code);
    if bytes.len() > limits.metered_bytes {
        return Err(Refusal::TooLarge { bytes: bytes.len(), limit: limits.metered_bytes, metered: true });
    }
    Ok(Metered {
        bytes,
        pass: PASS_VERSION,
        functions,
        recursive: recursive.iter().filter(|recursive| **recursive).count(),
        memory_pages: plan.memory_pages(),
        overrun,
        stack_slots,
    })
}

/// A function with its charges known.
struct Planned {
    range: std::ops::Range<usize>,
    sites: Vec<crate::flow::Site>,
    charges: Charges,
    slots: u64,
}

impl Planned {
    fn new(mut body: Body, ahead: Ahead) -> Self {
        let sites = std::mem::take(&mut body.flow.sites);
        Self { range: body.range, sites, charges: body.flow.charges(ahead), slots: body.slots }
    }
}

/// What is appended.
struct Plan {
    memory: Option<Memory>,
    /// The index of the fuel's global; depth and denied follow.
    fuel: u32,
    /// Types after the module's own, encoded.
    types: Vec<Vec<u8>>,
    first_type: u32,
    /// Functions after the module's own: their type, and their code without its size.
    functions: Vec<(u32, Vec<u8>)>,
    /// The function that charges for bulk operations, if any is used.
    bulk: u32,
    /// The function that grows the memory, if any is used.
    grow: u32,
}

impl Plan {
    fn new(module: &Module<'_>, bodies: &[Planned]) -> Self {
        let mut plan = Self {
            memory: module.memory,
            fuel: module.globals,
            types: Vec::new(),
            first_type: to_u32(module.types.len()),
            functions: Vec::new(),
            bulk: 0,
            grow: 0,
        };
        let first = to_u32(module.functions.len());
        let uses =
            |wanted: fn(Action) -> bool| bodies.iter().flat_map(|b| &b.sites).any(|site| wanted(site.action));
        if uses(|action| matches!(action, Action::Bulk(_))) {
            let ty = plan.add_type(&[I32, I32], &[I32]);
            plan.bulk = first.saturating_add(to_u32(plan.functions.len()));
            let code = plan.bulk_code();
            plan.functions.push((ty, code));
        }
        if uses(|action| matches!(action, Action::Grow(_))) {
            let ty = plan.add_type(&[I32], &[I32]);
            plan.grow = first.saturating_add(to_u32(plan.functions.len()));
            let code = plan.grow_code();
            plan.functions.push((ty, code));
        }
        plan
    }

    fn memory_pages(&self) -> u32 {
        self.memory.map_or(0, |memory| u32::try_from(memory.maximum).unwrap_or(u32::MAX))
    }

    const fn depth(&self) -> u32 {
        self.fuel.saturating_add(1)
    }

    const fn denied(&self) -> u32 {
        self.fuel.saturating_add(2)
    }

    fn add_type(&mut self, parameters: &[u8], results: &[u8]) -> u32 {
        let mut ty = vec![0x60];
        for list in [parameters, results] {
            unsigned(&mut ty, to_u64(list.len()));
            ty.extend_from_slice(list);
        }
        let at = self.types.iter().position(|known| *known == ty).unwrap_or_else(|| {
            self.types.push(ty);
            self.types.len().saturating_sub(1)
        });
        self.first_type.saturating_add(to_u32(at))
    }

    /// `(size, shift) -> size`: charges the size, unsigned, shifted right.
    fn bulk_code(&self) -> Vec<u8> {
        let mut code = vec![0];
        op_index(&mut code, GLOBAL_GET, self.fuel);
        op_index(&mut code, LOCAL_GET, 0);
        code.push(I64_EXTEND_I32_U);
        op_index(&mut code, LOCAL_GET, 1);
        code.push(I64_EXTEND_I32_U);
        code.extend([I64_SHR_U, I64_SUB]);
        op_index(&mut code, GLOBAL_SET, self.fuel);
        self.check(&mut code);
        op_index(&mut code, LOCAL_GET, 0);
        code.push(END);
        code
    }

    /// `(pages) -> previous size or -1`: refuses what is beyond the maximum without a charge, charges for the pages,
    /// grows, and notes a refusal.
    fn grow_code(&self) -> Vec<u8> {
        let mut code = vec![0];
        let deny = |code: &mut Vec<u8>| {
            op_signed(code, I32_CONST, 1);
            op_index(code, GLOBAL_SET, self.denied());
        };
        op_index(&mut code, LOCAL_GET, 0);
        op_signed(&mut code, I32_CONST, i64::from(self.memory_pages()));
        code.extend([I32_GT_U, IF, NO_RESULT]);
        deny(&mut code);
        op_signed(&mut code, I32_CONST, -1);
        code.extend([RETURN, END]);
        op_index(&mut code, GLOBAL_GET, self.fuel);
        op_index(&mut code, LOCAL_GET, 0);
        code.push(I64_EXTEND_I32_U);
        op_signed(&mut code, I64_CONST, cost::GROW_PAGE_SHIFT);
        code.extend([I64_SHL, I64_SUB]);
        op_index(&mut code, GLOBAL_SET, self.fuel);
        self.check(&mut code);
        op_index(&mut code, LOCAL_GET, 0);
        code.extend([MEMORY_GROW, 0]);
        op_index(&mut code, LOCAL_TEE, 0);
        op_signed(&mut code, I32_CONST, -1);
        code.extend([I32_EQ, IF, NO_RESULT]);
        deny(&mut code);
        code.push(END);
        op_index(&mut code, LOCAL_GET, 0);
        code.push(END);
        code
    }

    fn charge(&self, code: &mut Vec<u8>, fuel: u64) {
        if fuel == 0 {
            return;
        }
        op_index(code, GLOBAL_GET, self.fuel);
        op_signed(code, I64_CONST, i64::try_from(fuel).unwrap_or(i64::MAX));
        code.push(I64_SUB);
        op_index(code, GLOBAL_SET, self.fuel);
    }

    fn check(&self, code: &mut Vec<u8>) {
        op_index(code, GLOBAL_GET, self.fuel);
        op_signed(code, I64_CONST, 0);
        code.extend([I64_LT_S, IF, NO_RESULT, UNREACHABLE, END]);
    }

    fn descend(&self, code: &mut Vec<u8>, slots: i64) {
        op_index(code, GLOBAL_GET, self.depth());
        op_signed(code, I32_CONST, slots);
        code.push(I32_SUB);
        op_index(code, GLOBAL_SET, self.depth());
        op_index(code, GLOBAL_GET, self.depth());
        op_signed(code, I32_CONST, 0);
        code.extend([I32_LT_S, IF, NO_RESULT, UNREACHABLE, END]);
    }

    fn ascend(&self, code: &mut Vec<u8>, slots: i64) {
        op_index(code, GLOBAL_GET, self.depth());
        op_signed(code, I32_CONST, slots);
        code.push(I32_ADD);
        op_index(code, GLOBAL_SET, self.depth());
    }

    /// The type of a block that leaves what the function returns.
    fn block_type(&mut self, signature: Option<&FuncType>) -> Vec<u8> {
        let results: Vec<u8> =
            signature.map_or(&[][..], FuncType::results).iter().map(|ty| value_type(*ty)).collect();
        let mut encoded = Vec::new();
        match results.as_slice() {
            [] => encoded.push(NO_RESULT),
            [one] => encoded.push(*one),
            many => {
                let index = self.add_type(&[], many);
                signed(&mut encoded, i64::from(index));
            }
        }
        encoded
    }

    /// The code section's contents.
    fn code(&mut self, module: &Module<'_>, bodies: &[Planned], recursive: &[bool]) -> Vec<u8> {
        let mut section = Vec::with_capacity(module.bytes.len());
        unsigned(&mut section, to_u64(bodies.len().saturating_add(self.functions.len())));
        for ((number, body), recursive) in (0u32..).zip(bodies).zip(recursive) {
            let wrapper = if *recursive { Some(self.block_type(module.signature(number))) } else { None };
            let code = self.function(module.bytes, body, wrapper.as_deref());
            unsigned(&mut section, to_u64(code.len()));
            section.extend_from_slice(&code);
        }
        for (_, code) in &self.functions {
            unsigned(&mut section, to_u64(code.len()));
            section.extend_from_slice(code);
        }
        section
    }

    /// One function's code; `wrapper` is the type of the block around the body of a function that recurses.
    fn function(&self, bytes: &[u8], body: &Planned, wrapper: Option<&[u8]>) -> Vec<u8> {
        let slots = i64::try_from(body.slots).unwrap_or(i64::MAX);
        let mut code = Vec::with_capacity(body.range.len().saturating_mul(5).saturating_div(4));
        let mut copied = body.range.start;
        for site in &body.sites {
            code.extend_from_slice(bytes.get(copied..site.at).unwrap_or(&[]));
            copied = site.at;
            match site.action {
                Action::Start(node) => {
                    self.charge(&mut code, body.charges.of(node));
                    if body.charges.checked(node) {
                        self.check(&mut code);
                    }
                    if let Some(ty) = wrapper.filter(|_| node == ENTRY) {
                        self.descend(&mut code, slots);
                        code.push(BLOCK);
                        code.extend_from_slice(ty);
                    }
                }
                Action::Bulk(shift) => {
                    op_signed(&mut code, I32_CONST, i64::from(shift));
                    op_index(&mut code, CALL, self.bulk);
                }
                Action::Grow(length) => {
                    op_index(&mut code, CALL, self.grow);
                    copied = copied.saturating_add(length);
                }
                Action::Return(nest) if wrapper.is_some() => {
                    op_index(&mut code, BR, nest);
                    copied = copied.saturating_add(1);
                }
                Action::End if wrapper.is_some() => {
                    code.push(END);
                    self.ascend(&mut code, slots);
                    // Without this a deep unwinding could add up what each activation may overrun.
                    self.check(&mut code);
                }
                // Without a wrapper these stay as they are.
                Action::Return(_) | Action::End => {}
            }
        }
        code.extend_from_slice(bytes.get(copied..body.range.end).unwrap_or(&[]));
        code
    }

    /// The whole module.
    fn module(&self, module: &Module<'_>, code: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(module.bytes.len().saturating_add(code.len()));
        out.extend_from_slice(b"\0asm\x01\0\0\0");
        let mut next = 0;
        for section in &module.sections {
            let contents = module.bytes.get(section.contents.clone()).unwrap_or(&[]);
            if section.id == 0 {
                if !section.name.is_some_and(dropped) {
                    write_section(&mut out, 0, contents);
                }
                continue;
            }
            let rank = ORDER.iter().position(|id| *id == section.id).unwrap_or(ORDER.len());
            for missing in ORDER.get(next..rank).unwrap_or(&[]) {
                self.section(&mut out, *missing, None, code);
            }
            next = rank.saturating_add(1);
            self.section(&mut out, section.id, Some(contents), code);
        }
        for missing in ORDER.get(next..).unwrap_or(&[]) {
            self.section(&mut out, *missing, None, code);
        }
        let mut note = Vec::new();
        unsigned(&mut note, to_u64(SECTION.len()));
        note.extend_from_slice(SECTION.as_bytes());
        note.extend(PASS_VERSION.to_le_bytes());
        note.extend(self.memory_pages().to_le_bytes());
        write_section(&mut out, 0, &note);
        out
    }

    /// A section with what is appended to it; nothing where there is neither.
    fn section(&self, out: &mut Vec<u8>, id: u8, contents: Option<&[u8]>, code: &[u8]) {
        let added: Vec<Vec<u8>> = match id {
            TYPE => self.types.clone(),
            FUNCTION => self.functions.iter().map(|(ty, _)| encoded(u64::from(*ty))).collect(),
            GLOBAL => vec![
                vec![I64, MUTABLE, I64_CONST, 0, END],
                vec![I32, MUTABLE, I32_CONST, 0, END],
                vec![I32, MUTABLE, I32_CONST, 0, END],
            ],
            EXPORT => [(FUEL, self.fuel), (DEPTH, self.depth()), (DENIED, self.denied())]
                .iter()
                .map(|(name, index)| {
                    let mut export = encoded(to_u64(name.len()));
                    export.extend_from_slice(name.as_bytes());
                    export.push(EXPORT_GLOBAL);
                    unsigned(&mut export, u64::from(*index));
                    export
                })
                .collect(),
            CODE => {
                if contents.is_some() || !self.functions.is_empty() {
                    write_section(out, CODE, code);
                }
                return;
            }
            MEMORY => {
                if let (Some(memory), true) = (self.memory, contents.is_some()) {
                    let mut memories = vec![1, HAS_MAXIMUM];
                    unsigned(&mut memories, memory.minimum);
                    unsigned(&mut memories, memory.maximum);
                    write_section(out, MEMORY, &memories);
                }
                return;
            }
            _ => Vec::new(),
        };
        match contents {
            None if added.is_empty() => {}
            Some(contents) if added.is_empty() => write_section(out, id, contents),
            contents => {
                let (count, items) = split_count(contents.unwrap_or(&[0]));
                let mut section = encoded(count.saturating_add(to_u64(added.len())));
                section.extend_from_slice(items);
                section.extend(added.concat());
                write_section(out, id, &section);
            }
        }
    }
}

/// Custom sections that the rewriting makes untrue, or that only a linker or debugger reads.
fn dropped(name: &str) -> bool {
    name.starts_with(".debug_")
        || name.starts_with("metadata.code.")
        || name.starts_with("reloc.")
        || matches!(name, "linking" | "sourceMappingURL" | "external_debug_info")
}

const UNREACHABLE: u8 = 0x00;
const BLOCK: u8 = 0x02;
const IF: u8 = 0x04;
const END: u8 = 0x0b;
const BR: u8 = 0x0c;
const RETURN: u8 = 0x0f;
const CALL: u8 = 0x10;
const LOCAL_GET: u8 = 0x20;
const LOCAL_TEE: u8 = 0x22;
const GLOBAL_GET: u8 = 0x23;
const GLOBAL_SET: u8 = 0x24;
const MEMORY_GROW: u8 = 0x40;
const I32_CONST: u8 = 0x41;
const I64_CONST: u8 = 0x42;
const I32_EQ: u8 = 0x46;
const I32_LT_S: u8 = 0x48;
const I32_GT_U: u8 = 0x4b;
const I64_LT_S: u8 = 0x53;
const I32_ADD: u8 = 0x6a;
const I32_SUB: u8 = 0x6b;
const I64_SUB: u8 = 0x7d;
const I64_SHL: u8 = 0x86;
const I64_SHR_U: u8 = 0x88;
const I64_EXTEND_I32_U: u8 = 0xad;
const NO_RESULT: u8 = 0x40;
const MUTABLE: u8 = 1;
const HAS_MAXIMUM: u8 = 1;
const EXPORT_GLOBAL: u8 = 3;

fn value_type(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => I32,
        ValType::I64 => I64,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        // Not among the features of ABI v1.
        ValType::Ref(_) => 0x70,
    }
}

fn op_index(code: &mut Vec<u8>, opcode: u8, index: u32) {
    code.push(opcode);
    unsigned(code, u64::from(index));
}

fn op_signed(code: &mut Vec<u8>, opcode: u8, value: i64) {
    code.push(opcode);
    signed(code, value);
}

fn write_section(out: &mut Vec<u8>, id: u8, contents: &[u8]) {
    out.push(id);
    unsigned(out, to_u64(contents.len()));
    out.extend_from_slice(contents);
}

/// The count that a section's contents begin with, and the rest.
fn split_count(contents: &[u8]) -> (u64, &[u8]) {
    let mut count = 0u64;
    let mut shift = 0u32;
    let mut rest = contents;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        count |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift = shift.saturating_add(7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    (count, rest)
}

fn encoded(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    unsigned(&mut out, value);
    out
}

/// LEB128.
fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while let Some(byte) = u8::try_from(value & 0x7f).ok().filter(|_| value > 0x7f) {
        out.push(byte | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// Signed LEB128.
fn signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or(0);
        let sign = byte & 0x40 != 0;
        value >>= 7;
        if (value == 0 && !sign) || (value == -1 && sign) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
