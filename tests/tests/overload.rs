//! Restarts, overload and full storage: a client is told when to try again and never sees 500, and what is repeated is
//! stored once.

use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use weir_tests::client::{Api, Reply, list};
use weir_tests::faults::{self, calls, overloaded, retryable, spoil, tell};
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::receiver::Receiver;
use weir_tests::source::Source;
use weir_tests::token;

const SOON: Duration = Duration::from_secs(20);

fn post_message(api: &Api, app: &str, n: usize) -> (u16, Value, Option<String>) {
    let body = message("a.b", &json!({ "n": n }).to_string());
    let reply = api.call("POST", &format!("/api/v1/app/{app}/msg"), Some(body.as_bytes()), &[]);
    (reply.status, reply.json(), reply.header("retry-after").map(str::to_owned))
}

fn messages(api: &Api, app: &str) -> Vec<Value> {
    list(&api.get(&format!("/api/v1/app/{app}/msg?limit=250")).1).to_vec()
}

#[test]
fn an_accept_whose_answer_was_lost_is_repeated_and_stored_once() {
    let gateway = faults::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    for (n, when) in ["before", "after", "reset"].into_iter().enumerate() {
        // The first request is answered by the hot path, and so is its repetition.
        spoil(&api, "APP", "accept", when, 2, &retryable());
        let (status, body, _) = post_message(&api, &app, n);
        assert_eq!(status, 202, "{when}: {body}");
        assert_eq!(messages(&api, &app).len(), n + 1, "{when}");
        assert_eq!(messages(&api, &app)[0]["id"], body["id"], "{when}: it is the one that was stored");
    }
    receiver.settles_at("/", 3, Duration::from_millis(500));
}

#[test]
fn what_cannot_be_repeated_any_more_is_answered_with_503_and_when_to_try_again() {
    let gateway = faults::start(&[]);
    let api = gateway.tenant();
    let app = api.app();
    spoil(&api, "APP", "accept", "before", 3, &retryable());
    let (status, body, retry_after) = post_message(&api, &app, 0);
    assert_eq!((status, &body["code"], retry_after.as_deref()), (503, &json!("unavailable"), Some("1")));
    // An object that has too much to do is not asked again.
    tell(&api, &json!({ "forget": true }));
    spoil(&api, "APP", "accept", "before", 9, &overloaded());
    let (status, body, retry_after) = post_message(&api, &app, 0);
    assert_eq!((status, &body["code"], retry_after.as_deref()), (503, &json!("overloaded"), Some("5")));
    assert_eq!(calls(&api, "APP accept"), 1);
    let (status, body) = {
        spoil(&api, "APP", "accept", "before", 9, &json!({ "message": "internal error; reference = abc" }));
        let (status, body, _) = post_message(&api, &app, 0);
        (status, body)
    };
    assert_eq!((status, &body["code"]), (503, &json!("unavailable")), "{body}");
    tell(&api, &json!({ "rules": [] }));
    assert_eq!(post_message(&api, &app, 0).0, 202);
    assert_eq!(messages(&api, &app).len(), 1);
}

#[test]
fn reads_and_changes_are_repeated_and_what_creates_is_not() {
    let gateway = faults::start(&[]);
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, "https://example.com/");
    let base = format!("/api/v1/app/{app}/endpoint");
    spoil(&api, "APP", "api", "after", 2, &retryable());
    assert_eq!(api.get(&base).0, 200);
    spoil(&api, "APP", "api", "reset", 2, &retryable());
    let (status, changed) = api.patch(&format!("{base}/{endpoint}"), &json!({ "description": "d" }));
    assert_eq!((status, &changed["description"]), (200, &json!("d")), "{changed}");
    spoil(&api, "DIRECTORY", "api", "reset", 2, &retryable());
    assert_eq!(api.get("/api/v1/app").0, 200);

    // It may have been done: whoever asked decides.
    spoil(&api, "APP", "api", "after", 1, &retryable());
    let reply = api.call("POST", &base, Some(br#"{"url":"https://example.com/two"}"#), &[]);
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{}", reply.text);
    assert_eq!(list(&api.get(&base).1).len(), 2, "and it was done once");
    spoil(&api, "DIRECTORY", "api", "before", 1, &overloaded());
    let reply = api.call("POST", "/api/v1/app", Some(br#"{"name":"n"}"#), &[]);
    assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("overloaded")));
}

#[test]
fn an_event_at_a_source_is_stored_once_whatever_is_repeated_and_its_url_is_in_no_log() {
    let gateway = faults::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let source = Source::new(&api, &receiver, "generic-webhook", &json!({}), &json!({}));
    for (n, when) in ["before", "after", "reset"].into_iter().enumerate() {
        spoil(&api, "APP", "accept", when, 2, &retryable());
        let body = json!({ "n": n }).to_string();
        let reply = source.send(body.as_bytes(), &[("content-type", "application/json")]);
        assert!((200..300).contains(&reply.status), "{when}: {} {}", reply.status, reply.text);
    }
    receiver.settles_at(&source.path, 3, Duration::from_millis(500));
    spoil(&api, "APP", "accept", "before", 9, &overloaded());
    let reply = source.send(b"{}", &[("content-type", "application/json")]);
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.header("retry-after").is_some(), "{:?}", reply.headers);
    spoil(&api, "DIRECTORY", "api", "before", 9, &overloaded());
    // The Directory does not answer: what it said of the source is believed a little longer, so that no event is lost.
    tell(&api, &json!({ "shift": 3_600_000 }));
    let token = source.url.rsplit('/').next().expect("a token");
    let reply = source.send(br#"{"n":4}"#, &[("content-type", "application/json")]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    let log = gateway.log();
    assert!(log.contains("overloaded"), "the failures are logged: {log}");
    assert!(!log.contains(token), "{log}");
}

#[test]
fn three_deployments_under_load_lose_nothing_and_repeat_nothing() {
    let gateway = faults::start(&[]);
    let api = gateway.tenant();
    deployed_under_load(&api, || drop(tell(&api, &json!({ "deploy": true }))));
}

/// The same with the emulator's deployments, under the rules of production.
#[test]
fn three_deployments_under_load_lose_nothing_under_the_limits_either() {
    let gateway = Running::start(&[]);
    deployed_under_load(&gateway.tenant(), || gateway.emulator().deploy());
}

fn deployed_under_load(api: &Api, deploy: impl Fn()) {
    let receiver = Receiver::start();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let (senders, each) = (8usize, 60usize);
    let accepted: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..senders)
            .map(|sender| {
                let (api, app) = (api.at(api.url()), &app);
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for n in 0..each {
                        // A client that is told 503 sends it again.
                        loop {
                            let (status, body, _) = post_message(&api, app, sender * each + n);
                            match status {
                                202 => break accepted.push(body["id"].as_str().expect("an id").to_owned()),
                                503 => thread::sleep(Duration::from_millis(20)),
                                other => panic!("{other}: {body}"),
                            }
                        }
                    }
                    accepted
                })
            })
            .collect();
        for part in 1..=3 {
            receiver.wait_count("/", part * senders * each / 5, SOON);
            deploy();
        }
        threads.into_iter().flat_map(|thread| thread.join().expect("sent")).collect()
    });
    assert_eq!(accepted.len(), senders * each);
    let got = receiver.wait_until("/", SOON, |got| {
        accepted.iter().all(|id| got.iter().any(|request| request.message_id() == Some(id)))
    });
    let lost: Vec<_> =
        accepted.iter().filter(|id| !got.iter().any(|request| request.message_id() == Some(id))).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // Each was stored once: by its content, not by its id.
    let mut seen: Vec<(String, String)> = got
        .iter()
        .map(|request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            (body, request.message_id().unwrap_or_default().to_owned())
        })
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), senders * each, "an accept made two messages of one request");
}

#[test]
fn the_directory_is_asked_for_a_uid_once_an_hour() {
    let gateway = faults::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    // The clock is moved by more than the hour that other tests' tokens are valid.
    let api = api.with_token(token::sign(&token::claims(&api.org, 86_400), token::SECRET));
    assert_eq!(api.post("/api/v1/app", &json!({ "name": "n", "uid": "one" })).0, 201);
    api.endpoint("one", &receiver.url("/"));
    api.send("one", "{}");
    tell(&api, &json!({ "forget": true }));
    for minute in 0..59 {
        gateway.emulator().clock(Duration::from_mins(minute));
        api.send("one", "{}");
        assert_eq!(api.get("/api/v1/app/one/msg").0, 200);
    }
    assert_eq!(calls(&api, "DIRECTORY api"), 0);
    gateway.emulator().clock(Duration::from_mins(61));
    (0..20).for_each(|_| drop(api.send("one", "{}")));
    assert_eq!(calls(&api, "DIRECTORY api"), 1);
}

#[test]
fn a_uid_that_has_passed_to_another_application_is_found_out_at_once() {
    let gateway = faults::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let make = |uid: &str| {
        let (status, made) = api.post("/api/v1/app", &json!({ "name": "n", "uid": uid }));
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().expect("an id").to_owned()
    };
    let first = make("one");
    api.endpoint("one", &receiver.url("/first"));
    api.send("one", "{}");
    assert_eq!(api.patch(&format!("/api/v1/app/{first}"), &json!({ "uid": "old" })).0, 200);
    let second = make("one");
    let endpoint = api.endpoint("one", &receiver.url("/second"));
    api.send("one", "{}");
    receiver.settles_at("/second", 1, Duration::from_millis(300));
    assert_eq!(receiver.count("/first"), 1);
    let (_, page) = api.get(&format!("/api/v1/app/{second}/endpoint"));
    assert_eq!(list(&page)[0]["id"], json!(endpoint));
    // The first one's own token does not follow the name to the second.
    assert_eq!(api.as_app(&first).get("/api/v1/app/one/endpoint").0, 404);
    assert_eq!(api.as_app(&second).get("/api/v1/app/one/endpoint").0, 200);
    // And one that is gone is gone.
    assert_eq!(api.delete("/api/v1/app/one").0, 204);
    assert_eq!(api.get("/api/v1/app/one/msg").0, 404);
    assert_eq!(api.post_text("/api/v1/app/one/msg", &message("a.b", "{}")).0, 404);
}

#[test]
fn every_object_is_in_the_jurisdiction_and_near_the_location_of_the_settings() {
    let gateway = faults::start(&[("JURISDICTION", "eu"), ("LOCATION_HINT", "weur")]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    let source = Source::new(&api, &receiver, "generic-webhook", &json!({}), &json!({}));
    assert!(source.send(b"{}", &[("content-type", "application/json")]).status < 300);
    receiver.wait_for_one(&source.path, SOON);
    let (_, told) = api.get("/__faults");
    let places = told["places"].as_object().expect("places");
    let mut kinds: Vec<&String> = places.keys().collect();
    kinds.sort();
    assert_eq!(kinds, ["APP eu weur", "DIRECTORY eu weur", "ENDPOINT eu weur"]);
}

#[test]
fn without_the_settings_objects_are_where_they_are_first_asked_for() {
    let gateway = faults::start(&[]);
    let api = gateway.tenant();
    api.app();
    let (_, told) = api.get("/__faults");
    let places: Vec<&String> = told["places"].as_object().expect("places").keys().collect();
    assert!(places.iter().all(|place| place.ends_with(" - -")), "{places:?}");
}

/// An object cannot be moved later, so nothing is stored anywhere until the setting is right.
#[test]
fn a_wrong_place_for_data_stops_the_gateway_with_the_values_that_it_may_have() {
    for (setting, values) in [("JURISDICTION", "eu, us or fedramp"), ("LOCATION_HINT", "weur")] {
        let gateway = Running::start(&[(setting, "mars")]);
        let api = gateway.tenant();
        let message = json!({ "eventType": "a.b", "payload": {} });
        for (status, body) in [api.get("/api/v1/app"), api.post("/api/v1/app/app_1/msg", &message)] {
            assert_eq!((status, &body["code"]), (500, &json!("invalid_setting")), "{body}");
            let detail = body["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(setting) && detail.contains(values), "{body}");
        }
    }
}

#[test]
fn an_application_that_is_sent_more_than_it_can_store_refuses_early_and_delivers_what_it_accepted() {
    const CLIENTS: usize = 96;
    const BYTES: usize = 400_000;
    let (gateway, receiver) = (Running::start(&[]), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    assert_eq!(post_message(&api, &app, 0).0, 202);
    // A storage that is much slower than messages come.
    gateway.emulator().rules(&json!({ "commitMs": 4_000 }));
    let body = message("a.b", &json!({ "x": "x".repeat(BYTES) }).to_string());
    let path = format!("/api/v1/app/{app}/msg?with_content=false");
    let begun = Instant::now();
    let replies: Vec<(Reply, Duration)> = thread::scope(|scope| {
        let client = || {
            let reply = api.at(api.url()).call("POST", &path, Some(body.as_bytes()), &[]);
            (reply, begun.elapsed())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().expect("an answer")).collect()
    });
    gateway.emulator().rules(&json!({ "commitMs": 0 }));
    let (stored, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|(reply, _)| reply.status == 202);
    assert!(stored.len() >= 24 * 1024 * 1024 / BYTES - 1, "{} were stored", stored.len());
    assert!(refused.len() >= 20, "{} were refused", refused.len());
    for (reply, _) in &refused {
        assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("overloaded")), "{}", reply.text);
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    let early = refused.iter().map(|(_, after)| *after).min().expect("some");
    assert!(early < Duration::from_secs(4), "before the commit under way has ended: {early:?}");
    assert!(receiver.wait_count("/", stored.len() + 1, SOON), "what was accepted is delivered");
    receiver.settles_at("/", stored.len() + 1, Duration::from_secs(1));
    let memory = gateway.emulator().stats().wasm_bytes;
    assert!(memory < 128 << 20, "{memory} bytes of memory");
}
