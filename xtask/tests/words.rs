//! The vocabulary of the documentation and of the API reference: standard terms, American spelling, no private idioms.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Words that we do not use, and what we write instead. They are compared in lower case.
const WORDS: [(&str, &str); 45] = [
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
    (" told ", "notified, informed"),
    ("is told", "is notified"),
    ("was told", "was notified"),
    ("looked at", "read, checked"),
    ("passed over", "skipped"),
    ("goes along", "is sent with, is included"),
    ("gives way", "is deleted"),
    ("a machine of your own", "your own machine"),
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
    ("recognis", "recogniz"),
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

/// Pages outside of `docs/`.
const PAGES: [&str; 17] = [
    "README",
    "ARCHITECTURE",
    "CONTRIBUTING",
    "CHANGELOG",
    "CODE_OF_CONDUCT",
    "SECURITY",
    "core/fuzz/README",
    "npm/gateway/README",
    "npm/gateway/templates/README",
    "npm/presets/README",
    "plugin-host/abi-v1",
    "plugin-host/fuzz/README",
    "plugin-sdk/README",
    "plugins/README",
    "plugins/other-languages/README",
    "probe/README",
    "tests/production/README",
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
    files.extend(PAGES.iter().map(|name| root.join(format!("{name}.md"))));
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
