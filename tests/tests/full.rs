//! Full storage, under the emulator: the tenant is notified, what nobody needs makes room, then messages are refused with 507.
//! Nothing that was accepted is lost, nothing is sent twice, and freed space is used again.

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use std::time::Duration;
use weir_core::app::backfill;
use weir_core::sql::memory::Memory;
use weir_core::sql::{Sql, Value};
use weir_core::time::rfc3339;
use weir_tests::client::{Api, id_of, list, text};
use weir_tests::gateway::Running;
use weir_tests::receiver::{Receiver, unix_ms};

const SOON: Duration = Duration::from_secs(30);
const DAY: i64 = 86_400_000;

/// Sends messages until one is refused; gives the ids of the others.
fn fill(api: &Api, app: &str, bytes: usize) -> Vec<String> {
    let message = json!({ "eventType": "a.b", "payload": { "x": "x".repeat(bytes) } });
    let path = format!("/api/v1/app/{app}/msg?with_content=false");
    let mut stored = Vec::new();
    loop {
        let (status, answer) = api.post(&path, &message);
        if status != 202 {
            assert_eq!((status, &answer["code"]), (507, &json!("storage_full")), "{answer}");
            return stored;
        }
        stored.push(text(&answer, "id"));
        assert!(stored.len() < 1_000, "it is never full");
    }
}

/// The application's database, while its gateway is not running.
fn database(gateway: &Running, endpoint: &str) -> Memory {
    let files = std::fs::read_dir(gateway.data().join("weir-app")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut all =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "sqlite")).map(Connection::open);
    let is_its = |database: &Connection| {
        database.query_row("SELECT 1 FROM endpoint WHERE id = ?1", [endpoint], |_| Ok(())).is_ok()
    };
    Memory::of(all.find_map(|database| database.ok().filter(is_its)).expect("the application's database"))
}

/// An Endpoint that cannot store anything takes nothing: the application keeps what it has accepted.
#[test]
fn a_full_endpoint_loses_nothing_and_delivers_once_it_has_room() {
    let (gateway, receiver) = (Running::start(&[]), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    api.send(&app, "{}");
    receiver.wait_for("/", 1, SOON);
    gateway.emulator().capacity("Endpoint:", Some(1));
    for _ in 0..10 {
        api.send(&app, "{}");
    }
    gateway.emulator().capacity("Endpoint:", None);
    receiver.wait_for("/", 11, SOON);
}

#[test]
fn storage_that_is_nearly_full_makes_room_notifies_the_tenant_and_then_refuses_messages() {
    let receiver = Receiver::start();
    let mut gateway = Running::start(&[("STORAGE_LIMIT_MB", "2"), ("RETRY_SCHEDULE", "1")]);
    let api = gateway.tenant();
    let events = json!({ "url": receiver.url("/events"), "filterTypes": ["application.storage.high"] });
    id_of(api.post("/api/v1/operational-webhook/endpoint", &events), 201);
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/all"));

    // More than half of the storage is old, and delivered.
    gateway.kill();
    let sql = database(&gateway, &endpoint);
    let now = unix_ms();
    sql.transaction(|| backfill(&sql, [(now - 9 * DAY, None)].into_iter())).unwrap();
    sql.transaction(|| backfill(&sql, (0..19_000).map(|n| (now - 10 * DAY + n * 4, None)))).unwrap();
    let passed = weir_core::id::floor(weir_core::id::MESSAGE, now);
    sql.exec("UPDATE endpoint SET cursor = ?1", &[Value::Text(&passed)]).unwrap();
    assert!((1_100_000..1_500_000).contains(&sql.size().unwrap()), "{:?}", sql.size());
    drop(sql);
    gateway.restart();

    let old = format!("/api/v1/app/{app}/msg?limit=1&before={}", rfc3339(now - 9 * DAY - DAY / 2));
    assert_eq!(list(&api.get(&old).1).len(), 1);
    let later = json!({
        "eventType": "a.b", "payload": { "later": true }, "deliverAt": rfc3339(unix_ms() + 20_000),
    });
    let later = id_of(api.post(&format!("/api/v1/app/{app}/msg"), &later), 202);

    let mut stored = fill(&api, &app, 40_000);
    assert!((35..=46).contains(&stored.len()), "the old messages made room for the new: {}", stored.len());
    assert_eq!(list(&api.get(&old).1).len(), 0);
    let told: Json = serde_json::from_slice(&receiver.wait_for_one("/events", SOON).body).unwrap();
    assert_eq!(told["type"], "application.storage.high");
    assert_eq!((&told["data"]["appId"], &told["data"]["limit"]), (&json!(app), &json!(2_000_000)), "{told}");

    let expunged = json!({ "ids": stored.iter().take(20).collect::<Vec<_>>() });
    assert!(receiver.wait_count("/all", stored.len(), SOON));
    assert_eq!(api.post(&format!("/api/v1/app/{app}/msg/bulk-expunge"), &expunged).0, 200);
    let more = fill(&api, &app, 40_000);
    assert!((15..=25).contains(&more.len()), "freed space is used again: {}", more.len());
    stored.extend(more);
    stored.push(later);
    assert!(receiver.wait_count("/all", stored.len(), SOON), "what is scheduled is delivered, too");
    let got = receiver.settles_at("/all", stored.len(), Duration::from_secs(2));
    let mut got: Vec<_> = got.iter().filter_map(|request| request.message_id()).collect();
    got.sort_unstable();
    stored.sort_unstable();
    assert_eq!(got, stored, "each once");
    assert_eq!(gateway.emulator().stats().refused(), Vec::new(), "the platform had nothing to refuse");
}

#[test]
fn where_the_platform_allows_less_than_the_setting_says_everything_accepted_is_delivered_once() {
    let receiver = Receiver::start();
    let gateway = Running::start(&[("RETRY_SCHEDULE", "1")]);
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/all"));
    gateway.emulator().capacity("App:", Some(600_000));
    let stored = fill(&api, &app, 20_000);
    assert!((20..=30).contains(&stored.len()), "{}", stored.len());
    assert!(receiver.wait_count("/all", stored.len(), SOON));
    // By then the alarm has come that would have written down what was delivered.
    receiver.settles_at("/all", stored.len(), Duration::from_secs(13));
    assert_eq!(fill(&api, &app, 20_000), [""; 0], "still full, and answered early");
    let alarms = gateway.emulator().stats().objects.iter().map(|object| object.alarms).max();
    assert!(alarms.is_some_and(|alarms| alarms < 10), "it does not try without end: {alarms:?}");

    gateway.emulator().capacity("App:", None);
    gateway.emulator().deploy();
    let message = json!({ "eventType": "a.b", "payload": {} });
    assert_eq!(api.post(&format!("/api/v1/app/{app}/msg"), &message).0, 202, "there is room again");
    assert!(receiver.wait_count("/all", stored.len() + 1, SOON));
    receiver.settles_at("/all", stored.len() + 1, Duration::from_secs(2));
}
