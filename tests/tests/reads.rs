//! What a list reads, counted by the platform itself: rows read are billed, and a list must not read more because there
//! is more. (`core/src/app/scale.rs` and `core/src/directory/scale.rs` count on a million messages, natively.)

use serde_json::Value;
use std::thread;
use std::time::Duration;
use weir_tests::browser::Browser;
use weir_tests::client::{Api, list};
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::process;
use weir_tests::receiver::Receiver;

const MESSAGES: usize = 5_000;
const CONNECTIONS: usize = 16;
/// A page without filters: the rows of one step, and each item by its key.
const PAGE: f64 = 256.0 + 2.0 * 51.0;
/// A filter looks at so many rows of the log, and one step more.
const MOST: f64 = 4_096.0 + PAGE;

/// Rows that the application's and the endpoint's objects have read.
fn read(api: &Api, app: &str, endpoint: &str) -> f64 {
    let of =
        |object: &str| api.get(&format!("/__test/rows/{}/{object}", api.org)).1["read"].as_f64().unwrap();
    of(app) + of(&format!("{app}/{endpoint}"))
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
    let gateway = Running::start(&[("WEIR_COUNT_ROWS", "1"), ("REQUEST_TIMEOUT", "3")]);
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
        let (status, page): (u16, Value) = api.get(&format!("{path}?{query}"));
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

#[test]
fn a_page_of_the_dashboard_reads_a_bounded_number_of_rows_in_little_time() {
    let Busy { gateway, api, app, endpoint, .. } = &busy();
    let browser = Browser::signed_in(api, &api.token);
    let here = format!("/dashboard/app/{app}");
    let newest = list(&api.get(&format!("/api/v1/app/{app}/msg?limit=1")).1)[0].clone();
    let message = newest["id"].as_str().unwrap();
    for (page, most) in [
        (here.clone(), 4.0 * PAGE),
        (format!("{here}/messages"), PAGE),
        (format!("{here}/messages?tag=none"), MOST),
        (format!("{here}/message/{message}"), PAGE),
        (format!("{here}/endpoint/{endpoint}"), 4.0 * PAGE),
        (format!("{here}/endpoint/{endpoint}?status=2"), MOST + 3.0 * PAGE),
        (format!("{here}/live"), 4.0 * PAGE),
    ] {
        let before = read(api, app, endpoint);
        browser.see(&page);
        let rows = read(api, app, endpoint) - before;
        let cpu = |pid| process::cpu_us(pid).unwrap_or_default();
        let pid = gateway.pid().unwrap();
        let began = cpu(pid);
        (0..TIMES).for_each(|_| drop(browser.see(&page)));
        let took = (cpu(pid) - began) / TIMES;
        println!("{rows:>6} rows, {took:>6} µs of processor time: {}", page.trim_start_matches(&here));
        assert!(rows <= most, "{page} has read {rows} rows, more than {most}");
        assert!(took <= MOST_CPU_US, "{page} takes {took} µs of processor time");
    }
}
