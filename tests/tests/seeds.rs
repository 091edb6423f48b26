//! Weir sends as five services document it: each test names the sentences of the documentation that it covers.
//!
//! The schedules themselves, whose pauses take hours, are tested where time is an argument
//! (`core/src/endpoint/tests/presets.rs`); here an endpoint's own schedule stands in for them.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use weir_tests::client::{Api, column, list, text};
use weir_tests::gateway::{Running, scratch, shared};
use weir_tests::receiver::{Answer, Received, Receiver};
use weir_tests::sdk;
use weir_tests::source::Source;

const SOON: Duration = Duration::from_secs(10);

/// A gateway, one application of a tenant, and a receiver.
struct Seed {
    _gateway: std::sync::Arc<Running>,
    api: Api,
    app: String,
    receiver: Receiver,
    preset: &'static str,
}

impl Seed {
    fn new(preset: &'static str) -> Self {
        let gateway = shared();
        let api = gateway.tenant();
        let app = api.app();
        let (status, made) = api.post(&format!("/api/v1/preset/{preset}/event-types"), &json!({}));
        assert_eq!(status, 200, "{made}");
        Self { api, app, receiver: Receiver::start(), preset, _gateway: gateway }
    }

    fn endpoint(&self, extra: &Value) -> String {
        let mut body = json!({ "preset": self.preset, "retrySchedule": [0.2, 0.2] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.api.endpoint_with(&self.app, &self.receiver.url("/"), &body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.api.get(path);
        assert_eq!(status, 200, "{body}");
        body
    }

    /// What the API says of the preset.
    fn delivery(&self) -> Value {
        self.get(&format!("/api/v1/preset/{}", self.preset))["delivery"].clone()
    }

    /// The body of one event of the preset's catalogue, or of its test event.
    fn example(&self, event_type: &str) -> String {
        let preset = self.get(&format!("/api/v1/preset/{}", self.preset));
        let groups = preset["catalog"].as_array().unwrap().iter();
        let listed = groups.flat_map(|group| group["events"].as_array().unwrap());
        let mut events = listed.chain(preset.get("testEvent"));
        let example = &events.find(|event| event["name"] == event_type).unwrap()["example"];
        example.get(0).unwrap_or(example).to_string()
    }

    fn by_hand(&self, message: &str, endpoint: &str) {
        let path = format!("/api/v1/app/{}/msg/{message}/endpoint/{endpoint}/resend", self.app);
        let (status, body) = self.api.post(&path, &json!({}));
        assert_eq!(status, 202, "{body}");
    }

    /// The page's own receiver takes it, and does not with another byte.
    fn page_accepts(&self, endpoint: &str, requests: &[Received], header: Option<&str>) {
        let secret = self.api.secret(&self.app, endpoint);
        let requests: Vec<Value> = requests
            .iter()
            .map(|request| {
                let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
                let body = String::from_utf8(request.body.to_vec()).unwrap();
                json!({ "preset": self.preset, "body": body, "headers": headers, "secret": secret, "header": header })
            })
            .collect();
        let file = scratch("seeds").join("requests.json");
        std::fs::write(&file, Value::from(requests.clone()).to_string()).unwrap();
        let run = sdk::node("../seeds/receive.mjs", &[("WEIR_REQUESTS", &file.to_string_lossy())]);
        run.assert_ok();
        assert_eq!(run.lines.len(), requests.len(), "{}", run.noise);
        for line in &run.lines {
            let verdict = (&line["accepted"], &line["changed"]);
            assert_eq!(verdict, (&json!(true), &json!(false)), "{line}: {}", run.noise);
        }
    }

    /// A public address that is not https is refused.
    fn wants_https(&self) {
        let body = json!({ "url": "http://example.com/hook", "preset": self.preset });
        let (status, error) = self.api.post(&format!("/api/v1/app/{}/endpoint", self.app), &body);
        assert_eq!((status, &error["detail"][0]["type"]), (422, &json!("url_https_only")), "{error}");
    }
}

#[test]
fn reloop() {
    let seed = Seed::new("reloop");
    let Seed { api, app, receiver, .. } = &seed;
    // "Add your publicly accessible HTTPS URL. Select all events you want to observe."
    seed.wants_https();
    let endpoint = seed.endpoint(&json!({ "eventTypes": ["email.bounced"] }));
    // "When you send an email or trigger an event, Reloop will send a payload like this to your endpoint"
    let payload = seed.example("email.bounced");
    api.send_as(app, "email.opened", r#"{"type":"email.opened"}"#);
    let message = api.send_as(app, "email.bounced", &payload);
    let got = receiver.wait_for_one("/", SOON);
    assert_eq!(
        String::from_utf8_lossy(&got.body),
        payload,
        "byte for byte, and not the event that was not chosen"
    );
    // "Each webhook has a unique reloop-id (or Svix ID) header that you can use for idempotency"
    assert_eq!((got.header("reloop-id"), got.header("svix-id")), (Some(&*message), Some(&*message)));
    // "You should use the created_at timestamp in the payload to order them": the body is {type, created_at, data}.
    let body: BTreeMap<String, Value> = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(body.keys().collect::<Vec<_>>(), ["created_at", "data", "type"]);
    seed.page_accepts(&endpoint, &[got], None);
    // "If your server returns an error, we retry with exponential backoff": the page's schedule is the preset's.
    assert_eq!(seed.delivery()["schedule"], json!([5, 300, 1800, 7200, 18_000, 36_000]));
    receiver.on("/", |request| Answer::status(if request.nth < 4 { 500 } else { 200 }));
    let failed = api.send_as(app, "email.bounced", &payload);
    api.attempts(app, &failed, 3, SOON);
    // "Yes, you can manually replay any failed or successful webhook event"
    seed.by_hand(&failed, &endpoint);
    seed.by_hand(&message, &endpoint);
    let all = receiver.wait_for("/", 6, SOON);
    let ids: Vec<_> = all[4..].iter().map(|request| request.header("reloop-id").unwrap()).collect();
    assert!(ids.contains(&&*failed) && ids.contains(&&*message), "{ids:?}");
    seed.page_accepts(&endpoint, &all[4..], None);
    // "Test your local endpoint": a test event, with the page's payload.
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    let (status, sent) = api.post(&path, &json!({ "eventType": "email.bounced" }));
    assert_eq!(status, 200, "{sent}");
    let test = receiver.wait_for("/", 7, SOON).remove(6);
    assert_eq!(test.header("reloop-id"), sent["id"].as_str());
    // It happens now, and is the page's payload otherwise.
    let mut said: Value = serde_json::from_slice(&test.body).unwrap();
    let page: Value = serde_json::from_str(&payload).unwrap();
    assert!(said["created_at"] != page["created_at"], "{said}");
    said["created_at"] = page["created_at"].clone();
    assert_eq!(said, page);
}

#[test]
fn loops() {
    let seed = Seed::new("loops");
    let Seed { api, app, receiver, .. } = &seed;
    // "Subscribe to the events you want to receive using the toggles. Click the group names to view all events in each."
    let types = seed.get("/api/v1/event-type?limit=100&with_content=true");
    assert_eq!(list(&types).len(), 16, "the page's fifteen, and its test event");
    let groups: std::collections::BTreeSet<_> = column(&types, "groupName").into_iter().collect();
    assert_eq!(
        groups.into_iter().collect::<Vec<_>>(),
        ["Contacts", "Email events", "Email sending", "Testing"]
    );
    let endpoint = seed.endpoint(&json!({}));
    // "you can send a test request to your endpoint ... The event name sent during testing is testing.testEvent"
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/send-example");
    let (status, sent) = api.post(&path, &json!({ "eventType": "testing.testEvent" }));
    assert_eq!(status, 200, "{sent}");
    let test = receiver.wait_for_one("/", SOON);
    let body: Value = serde_json::from_slice(&test.body).unwrap();
    // "Every webhook will contain the following data": eventName, webhookSchemaVersion "Will be 1.0.0", eventTime.
    assert_eq!(
        (&body["eventName"], &body["webhookSchemaVersion"]),
        (&json!("testing.testEvent"), &json!("1.0.0"))
    );
    assert!(body["eventTime"].is_u64(), "a Unix timestamp: {body}");
    // "Webhook-Signature: A list of request signatures"; "Webhook-Id: The unique ID of the event"; "Webhook-Timestamp ...
    // (seconds since epoch)"
    assert_eq!(test.header("webhook-id"), sent["id"].as_str());
    let at: i64 = test.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!((test.unix_ms / 1000 - at).abs() < 60, "{at}");
    // "Webhook events will be sent at a maximum rate of 10 per second. Any further events will be queued."
    let payload = seed.example("contact.created");
    std::thread::sleep(Duration::from_millis(1_100)); // the test event counts, too
    let sent: Vec<String> = (0..15).map(|_| api.send_as(app, "contact.created", &payload)).collect();
    let got = receiver.wait_for("/", 16, SOON);
    let took = got[11].at - got[1].at;
    assert!(took >= Duration::from_millis(975), "eleven within {took:?}");
    seed.page_accepts(&endpoint, &got, None);
    // "Clicking on an event in the table will reveal the response from your endpoint"
    receiver.always("/", Answer::status(500).body("we are down"));
    let failed = api.send_as(app, "contact.deleted", &seed.example("contact.deleted"));
    let attempts = api.attempts(app, &failed, 3, SOON);
    assert_eq!(
        (&attempts[0]["responseStatusCode"], &attempts[0]["response"]),
        (&json!(500), &json!("we are down"))
    );
    // "We retain 30 days of event history.": what is kept longer elsewhere is forgotten here, see
    // `loops_keeps_thirty_days_of_history_with_what_was_answered` in `core/src/endpoint/tests/presets.rs`.
    assert_eq!(seed.delivery()["retentionDays"], 30);
    // "When toggling your endpoint on and off"
    receiver.always("/", Answer::ok());
    let toggle = |disabled: bool| {
        let (status, body) =
            api.patch(&format!("/api/v1/app/{app}/endpoint/{endpoint}"), &json!({ "disabled": disabled }));
        assert_eq!((status, &body["disabled"]), (200, &json!(disabled)));
    };
    let before = receiver.count("/");
    toggle(true);
    api.send_as(app, "contact.created", &payload);
    toggle(false);
    let after = api.send_as(app, "contact.created", &payload);
    let got = receiver.wait_for("/", before + 1, SOON);
    assert_eq!(got[before].header("webhook-id"), Some(&*after), "what came while it was off is not sent");
    assert_eq!(sent.len(), 15);
}

#[test]
fn resend() {
    let seed = Seed::new("resend");
    let Seed { api, app, receiver, .. } = &seed;
    // "All webhooks use HTTPS and deliver a JSON payload"
    seed.wants_https();
    let endpoint = seed.endpoint(&json!({}));
    let payload = r#"{"type":"email.sent","created_at":"2026-11-22T00:00:00.000Z","data":{"email_id":"1"}}"#;
    // "On receiving an event, you should respond with an HTTP 200 OK"; "If Resend does not receive a 200 response from a
    // webhook server, we will retry the webhooks."
    receiver.on("/", |request| Answer::status([500, 204, 200][request.nth.min(2)]));
    let message = api.send_as(app, "email.sent", payload);
    let codes: Vec<_> =
        api.attempts(app, &message, 3, SOON).iter().map(|a| a["responseStatusCode"].clone()).collect();
    assert_eq!(codes, [500, 204, 200]);
    seed.page_accepts(&endpoint, &receiver.wait_for("/", 3, SOON), None);
    // "Each message is attempted based on the following schedule, where each period is started following the failure of
    // the preceding attempt"
    assert_eq!(seed.delivery()["schedule"], json!([5, 300, 1800, 7200, 18_000, 36_000]));
    // "After the conclusion of the above attempts the message will be marked as failed, and you will get a webhook of type
    // message.attempt.exhausted notifying you of this error."
    receiver.on("/", |request| Answer::status(if request.nth < 6 { 500 } else { 200 }));
    let failed = api.send_as(app, "email.sent", payload);
    let notice = receiver.wait_for("/", 7, SOON).remove(6);
    let body: Value = serde_json::from_slice(&notice.body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["msgId"]),
        (&json!("message.attempt.exhausted"), &json!(failed))
    );
    let shown = seed.get(&format!("/api/v1/app/{app}/msg/{failed}/endpoint"));
    assert_eq!(list(&shown)[0]["status"], 2, "{shown}");
    seed.page_accepts(&endpoint, &[notice], None);
    // "our webhooks come from the following IP addresses": data, and what a deployment has to do is in the preset's notes.
    assert_eq!(seed.delivery()["sources"].as_array().unwrap().len(), 5);
}

#[test]
fn mailabl() {
    let seed = Seed::new("mailabl");
    let Seed { api, app, receiver, .. } = &seed;
    // "Deploy your webhook endpoint so it's a publicly accessible HTTPS URL."
    seed.wants_https();
    let endpoint = seed.endpoint(&json!({ "batch": { "maxEvents": 3, "maxWaitMs": 60_000 } }));
    // "you should expect to receive an array of objects in a single request"; each "with an id, type, occurredAt
    // timestamp and related resource nested under data"
    let event = seed.example("task.updated");
    let payloads: Vec<String> = (0..3).map(|n| event.replace("256a5a1f", &format!("256a5a1{n}"))).collect();
    let sent: Vec<String> =
        payloads.iter().map(|payload| api.send_as(app, "task.updated", payload)).collect();
    let got = receiver.wait_for_one("/", SOON);
    let items: Vec<Value> = serde_json::from_slice(&got.body).unwrap();
    let mut expected: Vec<Value> = payloads.iter().map(|p| serde_json::from_str(p).unwrap()).collect();
    expected.sort_by_key(|item| item["id"].to_string());
    let mut arrived = items.clone();
    arrived.sort_by_key(|item| item["id"].to_string());
    assert_eq!(arrived, expected);
    for payload in &payloads {
        assert!(String::from_utf8_lossy(&got.body).contains(payload.as_str()), "byte for byte");
    }
    // "Mailabl populates a X-Mailabl-Signature header with a SHA-256 hash of the concatenation of the app-secret for your
    // application and the body of the webhook request."
    seed.page_accepts(&endpoint, std::slice::from_ref(&got), None);
    for message in &sent {
        assert_eq!(api.attempts(app, message, 1, SOON)[0]["status"], 0, "each has its own history");
    }
    // By hand, one goes alone, as an array.
    seed.by_hand(&sent[0], &endpoint);
    let again = receiver.wait_for("/", 2, SOON).remove(1);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&again.body).unwrap().len(), 1);
    // "If a 2xx HTTP status code isn't received within 3 seconds ..., we assume that the delivery is unsuccessful."
    receiver.always("/slow", Answer::hang());
    let slow = api.endpoint_with(
        app,
        &receiver.url("/slow"),
        &json!({ "preset": "mailabl", "retrySchedule": [], "batch": { "maxEvents": 1, "maxWaitMs": 0 }, "channels": ["slow"] }),
    );
    let message = json!({ "eventType": "task.updated", "channels": ["slow"], "payload": { "id": "1" } });
    let (status, message) = api.post(&format!("/api/v1/app/{app}/msg"), &message);
    assert_eq!(status, 202, "{message}");
    let path = format!("/api/v1/app/{app}/attempt/endpoint/{slow}");
    let attempts = api.until(&path, SOON, |page| !list(page).is_empty());
    let took = list(&attempts)[0]["responseDurationMs"].as_i64().unwrap();
    assert!((2_900..4_500).contains(&took), "{took} ms");
    // "up to 10 times"; "The retry pattern is as follows"
    let schedule = [10, 100, 1_000, 10_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000];
    assert_eq!(seed.delivery()["schedule"], json!(schedule));
    // "After a 10th failed attempt, the notification is discarded": the endpoint stays enabled.
    let shown = seed.get(&format!("/api/v1/app/{app}/endpoint/{slow}"));
    assert_eq!(shown["disabled"], false);
    // "You should therefore implement reconciliation jobs to fetch data from Mailabl periodically."
    let fetched = seed.get(&format!("/api/v1/app/{app}/msg?event_types=task.updated&limit=50"));
    let ids = column(&fetched, "id");
    assert!(sent.iter().all(|id| ids.contains(id)), "{fetched}");
    let stored = list(&fetched).iter().find(|message| message["id"] == sent[0].as_str()).unwrap();
    assert_eq!(text(&stored["payload"], "type"), "task.updated");
}

#[test]
fn relaypost() {
    let seed = Seed::new("relaypost");
    let Seed { api, app, receiver, .. } = &seed;
    // "Select the events you want to receive. Save and copy the signing secret for signature verification"
    let header = json!({ "header": "X-Acme-Signature" });
    let endpoint = seed.endpoint(&json!({
        "presetParams": header, "eventTypes": ["delivered", "bounced"], "retrySchedule": [0.1, 0.2, 0.4],
    }));
    assert_eq!(list(&seed.get("/api/v1/event-type?limit=100")).len(), 9, "the page's nine events");
    // "Each webhook POST contains a JSON body"; "Each webhook request includes a signature header for verification."
    let payload = seed.example("delivered");
    api.send_as(app, "queued", &seed.example("queued"));
    api.send_as(app, "delivered", &payload);
    let got = receiver.wait_for_one("/", SOON);
    assert_eq!((got.method.as_str(), &*String::from_utf8_lossy(&got.body)), ("POST", payload.as_str()));
    seed.page_accepts(&endpoint, &[got], Some("x-acme-signature"));
    // "If your endpoint returns a non-2xx status code, RelayPost retries the delivery: Up to 3 retry attempts, Exponential
    // backoff between retries"
    receiver.always("/", Answer::status(302));
    let failed = api.send_as(app, "bounced", &seed.example("bounced"));
    let attempts = api.attempts(app, &failed, 4, SOON);
    assert_eq!(seed.delivery()["schedule"].as_array().unwrap().len(), 3);
    // "After all retries fail, the delivery is logged as failed": it stays so, and the endpoint enabled.
    assert!(attempts.iter().all(|attempt| attempt["status"] == 2), "{attempts:?}");
    let shown = seed.get(&format!("/api/v1/app/{app}/msg/{failed}/endpoint"));
    assert_eq!((&list(&shown)[0]["status"], &list(&shown)[0]["nextAttempt"]), (&json!(2), &Value::Null));
    // "missed events aren't replayed automatically"
    receiver.always("/", Answer::ok());
    let next = api.send_as(app, "delivered", &payload);
    api.attempts(app, &next, 1, SOON);
    assert_eq!(receiver.count("/"), 6, "one, four of the failed one, and the next");
}

#[test]
fn an_order_is_kept_while_its_first_event_fails() {
    let seed = Seed::new("relaypost");
    let Seed { api, app, receiver, .. } = &seed;
    api.endpoint_with(app, &receiver.url("/"), &json!({ "order": "fifo", "retrySchedule": [0.3] }));
    receiver.on("/", |request| Answer::status(if request.nth < 2 { 500 } else { 200 }));
    let sent: Vec<String> = (0..5).map(|n| api.send(app, &format!("{{\"n\":{n}}}"))).collect();
    let got = receiver.wait_for("/", 6, SOON);
    let ids: Vec<&str> = got.iter().filter_map(Received::message_id).collect();
    assert_eq!(ids[0], ids[1], "the first is tried until its schedule is used up");
    assert_eq!(ids[1..], sent, "then the others, one after the other");
    let both =
        json!({ "url": receiver.url("/"), "order": "fifo", "batch": { "maxEvents": 2, "maxWaitMs": 0 } });
    let (status, error) = api.post(&format!("/api/v1/app/{app}/endpoint"), &both);
    assert_eq!((status, &error["detail"][0]["loc"][1]), (422, &json!("order")), "{error}");
}

/// Both directions at once: an endpoint that sends as a service, whose URL is a source of that service.
///
/// Every event of the page's catalogue comes in verified, with its type, id and time, and goes on to whoever the source
/// delivers to. What was signed with another secret does not.
#[test]
fn what_is_sent_as_each_of_the_five_comes_in_at_a_source_and_goes_on() {
    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let header = json!({ "header": "X-Acme-Signature" });
    // The source is at another gateway: a gateway sends nothing to sources of its own.
    let elsewhere = Running::start(&[("MASTER_KEY", &"7".repeat(64))]);
    for (preset, params, own_id) in [
        ("reloop", json!({}), true),
        ("loops", json!({}), true),
        ("resend", json!({}), true),
        ("mailabl", json!({}), false),
        ("relaypost", header, false),
    ] {
        let seed = Seed::new(preset);
        let Seed { api, app, receiver, .. } = &seed;
        let config = json!({ "secret": WHSEC, "params": params });
        let source = Source::new(&api.at(&elsewhere.url()), receiver, preset, &config, &json!({}));
        let sender = |secret: &str, channel: &str| {
            let extra = json!({ "preset": preset, "secret": secret, "presetParams": params, "channels": [channel],
                "retrySchedule": [] });
            api.endpoint_with(app, &source.url, &extra)
        };
        let (right, wrong) = (sender(WHSEC, "right"), sender(OTHER, "wrong"));
        let send = |event_type: &str, payload: &str, channel: &str| {
            let message =
                format!(r#"{{"eventType":"{event_type}","channels":["{channel}"],"payload":{payload}}}"#);
            let reply = api.call("POST", &format!("/api/v1/app/{app}/msg"), Some(message.as_bytes()), &[]);
            assert_eq!(reply.status, 202, "{preset}: {}", reply.text);
            text(&reply.json(), "id")
        };

        let types = seed.get("/api/v1/event-type?limit=100");
        let sent: BTreeMap<String, (String, String)> = column(&types, "name")
            .into_iter()
            .map(|name| {
                let payload = seed.example(&name);
                (send(&name, &payload, "right"), (name, payload))
            })
            .collect();
        let got = receiver.wait_for(&source.path, sent.len(), SOON);
        let arrived: Vec<&[u8]> = got.iter().map(|one| &*one.body).collect();
        let came = source.messages();
        assert_eq!((arrived.len(), came.len()), (sent.len(), sent.len()), "{preset}");
        for (message, (name, payload)) in &sent {
            assert!(arrived.contains(&payload.as_bytes()), "{preset}: {name} is delivered on byte for byte");
            let found: Vec<&Value> =
                came.iter().filter(|message| message["eventType"] == name.as_str()).collect();
            let [found] = found.as_slice() else { panic!("{preset}: {name} came {} times", found.len()) };
            assert_eq!(found["ingest"]["verdict"], "verified", "{preset}: {found}");
            assert!(found["ingest"]["eventTime"].is_string(), "{preset}: {found}");
            if own_id {
                assert_eq!(found["eventId"], message.as_str(), "{preset}: the id of the service's own");
            }
            assert_eq!(api.attempts(app, message, 1, SOON)[0]["responseStatusCode"], 200, "{preset}");
        }

        // "at least once": what comes again under its id goes on once.
        if own_id {
            let again = sent.keys().next().unwrap();
            seed.by_hand(again, &right);
            api.attempts(app, again, 2, SOON);
        }
        // Another secret: refused, listed with its reason, and not delivered on.
        let (name, payload) = sent.values().next().unwrap();
        let forged = send(name, payload, "wrong");
        assert_eq!(api.attempts(app, &forged, 1, SOON)[0]["responseStatusCode"], 401, "{preset}");
        let refused: Vec<Value> = source.rejected().iter().map(|one| one["reason"]["code"].clone()).collect();
        let expected: &[&str] = if own_id { &["mismatch", "duplicate"] } else { &["mismatch"] };
        assert_eq!(refused, expected, "{preset}: {wrong}");
        // (An event of Mailabl's says its own id; one of RelayPost's is known by its bytes.)
        let another = payload.replace("256a5a1f", "256a5a2f").replacen('{', "{ ", 1);
        let last = send(name, &another, "right");
        api.attempts(app, &last, 1, SOON);
        assert_eq!(receiver.wait_for(&source.path, sent.len() + 1, SOON).len(), sent.len() + 1, "{preset}");
    }
}
