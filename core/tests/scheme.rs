//! The engine against published signatures and against the conformance cases.
//!
//! Both files hold one case a line, in a form that any language can read: `preset` (or `scheme`, written out), `secrets`,
//! `params`, `now` (milliseconds), `request` with `body` or `body_base64`; and what has to come of it: `verdict` with
//! the `reason` of a refusal (or its `secret` or `age_ms`), or the `handshake` that is answered. `source` says where a published signature is from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeSet;
use weir_core::preset;
use weir_core::scheme::{Outgoing, Params, Reason, Request, Scheme, Verdict};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    scheme: Option<Scheme>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    params: Params,
    now: i64,
    request: Given,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    secret: Option<usize>,
    #[serde(default)]
    age_ms: Option<i64>,
    #[serde(default)]
    handshake: Option<Answered>,
    /// The other half of the key: what it signs has to be the very signature of the request.
    #[serde(default)]
    private: Option<String>,
    #[serde(default, rename = "source")]
    _source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: u16,
    #[serde(default)]
    body: Option<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let case = |(at, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", at + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.is_empty()).map(case).collect()
}

impl Case {
    fn body(&self) -> Vec<u8> {
        match (&self.request.body, &self.request.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(encoded)) => BASE64.decode(encoded).unwrap(),
            _ => panic!("{}: either body or body_base64", self.name),
        }
    }

    /// What is wrong with the engine's answer.
    fn fault(&self) -> Option<String> {
        let body = self.body();
        let given = &self.request;
        let request =
            Request { method: &given.method, url: &given.url, headers: &given.headers, body: &body };
        let known =
            self.preset.as_ref().map(|name| preset::find(name).unwrap_or_else(|| panic!("no preset {name}")));
        let scheme =
            self.scheme.as_ref().or(known.as_ref().map(|preset| &preset.scheme)).expect("preset or scheme");
        let secrets = scheme.verifying(&self.secrets);
        if let Some(expected) = &self.handshake {
            let answer = known?.handshake(&secrets, &self.params, &request, self.now);
            let answer = answer.map(|answer| (answer.status, answer.body));
            let right = answer.as_ref().is_some_and(|(status, body)| {
                *status == expected.status && expected.body.as_ref().is_none_or(|expected| expected == body)
            });
            return (!right).then(|| format!("{}: {answer:?}", self.name));
        }
        let verdict = scheme.verify(&secrets, &self.params, &request, self.now);
        let proof = match &verdict {
            Verdict::Verified(proof) | Verdict::Authenticated(proof) => Some(proof),
            _ => None,
        };
        let right = Some(verdict.word()) == self.verdict.as_deref()
            && verdict.reason().map(Reason::code) == self.reason.as_deref()
            && self.secret.is_none_or(|secret| proof.is_some_and(|proof| proof.secret == secret))
            && self.age_ms.is_none_or(|age| proof.is_some_and(|proof| proof.age_ms == Some(age)));
        if !right {
            return Some(format!("{}: {verdict:?}", self.name));
        }
        if let Some(private) = &self.private {
            let header = |name: &str| given.headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
            let outgoing = Outgoing {
                method: &given.method,
                url: &given.url,
                headers: &[],
                body: &body,
                id: &header("webhook-id"),
            };
            let signed =
                scheme.sign(&scheme.signing(&[private]).unwrap(), &self.params, &outgoing, self.now).unwrap();
            if signed.headers != given.headers {
                return Some(format!("{}: signed {:?}", self.name, signed.headers));
            }
        }
        None
    }
}

fn all_hold(text: &str) -> usize {
    let cases = cases(text);
    let names: BTreeSet<&String> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "every case has a name of its own");
    let faults: Vec<String> = cases.iter().filter_map(Case::fault).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    cases.len()
}

#[test]
fn published_signatures_verify() {
    assert!(all_hold(include_str!("scheme/vectors.jsonl")) >= 36);
}

#[test]
fn published_signatures_are_of_the_body_and_no_other() {
    for mut case in cases(include_str!("scheme/vectors.jsonl")) {
        if case.handshake.is_some()
            || case.request.body.as_deref() == Some("")
            || matches!(case.preset.as_deref(), Some("adyen" | "mercado-pago"))
        {
            continue;
        }
        let body = case.request.body.take().unwrap();
        let last = body.len() - 1;
        case.request.body = Some(format!("{}~", &body[..last]));
        case.private = None;
        assert!(case.fault().is_some(), "{}", case.name);
    }
}

#[test]
fn conformance() {
    all_hold(include_str!("scheme/cases.jsonl"));
}

fn headers_of(preset: &preset::Preset, value: &str) -> Vec<(String, String)> {
    let data = serde_json::to_string(&preset.scheme).unwrap();
    let names = data.split("header:").skip(1).filter_map(|rest| rest.split(['"', '}', '{']).next());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    names.into_iter().map(|name| (name, value.to_owned())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_to_any_preset_is_answered_and_refused(
        value in ".{0,80}",
        syntax in "(t=[0-9]{0,12},)?(v1|s|h1|v0)=[a-f0-9]{0,64}",
        token in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,3}",
        body: Vec<u8>,
        json in "\\{(\"[a-z]{1,9}\":(\"x\"|1|\\[\\]|\\{\\}|null),?){0,4}\\}",
        secret in ".{1,60}",
        der: Vec<u8>,
    ) {
        for name in preset::names() {
            let preset = preset::find(name).unwrap();
            let secrets = preset.scheme.verifying(&[secret.clone(), BASE64.encode(&der)]);
            for value in [&value, &syntax, &token] {
                let headers = headers_of(&preset, value);
                for body in [body.as_slice(), json.as_bytes()] {
                    let request = Request { method: "POST", url: "https://example.com/?a=b", headers: &headers, body };
                    let verdict = preset.scheme.verify(&secrets, &Params::new(), &request, 1_795_000_000_000);
                    prop_assert!(!verdict.is_good(), "{}: {:?}", name, verdict);
                    let _ = preset.handshake(&secrets, &Params::new(), &request, 1_795_000_000_000);
                    let _ = preset.event(&request);
                }
            }
        }
    }
}
