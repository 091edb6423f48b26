//! The dashboard in Chromium, against a real workerd. The scripts in `tests/browser/` are the specification.

use weir_tests::chromium;
use weir_tests::gateway::{Running, scratch, shared};

#[test]
fn every_page_is_accessible_and_small_on_every_screen() {
    chromium::run("pages.mjs", &shared().tenant(), &[]);
}

#[test]
fn users_work_with_mouse_or_keyboard_while_data_changes() {
    chromium::run("actions.mjs", &shared().tenant(), &[]);
}

#[test]
fn resending_shows_a_count_then_its_progress() {
    chromium::run("again.mjs", &shared().tenant(), &[]);
}

#[test]
fn sources_plugins_event_types_and_tokens_are_managed() {
    let plugins = [1, 2].map(|version| {
        let path = scratch("plugin").join("plugin.wasm");
        std::fs::write(&path, plugin(version)).expect("a file");
        path.to_string_lossy().into_owned()
    });
    chromium::run("tenant.mjs", &shared().tenant(), &[("WEIR_PLUGINS", &plugins.join(":"))]);
}

/// A plugin that writes `{"by":"1"}`, or another number below ten, as the body, and `version 1` in its log.
fn plugin(version: u8) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") 1 16)
            (data (i32.const 16) "\20\00\00\00\00\08\00\00\1e\00\00\00\00\09\00\00\0b\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
            (data (i32.const 2048) "\01\00\00\00\01\00\00\00\09\00\00\00\14\00\00\00\0a\00\00\00{{\22by\22:\22{version}\22}}")
            (data (i32.const 2304) "\03version {version}\0a")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) i32.const 1))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn lists_can_be_paged_in_both_directions_and_exported_as_a_whole() {
    chromium::run("lists.mjs", &shared().tenant(), &[]);
}

#[test]
fn the_api_reference_finds_explains_and_tries_every_operation() {
    chromium::run("reference.mjs", &shared().tenant(), &[]);
}

#[test]
fn hostile_text_is_escaped_and_other_data_is_out_of_reach() {
    chromium::run("hostile.mjs", &shared().tenant(), &[]);
}

#[test]
fn the_live_view_shows_events_and_reports_gaps() {
    chromium::run("live.mjs", &shared().tenant(), &[]);
}

#[test]
fn five_tasks_take_at_most_five_clicks_each() {
    chromium::run("tasks.mjs", &shared().tenant(), &[]);
}

#[test]
fn the_portal_works_within_a_minute_in_every_language_and_in_a_frame() {
    // Nobody listens there yet: the script does.
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let embedder = format!("http://localhost:{free}");
    let gateway = Running::start(&[("PORTAL_ORIGINS", &embedder)]);
    chromium::run("portal.mjs", &gateway.tenant(), &[("WEIR_EMBEDDER", &embedder)]);
}

#[test]
fn svix_react_shows_the_portal_and_its_hooks_work() {
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let embedder = format!("http://localhost:{free}");
    let gateway = Running::start(&[("PORTAL_ORIGINS", &embedder)]);
    chromium::run("react.mjs", &gateway.tenant(), &[("WEIR_EMBEDDER", &embedder)]);
}

#[test]
fn the_portal_has_the_senders_name_and_color() {
    // A color that nobody could read as text on white, nor on black if it were not the one that is lightened.
    let gateway = Running::start(&[("PORTAL_NAME", "Acme & Söhne"), ("PORTAL_COLOR", "#ffd400")]);
    let env = [("WEIR_NAME", "Acme & Söhne"), ("WEIR_COLOR", "rgb(255, 212, 0)")];
    chromium::run("brand.mjs", &gateway.tenant(), &env);
}
