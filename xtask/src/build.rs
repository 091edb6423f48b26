//! Builds the Worker: cargo compiles it, wasm-bindgen writes its JavaScript, and esbuild bundles that with
//! `worker/runtime/instance.mjs`, which replaces an instance that has stopped, and with the entry that guards it against panics.
//!
//! The release build goes to `build/`, where `wrangler.toml` looks for it; the debug build to `target/worker-debug/`,
//! so that a gateway under development and the tests do not take each other's files. A build is skipped when no
//! source has changed: their contents are compared, not their times, so a fresh checkout of the same tree is current too.

use crate::plugins::{self, Bundle};
use crate::{failed, root, say, tools, vars};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// The Worker's main module in the build directory.
pub const ENTRY: &str = "entry.mjs";
/// The classes that survive the replacement of their instance. They are bundled into `index.js`.
const INSTANCE: &str = "instance.mjs";
/// The wasm features of the module: those that rustc emits, and exceptions, by which wasm-bindgen detects a panic.
const WASM_FEATURES: [&str; 7] = [
    "bulk-memory",
    "exception-handling",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];
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
    "plugin-bundle",
    "plugin-host",
    "plugin-schema",
    "plugin-sdk",
    "plugins",
    "xtask/bindgen/Cargo.lock",
    "xtask/bindgen/src",
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

fn ensure(dir: PathBuf, release: bool, features: &'static [&str]) -> Result<PathBuf, String> {
    // By profile: cargo puts the module into the same place, whatever its features.
    let _lock = tools::lock(if release { "build" } else { "build-debug" })?;
    let wanted = fingerprint(&root(), SOURCES)?;
    if is_current(&dir, &wanted) {
        return Ok(dir);
    }

    tools::ensure_wasm_target()?;
    tools::ensure_npm_packages()?;
    say(match (release, features) {
        (false, _) => "Building the Worker (debug)",
        (true, []) => "Building the Worker (release)",
        (true, _) => "Building the Worker with hooks for tests",
    });
    let _ = fs::remove_file(dir.join(STAMP));
    fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
    let (module, plugins, wasm_bindgen) = compile_all(release, features)?;
    bind(release, &module, &wasm_bindgen, &dir)?;
    write_assets(&dir)?;
    bundle(&dir)?;
    plugins.write(&dir)?;
    let stamp = dir.join(STAMP);
    fs::write(&stamp, wanted).map_err(failed("write", &stamp))?;
    Ok(dir)
}

/// The profile of cargo that a Worker is compiled by.
fn profile(release: bool) -> &'static str {
    if release { "release" } else { "worker-dev" }
}

/// Compiles the Worker, its plugins and wasm-bindgen at the same time: each leaves cores idle on its own.
fn compile_all(release: bool, features: &'static [&str]) -> Result<(PathBuf, Bundle, PathBuf), String> {
    thread::scope(|scope| {
        let module = scope.spawn(|| compile(release, features));
        let others = (|| Ok((Bundle::build(release)?, tools::wasm_bindgen_path()?)))();
        let module = module.join().map_err(|_| "The build of the Worker stopped.".to_owned())??;
        others.map(|(plugins, wasm_bindgen): (Bundle, PathBuf)| (module, plugins, wasm_bindgen))
    })
}

/// Compiles the Worker. Returns the path of its module.
fn compile(release: bool, features: &[&str]) -> Result<PathBuf, String> {
    let target = plugins::target();
    let mut command = tools::cargo();
    command.args(["build", "--package", "weir-worker", "--lib", "--target", tools::WASM_TARGET]);
    command.args(features).args(["--profile", profile(release), "--target-dir"]).arg(&target);
    // Futures by js-sys, without a crate of their own in between.
    command.env("WASM_BINDGEN_USE_JS_SYS", "1");
    tools::run(&mut command, "The build of the Worker")?;
    Ok(target.join(tools::WASM_TARGET).join(profile(release)).join("weir_worker.wasm"))
}

/// Writes the JavaScript and the wasm that the module becomes, `index.js` and `index_bg.wasm`.
fn bind(release: bool, module: &Path, wasm_bindgen: &Path, dir: &Path) -> Result<(), String> {
    let bound = plugins::target().join("bound").join(profile(release));
    let _ = fs::remove_dir_all(&bound);
    let mut command = Command::new(wasm_bindgen);
    command.args(["--target", "module", "--no-typescript", "--out-name", "index", "--out-dir"]).arg(&bound);
    command.args(["--experimental-reset-state-function", "--force-enable-abort-handler"]).arg(module);
    tools::run(&mut command, "wasm-bindgen")?;

    let from = root().join("worker/runtime").join(INSTANCE);
    fs::copy(&from, bound.join(INSTANCE)).map_err(failed("copy", &from))?;
    let index = bound.join("bundle.js");
    let mut bundle = Command::new(tools::esbuild_path()?);
    bundle.current_dir(&bound).args(["--bundle", "--format=esm", "--minify", "--log-level=error"]);
    bundle.args(["--external:./index_bg.wasm", "--external:cloudflare:*", INSTANCE, "--outfile=bundle.js"]);
    tools::run(&mut bundle, "esbuild")?;
    let glue = fs::read_to_string(&index).map_err(failed("read", &index))?;
    if !["__worker_init_state", "criticalError"].iter().all(|name| glue.contains(name)) {
        return Err(format!(
            "The `worker` crate no longer notes panics as guard.mjs and {INSTANCE} in worker/runtime expect \
             (`__worker_init_state.criticalError`): adapt them to it."
        ));
    }
    let index = dir.join("index.js");
    // workerd has the module of an import without `source`, too.
    fs::write(&index, glue.replace("import source ", "import ")).map_err(failed("write", &index))?;
    let (from, wasm) = (bound.join("index_bg.wasm"), dir.join("index_bg.wasm"));
    if !release {
        return fs::copy(&from, &wasm).map(drop).map_err(failed("copy", &from));
    }
    let mut optimize = Command::new(tools::wasm_opt_path()?);
    optimize.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
    // Instances of one generic function are adjacent then, and compress much better: 70 KB less.
    optimize.args(["-O", "--debuginfo", "--reorder-functions-by-name"]).arg(&from).arg("--output").arg(&wasm);
    tools::run(&mut optimize, "wasm-opt")?;
    let whole = fs::read(&wasm).map_err(failed("read", &wasm))?;
    let small = without_names(&whole).ok_or("wasm-opt left a module that cannot be read.")?;
    fs::write(&wasm, small).map_err(failed("write", &wasm))
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

/// Directories in which nothing is that a build is made of.
const NO_SOURCES: [&str; 5] = ["target", "build", "node_modules", "tests", "fuzz"];

/// All files at or below `path`, without hidden ones, build output and tests.
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
        if !name.starts_with('.') && !NO_SOURCES.contains(&&*name) {
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
        write("src/tests/z.rs", "a test")?;
        assert_eq!(
            fingerprint(&root, sources)?,
            first,
            "build output, tests and hidden files are no sources"
        );
        write("src/x.rs", "y")?;
        let second = fingerprint(&root, sources)?;
        assert_ne!(second, first);
        assert!(!is_current(&root.join("out"), &second));
        write("src/z.rs", "")?;
        assert_ne!(fingerprint(&root, sources)?, second);
        fs::remove_dir_all(&root).map_err(failed("remove", &root))
    }
}
