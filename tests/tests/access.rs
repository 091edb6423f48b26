//! Access of applications: tokens for their portal, what such a token may do, and taking it back.

use serde_json::{Value, json};
use weir_core::api::route::{Op, PREFIX, Scope, patterns};
use weir_tests::browser::Browser;
use weir_tests::client::{Api, text};
use weir_tests::gateway::shared;
use weir_tests::token;

/// A URL that is never called: its endpoints are disabled.
const ELSEWHERE: &str = "https://example.com/hook";

#[track_caller]
fn portal(api: &Api, app: &str, body: &Value) -> Api {
    let (status, access) = api.post(&format!("/api/v1/auth/app-portal-access/{app}"), body);
    assert_eq!(status, 200, "{access}");
    let token = text(&access, "token");
    assert_eq!(text(&access, "url"), format!("{}/dashboard/login#key={token}", api.url()));
    api.with_token(token)
}

#[test]
fn a_portal_token_says_who_it_is_and_either_path_makes_one() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let customer = portal(&api, &app, &json!({ "sessionId": "s-1" }));
    let who = json!({ "envId": api.org, "appId": app, "sessionId": "s-1", "permissionSource": "SvixJwt" });
    assert_eq!(customer.get("/api/v1/auth/whoami"), (200, who));
    assert_eq!(
        api.get("/api/v1/auth/whoami"),
        (200, json!({ "envId": api.org, "permissionSource": "SvixJwt" }))
    );
    let old = api.call("POST", &format!("/api/v1/auth/dashboard-access/{app}"), None, &[]);
    assert_eq!(old.status, 200, "without a body: {}", old.text);
    let customer = api.with_token(text(&old.json(), "token"));
    assert_eq!(customer.get(&format!("/api/v1/app/{app}")).0, 200);
}

#[test]
fn a_portal_token_brings_its_application_along_where_it_is_missing() {
    let gateway = shared();
    let api = gateway.tenant();
    let path = "/api/v1/auth/app-portal-access/new-one";
    assert_eq!(api.post(path, &json!({})).0, 404);
    assert_eq!(api.post(path, &json!({ "application": { "name": "n", "uid": "other" } })).0, 422);
    let customer = portal(&api, "new-one", &json!({ "application": { "name": "n", "uid": "new-one" } }));
    assert_eq!(customer.get("/api/v1/app/new-one").1["name"], "n");
    portal(&api, "new-one", &json!({ "application": { "name": "n", "uid": "ignored" } }));
    let stranger = gateway.tenant();
    let own = stranger.app();
    assert_eq!(api.post(&format!("/api/v1/auth/app-portal-access/{own}"), &json!({})).0, 404);
    assert_eq!(api.as_app(&own).post(path, &json!({})).0, 403, "only the tenant makes tokens");
}

#[test]
fn a_portal_token_expires_when_asked() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let customer = portal(&api, &app, &json!({ "expiry": 1 }));
    let path = format!("/api/v1/app/{app}");
    assert_eq!(customer.get(&path).0, 200);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!(customer.get(&path).0, 401);
}

#[test]
fn a_portal_token_does_what_its_capabilities_say() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint_with(&app, ELSEWHERE, &json!({ "disabled": true }));
    let base = format!("/api/v1/app/{app}/endpoint/{endpoint}");
    for body in [json!({ "readOnly": true }), json!({ "capabilities": ["ViewBase"] })] {
        let viewer = portal(&api, &app, &body);
        assert_eq!(viewer.get(&base).0, 200);
        assert_eq!(viewer.get(&format!("{base}/secret")).0, 403);
        assert_eq!(viewer.patch(&base, &json!({ "description": "mine" })).0, 403);
        assert_eq!(viewer.delete(&base).0, 403);
        assert_eq!(viewer.post(&format!("{base}/secret/rotate"), &json!({})).0, 403);
    }
    let manager = portal(&api, &app, &json!({ "capabilities": ["ViewBase", "ManageEndpoint"] }));
    assert_eq!(manager.patch(&base, &json!({ "description": "mine" })).0, 200);
    assert_eq!(manager.get(&format!("{base}/secret")).0, 200);
    let refused = api.post(
        &format!("/api/v1/auth/app-portal-access/{app}"),
        &json!({ "capabilities": ["ViewBase", "Everything"] }),
    );
    assert_eq!(refused.0, 422, "{}", refused.1);
}

#[test]
fn a_misspelt_field_of_access_is_refused_since_it_would_allow_more() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let (status, source) =
        api.post("/ingest/api/v1/source", &json!({ "name": "a", "type": "generic-webhook" }));
    assert_eq!(status, 201, "{source}");
    for path in [
        format!("/api/v1/auth/app-portal-access/{app}"),
        format!("/api/v1/auth/dashboard-access/{app}"),
        format!("/ingest/api/v1/source/{}/dashboard", text(&source, "id")),
    ] {
        for (body, near) in [
            (json!({ "capabilites": ["ViewBase"] }), "capabilities"),
            (json!({ "Capabilities": ["ViewBase"] }), "capabilities"),
            (json!({ "readonly": true }), "readOnly"),
            (json!({ "expiy": 60 }), "expiry"),
            (json!({ "read_only": true }), "readOnly"),
        ] {
            let (status, refused) = api.post(&path, &body);
            assert_eq!(status, 422, "{path} {body}: {refused}");
            assert!(
                refused.to_string().contains(&format!("Did you mean {near}?")),
                "{path} {body}: {refused}"
            );
        }
        assert_eq!(api.post(&path, &json!({})).0, 200, "{path}");
    }
    let expire = format!("/api/v1/auth/app/{app}/expire-all");
    let (status, refused) = api.post(&expire, &json!({ "sessionIDs": ["a"] }));
    assert_eq!(status, 422, "{refused}");
}

#[test]
fn a_token_that_was_logged_out_is_void_and_others_are_not() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let path = format!("/api/v1/app/{app}");
    let (one, other) = (portal(&api, &app, &json!({})), portal(&api, &app, &json!({})));
    assert_ne!(one.token, other.token);
    assert_eq!(one.get(&path).0, 200);
    assert_eq!(one.call("POST", "/api/v1/auth/logout", None, &[]).status, 204);
    let (status, refused) = one.get(&path);
    assert_eq!((status, &refused["code"]), (401, &json!("authentication_failed")), "{refused}");
    assert_eq!(one.call("POST", "/api/v1/auth/logout", None, &[]).status, 401);
    assert_eq!(other.get(&path).0, 200);
    let (status, refused) = api.post("/api/v1/auth/logout", &json!({}));
    assert_eq!((status, &refused["code"]), (400, &json!("bad_token")), "{refused}");
    assert_eq!(api.get(&path).0, 200);
}

#[test]
fn all_tokens_of_an_application_or_of_a_session_are_taken_back() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, neighbor) = (api.app(), api.app());
    let path = format!("/api/v1/app/{app}");
    let expire = format!("/api/v1/auth/app/{app}/expire-all");
    let session = portal(&api, &app, &json!({ "sessionId": "a" }));
    let plain = portal(&api, &app, &json!({}));
    let own = api.as_app(&app);
    let next_door = portal(&api, &neighbor, &json!({}));

    assert_eq!(api.post(&expire, &json!({ "sessionIds": ["a"] })).0, 204);
    assert_eq!((session.get(&path).0, plain.get(&path).0), (401, 200));

    assert_eq!(api.post(&expire, &json!({ "expiry": 3600 })).0, 204);
    assert_eq!(plain.get(&path).0, 200, "not yet");

    assert_eq!(api.post(&expire, &json!({})).0, 204);
    assert_eq!((plain.get(&path).0, own.get(&path).0), (401, 401));
    assert_eq!(next_door.get(&format!("/api/v1/app/{neighbor}")).0, 200);
    assert_eq!(portal(&api, &app, &json!({})).get(&path).0, 200, "a new one is good");
    assert_eq!(next_door.post(&expire, &json!({})).0, 403);
    assert_eq!(api.post("/api/v1/auth/app/nobody/expire-all", &json!({})).0, 404);
}

#[test]
fn a_token_without_a_time_of_issue_counts_as_old() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let customer = api.with_token(token::sign(&json!({ "sub": app, "org": api.org }), token::SECRET));
    let path = format!("/api/v1/app/{app}");
    assert_eq!(customer.get(&path).0, 200);
    assert_eq!(api.post(&format!("/api/v1/auth/app/{app}/expire-all"), &json!({})).0, 204);
    assert_eq!(customer.get(&path).0, 401);
}

#[test]
fn the_tokens_of_a_deleted_application_or_source_are_void() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, kept) = (api.app(), api.app());
    let event_type = json!({ "name": "catalogue.secret", "description": "of the tenant" });
    assert_eq!(api.post("/api/v1/event-type", &event_type).0, 201);
    let (customer, own, neighbor) =
        (portal(&api, &app, &json!({})), api.as_app(&app), portal(&api, &kept, &json!({})));
    let source = json!({ "name": "a", "type": "generic-webhook" });
    let (status, source) = api.post("/ingest/api/v1/source", &source);
    assert_eq!(status, 201, "{source}");
    let source = format!("/ingest/api/v1/source/{}", text(&source, "id"));
    let guest = api.with_token(text(&api.post(&format!("{source}/dashboard"), &json!({})).1, "token"));
    for holder in [&customer, &own, &neighbor, &guest] {
        assert_eq!(holder.get("/api/v1/auth/whoami").0, 200);
    }
    let page = Browser::signed_in(&api, &customer.token);
    assert_eq!(api.delete(&format!("/api/v1/app/{app}")).0, 204);
    assert_eq!(api.delete(&source).0, 204);
    for holder in [&customer, &own, &guest] {
        for path in [
            "/api/v1/auth/whoami",
            "/api/v1/event-type",
            "/api/v1/event-type/catalogue.secret",
            "/api/v1/preset",
        ] {
            let (status, refused) = holder.get(path);
            assert_eq!(
                (status, &refused["code"]),
                (401, &json!("authentication_failed")),
                "{path}: {refused}"
            );
        }
        let mut browser = Browser::new(&api);
        let reply = browser.sign_in(&holder.token);
        assert_eq!((reply.status, reply.header("set-cookie")), (401, None), "{}", reply.text);
    }
    assert_ne!(page.page("/dashboard").status, 200, "nor does a session go on");
    assert_eq!(neighbor.get("/api/v1/event-type").0, 200);
}

/// Every route that takes a token, for this application: its method, its path, its operation, whose token it accepts.
fn routes(app: &str) -> impl Iterator<Item = (&'static str, String, Op, Scope)> {
    patterns().filter(|(.., scope)| *scope != Scope::Public).map(move |(method, path, op, scope)| {
        let filled = path.split('/').map(|part| match part {
            "{app_id}" => app,
            part if part.starts_with('{') => "x",
            part => part,
        });
        (method, format!("{PREFIX}/{}", filled.collect::<Vec<_>>().join("/")), op, scope)
    })
}

/// Status and error code of a refused request.
fn refused(api: &Api, method: &str, path: &str, body: Option<&[u8]>) -> (u16, Value) {
    let reply = api.call(method, path, body, &[]);
    (reply.status, reply.json()["code"].clone())
}

#[test]
fn every_route_refuses_a_token_that_is_missing_revoked_anothers_or_too_weak() {
    let gateway = shared();
    let api = gateway.tenant();
    let (app, other) = (api.app(), api.app());
    let mut claims = token::claims(&api.org, 3600);
    claims["jti"] = json!("to-be-revoked");
    let revoked = api.with_token(token::sign(&claims, token::SECRET));
    assert_eq!(api.post("/api/v1/auth/token/to-be-revoked/revoke", &json!({})).0, 204);
    let foreign = portal(&api, &other, &json!({}));
    let viewer = portal(&api, &app, &json!({ "capabilities": ["ViewBase"] }));
    let nobody = api.with_token("");
    for (method, path, op, scope) in routes(&app) {
        let body = (method != "GET").then_some(&b"{}"[..]);
        for stranger in [&nobody, &revoked] {
            let got = refused(stranger, method, &path, body);
            assert_eq!(got, (401, json!("authentication_failed")), "{method} {path}");
        }
        let is_own = scope == Scope::Org || (method != "GET" && op != Op::Logout);
        if is_own {
            let got = refused(&viewer, method, &path, body);
            assert_eq!(got, (403, json!("insufficient access")), "{method} {path}");
        }
        let expected = match scope {
            Scope::Org => (403, json!("insufficient access")),
            _ if path.starts_with(&format!("{PREFIX}/app/{app}")) => (404, json!("not_found")),
            _ => continue,
        };
        assert_eq!(refused(&foreign, method, &path, body), expected, "{method} {path}");
    }
}

#[test]
fn every_route_refuses_a_body_of_one_byte_too_many() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    for (method, path, op, _) in
        routes(&app).filter(|(method, ..)| matches!(*method, "POST" | "PUT" | "PATCH"))
    {
        let body = vec![b' '; op.max_body() + 1];
        let got = refused(&api, method, &path, Some(&body));
        assert_eq!(got, (413, json!("payload_too_large")), "{method} {path}");
    }
}

/// A message for an application that is named by its id, or by a uid that is known, takes the fast path.
#[test]
fn a_message_is_refused_the_same_on_the_fast_path_and_on_the_usual_one() {
    let gateway = shared();
    let api = gateway.tenant();
    let (status, app) = api.post("/api/v1/app", &json!({ "name": "n", "uid": "never-looked-up" }));
    assert_eq!(status, 201, "{app}");
    let app = text(&app, "id");
    let mut claims = token::claims(&api.org, 3600);
    claims["jti"] = json!("taken-back");
    let revoked = api.with_token(token::sign(&claims, token::SECRET));
    assert_eq!(api.post("/api/v1/auth/token/taken-back/revoke", &json!({})).0, 204);
    let usual = r#"{"eventType":"a.b","payload":{}}"#.as_bytes().to_vec();
    let too_large = vec![b' '; Op::MessageCreate.max_body() + 1];
    for (caller, body, status) in [
        (&api.with_token(""), &usual, 401),
        (&revoked, &usual, 401),
        (&portal(&api, &app, &json!({})), &usual, 403),
        (&portal(&api, &api.app(), &json!({})), &usual, 403),
        (&portal(&api, &app, &json!({ "capabilities": ["ViewBase"] })), &usual, 403),
        (&api, &too_large, 413),
    ] {
        let send = |key: &str| caller.call("POST", &format!("/api/v1/app/{key}/msg"), Some(body), &[]);
        let (fast, slow) = (send(&app), send("never-looked-up"));
        assert_eq!((fast.status, &fast.text), (status, &slow.text));
        assert_eq!(fast.status, slow.status);
    }
    assert_eq!(
        api.post_text(&format!("/api/v1/app/{app}/msg"), r#"{"eventType":"a.b","payload":{}}"#).0,
        202
    );
}
