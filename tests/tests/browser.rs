//! The dashboard in Chromium, against a real workerd. The scripts in `tests/browser/` are the specification.

use weir_tests::chromium;
use weir_tests::gateway::{Running, shared};

#[test]
fn every_page_is_without_fault_for_everybody_on_every_screen() {
    chromium::run("pages.mjs", &shared().tenant(), &[]);
}

#[test]
fn people_do_their_work_with_the_mouse_or_the_keyboard_while_things_change() {
    chromium::run("actions.mjs", &shared().tenant(), &[]);
}

#[test]
fn what_others_write_is_text_and_what_others_own_is_out_of_reach() {
    chromium::run("hostile.mjs", &shared().tenant(), &[]);
}

#[test]
fn the_live_tail_shows_what_happens_and_says_what_it_missed() {
    chromium::run("live.mjs", &shared().tenant(), &[]);
}

#[test]
fn the_portal_has_the_senders_name_and_colour() {
    // A colour that nobody could read as text on white, nor on black if it were not the one that is lightened.
    let gateway = Running::start(&[("PORTAL_NAME", "Acme & Söhne"), ("PORTAL_COLOR", "#ffd400")]);
    let env = [("WEIR_NAME", "Acme & Söhne"), ("WEIR_COLOR", "rgb(255, 212, 0)")];
    chromium::run("brand.mjs", &gateway.tenant(), &env);
}
