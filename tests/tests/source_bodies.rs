//! Bodies at a source's URL that are compressed or hold many events, and what a change of the source keeps, on a real workerd.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;
use weir_tests::browser::Browser;
use weir_tests::client::{Api, column, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::Receiver;
use weir_tests::source::{BASE, Source};

const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "the provider's secret";

fn hex(key: &str, content: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(content);
    mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// What Node's zlib makes of a text, by one of its functions.
#[track_caller]
fn compressed(function: &str, body: &str) -> Vec<u8> {
    let script = "const [name, body] = process.argv.slice(1);
        process.stdout.write(require('node:zlib')[name](Buffer.from(body)).toString('base64'));";
    let output = Command::new(xtask::tools::node_path())
        .args(["-e", script, function, body])
        .output()
        .unwrap_or_else(|error| panic!("node could not be run: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    BASE64.decode(&output.stdout).expect("base64")
}

/// Sends a body as GitHub does, with a signature of `signed`; gives the status.
#[track_caller]
fn push(source: &Source, encoding: &str, body: &[u8], signed: &[u8]) -> u16 {
    let signature = format!("sha256={}", hex(SECRET, signed));
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", encoding),
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "push"),
    ];
    source.send(body, &headers).status
}

fn github(api: &Api, receiver: &Receiver) -> Source {
    let options = json!({ "maxBodyBytes": 20_000 });
    Source::new(api, receiver, "github", &json!({ "secret": SECRET }), &options)
}

#[test]
fn a_compressed_event_is_delivered_as_it_was_before_compression() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = github(&gateway.tenant(), &receiver);
    let body = format!(r#"{{ "text": "{}", "n": 1.0 }}"#, "é".repeat(3_000));
    let mut sent = 0;
    for (encoding, function) in
        [("gzip", "gzipSync"), ("x-gzip", "gzipSync"), ("GZIP", "gzipSync"), ("deflate", "deflateSync")]
            .into_iter()
            .chain([("deflate", "deflateRawSync")])
    {
        let small = compressed(function, &body);
        assert!(small.len() < body.len() / 10, "{encoding}: {}", small.len());
        // Some sign what they send, others what they have compressed.
        for signed in [&small[..], body.as_bytes()] {
            assert_eq!(push(&source, encoding, &small, signed), 200, "{encoding} by {function}");
            sent += 1;
        }
        assert_eq!(push(&source, encoding, &small, b"something else"), 401, "{encoding}");
    }
    assert_eq!(push(&source, "identity", body.as_bytes(), body.as_bytes()), 200);
    for one in receiver.wait_for(&source.path, sent + 1, SOON) {
        assert!(one.body == body.as_bytes(), "{}", String::from_utf8_lossy(&one.body));
        assert_eq!(one.header("content-encoding"), None);
        assert_eq!(one.header("content-type"), Some("application/json"));
    }
}

#[test]
fn a_body_that_cannot_be_decompressed_is_refused_and_listed() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let body = r#"{"n":1}"#;
    let gzip = compressed("gzipSync", body);
    let bomb = compressed("gzipSync", &"0".repeat(100_000));
    for (what, encoding, sent, status) in [
        ("an encoding that is not understood", "br", compressed("brotliCompressSync", body), 415),
        ("an unknown encoding", "zstd", gzip.clone(), 415),
        ("two encodings", "gzip, gzip", gzip.clone(), 415),
        ("a body that is not compressed", "gzip", body.as_bytes().to_vec(), 415),
        ("a body that breaks off", "gzip", gzip[..gzip.len() - 3].to_vec(), 415),
        ("more than the source takes", "gzip", bomb, 413),
    ] {
        let source = github(&api, &receiver);
        assert_eq!(push(&source, encoding, &sent, &sent), status, "{what}");
        let listed = source.rejected();
        assert_eq!(listed.len(), 1, "{what}: {listed:?}");
        let detail = text(&listed[0]["reason"], "detail");
        let word = if status == 413 { "decompressed" } else { "gzip or deflate" };
        assert!(detail.contains(word) || detail.contains("Content-Encoding"), "{what}: {detail}");
        assert!(source.messages().is_empty(), "{what}");
    }
}

/// As many events as SendGrid sends in one request, from a number on.
fn events(from: usize, count: usize) -> String {
    let event = |n: usize| {
        json!({ "email": "ann@example.com", "timestamp": 1_513_299_569, "event": "processed", "sg_event_id": format!("sg_{n}"),
            "id": n.to_string(), "eventId": n, "subscriptionType": "contact.creation", "eventType": "a.b", "objectId": n })
    };
    Value::from((from..from + count).map(event).collect::<Vec<_>>()).to_string()
}

/// The ids of all messages of a source.
fn ids(source: &Source) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut page = source.get("msg?limit=250");
    loop {
        ids.extend(column(&page, "id"));
        if page["done"] == true {
            return ids;
        }
        page = source.get(&format!("msg?limit=250&iterator={}", text(&page, "iterator")));
    }
}

#[test]
fn a_batch_of_more_than_a_thousand_events_is_stored_whole_and_once() {
    // Retries would only take time: nothing is to be delivered.
    let gateway = Running::start(&[("RETRY_SCHEDULE", "3600")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    for (kind, count) in [("sendgrid", 2_300), ("hubspot", 1_001), ("azure-event-grid", 1_001)] {
        let source = Source::new(&api, &receiver, kind, &json!({}), &json!({ "unverified": "accept" }));
        let endpoint = text(&source.get("endpoint")["data"][0], "id");
        let off = json!({ "disabled": true });
        assert_eq!(api.patch(&format!("{BASE}/{}/endpoint/{endpoint}", source.id), &off).0, 200);
        let json = [("content-type", "application/json")];
        assert_eq!(source.send(events(0, count).as_bytes(), &json).status, 200, "{kind}");
        assert_eq!(ids(&source).len(), count, "{kind}");
        // The same request again, as a provider repeats it whose answer was lost.
        assert_eq!(source.send(events(0, count).as_bytes(), &json).status, 200, "{kind}");
        assert_eq!(ids(&source).len(), count, "{kind}");
        assert_eq!(source.send(events(count - 1, 2).as_bytes(), &json).status, 200, "{kind}");
        assert_eq!(ids(&source).len(), count + 1, "{kind}: one of two is new");
    }
}

/// Sends an event whose signature is in a header of the source's own.
#[track_caller]
fn send_signed(source: &Source, header: &str, body: &str) -> u16 {
    let signature = hex(SECRET, body.as_bytes());
    source.send(body.as_bytes(), &[("content-type", "application/json"), (header, &signature)]).status
}

#[test]
fn a_source_keeps_the_parameters_that_a_change_of_it_does_not_name() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let config = json!({ "secret": SECRET, "params": { "header": "x-my-sig" } });
    let source = Source::new(&api, &receiver, "hmac-sha256", &config, &json!({}));
    let path = format!("{BASE}/{}", source.id);
    assert_eq!(send_signed(&source, "x-my-sig", r#"{"id":"1"}"#), 200);

    let put = |body: Value| {
        let (status, answer) = api.put(&path, &body);
        assert_eq!((status, &answer["secrets"]), (200, &json!(1)), "{answer}");
    };
    put(json!({ "name": "renamed", "type": "hmac-sha256" }));
    assert_eq!(send_signed(&source, "x-my-sig", r#"{"id":"2"}"#), 200);
    put(json!({ "name": "renamed", "type": "hmac-sha256", "config": {} }));
    assert_eq!(send_signed(&source, "x-my-sig", r#"{"id":"3"}"#), 200);

    // The form of the dashboard cannot show them either.
    let browser = Browser::of(&api);
    let page = format!("/dashboard/app/{}", source.id);
    let changed = browser.submit(&page, &format!("{page}/edit-source"), &[("name", "Renamed again")]);
    assert_eq!(changed.status, 303, "{}", changed.text);
    assert_eq!(text(&api.get(&path).1, "name"), "Renamed again");
    assert_eq!(send_signed(&source, "x-my-sig", r#"{"id":"4"}"#), 200);

    put(json!({ "name": "moved", "type": "hmac-sha256", "config": { "params": { "header": "x-other" } } }));
    assert_eq!(send_signed(&source, "x-my-sig", r#"{"id":"5"}"#), 401);
    assert_eq!(send_signed(&source, "x-other", r#"{"id":"5"}"#), 200);

    // Those that a kind needs are not asked for again, and those of another kind do not stay.
    let paypal = json!({ "name": "a", "type": "paypal", "config": { "params": { "webhook_id": "w" } } });
    let (status, made) = api.post(BASE, &paypal);
    assert_eq!(status, 201, "{made}");
    let path = format!("{BASE}/{}", text(&made, "id"));
    assert_eq!(api.put(&path, &json!({ "name": "b", "type": "paypal" })).0, 200);
    assert_eq!(api.put(&path, &json!({ "name": "b", "type": "github" })).0, 200);
    let (status, refused) = api.put(&path, &json!({ "name": "b", "type": "paypal" }));
    assert!(status == 422 && refused.to_string().contains("webhook_id"), "{refused}");
}

#[test]
fn a_source_whose_secrets_cannot_be_read_asks_for_a_repeat_and_lists_what_it_refused() {
    let (right, wrong) = ("07".repeat(32), "08".repeat(32));
    let mut gateway = Running::start(&[("MASTER_KEY", &right)]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let source = Source::new(&api, &receiver, "github", &json!({ "secret": SECRET }), &json!({}));
    let body = br#"{"n":1}"#;
    let signature = format!("sha256={}", hex(SECRET, body));
    let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-event", "push")];
    for key in [wrong.as_str(), ""] {
        gateway.restart_with(&[("MASTER_KEY", key)]);
        let refused = source.send(body, &headers);
        assert_eq!(refused.status, 503, "{key:?}: {}", refused.text);
        assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
        assert!(!refused.text.contains("MASTER_KEY"), "the provider need not know why: {}", refused.text);
        let listed = source.rejected().remove(0);
        assert_eq!(listed["reason"]["code"], "secrets_locked", "{listed}");
        assert!(text(&listed["reason"], "detail").contains("MASTER_KEY"), "{listed}");
        let accept = format!("{BASE}/{}/rejected/{}/accept", source.id, text(&listed, "id"));
        let (status, error) = api.post(&accept, &json!({}));
        assert_eq!((status, &error["code"]), (500, &json!("invalid_setting")), "{error}");
        let forged = source.send(body, &[("x-hub-signature-256", "sha256=00")]);
        assert_eq!(forged.status, 503, "nothing is verified: {}", forged.text);
    }
    // What is no key at all is no reason to lose an event either.
    gateway.restart_with(&[("MASTER_KEY", "no key")]);
    let refused = source.send(body, &headers);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);

    gateway.restart_with(&[("MASTER_KEY", &right)]);
    assert_eq!(source.send(body, &headers).status, 200, "the same request again");
    let got = receiver.wait_for(&source.path, 1, SOON);
    assert_eq!(&got[0].body[..], &body[..]);
}

/// A body, headers of its request, and what is delivered.
type Case<'a> = (&'a [u8], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn a_stored_event_is_tested_with_a_plugin_as_it_is_delivered() {
    let gateway = shared();
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let source = Source::new(&api, &receiver, "generic-webhook", &json!({}), &json!({ "form": "json" }));
    let form = "application/x-www-form-urlencoded";
    let sent: [Case<'_>; 4] = [
        (&compressed("gzipSync", r#"{"n":1}"#), &[("content-encoding", "gzip")], r#"{"n":1}"#),
        (b"\xef\xbb\xbf{\"n\":2}", &[], r#"{"n":2}"#),
        (b"n=3", &[("content-type", form)], r#"{"n":"3"}"#),
        (b"n: 4", &[("content-type", "text/yaml")], "n: 4"),
    ];
    for (at, (body, headers, delivered)) in sent.into_iter().enumerate() {
        assert_eq!(source.send(body, headers).status, 200);
        let received = receiver.wait_for(&source.path, at + 1, SOON).remove(at);
        assert_eq!(received.body, delivered.as_bytes());
        let message = text(&source.messages()[0], "id");
        let kind = headers.iter().find(|(name, value)| *name == "content-type" && *value != form);
        let kind = kind.map_or("application/json", |(_, value)| value);
        let when = format!("text == {} && header.content-type == {}", json!(delivered), json!(kind));
        let asked = json!({ "appId": source.id, "messageId": message, "config": { "when": when } });
        let (status, run) = api.post("/api/v1/plugin/filter/test", &asked);
        assert_eq!((status, &run["verdict"]), (200, &json!("unchanged")), "{run}");
    }
}
