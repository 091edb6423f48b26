//! No handshake can be used to have an event signed, or to have anything said that was not asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use weir_core::preset::{self, Preset};
use weir_core::scheme::handshake::Answer;
use weir_core::scheme::{Params, Place, Reason, Request, Verdict};

const NOW: i64 = 1_795_000_000_000;
const SECRET: &str = "the-provider-secret";

fn ask(
    preset: &Preset,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Option<Answer> {
    let secrets = preset.scheme.verifying(&[SECRET]);
    let params = [("verify_token", "the-verify-token"), ("public_key", "public_key")];
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    preset.handshake(&secrets, &params, &Request { method, url, headers, body }, NOW)
}

/// Asks the handshakes of a preset about a challenge, at the place where each looks for one.
fn challenge(preset: &Preset, challenge: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for handshake in &preset.handshakes {
        let (mut query, mut headers, mut form) = (Vec::new(), Vec::new(), Vec::new());
        let mut body = serde_json::json!({});
        let said = handshake.when.iter().map(|(place, value)| (place.clone(), value.clone()));
        let asked = handshake.challenge.iter().map(|place| (place.clone(), challenge.to_owned()));
        for (place, value) in said.chain(asked) {
            match place {
                Place::Query(name) => query.push((name, value)),
                Place::Header(name) => headers.push((name, value)),
                Place::Form(name) => form.push((name, value)),
                Place::Json(path) if path.to_string().starts_with("[0].") => {
                    body = serde_json::json!([{ "data": { "validationCode": value } }]);
                }
                Place::Json(path) => {
                    let pointer = path.to_string();
                    match pointer.split_once('.') {
                        Some((outer, inner)) => body[outer][inner] = value.into(),
                        None => body[&pointer] = value.into(),
                    }
                }
                other => panic!("{other}"),
            }
        }
        let query = url_query(&query);
        let url = format!("https://example.com/in?{query}");
        let body = if form.is_empty() { body.to_string() } else { url_query(&form) };
        answers.extend(ask(preset, &handshake.method, &url, &headers, body.as_bytes()));
    }
    answers
}

fn url_query(pairs: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The request whose signed content would be `content`, with a signature that a handshake gave.
fn forged(preset: &Preset, content: &str, mac: &str) -> Verdict {
    let secrets = preset.scheme.verifying(&[SECRET]);
    let (headers, body) = match preset.name.as_str() {
        "x" => (vec![("x-twitter-webhooks-signature".to_owned(), mac.to_owned())], content.to_owned()),
        "linkedin" => {
            // Its content is `hmacsha256=` and the body.
            let body = content.strip_prefix("hmacsha256=").unwrap_or(content);
            (vec![("x-li-signature".to_owned(), mac.to_owned())], body.to_owned())
        }
        "braintree" => {
            let pairs =
                [("bt_signature", mac), ("bt_payload", content)].map(|(a, b)| (a.to_owned(), b.to_owned()));
            (Vec::new(), url_query(&pairs))
        }
        "zoom" => {
            // Its content is `v0:{ts}:{body}`: what could be cut so, is.
            let mut parts = content.strip_prefix("v0:").unwrap_or(content).splitn(2, ':');
            let (ts, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let headers = vec![
                ("x-zm-request-timestamp".to_owned(), ts.to_owned()),
                ("x-zm-signature".to_owned(), format!("v0={mac}")),
            ];
            (headers, body.to_owned())
        }
        other => panic!("{other} signs challenges: say here how an event of it would be forged"),
    };
    let request =
        Request { method: "POST", url: "https://example.com/in", headers: &headers, body: body.as_bytes() };
    preset.scheme.verify(&secrets, &Params::new(), &request, NOW)
}

/// The signature in an answer.
fn mac_of(preset: &Preset, answer: &Answer) -> String {
    let json = || serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
    match preset.name.as_str() {
        "x" => json()["response_token"].as_str().unwrap().to_owned(),
        "linkedin" => json()["challengeResponse"].as_str().unwrap().to_owned(),
        "zoom" => json()["encryptedToken"].as_str().unwrap().to_owned(),
        _ => answer.body.clone(),
    }
}

fn signing() -> Vec<Preset> {
    let all = preset::names().map(|name| preset::find(name).unwrap());
    all.filter(|preset| preset.handshakes.iter().any(|handshake| handshake.signs().is_some())).collect()
}

#[test]
fn the_presets_that_sign_challenges_are_known() {
    let names: Vec<String> = signing().into_iter().map(|preset| preset.name).collect();
    assert_eq!(names, ["braintree", "linkedin", "x", "zoom"]);
}

#[test]
fn events_are_not_signed_as_challenges() {
    let payload = BASE64.encode("<notification><kind>check</kind></notification>");
    let events = [
        r#"{"for_user_id":"1"}"#,
        "v0:1795000000:{}",
        "v0:1795000000:",
        payload.as_str(),
        "12345",
        "true",
        "null",
        "abcdefabcdefabcdefabcdef",
        "",
    ];
    for preset in signing() {
        let mut signed = 0;
        for event in events {
            for answer in challenge(&preset, event) {
                if answer.status != 200 {
                    assert_eq!((answer.status, answer.body.as_str()), (400, ""), "{}: {event}", preset.name);
                    continue;
                }
                signed += 1;
                let verdict = forged(&preset, event, &mac_of(&preset, &answer));
                assert!(!verdict.is_good(), "{}: {event}: {verdict:?}", preset.name);
                if !matches!(preset.name.as_str(), "zoom" | "linkedin") {
                    // The signature is right: only the form of what is signed gives it away.
                    assert_eq!(verdict.reason(), Some(&Reason::Handshake), "{}: {event}", preset.name);
                }
            }
        }
        assert!(signed > 0, "{}: no challenge was answered, so nothing was tried", preset.name);
    }
}

#[test]
fn no_answer_is_a_page_that_a_browser_runs() {
    for name in preset::names() {
        let preset = preset::find(name).unwrap();
        for answer in challenge(&preset, "<script>alert(1)</script>") {
            let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            assert_eq!(header("x-content-type-options"), Some("nosniff"), "{name}");
            assert!(
                matches!(header("content-type"), Some("text/plain; charset=utf-8" | "application/json")),
                "{name}"
            );
            assert_eq!(header("referrer-policy"), Some("no-referrer"), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_challenge_whatever_gives_a_signature_of_an_event(
        any in ".{0,60}",
        urlsafe in "[A-Za-z0-9_-]{1,60}",
        hex in "[0-9a-f]{18,42}",
        like_zoom in "v0:[0-9]{10}:.{0,20}",
    ) {
        for preset in signing() {
            for content in [&any, &urlsafe, &hex, &like_zoom] {
                for answer in challenge(&preset, content).into_iter().filter(|answer| answer.status == 200) {
                    prop_assert!(!forged(&preset, content, &mac_of(&preset, &answer)).is_good());
                }
            }
        }
    }

    #[test]
    fn an_answer_never_holds_a_secret(any in ".{0,60}", placeholder in "\\{(mac|digest|challenge|secret)\\}") {
        for name in preset::names() {
            let preset = preset::find(name).unwrap();
            for content in [&any, &placeholder] {
                for answer in challenge(&preset, content) {
                    let whole = format!("{}{:?}", answer.body, answer.headers);
                    prop_assert!(!whole.contains(SECRET) && !whole.contains("the-verify-token"));
                }
            }
        }
    }
}

#[test]
fn a_handshake_of_ones_own_that_can_never_work_is_refused() {
    let faults = |handshake: serde_json::Value| {
        let custom = serde_json::json!({ "scheme": { "kind": "none" }, "handshakes": [handshake] });
        let body = serde_json::json!({ "name": "a", "type": "custom", "config": { "custom": custom } });
        let read = weir_core::api::model::source::SourceIn::parse(body.to_string().as_bytes());
        read.err().map(|error| error.body()).unwrap_or_default()
    };
    let of = |method: &str, answer: serde_json::Value| {
        faults(serde_json::json!({ "method": method, "challenge": "query:challenge", "answer": answer }))
    };
    let good =
        serde_json::json!({ "json": { "challenge": "{challenge}", "of": "{param:team}", "set": "{a, b}" } });
    assert_eq!(of("GET", good.clone()), "", "this one works");
    for method in ["get", "TRACE", "", "CONNECT", "PO ST"] {
        assert!(
            of(method, good.clone()).contains("'method' must be"),
            "{method}: {}",
            of(method, good.clone())
        );
    }
    for text in ["{secret}", "your {challenge}", "{mac}", "{digest}", "{Challenge}"] {
        let fault = of("GET", serde_json::json!({ "text": text }));
        assert!(fault.contains("unknown placeholder"), "{text}: {fault}");
        let header = of("GET", serde_json::json!({ "headers": [["x-a", text]] }));
        assert!(header.contains("unknown placeholder"), "{text}: {header}");
    }
}
