//! Builds the plugins that ship: every crate below `plugins/` that is one, by one cargo command, into `target/plugins/`.
//!
//! They have a profile of their own (`plugin` in `Cargo.toml`), so the Worker's build and theirs do not take each other's files,
//! and flags of their own: a small stack (an instance then begins with two pages instead of seventeen), a maximum of memory,
//! and no path of this machine in panic messages, so that the same source gives the same bytes everywhere.

use crate::{failed, root, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a plugin's stack.
pub const STACK: u32 = 64 * 1024;
/// Bytes of memory that a plugin can have.
pub const MEMORY: u32 = 16 * 1024 * 1024;

/// The flags for rustc with which plugins are built.
pub fn rustflags() -> Vec<String> {
    let mut flags =
        vec![format!("-Clink-arg=-zstack-size={STACK}"), format!("-Clink-arg=--max-memory={MEMORY}")];
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let paths = [(home, "cargo"), (Some(root()), "weir")];
    flags.extend(paths.into_iter().filter_map(|(path, name)| {
        path.map(|path| format!("--remap-path-prefix={}={name}", path.display()))
    }));
    flags
}

/// The packages below `plugins/` that are plugins, by name.
pub fn packages() -> Result<Vec<String>, String> {
    let dir = root().join("plugins");
    let mut packages = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed("list", &dir))? {
        let path = entry.map_err(failed("list", &dir))?.path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if text.contains("\"cdylib\"") {
            let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
            packages.push(name.ok_or(format!("{} names no package.", path.display()))?.to_owned());
        }
    }
    packages.sort();
    Ok(packages)
}

/// Builds the plugins that ship; the directory in which each is as `NAME.wasm`.
pub fn ensure_built() -> Result<PathBuf, String> {
    build(&packages()?)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds these packages, which are plugins; the directory in which each is as `NAME.wasm`.
pub fn build(packages: &[String]) -> Result<PathBuf, String> {
    tools::ensure_wasm_target()?;
    let _lock = tools::lock("plugins")?;
    let target = target();
    let mut command = tools::cargo();
    command.args(["build", "--quiet", "--profile", "plugin", "--target", tools::WASM_TARGET, "--target-dir"]);
    command.arg(&target).env("CARGO_ENCODED_RUSTFLAGS", rustflags().join("\u{1f}"));
    for package in packages {
        command.args(["--package", package]);
    }
    tools::run(&mut command, "The build of the plugins")?;
    let built = target.join(tools::WASM_TARGET).join("plugin");
    let out = target.join("plugins");
    fs::create_dir_all(&out).map_err(failed("create", &out))?;
    for package in packages {
        let from = built.join(format!("{}.wasm", package.replace('-', "_")));
        copy_changed(&from, &out.join(format!("{package}.wasm")))?;
    }
    Ok(out)
}

/// Runs `weir-plugin`, the plugin authors' command; whether it was content.
pub fn command(args: &[String]) -> Result<bool, String> {
    let build = ["build", "--quiet", "--package", "weir-plugin-cli", "--target-dir"];
    tools::run(tools::cargo().args(build).arg(target()), "The build of weir-plugin")?;
    let program = target().join("debug").join(format!("weir-plugin{}", std::env::consts::EXE_SUFFIX));
    let status = Command::new(&program).args(args).status();
    status.map(|status| status.success()).map_err(failed("start", &program))
}

/// Copies a file unless it is there with the same contents, so that who reads it meanwhile is not disturbed.
fn copy_changed(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(failed("read", from))?;
    if fs::read(to).is_ok_and(|have| have == bytes) {
        return Ok(());
    }
    let new = to.with_extension("new");
    fs::write(&new, bytes).map_err(failed("write", &new))?;
    fs::rename(&new, to).map_err(failed("write", to))
}
