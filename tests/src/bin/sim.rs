//! Runs many seeds of the simulator by hand: `cargo run --profile sim -p weir-tests --bin sim -- --seeds 1000000`.
//!
//! `--seeds N` how many (1000), `--from S` the first (0), `--threads T` (as many as there are processors).
//! The first seed that breaks a rule is printed, and the exit code is 1.

use std::process::ExitCode;
use std::time::Instant;
use weir_tests::sim::run_many;

fn main() -> ExitCode {
    let (mut seeds, mut from) = (1_000, 0);
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().and_then(|text| text.parse::<u64>().ok());
        let (Some(value), "--seeds" | "--from" | "--threads") = (value, arg.as_str()) else {
            eprintln!("Usage: sim [--seeds N] [--from S] [--threads T]");
            return ExitCode::from(2);
        };
        match arg.as_str() {
            "--seeds" => seeds = value,
            "--from" => from = value,
            _ => threads = value,
        }
    }
    let started = Instant::now();
    let threads = usize::try_from(threads).unwrap_or(1);
    match run_many(from, from.saturating_add(seeds), threads) {
        Ok(total) => {
            println!("{total:#?}");
            println!("{seeds} seeds from {from} in {:.1} s: every rule held", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}
