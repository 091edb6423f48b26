//! `cargo xtask bench`: runs the benchmarks on an optimized build.

use crate::{build, failed, local, plugins, root, tools};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Builds the Worker and runs the benchmarks with `args`; their JSON lines go to stdout.
pub fn run(args: &[String]) -> Result<(), String> {
    if args.first().is_some_and(|name| name == "plugins") {
        engines()?;
    }
    let worker = build::ensure_built(true)?;
    tools::ensure_npm_packages()?;
    let mut command = tools::cargo();
    command
        .args(["run", "--quiet", "--profile=sim", "--package=weir-tests", "--bin=bench", "--"])
        .args(args)
        .env(build::WORKER_DIR, worker);
    tools::run(&mut command, "The benchmark")
}

/// Builds the Worker and prints what a delivery costs on Cloudflare; see `tests/src/bill.rs`.
pub fn bill(args: &[String]) -> Result<(), String> {
    let worker = build::ensure_built(true)?;
    tools::ensure_npm_packages()?;
    let mut command = tools::cargo();
    command
        .args(["run", "--quiet", "--profile=sim", "--package=weir-tests", "--bin=bench", "--", "bill"])
        .args(args)
        .env(build::WORKER_DIR, worker);
    tools::run(&mut command, "The bill")
}

/// What is measured of plugins: which one, lines of the invoice that is the body, and the configuration.
const CASES: [(&str, usize, &str); 3] = [
    ("redact", 8, r#"{"mask": ["card"], "emails": true}"#),
    ("redact", 156, r#"{"mask": ["card"], "emails": true}"#),
    ("filter", 8, r#"{"when": "type == \"invoice.paid\""}"#),
];

/// Plugins outside of a gateway: natively, and as wasm on the native engines and on Node's V8, metered and bare.
fn engines() -> Result<(), String> {
    let built = plugins::ensure_built()?;
    let dir = local::scratch("bench-plugins")?;
    for (plugin, lines, config) in CASES {
        let (body_file, config_file) = (dir.join("body.json"), dir.join("config.json"));
        write(&body_file, &invoice(lines))?;
        write(&config_file, config)?;
        let mut native = tools::cargo();
        native.args(["test", "--quiet", "--profile=sim", "--package", plugin, "--lib", "--"]);
        native.args(["--ignored", "--exact", "tests::how_long_it_takes_natively", "--nocapture"]);
        native.env("WEIR_BENCH_BODY", &body_file).env("WEIR_BENCH_CONFIG", &config_file);
        let output = native.output().map_err(|error| format!("cargo could not be started: {error}."))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let found = said.lines().find_map(|line| line.split_once("native us: "));
        let (_, took) =
            found.ok_or_else(|| format!("The native run of {plugin} printed no time:\n{said}"))?;
        let size = invoice(lines).len();
        println!(
            r#"{{"bench":"plugin","case":"{plugin} {size} B native","value":{},"unit":"us"}}"#,
            took.trim()
        );
        let mut engines = tools::cargo();
        engines.args(["run", "--quiet", "--profile=sim", "--package=weir-plugin-host"]);
        // Its V8 is nearer to workerd's than that of an older one.
        engines.env("WEIR_NODE", tools::node_path());
        engines.args(["--features=wasmi,wasmtime", "--example=bench", "--"]);
        engines.arg(built.join(format!("{plugin}.wasm"))).args([&body_file, &config_file]);
        tools::run(engines.current_dir(root()), "The benchmark of the engines")?;
    }
    fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
}

/// An invoice with so many lines: 8 are about a kilobyte.
pub fn invoice(lines: usize) -> String {
    let mut text = String::from(
        r#"{"id":"in_1Nabc","type":"invoice.paid","email":"ada@example.com","card":"4242 4242 4242 4242","#,
    );
    text.push_str(
        r#""total":8771.25,"currency":"eur","customer":{"name":"Ada L.","city":"Paris"},"lines":["#,
    );
    for n in 0..lines {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"id":"li_{n:04}","description":"Monthly plan, \"pro\" tier","amount":{},"tags":["a","b"],"taxed":true}}"#,
            1250 + n
        );
    }
    text.push_str("]}");
    text
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_have_the_sizes_that_are_told() {
        assert!((900..1_150).contains(&invoice(8).len()), "{}", invoice(8).len());
        assert!((15_500..17_000).contains(&invoice(156).len()), "{}", invoice(156).len());
    }
}
