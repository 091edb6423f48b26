//! What the project may be built from, checked without another tool: licenses, duplicates, banned crates and sources,
//! as `deny.toml` says. `cargo deny` reads the same file in the workflow `supply.yml`, and knows the advisories besides.
//!
//! Only the lists of `deny.toml` are read: strings in double quotes, one entry a line.

use crate::{failed, root, tools};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The lists of a `deny.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rules {
    /// Licenses that may be used.
    licenses: BTreeSet<String>,
    /// Crates that may not be.
    denied: BTreeSet<String>,
    /// Crates, with the version that may be there besides another.
    skipped: BTreeSet<(String, String)>,
}

/// A crate of the workspace or that it depends on.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    license: &'a str,
    source: Option<&'a str>,
}

/// How crates.io is written as a source.
const CRATES_IO: &str = "registry+";
/// What every source of crates.io ends with.
const CRATES_IO_INDEX: &str = "/rust-lang/crates.io-index";

/// Checks what `Cargo.lock` has resolved, for all targets and features.
pub fn check() -> Result<(), String> {
    let path = root().join("deny.toml");
    let rules = Rules::read(&fs::read_to_string(&path).map_err(failed("read", &path))?);
    let mut cargo = tools::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    let metadata = tools::output(&mut cargo).ok_or("`cargo metadata` failed. Run it to see the error.")?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("`cargo metadata`: {error}"))?;
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &'_ Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let owned: Vec<[String; 4]> = packages
        .iter()
        .map(|package| ["name", "version", "license", "source"].map(|field| text(&package[field])))
        .collect();
    let packages: Vec<Package<'_>> = owned
        .iter()
        .map(|[name, version, license, source]| Package {
            name,
            version,
            license,
            source: Some(source.as_str()).filter(|source| !source.is_empty()),
        })
        .collect();
    let wrong = rules.violations(&packages);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "Cargo.lock contains dependencies that deny.toml does not allow:\n  {}",
            wrong.join("\n  ")
        ))
    }
}

impl Rules {
    /// Reads the lists of a `deny.toml`.
    fn read(text: &str) -> Self {
        let mut rules = Self::default();
        let (mut table, mut list) = (String::new(), String::new());
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut table);
                list.clear();
            } else if let Some(name) = line.strip_suffix(" = [") {
                name.clone_into(&mut list);
            } else if line == "]" {
                list.clear();
            } else if let Some(value) = line.split('"').nth(1).filter(|_| !list.is_empty()) {
                rules.note(&table, &list, value);
            }
        }
        rules
    }

    fn note(&mut self, table: &str, list: &str, value: &str) {
        match (table, list) {
            ("licenses", "allow") => {
                self.licenses.insert(value.to_owned());
            }
            ("bans", "deny") => {
                self.denied.insert(value.to_owned());
            }
            ("bans", "skip") => {
                let (name, version) = value.split_once('@').unwrap_or((value, ""));
                self.skipped.insert((name.to_owned(), version.to_owned()));
            }
            _ => {}
        }
    }

    /// What is wrong with these packages, a sentence each.
    fn violations(&self, packages: &[Package<'_>]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut unused: BTreeSet<&(String, String)> = self.skipped.iter().collect();
        // What has no source is the workspace's own.
        for package in packages {
            let Some(source) = package.source else { continue };
            let Package { name, version, license, .. } = package;
            if !(source.starts_with(CRATES_IO) && source.ends_with(CRATES_IO_INDEX)) {
                wrong.push(format!("{name} {version} comes from {source}, not from crates.io."));
            }
            if !self.allows(license) {
                wrong.push(format!("{name} {version} has the license `{license}`."));
            }
            if self.denied.contains(*name) {
                wrong.push(format!("{name} {version} is banned."));
            }
            let skipped = self.skipped.iter().find(|(skip, at)| skip == name && is_of(version, at));
            if let Some(skipped) = skipped {
                unused.remove(skipped);
            } else {
                versions.entry(name).or_default().push(version);
            }
        }
        for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
            let versions = versions.join(" and ");
            wrong.push(format!(
                "{name} is resolved to several versions: {versions}. Find out which crates need them, then skip one in deny.toml."
            ));
        }
        for (name, version) in unused {
            wrong.push(format!(
                "deny.toml skips {name}@{version}, which is not a dependency. Remove it from the list."
            ));
        }
        wrong
    }

    /// Whether a license expression (SPDX, or with `/` for OR as old crates have it) can be satisfied.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        self.either(&mut rest) && rest.is_empty()
    }

    fn either(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.both(words);
        while let [first, rest @ ..] = words
            && *first == "OR"
        {
            *words = rest;
            allowed |= self.both(words);
        }
        allowed
    }

    fn both(&self, words: &mut &[&str]) -> bool {
        let mut allowed = self.one(words);
        while let [first, rest @ ..] = words
            && *first == "AND"
        {
            *words = rest;
            allowed &= self.one(words);
        }
        allowed
    }

    fn one(&self, words: &mut &[&str]) -> bool {
        match words {
            ["(", rest @ ..] => {
                *words = rest;
                let inner = self.either(words);
                let closed = words.first() == Some(&")");
                *words = words.get(1..).unwrap_or_default();
                inner && closed
            }
            [license, "WITH", exception, rest @ ..] => {
                let whole = format!("{license} WITH {exception}");
                *words = rest;
                self.licenses.contains(&whole)
            }
            [license, rest @ ..] => {
                let allowed = self.licenses.contains(*license);
                *words = rest;
                allowed
            }
            [] => false,
        }
    }
}

/// Whether a version is `0.21.7` where `0.21` or `0` is meant.
fn is_of(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
[licenses]
allow = [
  "MIT",
  "Apache-2.0",
  "Apache-2.0 WITH LLVM-exception", # a remark
]
private = { ignore = true }

[bans]
deny = [
  { crate = "openssl-sys", reason = "rustls" },
]
skip = [
  { crate = "syn@2", reason = "old" },
]
"#;
    const SOURCE: &str = "registry+https://example.com/rust-lang/crates.io-index";

    fn package<'a>(name: &'a str, version: &'a str, license: &'a str) -> Package<'a> {
        Package { name, version, license, source: Some(SOURCE) }
    }

    #[test]
    fn license_expressions_are_read_as_spdx_has_them() {
        let rules = Rules::read(RULES);
        for allowed in [
            "MIT",
            "MIT OR Apache-2.0",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception AND MIT",
            "GPL-3.0 AND MIT OR Apache-2.0",
        ] {
            assert!(rules.allows(allowed), "{allowed}");
        }
        for refused in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MIT WITH Some-exception",
            "(MIT",
            "MIT)",
            "MIT MIT",
        ] {
            assert!(!rules.allows(refused), "{refused}");
        }
    }

    #[test]
    fn every_kind_of_violation_is_found() {
        let rules = Rules::read(RULES);
        let fine =
            [package("a", "1.0.0", "MIT"), package("syn", "2.0.1", "MIT"), package("syn", "3.0.0", "MIT")];
        assert_eq!(rules.violations(&fine), Vec::<String>::new());
        let git = Package { source: Some("git+https://example.com/a"), ..package("a", "1.0.0", "MIT") };
        let own = Package { source: None, ..package("own", "1.0.0", "") };
        let syn = || package("syn", "2.0.1", "MIT");
        let cases = [
            (vec![syn(), git], "comes from git+"),
            (vec![syn(), package("a", "1.0.0", "GPL-3.0")], "license `GPL-3.0`"),
            (vec![syn(), package("openssl-sys", "1.0.0", "MIT")], "is banned"),
            (vec![syn(), package("a", "1.0.0", "MIT"), package("a", "2.0.0", "MIT")], "1.0.0 and 2.0.0"),
            (vec![package("syn", "20.0.0", "MIT")], "deny.toml skips syn@2"),
        ];
        for (packages, expected) in cases {
            let wrong = rules.violations(&packages);
            assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
        }
        assert_eq!(rules.violations(&[syn(), own]), Vec::<String>::new(), "the workspace's own");
    }

    #[test]
    fn what_is_locked_is_allowed() {
        assert_eq!(check(), Ok(()));
    }
}
