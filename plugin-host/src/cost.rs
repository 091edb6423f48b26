//! What an operator costs, in fuel. A change here changes every fuel number: raise [`crate::meter::PASS_VERSION`].
//!
//! The table is coarse on purpose. What costs nothing is what compiles to nothing, or what only marks structure;
//! what costs more than 1 is what a processor notices.

use wasmparser::Operator;

/// Bytes moved by a bulk operation for one fuel, as a shift.
pub(crate) const BULK_BYTES_SHIFT: i32 = 5;
/// Elements moved by a table operation for one fuel, as a shift.
pub(crate) const BULK_ELEMENTS_SHIFT: i32 = 0;
/// Fuel for a page that the memory grows by, as a shift.
pub(crate) const GROW_PAGE_SHIFT: i64 = 11;
/// Locals for one fuel at a function's entry.
const LOCALS_PER_FUEL: u32 = 8;

/// An operator's own cost.
pub(crate) fn of(operator: &Operator<'_>) -> u32 {
    use Operator as O;
    match operator {
        O::Nop
        | O::Block { .. }
        | O::Loop { .. }
        | O::Else
        | O::End
        | O::Drop
        | O::LocalGet { .. }
        | O::I32Const { .. }
        | O::I64Const { .. }
        | O::F32Const { .. }
        | O::F64Const { .. } => 0,
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
        | O::F64Sqrt => 4,
        O::CallIndirect { .. } => 6,
        _ => 1,
    }
}

/// The cost of entering a function with this many locals (parameters included).
pub(crate) fn of_entry(locals: u32) -> u32 {
    locals.saturating_div(LOCALS_PER_FUEL).saturating_add(1)
}
