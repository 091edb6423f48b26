//! Deleted data is gone from the responses, the tables and the files.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use weir_core::scheme::Params;
use weir_tests::client::{Api, list};
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::receiver::{Answer, Receiver};
use weir_tests::source::{BASE, Source, signed};
use weir_tests::token;

const SOON: Duration = Duration::from_mins(1);
/// Within which a deletion has erased everything and says so.
const ERASED: Duration = Duration::from_mins(1);

/// The databases below `dir` in which that text stands, in any file.
fn holding(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.to_string_lossy().contains(".sqlite") {
                let bytes = fs::read(&path).unwrap_or_default();
                if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                    found.push(path);
                }
            }
        }
    }
    found
}

/// Writes what is in the logs of all databases below `dir` into the databases.
fn checkpoint(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            checkpoint(&path);
        } else if path.extension().is_some_and(|extension| extension == "sqlite") {
            let database = rusqlite::Connection::open(&path).expect("a database");
            let done = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            assert_eq!(done.expect("a result"), 0, "{}", path.display());
        }
    }
}

fn task(api: &Api, kind: &str) -> Value {
    let path = format!("/api/v1/background-task?task={kind}");
    let over = |page: &Value| list(page).first().is_some_and(|task| task["status"] == "finished");
    list(&api.until(&path, SOON, over))[0].clone()
}

fn secrets(api: &Api, base: &str) -> String {
    let (status, page) = api.get(&format!("{base}/endpoint"));
    assert_eq!(status, 200, "{page}");
    let id = list(&page)[0]["id"].as_str().expect("an id").to_owned();
    let (_, secret) = api.get(&format!("{base}/endpoint/{id}/secret"));
    secret["key"].as_str().expect("a secret").trim_start_matches("whsec_").to_owned()
}

/// Markers in the secret, the headers and the plugins' configuration of an endpoint that takes everything.
#[track_caller]
fn configured(api: &Api, base: &str) -> [String; 3] {
    let (status, page) = api.get(&format!("{base}/endpoint"));
    assert_eq!(status, 200, "{page}");
    let endpoint = format!("{base}/endpoint/{}", list(&page)[0]["id"].as_str().expect("an id"));
    let headers = json!({ "headers": { "x-key": "the-header-marker" } });
    assert_eq!(api.put(&format!("{endpoint}/headers"), &headers).0, 204);
    let filter = json!({ "name": "filter", "config": { "when": "body.text != \"the-plugin-marker\"" } });
    let (status, body) = api.put(&format!("{endpoint}/plugins"), &json!({ "plugins": [filter] }));
    assert_eq!(status, 200, "{body}");
    [secrets(api, base), "the-header-marker".to_owned(), "the-plugin-marker".to_owned()]
}

/// All of them are stored somewhere.
#[track_caller]
fn are_stored(gateway: &Running, markers: &[&str]) {
    for marker in markers {
        assert!(!holding(gateway.data(), marker).is_empty(), "{marker} is stored");
    }
}

/// None of them is stored anywhere.
#[track_caller]
fn are_gone(gateway: &Running, markers: &[&str]) {
    for marker in markers {
        assert_eq!(holding(gateway.data(), marker), Vec::<PathBuf>::new(), "{marker}");
    }
}

#[test]
fn a_deleted_application_leaves_nothing_in_any_file_and_its_erasure_is_a_task() {
    let gateway = Running::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    receiver.always("/", Answer::ok().body("the-answer-marker"));
    let app = api.app();
    let base = format!("/api/v1/app/{app}");
    let endpoint = api.endpoint_with(&app, &receiver.url("/"), &json!({ "description": "the-text-marker" }));
    let [secret, header, plugin] = configured(&api, &base);
    let large = "the-payload-marker ".repeat(2_000);
    for n in 0..30 {
        api.send(
            &app,
            &json!({ "n": n, "text": if n % 3 == 0 { &large } else { "the-payload-marker" } }).to_string(),
        );
    }
    receiver.wait_count("/", 30, SOON);
    // One is under way while the application goes.
    receiver.on("/", |_| Answer::ok().body("the-answer-marker").after(Duration::from_millis(500)));
    api.send(&app, r#"{"text":"the-payload-marker"}"#);
    receiver.wait_count("/", 31, SOON);
    let markers = ["the-payload-marker", "the-answer-marker", "the-text-marker", &secret, &header, &plugin];
    are_stored(&gateway, &markers);

    let begun = Instant::now();
    assert_eq!(api.delete(&base).0, 204);
    let task = task(&api, "application.erase");
    assert_eq!(task["data"]["appId"], json!(app), "{task}");
    assert!(begun.elapsed() < ERASED, "{:?}", begun.elapsed());
    assert_eq!(api.get(&format!("{base}/msg")).0, 404);
    assert_eq!(api.get(&format!("{base}/endpoint/{endpoint}")).0, 404);
    assert_eq!(api.post_text(&format!("{base}/msg"), &message("a.b", "{}")).0, 404);
    // The request that was under way ends, and is recorded by nobody.
    std::thread::sleep(Duration::from_millis(800));
    are_gone(&gateway, &markers);
    // Another is not touched.
    let other = api.app();
    api.endpoint(&other, &receiver.url("/other"));
    api.send(&other, "{}");
    receiver.wait_for_one("/other", SOON);
}

#[test]
fn a_deleted_source_leaves_nothing_of_what_came_in() {
    let mut gateway = Running::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let config = json!({ "secret": "the-source-secret-marker" });
    let source = Source::new(&api, &receiver, "github", &config, &json!({}));
    let [secret, header, plugin] = configured(&api, &format!("{BASE}/{}", source.id));
    let body = br#"{"text":"the-payload-marker"}"#;
    let signed = signed("github", "the-source-secret-marker", body, &[], &Params::new());
    let sent = source.send_signed(&signed);
    assert!(sent.status < 300, "{}", sent.text);
    let refused = source.send(br#"{"text":"the-rejected-marker"}"#, &[]);
    assert!(refused.status >= 400, "{}", refused.text);
    receiver.wait_for_one(&source.path, SOON);
    let markers =
        ["the-payload-marker", "the-rejected-marker", "the-source-secret-marker", &secret, &header, &plugin];
    are_stored(&gateway, &markers);
    let begun = Instant::now();
    assert_eq!(api.delete(&format!("{BASE}/{}", source.id)).0, 204);
    let task = task(&api, "ingest.source.erase");
    assert_eq!(task["data"]["sourceId"], json!(source.id), "{task}");
    assert!(begun.elapsed() < ERASED, "{:?}", begun.elapsed());
    assert_eq!(source.send(b"{}", &[]).status, 404);
    // The tenant's own database keeps its log of writes until it is closed.
    gateway.kill();
    checkpoint(gateway.data());
    are_gone(&gateway, &markers);
}

#[test]
fn the_headers_of_an_endpoint_leave_all_databases_when_they_are_changed() {
    let mut gateway = Running::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/headers");
    for (n, value) in [(1, "the-first-header-marker"), (2, "marker-of-another-header")] {
        assert_eq!(api.put(&path, &json!({ "headers": { "x-api-key": value } })).0, 204);
        api.send(&app, "{}");
        let got = receiver.wait_for("/", n, SOON);
        assert_eq!(got[n - 1].header("x-api-key"), Some(value));
    }
    gateway.kill();
    checkpoint(gateway.data());
    assert!(!holding(gateway.data(), "marker-of-another-header").is_empty(), "it is stored");
    assert_eq!(holding(gateway.data(), "the-first-header-marker"), Vec::<PathBuf>::new());
}

#[test]
fn the_secrets_of_a_source_leave_the_tenants_database_when_they_are_changed_and_when_it_is_deleted() {
    let mut gateway = Running::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let config = |secret: &str| json!({ "secret": secret });
    let source = Source::new(&api, &receiver, "github", &config("the-first-secret-marker"), &json!({}));
    let path = format!("{BASE}/{}", source.id);
    let changed = json!({ "name": "a", "type": "github", "config": config("marker-of-the-second") });
    assert_eq!(api.put(&path, &changed).0, 200);
    gateway.kill();
    checkpoint(gateway.data());
    assert_eq!(holding(gateway.data(), "the-first-secret-marker"), Vec::<PathBuf>::new());
    assert!(!holding(gateway.data(), "marker-of-the-second").is_empty(), "it is stored");
    gateway.restart();
    assert_eq!(api.delete(&path).0, 204);
    task(&api, "ingest.source.erase");
    gateway.kill();
    checkpoint(gateway.data());
    assert_eq!(holding(gateway.data(), "marker-of-the-second"), Vec::<PathBuf>::new());
}

#[test]
fn a_tenant_is_erased_by_its_own_token_and_word_and_nobody_elses_is() {
    let gateway = Running::start(&[]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    let stranger = api.as_stranger();
    let kept = stranger.app();
    for n in 0..3 {
        let app = api.app();
        api.endpoint(&app, &receiver.url(&format!("/{n}")));
        api.send(&app, r#"{"text":"the-payload-marker"}"#);
        receiver.wait_for_one(&format!("/{n}"), SOON);
    }
    let last = list(&api.get("/api/v1/app").1)[0]["id"].as_str().expect("an id").to_owned();
    let [secret, header, plugin] = configured(&api, &format!("/api/v1/app/{last}"));
    let config = json!({ "name": "s", "type": "github", "config": { "secret": "the-source-secret-marker" },
        "uid": "the-uid-marker" });
    assert_eq!(api.post(BASE, &config).0, 201);
    let event_type = json!({ "name": "the.event.type.marker", "description": "d" });
    assert_eq!(api.post("/api/v1/event-type", &event_type).0, 201);
    let operational = json!({ "url": receiver.url("/operational") });
    assert_eq!(api.post("/api/v1/operational-webhook/endpoint", &operational).0, 201);

    let (status, refused) = api.delete("/api/v1/tenant");
    assert_eq!((status, &refused["code"]), (400, &json!("confirmation_required")), "{refused}");
    let app = api.get("/api/v1/app").1["data"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(api.as_app(&app).delete(&format!("/api/v1/tenant?confirm={}", api.org)).0, 403);
    assert_eq!(api.delete(&format!("/api/v1/tenant?confirm={}", stranger.org)).0, 400);

    let markers = [
        "the-payload-marker",
        "the-uid-marker",
        "the.event.type.marker",
        "the-source-secret-marker",
        &secret,
        &header,
        &plugin,
    ];
    are_stored(&gateway, &markers);
    let asked = Instant::now();
    let (status, begun) = api.delete(&format!("/api/v1/tenant?confirm={}", api.org));
    assert_eq!((status, &begun["task"]), (202, &json!("tenant.erase")), "{begun}");
    let task = task(&api, "tenant.erase");
    assert_eq!(task["id"], begun["id"]);
    assert!(asked.elapsed() < ERASED, "{:?}", asked.elapsed());
    for path in ["/api/v1/app", BASE, "/api/v1/event-type", "/api/v1/operational-webhook/endpoint"] {
        assert!(list(&api.get(path).1).is_empty(), "{path}");
    }
    are_gone(&gateway, &markers);
    assert_eq!(stranger.get(&format!("/api/v1/app/{kept}")).0, 200);
    // And it may begin anew.
    let app = api.app();
    api.endpoint(&app, &receiver.url("/anew"));
    api.send(&app, "{}");
    receiver.wait_for_one("/anew", SOON);
}

#[test]
fn the_object_of_a_deleted_endpoint_deletes_everything_once_its_attempts_have_expired() {
    let gateway = Running::start(&[("RETENTION_DAYS", "1")]);
    let emulator = gateway.emulator();
    let api = gateway.tenant();
    // Time passes for tokens, too.
    let api = api.with_token(token::sign(&token::claims(&api.org, 100 * 86_400), token::SECRET));
    let receiver = Receiver::start();
    receiver.always("/deleted", Answer::ok().body("the-answer-marker"));
    let app = api.app();
    let deleted = api.endpoint(&app, &receiver.url("/deleted"));
    let kept = api.endpoint(&app, &receiver.url("/kept"));
    let message = api.send(&app, "{}");
    api.attempts(&app, &message, 2, SOON);
    let path = |endpoint: &str| format!("/api/v1/app/{app}/endpoint/{endpoint}");
    assert_eq!(api.delete(&path(&deleted)).0, 204);
    let name = format!("Endpoint:{}/{app}/{deleted}", api.org);
    let tables = || {
        let stored = emulator.stored().into_iter().find(|object| object.name == name);
        stored.map(|object| object.rows).unwrap_or_default()
    };
    // A message is kept for a day, and a day longer than promised.
    emulator.clock(Duration::from_hours(36));
    emulator.settle(Duration::from_secs(2), SOON);
    assert_eq!(emulator.stats().object(&name).deleted_all, 0);
    assert!(!tables().is_empty());
    are_stored(&gateway, &["the-answer-marker"]);

    emulator.clock(Duration::from_hours(60));
    let end = Instant::now() + SOON;
    while emulator.stats().object(&name).deleted_all == 0 {
        assert!(Instant::now() < end, "{:?}", emulator.stats().object(&name));
        std::thread::sleep(Duration::from_millis(20));
    }
    emulator.settle(Duration::from_secs(2), SOON);
    assert!(tables().is_empty(), "{:?}", tables());
    are_gone(&gateway, &["the-answer-marker"]);

    // Nobody calls it again; the other one goes on.
    emulator.reset();
    emulator.clock(Duration::from_hours(20 * 24));
    emulator.settle(Duration::from_secs(2), SOON);
    api.send(&app, "{}");
    receiver.wait_for("/kept", 2, SOON);
    assert_eq!(receiver.count("/deleted"), 1);
    assert_eq!(emulator.stats().object(&name).requests, 0);
    assert_eq!(api.get(&path(&deleted)).0, 404);
    assert_eq!(api.get(&path(&kept)).0, 200);
}

#[test]
fn no_list_fails_because_what_it_shows_is_large() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let (api, receiver) = (gateway.tenant(), Receiver::start());
    receiver.always("/", Answer::ok().body(vec![1u8; 16 * 1024]));
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let text = "x".repeat(1024 * 1024 - 200);
    let mut sent: Vec<String> =
        (0..40).map(|n| api.send(&app, &json!({ "n": n, "t": text }).to_string())).collect();
    receiver.wait_count("/", 40, SOON);
    let base = format!("/api/v1/app/{app}");
    api.attempts(&app, &sent[39], 1, SOON);
    let all = |path: &str, id: &dyn Fn(&Value) -> String| {
        let (mut seen, mut iterator, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let reply =
                api.call("GET", &format!("{path}{separator}limit=250&iterator={iterator}"), None, &[]);
            assert_eq!(reply.status, 200, "{path}: {}", &reply.text[..reply.text.len().min(300)]);
            assert!(reply.text.len() < 4 * 1024 * 1024, "{path}: a page of {} bytes", reply.text.len());
            let page = reply.json();
            seen.extend(list(&page).iter().map(id));
            pages += 1;
            if page["done"] == true {
                return (seen, pages);
            }
            page["iterator"].as_str().expect("more").clone_into(&mut iterator);
        }
    };
    sent.reverse();
    let by_id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    let by_message = |item: &Value| item["msgId"].as_str().expect("an id").to_owned();
    let (seen, pages) = all(&format!("{base}/msg"), &by_id);
    // The message that takes a page over 2 MiB ends it.
    assert_eq!((seen.len(), pages), (40, 14));
    assert_eq!(seen, sent);
    assert_eq!(all(&format!("{base}/msg?with_content=false"), &by_id), (sent.clone(), 1));
    assert_eq!(all(&format!("{base}/endpoint/{endpoint}/msg"), &by_id).0, sent);
    let (seen, pages) = all(&format!("{base}/attempt/endpoint/{endpoint}?with_msg=true"), &by_message);
    assert!(pages >= 14, "{pages}");
    let mut seen: Vec<String> = seen;
    seen.sort();
    seen.reverse();
    assert_eq!(seen, sent);
    assert_eq!(all(&format!("{base}/attempt/endpoint/{endpoint}"), &by_message).0.len(), 40);
    assert_eq!(
        all(&format!("{base}/attempt/msg/{}?with_msg=true", sent[0]), &by_message).0,
        [sent[0].clone()]
    );

    // Schemas of event types, as large as they may be.
    let schema = json!({ "1": { "type": "object", "description": "y".repeat(200_000) } });
    let names: Vec<String> = (0..30).map(|n| format!("type.{n:02}")).collect();
    for name in &names {
        let (status, body) =
            api.post("/api/v1/event-type", &json!({ "name": name, "description": "d", "schemas": schema }));
        assert_eq!(status, 201, "{body}");
    }
    let by_name = |item: &Value| {
        assert!(item["schemas"].is_object(), "{}", item["name"]);
        item["name"].as_str().expect("a name").to_owned()
    };
    let (seen, pages) = all("/api/v1/event-type?with_content=true", &by_name);
    assert_eq!(seen, names);
    assert!((3..=4).contains(&pages), "{pages}");
}
