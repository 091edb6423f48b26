//! Talks to the emulator of production (`tests/production/`): what it has counted, and the faults it makes on demand.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The emulator around one gateway.
#[derive(Debug, Clone)]
pub struct Emulator {
    agent: ureq::Agent,
    url: String,
}

/// What was counted of one object, or of all requests of the Worker together.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// `Class:name`.
    pub name: String,
    /// Events it was given: calls and alarms, or requests.
    pub requests: u64,
    /// Alarms among them.
    pub alarms: u64,
    /// Requests to receivers.
    pub external: u64,
    /// Calls of other objects.
    pub internal: u64,
    /// Rows written as they are billed, alarms included.
    pub rows_written: u64,
    /// Those rows by table, or by how the statement begins; `alarm` for alarms.
    pub written: Vec<(String, u64)>,
    /// Rows read as they are billed.
    pub rows_read: u64,
    /// How often it waited until everything written was durable: group commits.
    pub syncs: u64,
    /// How often it deleted everything that it stored (`deleteAll`).
    pub deleted_all: u64,
    /// Lines written to the console.
    pub log_lines: u64,
    /// The deepest chain of calls that reached it.
    pub deepest: u64,
    /// How long something pending kept it in memory, in milliseconds.
    pub held_ms: u64,
    /// How long after the last answer of a receiver it could hibernate; `None` while something is pending.
    pub rested_after_ms: Option<u64>,
    /// When a receiver last answered it, in milliseconds since 1970.
    pub last_answer: u64,
    /// When it last had nothing pending, in milliseconds since 1970.
    pub rested_at: u64,
    /// When its next alarm is due, in milliseconds since 1970.
    pub alarm_at: Option<u64>,
    /// What is pending, by kind: `timer`, `signal`, `fetch`, `call`, `event`, `body`.
    pub pending: Vec<(String, u64)>,
    /// What the rules refused, by rule.
    pub refused: Vec<(String, u64)>,
    /// The most requests that waited for headers at the same time.
    pub most_connections: u64,
}

/// What an object's database holds.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// `Class:name`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

/// Everything that was counted.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The Worker's requests.
    pub worker: Counts,
    /// The objects, in the order in which they were first opened.
    pub objects: Vec<Counts>,
    /// The platform's time, in milliseconds since 1970.
    pub at: u64,
    /// The wasm memory of the gateway.
    pub wasm_bytes: u64,
    /// The wasm memory of the App objects alone, if they run in an isolate of their own.
    pub apps_wasm_bytes: u64,
    /// The most bytes of calls between objects that were under way at the same time.
    pub in_flight_most: u64,
    /// Of them, the most in calls between objects.
    pub calls_most: u64,
    /// The largest message of a call between objects: its bytes, and the operation.
    pub largest: (u64, String),
}

impl Emulator {
    /// The emulator at a gateway's address.
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(20))).build().into();
        Self { agent, url: url.to_owned() }
    }

    /// What was counted since the start or the last reset.
    #[track_caller]
    pub fn stats(&self) -> Stats {
        let all = self.post("stats", &json!({}));
        let objects = all["objects"].as_array().map(|all| all.iter().map(counts).collect());
        Stats {
            worker: counts(&all["worker"]),
            objects: objects.unwrap_or_default(),
            at: number(&all, "at"),
            wasm_bytes: number(&all, "wasmBytes"),
            apps_wasm_bytes: number(&all, "appsWasmBytes"),
            in_flight_most: number(&all, "inFlightMost"),
            calls_most: number(&all, "callsMost"),
            largest: (
                number(&all["largest"], "bytes"),
                all["largest"]["operation"].as_str().unwrap_or_default().to_owned(),
            ),
        }
    }

    /// Counts anew.
    #[track_caller]
    pub fn reset(&self) {
        self.post("reset", &json!({}));
    }

    /// Changes rules from now on, by their names in `tests/production/rules.mjs`.
    #[track_caller]
    pub fn rules(&self, rules: &Value) {
        self.post("rules", rules);
    }

    /// All clocks are so far ahead of the real time from now on, and alarms that are due by then go off.
    #[track_caller]
    pub fn clock(&self, ahead: Duration) {
        self.post("clock", &json!({ "shiftMs": u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX) }));
    }

    /// Asks for a fault of calls between objects: `kind` is `overloaded`, `retryable`, `lost` or `internal`; `object`
    /// (the start of a `Class:name`), `operation`, `count` and `skip` say of which calls.
    #[track_caller]
    pub fn fault(&self, fault: &Value) {
        self.post("faults", fault);
    }

    /// Takes back the faults that have not happened.
    #[track_caller]
    pub fn no_faults(&self) {
        self.post("faults/none", &json!({}));
    }

    /// Objects whose name starts so hold at most that many bytes; `None` takes it back.
    #[track_caller]
    pub fn capacity(&self, object: &str, bytes: Option<u64>) {
        self.post("capacity", &json!({ "object": object, "bytes": bytes }));
    }

    /// Resets every object as a deployment does.
    #[track_caller]
    pub fn deploy(&self) {
        self.post("deploy", &json!({}));
    }

    /// Waits until no object has anything pending; gives what was counted by then.
    #[track_caller]
    pub fn rest(&self, timeout: Duration) -> Stats {
        let end = Instant::now() + timeout;
        loop {
            let stats = self.stats();
            let busy: Vec<_> = stats.objects.iter().filter(|object| !object.pending.is_empty()).collect();
            if busy.is_empty() {
                return stats;
            }
            assert!(Instant::now() < end, "still pending after {timeout:?}: {busy:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing is pending and no alarm is due within `quiet`: all has been done that follows from what came
    /// before. Gives what was counted by then.
    #[track_caller]
    pub fn settle(&self, quiet: Duration, timeout: Duration) -> Stats {
        let end = Instant::now() + timeout;
        let quiet = u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX);
        loop {
            let stats = self.rest(end.saturating_duration_since(Instant::now()));
            let soon = |at: u64| at < stats.at.saturating_add(quiet);
            let waiting: Vec<_> =
                stats.objects.iter().filter(|object| object.alarm_at.is_some_and(soon)).collect();
            if waiting.is_empty() {
                return stats;
            }
            assert!(Instant::now() < end, "alarms still come after {timeout:?}: {waiting:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the databases of all objects that were opened hold.
    #[track_caller]
    pub fn stored(&self) -> Vec<Stored> {
        let all = self.post("stored", &json!({}));
        let of = |(name, value): (&String, &Value)| Stored {
            name: name.clone(),
            bytes: number(value, "bytes"),
            rows: value["rows"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(table, rows)| (table.clone(), rows.as_u64().unwrap_or_default()))
                .collect(),
        };
        all.as_object().into_iter().flatten().map(of).collect()
    }

    #[track_caller]
    fn post(&self, route: &str, body: &Value) -> Value {
        let url = format!("{}/__prod/{route}", self.url);
        let answer = self.agent.post(&url).send(body.to_string().as_bytes());
        let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let text = text.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(answer.status().is_success(), "{url} answers {}: {text}", answer.status());
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Stats {
    /// What was counted of the object with that name, such as `Endpoint:org/app/ep`; nothing if it was never opened.
    pub fn object(&self, name: &str) -> Counts {
        self.objects.iter().find(|object| object.name == name).cloned().unwrap_or_default()
    }

    /// The objects of that class.
    pub fn class(&self, class: &str) -> impl Iterator<Item = &Counts> {
        let prefix = format!("{class}:");
        self.objects.iter().filter(move |object| object.name.starts_with(&prefix))
    }

    /// What was counted of all objects together.
    pub fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.objects.iter().map(of).sum()
    }

    /// What the rules refused anywhere, by rule.
    pub fn refused(&self) -> Vec<(String, u64)> {
        let all = self.objects.iter().chain([&self.worker]);
        all.flat_map(|object| object.refused.iter().cloned()).collect()
    }
}

impl Counts {
    /// How often that rule refused it something.
    pub fn refusals(&self, rule: &str) -> u64 {
        self.refused.iter().filter(|(name, _)| name == rule).map(|(_, n)| n).sum()
    }
}

fn counts(value: &Value) -> Counts {
    let pairs = |name: &str| -> Vec<_> {
        let pairs = value[name].as_object().into_iter().flatten();
        pairs.map(|(name, n)| (name.clone(), n.as_u64().unwrap_or_default())).collect()
    };
    let pending = pairs("pending");
    let rested = number(value, "restedAt").saturating_sub(number(value, "lastAnswer"));
    Counts {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        requests: number(value, "requests"),
        alarms: number(value, "alarms"),
        external: number(value, "external"),
        internal: number(value, "internal"),
        rows_written: number(value, "rowsWritten"),
        written: pairs("written"),
        rows_read: number(value, "rowsRead"),
        syncs: number(value, "syncs"),
        log_lines: number(value, "logLines"),
        deepest: number(value, "deepest"),
        held_ms: number(value, "heldMs"),
        deleted_all: number(value, "deletedAll"),
        last_answer: number(value, "lastAnswer"),
        rested_at: number(value, "restedAt"),
        alarm_at: value["alarmAt"].as_u64(),
        rested_after_ms: pending.is_empty().then_some(rested),
        pending,
        refused: pairs("refused"),
        most_connections: number(value, "mostConnections"),
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}
