//! Computes the version of the assets from their contents, so that browsers can cache them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::{fs, io};

fn main() -> io::Result<()> {
    let mut hash = DefaultHasher::new();
    for dir in ["assets", "script"] {
        println!("cargo::rerun-if-changed={dir}");
        let files = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
        let mut files: Vec<PathBuf> = files.collect::<io::Result<_>>()?;
        files.sort();
        for file in files {
            println!("cargo::rerun-if-changed={}", file.display());
            fs::read(file)?.hash(&mut hash);
        }
    }
    println!("cargo::rustc-env=WEIR_ASSETS={:016x}", hash.finish());
    Ok(())
}
