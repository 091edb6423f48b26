//! Whatever the request, the response is well-formed JSON (or an empty 204), never a 5xx, and never late.
//!
//! The requests are written directly to the socket, because a well-behaved client would refuse to send most of them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use weir_tests::client::{Api, Reply};
use weir_tests::gateway::shared;

/// Longer than any honest answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
struct Call {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Sends it on a connection of its own; `None` where the HTTP server closed the connection or refused the request
/// before the gateway saw it (its answer is then not JSON and not the gateway's).
fn send(api: &Api, call: &Call) -> Option<Reply> {
    let address = api.url().trim_start_matches("http://");
    let stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head =
        format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", call.method, call.path);
    for (name, value) in &call.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", call.body.len());
    let begun = Instant::now();
    // The server may answer and close before it has read all of a body.
    let _ = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&call.body));
    let mut bytes = Vec::new();
    match (&stream).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no answer within {:?} ({error}) to {call:?}", begun.elapsed()),
    }
    reply(&bytes)
}

fn reply(bytes: &[u8]) -> Option<Reply> {
    let text = String::from_utf8(bytes.to_vec()).expect("an answer in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let text = if chunked { unchunk(body) } else { body.to_owned() };
    Some(Reply { status, headers, text })
}

fn unchunk(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
        if size == 0 {
            break;
        }
        out.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    out
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["HEAD", "OPTIONS", "TRACE", "PROPFIND", "PURGE"]).prop_map(str::to_owned),
    ]
}

/// Segments that look right, nearly right and not at all right.
fn segment(known: &[String]) -> impl Strategy<Value = String> + use<> {
    let words = [
        "app",
        "endpoint",
        "msg",
        "event-type",
        "attempt",
        "secret",
        "rotate",
        "headers",
        "stats",
        "resend",
        "recover",
        "content",
        "auth",
        "app-portal-access",
        "health",
        "ping",
        "in",
        "source",
        "background-task",
        "replay-missing",
        "plugin",
        "plugins",
        "version",
        "current",
        "test",
        "",
        ".",
        "..",
        "%2e%2e",
        "%00",
        "%",
        "%zz",
        "app_",
        "ep_",
        "msg_",
        "null",
        "undefined",
        "0",
        "-1",
        "__proto__",
        "msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "%F0%9F%A6%80",
        "a%2Fb",
        "%20",
    ];
    let known: Vec<String> = words.iter().map(|&word| word.to_owned()).chain(known.iter().cloned()).collect();
    prop_oneof![
        8 => prop::sample::select(known),
        1 => "[!$&-.0-;=@-Z_a-z~]{0,40}",
        1 => Just("x".repeat(3000)),
    ]
}

fn path(known: &[String]) -> impl Strategy<Value = String> + use<> {
    let start = prop::sample::select(vec![
        "/api/v1/",
        "/api/v1/app/",
        "/api/v1/event-type/",
        "/",
        "//",
        "/in/",
        "/api/v1/auth/",
    ]);
    let query = prop_oneof![
        3 => Just(String::new()),
        2 => "[?](limit|iterator|order|before|after|channel|status|event_types|with_content|get_if_exists|since|until)=[!$&-;=?-Z_a-z~]{0,30}",
        1 => "[?][!$&-;=?-Z_a-z~]{0,60}",
        // What is no URI is the HTTP server's to refuse.
        1 => "[?][!-\"$-~]{0,20}",
    ];
    let wild = (start, prop::collection::vec(segment(known), 0..7))
        .prop_map(|(start, segments)| format!("{start}{}", segments.join("/")));
    (prop_oneof![2 => routes(known), 3 => wild], query).prop_map(|(path, query)| path + &query)
}

/// Routes that there are, to things that there are (but none by which they could be deleted).
fn routes(known: &[String]) -> impl Strategy<Value = String> + use<> {
    let (app, endpoint, message) = (&known[0], &known[1], &known[2]);
    let mut routes =
        vec!["/api/v1/app".to_owned(), "/api/v1/event-type".to_owned(), "/api/v1/event-type/a.b".to_owned()];
    for rest in [
        "msg".to_owned(),
        format!("msg/{message}"),
        format!("msg/{message}/endpoint"),
        format!("msg/{message}/endpoint/{endpoint}/resend"),
        format!("attempt/msg/{message}"),
        format!("attempt/endpoint/{endpoint}"),
        "endpoint".to_owned(),
        format!("endpoint/{endpoint}/msg"),
        format!("endpoint/{endpoint}/secret"),
        format!("endpoint/{endpoint}/secret/rotate"),
        format!("endpoint/{endpoint}/headers"),
        format!("endpoint/{endpoint}/stats"),
        format!("endpoint/{endpoint}/recover"),
    ] {
        routes.push(format!("/api/v1/app/{app}/{rest}"));
    }
    prop::sample::select(routes)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        "name",
        "uid",
        "url",
        "eventType",
        "eventTypes",
        "payload",
        "eventId",
        "channels",
        "secret",
        "key",
        "metadata",
        "headers",
        "disabled",
        "throttleRate",
        "rateLimit",
        "since",
        "until",
        "gracePeriodSeconds",
        "description",
        "x",
    ]);
    let value = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e999",
        "99999999999999999999",
        "\"\"",
        "\"a.b\"",
        "\"http://127.0.0.1:1/\"",
        "\"https://example.com\"",
        "\"whsec_AAAA\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[]",
        "[null]",
        "[\"a\"]",
        "{}",
        "{\"a\":\"b\"}",
        "{\"a\":1}",
        "\"2020-01-01T00:00:00Z\"",
        "\"9999-99-99T99:99:99Z\"",
        "[[[[]]]]",
    ]);
    let object = prop::collection::vec((field, value), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![
        5 => object,
        1 => Just(Vec::new()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just("[".repeat(50_000).into_bytes()),
        1 => Just(format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000)).into_bytes()),
        1 => prop::sample::select(vec!["null", "[]", "7", "\"x\"", "{", "{\"a\"}", "{}{}", "\u{feff}{}"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn headers(bearer: String) -> impl Strategy<Value = Vec<(String, String)>> {
    let authorization = prop_oneof![
        6 => Just(Some(bearer)),
        1 => Just(None),
        1 => "[ -~]{0,60}".prop_map(Some),
        1 => "[A-Za-z0-9_-]{0,20}[.][A-Za-z0-9_-]{0,20}[.][A-Za-z0-9_-]{0,20}".prop_map(|t| Some(format!("Bearer {t}"))),
    ];
    let other = prop::sample::select(vec![
        ("content-type", "application/json"),
        ("content-type", "text/plain; charset=utf-16"),
        ("content-encoding", "gzip"),
        ("idempotency-key", "k"),
        ("idempotency-key", ""),
        ("svix-req-id", "1"),
        ("svix-retry-count", "x"),
        ("accept", "text/html"),
        ("range", "bytes=0-1"),
        ("if-none-match", "*"),
        ("x-forwarded-for", "127.0.0.1"),
        ("cookie", "a=b"),
        ("user-agent", ""),
    ]);
    (authorization, prop::collection::vec(other, 0..4)).prop_map(|(authorization, others)| {
        let mut headers: Vec<(String, String)> =
            others.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        headers
    })
}

#[test]
fn any_request_gets_a_well_formed_answer() {
    let gateway = shared();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, "https://example.com/");
    assert_eq!(
        api.patch(
            &format!("/api/v1/app/{app}/endpoint/{endpoint}"),
            &serde_json::json!({ "disabled": true })
        )
        .0,
        200
    );
    let message = api.send(&app, "{}");
    let known = [app, endpoint, message];
    let call = (method(), path(&known), headers(format!("Bearer {}", api.token)), body())
        .prop_map(|(method, path, headers, body)| Call { method, path, headers, body });

    let mut seen = std::collections::BTreeMap::new();
    let config =
        Config { cases: 1500, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let seen_by_runner = std::cell::RefCell::new(&mut seen);
    let result = TestRunner::new(config).run(&call, |call| {
        let Some(reply) = send(&api, &call) else { return Ok(()) };
        *seen_by_runner.borrow_mut().entry(reply.status).or_insert(0) += 1;
        prop_assert!(reply.status < 500 || reply.status == 501, "{} {}", reply.status, reply.text);
        if call.method == "HEAD" || reply.status == 304 {
            prop_assert!(reply.text.is_empty());
        } else if reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            // The start page, and the page of what is not there, for those who ask for pages.
            let asks = |(name, value): &(String, String)| name == "accept" && value.contains("text/html");
            prop_assert!(call.headers.iter().any(asks), "{}", reply.text);
            prop_assert!(matches!(reply.status, 200 | 404), "{} {}", reply.status, reply.text);
        } else if reply.status >= 300
            && reply.header("content-type").is_none_or(|kind| kind.starts_with("text/"))
        {
            // Before the gateway: the HTTP server itself refuses what is no HTTP, and says so in text.
            prop_assert!(matches!(reply.status, 400 | 413 | 431 | 501), "{} {:?}", reply.status, reply.text);
        } else {
            let body = reply.json();
            if reply.status >= 400 {
                prop_assert!(body["detail"].is_string() || body["detail"].is_array(), "{}", reply.text);
            }
        }
        Ok(())
    });
    eprintln!("answers by status: {seen:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    let (status, body) = api.get("/api/v1/app");
    assert_eq!(status, 200, "and the gateway still works: {body}");
    assert!(
        seen.len() >= 5 && seen.keys().any(|status| *status < 300),
        "the calls were of many kinds: {seen:?}"
    );
}
