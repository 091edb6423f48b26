//! The npm packages as they are published: packed, installed from their tarballs, and run on a `PATH` without Rust.
//!
//! The scripts in `tests/npm/` are the specification.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use weir_tests::gateway::{scratch, target};
use weir_tests::sdk;
use xtask::{build, local, release, tools};

/// A directory with both packages in its `node_modules`, and a `bin` that is all of the `PATH` there is.
#[track_caller]
fn installed() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let worker = std::env::var_os(build::WORKER_DIR).map(PathBuf::from);
        let worker =
            worker.map_or_else(|| build::ensure_built(true), Ok).unwrap_or_else(|error| panic!("{error}"));
        let out = target().join("tmp/release");
        let options = release::Options { worker: Some(worker), out: Some(out.clone()), tag: None };
        release::run(&options).unwrap_or_else(|error| panic!("{error}"));
        check_sums(&out);

        let home = scratch("npm");
        std::fs::write(home.join("package.json"), r#"{"private": true}"#).expect("a file");
        let tarballs =
            ["weir-gateway", "weir-presets"].map(|name| out.join(format!("{name}-{}.tgz", tools::VERSION)));
        let mut npm = Command::new("npm");
        npm.current_dir(&home)
            .args([
                "install",
                "--ignore-scripts",
                "--prefer-offline",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .args(tarballs);
        tools::run(npm.stdout(Stdio::null()), "`npm install`").unwrap_or_else(|error| panic!("{error}"));
        make_path(&home.join("bin"));
        home
    })
}

/// The checksums are those of the files.
fn check_sums(out: &Path) {
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).expect("checksums");
    for name in ["sbom.cdx.json", "RELEASE_NOTES.md"] {
        assert!(sums.contains(&format!("  {name}\n")), "{sums}");
    }
    for kind in ["weir-worker", "weir-gateway", "weir-presets", "weir-plugin", "weir-plugin-macros"] {
        assert!(sums.contains(&format!("  {kind}-{}", tools::VERSION)), "{sums}");
    }
}

/// What the packages may find besides Node.
fn make_path(bin: &Path) {
    std::fs::create_dir_all(bin).expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Those after the first two are for tests that a machine may be without.
    for program in ["sh", "env", "ps", "curl", "unshare", "mount", "setpriv", "chown", "mkdir", "touch"] {
        let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
        assert!(found.is_some() || !["sh", "env"].contains(&program), "no {program} on the PATH");
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, bin.join(program)).expect("a link");
        }
    }
    let node = tools::node_path();
    let node = if node.is_absolute() {
        node
    } else {
        std::env::split_paths(&path).map(|dir| dir.join("node")).find(|file| file.is_file()).expect("node")
    };
    std::os::unix::fs::symlink(node, bin.join("node")).expect("a link");
    // For the build command of a project.
    let command = "../node_modules/weir-gateway/bin/weir-gateway.mjs";
    let npx = format!("#!/bin/sh\nshift\nexec node \"${{0%/*}}/{command}\" \"$@\"\n");
    let script = bin.join("npx");
    std::fs::write(&script, npx).expect("a file");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
}

#[track_caller]
fn run(script: &str, env: &[(&str, &str)]) -> sdk::Run {
    let home = installed();
    let (home, path) = (home.to_string_lossy(), home.join("bin").to_string_lossy().into_owned());
    let vectors = xtask::root().join("core/tests/scheme/vectors.jsonl");
    let vectors = vectors.to_string_lossy();
    let mut all = vec![("HOME_DIR", &*home), ("PATH", &path), ("VECTORS", &vectors)];
    all.extend_from_slice(env);
    let run = sdk::node(&format!("../npm/{script}"), &all);
    let mut failed = Vec::new();
    for line in &run.lines {
        let (Some(test), ok) = (line["test"].as_str(), line["ok"] == true) else { continue };
        println!("{} {test} ({} ms)", if ok { "ok    " } else { "FAILED" }, line["ms"]);
        if !ok {
            failed.push(format!("{test}\n{}", line["error"].as_str().unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{}\n{}", failed.join("\n\n"), run.noise);
    run.assert_ok();
    assert!(!run.lines.is_empty(), "the script has tested something\n{}", run.noise);
    run
}

#[test]
fn the_gateway_runs_is_deployed_and_is_backed_up_without_rust() {
    let plugin = scratch("npm-plugin").join("mine.wasm");
    let text = r#"(module
        (memory (export "memory") 1 16)
        (data (i32.const 16) "\20\00\00\00\00\08\00\00\1e\00\00\00\00\09\00\00\0b\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
        (data (i32.const 2048) "\01\00\00\00\01\00\00\00\09\00\00\00\14\00\00\00\0a\00\00\00{\22by\22:\22me\22}")
        (data (i32.const 2304) "\03version 1\0a")
        (func (export "weir_abi_v1") (result i32) i32.const 16)
        (func (export "weir_input") (param i32) (result i32) i32.const 4096)
        (func (export "weir_transform") (param i32) (result i32) i32.const 1))"#;
    std::fs::write(&plugin, wat::parse_str(text).expect("a module")).expect("a file");
    let wrangler = sdk::npm_package("wrangler").join("bin/wrangler.js");
    let docs = xtask::root().join("docs");
    let env = [("PLUGIN", &*plugin), ("WRANGLER", &*wrangler), ("DOCS", &*docs)];
    let env = env.map(|(name, path)| (name, path.to_string_lossy().into_owned()));
    let env: Vec<(&str, &str)> = env.iter().map(|(name, path)| (*name, path.as_str())).collect();
    run("gateway.mjs", &env);
}

#[test]
fn what_is_no_network_keeps_the_gateway_from_nothing() {
    let script = r#"
        import { networks } from "./npm/gateway/lib/vars.mjs";
        const given = "localhost, 10.0.0.0/8,10.0.0.0/33,127.0.0.1,*,::1/128,::1/129,10.0.0.0/8/8,/8,fd00::/x, ";
        console.log(networks({ ALLOWED_NETWORKS: given }).join(" "), networks({}).length);
    "#;
    let mut node = Command::new(tools::node_path());
    let ran = node.current_dir(xtask::root()).args(["--input-type=module", "--eval", script]).output();
    let ran = ran.expect("Node runs");
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "10.0.0.0/8 ::1/128 0", "{ran:?}");
}

#[test]
fn the_package_has_the_runtime_that_all_other_tests_have() {
    let run = run("deployment.mjs", &[]);
    let deployment = run.value("deployment");
    let worker = installed().join("node_modules/weir-gateway/worker");
    let config = local::capnp(&local::Options::new(scratch("capnp")), &worker).expect("a configuration");
    let has = |text: String| assert!(config.contains(&text), "{text} is not in {config}");
    has(format!("compatibilityDate = {}", deployment["date"]));
    for flag in deployment["localFlags"].as_array().expect("flags") {
        has(flag.to_string());
    }
    let objects = deployment["objects"].as_array().expect("objects");
    assert_eq!(config.matches("uniqueKey").count(), objects.len());
    for object in objects {
        has(format!("className = {}, uniqueKey = {}", object["className"], object["key"]));
        has(format!("name = {}, durableObjectNamespace = {}", object["binding"], object["className"]));
    }
}

#[test]
fn two_hundred_providers_are_verified_in_node() {
    run("presets-node.mjs", &[]);
}

#[test]
fn two_hundred_providers_are_verified_in_a_browser() {
    match xtask::browser::chromium() {
        Ok(browser) => drop(run("presets-browser.mjs", &[("CHROMIUM", &browser.to_string_lossy())])),
        Err(sentence) => {
            assert!(!sdk::in_ci(), "{sentence}");
            eprintln!("skipped: {sentence}");
        }
    }
}

#[test]
fn two_hundred_providers_are_verified_in_a_worker() {
    let home = scratch("miniflare");
    run("presets-workerd.mjs", &[("XDG_CONFIG_HOME", &home.to_string_lossy())]);
}

/// Where there is no systemd, nothing is tested.
#[test]
fn systemd_understands_the_units_and_finds_the_service_well_confined() {
    let dir = scratch("units");
    let deploy = xtask::root().join("deploy");
    for name in ["weir.service", "weir-backup.service", "weir-backup.timer"] {
        let unit = std::fs::read_to_string(deploy.join(name)).expect("a unit");
        // What it starts has to be there.
        let unit = unit.replace("/usr/bin/node", "/bin/sh").replace("WorkingDirectory=/opt/weir", "");
        std::fs::write(dir.join(name), unit).expect("a file");
    }
    let analyze = |args: &[&str]| {
        Command::new("systemd-analyze")
            .args(args)
            .arg(dir.join("weir.service"))
            .arg(dir.join("weir-backup.timer"))
            .output()
    };
    let Ok(verified) = analyze(&["verify", "--man=no"]) else { return };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("Unknown"), "{said}");
    let confined = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=25"])
        .arg(dir.join("weir.service"))
        .output();
    let confined = confined.expect("an answer");
    assert!(confined.status.success(), "{}", String::from_utf8_lossy(&confined.stdout));
}

#[test]
fn the_packages_keep_the_types_that_they_declare() {
    let home = installed();
    // The compiler looks for types beside the sources.
    let dir = scratch("npm-types");
    for name in ["weir-gateway", "weir-presets"] {
        let to = dir.join(name.trim_start_matches("weir-"));
        let copied = Command::new("cp").arg("-r").arg(home.join("node_modules").join(name)).arg(&to).status();
        assert!(copied.is_ok_and(|status| status.success()), "{name}");
    }
    std::fs::copy(xtask::root().join("npm/tsconfig.json"), dir.join("tsconfig.json")).expect("a copy");
    let modules = sdk::npm_package("");
    std::os::unix::fs::symlink(&modules, dir.join("node_modules")).expect("a link");
    let mut tsc = Command::new(tools::node_path());
    tsc.arg(modules.join("typescript/bin/tsc")).arg("--project").arg(&dir);
    let output = tsc.output().expect("the compiler of TypeScript");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
