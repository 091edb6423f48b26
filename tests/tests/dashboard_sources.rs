//! Sources and plugins in the dashboard, as a browser without scripts sees them; and what a customer sees of it all.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;
use weir_tests::browser::{Browser, proof};
use weir_tests::client::{Api, Reply, list, text};
use weir_tests::gateway::shared;
use weir_tests::receiver::Receiver;

const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "the provider's secret";

/// Sends an event as GitHub does, signed with this secret.
fn push(api: &Api, url: &str, secret: &str, delivery: &str, body: &[u8]) -> Reply {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body);
    let hex =
        mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let signature = format!("sha256={hex}");
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery),
        ("content-type", "application/json"),
        ("authorization", "Bearer of somebody"),
    ];
    let path = url.strip_prefix(api.url()).unwrap_or_else(|| panic!("the gateway's: {url}"));
    api.call("POST", path, Some(body), &headers)
}

/// The URL that a page shows for copying.
#[track_caller]
fn shown_url(page: &str) -> String {
    let (_, rest) = page.split_once("class=\"secret\"").unwrap_or_else(|| panic!("a URL in {page}"));
    let rest = rest.split_once('>').expect("its text").1;
    rest.split_once('<').expect("its end").0.to_owned()
}

/// A source of GitHub's, made by the form; its page.
#[track_caller]
fn source(browser: &Browser) -> (String, String) {
    let fields = [("name", "Our code"), ("type", "github"), ("secret", SECRET), ("unverified", "reject")];
    let made = browser.submit("/dashboard/sources", "/dashboard/new-source", &fields);
    let page = made.header("location").unwrap_or_default().to_owned();
    assert_eq!(made.status, 303, "{}", made.text);
    (page.trim_start_matches("/dashboard/app/").to_owned(), page)
}

#[test]
fn a_source_of_a_preset_shows_accepted_and_rejected_requests() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    assert!(browser.see("/dashboard/sources").contains("There are no sources yet"));
    let choice = browser.see("/dashboard/sources/new");
    assert!(
        choice.contains("?type=github\"") && choice.contains("GitHub") && choice.contains("generic-webhook"),
        "{choice}"
    );
    assert!(
        choice.contains("Verified") && choice.contains("Unconfirmed"),
        "how sure each preset is: {choice}"
    );
    let found = browser.see("/dashboard/sources/new?q=gith");
    assert!(found.contains("?type=github\"") && !found.contains("?type=stripe\""), "{found}");
    let form = browser.see("/dashboard/sources/new?type=github");
    assert!(form.contains("name=\"type\" value=\"github\"") && form.contains("name=\"secret\""), "{form}");
    let wrong =
        browser.act("/dashboard/sources", "/dashboard/new-source", &[("name", "x"), ("type", "githob")]);
    assert!(wrong.status == 422 && wrong.text.contains("github"), "what it could be: {}", wrong.text);

    let without = [("name", "No secret"), ("type", "github"), ("unverified", "reject")];
    let without = browser.submit("/dashboard/sources", "/dashboard/new-source", &without);
    assert_eq!(without.status, 303, "{}", without.text);
    let warned = browser.see(without.header("location").unwrap_or_default());
    assert!(warned.contains("There is no secret") && warned.contains("Set the secret"), "{warned}");

    let (id, page) = source(&browser);
    let empty = browser.see(&page);
    assert!(empty.contains("No event yet") && !empty.contains(SECRET), "{empty}");
    assert!(browser.see("/dashboard/sources").contains("Our code"));
    let url = shown_url(&empty);
    let endpoint = browser.submit(&page, &format!("{page}/new-endpoint"), &[("url", &receiver.url("/out"))]);
    assert_eq!(endpoint.status, 303, "{}", endpoint.text);
    let endpoint_page = endpoint.header("location").unwrap_or_default().to_owned();

    assert!(matches!(push(&api, &url, SECRET, "d-1", br#"{"ref":"main"}"#).status, 200..=202));
    receiver.wait_for("/out", 1, SOON);
    assert!(matches!(push(&api, &url, "another", "d-2", br#"{"ref":"<b>evil"}"#).status, 400..=403));
    let seen = browser.see(&page);
    assert!(seen.contains("push") && seen.contains("Rejected requests"), "{seen}");
    let messages = format!("/api/v1/ingest/source/{id}/msg");
    let message = text(&list(&api.get(&messages).1)[0], "id");
    assert!(seen.contains(&message) && browser.see(&format!("{page}/messages")).contains(&message));
    assert!(browser.see(&format!("{page}/message/{message}")).contains("main"));
    assert!(browser.see(&endpoint_page).contains(&message), "an endpoint's page is as any other's");

    let rejected = text(&list(&api.get(&format!("/api/v1/ingest/source/{id}/rejected")).1)[0], "id");
    let one = format!("{page}/rejected/{rejected}");
    assert!(seen.contains(&one), "{seen}");
    let shown = browser.see(&one);
    for part in [
        "x-github-delivery",
        "d-2",
        "&lt;b&gt;evil",
        "***",
        "Accept request",
        "over the content that the provider signs",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("Bearer of somebody"), "masked: {shown}");
    let accepted = browser.act(&one, &format!("{one}/accept"), &[]);
    assert_eq!(
        (accepted.status, accepted.header("hx-redirect")),
        (200, Some(one.as_str())),
        "{}",
        accepted.text
    );
    receiver.wait_for("/out", 2, SOON);
    let shown = browser.see(&one);
    assert!(shown.contains("Accepted manually") && shown.contains("/message/"), "{shown}");
    let again = browser.act(&one, &format!("{one}/accept"), &[]);
    assert_eq!(again.status, 409, "{}", again.text);
}

#[test]
fn a_secret_that_verifies_a_rejected_request_is_saved_and_the_request_accepted_in_one_step() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (id, page) = source(&browser);
    let url = shown_url(&browser.see(&page));
    assert!(matches!(push(&api, &url, "another", "d-1", br#"{"n":1}"#).status, 400..=403));
    let rejected = text(&list(&api.get(&format!("/api/v1/ingest/source/{id}/rejected")).1)[0], "id");
    let one = format!("{page}/rejected/{rejected}");
    let of = |what: &str, secret: &str| browser.act(&one, &format!("{one}/{what}"), &[("secret", secret)]);

    // A secret that does not verify the request is never saved, whatever the page offered.
    for what in ["check", "adopt"] {
        let refused = of(what, "wrong");
        assert!(refused.status == 200 && refused.text.contains("Signed content"), "{}", refused.text);
        assert!(!refused.text.contains("Save this secret"), "{}", refused.text);
    }
    assert!(
        matches!(push(&api, &url, SECRET, "d-2", br#"{"n":2}"#).status, 200..=202),
        "the secret is as before"
    );
    let found = of("check", "another");
    assert!(
        found.text.contains("Save this secret and accept") && found.text.contains(&format!("{one}/adopt"))
    );
    let adopted = browser.submit(&one, &format!("{one}/adopt"), &[("secret", "another")]);
    assert_eq!((adopted.status, adopted.header("location")), (303, Some(one.as_str())), "{}", adopted.text);
    let cookie = adopted.header("set-cookie").unwrap_or_default().split(';').next().unwrap_or_default();
    assert_eq!(cookie, "weir_said=secret-saved");
    let mut told = browser.clone();
    told.cookie = format!("{}; {cookie}", browser.cookie);
    let told = told.page(&one);
    assert!(
        told.text.contains("Secret saved and request accepted.") && told.text.contains("Accepted manually")
    );
    assert!(told.header("set-cookie").is_some_and(|cookie| cookie.starts_with("weir_said=; ")), "told once");
    assert!(!browser.see(&one).contains("Secret saved"));
    assert!(
        matches!(push(&api, &url, "another", "d-3", br#"{"n":3}"#).status, 200..=202),
        "it is the secret now"
    );
    assert!(
        matches!(push(&api, &url, SECRET, "d-4", br#"{"n":4}"#).status, 400..=403),
        "and the other is not"
    );
    let again = of("adopt", "another");
    assert_eq!(again.status, 409, "{}", again.text);
}

#[test]
fn a_sources_url_is_rotated_its_settings_changed_and_it_is_deleted() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (id, page) = source(&browser);
    let old = shown_url(&browser.see(&page));
    let rotated = browser.act(&page, &format!("{page}/rotate-token"), &[]);
    let new = shown_url(&rotated.text);
    assert_ne!(new, old);
    assert_eq!(shown_url(&browser.see(&page)), new);
    for url in [&old, &new] {
        assert!(matches!(push(&api, url, SECRET, url, b"{}").status, 200..=202), "both are valid: {url}");
    }
    let fields =
        [("name", "Renamed"), ("unverified", "accept"), ("forwardHeaders", "x-github-delivery, x-own")];
    let changed = browser.submit(&page, &format!("{page}/edit-source"), &fields);
    assert_eq!(changed.status, 303, "{}", changed.text);
    let stored = api.get(&format!("/api/v1/ingest/source/{id}")).1;
    assert_eq!(
        (&stored["name"], &stored["type"], &stored["secrets"]),
        (&json!("Renamed"), &json!("github"), &json!(1))
    );
    assert_eq!(stored["options"]["forwardHeaders"], json!(["x-github-delivery", "x-own"]));
    assert!(matches!(push(&api, &new, SECRET, "after", b"{}").status, 200..=202), "the secret stayed");
    let refused = browser.act(&page, &format!("{page}/delete-source"), &[("confirm", "Our code")]);
    assert!(refused.status == 422 && refused.text.contains("Type Renamed"), "{}", refused.text);
    assert_eq!(api.get(&format!("/api/v1/ingest/source/{id}")).0, 200, "nothing is deleted without its name");
    let deleted = browser.submit(&page, &format!("{page}/delete-source"), &[("confirm", "Renamed")]);
    assert_eq!(deleted.header("location"), Some("/dashboard/sources"), "{}", deleted.text);
    assert_eq!(browser.page(&page).status, 404);
}

// ---- plugins -------------------------------------------------------------------------------------------------

/// A plugin that passes everything on, and has this many pages.
fn module(pages: u32) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") {pages} 16)
            (data (i32.const 16) "\20\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00")
            (func (export "weir_abi_v1") (result i32) i32.const 16)
            (func (export "weir_input") (param i32) (result i32) i32.const 4096)
            (func (export "weir_transform") (param i32) (result i32) i32.const 0))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// Sends a file as a browser does.
#[track_caller]
fn upload(api: &Api, browser: &Browser, path: &str, name: &str, module: &[u8]) -> Reply {
    let proof = proof(&browser.see("/dashboard/plugins"));
    let mut body = Vec::new();
    for (field, value) in [("_proof", proof.as_str()), ("name", name)] {
        let part = format!("--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = "--edge\r\nContent-Disposition: form-data; name=\"wasm\"; filename=\"a.wasm\"\r\nContent-Type: application/wasm\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(module);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let headers = [
        ("authorization", ""),
        ("cookie", browser.cookie.as_str()),
        ("content-type", "multipart/form-data; boundary=edge"),
    ];
    api.call("POST", path, Some(&body), &headers)
}

#[test]
fn plugins_are_uploaded_rolled_back_tested_and_deleted_from_the_browser() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    assert!(browser.see("/dashboard/plugins").contains("bundled with the gateway"));
    let page = "/dashboard/plugin/mine";
    let made = upload(&api, &browser, "/dashboard/new-plugin", "mine", &module(1));
    assert_eq!((made.status, made.header("location")), (303, Some(page)), "{}", made.text);
    let first = text(&api.get("/api/v1/plugin/mine").1, "current");
    assert_eq!(upload(&api, &browser, &format!("{page}/upload"), "mine", &module(2)).status, 303);
    let second = text(&api.get("/api/v1/plugin/mine").1, "current");
    assert_ne!(first, second);
    let shown = browser.see(page);
    assert!(shown.contains(&first) && shown.contains(&second) && shown.contains("Roll back"), "{shown}");
    let bad = upload(&api, &browser, "/dashboard/new-plugin", "mine", b"no module");
    assert!(bad.status == 422 && bad.text.contains("role=\"alert\""), "{} {}", bad.status, bad.text);
    let large = upload(&api, &browser, "/dashboard/new-plugin", "mine", &vec![0; 1024 * 1024 + 1]);
    assert_eq!(large.status, 413, "{}", large.text);
    let none = upload(&api, &browser, "/dashboard/new-plugin", "mine", b"");
    assert!(none.status == 422 && none.text.contains("Choose"), "{}", none.text);

    browser.submit(page, &format!("{page}/current"), &[("version", &first)]);
    assert_eq!(text(&api.get("/api/v1/plugin/mine").1, "current"), first, "rolled back");
    browser.submit(page, &format!("{page}/delete-version"), &[("version", &second)]);
    assert!(!browser.see(page).contains(&second));
    assert_eq!(
        browser.submit(page, &format!("{page}/delete"), &[]).header("location"),
        Some("/dashboard/plugins")
    );
    assert_eq!(browser.page(page).status, 404);
}

#[test]
fn a_test_run_shows_the_changes_of_a_plugin() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    let message = api.send(&app, r#"{"a":1}"#);
    let page = "/dashboard/plugin/headers";
    let run = |fields: &[(&str, &str)]| browser.act(page, &format!("{page}/test"), fields);
    let config = r#"{"set":{"x-own":"<i>1"}}"#;
    let report = run(&[("config", config), ("messageId", &message), ("appId", &app)]);
    assert_eq!(report.status, 200, "{}", report.text);
    for part in ["replaced", "x-own", "&lt;i&gt;1", "add", "Fuel", "Memory", "Engine", "v8"] {
        assert!(report.text.contains(part), "{part} in {}", report.text);
    }
    let pasted =
        run(&[("config", config), ("eventType", "a.b"), ("payload", r#"{"b":2}"#), ("headers", "x-b: 3")]);
    assert!(pasted.status == 200 && pasted.text.contains("Unchanged."), "the body is: {}", pasted.text);
    for (fields, part) in [
        (vec![("payload", "{")], "not JSON"),
        (vec![], "Select a message"),
        (vec![("messageId", "msg_none"), ("appId", app.as_str())], "not found"),
        (vec![("eventType", "a.b"), ("payload", "{}"), ("headers", "nothing")], "name: value"),
    ] {
        let wrong = run(&fields);
        assert!(
            wrong.status >= 400 && wrong.text.to_lowercase().contains(&part.to_lowercase()),
            "{part}: {}",
            wrong.text
        );
    }
}

// ---- what a customer sees of it ------------------------------------------------------------------------------

#[test]
fn a_customer_sees_none_of_the_tenants_pages_and_its_own_tasks_only() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let (own, other) = (api.app(), api.app());
    let endpoint = api.endpoint(&own, &receiver.url("/"));
    let foreign = api.endpoint(&other, &receiver.url("/other"));
    let (source_id, source_page) = source(&Browser::of(&api));
    api.post("/api/v1/event-type", &json!({ "name": "a.b", "description": "d" }));
    let (_, access) = api.post(&format!("/api/v1/auth/app-portal-access/{own}"), &json!({}));
    let customer = Browser::signed_in(&api, &text(&access, "token"));
    for path in [
        "/dashboard/sources",
        "/dashboard/sources/new-source",
        "/dashboard/plugins",
        "/dashboard/plugin/headers",
        "/dashboard/settings",
        "/dashboard/tasks",
        &source_page,
        &format!("{source_page}/messages"),
        &format!("/dashboard/app/{own}/rejected/rej_1"),
    ] {
        let page = customer.page(path);
        assert!(matches!(page.status, 403 | 404), "{path}: {}", page.status);
        assert!(!page.text.contains("Our code") && !page.text.contains(&source_id.to_uppercase()), "{path}");
    }
    let own_page = format!("/dashboard/app/{own}");
    let page = format!("{own_page}/endpoint/{endpoint}");
    for (seen, absent) in [
        (customer.see(&own_page), ["Link to the customer portal", "Delete application"]),
        (customer.see(&page), ["Attach a plugin", "Available plugins"]),
        (customer.see("/dashboard/event-types"), ["New event type", "event-type/a.b"]),
        (customer.see("/dashboard/event-type/a.b"), ["<nothing>", "<none>"]),
    ] {
        assert!(absent.iter().all(|word| !seen.contains(word)), "{absent:?} in {seen}");
    }
    for (path, fields) in [
        ("new-source", vec![("name", "x"), ("type", "github")]),
        ("new-plugin", vec![("name", "x")]),
        ("plugin/headers/test", vec![("eventType", "a"), ("payload", "{}")]),
        ("new-event-type", vec![("name", "x.y"), ("description", "d")]),
        ("event-type/a.b/delete", vec![]),
        ("import", vec![("preset", "loops")]),
        ("portal", vec![("app", own.as_str())]),
        ("expire", vec![("app", own.as_str())]),
        ("new-operational", vec![("url", "https://example.com")]),
        (&format!("app/{own}/edit-app"), vec![("name", "mine")]),
        (&format!("app/{own}/delete-app"), vec![]),
        (&format!("app/{source_id}/delete-source"), vec![]),
        (&format!("app/{source_id}/rotate-token"), vec![]),
        (
            &format!("app/{other}/endpoint/{foreign}/count"),
            vec![("what", "recover"), ("since", "2026-11-22T00:00:00Z")],
        ),
        (&format!("app/{other}/messages/count"), vec![("one", "msg_1/")]),
        (&format!("app/{other}/messages/replay"), vec![("one", "msg_1/ep_1")]),
        (&format!("app/{other}/endpoint/{foreign}/header"), vec![("name", "x-a"), ("value", "1")]),
        (&format!("app/{other}/endpoint/{foreign}/plugin"), vec![("name", "headers")]),
    ] {
        let refused = customer.act(&own_page, &format!("/dashboard/{path}"), &fields);
        assert!(matches!(refused.status, 403 | 404 | 422), "{path}: {} {}", refused.status, refused.text);
    }
    assert_eq!(api.get("/api/v1/event-type/a.b").0, 200);

    // A customer's own replay, with its progress; another's task is none.
    let since = weir_core::time::rfc3339(weir_tests::receiver::unix_ms() - 3_600_000);
    let body = json!({ "since": since });
    let started = customer.act(&page, &format!("{page}/replay"), &[("what", "recover"), ("since", &since)]);
    let id = started.text.split("id=\"task-").nth(1).and_then(|rest| rest.split('"').next()).expect("a task");
    assert!(customer.see(&format!("/dashboard/task/{id}")).contains("endpoint.recover"));
    let (status, task) = api.post(&format!("/api/v1/app/{other}/endpoint/{foreign}/recover"), &body);
    assert_eq!(status, 202, "{task}");
    let foreign_task = format!("/dashboard/task/{}", text(&task, "id"));
    assert_eq!(customer.page(&foreign_task).status, 404);
    assert_eq!(customer.act(&own_page, &format!("{foreign_task}/cancel"), &[]).status, 404);
}

#[test]
fn a_link_to_a_source_shows_the_source_without_its_url() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let owner = Browser::of(&api);
    let (_, page) = source(&owner);
    let url = shown_url(&owner.see(&page));
    let link = owner.act(&page, &format!("{page}/portal"), &[]);
    let key = link.text.split_once("#key=").map(|(_, rest)| rest.split('<').next().unwrap_or_default());
    let guest = Browser::signed_in(&api, key.unwrap_or_else(|| panic!("a link: {}", link.text)));
    assert_eq!(guest.page("/dashboard").header("location"), Some(page.as_str()));
    let seen = guest.see(&page);
    assert!(
        seen.contains("Rejected requests") && !seen.contains(&url) && !seen.contains("Replace URL"),
        "{seen}"
    );
    let made = guest.submit(&page, &format!("{page}/new-endpoint"), &[("url", &receiver.url("/"))]);
    assert_eq!(made.status, 303, "{}", made.text);
    assert!(guest.see(made.header("location").unwrap_or_default()).contains(&receiver.url("/")));
    for action in ["rotate-token", "delete-source", "edit-source", "portal"] {
        let refused = guest.act(&page, &format!("{page}/{action}"), &[("name", "x")]);
        assert!(matches!(refused.status, 403 | 404), "{action}: {} {}", refused.status, refused.text);
    }
    let value: Value = api.get(&page.replace("/dashboard/app/", "/api/v1/ingest/source/")).1;
    assert_eq!(value["name"], "Our code");
}
