//! `POST …/msg/batch`: several messages in one request, each with its own result.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::Receiver;

const SOON: Duration = Duration::from_secs(20);

fn message(n: usize) -> Value {
    json!({ "eventType": "batch.sent", "payload": { "n": n } })
}

fn statuses(answer: &Value) -> Vec<u64> {
    let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
    results.iter().map(|result| result["status"].as_u64().expect("a status")).collect()
}

#[test]
fn each_message_of_a_batch_has_its_own_result_and_those_that_are_stored_arrive() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/batch"));
    let path = format!("/api/v1/app/{app}/msg/batch");
    let taken = json!({ "eventType": "batch.sent", "payload": {}, "eventId": "once" });
    let large = json!({ "eventType": "batch.sent", "payload": { "x": "x".repeat(1024 * 1024) } });
    let messages =
        json!([message(0), taken, taken, json!({ "eventType": "b", "payload": 7 }), large, message(1)]);
    let (status, answer) = api.post(&path, &json!({ "messages": messages }));
    assert_eq!((status, statuses(&answer)), (200, vec![202, 202, 409, 422, 413, 202]), "{answer}");
    assert_eq!(answer["results"][2]["error"]["code"], "conflict");
    assert_eq!(answer["results"][4]["error"]["code"], "payload_too_large");
    assert!(answer["results"][3]["error"]["detail"][0]["loc"].is_array(), "{answer}");
    let got = receiver.wait_for("/batch", 3, SOON);
    let stored: BTreeSet<&str> =
        answer["results"].as_array().unwrap().iter().filter_map(|result| result["id"].as_str()).collect();
    let got: BTreeSet<&str> = got.iter().filter_map(|request| request.header("svix-id")).collect();
    assert_eq!(got, stored);
    for id in stored {
        let (status, shown) = api.get(&format!("/api/v1/app/{app}/msg/{id}"));
        assert_eq!((status, &shown["eventType"]), (200, &json!("batch.sent")), "{shown}");
    }
}

#[test]
fn a_batch_that_is_sent_again_with_its_key_is_stored_once() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/once"));
    let path = format!("/api/v1/app/{app}/msg/batch");
    let send = |body: &Value| {
        let reply =
            api.call("POST", &path, Some(body.to_string().as_bytes()), &[("idempotency-key", "batch-1")]);
        (reply.status, serde_json::from_str::<Value>(&reply.text).expect("json"))
    };
    let body = json!({ "messages": (0..100).map(message).collect::<Vec<_>>() });
    let first = send(&body);
    assert_eq!((first.0, statuses(&first.1)), (200, vec![202; 100]));
    assert_eq!(send(&body), first);
    let (status, reused) = send(&json!({ "messages": [message(7)] }));
    assert_eq!((status, &reused["detail"][0]["type"]), (422, &json!("idempotency_key_reused")), "{reused}");
    assert!(receiver.wait_count("/once", 100, SOON));
    let page = api.get(&format!("/api/v1/app/{app}/msg?limit=250")).1;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(100));
}

#[test]
fn a_batch_is_refused_as_a_whole_where_nothing_of_it_can_be_stored() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let path = format!("/api/v1/app/{app}/msg/batch");
    let none = json!({ "messages": [] });
    let many = json!({ "messages": (0..101).map(message).collect::<Vec<_>>() });
    let one = json!({ "messages": [message(0)] });
    for (path, body, expected) in [
        (path.as_str(), &none, 422),
        (path.as_str(), &many, 422),
        (path.as_str(), &json!({}), 422),
        ("/api/v1/app/nobody/msg/batch", &one, 404),
    ] {
        let (status, answer) = api.post(path, body);
        assert_eq!(status, expected, "{answer}");
    }
    let huge = json!({ "messages": (0..3).map(|_| json!({ "eventType": "a", "payload": { "x": "x".repeat(1_000_000) } })).collect::<Vec<_>>() });
    assert_eq!(api.post(&path, &huge).0, 413);
    let page = api.get(&format!("/api/v1/app/{app}/msg")).1;
    assert_eq!(page["data"], json!([]), "nothing was stored on the way");
}

/// How many messages one application accepts and stores in a second, in batches. The time depends on the machine and on
/// what else it does: it is printed, and only a collapse fails.
#[test]
fn one_application_stores_thousands_of_messages_a_second_in_batches() {
    const CONNECTIONS: usize = 4;
    const BATCHES: usize = 25;
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "3")]);
    let api = gateway.tenant();
    let app = api.app();
    let path = format!("/api/v1/app/{app}/msg/batch");
    let body = json!({ "messages": (0..100).map(message).collect::<Vec<_>>() });
    assert_eq!(api.post(&path, &body).0, 200);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let (api, path, body) = (api.at(api.url()), &path, &body);
            scope.spawn(move || {
                for _ in 0..BATCHES {
                    let (status, answer) = api.post(path, body);
                    assert_eq!((status, statuses(&answer)), (200, vec![202; 100]));
                }
            });
        }
    });
    #[allow(clippy::cast_precision_loss)] // ten thousand
    let rate = (CONNECTIONS * BATCHES * 100) as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} messages a second");
    assert!(rate > 300.0, "{rate:.0} messages a second");
}
