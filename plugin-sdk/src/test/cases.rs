//! Cases as data: a JSON file of events and what becomes of them, so that the same cases can be run natively and as wasm.

use super::{Input, Outcome, Plugin, event};
use crate::Verdict;
use crate::json::{self, Value};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{borrow::Cow, format};

/// Runs a plugin's function on every case of a file, and fails the test where one does not become what it says.
///
/// ```json
/// [{
///   "name": "a small amount is dropped",
///   "eventType": "invoice.paid",
///   "body": "{\"amount\": 5}",
///   "headers": {"x-tenant": "acme"},
///   "config": {"least": 10},
///   "expect": {"verdict": "drop", "reason": "too small"}
/// }]
/// ```
///
/// `headers` and `config` may be missing. `expect` has a `verdict` (`unchanged`, `replace`, `drop`, `retry` or `fail`) and, where there
/// is one, the `reason` (of a drop or failure), and of a replacement `body`, `eventType` and `headers`, as far as they are of
/// interest; a header that is `null` is not there.
///
/// # Panics
///
/// Where the file is no such file, or a case does not become what it says.
pub fn cases<Parameters>(text: &str, plugin: impl Plugin<Parameters>) {
    let cases = json::parse(text).unwrap_or_else(|error| panic!("the cases are no JSON: {error}"));
    let cases = cases.as_array().unwrap_or_else(|| panic!("the cases are no list"));
    assert!(!cases.is_empty(), "there is no case");
    for case in cases {
        let name = string(case, "name");
        let outcome = input(case).run_with(&plugin);
        let expect = case.get("expect").unwrap_or_else(|| panic!("the case `{name}` expects nothing"));
        let wrong = differences(expect, &outcome);
        assert!(wrong.is_empty(), "the case `{name}`: {}", wrong.join("; "));
    }
}

fn string(value: &Value<'_>, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map(Cow::into_owned).unwrap_or_default()
}

fn input(case: &Value<'_>) -> Input {
    let mut input = event(&string(case, "eventType")).json(&string(case, "body"));
    if let Some(config) = case.get("config") {
        input = input.config(&config.to_json());
    }
    for (name, value) in case.get("headers").and_then(Value::as_object).unwrap_or_default() {
        input = input.header(&name.to_str(), &value.as_str().unwrap_or_default());
    }
    input
}

fn differences(expect: &Value<'_>, outcome: &Outcome) -> Vec<String> {
    let (verdict, reason) = match outcome.verdict() {
        Verdict::Deliver => ("unchanged", None),
        Verdict::Replace(_) => ("replace", None),
        Verdict::Drop(reason) => ("drop", Some(reason.to_string())),
        Verdict::Fail(error) => {
            (if error.is_retryable() { "retry" } else { "fail" }, Some(error.to_string()))
        }
    };
    let mut wrong = Vec::new();
    let mut compare = |what: &str, wanted: Option<Cow<'_, str>>, have: Option<&str>| {
        if wanted.as_deref() != have {
            wrong.push(format!("{what} is {have:?}, not {wanted:?}"));
        }
    };
    compare("the verdict", expect.get("verdict").and_then(Value::as_str), Some(verdict));
    if let Some(wanted) = expect.get("reason") {
        compare("the reason", wanted.as_str(), reason.as_deref());
    }
    if let Some(wanted) = expect.get("body") {
        compare("the body", wanted.as_str(), core::str::from_utf8(outcome.body()).ok());
    }
    if let Some(wanted) = expect.get("eventType") {
        compare("the event type", wanted.as_str(), Some(outcome.event_type()));
    }
    for (name, wanted) in expect.get("headers").and_then(Value::as_object).unwrap_or_default() {
        compare(&format!("the header {name:?}"), wanted.as_str(), outcome.header(&name.to_str()));
    }
    wrong
}
