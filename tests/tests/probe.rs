//! The probe measures correctly: the emulator simulates each possible answer to each undocumented question, and the
//! probe finds it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use weir_tests::gateway::{Running, scratch};
use xtask::local::{self, Production, Profile};

/// The probe's answers under these rules, by question.
#[track_caller]
fn probe(production: Production) -> BTreeMap<String, String> {
    let dir = scratch("probe");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in ["production/probe/entry.mjs", "../probe/worker.mjs"] {
        let source = tests.join(source);
        fs::copy(&source, dir.join(source.file_name().unwrap())).unwrap();
    }
    let gateway = Running::with(local::Options {
        data: scratch("probe"),
        port: 0,
        vars: BTreeMap::from([("ALLOWED_NETWORKS".to_owned(), "127.0.0.0/8,::1/128".to_owned())]),
        verbose: std::env::var_os("WEIR_TEST_VERBOSE").is_some(),
        loader: false,
        worker_dir: Some(dir),
        production: Some(production),
    });
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_mins(2)));
    let agent: ureq::Agent = config.build().into();
    let name = format!("probe.test:{}", gateway.url().rsplit(':').next().unwrap());
    let answer = agent.get(format!("{}/?json&quick", gateway.url())).header("host", name).call();
    let text = answer.and_then(|mut answer| answer.body_mut().read_to_string()).unwrap();
    println!("{text}");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines.map(|line| (field(&line, "name"), field(&line, "answer"))).collect()
}

#[track_caller]
fn assert_answers(answers: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (name, answer) in expected {
        assert_eq!(answers.get(*name).map(String::as_str), Some(*answer), "{name}");
    }
    assert!(!answers.values().any(|answer| answer == "unknown"), "{answers:?}");
}

#[test]
fn the_probe_finds_what_weir_assumes_of_the_paid_plan() {
    // Fewer calls than the plan has: counting to 10,000 takes long.
    let answers = probe(Production::new(Profile::Paid).rule("internal", 500));
    assert_answers(
        &answers,
        &[
            ("depth", "16"),
            ("depth-alarm", "yes"),
            ("calls-per-event", "500"),
            ("requests-per-event", "no"),
            ("count-reset", "yes"),
            ("count-owner", "no"),
            ("connections", "6 to 11"),
            ("connections-owner", "no"),
            ("connections-alarm", "no"),
            ("value-bytes", "2000000 bytes"),
            ("row-bytes", "no"),
            ("drop-rows", "no"),
            ("clock", "yes"),
            ("address", "403"),
            ("unknown-name", "530"),
        ],
    );
}

#[test]
fn the_probe_finds_the_other_answers_too() {
    let other = Production::new(Profile::Free)
        .rule("internal", 500)
        .rule("countsPerEvent", false)
        .rule("connectionsOf", "event")
        .rule("valueBytes", 4_194_304)
        .rule("frozenClock", false)
        .rule("refuseAddresses", false)
        .rule("answerFailures", false);
    assert_answers(
        &probe(other),
        &[
            ("requests-per-event", "yes, after 50"),
            ("count-reset", "no"),
            ("count-owner", "yes"),
            ("connections-owner", "yes"),
            ("connections-alarm", "no"),
            ("value-bytes", "4194304 bytes"),
            ("row-bytes", "yes"),
            ("clock", "no"),
            ("unknown-name", "an exception"),
        ],
    );
}
