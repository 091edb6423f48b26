//! Finds a Chromium for the browser tests, or installs one.
//!
//! Where this process may install packages (Debian and its kin, as root or by `sudo` without a password) it is the
//! system's own; elsewhere on Linux the one that the npm package `@sparticuz/chromium` carries, unpacked below `target/`.

use crate::{failed, root, say, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names a browser that is used instead of looking for one.
const OVERRIDE: &str = "WEIR_CHROMIUM";
/// What it may be called on the `PATH`, the smallest first.
const NAMES: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Where it may be besides.
const PLACES: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
/// Debian's packages: the browser without a window, and letters that its pages can be drawn with.
const PACKAGES: [&str; 2] = ["chromium-headless-shell", "fonts-dejavu-core"];
/// The npm package that carries a browser, and its version.
const CARRIER: (&str, &str) = ("@sparticuz/chromium", "153.0.0");

/// A Chromium that starts. It is looked for, and else installed, once for each process that asks.
pub fn chromium() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(OVERRIDE).map(PathBuf::from) {
        return if starts(&path) {
            Ok(path)
        } else {
            Err(format!("The Chromium in {OVERRIDE} does not start."))
        };
    }
    let _lock = tools::lock("browser")?;
    if let Some(path) = installed() {
        return Ok(path);
    }
    if install_package().is_ok()
        && let Some(path) = installed()
    {
        return Ok(path);
    }
    let carried = unpack()?;
    if starts(&carried) {
        return Ok(carried);
    }
    Err(format!(
        "No Chromium was found, and none could be installed. Install it (Debian: apt-get install {}), or name one in \
         {OVERRIDE}.",
        PACKAGES.join(" ")
    ))
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let named = NAMES.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    named.chain(PLACES.iter().map(PathBuf::from)).find(|path| path.is_file() && starts(path))
}

fn starts(path: &Path) -> bool {
    tools::output(Command::new(path).arg("--version")).is_some_and(|text| text.contains("Chrom"))
}

/// Installs Debian's Chromium; the lists of packages are fetched only where they do not lead to it.
fn install_package() -> Result<(), String> {
    let root = tools::output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    let apt = |args: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            command.args(["-n", "apt-get"]);
            command
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
        tools::run(command.args(args), "`apt-get`")
    };
    if tools::output(Command::new("apt-get").arg("--version")).is_none() {
        return Err("apt-get is not available.".into());
    }
    say("Installing Chromium (once)");
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(PACKAGES);
    apt(&install).or_else(|_| {
        apt(&["update", "-q"])?;
        apt(&install)
    })
}

/// The browser of the npm package, unpacked.
fn unpack() -> Result<PathBuf, String> {
    let dir = root().join("target/tools/chromium");
    let binary = dir.join("chromium");
    if binary.is_file() {
        return Ok(binary);
    }
    tools::ensure_npm_packages()?;
    let (name, version) = CARRIER;
    say(&format!("Installing {name} {version} (once)"));
    fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
    let manifest = dir.join("package.json");
    fs::write(&manifest, r#"{"private": true}"#).map_err(failed("write", &manifest))?;
    let mut npm = Command::new("npm");
    npm.current_dir(&dir)
        .args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .arg(format!("{name}@{version}"));
    tools::run(&mut npm, &format!("`npm install {name}`"))?;
    let mut node = Command::new(tools::node_path());
    // It unpacks into the directory for temporary files.
    node.current_dir(&dir).env("TMPDIR", &dir).stdout(Stdio::null()).args([
        "--input-type=module",
        "--eval",
        &format!("import chromium from {name:?}; await chromium.executablePath()"),
    ]);
    tools::run(&mut node, "Unpacking Chromium")?;
    Ok(binary)
}
