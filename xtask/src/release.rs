//! `cargo xtask release`: builds everything that is published for a version, in `dist/`.
//!
//! - `weir-worker-VERSION.tar.gz`: the prebuilt Worker with the plugins that ship, and the configuration to deploy it
//! - `weir-gateway-VERSION.tgz` and `weir-presets-VERSION.tgz`: the npm packages
//! - `weir-plugin-VERSION.crate` and that of its macros: what plugins are written with
//! - `sbom.cdx.json`: what the Worker is made of (CycloneDX)
//! - `RELEASE_NOTES.md`: the version's section of the changelog
//! - `SHA256SUMS` of all of these
//!
//! Nothing is published here: the release workflow does that, after it has tested the same commit.

use crate::tools::{VERSION, hex};
use crate::{build, failed, root, say, sbom, tools};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The npm packages: name, folder, and the folder and crate of the wasm in it.
const PACKAGES: [(&str, &str, &str, &str, &str); 2] = [
    ("weir-gateway", "npm/gateway", "bundler", "weir-plugin-bundle", "bundler"),
    ("weir-presets", "npm/presets", "engine", "weir-presets", "weir_presets"),
];
/// The crates that are published, each after those that it needs.
const CRATES: [&str; 2] = ["weir-plugin-macros", "weir-plugin"];
/// What each package has besides its own files.
const LICENSES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// The features of WebAssembly that rustc uses, as wasm-opt calls them.
const WASM_FEATURES: [&str; 6] = [
    "bulk-memory",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// What is released, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The tag that is released, which must be the version's.
    pub tag: Option<String>,
    /// A Worker that is already built.
    pub worker: Option<PathBuf>,
    /// The directory to write to; `dist/` without it.
    pub out: Option<PathBuf>,
}

/// Makes the release; the directory that holds it.
pub fn run(options: &Options) -> Result<PathBuf, String> {
    if let Some(tag) = &options.tag
        && *tag != format!("v{VERSION}")
    {
        return Err(format!(
            "The tag is {tag}, but the version is {VERSION}. Change the tag, or the version in Cargo.toml."
        ));
    }
    check_versions()?;
    let path = root().join("CHANGELOG.md");
    let notes = notes(&read(&path)?, VERSION)
        .ok_or_else(|| format!("CHANGELOG.md has no section `## [{VERSION}]`. Add it first."))?;
    let worker = options.worker.clone().map_or_else(|| build::ensure_built(true), Ok)?;
    let worker = worker.canonicalize().map_err(failed("find", &worker))?;

    let out = options.out.clone().unwrap_or_else(|| root().join("dist"));
    let out = std::path::absolute(&out).map_err(failed("find", &out))?;
    let _ = fs::remove_dir_all(&out);
    let staged = out.join("staged");
    fs::create_dir_all(&staged).map_err(failed("create", &staged))?;
    let bom = sbom::of_the_worker()?;
    write(&out.join("sbom.cdx.json"), &bom)?;
    write(&out.join("RELEASE_NOTES.md"), &notes)?;

    let engines = build_engines()?;
    for (name, from, folder, _, module) in PACKAGES {
        say(&format!("Packing {name}"));
        let package = staged.join(name);
        copy_tree(&root().join(from), &package)?;
        let engine = package.join(folder);
        let _ = fs::remove_dir_all(&engine);
        fs::create_dir_all(&engine).map_err(failed("create", &engine))?;
        for file in [format!("{module}.js"), format!("{module}.d.ts"), format!("{module}_bg.wasm")] {
            copy(&engines.join(&file), &engine.join(&file))?;
        }
        for license in LICENSES {
            copy(&root().join(license), &package.join(license))?;
        }
        write(&package.join("sbom.cdx.json"), &bom)?;
        if name == "weir-gateway" {
            copy_worker(&worker, &package.join("worker"))?;
            copy(&root().join("wrangler.toml"), &package.join("wrangler.toml"))?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(&package)
            .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
            .arg(&out);
        npm.stdout(std::process::Stdio::null());
        tools::run(&mut npm, "`npm pack`")?;
    }
    pack_worker(&worker, &staged, &out)?;
    pack_crates(&out)?;
    fs::remove_dir_all(&staged).map_err(failed("remove", &staged))?;
    write(&out.join("SHA256SUMS"), &sums(&out)?)?;
    Ok(out)
}

/// The wasm of the npm packages with its bindings; the directory that holds it all.
fn build_engines() -> Result<PathBuf, String> {
    tools::ensure_wasm_target()?;
    let wasm_bindgen = tools::wasm_bindgen_path()?;
    let wasm_opt = tools::wasm_opt_path()?;
    say("Building the packages' wasm");
    let target = crate::plugins::target();
    let mut cargo = tools::cargo();
    cargo.args(["build", "--lib", "--release", "--target", tools::WASM_TARGET, "--target-dir"]).arg(&target);
    for (_, _, _, package, _) in PACKAGES {
        cargo.args(["--package", package]);
    }
    tools::run(&mut cargo, "The build of the packages' wasm")?;
    let out = target.join("npm");
    for (_, _, _, package, module) in PACKAGES {
        let file = format!("{}.wasm", package.replace('-', "_"));
        let wasm = target.join(tools::WASM_TARGET).join("release").join(file);
        let mut bind = Command::new(&wasm_bindgen);
        bind.args(["--target", "web", "--out-name", module, "--out-dir"]).arg(&out).arg(&wasm);
        tools::run(&mut bind, "wasm-bindgen")?;
        let bound = out.join(format!("{module}_bg.wasm"));
        let mut optimize = Command::new(&wasm_opt);
        // What rustc emits and every Node and browser of the last years runs: with all features allowed, wasm-opt writes
        // what they refuse.
        optimize.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
        optimize.args(["-Oz", "--strip-debug", "--strip-producers", "--output"]).args([&bound, &bound]);
        tools::run(&mut optimize, "wasm-opt")?;
    }
    Ok(out)
}

/// Copies what of a build is the Worker, with checksums beside it.
fn copy_worker(worker: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(failed("create", to))?;
    for file in modules(worker)? {
        copy(&worker.join(&file), &to.join(&file))?;
    }
    write(&to.join("SHA256SUMS"), &sums(to)?)
}

/// The files of a build that are modules of the Worker, in order.
fn modules(worker: &Path) -> Result<Vec<String>, String> {
    let is_module = |name: &String| {
        Path::new(name).extension().is_some_and(|end| ["js", "mjs", "wasm"].iter().any(|kind| end == *kind))
    };
    Ok(files(worker)?.into_iter().filter(is_module).collect())
}

/// The names of the files in a directory, in order.
fn files(dir: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let entry = entry.map_err(failed("list", dir))?;
        if entry.path().is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The Worker to be deployed as it is, without this repository and without npm's package.
fn pack_worker(worker: &Path, staged: &Path, out: &Path) -> Result<(), String> {
    say("Packing the Worker");
    let name = format!("weir-worker-{VERSION}");
    let dir = staged.join(&name);
    copy_worker(worker, &dir.join("build"))?;
    let config = root().join("wrangler.toml");
    write(&dir.join("wrangler.toml"), &without_build(&read(&config)?))?;
    for license in LICENSES {
        copy(&root().join(license), &dir.join(license))?;
    }
    let mut tar = Command::new("tar");
    tar.current_dir(staged).arg("-czf").arg(out.join(format!("{name}.tar.gz")));
    if cfg!(target_os = "linux") {
        // The same files make the same archive.
        tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    }
    tools::run(tar.arg(&name), "`tar`")
}

/// The crates that plugins are written with, as the crate registry takes them. `cargo publish --dry-run` builds them, too.
fn pack_crates(out: &Path) -> Result<(), String> {
    say("Packing the crates");
    let target = crate::plugins::target();
    let mut cargo = tools::cargo();
    cargo.args(["package", "--quiet", "--no-verify", "--allow-dirty", "--target-dir"]).arg(&target);
    for name in CRATES {
        cargo.args(["--package", name]);
    }
    tools::run(&mut cargo, "`cargo package`")?;
    for name in CRATES {
        let file = format!("{name}-{VERSION}.crate");
        copy(&target.join("package").join(&file), &out.join(&file))?;
    }
    Ok(())
}

/// `wrangler.toml` without the command that builds the Worker.
fn without_build(toml: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in toml.lines() {
        if line.starts_with('[') {
            inside = line == "[build]";
        }
        if !inside {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A version's section of the changelog, without its heading.
fn notes(changelog: &str, version: &str) -> Option<String> {
    let heading = format!("## [{version}]");
    let from = changelog.find(&heading)?;
    let section = changelog.get(from..)?.split_once('\n')?.1;
    let section = section.split("\n## [").next().unwrap_or(section).trim();
    (!section.is_empty()).then(|| format!("{section}\n"))
}

/// All versions that are written by hand are the same.
fn check_versions() -> Result<(), String> {
    let root_manifest = json(&root().join("package.json"))?;
    let pinned = |name: &str| root_manifest["devDependencies"][name].as_str().unwrap_or_default().to_owned();
    for (name, folder, ..) in PACKAGES {
        let manifest = json(&root().join(folder).join("package.json"))?;
        let same = |what: &str, is: &serde_json::Value, should: &str| {
            let is = is.as_str().unwrap_or_default();
            (is == should)
                .then_some(())
                .ok_or(format!("{folder}/package.json: {what} is {is}, and should be {should}."))
        };
        same("the version", &manifest["version"], VERSION)?;
        if name == "weir-gateway" {
            same("workerd", &manifest["dependencies"]["workerd"], &pinned("workerd"))?;
            same("wrangler", &manifest["weir"]["wrangler"], &pinned("wrangler"))?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<serde_json::Value, String> {
    serde_json::from_str(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))
}

/// Checksums of the files in a directory, in the form of `sha256sum`.
fn sums(dir: &Path) -> Result<String, String> {
    let mut text = String::new();
    for name in files(dir)?.iter().filter(|name| *name != "SHA256SUMS") {
        let path = dir.join(name);
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        let _ = writeln!(text, "{}  {name}", hex(&Sha256::digest(bytes)));
    }
    Ok(text)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(failed("create", to))?;
    for entry in fs::read_dir(from).map_err(failed("list", from))? {
        let entry = entry.map_err(failed("list", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(failed("copy", from))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(failed("read", path))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_the_versions_section() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- A.\n\n## [0.1.0]\n\n- B.\n";
        assert_eq!(notes(changelog, "0.2.0").as_deref(), Some("### Added\n\n- A.\n"));
        assert_eq!(notes(changelog, "0.1.0").as_deref(), Some("- B.\n"));
        assert_eq!(notes(changelog, "0.3.0"), None);
    }

    #[test]
    fn all_versions_agree_and_the_changelog_has_this_one() -> Result<(), String> {
        check_versions()?;
        assert!(notes(&read(&root().join("CHANGELOG.md"))?, VERSION).is_some());
        Ok(())
    }

    #[test]
    fn only_the_versions_own_tag_is_released() {
        let options = Options { tag: Some("v9.9.9".into()), ..Options::default() };
        assert!(run(&options).err().unwrap_or_default().starts_with("The tag is v9.9.9"));
    }

    #[test]
    fn what_is_deployed_as_it_is_has_no_build_command() -> Result<(), String> {
        let toml = read(&root().join("wrangler.toml"))?;
        let without = without_build(&toml);
        assert!(toml.contains("cargo xtask build") && !without.contains("cargo xtask build"));
        assert!(
            without.contains("[[durable_objects.bindings]]")
                && without.contains("main = \"build/entry.mjs\"")
        );
        Ok(())
    }
}
