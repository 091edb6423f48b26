//! WebAssembly's binary format, as far as the metering pass writes it.

use wasmparser::ValType;

/// The ids of sections, in the order in which a module has them (12 before 10).
pub(crate) const TYPE: u8 = 1;
pub(crate) const FUNCTION: u8 = 3;
pub(crate) const MEMORY: u8 = 5;
pub(crate) const GLOBAL: u8 = 6;
pub(crate) const EXPORT: u8 = 7;
pub(crate) const CODE: u8 = 10;
pub(crate) const ORDER: [u8; 12] = [TYPE, 2, FUNCTION, 4, MEMORY, GLOBAL, EXPORT, 8, 9, 12, CODE, 11];

pub(crate) const I32: u8 = 0x7f;
pub(crate) const I64: u8 = 0x7e;

pub(crate) const UNREACHABLE: u8 = 0x00;
pub(crate) const BLOCK: u8 = 0x02;
pub(crate) const IF: u8 = 0x04;
pub(crate) const END: u8 = 0x0b;
pub(crate) const BR: u8 = 0x0c;
pub(crate) const RETURN: u8 = 0x0f;
pub(crate) const CALL: u8 = 0x10;
pub(crate) const LOCAL_GET: u8 = 0x20;
pub(crate) const LOCAL_TEE: u8 = 0x22;
pub(crate) const GLOBAL_GET: u8 = 0x23;
pub(crate) const GLOBAL_SET: u8 = 0x24;
pub(crate) const MEMORY_GROW: u8 = 0x40;
pub(crate) const I32_CONST: u8 = 0x41;
pub(crate) const I64_CONST: u8 = 0x42;
pub(crate) const I32_EQ: u8 = 0x46;
pub(crate) const I32_LT_S: u8 = 0x48;
pub(crate) const I32_GT_U: u8 = 0x4b;
pub(crate) const I64_LT_S: u8 = 0x53;
pub(crate) const I32_ADD: u8 = 0x6a;
pub(crate) const I32_SUB: u8 = 0x6b;
pub(crate) const I64_ADD: u8 = 0x7c;
pub(crate) const I64_SUB: u8 = 0x7d;
pub(crate) const I64_SHL: u8 = 0x86;
pub(crate) const I64_SHR_U: u8 = 0x88;
pub(crate) const I64_EXTEND_I32_U: u8 = 0xad;
pub(crate) const NO_RESULT: u8 = 0x40;
pub(crate) const MUTABLE: u8 = 1;
pub(crate) const HAS_MAXIMUM: u8 = 1;
pub(crate) const EXPORT_GLOBAL: u8 = 3;

pub(crate) fn value_type(ty: ValType) -> u8 {
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

pub(crate) fn op_index(code: &mut Vec<u8>, opcode: u8, index: u32) {
    code.push(opcode);
    unsigned(code, u64::from(index));
}

pub(crate) fn op_signed(code: &mut Vec<u8>, opcode: u8, value: i64) {
    code.push(opcode);
    signed(code, value);
}

pub(crate) fn write_section(out: &mut Vec<u8>, id: u8, contents: &[u8]) {
    out.push(id);
    unsigned(out, to_u64(contents.len()));
    out.extend_from_slice(contents);
}

/// The count that a section's contents begin with, and the rest.
pub(crate) fn split_count(contents: &[u8]) -> (u64, &[u8]) {
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

pub(crate) fn encoded(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    unsigned(&mut out, value);
    out
}

/// LEB128.
pub(crate) fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while let Some(byte) = u8::try_from(value & 0x7f).ok().filter(|_| value > 0x7f) {
        out.push(byte | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

/// Signed LEB128.
pub(crate) fn signed(out: &mut Vec<u8>, mut value: i64) {
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

pub(crate) fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

pub(crate) fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(crate) fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
