//! `bundle`: plugins made ready to be deployed with the gateway, on V8 without a loader.
//!
//! They pass the same admission and metering as an upload. What is written is one JavaScript module that imports them:
//! the catalogue, and `transcribe`, which runs them.

use std::path::{Path, PathBuf};
use weir_plugin_bundle::files;
use weir_plugin_host::wasmi;

/// Writes the plugins into a directory, as [`files::write`] does.
pub(crate) fn bundle(out: &Path, plugins: &[PathBuf]) -> Result<bool, String> {
    let read = |path: &PathBuf| Ok((files::name_of(path), crate::build::bytes(path)?));
    let plugins = plugins.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    let count = plugins.len();
    let bytes = files::write(out, plugins, |metered| wasmi::Engine::new().check(metered))?;
    println!("{count} plugins bundled, {bytes} bytes");
    Ok(true)
}
