//! Rate limits: exact in every window, and no message is refused.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use weir_core::time::parse_rfc3339;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::shared;
use weir_tests::receiver::{Received, Receiver};

const SECOND: Duration = Duration::from_secs(1);

/// The most arrivals in any window of that length.
fn most_in_any(window: Duration, requests: &[Received]) -> usize {
    let mut at: Vec<Instant> = requests.iter().map(|request| request.at).collect();
    at.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for last in 0..at.len() {
        while at[last] - at[first] >= window {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

/// When the attempt of each message started, in milliseconds.
fn starts(api: &Api, app: &str, endpoint: &str, count: usize) -> BTreeMap<String, i64> {
    let path = format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?limit=250");
    let page = api.until(&path, Duration::from_secs(10), |page| list(page).len() == count);
    let read = |one: &Value| {
        let at = parse_rfc3339(&text(one, "timestamp")).expect("a time");
        (text(one, "msgId"), at)
    };
    list(&page).iter().map(read).collect()
}

#[test]
fn a_throttle_rate_of_10_takes_20_seconds_for_200_messages_and_never_starts_11_in_a_second() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint_with(&app, &receiver.url("/"), &json!({ "throttleRate": 10 }));
    let mut sent: Vec<String> = (0..200).map(|n| api.send(&app, &format!("{{\"n\":{n}}}"))).collect();
    let got = receiver.wait_for("/", 200, Duration::from_secs(40));
    let took = got[199].at - got[0].at;
    // 200 at 10 in a second: the last one starts 19 seconds after the first at the earliest.
    assert!((19.0 - 0.1..=21.0).contains(&took.as_secs_f64()), "200 messages took {took:?}");
    let starts = starts(&api, &app, &endpoint, 200);
    let mut times: Vec<i64> = starts.values().copied().collect();
    times.sort_unstable();
    assert!(times.windows(11).all(|eleven| eleven[10] - eleven[0] > 1_049), "{times:?}");
    // Requests take unequal times to arrive. As long as these differ by less than the margin, arrivals keep the limit, too.
    let latency = |one: &Received| {
        let arrived = i64::try_from((one.at - got[0].at).as_millis()).expect("a time");
        arrived - (starts[one.message_id().expect("its id")] - times[0])
    };
    let latencies: Vec<i64> = got.iter().map(latency).collect();
    let differ = latencies.iter().max().expect("some") - latencies.iter().min().expect("some");
    let most = most_in_any(SECOND, &got);
    println!("{most} arrivals in one second; latencies differ by {differ} ms");
    assert!(most <= 10 || differ >= 48, "{most} in one second");
    let mut ids: Vec<String> = got.iter().filter_map(|r| r.message_id().map(str::to_owned)).collect();
    ids.sort();
    sent.sort();
    assert_eq!(ids, sent, "each of them once");
}

#[test]
fn a_pace_holds_its_own_endpoint_only() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint_with(&app, &receiver.url("/slow"), &json!({ "throttleRate": 1 }));
    api.endpoint(&app, &receiver.url("/free"));
    for _ in 0..20 {
        api.send(&app, "{}");
    }
    receiver.wait_for("/free", 20, Duration::from_secs(5));
    assert!(receiver.count("/slow") <= 7, "{} at one in a second", receiver.count("/slow"));
}

#[test]
fn a_changed_pace_holds_from_then_on() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint_with(&app, &receiver.url("/"), &json!({ "throttleRate": 1 }));
    for _ in 0..30 {
        api.send(&app, "{}");
    }
    receiver.wait_for("/", 2, Duration::from_secs(5));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let (status, body) = api.patch(&path, &json!({ "throttleRate": null }));
    assert_eq!(status, 200, "{body}");
    receiver.wait_for("/", 30, Duration::from_secs(6));
}

#[test]
fn windows_are_counted_from_every_arrival() {
    let receiver = Receiver::start();
    let one = {
        let stream = std::net::TcpStream::connect(("127.0.0.1", receiver.port())).unwrap();
        std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
        receiver.wait_for_one("/", SECOND)
    };
    let at = |ms: u64| Received { at: one.at + Duration::from_millis(ms), ..one.clone() };
    let arrivals: Vec<_> = [0, 400, 900, 1000, 1300, 2500].map(at).into();
    assert_eq!(most_in_any(SECOND, &arrivals), 4, "400 to 1300");
    assert_eq!(most_in_any(Duration::from_millis(100), &arrivals), 1, "a window does not hold its end");
}
