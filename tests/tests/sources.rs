//! Sources on a real workerd: what providers send is verified, stored once, and delivered on, signed anew.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use weir_core::scheme::Params;
use weir_tests::client::{column, id_of, list, text};
use weir_tests::gateway::{Running, scratch, shared};
use weir_tests::receiver::{Received, Receiver, unix_ms};
use weir_tests::sdk;
use weir_tests::source::{BASE, Source, signed};
use weir_tests::verify::is_signed_by;

const SOON: Duration = Duration::from_secs(10);
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRET: &str = "the provider's secret";

/// What a source delivers.
trait Delivers {
    /// The deliveries once there are so many, each signed with the endpoint's key as Svix's own library verifies it.
    fn delivered(&self, receiver: &Receiver, count: usize) -> Vec<Received>;
}

impl Delivers for Source {
    #[track_caller]
    fn delivered(&self, receiver: &Receiver, count: usize) -> Vec<Received> {
        let received = receiver.wait_for(&self.path, count, SOON);
        assert_eq!(received.len(), count, "{}", self.path);
        for one in &received {
            // Svix's library reads text only.
            if std::str::from_utf8(&one.body).is_err() {
                assert!(is_signed_by(one, "svix", &self.secret));
                continue;
            }
            let webhook = svix::webhooks::Webhook::new(&self.secret).expect("a secret");
            let mut headers = http::HeaderMap::new();
            for name in ["svix-id", "svix-timestamp", "svix-signature"] {
                let value = one.header(name).expect("signed").parse().expect("a value");
                headers.insert(name, value);
            }
            webhook.verify(&one.body, &headers).expect("Svix's library takes the signature");
        }
        received
    }
}

fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn github(body: &[u8]) -> String {
    format!("sha256={}", hex(&hmac(SECRET.as_bytes(), body)))
}

/// Sends an event as GitHub does; gives the status.
#[track_caller]
fn push(source: &Source, delivery: &str, body: &[u8]) -> u16 {
    let signature = github(body);
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery),
    ];
    source.send(body, &headers).status
}

fn secret(text: &str) -> Value {
    json!({ "secret": text })
}

/// The kind, its library, its secret, the body, further headers, and what is delivered under which type.
type Case<'a> = (&'a str, &'a str, Value, &'a str, &'a str, Value, Vec<(String, String)>, &'a str);

#[test]
fn a_secret_is_refused_where_nothing_would_be_verified_with_it() {
    let gateway = shared();
    let api = gateway.tenant();
    for kind in ["generic-webhook", "azure-event-grid", "cloudevents", "mailchimp"] {
        for config in
            [json!({ "secret": "TheRealSecret-123456" }), json!({ "secrets": ["TheRealSecret-123456"] })]
        {
            let (status, error) = api.post(BASE, &json!({ "name": "a", "type": kind, "config": config }));
            assert_eq!(status, 422, "{kind}: {error}");
            assert!(error.to_string().contains("signs nothing"), "{kind}: {error}");
        }
        assert_eq!(api.post(BASE, &json!({ "name": "a", "type": kind })).0, 201, "{kind}");
    }
}

#[test]
fn what_providers_libraries_send_is_delivered_byte_for_byte_and_signed_anew() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let token = json!({ "secret": "a token", "params": { "header": "x-my-token" } });
    let event = r#"{"type": "a.b", "id": "evt_1", "n": 1.50 }"#;
    let mailabl = r#"[{"id":"m1","type":"task.updated","data":{"object":{"id":"9"}},"occurredAt":"2023-07-09T10:52:24Z"},
        {"id":"m2", "type":"task.created"}]"#;
    let hubspot = r#"[{"eventId":1,"subscriptionType":"contact.creation"},{"eventId":2,"subscriptionType":"deal.creation"}]"#;
    let slack = r#"{"type":"event_callback","event_id":"Ev1","event_time":1,"event":{"type":"app_mention"}}"#;
    let relaypost =
        r#"{"event":"delivered","email_id":"abc123","timestamp":"2026-02-13T12:00:00.000Z","metadata":{}}"#;
    let loops = r#"{"eventName":"testing.testEvent","webhookSchemaVersion":"1.0.0","eventTime":1734425918}"#;
    let form = "To=%2B1555&Body=a+b&To=%C3%BC";
    let one = |body: &str, event_type: &str| vec![(event_type.to_owned(), body.to_owned())];
    let cases: Vec<Case<'_>> = vec![
        ("reloop", "svix", secret(WHSEC), WHSEC, event, json!({}), one(event, "a.b"), "verified"),
        (
            "loops",
            "standardwebhooks",
            secret(WHSEC),
            WHSEC,
            loops,
            json!({}),
            one(loops, "testing.testEvent"),
            "verified",
        ),
        ("resend", "svix", secret(WHSEC), WHSEC, event, json!({}), one(event, "a.b"), "verified"),
        (
            "mailabl",
            "mailabl",
            secret(SECRET),
            SECRET,
            mailabl,
            json!({}),
            vec![
                ("task.updated".into(), mailabl[1..].split(",\n").next().expect("an item").into()),
                ("task.created".into(), r#"{"id":"m2", "type":"task.created"}"#.into()),
            ],
            "verified",
        ),
        (
            "relaypost",
            "relaypost",
            secret(SECRET),
            SECRET,
            relaypost,
            json!({}),
            one(relaypost, "delivered"),
            "verified",
        ),
        (
            "github",
            "@octokit/webhooks-methods",
            secret(SECRET),
            SECRET,
            event,
            json!({ "x-github-event": "pull_request", "x-github-delivery": "d1" }),
            one(event, "pull_request"),
            "verified",
        ),
        (
            "stripe",
            "stripe",
            secret("whsec_test"),
            "whsec_test",
            event,
            json!({}),
            one(event, "a.b"),
            "verified",
        ),
        ("slack", "slack", secret(SECRET), SECRET, slack, json!({}), one(slack, "app_mention"), "verified"),
        (
            "twilio",
            "twilio",
            secret(SECRET),
            SECRET,
            "Body=a+b&From=%C3%BC&Empty=",
            json!({ "content-type": "application/x-www-form-urlencoded" }),
            one(r#"{"Body":"a b","From":"ü","Empty":""}"#, "twilio.event"),
            "verified",
        ),
        (
            "hubspot-v1",
            "@hubspot/api-client (v1)",
            secret(SECRET),
            SECRET,
            hubspot,
            json!({}),
            vec![
                ("contact.creation".into(), r#"{"eventId":1,"subscriptionType":"contact.creation"}"#.into()),
                ("deal.creation".into(), r#"{"eventId":2,"subscriptionType":"deal.creation"}"#.into()),
            ],
            "verified",
        ),
        (
            "basic",
            "basic",
            secret("user:word"),
            "user:word",
            event,
            json!({}),
            one(event, "basic.event"),
            "authenticated",
        ),
        ("token", "token", token, "a token", event, json!({}), one(event, "token.event"), "authenticated"),
        (
            "generic-webhook",
            "token",
            json!({}),
            "",
            form,
            json!({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" }),
            one(r#"{"To":["+1555","ü"],"Body":"a b"}"#, "generic-webhook.event"),
            "unattempted",
        ),
    ];
    let sources: Vec<Source> = cases
        .iter()
        .map(|(kind, _, config, ..)| Source::new(&api, &receiver, kind, config, &json!({})))
        .collect();
    let sends: Vec<Value> = cases
        .iter()
        .zip(&sources)
        .map(|((kind, library, _, secret, body, headers, ..), source)| {
            json!({ "kind": kind, "library": library, "url": source.url, "secret": secret, "body": body, "headers": headers })
        })
        .collect();
    let file = scratch("sends").join("sends.json");
    std::fs::write(&file, Value::from(sends).to_string()).expect("written");
    let run = sdk::official("send.mjs", &[("WEIR_SENDS", &file.to_string_lossy())]);
    run.assert_ok();
    for ((case, source), line) in cases.iter().zip(&sources).zip(&run.lines) {
        let (kind, .., expected, verdict) = case;
        assert_eq!((line["kind"].as_str(), line["status"].as_u64()), (Some(*kind), Some(200)), "{line}");
        let mut got: Vec<(String, String)> = source
            .delivered(&receiver, expected.len())
            .iter()
            .map(|one| {
                assert_eq!(one.header("content-type"), Some("application/json"), "{kind}");
                let id = one.message_id().expect("an id").to_owned();
                (id, String::from_utf8(one.body.to_vec()).expect("text"))
            })
            .collect();
        got.sort_unstable(); // ids sort by time
        let messages = source.messages();
        let types: BTreeMap<String, String> =
            messages.iter().map(|message| (text(message, "id"), text(message, "eventType"))).collect();
        let got: Vec<(String, String)> =
            got.into_iter().map(|(id, body)| (types[&id].clone(), body)).collect();
        assert_eq!(&got, expected, "{kind}");
        for message in &messages {
            assert_eq!(message["ingest"]["verdict"], **verdict, "{kind}: {message}");
        }
        assert!(source.rejected().is_empty(), "{kind}");
    }
    // The bytes of a form are kept as they came.
    let raw = &sources[12];
    let id = text(&raw.messages()[0], "id");
    let (status, kind, bytes) = api.download(&format!("{BASE}/{}/msg/{id}/raw", raw.id));
    assert_eq!((status, kind.as_str()), (200, "application/x-www-form-urlencoded; charset=utf-8"));
    assert_eq!(bytes, form.as_bytes());
}

#[test]
fn an_event_that_comes_twice_is_delivered_once() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "github", &secret(SECRET), &json!({}));
    for _ in 0..3 {
        assert_eq!(push(&source, "d1", b"{\"n\":1}"), 200);
    }
    // GitHub's id counts, not the body.
    assert_eq!(push(&source, "d1", b"{\"n\":2}"), 200);
    assert_eq!(push(&source, "d2", b"{\"n\":1}"), 200);
    let delivered = source.delivered(&receiver, 2);
    assert!(delivered.iter().all(|one| one.body == b"{\"n\":1}"[..]));
    let ids = source.messages().iter().map(|message| text(message, "eventId")).collect::<Vec<_>>();
    assert_eq!(ids, ["d2", "d1"]);
    // A source may want all of them.
    let all = json!({ "dedupWindowSeconds": 0 });
    let source = Source::new(&source.api, &receiver, "github", &secret(SECRET), &all);
    (0..2).for_each(|_| assert_eq!(push(&source, "d1", b"{\"n\":1}"), 200));
    source.delivered(&receiver, 2);
}

#[test]
fn what_is_not_signed_right_is_refused_with_its_reason_and_listed() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let source = Source::new(&api, &receiver, "slack", &secret(SECRET), &json!({}));
    let body = br#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}"#;
    let sign = |age_s: i64, body: &[u8]| {
        let ts = (unix_ms() / 1_000 - age_s).to_string();
        let content = [b"v0:", ts.as_bytes(), b":", body].concat();
        let signature = format!("v0={}", hex(&hmac(SECRET.as_bytes(), &content)));
        (ts, signature)
    };
    let (ts, signature) = sign(0, body);
    let good = [("x-slack-request-timestamp", ts.as_str()), ("x-slack-signature", signature.as_str())];
    let changed = [&body[..], b" "].concat();
    let (old_ts, old) = sign(400, body);
    let stale = [("x-slack-request-timestamp", old_ts.as_str()), ("x-slack-signature", old.as_str())];
    let refused = [
        ("mismatch", source.send(&changed, &good)),
        ("too_old", source.send(body, &stale)),
        ("header_missing", source.send(body, &good[..1])),
    ];
    for (code, reply) in &refused {
        assert_eq!(reply.status, 401, "{code}");
        assert_eq!(reply.json()["code"], *code);
        assert!(!reply.text.contains(&signature) && !reply.text.contains(SECRET), "{}", reply.text);
    }
    assert_eq!(source.send(body, &good).status, 200);
    let listed = source.rejected();
    let codes: Vec<&str> = listed.iter().filter_map(|one| one["reason"]["code"].as_str()).collect();
    assert_eq!(codes, ["header_missing", "too_old", "mismatch"], "newest first");
    assert!(text(&listed[1]["reason"], "detail").contains("400 s old"), "{}", listed[1]);
    assert_eq!(listed[2]["body"].as_str().map(str::as_bytes), Some(&changed[..]));
    // The client's own token came along, as a provider's may.
    let headers = listed[2]["headers"].as_array().expect("headers");
    assert!(headers.contains(&json!(["authorization", "***"])), "{headers:?}");
    assert!(headers.contains(&json!(["x-slack-signature", signature])), "{headers:?}");
    source.delivered(&receiver, 1);
    assert_eq!(source.messages().len(), 1);
}

#[test]
fn a_secret_that_is_not_ascii_is_normalised_as_its_provider_does() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "easypost", &secret("s\u{e9}cret"), &json!({}));
    let body = br#"{"description":"tracker.updated","id":"evt_1"}"#;
    let sent = |key: &str| {
        let signature = format!("hmac-sha256-hex={}", hex(&hmac(key.as_bytes(), body)));
        source.send(body, &[("x-hmac-signature", &signature)]).status
    };
    assert_eq!(sent("s\u{e9}cret"), 401, "one character");
    assert!((200..300).contains(&sent("se\u{301}cret")), "an e and an accent");
    assert_eq!(&receiver.wait_for_one(&source.path, SOON).body[..], body);
}

#[test]
fn a_rejected_request_is_accepted_by_hand_and_delivered_with_its_verdict() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let source = Source::new(&api, &receiver, "github", &secret("another"), &json!({}));
    assert_eq!(push(&source, "d1", b"{\"n\": 1}"), 401);
    let rejected = text(&source.rejected()[0], "id");
    let one = source.get(&format!("rejected/{rejected}"));
    assert_eq!((&one["rawBody"], &one["accepted"]), (&json!(BASE64.encode("{\"n\": 1}")), &Value::Null));
    let accept = format!("{BASE}/{}/rejected/{rejected}/accept", source.id);
    let (status, accepted) = api.post(&accept, &json!({}));
    assert_eq!(status, 202, "{accepted}");
    let delivered = source.delivered(&receiver, 1);
    assert_eq!(&delivered[0].body[..], b"{\"n\": 1}");
    let message = &source.messages()[0];
    assert_eq!(accepted["messages"], json!([message["id"]]));
    assert_eq!((&message["eventType"], &message["eventId"]), (&json!("push"), &json!("d1")));
    let ingest = &message["ingest"];
    assert_eq!(
        (&ingest["verdict"], &ingest["reason"], &ingest["acceptedByHand"]),
        (&json!("failed"), &json!("mismatch"), &json!(true))
    );
    assert_eq!(source.get(&format!("rejected/{rejected}"))["accepted"], accepted["messages"]);
    assert_eq!(api.post(&accept, &json!({})).0, 409, "once");
    // Of a long one only the beginning is kept.
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(push(&source, "d2", long.as_bytes()), 401);
    let one = &source.rejected()[0];
    assert_eq!((&one["bodyComplete"], &one["bodySize"]), (&json!(false), &json!(long.len())));
    let (status, error) =
        api.post(&format!("{BASE}/{}/rejected/{}/accept", source.id, text(one, "id")), &json!({}));
    assert_eq!(status, 409, "{error}");
    assert!(text(&error, "detail").contains("only its beginning was kept"), "{error}");
    let nothing = format!("{BASE}/{}/rejected/rej_none", source.id);
    assert_eq!((api.get(&nothing).0, api.post(&format!("{nothing}/accept"), &json!({})).0), (404, 404));
}

#[test]
fn a_flood_of_wrong_signatures_is_recorded_in_samples() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "github", &secret("another"), &json!({}));
    for n in 0..60 {
        assert_eq!(push(&source, &format!("d{n}"), b"{}"), 401);
    }
    let kept = source.rejected().len();
    assert!((10..30).contains(&kept), "{kept} of 60 are kept");
    assert!(source.messages().is_empty());
}

#[test]
fn handshakes_are_answered_and_nothing_is_stored() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let make = |kind: &str, config: Value| Source::new(&api, &receiver, kind, &config, &json!({}));

    let slack = make("slack", secret(SECRET));
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1a"}"#;
    assert_eq!(slack.send(body, &[]).status, 401, "unsigned");
    let ts = (unix_ms() / 1_000).to_string();
    let signature =
        format!("v0={}", hex(&hmac(SECRET.as_bytes(), &[b"v0:", ts.as_bytes(), b":", &body[..]].concat())));
    let signed = [("x-slack-request-timestamp", ts.as_str()), ("x-slack-signature", signature.as_str())];
    let answer = slack.send(body, &signed);
    assert_eq!((answer.status, answer.text.as_str()), (200, "3eZbrw1a"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));

    let meta = make("meta", json!({ "secret": SECRET, "verifyToken": "our token" }));
    let ask = |token: &str| {
        meta.call(
            "GET",
            &format!("?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"),
            b"",
            &[],
        )
    };
    assert_eq!((ask("our%20token").status, ask("our%20token").text.as_str()), (200, "1158201444"));
    assert_eq!((ask("guess").status, ask("guess").text.as_str()), (403, ""));

    let zoom = make("zoom", secret(SECRET));
    let validation =
        br#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let answer = zoom.send(validation, &[]).json();
    assert_eq!(answer["encryptedToken"], hex(&hmac(SECRET.as_bytes(), b"qgg8vlvZRS6UYooatFL8Aw")));

    let ebay = make(
        "ebay",
        json!({ "secret": include_str!("../../core/tests/scheme/keys/p256.pub.pem"), "verifyToken": "tok" }),
    );
    let answer = ebay.call("GET", "?challenge_code=abc", b"", &[]).json();
    let expected = Sha256::digest([b"abctok", ebay.url.as_bytes()].concat());
    assert_eq!(answer["challengeResponse"], hex(&expected));

    // Asana sends the secret with the first request; only the first is believed.
    let asana = make("asana", json!({}));
    let first = asana.send(b"{}", &[("x-hook-secret", "theirs")]);
    assert_eq!((first.status, first.header("x-hook-secret")), (200, Some("theirs")));
    assert_eq!(asana.send(b"{}", &[("x-hook-secret", "mine")]).status, 403);
    let events = br#"{"events":[]}"#;
    let by = |key: &[u8]| hex(&hmac(key, events));
    assert_eq!(asana.send(events, &[("x-hook-signature", &by(b"mine"))]).status, 401);
    assert_eq!(asana.send(events, &[("x-hook-signature", &by(b"theirs"))]).status, 200);

    for source in [&slack, &meta, &zoom, &ebay] {
        assert!(source.messages().is_empty(), "{}", source.path);
    }
    assert_eq!(asana.messages().len(), 1);
}

#[test]
fn no_answer_to_a_handshake_is_a_signature_of_an_event() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let make = |kind: &str, config: Value| Source::new(&api, &receiver, kind, &config, &json!({}));

    // What X signs is the body itself: a body that could be a challenge is no event.
    let x = make("x", secret(SECRET));
    let token = x.call("GET", "?crc_token=for-you", b"", &[]).json()["response_token"].clone();
    let token = token.as_str().expect("a token").to_owned();
    assert_eq!(token, format!("sha256={}", BASE64.encode(hmac(SECRET.as_bytes(), b"for-you"))));
    assert_eq!(x.send(b"for-you", &[("x-twitter-webhooks-signature", &token)]).status, 401);
    let event = "%7B%22for_user_id%22%3A%221%22%7D";
    assert_eq!(x.call("GET", &format!("?crc_token={event}"), b"", &[]).status, 400, "no event is signed");

    // Zoom signs `v0:time:body`: no challenge has a colon.
    let zoom = make("zoom", secret(SECRET));
    let ts = unix_ms() / 1_000;
    let challenge =
        json!({ "event": "endpoint.url_validation", "payload": { "plainToken": format!("v0:{ts}:{{}}") } });
    assert_eq!(zoom.send(challenge.to_string().as_bytes(), &[]).status, 400);

    let braintree =
        make("braintree", json!({ "secret": "the private key", "params": { "public_key": "public" } }));
    let payload = BASE64.encode("<notification/>");
    let refused = braintree.call("GET", &format!("?bt_challenge={}", payload.replace('=', "%3D")), b"", &[]);
    assert!(refused.status >= 400, "{refused:?}");

    // What is only said back is never interpreted.
    let dropbox = make("dropbox", secret(SECRET));
    let echo = dropbox.call("GET", "?challenge=%3Cscript%3E1%3C%2Fscript%3E", b"", &[]);
    assert!(echo.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{echo:?}");
    assert_eq!(echo.header("x-content-type-options"), Some("nosniff"));
    for source in [&x, &zoom, &braintree, &dropbox] {
        assert!(source.messages().is_empty(), "{}", source.path);
    }
}

#[test]
fn a_source_has_limits() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let limits = json!({ "maxBodyBytes": 100, "rateLimit": { "limit": 5, "window": "minute" } });
    let source = Source::new(&gateway.tenant(), &receiver, "github", &secret(SECRET), &limits);
    let large = source.send(&[b' '; 101], &[]);
    assert_eq!((large.status, large.json()["code"].as_str()), (413, Some("payload_too_large")));
    let put = source.call("PUT", "", b"{}", &[]);
    assert_eq!((put.status, put.header("allow")), (405, Some("POST")));
    for n in 0..4 {
        assert_eq!(push(&source, &n.to_string(), b"{}"), 200, "{n}");
    }
    let limited = source.send(b"{}", &[]);
    assert_eq!((limited.status, limited.json()["code"].as_str()), (429, Some("rate_limit_exceeded")));
    let wait: u64 = limited.header("retry-after").and_then(|s| s.parse().ok()).expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    source.delivered(&receiver, 4);
}

#[test]
fn a_rotated_url_lives_for_its_overlap_and_nothing_else_is_one() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let mut source = Source::new(&api, &receiver, "github", &secret(SECRET), &json!({}));
    assert_eq!(push(&source, "d1", b"{}"), 200);
    let rotate = format!("{BASE}/{}/token/rotate", source.id);
    let (status, rotated) = api.post(&rotate, &json!({}));
    assert_eq!(status, 200, "{rotated}");
    let first = std::mem::replace(&mut source.url, text(&rotated, "ingestUrl"));
    assert_eq!(push(&source, "d2", b"{}"), 200);
    let second = std::mem::replace(&mut source.url, first.clone());
    assert_eq!(push(&source, "d3", b"{}"), 200, "the URL of before is still good");
    let (_, rotated) = api.post(&format!("{rotate}?grace_period_seconds=0"), &json!({}));
    for dead in [&first, &second] {
        source.url.clone_from(dead);
        assert_eq!(push(&source, "d4", b"{}"), 404);
    }
    source.url = text(&rotated, "ingestUrl");
    assert_eq!(push(&source, "d5", b"{}"), 200);
    let good = source.url.clone();
    let (head, tail) = good.split_at(good.len() - 10);
    for garbage in
        [format!("{head}AAAAAAAAAA"), head.to_owned(), format!("{good}x"), format!("{}/in/", api.url())]
    {
        assert_ne!(garbage, good);
        source.url = garbage;
        let reply = source.send(b"{}", &[]);
        assert_eq!((reply.status, reply.json()["code"].as_str()), (404, Some("not_found")), "{tail}");
    }
    for _ in 0..3 {
        assert_eq!(api.post(&rotate, &json!({})).0, 200);
    }
    let (status, error) = api.post(&rotate, &json!({}));
    assert_eq!(status, 400, "{error}");
    assert_eq!(source.messages().len(), 4);
}

#[test]
fn options_decide_what_is_delivered() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    // Chosen headers go along, and signatures of the provider's do not.
    let options = json!({ "forwardHeaders": ["X-GitHub-Event", "x-trace"] });
    let source = Source::new(&api, &receiver, "github", &secret(SECRET), &options);
    let signature = github(b"{}");
    let headers =
        [("x-hub-signature-256", signature.as_str()), ("x-github-event", "push"), ("x-trace", "t1")];
    assert_eq!(source.send(b"{}", &headers).status, 200);
    let got = &source.delivered(&receiver, 1)[0];
    assert_eq!((got.header("x-github-event"), got.header("x-trace")), (Some("push"), Some("t1")));
    assert_eq!(got.header("x-hub-signature-256"), None);

    // A form as it came, and something that is no JSON.
    let raw = Source::new(
        &api,
        &receiver,
        "generic-webhook",
        &json!({}),
        &json!({ "form": "raw", "eventType": "in.form" }),
    );
    let form = "application/x-www-form-urlencoded";
    assert_eq!(raw.send(b"a=1&b=%20", &[("content-type", form)]).status, 200);
    let got = &raw.delivered(&receiver, 1)[0];
    assert_eq!((got.header("content-type"), &got.body[..]), (Some(form), &b"a=1&b=%20"[..]));
    assert_eq!(raw.call("PUT", "", b"\xff\x00<a/>", &[("content-type", "text/xml")]).status, 200);
    let got = &raw.delivered(&receiver, 2)[1];
    assert_eq!((got.header("content-type"), &got.body[..]), (Some("text/xml"), &b"\xff\x00<a/>"[..]));
    assert_eq!(raw.messages()[1]["eventType"], "in.form");

    // An array as one message.
    let keep = Source::new(&api, &receiver, "mailabl", &secret(SECRET), &json!({ "batch": "keep" }));
    let body = br#"[{"id":"1","type":"a"},{"id":"2","type":"b"}]"#;
    let signature = hex(&Sha256::digest([SECRET.as_bytes(), body].concat()));
    assert_eq!(keep.send(body, &[("x-mailabl-signature", &signature)]).status, 200);
    assert_eq!(&keep.delivered(&receiver, 1)[0].body[..], body);

    // What is not signed right is delivered, and says so.
    let lax = Source::new(&api, &receiver, "github", &secret("another"), &json!({ "unverified": "accept" }));
    assert_eq!(push(&lax, "d1", b"{}"), 200);
    lax.delivered(&receiver, 1);
    let ingest = &lax.messages()[0]["ingest"];
    assert_eq!((&ingest["verdict"], &ingest["reason"]), (&json!("failed"), &json!("mismatch")));
    assert!(lax.rejected().is_empty());

    // A scheme of one's own.
    let custom = json!({ "secret": SECRET, "custom": {
        "scheme": { "kind": "signature", "at": ["header:x-mine"], "algorithm": "hmac-sha256", "encoding": "hex", "content": "{body}" },
        "event": { "type": "json:what", "id": "json:key" } } });
    let own = Source::new(&api, &receiver, "custom", &custom, &json!({}));
    let body = br#"{"what":"thing.done","key":"k1"}"#;
    assert_eq!(own.send(body, &[("x-mine", "00")]).status, 401);
    assert_eq!(own.send(body, &[("x-mine", &hex(&hmac(SECRET.as_bytes(), body)))]).status, 200);
    own.delivered(&receiver, 1);
    let message = &own.messages()[0];
    assert_eq!((&message["eventType"], &message["eventId"]), (&json!("thing.done"), &json!("k1")));
}

#[test]
fn sources_are_made_read_changed_and_deleted() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let (_, empty) = api.get(BASE);
    assert_eq!(empty, json!({ "data": [], "iterator": null, "prevIterator": null, "done": true }));
    let wrong = [
        (json!({ "name": "", "type": "github" }), "name"),
        (json!({ "name": "a", "type": "gitbuh" }), "Perhaps: "),
        (
            json!({ "name": "a", "type": "cron", "config": { "schedule": "* * * * *", "payload": "{}" } }),
            "no clock",
        ),
        (json!({ "name": "a", "type": "vgs", "config": secret(SECRET) }), "Use the type 'custom'"),
        (json!({ "name": "a", "type": "kinde" }), "give it as 'domain'"),
        (json!({ "name": "a", "type": "custom" }), "needs a scheme"),
        (json!({ "name": "a", "type": "svix", "config": { "secret": "whsec_" } }), "config"),
        (
            json!({ "name": "a", "type": "github", "options": { "forwardHeaders": ["svix-id"] } }),
            "forwardHeaders",
        ),
        (json!({ "name": "a", "type": "github", "options": { "maxBodyBytes": 0 } }), "maxBodyBytes"),
        (json!({ "name": "a", "type": "github", "options": { "batch": "half" } }), "batch"),
    ];
    for (body, hint) in wrong {
        let (status, error) = api.post(BASE, &body);
        assert_eq!(status, 422, "{body}: {error}");
        assert!(error.to_string().contains(hint), "{body}: {error}");
    }
    let body = json!({ "name": "in", "uid": "mine", "type": "github", "config": secret(SECRET), "metadata": { "a": "b" } });
    let (status, made) = api.post(BASE, &body);
    assert_eq!(status, 201, "{made}");
    assert_eq!(
        (&made["type"], &made["config"], &made["preset"]),
        (&json!("github"), &json!({}), &json!("github"))
    );
    assert!(!made.to_string().contains(SECRET), "{made}");
    assert_eq!(api.post(BASE, &body).0, 409);
    let id = text(&made, "id");
    assert_eq!(api.get(&format!("{BASE}/mine")).1, made);
    assert_eq!(api.get(&format!("/api/v1/ingest/source/{id}")).1, made, "Weir's other paths lead there, too");
    assert_eq!(column(&api.get(BASE).1, "id"), [id.as_str()]);
    // PUT keeps the URL, and the secret where none is given.
    let (status, put) =
        api.put(&format!("{BASE}/mine"), &json!({ "name": "new", "uid": "mine", "type": "github" }));
    assert_eq!((status, &put["name"], &put["ingestUrl"]), (200, &json!("new"), &made["ingestUrl"]), "{put}");
    assert_eq!((&put["secrets"], &put["metadata"]), (&json!(1), &json!({})));
    let (status, other) =
        api.put(&format!("{BASE}/other"), &json!({ "name": "o", "type": "generic-webhook" }));
    assert_eq!((status, &other["uid"]), (201, &json!("other")), "{other}");
    assert_eq!(
        api.put(&format!("{BASE}/{id}"), &json!({ "name": "n", "uid": "other", "type": "github" })).0,
        409
    );

    // Its application is in no list, and no path of applications leads there.
    assert!(list(&api.get("/api/v1/app").1).is_empty());
    for path in
        [format!("/api/v1/app/{id}"), format!("/api/v1/app/{id}/endpoint"), format!("/api/v1/app/{id}/msg")]
    {
        assert_eq!(api.get(&path).0, 404, "{path}");
    }
    let message = json!({ "eventType": "a", "payload": {} });
    assert_eq!(api.post(&format!("/api/v1/app/{id}/msg"), &message).0, 404);
    assert_eq!(api.post(&format!("{BASE}/{id}/msg"), &message).0, 405, "messages come in at its URL only");
    assert_eq!(api.as_stranger().get(&format!("{BASE}/{id}")).0, 404);
    assert_eq!(api.as_stranger().get(&format!("{BASE}/{id}/endpoint")).0, 404);

    // A token for its portal reaches this source and no other.
    let (status, portal) = api.post(&format!("{BASE}/{id}/dashboard"), &json!({ "readOnly": true }));
    assert_eq!(status, 200, "{portal}");
    let guest = api.with_token(text(&portal, "token"));
    assert_eq!(guest.get(&format!("{BASE}/{id}/endpoint")).0, 200);
    assert_eq!(guest.get(&format!("{BASE}/mine/rejected")).0, 200);
    assert_eq!(guest.post(&format!("{BASE}/{id}/endpoint"), &json!({ "url": receiver.url("/") })).0, 403);
    assert_eq!(guest.get(&format!("{BASE}/other/endpoint")).0, 404);
    assert_eq!((guest.get(BASE).0, guest.get(&format!("{BASE}/{id}")).0), (403, 403));

    assert_eq!(api.delete(&format!("{BASE}/mine")).0, 204);
    assert_eq!((api.get(&format!("{BASE}/mine")).0, api.delete(&format!("{BASE}/{id}")).0), (404, 404));
    assert_eq!(api.get(&format!("{BASE}/{id}/endpoint")).0, 404);
    let url = text(&made, "ingestUrl");
    let path = url.strip_prefix(api.url()).expect("the gateway's");
    assert_eq!(api.call("POST", path, Some(b"{}"), &[]).status, 404);
}

#[test]
fn what_comes_in_is_replayed_and_operated_like_any_message() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let ops = receiver.url("/ops");
    let made = api.post("/api/v1/operational-webhook/endpoint", &json!({ "url": ops }));
    assert_eq!(made.0, 201, "{}", made.1);
    let source = Source::new(&api, &receiver, "github", &secret(SECRET), &json!({}));
    let told = receiver.wait_for("/ops", 1, SOON);
    let event: Value = serde_json::from_slice(&told[0].body).expect("json");
    assert_eq!(
        (&event["type"], &event["data"]["sourceId"]),
        (&json!("ingest.endpoint.created"), &json!(source.id))
    );
    assert_eq!(push(&source, "d1", b"{\"n\":1}"), 200);
    source.delivered(&receiver, 1);
    let message = text(&source.messages()[0], "id");
    let endpoint = text(&list(&source.get("endpoint"))[0], "id");
    let path = format!("{BASE}/{}/msg/{message}/endpoint/{endpoint}/resend", source.id);
    assert_eq!(api.post(&path, &json!({})).0, 202);
    let twice = source.delivered(&receiver, 2);
    assert_eq!(twice[0].body, twice[1].body);
    let attempts = format!("{BASE}/{}/attempt/msg/{message}", source.id);
    let attempts = api.until(&attempts, SOON, |body| list(body).len() == 2);
    assert_eq!(attempts["data"][0]["status"], 0, "{attempts}");
}

#[test]
fn kinds_of_svixs_take_the_configuration_that_its_sdks_send() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let key = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/scheme/keys/");
        std::fs::read_to_string(format!("{path}{name}")).expect("a key")
    };
    let orum = json!({ "publicKey": key("rsa.pub.pem") });
    // The kind, its configuration, what signs, an event, and its type and verdict.
    for (kind, config, private, body, event_type, verdict) in [
        (
            "checkbook",
            secret(SECRET),
            SECRET.to_owned(),
            r#"{"status":"PAID","type":"CHECK"}"#,
            "CHECK",
            "verified",
        ),
        ("nango", secret(SECRET), SECRET.to_owned(), r#"{"type":"auth"}"#, "auth", "verified"),
        ("openclaw", secret("a t0ken"), "a t0ken".to_owned(), "{}", "openclaw.event", "authenticated"),
        (
            "orum-io",
            orum,
            key("rsa.pem"),
            r#"{"event_type":"a_b","created_at":"2022-07-26T18:45:17.441Z"}"#,
            "a_b",
            "verified",
        ),
        (
            "vapi",
            secret("a t0ken"),
            "a t0ken".to_owned(),
            r#"{"message":{"type":"end-of-call-report"}}"#,
            "end-of-call-report",
            "authenticated",
        ),
        ("veriff", secret(SECRET), SECRET.to_owned(), r#"{"action":"submitted"}"#, "submitted", "verified"),
    ] {
        let source = Source::new(&api, &receiver, kind, &config, &json!({}));
        let sent = signed(kind, &private, body.as_bytes(), &[], &Params::new());
        assert_eq!(source.send_signed(&sent).status, 200, "{kind}");
        assert_eq!(&source.delivered(&receiver, 1)[0].body[..], body.as_bytes(), "{kind}");
        let message = &source.messages()[0];
        assert_eq!(
            (&message["eventType"], &message["ingest"]["verdict"]),
            (&json!(event_type), &json!(verdict)),
            "{kind}"
        );
        let other = if verdict == "verified" {
            sent.with_body(body.replace('e', "f"))
        } else {
            signed(kind, "another", body.as_bytes(), &[], &Params::new())
        };
        assert_eq!(source.send_signed(&other).status, 401, "{kind}");
    }
}

#[test]
fn what_is_no_json_does_not_break_the_arrays_of_an_endpoint_with_batches() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "generic-webhook", &json!({}), &json!({}));
    let batched = json!({ "url": receiver.url("/batched"), "batch": { "maxEvents": 2, "maxWaitMs": 300 }, "retrySchedule": [] });
    let endpoint = id_of(source.api.post(&format!("{BASE}/{}/endpoint", source.id), &batched), 201);
    let (json, xml) = ("application/json", "text/xml");
    for (body, kind) in [(r#"{"n":1}"#, json), ("<a/>", xml), (r#"{"n":2}"#, json), (r#"{"n":"#, json)] {
        assert_eq!(source.send(body.as_bytes(), &[("content-type", kind)]).status, 200, "{body}");
    }
    source.delivered(&receiver, 4);
    let path = format!("{BASE}/{}/attempt/endpoint/{endpoint}", source.id);
    let attempts = source.api.until(&path, SOON, |page| list(page).len() == 4);
    let refused: Vec<&Value> = list(&attempts).iter().filter(|attempt| attempt["status"] == 2).collect();
    assert_eq!(refused.len(), 2, "{attempts}");
    for attempt in refused {
        assert_eq!(attempt["responseStatusCode"], 0, "{attempt}");
        assert!(text(attempt, "response").contains("this payload is not JSON"), "{attempt}");
    }
    let mut items: Vec<Value> = receiver
        .received("/batched")
        .iter()
        .flat_map(|one| serde_json::from_slice::<Vec<Value>>(&one.body).expect("an array"))
        .collect();
    items.sort_by_key(ToString::to_string);
    assert_eq!(items, [json!({ "n": 1 }), json!({ "n": 2 })]);
}

#[test]
fn an_event_that_comes_in_writes_as_few_rows_as_any() {
    let (gateway, receiver) = (Running::start(&[]), Receiver::start());
    let api = gateway.tenant();
    let source = Source::new(&api, &receiver, "github", &secret(SECRET), &json!({}));
    let object = format!("App:{}/{}", api.org, source.id);
    #[allow(clippy::cast_precision_loss)] // some hundreds
    let rows = || gateway.emulator().stats().object(&object).rows_written as f64;
    assert_eq!(push(&source, "first", b"{}"), 200);
    source.delivered(&receiver, 1);
    let before = rows();
    (0..50).for_each(|n| assert_eq!(push(&source, &n.to_string(), b"{}"), 200));
    let (written, messages) = (rows() - before, 50.0);
    // The message and the index entry of its id; cursors and alarms are shared.
    assert!(
        (2.0 * messages..2.0 * messages + 10.0).contains(&written),
        "{written} rows for {messages} events"
    );
    // What came before writes nothing but its place in the list of what was not delivered, which takes ten at once.
    let before = rows();
    (0..40).for_each(|n| assert_eq!(push(&source, &n.to_string(), b"{}"), 200));
    assert!(rows() - before < 15.0, "{}", rows() - before);
    source.delivered(&receiver, 51);
}

#[test]
fn a_repeat_is_answered_as_the_first_was_and_listed() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let source = Source::new(&api, &receiver, "github", &secret(SECRET), &json!({}));
    for _ in 0..3 {
        assert_eq!(push(&source, "d1", b"{\"n\":1}"), 200);
    }
    assert_eq!(push(&source, "d2", b"{\"n\":1}"), 200);
    source.delivered(&receiver, 2);
    let listed = source.rejected();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let first = source.messages().pop().expect("a message");
    for one in &listed {
        assert_eq!(one["reason"]["code"], "duplicate");
        let detail = one["reason"]["detail"].as_str().expect("a sentence");
        assert!(detail.contains(&text(&first, "id")), "{detail}");
    }
    // Whoever knows better takes it all the same.
    let id = text(&listed[0], "id");
    let (status, taken) = api.post(&format!("{BASE}/{}/rejected/{id}/accept", source.id), &json!({}));
    assert_eq!(status, 202, "{taken}");
    source.delivered(&receiver, 3);
    let newest = source.messages().remove(0);
    assert_eq!(
        (&newest["ingest"]["verdict"], &newest["ingest"]["acceptedByHand"]),
        (&json!("verified"), &json!(true))
    );
}

#[test]
fn different_orders_within_a_second_all_arrive() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "woocommerce", &secret(SECRET), &json!({}));
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        source.send(b"webhook_id=17", &[form]).status,
        200,
        "the first request asks whether anybody is there"
    );
    for order in 1001..1004 {
        let body = format!("{{\"id\":{order}}}");
        let signature = BASE64.encode(hmac(SECRET.as_bytes(), body.as_bytes()));
        let headers = [
            ("x-wc-webhook-signature", signature.as_str()),
            ("x-wc-webhook-topic", "order.created"),
            ("x-wc-webhook-delivery-id", "one for the second"),
        ];
        assert_eq!(source.send(body.as_bytes(), &headers).status, 200);
    }
    let mut bodies: Vec<String> = source
        .delivered(&receiver, 3)
        .iter()
        .map(|one| String::from_utf8_lossy(&one.body).into_owned())
        .collect();
    bodies.sort();
    assert_eq!(bodies, [r#"{"id":1001}"#, r#"{"id":1002}"#, r#"{"id":1003}"#]);
}

#[test]
fn what_providers_ask_before_they_send_is_answered_and_nothing_is_stored() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let made = |kind: &str, config: &Value| Source::new(&api, &receiver, kind, config, &json!({}));
    let form = ("content-type", "application/x-www-form-urlencoded");

    let slack = made("slack", &secret(SECRET));
    assert_eq!(slack.send(b"ssl_check=1&token=x", &[form]).status, 200);

    let notion = made("notion", &json!({}));
    assert_eq!(notion.send(br#"{"verification_token":"secret_of_notion"}"#, &[]).status, 200);
    assert_eq!(
        notion.send(br#"{"verification_token":"secret_of_a_stranger"}"#, &[]).status,
        403,
        "adopted once"
    );
    let event = br#"{"id":"e1","type":"page.created","timestamp":"2026-11-30T00:00:00.000Z"}"#;
    let signature = format!("sha256={}", hex(&hmac(b"secret_of_notion", event)));
    assert_eq!(notion.send(event, &[("x-notion-signature", &signature)]).status, 200);
    notion.delivered(&receiver, 1);

    let xero = made("xero", &secret(SECRET));
    let refused = xero.send(br#"{"events":[]}"#, &[("x-xero-signature", "AAAA")]);
    assert_eq!((refused.status, refused.text.as_str()), (401, ""));

    let linkedin = made("linkedin", &secret(SECRET));
    let code = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    let answer = linkedin.call("GET", &format!("?challengeCode={code}"), b"", &[]);
    let said: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(
        said,
        json!({ "challengeCode": code, "challengeResponse": hex(&hmac(SECRET.as_bytes(), code.as_bytes())) })
    );

    let front = made("front", &secret(SECRET));
    let answer = front.send(b"{}", &[("x-front-challenge", "c-1")]);
    assert_eq!((answer.status, answer.text.as_str()), (200, "c-1"));

    let graph = made("microsoft-graph", &secret("the client state"));
    let answer = graph.call("POST", "?validationtoken=abc%20d", b"", &[]);
    assert_eq!((answer.status, answer.text.as_str()), (200, "abc d"));

    for kind in ["azure-event-grid", "cloudevents", "generic-webhook"] {
        let source = made(kind, &json!({}));
        let asked =
            source.call("OPTIONS", "", b"", &[("webhook-request-origin", "eventemitter.example.com")]);
        assert_eq!(asked.status, 200, "{kind}");
        assert_eq!(asked.header("webhook-allowed-origin"), Some("eventemitter.example.com"), "{kind}");
        assert_eq!(asked.header("webhook-allowed-rate"), Some("*"), "{kind}");
        assert!(source.messages().is_empty());
    }
    let grid = made("azure-event-grid", &json!({}));
    let validation = br#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6"}}]"#;
    let answer = grid.send(validation, &[("aeg-event-type", "SubscriptionValidation")]);
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text).expect("JSON"),
        json!({ "validationResponse": "512d38b6" })
    );

    let config = json!({ "secret": SECRET, "custom": {
        "scheme": { "kind": "token", "at": "header:x-token" },
        "handshakes": [{ "method": "GET", "challenge": "query:challenge", "answer": { "json": { "echo": "{challenge}" } } }],
    } });
    let custom = made("custom", &config);
    let answer = custom.call("GET", "?challenge=abc", b"", &[]);
    assert_eq!(serde_json::from_str::<Value>(&answer.text).expect("JSON"), json!({ "echo": "abc" }));

    for source in [&slack, &linkedin, &front, &graph, &grid, &custom] {
        assert!(source.messages().is_empty() && source.call("HEAD", "", b"", &[]).status == 200);
    }
}

#[test]
fn forms_marks_and_types_of_their_own_come_through() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let mailgun = Source::new(&api, &receiver, "mailgun", &secret(SECRET), &json!({}));
    let ts = (unix_ms() / 1000).to_string();
    let signature = hex(&hmac(SECRET.as_bytes(), format!("{ts}tok1").as_bytes()));
    let form = format!("recipient=a%40b.example&timestamp={ts}&token=tok1&signature={signature}");
    assert_eq!(
        mailgun.send(form.as_bytes(), &[("content-type", "application/x-www-form-urlencoded")]).status,
        200
    );
    let signature = hex(&hmac(SECRET.as_bytes(), format!("{ts}tok2").as_bytes()));
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file =
        "--b\r\nContent-Disposition: form-data; name=\"attachment-1\"; filename=\"a.bin\"\r\n\r\n\u{1}\r\n";
    let body = [
        field("timestamp", &ts),
        field("token", "tok2"),
        file.into(),
        field("signature", &signature),
        "--b--\r\n".into(),
    ]
    .concat();
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(mailgun.send(body.as_bytes(), &[("content-type", kind)]).status, 200);
    let got = mailgun.delivered(&receiver, 2);
    let multipart = got.iter().find(|one| one.header("content-type") == Some(kind)).expect("as it came");
    assert_eq!(multipart.body, body.as_bytes());

    let marked = Source::new(&api, &receiver, "notion", &secret(SECRET), &json!({}));
    let event = "\u{feff}{\"id\":\"e1\",\"type\":\"a.b\"}";
    let signature = format!("sha256={}", hex(&hmac(SECRET.as_bytes(), event.as_bytes())));
    assert_eq!(marked.send(event.as_bytes(), &[("x-notion-signature", &signature)]).status, 200);
    assert_eq!(marked.delivered(&receiver, 1)[0].body, &event.as_bytes()[3..], "JSON has no byte order mark");

    let open = Source::new(&api, &receiver, "generic-webhook", &json!({}), &json!({}));
    let event = br#"{"id":"1","type":"a.b"}"#;
    assert_eq!(
        open.send(event, &[("content-type", "application/cloudevents+json; charset=utf-8")]).status,
        200
    );
    assert_eq!(
        open.delivered(&receiver, 1)[0].header("content-type"),
        Some("application/cloudevents+json; charset=utf-8")
    );
}
