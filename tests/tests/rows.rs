//! What a message costs: rows written are most of a deployment's bill, so they are counted for real.
//!
//! The emulator adds up what the platform says that every object's statements have written, and a row for every alarm
//! that it sets, as the platform bills it. The counts here include everything that follows from a message:
//! the alarms and what they write (cursors, statistics), shared by all messages of the time.

use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};
use weir_tests::client::{Api, list};
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::production::Emulator;
use weir_tests::receiver::Receiver;

const MESSAGES: usize = 200;
const CONNECTIONS: usize = 8;
/// By then the alarms have come that write what was only in memory: the App's ten seconds and some.
const SETTLED: Duration = Duration::from_secs(12);

/// A gateway that counts, with time enough for requests that none is repeated on a busy machine.
#[track_caller]
fn counting() -> Running {
    Running::start(&[("REQUEST_TIMEOUT", "3")])
}

/// Rows that the application's and the endpoint's objects have written.
#[track_caller]
fn rows(api: &Api, app: &str, endpoint: &str) -> f64 {
    let stats = Emulator::new(api.url()).stats();
    let app = format!("{}/{app}", api.org);
    let objects = [format!("App:{app}"), format!("Endpoint:{app}/{endpoint}")];
    #[allow(clippy::cast_precision_loss)] // some thousands
    let sum = objects.map(|name| stats.object(&name).rows_written).iter().sum::<u64>() as f64;
    sum
}

/// The same once all has been written that follows. Asking every second keeps the objects from being put to sleep,
/// which would end their counts.
#[track_caller]
fn settled_rows(api: &Api, app: &str, endpoint: &str) -> f64 {
    let end = Instant::now() + SETTLED;
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(1));
        rows(api, app, endpoint);
    }
    rows(api, app, endpoint)
}

/// Sends that many messages on that many connections, each with the headers that its number gives it.
fn send(api: &Api, app: &str, headers: impl Fn(usize) -> Vec<(&'static str, String)> + Sync) {
    let path = format!("/api/v1/app/{app}/msg");
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (api, path, headers) = (api.at(api.url()), &path, &headers);
            scope.spawn(move || {
                for n in (connection..MESSAGES).step_by(CONNECTIONS) {
                    let headers = headers(n);
                    let headers: Vec<_> =
                        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let body = message("rows.counted", &format!("{{\"n\":{n}}}"));
                    let reply = api.call("POST", path, Some(body.as_bytes()), &headers);
                    assert_eq!(reply.status, 202, "{}", reply.text);
                }
            });
        }
    });
}

/// While one commit is under way the next group gathers: far fewer commits than messages, and than results.
#[test]
fn messages_and_results_that_come_together_commit_together() {
    let gateway = counting();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    send(&api, &app, |_| Vec::new());
    assert!(receiver.wait_count("/", MESSAGES, Duration::from_secs(20)), "all arrive");
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), Duration::from_secs(10), |stats| {
        stats["success"] == MESSAGES
    });
    let app = format!("{}/{app}", api.org);
    let stats = gateway.emulator().stats();
    for object in [format!("App:{app}"), format!("Endpoint:{app}/{endpoint}")] {
        let groups = stats.object(&object).syncs;
        println!("{MESSAGES} messages on {CONNECTIONS} connections: {groups} group commits of {object}");
        assert!((1..=MESSAGES as u64 / 2).contains(&groups), "{groups} commits for {MESSAGES} messages");
    }
}

/// Rows for each message that is accepted, delivered at the first attempt and recorded.
fn rows_per_message(headers: impl Fn(usize) -> Vec<(&'static str, String)> + Sync) -> f64 {
    let gateway = counting();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let before = rows(&api, &app, &endpoint);

    let begun = Instant::now();
    send(&api, &app, headers);
    assert!(receiver.wait_count("/", MESSAGES, Duration::from_secs(20)), "all arrive");
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    let recorded = |stats: &Value| stats["success"] == MESSAGES;
    api.until(&stats, Duration::from_secs(10), recorded);
    let at_once = rows(&api, &app, &endpoint) - before;
    let all = settled_rows(&api, &app, &endpoint) - before;

    // Each was sent once: nothing here is the cost of a retry.
    assert_eq!(receiver.count("/"), MESSAGES);
    let page = api.get(&format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?limit=250")).1;
    assert_eq!(list(&page).len(), MESSAGES);
    #[allow(clippy::cast_precision_loss)] // 200
    let each = |rows: f64| rows / MESSAGES as f64;
    eprintln!(
        "{:.3} rows for each of {MESSAGES} messages when the last was recorded, {:.3} with all that followed, {:?}",
        each(at_once),
        each(all),
        begun.elapsed()
    );
    each(all)
}

#[test]
fn a_delivered_message_is_less_than_a_row() {
    let rows = rows_per_message(|_| Vec::new());
    // It shares its row in the log, the row of its push and that of its attempt with others.
    assert!((0.1..=1.2).contains(&rows), "{rows} rows for each message");
}

#[test]
fn an_idempotency_key_is_one_row_more() {
    let rows = rows_per_message(|n| vec![("idempotency-key", format!("key-{n}"))]);
    assert!((1.1..=2.2).contains(&rows), "{rows} rows for each message");
}

#[test]
fn a_message_that_comes_alone_pays_for_its_alarms_too() {
    let gateway = counting();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    api.send(&app, "{}");
    // Without what the endpoint's creation and the first message leave behind.
    let before = settled_rows(&api, &app, &endpoint);
    api.send(&app, "{}");
    receiver.wait_for("/", 2, Duration::from_secs(10));
    let rows = settled_rows(&api, &app, &endpoint) - before;
    eprintln!("{rows} rows for a message that comes alone");
    // The message, the push, the attempt. In the App the cursor and an alarm or two, of which one is for what is to be
    // forgotten a month later. In the Endpoint an alarm.
    assert!((3.0..=7.0).contains(&rows), "{rows} rows");
}
