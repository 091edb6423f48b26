//! `cargo xtask`: the developer's commands. What they are is in [`xtask::args::USAGE`].

use std::process::ExitCode;
use xtask::args::{self, Task};
use xtask::{bench, build, dev, plugins, release, test, token};

fn main() -> ExitCode {
    let task = match args::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("{error}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let result = match task {
        Task::Dev(options) => dev::run(options).map(|()| true),
        Task::Token { org, data, ttl_ms } => token::for_org(&data, &org, ttl_ms).map(|token| {
            println!("{token}");
            true
        }),
        Task::Build { release } => build::ensure_built(release).map(|dir| {
            eprintln!("Wrote the Worker to {}.", dir.display());
            true
        }),
        Task::Test { only } => test::run(only.as_deref()),
        Task::Bench(args) => bench::run(&args).map(|()| true),
        Task::Bill(args) => bench::bill(&args).map(|()| true),
        Task::BuildPlugins => plugins::ensure_built().map(|dir| {
            eprintln!("Wrote the plugins to {}.", dir.display());
            true
        }),
        Task::Release(options) => release::run(&options).map(|dir| {
            eprintln!("Wrote the release to {}.", dir.display());
            true
        }),
        Task::Plugin(args) => plugins::command(&args),
        Task::Help => {
            print!("{}", args::USAGE);
            Ok(true)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
