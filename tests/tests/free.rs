//! The gateway under the rules of the free plan: delivery, tasks, sources, plugins and an SDK work as on the paid
//! one, and a refusal by the platform is never recorded as a receiver's failure.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::Running;
use weir_tests::receiver::{Answer, Receiver, unix_ms};
use weir_tests::sdk;
use weir_tests::source::Source;
use weir_tests::verify::is_signed_by;

const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn nothing_was_refused(gateway: &Running) {
    assert_eq!(gateway.emulator().stats().refused(), Vec::new());
}

#[track_caller]
fn start(api: &Api, app: &str, endpoint: &str, what: &str) {
    let since = weir_core::time::rfc3339(unix_ms() - 3_600_000);
    let (status, task) =
        api.post(&format!("/api/v1/app/{app}/endpoint/{endpoint}/{what}"), &json!({ "since": since }));
    assert_eq!(status, 202, "{task}");
    let path = format!("/api/v1/background-task/{}", text(&task, "id"));
    api.until(&path, SOON, |task| task["status"] == "finished");
}

#[test]
fn messages_are_delivered_signed_retried_and_resent() {
    let gateway = Running::free(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    receiver.on("/", |request| if request.nth == 0 { Answer::status(500) } else { Answer::ok() });
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, r#"{"n":1}"#);
    let got = receiver.wait_for("/", 2, SOON);
    assert!(is_signed_by(&got[1], "svix", &api.secret(&app, &endpoint)));
    let attempts = api.attempts(&app, &message, 2, SOON);
    assert_eq!(attempts.len(), 2);
    let resend = format!("/api/v1/app/{app}/msg/{message}/endpoint/{endpoint}/resend");
    assert_eq!(api.post(&resend, &json!({})).0, 202);
    receiver.wait_for("/", 3, SOON);
    // Many endpoints at once: more than the plan lets one event call.
    let other = api.app();
    receiver.count_only("/many");
    (0..60).for_each(|_| drop(api.endpoint_with(&other, &receiver.url("/many"), &json!({}))));
    for _ in 0..20 {
        api.send(&other, "{}");
    }
    assert!(receiver.wait_count("/many", 1_200, SOON), "{} of 1200", receiver.count("/many"));
    nothing_was_refused(&gateway);
}

#[test]
fn a_recovery_and_a_replay_of_hundreds_of_messages_are_carried_out() {
    let gateway = Running::free(&[("RETRY_SCHEDULE", ""), ("BREAKER_FAILURES", "0")]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    receiver.on("/", |request| if request.nth < 200 { Answer::status(500) } else { Answer::ok() });
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    (0..200).for_each(|_| drop(api.send(&app, "{}")));
    receiver.wait_for("/", 200, SOON);
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    api.until(&stats, SOON, |told| told["fail"] == 200);
    start(&api, &app, &endpoint, "recover");
    receiver.wait_for("/", 400, SOON);
    let late = api.endpoint(&app, &receiver.url("/late"));
    start(&api, &app, &late, "replay-missing");
    receiver.wait_for("/late", 200, SOON);
    nothing_was_refused(&gateway);
}

#[test]
fn events_of_a_source_come_in_and_go_out() {
    let gateway = Running::free(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let source = Source::new(&api, &receiver, "generic-webhook", &json!({}), &json!({}));
    for n in 0..100 {
        assert_eq!(source.send(format!("{{\"n\":{n}}}").as_bytes(), &[]).status, 200);
    }
    assert_eq!(receiver.wait_for(&source.path, 100, SOON).len(), 100);
    assert_eq!(source.messages().len(), 100);
    nothing_was_refused(&gateway);
}

#[test]
fn plugins_run() {
    let gateway = Running::free(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let plugins = json!({ "plugins": [
        { "name": "filter", "config": { "when": "body.n >= 50" } },
        { "name": "redact", "config": { "mask": ["secret"] } },
    ] });
    assert_eq!(api.put(&format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins"), &plugins).0, 200);
    (0..100).for_each(|n| drop(api.send(&app, &format!("{{\"n\":{n},\"secret\":\"s3cr3t\"}}"))));
    let got = receiver.wait_for("/", 50, SOON);
    assert!(got.iter().all(|one| !String::from_utf8_lossy(&one.body).contains("s3cr3t")));
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    api.until(&stats, SOON, |told| told["success"] == 50 && told["canceled"] == 50);
    nothing_was_refused(&gateway);
}

#[test]
fn an_sdk_does_its_work() {
    let gateway = Running::free(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let receiver_url = receiver.url("/");
    let common = [
        ("WEIR_URL", api.url()),
        ("WEIR_TOKEN", api.token.as_str()),
        ("RECEIVER_URL", &receiver_url),
        ("SVIX_PACKAGE", "svix"),
        ("PHASE", "make"),
    ];
    let made = sdk::node("client.mjs", &common).assert_ok().value("made").clone();
    let got = receiver.wait_for_one("/", SOON);
    assert_eq!(got.message_id(), made["message"].as_str());
    let attempts: Vec<Value> =
        api.attempts(made["app"].as_str().expect("an id"), made["message"].as_str().expect("an id"), 1, SOON);
    assert_eq!(attempts[0]["status"], 0, "{attempts:?}");
    let page = api.get(&format!("/api/v1/app/{}/msg", made["app"].as_str().expect("an id"))).1;
    assert_eq!(list(&page).len(), 1);
    nothing_was_refused(&gateway);
}
