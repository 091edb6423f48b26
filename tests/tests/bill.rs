//! What a delivery costs must not rise unnoticed: the counts of `cargo xtask bill`, held to [`weir_tests::pins`], and the
//! figures of the documents, which are those of the pins.
//!
//! Rows, requests and log lines are counts, nearly the same on every machine. Time in memory is measured, and may be longer
//! where the machine is busy.

use std::path::Path;
use weir_tests::bill::{Bill, Form, SCENARIOS, measure};
use weir_tests::pins::{self, PINS};

/// What a million log events cost.
const LOG_LINE_DOLLARS: f64 = 0.60;
/// How much more than its pin something may be.
const MORE: f64 = 1.05;
/// The same of what is measured in milliseconds, and what a busy machine adds.
const MORE_MS: (f64, f64) = (3.0, 100.0);
/// The same of bytes: storage grows by pages of 4,096 bytes.
const MORE_BYTES: (f64, f64) = (1.05, 1_000.0);
/// Memory of the gateway, at most.
const MEMORY: u64 = 16 << 20;

#[track_caller]
fn holds(name: &str) -> Bill {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario");
    let pin = pins::of(name);
    let bill = measure(scenario);
    assert_eq!(bill.refused, 0, "{name}: the platform refused nothing");
    println!("{}", Form::Pins.line(name, &bill));
    let [more_rows, more_requests] = pin.spare;
    for (what, measured, most) in [
        ("rows", bill.rows, pin.rows * MORE + more_rows),
        ("rows of App objects", bill.apps.rows, pin.app_rows * MORE + more_rows),
        ("requests", bill.requests, pin.requests * MORE + more_requests),
        ("bytes", bill.bytes, pin.bytes * MORE_BYTES.0 + MORE_BYTES.1),
        ("ms in memory", bill.held_ms, pin.held_ms * MORE_MS.0 + MORE_MS.1),
    ] {
        assert!(measured <= most, "{name}: {measured} {what}, at most {most}");
    }
    let logs = bill.log_lines * LOG_LINE_DOLLARS;
    assert!(logs <= 0.05, "{name}: ${logs} for the log lines of a million deliveries");
    assert!(bill.memory <= MEMORY, "{name}: {} bytes of memory, at most {MEMORY}", bill.memory);
    bill
}

#[test]
fn dense_deliveries_cost_no_more_than_they_did() {
    let bill = holds("dense");
    // Of 10 GB that one object may store: 8 million messages of 1 KB.
    assert!(bill.apps.bytes <= 1_250.0, "{} bytes for a message of 1 KB", bill.apps.bytes);
}

#[test]
fn lone_deliveries_cost_no_more_than_they_did() {
    holds("lone");
}

#[test]
fn deliveries_in_bursts_cost_no_more_than_they_did() {
    holds("bursts");
}

#[test]
fn deliveries_to_a_failing_receiver_cost_no_more_than_they_did() {
    holds("failing");
}

#[test]
fn deliveries_to_many_endpoints_cost_no_more_than_they_did() {
    holds("many");
}

/// A price to three figures.
fn dollars(scenario: &str) -> String {
    let value = pins::of(scenario).bill().dollars();
    let unit = if value < 10.0 { 0.01 } else { 0.1 };
    format!("${:.2}", (value / unit).round() * unit)
}

/// Deliveries a day on the free plan, in hundreds: `9,900`.
fn lone_a_day() -> String {
    let (a_day, _) = pins::of("lone").bill().free_a_day();
    let hundreds = (a_day / 100.0).floor();
    format!("{},{:.0}00", (hundreds / 10.0).floor(), hundreds % 10.0)
}

#[test]
fn the_documents_quote_what_is_pinned() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |document: &str| std::fs::read_to_string(root.join(document)).expect(document);
    let document = "docs/operate/cost.md";
    let page = read(document);
    let head = Form::Table.head().join("\n") + "\n";
    let rows = PINS.iter().map(|pin| Form::Table.line(pin.scenario, &pin.bill()) + "\n");
    let table: String = rows.fold(head.clone(), |table, row| table + &row);
    let (before, rest) = page.split_once(&head).expect("the table");
    let (_, after) = rest.split_once("\n\n").expect("text after the table");
    let expected = format!("{before}{table}\n{after}");
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(root.join(document), &expected).expect("written");
    }
    assert_eq!(
        read(document),
        expected,
        "write it: WEIR_WRITE_DOCS=1 cargo test -p weir-tests --test bill documents"
    );
    let (dense, lone) = (dollars("dense"), dollars("lone"));
    for (document, sentence) in [
        ("README.md", format!("A million deliveries cost about {dense} in dense traffic and {lone} if")),
        ("README.md", format!("free plan delivers about {} lone messages a day", lone_a_day())),
        ("ARCHITECTURE.md", format!("about {dense} per million deliveries in dense traffic and {lone} for")),
    ] {
        assert!(read(document).contains(&sentence), "{document} does not say: {sentence}");
    }
}

#[test]
fn every_scenario_has_a_pin() {
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(PINS.map(|pin| pin.scenario).to_vec(), names);
}
