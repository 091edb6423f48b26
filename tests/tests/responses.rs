//! Responses of receivers: whatever they send, the received status counts, and no more is read than is stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use weir_tests::client::{Api, list, text};
use weir_tests::gateway::{Running, shared};
use weir_tests::process::resident_kb;
use weir_tests::raw::Raw;
use weir_tests::receiver::{Answer, Receiver};

const SOON: Duration = Duration::from_secs(20);

/// The first attempt of a message to this URL, and where it was made.
fn attempt(api: &Api, url: &str) -> (Value, String, String) {
    let app = api.app();
    let endpoint = api.endpoint(&app, url);
    let message = api.send(&app, "{}");
    (api.attempts(&app, &message, 1, SOON).remove(0), app, endpoint)
}

fn head(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n")
}

#[test]
fn a_status_that_was_received_counts_whatever_becomes_of_the_body() {
    let gateway = shared();
    let api = gateway.tenant();
    let compressed = "content-encoding: gzip\r\n";
    for (what, answer, status, code, shown) in [
        (
            "compressed, and empty",
            head("202 Accepted", &format!("{compressed}content-length: 0\r\n")),
            0,
            202,
            "",
        ),
        ("compressed, and broken", head("202 Accepted", compressed) + "no gzip", 0, 202, ""),
        ("shorter than it says", head("200 OK", "content-length: 100\r\n") + "abc", 0, 200, "abc"),
        ("announced, and never begun", head("200 OK", "content-length: 100\r\n"), 0, 200, ""),
        (
            "broken off in a chunk",
            head("200 OK", "transfer-encoding: chunked\r\n") + "5\r\nhel",
            0,
            200,
            "hel",
        ),
        ("a failure that breaks off", head("500 Oh", "content-length: 100\r\n") + "abc", 2, 500, "abc"),
        ("no content, with content", head("204 No Content", "content-length: 2\r\n") + "ok", 0, 204, ""),
    ] {
        let receiver = Raw::start(answer);
        let (attempt, ..) = attempt(&api, &receiver.url());
        assert_eq!(
            (&attempt["status"], &attempt["responseStatusCode"], &attempt["response"]),
            (&json!(status), &json!(code), &json!(shown)),
            "{what}: {attempt}"
        );
        if status == 0 {
            std::thread::sleep(Duration::from_millis(300)); // a retry would come after 0.2 seconds
            assert_eq!(receiver.count(), 1, "{what}");
        }
    }
}

#[test]
fn gone_disables_and_retry_after_is_waited_for_even_if_the_body_is_broken() {
    let gateway = shared();
    let api = gateway.tenant();
    let gone = Raw::start(head("410 Gone", "content-encoding: gzip\r\n") + "no gzip");
    let (told, app, endpoint) = attempt(&api, &gone.url());
    assert_eq!(told["responseStatusCode"], 410, "{told}");
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}"), SOON, |shown| shown["disabled"] == true);
    let busy = Raw::start(head("429 Later", "retry-after: 3600\r\ncontent-length: 100\r\n") + "abc");
    let (told, app, endpoint) = attempt(&api, &busy.url());
    assert_eq!(told["responseStatusCode"], 429, "{told}");
    let path = format!("/api/v1/app/{app}/endpoint/{endpoint}/stats");
    api.until(&path, SOON, |stats| stats["breaker"]["state"] == "open");
    std::thread::sleep(Duration::from_millis(600)); // the schedule alone would have sent it again
    assert_eq!(busy.count(), 1);
}

#[test]
fn what_comes_compressed_is_shown_and_what_cannot_be_read_says_so() {
    let gateway = shared();
    let api = gateway.tenant();
    // gzip of "hello".
    let gzip = STANDARD.decode("H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==").unwrap();
    let receiver = Receiver::start();
    receiver.always("/gzip", Answer::ok().header("content-encoding", "gzip").body(gzip));
    receiver.always("/br", Answer::ok().header("content-encoding", "br").body(vec![0x0b, 2, 0x80, b'h']));
    assert_eq!(attempt(&api, &receiver.url("/gzip")).0["response"], "hello");
    let told = attempt(&api, &receiver.url("/br")).0;
    assert!(told["status"] == 0 && text(&told, "response").contains("(br)"), "{told}");
    let asked = receiver.received("/gzip").remove(0);
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
}

#[test]
fn what_is_no_response_is_a_failed_attempt_that_says_what_to_check() {
    let gateway = shared();
    let api = gateway.tenant();
    let many = format!("x-h: {}\r\n", "a".repeat(1010)).repeat(1024);
    for (what, answer) in [
        ("nothing", String::new()),
        ("no HTTP", "SSH-2.0-OpenSSH_9\r\n".to_owned()),
        ("garbage", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
        ("no status", head("99 OK", "content-length: 2\r\n") + "ok"),
        ("a megabyte of headers", head("200 OK", &(many + "content-length: 2\r\n")) + "ok"),
    ] {
        let receiver = Raw::start(answer);
        let (told, ..) = attempt(&api, &receiver.url());
        assert_eq!((&told["status"], &told["responseStatusCode"]), (&json!(2), &json!(0)), "{what}: {told}");
        assert!(text(&told, "response").contains("speaks HTTP"), "{what}: {told}");
    }
    let plain = Raw::start(head("200 OK", "content-length: 0\r\n"));
    for (url, word) in [(plain.secure_url(), "certificate"), ("http://nobody.invalid/".to_owned(), "DNS")] {
        let (told, ..) = attempt(&api, &url);
        assert_eq!((&told["status"], &told["responseStatusCode"]), (&json!(2), &json!(0)), "{url}: {told}");
        let said = text(&told, "response");
        assert!(said.contains(word) && !said.contains("reference"), "{url}: {said}");
    }
}

#[test]
fn an_answer_that_cloudflare_makes_in_the_receivers_place_is_no_status_of_the_receivers() {
    let gateway = shared();
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(530).body("error code: 1016"));
    receiver.always("/own", Answer::status(530).body("no such tenant"));
    let told = attempt(&api, &receiver.url("/")).0;
    assert_eq!((&told["status"], &told["responseStatusCode"]), (&json!(2), &json!(0)), "{told}");
    assert!(text(&told, "response").contains("does not resolve"), "{told}");
    assert_eq!(attempt(&api, &receiver.url("/own")).0["responseStatusCode"], 530);
}

/// In production a receiver that cannot be reached is answered for with 530 or 52x. It says the same as a thrown error does here.
#[test]
fn a_receiver_that_cannot_be_reached_is_a_failed_attempt_that_says_why_in_production_too() {
    let gateway = Running::start(&[]);
    gateway.emulator().rules(&json!({ "answerFailures": true }));
    let api = gateway.tenant();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    };
    let plain = Raw::start(head("200 OK", "content-length: 0\r\n"));
    for (url, word) in
        [(closed, "refused"), ("http://nobody.invalid/".to_owned(), "DNS"), (plain.secure_url(), "TLS")]
    {
        let (told, ..) = attempt(&api, &url);
        assert_eq!((&told["status"], &told["responseStatusCode"]), (&json!(2), &json!(0)), "{url}: {told}");
        assert!(text(&told, "response").contains(word), "{url}: {told}");
    }
}

#[test]
fn a_decompression_bomb_costs_next_to_nothing() {
    let gateway = Running::start(&[]);
    let api = gateway.tenant();
    let receiver = Receiver::start();
    receiver.always("/bomb", Answer::bomb());
    let app = api.app();
    api.endpoint(&app, &receiver.url("/bomb"));
    // What the first deliveries cost is the gateway's own.
    let ordinary = api.app();
    api.endpoint(&ordinary, &receiver.url("/ordinary"));
    (0..60).for_each(|_| drop(api.send(&ordinary, "{}")));
    receiver.wait_for("/ordinary", 60, SOON);
    let pid = gateway.pid().expect("it runs");
    let before = resident_kb(pid).expect("its memory");
    let sent: Vec<String> = (0..30).map(|_| api.send(&app, "{}")).collect();
    receiver.wait_for("/bomb", 30, SOON);
    for message in &sent {
        assert_eq!(api.attempts(&app, message, 1, SOON)[0]["status"], 0);
    }
    let grown = resident_kb(pid).expect("its memory").saturating_sub(before);
    eprintln!("30 bombs of 200 MiB: {grown} KiB");
    assert!(grown < 30 * 2_048, "{grown} KiB for 30 bombs");
    let page = api.get(&format!("/api/v1/app/{app}/attempt/endpoint/{}", endpoint_of(&api, &app))).1;
    assert!(list(&page).iter().all(|one| one["responseStatusCode"] == 200), "{page}");
}

fn endpoint_of(api: &Api, app: &str) -> String {
    text(&list(&api.get(&format!("/api/v1/app/{app}/endpoint")).1)[0], "id")
}
