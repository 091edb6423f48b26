//! Isolation: endpoints that hang do not delay other endpoints.

use std::time::Duration;
use weir_tests::client::Api;
use weir_tests::gateway::Running;
use weir_tests::receiver::{Answer, Receiver};

const HANGING: usize = 500;
const PROBES: usize = 40;

/// The median time from a message's request to its arrival, sent one after the other.
fn median_latency(api: &Api, app: &str, receiver: &Receiver, path: &str) -> Duration {
    let before = receiver.count(path);
    let mut times: Vec<Duration> = (0..PROBES)
        .map(|n| {
            let begun = std::time::Instant::now();
            api.send(app, "{}");
            let got = receiver.wait_for(path, before + n + 1, Duration::from_secs(10));
            got[before + n].at.saturating_duration_since(begun)
        })
        .collect();
    times.sort();
    times[PROBES / 2]
}

#[test]
fn five_hundred_endpoints_that_hang_leave_the_others_their_latency() {
    // They hang for as long as the measurement takes, and are never tried again within it.
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "30"), ("RETRY_SCHEDULE", "600")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let healthy = api.app();
    api.endpoint(&healthy, &receiver.url("/healthy"));
    // One application has a healthy endpoint beside ten that hang; 49 others have ten that hang each.
    let mixed = api.app();
    api.endpoint(&mixed, &receiver.url("/mixed"));
    for path in ["/healthy", "/mixed"] {
        let app = if path == "/healthy" { &healthy } else { &mixed };
        api.send(app, "{}"); // objects started, connections open
        receiver.wait_for(path, 1, Duration::from_secs(10));
    }
    let quiet = median_latency(&api, &healthy, &receiver, "/healthy");
    let quiet_mixed = median_latency(&api, &mixed, &receiver, "/mixed");

    receiver.always("/hang", Answer::hang());
    let mut hanging = vec![mixed.clone()];
    hanging.extend((1..50).map(|_| api.app()));
    std::thread::scope(|scope| {
        for apps in hanging.chunks(13) {
            let (api, receiver) = (api.at(api.url()), &receiver);
            scope.spawn(move || {
                for app in apps {
                    for _ in 0..10 {
                        api.endpoint(app, &receiver.url("/hang"));
                    }
                    api.send(app, "{}");
                }
            });
        }
    });
    assert!(
        receiver.wait_count("/hang", HANGING, Duration::from_mins(1)),
        "{} hang",
        receiver.count("/hang")
    );
    assert!(receiver.open() >= HANGING, "{} requests hang", receiver.open());

    let beside = median_latency(&api, &healthy, &receiver, "/healthy");
    // Each of these messages goes to the ten that hang too, whose requests in flight are limited.
    let within = median_latency(&api, &mixed, &receiver, "/mixed");
    eprintln!(
        "median from request to arrival: alone {quiet:?} and {quiet_mixed:?}; \
         beside {HANGING} that hang {beside:?}, in an application with ten of them {within:?}"
    );
    let margin = Duration::from_millis(20);
    assert!(beside <= quiet * 3 + margin, "{beside:?} beside endpoints that hang, {quiet:?} without");
    // Eleven endpoints are told of each message instead of one: that is work of its own, on one machine.
    assert!(
        within <= quiet_mixed * 6 + margin * 2,
        "{within:?} in an application with some, {quiet_mixed:?} without"
    );
}
