//! The API's description, and the server that must conform to it.

use serde_json::{Value, json};
use std::time::Duration;
use weir_core::time::rfc3339;
use weir_tests::client::{Api, id_of, text};
use weir_tests::gateway::{scratch, shared};
use weir_tests::receiver::{Receiver, unix_ms};
use weir_tests::sdk;

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

#[test]
fn the_document_is_served_to_anyone_as_it_is_in_the_repository() {
    let gateway = shared();
    let nobody = gateway.tenant().with_token("");
    let (status, served) = nobody.get("/api/v1/openapi.json");
    assert_eq!(status, 200);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(served == written, "the Worker was built with another docs/openapi.json");
}

#[test]
fn the_page_asks_nobody_else_for_anything() {
    let gateway = shared();
    let nobody = gateway.tenant();
    let mut parts = vec![("/docs".to_owned(), "text/html")];
    let mut at = 0;
    while let Some((path, kind)) = parts.get(at).cloned() {
        at += 1;
        let reply = nobody.try_call("GET", &path, None, &[("authorization", "")]).unwrap();
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("content-type").unwrap().starts_with(kind), "{path}: {:?}", reply.headers);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert!(!reply.text.contains("://"), "{path} names an address");
        let marks = [
            ("src=\"", "text/javascript"),
            ("rel=\"stylesheet\" href=\"", "text/css"),
            ("} from \"", "text/javascript"),
        ];
        for (mark, kind) in marks {
            let found = reply.text.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
            // A sample of code imports from elsewhere; the page does not.
            let own = found.filter_map(|path| match path.strip_prefix("./") {
                Some(module) => Some(format!("/docs/{module}")),
                None => path.starts_with('/').then(|| path.to_owned()),
            });
            for part in own.map(|path| (path, kind)) {
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
    }
    assert_eq!(parts.len(), 5, "a page, its three scripts and its style: {parts:?}");
    assert_eq!(nobody.try_call("POST", "/docs", None, &[]).unwrap().status, 404);
}

/// What succeeds only while something is under way that is over before the next request is looked at: in one process a
/// task's steps go before. (`core/src/app/tasks.rs` stops one half-way.) And what would
/// take away all that the other operations need (`tests/tests/erasure.rs` erases a tenant).
const NEVER_IN_TIME: [&str; 2] = ["v1.background-task.cancel", "weir.tenant.erase"];
/// What takes a field out of a body.
const LEFT_OUT: &str = "(left out)";

/// A plugin that changes nothing; of each number another one.
fn module(number: u32) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 64) "{number}")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) i32.const 0))"#
    );
    wat::parse_str(text).unwrap()
}

/// A source of this kind at which one unsigned request came in, and what became of that: a message, or a refusal.
fn source(api: &Api, kind: &str, answered: u16) -> (String, String) {
    let config = if kind == "generic-webhook" { json!({}) } else { json!({ "secret": "It is a secret" }) };
    let new = json!({ "name": kind, "type": kind, "config": config });
    let (status, source) = api.post("/api/v1/ingest/source", &new);
    assert_eq!(status, 201, "{source}");
    let url = text(&source, "ingestUrl");
    let path = url.strip_prefix(api.url()).expect("here");
    assert_eq!(api.call("POST", path, Some(b"{}"), &[("x-github-event", "ping")]).status, answered);
    let id = text(&source, "id");
    let list = if answered == 200 { "msg" } else { "rejected" };
    let is_there = |page: &Value| page["data"][0]["id"].is_string();
    let page = api.until(&format!("/api/v1/ingest/source/{id}/{list}"), Duration::from_secs(10), is_there);
    (id, text(&page["data"][0], "id"))
}

/// A tenant with one of everything; and what a call has to name to find it.
fn one_of_everything(api: &Api, receiver: &str) -> Value {
    let app = api.app();
    let schemas = json!({ "1": { "type": "object", "examples": [{ "n": 1 }] } });
    let event_type = json!({ "name": "real.type", "description": "It exists.", "schemas": schemas });
    assert_eq!(api.post("/api/v1/event-type", &event_type).0, 201);
    let endpoint = api.endpoint(&app, receiver);
    let operational = api.post("/api/v1/operational-webhook/endpoint", &json!({ "url": receiver }));
    let operational = json!({ "paths": { "endpoint_id": id_of(operational, 201) } });
    let message = api.send_as(&app, "real.type", r#"{"n":1}"#);
    let attempt = text(&api.attempts(&app, &message, 1, Duration::from_secs(10))[0], "id");
    let hour_ago = rfc3339(unix_ms() - 3_600_000);
    let recover = format!("/api/v1/app/{app}/endpoint/{endpoint}/recover");
    let task = id_of(api.post(&recover, &json!({ "since": hour_ago })), 202);
    let is_noted = |page: &Value| page["data"][0]["id"] == task.as_str();
    api.until("/api/v1/background-task", Duration::from_secs(10), is_noted);
    let version = |number| text(&api.upload("real", &module(number)).1, "id");
    let (old, version) = (version(1), version(2));
    let (open, received) = source(api, "generic-webhook", 200);
    let (strict, refused) = source(api, "github", 401);
    let new_source =
        json!({ "body": { "type": "generic-webhook", "config": LEFT_OUT, "options": LEFT_OUT } });
    let mut real = json!({
        "paths": {
            "source_id": strict, "rejected_id": refused,
            "app_id": app, "endpoint_id": endpoint, "msg_id": message, "attempt_id": attempt, "task_id": task,
            "event_type_name": "real.type", "plugin_name": "real", "version": version, "preset_name": "github",
        },
        "bodies": {
            "url": receiver, "eventTypes": ["real.type"], "filterTypes": ["real.type"], "disabled": false,
            "archived": false, "headers": { "x-real": "1" }, "capabilities": ["ViewBase"], "since": hour_ago,
            "deliverAt": rfc3339(unix_ms() + 86_400_000), "body": "e30=", "version": version,
            "plugins": [{ "name": "real" }], "secret": LEFT_OUT, "key": LEFT_OUT, "application": LEFT_OUT,
            "until": LEFT_OUT, "scheme": LEFT_OUT, "now": LEFT_OUT, "specRaw": LEFT_OUT, "replaceAll": LEFT_OUT,
            "payloadRetentionHours": LEFT_OUT, "preset": LEFT_OUT, "presetParams": LEFT_OUT,
        },
        "operations": {
            "v1.authentication.logout": { "token": api.as_app(&app).token },
            "v1.endpoint.send-example": { "body": { "eventType": "real.type" } },
            "v1.event-type.import-openapi": { "body": { "spec": { "webhooks": { "real.import": { "post": {} } } } } },
            "weir.plugin.test": { "body": { "messageId": message, "appId": app, "event": LEFT_OUT } },
            "weir.plugin.version.delete": { "paths": { "version": old } },
            "v1.ingest.source.create": new_source,
            "v1.ingest.source.update": new_source,
            "weir.ingest.message.raw": { "paths": { "source_id": open, "msg_id": received } },
            "weir.preset.sign": { "body": { "secret": "It is a secret" } },
        },
    });
    for name in [
        "get",
        "update",
        "delete",
        "get-secret",
        "rotate-secret",
        "get-headers",
        "update-headers",
        "patch-headers",
    ] {
        real["operations"][format!("v1.operational-webhook.endpoint.{name}")] = operational.clone();
    }
    real
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let real = one_of_everything(&api, &receiver.url("/")).to_string();
    let plugin = scratch("openapi").join("plugin.wasm");
    std::fs::write(&plugin, module(3)).unwrap();
    let env = [
        ("WEIR_URL", api.url()),
        ("WEIR_TOKEN", api.token.as_str()),
        ("REAL", &real),
        ("PLUGIN", plugin.to_str().unwrap()),
    ];
    let Some(run) = sdk::python(SCHEMATHESIS, "openapi.py", &env) else {
        return eprintln!("skipped: there is no Python 3 with venv on this machine");
    };
    run.assert_ok();
    let mut wrong = Vec::new();
    let mut calls = 0;
    for line in &run.lines {
        let (operation, statuses) = (text(line, "operation"), line["statuses"].as_object().unwrap());
        calls += statuses.values().filter_map(Value::as_u64).sum::<u64>();
        println!("{operation:<60} {}", line["statuses"]);
        let succeeded = statuses.keys().any(|status| status.starts_with('2'));
        if !succeeded && !NEVER_IN_TIME.contains(&operation.as_str()) {
            wrong.push(format!("{operation} never succeeded: {}", line["statuses"]));
        }
        let failures = line["failures"].as_array().unwrap();
        wrong.extend(failures.iter().map(|why| format!("{operation}: {}", why.as_str().unwrap())));
    }
    println!("{} operations, {calls} calls", run.lines.len());
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
    let (_, document) = api.get("/api/v1/openapi.json");
    let paths = document["paths"].as_object().unwrap().values();
    let described = paths.map(|item| item.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(
        run.lines.len(),
        described - 1,
        "all but the document's own, which is not called with made-up input"
    );
}

/// An operation's path with what is there in the place of its parameters.
fn concrete(path: &str, real: &Value) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => real["paths"][name].as_str().unwrap_or("unknown").to_owned(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Nobody is let in without a token, no customer reaches what is the tenant's, and no tenant another's. (The body is
/// empty: whoever may not call is told so before it is read.)
#[test]
fn every_operation_refuses_whom_it_has_to() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let real = one_of_everything(&api, &receiver.url("/"));
    let customer = api.as_app(real["paths"]["app_id"].as_str().unwrap());
    let (nobody, stranger) = (api.with_token("nonsense"), api.as_stranger());
    let (_, document) = api.get("/api/v1/openapi.json");
    let (mut tenants, mut foreign) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"].as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            let what = format!("{method} {path}");
            let body = operation["requestBody"].is_object().then_some(&b"{}"[..]);
            let call = |api: &Api| api.call(&method.to_uppercase(), &concrete(path, &real), body, &[]).status;
            assert_eq!(call(&nobody), 401, "{what}");
            if operation["description"]
                .as_str()
                .is_some_and(|text| text.contains("Requires an organization token."))
            {
                assert_eq!(call(&customer), 403, "{what}");
                tenants += 1;
            }
            // Presets are everybody's; a PUT may create; and a tenant revokes a token's id among its own tokens only.
            if path.contains('{') && !path.contains("/preset/") && !path.contains("/auth/token/") {
                let status = call(&stranger);
                let is_refused = status == 404 || (body.is_some() && matches!(status, 400 | 422));
                assert!(is_refused, "{what} answers a stranger with {status}");
                foreign += 1;
            }
        }
    }
    assert!(tenants > 30 && foreign > 40, "{tenants} {foreign}");
}
