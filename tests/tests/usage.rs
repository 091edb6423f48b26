//! Counts over all applications, searches, and bulk expunging, on a real workerd.

use serde_json::{Value, json};
use std::time::Duration;
use weir_core::time::rfc3339;
use weir_tests::browser::Browser;
use weir_tests::client::{Api, column, id_of, list, text};
use weir_tests::gateway::shared;
use weir_tests::receiver::{Receiver, unix_ms};

const SOON: Duration = Duration::from_secs(20);

fn finished(api: &Api, task: &str) -> Value {
    let path = format!("/api/v1/background-task/{task}");
    api.until(&path, SOON, |task| task["status"] != "running")["data"].clone()
}

#[test]
fn attempts_and_event_types_are_counted_over_all_applications() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    for name in ["a.b", "c.d"] {
        assert_eq!(api.post("/api/v1/event-type", &json!({ "name": name, "description": "" })).0, 201);
    }
    let busy = id_of(api.post("/api/v1/app", &json!({ "name": "busy", "uid": "busy" })), 201);
    let idle = api.app();
    let listed = json!({ "eventTypes": ["c.d", "a.b"] });
    api.endpoint_with(&busy, &receiver.url("/"), &listed);
    api.endpoint(&busy, &receiver.url("/all"));
    for _ in 0..3 {
        let message = api.send_as(&busy, "a.b", "{}");
        api.attempts(&busy, &message, 2, SOON);
    }

    let period = |apps: Value| {
        let (since, until) = (rfc3339(unix_ms() - 3_600_000), rfc3339(unix_ms() + 60_000));
        json!({ "since": since, "until": until, "appIds": apps })
    };
    let (status, started) = api.post("/api/v1/stats/usage/app", &period(Value::Null));
    assert_eq!((status, &started["unresolvedAppIds"]), (202, &json!([])), "{started}");
    let stats = finished(&api, &text(&started, "id"))["appStats"].clone();
    let both = json!([
        { "messageDestinations": 6, "appId": busy, "appUid": "busy" },
        { "messageDestinations": 0, "appId": idle, "appUid": null },
    ]);
    assert_eq!(stats, both);
    let (_, started) = api.post("/api/v1/stats/usage/app", &period(json!(["busy", "nobody"])));
    assert_eq!(started["unresolvedAppIds"], json!(["nobody"]), "{started}");
    assert_eq!(finished(&api, &text(&started, "id"))["appStats"], json!([both[0]]));
    assert_eq!(api.post("/api/v1/stats/usage/app", &period(json!(["nobody"]))).0, 422);

    let (status, started) = api.put("/api/v1/stats/usage/event-types", &json!({}));
    assert_eq!(status, 202, "{started}");
    let types = finished(&api, &text(&started, "id"))["event_types"].clone();
    assert_eq!(types[0]["explicitlySubscribedEventTypes"], json!(["a.b", "c.d"]));
    assert_eq!(
        (&types[0]["hasCatchAllEndpoint"], &types[1]["hasCatchAllEndpoint"]),
        (&json!(true), &json!(false))
    );
    let over = api.post(&format!("/api/v1/background-task/{}/cancel", text(&started, "id")), &json!({}));
    assert_eq!((over.0, &over.1["code"]), (409, &json!("conflict")));
}

#[test]
fn endpoints_are_found_by_metadata_and_messages_by_event_id_or_tag() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let one =
        api.endpoint_with(&app, &receiver.url("/"), &json!({ "metadata": { "team": "a b", "tier": "1" } }));
    let two = api.endpoint_with(&app, &receiver.url("/2"), &json!({ "metadata": { "team": "a b" } }));
    let endpoints = |query: &str| {
        column(&api.get(&format!("/api/v1/app/{app}/endpoint?order=ascending&{query}")).1, "id")
    };
    assert_eq!(endpoints("metadata[team]=a%20b"), [one.clone(), two]);
    assert_eq!(endpoints("metadata[team]=a%20b&metadata%5Btier%5D=1"), std::slice::from_ref(&one));
    assert!(endpoints("metadata[team]=x").is_empty());

    let path = format!("/api/v1/app/{app}/msg");
    let send = |event_id: &str, tags: Value| {
        let body = json!({ "eventType": "a.b", "eventId": event_id, "payload": {}, "tags": tags });
        id_of(api.post(&path, &body), 202)
    };
    let (tagged, plain) = (send("first", json!(["red"])), send("second", Value::Null));
    let messages = |query: &str| column(&api.get(&format!("{path}?{query}")).1, "id");
    assert_eq!(messages("event_id=second"), std::slice::from_ref(&plain));
    assert_eq!(messages("tag=red"), std::slice::from_ref(&tagged));
    for none in ["event_id=third", "event_id=second&tag=red", "event_id=second&event_types=c"] {
        assert!(messages(none).is_empty(), "{none}");
    }
    api.attempts(&app, &plain, 2, SOON);
    api.attempts(&app, &tagged, 2, SOON);
    let attempts = |place: &str| column(&api.get(&format!("/api/v1/app/{app}/attempt/{place}")).1, "msgId");
    assert_eq!(attempts(&format!("endpoint/{one}?tag=red")), std::slice::from_ref(&tagged));
    assert_eq!(attempts(&format!("msg/{tagged}?tag=red")).len(), 2);
    assert!(attempts(&format!("msg/{plain}?tag=red")).is_empty());
}

#[test]
fn what_came_after_a_time_is_found_by_going_on_from_page_to_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let mut sent = Vec::new();
    for _ in 0..5 {
        let message = api.send(&app, "{}");
        api.attempts(&app, &message, 1, SOON);
        sent.push(message);
    }
    let (_, first) = api.get(&format!("/api/v1/app/{app}/msg/{}", sent[0]));
    let (_, attempt) = api.get(&format!("/api/v1/app/{app}/attempt/msg/{}", sent[0]));
    let of = |time: &Value| time.as_str().unwrap().to_owned();
    for (path, field, after) in [
        (format!("app/{app}/msg"), "id", of(&first["timestamp"])),
        (format!("app/{app}/endpoint/{endpoint}/msg"), "id", of(&first["timestamp"])),
        (format!("app/{app}/attempt/endpoint/{endpoint}"), "msgId", of(&attempt["data"][0]["timestamp"])),
    ] {
        let list = |query: &str| api.get(&format!("/api/v1/{path}?limit=2&after={after}{query}")).1;
        let page = list("");
        assert_eq!(column(&page, field), [sent[4].clone(), sent[3].clone()], "{path}: {page}");
        assert_eq!(page["done"], false);
        let older = list(&format!("&iterator={}", text(&page, "iterator")));
        assert_eq!(column(&older, field), [sent[2].clone(), sent[1].clone()], "{path}: {older}");
        let end = list(&format!("&iterator={}", text(&older, "iterator")));
        assert!(column(&end, field).is_empty() && end["done"] == true, "{path}: {end}");
        let until = list(&format!("&before={}", rfc3339(unix_ms() + 60_000)));
        assert_eq!(column(&until, field), [sent[4].clone(), sent[3].clone()], "{path}: {until}");
    }
}

#[test]
fn payloads_are_forgotten_in_bulk_or_all_at_once() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let sent: Vec<String> = (0..3).map(|n| api.send(&app, &format!("{{\"n\":{n}}}"))).collect();
    let payload = |id: &str| api.get(&format!("/api/v1/app/{app}/msg/{id}")).1["payload"].clone();
    let (status, out) =
        api.post(&format!("/api/v1/app/{app}/msg/bulk-expunge"), &json!({ "ids": [sent[0], "nobody"] }));
    assert_eq!((status, &out["results"][&sent[0]]), (200, &json!("expunged")), "{out}");
    assert_eq!(out["results"]["nobody"], "not-found");
    assert_eq!((payload(&sent[0]), payload(&sent[1])), (json!({ "expired": true }), json!({ "n": 1 })));
    let (status, task) = api.post(&format!("/api/v1/app/{app}/msg/expunge-all-contents"), &json!({}));
    assert_eq!((status, &task["task"]), (202, &json!("application.purge_content")), "{task}");
    assert_eq!(finished(&api, &text(&task, "id"))["messagesPurged"], 2);
    assert_eq!(
        (payload(&sent[1]), payload(&sent[2])),
        (json!({ "expired": true }), json!({ "expired": true }))
    );
    let later = api.send(&app, r#"{"later":true}"#);
    assert_eq!(payload(&later), json!({ "later": true }));
    // A customer may not.
    let (status, _) = api.as_app(&app).post(&format!("/api/v1/app/{app}/msg/bulk-expunge"), &json!({}));
    assert_eq!(status, 403);
}

/// Creates the event type `open`, and `secret` behind the feature flag `beta`.
fn add_event_types(api: &Api) {
    for (name, flags) in [("open", json!(null)), ("secret", json!(["beta"]))] {
        let body = json!({ "name": name, "description": "", "featureFlags": flags });
        assert_eq!(api.post("/api/v1/event-type", &body).0, 201);
    }
}

#[test]
fn a_portals_token_sees_event_types_behind_its_feature_flags() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    add_event_types(&api);
    let seen = |access: Value| {
        let (status, portal) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), &access);
        assert_eq!(status, 200, "{portal}");
        let (_, page) = api.with_token(text(&portal, "token")).get("/api/v1/event-type");
        list(&page).iter().map(|item| text(item, "name")).collect::<Vec<_>>()
    };
    assert_eq!(seen(json!({})), ["open"]);
    assert_eq!(seen(json!({ "featureFlags": ["other"] })), ["open"]);
    assert_eq!(seen(json!({ "featureFlags": ["beta"] })), ["open", "secret"]);
    let path = format!("/api/v1/auth/app-portal-access/{app}");
    assert_eq!(api.post(&path, &json!({ "featureFlags": ["not a name"] })).0, 422);
}

#[test]
fn a_portals_token_subscribes_to_no_event_type_that_it_may_not_see() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    add_event_types(&api);
    let portal = |access: Value| {
        let (_, portal) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), &access);
        api.with_token(text(&portal, "token"))
    };
    let (plain, flagged) = (portal(json!({})), portal(json!({ "featureFlags": ["beta"] })));
    let endpoints = format!("/api/v1/app/{app}/endpoint");
    let url = "https://example.com/";
    let (status, own) = plain.post(&endpoints, &json!({ "url": url, "filterTypes": ["open"] }));
    assert_eq!(status, 201, "{own}");
    let own = format!("{endpoints}/{}", text(&own, "id"));
    let missing = plain.post(&endpoints, &json!({ "url": url, "eventTypes": ["missing"] })).1;
    for (status, error) in [
        plain.post(&endpoints, &json!({ "url": url, "eventTypes": ["secret"] })),
        plain.post(&endpoints, &json!({ "url": url, "filterTypes": ["open", "secret"] })),
        plain.post(&endpoints, &json!({ "url": url, "eventTypes": null, "filterTypes": ["secret"] })),
        plain.put(&own, &json!({ "url": url, "filterTypes": ["secret"] })),
        plain.put(&format!("{endpoints}/new-one"), &json!({ "url": url, "eventTypes": ["secret"] })),
        plain.patch(&own, &json!({ "eventTypes": ["secret"] })),
    ] {
        assert_eq!(status, 422, "{error}");
        let answer = error.to_string();
        if !answer.contains("open") {
            assert_eq!(answer, missing.to_string().replace("missing", "secret"), "as one that is not there");
        }
    }
    let (status, made) = flagged.post(&endpoints, &json!({ "url": url, "eventTypes": ["secret"] }));
    assert_eq!(status, 201, "{made}");
    // What somebody else has chosen stays where the endpoint is saved again.
    let id = text(&made, "id");
    let path = format!("{endpoints}/{id}");
    let (status, kept) =
        plain.put(&path, &json!({ "url": url, "filterTypes": ["secret"], "description": "d" }));
    assert_eq!((status, &kept["filterTypes"]), (200, &json!(["secret"])), "{kept}");
    // Nor does the form lose it, which would leave none, and none selected means all.
    let page = format!("/dashboard/app/{app}/endpoint/{id}/settings");
    let browser = Browser::signed_in(&plain, &plain.token);
    assert!(browser.see(&page).contains(r#"name="event" value="secret" checked"#));
    // A type that is gone stays as well, and no other endpoint gets it.
    assert_eq!(api.delete("/api/v1/event-type/open?expunge=true").0, 204);
    assert_eq!(api.put(&own, &json!({ "url": url, "filterTypes": ["open"], "description": "d" })).0, 200);
    assert_eq!(api.patch(&path, &json!({ "filterTypes": ["open"] })).0, 422);
    assert_eq!(api.post(&endpoints, &json!({ "url": url, "filterTypes": ["open"] })).0, 422);
}
