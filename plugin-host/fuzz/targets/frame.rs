//! Whatever bytes a plugin answers with: the decoder does not panic, and what it reads is what HTTP can carry.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_plugin_host::frame::Patch;

fuzz_target!(|frame: &[u8]| {
    let Ok(patch) = Patch::decode(frame) else { return };
    assert!(patch.body.is_none_or(|body| body.len() <= frame.len()));
    for change in patch.headers {
        assert!(!change.name.is_empty() && change.name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
        assert!(change.value.is_none_or(|value| !value.contains(['\r', '\n', '\0'])));
    }
});
