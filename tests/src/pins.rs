//! What deliveries cost: one table, which `tests/tests/bill.rs` holds the gateway to, and which the documents quote.
//!
//! To lower it after a change that makes deliveries cheaper: run `cargo xtask bill --pins`, put its lines here, and write the
//! documents with `WEIR_WRITE_DOCS=1 cargo test -p weir-tests --test bill documents`. Raising one needs a reason in the commit.

use crate::bill::{Bill, Part};

/// What a delivery of one scenario costs, as `cargo xtask bill` has measured it.
#[derive(Debug, Clone, Copy)]
pub struct Pin {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Rows written, deletions included.
    pub rows: f64,
    /// Of them, those of App objects.
    pub app_rows: f64,
    /// Rows read.
    pub rows_read: f64,
    /// Requests to the Worker and to objects.
    pub requests: f64,
    /// Of them, those to the Worker.
    pub worker_requests: f64,
    /// Milliseconds in memory.
    pub held_ms: f64,
    /// Bytes stored.
    pub bytes: f64,
    /// How many more rows, and requests, there are on a busy machine, where less is committed together and alarms are late.
    pub spare: [f64; 2],
}

/// The five scenarios.
pub const PINS: [Pin; 5] = [
    pin("dense", [0.45, 0.05, 0.6, 2.12, 1.0, 34.6, 1_345.0], [0.2, 0.3]),
    pin("lone", [8.0, 5.0, 85.0, 7.0, 1.0, 241.0, 4_096.0], [1.5, 1.5]),
    pin("bursts", [0.8, 0.32, 4.8, 2.42, 1.0, 45.0, 1_638.0], [0.4, 0.4]),
    pin("failing", [29.6, 5.0, 126.0, 15.0, 1.0, 666.0, 4_096.0], [2.0, 1.5]),
    pin("many", [4.13, 1.13, 35.4, 3.13, 0.033, 244.0, 137.0], [1.5, 1.5]),
];

/// The columns: rows, rows of App objects, rows read, requests, requests to the Worker, milliseconds in memory, bytes; and
/// what a busy machine adds to rows and to requests.
const fn pin(scenario: &'static str, columns: [f64; 7], spare: [f64; 2]) -> Pin {
    let [rows, app_rows, rows_read, requests, worker_requests, held_ms, bytes] = columns;
    Pin { scenario, rows, app_rows, rows_read, requests, worker_requests, held_ms, bytes, spare }
}

/// The pin of a scenario.
///
/// # Panics
/// If there is none.
pub fn of(scenario: &str) -> Pin {
    let found = PINS.into_iter().find(|pin| pin.scenario == scenario);
    found.unwrap_or_else(|| panic!("{scenario} has no pin"))
}

impl Pin {
    /// As a bill, to price it.
    pub fn bill(&self) -> Bill {
        Bill {
            rows: self.rows,
            rows_read: self.rows_read,
            requests: self.requests,
            worker_requests: self.worker_requests,
            gb_seconds: crate::bill::gb_seconds(self.held_ms),
            log_lines: 0.0,
            held_ms: self.held_ms,
            bytes: self.bytes,
            memory: 0,
            refused: 0,
            apps: Part { rows: self.app_rows, bytes: 0.0 },
        }
    }

    /// The line of this table for a bill that was measured.
    pub fn line(scenario: &str, bill: &Bill) -> String {
        let Bill { rows, rows_read, requests, worker_requests, held_ms, bytes, .. } = bill;
        let app_rows = bill.apps.rows;
        format!(
            "    pin(\"{scenario}\", [{rows:.2}, {app_rows:.2}, {rows_read:.1}, {requests:.2}, {worker_requests:.3}, {held_ms:.1}, {bytes:.1}], [0.05, 0.05]),"
        )
    }
}
