//! Renders the dashboard's pages from fixed data into a directory, to view them without a gateway.
//!
//! `cargo run -p weir-dashboard --example preview -- target/preview`, then serve that directory and open `/overview.html`.

#[path = "../tests/made/mod.rs"]
mod made;

use made::{APP, Made, page, session};
use std::cell::RefCell;
use std::path::Path;
use weir_dashboard::{Brand, Lang};

fn main() {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "target/preview".to_owned());
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir).expect("a directory");
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let made = Made { now: i64::try_from(at).expect("a time"), answers: RefCell::default() };
    let app = APP;
    let source = "/dashboard/app/src_3Mnb9bi9Atad0a8Vs555x1RwAAA";
    let endpoint = format!("{app}/endpoint/ep_1");
    for (name, path) in [
        ("overview", "/dashboard".to_owned()),
        ("trouble", "/dashboard/trouble".to_owned()),
        ("apps", "/dashboard/apps".to_owned()),
        ("app", app.to_owned()),
        ("messages", format!("{app}/messages")),
        ("message", format!("{app}/message/msg_3Mnb4kzm9gfZG4KXtrjohf4ck00")),
        ("attempt", format!("{app}/message/msg_3Mnb4kzm9gfZG4KXtrjohf4ck00/attempt/atmpt_1")),
        ("live", format!("{app}/live")),
        ("endpoint", endpoint.clone()),
        ("endpoint-settings", format!("{endpoint}/settings")),
        ("endpoint-plugins", format!("{endpoint}/plugins")),
        ("endpoint-headers", format!("{endpoint}/headers")),
        ("sources", "/dashboard/sources".to_owned()),
        ("source-new", "/dashboard/sources/new".to_owned()),
        ("source-secret", "/dashboard/sources/new?type=provider-1".to_owned()),
        ("source", source.to_owned()),
        ("rejected", format!("{source}/rejected/rej_1")),
        ("event-types", "/dashboard/event-types".to_owned()),
        ("event-type", "/dashboard/event-type/order.created".to_owned()),
        ("plugins", "/dashboard/plugins".to_owned()),
        ("plugin", "/dashboard/plugin/redact".to_owned()),
        ("tasks", "/dashboard/tasks".to_owned()),
        ("settings", "/dashboard/settings".to_owned()),
        ("find", "/dashboard/find?q=acme".to_owned()),
        ("nothing", "/dashboard/nothing".to_owned()),
    ] {
        let page = page(&made, &session(&made, None), &path, Lang::En);
        println!("{:>6} bytes {} {name}", page.body.len(), page.status);
        std::fs::write(dir.join(format!("{name}.html")), page.body).expect("a page");
    }
    let login =
        weir_dashboard::login(Some("The token is not a JSON Web Token."), &Brand::default(), Lang::En);
    std::fs::write(dir.join("login.html"), login.body).expect("a page");
}
