//! What a delivery costs on Cloudflare: five kinds of traffic, counted under the emulator of production and priced.
//!
//! Counts are of everything that follows from the traffic: alarms, cursors, statistics, and the rows that are deleted
//! when their retention ends. Rows, requests and log lines are exact; time in memory is measured, and depends on the
//! receiver (200 ms here). What a plan includes is not subtracted.

use crate::client::Api;
use crate::gateway::{Running, scratch};
use crate::json::message;
use crate::production::{Emulator, Stats, Stored};
use crate::receiver::{Answer, Receiver};
use crate::token;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use xtask::local::{self, Production, Profile};

/// Dollars for one of each, on the paid plan: <https://developers.cloudflare.com/workers/platform/pricing/> and
/// <https://developers.cloudflare.com/durable-objects/platform/pricing/>, November 2026.
pub mod price {
    /// A request to the Worker: $0.30 for a million.
    pub const WORKER_REQUEST: f64 = 0.30e-6;
    /// A millisecond of the Worker's processor time: $0.02 for a million.
    pub const WORKER_CPU_MS: f64 = 0.02e-6;
    /// A request to an object (calls and alarms): $0.15 for a million.
    pub const OBJECT_REQUEST: f64 = 0.15e-6;
    /// A gigabyte of memory for a second: $12.50 for a million.
    pub const GB_SECOND: f64 = 12.50e-6;
    /// A row read: $0.001 for a million.
    pub const ROW_READ: f64 = 0.001e-6;
    /// A row written or deleted, or an alarm set: $1.00 for a million.
    pub const ROW_WRITTEN: f64 = 1.00e-6;
    /// A byte stored for a month: $0.20 for a gigabyte.
    pub const BYTE_MONTH: f64 = 0.20e-9;
    /// An event in Workers Logs: $0.60 for a million.
    pub const LOG_EVENT: f64 = 0.60e-6;
}

/// What the free plan allows in a day: the same pages, and <https://developers.cloudflare.com/workers/observability/logs/workers-logs/>.
const FREE_A_DAY: [(&str, f64, Used); 5] = [
    ("requests to the Worker", 100_000.0, |bill| bill.worker_requests),
    ("requests to objects", 100_000.0, |bill| bill.requests - bill.worker_requests),
    ("GB-seconds in memory", 13_000.0, |bill| bill.gb_seconds),
    ("rows written", 100_000.0, |bill| bill.rows),
    ("log events", 200_000.0, |bill| bill.log_lines),
];

/// How much of something a delivery uses.
type Used = fn(&Bill) -> f64;

/// An object is billed for this much memory, in gigabytes.
const OBJECT_GB: f64 = 0.128;
/// What a request to the Worker takes of the processor: measured well below, billed as whole milliseconds.
const CPU_MS: f64 = 1.0;
/// The size of a payload.
const PAYLOAD: usize = 1_024;
/// How long the receiver takes.
const LATENCY: Duration = Duration::from_millis(200);
/// No alarm this soon: what comes later (purging, a month from now) is counted by what is stored.
const QUIET: Duration = Duration::from_secs(90);
/// How long all that follows may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Tables that are dropped as a whole when their retention ends, by how their names start: `DROP TABLE` is not billed.
const DROPPED: &[&str] = &["segment_", "key_", "event_", "attempts_", "late_"];

/// A kind of traffic.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    apps: usize,
    endpoints: usize,
    /// Messages for each application, each time.
    messages: usize,
    /// How many of them are sent at the same time.
    connections: usize,
    /// How many times they are sent, each time after everything has come to rest.
    rounds: usize,
    fails: bool,
}

/// The five.
pub const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "dense",
        what: "600 messages on 32 connections for one endpoint, which is behind until the last",
        apps: 1,
        endpoints: 1,
        messages: 600,
        connections: 32,
        rounds: 1,
        fails: false,
    },
    Scenario {
        name: "lone",
        what: "messages that come alone: everything has come to rest before the next",
        apps: 10,
        endpoints: 1,
        messages: 1,
        connections: 1,
        rounds: 1,
        fails: false,
    },
    Scenario {
        name: "bursts",
        what: "20 messages at once, and nothing until the next 20",
        apps: 3,
        endpoints: 1,
        messages: 20,
        connections: 20,
        rounds: 1,
        fails: false,
    },
    Scenario {
        name: "failing",
        what: "messages that come alone, for a receiver that answers 500 to all three attempts",
        apps: 10,
        endpoints: 1,
        messages: 1,
        connections: 1,
        rounds: 1,
        fails: true,
    },
    Scenario {
        name: "many",
        what: "messages that come alone, for 30 endpoints each",
        apps: 1,
        endpoints: 30,
        messages: 1,
        connections: 1,
        rounds: 2,
        fails: false,
    },
];

/// What one delivery costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bill {
    /// Rows written, alarms and later deletions included.
    pub rows: f64,
    /// Rows read.
    pub rows_read: f64,
    /// Requests to the Worker and to objects.
    pub requests: f64,
    /// Those to the Worker.
    pub worker_requests: f64,
    /// Gigabyte-seconds of objects in memory.
    pub gb_seconds: f64,
    /// Events in Workers Logs, as `wrangler.toml` samples them.
    pub log_lines: f64,
    /// Milliseconds for which objects were in memory.
    pub held_ms: f64,
    /// Bytes that the objects' databases have grown by.
    pub bytes: f64,
    /// Not of one delivery but of all: the gateway's wasm memory, and the most bytes that were on their way at once.
    pub memory: u64,
    /// Calls and requests that the platform's rules refused, in all.
    pub refused: u64,
    /// What of it was the App objects' part.
    pub apps: Part,
}

/// What objects of one class cost for one delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Rows written, alarms and later deletions included.
    pub rows: f64,
    /// Bytes that their databases have grown by.
    pub bytes: f64,
}

impl Bill {
    /// Dollars for a million deliveries, their storage for a month included.
    pub fn dollars(&self) -> f64 {
        let one = self.worker_requests * (price::WORKER_REQUEST + CPU_MS * price::WORKER_CPU_MS)
            + (self.requests - self.worker_requests) * price::OBJECT_REQUEST
            + self.gb_seconds * price::GB_SECOND
            + self.rows_read * price::ROW_READ
            + self.rows * price::ROW_WRITTEN
            + self.bytes * price::BYTE_MONTH
            + self.log_lines * price::LOG_EVENT;
        one * 1e6
    }

    /// How many deliveries a day the free plan allows, and what runs out first.
    pub fn free_a_day(&self) -> (f64, &'static str) {
        let each = FREE_A_DAY.iter().map(|(what, allowed, used)| (allowed / used(self), *what));
        each.fold((f64::INFINITY, "nothing"), |least, one| if one.0 < least.0 { one } else { least })
    }

    /// The row of the table.
    fn row(&self, scenario: &str) -> String {
        let (a_day, what) = self.free_a_day();
        format!(
            "| {scenario} | {:.2} | {:.2} | {:.0} ms | {:.3} | {:.0} | ${:.2} | {a_day:.0} ({what}) |",
            self.rows,
            self.requests,
            self.held_ms,
            self.log_lines,
            self.bytes,
            self.dollars(),
        )
    }

    /// The line of `cargo xtask bill --json`.
    pub fn json(&self, scenario: &str) -> Value {
        json!({
            "scenario": scenario,
            "rows": tidy(self.rows),
            "requests": tidy(self.requests),
            "gbSeconds": (self.gb_seconds * 1e6).round() / 1e6,
            "logLines": tidy(self.log_lines),
            "heldMs": tidy(self.held_ms),
            "bytes": self.bytes.round(),
            "appRows": tidy(self.apps.rows),
            "appBytes": self.apps.bytes.round(),
            "dollars": (self.dollars() * 100.0).round() / 100.0,
        })
    }
}

fn tidy(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Gigabyte-seconds of an object that is in memory for so long.
pub fn gb_seconds(held_ms: f64) -> f64 {
    held_ms / 1000.0 * OBJECT_GB
}

/// How the bill is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table in Markdown.
    Table,
    /// One JSON object a line.
    Json,
    /// The lines of [`crate::pins::PINS`].
    Pins,
}

impl Form {
    /// The lines before those of the scenarios.
    pub fn head(self) -> &'static [&'static str] {
        match self {
            Self::Table => &[
                "| For each delivery | Rows | Requests | In memory | Log events | Bytes | A million | Free plan, a day |",
                "|---|---|---|---|---|---|---|---|",
            ],
            Self::Json | Self::Pins => &[],
        }
    }

    /// The line of a scenario.
    pub fn line(self, scenario: &str, bill: &Bill) -> String {
        match self {
            Self::Table => bill.row(scenario),
            Self::Json => bill.json(scenario).to_string(),
            Self::Pins => crate::pins::Pin::line(scenario, bill),
        }
    }
}

/// Runs the scenarios (all, or those that are named) and prints them: a table, with `--json` one object a line, or with
/// `--pins` what `tests/src/pins.rs` has.
///
/// # Errors
/// What is wrong with the arguments.
pub fn run(args: &[String]) -> Result<(), String> {
    let is = |flag: &str| args.iter().any(|arg| arg == flag);
    let form = if is("--json") {
        Form::Json
    } else if is("--pins") {
        Form::Pins
    } else {
        Form::Table
    };
    let named: Vec<_> = args.iter().filter(|arg| *arg != "--json" && *arg != "--pins").collect();
    let known = |name: &&&String| !SCENARIOS.iter().any(|scenario| scenario.name == **name);
    if let Some(unknown) = named.iter().find(known) {
        let names = SCENARIOS.map(|scenario| scenario.name).join(", ");
        return Err(format!("there is no scenario {unknown}: there are {names}"));
    }
    let wanted = SCENARIOS
        .iter()
        .filter(|scenario| named.is_empty() || named.iter().any(|name| *name == scenario.name));
    form.head().iter().for_each(|line| println!("{line}"));
    for scenario in wanted {
        println!("{}", form.line(scenario.name, &measure(scenario)));
    }
    Ok(())
}

/// Counts one scenario, in a gateway of its own.
#[track_caller]
#[allow(clippy::cast_precision_loss)] // counts
pub fn measure(scenario: &Scenario) -> Bill {
    let gateway = start();
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(LATENCY));
    let api = gateway.tenant();
    let emulator = gateway.emulator();
    let apps: Vec<_> = (0..scenario.apps).map(|n| create(&api, n, scenario.endpoints, &receiver)).collect();
    let group = scenario.apps * scenario.messages * scenario.endpoints;
    // What is done once for each object is no cost of a delivery: a first message pays for it.
    send(&api, &apps, 1, 1);
    let mut expected = scenario.apps * scenario.endpoints;
    wait(&receiver, expected);
    settle(&emulator);
    if scenario.fails {
        receiver.always("/", Answer::status(500).after(LATENCY));
    }
    let before = emulator.stored();
    settle(&emulator); // asking for it woke objects that slept
    emulator.reset();
    for _ in 0..scenario.rounds {
        send(&api, &apps, scenario.messages, scenario.connections);
        expected += group;
        wait(&receiver, expected);
        settle(&emulator);
    }
    let stats = emulator.stats();
    let after = emulator.stored();
    if std::env::var_os("WEIR_TEST_VERBOSE").is_some() {
        explain(&stats, &before, &after);
    }
    for (rule, times) in stats.refused() {
        eprintln!(
            "{}: {times} calls were refused ({rule}), and what they were for was done later",
            scenario.name
        );
    }
    let deliveries = (group * scenario.rounds) as f64;
    bill(&stats, &before, &after, deliveries)
}

/// Prints what each object did.
fn explain(stats: &Stats, before: &[Stored], after: &[Stored]) {
    for object in &stats.objects {
        let tables = |all: &[Stored]| all.iter().find(|it| it.name == object.name).map(|it| it.rows.clone());
        let (old, new) = (tables(before).unwrap_or_default(), tables(after).unwrap_or_default());
        let grown: Vec<_> = new.iter().filter(|(table, rows)| old.get(*table) != Some(*rows)).collect();
        eprintln!(
            "{}: {} rows {:?}, {} requests ({} alarms), {} ms in memory; {grown:?}",
            object.name, object.rows_written, object.written, object.requests, object.alarms, object.held_ms
        );
    }
}

/// Adds up what was counted, for one of so many deliveries.
#[allow(clippy::cast_precision_loss)] // counts
fn bill(stats: &Stats, before: &[Stored], after: &[Stored], deliveries: f64) -> Bill {
    let each = |n: u64| n as f64 / deliveries;
    let held = stats.sum(|object| object.held_ms);
    let object_requests = stats.sum(|object| object.requests);
    let worker_requests = stats.worker.requests;
    let lines = stats.sum(|object| object.log_lines) + stats.worker.log_lines;
    let stored = |objects: &dyn Fn(&str) -> bool| {
        let (mut bytes, mut deleted) = (0, 0);
        for object in after.iter().filter(|object| objects(&object.name)) {
            let old = before.iter().find(|old| old.name == object.name).cloned().unwrap_or_default();
            bytes += object.bytes.saturating_sub(old.bytes);
            for (table, rows) in &object.rows {
                if !DROPPED.iter().any(|dropped| table.starts_with(dropped)) {
                    deleted += rows.saturating_sub(old.rows.get(table).copied().unwrap_or_default());
                }
            }
        }
        (bytes, deleted)
    };
    let (bytes, deleted) = stored(&|_| true);
    let is_app = |name: &str| name.starts_with("App:");
    let (app_bytes, app_deleted) = stored(&is_app);
    let app_rows = stats.sum(|object| if is_app(&object.name) { object.rows_written } else { 0 });
    let logs = Logs::configured();
    let invocations = if logs.invocations { worker_requests + object_requests } else { 0 };
    Bill {
        rows: each(stats.sum(|object| object.rows_written) + deleted),
        rows_read: each(stats.sum(|object| object.rows_read)),
        requests: each(object_requests + worker_requests),
        worker_requests: each(worker_requests),
        gb_seconds: gb_seconds(each(held)),
        log_lines: each(lines + invocations) * logs.rate,
        held_ms: each(held),
        bytes: each(bytes),
        memory: stats.wasm_bytes + stats.in_flight_most,
        refused: stats.refused().iter().map(|(_, times)| times).sum(),
        apps: Part { rows: each(app_rows + app_deleted), bytes: each(app_bytes) },
    }
}

/// A gateway with the settings of a deployment.
#[track_caller]
fn start() -> Running {
    let vars = [
        ("JWT_SECRET", token::SECRET),
        ("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
        ("ALLOW_IP_ADDRESSES", "true"),
        // The first waits of the default schedule are 5 s and 5 min; that they are shorter here changes no count.
        ("RETRY_SCHEDULE", "3,6"),
    ];
    let production = Production::new(Profile::Paid).rule("refuseAddresses", false);
    Running::with(local::Options {
        data: scratch("bill"),
        port: 0,
        vars: vars
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        verbose: std::env::var_os("WEIR_TEST_VERBOSE").is_some(),
        loader: false,
        worker_dir: None,
        production: Some(production),
    })
}

/// An application with a uid, and its endpoints; the uid.
#[track_caller]
fn create(api: &Api, n: usize, endpoints: usize, receiver: &Receiver) -> String {
    let uid = format!("customer-{n}");
    let (status, body) = api.post("/api/v1/app", &json!({ "name": "a customer", "uid": uid }));
    assert_eq!(status, 201, "{body}");
    for _ in 0..endpoints {
        api.endpoint(&uid, &receiver.url("/"));
    }
    uid
}

/// Sends each application so many messages, `connections` of them at the same time.
fn send(api: &Api, apps: &[String], messages: usize, connections: usize) {
    let body = message("bill.counted", &format!("{{\"fill\":\"{}\"}}", "x".repeat(PAYLOAD - 11)));
    thread::scope(|scope| {
        for app in apps {
            for connection in 0..connections {
                let (api, body) = (api.at(api.url()), &body);
                scope.spawn(move || {
                    for _ in (connection..messages).step_by(connections) {
                        let (status, answer) = api.post_text(&format!("/api/v1/app/{app}/msg"), body);
                        assert_eq!(status, 202, "{answer}");
                    }
                });
            }
        }
    });
}

/// Waits until that many first attempts have arrived.
#[track_caller]
fn wait(receiver: &Receiver, deliveries: usize) {
    let begun = Instant::now();
    let arrived = receiver.wait_count("/", deliveries, PATIENCE);
    assert!(arrived, "{} of {deliveries} arrived in {:?}", receiver.count("/"), begun.elapsed());
}

#[track_caller]
fn settle(emulator: &Emulator) -> Stats {
    emulator.settle(QUIET, PATIENCE)
}

/// What `wrangler.toml` says of logs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Logs {
    rate: f64,
    invocations: bool,
}

impl Logs {
    fn configured() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wrangler.toml");
        Self::read(&fs::read_to_string(path).unwrap_or_default())
    }

    /// Reads the tables `observability` and `observability.logs`; the inner one wins.
    fn read(toml: &str) -> Self {
        let (mut logs, mut enabled, mut here) = (Self { rate: 1.0, invocations: true }, false, false);
        for line in toml.lines().map(str::trim) {
            if line.starts_with('[') {
                here = line == "[observability]" || line == "[observability.logs]";
            }
            let Some((name, value)) = line.split_once('=').filter(|_| here) else { continue };
            let value = value.split('#').next().unwrap_or_default().trim();
            match name.trim() {
                "enabled" => enabled = value == "true",
                "head_sampling_rate" => logs.rate = value.parse().unwrap_or(1.0),
                "invocation_logs" => logs.invocations = value == "true",
                _ => {}
            }
        }
        if enabled { logs } else { Self { rate: 0.0, ..logs } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: Bill = Bill {
        rows: 4.0,
        rows_read: 10.0,
        requests: 4.0,
        worker_requests: 1.0,
        gb_seconds: 0.0256,
        log_lines: 1.0,
        held_ms: 200.0,
        bytes: 5_000.0,
        memory: 0,
        refused: 0,
        apps: Part { rows: 0.0, bytes: 0.0 },
    };

    #[test]
    fn with_json_each_scenario_is_one_line_with_the_same_keys_and_nothing_else_is_printed() {
        assert_eq!(Form::Json.head(), [""; 0]);
        for scenario in SCENARIOS {
            let line = Form::Json.line(scenario.name, &BILL);
            assert!(!line.contains('\n'), "{line}");
            let object: serde_json::Map<String, Value> = serde_json::from_str(&line).expect("one object");
            let keys: Vec<&str> = object.keys().map(String::as_str).collect();
            let mut wanted = [
                "scenario",
                "rows",
                "requests",
                "gbSeconds",
                "logLines",
                "heldMs",
                "bytes",
                "dollars",
                "appRows",
                "appBytes",
            ];
            wanted.sort_unstable();
            let mut keys = keys;
            keys.sort_unstable();
            assert_eq!(keys, wanted);
            assert_eq!(object["scenario"], scenario.name);
            assert!(object.iter().all(|(key, value)| key == "scenario" || value.is_number()), "{line}");
        }
        assert_eq!(BILL.json("x")["dollars"], 6.7);
    }

    #[test]
    fn the_table_has_a_row_for_each_scenario_with_as_many_columns_as_its_head() {
        let columns = |line: &str| line.matches('|').count();
        assert!(Form::Table.head().iter().all(|line| columns(line) == 9));
        let line = Form::Table.line("dense", &BILL);
        assert_eq!(line, "| dense | 4.00 | 4.00 | 200 ms | 1.000 | 5000 | $6.70 | 25000 (rows written) |");
    }

    #[test]
    fn a_bill_is_the_sum_of_its_parts_and_the_scarcest_part_limits_the_free_plan() {
        let bill = BILL;
        // 0.30 + 0.02 + 0.45 + 0.32 + 0.01 + 4.00 + 1.00 + 0.60
        assert!((bill.dollars() - 6.70).abs() < 1e-9, "{}", bill.dollars());
        assert_eq!(bill.free_a_day(), (25_000.0, "rows written"));
    }

    #[test]
    fn the_logs_that_are_kept_are_those_that_the_configuration_asks_for() {
        let read = |toml| Logs::read(toml);
        assert_eq!(read("[observability]\nenabled = true\n"), Logs { rate: 1.0, invocations: true });
        assert_eq!(read("[vars]\nenabled = true\n"), Logs { rate: 0.0, invocations: true });
        let sampled = "[observability]\nenabled = true\nhead_sampling_rate = 0.01 # one in a hundred\n\n[observability.logs]\ninvocation_logs = false\n[vars]\nhead_sampling_rate = 1\n";
        assert_eq!(read(sampled), Logs { rate: 0.01, invocations: false });
    }
}
