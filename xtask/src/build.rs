//! Builds the Worker: compiled, bound and bundled by worker-build, with the entry that guards it against panics.
//!
//! The release build goes to `build/`, where `wrangler.toml` looks for it; the debug build to `target/worker-debug/`,
//! so that a gateway under development and the tests do not take each other's files. A build is skipped when no
//! source has changed: their contents are compared, not their times, so a fresh checkout of the same tree is current too.

use crate::{failed, plugins, root, say, tools, vars};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Worker's main module in the build directory.
pub const ENTRY: &str = "entry.mjs";
/// Where a test or benchmark finds a Worker that is already built.
pub const WORKER_DIR: &str = "WEIR_WORKER_DIR";

/// What a build is made of, below the repository's root. What is not there is not asked for.
const SOURCES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "package-lock.json",
    "core",
    "dashboard",
    "worker",
    "presets",
    "docs/openapi.json",
    "plugin-cli",
    "plugin-host",
    "plugin-sdk",
    "plugins",
];
/// What a build has at least.
const MODULES: [&str; 4] = [ENTRY, "index.js", "index_bg.wasm", plugins::CATALOG];
/// The module with what the dashboard's pages load.
const ASSETS_MODULE: &str = "assets.mjs";
const STAMP: &str = ".weir-sources";

/// Where the build of a profile goes.
pub fn build_dir(release: bool) -> PathBuf {
    root().join(if release { "build" } else { "target/worker-debug" })
}

/// Builds the Worker if a source has changed since it was built; the directory that holds it.
pub fn ensure_built(release: bool) -> Result<PathBuf, String> {
    if release {
        vars::check()?;
    }
    ensure(build_dir(release), release, &[])
}

/// The same as a release with the hooks for tests, which no release has; beside the release, for the tests that need them.
pub fn ensure_built_with_hooks() -> Result<PathBuf, String> {
    ensure(root().join("target/worker-hooks"), true, &["--features", "test-hooks"])
}

fn ensure(dir: PathBuf, release: bool, cargo: &[&str]) -> Result<PathBuf, String> {
    // By profile: worker-build takes the module from where cargo puts it, whatever its features.
    let _lock = tools::lock(if release { "build" } else { "build-debug" })?;
    let wanted = fingerprint(&root(), SOURCES)?;
    if is_current(&dir, &wanted) {
        return Ok(dir);
    }
    compile(&dir, release, cargo)?;
    if release {
        shrink(&dir)?;
    }
    write_assets(&dir)?;
    bundle(&dir)?;
    plugins::bundle(&dir)?;
    let stamp = dir.join(STAMP);
    fs::write(&stamp, wanted).map_err(failed("write", &stamp))?;
    Ok(dir)
}

/// Compiles and binds the Worker with worker-build.
fn compile(dir: &Path, release: bool, cargo: &[&str]) -> Result<(), String> {
    tools::ensure_wasm_target()?;
    let wasm_bindgen = tools::wasm_bindgen_path()?;
    let worker_build = tools::worker_build_path()?;

    say(match (release, cargo) {
        (false, _) => "Building the Worker (debug)",
        (true, []) => "Building the Worker (release)",
        (true, _) => "Building the Worker with hooks for tests",
    });
    let _ = fs::remove_file(dir.join(STAMP));
    fs::create_dir_all(dir).map_err(failed("create", dir))?;
    // worker-build is a cargo of its own kind: it starts `cargo build` and minds the same variables.
    let mut command = tools::cargo();
    command = with_program(&command, &worker_build);
    command
        .current_dir(root().join("worker"))
        .arg(if release { "--release" } else { "--dev" })
        .arg("--out-dir")
        .arg(dir)
        .env("WASM_BINDGEN_BIN", wasm_bindgen)
        .env("WASM_OPT_BIN", tools::wasm_opt_path()?)
        .env("ESBUILD_BIN", tools::esbuild_path()?);
    if !cargo.is_empty() {
        command.arg("--").args(cargo);
    }
    tools::run(&mut command, "The build of the Worker")?;

    let index = dir.join("index.js");
    let glue = fs::read_to_string(&index).map_err(failed("read", &index))?;
    if !["__worker_init_state", "criticalError"].iter().all(|name| glue.contains(name)) {
        return Err(format!(
            "The build made by worker-build {} no longer tells of panics as worker/runtime/guard.mjs expects \
             (`__worker_init_state.criticalError`): adapt the guard to it.",
            tools::WORKER_BUILD
        ));
    }
    Ok(())
}

/// Orders the functions of the module so that it compresses well, and removes what only a debugger reads.
fn shrink(dir: &Path) -> Result<(), String> {
    let wasm = dir.join("index_bg.wasm");
    // Instances of one generic function are adjacent then, and compress much better: 70 KB less.
    let mut order = Command::new(tools::wasm_opt_path()?);
    order.args(["--all-features", "--debuginfo", "--reorder-functions-by-name", "--output"]);
    order.args([&wasm, &wasm]);
    tools::run(&mut order, "wasm-opt")?;
    let whole = fs::read(&wasm).map_err(failed("read", &wasm))?;
    let small = without_names(&whole).ok_or("wasm-opt left a module that cannot be read.")?;
    fs::write(&wasm, small).map_err(failed("write", &wasm))
}

/// Bundles the Worker's own JavaScript (`worker/runtime/`) into its main module, beside the modules that the build writes.
pub fn bundle(dir: &Path) -> Result<(), String> {
    let mut esbuild = Command::new(tools::esbuild_path()?);
    esbuild.arg(root().join("worker/runtime").join(ENTRY));
    esbuild.args(["--bundle", "--format=esm", "--target=esnext", "--log-level=warning"]);
    esbuild.args(["--external:cloudflare:*", "--external:./index.js"]);
    esbuild.args([format!("--external:./{}", plugins::CATALOG), format!("--external:./{ASSETS_MODULE}")]);
    esbuild.arg(format!("--outfile={}", dir.join(ENTRY).display()));
    tools::run(&mut esbuild, "The bundle of worker/runtime")
}

/// What the dashboard's pages load: name, type, and the file.
const ASSETS: &[(&str, &str, &str)] = &[
    ("dashboard.css", "text/css; charset=utf-8", "dashboard/assets/dashboard.css"),
    ("icons.css", "text/css; charset=utf-8", "dashboard/assets/icons.css"),
    ("icon.svg", "image/svg+xml", "dashboard/assets/icon.svg"),
    ("htmx.js", "text/javascript; charset=utf-8", "node_modules/htmx.org/dist/htmx.min.js"),
];

/// Writes the dashboard's assets as a module beside the entry: they are the Worker's own, wherever it runs.
fn write_assets(dir: &Path) -> Result<(), String> {
    tools::ensure_npm_packages()?;
    let mut module = String::from("export const assets = {\n");
    let mut add = |name: &str, kind: &str, text: &str| {
        let _ = writeln!(module, "{}: {{type: {}, text: {}}},", json(name), json(kind), json(text));
    };
    for (name, kind, file) in ASSETS {
        let path = root().join(file);
        add(name, kind, &fs::read_to_string(&path).map_err(failed("read", &path))?);
    }
    add("dashboard.js", "text/javascript; charset=utf-8", &dashboard_script()?);
    module.push_str("};\n");
    let path = dir.join(ASSETS_MODULE);
    fs::write(&path, module).map_err(failed("write", &path))
}

/// The script of the dashboard's pages: the modules in `dashboard/script/` as one.
pub fn dashboard_script() -> Result<String, String> {
    let mut esbuild = Command::new(tools::esbuild_path()?);
    esbuild.arg(root().join("dashboard/script/main.mjs"));
    esbuild.args(["--bundle", "--format=iife", "--target=es2022", "--charset=utf8", "--log-level=warning"]);
    let made = esbuild.output().map_err(|error| format!("esbuild could not be started: {error}."))?;
    if !made.status.success() {
        return Err(format!(
            "The bundle of dashboard/script failed: {}",
            String::from_utf8_lossy(&made.stderr)
        ));
    }
    String::from_utf8(made.stdout).map_err(|_| "The bundle of dashboard/script is not text.".to_owned())
}

/// A string literal of JavaScript.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A wasm module without its custom sections: names of functions and of tools, which only a debugger reads. (The
/// linker cannot leave them out: wasm-bindgen needs its own.)
fn without_names(module: &[u8]) -> Option<Vec<u8>> {
    let (head, mut rest) = module.split_at_checked(8)?;
    let mut out = head.to_vec();
    while let Some(&id) = rest.first() {
        let mut length = 0usize;
        let mut at = 1;
        loop {
            let byte = *rest.get(at)?;
            length |= usize::from(byte & 0x7f).checked_shl(7 * (u32::try_from(at).ok()? - 1))?;
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (section, after) = rest.split_at_checked(at.checked_add(length)?)?;
        if id != 0 {
            out.extend_from_slice(section);
        }
        rest = after;
    }
    Some(out)
}

/// The same environment for another program.
fn with_program(command: &Command, program: &Path) -> Command {
    let mut other = Command::new(program);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

/// Whether `dir` holds a whole build of the sources that `wanted` stands for.
fn is_current(dir: &Path, wanted: &str) -> bool {
    fs::read_to_string(dir.join(STAMP)).is_ok_and(|have| have == wanted)
        && MODULES.iter().all(|file| dir.join(file).is_file())
}

/// A name for the contents of all files in `sources` below `root`.
fn fingerprint(root: &Path, sources: &[&str]) -> Result<String, String> {
    let mut files = Vec::new();
    for source in sources {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut all = String::new();
    for file in files {
        let contents = fs::read(&file).map_err(failed("read", &file))?;
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy();
        let _ = writeln!(all, "{name} {}", tools::fingerprint(&contents));
    }
    Ok(tools::fingerprint(all.as_bytes()))
}

/// All files at or below `path`, without hidden ones and build output.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if path.is_file() {
        files.push(path.to_path_buf());
    }
    if !path.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !["target", "build", "node_modules"].contains(&&*name) {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_out_and_nothing_else() {
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\0\x05\x04namX\x03\x02\x01\0";
        let small = without_names(module);
        assert_eq!(small.as_deref(), Some(&b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0"[..]));
        assert_eq!(without_names(&module[..12]), None);
    }

    #[test]
    fn a_build_is_current_until_a_source_changes_comes_or_goes() -> Result<(), String> {
        let root = crate::local::scratch("stamp")?;
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&root)).map_err(failed("create", &path))?;
            fs::write(&path, text).map_err(failed("write", &path))
        };
        let sources = &["a.toml", "src", "missing"];
        write("a.toml", "1")?;
        write("src/x.rs", "x")?;
        let first = fingerprint(&root, sources)?;

        for file in MODULES {
            assert!(!is_current(&root.join("out"), &first), "not before {file} is there");
            write(&format!("out/{STAMP}"), &first)?;
            write(&format!("out/{file}"), "")?;
        }
        assert!(is_current(&root.join("out"), &first));

        write("src/target/y.rs", "output")?;
        write("src/.hidden", "")?;
        assert_eq!(fingerprint(&root, sources)?, first, "build output and hidden files are no sources");
        write("src/x.rs", "y")?;
        let second = fingerprint(&root, sources)?;
        assert_ne!(second, first);
        assert!(!is_current(&root.join("out"), &second));
        write("src/z.rs", "")?;
        assert_ne!(fingerprint(&root, sources)?, second);
        fs::remove_dir_all(&root).map_err(failed("remove", &root))
    }
}
