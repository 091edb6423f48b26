//! A bill of materials in CycloneDX 1.6: the components of the released Worker and of its runtime.
//!
//! It is made of what cargo and npm have resolved: the crates that are compiled into the Worker (not those that only build
//! or test it), and the npm packages that are in it or run it.

use crate::tools::{VERSION, hex};
use crate::{failed, root, tools};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The crate that is the Worker.
const WORKER: &str = "weir-worker";
/// The npm packages that are in the Worker, and the one that runs it.
const NPM: [&str; 2] = ["htmx.org", "workerd"];

/// The Worker's bill of materials, as JSON.
pub fn of_the_worker() -> Result<String, String> {
    let mut cargo = tools::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform", tools::WASM_TARGET]);
    let metadata = tools::output(&mut cargo).ok_or("`cargo metadata` failed. Run it to see the error.")?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| format!("`cargo metadata`: {error}"))?;
    // The features of the Worker alone decide what is in it: `cargo metadata` knows those of the whole workspace.
    let mut tree = tools::cargo();
    tree.args(["tree", "--locked", "--package", WORKER, "--target", tools::WASM_TARGET]);
    tree.args(["--edges=normal", "--prefix=none", "--format={p}"]);
    let tree = tools::output(&mut tree).ok_or("`cargo tree` failed. Run it to see the error.")?;
    let read = |name: &str| {
        let path = root().join(name);
        fs::read_to_string(&path).map_err(failed("read", &path))
    };
    let lock = serde_json::from_str(&read("package-lock.json")?).map_err(|error| error.to_string())?;
    let bom = assemble(&metadata, &compiled(&tree), &checksums(&read("Cargo.lock")?), &lock)?;
    Ok(format!("{bom:#}\n"))
}

/// The crates in what `cargo tree` prints (`name v1.2.3 (…)`), by name and version.
fn compiled(tree: &str) -> BTreeSet<(&str, &str)> {
    let words = tree.lines().filter_map(|line| line.split_once(" v"));
    words.map(|(name, rest)| (name, rest.split(' ').next().unwrap_or(rest))).collect()
}

/// The checksums in a `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |package: &str, name: &str| {
        let start = format!("{name} = \"");
        package.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"').map(str::to_owned))
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| {
            Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn assemble(
    metadata: &Value,
    compiled: &BTreeSet<(&str, &str)>,
    checksums: &BTreeMap<(String, String), String>,
    lock: &Value,
) -> Result<Value, String> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    let worker = packages.iter().find(|(_, package)| package["name"] == WORKER).map(|(id, _)| *id);
    let worker = worker.ok_or("`cargo metadata` lists no package weir-worker.")?;

    let mut seen = BTreeSet::from([worker]);
    let mut waiting = vec![worker];
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        for dependency in list(&nodes.get(id).copied().unwrap_or(&Value::Null)["deps"]) {
            // A kind of null is an ordinary dependency; others only build or test.
            let is_in = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let to = text(&dependency["pkg"]);
            let package = packages.get(to).copied().unwrap_or(&Value::Null);
            if is_in && compiled.contains(&(text(&package["name"]), text(&package["version"]))) {
                edges.entry(id).or_default().insert(to);
                if seen.insert(to) {
                    waiting.push(to);
                }
            }
        }
    }

    let purl = |id: &str| {
        let package = packages.get(id).copied().unwrap_or(&Value::Null);
        format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
    };
    let mut components: Vec<Value> = Vec::new();
    for id in seen.iter().filter(|id| **id != worker) {
        let package = packages.get(id).copied().unwrap_or(&Value::Null);
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let mut component = json!({
            "type": "library",
            "bom-ref": purl(id),
            "name": name,
            "version": version,
            "purl": purl(id),
            "licenses": [{ "expression": text(&package["license"]).replace('/', " OR ") }],
        });
        if let Some(sum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        components.push(component);
    }
    let mut npm = Vec::new();
    for name in NPM {
        let package = &lock["packages"][format!("node_modules/{name}")];
        let version = package["version"].as_str().ok_or(format!("package-lock.json has no {name}."))?;
        let purl = format!("pkg:npm/{name}@{version}");
        let mut component =
            json!({ "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl });
        if let Some(license) = package["license"].as_str() {
            component["licenses"] = json!([{ "expression": license }]);
        }
        if let Some(hash) = text(&package["integrity"]).strip_prefix("sha512-").and_then(unbase64) {
            component["hashes"] = json!([{ "alg": "SHA-512", "content": hex(&hash) }]);
        }
        npm.push(purl);
        components.push(component);
    }
    components.sort_by(|a, b| text(&a["bom-ref"]).cmp(text(&b["bom-ref"])));

    let mut dependencies: Vec<Value> = seen
        .iter()
        .map(|id| {
            let mut on: BTreeSet<String> = edges.get(id).into_iter().flatten().map(|to| purl(to)).collect();
            if *id == worker {
                on.extend(npm.iter().cloned());
            }
            json!({ "ref": purl(id), "dependsOn": on })
        })
        .collect();
    dependencies.extend(npm.iter().map(|purl| json!({ "ref": purl, "dependsOn": [] })));
    dependencies.sort_by(|a, b| text(&a["ref"]).cmp(text(&b["ref"])));

    let contents = json!([components, dependencies]).to_string();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(&contents),
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": "cargo xtask release", "version": VERSION }] },
            "component": {
                "type": "application", "bom-ref": purl(worker), "name": "weir", "version": VERSION,
                "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// A UUID of the contents: the same release has the same.
fn serial(contents: &str) -> String {
    let mut bytes: Vec<u8> = Sha256::digest(contents).iter().take(16).copied().collect();
    // Version 8, custom; and the variant of RFC 9562.
    for (at, keep, set) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = (*byte & keep) | set;
        }
    }
    let hex = hex(&bytes);
    let mut rest = hex.as_str();
    let parts = [8, 4, 4, 4, 12].map(|length| {
        let (part, after) = rest.split_at(length);
        rest = after;
        part
    });
    format!("urn:uuid:{}", parts.join("-"))
}

/// Bytes of a text in base64.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        held = (held << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lists_what_is_in_the_worker_and_nothing_that_only_tests_it() -> Result<(), String> {
        let bom: Value = serde_json::from_str(&of_the_worker()?).map_err(|error| error.to_string())?;
        let names: BTreeSet<&str> = list(&bom["components"]).iter().map(|part| text(&part["name"])).collect();
        for name in ["weir-core", "sha2", "serde_json", "htmx.org", "workerd"] {
            assert!(names.contains(name), "{name} is missing");
        }
        for name in ["weir-tests", "proptest", "rusqlite", "wasmtime", "wrangler"] {
            assert!(!names.contains(name), "{name} is not in the Worker");
        }
        let refs: BTreeSet<&str> = list(&bom["components"])
            .iter()
            .map(|part| text(&part["bom-ref"]))
            .chain([text(&bom["metadata"]["component"]["bom-ref"])])
            .collect();
        assert_eq!(refs.len(), list(&bom["components"]).len() + 1, "references are unique");
        for dependency in list(&bom["dependencies"]) {
            for name in list(&dependency["dependsOn"]).iter().chain([&dependency["ref"]]) {
                assert!(refs.contains(text(name)), "{name} is described");
            }
        }
        let sha2 = list(&bom["components"]).iter().find(|part| part["name"] == "sha2");
        let hash = sha2.map(|part| text(&part["hashes"][0]["content"]).len());
        assert_eq!(hash, Some(64), "crates from the registry have their checksum");
        Ok(())
    }

    #[test]
    fn hashes_of_npm_are_told_in_hexadecimal() {
        assert_eq!(unbase64("AAH/").as_deref(), Some(&[0, 1, 255][..]));
        assert_eq!(unbase64("aGk=").as_deref(), Some(&b"hi"[..]));
        assert_eq!(unbase64("?"), None);
    }
}
