//! Computes the version of the assets from their contents, so that browsers can cache them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::{fs, io};

fn main() -> io::Result<()> {
    let mut hash = DefaultHasher::new();
    for file in [
        "assets/dashboard.css",
        "assets/icons.css",
        "assets/icon.svg",
        "assets/dashboard.js",
        "assets/third-party.json",
    ] {
        println!("cargo::rerun-if-changed={file}");
        fs::read(file)?.hash(&mut hash);
    }
    println!("cargo::rustc-env=WEIR_ASSETS={:016x}", hash.finish());
    Ok(())
}
