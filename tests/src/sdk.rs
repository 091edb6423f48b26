//! Third-party client libraries, run as published in their registries.
//!
//! The scripts are in `tests/sdk/`. They get `WEIR_URL`, `WEIR_TOKEN` and whatever a test adds in their environment,
//! and print one JSON object a line. The npm packages are those of the repository's `package.json`; the Python
//! packages, one virtual environment a version, are below the target directory.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What a script has printed.
#[derive(Debug)]
pub struct Run {
    /// One value a line of the standard output.
    pub lines: Vec<Value>,
    /// Everything else it said.
    pub noise: String,
    /// Whether it ended well.
    pub ok: bool,
}

impl Run {
    /// The last line that has this field, as its value.
    #[track_caller]
    pub fn value(&self, field: &str) -> &Value {
        let found = self.lines.iter().rev().find_map(|line| line.get(field));
        found.unwrap_or_else(|| panic!("no {field} in {:?}\n{}", self.lines, self.noise))
    }

    /// Asserts that the script ended well.
    #[track_caller]
    pub fn assert_ok(&self) -> &Self {
        assert!(self.ok, "the script failed after {:?}\n{}", self.lines, self.noise);
        self
    }
}

/// Whether this is CI, where nothing is skipped for want of a tool.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"))
}

/// Runs a JavaScript module of `tests/sdk/`.
///
/// A name may lead to a directory beside it.
#[track_caller]
pub fn node(name: &str, env: &[(&str, &str)]) -> Run {
    npm_package("svix");
    run(Command::new(xtask::tools::node_path()).arg("--no-warnings").arg(script(name)), env)
}

/// Runs a Python script of `tests/sdk/` with this package (`svix==2.9.1`); `None` where there is no Python 3
/// on the machine, which only a developer's may do: in CI (where `CI` is set) it fails.
#[track_caller]
pub fn python(package: &str, name: &str, env: &[(&str, &str)]) -> Option<Run> {
    let venv = venv(package)?;
    Some(run(Command::new(venv.join("bin/python")).arg(script(name)), env))
}

/// The directory of an npm package, installed on the first call.
#[track_caller]
pub fn npm_package(name: &str) -> PathBuf {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| xtask::tools::ensure_npm_packages().unwrap_or_else(|error| panic!("{error}")));
    xtask::root().join("node_modules").join(name)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(name)
}

fn venv(package: &str) -> Option<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !quiet(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        assert!(
            !in_ci(),
            "CI tests the Python SDKs: install python3 with its venv module (Debian: python3-venv)"
        );
        return None;
    }
    let module = package.split("==").next().unwrap_or(package);
    let dir = crate::gateway::target().join(format!("python-{}", package.replace("==", "-")));
    if !quiet(Command::new(dir.join("bin/python")).args(["-c", &format!("import {module}")])) {
        let _ = std::fs::remove_dir_all(&dir);
        must(Command::new("python3").args(["-m", "venv"]).arg(&dir), "python3 -m venv");
        must(Command::new(dir.join("bin/python")).args(["-m", "pip", "install", "--quiet", package]), "pip");
    }
    Some(dir)
}

#[track_caller]
fn must(command: &mut Command, what: &str) {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{what} failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{what} could not be run: {error}"),
    }
}

#[track_caller]
fn run(command: &mut Command, env: &[(&str, &str)]) -> Run {
    let output = command
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{} could not be run: {error}", command.get_program().display()));
    let mut noise = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Ok(value) = serde_json::from_str(line) {
            lines.push(value);
        } else {
            noise.push_str(line);
            noise.push('\n');
        }
    }
    Run { lines, noise, ok: output.status.success() }
}

/// Runs a script of `tests/official/` beside the providers' own libraries, which are installed on the first call.
///
/// They have a place of their own below the target directory: nobody else needs them.
#[track_caller]
pub fn official(script: &str, env: &[(&str, &str)]) -> Run {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("official");
    let to = crate::gateway::target().join("official-libraries");
    let must_read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let lock = must_read(&from.join("package-lock.json"));
    let stamp = to.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        copy(&from, &to, script);
    } else {
        std::fs::create_dir_all(&to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        let _ = std::fs::remove_file(&stamp);
        for file in ["package.json", "package-lock.json", script] {
            copy(&from, &to, file);
        }
        let mut npm = Command::new("npm");
        npm.current_dir(&to).args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
        must(&mut npm, "npm install");
        std::fs::write(&stamp, lock).unwrap_or_else(|error| panic!("{}: {error}", stamp.display()));
    }
    run(Command::new(xtask::tools::node_path()).arg("--no-warnings").arg(to.join(script)), env)
}

#[track_caller]
fn copy(from: &Path, to: &Path, file: &str) {
    let copied = std::fs::copy(from.join(file), to.join(file));
    copied.unwrap_or_else(|error| panic!("{file}: {error}"));
}
