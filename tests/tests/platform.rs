//! Delivery under production's limits: nothing stalls, failures of the platform are not recorded as the receiver's,
//! and no waiting delivery keeps an object in memory.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use weir_tests::client::{Api, list};
use weir_tests::gateway::Running;
use weir_tests::load;
use weir_tests::receiver::{Answer, Receiver};
use xtask::local::{Production, Profile};

const SOON: Duration = Duration::from_secs(20);

fn stats(api: &Api, app: &str, endpoint: &str) -> Value {
    api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats")).1
}

/// Sends so many messages on several connections.
fn burst(api: &Api, app: &str, count: usize) {
    std::thread::scope(|scope| {
        for n in 0..8 {
            let api = api.at(api.url());
            scope.spawn(move || (0..count).skip(n).step_by(8).for_each(|_| drop(api.send(app, "{}"))));
        }
    });
}

/// A burst drains as fast as six connections allow; the longest time without a request, and how long it took for each message.
fn drained(gateway: &Running, count: usize) -> (Duration, Duration) {
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(Duration::from_millis(50)));
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    burst(&api, &app, count);
    let limit = Duration::from_mins(2);
    let got = receiver.wait_for("/", count, limit);
    let gap = got.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default();
    let whole = got[count - 1].at - got[0].at;
    let told = stats(&api, &app, &endpoint);
    assert_eq!(told["fail"], 0, "{told}");
    assert_eq!(gateway.emulator().stats().refused(), Vec::new());
    (gap, whole / u32::try_from(count).unwrap())
}

/// Bursts in a row: one, or as many as this says.
fn times() -> usize {
    std::env::var("WEIR_TEST_BURSTS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

#[test]
fn a_burst_drains_without_a_gap() {
    for count in [1_500, 4_000].repeat(times()) {
        let gateway = Running::start(&[]);
        let (gap, each) = drained(&gateway, count);
        eprintln!("{count} messages: the longest gap {gap:?}, {each:?} for each");
        assert!(gap < Duration::from_secs(1), "{count}: {gap:?}");
        // Six at a time of 50 ms are 8.3 ms for each.
        assert!(each < Duration::from_millis(14), "{count}: {each:?}");
    }
}

#[test]
fn on_the_free_plan_a_thousand_messages_arrive_and_no_failure_is_the_platforms() {
    let gateway = Running::free(&[]);
    let (gap, each) = drained(&gateway, 1_000);
    eprintln!("free: the longest gap {gap:?}, {each:?} for each");
    assert!(gap < Duration::from_secs(1), "{gap:?}");
}

/// The second reading of the limit on connections: everything that one request or alarm leads to shares six.
#[test]
fn a_burst_drains_too_if_all_objects_of_an_event_share_their_connections() {
    let gateway = Running::start(&[]);
    gateway.emulator().rules(&json!({ "connectionsOf": "event" }));
    let (gap, each) = drained(&gateway, 600);
    eprintln!("shared connections: the longest gap {gap:?}, {each:?} for each");
    assert!(gap < Duration::from_secs(1), "{gap:?}");
}

/// The gateway stops before its own budget of requests. Here the platform is stricter than that.
#[test]
fn requests_that_the_platform_refuses_are_no_failures_of_the_receiver() {
    let gateway = Running::start(&[]);
    gateway.emulator().rules(&json!({ "external": 5 }));
    let api = gateway.tenant();
    let receiver = Receiver::start();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    burst(&api, &app, 100);
    receiver.wait_for("/", 100, Duration::from_mins(1));
    let refused = gateway.emulator().stats().refused();
    assert!(!refused.is_empty(), "the platform was asked for too much");
    let failed = api.get(&format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?status=2")).1;
    assert_eq!(list(&failed), &[] as &[Value], "{failed}");
}

#[test]
fn after_an_answer_nothing_keeps_an_endpoint_in_memory() {
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "15")]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(Duration::from_millis(100)));
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    for n in 1..=3 {
        api.send(&app, "{}");
        receiver.wait_for("/", n, SOON);
    }
    let told = gateway.emulator().rest(Duration::from_secs(2));
    for object in told.class("Endpoint") {
        assert!(object.rested_after_ms.is_some_and(|ms| ms <= 100), "{object:?}");
    }
    // Nor the application, nor the tenant's object.
    let answered = told.class("Endpoint").map(|object| object.last_answer).max().expect("an endpoint");
    for object in &told.objects {
        let after = object.rested_at.saturating_sub(answered);
        assert!(object.rested_at > 0 && after <= 100, "{after} ms after the last answer: {object:?}");
    }
    assert!(told.class("App").any(|object| object.name.ends_with(&app)), "{:?}", told.objects);
}

/// The memory of the wasm never shrinks: what a request does not give back would show.
#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    let gateway = Running::start(&[]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.count_only("/");
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let mut sent = 0;
    let mut requests = |messages: usize| {
        burst(&api, &app, messages);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (api, paths) = (
                    api.at(api.url()),
                    [
                        format!("/api/v1/app/{app}/msg?limit=5"),
                        format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?limit=5"),
                        format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"),
                        "/api/v1/app".to_owned(),
                        "/api/v1/app/nobody".to_owned(),
                    ],
                );
                let count = messages * 3;
                scope.spawn(move || (n..count).step_by(8).for_each(|at| drop(api.get(&paths[at % 5]))));
            }
        });
        sent += messages;
        assert!(receiver.wait_count("/", sent, Duration::from_mins(1)), "{} of {sent}", receiver.count("/"));
        gateway.emulator().rest(SOON).wasm_bytes
    };
    let warm = requests(200);
    let after = requests(600);
    eprintln!("{} KiB of wasm memory after 800 requests, {} KiB after 3,200", warm >> 10, after >> 10);
    // Half a kilobyte for each would be more.
    assert!(after.saturating_sub(warm) <= 1 << 20, "{warm} bytes became {after}");
}

#[test]
fn an_endpoint_that_is_dead_or_limited_waits_for_its_alarm() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "30,30"), ("REQUEST_TIMEOUT", "5")]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/dead", Answer::status(429).header("retry-after", "60"));
    let dead = api.app();
    api.endpoint(&dead, &receiver.url("/dead"));
    let limited = api.app();
    let throttle = json!({ "throttle": { "limit": 2, "window": "minute" } });
    api.endpoint_with(&limited, &receiver.url("/limited"), &throttle);
    for _ in 0..4 {
        api.send(&dead, "{}");
        api.send(&limited, "{}");
    }
    receiver.wait_for("/dead", 1, SOON);
    receiver.wait_for("/limited", 1, SOON);
    gateway.emulator().rest(Duration::from_secs(2));
    gateway.emulator().reset();
    std::thread::sleep(Duration::from_secs(3)); // time in which somebody could be held
    let told = gateway.emulator().rest(Duration::from_secs(2));
    for object in told.class("Endpoint") {
        assert!(object.held_ms < 300, "{object:?}");
    }
    assert!(receiver.count("/limited") < 4, "messages still wait");
}

#[test]
fn a_batch_of_five_hundred_with_long_responses_is_recorded_once() {
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "5")]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().body("\u{1}".repeat(16 << 10)));
    let app = api.app();
    let path = format!("/api/v1/app/{app}/endpoint");
    let batch = json!({ "maxEvents": 500, "maxWaitMs": 3_000 });
    let (status, made) = api.post(&path, &json!({ "url": receiver.url("/"), "batch": batch }));
    assert_eq!(status, 201, "{made}");
    let endpoint = made["id"].as_str().expect("an id").to_owned();
    burst(&api, &app, 500);
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), SOON, |told| told["success"] == 500);
    let received = receiver.received("/");
    let events = |body: &[u8]| serde_json::from_slice::<Vec<Value>>(body).map_or(0, |all| all.len());
    assert_eq!(received.iter().map(|one| events(&one.body)).sum::<usize>(), 500, "each once");
    let page = api.get(&format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?limit=10")).1;
    assert!(list(&page).iter().all(|one| one["response"].as_str().is_some_and(|said| said.len() > 1_000)));
    assert_eq!(gateway.emulator().stats().refused(), Vec::new());
}

#[test]
fn a_request_that_finds_its_object_too_deep_is_made_again_once_and_then_answered_with_503() {
    let gateway = Running::start(&[]);
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, "https://example.com/");
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    for (refused, status) in [(1, 200), (2, 503)] {
        gateway
            .emulator()
            .fault(&json!({ "kind": "deep", "object": "Endpoint:", "operation": "stats", "count": refused }));
        let reply = api.call("GET", &path, None, &[]);
        assert_eq!(reply.status, status, "refused {refused} times: {}", reply.text);
        assert_eq!(reply.header("retry-after").is_some(), status == 503);
    }
    gateway.emulator().no_faults();
}

#[test]
fn large_messages_to_many_endpoints_keep_the_application_small() {
    let vars = [("REQUEST_TIMEOUT", "20"), ("MAX_ENDPOINTS", "500")];
    let mut options = Running::under(Profile::Paid, &vars);
    options.production = options.production.map(Production::apart);
    let gateway = Running::with(options);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.count_only("/");
    let app = api.app();
    (0..200).for_each(|_| drop(api.endpoint(&app, &receiver.url("/"))));
    gateway.emulator().reset();
    let payload = format!(r#"{{"n":"{}"}}"#, "x".repeat((1 << 20) - 100));
    let begun = Instant::now();
    (0..2).for_each(|_| drop(api.send(&app, &payload)));
    assert!(receiver.wait_count("/", 400, Duration::from_mins(2)), "{} arrived", receiver.count("/"));
    let told = gateway.emulator().stats();
    eprintln!(
        "400 deliveries of 1 MiB in {:?}: {} MiB between objects at most, {} MiB of wasm for the App, {} MiB for the others",
        begun.elapsed(),
        told.calls_most >> 20,
        told.apps_wasm_bytes >> 20,
        told.wasm_bytes >> 20,
    );
    // What the App holds is its wasm memory and the calls that it has in flight, as JavaScript's buffers.
    assert!(told.apps_wasm_bytes > 0, "the App has an isolate of its own");
    let held = told.apps_wasm_bytes.saturating_add(told.calls_most);
    assert!(held <= 64 << 20, "{held} bytes");
    assert_eq!(told.refused(), Vec::new());
}

#[test]
fn thirty_two_connections_lose_nothing_under_the_limits_either() {
    let gateway = Running::start(&[]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.count_only("/");
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let job = load::Job {
        url: format!("{}/api/v1/app/{app}/msg", gateway.url()),
        token: api.token.clone(),
        connections: 32,
        time: Duration::from_secs(2),
    };
    let sent = load::run(&job, |n| format!(r#"{{"n":{n}}}"#)).expect("sent");
    let accepted = sent.iter().filter(|one| one.status == 202).count();
    assert!(
        receiver.wait_count("/", accepted, Duration::from_mins(1)),
        "{} of {accepted}",
        receiver.count("/")
    );
    assert_eq!(gateway.emulator().stats().refused(), Vec::new());
}
