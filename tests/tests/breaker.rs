//! An endpoint's circuit breaker on workerd: a receiver that keeps failing gets only probes, and all waiting messages
//! are delivered once it has recovered.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use weir_tests::browser::Browser;
use weir_tests::client::{Api, list};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Receiver};

const SOON: Duration = Duration::from_secs(20);
/// After so many failures in a row it opens.
const OPENS_AFTER: usize = 14;

/// A receiver that fails until it is told that it is well.
fn failing() -> (Receiver, Arc<AtomicBool>) {
    let (receiver, well) = (Receiver::start(), Arc::new(AtomicBool::new(false)));
    let now = Arc::clone(&well);
    receiver.on("/", move |_| if now.load(Ordering::SeqCst) { Answer::ok() } else { Answer::status(500) });
    (receiver, well)
}

fn stats(api: &Api, app: &str, endpoint: &str) -> Value {
    api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats")).1
}

/// Sends so many that it opens; the messages.
fn open(api: &Api, app: &str, endpoint: &str) -> Vec<String> {
    let sent = (0..OPENS_AFTER).map(|_| api.send(app, "{}")).collect();
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    api.until(&path, SOON, |told| told["breaker"]["state"] != "closed");
    sent
}

#[test]
fn a_receiver_that_keeps_failing_is_left_alone_and_gets_everything_once_it_is_well() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "1,1")]);
    let (receiver, well) = failing();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    assert_eq!(stats(&api, &app, &endpoint)["breaker"], json!({ "state": "closed" }));
    let mut sent = open(&api, &app, &endpoint);
    sent.extend((0..40).map(|_| api.send(&app, "{}")));
    // Three attempts for each of 54 messages would have been made within some three seconds.
    let probes = receiver.wait_for("/", OPENS_AFTER + 2, SOON);
    let gap = (probes[OPENS_AFTER + 1].at - probes[OPENS_AFTER].at).as_secs_f64();
    assert!(gap > 1.9, "{gap:.3} s between the probes");
    let overview = api.get(&format!("/api/v1/app/{app}/overview")).1;
    let of = &overview["endpoints"][0]["breaker"];
    assert!(of["state"] == "halfOpen" || of["until"].is_string(), "{of}");
    well.store(true, Ordering::SeqCst);
    for message in &sent {
        let attempts = api.until(&format!("/api/v1/app/{app}/attempt/msg/{message}"), SOON, |page| {
            list(page).iter().any(|attempt| attempt["status"] == 0)
        });
        assert!(list(&attempts).len() <= 3, "{attempts}");
    }
    assert_eq!(stats(&api, &app, &endpoint)["breaker"], json!({ "state": "closed" }));
}

#[test]
fn a_message_sent_again_by_hand_finds_out_at_once_that_the_receiver_is_well() {
    let gateway = shared();
    let (receiver, well) = failing();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let sent = open(&api, &app, &endpoint);
    // Two probes on, it stays open for four seconds.
    for nth in 1..=2 {
        api.send(&app, "{}");
        receiver.wait_for("/", OPENS_AFTER + nth, SOON);
    }
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), SOON, |told| {
        told["breaker"]["state"] == "open"
    });
    let browser = Browser::of(&api);
    for page in [format!("/dashboard/app/{app}"), format!("/dashboard/app/{app}/endpoint/{endpoint}")] {
        let page = browser.see(&page);
        let told = ["Circuit breaker open", "Circuit breaker half-open"];
        assert!(told.iter().any(|words| page.contains(words)), "{page}");
    }
    // The overview knows it from the endpoint's reports, of which there is at most one a minute.
    let page = browser.see("/dashboard");
    assert!(page.contains(&endpoint) && page.contains("Every attempt fails"), "{page}");
    well.store(true, Ordering::SeqCst);
    let path = format!("/api/v1/app/{app}/msg/{}/endpoint/{endpoint}/resend", sent[0]);
    // At most one a second goes before its time.
    let started = std::time::Instant::now();
    let closed = |told: &Value| told["breaker"]["state"] == "closed";
    while !closed(&stats(&api, &app, &endpoint)) {
        assert_eq!(api.post(&path, &json!({})).0, 202);
        assert!(started.elapsed() < SOON);
    }
    assert!(started.elapsed() < Duration::from_millis(3_500), "{:?}", started.elapsed());
}

#[test]
fn it_may_be_switched_off() {
    let gateway = Running::start(&[("BREAKER_FAILURES", "0"), ("RETRY_SCHEDULE", "")]);
    let (receiver, _) = failing();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let count = 3 * OPENS_AFTER;
    (0..count).for_each(|_| drop(api.send(&app, "{}")));
    receiver.wait_for("/", count, SOON);
    assert_eq!(stats(&api, &app, &endpoint)["breaker"], json!({ "state": "closed" }));
}
