//! Real payloads: every example of GitHub's webhooks goes in as a message and comes out byte for byte, signed.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use weir_tests::gateway::Running;
use weir_tests::json::assert_same_bytes;
use weir_tests::receiver::Receiver;
use weir_tests::{sdk, verify};

#[derive(Deserialize)]
struct Event {
    name: String,
    examples: Vec<Box<RawValue>>,
}

/// The text of every example, exactly as the package has it (indentation and all), with its event's name.
fn examples() -> Vec<(String, String)> {
    let package = sdk::npm_package("@octokit/webhooks-examples");
    let mut all = Vec::new();
    for host in ["api.github.com", "ghes-35"] {
        let path = package.join(host).join("index.json");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let events: Vec<Event> = serde_json::from_str(&text).expect("a list of events");
        for event in events {
            all.extend(
                event.examples.into_iter().map(|example| (event.name.clone(), example.get().to_owned())),
            );
        }
    }
    let mut seen = HashSet::new();
    all.retain(|(_, text)| seen.insert(text.clone()));
    all
}

/// Sends all of them, four at a time, and compares what arrives.
#[track_caller]
fn round_trip(payloads: &[(String, String)]) {
    // What arrives is in question here, not when: a busy machine must not time anything out.
    let gateway = Running::start(&[("REQUEST_TIMEOUT", "15")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    let app = api.app();
    let endpoint = api.endpoint(&app, &receiver.url("/"));
    let secret = api.secret(&app, &endpoint);
    let share = payloads.len().div_ceil(4);
    let sent: HashMap<String, &str> = std::thread::scope(|scope| {
        let senders: Vec<_> = payloads
            .chunks(share)
            .map(|chunk| {
                let (api, app) = (api.at(api.url()), &app);
                scope.spawn(move || {
                    chunk
                        .iter()
                        .map(|(name, text)| (api.send_as(app, name, text), text.as_str()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(sent.len(), payloads.len(), "every message has an id of its own");
    let got = receiver.wait_for("/", sent.len(), Duration::from_mins(1));
    let mut arrived = HashSet::new();
    for request in &got {
        let id = request.message_id().expect("a message id");
        let text = sent.get(id).unwrap_or_else(|| panic!("{id} was never sent"));
        assert_same_bytes(&request.body, text.as_bytes(), id);
        assert!(verify::is_signed_by(request, "svix", &secret), "{id}");
        arrived.insert(id);
    }
    assert_eq!(arrived.len(), sent.len());
}

#[test]
fn every_example_of_githubs_webhooks_arrives_byte_for_byte() {
    let examples = examples();
    assert!(examples.len() > 200, "only {} examples", examples.len());
    round_trip(&examples);
}

#[test]
fn numbers_escapes_orders_and_spaces_arrive_as_they_were_written() {
    let deep = format!("{{\"deep\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let long = format!("{{\"long\":\"{}\"}}", "é".repeat(200_000));
    let many = format!("{{{}}}", (0..2000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let texts = [
        r#"{"n":1.0}"#,
        r#"{"n":1e3}"#,
        r#"{"n":1E+3}"#,
        r#"{"n":-0}"#,
        r#"{"n":-0.0}"#,
        r#"{"n":0.1e-10}"#,
        r#"{"n":1.10}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"n":18446744073709551616}"#,
        r#"{"n":123456789012345678901234567890.123456789}"#,
        r#"{"n":1e400}"#,
        r#"{"n":1e-400}"#,
        r#"{"s":"\u0041\u00e9\ud83e\udd80"}"#,
        r#"{"s":"\/\b\f\n\r\t\"\\"}"#,
        r#"{"s":"\u0000"}"#,
        r#"{"s":"\u2028\u2029"}"#,
        r#"{"s":"\uD800"}"#,
        "{\"s\":\"é ü 漢字 \u{1f980} \u{2028}\u{2029} \u{7f} \u{feff}\"}",
        r#"{"s":"</script><!-- & '"}"#,
        r#"{"b":1,"a":2,"c":3,"A":4}"#,
        r#"{"10":1,"9":2,"-1":3}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"":{"":[]}}"#,
        r#"{"__proto__":{"x":1},"constructor":null}"#,
        r#"{"t":true,"f":false,"n":null,"e":[],"o":{}}"#,
        "{ }",
        "{}",
        "{\r\n\t\"a\" :  [ 1 ,2,\t3 ]\n}",
        r#"{"payload":{"eventType":"inner"},"eventType":"inner"}"#,
        &deep,
        &long,
        &many,
    ];
    let payloads: Vec<_> = texts.iter().map(|text| ("text.test".to_owned(), (*text).to_owned())).collect();
    round_trip(&payloads);
}
