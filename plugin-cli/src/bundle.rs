//! `bundle`: plugins made ready to be deployed with the gateway, on V8 without a loader.
//!
//! They pass the same admission and metering as an upload. What is written is one JavaScript module that imports them:
//! the catalogue, and `transcribe`, which runs them.

use std::fs;
use std::path::{Path, PathBuf};
use weir_plugin_bundle::{PREFIX, catalog, prepare};
use weir_plugin_host::transcript;
use weir_plugin_host::wasmi;

/// Writes the plugins into a directory: `plugins.mjs`, `transcribe.mjs` and `plugin-NAME.wasm`, which are all that is
/// there of their kind afterwards.
pub(crate) fn bundle(out: &Path, plugins: &[PathBuf]) -> Result<bool, String> {
    fs::create_dir_all(out).map_err(|error| format!("Could not create {}: {error}.", out.display()))?;
    remove_old(out)?;
    let (mut entries, mut metered_bytes) = (Vec::new(), 0);
    let mut plugins: Vec<_> = plugins.iter().map(|path| (name_of(path), path)).collect();
    plugins.sort();
    for (name, path) in &plugins {
        let failed = |error: String| format!("{}: {error}", path.display());
        if plugins.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(failed(format!("there are two plugins of the name {name}.")));
        }
        let bytes = crate::build::bytes(path)?;
        let prepared = prepare(name, &bytes, |metered| wasmi::Engine::new().check(metered));
        let prepared = prepared.map_err(failed)?;
        write(&out.join(format!("{PREFIX}{name}.wasm")), &prepared.module)?;
        metered_bytes += prepared.module.len();
        entries.push(prepared.entry);
    }
    write(&out.join("transcribe.mjs"), transcript::SOURCE.as_bytes())?;
    write(&out.join("plugins.mjs"), catalog(&entries).as_bytes())?;
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

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("Could not write {}: {error}.", path.display()))
}
