//! Every preset: what it says makes sense, and what it signs it verifies.

use std::fs;
use std::path::Path;
use weir_core::preset::{self, Preset};
use weir_core::scheme::{
    Algorithm, Encoding, KeyFormat, Outgoing, Params, Reason, Request, Scheme, Secrets, Verdict,
};

#[test]
fn every_file_is_a_preset() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presets");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        count += 1;
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            wrong.push(format!("presets/{name}.json: the name has lower-case letters, digits and hyphens"));
        }
        let mut reader = serde_json::Deserializer::from_str(&text);
        match serde_path_to_error::deserialize::<_, Preset>(&mut reader) {
            Err(error) => wrong.push(format!("presets/{name}.json: at {}: {}", error.path(), error.inner())),
            Ok(preset) => {
                wrong
                    .extend(preset.faults().into_iter().map(|fault| format!("presets/{name}.json: {fault}")));
            }
        }
        if preset::find(&name).is_none() && wrong.is_empty() {
            wrong.push(format!("presets/{name}.json: it is not in the program"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(preset::names().count(), count);
    assert!(count >= 120, "{count}");
}

const NOW: i64 = 1_795_000_000_000;
const ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const URL: &str = "https://example.com/in?data.id=ABC";

/// A secret to sign with, and the one to verify with.
fn secret(scheme: &Scheme, other: bool) -> (String, String) {
    let bytes = [if other { 7u8 } else { 1 }; 32];
    let same = |text: String| (text.clone(), text);
    let Some((format, algorithm)) = scheme.key() else { return same("none".into()) };
    if algorithm == Some(Algorithm::Ed25519) && format != KeyFormat::Key {
        let pair = ed25519_dalek::SigningKey::from_bytes(&bytes);
        let encode = |bytes: &[u8]| match format {
            KeyFormat::Hex => Encoding::Hex.encode(bytes),
            _ => Encoding::Base64.encode(bytes),
        };
        let whpk = format == KeyFormat::Whpk;
        let prefixes = if whpk { ("whsk_", "whpk_") } else { ("", "") };
        return (
            format!("{}{}", prefixes.0, encode(&pair.to_keypair_bytes())),
            format!("{}{}", prefixes.1, encode(pair.verifying_key().as_bytes())),
        );
    }
    match (algorithm, format) {
        (Some(algorithm), KeyFormat::Key) => {
            let key = |name: &str| {
                let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scheme/keys");
                fs::read_to_string(dir.join(name)).unwrap()
            };
            match algorithm {
                Algorithm::EcdsaP521Sha512 => (key("p521.pem"), key("p521.pub.pem")),
                Algorithm::Ed25519 => (key("ed25519.pem"), key("ed25519.pub.pem")),
                Algorithm::EcdsaP256Sha1 | Algorithm::EcdsaP256Sha256 => {
                    (key("p256.pem"), key("p256.pub.pem"))
                }
                _ => (key("rsa.pem"), key("rsa.cert.pem")),
            }
        }
        (_, KeyFormat::Hex) => same(Encoding::Hex.encode(&bytes)),
        (_, KeyFormat::Base64) => same(Encoding::Base64.encode(&bytes)),
        (_, KeyFormat::Whsec) => same(format!("whsec_{}", Encoding::Base64.encode(&bytes))),
        _ => same(if other { "another:secret" } else { "user:a secret of the provider" }.to_owned()),
    }
}

/// A body of the provider's shape, and what of the request nothing signs.
fn body(preset: &Preset) -> (Vec<u8>, &'static [&'static str]) {
    match preset.name.as_str() {
        "adyen" => (
            br#"{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","merchantAccountCode":"m","merchantReference":"r","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true"}},{"NotificationRequestItem":{"pspReference":"q"}}]}"#.into(),
            &[],
        ),
        "aws-sns" | "aws-sns-v2" => (
            br#"{"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":"hello","Timestamp":"2026-11-21T00:00:00.000Z"}"#.into(),
            &[],
        ),
        "microsoft-graph" => (br#"{"value":[{"id":"a"},{"id":"b"}]}"#.into(), &[]),
        "mailgun" => (br#"{"event-data":{"event":"delivered"}}"#.into(), &[]),
        "braintree" => (b"bt_payload=PG5vdGlmaWNhdGlvbj4%3D".into(), &["public_key"]),
        "worldpay" => (b"{}".into(), &["key/SHA256"]),
        "keygen" => (b"{}".into(), &[r#"keyid="weir",algorithm="ed25519",headers="(request-target) host date digest","#]),
        "twilio" | "mandrill" | "plivo" => (b"CallSid=CA1&Digits=1234".into(), &[]),
        "orum-io" => (br#"{"event_type":"a","created_at":"2026-11-21T00:00:00.000Z"}"#.into(), &[]),
        "linear" => (br#"{"action":"create"}"#.into(), &[]),
        _ if preset.event.batch == preset::Several::Body => (br#"[{"type":"a","id":"b"}]"#.into(), &[]),
        _ => (br#"{"type":"a.b","id":"c","n":1.0}"#.into(), &[]),
    }
}

struct Sent {
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn verdict(&self, preset: &Preset, secrets: &Secrets, params: &Params, now: i64) -> Verdict {
        let request = Request { method: "POST", url: &self.url, headers: &self.headers, body: &self.body };
        preset.scheme.verify(secrets, params, &request, now)
    }
}

fn send(preset: &Preset, secret: &str, params: &Params) -> Sent {
    let headers = vec![("x-request-id".to_owned(), "r-1".to_owned())];
    let body = body(preset).0;
    let outgoing = Outgoing { method: "POST", url: URL, headers: &headers, body: &body, id: ID };
    let secrets = preset.scheme.signing(&[secret]).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
    let signed = preset.sign(&secrets, params, &outgoing, "a.b", NOW);
    let signed = signed.unwrap_or_else(|error| panic!("{}: {error}", preset.name));
    Sent {
        url: signed.url.unwrap_or_else(|| URL.to_owned()),
        headers: headers.into_iter().chain(signed.headers).collect(),
        body: signed.body.unwrap_or(body),
    }
}

fn params() -> Params {
    let given = [("webhook_id", "W"), ("public_key", "public_key")];
    given.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Calls `check` with the text whose byte at each position is another one, but for `kept` parts.
fn each_flip(text: &[u8], kept: &[&str], mut check: impl FnMut(usize, Vec<u8>)) {
    let kept: Vec<_> = kept
        .iter()
        .filter_map(|part| {
            let at = text.windows(part.len()).position(|window| window == part.as_bytes())?;
            Some(at..at + part.len())
        })
        .collect();
    // Long texts are sampled: public keys are slow.
    let step = (text.len() / 60).max(1);
    for at in (0..text.len()).step_by(step).filter(|at| !kept.iter().any(|part| part.contains(at))) {
        let mut changed = text.to_vec();
        changed[at] ^= 1;
        check(at, changed);
    }
}

fn signed_presets() -> impl Iterator<Item = Preset> {
    let all = preset::names().map(|name| preset::find(name).unwrap_or_else(|| panic!("{name}")));
    all.filter(|preset| preset.scheme != Scheme::None)
}

/// Checks every preset, also after one has failed, so that one run names all that are wrong.
fn each(check: impl Fn(Preset)) {
    let wrong: Vec<String> = signed_presets()
        .filter_map(|preset| {
            let name = preset.name.clone();
            let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(preset)));
            held.is_err().then_some(name)
        })
        .collect();
    assert!(wrong.is_empty(), "{} presets are wrong: {}", wrong.len(), wrong.join(", "));
}

#[test]
fn what_a_preset_signs_it_verifies() {
    each(|preset| {
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params());
        let verdict = sent.verdict(&preset, &preset.scheme.verifying(&[&verify]), &params(), NOW);
        let word = if preset.scheme.binds_body() { "verified" } else { "authenticated" };
        assert_eq!(verdict.word(), word, "{}: {verdict:?} of {:?}", preset.name, sent.headers);
        // Beside a secret that is none, and one that is another.
        if verify == sign {
            let other = secret(&preset.scheme, true).1;
            let verdict =
                sent.verdict(&preset, &preset.scheme.verifying(&["", &other, &verify]), &params(), NOW);
            assert!(
                matches!(verdict, Verdict::Verified(p) | Verdict::Authenticated(p) if p.secret == 2),
                "{}",
                preset.name
            );
        }
    });
}

#[test]
fn a_changed_byte_of_the_body_is_refused() {
    each(|preset| {
        if !preset.scheme.binds_body() {
            return;
        }
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params());
        let secrets = preset.scheme.verifying(&[verify]);
        each_flip(&sent.body, body(&preset).1, |at, body| {
            let changed = Sent { url: sent.url.clone(), headers: sent.headers.clone(), body };
            let verdict = changed.verdict(&preset, &secrets, &params(), NOW);
            assert!(
                !verdict.is_good(),
                "{}: byte {at} of {}",
                preset.name,
                String::from_utf8_lossy(&changed.body)
            );
        });
    });
}

#[test]
fn a_changed_or_missing_header_of_the_scheme_is_refused() {
    each(|preset| {
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params());
        let secrets = preset.scheme.verifying(&[verify]);
        for (index, (name, value)) in
            sent.headers.iter().enumerate().filter(|(_, (name, _))| is_read(&preset, name))
        {
            let mut headers = sent.headers.clone();
            headers.remove(index);
            let without = Sent { url: sent.url.clone(), headers, body: sent.body.clone() };
            let verdict = without.verdict(&preset, &secrets, &params(), NOW);
            assert!(!verdict.is_good(), "{} without {name}", preset.name);
            let mut headers = sent.headers.clone();
            headers.push((name.to_ascii_uppercase(), value.clone()));
            let twice = Sent { url: sent.url.clone(), headers, body: sent.body.clone() };
            let verdict = twice.verdict(&preset, &secrets, &params(), NOW);
            assert!(!verdict.is_good(), "{} with {name} twice", preset.name);
            each_flip(value.as_bytes(), body(&preset).1, |at, changed| {
                let Ok(changed) = String::from_utf8(changed) else { return };
                let mut headers = sent.headers.clone();
                headers[index].1.clone_from(&changed);
                let other = Sent { url: sent.url.clone(), headers, body: sent.body.clone() };
                let verdict = other.verdict(&preset, &secrets, &params(), NOW);
                assert!(!verdict.is_good(), "{}: character {at} of {name}: {changed}", preset.name);
            });
        }
    });
}

/// Whether the scheme reads a header, or only what comes after looks at it.
fn is_read(preset: &Preset, name: &str) -> bool {
    let scheme = serde_json::to_string(&preset.scheme).unwrap();
    let quoted = [format!("header:{name}\""), format!("header:{name}}}"), format!("header-pairs:{name}}}")];
    let basic = matches!(preset.scheme, Scheme::Basic(_)) && name == "authorization";
    let numbered = preset.name == "docusign" && name == "x-docusign-signature-1";
    let listed = matches!(preset.name.as_str(), "hook0" | "coinbase-cdp") && name.starts_with("x-event-");
    basic || numbered || listed || quoted.iter().any(|text| scheme.contains(text))
}

#[test]
fn a_second_beyond_the_tolerance_is_refused_in_both_directions() {
    let mut timed = 0;
    for preset in signed_presets() {
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params());
        let secrets = preset.scheme.verifying(&[verify]);
        let at = |seconds: i64| sent.verdict(&preset, &secrets, &params(), NOW + seconds * 1000);
        let Some(tolerance) = preset.scheme.tolerance_s().map(i64::from) else { continue };
        timed += 1;
        // A token says itself from when on it is valid.
        let (ahead, code) = match &preset.scheme {
            Scheme::Jwt(jwt) if jwt.max_age.is_some() => (i64::from(jwt.leeway), "not_yet_valid"),
            _ => (tolerance, "too_new"),
        };
        assert!(at(-ahead).is_good(), "{}: {:?}", preset.name, at(-ahead));
        assert_eq!(at(-ahead - 1).reason().map(Reason::code), Some(code), "{}", preset.name);
        assert!(at(tolerance).is_good(), "{}", preset.name);
        match at(tolerance + 1).reason() {
            Some(Reason::TooOld { age_s, tolerance_s }) => {
                assert_eq!((*age_s, *tolerance_s), (tolerance + 1, tolerance));
            }
            other => panic!("{}: {other:?}", preset.name),
        }
    }
    assert!(timed > 50, "{timed}");
}

#[test]
fn a_token_is_refused_when_its_time_is_over() {
    each(|preset| {
        let Scheme::Jwt(jwt) = &preset.scheme else { return };
        if jwt.detached || jwt.max_age.is_some() {
            return;
        }
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params());
        let secrets = preset.scheme.verifying(&[verify]);
        let last = i64::from(jwt.lifetime) + i64::from(jwt.leeway);
        let at = |seconds: i64| sent.verdict(&preset, &secrets, &params(), NOW + seconds * 1000);
        assert!(at(last).is_good(), "{}", preset.name);
        assert_eq!(at(last + 1).reason().map(Reason::code), Some("expired"), "{}", preset.name);
    });
}

#[test]
fn another_secret_an_empty_one_and_none_are_refused() {
    each(|preset| {
        let sent = send(&preset, &secret(&preset.scheme, false).0, &params());
        let verdict =
            |secrets: &[&str]| sent.verdict(&preset, &preset.scheme.verifying(secrets), &params(), NOW);
        let other = secret(&preset.scheme, true).1;
        if other != secret(&preset.scheme, false).1 {
            let code = verdict(&[&other]).reason().map(Reason::code);
            assert!(matches!(code, Some("mismatch" | "wrong_token")), "{}: {code:?}", preset.name);
        }
        assert_eq!(verdict(&[""]).reason().map(Reason::code), Some("secret_unusable"), "{}", preset.name);
        assert_eq!(verdict(&[]).reason(), Some(&Reason::NoSecret), "{}", preset.name);
    });
}

#[test]
fn the_receivers_own_header_carries_the_signature() {
    for name in ["relaypost", "hmac-sha256", "token"] {
        let preset = preset::find(name).unwrap();
        let params = Params::from([("header".to_owned(), "X-My-Signature".to_owned())]);
        let (sign, verify) = secret(&preset.scheme, false);
        let sent = send(&preset, &sign, &params);
        assert!(sent.headers.iter().any(|(name, _)| name == "x-my-signature"), "{name}");
        let secrets = preset.scheme.verifying(&[verify]);
        assert!(sent.verdict(&preset, &secrets, &params, NOW).is_good(), "{name}");
        assert!(!sent.verdict(&preset, &secrets, &Params::new(), NOW).is_good(), "{name}");
    }
}

#[test]
fn rotation_signs_with_every_secret_where_there_is_room() {
    for name in ["svix", "stripe", "paddle", "box", "docusign", "recurly", "reloop", "loops", "resend"] {
        let preset = preset::find(name).unwrap();
        let (new, old) = (secret(&preset.scheme, true).0, secret(&preset.scheme, false).0);
        let outgoing = Outgoing { method: "POST", url: URL, headers: &[], body: b"{}", id: ID };
        let secrets = preset.scheme.signing(&[&new, &old]).unwrap();
        let signed = preset.sign(&secrets, &params(), &outgoing, "a", NOW).unwrap();
        let sent = Sent { url: URL.into(), headers: signed.headers, body: b"{}".to_vec() };
        for secret in [&new, &old] {
            let verdict = sent.verdict(&preset, &preset.scheme.verifying(&[secret]), &params(), NOW);
            assert!(verdict.is_good(), "{name}: {verdict:?}");
        }
    }
}
