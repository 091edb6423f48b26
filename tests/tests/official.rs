//! Providers' own libraries and Weir's presets accept each other's signatures.
//!
//! The libraries are in `tests/official/`, pinned, and are installed below the target directory on the first run. No
//! gateway is needed: the presets are the core's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use weir_core::preset;
use weir_core::scheme::{Outgoing, Params, Request};
use weir_tests::gateway::scratch;
use weir_tests::sdk;

const NOW: i64 = 1_795_000_000_000;
const JSON: &str = r#"{"type":"a.b","id":"c"}"#;
const FORM: &str = "CallSid=CA1&Digits=1234&From=%2B14158675309";
const URL: &str = "https://example.com/in?a=b&c=d";
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HEX: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
const LONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ITEMS: &str = r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{"pspReference":"p","merchantAccountCode":"m","merchantReference":"r","amount":{"value":1130,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true"}}]}"#;
const BRAINTREE: &str = r#"<notification><kind>check</kind><timestamp type="datetime">2026-11-21T00:00:00Z</timestamp><subject><check type="boolean">true</check></subject></notification>"#;

/// What some providers need besides.
fn params() -> Params {
    Params::from([("public_key".to_owned(), "public_key".to_owned())])
}

/// The library, its preset, the secret, and the body.
const NPM: [(&str, &str, &str, &str); 33] = [
    ("stripe", "stripe", "whsec_test", JSON),
    ("@octokit/webhooks-methods", "github", "secret", JSON),
    ("svix", "svix", WHSEC, JSON),
    ("standardwebhooks", "standard-webhooks", WHSEC, JSON),
    ("openai", "openai", WHSEC, JSON),
    ("twilio", "twilio", "token", FORM),
    ("twilio (JSON)", "twilio-json", "token", JSON),
    ("@sendgrid/eventwebhook", "sendgrid", "p256", "[{\"event\":\"open\"}]\r\n"),
    ("@slack/bolt", "slack", "secret", JSON),
    ("square", "square", "secret", JSON),
    ("@line/bot-sdk", "line", "secret", JSON),
    ("@shopify/shopify-api", "shopify", "secret", JSON),
    ("@paddle/paddle-node-sdk", "paddle", "pdl_ntfset_secret", JSON),
    ("razorpay", "razorpay", "secret", JSON),
    ("discord-interactions", "discord", "ed25519-hex", JSON),
    ("telnyx", "telnyx", "ed25519-base64", JSON),
    ("@mux/mux-node", "mux", "secret", JSON),
    ("@workos-inc/node", "workos", "secret", JSON),
    ("@sanity/webhook", "sanity", "secret", JSON),
    ("pusher", "pusher", "secret", JSON),
    ("@linear/sdk", "linear", "secret", r#"{"type":"Issue","webhookTimestamp":0}"#),
    ("@contentful/node-apps-toolkit", "contentful", LONG, JSON),
    ("plivo", "plivo", "token", FORM),
    ("@adyen/api-library", "adyen", HEX, ITEMS),
    ("@adyen/api-library (platform)", "adyen-platform", HEX, JSON),
    ("coinbase-commerce-node", "coinbase-commerce", "secret", JSON),
    ("braintree", "braintree", "private", "bt_payload="),
    ("@easypost/api", "easypost", "sécret", JSON),
    ("@vonage/jwt", "vonage", LONG, JSON),
    ("messagebird", "messagebird", LONG, JSON),
    ("@upstash/qstash", "qstash", "sig_secret", JSON),
    ("@hubspot/api-client (v3)", "hubspot", "secret", "[{\"eventId\":1}]"),
    ("@hubspot/api-client (v1)", "hubspot-v1", "secret", "[{\"eventId\":1}]"),
];

/// The same for Python, with the package and its version.
const PYPI: [(&str, &str, &str, &str, &str); 3] = [
    ("slack_sdk==3.47.0", "slack_sdk", "slack", "secret", JSON),
    ("twilio==9.13.0", "twilio", "twilio", "token", FORM),
    ("stripe==16.1.0", "stripe", "stripe", "whsec_test", JSON),
];

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// A secret to sign with here, to sign with there, and to verify with.
struct Keys {
    weir: String,
    theirs: String,
    public: String,
}

fn keys(secret: &str) -> Keys {
    let pem = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/tests/scheme/keys").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let inner = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let last_32 = |pem: &str| {
        let der = BASE64.decode(inner(pem)).unwrap();
        der[der.len() - 32..].to_vec()
    };
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    match secret {
        "p256" => {
            Keys { weir: pem("p256.pem"), theirs: pem("p256.pem"), public: inner(&pem("p256.pub.pem")) }
        }
        "ed25519-hex" => Keys {
            weir: hex(&last_32(&pem("ed25519.pem"))),
            theirs: pem("ed25519.pem"),
            public: hex(&last_32(&pem("ed25519.pub.pem"))),
        },
        "ed25519-base64" => Keys {
            weir: BASE64.encode(last_32(&pem("ed25519.pem"))),
            theirs: pem("ed25519.pem"),
            public: BASE64.encode(last_32(&pem("ed25519.pub.pem"))),
        },
        text => Keys { weir: text.into(), theirs: text.into(), public: text.into() },
    }
}

/// A request that Weir signed, for a library to look at.
fn signed_here(library: &str, preset: &str, secret: &str, body: &str, now: i64) -> Value {
    let keys = keys(secret);
    let preset = preset::find(preset).unwrap();
    let body = if body == "bt_payload=" {
        format!("bt_payload={}", BASE64.encode(BRAINTREE).replace('+', "%2B").replace('=', "%3D"))
    } else {
        body.to_owned()
    };
    let url = if library == "twilio (JSON)" { "https://example.com/in" } else { URL };
    let outgoing = Outgoing { method: "POST", url, headers: &[], body: body.as_bytes(), id: "msg_1" };
    let ready = preset.scheme.signing(&[&keys.weir]).unwrap();
    let signed = preset.sign(&ready, &params(), &outgoing, "orders/create", now).unwrap();
    let headers: BTreeMap<String, String> = signed.headers.into_iter().collect();
    json!({
        "library": library, "secret": keys.theirs, "public": keys.public, "method": "POST",
        "url": signed.url.as_deref().unwrap_or(url), "headers": headers,
        "body": signed.body.map_or(body, |body| String::from_utf8(body).unwrap()),
    })
}

/// What is wrong with what a library says of a case, and with what Weir says of the library's signature.
fn fault(case: &Value, line: &Value, preset: &str, secret: &str, now: i64) -> Option<String> {
    let library = case["library"].as_str().unwrap();
    if line["accepts"] != true {
        return Some(format!(
            "{library} refuses what Weir signs: {}\n{case}",
            line["error"].as_str().unwrap_or("no reason")
        ));
    }
    if line["accepts_changed"] != false {
        return Some(format!("{library} accepts a changed body: the test does not test it"));
    }
    let theirs = &line["signed"];
    if theirs.is_null() {
        return line["error"].as_str().map(|error| format!("{library} cannot sign: {error}"));
    }
    let preset = preset::find(preset).unwrap();
    let headers: Vec<(String, String)> = theirs["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    let text = |name: &str| theirs[name].as_str().or(case[name].as_str()).unwrap();
    let request =
        Request { method: "POST", url: text("url"), headers: &headers, body: text("body").as_bytes() };
    let verdict =
        preset.scheme.verify(&preset.scheme.verifying(&[keys(secret).public]), &params(), &request, now);
    if !verdict.is_good() {
        return Some(format!("Weir refuses what {library} signs: {verdict:?} {theirs}"));
    }
    let other = [request.body, b" "].concat();
    let changed = preset.scheme.verify(
        &preset.scheme.verifying(&[keys(secret).public]),
        &params(),
        &Request { body: &other, ..request },
        now,
    );
    // Adyen's and Braintree's signatures stand in the body, and cover fields of it.
    (changed.is_good() && !matches!(preset.name.as_str(), "adyen" | "braintree"))
        .then(|| format!("Weir accepts a changed body of {library}"))
}

#[test]
fn libraries_of_npm() {
    let cases: Vec<Value> = NPM
        .iter()
        .map(|(library, preset, secret, body)| signed_here(library, preset, secret, body, NOW))
        .collect();
    let file = scratch("official").join("cases.json");
    std::fs::write(&file, Value::from(cases.clone()).to_string()).unwrap();
    let (file, now) = (file.to_string_lossy(), NOW.to_string());
    let run = sdk::official("check.mjs", &[("WEIR_CASES", &file), ("WEIR_NOW", &now)]);
    run.assert_ok();
    let mut faults = Vec::new();
    for (case, (library, preset, secret, _)) in cases.iter().zip(NPM) {
        match run.lines.iter().find(|line| line["library"] == library) {
            Some(line) => faults.extend(fault(case, line, preset, secret, NOW)),
            None => faults.push(format!("{library}: nothing was said\n{}", run.noise)),
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), NPM.len(), faults.join("\n\n"));
}

#[test]
fn libraries_of_pypi() {
    for (package, library, preset, secret, body) in PYPI {
        let case = signed_here(library, preset, secret, body, now());
        let file = scratch("official").join("cases.json");
        std::fs::write(&file, json!([case]).to_string()).unwrap();
        let env = [("WEIR_CASES", &*file.to_string_lossy()), ("WEIR_LIBRARY", library)];
        let Some(run) = sdk::python(package, "../official/check.py", &env) else { return };
        run.assert_ok();
        let found = fault(&case, &run.lines[0], preset, secret, now());
        assert!(found.is_none(), "{}", found.unwrap_or_default());
    }
}
