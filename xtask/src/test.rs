//! `cargo xtask test`: everything that CI runs, from a clean checkout, in one go.
//!
//! The steps stop at the first that fails. The last line counts the tests of all `cargo test` runs, a step that fails in
//! another way as one failed test, so that the line never looks better than the run was.

use crate::{build, failed, js, lint, local, root, say, supply, tools};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How many tests have passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

type Step = fn(&mut Count) -> Result<(), String>;

/// The parts, in their order: the quick ones first.
const PARTS: [(&str, &str, Step); 8] = [
    ("fmt", "Formatting", fmt),
    ("supply", "Licenses, duplicates and sources of dependencies", |_| supply::check()),
    ("lint", "Lints, documentation, features, spelling", |_| lint::all()),
    ("msrv", "The oldest supported Rust", msrv),
    ("unit", "Unit tests and simulation", unit),
    ("build", "Build of the Worker", |_| build::ensure_built(true).map(|_| ())),
    ("e2e", "End-to-end tests on workerd", e2e),
    ("deploy", "Bundle for Cloudflare (wrangler deploy --dry-run)", deploy),
];

/// What is not part of everything: a part of it that takes less than two minutes, for while one works.
const EXTRA: [(&str, &str, Step); 1] =
    [("quick", "Formatting, unit tests of the core, a short simulation", quick)];

/// Runs all parts or one; whether everything passed.
pub fn run(only: Option<&str>) -> Result<bool, String> {
    let chosen: Vec<(&str, &str, Step)> = match only {
        None => PARTS.to_vec(),
        Some(only) => PARTS.into_iter().chain(EXTRA).filter(|(part, ..)| *part == only).collect(),
    };
    if let (Some(only), true) = (only, chosen.is_empty()) {
        let parts: Vec<&str> = PARTS.iter().chain(&EXTRA).map(|(part, ..)| *part).collect();
        return Err(format!("Unknown stage: `{only}`. The stages are {}.", parts.join(", ")));
    }
    let mut count = Count::default();
    let mut lines = Vec::new();
    for (part, title, step) in chosen {
        say(title);
        let start = Instant::now();
        let mut tests = Count::default();
        let result = step(&mut tests);
        if result.is_err() && tests.failed == 0 {
            tests.failed = 1;
        }
        count += tests;
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) if tests.passed > 0 => {
                lines.push(format!("  ok      {title} ({} passed, {seconds:.0} s)", tests.passed));
            }
            Ok(()) => lines.push(format!("  ok      {title} ({seconds:.0} s)")),
            Err(error) => {
                lines.push(format!("  FAILED  {title} ({seconds:.0} s): {error}"));
                lines.push(format!("          again: cargo xtask test --only {part}"));
                break;
            }
        }
    }
    println!("\n{}\n\n{} passed, {} failed", lines.join("\n"), count.passed, count.failed);
    Ok(count.failed == 0)
}

fn fmt(_: &mut Count) -> Result<(), String> {
    tools::ensure_components()?;
    tools::run(tools::cargo().args(["fmt", "--all", "--check"]), "`cargo fmt --all --check`")?;
    js::check_format()
}

/// Checks the workspace with the oldest supported Rust, `rust-version` in `Cargo.toml`. Where that toolchain is not
/// installed and cannot be, there is nothing to check with: the part says so and passes, and the workflow on GitHub,
/// which can install it, has the last word.
fn msrv(_: &mut Count) -> Result<(), String> {
    let path = root().join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let version = rust_version(&manifest).ok_or("Cargo.toml names no rust-version.")?;
    let toolchain = format!("{version}.0");
    let Some(mut check) = tools::cargo_of(&toolchain) else {
        println!("Rust {toolchain} is not installed and cannot be installed, so nothing was checked.");
        return Ok(());
    };
    check.args(["check", "--locked", "--workspace", "--exclude=weir-worker"]);
    check.args(TESTS_ALONE.map(|package| format!("--exclude={package}")));
    tools::run(&mut check, &format!("`cargo check` by Rust {toolchain}"))?;
    let Some(mut check) = tools::cargo_of(&toolchain) else { return Ok(()) };
    check.args(["check", "--locked", "--package=weir-worker", "--target", tools::WASM_TARGET]);
    tools::run(&mut check, &format!("`cargo check` of the Worker by Rust {toolchain}"))
}

/// The packages that only test, whose dependencies (wasmtime) may ask for a newer Rust.
const TESTS_ALONE: [&str; 2] = ["weir-tests", "weir-plugins-tests"];

/// The `rust-version` in the text of a `Cargo.toml`.
fn rust_version(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

/// How many seeds a short simulation takes.
const QUICK_SEEDS: &str = "500";

fn quick(count: &mut Count) -> Result<(), String> {
    fmt(count)?;
    cargo_test(&["--package=weir-core", "--lib"], count)?;
    let simulation = ["--package=weir-tests", "--test=sim", "every_rule_holds_whatever_fails"];
    cargo_test_with(&simulation, &[("WEIR_SIM_SEEDS", QUICK_SEEDS)], count)
}

fn unit(count: &mut Count) -> Result<(), String> {
    let (passed, failed) = js::unit_tests()?;
    *count += Count { passed, failed };
    cargo_test(&["--workspace", "--exclude=weir-worker", "--exclude=weir-tests"], count)?;
    cargo_test(&["--package=weir-tests", "--lib", "--bins"], count)
}

fn e2e(count: &mut Count) -> Result<(), String> {
    build::ensure_built(true)?;
    tools::ensure_npm_packages()?;
    cargo_test(&["--package=weir-tests", "--test=*"], count)
}

/// Bundles as `wrangler deploy` does, its build command included (which finds the build done); the probe, too.
fn deploy(_: &mut Count) -> Result<(), String> {
    build::ensure_built(true)?;
    tools::ensure_npm_packages()?;
    let dir = local::scratch("deploy")?;
    for config in ["wrangler.toml", "probe/wrangler.toml"] {
        let mut command = Command::new(tools::node_path());
        command
            .current_dir(root())
            .arg("node_modules/wrangler/bin/wrangler.js")
            .args(["deploy", "--dry-run", "--config", config, "--outdir"])
            .arg(dir.join("bundle").join(config))
            // wrangler keeps logs and settings in the user's home otherwise.
            .env("XDG_CONFIG_HOME", dir.join("config"))
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CI", "true");
        tools::run(&mut command, &format!("`wrangler deploy --dry-run --config {config}`"))?;
    }
    fs::remove_dir_all(&dir).map_err(failed("remove", &dir))?;
    check_size()
}

/// The most bytes, compressed, that the Worker may have: 2.5 MiB. Plugins that are deployed with it are beside that.
const MAX_GZIP: u64 = 5 << 19;
/// What the Worker itself is.
const OWN_FILES: [&str; 6] =
    ["index_bg.wasm", "index.js", "entry.mjs", "assets.mjs", "plugins.mjs", "transcribe.mjs"];

/// Counts what of the Worker is uploaded, as Cloudflare does: each file compressed.
fn check_size() -> Result<(), String> {
    const COUNT: &str = "const fs = require('fs'), zlib = require('zlib'); \
        console.log(process.argv.slice(1).reduce((n, f) => n + zlib.gzipSync(fs.readFileSync(f), {level: 9}).length, 0))";
    let dir = build::build_dir(true);
    let mut command = Command::new(tools::node_path());
    command.args(["-e", COUNT]).args(OWN_FILES.map(|name| dir.join(name)));
    let counted = command.output().map_err(|error| format!("node could not be started: {error}."))?;
    let text = String::from_utf8_lossy(&counted.stdout);
    let bytes: u64 =
        text.trim().parse().map_err(|_| "The size of the Worker could not be measured.".to_owned())?;
    println!("The Worker has {bytes} bytes compressed. The limit is {MAX_GZIP}.");
    if bytes > MAX_GZIP {
        Err(format!("The Worker is {bytes} bytes, compressed: more than {MAX_GZIP}."))
    } else {
        Ok(())
    }
}

/// Runs `cargo test` with `args`, passing its output on and counting its tests.
fn cargo_test(args: &[&str], count: &mut Count) -> Result<(), String> {
    cargo_test_with(args, &[], count)
}

/// The same with variables of the environment.
fn cargo_test_with(args: &[&str], vars: &[(&str, &str)], count: &mut Count) -> Result<(), String> {
    let mut command = tools::cargo();
    command.args(["test", "--no-fail-fast"]).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    command.envs(vars.iter().copied());
    if let Some(seed) = property_seed() {
        println!("Property tests: {PROPERTY_SEED}={seed}");
        command.env(PROPERTY_SEED, seed);
    }
    command.env(build::WORKER_DIR, build::build_dir(true));
    let mut child =
        command.spawn().map_err(|error| format!("`cargo test` could not be started: {error}."))?;
    let mut tests = Count::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            tests += result(&line).unwrap_or_default();
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("`cargo test` could not be waited for: {error}."))?;
    *count += tests;
    match (status.success(), tests.failed) {
        (true, _) => Ok(()),
        (false, 0) => Err(format!("`cargo test` exited before all tests had run ({status}). See above.")),
        (false, failed) => Err(format!("{failed} of {} tests failed; see above.", tests.passed + failed)),
    }
}

/// The variable that proptest reads its seed from.
const PROPERTY_SEED: &str = "PROPTEST_RNG_SEED";

/// The seed of the property tests: the one that is set, else one derived from the commit. Each commit tries new inputs, and
/// a run of the same commit repeats them. Without git they are random.
fn property_seed() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output().ok();
    let commit = output.filter(|output| output.status.success()).map(|output| output.stdout);
    std::env::var(PROPERTY_SEED).ok().or_else(|| seed_of(&String::from_utf8(commit?).ok()?))
}

/// The first 15 digits of a commit's hash as a number.
fn seed_of(commit: &str) -> Option<String> {
    u64::from_str_radix(commit.get(..15)?, 16).ok().map(|seed| seed.to_string())
}

/// The numbers in a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
fn result(line: &str) -> Option<Count> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        numbers.split("; ").find_map(|part| part.strip_suffix(word)?.trim_end().parse::<u64>().ok())
    };
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_the_lines_of_cargo_test() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(result(line), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(result("test result_is_read ... ok"), None);
        assert_eq!(result("running 12 tests"), None);
    }

    #[test]
    fn an_unknown_part_is_refused_with_the_parts_there_are() {
        let error = run(Some("nonsense")).err().unwrap_or_default();
        assert!(error.contains("fmt, supply, lint, msrv, unit, build, e2e, deploy, quick"), "{error}");
    }

    #[test]
    fn each_commit_has_its_own_seed_for_property_tests() {
        assert_eq!(seed_of("00000000000000f5cfaeb27872af9bbb2c0ad5d1\n"), Some("15".to_owned()));
        assert_eq!(seed_of("main"), None);
    }

    #[test]
    fn the_oldest_rust_is_the_manifests() {
        assert_eq!(rust_version("[workspace.package]\nrust-version = \"1.91\"\n"), Some("1.91"));
        assert_eq!(rust_version("rust-version.workspace = true"), None);
    }
}
