//! JSON as text: a payload has to arrive with the same bytes, so nothing here parses and prints it.

use serde_json::Value;
use std::fmt::Write;

/// The body that creates a message, with the payload's text exactly as given.
pub fn message(event_type: &str, payload: &str) -> String {
    format!("{{\"eventType\":{},\"payload\":{payload}}}", Value::from(event_type))
}

/// The same with further fields, given as an object.
pub fn message_with(event_type: &str, payload: &str, extra: &Value) -> String {
    let fields = extra.as_object().expect("an object of further fields");
    let mut out = format!("{{\"eventType\":{},\"payload\":{payload}", Value::from(event_type));
    for (name, value) in fields {
        let _ = write!(out, ",{}:{value}", Value::from(name.as_str()));
    }
    out.push('}');
    out
}

/// Asserts that two texts are the same bytes; says where they part.
#[track_caller]
pub fn assert_same_bytes(got: &[u8], expected: &[u8], what: &str) {
    if got == expected {
        return;
    }
    let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let window = |bytes: &[u8]| {
        let from = at.saturating_sub(40).min(bytes.len());
        let to = (at + 40).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..to]).into_owned()
    };
    panic!(
        "{what}: {} bytes where {} were sent; they part at byte {at}:\n  got  …{}…\n  sent …{}…",
        got.len(),
        expected.len(),
        window(got),
        window(expected)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_payload_stays_as_it_is_written() {
        assert_eq!(message("a.b", "{ \"x\":1.0 }"), r#"{"eventType":"a.b","payload":{ "x":1.0 }}"#);
        assert_eq!(
            message_with("a.b", "{}", &json!({ "eventId": "e\"1" })),
            r#"{"eventType":"a.b","payload":{},"eventId":"e\"1"}"#
        );
    }
}
