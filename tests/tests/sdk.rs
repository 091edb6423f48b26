//! Svix's own SDKs, unchanged, do a customer's work: three languages, both generations that are in use.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::Api;
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Received, Receiver};
use weir_tests::sdk::{self, Run};

const SOON: Duration = Duration::from_secs(10);

/// A delivery as the scripts read it.
fn delivered(request: &Received) -> String {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "headers": headers, "body": String::from_utf8_lossy(&request.body) }).to_string()
}

/// The two steps of a script, with the delivery between them; then the resend and the rotation are looked at from here.
#[track_caller]
fn customer(api: &Api, run: impl Fn(&[(&str, &str)]) -> Option<Run>) {
    let receiver = Receiver::start();
    let (url, receiver_url) = (api.url(), receiver.url("/"));
    let common = [("WEIR_URL", url), ("WEIR_TOKEN", api.token.as_str()), ("RECEIVER_URL", &receiver_url)];
    let with = |more: &[(&'static str, &str)]| {
        let env: Vec<_> = common.iter().copied().chain(more.iter().copied()).collect();
        run(&env)
    };

    let Some(made) = with(&[("PHASE", "make")]) else {
        eprintln!("skipped: there is no Python 3 with venv on this machine");
        return;
    };
    let made = made.assert_ok().value("made").clone();
    let got = receiver.wait_for_one("/", SOON);
    assert_eq!(got.message_id(), made["message"].as_str());
    api.attempts(made["app"].as_str().unwrap(), made["message"].as_str().unwrap(), 1, SOON);

    let check =
        with(&[("PHASE", "check"), ("MADE", &made.to_string()), ("DELIVERED", &delivered(&got))]).unwrap();
    let errors = check.assert_ok().value("errors");
    for (case, code) in [("bad", 422), ("missing", 404), ("conflict", 409), ("token", 401)] {
        assert_eq!(errors[case]["code"], code, "{case}: {errors}");
    }
    // The resend came after the rotation: signed by the new secret first, still by the old one.
    let again = receiver.wait_for("/", 2, SOON).swap_remove(1);
    assert_eq!(again.message_id(), made["message"].as_str());
    for secret in [check.value("secret"), &made["secret"]] {
        assert!(weir_tests::verify::is_signed_by(&again, "svix", secret.as_str().unwrap()));
    }
}

#[test]
fn javascript_of_the_newest_generation() {
    let gateway = shared();
    customer(&gateway.tenant(), |env| {
        let env: Vec<_> = env.iter().copied().chain([("SVIX_PACKAGE", "svix")]).collect();
        Some(sdk::node("client.mjs", &env))
    });
}

#[test]
fn javascript_of_the_generation_before() {
    let gateway = shared();
    customer(&gateway.tenant(), |env| {
        let env: Vec<_> = env.iter().copied().chain([("SVIX_PACKAGE", "svix-1")]).collect();
        Some(sdk::node("client.mjs", &env))
    });
}

#[test]
fn python_of_the_newest_generation() {
    let gateway = shared();
    customer(&gateway.tenant(), |env| sdk::python("svix==2.9.1", "client.py", env));
}

#[test]
fn python_of_the_generation_before() {
    let gateway = shared();
    customer(&gateway.tenant(), |env| sdk::python("svix==1.99.1", "client.py", env));
}

/// What Svix's endpoints do not have, as the fields of two endpoints: no endpoint has both batches and an order.
fn weirs_own() -> [Value; 2] {
    let fields = json!({ "preset": "github", "retrySchedule": [1, 2], "timeoutSeconds": 9, "headerProfile": "standard",
        "throttle": { "limit": 5, "window": "minute" }, "paused": true });
    let with = |name: &str, value: Value| {
        let mut fields = fields.clone();
        fields[name] = value;
        fields
    };
    [with("batch", json!({ "maxEvents": 10, "maxWaitMs": 500 })), with("order", json!("fifo"))]
}

/// An update by a client that knows Svix's fields only changes those and no others.
#[track_caller]
fn updates(api: &Api, update: impl Fn(&str, &str)) {
    for fields in &weirs_own() {
        keeps(api, fields, &update);
    }
}

#[track_caller]
fn keeps(api: &Api, own: &Value, update: impl Fn(&str, &str)) {
    let app = api.app();
    let mut fields = own.clone();
    fields["secret"] = json!("a secret of GitHub's");
    let endpoint = api.endpoint_with(&app, "https://example.com/before", &fields);
    let plugins = json!({ "plugins": [{ "name": "redact", "config": { "mask": ["card"] } }] });
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    assert_eq!(api.put(&format!("{path}/plugins"), &plugins).0, 200);
    let (before, attached) = (api.get(&path).1, api.get(&format!("{path}/plugins")).1);
    update(&app, &endpoint);
    let after = api.get(&path).1;
    assert_eq!(
        (&after["url"], &after["description"]),
        (&json!("https://example.com/after"), &json!("by an SDK"))
    );
    for field in own.as_object().expect("fields").keys() {
        assert_eq!(after[field], before[field], "{field}: {after}");
        assert!(!after[field].is_null(), "{field}: {after}");
    }
    assert_eq!(api.secret(&app, &endpoint), "a secret of GitHub's");
    assert_eq!(api.get(&format!("{path}/plugins")).1, attached);
}

#[test]
fn an_update_by_javascript_keeps_what_only_weir_has() {
    let gateway = shared();
    let api = gateway.tenant();
    for package in ["svix", "svix-1"] {
        updates(&api, |app, endpoint| {
            let (url, token) = (api.url(), api.token.as_str());
            let env = [
                ("WEIR_URL", url),
                ("WEIR_TOKEN", token),
                ("SVIX_PACKAGE", package),
                ("APP", app),
                ("ENDPOINT", endpoint),
            ];
            sdk::node("update.mjs", &env).assert_ok();
        });
    }
}

#[test]
fn an_update_by_rust_keeps_what_only_weir_has() {
    use svix::api::{Svix, SvixOptions};
    use svix::models::EndpointUpsertIn;
    let gateway = shared();
    let api = gateway.tenant();
    updates(&api, |app, endpoint| {
        let options = SvixOptions { server_url: Some(api.url().to_owned()), ..SvixOptions::default() };
        let svix = Svix::new(api.token.clone(), Some(options));
        let mut update = EndpointUpsertIn::new("https://example.com/after".to_owned());
        update.description = Some("by an SDK".to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let endpoints = svix.endpoint();
        let updated = endpoints.upsert(app.to_owned(), endpoint.to_owned(), update);
        runtime.block_on(updated).expect("updated");
    });
}

/// The reference library in this language accepts a delivery, and refuses it with a changed byte.
#[track_caller]
fn verifies(run: impl Fn(&[(&str, &str)]) -> Option<Run>) {
    let gateway = Running::start(&[("HEADER_PROFILE", "standard")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    api.send(&app, r#"{"n":1}"#);
    let got = receiver.wait_for_one("/", SOON);
    let secret = api.secret(&app, &endpoint);
    let Some(run) = run(&[("SECRET", &secret), ("DELIVERED", &delivered(&got))]) else {
        eprintln!("skipped: there is no Python 3 with venv on this machine");
        return;
    };
    run.assert_ok();
    assert_eq!((run.value("payload"), run.value("refused")), (&json!({ "n": 1 }), &json!(true)));
}

#[test]
fn the_reference_library_of_standard_webhooks_verifies_in_javascript() {
    verifies(|env| Some(sdk::node("verify.mjs", env)));
}

#[test]
fn the_reference_library_of_standard_webhooks_verifies_in_python() {
    verifies(|env| sdk::python("standardwebhooks==1.1.0", "verify.py", env));
}

mod rust {
    use super::*;
    use svix::api::{Svix, SvixOptions};
    use svix::error::Error;
    use svix::models::{
        ApplicationIn, EndpointIn, EndpointPatch, EndpointSecretRotateIn, EventTypeIn,
        MessageAttemptTriggerType, MessageIn, MessageStatus,
    };

    #[track_caller]
    fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> u16 {
        match result {
            Err(Error::Http(content)) => {
                assert!(content.payload.is_some_and(|body| !body.code.is_empty() && !body.detail.is_empty()));
                content.status.as_u16()
            }
            Err(Error::Validation(content)) => {
                assert!(content.payload.is_some_and(|body| !body.detail.is_empty()));
                content.status.as_u16()
            }
            other => panic!("expected an answer that says what is wrong, not {other:?}"),
        }
    }

    #[test]
    fn of_the_newest_generation() {
        let gateway = shared();
        let receiver = Receiver::start();
        let api = gateway.tenant();
        let options = || Some(SvixOptions { server_url: Some(gateway.url()), ..SvixOptions::default() });
        let svix = Svix::new(api.token.clone(), options());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let named =
                || ApplicationIn { uid: Some("rust".to_owned()), ..ApplicationIn::new("by SDK".to_owned()) };
            let app = svix.application().create(named(), None).await.unwrap().id;
            assert_eq!(svix.application().get_or_create(named(), None).await.unwrap().id, app);
            svix.event_type()
                .create(EventTypeIn::new("sdk.rust".to_owned(), "from the SDK".to_owned()), None)
                .await
                .unwrap();
            let wanted = EndpointIn {
                event_types: Some(["sdk.rust".to_owned()].into()),
                ..EndpointIn::new(receiver.url("/"))
            };
            let endpoint = svix.endpoint().create(app.clone(), wanted, None).await.unwrap();
            assert_eq!(endpoint.event_types.unwrap().len(), 1);
            let endpoint = endpoint.id;
            let secret = svix.endpoint().get_secret(app.clone(), endpoint.clone()).await.unwrap().key;
            let message = MessageIn::new("sdk.rust".to_owned(), json!({ "from": "rust", "n": 1 }));
            let message = svix.message().create(app.clone(), message, None).await.unwrap().id;

            let got = receiver.wait_for_one("/", SOON);
            let mut headers = http::HeaderMap::new();
            for (name, value) in &got.headers {
                headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            }
            svix::webhooks::Webhook::new(&secret).unwrap().verify(&got.body, &headers).unwrap();
            api.attempts(&app, &message, 1, SOON);

            let attempts =
                svix.message_attempt().list_by_msg(app.clone(), message.clone(), None).await.unwrap().data;
            assert_eq!(attempts.len(), 1);
            assert_eq!(attempts[0].status, MessageStatus::Success);
            assert_eq!(attempts[0].trigger_type, MessageAttemptTriggerType::Scheduled);
            assert_eq!((attempts[0].response_status_code, attempts[0].response.as_str()), (200, "{}"));
            let rotated = svix
                .endpoint()
                .rotate_secret(app.clone(), endpoint.clone(), EndpointSecretRotateIn::new(), None)
                .await
                .unwrap();
            assert_ne!(rotated.key, secret);
            let patch = EndpointPatch { description: Some("patched".to_owned()), ..EndpointPatch::default() };
            svix.endpoint().patch(app.clone(), endpoint.clone(), patch).await.unwrap();
            svix.message_attempt().resend(app.clone(), message.clone(), endpoint, None).await.unwrap();
            let again = receiver.wait_for("/", 2, SOON).swap_remove(1);
            assert!(weir_tests::verify::is_signed_by(&again, "svix", &rotated.key));
            assert!(weir_tests::verify::is_signed_by(&again, "svix", &secret));

            let bad = EndpointIn::new("not a url".to_owned());
            assert_eq!(code(svix.endpoint().create(app.clone(), bad, None).await), 422);
            assert_eq!(code(svix.application().get("app_nobody".to_owned()).await), 404);
            assert_eq!(code(svix.application().create(named(), None).await), 409);
            let stranger = Svix::new("nonsense".to_owned(), options());
            assert_eq!(code(stranger.application().list(None).await), 401);
        });
    }
}
