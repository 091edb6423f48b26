//! The limits of a module: its size, its memory, its functions.

/// What a module may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleLimits {
    /// The file's size, in bytes.
    pub bytes: usize,
    /// Its size once metered, in bytes: it is stored as one row, which may have 2 MB.
    pub metered_bytes: usize,
    /// The memory's size, in pages of 64 KiB. Written into the metered module as its maximum.
    pub memory_pages: u32,
    /// Elements the table starts with.
    pub table: u64,
    /// Functions.
    pub functions: u64,
    /// Types.
    pub types: u64,
    /// Globals, exports, data segments and element segments, each: they are made anew for every event.
    pub made: u64,
    /// Elements in all element segments, which are copied for every event.
    pub elements: u64,
    /// Locals and stacked values of one function.
    pub locals: u64,
    /// Blocks nested in one function.
    pub nesting: u64,
    /// Targets of one `br_table`. (V8 allows 65,520.)
    pub branches: u64,
    /// Values alive where code branches, merges or calls, all together. It bounds how long engines translate.
    pub merged: u64,
    /// Fuel that may be used between two checks.
    pub overrun: u64,
    /// Slots of 8 bytes that calls may need without recursing.
    pub stack_slots: u64,
}

impl Default for ModuleLimits {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            metered_bytes: 1_900_000,
            memory_pages: 256,
            table: 10_000,
            functions: 20_000,
            types: 20_000,
            made: 2_000,
            elements: 20_000,
            locals: 4_096,
            nesting: 4_096,
            branches: 65_000,
            merged: 16_000_000,
            overrun: 100_000,
            stack_slots: 32_768,
        }
    }
}
