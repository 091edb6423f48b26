//! Optional parts of a message: its application, and a text that is sent instead of its payload.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use weir_tests::client::{id_of, text};
use weir_tests::gateway::shared;
use weir_tests::json::assert_same_bytes;
use weir_tests::receiver::{Answer, Receiver};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_message_brings_its_application_along_where_it_is_missing() {
    let gateway = shared();
    let api = gateway.tenant();
    let message =
        |application: Value| json!({ "eventType": "a.b", "payload": {}, "application": application });
    let path = "/api/v1/app/new-one/msg";
    assert_eq!(api.post(path, &message(Value::Null)).0, 404);
    for (application, kind) in [
        (json!({ "name": "n", "uid": "another" }), "application_uid_mismatch"),
        (json!({ "name": "n" }), "application_uid_missing"),
        (json!({ "name": "", "uid": "new-one" }), "value_error"),
    ] {
        let (status, error) = api.post(path, &message(application));
        assert_eq!((status, &error["detail"][0]["type"]), (422, &json!(kind)), "{error}");
    }
    assert_eq!(api.get("/api/v1/app/new-one").0, 404, "nothing was made on the way");
    let first =
        id_of(api.post(path, &message(json!({ "name": "made by a message", "uid": "new-one" }))), 202);
    let (_, app) = api.get("/api/v1/app/new-one");
    assert_eq!(app["name"], "made by a message");
    // It is there now: what comes along another time changes nothing.
    let second = id_of(api.post(path, &message(json!({ "name": "changed", "uid": "new-one" }))), 202);
    assert_eq!(api.get("/api/v1/app/new-one").1, app);
    for id in [first, second] {
        assert_eq!(api.get(&format!("/api/v1/app/{}/msg/{id}", text(&app, "id"))).0, 200);
    }
}

#[test]
fn an_attempt_tells_the_headers_of_both_sides_and_keeps_what_lets_somebody_in_to_itself() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/said", Answer::status(500).header("x-request-id", "r-1").header("set-cookie", "a=b"));
    let api = gateway.tenant();
    let app = api.app();
    let headers = json!({ "headers": { "x-customer": "42", "authorization": "Bearer hush" } });
    let endpoint = api.endpoint(&app, &receiver.url("/said"));
    api.put(&format!("/api/v1/app/{app}/endpoint/{endpoint}/headers"), &headers);
    let message = api.send(&app, "{}");
    let attempts = api.attempts(&app, &message, 3, SOON);
    assert!(attempts[0].get("requestHeaders").is_none(), "lists stay small: {}", attempts[0]);
    let got = receiver.wait_for("/said", 3, SOON);
    for (attempt, got) in attempts.iter().zip(got) {
        let (_, one) = api.get(&format!("/api/v1/app/{app}/msg/{message}/attempt/{}", text(attempt, "id")));
        let (sent, answered) = (&one["requestHeaders"], &one["responseHeaders"]);
        assert_eq!(
            (&sent["x-customer"], &sent["authorization"]),
            (&json!("(hidden)"), &json!("(hidden)")),
            "{one}"
        );
        assert_eq!(sent["svix-signature"].as_str(), got.header("svix-signature"), "{one}");
        assert_eq!((&answered["x-request-id"], &answered["set-cookie"]), (&json!("r-1"), &json!("(hidden)")));
    }
}

#[test]
fn a_raw_payload_is_sent_as_it_is_in_the_place_of_the_payload() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/raw"));
    let raw = "<event n=\"1\">\r\n  \u{e9}</event>";
    let body = json!({ "eventType": "a.b", "payload": {}, "transformationsParams": { "rawPayload": raw } });
    let (status, message) = api.post(&format!("/api/v1/app/{app}/msg"), &body);
    assert_eq!((status, &message["payload"]), (202, &json!({ "rawPayload": raw })), "{message}");
    let got = receiver.wait_for_one("/raw", SOON);
    assert_same_bytes(&got.body, raw.as_bytes(), "a raw payload");
    let secret = api.secret(&app, &endpoint);
    assert!(weir_tests::verify::is_signed_by(&got, "svix", &secret), "signed as it is sent");
    assert_eq!(got.header("content-type"), Some("application/json"), "where nothing else is said");
}

#[test]
fn a_raw_payload_has_the_content_type_that_it_says_at_the_retry_too() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let first = AtomicBool::new(true);
    receiver.on("/xml", move |_| if first.swap(false, Relaxed) { Answer::status(500) } else { Answer::ok() });
    api.endpoint(&app, &receiver.url("/xml"));
    let params = json!({ "rawPayload": "<a/>", "headers": { "Content-Type": "text/xml; charset=utf-8", "x-kind": "a" } });
    let path = format!("/api/v1/app/{app}/msg");
    let body = json!({ "eventType": "a.b", "payload": {}, "transformationsParams": params });
    assert_eq!(api.post(&path, &body).0, 202);
    for got in receiver.wait_for("/xml", 2, SOON) {
        assert_eq!(&got.body[..], b"<a/>");
        assert_eq!(got.header("content-type"), Some("text/xml; charset=utf-8"));
        assert_eq!(got.header("x-kind"), Some("a"));
    }
    for (name, value) in [("svix-signature", "v1,forged"), ("host", "other"), ("content-type", "a\r\nb: c")] {
        let params = json!({ "rawPayload": "<a/>", "headers": { name: value } });
        let body = json!({ "eventType": "a.b", "payload": {}, "transformationsParams": params });
        let (status, refused) = api.post(&path, &body);
        assert_eq!(status, 422, "{name}: {refused}");
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "transformationsParams", "headers", name]));
    }
}
