//! Plugins in real deliveries: what they change, what they filter out, and what happens when they fail. The shipped
//! plugins run as they ship, on a real workerd.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Received, Receiver, unix_ms};
use weir_tests::verify::is_signed_by;
use xtask::local::Profile;

const SOON: Duration = Duration::from_secs(15);

/// A shipped plugin's bytes.
fn shipped(name: &str) -> Vec<u8> {
    let dir = xtask::plugins::ensure_built().unwrap_or_else(|error| panic!("{error}"));
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A plugin that does just this, and leaves this text as reason or message.
fn plugin(transform: &str, message: &str) -> Vec<u8> {
    let length = format!("\\{:02x}\\00\\00\\00", message.len());
    let module = format!(
        r#"(module
            (memory (export "memory") 1 16)
            (data (i32.const 16) "\20\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00{length}")
            (data (i32.const 2048) "{message}")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) {transform}))"#
    );
    wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}"))
}

fn looping() -> Vec<u8> {
    plugin("(loop $forever (br $forever)) unreachable", "")
}

fn failing() -> Vec<u8> {
    plugin("i32.const 3", "not today")
}

#[track_caller]
fn upload(api: &Api, name: &str, module: &[u8]) {
    let (status, body) = api.upload(name, module);
    assert!(matches!(status, 200 | 201), "{body}");
}

#[track_caller]
fn attach(api: &Api, app: &str, endpoint: &str, plugins: &Value) {
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/plugins");
    let (status, body) = api.put(&path, &json!({ "plugins": plugins }));
    assert_eq!(status, 200, "{body}");
}

/// The one attempt of a message.
#[track_caller]
fn attempt(api: &Api, app: &str, message: &str) -> Value {
    api.attempts(app, message, 1, SOON).remove(0)
}

/// Attaches two plugins, one that masks a card and one that sets a header, and sees a message that has passed them.
#[track_caller]
fn masked_and_marked(api: &Api, receiver: &Receiver, app: &str, endpoint: &str) -> (String, Received) {
    let chain = json!([
        { "name": "redact", "config": { "mask": ["data.card"] } },
        { "name": "headers", "config": { "set": { "x-tenant": "{{ app }}" } } },
    ]);
    attach(api, app, endpoint, &chain);
    let message = api.send(app, r#"{"data":{"card":"4111111111111111","total":1.0}}"#);
    let request = receiver.wait_for_one("/", SOON);
    let body = String::from_utf8_lossy(&request.body).into_owned();
    assert!(!body.contains("4111111111111111") && body.contains(r#""total":1.0"#), "{body}");
    assert_eq!(request.header("x-tenant"), Some(app));
    (message, request)
}

#[test]
fn what_plugins_make_of_a_message_arrives_signed() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "redact", &shipped("redact"));
    upload(&api, "headers", &shipped("headers"));
    let (message, request) = masked_and_marked(&api, &receiver, &app, &endpoint);
    assert!(is_signed_by(&request, "svix", &api.secret(&app, &endpoint)), "what arrives is what is signed");
    let attempt = attempt(&api, &app, &message);
    assert_eq!(attempt["status"], 0, "{attempt}");
    let plugins = list_of(&attempt);
    let did: Vec<_> =
        plugins.iter().map(|p| (text(p, "name"), text(p, "verdict"), text(p, "engine"))).collect();
    let expected = ["redact", "headers"].map(|name| (name.into(), "replaced".into(), "wasmi".into()));
    assert_eq!(did, expected);
    assert!(plugins.iter().all(|p| p["fuel"].as_u64() > Some(0)), "{attempt}");
}

#[test]
fn bundled_plugins_need_no_upload_and_run_on_v8() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let listed = api.get("/api/v1/plugin").1;
    let names: Vec<_> = list(&listed).iter().map(|plugin| text(plugin, "name")).collect();
    assert!(names.len() >= 10 && names.iter().any(|name| name == "redact"), "{names:?}");
    assert!(list(&listed).iter().all(|plugin| plugin["bundled"] == true), "{listed}");

    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let (message, _) = masked_and_marked(&api, &receiver, &app, &endpoint);
    let done = list_of(&attempt(&api, &app, &message));
    assert!(done.iter().all(|plugin| plugin["engine"] == "v8"), "{done:?}");
    // The record says which module it was.
    let module = text(&api.get("/api/v1/plugin/redact").1, "current");
    assert_eq!(text(&done[0], "version"), module);

    // What a tenant uploads under the name comes first, is the same version where it is the same module, and has the
    // same fuel in the interpreter.
    upload(&api, "redact", &shipped("redact"));
    assert_eq!(text(&api.get("/api/v1/plugin/redact").1, "current"), module);
    let again = api.send(&app, r#"{"data":{"card":"4111111111111111","total":1.0}}"#);
    let uploaded = list_of(&attempt(&api, &app, &again));
    assert_eq!((text(&uploaded[0], "engine"), text(&uploaded[1], "engine")), ("wasmi".into(), "v8".into()));
    for field in ["fuel", "memoryPages", "version", "verdict"] {
        assert_eq!(uploaded[0][field], done[0][field], "{field}");
    }
    let event = json!({ "eventType": "a.b", "payload": { "data": { "card": "4111111111111111" } } });
    let test = |version: &str| {
        let body = json!({ "version": version, "config": { "mask": ["data.card"] }, "event": event });
        api.post("/api/v1/plugin/redact/test", &body).1
    };
    let (bundled, own) = (test("bundled"), test(&module));
    assert_eq!((&bundled["engine"], &own["engine"]), (&json!("v8"), &json!("wasmi")), "{bundled} {own}");
    for field in ["fuel", "version", "payload", "diff", "verdict"] {
        assert_eq!(bundled[field], own[field], "{field}");
    }
}

#[test]
fn with_a_loader_uploaded_plugins_run_in_an_isolate_of_their_own() {
    let mut options = Running::under(Profile::Paid, &[]);
    options.loader = true;
    let (gateway, receiver) = (Running::with(options), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "mask", &shipped("redact"));
    upload(&api, "stamp", &shipped("headers"));
    let chain = json!([
        { "name": "mask", "config": { "mask": ["card"] } },
        { "name": "rename", "config": { "types": { "test.event": "renamed.event" } } },
        { "name": "stamp", "config": { "set": { "x-tenant": "{{ app }}" } } },
        { "name": "mask", "config": { "mask": ["pin"] } },
    ]);
    attach(&api, &app, &endpoint, &chain);
    for n in 1..=3 {
        let message = api.send_as(&app, "test.event", r#"{"card":"4111111111111111","pin":"1234"}"#);
        let request = receiver.wait_for("/", n, SOON).pop().expect("a request");
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!body.contains("4111") && !body.contains("1234"), "{body}");
        assert_eq!(request.header("x-tenant"), Some(app.as_str()));
        let done = list_of(&attempt(&api, &app, &message));
        let engines: Vec<_> = done.iter().map(|plugin| text(plugin, "engine")).collect();
        assert_eq!(engines, ["loader", "v8", "loader", "loader"], "{done:?}");
    }
    let event = json!({ "eventType": "a.b", "payload": { "card": "4111111111111111" } });
    let body = json!({ "config": { "mask": ["card"] }, "event": event });
    let tested = api.post("/api/v1/plugin/mask/test", &body).1;
    assert_eq!((&tested["engine"], &tested["verdict"]), (&json!("loader"), &json!("replaced")), "{tested}");
}

#[test]
fn a_gateway_whose_runtime_frees_no_isolate_loads_few_and_runs_the_rest_in_the_interpreter() {
    let mut options = Running::under(Profile::Paid, &[("LOADER_ISOLATES", "2")]);
    options.loader = true;
    let gateway = Running::with(options);
    let api = gateway.tenant();
    let event = json!({ "eventType": "a.b", "payload": { "card": "4111111111111111" } });
    let engine_of = |name: &str, config: Value| {
        let body = json!({ "config": config, "event": event });
        let tested = api.post(&format!("/api/v1/plugin/{name}/test"), &body).1;
        assert_eq!(tested["verdict"], "replaced", "{tested}");
        text(&tested, "engine")
    };
    upload(&api, "mask", &shipped("redact"));
    upload(&api, "stamp", &shipped("headers"));
    upload(&api, "names", &shipped("rename"));
    let mask = || engine_of("mask", json!({ "mask": ["card"] }));
    let stamp = || engine_of("stamp", json!({ "set": { "x-tenant": "t" } }));
    let names = || engine_of("names", json!({ "types": { "a.b": "a.c" } }));
    assert_eq!([mask(), stamp(), names()], ["loader", "loader", "wasmi"]);
    assert_eq!([names(), mask(), stamp()], ["wasmi", "loader", "loader"], "those that are loaded stay");
}

fn list_of(attempt: &Value) -> Vec<Value> {
    attempt["plugins"].as_array().unwrap_or_else(|| panic!("no plugins: {attempt}")).clone()
}

#[test]
fn what_a_plugin_filters_out_is_canceled_with_its_reason_and_can_be_sent_after_all() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "large-only", &shipped("filter"));
    attach(
        &api,
        &app,
        &endpoint,
        &json!([{ "name": "large-only", "config": { "when": "body.amount >= 100" } }]),
    );
    let small = api.send(&app, r#"{"amount":5}"#);
    let large = api.send(&app, r#"{"amount":500}"#);
    assert_eq!(receiver.wait_for_one("/", SOON).message_id(), Some(large.as_str()));
    let canceled = attempt(&api, &app, &small);
    assert_eq!((&canceled["status"], &canceled["statusText"]), (&json!(4), &json!("canceled")), "{canceled}");
    assert_eq!(canceled["responseStatusCode"], 0);
    assert!(text(&canceled, "response").starts_with("Filtered out by the plugin large-only"), "{canceled}");
    let stats = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    let stats = api.until(&stats, SOON, |stats| stats["success"] == 1);
    assert_eq!((&stats["canceled"], &stats["fail"]), (&json!(1), &json!(0)), "{stats}");
    // Only these are found by their status.
    let found = api.get(&format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?status=4")).1;
    assert_eq!(list(&found).len(), 1, "{found}");
    // Without the filter it can be sent by hand.
    attach(&api, &app, &endpoint, &json!([]));
    let (status, body) =
        api.post(&format!("/api/v1/app/{app}/msg/{small}/endpoint/{endpoint}/resend"), &json!({}));
    assert_eq!(status, 202, "{body}");
    receiver.wait_for("/", 2, SOON);
}

/// How many messages a task has sent again, once it is finished.
#[track_caller]
fn sent_again(api: &Api, app: &str, endpoint: &str, what: &str, filter: &Value) -> Value {
    let mut body = filter.clone();
    body["since"] = json!(weir_core::time::rfc3339(unix_ms() - 3_600_000));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/{what}");
    let (status, counted) = api.post(&format!("{path}?dry_run=true"), &body);
    assert_eq!(status, 200, "{counted}");
    let (status, task) = api.post(&path, &body);
    assert_eq!(status, 202, "{task}");
    let task = format!("/api/v1/background-task/{}", text(&task, "id"));
    let done = api.until(&task, SOON, |task| task["status"] == "finished");
    assert_eq!(done["data"]["messages"], counted["messages"], "{what}: what was counted is what was done");
    counted["messages"].clone()
}

#[test]
fn what_was_filtered_out_is_found_by_its_status_and_sent_by_a_bulk_replay() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    attach(&api, &app, &endpoint, &json!([{ "name": "filter", "config": { "when": "body.amount >= 100" } }]));
    let small = [5, 7].map(|amount| api.send(&app, &json!({ "amount": amount }).to_string()));
    let large = api.send(&app, r#"{"amount":500}"#);
    let statuses = |message: &str, attempts: usize| -> Vec<Value> {
        let made = api.attempts(&app, message, attempts, SOON);
        made.iter().map(|attempt| attempt["status"].clone()).collect()
    };
    for message in &small {
        assert_eq!(statuses(message, 1), [json!(4)]);
    }
    assert_eq!(statuses(&large, 1), [json!(0)]);
    let filtered = || {
        let page = api.get(&format!("/api/v1/app/{app}/endpoint/{endpoint}/msg?status=4")).1;
        let mut ids: Vec<_> = list(&page).iter().map(|message| text(message, "id")).collect();
        ids.sort();
        ids
    };
    assert_eq!(filtered(), small, "ids grow with time");

    // It did not fail, and it was tried.
    for what in ["recover", "replay-missing"] {
        assert_eq!(sent_again(&api, &app, &endpoint, what, &json!({})), 0, "{what}");
    }
    // A replay passes the plugins, as every delivery: while the filter is there, it says the same again.
    let canceled = json!({ "status": 4 });
    assert_eq!(sent_again(&api, &app, &endpoint, "bulk-replay", &canceled), 2);
    for message in &small {
        assert_eq!(statuses(message, 2), [json!(4), json!(4)]);
    }
    assert_eq!(receiver.count("/"), 1);

    attach(&api, &app, &endpoint, &json!([{ "name": "filter", "config": { "when": "body.amount >= 6" } }]));
    assert_eq!(sent_again(&api, &app, &endpoint, "bulk-replay", &canceled), 2);
    assert_eq!(receiver.wait_for("/", 2, SOON)[1].message_id(), Some(small[1].as_str()));
    assert_eq!([statuses(&small[0], 3)[2].clone(), statuses(&small[1], 3)[2].clone()], [json!(4), json!(0)]);
    assert_eq!(filtered(), small[..1], "the other has got through");
    attach(&api, &app, &endpoint, &json!([]));
    assert_eq!(sent_again(&api, &app, &endpoint, "bulk-replay", &canceled), 1);
    assert_eq!(receiver.wait_for("/", 3, SOON)[2].message_id(), Some(small[0].as_str()));
    api.attempts(&app, &small[0], 4, SOON);
    assert_eq!(sent_again(&api, &app, &endpoint, "bulk-replay", &canceled), 0);
    assert_eq!(receiver.count("/"), 3);
}

#[test]
fn what_was_held_until_its_schedule_was_over_has_failed_and_is_recovered() {
    let (gateway, receiver) = (Running::start(&[("RETRY_SCHEDULE", "")]), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "shape", &failing());
    attach(&api, &app, &endpoint, &json!([{ "name": "shape" }]));
    let message = api.send(&app, "{}");
    assert_eq!(attempt(&api, &app, &message)["status"], 2);
    upload(&api, "shape", &plugin("i32.const 0", ""));
    assert_eq!(sent_again(&api, &app, &endpoint, "bulk-replay", &json!({ "status": 4 })), 0);
    assert_eq!(sent_again(&api, &app, &endpoint, "recover", &json!({})), 1);
    assert_eq!(receiver.wait_for_one("/", SOON).message_id(), Some(message.as_str()));
}

#[test]
fn a_failed_plugin_holds_a_delivery_until_a_fixed_version_is_current() {
    // The schedule is an hour: it is not the schedule that delivers.
    let (gateway, receiver) = (Running::start(&[("RETRY_SCHEDULE", "3600,3600")]), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "shape", &failing());
    attach(&api, &app, &endpoint, &json!([{ "name": "shape", "onError": "hold" }]));
    let message = api.send(&app, "{}");
    let held = attempt(&api, &app, &message);
    assert_eq!((&held["status"], &held["responseStatusCode"]), (&json!(2), &json!(0)), "{held}");
    assert_eq!(held["response"], "The plugin shape failed (error): not today", "{held}");
    assert_eq!(receiver.count("/"), 0);
    // Not the receiver's fault: what another endpoint gets goes on.
    upload(&api, "shape", &plugin("i32.const 0", ""));
    assert_eq!(receiver.wait_for_one("/", SOON).message_id(), Some(message.as_str()));
    let attempts = api.attempts(&app, &message, 2, SOON);
    assert_eq!(
        (&attempts[1]["status"], &attempts[1]["plugins"][0]["verdict"]),
        (&json!(0), &json!("unchanged"))
    );
}

#[test]
fn a_failed_plugin_is_passed_over_or_drops_as_its_attachment_says() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "failing", &failing());
    attach(&api, &app, &endpoint, &json!([{ "name": "failing", "onError": "deliver" }]));
    let delivered = api.send(&app, r#"{"n":1}"#);
    assert_eq!(&receiver.wait_for_one("/", SOON).body[..], br#"{"n":1}"#);
    let plugins = list_of(&attempt(&api, &app, &delivered));
    assert_eq!((&plugins[0]["verdict"], &plugins[0]["error"]["code"]), (&json!("failed"), &json!("error")));
    attach(&api, &app, &endpoint, &json!([{ "name": "failing", "onError": "drop" }]));
    let dropped = api.send(&app, r#"{"n":2}"#);
    assert_eq!(attempt(&api, &app, &dropped)["status"], 4);
    assert_eq!(receiver.count("/"), 1);
}

#[test]
fn a_plugin_that_keeps_failing_rests_and_the_tenant_is_told() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let told = json!({ "url": receiver.url("/told"), "eventTypes": ["endpoint.plugin.failing"] });
    let (status, body) = api.post("/api/v1/operational-webhook/endpoint", &told);
    assert_eq!(status, 201, "{body}");
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    upload(&api, "failing", &plugin("unreachable", ""));
    attach(&api, &app, &endpoint, &json!([{ "name": "failing", "onError": "deliver" }]));
    // It rests for a second after five failures, and longer each time: on a slow machine the next message may come later.
    let seen = (1..=40).map(|sent| {
        let message = api.send(&app, "{}");
        (sent, list_of(&attempt(&api, &app, &message)).remove(0))
    });
    let (sent, skipped) =
        seen.into_iter().find(|(_, plugin)| plugin["verdict"] == "skipped").expect("it rests");
    assert!(sent > 5, "after {sent}");
    assert_eq!((&skipped["onError"], skipped.get("fuel")), (&json!("deliver"), None), "{skipped}");
    receiver.wait_for("/", sent, SOON);
    let event: Value = serde_json::from_slice(&receiver.wait_for_one("/told", SOON).body).expect("JSON");
    let data = &event["data"];
    assert_eq!(
        (&data["endpointId"], &data["plugin"]["name"]),
        (&json!(endpoint), &json!("failing")),
        "{event}"
    );
    assert!(text(data, "error").starts_with("(trap)"), "{event}");
}

#[test]
fn an_endless_loop_ends_and_the_next_message_and_the_neighbour_never_notice() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/looping"));
    let neighbor = api.endpoint(&app, &receiver.url("/neighbor"));
    assert_ne!(endpoint, neighbor);
    upload(&api, "looping", &looping());
    attach(&api, &app, &endpoint, &json!([{ "name": "looping", "onError": "drop" }]));
    let message = api.send(&app, "{}");
    receiver.wait_for_one("/neighbor", SOON);
    let path = format!("/api/v1/app/{app}/attempt/endpoint/{endpoint}?limit=10");
    let page = api.until(&path, SOON, |page| list(page).len() == 1);
    let ended = &list(&page)[0];
    assert_eq!((text(ended, "msgId"), &ended["status"]), (message, &json!(4)), "{ended}");
    assert_eq!(ended["plugins"][0]["error"]["code"], "out_of_fuel", "{ended}");
    attach(&api, &app, &endpoint, &json!([]));
    api.send(&app, "{}");
    receiver.wait_for_one("/looping", SOON);
}

#[test]
fn a_version_that_does_not_fit_a_followers_configuration_is_not_made_current_unless_it_is_forced() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, "https://example.com/");
    let (good, picky) =
        (plugin("i32.const 0", ""), plugin("i32.const 3", "configuration: no `mode` is given"));
    upload(&api, "chosen", &good);
    attach(&api, &app, &endpoint, &json!([{ "name": "chosen", "config": { "a": 1 } }]));
    let current = || text(&api.get("/api/v1/plugin/chosen").1, "current");
    let first = current();
    let (status, error) = api.upload("chosen", &picky);
    assert_eq!((status, &error["code"]), (409, &json!("incompatible_plugin")), "{error}");
    assert!(
        error["detail"].as_str().is_some_and(|why| why.contains(&endpoint) && why.contains("mode")),
        "{error}"
    );
    assert_eq!(current(), first);
    let (status, made) = api.upload("chosen?force=true", &picky);
    assert_eq!(status, 201, "{made}");
    assert_eq!(current(), text(&made, "id"));
    // Going back is possible, and forward again is not.
    let choose = |version: &str| api.put("/api/v1/plugin/chosen/current", &json!({ "version": version })).0;
    assert_eq!(choose(&first), 200);
    assert_eq!(choose(&text(&made, "id")), 409);
    // An endpoint that keeps to its version is not asked.
    attach(&api, &app, &endpoint, &json!([{ "name": "chosen", "version": first, "config": { "a": 1 } }]));
    assert_eq!(choose(&text(&made, "id")), 200);
}
