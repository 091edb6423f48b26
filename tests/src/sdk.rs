//! Other people's client libraries, run as they come from their registries.
//!
//! The scripts are in `tests/sdk/`. They are staged with their packages below the target directory, once; they get
//! `WEIR_URL`, `WEIR_TOKEN` and whatever a test adds in their environment, and print one JSON object a line. What
//! they verify comes from the environment too, so a script needs no server of its own.

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

/// Runs a JavaScript module of `tests/sdk/`.
#[track_caller]
pub fn node(script: &str, env: &[(&str, &str)]) -> Run {
    let dir = packages();
    let node = node_bin();
    run(Command::new(node).arg("--no-warnings").arg(dir.join(script)), env)
}

/// Runs a Python script of `tests/sdk/` with this version of the `svix` package; `None` where there is no Python 3
/// on the machine.
#[track_caller]
pub fn python(version: &str, script: &str, env: &[(&str, &str)]) -> Option<Run> {
    let venv = venv(version)?;
    Some(run(Command::new(venv.join("bin/python")).arg(stage().join(script)), env))
}

/// Where the npm packages of the scripts are, installed on the first call.
#[track_caller]
pub fn packages() -> PathBuf {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY
        .get_or_init(|| {
            let dir = stage();
            let lock = std::fs::read_to_string(dir.join("package-lock.json")).expect("package-lock.json");
            let stamp = dir.join("node_modules/.installed");
            if std::fs::read_to_string(&stamp).ok().as_deref() != Some(&lock) {
                // npm lies beside node where both come from one archive, or elsewhere on the path.
                let beside = node_bin().with_file_name("npm");
                let npm = if beside.is_file() { beside } else { PathBuf::from("npm") };
                // Their engines field asks for a newer Node than they need: the SDK tests show that they work.
                let mut command = Command::new(npm);
                command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
                must(command.current_dir(&dir), "npm ci");
                std::fs::write(&stamp, lock).expect("a stamp in node_modules");
            }
            dir
        })
        .clone()
}

fn node_bin() -> PathBuf {
    xtask::tools::node_bin().unwrap_or_else(|error| panic!("{error}"))
}

/// A copy of `tests/sdk/` below the target directory, so that no package lands in the source tree.
fn stage() -> PathBuf {
    static STAGED: OnceLock<PathBuf> = OnceLock::new();
    STAGED
        .get_or_init(|| {
            let dir = crate::gateway::target().join("sdk");
            std::fs::create_dir_all(&dir).expect("a directory for the scripts");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk");
            for entry in std::fs::read_dir(&source).expect("tests/sdk") {
                let path = entry.expect("an entry of tests/sdk").path();
                if path.is_file() {
                    std::fs::copy(&path, dir.join(path.file_name().unwrap_or_default())).expect("a copy");
                }
            }
            dir
        })
        .clone()
}

fn venv(version: &str) -> Option<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !quiet(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        return None;
    }
    let dir = crate::gateway::target().join("sdk").join(format!("venv-{version}"));
    if !quiet(Command::new(dir.join("bin/python")).args(["-c", "import svix"])) {
        let _ = std::fs::remove_dir_all(&dir);
        must(Command::new("python3").args(["-m", "venv"]).arg(&dir), "python3 -m venv");
        let package = format!("svix=={version}");
        must(Command::new(dir.join("bin/python")).args(["-m", "pip", "install", "--quiet", &package]), "pip");
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
