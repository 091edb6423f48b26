//! The Worker as wrangler runs it: with the bindings of `wrangler.toml`, under miniflare.
//!
//! All other tests run on the bare workerd with a configuration of xtask's making. This one shows that the file which
//! is deployed says the same, and that alarms (which miniflare stores in its own way) wake an object.

use serde_json::{Value, json};
use std::path::PathBuf;
use weir_tests::gateway::scratch;
use weir_tests::{client, sdk, token};
use xtask::build;

/// Where the built Worker is.
fn worker_dir() -> PathBuf {
    match std::env::var_os(build::WORKER_DIR) {
        Some(dir) => PathBuf::from(dir),
        None => build::ensure_built(true).unwrap_or_else(|error| panic!("{error}")),
    }
}

#[test]
fn under_miniflare_a_message_is_delivered_and_its_retry_is_woken_by_the_alarm() {
    let worker = worker_dir().canonicalize().expect("a built Worker");
    let temporary = scratch("wrangler");
    let (worker, temporary) = (worker.to_string_lossy(), temporary.to_string_lossy());
    let config = xtask::root().join("wrangler.toml");
    let run = sdk::node(
        "../wrangler/smoke.mjs",
        &[
            ("CONFIG", &config.to_string_lossy()),
            ("WORKER_DIR", &worker),
            ("WEIR_TOKEN", &token::for_org(&client::fresh_org())),
            ("JWT_SECRET", token::SECRET),
            // Neither logs nor databases of wrangler and miniflare outside the build's directory, and no news of it.
            ("TMPDIR", &temporary),
            ("XDG_CONFIG_HOME", &temporary),
            ("WRANGLER_SEND_METRICS", "false"),
        ],
    );
    run.assert_ok();

    // The receiver answered 500 and then 200. The script has verified both signatures with Svix's library.
    let message = run.value("message");
    let request = json!({ "method": "POST", "url": "/hook", "id": message, "body": r#"{"n":1}"# });
    assert_eq!(run.value("requests"), &json!([request, request]));
    assert_eq!(run.value("codes"), &json!([200, 500]), "attempts, newest first");
    // Half a second by the schedule, give or take a fifth; a busy machine may add to it.
    let gap = run.value("gap").as_f64().unwrap_or_default();
    assert!((390.0..5_000.0).contains(&gap), "the retry came after {gap} ms");

    assert_eq!(run.value("objects"), &json!(["APP", "DIRECTORY", "ENDPOINT"]));
    // A deployment must never fetch into its own zone: an endpoint's address is a stranger's choice.
    let flags = run.value("flags").as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(flags.contains(&Value::from("global_fetch_strictly_public")), "{flags:?}");
    // Bundled plugins come along, and run on V8.
    let plugin = run.value("plugin");
    assert_eq!((&plugin["verdict"], &plugin["engine"]), (&json!("dropped"), &json!("v8")), "{plugin}");
    let _ = std::fs::remove_dir_all(temporary.as_ref());
}
