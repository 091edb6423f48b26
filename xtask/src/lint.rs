//! What is checked of the sources without running them: lints, documentation, features, types of JavaScript, spelling.

use crate::{js, plugins, spelling, tools};
use serde_json::Value;

/// Packages that build for wasm32 only.
const WASM_ONLY: [&str; 2] = ["weir-worker", "weir-presets"];

/// Everything in this module.
pub fn all() -> Result<(), String> {
    spelling::check()?;
    js::check_types()?;
    tools::ensure_components()?;
    tools::ensure_wasm_target()?;
    clippy()?;
    documentation()?;
    features()
}

fn clippy() -> Result<(), String> {
    let native = ["clippy", "--workspace", "--exclude=weir-worker", "--all-targets", "--", "-Dwarnings"];
    tools::run(tools::cargo().args(native), "`cargo clippy`")?;
    // What ships; see `.cargo/config.toml`.
    tools::run(tools::cargo().arg("strict"), "`cargo strict`")?;
    // What only wasm has: exports, allocator, panic handler.
    let mut wasm = tools::cargo();
    wasm.args(["clippy", "--target", tools::WASM_TARGET, "--package=weir-presets"]);
    wasm.args(plugins::packages()?.iter().map(|name| format!("--package={name}")));
    tools::run(wasm.args(["--", "-Dwarnings"]), "`cargo clippy` of the plugins and the npm packages")
}

/// Builds the documentation: links and code blocks in it are right.
fn documentation() -> Result<(), String> {
    let mut native = tools::cargo();
    native.args(["doc", "--no-deps", "--document-private-items", "--workspace"]);
    native.args(WASM_ONLY.map(|name| format!("--exclude={name}")));
    let mut wasm = tools::cargo();
    wasm.args(["doc", "--no-deps", "--document-private-items", "--target", tools::WASM_TARGET]);
    wasm.args(WASM_ONLY.map(|name| format!("--package={name}")));
    for mut command in [native, wasm] {
        tools::run(command.env("RUSTDOCFLAGS", "-Dwarnings"), "`cargo doc`")?;
    }
    Ok(())
}

/// Checks each package that has features with each of them alone, and with none.
fn features() -> Result<(), String> {
    let output = tools::cargo().args(["metadata", "--no-deps", "--format-version=1"]).output();
    let output = output.map_err(|error| format!("`cargo metadata` could not be started: {error}."))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` returned invalid JSON: {error}."))?;
    for (package, feature) in alone(&metadata) {
        let mut command = tools::cargo();
        command.args(["clippy", "--quiet", "--no-default-features", "--package", &package]);
        command.args(["--features", &feature]);
        if WASM_ONLY.contains(&&*package) {
            command.args(["--target", tools::WASM_TARGET]);
        }
        let what = format!("`cargo clippy -p {package}` with the feature `{feature}` alone");
        tools::run(command.args(["--", "-Dwarnings"]), &what)?;
    }
    Ok(())
}

/// Each feature of each package, and none (an empty name).
fn alone(metadata: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (Some(name), Some(features)) = (package["name"].as_str(), package["features"].as_object()) else {
            continue;
        };
        if features.is_empty() {
            continue;
        }
        let none = std::iter::once(String::new());
        let features = none.chain(features.keys().filter(|feature| *feature != "default").cloned());
        all.extend(features.map(|feature| (name.to_owned(), feature)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_feature_is_checked_alone_and_packages_without_features_are_not() {
        let metadata = json!({ "packages": [
            { "name": "a", "features": { "default": ["x"], "x": [], "y": [] } },
            { "name": "b", "features": {} },
        ] });
        let pair = |feature: &str| ("a".to_owned(), feature.to_owned());
        assert_eq!(alone(&metadata), [pair(""), pair("x"), pair("y")]);
    }
}
