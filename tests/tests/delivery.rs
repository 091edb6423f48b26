//! Delivery: what a receiver gets and when, how it is signed, and what is recorded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, SigningKey, Verifier, VerifyingKey};
use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{id_of, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::json::{assert_same_bytes, message_with};
use weir_tests::receiver::{Answer, Received, Receiver, unix_ms};
use weir_tests::verify;

const SOON: Duration = Duration::from_secs(10);
/// How long nothing may come where nothing is to come: more than the whole retry schedule of these tests.
const QUIET: Duration = Duration::from_millis(1500);
/// What a busy machine may add to any wait.
const SLACK: f64 = 2.0;
/// What the clocks of two processes and the way between them may take off a wait.
const EARLY: f64 = 0.01;

fn http_headers(request: &Received) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in &request.headers {
        map.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    map
}

/// Seconds between one arrival and the next.
fn gaps(requests: &[Received]) -> Vec<f64> {
    requests.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
}

/// Asserts that a wait is the step of a schedule, with its jitter of 20 %.
#[track_caller]
fn assert_step(gap: f64, step: f64) {
    let (least, most) = (step * 0.8 - EARLY, step * 1.2 + SLACK);
    assert!((least..=most).contains(&gap), "waited {gap:.3} s where the schedule says {step} s ± 20 %");
}

fn status_of(attempt: &Value) -> (u64, u64) {
    (attempt["status"].as_u64().unwrap_or(99), attempt["responseStatusCode"].as_u64().unwrap_or(9999))
}

// ---- the request --------------------------------------------------------------------------------------------

#[test]
fn the_payload_arrives_byte_for_byte() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let payload = "{ \"z\" : 1.0, \"a\":1e3,\"a\":2, \"\\u00e9\": \"\\/ é \u{1f980} \\ud83e\\udd80\",\n\t\"big\":123456789012345678901234567890,\"neg\":-0.0 , \"e\":[ ],\"o\":{ } }";
    let id = api.send(&app, payload);
    let got = receiver.wait_for_one("/", SOON);
    assert_same_bytes(&got.body, payload.as_bytes(), "the payload");
    assert_eq!(got.message_id(), Some(id.as_str()));
}

#[test]
fn the_request_is_a_post_with_the_headers_of_the_field() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/in?tenant=1"));
    let id = api.send(&app, "{}");
    let got = receiver.wait_for_one("/in", SOON);
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/in?tenant=1"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.header("user-agent").is_some_and(|agent| agent.contains("Weir")), "{:?}", got.headers);
    assert_eq!(got.header("svix-id"), Some(id.as_str()));
    let stamp: i64 = got.header("svix-timestamp").unwrap().parse().unwrap();
    assert!((unix_ms() / 1000 - stamp).abs() < 30, "{stamp}");
    let leaked: Vec<_> = got
        .headers
        .iter()
        .filter(|(name, value)| {
            name == "authorization" || name.starts_with("cf-") || value.contains(&api.token)
        })
        .collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

#[test]
fn custom_headers_go_along() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let given = json!({ "headers": { "X-Team": "billing", "Authorization": "Bearer theirs" } });
    assert_eq!(api.put(&format!("/api/v1/app/{app}/endpoint/{endpoint}/headers"), &given).0, 204);
    api.send(&app, "{}");
    let got = receiver.wait_for_one("/", SOON);
    assert_eq!((got.header("x-team"), got.header("authorization")), (Some("billing"), Some("Bearer theirs")));
}

#[test]
fn the_profile_of_headers_is_a_setting() {
    for (profile, svix, standard) in [("svix", true, false), ("standard", false, true), ("both", true, true)]
    {
        let gateway = Running::start(&[("HEADER_PROFILE", profile)]);
        let receiver = Receiver::start();
        let api = gateway.tenant();
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url("/"));
        let secret = api.secret(&app, &endpoint);
        let id = api.send(&app, r#"{"n":1}"#);
        let got = receiver.wait_for_one("/", SOON);
        for (family, expected) in [("svix", svix), ("webhook", standard)] {
            let there = got.headers.iter().any(|(name, _)| name.starts_with(&format!("{family}-")));
            assert_eq!(there, expected, "{family}-* with the profile {profile}: {:?}", got.headers);
            if there {
                assert_eq!(verify::signed(&got, family).0, id);
                assert!(verify::is_signed_by(&got, family, &secret), "{profile}: {:?}", got.headers);
            }
        }
        if svix {
            let webhook = svix::webhooks::Webhook::new(&secret).unwrap();
            webhook.verify(&got.body, &http_headers(&got)).unwrap();
        }
        if standard {
            let webhook = standardwebhooks::Webhook::new(&secret).unwrap();
            webhook.verify(&got.body, &http_headers(&got)).unwrap();
        }
    }
}

// ---- signatures ---------------------------------------------------------------------------------------------

#[test]
fn svix_own_library_verifies_the_signature_and_sees_a_changed_body() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let webhook = svix::webhooks::Webhook::new(&api.secret(&app, &endpoint)).unwrap();
    api.send(&app, r#"{"amount":10}"#);
    let got = receiver.wait_for_one("/", SOON);
    webhook.verify(&got.body, &http_headers(&got)).unwrap();
    webhook.verify(br#"{"amount":11}"#, &http_headers(&got)).unwrap_err();
}

#[track_caller]
fn assert_ed25519(got: &Received, public: &str) {
    let key = STANDARD.decode(public.strip_prefix("whpk_").expect("a public key begins with whpk_")).unwrap();
    let key = VerifyingKey::from_bytes(&key.try_into().expect("32 bytes")).unwrap();
    let (id, timestamp, list) = verify::signed(got, "svix");
    let signature = list.split(' ').find_map(|one| one.strip_prefix("v1a,")).expect("a v1a signature");
    let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
    let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &got.body[..]].concat();
    key.verify(&content, &signature).unwrap();
    key.verify(&content[1..], &signature).unwrap_err();
}

#[test]
fn a_private_key_signs_with_ed25519_and_shows_its_public_half() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let key = SigningKey::from_bytes(&[7; 32]);
    let secret = format!("whsk_{}", STANDARD.encode(key.to_keypair_bytes()));
    let endpoint = api.endpoint_with(&app, &receiver.url("/"), &json!({ "secret": secret }));
    let public = api.secret(&app, &endpoint);
    assert_eq!(public, format!("whpk_{}", STANDARD.encode(key.verifying_key().to_bytes())));
    api.send(&app, r#"{"n":1}"#);
    assert_ed25519(&receiver.wait_for_one("/", SOON), &public);
}

#[test]
fn ed25519_can_be_the_default_of_new_endpoints() {
    let gateway = Running::start(&[("DEFAULT_SIGNATURE", "ed25519")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    api.send(&app, r#"{"n":1}"#);
    assert_ed25519(&receiver.wait_for_one("/", SOON), &api.secret(&app, &endpoint));
}

#[test]
fn after_a_rotation_the_new_secret_signs_first_and_the_old_one_still_does() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let rotate = format!("/api/v1/app/{app}/endpoint/{endpoint}/secret/rotate");
    let mut secrets = vec![api.secret(&app, &endpoint)];
    for _ in 0..2 {
        assert_eq!(api.post(&rotate, &json!({})).0, 200);
        secrets.insert(0, api.secret(&app, &endpoint)); // newest first
    }
    api.send(&app, r#"{"n":1}"#);
    let got = receiver.wait_for_one("/", SOON);
    let (id, timestamp, list) = verify::signed(&got, "svix");
    let expected: Vec<_> = secrets
        .iter()
        .map(|secret| format!("v1,{}", verify::hmac(secret, &id, &timestamp, &got.body)))
        .collect();
    assert_eq!(list.split(' ').collect::<Vec<_>>(), expected);
    for secret in &secrets {
        svix::webhooks::Webhook::new(secret).unwrap().verify(&got.body, &http_headers(&got)).unwrap();
    }
}

#[test]
fn a_rotation_without_grace_ends_the_old_secret_at_once() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let old = api.secret(&app, &endpoint);
    let rotate = format!("/api/v1/app/{app}/endpoint/{endpoint}/secret/rotate");
    assert_eq!(api.post(&rotate, &json!({ "gracePeriodSeconds": 0 })).0, 200);
    api.send(&app, r#"{"n":1}"#);
    let got = receiver.wait_for_one("/", SOON);
    assert!(verify::is_signed_by(&got, "svix", &api.secret(&app, &endpoint)));
    assert!(!verify::is_signed_by(&got, "svix", &old));
}

#[test]
fn a_rotation_may_change_the_kind_of_signature() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let old = api.secret(&app, &endpoint);
    let key = format!("whsk_{}", STANDARD.encode(SigningKey::from_bytes(&[9; 32]).to_keypair_bytes()));
    let (status, body) =
        api.post(&format!("/api/v1/app/{app}/endpoint/{endpoint}/secret/rotate"), &json!({ "key": key }));
    assert_eq!(status, 200, "{body}");
    api.send(&app, r#"{"n":1}"#);
    let got = receiver.wait_for_one("/", SOON);
    assert_ed25519(&got, &api.secret(&app, &endpoint));
    assert!(verify::is_signed_by(&got, "svix", &old), "the old secret still signs beside it");
}

// ---- success and failure ------------------------------------------------------------------------------------

#[test]
fn only_2xx_is_success() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let cases = [
        (200, 0),
        (201, 0),
        (202, 0),
        (204, 0),
        (299, 0),
        (300, 2),
        (304, 2),
        (400, 2),
        (401, 2),
        (404, 2),
        (418, 2),
        (500, 2),
        (503, 2),
        (599, 2),
    ];
    let sent: Vec<_> = cases
        .iter()
        .map(|&(code, expected)| {
            let path = format!("/{code}");
            receiver.always(&path, Answer::status(code));
            let app = api.app();
            api.endpoint(&app, &receiver.url(&path));
            let message = api.send(&app, "{}");
            (app, message, code, expected)
        })
        .collect();
    for (app, message, code, expected) in sent {
        let n = if expected == 0 { 1 } else { 3 };
        for attempt in api.attempts(&app, &message, n, SOON) {
            assert_eq!(status_of(&attempt), (expected, u64::from(code)), "{attempt}");
        }
        receiver.wait_for(&format!("/{code}"), n, SOON);
    }
}

#[test]
fn redirects_are_recorded_not_followed() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    for code in [301, 302, 307, 308] {
        let app = api.app();
        let path = format!("/{code}");
        receiver.always(&path, Answer::status(code).header("location", receiver.url("/elsewhere")));
        api.endpoint(&app, &receiver.url(&path));
        let message = api.send(&app, "{}");
        for attempt in api.attempts(&app, &message, 3, SOON) {
            assert_eq!(status_of(&attempt), (2, u64::from(code)), "{attempt}");
        }
    }
    assert_eq!(receiver.count("/elsewhere"), 0);
}

#[test]
fn a_receiver_that_never_answers_fails_at_the_timeout() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/", Answer::hang());
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    let attempts = api.attempts(&app, &message, 3, Duration::from_secs(20));
    for attempt in attempts {
        assert_eq!(attempt["status"], 2, "{attempt}");
        let took = attempt["responseDurationMs"].as_u64().unwrap();
        assert!((900..4000).contains(&took), "the timeout is one second: {attempt}");
    }
    receiver.settles_at("/", 3, QUIET);
}

#[test]
fn a_body_that_does_not_end_is_cut_off_at_the_timeout_and_the_status_counts() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    for (path, status, outcome, attempts) in
        [("/ok", 200, 0, 1), ("/failed", 500, 2, 3), ("/gone", 410, 2, 1)]
    {
        receiver.always(path, Answer::status(status).drip("drip ", Duration::from_millis(100), 1000));
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url(path));
        let message = api.send(&app, "{}");
        for attempt in api.attempts(&app, &message, attempts, Duration::from_secs(20)) {
            assert_eq!(
                (&attempt["status"], &attempt["responseStatusCode"]),
                (&json!(outcome), &json!(status)),
                "{path}: {attempt}"
            );
            let took = attempt["responseDurationMs"].as_u64().unwrap();
            assert!((900..4000).contains(&took), "{path}: {attempt}");
            assert!(text(&attempt, "response").starts_with("drip drip"), "{path}: {attempt}");
        }
        receiver.settles_at(path, attempts, QUIET);
        let disabled = &api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}")).1["disabled"];
        assert_eq!(disabled, &json!(status == 410), "{path}");
    }
}

#[test]
fn a_connection_that_is_closed_or_refused_is_a_failed_attempt() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/", Answer::close());
    let api = gateway.tenant();
    let closed = api.app();
    api.endpoint(&closed, &receiver.url("/"));
    let refused = api.app();
    let gone = Receiver::start();
    api.endpoint(&refused, &gone.url("/"));
    drop(gone);
    for app in [closed, refused] {
        let message = api.send(&app, "{}");
        for attempt in api.attempts(&app, &message, 3, SOON) {
            assert_eq!(status_of(&attempt), (2, 0), "{attempt}");
            assert!(
                attempt["response"].as_str().is_some_and(|why| !why.is_empty()),
                "with its reason: {attempt}"
            );
        }
    }
    receiver.settles_at("/", 3, QUIET);
}

#[test]
fn what_the_receiver_said_is_stored_up_to_16_kib() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/huge", Answer::ok().body("0123456789abcdef".repeat(64 << 10)));
    receiver.always("/binary", Answer::ok().body(vec![0xff, 0xfe, 0x00, 0x80, b'a']));
    receiver.always("/slow", Answer::ok().after(Duration::from_millis(200)));
    let api = gateway.tenant();
    let attempt = |path: &str| {
        let app = api.app();
        api.endpoint(&app, &receiver.url(path));
        let message = api.send(&app, "{}");
        api.attempts(&app, &message, 1, SOON).remove(0)
    };
    let huge = attempt("/huge");
    assert_eq!(huge["status"], 0, "a body beyond the cap is still a success");
    let stored = text(&huge, "response");
    assert!(
        stored.starts_with("0123456789abcdef") && (1..=16 << 10).contains(&stored.len()),
        "{} bytes",
        stored.len()
    );
    assert_eq!(attempt("/binary")["status"], 0);
    let slow = attempt("/slow");
    assert!(slow["responseDurationMs"].as_u64().is_some_and(|ms| (190..5000).contains(&ms)), "{slow}");
}

// ---- retries ------------------------------------------------------------------------------------------------

#[test]
fn retries_follow_the_schedule() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "0.3,0.6,1.2")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    let got = receiver.wait_for("/", 4, Duration::from_secs(20));
    for (gap, step) in gaps(&got).into_iter().zip([0.3, 0.6, 1.2]) {
        assert_step(gap, step);
    }
    for request in &got {
        assert_eq!(request.message_id(), Some(message.as_str()), "the id is the same in every attempt");
        assert_eq!(request.body, got[0].body);
    }
}

#[test]
fn a_delivery_that_fails_first_succeeds_later_and_then_rests() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth < 2 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    let statuses: Vec<_> = api.attempts(&app, &message, 3, SOON).iter().map(status_of).collect();
    assert_eq!(statuses, [(2, 500), (2, 500), (0, 200)]);
    receiver.settles_at("/", 3, QUIET);
}

#[test]
fn without_a_schedule_there_is_one_attempt() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    api.attempts(&app, &message, 1, SOON);
    receiver.settles_at("/", 1, QUIET);
}

#[test]
fn an_exhausted_delivery_stays_visible_with_all_its_attempts() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500).body("no"));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for("/", 3, SOON);
    let attempts = api.attempts(&app, &message, 3, SOON);
    for attempt in &attempts {
        assert_eq!((&attempt["status"], &attempt["statusText"]), (&json!(2), &json!("fail")), "{attempt}");
        assert_eq!(attempt["response"], "no");
    }
    let path = format!("/api/v1/app/{app}/msg/{message}/endpoint");
    let page = api.until(&path, SOON, |page| page["data"][0]["status"] == 2);
    assert_eq!(page["data"][0]["nextAttempt"], Value::Null, "{page}");
    receiver.settles_at("/", 3, QUIET);
    let stats = api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats")).1;
    assert_eq!(
        (&stats["success"], &stats["pending"], &stats["sending"]),
        (&json!(0), &json!(0), &json!(0)),
        "{stats}"
    );
}

#[test]
fn while_a_retry_is_due_the_next_attempt_is_shown() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "3600")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    api.attempts(&app, &message, 1, SOON);
    let path = format!("/api/v1/app/{app}/msg/{message}/endpoint");
    let page = api.until(&path, SOON, |page| page["data"][0]["nextAttempt"].is_string());
    assert!(matches!(page["data"][0]["status"].as_u64(), Some(1 | 3)), "pending or sending: {page}");
}

#[test]
fn retry_after_is_waited_for() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.on("/seconds", |r| match r.nth {
        0 => Answer::status(503).header("retry-after", "2"),
        _ => Answer::ok(),
    });
    receiver.on("/date", |r| match r.nth {
        0 => {
            let at = std::time::SystemTime::now() + Duration::from_secs(3);
            Answer::status(503).header("retry-after", httpdate::fmt_http_date(at))
        }
        _ => Answer::ok(),
    });
    let api = gateway.tenant();
    for path in ["/seconds", "/date"] {
        let app = api.app();
        api.endpoint(&app, &receiver.url(path));
        api.send(&app, "{}");
    }
    for path in ["/seconds", "/date"] {
        // A date has whole seconds: of the three at least two are left.
        let gap = gaps(&receiver.wait_for(path, 2, SOON))[0];
        assert!((2.0 - EARLY..3.0 * 1.2 + SLACK).contains(&gap), "{path}: waited {gap:.3} s");
    }
}

#[test]
fn too_many_requests_slows_the_whole_endpoint_down() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.on("/", |r| match r.nth {
        0 => Answer::status(429).header("retry-after", "2"),
        _ => Answer::ok(),
    });
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    let first = api.send(&app, "{}");
    api.attempts(&app, &first, 1, SOON); // the 429 is known from here on
    let others: Vec<_> = (0..3).map(|_| api.send(&app, "{}")).collect();
    let got = receiver.wait_for("/", 5, SOON);
    for later in &got[1..] {
        let gap = (later.at - got[0].at).as_secs_f64();
        assert!(gap >= 2.0 - EARLY, "a request {gap:.3} s after the 429 that asked for two seconds");
    }
    for message in std::iter::once(&first).chain(&others) {
        assert!(got[1..].iter().any(|r| r.message_id() == Some(message)), "{message} is not lost");
    }
}

#[test]
fn gone_disables_the_endpoint() {
    let gateway = shared();
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(410));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}"), SOON, |shown| shown["disabled"] == true);
    assert_eq!(status_of(&api.attempts(&app, &message, 1, SOON)[0]), (2, 410));
    api.send(&app, "{}");
    receiver.settles_at("/", 1, QUIET);
}

#[test]
fn an_endpoint_that_fails_for_too_long_is_disabled() {
    let gateway =
        Running::start(&[("ENDPOINT_DISABLE_AFTER", "1"), ("RETRY_SCHEDULE", "0.4,0.4,0.4,0.4,0.4,0.4")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    api.send(&app, "{}");
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}"), SOON, |shown| shown["disabled"] == true);
}

// ---- by hand ------------------------------------------------------------------------------------------------

#[test]
fn a_resend_sends_once_more() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, r#"{"n":1}"#);
    receiver.wait_for_one("/", SOON);
    api.attempts(&app, &message, 1, SOON);
    let (status, body) =
        api.post(&format!("/api/v1/app/{app}/msg/{message}/endpoint/{endpoint}/resend"), &json!({}));
    assert_eq!(status, 202, "{body}");
    assert!(body.is_object(), "SDKs parse the answer: {body}");
    let got = receiver.wait_for("/", 2, SOON);
    assert_eq!((got[0].message_id(), &got[0].body), (got[1].message_id(), &got[1].body));
    let attempts = api.attempts(&app, &message, 2, SOON);
    assert_eq!(
        (&attempts[0]["triggerType"], &attempts[1]["triggerType"]),
        (&json!(0), &json!(1)),
        "{attempts:?}"
    );
    receiver.settles_at("/", 2, QUIET);
}

#[test]
fn a_resend_that_fails_does_not_disturb_the_schedule() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "1.5,0.5")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    api.attempts(&app, &message, 1, SOON);
    assert_eq!(
        api.post(&format!("/api/v1/app/{app}/msg/{message}/endpoint/{endpoint}/resend"), &json!({})).0,
        202
    );
    let got = receiver.wait_for("/", 4, SOON);
    let attempts = api.attempts(&app, &message, 4, SOON);
    assert_eq!(attempts.iter().filter(|attempt| attempt["triggerType"] == 1).count(), 1, "{attempts:?}");
    // The second request is the one by hand; the others keep their schedule.
    let automatic: Vec<_> = [0, 2, 3].map(|at| got[at].clone()).into();
    for (gap, step) in gaps(&automatic).into_iter().zip([1.5, 0.5]) {
        assert_step(gap, step);
    }
    receiver.settles_at("/", 4, Duration::from_secs(2));
}

#[test]
fn recover_sends_what_has_failed_since() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth < 3 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let failed: Vec<_> = (0..3)
        .map(|n| {
            let message = api.send(&app, &format!("{{\"n\":{n}}}"));
            api.attempts(&app, &message, 1, SOON);
            message
        })
        .collect();
    let fine = api.send(&app, "{}");
    api.attempts(&app, &fine, 1, SOON);
    let since = "2020-01-01T00:00:00Z";
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/recover");
    assert_eq!(api.post(&path, &json!({ "since": since })).0, 422, "not further back than two weeks");
    let (status, task) = api.post(&path, &json!({ "since": an_hour_ago() }));
    assert_eq!(status, 202, "{task}");
    assert_eq!(task["task"], "endpoint.recover", "{task}");
    assert!(text(&task, "id").starts_with("qtask_"), "{task}");
    let got = receiver.wait_for("/", 7, SOON);
    let mut again: Vec<_> = got[4..].iter().filter_map(Received::message_id).collect();
    again.sort_unstable();
    assert_eq!(again, failed);
    receiver.settles_at("/", 7, QUIET);
}

#[test]
fn replay_missing_sends_what_was_never_tried() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let base = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let before = api.send(&app, r#"{"n":0}"#);
    receiver.wait_for_one("/", SOON);
    assert_eq!(api.patch(&base, &json!({ "disabled": true })).0, 200);
    let missed: Vec<_> = (1..4).map(|n| api.send(&app, &format!("{{\"n\":{n}}}"))).collect();
    assert_eq!(api.patch(&base, &json!({ "disabled": false })).0, 200);
    receiver.settles_at("/", 1, QUIET);
    let (status, task) = api.post(&format!("{base}/replay-missing"), &json!({ "since": an_hour_ago() }));
    assert_eq!((status, &task["task"]), (202, &json!("endpoint.replay")), "{task}");
    let got = receiver.wait_for("/", 4, SOON);
    let mut replayed: Vec<_> = got[1..].iter().filter_map(Received::message_id).collect();
    replayed.sort_unstable();
    assert_eq!(replayed, missed);
    assert!(!missed.contains(&before));
    receiver.settles_at("/", 4, QUIET);
}

/// RFC 3339 for an hour ago.
fn an_hour_ago() -> String {
    weir_core::time::rfc3339(unix_ms() - 3_600_000)
}

// ---- disabled and enabled -----------------------------------------------------------------------------------

#[test]
fn a_disabled_endpoint_gets_nothing_and_resumes_what_was_queued() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "1,1,1")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth == 0 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    assert_eq!(api.patch(&path, &json!({ "disabled": true })).0, 200);
    receiver.settles_at("/", 1, Duration::from_secs(3));
    assert_eq!(api.patch(&path, &json!({ "disabled": false })).0, 200);
    let got = receiver.wait_for("/", 2, SOON);
    assert_eq!(got[1].message_id(), Some(message.as_str()));
    receiver.settles_at("/", 2, QUIET);
}

#[test]
fn an_endpoint_created_then_used_at_once_works_and_a_deleted_one_is_silent() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    for n in 0..10 {
        let path = format!("/{n}");
        let endpoint = api.endpoint(&app, &receiver.url(&path));
        api.send(&app, "{}");
        receiver.wait_for_one(&path, SOON);
        assert_eq!(api.delete(&format!("/api/v1/app/{app}/endpoint/{endpoint}")).0, 204);
    }
    api.send(&app, "{}");
    for n in 0..10 {
        receiver.settles_at(&format!("/{n}"), 1, Duration::from_millis(100));
    }
}

#[test]
fn a_changed_url_is_used_at_once() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/old"));
    api.send(&app, "{}");
    receiver.wait_for_one("/old", SOON);
    let (status, body) =
        api.patch(&format!("/api/v1/app/{app}/endpoint/{endpoint}"), &json!({ "url": receiver.url("/new") }));
    assert_eq!(status, 200, "{body}");
    api.send(&app, "{}");
    receiver.wait_for_one("/new", SOON);
    receiver.settles_at("/old", 1, QUIET);
}

// ---- who gets what ------------------------------------------------------------------------------------------

#[test]
fn event_types_and_channels_decide_who_gets_a_message() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    for name in ["a.one", "b.two"] {
        assert_eq!(api.post("/api/v1/event-type", &json!({ "name": name, "description": "" })).0, 201);
    }
    let app = api.app();
    api.endpoint(&app, &receiver.url("/all"));
    api.endpoint_with(&app, &receiver.url("/one"), &json!({ "eventTypes": ["a.one"] }));
    api.endpoint_with(&app, &receiver.url("/eu"), &json!({ "channels": ["eu", "us"] }));
    api.endpoint_with(&app, &receiver.url("/off"), &json!({ "disabled": true }));
    let send = |event_type: &str, extra: &Value| {
        id_of(api.post_text(&format!("/api/v1/app/{app}/msg"), &message_with(event_type, "{}", extra)), 202)
    };
    let one = send("a.one", &json!({}));
    let two = send("b.two", &json!({ "channels": ["eu"] }));
    let three = send("b.two", &json!({ "channels": ["asia"] }));
    for (path, expected) in [("/all", vec![&one, &two, &three]), ("/one", vec![&one]), ("/eu", vec![&two])] {
        receiver.wait_for(path, expected.len(), SOON);
        let got = receiver.settles_at(path, expected.len(), Duration::from_millis(500));
        let mut ids: Vec<_> = got.iter().filter_map(Received::message_id).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{path}");
    }
    assert_eq!(receiver.count("/off"), 0);
}

#[test]
fn every_endpoint_gets_every_message_exactly_once() {
    // A timeout on a busy machine would be an honest reason for sending twice.
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "15")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let paths = ["/a", "/b", "/c"];
    for path in paths {
        api.endpoint(&app, &receiver.url(path));
    }
    let mut sent: Vec<String> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (api, app) = (api.at(api.url()), &app);
                scope.spawn(move || {
                    (0..50)
                        .map(|n| api.send(app, &format!("{{\"n\":{}}}", sender * 50 + n)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    sent.sort();
    for path in paths {
        receiver.wait_for(path, sent.len(), Duration::from_secs(30));
        let got = receiver.settles_at(path, sent.len(), Duration::from_millis(500));
        let mut ids: Vec<_> = got.iter().filter_map(Received::message_id).map(str::to_owned).collect();
        ids.sort();
        assert_eq!(ids, sent, "{path}");
    }
    let mut listed = Vec::new();
    let mut path = format!("/api/v1/app/{app}/msg?limit=250&with_content=false");
    loop {
        let (_, page) = api.get(&path);
        listed.extend(list(&page).iter().map(|one| text(one, "id")));
        if page["done"] == true {
            break;
        }
        path = format!(
            "/api/v1/app/{app}/msg?limit=250&with_content=false&iterator={}",
            text(&page, "iterator")
        );
    }
    listed.sort();
    assert_eq!(listed, sent);
}

#[test]
fn no_more_requests_are_in_flight_than_the_setting_allows() {
    let gateway = Running::start(&[("MAX_IN_FLIGHT", "3"), ("REQUEST_TIMEOUT", "10")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::ok().after(Duration::from_millis(100)));
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    for _ in 0..60 {
        api.send(&app, "{}");
    }
    receiver.wait_for("/", 60, Duration::from_secs(20));
    assert!((2..=3).contains(&receiver.peak()), "{} at once", receiver.peak());
}

#[test]
fn an_address_that_is_no_longer_allowed_is_not_called() {
    let mut gateway = Running::start(&[]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    api.endpoint(&app, &receiver.url("/"));
    api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    gateway.restart_with(&[("ALLOWED_NETWORKS", "")]);
    let api = api.at(&gateway.url());
    let message = api.send(&app, "{}");
    let attempt = api.attempts(&app, &message, 3, SOON).remove(0);
    assert_eq!(status_of(&attempt), (2, 0), "{attempt}");
    receiver.settles_at("/", 1, QUIET);
}
