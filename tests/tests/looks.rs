//! Visual regression tests: `tests/browser/looks.mjs` compares pages with the pictures in `tests/browser/looks/`.

#[path = "../../dashboard/tests/made/mod.rs"]
mod made;

use made::{APP, Made, page, session};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use weir_dashboard::{Brand, Lang};
use weir_tests::chromium;
use weir_tests::client::Api;
use weir_tests::gateway::scratch;
use weir_tests::receiver::unix_ms;

#[test]
fn pages_look_like_their_reference_pictures() {
    let dir = scratch("looks");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for asset in ["dashboard.css", "icons.css", "icon.svg"] {
        fs::copy(root.join("dashboard/assets").join(asset), dir.join(asset)).expect("an asset");
    }
    let script = xtask::build::dashboard_script().unwrap_or_else(|error| panic!("{error}"));
    fs::write(dir.join("dashboard.js"), script).expect("a script");
    let made = Made { now: unix_ms(), answers: RefCell::default() };
    let own = session(&made, None);
    let endpoint = format!("{APP}/endpoint/ep_1");
    for (name, path, session, lang) in [
        ("overview", "/dashboard".to_owned(), &own, Lang::En),
        ("application", APP.to_owned(), &own, Lang::En),
        ("messages", format!("{APP}/messages"), &own, Lang::En),
        ("message", format!("{APP}/message/msg_3Mnb4kzm9gfZG4KXtrjohf4ck00"), &own, Lang::En),
        ("endpoint", endpoint.clone(), &own, Lang::En),
        ("settings", format!("{endpoint}/settings"), &own, Lang::En),
        ("source-new", "/dashboard/sources/new".to_owned(), &own, Lang::En),
        ("plugin", "/dashboard/plugin/redact".to_owned(), &own, Lang::En),
    ] {
        fs::write(dir.join(format!("{name}.html")), page(&made, session, &path, lang).body).expect("a page");
    }
    let login = weir_dashboard::login(None, &Brand::default(), Lang::En);
    fs::write(dir.join("login.html"), login.body).expect("a page");
    let (pages, looks) = (dir.to_string_lossy(), root.join("tests/browser/looks"));
    let env = [("WEIR_PAGES", &*pages), ("WEIR_LOOKS", &*looks.to_string_lossy())];
    chromium::run("looks.mjs", &Api::fresh("http://127.0.0.1:9"), &env);
}
