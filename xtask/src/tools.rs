//! Finds the tools that the build and the local gateway need, and installs what is missing.
//!
//! Versions are pinned: npm packages by `package.json` and its lock file, the tools from the Rust crate registry
//! here and in `Cargo.lock`. Nothing is installed outside the checkout (`node_modules/`, `target/`), except the
//! wasm32 target and the components that rustup keeps with the toolchain.

use crate::{failed, root, say};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version of everything that is released.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of worker-build; the same as the `worker` crate's, whose internals it knows.
pub const WORKER_BUILD: &str = "0.8.7";
/// The target that Workers are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// The oldest Node that the tools run on.
const NODE_MAJOR: u32 = 20;

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A cargo command for the checkout, without the variables that an outer `cargo run` has set for this program.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let leaked = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        });
        if leaked {
            command.env_remove(name);
        }
    }
    command
}

/// The same of another toolchain, with the wasm32 target, if rustup has it or can install it.
pub fn cargo_of(toolchain: &str) -> Option<Command> {
    let rustc = || {
        output(Command::new("rustup").args([
            "run",
            toolchain,
            "rustc",
            "--print",
            "target-libdir",
            "--target",
            WASM_TARGET,
        ]))
        .is_some_and(|dir| Path::new(&dir).is_dir())
    };
    if !rustc() {
        say(&format!("Installing Rust {toolchain}"));
        let install = ["toolchain", "install", toolchain, "--profile", "minimal", "--target", WASM_TARGET];
        let _ = Command::new("rustup").args(install).arg("--no-self-update").status();
        if !rustc() {
            return None;
        }
    }
    let mut command = Command::new("rustup");
    command.current_dir(root()).args(["run", toolchain, "cargo"]);
    // Files of another compiler stay by themselves.
    command.env("CARGO_TARGET_DIR", root().join("target").join(format!("rust-{toolchain}")));
    Some(command)
}

/// Runs a command to its end, its output going where ours goes; `what` is told when it fails.
pub fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed ({status}); its output is above.")),
        Err(error) => Err(format!("{what} failed: `{program}` could not be started: {error}.")),
    }
}

/// What a command prints, if it can be run and succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Holds other processes of this checkout off while something shared is installed or built.
pub(crate) fn lock(name: &str) -> Result<File, String> {
    let dir = root().join("target");
    fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
    let path = dir.join(format!("{name}.lock"));
    let file = File::create(&path).map_err(failed("create", &path))?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(file)
}

/// Makes sure that the toolchain compiles for wasm32.
pub fn ensure_wasm_target() -> Result<(), String> {
    let has_target = || {
        output(Command::new("rustc").current_dir(root()).args([
            "--print",
            "target-libdir",
            "--target",
            WASM_TARGET,
        ]))
        .is_some_and(|dir| Path::new(&dir).is_dir())
    };
    if has_target() {
        return Ok(());
    }
    say("Adding the wasm32 target to the Rust toolchain");
    let added = Command::new("rustup").current_dir(root()).args(["target", "add", WASM_TARGET]).status();
    if added.is_ok_and(|status| status.success()) && has_target() {
        return Ok(());
    }
    Err(format!(
        "The Rust toolchain has no {WASM_TARGET} target, and `rustup target add {WASM_TARGET}` could not add it. \
         Check that rustup is installed and reaches its server, or install the target by your system's packages."
    ))
}

/// Makes sure that rustfmt and clippy are there.
pub fn ensure_components() -> Result<(), String> {
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if output(Command::new(program).current_dir(root()).arg("--version")).is_some() {
            continue;
        }
        say(&format!("Adding {component} to the Rust toolchain"));
        run(
            Command::new("rustup").current_dir(root()).args(["component", "add", component]),
            &format!("`rustup component add {component}`"),
        )?;
    }
    Ok(())
}

/// Makes sure that `node_modules/` is what `package-lock.json` says.
pub fn ensure_npm_packages() -> Result<(), String> {
    let _lock = lock("npm")?;
    let root = root();
    let path = root.join("package-lock.json");
    let wanted = fingerprint(&fs::read(&path).map_err(failed("read", &path))?);
    let stamp = root.join("node_modules/.weir-lock");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    let node = output(Command::new("node").arg("--version")).ok_or_else(|| {
        format!("Node.js was not found: install Node {NODE_MAJOR} or newer, with npm, and try again.")
    })?;
    if major(&node).is_none_or(|major| major < NODE_MAJOR) {
        return Err(format!("Node is {node}: install Node {NODE_MAJOR} or newer and try again."));
    }
    if output(Command::new("npm").arg("--version")).is_none() {
        return Err("npm was not found: install it (it comes with Node.js) and try again.".into());
    }
    say("Installing the npm packages (workerd, wrangler, esbuild, binaryen)");
    run(
        Command::new("npm").current_dir(&root).args([
            // Not `ci`, which refuses a lock file that lacks another system's optional packages.
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]),
        "`npm install`",
    )?;
    fs::write(&stamp, wanted).map_err(failed("write", &stamp))
}

/// The workerd binary that npm installed, without the JavaScript wrapper around it.
pub fn workerd_path() -> Result<PathBuf, String> {
    ensure_npm_packages()?;
    platform_binary("workerd", "@cloudflare")
}

/// The esbuild binary that npm installed.
pub fn esbuild_path() -> Result<PathBuf, String> {
    ensure_npm_packages()?;
    platform_binary("esbuild", "@esbuild")
}

/// wasm-opt, from binaryen's npm package.
pub fn wasm_opt_path() -> Result<PathBuf, String> {
    ensure_npm_packages()?;
    Ok(root().join("node_modules/.bin/wasm-opt"))
}

/// A Node that every tool here runs on: the one among the npm packages, else the system's.
pub fn node_path() -> PathBuf {
    let own = root().join("node_modules/.bin/node");
    if own.exists() { own } else { PathBuf::from("node") }
}

/// Finds `bin/NAME` in whichever of the platform packages npm has chosen for this machine.
fn platform_binary(name: &str, scope: &str) -> Result<PathBuf, String> {
    let modules = root().join("node_modules");
    let packages = fs::read_dir(modules.join(scope)).into_iter().flatten().flatten();
    packages.map(|package| package.path().join("bin").join(name)).find(|path| path.is_file()).ok_or_else(
        || {
            format!(
                "npm installed no `{name}` for this machine ({} {}). Remove node_modules and try again; \
             if it stays so, the package has no binary for this platform.",
                std::env::consts::OS,
                std::env::consts::ARCH
            )
        },
    )
}

/// worker-build, installed under `target/tools` if it is not there.
pub fn worker_build_path() -> Result<PathBuf, String> {
    // It mostly waits for the programs that it starts.
    cargo_tool("worker-build", "worker-build", WORKER_BUILD, "0")
}

/// wasm-bindgen, in exactly the version of the library in `Cargo.lock`, as it demands.
pub fn wasm_bindgen_path() -> Result<PathBuf, String> {
    let path = root().join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let version = locked_version(&text, "wasm-bindgen")
        .ok_or("Cargo.lock names no wasm-bindgen: run `cargo update --workspace` and try again.")?;
    cargo_tool("wasm-bindgen-cli", "wasm-bindgen", &version, "1")
}

fn cargo_tool(package: &str, binary: &str, version: &str, opt_level: &str) -> Result<PathBuf, String> {
    let _lock = lock("tools")?;
    let home = root().join("target/tools");
    let path = home.join("bin").join(format!("{binary}{}", std::env::consts::EXE_SUFFIX));
    let current = output(Command::new(&path).arg("--version"))
        .is_some_and(|text| text.split_whitespace().any(|word| word == version));
    if current {
        return Ok(path);
    }
    say(&format!("Installing {package} {version} (once; it takes minutes)"));
    let work = home.join("build");
    let mut install = cargo();
    install
        .args(["install", package, "--version", version, "--locked", "--force", "--root"])
        .arg(&home)
        // Where an interrupted installation finds what it had done.
        .arg("--target-dir")
        .arg(&work)
        // No more optimized than pays in seconds: what counts is how soon they are there.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    run(&mut install, &format!("`cargo install {package}`"))?;
    let _ = fs::remove_dir_all(work);
    Ok(path)
}

/// The version of a package in the text of a `Cargo.lock`.
pub fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name)?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

/// A short name for some contents: equal contents have equal names.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The major version in what `node --version` prints.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "\
[[package]]
name = \"wasm-bindgen-macro\"
version = \"0.2.1\"

[[package]]
name = \"wasm-bindgen\"
version = \"0.2.129\"
source = \"registry\"
";

    #[test]
    fn a_locked_version_is_that_of_exactly_this_package() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen").as_deref(), Some("0.2.129"));
        assert_eq!(locked_version(LOCK, "wasm-bindgen-macro").as_deref(), Some("0.2.1"));
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }

    #[test]
    fn node_tells_its_major_version() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("nonsense"), None);
    }
}
