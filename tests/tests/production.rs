//! The production emulator enforces its rules: each rule is tested with a Worker that runs instructions
//! (`tests/production/sample/`), so that no test of the gateway relies on a rule that does not exist.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use weir_tests::gateway::{Running, scratch};
use weir_tests::production::Emulator;
use weir_tests::receiver::{Answer, Receiver};
use xtask::local::{self, Production, Profile};

/// The sample Worker under the rules of production.
struct Sample {
    _gateway: Running,
    emulator: Emulator,
    agent: ureq::Agent,
    url: String,
}

impl Sample {
    #[track_caller]
    fn start(production: Production) -> Self {
        let gateway = Running::with(local::Options {
            data: scratch("production"),
            port: 0,
            vars: BTreeMap::from([("ALLOWED_NETWORKS".to_owned(), "127.0.0.0/8,::1/128".to_owned())]),
            verbose: std::env::var_os("WEIR_TEST_VERBOSE").is_some(),
            loader: false,
            worker_dir: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("production/sample")),
            production: Some(production),
        });
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        let (emulator, url) = (gateway.emulator(), gateway.url());
        Self { _gateway: gateway, emulator, agent: config.build().into(), url }
    }

    fn paid() -> Self {
        Self::start(Production::new(Profile::Paid))
    }

    /// What `object` (or the Worker itself, where there is none) makes of a step.
    #[track_caller]
    fn does(&self, step: &Value) -> Value {
        let answer = self.agent.post(&self.url).send(step.to_string().as_bytes());
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        let text = text.unwrap_or_else(|error| panic!("{step}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{step}: {error}: {text}"))
    }

    /// What an object makes of a step in its alarm.
    #[track_caller]
    fn does_in_alarm(&self, object: &str, step: &Value) -> Value {
        self.does(&json!({ "object": object, "do": "alarm", "then": step }));
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let result = self.does(&json!({ "object": object, "do": "result" }));
            if result["waiting"] != true {
                return result;
            }
            assert!(Instant::now() < end, "the alarm of {object} has not come");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[track_caller]
fn says(answer: &Value, error: &str) {
    assert!(answer["error"].as_str().is_some_and(|said| said.starts_with(error)), "{answer}");
}

const TOO_DEEP: &str = "Subrequest depth limit exceeded.";
const TOO_MANY: &str = "Too many subrequests by single Worker invocation.";
const TOO_BIG: &str = "string or blob too big: SQLITE_TOOBIG";

#[test]
fn the_seventeenth_call_of_a_chain_is_refused_and_an_alarm_begins_a_new_one() {
    let sample = Sample::paid();
    let chain = |left: u64| json!({ "do": "pingPong", "peer": "Endpoint:e", "left": left });
    assert_eq!(sample.does_in_alarm("App:a", &chain(16)), json!({ "left": 0 }));
    let refused = sample.does_in_alarm("App:b", &chain(17));
    says(&refused, TOO_DEEP);
    assert_eq!(refused["left"], 1, "the last one is refused, no other: {refused}");
    // The Worker's own call is the first of its chain.
    let mut step = chain(16);
    step["object"] = json!("App:c");
    says(&sample.does(&step), TOO_DEEP);
    assert_eq!(sample.emulator.stats().sum(|object| object.refusals("depth")), 2);
}

/// The object calls in an event that began at depth 1, but after it was given another at depth 3.
#[test]
fn a_call_belongs_to_the_chain_of_the_objects_most_recent_event() {
    let sample = Sample::start(Production::new(Profile::Paid).rule("depth", 3));
    let late = json!({ "object": "App:a", "do": "later", "ms": 300, "peer": "Endpoint:e" });
    assert_eq!(sample.does(&late), json!({}), "at depth 1 it may call");
    thread::scope(|scope| {
        let late = scope.spawn(|| sample.does(&late));
        thread::sleep(Duration::from_millis(100));
        // Endpoint:x calls Directory:d, which calls App:a: depth 3.
        let hop = json!({ "do": "calls", "count": 1, "peer": "App:a" });
        let deep =
            json!({ "object": "Endpoint:x", "do": "calls", "count": 1, "peer": "Directory:d", "step": hop });
        assert_eq!(sample.does(&deep), json!([[{}]]));
        says(&late.join().unwrap(), TOO_DEEP);
    });
}

#[test]
fn requests_and_calls_are_counted_for_each_event_by_plan() {
    for (profile, external, internal) in [(Profile::Free, 50, 1_000), (Profile::Paid, 10_000, 10_000)] {
        let sample = Sample::start(Production::new(profile));
        let calls = json!({ "object": "App:a", "do": "calls", "count": internal + 1, "peer": "App:b", "serially": true });
        let called = sample.does(&calls);
        let refused: Vec<_> =
            called.as_array().unwrap().iter().filter(|answer| **answer != json!({})).collect();
        assert_eq!(refused.len(), 1);
        says(refused[0], TOO_MANY);
        // An address is refused without a connection, and counts all the same.
        let fetches = |count: usize| {
            let url = "http://192.0.2.1/";
            let fetched =
                sample.does(&json!({ "object": "App:a", "do": "fetches", "count": count, "url": url }));
            fetched.as_array().expect("answers").clone()
        };
        let fetched = fetches(external + 1);
        says(&fetched[external], TOO_MANY);
        assert!(
            fetched[..external].iter().all(|answer| answer["status"] == 403),
            "{}",
            fetched[external - 1]
        );
        // The next event has its own.
        assert!(fetches(external).iter().all(|answer| answer["status"] == 403));
    }
}

#[test]
fn six_requests_of_an_object_wait_for_headers_and_the_seventh_for_them() {
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(Duration::from_millis(150)));
    let sample = Sample::start(Production::new(Profile::Paid).rule("refuseAddresses", false));
    let fetches = json!({ "do": "fetches", "count": 13, "url": receiver.url("/") });
    let in_object = |object: &str| {
        let mut step = fetches.clone();
        step["object"] = json!(object);
        step
    };
    let answers = sample.does(&in_object("App:a"));
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["status"] == 200), "{answers}");
    assert_eq!((receiver.peak(), sample.emulator.stats().object("App:a").most_connections), (6, 6));
    // The Worker's requests have six, too. Two objects have twelve.
    sample.does(&fetches);
    assert_eq!(receiver.peak(), 6);
    let both = |peak: usize| {
        let receiver = Receiver::start();
        receiver.always("/", Answer::ok().after(Duration::from_millis(150)));
        let step = json!({ "do": "fetches", "count": 13, "url": receiver.url("/") });
        let spread = json!({ "object": "App:x", "do": "spread", "peers": ["App:a", "App:b"], "step": step });
        sample.does(&spread);
        assert_eq!(receiver.peak(), peak);
    };
    both(12);
    // The other reading: everything that one request to the Worker leads to has six together.
    sample.emulator.rules(&json!({ "connectionsOf": "event" }));
    both(6);
}

#[test]
fn a_request_that_waits_for_a_connection_can_be_given_up() {
    let receiver = Receiver::start();
    receiver.always("/", Answer::hang());
    let sample = Sample::start(Production::new(Profile::Paid).rule("refuseAddresses", false));
    let step =
        json!({ "object": "App:a", "do": "fetches", "count": 10, "url": receiver.url("/"), "ms": 300 });
    let answers = sample.does(&step);
    let timeout = "The operation was aborted due to timeout";
    answers.as_array().unwrap().iter().for_each(|answer| says(answer, timeout));
    // All places are free again.
    receiver.always("/", Answer::ok());
    let answers =
        sample.does(&json!({ "object": "App:a", "do": "fetches", "count": 6, "url": receiver.url("/") }));
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["status"] == 200), "{answers}");
}

#[test]
fn values_rows_parameters_and_statements_have_limits() {
    let sample = Sample::paid();
    let sql = |sql: &str, values: Value, pad: usize| {
        sample.does(&json!({ "object": "App:a", "do": "sql", "sql": sql, "values": values, "pad": pad }))
    };
    let one = "INSERT INTO t (a) VALUES (?)";
    let two = "INSERT INTO t (a, b) VALUES (?, ?)";
    let rows = "INSERT INTO t (a) VALUES (?), (?)";
    assert_eq!(sql(one, json!([{ "fill": 2_000_000 }]), 0)["rows"], 0);
    says(&sql(one, json!([{ "fill": 2_000_001 }]), 0), TOO_BIG);
    assert_eq!(sql(two, json!([{ "fill": 1_000_000 }, { "fill": 1_000_000 }]), 0)["rows"], 0);
    says(&sql(two, json!([{ "fill": 1_000_000 }, { "fill": 1_000_001 }]), 0), TOO_BIG);
    assert_eq!(sql(rows, json!([{ "fill": 1_500_000 }, { "fill": 1_500_000 }]), 0)["rows"], 0, "two rows");

    // A row is all of its columns, whichever statement stored them.
    let ids = || sql("SELECT id FROM t", json!([]), 0)["rows"].as_u64().expect("a count");
    let before = ids();
    let large = json!([{ "fill": 600_000 }]);
    let update = "UPDATE t SET b = ? WHERE id = (SELECT max(id) FROM t)";
    says(&sql(update, large.clone(), 0), TOO_BIG);
    assert_eq!(sql("SELECT id FROM t WHERE b IS NOT NULL", json!([]), 0)["rows"], 1, "nothing was changed");
    assert_eq!(sql(update, json!([{ "fill": 500_000 }]), 0)["rows"], 0);
    let listed =
        "INSERT INTO t (a, b) SELECT value || value, value || value FROM json_each('[\"' || ? || '\"]')";
    says(&sql(listed, large.clone(), 0), TOO_BIG);
    let upsert = "INSERT INTO t (id, a) SELECT max(id), 'x' FROM t WHERE true ON CONFLICT DO UPDATE SET b = b || ? || 'y'";
    says(&sql(upsert, large, 0), TOO_BIG);
    assert_eq!(ids(), before);

    let list = |n: usize| format!("SELECT {}", vec!["?"; n].join(", "));
    assert_eq!(sql(&list(100), json!(vec![1; 100]), 0)["rows"], 1);
    says(&sql(&list(101), json!(vec![1; 101]), 0), "too many SQL variables");

    assert_eq!(sql("SELECT 1", json!([]), 99_992)["rows"], 1);
    says(&sql("SELECT 1", json!([]), 99_993), "statement too long");
}

#[test]
fn a_message_between_objects_has_at_most_32_mib() {
    let sample = Sample::paid();
    let send = |bytes: usize| {
        sample.does(&json!({ "object": "App:a", "do": "send", "peer": "App:b", "bytes": bytes }))
    };
    let most = 32 << 20;
    let limit = "Serialized RPC arguments or return values are limited to 32MiB";
    assert_eq!(send(most - 1_000)["size"], most - 1_000);
    says(&send(most + 1), limit);
    let receive = |bytes: usize| {
        sample.does(&json!({ "object": "App:a", "do": "receive", "peer": "App:b", "bytes": bytes }))
    };
    assert_eq!(receive(most - 1_000)["size"], most - 1_000);
    says(&receive(most + 1), limit);
    // It is the emulator that refuses, whatever the limit.
    sample.emulator.rules(&json!({ "messageBytes": 1_000_000 }));
    says(&send(1_000_000), limit);
    says(&receive(1_000_001), limit);
    assert_eq!(receive(1_000_000)["size"], 1_000_000);
    let stats = sample.emulator.stats();
    // The answer of more than 32 MiB is refused by workerd itself.
    assert_eq!(stats.object("App:a").refusals("messageBytes"), 3);
    assert!(usize::try_from(stats.largest.0).is_ok_and(|bytes| bytes > most), "{:?}", stats.largest);
}

#[test]
fn clocks_can_be_moved_and_alarms_come_that_much_earlier() {
    let sample = Sample::paid();
    let does = |step: Value| sample.does(&step);
    let day = 86_400_000;
    let alarm = |ms: Option<i64>| {
        does(json!({ "object": "App:a", "do": "alarmIn", "ms": ms }))["in"].as_i64().expect("a time")
    };
    does(json!({ "object": "App:a", "do": "alarm", "then": { "do": "nothing" } }));
    sample.emulator.settle(Duration::ZERO, Duration::from_secs(5));
    assert!((day - 1_000..=day).contains(&alarm(Some(day))));
    sample.emulator.reset();
    sample.emulator.clock(Duration::from_hours(23));
    let left = alarm(None);
    assert!((3_500_000..=3_600_000).contains(&left), "{left} ms are left");
    assert_eq!(sample.emulator.stats().object("App:a").alarms, 0);
    sample.emulator.clock(Duration::from_hours(25));
    let end = Instant::now() + Duration::from_secs(10);
    while sample.emulator.stats().object("App:a").alarms == 0 {
        assert!(Instant::now() < end, "the alarm has not come");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_deletes_everything_is_counted_and_leaves_nothing() {
    let sample = Sample::paid();
    let insert = json!({ "object": "App:a", "do": "sql", "sql": "INSERT INTO t (a) VALUES ('x')" });
    sample.does(&insert);
    let rows = |stored: &[weir_tests::production::Stored]| {
        let found = stored.iter().find(|object| object.name == "App:a").expect("it was opened");
        found.rows.clone()
    };
    assert_eq!(rows(&sample.emulator.stored()).get("t"), Some(&1));
    sample.does(&json!({ "object": "App:a", "do": "deleteAll" }));
    assert_eq!(rows(&sample.emulator.stored()), BTreeMap::new());
    assert_eq!(sample.emulator.stats().object("App:a").deleted_all, 1);
}

#[test]
fn a_full_storage_refuses_to_store_and_lets_go() {
    let sample = Sample::paid();
    let sql = |object: &str, sql: &str, values: Value| {
        sample.does(&json!({ "object": object, "do": "sql", "sql": sql, "values": values }))
    };
    let insert = "INSERT INTO t (a) VALUES (?)";
    sample.emulator.capacity("App:full", Some(1_000_000));
    assert_eq!(sql("App:full", insert, json!([{ "fill": 1_500_000 }]))["rows"], 0);
    let full = "database or disk is full: SQLITE_FULL";
    says(&sql("App:full", insert, json!(["x"])), full);
    says(&sql("App:full", "UPDATE t SET b = 'x'", json!([])), full);
    assert_eq!(sql("App:full", "SELECT id FROM t", json!([]))["rows"], 1);
    assert_eq!(sql("App:other", insert, json!([{ "fill": 1_500_000 }]))["rows"], 0);
    assert_eq!(sql("App:other", insert, json!(["x"]))["rows"], 0, "only the one that it is set for");
    assert_eq!(sql("App:full", "DELETE FROM t", json!([]))["rows"], 0);
    assert_eq!(sql("App:full", insert, json!(["x"]))["rows"], 0, "there is room again");
    sql("App:full", insert, json!([{ "fill": 1_500_000 }]));
    assert_eq!(sql("App:full", "DROP TABLE t", json!([]))["rows"], 0);
}

#[test]
fn the_clock_stands_still_in_a_turn_and_a_late_timer_sees_its_scheduled_time() {
    let sample = Sample::paid();
    let clock = sample.does(&json!({ "object": "App:a", "do": "clock" }));
    assert_eq!(clock, json!({ "moved": [0, 0], "timer": 5 }));
    // That the same is not so without the rule: computing takes time.
    sample.emulator.rules(&json!({ "frozenClock": false }));
    let clock = sample.does(&json!({ "object": "App:a", "do": "clock" }));
    assert!(clock["timer"].as_u64().unwrap() > 5, "{clock}");
}

#[test]
fn addresses_are_refused_and_who_cannot_be_reached_is_answered_for() {
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(204));
    receiver.always("/closes", Answer::close());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sample = Sample::paid();
    let port = receiver.port();
    for (url, status, text) in [
        (format!("http://127.0.0.1:{port}/"), 403, "error code: 1003"),
        (format!("http://[::1]:{port}/"), 403, "error code: 1003"),
        (format!("http://receiver.test:{port}/"), 204, ""),
        ("http://nobody.invalid/".into(), 530, "error code: 1016"),
        (format!("http://receiver.test:{nobody}/"), 521, "error code: 521"),
        (format!("http://receiver.test:{port}/closes"), 520, "error code: 520"),
        (format!("https://receiver.test:{port}/"), 525, "error code: 525"),
    ] {
        let answers = sample.does(&json!({ "object": "App:a", "do": "fetches", "count": 1, "url": url }));
        assert_eq!(answers, json!([{ "status": status, "text": text }]), "{url}");
    }
}

#[test]
fn calls_fail_as_they_do_on_an_overloaded_or_restarting_platform() {
    let sample = Sample::paid();
    let call = || {
        let step = json!({ "do": "sql", "sql": "INSERT INTO t (a) VALUES ('x') RETURNING id" });
        let called = sample.does(
            &json!({ "object": "App:a", "do": "calls", "count": 1, "peer": "Endpoint:e", "step": step }),
        );
        called[0].clone()
    };
    let rows = || {
        let select = json!({ "object": "Endpoint:e", "do": "sql", "sql": "SELECT id FROM t" });
        sample.does(&select)["rows"].as_u64().unwrap()
    };
    for (kind, error, flag, stored) in [
        ("overloaded", "Durable Object is overloaded.", "overloaded", 0),
        ("retryable", "Network connection lost.", "retryable", 0),
        ("lost", "Network connection lost.", "retryable", 1),
        ("internal", "internal error; reference = ", "", 0),
    ] {
        let before = rows();
        sample.emulator.fault(&json!({ "kind": kind, "object": "Endpoint:", "operation": "act" }));
        let failed = call();
        says(&failed, error);
        for name in ["overloaded", "retryable"] {
            assert_eq!(failed[name] == true, name == flag, "{kind}: {failed}");
        }
        assert_eq!(rows() - before, stored, "{kind}");
        assert_eq!(call()["rows"], 1, "only the one that was asked for");
    }
    sample.emulator.fault(&json!({ "kind": "internal", "object": "Endpoint:" }));
    sample.emulator.no_faults();
    assert_eq!(call()["rows"], 1);
}

#[test]
fn a_deployment_resets_objects_and_fails_the_calls_that_are_under_way() {
    let sample = Sample::paid();
    let sleep = json!({ "object": "App:a", "do": "sleep", "ms": 10_000 });
    thread::scope(|scope| {
        let call = scope.spawn(|| sample.does(&sleep));
        while sample.emulator.stats().object("App:a").pending.is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let begun = Instant::now();
        sample.emulator.deploy();
        let failed = call.join().unwrap();
        says(&failed, "Durable Object reset because its code was updated.");
        assert_eq!((&failed["retryable"], &failed["reset"]), (&json!(true), &json!(true)));
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
    // It comes back with its tables, and with nothing pending.
    assert_eq!(sample.does(&json!({ "object": "App:a", "do": "sql", "sql": "SELECT * FROM t" }))["rows"], 0);
    sample.emulator.rest(Duration::from_secs(1));
}

#[test]
fn an_object_is_held_by_timers_signals_requests_and_calls() {
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(Duration::from_millis(300)));
    let sample = Sample::start(Production::new(Profile::Paid).rule("refuseAddresses", false));
    for (what, held) in [("timer", true), ("signal", true), ("fetch", true), ("cleared", false)] {
        sample.emulator.reset();
        sample.does(
            &json!({ "object": "App:a", "do": "leave", "what": what, "ms": 300, "url": receiver.url("/") }),
        );
        let pending = sample.emulator.stats().object("App:a").pending;
        let expected = if held { vec![(what.to_owned(), 1)] } else { Vec::new() };
        assert_eq!(pending, expected, "{what}");
        let rested = sample.emulator.rest(Duration::from_secs(5)).object("App:a");
        let range = if held { 290..=1_000 } else { 0..=100 };
        assert!(range.contains(&rested.held_ms), "{what}: {rested:?}");
    }
    // A call holds the one who calls and the one who is called.
    sample.emulator.reset();
    let sleep = json!({ "do": "sleep", "ms": 300 });
    sample
        .does(&json!({ "object": "App:b", "do": "calls", "count": 1, "peer": "Endpoint:e", "step": sleep }));
    let stats = sample.emulator.rest(Duration::from_secs(5));
    for object in ["App:b", "Endpoint:e"] {
        assert!((290..=1_000).contains(&stats.object(object).held_ms), "{:?}", stats.object(object));
    }
}

#[test]
fn rows_requests_alarms_and_log_lines_are_counted() {
    let sample = Sample::paid();
    sample.does(&json!({ "object": "App:a", "do": "nothing" }));
    sample.emulator.reset();
    let sql = |sql: &str| sample.does(&json!({ "object": "App:a", "do": "sql", "sql": sql }));
    sql("INSERT INTO t (a) VALUES ('x'), ('y'), ('z')");
    sql("SELECT id FROM t");
    sql("DELETE FROM t WHERE id = 1 RETURNING id");
    sample.does(&json!({ "object": "App:a", "do": "say" }));
    let counts = sample.emulator.stats();
    let app = counts.object("App:a");
    assert_eq!((app.requests, app.rows_written, app.log_lines, app.alarms), (4, 4, 1, 0), "{app:?}");
    assert!((4..=7).contains(&app.rows_read), "{app:?}");
    assert_eq!(counts.worker.requests, 4);
    sample.emulator.reset();
    sample.does_in_alarm("App:a", &json!({ "do": "nothing" }));
    let app = sample.emulator.stats().object("App:a");
    assert_eq!(app.alarms, 1);
    assert!(app.rows_written >= 1, "an alarm that is set is a row: {app:?}");
}

#[test]
fn the_gateway_runs_under_the_rules_unmodified() {
    let gateway = Running::start(&[]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", Duration::from_secs(10));
    api.attempts(&app, &message, 1, Duration::from_secs(10));
    let stats = gateway.emulator().stats();
    assert_eq!(stats.refused(), Vec::new());
    assert!(stats.wasm_bytes > 1 << 20, "{}", stats.wasm_bytes);
    assert!(stats.in_flight_most > 0);
    let object = stats.object(&format!("Endpoint:{}/{app}/{endpoint}", api.org));
    assert_eq!((object.external, object.most_connections), (1, 1), "{object:?}");
    assert!(object.rows_written > 0 && object.requests > 0, "{object:?}");
}

/// Where the repository's tests are.
fn tests() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The table in the emulator's README: each rule, and the tests that prove that it is enforced.
#[test]
fn every_rule_names_the_tests_that_prove_it() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("production/README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let (_, table) = readme.split_once("| Rule | Enforced by | Tests |").expect("the table");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 14, "the rows of the design's table");
    for row in rows {
        let cell = row.split('|').nth(3).expect("three columns");
        let (mut source, mut count) = (String::new(), 0);
        for name in cell.split('`').skip(1).step_by(2) {
            if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
                source = std::fs::read_to_string(tests().join(name)).expect(name);
            } else {
                assert!(source.contains(&format!("fn {name}()")), "there is no test {name}: {row}");
                count += 1;
            }
        }
        assert!(count > 0, "no test: {row}");
    }
}

/// End-to-end tests run under the rules. One that does not says why.
#[test]
fn no_gateway_is_tested_without_the_rules_for_no_reason() {
    for file in std::fs::read_dir(tests()).expect("the tests") {
        let path = file.expect("a file").path();
        let source = std::fs::read_to_string(&path).expect("a text");
        let lines: Vec<&str> = source.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_local =
                ["local(", "options("].iter().any(|call| line.contains(&format!("Running::{call}")));
            let reason =
                lines[at.saturating_sub(3)..at].iter().any(|line| line.contains("Without the rules"));
            assert!(!is_local || reason, "{}:{}", path.display(), at + 1);
        }
    }
}
