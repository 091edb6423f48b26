//! Handshakes: the requests with which providers check a URL before they send events there, on a real workerd.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use weir_core::preset;
use weir_core::scheme::Params;
use weir_tests::client::Reply;
use weir_tests::gateway::shared;
use weir_tests::receiver::Receiver;
use weir_tests::source::{self, Source};

const SECRET: &str = "the provider's secret";
const BODY: &str = r#"{"type":"a.b"}"#;

/// The headers with which a provider signs a body.
fn signed(kind: &str, secret: &str, body: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let sent = source::signed(kind, secret, body.as_bytes(), headers, &Params::new());
    sent.headers().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A way to ask, and what is answered: status, body, and a header.
struct Asked<'a> {
    kind: &'a str,
    config: Value,
    method: &'a str,
    query: &'a str,
    body: &'a str,
    headers: Vec<(String, String)>,
    status: u16,
    answer: &'a str,
    header: Option<(&'a str, &'a str)>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        let config = json!({ "secret": SECRET });
        Self {
            kind: "",
            config,
            method: "GET",
            query: "",
            body: "",
            headers: vec![],
            status: 200,
            answer: "",
            header: None,
        }
    }
}

fn ask(source: &Source, asked: &Asked<'_>) -> Reply {
    let headers: Vec<(&str, &str)> = asked.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    source.call(asked.method, asked.query, asked.body.as_bytes(), &headers)
}

#[test]
fn every_handshake_is_answered_as_its_provider_wants_it_and_captures_nothing() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let api = gateway.tenant();
    // Discord's key pair: the secret half signs, the source has the public one.
    let private = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public =
        preset::find("discord").and_then(|p| p.scheme.public_half(private)).expect("the public half");
    let discord = json!({ "secret": public });
    let (ping, check, twitch) = (r#"{"type":1}"#, r#"{"type":0}"#, r#"{"challenge":"pogchamp"}"#);
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let callback = [("twitch-eventsub-message-type", "webhook_callback_verification")];
    let cases = [
        Asked { kind: "dropbox", query: "?challenge=c1", answer: "c1", ..Asked::default() },
        Asked {
            kind: "adobe-io",
            config: json!({}),
            query: "?challenge=c1",
            answer: "c1",
            ..Asked::default()
        },
        Asked {
            kind: "adobe-sign",
            headers: header("x-adobesign-clientid", "client"),
            header: Some(("x-adobesign-clientid", "client")),
            ..Asked::default()
        },
        Asked {
            kind: "okta",
            headers: header("x-okta-verification-challenge", "c1"),
            answer: r#"{"verification":"c1"}"#,
            ..Asked::default()
        },
        Asked {
            kind: "microsoft-graph",
            method: "POST",
            query: "?validationToken=t%201",
            answer: "t 1",
            ..Asked::default()
        },
        Asked {
            kind: "twitch",
            method: "POST",
            body: twitch,
            headers: signed("twitch", SECRET, twitch, &callback),
            answer: "pogchamp",
            ..Asked::default()
        },
        Asked {
            kind: "twitch",
            method: "POST",
            body: twitch,
            headers: header(callback[0].0, callback[0].1),
            status: 401,
            ..Asked::default()
        },
        Asked {
            kind: "monday",
            method: "POST",
            body: r#"{"challenge":"c1"}"#,
            answer: r#"{"challenge":"c1"}"#,
            ..Asked::default()
        },
        Asked {
            kind: "discord",
            config: discord.clone(),
            method: "POST",
            body: ping,
            headers: signed("discord", private, ping, &[]),
            answer: r#"{"type":1}"#,
            ..Asked::default()
        },
        Asked {
            kind: "discord",
            config: discord.clone(),
            method: "POST",
            body: check,
            headers: signed("discord", private, check, &[]),
            status: 204,
            ..Asked::default()
        },
        Asked {
            kind: "discord",
            config: discord,
            method: "POST",
            body: ping,
            status: 401,
            ..Asked::default()
        },
        Asked { kind: "intercom", method: "HEAD", ..Asked::default() },
        Asked { kind: "mailchimp", config: json!({}), method: "HEAD", ..Asked::default() },
        Asked { kind: "mailchimp", config: json!({}), ..Asked::default() },
        Asked { kind: "trello", method: "HEAD", ..Asked::default() },
    ];
    for asked in cases {
        let what = format!("{} {}{} {}", asked.kind, asked.method, asked.query, asked.body);
        let source = Source::new(&api, &receiver, asked.kind, &asked.config, &json!({}));
        let reply = ask(&source, &asked);
        assert_eq!((reply.status, reply.text.as_str()), (asked.status, asked.answer), "{what}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{what}");
        let kind = reply.header("content-type").unwrap_or_default();
        assert!(
            asked.answer.is_empty() || kind.starts_with("text/plain") || kind == "application/json",
            "{what}: {kind}"
        );
        if let Some((name, value)) = asked.header {
            assert_eq!(reply.header(name), Some(value), "{what}");
        }
        assert!(source.messages().is_empty(), "{what}");
        let listed: Vec<_> = source.rejected().iter().map(|one| one["reason"]["code"].clone()).collect();
        let refused = if asked.status >= 400 { vec![json!("handshake")] } else { Vec::new() };
        assert_eq!(listed, refused, "{what}: its owner sees what was refused");
    }
}

#[test]
fn xero_is_answered_with_nothing_but_a_status() {
    let (gateway, receiver) = (shared(), Receiver::start());
    let source = Source::new(&gateway.tenant(), &receiver, "xero", &json!({ "secret": SECRET }), &json!({}));
    // "Intent to receive": 200 where the signature is right and 401 where it is not.
    let right = signed("xero", SECRET, BODY, &[]);
    let right: Vec<(&str, &str)> = right.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let reply = source.send(BODY.as_bytes(), &right);
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    let wrong = BASE64.encode([7; 32]);
    assert_eq!(source.send(BODY.as_bytes(), &[("x-xero-signature", &wrong)]).status, 401);
}
