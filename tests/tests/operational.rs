//! Operational webhooks: events about a tenant's applications, endpoints and tasks, on a real workerd.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{Api, column, id_of, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Received, Receiver, unix_ms};
use weir_tests::verify::is_signed_by;

const SOON: Duration = Duration::from_secs(10);
const BASE: &str = "/api/v1/operational-webhook/endpoint";

#[track_caller]
fn listen(api: &Api, url: &str, extra: &Value) -> String {
    let mut body = json!({ "url": url });
    for (name, value) in extra.as_object().expect("an object") {
        body[name] = value.clone();
    }
    id_of(api.post(BASE, &body), 201)
}

fn event(received: &Received) -> Value {
    serde_json::from_slice(&received.body).expect("an event is JSON")
}

/// The events that came, by type, once there are so many.
#[track_caller]
fn events(receiver: &Receiver, path: &str, count: usize) -> Vec<Value> {
    let received = receiver.wait_for(path, count, SOON);
    assert_eq!(received.len(), count, "{:?}", received.iter().map(event).collect::<Vec<_>>());
    let mut events: Vec<Value> = received.iter().map(event).collect();
    events.sort_by_key(|event| event["type"].to_string());
    events
}

#[test]
fn operational_endpoints_are_made_read_changed_and_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    assert_eq!(
        api.get(BASE),
        (200, json!({ "data": [], "iterator": null, "prevIterator": null, "done": true }))
    );
    assert_eq!(api.get(&format!("{BASE}/ep_none")).0, 404);
    assert_eq!(api.delete(&format!("{BASE}/ep_none")).0, 404);
    let (status, made) = api.post(
        BASE,
        &json!({ "url": "https://example.com/ops", "uid": "ops", "eventTypes": ["endpoint.disabled"],
            "metadata": { "team": "billing" }, "headers": { "x-a": "b" }, "throttleRate": 5 }),
    );
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["uid"], &made["throttleRate"]), (&json!("ops"), &json!(5)), "{made}");
    assert_eq!(
        (&made["eventTypes"], &made["disabled"]),
        (&json!(["endpoint.disabled"]), &json!(false)),
        "{made}"
    );
    let id = text(&made, "id");
    assert_eq!(column(&api.get(BASE).1, "id"), [id.as_str()]);
    assert_eq!(api.get(&format!("{BASE}/ops")).1["id"], id.as_str());
    let (status, put) = api.put(&format!("{BASE}/{id}"), &json!({ "url": "https://example.com/new" }));
    assert_eq!(
        (status, &put["url"], &put["eventTypes"]),
        (200, &json!("https://example.com/new"), &Value::Null)
    );

    let secret = format!("{BASE}/{id}/secret");
    let first = text(&api.get(&secret).1, "key");
    let (status, rotated) = api.post(&format!("{secret}/rotate"), &json!({}));
    assert_eq!((status, rotated["key"] != first.as_str()), (200, true), "{rotated}");
    assert_eq!(api.get(&secret).1, rotated);

    let headers = format!("{BASE}/{id}/headers");
    assert_eq!(api.get(&headers).1, json!({ "headers": { "x-a": "b" }, "sensitive": [] }));
    assert_eq!(api.put(&headers, &json!({ "headers": { "x-c": "d", "authorization": "e" } })).0, 204);
    assert_eq!(api.patch(&headers, &json!({ "headers": { "x-f": "g" }, "deleteHeaders": ["x-c"] })).0, 204);
    let shown = api.get(&headers).1;
    assert_eq!(shown, json!({ "headers": { "x-f": "g" }, "sensitive": ["authorization"] }));

    assert_eq!(api.delete(&format!("{BASE}/{id}")).0, 204);
    assert_eq!(api.get(&format!("{BASE}/{id}")).0, 404);
    assert!(list(&api.get(BASE).1).is_empty());
}

#[test]
fn operational_endpoints_are_the_tenants_alone_and_wrong_ones_are_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let made = listen(&api, "https://example.com/", &json!({}));
    assert!(list(&gateway.tenant().get(BASE).1).is_empty());
    assert_eq!(gateway.tenant().get(&format!("{BASE}/{made}")).0, 404);
    let customer = api.as_app(&app);
    assert_eq!(
        (customer.get(BASE).0, customer.post(BASE, &json!({ "url": "https://example.com/" })).0),
        (403, 403)
    );
    for body in [
        json!({}),
        json!({ "url": "ftp://example.com/" }),
        json!({ "url": "https://example.com/", "eventTypes": ["invoice.paid"] }),
        json!({ "url": "https://example.com/", "throttleRate": 0 }),
    ] {
        assert_eq!(api.post(BASE, &body).0, 422, "{body}");
    }
    // The application behind them is in no list, and no path names it.
    let hidden = weir_core::operational::APP_ID;
    assert_eq!(column(&api.get("/api/v1/app").1, "id"), [app.as_str()]);
    for path in ["", "/endpoint", "/msg", "/attempt/endpoint/x"] {
        assert_eq!(api.get(&format!("/api/v1/app/{hidden}{path}")).0, 404, "{path}");
    }
    let message = json!({ "eventType": "endpoint.deleted", "payload": {} });
    assert_eq!(api.post(&format!("/api/v1/app/{hidden}/msg"), &message).0, 404);
    assert_eq!(api.post(&format!("/api/v1/auth/app-portal-access/{hidden}"), &json!({})).0, 404);
    assert_eq!(api.post(&format!("/api/v1/auth/app/{hidden}/expire-all"), &json!({})).0, 404);
}

#[test]
fn what_happens_to_endpoints_is_told_signed_and_once() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let all = listen(&api, &receiver.url("/all"), &json!({ "uid": "all" }));
    listen(&api, &receiver.url("/deleted"), &json!({ "eventTypes": ["endpoint.deleted"] }));
    let app = api.app();
    let endpoint =
        api.endpoint_with(&app, "https://example.com/", &json!({ "uid": "mine", "disabled": true }));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    assert_eq!(api.patch(&path, &json!({ "disabled": false })).0, 200);
    assert_eq!(api.patch(&path, &json!({ "disabled": true })).0, 200);
    assert_eq!(api.post(&format!("{path}/secret/rotate"), &json!({})).0, 200);
    assert_eq!(api.delete(&path).0, 204);
    let came = events(&receiver, "/all", 7);
    let types: Vec<&str> = came.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        types,
        [
            "endpoint.created",
            "endpoint.deleted",
            "endpoint.disabled",
            "endpoint.enabled",
            "endpoint.updated",
            "endpoint.updated",
            "endpoint.updated"
        ]
    );
    for event in &came {
        let data = &event["data"];
        assert_eq!((&data["appId"], &data["endpointId"]), (&json!(app), &json!(endpoint)), "{event}");
        assert_eq!(data["endpointUid"], "mine", "{event}");
    }
    assert_eq!(came[2]["data"]["trigger"], "manual");
    let secret = text(&api.get(&format!("{BASE}/{all}/secret")).1, "key");
    assert!(receiver.received("/all").iter().all(|received| is_signed_by(received, "svix", &secret)));
    assert_eq!(events(&receiver, "/deleted", 1)[0]["type"], "endpoint.deleted");
}

#[test]
fn attempts_that_fail_again_and_again_recover_or_are_used_up_and_the_tenant_knows() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "0.1,0.1,0.1,0.1")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let wanted = ["message.attempt.failing", "message.attempt.recovered", "message.attempt.exhausted"];
    listen(&api, &receiver.url("/ops"), &json!({ "eventTypes": wanted }));
    let app = api.app();
    api.endpoint(&app, &receiver.url("/late"));
    api.endpoint(&app, &receiver.url("/never"));
    receiver.on("/late", |r| if r.nth < 4 { Answer::status(500) } else { Answer::ok() });
    receiver.always("/never", Answer::status(503));
    let body = json!({ "eventType": "a.b", "eventId": "the-event", "payload": {} });
    let message = id_of(api.post(&format!("/api/v1/app/{app}/msg"), &body), 202);
    let came = events(&receiver, "/ops", 4);
    let types: Vec<&str> = came.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, [wanted[2], wanted[0], wanted[0], wanted[1]]);
    for event in &came {
        let data = &event["data"];
        assert_eq!((&data["msgId"], &data["msgEventId"]), (&json!(message), &json!("the-event")), "{event}");
        assert!(data["lastAttempt"]["id"].as_str().is_some_and(|id| id.starts_with("atmpt_")), "{event}");
    }
    assert_eq!(came[0]["data"]["lastAttempt"]["responseStatusCode"], 503);
    assert_eq!(came[3]["data"]["lastAttempt"]["responseStatusCode"], 200);
}

#[test]
fn an_endpoint_that_is_gone_and_a_task_that_is_over_are_told() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let wanted = ["endpoint.disabled", "background_task.finished"];
    listen(&api, &receiver.url("/ops"), &json!({ "eventTypes": wanted }));
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let since = weir_core::time::rfc3339(unix_ms() - 60_000);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/recover");
    let (_, task) = api.post(&path, &json!({ "since": since }));
    receiver.always("/", Answer::status(410));
    receiver.wait_for("/ops", 1, SOON);
    api.send(&app, "{}");
    let came = events(&receiver, "/ops", 2);
    assert_eq!((&came[0]["data"]["taskId"], &came[0]["data"]["status"]), (&task["id"], &json!("finished")));
    assert_eq!(came[0]["data"]["task"], "endpoint.recover");
    let data = &came[1]["data"];
    assert_eq!((&came[1]["type"], &data["trigger"]), (&json!("endpoint.disabled"), &json!("automatic")));
    assert_eq!((&data["reason"], data["failSince"].is_string()), (&json!("gone"), true), "{data}");
}

#[test]
fn an_event_outlives_a_crash() {
    let mut gateway = Running::start(&[("RETRY_SCHEDULE", "1,1,1,1,1,1")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    listen(&api, &receiver.url("/ops"), &json!({ "eventTypes": ["endpoint.created"] }));
    let app = api.app();
    let made: Vec<String> = (0..20).map(|_| api.endpoint(&app, "https://example.com/")).collect();
    gateway.kill();
    gateway.restart();
    let api = api.at(&gateway.url());
    // The object wakes by its own alarm, or by the first call.
    assert_eq!(list(&api.get(&format!("/api/v1/app/{app}/endpoint")).1).len(), 20);
    receiver.wait_for("/ops", 20, Duration::from_secs(30));
    let mut told: Vec<String> =
        receiver.received("/ops").iter().map(|r| text(&event(r)["data"], "endpointId")).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, made, "each was told");
}
