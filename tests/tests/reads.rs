//! What a list reads, counted by the platform itself: rows read are billed, and a list must not read more because there
//! is more. (`core/src/app/scale.rs` and `core/src/directory/scale.rs` count on a million messages, natively.)

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::thread;
use std::time::Duration;
use weir_core::app::{backfill, inspect as inspect_log};
use weir_core::endpoint::inspect;
use weir_core::id;
use weir_core::sql::memory::Memory;
use weir_core::sql::{Sql, Value};
use weir_core::time::rfc3339;
use weir_tests::browser::Browser;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::process;
use weir_tests::production::Emulator;
use weir_tests::receiver::{Receiver, unix_ms};

const MESSAGES: usize = 5_000;
const CONNECTIONS: usize = 16;
/// A page without filters: the rows of one step, and each item by its key.
const PAGE: f64 = 256.0 + 2.0 * 51.0;
/// A filter looks at so many rows of the log, and one step more.
const MOST: f64 = 4_096.0 + PAGE;

/// Rows that the tenant's object, the application's and the endpoint's have read.
fn read(api: &Api, app: &str, endpoint: &str) -> f64 {
    let (stats, org) = (Emulator::new(api.url()).stats(), &api.org);
    let names =
        [format!("Directory:{org}"), format!("App:{org}/{app}"), format!("Endpoint:{org}/{app}/{endpoint}")];
    #[allow(clippy::cast_precision_loss)] // some thousands
    let sum = names.map(|name| stats.object(&name).rows_read).iter().sum::<u64>() as f64;
    sum
}

/// An application with thousands of messages, all of them delivered to its one endpoint.
struct Busy {
    gateway: Running,
    _receiver: Receiver,
    api: Api,
    app: String,
    endpoint: String,
}

fn busy() -> Busy {
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "3")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let path = format!("/api/v1/app/{app}/msg?with_content=false");
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let (api, path) = (api.at(api.url()), &path);
            scope.spawn(move || {
                for _ in 0..MESSAGES.div_ceil(CONNECTIONS) {
                    let body = message("usual", "{}");
                    assert_eq!(api.call("POST", path, Some(body.as_bytes()), &[]).status, 202);
                }
            });
        }
    });
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    let all = MESSAGES.div_ceil(CONNECTIONS) * CONNECTIONS;
    api.until(&stats, Duration::from_mins(1), |stats| stats["success"] == all);
    Busy { gateway, _receiver: receiver, api, app, endpoint }
}

#[test]
fn a_list_of_thousands_reads_a_bounded_number_of_rows() {
    let Busy { api, app, endpoint, .. } = &busy();
    let log = format!("/api/v1/app/{app}/msg");
    let attempts = format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}");
    let attempted = format!("/api/v1/app/{app}/endpoint/{endpoint}/msg");
    let (_, page) = api.get(&log);
    let newest = list(&page)[0].clone();
    let (time, id) = (newest["timestamp"].as_str().unwrap(), newest["id"].as_str().unwrap());
    for (path, query, most) in [
        (&log, "limit=5&with_content=false".to_owned(), PAGE),
        (&log, "limit=50".to_owned(), PAGE),
        (&log, format!("iterator={id}"), PAGE),
        (&log, format!("before={time}"), PAGE),
        (&log, "event_id=none".to_owned(), 2.0),
        (&log, "event_types=none".to_owned(), MOST),
        (&log, "tag=none".to_owned(), MOST),
        (&log, "channel=none&after=2020-01-01T00:00:00Z".to_owned(), MOST),
        (&attempts, "limit=5".to_owned(), PAGE),
        (&attempts, "event_types=none".to_owned(), MOST),
        (&attempts, "status=2".to_owned(), MOST),
        // Each attempt's message is looked at, too.
        (&attempts, "tag=none".to_owned(), 5.0 * MOST),
        (&attempted, "limit=5".to_owned(), 6.0 * PAGE),
        (&attempted, "event_types=none".to_owned(), MOST),
    ] {
        let before = read(api, app, endpoint);
        let (status, page): (u16, Json) = api.get(&format!("{path}?{query}"));
        assert_eq!(status, 200, "{page}");
        let rows = read(api, app, endpoint) - before;
        println!(
            "{:<20} {query:<45} {rows:>6} rows for {}",
            path.rsplit('/').next().unwrap(),
            list(&page).len()
        );
        assert!(rows <= most, "{path}?{query} has read {rows} rows, more than {most}");
    }
}

/// The processor time that a page may take, with everything that workerd does for it.
const MOST_CPU_US: u64 = 50_000;
/// How often a page is asked for, to tell its time: the kernel counts in ticks of 10 ms.
const TIMES: u64 = 20;
/// How many messages there are after thousands.
const MANY: usize = 1_000_000;
/// So many of their attempts are recorded together.
const TOGETHER: usize = 6;
/// More than a page of anything else that there may be many of.
const MORE: usize = 60;

/// Pages, by what is said of them, with the most rows that each may read.
fn pages(busy: &Busy) -> Vec<(&'static str, String, f64)> {
    let Busy { api, app, endpoint, .. } = busy;
    let here = format!("/dashboard/app/{app}");
    let newest = list(&api.get(&format!("/api/v1/app/{app}/msg?limit=1")).1)[0].clone();
    let message = newest["id"].as_str().unwrap();
    let source = list(&api.get("/api/v1/ingest/source?limit=1").1)[0]["id"].as_str().unwrap().to_owned();
    let dashboard = |path: &str| format!("/dashboard{path}");
    vec![
        ("overview", dashboard(""), 4.0 * PAGE),
        ("overview of 28 days", dashboard("?hours=672"), 4.0 * PAGE),
        ("sources", dashboard("/sources"), PAGE),
        ("a source", dashboard(&format!("/app/{source}")), 2.0 * PAGE),
        ("event types", dashboard("/event-types"), PAGE),
        ("plugins", dashboard("/plugins"), PAGE),
        ("tasks", dashboard("/tasks"), PAGE),
        ("settings", dashboard("/settings"), PAGE),
        ("an application", here.clone(), 4.0 * PAGE),
        ("messages", format!("{here}/messages"), 2.0 * PAGE),
        ("messages, none fits", format!("{here}/messages?tag=none"), MOST),
        ("a message", format!("{here}/message/{message}"), PAGE),
        ("an endpoint", format!("{here}/endpoint/{endpoint}"), 4.0 * PAGE),
        ("attempts, none fits", format!("{here}/endpoint/{endpoint}?status=2"), MOST + 3.0 * PAGE),
        ("live", format!("{here}/live"), 4.0 * PAGE),
    ]
}

/// The rows that each page reads; it must be no more than it may, in no more time.
fn costs(busy: &Busy) -> Vec<(&'static str, f64)> {
    let Busy { gateway, api, app, endpoint, .. } = busy;
    let browser = Browser::signed_in(api, &api.token);
    let one = |(name, page, most): (&'static str, String, f64)| {
        // What an object reads when it starts is not the page's.
        browser.see(&page);
        let before = read(api, app, endpoint);
        browser.see(&page);
        let rows = read(api, app, endpoint) - before;
        let cpu = |pid| process::cpu_us(pid).unwrap_or_default();
        let pid = gateway.pid().unwrap();
        let began = cpu(pid);
        (0..TIMES).for_each(|_| drop(browser.see(&page)));
        let took = (cpu(pid) - began) / TIMES;
        println!("{rows:>6} rows, {took:>6} µs of processor time: {name}");
        assert!(rows <= most, "{name} has read {rows} rows, more than {most}");
        assert!(took <= MOST_CPU_US, "{name} takes {took} µs of processor time");
        (name, rows)
    };
    pages(busy).into_iter().map(one).collect()
}

/// How many segments the newest table of a log has, and the newest table of attempts.
const SEGMENTS: &str = "SELECT count(*) FROM segment_0";
const ATTEMPTS: &str = "SELECT count(*) FROM attempts_0";

/// The database below this directory with the most rows, of which there are so many at least: the one object that is busy.
fn busiest(dir: &Path, count: &str, least: i64) -> Connection {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let databases = all.filter(|path| path.extension().is_some_and(|ending| ending == "sqlite"));
    let open = |path| {
        let database = Connection::open(path).unwrap();
        let rows = database.query_row(count, [], |row| row.get(0));
        (rows.unwrap_or(0), database)
    };
    let busiest: Option<(i64, _)> = databases.map(open).max_by_key(|(rows, _)| *rows);
    busiest.filter(|(rows, _)| *rows >= least).expect("the busy one").1
}

impl Busy {
    /// Makes it many messages, each delivered once, before all that there are: in the objects' own tables, while nobody
    /// looks.
    fn grow(&mut self, many: usize) {
        self.gateway.kill();
        let data = self.gateway.data().to_owned();
        let now = unix_ms();
        let at = |n: usize| now - 3_600_000 - i64::try_from(n).unwrap() * 20;
        let app = busiest(&data.join("weir-app"), SEGMENTS, 100);
        let enough = i64::try_from(MESSAGES / 128).unwrap();
        let endpoint = Memory::of(busiest(&data.join("weir-endpoint"), ATTEMPTS, enough));
        // What it writes down every few seconds, and was killed before, perhaps: that these were offered.
        let log = Memory::of(app);
        let last = inspect_log(&log).pop().unwrap().id;
        log.exec("UPDATE endpoint SET cursor = ?1", &[Value::Text(&last)]).unwrap();
        let delivered = (0..many).rev().map(at).map(|at| (id::floor(id::MESSAGE, at), at + 8));
        endpoint.transaction(|| inspect::grow(&endpoint, TOGETHER, delivered)).unwrap();
        log.transaction(|| backfill(&log, (0..many).rev().map(|n| (at(n), None)))).unwrap();
        drop((log, endpoint));
        self.gateway.restart();
    }
}

#[test]
fn a_page_of_the_dashboard_costs_as_much_with_a_million_messages_as_with_thousands() {
    let mut busy = busy();
    for n in 0..MORE {
        let source = json!({ "name": format!("source {n}"), "type": "generic-webhook" });
        assert!(matches!(busy.api.post("/api/v1/ingest/source", &source).0, 200 | 201));
        let event = json!({ "name": format!("event.n{n}"), "description": "d" });
        assert_eq!(busy.api.post("/api/v1/event-type", &event).0, 201);
    }
    let few = costs(&busy);
    busy.grow(MANY);
    // They are there, down to the oldest.
    let long_ago = rfc3339(unix_ms() - 6 * 3_600_000);
    for below in ["msg".to_owned(), format!("attempt/endpoint/{}", busy.endpoint)] {
        let path = format!("/api/v1/app/{}/{below}?limit=1&before={long_ago}", busy.app);
        // A page may end before it has found one: attempts are in the order in which they ended.
        let mut page = busy.api.get(&path).1;
        for _ in 0..10 {
            if list(&page).is_empty() {
                page = busy.api.get(&format!("{path}&iterator={}", text(&page, "iterator"))).1;
            }
        }
        assert_eq!(list(&page).len(), 1, "{path}: {page}");
    }
    println!("with {MANY} more:");
    for ((name, few), (_, many)) in few.into_iter().zip(costs(&busy)) {
        // An hour may have begun meanwhile, which the statistics have a row for; and a search looks at no more than a certain
        // number of segments, which thousands of attempts do not reach.
        assert!(many <= few + 50.0, "{name}: {few} rows, and {many} where there is more");
    }
}
