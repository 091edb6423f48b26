//! `weir-plugin`: makes, checks and runs plugins on the author's machine, as the gateway would.
//!
//! It uses the same admission, metering and limits: a plugin that is refused or runs out of fuel here does so on the
//! gateway, and uses the same fuel there.

mod args;
mod build;
mod bundle;
mod check;
mod config;
mod diff;
mod engine;
mod event;
mod new;
mod profile;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (result, usage) = match args::parse(&args) {
        Ok(args::Command::Help) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(args::Command::New { name, sdk }) => (new::new(&name, sdk.as_deref()), false),
        Ok(args::Command::Check { plugin, json }) => (check::check(&plugin, json), false),
        Ok(args::Command::Inspect { plugin, json }) => (check::inspect(&plugin, json), false),
        Ok(args::Command::Bundle { out, plugins }) => (bundle::bundle(&out, &plugins), false),
        Ok(args::Command::Run(options)) => (run::run(&options), false),
        Err(error) => (Err(error), true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            if usage {
                eprintln!("\n{}", args::USAGE);
            }
            ExitCode::from(2)
        }
    }
}
