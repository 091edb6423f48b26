//! The dashboard and the customers' portal, as a browser without scripts sees them.

use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::browser::{Browser, endpoint, proof};
use weir_tests::client::{column, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::receiver::{Answer, Receiver};
use weir_tests::token;

const SOON: Duration = Duration::from_secs(10);

// ---- signing in and out --------------------------------------------------------------------------------------

#[test]
fn signing_in_sets_a_cookie_that_scripts_cannot_read() {
    let gateway = shared();
    let api = gateway.tenant();
    let mut browser = Browser::new(&api);
    let first = browser.page("/dashboard");
    assert_eq!((first.status, first.header("location")), (303, Some("/dashboard/login")));
    assert!(browser.see("/dashboard/login").contains("name=\"token\""));

    let reply = browser.sign_in(&api.token);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/dashboard")), "{}", reply.text);
    let cookie = reply.header("set-cookie").unwrap_or_default().to_owned();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/dashboard", "; Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(browser.see("/dashboard").contains("There are no applications yet"));
    let signed_in = browser.page("/dashboard/login");
    // A link may start another session: only its page sees the token.
    assert!(
        signed_in.status == 200 && signed_in.text.contains("You are already signed in."),
        "{}",
        signed_in.text
    );
    assert!(signed_in.text.contains("data-home=\"/dashboard\""), "{}", signed_in.text);
}

#[test]
fn an_invalid_token_is_refused_with_the_reason() {
    let gateway = shared();
    let api = gateway.tenant();
    for (bad, sentence) in [
        ("nonsense", "not a JSON Web Token"),
        (token::SECRET, "signing secret itself"),
        (&format!("{}x", api.token), "signature is wrong"),
        ("", "not a JSON Web Token"),
    ] {
        let mut browser = Browser::new(&api);
        let reply = browser.sign_in(bad);
        assert_eq!((reply.status, reply.header("set-cookie")), (401, None), "{bad}");
        assert!(reply.text.contains(sentence), "{bad}: {}", reply.text);
    }
}

#[test]
fn a_page_of_another_site_signs_nobody_in() {
    let gateway = shared();
    let api = gateway.tenant();
    let form = [("token", api.token.as_str())];
    let port = api.url().rsplit(':').next().expect("a port").to_owned();
    let browser = Browser::new(&api);
    for headers in [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:1")],
        [("origin", &format!("http://localhost:{port}"))],
        [("sec-fetch-site", "cross-site")],
    ] {
        let reply = browser.send("/dashboard/login", &form, &headers);
        assert_eq!((reply.status, reply.header("set-cookie")), (403, None), "{headers:?}");
    }
    for headers in
        [vec![("origin", api.url())], vec![("sec-fetch-site", "same-origin"), ("origin", api.url())], vec![]]
    {
        let reply = browser.send("/dashboard/login", &form, &headers);
        assert_eq!(reply.status, 303, "{headers:?}");
    }
}

#[test]
fn signing_out_revokes_every_copy_of_the_cookie() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let other = Browser::signed_in(&api, &api.token);
    let copy = browser.clone();
    let reply = browser.submit("/dashboard", "/dashboard/logout", &[]);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/dashboard/login")));
    assert!(reply.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "{reply:?}");
    assert_eq!(copy.page("/dashboard").status, 303, "the session itself is over");
    assert_eq!(other.page("/dashboard").status, 200, "another session of the same token is not");
    assert_eq!(api.get("/api/v1/app").0, 200, "nor is the token");
}

#[test]
fn a_forged_cookie_is_ignored() {
    let gateway = shared();
    let api = gateway.tenant();
    let good = Browser::of(&api).cookie;
    let changed = format!("{}{}", &good[..good.len() - 2], if good.ends_with("AA") { "BB" } else { "AA" });
    for cookie in [changed.as_str(), "weir_session=", "weir_session=a.b.c.d", "other=1"] {
        let mut browser = Browser::new(&api);
        cookie.clone_into(&mut browser.cookie);
        assert_eq!(browser.page("/dashboard").status, 303, "{cookie}");
    }
}

#[test]
fn changes_require_the_proof_of_the_session() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let stranger = proof(&Browser::signed_in(&api, &api.token).see("/dashboard"));
    let own = proof(&browser.see("/dashboard"));
    let form = [("name", "made by another site")];
    assert_eq!(browser.send("/dashboard/new-app", &form, &[]).status, 403);
    assert_eq!(browser.send("/dashboard/new-app", &form, &[("x-weir-proof", &stranger)]).status, 403);
    let cross = [("x-weir-proof", own.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(browser.send("/dashboard/new-app", &form, &cross).status, 403);
    assert_eq!(browser.send("/dashboard/logout", &[], &[]).status, 403);
    assert!(list(&api.get("/api/v1/app").1).is_empty());
    assert_eq!(browser.send("/dashboard/new-app", &form, &[("x-weir-proof", &own)]).status, 303);
    assert_eq!(column(&api.get("/api/v1/app").1, "name"), ["made by another site"]);
}

#[test]
fn pages_load_only_their_own_origin_and_assets_are_cached() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let page = browser.page("/dashboard");
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    // What one could type is no address that is asked.
    let loaded = page.text.replace("placeholder=\"https://", "");
    assert!(!loaded.contains("http://") && !loaded.contains("https://"), "{}", page.text);
    let mut assets = 0;
    for url in page.text.split('"').filter(|text| text.starts_with("/dashboard/assets/")) {
        let asset = browser.page(url);
        assert_eq!(asset.status, 200, "{url}");
        assert!(asset.header("cache-control").is_some_and(|kept| kept.contains("immutable")), "{asset:?}");
        assets += 1;
    }
    assert_eq!(assets, 5, "styles, icons, the page's icon, script, htmx: {}", page.text);
    assert_eq!(browser.page("/dashboard/assets/../api.rs").status, 404);
}

// ---- pages and actions ---------------------------------------------------------------------------------------

#[test]
fn from_the_first_application_to_a_failed_delivery_that_is_resent() {
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.on("/", |r| if r.nth == 0 { Answer::status(500) } else { Answer::ok() });
    let api = gateway.tenant();
    let browser = Browser::of(&api);

    let created = browser.submit("/dashboard", "/dashboard/new-app", &[("name", "Acme"), ("uid", "acme")]);
    let app_page = created.header("location").unwrap_or_default().to_owned();
    assert_eq!(created.status, 303, "{}", created.text);
    let empty = browser.see(&app_page);
    assert!(empty.contains("Acme") && empty.contains("No endpoint yet"), "{empty}");

    let url = receiver.url("/");
    let fields = [("url", url.as_str()), ("description", "the first")];
    let created = browser.submit(&app_page, &format!("{app_page}/new-endpoint"), &fields);
    let endpoint_page = created.header("location").unwrap_or_default().to_owned();
    assert_eq!(created.status, 303, "{}", created.text);
    assert!(browser.see(&app_page).contains("the first"));

    let message = api.send("acme", r#"{"hello":"there"}"#);
    api.attempts("acme", &message, 1, SOON);
    let messages = browser.see(&format!("{app_page}/messages"));
    assert!(messages.contains(&message) && messages.contains("test.event"), "{messages}");
    let message_page = format!("{app_page}/message/{message}");
    let page = browser.see(&message_page);
    for shown in ["hello", "there", ">500</span>", "1 of 1 failed", &url] {
        assert!(page.contains(shown), "{shown} in {page}");
    }

    let endpoint = text(&list(&api.get("/api/v1/app/acme/endpoint").1)[0], "id");
    let again = browser.act(&message_page, &format!("{message_page}/resend"), &[("endpoint", &endpoint)]);
    assert_eq!(again.status, 200, "{}", again.text);
    api.attempts("acme", &message, 2, SOON);
    let page = browser.see(&message_page);
    assert!(page.contains("1 of 1 delivered") && page.contains("manual"), "{page}");
    let page = browser.see(&endpoint_page);
    assert!(page.contains(&message), "{page}");
    assert!(!browser.see(&format!("{endpoint_page}?status=4")).contains(&message));
}

#[test]
fn an_endpoint_is_disabled_changed_and_deleted_from_its_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    for (name, group) in [("user.created", "Users"), ("user.deleted", "Users"), ("invoice.paid", "Invoices")]
    {
        let event = json!({ "name": name, "description": "An event.", "groupName": group });
        assert_eq!(api.post("/api/v1/event-type", &event).0, 201);
    }
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    let page = format!("/dashboard/app/{app}/endpoint/{endpoint}");
    let settings = browser.see(&format!("{page}/settings"));
    assert!(settings.contains("Invoices") && browser.see("/dashboard/event-types").contains("Users"));

    let reply = browser.submit(&page, &format!("{page}/toggle"), &[("disabled", "true")]);
    assert_eq!(reply.status, 303, "{}", reply.text);
    assert_eq!(api.get(&path).1["disabled"], true);
    assert!(browser.see(&page).contains("Enable"));
    browser.submit(&page, &format!("{page}/toggle"), &[("disabled", "false")]);
    assert_eq!(api.get(&path).1["disabled"], false);

    let url = receiver.url("/moved");
    let fields =
        [("url", url.as_str()), ("event", "user.created"), ("event", "invoice.paid"), ("throttleRate", "7")];
    let reply = browser.submit(&page, &format!("{page}/edit"), &fields);
    assert_eq!(reply.status, 303, "{}", reply.text);
    let changed = api.get(&path).1;
    assert_eq!(changed["url"], url.as_str());
    assert_eq!(
        (&changed["eventTypes"], &changed["throttleRate"]),
        (&json!(["user.created", "invoice.paid"]), &json!(7))
    );
    let wrong = browser.submit(&page, &format!("{page}/edit"), &[("url", "http://10.0.0.1/")]);
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(wrong.text.contains("role=\"alert\""), "{}", wrong.text);

    let reply = browser.submit(&page, &format!("{page}/delete"), &[]);
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some(format!("/dashboard/app/{app}").as_str()))
    );
    assert_eq!(api.get(&path).0, 404);
    assert_eq!(browser.page(&page).status, 404);
}

#[test]
fn the_secret_is_shown_on_demand_and_rotated() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, endpoint, page) = endpoint(&api, &receiver);
    let secret = api.secret(&app, &endpoint);
    assert!(!browser.see(&page).contains(&secret));
    assert!(browser.act(&page, &format!("{page}/secret"), &[]).text.contains(&secret));
    let rotated = browser.act(&page, &format!("{page}/rotate"), &[]);
    let new = api.secret(&app, &endpoint);
    assert_ne!(new, secret);
    assert!(rotated.text.contains(&new) && !rotated.text.contains(&secret), "{}", rotated.text);
}

#[test]
fn without_scripts_the_secret_is_shown_and_a_message_is_resent_by_the_forms_of_the_page() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let (app, endpoint, page) = endpoint(&api, &receiver);
    let message = api.send(&app, "{}");
    api.attempts(&app, &message, 1, SOON);
    let browser = Browser::of(&api);
    let pressed = |page: &str, action: &str| {
        let shown = browser.see(page);
        let form = shown.split("<form").find(|form| form.contains(&format!("{action}\""))).expect("a form");
        let of = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let form = form.split("</form>").next().unwrap_or_default();
        let fields: Vec<(String, String)> = form
            .split("<input")
            .skip(1)
            .filter_map(|tag| Some((of(tag, "name")?, of(tag, "value")?)))
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.send(&of(form, "action").expect("an action"), &fields, &[])
    };
    let shown = pressed(&page, "/secret");
    assert!(shown.status == 200 && shown.text.contains(&api.secret(&app, &endpoint)), "{}", shown.text);
    assert!(shown.text.contains("<h1"), "a page of its own: {}", shown.text);
    let again = pressed(&format!("/dashboard/app/{app}/message/{message}"), "/resend");
    assert!(again.status == 200 && again.text.contains("Resent."), "{}", again.text);
    api.attempts(&app, &message, 2, SOON);
}

#[test]
fn the_portal_has_the_senders_logo_and_only_named_pages_embed_it_or_call_the_api() {
    const LOGO: &str = "https://acme.example/logo.svg";
    const OWN: &str = "https://app.acme.example";
    let gateway = Running::start(&[("PORTAL_LOGO", LOGO), ("PORTAL_ORIGINS", OWN)]);
    let api = gateway.tenant();
    let app = api.app();
    let mut customer = Browser::new(&api);
    let signed_in = customer.sign_in(&api.as_app(&app).token);
    let cookie = signed_in.header("set-cookie").unwrap_or_default();
    assert!(cookie.contains("; SameSite=None; Partitioned; Secure"), "{cookie}");
    let page = customer.page(&format!("/dashboard/app/{app}"));
    let policy = |page: &weir_tests::client::Reply| {
        page.header("content-security-policy").unwrap_or_default().to_owned()
    };
    assert!(policy(&page).ends_with(&format!("frame-ancestors {OWN}")), "{}", policy(&page));
    assert!(policy(&page).contains(LOGO) && page.text.contains(&format!("src=\"{LOGO}\"")), "{}", page.text);
    let mut tenant = Browser::new(&api);
    let signed_in = tenant.sign_in(&api.token);
    assert!(
        signed_in.header("set-cookie").is_some_and(|cookie| cookie.contains("; SameSite=Lax")),
        "{signed_in:?}"
    );
    let page = tenant.page("/dashboard");
    assert!(
        policy(&page).ends_with("frame-ancestors 'none'") && !page.text.contains(LOGO),
        "{}",
        policy(&page)
    );

    let path = format!("/api/v1/app/{app}/endpoint");
    let allowed = |method: &str, origin: &str| {
        let reply = api.call(method, &path, None, &[("origin", origin)]);
        (reply.status, reply.header("access-control-allow-origin").map(str::to_owned))
    };
    assert_eq!(allowed("OPTIONS", OWN), (204, Some(OWN.to_owned())));
    assert_eq!(allowed("GET", OWN), (200, Some(OWN.to_owned())));
    assert_eq!(allowed("GET", "https://evil.example"), (200, None));
    assert_eq!(allowed("OPTIONS", "https://evil.example").1, None);
    let page = tenant.page("/dashboard");
    assert_eq!(page.header("access-control-allow-origin"), None, "{page:?}");
}

#[test]
fn a_test_event_and_a_replay_report_in_place() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (app, _, page) = endpoint(&api, &receiver);
    assert_eq!(api.post("/api/v1/event-type", &json!({ "name": "a.b", "description": "d" })).0, 201);

    let test = format!("{page}/test");
    let sent = browser.act(&page, &test, &[("eventType", "a.b"), ("payload", r#"{"for":"a test"}"#)]);
    assert_eq!(sent.status, 200, "{}", sent.text);
    let received = receiver.wait_for("/", 1, SOON);
    assert_eq!(received[0].body.as_ref(), br#"{"for":"a test"}"#);
    let link = sent.text.split('"').find(|part| part.contains("/message/")).unwrap_or_default();
    assert!(browser.see(link).contains("a test"));
    let wrong = browser.act(&page, &test, &[("eventType", "a.b"), ("payload", "{")]);
    assert!(wrong.status == 422 && wrong.text.contains("not JSON"), "{}", wrong.text);

    let replay = format!("{page}/replay");
    let fields = [("since", "2026-01-01"), ("what", "recover")];
    let wrong = browser.act(&page, &replay, &fields);
    assert!(wrong.status == 422 && wrong.text.contains("role=\"alert\""), "{}", wrong.text);
    // What is to be sent again has to be on record; tests are not sent again.
    api.attempts(&app, &api.send(&app, "{}"), 1, SOON);
    let since = weir_core::time::rfc3339(weir_tests::receiver::unix_ms() - 3_600_000);
    let task = browser.act(&page, &replay, &[("since", &since), ("what", "bulk-replay")]);
    assert!(task.status == 200 && task.text.contains("qtask_"), "{}", task.text);
    receiver.wait_for("/", 3, SOON);
    assert!(browser.see("/dashboard/tasks").contains("endpoint.bulk-replay"));
}

#[test]
fn messages_are_found_by_filter_and_by_id() {
    let gateway = shared();
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let app = api.app();
    let send = |event: &str, tag: &str, id: &str| {
        let body = json!({ "eventType": event, "payload": {}, "tags": [tag], "eventId": id });
        text(&api.post(&format!("/api/v1/app/{app}/msg"), &body).1, "id")
    };
    let (one, two) = (send("a.one", "red", "ev-1"), send("b.two", "blue", "ev-2"));
    let messages = format!("/dashboard/app/{app}/messages");
    let holds = |query: &str| {
        let page = browser.see(&format!("{messages}?{query}"));
        (page.contains(&one), page.contains(&two))
    };
    assert_eq!(holds(""), (true, true));
    assert_eq!(holds("event_types=a.one"), (true, false));
    assert_eq!(holds("tag=blue"), (false, true));
    assert_eq!(holds("tag=green"), (false, false));
    let wrong = browser.page(&format!("{messages}?before=yesterday"));
    assert_eq!(wrong.status, 422);
    for kept in ["role=\"alert\"", "before: ", "value=\"yesterday\"", "aria-label=\"Main\""] {
        assert!(
            wrong.text.contains(kept),
            "the page stays, and says where it is wrong: {kept} in {}",
            wrong.text
        );
    }
    let minute = weir_core::time::rfc3339(weir_tests::receiver::unix_ms() + 60_000);
    assert_eq!(holds(&format!("before={}", &minute[..16])), (true, true), "as a browser's own field says it");
    assert_eq!(holds("period=1h"), (true, true));
    let found = browser.page(&format!("{messages}?q={two}"));
    assert_eq!(found.header("location"), Some(format!("/dashboard/app/{app}/message/{two}").as_str()));
}

// ---- what others write ---------------------------------------------------------------------------------------

#[test]
fn user_provided_text_is_escaped() {
    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let gateway = Running::start(&[("RETRY_SCHEDULE", "")]);
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500).body(EVIL));
    let api = gateway.tenant();
    let browser = Browser::of(&api);
    let (_, app) = api.post("/api/v1/app", &json!({ "name": EVIL }));
    let app = text(&app, "id");
    let extra = json!({ "description": EVIL });
    let endpoint = api.endpoint_with(&app, &receiver.url("/"), &extra);
    let body = json!({ "eventType": "a.b", "payload": { EVIL: EVIL }, "eventId": "ev", "tags": ["t"] });
    let message = text(&api.post(&format!("/api/v1/app/{app}/msg"), &body).1, "id");
    api.attempts(&app, &message, 1, SOON);
    let event = json!({ "name": "x.y", "description": EVIL, "groupName": EVIL, "schemas": { "1": { "title": EVIL } } });
    assert_eq!(api.post("/api/v1/event-type", &event).0, 201);
    for path in [
        "/dashboard".to_owned(),
        "/dashboard/event-types".to_owned(),
        format!("/dashboard/app/{app}"),
        format!("/dashboard/app/{app}/messages?tag=%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/dashboard/app/{app}/message/{message}"),
        format!("/dashboard/app/{app}/endpoint/{endpoint}"),
    ] {
        let page = browser.see(&path);
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;"), "{path} shows it: {page}");
    }
    let missing = browser.page(&format!("/dashboard/app/{app}/message/%3Cscript%3Ealert(1)%3C%2Fscript%3E"));
    assert_eq!(missing.status, 404);
    assert!(!missing.text.contains("<script>alert"), "{}", missing.text);
}

// ---- the portal ----------------------------------------------------------------------------------------------

#[test]
fn a_customer_sees_its_own_application_and_nothing_else() {
    let gateway = shared();
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let (own, other) = (api.app(), api.app());
    let foreign = api.endpoint(&other, &receiver.url("/"));
    let (_, access) = api.post(&format!("/api/v1/auth/app-portal-access/{own}"), &json!({}));
    let url = text(&access, "url");
    let (page, key) = url.split_once("#key=").expect("the token is in the fragment");
    assert!(page.ends_with("/dashboard/login"), "{url}");
    let browser = Browser::signed_in(&api, key);
    let first = browser.page("/dashboard");
    assert_eq!(first.header("location"), Some(format!("/dashboard/app/{own}").as_str()));
    let page = browser.see(&format!("/dashboard/app/{own}"));
    assert!(!page.contains("Applications"), "{page}");
    let created = browser.submit(
        &format!("/dashboard/app/{own}"),
        &format!("/dashboard/app/{own}/new-endpoint"),
        &[("url", &receiver.url("/mine"))],
    );
    assert_eq!(created.status, 303, "{}", created.text);

    for path in [
        format!("/dashboard/app/{other}"),
        format!("/dashboard/app/{other}/messages"),
        format!("/dashboard/app/{other}/endpoint/{foreign}"),
        format!("/dashboard/app/{own}/endpoint/{foreign}"),
        "/dashboard/plugins".to_owned(),
        "/dashboard/tasks".to_owned(),
    ] {
        let refused = browser.page(&path);
        assert!(matches!(refused.status, 403 | 404), "{path}: {}", refused.status);
        assert!(!refused.text.contains(&foreign) && !refused.text.contains(&receiver.url("/")), "{path}");
    }
    let own_page = format!("/dashboard/app/{own}");
    for action in ["delete", "toggle", "secret", "rotate", "edit", "test", "replay"] {
        let to = format!("/dashboard/app/{other}/endpoint/{foreign}/{action}");
        let fields =
            [("disabled", "true"), ("url", "https://example.com"), ("what", "recover"), ("eventType", "a")];
        let refused = browser.act(&own_page, &to, &fields);
        assert!(matches!(refused.status, 403 | 404 | 422), "{action}: {} {}", refused.status, refused.text);
    }
    let endpoint = api.get(&format!("/api/v1/app/{other}/endpoint/{foreign}")).1;
    assert_eq!((&endpoint["disabled"], &endpoint["url"]), (&Value::Bool(false), &json!(receiver.url("/"))));

    // The portal ends with its token.
    let (_, _) = api.post(&format!("/api/v1/auth/app/{own}/expire-all"), &json!({ "expiry": 0 }));
    assert!(matches!(browser.page(&own_page).status, 303 | 401));
}
