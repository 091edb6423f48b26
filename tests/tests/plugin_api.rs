//! The store of plugins and their attachment to endpoints, on a real workerd.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;
use weir_tests::client::{Api, column, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::Receiver;

/// A URL that is never called: nothing is sent to its endpoints.
const ELSEWHERE: &str = "https://example.com/hook";
const SOON: Duration = Duration::from_secs(10);

/// What a plugin of these tests is made of.
#[derive(Default)]
struct Parts<'a> {
    /// The body of `weir_transform`.
    transform: &'a str,
    /// The manifest, as JSON.
    manifest: Option<Value>,
    /// The body that it puts in the place of every event's.
    body: &'a str,
    /// The text of an error or a reason.
    error: &'a str,
}

/// Bytes as a text of WebAssembly.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    })
}

/// The ABI in a few lines: a mailbox at 16, the output frame (a body) at 1024, the error text at 2048, the log at 3072.
fn plugin(parts: &Parts<'_>) -> Vec<u8> {
    let mut output = Vec::new();
    let length = u32::try_from(parts.body.len()).unwrap();
    for word in [1, 1, 9, 20, length] {
        output.extend(word.to_le_bytes());
    }
    output.extend(parts.body.as_bytes());
    let log = b"\x03seen\n";
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let mut mailbox = Vec::new();
    for word in [32, 1024, len(&output), 3072, len(log), 2048, len(parts.error.as_bytes()), 0] {
        mailbox.extend(word.to_le_bytes());
    }
    let manifest = parts.manifest.as_ref().map(|manifest| {
        format!("(@custom \"weir:manifest\" \"{}\")", escaped(manifest.to_string().as_bytes()))
    });
    let module = format!(
        r#"(module
            {manifest}
            (memory (export "memory") 2)
            (data (i32.const 16) "{mailbox}")
            (data (i32.const 1024) "{output}")
            (data (i32.const 2048) "{error}")
            (data (i32.const 3072) "{log}")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) {transform}))"#,
        manifest = manifest.unwrap_or_default(),
        mailbox = escaped(&mailbox),
        output = escaped(&output),
        error = escaped(parts.error.as_bytes()),
        log = escaped(log),
        transform = parts.transform,
    );
    wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}"))
}

/// A plugin that changes nothing; of each number another one.
fn unchanged(number: u32) -> Vec<u8> {
    plugin(&Parts { transform: "i32.const 0", error: &number.to_string(), ..Parts::default() })
}

/// A plugin whose configuration must have a number `n`.
fn strict() -> Vec<u8> {
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let manifest = json!({ "abi": 1, "name": "strict", "version": "1.0.0", "configSchema": schema });
    plugin(&Parts { transform: "i32.const 0", manifest: Some(manifest), ..Parts::default() })
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Uploads a module; gives the version.
#[track_caller]
fn upload(api: &Api, name: &str, module: &[u8]) -> String {
    let (status, version) = api.upload(name, module);
    assert!(matches!(status, 200 | 201), "{version}");
    assert_eq!(version["id"], hash(module));
    text(&version, "id")
}

#[track_caller]
fn attach(api: &Api, path: &str, plugins: &Value) -> Value {
    let (status, body) = api.put(path, &json!({ "plugins": plugins }));
    assert_eq!(status, 200, "{body}");
    body["plugins"].clone()
}

/// Which versions an endpoint runs.
#[track_caller]
fn runs(api: &Api, path: &str) -> Vec<String> {
    let (status, body) = api.get(path);
    assert_eq!(status, 200, "{body}");
    body["plugins"].as_array().expect("a list").iter().map(|plugin| text(plugin, "runningVersion")).collect()
}

/// An endpoint's plugins: the path.
#[track_caller]
fn endpoint(api: &Api) -> String {
    let app = api.app();
    let endpoint = api.endpoint(&app, ELSEWHERE);
    format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins")
}

#[track_caller]
fn assert_code((status, body): &(u16, Value), expected: u16, code: &str) {
    assert_eq!((*status, &body["code"]), (expected, &json!(code)), "{body}");
}

#[track_caller]
fn places((status, body): &(u16, Value)) -> Vec<String> {
    assert_eq!(*status, 422, "{body}");
    let faults = body["detail"].as_array().expect("faults").iter();
    let place = |fault: &Value| {
        let loc = fault["loc"].as_array().expect("a place").iter();
        loc.filter_map(Value::as_str).collect::<Vec<_>>().join(".")
    };
    faults.map(place).collect()
}

/// The names of a tenant's own plugins, without those that come with the deployment.
fn own(api: &Api) -> Vec<String> {
    let page = api.get("/api/v1/plugin").1;
    list(&page)
        .iter()
        .filter(|plugin| plugin["bundled"] == false)
        .map(|plugin| text(plugin, "name"))
        .collect()
}

// ---- the store ----------------------------------------------------------------------------------------------

#[test]
fn a_plugin_is_uploaded_listed_read_rolled_back_and_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    assert_eq!(own(&api), Vec::<String>::new());
    let (one, two) = (strict(), unchanged(2));
    let (status, version) = api.upload("masked", &one);
    assert_eq!(
        (status, &version["current"], &version["size"]),
        (201, &json!(true), &json!(one.len())),
        "{version}"
    );
    assert_eq!((&version["plugin"], &version["manifest"]["name"]), (&json!("masked"), &json!("strict")));
    assert!(version["fuelPass"].is_u64() && version["createdAt"].is_string(), "{version}");
    let first = text(&version, "id");
    let second = upload(&api, "masked", &two);
    assert_eq!(api.upload("masked", &two).0, 200, "the same bytes are the same version");

    let (status, plugin) = api.get("/api/v1/plugin/masked");
    assert_eq!(
        (status, &plugin["current"], &plugin["versions"]),
        (200, &json!(second), &json!(2)),
        "{plugin}"
    );
    assert_eq!(own(&api), ["masked"]);
    let versions = api.get("/api/v1/plugin/masked/version").1;
    assert_eq!(
        (column(&versions, "id"), &versions["done"]),
        (vec![second.clone(), first.clone()], &json!(true))
    );
    let (status, version) = api.get(&format!("/api/v1/plugin/masked/version/{first}"));
    assert_eq!((status, &version["current"]), (200, &json!(false)), "{version}");
    let (status, kind, bytes) = api.download(&format!("/api/v1/plugin/masked/version/{first}/wasm"));
    assert_eq!((status, kind.as_str()), (200, "application/wasm"));
    assert!(bytes == one, "byte for byte");

    let (status, plugin) = api.post("/api/v1/plugin/masked/current", &json!({ "version": first }));
    assert_eq!((status, &plugin["current"]), (200, &json!(first)), "{plugin}");
    assert_eq!(plugin["manifest"]["version"], "1.0.0", "of the current one");
    let (status, plugin) = api.put("/api/v1/plugin/masked/current", &json!({ "version": second }));
    assert_eq!((status, &plugin["current"]), (200, &json!(second)), "{plugin}");
    let wrong = api.put("/api/v1/plugin/masked/current", &json!({ "version": "latest" }));
    assert_eq!(places(&wrong), ["body.version"]);

    assert_code(&api.delete(&format!("/api/v1/plugin/masked/version/{second}")), 409, "conflict");
    assert_eq!(api.delete(&format!("/api/v1/plugin/masked/version/{first}")), (204, Value::Null));
    assert_code(&api.get(&format!("/api/v1/plugin/masked/version/{first}")), 404, "not_found");
    assert_eq!(api.delete("/api/v1/plugin/masked"), (204, Value::Null));
    for path in ["", "/version", &format!("/version/{second}"), &format!("/version/{second}/wasm")] {
        assert_code(&api.get(&format!("/api/v1/plugin/masked{path}")), 404, "not_found");
    }
    assert_code(&api.delete("/api/v1/plugin/masked"), 404, "not_found");
}

#[test]
fn what_cannot_be_a_plugin_is_refused_with_a_code_and_a_sentence() {
    let gateway = shared();
    let api = gateway.tenant();
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let pattern = json!({ "abi": 1, "name": "p", "version": "1", "configSchema": { "pattern": "x" } });
    for (module, code) in [
        (b"not wasm".to_vec(), "malformed"),
        (Vec::new(), "malformed"),
        (wat("(module (import \"env\" \"now\" (func)))"), "import"),
        (wat("(module)"), "export"),
        (wat("(module (func $start) (start $start))"), "start"),
        (
            plugin(&Parts {
                transform: "i32.const 0",
                manifest: Some(json!({ "abi": 2 })),
                ..Parts::default()
            }),
            "manifest",
        ),
        (
            plugin(&Parts { transform: "i32.const 0", manifest: Some(pattern), ..Parts::default() }),
            "config_schema",
        ),
    ] {
        let (status, body) = api.upload("bad", &module);
        let fault = &body["detail"][0];
        assert_eq!(status, 422, "{code}: {body}");
        assert!(fault["type"].as_str().is_some_and(|kind| kind.starts_with(code)), "{code}: {body}");
        assert!(fault["msg"].as_str().is_some_and(|sentence| sentence.contains(' ')), "{body}");
    }
    assert_eq!(places(&api.upload("Bad", &unchanged(1))), ["path.plugin_name"]);
    assert_code(&api.get("/api/v1/plugin/bad"), 404, "not_found");
}

#[test]
fn a_module_of_a_mebibyte_is_stored() {
    let gateway = shared();
    let api = gateway.tenant();
    let filler = "x".repeat((1 << 20) - 4_000);
    let module = plugin(&Parts { transform: "i32.const 0", ..Parts::default() });
    let mut large = module.clone();
    // A custom section that nobody reads.
    let mut section = vec![1, b'x'];
    section.extend(filler.as_bytes());
    large.push(0);
    let mut length = section.len();
    while length > 0x7f {
        large.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    large.push(u8::try_from(length).unwrap());
    large.extend(section);
    let version = upload(&api, "large", &large);
    let (status, _, bytes) = api.download(&format!("/api/v1/plugin/large/version/{version}/wasm"));
    assert!(status == 200 && bytes == large);
}

#[test]
fn the_store_is_the_tenants_own() {
    let gateway = shared();
    let api = gateway.tenant();
    let version = upload(&api, "mine", &unchanged(1));
    let app = api.app();
    let (as_app, stranger) = (api.as_app(&app), api.as_stranger());
    for (method, path) in [
        ("GET", "/api/v1/plugin".to_owned()),
        ("PUT", "/api/v1/plugin/mine".to_owned()),
        ("GET", "/api/v1/plugin/mine".to_owned()),
        ("DELETE", "/api/v1/plugin/mine".to_owned()),
        ("PUT", "/api/v1/plugin/mine/current".to_owned()),
        ("POST", "/api/v1/plugin/mine/test".to_owned()),
        ("GET", format!("/api/v1/plugin/mine/version/{version}/wasm")),
        ("DELETE", format!("/api/v1/plugin/mine/version/{version}")),
    ] {
        let body = (method == "PUT" || method == "POST").then_some(&b"{}"[..]);
        let reply = as_app.call(method, &path, body, &[]);
        assert_eq!(
            (reply.status, &reply.json()["code"]),
            (403, &json!("insufficient access")),
            "{method} {path}"
        );
    }
    assert_code(&stranger.get("/api/v1/plugin/mine"), 404, "not_found");
    assert_code(&stranger.get(&format!("/api/v1/plugin/mine/version/{version}/wasm")), 404, "not_found");
    let path = endpoint(&stranger);
    let wrong = stranger.put(&path, &json!({ "plugins": [{ "name": "mine" }] }));
    assert_eq!(places(&wrong), ["body.plugins.0.name"]);
    assert_eq!(
        stranger.post("/api/v1/plugin/mine/test", &json!({ "event": { "eventType": "a", "payload": 1 } })).0,
        404
    );
}

#[test]
fn the_store_has_limits() {
    let gateway =
        Running::start(&[("MAX_PLUGINS", "2"), ("MAX_PLUGIN_VERSIONS", "2"), ("MAX_PLUGIN_BYTES", "20000")]);
    let api = gateway.tenant();
    let versions: Vec<String> = (0..3).map(|n| upload(&api, "a", &unchanged(n))).collect();
    let kept = api.get("/api/v1/plugin/a/version").1;
    assert_eq!(column(&kept, "id"), [versions[2].clone(), versions[1].clone()], "the oldest gave way");
    let path = endpoint(&api);
    attach(
        &api,
        &path,
        &json!([{ "name": "a", "version": versions[1] }, { "name": "a", "version": versions[2] }]),
    );
    assert_code(&api.upload("a", &unchanged(3)), 400, "limit_reached");
    upload(&api, "b", &unchanged(0));
    assert_code(&api.upload("c", &unchanged(0)), 400, "limit_reached");
    let body = "x".repeat(15_000);
    let large = plugin(&Parts { transform: "i32.const 1", body: &body, ..Parts::default() });
    let refused = api.upload("b", &large);
    assert_code(&refused, 400, "limit_reached");
    assert!(text(&refused.1, "detail").contains("MAX_PLUGIN_BYTES"), "{}", refused.1);
}

// ---- attachment ---------------------------------------------------------------------------------------------

#[test]
fn plugins_are_attached_in_order_and_read_back_as_they_may_be_sent_again() {
    let gateway = shared();
    let api = gateway.tenant();
    let (one, two) = (upload(&api, "one", &unchanged(1)), upload(&api, "two", &strict()));
    let path = endpoint(&api);
    assert_eq!(api.get(&path), (200, json!({ "plugins": [] })));
    let shown = attach(
        &api,
        &path,
        &json!([{ "name": "two", "config": { "n": 1, "x": [1.5] }, "onError": "drop" }, { "name": "one", "version": one }]),
    );
    let expected = json!([
        { "name": "two", "version": null, "runningVersion": two, "config": { "n": 1, "x": [1.5] }, "onError": "drop" },
        { "name": "one", "version": one, "runningVersion": one, "config": null, "onError": "hold" },
    ]);
    assert_eq!(shown, expected);
    assert_eq!(api.get(&path), (200, json!({ "plugins": expected })));
    assert_eq!(attach(&api, &path, &shown), expected);
    assert_eq!(attach(&api, &path, &json!([])), json!([]));

    let app = api.app();
    let body = json!({ "url": ELSEWHERE, "uid": "by-uid" });
    assert_eq!(api.post(&format!("/api/v1/app/{app}/endpoint"), &body).0, 201);
    let by_uid = format!("/api/v1/app/{app}/endpoint/by-uid/plugins");
    attach(&api, &by_uid, &json!([{ "name": "one" }]));
    assert_eq!(runs(&api, &by_uid), [one]);
}

#[test]
fn what_cannot_be_attached_is_said_with_its_place() {
    let gateway = shared();
    let api = gateway.tenant();
    upload(&api, "free", &unchanged(1));
    upload(&api, "strict", &strict());
    let path = endpoint(&api);
    let put = |plugins: Value| api.put(&path, &json!({ "plugins": plugins }));
    assert_eq!(places(&api.put(&path, &json!({}))), ["body.plugins"]);
    assert_eq!(places(&put(json!([{}]))), ["body.plugins.0.name"]);
    assert_eq!(places(&put(json!([{ "name": "free" }, { "name": "unknown" }]))), ["body.plugins.1.name"]);
    assert_eq!(places(&put(json!([{ "name": "free", "version": "0" }]))), ["body.plugins.0.version"]);
    assert_eq!(places(&put(json!([{ "name": "free", "onError": "never" }]))), ["body.plugins.0.onError"]);
    assert_eq!(
        places(&put(json!([{ "name": "strict", "config": { "n": "1" } }]))),
        ["body.plugins.0.config.n"]
    );
    assert_eq!(places(&put(json!([{ "name": "strict" }]))), ["body.plugins.0.config.n"]);
    assert_eq!(places(&put(json!(vec![json!({ "name": "free" }); 9]))), ["body.plugins"]);
    assert_eq!(api.get(&path).1, json!({ "plugins": [] }), "nothing of it was stored");
    let nowhere = path.replace("/endpoint/ep_", "/endpoint/ep_x");
    assert_code(&api.put(&nowhere, &json!({ "plugins": [] })), 404, "not_found");
    assert_code(
        &api.put("/api/v1/app/nobody/endpoint/x/plugins", &json!({ "plugins": [] })),
        404,
        "not_found",
    );
    assert_code(&api.as_stranger().put(&path, &json!({ "plugins": [] })), 404, "not_found");
}

#[test]
fn a_portal_token_reads_plugins_and_changes_them_with_the_capability_for_it() {
    let gateway = shared();
    let api = gateway.tenant();
    let version = upload(&api, "a", &unchanged(1));
    let path = endpoint(&api);
    let app = path.split('/').nth(4).expect("an application").to_owned();
    attach(&api, &path, &json!([{ "name": "a" }]));
    let portal = |capabilities: Value| {
        let asked = json!({ "capabilities": capabilities });
        let (status, access) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), &asked);
        assert_eq!(status, 200, "{access}");
        api.with_token(text(&access, "token"))
    };
    let manager = portal(json!(["ViewBase", "ManageEndpoint"]));
    assert_eq!(runs(&manager, &path), [version]);
    assert_code(&manager.put(&path, &json!({ "plugins": [] })), 403, "insufficient access");
    // Nor does it get around them: by another endpoint, or by the same one made anew.
    let own = path.trim_end_matches("/plugins");
    let endpoints = format!("/api/v1/app/{app}/endpoint");
    assert_code(
        &manager.post(&endpoints, &json!({ "url": "https://example.com/" })),
        403,
        "insufficient access",
    );
    assert_code(&manager.delete(own), 403, "insufficient access");
    assert_eq!(manager.patch(own, &json!({ "disabled": true })).0, 200);
    let transformer = portal(json!(["ViewBase", "ManageTransformations"]));
    attach(&transformer, &path, &json!([]));
    assert_eq!(manager.delete(own).0, 204);
    let other = api.app();
    assert_eq!(api.as_app(&other).put(&path, &json!({ "plugins": [] })).0, 404);
}

#[test]
fn a_misspelt_field_of_a_plugin_or_of_its_configuration_is_refused() {
    let gateway = shared();
    let api = gateway.tenant();
    let path = endpoint(&api);
    let put = |plugin: Value| api.put(&path, &json!({ "plugins": [plugin] }));
    for (plugin, near) in [
        (json!({ "name": "redact", "conf": { "mask": ["card"] } }), "config"),
        (json!({ "name": "redact", "Config": { "mask": ["card"] } }), "config"),
        (json!({ "name": "redact", "config": { "mask": ["card"] }, "on_error": "drop" }), "onError"),
        (json!({ "name": "redact", "config": { "masks": ["card"] } }), "mask"),
        (json!({ "name": "filter", "config": { "when": "true", "reasons": "x" } }), "reason"),
    ] {
        let (status, refused) = put(plugin.clone());
        assert_eq!(status, 422, "{plugin}: {refused}");
        assert!(refused.to_string().contains(near), "{plugin}: {refused}");
    }
    let misspelt = json!({ "plugins": [], "plugin": [{ "name": "redact" }] });
    assert_eq!(api.put(&path, &misspelt).0, 422);
    let event = json!({ "eventType": "a.b", "payload": { "card": "4" } });
    let (status, refused) = api.post(
        "/api/v1/plugin/redact/test",
        &json!({ "event": event, "configuration": { "mask": ["card"] } }),
    );
    assert_eq!(status, 422, "a run without its configuration shows nothing: {refused}");
    assert_eq!(api.get(&path).1, json!({ "plugins": [] }));
}

#[test]
fn a_plugins_configuration_is_shown_to_those_who_may_change_it() {
    let gateway = shared();
    let api = gateway.tenant();
    let path = endpoint(&api);
    let of = path.trim_end_matches("/plugins").to_owned();
    let app = path.split('/').nth(4).expect("an application").to_owned();
    let config = json!({ "set": { "x-door": "open sesame" } });
    attach(
        &api,
        &path,
        &json!([{ "name": "headers", "config": config }, { "name": "chat", "config": { "service": "slack" } },
        { "name": "redact" }]),
    );
    let portal = |body: Value| {
        let (status, access) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), &body);
        assert_eq!(status, 200, "{access}");
        api.with_token(text(&access, "token"))
    };
    for viewer in [
        portal(json!({ "readOnly": true })),
        portal(json!({ "capabilities": ["ViewBase"] })),
        portal(json!({ "capabilities": ["ViewBase", "ManageEndpoint"] })),
    ] {
        let (status, seen) = viewer.get(&path);
        assert_eq!(status, 200, "{seen}");
        let shown: Vec<_> = seen["plugins"].as_array().expect("plugins").iter().collect();
        assert_eq!(
            shown.iter().map(|one| (&one["config"], &one["configHidden"])).collect::<Vec<_>>(),
            [(&Value::Null, &json!(true)), (&Value::Null, &json!(true)), (&Value::Null, &Value::Null)],
            "{seen}"
        );
        let pages = weir_tests::browser::Browser::of(&viewer);
        for page in ["", "?tab=plugins"] {
            let page = pages.page(&format!(
                "/dashboard/app/{app}/endpoint/{}{page}",
                of.rsplit('/').next().expect("an id")
            ));
            assert_eq!(page.status, 200, "{}", page.text);
            assert!(!page.text.contains("open sesame"), "{}", page.text);
        }
        assert!(!viewer.get(&of).1.to_string().contains("open sesame"));
    }
    let transformer = portal(json!({ "capabilities": ["ViewBase", "ManageTransformations"] }));
    for may in [&transformer, &api, &portal(json!({}))] {
        let seen = may.get(&path).1;
        assert_eq!(
            (&seen["plugins"][0]["config"], &seen["plugins"][0]["configHidden"]),
            (&config, &Value::Null)
        );
    }
}

#[test]
fn a_configuration_that_no_event_could_pass_is_refused_for_every_bundled_plugin() {
    let gateway = shared();
    let api = gateway.tenant();
    let path = endpoint(&api);
    for (name, configs) in [
        (
            "filter",
            vec![
                json!({ "when": "body.amount >=" }),
                json!({ "when": "payload.a == 1" }),
                json!({ "when": "(true" }),
            ],
        ),
        ("redact", vec![json!({ "mask": ["a..b["] }), json!({ "remove": ["."] }), json!({ "mask": ["a]"] })]),
        (
            "headers",
            vec![
                json!({ "set": { "host": "x" } }),
                json!({ "set": { "x a": "x" } }),
                json!({ "set": { "x-a": "{{ body.id" } }),
                json!({ "default": { "content-length": "1" } }),
            ],
        ),
        (
            "json-schema",
            vec![
                json!({ "schema": { "type": "integr" } }),
                json!({ "schema": { "properties": { "a": { "pattern": "(" } } } }),
                json!({ "schema": { "$ref": "#/$defs/missing" } }),
            ],
        ),
        (
            "rename",
            vec![
                json!({ "types": { "a": ".." } }),
                json!({ "types": {}, "field": "x..y" }),
                json!({ "types": { "a": "b c" } }),
            ],
        ),
        ("sample", vec![json!({ "percent": 101 }), json!({ "percent": 50, "by": "body..id" })]),
        (
            "template",
            vec![
                json!({ "template": "{{ body.id" }),
                json!({ "template": { "a": "{{ body.a | nothing }}" } }),
            ],
        ),
        (
            "chat",
            vec![
                json!({ "service": "irc" }),
                json!({ "service": "slack", "text": "{{ body" }),
                json!({ "service": "slack", "color": "yellow!" }),
            ],
        ),
        ("cloudevents", vec![json!({ "mode": "batched" }), json!({ "subject": "body..id" })]),
        ("email-events", vec![json!({ "shape": "pigeon" }), json!({})]),
    ] {
        for config in configs {
            let (status, answer) =
                api.put(&path, &json!({ "plugins": [{ "name": name, "config": config }] }));
            assert_eq!(status, 422, "{name} {config}: {answer}");
            assert!(answer["detail"][0]["loc"].to_string().contains("config"), "{name} {config}: {answer}");
        }
    }
    assert_eq!(api.get(&path).1, json!({ "plugins": [] }), "nothing of it was stored");
}

/// A configuration for each bundled plugin with which it reads the body.
const READING: [(&str, &str); 10] = [
    ("filter", r#"{"when": "exists(body.a)"}"#),
    ("redact", r#"{"mask": ["**.card"], "emails": true, "cards": true}"#),
    ("json-schema", r#"{"schema": {"type": "object"}, "onInvalid": "drop"}"#),
    ("sample", r#"{"percent": 100, "by": "body.a"}"#),
    ("rename", r#"{"types": {"a.b": "c.d"}, "field": "a.type"}"#),
    ("headers", r#"{"set": {"x-a": "{{ body.b }}"}}"#),
    ("email-events", r#"{"shape": "loops", "others": "keep"}"#),
    ("template", r#"{"template": {"all": "{{ body }}"}}"#),
    ("chat", r#"{"service": "slack", "text": "{{ body.a }}"}"#),
    ("cloudevents", r#"{"subject": "body.b"}"#),
];

#[test]
fn a_payload_of_two_hundred_levels_passes_every_bundled_plugin() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let objects = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let lists = format!(r#"{{"a":{}1{}}}"#, "[".repeat(199), "]".repeat(199));
    for (name, config) in READING {
        for payload in [&objects, &lists] {
            let body = format!(r#"{{"event":{{"eventType":"a.b","payload":{payload}}},"config":{config}}}"#);
            let reply = api.call("POST", &format!("/api/v1/plugin/{name}/test"), Some(body.as_bytes()), &[]);
            assert_eq!(reply.status, 200, "{name}: {}", reply.text);
            assert!(
                reply.text.contains(r#""verdict":"unchanged""#)
                    || reply.text.contains(r#""verdict":"replaced""#)
                    // It was read to the end, and is another kind of event.
                    || (name == "email-events" && reply.text.contains("this is not a common e-mail event")),
                "{name}: {}",
                reply.text
            );
        }
    }
    let known: Vec<String> = column(&api.get("/api/v1/plugin?limit=250").1, "name");
    assert!(known.iter().all(|name| READING.iter().any(|(reading, _)| reading == name)), "{known:?}");
    // And one after the other on the way to a receiver: those that leave the body as it is.
    let endpoint = api.endpoint(&app, &receiver.url("/deep"));
    let chain: Vec<String> = READING
        .iter()
        .take(6)
        .map(|(name, config)| format!(r#"{{"name":"{name}","config":{config}}}"#))
        .collect();
    let body = format!(r#"{{"plugins":[{}]}}"#, chain.join(","));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins");
    let reply = api.call("PUT", &path, Some(body.as_bytes()), &[]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    for payload in [&objects, &lists] {
        api.send_as(&app, "a.b", payload);
    }
    let mut got: Vec<Vec<u8>> =
        receiver.wait_for("/deep", 2, SOON).into_iter().map(|one| one.body.to_vec()).collect();
    got.sort();
    let mut sent = [objects.into_bytes(), lists.into_bytes()];
    sent.sort();
    assert!(got == sent, "byte for byte");
}

#[test]
fn a_new_current_version_runs_everywhere_but_where_another_is_pinned() {
    let gateway = shared();
    let api = gateway.tenant();
    let first = upload(&api, "a", &unchanged(1));
    let paths: Vec<String> = (0..3).map(|_| endpoint(&api)).collect();
    attach(&api, &paths[0], &json!([{ "name": "a" }]));
    attach(&api, &paths[1], &json!([{ "name": "a" }, { "name": "a", "version": first }]));
    let second = upload(&api, "a", &unchanged(2));
    assert_eq!(runs(&api, &paths[0]), [second.as_str()], "at once");
    assert_eq!(runs(&api, &paths[1]), [second.as_str(), &first]);
    assert_eq!(runs(&api, &paths[2]), [""; 0]);
    assert_eq!(api.put("/api/v1/plugin/a/current", &json!({ "version": first })).0, 200);
    assert_eq!(runs(&api, &paths[0]), [first.as_str()], "and back");
}

#[test]
fn endpoints_that_are_given_plugins_at_the_same_time_all_get_them() {
    let gateway = shared();
    let api = gateway.tenant();
    upload(&api, "a", &unchanged(1));
    let app = api.app();
    let paths: Vec<String> = (0..12)
        .map(|_| format!("/api/v1/app/{app}/endpoint/{}/plugins", api.endpoint(&app, ELSEWHERE)))
        .collect();
    std::thread::scope(|scope| {
        for path in &paths {
            let api = &api;
            scope.spawn(move || {
                // As the sentence of a 409 says: send it again.
                while api.put(path, &json!({ "plugins": [{ "name": "a" }] })).0 == 409 {}
            });
        }
        scope.spawn(|| {
            for n in 2..6 {
                upload(&api, "a", &unchanged(n));
            }
        });
    });
    let current = hash(&unchanged(5));
    for path in &paths {
        assert_eq!(runs(&api, path), [current.as_str()]);
    }
}

#[test]
fn a_plugin_that_is_attached_is_deleted_only_by_force() {
    let gateway = shared();
    let api = gateway.tenant();
    let first = upload(&api, "a", &unchanged(1));
    let second = upload(&api, "a", &unchanged(2));
    upload(&api, "b", &unchanged(1));
    let (path, other) = (endpoint(&api), endpoint(&api));
    attach(&api, &path, &json!([{ "name": "a" }, { "name": "b" }]));
    attach(&api, &other, &json!([{ "name": "a", "version": first }]));
    let refused = api.delete("/api/v1/plugin/a");
    assert_code(&refused, 409, "conflict");
    let place = path.split('/').nth(6).expect("an endpoint");
    assert!(text(&refused.1, "detail").contains(place), "{}", refused.1);

    let version = format!("/api/v1/plugin/a/version/{first}");
    assert_code(&api.delete(&version), 409, "conflict");
    assert_eq!(api.delete(&format!("{version}?force=true")).0, 204);
    assert_eq!(runs(&api, &other), [""; 0]);
    assert_eq!(runs(&api, &path)[0], second);

    attach(&api, &path, &json!([{ "name": "b" }]));
    assert_eq!(api.delete("/api/v1/plugin/a").0, 204, "it is attached nowhere any more");
    assert_eq!(api.delete("/api/v1/plugin/b?force=true").0, 204);
    assert_eq!(runs(&api, &path), [""; 0]);
}

#[test]
fn an_endpoint_that_is_gone_does_not_keep_a_plugin() {
    let gateway = shared();
    let api = gateway.tenant();
    upload(&api, "a", &unchanged(1));
    let (path, other) = (endpoint(&api), endpoint(&api));
    attach(&api, &path, &json!([{ "name": "a" }]));
    attach(&api, &other, &json!([{ "name": "a" }]));
    assert_eq!(api.delete(path.trim_end_matches("/plugins")).0, 204);
    let app = other.split('/').nth(4).expect("an application");
    assert_eq!(api.delete(&format!("/api/v1/app/{app}")).0, 204);
    assert_eq!(api.delete("/api/v1/plugin/a"), (204, Value::Null));
}

#[test]
fn plugins_and_attachments_survive_a_power_cut() {
    let mut gateway = Running::start(&[]);
    let api = gateway.tenant();
    upload(&api, "a", &unchanged(1));
    let path = endpoint(&api);
    attach(&api, &path, &json!([{ "name": "a" }]));
    gateway.kill();
    gateway.restart();
    let second = upload(&api, "a", &unchanged(2));
    assert_eq!(runs(&api, &path), [second]);
}

// ---- test runs ----------------------------------------------------------------------------------------------

#[test]
fn a_test_run_shows_what_a_plugin_makes_of_an_event() {
    let gateway = shared();
    let api = gateway.tenant();
    let replacing = plugin(&Parts { transform: "i32.const 1", body: r#"{"a":1,"c":3}"#, ..Parts::default() });
    let version = upload(&api, "a", &replacing);
    let event = json!({ "eventType": "a.b", "payload": { "a": 1, "b": 2 }, "headers": { "X-Own": "1" } });
    let (status, run) = api.post("/api/v1/plugin/a/test", &json!({ "event": event }));
    assert_eq!(status, 200, "{run}");
    assert_eq!(
        (&run["verdict"], &run["engine"], &run["version"]),
        (&json!("replaced"), &json!("wasmi"), &json!(version))
    );
    assert_eq!((&run["payload"], &run["eventType"]), (&json!({ "a": 1, "c": 3 }), &json!("a.b")));
    assert_eq!(run["headers"], json!({ "content-type": "application/json", "x-own": "1" }));
    let changes =
        json!([{ "path": "/b", "op": "removed", "from": 2 }, { "path": "/c", "op": "added", "to": 3 }]);
    assert_eq!(run["diff"], json!({ "body": changes, "headers": [], "truncated": false }));
    assert_eq!(run["logs"], json!([{ "level": "info", "message": "seen" }]));
    assert!(run["fuel"].as_u64().is_some_and(|fuel| (1..100).contains(&fuel)), "{run}");
    assert_eq!(run["memoryPages"], 2);
    let (_, again) = api.post("/api/v1/plugin/a/test", &json!({ "event": event }));
    assert_eq!(again, run, "the same, fuel too");
}

#[test]
fn a_test_run_shows_values_as_they_are_written() {
    let gateway = shared();
    let api = gateway.tenant();
    let body = r#"{"big":9007199254740993,"huge":1e400,"same":[1.0],"half":"\ud800"}"#;
    upload(&api, "numbers", &plugin(&Parts { transform: "i32.const 1", body, ..Parts::default() }));
    let payload = r#"{"big":9007199254740992,"huge":1e401,"same":[1.00],"half":"\ud801"}"#;
    let asked = format!(r#"{{"event":{{"eventType":"a.b","payload":{payload}}}}}"#);
    let reply = api.call("POST", "/api/v1/plugin/numbers/test", Some(asked.as_bytes()), &[]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    for change in [
        r#"{"path":"/big","op":"changed","from":9007199254740992,"to":9007199254740993}"#,
        r#"{"path":"/huge","op":"changed","from":1e401,"to":1e400}"#,
        r#"{"path":"/half","op":"changed","from":"\ud801","to":"\ud800"}"#,
    ] {
        assert!(reply.text.contains(change), "{change} in {}", reply.text);
    }
    assert_eq!(reply.text.matches(r#""op":"#).count(), 3, "{}", reply.text);
    assert!(reply.text.contains(&format!(r#""payload":{body}"#)), "{}", reply.text);
}

#[test]
fn a_test_run_shows_a_drop_an_error_a_trap_and_an_endless_loop() {
    let gateway = shared();
    let api = gateway.tenant();
    let run = |transform: &str, error: &str| {
        upload(&api, "a", &plugin(&Parts { transform, error, ..Parts::default() }));
        let (status, run) =
            api.post("/api/v1/plugin/a/test", &json!({ "event": { "eventType": "a", "payload": {} } }));
        assert_eq!(status, 200, "{run}");
        run
    };
    let dropped = run("i32.const 2", "not wanted");
    assert_eq!((&dropped["verdict"], &dropped["reason"]), (&json!("dropped"), &json!("not wanted")));
    let failed = run("i32.const 4", "no such customer");
    assert_eq!(
        (&failed["verdict"], &failed["error"]["message"]),
        (&json!("failed"), &json!("no such customer"))
    );
    for (transform, code) in
        [("unreachable", "trap"), ("(loop br 0) i32.const 0", "out_of_fuel"), ("i32.const 9", "protocol")]
    {
        let failed = run(transform, "");
        assert_eq!(
            (&failed["verdict"], &failed["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{failed}"
        );
        assert_eq!((&failed["payload"], &failed["diff"]["body"]), (&Value::Null, &json!([])));
    }
    assert_eq!(run("(loop br 0) i32.const 0", "")["fuel"], 10_000_000);
    assert_eq!(run("i32.const 0", "")["verdict"], "unchanged", "and the next one runs");
}

#[test]
fn what_a_run_may_cost_is_a_setting() {
    let gateway = Running::start(&[("MAX_PLUGIN_FUEL", "2000")]);
    let api = gateway.tenant();
    upload(&api, "a", &plugin(&Parts { transform: "(loop br 0) i32.const 0", ..Parts::default() }));
    let event = json!({ "eventType": "a", "payload": {} });
    let run = |name: &str, config: Value| {
        let asked = json!({ "event": event, "config": config });
        api.post(&format!("/api/v1/plugin/{name}/test"), &asked).1
    };
    // In the interpreter and on V8.
    for run in [run("a", Value::Null), run("filter", json!({ "when": "body.n == 1" }))] {
        assert_eq!((&run["error"]["code"], &run["fuel"]), (&json!("out_of_fuel"), &json!(2000)), "{run}");
        assert!(text(&run["error"], "message").contains("its 2000 fuel"), "{run}");
    }
    let app = api.app();
    let receiver = Receiver::start();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins");
    attach(&api, &path, &json!([{ "name": "a", "onError": "deliver" }]));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/", SOON);
    let attempt = api.attempts(&app, &message, 1, SOON).remove(0);
    assert_eq!(attempt["plugins"][0]["fuel"], 2000, "{attempt}");
}

#[test]
fn a_test_run_takes_a_message_that_was_accepted() {
    let gateway = shared();
    let api = gateway.tenant();
    let first = upload(&api, "a", &unchanged(1));
    upload(&api, "a", &plugin(&Parts { transform: "i32.const 2", ..Parts::default() }));
    let app = api.app();
    let message = api.send_as(&app, "a.b", r#"{"n":  1.0}"#);
    let test = |body: Value| api.post("/api/v1/plugin/a/test", &body);
    let (status, run) = test(json!({ "messageId": message, "appId": app, "version": first }));
    assert_eq!((status, &run["verdict"]), (200, &json!("unchanged")), "{run}");
    assert_eq!((&run["eventType"], &run["payload"]), (&json!("a.b"), &json!({ "n": 1.0 })));
    assert_eq!(test(json!({ "messageId": message, "appId": app })).1["verdict"], "dropped");
    assert_eq!(places(&test(json!({ "messageId": message }))), ["body.appId"]);
    assert_eq!(places(&test(json!({}))), ["body.event"]);
    assert_eq!(places(&test(json!({ "event": { "eventType": "a" } }))), ["body.event.payload"]);
    assert_code(&test(json!({ "messageId": "msg_none", "appId": app })), 404, "not_found");
    assert_code(&test(json!({ "messageId": message, "appId": "nobody" })), 404, "not_found");
    assert_code(&test(json!({ "messageId": message, "appId": app, "version": "0" })), 404, "not_found");
    assert_eq!(api.delete(&format!("/api/v1/app/{app}/msg/{message}/content")).0, 204);
    assert_code(&test(json!({ "messageId": message, "appId": app })), 400, "missing_payload");

    upload(&api, "strict", &strict());
    let event = json!({ "eventType": "a", "payload": 1 });
    let wrong = api.post("/api/v1/plugin/strict/test", &json!({ "event": event, "config": { "n": "1" } }));
    assert_eq!(places(&wrong), ["body.config.n"]);
    let (status, run) =
        api.post("/api/v1/plugin/strict/test", &json!({ "event": event, "config": { "n": 1 } }));
    assert_eq!((status, &run["verdict"]), (200, &json!("unchanged")), "{run}");
    assert_eq!(own(&api).len(), 2);
}

// ---- deliveries ---------------------------------------------------------------------------------------------

#[test]
fn what_a_plugin_holds_goes_out_changed_once_a_fixed_version_is_current() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "3600")]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/hook"));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins");
    let broken = upload(&api, "a", &plugin(&Parts { transform: "unreachable", ..Parts::default() }));
    attach(&api, &path, &json!([{ "name": "a" }]));
    let message = api.send(&app, "{}");
    let held = api.attempts(&app, &message, 1, SOON);
    assert!(text(&held[0], "response").contains("failed (trap)"), "{held:?}");
    let fixed =
        upload(&api, "a", &plugin(&Parts { transform: "i32.const 1", body: "[1]", ..Parts::default() }));
    let got = receiver.wait_for_one("/hook", SOON);
    assert_eq!((&got.body[..], got.message_id()), (&b"[1]"[..], Some(message.as_str())));

    // Rolled back, it fails again; and by force the plugin is gone, and nothing is in the way.
    assert_eq!(api.put("/api/v1/plugin/a/current", &json!({ "version": broken })).0, 200);
    assert_eq!(runs(&api, &path), [broken]);
    let message = api.send(&app, "{}");
    api.attempts(&app, &message, 1, SOON);
    assert_eq!(api.delete(&format!("/api/v1/plugin/a/version/{fixed}")).0, 204);
    assert_eq!(api.delete("/api/v1/plugin/a?force=true").0, 204);
    let got = receiver.wait_for("/hook", 2, SOON);
    assert_eq!(&got[1].body[..], b"{}");
}

#[test]
fn what_a_plugin_drops_is_recorded_as_filtered() {
    let gateway = shared();
    let api = gateway.tenant();
    let receiver = Receiver::start();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/hook"));
    upload(&api, "a", &plugin(&Parts { transform: "i32.const 2", error: "not wanted", ..Parts::default() }));
    attach(&api, &format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins"), &json!([{ "name": "a" }]));
    let message = api.send(&app, "{}");
    let attempts = api.attempts(&app, &message, 1, SOON);
    assert_eq!(text(&attempts[0], "response"), "Filtered out by the plugin a: not wanted");
    assert_eq!(attempts[0]["responseStatusCode"], 0);
}

#[test]
fn the_list_of_plugins_ends_its_pages_by_bytes() {
    let gateway = Running::start(&[("MAX_PLUGINS", "100")]);
    let api = gateway.tenant();
    let bundled = list(&api.get("/api/v1/plugin?limit=250").1).len();
    let schema = json!({ "type": "object", "description": "d".repeat(60_000) });
    for n in 0..45 {
        let name = format!("large-{n:02}");
        let manifest = json!({ "abi": 1, "name": name, "version": "1.0.0", "configSchema": schema });
        upload(
            &api,
            &name,
            &plugin(&Parts { transform: "i32.const 0", manifest: Some(manifest), ..Parts::default() }),
        );
    }
    let (mut seen, mut iterator, mut pages) = (0, String::new(), 0);
    loop {
        let reply = api.call("GET", &format!("/api/v1/plugin?limit=250&iterator={iterator}"), None, &[]);
        assert_eq!(reply.status, 200, "{}", &reply.text[..reply.text.len().min(300)]);
        assert!(reply.text.len() < 3 * 1024 * 1024, "a page of {} bytes", reply.text.len());
        let page = reply.json();
        (seen, pages) = (seen + list(&page).len(), pages + 1);
        if page["done"] == true {
            break;
        }
        page["iterator"].as_str().expect("more").clone_into(&mut iterator);
    }
    assert_eq!(seen, bundled + 45);
    assert!(pages >= 2, "{pages}");
}
