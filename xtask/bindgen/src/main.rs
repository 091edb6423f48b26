//! `wasm-bindgen`, with the options that `cargo xtask` gives it. The output is that of the official command: both only call the
//! library.

use std::path::PathBuf;
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match bind(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-bindgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bind(args: Vec<String>) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    // The command's defaults, where they are not the library's.
    bindgen.typescript(true).omit_default_module_path(false);
    let mut out_dir = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--out-dir" => out_dir = Some(PathBuf::from(value()?)),
            "--out-name" => {
                bindgen.out_name(&value()?);
            }
            "--target" => target(&mut bindgen, &value()?)?,
            "--no-typescript" => {
                bindgen.typescript(false);
            }
            "--experimental-reset-state-function" => {
                bindgen.reset_state_function(true);
            }
            "--force-enable-abort-handler" => {
                bindgen.force_enable_abort_handler(true);
            }
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ => {
                bindgen.input_path(&arg);
            }
        }
    }
    let out_dir = out_dir.ok_or("--out-dir is missing")?;
    bindgen.generate(out_dir).map_err(|error| format!("{error:?}"))
}

fn target(bindgen: &mut Bindgen, name: &str) -> Result<(), String> {
    let set = match name {
        "module" => bindgen.module(true),
        "web" => bindgen.web(true),
        _ => return Err(format!("unknown target {name}")),
    };
    set.map(drop).map_err(|error| error.to_string())
}
