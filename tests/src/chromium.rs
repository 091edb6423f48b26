//! The scripts of `tests/browser/`: Chromium, driven by playwright, at a gateway's dashboard.

use crate::client::Api;
use crate::sdk;

/// Runs a script as a tenant that nobody used before, and asserts that all of its tests held. Where there is no Chromium
/// and none can be installed, nothing is tested, which only a developer's machine may do: in CI (where `CI` is set) it fails.
#[track_caller]
pub fn run(script: &str, api: &Api, env: &[(&str, &str)]) {
    let browser = match xtask::browser::chromium() {
        Ok(browser) => browser,
        Err(sentence) => {
            assert!(!sdk::in_ci(), "{sentence}");
            eprintln!("skipped: {sentence}");
            return;
        }
    };
    let browser = browser.to_string_lossy();
    let mut all = vec![("WEIR_URL", api.url()), ("WEIR_TOKEN", api.token.as_str()), ("CHROMIUM", &*browser)];
    all.extend_from_slice(env);
    let run = sdk::node(&format!("../browser/{script}"), &all);
    let mut failed = Vec::new();
    for line in &run.lines {
        let (Some(test), ok) = (line["test"].as_str(), line["ok"] == true) else { continue };
        println!("{} {test} ({} ms)", if ok { "ok    " } else { "FAILED" }, line["ms"]);
        if !ok {
            failed.push(format!("{test}\n{}", line["error"].as_str().unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    run.assert_ok();
    assert!(!run.lines.is_empty(), "the script has tested something\n{}", run.noise);
}
