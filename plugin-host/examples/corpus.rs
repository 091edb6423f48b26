//! Writes the hostile modules as wasm into a folder: where the fuzzers start.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let into = PathBuf::from(std::env::args_os().nth(1).ok_or("give the folder to write to")?);
    std::fs::create_dir_all(&into)?;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile"))? {
        let path = entry?.path();
        let name = path.file_stem().ok_or("a file without a name")?;
        std::fs::write(into.join(name).with_extension("wasm"), wat::parse_file(&path)?)?;
    }
    Ok(())
}
