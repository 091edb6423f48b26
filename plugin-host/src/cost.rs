//! What an operator costs, in quarters of a fuel. A change here changes every fuel number: raise [`crate::meter::PASS_VERSION`].
//!
//! Fuel has to bound time on every engine, so what counts is the slowest of them: an interpreter that copies a value
//! where a compiler renames it, a baseline compiler that writes every value of a merge to the stack, a call into the
//! runtime. `tests/time.rs` searches for instructions that take too long for their fuel; the table follows from it:
//!
//! - a value that is pushed costs a quarter, because any engine may have to copy it once: where its local is set, a
//!   block begins, or a function is called;
//! - a branch or a call pays a quarter for each value that it carries, because these are copied each time;
//! - division, square roots, tables of branches and calls into the runtime cost what they take.

use wasmparser::Operator;

/// Parts of a fuel in which costs are counted.
pub(crate) const PARTS: u32 = 4;

/// What bulk operations move is charged as its size, shifted left by this and then right by one of the next two.
pub(crate) const BULK_SCALE: i64 = 4;
/// For bytes: 32 of them for one fuel.
pub(crate) const BULK_BYTES_SHIFT: i32 = 9;
/// For elements of a table, which engines move one by one: 16 fuel for each.
pub(crate) const BULK_ELEMENTS_SHIFT: i32 = 0;
/// Fuel for a page that the memory grows by, as a shift. The call itself costs one page.
pub(crate) const GROW_PAGE_SHIFT: i64 = 11;
/// Locals for one fuel at a function's entry.
const LOCALS_PER_FUEL: u32 = 8;

/// An operator's own cost in quarters of a fuel. `moved` is how many values a branch or a call carries.
pub(crate) fn of(operator: &Operator<'_>, moved: u32) -> u32 {
    use Operator as O;
    let own = match operator {
        O::Nop | O::Block { .. } | O::Else | O::End | O::Drop => 0,
        O::LocalGet { .. }
        | O::I32Const { .. }
        | O::I64Const { .. }
        | O::F32Const { .. }
        | O::F64Const { .. } => 1,
        O::Call { .. }
        | O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU
        | O::F32Div
        | O::F64Div
        | O::F32Sqrt
        | O::F64Sqrt => 4 * PARTS,
        O::CallIndirect { .. } => 6 * PARTS,
        // A baseline compiler searches for the target: one comparison each time the table doubles.
        O::BrTable { targets } => {
            targets.len().saturating_add(1).ilog2().saturating_add(1).saturating_mul(PARTS)
        }
        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => BULK_CALL,
        O::TableCopy { .. } | O::TableInit { .. } | O::ElemDrop { .. } | O::DataDrop { .. } => TABLE_CALL,
        _ => PARTS,
    };
    own.saturating_add(moved)
}

/// Bulk operations call the runtime, however few bytes there are.
const BULK_CALL: u32 = 32 * PARTS;
/// Likewise those of tables, which take longer.
const TABLE_CALL: u32 = 64 * PARTS;

/// The cost of entering a function with this many locals (parameters included), in quarters of a fuel.
pub(crate) fn of_entry(locals: u32) -> u32 {
    locals.saturating_div(LOCALS_PER_FUEL).saturating_add(1).saturating_mul(PARTS)
}

/// Quarters as fuel, rounded up.
pub(crate) fn in_fuel(quarters: u32) -> u32 {
    quarters.div_ceil(PARTS)
}
