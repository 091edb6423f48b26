//! The API: Svix's routes and semantics, and where Weir is stricter.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use weir_core::id;
use weir_tests::client::{Api, column, id_of, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::json::message_with;
use weir_tests::receiver::Receiver;
use weir_tests::token;

const SOON: Duration = Duration::from_secs(10);
/// A URL that is never called: its endpoints are disabled or get no message.
const ELSEWHERE: &str = "https://example.com/hook";

#[track_caller]
fn assert_error((status, body): &(u16, Value), expected: u16, code: &str) {
    assert_eq!(*status, expected, "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}

#[track_caller]
fn assert_invalid((status, body): &(u16, Value)) {
    assert_eq!(*status, 422, "{body}");
    let faults = body["detail"].as_array().unwrap_or_else(|| panic!("a list of faults: {body}"));
    assert!(!faults.is_empty(), "{body}");
    for fault in faults {
        assert!(fault["loc"].is_array() && fault["msg"].is_string() && fault["type"].is_string(), "{body}");
    }
}

// ---- applications -------------------------------------------------------------------------------------------

#[test]
fn an_application_is_created_read_changed_and_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    let given = json!({ "name": "Acme", "uid": "acme", "throttleRate": 50, "metadata": { "plan": "pro" } });
    let (status, created) = api.post("/api/v1/app", &given);
    assert_eq!(status, 201, "{created}");
    for (field, value) in given.as_object().unwrap() {
        assert_eq!(created[field], *value, "{field} in {created}");
    }
    let id = text(&created, "id");
    assert!(id::is(id::APP, &id), "{id}");
    for field in ["createdAt", "updatedAt"] {
        let at = text(&created, field);
        assert!(
            at.contains('T') && (at.ends_with('Z') || at.contains("+00:00")),
            "RFC 3339 with a zone: {at}"
        );
    }

    assert_eq!(api.get(&format!("/api/v1/app/{id}")), (200, created.clone()));
    assert_eq!(api.get("/api/v1/app/acme").1["id"], id.as_str(), "the uid stands for the id");

    let (status, put) = api.put("/api/v1/app/acme", &json!({ "name": "Acme Ltd", "uid": "acme" }));
    assert_eq!((status, put["name"].as_str()), (200, Some("Acme Ltd")), "{put}");
    assert_eq!(put["id"], id.as_str());

    assert_eq!(api.delete("/api/v1/app/acme"), (204, Value::Null));
    assert_error(&api.get(&format!("/api/v1/app/{id}")), 404, "not_found");
    assert_error(&api.delete("/api/v1/app/acme"), 404, "not_found");
}

#[test]
fn the_uid_of_a_deleted_application_is_free_again() {
    let gateway = shared();
    let api = gateway.tenant();
    let first = id_of(api.post("/api/v1/app", &json!({ "name": "one", "uid": "again" })), 201);
    api.delete("/api/v1/app/again");
    let second = id_of(api.post("/api/v1/app", &json!({ "name": "two", "uid": "again" })), 201);
    assert_ne!(first, second);
}

#[test]
fn put_creates_what_is_not_there() {
    let gateway = shared();
    let api = gateway.tenant();
    let (status, body) = api.put("/api/v1/app/fresh", &json!({ "name": "by put", "uid": "fresh" }));
    assert_eq!(status, 201, "{body}");
    assert_eq!(api.put("/api/v1/app/fresh", &json!({ "name": "by put", "uid": "fresh" })).0, 200);
}

#[test]
fn a_uid_is_taken_once_and_get_or_create_finds_it() {
    let gateway = shared();
    let api = gateway.tenant();
    let body = json!({ "name": "one", "uid": "unique" });
    let id = id_of(api.post("/api/v1/app", &body), 201);
    assert_error(&api.post("/api/v1/app", &body), 409, "conflict");
    assert_eq!(id_of(api.post("/api/v1/app?get_if_exists=true", &body), 200), id);
    let other = json!({ "name": "two", "uid": "other" });
    assert_ne!(id_of(api.post("/api/v1/app?get_if_exists=true", &other), 201), id);
}

#[test]
fn patch_keeps_what_is_absent_and_unsets_what_is_null() {
    let gateway = shared();
    let api = gateway.tenant();
    let given = json!({ "name": "n", "uid": "p", "throttleRate": 7, "metadata": { "a": "1" } });
    let id = id_of(api.post("/api/v1/app", &given), 201);
    let path = format!("/api/v1/app/{id}");

    let (status, body) = api.patch(&path, &json!({ "name": "m" }));
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["name"], &body["uid"], &body["throttleRate"]), (&json!("m"), &json!("p"), &json!(7)));

    let (_, body) = api.patch(&path, &json!({ "uid": null, "throttleRate": null }));
    assert_eq!((&body["uid"], &body["throttleRate"]), (&Value::Null, &Value::Null), "{body}");
    assert_eq!(body["metadata"], json!({ "a": "1" }));
    assert_error(&api.get("/api/v1/app/p"), 404, "not_found");
}

// ---- event types --------------------------------------------------------------------------------------------

#[test]
fn an_event_type_is_created_read_changed_archived_and_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    let given = json!({ "name": "user.created", "description": "A user came" });
    let (status, created) = api.post("/api/v1/event-type", &given);
    assert_eq!(status, 201, "{created}");
    assert_eq!(
        (&created["name"], &created["archived"]),
        (&json!("user.created"), &json!(false)),
        "{created}"
    );
    assert_error(&api.post("/api/v1/event-type", &given), 409, "event_type_exists");

    let path = "/api/v1/event-type/user.created";
    assert_eq!(api.get(path).1["description"], "A user came");
    let (status, put) = api.put(path, &json!({ "description": "Someone came" }));
    assert_eq!((status, put["description"].as_str()), (200, Some("Someone came")), "{put}");
    let (status, patched) = api.patch(path, &json!({ "deprecated": true }));
    assert_eq!((status, &patched["deprecated"]), (200, &json!(true)), "{patched}");
    assert_eq!(patched["description"], "Someone came");

    assert_eq!(api.delete(path).0, 204);
    assert_eq!(api.get(path).1["archived"], true, "a deleted event type is archived");
    assert!(column(&api.get("/api/v1/event-type").1, "name").is_empty());
    assert_eq!(column(&api.get("/api/v1/event-type?include_archived=true").1, "name"), ["user.created"]);

    assert_eq!(api.post("/api/v1/event-type", &given).0, 201, "to create it again brings it back");
    assert_eq!(api.get(path).1["archived"], false);
    assert_eq!(api.delete("/api/v1/event-type/user.created?expunge=true").0, 204);
    assert_error(&api.get(path), 404, "not_found");
}

#[test]
fn a_schema_that_no_validator_takes_is_refused_with_its_place() {
    let gateway = shared();
    let api = gateway.tenant();
    for (number, schema) in [
        json!({ "multipleOf": 0 }),
        json!({ "properties": { "a": { "multipleOf": -1 } } }),
        json!({ "pattern": "(" }),
        json!({ "patternProperties": { "[": {} } }),
        json!({ "dependencies": { "x": 5 } }),
        json!({ "dependentRequired": { "a": "b" } }),
        json!({ "$ref": "#/nope" }),
        json!({ "properties": { "a": { "$ref": "#nope" } } }),
        json!({ "allOf": [] }),
        json!({ "required": ["a", "a"] }),
        json!({ "type": ["string", "string"] }),
        json!({ "contentSchema": 5 }),
        json!({ "$anchor": "1 bad" }),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("schema.{number}");
        let body = json!({ "name": name, "description": "", "schemas": { "1": schema } });
        let refused = api.post("/api/v1/event-type", &body);
        assert_invalid(&refused);
        assert_eq!(refused.1["detail"][0]["loc"][1], "schemas", "{schema}: {}", refused.1);
        let plain = json!({ "name": name, "description": "" });
        assert_eq!(api.post("/api/v1/event-type", &plain).0, 201);
        let path = format!("/api/v1/event-type/{name}");
        assert_invalid(&api.put(&path, &json!({ "description": "", "schemas": { "1": schema } })));
        assert_invalid(&api.patch(&path, &json!({ "schemas": { "1": schema } })));
        let webhook =
            json!({ "post": { "requestBody": { "content": { "application/json": { "schema": schema } } } } });
        let spec = json!({ "openapi": "3.1.0", "webhooks": { name: webhook } });
        assert_invalid(&api.post("/api/v1/event-type/import/openapi", &json!({ "spec": spec })));
        assert!(api.get(&path).1["schemas"].is_null(), "{schema}");
    }
    let schema = json!({ "type": "object", "required": ["id"], "properties": {
        "id": { "type": "string", "pattern": "^(?!x)[a-z]{2,}$" }, "parent": { "$ref": "#" }, "a": { "$ref": "#/$defs/a~1b" },
        "elsewhere": { "$ref": "https://example.com/schema.json" } }, "$defs": { "a/b": { "multipleOf": 0.01 } } });
    let body = json!({ "name": "schema.right", "description": "", "schemas": { "1": schema } });
    assert_eq!(api.post("/api/v1/event-type", &body).0, 201);
}

#[test]
fn a_scheme_whose_time_is_checked_but_not_signed_is_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let scheme = |content: &str, tolerance: Value| {
        json!({ "kind": "signature", "at": ["header:x-s"], "algorithm": "hmac-sha256", "encoding": "hex", "content": content,
            "time": { "at": "header:t", "unit": "s", "tolerance": tolerance } })
    };
    for (scheme, right) in [
        (scheme("{body}", json!(300)), false),
        (scheme("{header:x}.{body}", json!(300)), false),
        (scheme("{ts}.{body}", json!(300)), true),
        (scheme("{header:t}.{body}", json!(300)), true),
        (scheme("{body}", Value::Null), true),
    ] {
        let config = json!({ "secret": "a secret of theirs", "custom": { "scheme": scheme } });
        let made =
            api.post("/ingest/api/v1/source", &json!({ "name": "a", "type": "custom", "config": config }));
        let endpoint = json!({ "url": "https://example.com", "preset": "custom", "scheme": scheme, "secret": "a secret of ours" });
        let sent = api.post(&format!("/api/v1/app/{app}/endpoint"), &endpoint);
        for (status, answer) in [made, sent] {
            assert_eq!(status, if right { 201 } else { 422 }, "{scheme}: {answer}");
            assert!(right || answer.to_string().contains("{ts}"), "{answer}");
        }
    }
}

#[test]
fn a_body_with_a_great_many_unknown_fields_is_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let body = |count: usize| {
        let more = (0..count).fold(String::new(), |more, n| more + &format!(",\"x{n}\":{n}"));
        format!("{{\"eventType\":\"a.b\",\"payload\":{{}}{more}}}")
    };
    let path = format!("/api/v1/app/{app}/msg");
    let (status, answer) = api.post_text(&path, &body(20));
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(10), "{answer}");
    let refused = api.post_text(&path, &body(10_000));
    assert_invalid(&refused);
    assert!(refused.1.to_string().contains("unknown fields"), "{}", refused.1);
    assert_eq!(list(&api.get(&path).1).len(), 1);
}

#[test]
fn an_endpoint_filters_by_event_types_that_exist() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let body = json!({ "url": ELSEWHERE, "eventTypes": ["nobody.knows"] });
    let refused = api.post(&format!("/api/v1/app/{app}/endpoint"), &body);
    assert_invalid(&refused);
    assert!(refused.1.to_string().contains("nobody.knows"), "{}", refused.1);

    assert_eq!(api.post("/api/v1/event-type", &json!({ "name": "nobody.knows", "description": "" })).0, 201);
    let (status, created) = api.post(&format!("/api/v1/app/{app}/endpoint"), &body);
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["eventTypes"], json!(["nobody.knows"]));
    assert_eq!(created["filterTypes"], json!(["nobody.knows"]), "older SDKs read this name");
}

#[test]
fn either_name_of_the_filter_and_of_the_rate_is_read() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    api.post("/api/v1/event-type", &json!({ "name": "a.b", "description": "" }));
    let body = json!({ "url": ELSEWHERE, "filterTypes": ["a.b"], "rateLimit": 3, "version": 1 });
    let (status, created) = api.post(&format!("/api/v1/app/{app}/endpoint"), &body);
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["eventTypes"], json!(["a.b"]), "{created}");
    assert_eq!((&created["throttleRate"], &created["rateLimit"]), (&json!(3), &json!(3)), "{created}");
    assert!(created["version"].is_u64(), "older SDKs require a version: {created}");
}

// ---- endpoints ----------------------------------------------------------------------------------------------

#[test]
fn an_endpoint_is_created_read_changed_and_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/endpoint");
    let given = json!({
        "url": ELSEWHERE, "uid": "main", "description": "the main one", "channels": ["eu", "us"],
        "throttleRate": 9, "metadata": { "team": "billing" }, "disabled": true,
    });
    let (status, created) = api.post(&base, &given);
    assert_eq!(status, 201, "{created}");
    for (field, value) in given.as_object().unwrap() {
        if field != "channels" {
            assert_eq!(created[field], *value, "{field} in {created}");
        }
    }
    let mut channels: Vec<_> =
        created["channels"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    channels.sort_unstable();
    assert_eq!(channels, ["eu", "us"]);
    let id = text(&created, "id");
    assert!(id::is(id::ENDPOINT, &id), "{id}");
    assert!(created.get("secret").is_none(), "the secret is not shown here: {created}");

    assert_eq!(api.get(&format!("{base}/main")), (200, created));
    let (status, put) = api.put(&format!("{base}/main"), &json!({ "url": ELSEWHERE, "uid": "main" }));
    assert_eq!((status, &put["description"]), (200, &json!("")), "PUT replaces all: {put}");
    assert_eq!((&put["disabled"], &put["channels"]), (&json!(false), &Value::Null), "{put}");

    let (status, patched) = api.patch(&format!("{base}/{id}"), &json!({ "disabled": true }));
    assert_eq!(
        (status, &patched["disabled"], &patched["uid"]),
        (200, &json!(true), &json!("main")),
        "{patched}"
    );

    assert_eq!(api.delete(&format!("{base}/main")).0, 204);
    assert_error(&api.get(&format!("{base}/{id}")), 404, "not_found");
    assert_eq!(api.post(&base, &json!({ "url": ELSEWHERE, "uid": "main" })).0, 201, "the uid is free again");
}

#[test]
fn a_uid_in_the_path_of_a_put_is_the_endpoints_uid() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let path = format!("/api/v1/app/{app}/endpoint/by-path");
    let (status, body) = api.put(&path, &json!({ "url": ELSEWHERE, "uid": "by-path" }));
    assert_eq!(status, 201, "{body}");
    let (status, again) = api.put(&path, &json!({ "url": ELSEWHERE, "uid": "by-path" }));
    assert_eq!((status, &again["id"]), (200, &body["id"]), "{again}");
}

#[test]
fn a_secret_is_made_shown_given_and_rotated() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let made = api.endpoint(&app, ELSEWHERE);
    let first = api.secret(&app, &made);
    assert!(first.starts_with("whsec_"), "{first}");
    assert!(api.secret(&app, &made) == first, "the secret stays");

    let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let own = api.endpoint_with(&app, ELSEWHERE, &json!({ "secret": given }));
    assert_eq!(api.secret(&app, &own), given);

    let rotate = format!("/api/v1/app/{app}/endpoint/{made}/secret/rotate");
    let (status, rotated) = api.post(&rotate, &json!({}));
    assert_eq!(status, 200, "SDKs from 2.7 parse the answer: {rotated}");
    assert_eq!(rotated["key"], api.secret(&app, &made).as_str());
    assert_ne!(rotated["key"], first.as_str());
    let (status, chosen) = api.post(&rotate, &json!({ "key": given }));
    assert_eq!((status, &chosen["key"]), (200, &json!(given)), "{chosen}");
}

#[test]
fn a_secret_that_cannot_sign_is_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    for secret in
        ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "other_AAAA"]
    {
        let body = json!({ "url": ELSEWHERE, "secret": secret });
        assert_invalid(&api.post(&format!("/api/v1/app/{app}/endpoint"), &body));
    }
}

#[test]
fn custom_headers_are_kept_and_the_sensitive_ones_hidden() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, ELSEWHERE);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/headers");
    assert_eq!(api.get(&path), (200, json!({ "headers": {}, "sensitive": [] })));
    let given = json!({ "headers": { "X-Team": "billing", "Authorization": "Bearer hush" } });
    assert_eq!(api.put(&path, &given).0, 204);
    let (_, shown) = api.get(&path);
    assert_eq!(shown["headers"], json!({ "X-Team": "billing" }), "{shown}");
    let sensitive: Vec<_> =
        shown["sensitive"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_lowercase()).collect();
    assert_eq!(sensitive, ["authorization"]);
    assert!(!shown.to_string().contains("hush"));
    assert_eq!(api.patch(&path, &json!({ "headers": { "X-More": "1" } })).0, 204);
    assert_eq!(api.get(&path).1["headers"], json!({ "X-Team": "billing", "X-More": "1" }));
}

#[test]
fn a_custom_header_can_neither_smuggle_another_nor_take_the_gateways_names() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, ELSEWHERE);
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/headers");
    for (name, value) in [
        ("x-a", "1\r\nx-b: 2"),
        ("x-a", "1\nx-b: 2"),
        ("x-a", "nul\0"),
        ("x-a\r\nx-b", "1"),
        ("x a", "1"),
        ("x:a", "1"),
        ("", "1"),
        ("content-length", "0"),
        ("Content-Type", "text/plain"),
        ("transfer-encoding", "chunked"),
        ("User-Agent", "me"),
        ("svix-signature", "v1,forged"),
        ("Svix-Id", "msg_forged"),
        ("webhook-signature", "v1,forged"),
        ("Webhook-Id", "msg_forged"),
    ] {
        let refused = api.put(&path, &json!({ "headers": { name: value } }));
        assert_eq!(refused.0, 422, "{name:?}: {value:?} was answered {}", refused.1);
        assert_invalid(&refused);
    }
    assert_invalid(&api.put(&path, &json!({ "headers": { "x-long": "x".repeat(4097) } })));
    assert_eq!(api.get(&path).1["headers"], json!({}), "nothing of it was kept");
}

#[test]
fn urls_that_lead_inside_are_refused() {
    // Without networks opened: as deployed.
    let gateway = Running::start(&[("ALLOWED_NETWORKS", ""), ("ALLOW_IP_ADDRESSES", "")]);
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/endpoint");
    let kept = api.endpoint(&app, ELSEWHERE);
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.:80/",
        "http://localhost/",
        "http://LOCALHOST:8080/x",
        "http://localhost./",
        "http://app.localhost/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://192.0.2.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[2001:db8::1]/",
        "http://[ff02::1]/",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//example.com/",
        "/only/a/path",
        "example.com",
        "http://",
        "http://exa mple.com/",
        "http://127。0。0。1/",
        "http://１２７.0.0.1/",
        "http://%EF%BC%91%32%37.0.0.1/",
        "http://①②⑦.0.0.1/",
        "",
    ] {
        let refused = api.post(&base, &json!({ "url": url }));
        assert_eq!(refused.0, 422, "{url:?} was answered {}", refused.1);
        assert_invalid(&refused);
        assert_eq!(api.patch(&format!("{base}/{kept}"), &json!({ "url": url })).0, 422, "{url:?} by PATCH");
        assert_eq!(api.put(&format!("{base}/{kept}"), &json!({ "url": url })).0, 422, "{url:?} by PUT");
    }
    assert_eq!(api.get(&format!("{base}/{kept}")).1["url"], ELSEWHERE);
    for url in [
        "http://example.com/",
        "https://example.com:8443/a?b=c",
        "https://bücher.example.org/ü",
        "https://xn--bcher-kva.example.org/",
    ] {
        assert_eq!(api.post(&base, &json!({ "url": url, "disabled": true })).0, 201, "{url}");
    }
    for url in ["http://1.1.1.1/", "http://16843009/", "https://[2606:4700::1111]/"] {
        let refused = api.post(&base, &json!({ "url": url }));
        assert_invalid(&refused);
        assert!(refused.1.to_string().contains("ALLOW_IP_ADDRESSES"), "{}", refused.1);
    }
    let gateway = Running::start(&[("ALLOWED_NETWORKS", ""), ("ALLOW_IP_ADDRESSES", "true")]);
    let api = gateway.tenant();
    api.endpoint_with(&api.app(), "http://1.1.1.1/", &json!({ "disabled": true }));
}

#[test]
fn with_https_only_plain_http_is_refused() {
    let gateway = Running::start(&[("HTTPS_ONLY", "true")]);
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/endpoint");
    assert_invalid(&api.post(&base, &json!({ "url": "http://example.com/" })));
    assert_eq!(api.post(&base, &json!({ "url": "https://example.com/" })).0, 201);
}

// ---- messages -----------------------------------------------------------------------------------------------

#[test]
fn a_message_is_accepted_listed_and_read() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let body = message_with("invoice.paid", r#"{"n":1}"#, &json!({ "channels": ["eu"], "eventId": "evt-1" }));
    let (status, created) = api.post_text(&base, &body);
    assert_eq!(status, 202, "{created}");
    assert_eq!(
        (&created["eventType"], &created["eventId"]),
        (&json!("invoice.paid"), &json!("evt-1")),
        "{created}"
    );
    assert_eq!(
        (&created["channels"], &created["payload"]),
        (&json!(["eu"]), &json!({ "n": 1 })),
        "{created}"
    );
    let id = text(&created, "id");
    assert!(id::is(id::MESSAGE, &id), "{id}");

    let plain = api.post_text(&base, r#"{"eventType":"a.b","payload":{}}"#).1;
    for absent in ["eventId", "channels"] {
        assert_eq!(plain.get(absent), Some(&Value::Null), "nulls are shown: {plain}");
    }
    assert_eq!(api.get(&format!("{base}/{id}")).1["payload"], json!({ "n": 1 }));
    assert_eq!(api.get(&format!("{base}/evt-1")).1["id"], id.as_str(), "the event id stands for the id");
    let (_, page) = api.get(&base);
    assert_eq!(column(&page, "id"), [text(&plain, "id"), id], "newest first");
}

#[test]
fn without_content_the_payload_is_an_empty_object() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let (_, created) =
        api.post_text(&format!("{base}?with_content=false"), r#"{"eventType":"a.b","payload":{"n":1}}"#);
    assert_eq!(created["payload"], json!({}));
    let id = text(&created, "id");
    assert_eq!(api.get(&format!("{base}/{id}?with_content=false")).1["payload"], json!({}));
    assert_eq!(list(&api.get(&format!("{base}?with_content=false")).1)[0]["payload"], json!({}));
    assert_eq!(
        api.get(&format!("{base}/{id}")).1["payload"],
        json!({ "n": 1 }),
        "the default is with content"
    );
}

#[test]
fn an_event_id_is_accepted_once() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let body = message_with("a.b", "{}", &json!({ "eventId": "once" }));
    assert_eq!(api.post_text(&base, &body).0, 202);
    assert_error(&api.post_text(&base, &body), 409, "conflict");
    let other = api.app();
    assert_eq!(api.post_text(&format!("/api/v1/app/{other}/msg"), &body).0, 202, "once for each application");
}

#[test]
fn messages_that_make_no_sense_are_refused_with_a_reason() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    for body in [
        r#"{"payload":{}}"#.to_owned(),
        r#"{"eventType":"a.b"}"#.to_owned(),
        r#"{"eventType":"a b","payload":{}}"#.to_owned(),
        r#"{"eventType":"","payload":{}}"#.to_owned(),
        r#"{"eventType":7,"payload":{}}"#.to_owned(),
        format!(r#"{{"eventType":"{}","payload":{{}}}}"#, "x".repeat(257)),
        r#"{"eventType":"a.b","payload":[]}"#.to_owned(),
        r#"{"eventType":"a.b","payload":"text"}"#.to_owned(),
        r#"{"eventType":"a.b","payload":null}"#.to_owned(),
        message_with("a.b", "{}", &json!({ "eventId": "msg_looks_like_ours" })),
        message_with("a.b", "{}", &json!({ "eventId": "with space" })),
        message_with("a.b", "{}", &json!({ "channels": [] })),
        message_with("a.b", "{}", &json!({ "channels": ["x".repeat(129)] })),
    ] {
        let refused = api.post_text(&base, &body);
        assert_eq!(refused.0, 422, "{body:.120} was answered {}", refused.1);
        assert_invalid(&refused);
    }
    for body in ["", "{", "nonsense", "[1,2", r#"{"eventType":"a.b","payload":{}} trailing"#, "\u{feff}{}"] {
        let refused = api.post_text(&base, body);
        assert!(matches!(refused.0, 400 | 422), "{body:?} was answered {} {}", refused.0, refused.1);
    }
    assert!(list(&api.get(&base).1).is_empty(), "nothing of it was kept");
}

#[test]
fn unknown_fields_and_parameters_are_ignored() {
    let gateway = shared();
    let api = gateway.tenant();
    let (status, body) =
        api.post("/api/v1/app?shiny=1&with_content=false", &json!({ "name": "n", "later": [1, 2] }));
    assert_eq!(status, 201, "{body}");
    let app = text(&body, "id");
    let message =
        message_with("a.b", "{}", &json!({ "tags": ["x"], "application": null, "future": { "a": 1 } }));
    assert_eq!(
        api.post_text(&format!("/api/v1/app/{app}/msg?expanded_statuses=true&x=%00"), &message).0,
        202
    );
    assert_eq!(api.get(&format!("/api/v1/app/{app}/msg?nobody=knows")).0, 200);
}

#[test]
fn a_body_beyond_the_limit_is_refused_with_413() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let big = |bytes: usize| format!(r#"{{"eventType":"a.b","payload":{{"x":"{}"}}}}"#, "x".repeat(bytes));
    assert_eq!(api.post_text(&base, &big(900 << 10)).0, 202, "900 KiB are fine");
    assert_error(&api.post_text(&base, &big(3 << 20)), 413, "payload_too_large");
    assert_eq!(api.post_text(&base, r#"{"eventType":"a.b","payload":{}}"#).0, 202, "and the next call works");
}

/// A body whose length nobody announces is read as it comes, up to the limit.
#[test]
fn a_body_in_chunks_is_read_up_to_the_limit() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let post = |bytes: usize| {
        let address = api.url().strip_prefix("http://").expect("a local address");
        let mut stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let head = format!(
            "POST /api/v1/app/{app}/msg HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            api.token
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let body = format!(r#"{{"eventType":"a.b","payload":{{"x":"{}"}}}}"#, "x".repeat(bytes));
        for chunk in body.as_bytes().chunks(60_000) {
            // Who refuses a body need not read all of it.
            let size = format!("{:x}\r\n", chunk.len());
            let sent = [size.as_bytes(), chunk, b"\r\n"].iter().try_for_each(|part| stream.write_all(part));
            if sent.is_err() {
                break;
            }
        }
        let _ = stream.write_all(b"0\r\n\r\n");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert_eq!(post(10), "HTTP/1.1 202");
    assert_eq!(post(500_000), "HTTP/1.1 202");
    assert_eq!(post(6_000_000), "HTTP/1.1 413");
}

#[test]
fn a_payload_can_be_expunged() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let id = api.send(&app, r#"{"private":"yes"}"#);
    assert_eq!(api.delete(&format!("/api/v1/app/{app}/msg/{id}/content")).0, 204);
    let (status, body) = api.get(&format!("/api/v1/app/{app}/msg/{id}"));
    assert_eq!(status, 200, "the message stays: {body}");
    assert!(!body.to_string().contains("private"), "{body}");
}

// ---- idempotency --------------------------------------------------------------------------------------------

#[test]
fn the_same_key_and_body_get_the_same_answer_and_make_one_message() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let key = [("idempotency-key", "auto_1")];
    let first = api.post_with(&base, r#"{"eventType":"a.b","payload":{"n":1}}"#, &key);
    assert_eq!(first.0, 202, "{}", first.1);
    let again = api.post_with(&base, r#"{"eventType":"a.b","payload":{"n":1}}"#, &key);
    assert_eq!(again, first);
    assert_eq!(list(&api.get(&base).1).len(), 1);
    let other =
        api.post_with(&base, r#"{"eventType":"a.b","payload":{"n":1}}"#, &[("idempotency-key", "auto_2")]);
    assert_ne!(other.1["id"], first.1["id"], "another key, another message");
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let key = [("idempotency-key", "k")];
    assert_eq!(api.post_with(&base, r#"{"eventType":"a.b","payload":{"n":1}}"#, &key).0, 202);
    let (status, body) = api.post_with(&base, r#"{"eventType":"a.b","payload":{"n":2}}"#, &key);
    assert!(matches!(status, 409 | 422), "{status} {body}");
    assert_eq!(list(&api.get(&base).1).len(), 1);
}

#[test]
fn keys_of_different_tenants_and_applications_do_not_meet() {
    let gateway = shared();
    let (one, two) = (gateway.tenant(), gateway.tenant());
    let key = [("idempotency-key", "same")];
    let body = r#"{"eventType":"a.b","payload":{}}"#;
    let mut ids = Vec::new();
    for (api, app) in [(&one, one.app()), (&one, one.app()), (&two, two.app())] {
        ids.push(id_of(api.post_with(&format!("/api/v1/app/{app}/msg"), body, &key), 202));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn calls_with_one_key_at_once_make_one_message() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let body = r#"{"eventType":"a.b","payload":{"n":1}}"#;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let api = api.at(api.url());
                let base = &base;
                scope.spawn(move || api.post_with(base, body, &[("idempotency-key", "race")]))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let accepted: Vec<_> = answers.iter().filter(|(status, _)| *status == 202).collect();
    assert!(!accepted.is_empty(), "{answers:?}");
    assert!(accepted.iter().all(|(_, body)| body["id"] == accepted[0].1["id"]), "{answers:?}");
    assert!(answers.iter().all(|(status, _)| matches!(status, 202 | 409)), "{answers:?}");
    assert_eq!(list(&api.get(&base).1).len(), 1);
}

// ---- paths and methods --------------------------------------------------------------------------------------

#[test]
fn every_path_works_with_and_without_a_slash_at_its_end() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = id_of(api.post("/api/v1/app/", &json!({ "name": "slash" })), 201);
    let message =
        id_of(api.post_text(&format!("/api/v1/app/{app}/msg/"), r#"{"eventType":"a","payload":{}}"#), 202);
    let endpoint = id_of(
        api.post(&format!("/api/v1/app/{app}/endpoint/"), &json!({ "url": ELSEWHERE, "disabled": true })),
        201,
    );
    for path in [
        "/api/v1/app".to_owned(),
        format!("/api/v1/app/{app}"),
        format!("/api/v1/app/{app}/endpoint"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}/secret"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}/headers"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"),
        format!("/api/v1/app/{app}/endpoint/{endpoint}/msg"),
        format!("/api/v1/app/{app}/msg"),
        format!("/api/v1/app/{app}/msg/{message}"),
        format!("/api/v1/app/{app}/msg/{message}/endpoint"),
        format!("/api/v1/app/{app}/attempt/msg/{message}"),
        format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}"),
        "/api/v1/event-type".to_owned(),
    ] {
        let (status, body) = api.get(&path);
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(api.get(&format!("{path}/")), (200, body), "{path}/");
    }
}

#[test]
fn unknown_routes_and_wrong_methods_are_answered_in_json() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    for path in ["/api", "/api/v1", "/api/v1/nonsense", "/api/v2/app", "/api/v1/app/a/b/c/d/e/f", "/favicon"]
    {
        let answer = api.call("GET", path, None, &[]);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        assert_eq!(answer.json()["code"], "not_found", "{path}");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/app".to_owned()),
        ("PUT", "/api/v1/app".to_owned()),
        ("PATCH", format!("/api/v1/app/{app}/msg")),
        ("POST", format!("/api/v1/app/{app}")),
        ("DELETE", format!("/api/v1/app/{app}/endpoint")),
    ] {
        let body = (method != "DELETE").then_some(b"{}".as_slice());
        let answer = api.call(method, &path, body, &[]);
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
        assert!(answer.json()["code"].is_string(), "{}", answer.text);
    }
}

#[test]
fn health_needs_no_token() {
    let gateway = shared();
    let api = gateway.tenant().with_token("");
    assert_eq!(api.call("GET", "/api/v1/health/ping", None, &[]).status, 204);
    let health = api.call("GET", "/api/v1/health", None, &[]);
    assert!(matches!(health.status, 200 | 204), "{}", health.text);
}

// ---- lists --------------------------------------------------------------------------------------------------

/// Walks a list to its end by `iterator`, in pages of `limit`.
fn walk(api: &Api, path: &str, limit: usize, field: &str) -> Vec<String> {
    let (mut all, mut iterator) = (Vec::new(), String::new());
    for _ in 0..50 {
        let (status, page) = api.get(&format!("{path}?limit={limit}{iterator}"));
        assert_eq!(status, 200, "{page}");
        let items = column(&page, field);
        assert!(items.len() <= limit, "{page}");
        all.extend(items);
        if page["done"] == true {
            return all;
        }
        iterator = format!("&iterator={}", text(&page, "iterator"));
    }
    panic!("{path} never ends");
}

#[test]
fn lists_come_in_pages_that_miss_and_repeat_nothing() {
    let gateway = shared();
    let api = gateway.tenant();
    let apps: Vec<_> = (0..7).map(|_| api.app()).collect();
    assert_eq!(walk(&api, "/api/v1/app", 3, "id"), apps, "applications: oldest first");
    let mut newest_first = apps.clone();
    newest_first.reverse();
    assert_eq!(column(&api.get("/api/v1/app?order=descending").1, "id"), newest_first);

    let app = &apps[0];
    let mut endpoints: Vec<_> =
        (0..5).map(|_| api.endpoint_with(app, ELSEWHERE, &json!({ "disabled": true }))).collect();
    endpoints.reverse();
    assert_eq!(
        walk(&api, &format!("/api/v1/app/{app}/endpoint"), 2, "id"),
        endpoints,
        "endpoints: newest first"
    );

    let mut messages: Vec<_> = (0..9).map(|n| api.send(app, &format!("{{\"n\":{n}}}"))).collect();
    messages.reverse();
    assert_eq!(walk(&api, &format!("/api/v1/app/{app}/msg"), 4, "id"), messages, "messages: newest first");

    for name in ["b.two", "a.one", "c.three"] {
        assert_eq!(api.post("/api/v1/event-type", &json!({ "name": name, "description": "" })).0, 201);
    }
    assert_eq!(walk(&api, "/api/v1/event-type", 2, "name"), ["a.one", "b.two", "c.three"], "by name");
}

#[test]
fn a_page_tells_the_way_back() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let mut messages: Vec<_> = (0..6).map(|_| api.send(&app, "{}")).collect();
    messages.reverse();
    let base = format!("/api/v1/app/{app}/msg");
    let (_, first) = api.get(&format!("{base}?limit=2"));
    assert_eq!(first["done"], false);
    let (_, second) = api.get(&format!("{base}?limit=2&iterator={}", text(&first, "iterator")));
    assert_eq!(column(&second, "id"), messages[2..4]);
    let (_, back) = api.get(&format!("{base}?limit=2&iterator={}", text(&second, "prevIterator")));
    assert_eq!(column(&back, "id"), messages[..2]);
}

#[test]
fn an_empty_list_is_done() {
    let gateway = shared();
    let api = gateway.tenant();
    let (status, page) = api.get("/api/v1/app");
    assert_eq!(status, 200);
    assert_eq!(
        (&page["data"], &page["iterator"], &page["done"]),
        (&json!([]), &Value::Null, &json!(true)),
        "{page}"
    );
}

#[test]
fn bad_limits_and_iterators_are_refused_not_fatal() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    for base in
        ["/api/v1/app".to_owned(), format!("/api/v1/app/{app}/msg"), format!("/api/v1/app/{app}/endpoint")]
    {
        for query in [
            "limit=251",
            "limit=0",
            "limit=-1",
            "limit=x",
            "iterator=msg_bad",
            "iterator=nonsense",
            "iterator=-",
            "order=sideways",
            "limit=99999999999999999999",
        ] {
            if query.starts_with("order") && base.ends_with("msg") {
                continue; // messages have no such parameter, and unknown ones are ignored
            }
            let (status, body) = api.get(&format!("{base}?{query}"));
            assert!(matches!(status, 400 | 422), "{base}?{query}: {status} {body}");
        }
        assert_eq!(api.get(&format!("{base}?limit=250")).0, 200);
    }
}

#[test]
fn messages_are_filtered_by_type_channel_and_time() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let base = format!("/api/v1/app/{app}/msg");
    let a = id_of(api.post_text(&base, &message_with("a.one", "{}", &json!({ "channels": ["eu"] }))), 202);
    let b = id_of(api.post_text(&base, &message_with("b.two", "{}", &json!({}))), 202);
    assert_eq!(column(&api.get(&format!("{base}?event_types=a.one")).1, "id"), [a.as_str()]);
    assert_eq!(column(&api.get(&format!("{base}?event_types=a.one,b.two")).1, "id"), [b.clone(), a.clone()]);
    assert_eq!(
        column(&api.get(&format!("{base}?event_types=a.one&event_types=b.two")).1, "id"),
        [b, a.clone()]
    );
    assert_eq!(column(&api.get(&format!("{base}?channel=eu")).1, "id"), [a]);
    assert!(list(&api.get(&format!("{base}?before=2020-01-01T00:00:00Z")).1).is_empty());
    assert_eq!(list(&api.get(&format!("{base}?after=2020-01-01T00:00:00%2B01:00")).1).len(), 2);
    assert!(matches!(api.get(&format!("{base}?before=yesterday")).0, 400 | 422));
}

// ---- who may do what ----------------------------------------------------------------------------------------

#[test]
fn tokens_that_prove_nothing_are_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let claims = token::claims(&api.org, 3600);
    let good = token::for_org(&api.org);
    let signed = &good[..good.rfind('.').unwrap()];
    let mut without_sub = claims.clone();
    without_sub.as_object_mut().unwrap().remove("sub");
    let mut not_yet = claims.clone();
    not_yet["nbf"] = json!(claims["exp"].as_i64().unwrap() - 60);
    for (what, token) in [
        ("no token", String::new()),
        ("not a token", "nonsense".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("the secret itself", token::SECRET.to_owned()),
        ("alg none", token::unsigned(&claims)),
        ("alg none with a signature", token::with_header(&json!({ "alg": "none" }), &claims, token::SECRET)),
        ("alg RS256 with an HMAC", token::with_header(&json!({ "alg": "RS256" }), &claims, token::SECRET)),
        ("another key", token::sign(&claims, "another secret")),
        ("an empty key", token::sign(&claims, "")),
        ("no signature", signed.to_owned()),
        ("an empty signature", format!("{signed}.")),
        (
            "another payload's signature",
            format!("{}.{}", &token::for_org("org_x")[..signed.len().min(60)], &good),
        ),
        ("expired", token::sign(&token::claims(&api.org, -60), token::SECRET)),
        ("not valid yet", token::sign(&not_yet, token::SECRET)),
        ("without a subject", token::sign(&without_sub, token::SECRET)),
        ("a subject that is no tenant", token::sign(&token::claims("user_1", 3600), token::SECRET)),
        ("an application without its tenant", token::sign(&token::claims(&app, 3600), token::SECRET)),
    ] {
        let stranger = api.with_token(token);
        let refused = stranger.get("/api/v1/app");
        assert_eq!(refused.0, 401, "{what}: {}", refused.1);
        assert_error(&refused, 401, "authentication_failed");
        let sent = stranger.post_text(&format!("/api/v1/app/{app}/msg"), r#"{"eventType":"a","payload":{}}"#);
        assert_eq!(sent.0, 401, "{what}: {}", sent.1);
    }
    let basic = api.call("GET", "/api/v1/app", None, &[("authorization", "Basic dTpw")]);
    assert_eq!(basic.status, 401, "{}", basic.text);
    assert_eq!(api.get("/api/v1/app").0, 200, "and the right one still works");
}

#[test]
fn tenants_are_invisible_to_each_other() {
    let gateway = shared();
    let (mine, theirs) = (gateway.tenant(), gateway.tenant());
    let app = id_of(mine.post("/api/v1/app", &json!({ "name": "mine", "uid": "shared-name" })), 201);
    let endpoint = mine.endpoint_with(&app, ELSEWHERE, &json!({ "disabled": true }));
    let message = mine.send(&app, "{}");
    mine.post("/api/v1/event-type", &json!({ "name": "mine.only", "description": "" }));

    assert!(list(&theirs.get("/api/v1/app").1).is_empty());
    assert!(list(&theirs.get("/api/v1/event-type").1).is_empty());
    for app in [app.as_str(), "shared-name"] {
        for path in [
            format!("/api/v1/app/{app}"),
            format!("/api/v1/app/{app}/endpoint"),
            format!("/api/v1/app/{app}/endpoint/{endpoint}"),
            format!("/api/v1/app/{app}/endpoint/{endpoint}/secret"),
            format!("/api/v1/app/{app}/endpoint/{endpoint}/headers"),
            format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"),
            format!("/api/v1/app/{app}/msg"),
            format!("/api/v1/app/{app}/msg/{message}"),
            format!("/api/v1/app/{app}/attempt/msg/{message}"),
            format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}"),
        ] {
            assert_error(&theirs.get(&path), 404, "not_found");
        }
        let body = r#"{"eventType":"a","payload":{}}"#;
        assert_error(&theirs.post_text(&format!("/api/v1/app/{app}/msg"), body), 404, "not_found");
        assert_error(
            &theirs.patch(&format!("/api/v1/app/{app}"), &json!({ "name": "stolen" })),
            404,
            "not_found",
        );
        assert_error(&theirs.delete(&format!("/api/v1/app/{app}/endpoint/{endpoint}")), 404, "not_found");
        assert_error(&theirs.delete(&format!("/api/v1/app/{app}")), 404, "not_found");
    }
    assert_eq!(
        theirs.post("/api/v1/app", &json!({ "name": "own", "uid": "shared-name" })).0,
        201,
        "uids are each tenant's"
    );
    assert_eq!(mine.get("/api/v1/app/shared-name").1["id"], app.as_str());
}

#[test]
fn an_application_of_one_does_not_reach_into_another_of_the_same_tenant() {
    let gateway = shared();
    let api = gateway.tenant();
    let (one, two) = (api.app(), api.app());
    let endpoint = api.endpoint_with(&one, ELSEWHERE, &json!({ "disabled": true }));
    let message = api.send(&one, "{}");
    assert_error(&api.get(&format!("/api/v1/app/{two}/endpoint/{endpoint}")), 404, "not_found");
    assert_error(&api.get(&format!("/api/v1/app/{two}/msg/{message}")), 404, "not_found");
    assert_error(&api.get(&format!("/api/v1/app/{two}/endpoint/{endpoint}/secret")), 404, "not_found");
}

#[test]
fn an_application_token_does_what_its_customer_may_do() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, other) = (api.app(), api.app());
    let customer = api.as_app(&app);

    assert_eq!(customer.get(&format!("/api/v1/app/{app}")).0, 200);
    let endpoint = customer.endpoint_with(&app, ELSEWHERE, &json!({ "disabled": true }));
    assert!(customer.secret(&app, &endpoint).starts_with("whsec_"));
    assert_eq!(customer.get("/api/v1/event-type").0, 200);
    assert_eq!(customer.get(&format!("/api/v1/app/{app}/msg")).0, 200);

    let body = r#"{"eventType":"a","payload":{}}"#;
    for refused in [
        customer.get("/api/v1/app"),
        customer.post("/api/v1/app", &json!({ "name": "n" })),
        customer.delete(&format!("/api/v1/app/{app}")),
        customer.post_text(&format!("/api/v1/app/{app}/msg"), body),
        customer.post("/api/v1/event-type", &json!({ "name": "x", "description": "" })),
    ] {
        assert_eq!(refused.0, 403, "{}", refused.1);
        assert!(refused.1["code"].is_string() && refused.1["detail"].is_string(), "{}", refused.1);
    }
    assert_error(&customer.get(&format!("/api/v1/app/{other}")), 404, "not_found");
    assert_error(&customer.get(&format!("/api/v1/app/{other}/endpoint")), 404, "not_found");
}

#[test]
fn a_portal_token_reaches_its_application_only() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, other) = (api.app(), api.app());
    let (status, access) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), &json!({}));
    assert_eq!(status, 200, "{access}");
    assert!(access["url"].is_string(), "{access}");
    let customer = api.with_token(text(&access, "token"));
    assert_eq!(customer.get(&format!("/api/v1/app/{app}/endpoint")).0, 200);
    assert_error(&customer.get(&format!("/api/v1/app/{other}/endpoint")), 404, "not_found");
}

// ---- attempts and statistics --------------------------------------------------------------------------------

#[test]
fn attempts_are_listed_by_message_and_by_endpoint_and_counted() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, r#"{"n":1}"#);
    receiver.wait_for_one("/", SOON);
    let attempt = api.attempts(&app, &message, 1, SOON).remove(0);
    assert_eq!(attempt["status"], 0, "{attempt}");
    assert_eq!(attempt["statusText"], "success", "{attempt}");
    assert_eq!((&attempt["msgId"], &attempt["endpointId"]), (&json!(message), &json!(endpoint)), "{attempt}");
    assert_eq!(
        (&attempt["responseStatusCode"], &attempt["response"]),
        (&json!(200), &json!("ok")),
        "{attempt}"
    );
    assert_eq!(
        (&attempt["triggerType"], &attempt["url"]),
        (&json!(0), &json!(receiver.url("/"))),
        "{attempt}"
    );
    assert!(attempt["responseDurationMs"].is_u64(), "{attempt}");
    let id = text(&attempt, "id");
    assert!(id::is(id::ATTEMPT, &id), "{id}");

    let base = format!("/api/v1/app/{app}");
    assert_eq!(column(&api.get(&format!("{base}/attempt/endpoint/{endpoint}")).1, "id"), [id.as_str()]);
    let (status, one) = api.get(&format!("{base}/msg/{message}/attempt/{id}"));
    assert_eq!((status, &one["id"]), (200, &json!(id)), "{one}");
    assert_eq!(
        api.get(&format!("{base}/attempt/msg/{message}?with_content=false")).1["data"][0]["response"],
        "{}"
    );
    for (query, n) in
        [("status=0", 1), ("status=2", 0), ("status_code_class=200", 1), ("status_code_class=500", 0)]
    {
        for path in [format!("{base}/attempt/msg/{message}"), format!("{base}/attempt/endpoint/{endpoint}")] {
            let (status, page) = api.get(&format!("{path}?{query}"));
            assert_eq!((status, list(&page).len()), (200, n), "{path}?{query}: {page}");
        }
    }
    let stats = api.until(&format!("{base}/endpoint/{endpoint}/stats"), SOON, |stats| stats["success"] == 1);
    assert_eq!(
        (&stats["fail"], &stats["pending"], &stats["sending"]),
        (&json!(0), &json!(0), &json!(0)),
        "{stats}"
    );
}

#[test]
fn a_messages_destinations_and_an_endpoints_messages_tell_how_it_went() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let message = api.send(&app, r#"{"n":1}"#);
    let base = format!("/api/v1/app/{app}");
    let destinations =
        api.until(&format!("{base}/msg/{message}/endpoint"), SOON, |page| page["data"][0]["status"] == 0);
    let one = &list(&destinations)[0];
    assert_eq!((&one["id"], &one["nextAttempt"]), (&json!(endpoint), &Value::Null), "{one}");
    let messages =
        api.until(&format!("{base}/endpoint/{endpoint}/msg"), SOON, |page| page["data"][0]["status"] == 0);
    assert_eq!(column(&messages, "id"), [message]);
}

// ---- event types from OpenAPI -------------------------------------------------------------------------------

#[test]
fn event_types_are_imported_from_openapi_in_json_or_yaml() {
    let gateway = shared();
    let api = gateway.tenant();
    let path = "/api/v1/event-type/import/openapi";
    let yaml = "webhooks:\n  invoice.paid:\n    post:\n      description: An invoice was paid\n";
    let (status, dry) = api.post(path, &json!({ "specRaw": yaml, "dryRun": true }));
    assert_eq!((status, &dry["data"]["toModify"][0]["name"]), (200, &json!("invoice.paid")), "{dry}");
    assert_eq!(api.get("/api/v1/event-type/invoice.paid").0, 404, "a dry run does nothing");
    assert_eq!(api.post(path, &json!({ "specRaw": yaml })).0, 200);
    assert_eq!(api.get("/api/v1/event-type/invoice.paid").1["description"], "An invoice was paid");
    let spec = json!({ "openapi": "3.0.0", "x-webhooks": { "other": { "post": { "summary": "Other" } } } });
    let (status, done) = api.post(path, &json!({ "spec": spec, "replaceAll": true }));
    assert_eq!((status, &done["data"]["modified"]), (200, &json!(["other"])), "{done}");
    assert_eq!(api.get("/api/v1/event-type/invoice.paid").1["archived"], true);
    for wrong in [
        json!({}),
        json!({ "specRaw": "a: [" }),
        json!({ "spec": { "webhooks": { "a b": { "post": {} } } } }),
    ] {
        assert_eq!(api.post(path, &wrong).0, 422, "{wrong}");
    }
    let app = api.app();
    assert_eq!(api.as_app(&app).post(path, &json!({ "specRaw": yaml })).0, 403);
}
