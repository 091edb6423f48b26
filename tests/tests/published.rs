//! Providers that publish their public keys, on a real workerd. One server on loopback replaces all of them
//! (`KEY_SERVER`): a provider's URL is requested below its host's name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::time::Duration;
use weir_core::scheme::Params;
use weir_tests::client::{Api, text};
use weir_tests::gateway::Running;
use weir_tests::process::resident_kb;
use weir_tests::receiver::{Answer, Received, Receiver};
use weir_tests::source::{BASE, Sent, Source, signed};

const SOON: Duration = Duration::from_secs(10);
const CERT: &str = include_str!("../../core/tests/scheme/keys/rsa.cert.pem");
const PRIVATE: &str = include_str!("../../core/tests/scheme/keys/rsa.pem");
/// The modulus of that key, as key sets have it.
const MODULUS: &str = "iAVB4DnOumHvoU9uhfaEet-Vk5eO90nGioWXh9rKCQtz0-9RMS281etVkWxl6UwlEh1ZnRb9qXA96zmH2SkHtLWRxS60LnPfo1wf881izfbjzaeecIq4eQlMI1ln6Ia4iYKqCO-jIgbduyvij3y-gPiupGEzX59ujgOvUtaRShVVGoO-YTKFLtAgqdkBeAnIjXlqpVEHdj99D50Dl4Ijcxu6U_OzX_aUYSDoGvpI-b5uOP9zz25P1ukjtrLMyKnSLA5vk6G972kxtrOM0VKWEX20ASDEbGgFVUFgcKWYxbfClDQdfszCg-ODVSFqvTqTa6fMceWlJB2urquO9vOKmw";
const HOST: &str = "sns.eu-west-1.amazonaws.com";
const MINE: &str = "arn:aws:sns:eu-west-1:123456789012:mine";

/// A gateway, whoever answers for the providers, and a receiver of what sources deliver.
struct World {
    gateway: Running,
    api: Api,
    providers: Receiver,
    receiver: Receiver,
}

impl World {
    fn new() -> Self {
        let (providers, receiver) = (Receiver::start(), Receiver::start());
        let gateway = Running::start(&[("KEY_SERVER", &providers.url("/"))]);
        Self { api: gateway.tenant(), gateway, providers, receiver }
    }

    /// A source that has no secret of its own.
    #[track_caller]
    fn source(&self, kind: &str, params: &Value) -> Source {
        Source::new(&self.api, &self.receiver, kind, &json!({ "params": params }), &json!({}))
    }

    #[track_caller]
    fn delivered(&self, source: &Source, count: usize) -> Vec<Received> {
        self.receiver.wait_for(&source.path, count, SOON)
    }
}

/// Why requests were rejected, newest first.
fn reasons(source: &Source) -> Vec<String> {
    source.rejected().iter().map(|one| text(&one["reason"], "code")).collect()
}

/// Signs as a provider that has the private key.
fn by_key(kind: &str, body: &Value, headers: &[(&str, &str)], params: &Params) -> Sent {
    signed(kind, PRIVATE, body.to_string().as_bytes(), headers, params)
}

/// The same with another word in the message.
fn changed(sent: &Sent) -> Sent {
    sent.with_body(String::from_utf8_lossy(&sent.body).replace("hello", "hullo"))
}

fn sns(cert: &str, id: &str, more: &Value) -> Sent {
    let mut body = json!({ "Type": "Notification", "MessageId": id, "TopicArn": MINE, "Message": "hello\nthere",
        "Timestamp": "2026-11-22T00:00:00.000Z", "SigningCertURL": cert });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    by_key("aws-sns-v2", &body, &[("content-type", "text/plain; charset=UTF-8")], &Params::new())
}

fn cert(name: &str) -> (String, String) {
    let path = format!("/{HOST}/SimpleNotificationService-{name}.pem");
    (format!("https:/{path}"), path)
}

fn key_set() -> String {
    let key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": MODULUS, "e": "AQAB" });
    json!({ "keys": [key] }).to_string()
}

#[test]
fn a_certificate_is_fetched_once_from_the_providers_host_and_verifies_what_it_signs() {
    let world = World::new();
    let (url, path) = cert("good");
    world.providers.always(&path, Answer::ok().body(CERT));
    let source = world.source("aws-sns-v2", &json!({ "topic_arn": MINE }));
    for id in ["m1", "m2", "m1"] {
        assert_eq!(source.send_signed(&sns(&url, id, &json!({}))).status, 200, "{id}");
    }
    assert_eq!(world.delivered(&source, 2).len(), 2, "m1 came twice");
    for message in source.messages() {
        assert_eq!(
            (&message["ingest"]["verdict"], &message["eventType"]),
            (&json!("authenticated"), &json!("Notification")),
            "single members are signed, and not the body"
        );
    }
    // Explained without a secret, too: the certificate is at hand.
    let asked = json!({ "body": BASE64.encode(sns(&url, "m9", &json!({})).body) });
    let (status, verdict) = world.api.post("/api/v1/preset/aws-sns-v2/verify", &asked);
    assert_eq!((status, verdict["verdict"].as_str()), (200, Some("authenticated")), "{verdict}");

    assert_eq!(source.send_signed(&changed(&sns(&url, "m3", &json!({})))).status, 401);
    let foreign = sns(&url, "m4", &json!({ "TopicArn": "arn:aws:sns:eu-west-1:999999999999:anyones" }));
    assert_eq!(source.send_signed(&foreign).status, 401);
    assert_eq!(reasons(&source), ["requirement", "mismatch", "duplicate"]);
    assert_eq!(world.providers.count(&path), 1, "for all five");
    assert_eq!(world.providers.received(&path)[0].method, "GET");
}

#[test]
fn a_url_that_is_not_the_providers_is_never_asked() {
    let world = World::new();
    let source = world.source("aws-sns-v2", &json!({}));
    let server = world.providers.url("/stolen.pem");
    for url in [
        server.as_str(),
        "https://keys.evil.example/a.pem",
        "https://sns.s3-us-west-2.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://169.254.169.254/latest/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
    ] {
        let reply = source.send_signed(&sns(url, "m1", &json!({})));
        assert_eq!((reply.status, reply.json()["code"].as_str()), (401, Some("key_url")), "{url}");
    }
    let hosts = ["keys.evil.example", "sns.s3-us-west-2.amazonaws.com", "169.254.169.254", HOST];
    let asked = hosts.iter().map(|host| world.providers.count(&format!("/{host}/a.pem"))).sum::<usize>();
    assert_eq!((asked, world.providers.count("/stolen.pem")), (0, 0));
    assert_eq!(reasons(&source), ["key_url"; 6]);
    assert!(source.messages().is_empty());
}

#[test]
fn where_keys_cannot_be_had_the_provider_is_asked_to_send_again() {
    let world = World::new();
    let providers = &world.providers;
    let source = world.source("aws-sns-v2", &json!({}));
    let elsewhere = providers.url("/elsewhere.pem");
    let failures = [
        ("down", Answer::status(500)),
        ("moved", Answer::status(302).header("location", &elsewhere)),
        ("large", Answer::ok().body("x".repeat(20_000))),
        ("endless", Answer::ok().drip(vec![b'x'; 4_096], Duration::from_millis(1), 100_000)),
        ("other", Answer::ok().body("<html>Sign in to the network</html>")),
        ("closed", Answer::close()),
        ("slow", Answer::hang()),
    ];
    for (name, answer) in failures {
        let (url, path) = cert(name);
        providers.always(&path, answer);
        let reply = source.send_signed(&sns(&url, name, &json!({})));
        assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("keys_unavailable")), "{name}");
        assert_eq!(reply.header("retry-after"), Some("10"), "{name}");
        // (The runtime itself repeats a request whose connection was closed.)
        let asked = providers.count(&path);
        assert_eq!(source.send_signed(&sns(&url, name, &json!({}))).status, 503, "{name}");
        assert_eq!(providers.count(&path), asked, "{name}: not at once again");
    }
    let pid = world.gateway.pid().expect("it runs");
    let before = resident_kb(pid).expect("its memory");
    for n in 0..10 {
        let (url, path) = cert(&format!("bomb{n}"));
        providers.always(&path, Answer::bomb());
        assert_eq!(source.send_signed(&sns(&url, &path, &json!({}))).status, 503, "{path}");
        assert_eq!(providers.count(&path), 1);
    }
    let grown = resident_kb(pid).expect("its memory").saturating_sub(before);
    assert!(grown < 10 * 2_048, "{grown} KiB for 10 bombs of 200 MiB");
    assert_eq!(providers.count("/elsewhere.pem"), 0, "redirects are not followed");
    assert!(source.messages().is_empty());
    // Nothing is lost: what was refused is listed, and can be accepted by hand.
    let first = source.rejected().pop().expect("one");
    assert_eq!(first["reason"]["code"], "keys_unavailable", "{first}");
    assert!(text(&first["reason"], "detail").contains("it answered 500"), "{first}");
    let accept = format!("{BASE}/{}/rejected/{}/accept", source.id, text(&first, "id"));
    assert_eq!(world.api.post(&accept, &json!({})).0, 202);
    world.delivered(&source, 1);

    // Nor can anyone have any number of URLs fetched.
    let source = world.source("aws-sns-v2", &json!({}));
    let paths: Vec<(String, String)> = (0..30).map(|n| cert(&format!("n{n}"))).collect();
    for (url, path) in &paths {
        providers.always(path, Answer::status(404));
        assert_eq!(source.send_signed(&sns(url, "m", &json!({}))).status, 503);
    }
    assert_eq!(paths.iter().map(|(_, path)| providers.count(path)).sum::<usize>(), 20);
}

#[test]
fn a_subscription_of_the_wanted_topic_is_confirmed_and_no_other() {
    let world = World::new();
    let (url, path) = cert("good");
    world.providers.always(&path, Answer::ok().body(CERT));
    let visited = || world.providers.count(&format!("/{HOST}/"));
    let subscribe = |topic: &str, at: &str| {
        let link = format!("https://{at}/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37");
        let more = json!({ "Type": "SubscriptionConfirmation", "TopicArn": topic, "Token": "2336412f37", "SubscribeURL": link });
        sns(&url, "c1", &more)
    };
    let source = world.source("aws-sns-v2", &json!({ "topic_arn": MINE }));
    assert_eq!(source.send_signed(&subscribe(MINE, HOST)).status, 200);
    let visit = world.providers.wait_for(&format!("/{HOST}/"), 1, SOON).remove(0);
    assert_eq!(visit.method, "GET");
    assert!(
        visit.path.ends_with(&format!("/?Action=ConfirmSubscription&TopicArn={MINE}&Token=2336412f37")),
        "{}",
        visit.path
    );
    assert!(source.messages().is_empty(), "a handshake captures nothing");

    // Another topic, another host, another's signature: nothing is visited.
    assert_eq!(
        source.send_signed(&subscribe("arn:aws:sns:eu-west-1:999999999999:anyones", HOST)).status,
        401
    );
    assert_eq!(source.send_signed(&subscribe(MINE, "169.254.169.254")).status, 400);
    assert_eq!(source.send_signed(&changed(&subscribe(MINE, HOST))).status, 401);
    assert_eq!(visited(), 1);
    // Where the visit fails, the provider sends it again.
    world.providers.always(&format!("/{HOST}/"), Answer::status(500));
    assert_eq!(source.send_signed(&subscribe(MINE, HOST)).status, 503);
    assert_eq!(visited(), 2);

    // A source that has not said whose topic it wants visits nothing: whoever owns it sees the URL.
    let open = world.source("aws-sns-v2", &json!({}));
    assert_eq!(open.send_signed(&subscribe(MINE, HOST)).status, 200);
    let got = world.delivered(&open, 1).remove(0);
    assert!(String::from_utf8_lossy(&got.body).contains("Action=ConfirmSubscription"));
    assert_eq!((visited(), open.messages()[0]["eventType"].as_str()), (2, Some("SubscriptionConfirmation")));
}

#[test]
fn key_sets_and_certificates_of_other_providers_are_fetched_too() {
    let world = World::new();
    let event = json!({ "type": "user.created", "event_type": "A.B", "id": "WH-1", "event_id": "e1" });
    let paypal_cert = "/api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42";
    let cases = [
        ("paypal", json!({ "webhook_id": "W1" }), paypal_cert, CERT.to_owned()),
        ("constant-contact", json!({}), "/developer.constantcontact.com/.well-known/jwks.json", key_set()),
        ("kinde", json!({ "domain": "acme.kinde.com" }), "/acme.kinde.com/.well-known/jwks", key_set()),
        ("aws-sns", json!({}), "/sns.us-east-1.amazonaws.com/one.pem", CERT.to_owned()),
    ];
    for (kind, params, path, keys) in cases {
        world.providers.always(path, Answer::ok().body(keys));
        let source = world.source(kind, &params);
        let link = format!("https:/{path}");
        let (body, headers) = match kind {
            "aws-sns" => (
                json!({ "Type": "Notification", "MessageId": "m", "TopicArn": MINE, "Message": "m",
                    "Timestamp": "2026-11-22T00:00:00.000Z", "SigningCertURL": link }),
                vec![],
            ),
            "paypal" => (
                event.clone(),
                vec![("paypal-cert-url", link.as_str()), ("paypal-auth-algo", "SHA256withRSA")],
            ),
            _ => (event.clone(), vec![]),
        };
        let given = serde_json::from_value(params).expect("parameters");
        let sent = by_key(kind, &body, &headers, &given);
        let reply = source.send_signed(&sent);
        assert_eq!(reply.status, 200, "{kind}: {}", reply.text);
        assert_eq!(world.delivered(&source, 1).len(), 1, "{kind}");
        let whole = matches!(kind, "constant-contact" | "kinde");
        let verdict = if whole { "verified" } else { "authenticated" };
        assert_eq!(source.messages()[0]["ingest"]["verdict"], verdict, "{kind}");
        let mut other = sent.body.clone();
        let last = other.len() - 2;
        other[last] ^= 1;
        assert_eq!(source.send_signed(&sent.with_body(other)).status, 401, "{kind}");
        assert_eq!(world.providers.count(path), 1, "{kind}");
    }
    let (status, error) = world.api.post(BASE, &json!({ "name": "k", "type": "kinde" }));
    assert_eq!(status, 422, "{error}");
    assert!(error.to_string().contains("give it as 'domain'"), "{error}");
}
