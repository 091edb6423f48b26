//! Spelling, in every text file that git knows: `.typos.toml` says what is excluded. American, as in the glossary.

use crate::{failed, languages, root, say, tools};
use std::fs;
use std::process::{Command, Stdio};

/// The speller: its wheel holds a program for every system, and needs no network after that.
const TYPOS: &str = "1.52.0";

/// Checks the spelling. Without Python it is skipped, except in CI.
pub fn check() -> Result<(), String> {
    if !languages::has_python() {
        let missing = "Python 3 with its venv module was not found: install it (Debian: python3-venv).";
        if std::env::var_os("CI").is_some() {
            return Err(missing.to_owned());
        }
        say(&format!("Spelling is not checked. {missing}"));
        return Ok(());
    }
    let mut typos = speller()?;
    tools::run(typos.current_dir(root()).args(["--format", "brief"]), "`typos`")
}

fn speller() -> Result<Command, String> {
    let _lock = tools::lock("typos")?;
    let home = root().join(format!("target/tools/typos-{TYPOS}"));
    let program = home.join("bin/typos");
    let version = Command::new(&program).arg("--version").stderr(Stdio::null()).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(Command::new(program));
    }
    say(&format!("Installing typos {TYPOS} (once)"));
    if home.exists() {
        fs::remove_dir_all(&home).map_err(failed("remove", &home))?;
    }
    tools::run(Command::new("python3").args(["-m", "venv"]).arg(&home), "`python3 -m venv`")?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &format!("typos=={TYPOS}")]);
    tools::run(&mut pip, "`pip install typos`")?;
    Ok(Command::new(program))
}
