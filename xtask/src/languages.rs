//! Builds the plugins in other languages (`plugins/other-languages/`), with compilers that are pinned and installed into the
//! checkout: AssemblyScript from npm, Zig (which compiles C, too) from PyPI. The commands are those of the guide, so what the
//! guide says works.

use crate::{failed, plugins, root, say, tools};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version of Zig's package.
const ZIG: &str = "0.15.2";

/// Compiles a plugin in C by the command that the guide gives, with warnings that are errors; the module.
pub fn c(source: &Path) -> Result<PathBuf, String> {
    let strict = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"];
    as_told("zig cc", "region", source, &strict)
}

/// Compiles a plugin in Zig by the command that the guide gives; the module.
pub fn zig(source: &Path) -> Result<PathBuf, String> {
    as_told("zig build-exe", "empty", source, &[])
}

/// Runs the guide's command that begins so, on another source than the one that it names, with more arguments.
fn as_told(begins: &str, named: &str, source: &Path, more: &[&str]) -> Result<PathBuf, String> {
    let (folder, name) = (source.parent().unwrap_or(source), source.file_stem().unwrap_or_default());
    let out = out(&name.to_string_lossy())?;
    let guide = dir().join("README.md");
    let text = fs::read_to_string(&guide).map_err(failed("read", &guide))?;
    let command =
        told(&text, begins).ok_or(format!("The guide has no command that begins with `{begins}`."))?;
    let mut compiler = compiler()?;
    compiler.current_dir(folder);
    for word in command.split_whitespace().skip(1) {
        match word.split_once(named) {
            Some((before, ".wasm")) => compiler.arg(format!("{before}{}", out.display())),
            Some(("", _)) => compiler.arg(source),
            _ => compiler.arg(word),
        };
    }
    tools::run(compiler.args(more), "The build of a plugin in another language")?;
    Ok(out)
}

/// Compiles `plugins/other-languages/assemblyscript/greeting.ts` as its `npm run build` does; the module.
pub fn assemblyscript() -> Result<PathBuf, String> {
    tools::ensure_npm_packages()?;
    let out = out("greeting")?;
    let package = dir().join("assemblyscript/package.json");
    let text = fs::read_to_string(&package).map_err(failed("read", &package))?;
    let read: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}.", package.display()))?;
    let command = read["scripts"]["build"].as_str().unwrap_or_default();
    let Some(arguments) = command.strip_prefix("asc ") else {
        return Err(format!("{} has no script `build` that runs asc.", package.display()));
    };
    let mut asc = Command::new(tools::node_path());
    asc.current_dir(dir().join("assemblyscript")).arg(root().join("node_modules/assemblyscript/bin/asc.js"));
    asc.args(arguments.split_whitespace().map(|word| match word {
        "greeting.wasm" => out.as_os_str().to_owned(),
        word => word.into(),
    }));
    tools::run(&mut asc, "The build of a plugin in AssemblyScript")?;
    Ok(out)
}

/// A command of a guide, on one line: the one that begins so.
fn told(guide: &str, begins: &str) -> Option<String> {
    let from = guide.lines().skip_while(|line| !line.starts_with(begins));
    let mut command = String::new();
    for line in from {
        match line.strip_suffix('\\') {
            Some(part) => command.push_str(part),
            None => return Some(command + line),
        }
    }
    None
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
fn compiler() -> Result<Command, String> {
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
            "Python 3 with its venv module was not found. Install it (Debian: python3-venv) and try again."
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_a_guide_may_have_several_lines() {
        let guide = "Text\n```sh\nzig cc -a \\\n    -b -o x\nother\n```\n";
        assert_eq!(told(guide, "zig cc").as_deref(), Some("zig cc -a     -b -o x"));
        assert_eq!(told(guide, "other").as_deref(), Some("other"));
        assert_eq!((told(guide, "clang"), told("open \\", "open")), (None, None));
    }

    #[test]
    fn the_guides_flags_are_those_of_the_shipped_plugins_and_its_packages_those_that_are_installed() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let guide = read("plugins/other-languages/README.md");
        let (c, zig) = (told(&guide, "zig cc").unwrap(), told(&guide, "zig build-exe").unwrap());
        let package = read("plugins/other-languages/assemblyscript/package.json");
        for (flag, command) in [
            (format!("-Wl,-z,stack-size={} ", plugins::STACK), &c),
            (format!("-Wl,--max-memory={} ", plugins::MEMORY), &c),
            (format!("--stack {} ", plugins::STACK), &zig),
            (format!("--max-memory={} ", plugins::MEMORY), &zig),
            (format!("--maximumMemory {}\"", plugins::MEMORY / 65_536), &package),
        ] {
            assert!(command.contains(&flag), "{flag} in {command}");
        }
        assert!(guide.contains(&format!("ziglang=={ZIG}")));
        let version = |text: &str| {
            let read: Value = serde_json::from_str(text).unwrap();
            read["devDependencies"]["assemblyscript"].clone()
        };
        assert!(version(&package).is_string());
        assert_eq!(version(&package), version(&read("package.json")));
    }
}
