//! The project's JavaScript: its types, its format, its unit tests.

use crate::{root, say, tools};
use std::process::{Command, Stdio};

/// What TypeScript checks, each with its own `tsconfig.json`. (The npm packages: `tests/tests/npm.rs`, once they are built.)
const PROJECTS: [&str; 4] = ["worker/runtime", "worker/docs", "dashboard/script", "tests/js"];
/// What prettier formats.
const FORMATTED: [&str; 7] = [
    "worker/runtime",
    "worker/docs/*.{js,ts}",
    "dashboard/script",
    "npm/**/*.{js,mjs,ts}",
    "plugin-host/**/*.mjs",
    "probe/*.mjs",
    "tests/{faults,floor,js,npm,official,sdk,seeds,v8,wrangler}/*.mjs",
];
/// The unit tests, which node runs.
const TESTS: &str = "tests/js";

/// Checks the format; part of `cargo xtask test --only fmt`.
pub fn check_format() -> Result<(), String> {
    tools::ensure_npm_packages()?;
    let mut prettier = node("prettier/bin/prettier.cjs");
    prettier.args(["--check", "--log-level=warn"]).args(FORMATTED);
    tools::run(&mut prettier, "`npx prettier --check`")
}

/// Checks the types; part of `cargo xtask test --only lint`.
pub fn check_types() -> Result<(), String> {
    tools::ensure_npm_packages()?;
    for project in PROJECTS {
        tools::run(
            node("typescript/bin/tsc").args(["--project", project]),
            &format!("`npx tsc -p {project}`"),
        )?;
    }
    Ok(())
}

/// Runs the unit tests: how many have passed and failed.
pub fn unit_tests() -> Result<(u64, u64), String> {
    tools::ensure_npm_packages()?;
    say("Unit tests of the JavaScript");
    let files = std::fs::read_dir(root().join(TESTS)).map_err(|error| format!("{TESTS}: {error}."))?;
    let files = files.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    files.sort();
    let mut command = Command::new(tools::node_path());
    command.current_dir(root()).args(["--test", "--test-reporter=tap"]).args(files);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("node could not be started: {error}."))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |word: &str| {
        text.lines().rev().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let (passed, failed) = (number("# pass "), number("# fail "));
    println!("{passed} passed, {failed} failed");
    if !output.status.success() || passed == 0 {
        println!("{text}");
    }
    if output.status.success() && passed > 0 {
        Ok((passed, failed))
    } else {
        Err(format!("{failed} JavaScript tests failed. See above."))
    }
}

/// A program among the npm packages.
fn node(program: &str) -> Command {
    let mut command = Command::new(tools::node_path());
    command.current_dir(root()).arg(root().join("node_modules").join(program));
    command
}
