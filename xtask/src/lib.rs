//! The developer's commands, and the parts of them that tests and benchmarks use.
//!
//! Everything that can go wrong for a developer comes back as one sentence (a `String`) that says what to do.
//! The standard library is enough for nearly all of it, so that `cargo xtask` itself is compiled in seconds.

pub mod args;
pub mod bench;
pub mod browser;
pub mod build;
pub mod dev;
pub mod docs;
pub mod js;
pub mod languages;
pub mod lint;
pub mod local;
pub mod plugins;
pub mod release;
pub mod sbom;
pub mod spelling;
pub mod supply;
pub mod test;
pub mod token;
pub mod tools;
pub mod vars;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// What a failed file operation is told as.
pub(crate) fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> String + 'a {
    move |error| format!("Could not {what} {}: {error}.", path.display())
}

/// Tells the developer what is being done.
pub(crate) fn say(text: &str) {
    eprintln!("\u{1b}[1m==>\u{1b}[0m {text}");
}
