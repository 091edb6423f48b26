//! Every preset: what it says makes sense, and what it signs it verifies.

use std::fs;
use std::path::Path;
use weir_core::preset::{self, Preset};

#[test]
fn every_file_is_a_preset() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presets");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        count += 1;
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            wrong.push(format!("presets/{name}.json: the name has lower-case letters, digits and hyphens"));
        }
        let mut reader = serde_json::Deserializer::from_str(&text);
        match serde_path_to_error::deserialize::<_, Preset>(&mut reader) {
            Err(error) => wrong.push(format!("presets/{name}.json: at {}: {}", error.path(), error.inner())),
            Ok(preset) => {
                wrong
                    .extend(preset.faults().into_iter().map(|fault| format!("presets/{name}.json: {fault}")));
            }
        }
        if preset::find(&name).is_none() && wrong.is_empty() {
            wrong.push(format!("presets/{name}.json: it is not in the program"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(preset::names().count(), count);
    assert!(count >= 120, "{count}");
}
