//! Builds the bundled plugins: every plugin crate below `plugins/`, with one cargo command, into `target/plugins/`.
//!
//! They have a profile of their own (`plugin` in `Cargo.toml`), so the Worker's build and theirs do not take each other's files,
//! and flags of their own: a small stack (an instance then begins with two pages instead of seventeen), a maximum of memory,
//! and no path of this machine in panic messages, so that the same source gives the same bytes everywhere.

use crate::{failed, root, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The module that lists the plugins which are deployed with the Worker.
pub const CATALOG: &str = "plugins.mjs";
/// The folder of plugins that are deployed with it, and the list of those of this repository.
const BUNDLED: &str = "plugins/bundled";
const SHIPPED: &str = "shipped.txt";

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

/// Whether a plugin's crate, which is named like its folder, has the standard library.
fn wants_std(package: &str) -> bool {
    let path = root().join("plugins").join(package).join("Cargo.toml");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| line.starts_with("weir-plugin = ") && line.contains("\"std\""))
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
    // Cargo gives all packages of one command the features that any of them wants: a plugin that has the standard library
    // would give it to all, and 6 KB with it.
    let (with_std, without): (Vec<&String>, Vec<&String>) = packages.iter().partition(|name| wants_std(name));
    for packages in [with_std, without].into_iter().filter(|packages| !packages.is_empty()) {
        let mut command = tools::cargo();
        command.args(["build", "--quiet", "--profile", "plugin", "--target", tools::WASM_TARGET]);
        command.arg("--target-dir").arg(&target);
        command.env("CARGO_ENCODED_RUSTFLAGS", rustflags().join("\u{1f}"));
        for package in packages {
            command.args(["--package", package]);
        }
        tools::run(&mut command, "The build of the plugins")?;
    }
    let built = target.join(tools::WASM_TARGET).join("plugin");
    let out = target.join("plugins");
    fs::create_dir_all(&out).map_err(failed("create", &out))?;
    for package in packages {
        let from = built.join(format!("{}.wasm", package.replace('-', "_")));
        copy_changed(&from, &out.join(format!("{package}.wasm")))?;
    }
    Ok(out)
}

/// Puts the plugins that are to be deployed with the Worker beside it: those that `plugins/bundled/` names or holds.
pub fn bundle(worker: &Path) -> Result<(), String> {
    let dir = root().join(BUNDLED);
    let list = dir.join(SHIPPED);
    let shipped = listed(&fs::read_to_string(&list).map_err(failed("read", &list))?);
    let known = packages()?;
    if let Some(other) = shipped.iter().find(|name| !known.contains(name)) {
        return Err(format!("{BUNDLED}/{SHIPPED} names `{other}`; there are {}.", known.join(", ")));
    }
    let mut own = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed("list", &dir))? {
        let path = entry.map_err(failed("list", &dir))?.path();
        if path.extension().is_some_and(|end| end == "wasm") {
            own.push(path);
        }
    }
    let is_own = |name: &String| own.iter().any(|path| path.file_stem().is_some_and(|stem| **name == *stem));
    let shipped: Vec<String> = shipped.into_iter().filter(|name| !is_own(name)).collect();
    let built = if shipped.is_empty() { target().join("plugins") } else { build(&shipped)? };
    let all = shipped.iter().map(|name| built.join(format!("{name}.wasm"))).chain(own);
    let mut args = vec!["bundle".to_owned(), worker.to_string_lossy().into_owned()];
    args.extend(all.map(|path| path.to_string_lossy().into_owned()));
    if command(&args)? { Ok(()) } else { Err("The plugins could not be bundled; see above.".to_owned()) }
}

/// The names in a list: one a line, what follows a `#` is for people.
fn listed(text: &str) -> Vec<String> {
    let names = text.lines().map(|line| line.split_once('#').map_or(line, |(names, _)| names).trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_name_a_line_and_room_for_remarks() {
        assert_eq!(listed("# all\nredact\n\n  filter  # by expression\n"), ["redact", "filter"]);
    }

    #[test]
    fn a_plugin_that_has_the_standard_library_is_known() {
        assert!(wants_std("json-schema") && !wants_std("redact") && !wants_std("weir-plugin-fixture"));
    }

    #[test]
    fn what_is_listed_to_be_deployed_is_there() -> Result<(), String> {
        let list = root().join(BUNDLED).join(SHIPPED);
        let names = listed(&fs::read_to_string(&list).map_err(failed("read", &list))?);
        let known = packages()?;
        assert!(names.len() >= 10 && names.iter().all(|name| known.contains(name)), "{names:?} of {known:?}");
        Ok(())
    }
}
