//! Writes the files of a bundle: the catalog, the script that runs plugins, and each plugin's module.

use crate::{PREFIX, catalog, prepare};
use std::fs;
use std::path::Path;
use weir_plugin_host::transcript;

/// Writes the plugins, each with its name, into a directory: `plugins.mjs`, `transcribe.mjs` and a `plugin-NAME.wasm` for
/// each. Modules of an earlier bundle are removed. `check` validates a metered module. Returns the size of all modules in
/// bytes.
pub fn write(
    out: &Path,
    mut plugins: Vec<(String, Vec<u8>)>,
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<usize, String> {
    fs::create_dir_all(out).map_err(|error| format!("Could not create {}: {error}.", out.display()))?;
    remove_old(out)?;
    let (mut entries, mut total) = (Vec::new(), 0usize);
    plugins.sort();
    let mut before = None;
    for (name, bytes) in &plugins {
        if before.replace(name) == Some(name) {
            return Err(format!("Two plugins are called {name}. Rename one of the files."));
        }
        let prepared = prepare(name, bytes, &check).map_err(|error| format!("{name}: {error}"))?;
        write_file(&out.join(format!("{PREFIX}{name}.wasm")), &prepared.module)?;
        total = total.saturating_add(prepared.module.len());
        entries.push(prepared.entry);
    }
    write_file(&out.join("transcribe.mjs"), transcript::SOURCE.as_bytes())?;
    write_file(&out.join("plugins.mjs"), catalog(&entries).as_bytes())?;
    Ok(total)
}

/// Removes the modules of an earlier build, which must not be deployed.
fn remove_old(out: &Path) -> Result<(), String> {
    let failed =
        |error: std::io::Error| format!("Could not remove old plugins from {}: {error}.", out.display());
    for entry in fs::read_dir(out).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && path.extension().is_some_and(|end| end == "wasm") {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// The name of the plugin in a file.
pub fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("Could not write {}: {error}.", path.display()))
}
