//! Background tasks, and what the API shows of deliveries and expunges on request.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{Api, column, id_of, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Received, Receiver, unix_ms};

const SOON: Duration = Duration::from_secs(10);

fn an_hour_ago() -> String {
    weir_core::time::rfc3339(unix_ms() - 3_600_000)
}

#[track_caller]
fn start(api: &Api, app: &str, endpoint: &str, what: &str) -> Value {
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/{what}");
    let (status, task) = api.post(&path, &json!({ "since": an_hour_ago() }));
    assert_eq!((status, &task["status"]), (202, &json!("running")), "{task}");
    task
}

#[test]
fn a_task_is_listed_until_it_is_finished_and_after() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth < 2 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    assert!(list(&api.get("/api/v1/background-task").1).is_empty());
    for _ in 0..2 {
        let message = api.send(&app, "{}");
        api.attempts(&app, &message, 1, SOON);
    }
    let id = text(&start(&api, &app, &endpoint, "recover"), "id");
    assert_eq!(column(&api.get("/api/v1/background-task").1, "id"), [id.as_str()], "at once");
    let path = format!("/api/v1/background-task/{id}");
    let task = api.until(&path, SOON, |task| task["status"] == "finished");
    assert_eq!(task["task"], "endpoint.recover", "{task}");
    assert_eq!(task["data"]["messages"], 2, "{task}");
    assert_eq!(task["data"]["endpointId"], endpoint.as_str(), "{task}");
    receiver.wait_for("/", 4, SOON);
    assert!(list(&api.get("/api/v1/background-task?status=running").1).is_empty());
    assert_eq!(list(&api.get("/api/v1/background-task?task=endpoint.recover").1).len(), 1);
    assert_eq!(api.get("/api/v1/background-task/qtask_nothing").0, 404);
    assert!(list(&gateway.tenant().get("/api/v1/background-task").1).is_empty(), "another tenant's");
    assert_eq!(gateway.tenant().get(&path).0, 404);
    assert_eq!(api.as_app(&app).get("/api/v1/background-task").0, 403);
}

#[test]
fn a_recovery_goes_on_after_a_crash() {
    let mut gateway = Running::start(&[("RETRY_SCHEDULE", ""), ("BREAKER_FAILURES", "0")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let mut messages: Vec<_> = (0..300).map(|n| api.send(&app, &format!("{{\"n\":{n}}}"))).collect();
    receiver.wait_for("/", 300, Duration::from_secs(30));
    for message in messages.iter().rev().take(3) {
        api.attempts(&app, message, 1, SOON);
    }
    receiver.always("/", Answer::ok());
    let id = text(&start(&api, &app, &endpoint, "recover"), "id");
    gateway.kill();
    gateway.restart();
    let api = api.at(&gateway.url());
    let path = format!("/api/v1/background-task/{id}");
    api.until(&path, Duration::from_secs(40), |task| task["status"] == "finished");
    let stands = format!("/api/v1/app/{app}/endpoint/{endpoint}/msg?limit=250&status=2&with_content=false");
    api.until(&stands, Duration::from_secs(40), |page| list(page).is_empty());
    let received = receiver.received("/");
    let mut got: Vec<_> = received[300..].iter().filter_map(Received::message_id).collect();
    got.sort_unstable();
    got.dedup();
    messages.sort_unstable();
    assert!(got == messages, "{} of {} were sent again", got.len(), messages.len());
}

#[test]
fn a_task_needs_an_endpoint_that_is_there_and_enabled_and_a_period() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let off = api.endpoint_with(&app, "https://example.com/", &json!({ "disabled": true }));
    for what in ["recover", "replay-missing", "bulk-replay"] {
        let body = json!({ "since": an_hour_ago() });
        let path = format!("/api/v1/app/{app}/endpoint/{off}/{what}");
        let (status, refused) = api.post(&path, &body);
        assert_eq!((status, &refused["code"]), (400, &json!("endpoint_disabled")), "{refused}");
        assert_eq!(api.post(&format!("/api/v1/app/{app}/endpoint/none/{what}"), &body).0, 404);
    }
    let on = api.endpoint(&app, "https://example.com/");
    for body in [json!({}), json!({ "since": "yesterday" }), json!({ "since": "2020-01-01T00:00:00Z" })] {
        let path = format!("/api/v1/app/{app}/endpoint/{on}/recover");
        assert_eq!(api.post(&path, &body).0, 422, "{body}");
    }
}

#[test]
fn a_bulk_replay_sends_again_what_passes_its_filter() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth == 1 { Answer::status(404) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let mut sent = Vec::new();
    for (event_type, tag) in [("a.b", "x"), ("a.b", "y"), ("c.d", "x")] {
        let body = json!({ "eventType": event_type, "payload": {}, "tags": [tag] });
        let message = id_of(api.post(&format!("/api/v1/app/{app}/msg"), &body), 202);
        api.attempts(&app, &message, 1, SOON);
        sent.push(message);
    }
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/bulk-replay");
    let mut came = 3;
    for (filter, wanted) in [
        (json!({ "status": 2 }), vec![&sent[1]]),
        (json!({ "tag": "x", "eventTypes": ["a.b"] }), vec![&sent[0]]),
        (json!({ "statusCodeClass": 500 }), vec![]),
        (json!({}), sent.iter().collect()),
    ] {
        let mut body = filter.clone();
        body["since"] = json!(an_hour_ago());
        let (status, task) = api.post(&path, &body);
        assert_eq!((status, &task["task"]), (202, &json!("endpoint.bulk-replay")), "{task}");
        let id = text(&task, "id");
        let over =
            api.until(&format!("/api/v1/background-task/{id}"), SOON, |task| task["status"] == "finished");
        let data = &over["data"];
        assert_eq!(
            (&data["messagesSent"], &data["progress"]),
            (&json!(wanted.len()), &json!(100)),
            "{filter}"
        );
        let received = receiver.wait_for("/", came + wanted.len(), SOON);
        let mut got: Vec<_> = received[came..].iter().filter_map(Received::message_id).collect();
        got.sort_unstable();
        assert_eq!(got, wanted, "{filter}");
        came = received.len();
        for message in wanted {
            let attempts = format!("/api/v1/app/{app}/attempt/msg/{message}");
            api.until(&attempts, SOON, |page| list(page).iter().all(|one| one["status"] != 3));
        }
    }
    let (status, refused) = api.post(&path, &json!({ "since": an_hour_ago(), "status": 9 }));
    assert_eq!(status, 422, "{refused}");
}

#[test]
fn a_task_that_is_over_or_anothers_is_not_canceled() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let id = text(&start(&api, &app, &endpoint, "replay-missing"), "id");
    let path = format!("/api/v1/background-task/{id}");
    api.until(&path, SOON, |task| task["status"] == "finished");
    let (status, refused) = api.post(&format!("{path}/cancel"), &json!({}));
    assert_eq!((status, &refused["code"]), (409, &json!("conflict")), "it is over: {refused}");
    assert_eq!(api.post("/api/v1/background-task/qtask_none/cancel", &json!({})).0, 404);
    assert_eq!(gateway.tenant().post(&format!("{path}/cancel"), &json!({})).0, 404);
    // A customer sees the tasks of its own application, and no others.
    assert_eq!(api.as_app(&app).post(&format!("{path}/cancel"), &json!({})).0, 409);
    let other = api.as_app(&api.app());
    assert_eq!((other.get(&path).0, other.post(&format!("{path}/cancel"), &json!({})).0), (404, 404));
}

#[test]
fn a_message_is_delivered_at_its_time_and_not_before_though_the_gateway_was_killed() {
    let mut gateway = Running::start(&[]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let path = format!("/api/v1/app/{app}/msg");
    let at = unix_ms() + 6_000;
    let body =
        json!({ "eventType": "a.b", "payload": { "n": 1 }, "deliverAt": weir_core::time::rfc3339(at) });
    let (status, message) = api.post(&path, &body);
    assert_eq!((status, &message["deliverAt"]), (202, &body["deliverAt"]), "{message}");
    let now = api.send(&app, "{}");
    assert_eq!(receiver.wait_for_one("/", SOON).message_id(), Some(now.as_str()), "others do not wait");
    gateway.kill();
    gateway.restart();
    let api = api.at(&gateway.url());
    assert_eq!(list(&api.get(&path).1).len(), 2);
    // What was delivered just before the kill may come again: what comes first is not known.
    let is_it = |one: &Received| one.message_id() == message["id"].as_str();
    let all = receiver.wait_until("/", Duration::from_secs(30), |all| all.iter().any(is_it));
    let came = all.iter().find(|one| is_it(one)).expect("it is delivered");
    assert!(unix_ms() >= at, "not before its time");
    assert_eq!(&came.body[..], br#"{"n":1}"#);
    for wrong in ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "soon"] {
        let body = json!({ "eventType": "a.b", "payload": {}, "deliverAt": wrong });
        assert_eq!(api.post(&path, &body).0, 422, "{wrong}");
    }
    let both =
        json!({ "eventType": "a.b", "payload": {}, "payloadRetentionHours": 5, "payloadRetentionPeriod": 5 });
    assert_eq!(api.post(&path, &both).0, 422);
    let hours = json!({ "eventType": "a.b", "payload": {}, "payloadRetentionHours": 5 });
    assert_eq!(api.post(&path, &hours).0, 202);
}

#[test]
fn what_a_receiver_answered_can_be_expunged() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().body("private"));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    let attempt = text(&api.attempts(&app, &message, 1, SOON)[0], "id");
    let path = format!("/api/v1/app/{app}/msg/{message}/attempt/{attempt}");
    assert_eq!(api.as_app(&app).delete(&format!("{path}/content")).0, 403);
    assert_eq!(api.delete(&format!("{path}/content")).0, 204);
    let (_, shown) = api.get(&path);
    assert_eq!((&shown["response"], &shown["status"]), (&json!("EXPUNGED"), &json!(0)), "{shown}");
    let old = format!("/api/v1/app/{app}/msg/{message}/endpoint/{endpoint}/attempt");
    assert_eq!(column(&api.get(&old).1, "id"), [attempt], "the path of older SDKs");
    let other = format!("/api/v1/app/{app}/msg/{message}/attempt/atmpt_none/content");
    assert_eq!(api.delete(&other).0, 404);
}

#[test]
fn an_expunged_payload_is_not_sent_again() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, r#"{"private":1}"#);
    api.attempts(&app, &message, 1, SOON);
    let path = format!("/api/v1/app/{app}/msg/{message}");
    assert_eq!(api.as_app(&app).delete(&format!("{path}/content")).0, 403);
    assert_eq!(api.delete(&format!("{path}/content")).0, 204);
    assert_eq!(api.get(&path).1["payload"], json!({ "expired": true }));
    let (status, refused) = api.post(&format!("{path}/endpoint/{endpoint}/resend"), &json!({}));
    assert_eq!((status, &refused["code"]), (400, &json!("missing_payload")), "{refused}");
    let (_, page) = api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"));
    assert_eq!(page["data"][0]["payload"], json!({ "expired": true }), "{page}");
}

#[test]
fn destinations_and_messages_are_one_applications_own() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, other) = (api.app(), api.app());
    let endpoint = api.endpoint_with(&app, "https://example.com/", &json!({ "disabled": true }));
    let message = api.send(&app, "{}");
    let customer = api.as_app(&other);
    for path in [
        format!("/api/v1/app/{app}/msg/{message}/endpoint"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"),
    ] {
        assert_eq!(api.get(&path).0, 200);
        assert_eq!(customer.get(&path).0, 404);
        assert_eq!(gateway.tenant().get(&path).0, 404);
    }
    assert_eq!(api.get(&format!("/api/v1/app/{other}/msg/{message}/endpoint")).0, 404);
    assert_eq!(api.get(&format!("/api/v1/app/{other}/endpoint/{endpoint}/msg")).0, 404);
}

#[test]
fn an_example_is_sent_to_the_endpoint_that_is_tried_out() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/tried"));
    api.endpoint(&app, &receiver.url("/other"));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    let schemas = json!({ "1": { "examples": [{ "n": 1 }, { "n": 2 }] } });
    let event_type = json!({ "name": "a.b", "description": "", "schemas": schemas });
    assert_eq!(api.post("/api/v1/event-type", &event_type).0, 201);
    for (n, (body, payload)) in [
        (json!({ "eventType": "a.b" }), r#"{"n":1}"#),
        (json!({ "eventType": "a.b", "exampleIndex": 1 }), r#"{"n":2}"#),
        (json!({ "eventType": "new", "payload": { "own": true } }), r#"{"own":true}"#),
        (json!({ "eventType": "svix.ping" }), r#"{"success":true}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let (status, message) = api.post(&path, &body);
        assert_eq!(status, 200, "{message}");
        let got = receiver.wait_for("/tried", n + 1, SOON).pop().expect("the newest");
        assert_eq!(String::from_utf8_lossy(&got.body), payload);
        assert_eq!(got.message_id(), message["id"].as_str());
    }
    assert_eq!(receiver.count("/other"), 0);
    assert_eq!(api.post(&path, &json!({ "eventType": "unknown" })).0, 404);
    assert_eq!(api.as_app(&app).post(&path, &json!({ "eventType": "a.b" })).0, 200);
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/attempt-stats");
    let stats = api.until(&stats, SOON, |stats| stats["success"] == 5);
    assert_eq!(stats, json!({ "success": 5, "fail": 0, "canceled": 0 }));
    let precheck = format!("/api/v1/app/{app}/msg/precheck/active");
    assert_eq!(api.post(&precheck, &json!({ "eventType": "a.b" })), (200, json!({ "active": true })));
}
