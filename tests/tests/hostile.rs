//! Hostile plugins on a real workerd: every module of the conformance suite, on each engine that a deployment can
//! have.
//!
//! Each is refused as it is uploaded, or ends as its file says; the same object then delivers the next message, and its
//! neighbor gets every one. The three engines must agree on verdict, fuel and memory.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::{Running, scratch};
use weir_tests::receiver::Receiver;

const SOON: Duration = Duration::from_secs(20);

struct Case {
    name: String,
    expect: String,
    wasm: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let dir = xtask::root().join("plugin-host/tests/hostile");
    let mut cases: Vec<Case> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let source = fs::read_to_string(&path).expect("a text");
            let expect = source.lines().find_map(|line| line.strip_prefix(";; expect:"));
            let expect = expect.unwrap_or_else(|| panic!("{name} expects nothing")).trim().to_owned();
            let wasm = wat::parse_str(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
            Case { name, expect, wasm }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() > 100, "{} cases", cases.len());
    cases
}

/// What an attempt's record says of its one plugin, in the words of a case.
fn verdict(plugin: &Value) -> String {
    match text(plugin, "verdict").as_str() {
        "replaced" => "replace".to_owned(),
        "dropped" => "drop".to_owned(),
        "failed" => match plugin["error"]["code"].as_str() {
            Some("permanent") => "error".to_owned(),
            code => code.unwrap_or_default().to_owned(),
        },
        other => other.to_owned(),
    }
}

/// An application with an endpoint for hostile plugins, and its neighbor.
struct Scene {
    api: Api,
    app: String,
    endpoint: String,
    receiver: Receiver,
    sent: usize,
}

impl Scene {
    fn new(gateway: &Running) -> Self {
        let (api, receiver) = (gateway.tenant(), Receiver::start());
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url("/hostile"));
        api.endpoint(&app, &receiver.url("/neighbor"));
        Self { api, app, endpoint, receiver, sent: 0 }
    }

    fn attach(&self, plugins: &Value) {
        let path = format!("/api/v1/app/{}/endpoint/{}/plugins", self.app, self.endpoint);
        let (status, body) = self.api.put(&path, &json!({ "plugins": plugins }));
        assert_eq!(status, 200, "{body}");
    }

    /// Sends a message, which the neighbor gets; its attempt at the endpoint with plugins.
    fn send(&mut self, name: &str) -> Value {
        let message = self.api.send(&self.app, r#"{"id":7}"#);
        self.sent += 1;
        assert!(
            self.receiver.wait_for("/neighbor", self.sent, SOON).len() >= self.sent,
            "{name}: the neighbor"
        );
        let path = format!("/api/v1/app/{}/attempt/msg/{message}?endpoint_id={}", self.app, self.endpoint);
        let page = self.api.until(&path, SOON, |page| !list(page).is_empty());
        list(&page)[0].clone()
    }

    /// The module that is attached runs on a message, and the next one is delivered by the same object.
    fn try_out(&mut self, name: &str, plugins: &Value) -> Value {
        self.attach(plugins);
        let attempt = self.send(name);
        self.attach(&json!([]));
        let next = self.send(name);
        assert_eq!(next["status"], 0, "{name}: the next message: {next}");
        attempt["plugins"][0].clone()
    }
}

type Outcomes = BTreeMap<String, (String, u64, u64)>;

fn note(outcomes: &mut Outcomes, case: &Case, engine: &str, plugin: &Value) {
    assert_eq!(text(plugin, "engine"), engine, "{}: {plugin}", case.name);
    let got = verdict(plugin);
    assert_eq!(got, case.expect, "{} by {engine}: {plugin}", case.name);
    let number = |field: &str| plugin[field].as_u64().unwrap_or_else(|| panic!("no {field}: {plugin}"));
    outcomes.insert(case.name.clone(), (got, number("fuel"), number("memoryPages")));
}

/// Every module uploaded: refused, or run.
fn uploaded(gateway: &Running, engine: &str) -> Outcomes {
    let mut scene = Scene::new(gateway);
    let mut outcomes = Outcomes::new();
    for case in cases() {
        let (status, body) = scene.api.upload(&case.name, &case.wasm);
        if let Some(code) = case.expect.strip_prefix("refused ") {
            assert_eq!((status, &body["detail"][0]["type"]), (422, &json!(code)), "{}: {body}", case.name);
            let sentence = text(&body["detail"][0], "msg");
            assert!(sentence.len() > 30, "{}: {sentence}", case.name);
            continue;
        }
        assert_eq!(status, 201, "{}: {body}", case.name);
        let plugin = scene.try_out(&case.name, &json!([{ "name": case.name, "onError": "deliver" }]));
        note(&mut outcomes, &case, engine, &plugin);
    }
    outcomes
}

/// A Worker that bundles the modules which are not refused.
fn bundling(cases: &[Case]) -> PathBuf {
    let dir = scratch("hostile-worker");
    let built = match std::env::var_os(xtask::build::WORKER_DIR) {
        Some(dir) => PathBuf::from(dir),
        None => xtask::build::ensure_built(true).unwrap_or_else(|error| panic!("{error}")),
    };
    let copy = |from: &Path| {
        let name = from.file_name().unwrap_or_default();
        fs::copy(from, dir.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    for entry in fs::read_dir(&built).expect("a built Worker") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            copy(&path);
        }
    }
    let modules = dir.join("modules");
    fs::create_dir_all(&modules).expect("a folder");
    let mut args = vec!["bundle".to_owned(), dir.to_string_lossy().into_owned()];
    for case in cases.iter().filter(|case| !case.expect.starts_with("refused ")) {
        let path = modules.join(format!("{}.wasm", case.name));
        fs::write(&path, &case.wasm).expect("written");
        args.push(path.to_string_lossy().into_owned());
    }
    assert_eq!(xtask::plugins::command(&args), Ok(true));
    dir
}

fn bundled() -> Outcomes {
    let cases = cases();
    // Without the rules: what V8 alone makes of a module is compared with the interpreter.
    let mut options = Running::options(&[]);
    options.worker_dir = Some(bundling(&cases));
    let gateway = Running::with(options);
    let mut scene = Scene::new(&gateway);
    let mut outcomes = Outcomes::new();
    for case in cases.iter().filter(|case| !case.expect.starts_with("refused ")) {
        let plugin = scene.try_out(&case.name, &json!([{ "name": case.name, "onError": "deliver" }]));
        note(&mut outcomes, case, "v8", &plugin);
    }
    outcomes
}

fn differences(engine: &str, outcomes: &Outcomes, expected: &Outcomes) -> Vec<String> {
    let differs = |(name, outcome): (&String, &(String, u64, u64))| {
        let other = expected.get(name);
        (other != Some(outcome)).then(|| format!("{name}: {engine} {outcome:?}, wasmi {other:?}"))
    };
    outcomes.iter().filter_map(differs).collect()
}

#[test]
fn hostile_modules_end_the_same_by_every_engine_and_nobody_else_notices() {
    let in_the_interpreter = uploaded(&Running::start(&[("MAX_PLUGINS", "1000")]), "wasmi");
    assert!(in_the_interpreter.len() > 60, "{} ran", in_the_interpreter.len());
    // Each module has an isolate of its own here, and all of them are to be compared. Without the rules, as above.
    let mut options = Running::options(&[("MAX_PLUGINS", "1000"), ("LOADER_ISOLATES", "1000")]);
    options.loader = true;
    let apart = uploaded(&Running::with(options), "loader");
    let in_place = bundled();
    let mut wrong = differences("loader", &apart, &in_the_interpreter);
    wrong.extend(differences("v8", &in_place, &in_the_interpreter));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((apart.len(), in_place.len()), (in_the_interpreter.len(), in_the_interpreter.len()));
}
