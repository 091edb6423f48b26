//! The five email services whose webhooks Weir sends and receives, sentence by sentence.
//!
//! Each test quotes its page and shows where the preset says the same.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use weir_core::preset::{self, Delivery, Exhausted, Preset, batch_items};
use weir_core::scheme::{Outgoing, Params, Request, Verdict};

const NOW: i64 = 1_795_000_000_000;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn seed(name: &str) -> (Preset, Delivery) {
    let preset = preset::find(name).unwrap();
    let delivery = preset.delivery.clone().unwrap();
    (preset, delivery)
}

/// The headers that the preset signs a body with, and that it verifies them.
fn sent(preset: &Preset, secret: &str, body: &str, params: &Params) -> BTreeMap<String, String> {
    let outgoing = Outgoing {
        method: "POST",
        url: "https://example.com",
        headers: &[],
        body: body.as_bytes(),
        id: "msg_1",
    };
    let secrets = preset.scheme.signing(&[secret]).unwrap();
    let signed = preset.sign(&secrets, params, &outgoing, "a.b", NOW).unwrap();
    assert_eq!(signed.body, None, "the body is sent byte for byte");
    let request = Request {
        method: "POST",
        url: "https://example.com",
        headers: &signed.headers,
        body: body.as_bytes(),
    };
    let verdict = preset.scheme.verify(&preset.scheme.verifying(&[secret]), params, &request, NOW);
    assert!(matches!(verdict, Verdict::Verified(_)), "{verdict:?}");
    signed.headers.into_iter().collect()
}

fn events(preset: &Preset) -> BTreeMap<&str, Value> {
    let groups = preset.catalog.iter().flat_map(|group| &group.events);
    groups.map(|event| (event.name.as_str(), serde_json::from_str(event.example.as_str()).unwrap())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn event(preset: &Preset, headers: &BTreeMap<String, String>, body: &str) -> preset::Event {
    let headers: Vec<_> = headers.clone().into_iter().collect();
    preset.event(&Request { method: "POST", url: "", headers: &headers, body: body.as_bytes() })
}

#[test]
fn reloop() {
    let (preset, delivery) = seed("reloop");
    // "If your server returns an error, we retry with exponential backoff: 5 seconds, 5 minutes, 30 minutes, 2 hours,
    // 5 hours, 10 hours"
    assert_eq!(delivery.schedule_s, [5, 300, 1800, 7200, 18_000, 36_000]);
    assert!(delivery.schedule_documented);
    // "Webhooks are sent from the following IP addresses"
    let addresses =
        ["44.228.126.217", "50.112.21.217", "52.24.126.164", "54.148.139.208", "2600:1f24:64:8000::/52"];
    assert_eq!(delivery.sources, addresses);
    // "Add your publicly accessible HTTPS URL." "Select all events you want to observe."
    assert!(delivery.https_only && delivery.choose_events);
    // "We do not guarantee that events will arrive in the order they occurred."
    assert!(!delivery.ordered);
    // "You can manually replay any failed or successful webhook event"
    assert!(delivery.replay);
    // "Each webhook has a unique reloop-id (or Svix ID) header that you can use for idempotency"
    let example = events(&preset)["email.bounced"].to_string();
    let headers = sent(&preset, WHSEC, &example, &Params::new());
    assert_eq!((headers["reloop-id"].as_str(), headers["svix-id"].as_str()), ("msg_1", "msg_1"));
    // "You should use the created_at timestamp in the payload to order them."
    let event = event(&preset, &headers, &example);
    assert_eq!(event.kind.as_deref(), Some("email.bounced"));
    assert_eq!((event.id.as_deref(), event.at_ms), (Some("msg_1"), Some(1_700_696_472_126)));
}

#[test]
fn loops() {
    let (preset, delivery) = seed("loops");
    // "Webhook events will be sent at a maximum rate of 10 per second."
    assert_eq!(delivery.per_second, Some(10));
    // "We retain 30 days of event history."
    assert_eq!(delivery.retention_days, Some(30));
    // "Subscribe to the events you want to receive using the toggles. Click the group names to view all events in each."
    assert!(delivery.choose_events);
    let groups: Vec<&str> = preset.catalog.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(groups, ["Contacts", "Email sending", "Email events"]);
    // "Headers will include: Webhook-Signature, Webhook-Id, Webhook-Timestamp (seconds since epoch)"
    let headers = sent(&preset, WHSEC, "{}", &Params::new());
    let names: Vec<&str> = headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["webhook-id", "webhook-signature", "webhook-timestamp"]);
    assert_eq!(headers["webhook-timestamp"], "1795000000");
    // "The event name sent during testing is testing.testEvent."
    let test: Value = serde_json::from_str(preset.test_event.as_ref().unwrap().example.as_str()).unwrap();
    assert_eq!(test["eventName"], "testing.testEvent");

    let events = events(&preset);
    assert_eq!(events.len(), 15);
    for (name, body) in &events {
        // "Every webhook will contain: eventName, webhookSchemaVersion (will be 1.0.0), eventTime (Unix timestamp)"
        assert_eq!(body["eventName"], *name);
        assert_eq!(body["webhookSchemaVersion"], "1.0.0", "{name}");
        assert!(body["eventTime"].is_u64(), "{name}");
        // "A contact's identifiers: id, email, userId (nullable string)": with every event.
        let identity: Vec<&String> = body["contactIdentity"].as_object().unwrap().keys().collect();
        assert_eq!(identity, ["email", "id", "userId"], "{name}");
        // "Contains a … value plus contactIdentity and email objects." id, emailMessageId, subject.
        let email = body.get("email").map(|email| email.as_object().unwrap().keys().collect::<Vec<_>>());
        assert_eq!(email.is_some(), name.contains("email."), "{name}");
        if let Some(email) = email {
            assert_eq!(email, ["emailMessageId", "id", "subject"], "{name}");
        }
        // "sourceType: For email.* events … One of campaign, loop or transactional." with the related id.
        match body.get("sourceType").and_then(Value::as_str) {
            Some(source) => {
                assert!(body[format!("{source}Id")].is_string() && name.starts_with("email."), "{name}");
            }
            None => assert!(!name.starts_with("email."), "{name}"),
        }
        // "mailingList: id, name, description (nullable string), isPublic (boolean)"
        if name.contains("mailingList") {
            let list: Vec<&String> = body["mailingList"].as_object().unwrap().keys().collect();
            assert_eq!(list, ["description", "id", "isPublic", "name"], "{name}");
        }
    }
    // "This event is not available for transactional emails"
    for name in ["email.opened", "email.clicked", "email.unsubscribed"] {
        assert_ne!(events[name]["sourceType"], "transactional", "{name}");
    }
    // "contact: A full contact object": its properties and custom ones.
    let contact = events["contact.created"]["contact"].as_object().unwrap();
    for field in [
        "id",
        "email",
        "firstName",
        "lastName",
        "source",
        "subscribed",
        "userGroup",
        "userId",
        "mailingLists",
    ] {
        assert!(contact.contains_key(field), "{field}");
    }
    assert!(contact["subscribed"].is_boolean());
    assert!(contact["mailingLists"].as_object().unwrap().values().all(|value| *value == true));
}

#[test]
fn resend() {
    let (preset, delivery) = seed("resend");
    // "Each message is attempted based on the following schedule, where each period is started following the failure of
    // the preceding attempt"
    assert_eq!(delivery.schedule_s, [5, 300, 1800, 7200, 18_000, 36_000]);
    // "If Resend does not receive a 200 response from a webhook server, we will retry"
    assert_eq!(delivery.success, (200, 200));
    // "the message will be marked as failed, and you will get a webhook of type message.attempt.exhausted"
    assert_eq!(delivery.exhausted, Exhausted::Event("message.attempt.exhausted".into()));
    // "our webhooks come from the following IP addresses"
    assert_eq!(delivery.sources, seed("reloop").1.sources);
    // "All webhooks use HTTPS and deliver a JSON payload"
    assert!(delivery.https_only);
    assert_eq!(preset.content_type, "application/json");
    sent(&preset, WHSEC, "{\"type\":\"email.sent\"}", &Params::new());
}

#[test]
fn mailabl() {
    let (preset, delivery) = seed("mailabl");
    // "If a 2xx HTTP status code isn't received within 3 seconds or a status code other than 2xx is returned, we assume
    // that the delivery is unsuccessful."
    assert_eq!((delivery.timeout_s, delivery.success), (Some(3), (200, 299)));
    // "Retry attempt / Time between attempts": the table.
    assert_eq!(delivery.schedule_s[..4], [10, 100, 1000, 10_000]);
    assert_eq!(delivery.schedule_s[4..], [100_000; 6]);
    // "After a 10th failed attempt, the notification is discarded."
    assert_eq!((delivery.schedule_s.len(), delivery.exhausted), (10, Exhausted::Discarded));
    // "There's no guarantee of the delivery order of event notices."
    assert!(!delivery.ordered);
    // "you should expect to receive an array of objects in a single request": id, type, occurredAt, data.object.
    assert!(delivery.batch && preset.event.batch == preset::Several::Body);
    let example = events(&preset)["task.updated"].to_string();
    let items = batch_items(example.as_bytes()).unwrap();
    let item: Value = serde_json::from_str(items[0].get()).unwrap();
    assert_eq!(item["data"]["object"], serde_json::json!({ "id": "9", "type": "task" }));
    let event = event(&preset, &BTreeMap::new(), items[0].get());
    assert_eq!(event.kind.as_deref(), Some("task.updated"));
    assert_eq!(event.id.as_deref(), Some("256a5a1f-3c1f-4a87-9e37-0008be001ade"));
    assert_eq!(event.at_ms, Some(1_688_899_944_000));
    // "an X-Mailabl-Signature header with a SHA-256 hash of the concatenation of the app-secret for your application
    // and the body of the webhook request"
    let headers = sent(&preset, "app-secret", &example, &Params::new());
    let expected = hex(&Sha256::digest(format!("app-secret{example}")));
    assert_eq!(headers, BTreeMap::from([("x-mailabl-signature".to_owned(), expected)]));
}

#[test]
fn relaypost() {
    let (preset, delivery) = seed("relaypost");
    // "Up to 3 retry attempts. Exponential backoff between retries."
    assert_eq!(delivery.schedule_s.len(), 3);
    assert!(delivery.schedule_s.windows(2).all(|pair| pair[1] >= 2 * pair[0]));
    assert!(!delivery.schedule_documented, "the page gives no times");
    // "After all retries fail, the delivery is logged as failed."
    assert_eq!(delivery.exhausted, Exhausted::Logged);
    // "Missed events are not replayed automatically." "You select which events to receive."
    assert!(!delivery.replay && delivery.choose_events);
    // "queued, processing, delivered, opened, bounced, deferred, failed, complained, and rejected"
    let events = events(&preset);
    let names: Vec<&&str> = events.keys().collect();
    assert_eq!(
        names,
        [
            &"bounced",
            &"complained",
            &"deferred",
            &"delivered",
            &"failed",
            &"opened",
            &"processing",
            &"queued",
            &"rejected"
        ]
    );
    // "a JSON body": event, email_id, message_id, recipient, timestamp, metadata.
    for (name, body) in &events {
        let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["email_id", "event", "message_id", "metadata", "recipient", "timestamp"],
            "{name}"
        );
    }
    assert_eq!(events["delivered"]["metadata"]["smtp_code"], 250);
    // createHmac("sha256", secret).update(payload).digest("hex"), in "a signature header".
    let body = events["delivered"].to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(body.as_bytes());
    let expected = hex(&mac.finalize().into_bytes());
    let headers = sent(&preset, "secret", &body, &Params::new());
    assert_eq!(headers, BTreeMap::from([("x-relaypost-signature".to_owned(), expected.clone())]));
    let chosen = Params::from([("header".to_owned(), "X-Signature".to_owned())]);
    assert_eq!(
        sent(&preset, "secret", &body, &chosen),
        BTreeMap::from([("x-signature".to_owned(), expected)])
    );
}
