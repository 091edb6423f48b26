//! The vocabulary of the documentation and of the API reference: standard terms, American spelling, no private idioms.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that we do not use, and what we write instead. They are compared in lower case.
const WORDS: [(&str, &str); 40] = [
    ("taken back", "revoked, withdrawn"),
    ("came of it", "the result"),
    ("under way", "in flight, running"),
    ("for people.", "human-readable"),
    ("whoever", "anyone who, the client that"),
    ("so many", "a number"),
    ("in clear", "unencrypted"),
    ("at hand", "available"),
    ("of before", "previous, existing"),
    ("by hand", "manually"),
    ("hears", "receives"),
    ("is told", "is notified"),
    ("are told", "are notified"),
    ("was told", "was notified"),
    ("wants it", "subscribes to it"),
    ("believes", "caches"),
    ("is believed", "is cached"),
    ("left out", "omitted"),
    ("where there is none", "if there is none"),
    ("goes on", "continues"),
    ("colour", "color"),
    ("behaviour", "behavior"),
    ("honour", "honor"),
    ("neighbour", "neighbor"),
    ("licence", "license"),
    ("recognise", "recognize"),
    ("organis", "organiz"),
    ("serialis", "serializ"),
    ("cancelled", "canceled"),
    ("favourite", "favorite"),
    ("teh ", "the"),
    ("recieve", "receive"),
    ("seperate", "separate"),
    ("occured", "occurred"),
    ("existant", "existent"),
    ("succesful", "successful"),
    ("neccessary", "necessary"),
    ("accross", "across"),
    ("adress", "address"),
    ("webook", "webhook"),
];

fn pages(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "md" || kind == "json") {
            found.push(path);
        }
    }
}

#[test]
fn documentation_and_api_reference_use_the_words_of_the_glossary() {
    let root = xtask::root();
    let mut files = Vec::new();
    pages(&root.join("docs"), &mut files);
    for name in ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY", "npm/gateway/README"] {
        files.push(root.join(format!("{name}.md")));
    }
    let mut faults = String::new();
    for path in files {
        // Providers' own names and words.
        if path.ends_with("docs/presets.md") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a page");
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.to_lowercase();
            for (word, instead) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                let _ = writeln!(faults, "{}:{number}: `{word}`: write {instead}", path.display());
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
