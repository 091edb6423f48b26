//! A fake API with fixed data, for tests of pages and the preview.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use weir_core::time::rfc3339;
use weir_core::token::Claims;
use weir_dashboard::session::{Keeper, Session};
use weir_dashboard::{Api, Request};

const MIN: i64 = 60_000;

/// A fake API with fixed data.
pub(crate) struct Made {
    /// The time, in milliseconds.
    pub(crate) now: i64,
    /// Every response so far.
    pub(crate) answers: RefCell<String>,
}

/// A session of the tenant, or of a customer.
pub(crate) fn session(made: &Made, app: Option<&str>) -> Session {
    let claims =
        Claims { org: "org_3MNUmf00000000000newcm".into(), app: app.map(str::to_owned), ..Claims::default() };
    Keeper::new("the secret of the preview").begin("ses_1", "a.b.c", &claims, made.now)
}

/// Requests a page.
pub(crate) fn page(
    made: &Made,
    session: &Session,
    path: &str,
    lang: weir_dashboard::Lang,
) -> weir_dashboard::Page {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = Request::new("GET", path, query, b"");
    request.at_ms = made.now;
    request.lang = lang;
    now(weir_dashboard::answer(made, session, &request))
}

/// The path of its application.
pub(crate) const APP: &str = "/dashboard/app/app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V";

impl Made {
    fn at(&self, ago: i64) -> String {
        rfc3339(self.now - ago)
    }

    fn endpoint(&self, n: i64) -> Value {
        let urls = [
            "https://api.acme.example/webhooks/orders",
            "https://wh-eu.acme.example/in",
            "https://staging.acme.example/hooks/weir?tenant=eu-central-1&region=frankfurt&verbose=true",
            "https://ledger.acme.example/events",
            "https://hooks.slack.example/services/T0/B0",
        ];
        let names = ["Order sync", "Warehouse EU", "", "Ledger", "Old ERP"];
        let at = usize::try_from(n).unwrap_or(0) % 5;
        json!({ "id": format!("ep_3Mnb4Vl3lClJEJEsyIcDp3CSa4{n}"), "url": urls[at], "description": names[at], "disabled": n == 4, "paused": n == 3,
            "eventTypes": if n == 1 { json!(["order.created", "order.refunded", "invoice.paid"]) } else { Value::Null }, "createdAt": self.at(9_000 * MIN), "updatedAt": self.at(90 * MIN), "metadata": {}, "presetParams": {} })
    }

    fn told(&self, n: i64) -> Value {
        let breaker = if n == 0 {
            json!({ "state": "open", "until": rfc3339(self.now + 26_000) })
        } else {
            json!({ "state": "closed" })
        };
        let mut told = self.endpoint(n);
        let more = json!({ "success": if n == 0 { 0 } else { 1_884 }, "fail": if n == 0 { 312 } else { n * 3 }, "pending": n * 4, "sending": if n < 2 { 17 } else { 0 }, "oldestPending": if n < 2 { json!(self.at(65 * MIN)) } else { Value::Null }, "breaker": breaker });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told
    }

    fn overview(&self, endpoints: Vec<Value>) -> Value {
        let hours: Vec<Value> = (0..24).map(|hour: i64| json!({ "at": self.at((hour + 1) * 60 * MIN), "success": 900 + 400 * ((hour * 7) % 5), "fail": if hour < 5 { 300 - hour * 40 } else { 4 }, "canceled": 40, "meanMs": 80 + hour, "longestMs": 4_000 })).collect();
        json!({ "since": self.at(24 * 60 * MIN), "until": self.at(0), "hours": hours, "endpoints": endpoints, "endpointCount": 5, "previous": { "success": 38_000, "fail": 420, "canceled": 9 },
            "latency": { "p50Ms": 84, "p95Ms": 420, "buckets": [{ "upToMs": 50, "count": 900 }, { "upToMs": 100, "count": 12_000 }, { "upToMs": 500, "count": 4_000 }, { "upToMs": null, "count": 3 }] },
            "codes": [{ "code": 0, "count": 12 }, { "code": 200, "count": 17_000 }, { "code": 500, "count": 640 }] })
    }

    fn message(&self, n: i64) -> Value {
        let types = [
            "order.created",
            "order.refunded",
            "invoice.payment_failed",
            "subscription.renewal.payment_method.expired_notification",
        ];
        json!({ "id": format!("msg_3Mnb4kzm9gfZG4KXtrjohf4ck{n:02}"), "eventType": types[usize::try_from(n).unwrap_or(0) % 4], "eventId": if n % 2 == 0 { json!(format!("ord_{n}")) } else { Value::Null }, "tags": ["eu"], "channels": Value::Null, "timestamp": self.at((n + 34) * MIN),
            "deliveries": { "success": 3, "fail": i64::from(n % 5 == 3), "sending": i64::from(n % 3 == 0), "pending": 0, "canceled": i64::from(n % 4 == 1), "nextAttempt": rfc3339(self.now + 252_000), "complete": true } })
    }

    fn attempt(&self, n: i64) -> Value {
        let fail = n % 3 != 2;
        json!({ "id": format!("atmpt_{n}"), "msgId": self.message(0)["id"], "endpointId": self.endpoint(n % 3)["id"], "url": self.endpoint(n % 3)["url"], "response": if fail { "{\"error\":\"duplicate key value violates unique constraint\",\"request\":1.50}" } else { "thank you" }, "responseStatusCode": if fail { 500 } else { 200 }, "responseDurationMs": 27 + n, "status": if fail { 2 } else { 0 }, "statusText": if fail { "fail" } else { "success" }, "triggerType": i64::from(n == 1), "timestamp": self.at(34 * MIN - n * n * 90_000), "msg": { "eventType": "order.created" },
            "requestHeaders": { "content-type": "application/json", "svix-id": "msg_3Mnb4kzm9gfZG4KXtrjohf4ckCK", "svix-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=" }, "responseHeaders": { "content-type": "application/json", "x-request-id": "r-7" },
            "plugins": [{ "name": "redact", "version": "b0f2dc16b0f2dc16", "verdict": "replaced", "reason": "", "fuel": 1200, "engine": "v8", "logs": [{ "level": "info", "message": "customer.name: masked" }] }] })
    }

    fn list(data: Vec<Value>) -> Value {
        json!({ "data": data, "done": false, "iterator": "next" })
    }

    fn answer(&self, path: &str) -> Value {
        let path = path.split('?').next().unwrap_or_default();
        let app = json!({ "id": "app_3Mnb4Vl3lClJEJEsyq7Tz3Mnb4V", "name": "Acme Corporation", "uid": "acme", "createdAt": self.at(50_000 * MIN) });
        let source = json!({ "id": "src_3Mnb9bi9Atad0a8Vs555x1RwAAA", "name": "GitHub organization", "type": "github", "uid": "", "secrets": 1, "ingestUrl": "https://hooks.northwind.example/in/b3JnXzNNTlVtZjAwMDAwMDAwMDAwbmV3Y20vL3NyY18zTW5iPqgxj1R9o", "createdAt": self.at(500 * MIN) });
        let rejected = json!({ "id": "rej_3Mnb9bi9Atad0a8Vs555es9lZJt", "reason": { "code": "mismatch", "detail": "The signature was made with another secret, or what was signed has changed on the way." }, "timestamp": self.at(2 * MIN), "method": "POST", "url": "/in/…", "headers": [["x-hub-signature-256", "sha256=db79c0549342e63ca0e4a9f74d6d1ccfa0000eb51b978b1be7038a0471d7de2e"], ["x-github-event", "push"]], "body": "{\"action\":\"opened\",\"n\":23}", "bodySize": 65, "bodyComplete": true });
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["app"] => Self::list((0..12).map(|n| json!({ "id": format!("app_{n}"), "name": (["Acme Corporation", "Globex", "Société Générale de Distribution Électronique et d’Approvisionnement S.A.S."][n % 3]), "uid": format!("customer-{n}"), "createdAt": self.at(5_000 * MIN) })).collect()),
            ["app", _] => app,
            ["ingest", "source"] => Self::list(vec![source]),
            ["ingest", "source", _] => source,
            [.., "rejected"] => Self::list(vec![rejected.clone(), rejected]),
            [.., "rejected", _] => rejected,
            ["overview"] => json!({ "applications": 500, "open": 2, "failing": 9, "disabled": 4, "waiting": 1, "endpoints": (0..9).map(|n: i64| json!({ "appId": format!("app_{n}"), "appName": format!("Customer {n}"), "endpointId": format!("ep_{n}"), "state": (["open", "failing", "disabled", "waiting"][usize::try_from(n).unwrap_or(0) / 3]), "since": self.at(90 * MIN) })).collect::<Vec<_>>() }),
            [.., "overview"] => self.overview((0..5).map(|n| self.told(n)).collect()),
            [.., "msg", _, "endpoint"] => Self::list((0..3).map(|n| { let mut one = self.endpoint(n); let status = [("sending", 3), ("success", 0), ("canceled", 4)][usize::try_from(n).unwrap_or(0)]; one["statusText"] = json!(status.0); one["nextAttempt"] = if n == 0 { json!(rfc3339(self.now + 252_000)) } else { Value::Null }; one }).collect()),
            [.., "endpoint"] => Self::list((0..5).map(|n| self.endpoint(n)).collect()),
            [.., "endpoint", _, "headers"] => json!({ "headers": { "x-team": "blue" }, "sensitive": ["authorization"] }),
            [.., "endpoint", _, "plugins"] => json!({ "plugins": [{ "name": "redact", "runningVersion": "b0f2dc16b0f2dc16", "onError": "hold", "config": { "emails": true } }, { "name": "filter", "runningVersion": "c0f2dc16b0f2dc16", "version": "c0", "onError": "drop" }] }),
            ["app", _, "msg", _, "attempt", _] => self.attempt(0),
            [.., "attempt", "endpoint" | "msg", _] => Self::list((0..8).map(|n| self.attempt(n)).collect()),
            [.., "endpoint", _] => self.endpoint(0),
            [.., "msg"] => Self::list((0..20).map(|n| self.message(n)).collect()),
            ["event-type"] => Self::list(["order.created", "order.refunded", "invoice.paid", "ping"].iter().map(|name| json!({ "name": name, "description": "Something happened to it.", "schemas": { "1": { "type": "object", "examples": [{ "id": "ord_1", "total": 12.5 }] } }, "createdAt": self.at(9), "updatedAt": self.at(9) })).collect()),
            ["event-type", name] => json!({ "name": name, "description": "An order was made.", "createdAt": self.at(9), "updatedAt": self.at(9) }),
            ["plugin"] => Self::list(["filter", "redact", "large-orders"].iter().map(|name| json!({ "name": name, "bundled": *name != "large-orders", "versions": 1, "current": "b0f2dc16b0f2dc16", "updatedAt": self.at(MIN), "manifest": { "description": "Masks values before delivery" } })).collect()),
            ["plugin", name] => json!({ "name": name, "bundled": true, "current": "b0f2dc16b0f2dc16", "updatedAt": self.at(MIN), "manifest": { "description": "Masks values before delivery", "configSchema": { "type": "object", "properties": { "emails": { "type": "boolean" } } } } }),
            ["plugin", _, "version"] => Self::list(vec![json!({ "id": "b0f2dc16b0f2dc16", "size": 31_856, "current": true, "bundled": true, "createdAt": self.at(MIN) })]),
            ["preset"] => Self::list((0..40).map(|n| json!({ "name": format!("provider-{n}"), "title": (["Stripe", "GitHub", "Shopify", "Slack"][n % 4]), "confidence": (["verified", "documented", "unconfirmed"][n % 3]), "docs": "https://docs.example" })).collect()),
            ["background-task"] => Self::list(vec![json!({ "id": "qtask_3Mnb4kzm9gfZG4KXtrjohf4ck", "task": "endpoint.bulk-replay", "status": "running", "data": { "appId": "app_1", "endpointId": "ep_1", "since": self.at(9_000), "messages": 120, "messagesSent": 118, "progress": 64 } }), json!({ "id": "qtask_4Mnb4kzm9gfZG4KXtrjohf4ck", "task": "endpoint.recover", "status": "finished", "data": { "messages": 1, "messagesSent": 1, "progress": 100 } })]),
            ["settings"] => json!([{ "name": "RETRY_SCHEDULE", "value": "5, 300" }, { "name": "MASTER_KEY", "value": "(not set)" }, { "name": "PORTAL_NAME", "value": "" }]),
            ["auth", "whoami"] => json!({ "envId": "org_3MNUmf00000000000newcm" }),
            _ => Value::Null,
        }
    }
}

impl Api for Made {
    async fn fetch(&self, _: &str, path: &str, _: Vec<u8>) -> (u16, Vec<u8>) {
        if path.ends_with("/raw") {
            let payload = r#"{"id":"ord_81734","created":"2026-11-29T12:57:07.940Z","total":129.90,"risk":1.0e-3,"gift":false,"customer":{"id":"cus_991","name":"山田太郎","email":"taro.yamada@example.com"},"items":[{"sku":"A-100","qty":1,"price":99.90},{"sku":"B-7","qty":2,"price":15.00}],"note":null}"#;
            return (200, payload.as_bytes().to_vec());
        }
        if path.contains("/msg/msg_") && !path.contains("/endpoint") && !path.contains("/attempt") {
            return (200, self.message(0).to_string().into_bytes());
        }
        let body = self.answer(path).to_string();
        self.answers.borrow_mut().push_str(&body);
        (200, body.into_bytes())
    }
}

/// Polls a future that never waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing here waits"),
    }
}
