//! The recipes of CONTRIBUTING.md: each test fails while a step of one of them is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use weir_core::settings::NAMES;

fn read(path: &str) -> String {
    let path: PathBuf = xtask::root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `CREATE TABLE` statements of the objects, each up to its end.
fn tables() -> Vec<(String, String)> {
    let schemas = [
        "core/src/app/schema.rs",
        "core/src/endpoint/schema.rs",
        "core/src/directory/schema.rs",
        "core/src/idempotency.rs",
    ];
    let text: String = schemas.iter().map(|path| read(path)).collect();
    let of = |rest: &str| {
        let name = rest.split([' ', '(']).next().unwrap_or_default().to_owned();
        (name, rest.split('"').next().unwrap_or_default().to_owned())
    };
    text.split("CREATE TABLE ").skip(1).map(of).collect()
}

#[test]
fn every_table_is_strict_and_described_in_the_page_of_storage() {
    let page = read("docs/internals/storage.md");
    let tables = tables();
    assert!(tables.len() > 10, "{tables:?}");
    for (name, statement) in tables {
        assert!(statement.contains("STRICT"), "{name} is not STRICT");
        assert!(
            page.contains(&format!("`{name}`")),
            "describe the table {name} in docs/internals/storage.md"
        );
    }
}

#[test]
fn every_setting_is_documented_and_in_the_wrangler_configuration() {
    let (page, wrangler) = (read("docs/reference/settings.md"), read("wrangler.toml"));
    for name in NAMES {
        assert!(page.contains(&format!("| `{name}` |")), "add {name} to docs/reference/settings.md");
        assert!(wrangler.contains(name), "add {name} to wrangler.toml");
    }
    let rows: BTreeSet<&str> = page.split("\n| `").skip(1).filter_map(|row| row.split('`').next()).collect();
    for row in rows {
        assert!(NAMES.contains(&row), "docs/reference/settings.md documents {row}, which is no setting");
    }
}

/// Paths of the dashboard that are not in the table: downloads, fragments, pages that need what was searched, and the list of
/// applications. The list may only shrink.
const NO_PAGES: [&str; 5] = [
    "/dashboard/app/X/message/X/payload",
    "/dashboard/find",
    "/dashboard/task/X",
    "/dashboard/app/X/endpoint/X/X",
    "/dashboard/apps",
];

#[test]
fn every_page_of_the_dashboard_is_in_the_table_that_the_browser_tests_read() {
    let pages = read("dashboard/src/pages/mod.rs");
    let arms = pages.split("let shown = match").nth(1).and_then(|rest| rest.split("_ => Err").next());
    let arms = arms.expect("the table of pages");
    let world = read("tests/browser/world.mjs");
    let tested: BTreeSet<String> = world
        .split('`')
        .chain(world.split('"'))
        .filter(|text| text.starts_with("/dashboard"))
        .map(|path| {
            let path = path.split('?').next().unwrap_or_default();
            let parts = path.split('/').map(|part| if part.contains("${") { "X" } else { part });
            parts.collect::<Vec<_>>().join("/")
        })
        .collect();
    // A literal of the table matches itself; a name matches anything.
    let mut missing = Vec::new();
    for pattern in arms.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
        let parts: Vec<&str> = pattern.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let is_literal = |part: &str| part.starts_with('"');
        let shown: Vec<&str> =
            parts.iter().map(|part| if is_literal(part) { part.trim_matches('"') } else { "X" }).collect();
        let path = ["/dashboard"].into_iter().chain(shown.iter().copied()).collect::<Vec<_>>().join("/");
        let fits = |tested: &String| {
            let (own, other): (Vec<&str>, Vec<&str>) =
                (path.split('/').collect(), tested.split('/').collect());
            own.len() == other.len() && own.iter().zip(&other).all(|(one, two)| *one == "X" || one == two)
        };
        if !NO_PAGES.contains(&path.as_str()) && !tested.iter().any(fits) {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "add these pages to tests/browser/world.mjs: {missing:?}");
}

#[test]
fn every_recipe_of_contributing_names_tests_that_exist() {
    let contributing = read("CONTRIBUTING.md");
    let recipes = contributing.split("## How to add").nth(1).and_then(|rest| rest.split("\n## ").next());
    let recipes = recipes.expect("the recipes");
    for recipe in
        ["An endpoint field", "An operation", "An effect", "A table", "A setting", "A page", "A preset"]
    {
        let text =
            recipes.split(&format!("### {recipe}\n")).nth(1).and_then(|rest| rest.split("\n### ").next());
        let text = text.unwrap_or_else(|| panic!("CONTRIBUTING.md has no recipe: {recipe}"));
        assert!(text.contains("Enforced by"), "{recipe}: name the test that enforces it");
        let enforced = text.split("Enforced by").nth(1).unwrap_or_default();
        let is_file =
            |name: &&str| PathBuf::from(name).extension().is_some_and(|kind| kind == "rs" || kind == "mjs");
        for file in enforced.split('`').filter(is_file) {
            assert!(xtask::root().join(file).exists(), "{recipe} names {file}, which does not exist");
        }
        for test in enforced.split('`').filter(|name| name.contains('_') && !name.contains(['/', ' ', '.'])) {
            let found = ["core/src", "core/tests", "dashboard/src", "xtask/tests", "tests/tests"];
            let found = found.iter().any(|dir| mentions(&xtask::root().join(dir), &format!("fn {test}")));
            assert!(found, "{recipe} names the test {test}, which does not exist");
        }
    }
}

/// Whether a source below a directory contains a text.
fn mentions(dir: &std::path::Path, text: &str) -> bool {
    fs::read_dir(dir).expect("a directory").map_while(Result::ok).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return mentions(&path, text);
        }
        path.extension().is_some_and(|kind| kind == "rs")
            && fs::read_to_string(&path).is_ok_and(|source| source.contains(text))
    })
}
