//! Puts the presets into one text: `name` TAB JSON, a preset a line, in order of their names.
//!
//! Only that they are JSON is checked here. Whether they make sense is for the tests, which say more than a build could.

#![allow(clippy::expect_used, clippy::panic)] // they fail the build, as they should

use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let from = Path::new(&root).join("../presets");
    println!("cargo::rerun-if-changed={}", from.display());
    let mut lines = Vec::new();
    for entry in fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("a directory's entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let checked: Result<serde_json::Value, _> = serde_json::from_str(&text);
        checked.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in ASCII");
        lines.push(format!("{name}\t{}\n", compact(&text)));
    }
    lines.sort();
    let to = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("presets.tsv");
    fs::write(&to, lines.concat()).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

/// JSON without the white space between its tokens; members stay in their order, unlike those of a parsed value.
fn compact(json: &str) -> String {
    let (mut within, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            let keep = within || !c.is_whitespace();
            if c == '"' && !escaped {
                within = !within;
            }
            escaped = within && c == '\\' && !escaped;
            keep
        })
        .collect()
}
