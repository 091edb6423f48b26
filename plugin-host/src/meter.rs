//! Metering by rewriting: the module counts its own fuel, so that every engine stops it at the same instruction.
//!
//! Three globals and up to two functions are **appended**, so no index of the module changes and its code is copied
//! byte for byte but for what is put between:
//!
//! - where a stretch of code starts, its charge (`crate::flow` decides which stretches pay for which);
//! - at function entries and where loops come round, a check that traps when the fuel is below zero;
//! - before bulk operations, a call that charges for their size; instead of `memory.grow`, one that charges for the
//!   pages and notes a refusal;
//! - in functions that recurse, their depth on entry, given back on the one way out: the body is wrapped in a block,
//!   so a branch to the function's label lands on the wrapper with its number unchanged.
//! - before a `select` whose condition is a comparison, a `local.tee`: an engine is wrong without (`crate::flow`).
//!
//! The host sets [`FUEL`] and [`DEPTH`] before the first call. Both start at 0: a host that forgets traps at once.
//! Fuel below zero after whatever outcome means out of fuel, since checks are sparse.
//!
//! The memory gets a declared maximum, so that `memory.grow` fails at the same size everywhere.

use wasmparser::FuncType;

use crate::cost;
#[allow(clippy::wildcard_imports)] // the opcodes, a table of small things
use crate::encode::*;
use crate::flow::{Action, Ahead, Charges, ENTRY};
use crate::limits::ModuleLimits;
pub use crate::module::SECTION;
use crate::module::{Body, Memory, Module};
use crate::refusal::Refusal;

/// The version of the pass and its cost table. It belongs to what is stored with a plugin: another version
/// gives other fuel numbers.
pub const PASS_VERSION: u32 = 3;
/// The exported global, a mutable i64: fuel left.
pub const FUEL: &str = "weir:fuel";
/// The beginning of the names of exported globals, mutable i64s, in a module that [`profile`] made: minus the fuel that
/// a function has spent itself. The function's index follows.
pub const SPENT: &str = "weir:spent:";
/// The exported global, a mutable i32: slots of stack left for functions that recurse.
pub const DEPTH: &str = "weir:depth";
/// The exported global, a mutable i32: 1 once the memory could not grow.
pub const DENIED: &str = "weir:denied";
/// What [`DEPTH`] is set to before a run: 128 KiB in slots of 8 bytes.
pub const DEPTH_BUDGET: i32 = 16_384;
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
    /// What the functions do that were appended after them, in their order.
    pub helpers: Vec<&'static str>,
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

/// Meters a module that need not be a plugin: every rule of admission holds but for the exports of the ABI.
///
/// For tools and tests; a plugin comes through [`crate::admission::admit`].
pub fn meter(bytes: &[u8], limits: &ModuleLimits) -> Result<Metered, Refusal> {
    rewrite(Module::read(bytes, limits)?, limits)
}

/// Meters a module so that it also tells which function has spent how much ([`SPENT`]). Its fuel is the same.
///
/// For tools: it is larger and slower than what runs in a gateway. What bulk operations and the growth of the memory cost
/// is spent by the functions after the module's own.
pub fn profile(bytes: &[u8], limits: &ModuleLimits) -> Result<Metered, Refusal> {
    let roomy = ModuleLimits { metered_bytes: usize::MAX, ..*limits };
    rewrite_with(Module::read(bytes, limits)?, &roomy, Ahead::Shortest, true)
}

pub(crate) fn rewrite(module: Module<'_>, limits: &ModuleLimits) -> Result<Metered, Refusal> {
    rewrite_with(module, limits, Ahead::Shortest, false)
}

fn rewrite_with(
    mut module: Module<'_>,
    limits: &ModuleLimits,
    ahead: Ahead,
    profiled: bool,
) -> Result<Metered, Refusal> {
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

    let mut plan = Plan::new(&module, &bodies, profiled);
    let code = plan.code(&module, &bodies, &recursive);
    let bytes = plan.module(&module, &code);
    if bytes.len() > limits.metered_bytes {
        return Err(Refusal::TooLarge { bytes: bytes.len(), limit: limits.metered_bytes, metered: true });
    }
    Ok(Metered {
        bytes,
        pass: PASS_VERSION,
        functions,
        helpers: plan.functions.iter().map(|helper| helper.does).collect(),
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
    /// The local for results of comparisons, if there has to be one: the first after the function's own.
    settled: Option<u32>,
    slots: u64,
}

impl Planned {
    fn new(mut body: Body, ahead: Ahead) -> Self {
        let sites = std::mem::take(&mut body.flow.sites);
        let settles = sites.iter().any(|site| site.action == Action::Settle);
        Self {
            range: body.range,
            sites,
            charges: body.flow.charges(ahead),
            settled: settles.then_some(body.locals),
            slots: body.slots,
        }
    }
}

/// A function that is appended.
struct Helper {
    does: &'static str,
    ty: u32,
    /// Without its size.
    code: Vec<u8>,
}

/// What is appended.
struct Plan {
    memory: Option<Memory>,
    /// How many functions the module itself has.
    own: u32,
    /// The index of the fuel's global; depth and denied follow.
    fuel: u32,
    /// Types after the module's own, encoded.
    types: Vec<Vec<u8>>,
    first_type: u32,
    /// Functions after the module's own.
    functions: Vec<Helper>,
    /// The function that charges for bulk operations, if any is used.
    bulk: u32,
    /// The function that grows the memory, if any is used.
    grow: u32,
    /// Whether each function has a global that counts what it spends.
    profiled: bool,
}

impl Plan {
    fn new(module: &Module<'_>, bodies: &[Planned], profiled: bool) -> Self {
        let mut plan = Self {
            memory: module.memory,
            own: to_u32(module.functions.len()),
            fuel: module.globals,
            types: Vec::new(),
            first_type: to_u32(module.types.len()),
            functions: Vec::new(),
            bulk: 0,
            grow: 0,
            profiled,
        };
        let first = plan.own;
        let uses =
            |wanted: fn(Action) -> bool| bodies.iter().flat_map(|b| &b.sites).any(|site| wanted(site.action));
        if uses(|action| matches!(action, Action::Bulk(_))) {
            let ty = plan.add_type(&[I32, I32], &[I32]);
            plan.bulk = first.saturating_add(to_u32(plan.functions.len()));
            let code = plan.bulk_code();
            plan.functions.push(Helper { does: "(bulk memory)", ty, code });
        }
        if uses(|action| matches!(action, Action::Grow(_))) {
            let ty = plan.add_type(&[I32], &[I32]);
            plan.grow = first.saturating_add(to_u32(plan.functions.len()));
            let code = plan.grow_code();
            plan.functions.push(Helper { does: "(memory.grow)", ty, code });
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

    /// The global that counts what a function spends, if there are such.
    const fn spent(&self, function: u32) -> u32 {
        self.fuel.saturating_add(3).saturating_add(function)
    }

    /// Code of `function` that subtracts what `amount` leaves on the stack.
    fn spend(&self, code: &mut Vec<u8>, function: u32, amount: &[u8]) {
        let also = self.profiled.then(|| self.spent(function));
        for global in [Some(self.fuel), also].into_iter().flatten() {
            op_index(code, GLOBAL_GET, global);
            code.extend_from_slice(amount);
            code.push(I64_SUB);
            op_index(code, GLOBAL_SET, global);
        }
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

    /// `(size, shift) -> size`: charges the size, unsigned, scaled and shifted right.
    fn bulk_code(&self) -> Vec<u8> {
        let (mut code, mut amount) = (vec![0], Vec::new());
        op_index(&mut amount, LOCAL_GET, 0);
        amount.push(I64_EXTEND_I32_U);
        op_signed(&mut amount, I64_CONST, cost::BULK_SCALE);
        amount.push(I64_SHL);
        op_index(&mut amount, LOCAL_GET, 1);
        amount.extend([I64_EXTEND_I32_U, I64_SHR_U]);
        self.spend(&mut code, self.bulk, &amount);
        self.check(&mut code);
        op_index(&mut code, LOCAL_GET, 0);
        code.push(END);
        code
    }

    /// `(pages) -> previous size or -1`: refuses what is beyond the maximum without a charge, charges for the pages and
    /// one more, since growing by nothing calls the runtime as well, grows, and notes a refusal.
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
        let mut amount = Vec::new();
        op_index(&mut amount, LOCAL_GET, 0);
        amount.push(I64_EXTEND_I32_U);
        op_signed(&mut amount, I64_CONST, 1);
        amount.push(I64_ADD);
        op_signed(&mut amount, I64_CONST, cost::GROW_PAGE_SHIFT);
        amount.push(I64_SHL);
        self.spend(&mut code, self.grow, &amount);
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

    fn charge(&self, code: &mut Vec<u8>, function: u32, fuel: u64) {
        if fuel > 0 {
            let mut amount = Vec::new();
            op_signed(&mut amount, I64_CONST, i64::try_from(fuel).unwrap_or(i64::MAX));
            self.spend(code, function, &amount);
        }
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
            let code = self.function(module.bytes, number, body, wrapper.as_deref());
            unsigned(&mut section, to_u64(code.len()));
            section.extend_from_slice(&code);
        }
        for Helper { code, .. } in &self.functions {
            unsigned(&mut section, to_u64(code.len()));
            section.extend_from_slice(code);
        }
        section
    }

    /// One function's code; `wrapper` is the type of the block around the body of a function that recurses.
    fn function(&self, bytes: &[u8], number: u32, body: &Planned, wrapper: Option<&[u8]>) -> Vec<u8> {
        let slots = i64::try_from(body.slots).unwrap_or(i64::MAX);
        let mut code = Vec::with_capacity(body.range.len().saturating_mul(5).saturating_div(4));
        let mut copied = body.range.start;
        if body.settled.is_some() {
            let operators = body.sites.first().map_or(body.range.end, |site| site.at);
            let (groups, declared) = split_count(bytes.get(copied..operators).unwrap_or(&[0]));
            unsigned(&mut code, groups.saturating_add(1));
            code.extend_from_slice(declared);
            code.extend([1, I32]);
            copied = operators;
        }
        for site in &body.sites {
            code.extend_from_slice(bytes.get(copied..site.at).unwrap_or(&[]));
            copied = site.at;
            match site.action {
                Action::Start(node) => {
                    self.charge(&mut code, number, body.charges.of(node));
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
                Action::Settle => {
                    if let Some(local) = body.settled {
                        op_index(&mut code, LOCAL_TEE, local);
                    }
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

    /// The functions whose fuel is counted one by one.
    fn counted(&self) -> std::ops::Range<u32> {
        0..if self.profiled { self.own.saturating_add(to_u32(self.functions.len())) } else { 0 }
    }

    /// A section with what is appended to it; nothing where there is neither.
    fn section(&self, out: &mut Vec<u8>, id: u8, contents: Option<&[u8]>, code: &[u8]) {
        let added: Vec<Vec<u8>> = match id {
            TYPE => self.types.clone(),
            FUNCTION => self.functions.iter().map(|helper| encoded(u64::from(helper.ty))).collect(),
            GLOBAL => {
                let zero = |ty, constant| vec![ty, MUTABLE, constant, 0, END];
                let mut globals = vec![zero(I64, I64_CONST), zero(I32, I32_CONST), zero(I32, I32_CONST)];
                globals.extend(self.counted().map(|_| zero(I64, I64_CONST)));
                globals
            }
            EXPORT => {
                let own = [(FUEL, self.fuel), (DEPTH, self.depth()), (DENIED, self.denied())];
                let mut exports: Vec<_> = own.iter().map(|(name, index)| export(name, *index)).collect();
                let name = |function: u32| format!("{SPENT}{function}");
                exports.extend(self.counted().map(|function| export(&name(function), self.spent(function))));
                exports
            }
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

/// An export of a global.
fn export(name: &str, index: u32) -> Vec<u8> {
    let mut export = encoded(to_u64(name.len()));
    export.extend_from_slice(name.as_bytes());
    export.push(EXPORT_GLOBAL);
    unsigned(&mut export, u64::from(index));
    export
}

/// Custom sections that the rewriting makes untrue, or that only a linker or debugger reads.
fn dropped(name: &str) -> bool {
    name.starts_with(".debug_")
        || name.starts_with("metadata.code.")
        || name.starts_with("reloc.")
        || matches!(name, "linking" | "sourceMappingURL" | "external_debug_info")
}

#[cfg(test)]
mod tests;
