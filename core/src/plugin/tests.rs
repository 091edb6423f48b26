//! What a chain of plugins comes to.

use super::*;
use serde_json::{Value, json};
use std::rc::Rc;

fn attached(name: &str, on_error: OnError) -> Attached {
    Attached { name: name.to_owned(), version: "v".to_owned(), pinned: false, config: None, on_error }
}

fn ran(verdict: Verdict) -> Ran {
    Ran { verdict, logs: Vec::new(), fuel: 7, pages: 2, engine: EngineName::Wasmi, version: None }
}

fn failed() -> Verdict {
    Verdict::Failed { code: "trap".to_owned(), text: "unreachable".to_owned() }
}

fn replaced(body: &str, headers: &[(&str, Option<&str>)]) -> Verdict {
    Verdict::Replace {
        body: Some(body.as_bytes().to_vec()),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect(),
        event_type: None,
    }
}

fn dropped(reason: &str) -> Verdict {
    Verdict::Drop { reason: reason.to_owned() }
}

/// Runs plugins `a`, `b`, … with these policies, each answering the verdict of its place; what was decided, the
/// trace, and the bodies that the plugins saw.
fn run(policies: &[OnError], verdicts: Vec<Verdict>) -> (Decision, Value, Vec<String>) {
    let names = ["a", "b", "c"];
    let plugins: Rc<[Attached]> = names.iter().zip(policies).map(|(name, p)| attached(name, *p)).collect();
    let headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-old".to_owned(), "1".to_owned()),
    ];
    let subject = Subject { event_type: "t".to_owned(), headers, body: b"0".to_vec() };
    let mut chain = Chain::new(plugins, subject);
    let (mut verdicts, mut saw) = (verdicts.into_iter(), Vec::new());
    while let Step::Run(plugin, subject) = chain.step() {
        saw.push(format!("{}:{}", plugin.name, String::from_utf8_lossy(&subject.body)));
        chain.ran(ran(verdicts.next().expect("no more plugins than verdicts")));
    }
    let Outcome { decision, trace, .. } = chain.outcome();
    (decision, serde_json::from_str(&trace).unwrap(), saw)
}

fn body(decision: &Decision) -> &str {
    match decision {
        Decision::Deliver(subject) => std::str::from_utf8(&subject.body).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_plugin_sees_what_the_one_before_left() {
    let hold = OnError::Hold;
    let (decision, trace, saw) =
        run(&[hold; 3], vec![replaced("1", &[]), Verdict::Unchanged, replaced("2", &[])]);
    assert_eq!((body(&decision), saw), ("2", vec!["a:0".to_owned(), "b:1".to_owned(), "c:1".to_owned()]));
    let verdicts: Vec<_> = trace.as_array().unwrap().iter().map(|t| &t["verdict"]).collect();
    assert_eq!(verdicts, ["replaced", "unchanged", "replaced"]);
    assert_eq!((&trace[0]["fuel"], &trace[0]["engine"]), (&json!(7), &json!("wasmi")));
}

#[test]
fn headers_are_set_and_removed_without_regard_to_case() {
    let patch = [("X-Old", None), ("X-New", Some("2")), ("Content-Type", Some("text/plain"))];
    let (decision, ..) = run(&[OnError::Hold], vec![replaced("1", &patch)]);
    let Decision::Deliver(subject) = decision else { panic!() };
    let headers: Vec<_> = subject.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(headers, [("x-new", "2"), ("content-type", "text/plain")]);
}

#[test]
fn a_type_that_would_break_a_header_is_a_failure() {
    for event_type in
        ["a\r\nx-injected: 1", "", "a\u{7f}", "*", "a.*", ".", "..", " a", "a ", &"a".repeat(257)]
    {
        let verdict =
            Verdict::Replace { body: None, headers: Vec::new(), event_type: Some(event_type.to_owned()) };
        let (decision, trace, _) = run(&[OnError::Hold], vec![verdict]);
        assert!(matches!(decision, Decision::Held(_)), "{event_type:?}");
        assert_eq!(trace[0]["error"]["code"], "event_type", "{event_type:?}");
    }
}

#[test]
fn a_header_that_belongs_to_the_delivery_is_a_failure() {
    for name in ["webhook-signature", "host", "bad name", "content-length"] {
        let (decision, trace, _) = run(&[OnError::Hold], vec![replaced("1", &[(name, Some("x"))])]);
        assert!(
            matches!(&decision, Decision::Held(why) if why.contains("a failed (header)")),
            "{decision:?}"
        );
        assert_eq!(trace[0]["error"]["code"], "header");
    }
}

#[test]
fn a_drop_ends_the_chain() {
    let (decision, trace, saw) = run(&[OnError::Hold; 2], vec![dropped("not wanted")]);
    assert_eq!(decision, Decision::Filtered("Filtered out by the plugin a: not wanted".to_owned()));
    assert_eq!((saw.len(), &trace[0]["reason"]), (1, &json!("not wanted")));
}

#[test]
fn a_failure_holds_drops_or_is_passed_over_as_the_attachment_says() {
    let (held, trace, _) = run(&[OnError::Hold], vec![failed()]);
    assert_eq!(held, Decision::Held("The plugin a failed (trap): unreachable".to_owned()));
    assert_eq!((&trace[0]["error"]["code"], &trace[0]["onError"]), (&json!("trap"), &json!("hold")));
    let (dropped, ..) = run(&[OnError::Drop], vec![failed()]);
    assert_eq!(dropped, Decision::Filtered("The plugin a failed (trap): unreachable".to_owned()));
    let policies = [OnError::Deliver, OnError::Hold];
    let (passed, trace, saw) = run(&policies, vec![failed(), replaced("1", &[])]);
    assert_eq!((body(&passed), saw[1].as_str(), &trace[0]["verdict"]), ("1", "b:0", &json!("failed")));
}

#[test]
fn a_plugin_that_rests_counts_as_failed_without_having_run() {
    let names = [("a", OnError::Deliver), ("b", OnError::Deliver), ("c", OnError::Drop)];
    let plugins: Rc<[Attached]> = names.iter().map(|(name, policy)| attached(name, *policy)).collect();
    let subject = Subject { event_type: "t".to_owned(), headers: Vec::new(), body: b"0".to_vec() };
    let passed = |resting: [bool; 3]| {
        let mut chain = Chain::new(Rc::clone(&plugins), subject.clone()).without(resting.to_vec());
        while let Step::Run(..) = chain.step() {
            chain.ran(ran(Verdict::Unchanged));
        }
        let Outcome { decision, trace, ran, .. } = chain.outcome();
        let trace: Value = serde_json::from_str(&trace).unwrap();
        let verdicts: Vec<String> = trace
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["verdict"].as_str().unwrap().to_owned())
            .collect();
        (decision, verdicts.join(" "), ran.iter().map(|(place, _)| *place).collect::<Vec<_>>())
    };
    let (through, verdicts, places) = passed([true, false, false]);
    assert_eq!((body(&through), verdicts.as_str(), places), ("0", "skipped unchanged unchanged", vec![1, 2]));
    let (through, verdicts, _) = passed([true, true, false]);
    assert_eq!((body(&through), verdicts.as_str()), ("0", "skipped skipped unchanged"));
    let (dropped, verdicts, places) = passed([false, true, true]);
    assert!(matches!(&dropped, Decision::Filtered(why) if why.contains("skipped for now")), "{dropped:?}");
    assert_eq!((verdicts.as_str(), places), ("unchanged skipped skipped", vec![0]));
}

#[test]
fn of_a_long_log_the_end_is_kept() {
    let lines: Vec<_> = (0..100).map(|n| ("info".to_owned(), format!("{n:0>50}"))).collect();
    let mut chain = Chain::new(
        Rc::new([attached("a", OnError::Hold)]),
        Subject { event_type: "t".to_owned(), headers: Vec::new(), body: Vec::new() },
    );
    chain.ran(Ran { logs: lines, ..ran(Verdict::Unchanged) });
    let trace: Value = serde_json::from_str(&chain.outcome().trace).unwrap();
    let logs = trace[0]["logs"].as_array().unwrap();
    assert_eq!((logs.len(), &logs[39]["message"]), (40, &json!(format!("{:0>50}", 99))));
}

#[test]
fn a_stored_message_is_worked_on_as_it_is_delivered() {
    let subject_of =
        |brought: Vec<(String, String)>| Subject::of_message("a.b".to_owned(), brought, b"n: 1".to_vec());
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let subject = subject_of(Vec::new());
    assert_eq!((subject.event_type.as_str(), subject.body.as_slice()), ("a.b", &b"n: 1"[..]));
    assert_eq!(subject.headers, std::slice::from_ref(&json));
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let brought = vec![own("X-A", "1"), own("Content-Type", "text/yaml")];
    let headers = subject_of(brought).headers;
    assert_eq!(headers, [own("x-a", "1"), own("content-type", "text/yaml")]);
    assert_eq!(subject_of(vec![own("x-a", "1")]).headers, [json, own("x-a", "1")]);
}
