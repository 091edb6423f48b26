//! See `core/tests/fuzz/mod.rs`.

#![no_main]

#[path = "../../tests/fuzz/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::scheme(bytes));
