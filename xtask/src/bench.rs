//! `cargo xtask bench`: runs the benchmarks on an optimised build.

use crate::{build, tools};

/// Builds the Worker and runs the benchmarks with `args`; their JSON lines go to stdout.
pub fn run(args: &[String]) -> Result<(), String> {
    let worker = build::ensure_built(true)?;
    tools::ensure_npm_packages()?;
    let mut command = tools::cargo();
    command
        .args(["run", "--quiet", "--profile=sim", "--package=weir-tests", "--bin=bench", "--"])
        .args(args)
        .env(build::WORKER_DIR, worker);
    tools::run(&mut command, "The benchmark")
}
