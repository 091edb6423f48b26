//! What one does in the dashboard, as a browser without scripts sees it: sending again, pausing, plugins, event types,
//! tokens.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::browser::{Browser, endpoint};
use weir_tests::client::{column, id_of, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Receiver, unix_ms};

const SOON: Duration = Duration::from_secs(10);

fn hour_ago() -> String {
    weir_core::time::rfc3339(unix_ms() - 3_600_000)
}

/// The action of the only form in this piece of a page, and its hidden fields.
#[track_caller]
fn form(piece: &str) -> (String, Vec<(String, String)>) {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let action = attribute(piece, "action").unwrap_or_else(|| panic!("a form in {piece}"));
    let hidden = piece.split("<input").skip(1).filter(|tag| tag.contains("type=\"hidden\""));
    let fields = hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)));
    (action, fields.filter(|(name, _)| name != "_proof").collect())
}

#[track_caller]
fn send_form(browser: &Browser, page: &str, piece: &str) -> String {
    let (action, fields) = form(piece);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reply = browser.act(page, &action, &fields);
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

// ---- sending again -------------------------------------------------------------------------------------------

#[test]
fn resending_shows_a_count_then_its_progress() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth < 3 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, _, page) = endpoint(&api, &receiver);
    for n in 0..5 {
        api.attempts(
            &app,
            &api.send_as(&app, if n == 4 { "other.event" } else { "test.event" }, "{}"),
            1,
            SOON,
        );
    }
    let since = hour_ago();
    let count = |what: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("what", what), ("since", since.as_str())];
        fields.extend_from_slice(more);
        let reply = browser.act(&page, &format!("{page}/count"), &fields);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.text
    };
    assert!(count("bulk-replay", &[]).contains("<b>5</b> messages would be resent"));
    let chosen = [("eventTypes", "other.event, none"), ("status", "0")];
    assert!(count("bulk-replay", &chosen).contains("<b>1</b> message would"), "a selection");
    assert!(count("replay-missing", &[]).contains("nothing to resend"));
    let counted = count("recover", &[]);
    assert!(counted.contains("<b>3</b> messages would be resent"), "{counted}");
    assert_eq!(receiver.count("/"), 5, "counting sends nothing");
    assert!(browser.see("/dashboard/tasks").contains("Nothing has been resent"), "and starts nothing");

    let task = send_form(&browser, &page, &counted);
    assert!(task.contains("endpoint.recover") && task.contains("<progress"), "{task}");
    receiver.wait_for("/", 8, SOON);
    let id = task.split("id=\"task-").nth(1).and_then(|rest| rest.split('"').next()).expect("a task");
    api.until(&format!("/api/v1/background-task/{id}"), SOON, |task| task["status"] == "finished");
    let done = browser.see(&format!("/dashboard/task/{id}"));
    assert!(done.contains("Finished") && done.contains("value=\"100\""), "{done}");
    assert!(!done.contains("hx-trigger") && !done.contains("Cancel"), "it is over: {done}");
    assert!(count("recover", &[]).contains("nothing to resend"));

    // The selection that was counted is the one that is sent.
    send_form(&browser, &page, &count("bulk-replay", &chosen));
    assert_eq!(receiver.wait_for("/", 9, SOON).len(), 9);
    let wrong = browser.act(&page, &format!("{page}/count"), &[("what", "recover"), ("since", "yesterday")]);
    assert!(wrong.status == 422 && wrong.text.contains("RFC 3339"), "{}", wrong.text);
}

#[test]
fn missed_messages_are_counted_and_sent_and_a_task_is_canceled() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    for _ in 0..3 {
        api.send(&app, "{}");
    }
    let id = api.endpoint(&app, &receiver.url("/"));
    let page = format!("/dashboard/app/{app}/endpoint/{id}");
    let since = hour_ago();
    let counted =
        browser.act(&page, &format!("{page}/count"), &[("what", "replay-missing"), ("since", &since)]);
    assert!(counted.text.contains("<b>3</b> messages"), "{}", counted.text);
    send_form(&browser, &page, &counted.text);
    assert_eq!(receiver.wait_for("/", 3, SOON).len(), 3);

    let path = format!("/api/v1/app/{app}/endpoint/{id}/recover");
    let tasks = (0..3).map(|_| id_of(api.post(&path, &json!({ "since": since })), 202)).collect::<Vec<_>>();
    let cancelled = browser.act("/dashboard/tasks", &format!("/dashboard/task/{}/cancel", tasks[2]), &[]);
    let over = cancelled.status == 409 && cancelled.text.contains("has already finished");
    assert!(cancelled.status == 200 || over, "{}", cancelled.text);
    let strange = browser.act("/dashboard/tasks", "/dashboard/task/qtask_none/cancel", &[]);
    assert_eq!(strange.status, 404, "{}", strange.text);
}

#[test]
fn an_attempt_can_be_resent_from_its_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, _, _) = endpoint(&api, &receiver);
    let message = api.send(&app, "{}");
    let attempt = text(&api.attempts(&app, &message, 1, SOON)[0], "id");
    let page = format!("/dashboard/app/{app}/message/{message}/attempt/{attempt}");
    let shown = browser.see(&page);
    let (_, piece) = shown.split_once("class=\"inline\"").expect("a form");
    assert!(piece.contains("Resend"), "{shown}");
    let said = send_form(&browser, &page, piece.split("</form>").next().unwrap_or_default());
    assert!(said.contains("Resent."), "{said}");
    assert_eq!(api.attempts(&app, &message, 2, SOON).len(), 2);
}

#[test]
fn selected_messages_are_counted_as_deliveries_then_resent() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, id, _) = endpoint(&api, &receiver);
    let other = api.endpoint(&app, &receiver.url("/other"));
    let sent: Vec<String> = (0..3).map(|_| api.send(&app, "{}")).collect();
    for message in &sent {
        api.attempts(&app, message, 2, SOON);
    }
    let page = format!("/dashboard/app/{app}/messages");
    let tick = |what: &str, ticked: &[String]| {
        let fields: Vec<_> = ticked.iter().map(|one| ("one", one.as_str())).collect();
        browser.act(&page, &format!("{page}/{what}"), &fields)
    };
    let shown = browser.see(&page);
    let wherever = format!("{}/", sent[0]);
    assert!(shown.contains(&format!("value=\"{wherever}\"")), "a box for each: {shown}");
    let there = format!("{}/{id}", sent[1]);
    assert!(browser.see(&format!("{page}?endpoint={id}")).contains(&format!("value=\"{there}\"")));
    let counted = tick("count", &[wherever.clone(), there.clone()]);
    assert!(counted.text.contains("<b>3</b> deliveries would be resent"), "{}", counted.text);
    assert_eq!((receiver.count("/"), receiver.count("/other")), (3, 3), "counting sends nothing");
    let said = send_form(&browser, &page, &counted.text);
    assert!(said.contains("<b>3</b> of 3 are resent"), "{said}");
    receiver.wait_for("/", 5, SOON);
    receiver.wait_for("/other", 4, SOON);

    let disabled = json!({ "disabled": true });
    assert_eq!(api.patch(&format!("/api/v1/app/{app}/endpoint/{other}"), &disabled).0, 200);
    let counted = tick("count", &[wherever]);
    assert!(counted.text.contains("<b>1</b> delivery would"), "not to what is disabled: {}", counted.text);
    let partly = tick("replay", &[there, format!("{}/{other}", sent[1])]);
    assert!(partly.text.contains("<b>1</b> of 2") && partly.text.contains("disabled"), "{}", partly.text);
    let many = vec![format!("{}/{id}", sent[2]); 101];
    for (what, ticked, status, sentence) in [
        ("count", &[][..], 422, "Select messages"),
        ("count", &many, 422, "at most"),
        ("replay", &many, 422, "at most"),
        ("count", &["msg_none/".to_owned()], 404, "not found"),
        ("replay", &[format!("{}/{other}", sent[1])], 400, "disabled"),
    ] {
        let refused = tick(what, ticked);
        assert_eq!(refused.status, status, "{what}: {}", refused.text);
        assert!(refused.text.to_lowercase().contains(&sentence.to_lowercase()), "{what}: {}", refused.text);
    }
    assert_eq!(receiver.wait_for("/", 6, SOON).len(), 6);
}

// ---- an endpoint's settings ----------------------------------------------------------------------------------

#[test]
fn a_paused_endpoint_receives_new_messages_when_it_resumes() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, id, page) = endpoint(&api, &receiver);
    let path = format!("/api/v1/app/{app}/endpoint/{id}");
    let toggle = format!("{page}/pause");
    assert_eq!(browser.submit(&page, &toggle, &[("paused", "true")]).status, 303);
    assert_eq!((&api.get(&path).1["paused"], &api.get(&path).1["disabled"]), (&json!(true), &json!(false)));
    assert!(browser.see(&page).contains("Resume"));
    let message = api.send(&app, "{}");
    api.until(&format!("{path}/stats"), SOON, |stats| stats["pending"] == 1);
    assert_eq!(receiver.count("/"), 0);
    let waits = browser.see(&format!("/dashboard/app/{app}/messages?status=1"));
    assert!(waits.contains(&message), "{waits}");
    browser.submit(&page, &toggle, &[("paused", "false")]);
    receiver.wait_for("/", 1, SOON);
    api.attempts(&app, &message, 1, SOON);
    assert!(!browser.see(&format!("/dashboard/app/{app}/messages?status=1")).contains(&message));
}

#[test]
fn pace_order_batch_headers_and_preset_are_set_on_the_endpoints_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    for name in ["user.created", "user.deleted", "ping"] {
        assert_eq!(api.post("/api/v1/event-type", &json!({ "name": name, "description": "d" })).0, 201);
    }
    let (app, id, page) = endpoint(&api, &receiver);
    let path = format!("/api/v1/app/{app}/endpoint/{id}");
    let settings = format!("{page}/settings");
    let shown = browser.see(&settings);
    assert!(
        shown.contains("data-group=\"user\"") && shown.contains("data-of=\"user\""),
        "groups by prefix: {shown}"
    );
    let url = receiver.url("/");
    let edit = |more: &[(&str, &str)]| {
        let mut fields = vec![("url", url.as_str()), ("description", "theirs")];
        fields.extend_from_slice(more);
        browser.act(&page, &format!("{page}/edit"), &fields)
    };
    let reply =
        edit(&[("paceLimit", "100"), ("paceWindow", "minute"), ("order", "fifo"), ("event", "user.created")]);
    assert_eq!(reply.header("hx-redirect"), Some(settings.as_str()), "{}", reply.text);
    let changed = api.get(&path).1;
    assert_eq!(changed["throttle"], json!({ "limit": 100, "window": "minute" }));
    assert_eq!((&changed["order"], &changed["eventTypes"]), (&json!("fifo"), &json!(["user.created"])));
    assert!(browser.see(&settings).contains("value=\"fifo\" selected"));
    edit(&[("channels", "a, b"), ("retrySchedule", "5, 60"), ("timeoutSeconds", "7"), ("maxInFlight", "3")]);
    let changed = api.get(&path).1;
    assert_eq!((&changed["channels"], &changed["retrySchedule"]), (&json!(["a", "b"]), &json!([5.0, 60.0])));
    assert_eq!((&changed["timeoutSeconds"], &changed["maxInFlight"]), (&json!(7), &json!(3)));
    assert!(browser.see(&settings).contains("value=\"5.0, 60.0\""), "a schedule is shown as it is typed");

    let both = edit(&[("order", "fifo"), ("batchEvents", "10")]);
    assert!(both.status == 422 && both.text.contains("cannot be combined"), "{}", both.text);
    let no_number = edit(&[("throttleRate", "many")]);
    assert_eq!(no_number.status, 422, "{}", no_number.text);
    edit(&[("batchEvents", "10"), ("batchWait", "50")]);
    let changed = api.get(&path).1;
    assert_eq!(changed["batch"], json!({ "maxEvents": 10, "maxWaitMs": 50 }));
    assert_eq!(
        (&changed["throttle"], &changed["order"], &changed["eventTypes"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    // As a provider: its own test event is what one sends first.
    let reply = edit(&[("preset", "loops")]);
    assert!(reply.header("hx-redirect").is_some(), "{}", reply.text);
    let shown = browser.see(&page);
    assert!(shown.contains("value=\"testing.testEvent\"") && shown.contains("contact.created"), "{shown}");
    let sent = browser.act(&page, &format!("{page}/test"), &[("eventType", "testing.testEvent")]);
    assert_eq!(sent.status, 200, "{}", sent.text);
    let received = receiver.wait_for("/", 1, SOON).remove(0);
    let body: Value = serde_json::from_slice(&received.body).expect("json");
    assert_eq!(body["eventName"], "testing.testEvent");
    assert!(received.header("webhook-signature").is_some(), "{:?}", received.headers);
    let near = edit(&[("preset", "lops")]);
    assert!(near.status == 422 && near.text.contains("loops"), "{}", near.text);

    let header = format!("{page}/header");
    browser.act(&page, &header, &[("name", "x-team"), ("value", "blue <b>")]);
    browser.act(&page, &header, &[("name", "authorization"), ("value", "Bearer hush")]);
    let headers = format!("{page}/headers");
    let shown = browser.see(&headers);
    assert!(
        shown.contains("<code>x-team</code>") && shown.contains("blue &lt;b&gt;") && !shown.contains("hush"),
        "{shown}"
    );
    let refused = browser.act(&page, &header, &[("name", "host"), ("value", "x")]);
    assert_eq!(refused.status, 422, "{}", refused.text);
    browser.submit(&page, &header, &[("name", "x-team")]);
    assert!(!browser.see(&headers).contains("<code>x-team</code>"), "removed");
}

#[test]
fn plugins_are_attached_moved_changed_and_detached_on_the_endpoints_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, id, page) = endpoint(&api, &receiver);
    let path = format!("/api/v1/app/{app}/endpoint/{id}/plugins");
    let names = || column(&json!({ "data": api.get(&path).1["plugins"] }), "name");
    assert!(browser.see(&format!("{page}/plugins")).contains("plugins?attach=headers"), "the store is named");
    let plugin = format!("{page}/plugin");
    for (name, config) in [("headers", r#"{"set":{"x-a":"1"}}"#), ("redact", r#"{"mask":["card"]}"#)] {
        let reply =
            browser.act(&page, &plugin, &[("name", name), ("config", config), ("onError", "deliver")]);
        assert!(reply.header("hx-redirect").is_some(), "{name}: {}", reply.text);
    }
    assert_eq!(names(), ["headers", "redact"]);
    assert_eq!(api.get(&path).1["plugins"][0]["onError"], "deliver");
    browser.submit(&page, &format!("{page}/plugin-up"), &[("at", "1")]);
    assert_eq!(names(), ["redact", "headers"]);
    let changed =
        [("at", "1"), ("name", "headers"), ("onError", "hold"), ("config", r#"{"set":{"x-a":"2"}}"#)];
    browser.act(&page, &plugin, &changed);
    let attached = api.get(&path).1;
    assert_eq!(
        (&attached["plugins"][1]["onError"], &attached["plugins"][1]["config"]["set"]["x-a"]),
        (&json!("hold"), &json!("2"))
    );
    browser.submit(&page, &format!("{page}/plugin-off"), &[("at", "0")]);
    assert_eq!(names(), ["headers"]);
    let gone = browser.submit(&page, &format!("{page}/plugin-off"), &[("at", "1")]);
    assert_eq!(gone.status, 409, "{}", gone.text);
    let wrong = browser.act(&page, &plugin, &[("name", "redact"), ("config", "{")]);
    assert!(wrong.status == 422 && wrong.text.contains("not JSON"), "{}", wrong.text);
    let unknown = browser.act(&page, &plugin, &[("name", "nobody")]);
    assert!(matches!(unknown.status, 404 | 422), "{}", unknown.text);
}

// ---- messages ------------------------------------------------------------------------------------------------

#[test]
fn messages_are_found_by_status_at_one_endpoint_or_at_any() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/bad", |_| Answer::status(500));
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    let good = api.endpoint_with(&app, &receiver.url("/good"), &json!({ "eventTypes": null }));
    let only_bad = json!({ "channels": ["bad"] });
    let bad = api.endpoint_with(&app, &receiver.url("/bad"), &only_bad);
    let send = |channels: Value| {
        let body = json!({ "eventType": "a.b", "payload": {}, "channels": channels });
        let id = text(&api.post(&format!("/api/v1/app/{app}/msg"), &body).1, "id");
        let attempts = if channels.is_null() { 1 } else { 2 };
        api.attempts(&app, &id, attempts, SOON);
        id
    };
    let (fine, failed) = (send(Value::Null), send(json!(["bad"])));
    let messages = format!("/dashboard/app/{app}/messages");
    let holds = |query: &str| {
        let page = browser.see(&format!("{messages}?{query}"));
        (page.matches(fine.as_str()).count() > 0, page.matches(failed.as_str()).count() > 0)
    };
    assert_eq!(holds("status=0"), (true, true), "both were delivered to the first");
    assert_eq!(holds("status=2"), (false, true));
    assert_eq!(holds(&format!("status=2&endpoint={good}")), (false, false));
    assert_eq!(holds(&format!("status=2&endpoint={bad}")), (false, true));
    assert_eq!(holds(&format!("endpoint={bad}")), (false, true));
    assert_eq!(holds("status=2&channel=none"), (false, false));
    assert_eq!(browser.page(&format!("{messages}?status=9")).status, 422);
}

// ---- what a tenant has once ----------------------------------------------------------------------------------

#[test]
fn event_types_are_made_changed_archived_imported_and_shown_with_their_examples() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let catalog = "/dashboard/event-types";
    assert!(browser.see(catalog).contains("There are no event types yet"));
    let schemas = r#"{"1":{"type":"object","examples":[{"invoice":"in_1"}]}}"#;
    let fields = [("name", "invoice.paid"), ("description", "Paid."), ("schemas", schemas)];
    let made = browser.submit(catalog, "/dashboard/new-event-type", &fields);
    assert_eq!(made.header("location"), Some("/dashboard/event-type/invoice.paid"), "{}", made.text);
    let page = browser.see(catalog);
    assert!(page.contains("Example") && page.contains("in_1") && page.contains("<h2>invoice</h2>"), "{page}");
    let one = "/dashboard/event-type/invoice.paid";
    let wrong = browser.act(one, &format!("{one}/edit"), &[("description", "x"), ("schemas", "[")]);
    assert!(wrong.status == 422 && wrong.text.contains("not JSON"), "{}", wrong.text);
    let edit =
        [("description", "Was paid."), ("groupName", "Money"), ("deprecated", "true"), ("schemas", schemas)];
    assert_eq!(browser.submit(one, &format!("{one}/edit"), &edit).status, 303);
    let changed = api.get("/api/v1/event-type/invoice.paid").1;
    assert_eq!((&changed["groupName"], &changed["deprecated"]), (&json!("Money"), &json!(true)));
    browser.submit(one, &format!("{one}/archive"), &[("archived", "true")]);
    assert!(!browser.see(catalog).contains("invoice.paid"));
    assert!(browser.see(&format!("{catalog}?archived=true")).contains("invoice.paid"));
    assert!(browser.see(one).contains("Restore"));
    browser.submit(one, &format!("{one}/archive"), &[("archived", "false")]);
    browser.submit(one, &format!("{one}/delete"), &[]);
    assert_eq!(api.get("/api/v1/event-type/invoice.paid").0, 404);

    browser.submit(catalog, "/dashboard/import", &[("preset", "loops")]);
    let page = browser.see(catalog);
    assert!(page.contains("contact.created") && page.contains("Contacts"), "{page}");
    let none = browser.act(catalog, "/dashboard/import", &[("preset", "nobody")]);
    assert_eq!(none.status, 404, "{}", none.text);
}

#[test]
fn settings_hide_secrets_and_portal_links_are_created_and_revoked() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    let settings = "/dashboard/settings";
    let page = browser.see(settings);
    assert!(page.contains("RETRY_SCHEDULE") && page.contains("(set)") && page.contains("org_"), "{page}");
    assert!(!page.contains(weir_tests::token::SECRET));

    let made = browser.act(
        settings,
        "/dashboard/portal",
        &[("app", &app), ("expiry", "3600"), ("readOnly", "true")],
    );
    let (_, key) = made.text.split_once("#key=").unwrap_or_else(|| panic!("a link: {}", made.text));
    let key = key.split('<').next().unwrap_or_default();
    let customer = Browser::signed_in(&api, key);
    let own = format!("/dashboard/app/{app}");
    assert!(customer.see(&own).contains("Endpoints"));
    let refused = customer.act(&own, &format!("{own}/new-endpoint"), &[("url", &receiver.url("/"))]);
    assert_eq!(refused.status, 403, "to look at only: {}", refused.text);
    let expired = browser.act(settings, "/dashboard/expire", &[("app", &app)]);
    assert!(expired.status == 200 && expired.text.contains("revoked"), "{}", expired.text);
    assert!(matches!(customer.page(&own).status, 303 | 401));

    let url = receiver.url("/operational");
    let fields = [("url", url.as_str()), ("eventTypes", "endpoint.disabled")];
    assert_eq!(browser.submit(settings, "/dashboard/new-operational", &fields).status, 303);
    let all = "/api/v1/operational-webhook/endpoint";
    let id = text(&list(&api.get(all).1)[0], "id");
    assert!(browser.see(settings).contains(&url));
    let operational = format!("/dashboard/operational/{id}");
    let secret = browser.act(settings, &format!("{operational}/secret"), &[]);
    assert!(secret.text.contains("whsec_"), "{}", secret.text);
    let toggled = browser.submit(settings, &format!("{operational}/toggle"), &[]);
    assert_eq!(toggled.status, 303, "{}", toggled.text);
    let changed = api.get(&format!("{all}/{id}")).1;
    assert_eq!((&changed["disabled"], &changed["eventTypes"]), (&json!(true), &json!(["endpoint.disabled"])));
    browser.submit(settings, &format!("{operational}/delete"), &[]);
    assert!(list(&api.get(all).1).is_empty());
    let wrong =
        browser.act(settings, "/dashboard/new-operational", &[("url", &url), ("eventTypes", "none.such")]);
    assert!(wrong.status == 422 && wrong.text.contains("role=\"alert\""), "{}", wrong.text);
}

#[test]
fn an_application_is_renamed_and_deleted_on_its_page() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    let page = format!("/dashboard/app/{app}");
    browser.submit(&page, &format!("{page}/edit-app"), &[("name", "Renamed"), ("uid", "renamed")]);
    assert_eq!(api.get("/api/v1/app/renamed").1["name"], "Renamed");
    let link = browser.act(&page, &format!("{page}/portal"), &[("expiry", "3600")]);
    assert!(link.text.contains("#key="), "{}", link.text);
    for fields in [&[][..], &[("confirm", "another")]] {
        let refused = browser.act(&page, &format!("{page}/delete-app"), fields);
        assert!(refused.status == 422 && refused.text.contains("Type renamed"), "{}", refused.text);
    }
    assert_eq!(api.get("/api/v1/app/renamed").0, 200, "nothing is deleted without its name");
    let deleted = browser.submit(&page, &format!("{page}/delete-app"), &[("confirm", "renamed")]);
    assert_eq!(deleted.header("location"), Some("/dashboard/apps"));
    assert_eq!(browser.page(&page).status, 404);
}

// ---- the overview --------------------------------------------------------------------------------------------

#[test]
fn the_overview_shows_key_numbers_then_trouble_and_states_its_coverage() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "600")]);
    let receiver = Receiver::start();
    receiver.on("/bad", |_| Answer::status(500));
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    assert!(!browser.see("/dashboard").contains("<svg"), "nothing to draw yet");
    let app = api.app();
    api.endpoint(&app, &receiver.url("/good"));
    let bad = api.endpoint(&app, &receiver.url("/bad"));
    let sent: Vec<String> = (0..2).map(|_| api.send(&app, "{}")).collect();
    for id in &sent {
        api.attempts(&app, id, 2, SOON);
    }
    for path in ["/dashboard".to_owned(), format!("/dashboard/app/{app}")] {
        for hours in ["24", "168", "672"] {
            let page = browser.see(&format!("{path}?hours={hours}"));
            assert!(page.contains("2 delivered, 2 failed, 0 filtered"), "{path} {hours}: {page}");
            assert!(page.contains("As a table") && page.contains("class=\"f-bad"), "{page}");
        }
    }
    let page = until(&browser, "/dashboard", &format!("/endpoint/{bad}"));
    let trouble = page.split_once("id=\"trouble\"").expect("what needs attention").1;
    assert!(trouble.contains("Every attempt fails") && trouble.contains("/bad"), "{page}");
    assert!(page.contains("1 of 1 in trouble"), "{page}");
    assert!(!page.contains("newest applications"), "all were asked: {page}");
    assert!(!page.contains("style="), "nothing inline");
    for url in page.split('"').filter(|text| text.starts_with("/dashboard/assets/")) {
        assert_eq!(browser.page(url).status, 200, "{url}");
    }

    // However many applications are newer, the one in trouble is named.
    for _ in 0..11 {
        api.app();
    }
    let page = browser.see("/dashboard");
    assert!(
        page.contains("the 10 newest applications") && page.contains(&format!("/endpoint/{bad}")),
        "{page}"
    );
    let list = browser.see("/dashboard/trouble?state=failing");
    assert!(list.contains(&format!("/endpoint/{bad}")), "{list}");
    assert!(browser.see("/dashboard/trouble?state=waiting").contains("No endpoint in this state"));
    // Once it is disabled, then deleted, the overview follows.
    let own = format!("/api/v1/app/{app}/endpoint/{bad}");
    assert_eq!(api.patch(&own, &json!({ "disabled": true })).0, 200);
    until(&browser, "/dashboard/trouble?state=disabled", &format!("/endpoint/{bad}"));
    assert_eq!(api.delete(&own).0, 204);
    until(&browser, "/dashboard", "No endpoint in trouble");
}

/// A page once it holds a text: what endpoints report takes a moment.
#[track_caller]
fn until(browser: &Browser, path: &str, text: &str) -> String {
    let end = std::time::Instant::now() + SOON;
    loop {
        let page = browser.see(path);
        if page.contains(text) {
            return page;
        }
        assert!(std::time::Instant::now() < end, "{path} does not show {text}: {page}");
        std::thread::yield_now();
    }
}

// ---- what people look for ------------------------------------------------------------------------------------

#[test]
fn one_search_finds_any_name_or_id_and_states_its_coverage() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let acme = id_of(api.post("/api/v1/app", &json!({ "name": "Acme Corporation", "uid": "acme-uid" })), 201);
    let other = api.app();
    let endpoint = api.endpoint(&acme, &receiver.url("/"));
    let event = json!({ "eventType": "a.b", "payload": {}, "eventId": "order-4711" });
    let message = id_of(api.post(&format!("/api/v1/app/{acme}/msg"), &event), 202);
    let source = json!({ "name": "Our shop", "type": "generic-webhook" });
    let source = text(&api.post("/api/v1/ingest/source", &source).1, "id");
    let page = format!("/dashboard/app/{acme}");
    let find = |query: &str| browser.page(&format!("/dashboard/find?q={query}"));
    for (wanted, to) in [
        (message.as_str(), format!("{page}/message/{message}")),
        (&endpoint, format!("{page}/endpoint/{endpoint}")),
        (&acme, page.clone()),
        (&source, format!("/dashboard/app/{source}")),
    ] {
        assert_eq!(find(wanted).header("location"), Some(to.as_str()), "an id leads there at once: {wanted}");
    }
    for (wanted, to) in [
        ("acme+corp", page.clone()),
        ("ACME-UID", page.clone()),
        ("our+shop", format!("/dashboard/app/{source}")),
        ("order-4711", format!("{page}/message/{message}")),
    ] {
        let found = find(wanted);
        assert!(
            found.status == 200 && found.text.contains(&format!("href=\"{to}\"")),
            "{wanted}: {}",
            found.text
        );
    }
    let nothing = find("nobody");
    assert!(
        nothing.text.contains("Nothing found") && nothing.text.contains("newest applications"),
        "{}",
        nothing.text
    );
    assert!(find(&"x".repeat(5_000)).status == 200);
    assert!(browser.see("/dashboard/apps?q=corpor").contains(&page));
    assert!(browser.see("/dashboard/apps?q=nobody").contains("No matching application"));

    // A customer finds what is its own.
    let (_, access) = api.post(&format!("/api/v1/auth/app-portal-access/{other}"), &json!({}));
    let customer = Browser::signed_in(&api, &text(&access, "token"));
    for wanted in [message.as_str(), &endpoint, &acme, &source, "acme", "order-4711"] {
        let found = customer.page(&format!("/dashboard/find?q={wanted}&app={acme}"));
        assert!(found.status == 200 && found.text.contains("Nothing found"), "{wanted}: {}", found.text);
    }
}

#[test]
fn a_payload_is_shown_and_copied_byte_for_byte() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, _, _) = endpoint(&api, &receiver);
    let payload = r#"{"zeta": 1.0, "alpha": {"y": 1e3, "b": [1.50]}, "big": 123456789012345678901234567890, "huge": 1e400, "s": "\u00e9"}"#;
    let message = api.send(&app, payload);
    let page = format!("/dashboard/app/{app}/message/{message}");
    assert_eq!(browser.see(&format!("{page}/payload")), payload);
    let shown = browser.see(&page);
    for token in ["1.0", "1e3", "1.50", "123456789012345678901234567890", "1e400", "\\u00e9"] {
        assert!(
            shown.contains(&format!(">{token}<")) || shown.contains(&format!("{token}&quot;<")),
            "{token} in {shown}"
        );
    }
    assert!(shown.find("zeta") < shown.find("alpha"), "in the order in which it was sent");
    let attempt = text(&api.attempts(&app, &message, 1, SOON)[0], "id");
    let attempt = browser.see(&format!("{page}/attempt/{attempt}"));
    assert!(
        attempt.contains("curl -X POST") && attempt.contains("123456789012345678901234567890"),
        "{attempt}"
    );
}

#[test]
fn lists_show_each_messages_status_and_failing_finds_failures() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "600")]);
    let receiver = Receiver::start();
    receiver.on("/bad", |_| Answer::status(500));
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    api.endpoint(&app, &receiver.url("/good"));
    let event_type = json!({ "name": "b.b", "description": "Goes to the one that fails, too." });
    assert_eq!(api.post("/api/v1/event-type", &event_type).0, 201);
    let bad = api.endpoint_with(&app, &receiver.url("/bad"), &json!({ "eventTypes": ["b.b"] }));
    let send = |event_type: &str, attempts: usize| {
        let message = api.send_as(&app, event_type, "{}");
        api.attempts(&app, &message, attempts, SOON);
        message
    };
    let (fine, failing) = (send("a.a", 1), send("b.b", 2));
    let messages = format!("/dashboard/app/{app}/messages");
    let list = browser.see(&messages);
    let row = |id: &str| {
        let row = list.split("<tr>").find(|row| row.contains(id)).unwrap_or_else(|| panic!("{id} in {list}"));
        row.to_owned()
    };
    assert!(row(&fine).contains("Delivered") && row(&fine).contains("1 of 1"), "{}", row(&fine));
    let shown = row(&failing);
    assert!(shown.contains("Retrying") && shown.contains("1 of 2") && shown.contains("next try"), "{shown}");
    for query in
        ["status=failing".to_owned(), format!("status=failing&endpoint={bad}"), "status=3".to_owned()]
    {
        let page = browser.see(&format!("{messages}?{query}"));
        assert!(page.contains(&failing) && !page.contains(&fine), "{query}: {page}");
    }
    let page = browser.see(&format!("{messages}?status=2"));
    assert!(
        !page.contains(&failing) && page.contains("No message matches these filters"),
        "it is tried again: {page}"
    );
    let to = browser.see(&format!("/dashboard/app/{app}/endpoint/{bad}"));
    assert!(to.contains("status=failing"), "an endpoint's page leads to what fails: {to}");
    let file = browser.page(&format!("{messages}?status=failing&export=csv"));
    assert!(file.header("content-disposition").is_some_and(|how| how.contains("messages.csv")), "{file:?}");
    assert!(
        file.text.contains(&failing) && !file.text.contains(&fine),
        "what is exported is what is shown: {}",
        file.text
    );
    let lines = browser.see(&format!("{messages}?export=ndjson"));
    assert_eq!(
        lines.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(),
        2,
        "{lines}"
    );
    assert_eq!(browser.page(&format!("{messages}?export=pdf")).status, 404);
    // Why a message did not go somewhere is said, too.
    let page = browser.see(&format!("/dashboard/app/{app}/message/{fine}"));
    assert!(page.contains("Why not delivered to") && page.contains("Listens to <code>b.b</code>"), "{page}");
}
