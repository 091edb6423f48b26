//! Presets over the API: the list, why a signature fails, and the request that a provider would send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::time::Duration;
use weir_core::preset;
use weir_core::scheme::{Params, Request};
use weir_tests::client::{Api, column};
use weir_tests::gateway::shared;
use weir_tests::receiver::{Receiver, unix_ms};

fn verify(api: &Api, preset: &str, body: &Value) -> Value {
    let (status, verdict) = api.post(&format!("/api/v1/preset/{preset}/verify"), body);
    assert_eq!(status, 200, "{verdict}");
    verdict
}

#[test]
fn all_presets_are_listed_in_pages_with_their_documentation() {
    let gateway = shared();
    let api = gateway.tenant();
    let (mut names, mut path) = (Vec::new(), "/api/v1/preset?limit=100".to_owned());
    loop {
        let (status, page) = api.get(&path);
        assert_eq!(status, 200, "{page}");
        assert!(column(&page, "docs").iter().all(|docs| docs.starts_with("https://")));
        names.extend(column(&page, "name"));
        if page["done"] == true {
            break;
        }
        path = format!("/api/v1/preset?limit=100&iterator={}", page["iterator"].as_str().unwrap());
    }
    assert!(names.len() >= 120 && names.is_sorted(), "{names:?}");
    for seed in ["reloop", "loops", "resend", "mailabl", "relaypost"] {
        assert!(names.iter().any(|name| name == seed), "{seed}");
    }
}

#[test]
fn a_preset_is_read_whole() {
    let gateway = shared();
    let api = gateway.tenant();
    let (status, loops) = api.get("/api/v1/preset/loops");
    assert_eq!(status, 200, "{loops}");
    assert_eq!(loops["delivery"]["perSecond"], 10);
    assert_eq!(loops["delivery"]["retentionDays"], 30);
    assert_eq!(loops["testEvent"]["name"], "testing.testEvent");
    let events: usize =
        loops["catalog"].as_array().unwrap().iter().map(|g| g["events"].as_array().unwrap().len()).sum();
    assert_eq!(events, 15, "every event of the page");
    let (_, mailabl) = api.get("/api/v1/preset/mailabl");
    assert_eq!(mailabl["delivery"]["timeout"], 3);
    assert_eq!(
        mailabl["delivery"]["schedule"],
        json!([10, 100, 1000, 10_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000])
    );
    assert_eq!(mailabl["delivery"]["exhausted"], "discarded");
    let (_, resend) = api.get("/api/v1/preset/resend");
    assert_eq!(resend["delivery"]["exhausted"], json!({ "event": "message.attempt.exhausted" }));
    assert_eq!(resend["delivery"]["sources"].as_array().unwrap().len(), 5);
    let (status, error) = api.get("/api/v1/preset/nobody");
    assert_eq!((status, error["code"].as_str()), (404, Some("not_found")), "{error}");
}

#[test]
fn a_published_signature_is_verified() {
    let gateway = shared();
    let api = gateway.tenant();
    let verdict = verify(
        &api,
        "github",
        &json!({
            "headers": {
                "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                "X-GitHub-Event": "push",
                "X-GitHub-Delivery": "72d3162e",
            },
            "body": BASE64.encode("Hello, World!"),
            "secret": "It's a Secret to Everybody",
        }),
    );
    assert_eq!(verdict["verdict"], "verified", "{verdict}");
    assert_eq!(verdict["event"], json!({ "type": "push", "id": "72d3162e", "timestamp": null }));
}

#[test]
fn a_refused_signature_is_explained() {
    let gateway = shared();
    let api = gateway.tenant();
    let request = json!({
        "headers": [["Paddle-Signature", "ts=1698796800;h1=28981e941fae76e53db32f3d2a83cb69db41476595e84e1970a1b5d98f62b261"]],
        "body": BASE64.encode("{\"data\": \"value\"}"),
        "secret": "VALID_SECRET",
        "now": "2023-11-01T00:06:40Z",
    });
    let old = verify(&api, "paddle", &request);
    assert_eq!(old["reason"]["code"], "too_old", "{old}");
    assert!(
        old["reason"]["detail"].as_str().unwrap().contains("is 400 s old, and the limit is 300 s"),
        "{old}"
    );
    let with = |field: &str, value: Value| {
        let mut request = request.clone();
        request["now"] = json!(1_698_796_800);
        request[field] = value;
        verify(&api, "paddle", &request)
    };
    let good = with("method", json!("POST"));
    assert_eq!(
        (&good["verdict"], &good["ageMs"], &good["secretIndex"]),
        (&json!("verified"), &json!(0), &json!(0))
    );
    assert_eq!(with("secret", json!("OTHER"))["reason"]["code"], "mismatch");
    assert_eq!(with("secret", json!(""))["reason"]["code"], "secret_unusable");
    assert_eq!(with("headers", json!({}))["reason"]["code"], "header_missing");
    let pretty = with("body", json!(BASE64.encode("{\"data\": \"value\"}\n")));
    assert!(pretty["reason"]["detail"].as_str().unwrap().contains("line break at the end"), "{pretty}");
}

#[test]
fn what_a_provider_would_send_is_signed() {
    let gateway = shared();
    let api = gateway.tenant();
    let body = BASE64.encode("{\"type\":\"email.sent\"}");
    for (preset, secret) in [
        ("resend", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("mailabl", "app-secret"),
        ("stripe", "whsec_x"),
    ] {
        let given = json!({ "body": body, "secret": secret, "id": "msg_1", "now": 1_795_000_000 });
        let (status, signed) = api.post(&format!("/api/v1/preset/{preset}/sign"), &given);
        assert_eq!(status, 200, "{signed}");
        let request =
            json!({ "headers": signed["headers"], "body": body, "secret": secret, "now": 1_795_000_000 });
        assert_eq!(verify(&api, preset, &request)["verdict"], "verified", "{preset}: {signed}");
    }
    let (status, error) = api.post("/api/v1/preset/sendgrid/sign", &json!({ "secret": "no key" }));
    assert_eq!(status, 422, "{error}");
}

#[test]
fn public_keys_work_at_the_edge_too() {
    let gateway = shared();
    let api = gateway.tenant();
    let key = |name: &str| {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/scheme/keys/");
        std::fs::read_to_string(format!("{dir}{name}")).unwrap()
    };
    for (preset, private, public) in [
        ("wise", "rsa.pem", "rsa.cert.pem"),
        ("sendgrid", "p256.pem", "p256.pub.pem"),
        ("plaid", "p256.pem", "p256.pub.pem"),
        ("fusionauth-eddsa", "ed25519.pem", "ed25519.pub.pem"),
    ] {
        let body = BASE64.encode("[{}]");
        let (status, signed) = api
            .post(&format!("/api/v1/preset/{preset}/sign"), &json!({ "body": body, "secret": key(private) }));
        assert_eq!(status, 200, "{preset}: {signed}");
        let mut request = json!({ "headers": signed["headers"], "body": body, "secret": key(public) });
        assert_eq!(verify(&api, preset, &request)["verdict"], "verified", "{preset}");
        request["body"] = json!(BASE64.encode("[{} ]"));
        assert_eq!(verify(&api, preset, &request)["verdict"], "failed", "{preset}");
    }
}

#[test]
fn a_scheme_of_ones_own_is_tried_out() {
    let gateway = shared();
    let api = gateway.tenant();
    let scheme = json!({
        "kind": "signature", "at": ["header:x-acme"], "algorithm": "hmac-sha512", "encoding": "hex",
        "form": { "fields": { "signature": "sig" } }, "content": "{ts}|{body}",
        "time": { "at": "field:at", "unit": "s", "tolerance": 60 },
    });
    let given = json!({ "scheme": scheme, "secret": "s", "body": BASE64.encode("x") });
    let (status, signed) = api.post("/api/v1/preset/custom/sign", &given);
    assert_eq!(status, 200, "{signed}");
    let mut request = given.clone();
    request["headers"] = signed["headers"].clone();
    assert_eq!(verify(&api, "custom", &request)["verdict"], "verified");
    let mut wrong = given.clone();
    wrong["scheme"]["content"] = json!("{ts}|{boddy}");
    let (status, error) = api.post("/api/v1/preset/custom/verify", &wrong);
    assert!(status == 422 && error.to_string().contains("'{boddy}' is not a part of a request"), "{error}");
}

#[test]
fn an_applications_token_may_use_presets_and_no_token_may_not() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    assert_eq!(api.as_app(&app).get("/api/v1/preset/stripe").0, 200);
    assert_eq!(api.with_token("nobody's").get("/api/v1/preset").0, 401);
}

#[test]
fn the_url_that_is_signed_is_the_one_that_is_requested() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let base = receiver.url("");
    let scheme = preset::find("square").unwrap().scheme;
    for (typed, arrives) in [
        ("/a/../b/1", "/b/1"),
        ("/2?n=O'Brien", "/2?n=O%27Brien"),
        ("/3/%2e%2e/3?x", "/3?x"),
        ("/4a/\u{fc}?q=\u{fc}b", "/4a/%C3%BC?q=%C3%BCb"),
        ("//5", "//5"),
        ("/6?", "/6?"),
        ("/7?a=\"<>`{}|^", "/7?a=%22%3C%3E`{}|^"),
        ("/8/9#part", "/8/9"),
        ("/10?b=%7e%zz+c", "/10?b=%7e%zz+c"),
        ("?11", "/?11"),
        ("/12^/{}`\"<>|?^|", "/12%5E/%7B%7D%60%22%3C%3E|?^|"),
    ] {
        let app = api.app();
        let url = format!("{}{typed}", base.trim_end_matches('/'));
        api.endpoint_with(&app, &url, &json!({ "preset": "square", "secret": "a secret of ours" }));
        api.send(&app, r#"{"a":1}"#);
        let path = arrives.split('?').next().unwrap_or_default();
        let got = receiver.wait_for(path, 1, Duration::from_secs(10)).remove(0);
        assert_eq!(got.path, arrives, "{typed}");
        // Just as a receiver puts its own URL together.
        let url = format!("http://{}{arrives}", got.header("host").unwrap());
        let request = Request { method: "POST", url: &url, headers: &got.headers, body: &got.body };
        let verdict =
            scheme.verify(&scheme.verifying(&["a secret of ours"]), &Params::new(), &request, unix_ms());
        assert!(verdict.is_good(), "{typed}: {verdict:?}");
    }
}
