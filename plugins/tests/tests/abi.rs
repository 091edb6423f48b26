//! The ABI by hand (`plugin-host/abi-v1.wat`), and the SDK's side of it.

use weir_plugin_host::frame::{Event, HeaderChange, Patch};
use weir_plugin_host::run::{Level, LogLine, Outcome, RunError, Verdict};
use weir_plugins_tests::{Plugin, event, fixture};

const WAT: &str = include_str!("../../../plugin-host/abi-v1.wat");

fn by_hand() -> Vec<u8> {
    wat::parse_str(WAT).unwrap_or_else(|error| panic!("{error}"))
}

fn act(act: &str, count: usize, body: &[u8]) -> Outcome {
    let config = format!(r#"{{"act": "{act}", "count": {count}}}"#);
    fixture().run(&Event { config: &config, body, ..event() })
}

fn verdict(outcome: Outcome) -> Verdict {
    outcome.result.unwrap_or_else(|error| panic!("{}: {error}", error.code()))
}

#[test]
fn the_plugin_by_hand_and_the_sdks_answer_the_same() {
    let (hand, sdk) = (Plugin::load(&by_hand()), fixture());
    let large = vec![b'x'; 200_000];
    for (id, body) in [("msg_1", &b"{}"[..]), ("msg_2", b""), ("", b"x"), ("msg_3", &large)] {
        let event = Event { id, body, ..event() };
        let (hand, sdk) = (hand.run(&event), sdk.run(&event));
        assert_eq!(hand.result, sdk.result, "{id}");
        assert_eq!(hand.logs, sdk.logs, "{id}");
        assert!(hand.fuel < sdk.fuel, "{} by hand, {} by the SDK", hand.fuel, sdk.fuel);
    }
}

#[test]
fn the_plugin_by_hand_does_what_its_text_says() {
    let plugin = Plugin::load(&by_hand());
    let outcome = plugin.run(&Event { id: "msg_1", ..event() });
    let header = HeaderChange { name: "x-stamped-by".into(), value: Some("msg_1".into()) };
    assert_eq!(outcome.result, Ok(Verdict::Replace(Patch { headers: vec![header], ..Patch::default() })));
    assert_eq!(outcome.logs.lines, [LogLine { level: Level::Info, text: "stamped".into() }]);
    let outcome = plugin.run(&Event { body: b"", ..event() });
    assert_eq!(outcome.result, Ok(Verdict::Drop { reason: "an empty body".into() }));
    let outcome = plugin.run(&Event { id: &"x".repeat(257), ..event() });
    let message = "an id longer than 256 bytes".into();
    assert_eq!(outcome.result, Ok(Verdict::Error { retryable: false, message }));
    let name = plugin.manifest.map(|manifest| manifest.name);
    assert_eq!(name.as_deref(), Some("stamp"));
}

#[test]
fn a_panic_tells_its_message_its_file_and_its_line() {
    for (what, count, wanted) in [
        ("panic", 7, "asked to, 7 times, plugins/tests/fixture/src/lib.rs:"),
        (
            "index",
            9,
            "index out of bounds: the len is 2 but the index is 9, plugins/tests/fixture/src/lib.rs:",
        ),
    ] {
        let outcome = act(what, count, b"{}");
        let Err(RunError::Panic { message }) = outcome.result else { panic!("{:?}", outcome.result) };
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn what_was_logged_before_a_panic_is_not_lost() {
    let outcome = act("log and panic", 0, b"");
    assert_eq!(outcome.logs.lines, [LogLine { level: Level::Warn, text: "about to".into() }]);
    assert!(matches!(outcome.result, Err(RunError::Panic { .. })));
}

#[test]
fn the_newest_log_lines_are_kept() {
    let outcome = act("log", 10_000, b"");
    assert!(outcome.logs.truncated);
    let last = outcome.logs.lines.last().map(|line| line.text.as_str());
    assert_eq!(last, Some("line 9999 of 10000"));
    assert!(!act("log", 10, b"").logs.truncated);
}

#[test]
fn memory_ends_with_a_sentence() {
    let outcome = act("allocate", 4 << 20, b"");
    assert_eq!(outcome.logs.lines.first().map(|line| line.text.as_str()), Some("4194304"));
    let outcome = act("allocate", 64 << 20, b"");
    let error = outcome.result.err().unwrap_or_else(|| panic!("64 MiB were there"));
    assert_eq!(error.code(), "memory_limit", "{error}");
    assert!(error.to_string().contains("allocation of 67108864 bytes failed"), "{error}");
}

#[test]
fn the_allocator_moves_what_cannot_grow_in_place() {
    let sum = 9_999 * 10_000 / 2;
    let patch = Patch { body: Some(format!("({sum}, {})", sum * 2).into_bytes()), ..Patch::default() };
    assert_eq!(verdict(act("grow", 10_000, b"")), Verdict::Replace(patch));
}

#[test]
fn bodies_pass_through_whole() {
    let body: Vec<u8> = (0..=255).cycle().take(500_000).collect();
    for body in [&body[..], b"", b"x"] {
        let patch = Patch { body: Some(body.to_vec()), ..Patch::default() };
        assert_eq!(verdict(act("echo", 0, body)), Verdict::Replace(patch));
    }
}

#[test]
fn json_that_is_nested_as_deep_as_it_may_be_fits_the_stack() {
    let nested = |depth: usize| {
        format!("{}{}", "[{\"a\":".repeat(depth / 2), "}]".repeat(depth / 2)).replace(":}", ":1}")
    };
    let deep = nested(256);
    let patch = Patch { body: Some(deep.clone().into_bytes()), ..Patch::default() };
    assert_eq!(verdict(act("json", 0, deep.as_bytes())), Verdict::Replace(patch));
    let message = "body: nested too deep at byte 768".into();
    assert_eq!(verdict(act("json", 0, nested(258).as_bytes())), Verdict::Error { retryable: false, message });
}

#[test]
fn failures_say_whether_trying_again_may_help() {
    let failure = |retryable, message: &str| Verdict::Error { retryable, message: message.into() };
    assert_eq!(verdict(act("fail", 0, b"")), failure(false, "asked to fail"));
    assert_eq!(verdict(act("retry", 0, b"")), failure(true, "asked to fail for now"));
    let outcome = fixture().run(&Event { config: r#"{"count": "many"}"#, ..event() });
    assert_eq!(
        verdict(outcome),
        failure(false, "configuration: invalid type: string \"many\", expected usize at line 1 column 16")
    );
}

#[test]
fn the_manifest_holds_what_the_attribute_says() {
    let manifest = fixture().manifest.clone().unwrap_or_else(|| panic!("there is none"));
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("fixture", "1.0.0"));
    assert_eq!(manifest.description.as_deref(), Some("A plugin that does what a test asks for."));
    assert!(manifest.is_for("a.b") && !manifest.is_for("b"));
    assert_eq!(manifest.sdk.as_deref(), Some("weir-plugin/0.2.0"));
}
