//! What a delivery costs must not rise unnoticed: the counts of `cargo xtask bill`, held to upper bounds.
//!
//! Counts, not times: rows, requests and log lines are the same on every machine. Lower a bound when a change makes
//! deliveries cheaper; raising one needs a reason in the commit.

use weir_tests::bill::{Bill, SCENARIOS, measure};

/// What a million log events cost.
const LOG_LINE_DOLLARS: f64 = 0.60;

/// Rows (of them, those of App objects), requests, milliseconds in memory, bytes: at most that much for one delivery; and
/// mebibytes of memory.
struct Most {
    app_rows: f64,
    rows: f64,
    requests: f64,
    held_ms: f64,
    bytes: f64,
    memory: u64,
}

#[track_caller]
fn holds(name: &str, most: &Most) -> Bill {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario");
    let bill = measure(scenario);
    assert_eq!(bill.refused, 0, "{name}: the platform refused nothing");
    println!("{}", bill.json(name));
    let app_rows = bill.apps.rows;
    assert!(app_rows <= most.app_rows, "{name}: {app_rows} rows of App objects, at most {}", most.app_rows);
    assert!(bill.rows <= most.rows, "{name}: {} rows, at most {}", bill.rows, most.rows);
    assert!(bill.requests <= most.requests, "{name}: {} requests, at most {}", bill.requests, most.requests);
    assert!(bill.held_ms <= most.held_ms, "{name}: {} ms in memory, at most {}", bill.held_ms, most.held_ms);
    assert!(bill.bytes <= most.bytes, "{name}: {} bytes, at most {}", bill.bytes, most.bytes);
    let logs = bill.log_lines * LOG_LINE_DOLLARS;
    assert!(logs <= 0.05, "{name}: ${logs} for the log lines of a million deliveries");
    assert!(
        bill.memory <= most.memory << 20,
        "{name}: {} bytes of memory, at most {} MiB",
        bill.memory,
        most.memory
    );
    bill
}

#[test]
fn dense_deliveries_cost_no_more_than_they_did() {
    let bill = holds(
        "dense",
        &Most { app_rows: 0.1, rows: 0.7, requests: 2.5, held_ms: 150.0, bytes: 6_000.0, memory: 16 },
    );
    // Of 10 GB that one object may store: 8 million messages of 1 KB.
    assert!(bill.apps.bytes <= 1_250.0, "{} bytes for a message of 1 KB", bill.apps.bytes);
}

#[test]
fn lone_deliveries_cost_no_more_than_they_did() {
    holds(
        "lone",
        &Most { app_rows: 6.5, rows: 9.5, requests: 8.5, held_ms: 1_500.0, bytes: 6_000.0, memory: 16 },
    );
}

#[test]
fn deliveries_in_bursts_cost_no_more_than_they_did() {
    holds(
        "bursts",
        &Most { app_rows: 1.0, rows: 2.0, requests: 3.2, held_ms: 400.0, bytes: 6_500.0, memory: 16 },
    );
}

#[test]
fn deliveries_to_a_failing_receiver_cost_no_more_than_they_did() {
    holds(
        "failing",
        &Most { app_rows: 6.5, rows: 32.0, requests: 17.5, held_ms: 3_500.0, bytes: 9_000.0, memory: 16 },
    );
}

#[test]
fn deliveries_to_many_endpoints_cost_no_more_than_they_did() {
    holds(
        "many",
        &Most { app_rows: 2.0, rows: 6.5, requests: 4.7, held_ms: 1_500.0, bytes: 1_000.0, memory: 16 },
    );
}
