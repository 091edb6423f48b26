//! Which random modules are made: what admission's features allow, without imports and endless sizes.

/// How modules are made; `below(n)` is a number below `n`, at random.
pub(crate) fn config(below: &mut impl FnMut(u64) -> u64) -> wasm_smith::Config {
    let mut count = |n| usize::try_from(below(n)).unwrap_or(0);
    wasm_smith::Config {
        max_imports: 0,
        allow_start_export: false,
        export_everything: true,
        // The one thing in which V8 is not deterministic.
        canonicalize_nans: true,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        max_tags: 0,
        min_funcs: 1,
        max_funcs: 12,
        max_instructions: 20 + count(400),
        max_memory32_bytes: 4 << 16,
        memory_max_size_required: true,
        max_table_elements: 200,
        disallow_traps: count(3) == 0,
        max_nesting_depth: 4 + count(12),
        ..wasm_smith::Config::default()
    }
}
