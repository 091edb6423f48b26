//! A plugin's bytes: read from a file, or built from a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bytes of a plugin.
pub(crate) fn bytes(plugin: &Path) -> Result<Vec<u8>, String> {
    read(plugin, false)
}

/// The same; where it is built, with the names of its functions. They change nothing else of it.
pub(crate) fn bytes_with_names(plugin: &Path) -> Result<Vec<u8>, String> {
    read(plugin, true)
}

fn read(plugin: &Path, names: bool) -> Result<Vec<u8>, String> {
    let path = if plugin.is_dir() { build(plugin, names)? } else { plugin.to_path_buf() };
    let bytes = fs::read(&path).map_err(|error| format!("Could not read {}: {error}.", path.display()))?;
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    Err(format!(
        "{} is not WebAssembly: compile it first, or pass the directory of its crate.",
        path.display()
    ))
}

/// Builds the crate in a directory; its module.
fn build(dir: &Path, names: bool) -> Result<PathBuf, String> {
    if !dir.join("Cargo.toml").is_file() {
        return Err(format!(
            "{} has no Cargo.toml: pass a .wasm file or the directory of a crate.",
            dir.display()
        ));
    }
    let mut command = Command::new("cargo");
    if names {
        command.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    }
    let output = command
        .current_dir(dir)
        .args([
            "build",
            "--release",
            "--target",
            "wasm32-unknown-unknown",
            "--message-format",
            "json-render-diagnostics",
        ])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo could not be started: {error}."))?;
    if !output.status.success() {
        return Err("The plugin could not be built; see above.".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let modules = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let files = modules.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let files: Vec<_> = files.filter_map(|file| file.as_str().map(PathBuf::from)).collect();
    let module = files.into_iter().rfind(|file| file.extension().is_some_and(|end| end == "wasm"));
    module.ok_or_else(|| {
        format!(
            "{} does not build a module: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`.",
            dir.display()
        )
    })
}
