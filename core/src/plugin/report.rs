//! What a test run tells: what the plugin made of one event, and what it changed.

use super::{Attached, Chain, Decision, Outcome, Ran, Subject, Verdict, diff};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// What a test run returns.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    fields: Map<String, Value>,
    diff: Diff,
    /// The payload, byte for byte as it would be delivered, where there is one; a text where it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

/// What the plugin has changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diff {
    body: Vec<diff::Change>,
    headers: Vec<diff::Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<Value>,
    truncated: bool,
}

/// Describes a run of `plugin` on `subject`. The verdict is judged as in a delivery: a header that a plugin may not
/// set is a failure here, too.
pub fn report(plugin: Attached, subject: Subject, ran: Ran) -> Report {
    let logs: Vec<Value> =
        ran.logs.iter().map(|(level, text)| json!({ "level": level, "message": text })).collect();
    let replaced = matches!(ran.verdict, Verdict::Replace { .. });
    let mut out = Map::new();
    out.insert("version".to_owned(), json!(ran.version.as_ref().unwrap_or(&plugin.version)));
    out.insert("fuel".to_owned(), json!(ran.fuel));
    out.insert("memoryPages".to_owned(), json!(ran.pages));
    out.insert("engine".to_owned(), json!(ran.engine));
    out.insert("logs".to_owned(), Value::Array(logs));
    let on_error = super::OnError::Hold;
    let mut chain = Chain::new(Rc::from([Attached { on_error, ..plugin }]), subject.clone());
    chain.ran(ran);
    let Outcome { decision, trace, .. } = chain.outcome();
    let trace: Value = serde_json::from_str(&trace).unwrap_or_default();
    for key in ["verdict", "reason", "error"] {
        if let Some(value) = trace.get(0).and_then(|entry| entry.get(key)) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    let after = match decision {
        Decision::Deliver(after) if replaced => after,
        _ => subject.clone(),
    };
    let diff = changes(&subject, &after);
    let mut payload = None;
    if out
        .get("verdict")
        .and_then(Value::as_str)
        .is_some_and(|verdict| matches!(verdict, "unchanged" | "replaced"))
    {
        let headers: Map<String, Value> =
            after.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        out.insert("eventType".to_owned(), json!(after.event_type));
        out.insert("headers".to_owned(), Value::Object(headers));
        payload = shown(&after.body);
    }
    Report { fields: out, diff, payload }
}

/// What is wrong with a plugin's configuration by a run on a made-up event; `None` where nothing can be told from that.
///
/// A plugin says `configuration` in an error about it (as the SDK does), and what it sets for an event it would set for any: a
/// header that may not be set is a fault of the configuration, too.
pub fn config_fault(plugin: Attached, subject: Subject, ran: Ran) -> Option<String> {
    let said = match &ran.verdict {
        Verdict::Failed { text, .. } if text.contains("configuration") => Some(text.clone()),
        _ => None,
    };
    let replaces = matches!(ran.verdict, Verdict::Replace { .. });
    let mut chain = Chain::new(Rc::from([Attached { on_error: super::OnError::Hold, ..plugin }]), subject);
    chain.ran(ran);
    match (said, chain.outcome().decision) {
        (Some(text), _) => Some(text),
        (None, Decision::Held(why)) if replaces => Some(why),
        _ => None,
    }
}

fn changes(before: &Subject, after: &Subject) -> Diff {
    let (body, headers) =
        (diff::bodies(&before.body, &after.body), diff::headers(&before.headers, &after.headers));
    let renamed = before.event_type != after.event_type;
    Diff {
        truncated: body.truncated || headers.truncated,
        body: body.changes,
        headers: headers.changes,
        event_type: renamed.then(|| json!({ "from": before.event_type, "to": after.event_type })),
    }
}

/// A body as JSON where it is, else as text.
fn shown(body: &[u8]) -> Option<Box<RawValue>> {
    let text = || serde_json::value::to_raw_value(&String::from_utf8_lossy(body)).ok();
    serde_json::from_slice(body).ok().or_else(text)
}

#[cfg(test)]
mod tests {
    use super::super::{EngineName, OnError};
    use super::*;

    fn plugin() -> Attached {
        Attached {
            name: "a".to_owned(),
            version: "v".to_owned(),
            pinned: true,
            config: None,
            on_error: OnError::Deliver,
        }
    }

    fn run(verdict: Verdict) -> Value {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let subject = Subject { event_type: "t".to_owned(), headers, body: br#"{"a":1,"b":2}"#.to_vec() };
        let logs = vec![("info".to_owned(), "x".repeat(5_000))];
        let ran = Ran { verdict, logs, fuel: 7, pages: 2, engine: EngineName::Wasmi, version: None };
        serde_json::to_value(report(plugin(), subject, ran)).expect("json")
    }

    #[test]
    fn the_payload_is_what_would_be_delivered_byte_for_byte() {
        let of = |body: &str| {
            let subject = Subject { event_type: "t".to_owned(), headers: Vec::new(), body: body.into() };
            let (verdict, logs) = (Verdict::Unchanged, Vec::new());
            let ran = Ran { verdict, logs, fuel: 7, pages: 2, engine: EngineName::Wasmi, version: None };
            serde_json::to_string(&report(plugin(), subject, ran)).expect("json")
        };
        for body in [
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{ "z": 1.50, "a": 1e400, "n": 123456789012345678901234567890 }"#,
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"["\ud800"]"#,
        ] {
            assert!(of(body).ends_with(&format!(r#""payload":{body}}}"#)), "{}", of(body));
        }
        assert!(of("<a/>").contains(r#""payload":"<a/>""#));
    }

    #[test]
    fn what_was_replaced_is_shown_with_its_differences() {
        let out = run(Verdict::Replace {
            body: Some(br#"{"a":1}"#.to_vec()),
            headers: vec![("X-New".to_owned(), Some("1".to_owned()))],
            event_type: Some("u".to_owned()),
        });
        assert_eq!(
            (&out["verdict"], &out["payload"], &out["eventType"]),
            (&json!("replaced"), &json!({ "a": 1 }), &json!("u"))
        );
        assert_eq!(out["headers"], json!({ "content-type": "application/json", "x-new": "1" }));
        assert_eq!(
            out["diff"],
            json!({
                "body": [{ "path": "/b", "op": "removed", "from": 2 }],
                "headers": [{ "path": "x-new", "op": "added", "to": "1" }],
                "eventType": { "from": "t", "to": "u" },
                "truncated": false,
            })
        );
        assert_eq!(
            (&out["fuel"], &out["memoryPages"], &out["engine"]),
            (&json!(7), &json!(2), &json!("wasmi"))
        );
        assert_eq!(out["logs"][0]["message"].as_str().map(str::len), Some(5_000), "the whole log");
    }

    #[test]
    fn what_is_unchanged_is_shown_and_has_no_differences() {
        let out = run(Verdict::Unchanged);
        assert_eq!((&out["verdict"], &out["payload"]), (&json!("unchanged"), &json!({ "a": 1, "b": 2 })));
        assert_eq!(out["diff"], json!({ "body": [], "headers": [], "truncated": false }));
    }

    #[test]
    fn what_is_not_delivered_has_no_payload() {
        let out = run(Verdict::Drop { reason: "why".to_owned() });
        assert_eq!(
            (&out["verdict"], &out["reason"], &out["payload"]),
            (&json!("dropped"), &json!("why"), &Value::Null)
        );
        let out = run(Verdict::Failed { code: "trap".to_owned(), text: "oh".to_owned() });
        assert_eq!(
            (&out["verdict"], &out["error"]),
            (&json!("failed"), &json!({ "code": "trap", "message": "oh" }))
        );
        assert_eq!(out["payload"], Value::Null);
    }

    #[test]
    fn a_header_that_no_plugin_may_set_is_a_failure() {
        let headers = vec![("host".to_owned(), Some("x".to_owned()))];
        let out = run(Verdict::Replace { body: None, headers, event_type: None });
        assert_eq!((&out["verdict"], &out["error"]["code"]), (&json!("failed"), &json!("header")));
        assert_eq!((&out["diff"]["headers"], &out["payload"]), (&json!([]), &Value::Null));
    }
}
