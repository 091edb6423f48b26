//! Modules do not import each other in circles.
//!
//! A module is a file or folder directly below `src/`. Unit tests and the generated API description are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates without import cycles.
const ACYCLIC: [&str; 7] =
    ["core", "dashboard", "plugin-host", "plugin-schema", "plugin-sdk", "plugin-cli", "xtask"];

/// The generated API description, which exists in tests only: attributes of fields name it.
const DESCRIPTION: &str = "api::doc::";

/// The files that import one module from another.
type Imports = BTreeMap<(String, String), BTreeSet<String>>;

fn rust_files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// A source without its comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first names after `crate::` in a source, also inside of `use crate::{…}`.
fn names(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1).filter(|rest| !rest.starts_with(DESCRIPTION)) {
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut at_start) = (1, true);
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => at_start = true,
                _ if at_start && !letter.is_whitespace() => {
                    at_start = false;
                    found.insert(word(&list[at..]));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

fn imports(krate: &str) -> Imports {
    let src = xtask::root().join(krate).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let module_of = |path: &Path| {
        let inner = path.strip_prefix(&src).expect("below src");
        let first = inner.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<String> = files.iter().map(|path| module_of(path)).collect();
    let mut imports = Imports::new();
    for path in &files {
        let shown = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        if shown.contains("tests")
            || shown.starts_with("api/doc")
            || shown.ends_with("/page.rs") && krate == "core" && shown != "api/page.rs"
        {
            continue;
        }
        let own = module_of(path);
        let text = code(&fs::read_to_string(path).expect("a source"));
        for name in names(&text).into_iter().filter(|name| *name != own && modules.contains(name)) {
            imports.entry((own.clone(), name)).or_default().insert(shown.clone());
        }
    }
    imports
}

/// The modules that can be reached from one.
fn reachable<'a>(imports: &'a Imports, from: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for (_, to) in imports.keys().filter(|(of, _)| of == module) {
            if found.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    found
}

/// The imports that are part of a cycle, each with the files that have it.
fn in_cycles(krate: &str) -> Vec<String> {
    let imports = imports(krate);
    let is_circular = |from: &str, to: &str| reachable(&imports, to).contains(from);
    let lines = imports.iter().filter(|((from, to), _)| is_circular(from, to));
    lines
        .map(|((from, to), files)| {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            format!("{krate}: {from} imports {to} in {}", files.join(", "))
        })
        .collect()
}

#[test]
fn modules_do_not_import_each_other_in_circles() {
    let found: Vec<String> = ACYCLIC.iter().flat_map(|krate| in_cycles(krate)).collect();
    assert!(found.is_empty(), "cycles of imports:\n{}", found.join("\n"));
}

#[test]
fn core_never_names_the_crates_above_it() {
    let mut files = Vec::new();
    rust_files(&xtask::root().join("core/src"), &mut files);
    for path in files {
        let text = code(&fs::read_to_string(&path).expect("a source"));
        for above in ["weir_worker", "weir_dashboard", "weir_plugin_host"] {
            assert!(!text.contains(above), "{} names {above}", path.display());
        }
    }
}
