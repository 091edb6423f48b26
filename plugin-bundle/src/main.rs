//! `weir-plugin-bundle DIR PLUGIN.wasm…`: does what `weir-plugin bundle` does, for the gateway's own build. It compiles faster
//! because it contains no engine; V8 validates the modules when the gateway starts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use weir_plugin_bundle::files;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = args.next() else {
        eprintln!("weir-plugin-bundle needs a directory to write to.");
        return ExitCode::from(2);
    };
    match bundle(&out, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bundle(out: &Path, plugins: impl Iterator<Item = PathBuf>) -> Result<(), String> {
    let read = |path: PathBuf| {
        let bytes =
            std::fs::read(&path).map_err(|error| format!("Could not read {}: {error}.", path.display()))?;
        Ok((files::name_of(&path), bytes))
    };
    let plugins = plugins.map(read).collect::<Result<Vec<_>, String>>()?;
    let count = plugins.len();
    let bytes = files::write(out, plugins, |_| Ok(()))?;
    println!("{count} plugins bundled, {bytes} bytes");
    Ok(())
}
