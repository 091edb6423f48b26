//! A panic costs one answer, not the gateway: it is answered with 503 at once, and nothing that was accepted is lost.

use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Receiver};
use xtask::build;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_panic_is_answered_at_once_and_the_next_call_works() {
    let gateway = Running::hooked(&[]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    for (n, place) in ["worker", "app", "worker", "app"].into_iter().enumerate() {
        let begun = Instant::now();
        let answer = api.call("POST", &format!("/__test/panic/{place}"), Some(b"{}"), &[]);
        assert_eq!(answer.status, 503, "{place}: {}", answer.text);
        assert_eq!(answer.json()["code"], "unavailable", "{}", answer.text);
        assert!(begun.elapsed() < Duration::from_secs(5), "{place}: answered after {:?}", begun.elapsed());

        let id = api.send(&app, "{}");
        let got = receiver.wait_for("/", n + 1, SOON);
        assert!(got.iter().any(|request| request.message_id() == Some(&id)), "after a panic in the {place}");
    }
}

#[test]
fn a_message_in_flight_when_the_instance_dies_is_not_lost() {
    let gateway = Running::hooked(&[]);
    let receiver = Receiver::start();
    // The first answer comes late enough for the panic to come before it.
    receiver
        .on("/", |r| if r.nth == 0 { Answer::ok().after(Duration::from_millis(600)) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let id = api.send(&app, r#"{"n":1}"#);
    receiver.wait_for_one("/", SOON);
    for place in ["worker", "app"] {
        assert_eq!(api.call("POST", &format!("/__test/panic/{place}"), Some(b"{}"), &[]).status, 503);
    }
    // It was sent but its outcome was lost with the instance: the lease ends, and it is sent again or was recorded.
    let attempts = api.until(&format!("/api/v1/app/{app}/attempt/msg/{id}"), SOON, |page| {
        page["data"].as_array().is_some_and(|attempts| attempts.iter().any(|attempt| attempt["status"] == 0))
    });
    assert!(receiver.count("/") <= 2, "{attempts}");
}

#[test]
fn messages_accepted_while_instances_die_all_arrive() {
    let gateway = Running::hooked(&[]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let accepted: Vec<String> = std::thread::scope(|scope| {
        let sender = {
            let (api, app) = (api.at(api.url()), &app);
            scope.spawn(move || {
                let mut accepted = Vec::new();
                for n in 0..200 {
                    let body = weir_tests::json::message("a.b", &format!("{{\"n\":{n}}}"));
                    let answer =
                        api.call("POST", &format!("/api/v1/app/{app}/msg"), Some(body.as_bytes()), &[]);
                    match answer.status {
                        202 => accepted.push(answer.json()["id"].as_str().unwrap().to_owned()),
                        503 => {} // it was not promised
                        other => panic!("{other}: {}", answer.text),
                    }
                }
                accepted
            })
        };
        for place in ["app", "worker", "app", "worker"] {
            let before = receiver.count("/");
            receiver.wait_count("/", before + 10, SOON);
            assert_eq!(api.call("POST", &format!("/__test/panic/{place}"), Some(b"{}"), &[]).status, 503);
        }
        sender.join().unwrap()
    });
    let got = receiver.wait_until("/", Duration::from_secs(20), |got| {
        accepted.iter().all(|id| got.iter().any(|request| request.message_id() == Some(id)))
    });
    let lost: Vec<_> =
        accepted.iter().filter(|id| !got.iter().any(|request| request.message_id() == Some(id))).collect();
    assert!(lost.is_empty(), "{} of {} accepted messages are lost: {lost:?}", lost.len(), accepted.len());
}

/// What only a Worker that is built for tests may hold.
const HOOKS: [&str; 2] = ["/__test/", "a panic that a test asked for"];

/// The Worker's modules in a directory, one after the other.
fn modules(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let all = files.filter(|path| {
        path.extension().is_some_and(|kind| ["js", "mjs", "wasm"].iter().any(|end| kind == *end))
    });
    all.flat_map(|path| fs::read(path).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_release_has_no_hooks_for_tests() {
    let release = match std::env::var_os(build::WORKER_DIR) {
        Some(dir) => dir.into(),
        None => build::ensure_built(true).unwrap_or_else(|error| panic!("{error}")),
    };
    let hooked = modules(&build::ensure_built_with_hooks().unwrap_or_else(|error| panic!("{error}")));
    let release = modules(&release);
    for text in HOOKS {
        assert!(holds(&hooked, text), "`{text}` is how hooks are found");
        assert!(!holds(&release, text), "the release holds `{text}`");
    }
    let gateway = shared();
    let api = gateway.tenant();
    for path in ["panic/worker", "panic/app", "rows/org_1"] {
        let (status, body) = api.post(&format!("/__test/{path}"), &json!({}));
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{body}");
    }
}
