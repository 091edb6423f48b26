//! Writes the API's description without its spaces, for the Worker to carry.

#![allow(clippy::panic)] // it fails the build, as it should

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let from =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../docs/openapi.json");
    println!("cargo::rerun-if-changed={}", from.display());
    let text = fs::read_to_string(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    let document: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    let to = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("openapi.json");
    fs::write(&to, document.to_string()).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}
