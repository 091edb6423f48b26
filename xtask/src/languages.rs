//! Builds the plugins in other languages (`plugins/other-languages/`), with compilers that are pinned and installed into the
//! checkout: AssemblyScript from npm, Zig (which compiles C, too) from PyPI.

use crate::{failed, plugins, root, say, tools};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The version of Zig's package.
const ZIG: &str = "0.15.2";

/// Compiles `plugins/other-languages/c/NAME.c`; the module.
pub fn c(name: &str) -> Result<PathBuf, String> {
    let out = out(name)?;
    let mut zig = zig()?;
    zig.current_dir(dir().join("c"))
        .args([
            "cc",
            "--target=wasm32-freestanding",
            "-mbulk-memory",
            "-Os",
            "-s",
            "-Wall",
            "-Wextra",
            "-Werror",
        ])
        .args(["-Wno-unused-function", "-nostdlib", "-Wl,--no-entry"])
        .arg(format!("-Wl,-z,stack-size={}", plugins::STACK))
        .arg(format!("-Wl,--max-memory={}", plugins::MEMORY))
        .arg("-o")
        .arg(&out)
        .arg(format!("{name}.c"));
    tools::run(&mut zig, "The build of a plugin in C")?;
    Ok(out)
}

/// Compiles `plugins/other-languages/assemblyscript/NAME.ts`; the module.
pub fn assemblyscript(name: &str) -> Result<PathBuf, String> {
    tools::ensure_npm_packages()?;
    let out = out(name)?;
    let mut asc = Command::new(tools::node_path());
    asc.current_dir(dir().join("assemblyscript"))
        .arg(root().join("node_modules/assemblyscript/bin/asc.js"))
        .arg(format!("{name}.ts"))
        .args([
            "--optimize",
            "--runtime",
            "stub",
            "--exportStart",
            "_initialize",
            "--use",
            "abort=weir/abort",
        ])
        .arg("--maximumMemory")
        .arg((plugins::MEMORY / 65_536).to_string())
        .arg("--outFile")
        .arg(&out);
    tools::run(&mut asc, "The build of a plugin in AssemblyScript")?;
    Ok(out)
}

/// Whether there is a Python that can install Zig.
pub fn has_python() -> bool {
    quiet(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

fn dir() -> PathBuf {
    root().join("plugins/other-languages")
}

fn out(name: &str) -> Result<PathBuf, String> {
    let dir = plugins::target().join("plugins");
    fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
    Ok(dir.join(format!("{name}.wasm")))
}

fn quiet(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Zig, from a virtual environment of its own.
fn zig() -> Result<Command, String> {
    let _lock = tools::lock("zig")?;
    let home = root().join(format!("target/tools/zig-{ZIG}"));
    let python = home.join("bin/python");
    let zig = || {
        let mut command = Command::new(&python);
        command.args(["-m", "ziglang"]).env("ZIG_GLOBAL_CACHE_DIR", root().join("target/tools/zig-cache"));
        command.env("ZIG_LOCAL_CACHE_DIR", root().join("target/tools/zig-cache"));
        command
    };
    if quiet(zig().arg("version")) {
        return Ok(zig());
    }
    if !has_python() {
        return Err(
            "Python 3 with its venv module was not found: install it (Debian: python3-venv) and try again."
                .into(),
        );
    }
    say(&format!("Installing Zig {ZIG} (once)"));
    let _ = fs::remove_dir_all(&home);
    tools::run(Command::new("python3").args(["-m", "venv"]).arg(&home), "`python3 -m venv`")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &format!("ziglang=={ZIG}")]);
    tools::run(&mut pip, "`pip install ziglang`")?;
    Ok(zig())
}
