//! Makes plugins ready to be deployed with the gateway, where V8 runs them.
//!
//! A bundled plugin has passed the same admission and metering as an upload. This crate is pure (bytes in, bytes and
//! JSON out): `weir-plugin bundle` runs it natively, and the npm package `weir-gateway` as wasm, so that bundling a
//! prebuilt plugin needs no Rust.

pub mod files;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::manifest::Manifest;
use weir_plugin_host::transcript;
use weir_plugin_schema::Schema;

/// What the names of bundled modules begin with.
pub const PREFIX: &str = "plugin-";

/// A plugin that can be deployed.
#[derive(Debug)]
pub struct Prepared {
    /// The metered module, as V8 runs it.
    pub module: Vec<u8>,
    /// Its entry in the catalogue, without the module.
    pub entry: Value,
}

/// Admits and meters a plugin; `check` is asked whether an engine takes the metered module. The error is a sentence.
pub fn prepare(
    name: &str,
    bytes: &[u8],
    check: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Result<Prepared, String> {
    if !is_name(name) {
        return Err("a bundled plugin is named by its file: a-z, 0-9, - and _.".to_owned());
    }
    let refused = |code: &str, message: String| format!("refused ({code}): {message}");
    let admitted = admit(bytes, &ModuleLimits::default()).map_err(|no| refused(no.code(), no.to_string()))?;
    let manifest = admitted.manifest.clone();
    schema(manifest.as_ref()).map_err(|error| refused("config_schema", error))?;
    let metered = admitted.meter().map_err(|no| refused(no.code(), no.to_string()))?;
    check(&metered.bytes).map_err(|error| refused("engine", error))?;
    let entry = json!({
        "name": name,
        "version": hex(&Sha256::digest(bytes)),
        "size": bytes.len(),
        "pass": metered.pass,
        "manifest": manifest,
    });
    Ok(Prepared { module: metered.bytes, entry })
}

/// The catalogue of these plugins, as the module `plugins.mjs`. They are imported as `plugin-NAME.wasm`.
pub fn catalog(entries: &[Value]) -> String {
    let (mut imports, mut list) = (String::new(), String::new());
    for (at, entry) in entries.iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(imports, "import m{at} from \"./{PREFIX}{name}.wasm\";");
        let _ = writeln!(list, "  {{ ...{entry}, module: m{at} }},");
    }
    let source = json!(transcript::SOURCE);
    let stamp = hex(&Sha256::digest(transcript::SOURCE)).chars().take(16).collect::<String>();
    format!(
        "// Written by the build: the plugins that are deployed with the gateway.\n{imports}\n\
         export {{ transcribe }} from \"./transcribe.mjs\";\n\
         // The text of that module, for isolates that are loaded, and its name.\n\
         export const source = {source};\nexport const stamp = \"{stamp}\";\n\
         export const bundled = [\n{list}];\n"
    )
}

/// The gateway's rule for names of plugins.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(['-', '_'])
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// Whether the gateway understands the schema in a manifest, if it has one.
fn schema(manifest: Option<&Manifest>) -> Result<(), String> {
    let Some(schema) = manifest.and_then(|manifest| manifest.config_schema.clone()) else { return Ok(()) };
    match Schema::new(Value::Object(schema)) {
        Ok(_) => Ok(()),
        Err(fault) => {
            let place =
                fault.path.iter().fold("configSchema".to_owned(), |place, name| format!("{place}.{name}"));
            Err(format!("{place}: {}", fault.msg))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// For JavaScript.
#[cfg(target_arch = "wasm32")]
pub mod exported {
    use wasm_bindgen::prelude::*;

    /// A plugin that can be deployed, for JavaScript.
    #[wasm_bindgen]
    pub struct Bundled {
        module: Vec<u8>,
        entry: String,
    }

    #[wasm_bindgen]
    impl Bundled {
        /// The metered module.
        #[wasm_bindgen(getter)]
        pub fn module(&self) -> Vec<u8> {
            self.module.clone()
        }

        /// Its entry in the catalogue, as JSON.
        #[wasm_bindgen(getter)]
        pub fn entry(&self) -> String {
            self.entry.clone()
        }
    }

    /// Admits and meters a plugin, or throws a sentence. JavaScript asks V8 whether it takes the metered module.
    #[wasm_bindgen]
    pub fn prepare(name: &str, bytes: &[u8]) -> Result<Bundled, JsError> {
        let prepared = super::prepare(name, bytes, |_| Ok(())).map_err(|error| JsError::new(&error))?;
        Ok(Bundled { module: prepared.module, entry: prepared.entry.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin() -> Vec<u8> {
        let text = r#"(module
            (memory (export "memory") 1 16)
            (data (i32.const 16) "\20\00\00\00\00\08\00\00\1e\00\00\00\00\09\00\00\0b\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) i32.const 1))"#;
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_plugin_is_metered_and_named_by_the_hash_of_what_its_author_built() {
        let bytes = plugin();
        let prepared = prepare("mine", &bytes, |_| Ok(())).unwrap();
        assert_ne!(prepared.module, bytes, "it counts its fuel");
        assert_eq!(prepared.entry["name"], "mine");
        assert_eq!(prepared.entry["version"], hex(&Sha256::digest(&bytes)));
        assert_eq!(prepared.entry["size"], bytes.len());
    }

    #[test]
    fn what_the_gateway_would_refuse_is_not_bundled() {
        let refused = |name: &str, bytes: &[u8]| prepare(name, bytes, |_| Ok(())).unwrap_err();
        assert!(refused("Mine", &plugin()).starts_with("a bundled plugin is named by its file"));
        assert!(refused("mine", b"no wasm").starts_with("refused (malformed): "));
        let error = prepare("mine", &plugin(), |_| Err("no".to_owned())).unwrap_err();
        assert_eq!(error, "refused (engine): no");
    }

    #[test]
    fn the_catalogue_imports_every_module() {
        let text = catalog(&[json!({"name": "a"}), json!({"name": "b-c"})]);
        assert!(
            text.contains("import m0 from \"./plugin-a.wasm\";\nimport m1 from \"./plugin-b-c.wasm\";\n")
        );
        assert!(text.contains("  { ...{\"name\":\"b-c\"}, module: m1 },\n"));
    }
}
