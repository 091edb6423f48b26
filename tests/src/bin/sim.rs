//! Runs many seeds of the simulator by hand: `cargo run --profile sim -p weir-tests --bin sim -- --seeds 1000000`.
//!
//! `--seeds N` how many (1000), `--from S` the first (0), `--threads T` (as many as there are processors),
//! `--survey` goes on after a violation and tells how often each rule was broken. The first seed that breaks a
//! rule is printed, and the exit code is 1. With `WEIR_SIM_TRACE` set, every event is printed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;
use weir_tests::sim::{run, run_many};

fn main() -> ExitCode {
    let (mut seeds, mut from) = (1_000, 0);
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut args = std::env::args().skip(1);
    let mut survey = false;
    while let Some(arg) = args.next() {
        if arg == "--survey" {
            survey = true;
            continue;
        }
        let value = args.next().and_then(|text| text.parse::<u64>().ok());
        let (Some(value), "--seeds" | "--from" | "--threads") = (value, arg.as_str()) else {
            eprintln!("Usage: sim [--seeds N] [--from S] [--threads T] [--survey]");
            return ExitCode::from(2);
        };
        match arg.as_str() {
            "--seeds" => seeds = value,
            "--from" => from = value,
            _ => threads = value,
        }
    }
    if survey {
        let mut broken = BTreeMap::new();
        for violation in (from..from.saturating_add(seeds)).filter_map(|seed| run(seed).err()) {
            broken.entry(violation.rule).or_insert_with(Vec::new).push(violation);
        }
        for (rule, violations) in &broken {
            println!("{rule:?}: {} of {seeds} seeds", violations.len());
            for violation in violations.iter().take(3) {
                println!("    seed {}, {} ms: {}", violation.seed, violation.at, violation.text);
            }
        }
        return ExitCode::from(u8::from(!broken.is_empty()));
    }
    let started = Instant::now();
    let threads = usize::try_from(threads).unwrap_or(1);
    match run_many(from, from.saturating_add(seeds), threads) {
        Ok(total) => {
            println!("{total:#?}");
            println!(
                "{seeds} seeds from {from} in {:.1} s: every rule held",
                started.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}
