//! Whatever bytes are uploaded: the judge does not panic, and has a sentence.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_plugin_host::admission::{ModuleLimits, admit};

fuzz_target!(|wasm: &[u8]| {
    if let Err(refusal) = admit(wasm, &ModuleLimits::default()) {
        assert!(!refusal.code().is_empty() && refusal.to_string().len() > 20);
    }
});
