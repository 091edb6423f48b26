//! `bundle`: plugins made ready to be deployed with the gateway, on V8 without a loader.
//!
//! They pass the same admission and metering as an upload. What is written is one JavaScript module that imports them:
//! the catalogue, and `transcribe`, which runs them.

use crate::config;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use weir_plugin_host::admission::{ModuleLimits, admit};
use weir_plugin_host::transcript;
use weir_plugin_host::wasmi;

/// What the written files begin with.
const PREFIX: &str = "plugin-";

/// Writes the plugins into a directory: `plugins.mjs`, `transcribe.mjs` and `plugin-NAME.wasm`, which are all that is
/// there of their kind afterwards.
pub(crate) fn bundle(out: &Path, plugins: &[PathBuf]) -> Result<bool, String> {
    fs::create_dir_all(out).map_err(|error| format!("Could not create {}: {error}.", out.display()))?;
    remove_old(out)?;
    let (mut imports, mut entries, mut metered_bytes) = (String::new(), Vec::new(), 0);
    let mut plugins: Vec<_> = plugins.iter().map(|path| (name_of(path), path)).collect();
    plugins.sort();
    for (at, (name, path)) in plugins.iter().enumerate() {
        let failed = |error: String| format!("{}: {error}", path.display());
        if !is_name(name) {
            return Err(failed("a bundled plugin is named by its file: a-z, 0-9, - and _.".to_owned()));
        }
        if plugins.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(failed(format!("there are two plugins of the name {name}.")));
        }
        let bytes = crate::build::bytes(path)?;
        let refused = |code: &str, message: String| failed(format!("refused ({code}): {message}"));
        let admitted =
            admit(&bytes, &ModuleLimits::default()).map_err(|no| refused(no.code(), no.to_string()))?;
        let manifest = admitted.manifest.clone();
        config::schema(manifest.as_ref()).map_err(|error| refused("config_schema", error))?;
        let metered = admitted.meter().map_err(|no| refused(no.code(), no.to_string()))?;
        wasmi::Engine::new().check(&metered.bytes).map_err(|error| refused("engine", error))?;
        let file = format!("{PREFIX}{name}.wasm");
        write(&out.join(&file), &metered.bytes)?;
        let _ = writeln!(imports, "import m{at} from \"./{file}\";");
        let entry = json!({
            "name": name,
            "version": hex(&Sha256::digest(&bytes)),
            "size": bytes.len(),
            "pass": metered.pass,
            "manifest": manifest,
        });
        entries.push(format!("  {{ ...{entry}, module: m{at} }},\n"));
        metered_bytes += metered.bytes.len();
    }
    let source = json!(transcript::SOURCE);
    let stamp = hex(&Sha256::digest(transcript::SOURCE))[..16].to_owned();
    let module = format!(
        "// Written by the build: the plugins that are deployed with the gateway.\n{imports}\n\
         export {{ transcribe }} from \"./transcribe.mjs\";\n\
         // The text of that module, for isolates that are loaded, and its name.\n\
         export const source = {source};\nexport const stamp = \"{stamp}\";\n\
         export const bundled = [\n{}];\n",
        entries.concat()
    );
    write(&out.join("transcribe.mjs"), transcript::SOURCE.as_bytes())?;
    write(&out.join("plugins.mjs"), module.as_bytes())?;
    println!("{} plugins bundled, {metered_bytes} bytes", entries.len());
    Ok(true)
}

/// What an earlier build has left must not be deployed.
fn remove_old(out: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("Could not empty {}: {error}.", out.display());
    for entry in fs::read_dir(out).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && path.extension().is_some_and(|end| end == "wasm") {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The gateway's rule for names of plugins.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(['-', '_'])
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("Could not write {}: {error}.", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
