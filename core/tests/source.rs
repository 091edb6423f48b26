//! What becomes of a request at a source: decided without a network, a clock or a store.

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use weir_core::api::model::source::SourceIn;
use weir_core::frame::NewMessage;
use weir_core::preset;
use weir_core::rng::Seeded;
use weir_core::scheme::{Outgoing, Params, Reason, Request, Scheme};
use weir_core::source::rejected::{MASK, MAX_KEPT};
use weir_core::source::{Definition, MAX_EVENTS, Options, Receipt, Refusal, SourceRecord, SourceRow};
use weir_core::vault::{Place, Vault};

const NOW: i64 = 1_795_000_000_000;
const DAY: i64 = 86_400_000;
const URL: &str = "https://gateway.example/in/token?a=b";
const SECRET: &str = "the provider's secret";

fn made(kind: &str, secrets: &[&str], options: &Value, custom: Option<&Value>) -> Definition {
    let vault = Vault::new(Some([7; 32]));
    let mut rng = Seeded(1);
    let mut seal = |at: Place<'_>, text: &str| vault.seal(at, text, &mut rng).expect("sealed");
    let record = SourceRecord {
        name: kind.into(),
        kind: kind.into(),
        secrets: secrets.iter().map(|secret| seal(Place::secret("src_1"), secret)).collect(),
        params: Some(seal(
            Place::params("src_1"),
            r#"{"webhook_id":"W","verify_token":"tok","public_key":"pub"}"#,
        )),
        custom: custom.map(Value::to_string),
        options: serde_json::from_value::<Options>(options.clone()).expect("options"),
        ..SourceRecord::default()
    };
    let definition = Definition::new(SourceRow { id: "src_1".into(), record }, &vault, DAY);
    assert_eq!(definition.locked(), None);
    definition
}

fn source(kind: &str) -> Definition {
    made(kind, &[SECRET], &json!({}), None)
}

/// A request of any kind.
struct Sent {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn new(body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { method: "POST", url: URL.to_owned(), headers, body: body.into() }
    }

    fn request(&self) -> Request<'_> {
        Request { method: self.method, url: &self.url, headers: &self.headers, body: &self.body }
    }

    fn at(&self, source: &Definition) -> Receipt {
        source.receive(&self.request(), NOW)
    }

    #[track_caller]
    fn events(&self, source: &Definition) -> Vec<NewMessage> {
        match self.at(source) {
            Receipt::Events(events) => events,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(&self, source: &Definition) -> Refusal {
        match self.at(source) {
            Receipt::Rejected(refusal, _) | Receipt::Unusable(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn github(body: &[u8], more: &[(&str, &str)]) -> Sent {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(body);
    let signature = format!("sha256={}", hex(&mac.finalize().into_bytes()));
    Sent::new(body, &[&[("x-hub-signature-256", signature.as_str())], more].concat())
}

fn mailabl(body: &str) -> Sent {
    let signature = hex(&Sha256::digest([SECRET, body].concat()));
    Sent::new(body, &[("x-mailabl-signature", &signature)])
}

fn origin(event: &NewMessage) -> Value {
    let ingest = event.ingest.as_ref().expect("of a source");
    serde_json::from_str(&ingest.origin).expect("JSON")
}

fn payload(event: &NewMessage) -> &str {
    std::str::from_utf8(&event.payload).expect("text")
}

/// What Amazon SNS signs with the key whose certificate is `rsa.cert.pem`, and where it says the certificate is.
fn sns(cert_url: &str) -> Sent {
    let preset = preset::find("aws-sns-v2").expect("a preset");
    let body = json!({ "Type": "Notification", "MessageId": "m1", "TopicArn": "arn:mine", "Message": "hello",
        "Timestamp": "2026-11-21T00:00:00.000Z", "SigningCertURL": cert_url });
    let body = body.to_string().into_bytes();
    let outgoing = Outgoing { method: "POST", url: URL, headers: &[], body: &body, id: "m1" };
    let key = preset.scheme.signing(&[include_str!("scheme/keys/rsa.pem")]).expect("a private key");
    let signed = preset.sign(&key, &Params::new(), &outgoing, "a", NOW).expect("signed");
    Sent::new(signed.body.expect("the signature is in the body"), &[])
}

#[test]
fn published_keys_are_asked_for_at_the_providers_url_and_nowhere_else() {
    const CERT: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem";
    let source = made("aws-sns-v2", &[], &json!({}), None);
    let sent = sns(CERT);
    assert_eq!(source.key_url(&sent.request()), Some(Ok(CERT.to_owned())));
    let cert = include_str!("scheme/keys/rsa.cert.pem");
    let with =
        |keys: Result<&str, Reason>| source.receive_with(&sent.request(), Some(keys.map(str::to_owned)), NOW);
    let Receipt::Events(events) = with(Ok(cert)) else { panic!("{:?}", with(Ok(cert))) };
    assert_eq!(
        (origin(&events[0])["verdict"].as_str(), events[0].event_id.as_deref()),
        (Some("authenticated"), Some("m1"))
    );

    // Other keys, no keys, and what are none.
    let refused = |receipt: Receipt| match receipt {
        Receipt::Rejected(refusal, reason) => (refusal.status, refusal.code, reason.code()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(with(Ok("no certificate"))), (503, "keys_unavailable", "keys_unavailable"));
    let other = sns(CERT.replace("1.pem", "2.pem").as_str());
    let receipt = source.receive_with(
        &Sent { body: b"{}".to_vec(), ..other }.request(),
        Some(Ok(cert.to_owned())),
        NOW,
    );
    assert_eq!(refused(receipt).0, 401);
    let unavailable = Reason::KeysUnavailable("it answered 500".into());
    let Receipt::Rejected(refusal, reason) = with(Err(unavailable)) else { panic!("it is rejected") };
    assert_eq!((refusal.status, refusal.code), (503, "keys_unavailable"), "the provider sends it again");
    assert_eq!(refusal.header, Some(("retry-after", "10".to_owned())));
    let kept = source.rejected(&sent.request(), &reason, 0, NOW);
    assert!(kept.code == "keys_unavailable" && kept.detail.contains("it answered 500"), "{kept:?}");
    assert_eq!(source.accept(&kept).expect("it is not lost").len(), 1);

    // A URL that is not the provider's is not asked.
    let foreign = sns("https://keys.evil.example/SimpleNotificationService-1.pem");
    let Some(Err(reason)) = source.key_url(&foreign.request()) else { panic!("a reason") };
    let receipt = source.receive_with(&foreign.request(), Some(Err(reason)), NOW);
    assert_eq!(refused(receipt), (401, "key_url", "key_url"));
    // Where the source has the certificate, nothing is asked; nor for a request that is none.
    assert_eq!(made("aws-sns-v2", &[cert], &json!({}), None).key_url(&sent.request()), None);
    let get = Sent { method: "GET", ..sns(CERT) };
    assert_eq!((source.key_url(&get.request()), get.refused(&source).status), (None, 405));
}

#[test]
fn an_event_has_the_providers_type_and_id_and_its_very_bytes() {
    let sent = github(b"{ \"n\":1.50}\r\n", &[("x-github-event", "push"), ("x-github-delivery", "d1")]);
    let events = sent.events(&source("github"));
    let [event] = events.as_slice() else { panic!("one event") };
    assert_eq!((event.event_type.as_str(), event.event_id.as_deref()), ("push", Some("d1")));
    assert_eq!(payload(event), "{ \"n\":1.50}\r\n");
    let ingest = event.ingest.as_ref().expect("of a source");
    assert_eq!((ingest.dedup_ms, &ingest.raw, ingest.rate), (DAY, &None, None));
    assert_eq!(event.headers, None, "JSON needs no header of its own");
    assert_eq!(
        origin(event),
        json!({ "verdict": "verified", "reason": null, "secretIndex": 0, "ageMs": null, "eventTime": null,
            "method": "POST", "contentType": null })
    );
}

#[test]
fn any_live_secret_will_do_and_the_verdict_says_which() {
    let both = made("github", &["the new one", SECRET], &json!({}), None);
    assert_eq!(origin(&github(b"{}", &[]).events(&both)[0])["secretIndex"], 1);
    let new = made("github", &["the new one"], &json!({}), None);
    assert_eq!(github(b"{}", &[]).refused(&new).code, "mismatch");
    let none = made("github", &[], &json!({}), None);
    assert_eq!(github(b"{}", &[]).refused(&none).code, "not_configured");
}

#[test]
fn what_is_wrong_is_said_without_what_would_be_right() {
    let good = github(b"{}", &[]);
    let refusal = Sent { body: b"{ }".to_vec(), ..github(b"{}", &[]) }.refused(&source("github"));
    assert_eq!((refusal.status, refusal.code), (401, "mismatch"));
    assert!(!refusal.body().contains(&good.headers[0].1[7..]), "{}", refusal.body());
    let put = Sent { method: "PUT", ..github(b"{}", &[]) }.refused(&source("github"));
    assert_eq!((put.status, put.header), (405, Some(("allow", "POST".to_owned()))));
    let wait = |ms| Refusal::too_many(ms).header.expect("a header").1;
    assert_eq!([wait(0), wait(1), wait(1_000), wait(1_001)], ["1", "1", "1", "2"]);
}

#[test]
fn event_types_are_written_as_event_types_are() {
    let type_of = |kind: &str| {
        let event = github(b"{}", &[("x-github-event", kind)]).events(&source("github")).remove(0);
        (event.event_type.clone(), origin(&event)["originalType"].clone())
    };
    assert_eq!(type_of("a.b-C_1"), ("a.b-C_1".into(), Value::Null));
    assert_eq!(type_of("orders/create é"), ("orders_create__".into(), json!("orders/create é")));
    assert_eq!(type_of("--x").0, "_x");
    assert_eq!(type_of(&"x".repeat(300)).0.len(), 256);
    assert_eq!(type_of("").0, "github.event");
    assert_eq!([".", "..", "*", "a.*", "..."].map(|kind| type_of(kind).0), ["_.", "_..", "_", "a._", "..."]);
    let chosen = made("github", &[SECRET], &json!({ "eventType": "in.code" }), None);
    assert_eq!(github(b"{}", &[]).events(&chosen)[0].event_type, "in.code");
    assert_eq!(github(b"{}", &[("x-github-event", "push")]).events(&chosen)[0].event_type, "push");
}

#[test]
fn a_content_type_that_cannot_be_sent_again_keeps_no_event_from_its_endpoints() {
    let source = made("generic-webhook", &[], &json!({}), None);
    let sent = |kind: &str, body: &str| {
        let event = Sent::new(body, &[("content-type", kind)]).events(&source).remove(0);
        assert_eq!(origin(&event)["contentType"], kind, "as it came");
        let headers = event.headers.unwrap_or_default();
        headers.into_iter().find(|(name, _)| name == "content-type").map(|(_, value)| value)
    };
    for kind in ["a/b\u{b}c", "text/plain\r\nx-a: b", "text/plain; x=\u{e9}", "text/\u{4e2d}", "a/b\u{7f}"] {
        assert_eq!(sent(kind, "text").as_deref(), Some("application/octet-stream"), "{kind:?}");
        assert_eq!(sent(kind, "{}"), None, "{kind:?}: JSON");
    }
    assert_eq!(sent("text/plain;\tcharset=x", "text").as_deref(), Some("text/plain;\tcharset=x"));
}

#[test]
fn an_array_is_split_byte_for_byte_or_kept() {
    let body = "[ {\"id\":\"1\",\"type\":\"a\" },\n{\"id\":\"2\", \"type\":\"b\"}]";
    let events = mailabl(body).events(&source("mailabl"));
    let seen: Vec<_> =
        events.iter().map(|e| (e.event_type.as_str(), e.event_id.as_deref(), payload(e))).collect();
    assert_eq!(
        seen,
        [
            ("a", Some("1"), "{\"id\":\"1\",\"type\":\"a\" }"),
            ("b", Some("2"), "{\"id\":\"2\", \"type\":\"b\"}")
        ]
    );
    assert_eq!(
        (origin(&events[0])["index"].clone(), origin(&events[1])["index"].clone()),
        (json!(0), json!(1))
    );
    let keep = made("mailabl", &[SECRET], &json!({ "batch": "keep" }), None);
    assert_eq!(payload(&mailabl(body).events(&keep)[0]), body);
    assert!(mailabl("[]").events(&source("mailabl")).is_empty(), "nothing has happened");
    let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(mailabl(&many(MAX_EVENTS)).events(&source("mailabl")).len(), MAX_EVENTS);
    let too_many = many(MAX_EVENTS + 1);
    let whole = mailabl(&too_many).events(&source("mailabl"));
    assert_eq!((whole.len(), payload(&whole[0])), (1, too_many.as_str()), "delivered whole, and not lost");
    let first_alike = |last: &str| format!(r#"[{{"id":"1"}},{}{{"id":"{last}"}}]"#, "{},".repeat(MAX_EVENTS));
    let id = |last: &str| mailabl(&first_alike(last)).events(&source("mailabl"))[0].event_id.clone();
    assert!(id("a").is_none() || id("a") != id("b"), "it is not its first event");
}

#[test]
fn an_id_that_all_events_of_a_body_share_does_not_make_them_one() {
    let custom = json!({ "scheme": { "kind": "none" }, "event": { "id": "header:x-id", "batch": true } });
    let source = made("custom", &[], &json!({}), Some(&custom));
    let ids = |body: &str| -> Vec<Option<String>> {
        let events = Sent::new(body, &[("x-id", "b1")]).events(&source);
        events.into_iter().map(|event| event.event_id).collect()
    };
    assert_eq!(ids("[{},{}]"), [Some("b1.0".to_owned()), Some("b1.1".to_owned())]);
    assert_eq!(ids("[{}]"), [Some("b1".to_owned())]);
    let long = "x".repeat(300);
    let events = Sent::new("[{}]", &[("x-id", &long)]).events(&source);
    let id = events[0].event_id.as_deref().expect("an id");
    assert!(id.starts_with("sha256-") && id.len() == 71, "{id}");
}

#[test]
fn a_form_is_delivered_as_json_and_kept_as_it_came() {
    let form = ("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
    let sent = Sent::new("a=1&b=%C3%BC", &[form]);
    let event = sent.events(&source("generic-webhook")).remove(0);
    let ingest = event.ingest.clone().expect("of a source");
    assert_eq!(payload(&event), r#"{"a":"1","b":"ü"}"#);
    assert_eq!(ingest.raw.as_deref().map(Vec::as_slice), Some(&b"a=1&b=%C3%BC"[..]));
    let raw = made("generic-webhook", &[], &json!({ "form": "raw" }), None);
    let event = sent.events(&raw).remove(0);
    let ingest = event.ingest.clone().expect("of a source");
    assert_eq!((payload(&event), ingest.raw), ("a=1&b=%C3%BC", None));
    assert_eq!(event.headers, Some(vec![(form.0.to_owned(), form.1.to_owned())]));
    // What is not JSON keeps its type; an event of a GET is in its query.
    let xml = Sent::new("<a/>", &[("content-type", "text/xml")]).events(&source("generic-webhook")).remove(0);
    assert_eq!(xml.headers.expect("headers"), [("content-type".to_owned(), "text/xml".to_owned())]);
    let get = Sent { method: "GET", ..Sent::new("", &[]) }.events(&source("generic-webhook")).remove(0);
    assert_eq!(payload(&get), r#"{"a":"b"}"#);
    // Quotes and control characters grow: what does not fit a row is refused rather than cut.
    let grows = Sent::new("%00".repeat(340_000), &[form]).refused(&source("generic-webhook"));
    assert_eq!(grows.status, 413);
}

#[test]
fn headers_are_forwarded_as_they_are_named_and_never_a_signature() {
    let options = json!({ "forwardHeaders": ["x-trace", "webhook-id", "x-none", "x-odd"] });
    let source = made("github", &[SECRET], &options, None);
    let more = [("X-Trace", "t"), ("webhook-id", "forged"), ("x-odd", "\u{fc}")];
    let event = github(b"{}", &more).events(&source).remove(0);
    assert_eq!(event.headers.expect("headers"), [("x-trace".to_owned(), "t".to_owned())]);
}

#[test]
fn the_registered_url_is_what_is_verified_with_the_query_of_the_request() {
    let url = "https://hooks.example.com/twilio";
    let source = made("github", &[SECRET], &json!({ "url": url }), None);
    assert_eq!(source.url("https://gateway.example/in/t?x=1"), format!("{url}?x=1"));
    assert_eq!(source.url("https://gateway.example/in/t"), url);
    let own = made("github", &[SECRET], &json!({ "url": "https://a.example/?k=v" }), None);
    assert_eq!(own.url("https://gateway.example/in/t?x=1"), "https://a.example/?k=v");
    assert_eq!(self::source("github").url(URL), URL);
}

#[test]
fn what_is_kept_of_a_rejected_request_has_no_secret_and_is_enough_to_accept_it() {
    let options = json!({ "forwardHeaders": ["authorization", "x-trace"] });
    let source = made("github", &["another"], &options, None);
    let more = [
        ("authorization", "Bearer x"),
        ("x-trace", "t"),
        ("x-github-event", "push"),
        ("x-github-delivery", "d"),
    ];
    let sent = github(b"{\"n\":1}", &more);
    let Receipt::Rejected(_, reason) = sent.at(&source) else { panic!("rejected") };
    let kept = source.rejected(&sent.request(), &reason, 3, NOW);
    assert_eq!((kept.code.as_str(), kept.skipped, kept.size, kept.is_whole()), ("mismatch", 3, 7, true));
    assert!(kept.headers.contains(&("authorization".to_owned(), MASK.to_owned())));
    let event = source.accept(&kept).expect("accepted").remove(0);
    assert_eq!(
        (event.event_type.as_str(), event.event_id.as_deref(), payload(&event)),
        ("push", Some("d"), "{\"n\":1}")
    );
    assert_eq!(origin(&event)["verdict"], "failed");
    assert_eq!(origin(&event)["reason"], "mismatch");
    assert_eq!(origin(&event)["acceptedByHand"], true);
    let headers = event.headers.expect("headers");
    assert_eq!(headers, [("x-trace".to_owned(), "t".to_owned())], "a masked value is not sent on");
    let long = github(&vec![b' '; MAX_KEPT + 1], &[]);
    let kept = source.rejected(&long.request(), &reason, 0, NOW);
    assert!(!kept.is_whole() && kept.body.len() < MAX_KEPT);
}

#[test]
fn a_token_is_masked_wherever_it_stands() {
    let token = made("telegram", &[SECRET], &json!({}), None);
    let sent = Sent::new("{}", &[("x-telegram-bot-api-secret-token", "a guess")]);
    let Receipt::Rejected(refusal, reason) = sent.at(&token) else { panic!("rejected") };
    assert_eq!(refusal.code, "wrong_token");
    let kept = token.rejected(&sent.request(), &reason, 0, NOW);
    assert_eq!(kept.headers[0].1, MASK);
    let custom = json!({ "scheme": { "kind": "token", "at": "query:key" } });
    let query = made("custom", &[SECRET], &json!({}), Some(&custom));
    let sent = Sent { url: "https://a.example/in/t?x=1&key=guess".into(), ..Sent::new("{}", &[]) };
    let Receipt::Rejected(_, reason) = sent.at(&query) else { panic!("rejected") };
    assert_eq!(query.rejected(&sent.request(), &reason, 0, NOW).url, "https://a.example/in/t?x=1&key=***");
}

#[test]
fn nothing_unsigned_comes_in_at_a_source_that_verifies() {
    for name in preset::names() {
        let preset = preset::find(name).expect("a preset");
        let source = made(name, &[SECRET], &json!({}), None);
        let method = if preset.methods.iter().any(|method| method == "POST") { "POST" } else { "GET" };
        let receipt = Sent { method, ..Sent::new("{\"type\":\"a\"}", &[]) }.at(&source);
        match (preset.scheme == Scheme::None, &receipt) {
            (true, Receipt::Events(_)) | (false, Receipt::Rejected(..) | Receipt::Handshake(_)) => {}
            _ => panic!("{name}: {receipt:?}"),
        }
    }
}

#[test]
fn a_source_whose_secrets_cannot_be_decrypted_has_its_events_sent_again() {
    let body = br#"{"action":"opened"}"#;
    let record = source("github").record;
    let locked = |vault: &Vault, kind: &str| {
        let record = SourceRecord { kind: kind.into(), ..record.clone() };
        Definition::new(SourceRow { id: "src_1".into(), record }, vault, DAY)
    };
    for source in [
        locked(&Vault::new(Some([8; 32])), "github"),
        locked(&Vault::new(None), "github"),
        locked(&Vault::new(Some([7; 32])), "a-type-of-a-newer-release"),
    ] {
        assert!(source.locked().is_some());
        for sent in [github(body, &[]), Sent::new("{}", &[]), Sent { method: "GET", ..Sent::new("", &[]) }] {
            let Receipt::Rejected(refusal, reason) = sent.at(&source) else {
                panic!("{:?}", sent.at(&source))
            };
            assert_eq!((refusal.status, refusal.code), (503, "not_configured"));
            assert_eq!(refusal.header, Some(("retry-after", "60".to_owned())));
            let kept = source.rejected(&sent.request(), &reason, 0, NOW);
            assert_eq!((kept.code.as_str(), Some(kept.detail.as_str())), ("secrets_locked", source.locked()));
            assert_eq!(source.accept(&kept).expect_err("not yet").code, "invalid_setting");
            assert_eq!(source.key_url(&sent.request()), None);
        }
    }
    let repaired = locked(&Vault::new(Some([7; 32])), "github");
    assert_eq!(github(body, &[]).events(&repaired).len(), 1, "the repeat arrives once the key is back");
}

#[test]
fn whatever_is_refused_can_be_listed_with_the_reason() {
    let unusable = |source: &Definition, sent: &Sent| match sent.at(source) {
        Receipt::Unusable(refusal) => {
            (refusal.status, refusal.code, source.turned_away(&sent.request(), &refusal, 0, NOW).detail)
        }
        other => panic!("{other:?}"),
    };
    let slack = Sent::new(
        r#"{"type":"url_verification","challenge":"c"}"#,
        &[("x-slack-signature", "v0=00"), ("x-slack-request-timestamp", "1795000000")],
    );
    let (status, code, detail) = unusable(&source("slack"), &slack);
    assert_eq!((status, code), (401, "handshake"));
    assert!(detail.contains("signing secret"), "{detail}");
    let token = Sent {
        method: "GET",
        url: format!("{URL}&hub.mode=subscribe&hub.challenge=1&hub.verify_token=other"),
        ..Sent::new("", &[])
    };
    let (status, _, detail) = unusable(&source("meta"), &token);
    assert_eq!(status, 403);
    assert!(detail.contains("token"), "{detail}");
    assert_eq!(unusable(&source("github"), &Sent { method: "GET", ..Sent::new("", &[]) }).0, 405);
    assert_eq!(unusable(&source("github"), &Sent::new("{}", &[("weir-hops", "3")])).0, 508);
}

#[test]
fn a_secret_that_can_be_guessed_is_not_adopted() {
    let notion = made("notion", &[], &json!({}), None);
    for token in ["a", "  ", "your_token_here", "********"] {
        let body = json!({ "verification_token": token }).to_string();
        assert!(
            matches!(Sent::new(body, &[]).at(&notion), Receipt::Unusable(refusal) if refusal.status == 400),
            "{token}"
        );
    }
    let body =
        json!({ "verification_token": "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl" }).to_string();
    let Receipt::Handshake(answer) = Sent::new(body, &[]).at(&notion) else { panic!("adopted") };
    assert!(answer.adopt.is_some());
}

/// A body as gzip writes it.
fn gzip(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&header[..], &miniz_oxide::deflate::compress_to_vec(body, 6), &[0; 4], &length].concat()
}

/// A compressed body under GitHub's signature of `signed`.
fn compressed(encoding: &str, body: Vec<u8>, signed: &[u8]) -> Sent {
    let more = [("content-encoding", encoding), ("content-type", "application/json")];
    Sent { body, ..github(signed, &more) }
}

#[test]
fn a_compressed_event_is_delivered_decompressed_whichever_form_was_signed() {
    let body = br#"{"action":"opened","n":1.50}"#;
    let (packed, zlib) = (gzip(body), miniz_oxide::deflate::compress_to_vec_zlib(body, 6));
    for sent in [
        compressed("gzip", packed.clone(), &packed),
        compressed("GZip", packed.clone(), body),
        compressed("deflate", zlib.clone(), &zlib),
    ] {
        let events = sent.events(&source("github"));
        assert_eq!(payload(&events[0]).as_bytes(), body);
        assert_eq!(events[0].headers, None, "JSON, and no longer compressed");
        let ingest = events[0].ingest.as_ref().expect("of a source");
        assert_eq!(ingest.raw.as_ref().map(|raw| raw.to_vec()), Some(sent.body.clone()), "as it came");
        assert_eq!(origin(&events[0])["verdict"], "verified");
    }
    let other = compressed("gzip", packed, b"another body");
    assert_eq!(other.refused(&source("github")).status, 401);
}

#[test]
fn a_compressed_batch_is_split_and_a_rejected_one_can_be_accepted() {
    let body = r#"[{"id":"m1","type":"a.b"},{"id":"m2","type":"a.c"}]"#;
    let packed = gzip(body.as_bytes());
    let signature = hex(&Sha256::digest([SECRET.as_bytes(), body.as_bytes()].concat()));
    let headers = [("x-mailabl-signature", signature.as_str()), ("content-encoding", "gzip")];
    let events = Sent::new(packed.clone(), &headers).events(&source("mailabl"));
    let types: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["a.b", "a.c"]);

    let forged = Sent::new(packed, &[("x-mailabl-signature", "00"), ("content-encoding", "gzip")]);
    let source = source("mailabl");
    let Receipt::Rejected(_, reason) = forged.at(&source) else { panic!("{:?}", forged.at(&source)) };
    let kept = source.rejected(&forged.request(), &reason, 0, NOW);
    assert_eq!(source.accept(&kept).map(|events| events.len()).ok(), Some(2));
}

#[test]
fn a_body_that_cannot_be_decompressed_is_refused_and_can_be_listed() {
    let body = br#"{"action":"opened"}"#;
    let refused = |encoding: &str, body: &[u8], status: u16, code: &str| {
        let source = made("github", &[SECRET], &json!({ "maxBodyBytes": 65_536 }), None);
        let sent = compressed(encoding, body.to_vec(), body);
        let Receipt::Unusable(refusal) = sent.at(&source) else {
            panic!("{encoding}: {:?}", sent.at(&source))
        };
        assert_eq!((refusal.status, refusal.code), (status, code), "{encoding}");
        refusal
    };
    for encoding in ["br", "zstd", "gzip, br", "nonsense"] {
        let refusal = refused(encoding, body, 415, "unsupported_media_type");
        assert_eq!(refusal.header, Some(("accept-encoding", "gzip, deflate, identity".to_owned())));
    }
    refused("gzip", body, 415, "unsupported_media_type");
    let packed = gzip(body);
    refused("gzip", &packed[..packed.len() - 1], 415, "unsupported_media_type");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 65_536 * 2, "small enough to be read");
    refused("gzip", &gzip(&vec![b' '; 65_537]), 413, "payload_too_large");
}

#[test]
fn a_form_of_an_unknown_charset_is_delivered_as_it_came() {
    let form = |charset: &str, body: &[u8]| {
        let kind = format!("application/x-www-form-urlencoded{charset}");
        let source = made("generic-webhook", &[], &json!({}), None);
        Sent::new(body, &[("content-type", &kind)]).events(&source).remove(0)
    };
    let event = form("; charset=Shift_JIS", b"a=%83e%83X%83g");
    assert_eq!(payload(&event), "a=%83e%83X%83g");
    let kind = event.headers.as_ref().and_then(|headers| headers.first()).map(|(_, value)| value.as_str());
    assert_eq!(kind, Some("application/x-www-form-urlencoded; charset=Shift_JIS"));
    assert_eq!(payload(&form("", "\u{feff}a=1".as_bytes())), r#"{"a":"1"}"#, "no byte order mark in a name");
}

/// A request as a preset signs it, at a source of that kind.
fn sent_by(name: &str, body: &str, headers: &[(&str, &str)]) -> Sent {
    let preset = preset::find(name).expect("a preset");
    let given: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let outgoing = Outgoing { method: "POST", url: URL, headers: &given, body: body.as_bytes(), id: "m1" };
    let secret = secret_of(&preset);
    let keys = preset.scheme.signing(&[secret]).expect("a secret that signs");
    let params = [("webhook_id", "W"), ("public_key", "pub")];
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let signed = preset.sign(&keys, &params, &outgoing, "a.b", NOW).expect("signed");
    let headers = given.into_iter().chain(signed.headers).collect();
    Sent {
        method: "POST",
        url: signed.url.unwrap_or_else(|| URL.to_owned()),
        headers,
        body: signed.body.unwrap_or_else(|| body.into()),
    }
}

fn secret_of(preset: &preset::Preset) -> String {
    preset::find(&preset.name)
        .and_then(|p| weir_core::send_as::new_secret(&p, &mut Seeded(5)).ok())
        .unwrap_or_else(|| SECRET.to_owned())
}

/// The ids of the events of some requests, one after the other.
fn ids(name: &str, requests: &[Sent]) -> Vec<Option<String>> {
    let preset = preset::find(name).expect("a preset");
    let source = made(name, &[&secret_of(&preset)], &json!({}), None);
    requests.iter().flat_map(|sent| sent.events(&source)).map(|event| event.event_id).collect()
}

/// That some requests are so many different events, and that each repeated is the same.
#[track_caller]
fn are_events(name: &str, requests: &[Sent], events: usize) {
    let first = ids(name, requests);
    assert_eq!(first, ids(name, requests), "{name}: a repeat has the same ids");
    assert!(first.iter().all(Option::is_some), "{name}: {first:?}");
    let different: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(different.len(), events, "{name}: {first:?}");
}

#[test]
fn what_is_another_event_is_never_taken_for_a_repeat() {
    let bodies = |name: &str, headers: &[(&str, &str)], bodies: &[&str]| {
        let sent: Vec<Sent> = bodies.iter().map(|body| sent_by(name, body, headers)).collect();
        are_events(name, &sent, bodies.len());
    };
    // One id for all that a webhook sends within a second.
    bodies(
        "woocommerce",
        &[("x-wc-webhook-delivery-id", "d"), ("x-wc-webhook-topic", "order.created")],
        &[r#"{"id":1001}"#, r#"{"id":1002}"#, r#"{"id":1003}"#],
    );
    bodies(
        "logto",
        &[],
        &[
            r#"{"hookId":"h","event":"PostSignIn","createdAt":"2026-11-30T00:00:00.000Z","user":{"id":"u1"}}"#,
            r#"{"hookId":"h","event":"PostSignIn","createdAt":"2026-11-30T00:00:00.000Z","user":{"id":"u2"}}"#,
            r#"{"hookId":"h","event":"User.Deleted","createdAt":"2026-11-30T00:00:00.000Z","user":{"id":"u2"}}"#,
        ],
    );
    bodies(
        "merge-dev",
        &[],
        &[
            r#"{"hook":{"id":"h","event":"Employee.changed"},"data":{"id":"e1"}}"#,
            r#"{"hook":{"id":"h","event":"Employee.changed"},"data":{"id":"e2"}}"#,
        ],
    );
    bodies(
        "postmark",
        &[],
        &[
            r#"{"RecordType":"Delivery","MessageID":"m","DeliveredAt":"2026-11-30T00:00:00Z"}"#,
            r#"{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-11-30T00:01:00Z"}"#,
            r#"{"RecordType":"Click","MessageID":"m","ReceivedAt":"2026-11-30T00:02:00Z"}"#,
            r#"{"RecordType":"Bounce","MessageID":"m","BouncedAt":"2026-11-30T00:03:00Z"}"#,
            r#"{"RecordType":"Open","MessageID":"m","ReceivedAt":"2026-11-30T00:04:00Z"}"#,
        ],
    );
    let adyen = |code: &str, success: &str| {
        format!(
            r#"{{"notificationItems":[{{"NotificationRequestItem":{{"pspReference":"p","eventCode":"{code}","success":"{success}","eventDate":"2026-11-30T00:00:00+01:00"}}}}]}}"#
        )
    };
    bodies(
        "adyen",
        &[],
        &[
            &adyen("AUTHORISATION", "false"),
            &adyen("AUTHORISATION", "true"),
            &adyen("CAPTURE", "true"),
            &adyen("CAPTURE_FAILED", "true"),
        ],
    );
    bodies("hmac-sha256", &[], &[r#"{"id":7,"status":"paid"}"#, r#"{"id":7,"status":"refunded"}"#]);
    bodies(
        "mongodb-atlas",
        &[],
        &[r#"{"id":"a","status":"OPEN","updated":"1"}"#, r#"{"id":"a","status":"CLOSED","updated":"2"}"#],
    );
    bodies(
        "hubspot",
        &[],
        &[
            r#"[{"eventId":1,"subscriptionType":"contact.creation","objectId":1,"occurredAt":1}]"#,
            r#"[{"eventId":1,"subscriptionType":"contact.deletion","objectId":1,"occurredAt":1}]"#,
            r#"[{"eventId":1,"subscriptionType":"contact.creation","objectId":2,"occurredAt":1}]"#,
        ],
    );
    bodies(
        "netlify",
        &[],
        &[
            r#"{"id":"d","state":"building","updated_at":"1"}"#,
            r#"{"id":"d","state":"ready","updated_at":"2"}"#,
        ],
    );
    bodies(
        "mailgun",
        &[],
        &[
            r#"{"event-data":{"id":"i","timestamp":1529006854.329574,"event":"opened"}}"#,
            r#"{"event-data":{"id":"i","timestamp":1529093254.329574,"event":"opened"}}"#,
        ],
    );
    let status = |state: &str| {
        sent_by(
            "plivo",
            &format!("MessageUUID=m&Status={state}"),
            &[("content-type", "application/x-www-form-urlencoded")],
        )
    };
    are_events("plivo", &[status("queued"), status("sent"), status("delivered")], 3);
    // A recursive event of GitLab has the UUID of the one before it.
    let gitlab = |body: &str| {
        sent_by("gitlab-token", body, &[("x-gitlab-event", "Push Hook"), ("x-gitlab-event-uuid", "u")])
    };
    are_events("gitlab-token", &[gitlab(r#"{"ref":"a"}"#), gitlab(r#"{"ref":"b"}"#)], 2);
}

#[test]
fn events_that_come_together_have_ids_of_their_own_however_they_are_grouped() {
    let line = |ids: &[&str]| {
        let events: Vec<Value> =
            ids.iter().map(|id| json!({ "type": "message", "webhookEventId": id })).collect();
        sent_by("line", &json!({ "destination": "U", "events": events }).to_string(), &[])
    };
    are_events("line", &[line(&["A"]), line(&["A", "B"])], 2);
    let source = made("line", &[&secret_of(&preset::find("line").expect("a preset"))], &json!({}), None);
    let both = line(&["A", "B"]).events(&source);
    assert_eq!(
        payload(&both[1]),
        r#"{"destination":"U","events":[{"type":"message","webhookEventId":"B"}]}"#
    );
    assert_eq!((both[1].event_type.as_str(), both[1].event_id.as_deref()), ("message", Some("B")));
    assert_eq!(line(&[]).events(&source)[0].event_id, None, "a test of the URL has no event");
    // Delivered whole, the bytes tell them apart.
    let keep = made(
        "line",
        &[&secret_of(&preset::find("line").expect("a preset"))],
        &json!({ "batch": "keep" }),
        None,
    );
    let whole = |ids: &[&str]| line(ids).events(&keep).remove(0).event_id.expect("an id");
    assert_ne!(whole(&["A"]), whole(&["A", "B"]));
    assert_eq!(whole(&["A", "B"]), whole(&["A", "B"]));
    let item = |id: &str, code: &str| json!({ "NotificationRequestItem": { "pspReference": id, "eventCode": code, "success": "true" } });
    let adyen = |items: &[Value]| {
        sent_by("adyen", &json!({ "live": "false", "notificationItems": items }).to_string(), &[])
    };
    are_events(
        "adyen",
        &[adyen(&[item("p", "CAPTURE")]), adyen(&[item("p", "CAPTURE"), item("p", "REFUND")])],
        2,
    );
    let gocardless = |ids: &[&str]| {
        let events: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "action": "paid_out" })).collect();
        sent_by("gocardless", &json!({ "events": events }).to_string(), &[])
    };
    are_events("gocardless", &[gocardless(&["EV1"]), gocardless(&["EV1", "EV2"])], 2);
}

#[test]
fn no_preset_takes_an_object_or_a_webhook_for_an_event() {
    for name in preset::names() {
        let preset = preset::find(name).expect("a preset");
        let Some(id) = &preset.event.id else {
            assert!(preset.event.no_id.is_some(), "{name} says why it has no id");
            continue;
        };
        let parts = id.parts();
        assert!(
            !id.has_body() || parts.len() > 1,
            "{name}: equal bytes may be two events; name what makes them one"
        );
        // Such a name is that of a thing that events are about: alone, it identifies no event.
        for part in &parts {
            let of_a_thing = [
                "hook.id",
                "hookId",
                "webhook_id",
                "webhookId",
                "MessageID",
                "MessageUUID",
                "pspReference",
                "submissionId",
            ];
            assert!(
                !of_a_thing.iter().any(|thing| part.ends_with(thing)) || parts.len() > 1,
                "{name}: {part}"
            );
        }
        // The first of several events is not all of them.
        let first_only = parts.iter().all(|part| part.contains("[0]"));
        assert!(!first_only || preset.event.batch != preset::Several::No, "{name}: {parts:?}");
    }
}

#[test]
fn what_a_signature_does_not_cover_is_not_called_verified() {
    for name in ["paypal", "adyen", "aws-sns", "aws-sns-v2", "braintree", "mailgun", "mercado-pago"] {
        let preset = preset::find(name).expect("a preset");
        assert!(!preset.scheme.binds_body(), "{name}: other bodies have the same signature");
        assert!(!preset.notes.is_empty(), "{name} says what is signed");
    }
    // SHA-256(secret || body) can be continued by whoever has seen one; what is put between is never text.
    let mut body = b"[{\"id\":\"1\"}]".to_vec();
    body.extend([0x80, 0, 0, 0xff]);
    let signature = hex(&Sha256::digest([SECRET.as_bytes(), &body].concat()));
    let extended = Sent::new(body, &[("x-mailabl-signature", &signature)]);
    assert_eq!(extended.refused(&source("mailabl")).code, "body_unreadable");

    // Where single members are signed, a name that is there twice could be read two ways.
    let item = r#"{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":"true"}}"#;
    let good = sent_by("adyen", &format!(r#"{{"notificationItems":[{item}]}}"#), &[]);
    let adyen = made("adyen", &[&secret_of(&preset::find("adyen").expect("a preset"))], &json!({}), None);
    assert_eq!(origin(&good.events(&adyen)[0])["verdict"], "authenticated");
    let text = String::from_utf8(good.body.clone()).expect("text");
    let twice = text.replacen(r#""eventCode":"CAPTURE""#, r#""eventCode":"REFUND","eventCode":"CAPTURE""#, 1);
    assert_ne!(twice, text);
    assert_eq!(Sent { body: twice.into_bytes(), ..good }.refused(&adyen).code, "body_unreadable");
}

#[test]
fn secrets_are_taken_as_they_are_pasted_or_refused_with_what_to_do() {
    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let create = |kind: &str, secret: &str| {
        let body = json!({ "name": "a", "type": kind, "config": { "secret": secret } }).to_string();
        let made = SourceIn::parse(body.as_bytes()).map_err(|error| error.body())?;
        let vault = Vault::new(None);
        let record = made.record("src_1", None, &vault, &mut Seeded(1)).expect("sealed");
        Ok::<_, String>(vault.open(Place::secret("src_1"), &record.secrets[0]).expect("opened"))
    };
    for (kind, pasted, kept) in [
        ("supabase", format!("v1,{WHSEC}"), WHSEC),
        ("svix", format!("\"{WHSEC}\"\n"), WHSEC),
        ("github", " a secret of mine \n".to_owned(), "a secret of mine"),
    ] {
        assert_eq!(create(kind, &pasted).as_deref(), Ok(kept), "{kind}");
    }
    for (kind, secret, says) in [
        ("svix", "whsec_c2hvcnQ=", "at least 24"),
        ("github", "abc", "can be guessed"),
        ("stripe", "sk_live_0123456789abcdef", "a secret API key"),
        ("github", "GITHUB_SECRET=0123456789abcdef", "before the equals sign"),
        ("github", "'a secret of mine'", "quotes"),
    ] {
        let fault = create(kind, secret).expect_err(secret);
        assert!(fault.contains(says), "{kind}: {fault}");
    }
}

#[test]
fn parameters_that_are_not_sent_again_stay_as_secrets_do() {
    let vault = Vault::new(Some([7; 32]));
    let put = |body: &Value, before: Option<SourceRecord>| {
        let new = SourceIn::parse(body.to_string().as_bytes()).map_err(|error| error.body())?;
        new.record("src_1", before, &vault, &mut Seeded(1)).map_err(|error| error.body())
    };
    let params = |record: &SourceRecord| {
        record.params.as_ref().map(|sealed| vault.open(Place::params("src_1"), sealed).expect("opened"))
    };
    let created = |kind: &str, config: Value| {
        put(&json!({ "name": "a", "type": kind, "config": config }), None).expect("created")
    };
    let renamed = |kind: &str| json!({ "name": "b", "type": kind });
    for (kind, config, kept) in [
        (
            "hmac-sha256",
            json!({ "secret": SECRET, "params": { "header": "x-my-sig" } }),
            r#"{"header":"x-my-sig"}"#,
        ),
        ("token", json!({ "secret": SECRET, "params": { "header": "x-door" } }), r#"{"header":"x-door"}"#),
        ("meta", json!({ "secret": SECRET, "verifyToken": "tok" }), r#"{"verify_token":"tok"}"#),
        ("paypal", json!({ "params": { "webhook_id": "W" } }), r#"{"webhook_id":"W"}"#),
    ] {
        let before = created(kind, config);
        let after = put(&renamed(kind), Some(before.clone())).expect("renamed");
        assert_eq!((params(&after).as_deref(), &after.secrets), (Some(kept), &before.secrets), "{kind}");
        // Another key does not lose them either.
        let other = Vault::new(Some([8; 32]));
        let new = SourceIn::parse(renamed(kind).to_string().as_bytes()).expect("read");
        let after = new.record("src_1", Some(before.clone()), &other, &mut Seeded(1)).expect("renamed");
        assert_eq!(after.params, before.params, "{kind}");
    }
    let before = created("hmac-sha256", json!({ "secret": SECRET, "params": { "header": "x-my-sig" } }));
    let cleared = json!({ "name": "b", "type": "hmac-sha256", "config": { "params": {} } });
    assert_eq!(params(&put(&cleared, Some(before.clone())).expect("cleared")), None);
    assert_eq!(params(&put(&renamed("github"), Some(before)).expect("another type")), None);
    let fault = put(&renamed("paypal"), None).expect_err("it needs a parameter");
    assert!(fault.contains("webhook_id"), "{fault}");
}

#[test]
fn a_repeat_is_listed_and_can_be_taken_all_the_same() {
    let source = source("mailabl");
    let sent = mailabl(r#"[{"id":"1","type":"a"},{"id":"2","type":"b"}]"#);
    let events = sent.events(&source);
    let origin = &events[0].ingest.as_ref().expect("of a source").origin;
    let kept = source.repeated(&sent.request(), origin, &[(1, "msg_x".to_owned())], 2, NOW);
    assert_eq!((kept.code.as_str(), kept.skipped), ("duplicate", 2));
    assert!(kept.detail.contains("msg_x"), "{}", kept.detail);
    let taken = source.accept(&kept).expect("accepted");
    assert_eq!(
        (taken.len(), payload(&taken[0]), taken[0].event_id.as_deref()),
        (1, r#"{"id":"2","type":"b"}"#, None)
    );
    assert_eq!(self::origin(&taken[0])["verdict"], "verified");
    assert_eq!(self::origin(&taken[0])["acceptedByHand"], true);
}

#[test]
fn a_source_may_take_equal_bodies_for_repeats() {
    let by_body = made("token", &[SECRET], &json!({ "dedupBy": "body" }), None);
    let sent = |body: &str| Sent::new(body, &[("authorization", SECRET)]).events(&by_body).remove(0).event_id;
    assert_eq!(sent("a"), sent("a"));
    assert!(sent("a").is_some() && sent("a") != sent("b"));
    let none = made("token", &[SECRET], &json!({}), None);
    assert_eq!(Sent::new("a", &[("authorization", SECRET)]).events(&none)[0].event_id, None);
}

proptest! {
    #[test]
    fn any_request_is_answered(
        at in 0usize..1_000,
        method in prop_oneof![Just("POST"), Just("GET"), Just("HEAD"), Just("PUT")],
        query in "[a-z_.=&%0-9]{0,30}",
        headers in proptest::collection::vec(("[a-z-]{1,20}", ".{0,20}"), 0..4),
        body in prop_oneof![any::<Vec<u8>>(), ".*".prop_map(String::into_bytes), Just(b"[{},{}]".to_vec())],
        accept: bool,
    ) {
        let names: Vec<_> = preset::names().chain(["generic-webhook"]).collect();
        let options = json!({ "unverified": if accept { "accept" } else { "reject" }, "forwardHeaders": ["x-a"] });
        let source = made(names[at % names.len()], &[SECRET], &options, None);
        let url = format!("https://a.example/in/t?{query}");
        let sent = Sent { method, url, headers, body };
        match sent.at(&source) {
            Receipt::Events(events) => {
                for event in &events {
                    prop_assert!(origin(event)["verdict"].is_string());
                    prop_assert!(weir_core::api::model::is_name(&event.event_type));
                }
            }
            Receipt::Rejected(refusal, reason) => {
                prop_assert!(!accept, "{refusal:?}");
                let kept = source.rejected(&sent.request(), &reason, 0, NOW);
                prop_assert!(source.accept(&kept).is_ok());
            }
            Receipt::Unusable(refusal) => prop_assert!(refusal.status >= 400),
            Receipt::Handshake(answer) => prop_assert!(answer.status >= 200),
        }
    }
}
